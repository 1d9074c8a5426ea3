/* name_new, name_firstupdate, name_update and blocks on a fake chain. */
#include "namekit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { PARAMS_MAX = 64 * 1024 };

struct chain_node *namekit_start(enum chain_kind kind)
{
	const struct chain_node_options options = { .kind = kind };
	struct chain_node *node = chain_node_start(&options);
	assert_non_null(node);
	return node;
}

void namekit_config(const struct chain_node *node, enum chain_kind kind, struct config_node *out)
{
	const bool emercoin = kind == CHAIN_EMERCOIN;
	*out = (struct config_node){
		.type = emercoin ? CONFIG_NODE_EMERCOIN : CONFIG_NODE_NAMECOIN,
		.min_confirmations = 1,
	};
	(void)snprintf(out->name, sizeof(out->name), "%s", config_type_name(out->type));
	(void)snprintf(out->name_prefix, sizeof(out->name_prefix), emercoin ? "iot:" : "iot/");
	chain_node_url(node, out->url, sizeof(out->url));
}

char *namekit_call(struct chain_node *node, const char *method, const char *format, ...)
{
	AUTO_FREE char *params = malloc(PARAMS_MAX);
	assert_non_null(params);
	va_list arguments;
	va_start(arguments, format);
	const int len = vsnprintf(params, PARAMS_MAX, format, arguments);
	va_end(arguments);
	assert_true(len > 0 && len < PARAMS_MAX);
	bool failed = true;
	char *answer = chain_node_call(node, method, params, &failed);
	if (answer == NULL || failed)
		fail_msg("%s %.200s: %s", method, params, answer != NULL ? answer : "no memory");
	return answer;
}

static void register_namecoin(struct chain_node *node, const char *nvs_name, const char *value)
{
	AUTO_FREE char *preorder = namekit_call(node, "name_new", "[\"%s\"]", nvs_name);
	char txid[65], salt[41];
	/* ["txid","salt"] */
	assert_true(strlen(preorder) >= 2 + 64 + 3 + 40);
	(void)snprintf(txid, sizeof(txid), "%s", preorder + 2);
	(void)snprintf(salt, sizeof(salt), "%s", preorder + 2 + 64 + 3);
	assert_true(chain_node_mine(node, 12));
	free(namekit_call(node, "name_firstupdate", "[\"%s\",\"%s\",\"%s\",\"%s\"]", nvs_name, salt,
			  txid, value));
}

void namekit_register(struct chain_node *node, enum chain_kind kind, const char *nvs_name,
		      const char *value)
{
	if (kind == CHAIN_EMERCOIN)
		free(namekit_call(node, "name_new", "[\"%s\",\"%s\",1]", nvs_name, value));
	else
		register_namecoin(node, nvs_name, value);
	assert_true(chain_node_mine(node, 1));
}

void namekit_update(struct chain_node *node, enum chain_kind kind, const char *nvs_name,
		    const char *value)
{
	const char *days = kind == CHAIN_EMERCOIN ? ",1" : "";
	free(namekit_call(node, "name_update", "[\"%s\",\"%s\"%s]", nvs_name, value, days));
	assert_true(chain_node_mine(node, 1));
}
