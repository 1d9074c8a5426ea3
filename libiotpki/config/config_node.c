/* B-nodes of the configuration: their URLs, pins and networks. */
#include "config/config_node.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config/config_value.h"

/* One node while it is read. */
struct node_draft {
	struct config_node node;
	char network[CONFIG_WORD_MAX + 1];
	bool secure;
	/* Their text is gone: for the marks alone. */
	struct yaml_event url_at, pin_at, credentials_at, confirmations_at;
};

/* What a type of node is called and what it has where nothing else is said (design 5, 6). */
static const struct {
	const char *name; /* of the type, and of its network */
	const char *prefix;
} types[] = {
	[CONFIG_NODE_IOTPKI] = { "iotpki", "iot:" },
	[CONFIG_NODE_EMERCOIN] = { "emercoin", "iot:" },
	[CONFIG_NODE_NAMECOIN] = { "namecoin", "iot/" },
};

const char *config_type_name(enum config_node_type type)
{
	return types[type].name;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool host_character(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.';
}

/* "[...]" or a name; the length, 0 if it is neither. */
static size_t host_length(const char *text, size_t len)
{
	size_t at = 0;
	if (len > 0 && text[0] == '[') {
		const char *end = memchr(text, ']', len);
		if (end == NULL || end - text < 3)
			return 0;
		for (at = 1; text + at < end; at++)
			if (!is_digit(text[at]) && text[at] != ':' && text[at] != '.' &&
			    !(lower(text[at]) >= 'a' && lower(text[at]) <= 'f'))
				return 0;
		return at + 1;
	}
	while (at < len && host_character(text[at]))
		at++;
	return at > 0 && text[0] != '-' && text[0] != '.' ? at : 0;
}

/* 127.0.0.0/8 in dotted decimal: nothing that a resolver could send elsewhere. */
static bool ipv4_loopback(const char *host)
{
	unsigned int part = 0;
	for (const char *at = host;; part++) {
		size_t digits = 0;
		while (is_digit(at[digits]))
			digits++;
		uint64_t number;
		if (!uint_parse(at, digits, 255, &number) || (part == 0 && number != 127))
			return false;
		at += digits;
		if (*at == '\0')
			return part == 3;
		if (*at++ != '.' || part == 3)
			return false;
	}
}

static bool loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || ipv4_loopback(host);
}

/* ":7443" -> 7443; no port: the scheme's. The bytes used, or SIZE_MAX. */
static size_t take_port(const char *text, size_t len, uint64_t fallback, uint64_t *port)
{
	*port = fallback;
	if (len == 0 || text[0] != ':')
		return 0;
	size_t digits = 0;
	while (1 + digits < len && is_digit(text[1 + digits]))
		digits++;
	if (!uint_parse(text + 1, digits, 65535, port) || *port == 0)
		return SIZE_MAX;
	return 1 + digits;
}

static bool path_valid(const char *text, size_t len)
{
	if (len > 0 && text[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!host_character(text[i]) && memchr("/_~%", text[i], 4) == NULL)
			return false;
	return true;
}

const char *config_url_problem(const char *url, size_t len, bool *secure_out, char *canonical_out,
			       size_t canonical_size)
{
	*secure_out = len > 8 && memcmp(url, "https://", 8) == 0;
	if (!*secure_out && !(len > 7 && memcmp(url, "http://", 7) == 0))
		return "must begin with https:// (or http:// on a loopback address)";
	const size_t scheme = *secure_out ? 8 : 7;
	const size_t host_len = host_length(url + scheme, len - scheme);
	char host[CONFIG_URL_MAX + 1];
	if (host_len == 0 || host_len >= sizeof(host))
		return "has no host that can be read (a name, an IPv4 address or [IPv6])";
	for (size_t i = 0; i < host_len; i++)
		host[i] = lower(url[scheme + i]);
	host[host_len] = '\0';

	uint64_t port;
	size_t at = scheme + host_len;
	const size_t port_len = take_port(url + at, len - at, *secure_out ? 443 : 80, &port);
	const char *path = memchr(url + scheme, '/', len - scheme);
	if (memchr(url + scheme, '@', path != NULL ? (size_t)(path - url) - scheme : len - scheme))
		return "holds a user or a password: these go into a file of mode 0600, which "
		       "credentials: names";
	if (port_len == SIZE_MAX)
		return "has a port that is not a number from 1 to 65535";
	at += port_len;
	if (!path_valid(url + at, len - at))
		return "may have a host, a port and a path only (no user, query or fragment)";
	if (!*secure_out && !loopback(host))
		return "may be http: only on 127.0.0.0/8, [::1] or localhost; use https: with a "
		       "pin";
	const int written = snprintf(canonical_out, canonical_size, "%s:%llu%s", host,
				     (unsigned long long)port, at == len ? "/" : url + at);
	return written < 0 || (size_t)written >= canonical_size ? "is too long" : NULL;
}

static enum iotpki_err read_name(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	return config_take_word(value, "the name of a node", draft->node.name, detail);
}

static enum iotpki_err read_network(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	return config_take_word(value, "the name of a network", draft->network, detail);
}

static enum iotpki_err read_type(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	const enum iotpki_err err = yaml_text(value, CONFIG_WORD_MAX, "the type of a node", detail);
	if (err != IOTPKI_OK)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, value->text) != 0)
			continue;
		draft->node.type = (enum config_node_type)i;
		return IOTPKI_OK;
	}
	return yaml_refuse(value, detail, "type must be one of: iotpki, emercoin, namecoin");
}

static enum iotpki_err read_url(struct yaml_reader *reader, const struct yaml_event *value,
				const struct yaml_key *key, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	const enum iotpki_err err = yaml_text(value, CONFIG_URL_MAX, "the URL of a node", detail);
	if (err != IOTPKI_OK)
		return err;
	char canonical[CONFIG_URL_MAX + 8];
	const char *problem = config_url_problem(value->text, value->len, &draft->secure, canonical,
						 sizeof(canonical));
	if (problem != NULL)
		return yaml_refuse(value, detail, "the URL %s", problem);
	memcpy(draft->node.url, value->text, value->len + 1);
	draft->url_at = *value;
	return IOTPKI_OK;
}

static bool take_pin(const char *text, size_t len, uint8_t out[static IOTPKI_SHA256_LEN])
{
	static const char prefix[] = "sha256//";
	const size_t skip = sizeof(prefix) - 1;
	size_t size = IOTPKI_SHA256_LEN;
	return len == skip + 44 && memcmp(text, prefix, skip) == 0 &&
	       base64_decode(text + skip, len - skip, true, out, &size) &&
	       size == IOTPKI_SHA256_LEN;
}

static enum iotpki_err read_pin(struct yaml_reader *reader, const struct yaml_event *value,
				const struct yaml_key *key, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	const enum iotpki_err err =
		yaml_text(value, CONFIG_PINS_MAX * 64, "the pin of a node", detail);
	if (err != IOTPKI_OK)
		return err;
	const char *at = value->text;
	for (;;) {
		const size_t len = strcspn(at, ";");
		if (draft->node.pin_count == CONFIG_PINS_MAX)
			return yaml_refuse(value, detail, "a node may have at most %d pins",
					   CONFIG_PINS_MAX);
		if (!take_pin(at, len, draft->node.pins[draft->node.pin_count]))
			return yaml_refuse(value, detail,
					   "a pin is sha256// and 44 characters of base64, several "
					   "by ;, as iotpki-bnode pin prints it");
		draft->node.pin_count++;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	draft->pin_at = *value;
	return IOTPKI_OK;
}

static enum iotpki_err read_prefix(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	const enum iotpki_err err =
		yaml_text(value, sizeof(draft->node.name_prefix) - 1, "name_prefix", detail);
	if (err != IOTPKI_OK)
		return err;
	for (size_t i = 0; i < value->len; i++)
		if (!host_character(value->text[i]) && memchr(":/_", value->text[i], 3) == NULL)
			return yaml_refuse(
				value, detail,
				"name_prefix may have letters, digits and - . _ : / only");
	memcpy(draft->node.name_prefix, value->text, value->len + 1);
	return IOTPKI_OK;
}

static enum iotpki_err read_credentials(struct yaml_reader *reader, const struct yaml_event *value,
					const struct yaml_key *key, void *target,
					struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct node_draft *draft = target;
	const enum iotpki_err err = yaml_text(value, CONFIG_FILE_MAX, "credentials", detail);
	if (err != IOTPKI_OK)
		return err;
	/* The text itself is not repeated: it may be a password that was put in the wrong place. */
	if (value->text[0] != '/' || value->text[value->len - 1] == '/')
		return yaml_refuse(value, detail,
				   "credentials must be the absolute path of a file with one line "
				   "user:password, mode 0600");
	memcpy(draft->node.credentials, value->text, value->len + 1);
	draft->credentials_at = *value;
	return IOTPKI_OK;
}

static enum iotpki_err read_confirmations(struct yaml_reader *reader,
					  const struct yaml_event *value,
					  const struct yaml_key *key, void *target,
					  struct iotpki_detail *detail)
{
	struct node_draft *draft = target;
	int64_t number = 0;
	const struct yaml_key plain = { .name = key->name, .min = key->min, .max = key->max };
	draft->confirmations_at = *value;
	const enum iotpki_err err = config_read_int(reader, value, &plain, &number, detail);
	draft->node.min_confirmations = (unsigned int)number;
	return err;
}

static const struct yaml_key node_keys[] = {
	{ .name = "name", .read = read_name, .required = true },
	{ .name = "type", .read = read_type },
	{ .name = "network", .read = read_network },
	{ .name = "url", .read = read_url, .required = true },
	{ .name = "pin", .read = read_pin },
	{ .name = "name_prefix", .read = read_prefix },
	{ .name = "credentials", .read = read_credentials },
	{ .name = "min_confirmations",
	  .read = read_confirmations,
	  .min = 1,
	  .max = CONFIG_CONFIRMATIONS_MAX },
};

static bool pins_meet(const struct config_node *a, const struct config_node *b)
{
	for (size_t i = 0; i < a->pin_count; i++)
		for (size_t j = 0; j < b->pin_count; j++)
			if (memcmp(a->pins[i], b->pins[j], IOTPKI_SHA256_LEN) == 0)
				return true;
	return false;
}

static void canonical_url(const struct config_node *node, char *out, size_t size)
{
	bool secure;
	(void)config_url_problem(node->url, strlen(node->url), &secure, out, size);
}

/* HOST:PORT of a canonical URL; the names of this machine are one. */
static size_t authority(const char *canonical, const char **out)
{
	static const char *const here[] = { "localhost:", "[::1]:" };
	static const char ipv4[] = "127.0.0.1:";
	*out = canonical;
	const size_t len = strcspn(canonical, "/");
	for (size_t i = 0; i < ARRAY_LEN(here); i++) {
		if (strncmp(canonical, here[i], strlen(here[i])) == 0)
			*out = canonical + strlen(here[i]);
	}
	if (strncmp(canonical, ipv4, sizeof(ipv4) - 1) == 0)
		*out = canonical + sizeof(ipv4) - 1;
	return len - (size_t)(*out - canonical);
}

/* Two wallets of one node differ in their paths alone. */
static bool ports_meet(const struct config_node *a, const struct config_node *b)
{
	char url[2][CONFIG_URL_MAX + 8];
	const char *at[2];
	canonical_url(a, url[0], sizeof(url[0]));
	canonical_url(b, url[1], sizeof(url[1]));
	const size_t len = authority(url[0], &at[0]);
	return authority(url[1], &at[1]) == len && memcmp(at[0], at[1], len) == 0;
}

/* One node that is written twice would vote twice. */
static enum iotpki_err check_doubles(const struct config *config, const struct node_draft *draft,
				     const struct yaml_event *start, struct iotpki_detail *detail)
{
	char url[CONFIG_URL_MAX + 8];
	canonical_url(&draft->node, url, sizeof(url));
	for (size_t i = 0; i < config->node_count; i++) {
		const struct config_node *other = &config->nodes[i];
		char other_url[CONFIG_URL_MAX + 8];
		canonical_url(other, other_url, sizeof(other_url));
		if (strcmp(other->name, draft->node.name) == 0)
			return yaml_refuse(start, detail, "two nodes have the name %s",
					   other->name);
		if (strcmp(other_url, url) == 0)
			return yaml_refuse(&draft->url_at, detail, "the node %s has this URL too",
					   other->name);
	}
	return IOTPKI_OK;
}

/**
 * The newest node joins those that it meets, and so they join each other: each points to the
 * first of them (who holds one of the keys of a node is that node, security.md TM-04).
 */
static void join_twins(struct config *config)
{
	const size_t last = config->node_count - 1;
	size_t first = last;
	for (size_t i = 0; i < last; i++) {
		struct config_node *other = &config->nodes[i];
		if (!pins_meet(other, &config->nodes[last]) &&
		    !ports_meet(other, &config->nodes[last]))
			continue;
		const size_t root = other->twin > 0 ? (size_t)other->twin - 1 : i;
		const size_t high = root > first ? root : first;
		first = root < first ? root : first;
		for (size_t j = 0; j <= last && high != first; j++)
			if (j == high || config->nodes[j].twin == high + 1)
				config->nodes[j].twin = (uint8_t)(first + 1);
	}
}

static enum iotpki_err check_type(const struct node_draft *draft, struct iotpki_detail *detail)
{
	if (draft->node.type != CONFIG_NODE_IOTPKI)
		return IOTPKI_OK;
	static const char chains[] = "%s is for nodes of type emercoin and namecoin";
	if (draft->node.credentials[0] != '\0')
		return yaml_refuse(&draft->credentials_at, detail, chains, "credentials");
	if (draft->confirmations_at.start.line > 0)
		return yaml_refuse(&draft->confirmations_at, detail, chains, "min_confirmations");
	return IOTPKI_OK;
}

static enum iotpki_err check_pin(const struct node_draft *draft, struct iotpki_detail *detail)
{
	if (draft->secure && draft->node.pin_count == 0)
		return yaml_refuse(&draft->url_at, detail,
				   "https: needs a pin: (see \"iotpki-bnode pin\")");
	if (!draft->secure && draft->node.pin_count > 0)
		return yaml_refuse(&draft->pin_at, detail, "a pin needs https:");
	return IOTPKI_OK;
}

static uint8_t network_index(struct config *config, const char *network)
{
	size_t at = 0;
	while (at < config->network_count && strcmp(config->networks[at], network) != 0)
		at++;
	if (at == config->network_count) {
		memcpy(config->networks[at], network, strlen(network) + 1);
		config->network_count++;
	}
	return (uint8_t)at;
}

static enum iotpki_err read_node(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	struct config *config = target;
	(void)key;
	const struct yaml_event start = *value;
	if (config->node_count == IOTPKI_NODES_MAX)
		return yaml_refuse(value, detail, "there may be at most %d nodes",
				   IOTPKI_NODES_MAX);
	struct node_draft draft = {
		.node = { .min_confirmations = 1 },
	};
	enum iotpki_err err =
		yaml_mapping(reader, value, node_keys, ARRAY_LEN(node_keys), &draft, detail);
	if (err == IOTPKI_OK)
		err = check_pin(&draft, detail);
	if (err == IOTPKI_OK)
		err = check_type(&draft, detail);
	if (err == IOTPKI_OK)
		err = check_doubles(config, &draft, &start, detail);
	if (err != IOTPKI_OK)
		return err;
	const char *prefix = types[draft.node.type].prefix;
	if (draft.node.name_prefix[0] == '\0')
		memcpy(draft.node.name_prefix, prefix, strlen(prefix) + 1);
	draft.node.network = network_index(
		config, draft.network[0] != '\0' ? draft.network : types[draft.node.type].name);
	config->nodes[config->node_count++] = draft.node;
	join_twins(config);
	return IOTPKI_OK;
}

enum iotpki_err config_read_nodes(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, void *target,
				  struct iotpki_detail *detail)
{
	return yaml_sequence(reader, value, read_node, key, (char *)target + key->offset, "nodes",
			     detail);
}
