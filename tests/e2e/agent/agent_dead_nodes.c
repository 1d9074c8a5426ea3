/*
 * The real agent and B-nodes that fall silent: a dead one costs nothing after the
 * first time, for admissions and refusals, and nobody is refused because of what is
 * remembered; answers that come late are still read.
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
#include <unistd.h>

#include "e2e/agent/agentkit.h"
#include "fake/fake_node.h"

enum { NODES = 3, PATIENCE_MS = 20000, SHORT_MS = 500, LONG_MS = 4000 };

static const char *program;
static char answer[FRAME_MAX + 1];
static char request[FRAME_MAX];
static struct memberkit alice;

static const char registered_form[] =
	"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\",\"value\":"
	"\"sha256=%s%s\",\"txid\":\"%s\",\"expires_in\":86400,\"expires_at\":4102444800,"
	"\"status\":\"%s\",\"registration\":\"%s\",\"sequence\":1,\"unit\":\"s\","
	"\"tip\":{\"height\":7,\"time\":@NOW@,\"hash\":\"%s\"}}}";

static char registered[1024], mismatch[1024], revoked[1024];

static void make_bodies(void)
{
	const char *hash = alice.sha256;
	(void)snprintf(registered, sizeof(registered), registered_form, hash, "", hash,
		       "registered", hash, hash);
	(void)snprintf(mismatch, sizeof(mismatch), registered_form, FAKE_HASH, "", hash,
		       "registered", hash, hash);
	(void)snprintf(revoked, sizeof(revoked), registered_form, hash, "|status=revoked", hash,
		       "revoked", hash, hash);
}

struct scene {
	struct agentkit kit;
	struct fake_script scripts[NODES];
	struct fake_node *nodes[NODES];
};

static void open_scene(struct scene *scene, const char *body, int timeout_ms, const char *rest)
{
	static const char *const names[NODES] = { "home", "barn", "office" };
	struct config_node nodes[NODES];
	char query[256];
	CLEANUP(buf_done) struct buf entries = BUF_INIT(65536);
	for (size_t i = 0; i < NODES; i++) {
		scene->scripts[i].body = body;
		scene->nodes[i] = fake_node_start(&scene->scripts[i]);
		assert_non_null(scene->nodes[i]);
		fake_node_config(scene->nodes[i], names[i], &nodes[i]);
	}
	(void)snprintf(query, sizeof(query),
		       "query: {answers: 2, node_timeout_ms: %d, deadline_ms: 4000}\n%s",
		       timeout_ms, rest);
	agentkit_init(&scene->kit, program);
	agentkit_config(&scene->kit, nodes, NODES, query);
	agentkit_put_entry(&alice, &entries);
	agentkit_members(&scene->kit, buf_text(&entries));
	agentkit_start(&scene->kit);
}

static void close_scene(struct scene *scene)
{
	assert_int_equal(agentkit_stop(&scene->kit), 0);
	agentkit_remove(&scene->kit);
	for (size_t i = 0; i < NODES; i++)
		fake_node_stop(scene->nodes[i]);
}

/* What the node says from its next connection or request on. */
static void change(struct scene *scene, size_t node, const struct fake_script *script)
{
	static struct fake_script
		scripts[64]; /* each is somebody's for as long as its node lives */
	static size_t count;
	assert_in_range(count, 0, ARRAY_LEN(scripts) - 1);
	scripts[count] = *script;
	fake_node_change(scene->nodes[node], &scripts[count++]);
}

static void ask(const struct scene *scene)
{
	agentkit_key_request("pi", alice.key, request, sizeof(request));
	agentkit_ask(&scene->kit, request, answer);
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

/* Until the silent node is known as one. */
static void await_rest(const struct scene *scene)
{
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	for (;;) {
		agentkit_ask(&scene->kit, "iotpki/1 status\n", answer);
		if (strstr(answer, "\nbnodes-silent=1\n") != NULL)
			return;
		if (agentkit_now_us() > ends_us)
			fail_msg("never known as silent:\n%s", answer);
		(void)poll(NULL, 0, 10);
	}
}

static size_t count_in_log(const struct scene *scene, const char *text)
{
	static char log[1 << 20];
	size_t count = 0;
	const int fd = open(scene->kit.log, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	const ssize_t len = read(fd, log, sizeof(log) - 1);
	(void)close(fd);
	log[len > 0 ? len : 0] = '\0';
	for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

/*
 * Asked again and again, the dead node is not, but for its probes: one a pause, while dozens of
 * logins are decided. Each of them would else have opened one more connection to it and waited.
 */
static void dead_node_costs_nothing(void **state)
{
	(void)state;
	enum { LOGINS = 60, PROBES_MAX = 6 };
	static const struct {
		const char *name, *body, *word, *reason;
		unsigned int asked;
	} rows[] = {
		{ "admitted", registered, "ADMIT", "", LOGINS + 1 },
		{ "unregistered", FAKE_UNKNOWN, "DENY", "unregistered", LOGINS + 1 },
		{ "another hash", mismatch, "DENY", "hash-mismatch", LOGINS + 1 },
		{ "revoked, which is never asked again", revoked, "DENY", "revoked", 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct scene scene;
		scene = (struct scene){ .scripts[2] = { .start = FAKE_SILENT } };
		open_scene(&scene, rows[i].body, SHORT_MS, "policy: {positive_ttl: 0s}\n");
		/* The first time its time must pass, also after an admission, which does not wait for it. */
		ask(&scene);
		expect(rows[i].word, rows[i].reason);
		await_rest(&scene);
		const unsigned int first = fake_node_connections(scene.nodes[2]);
		assert_int_equal(first, 1);
		for (size_t j = 0; j < LOGINS; j++) {
			ask(&scene);
			expect(rows[i].word, rows[i].reason);
		}
		const unsigned int probes = fake_node_connections(scene.nodes[2]) - first;
		assert_int_equal(fake_node_requests(scene.nodes[0]), rows[i].asked);
		if (probes > PROBES_MAX)
			fail_msg("%s: asked %u times more", rows[i].name, probes);
		close_scene(&scene);
	}
}

static void answer_again_and_be_asked(void **state)
{
	(void)state;
	static struct scene scene;
	scene = (struct scene){ .scripts[2] = { .start = FAKE_SILENT } };
	open_scene(&scene, FAKE_UNKNOWN, SHORT_MS, "");
	ask(&scene);
	expect("DENY", "unregistered");
	/* Back again: a probe finds it, without a restart, and then each question asks it. */
	change(&scene, 2, &(struct fake_script){ .body = FAKE_UNKNOWN });
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (fake_node_requests(scene.nodes[2]) < 2) {
		if (agentkit_now_us() > ends_us)
			fail_msg("never asked again");
		ask(&scene);
		expect("DENY", "unregistered");
		(void)poll(NULL, 0, 20);
	}
	const unsigned int before = fake_node_requests(scene.nodes[2]);
	ask(&scene);
	expect("DENY", "unregistered");
	assert_int_equal(fake_node_requests(scene.nodes[2]), before + 1);
	close_scene(&scene);
}

/* With two of three silent there is no verdict; the moment one is back there is. */
static void nobody_is_refused_by_memory(void **state)
{
	(void)state;
	static struct scene scene;
	scene = (struct scene){ .scripts[1] = { .start = FAKE_SILENT },
				.scripts[2] = { .start = FAKE_SILENT } };
	open_scene(&scene, registered, SHORT_MS, "policy: {positive_ttl: 0s}\n");
	for (size_t i = 0; i < 3; i++) {
		ask(&scene);
		expect("UNAVAILABLE", "too-few-answers");
	}
	change(&scene, 1, &(struct fake_script){ .body = registered });
	ask(&scene);
	expect("ADMIT", "");
	/* The other way round: who answered falls silent in the moment in which the other is back. */
	change(&scene, 2, &(struct fake_script){ .body = registered });
	change(&scene, 1,
	       &(struct fake_script){ .head = FAKE_HEAD("503 Service Unavailable"), .body = "" });
	ask(&scene);
	expect("ADMIT", "");
	close_scene(&scene);
}

static void await_log(const struct scene *scene, const char *text)
{
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (count_in_log(scene, text) == 0) {
		if (agentkit_now_us() > ends_us)
			fail_msg("never in the log: %s", text);
		(void)poll(NULL, 0, 5);
	}
}

static void await_requests(const struct scene *scene, size_t node, unsigned int count)
{
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (fake_node_requests(scene->nodes[node]) < count) {
		if (agentkit_now_us() > ends_us)
			fail_msg("node %zu was asked %u times", node,
				 fake_node_requests(scene->nodes[node]));
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(fake_node_requests(scene->nodes[node]), count);
}

static void a_late_revocation(void **state)
{
	(void)state;
	static struct scene scene;
	int gate[2];
	assert_int_equal(pipe(gate), 0);
	scene = (struct scene){ .scripts[2] = { .gate = gate[0] } };
	open_scene(&scene, registered, LONG_MS, "policy: {positive_ttl: 60s}\n");
	change(&scene, 2, &(struct fake_script){ .body = revoked, .gate = gate[0] });
	ask(&scene);
	expect("ADMIT", "");
	ask(&scene);
	expect("ADMIT", "");
	assert_int_equal(fake_node_requests(scene.nodes[0]), 1); /* reused */
	assert_int_equal(count_in_log(&scene, "event=late-negative"), 0);
	/* The third one speaks. It is logged, with who said it, and what would be reused is dropped. */
	assert_int_equal(write(gate[1], "xxxx", 4), 4);
	await_log(&scene, "event=late-negative name=");
	await_log(&scene, "office=revoked(");
	for (size_t i = 0; i < NODES; i++) /* it has spread */
		change(&scene, i, &(struct fake_script){ .body = revoked });
	ask(&scene);
	expect("DENY", "revoked");
	await_requests(&scene, 0, 2); /* asked anew, though another's word was enough */
	close_scene(&scene);
	(void)close(gate[0]);
	(void)close(gate[1]);
}

/* A probe's answer is a late answer too: the revocation that only the resting node knows. */
static void a_probe_that_says_revoked(void **state)
{
	(void)state;
	static struct scene scene;
	scene = (struct scene){ .scripts[2] = { .start = FAKE_SILENT } };
	open_scene(&scene, registered, SHORT_MS, "policy: {positive_ttl: 0s}\n");
	ask(&scene);
	expect("ADMIT", "");
	await_rest(&scene);
	change(&scene, 2, &(struct fake_script){ .body = revoked });
	const int64_t ends_us = agentkit_now_us() + PATIENCE_MS * 1000;
	while (count_in_log(&scene, "office=revoked(") == 0) {
		if (agentkit_now_us() > ends_us)
			fail_msg("never read");
		ask(&scene);
		(void)poll(NULL, 0, 20);
	}
	close_scene(&scene);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dead_node_costs_nothing),
		cmocka_unit_test(answer_again_and_be_asked),
		cmocka_unit_test(nobody_is_refused_by_memory),
		cmocka_unit_test(a_late_revocation),
		cmocka_unit_test(a_probe_that_says_revoked),
	};
	if (argc != 2)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	program = argv[1];
	agentkit_person(&alice, NULL);
	make_bodies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
