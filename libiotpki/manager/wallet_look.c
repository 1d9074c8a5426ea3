/* What a chain's node shows of one name. */
#include <string.h>

#include "base/parse.h"
#include "format/json.h"
#include "manager/wallet_parts.h"
#include "nvs/dialect_parts.h"

enum {
	TEXT_MAX = 64,
	VALUE_READ_MAX = 20 * 1024, /* Emercoin's; a longer value than a record's is only noted */
	PARAMS_MAX = 512,
	NO_SUCH_TRANSACTION = -5, /* Bitcoin's RPC_INVALID_ADDRESS_OR_KEY */
	HISTORY_MAX = 100000,
	REGTEST_LIFE = 30,
};

/* One call whose result is an object or an array. */
static enum onchain_problem call_json(const struct wallet *wallet, const char *method,
				      const struct buf *params, struct nvs_reply *reply,
				      struct json_t **root_out)
{
	*root_out = NULL;
	const enum onchain_problem problem = wallet_call(wallet, method, params, reply);
	if (problem != ONCHAIN_OK)
		return problem;
	return json_read(buf_text(&reply->result), reply->result.len, NVS_CALL_MAX, root_out,
			 NULL) == IOTPKI_OK
		       ? ONCHAIN_OK
		       : ONCHAIN_BROKEN;
}

static void params_text(struct buf *params, const char *text, const char *rest)
{
	(void)buf_putc(params, '[');
	json_put_text(params, text);
	(void)buf_puts(params, rest);
	(void)buf_putc(params, ']');
}

static void copy_text(char *out, size_t size, const char *text)
{
	const size_t len = text != NULL ? strlen(text) : 0;
	const size_t kept = len < size ? len : size - 1;
	memcpy(out, text != NULL ? text : "", kept);
	out[kept] = '\0';
}

/* ---- the tip ---- */

struct tip {
	int64_t blocks, time, mediantime;
	bool downloading;
	const char *chain;
};

static enum onchain_problem look_tip(const struct wallet *wallet, struct onchain_seen *seen,
				     uint64_t *life_out)
{
	static const struct json_field fields[] = {
		{ "blocks", JSON_INT, false, 0, UINT32_MAX, offsetof(struct tip, blocks) },
		{ "time", JSON_INT, true, 0, JSON_TIME_MAX, offsetof(struct tip, time) },
		{ "mediantime", JSON_INT, false, 0, JSON_TIME_MAX,
		  offsetof(struct tip, mediantime) },
		{ "initialblockdownload", JSON_BOOL, false, 0, 0,
		  offsetof(struct tip, downloading) },
		{ "chain", JSON_TEXT, true, 0, TEXT_MAX, offsetof(struct tip, chain) },
	};
	struct tip tip = { .time = -1, .chain = "" };
	CLEANUP(buf_done) struct buf params = BUF_INIT(8);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	(void)buf_puts(&params, "[]");
	const enum onchain_problem problem =
		call_json(wallet, "getblockchaininfo", &params, &reply, &root);
	if (problem != ONCHAIN_OK)
		return problem;
	if (json_fields(root, fields, ARRAY_LEN(fields), &tip, NULL) != IOTPKI_OK)
		return ONCHAIN_BROKEN;
	seen->height = (uint64_t)tip.blocks;
	/* Emercoin has no "time" here (transcripts). */
	seen->tip_s =
		wallet->type == CONFIG_NODE_NAMECOIN && tip.time >= 0 ? tip.time : tip.mediantime;
	seen->downloading = tip.downloading;
	*life_out = strcmp(tip.chain, "regtest") == 0 ? REGTEST_LIFE : ONCHAIN_NAMECOIN_LIFE;
	return ONCHAIN_OK;
}

/* ---- the mempool ---- */

struct operation {
	const char *name, *value, *emercoin_op, *emercoin_mine;
	uint8_t txid[IOTPKI_SHA256_LEN];
	bool namecoin_mine;
	int64_t height;
};

static const struct json_field pending_fields[] = {
	{ "name", JSON_TEXT, false, 0, 1024, offsetof(struct operation, name) },
	{ "value", JSON_TEXT, true, 0, VALUE_READ_MAX, offsetof(struct operation, value) },
	{ "txid", JSON_HASH, false, 0, 0, offsetof(struct operation, txid) },
	{ "address_is_mine", JSON_TEXT, true, 0, TEXT_MAX,
	  offsetof(struct operation, emercoin_mine) },
	{ "ismine", JSON_BOOL, true, 0, 0, offsetof(struct operation, namecoin_mine) },
};

static void take_pending(const struct operation *operation, struct onchain_seen *seen)
{
	const bool mine =
		operation->namecoin_mine ||
		(operation->emercoin_mine != NULL && strcmp(operation->emercoin_mine, "true") == 0);
	/* Somebody may try to be faster: what counts is that ours is there. */
	if (seen->pending_mine && !mine)
		return;
	seen->pending = true;
	seen->pending_mine = mine;
	copy_text(seen->pending_value, sizeof(seen->pending_value), operation->value);
	memcpy(seen->pending_txid, operation->txid, sizeof(seen->pending_txid));
}

static enum onchain_problem look_pending(const struct wallet *wallet, struct onchain_seen *seen)
{
	const bool emercoin = wallet->type == CONFIG_NODE_EMERCOIN;
	CLEANUP(buf_done) struct buf params = BUF_INIT(ONCHAIN_TEXT_MAX);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	if (emercoin)
		(void)buf_puts(&params, "[]");
	else
		params_text(&params, wallet->nvs_name, "");
	const enum onchain_problem problem = call_json(
		wallet, emercoin ? "name_mempool" : "name_pending", &params, &reply, &root);
	if (problem != ONCHAIN_OK)
		return problem;
	const struct json_t *entry;
	for (size_t i = 0; (entry = json_element(root, i)) != NULL; i++) {
		struct operation operation = { 0 };
		/* Others' operations may be of any kind; only what is of this name is read. */
		if (json_fields(entry, pending_fields, ARRAY_LEN(pending_fields), &operation,
				NULL) == IOTPKI_OK &&
		    strcmp(operation.name, wallet->nvs_name) == 0)
			take_pending(&operation, seen);
	}
	return ONCHAIN_OK;
}

/* ---- the record ---- */

struct shown {
	const char *name, *value, *address;
	uint8_t txid[IOTPKI_SHA256_LEN];
	int64_t expires_in, height;
	bool expired, deleted, mine;
};

static const struct json_field shown_fields[] = {
	{ "name", JSON_TEXT, false, 0, 1024, offsetof(struct shown, name) },
	{ "value", JSON_TEXT, true, 0, VALUE_READ_MAX, offsetof(struct shown, value) },
	{ "address", JSON_TEXT, true, 0, ONCHAIN_ADDRESS_MAX, offsetof(struct shown, address) },
	{ "txid", JSON_HASH, false, 0, 0, offsetof(struct shown, txid) },
	{ "expires_in", JSON_INT, false, -JSON_INT_MAX, JSON_INT_MAX,
	  offsetof(struct shown, expires_in) },
	{ "height", JSON_INT, true, 0, UINT32_MAX, offsetof(struct shown, height) },
	{ "expired", JSON_BOOL, true, 0, 0, offsetof(struct shown, expired) },
	{ "deleted", JSON_BOOL, true, 0, 0, offsetof(struct shown, deleted) },
	{ "ismine", JSON_BOOL, true, 0, 0, offsetof(struct shown, mine) },
};

/* As devices see it (nvs/dialect_history.c): what they take for revoked is not renewed here. */
static bool says_revoked(const char *value)
{
	return value != NULL && dialect_value_revoked(value);
}

static enum onchain_problem take_shown(const struct wallet *wallet, const struct json_t *root,
				       struct onchain_seen *seen)
{
	struct shown shown = { .height = -1 };
	if (json_fields(root, shown_fields, ARRAY_LEN(shown_fields), &shown, NULL) != IOTPKI_OK ||
	    strcmp(shown.name, wallet->nvs_name) != 0)
		return ONCHAIN_BROKEN;
	seen->name = shown.deleted                            ? ONCHAIN_NAME_DELETED
		     : shown.expired || shown.expires_in <= 0 ? ONCHAIN_NAME_EXPIRED
							      : ONCHAIN_NAME_HELD;
	/*
	 * Anything can stand in a chain. What no record is made of is not carried any further; Namecoin
	 * gives no value at all where it is no text.
	 */
	const size_t len = shown.value != NULL ? strlen(shown.value) : 0;
	seen->value_odd = shown.value == NULL || !text_printable(shown.value, len);
	seen->value_cut = len > IOTPKI_VALUE_MAX;
	copy_text(seen->value, sizeof(seen->value), seen->value_odd ? "" : shown.value);
	copy_text(seen->address, sizeof(seen->address), shown.address);
	memcpy(seen->txid, shown.txid, sizeof(seen->txid));
	memcpy(seen->registration, shown.txid, sizeof(seen->registration));
	seen->expires_in = shown.expires_in;
	seen->revoked = says_revoked(shown.value);
	seen->txid_height = shown.height >= 0 ? (uint64_t)shown.height : seen->height;
	if (wallet->type == CONFIG_NODE_NAMECOIN && json_member(root, "ismine") != NULL)
		seen->mine = shown.mine ? ONCHAIN_MINE : ONCHAIN_NOT_MINE;
	return ONCHAIN_OK;
}

static enum onchain_problem look_name(const struct wallet *wallet, struct onchain_seen *seen)
{
	CLEANUP(buf_done) struct buf params = BUF_INIT(ONCHAIN_TEXT_MAX);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	const bool namecoin = wallet->type == CONFIG_NODE_NAMECOIN;
	/* An expired name shows who had it, and -4 is left with one meaning. */
	params_text(&params, wallet->nvs_name, namecoin ? ",{\"allowExpired\":true}" : "");
	const enum onchain_problem problem = call_json(wallet, "name_show", &params, &reply, &root);
	if (reply.outcome == IOTPKI_OUTCOME_UNREGISTERED || (namecoin && reply.code == -4)) {
		seen->name = ONCHAIN_NAME_FREE;
		return ONCHAIN_OK;
	}
	return problem != ONCHAIN_OK ? problem : take_shown(wallet, root, seen);
}

/* ---- the history ---- */

static const struct json_field history_fields[] = {
	{ "value", JSON_TEXT, true, 0, VALUE_READ_MAX, offsetof(struct operation, value) },
	{ "txid", JSON_HASH, false, 0, 0, offsetof(struct operation, txid) },
	{ "height", JSON_INT, false, 0, UINT32_MAX, offsetof(struct operation, height) },
	{ "operation", JSON_TEXT, true, 0, TEXT_MAX, offsetof(struct operation, emercoin_op) },
	{ "address_is_mine", JSON_TEXT, true, 0, TEXT_MAX,
	  offsetof(struct operation, emercoin_mine) },
};

static bool is_op(const struct operation *operation, const char *name)
{
	return operation->emercoin_op != NULL && strcmp(operation->emercoin_op, name) == 0;
}

/* A new life: Emercoin's name_new; on Namecoin an operation after the one before it had run out. */
static bool begins_life(const struct wallet *wallet, const struct operation *operation,
			const struct operation *before, uint64_t life)
{
	if (wallet->type == CONFIG_NODE_EMERCOIN)
		return is_op(operation, "name_new");
	return before == NULL || operation->height >= before->height + (int64_t)life;
}

/*
 * Where nvs/dialect_history.c takes a history for unreadable, devices admit nobody by it, and a
 * revocation may hide in it: then the name can be revoked here, and not be renewed.
 */
static bool is_unreadable(const struct operation *operation)
{
	return !is_op(operation, "name_delete") &&
	       (operation->value == NULL || dialect_value_doubtful(operation->value));
}

static enum onchain_problem take_history(const struct wallet *wallet, const struct json_t *root,
					 uint64_t life, struct onchain_seen *seen)
{
	struct operation before = { 0 };
	const struct json_t *entry;
	bool begun = false, found = false, unread = false;
	for (size_t i = 0; (entry = json_element(root, i)) != NULL; i++) {
		struct operation operation = { 0 };
		if (i >= HISTORY_MAX ||
		    json_fields(entry, history_fields, ARRAY_LEN(history_fields), &operation,
				NULL) != IOTPKI_OK ||
		    operation.height < before.height)
			return ONCHAIN_BROKEN;
		if (begins_life(wallet, &operation, i > 0 ? &before : NULL, life)) {
			memcpy(seen->registration, operation.txid, sizeof(seen->registration));
			seen->revoked = false;
			begun = true;
			found = unread = false;
		}
		seen->revoked = seen->revoked || says_revoked(operation.value) ||
				is_op(&operation, "name_delete");
		unread = unread || is_unreadable(&operation);
		before = operation;
		if (memcmp(operation.txid, seen->txid, sizeof(seen->txid)) != 0)
			continue;
		found = true;
		seen->txid_height = (uint64_t)operation.height;
		/* Only of the wallet's own addresses it is said; without a wallet nothing is told at all. */
		if (wallet->type == CONFIG_NODE_EMERCOIN)
			seen->mine = operation.emercoin_mine != NULL &&
						     strcmp(operation.emercoin_mine, "true") == 0
					     ? ONCHAIN_MINE
					     : ONCHAIN_NOT_MINE;
	}
	seen->no_history = unread && !seen->revoked;
	/* It is not there: a block came between the two calls. */
	return begun && found ? ONCHAIN_OK : ONCHAIN_BROKEN;
}

static enum onchain_problem look_history(const struct wallet *wallet, uint64_t life, bool must_fit,
					 struct onchain_seen *seen)
{
	CLEANUP(buf_done) struct buf params = BUF_INIT(ONCHAIN_TEXT_MAX);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	params_text(&params, wallet->nvs_name, wallet->type == CONFIG_NODE_EMERCOIN ? ",true" : "");
	const enum onchain_problem problem =
		call_json(wallet, "name_history", &params, &reply, &root);
	const struct onchain_seen before = *seen;
	const enum onchain_problem fits =
		problem == ONCHAIN_OK ? take_history(wallet, root, life, seen) : problem;
	const bool none = problem == ONCHAIN_NO_WALLET || reply.code == -1;
	if (!none && (fits != ONCHAIN_BROKEN || must_fit))
		return fits;
	/* One that is not there, or too long to be read, keeps no name from being revoked. */
	*seen = before;
	seen->no_history = true;
	return ONCHAIN_OK;
}

/* ---- Namecoin's pre-order ---- */

static enum onchain_problem look_order(const struct wallet *wallet,
				       const struct onchain_progress *progress,
				       struct onchain_seen *seen)
{
	static const struct json_field fields[] = {
		{ "confirmations", JSON_INT, false, -JSON_INT_MAX, JSON_INT_MAX, 0 },
	};
	struct {
		int64_t confirmations;
	} found = { -1 };
	char txid[2 * IOTPKI_SHA256_LEN + 1];
	CLEANUP(buf_done) struct buf params = BUF_INIT(PARAMS_MAX);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	hex_encode(progress->preorder, IOTPKI_SHA256_LEN, txid);
	params_text(&params, txid, "");
	const enum onchain_problem problem =
		call_json(wallet, "gettransaction", &params, &reply, &root);
	if (reply.code == NO_SUCH_TRANSACTION) {
		seen->order_depth = ONCHAIN_DEPTH_UNKNOWN;
		return ONCHAIN_OK;
	}
	if (problem != ONCHAIN_OK)
		return problem;
	if (json_fields(root, fields, ARRAY_LEN(fields), &found, NULL) != IOTPKI_OK)
		return ONCHAIN_BROKEN;
	/* Negative: another transaction took its coins. */
	seen->order_depth = found.confirmations < 0 ? ONCHAIN_DEPTH_UNKNOWN : found.confirmations;
	return ONCHAIN_OK;
}

/* The address is of this pre-order alone: whatever paid to it is the pre-order. */
static enum onchain_problem find_order(const struct wallet *wallet,
				       const struct onchain_progress *progress,
				       struct onchain_seen *seen)
{
	CLEANUP(buf_done) struct buf params = BUF_INIT(PARAMS_MAX);
	CLEANUP(nvs_reply_done) struct nvs_reply reply;
	CLEANUP(json_release) struct json_t *root = NULL;
	(void)buf_puts(&params, "[0,true,true,");
	json_put_text(&params, progress->address);
	(void)buf_putc(&params, ']');
	const enum onchain_problem problem =
		call_json(wallet, "listreceivedbyaddress", &params, &reply, &root);
	if (problem != ONCHAIN_OK)
		return problem;
	CLEANUP(buf_done) struct buf text = BUF_INIT(TEXT_MAX + 8);
	const struct json_t *txids = json_member(json_element(root, 0), "txids");
	const struct json_t *txid = json_element(txids, 0);
	if (txid == NULL)
		return ONCHAIN_OK;
	if (json_write(txid, &text) != IOTPKI_OK || text.len != 2 * IOTPKI_SHA256_LEN + 2 ||
	    !hex_decode(buf_text(&text) + 1, text.len - 2, seen->order_txid, IOTPKI_SHA256_LEN))
		return ONCHAIN_BROKEN;
	seen->order_found = true;
	return ONCHAIN_OK;
}

/*
 * Emercoin gives the operations of all names at once: a stranger's that is too long, or whose name is no
 * text, must not keep anybody from revoking. The wallet itself refuses a second operation on a name.
 */
static enum onchain_problem look_pending_of_all(const struct wallet *wallet, bool must_fit,
						struct onchain_seen *seen)
{
	const struct onchain_seen before = *seen;
	const enum onchain_problem problem = look_pending(wallet, seen);
	if (problem != ONCHAIN_BROKEN || must_fit)
		return problem;
	*seen = before;
	seen->pending_unread = true;
	return ONCHAIN_OK;
}

static enum onchain_problem look_once(const struct wallet *wallet,
				      const struct onchain_progress *progress, bool must_fit,
				      struct onchain_seen *seen)
{
	*seen = (struct onchain_seen){ .order_depth = ONCHAIN_DEPTH_UNKNOWN };
	uint64_t life = ONCHAIN_NAMECOIN_LIFE;
	enum onchain_problem problem = look_tip(wallet, seen, &life);
	if (problem == ONCHAIN_OK)
		problem = look_pending_of_all(wallet, must_fit, seen);
	if (problem == ONCHAIN_OK)
		problem = look_name(wallet, seen);
	if (problem == ONCHAIN_OK && seen->name == ONCHAIN_NAME_HELD)
		problem = look_history(wallet, life, must_fit, seen);
	if (problem != ONCHAIN_OK || wallet->type != CONFIG_NODE_NAMECOIN ||
	    progress->op != ONCHAIN_REGISTER || progress->stage >= ONCHAIN_DONE)
		return problem;
	if (progress->has_preorder)
		return look_order(wallet, progress, seen);
	if (progress->address[0] != '\0')
		return find_order(wallet, progress, seen);
	return ONCHAIN_OK;
}

enum onchain_problem wallet_look(const struct wallet *wallet,
				 const struct onchain_progress *progress,
				 struct onchain_seen *seen_out)
{
	/* A block between two of the calls makes answers that do not fit each other, once. */
	const enum onchain_problem problem = look_once(wallet, progress, true, seen_out);
	return problem == ONCHAIN_BROKEN ? look_once(wallet, progress, false, seen_out) : problem;
}
