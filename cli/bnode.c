/* iotpki bnode: the B-nodes of the configuration, and whether each is of use right now. */
#include <inttypes.h>
#include <string.h>

#include <iotpki/client.h>

#include "base/parse.h"
#include "cli/ask.h"

enum { TIP_AGE_MAX_S = 3600, CHAIN_TIP_AGE_MAX_S = 4 * 3600 }; /* design 6 */

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
		const char *type = config_type_name(node->type);
		cli_print(cli, "%-8s %-10s %-8s %s%s%s", node->name, network, type, node->url,
			  node->twin > 0 ? ", the same node as " : "",
			  node->twin > 0 ? ask.config.nodes[node->twin - 1].name : "");
		(void)json_array_append_new(
			nodes, json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "node", node->name,
					 "type", type, "network", network, "url", node->url, "pins",
					 (int)node->pin_count, "credentials", node->credentials));
	}
	cli_say(cli, "%u of %zu must answer and agree", ask.config.needed,
		config_voters(&ask.config));
	cli_result(cli, json_pack("{s:i, s:o}", "needed", (int)ask.config.needed, "nodes", nodes));
	return CLI_OK;
}

/* What a test found out about one node. */
struct tested {
	enum iotpki_outcome outcome; /* REGISTERED: good; what a question would have now */
	struct ask_tip tip;
	uint32_t ms;
	const char *histories; /* of a chain: whether registrations can be read; "" of others */
	const char *hint;      /* what to switch on or to wait for; NULL: none */
	uint64_t floor;        /* what this device knows that the node had reached; 0: nothing */
};

/* A name of the list that the node holds, if any: its history shows what no other question does. */
struct sample {
	const char *names[NVS_MANY_MAX];
	size_t count;
	const char
		*held[IOTPKI_NODES_MAX]; /* shown by the node, its life unknown for some reason */
	bool read[IOTPKI_NODES_MAX];     /* a history of the node's was read */
	size_t over;
};

static void take_sample(void *context, size_t index, const struct iotpki_answer *answers,
			size_t count, bool deadline)
{
	struct sample *sample = context;
	if (!deadline)
		return;
	sample->over++;
	for (size_t i = 0; i < count; i++) {
		const enum iotpki_outcome outcome = answers[i].outcome;
		sample->read[i] |= outcome == IOTPKI_OUTCOME_REGISTERED;
		if (outcome != IOTPKI_OUTCOME_UNREGISTERED && outcome != IOTPKI_OUTCOME_UNREACHABLE)
			sample->held[i] = sample->names[index];
	}
}

static enum iotpki_err ask_sample(struct ask *ask, struct sample *sample)
{
	*sample = (struct sample){ 0 };
	const size_t members = ask->list != NULL ? membership_count(ask->list) : 0;
	for (size_t i = 0; i < members && sample->count < NVS_MANY_MAX; i++)
		sample->names[sample->count++] = membership_at(ask->list, i)->name;
	if (sample->count == 0)
		return IOTPKI_OK;
	struct nvs_question *question = NULL;
	enum iotpki_err err = nvs_ask_many(ask->nvs, sample->names, sample->count,
					   ask->config.deadline_ms, take_sample, sample, &question);
	while (err == IOTPKI_OK && sample->over < sample->count)
		err = nvs_poll(ask->nvs, -1, -1);
	return err;
}

/* A registration is read from a history: wallet, index and -namehistory show there alone. */
static enum iotpki_err test_histories(struct ask *ask, size_t node, const struct sample *sample,
				      struct tested *tested)
{
	tested->histories = ", histories ok";
	if (sample->read[node])
		return IOTPKI_OK;
	const char *name = sample->held[node] != NULL ? sample->held[node] : "iotpki";
	struct nvs_reply reply = { 0 };
	const enum iotpki_err err = ask_history(ask, node, name, &reply);
	const bool answered = reply.outcome == IOTPKI_OUTCOME_REGISTERED;
	if (reply.outcome == IOTPKI_OUTCOME_NOT_READY ||
	    (sample->held[node] != NULL && !answered)) {
		tested->outcome = reply.outcome;
		tested->hint = reply.hint;
		tested->histories = ", no histories";
	} else if (!answered) {
		/* Of a name that nobody holds nothing is read from the disk. */
		tested->histories = ", histories not tested (it holds no name of the list)";
	}
	nvs_reply_done(&reply);
	return err;
}

/* The outcome that a question would have now, by the same clock as the decision's. */
static enum iotpki_outcome judge_tip(const struct config_node *node, const struct ask_tip *tip,
				     int64_t now_s)
{
	const int64_t max_age_s =
		node->type == CONFIG_NODE_IOTPKI ? TIP_AGE_MAX_S : CHAIN_TIP_AGE_MAX_S;
	if (tip->downloading)
		return IOTPKI_OUTCOME_NOT_READY;
	return tip->time_s < now_s - max_age_s ? IOTPKI_OUTCOME_STALE : IOTPKI_OUTCOME_REGISTERED;
}

/* What the agent knows of each node; nothing while it does not run. */
static void ask_floors(const struct cli *cli, const struct config *config,
		       uint64_t floors[static IOTPKI_NODES_MAX])
{
	struct iotpki_client_answer answer;
	const char *at = NULL;
	if (iotpki_client_ask(cli->socket_path, "status", NULL, 0, 0, &answer) == IOTPKI_CLIENT_OK)
		at = iotpki_client_value(&answer, "heights");
	while (at != NULL && *at != '\0') {
		const size_t name_len = strcspn(at, "="), len = strcspn(at, " ");
		for (size_t i = 0; i < config->node_count && name_len < len; i++)
			if (strlen(config->nodes[i].name) == name_len &&
			    memcmp(config->nodes[i].name, at, name_len) == 0 &&
			    !uint_parse(at + name_len + 1, len - name_len - 1, INT64_MAX,
					&floors[i]))
				floors[i] = 0;
		at += len + (at[len] == ' ');
	}
}

static enum iotpki_err test_node(struct ask *ask, size_t node, int64_t now_s,
				 const struct sample *sample, struct tested *tested)
{
	const struct config_node *config = &ask->config.nodes[node];
	*tested = (struct tested){ .histories = "", .floor = tested->floor };
	struct nvs_reply reply = { 0 };
	enum iotpki_err err = ask_tip(ask, node, &reply, &tested->tip);
	tested->outcome = reply.outcome;
	tested->hint = reply.hint;
	tested->ms = reply.ms;
	nvs_reply_done(&reply);
	if (err != IOTPKI_OK || tested->outcome != IOTPKI_OUTCOME_REGISTERED)
		return err;
	tested->outcome = judge_tip(config, &tested->tip, now_s);
	if (tested->outcome == IOTPKI_OUTCOME_REGISTERED &&
	    (uint64_t)tested->tip.blocks < tested->floor) {
		tested->outcome = IOTPKI_OUTCOME_STALE;
		tested->hint =
			"rolled back: it had a longer chain or log before, and nothing but a "
			"revocation of it counts until it has that again";
	}
	if (tested->tip.downloading)
		tested->hint = "the node is still downloading blocks: wait until it is in sync";
	if (tested->outcome == IOTPKI_OUTCOME_REGISTERED && config->type != CONFIG_NODE_IOTPKI)
		err = test_histories(ask, node, sample, tested);
	return err;
}

static json_t *print_node(struct cli *cli, struct ask *ask, size_t index,
			  const struct tested *tested)
{
	const struct config_node *node = &ask->config.nodes[index];
	const bool good = tested->outcome == IOTPKI_OUTCOME_REGISTERED;
	const char *word = good ? "ok" : iotpki_outcome_name(tested->outcome);
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I}", "node", node->name, "type",
				   config_type_name(node->type), "url", node->url, "state", word,
				   "ms", (json_int_t)tested->ms);
	if (tested->tip.time_s > 0) {
		char at[TIME_TEXT_SIZE];
		time_format(tested->tip.time_s, at);
		cli_print(cli, "%-8s %s, %s, tip %" PRId64 " of %s, %" PRIu32 " ms%s", node->name,
			  word, node->pin_count > 0 ? "pin ok" : "no TLS", tested->tip.blocks, at,
			  tested->ms, tested->histories);
		(void)json_object_set_new(object, "tip",
					  json_integer((json_int_t)tested->tip.blocks));
		(void)json_object_set_new(object, "tip_time", json_string(at));
		(void)json_object_set_new(object, "floor", json_integer((json_int_t)tested->floor));
	} else {
		cli_print(cli, "%-8s %s, %" PRIu32 " ms: %s", node->name, word, tested->ms,
			  node->url);
	}
	/* A hint says what to do better than any general advice. */
	const char *todo = tested->hint != NULL ? tested->hint : ask_advice(node, tested->outcome);
	if (good)
		todo = "";
	else if (tested->hint != NULL)
		cli_print(cli, "      %s", tested->hint);
	else
		ask_trouble(cli, ask, index, tested->outcome);
	(void)json_object_set_new(object, "problem", json_string(good ? "" : ask->problems[index]));
	(void)json_object_set_new(object, "todo", json_string(todo));
	return object;
}

static enum cli_exit verdict(struct cli *cli, const struct ask *ask, unsigned int good,
			     unsigned int stale)
{
	const size_t voters = config_voters(&ask->config);
	if (good >= ask->config.needed) {
		cli_say(cli, "%u of %zu are good, %u must be", good, voters, ask->config.needed);
		return CLI_OK;
	}
	return cli_error(cli, stale > 0 ? CLI_STALE : CLI_UNAVAILABLE,
			 "%u of %zu B-nodes are good, %u must be: nobody can be admitted now", good,
			 voters, ask->config.needed);
}

/* A node and its twins are one. */
static unsigned int count_voters(const struct config *config, const bool *marked)
{
	bool voters[IOTPKI_NODES_MAX] = { false };
	unsigned int count = 0;
	for (size_t i = 0; i < config->node_count; i++) {
		const size_t first = config->nodes[i].twin > 0 ? config->nodes[i].twin - 1U : i;
		count += marked[i] && !voters[first];
		voters[first] |= marked[i];
	}
	return count;
}

static enum cli_exit test(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(ask_close) struct ask ask;
	(void)arguments;
	const enum cli_exit exit = ask_open(cli, ASK_LIST_IF_ANY | ASK_NODES, &ask);
	if (exit != CLI_OK)
		return exit;
	bool good[IOTPKI_NODES_MAX] = { false }, stale[IOTPKI_NODES_MAX] = { false };
	uint64_t floors[IOTPKI_NODES_MAX] = { 0 };
	ask_floors(cli, &ask.config, floors);
	struct sample sample;
	enum iotpki_err err = ask_sample(&ask, &sample);
	json_t *nodes = json_array();
	for (size_t i = 0; err == IOTPKI_OK && i < ask.config.node_count; i++) {
		struct tested tested = { .floor = floors[i] };
		err = test_node(&ask, i, cli->clock->now_s(cli->clock), &sample, &tested);
		if (err != IOTPKI_OK)
			break;
		good[i] = tested.outcome == IOTPKI_OUTCOME_REGISTERED;
		stale[i] = tested.outcome == IOTPKI_OUTCOME_STALE;
		(void)json_array_append_new(nodes, print_node(cli, &ask, i, &tested));
	}
	if (err != IOTPKI_OK) {
		json_decref(nodes);
		return cli_fail(cli, err, NULL);
	}
	const unsigned int count = count_voters(&ask.config, good);
	cli_result(cli, json_pack("{s:i, s:i, s:o}", "good", (int)count, "needed",
				  (int)ask.config.needed, "nodes", nodes));
	return verdict(cli, &ask, count, count_voters(&ask.config, stale));
}

const struct cli_verb cli_bnode_verbs[] = {
	{ "bnode", "list", NULL, 0, 0, "list the configured B-nodes", NULL, list },
	{ "bnode", "test", NULL, 0, 0, "ask each B-node: reachable, pin, tip, latency", NULL,
	  test },
	{ 0 },
};
