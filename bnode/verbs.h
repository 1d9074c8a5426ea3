/*
 * The verbs of iotpki-bnode. Each gets its own arguments (argv[0] is the verb), reads
 * its options itself and returns the exit code of the program.
 */
#pragma once

#include "base/base.h"

/** Exit codes, as the CLI's (design 12). */
enum verb_exit {
	VERB_OK = 0,
	VERB_USAGE = 2,
	VERB_CONFIGURATION = 3, /* a file is missing, malformed or does not fit */
	VERB_PERMISSION = 4,
	VERB_UNAVAILABLE = 5,  /* an address is taken, the network is not there */
	VERB_VERIFICATION = 7, /* audit: the ledger does not verify */
	VERB_INTERNAL = 10,
};

int bnode_init(int argc, char **argv);
int bnode_serve(int argc, char **argv);
int bnode_pin(int argc, char **argv);
int bnode_audit(int argc, char **argv);
int bnode_log(int argc, char **argv); /* log list, log export */

/** The exit code that fits an error. */
int verb_exit_code(enum iotpki_err err);
/** Say on standard error what failed and return its exit code. */
int verb_failed(const char *verb, enum iotpki_err err, const struct iotpki_detail *detail);
/** Say what is wrong with the arguments, and where to read more. VERB_USAGE. */
int verb_usage(const char *verb, const char *format, ...) PRINTF_LIKE(2, 3);

/** What getopt_long() refused with optstring ":", in the program's words. VERB_USAGE. */
int verb_bad_option(const char *verb, int code, char *const *argv);
/** --dir is there and nothing stands behind the options; else it is said. */
int verb_check_words(const char *verb, const char *dir, int argc, char *const *argv);

#define VERB_PATH_SIZE 4096
/** dir/name, e.g. the folder "ledger". IOTPKI_ERR_LIMIT if it is too long. */
enum iotpki_err verb_path(const char *dir, const char *name, char out[static VERB_PATH_SIZE],
			  struct iotpki_detail *detail) MUST_CHECK;
