/*
 * What a node's HTTP answer means (design 6): pure, no I/O, no clock. Every answer
 * ends as exactly one outcome. What is odd is MALFORMED, never "unavailable"
 * (invariant I2: an odd answer must not be forgiven by soft-fail).
 */
#pragma once

#include "nvs/nvs.h"

#define DIALECT_ID_LEN 16                        /* random bytes of a nonce */
#define DIALECT_ID_SIZE (2 * DIALECT_ID_LEN + 1) /* its hex text and NUL */
#define DIALECT_REQUEST_MAX ((size_t)64 * 1024)  /* bytes of a request */

/** An HTTP answer as the transport got it; borrowed. */
struct dialect_http {
	long status;
	const char *content_type; /* NULL: none */
	const char *body;
	size_t len;
};

/** What was asked, and of whom. */
struct dialect_question {
	const struct config_node *node;
	const char *id;       /* the nonce: the answer must carry it as its "id" */
	const char *nvs_name; /* the name with its prefix, as it was sent */
	int64_t asked_s;      /* wall clock when it was sent */
};

/** The JSON-RPC 2.0 request for a method; params_json is one JSON array. */
enum iotpki_err dialect_request(const char *id, const char *method, const char *params_json,
				struct buf *request) MUST_CHECK;
/** The same for the question about a name that all nodes of this type answer. */
enum iotpki_err dialect_request_show(const struct dialect_question *question,
				     struct buf *request) MUST_CHECK;

/**
 * Judge a node's answer to dialect_request_show.
 * @param answer_out  outcome is never PENDING or STALE; what the outcome does not have is zero.
 *                    ms is left 0. UNREGISTERED carries no tip of its own: the nonce proves that
 *                    it was given after asked_s, so tip_s is asked_s and tip_height 0.
 * @param detail      filled for MALFORMED and for an HTTP error; may be NULL
 */
void dialect_answer(const struct dialect_question *question, const struct dialect_http *http,
		    struct iotpki_answer *answer_out, struct iotpki_detail *detail);
/** An answer that never became HTTP: the outcome, and all else as dialect_answer would fill it. */
void dialect_no_answer(const struct config_node *node, int64_t asked_s, enum iotpki_outcome outcome,
		       struct iotpki_answer *answer_out);

/** Judge the answer to one call; the result is written again from what was parsed. */
enum iotpki_err dialect_reply(const struct config_node *node, const char *id,
			      const struct dialect_http *http, struct nvs_reply *reply_out,
			      struct iotpki_detail *detail) MUST_CHECK;
