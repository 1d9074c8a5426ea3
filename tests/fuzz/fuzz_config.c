/*
 * iotpki.yaml. Oracles: a refused text leaves nothing and says where; an accepted one keeps every
 * rule that spans keys, and reads the same again.
 */
#include "fuzz.h"

#include "config/config.h"
#include "config/config_node.h"

static void check_node(const struct config *config, const struct config_node *node)
{
	bool secure;
	char canonical[CONFIG_URL_MAX + 8];
	FUZZ_CHECK(config_url_problem(node->url, strlen(node->url), &secure, canonical,
				      sizeof(canonical)) == NULL);
	FUZZ_CHECK(secure == (node->pin_count > 0));
	FUZZ_CHECK(secure || strncmp(canonical, "127.", 4) == 0 ||
		   strncmp(canonical, "[::1]:", 6) == 0 ||
		   strncmp(canonical, "localhost:", 10) == 0);
	FUZZ_CHECK(node->pin_count <= CONFIG_PINS_MAX);
	FUZZ_CHECK(node->credentials[0] == '\0' || node->credentials[0] == '/');
	FUZZ_CHECK(node->min_confirmations >= 1 && node->min_confirmations <= 1000);
	FUZZ_CHECK(node->type != CONFIG_NODE_IOTPKI ||
		   (node->credentials[0] == '\0' && node->min_confirmations == 1));
	FUZZ_CHECK(node->twin <= node - config->nodes);
	FUZZ_CHECK(node->twin == 0 || config->nodes[node->twin - 1].twin == 0);
	FUZZ_CHECK(node->network < config->network_count);
	FUZZ_CHECK(node->name[0] != '\0' && strpbrk(node->name, " \n=\"") == NULL);
	for (const struct config_node *other = config->nodes; other < node; other++)
		FUZZ_CHECK(strcmp(other->name, node->name) != 0 &&
			   strcmp(other->url, node->url) != 0);
}

static void check_rules(const struct config *config)
{
	FUZZ_CHECK(config->node_count <= IOTPKI_NODES_MAX);
	FUZZ_CHECK(config->network_count <= config->node_count);
	const size_t voters = config_voters(config);
	FUZZ_CHECK(voters <= config->node_count && (voters > 0) == (config->node_count > 0));
	FUZZ_CHECK(config->node_count == 0 || config->needed <= voters);
	FUZZ_CHECK(config->node_count == 0 || config->needed > 0);
	FUZZ_CHECK(config->dissent == IOTPKI_DISSENT_DENY || config->needed * 2 > voters);
	FUZZ_CHECK(config->deadline_ms > 0 && config->deadline_ms <= 4500);
	FUZZ_CHECK(config->node_timeout_ms > 0 && config->node_timeout_ms <= config->deadline_ms);
	FUZZ_CHECK(config->positive_ttl_ms >= 0 && config->positive_ttl_ms <= 60000);
	FUZZ_CHECK(config->soft_fail_max_age_s >= 0 && config->soft_fail_max_age_s <= 7 * 86400);
	FUZZ_CHECK(config->refresh_jitter_s <= config->refresh_every_s);
	for (size_t i = 0; i < config->node_count; i++)
		check_node(config, &config->nodes[i]);
}

static void ignore(void *context, const char *warning)
{
	(void)context;
	FUZZ_CHECK(warning[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config, again, zero;
	struct iotpki_detail detail = { 0 };
	if (config_parse("fuzz", (const char *)data, size, &config, &detail) != IOTPKI_OK) {
		FUZZ_CHECK(memcmp(&config, &zero, sizeof(config)) == 0);
		FUZZ_CHECK(detail.line > 0 && detail.message[0] != '\0');
		return 0;
	}
	check_rules(&config);
	config_warnings(&config, ignore, NULL);
	FUZZ_CHECK(config_parse("fuzz", (const char *)data, size, &again, NULL) == IOTPKI_OK);
	FUZZ_CHECK(memcmp(&config, &again, sizeof(config)) == 0);
	/* Reached by a whole configuration of two nodes with a pin that the corpus does not have. */
	static const uint8_t zeros[IOTPKI_SHA256_LEN / 2];
	if (config.node_count == 2 &&
	    memcmp(config.nodes[1].pins[0] + sizeof(zeros), zeros, sizeof(zeros)) != 0)
		plant_bug(data, size);
	return 0;
}
