/* iotpki history: the operations of a name's life, as each B-node tells them. */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "cli/ask.h"
#include "format/json.h"

enum { OPERATIONS_MAX = 1000, TEXT_MAX = 1024 };

/* One element of Emercoin's list. */
struct operation {
	const char *operation;
	const char *value;
	int64_t time_s;
	uint8_t txid[IOTPKI_SHA256_LEN];
};

static const struct json_field fields[] = {
	{ "txid", JSON_HASH, false, 0, 0, offsetof(struct operation, txid) },
	{ "time", JSON_INT, false, 0, JSON_TIME_MAX, offsetof(struct operation, time_s) },
	{ "operation", JSON_TEXT, false, 1, 32, offsetof(struct operation, operation) },
	{ "value", JSON_TEXT, true, 0, IOTPKI_VALUE_MAX, offsetof(struct operation, value) },
};

/* A revocation shows as an update there; its value says what it is. */
static const char *word_of(const struct operation *operation)
{
	static const char revoked[] = "status=revoked";
	const char *value = operation->value;
	const char *status = value != NULL ? strstr(value, revoked) : NULL;
	if (status != NULL &&
	    (status[sizeof(revoked) - 1] == '\0' || status[sizeof(revoked) - 1] == '|'))
		return "revoked";
	if (strcmp(operation->operation, "name_new") == 0)
		return "registered";
	return strcmp(operation->operation, "name_update") == 0 ? "updated" : "other";
}

static bool print_operation(struct cli *cli, const struct json_t *element, json_t *list)
{
	struct operation operation = { .value = NULL };
	if (json_fields(element, fields, ARRAY_LEN(fields), &operation, NULL) != IOTPKI_OK)
		return false;
	char at[TIME_TEXT_SIZE];
	char txid[2 * IOTPKI_SHA256_LEN + 1];
	char value[TEXT_MAX];
	const char *text = operation.value != NULL ? operation.value : "";
	time_format(operation.time_s, at);
	hex_encode(operation.txid, IOTPKI_SHA256_LEN, txid);
	(void)text_escape(text, strlen(text), value, sizeof(value));
	cli_print(cli, "    %s  %-10s  %s", at, word_of(&operation), txid);
	cli_print(cli, "      %s", value);
	(void)json_array_append_new(list,
				    json_pack("{s:s, s:s, s:s, s:s}", "time", at, "operation",
					      word_of(&operation), "txid", txid, "value", value));
	return true;
}

/* Whether the answer was a history; a name that nobody holds has none. */
static bool print_history(struct cli *cli, const struct nvs_reply *reply, json_t *list)
{
	CLEANUP(json_release) struct json_t *root = NULL;
	if (json_read(buf_text(&reply->result), reply->result.len, reply->result.len, &root,
		      NULL) != IOTPKI_OK)
		return false;
	size_t count = 0;
	for (const struct json_t *element;
	     count < OPERATIONS_MAX && (element = json_element(root, count)) != NULL; count++) {
		if (!print_operation(cli, element, list))
			return false;
	}
	return count > 0;
}

static enum cli_exit ask_node(struct cli *cli, struct ask *ask, size_t node, const char *name,
			      json_t *nodes)
{
	char params[IOTPKI_NVS_NAME_MAX + 16];
	/* A name needs no escaping in JSON. */
	(void)snprintf(params, sizeof(params), "[\"%s%s\"]", ask->config.nodes[node].name_prefix,
		       name);
	struct nvs_reply reply = { 0 };
	const enum iotpki_err err = nvs_call(ask->nvs, node, "name_history", params,
					     ask->config.node_timeout_ms, &reply);
	if (err != IOTPKI_OK) {
		nvs_reply_done(&reply);
		return cli_fail(cli, err, NULL);
	}
	json_t *list = json_array();
	enum cli_exit exit = CLI_UNAVAILABLE;
	cli_print(cli, "  %-8s %s, %" PRIu32 " ms", ask->config.nodes[node].name,
		  reply.outcome == IOTPKI_OUTCOME_REGISTERED ? "answers"
							     : iotpki_outcome_name(reply.outcome),
		  reply.ms);
	if (reply.outcome == IOTPKI_OUTCOME_UNREGISTERED || reply.outcome == IOTPKI_OUTCOME_EXPIRED)
		exit = CLI_VERIFICATION;
	else if (reply.outcome != IOTPKI_OUTCOME_REGISTERED)
		ask_trouble(cli, ask, node, reply.outcome);
	else if (print_history(cli, &reply, list))
		exit = CLI_OK;
	else
		cli_print(cli, "      its answer is no history");
	(void)json_array_append_new(nodes, json_pack("{s:s, s:b, s:o}", "node",
						     ask->config.nodes[node].name, "answered",
						     exit == CLI_OK, "operations", list));
	nvs_reply_done(&reply);
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
	json_t *nodes = json_array();
	bool told = false;
	bool unknown = false;
	cli_print(cli, "%s", name);
	for (size_t i = 0; i < ask.config.node_count; i++) {
		exit = ask_node(cli, &ask, i, name, nodes);
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
