/* From an upstream's answers to ours. */
#include "bnode/gateway_told.h"

#include <string.h>

#include "nvs/dialect_parts.h"

enum { DAY_S = 86400, LIFE_BLOCKS = 36000, LIFE_BLOCKS_REGTEST = 30 };

/* ---- names ---- */

static bool is_zero(const uint8_t hash[static SHA256_LEN])
{
	static const uint8_t zero[SHA256_LEN];
	return memcmp(hash, zero, SHA256_LEN) == 0;
}

static int64_t block_s(const struct config_node *upstream)
{
	return dialect_chain(upstream->type)->block_s;
}

/* Namecoin tells no times of operations: reckoned from the blocks since. */
static int64_t time_of(const struct config_node *upstream, int64_t height,
		       const struct told_tip *tip)
{
	const int64_t time_s = tip->time_s - (tip->height - height) * block_s(upstream);
	return time_s > 0 ? time_s : 0;
}

static void set_end(const struct config_node *upstream, int64_t expires_in, struct told *told)
{
	const int64_t end_s = told->tip.time_s + expires_in * block_s(upstream);
	told->expires_at_s = end_s < 1 ? 1 : end_s > JSON_TIME_MAX ? JSON_TIME_MAX : end_s;
}

/*
 * What an upstream of this age may still say. A revocation counts at any age (design 6): a node that
 * has stopped still tells what it saw.
 */
static enum iotpki_outcome judge_age(const struct iotpki_answer *answer, int64_t now_s)
{
	if (answer->outcome > IOTPKI_OUTCOME_UNREGISTERED ||
	    answer->outcome == IOTPKI_OUTCOME_REVOKED)
		return answer->outcome;
	return answer->tip_s < now_s - answer->max_tip_age_s ? IOTPKI_OUTCOME_STALE
							     : answer->outcome;
}

void told_judge(const struct config_node *upstream, const struct iotpki_answer *answer,
		const struct dialect_shown *shown, int64_t now_s, struct told *told_out)
{
	const struct dialect_facts *facts = &shown->facts;
	*told_out = (struct told){ .outcome = judge_age(answer, now_s), .sequence = 1 };
	if (told_out->outcome < IOTPKI_OUTCOME_REGISTERED ||
	    told_out->outcome > IOTPKI_OUTCOME_UNREGISTERED)
		return;
	if (!facts->has_tip_hash && told_out->outcome != IOTPKI_OUTCOME_REVOKED) {
		told_out->outcome = IOTPKI_OUTCOME_MALFORMED;
		return;
	}
	told_out->tip.height = (int64_t)answer->tip_height;
	told_out->tip.time_s = now_s;
	memcpy(told_out->tip.hash, facts->tip_hash, SHA256_LEN);
	if (told_out->outcome == IOTPKI_OUTCOME_UNREGISTERED)
		return;
	memcpy(told_out->value, facts->value, sizeof(told_out->value));
	memcpy(told_out->txid, answer->txid, SHA256_LEN);
	memcpy(told_out->registration, answer->registration, SHA256_LEN);
	if (facts->sequence > 0)
		told_out->sequence = facts->sequence;
	told_out->vout = facts->vout;
	told_out->time_s = upstream->type == CONFIG_NODE_EMERCOIN
				   ? facts->time_s
				   : time_of(upstream, facts->height, &told_out->tip);
	told_out->deleted = facts->deleted;
	told_out->expired = told_out->outcome == IOTPKI_OUTCOME_EXPIRED;
	set_end(upstream, facts->expires_in, told_out);
	told_out->needs_history = is_zero(told_out->registration);
}

enum iotpki_outcome told_judge_tip(const struct config_node *upstream, const char *json, size_t len,
				   int64_t now_s, struct told_tip *tip_out,
				   struct iotpki_detail *detail)
{
	CLEANUP(json_release) struct json_t *root = NULL;
	struct dialect_fields fields = { 0 };
	struct iotpki_answer like;
	const char *hint = NULL;
	*tip_out = (struct told_tip){ 0 };
	if (json_read(json, len, JSON_ANSWER_MAX, &root, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	const enum iotpki_outcome outcome =
		dialect_read_tip(upstream->type, root, &fields, &hint, detail);
	if (outcome != IOTPKI_OUTCOME_PENDING)
		return outcome;
	if (!fields.has_hash) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"bestblockhash\" is no hash");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	dialect_no_answer(upstream, now_s, outcome, &like);
	*tip_out = (struct told_tip){ .height = fields.blocks,
				      .time_s = now_s,
				      .regtest = fields.regtest };
	memcpy(tip_out->hash, fields.hash, SHA256_LEN);
	if (dialect_tip_time(upstream->type, &fields) >= now_s - like.max_tip_age_s)
		return IOTPKI_OUTCOME_REGISTERED;
	(void)detail_set(detail, IOTPKI_ERR_UNAVAILABLE, 0, 0,
			 "its newest block is more than %lld hours old by this machine's clock",
			 (long long)like.max_tip_age_s / 3600);
	return IOTPKI_OUTCOME_STALE;
}

/* ---- histories ---- */

void told_history_done(struct told_history *history)
{
	free(history->operations);
	*history = (struct told_history){ 0 };
}

static int64_t life_blocks(const struct told_tip *tip)
{
	return tip->regtest ? LIFE_BLOCKS_REGTEST : LIFE_BLOCKS;
}

/* What only one chain tells is made up for the other. */
static void complete_operation(const struct config_node *upstream, const struct told_tip *tip,
			       const struct dialect_fields *fields,
			       const struct told_operation *before, struct told_operation *op)
{
	if (upstream->type == CONFIG_NODE_EMERCOIN) {
		op->registers = strcmp(fields->operation, "name_new") == 0;
		op->deleted = strcmp(fields->operation, "name_delete") == 0;
		op->time_s = fields->time_s;
		return;
	}
	const int64_t life = life_blocks(tip);
	op->registers = before == NULL || op->height >= before->height + life;
	op->time_s = time_of(upstream, op->height, tip);
	op->days = (op->registers ? life : op->height - before->height) * block_s(upstream) / DAY_S;
}

static void read_numbers(const struct json_t *element, struct told_operation *op)
{
	static const struct json_field vout = { "vout", JSON_INT, false, 0, INT32_MAX, 0 };
	static const struct json_field days = { "days_added", JSON_INT, false, 0, INT32_MAX, 0 };
	if (json_fields(element, &vout, 1, &op->vout, NULL) != IOTPKI_OK)
		op->vout = 0;
	if (json_fields(element, &days, 1, &op->days, NULL) != IOTPKI_OK)
		op->days = 0;
}

static enum iotpki_err read_operation(const struct config_node *upstream, const char *nvs_name,
				      const struct told_tip *tip, const struct json_t *element,
				      struct told_history *history, struct iotpki_detail *detail)
{
	struct dialect_fields fields;
	struct iotpki_record record;
	struct told_operation *op = &history->operations[history->count];
	const struct told_operation *before = history->count > 0 ? op - 1 : NULL;
	const enum iotpki_err err =
		dialect_read(element, dialect_chain(upstream->type)->entry, &fields, detail);
	if (err != IOTPKI_OK)
		return err;
	if ((fields.name != NULL && strcmp(fields.name, nvs_name) != 0) ||
	    (before != NULL && fields.height < before->height))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "name_history: an operation is not of this name");
	*op = (struct told_operation){ .height = fields.height, .expires_in = fields.expires_in };
	memcpy(op->txid, fields.txid, SHA256_LEN);
	read_numbers(element, op);
	const char *value = fields.value != NULL ? fields.value : "";
	op->revokes = dialect_value_revoked(value);
	if (iotpki_record_parse(value, strlen(value), &record, NULL) == IOTPKI_OK)
		memcpy(op->value, value, strlen(value) + 1);
	complete_operation(upstream, tip, &fields, before, op);
	if (op->registers)
		history->life = history->count;
	history->count++;
	return IOTPKI_OK;
}

enum iotpki_err told_read_history(const struct config_node *upstream, const char *nvs_name,
				  const struct told_tip *tip, const char *json, size_t len,
				  struct told_history *history_out, struct iotpki_detail *detail)
{
	CLEANUP(json_release) struct json_t *root = NULL;
	CLEANUP(told_history_done) struct told_history history = { 0 };
	size_t count = 0;
	*history_out = (struct told_history){ 0 };
	enum iotpki_err err = json_read(json, len, NVS_CALL_MAX, &root, detail);
	if (err != IOTPKI_OK)
		return err;
	while (count <= TOLD_OPERATIONS_MAX && json_element(root, count) != NULL)
		count++;
	if (count == 0 || count > TOLD_OPERATIONS_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "name_history: no operations, or more than %d",
				  TOLD_OPERATIONS_MAX);
	history.operations = calloc(count, sizeof(*history.operations));
	if (history.operations == NULL)
		return IOTPKI_ERR_NOMEM;
	for (size_t i = 0; err == IOTPKI_OK && i < count; i++)
		err = read_operation(upstream, nvs_name, tip, json_element(root, i), &history,
				     detail);
	if (err != IOTPKI_OK)
		return err;
	*history_out = history;
	history = (struct told_history){ 0 };
	return IOTPKI_OK;
}

/* Namecoin says nothing of an expired name but that it is one. */
static void take_last(const struct config_node *upstream, const struct told_operation *last,
		      struct told *told)
{
	memcpy(told->txid, last->txid, SHA256_LEN);
	memcpy(told->value, last->value, sizeof(told->value));
	told->vout = last->vout;
	told->time_s = last->time_s;
	set_end(upstream, last->expires_in, told);
	/* Registered again since the two were asked. */
	if (last->expires_in > 0)
		told->outcome = IOTPKI_OUTCOME_NOT_READY;
	/* Not one of ours, as it is while such a name lives. */
	else if (last->value[0] == '\0')
		told->outcome = IOTPKI_OUTCOME_MALFORMED;
}

void told_add_history(const struct config_node *upstream, const struct told_history *history,
		      struct told *told)
{
	told->needs_history = false;
	const struct told_operation *last = &history->operations[history->count - 1];
	bool found = is_zero(told->txid), revoked = false;
	if (found)
		take_last(upstream, last, told);
	for (size_t i = history->life; i < history->count; i++) {
		const struct told_operation *op = &history->operations[i];
		found = found || memcmp(op->txid, told->txid, SHA256_LEN) == 0;
		revoked = revoked || op->revokes || op->deleted;
	}
	/* The chain has moved between the two: its life is not the one that was shown. */
	if (!found)
		return;
	if (revoked)
		told->outcome = IOTPKI_OUTCOME_REVOKED;
	memcpy(told->registration, history->operations[history->life].txid, SHA256_LEN);
	told->sequence = (uint32_t)(history->count - history->life);
}

void told_without_history(enum iotpki_outcome why, struct told *told)
{
	told->needs_history = false;
	/* An answer without the record itself would be odd to every reader. */
	if (told->outcome == IOTPKI_OUTCOME_EXPIRED && is_zero(told->txid))
		told->outcome = why;
}

/* ---- errors ---- */

/*
 * What would be no excuse for soft-fail if the device had asked the chain node itself is none through
 * a gateway: odd answers and refused logins are an error that devices find odd (invariant I2).
 */
struct jsonrpc_error told_error(enum iotpki_outcome outcome)
{
	static const struct jsonrpc_error unknown = { JSONRPC_NAME_DB,
						      "failed to read from name DB", NULL };
	static const struct jsonrpc_error odd = {
		JSONRPC_INTERNAL, "the node behind this gateway gave no answer that can be used",
		NULL
	};
	static const struct jsonrpc_error not_ready = {
		JSONRPC_NOT_READY, "the node behind this gateway is not ready, try again later",
		NULL
	};
	if (outcome == IOTPKI_OUTCOME_UNREGISTERED)
		return unknown;
	if (outcome == IOTPKI_OUTCOME_MALFORMED || outcome == IOTPKI_OUTCOME_UNAUTHORIZED)
		return odd;
	return not_ready;
}

/* ---- the serialiser ---- */

static void put_key_int(struct buf *out, const char *key, int64_t number)
{
	method_put_literal(out, key);
	method_put_int(out, number);
}

static void put_key_hash(struct buf *out, const char *key, const uint8_t hash[static SHA256_LEN])
{
	method_put_literal(out, key);
	method_put_hash(out, hash);
}

static const char *status_of(const struct told *told)
{
	if (told->outcome == IOTPKI_OUTCOME_REVOKED)
		return "revoked";
	return told->expired ? "expired" : "registered";
}

void told_put_name(struct buf *out, const char *name, const struct told *told, int64_t now_s,
		   enum method_form form)
{
	struct told at = *told;
	at.expired = !told->deleted && (told->expired || now_s >= told->expires_at_s);
	method_put_literal(out, "{\"name\":\"" TOLD_PREFIX);
	method_put_literal(out, name); /* a valid name needs no escapes */
	method_put_literal(out, "\",\"value\":");
	method_put_value(out, at.value, form);
	put_key_hash(out, ",\"txid\":", at.txid);
	put_key_int(out, ",\"address\":\"\",\"vout\":", at.vout);
	put_key_int(out, ",\"expires_in\":", at.expires_at_s - now_s);
	put_key_int(out, ",\"expires_at\":", at.expires_at_s);
	put_key_int(out, ",\"time\":", at.time_s);
	if (at.deleted)
		method_put_literal(out, ",\"deleted\":true");
	if (at.expired)
		method_put_literal(out, ",\"expired\":true");
	method_put_literal(out, ",\"status\":\"");
	method_put_literal(out, status_of(&at));
	put_key_hash(out, "\",\"registration\":", at.registration);
	put_key_int(out, ",\"sequence\":", at.sequence);
	put_key_int(out, ",\"unit\":\"s\",\"tip\":{\"height\":", at.tip.height);
	put_key_hash(out, ",\"hash\":", at.tip.hash);
	put_key_int(out, ",\"time\":", at.tip.time_s);
	method_put_literal(out, "}}");
}

static void put_operation(struct buf *out, const struct told_operation *op, enum method_form form)
{
	static const char *const words[] = { "name_update", "name_new" };
	put_key_hash(out, "{\"txid\":", op->txid);
	put_key_int(out, ",\"time\":", op->time_s);
	put_key_int(out, ",\"height\":", op->height);
	put_key_int(out, ",\"address\":\"\",\"vout\":", op->vout);
	method_put_literal(out, ",\"operation\":\"");
	method_put_literal(out, op->deleted ? "name_delete" : words[op->registers]);
	put_key_int(out, "\",\"days_added\":", op->days);
	if (!op->deleted) {
		method_put_literal(out, ",\"value\":");
		method_put_value(out, op->value, form);
	}
	method_put_literal(out, "}");
}

void told_put_history(struct buf *out, const struct told_history *history, bool all,
		      enum method_form form)
{
	const size_t from = all ? 0 : history->life;
	method_put_literal(out, "[");
	for (size_t i = from; i < history->count; i++) {
		if (i > from)
			method_put_literal(out, ",");
		put_operation(out, &history->operations[i], form);
	}
	method_put_literal(out, "]");
}

void told_put_tip(struct buf *out, const struct told_tip *tip)
{
	put_key_int(out, "{\"chain\":\"iotpki\",\"blocks\":", tip->height);
	put_key_hash(out, ",\"bestblockhash\":", tip->hash);
	put_key_int(out, ",\"time\":", tip->time_s);
	method_put_literal(out, ",\"initialblockdownload\":false}");
}
