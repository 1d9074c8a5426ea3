/* iotpki.yaml: every key, every rule, every error at its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/config_node.h"
#include "config/membership.h"

#define PIN1 "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PIN2 "sha256//AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PIN3 "sha256//AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define NODE1                                                                                     \
	"  - {name: home, type: iotpki, network: farm, url: \"https://gateway.lan:7443/\", pin: " \
	"\"" PIN1 "\"}\n"
#define NODE2 "  - {name: barn, url: \"https://barn.lan:7443/\", pin: \"" PIN2 "\"}\n"
#define NODE3 "  - {name: office, url: \"https://192.0.2.7:7443/\", pin: \"" PIN3 "\"}\n"
#define CHAIN(more)                                                                               \
	"version: 1\nbnodes:\n  - {name: c, type: namecoin, url: \"http://127.0.0.1:8336/\"" more \
	"}\n"
#define THREE "version: 1\nbnodes:\n" NODE1 NODE2 NODE3

static const char full[] = THREE
	"query:  {answers: 2, dissent: outvote, node_timeout_ms: 1000, deadline_ms: 4500}\n"
	"policy:\n  unreachable: soft-fail\n  soft_fail: {services: [sshd, sudo], max_age: 7d}\n"
	"  positive_ttl: 1500ms\n  key_change: pin\n"
	"refresh: {every: 2h, jitter: 1m}\n"
	"break_glass: {users: [root]}\n"
	"agent: {allow_users: [web, m$]}\n"
	"identity: {on_change: /usr/bin/systemctl restart x}\n"
	"tls: {early: no}\n";

static void full_file(void **state)
{
	(void)state;
	struct config config;
	struct iotpki_detail detail = { 0 };
	if (config_parse("f", full, strlen(full), &config, &detail) != IOTPKI_OK)
		fail_msg("%u:%u: %s", detail.line, detail.column, detail.message);
	assert_int_equal(config.node_count, 3);
	assert_string_equal(config.nodes[0].name, "home");
	assert_string_equal(config.nodes[0].url, "https://gateway.lan:7443/");
	assert_string_equal(config.nodes[0].name_prefix, "iot:");
	assert_int_equal(config.nodes[0].pin_count, 1);
	assert_int_equal(config.nodes[1].pins[0][0], 1);
	assert_int_equal(config.network_count, 2);
	assert_string_equal(config.networks[0], "farm");
	assert_string_equal(config.networks[1], "iotpki");
	assert_int_equal(config.nodes[2].network, 1);
	assert_int_equal(config.needed, 2);
	assert_int_equal(config.dissent, IOTPKI_DISSENT_OUTVOTE);
	assert_int_equal(config.node_timeout_ms, 1000);
	assert_int_equal(config.deadline_ms, 4500);
	assert_true(config.soft_fail);
	assert_int_equal(config.soft_fail_service_count, 2);
	assert_string_equal(config.soft_fail_services[1], "sudo");
	assert_int_equal(config.soft_fail_max_age_s, 7 * 86400);
	assert_int_equal(config.positive_ttl_ms, 1500);
	assert_int_equal(config.key_change, IOTPKI_KEY_PIN);
	assert_int_equal(config.refresh_every_s, 7200);
	assert_int_equal(config.refresh_jitter_s, 60);
	assert_string_equal(config.break_glass_users[0], "root");
	assert_int_equal(config.allow_user_count, 2);
	assert_string_equal(config.allow_users[1], "m$");
	assert_string_equal(config.identity_on_change, "/usr/bin/systemctl restart x");
	assert_false(config.tls_early);
}

static void default_values(void **state)
{
	(void)state;
	struct config config;
	assert_int_equal(config_parse("f", THREE, strlen(THREE), &config, NULL), IOTPKI_OK);
	assert_int_equal(config.needed, 2);
	assert_int_equal(config.dissent, IOTPKI_DISSENT_DENY);
	assert_int_equal(config.node_timeout_ms, 1500);
	assert_int_equal(config.deadline_ms, 4000);
	assert_false(config.soft_fail);
	assert_int_equal(config.soft_fail_max_age_s, 4 * 3600);
	assert_int_equal(config.positive_ttl_ms, 1000);
	assert_int_equal(config.key_change, IOTPKI_KEY_SAME_REGISTRATION);
	assert_int_equal(config.refresh_every_s, 3600);
	assert_int_equal(config.refresh_jitter_s, 300);
	assert_int_equal(config.break_glass_count, 0);
	assert_true(config.tls_early);
}

static void chains(void **state)
{
	(void)state;
	static const char text[] =
		"version: 1\nbnodes:\n"
		"  - {name: e, type: emercoin, url: \"https://emc.lan:6662/\", pin: \"" PIN1 "\",\n"
		"     credentials: /etc/iotpki/emc.secret, min_confirmations: 1000}\n"
		"  - {name: n, type: namecoin, url: \"http://127.0.0.1:8336/wallet/iot\"}\n"
		"  - {name: s, type: emercoin, network: farm, url: \"http://127.0.0.1:6662/\",\n"
		"     name_prefix: \"ssl:\"}\n" NODE2 "query: {answers: all}\n";
	struct config config;
	struct iotpki_detail detail = { 0 };
	if (config_parse("f", text, strlen(text), &config, &detail) != IOTPKI_OK)
		fail_msg("%u:%u: %s", detail.line, detail.column, detail.message);
	static const struct {
		enum config_node_type type;
		const char *network, *prefix, *credentials;
		unsigned int confirmations;
	} rows[] = {
		{ CONFIG_NODE_EMERCOIN, "emercoin", "iot:", "/etc/iotpki/emc.secret", 1000 },
		{ CONFIG_NODE_NAMECOIN, "namecoin", "iot/", "", 1 },
		{ CONFIG_NODE_EMERCOIN, "farm", "ssl:", "", 1 },
		{ CONFIG_NODE_IOTPKI, "iotpki", "iot:", "", 1 },
	};
	assert_int_equal(config.node_count, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config_node *node = &config.nodes[i];
		assert_int_equal(node->type, rows[i].type);
		assert_string_equal(config.networks[node->network], rows[i].network);
		assert_string_equal(node->name_prefix, rows[i].prefix);
		assert_string_equal(node->credentials, rows[i].credentials);
		assert_int_equal(node->min_confirmations, rows[i].confirmations);
		assert_int_equal(node->twin, 0);
	}
	assert_int_equal(config.needed, 4);
	assert_string_equal(config_type_name(CONFIG_NODE_NAMECOIN), "namecoin");
}

/* One node under several URLs votes once (security.md TM-04). */
static void twins(void **state)
{
	(void)state;
#define TWIN(name, at, pins) "  - {name: " name ", url: \"" at "\", pin: \"" pins "\"}\n"
#define OPEN(name, at) "  - {name: " name ", type: emercoin, url: \"" at "\"}\n"
	static const struct {
		const char *name;
		const char *nodes;
		uint8_t twin[4];
		size_t voters;
		unsigned int majority;
	} rows[] = {
		{ "none",
		  TWIN("a", "https://a/", PIN1) TWIN("b", "https://b/", PIN2),
		  { 0 },
		  2,
		  2 },
		{ "one pin",
		  TWIN("a", "https://a/", PIN1) TWIN("b", "https://b/", PIN1),
		  { 0, 1 },
		  1,
		  1 },
		{ "one of several pins",
		  TWIN("a", "https://a/", PIN1 ";" PIN3) TWIN("b", "https://b/", PIN2 ";" PIN1),
		  { 0, 1 },
		  1,
		  1 },
		{ "the second and the fourth",
		  TWIN("a", "https://a/", PIN1) TWIN("b", "https://b/", PIN2)
			  TWIN("c", "https://c/", PIN3) TWIN("d", "https://d/", PIN2),
		  { 0, 0, 0, 2 },
		  3,
		  2 },
		{ "the last joins the others",
		  TWIN("a", "https://a/", PIN1) TWIN("b", "https://b/", PIN2)
			  TWIN("c", "https://c/", PIN1) TWIN("d", "https://d/", PIN2 ";" PIN1),
		  { 0, 1, 1, 1 },
		  1,
		  1 },
		{ "the last joins them in the other order",
		  TWIN("a", "https://a/", PIN1) TWIN("b", "https://b/", PIN2)
			  TWIN("c", "https://c/", PIN2) TWIN("d", "https://d/", PIN1 ";" PIN2),
		  { 0, 1, 1, 1 },
		  1,
		  1 },
		{ "two wallets of one node",
		  OPEN("a", "http://127.0.0.1:1/wallet/a") OPEN("b", "http://localhost:1/wallet/b")
			  OPEN("c", "http://127.0.0.1:2/") OPEN("d", "http://[::1]:2/x"),
		  { 0, 1, 0, 3 },
		  2,
		  2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(4096);
		assert_int_equal(buf_printf(&text, "version: 1\nbnodes:\n%s", rows[i].nodes),
				 IOTPKI_OK);
		struct config config;
		assert_int_equal(config_parse("f", buf_text(&text), text.len, &config, NULL),
				 IOTPKI_OK);
		for (size_t n = 0; n < config.node_count; n++)
			if (config.nodes[n].twin != rows[i].twin[n])
				fail_msg("%s: node %zu: %u", rows[i].name, n, config.nodes[n].twin);
		if (config_voters(&config) != rows[i].voters || config.needed != rows[i].majority)
			fail_msg("%s: %zu voters, %u needed", rows[i].name, config_voters(&config),
				 config.needed);
	}
}

static void rows_of_errors(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		enum iotpki_err want;
		unsigned int line, column;
	} rows[] = {
		{ "Y17 no version", "bnodes: []\n", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "version 2", "version: 2\n", IOTPKI_ERR_SYNTAX, 1, 10 },
		{ "version as text", "version: '1'\n", IOTPKI_ERR_SYNTAX, 1, 10 },
		{ "Y18 unknown key", "version: 1\nquerry: {}\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "Y18 unknown policy", "version: 1\npolicy: {fail_mod: soft}\n", IOTPKI_ERR_SYNTAX,
		  2, 10 },
		{ "Y07 key twice", "version: 1\ntls: {early: yes, early: no}\n", IOTPKI_ERR_SYNTAX,
		  2, 19 },
		{ "type unknown",
		  "version: 1\nbnodes:\n  - {name: a, type: x, url: \"http://127.0.0.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 21 },
		{ "credentials of type iotpki",
		  "version: 1\nbnodes:\n  - {name: a, credentials: /x, url: "
		  "\"http://127.0.0.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 28 },
		{ "min_confirmations of type iotpki",
		  "version: 1\nbnodes:\n  - {name: a, min_confirmations: 1, url: "
		  "\"http://127.0.0.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 34 },
		{ "a password for a file",
		  "version: 1\nbnodes:\n  - {name: a, type: emercoin, credentials: \"u:p\", url: "
		  "\"http://127.0.0.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 44 },
		{ "a folder for a file", CHAIN(", credentials: /x/"), IOTPKI_ERR_SYNTAX, 3, 75 },
		{ "min_confirmations 0", CHAIN(", min_confirmations: 0"), IOTPKI_ERR_SYNTAX, 3,
		  81 },
		{ "min_confirmations 1001", CHAIN(", min_confirmations: 1001"), IOTPKI_ERR_SYNTAX,
		  3, 81 },
		{ "emercoin over http elsewhere",
		  "version: 1\nbnodes:\n  - {name: a, type: emercoin, url: "
		  "\"http://192.0.2.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 36 },
		{ "user and password in the URL",
		  "version: 1\nbnodes:\n  - {name: a, type: namecoin, url: "
		  "\"http://u:p@127.0.0.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 36 },
		{ "no url", "version: 1\nbnodes:\n  - {name: a}\n", IOTPKI_ERR_SYNTAX, 3, 5 },
		{ "no name", "version: 1\nbnodes:\n  - {url: \"http://127.0.0.1/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 5 },
		{ "https without pin", "version: 1\nbnodes:\n  - {name: a, url: \"https://a/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 20 },
		{ "http with pin",
		  "version: 1\nbnodes:\n  - {name: a, url: \"http://127.0.0.1/\", pin: " PIN1 "}\n",
		  IOTPKI_ERR_SYNTAX, 3, 46 },
		{ "pin too short",
		  "version: 1\nbnodes:\n  - {name: a, pin: sha256//AAAA, url: \"https://a/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 20 },
		{ "pin and rest",
		  "version: 1\nbnodes:\n  - {name: a, pin: \"" PIN1 ";\", url: \"https://a/\"}\n",
		  IOTPKI_ERR_SYNTAX, 3, 20 },
		{ "same name",
		  "version: 1\nbnodes:\n" NODE1 "  - {name: home, url: \"https://b/\", pin: \"" PIN2
		  "\"}\n",
		  IOTPKI_ERR_SYNTAX, 4, 5 },
		{ "same url",
		  "version: 1\nbnodes:\n" NODE1
		  "  - {name: b, url: \"https://gateway.lan:7443/\", pin: \"" PIN2 "\"}\n",
		  IOTPKI_ERR_SYNTAX, 4, 20 },
		{ "same url in other words",
		  "version: 1\nbnodes:\n" NODE1
		  "  - {name: b, url: \"https://GATEWAY.lan:7443\", pin: \"" PIN2 "\"}\n",
		  IOTPKI_ERR_SYNTAX, 4, 20 },
		{ "two of one node",
		  "version: 1\nbnodes:\n" NODE1 "  - {name: b, url: \"https://b/\", pin: \"" PIN2
		  ";" PIN1 "\"}\nquery: {answers: 2}\n",
		  IOTPKI_ERR_SYNTAX, 5, 18 },
		{ "answers 0", THREE "query: {answers: 0}\n", IOTPKI_ERR_SYNTAX, 6, 18 },
		{ "answers of more nodes", THREE "query: {answers: 4}\n", IOTPKI_ERR_SYNTAX, 6,
		  18 },
		{ "answers word", THREE "query: {answers: most}\n", IOTPKI_ERR_SYNTAX, 6, 18 },
		{ "outvote of a minority", THREE "query: {answers: 1, dissent: outvote}\n",
		  IOTPKI_ERR_SYNTAX, 6, 30 },
		{ "dissent word", THREE "query: {dissent: allow}\n", IOTPKI_ERR_SYNTAX, 6, 18 },
		{ "deadline", THREE "query: {deadline_ms: 4501}\n", IOTPKI_ERR_SYNTAX, 6, 22 },
		{ "node timeout over deadline", THREE "query: {node_timeout_ms: 4100}\n",
		  IOTPKI_ERR_SYNTAX, 6, 26 },
		{ "unreachable", THREE "policy: {unreachable: soft}\n", IOTPKI_ERR_SYNTAX, 6, 23 },
		{ "max_age", THREE "policy: {soft_fail: {max_age: 8d}}\n", IOTPKI_ERR_SYNTAX, 6,
		  31 },
		{ "max_age bare", THREE "policy: {soft_fail: {max_age: 4}}\n", IOTPKI_ERR_SYNTAX, 6,
		  31 },
		{ "max_age in ms", THREE "policy: {soft_fail: {max_age: 1500ms}}\n",
		  IOTPKI_ERR_SYNTAX, 6, 31 },
		{ "positive_ttl", THREE "policy: {positive_ttl: 61s}\n", IOTPKI_ERR_SYNTAX, 6, 24 },
		{ "key_change", THREE "policy: {key_change: any}\n", IOTPKI_ERR_SYNTAX, 6, 22 },
		{ "jitter", THREE "refresh: {every: 1m, jitter: 2m}\n", IOTPKI_ERR_SYNTAX, 6, 30 },
		{ "account", THREE "break_glass: {users: [\"a b\"]}\n", IOTPKI_ERR_SYNTAX, 6, 23 },
		{ "account twice", THREE "break_glass: {users: [a, a]}\n", IOTPKI_ERR_SYNTAX, 6,
		  26 },
		{ "accounts as text", THREE "break_glass: {users: root}\n", IOTPKI_ERR_SYNTAX, 6,
		  22 },
		{ "relative command", THREE "identity: {on_change: reboot}\n", IOTPKI_ERR_SYNTAX, 6,
		  23 },
		{ "Y16 boolean", THREE "tls: {early: true}\n", IOTPKI_ERR_SYNTAX, 6, 14 },
		{ "Y03 anchor", THREE "tls: &a {early: yes}\n", IOTPKI_ERR_SYNTAX, 6, 6 },
		{ "Y09 second document", THREE "---\nversion: 1\n", IOTPKI_ERR_SYNTAX, 6, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config config, zero;
		memset(&zero, 0, sizeof(zero));
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err = config_parse("/etc/x.yaml", rows[i].text,
							 strlen(rows[i].text), &config, &detail);
		if (err != rows[i].want || detail.line != rows[i].line ||
		    detail.column != rows[i].column)
			fail_msg("%s: %d at %u:%u: %s", rows[i].name, err, detail.line,
				 detail.column, detail.message);
		assert_string_equal(detail.where, "/etc/x.yaml");
		if (memcmp(&config, &zero, sizeof(config)) != 0)
			fail_msg("%s: something is left", rows[i].name);
	}
}

static void url_rows(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		const char *canonical; /* NULL: refused */
	} rows[] = {
		{ "https://gateway.lan:7443/", "gateway.lan:7443/" },
		{ "https://gateway.lan", "gateway.lan:443/" },
		{ "https://[2001:db8::1]:1/a/b", "[2001:db8::1]:1/a/b" },
		{ "http://127.0.0.1:80/", "127.0.0.1:80/" },
		{ "http://127.255.0.1/", "127.255.0.1:80/" },
		{ "http://[::1]:8080/", "[::1]:8080/" },
		{ "http://localhost", "localhost:80/" },
		{ "http://192.0.2.1/", NULL },
		{ "http://127.0.0.1.example/", NULL },
		{ "http://127.0.0/", NULL },
		{ "http://127.1/", NULL },
		{ "http://127.0.0.1.1/", NULL },
		{ "http://127.0.0.256/", NULL },
		{ "http://[::ffff:127.0.0.1]/", NULL },
		{ "http://localhost.example/", NULL },
		{ "http://localhost@evil/", NULL },
		{ "https://user@host/", NULL },
		{ "https://host:0/", NULL },
		{ "https://host:65536/", NULL },
		{ "https://host:/", NULL },
		{ "https://host/?a", NULL },
		{ "https://host/#a", NULL },
		{ "https://host\\a", NULL },
		{ "https:///a", NULL },
		{ "https://", NULL },
		{ "https://[]/", NULL },
		{ "https://[::1/", NULL },
		{ "HTTPS://host/", NULL },
		{ "file:///etc/passwd", NULL },
		{ "ftp://host/", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool secure;
		char canonical[CONFIG_URL_MAX + 8];
		const char *problem = config_url_problem(rows[i].url, strlen(rows[i].url), &secure,
							 canonical, sizeof(canonical));
		if ((problem == NULL) != (rows[i].canonical != NULL))
			fail_msg("%s: %s", rows[i].url, problem != NULL ? problem : canonical);
		if (problem == NULL)
			assert_string_equal(canonical, rows[i].canonical);
	}
}

/* What is wrong with them is not the port; and the secret is not said again. */
static void logins_in_urls(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://u:secret@127.0.0.1:6662/", "https://u@host/",
					    "http://u:7@127.0.0.1" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		bool secure;
		char canonical[CONFIG_URL_MAX + 8];
		const char *problem = config_url_problem(urls[i], strlen(urls[i]), &secure,
							 canonical, sizeof(canonical));
		if (problem == NULL || strstr(problem, "password") == NULL)
			fail_msg("%s: %s", urls[i], problem != NULL ? problem : "good");
		assert_null(strstr(problem, "secret"));
	}
}

/* Y23: a cut file is refused, or what is left is a whole file of its own. */
static void truncation(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(full); len++) {
		struct config config, zero;
		memset(&zero, 0, sizeof(zero));
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err = config_parse("f", full, len, &config, &detail);
		if (err != IOTPKI_OK && memcmp(&config, &zero, sizeof(config)) != 0)
			fail_msg("cut at %zu: something is left", len);
		if (err != IOTPKI_OK && detail.line == 0)
			fail_msg("cut at %zu: no line", len);
		if (err == IOTPKI_OK && config.node_count > 0 && config.needed == 0)
			fail_msg("cut at %zu: half a configuration", len);
	}
}

static void collect(void *context, const char *warning)
{
	struct buf *all = context;
	(void)buf_printf(all, "%s\n", warning);
}

static void warning_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		const char *want; /* part of the one warning; NULL: none */
	} rows[] = {
		{ "nothing to say",
		  "version: 1\nbnodes:\n" NODE2 NODE3
		  "  - {name: c, url: \"https://c/\", pin: \"" PIN1 "\"}\n",
		  NULL },
		{ "no nodes", "version: 1\n", "bnodes is empty" },
		{ "one node", "version: 1\nbnodes:\n" NODE2, "there is one node" },
		{ "majority of two", "version: 1\nbnodes:\n" NODE2 NODE3, "no node may fail" },
		{ "one answer", "version: 1\nbnodes:\n" NODE2 NODE3 "query: {answers: 1}\n",
		  "one lying node" },
		{ "all", "version: 1\nbnodes:\n" NODE2 NODE3 "query: {answers: all}\n",
		  "no node may fail" },
		{ "two networks", THREE, "several networks" },
		{ "no pin",
		  "version: 1\nbnodes:\n  - {name: a, type: iotpki, url: "
		  "\"http://127.0.0.1:1/\"}\n",
		  "without a pin" },
		{ "twins",
		  "version: 1\nbnodes:\n" NODE2 "  - {name: c, url: \"https://c/\", pin: \"" PIN2
		  "\"}\n",
		  "they count once" },
		{ "a node and its twin are one node",
		  "version: 1\nbnodes:\n" NODE2 "  - {name: c, url: \"https://c/\", pin: \"" PIN2
		  "\"}\n",
		  "there is one node" },
		{ "majority of two chains",
		  "version: 1\nbnodes:\n"
		  "  - {name: a, type: emercoin, network: x, url: \"http://127.0.0.1:1/\"}\n"
		  "  - {name: b, type: emercoin, network: x, url: \"http://127.0.0.1:2/\"}\n",
		  "no node may fail" },
		{ "follow", "version: 1\npolicy: {key_change: follow}\n", "key_change is follow" },
		{ "soft-fail", "version: 1\npolicy: {unreachable: soft-fail}\n",
		  "behaves as hard-fail" },
		{ "break-glass", "version: 1\nbreak_glass: {users: [root]}\n",
		  "break_glass.users lets nobody in by itself" },
		{ "on_change", "version: 1\nidentity: {on_change: /bin/true}\n",
		  "identity.on_change has no effect" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config config;
		assert_int_equal(
			config_parse("f", rows[i].text, strlen(rows[i].text), &config, NULL),
			IOTPKI_OK);
		CLEANUP(buf_done) struct buf all = BUF_INIT(4096);
		config_warnings(&config, collect, &all);
		const bool good = rows[i].want == NULL
					  ? all.len == 0
					  : strstr(buf_text(&all), rows[i].want) != NULL;
		if (!good)
			fail_msg("%s: \"%s\"", rows[i].name, buf_text(&all));
	}
}

static void load_from_file(void **state)
{
	(void)state;
	char path[] = "/tmp/iotpki-config-XXXXXX";
	const int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, full, strlen(full)), (ssize_t)strlen(full));
	assert_int_equal(close(fd), 0);
	const struct fs_trust trust = { .owner = getuid(), .forbidden = 0022 };
	struct config config;
	struct iotpki_detail detail = { 0 };
	assert_int_equal(config_load(path, &trust, &config, &detail), IOTPKI_OK);
	assert_int_equal(config.node_count, 3);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(config_load(path, &trust, &config, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(config.node_count, 0);
	assert_string_equal(detail.where, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_load(path, &trust, &config, &detail), IOTPKI_ERR_NOT_FOUND);
}

/* What is shipped as an example is what it says: the defaults, and a list with one role. */
static void examples(void **state)
{
	(void)state;
	char path[512];
	struct config config, bare;
	struct iotpki_detail detail = { 0 };
	const char *source = secure_getenv("TEST_SOURCE_DIR");
	assert_non_null(source);
	(void)snprintf(path, sizeof(path), "%s/../etc/iotpki.yaml", source);
	if (config_load(path, NULL, &config, &detail) != IOTPKI_OK)
		fail_msg("%u:%u: %s", detail.line, detail.column, detail.message);
	assert_int_equal(config_parse("f", "version: 1\n", 11, &bare, NULL), IOTPKI_OK);
	assert_memory_equal(&config, &bare, sizeof(config));
	CLEANUP(membership_unrefp) struct membership *list = NULL;
	(void)snprintf(path, sizeof(path), "%s/../etc/members.yaml", source);
	if (membership_load(path, NULL, &list, &detail) != IOTPKI_OK)
		fail_msg("%u:%u: %s", detail.line, detail.column, detail.message);
	assert_true(membership_names_account(list, "pi"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(logins_in_urls), cmocka_unit_test(full_file),
		cmocka_unit_test(default_values), cmocka_unit_test(rows_of_errors),
		cmocka_unit_test(url_rows),       cmocka_unit_test(truncation),
		cmocka_unit_test(warning_rows),   cmocka_unit_test(load_from_file),
		cmocka_unit_test(examples),       cmocka_unit_test(chains),
		cmocka_unit_test(twins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
