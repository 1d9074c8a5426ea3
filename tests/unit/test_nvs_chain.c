/* The NVS client against Emercoin and Namecoin: two questions, lives, credentials, batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "namekit.h"
#include "nvskit.h"

#define VALUE "sha256=" FAKE_HASH
#define REVOKED VALUE "|status=revoked"

struct rig {
	enum chain_kind kind;
	struct chain_node *node;
	struct config config;
	struct nvs *nvs;
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
};

static void open_rig(struct rig *rig, enum chain_kind kind, int64_t timeout_ms)
{
	*rig = (struct rig){ .kind = kind, .node = namekit_start(kind) };
	nvskit_config(&rig->config, timeout_ms, timeout_ms);
	rig->config.node_count = 1;
	namekit_config(rig->node, kind, &rig->config.nodes[0]);
	rig->nvs = nvskit_new(&rig->config);
	(void)snprintf(rig->nvs_name, sizeof(rig->nvs_name), "%s%s",
		       rig->config.nodes[0].name_prefix, NVSKIT_NAME);
}

static void close_rig(struct rig *rig)
{
	nvs_free(rig->nvs);
	assert_int_equal(chain_node_violations(rig->node), 0);
	chain_node_stop(rig->node);
}

/** A client that knows nothing yet. */
static void forget(struct rig *rig)
{
	nvs_free(rig->nvs);
	rig->nvs = nvskit_new(&rig->config);
}

static struct iotpki_answer ask(struct rig *rig)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	assert_int_equal(nvs_ask_wait(rig->nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	return answers[0];
}

static void expect(struct rig *rig, enum iotpki_outcome want, const char *when)
{
	const enum iotpki_outcome got = ask(rig).outcome;
	if (got != want)
		fail_msg("%s, %s: %s", rig->config.nodes[0].name, when, iotpki_outcome_name(got));
}

static void add_name(struct rig *rig, const char *value)
{
	namekit_register(rig->node, rig->kind, rig->nvs_name, value);
}

static void update(struct rig *rig, const char *value)
{
	namekit_update(rig->node, rig->kind, rig->nvs_name, value);
}

static void expect_posts(struct rig *rig, unsigned int before, unsigned int want, const char *when)
{
	const unsigned int got = chain_node_requests(rig->node) - before;
	if (got != want)
		fail_msg("%s, %s: %u requests", rig->config.nodes[0].name, when, got);
}

/* The first question costs two requests, the next ones one, a new transaction two again. */
static void a_life_is_read_once(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind, NVSKIT_PATIENT_MS);
	expect(&rig, IOTPKI_OUTCOME_UNREGISTERED, "nobody's");
	add_name(&rig, VALUE);

	unsigned int before = chain_node_requests(rig.node);
	const struct iotpki_answer first = ask(&rig);
	assert_int_equal(first.outcome, IOTPKI_OUTCOME_REGISTERED);
	expect_posts(&rig, before, 2, "first");
	assert_memory_equal(first.registration, first.txid, sizeof(first.txid));
	assert_int_equal(first.record.sha256[0], 0x11);
	assert_int_equal(first.max_tip_age_s, 14400);
	assert_true(first.tip_s > 0 && first.ends_s > first.asked_s && first.tip_height > 50);

	before = chain_node_requests(rig.node);
	assert_true(chain_node_mine(rig.node, 1));
	const struct iotpki_answer again = ask(&rig);
	assert_int_equal(again.outcome, IOTPKI_OUTCOME_REGISTERED);
	expect_posts(&rig, before, 1, "again");
	assert_memory_equal(again.registration, first.registration, sizeof(first.registration));
	assert_int_equal(again.tip_height, first.tip_height + 1);

	before = chain_node_requests(rig.node);
	nvs_forget(rig.nvs);
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, "forgotten");
	expect_posts(&rig, before, 2, "forgotten");

	update(&rig, VALUE "|x=1");
	before = chain_node_requests(rig.node);
	const struct iotpki_answer updated = ask(&rig);
	assert_int_equal(updated.outcome, IOTPKI_OUTCOME_REGISTERED);
	expect_posts(&rig, before, 2, "updated");
	assert_memory_equal(updated.registration, first.registration, sizeof(first.registration));
	assert_memory_not_equal(updated.txid, first.txid, sizeof(first.txid));
	close_rig(&rig);
}

static void a_revocation_sticks(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind, NVSKIT_PATIENT_MS);
	add_name(&rig, VALUE);
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, "registered");
	update(&rig, REVOKED);
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "revoked");
	update(&rig, VALUE);
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "written over");
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "written over, life known");
	forget(&rig);
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "written over, nothing known");
	close_rig(&rig);
}

/* Enough blocks that the name ends; then whoever comes first has it. */
static void expired_and_registered_again(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind, NVSKIT_PATIENT_MS);
	add_name(&rig, VALUE);
	const struct iotpki_answer first = ask(&rig);
	assert_true(chain_node_mine(rig.node, kind == CHAIN_EMERCOIN ? 175 : 30));
	expect(&rig, IOTPKI_OUTCOME_EXPIRED, "expired");
	add_name(&rig, VALUE);
	const struct iotpki_answer second = ask(&rig);
	assert_int_equal(second.outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_memory_not_equal(second.registration, first.registration,
				sizeof(first.registration));
	close_rig(&rig);
}

static void deleted_and_registered_again(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig, CHAIN_EMERCOIN, NVSKIT_PATIENT_MS);
	add_name(&rig, VALUE);
	const struct iotpki_answer first = ask(&rig);
	free(namekit_call(rig.node, "name_delete", "[\"%s\"]", rig.nvs_name));
	assert_true(chain_node_mine(rig.node, 1));
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "deleted");
	add_name(&rig, VALUE);
	const struct iotpki_answer second = ask(&rig);
	assert_int_equal(second.outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_memory_not_equal(second.registration, first.registration,
				sizeof(first.registration));
	close_rig(&rig);
}

/* What a node must have for the second question; and that nothing of a failed one is kept. */
static void what_is_switched_off(enum chain_kind kind)
{
	static const struct {
		const char *name;
		bool emercoin, namecoin;
		enum iotpki_outcome want;
		const char *on, *off;
	} rows[] = {
		{ "no wallet", true, false, IOTPKI_OUTCOME_NOT_READY, "{\"no_wallet\":true}",
		  "{\"no_wallet\":false}" },
		{ "several wallets", true, false, IOTPKI_OUTCOME_NOT_READY,
		  "{\"several_wallets\":true}", "{\"several_wallets\":false}" },
		{ "no txindex", true, false, IOTPKI_OUTCOME_NOT_READY, "{\"no_txindex\":true}",
		  "{\"no_txindex\":false}" },
		{ "no namehistory", false, true, IOTPKI_OUTCOME_NOT_READY,
		  "{\"no_namehistory\":true}", "{\"no_namehistory\":false}" },
		{ "initial download", true, true, IOTPKI_OUTCOME_NOT_READY, "{\"ibd\":true}",
		  "{\"ibd\":false}" },
		{ "warming up", true, true, IOTPKI_OUTCOME_NOT_READY, "{\"warmup\":true}",
		  "{\"warmup\":false}" },
		{ "a proxy's 503", true, true, IOTPKI_OUTCOME_NOT_READY, "{\"http_status\":503}",
		  "{\"http_status\":0}" },
		{ "unauthorized", true, true, IOTPKI_OUTCOME_UNAUTHORIZED,
		  "{\"unauthorized\":true}", "{\"unauthorized\":false}" },
		{ "a page", true, true, IOTPKI_OUTCOME_MALFORMED, "{\"reply_html\":true}",
		  "{\"reply_html\":false}" },
		{ "half an answer", true, true, IOTPKI_OUTCOME_MALFORMED, "{\"cut_bytes\":300}",
		  "{\"cut_bytes\":-1}" },
		{ "reset", true, true, IOTPKI_OUTCOME_UNREACHABLE, "{\"blackhole\":\"reset\"}",
		  "{\"blackhole\":null}" },
		{ "unknown error of name_history", true, true, IOTPKI_OUTCOME_MALFORMED,
		  "{\"jsonrpc_error\":{\"code\":-99,\"message\":\"x\",\"method\":"
		  "\"name_history\"}}",
		  "{\"jsonrpc_error\":null}" },
	};
	struct rig rig;
	open_rig(&rig, kind, NVSKIT_PATIENT_MS);
	add_name(&rig, VALUE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!(kind == CHAIN_EMERCOIN ? rows[i].emercoin : rows[i].namecoin))
			continue;
		forget(&rig);
		assert_true(chain_node_set(rig.node, rows[i].on));
		expect(&rig, rows[i].want, rows[i].name);
		assert_true(chain_node_set(rig.node, rows[i].off));
		expect(&rig, IOTPKI_OUTCOME_REGISTERED, rows[i].name);
	}
	close_rig(&rig);
}

static void confirmations(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind, NVSKIT_PATIENT_MS);
	rig.config.nodes[0].min_confirmations = 3;
	forget(&rig);
	add_name(&rig, VALUE);
	for (int i = 0; i < 2; i++) {
		expect(&rig, IOTPKI_OUTCOME_NOT_READY, "too young");
		assert_true(chain_node_mine(rig.node, 1));
	}
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, "three deep");
	update(&rig, VALUE "|x=1");
	expect(&rig, IOTPKI_OUTCOME_NOT_READY, "updated");
	update(&rig, REVOKED);
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "a revocation counts at once");
	update(&rig, VALUE);
	expect(&rig, IOTPKI_OUTCOME_REVOKED, "also when it was written over");
	close_rig(&rig);
}

/* After a reorganisation the transaction may stand elsewhere: the history is read anew. */
static void reorganisation(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind, NVSKIT_PATIENT_MS);
	add_name(&rig, VALUE);
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, "before");
	free(namekit_call(rig.node, "fake_reorg", "[1]"));
	assert_true(chain_node_mine(rig.node, 1)); /* what the lost block held */
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, "after");
	close_rig(&rig);
}

/* Both requests fall into the node's one timeout. */
static void slow_in_both(enum chain_kind kind)
{
	struct rig rig;
	open_rig(&rig, kind, 500);
	add_name(&rig, VALUE);
	assert_true(chain_node_set(rig.node, "{\"slow_ms\":300}"));
	expect(&rig, IOTPKI_OUTCOME_UNREACHABLE, "two times 300 ms of 500");
	close_rig(&rig);
}

#define BOTH(test)                            \
	static void test##_emercoin(void **s) \
	{                                     \
		(void)s;                      \
		test(CHAIN_EMERCOIN);         \
	}                                     \
	static void test##_namecoin(void **s) \
	{                                     \
		(void)s;                      \
		test(CHAIN_NAMECOIN);         \
	}

BOTH(a_life_is_read_once)
BOTH(a_revocation_sticks)
BOTH(expired_and_registered_again)
BOTH(what_is_switched_off)
BOTH(confirmations)
BOTH(reorganisation)
BOTH(slow_in_both)

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_life_is_read_once_emercoin),
		cmocka_unit_test(a_life_is_read_once_namecoin),
		cmocka_unit_test(a_revocation_sticks_emercoin),
		cmocka_unit_test(a_revocation_sticks_namecoin),
		cmocka_unit_test(expired_and_registered_again_emercoin),
		cmocka_unit_test(expired_and_registered_again_namecoin),
		cmocka_unit_test(deleted_and_registered_again),
		cmocka_unit_test(what_is_switched_off_emercoin),
		cmocka_unit_test(what_is_switched_off_namecoin),
		cmocka_unit_test(confirmations_emercoin),
		cmocka_unit_test(confirmations_namecoin),
		cmocka_unit_test(reorganisation_emercoin),
		cmocka_unit_test(reorganisation_namecoin),
		cmocka_unit_test(slow_in_both_emercoin),
		cmocka_unit_test(slow_in_both_namecoin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
