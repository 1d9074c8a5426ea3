/* iotpki history: the operations of a name's life, as each B-node tells them. */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "cli/ask.h"
#include "format/json.h"

enum { OPERATIONS_MAX = 1000, TEXT_MAX = 1024, CHAIN_VALUE_MAX = 64 * 1024 };
/* Blocks after which a name of Namecoin ends; the next operation then begins another life. */
enum { NAMECOIN_LIFE = 36000, NAMECOIN_LIFE_REGTEST = 30 };

/* One element of the list, of any network. */
struct operation {
	const char *operation; /* NULL: Namecoin does not say it */
	const char *value;     /* NULL: it has none */
	int64_t time_s;        /* 0: Namecoin does not say it */
	int64_t height;        /* 0: iotpki-bnode does not say it */
	uint8_t txid[IOTPKI_SHA256_LEN];
};

static const struct json_field fields[] = {
	{ "txid", JSON_HASH, false, 0, 0, offsetof(struct operation, txid) },
	{ "time", JSON_INT, true, 0, JSON_TIME_MAX, offsetof(struct operation, time_s) },
	{ "height", JSON_INT, true, 0, JSON_INT_MAX, offsetof(struct operation, height) },
	{ "operation", JSON_TEXT, true, 1, 32, offsetof(struct operation, operation) },
	{ "value", JSON_TEXT, true, 0, CHAIN_VALUE_MAX, offsetof(struct operation, value) },
};

/* One node's list while it is printed. */
struct telling {
	struct cli *cli;
	json_t *list;
	int64_t life_blocks; /* 0: each operation says itself what it is */
	int64_t last_height; /* of the operation before; 0: none */
};

static bool revokes(const char *value)
{
	static const char revoked[] = "status=revoked";
	for (const char *at = value; at != NULL; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, revoked, sizeof(revoked) - 1) == 0 &&
		    (at[sizeof(revoked) - 1] == '\0' || at[sizeof(revoked) - 1] == '|'))
			return true;
	}
	return false;
}

/* A revocation shows as an update there; its value says what it is. */
static const char *word_of(const struct telling *telling, const struct operation *operation)
{
	static const struct {
		const char *operation, *word;
	} words[] = {
		{ "name_new", "registered" },
		{ "name_update", "updated" },
		{ "name_delete", "deleted" },
	};
	if (revokes(operation->value))
		return "revoked";
	for (size_t i = 0; operation->operation != NULL && i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].operation, operation->operation) == 0)
			return words[i].word;
	if (telling->life_blocks == 0)
		return "other";
	const bool begins = telling->last_height == 0 ||
			    operation->height >= telling->last_height + telling->life_blocks;
	return begins ? "registered" : "updated";
}

static bool print_operation(struct telling *telling, const struct json_t *element)
{
	struct operation operation = { .value = NULL };
	if (json_fields(element, fields, ARRAY_LEN(fields), &operation, NULL) != IOTPKI_OK ||
	    (operation.time_s == 0 && operation.height == 0))
		return false;
	char at[TIME_TEXT_SIZE] = "";
	char txid[2 * IOTPKI_SHA256_LEN + 1];
	char value[TEXT_MAX];
	const char *text = operation.value != NULL ? operation.value : "";
	const char *word = word_of(telling, &operation);
	if (operation.time_s > 0)
		time_format(operation.time_s, at);
	else
		(void)snprintf(at, sizeof(at), "block %" PRId64, operation.height);
	hex_encode(operation.txid, IOTPKI_SHA256_LEN, txid);
	(void)text_escape(text, strlen(text), value, sizeof(value));
	cli_print(telling->cli, "    %-20s  %-10s  %s", at, word, txid);
	cli_print(telling->cli, "      %s", value);
	json_t *object =
		json_pack("{s:s, s:s, s:s}", "operation", word, "txid", txid, "value", value);
	if (operation.time_s > 0)
		(void)json_object_set_new(object, "time", json_string(at));
	if (operation.height > 0)
		(void)json_object_set_new(object, "height",
					  json_integer((json_int_t)operation.height));
	(void)json_array_append_new(telling->list, object);
	telling->last_height = operation.height;
	return true;
}

/* Whether the answer was a history; a name that nobody holds has none. */
static bool print_history(struct telling *telling, const struct nvs_reply *reply)
{
	CLEANUP(json_release) struct json_t *root = NULL;
	if (json_read(buf_text(&reply->result), reply->result.len, reply->result.len, &root,
		      NULL) != IOTPKI_OK)
		return false;
	size_t count = 0;
	for (const struct json_t *element;
	     count < OPERATIONS_MAX && (element = json_element(root, count)) != NULL; count++) {
		if (!print_operation(telling, element))
			return false;
	}
	return count > 0;
}

static enum iotpki_err life_of(struct ask *ask, size_t node, struct telling *telling)
{
	if (ask->config.nodes[node].type != CONFIG_NODE_NAMECOIN)
		return IOTPKI_OK;
	struct nvs_reply reply = { 0 };
	struct ask_tip tip;
	const enum iotpki_err err = ask_tip(ask, node, &reply, &tip);
	nvs_reply_done(&reply);
	telling->life_blocks = tip.regtest ? NAMECOIN_LIFE_REGTEST : NAMECOIN_LIFE;
	return err;
}

static bool known(enum iotpki_outcome outcome)
{
	return outcome == IOTPKI_OUTCOME_REGISTERED || outcome == IOTPKI_OUTCOME_REVOKED ||
	       outcome == IOTPKI_OUTCOME_EXPIRED;
}

/* One node that knows the name, or whose trouble is its histories. */
static enum cli_exit tell_node(struct cli *cli, struct ask *ask, size_t node, const char *name,
			       json_t *list)
{
	struct telling telling = { .cli = cli, .list = list };
	struct nvs_reply reply = { 0 };
	enum iotpki_err err = ask_history(ask, node, name, &reply);
	const enum iotpki_outcome outcome = reply.outcome;
	if (err == IOTPKI_OK && outcome == IOTPKI_OUTCOME_REGISTERED)
		err = life_of(ask, node, &telling);
	if (err != IOTPKI_OK) {
		nvs_reply_done(&reply);
		return cli_fail(cli, err, NULL);
	}
	enum cli_exit exit = CLI_UNAVAILABLE;
	cli_print(cli, "  %-8s %s, %" PRIu32 " ms", ask->config.nodes[node].name,
		  outcome == IOTPKI_OUTCOME_REGISTERED ? "answers" : iotpki_outcome_name(outcome),
		  reply.ms);
	if (outcome == IOTPKI_OUTCOME_UNREGISTERED || outcome == IOTPKI_OUTCOME_EXPIRED)
		exit = CLI_VERIFICATION;
	else if (outcome != IOTPKI_OUTCOME_REGISTERED)
		ask_trouble(cli, ask, node, outcome);
	else if (print_history(&telling, &reply))
		exit = CLI_OK;
	else
		cli_print(cli, "      its answer is no history");
	nvs_reply_done(&reply);
	return exit;
}

static enum cli_exit ask_node(struct cli *cli, struct ask *ask, size_t node, const char *name,
			      const struct iotpki_answer *answer, json_t *nodes)
{
	json_t *list = json_array();
	enum cli_exit exit = CLI_UNAVAILABLE;
	if (known(answer->outcome) || answer->outcome == IOTPKI_OUTCOME_NOT_READY) {
		exit = tell_node(cli, ask, node, name, list);
	} else {
		/* To name_history chains say an error of the database where there is no name. */
		cli_print(cli, "  %-8s %s, %" PRIu32 " ms", ask->config.nodes[node].name,
			  iotpki_outcome_name(answer->outcome), answer->ms);
		ask_trouble(cli, ask, node, answer->outcome);
		if (answer->outcome == IOTPKI_OUTCOME_UNREGISTERED)
			exit = CLI_VERIFICATION;
	}
	(void)json_array_append_new(nodes, json_pack("{s:s, s:b, s:o}", "node",
						     ask->config.nodes[node].name, "answered",
						     exit == CLI_OK, "operations", list));
	return exit;
}

static enum cli_exit run(struct cli *cli, const struct cli_arguments *arguments)
{
	const char *name;
	CLEANUP(ask_close) struct ask ask;
	enum cli_exit exit = ask_open(cli, ASK_LIST_IF_ANY | ASK_NODES, &ask);
	if (exit == CLI_OK)
		exit = ask_name(cli, &ask, arguments->positional[0], &name);
	if (exit != CLI_OK)
		return exit;
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	const enum iotpki_err err = nvs_ask_wait(ask.nvs, name, answers);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, NULL);
	json_t *nodes = json_array();
	bool told = false;
	bool unknown = false;
	cli_print(cli, "%s", name);
	for (size_t i = 0; i < ask.config.node_count; i++) {
		exit = ask_node(cli, &ask, i, name, &answers[i], nodes);
		told |= exit == CLI_OK;
		unknown |= exit == CLI_VERIFICATION;
	}
	cli_result(cli, json_pack("{s:s, s:o}", "name", name, "nodes", nodes));
	if (told)
		return CLI_OK;
	return unknown ? CLI_VERIFICATION : CLI_UNAVAILABLE;
}

const struct cli_verb cli_history_verbs[] = {
	{ "history", NULL, "NAME", 1, 1, "show what was done to a name in its present life", NULL,
	  run },
	{ 0 },
};
