/* Candidates wait for answers; groups become verdicts. */
#include "agent/job.h"

#include <string.h>

static int64_t now_ms(const struct jobs *jobs)
{
	return jobs->options.judge.clock->mono_ms(jobs->options.judge.clock);
}

/* What is too long for any list is nobody's account: cut, it could become somebody's. */
static void copy_value(char *out, size_t size, const char *value)
{
	const size_t len = value == NULL ? 0 : strlen(value);
	out[0] = '\0';
	if (len < size)
		memcpy(out, value != NULL ? value : "", len + 1);
}

struct job *job_new(struct jobs *jobs, uint64_t connection, const struct frame_request *request)
{
	if (jobs->count >= JOBS_MAX)
		return NULL;
	struct job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return NULL;
	job->jobs = jobs;
	job->connection = connection;
	job->id = jobs->next_id++;
	job->verb = request->verb;
	copy_value(job->user, sizeof(job->user), request->values[FRAME_USER]);
	copy_value(job->service, sizeof(job->service), request->values[FRAME_SERVICE]);
	copy_value(job->rhost, sizeof(job->rhost), request->values[FRAME_RHOST]);
	job->started_ms = now_ms(jobs);
	job->ends_ms = job->started_ms + lists_config(jobs->options.judge.lists)->deadline_ms;
	job->group_count = 1;
	job->next = jobs->first;
	if (jobs->first != NULL)
		jobs->first->previous = job;
	jobs->first = job;
	jobs->count++;
	return job;
}

void job_free(struct job *job)
{
	if (job == NULL)
		return;
	for (size_t i = 0; i < job->candidate_count; i++) {
		questions_leave(&job->candidates[i].waiter);
		free(job->candidates[i].answers);
	}
	*(job->previous != NULL ? &job->previous->next : &job->jobs->first) = job->next;
	if (job->next != NULL)
		job->next->previous = job->previous;
	job->jobs->count--;
	free(job->key);
	free(job);
}

static struct job_candidate *add_candidate(struct job *job)
{
	if (job->candidate_count == JOB_CANDIDATES_MAX)
		return NULL;
	struct job_candidate *candidate = &job->candidates[job->candidate_count++];
	/* The slot may hold what was added before a refusal took it back. */
	*candidate = (struct job_candidate){ .job = job,
					     .group = job->group_count - 1,
					     .presented = IOTPKI_PRESENTED_NAME };
	return candidate;
}

bool job_add(struct job *job, const char *name, const uint8_t *hash)
{
	if (strlen(name) > IOTPKI_NAME_MAX)
		return false;
	struct job_candidate *candidate = add_candidate(job);
	if (candidate == NULL)
		return false;
	memcpy(candidate->name, name, strlen(name) + 1);
	if (hash == NULL)
		return true;
	candidate->presented = IOTPKI_PRESENTED_KEY;
	candidate->has_hash = true;
	memcpy(candidate->hash, hash, sizeof(candidate->hash));
	return true;
}

bool job_refuse(struct job *job, enum iotpki_reason reason)
{
	struct job_candidate *candidate = add_candidate(job);
	if (candidate == NULL)
		return false;
	candidate->final = true;
	candidate->decision.final = true;
	candidate->decision.reason = reason;
	return true;
}

void job_next_group(struct job *job)
{
	job->group_count++;
}

static struct judge_case case_of(const struct job_candidate *candidate)
{
	return (struct judge_case){ .name = candidate->name,
				    .user = candidate->job->user,
				    .service = candidate->job->service,
				    .any_rights = candidate->job->any_rights,
				    .presented = candidate->presented,
				    .hash = candidate->has_hash ? candidate->hash : NULL };
}

/* The log tells by which answers it was decided, also if the others of the job take longer. */
static void keep_answers(struct job_candidate *candidate, const struct questions_view *view)
{
	if (view->count == 0)
		return;
	candidate->answers = calloc(view->count, sizeof(*candidate->answers));
	if (candidate->answers == NULL)
		return;
	memcpy(candidate->answers, view->answers, view->count * sizeof(*view->answers));
	candidate->answer_count = view->count;
}

static void decide_candidate(struct job_candidate *candidate, const struct questions_view *view)
{
	const struct judge_case peer = case_of(candidate);
	judge_decide(&candidate->job->jobs->options.judge, &peer, view, &candidate->decision);
	candidate->final = candidate->decision.final || view->deadline;
	if (!candidate->final)
		return;
	candidate->reused = view->reused;
	keep_answers(candidate, view);
	questions_leave(&candidate->waiter);
}

/* A list that changed or a name that was denied while others were waited for counts at once. */
static void judge_again(struct job *job)
{
	for (size_t i = 0; i < job->candidate_count; i++) {
		struct job_candidate *candidate = &job->candidates[i];
		if (!candidate->final || candidate->decision.verdict != IOTPKI_ADMIT)
			continue;
		const struct judge_case peer = case_of(candidate);
		struct iotpki_decision now;
		if (!judge_list_alone(&job->jobs->options.judge, &peer, &now))
			continue;
		candidate->decision.verdict = now.verdict;
		candidate->decision.reason = now.reason;
	}
}

static void check(struct job *job)
{
	if (job_result(job) == NULL)
		return;
	judge_again(job);
	/* It may be open again: another of the group may still be admitted. */
	if (job_result(job) == NULL)
		return;
	job->jobs->options.finish(job->jobs->options.context, job);
	job_free(job);
}

static void answered(void *context, const struct questions_view *view)
{
	struct job_candidate *candidate = context;
	decide_candidate(candidate, view);
	if (candidate->final)
		check(candidate->job);
}

/* Nobody was asked: that is no node's silence, which soft-fail may forgive. */
static void decide_unasked(struct job_candidate *candidate)
{
	const struct judge *judge = &candidate->job->jobs->options.judge;
	const struct judge_case peer = case_of(candidate);
	struct iotpki_answer unasked[IOTPKI_NODES_MAX] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(unasked); i++)
		unasked[i].outcome = IOTPKI_OUTCOME_MALFORMED;
	const struct questions_view view = { .name = candidate->name,
					     .answers = unasked,
					     .count = lists_config(judge->lists)->node_count,
					     .deadline = true };
	judge_decide(judge, &peer, &view, &candidate->decision);
	candidate->final = true;
	questions_leave(&candidate->waiter);
}

static void start_candidate(struct job_candidate *candidate)
{
	struct jobs *jobs = candidate->job->jobs;
	const struct judge_case peer = case_of(candidate);
	if (candidate->final)
		return;
	candidate->final = judge_list_alone(&jobs->options.judge, &peer, &candidate->decision);
	if (candidate->final)
		return;
	candidate->waiter.answered = answered;
	candidate->waiter.context = candidate;
	struct questions_view view;
	const enum iotpki_err err =
		questions_join(jobs->options.questions, candidate->name, &candidate->waiter);
	questions_view(&candidate->waiter, &view);
	if (err != IOTPKI_OK)
		return decide_unasked(candidate);
	decide_candidate(candidate, &view);
}

void job_start(struct job *job)
{
	for (size_t i = 0; i < job->candidate_count; i++)
		start_candidate(&job->candidates[i]);
	check(job);
}

const struct job_candidate *job_group(const struct job *job, unsigned int group)
{
	const struct job_candidate *refused = NULL, *unavailable = NULL;
	bool open = false;
	for (size_t i = 0; i < job->candidate_count; i++) {
		const struct job_candidate *candidate = &job->candidates[i];
		if (candidate->group != group)
			continue;
		if (!candidate->final)
			open = true;
		else if (candidate->decision.verdict == IOTPKI_ADMIT)
			return open && job->in_order ? NULL : candidate;
		else if (candidate->decision.verdict == IOTPKI_UNAVAILABLE && unavailable == NULL)
			unavailable = candidate;
		else if (refused == NULL)
			refused = candidate;
	}
	if (open)
		return NULL;
	/* Whoever could not be asked about might have been admitted: that is what was missing. */
	return unavailable != NULL ? unavailable : refused;
}

const struct job_candidate *job_result(const struct job *job)
{
	const struct job_candidate *first = NULL;
	bool open = false;
	for (unsigned int group = 0; group < job->group_count; group++) {
		const struct job_candidate *candidate = job_group(job, group);
		if (candidate == NULL) {
			open = true;
			continue;
		}
		if (candidate->decision.verdict != IOTPKI_ADMIT)
			return candidate;
		if (first == NULL)
			first = candidate;
	}
	return open ? NULL : first;
}

static void end_now(struct job *job)
{
	for (size_t i = 0; i < job->candidate_count; i++) {
		struct job_candidate *candidate = &job->candidates[i];
		if (candidate->final)
			continue;
		struct questions_view view;
		questions_view(&candidate->waiter, &view);
		view.deadline = true;
		if (questions_unasked(&candidate->waiter))
			decide_unasked(candidate);
		else
			decide_candidate(candidate, &view);
	}
	check(job);
}

int64_t jobs_expire(struct jobs *jobs)
{
	const int64_t now = now_ms(jobs);
	int64_t next_ms = -1;
	struct job *next = NULL;
	for (struct job *job = jobs->first; job != NULL; job = next) {
		next = job->next;
		const int64_t left_ms = job->ends_ms - now;
		if (left_ms <= 0)
			end_now(job);
		else if (next_ms < 0 || left_ms < next_ms)
			next_ms = left_ms;
	}
	return next_ms;
}

void jobs_done(struct jobs *jobs)
{
	while (jobs->first != NULL)
		job_free(jobs->first);
}
