/*
 * HTTP in front of a backend (design 6): POST /, and GET /metrics and /health for who runs
 * it. Connections, headers, bodies, answers and the time of a request have caps; requests
 * of web pages are refused.
 */
#pragma once

#include <stdint.h>

#include "bnode/backend.h"
#include "bnode/clients.h"
#include "bnode/request.h"

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
	unsigned int threads; /* for each listener */
	struct clients_limits limits;
	enum request_metrics metrics; /* who may read them */
};
#define SERVER_OPTIONS_INIT                        \
	{                                          \
		.listener_count = 0, .threads = 2, \
		.limits = {                        \
			.connections = 1024,       \
			.per_second = 1000,        \
			.request_s = 30,           \
		},                                 \
	}

/**
 * "https://HOST[:PORT][/]" or "http://..." on loopback; HOST is an IPv4 address, an IPv6 address in
 * brackets, or "localhost" (127.0.0.1); port 7443 if none is given.
 */
enum iotpki_err server_listener_parse(const char *url, struct server_listener *listener_out,
				      struct iotpki_detail *detail) MUST_CHECK;

/** Descriptors for as many connections, those that are being closed for others too. */
unsigned int server_places(const struct clients_limits *limits);

struct server;
struct tlsserve;
/**
 * Bind and serve. All signals that the caller handles must be blocked before: threads inherit it.
 * @param tls  may be NULL if no listener is TLS; the server keeps all these pointers
 */
enum iotpki_err server_start(const struct server_options *options, struct backend *backend,
			     const struct clock *clock, struct tlsserve *tls,
			     struct server **server_out, struct iotpki_detail *detail) MUST_CHECK;
#define SERVER_URL_SIZE (SERVER_HOST_SIZE + 24)
/** Where listener number at really listens, "https://127.0.0.1:7443/". */
void server_url(const struct server *server, size_t at, char out[static SERVER_URL_SIZE]);
/** Cut connections whose request takes too long. To be called about once a second. */
void server_sweep(struct server *server);
/**
 * Take no connection any more, finish what is being answered (at most 5 s), commit what was
 * submitted, end.
 */
void server_stop(struct server *server);
void server_freep(struct server **server);
