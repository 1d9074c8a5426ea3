/* The ledger answers: reads at once, what is submitted through the writer. */
#include "bnode/backend.h"

#include <stddef.h>
#include <string.h>

#include "bnode/method.h"

struct ledger_backend {
	struct backend backend; /* must stay the first member */
	struct ledger *ledger;
	const struct clock *clock;
	struct writer *writer;
	struct metrics metrics;
	atomic_size_t queued;
};

static struct ledger_backend *of(struct backend *backend)
{
	return (struct ledger_backend *)(void *)backend;
}

static bool waits(struct backend *backend, struct backend_job *job)
{
	(void)backend;
	return job->answer->decoded_count > 0;
}

/* The writer's thread. */
static void written(struct writer_job *writing)
{
	struct backend_job *job =
		(struct backend_job *)(void *)((char *)writing -
					       offsetof(struct backend_job, writing));
	struct ledger_backend *self = job->own;
	const struct answer *answer = job->answer;
	for (size_t i = 0; i < answer->submission_count; i++) {
		const struct answer_submission *submission = &answer->submissions[i];
		const struct ledger_submission *done = &submission->to_ledger;
		if (!submission->decoded)
			continue;
		metrics_transaction(&self->metrics, done->der, done->der_len, done->reason);
	}
	atomic_fetch_sub(&self->queued, answer->decoded_count);
	job->done(job);
}

static bool begin(struct backend *backend, struct backend_job *job)
{
	struct ledger_backend *self = of(backend);
	const size_t count = job->answer->decoded_count;
	job->own = self;
	job->writing = (struct writer_job){ .answer = job->answer, .done = written };
	atomic_fetch_add(&self->queued, count);
	/* The writer may be done before this returns, and the job gone. */
	if (writer_submit(self->writer, &job->writing))
		return true;
	atomic_fetch_sub(&self->queued, count);
	return false;
}

static enum iotpki_err write_answer(struct backend *backend, const struct backend_job *job,
				    struct buf *out, unsigned int *status_out)
{
	const struct ledger_backend *self = of(backend);
	return answer_write(self->ledger, self->clock, job->answer, out, status_out);
}

static void gauges(struct backend *backend, struct metrics_gauges *gauges)
{
	struct ledger_backend *self = of(backend);
	struct ledger_tip tip;
	struct ledger_stats stats;
	gauges->queued = atomic_load(&self->queued);
	gauges->up = ledger_tip(self->ledger, &tip) == IOTPKI_OK &&
		     ledger_stats(self->ledger, &stats) == IOTPKI_OK && !stats.failing;
	if (!gauges->up)
		return;
	gauges->has_ledger = true;
	gauges->height = tip.height;
	gauges->newest_s = tip.newest_s;
	gauges->names = stats.names;
	gauges->map_used = stats.map_used;
	gauges->map_size = stats.map_size;
}

static void drain(struct backend *backend)
{
	writer_drain(of(backend)->writer);
}

static void free_backend(struct backend *backend)
{
	struct ledger_backend *self = of(backend);
	writer_freep(&self->writer);
	free(self);
}

enum iotpki_err backend_ledger_new(struct ledger *ledger, const struct clock *clock,
				   struct backend **backend_out)
{
	*backend_out = NULL;
	/* The counters stand in cache lines of their own. */
	struct ledger_backend *self =
		aligned_alloc(_Alignof(struct ledger_backend), sizeof(struct ledger_backend));
	if (self == NULL)
		return IOTPKI_ERR_NOMEM;
	memset(self, 0, sizeof(*self));
	self->backend = (struct backend){ .metrics = &self->metrics,
					  .methods = &methods_ledger,
					  .waits = waits,
					  .begin = begin,
					  .write = write_answer,
					  .gauges = gauges,
					  .drain = drain,
					  .free = free_backend };
	self->ledger = ledger;
	self->clock = clock;
	const enum iotpki_err err = writer_start(ledger, &self->writer);
	if (err != IOTPKI_OK) {
		free(self);
		return err;
	}
	*backend_out = &self->backend;
	return IOTPKI_OK;
}

void backend_freep(struct backend **backend)
{
	if (*backend == NULL)
		return;
	(*backend)->drain(*backend);
	(*backend)->free(*backend);
	*backend = NULL;
}
