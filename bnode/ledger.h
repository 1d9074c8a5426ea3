/*
 * The embedded ledger (design 6): names, preorders and the hash-chained log in one
 * LMDB environment. State and log entry of a transaction are one LMDB transaction,
 * durable before anybody is told. Rules are pure and stand in rules.h.
 */
#pragma once

#include "base/clock.h"
#include "identity/tx.h"

struct ledger; /* an open environment */

struct ledger_tip {
	uint64_t height;          /* entries in the log */
	uint8_t hash[SHA256_LEN]; /* head of the hash chain; zero while empty */
	int64_t newest_s; /* the node's clock at the newest entry, 0 while empty; never falls */
};

/** A name's present state, as name_show tells it. */
struct ledger_name {
	char name[IOTPKI_NVS_NAME_MAX + 1];
	char value[IOTPKI_VALUE_MAX + 1];
	uint8_t owner[SHA256_LEN];
	uint8_t txid[SHA256_LEN];         /* last operation */
	uint8_t registration[SHA256_LEN]; /* REGISTER of the present life */
	int64_t time_s;                   /* of the last operation */
	int64_t expires_s;
	uint32_t sequence; /* operations of this life, REGISTER is 1 */
	bool revoked;
};

/** Make an empty ledger in dir; allow-list of owners (SPKI hashes) or open. */
struct ledger_policy {
	bool open;
	size_t owner_count;
	const uint8_t (*owners)[SHA256_LEN];
	size_t map_bytes; /* 0: default 1 GiB */
};
enum iotpki_err ledger_create(const char *dir, const struct ledger_policy *policy,
			      struct iotpki_detail *detail) MUST_CHECK;
enum iotpki_err ledger_open(const char *dir, const struct clock *clock, struct ledger **ledger_out,
			    struct iotpki_detail *detail) MUST_CHECK;
/**
 * Give a ledger more room than it has; it never gets less, and the next write makes it last. Only right
 * after ledger_open(), before anybody reads or writes.
 */
enum iotpki_err ledger_enlarge(struct ledger *ledger, size_t map_bytes,
			       struct iotpki_detail *detail) MUST_CHECK;
/**
 * Add owners to the allow-list of a ledger, or open it to everybody. Nothing takes an owner off:
 * what they hold stays theirs, and a new list is a new ledger.
 */
enum iotpki_err ledger_allow(struct ledger *ledger, bool open, const uint8_t (*owners)[SHA256_LEN],
			     size_t count, struct iotpki_detail *detail) MUST_CHECK;
/**
 * What owners who are not on the list of an open ledger may add together in an hour: so many PREORDERs (a
 * REGISTER needs one), and so many UPDATEs. What is beyond gets `quota` and is taken later. It begins with
 * an hour's worth; 0, as after ledger_open(): no limit. To be called before anybody writes.
 */
#define LEDGER_STRANGERS_PER_HOUR 600 /* of iotpki-bnode, if nothing else is said */
#define LEDGER_STRANGERS_PER_HOUR_MAX 1000000
void ledger_limit_strangers(struct ledger *ledger, unsigned int per_hour);
void ledger_close(struct ledger *ledger);
void ledger_closep(struct ledger **ledger);

/** How far a submission is. */
enum ledger_stage {
	LEDGER_UNVERIFIED = 0, /* nothing of it is believed */
	LEDGER_VERIFIED,       /* its signatures are good, its rules are not judged yet */
	LEDGER_SETTLED,        /* reason is the last word */
};
/** One submitted transaction and what became of it. */
struct ledger_submission {
	const uint8_t *der;
	size_t der_len;
	enum tx_reason reason;    /* out: TX_OK: it is in the ledger (now, or already before) */
	uint8_t txid[SHA256_LEN]; /* out */
	enum ledger_stage stage;
	/* ledger_verify()'s word to ledger_commit() */
	struct tx tx;
	uint8_t content[SHA256_LEN]; /* SHA-256 of its content */
};
/**
 * The first half: signatures and form, which cost the most and need no state. Settles what is
 * refused, and what is in the ledger already: that was verified when it came in, byte for byte.
 * Safe from any thread, beside readers and the writer; a verifier is one thread's.
 */
void ledger_verify(struct ledger *ledger, struct tx_verifier *verifier,
		   struct ledger_submission *submission);
/**
 * The second half: judge and apply what is LEDGER_VERIFIED (anything else is left alone), in order,
 * as one durable commit (group commit). When this returns every submission with TX_OK is on the
 * disk. On a storage failure those that are not get TX_STORAGE. One thread at a time.
 */
enum iotpki_err ledger_commit(struct ledger *ledger, struct ledger_submission *const *submissions,
			      size_t count, struct iotpki_detail *detail) MUST_CHECK;
/** Both halves, with a verifier of the ledger's own; the same thread as ledger_commit(). */
enum iotpki_err ledger_submit(struct ledger *ledger, struct ledger_submission *submissions,
			      size_t count, struct iotpki_detail *detail) MUST_CHECK;

/** Reads; each is one consistent snapshot. Safe from any thread. */
enum iotpki_err ledger_show(struct ledger *ledger, const char *name, struct ledger_name *out,
			    struct ledger_tip *tip_out) MUST_CHECK; /* IOTPKI_ERR_NOT_FOUND */
enum iotpki_err ledger_tip(struct ledger *ledger, struct ledger_tip *tip_out) MUST_CHECK;

/** One operation of a name's history, oldest first; emit returns false to stop. */
struct ledger_operation {
	enum tx_op op;
	uint8_t txid[SHA256_LEN];
	uint64_t height; /* of the log entry, from 1 */
	int64_t time_s, expires_s;
	uint8_t owner[SHA256_LEN]; /* after the operation */
	char value[IOTPKI_VALUE_MAX + 1];
	const uint8_t *der; /* valid during emit */
	size_t der_len;
};
typedef bool ledger_operation_fn(void *context, const struct ledger_operation *operation);
enum iotpki_err ledger_history(struct ledger *ledger, const char *name, ledger_operation_fn *emit,
			       void *context) MUST_CHECK;
/** The proof of a revoked name: DERs of REGISTER, each UPDATE with new_owner, REVOKE of the present life. */
enum iotpki_err ledger_proof(struct ledger *ledger, const char *name, ledger_operation_fn *emit,
			     void *context) MUST_CHECK;
/** Names with a literal prefix, in order, after `from` (NULL: the first), at most max. */
typedef bool ledger_name_fn(void *context, const struct ledger_name *name);
enum iotpki_err ledger_filter(struct ledger *ledger, const char *prefix, const char *from,
			      size_t max, ledger_name_fn *emit, void *context) MUST_CHECK;

struct ledger_stats {
	uint64_t names;    /* in the table: expired and revoked ones too */
	uint64_t map_used; /* bytes, of pages that were ever used */
	uint64_t map_size;
	bool failing; /* the last write did not reach the disk */
};
enum iotpki_err ledger_stats(struct ledger *ledger, struct ledger_stats *stats_out) MUST_CHECK;
