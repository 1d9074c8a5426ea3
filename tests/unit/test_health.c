/* The memory of failures: pauses, probes, who is asked, and what is clear without a resting node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "nvs/health.h"

enum { TIMEOUT_MS = 1500, PATIENCE_MS = 375 };
enum { A = 1, B = 2, C = 4, D = 8 };

static const int64_t now_s = CLOCK_BUILD_TIME_S + 86400;

/* Nodes as many as the text has letters; a letter that stood before is a twin of that one. */
static void make(struct health *health, const char *nodes, unsigned int needed)
{
	struct config config = { .node_count = strlen(nodes), .needed = needed };
	for (size_t i = 0; i < config.node_count; i++) {
		const char *first = strchr(nodes, nodes[i]);
		config.nodes[i].twin = first < nodes + i ? (uint8_t)(first - nodes + 1) : 0;
	}
	health_init(health, &config);
}

static void begin(struct health *health, int64_t now_ms, struct health_round *round)
{
	health_begin(health, now_ms, TIMEOUT_MS, round);
	for (size_t i = 0; i < health->count; i++)
		if ((round->ask & (1U << i)) != 0)
			health_asked(health, round, i, now_ms);
}

/* A question that every node of `dead` is silent to, and every other one that is asked answers. */
static uint32_t question(struct health *health, uint32_t dead, int64_t asked_ms, int64_t heard_ms)
{
	struct health_round round;
	begin(health, asked_ms, &round);
	const uint32_t asked = round.asked;
	for (size_t i = 0; i < health->count; i++)
		if ((asked & (1U << i)) != 0)
			health_heard(health, &round, i,
				     (dead & (1U << i)) != 0 ? IOTPKI_OUTCOME_UNREACHABLE
							     : IOTPKI_OUTCOME_PENDING,
				     heard_ms);
	assert_int_equal(round.open, 0);
	health_end(health, &round);
	return asked;
}

static void who_is_asked(void **state)
{
	(void)state;
	static const struct {
		const char *name, *nodes;
		unsigned int needed;
		uint32_t dead, asked;
	} rows[] = {
		{ "all well", "abc", 2, 0, A | B | C },
		{ "one of three", "abc", 2, C, A | B },
		{ "two of three: too few are left", "abc", 2, B | C, A | B | C },
		{ "all are needed", "abc", 3, C, A | B | C },
		{ "one suffices", "abc", 1, B | C, A },
		{ "all of them", "abc", 1, A | B | C, A | B | C },
		{ "only one", "a", 1, A, A },
		{ "two that are one", "aab", 2, B | C, A | B | C },
		{ "two that are one, the third rests", "aab", 2, C, A | B | C },
		{ "one of two that are one", "aab", 2, A, B | C },
		{ "twin of a twin", "abab", 2, A | B, C | D },
		{ "more than there are", "ab", 5, B, A | B },
		{ "nonsense", "ab", 0, B, A },
		{ "none", "", 1, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct health health;
		make(&health, rows[i].nodes, rows[i].needed);
		(void)question(&health, rows[i].dead, 0, TIMEOUT_MS);
		const uint32_t asked = question(&health, rows[i].dead, TIMEOUT_MS, 2 * TIMEOUT_MS);
		if (asked != rows[i].asked)
			fail_msg("%s: %x", rows[i].name, asked);
	}
}

static void pauses_grow(void **state)
{
	(void)state;
	static const int64_t pauses_ms[] = { 1000, 2000, 2000, 2000 };
	struct health health;
	make(&health, "abc", 2);
	int64_t ms = 5000;
	assert_int_equal(question(&health, C, ms - TIMEOUT_MS, ms), A | B | C);
	for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
		assert_int_equal(question(&health, C, ms, ms), A | B);
		assert_int_equal(question(&health, C, ms + pauses_ms[i] - 1, ms), A | B);
		ms += pauses_ms[i];
		assert_int_equal(question(&health, C, ms, ms + TIMEOUT_MS), A | B | C);
		ms += TIMEOUT_MS;
	}
	/* One answer, and it is as before; the next failure starts with the first pause. */
	ms += HEALTH_PAUSE_MAX_MS;
	assert_int_equal(question(&health, 0, ms, ms + 20), A | B | C);
	assert_int_equal(question(&health, C, ms + 20, ms + 1520), A | B | C);
	assert_int_equal(question(&health, C, ms + 2519, ms + 2519), A | B);
	assert_int_equal(question(&health, C, ms + 2520, ms + 4020), A | B | C);
}

static void one_probe_at_a_time(void **state)
{
	(void)state;
	struct health health;
	struct health_round first, second;
	make(&health, "abc", 2);
	(void)question(&health, C, 0, TIMEOUT_MS);
	begin(&health, 10000, &first);
	assert_int_equal(first.asked, A | B | C);
	begin(&health, 10001, &second);
	assert_int_equal(second.asked, A | B);
	/* It is cancelled: the next question may try. */
	health_end(&health, &first);
	begin(&health, 10002, &second);
	assert_int_equal(second.asked, A | B | C);
	/* A lack of memory here, or a wrong pin, tells nothing: still resting, still to be tried. */
	health_heard(&health, &second, 2, IOTPKI_OUTCOME_MALFORMED, 10003);
	begin(&health, 10004, &first);
	assert_int_equal(first.asked, A | B | C);
	assert_int_equal(first.resting, C);
	health_heard(&health, &first, 2, IOTPKI_OUTCOME_PENDING, 10005);
	begin(&health, 10006, &second);
	assert_int_equal(second.resting, 0);
}

/* Two hundred logins that waited for one outage are one failure. */
static void side_by_side(void **state)
{
	(void)state;
	enum { LOGINS = 200 };
	static struct health_round rounds[LOGINS];
	struct health health;
	make(&health, "abc", 2);
	for (size_t i = 0; i < LOGINS; i++)
		begin(&health, (int64_t)i, &rounds[i]);
	for (size_t i = 0; i < LOGINS; i++)
		health_heard(&health, &rounds[i], 2, IOTPKI_OUTCOME_UNREACHABLE,
			     (int64_t)i + TIMEOUT_MS);
	assert_int_equal(health.nodes[2].failures, 1);
	assert_int_equal(health.nodes[2].rests_until_ms, TIMEOUT_MS + HEALTH_PAUSE_FIRST_MS);
	/* What was asked before an answer came says nothing against who gave it. */
	struct health_round slow, quick;
	begin(&health, 9000, &slow);
	begin(&health, 9001, &quick);
	health_heard(&health, &quick, 1, IOTPKI_OUTCOME_PENDING, 9100);
	health_heard(&health, &slow, 1, IOTPKI_OUTCOME_UNREACHABLE, 10500);
	assert_int_equal(health.nodes[1].failures, 0);
}

/* ---- what is clear ---- */

/* R, S registered with one record or another; O as R, its tip too old; B as R, but the node rolled back; E, V, U expired, revoked, unregistered; N not
 * ready; M malformed; X unreachable; . pending */
static struct iotpki_answer answer_of(char letter)
{
	static const struct {
		char letter;
		enum iotpki_outcome outcome;
	} rows[] = {
		{ 'R', IOTPKI_OUTCOME_REGISTERED },   { 'S', IOTPKI_OUTCOME_REGISTERED },
		{ 'O', IOTPKI_OUTCOME_REGISTERED },   { 'B', IOTPKI_OUTCOME_REGISTERED },
		{ 'E', IOTPKI_OUTCOME_EXPIRED },      { 'V', IOTPKI_OUTCOME_REVOKED },
		{ 'U', IOTPKI_OUTCOME_UNREGISTERED }, { 'N', IOTPKI_OUTCOME_NOT_READY },
		{ 'M', IOTPKI_OUTCOME_MALFORMED },    { 'X', IOTPKI_OUTCOME_UNREACHABLE },
		{ '.', IOTPKI_OUTCOME_PENDING },      { 'A', IOTPKI_OUTCOME_UNAUTHORIZED },
	};
	struct iotpki_answer answer = {
		.tip_s = now_s, .max_tip_age_s = 3600, .ends_s = now_s + 1000, .asked_s = now_s
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].letter == letter)
			answer.outcome = rows[i].outcome;
	answer.record.sha256[0] = letter == 'S' ? 2 : 1;
	answer.rolled_back = letter == 'B';
	if (letter == 'O')
		answer.tip_s = now_s - 3601;
	return answer;
}

static void what_is_clear(void **state)
{
	(void)state;
	static const struct {
		const char *name, *nodes;
		unsigned int needed;
		uint32_t resting;
		const char *answers, *after;
		bool clear;
	} rows[] = {
		{ "nobody rests", "abc", 2, 0, "R..", "R..", true },
		{ "two agree", "abc", 2, C, "RR.", "RRX", true },
		{ "two say unregistered", "abc", 2, C, "UU.", "UUX", true },
		{ "two say expired", "abc", 2, C, "EE.", "EEX", true },
		{ "one says revoked", "abc", 2, C, "V..", "V.X", true },
		{ "the probe has answered", "abc", 2, C, "UUR", "UUR", true },
		{ "the probe has failed", "abc", 2, C, "R.X", "R.X", true },
		{ "one is not enough", "abc", 2, C, "U..", "U..", false },
		{ "they differ", "abc", 2, C, "RU.", "RU.", false },
		{ "other records", "abc", 2, C, "RS.", "RS.", false },
		{ "one is stale", "abc", 2, C, "RO.", "RO.", false },
		{ "one rolled back", "abc", 2, C, "RB.", "RB.", false },
		{ "one is not ready", "abc", 2, C, "RN.", "RN.", false },
		{ "one is malformed", "abc", 2, C, "MU.", "MU.", false },
		{ "none is good", "abc", 2, B | C, "A..", "A..", false },
		{ "silence all round", "abc", 1, B | C, "X..", "X..", false },
		{ "one suffices", "abc", 1, B | C, "U..", "UXX", true },
		{ "all are needed", "abc", 3, C, "RR.", "RR.", false },
		{ "two that are one agree", "aab", 2, C, "UU.", "UU.", false },
		{ "two that are one and another", "aabc", 2, D, "U.U.", "U.UX", true },
		{ "who does not rest is waited for", "abcd", 2, D, "UU..", "UU.X", true },
		{ "more than there are", "ab", 5, B, "R.", "R.", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct health health;
		struct iotpki_answer answers[IOTPKI_NODES_MAX] = { 0 };
		const struct health_round round = { .resting = rows[i].resting };
		make(&health, rows[i].nodes, rows[i].needed);
		for (size_t j = 0; j < health.count; j++)
			answers[j] = answer_of(rows[i].answers[j]);
		const bool clear = health_lift(&health, &round, answers, now_s);
		for (size_t j = 0; j < health.count; j++)
			if (answers[j].outcome != answer_of(rows[i].after[j]).outcome)
				fail_msg("%s: node %zu is %s", rows[i].name, j,
					 iotpki_outcome_name(answers[j].outcome));
		if (clear != rows[i].clear)
			fail_msg("%s: clear is %d", rows[i].name, clear);
	}
}

/* ---- against the decision ---- */

static const char letters[] = "RSOBEVUNMX."; /* of who answered, or has yet to */
static const char ends[] = "RSOBEVUNMX";     /* of who rests, had it been asked */

struct world {
	size_t count;
	unsigned int needed;
	uint32_t resting;
	enum iotpki_dissent dissent;
	bool twins; /* the first two are one node */
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
};

/* Its key is R's; soft-fail would take it at any silence. */
static void decide(const struct world *world, bool deadline, struct iotpki_decision *decision_out)
{
	struct iotpki_decide_input input = {
		.member = true,
		.permitted = true,
		.member_ends_s = INT64_MAX,
		.cert_ends_s = INT64_MAX,
		.presented = IOTPKI_PRESENTED_NAME,
		.entry_sha256 = { 1 },
		.pins = { { .set = true } },
		.answers = world->answers,
		.answer_count = world->count,
		.needed = world->needed,
		.deadline = deadline,
		.dissent = world->dissent,
		.key_change = IOTPKI_KEY_PIN,
		.soft_fail = true,
		.soft_fail_max_age_s = 1000,
		.last_online = { .seen = true,
				 .verdict = IOTPKI_ADMIT,
				 .age_known = true,
				 .ends_s = INT64_MAX },
		.clock_s = now_s,
	};
	iotpki_decide(&input, decision_out);
}

static void put_answer(struct world *world, size_t node, char letter)
{
	world->answers[node] = answer_of(letter);
	world->answers[node].twin = world->twins && node == 1 ? 1 : 0;
}

/* Whether any end of the resting nodes would have admitted. */
static bool could_admit(struct world *world, size_t node)
{
	struct iotpki_decision decision;
	while (node < world->count && (world->resting & (1U << node)) == 0)
		node++;
	if (node == world->count) {
		decide(world, true, &decision);
		return decision.verdict == IOTPKI_ADMIT && !decision.soft;
	}
	bool admits = false;
	for (size_t i = 0; !admits && ends[i] != '\0'; i++) {
		put_answer(world, node, ends[i]);
		admits = could_admit(world, node + 1);
	}
	return admits;
}

static unsigned int lifted; /* worlds in which a resting node was given up */

static void check_world(const struct world *world)
{
	struct health health;
	struct world with = *world, without = *world;
	const struct health_round round = { .resting = world->resting };
	struct iotpki_decision decision;
	char nodes[] = "abcd";
	nodes[1] = world->twins ? 'a' : 'b';
	nodes[world->count] = '\0';
	make(&health, nodes, world->needed);
	health.outvote = world->dissent == IOTPKI_DISSENT_OUTVOTE;
	if (!health_lift(&health, &round, with.answers, now_s))
		return;
	lifted++;
	decide(&with, true, &decision);
	if (decision.soft)
		fail_msg("memory fed soft-fail: %zu nodes, n %u", world->count, world->needed);
	if (decision.verdict != IOTPKI_ADMIT && could_admit(&without, 0))
		fail_msg("memory refused: %zu nodes, n %u, resting %x, dissent %d", world->count,
			 world->needed, world->resting, (int)world->dissent);
}

static void try_answers(struct world *world, size_t node)
{
	if (node == world->count) {
		check_world(world);
		return;
	}
	const bool rests = (world->resting & (1U << node)) != 0;
	for (size_t i = 0; letters[i] != '\0'; i++) {
		put_answer(world, node, rests ? '.' : letters[i]);
		try_answers(world, node + 1);
		if (rests)
			return;
	}
}

static void try_policies(struct world *world)
{
	for (world->needed = 1; world->needed <= world->count; world->needed++) {
		world->dissent = IOTPKI_DISSENT_DENY;
		try_answers(world, 0);
		world->dissent = IOTPKI_DISSENT_OUTVOTE;
		try_answers(world, 0);
	}
}

/* All sets of answers of one to four nodes: what is given up could never have admitted. */
static void memory_refuses_nobody(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 4; count++)
		for (uint32_t resting = 1; resting < (1U << count); resting++) {
			struct world world = { .count = count, .resting = resting };
			try_policies(&world);
			world.twins = true;
			try_policies(&world);
		}
	assert_in_range(lifted, 1000, UINT32_MAX);
}

/* The same tip is stale or not by the clock that is asked with. */
static void freshness_follows_the_clock(void **state)
{
	(void)state;
	struct health health;
	struct iotpki_answer answers[] = { answer_of('R'), answer_of('.') };
	const struct health_round round = { .resting = B };
	make(&health, "ab", 1);
	assert_false(health_lift(&health, &round, answers, now_s + 3601));
	/* A device without a clock takes the time of the nodes, not 1970's. */
	assert_true(health_lift(&health, &round, answers, 0));
}

static void waking(void **state)
{
	(void)state;
	struct health health;
	struct health_round round;
	make(&health, "abc", 2);
	assert_int_equal(health_patience_ms(TIMEOUT_MS), PATIENCE_MS);
	assert_int_equal(health_patience_ms(60000), 400);
	(void)question(&health, C, 0, TIMEOUT_MS);

	/* Nobody rests, or all are asked: nothing will wake anybody. */
	struct health well;
	make(&well, "abc", 2);
	begin(&well, 0, &round);
	assert_true(health_wakes_in(&round, 0) == INT64_MAX);

	/* The others are waited for, for so long. */
	begin(&health, 2000, &round);
	assert_int_equal(health_wakes_in(&round, 2000), PATIENCE_MS);
	health_wake(&health, &round, false, 2000 + PATIENCE_MS - 1);
	assert_int_equal(round.ask, 0);
	assert_int_equal(health_wakes_in(&round, 2000 + PATIENCE_MS), 0);
	health_wake(&health, &round, false, 2000 + PATIENCE_MS);
	assert_int_equal(round.ask, C);
	/* Once: also if asking it failed for want of memory. */
	round.ask = 0;
	assert_true(health_wakes_in(&round, 9000) == INT64_MAX);
	health_wake(&health, &round, false, 9000);
	assert_int_equal(round.ask, 0);

	/* At once if the others have answered and it is not clear; never if it is. */
	begin(&health, 2001, &round);
	health_heard(&health, &round, 0, IOTPKI_OUTCOME_PENDING, 2010);
	health_wake(&health, &round, false, 2010);
	assert_int_equal(round.ask, 0);
	health_heard(&health, &round, 1, IOTPKI_OUTCOME_UNREACHABLE, 2011);
	struct health_round clear = round;
	health_wake(&health, &round, false, 2011);
	assert_int_equal(round.ask, C);
	health_wake(&health, &clear, true, 2011);
	assert_int_equal(clear.ask, 0);
	assert_true(health_wakes_in(&clear, 9000) == INT64_MAX);
}

/* A machine that stood still over the whole time: silence that nobody heard is not forgiven. */
static void never_asked_is_no_silence(void **state)
{
	(void)state;
	struct health health;
	struct health_round round;
	struct iotpki_answer answers[] = { answer_of('R'), answer_of('.'), answer_of('.') };
	make(&health, "abc", 2);
	(void)question(&health, C, 0, TIMEOUT_MS);
	begin(&health, 2000, &round);
	health_close(&health, &round, answers);
	assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(answers[1].outcome, IOTPKI_OUTCOME_PENDING);
	assert_int_equal(answers[2].outcome, IOTPKI_OUTCOME_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_asked),
		cmocka_unit_test(pauses_grow),
		cmocka_unit_test(one_probe_at_a_time),
		cmocka_unit_test(side_by_side),
		cmocka_unit_test(what_is_clear),
		cmocka_unit_test(memory_refuses_nobody),
		cmocka_unit_test(freshness_follows_the_clock),
		cmocka_unit_test(waking),
		cmocka_unit_test(never_asked_is_no_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
