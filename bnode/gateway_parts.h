/* What the files of the gateway share (private to bnode/gateway*.c and their tests). */
#pragma once

#include <pthread.h>

#include "bnode/gateway.h"
#include "bnode/gateway_limit.h"
#include "bnode/gateway_told.h"

enum {
	GATEWAY_FINDINGS_MAX = 4096, /* known, asked and waiting together */
	GATEWAY_BUCKETS = 4096,
	GATEWAY_HISTORIES_MAX = 32, /* whole histories on their way */
	GATEWAY_HISTORIES_EACH = 4, /* of one request */
	GATEWAY_HISTORY_COST = 10,  /* tokens; a name has one */
	GATEWAY_QUESTIONS_MAX = 4,  /* requests about names on their way */
	GATEWAY_CALLS_MAX = 4,      /* histories and tips on their way */
	GATEWAY_UPSTREAM_MS = 1000, /* for all that one name needs of the upstream */
	GATEWAY_WAIT_MS = 1200,     /* a client's: before its own timeout of 1,500 ms */
	GATEWAY_WATCH_MS = 2000,    /* the tip is asked so often when nobody asks */
};

enum gateway_want { GATEWAY_NOTHING, GATEWAY_NAME, GATEWAY_HISTORY, GATEWAY_TIP };

/**
 * What the upstream is asked, or has said. Shared by all who want it; unchanged once it is known,
 * so that who holds one reads it without the lock.
 */
struct finding {
	enum gateway_want want;
	char name[TOLD_NAME_SIZE]; /* without prefix; "" of the tip */
	unsigned int references;
	bool known;
	int64_t asked_ms;
	struct finding *next_in_bucket;
	struct finding *next; /* in the queue, of calls to be made, or of what is known */
	struct part *waiting;
	struct told told; /* of the tip: outcome and tip alone */
	struct told_history history;
};

struct finding_queue {
	struct finding *first, **last;
	size_t count;
};

struct wish;
/** One call of a request. */
struct part {
	struct wish *wish;
	struct finding *finding; /* NULL: nothing was asked, or no answer came in time */
	bool asked;
	bool too_many;
	struct part *next, **at; /* among who waits for the finding */
};

/** One request. */
struct wish {
	struct backend_job *job;
	struct wish *next, **at; /* among those that wait, or are done */
	int64_t since_ms;
	size_t missing;
	size_t count;
	struct part parts[];
};

enum gateway_state { GATEWAY_STARTING, GATEWAY_READY, GATEWAY_TROUBLE };

struct gateway {
	struct backend backend; /* must stay the first member */
	struct gateway_options options;
	const struct clock *clock;
	struct metrics metrics;
	pthread_t thread;
	int event_fd;
	struct gateway_upstream *upstream; /* the thread's */
	bool joined;

	pthread_mutex_t lock;
	/* below: under lock */
	bool stopping;
	struct finding *buckets[GATEWAY_BUCKETS];
	size_t findings, histories;
	struct finding_queue queue; /* to be asked */
	struct finding_queue known; /* the oldest first */
	struct wish *wishes, **last_wish;
	size_t wish_count;
	struct limit *limit;
	enum gateway_state state;
	struct told_tip tip; /* the newest good one; height 0: none */
	struct metrics_gateway counts;
};

/* ---- gateway_table.c; all but table_finish under the lock ---- */

/** A finding to use or to wait for, with a reference for the caller. NULL: too many. */
struct finding *table_get(struct gateway *gateway, enum gateway_want want, const char *name);
void table_release(struct gateway *gateway, struct finding *finding);
/** Names of the queue for one question, none twice; or one tip alone. With references. */
size_t table_take(struct gateway *gateway, struct finding *findings[static NVS_MANY_MAX]);
/** It is known now; whose last one it was goes to the list of done. */
void table_known(struct gateway *gateway, struct finding *finding, struct wish **done);
/** Forget what is too old to be given again. */
void table_sweep(struct gateway *gateway, int64_t now_ms);
void queue_push(struct finding_queue *queue, struct finding *finding);
struct finding *queue_pop(struct finding_queue *queue);

void wish_wait(struct gateway *gateway, struct wish *wish);
/** Those that have waited too long (all: every one) go to the list of done without an answer. */
void wishes_give_up(struct gateway *gateway, int64_t now_ms, bool all, struct wish **done);
void wish_free(struct gateway *gateway, struct wish *wish);
/** Without the lock: tell all of the list. */
void wishes_tell(struct wish *done);

/* ---- gateway_upstream.c ---- */

struct gateway_upstream;
enum iotpki_err upstream_new(struct gateway *gateway, const struct random_source *random,
			     struct gateway_upstream **upstream_out) MUST_CHECK;
void upstream_free(struct gateway_upstream *upstream);
/** The thread. */
void *upstream_run(void *gateway);

/* ---- gateway_method.c; its source is the wish, NULL: nothing was asked ---- */

extern const struct methods methods_gateway;
/** What of the upstream a call needs; the name without prefix. */
enum gateway_want gateway_want_of(const struct jsonrpc_call *call, const char **name_out);
