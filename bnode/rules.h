/*
 * What a ledger accepts (design 6, paper II and Fig. 1b). Pure: the state that counts
 * is an argument, and so are the node's clock and how full it is; the same input gives
 * the same answer on every node and in every audit.
 */
#pragma once

#include "bnode/ledger.h"

#define RULES_PREORDER_GOOD_S 86400 /* a preorder is good for 24 h */
#define RULES_PREORDERS_MAX 4       /* live ones of one owner */
#define RULES_AHEAD_MAX_S 3600      /* a transaction may be so far ahead of the node's clock */
#define RULES_BORNE_OUT_S 86400     /* an entry's clock is at most so far after its transaction */
#define RULES_EXPIRES_MAX_S (INT64_C(3653) * 86400) /* ten calendar years at their longest */
/* Percent of the map from which on an operation finds the ledger full, if not before: REVOKE's reserve. */
#define RULES_FULL_NEW 80    /* PREORDER, REGISTER */
#define RULES_FULL_UPDATE 95 /* UPDATE */
/*
 * Bytes of the DER of a REVOKE that may use the reserve. Ours have less than 1,100 with the longest name;
 * an owner can have a certificate that makes theirs 4 KiB, and so take the room of three others.
 */
#define RULES_REVOKE_USUAL 1280

struct rules_input {
	const struct tx *tx;
	const uint8_t *txid; /* SHA256_LEN */
	const struct ledger_name
		*name;         /* the name's state, also when it has expired; NULL: none yet */
	bool has_preorder;     /* PREORDER: the same one is there; REGISTER: the one it redeems */
	int64_t preorder_s;    /* its time */
	size_t live_preorders; /* PREORDER: others of this owner that live at tx->time_s */
	bool content_known;    /* another transaction with this content is in the log */
	bool allowed;          /* the owner may register (allow-list, or open) */
	unsigned int used_percent; /* of the map */
	bool only_reserve;         /* what room is left is kept for REVOKE */
	size_t der_len;            /* of the transaction */
	bool rate_spent; /* the owner is not on the list of an open node, which takes no more for now */
	int64_t clock_s;  /* the node's system clock */
	int64_t newest_s; /* clock of the newest log entry, 0: none */
};

/** The node's clock: never behind its newest log entry. */
int64_t rules_clock(int64_t clock_s, int64_t newest_s);
/** Whether a preorder of time preorder_s still lives at at_s. */
bool rules_preorder_lives(int64_t preorder_s, int64_t at_s);

/**
 * Judge one verified transaction.
 * @param name_out  on TX_OK the name's new state; untouched for a PREORDER and on refusal
 */
enum tx_reason rules_judge(const struct rules_input *in, struct ledger_name *name_out) MUST_CHECK;
