/* Emercoin Core 0.8.6's names and wallet, as recorded; error texts beyond that from its source. */
#include "fake/chain_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FEE_NEW = 110000, FEE_UPDATE = 10100, DAYS_MAX = 365 * 100 };

static const char *operation(const struct chain_op *op)
{
	return op->kind == CHAIN_NAME_NEW      ? "name_new"
	       : op->kind == CHAIN_NAME_UPDATE ? "name_update"
					       : "name_delete";
}

static void put_value(struct buf *out, const char *value, const char *form)
{
	if (form == NULL || strcmp(form, "hex") != 0) {
		chain_put(out, value);
		return;
	}
	(void)buf_putc(out, '"');
	for (const char *at = value; *at != '\0'; at++)
		(void)buf_printf(out, "%02x", (unsigned int)(unsigned char)*at);
	(void)buf_putc(out, '"');
}

static void name_show(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	const char *name = chain_param_text(call, 0);
	if (name == NULL)
		return;
	if (json_array_size(call->params) > 2) {
		/* On a real node this writes a file of the caller's choice. */
		(void)json_array_append_new(call->world->violations,
					    json_string("name_show with a third parameter"));
		chain_fail(call, -32700,
			   "Failed to open file. Check if you have permission to open it.");
		return;
	}
	if (!chain_need_sync(call))
		return;
	const struct chain_op *last = chain_last(chain, name);
	if (last == NULL) {
		chain_fail(call, -4, "failed to read from name DB");
		return;
	}
	if (call->world->set.no_txindex) {
		chain_fail(call, -4, "failed to read from from disk");
		return;
	}
	const int64_t ends = chain_ends(chain, last), left = ends - chain_height(chain);
	(void)buf_puts(call->out, "{\"name\":");
	chain_put(call->out, name);
	(void)buf_puts(call->out, ",\"value\":");
	put_value(call->out, last->value, json_string_value(chain_param(call, 1)));
	(void)buf_printf(call->out,
			 ",\"txid\":\"%s\",\"address\":\"%s\",\"vout\":%" PRId64
			 ",\"expires_in\":%" PRId64 ",\"expires_at\":%" PRId64 ",\"time\":%" PRId64
			 "%s}",
			 last->txid, last->address, last->vout, left, ends, last->time,
			 last->kind == CHAIN_NAME_DELETE ? ",\"deleted\":true"
			 : left <= 0                     ? ",\"expired\":true"
							 : "");
}

static void put_days_and_value(struct buf *out, const struct chain_op *op)
{
	(void)buf_printf(out, "\"operation\":\"%s\"", operation(op));
	if (op->kind == CHAIN_NAME_DELETE)
		return;
	(void)buf_printf(out, ",\"days_added\":%" PRId64 ",\"value\":", op->days);
	chain_put(out, op->value);
}

static void name_history(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call) || !chain_need_sync(call))
		return;
	const char *name = chain_param_text(call, 0);
	if (name == NULL)
		return;
	const bool full = json_is_true(chain_param(call, 1));
	if (chain_last(chain, name) == NULL) {
		chain_fail(call, -20, "failed to read from name DB");
		return;
	}
	if (!full && !chain_active(chain, name)) {
		chain_fail(call, -1, "record for this name exists, but this name is not active");
		return;
	}
	if (call->world->set.no_txindex) {
		chain_fail(call, -20, "could not read transaction from disk");
		return;
	}
	size_t first = chain_first(chain, name);
	for (size_t i = first; i != CHAIN_NONE && !full; i = chain->ops[i].next) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height >= 0 && op->kind == CHAIN_NAME_NEW && strcmp(op->name, name) == 0)
			first = i;
	}
	const char *separator = "[";
	for (size_t i = first; i != CHAIN_NONE; i = chain->ops[i].next) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height < 0 || strcmp(op->name, name) != 0)
			continue;
		(void)buf_printf(call->out,
				 "%s{\"txid\":\"%s\",\"time\":%" PRId64 ",\"height\":%" PRId64
				 ",\"address\":\"%s\",\"vout\":%" PRId64 ",",
				 separator, op->txid, op->time, op->height, op->address, op->vout);
		if (chain_is_mine(chain, op->address))
			(void)buf_puts(call->out, "\"address_is_mine\":\"true\",");
		put_days_and_value(call->out, op);
		(void)buf_putc(call->out, '}');
		separator = ",";
	}
	(void)buf_putc(call->out, ']');
}

static void name_mempool(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	(void)buf_putc(call->out, '[');
	for (size_t i = 0, listed = 0; i < chain->op_count; i++) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height != CHAIN_IN_MEMPOOL)
			continue;
		(void)buf_puts(call->out, listed++ == 0 ? "{\"name\":" : ",{\"name\":");
		chain_put(call->out, op->name);
		(void)buf_printf(call->out,
				 ",\"txid\":\"%s\",\"time\":%" PRId64 ",\"address\":\"%s\",",
				 op->txid, op->time, op->address);
		if (chain_is_mine(chain, op->address))
			(void)buf_puts(call->out, "\"address_is_mine\":\"true\",");
		put_days_and_value(call->out, op);
		(void)buf_putc(call->out, '}');
	}
	(void)buf_putc(call->out, ']');
}

/* ---- writes ---- */

/** What the node checks of the name itself before it makes a transaction. */
static bool may_operate(struct chain_call *call, const struct chain_op *wish)
{
	const struct chain *chain = call->world->chain;
	size_t pending = 0;
	const struct chain_op *waits = chain_pending(chain, wish->name, &pending);
	if (waits != NULL) {
		chain_fail(call, -32603,
			   "there are %zu pending operations on that name, including %s", pending,
			   waits->txid);
		return false;
	}
	const bool active = chain_active(chain, wish->name);
	if (wish->kind == CHAIN_NAME_NEW) {
		if (active)
			chain_fail(call, -32603, "name_new on an unexpired name");
		return !active;
	}
	if (!active) {
		chain_fail(call, -32603, "%s on an inactive name", operation(wish));
		return false;
	}
	if (!chain_is_mine(chain, chain_last(chain, wish->name)->address)) {
		chain_fail(call, -32603, "prev name tx is not yours or is not spendable");
		return false;
	}
	return true;
}

static bool values_fit(struct chain_call *call, const struct chain_op *wish)
{
	const char *wrong = NULL;
	if (strlen(wish->name) > CHAIN_NAME_MAX)
		wrong = "name is too long.\n";
	else if (strlen(wish->value) > CHAIN_EMERCOIN_VALUE_MAX)
		wrong = "value is too long.\n";
	else if (wish->kind == CHAIN_NAME_NEW && wish->days < 1)
		wrong = "rental days must be greater than 0.\n";
	else if (wish->days < 0)
		wrong = "rental days must be greater or equal 0.\n";
	else if (wish->days > DAYS_MAX)
		wrong = "rental days value is too large.\n";
	if (wrong != NULL) {
		chain_fail(call, -32603, "%s", wrong);
		return false;
	}
	if (wish->address[0] != '\0' && !chain_address_ok(call->world->chain, wish->address)) {
		chain_fail(call, -5, "emercoin address is invalid");
		return false;
	}
	return true;
}

static void operate(struct chain_call *call, struct chain_op *wish)
{
	if (wish->kind == CHAIN_NAME_NEW && wish->value[0] == '\0') {
		chain_fail(call, -32603, "value must not be empty");
		return;
	}
	if (!chain_need_sync(call) || !may_operate(call, wish))
		return;
	/* An empty value keeps the old one. */
	if (wish->kind == CHAIN_NAME_UPDATE && wish->value[0] == '\0')
		wish->value = chain_last(call->world->chain, wish->name)->value;
	if (!values_fit(call, wish))
		return;
	const struct chain_op *op =
		chain_pay(call, wish, wish->kind == CHAIN_NAME_NEW ? FEE_NEW : FEE_UPDATE);
	if (op != NULL)
		(void)buf_printf(call->out, "\"%s\"", op->txid);
}

static void new_or_update(struct chain_call *call, enum chain_op_kind kind)
{
	if (!chain_need_wallet(call))
		return;
	if (json_array_size(call->params) < 3) {
		chain_fail(call, -1, "%s \"name\" \"value\" days ( \"toaddress\" \"valuetype\" )",
			   kind == CHAIN_NAME_NEW ? "name_new" : "name_update");
		return;
	}
	if (!json_is_integer(chain_param(call, 2))) {
		chain_fail(call, -1, "JSON value is not an integer as expected");
		return;
	}
	const char *name = chain_param_text(call, 0), *value = chain_param_text(call, 1);
	if (name == NULL || value == NULL)
		return;
	const char *address = json_string_value(chain_param(call, 3));
	struct chain_op wish = { .kind = kind,
				 .name = (char *)(uintptr_t)name,
				 .value = (char *)(uintptr_t)value,
				 .days = json_integer_value(chain_param(call, 2)) };
	(void)snprintf(wish.address, sizeof(wish.address), "%s", address != NULL ? address : "");
	operate(call, &wish);
}

static void name_new(struct chain_call *call)
{
	new_or_update(call, CHAIN_NAME_NEW);
}

static void name_update(struct chain_call *call)
{
	new_or_update(call, CHAIN_NAME_UPDATE);
}

static void name_delete(struct chain_call *call)
{
	if (!chain_need_wallet(call))
		return;
	const char *name = chain_param_text(call, 0);
	char nothing[] = "";
	struct chain_op wish = { .kind = CHAIN_NAME_DELETE,
				 .name = (char *)(uintptr_t)name,
				 .value = nothing };
	if (name != NULL)
		operate(call, &wish);
}

/* ---- the node and its wallet ---- */

static void getinfo(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	(void)buf_puts(call->out,
		       "{\"fullversion\":\"v0.8.6.0-c8c9d3fca-dirty\",\"version\":80600,"
		       "\"protocolversion\":70015,\"walletversion\":169900,\"balance\":");
	chain_put_amount(chain, call->out, chain->wallets[chain->wallet].balance);
	(void)buf_printf(call->out,
			 ",\"newmint\":160614.969800,\"stake\":0.000000,\"blocks\":%" PRId64
			 ",\"moneysupply\":266031.991200,\"timeoffset\":0,\"connections\":0,"
			 "\"proxy\":\"\",\"pow-difficulty\":4.663281072377285e-10,"
			 "\"pos-difficulty\":0.06249910592947572,\"testnet\":false,"
			 "\"keypoololdest\":%" PRId64 ",\"keypoolsize\":1999,\"paytxfee\":0.000100,"
			 "\"relayfee\":0.000100,\"encrypted\":%s,\"mintonly\":false,"
			 "\"errors\":\"\"}",
			 chain_height(chain), chain->blocks[0].time,
			 call->world->set.locked ? "true" : "false");
}

static void getwalletinfo(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	(void)buf_puts(call->out, "{\"walletname\":");
	chain_put(call->out, chain->wallets[chain->wallet].name);
	(void)buf_puts(call->out, ",\"walletversion\":169900,\"balance\":");
	chain_put_amount(chain, call->out, chain->wallets[chain->wallet].balance);
	(void)buf_printf(call->out,
			 ",\"unconfirmed_balance\":0.000000,\"immature_balance\":160614.969800,"
			 "\"txcount\":%" PRId64 ",\"keypoololdest\":%" PRId64
			 ",\"keypoolsize\":999,\"keypoolsize_hd_internal\":1000,",
			 chain_height(chain) + (int64_t)chain->op_count, chain->blocks[0].time);
	/* An encrypted wallet says until when it is unlocked; 0: it is not. */
	(void)buf_printf(call->out,
			 "%s\"paytxfee\":0.000100,"
			 "\"hdseedid\":\"10e1e84887f14b0bec178c3d640875acc0d33414\","
			 "\"private_keys_enabled\":true,\"avoid_reuse\":false,\"scanning\":false}",
			 call->world->set.locked ? "\"unlocked_until\":0," : "");
}

static void getblockchaininfo(struct chain_call *call)
{
	const struct chain_world *world = call->world;
	const int64_t height = chain_height(world->chain);
	(void)buf_printf(
		call->out,
		"{\"chain\":\"%s\",\"blocks\":%" PRId64 ",\"headers\":%" PRId64
		",\"bestblockhash\":\"%s\",\"difficulty\":0.06249910592947572,\"mediantime\":"
		"%" PRId64 ",\"verificationprogress\":%s,\"initialblockdownload\":%s,\"chainwork\":"
		"\"%064" PRIx64 "\",\"size_on_disk\":%" PRId64
		",\"pruned\":false,\"softforks\":{},\"warnings\":\"\"}",
		json_string_value(world->set.chain), height, height, chain_tip(world->chain)->hash,
		chain_told_time(world, chain_median_time(world->chain, height)),
		world->set.ibd ? "0.5" : "1", world->set.ibd ? "true" : "false",
		2 * (uint64_t)(height + 1), 500 * (height + 1));
}

const struct chain_method chain_emercoin_methods[] = {
	{ "name_show", name_show },
	{ "name_history", name_history },
	{ "name_mempool", name_mempool },
	{ "name_new", name_new },
	{ "name_update", name_update },
	{ "name_delete", name_delete },
	{ "getinfo", getinfo },
	{ "getwalletinfo", getwalletinfo },
	{ "getblockchaininfo", getblockchaininfo },
	{ NULL, NULL },
};
