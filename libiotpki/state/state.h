/*
 * What the agent knows for good (design 4 "Time", 7; threats TM-05, TM-06, TM-08): the time that
 * is certainly over, the height that each B-node has certainly reached, and which registrations
 * are revoked. All of it only ever refuses, so that a lost or foreign file admits nobody; it comes
 * from B-nodes alone and needs no proof of any peer.
 *
 * Held in memory and read from there; the file (LMDB) is read once and written by state_flush(),
 * in one transaction, so that no login waits for a disk. One process at a time has it; opening waits
 * for the other one a few seconds, unless `existing`.
 */
#pragma once

#include "base/clock.h"
#include "config/config.h"

enum {
	STATE_NODES_MAX = 64, /* B-nodes whose height is kept; the one not seen longest goes */
	STATE_TOMBSTONES_MAX = 16384, /* no more are written, with an error: none is ever dropped */
	STATE_TIME_STEP_S = 7 * 86400, /* the floor rises at most so far beyond what is known */
	STATE_TIME_EVERY_MS = 15 * 60 * 1000,  /* and so often */
	STATE_HEIGHT_EVERY_S = 5,              /* longer than a question takes */
	STATE_HEIGHT_STEP_CHAIN = 10000,       /* blocks; about ten weeks */
	STATE_HEIGHT_STEP_LEDGER = 1000000,    /* transactions */
	STATE_REORG_DEPTH = 12,                /* blocks that a chain may go back */
	STATE_WRITE_EVERY_MS = 15 * 60 * 1000, /* heights alone */
	STATE_RETRY_MS = 60 * 1000,            /* after a write that failed */
};

struct state;

struct state_options {
	const char *dir; /* of our own; made if it is missing, unless `existing` */
	const struct clock *clock;
	int64_t build_s; /* where the time floor begins */
	bool existing;   /* change nothing but what is there: for commands beside the agent */
};

enum state_condition {
	STATE_GOOD,     /* read */
	STATE_NEW,      /* there was none */
	STATE_REPLACED, /* it was broken: moved to data.mdb.corrupt, and begun anew */
	STATE_VOLATILE, /* cannot be used: left alone; what is learnt now ends with the process */
};
/** "good", "new", "replaced", "volatile"; never NULL. */
const char *state_condition_name(enum state_condition condition);

/**
 * Open. A store that cannot be used is no error but STATE_VOLATILE: it would lock everybody out.
 * @return IOTPKI_ERR_NOMEM
 */
enum iotpki_err state_new(const struct state_options *options, struct state **state_out) MUST_CHECK;
/** Writes nothing: flush before. */
void state_free(struct state *state);
void state_freep(struct state **state);
/** How it was found; why_out (may be NULL): of STATE_REPLACED and STATE_VOLATILE, why. */
enum state_condition state_condition(const struct state *state, enum iotpki_err *err_out,
				     struct iotpki_detail *why_out);

/** In how many milliseconds state_flush is due: 0 now, -1 nothing waits. */
int64_t state_due(const struct state *state);
/**
 * Write what is new, now: one durable transaction. After a failure it is due again in
 * STATE_RETRY_MS. Of STATE_VOLATILE nothing is written and nothing fails.
 */
enum iotpki_err state_flush(struct state *state, struct iotpki_detail *detail) MUST_CHECK;

/* ---- time ---- */

/** Certainly over; never below the build time. */
int64_t state_time_floor(const struct state *state);
/**
 * n nodes confirm in one query that this time is over. In steps: at most STATE_TIME_STEP_S beyond
 * the system clock and the floor, one step in STATE_TIME_EVERY_MS. Returns true if it rose.
 */
bool state_offer_time(struct state *state, int64_t time_s);
/** Time back to the build time, heights forgotten: for the owner alone (invariant I5). */
void state_reset_floors(struct state *state);

/* ---- heights ---- */

/** The B-nodes in force now; slots are the configuration's indexes. */
void state_set_nodes(struct state *state, const struct config *config);
/**
 * Who a B-node is: its network and its pinned keys, or its URL where there is no pin. A node with another name or
 * address is the same one; one with another key begins anew.
 */
enum iotpki_err state_node_id(const struct config *config, size_t slot,
			      uint8_t id_out[static IOTPKI_SHA256_LEN]) MUST_CHECK;
/** The height below which the node's answers to a question of that second are of the past. */
uint64_t state_height_floor(const struct state *state, size_t slot, int64_t asked_s);
/** The answer is below it; answers without a height (0) never are. */
bool state_is_rolled_back(const struct state *state, size_t slot,
			  const struct iotpki_answer *answer);
/** A node went back, or is above its floor again. */
struct state_event {
	size_t slot;
	bool behind;
	uint64_t height, floor;
};
/**
 * Learn a node's height from its answer; the same answer may be offered again. Rises only to what
 * two answers of different seconds reach, so that one absurd height moves nothing.
 * @return true: *event_out is to be logged
 */
bool state_offer_height(struct state *state, size_t slot, const struct iotpki_answer *answer,
			struct state_event *event_out);

/* ---- revocations ---- */

bool state_is_tombstoned(const struct state *state, const char *network, const char *name,
			 const uint8_t registration[static IOTPKI_SHA256_LEN]);
/** @return IOTPKI_ERR_EXISTS, _LIMIT (full), _ARGUMENT (names too long), _NOMEM */
enum iotpki_err
state_add_tombstone(struct state *state, const char *network, const char *name,
		    const uint8_t registration[static IOTPKI_SHA256_LEN]) MUST_CHECK;
size_t state_tombstones(const struct state *state);
