/* One HTTP exchange with a fake chain node, as bytes; and a JSON line of a recorded transcript. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct chain_exchange {
	int status;            /* 0: no answer */
	char content_type[64]; /* "" none */
	struct buf body;       /* as far as it came */
	bool complete;         /* as long as its Content-Length */
};

/**
 * @param request  the body of a POST, or "GET path"
 * @param login    "user:password"; NULL: none is sent
 * @param path     of the POST; NULL: "/"
 * @return false: nobody listens, or the connection ended without an answer, or nothing came in time
 */
bool chain_exchange(unsigned int port, const char *path, const char *login, const char *request,
		    struct chain_exchange *out);
/** The same, for one who expects no answer and does not wait long for it. */
bool chain_exchange_within(int silence_ms, unsigned int port, const char *path, const char *login,
			   const char *request, struct chain_exchange *out);
void chain_exchange_done(struct chain_exchange *exchange);
