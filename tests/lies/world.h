/*
 * What is true of one name, and how an honest iotpki-bnode, Emercoin Core and
 * Namecoin Core tell it: the texts of design 6 and of the recorded answers.
 */
#pragma once

#include "base/buf.h"
#include "config/config.h"

#define WORLD_NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define WORLD_ID "00112233445566778899aabbccddeeff"
#define WORLD_NOW INT64_C(1795400000)

/* The certificate of the entry, and another one. */
#define WORLD_HASH_A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define WORLD_HASH_B "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
#define WORLD_TX(digit)                                                                           \
	digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit \
		digit
#define WORLD_T1 WORLD_TX("1111") /* the pinned registration */
#define WORLD_T2 WORLD_TX("2222") /* an update */
#define WORLD_T3 WORLD_TX("3333") /* the revocation or deletion */
#define WORLD_T4 WORLD_TX("4444") /* an update after it */
#define WORLD_T5 WORLD_TX("5555") /* another registration */

enum world {
	WORLD_ADMITS,
	WORLD_REVOKED,
	WORLD_REWRITTEN, /* revoked, and updated without it */
	WORLD_DELETED,
	WORLD_EXPIRED,
	WORLD_REREGISTERED, /* with the same value */
	WORLD_UPDATED,      /* the record is the other certificate's; the entry's is the old one */
	WORLD_UNREGISTERED,
	WORLDS,
};

enum { WORLD_TYPES = CONFIG_NODE_NAMECOIN + 1 };

const char *world_name(enum world world);
/** Whether nodes of this type know this world: only Emercoin deletes, no iotpki-bnode rewrites. */
bool world_exists(enum config_node_type type, enum world world);
/** Whether the name's own history is asked for there: REGISTERED by name_show of a chain. */
bool world_has_history(enum config_node_type type, enum world world);
/** The name with the prefix of this type of node. */
const char *world_nvs_name(enum config_node_type type);

/** The body of the answer to the first question. now: the tip's time, a number or a mark. */
void world_show(enum config_node_type type, enum world world, const char *id, const char *now,
		struct buf *out);
/** And to the second one; a chain's alone, of any world. */
void world_history(enum config_node_type type, enum world world, const char *id, const char *now,
		   struct buf *out);
