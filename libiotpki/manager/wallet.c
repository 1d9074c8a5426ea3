/* The steps of a name at a wallet, and what the wallet has. */
#include "manager/wallet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "format/json.h"
#include "manager/wallet_parts.h"

enum {
	READ_TIMEOUT_MS = 5000,
	SILENT_TIMEOUT_MS = 1000, /* a revocation on other networks may wait for it */
	WRITE_TIMEOUT_MS = 30000, /* a wallet chooses coins, signs, and looks at its whole past */
	RESULT_TEXT_MAX = 256,
};

enum onchain_problem wallet_problem(const struct nvs_reply *reply)
{
	static const enum onchain_problem refusals[] = {
		[NVS_REFUSAL_FUNDS] = ONCHAIN_FUNDS,
		[NVS_REFUSAL_LOCKED] = ONCHAIN_LOCKED,
		[NVS_REFUSAL_PENDING] = ONCHAIN_PENDING,
		[NVS_REFUSAL_TAKEN] = ONCHAIN_TAKEN,
		[NVS_REFUSAL_NOT_OWNER] = ONCHAIN_NOT_OWNER,
		[NVS_REFUSAL_EXPIRED] = ONCHAIN_EXPIRED,
		[NVS_REFUSAL_TOO_LONG] = ONCHAIN_TOO_LONG,
		[NVS_REFUSAL_NOT_IN_SYNC] = ONCHAIN_NOT_IN_SYNC,
		[NVS_REFUSAL_NO_WALLET] = ONCHAIN_NO_WALLET,
		[NVS_REFUSAL_BAD_ADDRESS] = ONCHAIN_BAD_ADDRESS,
		[NVS_REFUSAL_NOT_YET] = ONCHAIN_PENDING,
		[NVS_REFUSAL_OTHER] = ONCHAIN_BROKEN,
	};
	if (reply->outcome == IOTPKI_OUTCOME_REGISTERED)
		return ONCHAIN_OK;
	if (reply->refusal > NVS_REFUSAL_NONE && reply->refusal <= NVS_REFUSAL_OTHER)
		return refusals[reply->refusal];
	if (reply->outcome == IOTPKI_OUTCOME_UNAUTHORIZED)
		return ONCHAIN_UNAUTHORIZED;
	if (reply->outcome == IOTPKI_OUTCOME_NOT_READY)
		return ONCHAIN_NOT_IN_SYNC;
	if (reply->outcome == IOTPKI_OUTCOME_UNREACHABLE)
		return ONCHAIN_UNREACHABLE;
	return ONCHAIN_BROKEN;
}

enum onchain_problem wallet_call(const struct wallet *wallet, const char *method,
				 const struct buf *params, struct nvs_reply *reply_out)
{
	*reply_out = (struct nvs_reply){ 0 };
	if (buf_error(params) != IOTPKI_OK ||
	    wallet->transport->call(wallet->transport->context, wallet->node, method,
				    buf_text(params), reply_out) != IOTPKI_OK)
		return ONCHAIN_UNREACHABLE;
	return wallet_problem(reply_out);
}

/* ---- funds ---- */

/* A number of coins, which the node writes with a point. */
static bool take_amount(const struct json_t *object, const char *key, int64_t *amount_out)
{
	const struct json_t *value = json_member(object, key);
	CLEANUP(buf_done) struct buf text = BUF_INIT(RESULT_TEXT_MAX);
	return value != NULL && json_write(value, &text) == IOTPKI_OK &&
	       onchain_amount_parse(buf_text(&text), amount_out);
}

static enum onchain_problem look_balances(const struct wallet *wallet, int64_t *balance_out)
{
	CLEANUP(buf_done) struct buf params = BUF_INIT(8);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	(void)buf_puts(&params, "[]");
	const enum onchain_problem problem = wallet_call(wallet, "getbalances", &params, &reply);
	if (problem != ONCHAIN_OK)
		return problem;
	if (json_read(buf_text(&reply.result), reply.result.len, NVS_CALL_MAX, &root, NULL) !=
		    IOTPKI_OK ||
	    !take_amount(json_member(root, "mine"), "trusted", balance_out))
		return ONCHAIN_BROKEN;
	return ONCHAIN_OK;
}

enum onchain_problem wallet_look_funds(const struct wallet *wallet, struct wallet_funds *funds_out)
{
	*funds_out = (struct wallet_funds){ 0 };
	CLEANUP(buf_done) struct buf params = BUF_INIT(8);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	(void)buf_puts(&params, "[]");
	const enum onchain_problem problem = wallet_call(wallet, "getwalletinfo", &params, &reply);
	if (problem != ONCHAIN_OK)
		return problem;
	/* Only an encrypted wallet says until when it is unlocked; 0: it is not. */
	struct {
		int64_t until;
	} lock = { .until = 1 };
	static const struct json_field fields[] = {
		{ "unlocked_until", JSON_INT, true, 0, JSON_INT_MAX, 0 },
	};
	if (json_read(buf_text(&reply.result), reply.result.len, NVS_CALL_MAX, &root, NULL) !=
		    IOTPKI_OK ||
	    json_fields(root, fields, ARRAY_LEN(fields), &lock, NULL) != IOTPKI_OK)
		return ONCHAIN_BROKEN;
	funds_out->locked = lock.until == 0;
	/* Emercoin's has the balance, Namecoin's has not. */
	if (take_amount(root, "balance", &funds_out->balance))
		return ONCHAIN_OK;
	return look_balances(wallet, &funds_out->balance);
}

/* ---- steps ---- */

/* The result is one JSON string without escapes. */
static bool result_text(const struct buf *result, char *out, size_t size)
{
	const char *text = buf_text(result);
	if (result->len < 3 || result->len - 2 >= size || text[0] != '"' ||
	    text[result->len - 1] != '"')
		return false;
	memcpy(out, text + 1, result->len - 2);
	out[result->len - 2] = '\0';
	return strpbrk(out, "\"\\ ") == NULL && text_printable(out, strlen(out));
}

static bool result_txid(const struct buf *result, uint8_t txid_out[static IOTPKI_SHA256_LEN])
{
	char text[2 * IOTPKI_SHA256_LEN + 1];
	return result_text(result, text, sizeof(text)) &&
	       hex_decode(text, strlen(text), txid_out, IOTPKI_SHA256_LEN);
}

static enum onchain_problem take_sent(const struct nvs_reply *reply,
				      struct onchain_progress *progress)
{
	if (!result_txid(&reply->result, progress->txid))
		return ONCHAIN_BROKEN;
	progress->has_txid = true;
	progress->stage = ONCHAIN_SENT;
	return ONCHAIN_OK;
}

static enum onchain_problem take_address(const struct nvs_reply *reply,
					 struct onchain_progress *progress)
{
	return result_text(&reply->result, progress->address, sizeof(progress->address))
		       ? ONCHAIN_OK
		       : ONCHAIN_BROKEN;
}

/* ["txid","rand"] */
static enum onchain_problem take_order(const struct nvs_reply *reply,
				       struct onchain_progress *progress)
{
	static const size_t salt_at = 2 * IOTPKI_SHA256_LEN + 5;
	const char *text = buf_text(&reply->result);
	uint8_t raw[ONCHAIN_SALT_MAX / 2];
	const size_t len = reply->result.len;
	if (len < salt_at + 4 || len > salt_at + ONCHAIN_SALT_MAX + 2 || text[0] != '[' ||
	    text[1] != '"' || memcmp(text + salt_at - 3, "\",\"", 3) != 0 ||
	    memcmp(text + len - 2, "\"]", 2) != 0)
		return ONCHAIN_BROKEN;
	const size_t salt_len = len - 2 - salt_at;
	if (salt_len % 2 != 0 || !hex_decode(text + salt_at, salt_len, raw, salt_len / 2) ||
	    !hex_decode(text + 2, 2 * IOTPKI_SHA256_LEN, progress->preorder, IOTPKI_SHA256_LEN))
		return ONCHAIN_BROKEN;
	memcpy(progress->salt, text + salt_at, salt_len);
	progress->salt[salt_len] = '\0';
	progress->has_preorder = true;
	progress->stage = ONCHAIN_ORDERED;
	progress->to_go = ONCHAIN_ORDER_DEPTH;
	return ONCHAIN_OK;
}

static void put_address_option(struct buf *params, const char *address)
{
	(void)buf_puts(params, ",{\"destAddress\":");
	json_put_text(params, address);
	(void)buf_putc(params, '}');
}

static void put_name_value(const struct wallet *wallet, const struct onchain_progress *progress,
			   struct buf *params)
{
	(void)buf_putc(params, '[');
	json_put_text(params, wallet->nvs_name);
	(void)buf_putc(params, ',');
	json_put_text(params, progress->value);
}

static void put_address(const struct wallet *wallet, const struct onchain_progress *progress,
			struct buf *params)
{
	(void)wallet;
	(void)progress;
	(void)buf_puts(params, "[\"iotpki\"]");
}

static void put_order(const struct wallet *wallet, const struct onchain_progress *progress,
		      struct buf *params)
{
	(void)buf_putc(params, '[');
	json_put_text(params, wallet->nvs_name);
	put_address_option(params, progress->address);
	(void)buf_putc(params, ']');
}

/* Without a salt, whose answer was lost, the wallet derives it again from the address's key. */
static void put_enter_namecoin(const struct wallet *wallet, const struct onchain_progress *progress,
			       struct buf *params)
{
	char txid[2 * IOTPKI_SHA256_LEN + 1];
	hex_encode(progress->preorder, IOTPKI_SHA256_LEN, txid);
	(void)buf_putc(params, '[');
	json_put_text(params, wallet->nvs_name);
	if (progress->salt[0] != '\0')
		(void)buf_printf(params, ",\"%s\"", progress->salt);
	else
		(void)buf_puts(params, ",null");
	(void)buf_printf(params, ",\"%s\",", txid);
	json_put_text(params, progress->value);
	(void)buf_putc(params, ']');
}

static void put_emercoin(const struct wallet *wallet, const struct onchain_progress *progress,
			 struct buf *params)
{
	put_name_value(wallet, progress, params);
	(void)buf_printf(params, ",%" PRIu32, progress->days);
	if (progress->op == ONCHAIN_TRANSFER) {
		(void)buf_putc(params, ',');
		json_put_text(params, progress->address);
	}
	(void)buf_putc(params, ']');
}

static void put_change_namecoin(const struct wallet *wallet,
				const struct onchain_progress *progress, struct buf *params)
{
	put_name_value(wallet, progress, params);
	if (progress->op == ONCHAIN_TRANSFER)
		put_address_option(params, progress->address);
	(void)buf_putc(params, ']');
}

/* What each step is on each chain. */
static const struct act {
	enum onchain_action action;
	enum config_node_type type;
	const char *method;
	void (*put)(const struct wallet *wallet, const struct onchain_progress *progress,
		    struct buf *params);
	enum onchain_problem (*take)(const struct nvs_reply *reply,
				     struct onchain_progress *progress);
} acts[] = {
	{ ONCHAIN_ADDRESS, CONFIG_NODE_NAMECOIN, "getnewaddress", put_address, take_address },
	{ ONCHAIN_ORDER, CONFIG_NODE_NAMECOIN, "name_new", put_order, take_order },
	{ ONCHAIN_ENTER, CONFIG_NODE_NAMECOIN, "name_firstupdate", put_enter_namecoin, take_sent },
	{ ONCHAIN_CHANGE, CONFIG_NODE_NAMECOIN, "name_update", put_change_namecoin, take_sent },
	{ ONCHAIN_ENTER, CONFIG_NODE_EMERCOIN, "name_new", put_emercoin, take_sent },
	{ ONCHAIN_CHANGE, CONFIG_NODE_EMERCOIN, "name_update", put_emercoin, take_sent },
};

enum onchain_problem wallet_act(const struct wallet *wallet, enum onchain_action action,
				struct onchain_progress *progress)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (acts[i].action != action || acts[i].type != wallet->type)
			continue;
		CLEANUP(buf_done) struct buf params = BUF_INIT(ONCHAIN_TEXT_MAX);
		CLEANUP(nvs_reply_done) struct nvs_reply reply;
		acts[i].put(wallet, progress, &params);
		const enum onchain_problem problem =
			wallet_call(wallet, acts[i].method, &params, &reply);
		return problem == ONCHAIN_OK ? acts[i].take(&reply, progress) : problem;
	}
	return ONCHAIN_BROKEN;
}

/* ---- the transport ---- */

static enum iotpki_err call_nvs(void *context, size_t node, const char *method,
				const char *params_json, struct nvs_reply *reply_out)
{
	int64_t timeout_ms = READ_TIMEOUT_MS;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (strcmp(acts[i].method, method) == 0)
			timeout_ms = WRITE_TIMEOUT_MS;
	return nvs_call(context, node, method, params_json, timeout_ms, reply_out);
}

struct probe {
	struct nvs_call *call;
	bool *silent;
	size_t *open; /* calls that are under way */
};

static void probe_done(void *context, const struct nvs_reply *reply)
{
	struct probe *probe = context;
	*probe->silent = reply->outcome == IOTPKI_OUTCOME_UNREACHABLE;
	(*probe->open)--;
}

static void silent_nvs(void *context, const size_t *nodes, size_t count, bool *silent_out)
{
	struct probe probes[IOTPKI_NODES_MAX] = { 0 };
	size_t open = 0;
	for (size_t i = 0; i < count && i < IOTPKI_NODES_MAX; i++) {
		struct iotpki_detail detail = { 0 };
		probes[i] = (struct probe){ .silent = &silent_out[i], .open = &open };
		silent_out[i] = false;
		/* What cannot even be tried fails at once later, and says why. */
		if (nvs_call_start(context, nodes[i], "getblockchaininfo", "[]", SILENT_TIMEOUT_MS,
				   probe_done, &probes[i], &probes[i].call, &detail) == IOTPKI_OK)
			open++;
	}
	while (open > 0 && nvs_poll(context, -1, -1) == IOTPKI_OK)
		continue;
}

struct wallet_transport wallet_transport_nvs(struct nvs *nvs)
{
	return (struct wallet_transport){ .context = nvs, .call = call_nvs, .silent = silent_nvs };
}
