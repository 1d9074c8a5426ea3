/* Counters, and their text. */
#include "bnode/metrics.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "bnode/jsonrpc.h"

static const char *const method_names[METRICS_METHOD_COUNT] = {
	[METRICS_NAME_SHOW] = "name_show",     [METRICS_NAME_HISTORY] = "name_history",
	[METRICS_NAME_FILTER] = "name_filter", [METRICS_GETBLOCKCHAININFO] = "getblockchaininfo",
	[METRICS_NAME_SUBMIT] = "name_submit", [METRICS_OTHER] = "other",
};

static const char *const result_names[METRICS_RESULT_COUNT] = {
	[METRICS_OK] = "ok",   [METRICS_NOT_FOUND] = "not_found", [METRICS_REFUSED] = "refused",
	[METRICS_BAD] = "bad", [METRICS_BUSY] = "busy",           [METRICS_FAILED] = "failed",
};

static const char *const refusal_names[METRICS_REFUSAL_COUNT] = {
	[METRICS_REFUSED_ADDRESS] = "address",   [METRICS_REFUSED_RATE] = "rate",
	[METRICS_REFUSED_FULL] = "full",         [METRICS_REFUSED_MEMORY] = "memory",
	[METRICS_REFUSED_STOPPING] = "stopping",
};

static const unsigned int statuses[METRICS_STATUS_COUNT] = {
	200, 400, 403, 404, 405, 413, 500, 503
};

/* Milliseconds. A time that was counted as n whole ones was shorter than n + 1. */
static const struct {
	unsigned int ms;
	const char *seconds;
} buckets[METRICS_BUCKETS] = {
	{ 1, "0.001" }, { 2, "0.002" }, { 5, "0.005" },  { 10, "0.01" }, { 20, "0.02" },
	{ 50, "0.05" }, { 100, "0.1" }, { 200, "0.2" },  { 500, "0.5" }, { 1000, "1" },
	{ 2000, "2" },  { 5000, "5" },  { 10000, "10" },
};

/* ---- counting ---- */

enum metrics_method metrics_method_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < METRICS_OTHER; i++) {
		if (strcmp(method_names[i], name) == 0)
			return (enum metrics_method)i;
	}
	return METRICS_OTHER;
}

enum metrics_result metrics_result_of(const struct jsonrpc_error *error)
{
	static const struct {
		int code;
		enum metrics_result result;
	} rows[] = {
		{ JSONRPC_OK, METRICS_OK },           { JSONRPC_NAME_DB, METRICS_NOT_FOUND },
		{ JSONRPC_REFUSED, METRICS_REFUSED }, { JSONRPC_WARMUP, METRICS_BUSY },
		{ JSONRPC_INTERNAL, METRICS_FAILED }, { JSONRPC_NOT_READY, METRICS_FAILED },
	};
	/* Emercoin has one code for a name that is not there and for a disk that fails. */
	if (error->code == JSONRPC_NAME_DB && strstr(error->message, "disk") != NULL)
		return METRICS_FAILED;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].code == error->code)
			return rows[i].result;
	}
	return METRICS_BAD;
}

void metrics_add(atomic_ullong *counter, size_t count)
{
	atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

void metrics_call(struct metrics *metrics, size_t slot, enum metrics_method method,
		  enum metrics_result result)
{
	metrics_add(&metrics->slots[slot % METRICS_SLOTS].calls[method][result], 1);
}

void metrics_status(struct metrics *metrics, size_t slot, unsigned int status)
{
	for (size_t i = 0; i < METRICS_STATUS_COUNT; i++) {
		if (statuses[i] == status)
			metrics_add(&metrics->slots[slot % METRICS_SLOTS].statuses[i], 1);
	}
}

void metrics_time(struct metrics *metrics, size_t slot, int64_t ms)
{
	struct metrics_slot *at = &metrics->slots[slot % METRICS_SLOTS];
	size_t i = 0;
	while (i < METRICS_BUCKETS && ms >= (int64_t)buckets[i].ms)
		i++;
	metrics_add(&at->buckets[i], 1);
	if (ms > 0)
		metrics_add(&at->milliseconds, (size_t)ms);
}

void metrics_transaction(struct metrics *metrics, const uint8_t *der, size_t len,
			 enum tx_reason reason)
{
	struct tx_parts parts;
	struct tx tx;
	size_t op = METRICS_OPS - 1;
	if (reason != TX_BAD_ENCODING && tx_split(der, len, &parts, NULL) &&
	    tx_parse_content(parts.content, parts.content_len, &tx, NULL) == TX_OK)
		op = (size_t)tx.op;
	metrics_add(&metrics->transactions[op][reason], 1);
}

/* ---- text ---- */

static unsigned long long value_of(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void put_family(struct buf *out, const char *name, const char *type, const char *help)
{
	(void)buf_printf(out, "# HELP iotpki_bnode_%s %s\n# TYPE iotpki_bnode_%s %s\n", name, help,
			 name, type);
}

static void put_one(struct buf *out, const char *name, const char *type, const char *help,
		    unsigned long long value)
{
	put_family(out, name, type, help);
	(void)buf_printf(out, "iotpki_bnode_%s %llu\n", name, value);
}

static void put_calls(struct metrics *metrics, struct buf *out)
{
	put_family(out, "calls_total", "counter", "JSON-RPC calls answered, by method and result.");
	for (size_t m = 0; m < METRICS_METHOD_COUNT; m++) {
		for (size_t r = 0; r < METRICS_RESULT_COUNT; r++) {
			unsigned long long sum = 0;
			for (size_t s = 0; s < METRICS_SLOTS; s++)
				sum += value_of(&metrics->slots[s].calls[m][r]);
			(void)buf_printf(out,
					 "iotpki_bnode_calls_total{method=\"%s\",result=\"%s\"} "
					 "%llu\n",
					 method_names[m], result_names[r], sum);
		}
	}
}

static void put_statuses(struct metrics *metrics, struct buf *out)
{
	put_family(out, "http_answers_total", "counter", "HTTP answers, by status.");
	for (size_t i = 0; i < METRICS_STATUS_COUNT; i++) {
		unsigned long long sum = 0;
		for (size_t s = 0; s < METRICS_SLOTS; s++)
			sum += value_of(&metrics->slots[s].statuses[i]);
		(void)buf_printf(out, "iotpki_bnode_http_answers_total{code=\"%u\"} %llu\n",
				 statuses[i], sum);
	}
}

/* The buckets are read once: their sum is the count, also while others go on counting. */
static void put_times(struct metrics *metrics, struct buf *out)
{
	unsigned long long sum = 0, ms = 0;
	put_family(out, "answer_seconds", "histogram",
		   "Time from a whole request to the beginning of its answer.");
	for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
		for (size_t s = 0; s < METRICS_SLOTS; s++)
			sum += value_of(&metrics->slots[s].buckets[i]);
		if (i < METRICS_BUCKETS)
			(void)buf_printf(out,
					 "iotpki_bnode_answer_seconds_bucket{le=\"%s\"} %llu\n",
					 buckets[i].seconds, sum);
	}
	for (size_t s = 0; s < METRICS_SLOTS; s++)
		ms += value_of(&metrics->slots[s].milliseconds);
	(void)buf_printf(out,
			 "iotpki_bnode_answer_seconds_bucket{le=\"+Inf\"} %llu\n"
			 "iotpki_bnode_answer_seconds_sum %llu.%03llu\n"
			 "iotpki_bnode_answer_seconds_count %llu\n",
			 sum, ms / 1000, ms % 1000, sum);
}

/* Only the pairs that have been seen: most of the hundred never are. */
static void put_transactions(struct metrics *metrics, struct buf *out)
{
	put_family(out, "transactions_total", "counter",
		   "Transactions judged, by operation and reason (ok: accepted).");
	for (size_t op = 0; op < METRICS_OPS; op++) {
		const char *name = op < METRICS_OPS - 1 ? tx_op_name((enum tx_op)op) : "unreadable";
		for (size_t r = 0; r < TX_REASON_COUNT; r++) {
			const unsigned long long value = value_of(&metrics->transactions[op][r]);
			if (value == 0)
				continue;
			(void)buf_printf(
				out,
				"iotpki_bnode_transactions_total{op=\"%s\",reason=\"%s\"} "
				"%llu\n",
				name, r == TX_OK ? "ok" : tx_reason_name((enum tx_reason)r), value);
		}
	}
}

static void put_connections(struct metrics *metrics, const struct metrics_gauges *gauges,
			    struct buf *out)
{
	put_one(out, "connections", "gauge", "Connections open now.", gauges->connections);
	put_one(out, "connections_max", "gauge", "Connections that may be open at once.",
		gauges->connections_max);
	put_one(out, "connections_total", "counter", "Connections taken.",
		value_of(&metrics->connections));
	put_family(out, "connections_refused_total", "counter",
		   "Connections closed before their first byte, by reason.");
	for (size_t i = 0; i < METRICS_REFUSAL_COUNT; i++)
		(void)buf_printf(out,
				 "iotpki_bnode_connections_refused_total{reason=\"%s\"} %llu\n",
				 refusal_names[i], value_of(&metrics->refused[i]));
	put_one(out, "connections_cut_total", "counter",
		"Connections closed that took too long, or that others needed.", gauges->cut);
	put_one(out, "body_bytes", "gauge", "Bytes of large bodies on their way.",
		gauges->body_bytes);
	put_one(out, "answer_bytes", "gauge", "Bytes of large answers on their way.",
		gauges->answer_bytes);
}

static void put_ledger(const struct metrics_gauges *gauges, struct buf *out)
{
	put_one(out, "queued_transactions", "gauge", "Transactions that wait for the disk.",
		gauges->queued);
	if (!gauges->has_ledger)
		return;
	put_one(out, "ledger_height", "gauge", "Entries of the log.", gauges->height);
	put_one(out, "ledger_names", "gauge", "Names, expired and revoked ones too.",
		gauges->names);
	put_one(out, "ledger_map_used_bytes", "gauge", "Bytes of the ledger's room in use.",
		gauges->map_used);
	put_one(out, "ledger_map_bytes", "gauge", "Bytes of the ledger's room.", gauges->map_size);
	put_one(out, "ledger_newest_seconds", "gauge",
		"The node's clock at the newest entry of the log, in unix seconds.",
		gauges->newest_s > 0 ? (unsigned long long)gauges->newest_s : 0);
}

static void put_gateway(const struct metrics_gateway *gateway, struct buf *out)
{
	const struct {
		const char *name, *type, *help;
		unsigned long long value;
	} rows[] = {
		{ "upstream_asked_total", "counter", "Names and tips asked of the upstream.",
		  gateway->asked },
		{ "upstream_shared_total", "counter",
		  "Questions answered by what was known or on its way.", gateway->shared },
		{ "upstream_failed_total", "counter",
		  "Names and tips to which the upstream gave no answer that could be used.",
		  gateway->failed },
		{ "upstream_limited_total", "counter",
		  "Questions turned away because of their client's rate.", gateway->limited },
		{ "upstream_refused_total", "counter",
		  "Questions turned away because too many are on their way.", gateway->refused },
		{ "upstream_late_total", "counter", "Requests without an answer in time.",
		  gateway->late },
		{ "upstream_waiting", "gauge", "Requests that wait for the upstream.",
		  gateway->waiting },
		{ "upstream_names", "gauge", "Names known, asked or waiting.", gateway->kept },
		{ "upstream_height", "gauge", "Height of the upstream's chain.", gateway->height },
		{ "upstream_answered_seconds", "gauge",
		  "When the upstream last told a good tip, in unix seconds; 0: never.",
		  gateway->answered_s > 0 ? (unsigned long long)gateway->answered_s : 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		put_one(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
}

/* The name is Prometheus's own, without a prefix. Left out where /proc is not there. */
static void put_memory(struct buf *out)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(1024);
	unsigned long long pages = 0;
	if (fs_read("/proc/self/statm", NULL, &text, NULL) != IOTPKI_OK)
		return;
	const char *at = strchr(buf_text(&text), ' ');
	for (at = at != NULL ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
		pages = pages * 10 + (unsigned long long)(*at - '0');
	const long page = sysconf(_SC_PAGESIZE);
	if (pages == 0 || page <= 0)
		return;
	(void)buf_printf(out,
			 "# HELP process_resident_memory_bytes Resident memory size in bytes.\n"
			 "# TYPE process_resident_memory_bytes gauge\n"
			 "process_resident_memory_bytes %llu\n",
			 pages * (unsigned long long)page);
}

enum iotpki_err metrics_text(struct metrics *metrics, const struct metrics_gauges *gauges,
			     struct buf *out)
{
	put_family(out, "build_info", "gauge", "The version; always 1.");
	(void)buf_puts(out, "iotpki_bnode_build_info{version=\"" IOTPKI_VERSION "\"} 1\n");
	put_one(out, "up", "gauge", "1 if /health is ok.", gauges->up && !gauges->stopping);
	put_calls(metrics, out);
	put_statuses(metrics, out);
	put_times(metrics, out);
	put_transactions(metrics, out);
	put_connections(metrics, gauges, out);
	if (gauges->has_gateway)
		put_gateway(&gauges->gateway, out);
	else
		put_ledger(gauges, out);
	put_family(out, "reloads_total", "counter", "Reloads of the TLS key (SIGHUP), by result.");
	(void)buf_printf(out,
			 "iotpki_bnode_reloads_total{result=\"ok\"} %llu\n"
			 "iotpki_bnode_reloads_total{result=\"failed\"} %llu\n",
			 value_of(&metrics->reloads), value_of(&metrics->reloads_failed));
	put_memory(out);
	return buf_error(out);
}
