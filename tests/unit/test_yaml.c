/* The strict reader: every class of hostile YAML (Y01 to Y23) is refused where it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "format/yaml.h"

/* Reads to the end; every event is looked at. */
static enum iotpki_err scan(const char *text, size_t len, size_t cap, struct iotpki_detail *detail)
{
	struct yaml_memory memory = { text, len, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	enum iotpki_err err = yaml_open(&source, cap, &reader);
	struct yaml_event event = { .kind = YAML_SCALAR };
	while (err == IOTPKI_OK && event.kind != YAML_DONE)
		err = yaml_next(reader, &event, detail);
	return err;
}

struct row {
	const char *name;
	const char *text;
	size_t len;                /* 0: a string */
	unsigned int line, column; /* line 0: good */
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct iotpki_detail detail = { 0 };
		const size_t len = rows[i].len > 0 ? rows[i].len : strlen(rows[i].text);
		const enum iotpki_err err = scan(rows[i].text, len, 1 << 20, &detail);
		if ((err == IOTPKI_OK) != (rows[i].line == 0))
			fail_msg("%s: %d %s", rows[i].name, err, detail.message);
		if (err != IOTPKI_OK &&
		    (detail.line != rows[i].line || detail.column != rows[i].column))
			fail_msg("%s: at %u:%u, not %u:%u: %s", rows[i].name, detail.line,
				 detail.column, rows[i].line, rows[i].column, detail.message);
	}
}

static void hostile_rows(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "good", "a: 1\nb: [x, y]\nc: {d: e}\n", 0, 0, 0 },
		{ "Y01 alias bomb", "a: &a [lol, lol]\nb: [*a, *a]\n", 0, 1, 4 },
		{ "Y02 alias of itself", "a: &a [*a]\n", 0, 1, 4 },
		{ "Y02 alias without anchor", "a: *b\n", 0, 1, 4 },
		{ "Y03 anchor of a scalar", "a: 1\nb: &x 2\n", 0, 2, 4 },
		{ "Y03 anchor of a mapping", "&x {a: 1}\n", 0, 1, 1 },
		{ "Y03 merge", "a: {b: 1}\nc:\n  <<: *a\n", 0, 3, 7 },
		{ "Y04 tag", "a: !!binary aGk=\n", 0, 1, 4 },
		{ "Y04 own tag", "a: !x 1\n", 0, 1, 4 },
		{ "Y04 the non-specific tag", "a: ! 1\n", 0, 1, 4 },
		{ "Y04 tag of a mapping", "a: !!python/object {}\n", 0, 1, 4 },
		{ "Y04 tag of a sequence", "a: !!seq []\n", 0, 1, 4 },
		{ "Y04 verbatim tag", "a: !<tag:yaml.org,2002:str> b\n", 0, 1, 4 },
		{ "Y04 %TAG", "%TAG ! tag:x,2000:\n---\na: 1\n", 0, 1, 1 },
		{ "Y04 %YAML", "%YAML 1.1\n---\na: 1\n", 0, 1, 1 },
		{ "Y05 deep flow", "a: [[[[[[[[1]]]]]]]]\n", 0, 1, 11 },
		{ "Y05 as deep as may be", "a: [[[[[[[1]]]]]]]\n", 0, 0, 0 },
		{ "Y09 two documents", "a: 1\n---\nb: 1\n", 0, 2, 1 },
		{ "Y09 after the end mark", "a: 1\n...\n---\nb: 1\n", 0, 3, 1 },
		{ "Y09 marked begin and end", "---\na: 1\n...\n", 0, 0, 0 },
		{ "Y11 byte order mark",
		  "\xef\xbb\xbf"
		  "a: 1\n",
		  0, 0, 0 },
		{ "Y11 byte order mark later",
		  "a: 1\n\xef\xbb\xbf"
		  "b: 1\n",
		  0, 2, 1 },
		{ "Y11 two byte order marks",
		  "\xef\xbb\xbf\xef\xbb\xbf"
		  "a: 1\n",
		  0, 1, 1 },
		{ "Y11 UTF-16 LE",
		  "\xff\xfe"
		  "a\0:\0 \0001\0",
		  10, 1, 1 },
		{ "Y11 UTF-16 BE", "\xfe\xff\0a\0:\0 \0001", 10, 1, 1 },
		{ "Y11 UTF-16 without mark", "a\0:\0 \0001\0", 8, 1, 2 },
		{ "Y12 NUL", "a: b\0c\n", 7, 1, 5 },
		{ "Y12 NUL escaped", "a: \"b\\0\"\n", 0, 1, 4 },
		{ "Y12 NUL by code", "a: \"b\\u0000\"\n", 0, 1, 4 },
		{ "Y12 NUL in a comment", "a: 1 #\0\n", 8, 1, 7 },
		{ "Y13 overlong", "a: \xc0\xaf\n", 0, 1, 4 },
		{ "Y13 lone continuation", "a: x\x80\n", 0, 1, 5 },
		{ "Y13 cut character", "a: \xe2\x82", 0, 1, 4 },
		{ "Y13 lone surrogate", "a: \xed\xa0\x80\n", 0, 1, 4 },
		{ "Y13 surrogate escaped", "a: \"\\ud800\"\n", 0, 1, 7 },
		{ "Y13 beyond Unicode", "a: \xf4\x90\x80\x80\n", 0, 1, 4 },
		{ "Y13 C0", "a: \x01\n", 0, 1, 4 },
		{ "Y13 DEL", "a: \x7f\n", 0, 1, 4 },
		{ "Y13 C1", "a: \xc2\x85\n", 0, 1, 4 },
		{ "Y13 line separator", "# x\xe2\x80\xa8y\na: 1\n", 0, 1, 4 },
		{ "Y13 bidirectional override", "a: \"\xe2\x80\xae x\"\n", 0, 1, 5 },
		{ "Y13 bidirectional escaped", "a: \"\\u202e\"\n", 0, 1, 4 },
		{ "Y13 zero width", "a: x\xe2\x80\x8by\n", 0, 1, 5 },
		{ "Y13 good letters", "a: \xc3\xa9t\xc3\xa9 # \xe6\x97\xa5\n", 0, 0, 0 },
		{ "Y14 tab as indentation", "a:\n\tb: 1\n", 0, 2, 1 },
		{ "Y14 CRLF", "a: 1\r\nb: 2\r\n", 0, 0, 0 },
		{ "Y14 CR alone", "a: 1\rb: 2\n", 0, 1, 6 },
		{ "Y14 CR at the end", "a: 1\r", 0, 1, 6 },
		{ "Y14 no last line feed", "a: 1", 0, 0, 0 },
		{ "cut quotes", "a: \"b", 0, 1, 6 },
		{ "cut flow", "a: [b", 0, 2, 1 },
	};
	check_rows(rows, ARRAY_LEN(rows));
}

/* Big inputs that are made, not written. */
static void size_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *head, *body, *tail;
		size_t count;
		size_t cap;
		enum iotpki_err want;
	} rows[] = {
		{ "Y04 tag of 64 KiB", "a: !<", "x", "> b\n", 65536, 1 << 20, IOTPKI_ERR_SYNTAX },
		{ "Y05 20,000 brackets", "a: ", "[", "\n", 20000, 1 << 20, IOTPKI_ERR_LIMIT },
		{ "Y06 1,000 question marks", "", "? ", "\n", 1000, 1 << 20, IOTPKI_ERR_LIMIT },
		{ "Y21 scalar of 16 KiB", "a: ", "x", "\n", 16384, 1 << 20, IOTPKI_OK },
		{ "Y21 one more byte", "a: ", "x", "\n", 16385, 1 << 20, IOTPKI_ERR_LIMIT },
		{ "Y21 1 MiB plain over lines", "a: ", "xxxxxxx\n ", "\n", 120000, 1 << 21,
		  IOTPKI_ERR_LIMIT },
		{ "Y21 endless scalar stops early", "a: ", "xxxxxxxxxxxxxxx\n ", "\n", 300000,
		  1 << 30, IOTPKI_ERR_LIMIT },
		{ "Y21 endless comment", "a: 1\n", "# xxxxxxxxxxxxx\n", "b: 1\n", 100000, 1 << 30,
		  IOTPKI_ERR_LIMIT },
		{ "cap", "", "# xx\n", "a: 1\n", 20, 100, IOTPKI_ERR_LIMIT },
		{ "cap exactly", "", "# xx\n", "a: 1\n", 19, 100, IOTPKI_OK },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(64 << 20);
		(void)buf_puts(&text, rows[i].head);
		for (size_t n = 0; n < rows[i].count; n++)
			(void)buf_puts(&text, rows[i].body);
		(void)buf_puts(&text, rows[i].tail);
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err = scan(buf_text(&text), text.len, rows[i].cap, &detail);
		if (err != rows[i].want)
			fail_msg("%s: %d %s", rows[i].name, err, detail.message);
		if (err != IOTPKI_OK && (detail.line == 0 || detail.column == 0))
			fail_msg("%s: no place", rows[i].name);
	}
}

static void deep_block(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(4 << 20);
	for (size_t i = 0; i < 1000; i++) {
		for (size_t n = 0; n < i; n++)
			(void)buf_putc(&text, ' ');
		(void)buf_puts(&text, "a:\n");
	}
	struct iotpki_detail detail = { 0 };
	assert_int_equal(scan(buf_text(&text), text.len, 4 << 20, &detail), IOTPKI_ERR_LIMIT);
	assert_int_equal(detail.line, YAML_DEPTH_MAX + 1);
	assert_int_equal(detail.column, YAML_DEPTH_MAX + 1);
}

/* A document with a table of every kind of value. */
struct target {
	bool yes;
	uint64_t number;
	char text[16];
	size_t pairs, items;
};

static enum iotpki_err read_yes(struct yaml_reader *reader, const struct yaml_event *value,
				const struct yaml_key *key, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	return yaml_bool(value, &((struct target *)target)->yes, detail);
}

static enum iotpki_err read_number(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)reader;
	return yaml_uint(value, key->min, key->max, &((struct target *)target)->number, detail);
}

static enum iotpki_err read_text(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct target *out = target;
	const enum iotpki_err err = yaml_text(value, sizeof(out->text) - 1, "a text", detail);
	if (err == IOTPKI_OK)
		memcpy(out->text, value->text, value->len + 1);
	return err;
}

static enum iotpki_err read_item(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	((struct target *)target)->items++;
	return read_text(reader, value, key, target, detail);
}

static enum iotpki_err read_items(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, void *target,
				  struct iotpki_detail *detail)
{
	return yaml_sequence(reader, value, read_item, key, target, "texts", detail);
}

static enum iotpki_err read_pair(struct yaml_reader *reader, const struct yaml_event *key,
				 const struct yaml_event *value, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	if (strcmp(key->text, value->text) != 0)
		return yaml_refuse(value, detail, "is not its key");
	((struct target *)target)->pairs++;
	return IOTPKI_OK;
}

static enum iotpki_err read_pairs(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, void *target,
				  struct iotpki_detail *detail)
{
	(void)key;
	return yaml_pairs(reader, value, 4, read_pair, target, detail);
}

static const struct yaml_key keys[] = {
	{ .name = "yes", .read = read_yes, .required = true },
	{ .name = "number", .read = read_number, .min = 1, .max = 100 },
	{ .name = "text", .read = read_text },
	{ .name = "items", .read = read_items },
	{ .name = "pairs", .read = read_pairs },
};

static enum iotpki_err read_document(const char *text, struct target *target,
				     struct iotpki_detail *detail)
{
	struct yaml_memory memory = { text, strlen(text), 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	const enum iotpki_err err = yaml_open(&source, 1 << 20, &reader);
	if (err != IOTPKI_OK)
		return err;
	return yaml_document(reader, keys, ARRAY_LEN(keys), target, detail);
}

static void table_rows(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "all", "yes: yes\nnumber: 100\ntext: 'no'\nitems: [a, b]\npairs: {a: a, b: b}\n",
		  0, 0, 0 },
		{ "block style", "yes: no\nitems:\n  - a\n  - b\npairs:\n  a: a\n  b: b\n", 0, 0,
		  0 },
		{ "Y07 key twice", "yes: no\nyes: no\n", 0, 2, 1 },
		{ "Y07 key twice, quoted", "yes: no\n\"yes\": no\n", 0, 2, 1 },
		{ "Y10 empty", "", 0, 1, 1 },
		{ "Y10 comments", "# a\n# b\n", 0, 1, 1 },
		{ "Y10 null", "~\n", 0, 1, 1 },
		{ "Y10 list", "- a\n", 0, 1, 1 },
		{ "Y17 key missing", "\nnumber: 1\n", 0, 2, 1 },
		{ "Y18 unknown key", "yes: no\nyess: no\n", 0, 2, 1 },
		{ "key that is a list", "[a]: b\n", 0, 1, 1 },
		{ "key that is a mapping", "yes: no\n? {a: b}\n: c\n", 0, 2, 3 },
		{ "Y16 true", "yes: true\n", 0, 1, 6 },
		{ "Y16 on", "yes: on\n", 0, 1, 6 },
		{ "Y16 Yes", "yes: Yes\n", 0, 1, 6 },
		{ "Y16 quoted yes", "yes: \"yes\"\n", 0, 1, 6 },
		{ "Y16 nothing", "yes:\n", 0, 1, 5 },
		{ "Y15 octal", "yes: no\nnumber: 010\n", 0, 2, 9 },
		{ "Y15 hex", "yes: no\nnumber: 0x10\n", 0, 2, 9 },
		{ "Y15 sign", "yes: no\nnumber: +1\n", 0, 2, 9 },
		{ "Y15 sexagesimal", "yes: no\nnumber: 1:30\n", 0, 2, 9 },
		{ "Y15 underscore", "yes: no\nnumber: 1_0\n", 0, 2, 9 },
		{ "Y15 float", "yes: no\nnumber: 1.0\n", 0, 2, 9 },
		{ "Y15 quoted", "yes: no\nnumber: '1'\n", 0, 2, 9 },
		{ "number too small", "yes: no\nnumber: 0\n", 0, 2, 9 },
		{ "number too large", "yes: no\nnumber: 101\n", 0, 2, 9 },
		{ "text that is a list", "yes: no\ntext: [a]\n", 0, 2, 7 },
		{ "text too long", "yes: no\ntext: 0123456789abcdef\n", 0, 2, 7 },
		{ "text not ASCII", "yes: no\ntext: \xc3\xa9\n", 0, 2, 7 },
		{ "text of two lines", "yes: no\ntext: |\n  a\n  b\n", 0, 2, 7 },
		{ "list that is a text", "yes: no\nitems: a\n", 0, 2, 8 },
		{ "pairs that are a text", "yes: no\npairs: a\n", 0, 2, 8 },
		{ "key of a pair too long", "yes: no\npairs: {abcde: abcde}\n", 0, 2, 9 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct target target = { 0 };
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err = read_document(rows[i].text, &target, &detail);
		if ((err == IOTPKI_OK) != (rows[i].line == 0))
			fail_msg("%s: %d %s", rows[i].name, err, detail.message);
		if (detail.line != rows[i].line || detail.column != rows[i].column)
			fail_msg("%s: at %u:%u: %s", rows[i].name, detail.line, detail.column,
				 detail.message);
		if (err == IOTPKI_OK && (target.items != 2 || target.pairs != 2))
			fail_msg("%s: %zu items, %zu pairs", rows[i].name, target.items,
				 target.pairs);
	}
}

static void marks_and_styles(void **state)
{
	(void)state;
	static const char text[] = "a: [x, 'y z']\n# caf\xc3\xa9\nb: \xc3\xa9x\n";
	static const struct {
		enum yaml_kind kind;
		unsigned int line, column, end_line, end_column;
		bool plain;
		const char *text;
	} want[] = {
		{ YAML_MAPPING, 1, 1, 1, 1, false, NULL },
		{ YAML_SCALAR, 1, 1, 1, 2, true, "a" },
		{ YAML_SEQUENCE, 1, 4, 1, 5, false, NULL },
		{ YAML_SCALAR, 1, 5, 1, 6, true, "x" },
		{ YAML_SCALAR, 1, 8, 1, 13, false, "y z" },
		{ YAML_END, 1, 13, 1, 14, false, NULL },
		{ YAML_SCALAR, 3, 1, 3, 2, true, "b" },
		{ YAML_SCALAR, 3, 4, 3, 6, true, "\xc3\xa9x" },
		{ YAML_END, 4, 1, 4, 1, false, NULL },
		{ YAML_DONE, 4, 1, 4, 1, false, NULL },
	};
	struct yaml_memory memory = { text, sizeof(text) - 1, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	assert_int_equal(yaml_open(&source, sizeof(text), &reader), IOTPKI_OK);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct yaml_event event;
		struct iotpki_detail detail;
		if (yaml_next(reader, &event, &detail) != IOTPKI_OK)
			fail_msg("event %zu: %s", i, detail.message);
		if (event.kind != want[i].kind || event.start.line != want[i].line ||
		    event.start.column != want[i].column || event.end.line != want[i].end_line ||
		    event.end.column != want[i].end_column || event.plain != want[i].plain)
			fail_msg("event %zu: kind %d %u:%u-%u:%u", i, (int)event.kind,
				 event.start.line, event.start.column, event.end.line,
				 event.end.column);
		if (want[i].text != NULL)
			assert_string_equal(event.text, want[i].text);
	}
}

static enum iotpki_err fail_read(void *context, uint8_t *out, size_t size, size_t *got,
				 struct iotpki_detail *detail)
{
	(void)context;
	(void)out;
	(void)size;
	(void)got;
	return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "the disk is gone");
}

static void source_error(void **state)
{
	(void)state;
	const struct yaml_source source = { fail_read, NULL };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	assert_int_equal(yaml_open(&source, 100, &reader), IOTPKI_OK);
	struct yaml_event event;
	struct iotpki_detail detail = { 0 };
	assert_int_equal(yaml_next(reader, &event, &detail), IOTPKI_ERR_IO);
	assert_string_equal(detail.message, "the disk is gone");
	yaml_close(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_rows),     cmocka_unit_test(size_rows),
		cmocka_unit_test(deep_block),       cmocka_unit_test(table_rows),
		cmocka_unit_test(marks_and_styles), cmocka_unit_test(source_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
