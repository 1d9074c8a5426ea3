/* iotpki.yaml: its keys and defaults, and the rules that look at more than one of them. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config/config_node.h"
#include "config/config_value.h"
#include "format/yaml.h"

enum answers { ANSWERS_MAJORITY, ANSWERS_ALL, ANSWERS_NUMBER };

/* What is read before the number of nodes is known, and where it stood. */
struct draft {
	struct config config;
	enum answers answers;
	unsigned int number;
	struct yaml_event answers_at, dissent_at, jitter_at, node_timeout_at;
};

/* The one place of every default. */
static const struct config defaults = {
	.dissent = IOTPKI_DISSENT_DENY,
	.node_timeout_ms = 1500,
	.deadline_ms = 4000,
	.soft_fail_max_age_s = 4 * 3600,
	.positive_ttl_ms = 1000,
	.key_change = IOTPKI_KEY_SAME_REGISTRATION,
	.refresh_every_s = 3600,
	.refresh_jitter_s = 300,
	.tls_early = true,
};

enum {
	DEADLINE_MAX_MS = 4500, /* the client's whole budget is 5 s (design 8) */
	TTL_MAX_MS = 60 * 1000,
};
#define HOUR_MS UINT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static enum iotpki_err read_answers(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct draft *draft = target;
	uint64_t number;
	draft->answers_at = *value;
	if (value->kind == YAML_SCALAR && strcmp(value->text, "majority") == 0) {
		draft->answers = ANSWERS_MAJORITY;
	} else if (value->kind == YAML_SCALAR && strcmp(value->text, "all") == 0) {
		draft->answers = ANSWERS_ALL;
	} else if (value->kind == YAML_SCALAR && value->plain &&
		   uint_parse(value->text, value->len, IOTPKI_NODES_MAX, &number) && number > 0) {
		draft->answers = ANSWERS_NUMBER;
		draft->number = (unsigned int)number;
	} else {
		return yaml_refuse(value, detail, "answers must be a number, majority or all");
	}
	return IOTPKI_OK;
}

/* One of the words of an enumeration, which begins at 0. */
static enum iotpki_err take_choice(const struct yaml_event *value, const char *key,
				   const char *const *words, size_t count, size_t *out,
				   struct iotpki_detail *detail)
{
	char all[128] = "";
	for (size_t i = 0; i < count; i++) {
		if (value->kind == YAML_SCALAR && strcmp(value->text, words[i]) == 0) {
			*out = i;
			return IOTPKI_OK;
		}
		const size_t used = strlen(all);
		(void)snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ",
			       words[i]);
	}
	return yaml_refuse(value, detail, "%s must be one of: %s", key, all);
}

static enum iotpki_err read_dissent(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	static const char *const words[] = { "deny", "outvote" };
	(void)reader;
	struct draft *draft = target;
	size_t choice = 0;
	const enum iotpki_err err =
		take_choice(value, key->name, words, ARRAY_LEN(words), &choice, detail);
	draft->config.dissent = choice == 1 ? IOTPKI_DISSENT_OUTVOTE : IOTPKI_DISSENT_DENY;
	draft->dissent_at = *value;
	return err;
}

static enum iotpki_err read_unreachable(struct yaml_reader *reader, const struct yaml_event *value,
					const struct yaml_key *key, void *target,
					struct iotpki_detail *detail)
{
	static const char *const words[] = { "hard-fail", "soft-fail" };
	(void)reader;
	struct draft *draft = target;
	size_t choice = 0;
	const enum iotpki_err err =
		take_choice(value, key->name, words, ARRAY_LEN(words), &choice, detail);
	draft->config.soft_fail = choice == 1;
	return err;
}

static enum iotpki_err read_key_change(struct yaml_reader *reader, const struct yaml_event *value,
				       const struct yaml_key *key, void *target,
				       struct iotpki_detail *detail)
{
	static const char *const words[] = { "same-registration", "pin", "follow" };
	static const enum iotpki_key_change values[] = { IOTPKI_KEY_SAME_REGISTRATION,
							 IOTPKI_KEY_PIN, IOTPKI_KEY_FOLLOW };
	(void)reader;
	struct draft *draft = target;
	size_t choice = 0;
	const enum iotpki_err err =
		take_choice(value, key->name, words, ARRAY_LEN(words), &choice, detail);
	draft->config.key_change = values[choice];
	return err;
}

static enum iotpki_err read_command(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct draft *draft = target;
	const enum iotpki_err err = yaml_text(value, sizeof(draft->config.identity_on_change) - 1,
					      "the command", detail);
	if (err != IOTPKI_OK)
		return err;
	if (value->text[0] != '/')
		return yaml_refuse(value, detail, "the command must begin with its absolute path");
	memcpy(draft->config.identity_on_change, value->text, value->len + 1);
	return IOTPKI_OK;
}

static enum iotpki_err read_node_timeout(struct yaml_reader *reader, const struct yaml_event *value,
					 const struct yaml_key *key, void *target,
					 struct iotpki_detail *detail)
{
	struct draft *draft = target;
	draft->node_timeout_at = *value;
	return config_read_int(reader, value, key, target, detail);
}

static enum iotpki_err read_jitter(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	struct draft *draft = target;
	draft->jitter_at = *value;
	return config_read_duration(reader, value, key, target, detail);
}

static enum iotpki_err read_services(struct yaml_reader *reader, const struct yaml_event *value,
				     const struct yaml_key *key, void *target,
				     struct iotpki_detail *detail)
{
	struct config *config = &((struct draft *)target)->config;
	struct config_words words = { config->soft_fail_services, &config->soft_fail_service_count,
				      CONFIG_SERVICES_MAX, "the name of a service" };
	return config_read_words(reader, value, key, &words, "services", detail);
}

static enum iotpki_err read_break_glass_users(struct yaml_reader *reader,
					      const struct yaml_event *value,
					      const struct yaml_key *key, void *target,
					      struct iotpki_detail *detail)
{
	struct config *config = &((struct draft *)target)->config;
	struct config_words words = { config->break_glass_users, &config->break_glass_count,
				      CONFIG_USERS_MAX, "the name of an account" };
	return config_read_words(reader, value, key, &words, "accounts", detail);
}

static enum iotpki_err read_allow_users(struct yaml_reader *reader, const struct yaml_event *value,
					const struct yaml_key *key, void *target,
					struct iotpki_detail *detail)
{
	struct config *config = &((struct draft *)target)->config;
	struct config_words words = { config->allow_users, &config->allow_user_count,
				      CONFIG_USERS_MAX, "the name of an account" };
	return config_read_words(reader, value, key, &words, "accounts", detail);
}

#define AT(field) .offset = offsetof(struct draft, config.field)

static const struct yaml_key query_keys[] = {
	{ .name = "answers", .read = read_answers },
	{ .name = "dissent", .read = read_dissent },
	{ .name = "node_timeout_ms",
	  .read = read_node_timeout,
	  AT(node_timeout_ms),
	  .min = 50,
	  .max = DEADLINE_MAX_MS },
	{ .name = "deadline_ms",
	  .read = config_read_int,
	  AT(deadline_ms),
	  .min = 50,
	  .max = DEADLINE_MAX_MS },
};
static const struct yaml_key soft_fail_keys[] = {
	{ .name = "services", .read = read_services },
	{ .name = "max_age",
	  .read = config_read_duration,
	  AT(soft_fail_max_age_s),
	  .min = 0,
	  .max = 7 * DAY_MS,
	  .unit = 1000 },
};
static const struct yaml_key refresh_keys[] = {
	{ .name = "every",
	  .read = config_read_duration,
	  AT(refresh_every_s),
	  .min = 1000,
	  .max = 30 * DAY_MS,
	  .unit = 1000 },
	{ .name = "jitter",
	  .read = read_jitter,
	  AT(refresh_jitter_s),
	  .min = 0,
	  .max = DAY_MS,
	  .unit = 1000 },
};
static const struct yaml_key break_glass_keys[] = {
	{ .name = "users", .read = read_break_glass_users },
};
static const struct yaml_key agent_keys[] = {
	{ .name = "allow_users", .read = read_allow_users },
};
static const struct yaml_key identity_keys[] = {
	{ .name = "on_change", .read = read_command },
};
static const struct yaml_key tls_keys[] = {
	{ .name = "early", .read = config_read_bool, AT(tls_early) },
};

/* A mapping inside the mapping: min is its place in this table. */
enum section { QUERY, POLICY, SOFT_FAIL, REFRESH, BREAK_GLASS, AGENT, IDENTITY, TLS };
static yaml_value_fn read_section;

static const struct yaml_key policy_keys[] = {
	{ .name = "unreachable", .read = read_unreachable },
	{ .name = "soft_fail", .read = read_section, .min = SOFT_FAIL },
	{ .name = "positive_ttl",
	  .read = config_read_duration,
	  AT(positive_ttl_ms),
	  .min = 0,
	  .max = TTL_MAX_MS,
	  .unit = 1 },
	{ .name = "key_change", .read = read_key_change },
};
static const struct {
	const struct yaml_key *keys;
	size_t count;
} sections[] = {
	[QUERY] = { query_keys, ARRAY_LEN(query_keys) },
	[POLICY] = { policy_keys, ARRAY_LEN(policy_keys) },
	[SOFT_FAIL] = { soft_fail_keys, ARRAY_LEN(soft_fail_keys) },
	[REFRESH] = { refresh_keys, ARRAY_LEN(refresh_keys) },
	[BREAK_GLASS] = { break_glass_keys, ARRAY_LEN(break_glass_keys) },
	[AGENT] = { agent_keys, ARRAY_LEN(agent_keys) },
	[IDENTITY] = { identity_keys, ARRAY_LEN(identity_keys) },
	[TLS] = { tls_keys, ARRAY_LEN(tls_keys) },
};

static enum iotpki_err read_section(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	return yaml_mapping(reader, value, sections[key->min].keys, sections[key->min].count,
			    target, detail);
}

static const struct yaml_key top_keys[] = {
	{ .name = "version", .read = config_read_version, .required = true },
	{ .name = "bnodes", .read = config_read_nodes, .offset = offsetof(struct draft, config) },
	{ .name = "query", .read = read_section, .min = QUERY },
	{ .name = "policy", .read = read_section, .min = POLICY },
	{ .name = "refresh", .read = read_section, .min = REFRESH },
	{ .name = "break_glass", .read = read_section, .min = BREAK_GLASS },
	{ .name = "agent", .read = read_section, .min = AGENT },
	{ .name = "identity", .read = read_section, .min = IDENTITY },
	{ .name = "tls", .read = read_section, .min = TLS },
};

size_t config_voters(const struct config *config)
{
	size_t voters = 0;
	for (size_t i = 0; i < config->node_count; i++)
		voters += config->nodes[i].twin == 0 ? 1 : 0;
	return voters;
}

static unsigned int needed_answers(const struct draft *draft)
{
	const unsigned int nodes = (unsigned int)config_voters(&draft->config);
	if (draft->answers == ANSWERS_ALL)
		return nodes;
	return draft->answers == ANSWERS_NUMBER ? draft->number : nodes / 2 + 1;
}

/* Rules that look at more than one key. */
static enum iotpki_err finish(struct draft *draft, struct iotpki_detail *detail)
{
	struct config *config = &draft->config;
	const size_t voters = config_voters(config);
	config->needed = needed_answers(draft);
	if (voters > 0 && config->needed > voters)
		return yaml_refuse(&draft->answers_at, detail,
				   "answers: %u of %zu nodes can never be reached%s",
				   config->needed, voters,
				   voters < config->node_count
					   ? " (one pin, or one host and port, is one node)"
					   : "");
	if (config->dissent == IOTPKI_DISSENT_OUTVOTE && config->needed * 2 <= voters)
		return yaml_refuse(
			&draft->dissent_at, detail,
			"dissent: outvote needs answers from more than half of the nodes; "
			"%u of %zu is not",
			config->needed, voters);
	if (config->node_timeout_ms > config->deadline_ms && draft->node_timeout_at.start.line > 0)
		return yaml_refuse(&draft->node_timeout_at, detail,
				   "node_timeout_ms is more than deadline_ms");
	if (config->node_timeout_ms > config->deadline_ms)
		config->node_timeout_ms = config->deadline_ms;
	if (config->refresh_jitter_s > config->refresh_every_s && draft->jitter_at.start.line > 0)
		return yaml_refuse(&draft->jitter_at, detail, "jitter is more than every");
	if (config->refresh_jitter_s > config->refresh_every_s)
		config->refresh_jitter_s = config->refresh_every_s;
	return IOTPKI_OK;
}

enum iotpki_err config_parse(const char *path, const char *text, size_t len,
			     struct config *config_out, struct iotpki_detail *detail)
{
	memset(config_out, 0, sizeof(*config_out));
	AUTO_FREE struct draft *draft = calloc(1, sizeof(*draft));
	if (draft == NULL)
		return IOTPKI_ERR_NOMEM;
	draft->config = defaults;

	struct yaml_memory memory = { text, len, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	enum iotpki_err err = yaml_open(&source, CONFIG_MAX_BYTES, &reader);
	if (err == IOTPKI_OK)
		err = yaml_document(reader, top_keys, ARRAY_LEN(top_keys), draft, detail);
	if (err == IOTPKI_OK)
		err = finish(draft, detail);
	if (err != IOTPKI_OK) {
		detail_where(detail, path);
		return err;
	}
	*config_out = draft->config;
	return IOTPKI_OK;
}

enum iotpki_err config_load(const char *path, const struct fs_trust *trust,
			    struct config *config_out, struct iotpki_detail *detail)
{
	memset(config_out, 0, sizeof(*config_out));
	CLEANUP(buf_done) struct buf text = BUF_INIT(CONFIG_MAX_BYTES);
	const enum iotpki_err err = fs_read(path, trust, &text, detail);
	if (err != IOTPKI_OK)
		return err;
	return config_parse(path, buf_text(&text), text.len, config_out, detail);
}

static bool warn_never(const struct config *config)
{
	return config->node_count == 0;
}

static bool warn_no_failure(const struct config *config)
{
	return config_voters(config) > 1 && config->needed == config_voters(config);
}

static bool warn_one_node(const struct config *config)
{
	return config_voters(config) == 1;
}

static bool warn_one_answer(const struct config *config)
{
	return config_voters(config) > 1 && config->needed == 1;
}

static bool warn_twins(const struct config *config)
{
	return config_voters(config) < config->node_count;
}

static bool warn_follow(const struct config *config)
{
	return config->key_change == IOTPKI_KEY_FOLLOW;
}

static bool warn_soft_fail(const struct config *config)
{
	return config->soft_fail;
}

static bool warn_networks(const struct config *config)
{
	return config->network_count > 1;
}

static bool warn_break_glass(const struct config *config)
{
	return config->break_glass_count > 0;
}

static bool warn_on_change(const struct config *config)
{
	return config->identity_on_change[0] != '\0';
}

static bool warn_without_pin(const struct config *config)
{
	for (size_t i = 0; i < config->node_count; i++)
		if (config->nodes[i].pin_count == 0)
			return true;
	return false;
}

void config_warnings(const struct config *config, void (*emit)(void *context, const char *warning),
		     void *context)
{
	static const struct {
		bool (*applies)(const struct config *config);
		const char *text;
	} warnings[] = {
		{ warn_never, "bnodes is empty: nobody is admitted" },
		{ warn_no_failure, "no node may fail: query.answers needs every node; add a node "
				   "or ask for fewer answers" },
		{ warn_twins, "nodes with one pin, or with one host and port, are one node: they "
			      "count once" },
		{ warn_one_node, "there is one node: nobody is admitted while it is down" },
		{ warn_one_answer,
		  "query.answers is 1 of several nodes: one lying node that answers first admits" },
		{ warn_without_pin,
		  "a node is asked by http, without a pin: whoever opens its port "
		  "first on this machine answers for it" },
		{ warn_follow, "policy.key_change is follow: whoever registers an expired name "
			       "again is admitted as that member" },
		{ warn_soft_fail, "policy.unreachable is soft-fail: it behaves as hard-fail in "
				  "this release, which keeps no last verdicts" },
		{ warn_networks,
		  "there are several networks: every name must live on all of them" },
		{ warn_break_glass, "break_glass.users lets nobody in by itself: pam_iotpki reads "
				    "break_glass_user= on its own lines" },
		{ warn_on_change, "identity.on_change has no effect in this release" },
	};
	for (size_t i = 0; i < ARRAY_LEN(warnings); i++)
		if (warnings[i].applies(config))
			emit(context, warnings[i].text);
}
