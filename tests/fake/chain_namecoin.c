/* Namecoin Core's names and wallet, as recorded; error texts beyond that from its source. */
#include "fake/chain_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In units of 10^-8: what a pre-order locks in the name, and a transaction's fee. */
enum { LOCKED_IN_NAME = 1000000, FEE = 14100 };

enum show_form { SHOW_WALLET, SHOW_REST };

static void put_base(struct buf *out, const struct chain_op *op)
{
	(void)buf_puts(out, "{\"name\":");
	chain_put(out, op->name);
	(void)buf_puts(out, ",\"name_encoding\":\"ascii\",\"value\":");
	chain_put(out, op->value);
	(void)buf_printf(out,
			 ",\"value_encoding\":\"ascii\",\"txid\":\"%s\",\"vout\":%" PRId64
			 ",\"address\":\"%s\"",
			 op->txid, op->vout, op->address);
}

static void put_mine(struct buf *out, const struct chain_world *world, const struct chain_op *op)
{
	/* Without a wallet the node says nothing about it. */
	if (!world->set.no_wallet && !world->set.several_wallets)
		(void)buf_printf(out, ",\"ismine\":%s",
				 chain_is_mine(world->chain, op->address) ? "true" : "false");
}

static void put_name(struct buf *out, const struct chain_world *world, const struct chain_op *op,
		     enum show_form form)
{
	const int64_t left = chain_ends(world->chain, op) - chain_height(world->chain);
	put_base(out, op);
	(void)buf_printf(out, ",\"height\":%" PRId64 ",\"expires_in\":%" PRId64 ",\"expired\":%s",
			 op->height, left, left <= 0 ? "true" : "false");
	if (form == SHOW_WALLET)
		put_mine(out, world, op);
	(void)buf_putc(out, '}');
}

static void name_show(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	const char *name = chain_param_text(call, 0);
	if (name == NULL)
		return;
	if (json_array_size(call->params) > 2) {
		(void)json_array_append_new(call->world->violations,
					    json_string("name_show with a third parameter"));
		chain_fail(call, -1, "name_show \"name\" ( {\"nameEncoding\":\"str\",...} )");
		return;
	}
	if (!chain_need_sync(call))
		return;
	const struct chain_op *last = chain_last(chain, name);
	if (last == NULL) {
		chain_fail(call, -4, "name never existed: '%.200s'", name);
		return;
	}
	const json_t *options = chain_param(call, 1);
	const bool expired_too = json_is_true(json_object_get(options, "allowExpired")) ||
				 json_is_true(json_object_get(options, "allow_expired"));
	if (!expired_too && !chain_active(chain, name)) {
		chain_fail(call, -4, "name expired: '%.200s'", name);
		return;
	}
	put_name(call->out, call->world, last, SHOW_WALLET);
}

bool chain_namecoin_rest(struct chain_world *world, const char *name, struct buf *out)
{
	const struct chain_op *last = chain_last(world->chain, name);
	if (last != NULL)
		put_name(out, world, last, SHOW_REST);
	return last != NULL;
}

static void name_history(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (call->world->set.no_namehistory) {
		chain_fail(call, -1, "-namehistory is not enabled");
		return;
	}
	const char *name = chain_param_text(call, 0);
	if (name == NULL || !chain_need_sync(call))
		return;
	if (chain_last(chain, name) == NULL) {
		chain_fail(call, -4, "name not found: '%.200s'", name);
		return;
	}
	const char *separator = "[";
	for (size_t i = chain_first(chain, name); i != CHAIN_NONE; i = chain->ops[i].next) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height < 0 || !chain_is_of(chain, op, name))
			continue;
		(void)buf_puts(call->out, separator);
		put_name(call->out, call->world, op, SHOW_WALLET);
		separator = ",";
	}
	(void)buf_putc(call->out, ']');
}

static void name_pending(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	const char *only = json_string_value(chain_param(call, 0));
	(void)buf_putc(call->out, '[');
	for (size_t i = 0, listed = 0; i < chain->op_count; i++) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height != CHAIN_IN_MEMPOOL || op->kind == CHAIN_NAME_NEW ||
		    (only != NULL && strcmp(op->name, only) != 0))
			continue;
		(void)buf_puts(call->out, listed++ == 0 ? "" : ",");
		put_base(call->out, op);
		put_mine(call->out, call->world, op);
		(void)buf_printf(call->out, ",\"op\":\"%s\"}",
				 op->kind == CHAIN_NAME_UPDATE ? "name_update"
							       : "name_firstupdate");
	}
	(void)buf_putc(call->out, ']');
}

static int by_name(const void *a, const void *b)
{
	const struct chain_op *const *left = a, *const *right = b;
	return strcmp((*left)->name, (*right)->name);
}

static void name_scan(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_sync(call))
		return;
	const char *start = json_string_value(chain_param(call, 0));
	const json_t *count = chain_param(call, 1);
	const char *prefix = json_string_value(json_object_get(chain_param(call, 2), "prefix"));
	const struct chain_op **found = calloc(chain->op_count + 1, sizeof(*found));
	size_t found_count = 0;
	for (size_t i = 0; found != NULL && i < chain->op_count; i++) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height < 0 || chain_last(chain, op->name) != op ||
		    (start != NULL && strcmp(op->name, start) < 0) ||
		    (prefix != NULL && strncmp(op->name, prefix, strlen(prefix)) != 0))
			continue;
		found[found_count++] = op;
	}
	if (found_count > 0)
		qsort(found, found_count, sizeof(found[0]), by_name);
	const int64_t most = json_is_integer(count) ? json_integer_value(count) : 500;
	(void)buf_putc(call->out, '[');
	for (size_t i = 0; i < found_count && (int64_t)i < most; i++) {
		(void)buf_puts(call->out, i == 0 ? "" : ",");
		put_name(call->out, call->world, found[i], SHOW_WALLET);
	}
	(void)buf_putc(call->out, ']');
	free(found);
}

/* ---- writes ---- */

static bool lengths_fit(struct chain_call *call, const char *name, const char *value)
{
	if (strlen(name) > CHAIN_NAMECOIN_NAME_MAX)
		chain_fail(call, -8, "the name is too long");
	else if (strlen(value) > CHAIN_NAMECOIN_VALUE_MAX)
		chain_fail(call, -8, "the value is too long");
	return call->code == 0;
}

/** The address that the options name, if any; false: it is none. */
static bool take_address(struct chain_call *call, size_t index, struct chain_op *wish)
{
	const json_t *options = chain_param(call, index);
	const char *address = json_string_value(json_object_get(options, "destAddress"));
	if (address == NULL)
		address = json_string_value(json_object_get(options, "dest_address"));
	if (address == NULL)
		return true;
	if (!chain_address_ok(call->world->chain, address)) {
		chain_fail(call, -5, "invalid address");
		return false;
	}
	(void)snprintf(wish->address, sizeof(wish->address), "%s", address);
	return true;
}

static void not_owner(struct chain_call *call, const struct chain_op *output)
{
	chain_fail(call, -6, "Not found pre-selected input COutPoint(%.10s, %" PRId64 ")",
		   output->txid, output->vout);
}

static bool unlocked(struct chain_call *call)
{
	if (call->world->set.locked)
		chain_fail(
			call, -13,
			"Error: Please enter the wallet passphrase with walletpassphrase first.");
	return !call->world->set.locked;
}

static void name_new(struct chain_call *call)
{
	if (!chain_need_wallet(call))
		return;
	const char *name = chain_param_text(call, 0);
	if (name == NULL || !lengths_fit(call, name, ""))
		return;
	const json_t *options = chain_param(call, 1);
	if (chain_active(call->world->chain, name) &&
	    !json_is_true(json_object_get(options, "allowExisting"))) {
		chain_fail(call, -25, "this name exists already");
		return;
	}
	char nothing[] = "";
	struct chain_op wish = { .kind = CHAIN_NAME_NEW,
				 .name = (char *)(uintptr_t)name,
				 .value = nothing };
	if (!unlocked(call) || !take_address(call, 1, &wish))
		return;
	const struct chain_op *op = chain_pay(call, &wish, LOCKED_IN_NAME + FEE);
	if (op != NULL)
		(void)buf_printf(call->out, "[\"%s\",\"%s\"]", op->txid, op->salt);
}

/** Whether the pre-order's output is still there. */
static bool is_spent(const struct chain *chain, const char *txid)
{
	for (size_t i = 0; i < chain->op_count; i++) {
		if (chain->ops[i].kind == CHAIN_NAME_FIRSTUPDATE &&
		    strcmp(chain->ops[i].preorder, txid) == 0)
			return true;
	}
	return false;
}

/** The pre-order that this second step takes up; NULL: the call has failed. */
static const struct chain_op *find_preorder(struct chain_call *call, const char *name)
{
	const struct chain *chain = call->world->chain;
	/* Without a salt the wallet derives it from the key of the pre-order's address. */
	const bool derived = chain_param(call, 1) == NULL;
	const char *txid = chain_param_text(call, 2);
	const char *salt = derived || txid == NULL ? "" : chain_param_text(call, 1);
	if (salt == NULL || txid == NULL)
		return NULL;
	const struct chain_op *preorder = chain_by_txid(chain, txid);
	if (preorder == NULL || preorder->height < 0 || is_spent(chain, txid))
		chain_fail(call, -25, "previous txid not found");
	else if (preorder->kind != CHAIN_NAME_NEW)
		chain_fail(call, -25, "previous tx is not name_new");
	else if ((!derived && strcmp(preorder->salt, salt) != 0) ||
		 strcmp(preorder->name, name) != 0)
		chain_fail(call, -25, "rand value is wrong");
	return call->code == 0 ? preorder : NULL;
}

static bool may_register(struct chain_call *call, const char *name)
{
	size_t pending = 0;
	const struct chain_op *waits = chain_pending(call->world->chain, name, &pending);
	if (waits != NULL && waits->kind == CHAIN_NAME_FIRSTUPDATE)
		chain_fail(call, -25, "this name is already being registered");
	else if (chain_active(call->world->chain, name))
		chain_fail(call, -25, "this name is already active");
	return call->code == 0;
}

static void name_firstupdate(struct chain_call *call)
{
	if (!chain_need_wallet(call))
		return;
	const char *name = chain_param_text(call, 0);
	const char *value = json_string_value(chain_param(call, 3));
	if (name == NULL || !lengths_fit(call, name, value != NULL ? value : "") ||
	    !may_register(call, name))
		return;
	const struct chain_op *preorder = find_preorder(call, name);
	if (preorder == NULL || !unlocked(call))
		return;
	char nothing[] = "";
	struct chain_op wish = { .kind = CHAIN_NAME_FIRSTUPDATE,
				 .name = (char *)(uintptr_t)name,
				 .value = value != NULL ? (char *)(uintptr_t)value : nothing };
	memcpy(wish.preorder, preorder->txid, sizeof(wish.preorder));
	if (!take_address(call, 4, &wish))
		return;
	if (!chain_is_mine(call->world->chain, preorder->address)) {
		not_owner(call, preorder);
		return;
	}
	const struct chain_op *op = chain_pay(call, &wish, FEE);
	if (op != NULL)
		(void)buf_printf(call->out, "\"%s\"", op->txid);
}

static void name_update(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	const char *name = chain_param_text(call, 0);
	const char *value = json_string_value(chain_param(call, 1));
	if (name == NULL || !lengths_fit(call, name, value != NULL ? value : ""))
		return;
	size_t pending = 0;
	if (chain_pending(chain, name, &pending) != NULL) {
		chain_fail(call, -25, "there are already too many pending operations on this name");
		return;
	}
	const struct chain_op *last = chain_last(chain, name);
	if (last == NULL || !chain_active(chain, name)) {
		chain_fail(call, -25, "this name can not be updated");
		return;
	}
	struct chain_op wish = { .kind = CHAIN_NAME_UPDATE,
				 .name = (char *)(uintptr_t)name,
				 .value = value != NULL ? (char *)(uintptr_t)value : last->value };
	if (!unlocked(call) || !take_address(call, 2, &wish))
		return;
	if (!chain_is_mine(chain, last->address)) {
		not_owner(call, last);
		return;
	}
	const struct chain_op *op = chain_pay(call, &wish, FEE);
	if (op != NULL)
		(void)buf_printf(call->out, "\"%s\"", op->txid);
}

/* ---- the node and its wallet ---- */

static void put_last_block(struct buf *out, const struct chain *chain)
{
	(void)buf_printf(out, "\"lastprocessedblock\":{\"hash\":\"%s\",\"height\":%" PRId64 "}}",
			 chain_tip(chain)->hash, chain_height(chain));
}

static void getwalletinfo(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	(void)buf_puts(call->out, "{\"walletname\":");
	chain_put(call->out, chain->wallets[chain->wallet].name);
	(void)buf_printf(
		call->out,
		",\"walletversion\":169900,\"format\":\"sqlite\",\"txcount\":%" PRId64
		",\"keypoolsize\":4000,\"keypoolsize_hd_internal\":4000,%s"
		"\"private_keys_enabled\":true,\"avoid_reuse\":false,\"scanning\":false,"
		"\"descriptors\":true,\"external_signer\":false,\"blank\":false,\"birthtime\":"
		"%" PRId64 ",\"flags\":[\"last_hardened_xpub_cached\",\"descriptor_wallet\"],",
		chain_height(chain) + (int64_t)chain->op_count,
		call->world->set.locked ? "\"unlocked_until\":0," : "", chain->blocks[0].time);
	put_last_block(call->out, chain);
}

static void getbalances(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	(void)buf_puts(call->out, "{\"mine\":{\"trusted\":");
	chain_put_amount(chain, call->out, chain->wallets[chain->wallet].balance);
	(void)buf_puts(call->out, ",\"untrusted_pending\":0.00000000,\"immature\":0.00000000},");
	put_last_block(call->out, chain);
}

static void getblockchaininfo(struct chain_call *call)
{
	const struct chain_world *world = call->world;
	const int64_t height = chain_height(world->chain);
	(void)buf_printf(
		call->out,
		"{\"chain\":\"%s\",\"blocks\":%" PRId64 ",\"headers\":%" PRId64
		",\"bestblockhash\":\"%s\",\"bits\":\"207fffff\",\"difficulty\":4.656542373906925e-"
		"10,"
		"\"target\":\"7fffff0000000000000000000000000000000000000000000000000000000000\","
		"\"time\":%" PRId64 ",\"mediantime\":%" PRId64
		",\"verificationprogress\":%s,\"initialblockdownload\":%s,\"chainwork\":\"%"
		"064" PRIx64 "\",\"size_on_disk\":%" PRId64
		",\"pruned\":false,\"warnings\":[\"This is a pre-release "
		"test build - use at your own risk - do not use for mining or merchant "
		"applications\"]}",
		json_string_value(world->set.chain), height, height, chain_tip(world->chain)->hash,
		chain_told_time(world, chain_tip(world->chain)->time),
		chain_told_time(world, chain_median_time(world->chain, height)),
		world->set.ibd ? "0.5" : "1", world->set.ibd ? "true" : "false",
		2 * (uint64_t)(height + 1), 77716 + 515 * (height - 150));
}

const struct chain_method chain_namecoin_methods[] = {
	{ "name_show", name_show },
	{ "name_history", name_history },
	{ "name_pending", name_pending },
	{ "name_scan", name_scan },
	{ "name_new", name_new },
	{ "name_firstupdate", name_firstupdate },
	{ "name_update", name_update },
	{ "getwalletinfo", getwalletinfo },
	{ "getbalances", getbalances },
	{ "getblockchaininfo", getblockchaininfo },
	{ NULL, NULL },
};
