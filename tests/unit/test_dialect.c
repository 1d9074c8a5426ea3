/* Every kind of answer that a node can give, and the one outcome that it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nvs/dialect.h"

#define ID "00112233445566778899aabbccddeeff"
#define NAME "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define HASH_A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define HASH_B "e42f4c0fdf666194fb9434e7946aabfebbf89820482fb0893b9595d832fd9a58"
#define JSON "application/json"
#define ASKED INT64_C(1795333900)

static const struct config_node node = {
	.name = "home", .type = CONFIG_NODE_IOTPKI, .network = 2, .name_prefix = "iot:"
};
static const char *const name = NAME;
static const struct dialect_question question = {
	.node = &node, .id = ID, .nvs_names = &name, .count = 1, .asked_s = ASKED
};

static void answer_to(const struct dialect_question *asked, const struct dialect_http *http,
		      struct iotpki_answer *answer_out, struct iotpki_detail *detail)
{
	struct dialect_shown shown;
	dialect_answer(asked, http, &shown, detail);
	*answer_out = shown.answer;
	assert_false(shown.needs_life);
}

/* A valid answer in pieces, so that each can be left out or replaced. */
enum part { ENVELOPE, RESULT, TIP };
static const struct piece {
	enum part part;
	const char *key, *value;
	bool optional;
} pieces[] = {
	{ ENVELOPE, "jsonrpc", "\"2.0\"", true },
	{ ENVELOPE, "id", "\"" ID "\"", false },
	{ ENVELOPE, "error", "null", true },
	{ RESULT, "name", "\"" NAME "\"", false },
	{ RESULT, "value", "\"sha256=" HASH_A "|ex=1900000000\"", false },
	{ RESULT, "txid", "\"" HASH_B "\"", false },
	{ RESULT, "address", "\"00ff\"", true },
	{ RESULT, "vout", "0", true },
	{ RESULT, "expires_in", "66099", false },
	{ RESULT, "expires_at", "1795400000", false },
	{ RESULT, "time", "1795333000", true },
	{ RESULT, "status", "\"registered\"", false },
	{ RESULT, "registration", "\"" HASH_A "\"", false },
	{ RESULT, "sequence", "2", false },
	{ RESULT, "unit", "\"s\"", false },
	{ RESULT, "deleted", "false", true },
	{ RESULT, "expired", "false", true },
	{ TIP, "height", "1234", false },
	{ TIP, "hash", "\"" HASH_B "\"", false },
	{ TIP, "time", "1795333901", false },
};

static void put_part(struct buf *buf, enum part part, size_t changed, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		const char *text = i == changed ? value : pieces[i].value;
		if (pieces[i].part == part && text != NULL)
			(void)buf_printf(buf, "\"%s\":%s,", pieces[i].key, text);
	}
}

/** The valid answer with one piece replaced; value NULL leaves it out. */
static void build(struct buf *buf, size_t changed, const char *value)
{
	buf_clear(buf);
	(void)buf_puts(buf, "{");
	put_part(buf, ENVELOPE, changed, value);
	(void)buf_puts(buf, "\"result\":{");
	put_part(buf, RESULT, changed, value);
	(void)buf_puts(buf, "\"tip\":{");
	put_part(buf, TIP, changed, value);
	(void)buf_puts(buf, "\"more\":[]}}}");
	assert_int_equal(buf_error(buf), IOTPKI_OK);
}

#define UNCHANGED SIZE_MAX

static size_t find_piece(enum part part, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		if (pieces[i].part == part && strcmp(pieces[i].key, key) == 0)
			return i;
	}
	fail_msg("no piece %s", key);
	return UNCHANGED;
}

/** A member of the answer is never partly there: not in an answer that is none. */
static void check_filled(const struct iotpki_answer *answer)
{
	assert_int_equal(answer->network, 2);
	assert_int_equal(answer->asked_s, ASKED);
	assert_int_equal(answer->max_tip_age_s, 3600);
	assert_int_not_equal(answer->outcome, IOTPKI_OUTCOME_PENDING);
	assert_int_not_equal(answer->outcome, IOTPKI_OUTCOME_STALE);
	if (answer->outcome <= IOTPKI_OUTCOME_UNREGISTERED) {
		assert_true(answer->tip_s > 0);
		return;
	}
	const struct iotpki_answer empty = {
		.outcome = answer->outcome, .network = 2, .asked_s = ASKED, .max_tip_age_s = 3600
	};
	assert_memory_equal(answer->registration, empty.registration, sizeof(empty.registration));
	assert_memory_equal(answer->record.sha256, empty.record.sha256, IOTPKI_SHA256_LEN);
	assert_int_equal(answer->ends_s, 0);
	assert_int_equal(answer->tip_s, 0);
}

static enum iotpki_outcome judge(long status, const char *type, const char *body, size_t len)
{
	/* An exact copy, so that a sanitizer sees a byte read beyond it. */
	AUTO_FREE char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, body, len);
	const struct dialect_http http = { status, type, copy, len };
	struct iotpki_answer answer = { 0 };
	answer_to(&question, &http, &answer, NULL);
	check_filled(&answer);
	return answer.outcome;
}

static void valid_answer(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	build(&buf, UNCHANGED, NULL);
	const struct dialect_http http = { 200, JSON, buf_text(&buf), buf.len };
	struct iotpki_answer answer;
	struct iotpki_detail detail = { 0 };
	answer_to(&question, &http, &answer, &detail);
	assert_string_equal(detail.message, "");
	assert_int_equal(answer.outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(answer.network, 2);
	assert_int_equal(answer.record.sha256[0], 0x9f);
	assert_true(answer.record.has_ex);
	assert_int_equal(answer.record.ex_s, 1900000000);
	assert_int_equal(answer.registration[0], 0x9f);
	assert_int_equal(answer.txid[0], 0xe4);
	assert_int_equal(answer.ends_s, 1795400000);
	assert_int_equal(answer.tip_s, 1795333901);
	assert_int_equal(answer.tip_height, 1234);
	assert_int_equal(answer.max_tip_age_s, 3600);
	assert_int_equal(answer.asked_s, ASKED);
}

static void truncated_everywhere(void **state) /* J01 */
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	build(&buf, UNCHANGED, NULL);
	for (size_t len = 0; len < buf.len; len++) {
		if (judge(200, JSON, buf_text(&buf), len) != IOTPKI_OUTCOME_MALFORMED)
			fail_msg("cut at byte %zu", len);
	}
}

static void each_piece_left_out(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		build(&buf, i, NULL);
		const enum iotpki_outcome want =
			pieces[i].optional ? IOTPKI_OUTCOME_REGISTERED : IOTPKI_OUTCOME_MALFORMED;
		if (judge(200, JSON, buf_text(&buf), buf.len) != want)
			fail_msg("without %s", pieces[i].key);
	}
}

static void each_piece_of_another_type(void **state) /* J04 */
{
	(void)state;
	static const char *const values[] = { "null",
					      "true",
					      "-1",
					      "1.5",
					      "1e2",
					      "\"x\"",
					      "\"\"",
					      "[]",
					      "{}",
					      "[1]",
					      "9007199254740992" };
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		for (size_t j = 0; j < ARRAY_LEN(values); j++) {
			build(&buf, i, values[j]);
			const enum iotpki_outcome got = judge(200, JSON, buf_text(&buf), buf.len);
			/* A few of these values are of the right type, or mean "not there". */
			const bool flag = strcmp(pieces[i].value, "false") == 0 && j == 1;
			const bool text =
				strcmp(pieces[i].key, "address") == 0 && (j == 5 || j == 6);
			const bool none = strcmp(pieces[i].key, "error") == 0 && j == 0;
			const bool past = strcmp(pieces[i].key, "expires_in") == 0 && j == 2;
			const bool odd = !flag && !text && !none && !past;
			if (odd && got != IOTPKI_OUTCOME_MALFORMED)
				fail_msg("%s: %s gave %d", pieces[i].key, values[j], (int)got);
			if (!odd && got >= IOTPKI_OUTCOME_STALE)
				fail_msg("%s: %s gave %d", pieces[i].key, values[j], (int)got);
		}
	}
}

static void altered_members(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum part part;
		const char *key, *value;
		enum iotpki_outcome want;
	} rows[] = {
		{ "J09 other nonce", ENVELOPE, "id", "\"00112233445566778899aabbccddeefe\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J09 nonce in upper case", ENVELOPE, "id", "\"00112233445566778899AABBCCDDEEFF\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J09 longer nonce", ENVELOPE, "id", "\"" ID "0\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J09 batch nonce", ENVELOPE, "id", "\"" ID "-0\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J08 error string beside a result", ENVELOPE, "error", "\"failed\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J08 error beside a result", ENVELOPE, "error",
		  "{\"code\":-4,\"message\":\"failed to "
		  "read from name DB\"}",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "version 1.0", ENVELOPE, "jsonrpc", "\"1.0\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J09 other name", RESULT, "name", "\"iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b61\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J09 name in other case", RESULT, "name",
		  "\"iot:3F2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J09 name without prefix", RESULT, "name",
		  "\"3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J10 Registered", RESULT, "status", "\"Registered\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J10 unknown word", RESULT, "status", "\"active\"", IOTPKI_OUTCOME_MALFORMED },
		{ "J10 trailing space", RESULT, "status", "\"registered \"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "status revoked", RESULT, "status", "\"revoked\"", IOTPKI_OUTCOME_REVOKED },
		{ "status expired", RESULT, "status", "\"expired\"", IOTPKI_OUTCOME_EXPIRED },
		{ "J11 expired true beside registered", RESULT, "expired", "true",
		  IOTPKI_OUTCOME_EXPIRED },
		{ "J11 expires_in 0", RESULT, "expires_in", "0", IOTPKI_OUTCOME_EXPIRED },
		{ "J11 expires_in negative", RESULT, "expires_in", "-7", IOTPKI_OUTCOME_EXPIRED },
		{ "J11 expires_at 0", RESULT, "expires_at", "0", IOTPKI_OUTCOME_MALFORMED },
		{ "J11 expires_at negative", RESULT, "expires_at", "-1", IOTPKI_OUTCOME_MALFORMED },
		{ "J11 expires_at in year 10000", RESULT, "expires_at", "253402300800",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J11 expires_at in milliseconds", RESULT, "expires_at", "1795400000000",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J11 deleted with a value", RESULT, "deleted", "true", IOTPKI_OUTCOME_REVOKED },
		{ "record revoked, status registered", RESULT, "value",
		  "\"sha256=" HASH_A "|status=revoked\"", IOTPKI_OUTCOME_REVOKED },
		{ "J05 value nested", RESULT, "value", "{\"value\":\"sha256=" HASH_A "\"}",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 hash in upper case", RESULT, "value",
		  "\"sha256=9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 hash of 63 digits", RESULT, "value",
		  "\"sha256=f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 hash with 0x", RESULT, "value",
		  "\"sha256=0x86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 other algorithm", RESULT, "value", "\"sha512=" HASH_A "\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 white space", RESULT, "value", "\" sha256=" HASH_A "\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 homoglyph digit", RESULT, "value",
		  "\"sha256="
		  "\\uff19f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J13 newline in value", RESULT, "value", "\"sha256=" HASH_A "|x=\\n\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 txid of 65 digits", RESULT, "txid", "\"" HASH_B "0\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J12 registration in upper case", RESULT, "registration",
		  "\"9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "unit blocks", RESULT, "unit", "\"b\"", IOTPKI_OUTCOME_MALFORMED },
		{ "sequence 0", RESULT, "sequence", "0", IOTPKI_OUTCOME_MALFORMED },
		{ "J06 height 2^53", TIP, "height", "9007199254740992", IOTPKI_OUTCOME_MALFORMED },
		{ "J06 height 2^53-1", TIP, "height", "9007199254740991",
		  IOTPKI_OUTCOME_REGISTERED },
		{ "J06 height 2^63", TIP, "height", "9223372036854775808",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J06 height NaN", TIP, "height", "NaN", IOTPKI_OUTCOME_MALFORMED },
		{ "J06 height -0", TIP, "height", "-0", IOTPKI_OUTCOME_MALFORMED },
		{ "J06 vout -0", RESULT, "vout", "-0", IOTPKI_OUTCOME_MALFORMED },
		{ "tip time 0", TIP, "time", "0", IOTPKI_OUTCOME_MALFORMED },
		{ "J03 status twice", RESULT, "status", "\"registered\",\"status\":\"registered\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J03 value twice", RESULT, "value",
		  "\"sha256=" HASH_A "\",\"value\":\"sha256=" HASH_B "\"",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J03 result twice", ENVELOPE, "error", "null,\"result\":{}",
		  IOTPKI_OUTCOME_MALFORMED },
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		build(&buf, find_piece(rows[i].part, rows[i].key), rows[i].value);
		const enum iotpki_outcome got = judge(200, JSON, buf_text(&buf), buf.len);
		if (got != rows[i].want)
			fail_msg("row %zu: %s: outcome %d", i, rows[i].name, (int)got);
	}
}

/** A revoked or deleted name is revoked whatever its value has become (invariant I3). */
static void revoked_without_value(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	build(&buf, find_piece(RESULT, "value"), "\"\",\"proof\":[\"MIIB\"]");
	assert_int_equal(judge(200, JSON, buf_text(&buf), buf.len), IOTPKI_OUTCOME_MALFORMED);
	static const char *const keys[] = { "\"status\":\"registered\"", "\"deleted\":false" };
	static const char *const worse[] = { "\"status\":\"revoked\"   ", "\"deleted\":true " };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		build(&buf, find_piece(RESULT, "value"), "\"\"");
		char *at = strstr((char *)buf.data, keys[i]);
		assert_non_null(at);
		memcpy(at, worse[i], strlen(keys[i]));
		assert_int_equal(judge(200, JSON, buf_text(&buf), buf.len), IOTPKI_OUTCOME_REVOKED);
	}
}

#define ERROR(code, message)                                                                      \
	"{\"result\":null,\"error\":{\"code\":" code ",\"message\":\"" message "\"},\"id\":\"" ID \
	"\"}"
#define UNKNOWN ERROR("-4", "failed to read from name DB")

static void statuses_and_errors(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		long status;
		const char *type, *body;
		enum iotpki_outcome want;
	} rows[] = {
		{ "unknown name, 2.0", 200, JSON, UNKNOWN, IOTPKI_OUTCOME_UNREGISTERED },
		{ "unknown name, 1.0", 500, JSON, UNKNOWN, IOTPKI_OUTCOME_UNREGISTERED },
		{ "charset", 200, "application/json; charset=utf-8", UNKNOWN,
		  IOTPKI_OUTCOME_UNREGISTERED },
		{ "type in other case", 200, "Application/JSON", UNKNOWN,
		  IOTPKI_OUTCOME_UNREGISTERED },
		{ "J14 initial download", 500, JSON, ERROR("-10", "downloading blocks"),
		  IOTPKI_OUTCOME_NOT_READY },
		{ "warming up", 500, JSON, ERROR("-28", "Loading block index..."),
		  IOTPKI_OUTCOME_NOT_READY },
		{ "warming up, 503", 503, JSON, ERROR("-28", "x"), IOTPKI_OUTCOME_NOT_READY },
		{ "disk trouble", 500, JSON, ERROR("-4", "failed to read from from disk"),
		  IOTPKI_OUTCOME_NOT_READY },
		{ "no result", 200, JSON, ERROR("-4", "no result returned"),
		  IOTPKI_OUTCOME_NOT_READY },
		{ "undecodable", 200, JSON, ERROR("-4", "failed to decode name"),
		  IOTPKI_OUTCOME_NOT_READY },
		{ "unknown text of -4", 200, JSON, ERROR("-4", "wallet trouble"),
		  IOTPKI_OUTCOME_MALFORMED },
		{ "longer text of -4", 200, JSON, ERROR("-4", "failed to read from name DB!"),
		  IOTPKI_OUTCOME_MALFORMED },
		{ "right text, other code", 200, JSON, ERROR("-5", "failed to read from name DB"),
		  IOTPKI_OUTCOME_MALFORMED },
		{ "another chain's text", 200, JSON, ERROR("-4", "name never existed: x"),
		  IOTPKI_OUTCOME_MALFORMED },
		{ "no such method", 404, JSON, ERROR("-32601", "Method not found"),
		  IOTPKI_OUTCOME_MALFORMED },
		{ "no wallet", 500, JSON, ERROR("-18", "no wallet"), IOTPKI_OUTCOME_MALFORMED },
		{ "parse error, id null", 500, JSON,
		  "{\"result\":null,\"error\":{\"code\":-32700,\"message\":\"Parse "
		  "error\"},\"id\":null}",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "error for another question", 200, JSON,
		  "{\"result\":null,\"error\":{\"code\":-4,\"message\":\"failed to read from name "
		  "DB\"},"
		  "\"id\":\"0\"}",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J08 both missing", 200, JSON, "{\"id\":\"" ID "\"}", IOTPKI_OUTCOME_MALFORMED },
		{ "J08 both null", 200, JSON, "{\"result\":null,\"error\":null,\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J08 error string", 200, JSON, "{\"error\":\"no\",\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J08 error without code", 200, JSON,
		  "{\"error\":{\"message\":\"\"},\"id\":\"" ID "\"}", IOTPKI_OUTCOME_MALFORMED },
		{ "J08 error code as text", 200, JSON,
		  ERROR("\"-4\"", "failed to read from name DB"), IOTPKI_OUTCOME_MALFORMED },
		{ "J08 error code 1e400", 200, JSON, ERROR("1e400", ""), IOTPKI_OUTCOME_MALFORMED },
		{ "J15 batch", 200, JSON, "[" UNKNOWN "]", IOTPKI_OUTCOME_MALFORMED },
		{ "J15 empty array", 200, JSON, "[]", IOTPKI_OUTCOME_MALFORMED },
		{ "J02 trailing", 200, JSON, UNKNOWN "x", IOTPKI_OUTCOME_MALFORMED },
		{ "J16 HTML", 200, "text/html", "<html>ok</html>", IOTPKI_OUTCOME_MALFORMED },
		{ "J16 HTML called JSON", 200, JSON, "<html>ok</html>", IOTPKI_OUTCOME_MALFORMED },
		{ "J07 deep", 200, JSON, "[[[[[[[[[[[[[[[[[[[[[[[[", IOTPKI_OUTCOME_MALFORMED },
		{ "H08 JSON called text", 200, "text/plain", UNKNOWN, IOTPKI_OUTCOME_MALFORMED },
		{ "H08 no type", 200, NULL, UNKNOWN, IOTPKI_OUTCOME_MALFORMED },
		{ "H08 like JSON", 200, "application/jsonp", UNKNOWN, IOTPKI_OUTCOME_MALFORMED },
		{ "H08 500, JSON called text", 500, "text/plain", UNKNOWN,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H06 204", 204, NULL, "", IOTPKI_OUTCOME_MALFORMED },
		{ "H06 204 with a body", 204, JSON, UNKNOWN, IOTPKI_OUTCOME_MALFORMED },
		{ "H06 205", 205, JSON, "", IOTPKI_OUTCOME_MALFORMED },
		{ "200, empty", 200, JSON, "", IOTPKI_OUTCOME_MALFORMED },
		{ "H01 301", 301, NULL, "", IOTPKI_OUTCOME_MALFORMED },
		{ "H01 307 with JSON", 307, JSON, UNKNOWN, IOTPKI_OUTCOME_MALFORMED },
		{ "H07 401", 401, NULL, "", IOTPKI_OUTCOME_UNAUTHORIZED },
		{ "H07 401 with JSON", 401, JSON, UNKNOWN, IOTPKI_OUTCOME_UNAUTHORIZED },
		{ "H07 403", 403, "text/html", "<html>", IOTPKI_OUTCOME_UNAUTHORIZED },
		{ "H07 404", 404, "text/html", "<html>", IOTPKI_OUTCOME_MALFORMED },
		{ "H07 408", 408, NULL, "", IOTPKI_OUTCOME_MALFORMED },
		{ "H07 429", 429, NULL, "", IOTPKI_OUTCOME_MALFORMED },
		{ "H07 500 without JSON", 500, "text/html", "<html>", IOTPKI_OUTCOME_UNREACHABLE },
		{ "H07 500, empty", 500, JSON, "", IOTPKI_OUTCOME_UNREACHABLE },
		{ "H07 500, broken JSON", 500, JSON, "{\"result\":", IOTPKI_OUTCOME_MALFORMED },
		{ "H07 500, not JSON though it says so", 500, JSON, "oops",
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H07 502", 502, "text/html", "<html>", IOTPKI_OUTCOME_UNREACHABLE },
		{ "H07 503", 503, "text/html", "<html>", IOTPKI_OUTCOME_NOT_READY },
		{ "H07 504", 504, NULL, "", IOTPKI_OUTCOME_UNREACHABLE },
		{ "599", 599, NULL, "", IOTPKI_OUTCOME_UNREACHABLE },
		{ "600", 600, NULL, "", IOTPKI_OUTCOME_MALFORMED },
		{ "no status", 0, JSON, UNKNOWN, IOTPKI_OUTCOME_MALFORMED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const enum iotpki_outcome got =
			judge(rows[i].status, rows[i].type, rows[i].body, strlen(rows[i].body));
		if (got != rows[i].want)
			fail_msg("row %zu: %s: outcome %d", i, rows[i].name, (int)got);
	}
}

static void result_needs_200(void **state)
{
	(void)state;
	static const long statuses[] = { 201, 206, 302, 400, 404, 500, 502 };
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	build(&buf, UNCHANGED, NULL);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		assert_int_equal(judge(statuses[i], JSON, buf_text(&buf), buf.len),
				 IOTPKI_OUTCOME_MALFORMED);
}

static void one_byte_altered(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	static const char bytes[] = "\0\"{}[],:0x\xff ";
	for (size_t at = 0;; at++) {
		build(&buf, UNCHANGED, NULL);
		if (at >= buf.len)
			break;
		for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
			build(&buf, UNCHANGED, NULL);
			buf.data[at] = (uint8_t)bytes[i];
			/* Whatever it becomes, it is never an excuse (I2) nor an unknown name. */
			const enum iotpki_outcome got = judge(200, JSON, buf_text(&buf), buf.len);
			if (got != IOTPKI_OUTCOME_MALFORMED && got != IOTPKI_OUTCOME_REGISTERED &&
			    got != IOTPKI_OUTCOME_EXPIRED)
				fail_msg("byte %zu: outcome %d", at, (int)got);
		}
	}
}

static void other_types_of_node(void **state)
{
	(void)state;
	struct config_node other = node;
	other.type = CONFIG_NODE_NAMECOIN;
	const struct dialect_question asked = { &other, ID, &name, 1, ASKED, NULL };
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	build(&buf, UNCHANGED, NULL);
	const struct dialect_http http = { 200, JSON, buf_text(&buf), buf.len };
	struct iotpki_answer answer;
	answer_to(&asked, &http, &answer, NULL);
	assert_int_equal(answer.outcome, IOTPKI_OUTCOME_MALFORMED);
	assert_int_equal(answer.max_tip_age_s, 14400);
}

static void requests(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(DIALECT_REQUEST_MAX);
	assert_int_equal(dialect_request_show(&question, &buf), IOTPKI_OK);
	assert_string_equal(buf_text(&buf),
			    "{\"jsonrpc\":\"2.0\",\"id\":\"" ID
			    "\",\"method\":\"name_show\",\"params\":[\"" NAME "\"]}");
	CLEANUP(buf_done) struct buf small = BUF_INIT(20);
	assert_int_equal(dialect_request(ID, "name_show", "[]", &small), IOTPKI_ERR_LIMIT);
}

static void replies(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		long status;
		const char *body;
		enum iotpki_outcome outcome;
		int code;
		const char *reason, *result;
	} rows[] = {
		{ "result", 200, "{\"result\":[1, {\"a\":\"b\"}],\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_REGISTERED, 0, "", "[1,{\"a\":\"b\"}]" },
		{ "text", 200, "{\"result\":\"" HASH_A "\",\"error\":null,\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_REGISTERED, 0, "", "\"" HASH_A "\"" },
		{ "refused", 200,
		  "{\"error\":{\"code\":-32010,\"message\":\"no\",\"data\":{\"reason\":\"stale-"
		  "prev\"}},"
		  "\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_MALFORMED, -32010, "stale-prev", "" },
		{ "reason with other bytes", 200,
		  "{\"error\":{\"code\":-32010,\"message\":\"no\",\"data\":{\"reason\":\"\\u001b["
		  "2J\"}},"
		  "\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_MALFORMED, -32010, "", "" },
		{ "long reason", 200,
		  "{\"error\":{\"code\":-32010,\"message\":\"no\",\"data\":{\"reason\":"
		  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}},\"id\":\"" ID "\"}",
		  IOTPKI_OUTCOME_MALFORMED, -32010, "", "" },
		{ "unknown name", 500, UNKNOWN, IOTPKI_OUTCOME_UNREGISTERED, -4, "", "" },
		{ "other id", 200, "{\"result\":1,\"id\":\"x\"}", IOTPKI_OUTCOME_MALFORMED, 0, "",
		  "" },
		{ "no JSON", 200, "oops", IOTPKI_OUTCOME_MALFORMED, 0, "", "" },
		{ "401", 401, "", IOTPKI_OUTCOME_UNAUTHORIZED, 0, "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dialect_http http = { rows[i].status, JSON, rows[i].body,
						   strlen(rows[i].body) };
		struct nvs_reply reply = { .result = BUF_INIT(NVS_CALL_MAX) };
		assert_int_equal(dialect_reply(&node, ID, "name_show", &http, &reply, NULL),
				 IOTPKI_OK);
		if (reply.outcome != rows[i].outcome || reply.code != rows[i].code ||
		    strcmp(reply.reason, rows[i].reason) != 0 ||
		    strcmp(buf_text(&reply.result), rows[i].result) != 0)
			fail_msg("row %zu: %s: %d %d %s %s", i, rows[i].name, (int)reply.outcome,
				 reply.code, reply.reason, buf_text(&reply.result));
		buf_done(&reply.result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_answer),
		cmocka_unit_test(truncated_everywhere),
		cmocka_unit_test(each_piece_left_out),
		cmocka_unit_test(each_piece_of_another_type),
		cmocka_unit_test(altered_members),
		cmocka_unit_test(revoked_without_value),
		cmocka_unit_test(statuses_and_errors),
		cmocka_unit_test(result_needs_200),
		cmocka_unit_test(one_byte_altered),
		cmocka_unit_test(other_types_of_node),
		cmocka_unit_test(requests),
		cmocka_unit_test(replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
