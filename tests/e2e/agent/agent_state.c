/*
 * The real agent and what it keeps of time and heights (TM-05, TM-06): a B-node that goes back is named and
 * counts as stale, also after a restart; a device that starts in 1970 goes by the floor; one node moves
 * nothing, and n nodes that jump move a step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "e2e/agent/statekit.h"
#include "state/state.h"

#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
#define YEARS (10 * 365 * DAY)

static const char *program, *command, *preload;
static struct memberkit alice, bob;
static struct statekit kit;

static const struct statekit_words not_ready;

/* alice's entry ends in 2027, bob's in 2099. */
static void open_scene(unsigned int needed)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(65536);
	statekit_open(&kit, program, preload, needed);
	statekit_put_member(&alice, NULL, NULL, &entries);
	statekit_put_member(&bob, NULL, "2099", &entries);
	agentkit_members(&kit.kit, buf_text(&entries));
	statekit_start(&kit);
}

static int teardown(void **state)
{
	(void)state;
	statekit_close(&kit);
	return 0;
}

static struct statekit_words words_of(const struct memberkit *person, uint64_t height,
				      int64_t time_s)
{
	return (struct statekit_words){ .status = "registered",
					.sha256 = person->sha256,
					.registration = person->sha256,
					.height = height,
					.time_s = time_s };
}

/* Only these two answer: the decision waits for both. */
static void two_say(const struct statekit_words *home, const struct statekit_words *barn)
{
	statekit_say(&kit, HOME, home);
	statekit_say(&kit, BARN, barn);
	statekit_say(&kit, OFFICE, &not_ready);
}

static void expect_floor(int64_t want_s, const char *when)
{
	char got[32];
	statekit_status(&kit, "time-floor", got, sizeof(got));
	if (strtoll(got, NULL, 10) != want_s)
		fail_msg("%s: the floor is %s, not %" PRId64, when, got, want_s);
}

/* Home and barn at this height, asked often enough that both floors are there. */
static void climb(uint64_t height)
{
	for (int i = 0; i < 3; i++) {
		const struct statekit_words both = words_of(&alice, height, kit.clock->wall_s);
		two_say(&both, &both);
		statekit_expect(&kit, &alice, "ADMIT", "");
		statekit_wait(&kit, 10);
	}
}

/* ---- heights ---- */

static void expect_rolled_back(void)
{
	const struct statekit_words back = words_of(&alice, 50, kit.clock->wall_s);
	const struct statekit_words ahead = words_of(&alice, 100, kit.clock->wall_s);
	two_say(&back, &ahead);
	statekit_expect(&kit, &alice, "UNAVAILABLE", "not-ready");
	statekit_await_log(&kit, "event=rolled-back node=home", "height=50 floor=100");
	statekit_await_log(&kit, "verdict=UNAVAILABLE", " home=stale(");
	assert_true(statekit_logged(&kit, " home=stale(", " barn=registered("));
	assert_false(statekit_logged(&kit, "event=rolled-back node=barn", ""));
}

static void a_node_goes_back(void **state)
{
	(void)state;
	open_scene(2);
	climb(100);
	statekit_expect_status(&kit, "heights", "home=100 barn=100 office=0");
	assert_false(statekit_logged(&kit, "event=rolled-back", ""));
	expect_rolled_back();

	/* Told once, however long it lasts; and all three there, the others admit. */
	statekit_forget_log(&kit);
	statekit_wait(&kit, 10);
	const struct statekit_words back = words_of(&alice, 50, kit.clock->wall_s);
	const struct statekit_words ahead = words_of(&alice, 100, kit.clock->wall_s);
	two_say(&back, &ahead);
	statekit_say(&kit, OFFICE, &ahead);
	statekit_expect(&kit, &alice, "ADMIT", "");
	assert_false(statekit_logged(&kit, "event=rolled-back", ""));

	/* A restart knows it still. */
	statekit_stop(&kit);
	statekit_start(&kit);
	statekit_wait(&kit, 10);
	statekit_forget_log(&kit);
	expect_rolled_back();

	/* Its revocation counts nevertheless: it does not age. */
	statekit_wait(&kit, 10);
	struct statekit_words revoked = words_of(&alice, 50, kit.clock->wall_s);
	revoked.status = "revoked";
	two_say(&revoked, &ahead);
	statekit_expect(&kit, &alice, "DENY", "revoked");

	statekit_wait(&kit, 10);
	const struct statekit_words over = words_of(&alice, 101, kit.clock->wall_s);
	two_say(&over, &over);
	statekit_expect(&kit, &alice, "ADMIT", "");
	statekit_await_log(&kit, "event=roll-back-over node=home", "height=101 floor=100");
}

/* One answer of an absurd height, and one node that lasts in it. */
static void an_absurd_height(void **state)
{
	(void)state;
	open_scene(2);
	climb(100);
	const struct statekit_words absurd = words_of(&alice, UINT64_C(1) << 40, kit.clock->wall_s);
	const struct statekit_words plain = words_of(&alice, 100, kit.clock->wall_s);
	two_say(&absurd, &plain);
	statekit_expect(&kit, &alice, "ADMIT", "");
	statekit_expect_status(&kit, "heights", "home=100 barn=100 office=0");
	climb(100);
	assert_false(statekit_logged(&kit, "event=rolled-back", ""));

	/* It says so again and again: a step of its own, nobody else's. */
	char want[64], got[64] = "home=100 barn=100 office=0";
	(void)snprintf(want, sizeof(want), "home=%d barn=100 office=0",
		       100 + STATE_HEIGHT_STEP_LEDGER);
	/* Twice is enough, where no login shared the question of the one before. */
	for (int i = 0; i < 10 && strncmp(got, "home=100 ", 9) == 0; i++) {
		struct statekit_words other = plain;
		struct statekit_words again = absurd;
		other.time_s = again.time_s = kit.clock->wall_s;
		two_say(&again, &other);
		statekit_expect(&kit, &alice, "ADMIT", "");
		statekit_wait(&kit, 10);
		statekit_status(&kit, "heights", got, sizeof(got));
	}
	statekit_expect_status(&kit, "heights", want);
}

/* ---- time ---- */

static void one_node_with_an_absurd_time(void **state)
{
	(void)state;
	static const unsigned int needed[] = { 2, 1 };
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		open_scene(needed[i]);
		expect_floor(CLOCK_BUILD_TIME_S, "at first");
		/* n = 1: the first answer is enough, and it is the absurd one. */
		const struct statekit_words absurd = words_of(&bob, 100, kit.clock->wall_s + YEARS);
		two_say(&absurd, &not_ready);
		statekit_expect(&kit, &bob, needed[i] == 1 ? "ADMIT" : "UNAVAILABLE", "");
		expect_floor(CLOCK_BUILD_TIME_S, "after one node");

		const struct statekit_words plain = words_of(&bob, 100, kit.clock->wall_s);
		two_say(&absurd, &plain);
		statekit_expect(&kit, &bob, "ADMIT", "");
		/* n = 1: whether both answers are in by now is a matter of luck. */
		char floor[32];
		statekit_status(&kit, "time-floor", floor, sizeof(floor));
		assert_true(strtoll(floor, NULL, 10) <= kit.clock->wall_s - 2 * HOUR);
		if (needed[i] == 2)
			expect_floor(kit.clock->wall_s - 2 * HOUR, "with an honest one");
		if (i + 1 < ARRAY_LEN(needed))
			statekit_close(&kit);
	}
}

static void a_jump_within_n_nodes(void **state)
{
	(void)state;
	open_scene(2);
	const int64_t start_s = kit.clock->wall_s;
	struct statekit_words jump = words_of(&bob, 100, start_s + YEARS);
	two_say(&jump, &jump);
	statekit_expect(&kit, &bob, "ADMIT", "");
	expect_floor(start_s + 7 * DAY, "after the first step");
	statekit_expect(&kit, &bob, "ADMIT", "");
	kit.clock->boot_ahead_s += STATE_TIME_EVERY_MS / 1000 - 2;
	statekit_expect(&kit, &bob, "ADMIT", "");
	expect_floor(start_s + 7 * DAY, "no second one so soon");
	kit.clock->boot_ahead_s += 2;
	statekit_expect(&kit, &bob, "ADMIT", "");
	expect_floor(start_s + 14 * DAY, "the next one in its time");
}

/* ---- a device without a clock ---- */

static void started_in_1970(void **state)
{
	(void)state;
	open_scene(2);
	/* Half a year on: alice's entry has ended, bob's has not. */
	statekit_wait(&kit, 180 * DAY);
	const int64_t known_s = kit.clock->wall_s - 2 * HOUR;
	statekit_all_registered(&kit, &bob, NULL, 100);
	statekit_expect(&kit, &alice, "DENY", "member-expired");
	statekit_expect(&kit, &bob, "ADMIT", "");
	expect_floor(known_s, "learnt");
	statekit_stop(&kit);

	kit.clock->wall_s = 0;
	statekit_start(&kit);
	expect_floor(known_s, "after the restart");
	const unsigned int asked = fake_node_requests(kit.nodes[HOME]);
	statekit_expect(&kit, &alice, "DENY", "member-expired");
	assert_int_equal(fake_node_requests(kit.nodes[HOME]), asked);
	statekit_expect(&kit, &bob, "ADMIT", "");

	/* What was recorded half a year ago, played again. */
	const struct statekit_words old = words_of(&bob, 100, STATEKIT_NOW);
	two_say(&old, &old);
	statekit_say(&kit, OFFICE, &old);
	statekit_expect(&kit, &bob, "UNAVAILABLE", "stale");
	statekit_stop(&kit);

	/* The counter-check: without the floor both pass, which is why it is kept. */
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/state/data.mdb", kit.kit.state);
	assert_int_equal(unlink(path), 0);
	statekit_start(&kit);
	statekit_await_log(&kit, "event=state", "condition=new");
	statekit_expect(&kit, &bob, "ADMIT", "");
	two_say(&not_ready, &not_ready);
	statekit_expect(&kit, &alice, "UNAVAILABLE", "not-ready");
}

/* ---- iotpki clock ---- */

static int clock_verb(const char *verb, const char *option, const char *socket, char *out)
{
	const char *arguments[] = { command,       "--socket",    socket, "clock", verb,
				    "--state-dir", kit.kit.state, option, NULL };
	return statekit_run(&kit, arguments, out, 4096);
}

static void learn_floor(int64_t *known_s_out)
{
	*known_s_out = kit.clock->wall_s - 2 * HOUR;
	statekit_all_registered(&kit, &bob, NULL, 100);
	statekit_expect(&kit, &bob, "ADMIT", "");
	expect_floor(*known_s_out, "learnt");
}

static void the_clock_verbs_ask_the_agent(void **state)
{
	(void)state;
	char out[4096];
	int64_t known_s = 0;
	open_scene(2);
	learn_floor(&known_s);
	assert_int_equal(clock_verb("show", NULL, kit.kit.socket, out), 0);
	assert_non_null(strstr(out, "floor        2027-05-30T22:00:00Z\n"));
	assert_non_null(strstr(out, "state        new\n"));
	/* The device loses its clock: the floor is ahead of it, and that is said. */
	kit.clock->wall_s = 0;
	assert_int_equal(clock_verb("show", NULL, kit.kit.socket, out), 9);
	assert_non_null(strstr(out, "clock        1970-01-01T00:00:00Z\n"));
	kit.clock->wall_s = STATEKIT_NOW;
	/* Not asked by anybody's mistake, and not past an agent that has it. */
	assert_int_equal(clock_verb("reset-floor", NULL, kit.kit.socket, out), 2);
	expect_floor(known_s, "not confirmed");
	assert_int_equal(clock_verb("show", NULL, "/nowhere", out), 5);
	assert_int_equal(clock_verb("reset-floor", "--yes", "/nowhere", out), 5);
	expect_floor(known_s, "the state is taken");

	assert_int_equal(clock_verb("reset-floor", "--yes", kit.kit.socket, out), 0);
	expect_floor(CLOCK_BUILD_TIME_S, "reset");
	statekit_expect_status(&kit, "heights", "home=0 barn=0 office=0");
	assert_true(statekit_logged(&kit, "event=floors-reset", ""));
	statekit_kill(&kit); /* it was on the disk before it was confirmed */
	statekit_start(&kit);
	expect_floor(CLOCK_BUILD_TIME_S, "reset for good");
}

static void the_clock_verbs_without_the_agent(void **state)
{
	(void)state;
	char out[4096];
	int64_t known_s = 0;
	open_scene(2);
	learn_floor(&known_s);
	statekit_stop(&kit);
	assert_int_equal(clock_verb("show", NULL, kit.kit.socket, out), 0);
	assert_non_null(strstr(out, "floor        2027-05-30T22:00:00Z\n"));
	assert_non_null(strstr(out, "state        good\n"));
	assert_int_equal(clock_verb("reset-floor", "--yes", kit.kit.socket, out), 0);
	assert_non_null(strstr(out, "the agent does not answer"));
	assert_int_equal(clock_verb("show", NULL, kit.kit.socket, out), 0);
	assert_null(strstr(out, "2027-05-30"));
	statekit_start(&kit);
	expect_floor(CLOCK_BUILD_TIME_S, "reset while it was stopped");
}

#define ROW(name) cmocka_unit_test_teardown(name, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(a_node_goes_back),
		ROW(an_absurd_height),
		ROW(one_node_with_an_absurd_time),
		ROW(a_jump_within_n_nodes),
		ROW(started_in_1970),
		ROW(the_clock_verbs_ask_the_agent),
		ROW(the_clock_verbs_without_the_agent),
	};
	if (argc != 4)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	program = argv[1];
	command = argv[2];
	preload = argv[3];
	agentkit_person(&alice, NULL);
	agentkit_person(&bob, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
