/* One array of operations in the order in which they came; everything about a name is read from it. */
#include "fake/chain_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/random.h"

enum { EMERCOIN_START = 53, NAMECOIN_START = 150, MEDIAN_BLOCKS = 11 };

static bool random_hex(char *out, size_t bytes)
{
	uint8_t raw[32];
	if (random_system()->fill(random_system(), raw, bytes) != IOTPKI_OK)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		out[2 * i] = "0123456789abcdef"[raw[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
	}
	out[2 * bytes] = '\0';
	return true;
}

/* ---- where the operations of a name are ---- */

static size_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261;
	for (const char *at = name; *at != '\0'; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619;
	return hash % CHAIN_BUCKETS;
}

size_t chain_first(const struct chain *chain, const char *name)
{
	return chain->first[bucket_of(name)];
}

static void link_op(struct chain *chain, size_t index)
{
	const size_t bucket = bucket_of(chain->ops[index].name);
	chain->ops[index].next = CHAIN_NONE;
	if (chain->first[bucket] == CHAIN_NONE)
		chain->first[bucket] = index;
	else
		chain->ops[chain->newest[bucket]].next = index;
	chain->newest[bucket] = index;
}

static void link_all(struct chain *chain)
{
	for (size_t i = 0; i < CHAIN_BUCKETS; i++)
		chain->first[i] = CHAIN_NONE;
	for (size_t i = 0; i < chain->op_count; i++)
		link_op(chain, i);
}

/* ---- blocks ---- */

static bool add_block(struct chain *chain, int64_t time_s)
{
	struct chain_block *grown =
		reallocarray(chain->blocks, chain->block_count + 1, sizeof(*grown));
	if (grown == NULL)
		return false;
	chain->blocks = grown;
	struct chain_block *block = &grown[chain->block_count];
	block->time = time_s;
	if (!random_hex(block->hash, 32))
		return false;
	chain->block_count++;
	return true;
}

int64_t chain_height(const struct chain *chain)
{
	return (int64_t)chain->block_count - 1;
}

const struct chain_block *chain_tip(const struct chain *chain)
{
	return &chain->blocks[chain->block_count - 1];
}

static int by_value(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

int64_t chain_median_time(const struct chain *chain, int64_t height)
{
	int64_t times[MEDIAN_BLOCKS];
	size_t count = 0;
	while (count < MEDIAN_BLOCKS && height >= 0)
		times[count++] = chain->blocks[height--].time;
	qsort(times, count, sizeof(times[0]), by_value);
	return count == 0 ? 0 : times[count / 2];
}

struct chain *chain_new(enum chain_kind kind, int64_t now_s)
{
	struct chain *chain = calloc(1, sizeof(*chain));
	if (chain == NULL)
		return NULL;
	const int64_t start = kind == CHAIN_EMERCOIN ? EMERCOIN_START : NAMECOIN_START;
	chain->kind = kind;
	link_all(chain);
	chain->expiry_blocks = kind == CHAIN_EMERCOIN ? 175 : 30;
	chain->block_seconds = 1;
	chain->wallets[0].balance =
		kind == CHAIN_EMERCOIN ? INT64_C(105417021400) : INT64_C(250000000000);
	if (kind == CHAIN_NAMECOIN)
		chain->wallets[0].name[0] = 'w';
	memcpy(chain->wallets[1].name, "other", sizeof("other"));
	chain->wallets[1].balance = chain->wallets[0].balance;
	for (int64_t i = 0; i <= start; i++) {
		if (!add_block(chain, now_s - start + i)) {
			chain_free(chain);
			return NULL;
		}
	}
	return chain;
}

static void release_op(struct chain_op *op)
{
	free(op->name);
	free(op->value);
}

void chain_free(struct chain *chain)
{
	if (chain == NULL)
		return;
	for (size_t i = 0; i < chain->op_count; i++)
		release_op(&chain->ops[i]);
	free(chain->ops);
	free(chain->blocks);
	free(chain->owned);
	free(chain);
}

/** Consensus takes a firstupdate only when its pre-order is twelve blocks deep; until then it waits. */
static bool may_be_mined(const struct chain *chain, const struct chain_op *op, int64_t height)
{
	if (op->kind != CHAIN_NAME_FIRSTUPDATE)
		return true;
	const struct chain_op *preorder = chain_by_txid(chain, op->preorder);
	return preorder != NULL && preorder->height >= 0 &&
	       preorder->height + CHAIN_PREORDER_BLOCKS <= height;
}

bool chain_mine(struct chain *chain, size_t blocks, int64_t now_s)
{
	for (size_t done = 0; done < blocks; done++) {
		const int64_t least = chain_tip(chain)->time + chain->block_seconds;
		if (!add_block(chain, least > now_s ? least : now_s))
			return false;
		const int64_t height = chain_height(chain);
		for (size_t i = 0; i < chain->op_count; i++) {
			struct chain_op *op = &chain->ops[i];
			if (op->height == CHAIN_IN_MEMPOOL && may_be_mined(chain, op, height))
				op->height = height;
		}
	}
	return true;
}

void chain_unwind(struct chain *chain, size_t blocks, bool drop)
{
	const size_t most = chain->block_count - 1;
	chain->block_count -= blocks < most ? blocks : most;
	const int64_t height = chain_height(chain);
	size_t kept = 0;
	for (size_t i = 0; i < chain->op_count; i++) {
		struct chain_op op = chain->ops[i];
		if (op.height > height && drop) {
			release_op(&op);
			continue;
		}
		if (op.height > height)
			op.height = CHAIN_IN_MEMPOOL;
		chain->ops[kept++] = op;
	}
	chain->op_count = kept;
	link_all(chain);
}

/* ---- names ---- */

bool chain_is_of(const struct chain *chain, const struct chain_op *op, const char *name)
{
	if (chain->kind == CHAIN_NAMECOIN && op->kind == CHAIN_NAME_NEW)
		return false;
	return strcmp(op->name, name) == 0;
}

const struct chain_op *chain_last(const struct chain *chain, const char *name)
{
	/* By height, not by place: what came back from a reorganised block may be mined out of order. */
	const struct chain_op *last = NULL;
	for (size_t i = chain_first(chain, name); i != CHAIN_NONE; i = chain->ops[i].next) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height >= 0 && (last == NULL || op->height >= last->height) &&
		    chain_is_of(chain, op, name))
			last = op;
	}
	return last;
}

const struct chain_op *chain_pending(const struct chain *chain, const char *name, size_t *count_out)
{
	const struct chain_op *first = NULL;
	*count_out = 0;
	for (size_t i = chain_first(chain, name); i != CHAIN_NONE; i = chain->ops[i].next) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height != CHAIN_IN_MEMPOOL || !chain_is_of(chain, op, name))
			continue;
		first = first == NULL ? op : first;
		++*count_out;
	}
	return first;
}

const struct chain_op *chain_by_txid(const struct chain *chain, const char *txid)
{
	for (size_t i = 0; i < chain->op_count; i++) {
		if (strcmp(chain->ops[i].txid, txid) == 0)
			return &chain->ops[i];
	}
	return NULL;
}

int64_t chain_ends(const struct chain *chain, const struct chain_op *last)
{
	if (chain->kind == CHAIN_NAMECOIN)
		return last->height + chain->expiry_blocks;
	/* Days are counted from a registration and added by the updates after it. */
	int64_t ends = 0;
	for (size_t i = chain_first(chain, last->name); i != CHAIN_NONE; i = chain->ops[i].next) {
		const struct chain_op *op = &chain->ops[i];
		if (op->height < 0 || op->height > last->height ||
		    strcmp(op->name, last->name) != 0)
			continue;
		const int64_t blocks = op->days * chain->expiry_blocks;
		ends = op->kind == CHAIN_NAME_NEW      ? op->height + blocks
		       : op->kind == CHAIN_NAME_DELETE ? 0
						       : ends + blocks;
	}
	return ends;
}

bool chain_active(const struct chain *chain, const char *name)
{
	const struct chain_op *last = chain_last(chain, name);
	return last != NULL && last->kind != CHAIN_NAME_DELETE &&
	       chain_ends(chain, last) > chain_height(chain);
}

/* ---- wallets ---- */

bool chain_is_mine(const struct chain *chain, const char *address)
{
	for (size_t i = 0; i < chain->owned_count; i++) {
		if (strcmp(chain->owned[i].address, address) == 0)
			return chain->owned[i].wallet == chain->wallet;
	}
	return false;
}

bool chain_address_ok(const struct chain *chain, const char *address)
{
	return chain_address_valid(
		chain->kind == CHAIN_EMERCOIN ? CHAIN_EMERCOIN_HRP : CHAIN_NAMECOIN_HRP, address);
}

bool chain_new_address(struct chain *chain, bool bech32, char out[static CHAIN_ADDRESS_SIZE])
{
	uint8_t hash[CHAIN_HASH160_LEN];
	struct chain_owned *grown =
		reallocarray(chain->owned, chain->owned_count + 1, sizeof(*grown));
	if (grown == NULL)
		return false;
	chain->owned = grown;
	if (random_system()->fill(random_system(), hash, sizeof(hash)) != IOTPKI_OK)
		return false;
	if (bech32)
		chain_address_bech32(chain->kind == CHAIN_EMERCOIN ? CHAIN_EMERCOIN_HRP
								   : CHAIN_NAMECOIN_HRP,
				     hash, out);
	else
		chain_address_base58(hash, out);
	struct chain_owned *owned = &grown[chain->owned_count++];
	memcpy(owned->address, out, sizeof(owned->address));
	owned->wallet = chain->wallet;
	return true;
}

struct chain_op *chain_send(struct chain *chain, const struct chain_op *wish, int64_t now_s)
{
	struct chain_op *grown = reallocarray(chain->ops, chain->op_count + 1, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	chain->ops = grown;
	struct chain_op op = *wish;
	const int64_t tip_s = chain_tip(chain)->time;
	op.time = tip_s > now_s ? tip_s : now_s;
	op.height = CHAIN_IN_MEMPOOL;
	memcpy(op.wallet, chain->wallets[chain->wallet].name, sizeof(op.wallet));
	if (!random_hex(op.txid, 32) ||
	    (op.address[0] == '\0' &&
	     !chain_new_address(chain, chain->kind == CHAIN_EMERCOIN, op.address)))
		return NULL;
	if (chain->kind == CHAIN_NAMECOIN && op.kind == CHAIN_NAME_NEW && !random_hex(op.salt, 20))
		return NULL;
	op.name = strdup(wish->name);
	op.value = strdup(wish->value);
	if (op.name == NULL || op.value == NULL) {
		release_op(&op);
		return NULL;
	}
	chain->ops[chain->op_count] = op;
	link_op(chain, chain->op_count);
	return &chain->ops[chain->op_count++];
}
