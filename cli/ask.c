/* Configuration, list and NVS client for the nouns that ask B-nodes; answers in words. */
#include "cli/ask.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "format/json.h"

/* ---- opening ---- */

/* The NVS client names a node's trouble in its debug log alone; here it is kept for the person. */
static void keep_problem(const struct log_sink *log, enum log_level level, const char *line)
{
	static const char prefix[] = "B-node ";
	struct ask *ask = (struct ask *)(uintptr_t)log; /* its first member */
	(void)level;
	if (strncmp(line, prefix, sizeof(prefix) - 1) != 0)
		return;
	const char *name = line + sizeof(prefix) - 1;
	for (size_t i = 0; i < ask->config.node_count; i++) {
		const size_t len = strlen(ask->config.nodes[i].name);
		if (strncmp(name, ask->config.nodes[i].name, len) == 0 && name[len] == ':')
			(void)snprintf(ask->problems[i], sizeof(ask->problems[i]), "%s",
				       name + len + 1 + (name[len + 1] == ' '));
	}
}

static enum cli_exit open_list(struct cli *cli, struct ask *ask, bool if_any)
{
	char path[PATH_MAX];
	if (!cli_beside_config(cli, "members.yaml", path, sizeof(path)))
		return CLI_USAGE;
	const struct fs_trust trust = cli_trust();
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = membership_load(path, &trust, &ask->list, &detail);
	return err == IOTPKI_OK || if_any ? CLI_OK : cli_fail(cli, err, &detail);
}

enum cli_exit ask_open(struct cli *cli, unsigned int what, struct ask *ask)
{
	*ask = (struct ask){ .sink = { keep_problem, LOG_LEVEL_DEBUG } };
	enum cli_exit exit = cli_load_config(cli, &ask->config);
	if (exit == CLI_OK && (what & (ASK_LIST | ASK_LIST_IF_ANY)) != 0)
		exit = open_list(cli, ask, (what & ASK_LIST) == 0);
	if (exit != CLI_OK || (what & ASK_NODES) == 0)
		return exit;
	if (ask->config.node_count == 0)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%s: there is no B-node under bnodes:", cli->config_path);
	log_set_sink(&ask->sink);
	const enum iotpki_err err = nvs_new(&ask->config, cli->clock, cli->random, &ask->nvs);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, NULL);
}

void ask_close(struct ask *ask)
{
	nvs_freep(&ask->nvs);
	membership_unrefp(&ask->list);
	log_set_sink(NULL);
}

/* ---- who is meant ---- */

enum cli_exit ask_find(struct cli *cli, const struct membership *list, const char *text,
		       const struct member **member_out)
{
	*member_out = membership_by_name(list, text);
	if (*member_out != NULL)
		return CLI_OK;
	for (size_t i = 0; i < membership_count(list); i++) {
		const struct member *member = membership_at(list, i);
		if (member->label[0] == '\0' || strcmp(member->label, text) != 0)
			continue;
		if (*member_out != NULL) {
			const char *first = (*member_out)->name;
			*member_out = NULL;
			return cli_error(cli, CLI_USAGE,
					 "several members have this label, name one: %s, %s", first,
					 member->name);
		}
		*member_out = member;
	}
	return CLI_OK;
}

enum cli_exit ask_name(struct cli *cli, const struct ask *ask, const char *text,
		       const char **name_out)
{
	const struct member *member = NULL;
	*name_out = text;
	if (ask->list != NULL) {
		const enum cli_exit exit = ask_find(cli, ask->list, text, &member);
		if (exit != CLI_OK)
			return exit;
	}
	if (member != NULL)
		*name_out = member->name;
	else if (!iotpki_name_valid(text, strlen(text)))
		return cli_error(cli, CLI_USAGE,
				 "this is no name: 1 to 64 of a-z 0-9 . _ -, the first a letter or "
				 "a digit");
	return CLI_OK;
}

/* ---- what a node said ---- */

static bool has_tip(const struct iotpki_answer *answer)
{
	return answer->outcome >= IOTPKI_OUTCOME_REGISTERED &&
	       answer->outcome <= IOTPKI_OUTCOME_EXPIRED;
}

void ask_words(const struct iotpki_answer *answer, enum iotpki_outcome outcome, int64_t now_s,
	       char out[static ASK_WORDS_MAX])
{
	if (!has_tip(answer)) {
		(void)snprintf(out, ASK_WORDS_MAX, "%s, %" PRIu32 " ms",
			       iotpki_outcome_name(outcome), answer->ms);
		return;
	}
	char tip[TIME_TEXT_SIZE];
	time_format(answer->tip_s, tip);
	const bool past = answer->tip_s <= now_s;
	(void)snprintf(out, ASK_WORDS_MAX,
		       "%s, tip %" PRIu64 " of %s (%" PRId64 " s %s), %" PRIu32 " ms",
		       iotpki_outcome_name(outcome), answer->tip_height, tip,
		       past ? now_s - answer->tip_s : answer->tip_s - now_s, past ? "ago" : "ahead",
		       answer->ms);
}

bool ask_value(const struct iotpki_answer *answer, char out[static IOTPKI_VALUE_MAX + 1])
{
	const uint8_t none[IOTPKI_SHA256_LEN] = { 0 };
	return has_tip(answer) && memcmp(answer->record.sha256, none, sizeof(none)) != 0 &&
	       iotpki_record_format(&answer->record, out, IOTPKI_VALUE_MAX + 1) == IOTPKI_OK;
}

static void put_time(json_t *object, const char *key, int64_t time_s)
{
	char text[TIME_TEXT_SIZE];
	time_format(time_s, text);
	(void)json_object_set_new(object, key, json_string(text));
}

static void put_hash(json_t *object, const char *key, const uint8_t hash[static IOTPKI_SHA256_LEN])
{
	char hex[2 * IOTPKI_SHA256_LEN + 1];
	hex_encode(hash, IOTPKI_SHA256_LEN, hex);
	(void)json_object_set_new(object, key, json_string(hex));
}

json_t *ask_json(const struct config_node *node, const struct iotpki_answer *answer,
		 enum iotpki_outcome outcome)
{
	json_t *object = json_pack("{s:s, s:s, s:I}", "node", node->name, "outcome",
				   iotpki_outcome_name(outcome), "ms", (json_int_t)answer->ms);
	if (object == NULL || !has_tip(answer))
		return object;
	(void)json_object_set_new(object, "tip", json_integer((json_int_t)answer->tip_height));
	put_time(object, "tip_time", answer->tip_s);
	char value[IOTPKI_VALUE_MAX + 1];
	if (ask_value(answer, value))
		(void)json_object_set_new(object, "value", json_string(value));
	if (answer->outcome != IOTPKI_OUTCOME_REGISTERED)
		return object;
	put_hash(object, "registration", answer->registration);
	put_hash(object, "txid", answer->txid);
	put_time(object, "ends", answer->ends_s);
	return object;
}

const char *ask_advice(const struct config_node *node, enum iotpki_outcome outcome)
{
	static const char *const advice[] = {
		[IOTPKI_OUTCOME_STALE] =
			"the B-node is behind, or a clock is wrong: compare date -u "
			"on it and here",
		[IOTPKI_OUTCOME_NOT_READY] = "it runs and is not ready yet: wait, or see its log",
		[IOTPKI_OUTCOME_UNREACHABLE] =
			"check that it runs, and the host and port of its url:",
		[IOTPKI_OUTCOME_UNAUTHORIZED] =
			"it refuses to answer (HTTP 401 or 403): is url: that of a B-node?",
		[IOTPKI_OUTCOME_MALFORMED] = "see its log if it is a gateway; else something other "
					     "than this B-node answers: check url:, and compare "
					     "pin: with 'iotpki-bnode pin' on it",
	};
	/* The wallets and proxies of a chain node have other troubles. */
	static const char *const chain[] = {
		[IOTPKI_OUTCOME_UNAUTHORIZED] =
			"compare credentials: with the node's rpcuser and rpcpassword, rpcauth or "
			"cookie, and see its rpcallowip",
		[IOTPKI_OUTCOME_MALFORMED] = "check that type: and url: are those of the node, and "
					     "pin: that of what stands before it",
	};
	const size_t index = (size_t)outcome;
	const bool of_chain = node->type != CONFIG_NODE_IOTPKI;
	if (of_chain && outcome == IOTPKI_OUTCOME_UNAUTHORIZED && node->credentials[0] == '\0')
		return "it wants a user and a password: write user:password into a file of mode "
		       "0600 and name it under credentials:";
	if (of_chain && index < ARRAY_LEN(chain) && chain[index] != NULL)
		return chain[index];
	return index < ARRAY_LEN(advice) && advice[index] != NULL ? advice[index] : "";
}

void ask_trouble(struct cli *cli, const struct ask *ask, size_t node, enum iotpki_outcome outcome)
{
	const char *advice = ask_advice(&ask->config.nodes[node], outcome);
	if (advice[0] == '\0')
		return;
	if (ask->problems[node][0] != '\0')
		cli_print(cli, "      %s", ask->problems[node]);
	cli_print(cli, "      %s", advice);
}

/* ---- calls of one node ---- */

struct tip_fields {
	int64_t blocks, time_s, median_s;
	bool downloading;
	const char *chain;
};

/* Emercoin has no `time` here, and a decision takes its `mediantime`, as of Namecoin the `time`. */
static const struct json_field tip_fields[] = {
	{ "blocks", JSON_INT, false, 0, JSON_INT_MAX, offsetof(struct tip_fields, blocks) },
	{ "time", JSON_INT, true, 0, JSON_TIME_MAX, offsetof(struct tip_fields, time_s) },
	{ "mediantime", JSON_INT, true, 0, JSON_TIME_MAX, offsetof(struct tip_fields, median_s) },
	{ "initialblockdownload", JSON_BOOL, true, 0, 0, offsetof(struct tip_fields, downloading) },
	{ "chain", JSON_TEXT, true, 0, 64, offsetof(struct tip_fields, chain) },
};

static bool read_tip(const struct config_node *node, const struct nvs_reply *reply,
		     struct ask_tip *tip_out)
{
	CLEANUP(json_release) struct json_t *root = NULL;
	struct tip_fields fields = { .chain = "" };
	if (json_read(buf_text(&reply->result), reply->result.len, reply->result.len, &root,
		      NULL) != IOTPKI_OK ||
	    json_fields(root, tip_fields, ARRAY_LEN(tip_fields), &fields, NULL) != IOTPKI_OK)
		return false;
	*tip_out = (struct ask_tip){
		.blocks = fields.blocks,
		.time_s = node->type == CONFIG_NODE_EMERCOIN ? fields.median_s : fields.time_s,
		.downloading = fields.downloading,
		.regtest = strcmp(fields.chain, "regtest") == 0,
	};
	return tip_out->time_s > 0;
}

enum iotpki_err ask_tip(struct ask *ask, size_t node, struct nvs_reply *reply_out,
			struct ask_tip *tip_out)
{
	*tip_out = (struct ask_tip){ 0 };
	const enum iotpki_err err = nvs_call(ask->nvs, node, "getblockchaininfo", "[]",
					     ask->config.node_timeout_ms, reply_out);
	if (err == IOTPKI_OK && reply_out->outcome == IOTPKI_OUTCOME_REGISTERED &&
	    !read_tip(&ask->config.nodes[node], reply_out, tip_out))
		reply_out->outcome = IOTPKI_OUTCOME_MALFORMED;
	return err;
}

enum iotpki_err ask_history(struct ask *ask, size_t node, const char *name,
			    struct nvs_reply *reply_out)
{
	const struct config_node *config = &ask->config.nodes[node];
	char params[IOTPKI_NVS_NAME_MAX + 16];
	/* Neither a name nor a prefix needs escaping in JSON. Emercoin hides earlier lives, and those
	 * that ended, without `true`. */
	(void)snprintf(params, sizeof(params), "[\"%s%s\"%s]", config->name_prefix, name,
		       config->type == CONFIG_NODE_EMERCOIN ? ",true" : "");
	return nvs_call(ask->nvs, node, "name_history", params, ask->config.node_timeout_ms,
			reply_out);
}
