/* JSON-RPC answers to outcomes: the HTTP status, the envelope, errors by table, name_show. */
#include "nvs/dialect.h"

#include <string.h>
#include <strings.h>

#include "format/json.h"

/* ---- requests ---- */

enum iotpki_err dialect_request(const char *id, const char *method, const char *params_json,
				struct buf *request)
{
	(void)buf_puts(request, "{\"jsonrpc\":\"2.0\",\"id\":");
	json_put_text(request, id);
	(void)buf_puts(request, ",\"method\":");
	json_put_text(request, method);
	(void)buf_puts(request, ",\"params\":");
	(void)buf_puts(request, params_json);
	(void)buf_putc(request, '}');
	return buf_error(request);
}

enum iotpki_err dialect_request_show(const struct dialect_question *question, struct buf *request)
{
	CLEANUP(buf_done) struct buf params = BUF_INIT(8 * IOTPKI_NVS_NAME_MAX);
	(void)buf_putc(&params, '[');
	json_put_text(&params, question->nvs_name);
	(void)buf_putc(&params, ']');
	const enum iotpki_err err = buf_error(&params);
	if (err != IOTPKI_OK)
		return err;
	return dialect_request(question->id, "name_show", buf_text(&params), request);
}

/* ---- HTTP ---- */

static bool json_type(const char *type)
{
	static const char json[] = "application/json";
	if (type == NULL || strncasecmp(type, json, sizeof(json) - 1) != 0)
		return false;
	return strchr("; \t", type[sizeof(json) - 1]) != NULL; /* the NUL too */
}

/** Looks like JSON whatever its label says, so that a wrong label does not turn it into silence. */
static bool json_begin(const struct dialect_http *http)
{
	for (size_t i = 0; i < http->len; i++) {
		if (memchr(" \t\r\n", http->body[i], 4) == NULL)
			return http->body[i] == '{' || http->body[i] == '[';
	}
	return false;
}

/** PENDING: the body decides. */
static enum iotpki_outcome judge_status(const struct dialect_http *http,
					struct iotpki_detail *detail)
{
	static const struct {
		long status;
		enum iotpki_outcome outcome;
	} rows[] = {
		{ 401, IOTPKI_OUTCOME_UNAUTHORIZED },
		{ 403, IOTPKI_OUTCOME_UNAUTHORIZED },
		{ 503, IOTPKI_OUTCOME_NOT_READY },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].status == http->status)
			return rows[i].outcome;
	}
	const bool server_error = http->status >= 500 && http->status <= 599;
	const bool begins = json_begin(http);
	if (server_error && !begins && (!json_type(http->content_type) || http->len == 0)) {
		(void)detail_set(detail, IOTPKI_ERR_UNAVAILABLE, 0, 0,
				 "HTTP status %ld; is this the URL of a B-node?", http->status);
		return IOTPKI_OUTCOME_UNREACHABLE;
	}
	if (begins && json_type(http->content_type) &&
	    (http->status == 200 || (http->status >= 400 && http->status <= 599)))
		return IOTPKI_OUTCOME_PENDING;
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
			 "HTTP status %ld without a JSON answer; is this the URL of a B-node?",
			 http->status);
	return IOTPKI_OUTCOME_MALFORMED;
}

/* ---- the JSON-RPC envelope ---- */

/** A parsed answer; everything points into root. */
struct envelope {
	struct json_t *root;
	const struct json_t *result; /* NULL: it is an error */
	int64_t code;
	const char *message;
	const struct json_t *data; /* of the error; NULL: none */
};

struct envelope_head {
	const char *id;
	const char *version;
};

static const struct json_field head_fields[] = {
	{ "id", JSON_TEXT, false, 1, DIALECT_ID_SIZE - 1, offsetof(struct envelope_head, id) },
	{ "jsonrpc", JSON_TEXT, true, 3, 3, offsetof(struct envelope_head, version) },
};

static const struct json_field error_fields[] = {
	{ "code", JSON_INT, false, INT32_MIN, INT32_MAX, offsetof(struct envelope, code) },
	{ "message", JSON_TEXT, false, 0, 4096, offsetof(struct envelope, message) },
	{ "data", JSON_OBJECT_VALUE, true, 0, 0, offsetof(struct envelope, data) },
};

/** null, which Emercoin sends for the one that does not apply, and absent mean the same. */
static const struct json_t *present(const struct json_t *root, const char *key)
{
	const struct json_t *value = json_member(root, key);
	return json_is_null_value(value) ? NULL : value;
}

static enum iotpki_err open_envelope(const struct dialect_http *http, const char *id, size_t cap,
				     struct envelope *envelope, struct iotpki_detail *detail)
{
	enum iotpki_err err = json_read(http->body, http->len, cap, &envelope->root, detail);
	if (err != IOTPKI_OK)
		return err;
	struct envelope_head head = { .version = "2.0" };
	err = json_fields(envelope->root, head_fields, ARRAY_LEN(head_fields), &head, detail);
	if (err != IOTPKI_OK)
		return err;
	if (strcmp(head.id, id) != 0)
		return detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				  "the answer belongs to another question (\"id\" differs)");
	if (strcmp(head.version, "2.0") != 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"jsonrpc\" is not \"2.0\"");

	envelope->result = present(envelope->root, "result");
	const struct json_t *error = present(envelope->root, "error");
	if ((envelope->result == NULL) == (error == NULL))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "exactly one of \"result\" and \"error\" is expected");
	if (error != NULL)
		return json_fields(error, error_fields, ARRAY_LEN(error_fields), envelope, detail);
	if (http->status != 200)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "a result with HTTP status %ld",
				  http->status);
	return IOTPKI_OK;
}

/* ---- errors by table ---- */

#define DIALECT(type) (1u << (type))

/**
 * Code and text decide, never the HTTP status. The first row that fits; an error in no row is
 * MALFORMED, an unknown text of a known code too: soft-fail must not feed on it.
 */
static const struct error_row {
	unsigned int dialects;
	int code;
	const char *text; /* the whole message; NULL: any */
	enum iotpki_outcome outcome;
} error_rows[] = {
	{ DIALECT(CONFIG_NODE_IOTPKI), -4, "failed to read from name DB",
	  IOTPKI_OUTCOME_UNREGISTERED },
	/* Emercoin's own slip, "from from"; a gateway passes these on. */
	{ DIALECT(CONFIG_NODE_IOTPKI), -4, "failed to read from from disk",
	  IOTPKI_OUTCOME_NOT_READY },
	{ DIALECT(CONFIG_NODE_IOTPKI), -4, "no result returned", IOTPKI_OUTCOME_NOT_READY },
	{ DIALECT(CONFIG_NODE_IOTPKI), -4, "failed to decode name", IOTPKI_OUTCOME_NOT_READY },
	{ DIALECT(CONFIG_NODE_IOTPKI), -10, NULL, IOTPKI_OUTCOME_NOT_READY }, /* initial download */
	{ DIALECT(CONFIG_NODE_IOTPKI), -28, NULL, IOTPKI_OUTCOME_NOT_READY }, /* warming up */
};

static enum iotpki_outcome judge_error(enum config_node_type type, const struct envelope *envelope,
				       struct iotpki_detail *detail)
{
	for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
		const struct error_row *row = &error_rows[i];
		if ((row->dialects & DIALECT(type)) == 0 || row->code != envelope->code)
			continue;
		if (row->text == NULL || strcmp(row->text, envelope->message) == 0)
			return row->outcome;
	}
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "unexpected error %lld",
			 (long long)envelope->code);
	return IOTPKI_OUTCOME_MALFORMED;
}

/* ---- name_show of type iotpki ---- */

struct show {
	const char *name, *value, *status, *unit, *address;
	uint8_t txid[IOTPKI_SHA256_LEN], registration[IOTPKI_SHA256_LEN];
	int64_t expires_in_s, expires_at_s, sequence, time_s, vout;
	bool deleted, expired;
	const struct json_t *tip;
};

#define SHOW(member) offsetof(struct show, member)

/* address, time and vout mean nothing to a device; one that is not what it should be is odd. */
static const struct json_field show_fields[] = {
	{ "name", JSON_TEXT, false, 1, IOTPKI_NVS_NAME_MAX, SHOW(name) },
	{ "value", JSON_TEXT, false, 0, IOTPKI_VALUE_MAX, SHOW(value) },
	{ "txid", JSON_HASH, false, 0, 0, SHOW(txid) },
	{ "expires_in", JSON_INT, false, -JSON_TIME_MAX, JSON_TIME_MAX, SHOW(expires_in_s) },
	{ "expires_at", JSON_INT, false, 0, JSON_TIME_MAX, SHOW(expires_at_s) },
	{ "status", JSON_TEXT, false, 1, 16, SHOW(status) },
	{ "registration", JSON_HASH, false, 0, 0, SHOW(registration) },
	{ "sequence", JSON_INT, false, 1, JSON_INT_MAX, SHOW(sequence) },
	{ "unit", JSON_TEXT, false, 1, 1, SHOW(unit) },
	{ "tip", JSON_OBJECT_VALUE, false, 0, 0, SHOW(tip) },
	{ "deleted", JSON_BOOL, true, 0, 0, SHOW(deleted) },
	{ "expired", JSON_BOOL, true, 0, 0, SHOW(expired) },
	{ "address", JSON_TEXT, true, 0, 128, SHOW(address) },
	{ "time", JSON_INT, true, 0, JSON_TIME_MAX, SHOW(time_s) },
	{ "vout", JSON_INT, true, 0, INT32_MAX, SHOW(vout) },
};

struct tip {
	int64_t height, time_s;
	uint8_t hash[IOTPKI_SHA256_LEN];
};

static const struct json_field tip_fields[] = {
	{ "height", JSON_INT, false, 0, JSON_INT_MAX, offsetof(struct tip, height) },
	{ "time", JSON_INT, false, 1, JSON_TIME_MAX, offsetof(struct tip, time_s) },
	{ "hash", JSON_HASH, false, 0, 0, offsetof(struct tip, hash) },
};

static enum iotpki_outcome status_outcome(const char *status)
{
	static const struct {
		const char *word;
		enum iotpki_outcome outcome;
	} rows[] = {
		{ "registered", IOTPKI_OUTCOME_REGISTERED },
		{ "expired", IOTPKI_OUTCOME_EXPIRED },
		{ "revoked", IOTPKI_OUTCOME_REVOKED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].word, status) == 0)
			return rows[i].outcome;
	}
	return IOTPKI_OUTCOME_MALFORMED;
}

/**
 * Where members of one answer disagree the worst of them stands: revoked, expired, registered.
 * A revoked name needs no readable value (a deleted one has none): nothing else may hide it.
 */
static enum iotpki_outcome judge_show(const struct show *show, struct iotpki_record *record,
				      struct iotpki_detail *detail)
{
	const enum iotpki_outcome said = status_outcome(show->status);
	if (said == IOTPKI_OUTCOME_MALFORMED) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"status\" is an unknown word");
		return said;
	}
	const bool revoked = said == IOTPKI_OUTCOME_REVOKED || show->deleted;
	const enum iotpki_err err =
		iotpki_record_parse(show->value, strlen(show->value), record, detail);
	if (revoked || (err == IOTPKI_OK && record->revoked))
		return IOTPKI_OUTCOME_REVOKED;
	if (err != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (show->expires_at_s < 1) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"expires_at\" is 0");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	if (said == IOTPKI_OUTCOME_EXPIRED || show->expired || show->expires_in_s <= 0)
		return IOTPKI_OUTCOME_EXPIRED;
	return IOTPKI_OUTCOME_REGISTERED;
}

static enum iotpki_outcome show_iotpki(const struct dialect_question *question,
				       const struct json_t *result, struct iotpki_answer *answer,
				       struct iotpki_detail *detail)
{
	struct show show = { 0 };
	struct tip tip = { 0 };
	if (json_fields(result, show_fields, ARRAY_LEN(show_fields), &show, detail) != IOTPKI_OK ||
	    json_fields(show.tip, tip_fields, ARRAY_LEN(tip_fields), &tip, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (strcmp(show.name, question->nvs_name) != 0) {
		(void)detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				 "the answer is for another name");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	if (strcmp(show.unit, "s") != 0) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"unit\" is not \"s\"");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	struct iotpki_record record = { 0 };
	const enum iotpki_outcome outcome = judge_show(&show, &record, detail);
	if (outcome == IOTPKI_OUTCOME_MALFORMED)
		return outcome;
	answer->record = record;
	memcpy(answer->registration, show.registration, sizeof(answer->registration));
	memcpy(answer->txid, show.txid, sizeof(answer->txid));
	answer->ends_s = show.expires_at_s;
	answer->tip_s = tip.time_s;
	answer->tip_height = (uint64_t)tip.height;
	return outcome;
}

/* ---- one row a type of node; the chains join here ---- */

static const struct dialect {
	int64_t max_tip_age_s;
	enum iotpki_outcome (*show)(const struct dialect_question *question,
				    const struct json_t *result, struct iotpki_answer *answer,
				    struct iotpki_detail *detail);
} dialects[] = {
	[CONFIG_NODE_IOTPKI] = { 3600, show_iotpki },
	[CONFIG_NODE_EMERCOIN] = { 14400, NULL },
	[CONFIG_NODE_NAMECOIN] = { 14400, NULL },
};

static enum iotpki_outcome judge(const struct dialect_question *question,
				 const struct dialect_http *http, struct iotpki_answer *answer,
				 struct iotpki_detail *detail)
{
	const struct dialect *dialect = &dialects[question->node->type];
	const enum iotpki_outcome early = judge_status(http, detail);
	if (early != IOTPKI_OUTCOME_PENDING)
		return early;
	CLEANUP(json_release) struct json_t *root = NULL;
	struct envelope envelope = { 0 };
	const enum iotpki_err err =
		open_envelope(http, question->id, JSON_ANSWER_MAX, &envelope, detail);
	root = envelope.root;
	if (err != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (envelope.result != NULL && dialect->show != NULL)
		return dialect->show(question, envelope.result, answer, detail);
	if (envelope.result != NULL)
		return IOTPKI_OUTCOME_MALFORMED;
	return judge_error(question->node->type, &envelope, detail);
}

void dialect_no_answer(const struct config_node *node, int64_t asked_s, enum iotpki_outcome outcome,
		       struct iotpki_answer *answer_out)
{
	*answer_out = (struct iotpki_answer){
		.outcome = outcome,
		.network = node->network,
		.max_tip_age_s = dialects[node->type].max_tip_age_s,
		.asked_s = asked_s,
	};
}

void dialect_answer(const struct dialect_question *question, const struct dialect_http *http,
		    struct iotpki_answer *answer_out, struct iotpki_detail *detail)
{
	dialect_no_answer(question->node, question->asked_s, IOTPKI_OUTCOME_MALFORMED, answer_out);
	answer_out->outcome = judge(question, http, answer_out, detail);
	if (answer_out->outcome == IOTPKI_OUTCOME_UNREGISTERED)
		answer_out->tip_s = question->asked_s;
}

/* ---- calls ---- */

/** error.data.reason, if it is one of iotpki-bnode's words; nothing else is taken over. */
static void take_reason(const struct json_t *data, char out[static 32])
{
	static const struct json_field field = { "reason", JSON_TEXT, false, 1, 31, 0 };
	const char *reason = NULL;
	if (data == NULL || json_fields(data, &field, 1, &reason, NULL) != IOTPKI_OK)
		return;
	if (strspn(reason, "abcdefghijklmnopqrstuvwxyz-") == strlen(reason))
		memcpy(out, reason, strlen(reason) + 1);
}

enum iotpki_err dialect_reply(const struct config_node *node, const char *id,
			      const struct dialect_http *http, struct nvs_reply *reply_out,
			      struct iotpki_detail *detail)
{
	reply_out->outcome = judge_status(http, detail);
	if (reply_out->outcome != IOTPKI_OUTCOME_PENDING)
		return IOTPKI_OK;
	reply_out->outcome = IOTPKI_OUTCOME_MALFORMED;
	CLEANUP(json_release) struct json_t *root = NULL;
	struct envelope envelope = { 0 };
	const enum iotpki_err err = open_envelope(http, id, NVS_CALL_MAX, &envelope, detail);
	root = envelope.root;
	if (err == IOTPKI_ERR_NOMEM)
		return err;
	if (err != IOTPKI_OK)
		return IOTPKI_OK;
	if (envelope.result == NULL) {
		reply_out->code = (int)envelope.code;
		take_reason(envelope.data, reply_out->reason);
		reply_out->outcome = judge_error(node->type, &envelope, detail);
		return IOTPKI_OK;
	}
	const enum iotpki_err written = json_write(envelope.result, &reply_out->result);
	if (written == IOTPKI_OK)
		reply_out->outcome = IOTPKI_OUTCOME_REGISTERED;
	return written == IOTPKI_ERR_LIMIT ? IOTPKI_OK : written;
}
