/* iotpki: finds the verb, parses its options, runs it, prints the one JSON object. */
#include "cli/cli.h"

#include <getopt.h>
#include <string.h>

/* One line a noun, in the order of --help. */
static const struct cli_verb *const nouns[] = {
	cli_identity_verbs, cli_member_verbs, cli_verify_verbs, cli_lookup_verbs, cli_history_verbs,
	cli_bnode_verbs,    cli_status_verbs, cli_config_verbs, cli_clock_verbs,  cli_dm_verbs,
};

enum { OPT_CONFIG = 1, OPT_SOCKET, OPT_JSON, OPT_HELP, OPT_VERSION, OPT_VERB = 1000 };

static const struct option global_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
};

static void print_globals(FILE *to)
{
	fputs("\nglobal options:\n"
	      "  --config FILE   configuration (/etc/iotpki/iotpki.yaml); members.yaml is beside "
	      "it\n"
	      "  --socket PATH   the agent's socket (/run/iotpki/agent.sock)\n"
	      "  --json          print one JSON object\n"
	      "  -q, -v          less, more\n"
	      "  --help, --version\n",
	      to);
}

static void print_usage(FILE *to)
{
	fputs("usage: iotpki [--config FILE] [--socket PATH] [--json] [-q|-v] NOUN [VERB] ...\n\n",
	      to);
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
		for (const struct cli_verb *v = nouns[i]; v->noun != NULL; v++)
			fprintf(to, "  %-8s %-11s %s\n", v->noun, v->verb != NULL ? v->verb : "",
				v->help);
	print_globals(to);
}

static void print_verb_usage(FILE *to, const struct cli_verb *verb)
{
	fprintf(to, "usage: iotpki %s%s%s%s%s [OPTION...]\n%s\n", verb->noun,
		verb->verb != NULL ? " " : "", verb->verb != NULL ? verb->verb : "",
		verb->positional != NULL ? " " : "",
		verb->positional != NULL ? verb->positional : "", verb->help);
	for (const struct cli_option *o = verb->options; o != NULL && o->name != NULL; o++) {
		char left[64];
		(void)snprintf(left, sizeof(left), "--%s%s%s%s", o->name,
			       o->argument != NULL ? " " : "",
			       o->argument != NULL ? o->argument : "", o->repeated ? " ..." : "");
		fprintf(to, "  %-24s %s\n", left, o->help);
	}
	print_globals(to);
}

static bool noun_exists(const char *noun)
{
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
		if (nouns[i]->noun != NULL && strcmp(nouns[i]->noun, noun) == 0)
			return true;
	return false;
}

/* A noun with verbs needs one of them; a noun without takes the next word as its argument. */
static const struct cli_verb *find_verb(const char *noun, const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++) {
		for (const struct cli_verb *v = nouns[i]; v->noun != NULL; v++) {
			if (strcmp(v->noun, noun) != 0)
				continue;
			if (v->verb == NULL || (verb != NULL && strcmp(v->verb, verb) == 0))
				return v;
		}
	}
	return NULL;
}

static void print_noun_usage(FILE *to, const char *noun)
{
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
		for (const struct cli_verb *v = nouns[i]; v->noun != NULL; v++)
			if (strcmp(v->noun, noun) == 0)
				fprintf(to, "  iotpki %s %-9s %s\n", noun, v->verb, v->help);
}

/* ---- options ---- */

struct parsing {
	struct cli *cli;
	const struct cli_verb *verb; /* NULL while only global options are known */
	struct cli_arguments *arguments;
	bool help;
	bool version;
};

static size_t fill_options(const struct cli_verb *verb, struct option *out)
{
	size_t count = 0;
	for (; count < ARRAY_LEN(global_options); count++)
		out[count] = global_options[count];
	const struct cli_option *o = verb != NULL ? verb->options : NULL;
	for (int i = 0; o != NULL && o->name != NULL; o++, i++)
		out[count++] =
			(struct option){ o->name,
					 o->argument != NULL ? required_argument : no_argument,
					 NULL, OPT_VERB + i };
	out[count] = (struct option){ 0 };
	return count;
}

static bool take_verb_option(struct parsing *parsing, size_t index, const char *value)
{
	struct cli_arguments *arguments = parsing->arguments;
	const struct cli_option *option = &parsing->verb->options[index];
	size_t *count = &arguments->given[index].count;
	if (*count == (option->repeated ? CLI_VALUES_MAX : 1)) {
		(void)cli_error(parsing->cli, CLI_USAGE, "--%s is given too often", option->name);
		return false;
	}
	arguments->given[index].values[(*count)++] = value != NULL ? value : "";
	arguments->order[arguments->order_count++] = index;
	return true;
}

static bool take_option(struct parsing *parsing, int code, const char *value)
{
	struct cli *cli = parsing->cli;
	switch (code) {
	case OPT_CONFIG:
		cli->config_path = value;
		return true;
	case OPT_SOCKET:
		cli->socket_path = value;
		return true;
	case OPT_JSON:
		cli->json = true;
		return true;
	case 'q':
		cli->verbosity = -1;
		return true;
	case 'v':
		cli->verbosity = 1;
		return true;
	case 'h':
	case OPT_HELP:
		parsing->help = true;
		return true;
	case OPT_VERSION:
		parsing->version = true;
		return true;
	default:
		return take_verb_option(parsing, (size_t)(code - OPT_VERB), value);
	}
}

/* What getopt refused, in our words: its own would go to stderr in two styles. */
static bool refuse_option(const struct parsing *parsing, int code, char *const *argv)
{
	const struct cli_verb *verb = parsing->verb;
	(void)cli_error(parsing->cli, CLI_USAGE, "%s%.64s%s; see iotpki %s%s%s%s--help",
			code == ':' ? "" : "unknown option ", argv[optind - 1],
			code == ':' ? " needs an argument" : "", verb != NULL ? verb->noun : "",
			verb != NULL ? " " : "",
			verb != NULL && verb->verb != NULL ? verb->verb : "",
			verb != NULL && verb->verb != NULL ? " " : "");
	return false;
}

/* Options up to the first word that is none (first pass), or all of them and the words between. */
static bool parse_options(struct parsing *parsing, int argc, char **argv, bool stop_at_word)
{
	struct option options[ARRAY_LEN(global_options) + CLI_OPTIONS_MAX + 1];
	(void)fill_options(parsing->verb, options);
	optind = 0; /* GNU getopt: forget what an earlier pass moved in its argv */
	opterr = 0;
	int code;
	while ((code = getopt_long(argc, argv, stop_at_word ? "+:qvh" : ":qvh", options, NULL)) !=
	       -1) {
		if (code == '?' || code == ':')
			return refuse_option(parsing, code, argv);
		if (!take_option(parsing, code, optarg))
			return false;
	}
	return true;
}

static bool take_words(struct parsing *parsing, int argc, char **argv)
{
	const struct cli_verb *verb = parsing->verb;
	struct cli_arguments *arguments = parsing->arguments;
	const size_t count = (size_t)(argc - optind);
	if (parsing->help)
		return true;
	if (count < verb->positional_min || count > verb->positional_max ||
	    count > CLI_POSITIONAL_MAX) {
		(void)cli_error(parsing->cli, CLI_USAGE, "iotpki %s%s%s takes %s; see --help",
				verb->noun, verb->verb != NULL ? " " : "",
				verb->verb != NULL ? verb->verb : "",
				verb->positional != NULL ? verb->positional : "no argument");
		return false;
	}
	for (size_t i = 0; i < count; i++)
		arguments->positional[i] = argv[(size_t)optind + i];
	arguments->positional_count = count;
	return true;
}

/* ---- the two passes ---- */

static enum cli_exit run_verb(struct cli *cli, const struct cli_verb *verb, int argc, char **argv)
{
	struct cli_arguments arguments = { .options = verb->options };
	struct parsing parsing = { .cli = cli, .verb = verb, .arguments = &arguments };
	if (!parse_options(&parsing, argc, argv, false) || !take_words(&parsing, argc, argv))
		return CLI_USAGE;
	if (parsing.help) {
		print_verb_usage(cli->out, verb);
		cli->json = false;
		return CLI_OK;
	}
	return verb->run(cli, &arguments);
}

static enum cli_exit no_such_verb(struct cli *cli, const char *noun, const char *verb)
{
	if (!noun_exists(noun))
		return cli_error(cli, CLI_USAGE, "unknown command %.32s; see iotpki --help", noun);
	print_noun_usage(cli->err, noun);
	if (verb == NULL)
		return cli_error(cli, CLI_USAGE, "iotpki %s needs a verb", noun);
	return cli_error(cli, CLI_USAGE, "iotpki %s has no verb %.32s", noun, verb);
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	struct parsing parsing = { .cli = cli };
	if (!parse_options(&parsing, argc, argv, true))
		return CLI_USAGE;
	if (parsing.version) {
		cli_print(cli, "iotpki %s", iotpki_version());
		cli_result(cli, json_string(iotpki_version()));
		return CLI_OK;
	}
	const int at = optind;
	if (parsing.help) {
		print_usage(cli->out);
		cli->json = false;
		return CLI_OK;
	}
	if (at >= argc) {
		print_usage(cli->err);
		return cli_error(cli, CLI_USAGE, "a command is missing");
	}
	const char *verb = at + 1 < argc ? argv[at + 1] : NULL;
	const struct cli_verb *found = find_verb(argv[at], verb);
	if (found != NULL)
		return run_verb(cli, found, argc - at - (found->verb != NULL),
				argv + at + (found->verb != NULL));
	if (verb != NULL && (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) &&
	    noun_exists(argv[at])) {
		print_noun_usage(cli->out, argv[at]);
		cli->json = false;
		return CLI_OK;
	}
	return no_such_verb(cli, argv[at], verb);
}

/* {"iotpki":1,"ok":..,"code":..,"reason":..,"result":..} (design 12). */
static void print_json(struct cli *cli, enum cli_exit exit)
{
	if (cli->result == NULL && cli->message[0] != '\0')
		cli->result = json_pack("{s:s}", "error", cli->message);
	json_t *whole =
		json_pack("{s:i, s:b, s:i, s:s, s:o}", "iotpki", 1, "ok", exit == CLI_OK, "code",
			  (int)exit, "reason", cli->reason != NULL ? cli->reason : "", "result",
			  cli->result != NULL ? cli->result : json_null());
	cli->result = NULL;
	if (whole == NULL ||
	    json_dumpf(whole, cli->out, JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER) != 0)
		fputs("{\"iotpki\":1,\"ok\":false,\"code\":10,\"reason\":\"\",\"result\":null}",
		      cli->out);
	fputc('\n', cli->out);
	json_decref(whole);
}

/* A command that cannot be parsed is answered in the form that was asked for all the same. */
static bool asks_json(int argc, char *const *argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct cli cli = { .program = "iotpki",
			   .config_path = CONFIG_PATH,
			   .in = stdin,
			   .out = stdout,
			   .err = stderr,
			   .clock = clock_system(),
			   .random = random_system() };
	const bool json = asks_json(argc, argv); /* before getopt moves the words */
	fs_hold_standard();
	enum cli_exit exit = run(&cli, argc, argv);
	if (cli.json || (json && exit == CLI_USAGE))
		print_json(&cli, exit);
	/* Half an answer must not look like a whole one. */
	if (fflush(stdout) != 0 && exit == CLI_OK)
		exit = CLI_INTERNAL;
	json_decref(cli.result);
	return (int)exit;
}
