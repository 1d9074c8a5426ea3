/* Scripts of B-nodes, a mapped clock, questions and the log. */
#include "e2e/agent/statekit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

static const char *const names[STATEKIT_NODES] = { "home", "barn", "office" };

/* ---- life ---- */

static void open_clock(struct statekit *kit)
{
	(void)snprintf(kit->clock_path, sizeof(kit->clock_path), "%s/clock", kit->kit.folder);
	const int fd = open(kit->clock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*kit->clock)), 0);
	kit->clock = mmap(NULL, sizeof(*kit->clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(kit->clock != MAP_FAILED);
	(void)close(fd);
	kit->clock->wall_s = STATEKIT_NOW;
}

void statekit_open(struct statekit *kit, const char *program, const char *preload,
		   unsigned int needed)
{
	static const struct statekit_words not_ready = { .status = NULL };
	char rest[256];
	*kit = (struct statekit){ .preload = preload };
	agentkit_init(&kit->kit, program);
	open_clock(kit);
	for (size_t i = 0; i < STATEKIT_NODES; i++) {
		for (size_t j = 0; j < 2; j++) {
			kit->bodies[i][j] = calloc(1, STATEKIT_BODY_MAX);
			assert_non_null(kit->bodies[i][j]);
			kit->scripts[i][j].body = kit->bodies[i][j];
		}
		kit->nodes[i] = fake_node_start(&kit->scripts[i][0]);
		assert_non_null(kit->nodes[i]);
		fake_node_config(kit->nodes[i], names[i], &kit->configs[i]);
		statekit_say(kit, i, &not_ready);
	}
	(void)snprintf(rest, sizeof(rest),
		       "query: {answers: %u, node_timeout_ms: 4000, deadline_ms: 4000}\n", needed);
	agentkit_config(&kit->kit, kit->configs, STATEKIT_NODES, rest);
}

void statekit_close(struct statekit *kit)
{
	if (kit->kit.pid > 0)
		statekit_stop(kit);
	(void)munmap(kit->clock, sizeof(*kit->clock));
	(void)unlink(kit->clock_path);
	agentkit_remove(&kit->kit);
	for (size_t i = 0; i < STATEKIT_NODES; i++) {
		fake_node_stop(kit->nodes[i]);
		free(kit->bodies[i][0]);
		free(kit->bodies[i][1]);
	}
}

void statekit_put_member(const struct memberkit *person, const char *registration, const char *year,
			 struct buf *out)
{
	CLEANUP(buf_done) struct buf entry = BUF_INIT(65536);
	char extra[128];
	(void)snprintf(extra, sizeof(extra), "    registrations: {farm: %s}\n",
		       registration != NULL ? registration : person->sha256);
	memberkit_put_entry(person, "operator", extra, &entry);
	assert_int_equal(buf_putc(&entry, '\0'), IOTPKI_OK);
	char *text = (char *)entry.data;
	char *end = strstr(text, "expires: 2027");
	assert_non_null(end);
	if (year != NULL)
		memcpy(end + strlen("expires: "), year, 4);
	(void)buf_puts(out, text);
}

static void set_environment(const struct statekit *kit)
{
	assert_int_equal(setenv("FAKE_CLOCK", kit->clock_path, 1), 0);
	assert_int_equal(setenv("LD_PRELOAD", kit->preload, 1), 0);
}

void statekit_start(struct statekit *kit)
{
	set_environment(kit);
	agentkit_start(&kit->kit);
	assert_int_equal(unsetenv("LD_PRELOAD"), 0);
}

void statekit_stop(struct statekit *kit)
{
	assert_int_equal(agentkit_stop(&kit->kit), 0);
}

void statekit_kill(struct statekit *kit)
{
	assert_int_equal(kill(kit->kit.pid, SIGKILL), 0);
	assert_int_equal(waitpid(kit->kit.pid, NULL, 0), kit->kit.pid);
	kit->kit.pid = -1;
}

void statekit_wait(struct statekit *kit, int64_t seconds)
{
	kit->clock->wall_s += seconds;
}

/* ---- nodes ---- */

static const char warming_up[] =
	"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"error\":{\"code\":-28,\"message\":\"Loading\"}}";

void statekit_say(struct statekit *kit, size_t node, const struct statekit_words *words)
{
	const unsigned int turn = ++kit->turn[node] % 2;
	char *body = kit->bodies[node][turn];
	if (words->status == NULL) {
		memcpy(body, warming_up, sizeof(warming_up));
	} else {
		const bool revoked = strcmp(words->status, "revoked") == 0;
		const int len = snprintf(
			body, STATEKIT_BODY_MAX,
			"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\","
			"\"value\":\"sha256=%s%s\",\"txid\":\"%s\",\"expires_in\":86400,"
			"\"expires_at\":4102444800,\"status\":\"%s\",\"registration\":\"%s\","
			"\"sequence\":1,\"unit\":\"s\",\"tip\":{\"height\":%" PRIu64
			",\"time\":%" PRId64 ",\"hash\":\"%s\"}%s%s}}",
			words->sha256, revoked ? "|status=revoked" : "", words->registration,
			words->status, words->registration, words->height, words->time_s, FAKE_HASH,
			words->proof != NULL ? ",\"proof\":" : "",
			words->proof != NULL ? words->proof : "");
		assert_true(len > 0 && len < STATEKIT_BODY_MAX);
	}
	fake_node_change(kit->nodes[node], &kit->scripts[node][turn]);
}

void statekit_all_registered(struct statekit *kit, const struct memberkit *person,
			     const char *registration, uint64_t height)
{
	const struct statekit_words words = {
		.status = "registered",
		.sha256 = person->sha256,
		.registration = registration != NULL ? registration : person->sha256,
		.height = height,
		.time_s = kit->clock->wall_s,
	};
	for (size_t i = 0; i < STATEKIT_NODES; i++)
		statekit_say(kit, i, &words);
}

/* ---- questions ---- */

void statekit_expect(struct statekit *kit, const struct memberkit *person, const char *word,
		     const char *reason)
{
	char request[FRAME_MAX], first[64], line[64];
	(void)snprintf(first, sizeof(first), "iotpki/1 %s\n", word);
	(void)snprintf(line, sizeof(line), "\nreason=%s\n", reason);
	agentkit_ask(&kit->kit, "iotpki/1 purge\n", kit->answer);
	assert_string_equal(kit->answer, "iotpki/1 OK\n");
	agentkit_key_request("pi", person->key, request, sizeof(request));
	agentkit_ask(&kit->kit, request, kit->answer);
	if (strncmp(kit->answer, first, strlen(first)) != 0 ||
	    (reason[0] != '\0' && strstr(kit->answer, line) == NULL))
		fail_msg("wanted %s %s, got:\n%s", word, reason, kit->answer);
}

void statekit_status(struct statekit *kit, const char *key, char *out, size_t size)
{
	char line[64];
	(void)snprintf(line, sizeof(line), "\n%s=", key);
	agentkit_ask(&kit->kit, "iotpki/1 status\n", kit->answer);
	const char *at = strstr(kit->answer, line);
	if (at == NULL) {
		fail_msg("no %s in:\n%s", key, kit->answer);
		return;
	}
	at += strlen(line);
	(void)snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

void statekit_expect_status(struct statekit *kit, const char *key, const char *want)
{
	char got[256] = "";
	statekit_status(kit, key, got, sizeof(got));
	if (strcmp(got, want) != 0)
		fail_msg("%s is %s, not %s", key, got, want);
}

/* ---- log ---- */

bool statekit_logged(const struct statekit *kit, const char *one, const char *other)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen(kit->kit.log, "re");
	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, one) != NULL && strstr(line, other) != NULL;
	(void)fclose(file);
	return found;
}

void statekit_await_log(const struct statekit *kit, const char *one, const char *other)
{
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (!statekit_logged(kit, one, other)) {
		if (agentkit_now_us() > ends_us)
			fail_msg("never in the log: %s ... %s", one, other);
		(void)poll(NULL, 0, 5);
	}
}

void statekit_forget_log(const struct statekit *kit)
{
	assert_int_equal(truncate(kit->kit.log, 0), 0);
}

/* ---- commands ---- */

int statekit_run(const struct statekit *kit, const char *const *arguments, char *out, size_t size)
{
	int pipes[2], status = -1;
	size_t len = 0;
	ssize_t got = 1;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(pipes[1], STDOUT_FILENO);
		(void)dup2(pipes[1], STDERR_FILENO);
		set_environment(kit);
		(void)execv(arguments[0], (char **)(uintptr_t)arguments);
		_exit(127);
	}
	(void)close(pipes[1]);
	while (len < size - 1 && (got = read(pipes[0], out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	(void)close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
