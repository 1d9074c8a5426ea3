/*
 * What iotpki-bnode counts, and the text that tells it (Prometheus, version 0.0.4). Counting is
 * one relaxed addition in a slot that few threads share; nothing here knows a name or an address.
 */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "identity/tx.h"

#define METRICS_TEXT_MAX (64u * 1024)

enum metrics_method {
	METRICS_NAME_SHOW,
	METRICS_NAME_HISTORY,
	METRICS_NAME_FILTER,
	METRICS_GETBLOCKCHAININFO,
	METRICS_NAME_SUBMIT,
	METRICS_OTHER,
	METRICS_METHOD_COUNT,
};
/** METRICS_OTHER for what is none; NULL too. */
enum metrics_method metrics_method_of(const char *name);

/** What became of a call. */
enum metrics_result {
	METRICS_OK,
	METRICS_NOT_FOUND, /* no such name */
	METRICS_REFUSED,   /* a transaction, by the rules */
	METRICS_BAD,       /* no call, or one that means nothing */
	METRICS_BUSY,
	METRICS_FAILED, /* the node could not: disk, memory, a cap */
	METRICS_RESULT_COUNT,
};
/** By the code and text of its error; see jsonrpc.h. */
struct jsonrpc_error;
enum metrics_result metrics_result_of(const struct jsonrpc_error *error);

/** HTTP answers without a call. */
#define METRICS_STATUS_COUNT 8

enum metrics_refusal {
	METRICS_REFUSED_ADDRESS,  /* its address has too many */
	METRICS_REFUSED_RATE,     /* its address makes new ones too fast */
	METRICS_REFUSED_FULL,     /* all places are taken */
	METRICS_REFUSED_MEMORY,   /* no memory for it */
	METRICS_REFUSED_STOPPING, /* the node ends */
	METRICS_REFUSAL_COUNT,
};

#define METRICS_OPS 5 /* of transactions; the last: unreadable */

enum { METRICS_BUCKETS = 13, METRICS_SLOTS = 8 };

/* Threads count in different cache lines, as far as connections spread over the slots. */
struct metrics_slot {
	_Alignas(64) atomic_ullong calls[METRICS_METHOD_COUNT][METRICS_RESULT_COUNT];
	atomic_ullong statuses[METRICS_STATUS_COUNT];
	atomic_ullong buckets[METRICS_BUCKETS + 1];
	atomic_ullong milliseconds;
};

struct metrics {
	struct metrics_slot slots[METRICS_SLOTS];
	atomic_ullong transactions[METRICS_OPS][TX_REASON_COUNT];
	atomic_ullong connections;
	atomic_ullong refused[METRICS_REFUSAL_COUNT];
	atomic_ullong reloads, reloads_failed;
};

/** Zero it first. slot: any number, best the connection's. */
void metrics_call(struct metrics *metrics, size_t slot, enum metrics_method method,
		  enum metrics_result result);
void metrics_status(struct metrics *metrics, size_t slot, unsigned int status);
/** The time from a whole request to its answer, in whole milliseconds as they were passed. */
void metrics_time(struct metrics *metrics, size_t slot, int64_t ms);
/** A transaction and what the rules said; its op is read from it. */
void metrics_transaction(struct metrics *metrics, const uint8_t *der, size_t len,
			 enum tx_reason reason);
void metrics_add(atomic_ullong *counter, size_t count);

/** Of a gateway: names (and tips) that were asked of its upstream, and what became of others. */
struct metrics_gateway {
	uint64_t asked;
	uint64_t shared;  /* answered by what was known or on its way */
	uint64_t failed;  /* no answer that could be used */
	uint64_t limited; /* turned away: its client asks too much */
	uint64_t refused; /* turned away: too much is on its way */
	uint64_t late;    /* requests that got no answer in time */
	size_t waiting;   /* requests */
	size_t kept;      /* names that are known, asked or waiting */
	uint64_t height;
	int64_t answered_s; /* when the upstream last told a good tip, 0: never */
};

/** What is read only when it is asked for. */
struct metrics_gauges {
	bool up; /* it answers, its last write did not fail, its upstream is ready */
	bool stopping;
	size_t connections, connections_max;
	uint64_t cut; /* connections, ever */
	size_t body_bytes, answer_bytes;
	size_t queued; /* transactions that wait for the writer */
	bool has_ledger;
	uint64_t height, names, map_used, map_size;
	int64_t newest_s;
	bool has_gateway;
	struct metrics_gateway gateway;
};
enum iotpki_err metrics_text(struct metrics *metrics, const struct metrics_gauges *gauges,
			     struct buf *out) MUST_CHECK;
