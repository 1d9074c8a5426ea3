/* Strict JSON: what is read, what is refused and where, and typed members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "format/json.h"

static enum iotpki_err read_text(const char *text, size_t len, struct json_t **root,
				 struct iotpki_detail *detail)
{
	return json_read(text, len, JSON_ANSWER_MAX, root, detail);
}

/* Classes J01 to J16 of security.md 3.2, as far as they are JSON's own. */
static void reading(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		enum iotpki_err want;
	} rows[] = {
		{ "object", "{\"a\":1}", IOTPKI_OK },
		{ "array", "[]", IOTPKI_OK },
		{ "white space around", " \r\n\t{}\n", IOTPKI_OK },
		{ "floats are JSON", "{\"balance\":1.5,\"d\":4.6e-10,\"z\":1e-0,\"m\":-0.5}",
		  IOTPKI_OK },
		{ "minus zero in a string", "[\"-0\",\"\\\"-0\"]", IOTPKI_OK },
		{ "depth 16", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", IOTPKI_OK },
		{ "2^63-1", "[9223372036854775807]", IOTPKI_OK },
		{ "J01 empty", "", IOTPKI_ERR_SYNTAX },
		{ "J01 cut", "{\"a\":", IOTPKI_ERR_SYNTAX },
		{ "J01 cut in a string", "{\"a\":\"b", IOTPKI_ERR_SYNTAX },
		{ "J01 cut after a backslash", "{\"a\":\"b\\", IOTPKI_ERR_SYNTAX },
		{ "J02 trailing letter", "{}x", IOTPKI_ERR_SYNTAX },
		{ "J02 two objects", "{}{}", IOTPKI_ERR_SYNTAX },
		{ "J02 byte order mark", "\xef\xbb\xbf{}", IOTPKI_ERR_SYNTAX },
		{ "J03 duplicate key", "{\"a\":1,\"a\":1}", IOTPKI_ERR_SYNTAX },
		{ "J03 duplicate key by escape", "{\"a\":1,\"\\u0061\":1}", IOTPKI_ERR_SYNTAX },
		{ "J03 duplicate key deep", "{\"r\":{\"a\":1,\"a\":2}}", IOTPKI_ERR_SYNTAX },
		{ "J04 bare scalar", "1", IOTPKI_ERR_SYNTAX },
		{ "J04 bare string", "\"a\"", IOTPKI_ERR_SYNTAX },
		{ "J04 bare null", "null", IOTPKI_ERR_SYNTAX },
		{ "J06 NaN", "[NaN]", IOTPKI_ERR_SYNTAX },
		{ "J06 Infinity", "[-Infinity]", IOTPKI_ERR_SYNTAX },
		{ "J06 1e999", "[1e999]", IOTPKI_ERR_SYNTAX },
		{ "J06 -0", "[-0]", IOTPKI_ERR_SYNTAX },
		{ "J06 -0 at the end", "[1,-0", IOTPKI_ERR_SYNTAX },
		{ "J06 2^63", "[9223372036854775808]", IOTPKI_ERR_SYNTAX },
		{ "J06 2^64", "[18446744073709551616]", IOTPKI_ERR_SYNTAX },
		{ "J06 leading zero", "[01]", IOTPKI_ERR_SYNTAX },
		{ "J06 leading plus", "[+1]", IOTPKI_ERR_SYNTAX },
		{ "J06 hexadecimal", "[0x10]", IOTPKI_ERR_SYNTAX },
		{ "J07 depth 17", "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", IOTPKI_ERR_LIMIT },
		{ "J07 depth 17, mixed",
		  "[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[",
		  IOTPKI_ERR_LIMIT },
		{ "J13 not UTF-8", "[\"\xff\"]", IOTPKI_ERR_SYNTAX },
		{ "J13 overlong UTF-8", "[\"\xc0\xaf\"]", IOTPKI_ERR_SYNTAX },
		{ "J13 surrogate in UTF-8", "[\"\xed\xa0\x80\"]", IOTPKI_ERR_SYNTAX },
		{ "J13 lone surrogate", "[\"\\ud800\"]", IOTPKI_ERR_SYNTAX },
		{ "J13 escaped NUL", "[\"\\u0000\"]", IOTPKI_ERR_SYNTAX },
		{ "J13 escaped NUL in a key", "{\"\\u0000a\":1}", IOTPKI_ERR_SYNTAX },
		{ "J13 raw newline in a string", "[\"a\nb\"]", IOTPKI_ERR_SYNTAX },
		{ "J16 HTML", "<!DOCTYPE html><html></html>", IOTPKI_ERR_SYNTAX },
		{ "comment", "{/**/}", IOTPKI_ERR_SYNTAX },
		{ "trailing comma", "[1,]", IOTPKI_ERR_SYNTAX },
		{ "single quotes", "{'a':1}", IOTPKI_ERR_SYNTAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_release) struct json_t *root = NULL;
		struct iotpki_detail detail = { 0 };
		if (read_text(rows[i].text, strlen(rows[i].text), &root, &detail) != rows[i].want)
			fail_msg("row %zu: %s: %s", i, rows[i].name, detail.message);
		if ((root != NULL) != (rows[i].want == IOTPKI_OK))
			fail_msg("row %zu: %s: tree", i, rows[i].name);
		if (rows[i].want != IOTPKI_OK && (detail.message[0] == '\0' || detail.line == 0))
			fail_msg("row %zu: %s: no place given", i, rows[i].name);
	}
}

static void raw_nul(void **state)
{
	(void)state;
	static const char in_string[] = "[\"a\0b\"]", after[] = "{}\0";
	CLEANUP(json_release) struct json_t *root = NULL;
	assert_int_equal(read_text(in_string, sizeof(in_string) - 1, &root, NULL),
			 IOTPKI_ERR_SYNTAX);
	assert_int_equal(read_text(after, sizeof(after) - 1, &root, NULL), IOTPKI_ERR_SYNTAX);
}

static void caps(void **state)
{
	(void)state;
	AUTO_FREE char *text = malloc(JSON_ANSWER_MAX + 1);
	assert_non_null(text);
	memset(text, ' ', JSON_ANSWER_MAX + 1);
	text[0] = '[';
	text[JSON_ANSWER_MAX - 1] = ']';
	CLEANUP(json_release) struct json_t *root = NULL;
	struct iotpki_detail detail = { 0 };
	assert_int_equal(read_text(text, JSON_ANSWER_MAX, &root, &detail), IOTPKI_OK);
	json_release(&root);
	assert_null(root);
	assert_int_equal(read_text(text, JSON_ANSWER_MAX + 1, &root, &detail), IOTPKI_ERR_LIMIT);
	assert_null(root);

	/* J07: 60,000 brackets are refused before anything recurses. */
	memset(text, '[', 60000);
	assert_int_equal(read_text(text, 60000, &root, &detail), IOTPKI_ERR_LIMIT);
	assert_int_equal(detail.line, 1);
	assert_int_equal(detail.column, 17);

	/* J06: an integer of 400 digits. */
	memset(text, '9', 402);
	text[0] = '[';
	text[401] = ']';
	assert_int_equal(read_text(text, 402, &root, &detail), IOTPKI_ERR_SYNTAX);
}

static void place_of_an_error(void **state)
{
	(void)state;
	static const char text[] = "{\n \"a\": 1,\n \"b\": -0\n}";
	CLEANUP(json_release) struct json_t *root = NULL;
	struct iotpki_detail detail = { 0 };
	assert_int_equal(read_text(text, strlen(text), &root, &detail), IOTPKI_ERR_SYNTAX);
	assert_int_equal(detail.line, 3);
	assert_int_equal(detail.column, 7);
	assert_non_null(strstr(detail.message, "byte 17"));

	/* The text itself never appears in the message. */
	static const char secret[] = "{\"password\": hunter2}";
	assert_int_equal(read_text(secret, strlen(secret), &root, &detail), IOTPKI_ERR_SYNTAX);
	assert_null(strstr(detail.message, "hunter2"));
}

struct all {
	const char *text;
	int64_t number;
	bool flag;
	uint8_t hash[32];
	const struct json_t *object, *array;
};

static const struct json_field all_fields[] = {
	{ "text", JSON_TEXT, false, 1, 3, offsetof(struct all, text) },
	{ "number", JSON_INT, false, -5, 5, offsetof(struct all, number) },
	{ "flag", JSON_BOOL, true, 0, 0, offsetof(struct all, flag) },
	{ "hash", JSON_HASH, true, 0, 0, offsetof(struct all, hash) },
	{ "object", JSON_OBJECT_VALUE, true, 0, 0, offsetof(struct all, object) },
	{ "array", JSON_ARRAY_VALUE, true, 1, 2, offsetof(struct all, array) },
};

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void members(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		const char *blamed; /* the key that the message names; NULL: good */
	} rows[] = {
		{ "least", "{\"text\":\"a\",\"number\":-5}", NULL },
		{ "all",
		  "{\"text\":\"abc\",\"number\":5,\"flag\":true,\"hash\":\"" HASH
		  "\",\"object\":{},\"array\":[0],\"more\":null}",
		  NULL },
		{ "missing", "{\"number\":1}", "text" },
		{ "other case", "{\"Text\":\"a\",\"number\":1}", "text" },
		{ "nested", "{\"x\":{\"text\":\"a\"},\"number\":1}", "text" },
		{ "empty text", "{\"text\":\"\",\"number\":1}", "text" },
		{ "long text", "{\"text\":\"abcd\",\"number\":1}", "text" },
		{ "text is null", "{\"text\":null,\"number\":1}", "text" },
		{ "text is a number", "{\"text\":1,\"number\":1}", "text" },
		{ "text is an array", "{\"text\":[\"a\"],\"number\":1}", "text" },
		{ "below", "{\"text\":\"a\",\"number\":-6}", "number" },
		{ "above", "{\"text\":\"a\",\"number\":6}", "number" },
		{ "float", "{\"text\":\"a\",\"number\":1.0}", "number" },
		{ "exponent", "{\"text\":\"a\",\"number\":1e0}", "number" },
		{ "quoted number", "{\"text\":\"a\",\"number\":\"1\"}", "number" },
		{ "number is true", "{\"text\":\"a\",\"number\":true}", "number" },
		{ "flag is 1", "{\"text\":\"a\",\"number\":1,\"flag\":1}", "flag" },
		{ "flag is null", "{\"text\":\"a\",\"number\":1,\"flag\":null}", "flag" },
		{ "flag is text", "{\"text\":\"a\",\"number\":1,\"flag\":\"true\"}", "flag" },
		{ "J12 63 digits",
		  "{\"text\":\"a\",\"number\":1,\"hash\":\"0112233445566778899aab"
		  "bccddeeff00112233445566778899aabbccddeeff\"}",
		  "hash" },
		{ "J12 65 digits", "{\"text\":\"a\",\"number\":1,\"hash\":\"" HASH "0\"}", "hash" },
		{ "J12 upper case",
		  "{\"text\":\"a\",\"number\":1,\"hash\":\"00112233445566778899AABB"
		  "CCDDEEFF00112233445566778899aabbccddeeff\"}",
		  "hash" },
		{ "object is an array", "{\"text\":\"a\",\"number\":1,\"object\":[]}", "object" },
		{ "array is empty", "{\"text\":\"a\",\"number\":1,\"array\":[]}", "array" },
		{ "array is long", "{\"text\":\"a\",\"number\":1,\"array\":[1,2,3]}", "array" },
		{ "array is an object", "{\"text\":\"a\",\"number\":1,\"array\":{}}", "array" },
		{ "not an object", "[]", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_release) struct json_t *root = NULL;
		assert_int_equal(read_text(rows[i].text, strlen(rows[i].text), &root, NULL),
				 IOTPKI_OK);
		struct all all = { 0 };
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			json_fields(root, all_fields, ARRAY_LEN(all_fields), &all, &detail);
		if ((err == IOTPKI_OK) != (rows[i].blamed == NULL))
			fail_msg("row %zu: %s: %s", i, rows[i].name, detail.message);
		if (rows[i].blamed != NULL && strstr(detail.message, rows[i].blamed) == NULL)
			fail_msg("row %zu: %s: %s", i, rows[i].name, detail.message);
	}
}

static void values(void **state)
{
	(void)state;
	static const char text[] =
		"{\"text\":\"ab\",\"number\":-3,\"flag\":true,\"hash\":\"" HASH
		"\",\"object\":{\"k\":null},\"array\":[7,{\"s\":\"\\u00e9\\n\"}]}";
	CLEANUP(json_release) struct json_t *root = NULL;
	assert_int_equal(read_text(text, strlen(text), &root, NULL), IOTPKI_OK);
	struct all all = { 0 };
	assert_int_equal(json_fields(root, all_fields, ARRAY_LEN(all_fields), &all, NULL),
			 IOTPKI_OK);
	assert_string_equal(all.text, "ab");
	assert_int_equal(all.number, -3);
	assert_true(all.flag);
	assert_int_equal(all.hash[1], 0x11);
	assert_int_equal(all.hash[31], 0xff);

	assert_true(json_is_null_value(json_member(all.object, "k")));
	assert_false(json_is_null_value(all.array));
	assert_null(json_member(all.object, "other"));
	assert_null(json_member(all.array, "k"));
	assert_null(json_member(NULL, "k"));
	assert_non_null(json_element(all.array, 1));
	assert_null(json_element(all.array, 2));
	assert_null(json_element(all.object, 0));

	CLEANUP(buf_done) struct buf buf = BUF_INIT(64);
	assert_int_equal(json_write(all.array, &buf), IOTPKI_OK);
	assert_string_equal(buf_text(&buf), "[7,{\"s\":\"\xc3\xa9\\n\"}]");
	buf_clear(&buf);
	assert_int_equal(json_write(json_element(all.array, 0), &buf), IOTPKI_OK);
	assert_string_equal(buf_text(&buf), "7");

	CLEANUP(buf_done) struct buf small = BUF_INIT(3);
	assert_int_equal(json_write(all.array, &small), IOTPKI_ERR_LIMIT);
}

static void writing_text(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "\"\"" },
		{ "iot:a", "\"iot:a\"" },
		{ "a\"b\\c\n\x01", "\"a\\\"b\\\\c\\u000a\\u0001\"" },
		{ "\xc3\xa9\x7f", "\"\xc3\xa9\x7f\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf buf = BUF_INIT(128);
		json_put_text(&buf, rows[i].text);
		assert_int_equal(buf_error(&buf), IOTPKI_OK);
		if (strcmp(buf_text(&buf), rows[i].want) != 0)
			fail_msg("row %zu: %s", i, buf_text(&buf));

		/* What is written reads back as the same text. */
		char array[160];
		(void)snprintf(array, sizeof(array), "{\"t\":%s}", buf_text(&buf));
		CLEANUP(json_release) struct json_t *root = NULL;
		assert_int_equal(read_text(array, strlen(array), &root, NULL), IOTPKI_OK);
		const char *back = NULL;
		const struct json_field field = { "t", JSON_TEXT, false, 0, 100, 0 };
		assert_int_equal(json_fields(root, &field, 1, &back, NULL), IOTPKI_OK);
		assert_string_equal(back, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),      cmocka_unit_test(raw_nul),
		cmocka_unit_test(caps),         cmocka_unit_test(place_of_an_error),
		cmocka_unit_test(members),      cmocka_unit_test(values),
		cmocka_unit_test(writing_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
