/* What is reused, for whom and how long: design 4, "What is reused". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/questions.h"

enum { ASKED_MAX = 2048, NODES = 2, TTL_MS = 1000 };

/* A client whose B-nodes answer when the test says so. */
struct nvs_question {
	bool open;
	char name[IOTPKI_NAME_MAX + 1];
	nvs_answer_fn *answer;
	void *context;
};

struct fake {
	struct clock_fake clock;
	struct questions *questions;
	size_t asked, cancelled;
	struct nvs_question open[ASKED_MAX];
	bool refuse;
	bool negative; /* what the judge says */
	size_t late;   /* judged sets that nobody waited for */
};

struct waiting {
	struct questions_waiter waiter;
	size_t calls;
	bool leave; /* at the first call */
	bool reused;
	bool deadline;
	enum iotpki_outcome first;
	struct waiting *other; /* leaves too */
};

static enum iotpki_err fake_ask(void *nvs, const char *name, nvs_answer_fn *answer, void *context,
				struct nvs_question **question_out)
{
	struct fake *fake = nvs;
	if (fake->refuse)
		return IOTPKI_ERR_NOMEM;
	assert_in_range(fake->asked, 0, ASKED_MAX - 1);
	struct nvs_question *question = &fake->open[fake->asked++];
	question->open = true;
	memcpy(question->name, name, strlen(name) + 1);
	question->answer = answer;
	question->context = context;
	*question_out = question;
	return IOTPKI_OK;
}

static void fake_cancel(void *nvs, struct nvs_question *question)
{
	struct fake *fake = nvs;
	assert_true(question->open);
	question->open = false;
	fake->cancelled++;
}

static bool fake_judge(void *context, const struct questions_view *view, bool waited)
{
	struct fake *fake = context;
	(void)view;
	if (!waited)
		fake->late++;
	return fake->negative;
}

static struct questions_options options(struct fake *fake)
{
	return (struct questions_options){ .nvs = { fake_ask, fake_cancel, fake },
					   .clock = &fake->clock.clock,
					   .node_count = NODES,
					   .needed = NODES,
					   .positive_ttl_ms = TTL_MS,
					   .judge = fake_judge,
					   .context = fake };
}

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	if (fake == NULL)
		return 1;
	clock_fake_init(&fake->clock, 1000000);
	const struct questions_options all = options(fake);
	*state = fake;
	return questions_new(&all, &fake->questions) == IOTPKI_OK ? 0 : 1;
}

static int teardown(void **state)
{
	struct fake *fake = *state;
	questions_free(fake->questions);
	free(fake);
	return 0;
}

static void answered(void *context, const struct questions_view *view)
{
	struct waiting *waiting = context;
	waiting->calls++;
	waiting->reused = view->reused;
	waiting->deadline = view->deadline;
	waiting->first = view->answers[0].outcome;
	if (waiting->leave)
		questions_leave(&waiting->waiter);
	if (waiting->other != NULL)
		questions_leave(&waiting->other->waiter);
}

static void join(struct fake *fake, const char *name, struct waiting *waiting)
{
	waiting->waiter.answered = answered;
	waiting->waiter.context = waiting;
	assert_int_equal(questions_join(fake->questions, name, &waiting->waiter), IOTPKI_OK);
	while (questions_work(fake->questions, 1000))
		continue;
}

static void node_says(struct fake *fake, size_t question, enum iotpki_outcome first,
		      enum iotpki_outcome second, bool deadline)
{
	struct nvs_question *open = &fake->open[question];
	const struct iotpki_answer answers[NODES] = { { .outcome = first }, { .outcome = second } };
	assert_true(open->open);
	if (deadline)
		open->open = false;
	open->answer(open->context, answers, NODES, deadline);
}

#define REGISTERED IOTPKI_OUTCOME_REGISTERED
#define PENDING IOTPKI_OUTCOME_PENDING
#define UNREACHABLE IOTPKI_OUTCOME_UNREACHABLE

static void one_question_for_all_who_wait(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { .leave = true }, c = { .leave = true };
	join(fake, "alice", &a);
	join(fake, "alice", &b);
	join(fake, "bob", &c);
	assert_int_equal(fake->asked, 2);
	assert_int_equal(questions_in_flight(fake->questions), 2);
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_int_equal(c.calls, 0);
	assert_false(a.reused);
	assert_true(b.reused);
	node_says(fake, 1, REGISTERED, REGISTERED, true);
	assert_int_equal(c.calls, 1);
	assert_int_equal(questions_in_flight(fake->questions), 0);
}

static void reuse_counts_from_when_it_was_sent(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { 0 }, c = { 0 };
	join(fake, "alice", &a);
	clock_fake_advance(&fake->clock, 400); /* a slow answer is an old one */
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	clock_fake_advance(&fake->clock, TTL_MS - 401);
	join(fake, "alice", &b);
	assert_int_equal(fake->asked, 1);
	struct questions_view view;
	questions_view(&b.waiter, &view);
	assert_true(view.reused && view.deadline && view.count == NODES);
	questions_leave(&b.waiter);
	clock_fake_advance(&fake->clock, 1);
	join(fake, "alice", &c);
	assert_int_equal(fake->asked, 2);
	questions_view(&c.waiter, &view);
	assert_false(view.reused || view.deadline);
	questions_leave(&c.waiter);
	questions_view(&c.waiter, &view);
	assert_int_equal(view.count, 0);
}

/* A night's sleep is no time to a timer, but an answer of the evening is old in the morning. */
static void nothing_is_reused_after_a_suspend(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { 0 };
	join(fake, "alice", &a);
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	fake->clock.suspended_ms += TTL_MS;
	join(fake, "alice", &b);
	assert_int_equal(fake->asked, 2);
	questions_leave(&b.waiter);
}

/* A dead node keeps a question open; what another said at its beginning must not get old with it. */
/* A slow node's answer may be from before a revocation: who comes later than the TTL asks anew. */
static void in_flight_for_longer_is_not_joined(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { 0 }, b = { 0 }, c = { 0 };
	join(fake, "alice", &a);
	clock_fake_advance(&fake->clock, TTL_MS - 1);
	join(fake, "alice", &b); /* single flight */
	assert_int_equal(fake->asked, 1);
	clock_fake_advance(&fake->clock, 1);
	join(fake, "alice", &c); /* nobody has said anything yet, and still */
	assert_int_equal(fake->asked, 2);
	questions_leave(&a.waiter);
	questions_leave(&b.waiter);
	questions_leave(&c.waiter);
}

static void drops(void **state)
{
	struct fake *fake = *state;
	static const struct {
		const char *what;
		const char *drop; /* "": by a negative answer */
		size_t asked;
	} rows[] = {
		{ "this name", "alice", 1 },
		{ "another name", "bob", 0 },
		{ "all", NULL, 1 },
		{ "negative", "", 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct waiting a = { .leave = true }, b = { 0 };
		clock_fake_advance(&fake->clock, 10 * TTL_MS);
		const size_t before = fake->asked;
		join(fake, "alice", &a);
		fake->negative = rows[i].drop != NULL && rows[i].drop[0] == '\0';
		node_says(fake, before, REGISTERED, REGISTERED, true);
		fake->negative = false;
		if (rows[i].drop == NULL || rows[i].drop[0] != '\0')
			questions_drop(fake->questions, rows[i].drop);
		join(fake, "alice", &b);
		if (fake->asked - before != 1 + rows[i].asked)
			fail_msg("%s: %zu questions", rows[i].what, fake->asked - before);
		questions_leave(&b.waiter);
		if (rows[i].asked > 0)
			node_says(fake, before + 1, UNREACHABLE, UNREACHABLE, true);
	}
}

static void dropped_in_flight_is_for_those_who_wait(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { .leave = true };
	join(fake, "alice", &a);
	questions_drop(fake->questions, NULL);
	join(fake, "alice", &b);
	assert_int_equal(fake->asked, 2);
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 0);
	node_says(fake, 1, REGISTERED, REGISTERED, true);
	assert_int_equal(b.calls, 1);
}

static void unasked_is_said(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { 0 };
	a.waiter.answered = answered;
	a.waiter.context = &a;
	assert_int_equal(questions_join(fake->questions, "alice", &a.waiter), IOTPKI_OK);
	assert_true(questions_unasked(&a.waiter));
	while (questions_work(fake->questions, 1000))
		continue;
	assert_false(questions_unasked(&a.waiter));
	questions_leave(&a.waiter);
	assert_false(questions_unasked(&a.waiter));
}

static void late_answers_are_read(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { 0 };
	join(fake, "alice", &a);
	node_says(fake, 0, REGISTERED, PENDING, false);
	assert_int_equal(a.calls, 1);
	assert_int_equal(fake->late, 0);
	fake->negative = true;
	node_says(fake, 0, REGISTERED, IOTPKI_OUTCOME_REVOKED, true);
	fake->negative = false;
	assert_int_equal(a.calls, 1);
	assert_int_equal(fake->late, 1);
	join(fake, "alice", &b);
	assert_int_equal(fake->asked, 2);
	questions_leave(&b.waiter);
}

static void failures_are_not_reused(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { 0 };
	join(fake, "alice", &a);
	node_says(fake, 0, REGISTERED, UNREACHABLE, true);
	join(fake, "alice", &b);
	assert_int_equal(fake->asked, 2);
	questions_leave(&b.waiter);
}

static void client_that_cannot_ask(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true };
	fake->refuse = true;
	join(fake, "alice", &a);
	assert_int_equal(a.calls, 1);
	assert_true(a.deadline);
	assert_int_equal(a.first, IOTPKI_OUTCOME_MALFORMED);
	assert_int_equal(questions_in_flight(fake->questions), 0);
}

static void others_may_leave_while_called(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, b = { .leave = true }, c = { .leave = true };
	join(fake, "alice", &a);
	join(fake, "alice", &b);
	join(fake, "alice", &c);
	c.other = &b; /* the next in turn */
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	assert_int_equal(a.calls + c.calls, 2);
	assert_int_equal(b.calls, 0);
}

static void new_nodes_ask_again(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { .leave = true }, kept = { .leave = true }, b = { 0 };
	join(fake, "kept", &kept);
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	join(fake, "alice", &a);
	struct questions_options other = options(fake);
	other.node_count = 1;
	other.needed = 1;
	assert_int_equal(questions_configure(fake->questions, &other), IOTPKI_OK);
	assert_int_equal(fake->cancelled, 1);
	assert_false(questions_work(fake->questions, 1000));
	assert_int_equal(fake->asked, 3);
	assert_string_equal(fake->open[2].name, "alice");
	node_says(fake, 2, REGISTERED, PENDING, true);
	assert_int_equal(a.calls, 1);
	join(fake, "kept", &b);
	assert_int_equal(fake->asked, 4);
	questions_leave(&b.waiter);
	other.node_count = IOTPKI_NODES_MAX + 1;
	assert_int_equal(questions_configure(fake->questions, &other), IOTPKI_ERR_ARGUMENT);
}

static void memory_is_bounded(void **state)
{
	struct fake *fake = *state;
	static struct waiting waiting[QUESTIONS_IN_FLIGHT_MAX + 1];
	struct waiting kept = { .leave = true };
	char name[16];
	for (size_t i = 0; i < QUESTIONS_NAMES_MAX + 8; i++) {
		(void)snprintf(name, sizeof(name), "kept%zu", i);
		join(fake, name, &kept);
		node_says(fake, i, REGISTERED, REGISTERED, true);
	}
	for (size_t i = 0; i < QUESTIONS_IN_FLIGHT_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%zu", i);
		join(fake, name, &waiting[i]);
	}
	struct waiting *last = &waiting[QUESTIONS_IN_FLIGHT_MAX];
	assert_int_equal(questions_join(fake->questions, "more", &last->waiter), IOTPKI_ERR_LIMIT);
	assert_null(last->waiter.question);
	/* What is only read to its end gives way. */
	questions_leave(&waiting[7].waiter);
	join(fake, "more", last);
	assert_int_equal(fake->cancelled, 1);
	for (size_t i = 0; i <= QUESTIONS_IN_FLIGHT_MAX; i++)
		questions_leave(&waiting[i].waiter);
	char large[IOTPKI_NAME_MAX + 2];
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(questions_join(fake->questions, large, &last->waiter),
			 IOTPKI_ERR_ARGUMENT);
}

/* Behind those that the nodes work on there is one in line, for all who come; nobody is sent away. */
static void one_name_is_bounded(void **state)
{
	struct fake *fake = *state;
	struct waiting waiting[QUESTIONS_PER_NAME_MAX + 3] = { 0 };
	for (size_t i = 0; i < QUESTIONS_PER_NAME_MAX; i++) {
		join(fake, "alice", &waiting[i]);
		questions_drop(fake->questions, "alice");
	}
	struct waiting *last = &waiting[QUESTIONS_PER_NAME_MAX];
	join(fake, "alice", &last[0]);
	questions_drop(fake->questions, "alice"); /* what was not sent cannot be old */
	join(fake, "alice", &last[1]);
	assert_int_equal(fake->asked, QUESTIONS_PER_NAME_MAX);
	assert_int_equal(questions_in_flight(fake->questions), QUESTIONS_PER_NAME_MAX + 1);
	/* An answer makes room, */
	node_says(fake, 0, REGISTERED, REGISTERED, true);
	assert_false(questions_work(fake->questions, 1000));
	assert_int_equal(fake->asked, QUESTIONS_PER_NAME_MAX + 1);
	/* and so does a question that nobody waits for any more. */
	questions_drop(fake->questions, "alice");
	join(fake, "alice", &last[2]);
	assert_int_equal(fake->asked, QUESTIONS_PER_NAME_MAX + 1);
	questions_leave(&waiting[1].waiter);
	assert_false(questions_work(fake->questions, 1000));
	assert_int_equal(fake->asked, QUESTIONS_PER_NAME_MAX + 2);
	assert_int_equal(fake->cancelled, 1);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
		questions_leave(&waiting[i].waiter);
}

/* A burst is sent in portions, so that who needs no question is not behind it. */
static void sending_has_a_budget(void **state)
{
	struct fake *fake = *state;
	struct waiting a = { 0 };
	a.waiter.answered = answered;
	a.waiter.context = &a;
	assert_int_equal(questions_join(fake->questions, "alice", &a.waiter), IOTPKI_OK);
	assert_true(questions_work(fake->questions, 0));
	assert_int_equal(fake->asked, 0);
	questions_leave(&a.waiter);
	assert_false(questions_work(fake->questions, 1000)); /* nobody wants to know any more */
	assert_int_equal(fake->asked, 0);

	static struct waiting crowd[100];
	char name[16];
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
		(void)snprintf(name, sizeof(name), "n%zu", i);
		assert_int_equal(questions_join(fake->questions, name, &crowd[i].waiter),
				 IOTPKI_OK);
	}
	size_t turns = 1;
	while (questions_work(fake->questions, 1000))
		turns++;
	assert_int_equal(fake->asked, ARRAY_LEN(crowd));
	assert_in_range(turns, 10, ARRAY_LEN(crowd));
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		questions_leave(&crowd[i].waiter);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(one_question_for_all_who_wait),
		ROW(reuse_counts_from_when_it_was_sent),
		ROW(in_flight_for_longer_is_not_joined),
		ROW(nothing_is_reused_after_a_suspend),
		ROW(drops),
		ROW(dropped_in_flight_is_for_those_who_wait),
		ROW(unasked_is_said),
		ROW(late_answers_are_read),
		ROW(failures_are_not_reused),
		ROW(client_that_cannot_ask),
		ROW(others_may_leave_while_called),
		ROW(new_nodes_ask_again),
		ROW(memory_is_bounded),
		ROW(one_name_is_bounded),
		ROW(sending_has_a_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
