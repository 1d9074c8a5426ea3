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
	agentkit_members(&stage.kit, "");
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
		const struct questions_view view = { "alice", answers, NODES, true, false };
		keep_learn(stage->keep, &view);
		const int64_t got_s = state_time_floor(keep_state(stage->keep));
		if (got_s != (rows[i].want_s == 0 ? before_s : rows[i].want_s))
			fail_msg("%s: the floor is at %lld", rows[i].name, (long long)got_s);
	}
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(clock_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
