/* iotpki bnode: the B-nodes of the configuration, and whether each is of use right now. */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "cli/ask.h"
#include "format/json.h"

enum { TIP_AGE_MAX_S = 3600 }; /* of type iotpki, the only one of this release (design 6) */

static enum cli_exit list(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(ask_close) struct ask ask;
	(void)arguments;
	const enum cli_exit exit = ask_open(cli, 0, &ask);
	if (exit != CLI_OK)
		return exit;
	json_t *nodes = json_array();
	for (size_t i = 0; i < ask.config.node_count; i++) {
		const struct config_node *node = &ask.config.nodes[i];
		const char *network = ask.config.networks[node->network];
		cli_print(cli, "%-8s %-10s %s", node->name, network, node->url);
		(void)json_array_append_new(nodes, json_pack("{s:s, s:s, s:s, s:s, s:i}", "node",
							     node->name, "type", "iotpki",
							     "network", network, "url", node->url,
							     "pins", (int)node->pin_count));
	}
	cli_say(cli, "%u of %zu must answer and agree", ask.config.needed, ask.config.node_count);
	cli_result(cli, json_pack("{s:i, s:o}", "needed", (int)ask.config.needed, "nodes", nodes));
	return CLI_OK;
}

/* getblockchaininfo, as far as it is needed. */
struct chain {
	int64_t blocks;
	int64_t time_s;
};

static bool read_chain(const struct nvs_reply *reply, struct chain *chain)
{
	static const struct json_field fields[] = {
		{ "blocks", JSON_INT, false, 0, JSON_INT_MAX, offsetof(struct chain, blocks) },
		{ "time", JSON_INT, false, 0, JSON_TIME_MAX, offsetof(struct chain, time_s) },
	};
	CLEANUP(json_release) struct json_t *root = NULL;
	return json_read(buf_text(&reply->result), reply->result.len, reply->result.len, &root,
			 NULL) == IOTPKI_OK &&
	       json_fields(root, fields, ARRAY_LEN(fields), chain, NULL) == IOTPKI_OK;
}

/* The outcome that a question would have now, by the same clock as the decision's. */
static enum iotpki_outcome judge(const struct nvs_reply *reply, int64_t now_s, struct chain *chain)
{
	if (reply->outcome != IOTPKI_OUTCOME_REGISTERED)
		return reply->outcome;
	if (!read_chain(reply, chain))
		return IOTPKI_OUTCOME_MALFORMED;
	return chain->time_s < now_s - TIP_AGE_MAX_S ? IOTPKI_OUTCOME_STALE
						     : IOTPKI_OUTCOME_REGISTERED;
}

static json_t *print_node(struct cli *cli, const struct ask *ask, size_t index,
			  const struct nvs_reply *reply, enum iotpki_outcome outcome,
			  const struct chain *chain)
{
	const struct config_node *node = &ask->config.nodes[index];
	const bool good = outcome == IOTPKI_OUTCOME_REGISTERED;
	const char *word = good ? "ok" : iotpki_outcome_name(outcome);
	json_t *object = json_pack("{s:s, s:s, s:s, s:I}", "node", node->name, "url", node->url,
				   "state", word, "ms", (json_int_t)reply->ms);
	if (good || outcome == IOTPKI_OUTCOME_STALE) {
		char at[TIME_TEXT_SIZE];
		time_format(chain->time_s, at);
		cli_print(cli, "%-8s %s, %s, tip %" PRId64 " of %s, %" PRIu32 " ms", node->name,
			  word, node->pin_count > 0 ? "pin ok" : "no TLS", chain->blocks, at,
			  reply->ms);
		(void)json_object_set_new(object, "tip", json_integer((json_int_t)chain->blocks));
		(void)json_object_set_new(object, "tip_time", json_string(at));
	} else {
		cli_print(cli, "%-8s %s, %" PRIu32 " ms: %s", node->name, word, reply->ms,
			  node->url);
	}
	ask_trouble(cli, ask, index, outcome);
	(void)json_object_set_new(object, "problem", json_string(ask->problems[index]));
	(void)json_object_set_new(object, "todo", json_string(ask_advice(outcome)));
	return object;
}

static enum cli_exit verdict(struct cli *cli, const struct ask *ask, unsigned int good,
			     unsigned int stale)
{
	if (good >= ask->config.needed) {
		cli_say(cli, "%u of %zu are good, %u must be", good, ask->config.node_count,
			ask->config.needed);
		return CLI_OK;
	}
	return cli_error(cli, stale > 0 ? CLI_STALE : CLI_UNAVAILABLE,
			 "%u of %zu B-nodes are good, %u must be: nobody can be admitted now", good,
			 ask->config.node_count, ask->config.needed);
}

static enum cli_exit test(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(ask_close) struct ask ask;
	(void)arguments;
	const enum cli_exit exit = ask_open(cli, ASK_NODES, &ask);
	if (exit != CLI_OK)
		return exit;
	unsigned int good = 0;
	unsigned int stale = 0;
	json_t *nodes = json_array();
	for (size_t i = 0; i < ask.config.node_count; i++) {
		struct nvs_reply reply = { 0 };
		struct chain chain = { 0 };
		const enum iotpki_err err = nvs_call(ask.nvs, i, "getblockchaininfo", "[]",
						     ask.config.node_timeout_ms, &reply);
		const enum iotpki_outcome outcome =
			err != IOTPKI_OK ? IOTPKI_OUTCOME_MALFORMED
					 : judge(&reply, cli->clock->now_s(cli->clock), &chain);
		good += outcome == IOTPKI_OUTCOME_REGISTERED;
		stale += outcome == IOTPKI_OUTCOME_STALE;
		(void)json_array_append_new(nodes,
					    print_node(cli, &ask, i, &reply, outcome, &chain));
		nvs_reply_done(&reply);
	}
	cli_result(cli, json_pack("{s:i, s:i, s:o}", "good", (int)good, "needed",
				  (int)ask.config.needed, "nodes", nodes));
	return verdict(cli, &ask, good, stale);
}

const struct cli_verb cli_bnode_verbs[] = {
	{ "bnode", "list", NULL, 0, 0, "list the configured B-nodes", NULL, list },
	{ "bnode", "test", NULL, 0, 0, "ask each B-node: reachable, pin, tip, latency", NULL,
	  test },
	{ 0 },
};
