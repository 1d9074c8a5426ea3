/* TM-01: whoever is on the path can make silence, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fake/relay.h"
#include "nvskit.h"

/* Every STEP-th byte: each connection costs a handshake, and the fake node a thread. */
enum { STEP = 4 };

struct path {
	struct fake_node *node;
	struct relay *relay;
	struct config config;
};

static void open_path(struct path *path, const struct fake_script *script)
{
	path->node = nvskit_node(script, &path->config, NVSKIT_SHORT_MS);
	char *port = strrchr(path->config.nodes[0].url, ':');
	assert_non_null(port);
	path->relay = relay_start((unsigned int)strtoul(port + 1, NULL, 10));
	assert_non_null(path->relay);
	(void)snprintf(path->config.nodes[0].url, sizeof(path->config.nodes[0].url),
		       "https://127.0.0.1:%u/", relay_port(path->relay));
}

static void close_path(struct path *path)
{
	relay_stop(path->relay);
	fake_node_stop(path->node);
}

/** One question over a connection of its own. */
static enum iotpki_outcome ask(struct path *path, size_t *passed_out, bool *reached_out)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	struct nvs *nvs = nvskit_new(&path->config);
	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	nvs_free(nvs);
	*passed_out = relay_passed(path->relay, reached_out);
	return answers[0].outcome;
}

static void try_every_place(enum relay_mode mode, const struct fake_script *script, size_t first)
{
	struct path path;
	open_path(&path, script);
	size_t passed;
	bool reached = true;
	for (size_t at = first; reached; at += STEP) {
		relay_set(path.relay, mode, at);
		const enum iotpki_outcome got = ask(&path, &passed, &reached);
		const bool silence =
			got == IOTPKI_OUTCOME_UNREACHABLE || got == IOTPKI_OUTCOME_MALFORMED;
		if (reached && !silence)
			fail_msg("byte %zu: %s", at, iotpki_outcome_name(got));
	}
	/* The last byte tried lay beyond the answer: enough was tried to reach its end. */
	assert_true(passed > 500);
	close_path(&path);
}

static const struct fake_script registered = { 0 }, revoked = { .body = FAKE_REVOKED };

static void passed_on_untouched(void **state)
{
	(void)state;
	struct path path;
	open_path(&path, &registered);
	path.config.node_timeout_ms = path.config.deadline_ms = NVSKIT_PATIENT_MS;
	relay_set(path.relay, RELAY_PASS, 0);
	size_t passed;
	bool reached;
	assert_int_equal(ask(&path, &passed, &reached), IOTPKI_OUTCOME_REGISTERED);
	assert_false(reached);
	close_path(&path);
}

static void one_byte_altered(void **state)
{
	(void)state;
	try_every_place(RELAY_FLIP, &registered, 0);
}

static void cut_at_any_byte(void **state)
{
	(void)state;
	try_every_place(RELAY_CUT, &revoked, 1);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* the fake node's TLS writes to clients that left */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passed_on_untouched),
		cmocka_unit_test(one_byte_altered),
		cmocka_unit_test(cut_at_any_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
