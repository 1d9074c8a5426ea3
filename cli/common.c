/* What several verbs need: options, files, folders, times, a confirmation. */
#include "cli/cli.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"

static const size_t not_an_option = SIZE_MAX;

static size_t option_index(const struct cli_arguments *arguments, const char *name)
{
	const struct cli_option *o = arguments->options;
	for (size_t i = 0; o != NULL && o[i].name != NULL; i++)
		if (strcmp(o[i].name, name) == 0)
			return i;
	return not_an_option;
}

bool cli_flag(const struct cli_arguments *arguments, const char *name)
{
	const size_t index = option_index(arguments, name);
	return index != not_an_option && arguments->given[index].count > 0;
}

const char *cli_value(const struct cli_arguments *arguments, const char *name)
{
	const size_t index = option_index(arguments, name);
	if (index == not_an_option || arguments->given[index].count == 0)
		return NULL;
	return arguments->given[index].values[arguments->given[index].count - 1];
}

const char *const *cli_values(const struct cli_arguments *arguments, const char *name,
			      size_t *count_out)
{
	const size_t index = option_index(arguments, name);
	*count_out = index != not_an_option ? arguments->given[index].count : 0;
	return index != not_an_option ? arguments->given[index].values : NULL;
}

struct fs_trust cli_trust(void)
{
	return (struct fs_trust){ .owner = geteuid(), .also_root = true, .forbidden = 0022 };
}

enum cli_exit cli_load_config(struct cli *cli, struct config *config_out)
{
	const struct fs_trust trust = cli_trust();
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = config_load(cli->config_path, &trust, config_out, &detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return cli_error(cli, cli_exit_of(err),
				 "%.256s: there is no such file; iotpki.yaml(5) says what it "
				 "holds, --config names another",
				 cli->config_path);
	if (err == IOTPKI_ERR_PERMISSION && access(cli->config_path, R_OK) != 0)
		return cli_error(cli, cli_exit_of(err),
				 "%.256s: this user may not read it; run this as root",
				 cli->config_path);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

bool cli_beside_config(struct cli *cli, const char *file, char *out, size_t size)
{
	const char *slash = strrchr(cli->config_path, '/');
	const int folder = slash != NULL ? (int)(slash - cli->config_path + 1) : 0;
	const int len = snprintf(out, size, "%.*s%s", folder, cli->config_path, file);
	if (len >= 0 && (size_t)len < size)
		return true;
	(void)cli_error(cli, CLI_USAGE, "the path of --config is too long");
	return false;
}

bool cli_user_folder(struct cli *cli, const struct cli_arguments *arguments, const char *variable,
		     const char *fallback, const char *last, char *out, size_t size)
{
	const char *given = cli_value(arguments, "dir");
	const char *base = secure_getenv(variable);
	const char *home = secure_getenv("HOME");
	int len = -1;
	if (given != NULL)
		len = snprintf(out, size, "%s", given);
	else if (base != NULL && base[0] == '/')
		len = snprintf(out, size, "%s/iotpki/%s", base, last);
	else if (home != NULL && home[0] == '/')
		len = snprintf(out, size, "%s/%s/iotpki/%s", home, fallback, last);
	if (len > 0 && (size_t)len < size)
		return true;
	(void)cli_error(cli, CLI_USAGE, "no folder is known: set HOME or %s, or pass --dir",
			variable);
	return false;
}

enum { LONGEST_DURATION_DAYS = 36525 };

bool cli_time(struct cli *cli, const char *text, int64_t *unix_s_out)
{
	uint64_t ms;
	if (time_parse(text, strlen(text), unix_s_out))
		return true;
	if (duration_parse(text, strlen(text), UINT64_C(86400000) * LONGEST_DURATION_DAYS, &ms)) {
		*unix_s_out = cli->clock->now_s(cli->clock) + (int64_t)(ms / 1000);
		return true;
	}
	(void)cli_error(
		cli, CLI_USAGE,
		"\"%.40s\" is no time: write 2027-06-30T00:00:00Z, or 30d, 12h, 10m, 90s from now",
		text);
	return false;
}

enum cli_exit cli_read(struct cli *cli, const char *path, struct buf *out)
{
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = fs_read(path, NULL, out, &detail);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

enum cli_exit cli_read_cert(struct cli *cli, const char *path, struct iotpki_cert *cert_out,
			    char pem_out[static IOTPKI_CERT_PEM_MAX])
{
	CLEANUP(buf_done) struct buf pem = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	const enum cli_exit exit = cli_read(cli, path, &pem);
	if (exit != CLI_OK)
		return exit;
	uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t len = sizeof(der);
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = iotpki_cert_from_pem(buf_text(&pem), pem.len, der, &len, &detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_check(der, len, cert_out, &detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_to_pem(der, len, pem_out, IOTPKI_CERT_PEM_MAX);
	if (err == IOTPKI_OK)
		return CLI_OK;
	detail_where(&detail, path);
	return cli_fail(cli, err, &detail);
}

bool cli_confirm(struct cli *cli, const struct cli_arguments *arguments, const char *format, ...)
{
	if (cli_flag(arguments, "yes"))
		return true;
	char question[256];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(question, sizeof(question), format, args);
	va_end(args);
	if (isatty(fileno(cli->in)) != 1) {
		(void)cli_error(cli, CLI_USAGE, "%s Nobody is there to ask: pass --yes", question);
		return false;
	}
	fprintf(cli->err, "%s [y/N] ", question);
	char answer[16];
	const bool read = fgets(answer, sizeof(answer), cli->in) != NULL;
	if (read && (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
		return true;
	(void)cli_error(cli, CLI_USAGE, "nothing was done");
	return false;
}
