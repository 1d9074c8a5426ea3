/*
 * getaddrinfo() asleep for 30 s under the real agent, the real helper and the real
 * CLI: each login gets its verdict within the client's own five seconds, the threads
 * are few, and nobody's end waits for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "e2e/agent/agentkit.h"
#include "nvs/resolve.h"

enum { LOGINS = 10, AT_ONCE = 200, BURSTS = 4, MORE_KIB = 1024, DEADLINE_MS = 4000, NODES = 3 };

static const char *program, *helper, *iotpki, *preload;
static char answer[FRAME_MAX + 1];
static char request[FRAME_MAX];
static struct memberkit people[LOGINS];

struct scene {
	struct agentkit kit;
	char mark[96];
};

static void open_scene(struct scene *scene)
{
	struct config_node nodes[NODES];
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	agentkit_init(&scene->kit, program);
	(void)snprintf(scene->mark, sizeof(scene->mark), "%s/woken", scene->kit.folder);
	for (unsigned int i = 0; i < NODES; i++) {
		nodes[i] = (struct config_node){ .pin_count = 1 };
		nodes[i].pins[0][0] = (uint8_t)(i + 1);
		(void)snprintf(nodes[i].name, sizeof(nodes[i].name), "node%u", i);
		(void)snprintf(nodes[i].url, sizeof(nodes[i].url), "https://node%u.asleep.test/",
			       i);
	}
	/* As it is where nothing is set: node_timeout_ms 1500, deadline_ms 4000. */
	agentkit_config(&scene->kit, nodes, NODES, "");
	for (size_t i = 0; i < LOGINS; i++)
		agentkit_put_entry(&people[i], &entries);
	agentkit_members(&scene->kit, buf_text(&entries));
	assert_int_equal(setenv("ASLEEP_MARK", scene->mark, 1), 0);
	assert_int_equal(setenv("LD_PRELOAD", preload, 1), 0);
	agentkit_start(&scene->kit);
	assert_int_equal(unsetenv("LD_PRELOAD"), 0);
}

static bool anybody_woke(const struct scene *scene)
{
	struct stat status;
	return stat(scene->mark, &status) == 0;
}

static long thread_count(const struct scene *scene)
{
	return agentkit_status_kib(&scene->kit, "Threads");
}

/* Runs to its end; its exit code and the first bytes of what it printed. */
static int run(char *const *arguments, char *const *environment, char *out, size_t size)
{
	int ends[2], status = 0;
	pid_t pid = 0;
	size_t len = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	posix_spawn_file_actions_t actions;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	assert_int_equal(posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environment),
			 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	for (ssize_t got; (got = read(ends[0], out + len, size - 1 - len)) > 0;)
		len += (size_t)got;
	out[len] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect_unavailable(void)
{
	static const char want[] = "iotpki/1 UNAVAILABLE\nreason=too-few-answers\n";
	if (strncmp(answer, want, sizeof(want) - 1) != 0)
		fail_msg("wanted UNAVAILABLE too-few-answers, got:\n%s", answer);
}

static size_t verdicts_in_log(const struct scene *scene)
{
	static char log[1 << 20];
	size_t count = 0;
	const int fd = open(scene->kit.log, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	const ssize_t len = read(fd, log, sizeof(log) - 1);
	(void)close(fd);
	log[len > 0 ? len : 0] = '\0';
	for (const char *at = log; (at = strstr(at, "verdict=UNAVAILABLE")) != NULL; at++)
		count++;
	return count;
}

static int64_t log_in(const struct scene *scene, const struct memberkit *person)
{
	static char *const environment[] = { NULL };
	char type[32] = "", out[256];
	const char *space = strchr(person->key, ' ');
	(void)snprintf(type, sizeof(type), "%.*s", (int)(space - person->key), person->key);
	char *const arguments[] = { (char *)(uintptr_t)helper,
				    (char[]){ "--socket" },
				    (char *)(uintptr_t)scene->kit.socket,
				    (char[]){ "pi" },
				    type,
				    (char *)(uintptr_t)(space + 1),
				    NULL };
	const int64_t start_us = agentkit_now_us();
	assert_int_equal(run(arguments, environment, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	return (agentkit_now_us() - start_us) / 1000;
}

/* Whoever gave up at the end of its own time would have no verdict in the agent's log in time. */
static void ten_logins_in_a_row(void **state)
{
	(void)state;
	static struct scene scene;
	int64_t worst_ms = 0;
	open_scene(&scene);
	for (size_t i = 0; i < LOGINS; i++) {
		/* The helper trusts an agent of root alone. */
		const int64_t start_us = agentkit_now_us();
		if (geteuid() == 0) {
			(void)log_in(&scene, &people[i]);
		} else {
			agentkit_key_request("pi", people[i].key, request, sizeof(request));
			agentkit_ask(&scene.kit, request, answer);
			expect_unavailable();
		}
		const int64_t ms = (agentkit_now_us() - start_us) / 1000;
		worst_ms = ms > worst_ms ? ms : worst_ms;
		assert_int_equal(verdicts_in_log(&scene), i + 1);
	}
	assert_in_range(thread_count(&scene), 2, 1 + NODES * RESOLVE_THREADS_MAX);
	printf("figure: getaddrinfo asleep: %d logins in a row, the worst after %lld ms (deadline "
	       "%d)\n",
	       LOGINS, (long long)worst_ms, DEADLINE_MS);
	assert_int_equal(agentkit_stop(&scene.kit), 0);
	agentkit_remove(&scene.kit);
}

static void log_in_together(const struct scene *scene)
{
	int fds[AT_ONCE];
	for (size_t i = 0; i < AT_ONCE; i++) {
		agentkit_key_request("pi", people[i % LOGINS].key, request, sizeof(request));
		fds[i] = agentkit_send(&scene->kit, request);
	}
	for (size_t i = 0; i < AT_ONCE; i++) {
		agentkit_receive(fds[i], answer);
		expect_unavailable();
	}
}

static void many_at_once(void **state)
{
	(void)state;
	static struct scene scene;
	open_scene(&scene);
	log_in_together(&scene);
	const long before_kib = agentkit_status_kib(&scene.kit, "RssAnon");
	for (size_t i = 0; i < BURSTS; i++)
		log_in_together(&scene);
	const long more_kib = agentkit_status_kib(&scene.kit, "RssAnon") - before_kib;
	printf("figure: getaddrinfo asleep: %d logins more, %ld KiB of memory more, %ld threads\n",
	       BURSTS * AT_ONCE, more_kib, thread_count(&scene));
	assert_true(more_kib <= MORE_KIB);
	assert_in_range(thread_count(&scene), 2, 1 + NODES * RESOLVE_THREADS_MAX);
	/* They sleep, and the agent goes: nobody woke in the meantime. */
	assert_int_equal(agentkit_stop(&scene.kit), 0);
	assert_false(anybody_woke(&scene));
	agentkit_remove(&scene.kit);
}

static void the_cli_ends_too(void **state)
{
	(void)state;
	static struct scene scene;
	char variable[4096], mark[128], out[4096];
	open_scene(&scene);
	(void)snprintf(variable, sizeof(variable), "LD_PRELOAD=%s", preload);
	(void)snprintf(mark, sizeof(mark), "ASLEEP_MARK=%s", scene.mark);
	char *const environment[] = { variable, mark, NULL };
	char *const verify[] = {
		(char *)(uintptr_t)iotpki, (char[]){ "--config" }, scene.kit.config,
		(char[]){ "verify" },      people[0].name,         NULL
	};
	char *const test[] = { (char *)(uintptr_t)iotpki, (char[]){ "--config" }, scene.kit.config,
			       (char[]){ "bnode" },       (char[]){ "test" },     NULL };
	assert_int_equal(run(verify, environment, out, sizeof(out)),
			 iotpki_decision_exit_code(IOTPKI_UNAVAILABLE, IOTPKI_TOO_FEW_ANSWERS));
	assert_non_null(strstr(out, "UNAVAILABLE"));
	assert_int_not_equal(run(test, environment, out, sizeof(out)), 0);
	assert_false(anybody_woke(&scene));
	assert_int_equal(agentkit_stop(&scene.kit), 0);
	agentkit_remove(&scene.kit);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_logins_in_a_row),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(the_cli_ends_too),
	};
	if (argc != 5)
		return 2;
	program = argv[1];
	helper = argv[2];
	iotpki = argv[3];
	preload = argv[4];
	for (size_t i = 0; i < LOGINS; i++)
		agentkit_person(&people[i], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
