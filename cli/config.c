/* config check and show: the files as the programs read them, and what an owner should know. */
#include "cli/cli.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/parse.h"
#include "config/membership.h"

static enum cli_exit check(struct cli *cli, const struct cli_arguments *arguments);
static enum cli_exit show(struct cli *cli, const struct cli_arguments *arguments);

const struct cli_verb cli_config_verbs[] = {
	{ "config", "check", NULL, 0, 0, "validate iotpki.yaml and the membership list", NULL,
	  check },
	{ "config", "show", NULL, 0, 0, "the configuration with all defaults", NULL, show },
	{ 0 },
};

struct warnings {
	struct cli *cli;
	json_t *all;
};

static void take_warning(void *context, const char *warning)
{
	struct warnings *warnings = context;
	cli_warn(warnings->cli, "%s", warning);
	(void)json_array_append_new(warnings->all, json_string(warning));
}

static bool has_registration(const struct member *member, const char *network)
{
	for (size_t i = 0; i < member->registration_count; i++)
		if (strcmp(member->registrations[i].network, network) == 0)
			return true;
	return false;
}

/* Such an entry is re-registered at each login (design 4): better said here than found there. */
static void warn_of_registrations(const struct config *config, const struct membership *list,
				  struct warnings *warnings)
{
	for (size_t i = 0; i < membership_count(list); i++) {
		const struct member *member = membership_at(list, i);
		for (size_t n = 0; n < config->network_count; n++) {
			if (has_registration(member, config->networks[n]))
				continue;
			char text[256];
			(void)snprintf(text, sizeof(text),
				       "%s has no registration of the network %s and is refused "
				       "as re-registered: iotpki member renew %s",
				       member->name, config->networks[n], member->name);
			take_warning(warnings, text);
		}
	}
}

static enum cli_exit check_list(struct cli *cli, const struct config *config,
				struct warnings *warnings, size_t *count)
{
	char path[PATH_MAX];
	if (!cli_beside_config(cli, "members.yaml", path, sizeof(path)))
		return CLI_USAGE;
	const struct fs_trust trust = cli_trust();
	CLEANUP(membership_unrefp) struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = membership_load(path, &trust, &list, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err == IOTPKI_ERR_NOT_FOUND ? IOTPKI_ERR_SYNTAX : err,
				&detail);
	*count = membership_count(list);
	warn_of_registrations(config, list, warnings);
	return CLI_OK;
}

static enum cli_exit check(struct cli *cli, const struct cli_arguments *arguments)
{
	(void)arguments;
	AUTO_FREE struct config *config = malloc(sizeof(*config));
	if (config == NULL)
		return cli_fail(cli, IOTPKI_ERR_NOMEM, NULL);
	enum cli_exit exit = cli_load_config(cli, config);
	if (exit != CLI_OK)
		return exit;
	size_t count = 0;
	struct warnings warnings = { cli, json_array() };
	exit = check_list(cli, config, &warnings, &count);
	if (exit != CLI_OK) {
		json_decref(warnings.all);
		return exit;
	}
	config_warnings(config, take_warning, &warnings);
	cli_say(cli, "%s and its list are good: nodes %zu, answers needed %u, members %zu",
		cli->config_path, config->node_count, config->needed, count);
	cli_result(cli,
		   json_pack("{s:i, s:i, s:i, s:o}", "nodes", (int)config->node_count, "needed",
			     (int)config->needed, "members", (int)count, "warnings", warnings.all));
	return CLI_OK;
}

/* ---- show ---- */

static const char *const key_changes[] = { [IOTPKI_KEY_SAME_REGISTRATION] = "same-registration",
					   [IOTPKI_KEY_PIN] = "pin",
					   [IOTPKI_KEY_FOLLOW] = "follow" };

static void put_words(struct buf *out, const char (*words)[CONFIG_WORD_MAX + 1], size_t count)
{
	(void)buf_putc(out, '[');
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(out, "%s\"%s\"", i == 0 ? "" : ", ", words[i]);
	(void)buf_putc(out, ']');
}

static void put_quoted(struct buf *out, const char *text)
{
	(void)buf_putc(out, '"');
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			(void)buf_putc(out, '\\');
		(void)buf_putc(out, *c);
	}
	(void)buf_putc(out, '"');
}

static void put_node(struct buf *out, const struct config *config, const struct config_node *node)
{
	(void)buf_printf(out,
			 "  - {name: %s, type: %s, network: %s, url: \"%s\", name_prefix: \"%s\"",
			 node->name, config_type_name(node->type), config->networks[node->network],
			 node->url, node->name_prefix);
	for (size_t i = 0; i < node->pin_count; i++) {
		char pin[BASE64_ENCODED_SIZE(IOTPKI_SHA256_LEN)];
		(void)base64_encode(node->pins[i], IOTPKI_SHA256_LEN, true, pin);
		(void)buf_printf(out, "%ssha256//%s", i == 0 ? ", pin: \"" : ";", pin);
	}
	(void)buf_puts(out, node->pin_count > 0 ? "\"" : "");
	if (node->credentials[0] != '\0') {
		(void)buf_puts(out, ", credentials: ");
		put_quoted(out, node->credentials);
	}
	if (node->type != CONFIG_NODE_IOTPKI)
		(void)buf_printf(out, ", min_confirmations: %u", node->min_confirmations);
	(void)buf_puts(out, "}\n");
}

static void put_policy(struct buf *out, const struct config *config)
{
	(void)buf_printf(out, "policy:\n  unreachable: %s\n  soft_fail: {services: ",
			 config->soft_fail ? "soft-fail" : "hard-fail");
	put_words(out, config->soft_fail_services, config->soft_fail_service_count);
	(void)buf_printf(out, ", max_age: %" PRId64 "s}\n", config->soft_fail_max_age_s);
	(void)buf_printf(out, "  positive_ttl: %" PRId64 "ms\n  key_change: %s\n",
			 config->positive_ttl_ms, key_changes[config->key_change]);
}

/* What is printed is a configuration again, the same one. */
static void put_config(struct buf *out, const struct config *config)
{
	(void)buf_puts(out, config->node_count > 0 ? "version: 1\nbnodes:\n"
						   : "version: 1\nbnodes: []\n");
	for (size_t i = 0; i < config->node_count; i++)
		put_node(out, config, &config->nodes[i]);
	(void)buf_printf(out,
			 "query: {answers: %u, dissent: %s, node_timeout_ms: %" PRId64
			 ", deadline_ms: %" PRId64 "}\n",
			 config->needed > 0 ? config->needed : 1,
			 config->dissent == IOTPKI_DISSENT_OUTVOTE ? "outvote" : "deny",
			 config->node_timeout_ms, config->deadline_ms);
	put_policy(out, config);
	(void)buf_printf(out, "refresh: {every: %" PRId64 "s, jitter: %" PRId64 "s}\n",
			 config->refresh_every_s, config->refresh_jitter_s);
	(void)buf_puts(out, "break_glass: {users: ");
	put_words(out, config->break_glass_users, config->break_glass_count);
	(void)buf_puts(out, "}\nagent: {allow_users: ");
	put_words(out, config->allow_users, config->allow_user_count);
	(void)buf_printf(out, "}\ntls: {early: %s}\n", config->tls_early ? "yes" : "no");
	if (config->identity_on_change[0] == '\0')
		return;
	(void)buf_puts(out, "identity: {on_change: ");
	put_quoted(out, config->identity_on_change);
	(void)buf_puts(out, "}\n");
}

static enum cli_exit show(struct cli *cli, const struct cli_arguments *arguments)
{
	(void)arguments;
	AUTO_FREE struct config *config = malloc(sizeof(*config));
	if (config == NULL)
		return cli_fail(cli, IOTPKI_ERR_NOMEM, NULL);
	const enum cli_exit exit = cli_load_config(cli, config);
	if (exit != CLI_OK)
		return exit;
	CLEANUP(buf_done) struct buf text = BUF_INIT(128 * 1024);
	put_config(&text, config);
	if (buf_error(&text) != IOTPKI_OK)
		return cli_fail(cli, buf_error(&text), NULL);
	if (text.len > 0)
		text.data[--text.len] = '\0'; /* cli_print ends the line */
	cli_print(cli, "%s", buf_text(&text));
	cli_result(cli, json_pack("{s:s}", "yaml", buf_text(&text)));
	return CLI_OK;
}
