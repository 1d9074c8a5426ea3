/* Configurations and clients for the tests of the NVS client. */
#include "nvskit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void nvskit_config(struct config *config, int64_t node_timeout_ms, int64_t deadline_ms)
{
	*config = (struct config){ .node_timeout_ms = node_timeout_ms,
				   .deadline_ms = deadline_ms,
				   .needed = 1,
				   .network_count = 1 };
}

struct fake_node *nvskit_node(const struct fake_script *script, struct config *config,
			      int64_t timeout_ms)
{
	struct fake_node *node = fake_node_start(script);
	assert_non_null(node);
	nvskit_config(config, timeout_ms, timeout_ms);
	config->node_count = 1;
	fake_node_config(node, "home", &config->nodes[0]);
	return node;
}

struct nvs *nvskit_new(const struct config *config)
{
	struct nvs *nvs = NULL;
	assert_int_equal(nvs_new(config, clock_system(), random_system(), &nvs), IOTPKI_OK);
	assert_non_null(nvs);
	return nvs;
}

void nvskit_dead_node(struct config_node *out)
{
	static const struct fake_script script = { .tls = FAKE_HTTP };
	struct fake_node *node = fake_node_start(&script);
	assert_non_null(node);
	fake_node_config(node, "dead", out);
	fake_node_stop(node);
}
