/* Requests, HTTP and the JSON-RPC envelope, and which judge a node's answer goes to. */
#include "nvs/dialect_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/* The nonce, "-" and an index. */
#define ELEMENT_ID_SIZE (DIALECT_ID_SIZE + 21)

static void element_id(const struct dialect_question *question, size_t index,
		       char id[static ELEMENT_ID_SIZE])
{
	(void)snprintf(id, ELEMENT_ID_SIZE, "%.*s-%zu", DIALECT_ID_SIZE - 1, question->id, index);
}

static enum iotpki_err name_request(const struct dialect_question *question, const char *id,
				    const char *method, size_t index, const char *more,
				    struct buf *request)
{
	CLEANUP(buf_done) struct buf params = BUF_INIT(8 * IOTPKI_NVS_NAME_MAX);
	(void)buf_putc(&params, '[');
	json_put_text(&params, question->nvs_names[index]);
	(void)buf_puts(&params, more);
	(void)buf_putc(&params, ']');
	const enum iotpki_err err = buf_error(&params);
	if (err != IOTPKI_OK)
		return err;
	return dialect_request(id, method, buf_text(&params), request);
}

/** @param more  what follows the name in the parameters */
static enum iotpki_err batch_request(const struct dialect_question *question, const char *method,
				     const char *more, bool tip, struct buf *request)
{
	char id[ELEMENT_ID_SIZE];
	(void)buf_putc(request, '[');
	for (size_t i = 0; i < question->count; i++) {
		element_id(question, i, id);
		if (i > 0)
			(void)buf_putc(request, ',');
		const enum iotpki_err err = name_request(question, id, method, i, more, request);
		if (err != IOTPKI_OK)
			return err;
	}
	if (tip) {
		element_id(question, question->count, id);
		(void)buf_putc(request, ',');
		const enum iotpki_err err = dialect_request(id, "getblockchaininfo", "[]", request);
		if (err != IOTPKI_OK)
			return err;
	}
	(void)buf_putc(request, ']');
	return buf_error(request);
}

static bool count_valid(const struct dialect_question *question)
{
	return question->count >= 1 && question->count <= DIALECT_NAMES_MAX;
}

enum iotpki_err dialect_request_show(const struct dialect_question *question, struct buf *request)
{
	const bool chain = question->node->type != CONFIG_NODE_IOTPKI;
	if (!count_valid(question))
		return IOTPKI_ERR_ARGUMENT;
	if (chain || question->count > 1)
		return batch_request(question, "name_show", "", chain, request);
	return name_request(question, question->id, "name_show", 0, "", request);
}

enum iotpki_err dialect_request_history(const struct dialect_question *question,
					struct buf *request)
{
	/* Without `true` Emercoin hides the history of a name that has expired meanwhile. */
	const char *more = question->node->type == CONFIG_NODE_EMERCOIN ? ",true" : "";
	if (!count_valid(question) || question->node->type == CONFIG_NODE_IOTPKI)
		return IOTPKI_ERR_ARGUMENT;
	return batch_request(question, "name_history", more, true, request);
}

size_t dialect_answer_cap(const struct dialect_question *question)
{
	return question->count == 1 ? JSON_ANSWER_MAX : NVS_CALL_MAX;
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

struct head {
	const char *id;
	const char *version;
};

/* Emercoin ignores `jsonrpc`, Namecoin repeats it: of a chain it means nothing. */
static const struct json_field head_fields[] = {
	{ "id", JSON_TEXT, false, 1, ELEMENT_ID_SIZE - 1, offsetof(struct head, id) },
	{ "jsonrpc", JSON_TEXT, true, 3, 3, offsetof(struct head, version) },
};

#define ENVELOPE(member) offsetof(struct dialect_envelope, member)

static const struct json_field error_fields[] = {
	{ "code", JSON_INT, false, INT32_MIN, INT32_MAX, ENVELOPE(code) },
	{ "message", JSON_TEXT, false, 0, 4096, ENVELOPE(message) },
	{ "data", JSON_OBJECT_VALUE, true, 0, 0, ENVELOPE(data) },
};

/** null, which Emercoin sends for the one that does not apply, and absent mean the same. */
static const struct json_t *present(const struct json_t *root, const char *key)
{
	const struct json_t *value = json_member(root, key);
	return json_is_null_value(value) ? NULL : value;
}

enum iotpki_err dialect_open(const struct json_t *object, enum config_node_type type,
			     const char *id, long status, struct dialect_envelope *envelope_out,
			     struct iotpki_detail *detail)
{
	const bool chain = type != CONFIG_NODE_IOTPKI;
	struct head head = { .version = "2.0" };
	*envelope_out = (struct dialect_envelope){ 0 };
	const enum iotpki_err err = json_fields(
		object, head_fields, ARRAY_LEN(head_fields) - (chain ? 1 : 0), &head, detail);
	if (err != IOTPKI_OK)
		return err;
	if (strcmp(head.id, id) != 0)
		return detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				  "the answer belongs to another question (\"id\" differs)");
	if (strcmp(head.version, "2.0") != 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"jsonrpc\" is not \"2.0\"");

	envelope_out->result = present(object, "result");
	const struct json_t *error = present(object, "error");
	if ((envelope_out->result == NULL) == (error == NULL))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "exactly one of \"result\" and \"error\" is expected");
	/* `data` is iotpki-bnode's alone. */
	if (error != NULL)
		return json_fields(error, error_fields, ARRAY_LEN(error_fields) - (chain ? 1 : 0),
				   envelope_out, detail);
	if (status != 200)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "a result with HTTP status %ld",
				  status);
	return IOTPKI_OK;
}

/* ---- batches ---- */

/** The index that an element's id names; SIZE_MAX: it is none of ours. */
static size_t element_index(const struct dialect_question *question, size_t count,
			    const struct json_t *element)
{
	struct head head = { 0 };
	char id[ELEMENT_ID_SIZE];
	if (json_fields(element, head_fields, 1, &head, NULL) != IOTPKI_OK)
		return SIZE_MAX;
	const size_t nonce_len = strlen(question->id);
	if (strncmp(head.id, question->id, nonce_len) != 0 || head.id[nonce_len] != '-')
		return SIZE_MAX;
	size_t index = 0;
	for (const char *at = head.id + nonce_len + 1; *at >= '0' && *at <= '9'; at++)
		index = index * 10 + (size_t)(*at - '0');
	if (index >= count)
		return SIZE_MAX;
	element_id(question, index, id); /* one way to write it: no "-01", nothing behind */
	return strcmp(id, head.id) == 0 ? index : SIZE_MAX;
}

static enum iotpki_outcome batch_odd(struct iotpki_detail *detail, const char *what)
{
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "the answer to a batch %s", what);
	return IOTPKI_OUTCOME_MALFORMED;
}

enum iotpki_outcome dialect_open_batch(const struct dialect_question *question, size_t count,
				       size_t cap, const struct dialect_http *http,
				       struct dialect_batch *batch_out,
				       struct iotpki_detail *detail)
{
	*batch_out = (struct dialect_batch){ 0 };
	const enum iotpki_outcome early = judge_status(http, detail);
	if (early != IOTPKI_OUTCOME_PENDING)
		return early;
	if (json_read(http->body, http->len, cap, &batch_out->root, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (http->status != 200)
		return batch_odd(detail, "has another HTTP status than 200");
	for (size_t i = 0; i < count; i++) {
		const struct json_t *element = json_element(batch_out->root, i);
		if (element == NULL)
			return batch_odd(detail, "is no array of as many answers");
		const size_t index = element_index(question, count, element);
		if (index == SIZE_MAX)
			return batch_odd(detail, "has an \"id\" that was not asked");
		if (batch_out->elements[index] != NULL)
			return batch_odd(detail, "has an \"id\" twice");
		batch_out->elements[index] = element;
	}
	if (json_element(batch_out->root, count) != NULL)
		return batch_odd(detail, "has more answers than questions");
	return IOTPKI_OUTCOME_PENDING;
}

void dialect_batch_done(struct dialect_batch *batch)
{
	json_release(&batch->root);
}

enum iotpki_err dialect_open_element(const struct dialect_question *question,
				     const struct dialect_batch *batch, size_t index,
				     struct dialect_envelope *envelope_out,
				     struct iotpki_detail *detail)
{
	char id[ELEMENT_ID_SIZE];
	element_id(question, index, id);
	return dialect_open(batch->elements[index], question->node->type, id, 200, envelope_out,
			    detail);
}

/* ---- answers about names ---- */

/** Chains have no clock at the answer but blocks: an age of hours is nothing odd there. */
static int64_t max_tip_age_s(enum config_node_type type)
{
	return type == CONFIG_NODE_IOTPKI ? 3600 : 14400;
}

void dialect_no_answer(const struct config_node *node, int64_t asked_s, enum iotpki_outcome outcome,
		       struct iotpki_answer *answer_out)
{
	*answer_out = (struct iotpki_answer){
		.outcome = outcome,
		.network = node->network,
		.max_tip_age_s = max_tip_age_s(node->type),
		.asked_s = asked_s,
	};
}

/** One name's answer of type iotpki, its envelope opened. */
static void judge_iotpki(const struct dialect_question *question, size_t index,
			 const struct dialect_envelope *envelope, struct dialect_shown *shown,
			 struct iotpki_detail *detail)
{
	struct iotpki_answer *answer = &shown->answer;
	const char *name = question->nvs_names[index];
	if (envelope->result != NULL) {
		answer->outcome = dialect_show_iotpki(name, envelope->result, answer, detail);
		if (answer->outcome == IOTPKI_OUTCOME_REVOKED)
			dialect_take_proof(question, index, envelope->result, answer);
		return;
	}
	const struct dialect_error error =
		dialect_judge_error(question->node->type, "name_show", name, envelope, detail);
	answer->outcome = error.outcome;
	shown->hint = error.hint;
	if (error.outcome == IOTPKI_OUTCOME_UNREGISTERED)
		answer->tip_s = question->asked_s;
}

static void answer_one(const struct dialect_question *question, const struct dialect_http *http,
		       struct dialect_shown *shown, struct iotpki_detail *detail)
{
	CLEANUP(json_release) struct json_t *root = NULL;
	struct dialect_envelope envelope = { 0 };
	shown->answer.outcome = judge_status(http, detail);
	if (shown->answer.outcome != IOTPKI_OUTCOME_PENDING)
		return;
	shown->answer.outcome = IOTPKI_OUTCOME_MALFORMED;
	if (json_read(http->body, http->len, JSON_ANSWER_MAX, &root, detail) != IOTPKI_OK)
		return;
	if (dialect_open(root, question->node->type, question->id, http->status, &envelope,
			 detail) == IOTPKI_OK)
		judge_iotpki(question, 0, &envelope, shown, detail);
}

static void answer_batch(const struct dialect_question *question, const struct dialect_http *http,
			 struct dialect_shown *shown, struct iotpki_detail *detail)
{
	CLEANUP(dialect_batch_done) struct dialect_batch batch;
	const enum iotpki_outcome whole =
		dialect_open_batch(question, question->count, NVS_CALL_MAX, http, &batch, detail);
	for (size_t i = 0; i < question->count; i++) {
		struct dialect_envelope envelope = { 0 };
		if (whole != IOTPKI_OUTCOME_PENDING) {
			shown[i].answer.outcome = whole;
			shown[i].unreadable = whole == IOTPKI_OUTCOME_MALFORMED;
		} else if (dialect_open_element(question, &batch, i, &envelope, detail) ==
			   IOTPKI_OK) {
			judge_iotpki(question, i, &envelope, &shown[i], detail);
		}
	}
}

void dialect_answer(const struct dialect_question *question, const struct dialect_http *http,
		    struct dialect_shown *shown_out, struct iotpki_detail *detail)
{
	for (size_t i = 0; i < question->count; i++) {
		shown_out[i] = (struct dialect_shown){ .hint = NULL };
		dialect_no_answer(question->node, question->asked_s, IOTPKI_OUTCOME_MALFORMED,
				  &shown_out[i].answer);
	}
	if (!count_valid(question))
		return;
	if (question->node->type != CONFIG_NODE_IOTPKI)
		dialect_answer_chain(question, http, shown_out, detail);
	else if (question->count > 1)
		answer_batch(question, http, shown_out, detail);
	else
		answer_one(question, http, shown_out, detail);
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

enum iotpki_err dialect_reply(const struct config_node *node, const char *id, const char *method,
			      const struct dialect_http *http, struct nvs_reply *reply_out,
			      struct iotpki_detail *detail)
{
	reply_out->outcome = judge_status(http, detail);
	if (reply_out->outcome != IOTPKI_OUTCOME_PENDING)
		return IOTPKI_OK;
	reply_out->outcome = IOTPKI_OUTCOME_MALFORMED;
	CLEANUP(json_release) struct json_t *root = NULL;
	struct dialect_envelope envelope = { 0 };
	const enum iotpki_err err = json_read(http->body, http->len, NVS_CALL_MAX, &root, detail);
	if (err == IOTPKI_ERR_NOMEM)
		return err;
	if (err != IOTPKI_OK ||
	    dialect_open(root, node->type, id, http->status, &envelope, detail) != IOTPKI_OK)
		return IOTPKI_OK;
	if (envelope.result == NULL) {
		const struct dialect_error error =
			dialect_judge_error(node->type, method, NULL, &envelope, detail);
		reply_out->code = (int)envelope.code;
		reply_out->outcome = error.outcome;
		reply_out->hint = error.hint;
		reply_out->refusal = dialect_refusal(node->type, &envelope);
		take_reason(envelope.data, reply_out->reason);
		return IOTPKI_OK;
	}
	const enum iotpki_err written = json_write(envelope.result, &reply_out->result);
	if (written == IOTPKI_OK)
		reply_out->outcome = IOTPKI_OUTCOME_REGISTERED;
	return written == IOTPKI_ERR_LIMIT ? IOTPKI_OK : written;
}
