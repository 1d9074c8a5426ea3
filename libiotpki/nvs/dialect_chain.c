/*
 * name_show and the tip of Emercoin Core and Namecoin Core (design 6). A batch is
 * answered in its order and not as one moment: a block may fall between a name and
 * the tip behind it.
 */
#include "nvs/dialect_parts.h"

#include <string.h>

/* Blocks that may arrive within one batch: what two numbers of it may differ by. A node that has
 * slept catches up by dozens a second, and is right again at the next question. */
#define SLACK 100

/* Bytes of a value on a chain. Ours are shorter, but a stranger's earlier life of the name may
 * hold what it likes, and that is no reason to refuse ours. */
#define VALUE_MAX (64 * 1024)

/* ---- the fields, one table for both chains and all objects ---- */

#define FIELD(member) offsetof(struct dialect_fields, member)

/* In the order of enum dialect_field. */
static const struct json_field field_table[] = {
	{ "name", JSON_TEXT, true, 1, VALUE_MAX, FIELD(name) },
	{ "value", JSON_TEXT, true, 0, VALUE_MAX, FIELD(value) },
	{ "txid", JSON_HASH, true, 0, 0, FIELD(txid) },
	{ "height", JSON_INT, true, 1, INT32_MAX, FIELD(height) },
	{ "expires_in", JSON_INT, true, INT32_MIN, INT32_MAX, FIELD(expires_in) },
	{ "expires_at", JSON_INT, true, 0, INT32_MAX, FIELD(expires_at) },
	{ "expired", JSON_BOOL, true, 0, 0, FIELD(expired) },
	{ "deleted", JSON_BOOL, true, 0, 0, FIELD(deleted) },
	{ "operation", JSON_TEXT, true, 1, 64, FIELD(operation) },
	{ "blocks", JSON_INT, true, 1, INT32_MAX, FIELD(blocks) },
	{ "time", JSON_INT, true, 1, JSON_TIME_MAX, FIELD(time_s) },
	{ "mediantime", JSON_INT, true, 1, JSON_TIME_MAX, FIELD(mediantime_s) },
	{ "initialblockdownload", JSON_BOOL, true, 0, 0, FIELD(downloading) },
};

enum iotpki_err dialect_read(const struct json_t *object, unsigned int required,
			     struct dialect_fields *fields_out, struct iotpki_detail *detail)
{
	*fields_out = (struct dialect_fields){ 0 };
	const enum iotpki_err err =
		json_fields(object, field_table, ARRAY_LEN(field_table), fields_out, detail);
	if (err != IOTPKI_OK)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(field_table); i++) {
		if (json_member(object, field_table[i].key) != NULL)
			fields_out->present |= 1u << i;
		else if ((required & (1u << i)) != 0)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"%s\" is missing",
					  field_table[i].key);
	}
	return IOTPKI_OK;
}

const struct dialect_chain *dialect_chain(enum config_node_type type)
{
	static const struct dialect_chain chains[] = {
		/* Emercoin's getblockchaininfo has no `time`; 175 blocks a day. */
		[CONFIG_NODE_EMERCOIN] = {
			.show = DIALECT_NAME | DIALECT_VALUE | DIALECT_TXID | DIALECT_EXPIRES_IN |
				DIALECT_EXPIRES_AT | DIALECT_TIME,
			.entry = DIALECT_TXID | DIALECT_HEIGHT | DIALECT_TIME | DIALECT_OPERATION,
			.tip = DIALECT_BLOCKS | DIALECT_MEDIANTIME | DIALECT_DOWNLOADING,
			.block_s = 493,
		},
		[CONFIG_NODE_NAMECOIN] = {
			.show = DIALECT_NAME | DIALECT_VALUE | DIALECT_TXID | DIALECT_HEIGHT |
				DIALECT_EXPIRES_IN | DIALECT_EXPIRED,
			.entry = DIALECT_NAME | DIALECT_TXID | DIALECT_HEIGHT |
				 DIALECT_EXPIRES_IN | DIALECT_EXPIRED,
			.tip = DIALECT_BLOCKS | DIALECT_TIME | DIALECT_MEDIANTIME |
			       DIALECT_DOWNLOADING,
			.block_s = 600,
		},
	};
	return &chains[type];
}

static enum iotpki_outcome odd(struct iotpki_detail *detail, const char *what)
{
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "%s", what);
	return IOTPKI_OUTCOME_MALFORMED;
}

bool dialect_value_revoked(const char *value)
{
	static const char word[] = "status=revoked";
	for (const char *at = value; at != NULL;) {
		at += strspn(at, " |");
		if (strncmp(at, word, sizeof(word) - 1) == 0)
			return true;
		at = strchr(at, '|');
	}
	return false;
}

bool dialect_value_doubtful(const char *value)
{
	static const char word[] = "status=revoked";
	const size_t len = sizeof(word) - 1, value_len = strlen(value);
	for (size_t i = 0; i + len <= value_len; i++) {
		size_t altered = i > 0 && strchr(" |", value[i - 1]) == NULL ? 1 : 0;
		for (size_t j = 0; j < len && altered < 2; j++)
			altered += value[i + j] != word[j];
		if (altered == 1)
			return true;
	}
	return false;
}

/* ---- the tip ---- */

static bool says_regtest(const struct json_t *info)
{
	static const struct json_field field = { "chain", JSON_TEXT, false, 1, 64, 0 };
	const char *chain = "";
	return json_fields(info, &field, 1, &chain, NULL) == IOTPKI_OK &&
	       strcmp(chain, "regtest") == 0;
}

static bool best_block(const struct json_t *info, uint8_t hash_out[static IOTPKI_SHA256_LEN])
{
	static const struct json_field field = { "bestblockhash", JSON_HASH, false, 0, 0, 0 };
	uint8_t hash[IOTPKI_SHA256_LEN];
	if (json_fields(info, &field, 1, hash, NULL) != IOTPKI_OK)
		return false;
	memcpy(hash_out, hash, sizeof(hash));
	return true;
}

enum iotpki_outcome dialect_read_tip(enum config_node_type type, const struct json_t *info,
				     struct dialect_fields *tip_out, const char **hint_out,
				     struct iotpki_detail *detail)
{
	if (dialect_read(info, dialect_chain(type)->tip, tip_out, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	tip_out->regtest = says_regtest(info);
	tip_out->has_hash = best_block(info, tip_out->hash);
	/* The median of eleven blocks is never after the newest of them. */
	if (type == CONFIG_NODE_NAMECOIN && tip_out->mediantime_s > tip_out->time_s)
		return odd(detail, "\"mediantime\" is after \"time\"");
	if (!tip_out->downloading)
		return IOTPKI_OUTCOME_PENDING;
	*hint_out = dialect_hint_sync;
	(void)detail_set(detail, IOTPKI_ERR_UNAVAILABLE, 0, 0, "%s", dialect_hint_sync);
	return IOTPKI_OUTCOME_NOT_READY;
}

enum iotpki_outcome dialect_judge_tip(const struct dialect_question *question,
				      const struct dialect_batch *batch,
				      struct dialect_fields *tip_out, const char **hint_out,
				      struct iotpki_detail *detail)
{
	const enum config_node_type type = question->node->type;
	struct dialect_envelope envelope = { 0 };
	if (dialect_open_element(question, batch, question->count, &envelope, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (envelope.result == NULL) {
		const struct dialect_error error =
			dialect_judge_error(type, "getblockchaininfo", NULL, &envelope, detail);
		*hint_out = error.hint;
		return error.outcome;
	}
	return dialect_read_tip(type, envelope.result, tip_out, hint_out, detail);
}

int64_t dialect_tip_time(enum config_node_type type, const struct dialect_fields *tip)
{
	return type == CONFIG_NODE_EMERCOIN ? tip->mediantime_s : tip->time_s;
}

/* ---- name_show ---- */

/** Do the numbers of the name and of the tip belong together? */
static bool heights_agree(enum config_node_type type, const struct dialect_fields *show,
			  const struct dialect_fields *tip)
{
	if (tip->blocks == 0)
		return true; /* there is no tip, and so nothing that could be said of the name */
	if (type == CONFIG_NODE_NAMECOIN)
		return show->height <= tip->blocks;
	const int64_t shown_at = show->expires_at - show->expires_in;
	return shown_at >= tip->blocks - SLACK && shown_at <= tip->blocks + SLACK;
}

/** What says more against the name counts: revoked, expired, registered. */
static enum iotpki_outcome judge_show(enum config_node_type type, const struct dialect_fields *show,
				      const struct dialect_fields *tip,
				      struct iotpki_record *record, struct iotpki_detail *detail)
{
	const enum iotpki_err err =
		iotpki_record_parse(show->value, strlen(show->value), record, detail);
	if (show->deleted || dialect_value_revoked(show->value))
		return IOTPKI_OUTCOME_REVOKED;
	if (err != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (!heights_agree(type, show, tip))
		return odd(detail, "the heights of the name and of the tip do not agree");
	if (show->expired || show->expires_in <= 0)
		return IOTPKI_OUTCOME_EXPIRED;
	return IOTPKI_OUTCOME_REGISTERED;
}

/** Saturating: no product of two such numbers leaves int64_t. */
static int64_t ends_s(const struct dialect_question *question, const struct dialect_fields *show,
		      int64_t tip_s)
{
	const int64_t from_s = question->asked_s > tip_s ? question->asked_s : tip_s;
	const int64_t left_s = show->expires_in * dialect_chain(question->node->type)->block_s;
	return from_s > JSON_TIME_MAX - left_s ? JSON_TIME_MAX : from_s + left_s;
}

/* After the value was parsed: a record is printable ASCII and fits. */
static void take_facts(const struct json_t *result, const struct dialect_fields *show, bool record,
		       struct dialect_facts *facts)
{
	static const struct json_field field = { "vout", JSON_INT, false, 0, INT32_MAX, 0 };
	int64_t vout = 0;
	if (json_fields(result, &field, 1, &vout, NULL) == IOTPKI_OK)
		facts->vout = vout;
	if (record)
		memcpy(facts->value, show->value, strlen(show->value) + 1);
	facts->expires_in = show->expires_in;
	facts->time_s = show->time_s;
	facts->height = show->height;
	facts->deleted = show->deleted;
}

static enum iotpki_outcome take_show(const struct dialect_question *question, size_t index,
				     const struct json_t *result, const struct dialect_fields *tip,
				     struct dialect_shown *shown, struct iotpki_detail *detail)
{
	const enum config_node_type type = question->node->type;
	struct dialect_fields show;
	if (dialect_read(result, dialect_chain(type)->show, &show, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (strcmp(show.name, question->nvs_names[index]) != 0)
		return odd(detail, "the answer is for another name");
	struct iotpki_record record = { 0 };
	const enum iotpki_outcome outcome = judge_show(type, &show, tip, &record, detail);
	if (outcome == IOTPKI_OUTCOME_MALFORMED)
		return outcome;
	struct iotpki_answer *answer = &shown->answer;
	answer->record = record;
	take_facts(result, &show,
		   iotpki_record_parse(show.value, strlen(show.value), &record, NULL) == IOTPKI_OK,
		   &shown->facts);
	memcpy(answer->txid, show.txid, sizeof(answer->txid));
	if (outcome != IOTPKI_OUTCOME_REGISTERED)
		return outcome;
	answer->ends_s = ends_s(question, &show, dialect_tip_time(type, tip));
	shown->height = (uint64_t)show.height;
	shown->needs_life = true;
	return outcome;
}

static enum iotpki_outcome judge_name(const struct dialect_question *question, size_t index,
				      const struct dialect_batch *batch,
				      const struct dialect_fields *tip, struct dialect_shown *shown,
				      struct iotpki_detail *detail)
{
	struct dialect_envelope envelope = { 0 };
	if (dialect_open_element(question, batch, index, &envelope, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (envelope.result != NULL)
		return take_show(question, index, envelope.result, tip, shown, detail);
	const struct dialect_error error = dialect_judge_error(
		question->node->type, "name_show", question->nvs_names[index], &envelope, detail);
	shown->hint = error.hint;
	return error.outcome;
}

/** A name and the tip, one outcome: the worse of the two, and odd is worse than not ready (I2). */
static void judge_both(const struct dialect_question *question, size_t index,
		       const struct dialect_batch *batch, enum iotpki_outcome tip_outcome,
		       const struct dialect_fields *tip, struct dialect_shown *shown,
		       struct iotpki_detail *detail)
{
	struct iotpki_answer *answer = &shown->answer;
	answer->outcome = judge_name(question, index, batch, tip, shown, detail);
	if (answer->outcome != IOTPKI_OUTCOME_MALFORMED && tip_outcome != IOTPKI_OUTCOME_PENDING) {
		*shown = (struct dialect_shown){ .hint = shown->hint };
		dialect_no_answer(question->node, question->asked_s, tip_outcome, answer);
	}
	if (answer->outcome > IOTPKI_OUTCOME_UNREGISTERED)
		return;
	answer->tip_s = dialect_tip_time(question->node->type, tip);
	answer->tip_height = (uint64_t)tip->blocks;
	shown->facts.has_tip_hash = tip->has_hash;
	memcpy(shown->facts.tip_hash, tip->hash, sizeof(tip->hash));
}

void dialect_answer_chain(const struct dialect_question *question, const struct dialect_http *http,
			  struct dialect_shown *shown_out, struct iotpki_detail *detail)
{
	CLEANUP(dialect_batch_done) struct dialect_batch batch;
	struct dialect_fields tip = { 0 };
	const char *hint = NULL;
	const enum iotpki_outcome whole = dialect_open_batch(
		question, question->count + 1, dialect_answer_cap(question), http, &batch, detail);
	const enum iotpki_outcome tip_outcome =
		whole == IOTPKI_OUTCOME_PENDING
			? dialect_judge_tip(question, &batch, &tip, &hint, detail)
			: whole;
	for (size_t i = 0; i < question->count; i++) {
		struct dialect_shown *shown = &shown_out[i];
		if (whole == IOTPKI_OUTCOME_PENDING)
			judge_both(question, i, &batch, tip_outcome, &tip, shown, detail);
		else
			shown->answer.outcome = whole;
		shown->unreadable = whole == IOTPKI_OUTCOME_MALFORMED;
		if (shown->hint == NULL)
			shown->hint = hint;
	}
}
