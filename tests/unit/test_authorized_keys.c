/*
 * iotpki-authorized-keys as sshd runs it: a process with hostile arguments and an agent that
 * answers, lies, fails or is dead. usage: test_authorized_keys HELPER; root, because the helper
 * trusts an agent of root alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "fake_agent.h"

#define TYPE "ssh-ed25519"
#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIGd4Zk8XBfMFLRGVUKzR0fAgUBv8N7T8fQeqIpzKYQ0Y"
#define ADMIT "iotpki/1 ADMIT\nkey=" TYPE " " BLOB "\noptions=restrict,pty\nname=iot:x\n"
#define LINE "restrict,pty " TYPE " " BLOB "\n"

enum { ARGS_MAX = 128, OUTPUT_MAX = 8192 };

static const char *helper;
static struct fake_agent agent;

struct outcome {
	int status; /* of waitpid() */
	size_t len;
	char text[OUTPUT_MAX];
};

enum stdout_kind { STDOUT_PIPE, STDOUT_CLOSED, STDOUT_BROKEN_PIPE };

static pid_t spawn(char **argv, enum stdout_kind kind, int write_end)
{
	static char hostile[] = "IOTPKI_SOCKET=/tmp/evil.sock";
	static char path[] = "PATH=/usr/bin:/bin";
	char *environment[] = { path, hostile, NULL };
	posix_spawn_file_actions_t actions;
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	if (kind != STDOUT_CLOSED)
		(void)posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO);
	for (int fd = 0; kind == STDOUT_CLOSED && fd <= 2; fd++)
		(void)posix_spawn_file_actions_addclose(&actions, fd);
	pid_t pid = -1;
	assert_int_equal(posix_spawn(&pid, helper, &actions, NULL, argv, environment), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void run(char **argv, enum stdout_kind kind, struct outcome *outcome)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if (kind == STDOUT_BROKEN_PIPE) {
		(void)close(ends[0]);
		ends[0] = -1;
	}
	const pid_t pid = spawn(argv, kind, ends[1]);
	(void)close(ends[1]);
	outcome->len = 0;
	for (ssize_t got = 1; ends[0] >= 0 && got > 0;) {
		got = read(ends[0], outcome->text + outcome->len, OUTPUT_MAX - outcome->len);
		outcome->len += got > 0 ? (size_t)got : 0;
	}
	if (ends[0] >= 0)
		(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &outcome->status, 0), pid);
}

static void ask(const char *user, const char *type, const char *base64, enum stdout_kind kind,
		struct outcome *outcome)
{
	const char *words[] = {
		"iotpki-authorized-keys", "--socket", agent.socket, user, type, base64
	};
	char *argv[ARRAY_LEN(words) + 1] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		argv[i] = strdup(words[i]);
	run(argv, kind, outcome);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		free(argv[i]);
}

static void answers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum fake_agent_mode mode;
		const char *text;
		const char *want;
	} rows[] = {
		{ "admitted", FAKE_AGENT_ANSWER, ADMIT, LINE },
		{ "another key", FAKE_AGENT_ANSWER,
		  "iotpki/1 ADMIT\nkey=" TYPE " AAAA\noptions=restrict\n", "" },
		{ "a second line in the options", FAKE_AGENT_ANSWER,
		  "iotpki/1 ADMIT\nkey=" TYPE " " BLOB "\noptions=restrict ssh-rsa AAAA\n", "" },
		{ "no key", FAKE_AGENT_ANSWER, "iotpki/1 ADMIT\noptions=restrict\n", "" },
		{ "no options", FAKE_AGENT_ANSWER, "iotpki/1 ADMIT\nkey=" TYPE " " BLOB "\n", "" },
		{ "denied, with a key", FAKE_AGENT_ANSWER,
		  "iotpki/1 DENY\nkey=" TYPE " " BLOB "\noptions=restrict\n", "" },
		{ "unavailable, with a key", FAKE_AGENT_ANSWER,
		  "iotpki/1 UNAVAILABLE\nkey=" TYPE " " BLOB "\noptions=restrict\n", "" },
		{ "OK is not ADMIT", FAKE_AGENT_ANSWER,
		  "iotpki/1 OK\nkey=" TYPE " " BLOB "\noptions=restrict\n", "" },
		{ "refused", FAKE_AGENT_ANSWER, "iotpki/1 ERROR\nerror=who are you\n", "" },
		{ "half a frame", FAKE_AGENT_ANSWER,
		  "iotpki/1 ADMIT\nkey=" TYPE " " BLOB "\noptions=restrict", "" },
		{ "garbage", FAKE_AGENT_ANSWER, "\xff\xfe", "" },
		{ "hangs up", FAKE_AGENT_HANG_UP, "", "" },
		{ "refuses the connection", FAKE_AGENT_REFUSE, "", "" },
	};
	static struct outcome outcome;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_agent_set(&agent, rows[i].mode, rows[i].text, strlen(rows[i].text));
		ask("pi", TYPE, BLOB, STDOUT_PIPE, &outcome);
		if (outcome.status != 0 || outcome.len != strlen(rows[i].want) ||
		    memcmp(outcome.text, rows[i].want, outcome.len) != 0)
			fail_msg("%s: status %d '%.*s'", rows[i].name, outcome.status,
				 (int)outcome.len, outcome.text);
	}
}

static void the_question_names_the_service(void **state)
{
	(void)state;
	static struct outcome outcome;
	fake_agent_say(&agent, ADMIT);
	ask("pi", TYPE, BLOB, STDOUT_PIPE, &outcome);
	assert_string_equal(fake_agent_last_request(&agent),
			    "iotpki/1 authorize-key\nuser=pi\nservice=sshd\ntype=" TYPE
			    "\nkey=" BLOB "\n");
}

static void hostile_arguments_ask_nothing(void **state)
{
	(void)state;
	static char huge[65536 + 1];
	memset(huge, 'A', sizeof(huge) - 1);
	static const struct {
		const char *name, *user, *type, *base64;
	} rows[] = {
		{ "all empty", "", "", "" },
		{ "swapped", "pi", BLOB, TYPE },
		{ "64 KiB key", "pi", TYPE, huge },
		{ "64 KiB user", huge, TYPE, BLOB },
		{ "64 KiB type", "pi", huge, BLOB },
		{ "certificate", "pi", "ssh-ed25519-cert-v01@openssh.com", BLOB },
		{ "injected line in the user", "pi\nservice=sudo", TYPE, BLOB },
		{ "injected line in the key", "pi", TYPE, BLOB "\nuser=root" },
		{ "options before the key", "pi", "no-pty ssh-ed25519", BLOB },
	};
	static struct outcome outcome;
	fake_agent_say(&agent, ADMIT);
	fake_agent_forget(&agent);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ask(rows[i].user, rows[i].type, rows[i].base64, STDOUT_PIPE, &outcome);
		if (outcome.status != 0 || outcome.len != 0 ||
		    fake_agent_request_count(&agent) != 0)
			fail_msg("%s: status %d, %zu bytes", rows[i].name, outcome.status,
				 outcome.len);
	}
}

static void wrong_argument_counts(void **state)
{
	(void)state;
	static const int counts[] = { 0, 1, 2, 3, 5, 7, 99 };
	static struct outcome outcome;
	static char word[] = "x";
	fake_agent_forget(&agent);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		char *argv[ARGS_MAX] = { 0 };
		for (int at = 0; at < counts[i]; at++)
			argv[at] = word;
		run(argv, STDOUT_PIPE, &outcome);
		if (outcome.status != 0 || outcome.len != 0)
			fail_msg("%d arguments: status %d", counts[i], outcome.status);
	}
	assert_int_equal(fake_agent_request_count(&agent), 0);
}

/* Nothing could be printed: sshd must see a failure, never a signal or a success. */
static void a_line_that_cannot_be_written(void **state)
{
	(void)state;
	static struct outcome outcome;
	fake_agent_say(&agent, ADMIT);
	ask("pi", TYPE, BLOB, STDOUT_CLOSED, &outcome);
	assert_true(WIFEXITED(outcome.status));
	assert_int_equal(WEXITSTATUS(outcome.status), 1);
	ask("pi", TYPE, BLOB, STDOUT_BROKEN_PIPE, &outcome);
	assert_true(WIFEXITED(outcome.status));
	assert_int_equal(WEXITSTATUS(outcome.status), 1);
	/* A miss writes nothing, so there it is a clean no. */
	fake_agent_say(&agent, "iotpki/1 DENY\nreason=not-member\n");
	ask("pi", TYPE, BLOB, STDOUT_CLOSED, &outcome);
	assert_int_equal(outcome.status, 0);
}

static void a_dead_agent_is_a_clean_no(void **state)
{
	(void)state;
	static struct outcome outcome;
	fake_agent_stop(&agent);
	ask("pi", TYPE, BLOB, STDOUT_PIPE, &outcome);
	assert_int_equal(outcome.status, 0);
	assert_int_equal(outcome.len, 0);
	fake_agent_start(&agent);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (geteuid() != 0)
		return 77; /* skipped */
	helper = argv[1];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(the_question_names_the_service),
		cmocka_unit_test(hostile_arguments_ask_nothing),
		cmocka_unit_test(wrong_argument_counts),
		cmocka_unit_test(a_line_that_cannot_be_written),
		cmocka_unit_test(a_dead_agent_is_a_clean_no),
	};
	fake_agent_start(&agent);
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_agent_stop(&agent);
	return failed;
}
