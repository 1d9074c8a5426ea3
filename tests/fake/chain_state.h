/*
 * The chain of a fake Emercoin or Namecoin node, in memory: blocks, what waits in the
 * mempool, every name operation ever mined, wallets and their addresses. No JSON, no
 * network, no lock: the node (chain_node.h) holds one around every call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake/chain_address.h"

enum chain_kind { CHAIN_EMERCOIN, CHAIN_NAMECOIN };

enum chain_op_kind {
	CHAIN_NAME_NEW, /* Emercoin: registers; Namecoin: the pre-order, which hides the name */
	CHAIN_NAME_FIRSTUPDATE,
	CHAIN_NAME_UPDATE,
	CHAIN_NAME_DELETE,
};

enum {
	CHAIN_HEX_SIZE = 65,
	CHAIN_SALT_SIZE = 41,
	CHAIN_WALLET_SIZE = 32,
	CHAIN_WALLETS = 2,          /* the node's own, and "other": a second owner */
	CHAIN_PREORDER_BLOCKS = 12, /* between Namecoin's two steps */
	CHAIN_NAME_MAX = 512,       /* Emercoin's; Namecoin's is 255 */
	CHAIN_NAMECOIN_NAME_MAX = 255,
	CHAIN_EMERCOIN_VALUE_MAX = 20 * 1024,
	CHAIN_NAMECOIN_VALUE_MAX = 520,
	CHAIN_IN_MEMPOOL = -1,
	CHAIN_BUCKETS = 16384,
};

#define CHAIN_NONE SIZE_MAX

struct chain_block {
	char hash[CHAIN_HEX_SIZE];
	int64_t time;
};

struct chain_op {
	enum chain_op_kind kind;
	char txid[CHAIN_HEX_SIZE];
	char *name, *value;
	char address[CHAIN_ADDRESS_SIZE];
	char salt[CHAIN_SALT_SIZE];     /* of a pre-order */
	char preorder[CHAIN_HEX_SIZE];  /* of a firstupdate */
	char wallet[CHAIN_WALLET_SIZE]; /* who made it */
	int64_t time;
	int64_t days;
	int64_t vout;
	int64_t height; /* CHAIN_IN_MEMPOOL until it is mined */
	size_t next; /* the next operation whose name falls into the same bucket; see chain_first() */
};

struct chain_wallet {
	char name[CHAIN_WALLET_SIZE];
	int64_t balance; /* in the chain's smallest unit: 10^-6 EMC, 10^-8 NMC */
};

struct chain_owned {
	char address[CHAIN_ADDRESS_SIZE];
	size_t wallet;
};

struct chain {
	enum chain_kind kind;
	struct chain_block *blocks; /* the genesis block is at height 0 */
	size_t block_count;
	struct chain_op *ops; /* in the order in which they were made */
	size_t op_count;
	size_t first[CHAIN_BUCKETS], newest[CHAIN_BUCKETS]; /* of each bucket, CHAIN_NONE: empty */
	struct chain_owned *owned;
	size_t owned_count;
	struct chain_wallet wallets[CHAIN_WALLETS];
	size_t wallet;         /* whose calls these are */
	int64_t expiry_blocks; /* a day of Emercoin's (175), a life of Namecoin's (30 on regtest) */
	int64_t block_seconds; /* the least between two blocks */
};

/** A chain as long as the recorded one was at its first step (53 and 150 blocks), ending now. */
struct chain *chain_new(enum chain_kind kind, int64_t now_s);
void chain_free(struct chain *chain);
/** False: out of memory. The chain is then as it was. */
bool chain_mine(struct chain *chain, size_t blocks, int64_t now_s);
/** Take the last blocks away; their transactions return to the mempool, or are gone. */
void chain_unwind(struct chain *chain, size_t blocks, bool drop);

int64_t chain_height(const struct chain *chain);
const struct chain_block *chain_tip(const struct chain *chain);
/** Median of the eleven newest times up to this height, as consensus counts. */
int64_t chain_median_time(const struct chain *chain, int64_t height);

/**
 * The operations that may be of a name, oldest first: from chain_first() on by their `next`, until
 * CHAIN_NONE. Ten thousand names are asked in a test, and each is asked many times.
 */
size_t chain_first(const struct chain *chain, const char *name);
/** The last mined operation of a name, NULL: none. Namecoin's pre-orders are not of a name. */
const struct chain_op *chain_last(const struct chain *chain, const char *name);
/** The one that waits in the mempool, NULL: none; *count_out is how many do. */
const struct chain_op *chain_pending(const struct chain *chain, const char *name,
				     size_t *count_out);
const struct chain_op *chain_by_txid(const struct chain *chain, const char *txid);
/** Whether an operation is of this name (a pre-order of Namecoin is of none). */
bool chain_is_of(const struct chain *chain, const struct chain_op *op, const char *name);
/** Height at which the name ends, counted by its operations up to and with `last`; 0 deleted. */
int64_t chain_ends(const struct chain *chain, const struct chain_op *last);
/** Known, not deleted, not expired. */
bool chain_active(const struct chain *chain, const char *name);
/** Whether the acting wallet holds this address. */
bool chain_is_mine(const struct chain *chain, const char *address);
/** A new address of the acting wallet; false: out of memory. */
bool chain_new_address(struct chain *chain, bool bech32, char out[static CHAIN_ADDRESS_SIZE]);
bool chain_address_ok(const struct chain *chain, const char *address);

/**
 * Put an operation into the mempool: txid, time and wallet are made here, an empty address becomes
 * a new one of the acting wallet. Name and value are copied.
 * @return the operation; NULL: out of memory
 */
struct chain_op *chain_send(struct chain *chain, const struct chain_op *wish, int64_t now_s);
