/*
 * The decision (design 4; paper IV-B steps 2 and 3-1, V-4): one pure function of
 * what the list says, what the B-nodes answered, the policy and the time. No I/O,
 * no clock. Nothing else in iotpki says ADMIT.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <iotpki/error.h>
#include <iotpki/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The verdict. The zero value denies. */
enum iotpki_verdict {
	IOTPKI_DENY = 0,
	IOTPKI_ADMIT,
	IOTPKI_UNAVAILABLE,
};

/** Why; printed as IPK-<number> and by name (one table, iotpki_reason_name). */
enum iotpki_reason {
	IOTPKI_REASON_NONE = 0, /* of ADMIT */
	IOTPKI_NOT_MEMBER = 101,
	IOTPKI_MEMBER_EXPIRED = 102,
	IOTPKI_MEMBER_DENIED = 103,
	IOTPKI_NOT_PERMITTED = 104,
	IOTPKI_UNREGISTERED = 201,
	IOTPKI_EXPIRED = 202,
	IOTPKI_REVOKED = 203,
	IOTPKI_HASH_MISMATCH = 204,
	IOTPKI_REREGISTERED = 205,
	IOTPKI_DISAGREE = 206,
	IOTPKI_TOO_FEW_ANSWERS = 301,
	IOTPKI_NOT_READY = 302,
	IOTPKI_STALE = 303,
	IOTPKI_NO_PROOF = 401,
};

/** What one B-node said to one question. The zero value: it has not answered. */
enum iotpki_outcome {
	IOTPKI_OUTCOME_PENDING = 0,
	/* well-formed answers, for the name that was asked */
	IOTPKI_OUTCOME_REGISTERED, /* as the node says: decide() judges its end and its age itself */
	IOTPKI_OUTCOME_REVOKED,
	IOTPKI_OUTCOME_EXPIRED,
	IOTPKI_OUTCOME_UNREGISTERED,
	/* no answers */
	IOTPKI_OUTCOME_STALE, /* set by decide() in iotpki_decision.judged alone; never an input */
	IOTPKI_OUTCOME_NOT_READY,
	IOTPKI_OUTCOME_UNREACHABLE, /* DNS, connect, timeout, 5xx: what soft-fail may forgive, with NOT_READY */
	IOTPKI_OUTCOME_UNAUTHORIZED,
	IOTPKI_OUTCOME_MALFORMED, /* wrong pin, bad JSON, other nonce, other name, ... */
};

#define IOTPKI_NODES_MAX 16 /* B-nodes in one configuration, and so networks too */

/** One B-node's answer; plain data. Fields beyond outcome count as its comment says. */
struct iotpki_answer {
	enum iotpki_outcome outcome;
	uint8_t network; /* index of the node's network, < IOTPKI_NODES_MAX */
	/* 1 + index of an earlier slot that is the same node under another URL, itself no twin; 0: none */
	uint8_t twin;
	bool rolled_back; /* its tip is below what is known of the node: only a revocation counts */
	struct iotpki_record record; /* REGISTERED, REVOKED, EXPIRED (where the node gives it) */
	uint8_t registration[IOTPKI_SHA256_LEN]; /* REGISTERED: txid that began its present life */
	uint8_t txid[IOTPKI_SHA256_LEN];         /* REGISTERED: its last operation */
	int64_t ends_s; /* REGISTERED: the NVS's end, unix seconds (record.ex_s is judged beside it) */
	int64_t tip_s;         /* well-formed: time of the node's tip */
	uint64_t tip_height;   /* well-formed: for the log and for floors */
	int64_t max_tip_age_s; /* 3600 for type iotpki, 14400 for chains */
	int64_t asked_s;       /* wall clock when the question was sent */
	uint32_t ms;           /* from question to answer, for the log */
};

/** What the peer showed. */
enum iotpki_presented {
	IOTPKI_PRESENTED_KEY,  /* an ssh key, by its fingerprint */
	IOTPKI_PRESENTED_CERT, /* a certificate, by the SHA-256 of its DER */
	IOTPKI_PRESENTED_NAME, /* nothing: asks about the entry's own certificate (refresh, account without a key) */
};

enum iotpki_dissent { IOTPKI_DISSENT_DENY = 0, IOTPKI_DISSENT_OUTVOTE };
enum iotpki_key_change { IOTPKI_KEY_SAME_REGISTRATION = 0, IOTPKI_KEY_PIN, IOTPKI_KEY_FOLLOW };

/** The registration id that the entry pins for one network. */
struct iotpki_registration_pin {
	bool set;
	uint8_t id[IOTPKI_SHA256_LEN];
};

/** The last verdict that B-nodes (not soft-fail) gave for this name and this key. */
struct iotpki_last_online {
	bool seen;
	enum iotpki_verdict verdict;
	bool age_known;
	int64_t age_s;
	int64_t ends_s; /* end of the name as that verdict knew it: soft-fail never outlives it */
};

/** Everything that the decision depends on. Zero-initialised it denies. */
struct iotpki_decide_input {
	/* the membership list */
	bool member;           /* the presented name or key is on it */
	int64_t member_ends_s; /* the entry's own expiry, unix seconds */
	bool denied;
	bool permitted; /* this account and service, this owner epoch */
	bool tombstoned; /* revoked earlier, for this registration (state store; false until it exists) */
	uint8_t entry_sha256[IOTPKI_SHA256_LEN]; /* the entry's certificate */
	uint8_t entry_key[IOTPKI_SHA256_LEN];    /* fingerprint of that certificate's key */
	bool entry_has_ssh;
	uint8_t entry_ssh[IOTPKI_SHA256_LEN];                  /* `ssh:`, compared under pin */
	int64_t cert_begins_s, cert_ends_s;                    /* that certificate's own validity */
	struct iotpki_registration_pin pins[IOTPKI_NODES_MAX]; /* by network index */

	/* what the peer showed */
	enum iotpki_presented presented;
	uint8_t presented_hash[IOTPKI_SHA256_LEN];

	/* the B-nodes: one slot each, PENDING while it has not answered */
	const struct iotpki_answer *answers;
	size_t answer_count; /* = configured nodes, at most IOTPKI_NODES_MAX */
	bool deadline;       /* no more answers will be waited for */

	/* policy */
	unsigned int
		needed; /* n; 0 or more than there are nodes, twins not counted, never admits */
	enum iotpki_dissent dissent; /* OUTVOTE with n of at most half of the nodes never admits */
	enum iotpki_key_change key_change;
	bool soft_fail; /* policy, service, role and entry all allow it */
	int64_t soft_fail_max_age_s;
	struct iotpki_last_online last_online;

	/* time */
	int64_t clock_s; /* system clock */
	int64_t floor_s; /* durable floor, 0: none */
	int64_t build_s; /* release time of this program */
};

/** The result; all zero is DENY. */
struct iotpki_decision {
	enum iotpki_verdict verdict;
	enum iotpki_reason reason;
	bool final;    /* it stands; false only while nodes are PENDING before the deadline */
	bool soft;     /* admitted by soft-fail */
	bool followed; /* admitted by a certificate, ssh= or registration that is not the entry's */
	int64_t now_s; /* the time that was judged by */
	unsigned int good;     /* nodes with a good answer, twins not counted */
	unsigned int agreeing; /* of them: registered, in time, pinned, matching */
	enum iotpki_outcome judged
		[IOTPKI_NODES_MAX]; /* each node's answer after staleness and end were judged */
	enum iotpki_reason
		objections[IOTPKI_NODES_MAX]; /* why this good answer does not agree; NONE else */
};

/**
 * Decide. Total: any input, also a nonsensical one, gives a decision, and a nonsensical one never
 * ADMIT. May be called after each answer; the first final result stands.
 */
IOTPKI_PUBLIC void iotpki_decide(const struct iotpki_decide_input *input,
				 struct iotpki_decision *decision_out);

/** "ADMIT", "DENY", "UNAVAILABLE". */
IOTPKI_PUBLIC const char *iotpki_verdict_name(enum iotpki_verdict verdict);
/** "revoked", "hash-mismatch", ...; "none" of IOTPKI_REASON_NONE; never NULL. */
IOTPKI_PUBLIC const char *iotpki_reason_name(enum iotpki_reason reason);
/** The paper's error text for a reason ("not in membership list", "verification failure", "msk generation failure"), "" if it has none. */
IOTPKI_PUBLIC const char *iotpki_reason_paper_text(enum iotpki_reason reason);
/** The exit code of a program that ends with this decision (design 12). */
IOTPKI_PUBLIC int iotpki_decision_exit_code(enum iotpki_verdict verdict, enum iotpki_reason reason);
/** "registered", "revoked", ... for logs. */
IOTPKI_PUBLIC const char *iotpki_outcome_name(enum iotpki_outcome outcome);

#ifdef __cplusplus
}
#endif
