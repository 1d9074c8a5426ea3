/* iotpki status and refresh: what the agent says of itself, and that it shall ask again. */
#include <string.h>
#include <unistd.h>

#include <iotpki/client.h>

#include "cli/cli.h"

/* What to do when the agent gave no answer. */
static const struct {
	enum iotpki_client_status status;
	enum cli_exit exit;
	const char *todo;
} troubles[] = {
	{ IOTPKI_CLIENT_NO_AGENT, CLI_UNAVAILABLE,
	  "is iotpki-agent running? See iotpki-agent(8); iotpki verify works without it" },
	{ IOTPKI_CLIENT_UNTRUSTED, CLI_PERMISSION,
	  "whoever listens there was not started by root; see --socket" },
	{ IOTPKI_CLIENT_TIMEOUT, CLI_UNAVAILABLE, "it is there and does not answer; see its log" },
	{ IOTPKI_CLIENT_BAD_ANSWER, CLI_INTERNAL, "is it of the same release as this command?" },
	{ IOTPKI_CLIENT_ARGUMENT, CLI_USAGE, "the socket's path or the name cannot be sent" },
	{ IOTPKI_CLIENT_SYSTEM, CLI_INTERNAL, "this system is out of descriptors or memory" },
};

static enum cli_exit say_trouble(struct cli *cli, enum iotpki_client_status status)
{
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(troubles) && troubles[i].status != status)
		i++;
	return cli_error(cli, troubles[i].exit, "agent at %s: %s: %s",
			 cli->socket_path != NULL ? cli->socket_path : IOTPKI_CLIENT_SOCKET,
			 iotpki_client_strerror(status), troubles[i].todo);
}

static enum cli_exit ask_agent(struct cli *cli, const char *verb,
			       const struct iotpki_client_field *fields, size_t count,
			       struct iotpki_client_answer *answer)
{
	const enum iotpki_client_status status =
		iotpki_client_ask(cli->socket_path, verb, fields, count, 0, answer);
	if (status != IOTPKI_CLIENT_OK)
		return say_trouble(cli, status);
	if (answer->word == IOTPKI_CLIENT_DONE)
		return CLI_OK;
	const char *why = iotpki_client_value(answer, "error");
	if (geteuid() != 0)
		return cli_error(cli, CLI_PERMISSION, "the agent refused (%s): run this as root",
				 why != NULL ? why : "no reason given");
	return cli_error(cli, CLI_INTERNAL, "the agent refused: %s",
			 why != NULL ? why : "no reason given");
}

static enum cli_exit status(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_client_answer answer;
	(void)arguments;
	const enum cli_exit exit = ask_agent(cli, "status", NULL, 0, &answer);
	if (exit != CLI_OK)
		return exit;
	json_t *object = json_object();
	for (size_t i = 0; i < answer.field_count; i++) {
		cli_print(cli, "%-16s %s", answer.fields[i].key, answer.fields[i].value);
		(void)json_object_set_new(object, answer.fields[i].key,
					  json_string(answer.fields[i].value));
	}
	cli_result(cli, object);
	const char *valid = iotpki_client_value(&answer, "list-valid");
	if (valid != NULL && strcmp(valid, "no") == 0)
		return cli_error(cli, CLI_CONFIGURATION,
				 "the list on disk is not valid, the last good one is in force: "
				 "iotpki config check, iotpki member check");
	return CLI_OK;
}

static enum cli_exit refresh(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_client_answer answer;
	(void)arguments;
	const enum cli_exit exit = ask_agent(cli, "refresh", NULL, 0, &answer);
	if (exit != CLI_OK)
		return exit;
	const char *members = iotpki_client_value(&answer, "members");
	if (members == NULL)
		members = "all";
	cli_say(cli, "the agent asks the B-nodes about %s members now", members);
	cli_result(cli, json_pack("{s:s}", "members", members));
	return CLI_OK;
}

const struct cli_verb cli_status_verbs[] = {
	{ "status", NULL, NULL, 0, 0, "show what the agent says of itself", NULL, status },
	{ "refresh", NULL, NULL, 0, 0, "let the agent ask about every member now", NULL, refresh },
	{ 0 },
};
