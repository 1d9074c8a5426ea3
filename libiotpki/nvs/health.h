/*
 * What is remembered of nodes that did not answer (issue: a dead node costs nothing
 * after the first time). A node whose last question ended without an answer rests:
 * questions do not wait for it where the others suffice. Pure: no I/O, no clock; all
 * times are the boot-time clock's, because a pause is over after a suspend.
 *
 * What it must never do, and how that is kept:
 * - refuse whom asking would have admitted: a slot is given up ("lifted") only when n
 *   other nodes gave good answers that agree with each other, so that no further answer
 *   can make ADMIT of them. Else the resting nodes are asked after all: at once if fewer
 *   than n others are left, when the others have answered, or after health_patience_ms().
 * - feed soft-fail: with n good answers there is none, so whatever silence soft-fail
 *   forgives was heard in that very question. A slot whose node was never asked and that
 *   was not lifted ends as MALFORMED.
 */
#pragma once

#include "config/config.h"

enum {
	HEALTH_PAUSE_FIRST_MS = 1000,
	/* Doubled with each failure up to this. Not longer: a node that is back may be the only one that
	 * knows of a revocation yet, and one probe costs next to nothing. */
	HEALTH_PAUSE_MAX_MS = 2 * 1000,
};

/** One node. All zero: nothing is known against it. */
struct health_node {
	unsigned int failures; /* one after the other; those of questions side by side are one */
	int64_t heard_ms; /* when it last failed or answered: older questions tell nothing new */
	int64_t rests_until_ms;
	bool probed; /* a question is with it that nobody waits for */
};

struct health {
	size_t count;
	unsigned int needed;
	bool outvote;                      /* dissent: outvote */
	uint8_t same_as[IOTPKI_NODES_MAX]; /* the first node that is this one under another URL */
	struct health_node nodes[IOTPKI_NODES_MAX];
};

/** What a question does about each node. */
struct health_round {
	int64_t asked_ms[IOTPKI_NODES_MAX];
	int64_t wakes_ms; /* INT64_MAX: no more */
	/* bits, one a node */
	uint32_t resting; /* need not be waited for */
	uint32_t ask;     /* to be asked now */
	uint32_t asked;
	uint32_t open;   /* asked, nothing heard */
	uint32_t probes; /* of those open: the probes of this question */
};

void health_init(struct health *health, const struct config *config);

/** How long the others are waited for before resting nodes are asked too. */
int64_t health_patience_ms(int64_t node_timeout_ms);

/**
 * Plan a question: round_out->ask are the nodes to ask, each to be told by health_asked(). Of a
 * resting node one question is a probe, once its pause is over.
 */
void health_begin(const struct health *health, int64_t now_ms, int64_t node_timeout_ms,
		  struct health_round *round_out);
void health_asked(struct health *health, struct health_round *round, size_t node, int64_t now_ms);
/**
 * How the exchange ended, in transport.h's words: PENDING is an answer, whatever it says, and ends
 * the rest; UNREACHABLE is none, by time or connection; all else (a wrong pin, a lack of memory
 * here) tells nothing about the node.
 */
void health_heard(struct health *health, struct health_round *round, size_t node,
		  enum iotpki_outcome outcome, int64_t now_ms);
/** The question ends without hearing of the nodes that are open. */
void health_end(struct health *health, struct health_round *round);

/**
 * If the answers to a name are clear without the resting nodes, their PENDING slots become
 * UNREACHABLE. now_s: the wall clock, for what is fresh.
 * @return true: nothing is open for want of a resting node
 */
bool health_lift(const struct health *health, const struct health_round *round,
		 struct iotpki_answer *answers, int64_t now_s);
/**
 * After answers and with time: round->ask are the nodes to ask now, 0 if the others are still to
 * be waited for or all is clear. It gives nodes once; none of them is a probe.
 */
void health_wake(const struct health *health, struct health_round *round, bool clear,
		 int64_t now_ms);
/** Milliseconds until health_wake() has something to do though nobody answers; INT64_MAX: never. */
int64_t health_wakes_in(const struct health_round *round, int64_t now_ms);
/** At the end of the time: what was neither asked nor lifted is no node's silence. */
void health_close(const struct health *health, const struct health_round *round,
		  struct iotpki_answer *answers);
