/*
 * The real agent and one B-node of three that lies, as the first to answer (TM-03).
 * n = 1: it admits, and the honest answers end that and name it; n = 2: nobody is
 * admitted, and the lines of the log tell who disagreed. The whole table of lies is
 * tests/lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "e2e/agent/agentkit.h"
#include "fake/fake_node.h"

enum { NODES = 3, LIAR = 0, PATIENCE_MS = 20000 };

static const char *program, *command;
static char answer[FRAME_MAX + 1];
static char request[FRAME_MAX];
static struct memberkit alice;

static const char form[] =
	"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\",\"value\":"
	"\"sha256=%s%s\",\"txid\":\"%s\",\"expires_in\":86400,\"expires_at\":4102444800,"
	"\"status\":\"%s\",\"registration\":\"%s\",\"sequence\":1,\"unit\":\"s\","
	"\"tip\":{\"height\":7,\"time\":@NOW@,\"hash\":\"%s\"}}}";

static char registered[1024], updated[1024], revoked[1024], reregistered[1024];

static void make_bodies(void)
{
	const char *hash = alice.sha256;
	(void)snprintf(registered, sizeof(registered), form, hash, "", hash, "registered", hash,
		       hash);
	(void)snprintf(updated, sizeof(updated), form, FAKE_HASH, "", hash, "registered", hash,
		       hash);
	(void)snprintf(revoked, sizeof(revoked), form, hash, "|status=revoked", hash, "revoked",
		       hash, hash);
	(void)snprintf(reregistered, sizeof(reregistered), form, hash, "", hash, "registered",
		       FAKE_REGISTRATION, hash);
}

struct scene {
	struct agentkit kit;
	struct fake_script lie, truth, slow_lie, quick_truth;
	struct fake_node *nodes[NODES];
	int gate[2]; /* who waits for it answers after who does not */
};

static void open_scene(struct scene *scene, const char *lie, const char *truth, unsigned int needed)
{
	static const char *const names[NODES] = { "home", "barn", "office" };
	struct config_node nodes[NODES];
	char rest[256];
	CLEANUP(buf_done) struct buf entries = BUF_INIT(65536);
	*scene = (struct scene){ .lie = { .body = lie }, .quick_truth = { .body = truth } };
	assert_int_equal(pipe2(scene->gate, O_CLOEXEC), 0);
	scene->truth = (struct fake_script){ .body = truth, .gate = scene->gate[0] };
	scene->slow_lie = (struct fake_script){ .body = lie, .gate = scene->gate[0] };
	for (size_t i = 0; i < NODES; i++) {
		scene->nodes[i] = fake_node_start(i == LIAR ? &scene->lie : &scene->truth);
		assert_non_null(scene->nodes[i]);
		fake_node_config(scene->nodes[i], names[i], &nodes[i]);
	}
	(void)snprintf(rest, sizeof(rest),
		       "query: {answers: %u, node_timeout_ms: 4000, deadline_ms: 4000}\n"
		       "policy: {positive_ttl: 60s}\n",
		       needed);
	agentkit_init(&scene->kit, program);
	agentkit_config(&scene->kit, nodes, NODES, rest);
	agentkit_put_entry(&alice, &entries);
	agentkit_members(&scene->kit, buf_text(&entries));
	agentkit_start(&scene->kit);
}

static void close_scene(struct scene *scene)
{
	assert_int_equal(agentkit_stop(&scene->kit), 0);
	agentkit_remove(&scene->kit);
	(void)close(scene->gate[1]);
	for (size_t i = 0; i < NODES; i++)
		fake_node_stop(scene->nodes[i]);
	(void)close(scene->gate[0]);
}

static void open_gate(const struct scene *scene, size_t answers)
{
	for (size_t i = 0; i < answers; i++)
		assert_int_equal(write(scene->gate[1], "x", 1), 1);
}

static void expect(const char *word, const char *reason)
{
	char first[64], line[64];
	(void)snprintf(first, sizeof(first), "iotpki/1 %s\n", word);
	(void)snprintf(line, sizeof(line), "\nreason=%s\n", reason);
	if (strncmp(answer, first, strlen(first)) != 0 ||
	    (reason[0] != '\0' && strstr(answer, line) == NULL))
		fail_msg("wanted %s %s, got:\n%s", word, reason, answer);
}

static void ask(const struct scene *scene)
{
	agentkit_key_request("pi", alice.key, request, sizeof(request));
	agentkit_ask(&scene->kit, request, answer);
}

/** A line of the log that has both. */
static bool logged(const struct scene *scene, const char *one, const char *other)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen(scene->kit.log, "re");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, one) != NULL && strstr(line, other) != NULL;
	(void)fclose(file);
	return found;
}

static void await_log(const struct scene *scene, const char *one, const char *other)
{
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (!logged(scene, one, other)) {
		if (agentkit_now_us() > ends_us)
			fail_msg("never in the log: %s ... %s", one, other);
		(void)poll(NULL, 0, 5);
	}
}

static const struct row {
	const char *name, *truth, *word; /* what the log says of the honest ones */
	const char *reason;              /* of n = 2 */
} rows[] = {
	{ "revoked", revoked, "revoked", "revoked" },
	{ "unregistered", FAKE_UNKNOWN, "unregistered", "unregistered" },
	{ "another certificate", updated, "hash-mismatch", "hash-mismatch" },
	{ "registered again", reregistered, "re-registered", "re-registered" },
};

static void expect_dissent(const struct scene *scene, const struct row *row)
{
	char event[128], others[64];
	(void)snprintf(event, sizeof(event), "event=dissent node=home said=registered against=%s ",
		       row->word);
	(void)snprintf(others, sizeof(others), " office=%s(", row->word);
	await_log(scene, event, others);
}

/* One answer is enough, and the first one is a lie: known, warned of, and short. */
static void one_of_three(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct scene scene;
		char others[64];
		open_scene(&scene, registered, rows[i].truth, 1);
		assert_true(logged(&scene, "event=config-warning", "one lying node"));
		ask(&scene);
		expect("ADMIT", "");
		ask(&scene);
		expect("ADMIT", "");
		assert_int_equal(fake_node_requests(scene.nodes[LIAR]), 1); /* reused */
		assert_false(logged(&scene, "event=late-negative", ""));

		open_gate(&scene, NODES - 1);
		(void)snprintf(others, sizeof(others), "=%s(", rows[i].word);
		await_log(&scene, "event=late-negative", others);
		expect_dissent(&scene, &rows[i]);

		/* Nothing is reused: the honest ones are asked again, and what they say stands. */
		fake_node_change(scene.nodes[LIAR], &scene.slow_lie);
		fake_node_change(scene.nodes[1], &scene.quick_truth);
		fake_node_change(scene.nodes[2], &scene.quick_truth);
		ask(&scene);
		expect("DENY", "");
		close_scene(&scene);
		printf("figure: n = 1 of 3, %s: the first liar admits; after the honest answers "
		       "refused, home is named\n",
		       rows[i].name);
	}
}

static void two_of_three(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct scene scene;
		char others[64];
		open_scene(&scene, registered, rows[i].truth, 2);
		open_gate(&scene, NODES - 1);
		ask(&scene);
		expect("DENY", rows[i].reason);
		(void)snprintf(others, sizeof(others), "=%s(", rows[i].word);
		await_log(&scene, "verdict=DENY", others);
		/* Revoked by the first of them: the others are not waited for. */
		assert_true(i == 0 || logged(&scene, " home=registered(", others));
		expect_dissent(&scene, &rows[i]);
		assert_false(logged(&scene, "verdict=ADMIT", ""));
		close_scene(&scene);
		printf("figure: n = 2 of 3, %s: refused, home is named\n", rows[i].name);
	}
}

/* Where the others admit a lie can refuse, and it is named as well. */
static void a_lie_that_refuses(void **state)
{
	(void)state;
	static struct scene scene;
	open_scene(&scene, updated, registered, 2);
	open_gate(&scene, NODES - 1);
	ask(&scene);
	expect("DENY", "disagree");
	await_log(&scene, "verdict=DENY reason=disagree", " home=hash-mismatch(");
	await_log(&scene, "event=dissent node=home said=hash-mismatch against=registered ",
		  " barn=registered(");
	close_scene(&scene);
}

static void the_check_warns(void **state)
{
	(void)state;
	static struct scene scene;
	for (unsigned int needed = 1; needed <= 2; needed++) {
		char text[8192];
		size_t len = 0;
		int out[2], status = -1;
		open_scene(&scene, registered, registered, needed);
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		const pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)dup2(out[1], STDOUT_FILENO);
			(void)dup2(out[1], STDERR_FILENO);
			(void)execl(command, command, "--config", scene.kit.config, "config",
				    "check", NULL);
			_exit(127);
		}
		(void)close(out[1]);
		for (ssize_t got = 1; got > 0 && len < sizeof(text) - 1; len += (size_t)got)
			if ((got = read(out[0], text + len, sizeof(text) - 1 - len)) <= 0)
				break;
		text[len] = '\0';
		(void)close(out[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		const bool warned = strstr(text, "query.answers is 1 of several nodes") != NULL;
		if (warned != (needed == 1))
			fail_msg("n = %u: %s", needed, text);
		close_scene(&scene);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_three),
		cmocka_unit_test(two_of_three),
		cmocka_unit_test(a_lie_that_refuses),
		cmocka_unit_test(the_check_warns),
	};
	if (argc != 3)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	program = argv[1];
	command = argv[2];
	agentkit_person(&alice, NULL);
	make_bodies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
