/*
 * The errors of nodes, by HTTP status, code and text: what they make of a name, of a
 * tip, of both together, and what is said about them. Wallets: why they did not write.
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
	[E] = { .type = CONFIG_NODE_EMERCOIN },
	[N] = { .type = CONFIG_NODE_NAMECOIN },
};
static const char *const name = "iot/a";
static const struct dialect_question questions[CHAINS] = {
	[E] = { &nodes[E], ID, &name, 1, 0, NULL },
	[N] = { &nodes[N], ID, &name, 1, 0, NULL },
};

#define ERROR_OF(code, text) "\"error\":{\"code\":" code ",\"message\":\"" text "\"}"

/* A good one of each, by chain. */
static const char *const good_names[CHAINS] = {
	[E] = "\"result\":{\"name\":\"iot/a\",\"value\":\"sha256=" HASH_A "\",\"txid\":\"" HASH_B
	      "\",\"expires_in\":100,\"expires_at\":1100,\"time\":1795333000}",
	[N] = "\"result\":{\"name\":\"iot/a\",\"value\":\"sha256=" HASH_A "\",\"txid\":\"" HASH_B
	      "\",\"expires_in\":100,\"expired\":false,\"height\":900}",
};
static const char *const good_tips[CHAINS] = {
	[E] = "\"result\":{\"blocks\":1000,\"mediantime\":1795334000,"
	      "\"initialblockdownload\":false}",
	[N] = "\"result\":{\"blocks\":1000,\"time\":1795334000,\"mediantime\":1795334000,"
	      "\"initialblockdownload\":false}",
};

static struct dialect_http answer_of(struct buf *buf, const char *shown, const char *tip)
{
	buf_clear(buf);
	(void)buf_printf(buf, "[{%s,\"id\":\"" ID "-0\"},{%s,\"id\":\"" ID "-1\"}]", shown, tip);
	assert_int_equal(buf_error(buf), IOTPKI_OK);
	return (struct dialect_http){ 200, JSON, buf_text(buf), buf->len };
}

/* ---- HTTP ---- */

static void http_statuses(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		long status;
		const char *type, *body; /* NULL: a good batch */
		enum iotpki_outcome want;
	} rows[] = {
		{ "wrong password", 401, NULL, "", UNAUTHORIZED },
		{ "wrong password, with a page", 401, "text/html", "<html>", UNAUTHORIZED },
		{ "forbidden", 403, NULL, "", UNAUTHORIZED },
		{ "forbidden, with a good batch", 403, JSON, NULL, UNAUTHORIZED },
		{ "GET to Emercoin", 405, "text/html", "<html>", MALFORMED },
		{ "work queue of the node is full", 503, "text/plain", "Work queue depth exceeded",
		  NOT_READY },
		{ "the same of older nodes", 500, NULL, "Work queue depth exceeded", UNREACHABLE },
		{ "bad gateway", 502, "text/html", "<html>", UNREACHABLE },
		{ "J16 HTML", 200, "text/html", "<html>", MALFORMED },
		{ "not found", 404, "text/html", "<html>", MALFORMED },
		{ "downloading, but one object for the batch", 500, JSON,
		  "{\"result\":null," ERROR_OF(
			  "-10", "Emercoin is downloading blocks...") ",\"id\":\"" ID "-0\"}",
		  MALFORMED },
		{ "parse error, one object", 500, JSON,
		  "{\"result\":null," ERROR_OF("-32700", "Parse error") ",\"id\":null}",
		  MALFORMED },
		{ "good batch with 500", 500, JSON, NULL, MALFORMED },
		{ "good batch with 404", 404, JSON, NULL, MALFORMED },
		{ "good batch with 302", 302, JSON, NULL, MALFORMED },
		{ "good batch called text", 200, "text/plain", NULL, MALFORMED },
		{ "good batch", 200, "application/json; charset=utf-8", NULL, REGISTERED },
		{ "empty", 200, JSON, "", MALFORMED },
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int chain = 0; chain < CHAINS; chain++) {
			struct dialect_http http =
				answer_of(&buf, good_names[chain], good_tips[chain]);
			if (rows[i].body != NULL) {
				http.body = rows[i].body;
				http.len = strlen(rows[i].body);
			}
			http.status = rows[i].status;
			http.content_type = rows[i].type;
			struct dialect_shown shown;
			struct dialect_life life;
			static const uint8_t txid[1][IOTPKI_SHA256_LEN];
			dialect_answer(&questions[chain], &http, &shown, NULL);
			if (shown.answer.outcome != rows[i].want)
				fail_msg("row %zu: %s: %d", i, rows[i].what,
					 (int)shown.answer.outcome);
			/* Of a history the same, and this good batch is none. */
			dialect_lives(&questions[chain], txid, &http, &life, NULL);
			assert_int_equal(life.outcome,
					 rows[i].want == REGISTERED ? MALFORMED : rows[i].want);
		}
	}
}

/* ---- a name and the tip ---- */

struct half {
	const char *what;
	const char *text[CHAINS];
	enum iotpki_outcome means[CHAINS];
};

#define BOTH(text)         \
	{                  \
		text, text \
	}

static const struct half name_halves[] = {
	{ "downloading",
	  BOTH(ERROR_OF("-10", "Namecoin is downloading blocks...")),
	  { NOT_READY, NOT_READY } },
	{ "warming up", BOTH(ERROR_OF("-28", "Verifying blocks...")), { NOT_READY, NOT_READY } },
	{ "unknown",
	  BOTH(ERROR_OF("-4", "failed to read from name DB")),
	  { UNREGISTERED, MALFORMED } },
	{ "from disk",
	  BOTH(ERROR_OF("-4", "failed to read from from disk")),
	  { NOT_READY, MALFORMED } },
	{ "no result", BOTH(ERROR_OF("-4", "no result returned")), { NOT_READY, MALFORMED } },
	{ "no decoding", BOTH(ERROR_OF("-4", "failed to decode name")), { NOT_READY, MALFORMED } },
	{ "never existed",
	  BOTH(ERROR_OF("-4", "name never existed: 'iot/a'")),
	  { MALFORMED, UNREGISTERED } },
	{ "expired", BOTH(ERROR_OF("-4", "name expired: 'iot/a'")), { MALFORMED, EXPIRED } },
	{ "another never existed",
	  BOTH(ERROR_OF("-4", "name never existed: 'iot/b'")),
	  { MALFORMED, MALFORMED } },
	{ "a longer one",
	  BOTH(ERROR_OF("-4", "name expired: 'iot/ab'")),
	  { MALFORMED, MALFORMED } },
	{ "a shorter one", BOTH(ERROR_OF("-4", "name expired: 'iot/'")), { MALFORMED, MALFORMED } },
	{ "no quotes", BOTH(ERROR_OF("-4", "name expired: iot/a")), { MALFORMED, MALFORMED } },
	{ "more behind", BOTH(ERROR_OF("-4", "name expired: 'iot/a' ")), { MALFORMED, MALFORMED } },
	{ "no name", BOTH(ERROR_OF("-4", "name expired: ")), { MALFORMED, MALFORMED } },
	{ "unknown text", BOTH(ERROR_OF("-4", "wallet trouble")), { MALFORMED, MALFORMED } },
	{ "empty text", BOTH(ERROR_OF("-4", "")), { MALFORMED, MALFORMED } },
	{ "right text, other code",
	  BOTH(ERROR_OF("-5", "failed to read from name DB")),
	  { MALFORMED, MALFORMED } },
	{ "-1", BOTH(ERROR_OF("-1", "-namehistory is not enabled")), { MALFORMED, MALFORMED } },
	{ "-18", BOTH(ERROR_OF("-18", "no wallet")), { MALFORMED, MALFORMED } },
	{ "-19", BOTH(ERROR_OF("-19", "which wallet?")), { MALFORMED, MALFORMED } },
	{ "-20",
	  BOTH(ERROR_OF("-20", "could not read transaction from disk")),
	  { MALFORMED, MALFORMED } },
	{ "-32601", BOTH(ERROR_OF("-32601", "Method not found")), { MALFORMED, MALFORMED } },
	{ "no message", BOTH("\"error\":{\"code\":-10}"), { MALFORMED, MALFORMED } },
	{ "code as text",
	  BOTH("\"error\":{\"code\":\"-10\",\"message\":\"\"}"),
	  { MALFORMED, MALFORMED } },
	{ "code 2^31",
	  BOTH("\"error\":{\"code\":2147483648,\"message\":\"\"}"),
	  { MALFORMED, MALFORMED } },
	{ "empty object", BOTH("\"result\":{}"), { MALFORMED, MALFORMED } },
	{ "text", BOTH("\"result\":\"registered\""), { MALFORMED, MALFORMED } },
	{ "list", BOTH("\"result\":[]"), { MALFORMED, MALFORMED } },
};

static const struct half tip_halves[] = {
	{ "downloading", BOTH(ERROR_OF("-10", "")), { NOT_READY, NOT_READY } },
	{ "warming up", BOTH(ERROR_OF("-28", "Loading block index...")), { NOT_READY, NOT_READY } },
	{ "says that it downloads",
	  BOTH("\"result\":{\"blocks\":1000,\"time\":1795334000,\"mediantime\":1795334000,"
	       "\"initialblockdownload\":true}"),
	  { NOT_READY, NOT_READY } },
	{ "-4", BOTH(ERROR_OF("-4", "failed to read from name DB")), { MALFORMED, MALFORMED } },
	{ "not allowed", BOTH(ERROR_OF("-32601", "Method not found")), { MALFORMED, MALFORMED } },
	{ "text", BOTH("\"result\":\"x\""), { MALFORMED, MALFORMED } },
	{ "empty", BOTH("\"result\":{}"), { MALFORMED, MALFORMED } },
	{ "nothing", BOTH("\"x\":1"), { MALFORMED, MALFORMED } },
};

/** Odd is worse than not ready, and that worse than anything that is said about the name. */
static enum iotpki_outcome worse(enum iotpki_outcome shown, enum iotpki_outcome tip)
{
	if (shown == MALFORMED || tip == MALFORMED)
		return MALFORMED;
	return tip == NOT_READY ? NOT_READY : shown;
}

static void check_both(int chain, const struct half *shown_half, const struct half *tip_half)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	const char *shown_text = shown_half != NULL ? shown_half->text[chain] : good_names[chain];
	const char *tip_text = tip_half != NULL ? tip_half->text[chain] : good_tips[chain];
	const enum iotpki_outcome want =
		worse(shown_half != NULL ? shown_half->means[chain] : REGISTERED,
		      tip_half != NULL ? tip_half->means[chain] : REGISTERED);
	const struct dialect_http http = answer_of(&buf, shown_text, tip_text);
	struct dialect_shown shown;
	struct iotpki_detail detail = { 0 };
	dialect_answer(&questions[chain], &http, &shown, &detail);
	if (shown.answer.outcome != want)
		fail_msg("chain %d: name %s, tip %s: %d instead of %d", chain,
			 shown_half != NULL ? shown_half->what : "good",
			 tip_half != NULL ? tip_half->what : "good", (int)shown.answer.outcome,
			 (int)want);
	assert_int_equal(shown.needs_life, want == REGISTERED);
	assert_false(shown.unreadable);
	if (want == NOT_READY)
		assert_non_null(shown.hint);
	if (want == MALFORMED || want == NOT_READY)
		assert_true(detail.message[0] != '\0');
	if (want <= UNREGISTERED)
		assert_int_equal(shown.answer.tip_height, 1000);
}

static void each_name_with_each_tip(void **state)
{
	(void)state;
	for (int chain = 0; chain < CHAINS; chain++) {
		check_both(chain, NULL, NULL);
		for (size_t i = 0; i < ARRAY_LEN(name_halves); i++)
			check_both(chain, &name_halves[i], NULL);
		for (size_t j = 0; j < ARRAY_LEN(tip_halves); j++) {
			check_both(chain, NULL, &tip_halves[j]);
			for (size_t i = 0; i < ARRAY_LEN(name_halves); i++)
				check_both(chain, &name_halves[i], &tip_halves[j]);
		}
	}
}

/* ---- histories, and what to do about it ---- */

static void errors_of_histories(void **state)
{
	(void)state;
	static const struct {
		int chain;
		const char *error;
		enum iotpki_outcome want;
		const char *hint; /* a word of it */
	} rows[] = {
		{ E, ERROR_OF("-1", "x"), NOT_READY, "wallet" },
		{ E, ERROR_OF("-18", "no wallet is loaded"), NOT_READY, "wallet" },
		{ E, ERROR_OF("-19", "Wallet file not specified"), NOT_READY, "/wallet/" },
		{ E, ERROR_OF("-32601", "Method not found"), NOT_READY, "wallet" },
		{ E, ERROR_OF("-20", "could not read transaction from disk"), NOT_READY,
		  "-txindex=1" },
		{ E, ERROR_OF("-20", "failed to decode name transaction"), MALFORMED, NULL },
		{ E, ERROR_OF("-4", "failed to read from name DB"), MALFORMED, NULL },
		{ E, ERROR_OF("-10", ""), NOT_READY, "sync" },
		{ E, ERROR_OF("-28", ""), NOT_READY, "starting" },
		{ E, ERROR_OF("-32603", "x"), MALFORMED, NULL },
		{ N, ERROR_OF("-1", "-namehistory is not enabled"), NOT_READY, "-namehistory=1" },
		{ N, ERROR_OF("-18", "x"), NOT_READY, "wallet" },
		{ N, ERROR_OF("-19", "x"), NOT_READY, "/wallet/" },
		{ N, ERROR_OF("-32601", "Method not found"), NOT_READY, "-namehistory=1" },
		{ N, ERROR_OF("-20", "could not read transaction from disk"), MALFORMED, NULL },
		{ N, ERROR_OF("-4", "name never existed: 'iot/a'"), MALFORMED, NULL },
		{ N, ERROR_OF("-4", "name expired: 'iot/a'"), MALFORMED, NULL },
		{ N, ERROR_OF("-10", ""), NOT_READY, "sync" },
		{ N, ERROR_OF("-5", ""), MALFORMED, NULL },
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const uint8_t txid[1][IOTPKI_SHA256_LEN];
		const int chain = rows[i].chain;
		const struct dialect_http http = answer_of(&buf, rows[i].error, good_tips[chain]);
		struct dialect_life life;
		struct iotpki_detail detail = { 0 };
		dialect_lives(&questions[chain], txid, &http, &life, &detail);
		if (life.outcome != rows[i].want || (life.hint == NULL) != (rows[i].hint == NULL))
			fail_msg("row %zu: %s: %d", i, rows[i].error, (int)life.outcome);
		if (rows[i].hint != NULL && strstr(life.hint, rows[i].hint) == NULL)
			fail_msg("row %zu: %s: hint %s", i, rows[i].error, life.hint);
		if (rows[i].hint != NULL)
			assert_string_equal(detail.message, life.hint);
	}
}

/* ---- wallets ---- */

static void refusals(void **state)
{
	(void)state;
	static const struct {
		int chain;
		const char *error;
		enum nvs_refusal want;
	} rows[] = {
		{ E, ERROR_OF("-6", "Insufficient funds"), NVS_REFUSAL_FUNDS },
		{ E, ERROR_OF("-4", "Insufficient funds"), NVS_REFUSAL_FUNDS },
		{ E, ERROR_OF("-32603", "Insufficient funds"), NVS_REFUSAL_FUNDS },
		{ E,
		  ERROR_OF("-32603",
			   "Error: This transaction requires a transaction fee of at least 0.01"),
		  NVS_REFUSAL_FUNDS },
		{ E,
		  ERROR_OF(
			  "-13",
			  "Error: Please enter the wallet passphrase with walletpassphrase first."),
		  NVS_REFUSAL_LOCKED },
		{ E,
		  ERROR_OF("-32603",
			   "there are 1 pending operations on that name, including " HASH_A),
		  NVS_REFUSAL_PENDING },
		{ E, ERROR_OF("-32603", "name_new on an unexpired name"), NVS_REFUSAL_TAKEN },
		{ E, ERROR_OF("-32603", "prev name tx is not yours or is not spendable"),
		  NVS_REFUSAL_NOT_OWNER },
		{ E, ERROR_OF("-32603", "name_update on an inactive name"), NVS_REFUSAL_EXPIRED },
		{ E, ERROR_OF("-32603", "name_update on an expired name"), NVS_REFUSAL_EXPIRED },
		{ E, ERROR_OF("-32603", "name_delete on an inactive name"), NVS_REFUSAL_EXPIRED },
		{ E, ERROR_OF("-32603", "could not find prev txIn with this name"),
		  NVS_REFUSAL_EXPIRED },
		{ E, ERROR_OF("-32603", "value is too long"), NVS_REFUSAL_TOO_LONG },
		{ E, ERROR_OF("-32603", "unkown error"), NVS_REFUSAL_OTHER },
		{ E, ERROR_OF("-5", "emercoin address is invalid"), NVS_REFUSAL_BAD_ADDRESS },
		{ E, ERROR_OF("-10", "Emercoin is downloading blocks..."),
		  NVS_REFUSAL_NOT_IN_SYNC },
		{ E, ERROR_OF("-28", "Verifying blocks..."), NVS_REFUSAL_NOT_IN_SYNC },
		{ E, ERROR_OF("-32601", "Method not found"), NVS_REFUSAL_NO_WALLET },
		{ E, ERROR_OF("-18", "x"), NVS_REFUSAL_NO_WALLET },
		{ E, ERROR_OF("-19", "x"), NVS_REFUSAL_NO_WALLET },
		{ E, ERROR_OF("-25", "this name exists already"), NVS_REFUSAL_OTHER },
		{ N, ERROR_OF("-6", "Insufficient funds"), NVS_REFUSAL_FUNDS },
		{ N, ERROR_OF("-4", "Insufficient funds"), NVS_REFUSAL_FUNDS },
		{ N, ERROR_OF("-6", "Not found pre-selected input COutPoint(3ca36c492d, 0)"),
		  NVS_REFUSAL_NOT_OWNER },
		{ N, ERROR_OF("-4", "Input tx not found in wallet"), NVS_REFUSAL_NOT_OWNER },
		{ N, ERROR_OF("-13", "x"), NVS_REFUSAL_LOCKED },
		{ N, ERROR_OF("-25", "this name exists already"), NVS_REFUSAL_TAKEN },
		{ N, ERROR_OF("-25", "this name is already active"), NVS_REFUSAL_TAKEN },
		{ N, ERROR_OF("-25", "this name can not be updated"), NVS_REFUSAL_EXPIRED },
		{ N, ERROR_OF("-25", "there is already a pending update for this name"),
		  NVS_REFUSAL_PENDING },
		{ N, ERROR_OF("-25", "there is already a pending first update for this name"),
		  NVS_REFUSAL_PENDING },
		{ N, ERROR_OF("-25", "there are already too many pending operations on this name"),
		  NVS_REFUSAL_PENDING },
		{ N, ERROR_OF("-25", "previous txid not found"), NVS_REFUSAL_NOT_YET },
		{ N, ERROR_OF("-25", "something else"), NVS_REFUSAL_OTHER },
		{ N, ERROR_OF("-8", "the value is too long"), NVS_REFUSAL_TOO_LONG },
		{ N, ERROR_OF("-8", "the name is too long"), NVS_REFUSAL_TOO_LONG },
		{ N, ERROR_OF("-8", "something else"), NVS_REFUSAL_OTHER },
		{ N, ERROR_OF("-5", "invalid address"), NVS_REFUSAL_BAD_ADDRESS },
		{ N, ERROR_OF("-32603", "name_new on an unexpired name"), NVS_REFUSAL_OTHER },
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&buf);
		(void)buf_printf(&buf, "{%s,\"id\":\"" ID "\"}", rows[i].error);
		const struct dialect_http http = { 500, JSON, buf_text(&buf), buf.len };
		struct nvs_reply reply = { .result = BUF_INIT(NVS_CALL_MAX) };
		assert_int_equal(dialect_reply(&nodes[rows[i].chain], ID, "name_update", &http,
					       &reply, NULL),
				 IOTPKI_OK);
		if (reply.refusal != rows[i].want)
			fail_msg("row %zu: %s: refusal %d", i, rows[i].error, (int)reply.refusal);
		assert_true(reply.code < 0);
		assert_int_not_equal(reply.outcome, REGISTERED);
		buf_done(&reply.result);
	}
}

static void calls_to_chains(void **state)
{
	(void)state;
	static const struct {
		int chain;
		const char *method, *body;
		enum iotpki_outcome outcome;
		const char *result, *hint;
	} rows[] = {
		{ E, "name_new", "{\"result\":\"" HASH_A "\",\"error\":null,\"id\":\"" ID "\"}",
		  REGISTERED, "\"" HASH_A "\"", NULL },
		{ N, "name_new", "{\"jsonrpc\":7,\"result\":[1],\"id\":\"" ID "\"}", REGISTERED,
		  "[1]", NULL },
		{ E, "name_show",
		  "{" ERROR_OF("-4", "failed to read from name DB") ",\"id\":\"" ID "\"}",
		  UNREGISTERED, "", NULL },
		{ N, "name_history",
		  "{" ERROR_OF("-1", "-namehistory is not enabled") ",\"id\":\"" ID "\"}",
		  NOT_READY, "", "-namehistory=1" },
		{ N, "name_show", "{" ERROR_OF("-4", "name expired: 'x'") ",\"id\":\"" ID "\"}",
		  MALFORMED, "", NULL },
		{ E, "name_new", "{\"result\":1,\"id\":null}", MALFORMED, "", NULL },
		{ E, "name_new", "{\"result\":1,\"id\":\"" ID "-0\"}", MALFORMED, "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dialect_http http = { 200, JSON, rows[i].body, strlen(rows[i].body) };
		struct nvs_reply reply = { .result = BUF_INIT(NVS_CALL_MAX) };
		assert_int_equal(dialect_reply(&nodes[rows[i].chain], ID, rows[i].method, &http,
					       &reply, NULL),
				 IOTPKI_OK);
		if (reply.outcome != rows[i].outcome ||
		    strcmp(buf_text(&reply.result), rows[i].result) != 0)
			fail_msg("row %zu: %d %s", i, (int)reply.outcome, buf_text(&reply.result));
		assert_int_equal(reply.refusal == NVS_REFUSAL_NONE, reply.code == 0);
		assert_true(rows[i].hint == NULL ||
			    (reply.hint != NULL && strstr(reply.hint, rows[i].hint) != NULL));
		buf_done(&reply.result);
	}
}

/* What is said of an iotpki-bnode's errors is true of one, or of a gateway. */
static void hints_of_bnodes(void **state)
{
	(void)state;
	static const struct {
		int code;
		enum iotpki_outcome want;
		const char *hint;
	} rows[] = {
		{ -10, NOT_READY, "gateway" },
		{ -28, NOT_READY, "try again" },
		{ -32603, MALFORMED, "see its log" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dialect_envelope envelope = { .code = rows[i].code, .message = "x" };
		struct iotpki_detail detail = { 0 };
		const struct dialect_error error = dialect_judge_error(
			CONFIG_NODE_IOTPKI, "name_show", "iot:a", &envelope, &detail);
		assert_int_equal(error.outcome, rows[i].want);
		if (error.hint == NULL || strstr(error.hint, rows[i].hint) == NULL)
			fail_msg("%d: %s", rows[i].code, error.hint != NULL ? error.hint : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_statuses),       cmocka_unit_test(each_name_with_each_tip),
		cmocka_unit_test(errors_of_histories), cmocka_unit_test(refusals),
		cmocka_unit_test(calls_to_chains),     cmocka_unit_test(hints_of_bnodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
