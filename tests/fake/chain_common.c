/* What both nodes have from Bitcoin: blocks, transactions, balances; and what every method needs. */
#include "fake/chain_call.h"

#include <inttypes.h>
#include <string.h>

int64_t chain_unit(const struct chain *chain)
{
	return chain->kind == CHAIN_EMERCOIN ? 1000000 : 100000000;
}

void chain_put_amount(const struct chain *chain, struct buf *buf, int64_t amount)
{
	const int64_t unit = chain_unit(chain), size = amount < 0 ? -amount : amount;
	(void)buf_printf(buf, "%s%" PRId64 ".%0*" PRId64, amount < 0 ? "-" : "", size / unit,
			 chain->kind == CHAIN_EMERCOIN ? 6 : 8, size % unit);
}

int64_t chain_told_time(const struct chain_world *world, int64_t time_s)
{
	return world->set.tip_age_s < 0 ? time_s : chain_now() - world->set.tip_age_s;
}

bool chain_need_wallet(struct chain_call *call)
{
	const struct chain_switches *set = &call->world->set;
	const bool emercoin = call->world->chain->kind == CHAIN_EMERCOIN;
	if (set->no_wallet && emercoin)
		chain_fail(
			call, -32601,
			"Method not found (wallet method is disabled because no wallet is loaded)");
	else if (set->no_wallet)
		chain_fail(
			call, -18,
			"No wallet is loaded. Load a wallet using loadwallet or create a new one "
			"with createwallet. (Note: A default wallet is no longer automatically "
			"created)");
	else if (set->several_wallets)
		chain_fail(call, -19,
			   emercoin ? "Wallet file not specified (must request wallet RPC "
				      "through /wallet/<filename> uri-path)."
				    : "Multiple wallets are loaded. Please select which "
				      "wallet to use by requesting the RPC through the "
				      "/wallet/<walletname> URI path.");
	return call->code == 0;
}

bool chain_need_sync(struct chain_call *call)
{
	if (call->world->set.ibd)
		chain_fail(call, -10, "%s is downloading blocks...",
			   call->world->chain->kind == CHAIN_EMERCOIN ? "Emercoin" : "Namecoin");
	return call->code == 0;
}

struct chain_op *chain_pay(struct chain_call *call, const struct chain_op *wish, int64_t fee)
{
	struct chain *chain = call->world->chain;
	struct chain_wallet *wallet = &chain->wallets[chain->wallet];
	if (call->world->set.locked) {
		chain_fail(
			call, -13,
			"Error: Please enter the wallet passphrase with walletpassphrase first.");
		return NULL;
	}
	if (wallet->balance < fee) {
		chain_fail(call, -6, "Insufficient funds");
		return NULL;
	}
	struct chain_op op = *wish;
	op.vout = call->world->set.vout;
	struct chain_op *sent = chain_send(chain, &op, chain_now());
	if (sent == NULL)
		chain_fail(call, -7, "Out of memory");
	else
		wallet->balance -= fee;
	return sent;
}

/* ---- blocks ---- */

static void getblockcount(struct chain_call *call)
{
	(void)buf_printf(call->out, "%" PRId64, chain_height(call->world->chain));
}

static void getbestblockhash(struct chain_call *call)
{
	(void)buf_printf(call->out, "\"%s\"", chain_tip(call->world->chain)->hash);
}

static void getblockhash(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	const json_t *height = chain_param(call, 0);
	const int64_t at = json_is_integer(height) ? json_integer_value(height) : -1;
	if (at < 0 || at > chain_height(chain))
		chain_fail(call, -8, "Block height out of range");
	else
		(void)buf_printf(call->out, "\"%s\"", chain->blocks[at].hash);
}

static void put_transactions(struct buf *out, const struct chain *chain, int64_t height)
{
	(void)buf_puts(out, ",\"tx\":[");
	for (size_t i = 0, listed = 0; i < chain->op_count; i++) {
		if (chain->ops[i].height == height)
			(void)buf_printf(out, "%s\"%s\"", listed++ == 0 ? "" : ",",
					 chain->ops[i].txid);
	}
	(void)buf_putc(out, ']');
}

static void put_block(struct chain_call *call, bool transactions)
{
	const struct chain *chain = call->world->chain;
	const char *hash = chain_param_text(call, 0);
	if (hash == NULL)
		return;
	int64_t at = 0;
	while (at < (int64_t)chain->block_count && strcmp(chain->blocks[at].hash, hash) != 0)
		at++;
	if (at == (int64_t)chain->block_count) {
		chain_fail(call, -5, "Block not found");
		return;
	}
	(void)buf_printf(call->out,
			 "{\"hash\":\"%s\",\"confirmations\":%" PRId64 ",\"height\":%" PRId64
			 ",\"time\":%" PRId64 ",\"mediantime\":%" PRId64,
			 hash, chain_height(chain) - at + 1, at, chain->blocks[at].time,
			 chain_median_time(chain, at));
	if (transactions)
		put_transactions(call->out, chain, at);
	if (at > 0)
		(void)buf_printf(call->out, ",\"previousblockhash\":\"%s\"",
				 chain->blocks[at - 1].hash);
	if (at < chain_height(chain))
		(void)buf_printf(call->out, ",\"nextblockhash\":\"%s\"",
				 chain->blocks[at + 1].hash);
	(void)buf_putc(call->out, '}');
}

static void getblock(struct chain_call *call)
{
	put_block(call, true);
}

static void getblockheader(struct chain_call *call)
{
	put_block(call, false);
}

/* ---- transactions ---- */

static void put_confirmations(struct buf *out, const struct chain *chain, const struct chain_op *op)
{
	if (op->height < 0) {
		(void)buf_puts(out, "\"confirmations\":0");
		return;
	}
	(void)buf_printf(out,
			 "\"confirmations\":%" PRId64
			 ",\"blockhash\":\"%s\",\"blockheight\":%" PRId64
			 ",\"blockindex\":1,\"blocktime\":%" PRId64,
			 chain_height(chain) - op->height + 1, chain->blocks[op->height].hash,
			 op->height, chain->blocks[op->height].time);
}

static void gettransaction(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	const char *txid = chain_param_text(call, 0);
	if (txid == NULL)
		return;
	const struct chain_op *op = chain_by_txid(chain, txid);
	if (op == NULL || (strcmp(op->wallet, chain->wallets[chain->wallet].name) != 0 &&
			   !chain_is_mine(chain, op->address))) {
		chain_fail(call, -5, "Invalid or non-wallet transaction id");
		return;
	}
	(void)buf_puts(call->out, "{\"amount\":");
	chain_put_amount(chain, call->out, 0);
	(void)buf_puts(call->out, ",\"fee\":");
	chain_put_amount(chain, call->out, -100);
	(void)buf_putc(call->out, ',');
	put_confirmations(call->out, chain, op);
	(void)buf_printf(call->out,
			 ",\"txid\":\"%s\",\"walletconflicts\":[],\"time\":%" PRId64
			 ",\"timereceived\":%" PRId64
			 ",\"bip125-replaceable\":\"no\",\"details\":[],\"hex\":\"00\"}",
			 op->txid, op->time, op->time);
}

static void getrawtransaction(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	const char *txid = chain_param_text(call, 0);
	if (txid == NULL)
		return;
	const struct chain_op *op = chain_by_txid(chain, txid);
	if (op == NULL || (op->height >= 0 && call->world->set.no_txindex)) {
		chain_fail(
			call, -5,
			op == NULL
				? "No such mempool or blockchain transaction. Use gettransaction "
				  "for wallet transactions."
				: "No such mempool transaction. Use -txindex or provide a block "
				  "hash to enable blockchain transaction queries. Use "
				  "gettransaction for wallet transactions.");
		return;
	}
	const json_t *verbose = chain_param(call, 1);
	if (!json_is_true(verbose) && json_integer_value(verbose) == 0) {
		(void)buf_puts(call->out, "\"00\"");
		return;
	}
	(void)buf_printf(call->out, "{\"txid\":\"%s\",\"hash\":\"%s\",\"version\":1,\"hex\":\"00\"",
			 op->txid, op->txid);
	if (op->height >= 0)
		(void)buf_printf(call->out,
				 ",\"blockhash\":\"%s\",\"confirmations\":%" PRId64
				 ",\"time\":%" PRId64 ",\"blocktime\":%" PRId64,
				 chain->blocks[op->height].hash,
				 chain_height(chain) - op->height + 1,
				 chain->blocks[op->height].time, chain->blocks[op->height].time);
	(void)buf_putc(call->out, '}');
}

static void getrawmempool(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	(void)buf_putc(call->out, '[');
	for (size_t i = 0, listed = 0; i < chain->op_count; i++) {
		if (chain->ops[i].height == CHAIN_IN_MEMPOOL)
			(void)buf_printf(call->out, "%s\"%s\"", listed++ == 0 ? "" : ",",
					 chain->ops[i].txid);
	}
	(void)buf_putc(call->out, ']');
}

/* ---- the wallet ---- */

static void getnewaddress(struct chain_call *call)
{
	char address[CHAIN_ADDRESS_SIZE];
	struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	if (chain_new_address(chain, chain->kind == CHAIN_EMERCOIN, address))
		(void)buf_printf(call->out, "\"%s\"", address);
	else
		chain_fail(call, -7, "Out of memory");
}

/** Of one address alone, as the fourth parameter asks; pre-orders pay to one too. */
static void listreceivedbyaddress(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (!chain_need_wallet(call))
		return;
	const char *address = chain_param_text(call, 3);
	if (address == NULL)
		return;
	(void)buf_puts(call->out, "[");
	if (chain_is_mine(chain, address)) {
		(void)buf_puts(call->out, "{\"address\":");
		chain_put(call->out, address);
		(void)buf_puts(call->out, ",\"amount\":0.01000000,\"confirmations\":0,"
					  "\"label\":\"iotpki\",\"txids\":[");
		for (size_t i = 0, listed = 0; i < chain->op_count; i++) {
			if (strcmp(chain->ops[i].address, address) == 0)
				(void)buf_printf(call->out, "%s\"%s\"", listed++ == 0 ? "" : ",",
						 chain->ops[i].txid);
		}
		(void)buf_puts(call->out, "]}");
	}
	(void)buf_putc(call->out, ']');
}

static void validateaddress(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	const char *address = chain_param_text(call, 0);
	if (address == NULL)
		return;
	const bool valid = chain_address_ok(chain, address);
	(void)buf_printf(call->out, "{\"isvalid\":%s", valid ? "true" : "false");
	if (valid) {
		(void)buf_puts(call->out, ",\"address\":");
		chain_put(call->out, address);
	}
	(void)buf_putc(call->out, '}');
}

static void getbalance(struct chain_call *call)
{
	const struct chain *chain = call->world->chain;
	if (chain_need_wallet(call))
		chain_put_amount(chain, call->out, chain->wallets[chain->wallet].balance);
}

static void settxfee(struct chain_call *call)
{
	if (!chain_need_wallet(call))
		return;
	if (json_is_number(chain_param(call, 0)))
		(void)buf_puts(call->out, "true");
	else
		chain_fail(call, -3, "Amount is not a number or string");
}

/** A node of a chain without traffic cannot estimate; the real ones say it so. */
static void estimatesmartfee(struct chain_call *call)
{
	(void)buf_puts(call->out,
		       "{\"errors\":[\"Insufficient data or no feerate found\"],\"blocks\":2}");
}

const struct chain_method chain_common_methods[] = {
	{ "getblockcount", getblockcount },
	{ "getbestblockhash", getbestblockhash },
	{ "getblockhash", getblockhash },
	{ "getblock", getblock },
	{ "getblockheader", getblockheader },
	{ "gettransaction", gettransaction },
	{ "getrawtransaction", getrawtransaction },
	{ "getrawmempool", getrawmempool },
	{ "getnewaddress", getnewaddress },
	{ "listreceivedbyaddress", listreceivedbyaddress },
	{ "validateaddress", validateaddress },
	{ "getbalance", getbalance },
	{ "settxfee", settxfee },
	{ "estimatesmartfee", estimatesmartfee },
	{ NULL, NULL },
};
