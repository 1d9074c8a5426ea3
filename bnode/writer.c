/* Group commit. */
#include "bnode/writer.h"

#include <pthread.h>

#include "base/log.h"

/* What is submitted; the whole request is in one group, so a batch is one commit. */
struct group {
	struct writer_job *jobs;
	size_t count;
	struct ledger_submission submissions[WRITER_GROUP_MAX + JSONRPC_BATCH_MAX];
};

struct writer {
	struct ledger *ledger;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* below: under lock */
	struct writer_job *first;
	struct writer_job **last;
	size_t pending; /* transactions that wait */
	bool stopping;
	bool joined;
	struct group group; /* the writer thread's alone */
};

static void gather(struct group *group, const struct writer_job *job)
{
	const struct answer *answer = job->answer;
	for (size_t i = 0; i < answer->submission_count; i++) {
		if (answer->submissions[i].decoded)
			group->submissions[group->count++] = answer->submissions[i].to_ledger;
	}
}

/* The jobs that make the next group, waiting for the first; false: stopping and nothing left. */
static bool next_group(struct writer *writer, struct group *group)
{
	group->jobs = NULL;
	group->count = 0;
	pthread_mutex_lock(&writer->lock);
	while (writer->first == NULL && !writer->stopping)
		pthread_cond_wait(&writer->work, &writer->lock);
	struct writer_job **end = &group->jobs;
	while (writer->first != NULL && group->count < WRITER_GROUP_MAX) {
		struct writer_job *job = writer->first;
		writer->first = job->next;
		job->next = NULL;
		*end = job;
		end = &job->next;
		gather(group, job);
	}
	if (writer->first == NULL)
		writer->last = &writer->first;
	writer->pending -= group->count;
	pthread_mutex_unlock(&writer->lock);
	return group->jobs != NULL;
}

/* Results back to where each came from; done may free the job. */
static void hand_back(const struct group *group)
{
	size_t at = 0;
	struct writer_job *next = NULL;
	for (struct writer_job *job = group->jobs; job != NULL; job = next) {
		next = job->next;
		struct answer *answer = job->answer;
		for (size_t i = 0; i < answer->submission_count; i++) {
			if (answer->submissions[i].decoded)
				answer->submissions[i].to_ledger = group->submissions[at++];
		}
		job->done(job);
	}
}

static void commit(struct writer *writer, struct group *group)
{
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		ledger_submit(writer->ledger, group->submissions, group->count, &detail);
	if (err == IOTPKI_OK)
		return;
	/* Nobody is told that a transaction is in unless the commit said so. */
	for (size_t i = 0; i < group->count; i++)
		group->submissions[i].reason = TX_STORAGE;
	char text[IOTPKI_DETAIL_MESSAGE_MAX];
	iotpki_err_detail(err, &detail, text, sizeof(text));
	log_write(LOG_LEVEL_ERROR, "%zu transactions could not be written: %s", group->count, text);
}

static void *run(void *context)
{
	struct writer *writer = context;
	while (next_group(writer, &writer->group)) {
		commit(writer, &writer->group);
		hand_back(&writer->group);
	}
	return NULL;
}

enum iotpki_err writer_start(struct ledger *ledger, struct writer **writer_out)
{
	*writer_out = NULL;
	struct writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return IOTPKI_ERR_NOMEM;
	writer->ledger = ledger;
	writer->last = &writer->first;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->work, NULL);
	if (pthread_create(&writer->thread, NULL, run, writer) != 0) {
		free(writer);
		return IOTPKI_ERR_NOMEM;
	}
	*writer_out = writer;
	return IOTPKI_OK;
}

bool writer_submit(struct writer *writer, struct writer_job *job)
{
	const size_t count = job->answer->decoded_count;
	job->next = NULL;
	pthread_mutex_lock(&writer->lock);
	const bool taken = !writer->stopping && count <= WRITER_PENDING_MAX - writer->pending;
	if (taken) {
		*writer->last = job;
		writer->last = &job->next;
		writer->pending += count;
		pthread_cond_signal(&writer->work);
	}
	pthread_mutex_unlock(&writer->lock);
	return taken;
}

void writer_drain(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->work);
	pthread_mutex_unlock(&writer->lock);
	if (!writer->joined)
		(void)pthread_join(writer->thread, NULL);
	writer->joined = true;
}

void writer_freep(struct writer **writer)
{
	if (*writer == NULL)
		return;
	writer_drain(*writer);
	pthread_cond_destroy(&(*writer)->work);
	pthread_mutex_destroy(&(*writer)->lock);
	free(*writer);
	*writer = NULL;
}
