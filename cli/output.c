/* What the command says, in both forms, and the exit codes of errors. */
#include "cli/cli.h"

#include <stdarg.h>
#include <string.h>

static void vline(FILE *to, const char *prefix, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void vline(FILE *to, const char *prefix, const char *format, va_list args)
{
	fputs(prefix, to);
	(void)vfprintf(to, format, args);
	fputc('\n', to);
}

void cli_say(struct cli *cli, const char *format, ...)
{
	if (cli->json || cli->verbosity < 0)
		return;
	va_list args;
	va_start(args, format);
	vline(cli->out, "", format, args);
	va_end(args);
}

void cli_print(struct cli *cli, const char *format, ...)
{
	if (cli->json)
		return;
	va_list args;
	va_start(args, format);
	vline(cli->out, "", format, args);
	va_end(args);
}

void cli_verbose(struct cli *cli, const char *format, ...)
{
	if (cli->verbosity < 1)
		return;
	va_list args;
	va_start(args, format);
	vline(cli->err, "", format, args);
	va_end(args);
}

void cli_warn(struct cli *cli, const char *format, ...)
{
	(void)fflush(cli->out); /* in the order in which it was said, in a file too */
	va_list args;
	va_start(args, format);
	vline(cli->err, "iotpki: warning: ", format, args);
	va_end(args);
}

void cli_result(struct cli *cli, json_t *result)
{
	json_decref(cli->result);
	cli->result = result;
}

enum cli_exit cli_error(struct cli *cli, enum cli_exit exit, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(cli->message, sizeof(cli->message), format, args);
	va_end(args);
	(void)fflush(cli->out);
	fprintf(cli->err, "iotpki: %s\n", cli->message);
	return exit;
}

static const struct {
	enum iotpki_err err;
	enum cli_exit exit;
} exits[] = {
	{ IOTPKI_OK, CLI_OK },
	{ IOTPKI_ERR_ARGUMENT, CLI_USAGE },
	{ IOTPKI_ERR_SYNTAX, CLI_CONFIGURATION },
	{ IOTPKI_ERR_LIMIT, CLI_CONFIGURATION },
	{ IOTPKI_ERR_MISMATCH, CLI_CONFIGURATION },
	{ IOTPKI_ERR_UNSUPPORTED, CLI_CONFIGURATION },
	{ IOTPKI_ERR_NOT_FOUND, CLI_CONFIGURATION },
	{ IOTPKI_ERR_EXISTS, CLI_CONFIGURATION },
	{ IOTPKI_ERR_PERMISSION, CLI_PERMISSION },
	{ IOTPKI_ERR_TIMEOUT, CLI_UNAVAILABLE },
	{ IOTPKI_ERR_UNAVAILABLE, CLI_UNAVAILABLE },
	{ IOTPKI_ERR_REFUSED, CLI_VERIFICATION },
	{ IOTPKI_ERR_CRYPTO, CLI_VERIFICATION },
};

enum cli_exit cli_exit_of(enum iotpki_err err)
{
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		if (exits[i].err == err)
			return exits[i].exit;
	return CLI_INTERNAL;
}

enum cli_exit cli_fail(struct cli *cli, enum iotpki_err err, const struct iotpki_detail *detail)
{
	char text[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	iotpki_err_detail(err, detail, text, sizeof(text));
	return cli_error(cli, cli_exit_of(err), "%s", text);
}
