/*
 * The ledger's LMDB environment: its tables, the encodings of their entries, and the
 * one function that applies a transaction. Shared by the ledger and its audit.
 */
#pragma once

#include <stdatomic.h>

#include <lmdb.h>

#include "bnode/rules.h"

enum ledger_table {
	TABLE_META,           /* "version", "open" */
	TABLE_OWNERS,         /* allow-list: SPKI hash -> nothing */
	TABLE_NAMES,          /* name -> state */
	TABLE_PREORDERS,      /* owner, commit -> time */
	TABLE_PREORDER_TIMES, /* owner, time, commit -> nothing: counted without a walk through all */
	TABLE_LOG,            /* height -> entry */
	TABLE_TXIDS,          /* txid -> height */
	TABLE_CONTENTS,       /* SHA-256 of the content -> height */
	TABLE_HISTORY,        /* name, NUL, height -> nothing */
	TABLE_COUNT,
};
/** The first table that is computed from the log, and so compared by the audit. */
#define TABLE_FIRST_DERIVED TABLE_NAMES
const char *store_table_name(enum ledger_table table);

#define STORE_VERSION "2"

/**
 * What owners off the allow-list may still add to an open ledger: microseconds' worth of an hour's
 * allowance, one for PREORDER and one for UPDATE. The node's own, not the log's: another
 * node takes the same bytes at another time.
 */
enum ledger_allowance { ALLOWANCE_NEW, ALLOWANCE_CHANGE, ALLOWANCE_COUNT };
struct ledger_limit {
	int64_t cost_us; /* of one transaction; 0: no limit */
	int64_t credit_us[ALLOWANCE_COUNT];
	int64_t at_ms; /* when the credit was that, monotonic */
};

struct ledger {
	MDB_env *env;
	MDB_dbi tables[TABLE_COUNT];
	const struct clock *clock;
	struct tx_verifier *verifier; /* of ledger_submit() */
	bool open;                    /* anybody may register */
	struct ledger_limit limit;    /* the writing thread's */
	/* A commit failed: what the disk holds is unknown until it is read again. */
	atomic_bool broken;
	atomic_bool failing; /* the last one that was tried did */
};

/** An LMDB result as an error, with what was being done. */
enum iotpki_err store_error(int rc, const char *doing, struct iotpki_detail *detail);

enum store_mode { STORE_CREATE, STORE_WRITE, STORE_READ };
enum iotpki_err store_open(const char *dir, enum store_mode mode, size_t map_bytes,
			   struct ledger **ledger_out, struct iotpki_detail *detail) MUST_CHECK;

/** An entry of the log as it is stored: clock (8 bytes), chain hash (32), DER. */
#define STORE_ENTRY_HEAD (8 + SHA256_LEN)
struct store_entry {
	uint64_t height; /* from 1 */
	int64_t clock_s; /* of the node that took it */
	uint8_t hash[SHA256_LEN];
	const uint8_t *der;
	size_t der_len;
};
bool store_entry_decode(const MDB_val *key, const MDB_val *value,
			struct store_entry *entry_out) MUST_CHECK;
/** hash = SHA-256("iotpki-log-v1\0" || hash of the entry before (zero for the first) || height || clock || DER). */
enum iotpki_err store_entry_hash(const struct store_entry *entry,
				 const uint8_t before[static SHA256_LEN],
				 uint8_t hash_out[static SHA256_LEN]) MUST_CHECK;
/** The newest entry; MDB_NOTFOUND while empty, MDB_CORRUPTED. */
int store_last_entry(const struct ledger *ledger, MDB_txn *txn,
		     struct store_entry *entry_out) MUST_CHECK;
int store_entry_at(const struct ledger *ledger, MDB_txn *txn, uint64_t height,
		   struct store_entry *entry_out) MUST_CHECK;

/** Height in its stored form (big-endian, so that LMDB's order is the order of heights). */
void store_put_u64(uint8_t out[static 8], uint64_t value);
uint64_t store_get_u64(const uint8_t in[static 8]);
bool store_height(const MDB_val *value, uint64_t *height_out) MUST_CHECK;
/** Key in the history: name, NUL, height. Returns its length. */
#define STORE_HISTORY_KEY_MAX (IOTPKI_NVS_NAME_MAX + 1 + 8)
size_t store_history_key(const char *name, uint64_t height,
			 uint8_t out[static STORE_HISTORY_KEY_MAX]);

/** A name's state; false unless it is exactly an encoded state. */
bool store_name_decode(const MDB_val *key, const MDB_val *value,
		       struct ledger_name *name_out) MUST_CHECK;
/** 0, MDB_NOTFOUND or MDB_CORRUPTED, or another error of LMDB. */
int store_name(const struct ledger *ledger, MDB_txn *txn, const char *name,
	       struct ledger_name *name_out) MUST_CHECK;

/** How full a ledger is, in pages, at this moment of a transaction. */
struct store_room {
	uint64_t map;     /* the most that the file may have */
	uint64_t used;    /* pages that hold something */
	uint64_t reserve; /* kept for a REVOKE of every name */
	uint64_t commit;  /* the most that a commit of one transaction writes, copies included */
};
int store_room(const struct ledger *ledger, MDB_txn *txn, struct store_room *room_out) MUST_CHECK;
/** Pages that are neither used nor kept. */
uint64_t store_spare(const struct store_room *room);
/** What is left is kept for REVOKE. */
bool store_only_reserve(const struct store_room *room);
/** How many transactions may go into one commit without its copies taking from the reserve; 1 at least. */
size_t store_group_max(const struct store_room *room);

/** Whether the log holds this very DER. */
int store_known(const struct ledger *ledger, MDB_txn *txn, const uint8_t txid[static SHA256_LEN],
		bool *known_out) MUST_CHECK;

/** A verified transaction on its way into the ledger. */
struct store_submission {
	const struct tx *tx;
	const uint8_t *txid;    /* SHA256_LEN */
	const uint8_t *content; /* SHA256_LEN */
	const uint8_t *der;
	size_t der_len;
	int64_t clock_s; /* the node's system clock */
	bool bounded;    /* it must fit the map and leave the reserve; a replay need not */
	bool rate_spent; /* of owners off the list the node takes no more of its like for now */
	bool open;       /* do not ask the allow-list */
};
/**
 * Judge and, if it is accepted and new, write state, indexes and log entry.
 * @param added_out  whether anything was written
 * @return 0 (reason_out says what became of it) or an error of LMDB: the txn must be aborted
 */
int store_apply(const struct ledger *ledger, MDB_txn *txn,
		const struct store_submission *submission, enum tx_reason *reason_out,
		bool *added_out) MUST_CHECK;

/** A preorder that is not used up, as it is stored. */
struct store_preorder {
	uint8_t owner[SHA256_LEN];
	uint8_t commit[SHA256_LEN];
	int64_t time_s;
};
bool store_preorder_decode(const MDB_val *key, const MDB_val *value,
			   struct store_preorder *preorder_out) MUST_CHECK;
int store_put_time(const struct ledger *ledger, MDB_txn *txn,
		   const struct store_preorder *preorder) MUST_CHECK;
/** Bring a ledger of format 1 to this one; leaves any other alone. */
int store_upgrade(struct ledger *ledger) MUST_CHECK;
int store_listed(const struct ledger *ledger, MDB_txn *txn, const uint8_t owner[static SHA256_LEN],
		 bool *listed_out) MUST_CHECK;

/** A snapshot to read from. */
int store_begin_read(const struct ledger *ledger, MDB_txn **txn_out) MUST_CHECK;
void store_txn_abortp(MDB_txn **txn);
void store_cursor_closep(MDB_cursor **cursor);
