/* What the agent learns for good from sets of answers, and what it must not learn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keep.h"
#include "agent/refresh.h"
#include "e2e/agent/agentkit.h"

enum { NODES = 3 };
#define NOW INT64_C(1800000000)
#define YEARS (INT64_C(10) * 365 * 86400)

struct stage {
	struct agentkit kit;
	struct clock_fake clock;
	struct lists *lists;
	struct keep *keep;
};

static struct memberkit person;

static int setup(void **state)
{
	static struct stage stage;
	static const struct config_node nodes[NODES] = {
		{ .name = "home", .url = "http://127.0.0.1:9/" },
		{ .name = "barn", .url = "http://127.0.0.1:10/" },
		{ .name = "office", .url = "http://127.0.0.1:11/" },
	};
	struct iotpki_detail detail = { 0 };
	memset(&stage, 0, sizeof(stage));
	agentkit_init(&stage.kit, "");
	agentkit_config(&stage.kit, nodes, NODES, "");
	CLEANUP(buf_done) struct buf entries = BUF_INIT(65536);
	agentkit_put_entry(&person, &entries);
	agentkit_members(&stage.kit, buf_text(&entries));
	clock_fake_init(&stage.clock, NOW);
	*state = &stage;
	const struct lists_options lists = { stage.kit.config,
					     stage.kit.folder,
					     { geteuid(), true, 0022 } };
	if (lists_new(&lists, &stage.lists) != IOTPKI_OK ||
	    lists_start(stage.lists, &detail) != IOTPKI_OK)
		fail_msg("%s", detail.message);
	const struct keep_options keep = { stage.lists, &stage.clock.clock, stage.kit.folder };
	assert_int_equal(keep_new(&keep, &stage.keep), IOTPKI_OK);
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;
	static const char *const left[] = { "state/data.mdb", "members.accepted/members.yaml" };
	char path[160];
	keep_free(stage->keep);
	lists_free(stage->lists);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", stage->kit.folder, left[i]);
		(void)unlink(path);
		*strrchr(path, '/') = '\0';
		(void)rmdir(path);
	}
	agentkit_remove(&stage->kit);
	return 0;
}

/*
 * A clock that is years ahead for a while: its own time must not come back as what n nodes confirm,
 * and so lock everybody out when it is right again (design 6, "nothing of it is stored").
 */
static void clock_ahead(void **state)
{
	struct stage *stage = *state;
	enum { NONE, TIP, OWN }; /* silent; its own tip; unregistered, by its nonce alone */
	static const struct {
		const char *name;
		int answers[NODES];
		int64_t want_s; /* 0: as before */
	} rows[] = {
		{ "nobody has the name", { OWN, OWN, OWN }, 0 },
		{ "two do not have it", { OWN, OWN, NONE }, 0 },
		{ "one has a tip", { OWN, TIP, OWN }, 0 },
		{ "two have tips", { OWN, TIP, TIP }, NOW - 7200 },
	};
	stage->clock.now_s = NOW + YEARS;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct iotpki_answer answers[NODES] = { 0 };
		const int64_t before_s = state_time_floor(keep_state(stage->keep));
		for (size_t j = 0; j < NODES; j++) {
			answers[j].asked_s = NOW + YEARS;
			answers[j].max_tip_age_s = 3600;
			if (rows[i].answers[j] == NONE)
				continue;
			const bool tip = rows[i].answers[j] == TIP;
			answers[j].outcome = IOTPKI_OUTCOME_UNREGISTERED;
			answers[j].tip_s = tip ? NOW : answers[j].asked_s;
			answers[j].tip_height = tip ? 1000 : 0;
		}
		const struct questions_view view = { person.name, answers, NODES, true, false };
		keep_learn(stage->keep, &view);
		const int64_t got_s = state_time_floor(keep_state(stage->keep));
		if (got_s != (rows[i].want_s == 0 ? before_s : rows[i].want_s))
			fail_msg("%s: the floor is at %lld", rows[i].name, (long long)got_s);
	}
}

/*
 * One that calls a revoked name revoked, too, but under another registration each time, must not fill
 * the store, after which no revocation would be kept any more.
 */
static void made_up_registrations(void **state)
{
	struct stage *stage = *state;
	for (uint8_t round = 1; round <= 5; round++) {
		struct iotpki_answer answers[NODES] = { 0 };
		for (size_t j = 0; j < NODES; j++) {
			answers[j] = (struct iotpki_answer){ .outcome = IOTPKI_OUTCOME_REVOKED,
							     .tip_s = NOW,
							     .tip_height = 1000,
							     .max_tip_age_s = 3600,
							     .asked_s = NOW };
			memcpy(answers[j].registration, person.cert.sha256, IOTPKI_SHA256_LEN);
		}
		memset(answers[2].registration, round, IOTPKI_SHA256_LEN);
		const struct questions_view view = { person.name, answers, NODES, true, false };
		keep_learn(stage->keep, &view);
		assert_int_equal(state_tombstones(keep_state(stage->keep)), 1);
	}
	assert_true(state_is_tombstoned(keep_state(stage->keep), "farm", person.name,
					person.cert.sha256));
}

/* ---- which keys records carry ---- */

struct asked {
	nvs_many_fn *answer;
	void *context;
};

static enum iotpki_err ask(void *nvs, const char *const *names, size_t count, int64_t timeout_ms,
			   nvs_many_fn *answer, void *context, struct nvs_question **question_out)
{
	(void)timeout_ms;
	assert_int_equal(count, 1);
	assert_string_equal(names[0], person.name);
	*(struct asked *)nvs = (struct asked){ answer, context };
	*question_out = nvs;
	return IOTPKI_OK;
}

static void cancel(void *nvs, struct nvs_question *question)
{
	(void)nvs;
	(void)question;
}

static bool not_negative(void *context, const struct questions_view *view, bool waited)
{
	(void)context;
	(void)view;
	(void)waited;
	return false;
}

/*
 * Which key is looked up by a record is what n nodes say, so that neither one liar nor one node
 * that lags, alone at the hour of the refresh, locks out whose key stands in the record only.
 */
static void keys_of_records(void **state)
{
	struct stage *stage = *state;
	enum { NONE, PLAIN, HERS, LIE }; /* silent; without a key; with hers; with another */
	static const struct {
		const char *name;
		int answers[NODES];
		bool want;
	} rows[] = {
		{ "nothing is known yet, one answers", { NONE, NONE, HERS }, true },
		{ "nobody answers", { NONE, NONE, NONE }, true },
		{ "one that lags answers alone", { PLAIN, NONE, NONE }, true },
		{ "a liar answers alone", { LIE, NONE, NONE }, true },
		{ "a liar is the first", { LIE, HERS, HERS }, true },
		{ "a liar and one other", { LIE, HERS, NONE }, true },
		{ "one that lags is the first", { PLAIN, HERS, HERS }, true },
		{ "n say that it is gone", { HERS, PLAIN, PLAIN }, false },
		{ "it is back", { HERS, HERS, PLAIN }, true },
		{ "n say another", { LIE, HERS, LIE }, false },
	};
	static const uint8_t key[IOTPKI_SHA256_LEN] = { 1 }, lie[IOTPKI_SHA256_LEN] = { 2 };
	struct asked asked = { 0 };
	struct known known = { 0 };
	CLEANUP(questions_freep) struct questions *questions = NULL;
	CLEANUP(refresh_freep) struct refresh *refresh = NULL;
	const struct questions_options heard = { .clock = &stage->clock.clock,
						 .node_count = NODES,
						 .judge = not_negative };
	assert_int_equal(questions_new(&heard, &questions), IOTPKI_OK);
	const struct refresh_options options = { { stage->lists, &stage->clock.clock,
						   keep_state(stage->keep) },
						 random_system(),
						 { ask, cancel, &asked },
						 questions,
						 &known };
	assert_int_equal(refresh_new(&options, &refresh), IOTPKI_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct iotpki_answer answers[NODES] = { 0 };
		assert_int_equal(refresh_start(refresh), 1);
		(void)refresh_work(refresh);
		for (size_t j = 0; j < NODES; j++) {
			struct iotpki_answer *answer = &answers[j];
			const int said = rows[i].answers[j];
			*answer = (struct iotpki_answer){ .outcome = IOTPKI_OUTCOME_UNREACHABLE,
							  .ends_s = NOW + 86400,
							  .tip_s = NOW,
							  .tip_height = 1000,
							  .max_tip_age_s = 3600,
							  .asked_s = NOW };
			memcpy(answer->record.sha256, person.cert.sha256, IOTPKI_SHA256_LEN);
			memcpy(answer->registration, person.cert.sha256, IOTPKI_SHA256_LEN);
			answer->record.has_ssh = said > PLAIN;
			memcpy(answer->record.ssh, said == LIE ? lie : key, IOTPKI_SHA256_LEN);
			if (said != NONE)
				answer->outcome = IOTPKI_OUTCOME_REGISTERED;
			asked.answer(asked.context, 0, answers, NODES, j + 1 == NODES);
		}
		(void)refresh_work(refresh);
		assert_false(refresh_progress(refresh).running);
		if ((known_next(&known, key, NULL) != NULL) != rows[i].want)
			fail_msg("%s: her key is %s", rows[i].name,
				 rows[i].want ? "forgotten" : "known");
	}
	known_clear(&known);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(clock_ahead),
		ROW(made_up_registrations),
		ROW(keys_of_records),
	};
	agentkit_person(&person, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
