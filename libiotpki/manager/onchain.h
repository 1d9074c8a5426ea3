/*
 * One name on one chain, as its owner's wallet writes it (design 6, "Chain writes"; docs/design.md,
 * "Names on chains"): what is wanted and how far it is (the text of its durable file), what the node
 * shows, and what is to be done next. Pure: no I/O, no clock.
 *
 * Everything that is sent is safe to be asked for again after a kill at any place, since each step
 * starts from what the node shows, and the chain takes a registration only once.
 */
#pragma once

#include "config/config.h"
#include "nvs/nvs.h"

enum {
	ONCHAIN_ADDRESS_MAX = 128,      /* bytes of an address of the chain */
	ONCHAIN_SALT_MAX = 40,          /* hex digits of Namecoin's "rand" */
	ONCHAIN_TEXT_MAX = 4096,        /* bytes of a progress file */
	ONCHAIN_ORDER_DEPTH = 12,       /* Namecoin: blocks from name_new to name_firstupdate */
	ONCHAIN_EMERCOIN_DAY = 175,     /* Emercoin: blocks in a day of rent */
	ONCHAIN_NAMECOIN_LIFE = 36000,  /* Namecoin: blocks of a registration or update */
	ONCHAIN_EMERCOIN_BLOCK_S = 493, /* seconds, as design 6 counts them */
	ONCHAIN_NAMECOIN_BLOCK_S = 600,
	ONCHAIN_TIP_AGE_MAX_S = 4 * 3600, /* an older tip: the node is not in sync */
};
#define ONCHAIN_COIN INT64_C(100000000) /* amounts are counted in 1/100,000,000 of a coin */

/* ---- why not: one table for messages, advice and exit codes ---- */

enum onchain_problem {
	ONCHAIN_OK = 0,
	ONCHAIN_FUNDS,        /* insufficient funds */
	ONCHAIN_LOCKED,       /* the wallet is locked */
	ONCHAIN_PENDING,      /* another operation on the name is unconfirmed */
	ONCHAIN_TAKEN,        /* the name is somebody else's */
	ONCHAIN_NOT_OWNER,    /* the wallet has not the name's key */
	ONCHAIN_EXPIRED,      /* it is not registered (any more): only registering it is possible */
	ONCHAIN_TOO_LONG,     /* the value */
	ONCHAIN_NOT_IN_SYNC,  /* initial download, or an old tip */
	ONCHAIN_REVOKED,      /* a revocation in the name's present life */
	ONCHAIN_EXISTS,       /* register: it is this owner's already, with something else */
	ONCHAIN_NO_WALLET,    /* no wallet, or a node without the history that is needed */
	ONCHAIN_UNAUTHORIZED, /* the credentials are wrong */
	ONCHAIN_BAD_ADDRESS,  /* transfer: not an address of this chain */
	ONCHAIN_UNREACHABLE,
	ONCHAIN_BROKEN, /* an answer that is in no table */
	ONCHAIN_PROBLEM_COUNT,
};

struct onchain_problem_row {
	const char *name; /* for --json: "insufficient-funds" */
	int exit;         /* of the iotpki command (iotpki-dm(1)) */
	const char *text; /* what is wrong */
	/* What to do; %s: the wallet program of the chain. */
	const char *advice;
};
/** Never NULL. */
const struct onchain_problem_row *onchain_problem_row(enum onchain_problem problem);
/** "emercoin-cli", "namecoin-cli". */
const char *onchain_program(enum config_node_type type);
/** "EMC", "NMC". */
const char *onchain_coin(enum config_node_type type);

/* ---- what is wanted, and how far it is ---- */

enum onchain_op { ONCHAIN_REGISTER, ONCHAIN_UPDATE, ONCHAIN_REVOKE, ONCHAIN_TRANSFER };
enum onchain_stage {
	ONCHAIN_WANTED,  /* nothing is known to have been sent */
	ONCHAIN_ORDERED, /* Namecoin: the pre-order's txid is known */
	ONCHAIN_SENT,    /* the operation was sent or seen; it is not deep enough yet */
	ONCHAIN_DONE,
	ONCHAIN_NOTHING, /* revoke: it was never registered here, and will not be */
};

/** What the progress file holds. Zero: nothing was ever wanted of the name on this network. */
struct onchain_progress {
	enum config_node_type type;
	enum onchain_op op;
	enum onchain_stage stage;
	char value[IOTPKI_VALUE_MAX + 1]; /* that the name shall have */
	int64_t expires_s;                /* the end that the owner wants; of the value's ex= */
	uint32_t days;                    /* Emercoin: to pay for with this operation */
	bool has_prev;                    /* the name's txid when this was wanted */
	uint8_t prev[IOTPKI_SHA256_LEN];
	/* register on Namecoin: the wallet's address for the pre-order, fetched and stored before
	 * name_new, because the wallet derives the salt from its key. transfer: the new owner's. */
	char address[ONCHAIN_ADDRESS_MAX + 1];
	bool has_preorder;
	uint8_t preorder[IOTPKI_SHA256_LEN];
	char salt[ONCHAIN_SALT_MAX +
		  1];  /* "" if the answer to name_new was lost: the wallet knows it */
	bool has_txid; /* of the operation itself */
	uint8_t txid[IOTPKI_SHA256_LEN];
	bool has_registration; /* of the present life, once it was seen */
	uint8_t registration[IOTPKI_SHA256_LEN];
	uint32_t to_go; /* blocks, when last looked */
	int64_t ends_s; /* that the chain said when last looked, 0: not known */
};

/** Append the text of the file. */
enum iotpki_err onchain_format(const struct onchain_progress *progress, struct buf *out) MUST_CHECK;
/** progress_out is all zero unless IOTPKI_OK; the detail has the line. */
enum iotpki_err onchain_parse(const char *text, size_t len, struct onchain_progress *progress_out,
			      struct iotpki_detail *detail) MUST_CHECK;
/** "register", "update", ...; never NULL. */
const char *onchain_op_name(enum onchain_op op);
/** "pre-ordered", "pending", "registered", "revoked", ...: for lists; never NULL. */
const char *onchain_state_name(const struct onchain_progress *progress, int64_t now_s);

/* ---- what the node shows ---- */

enum onchain_name {
	ONCHAIN_NAME_FREE,
	ONCHAIN_NAME_HELD,
	ONCHAIN_NAME_EXPIRED,
	ONCHAIN_NAME_DELETED
};
enum onchain_mine { ONCHAIN_MINE_UNKNOWN, ONCHAIN_MINE, ONCHAIN_NOT_MINE };
enum { ONCHAIN_DEPTH_UNKNOWN = -1 };

struct onchain_seen {
	uint64_t height; /* of the tip */
	int64_t tip_s;
	bool downloading;

	enum onchain_name name;
	enum onchain_mine mine; /* HELD */
	char value[IOTPKI_VALUE_MAX + 1];
	bool value_odd; /* not printable ASCII: no record, and not shown */
	bool value_cut; /* the chain holds a longer one (Emercoin takes 20 KiB) */
	char address[ONCHAIN_ADDRESS_MAX + 1];
	uint8_t txid[IOTPKI_SHA256_LEN];
	int64_t expires_in; /* blocks */
	bool revoked;       /* by any operation of the present life */
	uint8_t registration[IOTPKI_SHA256_LEN];
	uint64_t txid_height;
	bool no_history; /* none that can be read: revoked is known of the present value alone */

	/* An unconfirmed operation on the name, in the node's memory. */
	bool pending, pending_mine;
	bool pending_unread; /* the node's memory cannot be read: strangers' operations, for one */
	char pending_value[IOTPKI_VALUE_MAX + 1];
	uint8_t pending_txid[IOTPKI_SHA256_LEN];

	/* Namecoin: confirmations of progress.preorder; ONCHAIN_DEPTH_UNKNOWN: the wallet has it not. */
	int64_t order_depth;
	/* Namecoin: a transaction of the wallet that pays to progress.address. */
	bool order_found;
	uint8_t order_txid[IOTPKI_SHA256_LEN];
};

/* ---- what is to be done ---- */

enum onchain_action {
	ONCHAIN_REST,    /* done, nothing to do */
	ONCHAIN_WAIT,    /* for blocks: to_go */
	ONCHAIN_REFUSE,  /* problem says why */
	ONCHAIN_ADDRESS, /* Namecoin: getnewaddress, into progress.address */
	ONCHAIN_ORDER,   /* Namecoin: name_new to progress.address */
	ONCHAIN_ENTER,   /* Emercoin: name_new; Namecoin: name_firstupdate */
	ONCHAIN_CHANGE,  /* name_update */
};
struct onchain_step {
	enum onchain_action action;
	enum onchain_problem problem;
	uint32_t to_go;
};

/**
 * The next step. What the node shows of earlier steps is taken over into progress first; the caller
 * stores it durably, if it changed, before it does the step.
 * @param confirmations  that the operation needs, at least 1
 */
struct onchain_step onchain_next(struct onchain_progress *progress, const struct onchain_seen *seen,
				 unsigned int confirmations, int64_t now_s);

/**
 * A revocation that was deep enough, and is not in the chain any more, while the name lives: it is to be
 * sent again. Whether it was.
 */
bool onchain_reopen(struct onchain_progress *progress, const struct onchain_seen *seen);

/** Give a pre-order up: its salt cannot be had any more. */
void onchain_forget_order(struct onchain_progress *progress);

/** What the owner asks for. */
struct onchain_wish {
	enum onchain_op op;
	const char
		*value; /* register, update: the value without ex=; NULL: the name's present one */
	int64_t expires_s;   /* register: the end; update: a later end, 0: it stays */
	const char *address; /* transfer: the new owner's */
};
/**
 * Begin something new with the name, or find that it is under way already (resumed_out: progress
 * stays, it is gone on with). progress: what the store has, in and out.
 * @return ONCHAIN_OK, or why it cannot be
 */
enum onchain_problem onchain_want(struct onchain_progress *progress, enum config_node_type type,
				  const struct onchain_wish *wish, const struct onchain_seen *seen,
				  int64_t now_s, bool *resumed_out);

/**
 * A revocation that is wanted while the node cannot be looked at: what is to be sent is found out when
 * it can. It must not be forgotten meanwhile.
 */
void onchain_want_revocation_blind(struct onchain_progress *progress, enum config_node_type type);

/**
 * A value with its ex= replaced (0: as it is); all other fields stay, those of the future too.
 * @return false if it does not fit into IOTPKI_VALUE_MAX bytes
 */
bool onchain_value_with_end(const char *value, int64_t expires_s,
			    char out[static IOTPKI_VALUE_MAX + 1]) MUST_CHECK;

/* ---- days, ends and costs ---- */

/** Blocks that an operation pays for: Emercoin days * 175, Namecoin 36000 (but transfer, revoke). */
uint32_t onchain_blocks(const struct onchain_progress *progress);
/** Days of Emercoin's rent that last to a time, rounded up; 0 if that is not after from_s. */
uint32_t onchain_days(int64_t from_s, int64_t until_s);
/** When the chain's own term ends, in the best guess. */
int64_t onchain_end_s(enum config_node_type type, const struct onchain_seen *seen, int64_t now_s);
/** The most that what is left to do costs (an estimate: nodes do not tell before they send). */
int64_t onchain_cost(const struct onchain_progress *progress, size_t nvs_name_len);
/** A decimal number of coins, as nodes write them; false if it is none or negative. */
bool onchain_amount_parse(const char *text, int64_t *amount_out) MUST_CHECK;
#define ONCHAIN_AMOUNT_SIZE 32
/** "3.2", "0.01"; at least one digit on both sides of the point but for whole numbers. */
void onchain_amount_format(int64_t amount, char out[static ONCHAIN_AMOUNT_SIZE]);
