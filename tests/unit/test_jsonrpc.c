/* The B-node's request parser: JSON-RPC 1.0 and 2.0, alone and in batches (design 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "bnode/jsonrpc.h"

static enum iotpki_err parse(const char *body, struct jsonrpc_request *request)
{
	return jsonrpc_parse(body, strlen(body), request);
}

#define CALL(rest) "{\"method\":\"name_show\"," rest "}"
#define NAME_SHOW(id, params) CALL("\"id\":" id ",\"params\":" params)

static void single_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *body;
		int code;       /* of the whole or of the call */
		const char *id; /* as it is written again */
		bool version2;
		size_t param_count;
	} rows[] = {
		{ "1.0 as Emercoin's client sends it",
		  "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"name_show\",\"params\":[\"iot:a\"]}",
		  0, "1", false, 1 },
		{ "no version is 1.0", NAME_SHOW("1", "[\"iot:a\"]"), 0, "1", false, 1 },
		{ "1.1 is 1.0", CALL("\"jsonrpc\":\"1.1\",\"id\":1"), 0, "1", false, 0 },
		{ "2.0", CALL("\"jsonrpc\":\"2.0\",\"id\":1"), 0, "1", true, 0 },
		{ "3.0", CALL("\"jsonrpc\":\"3.0\",\"id\":1"), JSONRPC_INVALID_REQUEST, "1", false,
		  0 },
		{ "version is a number", CALL("\"jsonrpc\":2.0,\"id\":1"), JSONRPC_INVALID_REQUEST,
		  "1", false, 0 },
		{ "nonce", CALL("\"id\":\"000102030405060708090a0b0c0d0e0f-99\""), 0,
		  "\"000102030405060708090a0b0c0d0e0f-99\"", false, 0 },
		{ "id absent", "{\"method\":\"name_show\"}", 0, "null", false, 0 },
		{ "id null", CALL("\"id\":null"), 0, "null", false, 0 },
		{ "id negative", CALL("\"id\":-7"), 0, "-7", false, 0 },
		{ "id 2^63-1", CALL("\"id\":9223372036854775807"), 0, "9223372036854775807", false,
		  0 },
		{ "id 2^63", CALL("\"id\":9223372036854775808"), JSONRPC_PARSE, NULL, false, 0 },
		{ "id with quote and control", CALL("\"id\":\"a\\\"\\u0001\\\\\""), 0,
		  "\"a\\\"\\u0001\\\\\"", false, 0 },
		{ "id re-serialised", CALL("\"id\":\"\\u0061\\/\""), 0, "\"a/\"", false, 0 },
		{ "id utf-8", CALL("\"id\":\"\xc3\xa9\""), 0, "\"\xc3\xa9\"", false, 0 },
		{ "id real", CALL("\"id\":1.5"), JSONRPC_INVALID_REQUEST, "null", false, 0 },
		{ "id object", CALL("\"id\":{}"), JSONRPC_INVALID_REQUEST, "null", false, 0 },
		{ "id true", CALL("\"id\":true"), JSONRPC_INVALID_REQUEST, "null", false, 0 },
		{ "id of 64 bytes",
		  CALL("\"id\":"
		       "\"0123456789012345678901234567890123456789012345678901234567890123\""),
		  0, "\"0123456789012345678901234567890123456789012345678901234567890123\"", false,
		  0 },
		{ "id of 65 bytes",
		  CALL("\"id\":"
		       "\"01234567890123456789012345678901234567890123456789012345678901234\""),
		  JSONRPC_INVALID_REQUEST, "null", false, 0 },
		{ "params null", NAME_SHOW("1", "null"), 0, "1", false, 0 },
		{ "params object", NAME_SHOW("1", "{\"name\":\"iot:a\"}"), JSONRPC_INVALID_REQUEST,
		  "1", false, 0 },
		{ "params string", NAME_SHOW("1", "\"iot:a\""), JSONRPC_INVALID_REQUEST, "1", false,
		  0 },
		{ "eight params", NAME_SHOW("1", "[1,2,3,4,5,6,7,8]"), 0, "1", false, 8 },
		{ "nine params", NAME_SHOW("1", "[1,2,3,4,5,6,7,8,9]"), JSONRPC_INVALID_REQUEST,
		  "1", false, 0 },
		{ "method missing", "{\"id\":1}", JSONRPC_INVALID_REQUEST, "1", false, 0 },
		{ "method null", "{\"id\":1,\"method\":null}", JSONRPC_INVALID_REQUEST, "1", false,
		  0 },
		{ "method number", "{\"id\":1,\"method\":5}", JSONRPC_INVALID_REQUEST, "1", false,
		  0 },
		{ "J02 trailing data", NAME_SHOW("1", "[]") "x", JSONRPC_PARSE, NULL, false, 0 },
		{ "J02 two objects", NAME_SHOW("1", "[]") NAME_SHOW("1", "[]"), JSONRPC_PARSE, NULL,
		  false, 0 },
		{ "J02 byte order mark", "\xef\xbb\xbf" NAME_SHOW("1", "[]"), JSONRPC_PARSE, NULL,
		  false, 0 },
		{ "J03 method twice", "{\"method\":\"a\",\"method\":\"b\"}", JSONRPC_PARSE, NULL,
		  false, 0 },
		{ "J03 id twice", "{\"id\":1,\"id\":2,\"method\":\"b\"}", JSONRPC_PARSE, NULL,
		  false, 0 },
		{ "J04 a string", "\"name_show\"", JSONRPC_PARSE, NULL, false, 0 },
		{ "J04 a number", "5", JSONRPC_PARSE, NULL, false, 0 },
		{ "J04 null", "null", JSONRPC_PARSE, NULL, false, 0 },
		{ "J05 method in other case", "{\"Method\":\"name_show\",\"id\":1}",
		  JSONRPC_INVALID_REQUEST, "1", false, 0 },
		{ "J06 NaN", NAME_SHOW("1", "[NaN]"), JSONRPC_PARSE, NULL, false, 0 },
		{ "J06 1e999", NAME_SHOW("1", "[1e999]"), JSONRPC_PARSE, NULL, false, 0 },
		{ "J06 leading zero", NAME_SHOW("1", "[01]"), JSONRPC_PARSE, NULL, false, 0 },
		{ "J13 invalid utf-8", NAME_SHOW("1", "[\"\xff\"]"), JSONRPC_PARSE, NULL, false,
		  0 },
		{ "J13 overlong utf-8", NAME_SHOW("1", "[\"\xc0\xaf\"]"), JSONRPC_PARSE, NULL,
		  false, 0 },
		{ "J13 NUL in a string", NAME_SHOW("1", "[\"iot:a\\u0000b\"]"), JSONRPC_PARSE, NULL,
		  false, 0 },
		{ "J13 lone surrogate", NAME_SHOW("1", "[\"\\ud800\"]"), JSONRPC_PARSE, NULL, false,
		  0 },
		{ "J16 HTML", "<html></html>", JSONRPC_PARSE, NULL, false, 0 },
		{ "empty", "", JSONRPC_PARSE, NULL, false, 0 },
		{ "depth 8", NAME_SHOW("1", "[[[[[[[]]]]]]]"), 0, "1", false, 1 },
		{ "depth 9", NAME_SHOW("1", "[[[[[[[[]]]]]]]]"), JSONRPC_PARSE, NULL, false, 0 },
		{ "brackets in a string are no depth", NAME_SHOW("1", "[\"[[[[[[[[[[[[\\\"[[[\"]"),
		  0, "1", false, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jsonrpc_request request;
		assert_int_equal(parse(rows[i].body, &request), IOTPKI_OK);
		const int whole = request.error.code;
		const struct jsonrpc_call *call = request.calls;
		if ((whole != 0) != (call == NULL) || request.batch)
			fail_msg("%s: neither whole error nor one call", rows[i].name);
		const int code = whole != 0 ? whole : call->error.code;
		if (code != rows[i].code)
			fail_msg("%s: code %d, want %d", rows[i].name, code, rows[i].code);
		if ((rows[i].id == NULL) != (call == NULL))
			fail_msg("%s: read further than it should be", rows[i].name);
		if (call != NULL &&
		    (strcmp(call->id, rows[i].id) != 0 || call->version2 != rows[i].version2 ||
		     call->param_count != rows[i].param_count))
			fail_msg("%s: id %s, version2 %d, %zu params", rows[i].name, call->id,
				 call->version2, call->param_count);
		if (call != NULL && (call->method == NULL) != (code != 0))
			fail_msg("%s: method and error", rows[i].name);
		jsonrpc_done(&request);
	}
}

/* What is small on the wire and large in memory is not parsed at all. */
static void values_are_counted(void **state)
{
	static const char *const units[] = { "{}", "[]", "0", "\",,,,\"" };
	static const char head[] = "{\"id\":1,\"method\":\"name_show\",\"params\":[],\"x\":[0";
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		for (size_t count = 2000; count <= 4200; count += 2200) {
			CLEANUP(buf_done) struct buf body = BUF_INIT(JSONRPC_BODY_MAX);
			struct jsonrpc_request request;
			(void)buf_puts(&body, head);
			for (size_t n = 0; n < count; n++)
				(void)buf_printf(&body, ",%s", units[i]);
			(void)buf_puts(&body, "]}");
			assert_int_equal(jsonrpc_parse(buf_text(&body), body.len, &request),
					 IOTPKI_OK);
			if ((request.error.code == JSONRPC_OK) != (count == 2000))
				fail_msg("%zu of %s: code %d", count, units[i], request.error.code);
			jsonrpc_done(&request);
		}
	}
}

static void truncated_everywhere(void **state)
{
	(void)state;
	static const char body[] =
		"[{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"method\":\"name_show\","
		"\"params\":[\"iot:a\",1,true,null]}]";
	for (size_t len = 0; len < sizeof(body) - 1; len++) {
		struct jsonrpc_request request;
		assert_int_equal(jsonrpc_parse(body, len, &request), IOTPKI_OK);
		if (request.error.code != JSONRPC_PARSE)
			fail_msg("cut at %zu: code %d", len, request.error.code);
		jsonrpc_done(&request);
	}
}

static void params_are_typed(void **state)
{
	(void)state;
	struct jsonrpc_request request;
	assert_int_equal(
		parse(NAME_SHOW("1", "[\"iot:\\u0061\",-5,true,false,null,1.5,[],{}]"), &request),
		IOTPKI_OK);
	static const struct {
		enum jsonrpc_kind kind;
		int64_t number;
	} want[] = { { JSONRPC_STRING, 0 }, { JSONRPC_INTEGER, -5 }, { JSONRPC_BOOL, 1 },
		     { JSONRPC_BOOL, 0 },   { JSONRPC_NULL, 0 },     { JSONRPC_OTHER, 0 },
		     { JSONRPC_OTHER, 0 },  { JSONRPC_OTHER, 0 } };
	const struct jsonrpc_call *call = request.calls;
	assert_int_equal(call->param_count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		if (call->params[i].kind != want[i].kind ||
		    call->params[i].number != want[i].number)
			fail_msg("param %zu: kind %d", i, call->params[i].kind);
	}
	assert_string_equal(call->params[0].text, "iot:a");
	assert_int_equal(call->params[0].len, 5);
	jsonrpc_done(&request);
}

static void batches(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t calls;
		int code;
	} rows[] = { { "empty", 0, JSONRPC_INVALID_REQUEST },
		     { "one", 1, 0 },
		     { "a hundred", 100, 0 },
		     { "one too many", 101, JSONRPC_INVALID_REQUEST } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf body = BUF_INIT(65536);
		(void)buf_putc(&body, '[');
		for (size_t k = 0; k < rows[i].calls; k++)
			(void)buf_printf(&body, "%s{\"method\":\"m\",\"id\":%zu}", k > 0 ? "," : "",
					 k);
		(void)buf_putc(&body, ']');
		assert_int_equal(buf_error(&body), IOTPKI_OK);
		struct jsonrpc_request request;
		assert_int_equal(parse(buf_text(&body), &request), IOTPKI_OK);
		if (request.error.code != rows[i].code || !request.batch)
			fail_msg("%s: code %d", rows[i].name, request.error.code);
		if (request.count != (rows[i].code == 0 ? rows[i].calls : 0))
			fail_msg("%s: %zu calls", rows[i].name, request.count);
		jsonrpc_done(&request);
	}
}

static void batch_with_bad_entries(void **state)
{
	(void)state;
	struct jsonrpc_request request;
	assert_int_equal(
		parse("[1," NAME_SHOW("\"n-1\"", "[\"iot:a\"]") ",[],{\"id\":3}]", &request),
		IOTPKI_OK);
	assert_int_equal(request.count, 4);
	assert_int_equal(request.calls[0].error.code, JSONRPC_INVALID_REQUEST);
	assert_string_equal(request.calls[0].id, "null");
	assert_int_equal(request.calls[1].error.code, 0);
	assert_string_equal(request.calls[1].id, "\"n-1\"");
	assert_int_equal(request.calls[2].error.code, JSONRPC_INVALID_REQUEST);
	assert_int_equal(request.calls[3].error.code, JSONRPC_INVALID_REQUEST);
	assert_string_equal(request.calls[3].id, "3");
	jsonrpc_done(&request);
}

/* J07 and the size cap: refused before a recursive parser sees them. */
static void large_inputs(void **state)
{
	(void)state;
	const size_t size = JSONRPC_BODY_MAX + 1;
	AUTO_FREE char *body = malloc(size);
	assert_non_null(body);
	struct jsonrpc_request request;
	memset(body, '[', size);
	assert_int_equal(jsonrpc_parse(body, 100000, &request), IOTPKI_OK);
	assert_int_equal(request.error.code, JSONRPC_PARSE);
	jsonrpc_done(&request);

	static const char call[] = "{\"method\":\"m\"}";
	memset(body, ' ', size);
	memcpy(body, call, sizeof(call) - 1);
	assert_int_equal(jsonrpc_parse(body, size - 1, &request), IOTPKI_OK);
	assert_int_equal(request.error.code, 0);
	jsonrpc_done(&request);
	assert_int_equal(jsonrpc_parse(body, size, &request), IOTPKI_OK);
	assert_int_equal(request.error.code, JSONRPC_PARSE);
	jsonrpc_done(&request);
}

static void frames(void **state)
{
	(void)state;
	static const struct jsonrpc_error unknown = { JSONRPC_NAME_DB,
						      "failed to read from name DB", NULL };
	static const struct jsonrpc_error taken = { JSONRPC_REFUSED, "say \"no\"", "name-taken" };
	static const struct {
		const char *name;
		bool version2;
		const struct jsonrpc_error *error;
		const char *want;
	} rows[] = {
		{ "1.0 result", false, NULL, "{\"result\":7,\"error\":null,\"id\":1}" },
		{ "2.0 result", true, NULL, "{\"jsonrpc\":\"2.0\",\"result\":7,\"id\":1}" },
		{ "1.0 error", false, &unknown,
		  "{\"result\":null,\"error\":{\"code\":-4,\"message\":\"failed to read from name "
		  "DB\"},"
		  "\"id\":1}" },
		{ "2.0 error", true, &unknown,
		  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-4,\"message\":\"failed to read from "
		  "name "
		  "DB\"},\"id\":1}" },
		{ "reason", true, &taken,
		  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32010,\"message\":\"say \\\"no\\\"\","
		  "\"data\":{\"reason\":\"name-taken\"}},\"id\":1}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct jsonrpc_call call = { .version2 = rows[i].version2, .id = "1" };
		CLEANUP(buf_done) struct buf out = BUF_INIT(1024);
		if (rows[i].error != NULL) {
			jsonrpc_put_error(&out, &call, rows[i].error);
		} else {
			jsonrpc_put_head(&out, &call);
			(void)buf_putc(&out, '7');
			jsonrpc_put_tail(&out, &call);
		}
		if (strcmp(buf_text(&out), rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].name, buf_text(&out));
	}
	CLEANUP(buf_done) struct buf text = BUF_INIT(64);
	jsonrpc_put_string(&text, "a\"\\\n\x7f", 5);
	assert_string_equal(buf_text(&text), "\"a\\\"\\\\\\u000a\\u007f\"");
}

static void http_statuses(void **state)
{
	(void)state;
	static const struct {
		int code;
		unsigned int want1, want2; /* 1.0, 2.0 */
	} rows[] = {
		{ JSONRPC_OK, 200, 200 },
		{ JSONRPC_NAME_DB, 500, 200 },
		{ JSONRPC_MISC_ERROR, 500, 200 },
		{ JSONRPC_REFUSED, 500, 200 },
		{ JSONRPC_INVALID_REQUEST, 400, 200 },
		{ JSONRPC_METHOD_NOT_FOUND, 404, 200 },
		{ JSONRPC_PARSE, 500, 500 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (jsonrpc_http_status(false, rows[i].code) != rows[i].want1 ||
		    jsonrpc_http_status(true, rows[i].code) != rows[i].want2)
			fail_msg("code %d", rows[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_rows),
		cmocka_unit_test(values_are_counted),
		cmocka_unit_test(truncated_everywhere),
		cmocka_unit_test(params_are_typed),
		cmocka_unit_test(batches),
		cmocka_unit_test(batch_with_bad_entries),
		cmocka_unit_test(large_inputs),
		cmocka_unit_test(frames),
		cmocka_unit_test(http_statuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
