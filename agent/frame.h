/*
 * The frame of the agent protocol (design 8): one request, one answer, each one
 * SOCK_SEQPACKET message of at most 16 KiB: "iotpki/1 VERB", then key=value lines
 * from a table per verb, each key once, every line ended by \n. Pure.
 */
#pragma once

#include "base/base.h"

#define FRAME_MAX 16384 /* bytes of a request or an answer */

enum frame_verb {
	FRAME_AUTHORIZE_KEY,
	FRAME_AUTHORIZE_USER,
	FRAME_AUTHORIZE_CERT,
	FRAME_PROVED,
	FRAME_CHECK_PROOF,
	FRAME_HOST_KEYS,
	FRAME_EXPLAIN,
	FRAME_REFRESH,
	FRAME_RELOAD,
	FRAME_PURGE,
	FRAME_DENY,
	FRAME_STATUS,
	FRAME_RESET_FLOORS,
	FRAME_VERB_COUNT,
};
/** "authorize-key", ...; never NULL. */
const char *frame_verb_name(enum frame_verb verb);

enum frame_key {
	FRAME_USER,
	FRAME_SERVICE,
	FRAME_TYPE,
	FRAME_BLOB, /* "key" */
	FRAME_RHOST,
	FRAME_STAGE,
	FRAME_AUTHINFO,
	FRAME_CERT,
	FRAME_EXPECTED_NAME,
	FRAME_TICKET,
	FRAME_HOST,
	FRAME_NAME,
	FRAME_KEY_COUNT,
};

/** A parsed request; the values point into text. Do not copy. */
struct frame_request {
	enum frame_verb verb;
	const char *values[FRAME_KEY_COUNT]; /* NULL: not there */
	char text[FRAME_MAX + 1];
};

/**
 * Parse a request. Line and column of what is wrong are in detail; the message never repeats the input.
 * @return IOTPKI_ERR_SYNTAX, IOTPKI_ERR_LIMIT (frame or value too long)
 */
enum iotpki_err frame_parse(const void *data, size_t len, struct frame_request *request_out,
			    struct iotpki_detail *detail) MUST_CHECK;
/** The request as the frame that it came in, keys in the table's order. Returns the length, 0 if it does not fit. */
size_t frame_format(const struct frame_request *request, char *out, size_t size);

enum frame_word {
	FRAME_SAY_DENY,
	FRAME_SAY_ADMIT,
	FRAME_SAY_UNAVAILABLE,
	FRAME_SAY_OK,
	FRAME_SAY_ERROR
};

/** An answer being built; what does not fit turns it into an ERROR. */
struct frame_answer {
	size_t len;
	char text[FRAME_MAX];
};
void frame_answer_start(struct frame_answer *answer, enum frame_word word);
/** Values are made printable; key is one of ours: [a-z][a-z0-9-]*. */
void frame_answer_text(struct frame_answer *answer, const char *key, const char *value);
void frame_answer_int(struct frame_answer *answer, const char *key, int64_t value);
/** The whole of "ERROR" with its reason. */
void frame_answer_error(struct frame_answer *answer, const char *why);
