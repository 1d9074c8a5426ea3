/* The client with a node that is silent: whom it asks, when it ends, by a clock that the test moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nvs/health.h"
#include "nvskit.h"

enum { NODES = 3, TIMEOUT_MS = 2000, DEADLINE_MS = 4000 };

struct scene {
	struct clock_fake clock;
	struct config config;
	struct fake_script scripts[NODES];
	struct fake_node *nodes[NODES];
	struct nvs *nvs;
	struct fake_script waits;
	int gate[2]; /* 0: none */
};

struct heard {
	unsigned int calls, last_calls;
	enum iotpki_outcome outcomes[NODES];
	struct nvs_question *question;
};

static void hear(void *context, const struct iotpki_answer *answers, size_t count, bool deadline)
{
	struct heard *heard = context;
	assert_int_equal(count, NODES);
	assert_int_equal(heard->last_calls, 0);
	heard->calls++;
	heard->last_calls += deadline ? 1 : 0;
	for (size_t i = 0; i < count; i++)
		heard->outcomes[i] = answers[i].outcome;
}

static int open_scene(void **state)
{
	static struct scene scene;
	scene = (struct scene){ .scripts[2] = { .start = FAKE_SILENT } };
	clock_fake_init(&scene.clock, (int64_t)time(NULL));
	nvskit_config(&scene.config, TIMEOUT_MS, DEADLINE_MS);
	scene.config.node_count = NODES;
	scene.config.needed = 2;
	for (size_t i = 0; i < NODES; i++) {
		char name[8];
		scene.nodes[i] = fake_node_start(&scene.scripts[i]);
		assert_non_null(scene.nodes[i]);
		(void)snprintf(name, sizeof(name), "node%zu", i);
		fake_node_config(scene.nodes[i], name, &scene.config.nodes[i]);
	}
	assert_int_equal(nvs_new(&scene.config, &scene.clock.clock, random_system(), &scene.nvs),
			 IOTPKI_OK);
	*state = &scene;
	return 0;
}

static int close_scene(void **state)
{
	struct scene *scene = *state;
	nvs_free(scene->nvs);
	if (scene->gate[1] > 0)
		(void)close(scene->gate[1]);
	for (size_t i = 0; i < NODES; i++)
		fake_node_stop(scene->nodes[i]);
	if (scene->gate[0] > 0)
		(void)close(scene->gate[0]);
	return 0;
}

static void ask(struct scene *scene, struct heard *heard)
{
	*heard = (struct heard){ 0 };
	assert_int_equal(nvs_ask(scene->nvs, NVSKIT_NAME, hear, heard, &heard->question),
			 IOTPKI_OK);
}

static void until_calls(struct scene *scene, const struct heard *heard, unsigned int calls)
{
	while (heard->calls < calls)
		assert_int_equal(nvs_poll(scene->nvs, -1, 50), IOTPKI_OK);
}

static void advance(struct scene *scene, int64_t ms)
{
	clock_fake_advance(&scene->clock, ms);
	assert_int_equal(nvs_poll(scene->nvs, -1, 0), IOTPKI_OK);
}

static void until_connections(struct scene *scene, size_t node, unsigned int count)
{
	while (fake_node_connections(scene->nodes[node]) < count)
		assert_int_equal(nvs_poll(scene->nvs, -1, 20), IOTPKI_OK);
}

/* The first question waits for it to the end of its time, and it is remembered. */
static void first_time(struct scene *scene)
{
	struct heard heard;
	ask(scene, &heard);
	until_calls(scene, &heard, 2);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_PENDING);
	until_connections(scene, 2, 1);
	assert_int_equal(nvs_resting(scene->nvs), 0);
	advance(scene, TIMEOUT_MS);
	assert_int_equal(heard.last_calls, 1);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_UNREACHABLE);
	assert_int_equal(nvs_resting(scene->nvs), 1);
}

static void second_question_ends_without_it(void **state)
{
	struct scene *scene = *state;
	struct heard heard;
	first_time(scene);
	ask(scene, &heard);
	until_calls(scene, &heard, 2);
	assert_int_equal(heard.last_calls, 1);
	assert_int_equal(heard.outcomes[0], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(heard.outcomes[1], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_UNREACHABLE);
	assert_int_equal(fake_node_connections(scene->nodes[2]), 1);
}

/* Not waited for, yet read: first given up, then its answer in a further call. */
static void answer_of_a_probe_is_read(void **state)
{
	struct scene *scene = *state;
	struct heard heard, other;
	first_time(scene);
	advance(scene, HEALTH_PAUSE_FIRST_MS);
	ask(scene, &heard);
	until_calls(scene, &heard, 2);
	assert_int_equal(heard.last_calls, 0);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_UNREACHABLE);
	until_connections(scene, 2, 2);
	/* One probe is enough: another question ends without one. */
	ask(scene, &other);
	until_calls(scene, &other, 2);
	assert_int_equal(other.last_calls, 1);
	advance(scene, TIMEOUT_MS);
	assert_int_equal(heard.last_calls, 1);
	assert_int_equal(heard.calls, 3);

	/* It is back, and knows of a revocation. */
	static const struct fake_script revoked = { .body = FAKE_REVOKED };
	fake_node_change(scene->nodes[2], &revoked);
	advance(scene, HEALTH_PAUSE_MAX_MS);
	ask(scene, &heard);
	until_calls(scene, &heard, 3);
	assert_int_equal(heard.last_calls, 1);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_REVOKED);
	assert_int_equal(nvs_resting(scene->nvs), 0);
	/* And is asked as the others are again. */
	ask(scene, &heard);
	until_calls(scene, &heard, 3);
	assert_int_equal(fake_node_requests(scene->nodes[2]), 2);
}

/* A laptop that was closed for a while: the pause is over, though the timers stood still. */
static void suspend_ends_the_pause(void **state)
{
	struct scene *scene = *state;
	struct heard heard;
	first_time(scene);
	scene->clock.suspended_ms += HEALTH_PAUSE_FIRST_MS;
	ask(scene, &heard);
	until_connections(scene, 2, 2);
	nvs_cancel(scene->nvs, heard.question);
	/* A probe that was cancelled is no failure and no probe any more. */
	ask(scene, &heard);
	until_connections(scene, 2, 3);
	nvs_cancel(scene->nvs, heard.question);
}

/* Another node fails in the moment in which the resting one is back. */
static void asked_after_all(void **state)
{
	struct scene *scene = *state;
	struct heard heard;
	first_time(scene);
	static const struct fake_script good = { 0 };
	static const struct fake_script busy = { .head = FAKE_HEAD("503 Service Unavailable"),
						 .body = "" };
	fake_node_change(scene->nodes[2], &good);
	fake_node_change(scene->nodes[1], &busy);
	ask(scene, &heard);
	until_calls(scene, &heard, 3);
	assert_int_equal(heard.last_calls, 1);
	assert_int_equal(heard.outcomes[0], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(heard.outcomes[1], IOTPKI_OUTCOME_NOT_READY);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_REGISTERED);
}

static int64_t second_rolled_back(void *context, struct iotpki_answer *answers, size_t count)
{
	assert_int_equal(count, NODES);
	answers[1].rolled_back = true;
	return *(const int64_t *)context;
}

/* The caller knows that one of the answers counts for nothing. */
static void asked_for_what_the_caller_knows(void **state)
{
	struct scene *scene = *state;
	struct heard heard;
	static const struct fake_script good = { 0 };
	int64_t floor_s = 0;
	first_time(scene);
	fake_node_change(scene->nodes[2], &good);
	nvs_set_mark(scene->nvs, second_rolled_back, &floor_s);
	ask(scene, &heard);
	until_calls(scene, &heard, 3);
	assert_int_equal(heard.last_calls, 1);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_REGISTERED);
}

/* Or falls silent in that moment: the resting one is asked after a while, with all its time. */
static void asked_after_a_while(void **state)
{
	struct scene *scene = *state;
	struct heard heard;
	static const struct fake_script good = { 0 };
	first_time(scene);
	assert_int_equal(pipe(scene->gate), 0);
	scene->waits = (struct fake_script){ .gate = scene->gate[0] };
	fake_node_change(scene->nodes[2], &good);
	fake_node_change(scene->nodes[1], &scene->waits);
	ask(scene, &heard);
	until_calls(scene, &heard, 1);
	assert_int_equal(heard.outcomes[0], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(fake_node_requests(scene->nodes[2]), 0);
	advance(scene, health_patience_ms(TIMEOUT_MS));
	until_calls(scene, &heard, 2);
	assert_int_equal(heard.outcomes[1], IOTPKI_OUTCOME_PENDING);
	assert_int_equal(heard.outcomes[2], IOTPKI_OUTCOME_REGISTERED);
	nvs_cancel(scene->nvs, heard.question);
}

/* Fewer than n are left: asked and waited for as if nothing were remembered. */
static void all_are_needed(void **state)
{
	struct scene *scene = *state;
	struct heard heard;
	first_time(scene);
	struct nvs *nvs = NULL;
	scene->config.needed = 3;
	assert_int_equal(nvs_new(&scene->config, &scene->clock.clock, random_system(), &nvs),
			 IOTPKI_OK);
	nvs_free(scene->nvs);
	scene->nvs = nvs;
	for (unsigned int i = 0; i < 2; i++) {
		ask(scene, &heard);
		until_calls(scene, &heard, 2);
		assert_int_equal(heard.last_calls, 0);
		until_connections(scene, 2, 2 + i);
		advance(scene, TIMEOUT_MS);
		assert_int_equal(heard.last_calls, 1);
	}
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* the fake node's TLS writes to clients that left */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(second_question_ends_without_it, open_scene,
						close_scene),
		cmocka_unit_test_setup_teardown(answer_of_a_probe_is_read, open_scene, close_scene),
		cmocka_unit_test_setup_teardown(suspend_ends_the_pause, open_scene, close_scene),
		cmocka_unit_test_setup_teardown(asked_after_all, open_scene, close_scene),
		cmocka_unit_test_setup_teardown(asked_for_what_the_caller_knows, open_scene,
						close_scene),
		cmocka_unit_test_setup_teardown(asked_after_a_while, open_scene, close_scene),
		cmocka_unit_test_setup_teardown(all_are_needed, open_scene, close_scene),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
