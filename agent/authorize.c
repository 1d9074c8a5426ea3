/* Candidates of a request, and its answer. */
#include "agent/authorize.h"

#include <stdio.h>
#include <string.h>

#include "agent/authinfo.h"
#include "agent/dissent.h"

struct authorize {
	struct authorize_options options;
	struct jobs jobs;
	struct recent recent;
	struct known known;
	struct dissent dissent;
	struct authorize_counts counts;
};

/* What was recent before a suspend is not after it. */
static int64_t age_clock_ms(const struct authorize *authorize)
{
	return authorize->options.clock->boottime_ms(authorize->options.clock);
}

/* ---- candidates ---- */

static bool has_candidate(const struct job *job, const char *name, size_t from)
{
	for (size_t i = from; i < job->candidate_count; i++)
		if (strcmp(job->candidates[i].name, name) == 0)
			return true;
	return false;
}

static void log_clash(const struct job *job, size_t from)
{
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	iotpki_fingerprint_format(job->candidates[from].hash, fingerprint);
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", "key-clash", 32);
	log_line_text(&line, "fp", fingerprint, sizeof(fingerprint));
	for (size_t i = from; i < job->candidate_count; i++)
		log_line_text(&line, "name", job->candidates[i].name, IOTPKI_NAME_MAX);
	log_write(LOG_LEVEL_WARNING, "%s", line.text);
}

/* Several names claim one key: the list says who comes first. Nobody waits for answers yet. */
static void sort_by_list(struct job *job, size_t from, const struct membership *list)
{
	for (size_t i = 0; i < membership_count(list) && from < job->candidate_count; i++) {
		const char *name = membership_at(list, i)->name;
		for (size_t j = from; j < job->candidate_count; j++) {
			if (strcmp(job->candidates[j].name, name) != 0)
				continue;
			const struct job_candidate first = job->candidates[from];
			job->candidates[from++] = job->candidates[j];
			job->candidates[j] = first;
			break;
		}
	}
}

/*
 * Whose key this is (design 4.1): certificate keys first, so that no record can claim one of them;
 * then `ssh:` of entries and what records showed at the last refresh, in list order.
 */
static bool add_key(struct authorize *authorize, struct job *job, const uint8_t *fingerprint)
{
	const struct membership *list = lists_membership(authorize->options.lists);
	const struct member *owner = list == NULL ? NULL : membership_by_key(list, fingerprint);
	if (owner != NULL)
		return job_add(job, owner->name, fingerprint);
	const size_t from = job->candidate_count;
	bool good = true;
	const struct member *member =
		list == NULL ? NULL : membership_next_by_ssh(list, fingerprint, NULL);
	for (; good && member != NULL; member = membership_next_by_ssh(list, fingerprint, member))
		good = job_add(job, member->name, fingerprint);
	const char *name = known_next(&authorize->known, fingerprint, NULL);
	for (; good && name != NULL; name = known_next(&authorize->known, fingerprint, name))
		if (lists_member(authorize->options.lists, name) != NULL &&
		    !has_candidate(job, name, from))
			good = job_add(job, name, fingerprint);
	if (job->candidate_count - from > 1) {
		sort_by_list(job, from, list);
		log_clash(job, from);
	}
	/* Those for whom there was no room are not decided: a crowd of claims must not lock the key out. */
	return job->candidate_count > from || job_add(job, "", fingerprint);
}

/* Design 9: at least one plain publickey line, all of them ADMIT. Each is a group. */
static bool add_shown_keys(struct authorize *authorize, struct job *job, const char *authinfo)
{
	uint8_t keys[AUTHINFO_KEYS_MAX][IOTPKI_SHA256_LEN];
	size_t count = 0;
	if (authinfo_parse(authinfo, keys, &count) != IOTPKI_OK || count == 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			job_next_group(job);
		if (!add_key(authorize, job, keys[i]))
			return false;
	}
	return true;
}

static bool add_recent_keys(struct authorize *authorize, struct job *job)
{
	const int64_t now_ms = age_clock_ms(authorize);
	const struct recent_entry *entry = recent_next(&authorize->recent, job->user, now_ms, NULL);
	for (; entry != NULL; entry = recent_next(&authorize->recent, job->user, now_ms, entry))
		if (!job_add(job, entry->name, entry->fingerprint))
			break;
	return job->candidate_count > 0;
}

static bool may_be_asked(const struct authorize *authorize, const struct job *job, const char *name)
{
	const struct judge_case peer = { .name = name,
					 .user = job->user,
					 .service = job->service,
					 .presented = IOTPKI_PRESENTED_NAME };
	struct iotpki_decision decision;
	return !judge_list_alone(&authorize->jobs.options.judge, &peer, &decision);
}

/* A line without `ssh`: somebody who may use the account must be in order; last admitted first. */
static bool add_members(struct authorize *authorize, struct job *job)
{
	const struct membership *list = lists_membership(authorize->options.lists);
	if (list == NULL)
		return false;
	const int64_t now_ms = age_clock_ms(authorize);
	const struct recent_entry *entry = recent_next(&authorize->recent, job->user, now_ms, NULL);
	for (; entry != NULL; entry = recent_next(&authorize->recent, job->user, now_ms, entry))
		if (!has_candidate(job, entry->name, 0) &&
		    may_be_asked(authorize, job, entry->name) && !job_add(job, entry->name, NULL))
			return true;
	const struct member *first = membership_next_by_account(list, job->user, NULL);
	for (const struct member *member = first; member != NULL;
	     member = membership_next_by_account(list, job->user, member))
		if (!has_candidate(job, member->name, 0) &&
		    may_be_asked(authorize, job, member->name) && !job_add(job, member->name, NULL))
			return true;
	/* None may be asked about: the first one's reason is the answer. */
	if (job->candidate_count == 0 && first != NULL)
		return job_add(job, first->name, NULL);
	return job->candidate_count > 0;
}

static bool account_known(const struct authorize *authorize, const char *user)
{
	const struct membership *list = lists_membership(authorize->options.lists);
	return list != NULL && membership_names_account(list, user);
}

enum stage { STAGE_AUTH, STAGE_ACCOUNT, STAGE_SESSION, STAGE_COUNT };
static const char *const stages[STAGE_COUNT] = { "auth", "account", "session" };

static bool add_user(struct authorize *authorize, struct job *job,
		     const struct frame_request *request, enum stage stage)
{
	const char *authinfo = request->values[FRAME_AUTHINFO];
	if (authinfo != NULL && authinfo[0] != '\0') {
		job->in_order = true;
		return add_shown_keys(authorize, job, authinfo);
	}
	/* Only account may go by anything else than keys that were proved to sshd. */
	if (stage != STAGE_ACCOUNT)
		return false;
	job->in_order = authinfo != NULL;
	return authinfo != NULL ? add_recent_keys(authorize, job) : add_members(authorize, job);
}

/* Nothing that was shown can admit: whatever was added is taken back. */
static void refuse(struct job *job, enum iotpki_reason reason)
{
	job->candidate_count = 0;
	job->group_count = 1;
	(void)job_refuse(job, reason);
}

/* ---- answers ---- */

static void put_fingerprint(struct frame_answer *answer, const struct job_candidate *candidate)
{
	char text[IOTPKI_FINGERPRINT_TEXT_SIZE];
	if (!candidate->has_hash)
		return;
	iotpki_fingerprint_format(candidate->hash, text);
	frame_answer_text(answer, "fp", text);
}

static void put_reason(struct frame_answer *answer, const struct iotpki_decision *decision)
{
	char code[16];
	agent_log_code(decision->reason, code, sizeof(code));
	frame_answer_text(answer, "reason", iotpki_reason_name(decision->reason));
	frame_answer_text(answer, "code", code);
}

/* The key that was offered, parsed and printed again; the options from the role alone (I8). */
static bool put_key(struct frame_answer *answer, const struct job *job, const struct member *member)
{
	char text[IOTPKI_SSHKEY_TEXT_SIZE];
	if (job->key == NULL || iotpki_sshkey_format(job->key, text, sizeof(text)) != IOTPKI_OK)
		return false;
	frame_answer_text(answer, "key", text);
	frame_answer_text(answer, "options", member->rights->ssh_options);
	return true;
}

static void answer_admit(struct authorize *authorize, const struct job *job,
			 const struct job_candidate *result, struct frame_answer *answer)
{
	const struct member *member = lists_member(authorize->options.lists, result->name);
	frame_answer_start(answer, FRAME_SAY_ADMIT);
	if (member == NULL || (job->verb == FRAME_AUTHORIZE_KEY && !put_key(answer, job, member))) {
		frame_answer_error(answer, "internal error: an admitted key cannot be printed");
		return;
	}
	frame_answer_text(answer, "name", member->name);
	frame_answer_text(answer, "label", member->label);
	put_fingerprint(answer, result);
	if (job->verb == FRAME_AUTHORIZE_KEY)
		recent_add(&authorize->recent, job->user, member->name, result->hash,
			   age_clock_ms(authorize));
}

static void answer_refusal(const struct authorize *authorize, const struct job *job,
			   const struct job_candidate *result, struct frame_answer *answer)
{
	const bool unavailable = result->decision.verdict == IOTPKI_UNAVAILABLE;
	frame_answer_start(answer, unavailable ? FRAME_SAY_UNAVAILABLE : FRAME_SAY_DENY);
	put_reason(answer, &result->decision);
	if (job->verb != FRAME_AUTHORIZE_USER)
		return;
	if (result->name[0] != '\0')
		frame_answer_text(answer, "name", result->name);
	put_fingerprint(answer, result);
	frame_answer_text(answer, "account-known",
			  account_known(authorize, job->user) ? "yes" : "no");
	frame_answer_text(answer, "list-valid",
			  lists_valid(authorize->options.lists) ? "yes" : "no");
}

static void answer_explain(const struct authorize *authorize, const struct job_candidate *result,
			   struct frame_answer *answer)
{
	struct log_line nodes;
	frame_answer_start(answer, FRAME_SAY_OK);
	frame_answer_text(answer, "verdict", iotpki_verdict_name(result->decision.verdict));
	put_reason(answer, &result->decision);
	frame_answer_text(answer, "paper", iotpki_reason_paper_text(result->decision.reason));
	frame_answer_text(answer, "name", result->name);
	log_line_start(&nodes);
	agent_log_nodes(&nodes, lists_config(authorize->options.lists), result->answers,
			&result->decision, result->answer_count, result->decision.now_s);
	frame_answer_text(answer, "nodes", nodes.len > 0 ? nodes.text + 1 : "");
	frame_answer_int(answer, "agreeing", (int64_t)result->decision.agreeing);
	frame_answer_int(answer, "needed", (int64_t)lists_config(authorize->options.lists)->needed);
}

static void log_group(const struct authorize *authorize, const struct job *job,
		      const struct job_candidate *result)
{
	const struct config *config = lists_config(authorize->options.lists);
	const struct member *member =
		result->name[0] == '\0' ? NULL
					: lists_member(authorize->options.lists, result->name);
	const struct agent_log_decision entry = {
		.decision = &result->decision,
		.name = result->name,
		.label = member != NULL ? member->label : NULL,
		.user = job->user,
		.service = job->service,
		.rhost = job->rhost,
		.fingerprint = result->has_hash ? result->hash : NULL,
		.needed = config->needed,
		.config = config,
		.answers = result->answers,
		.answer_count = result->answer_count,
		.reused = result->reused,
		.ms = authorize->options.clock->mono_ms(authorize->options.clock) - job->started_ms,
		.id = job->id,
	};
	agent_log_decision(authorize->options.log, &entry);
}

static void count(struct authorize *authorize, enum iotpki_verdict verdict)
{
	if (verdict == IOTPKI_ADMIT)
		authorize->counts.admitted++;
	else if (verdict == IOTPKI_DENY)
		authorize->counts.denied++;
	else
		authorize->counts.unavailable++;
}

static void finish(void *context, const struct job *job)
{
	struct authorize *authorize = context;
	const struct job_candidate *result = job_result(job);
	struct frame_answer answer;
	if (job->verb == FRAME_EXPLAIN) {
		answer_explain(authorize, result, &answer);
		authorize->options.answer(authorize->options.context, job->connection, &answer);
		return;
	}
	const bool admitted = result->decision.verdict == IOTPKI_ADMIT;
	if (admitted)
		answer_admit(authorize, job, result, &answer);
	else
		answer_refusal(authorize, job, result, &answer);
	count(authorize, result->decision.verdict);
	/* A line for each key that had to be admitted; only the one that was not, if one was not. */
	for (unsigned int group = 0; group < job->group_count && authorize->options.log != NULL;
	     group++) {
		const struct job_candidate *said = job_group(job, group);
		if (said != NULL && (admitted || said == result))
			log_group(authorize, job, said);
	}
	/* Last, so that whoever has the answer finds its reason in the log. */
	authorize->options.answer(authorize->options.context, job->connection, &answer);
}

/* ---- requests ---- */

static void start_key(struct authorize *authorize, struct job *job,
		      const struct frame_request *request)
{
	job->in_order = true;
	job->key = malloc(sizeof(*job->key));
	if (job->key == NULL) {
		refuse(job, IOTPKI_NOT_MEMBER);
		return;
	}
	/* Types and keys that are none of ours are on no list. */
	if (iotpki_sshkey_parse(request->values[FRAME_TYPE], request->values[FRAME_BLOB], job->key,
				NULL) != IOTPKI_OK ||
	    !add_key(authorize, job, job->key->fingerprint))
		refuse(job, IOTPKI_NOT_MEMBER);
}

static bool start_user(struct authorize *authorize, struct job *job,
		       const struct frame_request *request)
{
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		if (strcmp(stages[i], request->values[FRAME_STAGE]) != 0)
			continue;
		if (!add_user(authorize, job, request, (enum stage)i))
			refuse(job, account_known(authorize, job->user) ? IOTPKI_NO_PROOF
									: IOTPKI_NOT_MEMBER);
		return true;
	}
	return false;
}

static void start_explain(struct job *job, const struct frame_request *request)
{
	job->any_rights = request->values[FRAME_USER] == NULL;
	if (!job_add(job, request->values[FRAME_NAME], NULL))
		refuse(job, IOTPKI_NOT_MEMBER);
}

static void answer_error(struct authorize *authorize, uint64_t connection, const char *why)
{
	struct frame_answer answer;
	frame_answer_error(&answer, why);
	authorize->options.answer(authorize->options.context, connection, &answer);
}

void authorize_request(struct authorize *authorize, uint64_t connection,
		       const struct frame_request *request)
{
	struct job *job = job_new(&authorize->jobs, connection, request);
	if (job == NULL) {
		answer_error(authorize, connection, "too many requests are waiting");
		return;
	}
	if (request->verb == FRAME_AUTHORIZE_KEY) {
		start_key(authorize, job, request);
	} else if (request->verb == FRAME_EXPLAIN) {
		start_explain(job, request);
	} else if (!start_user(authorize, job, request)) {
		job_free(job);
		answer_error(authorize, connection, "stage is auth, account or session");
		return;
	}
	job_start(job);
}

enum iotpki_err authorize_new(const struct authorize_options *options,
			      struct authorize **authorize_out)
{
	*authorize_out = NULL;
	struct authorize *authorize = calloc(1, sizeof(*authorize));
	if (authorize == NULL)
		return IOTPKI_ERR_NOMEM;
	authorize->options = *options;
	authorize->jobs.next_id = options->first_id;
	authorize->jobs.options =
		(struct jobs_options){ .judge = { options->lists, options->clock, options->state },
				       .questions = options->questions,
				       .finish = finish,
				       .context = authorize };
	*authorize_out = authorize;
	return IOTPKI_OK;
}

void authorize_free(struct authorize *authorize)
{
	if (authorize == NULL)
		return;
	jobs_done(&authorize->jobs);
	known_clear(&authorize->known);
	free(authorize);
}

void authorize_freep(struct authorize **authorize)
{
	authorize_free(*authorize);
	*authorize = NULL;
}

void authorize_set_questions(struct authorize *authorize, struct questions *questions)
{
	authorize->jobs.options.questions = questions;
}

int64_t authorize_expire(struct authorize *authorize)
{
	return jobs_expire(&authorize->jobs);
}

bool authorize_judge(void *context, const struct questions_view *view, bool waited)
{
	struct authorize *authorize = context;
	const struct judge *judge = &authorize->jobs.options.judge;
	struct iotpki_decision decision;
	const bool negative = judge_negative(judge, view, &decision);
	if (negative && !waited) {
		struct log_line line;
		log_line_start(&line);
		log_line_text(&line, "event", "late-negative", 32);
		log_line_text(&line, "name", view->name, IOTPKI_NAME_MAX);
		agent_log_nodes(&line, lists_config(judge->lists), view->answers, &decision,
				view->count, judge->clock->now_s(judge->clock));
		log_write(LOG_LEVEL_WARNING, "%s", line.text);
	}
	if (view->deadline)
		dissent_hear(&authorize->dissent, lists_config(judge->lists), view, &decision,
			     judge->clock);
	return negative;
}

struct known *authorize_known(struct authorize *authorize)
{
	return &authorize->known;
}

void authorize_forget(struct authorize *authorize)
{
	recent_clear(&authorize->recent);
	known_clear(&authorize->known);
}

struct authorize_counts authorize_counts(const struct authorize *authorize)
{
	struct authorize_counts counts = authorize->counts;
	counts.waiting = authorize->jobs.count;
	return counts;
}
