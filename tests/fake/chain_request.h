/* An HTTP/1.1 request to a fake chain node, as far as it has come. */
#pragma once

#include "base/buf.h"
#include "fake/chain_state.h"

enum { CHAIN_REQUEST_MAX = 4 * 1024 * 1024, CHAIN_LOGIN_SIZE = 512 };

struct chain_request {
	struct buf bytes;
	size_t head_len, body_len;
	char method[8], path[1024], authorization[CHAIN_LOGIN_SIZE * 2], wallet[CHAIN_WALLET_SIZE];
	bool has_authorization, has_wallet, close;
};

/** Read the request line and the headers once they are all there (head_len is then not 0). */
void chain_request_head(struct chain_request *request);
/** Make room for the next one; what came behind this one is kept. */
void chain_request_next(struct chain_request *request);
