/*
 * iotpki.yaml (design 7) as a checked structure: whole or not at all, unknown and
 * duplicate keys are errors with file:line:column. The keys are one const table.
 */
#pragma once

#include <iotpki/decide.h>

#include "base/fs.h"

#define CONFIG_PATH "/etc/iotpki/iotpki.yaml"
#define CONFIG_MAX_BYTES (1024 * 1024)
#define CONFIG_PINS_MAX 4
#define CONFIG_USERS_MAX 16
#define CONFIG_SERVICES_MAX 16
#define CONFIG_WORD_MAX 64 /* bytes of a user, service, node or network name */
#define CONFIG_URL_MAX 512
#define CONFIG_FILE_MAX 255 /* bytes of the path of a credentials file */
#define CONFIG_CONFIRMATIONS_MAX 1000

enum config_node_type { CONFIG_NODE_IOTPKI, CONFIG_NODE_EMERCOIN, CONFIG_NODE_NAMECOIN };

struct config_node {
	char name[CONFIG_WORD_MAX + 1];
	enum config_node_type type;
	uint8_t network;              /* index into config.networks */
	char url[CONFIG_URL_MAX + 1]; /* https://, or http:// on a loopback address */
	size_t pin_count;             /* 0 only with http:// */
	uint8_t pins[CONFIG_PINS_MAX][IOTPKI_SHA256_LEN]; /* SHA-256 of the server's SPKI */
	char name_prefix[IOTPKI_NVS_NAME_MAX - IOTPKI_NAME_MAX +
			 1]; /* "iot:", of namecoin "iot/", unless set */
	/* The file of a chain node's "user:password" ("" none). Only its path ever stands here. */
	char credentials[CONFIG_FILE_MAX + 1];
	unsigned int min_confirmations; /* 1 to CONFIG_CONFIRMATIONS_MAX; above 1 of chains alone */
	/* 1 + index of an earlier node that is the same one: they share a pin, or a host and port.
	 * The two vote once. 0: none. */
	uint8_t twin;
};

struct config {
	size_t node_count; /* 0 to IOTPKI_NODES_MAX; two nodes with one name or URL are an error */
	struct config_node nodes[IOTPKI_NODES_MAX];
	size_t network_count;
	char networks[IOTPKI_NODES_MAX][CONFIG_WORD_MAX + 1];

	/* query: */
	unsigned int needed; /* n of config_voters, from answers: NUMBER | majority | all */
	enum iotpki_dissent dissent;
	int64_t node_timeout_ms; /* default 1500 */
	int64_t deadline_ms;     /* default 4000, at most 4500 */

	/* policy: */
	bool soft_fail; /* unreachable: soft-fail */
	size_t soft_fail_service_count;
	char soft_fail_services[CONFIG_SERVICES_MAX][CONFIG_WORD_MAX + 1];
	int64_t soft_fail_max_age_s; /* default 4h, at most 7d */
	int64_t positive_ttl_ms;     /* default 1s, at most 60s */
	enum iotpki_key_change key_change;

	int64_t refresh_every_s;  /* default 1h */
	int64_t refresh_jitter_s; /* default 5m */

	size_t break_glass_count;
	char break_glass_users[CONFIG_USERS_MAX][CONFIG_WORD_MAX + 1];
	size_t allow_user_count; /* agent: {allow_users: []} */
	char allow_users[CONFIG_USERS_MAX][CONFIG_WORD_MAX + 1];
	char identity_on_change[256]; /* identity: {on_change: COMMAND}; "" if unset */
	bool tls_early;               /* tls: {early: yes} */
};

/** Parse the text of a configuration; path is for messages. config_out is all zero unless IOTPKI_OK. */
enum iotpki_err config_parse(const char *path, const char *text, size_t len,
			     struct config *config_out, struct iotpki_detail *detail) MUST_CHECK;
/** Read and parse. */
enum iotpki_err config_load(const char *path, const struct fs_trust *trust,
			    struct config *config_out, struct iotpki_detail *detail) MUST_CHECK;
/** The nodes that vote: N of "n of N", those without a twin. */
size_t config_voters(const struct config *config);
/** "iotpki", "emercoin", "namecoin": the word of the file. */
const char *config_type_name(enum config_node_type type);
/**
 * Things that are allowed and that an owner should know (design 7: no node may fail; soft-fail
 * behaves as hard-fail in this release; key_change follow; ...). Calls emit once for each.
 */
void config_warnings(const struct config *config, void (*emit)(void *context, const char *warning),
		     void *context);
