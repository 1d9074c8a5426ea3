/* Many names in one question: B-nodes and chains, names that spoil a batch, cancelling, silence. */
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

#define VALUE "sha256=" FAKE_HASH
#define REVOKED VALUE "|status=revoked"

enum { NAME_SIZE = 64 };

/** Names n00 to n99, and what came back for each. */
struct batch {
	char texts[NVS_MANY_MAX][8];
	const char *names[NVS_MANY_MAX];
	size_t count, nodes;
	struct iotpki_answer answers[NVS_MANY_MAX][IOTPKI_NODES_MAX];
	unsigned int calls[NVS_MANY_MAX], last_calls[NVS_MANY_MAX];
	size_t over;
	struct nvs *nvs;
	struct nvs_question *question;
	size_t cancel_at; /* the name in whose first call the question is cancelled; SIZE_MAX: none */
	bool cancelled;
};

static void make_batch(struct batch *batch, struct nvs *nvs, size_t count)
{
	*batch = (struct batch){ .count = count, .nvs = nvs, .cancel_at = SIZE_MAX };
	for (size_t i = 0; i < NVS_MANY_MAX; i++) {
		(void)snprintf(batch->texts[i], sizeof(batch->texts[i]), "n%02zu", i);
		batch->names[i] = batch->texts[i];
	}
}

static void take(void *context, size_t name, const struct iotpki_answer *answers, size_t count,
		 bool deadline)
{
	struct batch *batch = context;
	assert_true(name < batch->count);
	assert_false(batch->cancelled);
	assert_int_equal(batch->last_calls[name], 0);
	memcpy(batch->answers[name], answers, count * sizeof(*answers));
	batch->nodes = count;
	batch->calls[name]++;
	if (deadline) {
		batch->last_calls[name]++;
		batch->over++;
	}
	if (name == batch->cancel_at) {
		batch->cancelled = true;
		nvs_cancel(batch->nvs, batch->question);
	}
}

static void run(struct batch *batch, int64_t timeout_ms)
{
	assert_int_equal(nvs_ask_many(batch->nvs, batch->names, batch->count, timeout_ms, take,
				      batch, &batch->question),
			 IOTPKI_OK);
	while (batch->over < batch->count && !batch->cancelled)
		assert_int_equal(nvs_poll(batch->nvs, -1, -1), IOTPKI_OK);
	for (size_t i = 0; i < batch->count && !batch->cancelled; i++)
		assert_int_equal(batch->last_calls[i], 1);
}

static void expect(const struct batch *batch, size_t name, enum iotpki_outcome want,
		   const char *when)
{
	if (batch->answers[name][0].outcome != want)
		fail_msg("%s: name %zu: %s", when, name,
			 iotpki_outcome_name(batch->answers[name][0].outcome));
}

struct rig {
	enum chain_kind kind;
	struct chain_node *node;
	struct config config;
	struct nvs *nvs;
};

static void open_rig(struct rig *rig, enum chain_kind kind)
{
	*rig = (struct rig){ .kind = kind, .node = namekit_start(kind) };
	nvskit_config(&rig->config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	rig->config.node_count = 1;
	namekit_config(rig->node, kind, &rig->config.nodes[0]);
	rig->nvs = nvskit_new(&rig->config);
}

static void close_rig(struct rig *rig)
{
	nvs_free(rig->nvs);
	assert_int_equal(chain_node_violations(rig->node), 0);
	chain_node_stop(rig->node);
}

static void name_of(const struct rig *rig, size_t i, char out[static NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%sn%02zu", rig->config.nodes[0].name_prefix, i);
}

/** On Namecoin the pre-orders of all wait together, else each would take 13 blocks. */
static void register_many(struct rig *rig, size_t count)
{
	char name[NAME_SIZE];
	AUTO_FREE char(*preorders)[128] = calloc(count + 1, sizeof(*preorders));
	assert_non_null(preorders);
	for (size_t i = 0; i < count; i++) {
		name_of(rig, i, name);
		AUTO_FREE char *answer =
			rig->kind == CHAIN_EMERCOIN
				? namekit_call(rig->node, "name_new", "[\"%s\",\"" VALUE "\",1]",
					       name)
				: namekit_call(rig->node, "name_new", "[\"%s\"]", name);
		(void)snprintf(preorders[i], sizeof(preorders[i]), "%s", answer);
	}
	assert_true(chain_node_mine(rig->node, rig->kind == CHAIN_EMERCOIN ? 1 : 12));
	for (size_t i = 0; i < count && rig->kind == CHAIN_NAMECOIN; i++) {
		name_of(rig, i, name);
		free(namekit_call(rig->node, "name_firstupdate",
				  "[\"%s\",\"%.40s\",\"%.64s\",\"" VALUE "\"]", name,
				  preorders[i] + 2 + 64 + 3, preorders[i] + 2));
	}
	assert_true(chain_node_mine(rig->node, 1));
}

static void a_hundred(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind);
	register_many(&rig, 90);
	char name[NAME_SIZE];
	name_of(&rig, 7, name);
	namekit_update(rig.node, kind, name, REVOKED);
	name_of(&rig, 8, name);
	namekit_update(rig.node, kind, name, REVOKED);
	namekit_update(rig.node, kind, name, VALUE);
	static struct batch batch;
	for (int round = 0; round < 2; round++) {
		const unsigned int before = chain_node_requests(rig.node);
		make_batch(&batch, rig.nvs, 100);
		run(&batch, NVSKIT_PATIENT_MS);
		for (size_t i = 0; i < 100; i++)
			expect(&batch, i,
			       i >= 90            ? IOTPKI_OUTCOME_UNREGISTERED
			       : i == 7 || i == 8 ? IOTPKI_OUTCOME_REVOKED
						  : IOTPKI_OUTCOME_REGISTERED,
			       "a hundred");
		/* 89 histories, 25 a request, are read once. */
		assert_int_equal(chain_node_requests(rig.node) - before, round == 0 ? 5 : 1);
	}
	assert_memory_not_equal(batch.answers[1][0].registration, batch.answers[2][0].registration,
				IOTPKI_SHA256_LEN);
	close_rig(&rig);
}

static void a_hundred_emercoin(void **state)
{
	(void)state;
	a_hundred(CHAIN_EMERCOIN);
}

static void a_hundred_namecoin(void **state)
{
	(void)state;
	a_hundred(CHAIN_NAMECOIN);
}

/* The owner of one name must not decide whether the others can be asked. */
static void one_name_spoils_the_batch(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig, CHAIN_EMERCOIN);
	register_many(&rig, 30);
	/* A life of more than NVS_CALL_MAX: 70 values of 20,000 bytes, the last a good one. */
	static char filler[20000];
	memset(filler, 'x', sizeof(filler) - 1);
	for (int i = 0; i < 70; i++)
		namekit_update(rig.node, CHAIN_EMERCOIN, "iot:n11", filler);
	namekit_update(rig.node, CHAIN_EMERCOIN, "iot:n11", VALUE);
	static struct batch batch;
	make_batch(&batch, rig.nvs, 30);
	run(&batch, NVSKIT_PATIENT_MS);
	for (size_t i = 0; i < 30; i++)
		expect(&batch, i, i == 11 ? IOTPKI_OUTCOME_MALFORMED : IOTPKI_OUTCOME_REGISTERED,
		       "too long");
	close_rig(&rig);
}

/* All that a node says is nonsense: the number of requests stays bounded. */
static void nothing_but_nonsense(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig, CHAIN_NAMECOIN);
	assert_true(chain_node_set(rig.node, "{\"flip_byte\":0}"));
	const unsigned int before = chain_node_requests(rig.node);
	static struct batch batch;
	make_batch(&batch, rig.nvs, 100);
	run(&batch, NVSKIT_PATIENT_MS);
	for (size_t i = 0; i < 100; i++)
		expect(&batch, i, IOTPKI_OUTCOME_MALFORMED, "nonsense");
	assert_true(chain_node_requests(rig.node) - before <= 64);
	close_rig(&rig);
}

static void what_is_no_batch(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig, CHAIN_EMERCOIN);
	static struct batch batch;
	make_batch(&batch, rig.nvs, 1);
	static const char *const twice[] = { "a", "b", "a" };
	static const char *const bad[] = { "a", "B" };
	const struct {
		const char *name;
		const char *const *names;
		size_t count;
		int64_t timeout_ms;
	} rows[] = {
		{ "none", batch.names, 0, 1000 },
		{ "too many", batch.names, NVS_MANY_MAX + 1, 1000 },
		{ "twice", twice, 3, 1000 },
		{ "no name", bad, 2, 1000 },
		{ "no time", batch.names, 1, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (nvs_ask_many(rig.nvs, rows[i].names, rows[i].count, rows[i].timeout_ms, take,
				 &batch, &batch.question) != IOTPKI_ERR_ARGUMENT ||
		    batch.question != NULL)
			fail_msg("%s", rows[i].name);
	assert_int_equal(chain_node_requests(rig.node), 0);
	close_rig(&rig);
}

static void cancelled_from_inside(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig, CHAIN_EMERCOIN);
	static struct batch batch;
	for (size_t at = 0; at < 3; at++) {
		make_batch(&batch, rig.nvs, 3);
		batch.cancel_at = at;
		run(&batch, NVSKIT_PATIENT_MS);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(batch.calls[i], i <= at ? 1 : 0);
	}
	/* And one that goes down with the client. */
	make_batch(&batch, rig.nvs, 3);
	assert_int_equal(nvs_ask_many(rig.nvs, batch.names, 3, 1000, take, &batch, &batch.question),
			 IOTPKI_OK);
	close_rig(&rig);
	assert_int_equal(batch.calls[0], 0);
}

/* A chain, a B-node that answers batches, one that is silent, and a twin. */
static void several_nodes(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig, CHAIN_EMERCOIN);
	nvs_free(rig.nvs);
	register_many(&rig, 2);
	struct chain_node *silent = namekit_start(CHAIN_NAMECOIN);
	assert_true(chain_node_set(silent, "{\"blackhole\":\"accept\"}"));
	static const struct fake_script refuses = { .tls = FAKE_HTTP,
						    .head = FAKE_HEAD("503 Busy"),
						    .body = "" };
	struct fake_node *busy = fake_node_start(&refuses);
	assert_non_null(busy);
	struct config *config = &rig.config;
	namekit_config(silent, CHAIN_NAMECOIN, &config->nodes[1]);
	fake_node_config(busy, "busy", &config->nodes[2]);
	namekit_config(rig.node, CHAIN_EMERCOIN, &config->nodes[3]);
	config->nodes[3].twin = 1;
	config->node_count = 4;
	rig.nvs = nvskit_new(config);
	static struct batch batch;
	make_batch(&batch, rig.nvs, 3);
	run(&batch, 700);
	static const enum iotpki_outcome want[3][4] = {
		{ IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_UNREACHABLE, IOTPKI_OUTCOME_NOT_READY,
		  IOTPKI_OUTCOME_REGISTERED },
		{ IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_UNREACHABLE, IOTPKI_OUTCOME_NOT_READY,
		  IOTPKI_OUTCOME_REGISTERED },
		{ IOTPKI_OUTCOME_UNREGISTERED, IOTPKI_OUTCOME_UNREACHABLE, IOTPKI_OUTCOME_NOT_READY,
		  IOTPKI_OUTCOME_UNREGISTERED },
	};
	assert_int_equal(batch.nodes, 4);
	for (size_t i = 0; i < 3; i++)
		for (size_t n = 0; n < 4; n++) {
			if (batch.answers[i][n].outcome != want[i][n])
				fail_msg("name %zu, node %zu: %s", i, n,
					 iotpki_outcome_name(batch.answers[i][n].outcome));
			assert_int_equal(batch.answers[i][n].twin, n == 3 ? 1 : 0);
		}
	nvs_free(rig.nvs);
	rig.nvs = NULL;
	fake_node_stop(busy);
	chain_node_stop(silent);
	close_rig(&rig);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_emercoin),
		cmocka_unit_test(a_hundred_namecoin),
		cmocka_unit_test(one_name_spoils_the_batch),
		cmocka_unit_test(nothing_but_nonsense),
		cmocka_unit_test(what_is_no_batch),
		cmocka_unit_test(cancelled_from_inside),
		cmocka_unit_test(several_nodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
