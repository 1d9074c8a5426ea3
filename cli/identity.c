/* iotpki identity: a person's or a device's key pair and self-signed certificate (paper III-C step 4). */
#include "cli/cli.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/parse.h"
#include "identity/identity.h"

enum { KEY_PEM_MAX = 16384 };

/* 9999-12-31T23:59:59Z: the certificate does not end, the NVS expiry rules. */
#define NO_END INT64_C(253402300799)

static bool folder(struct cli *cli, const struct cli_arguments *arguments,
		   char out[static PATH_MAX])
{
	return cli_user_folder(cli, arguments, "XDG_CONFIG_HOME", ".config", "identity", out,
			       PATH_MAX);
}

static enum cli_exit open_identity(struct cli *cli, const struct cli_arguments *arguments,
				   char dir[static PATH_MAX], struct identity **identity_out)
{
	*identity_out = NULL;
	if (!folder(cli, arguments, dir))
		return CLI_USAGE;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = identity_load(dir, identity_out, &detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return cli_error(cli, cli_exit_of(err),
				 "%.256s: there is no identity; iotpki identity new makes one",
				 dir);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

static void describe(struct cli *cli, const struct identity *identity, const char *dir)
{
	const struct iotpki_cert *cert = identity_cert(identity);
	char sha256[2 * SHA256_LEN + 1], owner[2 * SHA256_LEN + 1];
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE];
	hex_encode(cert->sha256, SHA256_LEN, sha256);
	hex_encode(cert->spki_sha256, SHA256_LEN, owner);
	iotpki_fingerprint_format(cert->key.fingerprint, fingerprint);
	time_format(cert->not_before_s, from);
	time_format(cert->not_after_s, until);
	const char *type = iotpki_sshkey_type_name(cert->key.type);
	cli_print(cli, "name: %s\nfolder: %s\nsha256: %s\nkey: %s %s\nspki: %s\nvalid: %s to %s",
		  cert->name, dir, sha256, type, fingerprint, owner, from, until);
	cli_result(cli,
		   json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", cert->name, "dir",
			     dir, "sha256", sha256, "type", type, "fingerprint", fingerprint,
			     "spki_sha256", owner, "not_before", from, "not_after", until));
}

/* What --dry-run can know: that nothing is in the way. */
static enum cli_exit check_free(struct cli *cli, const char *dir)
{
	static const char *const names[] = { "key.pem", "cert.pem" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[PATH_MAX];
		const int len = snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (len < 0 || (size_t)len >= sizeof(path))
			return cli_error(cli, CLI_USAGE, "the path of the folder is too long");
		if (access(path, F_OK) == 0)
			return cli_error(cli, cli_exit_of(IOTPKI_ERR_EXISTS),
					 "%s: is there already and is not overwritten", path);
	}
	return CLI_OK;
}

static enum cli_exit keep(struct cli *cli, const struct cli_arguments *arguments,
			  const struct identity *identity, const char *dir)
{
	if (cli_flag(arguments, "dry-run")) {
		const enum cli_exit exit = check_free(cli, dir);
		if (exit == CLI_OK)
			cli_print(cli, "would write %s/key.pem and %s/cert.pem for %s", dir, dir,
				  identity_cert(identity)->name);
		return exit;
	}
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = identity_save(identity, dir, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	describe(cli, identity, dir);
	return CLI_OK;
}

static enum cli_exit identity_verb_new(struct cli *cli, const struct cli_arguments *arguments)
{
	char dir[PATH_MAX];
	enum identity_algorithm algorithm = IDENTITY_P256;
	const char *word = cli_value(arguments, "algorithm");
	if (word != NULL && !identity_algorithm_parse(word, &algorithm))
		return cli_error(cli, CLI_USAGE,
				 "\"%.32s\" is no algorithm: p256, p384, rsa3072 or ed25519", word);
	const char *name = cli_value(arguments, "name");
	if (name != NULL && !iotpki_name_valid(name, strlen(name)))
		return cli_error(cli, CLI_USAGE,
				 "that is no name: a lower-case letter or digit, then at most 63 "
				 "of a-z 0-9 . _ -");
	if (!folder(cli, arguments, dir))
		return CLI_USAGE;
	struct iotpki_detail detail = { 0 };
	CLEANUP(identity_freep) struct identity *identity = NULL;
	const enum iotpki_err err = identity_new(name, algorithm, cli->random, &identity, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	return keep(cli, arguments, identity, dir);
}

static enum cli_exit identity_verb_import(struct cli *cli, const struct cli_arguments *arguments)
{
	char dir[PATH_MAX];
	const char *key_path = cli_value(arguments, "key");
	const char *cert_path = cli_value(arguments, "cert");
	if (key_path == NULL || cert_path == NULL)
		return cli_error(cli, CLI_USAGE, "iotpki identity import needs --key and --cert");
	if (!folder(cli, arguments, dir))
		return CLI_USAGE;
	CLEANUP(buf_done) struct buf key = BUF_INIT(KEY_PEM_MAX);
	CLEANUP(buf_done) struct buf cert = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	enum cli_exit exit = cli_read(cli, key_path, &key);
	if (exit == CLI_OK)
		exit = cli_read(cli, cert_path, &cert);
	if (exit != CLI_OK)
		return exit;

	struct iotpki_detail detail = { 0 };
	CLEANUP(identity_freep) struct identity *identity = NULL;
	const enum iotpki_err err = identity_import(buf_text(&key), key.len, buf_text(&cert),
						    cert.len, &identity, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	exit = keep(cli, arguments, identity, dir);
	const int64_t end_s = identity_cert(identity)->not_after_s;
	char until[TIME_TEXT_SIZE];
	time_format(end_s, until);
	if (exit == CLI_OK && end_s < NO_END)
		cli_warn(cli, "this certificate ends at %s, whatever its name's expiry is", until);
	return exit;
}

static enum cli_exit identity_verb_show(struct cli *cli, const struct cli_arguments *arguments)
{
	char dir[PATH_MAX];
	CLEANUP(identity_freep) struct identity *identity = NULL;
	const enum cli_exit exit = open_identity(cli, arguments, dir, &identity);
	if (exit == CLI_OK)
		describe(cli, identity, dir);
	return exit;
}

static enum cli_exit print_private(struct cli *cli, const struct identity *identity)
{
	CLEANUP(buf_done) struct buf pem = BUF_INIT(KEY_PEM_MAX);
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		identity_private_pem(identity, true, cli->random, &pem, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	/* Its last newline is cli_print's. */
	cli_print(cli, "%.*s", (int)pem.len - 1, buf_text(&pem));
	cli_result(cli, json_pack("{s:s}", "private", buf_text(&pem)));
	return CLI_OK;
}

static enum cli_exit identity_verb_ssh_key(struct cli *cli, const struct cli_arguments *arguments)
{
	char dir[PATH_MAX];
	char line[IOTPKI_SSHKEY_TEXT_SIZE];
	CLEANUP(identity_freep) struct identity *identity = NULL;
	const enum cli_exit exit = open_identity(cli, arguments, dir, &identity);
	if (exit != CLI_OK)
		return exit;
	if (cli_flag(arguments, "private"))
		return print_private(cli, identity);
	const struct iotpki_cert *cert = identity_cert(identity);
	const enum iotpki_err err = iotpki_sshkey_format(&cert->key, line, sizeof(line));
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, NULL);
	cli_print(cli, "%s %s", line, cert->name);
	cli_result(cli, json_pack("{s:s, s:s}", "key", line, "name", cert->name));
	return CLI_OK;
}

#define DIR_OPTION                                                                       \
	{                                                                                \
		"dir", "FOLDER", "where it is ($XDG_CONFIG_HOME/iotpki/identity)", false \
	}
#define DRY_RUN_OPTION                                                   \
	{                                                                \
		"dry-run", NULL, "only say what would be written", false \
	}

static const struct cli_option new_options[] = {
	{ "name", "NAME", "its name (a new UUID)", false },
	{ "algorithm", "WORD", "p256 (default), p384, rsa3072, ed25519", false },
	DIR_OPTION,
	DRY_RUN_OPTION,
	{ 0 },
};
static const struct cli_option import_options[] = {
	{ "key", "FILE", "private key, PEM", false },
	{ "cert", "FILE", "its self-signed certificate, PEM", false },
	DIR_OPTION,
	DRY_RUN_OPTION,
	{ 0 },
};
static const struct cli_option show_options[] = { DIR_OPTION, { 0 } };
static const struct cli_option ssh_key_options[] = {
	{ "private", NULL, "the private key, as OpenSSH keeps it", false },
	DIR_OPTION,
	{ 0 },
};

const struct cli_verb cli_identity_verbs[] = {
	{ "identity", "new", NULL, 0, 0, "make a key and its certificate", new_options,
	  identity_verb_new },
	{ "identity", "show", NULL, 0, 0, "name, hashes and validity of an identity", show_options,
	  identity_verb_show },
	{ "identity", "import", NULL, 0, 0, "take a key and a certificate made elsewhere",
	  import_options, identity_verb_import },
	{ "identity", "ssh-key", NULL, 0, 0, "the identity's key as a line for ssh",
	  ssh_key_options, identity_verb_ssh_key },
	{ 0 },
};
