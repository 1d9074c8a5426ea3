/* dm register, renew, revoke, sync: what is signed, stored and sent (paper III-C steps 6 and 7, III-G). */
#include "cli/dm.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"

/* The certificate that --cert names, checked in full, and the record of it. */
static enum cli_exit read_record(struct cli *cli, const struct cli_arguments *arguments,
				 struct iotpki_cert *cert, struct iotpki_record *record)
{
	const char *path = cli_value(arguments, "cert");
	const char *ssh = cli_value(arguments, "ssh");
	if (path == NULL)
		return cli_error(cli, CLI_USAGE, "--cert FILE is needed");
	char pem[IOTPKI_CERT_PEM_MAX];
	const enum cli_exit exit = cli_read_cert(cli, path, cert, pem);
	if (exit != CLI_OK)
		return exit;

	*record = (struct iotpki_record){ .has_ssh = ssh != NULL };
	memcpy(record->sha256, cert->sha256, sizeof(record->sha256));
	if (ssh != NULL && !iotpki_fingerprint_parse(ssh, strlen(ssh), record->ssh))
		return cli_error(
			cli, CLI_USAGE,
			"--ssh takes a fingerprint as ssh-keygen -l prints it, SHA256:...");
	return CLI_OK;
}

/* --dry-run: what would be signed; the store and the network are not touched. */
static enum cli_exit dry_run(struct cli *cli, const struct dm *dm, const char *name, const char *op,
			     const struct iotpki_record *record, int64_t expires_s)
{
	char value[IOTPKI_VALUE_MAX + 1] = "";
	char end[TIME_TEXT_SIZE] = "";
	if (record != NULL && iotpki_record_format(record, value, sizeof(value)) != IOTPKI_OK)
		return cli_error(cli, CLI_INTERNAL, "the record cannot be written");
	if (expires_s != 0)
		time_format(expires_s, end);
	cli_print(cli, "would sign %s of %s%s%s%s%s", op, name, value[0] ? " value " : "", value,
		  end[0] ? " until " : "", end);
	for (size_t i = 0; i < dm->config.node_count; i++)
		cli_print(cli, "would send it to %s %s", dm->config.nodes[i].name,
			  dm->config.nodes[i].url);
	cli_result(cli, json_pack("{s:b, s:s, s:s, s:s, s:s}", "dry-run", 1, "op", op, "name", name,
				  "value", value, "expires", end));
	return CLI_OK;
}

enum cli_exit dm_register(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_cert cert;
	struct iotpki_record record;
	int64_t expires_s;
	const char *expires = cli_value(arguments, "expires");
	if (!cli_time(cli, expires != NULL ? expires : "365d", &expires_s))
		return CLI_USAGE;
	enum cli_exit exit = read_record(cli, arguments, &cert, &record);
	if (exit != CLI_OK)
		return exit;
	CLEANUP(dm_close) struct dm dm;
	exit = dm_open(cli, arguments, true, &dm);
	if (exit != CLI_OK)
		return exit;
	if (cli_flag(arguments, "dry-run"))
		return dry_run(cli, &dm, cert.name, "PREORDER and REGISTER", &record, expires_s);

	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	const struct manager manager = dm_manager(cli, &dm);
	const enum iotpki_err err =
		manager_register(&manager, cert.name, &record, expires_s, &report, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	return dm_report(cli, &dm, cert.name, "registered", &report);
}

enum cli_exit dm_renew(struct cli *cli, const struct cli_arguments *arguments)
{
	const char *name = arguments->positional[0];
	const char *expires = cli_value(arguments, "expires");
	const bool with_cert = cli_value(arguments, "cert") != NULL;
	struct iotpki_record record;
	int64_t expires_s = 0;
	if (expires == NULL && !with_cert)
		return cli_error(cli, CLI_USAGE,
				 "what shall change? --expires TIME, --cert FILE, or both");
	if (expires != NULL && !cli_time(cli, expires, &expires_s))
		return CLI_USAGE;
	enum cli_exit exit = CLI_OK;
	if (with_cert) {
		struct iotpki_cert cert;
		exit = read_record(cli, arguments, &cert, &record);
		/* In the NVS a name holds its own certificate's hash, and no reader takes another's. */
		if (exit == CLI_OK && strcmp(cert.name, name) != 0)
			return cli_error(cli, CLI_CONFIGURATION,
					 "the certificate is of %s, not of %.64s", cert.name, name);
	}
	if (exit != CLI_OK)
		return exit;
	CLEANUP(dm_close) struct dm dm;
	exit = dm_open(cli, arguments, true, &dm);
	if (exit != CLI_OK)
		return exit;
	if (cli_flag(arguments, "dry-run"))
		return dry_run(cli, &dm, name, "UPDATE", with_cert ? &record : NULL, expires_s);

	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	const struct manager manager = dm_manager(cli, &dm);
	const enum iotpki_err err = manager_renew(&manager, name, with_cert ? &record : NULL,
						  expires_s, &report, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	return dm_report(cli, &dm, name, "renewed", &report);
}

static bool one_has_it(const struct manager_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->node[i].state == MANAGER_LEVEL)
			return true;
	return false;
}

enum cli_exit dm_revoke(struct cli *cli, const struct cli_arguments *arguments)
{
	const char *name = arguments->positional[0];
	CLEANUP(dm_close) struct dm dm;
	enum cli_exit exit = dm_open(cli, arguments, true, &dm);
	if (exit != CLI_OK)
		return exit;
	if (cli_flag(arguments, "dry-run"))
		return dry_run(cli, &dm, name, "REVOKE", NULL, 0);
	if (!cli_confirm(cli, arguments, "Revoke %.64s for good? It cannot be taken back.", name))
		return CLI_USAGE;

	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	const struct manager manager = dm_manager(cli, &dm);
	const enum iotpki_err err = manager_revoke(&manager, name, &report, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	exit = dm_report(cli, &dm, name, "revoked", &report);
	if (exit != CLI_OK && one_has_it(&report))
		fprintf(cli->err,
			"iotpki: it counts already wherever a B-node that has it is asked\n");
	return exit;
}

/* ---- sync ---- */

struct sync {
	struct cli *cli;
	struct dm *dm;
	const struct manager *manager;
	enum cli_exit worst;
	json_t *all;
};

static enum iotpki_err sync_one(void *context, const char *name)
{
	struct sync *sync = context;
	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = manager_sync(sync->manager, name, &report, &detail);
	enum cli_exit exit;
	if (err != IOTPKI_OK) {
		exit = cli_fail(sync->cli, err, &detail);
	} else {
		exit = dm_report(sync->cli, sync->dm, name, "all B-nodes have it", &report);
		(void)json_array_append(sync->all, sync->cli->result);
	}
	/* One name that cannot be helped does not keep the others from it. */
	if (exit == CLI_VERIFICATION || sync->worst == CLI_OK)
		sync->worst = exit;
	return IOTPKI_OK;
}

enum cli_exit dm_sync(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(dm_close) struct dm dm;
	const enum cli_exit exit = dm_open(cli, arguments, true, &dm);
	if (exit != CLI_OK)
		return exit;
	const struct manager manager = dm_manager(cli, &dm);
	struct sync sync = { cli, &dm, &manager, CLI_OK, json_array() };
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = IOTPKI_OK;
	if (arguments->positional_count == 1)
		err = sync_one(&sync, arguments->positional[0]);
	else
		err = store_names(dm.dir, sync_one, &sync, &detail);
	cli_result(cli, sync.all);
	return err == IOTPKI_OK ? sync.worst : cli_fail(cli, err, &detail);
}
