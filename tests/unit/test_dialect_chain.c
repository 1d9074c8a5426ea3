/*
 * Emercoin and Namecoin: every kind of answer to the batch of name_show and
 * getblockchaininfo, and the one outcome that it is (security.md 3.2, J01 to J16).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nvs/dialect_parts.h"

#define ID "00112233445566778899aabbccddeeff"
#define HASH_A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define HASH_B "e42f4c0fdf666194fb9434e7946aabfebbf89820482fb0893b9595d832fd9a58"
#define JSON "application/json"
#define ASKED INT64_C(1795333900)
#define TIP_TIME INT64_C(1795334000)

#define REGISTERED IOTPKI_OUTCOME_REGISTERED
#define REVOKED IOTPKI_OUTCOME_REVOKED
#define EXPIRED IOTPKI_OUTCOME_EXPIRED
#define UNREGISTERED IOTPKI_OUTCOME_UNREGISTERED
#define NOT_READY IOTPKI_OUTCOME_NOT_READY
#define UNREACHABLE IOTPKI_OUTCOME_UNREACHABLE
#define UNAUTHORIZED IOTPKI_OUTCOME_UNAUTHORIZED
#define MALFORMED IOTPKI_OUTCOME_MALFORMED

enum { E, N, CHAINS };

static const struct config_node nodes[CHAINS] = {
	[E] = { .name = "e", .type = CONFIG_NODE_EMERCOIN, .network = 1, .min_confirmations = 1 },
	[N] = { .name = "n", .type = CONFIG_NODE_NAMECOIN, .network = 2, .min_confirmations = 1 },
};
static const char *const names[CHAINS][2] = { { "iot:a", "iot:b" }, { "iot/a", "iot/b" } };
static const struct dialect_question questions[CHAINS] = {
	[E] = { &nodes[E], ID, names[E], 1, ASKED, NULL },
	[N] = { &nodes[N], ID, names[N], 1, ASKED, NULL },
};

/* A valid answer in pieces, so that each can be left out or replaced. */
enum part { NAME_FRAME, NAME, TIP_FRAME, TIP };
static const struct piece {
	int chain;
	enum part part;
	const char *key, *value;
	bool optional;
} pieces[] = {
	{ E, NAME_FRAME, "id", "\"" ID "-0\"", false },
	{ E, NAME_FRAME, "error", "null", true },
	{ E, NAME, "name", "\"iot:a\"", false },
	{ E, NAME, "value", "\"sha256=" HASH_A "\"", false },
	{ E, NAME, "txid", "\"" HASH_B "\"", false },
	{ E, NAME, "expires_in", "100", false },
	{ E, NAME, "expires_at", "1100", false },
	{ E, NAME, "time", "1795333000", false },
	{ E, TIP_FRAME, "id", "\"" ID "-1\"", false },
	{ E, TIP_FRAME, "error", "null", true },
	{ E, TIP, "blocks", "1000", false },
	{ E, TIP, "mediantime", "1795334000", false },
	{ E, TIP, "initialblockdownload", "false", false },
	{ N, NAME_FRAME, "jsonrpc", "\"2.0\"", true },
	{ N, NAME_FRAME, "id", "\"" ID "-0\"", false },
	{ N, NAME, "name", "\"iot/a\"", false },
	{ N, NAME, "value", "\"sha256=" HASH_A "\"", false },
	{ N, NAME, "txid", "\"" HASH_B "\"", false },
	{ N, NAME, "height", "900", false },
	{ N, NAME, "expires_in", "100", false },
	{ N, NAME, "expired", "false", false },
	{ N, TIP_FRAME, "id", "\"" ID "-1\"", false },
	{ N, TIP, "blocks", "1000", false },
	{ N, TIP, "time", "1795334000", false },
	{ N, TIP, "mediantime", "1795333500", false },
	{ N, TIP, "initialblockdownload", "false", false },
};

#define UNCHANGED SIZE_MAX

static void put_part(struct buf *buf, int chain, enum part part, size_t changed, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		const char *text = i == changed ? value : pieces[i].value;
		if (pieces[i].chain == chain && pieces[i].part == part && text != NULL)
			(void)buf_printf(buf, "\"%s\":%s,", pieces[i].key, text);
	}
}

/** The valid batch with one piece replaced; value NULL leaves it out. */
static void build(struct buf *buf, int chain, size_t changed, const char *value)
{
	buf_clear(buf);
	(void)buf_puts(buf, "[{");
	put_part(buf, chain, NAME_FRAME, changed, value);
	(void)buf_puts(buf, "\"result\":{");
	put_part(buf, chain, NAME, changed, value);
	(void)buf_puts(buf, "\"address\":\"x\"}},{");
	put_part(buf, chain, TIP_FRAME, changed, value);
	(void)buf_puts(buf, "\"result\":{");
	put_part(buf, chain, TIP, changed, value);
	(void)buf_puts(buf, "\"chain\":\"main\"}}]");
	assert_int_equal(buf_error(buf), IOTPKI_OK);
}

static size_t find_piece(int chain, enum part part, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		if (pieces[i].chain == chain && pieces[i].part == part &&
		    strcmp(pieces[i].key, key) == 0)
			return i;
	}
	fail_msg("no piece %s", key);
	return UNCHANGED;
}

/** Nothing of an answer stands in one that is none, and only REGISTERED asks for a life. */
static void check_filled(int chain, const struct dialect_shown *shown)
{
	const struct iotpki_answer *answer = &shown->answer;
	struct iotpki_answer empty;
	assert_int_equal(answer->network, nodes[chain].network);
	assert_int_equal(answer->asked_s, ASKED);
	assert_int_equal(answer->max_tip_age_s, 14400);
	assert_int_not_equal(answer->outcome, IOTPKI_OUTCOME_PENDING);
	assert_int_not_equal(answer->outcome, IOTPKI_OUTCOME_STALE);
	assert_int_equal(shown->needs_life, answer->outcome == REGISTERED);
	assert_true(answer->outcome == NOT_READY || shown->hint == NULL);
	if (answer->outcome <= UNREGISTERED) {
		assert_int_equal(answer->tip_s, TIP_TIME);
		assert_int_equal(answer->tip_height, 1000);
		return;
	}
	dialect_no_answer(&nodes[chain], ASKED, answer->outcome, &empty);
	assert_memory_equal(answer->record.sha256, empty.record.sha256, IOTPKI_SHA256_LEN);
	assert_memory_equal(answer->txid, empty.txid, sizeof(empty.txid));
	assert_int_equal(answer->ends_s, 0);
	assert_int_equal(answer->tip_s, 0);
	assert_int_equal(answer->tip_height, 0);
}

static struct dialect_shown ask(int chain, long status, const char *type, const char *body,
				size_t len)
{
	/* An exact copy, so that a sanitizer sees a byte read beyond it. */
	AUTO_FREE char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, body, len);
	const struct dialect_http http = { status, type, copy, len };
	struct dialect_shown shown;
	struct iotpki_detail detail = { 0 };
	dialect_answer(&questions[chain], &http, &shown, &detail);
	check_filled(chain, &shown);
	return shown;
}

static enum iotpki_outcome judge(int chain, const struct buf *body)
{
	return ask(chain, 200, JSON, buf_text(body), body->len).answer.outcome;
}

static void valid_answers(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (int chain = 0; chain < CHAINS; chain++) {
		build(&buf, chain, UNCHANGED, NULL);
		const struct dialect_shown shown = ask(chain, 200, JSON, buf_text(&buf), buf.len);
		const struct iotpki_answer *answer = &shown.answer;
		static const uint8_t no_registration[IOTPKI_SHA256_LEN];
		assert_int_equal(answer->outcome, REGISTERED);
		assert_int_equal(answer->record.sha256[0], 0x9f);
		assert_int_equal(answer->txid[0], 0xe4);
		assert_memory_equal(answer->registration, no_registration, sizeof(no_registration));
		assert_int_equal(answer->ends_s, TIP_TIME + 100 * (chain == E ? 493 : 600));
		assert_int_equal(shown.height, chain == E ? 0 : 900);
		assert_false(shown.unreadable);
	}
}

static void truncated_everywhere(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (int chain = 0; chain < CHAINS; chain++) {
		build(&buf, chain, UNCHANGED, NULL);
		for (size_t len = 0; len < buf.len; len++) {
			const struct dialect_shown shown =
				ask(chain, 200, JSON, buf_text(&buf), len);
			if (shown.answer.outcome != MALFORMED)
				fail_msg("J01: chain %d cut at %zu: %d", chain, len,
					 (int)shown.answer.outcome);
			assert_true(shown.unreadable);
		}
	}
}

static void each_piece_left_out_or_of_another_type(void **state)
{
	(void)state;
	static const char *const others[] = { "null", "true", "0",     "-1",
					      "1.0",  "\"\"", "\"0\"", "[]",
					      "{}",   "[1]",  "1e2",   "9223372036854775808" };
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		const int chain = pieces[i].chain;
		build(&buf, chain, i, NULL);
		const enum iotpki_outcome got = judge(chain, &buf);
		if (got != (pieces[i].optional ? REGISTERED : MALFORMED))
			fail_msg("without %s: outcome %d", pieces[i].key, (int)got);
		for (size_t j = 0; j < ARRAY_LEN(others); j++) {
			build(&buf, chain, i, others[j]);
			const enum iotpki_outcome outcome = judge(chain, &buf);
			/* A bool or a number of the right type says what it says; never an excuse. */
			const bool good = outcome == MALFORMED ||
					  (strcmp(pieces[i].key, "jsonrpc") == 0 && j < 11) ||
					  (strcmp(pieces[i].key, "error") == 0 && j == 0) ||
					  (outcome == EXPIRED && j >= 1 && j <= 3) ||
					  (outcome == NOT_READY && j == 1);
			if (!good)
				fail_msg("%s = %s: outcome %d", pieces[i].key, others[j],
					 (int)outcome);
		}
	}
}

struct altered {
	const char *name;
	int chain;
	enum part part;
	const char *key, *value;
	enum iotpki_outcome want;
};

static void check_altered(const struct altered *rows, size_t count)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT(256 * 1024);
	for (size_t i = 0; i < count; i++) {
		const struct altered *row = &rows[i];
		build(&buf, row->chain, find_piece(row->chain, row->part, row->key), row->value);
		const enum iotpki_outcome got = judge(row->chain, &buf);
		if (got != row->want)
			fail_msg("row %zu: %s: outcome %d", i, row->name, (int)got);
	}
}

static void altered_members(void **state)
{
	(void)state;
	static const struct altered rows[] = {
		{ "J03 twice", E, NAME, "value", "\"x\",\"value\":\"y\"", MALFORMED },
		{ "J03 twice in the tip", E, TIP, "blocks", "1000,\"blocks\":1000", MALFORMED },
		{ "J03 twice, not read", N, NAME, "value", "\"sha256=" HASH_A "\",\"x\":1,\"x\":1",
		  MALFORMED },
		{ "J05 value an object", E, NAME, "value", "{\"value\":\"sha256=" HASH_A "\"}",
		  MALFORMED },
		{ "J06 2^63", E, NAME, "expires_in", "9223372036854775808", MALFORMED },
		{ "J06 2^31", N, NAME, "expires_in", "2147483648", MALFORMED },
		{ "J06 -0", N, NAME, "expires_in", "-0", MALFORMED },
		{ "J06 1e999", N, TIP, "blocks", "1e999", MALFORMED },
		{ "J06 400 digits", N, TIP, "time", "11111111111111111111111111111111111111111",
		  MALFORMED },
		{ "J09 another name", E, NAME, "name", "\"iot:b\"", MALFORMED },
		{ "J09 name in other case", E, NAME, "name", "\"IOT:a\"", MALFORMED },
		{ "J09 the other chain's prefix", N, NAME, "name", "\"iot:a\"", MALFORMED },
		{ "J11 expired and not", E, NAME, "time", "1795333000,\"expired\":true", EXPIRED },
		{ "J11 expired: false, but over", N, NAME, "expires_in", "0", EXPIRED },
		{ "J11 long over", N, NAME, "expires_in", "-2147483648", EXPIRED },
		{ "expired: true, but not over", N, NAME, "expired", "true", EXPIRED },
		{ "J11 deleted with a value", E, NAME, "time", "1795333000,\"deleted\":true",
		  REVOKED },
		{ "not deleted", E, NAME, "time", "1795333000,\"deleted\":false", REGISTERED },
		{ "J12 hash in upper case", E, NAME, "value",
		  "\"sha256="
		  "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
		  "\"",
		  MALFORMED },
		{ "J12 txid with 0x", N, NAME, "txid", "\"0x" HASH_B "\"", MALFORMED },
		{ "J12 txid of 63", N, NAME, "txid",
		  "\"42f4c0fdf666194fb9434e7946aabfebbf89820482fb0893b9595d832fd9a58\"",
		  MALFORMED },
		{ "J13 newline in value", E, NAME, "value", "\"sha256=" HASH_A "\\n\"", MALFORMED },
		{ "J13 NUL in value", E, NAME, "value", "\"sha256=" HASH_A "\\u0000\"", MALFORMED },
		{ "J13 lone surrogate", E, NAME, "value", "\"\\ud800\"", MALFORMED },
		{ "J13 not UTF-8", N, NAME, "value", "\"\xff\"", MALFORMED },
		{ "no record", E, NAME, "value", "\"hello\"", MALFORMED },
		{ "record after a space", E, NAME, "value", "\" sha256=" HASH_A "\"", MALFORMED },
		{ "revoked", E, NAME, "value", "\"sha256=" HASH_A "|status=revoked\"", REVOKED },
		{ "revoked", N, NAME, "value", "\"status=revoked|sha256=" HASH_A "\"", REVOKED },
		{ "revoked, no record else", N, NAME, "value", "\"status=revoked\"", REVOKED },
		{ "revoked, carelessly", N, NAME, "value", "\"sha256=" HASH_A "| status=revoked \"",
		  REVOKED },
		{ "another status", N, NAME, "value", "\"sha256=" HASH_A "|status=fine\"",
		  MALFORMED },
		{ "the word inside another field", N, NAME, "value",
		  "\"sha256=" HASH_A "|note=status=revoked\"", REGISTERED },
		{ "height beyond the tip", N, NAME, "height", "1001", MALFORMED },
		{ "height of the tip", N, NAME, "height", "1000", REGISTERED },
		{ "end far from the tip", E, NAME, "expires_at", "1201", MALFORMED },
		{ "end a little from the tip: blocks came between", E, NAME, "expires_at", "1099",
		  REGISTERED },
		{ "end before the tip", E, NAME, "expires_at", "999", MALFORMED },
		{ "downloading", E, TIP, "initialblockdownload", "true", NOT_READY },
		{ "downloading", N, TIP, "initialblockdownload", "true", NOT_READY },
		{ "median after the newest", N, TIP, "mediantime", "1795334001", MALFORMED },
		{ "time of the year 10000", N, TIP, "time", "253402300800", MALFORMED },
		{ "no block", E, TIP, "blocks", "0", MALFORMED },
		{ "J09 id of another question", E, NAME_FRAME, "id",
		  "\"00112233445566778899aabbccddeefe-0\"", MALFORMED },
		{ "J09 id without index", E, NAME_FRAME, "id", "\"" ID "\"", MALFORMED },
		{ "J09 id of the tip twice", E, NAME_FRAME, "id", "\"" ID "-1\"", MALFORMED },
		{ "J09 id beyond", N, NAME_FRAME, "id", "\"" ID "-2\"", MALFORMED },
		{ "J09 id with a zero", N, NAME_FRAME, "id", "\"" ID "-00\"", MALFORMED },
		{ "J09 id with more", N, NAME_FRAME, "id", "\"" ID "-0x\"", MALFORMED },
		{ "J09 id a number", N, NAME_FRAME, "id", "1", MALFORMED },
		{ "J09 id null", N, NAME_FRAME, "id", "null", MALFORMED },
		{ "J09 id of 2^64", N, NAME_FRAME, "id", "\"" ID "-18446744073709551616\"",
		  MALFORMED },
		{ "J08 error too", E, NAME_FRAME, "error", "{\"code\":-4,\"message\":\"\"}",
		  MALFORMED },
		{ "J08 error too, of the tip", E, TIP_FRAME, "error", "\"no\"", MALFORMED },
		{ "jsonrpc is not looked at", N, NAME_FRAME, "jsonrpc", "[1.5]", REGISTERED },
	};
	check_altered(rows, ARRAY_LEN(rows));
}

static void long_values(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(256 * 1024);
	CLEANUP(buf_done) struct buf value = BUF_INIT(256 * 1024);
	static const struct {
		size_t len;
		enum iotpki_outcome want;
		bool unreadable;
	} rows[] = {
		{ 520 - 71 - 3, REGISTERED, false },
		{ 521 - 71 - 3, MALFORMED, false },
		{ 20 * 1024, MALFORMED, false },
		{ 64 * 1024, MALFORMED, true }, /* over the cap of the answer */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&value);
		(void)buf_puts(&value, "\"sha256=" HASH_A "|x=");
		for (size_t j = 0; j < rows[i].len; j++)
			(void)buf_putc(&value, 'v');
		(void)buf_puts(&value, "\"");
		build(&buf, E, find_piece(E, NAME, "value"), buf_text(&value));
		const struct dialect_shown shown = ask(E, 200, JSON, buf_text(&buf), buf.len);
		assert_int_equal(shown.answer.outcome, rows[i].want);
		assert_int_equal(shown.unreadable, rows[i].unreadable);
	}
}

/** The end saturates, and counts from the later of tip and question. */
static void ends(void **state)
{
	(void)state;
	static const struct {
		int64_t asked_s;
		const char *expires_in;
		int64_t want_s;
	} rows[] = {
		{ 0, "1", TIP_TIME + 600 },
		{ -5, "1", TIP_TIME + 600 },
		{ TIP_TIME + 7, "1", TIP_TIME + 607 },
		{ JSON_TIME_MAX + 1, "1", JSON_TIME_MAX },
		{ INT64_MAX, "2147483647", JSON_TIME_MAX },
		{ 0, "2147483647", JSON_TIME_MAX },
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		build(&buf, N, find_piece(N, NAME, "expires_in"), rows[i].expires_in);
		const struct dialect_http http = { 200, JSON, buf_text(&buf), buf.len };
		struct dialect_question question = questions[N];
		struct dialect_shown shown;
		question.asked_s = rows[i].asked_s;
		dialect_answer(&question, &http, &shown, NULL);
		assert_int_equal(shown.answer.outcome, REGISTERED);
		if (shown.answer.ends_s != rows[i].want_s)
			fail_msg("row %zu: %lld", i, (long long)shown.answer.ends_s);
	}
}

/* ---- batches ---- */

#define UNKNOWN "{\"error\":{\"code\":-4,\"message\":\"failed to read from name DB\"},\"id\":\"" ID
#define GONE                                                                                     \
	"{\"result\":{\"name\":\"iot:b\",\"value\":\"\",\"txid\":\"" HASH_B                      \
	"\",\"expires_in\":-1000,\"expires_at\":0,\"time\":1795333000,\"deleted\":true},\"id\":" \
	"\"" ID
#define TIP_OF                                                                                    \
	"{\"result\":{\"blocks\":1000,\"mediantime\":1795334000,\"initialblockdownload\":false}," \
	"\"id\":\"" ID

static void batches(void **state)
{
	(void)state;
	static const struct {
		const char *name, *body;
		enum iotpki_outcome first, second;
		bool unreadable;
	} rows[] = {
		{ "in order", "[" UNKNOWN "-0\"}," GONE "-1\"}," TIP_OF "-2\"}]", UNREGISTERED,
		  REVOKED, false },
		{ "tip first", "[" TIP_OF "-2\"}," GONE "-1\"}," UNKNOWN "-0\"}]", UNREGISTERED,
		  REVOKED, false },
		{ "J09 names exchanged", "[" UNKNOWN "-1\"}," GONE "-0\"}," TIP_OF "-2\"}]",
		  MALFORMED, UNREGISTERED, false },
		{ "J09 an index with a zero", "[" UNKNOWN "-00\"}," GONE "-1\"}," TIP_OF "-2\"}]",
		  MALFORMED, MALFORMED, true },
		{ "one missing", "[" UNKNOWN "-0\"}," TIP_OF "-2\"}]", MALFORMED, MALFORMED, true },
		{ "tip missing", "[" UNKNOWN "-0\"}," GONE "-1\"}]", MALFORMED, MALFORMED, true },
		{ "one twice", "[" UNKNOWN "-0\"}," UNKNOWN "-0\"}," TIP_OF "-2\"}]", MALFORMED,
		  MALFORMED, true },
		{ "one too many",
		  "[" UNKNOWN "-0\"}," GONE "-1\"}," TIP_OF "-2\"}," TIP_OF "-3\"}]", MALFORMED,
		  MALFORMED, true },
		{ "a foreign one too many",
		  "[" UNKNOWN "-0\"}," GONE "-1\"}," TIP_OF "-2\"},{\"id\":1}]", MALFORMED,
		  MALFORMED, true },
		{ "J15 not an array", UNKNOWN "-0\"}", MALFORMED, MALFORMED, true },
		{ "an object of the same", "{\"0\":" UNKNOWN "-0\"}}", MALFORMED, MALFORMED, true },
		{ "empty", "[]", MALFORMED, MALFORMED, true },
		{ "an element is no object", "[1," GONE "-1\"}," TIP_OF "-2\"}]", MALFORMED,
		  MALFORMED, true },
		{ "J02 trailing", "[" UNKNOWN "-0\"}," GONE "-1\"}," TIP_OF "-2\"}]x", MALFORMED,
		  MALFORMED, true },
		{ "J02 a second array", "[" UNKNOWN "-0\"}," GONE "-1\"}," TIP_OF "-2\"}][]",
		  MALFORMED, MALFORMED, true },
		{ "J02 byte order mark",
		  "\xef\xbb\xbf[" UNKNOWN "-0\"}," GONE "-1\"}," TIP_OF "-2\"}]", MALFORMED,
		  MALFORMED, true },
		{ "J03 id twice in one",
		  "[" UNKNOWN "-0\",\"id\":\"" ID "-0\"}," GONE "-1\"}," TIP_OF "-2\"}]", MALFORMED,
		  MALFORMED, true },
		{ "J08 one says nothing", "[{\"id\":\"" ID "-0\"}," GONE "-1\"}," TIP_OF "-2\"}]",
		  MALFORMED, REVOKED, false },
		{ "J08 one has an error that is none",
		  "[{\"error\":[],\"id\":\"" ID "-0\"}," GONE "-1\"}," TIP_OF "-2\"}]", MALFORMED,
		  REVOKED, false },
	};
	const struct dialect_question two = { &nodes[E], ID, names[E], 2, ASKED, NULL };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dialect_http http = { 200, JSON, rows[i].body, strlen(rows[i].body) };
		struct dialect_shown shown[2];
		dialect_answer(&two, &http, shown, NULL);
		if (shown[0].answer.outcome != rows[i].first ||
		    shown[1].answer.outcome != rows[i].second ||
		    shown[0].unreadable != rows[i].unreadable)
			fail_msg("row %zu: %s: %d %d", i, rows[i].name,
				 (int)shown[0].answer.outcome, (int)shown[1].answer.outcome);
		check_filled(E, &shown[0]);
		check_filled(E, &shown[1]);
	}
}

static void requests(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(DIALECT_REQUEST_MAX);
	assert_int_equal(dialect_request_show(&questions[N], &buf), IOTPKI_OK);
	assert_string_equal(buf_text(&buf),
			    "[{\"jsonrpc\":\"2.0\",\"id\":\"" ID
			    "-0\",\"method\":\"name_show\",\"params\":[\"iot/a\"]},"
			    "{\"jsonrpc\":\"2.0\",\"id\":\"" ID
			    "-1\",\"method\":\"getblockchaininfo\",\"params\":[]}]");
	buf_clear(&buf);
	assert_int_equal(dialect_request_history(&questions[N], &buf), IOTPKI_OK);
	assert_non_null(strstr(buf_text(&buf), "\"name_history\",\"params\":[\"iot/a\"]}"));
	buf_clear(&buf);
	assert_int_equal(dialect_request_history(&questions[E], &buf), IOTPKI_OK);
	assert_non_null(strstr(buf_text(&buf), "\"name_history\",\"params\":[\"iot:a\",true]}"));
	assert_non_null(strstr(buf_text(&buf), "-1\",\"method\":\"getblockchaininfo\""));
	assert_int_equal(dialect_answer_cap(&questions[E]), JSON_ANSWER_MAX);
}

/** What is asked must be possible; what is not is refused, and no answer to it counts. */
static void bad_questions(void **state)
{
	(void)state;
	static const struct config_node iotpki = { .type = CONFIG_NODE_IOTPKI };
	const char *many[DIALECT_NAMES_MAX + 1];
	struct dialect_question question = { &nodes[E], ID, many, 0, ASKED, NULL };
	static char longest[IOTPKI_NVS_NAME_MAX + 1];
	CLEANUP(buf_done) struct buf buf = BUF_INIT(DIALECT_REQUEST_MAX);
	memset(longest, 'n', IOTPKI_NVS_NAME_MAX);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = longest;
	assert_int_equal(dialect_request_show(&question, &buf), IOTPKI_ERR_ARGUMENT);
	question.count = DIALECT_NAMES_MAX + 1;
	assert_int_equal(dialect_request_show(&question, &buf), IOTPKI_ERR_ARGUMENT);
	assert_int_equal(dialect_request_history(&question, &buf), IOTPKI_ERR_ARGUMENT);
	struct dialect_shown shown[DIALECT_NAMES_MAX + 1];
	const struct dialect_http http = { 200, JSON, "[]", 2 };
	dialect_answer(&question, &http, shown, NULL);
	assert_int_equal(shown[DIALECT_NAMES_MAX].answer.outcome, MALFORMED);
	question.count = DIALECT_NAMES_MAX;
	assert_int_equal(dialect_request_show(&question, &buf), IOTPKI_OK); /* the longest fits */
	assert_int_equal(dialect_answer_cap(&question), NVS_CALL_MAX);
	buf_clear(&buf);
	assert_int_equal(dialect_request_history(&question, &buf), IOTPKI_OK);
	question.node = &iotpki;
	assert_int_equal(dialect_request_history(&question, &buf), IOTPKI_ERR_ARGUMENT);
	CLEANUP(buf_done) struct buf small = BUF_INIT(150);
	question.node = &nodes[E];
	assert_int_equal(dialect_request_show(&question, &small), IOTPKI_ERR_LIMIT);
	question.count = 1;
	buf_clear(&small);
	assert_int_equal(dialect_request_show(&question, &small), IOTPKI_ERR_LIMIT);
}

static void iotpki_batches(void **state)
{
	(void)state;
	static const struct config_node iotpki = { .type = CONFIG_NODE_IOTPKI };
	const struct dialect_question two = { &iotpki, ID, names[E], 2, ASKED, NULL };
	static const struct {
		const char *name, *body;
		enum iotpki_outcome first, second;
	} rows[] = {
		{ "both unknown", "[" UNKNOWN "-1\"}," UNKNOWN "-0\"}]", UNREGISTERED,
		  UNREGISTERED },
		{ "one odd", "[{\"result\":{},\"id\":\"" ID "-0\"}," UNKNOWN "-1\"}]", MALFORMED,
		  UNREGISTERED },
		{ "a tip that was not asked for",
		  "[" UNKNOWN "-0\"}," UNKNOWN "-1\"}," TIP_OF "-2\"}]", MALFORMED, MALFORMED },
		{ "jsonrpc is looked at", "[" UNKNOWN "-0\",\"jsonrpc\":\"1.0\"}," UNKNOWN "-1\"}]",
		  MALFORMED, UNREGISTERED },
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(DIALECT_REQUEST_MAX);
	assert_int_equal(dialect_request_show(&two, &buf), IOTPKI_OK);
	assert_string_equal(buf_text(&buf),
			    "[{\"jsonrpc\":\"2.0\",\"id\":\"" ID
			    "-0\",\"method\":\"name_show\",\"params\":[\"iot:a\"]},"
			    "{\"jsonrpc\":\"2.0\",\"id\":\"" ID
			    "-1\",\"method\":\"name_show\",\"params\":[\"iot:b\"]}]");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dialect_http http = { 200, JSON, rows[i].body, strlen(rows[i].body) };
		struct dialect_shown shown[2];
		dialect_answer(&two, &http, shown, NULL);
		if (shown[0].answer.outcome != rows[i].first ||
		    shown[1].answer.outcome != rows[i].second)
			fail_msg("row %zu: %s: %d %d", i, rows[i].name,
				 (int)shown[0].answer.outcome, (int)shown[1].answer.outcome);
		assert_false(shown[0].needs_life);
		assert_int_equal(shown[1].answer.max_tip_age_s, 3600);
		if (shown[1].answer.outcome == UNREGISTERED)
			assert_int_equal(shown[1].answer.tip_s, ASKED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_answers),
		cmocka_unit_test(truncated_everywhere),
		cmocka_unit_test(each_piece_left_out_or_of_another_type),
		cmocka_unit_test(altered_members),
		cmocka_unit_test(long_values),
		cmocka_unit_test(ends),
		cmocka_unit_test(batches),
		cmocka_unit_test(requests),
		cmocka_unit_test(bad_questions),
		cmocka_unit_test(iotpki_batches),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
