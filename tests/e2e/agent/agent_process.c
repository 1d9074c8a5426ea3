/*
 * The agent as a process: files edited under it, signals, restarts, starts that
 * must fail with the right exit code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "e2e/agent/agentkit.h"

enum { PATIENCE_MS = 20000 };

static const char *program;
static char answer[FRAME_MAX + 1];
static struct memberkit alice, bob;
static const struct config_node node = { .name = "home", .url = "http://127.0.0.1:9/" };

static void write_members(const struct agentkit *kit, const struct memberkit *one,
			  const struct memberkit *two)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	agentkit_put_entry(one, &entries);
	if (two != NULL)
		agentkit_put_entry(two, &entries);
	agentkit_members(kit, buf_text(&entries));
}

static void break_members(const struct agentkit *kit)
{
	struct iotpki_detail detail = { 0 };
	assert_int_equal(fs_write(kit->members, "members: [", 10, 0640, false, &detail), IOTPKI_OK);
}

static bool status_has(const struct agentkit *kit, const char *line)
{
	agentkit_ask(kit, "iotpki/1 status\n", answer);
	return strstr(answer, line) != NULL;
}

/* Until the status says so; the agent needs a moment to see an edit. */
static void wait_for(const struct agentkit *kit, const char *line)
{
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (!status_has(kit, line)) {
		if (agentkit_now_us() > ends_us)
			fail_msg("never %s:\n%s", line, answer);
		(void)poll(NULL, 0, 10);
	}
}

static void edits_and_signals(void **state)
{
	(void)state;
	struct agentkit kit;
	agentkit_init(&kit, program);
	agentkit_config(&kit, &node, 1, "");
	write_members(&kit, &alice, NULL);
	agentkit_start(&kit);
	assert_true(status_has(&kit, "\nmembers=1\n") && status_has(&kit, "\nlist-valid=yes\n"));
	/* By inotify, */
	write_members(&kit, &alice, &bob);
	wait_for(&kit, "\nmembers=2\n");
	break_members(&kit);
	wait_for(&kit, "\nlist-valid=no\n");
	assert_true(status_has(&kit, "\nmembers=2\n"));
	agentkit_ask(&kit, "iotpki/1 reload\n", answer);
	assert_non_null(strstr(answer, "iotpki/1 ERROR\nerror="));
	assert_non_null(strstr(answer, kit.members));
	/* over a restart, after a kill too, */
	assert_int_equal(agentkit_stop(&kit), 0);
	agentkit_start(&kit);
	assert_true(status_has(&kit, "\nmembers=2\n") && status_has(&kit, "\nlist-valid=no\n"));
	assert_int_equal(kill(kit.pid, SIGKILL), 0);
	assert_int_equal(waitpid(kit.pid, NULL, 0), kit.pid);
	agentkit_start(&kit);
	assert_true(status_has(&kit, "\nmembers=2\n"));
	/* and by SIGHUP. */
	write_members(&kit, &bob, NULL);
	assert_int_equal(kill(kit.pid, SIGHUP), 0);
	wait_for(&kit, "\nmembers=1\n");
	/* Another configuration: other B-nodes, the same agent. */
	const struct config_node two[] = { node, { .name = "barn", .url = "http://127.0.0.1:8/" } };
	agentkit_config(&kit, two, 2, "");
	wait_for(&kit, "\nbnodes=2\n");
	assert_int_equal(agentkit_stop(&kit), 0);
	agentkit_remove(&kit);
}

/* Who waits when SIGTERM comes is answered first. */
static void stop_answers_who_waits(void **state)
{
	(void)state;
	struct agentkit kit;
	char request[4096];
	int status = 0;
	agentkit_init(&kit, program);
	agentkit_config(&kit, &node, 1, "query: {node_timeout_ms: 500, deadline_ms: 500}\n");
	write_members(&kit, &alice, NULL);
	agentkit_start(&kit);
	agentkit_key_request("pi", alice.key, request, sizeof(request));
	const int fd = agentkit_send(&kit, request);
	while (!status_has(&kit, "\nunavailable=1\n") && !status_has(&kit, "\nwaiting=1\n"))
		continue;
	assert_int_equal(kill(kit.pid, SIGTERM), 0);
	agentkit_receive(fd, answer);
	assert_non_null(strstr(answer, "iotpki/1 UNAVAILABLE\nreason=too-few-answers\n"));
	assert_int_equal(waitpid(kit.pid, &status, 0), kit.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	agentkit_remove(&kit);
}

/* Exit code of a start that must fail. */
static int run(const char *const *arguments)
{
	int status = 0;
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(126);
		(void)execv(program, (char **)(uintptr_t)arguments);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void starts_that_fail(void **state)
{
	(void)state;
	struct agentkit kit;
	char other[160], missing[160];
	agentkit_init(&kit, program);
	agentkit_config(&kit, &node, 1, "");
	write_members(&kit, &alice, NULL);
	agentkit_start(&kit);
	(void)snprintf(other, sizeof(other), "%s/other.sock", kit.folder);
	(void)snprintf(missing, sizeof(missing), "%s/missing.yaml", kit.folder);
	const char *const user = geteuid() == 0 ? "root" : "_iotpki";
#define START "iotpki-agent", "--state-dir", kit.state, "--log", "stderr", "--user", user
	const struct {
		const char *name;
		const char *arguments[16];
		int want;
	} rows[] = {
		{ "unknown option", { "iotpki-agent", "--frobnicate" }, 2 },
		{ "word too many", { "iotpki-agent", "more" }, 2 },
		{ "bad log", { "iotpki-agent", "--log", "pigeon", "--user", user }, 2 },
		{ "bad ready descriptor", { "iotpki-agent", "--ready-fd", "900" }, 2 },
		{ "no such user", { "iotpki-agent", "--log", "stderr", "--user", "no such" }, 3 },
		{ "no configuration", { START, "--config", missing, "--socket", other }, 3 },
		{ "somebody listens",
		  { START, "--config", kit.config, "--socket", kit.socket },
		  5 },
		{ "relative socket", { START, "--config", kit.config, "--socket", "a.sock" }, 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const int code = run(rows[i].arguments);
		if (code != rows[i].want)
			fail_msg("%s: exit code %d", rows[i].name, code);
	}
	assert_true(status_has(&kit, "\nmembers=1\n"));
	assert_int_equal(agentkit_stop(&kit), 0);
	(void)unlink(other);
	agentkit_remove(&kit);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_and_signals),
		cmocka_unit_test(stop_answers_who_waits),
		cmocka_unit_test(starts_that_fail),
	};
	if (argc != 2)
		return 2;
	program = argv[1];
	agentkit_person(&alice, NULL);
	agentkit_person(&bob, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
