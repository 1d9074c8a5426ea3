/* `bnodes:` of iotpki.yaml: the paper's list L of trusted B-nodes (paper III-B). */
#pragma once

#include "config/config.h"
#include "format/yaml.h"

/** Read the list into a struct config at target + key->offset. */
yaml_value_fn config_read_nodes;

/**
 * Whether a URL is one that a node may have: https, or http on a loopback address; host, port and
 * path only. canonical_out (CONFIG_URL_MAX + 8 bytes) is the same for two spellings of one URL.
 * @return NULL, or what is wrong with it
 */
const char *config_url_problem(const char *url, size_t len, bool *secure_out, char *canonical_out,
			       size_t canonical_size);
