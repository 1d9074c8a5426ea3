/*
 * One HTTP exchange with one node over libcurl: what is allowed, what is capped,
 * the pin, and what a failure means (design 6, facts.md 14). Used again and again
 * for the same node.
 */
#pragma once

#include "nvs/credentials.h"
#include "nvs/dialect.h"

struct exchange;

/** How a transfer ended. */
struct transport_answer {
	enum iotpki_outcome outcome; /* PENDING: it became an HTTP answer, and http counts */
	struct dialect_http http;    /* valid during the call back */
	const char *problem;         /* for the debug log and for people; "" if none */
	bool too_long;               /* more than the cap: fewer names at once may be answered */
};

/** The node must outlive the exchange. NULL: no memory. */
struct exchange *exchange_new(const struct config_node *node);
void exchange_free(struct exchange *exchange);
/**
 * Make ready to send.
 * @param request      stays the caller's until the exchange is over
 * @param cap          most bytes of an answer's body
 * @param credentials  of the node, as they were read last; NULL: none
 */
enum iotpki_err exchange_prepare(struct exchange *exchange, const struct buf *request, size_t cap,
				 const struct credentials *credentials, void *context) MUST_CHECK;
/** The CURL handle, for the multi handle that runs it. Its private pointer is the context. */
void *exchange_handle(const struct exchange *exchange);
/** What the exchange came to; code is libcurl's CURLcode. */
void exchange_judge(const struct exchange *exchange, int code, struct transport_answer *answer_out);
/**
 * Whether it may be used again: it went over a kept connection without trouble. Others are not
 * kept, because libcurl counts the retries of a handle for ever and gives up at the fifth.
 */
bool exchange_reusable(const struct exchange *exchange);
/** Forget the answer. */
void exchange_clear(struct exchange *exchange);
