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
	const char *url, *pin, *network, *type, *credentials;
	size_t number;
};

static void member(struct buf *yaml, const char *key, const char *value)
{
	if (value == NULL)
		return;
	(void)buf_printf(yaml, ", %s: ", key);
	quoted(yaml, value);
}

/* Where the file is from anywhere: dm.yaml is read from other folders than this one. */
static enum cli_exit credentials_member(struct cli *cli, struct buf *yaml, const char *file)
{
	if (file == NULL)
		return CLI_OK;
	char *path = realpath(file, NULL);
	if (path == NULL)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%.128s: there is no such file; it holds one line, USER:PASSWORD, "
				 "with mode 0600 (the .cookie file of the node is one)",
				 file);
	member(yaml, "credentials", path);
	free(path);
	return CLI_OK;
}

static enum cli_exit write_node(struct cli *cli, struct buf *yaml, const struct node_words *node)
{
	if (node->url == NULL)
		return CLI_OK;
	if (node->pin == NULL && strncmp(node->url, "https:", 6) == 0)
		return cli_error(cli, CLI_USAGE,
				 "--bnode %.128s needs a --pin behind it (iotpki-bnode pin)",
				 node->url);
	(void)buf_printf(yaml, "  - {name: node%zu", node->number);
	member(yaml, "type", node->type != NULL ? node->type : "iotpki");
	member(yaml, "network", node->network);
	member(yaml, "url", node->url);
	member(yaml, "pin", node->pin);
	const enum cli_exit exit = credentials_member(cli, yaml, node->credentials);
	(void)buf_puts(yaml, "}\n");
	return exit;
}

static bool is_chain(const struct node_words *node)
{
	return node->type != NULL && strcmp(node->type, "iotpki") != 0;
}

/* What stands behind its --bnode, once for each. */
static enum cli_exit take_word(struct cli *cli, const struct node_words *node, const char *option,
			       const char *value, const char **word)
{
	if (node->url == NULL || *word != NULL)
		return cli_error(cli, CLI_USAGE, "a --%s stands behind its --bnode, one for each",
				 option);
	*word = value;
	return CLI_OK;
}

struct nodes {
	struct buf *yaml;
	struct node_words node;
	const char *network; /* of the iotpki nodes behind it */
};

static enum cli_exit take_type(struct cli *cli, struct nodes *nodes, const char *value)
{
	static const char *const types[] = { "iotpki", "emercoin", "namecoin" };
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i], value) != 0)
			continue;
		const enum cli_exit exit =
			take_word(cli, &nodes->node, "type", value, &nodes->node.type);
		/* A chain is a network of its own, whatever the ledgers' is called. */
		if (is_chain(&nodes->node))
			nodes->node.network = NULL;
		return exit;
	}
	return cli_error(cli, CLI_USAGE, "--type is one of: iotpki, emercoin, namecoin");
}

static enum cli_exit take_option(struct cli *cli, struct nodes *nodes, const char *name,
				 const char *value)
{
	struct node_words *node = &nodes->node;
	if (strcmp(name, "network") == 0 && is_chain(node))
		return take_word(cli, node, name, value, &node->network);
	if (strcmp(name, "network") == 0)
		nodes->network = value;
	if (strcmp(name, "type") == 0)
		return take_type(cli, nodes, value);
	if (strcmp(name, "pin") == 0)
		return take_word(cli, node, name, value, &node->pin);
	if (strcmp(name, "credentials") == 0)
		return take_word(cli, node, name, value, &node->credentials);
	if (strcmp(name, "bnode") != 0)
		return CLI_OK;
	const enum cli_exit exit = write_node(cli, nodes->yaml, node);
	*node = (struct node_words){ .url = value,
				     .network = nodes->network,
				     .number = node->number + 1 };
	return exit;
}

/*
 * --network counts for the --bnode behind it; --pin, --type, --credentials belong to the --bnode
 * before them, and so does a --network behind the --type of a chain.
 */
static enum cli_exit nodes_yaml(struct cli *cli, const struct cli_arguments *arguments,
				struct buf *yaml)
{
	size_t used[CLI_OPTIONS_MAX] = { 0 };
	struct nodes nodes = { .yaml = yaml, .network = "iotpki" };
	enum cli_exit exit = CLI_OK;
	(void)buf_puts(yaml, "# The B-nodes that hold this owner's names (iotpki dm "
			     "init).\nversion: 1\nbnodes:\n");
	for (size_t i = 0; i < arguments->order_count && exit == CLI_OK; i++) {
		const size_t option = arguments->order[i];
		exit = take_option(cli, &nodes, arguments->options[option].name,
				   arguments->given[option].values[used[option]++]);
	}
	return exit == CLI_OK ? write_node(cli, yaml, &nodes.node) : exit;
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
