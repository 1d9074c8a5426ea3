/* One table of operations a world; what name_show says follows from the last of them. */
#include "lies/world.h"

#include <string.h>

#define VALUE_A "sha256=" WORLD_HASH_A
#define VALUE_B "sha256=" WORLD_HASH_B
#define REVOKED "|status=revoked"

/* Blocks: the tip, and a life (Emercoin: a day; Namecoin: regtest's). */
enum { DAY = 175, LIFE = 30, OPERATIONS_MAX = 4 };

struct operation {
	const char *txid; /* NULL: the list is over */
	int height;
	const char *operation;
	const char *value; /* NULL: none */
};

struct truth {
	const char *name;
	int tip;
	const char *status; /* iotpki's word; NULL: no record, an error */
	bool chain_has, iotpki_has;
	struct operation operations[OPERATIONS_MAX + 1];
};

static const struct truth truths[WORLDS] = {
	[WORLD_ADMITS] = { "admits",
			   60,
			   "registered",
			   true,
			   true,
			   { { WORLD_T1, 50, "name_new", VALUE_A },
			     { WORLD_T2, 52, "name_update", VALUE_A } } },
	[WORLD_REVOKED] = { "revoked",
			    60,
			    "revoked",
			    true,
			    true,
			    { { WORLD_T1, 50, "name_new", VALUE_A },
			      { WORLD_T2, 52, "name_update", VALUE_A },
			      { WORLD_T3, 54, "name_update", VALUE_A REVOKED } } },
	[WORLD_REWRITTEN] = { "rewritten",
			      60,
			      "revoked",
			      true,
			      false,
			      { { WORLD_T1, 50, "name_new", VALUE_A },
				{ WORLD_T3, 54, "name_update", VALUE_A REVOKED },
				{ WORLD_T4, 56, "name_update", VALUE_A } } },
	[WORLD_DELETED] = { "deleted",
			    60,
			    "revoked",
			    true,
			    false,
			    { { WORLD_T1, 50, "name_new", VALUE_A },
			      { WORLD_T3, 54, "name_delete", NULL } } },
	[WORLD_EXPIRED] = { "expired",
			    300,
			    "expired",
			    true,
			    true,
			    { { WORLD_T1, 50, "name_new", VALUE_A } } },
	[WORLD_REREGISTERED] = { "re-registered",
				 240,
				 "registered",
				 true,
				 true,
				 { { WORLD_T1, 50, "name_new", VALUE_A },
				   { WORLD_T5, 236, "name_new", VALUE_A } } },
	[WORLD_UPDATED] = { "updated",
			    60,
			    "registered",
			    true,
			    true,
			    { { WORLD_T1, 50, "name_new", VALUE_A },
			      { WORLD_T2, 52, "name_update", VALUE_B } } },
	[WORLD_UNREGISTERED] = { "unregistered",
				 60,
				 NULL,
				 true,
				 true,
				 { { NULL, 0, NULL, NULL } } },
};

const char *world_name(enum world world)
{
	return truths[world].name;
}

bool world_exists(enum config_node_type type, enum world world)
{
	if (world == WORLD_DELETED && type != CONFIG_NODE_EMERCOIN)
		return false;
	return type == CONFIG_NODE_IOTPKI ? truths[world].iotpki_has : truths[world].chain_has;
}

bool world_has_history(enum config_node_type type, enum world world)
{
	return type != CONFIG_NODE_IOTPKI && truths[world].status != NULL;
}

const char *world_nvs_name(enum config_node_type type)
{
	return type == CONFIG_NODE_NAMECOIN ? "iot/" WORLD_NAME : "iot:" WORLD_NAME;
}

static size_t count(const struct truth *truth)
{
	size_t i = 0;
	while (truth->operations[i].txid != NULL)
		i++;
	return i;
}

static const struct operation *newest(const struct truth *truth)
{
	return &truth->operations[count(truth) - 1];
}

static const char *text_of(const struct operation *operation)
{
	return operation->value != NULL ? operation->value : "";
}

static void put_iotpki(const struct truth *truth, const char *id, const char *now, struct buf *out)
{
	if (truth->status == NULL) {
		(void)buf_printf(out,
				 "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"error\":{\"code\":-4,"
				 "\"message\":\"failed to read from name DB\"}}",
				 id);
		return;
	}
	const bool over = strcmp(truth->status, "expired") == 0;
	const bool anew = truth == &truths[WORLD_REREGISTERED];
	(void)buf_printf(
		out,
		"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":{\"name\":\"%s\",\"value\":\"%s\","
		"\"txid\":\"%s\",\"address\":\"%s\",\"vout\":0,\"expires_in\":%d,\"expires_at\":%s,"
		"\"time\":1795300000,\"status\":\"%s\",\"registration\":\"%s\",\"sequence\":%zu,"
		"\"unit\":\"s\",%s\"tip\":{\"height\":%d,\"hash\":\"%s\",\"time\":%s}}}",
		id, world_nvs_name(CONFIG_NODE_IOTPKI), text_of(newest(truth)), newest(truth)->txid,
		WORLD_T4, over ? -86400 : 86400, over ? "1700000000" : "4102444800", truth->status,
		anew ? WORLD_T5 : WORLD_T1, anew ? 1 : count(truth),
		over ? "\"expired\":true," : "", truth->tip, WORLD_T4, now);
}

static void put_error(enum config_node_type type, const char *what, const char *id, struct buf *out)
{
	const bool emercoin = type == CONFIG_NODE_EMERCOIN;
	(void)buf_printf(out, "{%s\"error\":{\"code\":-4,\"message\":\"%s\"},\"id\":\"%s-0\"}",
			 emercoin ? "\"result\":null," : "\"jsonrpc\":\"2.0\",", what, id);
}

static void put_show_emercoin(const struct truth *truth, struct buf *out)
{
	const struct operation *at = newest(truth);
	const bool deleted = at->value == NULL;
	const int ends = deleted ? 0 : truth->operations[0].height + DAY;
	(void)buf_printf(out,
			 "{\"name\":\"%s\",\"value\":\"%s\",\"txid\":\"%s\",\"address\":\"emrt1q\","
			 "\"vout\":0,\"expires_in\":%d,\"expires_at\":%d,\"time\":1795300000",
			 world_nvs_name(CONFIG_NODE_EMERCOIN), text_of(at), at->txid,
			 ends - truth->tip, ends);
	if (!deleted && ends <= truth->tip)
		(void)buf_puts(out, ",\"expired\":true");
	(void)buf_puts(out, deleted ? ",\"deleted\":true}" : "}");
}

/* Emercoin's end does not come nearer by an update; a new life has its own. */
static struct truth with_last_life(const struct truth *truth)
{
	struct truth last = *truth;
	if (truth == &truths[WORLD_REREGISTERED])
		last.operations[0] = *newest(truth);
	return last;
}

static void put_entry_namecoin(const struct truth *truth, const struct operation *at,
			       struct buf *out)
{
	const int left = at->height + LIFE - truth->tip;
	(void)buf_printf(
		out,
		"{\"name\":\"%s\",\"name_encoding\":\"ascii\",\"value\":\"%s\","
		"\"value_encoding\":\"ascii\",\"txid\":\"%s\",\"vout\":0,\"address\":\"m\","
		"\"height\":%d,\"expires_in\":%d,\"expired\":%s,\"ismine\":true}",
		world_nvs_name(CONFIG_NODE_NAMECOIN), text_of(at), at->txid, at->height, left,
		left <= 0 ? "true" : "false");
}

static void put_entry_emercoin(const struct operation *at, struct buf *out)
{
	(void)buf_printf(
		out,
		"{\"txid\":\"%s\",\"time\":1795300000,\"height\":%d,\"address\":\"emrt1q\","
		"\"vout\":0,\"address_is_mine\":\"true\",\"operation\":\"%s\"",
		at->txid, at->height, at->operation);
	if (at->value != NULL)
		(void)buf_printf(out, ",\"days_added\":1,\"value\":\"%s\"", at->value);
	(void)buf_putc(out, '}');
}

static void put_result_begin(enum config_node_type type, struct buf *out)
{
	(void)buf_puts(out, type == CONFIG_NODE_EMERCOIN ? "{\"result\":"
							 : "{\"jsonrpc\":\"2.0\",\"result\":");
}

static void put_result_end(enum config_node_type type, const char *id, int index, struct buf *out)
{
	(void)buf_printf(out, "%s,\"id\":\"%s-%d\"}",
			 type == CONFIG_NODE_EMERCOIN ? ",\"error\":null" : "", id, index);
}

static void put_tip(enum config_node_type type, const struct truth *truth, const char *id,
		    const char *now, struct buf *out)
{
	(void)buf_putc(out, ',');
	put_result_begin(type, out);
	(void)buf_printf(
		out,
		"{\"chain\":\"regtest\",\"blocks\":%d,\"headers\":%d,\"bestblockhash\":\"%s\","
		"\"difficulty\":4.6e-10,",
		truth->tip, truth->tip, WORLD_T4);
	if (type == CONFIG_NODE_NAMECOIN)
		(void)buf_printf(out, "\"time\":%s,", now);
	(void)buf_printf(out,
			 "\"mediantime\":%s,\"verificationprogress\":1,"
			 "\"initialblockdownload\":false,\"pruned\":false}",
			 now);
	put_result_end(type, id, 1, out);
	(void)buf_putc(out, ']');
}

static void put_show_chain(enum config_node_type type, const struct truth *truth, const char *id,
			   struct buf *out)
{
	if (truth->status == NULL) {
		put_error(type,
			  type == CONFIG_NODE_EMERCOIN ? "failed to read from name DB"
						       : "name never existed: 'iot/" WORLD_NAME "'",
			  id, out);
		return;
	}
	/* Namecoin shows an expired name only to who asks for it. */
	if (type == CONFIG_NODE_NAMECOIN && truth == &truths[WORLD_EXPIRED]) {
		put_error(type, "name expired: 'iot/" WORLD_NAME "'", id, out);
		return;
	}
	const struct truth last = with_last_life(truth);
	put_result_begin(type, out);
	if (type == CONFIG_NODE_EMERCOIN)
		put_show_emercoin(&last, out);
	else
		put_entry_namecoin(truth, newest(truth), out);
	put_result_end(type, id, 0, out);
}

void world_show(enum config_node_type type, enum world world, const char *id, const char *now,
		struct buf *out)
{
	const struct truth *truth = &truths[world];
	if (type == CONFIG_NODE_IOTPKI) {
		put_iotpki(truth, id, now, out);
		return;
	}
	(void)buf_putc(out, '[');
	put_show_chain(type, truth, id, out);
	put_tip(type, truth, id, now, out);
}

void world_history(enum config_node_type type, enum world world, const char *id, const char *now,
		   struct buf *out)
{
	const struct truth *truth = &truths[world];
	(void)buf_putc(out, '[');
	put_result_begin(type, out);
	for (size_t i = 0; i < count(truth); i++) {
		(void)buf_putc(out, i == 0 ? '[' : ',');
		if (type == CONFIG_NODE_EMERCOIN)
			put_entry_emercoin(&truth->operations[i], out);
		else
			put_entry_namecoin(truth, &truth->operations[i], out);
	}
	(void)buf_puts(out, count(truth) == 0 ? "[]" : "]");
	put_result_end(type, id, 0, out);
	put_tip(type, truth, id, now, out);
}
