/* dm init: the owner's key (paper III-C step 2) and the list of B-nodes that shall hold the names. */
#include "cli/dm.h"

#include <string.h>

#include "base/parse.h"

enum { DM_YAML_MAX = 64 * 1024 };

static enum cli_exit make_owner(struct cli *cli, struct dm *dm)
{
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = identity_new(NULL, IDENTITY_P256, cli->random, &dm->owner, &detail);
	if (err == IOTPKI_OK)
		err = identity_save(dm->owner, dm->dir, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	cli_say(cli, "A new owner key is in %s.", dm->dir);
	cli_say(cli, "Whoever has it can transfer and revoke all your names, and nobody without it "
		     "can:");
	cli_say(cli, "copy key.pem to a second, safe place now.");
	return CLI_OK;
}

static enum cli_exit open_or_make(struct cli *cli, const struct cli_arguments *arguments,
				  struct dm *dm)
{
	*dm = (struct dm){ .lock = -1 };
	if (!cli_user_folder(cli, arguments, "XDG_DATA_HOME", ".local/share", "dm", dm->dir,
			     sizeof(dm->dir)))
		return CLI_USAGE;
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = fs_mkdir(dm->dir, 0700, &detail);
	if (err == IOTPKI_OK)
		err = manager_lock(dm->dir, &dm->lock, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	err = identity_load(dm->dir, &dm->owner, &detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return make_owner(cli, dm);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

/* A quoted YAML scalar; what it cannot hold is refused by the parser afterwards. */
static void quoted(struct buf *yaml, const char *text)
{
	(void)buf_putc(yaml, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)buf_putc(yaml, '\\');
		(void)buf_putc(yaml, *text);
	}
	(void)buf_putc(yaml, '"');
}

struct node_words {
	const char *url, *pin, *network;
};

static enum cli_exit write_node(struct cli *cli, struct buf *yaml, const struct node_words *node,
				size_t number)
{
	if (node->pin == NULL && strncmp(node->url, "https:", 6) == 0)
		return cli_error(cli, CLI_USAGE,
				 "--bnode %.128s needs a --pin behind it (iotpki-bnode pin)",
				 node->url);
	(void)buf_printf(yaml, "  - {name: node%zu, type: iotpki, network: ", number);
	quoted(yaml, node->network);
	(void)buf_puts(yaml, ", url: ");
	quoted(yaml, node->url);
	if (node->pin != NULL) {
		(void)buf_puts(yaml, ", pin: ");
		quoted(yaml, node->pin);
	}
	(void)buf_puts(yaml, "}\n");
	return CLI_OK;
}

/* --network counts for the --bnode behind it, --pin belongs to the --bnode before it. */
static enum cli_exit nodes_yaml(struct cli *cli, const struct cli_arguments *arguments,
				struct buf *yaml)
{
	size_t used[CLI_OPTIONS_MAX] = { 0 };
	struct node_words node = { .network = "iotpki" };
	const char *network = "iotpki";
	size_t count = 0;
	enum cli_exit exit = CLI_OK;
	(void)buf_puts(yaml, "# The B-nodes that hold this owner's names (iotpki dm "
			     "init).\nversion: 1\nbnodes:\n");
	for (size_t i = 0; i < arguments->order_count && exit == CLI_OK; i++) {
		const size_t option = arguments->order[i];
		const char *name = arguments->options[option].name;
		const char *value = arguments->given[option].values[used[option]++];
		if (strcmp(name, "network") == 0) {
			network = value;
		} else if (strcmp(name, "bnode") == 0) {
			if (node.url != NULL)
				exit = write_node(cli, yaml, &node, ++count);
			node = (struct node_words){ .url = value, .network = network };
		} else if (strcmp(name, "pin") == 0) {
			if (node.url == NULL || node.pin != NULL)
				return cli_error(cli, CLI_USAGE,
						 "a --pin stands behind its --bnode, one for each");
			node.pin = value;
		}
	}
	if (exit == CLI_OK && node.url != NULL)
		exit = write_node(cli, yaml, &node, ++count);
	return exit;
}

static enum cli_exit set_nodes(struct cli *cli, const struct buf *yaml, struct dm *dm)
{
	char path[PATH_MAX];
	struct iotpki_detail detail = { 0 };
	if (!dm_path(cli, dm, "dm.yaml", path))
		return CLI_USAGE;
	enum iotpki_err err = buf_error(yaml);
	if (err == IOTPKI_OK)
		err = config_parse(path, buf_text(yaml), yaml->len, &dm->config, &detail);
	if (err == IOTPKI_OK)
		err = fs_write(path, yaml->data, yaml->len, 0600, false, &detail);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

enum cli_exit dm_init(struct cli *cli, const struct cli_arguments *arguments)
{
	/* Judged before a key is made. */
	CLEANUP(buf_done) struct buf yaml = BUF_INIT(DM_YAML_MAX);
	enum cli_exit exit = nodes_yaml(cli, arguments, &yaml);
	if (exit != CLI_OK)
		return exit;
	CLEANUP(dm_close) struct dm dm;
	exit = open_or_make(cli, arguments, &dm);
	if (exit == CLI_OK && cli_value(arguments, "bnode") != NULL)
		exit = set_nodes(cli, &yaml, &dm);
	if (exit != CLI_OK)
		return exit;
	char owner[2 * SHA256_LEN + 1];
	hex_encode(identity_cert(dm.owner)->spki_sha256, SHA256_LEN, owner);
	cli_print(cli, "owner: %s", owner);
	cli_result(cli, json_pack("{s:s, s:s, s:i}", "owner", owner, "dir", dm.dir, "nodes",
				  (int)dm.config.node_count));
	return CLI_OK;
}
