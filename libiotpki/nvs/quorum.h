/*
 * The set of answers of one query (design 4.3, "Time"; paper IV-B step 3-1): what
 * time it is, which answers are fresh and in time, how many are good and how many
 * agree. Pure; knows neither list nor keys: whether an answer agrees is told to it.
 */
#pragma once

#include <iotpki/decide.h>

#define QUORUM_NEVER UINT32_MAX /* an n that no set of answers reaches */

/** What one node's answer says about the peer. A later one outranks the earlier ones. */
enum quorum_finding {
	QUORUM_NOTHING, /* not a good answer */
	QUORUM_AGREES,  /* registered, in time, pinned, matching */
	QUORUM_UNREGISTERED,
	QUORUM_HASH_MISMATCH,
	QUORUM_EXPIRED,
	QUORUM_REREGISTERED,
	QUORUM_REVOKED,
};

/** A count over a set of answers; all zero: no answers. */
struct quorum_count {
	uint32_t good_nodes; /* one bit a node: a node and its twins vote once */
	uint32_t agreeing_nodes;
	unsigned int good;
	unsigned int agreeing;
	enum quorum_finding worst; /* the highest one found */
	bool pending;              /* a node may still answer */
	bool not_ready;
	bool stale;
	bool unforgivable; /* a node gave something that is neither good nor plainly unreachable */
};

/** `needed` if this many of `count` nodes (quorum_nodes) can agree, else QUORUM_NEVER. */
unsigned int quorum_needed(unsigned int needed, size_t count);

/** The times to judge answers by. */
struct quorum_time {
	int64_t now_s; /* what has ended */
	int64_t fresh_s; /* what is stale; the earlier one of the two where one node alone sets now_s */
};

/**
 * Each is known_s, or 2 h before the n-th newest tip where that is later; for what is stale, of at
 * least two nodes: with n = 1 a node that tells a time far ahead must not silence the others. Which
 * answers are stale plays no part in it: see docs/design.md, "Decision".
 */
struct quorum_time quorum_time(const struct iotpki_answer *answers, size_t count,
			       unsigned int needed, int64_t known_s);

/** An answer after staleness, end and nonsense were judged; always one of the enum. */
enum iotpki_outcome quorum_judge(const struct iotpki_answer *answer, const struct quorum_time *time,
				 bool deadline);

/**
 * The slot that votes for the node that slot `i` is a URL of: its own, or the one that its twin
 * names. i must be below IOTPKI_NODES_MAX.
 */
size_t quorum_node(const struct iotpki_answer *answers, size_t i);
/** How many nodes the slots are: those without a twin before them. */
size_t quorum_nodes(const struct iotpki_answer *answers, size_t count);
/** Count one judged answer of a node (quorum_node) in. */
void quorum_add(struct quorum_count *count, size_t node, enum iotpki_outcome judged,
		enum quorum_finding finding);

/**
 * Whether the answers admit: n agree, and nothing speaks against it that is not outvoted. To
 * outvote takes more than half of the nodes: the caller sees to it.
 */
bool quorum_admits(const struct quorum_count *count, unsigned int needed,
		   enum iotpki_dissent dissent);
