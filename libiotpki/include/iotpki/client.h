/*
 * libiotpki-client: one bounded question to iotpki-agent over its unix socket
 * (design 8). What PAM and sshd load: libc alone, no threads, fork, signals,
 * environment, name service or global state.
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTPKI_CLIENT_PUBLIC __attribute__((visibility("default")))

#define IOTPKI_CLIENT_SOCKET "/run/iotpki/agent.sock"
#define IOTPKI_CLIENT_FRAME_MAX 16384 /* bytes of a request or an answer */
#define IOTPKI_CLIENT_FIELDS_MAX 64
#define IOTPKI_CLIENT_BUDGET_MS 5000 /* the whole exchange, connect included */

/** Whether an answer came at all. Only OK says anything about a verdict. */
enum iotpki_client_status {
	IOTPKI_CLIENT_OK = 0,
	IOTPKI_CLIENT_NO_AGENT =
		-1, /* no socket, nobody listens, or it hung up without an answer */
	IOTPKI_CLIENT_UNTRUSTED = -2, /* whoever listens there was not started by root */
	IOTPKI_CLIENT_TIMEOUT = -3,
	IOTPKI_CLIENT_BAD_ANSWER = -4, /* not of the protocol */
	IOTPKI_CLIENT_ARGUMENT = -5,   /* a field that the protocol cannot carry, or too long */
	IOTPKI_CLIENT_SYSTEM = -6,     /* no descriptor, no memory */
};

/** First word of an answer; the zero value denies. */
enum iotpki_client_word {
	IOTPKI_CLIENT_DENY = 0,
	IOTPKI_CLIENT_ADMIT,
	IOTPKI_CLIENT_UNAVAILABLE,
	IOTPKI_CLIENT_DONE,  /* "OK": an administrative verb was carried out */
	IOTPKI_CLIENT_ERROR, /* the request was refused; field "error" says why */
};

struct iotpki_client_field {
	const char *key;   /* [a-z][a-z0-9-]* */
	const char *value; /* printable ASCII, no newline */
};

/** An answer; the fields point into text. Plain data but for that: do not copy. */
struct iotpki_client_answer {
	enum iotpki_client_word word;
	size_t field_count;
	struct iotpki_client_field fields[IOTPKI_CLIENT_FIELDS_MAX];
	char text[IOTPKI_CLIENT_FRAME_MAX + 1];
};

/**
 * Ask. The peer must have been started by uid 0 (SO_PEERCRED), or by trusted_uid in tests.
 * @param socket_path  NULL: IOTPKI_CLIENT_SOCKET
 * @param budget_ms    for everything; at most IOTPKI_CLIENT_BUDGET_MS, 0 means that
 * @param answer_out   word is DENY and there are no fields unless IOTPKI_CLIENT_OK
 */
IOTPKI_CLIENT_PUBLIC enum iotpki_client_status
iotpki_client_ask(const char *socket_path, const char *verb,
		  const struct iotpki_client_field *fields, size_t field_count, int budget_ms,
		  struct iotpki_client_answer *answer_out) __attribute__((warn_unused_result));

/** Value of a field, or NULL. Lives as long as the answer. */
IOTPKI_CLIENT_PUBLIC const char *iotpki_client_value(const struct iotpki_client_answer *answer,
						     const char *key);
/** A few words for the log; never NULL. */
IOTPKI_CLIENT_PUBLIC const char *iotpki_client_strerror(enum iotpki_client_status status);
/** One datagram to /dev/log (or what a test names), non-blocking, no state kept: authpriv, with the ident. */
IOTPKI_CLIENT_PUBLIC void iotpki_client_log(const char *ident, int priority, const char *text);

#ifdef __cplusplus
}
#endif
