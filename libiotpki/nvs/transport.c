/* The multi handle, the line of waiting transfers at each node, and their ends. */
#include "nvs/transport.h"

#include <curl/curl.h>

enum {
	NODE_ACTIVE_MAX = 64,
	NODE_ACTIVE_MIN = 4,
	NODE_IDLE_MAX = 4,        /* exchanges kept for the next question */
	NODE_CONNECTIONS_MAX = 4, /* connections kept alive */
};

/* An order on its way. It is in its node's line or in the list of those that run. */
struct transfer {
	struct transfer *next;
	struct exchange *exchange; /* NULL while it waits, or if it cannot be started */
	bool failed;               /* it cannot be started: ends at the next poll */
	struct buf request;
	struct transport_order order;
};

struct lane {
	const struct config_node *node;
	struct transfer *waiting; /* in order of time */
	unsigned int active;
	struct exchange *idle[NODE_IDLE_MAX];
	size_t idle_count;
};

struct transport {
	CURLM *multi;
	const struct clock *clock;
	unsigned int active_max; /* a lane */
	struct transfer *running;
	size_t lane_count;
	struct lane lanes[IOTPKI_NODES_MAX];
};

/* ---- lists ---- */

static void append(struct transfer **list, struct transfer *transfer)
{
	while (*list != NULL)
		list = &(*list)->next;
	transfer->next = NULL;
	*list = transfer;
}

static bool take_out(struct transfer **list, const struct transfer *transfer)
{
	for (; *list != NULL; list = &(*list)->next) {
		if (*list != transfer)
			continue;
		*list = transfer->next;
		return true;
	}
	return false;
}

/* ---- starting and ending ---- */

static struct exchange *take_exchange(struct lane *lane)
{
	if (lane->idle_count > 0)
		return lane->idle[--lane->idle_count];
	return exchange_new(lane->node);
}

static void keep_exchange(struct lane *lane, struct exchange *exchange)
{
	if (lane->idle_count >= NODE_IDLE_MAX || !exchange_reusable(exchange)) {
		exchange_free(exchange);
		return;
	}
	exchange_clear(exchange);
	lane->idle[lane->idle_count++] = exchange;
}

static bool start(struct transport *transport, struct lane *lane, struct transfer *transfer)
{
	struct exchange *exchange = take_exchange(lane);
	if (exchange == NULL)
		return false;
	if (exchange_prepare(exchange, &transfer->request, transfer->order.cap,
			     transfer->order.credentials, transfer) == IOTPKI_OK &&
	    curl_multi_add_handle(transport->multi, exchange_handle(exchange)) == CURLM_OK) {
		transfer->exchange = exchange;
		return true;
	}
	exchange_free(exchange);
	return false;
}

/** Let those in line go as far as the lane is free. */
static void advance(struct transport *transport, struct lane *lane)
{
	while (lane->waiting != NULL && lane->active < transport->active_max) {
		struct transfer *transfer = lane->waiting;
		lane->waiting = transfer->next;
		lane->active++;
		append(&transport->running, transfer);
		transfer->failed = !start(transport, lane, transfer);
	}
}

/** Out of its list, off the wire; the exchange stays with it, for its answer. */
static void detach(struct transport *transport, struct transfer *transfer)
{
	struct lane *lane = &transport->lanes[transfer->order.node];
	if (take_out(&lane->waiting, transfer))
		return;
	(void)take_out(&transport->running, transfer);
	lane->active--;
	if (transfer->exchange != NULL)
		(void)curl_multi_remove_handle(transport->multi,
					       exchange_handle(transfer->exchange));
}

static void release(struct transport *transport, struct transfer *transfer)
{
	struct lane *lane = &transport->lanes[transfer->order.node];
	if (transfer->exchange != NULL)
		keep_exchange(lane, transfer->exchange);
	buf_done(&transfer->request);
	free(transfer);
	advance(transport, lane);
}

static void finish(struct transport *transport, struct transfer *transfer,
		   const struct transport_answer *answer)
{
	detach(transport, transfer);
	transfer->order.done(transfer->order.context, answer);
	release(transport, transfer);
}

enum iotpki_err transport_send(struct transport *transport, const struct transport_order *order,
			       struct transfer **transfer_out)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	if (transfer == NULL)
		return IOTPKI_ERR_NOMEM;
	transfer->order = *order;
	transfer->request = *order->request;
	*order->request = (struct buf)BUF_INIT(transfer->request.cap);
	transfer->order.request = NULL;
	struct lane *lane = &transport->lanes[order->node];
	append(&lane->waiting, transfer);
	advance(transport, lane);
	*transfer_out = transfer;
	return IOTPKI_OK;
}

void transport_cancel(struct transport *transport, struct transfer *transfer)
{
	detach(transport, transfer);
	release(transport, transfer);
}

/* ---- time ---- */

static void earliest(const struct transfer *list, const struct transfer **found)
{
	for (; list != NULL; list = list->next) {
		const bool sooner =
			*found == NULL || list->order.expires_ms < (*found)->order.expires_ms;
		if ((*found == NULL || !(*found)->failed) && (list->failed || sooner))
			*found = list;
	}
}

static const struct transfer *next_end(const struct transport *transport)
{
	const struct transfer *found = NULL;
	earliest(transport->running, &found);
	for (size_t i = 0; i < transport->lane_count; i++)
		earliest(transport->lanes[i].waiting, &found);
	return found;
}

int64_t transport_next_ms(const struct transport *transport)
{
	const struct transfer *next = next_end(transport);
	if (next == NULL)
		return INT64_MAX;
	return next->failed ? INT64_MIN : next->order.expires_ms;
}

/** One at a time from the start: a call back may send and cancel others. */
static void end_by_time(struct transport *transport)
{
	const int64_t now_ms = transport->clock->mono_ms(transport->clock);
	for (;;) {
		struct transfer *transfer = (struct transfer *)(uintptr_t)next_end(transport);
		if (transfer == NULL || (!transfer->failed && transfer->order.expires_ms > now_ms))
			return;
		/* What this machine could not even send says nothing about the node. */
		const struct transport_answer answer = {
			.outcome = transfer->failed ? IOTPKI_OUTCOME_MALFORMED
						    : IOTPKI_OUTCOME_UNREACHABLE,
			.problem = transfer->failed ? "cannot be sent: out of memory"
						    : "no answer in time",
		};
		finish(transport, transfer, &answer);
	}
}

/* ---- work ---- */

static void read_messages(struct transport *transport)
{
	int left = 0;
	for (const CURLMsg *message;
	     (message = curl_multi_info_read(transport->multi, &left)) != NULL;) {
		if (message->msg != CURLMSG_DONE)
			continue;
		const int code = (int)message->data.result;
		char *context = NULL;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &context);
		struct transfer *transfer = (struct transfer *)(void *)context;
		struct transport_answer answer;
		exchange_judge(transfer->exchange, code, &answer);
		finish(transport, transfer, &answer);
	}
}

enum iotpki_err transport_poll(struct transport *transport, int extra_fd, int timeout_ms)
{
	struct curl_waitfd extra = { .fd = extra_fd, .events = CURL_WAIT_POLLIN };
	const CURLMcode waited = curl_multi_poll(transport->multi, extra_fd >= 0 ? &extra : NULL,
						 extra_fd >= 0 ? 1 : 0, timeout_ms, NULL);
	int running = 0;
	const CURLMcode worked = curl_multi_perform(transport->multi, &running);
	read_messages(transport);
	end_by_time(transport);
	if (waited == CURLM_OUT_OF_MEMORY || worked == CURLM_OUT_OF_MEMORY)
		return IOTPKI_ERR_NOMEM;
	return waited == CURLM_OK && worked == CURLM_OK ? IOTPKI_OK : IOTPKI_ERR_INTERNAL;
}

/* ---- life ---- */

static void drop_list(struct transport *transport, struct transfer **list)
{
	while (*list != NULL) {
		struct transfer *transfer = *list;
		detach(transport, transfer);
		exchange_free(transfer->exchange);
		buf_done(&transfer->request);
		free(transfer);
	}
}

void transport_free(struct transport *transport)
{
	if (transport == NULL)
		return;
	drop_list(transport, &transport->running);
	for (size_t i = 0; i < transport->lane_count; i++) {
		struct lane *lane = &transport->lanes[i];
		drop_list(transport, &lane->waiting);
		while (lane->idle_count > 0)
			exchange_free(lane->idle[--lane->idle_count]);
	}
	(void)curl_multi_cleanup(transport->multi);
	free(transport);
}

static unsigned int active_max(size_t node_count)
{
	const size_t share = node_count > 0 ? TRANSPORT_ACTIVE_MAX / node_count : 0;
	if (share > NODE_ACTIVE_MAX)
		return NODE_ACTIVE_MAX;
	return share < NODE_ACTIVE_MIN ? NODE_ACTIVE_MIN : (unsigned int)share;
}

enum iotpki_err transport_new(const struct config_node *nodes, size_t node_count,
			      const struct clock *clock, struct transport **transport_out)
{
	*transport_out = NULL;
	if (node_count > IOTPKI_NODES_MAX)
		return IOTPKI_ERR_ARGUMENT;
	/* Counted by libcurl: further calls only raise the count (see nvs.h on threads). */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return IOTPKI_ERR_INTERNAL;
	struct transport *transport = calloc(1, sizeof(*transport));
	if (transport == NULL)
		return IOTPKI_ERR_NOMEM;
	transport->clock = clock;
	transport->active_max = active_max(node_count);
	transport->lane_count = node_count;
	for (size_t i = 0; i < node_count; i++)
		transport->lanes[i].node = &nodes[i];
	transport->multi = curl_multi_init();
	const long connections = (long)(NODE_CONNECTIONS_MAX * (node_count + 1));
	if (transport->multi == NULL ||
	    curl_multi_setopt(transport->multi, CURLMOPT_MAXCONNECTS, connections) != CURLM_OK ||
	    curl_multi_setopt(transport->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) !=
		    CURLM_OK) {
		transport_free(transport);
		return IOTPKI_ERR_NOMEM;
	}
	*transport_out = transport;
	return IOTPKI_OK;
}
