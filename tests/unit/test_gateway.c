/*
 * What a gateway answers to each recorded step of Emercoin Core and Namecoin Core that a read can
 * meet (vectors/transcripts): exactly one line. And its buckets of tokens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "bnode/gateway_parts.h"
#include "nvs/dialect_parts.h"

#define ID "00112233445566778899aabbccddeeff"
#define BEST "00000000000000000000000000000000000000000000000000000000000000bb"
#define NOW INT64_C(1795400000)
#define NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define OTHER "1111aaaa-2222-4bbb-8ccc-333344445555"

enum { E = CONFIG_NODE_EMERCOIN, N = CONFIG_NODE_NAMECOIN };

/* status txid registration sequence expires_in time, the ids by their first eight digits; or the error. */
static const struct row {
	int chain, line;
	const char *name;
	int tip;
	const char *expected;
} rows[] = {
	{ E, 1, NAME, 53, "-4 failed to read from name DB" },
	{ E, 6, NAME, 53, "-4 failed to read from name DB" },
	{ E, 9, NAME, 54, "registered e42f4c0f e42f4c0f 1 86275 1795333973" },
	{ E, 12, NAME, 54, "registered e42f4c0f e42f4c0f 1 86275 1795333973" },
	{ E, 13, NAME, 55, "registered e1df943c e42f4c0f 2 85782 1795333975" },
	{ E, 15, NAME, 56, "revoked d4064176 e42f4c0f 3 85289 1795333976" },
	{ E, 18, NAME, 57, "revoked bc46eb9f e42f4c0f 4 -28101 1795333977 deleted" },
	{ E, 21, NAME, 58, "registered 171a885c 171a885c 1 86275 1795333978" },
	{ E, 24, OTHER, 59, "-10 the node behind this gateway is not ready, try again later" },
	{ E, 33, NAME, 60, "registered 171a885c 171a885c 1 85289 1795333978" },
	{ E, 35, NAME, 60, "-32603 the node behind this gateway gave no answer that can be used" },
	{ E, 36, NAME, 240, "expired 171a885c 171a885c 1 -3451 1795333978 expired" },
	{ N, 1, NAME, 150, "-4 failed to read from name DB" },
	{ N, 2, NAME, 150, "-4 failed to read from name DB" },
	{ N, 8, NAME, 162, "-4 failed to read from name DB" },
	{ N, 10, NAME, 163, "registered 8d6b395c 8d6b395c 1 18000 1795400000" },
	{ N, 13, NAME, 163, "registered 8d6b395c 8d6b395c 1 18000 1795400000" },
	{ N, 14, NAME, 164, "registered 54bd8789 8d6b395c 2 18000 1795400000" },
	{ N, 16, NAME, 165, "revoked 61085174 8d6b395c 3 18000 1795400000" },
	{ N, 20, NAME, 166, "revoked 3ca36c49 8d6b395c 4 18000 1795400000" },
	{ N, 29, NAME, 206, "revoked 3ca36c49 8d6b395c 4 -6000 1795376000 expired" },
	{ N, 30, NAME, 206, "revoked 3ca36c49 8d6b395c 4 -6000 1795376000 expired" },
	{ N, 34, NAME, 219, "registered be681f85 be681f85 1 18000 1795400000" },
};

static json_t *step(int chain, int line)
{
	char path[512], text[16384] = "";
	(void)snprintf(path, sizeof(path), "%s/vectors/transcripts/%s.jsonl",
		       getenv("TEST_SOURCE_DIR"), chain == E ? "emercoin" : "namecoin");
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	for (int i = 0; i < line; i++)
		assert_non_null(fgets(text, sizeof(text), file));
	(void)fclose(file);
	json_t *record = json_loads(text, 0, NULL);
	assert_non_null(record);
	json_t *body = json_loads(json_string_value(json_object_get(record, "response")), 0, NULL);
	json_decref(record);
	assert_non_null(body);
	return body;
}

static json_t *tip_of(int tip)
{
	return json_pack("{s:s,s:i,s:s,s:I,s:I,s:b}", "chain", "regtest", "blocks", tip,
			 "bestblockhash", BEST, "time", (json_int_t)NOW, "mediantime",
			 (json_int_t)NOW, "initialblockdownload", 0);
}

/* The history as it stood when this block was the tip. */
static json_t *history_of(int chain, int tip)
{
	json_t *body = step(chain, chain == E ? 22 : 35), *list = json_array(), *entry;
	size_t i;
	json_array_foreach(json_object_get(body, "result"), i, entry)
	{
		const json_int_t height = json_integer_value(json_object_get(entry, "height"));
		if (height > tip)
			continue;
		json_t *copy = json_deep_copy(entry);
		if (chain == N) {
			json_object_set_new(copy, "expires_in", json_integer(height + 30 - tip));
			json_object_set_new(copy, "expired", json_boolean(height + 30 <= tip));
		}
		json_array_append_new(list, copy);
	}
	json_decref(body);
	return list;
}

/* The batch of one answer and the tip, as the nvs client would get it; body is taken over. */
static char *batch_of(json_t *body, int tip)
{
	json_t *batch = json_array();
	json_object_set_new(body, "id", json_string(ID "-0"));
	json_array_append_new(batch, body);
	json_array_append_new(batch, json_pack("{s:s,s:o}", "id", ID "-1", "result", tip_of(tip)));
	char *text = json_dumps(batch, 0);
	json_decref(batch);
	assert_non_null(text);
	return text;
}

static void read_life(const struct dialect_question *question, const struct row *row,
		      struct dialect_shown *shown)
{
	struct dialect_life life;
	const bool known = strcmp(row->name, NAME) == 0;
	json_t *body = known ? json_pack("{s:o}", "result", history_of(row->chain, row->tip))
			     : json_pack("{s:{s:i,s:s}}", "error", "code", -32601, "message", "x");
	AUTO_FREE char *text = batch_of(body, row->tip);
	const struct dialect_http http = { 200, "application/json", text, strlen(text) };
	dialect_lives(question, (const uint8_t(*)[IOTPKI_SHA256_LEN]) & shown->answer.txid, &http,
		      &life, NULL);
	dialect_apply_life(question->node, &life, shown);
}

static void read_past(const struct config_node *node, const struct row *row, const char *nvs_name,
		      struct told *told)
{
	CLEANUP(told_history_done) struct told_history history = { 0 };
	struct told_tip tip = told->tip;
	tip.regtest = true;
	json_t *list = history_of(row->chain, row->tip);
	AUTO_FREE char *text = json_dumps(list, 0);
	json_decref(list);
	assert_int_equal(
		told_read_history(node, nvs_name, &tip, text, strlen(text), &history, NULL),
		IOTPKI_OK);
	told_add_history(node, &history, told);
}

static void tell(const struct row *row, struct told *told)
{
	const struct config_node node = { .type = (enum config_node_type)row->chain,
					  .min_confirmations = 1 };
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	(void)snprintf(nvs_name, sizeof(nvs_name), "%s%s", row->chain == E ? "iot:" : "iot/",
		       row->name);
	const char *const names[] = { nvs_name };
	const struct dialect_question question = {
		.node = &node, .id = ID, .nvs_names = names, .count = 1, .asked_s = NOW
	};
	AUTO_FREE char *text = batch_of(step(row->chain, row->line), row->tip);
	const struct dialect_http http = { 200, "application/json", text, strlen(text) };
	struct dialect_shown shown;
	dialect_answer(&question, &http, &shown, NULL);
	if (shown.needs_life)
		read_life(&question, row, &shown);
	told_judge(&node, &shown.answer, &shown, NOW, told);
	if (told->needs_history)
		read_past(&node, row, nvs_name, told);
}

static void put(const struct row *row, const struct told *told, struct buf *out)
{
	if (told->outcome > IOTPKI_OUTCOME_EXPIRED) {
		const struct jsonrpc_error error = told_error(told->outcome);
		(void)buf_printf(out, "%d %s", error.code, error.message);
		return;
	}
	CLEANUP(buf_done) struct buf text = BUF_INIT(65536);
	told_put_name(&text, row->name, told, NOW, METHOD_PLAIN);
	json_t *shown = json_loads(buf_text(&text), 0, NULL), *tip = json_object_get(shown, "tip");
	assert_non_null(shown);
	assert_string_equal(json_string_value(json_object_get(tip, "hash")), BEST);
	assert_int_equal(json_integer_value(json_object_get(tip, "time")), NOW);
	assert_int_equal(json_integer_value(json_object_get(tip, "height")), row->tip);
	assert_int_equal(json_integer_value(json_object_get(shown, "expires_at")) - NOW,
			 json_integer_value(json_object_get(shown, "expires_in")));
	(void)buf_printf(out, "%s %.8s %.8s %d %d %d%s%s",
			 json_string_value(json_object_get(shown, "status")),
			 json_string_value(json_object_get(shown, "txid")),
			 json_string_value(json_object_get(shown, "registration")),
			 (int)json_integer_value(json_object_get(shown, "sequence")),
			 (int)json_integer_value(json_object_get(shown, "expires_in")),
			 (int)json_integer_value(json_object_get(shown, "time")),
			 json_is_true(json_object_get(shown, "deleted")) ? " deleted" : "",
			 json_is_true(json_object_get(shown, "expired")) ? " expired" : "");
	json_decref(shown);
}

static void transcripts(void **state)
{
	(void)state;
	unsigned int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf got = BUF_INIT(4096);
		struct told told;
		tell(&rows[i], &told);
		put(&rows[i], &told, &got);
		if (strcmp(buf_text(&got), rows[i].expected) == 0)
			continue;
		failed++;
		print_error("%s line %d: %s, not %s\n",
			    rows[i].chain == E ? "emercoin" : "namecoin", rows[i].line,
			    buf_text(&got), rows[i].expected);
	}
	assert_int_equal(failed, 0);
}

/* Our own clients read the very bytes. */
static void read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(65536);
		struct told told;
		struct iotpki_answer answer = { 0 };
		char name[IOTPKI_NVS_NAME_MAX + 1];
		tell(&rows[i], &told);
		if (told.outcome > IOTPKI_OUTCOME_EXPIRED)
			continue;
		told_put_name(&text, rows[i].name, &told, NOW, METHOD_PLAIN);
		(void)snprintf(name, sizeof(name), "iot:%s", rows[i].name);
		json_t *shown = json_loads(buf_text(&text), 0, NULL);
		assert_int_equal(dialect_show_iotpki(name, (struct json_t *)shown, &answer, NULL),
				 told.outcome);
		assert_memory_equal(answer.registration, told.registration, SHA256_LEN);
		assert_int_equal(answer.tip_s, NOW);
		json_decref(shown);
	}
}

static void ages(void **state)
{
	(void)state;
	static const struct {
		enum iotpki_outcome outcome;
		int64_t age_s;
		bool hash;
		enum iotpki_outcome expected;
	} cases[] = {
		{ IOTPKI_OUTCOME_REGISTERED, 14400, true, IOTPKI_OUTCOME_REGISTERED },
		{ IOTPKI_OUTCOME_REGISTERED, 14401, true, IOTPKI_OUTCOME_STALE },
		{ IOTPKI_OUTCOME_REGISTERED, -86400, true, IOTPKI_OUTCOME_REGISTERED },
		{ IOTPKI_OUTCOME_EXPIRED, 14401, true, IOTPKI_OUTCOME_STALE },
		{ IOTPKI_OUTCOME_UNREGISTERED, 14401, true, IOTPKI_OUTCOME_STALE },
		{ IOTPKI_OUTCOME_REVOKED, 1000000, true, IOTPKI_OUTCOME_REVOKED },
		{ IOTPKI_OUTCOME_REGISTERED, 0, false, IOTPKI_OUTCOME_MALFORMED },
		{ IOTPKI_OUTCOME_REVOKED, 0, false, IOTPKI_OUTCOME_REVOKED },
		{ IOTPKI_OUTCOME_UNAUTHORIZED, 0, true, IOTPKI_OUTCOME_UNAUTHORIZED },
	};
	const struct config_node node = { .type = CONFIG_NODE_EMERCOIN };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dialect_shown shown = { .facts.has_tip_hash = cases[i].hash };
		struct told told;
		shown.answer = (struct iotpki_answer){ .outcome = cases[i].outcome,
						       .tip_s = NOW - cases[i].age_s,
						       .max_tip_age_s = 14400 };
		told_judge(&node, &shown.answer, &shown, NOW, &told);
		if (told.outcome != cases[i].expected)
			fail_msg("case %zu: %s", i, iotpki_outcome_name(told.outcome));
	}
}

/* What is no excuse for soft-fail when a device asks by itself is none through a gateway (I2). */
static void errors(void **state)
{
	(void)state;
	for (int i = IOTPKI_OUTCOME_UNREGISTERED; i <= IOTPKI_OUTCOME_MALFORMED; i++) {
		const struct jsonrpc_error error = told_error((enum iotpki_outcome)i);
		const bool odd = i == IOTPKI_OUTCOME_MALFORMED || i == IOTPKI_OUTCOME_UNAUTHORIZED;
		const int expected = i == IOTPKI_OUTCOME_UNREGISTERED ? JSONRPC_NAME_DB
				     : odd                            ? JSONRPC_INTERNAL
								      : JSONRPC_NOT_READY;
		assert_int_equal(error.code, expected);
	}
}

static void buckets(void **state)
{
	(void)state;
	struct limit *limit = limit_new(10);
	assert_non_null(limit);
	assert_true(limit_take(limit, 1, 50, 1000));
	assert_false(limit_take(limit, 1, 1, 1000));
	assert_true(limit_take(limit, 2, 50, 1000)); /* another client has its own */
	assert_false(limit_take(limit, 1, 1, 1099));
	assert_true(limit_take(limit, 1, 1, 1100));
	assert_false(limit_take(limit, 1, 11, 2100));
	assert_true(limit_take(limit, 1, 10, 2100));
	assert_true(
		limit_take(limit, 1, 50, INT64_MAX)); /* never more than full, nothing overflows */
	assert_false(limit_take(limit, 1, 1, INT64_MAX));
	for (uint64_t client = 10; client < 100000; client++)
		assert_true(limit_take(limit, client, 1, 5000));
	limit_free(limit);
	limit = limit_new(10);
	assert_non_null(limit);
	/* A device's hundred names at once: never impossible, and paid for before the next. */
	assert_true(limit_take(limit, 900, 100, 1000));
	assert_false(limit_take(limit, 900, 1, 6000));
	assert_false(limit_take(limit, 900, 1, 6099));
	assert_true(limit_take(limit, 900, 1, 6100));
	assert_false(limit_take(limit, 900, 100, 11000));
	assert_true(limit_take(limit, 900, 100, 11100));
	assert_true(limit_take(limit, 900, 50, INT64_MAX));
	limit_free(limit);
	limit = limit_new(0);
	for (int i = 0; i < 1000; i++)
		assert_true(limit_take(limit, 1, 1000000, 0));
	limit_free(limit);
}

static void upstreams(void **state)
{
	(void)state;
	static const struct {
		struct gateway_words words;
		bool good;
	} cases[] = {
		{ { .type = "emercoin", .url = "http://127.0.0.1:6662/" }, true },
		{ { .type = "namecoin", .url = "http://127.0.0.1:8336/wallet/w" }, true },
		{ { .type = "iotpki", .url = "http://127.0.0.1:6662/" }, false },
		{ { .type = "emercoin", .url = "http://192.0.2.7:6662/" }, false },
		{ { .type = "emercoin", .url = "https://192.0.2.7:6662/" }, false },
		{ { .type = "emercoin",
		    .url = "https://192.0.2.7:6662/",
		    .pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
		  true },
		{ { .type = "emercoin", .url = "http://127.0.0.1/\", type: \"iotpki" }, false },
		{ { .type = "emercoin", .url = "http://127.0.0.1/\n" }, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_node node;
		struct iotpki_detail detail = { 0 };
		const bool good =
			gateway_upstream_set(&cases[i].words, &node, &detail) == IOTPKI_OK;
		if (good != cases[i].good)
			fail_msg("case %zu: %s", i, detail.message);
		/* Of the command line, which has no lines. */
		if (detail.line != 0 || detail.column != 0)
			fail_msg("case %zu: %u:%u", i, detail.line, detail.column);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts), cmocka_unit_test(read_back),
		cmocka_unit_test(ages),        cmocka_unit_test(errors),
		cmocka_unit_test(buckets),     cmocka_unit_test(upstreams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
