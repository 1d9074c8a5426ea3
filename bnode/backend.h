/*
 * Who answers what a request asks: the ledger, or another node that this one stands before. The
 * server brings whole bodies, parsed, and takes whole answers; what takes longer than a look into
 * memory, a backend does on a thread of its own.
 */
#pragma once

#include "bnode/metrics.h"
#include "bnode/writer.h"

/** One request. Owned by the server until done is called. */
struct backend_job {
	struct answer *answer;
	uint64_t client; /* a number for its address, for limits on it */
	/* To be called once after begin() was true, on any thread; the job may be gone after it. */
	void (*done)(struct backend_job *job);
	struct writer_job writing; /* the backend's own, these three */
	struct backend_job *next;
	void *own; /* the backend's, until forget() */
};

struct backend {
	struct metrics *metrics;
	const struct methods *methods;
	/** Whether begin() must come before write(). Quick; on the thread that serves the connection. */
	bool (*waits)(struct backend *backend, struct backend_job *job);
	/** Start; false: too busy or stopping, done is not called, and the answer says so. */
	bool (*begin)(struct backend *backend, struct backend_job *job);
	/** The whole answer; does not wait. */
	enum iotpki_err (*write)(struct backend *backend, const struct backend_job *job,
				 struct buf *out, unsigned int *status_out);
	/** The request is over, answered or not; what the job owns goes. NULL: nothing ever. */
	void (*forget)(struct backend *backend, struct backend_job *job);
	/** Its own part: up, queued, has_ledger and what follows it. */
	void (*gauges)(struct backend *backend, struct metrics_gauges *gauges);
	/** Take nothing more and call done for all that was begun. Returns when that is over. */
	void (*drain)(struct backend *backend);
	/** After drain, when nobody calls any more. */
	void (*free)(struct backend *backend);
};

/** The ledger's, with a writer of its own. It keeps both pointers. */
enum iotpki_err backend_ledger_new(struct ledger *ledger, const struct clock *clock,
				   struct backend **backend_out) MUST_CHECK;
void backend_freep(struct backend **backend);
