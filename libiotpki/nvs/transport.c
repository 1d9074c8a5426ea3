/* The multi handle, the line of waiting transfers at each node, and their ends. */
#include "nvs/transport.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "nvs/resolve.h"

enum {
	RESOLVE_TEXT_MAX = RESOLVE_HOST_SIZE + RESOLVE_ADDRESSES_MAX * (RESOLVE_ADDRESS_SIZE + 3),
	HAPPY_EYEBALLS_MS = 200, /* after which the other family is tried too */
	HAPPY_EYEBALLS_SHARE = 4,
	NEXT_ADDRESS_MS = 50, /* libcurl 7.88 does not wake up for the second address it tries */
	NODE_ACTIVE_MAX = 64,
	NODE_ACTIVE_MIN = 4,
	NODE_IDLE_MAX = 4,        /* exchanges kept for the next question */
	NODE_CONNECTIONS_MAX = 4, /* connections kept alive */
};

/* An order on its way. It is in its node's line or in the list of those that run. */
struct transfer {
	struct transfer *next;
	struct exchange *exchange; /* NULL while it waits, or if it cannot be started */
	struct resolve_ticket ticket;
	struct curl_slist *addresses; /* where libcurl shall look instead of asking the resolver */
	bool several;                 /* of them */
	const char *failure;          /* it cannot be started: ends at the next poll, */
	enum iotpki_outcome failed;   /* as this */
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
	struct resolve *resolve;
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

/** "host:port:ADDRESS,[ADDRESS]": libcurl then starts no thread for it. */
static bool set_addresses(struct transfer *transfer, const struct resolve_addresses *addresses)
{
	char text[RESOLVE_TEXT_MAX];
	size_t len = strlen(addresses->host);
	if (addresses->count == 0)
		return true;
	memcpy(text, addresses->host, len);
	for (size_t i = 0; i < addresses->count; i++) {
		const char *address = addresses->texts[i];
		const bool v6 = strchr(address, ':') != NULL;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%c%s%s%s",
					i == 0 ? ':' : ',', v6 ? "[" : "", address, v6 ? "]" : "");
	}
	transfer->several = addresses->count > 1;
	transfer->addresses = curl_slist_append(NULL, text);
	return transfer->addresses != NULL;
}

/** An address that is a black hole must leave time for the next one. */
static bool set_times(const struct transport *transport, const struct transfer *transfer)
{
	const int64_t left_ms =
		transfer->order.expires_ms - transport->clock->mono_ms(transport->clock);
	const long whole_ms = left_ms < 1 ? 1 : left_ms > INT_MAX ? INT_MAX : (long)left_ms;
	const long share_ms = whole_ms / HAPPY_EYEBALLS_SHARE + 1;
	CURL *easy = exchange_handle(transfer->exchange);
	return curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, whole_ms) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS,
				share_ms < HAPPY_EYEBALLS_MS ? share_ms
							     : (long)HAPPY_EYEBALLS_MS) == CURLE_OK;
}

static bool start(struct transport *transport, struct lane *lane, struct transfer *transfer,
		  const struct resolve_addresses *addresses)
{
	transfer->exchange = take_exchange(lane);
	if (transfer->exchange == NULL)
		return false;
	CURL *easy = exchange_handle(transfer->exchange);
	if (exchange_prepare(transfer->exchange, &transfer->request, transfer->order.cap,
			     transfer->order.credentials, transfer) == IOTPKI_OK &&
	    set_addresses(transfer, addresses) && set_times(transport, transfer) &&
	    curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->addresses) == CURLE_OK &&
	    curl_multi_add_handle(transport->multi, easy) == CURLM_OK)
		return true;
	exchange_free(STEAL(transfer->exchange));
	return false;
}

static void fail(struct transfer *transfer, enum iotpki_outcome outcome, const char *why)
{
	transfer->failed = outcome;
	transfer->failure = why;
}

/** Let those in line go as far as the lane is free and the node's address is known. */
static void advance(struct transport *transport, struct lane *lane)
{
	while (lane->waiting != NULL && lane->active < transport->active_max) {
		struct transfer *transfer = lane->waiting;
		struct resolve_addresses addresses;
		const enum resolve_state state = resolve_get(
			transport->resolve, transfer->order.node, &transfer->ticket, &addresses);
		if (state == RESOLVE_PENDING)
			return;
		lane->waiting = transfer->next;
		lane->active++;
		append(&transport->running, transfer);
		/* What this machine could not even send says nothing about the node. */
		if (state == RESOLVE_UNKNOWN)
			fail(transfer, IOTPKI_OUTCOME_UNREACHABLE, "its name has no address");
		else if (state == RESOLVE_FAILED)
			fail(transfer, IOTPKI_OUTCOME_MALFORMED,
			     "its name cannot be looked up: out of memory or descriptors");
		else if (!start(transport, lane, transfer, &addresses))
			fail(transfer, IOTPKI_OUTCOME_MALFORMED, "cannot be sent: out of memory");
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
	if (transfer->exchange != NULL) {
		(void)curl_easy_setopt(exchange_handle(transfer->exchange), CURLOPT_RESOLVE, NULL);
		keep_exchange(lane, transfer->exchange);
	}
	curl_slist_free_all(transfer->addresses);
	buf_done(&transfer->request);
	free(transfer);
	advance(transport, lane);
}

static void learn(const struct transport *transport, const struct transfer *transfer,
		  enum iotpki_outcome outcome)
{
	const size_t node = transfer->order.node;
	char *address = NULL;
	if (outcome == IOTPKI_OUTCOME_UNREACHABLE)
		resolve_doubt(transport->resolve, node);
	if (outcome != IOTPKI_OUTCOME_PENDING)
		return;
	(void)curl_easy_getinfo(exchange_handle(transfer->exchange), CURLINFO_PRIMARY_IP, &address);
	resolve_worked(transport->resolve, node, address);
}

static void finish(struct transport *transport, struct transfer *transfer,
		   const struct transport_answer *answer)
{
	learn(transport, transfer, answer->outcome);
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
		if ((*found == NULL || (*found)->failure == NULL) &&
		    (list->failure != NULL || sooner))
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
	const int64_t now_ms = transport->clock->mono_ms(transport->clock);
	int64_t end_ms = next != NULL ? next->order.expires_ms : INT64_MAX;
	if (next != NULL && next->failure != NULL)
		return INT64_MIN;
	for (size_t i = 0; i < transport->lane_count; i++) {
		const struct lane *lane = &transport->lanes[i];
		if (lane->waiting == NULL || lane->active >= transport->active_max)
			continue;
		const int64_t ready_in_ms = resolve_ready_in(transport->resolve, i);
		if (ready_in_ms < INT64_MAX - now_ms && now_ms + ready_in_ms < end_ms)
			end_ms = now_ms + ready_in_ms;
	}
	for (const struct transfer *at = transport->running; at != NULL; at = at->next)
		if (at->several && now_ms + NEXT_ADDRESS_MS < end_ms)
			end_ms = now_ms + NEXT_ADDRESS_MS;
	return end_ms;
}

/** One at a time from the start: a call back may send and cancel others. */
static void end_by_time(struct transport *transport)
{
	const int64_t now_ms = transport->clock->mono_ms(transport->clock);
	for (;;) {
		struct transfer *transfer = (struct transfer *)(uintptr_t)next_end(transport);
		const bool failed = transfer != NULL && transfer->failure != NULL;
		if (transfer == NULL || (!failed && transfer->order.expires_ms > now_ms))
			return;
		const struct transport_answer answer = {
			.outcome = failed ? transfer->failed : IOTPKI_OUTCOME_UNREACHABLE,
			.problem = failed ? transfer->failure : "no answer in time",
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
	struct curl_waitfd extra[2];
	unsigned int count = 0;
	const int fds[] = { extra_fd, resolve_fd(transport->resolve) };
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			extra[count++] =
				(struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
	const CURLMcode waited = curl_multi_poll(transport->multi, extra, count, timeout_ms, NULL);
	resolve_taken(transport->resolve);
	for (size_t i = 0; i < transport->lane_count; i++)
		advance(transport, &transport->lanes[i]);
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
		curl_slist_free_all(transfer->addresses);
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
	resolve_free(transport->resolve);
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
	const enum iotpki_err err = resolve_new(nodes, node_count, clock, &transport->resolve);
	const long connections = (long)(NODE_CONNECTIONS_MAX * (node_count + 1));
	if (transport->multi == NULL || err != IOTPKI_OK ||
	    curl_multi_setopt(transport->multi, CURLMOPT_MAXCONNECTS, connections) != CURLM_OK ||
	    curl_multi_setopt(transport->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) !=
		    CURLM_OK) {
		transport_free(transport);
		return IOTPKI_ERR_NOMEM;
	}
	*transport_out = transport;
	return IOTPKI_OK;
}
