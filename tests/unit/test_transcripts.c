/*
 * Every recorded answer of Emercoin Core and Namecoin Core (vectors/transcripts) has
 * one expected outcome and fields that are read from it (expected.tsv). Then each
 * member of each answer is altered in turn: a change of a field that is read must
 * make its row fail, of any other field none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/parse.h"
#include "nvs/dialect_parts.h"

#define ID "00112233445566778899aabbccddeeff"
#define TEXT_MAX ((size_t)64 * 1024)
#define COLUMNS 7

/** A step: the record, and what is expected of it. */
struct row {
	const char *where; /* for messages */
	enum config_node_type type;
	const char *judged; /* name, batch, life, tip, call or rest */
	long tip;
	const char *outcome, *read;
	long status;
	const char *content_type;
	const char *body;   /* as it was received */
	const char *method; /* "" where the request has none */
	const char *names[2];
	uint8_t txid[1][IOTPKI_SHA256_LEN]; /* of a history: its last operation */
};

/* ---- what a row says, as text ---- */

static const char *refusal_name(enum nvs_refusal refusal)
{
	static const char *const words[] = {
		[NVS_REFUSAL_NONE] = "none",
		[NVS_REFUSAL_FUNDS] = "funds",
		[NVS_REFUSAL_LOCKED] = "locked",
		[NVS_REFUSAL_PENDING] = "pending",
		[NVS_REFUSAL_TAKEN] = "taken",
		[NVS_REFUSAL_NOT_OWNER] = "not-owner",
		[NVS_REFUSAL_EXPIRED] = "expired",
		[NVS_REFUSAL_TOO_LONG] = "too-long",
		[NVS_REFUSAL_NOT_IN_SYNC] = "not-in-sync",
		[NVS_REFUSAL_NO_WALLET] = "no-wallet",
		[NVS_REFUSAL_BAD_ADDRESS] = "bad-address",
		[NVS_REFUSAL_NOT_YET] = "not-yet",
		[NVS_REFUSAL_OTHER] = "other",
	};
	return words[refusal];
}

static void put_hash(struct buf *out, const char *key, const uint8_t *hash)
{
	char hex[2 * IOTPKI_SHA256_LEN + 1];
	hex_encode(hash, IOTPKI_SHA256_LEN, hex);
	(void)buf_printf(out, "%s%s", key, hex);
}

static const char *word(bool value)
{
	return value ? "true" : "false";
}

/** The fields that are there, in the order of the table. */
static void put_fields(struct buf *out, const struct dialect_fields *fields)
{
	char txid[2 * IOTPKI_SHA256_LEN + 1];
	hex_encode(fields->txid, IOTPKI_SHA256_LEN, txid);
	const struct {
		const char *key, *text; /* NULL: the number */
		int64_t number;
	} rows[] = {
		{ "name", fields->name, 0 },
		{ "value", fields->value, 0 },
		{ "txid", txid, 0 },
		{ "height", NULL, fields->height },
		{ "expires_in", NULL, fields->expires_in },
		{ "expires_at", NULL, fields->expires_at },
		{ "expired", word(fields->expired), 0 },
		{ "deleted", word(fields->deleted), 0 },
		{ "operation", fields->operation, 0 },
		{ "blocks", NULL, fields->blocks },
		{ "time", NULL, fields->time_s },
		{ "mediantime", NULL, fields->mediantime_s },
		{ "initialblockdownload", word(fields->downloading), 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((fields->present & (1u << i)) == 0)
			continue;
		(void)buf_printf(out, "%s=", rows[i].key);
		if (rows[i].text != NULL)
			(void)buf_puts(out, rows[i].text);
		else
			(void)buf_printf(out, "%lld", (long long)rows[i].number);
		(void)buf_putc(out, ' ');
	}
	if (fields->present != 0)
		(void)buf_puts(out, "; ");
}

/** Every object of a value, read as the dialects read it. */
static void put_objects(struct buf *out, const json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;
	if (json_is_object(value)) {
		struct dialect_fields fields;
		if (dialect_read(value, 0, &fields, NULL) == IOTPKI_OK)
			put_fields(out, &fields);
		else
			(void)buf_puts(out, "odd; ");
		json_object_foreach((json_t *)(uintptr_t)value, key, inner) put_objects(out, inner);
	}
	json_array_foreach(value, i, inner) put_objects(out, inner);
}

/** What an envelope holds: the error, or the result as far as it is read. */
static void put_envelope(struct buf *out, const struct row *row, const json_t *object,
			 const char *id)
{
	struct dialect_envelope envelope;
	if (dialect_open(object, row->type, id, 200, &envelope, NULL) != IOTPKI_OK) {
		(void)buf_puts(out, "odd; ");
		return;
	}
	if (envelope.result == NULL) {
		(void)buf_printf(out, "code=%lld message=", (long long)envelope.code);
		for (const char *at = envelope.message; *at != '\0'; at++)
			(void)buf_puts(out, *at == '\n' ? "\\n" : (char[]){ *at, '\0' });
		(void)buf_puts(out, " ; ");
		return;
	}
	if (!json_is_object(envelope.result) &&
	    !json_is_object(json_array_get(envelope.result, 0))) {
		(void)buf_puts(out, "result=");
		assert_int_equal(json_write(envelope.result, out), IOTPKI_OK);
		(void)buf_puts(out, " ; ");
	}
	put_objects(out, envelope.result);
}

/* ---- judging ---- */

static json_t *make_tip(const struct row *row)
{
	if (row->type == CONFIG_NODE_EMERCOIN)
		return json_pack("{s:{s:s,s:I,s:I,s:b},s:n}", "result", "chain", "regtest",
				 "blocks", (json_int_t)row->tip, "mediantime",
				 (json_int_t)1795333990, "initialblockdownload", 0, "error");
	return json_pack("{s:{s:s,s:I,s:I,s:I,s:b}}", "result", "chain", "regtest", "blocks",
			 (json_int_t)row->tip, "time", (json_int_t)1795334400, "mediantime",
			 (json_int_t)1795334390, "initialblockdownload", 0);
}

/** The recorded elements and the tip, as a batch with the ids that we asked with. */
static json_t *make_batch(const struct row *row, json_t *body)
{
	json_t *batch = json_is_array(body) ? json_deep_copy(body) : json_pack("[O]", body);
	if (strcmp(row->judged, "tip") == 0)
		assert_int_equal(
			json_array_insert_new(batch, 0,
					      json_pack("{s:{s:i,s:s}}", "error", "code", -4,
							"message", "name never existed: 'x'")),
			0);
	else
		assert_int_equal(json_array_append_new(batch, make_tip(row)), 0);
	json_t *element;
	size_t i;
	json_array_foreach(batch, i, element)(void)
		json_object_set_new(element, "id", json_sprintf(ID "-%d", (int)i));
	return batch;
}

static void put_shown(struct buf *out, const struct row *row, const struct dialect_shown *shown,
		      size_t count, struct buf *read)
{
	for (size_t i = 0; i < count; i++) {
		const struct iotpki_answer *answer = &shown[i].answer;
		(void)buf_printf(out, "%s%s", i > 0 ? " " : "",
				 iotpki_outcome_name(answer->outcome));
		assert_int_equal(shown[i].needs_life, answer->outcome == IOTPKI_OUTCOME_REGISTERED);
		if (shown[i].needs_life)
			(void)buf_printf(read, "ends=%lld ; ", (long long)answer->ends_s);
		if (strcmp(row->judged, "tip") == 0)
			(void)buf_printf(read, "tip=%llu@%lld ; ",
					 (unsigned long long)answer->tip_height,
					 (long long)answer->tip_s);
	}
}

static void judge_batch(const struct row *row, json_t *body, struct buf *out, struct buf *read)
{
	const struct config_node node = { .type = row->type, .min_confirmations = 1 };
	const bool tip = strcmp(row->judged, "tip") == 0;
	const size_t count = strcmp(row->judged, "batch") == 0 ? 2 : 1;
	const char *const x[] = { "x" };
	const struct dialect_question question = {
		&node, ID, tip ? x : row->names, count, 0, NULL
	};
	json_t *batch = make_batch(row, body);
	AUTO_FREE char *text = json_dumps(batch, JSON_COMPACT);
	const struct dialect_http http = { 200, "application/json", text, strlen(text) };
	json_t *element;
	size_t i;
	json_array_foreach(batch, i, element)
	{
		char id[DIALECT_ID_SIZE + 21];
		(void)snprintf(id, sizeof(id), ID "-%zu", i);
		if (tip ? i == count : i < count)
			put_envelope(read, row, element, id);
	}
	json_decref(batch);
	if (strcmp(row->judged, "life") != 0) {
		struct dialect_shown shown[2];
		dialect_answer(&question, &http, shown, NULL);
		put_shown(out, row, shown, count, read);
		return;
	}
	struct dialect_life life;
	dialect_lives(&question, row->txid, &http, &life, NULL);
	(void)buf_puts(out, iotpki_outcome_name(life.outcome));
	if (life.outcome != IOTPKI_OUTCOME_REGISTERED)
		return;
	(void)buf_puts(out, life.revoked ? " revoked" : "");
	put_hash(out, " by ", life.registration);
	(void)buf_printf(out, " at %llu", (unsigned long long)life.height);
}

static void judge_call(const struct row *row, const json_t *body, const char *raw, struct buf *out,
		       struct buf *read)
{
	const struct config_node node = { .type = row->type };
	AUTO_FREE char *text = NULL;
	json_t *copy = json_deep_copy(body);
	if (json_object_get(copy, "id") != NULL)
		(void)json_object_set_new(copy, "id", json_string(ID));
	if (copy != NULL)
		text = json_dumps(copy, JSON_COMPACT);
	const char *sent = text != NULL ? text : raw;
	const struct dialect_http http = { row->status, row->content_type, sent, strlen(sent) };
	struct nvs_reply reply = { .result = BUF_INIT(NVS_CALL_MAX) };
	assert_int_equal(dialect_reply(&node, ID, row->method, &http, &reply, NULL), IOTPKI_OK);
	(void)buf_puts(out, iotpki_outcome_name(reply.outcome));
	if (reply.refusal != NVS_REFUSAL_NONE)
		(void)buf_printf(out, " %s", refusal_name(reply.refusal));
	if (strcmp(row->judged, "rest") == 0)
		put_objects(read, copy);
	else
		put_envelope(read, row, copy, ID);
	buf_done(&reply.result);
	json_decref(copy);
}

/** @param body  the parsed answer, as recorded or altered; NULL: it is no JSON */
static void judge(const struct row *row, json_t *body, struct buf *out, struct buf *read)
{
	buf_clear(out);
	buf_clear(read);
	if (strcmp(row->judged, "call") == 0 || strcmp(row->judged, "rest") == 0)
		judge_call(row, body, row->body, out, read);
	else
		judge_batch(row, body, out, read);
	while (read->len > 0 && strchr(" ;", buf_text(read)[read->len - 1]) != NULL) {
		read->len--;
		read->data[read->len] = '\0';
	}
	assert_int_equal(buf_error(out), IOTPKI_OK);
	assert_int_equal(buf_error(read), IOTPKI_OK);
}

/* ---- loading ---- */

static json_t *load_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	static char line[TEXT_MAX];
	json_t *lines = json_array();
	if (file == NULL)
		fail_msg("%s cannot be opened", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		json_t *step = json_loads(line, 0, NULL);
		assert_non_null(step);
		assert_int_equal(json_array_append_new(lines, step), 0);
	}
	(void)fclose(file);
	return lines;
}

/** Method and names of a request; the strings live as long as the tree that is returned. */
static json_t *read_request(struct row *row, const char *text)
{
	json_t *request = json_loads(text, 0, NULL);
	const json_t *first = json_is_array(request) ? json_array_get(request, 0) : request;
	const char *method = json_string_value(json_object_get(first, "method"));
	row->method = method != NULL ? method : "";
	row->names[0] = json_string_value(json_array_get(json_object_get(first, "params"), 0));
	first = json_array_get(request, 1);
	row->names[1] = json_string_value(json_array_get(json_object_get(first, "params"), 0));
	return request;
}

static void read_last_txid(struct row *row, const json_t *body)
{
	const json_t *list = json_object_get(body, "result");
	const json_t *last = json_array_get(list, json_array_size(list) - 1);
	const char *txid = json_string_value(json_object_get(last, "txid"));
	assert_true(txid != NULL &&
		    hex_decode(txid, strlen(txid), row->txid[0], IOTPKI_SHA256_LEN));
}

typedef void row_fn(const struct row *row, json_t *body, struct buf *out, struct buf *read);

static void with_row(json_t *lines, char *columns[static COLUMNS], row_fn *check)
{
	const json_t *step = json_array_get(lines, (size_t)strtoul(columns[1], NULL, 10) - 1);
	struct row row = {
		.type = strcmp(columns[0], "emercoin") == 0 ? CONFIG_NODE_EMERCOIN
							    : CONFIG_NODE_NAMECOIN,
		.where = columns[2],
		.judged = columns[3],
		.tip = strtol(columns[4], NULL, 10),
		.outcome = columns[5],
		.read = columns[6],
		.status = (long)json_integer_value(json_object_get(step, "status")),
		.content_type = json_string_value(json_object_get(step, "content_type")),
		.body = json_string_value(json_object_get(step, "response")),
	};
	const char *name = json_string_value(json_object_get(step, "step"));
	assert_non_null(name);
	assert_string_equal(name, columns[2]);
	json_t *request = read_request(&row, json_string_value(json_object_get(step, "request")));
	json_t *body = json_loads(row.body, 0, NULL);
	if (strcmp(row.judged, "life") == 0)
		read_last_txid(&row, body);
	CLEANUP(buf_done) struct buf out = BUF_INIT(TEXT_MAX);
	CLEANUP(buf_done) struct buf read = BUF_INIT(TEXT_MAX);
	check(&row, body, &out, &read);
	json_decref(body);
	json_decref(request);
}

/** Every row of expected.tsv with its record; each record has exactly one row. */
static void each_row(row_fn *check)
{
	const char *folder = secure_getenv("TEST_SOURCE_DIR");
	char path[512];
	static const char *const files[] = { "emercoin", "namecoin" };
	json_t *lines[ARRAY_LEN(files)];
	size_t count = 0, records = 0;
	assert_non_null(folder);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/vectors/transcripts/%s.jsonl", folder,
			       files[i]);
		lines[i] = load_lines(path);
		records += json_array_size(lines[i]);
	}
	(void)snprintf(path, sizeof(path), "%s/vectors/transcripts/expected.tsv", folder);
	FILE *file = fopen(path, "re");
	static char line[TEXT_MAX];
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		char *columns[COLUMNS] = { NULL };
		char *at = line;
		if (line[0] == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < COLUMNS; i++)
			columns[i] = strsep(&at, "\t");
		assert_non_null(columns[COLUMNS - 1]);
		with_row(lines[strcmp(columns[0], files[0]) == 0 ? 0 : 1], columns, check);
		count++;
	}
	(void)fclose(file);
	assert_int_equal(count, records);
	json_decref(lines[0]);
	json_decref(lines[1]);
}

/* ---- the rows ---- */

static bool holds(const struct row *row, const struct buf *out, const struct buf *read)
{
	return strcmp(buf_text(out), row->outcome) == 0 && strcmp(buf_text(read), row->read) == 0;
}

static void check_row(const struct row *row, json_t *body, struct buf *out, struct buf *read)
{
	judge(row, body, out, read);
	if (!holds(row, out, read))
		fail_msg("%s: got\n%s\n%s\ninstead of\n%s\n%s", row->where, buf_text(out),
			 buf_text(read), row->outcome, row->read);
}

static void each_step_has_its_outcome(void **state)
{
	(void)state;
	each_row(check_row);
}

/* ---- each member altered ---- */

static bool key_is_read(const char *key)
{
	static const char *const keys[] = {
		"code",      "message",    "name",       "value",      "txid",
		"height",    "expires_in", "expires_at", "expired",    "deleted",
		"operation", "blocks",     "time",       "mediantime", "initialblockdownload",
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

/** Whether something that is read stands in a value. */
static bool holds_read(const json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;
	json_object_foreach((json_t *)(uintptr_t)value, key, inner)
	{
		if (key_is_read(key) || holds_read(inner))
			return true;
	}
	json_array_foreach(value, i, inner)
	{
		if (holds_read(inner))
			return true;
	}
	return false;
}

enum claim { MUST_FAIL, MUST_HOLD, NO_CLAIM };

/** The frame of an answer is read too; an empty half of it may as well be absent. */
static enum claim claim_of(const char *key, const json_t *was, bool leave_out)
{
	const bool frame = strcmp(key, "result") == 0 || strcmp(key, "error") == 0;
	if (frame && json_is_null(was))
		return leave_out ? MUST_HOLD : MUST_FAIL;
	if (strcmp(key, "result") == 0 && json_is_object(was) && !holds_read(was))
		return NO_CLAIM; /* such as a wallet's balance: no field of it is read here */
	if (strcmp(key, "id") == 0)
		return NO_CLAIM; /* the recorded ids are not ours: test_dialect_chain.c */
	return frame || key_is_read(key) || holds_read(was) ? MUST_FAIL : MUST_HOLD;
}

struct altering {
	const struct row *row;
	json_t *body;
	struct buf *out, *read;
	size_t count[2]; /* of each claim that was tried */
};

static void try_value(struct altering *altering, json_t *object, const char *key, json_t *was,
		      json_t *other)
{
	const bool leave_out = other == NULL;
	const enum claim claim = claim_of(key, was, leave_out);
	if (claim == NO_CLAIM || (!leave_out && json_equal(was, other))) {
		json_decref(other);
		return;
	}
	if (leave_out)
		assert_int_equal(json_object_del(object, key), 0);
	else
		assert_int_equal(json_object_set_new(object, key, other), 0);
	judge(altering->row, altering->body, altering->out, altering->read);
	const bool held = holds(altering->row, altering->out, altering->read);
	if (held != (claim == MUST_HOLD)) {
		AUTO_FREE char *text = json_dumps(object, JSON_COMPACT);
		fail_msg("%s: \"%s\" altered, and the row %s:\n%s\n%s\n%s", altering->row->where,
			 key, held ? "still holds" : "fails", text, buf_text(altering->out),
			 buf_text(altering->read));
	}
	altering->count[claim]++;
	assert_int_equal(json_object_set(object, key, was), 0);
}

/** Other types, and other values of the same type. */
static void try_member(struct altering *altering, json_t *object, const char *key)
{
	json_t *was = json_incref(json_object_get(object, key));
	json_t *others[] = {
		json_null(),
		json_true(),
		json_false(),
		json_integer(0),
		json_integer(1),
		json_integer(-1),
		json_integer(INT64_C(1) << 31),
		json_real(1.5),
		json_string(""),
		json_string("x"),
		json_array(),
		json_object(),
		NULL, /* left out */
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		try_value(altering, object, key, was, others[i]);
	if (json_is_integer(was)) {
		const json_int_t number = json_integer_value(was);
		try_value(altering, object, key, was, json_integer(number + 1));
		try_value(altering, object, key, was, json_integer(number - 1));
	}
	if (json_is_string(was)) {
		const char *text = json_string_value(was);
		try_value(altering, object, key, was, json_sprintf("%sx", text));
		try_value(altering, object, key, was, json_sprintf("x%s", text));
		try_value(altering, object, key, was, json_sprintf(" %s", text));
		if (strlen(text) > 1)
			try_value(altering, object, key, was, json_string(text + 1));
	}
	json_decref(was);
}

static void alter_all(struct altering *altering, json_t *value)
{
	const char *keys[64];
	size_t count = 0, i;
	const char *key;
	json_t *inner;
	json_object_foreach(value, key, inner)
	{
		assert_true(count < ARRAY_LEN(keys));
		keys[count++] = key;
	}
	for (i = 0; i < count; i++) {
		AUTO_FREE char *copy = strdup(keys[i]);
		assert_non_null(copy);
		try_member(altering, value, copy);
		alter_all(altering, json_object_get(value, copy));
	}
	json_array_foreach(value, i, inner) alter_all(altering, inner);
}

static size_t altered[2];

static void alter_row(const struct row *row, json_t *body, struct buf *out, struct buf *read)
{
	struct altering altering = { row, body, out, read, { 0, 0 } };
	alter_all(&altering, body);
	altered[MUST_FAIL] += altering.count[MUST_FAIL];
	altered[MUST_HOLD] += altering.count[MUST_HOLD];
	judge(row, body, out, read);
	assert_true(holds(row, out, read)); /* all was put back */
}

static void what_is_read_matters_and_nothing_else(void **state)
{
	(void)state;
	each_row(alter_row);
	print_message("%zu changes of what is read, %zu of other fields\n", altered[MUST_FAIL],
		      altered[MUST_HOLD]);
	assert_true(altered[MUST_FAIL] > 1000 && altered[MUST_HOLD] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_has_its_outcome),
		cmocka_unit_test(what_is_read_matters_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
