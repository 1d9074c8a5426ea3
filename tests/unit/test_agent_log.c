/* The line of a decision, key by key (design 13); sinks; what is dropped; the refresh; the watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/loop.h"
#include "agent/refresh.h"
#include "agent/log.h"
#include "agent/watch.h"
#include "base/random.h"
#include "e2e/agent/agentkit.h"

enum { NOW_S = 1800000000 };

static void format_rows(void **state)
{
	(void)state;
	static const struct config config = {
		.node_count = 3,
		.nodes = { { .name = "home" }, { .name = "barn" }, { .name = "office" } }
	};
	static const uint8_t fingerprint[IOTPKI_SHA256_LEN];
	const struct iotpki_answer answers[] = {
		{ .outcome = IOTPKI_OUTCOME_REVOKED,
		  .tip_s = NOW_S - 40,
		  .tip_height = 1234,
		  .ms = 12 },
		{ .outcome = IOTPKI_OUTCOME_UNREACHABLE, .ms = 1500 },
		{ .outcome = IOTPKI_OUTCOME_PENDING },
	};
	struct iotpki_decision decision = { .reason = IOTPKI_REVOKED,
					    .judged = { IOTPKI_OUTCOME_REVOKED,
							IOTPKI_OUTCOME_UNREACHABLE } };
	struct agent_log_decision entry = { .decision = &decision,
					    .name = "n1",
					    .label = "alice b",
					    .user = "pi\x1b[2J\n",
					    .service = "sshd",
					    .rhost = "192.0.2.1",
					    .fingerprint = fingerprint,
					    .needed = 2,
					    .config = &config,
					    .answers = answers,
					    .answer_count = 3,
					    .ms = 31,
					    .id = 0xabc };
	struct log_line line;
	agent_log_format(&entry, NOW_S, &line);
	assert_string_equal(line.text,
			    "verdict=DENY reason=revoked code=IPK-203 name=n1 label=\"alice b\" "
			    "user=pi\\x1b[2J\\x0a service=sshd "
			    "fp=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "
			    "rhost=192.0.2.1 answers=0/2 home=revoked(tip=1234,age=40s,12ms) "
			    "barn=unreachable(1500ms) office=pending reused=no ms=31 "
			    "id=0000000000000abc");
	decision = (struct iotpki_decision){ .verdict = IOTPKI_ADMIT, .agreeing = 2 };
	entry = (struct agent_log_decision){ .decision = &decision, .needed = 2, .reused = true };
	agent_log_format(&entry, NOW_S, &line);
	assert_string_equal(
		line.text,
		"verdict=ADMIT reason=none code=- name=\"\" label=\"\" user=\"\" service=\"\" "
		"fp=\"\" rhost=\"\" answers=2/2 reused=yes ms=0 id=0000000000000000");
}

/* However long the texts: one line, and its end is whole. */
static void long_texts_are_cut(void **state)
{
	(void)state;
	static char large[5000];
	memset(large, '\\', sizeof(large) - 1);
	const struct iotpki_decision decision = { .reason = IOTPKI_NOT_MEMBER };
	const struct agent_log_decision entry = {
		.decision = &decision, .user = large, .rhost = large, .service = large, .needed = 1
	};
	struct log_line line;
	agent_log_format(&entry, NOW_S, &line);
	assert_true(strlen(line.text) < sizeof(line.text));
	assert_null(strchr(line.text, '\n'));
	char code[16];
	agent_log_code(IOTPKI_NO_PROOF, code, sizeof(code));
	assert_string_equal(code, "IPK-401");
}

static size_t count_lines(const char *path, const char *with)
{
	char line[4096];
	size_t count = 0;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, with) != NULL)
			count++;
	(void)fclose(file);
	return count;
}

static void misses_are_counted(void **state)
{
	(void)state;
	char folder[] = "/tmp/iotpki-log-XXXXXX", path[64], moved[80], target[80];
	struct clock_fake clock;
	struct iotpki_detail detail = { 0 };
	assert_non_null(mkdtemp(folder));
	clock_fake_init(&clock, NOW_S);
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	(void)snprintf(moved, sizeof(moved), "%s.1", path);
	(void)snprintf(target, sizeof(target), "file:%s", path);
	CLEANUP(agent_log_closep) struct agent_log *log = NULL;
	assert_int_equal(agent_log_open(target, &clock.clock, &log, &detail), IOTPKI_OK);
	assert_true(agent_log_fd(log) > 2);
	log_set_sink(agent_log_sink(log));
	const struct iotpki_decision miss = { .reason = IOTPKI_NOT_MEMBER };
	const struct iotpki_decision denied = { .reason = IOTPKI_REVOKED };
	const struct agent_log_decision missed = { .decision = &miss },
					other = { .decision = &denied };
	assert_int_equal(agent_log_flush(log), -1);
	for (int i = 0; i < 25; i++)
		agent_log_decision(log, &missed);
	agent_log_decision(log, &other);
	assert_int_equal(count_lines(path, "reason=not-member"), 10);
	assert_int_equal(count_lines(path, "reason=revoked"), 1);
	assert_true(agent_log_flush(log) > 0);
	clock_fake_advance(&clock, 1000);
	assert_int_equal(agent_log_flush(log), -1);
	assert_int_equal(count_lines(path, "event=misses-dropped reason=not-member count=15"), 1);
	/* After a rotation. */
	assert_int_equal(rename(path, moved), 0);
	agent_log_decision(log, &other);
	assert_int_equal(count_lines(moved, "reason=revoked"), 2);
	agent_log_reopen(log);
	agent_log_decision(log, &other);
	assert_int_equal(count_lines(path, "reason=revoked"), 1);
	log_set_sink(NULL);
	(void)unlink(path);
	(void)unlink(moved);
	(void)rmdir(folder);
}

static void targets(void **state)
{
	(void)state;
	static const struct {
		const char *target;
		enum iotpki_err want;
	} rows[] = {
		{ "syslog", IOTPKI_OK },
		{ "journal", IOTPKI_OK },
		{ "stderr", IOTPKI_OK },
		{ "stderrx", IOTPKI_ERR_ARGUMENT },
		{ "", IOTPKI_ERR_ARGUMENT },
		{ "file:", IOTPKI_ERR_IO },
		{ "file:/nonexistent/log", IOTPKI_ERR_IO },
		{ "file:/dev/null", IOTPKI_ERR_IO }, /* a device is no log */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(agent_log_closep) struct agent_log *log = NULL;
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			agent_log_open(rows[i].target, clock_system(), &log, &detail);
		if (err != rows[i].want || (err == IOTPKI_OK) != (log != NULL))
			fail_msg("%s: %d", rows[i].target, err);
		if (log != NULL)
			assert_int_equal(agent_log_fd(log), -1);
	}
}

/* ---- refresh ---- */

enum { MEMBERS = 250, ALONE = 3 };

struct nvs_question {
	nvs_many_fn *answer;
	void *context;
	size_t count;
	char names[NVS_MANY_MAX][IOTPKI_NAME_MAX + 1];
};

struct stage {
	size_t asked, answered, open, most_open, heard;
	bool refuse; /* the client cannot send */
	struct nvs_question questions[16];
};

static enum iotpki_err ask(void *nvs, const char *const *names, size_t count, int64_t timeout_ms,
			   nvs_many_fn *answer, void *context, struct nvs_question **question_out)
{
	struct stage *stage = nvs;
	assert_in_range(count, 1, NVS_MANY_MAX);
	assert_true(timeout_ms > 0);
	if (stage->refuse)
		return IOTPKI_ERR_NOMEM;
	struct nvs_question *question = &stage->questions[stage->asked++];
	assert_in_range(stage->asked, 0, ARRAY_LEN(stage->questions) - 1);
	*question = (struct nvs_question){ .answer = answer, .context = context, .count = count };
	for (size_t i = 0; i < count; i++)
		memcpy(question->names[i], names[i], strlen(names[i]) + 1);
	stage->open++;
	if (stage->open > stage->most_open)
		stage->most_open = stage->open;
	*question_out = question;
	return IOTPKI_OK;
}

static void cancel(void *nvs, struct nvs_question *question)
{
	struct stage *stage = nvs;
	question->count = 0;
	stage->open--;
}

static enum iotpki_err ask_nobody(void *nvs, const char *name, nvs_answer_fn *answer, void *context,
				  struct nvs_question **question_out)
{
	(void)nvs;
	(void)name;
	(void)answer;
	(void)context;
	(void)question_out;
	fail_msg("a refresh asks by itself");
	return IOTPKI_ERR_INTERNAL;
}

static bool hear(void *context, const struct questions_view *view, bool waited)
{
	struct stage *stage = context;
	assert_int_equal(view->count, 1);
	assert_true(waited);
	stage->heard++;
	return false;
}

static void answer_all(struct stage *stage, const uint8_t *ssh)
{
	for (; stage->answered < stage->asked; stage->answered++) {
		const struct nvs_question *question = &stage->questions[stage->answered];
		const size_t count = question->count;
		struct iotpki_answer answer = { .outcome = IOTPKI_OUTCOME_REGISTERED };
		answer.record.has_ssh = true;
		memcpy(answer.record.ssh, ssh, sizeof(answer.record.ssh));
		if (count > 0)
			stage->open--;
		for (size_t i = 0; i < count; i++)
			question->answer(question->context, i, &answer, 1, true);
	}
}

/* A list of MEMBERS, of whom the first ALONE have expired: nobody needs to be asked about them. */
static void open_lists(struct agentkit *kit, struct lists **lists)
{
	static const struct config_node node = { .name = "home", .url = "http://127.0.0.1:9/" };
	struct iotpki_detail detail = { 0 };
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	agentkit_init(kit, "");
	agentkit_config(kit, &node, 1, "refresh: {every: 1h, jitter: 5m}\n");
	for (unsigned int i = 0; i < MEMBERS; i++)
		memberkit_put_numbered(i, &entries);
	char *at = (char *)(uintptr_t)buf_text(&entries);
	for (size_t i = 0; i < ALONE; i++) {
		at = strstr(at, "expires: ");
		assert_non_null(at);
		at += strlen("expires: ");
		memcpy(at, "2020", 4);
	}
	agentkit_members(kit, buf_text(&entries));
	const struct lists_options options = { kit->config,
					       "/nonexistent",
					       { geteuid(), true, 0022 } };
	assert_int_equal(lists_new(&options, lists), IOTPKI_OK);
	assert_int_equal(lists_start(*lists, &detail), IOTPKI_OK);
}

static void walk(struct refresh *refresh, struct clock_fake *clock, struct stage *stage,
		 const uint8_t *ssh)
{
	for (int i = 0; i < 100 && (i == 0 || refresh_progress(refresh).running); i++) {
		const int64_t wait_ms = refresh_work(refresh);
		assert_true(wait_ms >= 0);
		if (wait_ms > 0)
			answer_all(stage, ssh);
		clock_fake_advance(clock, 200);
	}
	assert_false(refresh_progress(refresh).running);
}

static void refresh_asks_once_for_all(void **state)
{
	(void)state;
	static struct stage stage;
	static const uint8_t ssh[IOTPKI_SHA256_LEN] = { 1, 2, 3 };
	struct agentkit kit;
	struct clock_fake clock;
	struct known known = { 0 };
	CLEANUP(lists_freep) struct lists *lists = NULL;
	CLEANUP(questions_freep) struct questions *questions = NULL;
	CLEANUP(refresh_freep) struct refresh *refresh = NULL;
	clock_fake_init(&clock, NOW_S);
	open_lists(&kit, &lists);
	const struct questions_options asking = { .nvs = { ask_nobody, cancel, &stage },
						  .clock = &clock.clock,
						  .node_count = 1,
						  .needed = 1,
						  .judge = hear,
						  .context = &stage };
	assert_int_equal(questions_new(&asking, &questions), IOTPKI_OK);
	const struct refresh_options refreshing = { { lists, &clock.clock, NULL },
						    random_system(),
						    { ask, cancel, &stage },
						    questions,
						    &known };
	assert_int_equal(refresh_new(&refreshing, &refresh), IOTPKI_OK);
	/* Not at once, but within half a minute and the jitter. */
	assert_in_range(refresh_work(refresh), 1, 330 * 1000);
	assert_false(refresh_progress(refresh).running);
	clock_fake_advance(&clock, 330 * 1000);
	walk(refresh, &clock, &stage, ssh);
	assert_int_equal(stage.asked, 3); /* 100, 100 and 47 */
	assert_in_range(stage.most_open, 1, 2);
	assert_int_equal(stage.heard, MEMBERS - ALONE);
	assert_int_equal(known.count, MEMBERS - ALONE);
	assert_non_null(known_next(&known, ssh, NULL));
	const struct refresh_progress done = refresh_progress(refresh);
	assert_int_equal(done.run, 1);
	assert_int_equal(done.members, MEMBERS);
	assert_int_equal(done.verdicts[IOTPKI_ADMIT] + done.verdicts[IOTPKI_DENY] +
				 done.verdicts[IOTPKI_UNAVAILABLE],
			 MEMBERS);
	/* The next one by the clock, or by the verb: without pauses, and once more from the first. */
	assert_in_range(refresh_work(refresh), 3600 * 1000 - 30 * 1000, 3900 * 1000);
	assert_int_equal(refresh_start(refresh), MEMBERS);
	assert_int_equal(refresh_work(refresh), 0);
	assert_int_equal(stage.open, 1);
	/* Another client: the old one's question is cancelled, and the walk begins again. */
	const struct refresh_nvs same = refreshing.nvs;
	refresh_configure(refresh, &same);
	assert_int_equal(stage.open, 0);
	assert_int_equal(refresh_progress(refresh).run, 3);
	/* What could not be sent comes again; nothing of it was counted. */
	stage.refuse = true;
	assert_in_range(refresh_work(refresh), 1, 1000);
	assert_int_equal(refresh_progress(refresh).verdicts[IOTPKI_DENY], 0);
	stage.refuse = false;
	walk(refresh, &clock, &stage, ssh);
	assert_int_equal(stage.heard, 2 * (MEMBERS - ALONE));
	known_clear(&known);
	refresh_free(refresh);
	refresh = NULL;
	agentkit_remove(&kit);
}

/* ---- watch ---- */

static void watch_tells_of_edits(void **state)
{
	(void)state;
	char folder[] = "/tmp/iotpki-watch-XXXXXX", path[64], inner[96];
	struct clock_fake clock;
	struct iotpki_detail detail = { 0 };
	assert_non_null(mkdtemp(folder));
	clock_fake_init(&clock, NOW_S);
	(void)snprintf(path, sizeof(path), "%s/members.d", folder);
	(void)snprintf(inner, sizeof(inner), "%s/a.yaml", path);
	CLEANUP(loop_freep) struct loop *loop = NULL;
	CLEANUP(watch_freep) struct watch *watch = NULL;
	assert_int_equal(loop_new(&loop), IOTPKI_OK);
	assert_int_equal(watch_new(loop, &clock.clock, folder, &watch), IOTPKI_OK);
	loop_dispatch(loop);
	assert_int_equal(watch_due(watch), -1);
	/* members.d comes later, and is watched from then on. */
	assert_int_equal(fs_mkdir(path, 0755, &detail), IOTPKI_OK);
	loop_dispatch(loop);
	assert_int_equal(watch_due(watch), 200);
	clock_fake_advance(&clock, 150);
	assert_int_equal(fs_write(inner, "x", 1, 0644, false, &detail), IOTPKI_OK);
	loop_dispatch(loop);
	assert_int_equal(watch_due(watch), 200); /* several steps are one change */
	clock_fake_advance(&clock, 200);
	assert_int_equal(watch_due(watch), 0);
	watch_reset(watch);
	assert_int_equal(watch_due(watch), -1);
	(void)unlink(inner);
	loop_dispatch(loop);
	assert_int_equal(watch_due(watch), 200);
	watch_free(watch);
	watch = NULL;
	(void)rmdir(path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_rows),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(misses_are_counted),
		cmocka_unit_test(targets),
		cmocka_unit_test(refresh_asks_once_for_all),
		cmocka_unit_test(watch_tells_of_edits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
