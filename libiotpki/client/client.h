/*
 * Inside libiotpki-client: the frame codec, the bounded exchange and the values
 * that a test may replace. Everything here is pure or owns one descriptor for the
 * length of a call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <iotpki/client.h>

struct sockaddr_un;

/* What the public functions assume about the machine; never taken from the environment. */
struct client_defaults {
	uid_t trusted_uid; /* who must have called listen() on the agent's socket */
	int budget_ms;
	const char *log_socket;
};

/** The production values. Tests link a client library with another definition. */
const struct client_defaults *client_defaults(void);

/** iotpki_client_ask() with these values instead of client_defaults(). */
enum iotpki_client_status client_ask(const struct client_defaults *defaults,
				     const char *socket_path, const char *verb,
				     const struct iotpki_client_field *fields, size_t field_count,
				     int budget_ms, struct iotpki_client_answer *answer_out)
	__attribute__((warn_unused_result));

/** iotpki_client_log() to this socket. */
void client_log(const char *log_socket, const char *ident, int priority, const char *text);

/**
 * Write a request. *len_out is its length; the text is not terminated.
 * @return OK, or ARGUMENT if the protocol cannot carry a field or all of them
 */
enum iotpki_client_status client_request(const char *verb, const struct iotpki_client_field *fields,
					 size_t field_count,
					 char out[static IOTPKI_CLIENT_FRAME_MAX], size_t *len_out)
	__attribute__((warn_unused_result));

/**
 * Read the answer whose len bytes stand in answer->text, in place.
 * @return OK, or BAD_ANSWER with answer cleared (word DENY, no fields)
 */
enum iotpki_client_status client_parse(struct iotpki_client_answer *answer, size_t len)
	__attribute__((warn_unused_result));

/** A descriptor of ours, close-on-exec and above 2, so that no print of the host reaches it; -1. */
int client_socket(int type);
/** Fill a unix address; 0 if the path is empty or does not fit. Returns the address's length. */
size_t client_address(const char *path, struct sockaddr_un *address_out);
