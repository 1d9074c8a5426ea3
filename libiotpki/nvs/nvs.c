/* Questions: names to all nodes, each node's answers taken over, and the deadline. */
#include "nvs/nvs_parts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "nvs/ask.h"

struct nvs_question {
	struct nvs_question *next;
	struct nvs *nvs;
	nvs_many_fn *answer;
	nvs_answer_fn *answer_one; /* of nvs_ask */
	void *context, *context_one;
	bool ended;  /* released as soon as no call back runs */
	bool silent; /* and nobody is called any more */
	int64_t asked_s, asked_ms, node_timeout_ms, deadline_ms;
	size_t pending;
	struct health_round round;
	struct ask asks[IOTPKI_NODES_MAX];
	size_t name_count;
	/* one a name and node; the nodes' of one name, or the names' of one node, lie together */
	struct iotpki_answer *answers;              /* [name][node] */
	char (*nvs_names)[IOTPKI_NVS_NAME_MAX + 1]; /* [node][name] */
	struct ask_part *parts;                     /* [node][name] */
};

int64_t nvs_now_ms(const struct nvs *nvs)
{
	return nvs->clock->mono_ms(nvs->clock);
}

uint32_t nvs_elapsed_ms(const struct nvs *nvs, int64_t since_ms)
{
	const int64_t ms = nvs_now_ms(nvs) - since_ms;
	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static struct iotpki_answer *answers_of(const struct nvs_question *question, size_t name)
{
	return &question->answers[name * question->nvs->config.node_count];
}

/* Pauses are ages: a suspend ends them. */
static int64_t boottime_ms(const struct nvs *nvs)
{
	return nvs->clock->boottime_ms(nvs->clock);
}

const struct dialect_shown *nvs_told(const struct nvs_question *question, size_t name, size_t node)
{
	return &question->asks[node].parts[name].shown;
}

const char *nvs_problem(const struct nvs_question *question, size_t node)
{
	return question->asks[node].problem;
}

/* ---- the end of questions ---- */

static void question_free(struct nvs_question *question)
{
	if (question == NULL)
		return;
	free(question->answers);
	free(question->nvs_names);
	free(question->parts);
	free(question);
}

static void question_freep(struct nvs_question **question)
{
	question_free(*question);
}

static void reap(struct nvs *nvs)
{
	if (nvs->polling > 0)
		return;
	for (struct nvs_question **at = &nvs->questions; *at != NULL;) {
		struct nvs_question *question = *at;
		if (!question->ended) {
			at = &question->next;
			continue;
		}
		*at = question->next;
		question_free(question);
	}
}

static void stop_asking(struct nvs_question *question)
{
	for (size_t i = 0; i < question->nvs->config.node_count; i++)
		ask_stop(&question->asks[i]);
	health_end(&question->nvs->health, &question->round);
	question->ended = true;
}

void nvs_cancel(struct nvs *nvs, struct nvs_question *question)
{
	if (question == NULL || question->silent)
		return;
	question->silent = true;
	if (question->ended)
		return; /* from inside its last call */
	stop_asking(question);
	reap(nvs);
}

/** Call back for each name; any of the calls may cancel. */
static void report(struct nvs_question *question, bool deadline)
{
	const size_t nodes = question->nvs->config.node_count;
	for (size_t i = 0; i < question->name_count && !question->silent; i++)
		question->answer(question->context, i, answers_of(question, i), nodes, deadline);
}

/** The last call back of a question. */
static void finish(struct nvs_question *question)
{
	const struct nvs *nvs = question->nvs;
	stop_asking(question);
	for (size_t name = 0; name < question->name_count; name++) {
		struct iotpki_answer *answers = answers_of(question, name);
		health_close(&nvs->health, &question->round, answers);
		for (size_t i = 0; i < nvs->config.node_count; i++) {
			if (answers[i].outcome != IOTPKI_OUTCOME_PENDING)
				continue;
			answers[i].outcome = IOTPKI_OUTCOME_UNREACHABLE;
			answers[i].ms = nvs_elapsed_ms(nvs, question->asked_ms);
		}
	}
	report(question, true);
}

/* ---- answers ---- */

static void take_over(struct nvs_question *question, size_t node)
{
	const struct nvs *nvs = question->nvs;
	for (size_t i = 0; i < question->name_count; i++) {
		struct iotpki_answer *answer = &answers_of(question, i)[node];
		*answer = question->asks[node].parts[i].shown.answer;
		answer->twin = nvs->config.nodes[node].twin;
		answer->ms = nvs_elapsed_ms(nvs, question->asked_ms);
	}
}

static void settle(struct nvs_question *question);

static void node_done(struct ask *ask)
{
	struct nvs_question *question = ask->context;
	struct nvs *nvs = question->nvs;
	take_over(question, ask->node);
	question->pending--;
	health_heard(&nvs->health, &question->round, ask->node, ask->heard, boottime_ms(nvs));
	settle(question);
	if (question->pending == 0)
		finish(question);
	else
		report(question, false);
}

/* ---- asking ---- */

static void prepare(struct nvs_question *question, size_t node, const char *const *names)
{
	struct nvs *nvs = question->nvs;
	const struct config_node *config = &nvs->config.nodes[node];
	char(*nvs_names)[IOTPKI_NVS_NAME_MAX + 1] =
		&question->nvs_names[node * question->name_count];
	for (size_t i = 0; i < question->name_count; i++) {
		struct iotpki_answer *answer = &answers_of(question, i)[node];
		dialect_no_answer(config, question->asked_s, IOTPKI_OUTCOME_PENDING, answer);
		answer->twin = config->twin;
		(void)snprintf(nvs_names[i], sizeof(nvs_names[i]), "%s%s", config->name_prefix,
			       names[i]);
	}
	question->asks[node] = (struct ask){
		.client = &nvs->client,
		.context = question,
		.done = node_done,
		.node = node,
		.count = question->name_count,
		.nvs_names = (const char(*)[IOTPKI_NVS_NAME_MAX + 1]) nvs_names,
		.parts = &question->parts[node * question->name_count],
		.asked_s = question->asked_s,
	};
}

static enum iotpki_err ask_node(struct nvs_question *question, size_t node)
{
	struct nvs *nvs = question->nvs;
	struct ask *ask = &question->asks[node];
	/* From now, not from the question on: a node that rested may be asked later than the others. */
	const int64_t node_end_ms = nvs_now_ms(nvs) + question->node_timeout_ms;
	const enum iotpki_err err = ask_start(
		ask, node_end_ms < question->deadline_ms ? node_end_ms : question->deadline_ms);
	if (err != IOTPKI_OK)
		return err;
	health_asked(&nvs->health, &question->round, node, boottime_ms(nvs));
	if (!ask->over) {
		question->pending++;
		return IOTPKI_OK;
	}
	take_over(question, node);
	health_heard(&nvs->health, &question->round, node, ask->heard, boottime_ms(nvs));
	return IOTPKI_OK;
}

static enum iotpki_err ask_planned(struct nvs_question *question)
{
	enum iotpki_err err = IOTPKI_OK;
	for (size_t i = 0; err == IOTPKI_OK && i < question->nvs->config.node_count; i++)
		if ((question->round.ask & (UINT32_C(1) << i)) != 0)
			err = ask_node(question, i);
	return err;
}

/** Whether nothing about a name is open for want of a resting node, by what the caller knows too. */
static bool is_clear(struct nvs_question *question, size_t name)
{
	const struct nvs *nvs = question->nvs;
	struct iotpki_answer *answers = answers_of(question, name);
	struct iotpki_answer marked[IOTPKI_NODES_MAX];
	const size_t count = nvs->config.node_count;
	int64_t now_s = nvs->clock->now_s(nvs->clock);
	if (question->round.resting == 0)
		return true;
	memcpy(marked, answers, count * sizeof(*answers));
	const int64_t floor_s = nvs->mark != NULL ? nvs->mark(nvs->mark_context, marked, count) : 0;
	now_s = floor_s > now_s ? floor_s : now_s;
	const bool clear = health_lift(&nvs->health, &question->round, marked, now_s);
	for (size_t i = 0; i < count; i++)
		answers[i].outcome = marked[i].outcome;
	return clear;
}

/** Give the resting nodes up where the others suffice, or ask them after all. */
static void settle(struct nvs_question *question)
{
	struct nvs *nvs = question->nvs;
	if (question->ended)
		return;
	bool clear = true;
	for (size_t i = 0; i < question->name_count; i++)
		clear &= is_clear(question, i);
	health_wake(&nvs->health, &question->round, clear, boottime_ms(nvs));
	/* What could not be asked ends as MALFORMED, by health_close(). */
	(void)!ask_planned(question);
}

/** Each a name, and none twice: a batch finds its answers by them. */
static bool names_valid(const char *const *names, size_t count)
{
	_Static_assert(NVS_MANY_MAX == DIALECT_NAMES_MAX,
		       "a question of many names is one request");
	if (count < 1 || count > NVS_MANY_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!iotpki_name_valid(names[i], strlen(names[i])))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(names[i], names[j]) == 0)
				return false;
	}
	return true;
}

static struct nvs_question *question_new(struct nvs *nvs, size_t name_count)
{
	CLEANUP(question_freep) struct nvs_question *question = calloc(1, sizeof(*question));
	const size_t slots = name_count * nvs->config.node_count + 1; /* never none */
	if (question == NULL)
		return NULL;
	question->nvs = nvs;
	question->name_count = name_count;
	question->answers = calloc(slots, sizeof(*question->answers));
	question->nvs_names = calloc(slots, sizeof(*question->nvs_names));
	question->parts = calloc(slots, sizeof(*question->parts));
	if (question->answers == NULL || question->nvs_names == NULL || question->parts == NULL)
		return NULL;
	return STEAL(question);
}

static enum iotpki_err start(struct nvs_question *question, const char *const *names)
{
	struct nvs *nvs = question->nvs;
	question->asked_s = nvs->clock->now_s(nvs->clock);
	question->asked_ms = nvs_now_ms(nvs);
	question->deadline_ms += question->asked_ms;
	question->next = nvs->questions;
	nvs->questions = question;
	for (size_t i = 0; i < nvs->config.node_count; i++)
		prepare(question, i, names);
	health_begin(&nvs->health, boottime_ms(nvs), question->node_timeout_ms, &question->round);
	const enum iotpki_err err = ask_planned(question);
	if (err != IOTPKI_OK)
		nvs_cancel(nvs, question);
	return err;
}

enum iotpki_err nvs_ask_many(struct nvs *nvs, const char *const *names, size_t name_count,
			     int64_t timeout_ms, nvs_many_fn *answer, void *context,
			     struct nvs_question **question_out)
{
	*question_out = NULL;
	if (!names_valid(names, name_count) || timeout_ms <= 0)
		return IOTPKI_ERR_ARGUMENT;
	struct nvs_question *question = question_new(nvs, name_count);
	if (question == NULL)
		return IOTPKI_ERR_NOMEM;
	question->answer = answer;
	question->context = context;
	question->node_timeout_ms = question->deadline_ms = timeout_ms;
	const enum iotpki_err err = start(question, names);
	if (err == IOTPKI_OK)
		*question_out = question;
	return err;
}

static void answer_one(void *context, size_t name_index, const struct iotpki_answer *answers,
		       size_t count, bool deadline)
{
	(void)name_index;
	const struct nvs_question *question = context;
	question->answer_one(question->context_one, answers, count, deadline);
}

enum iotpki_err nvs_ask(struct nvs *nvs, const char *name, nvs_answer_fn *answer, void *context,
			struct nvs_question **question_out)
{
	*question_out = NULL;
	if (!names_valid(&name, 1))
		return IOTPKI_ERR_ARGUMENT;
	struct nvs_question *question = question_new(nvs, 1);
	if (question == NULL)
		return IOTPKI_ERR_NOMEM;
	question->answer = answer_one;
	question->context = question;
	question->answer_one = answer;
	question->context_one = context;
	question->node_timeout_ms = nvs->config.node_timeout_ms;
	question->deadline_ms = nvs->config.deadline_ms;
	const enum iotpki_err err = start(question, &name);
	if (err == IOTPKI_OK)
		*question_out = question;
	return err;
}

/* ---- the loop ---- */

static bool due(const struct nvs_question *question, int64_t ms)
{
	return !question->ended && (question->pending == 0 || question->deadline_ms <= ms);
}

static int wait_ms(const struct nvs *nvs, int timeout_ms)
{
	const int64_t ms = nvs_now_ms(nvs), boot_ms = boottime_ms(nvs);
	int64_t end_ms = transport_next_ms(nvs->transport);
	for (const struct nvs_question *at = nvs->questions; at != NULL; at = at->next) {
		if (due(at, ms))
			return 0;
		if (!at->ended && at->deadline_ms < end_ms)
			end_ms = at->deadline_ms;
		const int64_t wakes_in_ms = health_wakes_in(&at->round, boot_ms);
		if (!at->ended && wakes_in_ms < INT64_MAX - ms && ms + wakes_in_ms < end_ms)
			end_ms = ms + wakes_in_ms;
	}
	const int64_t most_ms = timeout_ms < 0 ? INT_MAX : timeout_ms;
	if (end_ms <= ms)
		return 0;
	return end_ms - ms < most_ms ? (int)(end_ms - ms) : (int)most_ms;
}

enum iotpki_err nvs_poll(struct nvs *nvs, int extra_fd, int timeout_ms)
{
	nvs->polling++;
	const enum iotpki_err err =
		transport_poll(nvs->transport, extra_fd, wait_ms(nvs, timeout_ms));
	const int64_t ms = nvs_now_ms(nvs);
	for (struct nvs_question *at = nvs->questions; at != NULL; at = at->next) {
		settle(at);
		if (due(at, ms))
			finish(at);
	}
	nvs->polling--;
	reap(nvs);
	return err;
}

/* ---- waiting ---- */

struct waiter {
	bool over;
	struct iotpki_answer *answers;
};

static void wait_answer(void *context, const struct iotpki_answer *answers, size_t count,
			bool deadline)
{
	struct waiter *waiter = context;
	for (size_t i = 0; i < count; i++)
		waiter->answers[i] = answers[i];
	waiter->over = deadline;
}

enum iotpki_err nvs_ask_wait(struct nvs *nvs, const char *name,
			     struct iotpki_answer answers_out[static IOTPKI_NODES_MAX])
{
	struct waiter waiter = { .answers = answers_out };
	struct nvs_question *question = NULL;
	enum iotpki_err err = nvs_ask(nvs, name, wait_answer, &waiter, &question);
	while (err == IOTPKI_OK && !waiter.over)
		err = nvs_poll(nvs, -1, -1);
	if (err != IOTPKI_OK && !waiter.over)
		nvs_cancel(nvs, question);
	return waiter.over ? IOTPKI_OK : err;
}

/* ---- life ---- */

size_t nvs_resting(const struct nvs *nvs)
{
	size_t count = 0;
	for (size_t i = 0; i < nvs->config.node_count; i++)
		count += nvs->health.nodes[i].failures > 0;
	return count;
}

void nvs_forget(struct nvs *nvs)
{
	lives_forget(nvs->lives);
}

void nvs_set_mark(struct nvs *nvs, nvs_mark_fn *mark, void *context)
{
	nvs->mark = mark;
	nvs->mark_context = context;
}

enum iotpki_err nvs_new(const struct config *config, const struct clock *clock,
			const struct random_source *random, struct nvs **nvs_out)
{
	*nvs_out = NULL;
	if (config->node_count > IOTPKI_NODES_MAX)
		return IOTPKI_ERR_ARGUMENT;
	CLEANUP(nvs_freep) struct nvs *nvs = calloc(1, sizeof(*nvs));
	if (nvs == NULL)
		return IOTPKI_ERR_NOMEM;
	nvs->config = *config;
	health_init(&nvs->health, &nvs->config);
	nvs->clock = clock;
	nvs->lives = lives_new(LIVES_MAX, clock);
	if (nvs->lives == NULL)
		return IOTPKI_ERR_NOMEM;
	for (size_t i = 0; i < nvs->config.node_count; i++)
		nvs->credentials[i].node = &nvs->config.nodes[i];
	const enum iotpki_err err =
		transport_new(nvs->config.nodes, nvs->config.node_count, clock, &nvs->transport);
	if (err != IOTPKI_OK)
		return err;
	nvs->client = (struct ask_client){
		.config = &nvs->config,
		.random = random,
		.transport = nvs->transport,
		.lives = nvs->lives,
		.credentials = nvs->credentials,
	};
	*nvs_out = STEAL(nvs);
	return IOTPKI_OK;
}

void nvs_listen(struct nvs *nvs, const struct nvs_listener *listener)
{
	nvs->client.listener = *listener;
}

void nvs_free(struct nvs *nvs)
{
	if (nvs == NULL)
		return;
	transport_free(nvs->transport);
	for (struct nvs_question *at = nvs->questions; at != NULL;) {
		struct nvs_question *next = at->next;
		question_free(at);
		at = next;
	}
	lives_free(nvs->lives);
	for (size_t i = 0; i < IOTPKI_NODES_MAX; i++)
		credentials_done(&nvs->credentials[i]);
	free(nvs);
}

void nvs_freep(struct nvs **nvs)
{
	nvs_free(*nvs);
	*nvs = NULL;
}
