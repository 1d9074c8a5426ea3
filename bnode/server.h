/*
 * HTTP in front of the ledger (design 6): POST / and nothing else. Every connection,
 * header, body and the time of a request have a cap; requests of web pages are refused.
 */
#pragma once

#include <stdint.h>

#include "bnode/answer.h"
#include "bnode/tlskey.h"

#define SERVER_LISTENERS_MAX 8
#define SERVER_HOST_SIZE 64

/** Where to listen. */
struct server_listener {
	bool tls;
	bool ipv6;
	char host[SERVER_HOST_SIZE]; /* numeric */
	uint16_t port;               /* 0: any free one */
};

struct server_options {
	size_t listener_count;
	struct server_listener listeners[SERVER_LISTENERS_MAX];
	unsigned int threads;     /* for each listener */
	unsigned int connections; /* at once, for each listener */
	unsigned int request_s;   /* from the end of one request to the end of the next */
};
#define SERVER_OPTIONS_INIT                                                             \
	{                                                                               \
		.listener_count = 0, .threads = 2, .connections = 1024, .request_s = 30 \
	}

/**
 * "https://HOST[:PORT][/]" or "http://..." on loopback; HOST is an IPv4 address, an IPv6 address in
 * brackets, or "localhost" (127.0.0.1); port 7443 if none is given.
 */
enum iotpki_err server_listener_parse(const char *url, struct server_listener *listener_out,
				      struct iotpki_detail *detail) MUST_CHECK;

struct server;
/**
 * Bind and serve. All signals that the caller handles must be blocked before: threads inherit it.
 * @param key  may be NULL if no listener is TLS; the server keeps the pointer
 */
enum iotpki_err server_start(const struct server_options *options, struct ledger *ledger,
			     const struct clock *clock, const struct tlskey *key,
			     struct server **server_out, struct iotpki_detail *detail) MUST_CHECK;
#define SERVER_URL_SIZE (SERVER_HOST_SIZE + 24)
/** Where listener number at really listens, "https://127.0.0.1:7443/". */
void server_url(const struct server *server, size_t at, char out[static SERVER_URL_SIZE]);
/** Cut connections whose request takes too long. To be called about once a second. */
void server_sweep(struct server *server);
/** Listen no more, finish what is being answered (at most 5 s), commit what was submitted, end. */
void server_stop(struct server *server);
void server_freep(struct server **server);
