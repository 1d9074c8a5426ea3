/*
 * The device manager on chains against fake nodes, over real connections: the primitives, waiting with
 * an injected pause, a salt that is lost for good, and answers that no node gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake/chain_node.h"
#include "manager/manager.h"
#include "manager/onchain_store.h"

#define NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define VALUE "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define OTHER "sha256=60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
#define YEAR_S (INT64_C(365) * 86400)

enum { NAMECOIN, EMERCOIN, KINDS };

/* An owner with a wallet on each chain. */
struct owner {
	char dir[64];
	struct chain_node *nodes[KINDS];
	struct config config;
	struct nvs *nvs;
	struct manager manager;
	struct manager_report report;
	int pauses, pauses_left; /* left: then nobody waits any more */
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int owner_make(void **state)
{
	static const enum chain_kind kinds[] = { CHAIN_NAMECOIN, CHAIN_EMERCOIN };
	struct owner *owner = calloc(1, sizeof(*owner));
	assert_non_null(owner);
	(void)snprintf(owner->dir, sizeof(owner->dir), "/tmp/iotpki-wallet-XXXXXX");
	assert_non_null(mkdtemp(owner->dir));
	char yaml[1024];
	char urls[KINDS][64];
	for (size_t i = 0; i < KINDS; i++) {
		const struct chain_node_options options = { .kind = kinds[i] };
		owner->nodes[i] = chain_node_start(&options);
		assert_non_null(owner->nodes[i]);
		chain_node_url(owner->nodes[i], urls[i], sizeof(urls[i]));
	}
	(void)snprintf(yaml, sizeof(yaml),
		       "version: 1\nbnodes:\n  - {name: n, type: namecoin, url: \"%s\"}\n"
		       "  - {name: e, type: emercoin, url: \"%s\", min_confirmations: 2}\n",
		       urls[NAMECOIN], urls[EMERCOIN]);
	struct iotpki_detail detail = { 0 };
	if (config_parse("dm.yaml", yaml, strlen(yaml), &owner->config, &detail) != IOTPKI_OK)
		fail_msg("dm.yaml: %s", detail.message);
	assert_int_equal(nvs_new(&owner->config, clock_system(), random_system(), &owner->nvs),
			 IOTPKI_OK);
	owner->manager = (struct manager){ .dir = owner->dir,
					   .config = &owner->config,
					   .clock = clock_system(),
					   .random = random_system(),
					   .wallet = wallet_transport_nvs(owner->nvs) };
	owner->pauses_left = 100;
	*state = owner;
	return 0;
}

static int owner_remove(void **state)
{
	struct owner *owner = *state;
	nvs_free(owner->nvs);
	for (size_t i = 0; i < KINDS; i++)
		chain_node_stop(owner->nodes[i]);
	const int result = nftw(owner->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(owner);
	return result;
}

static void mine(struct owner *owner, unsigned int blocks)
{
	for (size_t i = 0; i < KINDS; i++)
		assert_true(chain_node_mine(owner->nodes[i], blocks));
}

/* Time passes only here: a block on every chain for each pause. */
static bool pause_for_a_block(void *context, const struct manager_report *report)
{
	struct owner *owner = context;
	assert_int_equal(report->chain_count, KINDS);
	owner->pauses++;
	mine(owner, 1);
	return owner->pauses_left-- > 0;
}

static enum iotpki_err wait_for_it(struct owner *owner)
{
	const struct manager_wait wait = { owner, pause_for_a_block };
	struct iotpki_detail detail = { 0 };
	return manager_wait(&owner->manager, NAME, &wait, &owner->report, &detail);
}

static void begin(struct owner *owner, const struct onchain_wish *wish)
{
	struct iotpki_detail detail = { 0 };
	assert_int_equal(manager_plan(&owner->manager, NAME, wish, &owner->report, &detail),
			 IOTPKI_OK);
	for (size_t i = 0; i < owner->report.chain_count; i++)
		if (owner->report.chain[i].problem != ONCHAIN_OK)
			fail_msg("network %zu: %s", i,
				 onchain_problem_row(owner->report.chain[i].problem)->text);
	assert_int_equal(manager_begin(&owner->manager, NAME, &owner->report, &detail), IOTPKI_OK);
}

static void register_name(struct owner *owner)
{
	const struct onchain_wish wish = { .op = ONCHAIN_REGISTER,
					   .value = VALUE,
					   .expires_s = (int64_t)time(NULL) + YEAR_S };
	begin(owner, &wish);
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
}

static unsigned int calls(struct owner *owner, size_t kind, const char *method)
{
	return chain_node_count(owner->nodes[kind], method);
}

/* What name_show says, as text. */
static void assert_shown(struct owner *owner, size_t kind, const char *part)
{
	char params[128];
	bool failed = true;
	(void)snprintf(params, sizeof(params), "[\"%s%s\"]", owner->config.nodes[kind].name_prefix,
		       NAME);
	char *text = chain_node_call(owner->nodes[kind], "name_show", params, &failed);
	if (failed || text == NULL || strstr(text, part) == NULL)
		fail_msg("%s is not in %s", part, text != NULL ? text : "nothing");
	free(text);
}

static void names_live_on_both_chains(void **state)
{
	struct owner *owner = *state;
	assert_true(manager_has_chains(&owner->manager));
	assert_false(manager_has_ledgers(&owner->manager));
	register_name(owner);
	/* 1 block for the pre-order, 11 more, and the registration's. */
	assert_true(owner->pauses >= ONCHAIN_ORDER_DEPTH &&
		    owner->pauses <= ONCHAIN_ORDER_DEPTH + 2);
	assert_int_equal(calls(owner, NAMECOIN, "name_new"), 1);
	assert_int_equal(calls(owner, NAMECOIN, "name_firstupdate"), 1);
	assert_int_equal(calls(owner, EMERCOIN, "name_new"), 1);

	struct iotpki_detail detail = { 0 };
	const int64_t later_s = (int64_t)time(NULL) + 2 * YEAR_S;
	char end[128];
	assert_int_equal(manager_chain_update(&owner->manager, NAME, OTHER, later_s, &owner->report,
					      &detail),
			 IOTPKI_OK);
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
	(void)snprintf(end, sizeof(end), OTHER "|ex=%lld\"", (long long)later_s);
	for (size_t i = 0; i < KINDS; i++)
		assert_shown(owner, i, end);
	assert_true(owner->report.chain[EMERCOIN].progress.ends_s >= later_s);
	/* The same once more is there already. */
	assert_int_equal(manager_chain_update(&owner->manager, NAME, OTHER, later_s, &owner->report,
					      &detail),
			 IOTPKI_OK);
	for (size_t i = 0; i < KINDS; i++)
		assert_int_equal(calls(owner, i, "name_update"), 1);
}

static void waiting_can_be_stopped_and_gone_on_with(void **state)
{
	struct owner *owner = *state;
	const struct onchain_wish wish = { .op = ONCHAIN_REGISTER,
					   .value = VALUE,
					   .expires_s = (int64_t)time(NULL) + YEAR_S };
	begin(owner, &wish);
	owner->pauses_left = 4;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_false(manager_done(&owner->report));
	struct manager_report seen;
	assert_int_equal(manager_look(&owner->manager, NAME, false, &seen, NULL), IOTPKI_OK);
	assert_string_equal(onchain_state_name(&seen.chain[NAMECOIN].progress, 0), "pre-ordered");
	const uint32_t before = seen.chain[NAMECOIN].progress.to_go;
	mine(owner, 1);
	/* A look asks, and stores nothing. */
	assert_int_equal(manager_look(&owner->manager, NAME, true, &seen, NULL), IOTPKI_OK);
	assert_true(seen.chain[NAMECOIN].progress.to_go < before);
	assert_true(manager_chain_done(&seen.chain[EMERCOIN]));
	assert_int_equal(manager_look(&owner->manager, NAME, false, &seen, NULL), IOTPKI_OK);
	assert_int_equal(seen.chain[NAMECOIN].progress.to_go, before);
	owner->pauses_left = 100;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
}

static void a_name_can_be_given_away(void **state)
{
	struct owner *owner = *state;
	register_name(owner);
	struct iotpki_detail detail = { 0 };
	bool failed;
	free(chain_node_call(owner->nodes[NAMECOIN], "fake_as", "{\"wallet\":\"other\"}", &failed));
	char *address = chain_node_call(owner->nodes[NAMECOIN], "getnewaddress", "[]", &failed);
	free(chain_node_call(owner->nodes[NAMECOIN], "fake_as", "{\"wallet\":\"w\"}", &failed));
	assert_non_null(address);
	address[strlen(address) - 1] = '\0';
	struct manager_report report;
	assert_int_equal(manager_chain_transfer(&owner->manager, NAME, "namecoin", "nowhere",
						&report, &detail),
			 IOTPKI_OK);
	assert_int_equal(report.chain[0].problem, ONCHAIN_BAD_ADDRESS);
	assert_int_equal(manager_chain_transfer(&owner->manager, NAME, "none", address + 1, &report,
						&detail),
			 IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(
		manager_chain_transfer(&owner->manager, NAME, "namecoin", "", &report, &detail),
		IOTPKI_ERR_ARGUMENT);
	assert_int_equal(manager_chain_transfer(&owner->manager, NAME, "namecoin", address + 1,
						&report, &detail),
			 IOTPKI_OK);
	assert_int_equal(report.chain_count, 1);
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
	assert_shown(owner, NAMECOIN, address + 1);
	assert_shown(owner, NAMECOIN, "\"ismine\":false");
	free(address);
	/* And then it is not ours to change. */
	assert_int_equal(manager_chain_update(&owner->manager, NAME, OTHER, 0, &report, &detail),
			 IOTPKI_ERR_REFUSED);
	assert_int_equal(report.chain[0].problem, ONCHAIN_NOT_OWNER);
}

/* An old wallet made the salt at random, and its answer was lost: a new pre-order, one registration. */
static void a_salt_that_is_lost_costs_a_pre_order(void **state)
{
	struct owner *owner = *state;
	const struct onchain_wish wish = { .op = ONCHAIN_REGISTER,
					   .value = VALUE,
					   .expires_s = (int64_t)time(NULL) + YEAR_S };
	begin(owner, &wish);
	owner->pauses_left = 0;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	struct onchain_progress progress;
	assert_int_equal(onchain_store_load(owner->dir, NAME, "namecoin", &progress, NULL),
			 IOTPKI_OK);
	const struct onchain_progress first = progress;
	progress.salt[0] = '\0';
	progress.has_preorder = false;
	progress.stage = ONCHAIN_WANTED;
	assert_int_equal(onchain_store_save(owner->dir, NAME, "namecoin", &progress, NULL),
			 IOTPKI_OK);
	mine(owner, 13);
	assert_true(chain_node_set(owner->nodes[NAMECOIN],
				   "{\"jsonrpc_error\":{\"code\":-8,\"message\":\"rand must be "
				   "hexadecimal\",\"method\":\"name_firstupdate\"}}"));
	owner->pauses_left = 2;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(chain_node_set(owner->nodes[NAMECOIN], "{\"jsonrpc_error\":null}"));
	owner->pauses_left = 100;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
	assert_int_equal(calls(owner, NAMECOIN, "name_new"), 2);
	assert_string_not_equal(owner->report.chain[NAMECOIN].progress.address, first.address);
	assert_shown(owner, NAMECOIN, VALUE);
}

/* With the deriving wallet the lost answer costs nothing. */
static void a_lost_answer_is_found_again(void **state)
{
	struct owner *owner = *state;
	const struct onchain_wish wish = { .op = ONCHAIN_REGISTER,
					   .value = VALUE,
					   .expires_s = (int64_t)time(NULL) + YEAR_S };
	begin(owner, &wish);
	owner->pauses_left = 0;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	struct onchain_progress progress;
	assert_int_equal(onchain_store_load(owner->dir, NAME, "namecoin", &progress, NULL),
			 IOTPKI_OK);
	progress.salt[0] = '\0';
	progress.has_preorder = false;
	progress.stage = ONCHAIN_WANTED;
	assert_int_equal(onchain_store_save(owner->dir, NAME, "namecoin", &progress, NULL),
			 IOTPKI_OK);
	owner->pauses_left = 100;
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
	assert_int_equal(calls(owner, NAMECOIN, "name_new"), 1);
	assert_int_equal(calls(owner, NAMECOIN, "name_firstupdate"), 1);
}

static void answers_that_no_node_gives_stop_it(void **state)
{
	struct owner *owner = *state;
	register_name(owner);
	static const struct {
		const char *lie;
		enum onchain_problem problem;
	} rows[] = {
		{ "{\"getblockchaininfo\":{\"blocks\":null}}", ONCHAIN_BROKEN },
		{ "{\"getblockchaininfo\":{\"blocks\":-1}}", ONCHAIN_BROKEN },
		{ "{\"getblockchaininfo\":{\"initialblockdownload\":null}}", ONCHAIN_BROKEN },
		{ "{\"getblockchaininfo\":{\"initialblockdownload\":1}}", ONCHAIN_BROKEN },
		{ "{\"getblockchaininfo\":{\"mediantime\":0,\"time\":0}}", ONCHAIN_NOT_IN_SYNC },
		{ "{\"name_show\":{\"name\":\"iot/another\"}}", ONCHAIN_BROKEN },
		{ "{\"name_show\":{\"value\":17}}", ONCHAIN_BROKEN },
		{ "{\"name_show\":{\"txid\":\"AB\"}}", ONCHAIN_BROKEN },
		{ "{\"name_show\":{\"expires_in\":null}}", ONCHAIN_BROKEN },
		{ "{\"name_show\":{\"expired\":\"no\"}}", ONCHAIN_BROKEN },
		{ "{\"getwalletinfo\":{\"unlocked_until\":\"soon\"}}", ONCHAIN_BROKEN },
		{ "{\"getwalletinfo\":{\"unlocked_until\":0}}", ONCHAIN_LOCKED },
		{ "{\"getbalances\":{\"mine\":{\"trusted\":\"much\"}}}", ONCHAIN_BROKEN },
		{ "{\"getbalances\":{\"mine\":{\"trusted\":0.00001}}}", ONCHAIN_FUNDS },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256];
		struct manager_report plan;
		const struct onchain_wish wish = { .op = ONCHAIN_UPDATE, .value = OTHER };
		(void)snprintf(text, sizeof(text), "{\"lie\":%s}", rows[i].lie);
		assert_true(chain_node_set(owner->nodes[NAMECOIN], text));
		assert_int_equal(manager_plan(&owner->manager, NAME, &wish, &plan, NULL),
				 IOTPKI_OK);
		if (plan.chain[NAMECOIN].problem != rows[i].problem)
			fail_msg("%s: %s", rows[i].lie,
				 onchain_problem_row(plan.chain[NAMECOIN].problem)->name);
		assert_int_equal(plan.chain[EMERCOIN].problem, ONCHAIN_OK);
	}
	assert_int_equal(calls(owner, NAMECOIN, "name_update"), 0);
	assert_int_equal(chain_node_violations(owner->nodes[EMERCOIN]), 0);
	assert_int_equal(chain_node_violations(owner->nodes[NAMECOIN]), 0);
}

/* A node without the history, or with one that cannot be read, must not keep a name from being revoked. */
static void a_name_is_revoked_without_its_history(void **state)
{
	struct owner *owner = *state;
	register_name(owner);
	static const char *const switches[] = {
		"{\"no_namehistory\":true}",
		"{\"no_namehistory\":false,\"jsonrpc_error\":{\"code\":-1,\"message\":\"no\","
		"\"method\":\"name_history\"}}",
		"{\"jsonrpc_error\":{\"code\":-77,\"message\":\"no\","
		"\"method\":\"name_history\"}}",
	};
	const struct onchain_wish renewal = { .op = ONCHAIN_UPDATE, .value = OTHER };
	const struct onchain_wish revocation = { .op = ONCHAIN_REVOKE };
	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		struct manager_report plan;
		assert_true(chain_node_set(owner->nodes[NAMECOIN], switches[i]));
		assert_int_equal(manager_plan(&owner->manager, NAME, &renewal, &plan, NULL),
				 IOTPKI_OK);
		assert_int_equal(plan.chain[NAMECOIN].problem, ONCHAIN_NO_WALLET);
	}
	begin(owner, &revocation);
	assert_int_equal(wait_for_it(owner), IOTPKI_OK);
	assert_true(manager_done(&owner->report));
	for (size_t i = 0; i < KINDS; i++)
		assert_shown(owner, i, "|status=revoked");
}

/* A transport that gives one answer to everything. */
static enum iotpki_err say(void *context, size_t node, const char *method, const char *params_json,
			   struct nvs_reply *reply_out)
{
	(void)node;
	assert_true(method[0] != '\0' && params_json[0] == '[');
	*reply_out =
		(struct nvs_reply){ .outcome = IOTPKI_OUTCOME_REGISTERED, .result = BUF_INIT(256) };
	return buf_puts(&reply_out->result, context);
}

/* A step itself can be answered wrongly: nothing of it is believed. */
static void a_wrong_answer_to_a_step_is_not_taken(void **state)
{
	(void)state;
	static const char *const answers[] = { "\"\"",    "17",   "[]",        "[\"ab\",\"cd\"]",
					       "\"z z\"", "null", "{\"a\":1}", "" };
	static const struct {
		enum onchain_action action;
		enum config_node_type type;
	} acts[] = {
		{ ONCHAIN_ADDRESS, CONFIG_NODE_NAMECOIN }, { ONCHAIN_ORDER, CONFIG_NODE_NAMECOIN },
		{ ONCHAIN_ENTER, CONFIG_NODE_NAMECOIN },   { ONCHAIN_CHANGE, CONFIG_NODE_NAMECOIN },
		{ ONCHAIN_ENTER, CONFIG_NODE_EMERCOIN },   { ONCHAIN_CHANGE, CONFIG_NODE_EMERCOIN },
		{ ONCHAIN_ORDER, CONFIG_NODE_EMERCOIN },
	};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		for (size_t j = 0; j < ARRAY_LEN(acts); j++) {
			const struct wallet_transport transport = {
				.context = (void *)(uintptr_t)answers[i], .call = say
			};
			const struct wallet wallet = { &transport, 0, acts[j].type, "iot/x" };
			struct onchain_progress progress = { .type = acts[j].type, .value = VALUE };
			assert_int_equal(wallet_act(&wallet, acts[j].action, &progress),
					 ONCHAIN_BROKEN);
			assert_false(progress.has_txid || progress.has_preorder);
			assert_int_equal(progress.stage, ONCHAIN_WANTED);
		}
		const struct wallet_transport transport = { .context =
								    (void *)(uintptr_t)answers[i],
							    .call = say };
		const struct wallet wallet = { &transport, 0, CONFIG_NODE_EMERCOIN, "iot:x" };
		const struct onchain_progress progress = { .type = CONFIG_NODE_EMERCOIN };
		struct onchain_seen seen;
		struct wallet_funds funds;
		assert_int_equal(wallet_look(&wallet, &progress, &seen), ONCHAIN_BROKEN);
		assert_int_equal(wallet_look_funds(&wallet, &funds), ONCHAIN_BROKEN);
	}
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, owner_make, owner_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(names_live_on_both_chains),
		ROW(waiting_can_be_stopped_and_gone_on_with),
		ROW(a_name_can_be_given_away),
		ROW(a_salt_that_is_lost_costs_a_pre_order),
		ROW(a_lost_answer_is_found_again),
		ROW(a_name_is_revoked_without_its_history),
		ROW(answers_that_no_node_gives_stop_it),
		cmocka_unit_test(a_wrong_answer_to_a_step_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
