/* Verification, then group commit. */
#include "bnode/writer.h"

#include <pthread.h>
#include <unistd.h>

#include "base/log.h"

struct queue {
	struct writer_job *first;
	struct writer_job **last;
};

/* What is committed together; the whole request is in one group, so a batch is one commit. */
struct group {
	struct writer_job *jobs;
	size_t count;
	struct ledger_submission *submissions[WRITER_GROUP_MAX + JSONRPC_BATCH_MAX];
};

struct verifier {
	struct writer *writer;
	struct tx_verifier *tx;
	pthread_t thread;
};

struct writer {
	struct ledger *ledger;
	pthread_t thread;
	struct verifier verifiers[WRITER_VERIFIERS_MAX];
	size_t verifier_count;
	pthread_mutex_t lock;
	pthread_cond_t came;     /* to be verified */
	pthread_cond_t verified; /* to be written */
	/* below: under lock */
	struct queue incoming, outgoing;
	size_t pending;   /* transactions that wait */
	size_t verifying; /* verifiers that may still hand on */
	bool stopping;
	bool joined;
	struct group group; /* the writing thread's alone */
};

static void push(struct queue *queue, struct writer_job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
}

static struct writer_job *pop(struct queue *queue)
{
	struct writer_job *job = queue->first;
	if (job == NULL)
		return NULL;
	queue->first = job->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	job->next = NULL;
	return job;
}

/* ---- verification ---- */

/* The next job, waiting for it; NULL: stopping and nothing left. */
static struct writer_job *next_job(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	while (writer->incoming.first == NULL && !writer->stopping)
		pthread_cond_wait(&writer->came, &writer->lock);
	struct writer_job *job = pop(&writer->incoming);
	if (job == NULL && --writer->verifying == 0)
		pthread_cond_signal(&writer->verified);
	pthread_mutex_unlock(&writer->lock);
	return job;
}

/* Whether anything of the job is for the ledger. */
static bool verify(const struct verifier *verifier, const struct writer_job *job)
{
	struct answer *answer = job->answer;
	bool any = false;
	for (size_t i = 0; i < answer->submission_count; i++) {
		struct ledger_submission *submission = &answer->submissions[i].to_ledger;
		if (!answer->submissions[i].decoded)
			continue;
		ledger_verify(verifier->writer->ledger, verifier->tx, submission);
		any = any || submission->stage == LEDGER_VERIFIED;
	}
	return any;
}

/* What is refused here, or in the ledger already, never wakes the writing thread. */
static void *run_verifier(void *context)
{
	struct verifier *verifier = context;
	struct writer *writer = verifier->writer;
	for (struct writer_job *job = NULL; (job = next_job(writer)) != NULL;) {
		const bool any = verify(verifier, job);
		pthread_mutex_lock(&writer->lock);
		if (any) {
			push(&writer->outgoing, job);
			pthread_cond_signal(&writer->verified);
		} else {
			writer->pending -= job->answer->decoded_count;
		}
		pthread_mutex_unlock(&writer->lock);
		if (!any)
			job->done(job);
	}
	return NULL;
}

/* ---- writing ---- */

static void gather(struct group *group, const struct writer_job *job)
{
	struct answer *answer = job->answer;
	for (size_t i = 0; i < answer->submission_count; i++) {
		struct ledger_submission *submission = &answer->submissions[i].to_ledger;
		if (answer->submissions[i].decoded && submission->stage == LEDGER_VERIFIED)
			group->submissions[group->count++] = submission;
	}
}

/* The jobs that make the next group, waiting for the first; false: stopping and nothing left. */
static bool next_group(struct writer *writer, struct group *group)
{
	group->jobs = NULL;
	group->count = 0;
	pthread_mutex_lock(&writer->lock);
	while (writer->outgoing.first == NULL && !(writer->stopping && writer->verifying == 0))
		pthread_cond_wait(&writer->verified, &writer->lock);
	struct writer_job **end = &group->jobs;
	while (writer->outgoing.first != NULL && group->count < WRITER_GROUP_MAX) {
		struct writer_job *job = pop(&writer->outgoing);
		*end = job;
		end = &job->next;
		writer->pending -= job->answer->decoded_count;
		gather(group, job);
	}
	pthread_mutex_unlock(&writer->lock);
	return group->jobs != NULL;
}

/* done may free its job. */
static void hand_back(const struct group *group)
{
	struct writer_job *next = NULL;
	for (struct writer_job *job = group->jobs; job != NULL; job = next) {
		next = job->next;
		job->done(job);
	}
}

static void commit(struct writer *writer, struct group *group)
{
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		ledger_commit(writer->ledger, group->submissions, group->count, &detail);
	if (err == IOTPKI_OK)
		return;
	/* Nobody is told that a transaction is in unless the commit said so. */
	for (size_t i = 0; i < group->count; i++)
		group->submissions[i]->reason = TX_STORAGE;
	char text[IOTPKI_DETAIL_MESSAGE_MAX];
	iotpki_err_detail(err, &detail, text, sizeof(text));
	log_write(LOG_LEVEL_ERROR, "%zu transactions could not be written: %s", group->count, text);
}

static void *run_writer(void *context)
{
	struct writer *writer = context;
	while (next_group(writer, &writer->group)) {
		commit(writer, &writer->group);
		hand_back(&writer->group);
	}
	return NULL;
}

/* ---- start and stop ---- */

static bool start_verifier(struct writer *writer)
{
	struct verifier *verifier = &writer->verifiers[writer->verifier_count];
	verifier->writer = writer;
	verifier->tx = tx_verifier_new();
	if (verifier->tx == NULL)
		return false;
	if (pthread_create(&verifier->thread, NULL, run_verifier, verifier) != 0) {
		tx_verifier_freep(&verifier->tx);
		return false;
	}
	writer->verifier_count++;
	return true;
}

static size_t verifiers_wanted(void)
{
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (processors < 4)
		return 1;
	const size_t half = (size_t)processors / 2;
	return half < WRITER_VERIFIERS_MAX ? half : WRITER_VERIFIERS_MAX;
}

enum iotpki_err writer_start(struct ledger *ledger, struct writer **writer_out)
{
	*writer_out = NULL;
	struct writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return IOTPKI_ERR_NOMEM;
	writer->ledger = ledger;
	writer->incoming.last = &writer->incoming.first;
	writer->outgoing.last = &writer->outgoing.first;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->came, NULL);
	pthread_cond_init(&writer->verified, NULL);
	writer->joined = pthread_create(&writer->thread, NULL, run_writer, writer) != 0;
	const size_t wanted = writer->joined ? 0 : verifiers_wanted();
	pthread_mutex_lock(&writer->lock);
	while (writer->verifier_count < wanted && start_verifier(writer))
		writer->verifying++;
	pthread_mutex_unlock(&writer->lock);
	/* One is enough to go on with; none is not. */
	if (writer->verifier_count == 0) {
		writer_freep(&writer);
		return IOTPKI_ERR_NOMEM;
	}
	*writer_out = writer;
	return IOTPKI_OK;
}

bool writer_submit(struct writer *writer, struct writer_job *job)
{
	const size_t count = job->answer->decoded_count;
	pthread_mutex_lock(&writer->lock);
	const bool taken = !writer->stopping && count <= WRITER_PENDING_MAX - writer->pending;
	if (taken) {
		push(&writer->incoming, job);
		writer->pending += count;
		pthread_cond_signal(&writer->came);
	}
	pthread_mutex_unlock(&writer->lock);
	return taken;
}

void writer_drain(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_broadcast(&writer->came);
	pthread_cond_signal(&writer->verified);
	pthread_mutex_unlock(&writer->lock);
	if (writer->joined)
		return;
	for (size_t i = 0; i < writer->verifier_count; i++)
		(void)pthread_join(writer->verifiers[i].thread, NULL);
	(void)pthread_join(writer->thread, NULL);
	writer->joined = true;
}

void writer_freep(struct writer **writer)
{
	if (*writer == NULL)
		return;
	writer_drain(*writer);
	for (size_t i = 0; i < (*writer)->verifier_count; i++)
		tx_verifier_free((*writer)->verifiers[i].tx);
	pthread_cond_destroy(&(*writer)->came);
	pthread_cond_destroy(&(*writer)->verified);
	pthread_mutex_destroy(&(*writer)->lock);
	free(*writer);
	*writer = NULL;
}
