/*
 * A B-node for tests, in threads of the test: real sockets and real TLS on
 * 127.0.0.1, and whatever answer the script says, right or wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum fake_tls {
	FAKE_TLS13,
	FAKE_TLS12,
	FAKE_TLS12_ANONYMOUS, /* no certificate */
	FAKE_HTTP,            /* no TLS at all */
};

enum fake_end {
	FAKE_KEEP,    /* keep the connection and serve the next request */
	FAKE_CLOSE,   /* close it */
	FAKE_RESET,   /* reset it (RST) */
	FAKE_HANG,    /* say no more until the client leaves */
	FAKE_ENDLESS, /* send the tail again and again until the client leaves */
};

enum fake_start {
	FAKE_SERVE,
	FAKE_CLOSE_AT_ONCE, /* before TLS */
	FAKE_RESET_AT_ONCE,
	FAKE_SILENT,     /* accepts, and that is all */
	FAKE_TALK_FIRST, /* sends the head in plain, before any TLS */
};

/**
 * An answer. "@ID@" and "@NAME@" become what the request asked, "@NOW@" the unix time.
 * Sent: head, then "Content-Length: N\r\n\r\n" unless raw, then body, then tail.
 */
struct fake_script {
	enum fake_tls tls;
	enum fake_start start;
	const char *head;
	const char *body; /* NULL: a registered name, sha256 = 32 times 0x11 */
	const char *tail; /* not counted in the length; NULL: none */
	bool raw;
	enum fake_end end;
	/* Not 0: a descriptor. An answer waits until one byte of it can be read, or it is closed. */
	int gate;
};

#define FAKE_HEAD(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n"
#define FAKE_OK FAKE_HEAD("200 OK")
#define FAKE_HASH "1111111111111111111111111111111111111111111111111111111111111111"
#define FAKE_REGISTRATION "2222222222222222222222222222222222222222222222222222222222222222"
#define FAKE_SHOW(status, value)                                                                  \
	"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\",\"value\":\"" value \
	"\",\"txid\":\"" FAKE_REGISTRATION "\",\"expires_in\":86400,\"expires_at\":4102444800,"   \
	"\"status\":\"" status "\",\"registration\":\"" FAKE_REGISTRATION                         \
	"\",\"sequence\":1,\"unit\":\"s\",\"tip\":{\"height\":7,\"time\":@NOW@,\"hash\":"         \
	"\"" FAKE_HASH "\"}}}"
#define FAKE_REGISTERED FAKE_SHOW("registered", "sha256=" FAKE_HASH)
#define FAKE_REVOKED FAKE_SHOW("revoked", "sha256=" FAKE_HASH "|status=revoked")
#define FAKE_UNKNOWN \
	"{\"id\":\"@ID@\",\"error\":{\"code\":-4,\"message\":\"failed to read from name DB\"}}"

struct fake_node;

/** Listens on a free port. NULL: it could not. The script must outlive the node. */
struct fake_node *fake_node_start(const struct fake_script *script);
/** Another script from the next connection or request on; TLS stays as it was. Must outlive the node too. */
void fake_node_change(struct fake_node *node, const struct fake_script *script);
/** Ends its connections and threads. */
void fake_node_stop(struct fake_node *node);

/** The configuration of a device for this node: URL and pin. */
void fake_node_config(const struct fake_node *node, const char *name, struct config_node *out);
/** TCP connections accepted and requests answered so far. */
unsigned int fake_node_connections(struct fake_node *node);
unsigned int fake_node_requests(struct fake_node *node);
/** The whole of the last request, header and body; out is terminated. */
void fake_node_last_request(struct fake_node *node, char *out, size_t size);
