/* iotpki-bnode: a B-node of one's own (paper III-A), a ledger behind JSON-RPC. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "bnode/verbs.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} verbs[] = {
	{ "init", bnode_init, "--dir DIR (--owner HEX... | --open | --gateway)" },
	{ "serve", bnode_serve,
	  "--dir DIR --listen URL... [--ready-fd N] [--threads N] "
	  "[--connections N] [--connections-per-address N] [--new-per-second N] "
	  "[--request-seconds N] [--metrics loopback|any|off] [--ledger-mib N] "
	  "[--open-per-hour N] [--upstream emercoin|namecoin URL [--credentials FILE] "
	  "[--upstream-pin PIN] [--name-prefix P] [--rate N] [--cache-ms N]]" },
	{ "pin", bnode_pin, "--dir DIR" },
	{ "audit", bnode_audit, "--dir DIR" },
	{ "log", bnode_log, "list --dir DIR | log export --dir DIR --out FOLDER" },
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(out, "  iotpki-bnode %s %s\n", verbs[i].name, verbs[i].usage);
	fprintf(out, "  iotpki-bnode --help | --version\nSee iotpki-bnode(1).\n");
}

static void log_to_stderr(const struct log_sink *sink, enum log_level level, const char *line)
{
	(void)sink;
	fprintf(stderr, "iotpki-bnode: %s: %s\n", log_level_name(level), line);
}

int main(int argc, char **argv)
{
	static const struct log_sink sink = { log_to_stderr, LOG_LEVEL_NOTICE };
	fs_hold_standard();
	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		print_usage(stdout);
		return VERB_OK;
	}
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		printf("iotpki-bnode %s\n", iotpki_version());
		return VERB_OK;
	}
	/* Whatever a verb makes is its user's alone unless it says otherwise. */
	(void)umask(0077);
	log_set_sink(&sink);
	for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (argc >= 3 && strcmp(argv[argc - 1], "--help") == 0) {
			printf("usage: iotpki-bnode %s %s\nSee iotpki-bnode(1).\n", verbs[i].name,
			       verbs[i].usage);
			return VERB_OK;
		}
		return verbs[i].run(argc - 1, argv + 1);
	}
	if (argc >= 2)
		fprintf(stderr, "iotpki-bnode: unknown command %.32s\n", argv[1]);
	print_usage(stderr);
	return VERB_USAGE;
}
