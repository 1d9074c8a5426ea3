/* Names on a fake chain: what an owner does to them there, mined at once. Fails the test on error. */
#pragma once

#include "fake/chain_node.h"
#include "nvs/nvs.h"

/** A node that asks for no password. */
struct chain_node *namekit_start(enum chain_kind kind);
/** The configuration of a device for this node; network 0, its prefix, no credentials. */
void namekit_config(const struct chain_node *node, enum chain_kind kind, struct config_node *out);

/** Register a name (with its prefix); on Namecoin both steps and what lies between. */
void namekit_register(struct chain_node *node, enum chain_kind kind, const char *nvs_name,
		      const char *value);
void namekit_update(struct chain_node *node, enum chain_kind kind, const char *nvs_name,
		    const char *value);
/** A call with arguments in printf's words, which must succeed; free() the answer. */
char *namekit_call(struct chain_node *node, const char *method, const char *format, ...)
	PRINTF_LIKE(3, 4);
