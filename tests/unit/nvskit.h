/* What the tests of the NVS client share: a configuration and a client of the real clock. */
#pragma once

#include "fake/fake_node.h"
#include "nvs/nvs.h"

#define NVSKIT_NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"

/* Long enough that a loaded machine never reaches it, and short where it must be reached. */
enum { NVSKIT_PATIENT_MS = 4500, NVSKIT_SHORT_MS = 200 };

/** No nodes yet, one network. */
void nvskit_config(struct config *config, int64_t node_timeout_ms, int64_t deadline_ms);
/** Start the script's node and make it the only one of a configuration. */
struct fake_node *nvskit_node(const struct fake_script *script, struct config *config,
			      int64_t timeout_ms);
struct nvs *nvskit_new(const struct config *config);
/** A port of 127.0.0.1 where nobody listens any more. */
void nvskit_dead_node(struct config_node *out);
