/* Cancelled at every call back, from every question's: no call comes after it, nothing is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "namekit.h"
#include "nvskit.h"

enum { QUESTIONS = 4, NODES = 4, AT_MAX = 64 };

struct storm;

struct caller {
	struct storm *storm;
	struct nvs_question *question; /* NULL: over or cancelled */
	size_t last_calls;
};

/** Questions side by side; the calls of all are counted together. */
struct storm {
	struct nvs *nvs;
	struct caller callers[QUESTIONS];
	size_t calls, cancel_at, victim;
	bool ask_again; /* from inside, in place of what was cancelled */
};

static nvs_many_fn called;

static void ask(struct storm *storm, size_t i)
{
	/* One name, or several of which the last is nobody's. */
	static const char *const names[] = { NVSKIT_NAME, "n1", "n2" };
	struct caller *caller = &storm->callers[i];
	*caller = (struct caller){ .storm = storm };
	assert_int_equal(nvs_ask_many(storm->nvs, names, 1 + i % ARRAY_LEN(names),
				      NVSKIT_PATIENT_MS, called, caller, &caller->question),
			 IOTPKI_OK);
}

static void called(void *context, size_t name, const struct iotpki_answer *answers, size_t count,
		   bool deadline)
{
	struct caller *caller = context;
	struct storm *storm = caller->storm;
	const size_t names = 1 + (size_t)(caller - storm->callers) % 3;
	assert_non_null(caller->question);
	assert_int_equal(count, NODES);
	assert_in_range(answers[0].outcome, IOTPKI_OUTCOME_PENDING, IOTPKI_OUTCOME_MALFORMED);
	caller->last_calls += deadline ? 1 : 0;
	if (storm->calls++ == storm->cancel_at) {
		struct caller *victim = &storm->callers[storm->victim];
		nvs_cancel(storm->nvs, victim->question);
		victim->question = NULL;
		if (storm->ask_again)
			ask(storm, storm->victim);
	}
	/* The last one of a question that lives. */
	if (caller->question != NULL && deadline && name + 1 == names &&
	    caller->last_calls == names)
		caller->question = NULL;
}

static bool is_over(const struct storm *storm)
{
	for (size_t i = 0; i < QUESTIONS; i++)
		if (storm->callers[i].question != NULL)
			return false;
	return true;
}

static size_t run(struct nvs *nvs, size_t at, size_t victim, bool again)
{
	struct storm storm = { .nvs = nvs, .cancel_at = at, .victim = victim, .ask_again = again };
	for (size_t i = 0; i < QUESTIONS; i++)
		ask(&storm, i);
	while (!is_over(&storm))
		assert_int_equal(nvs_poll(nvs, -1, -1), IOTPKI_OK);
	return storm.calls;
}

static void at_every_call(void **state)
{
	(void)state;
	static const struct fake_script good = { 0 };
	struct fake_node *first = fake_node_start(&good), *second = fake_node_start(&good);
	struct chain_node *chain = namekit_start(CHAIN_EMERCOIN);
	struct config config;
	assert_non_null(first);
	assert_non_null(second);
	nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	config.node_count = NODES;
	config.needed = 2;
	fake_node_config(first, "home", &config.nodes[0]);
	fake_node_config(second, "barn", &config.nodes[1]);
	namekit_config(chain, CHAIN_EMERCOIN, &config.nodes[2]);
	nvskit_dead_node(&config.nodes[3]);
	namekit_register(chain, CHAIN_EMERCOIN, "iot:" NVSKIT_NAME, "sha256=" FAKE_HASH);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	size_t runs = 0, most = 1;
	for (size_t at = 0; at < most && at < AT_MAX; at++) {
		for (size_t victim = 0; victim < QUESTIONS; victim++, runs++) {
			nvs_forget(nvs);
			const size_t calls = run(nvs, at, victim, runs % 2 != 0);
			most = calls > most ? calls : most;
		}
	}
	/* Each question is called for each name and node. */
	assert_in_range(most, QUESTIONS * 3, 1000);
	nvs_free(nvs);
	nvs = NULL;
	chain_node_stop(chain);
	fake_node_stop(first);
	fake_node_stop(second);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_every_call),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
