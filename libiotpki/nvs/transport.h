/*
 * Many exchanges at once over one libcurl multi handle: connections kept alive, at
 * most so many at a time, the others waiting in line, each with its own end on the
 * monotonic clock. Never blocks but in transport_poll.
 */
#pragma once

#include "base/clock.h"
#include "nvs/exchange.h"

struct transport;
struct transfer;

#define TRANSPORT_ACTIVE_MAX 192 /* exchanges, and so descriptors, at a time; 64 of them a node */

/** Called once for each transfer that was not cancelled, from transport_poll alone. */
typedef void transport_done_fn(void *context, const struct transport_answer *answer);

/** nodes must outlive the transport. */
enum iotpki_err transport_new(const struct config_node *nodes, size_t node_count,
			      const struct clock *clock,
			      struct transport **transport_out) MUST_CHECK;
/** Ends everything without calling back. */
void transport_free(struct transport *transport);

struct transport_order {
	size_t node;
	struct buf *request;                   /* its content is taken over */
	size_t cap;                            /* bytes of the answer's body */
	const struct credentials *credentials; /* of the node; NULL: none */
	int64_t expires_ms; /* monotonic; then it is UNREACHABLE, whether it was sent or waited */
	transport_done_fn *done;
	void *context;
};
/** @param transfer_out  valid until done was called, or transport_cancel */
enum iotpki_err transport_send(struct transport *transport, const struct transport_order *order,
			       struct transfer **transfer_out) MUST_CHECK;
void transport_cancel(struct transport *transport, struct transfer *transfer);

/** When there is something to do though nothing arrives, INT64_MAX if there is not. */
int64_t transport_next_ms(const struct transport *transport);
/** Wait for at most timeout_ms (>= 0) and work; extra_fd as nvs_poll has it. */
enum iotpki_err transport_poll(struct transport *transport, int extra_fd,
			       int timeout_ms) MUST_CHECK;
