/* iotpki status and refresh: what the agent says of itself, and that it shall ask again. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <iotpki/client.h>

#include "base/parse.h"
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

/* ---- refresh ---- */

enum { POLL_MS = 250 };

/* What the agent says of the refresh that this command began. */
struct refresh_state {
	bool running;
	uint64_t run, members, admitted, denied, unavailable;
};

static uint64_t count_of(const struct iotpki_client_answer *answer, const char *key)
{
	uint64_t number = 0;
	const char *text = iotpki_client_value(answer, key);
	if (text == NULL || !uint_parse(text, strlen(text), UINT64_MAX, &number))
		return 0;
	return number;
}

static enum cli_exit ask_state(struct cli *cli, struct refresh_state *state)
{
	struct iotpki_client_answer answer;
	const enum cli_exit exit = ask_agent(cli, "status", NULL, 0, &answer);
	if (exit != CLI_OK)
		return exit;
	const char *word = iotpki_client_value(&answer, "refresh");
	*state = (struct refresh_state){
		.running = word != NULL && strcmp(word, "running") == 0,
		.run = count_of(&answer, "refresh-run"),
		.members = count_of(&answer, "refresh-members"),
		.admitted = count_of(&answer, "refresh-admitted"),
		.denied = count_of(&answer, "refresh-denied"),
		.unavailable = count_of(&answer, "refresh-unavailable"),
	};
	return CLI_OK;
}

/* On a terminal alone: one line that is written over. */
static void show_progress(struct cli *cli, const struct refresh_state *state)
{
	if (cli->json || cli->verbosity < 0 || isatty(fileno(cli->err)) != 1)
		return;
	fprintf(cli->err, "\r%" PRIu64 " of %" PRIu64 " members asked%s",
		state->admitted + state->denied + state->unavailable, state->members,
		state->running ? "" : "\n");
	(void)fflush(cli->err);
}

/* Until it is over; the agent goes on whether this command is there or not. */
static enum cli_exit follow(struct cli *cli, uint64_t run, struct refresh_state *state)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	for (;;) {
		const enum cli_exit exit = ask_state(cli, state);
		if (exit != CLI_OK)
			return exit;
		if (state->run != run)
			return cli_error(cli, CLI_UNAVAILABLE,
					 "the agent began another refresh meanwhile (another "
					 "command, or new B-nodes); see iotpki status");
		show_progress(cli, state);
		if (!state->running)
			return CLI_OK;
		(void)nanosleep(&pause, NULL);
	}
}

static enum cli_exit refresh(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_client_answer answer;
	enum cli_exit exit = ask_agent(cli, "refresh", NULL, 0, &answer);
	if (exit != CLI_OK)
		return exit;
	struct refresh_state state = { .run = count_of(&answer, "run"),
				       .members = count_of(&answer, "members") };
	if (cli_flag(arguments, "no-wait")) {
		cli_say(cli, "the agent asks the B-nodes about %" PRIu64 " members now",
			state.members);
		cli_result(cli, json_pack("{s:I}", "members", (json_int_t)state.members));
		return CLI_OK;
	}
	exit = follow(cli, state.run, &state);
	if (exit != CLI_OK)
		return exit;
	cli_say(cli,
		"asked about %" PRIu64 " members: %" PRIu64 " in order, %" PRIu64
		" refused, %" PRIu64 " without enough answers",
		state.members, state.admitted, state.denied, state.unavailable);
	cli_result(cli, json_pack("{s:I, s:I, s:I, s:I}", "members", (json_int_t)state.members,
				  "admitted", (json_int_t)state.admitted, "denied",
				  (json_int_t)state.denied, "unavailable",
				  (json_int_t)state.unavailable));
	if (state.unavailable > 0)
		return cli_error(cli, CLI_UNAVAILABLE,
				 "too few B-nodes answered about %" PRIu64
				 " members: iotpki bnode test",
				 state.unavailable);
	return CLI_OK;
}

static const struct cli_option refresh_options[] = {
	{ "no-wait", NULL, "do not wait until all have been asked about", false },
	{ 0 },
};

const struct cli_verb cli_status_verbs[] = {
	{ "status", NULL, NULL, 0, 0, "show what the agent says of itself", NULL, status },
	{ "refresh", NULL, NULL, 0, 0, "let the agent ask about every member now", refresh_options,
	  refresh },
	{ 0 },
};
