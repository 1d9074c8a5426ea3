/*
 * What the nouns share that ask B-nodes themselves, without the agent: verify,
 * lookup, history, bnode. Configuration, list and NVS client in one place, members
 * found as people name them, and each node's answer in words and as JSON.
 */
#pragma once

#include "base/log.h"
#include "cli/cli.h"
#include "config/membership.h"
#include "nvs/nvs.h"

#define ASK_PROBLEM_MAX 256
#define ASK_WORDS_MAX 384

struct ask {
	struct log_sink sink; /* must stay the first member */
	struct config config;
	struct membership *list; /* NULL: not asked for, or ASK_LIST_IF_ANY and there is none */
	struct nvs *nvs;
	/* What the NVS client said of each node's last trouble, "" if nothing. */
	char problems[IOTPKI_NODES_MAX][ASK_PROBLEM_MAX];
};

/* ASK_LIST_IF_ANY: labels are understood where the list can be read; nothing else depends on it. */
enum { ASK_LIST = 1, ASK_LIST_IF_ANY = 2, ASK_NODES = 4 };

/** Load and connect; says what is wrong. ask_close() in any case, and do not move it till then. */
enum cli_exit ask_open(struct cli *cli, unsigned int what, struct ask *ask);
void ask_close(struct ask *ask);

/** The member of a name, or of a label that only one has; says it if several have. */
enum cli_exit ask_find(struct cli *cli, const struct membership *list, const char *text,
		       const struct member **member_out);
/** The name that a word means: a member's name or label where there is a list, else itself. */
enum cli_exit ask_name(struct cli *cli, const struct ask *ask, const char *text,
		       const char **name_out);

/** "registered, tip 1234 of 40 s ago, 12 ms"; now_s is what the age is counted from. */
void ask_words(const struct iotpki_answer *answer, enum iotpki_outcome outcome, int64_t now_s,
	       char out[static ASK_WORDS_MAX]);
/** The record's value, written again; false if the answer has none. */
bool ask_value(const struct iotpki_answer *answer, char out[static IOTPKI_VALUE_MAX + 1]);
/** The same as an object; "node" first. */
json_t *ask_json(const struct config_node *node, const struct iotpki_answer *answer,
		 enum iotpki_outcome outcome);
/** What an owner can do about a node that gave no good answer; "" of a good one. */
const char *ask_advice(const struct config_node *node, enum iotpki_outcome outcome);
/** The lines below a node: its problem and what to do about it, if there is any. */
void ask_trouble(struct cli *cli, const struct ask *ask, size_t node, enum iotpki_outcome outcome);

/** getblockchaininfo, as far as it is needed; on chains the time that a decision goes by. */
struct ask_tip {
	int64_t blocks, time_s;
	bool downloading; /* initial block download */
	bool regtest;     /* a chain for tests, whose names end sooner */
};
/** Ask a node for its tip; the reply's outcome is MALFORMED too where it has none. */
enum iotpki_err ask_tip(struct ask *ask, size_t node, struct nvs_reply *reply_out,
			struct ask_tip *tip_out) MUST_CHECK;
/** Ask a node for the operations of a name (without prefix); on chains those of all its lives. */
enum iotpki_err ask_history(struct ask *ask, size_t node, const char *name,
			    struct nvs_reply *reply_out) MUST_CHECK;
