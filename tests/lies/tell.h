/*
 * From the bytes of one node to its answer as decide() sees it, and who asks to be
 * admitted: what the tests of lies and of bytes altered on the way share.
 */
#pragma once

#include <iotpki/decide.h>

#include "lies/world.h"

/** What a node sends: the answers to the two questions (a B-node and an error have one). */
struct told {
	long status;
	const char *content_type;
	const char *show, *history; /* history NULL: none */
	size_t show_len, history_len;
};

/** Through the dialects, as the client does it. */
struct iotpki_answer tell(enum config_node_type type, const struct told *told);
/** A world told honestly at WORLD_NOW. */
struct iotpki_answer tell_honest(enum config_node_type type, enum world world);

/** Who asks, and what is shown. */
enum peer {
	PEER_KEY,        /* the entry's own key */
	PEER_CERT,       /* the entry's own certificate */
	PEER_NAME,       /* nothing: the entry itself */
	PEER_OTHER_KEY,  /* another key, which is in no entry */
	PEER_OTHER_CERT, /* the other certificate */
	PEERS,
};

enum policy {
	POLICY_DEFAULT,
	POLICY_PIN,
	POLICY_FOLLOW,
	POLICY_OUTVOTE,
	POLICY_CLOCKLESS, /* the default, on a device whose clock is in 1970 */
	POLICIES,
};

extern const uint8_t tell_other_key[IOTPKI_SHA256_LEN];

/** What is known of the member apart from the answers: in order, and its registration pinned. */
struct iotpki_decide_input tell_input(enum peer peer, enum policy policy);
/** The truth: whether this peer is to be admitted in this world. No code under test is asked. */
bool tell_truth(enum world world, enum peer peer, enum policy policy);
