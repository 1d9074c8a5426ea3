/* Sets of node answers by name: joined, reused, dropped, forgotten. */
#include "agent/questions.h"

#include <string.h>

enum { PER_TURN = 12 }; /* questions times nodes that one turn sends: about a millisecond of TLS */

struct question {
	struct questions *questions;
	struct question *next, *previous; /* newest first */
	char name[IOTPKI_NAME_MAX + 1];
	struct nvs_question *nvs; /* in flight at the client */
	bool sent;
	bool finished;   /* deadline seen */
	bool dropped;    /* for nobody but those who wait already */
	int64_t sent_ms; /* boot-time clock */
	struct questions_waiter *waiters;
	struct questions_waiter *cursor; /* the next to be called while waiters are called */
	size_t count;
	struct iotpki_answer answers[]; /* count */
};

struct questions {
	struct questions_options options;
	struct question *first, *last;
	size_t count;
	size_t in_flight;
};

static int64_t now_ms(const struct questions *questions)
{
	return questions->options.clock->mono_ms(questions->options.clock);
}

/* An age, not a timeout: what was said before a suspend is old after it. */
static int64_t age_ms_since(const struct questions *questions, int64_t boottime_ms)
{
	const struct clock *clock = questions->options.clock;
	return clock->boottime_ms(clock) - boottime_ms;
}

static void unlink_question(struct question *question)
{
	struct questions *questions = question->questions;
	*(question->previous != NULL ? &question->previous->next : &questions->first) =
		question->next;
	*(question->next != NULL ? &question->next->previous : &questions->last) =
		question->previous;
	questions->count--;
	if (!question->finished)
		questions->in_flight--;
}

static void question_free(struct question *question)
{
	if (question->nvs != NULL)
		question->questions->options.nvs.cancel(question->questions->options.nvs.nvs,
							question->nvs);
	unlink_question(question);
	free(question);
}

static bool is_positive(const struct question *question)
{
	size_t registered = 0;
	for (size_t i = 0; i < question->count; i++)
		if (question->answers[i].outcome == IOTPKI_OUTCOME_REGISTERED)
			registered++;
	return registered > 0 && registered >= question->questions->options.needed;
}

/*
 * Younger than positive_ttl, counted from when it was sent, in flight or not: an answer that a slow node
 * gave before the name was revoked must not admit somebody who came after that. With slow or dead
 * nodes a few questions of one name are then in flight, at most QUESTIONS_PER_NAME_MAX.
 */
static bool may_be_joined(const struct question *question)
{
	if (question->dropped)
		return false;
	if (!question->sent)
		return true;
	if (age_ms_since(question->questions, question->sent_ms) >=
	    question->questions->options.positive_ttl_ms)
		return false;
	return !question->finished || is_positive(question);
}

static struct question *find(const struct questions *questions, const char *name)
{
	for (struct question *q = questions->first; q != NULL; q = q->next)
		if (may_be_joined(q) && strcmp(q->name, name) == 0)
			return q;
	return NULL;
}

static void call_waiters(struct question *question, const struct questions_view *view)
{
	struct questions_view own = *view;
	struct questions_waiter *waiter = question->waiters;
	while (waiter != NULL) {
		question->cursor = waiter->next;
		own.reused = waiter->reused;
		waiter->answered(waiter->context, &own);
		/* questions_leave() moved the cursor if the next one left in the meantime. */
		waiter = question->cursor;
	}
	question->cursor = NULL;
}

void questions_heard(struct questions *questions, const struct questions_view *view, bool waited)
{
	if (questions->options.judge(questions->options.context, view, waited))
		questions_drop(questions, view->name);
}

static void take_answers(void *context, const struct iotpki_answer *answers, size_t count,
			 bool deadline)
{
	struct question *question = context;
	struct questions *questions = question->questions;
	const size_t known = count < question->count ? count : question->count;
	memcpy(question->answers, answers, known * sizeof(*answers));
	if (deadline && !question->finished) {
		question->finished = true;
		question->nvs = NULL;
		questions->in_flight--;
	}
	const struct questions_view view = { question->name, question->answers, question->count,
					     deadline, false };
	const bool waited = question->waiters != NULL;
	call_waiters(question, &view);
	questions_heard(questions, &view, waited);
}

static void send_question(struct question *question)
{
	struct questions *questions = question->questions;
	question->sent = true;
	question->sent_ms = questions->options.clock->boottime_ms(questions->options.clock);
	const enum iotpki_err err = questions->options.nvs.ask(
		questions->options.nvs.nvs, question->name, take_answers, question, &question->nvs);
	if (err == IOTPKI_OK)
		return;
	/* What this machine could not even ask says nothing about the nodes: soft-fail must not forgive it. */
	struct iotpki_answer answers[IOTPKI_NODES_MAX] = { 0 };
	for (size_t i = 0; i < question->count; i++)
		answers[i].outcome = IOTPKI_OUTCOME_MALFORMED;
	question->nvs = NULL;
	take_answers(question, answers, question->count, true);
}

enum iotpki_err questions_new(const struct questions_options *options,
			      struct questions **questions_out)
{
	*questions_out = NULL;
	if (options->node_count > IOTPKI_NODES_MAX)
		return IOTPKI_ERR_ARGUMENT;
	struct questions *questions = calloc(1, sizeof(*questions));
	if (questions == NULL)
		return IOTPKI_ERR_NOMEM;
	questions->options = *options;
	*questions_out = questions;
	return IOTPKI_OK;
}

static void forget_waiters(struct question *question)
{
	while (question->waiters != NULL)
		questions_leave(question->waiters);
}

void questions_free(struct questions *questions)
{
	if (questions == NULL)
		return;
	while (questions->first != NULL) {
		forget_waiters(questions->first);
		question_free(questions->first);
	}
	free(questions);
}

void questions_freep(struct questions **questions)
{
	questions_free(*questions);
	*questions = NULL;
}

static struct question *question_new(struct questions *questions, const char *name)
{
	const size_t count = questions->options.node_count;
	struct question *question =
		calloc(1, sizeof(*question) + count * sizeof(question->answers[0]));
	if (question == NULL)
		return NULL;
	question->questions = questions;
	question->count = count;
	memcpy(question->name, name, strlen(name) + 1);
	question->next = questions->first;
	*(questions->first != NULL ? &questions->first->previous : &questions->last) = question;
	questions->first = question;
	questions->count++;
	questions->in_flight++;
	return question;
}

static void attach(struct question *question, struct questions_waiter *waiter)
{
	waiter->question = question;
	waiter->previous = NULL;
	waiter->next = question->waiters;
	if (question->waiters != NULL)
		question->waiters->previous = waiter;
	question->waiters = waiter;
}

/* The oldest set that nobody waits for: kept ones first, then questions that are only read to their end. */
static struct question *find_idle(const struct questions *questions, const char *name,
				  bool in_flight)
{
	for (struct question *q = questions->last; q != NULL; q = q->previous)
		if (q->waiters == NULL && q->finished != in_flight &&
		    (name == NULL || strcmp(q->name, name) == 0))
			return q;
	return NULL;
}

static size_t count_sent(const struct questions *questions, const char *name)
{
	size_t count = 0;
	for (const struct question *q = questions->first; q != NULL; q = q->next)
		if (q->sent && !q->finished && strcmp(q->name, name) == 0)
			count++;
	return count;
}

/* Room for one more question: what nobody waits for gives way; those who wait are not disturbed. */
static bool make_room(struct questions *questions)
{
	struct question *idle = NULL;
	if (questions->in_flight >= QUESTIONS_IN_FLIGHT_MAX)
		idle = find_idle(questions, NULL, true);
	else if (questions->count < QUESTIONS_NAMES_MAX)
		return true;
	else
		idle = find_idle(questions, NULL, false);
	if (idle == NULL)
		return false;
	question_free(idle);
	return true;
}

enum iotpki_err questions_configure(struct questions *questions,
				    const struct questions_options *options)
{
	if (options->node_count > IOTPKI_NODES_MAX)
		return IOTPKI_ERR_ARGUMENT;
	struct question *old = questions->first, *next = NULL;
	/* Cut the chain: new questions are made with the new options beside the old ones. */
	for (struct question *q = old; q != NULL; q = q->next)
		if (q->nvs != NULL) {
			questions->options.nvs.cancel(questions->options.nvs.nvs, q->nvs);
			q->nvs = NULL;
		}
	questions->options = *options;
	enum iotpki_err err = IOTPKI_OK;
	for (; old != NULL; old = next) {
		next = old->next;
		old->dropped = true;
		struct question *fresh = NULL;
		if (old->waiters != NULL && !old->finished) {
			fresh = question_new(questions, old->name);
			if (fresh == NULL)
				err = IOTPKI_ERR_NOMEM;
		}
		while (old->waiters != NULL) {
			struct questions_waiter *waiter = old->waiters;
			questions_leave(waiter);
			if (fresh != NULL)
				attach(fresh, waiter);
		}
		question_free(old);
	}
	return err;
}

enum iotpki_err questions_join(struct questions *questions, const char *name,
			       struct questions_waiter *waiter)
{
	if (strlen(name) > IOTPKI_NAME_MAX || waiter->question != NULL)
		return IOTPKI_ERR_ARGUMENT;
	struct question *question = find(questions, name);
	waiter->reused = question != NULL;
	if (question == NULL && !make_room(questions))
		return IOTPKI_ERR_LIMIT;
	if (question == NULL)
		question = question_new(questions, name);
	if (question == NULL)
		return IOTPKI_ERR_NOMEM;
	attach(question, waiter);
	return IOTPKI_OK;
}

void questions_leave(struct questions_waiter *waiter)
{
	struct question *question = waiter->question;
	if (question == NULL)
		return;
	if (question->cursor == waiter)
		question->cursor = waiter->next;
	*(waiter->previous != NULL ? &waiter->previous->next : &question->waiters) = waiter->next;
	if (waiter->next != NULL)
		waiter->next->previous = waiter->previous;
	waiter->question = NULL;
	waiter->next = NULL;
	waiter->previous = NULL;
}

void questions_view(const struct questions_waiter *waiter, struct questions_view *view_out)
{
	const struct question *question = waiter->question;
	*view_out = (struct questions_view){ .name = "" };
	if (question != NULL)
		*view_out =
			(struct questions_view){ question->name, question->answers, question->count,
						 question->finished, waiter->reused };
}

bool questions_unasked(const struct questions_waiter *waiter)
{
	return waiter->question != NULL && !waiter->question->sent;
}

void questions_drop(struct questions *questions, const char *name)
{
	for (struct question *q = questions->first; q != NULL; q = q->next)
		/* What waits to be sent will be answered after this, and holds nothing yet. */
		if (q->sent && (name == NULL || strcmp(q->name, name) == 0))
			q->dropped = true;
}

/* Answers that nobody may join any more, or whose time is over. */
static void forget_old(struct questions *questions)
{
	struct question *previous = NULL;
	for (struct question *q = questions->last; q != NULL; q = previous) {
		previous = q->previous;
		const bool unsent = !q->sent && q->waiters == NULL;
		if (unsent || (q->finished && q->waiters == NULL && !may_be_joined(q)))
			question_free(q);
	}
}

/*
 * Whoever asks about one name all day long, which takes no proof, must neither use up the nodes nor
 * have others who ask about it sent away: they wait together until one of its questions is over.
 */
static bool may_be_sent(const struct question *question)
{
	const struct questions *questions = question->questions;
	if (count_sent(questions, question->name) < QUESTIONS_PER_NAME_MAX)
		return true;
	struct question *idle = find_idle(questions, question->name, true);
	/* One that was not sent takes nobody's place, and may be this very one, just left by all. */
	if (idle == NULL || !idle->sent)
		return false;
	question_free(idle);
	return true;
}

bool questions_work(struct questions *questions, int64_t budget_ms)
{
	forget_old(questions);
	const int64_t start_ms = now_ms(questions);
	/* The client opens its connections only after this: what they will cost is counted, not timed. */
	const size_t nodes = questions->options.node_count;
	size_t room = nodes == 0 || nodes > PER_TURN ? 1 : PER_TURN / nodes;
	for (struct question *q = questions->last; q != NULL; q = q->previous) {
		if (q->sent || !may_be_sent(q))
			continue;
		if (room-- == 0 || now_ms(questions) - start_ms >= budget_ms)
			return true;
		send_question(q);
	}
	return false;
}

size_t questions_in_flight(const struct questions *questions)
{
	return questions->in_flight;
}
