/* The test's own calls: fake_mine, fake_set, fake_get, fake_reorg, fake_rollback, fake_as, fake_restart. */
#include "fake/chain_call.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum switch_kind { SWITCH_BOOL, SWITCH_INT, SWITCH_JSON };

struct chain_switch {
	const char *name;
	enum switch_kind kind;
	size_t offset;
};

#define SWITCH(member, kind)                                                    \
	{                                                                       \
#member, SWITCH_##kind, offsetof(struct chain_switches, member) \
	}

static const struct chain_switch switches[] = {
	SWITCH(ibd, BOOL),
	SWITCH(warmup, BOOL),
	SWITCH(no_wallet, BOOL),
	SWITCH(several_wallets, BOOL),
	SWITCH(no_namehistory, BOOL),
	SWITCH(no_txindex, BOOL),
	SWITCH(locked, BOOL),
	SWITCH(unauthorized, BOOL),
	SWITCH(reply_html, BOOL),
	SWITCH(http_status, INT),
	SWITCH(slow_ms, INT),
	SWITCH(cut_bytes, INT),
	SWITCH(flip_byte, INT),
	SWITCH(refuse_ms, INT),
	SWITCH(tip_age_s, INT),
	SWITCH(expiry_blocks, INT),
	SWITCH(block_seconds, INT),
	SWITCH(vout, INT),
	SWITCH(blackhole, JSON),
	SWITCH(chain, JSON),
	SWITCH(jsonrpc_error, JSON),
	SWITCH(lie, JSON),
	SWITCH(balance, JSON),
};

struct chain_world *chain_world_new(enum chain_kind kind)
{
	struct chain_world *world = calloc(1, sizeof(*world));
	if (world == NULL)
		return NULL;
	world->chain = chain_new(kind, chain_now());
	world->violations = json_array();
	if (world->chain == NULL || world->violations == NULL) {
		chain_world_free(world);
		return NULL;
	}
	world->set.cut_bytes = -1;
	world->set.flip_byte = -1;
	world->set.tip_age_s = -1;
	world->set.expiry_blocks = world->chain->expiry_blocks;
	world->set.block_seconds = world->chain->block_seconds;
	world->set.chain = json_string("regtest");
	return world;
}

void chain_world_free(struct chain_world *world)
{
	if (world == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		if (switches[i].kind == SWITCH_JSON)
			json_decref(*(json_t **)((char *)&world->set + switches[i].offset));
	}
	json_decref(world->violations);
	chain_free(world->chain);
	free(world);
}

static bool set_one(struct chain_switches *set, const struct chain_switch *entry, json_t *value)
{
	void *at = (char *)set + entry->offset;
	switch (entry->kind) {
	case SWITCH_BOOL:
		*(bool *)at = json_is_true(value);
		return json_is_boolean(value);
	case SWITCH_INT:
		*(int64_t *)at = json_integer_value(value);
		return json_is_integer(value);
	case SWITCH_JSON:
		json_decref(*(json_t **)at);
		*(json_t **)at =
			json_is_null(value) || json_is_false(value) ? NULL : json_incref(value);
		return true;
	}
	return false;
}

/** What of the switches is the chain's own. */
static void apply(struct chain_world *world)
{
	struct chain *chain = world->chain;
	struct chain_wallet *wallet = &chain->wallets[chain->wallet];
	if (world->set.chain == NULL)
		world->set.chain = json_string("regtest");
	chain->expiry_blocks = world->set.expiry_blocks;
	chain->block_seconds = world->set.block_seconds;
	if (json_is_number(world->set.balance))
		wallet->balance = (int64_t)(json_number_value(world->set.balance) *
					    (double)chain_unit(chain));
	json_decref(world->set.balance);
	world->set.balance = NULL;
}

/** "funds": true or false is plenty or nothing for the acting wallet. */
static bool set_funds(struct chain_world *world, const char *key, const json_t *value)
{
	if (strcmp(key, "funds") != 0 || !json_is_boolean(value))
		return false;
	struct chain *chain = world->chain;
	chain->wallets[chain->wallet].balance = json_is_true(value) ? 1000 * chain_unit(chain) : 0;
	return true;
}

static json_t *object_param(const struct chain_call *call)
{
	const json_t *object = json_is_object(call->params) ? call->params : chain_param(call, 0);
	return (json_t *)(uintptr_t)object;
}

static void fake_set(struct chain_call *call)
{
	const char *key;
	json_t *value;
	json_object_foreach(object_param(call), key, value)
	{
		bool known = set_funds(call->world, key, value);
		for (size_t i = 0; i < ARRAY_LEN(switches) && !known; i++)
			known = strcmp(switches[i].name, key) == 0 &&
				set_one(&call->world->set, &switches[i], value);
		if (!known) {
			chain_fail(call, -8, "no switch of this name and type: %.40s", key);
			return;
		}
	}
	apply(call->world);
	(void)buf_puts(call->out, "true");
}

static json_t *get_switches(const struct chain_switches *set)
{
	json_t *out = json_object();
	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		const char *at = (const char *)set + switches[i].offset;
		json_t *value = switches[i].kind == SWITCH_BOOL ? json_boolean(*(const bool *)at)
				: switches[i].kind == SWITCH_INT
					? json_integer(*(const int64_t *)at)
					: json_incref(*(json_t *const *)at);
		(void)json_object_set_new(out, switches[i].name,
					  value != NULL ? value : json_null());
	}
	return out;
}

static void fake_get(struct chain_call *call)
{
	const struct chain_world *world = call->world;
	json_t *methods = json_object();
	for (size_t i = 0; i < CHAIN_METHODS_COUNTED && world->counters[i].count > 0; i++)
		(void)json_object_set_new(methods, world->counters[i].method,
					  json_integer(world->counters[i].count));
	json_t *all = json_pack("{s:I,s:I,s:I,s:I,s:I,s:O,s:o,s:o,s:s}", "blocks",
				(json_int_t)chain_height(world->chain), "tip_time",
				(json_int_t)chain_tip(world->chain)->time, "balance",
				(json_int_t)world->chain->wallets[world->chain->wallet].balance,
				"requests", (json_int_t)world->requests, "restarts",
				(json_int_t)world->restarts, "violations", world->violations,
				"methods", methods, "switches", get_switches(&world->set), "wallet",
				world->chain->wallets[world->chain->wallet].name);
	char *text = json_dumps(all, JSON_COMPACT);
	(void)buf_puts(call->out, text != NULL ? text : "null");
	free(text);
	json_decref(all);
}

static int64_t number_param(const struct chain_call *call, int64_t otherwise)
{
	const json_t *param = chain_param(call, 0);
	return json_is_integer(param) ? json_integer_value(param) : otherwise;
}

static void put_height(struct chain_call *call)
{
	(void)buf_printf(call->out, "%" PRId64, chain_height(call->world->chain));
}

static void fake_mine(struct chain_call *call)
{
	const int64_t blocks = number_param(call, 1);
	if (blocks < 0 || blocks > 1000000 ||
	    !chain_mine(call->world->chain, (size_t)blocks, chain_now()))
		chain_fail(call, -8, "0 to 1000000 blocks");
	else
		put_height(call);
}

/** So many blocks were not of the best chain after all: one more, empty ones, stand in their place. */
static void fake_reorg(struct chain_call *call)
{
	struct chain *chain = call->world->chain;
	const int64_t depth = number_param(call, 1);
	if (depth < 1 || depth > chain_height(chain)) {
		chain_fail(call, -8, "1 to %" PRId64 " blocks", chain_height(chain));
		return;
	}
	/* What was in them must not be mined by the new blocks: it returns afterwards. */
	const int64_t keep = chain_height(chain) - depth;
	for (size_t i = 0; i < chain->op_count; i++) {
		if (chain->ops[i].height > keep || chain->ops[i].height == CHAIN_IN_MEMPOOL)
			chain->ops[i].height = CHAIN_IN_MEMPOOL - 1;
	}
	chain_unwind(chain, (size_t)depth, false);
	if (!chain_mine(chain, (size_t)depth + 1, chain_now()))
		chain_fail(call, -7, "Out of memory");
	for (size_t i = 0; i < chain->op_count; i++) {
		if (chain->ops[i].height < 0)
			chain->ops[i].height = CHAIN_IN_MEMPOOL;
	}
	put_height(call);
}

/** The node was put back to an older state, as from a backup: a shorter chain, and nothing pending. */
static void fake_rollback(struct chain_call *call)
{
	struct chain *chain = call->world->chain;
	const int64_t depth = number_param(call, 1);
	if (depth < 1 || depth > chain_height(chain)) {
		chain_fail(call, -8, "1 to %" PRId64 " blocks", chain_height(chain));
		return;
	}
	chain_unwind(chain, (size_t)depth, true);
	put_height(call);
}

static void fake_as(struct chain_call *call)
{
	struct chain *chain = call->world->chain;
	const json_t *wallet = json_object_get(object_param(call), "wallet");
	if (wallet == NULL)
		wallet = chain_param(call, 0);
	for (size_t i = 0; json_is_string(wallet) && i < CHAIN_WALLETS; i++) {
		if (strcmp(chain->wallets[i].name, json_string_value(wallet)) == 0) {
			chain->wallet = i;
			(void)buf_puts(call->out, "true");
			return;
		}
	}
	chain_fail(call, -18, "no such wallet");
}

static void fake_restart(struct chain_call *call)
{
	/* The node makes the new cookie and drops its connections when it sees the number rise. */
	call->world->restarts++;
	(void)buf_puts(call->out, "true");
}

const struct chain_method chain_control_methods[] = {
	{ "fake_set", fake_set },
	{ "fake_get", fake_get },
	{ "fake_mine", fake_mine },
	{ "fake_reorg", fake_reorg },
	{ "fake_rollback", fake_rollback },
	{ "fake_revert", fake_rollback },
	{ "fake_as", fake_as },
	{ "fake_restart", fake_restart },
	{ NULL, NULL },
};
