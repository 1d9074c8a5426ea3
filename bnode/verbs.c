/* What the verbs share: how they fail. */
#include "bnode/verbs.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

int verb_exit_code(enum iotpki_err err)
{
	static const struct {
		enum iotpki_err err;
		int code;
	} rows[] = {
		{ IOTPKI_OK, VERB_OK },
		{ IOTPKI_ERR_ARGUMENT, VERB_USAGE },
		{ IOTPKI_ERR_SYNTAX, VERB_CONFIGURATION },
		{ IOTPKI_ERR_LIMIT, VERB_CONFIGURATION },
		{ IOTPKI_ERR_NOT_FOUND, VERB_CONFIGURATION },
		{ IOTPKI_ERR_EXISTS, VERB_CONFIGURATION },
		{ IOTPKI_ERR_MISMATCH, VERB_CONFIGURATION },
		{ IOTPKI_ERR_UNSUPPORTED, VERB_CONFIGURATION },
		{ IOTPKI_ERR_PERMISSION, VERB_PERMISSION },
		{ IOTPKI_ERR_UNAVAILABLE, VERB_UNAVAILABLE },
		{ IOTPKI_ERR_TIMEOUT, VERB_UNAVAILABLE },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].err == err)
			return rows[i].code;
	}
	return VERB_INTERNAL;
}

int verb_failed(const char *verb, enum iotpki_err err, const struct iotpki_detail *detail)
{
	char text[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	iotpki_err_detail(err, detail, text, sizeof(text));
	fprintf(stderr, "iotpki-bnode %s: %s\n", verb, text);
	return verb_exit_code(err);
}

int verb_usage(const char *verb, const char *format, ...)
{
	fprintf(stderr, "iotpki-bnode %s: ", verb);
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nSee iotpki-bnode(1).\n");
	return VERB_USAGE;
}

int verb_bad_option(const char *verb, int code, char *const *argv)
{
	return verb_usage(verb, code == ':' ? "%.64s needs an argument" : "unknown option %.64s",
			  argv[optind - 1]);
}

int verb_check_words(const char *verb, const char *dir, int argc, char *const *argv)
{
	if (optind < argc)
		return verb_usage(verb, "unexpected argument: %.64s", argv[optind]);
	return dir != NULL ? VERB_OK : verb_usage(verb, "--dir DIR is missing");
}

enum iotpki_err verb_path(const char *dir, const char *name, char out[static VERB_PATH_SIZE],
			  struct iotpki_detail *detail)
{
	const int len = snprintf(out, VERB_PATH_SIZE, "%s/%s", dir, name);
	if (len < 0 || len >= VERB_PATH_SIZE)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the name of the folder is too long");
	return IOTPKI_OK;
}
