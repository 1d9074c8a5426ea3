/* The noun dm: its verbs, the owner's folder, and the report after each write. */
#include "cli/dm.h"

#include <string.h>

#define DIR_OPTION                                                                      \
	{                                                                               \
		"dir", "FOLDER", "the owner's folder ($XDG_DATA_HOME/iotpki/dm)", false \
	}
#define DRY_RUN_OPTION                                                           \
	{                                                                        \
		"dry-run", NULL, "only say what would be signed and sent", false \
	}

static const struct cli_option init_options[] = {
	{ "bnode", "URL", "a B-node that shall hold the names; with --pin behind it", true },
	{ "pin", "PIN", "pin of the B-node before it, sha256//...= (iotpki-bnode pin)", true },
	{ "type", "TYPE", "of the B-node before it: iotpki (default), emercoin, namecoin", true },
	{ "credentials", "FILE", "USER:PASSWORD of the wallet before it, mode 0600", true },
	{ "network", "NAME", "of the B-nodes behind it (iotpki); behind --type: of that chain",
	  true },
	DIR_OPTION,
	{ 0 },
};
#define CHAIN_OPTIONS                                                                             \
	{ "yes", NULL, "do not ask", false },                                                     \
	{                                                                                         \
		"no-wait", NULL, "chains: do what can be done now, do not wait for blocks", false \
	}

static const struct cli_option register_options[] = {
	{ "cert", "FILE", "the certificate to register, PEM; its CN is the name", false },
	{ "expires", "TIME", "end of the registration: RFC 3339 UTC or e.g. 365d (365d)", false },
	{ "ssh", "FINGERPRINT", "another ssh key of this name, SHA256:...", false },
	CHAIN_OPTIONS,
	DRY_RUN_OPTION,
	DIR_OPTION,
	{ 0 },
};
static const struct cli_option renew_options[] = {
	{ "expires", "TIME", "a later end", false },
	{ "cert", "FILE", "another certificate of the same name", false },
	{ "ssh", "FINGERPRINT", "with --cert: another ssh key of this name", false },
	CHAIN_OPTIONS,
	DRY_RUN_OPTION,
	DIR_OPTION,
	{ 0 },
};
static const struct cli_option revoke_options[] = {
	CHAIN_OPTIONS,
	DRY_RUN_OPTION,
	DIR_OPTION,
	{ 0 },
};
static const struct cli_option sync_options[] = {
	{ "no-wait", NULL, "chains: do what can be done now, do not wait for blocks", false },
	DIR_OPTION,
	{ 0 },
};
static const struct cli_option dir_options[] = { DIR_OPTION, { 0 } };

const struct cli_verb cli_dm_verbs[] = {
	{ "dm", "init", NULL, 0, 0, "make the owner key, set the owner's B-nodes", init_options,
	  dm_init },
	{ "dm", "register", NULL, 0, 0, "preorder and register a name", register_options,
	  dm_register },
	{ "dm", "renew", "NAME", 1, 1, "a later end, or another certificate", renew_options,
	  dm_renew },
	{ "dm", "revoke", "NAME", 1, 1, "revoke a name, for good", revoke_options, dm_revoke },
	{ "dm", "sync", "[NAME]", 0, 1, "send every B-node what it lacks", sync_options, dm_sync },
	{ "dm", "list", NULL, 0, 0, "the owner's names, with state and days left", dir_options,
	  dm_list },
	{ "dm", "show", "[NAME]", 0, 1, "the owner, or all of one name", dir_options, dm_show },
	{ 0 },
};

bool dm_path(struct cli *cli, const struct dm *dm, const char *file, char out[static PATH_MAX])
{
	const int len = snprintf(out, PATH_MAX, "%s/%s", dm->dir, file);
	if (len > 0 && len < PATH_MAX)
		return true;
	(void)cli_error(cli, CLI_USAGE, "the path of the owner's folder is too long");
	return false;
}

static enum cli_exit load_nodes(struct cli *cli, struct dm *dm)
{
	char path[PATH_MAX];
	struct iotpki_detail detail = { 0 };
	const struct fs_trust trust = cli_trust();
	if (!dm_path(cli, dm, "dm.yaml", path))
		return CLI_USAGE;
	const enum iotpki_err err = config_load(path, &trust, &dm->config, &detail);
	if (err == IOTPKI_ERR_NOT_FOUND) {
		dm->config = (struct config){ 0 };
		return CLI_OK;
	}
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

static enum cli_exit open_for_writing(struct cli *cli, struct dm *dm)
{
	struct iotpki_detail detail = { 0 };
	if (dm->config.node_count == 0)
		return cli_error(cli, CLI_CONFIGURATION,
				 "no B-nodes are known: iotpki dm init --bnode URL --pin PIN");
	enum iotpki_err err = manager_try_lock(dm->dir, &dm->lock, &detail);
	if (err == IOTPKI_ERR_UNAVAILABLE) {
		fprintf(cli->err, "iotpki: another dm command works on %s; waiting for it\n",
			dm->dir);
		err = manager_lock(dm->dir, &dm->lock, &detail);
	}
	if (err == IOTPKI_OK)
		err = nvs_new(&dm->config, cli->clock, cli->random, &dm->nvs);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

enum cli_exit dm_open(struct cli *cli, const struct cli_arguments *arguments, bool write,
		      struct dm *dm)
{
	*dm = (struct dm){ .lock = -1 };
	struct iotpki_detail detail = { 0 };
	if (!cli_user_folder(cli, arguments, "XDG_DATA_HOME", ".local/share", "dm", dm->dir,
			     sizeof(dm->dir)))
		return CLI_USAGE;
	enum iotpki_err err = identity_load(dm->dir, &dm->owner, &detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%s: there is no owner key; iotpki dm init makes one", dm->dir);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	const enum cli_exit exit = load_nodes(cli, dm);
	return exit == CLI_OK && write ? open_for_writing(cli, dm) : exit;
}

void dm_close(struct dm *dm)
{
	identity_free(dm->owner);
	nvs_free(dm->nvs);
	fs_close(&dm->lock);
}

struct manager dm_manager(struct cli *cli, struct dm *dm)
{
	return (struct manager){ .dir = dm->dir,
				 .owner = dm->owner,
				 .config = &dm->config,
				 .clock = cli->clock,
				 .random = cli->random,
				 .transport = manager_transport_nvs(dm->nvs),
				 .wallet = wallet_transport_nvs(dm->nvs) };
}

/* ---- the report ---- */

static const char *advice(const struct manager_report *report, size_t node)
{
	switch (report->node[node].state) {
	case MANAGER_REFUSED:
		return tx_reason_text(report->node[node].reason);
	case MANAGER_UNREACHABLE:
		return "cannot be reached";
	case MANAGER_BROKEN:
		return "does not answer as a B-node with this pin must; see iotpki bnode test";
	case MANAGER_NOT_ASKED:
	case MANAGER_LEVEL:
	case MANAGER_CHAIN:
		break;
	}
	return "has it";
}

static void report_node(struct cli *cli, const struct dm *dm, const struct manager_report *report,
			size_t node, json_t *list)
{
	const enum manager_state state = report->node[node].state;
	const char *reason =
		state == MANAGER_REFUSED ? tx_reason_name(report->node[node].reason) : "";
	const struct config_node *about = &dm->config.nodes[node];
	if (state != MANAGER_LEVEL)
		fprintf(cli->err, "iotpki: %s %s: %s%s%s%s\n", about->name, about->url,
			advice(report, node), reason[0] ? " (" : "", reason, reason[0] ? ")" : "");
	else
		cli_say(cli, "  %s %s: %s", about->name, about->url, advice(report, node));
	(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "node", about->name,
						    "url", about->url, "state",
						    manager_state_name(state), "reason", reason));
}

enum cli_exit dm_report(struct cli *cli, const struct dm *dm, const char *name, const char *done,
			const struct manager_report *report)
{
	json_t *list = json_array();
	enum cli_exit exit = CLI_OK;
	for (size_t i = 0; i < report->count; i++) {
		const enum manager_state state = report->node[i].state;
		if (state == MANAGER_CHAIN || dm->config.nodes[i].type != CONFIG_NODE_IOTPKI)
			continue;
		report_node(cli, dm, report, i, list);
		if (state == MANAGER_REFUSED || state == MANAGER_BROKEN)
			exit = CLI_VERIFICATION;
		else if (state != MANAGER_LEVEL && exit == CLI_OK)
			exit = CLI_UNAVAILABLE;
	}
	json_t *networks = json_array();
	const enum cli_exit chains = dm_report_chains(cli, dm, name, report, networks);
	const bool refused = exit != CLI_OK && manager_refused(report);
	if (exit == CLI_OK || exit == CLI_UNAVAILABLE)
		exit = chains != CLI_OK ? chains : exit;
	const bool all = exit == CLI_OK && manager_done(report);
	json_t *result = json_pack("{s:s, s:b, s:o}", "name", name, "done", all, "nodes", list);
	if (report->chain_count > 0)
		(void)json_object_set_new(result, "networks", networks);
	else
		json_decref(networks);
	cli_result(cli, result);
	if (all)
		cli_say(cli, "%s: %s", name, done);
	else if (refused)
		fprintf(cli->err, "iotpki: %s: every B-node refuses it; nothing has changed\n",
			name);
	else
		fprintf(cli->err,
			"iotpki: %s is not everywhere yet; iotpki dm sync %s goes on with it\n",
			name, name);
	return exit;
}
