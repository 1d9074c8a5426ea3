/* Questions: a name to all nodes, each node's answer to an outcome, and the deadline. */
#include "nvs/nvs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "format/json.h"
#include "nvs/dialect.h"
#include "nvs/health.h"
#include "nvs/transport.h"

struct ask {
	struct nvs_question *question;
	size_t node;
	struct transfer *transfer; /* NULL: it is over */
	char id[DIALECT_ID_SIZE];
};

struct nvs_question {
	struct nvs_question *next;
	struct nvs *nvs;
	nvs_answer_fn *answer;
	void *context;
	bool ended; /* released as soon as no call back runs */
	char nvs_name[IOTPKI_NODES_MAX][IOTPKI_NVS_NAME_MAX + 1];
	int64_t asked_s, asked_ms, deadline_ms;
	size_t pending;
	struct health_round round;
	struct ask asks[IOTPKI_NODES_MAX];
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
};

struct nvs {
	struct config config;
	const struct clock *clock;
	const struct random_source *random;
	struct transport *transport;
	struct health health;
	struct nvs_question *questions;
	unsigned int polling; /* depth of nvs_poll: nothing is released while it is not 0 */
};

static int64_t now_ms(const struct nvs *nvs)
{
	return nvs->clock->mono_ms(nvs->clock);
}

/* Pauses are ages: a suspend ends them. */
static int64_t boottime_ms(const struct nvs *nvs)
{
	return nvs->clock->boottime_ms(nvs->clock);
}

static uint32_t elapsed_ms(const struct nvs *nvs, int64_t since_ms)
{
	const int64_t ms = now_ms(nvs) - since_ms;
	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* ---- the end of questions ---- */

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
		free(question);
	}
}

static void stop_asking(struct nvs_question *question)
{
	for (size_t i = 0; i < question->nvs->config.node_count; i++) {
		struct transfer *transfer = STEAL(question->asks[i].transfer);
		if (transfer != NULL)
			transport_cancel(question->nvs->transport, transfer);
	}
	health_end(&question->nvs->health, &question->round);
	question->ended = true;
}

void nvs_cancel(struct nvs *nvs, struct nvs_question *question)
{
	if (question == NULL || question->ended)
		return;
	stop_asking(question);
	reap(nvs);
}

/** The last call back of a question. */
static void finish(struct nvs_question *question)
{
	const struct nvs *nvs = question->nvs;
	stop_asking(question);
	health_close(&nvs->health, &question->round, question->answers);
	for (size_t i = 0; i < nvs->config.node_count; i++) {
		struct iotpki_answer *answer = &question->answers[i];
		if (answer->outcome != IOTPKI_OUTCOME_PENDING)
			continue;
		answer->outcome = IOTPKI_OUTCOME_UNREACHABLE;
		answer->ms = elapsed_ms(nvs, question->asked_ms);
	}
	question->answer(question->context, question->answers, nvs->config.node_count, true);
}

/* ---- answers ---- */

static void log_problem(const struct config_node *node, const struct iotpki_detail *detail,
			const char *problem)
{
	struct iotpki_detail line = { 0 }; /* makes it printable */
	if (detail->message[0] == '\0' && problem[0] == '\0')
		return;
	(void)detail_set(&line, IOTPKI_OK, 0, 0, "B-node %s: %s", node->name,
			 detail->message[0] != '\0' ? detail->message : problem);
	log_write(LOG_LEVEL_DEBUG, "%s", line.message);
}

static void settle(struct nvs_question *question);

static void take_answer(void *context, const struct transport_answer *got)
{
	struct ask *ask = context;
	struct nvs_question *question = ask->question;
	struct nvs *nvs = question->nvs;
	const struct config_node *node = &nvs->config.nodes[ask->node];
	struct iotpki_answer *answer = &question->answers[ask->node];
	struct iotpki_detail detail = { 0 };

	ask->transfer = NULL;
	const char *nvs_name = question->nvs_name[ask->node];
	const struct dialect_question asked = { node, ask->id, &nvs_name, 1, question->asked_s };
	struct dialect_shown shown;
	if (got->outcome == IOTPKI_OUTCOME_PENDING)
		dialect_answer(&asked, &got->http, &shown, &detail);
	else
		dialect_no_answer(node, question->asked_s, got->outcome, &shown.answer);
	*answer = shown.answer;
	answer->ms = elapsed_ms(nvs, question->asked_ms);
	log_problem(node, &detail, got->problem != NULL ? got->problem : "");

	question->pending--;
	health_heard(&nvs->health, &question->round, ask->node, got->outcome, boottime_ms(nvs));
	settle(question);
	if (question->pending == 0)
		finish(question);
	else
		question->answer(question->context, question->answers, nvs->config.node_count,
				 false);
}

/* ---- asking ---- */

static enum iotpki_err new_id(const struct nvs *nvs, char id[static DIALECT_ID_SIZE])
{
	uint8_t raw[DIALECT_ID_LEN];
	const enum iotpki_err err = nvs->random->fill(nvs->random, raw, sizeof(raw));
	if (err == IOTPKI_OK)
		hex_encode(raw, sizeof(raw), id);
	return err;
}

static void prepare(struct nvs_question *question, size_t node, const char *name)
{
	const struct config_node *config = &question->nvs->config.nodes[node];
	question->asks[node] = (struct ask){ .question = question, .node = node };
	dialect_no_answer(config, question->asked_s, IOTPKI_OUTCOME_PENDING,
			  &question->answers[node]);
	(void)snprintf(question->nvs_name[node], sizeof(question->nvs_name[node]), "%s%s",
		       config->name_prefix, name);
}

static enum iotpki_err ask_node(struct nvs_question *question, size_t node)
{
	struct nvs *nvs = question->nvs;
	struct ask *ask = &question->asks[node];
	const char *const nvs_names[] = { question->nvs_name[node] };
	enum iotpki_err err = new_id(nvs, ask->id);
	if (err != IOTPKI_OK)
		return err;

	CLEANUP(buf_done) struct buf request = BUF_INIT(DIALECT_REQUEST_MAX);
	const struct dialect_question asked = { &nvs->config.nodes[node], ask->id, nvs_names, 1,
						question->asked_s };
	err = dialect_request_show(&asked, &request);
	if (err != IOTPKI_OK)
		return err;
	/* From now, not from the question on: a node that rested may be asked later than the others. */
	const int64_t node_end_ms = now_ms(nvs) + nvs->config.node_timeout_ms;
	const struct transport_order order = {
		.node = node,
		.request = &request,
		.cap = JSON_ANSWER_MAX,
		.expires_ms =
			node_end_ms < question->deadline_ms ? node_end_ms : question->deadline_ms,
		.done = take_answer,
		.context = ask,
	};
	err = transport_send(nvs->transport, &order, &ask->transfer);
	if (err != IOTPKI_OK)
		return err;
	question->pending++;
	health_asked(&nvs->health, &question->round, node, boottime_ms(nvs));
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

/** Give the resting nodes up where the others suffice, or ask them after all. */
static void settle(struct nvs_question *question)
{
	struct nvs *nvs = question->nvs;
	if (question->ended)
		return;
	const bool clear = health_lift(&nvs->health, &question->round, question->answers,
				       nvs->clock->now_s(nvs->clock));
	health_wake(&nvs->health, &question->round, clear, boottime_ms(nvs));
	/* What could not be asked ends as MALFORMED, by health_close(). */
	(void)!ask_planned(question);
}

enum iotpki_err nvs_ask(struct nvs *nvs, const char *name, nvs_answer_fn *answer, void *context,
			struct nvs_question **question_out)
{
	*question_out = NULL;
	if (!iotpki_name_valid(name, strlen(name)))
		return IOTPKI_ERR_ARGUMENT;
	struct nvs_question *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return IOTPKI_ERR_NOMEM;
	question->nvs = nvs;
	question->answer = answer;
	question->context = context;
	question->asked_s = nvs->clock->now_s(nvs->clock);
	question->asked_ms = now_ms(nvs);
	question->deadline_ms = question->asked_ms + nvs->config.deadline_ms;
	question->next = nvs->questions;
	nvs->questions = question;
	for (size_t i = 0; i < nvs->config.node_count; i++)
		prepare(question, i, name);
	health_begin(&nvs->health, boottime_ms(nvs), nvs->config.node_timeout_ms, &question->round);
	const enum iotpki_err err = ask_planned(question);
	if (err != IOTPKI_OK) {
		nvs_cancel(nvs, question);
		return err;
	}
	*question_out = question;
	return IOTPKI_OK;
}

/* ---- the loop ---- */

static bool due(const struct nvs_question *question, int64_t ms)
{
	return !question->ended && (question->pending == 0 || question->deadline_ms <= ms);
}

static int wait_ms(const struct nvs *nvs, int timeout_ms)
{
	const int64_t ms = now_ms(nvs), boot_ms = boottime_ms(nvs);
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
	const int64_t ms = now_ms(nvs);
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

struct call {
	const struct config_node *node;
	const char *method;
	struct nvs_reply *reply;
	char id[DIALECT_ID_SIZE];
	bool over;
	enum iotpki_err err;
};

static void take_reply(void *context, const struct transport_answer *got)
{
	struct call *call = context;
	call->over = true;
	struct iotpki_detail detail = { 0 };
	call->reply->outcome = got->outcome;
	if (got->outcome == IOTPKI_OUTCOME_PENDING)
		call->err = dialect_reply(call->node, call->id, call->method, &got->http,
					  call->reply, &detail);
	log_problem(call->node, &detail, got->problem != NULL ? got->problem : "");
}

enum iotpki_err nvs_call(struct nvs *nvs, size_t node, const char *method, const char *params_json,
			 int64_t timeout_ms, struct nvs_reply *reply_out)
{
	*reply_out = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_MALFORMED,
					 .result = BUF_INIT(NVS_CALL_MAX) };
	if (node >= nvs->config.node_count || params_json[0] != '[')
		return IOTPKI_ERR_ARGUMENT;
	const int64_t start_ms = now_ms(nvs);
	struct call call = { .node = &nvs->config.nodes[node],
			     .method = method,
			     .reply = reply_out };
	enum iotpki_err err = new_id(nvs, call.id);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(buf_done) struct buf request = BUF_INIT(DIALECT_REQUEST_MAX);
	err = dialect_request(call.id, method, params_json, &request);
	if (err != IOTPKI_OK)
		return err;
	const struct transport_order order = {
		.node = node,
		.request = &request,
		.cap = NVS_CALL_MAX,
		.expires_ms = start_ms + timeout_ms,
		.done = take_reply,
		.context = &call,
	};
	struct transfer *transfer = NULL;
	err = transport_send(nvs->transport, &order, &transfer);
	while (err == IOTPKI_OK && !call.over)
		err = nvs_poll(nvs, -1, -1);
	if (err != IOTPKI_OK && transfer != NULL && !call.over)
		transport_cancel(nvs->transport, transfer);
	reply_out->ms = elapsed_ms(nvs, start_ms);
	return call.over ? call.err : err;
}

void nvs_reply_done(struct nvs_reply *reply)
{
	buf_done(&reply->result);
	*reply = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_PENDING };
}

/* ---- life ---- */

enum iotpki_err nvs_new(const struct config *config, const struct clock *clock,
			const struct random_source *random, struct nvs **nvs_out)
{
	*nvs_out = NULL;
	CLEANUP(nvs_freep) struct nvs *nvs = calloc(1, sizeof(*nvs));
	if (nvs == NULL)
		return IOTPKI_ERR_NOMEM;
	nvs->config = *config;
	health_init(&nvs->health, &nvs->config);
	nvs->clock = clock;
	nvs->random = random;
	const enum iotpki_err err =
		transport_new(nvs->config.nodes, nvs->config.node_count, clock, &nvs->transport);
	if (err == IOTPKI_OK)
		*nvs_out = STEAL(nvs);
	return err;
}

void nvs_free(struct nvs *nvs)
{
	if (nvs == NULL)
		return;
	transport_free(nvs->transport);
	for (struct nvs_question *at = nvs->questions; at != NULL;) {
		struct nvs_question *next = at->next;
		free(at);
		at = next;
	}
	free(nvs);
}

void nvs_freep(struct nvs **nvs)
{
	nvs_free(*nvs);
	*nvs = NULL;
}
