/*
 * What every noun of the iotpki command shares: the verb table, options, output in
 * both forms (text, or one JSON object), exit codes, and the questions that a
 * destructive verb asks. One noun is one file with one table of verbs.
 */
#pragma once

#include <stdio.h>

#include <jansson.h>

#include <iotpki/cert.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "config/config.h"

/** Exit codes (design 12). */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED_BY_LIST = 1, /* member-expired, member-denied, not-permitted */
	CLI_USAGE = 2,
	CLI_CONFIGURATION = 3,
	CLI_PERMISSION = 4,
	CLI_UNAVAILABLE = 5,
	CLI_NOT_MEMBER = 6,
	CLI_VERIFICATION = 7,
	CLI_NO_PROOF = 8,
	CLI_STALE = 9,
	CLI_INTERNAL = 10,
	/* 20 to 27: why a wallet did not write (manager/onchain.h, the one table; iotpki-dm(1)) */
	CLI_INTERRUPTED = 130, /* Ctrl-C while dm was waiting for a chain */
};

struct cli {
	const char *program;
	const char *config_path;
	const char *socket_path; /* NULL: the default */
	bool json;
	int verbosity; /* -1 quiet, 0, 1 verbose */
	FILE *in, *out, *err;
	const struct clock *clock;
	const struct random_source *random;
	json_t *result;     /* of --json; owned */
	const char *reason; /* of --json; a constant */
	char message[512];  /* the error that was said, for --json */
};

/* ---- verbs and their options ---- */

enum { CLI_POSITIONAL_MAX = 8, CLI_OPTIONS_MAX = 24, CLI_VALUES_MAX = 16 };

struct cli_option {
	const char *name;     /* without "--" */
	const char *argument; /* "FILE"; NULL: a flag */
	const char *help;
	bool repeated; /* may be given up to CLI_VALUES_MAX times; else once */
};

struct cli_arguments {
	const struct cli_option *options; /* of the verb */
	size_t positional_count;
	const char *positional[CLI_POSITIONAL_MAX];
	struct {
		size_t count;
		const char *values[CLI_VALUES_MAX];
	} given[CLI_OPTIONS_MAX];
	/* Every option in the order it was given: index into options, for those whose order matters. */
	size_t order_count;
	size_t order[CLI_OPTIONS_MAX * CLI_VALUES_MAX];
};

struct cli_verb {
	const char *noun;
	const char *verb;       /* NULL: the noun alone is the command */
	const char *positional; /* for the usage line: "NAME [FILE]"; NULL: none */
	size_t positional_min, positional_max;
	const char *help;                 /* one line */
	const struct cli_option *options; /* ends with a NULL name; NULL: none */
	enum cli_exit (*run)(struct cli *cli, const struct cli_arguments *arguments);
};

/** Whether a flag was given. */
bool cli_flag(const struct cli_arguments *arguments, const char *name);
/** The value of an option, or NULL. */
const char *cli_value(const struct cli_arguments *arguments, const char *name);
/** All values of a repeated option. */
const char *const *cli_values(const struct cli_arguments *arguments, const char *name,
			      size_t *count_out);

/* ---- output ---- */

/** A line for people (newline added): not with --json, not with -q. */
void cli_say(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/** Output that the command is for (newline added): not with --json, but with -q. */
void cli_print(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/** Only with -v. */
void cli_verbose(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/** "iotpki: warning: ..." on stderr, in both forms. */
void cli_warn(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
/** The result of --json; the reference is taken. Harmless without --json. */
void cli_result(struct cli *cli, json_t *result);

/** Say an error on stderr; returns exit, so that a verb can return it. */
enum cli_exit cli_error(struct cli *cli, enum cli_exit exit, const char *format, ...)
	PRINTF_LIKE(3, 4);
/** The same of a library error; the exit code comes from one table. */
enum cli_exit cli_fail(struct cli *cli, enum iotpki_err err, const struct iotpki_detail *detail);
/** The exit code of an error. */
enum cli_exit cli_exit_of(enum iotpki_err err);

/* ---- what verbs need ---- */

/** Whose files the caller may believe: its own and root's, not writable by others. */
struct fs_trust cli_trust(void);
/** iotpki.yaml as --config says; says what is wrong. */
enum cli_exit cli_load_config(struct cli *cli, struct config *config_out);
/** A file beside the configuration ("members.yaml"); false (and said) if the path is too long. */
bool cli_beside_config(struct cli *cli, const char *file, char *out, size_t size);
/**
 * A folder of the user's: $VARIABLE/iotpki/last, else $HOME/fallback/iotpki/last; an explicit --dir wins.
 * @return false (and said) if neither is known
 */
bool cli_user_folder(struct cli *cli, const struct cli_arguments *arguments, const char *variable,
		     const char *fallback, const char *last, char *out, size_t size);
/** RFC 3339 UTC, or a duration from now ("30d"); false (and said) if it is neither. */
bool cli_time(struct cli *cli, const char *text, int64_t *unix_s_out);
/** Whole of a file that the user named. */
enum cli_exit cli_read(struct cli *cli, const char *path, struct buf *out);
/** A certificate file (PEM), checked in full; pem_out gets it in canonical form. Says what is wrong. */
enum cli_exit cli_read_cert(struct cli *cli, const char *path, struct iotpki_cert *cert_out,
			    char pem_out[static IOTPKI_CERT_PEM_MAX]);
/** Ask before something that cannot be undone; --yes answers. Not a terminal and no --yes: no. */
bool cli_confirm(struct cli *cli, const struct cli_arguments *arguments, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* ---- the nouns: each table ends with a NULL noun ---- */

extern const struct cli_verb cli_identity_verbs[];
extern const struct cli_verb cli_verify_verbs[];
extern const struct cli_verb cli_lookup_verbs[];
extern const struct cli_verb cli_history_verbs[];
extern const struct cli_verb cli_bnode_verbs[];
extern const struct cli_verb cli_status_verbs[];
extern const struct cli_verb cli_clock_verbs[];
extern const struct cli_verb cli_config_verbs[];
extern const struct cli_verb cli_member_verbs[];
extern const struct cli_verb cli_dm_verbs[];
