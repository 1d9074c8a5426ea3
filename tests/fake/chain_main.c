/* build/tests/fake/fake-chain: the fake node (chain_node.h) as a program, for end-to-end tests. */
#include "fake/chain_node.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: fake-chain --type emercoin|namecoin [--listen 127.0.0.1:PORT] [--ready-fd N]\n"
	"                  [--credentials FILE | --cookie FILE | --user USER --password "
	"PASSWORD]\n";

struct arguments {
	const char *type, *listen, *ready, *credentials, *cookie, *user, *password;
};

static bool read_arguments(int argc, char **argv, struct arguments *out)
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' },
		{ "listen", required_argument, NULL, 'l' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "credentials", required_argument, NULL, 'c' },
		{ "cookie", required_argument, NULL, 'k' },
		{ "user", required_argument, NULL, 'u' },
		{ "password", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		const struct {
			int option;
			const char **to;
		} places[] = { { 't', &out->type },    { 'l', &out->listen },
			       { 'r', &out->ready },   { 'c', &out->credentials },
			       { 'k', &out->cookie },  { 'u', &out->user },
			       { 'p', &out->password } };
		size_t i = 0;
		while (i < sizeof(places) / sizeof(places[0]) && places[i].option != option)
			i++;
		if (i == sizeof(places) / sizeof(places[0]))
			return false;
		*places[i].to = optarg;
	}
	return optind == argc && out->type != NULL &&
	       (strcmp(out->type, "emercoin") == 0 || strcmp(out->type, "namecoin") == 0) &&
	       (out->user == NULL) == (out->password == NULL);
}

static unsigned int port_of(const char *listen)
{
	const char *colon = listen != NULL ? strrchr(listen, ':') : NULL;
	return colon != NULL ? (unsigned int)strtoul(colon + 1, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	struct arguments args = { 0 };
	if (!read_arguments(argc, argv, &args)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	/* Blocked before any thread starts, so that sigwait() alone sees them. */
	sigset_t ends;
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	char login[512];
	(void)snprintf(login, sizeof(login), "%s:%s", args.user != NULL ? args.user : "",
		       args.password != NULL ? args.password : "");
	const struct chain_node_options options = {
		.kind = strcmp(args.type, "emercoin") == 0 ? CHAIN_EMERCOIN : CHAIN_NAMECOIN,
		.port = port_of(args.listen),
		.login = args.user != NULL ? login : NULL,
		.credentials = args.credentials,
		.cookie = args.cookie,
	};
	struct chain_node *node = chain_node_start(&options);
	if (node == NULL) {
		(void)fputs("fake-chain: cannot listen\n", stderr);
		return 1;
	}
	char url[64];
	chain_node_url(node, url, sizeof(url));
	(void)dprintf(args.ready != NULL ? (int)strtol(args.ready, NULL, 10) : STDOUT_FILENO,
		      "url=%s\n", url);
	int got = 0;
	(void)sigwait(&ends, &got);
	chain_node_stop(node);
	return 0;
}
