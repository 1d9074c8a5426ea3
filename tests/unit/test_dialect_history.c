/*
 * The life of a name from its history: which operation registered it, whether any
 * operation since revoked it, and what an odd or a lying list makes of it.
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
#define JSON "application/json"
#define VALUE "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define REVOKE VALUE "|status=revoked"

enum { E, N, CHAINS };

/* What a history says. */
enum want {
	KNOWN,
	REVOKED, /* known, and revoked */
	ODD,
	OVER, /* expired */
};

/*
 * The list: "TXID@HEIGHT" and letters, where TXID is one digit. N: name_new, D: name_delete,
 * F: name_firstupdate, X: Name_new (else name_update); r: revoked, w: revoked within what is no
 * record, s: revoked and nothing else, a: the word inside another field, t, u, v: the word with one
 * and two letters altered, -: no value; b: another name; +NUMBER: added to expires_in, which is right without it.
 */
struct row {
	const char *what;
	int chain;
	long tip;
	int asked; /* the txid that name_show gave */
	enum want want;
	int registration;
	const char *list;
	bool mainnet;
};

static const struct row rows[] = {
	{ "registered", E, 60, 1, KNOWN, 1, "1@50N", false },
	{ "updated", E, 60, 2, KNOWN, 1, "1@50N 2@51", false },
	{ "two in one block", E, 60, 2, KNOWN, 1, "1@50N 2@50", false },
	{ "revoked last", E, 60, 2, REVOKED, 1, "1@50N 2@51r", false },
	{ "revoked, then not", E, 60, 3, REVOKED, 1, "1@50N 2@51r 3@52", false },
	{ "revoked from the first", E, 60, 2, REVOKED, 1, "1@50Nr 2@51", false },
	{ "revoked after what was shown", E, 60, 1, REVOKED, 1, "1@50N 2@51r", false },
	{ "revoked in no record", E, 60, 3, REVOKED, 1, "1@50N 2@51w 3@52", false },
	{ "revoked and nothing else", E, 60, 3, REVOKED, 1, "1@50N 2@51s 3@52", false },
	{ "the word, its bar altered", E, 60, 3, ODD, 0, "1@50N 2@51a 3@52", false },
	{ "the word, a letter altered", E, 60, 3, ODD, 0, "1@50N 2@51t 3@52", false },
	{ "the word, its end altered", E, 60, 3, ODD, 0, "1@50N 2@51u 3@52", false },
	{ "the word, two altered", E, 60, 3, KNOWN, 1, "1@50N 2@51v 3@52", false },
	{ "a letter altered, in an earlier life", E, 60, 3, KNOWN, 3, "1@50N 2@51t 3@52N", false },
	{ "a letter altered, revoked since", E, 60, 3, REVOKED, 1, "1@50N 2@51t 3@52r", false },
	{ "deleted after what was shown", E, 60, 1, REVOKED, 1, "1@50N 2@51D-", false },
	{ "J11 deleted with a value", E, 60, 1, REVOKED, 1, "1@50N 2@51D", false },
	{ "deleted, then taken again", E, 60, 3, KNOWN, 3, "1@50N 2@51D- 3@52N", false },
	{ "revoked in an earlier life", E, 60, 3, KNOWN, 3, "1@50N 2@51r 3@52N", false },
	{ "taken again and revoked", E, 60, 4, REVOKED, 3, "1@10N 2@11 3@52N 4@53r", false },
	{ "shown is of an earlier life", E, 60, 1, ODD, 0, "1@50N 2@51N", false },
	{ "shown is not there", E, 60, 9, ODD, 0, "1@50N", false },
	{ "shown stands there twice", E, 60, 2, ODD, 0, "1@50N 2@51 2@52", false },
	{ "cut before the first of this life", E, 60, 2, ODD, 0, "2@51 3@52", false },
	{ "cut within an earlier life", E, 60, 3, KNOWN, 3, "2@51 3@52N", false },
	{ "empty", E, 60, 1, ODD, 0, "", false },
	{ "the newest first", E, 60, 2, ODD, 0, "2@51 1@50N", false },
	{ "beyond the tip", E, 50, 1, ODD, 0, "1@51N", false },
	{ "at the tip", E, 50, 1, KNOWN, 1, "1@50N", false },
	{ "an unknown operation", E, 60, 1, ODD, 0, "1@50N 2@51F", false },
	{ "an operation in other letters", E, 60, 1, ODD, 0, "1@50X", false },
	{ "a value is missing", E, 60, 1, ODD, 0, "1@50N-", false },
	{ "a value is missing, revoked since", E, 60, 2, REVOKED, 1, "1@50N- 2@51r", false },
	{ "a value is missing in an earlier life", E, 60, 2, KNOWN, 2, "1@50N- 2@51N", false },

	{ "registered", N, 60, 1, KNOWN, 1, "1@50", false },
	{ "updated in its last block", N, 85, 2, KNOWN, 1, "1@50 2@79", false },
	{ "taken again as soon as may be", N, 85, 2, KNOWN, 2, "1@50 2@80", false },
	{ "the life of the main net", N, 40000, 2, KNOWN, 1, "1@50 2@36049", true },
	{ "taken again on the main net", N, 40000, 2, KNOWN, 2, "1@50 2@36050", true },
	{ "the record, 163 to 166", N, 166, 4, REVOKED, 1, "1@163 2@164 3@165r 4@166", false },
	{ "the same at 219", N, 219, 5, KNOWN, 5, "1@163 2@164 3@165r 4@166 5@219", false },
	{ "two in one block", N, 60, 2, REVOKED, 1, "1@50r 2@50", false },
	{ "shown is of an earlier life", N, 85, 1, ODD, 0, "1@50 2@80", false },
	{ "expired since", N, 80, 1, OVER, 0, "1@50", false },
	{ "expired since, and revoked", N, 80, 1, REVOKED, 1, "1@50r", false },
	{ "another name", N, 60, 1, ODD, 0, "1@50b", false },
	{ "one of another name", N, 60, 1, ODD, 0, "1@50 2@51b", false },
	{ "a number that the others deny", N, 60, 1, ODD, 0, "1@50 2@51+1", false },
	{ "a life that is not the chain's", N, 400, 1, ODD, 0, "1@380+200", false },
	{ "a block came between", N, 60, 1, KNOWN, 1, "1@50+1", false },
	{ "regtest's life without its word", N, 60, 1, ODD, 0, "1@50+-35970", true },
	{ "the newest first", N, 60, 1, ODD, 0, "2@51 1@50", false },
	{ "beyond the tip", N, 50, 1, ODD, 0, "1@51", false },
	{ "a value is missing", N, 60, 1, ODD, 0, "1@50-", false },
	{ "a value is missing in an earlier life", N, 85, 2, KNOWN, 2, "1@50- 2@80", false },
	{ "empty", N, 60, 1, ODD, 0, "", false },
};

static const struct config_node nodes[CHAINS] = {
	[E] = { .type = CONFIG_NODE_EMERCOIN, .network = 1, .min_confirmations = 1 },
	[N] = { .type = CONFIG_NODE_NAMECOIN, .network = 2, .min_confirmations = 1 },
};
static const char *const name = "iot/a";
static const struct dialect_question questions[CHAINS] = {
	[E] = { &nodes[E], ID, &name, 1, 7, NULL },
	[N] = { &nodes[N], ID, &name, 1, 7, NULL },
};

/** An operation of a list. */
struct operation {
	int txid;
	long height, off;
	const char *operation, *value, *name; /* value NULL: none */
};

static void take_letter(struct operation *at, char letter)
{
	static const struct {
		char letter;
		const char *operation, *value, *name;
	} letters[] = {
		{ 'N', "name_new", NULL, NULL },
		{ 'D', "name_delete", NULL, NULL },
		{ 'F', "name_firstupdate", NULL, NULL },
		{ 'X', "Name_new", NULL, NULL },
		{ 'r', NULL, REVOKE, NULL },
		{ 'w', NULL, "x|status=revoked!", NULL },
		{ 's', NULL, "status=revoked", NULL },
		{ 'a', NULL, "a=status=revoked", NULL },
		{ 't', NULL, VALUE "|statur=revoked", NULL },
		{ 'u', NULL, VALUE "|status=revokee", NULL },
		{ 'v', NULL, VALUE "|statur=revokee", NULL },
		{ 'b', NULL, NULL, "iot/b" },
	};
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		if (letters[i].letter != letter)
			continue;
		at->operation = letters[i].operation != NULL ? letters[i].operation : at->operation;
		at->value = letters[i].value != NULL ? letters[i].value : at->value;
		at->name = letters[i].name != NULL ? letters[i].name : at->name;
		return;
	}
	assert_int_equal(letter, '-');
	at->value = NULL;
}

/** The next operation of a list; false at its end. */
static bool next_operation(const char **list, struct operation *at)
{
	const char *text = *list + strspn(*list, " ");
	char *end = NULL;
	*at = (struct operation){ .operation = "name_update", .value = VALUE, .name = name };
	if (*text == '\0')
		return false;
	at->txid = text[0] - '0';
	at->height = strtol(text + 2, &end, 10);
	while (*end != '\0' && *end != ' ' && *end != '+')
		take_letter(at, *end++);
	if (*end == '+')
		at->off = strtol(end + 1, &end, 10);
	*list = end;
	return true;
}

static void put_operation(struct buf *buf, const struct row *row, const struct operation *at)
{
	(void)buf_printf(buf, "{\"txid\":\"%064d\",\"height\":%ld", at->txid, at->height);
	if (at->value != NULL)
		(void)buf_printf(buf, ",\"value\":\"%s\"", at->value);
	if (row->chain == E) {
		(void)buf_printf(buf, ",\"time\":1795333000,\"operation\":\"%s\"}", at->operation);
		return;
	}
	const long left = at->height + (row->mainnet ? 36000 : 30) - row->tip + at->off;
	(void)buf_printf(buf, ",\"name\":\"%s\",\"expires_in\":%ld,\"expired\":%s}", at->name, left,
			 left <= 0 ? "true" : "false");
}

static void build(struct buf *buf, const struct row *row)
{
	const char *list = row->list;
	struct operation at;
	buf_clear(buf);
	(void)buf_puts(buf, "[{\"result\":[");
	for (bool first = true; next_operation(&list, &at); first = false) {
		(void)buf_puts(buf, first ? "" : ",");
		put_operation(buf, row, &at);
	}
	(void)buf_printf(buf,
			 "],\"id\":\"" ID "-0\"},{\"result\":{\"chain\":\"%s\",\"blocks\":%ld,"
			 "\"time\":1795334000,\"mediantime\":1795334000,"
			 "\"initialblockdownload\":false},\"id\":\"" ID "-1\"}]",
			 row->mainnet ? "main" : "regtest", row->tip);
	assert_int_equal(buf_error(buf), IOTPKI_OK);
}

/** txids are the digit as a number of 64 hex digits. */
static void txid_of(int digit, uint8_t txid[static IOTPKI_SHA256_LEN])
{
	memset(txid, 0, IOTPKI_SHA256_LEN);
	txid[IOTPKI_SHA256_LEN - 1] = (uint8_t)digit;
}

static struct dialect_life life_of(int chain, int asked, const char *body, size_t len)
{
	AUTO_FREE char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, body, len);
	const struct dialect_http http = { 200, JSON, copy, len };
	uint8_t txid[1][IOTPKI_SHA256_LEN];
	struct dialect_life life;
	static const struct dialect_life none;
	txid_of(asked, txid[0]);
	dialect_lives(&questions[chain], txid, &http, &life, NULL);
	if (life.outcome != IOTPKI_OUTCOME_REGISTERED) {
		assert_memory_equal(life.registration, none.registration, IOTPKI_SHA256_LEN);
		assert_false(life.revoked);
		assert_int_equal(life.height, 0);
	}
	return life;
}

static long height_of(const struct row *row, int txid)
{
	const char *list = row->list;
	struct operation at;
	while (next_operation(&list, &at)) {
		if (at.txid == txid)
			return at.height;
	}
	return 0;
}

static void lives(void **state)
{
	(void)state;
	static const enum iotpki_outcome outcomes[] = {
		[KNOWN] = IOTPKI_OUTCOME_REGISTERED,
		[REVOKED] = IOTPKI_OUTCOME_REGISTERED,
		[ODD] = IOTPKI_OUTCOME_MALFORMED,
		[OVER] = IOTPKI_OUTCOME_EXPIRED,
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(64 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		uint8_t registration[IOTPKI_SHA256_LEN];
		build(&buf, row);
		const struct dialect_life life =
			life_of(row->chain, row->asked, buf_text(&buf), buf.len);
		txid_of(row->registration, registration);
		if (life.outcome != outcomes[row->want] || life.revoked != (row->want == REVOKED) ||
		    memcmp(life.registration, registration, sizeof(registration)) != 0)
			fail_msg("row %zu: %s: outcome %d, by %d, revoked %d", i, row->what,
				 (int)life.outcome, life.registration[IOTPKI_SHA256_LEN - 1],
				 life.revoked);
		if (life.outcome == IOTPKI_OUTCOME_REGISTERED)
			assert_int_equal(life.height, height_of(row, row->asked));
	}
}

/** J01, J04: a list that was cut or altered gives no life, or the same one; never a better one. */
static void cut_and_altered(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(64 * 1024);
	static const char bytes[] = "\0\"{}[],:0x\xff ";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		if (row->want != REVOKED)
			continue;
		build(&buf, row);
		for (size_t at = 0; at < buf.len; at++) {
			const struct dialect_life cut =
				life_of(row->chain, row->asked, buf_text(&buf), at);
			assert_int_equal(cut.outcome, IOTPKI_OUTCOME_MALFORMED);
			assert_true(cut.unreadable);
			const uint8_t was = buf.data[at];
			for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
				buf.data[at] = (uint8_t)bytes[j];
				const struct dialect_life life =
					life_of(row->chain, row->asked, buf_text(&buf), buf.len);
				/* What turns it into none is odd; altered within a value or a txid
				 * it is another history, of which nothing can be known. */
				if (life.outcome != IOTPKI_OUTCOME_MALFORMED &&
				    life.outcome != IOTPKI_OUTCOME_REGISTERED &&
				    life.outcome != IOTPKI_OUTCOME_EXPIRED)
					fail_msg("%s: byte %zu: %d", row->what, at,
						 (int)life.outcome);
			}
			buf.data[at] = was;
		}
	}
}

static void results_of_other_types(void **state)
{
	(void)state;
	static const char *const results[] = {
		"{}", "\"x\"", "1", "[1]", "[null]", "[[]]", "[{}]"
	};
	CLEANUP(buf_done) struct buf buf = BUF_INIT(8192);
	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		for (int chain = 0; chain < CHAINS; chain++) {
			buf_clear(&buf);
			(void)buf_printf(&buf,
					 "[{\"result\":%s,\"id\":\"" ID "-0\"},{\"result\":{"
					 "\"blocks\":60,\"time\":9,\"mediantime\":9,"
					 "\"initialblockdownload\":false},\"id\":\"" ID "-1\"}]",
					 results[i]);
			const struct dialect_life life = life_of(chain, 1, buf_text(&buf), buf.len);
			assert_int_equal(life.outcome, IOTPKI_OUTCOME_MALFORMED);
			assert_false(life.unreadable);
		}
	}
}

/** Two histories in one batch do not touch each other, and each has its own txid. */
static void two_histories(void **state)
{
	(void)state;
	static const char body[] =
		"[{\"result\":{\"chain\":\"regtest\",\"blocks\":60,\"mediantime\":9,"
		"\"initialblockdownload\":false},\"id\":\"" ID "-2\"},"
		"{\"result\":[{\"txid\":"
		"\"0000000000000000000000000000000000000000000000000000000000000002\",\"height\":"
		"50,"
		"\"time\":9,\"operation\":\"name_new\",\"value\":\"" REVOKE "\"}],\"id\":\"" ID
		"-1\"},"
		"{\"result\":[{\"txid\":"
		"\"0000000000000000000000000000000000000000000000000000000000000001\",\"height\":"
		"49,"
		"\"time\":9,\"operation\":\"name_new\",\"value\":\"" VALUE "\"}],\"id\":\"" ID
		"-0\"}]";
	static const char *const two_names[] = { "iot:a", "iot:b" };
	const struct dialect_question two = { &nodes[E], ID, two_names, 2, 0, NULL };
	const struct dialect_http http = { 200, JSON, body, sizeof(body) - 1 };
	uint8_t txids[2][IOTPKI_SHA256_LEN];
	struct dialect_life got[2];
	txid_of(1, txids[0]);
	txid_of(2, txids[1]);
	dialect_lives(&two, txids, &http, got, NULL);
	assert_int_equal(got[0].outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(got[0].height, 49);
	assert_false(got[0].revoked);
	assert_int_equal(got[1].outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_true(got[1].revoked);
	/* The txids exchanged: neither has the other's. */
	txid_of(2, txids[0]);
	txid_of(1, txids[1]);
	dialect_lives(&two, txids, &http, got, NULL);
	assert_int_equal(got[0].outcome, IOTPKI_OUTCOME_MALFORMED);
	assert_int_equal(got[1].outcome, IOTPKI_OUTCOME_MALFORMED);
}

static void not_for_iotpki(void **state)
{
	(void)state;
	static const struct config_node iotpki = { .type = CONFIG_NODE_IOTPKI };
	const struct dialect_question question = { &iotpki, ID, &name, 1, 0, NULL };
	const struct dialect_http http = { 200, JSON, "[]", 2 };
	static const uint8_t txid[1][IOTPKI_SHA256_LEN];
	struct dialect_life life = { .outcome = IOTPKI_OUTCOME_REGISTERED };
	dialect_lives(&question, txid, &http, &life, NULL);
	assert_int_equal(life.outcome, IOTPKI_OUTCOME_MALFORMED);
}

/* ---- folding in ---- */

/* clang-format off */
#define KNOWN_AT(at) { .outcome = IOTPKI_OUTCOME_REGISTERED, .height = (at) }
#define REVOKED_AT(at) { .outcome = IOTPKI_OUTCOME_REGISTERED, .height = (at), .revoked = true }
/* clang-format on */

static void folding(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		int chain;
		unsigned int min_confirmations;
		struct dialect_life life;
		uint64_t shown_height, tip;
		enum iotpki_outcome want;
		bool fits, hint;
	} folds[] = {
		{ "known", E, 1, KNOWN_AT(50), 0, 50, IOTPKI_OUTCOME_REGISTERED, true, false },
		{ "0 is 1", E, 0, KNOWN_AT(50), 0, 50, IOTPKI_OUTCOME_REGISTERED, true, false },
		{ "too new", E, 2, KNOWN_AT(50), 0, 50, IOTPKI_OUTCOME_NOT_READY, false, true },
		{ "old enough", E, 2, KNOWN_AT(50), 0, 51, IOTPKI_OUTCOME_REGISTERED, false,
		  false },
		{ "old enough for ever", E, 2, KNOWN_AT(50), 0, 152, IOTPKI_OUTCOME_REGISTERED,
		  true, false },
		{ "above the tip", E, 1, KNOWN_AT(51), 0, 50, IOTPKI_OUTCOME_NOT_READY, true,
		  true },
		{ "too new, but revoked", E, 6, REVOKED_AT(50), 0, 50, IOTPKI_OUTCOME_REVOKED,
		  false, false },
		{ "same height", N, 1, KNOWN_AT(50), 50, 60, IOTPKI_OUTCOME_REGISTERED, true,
		  false },
		{ "another height", N, 1, KNOWN_AT(50), 51, 60, IOTPKI_OUTCOME_MALFORMED, false,
		  false },
		{ "another height, revoked", N, 1, REVOKED_AT(50), 51, 60, IOTPKI_OUTCOME_MALFORMED,
		  false, false },
		{ "not ready",
		  E,
		  1,
		  { .outcome = IOTPKI_OUTCOME_NOT_READY, .hint = "do it" },
		  0,
		  60,
		  IOTPKI_OUTCOME_NOT_READY,
		  false,
		  true },
		{ "not ready without a word",
		  E,
		  1,
		  { .outcome = IOTPKI_OUTCOME_NOT_READY },
		  0,
		  60,
		  IOTPKI_OUTCOME_NOT_READY,
		  false,
		  false },
		{ "odd",
		  E,
		  1,
		  { .outcome = IOTPKI_OUTCOME_MALFORMED },
		  0,
		  60,
		  IOTPKI_OUTCOME_MALFORMED,
		  false,
		  false },
		{ "expired",
		  N,
		  1,
		  { .outcome = IOTPKI_OUTCOME_EXPIRED },
		  50,
		  60,
		  IOTPKI_OUTCOME_EXPIRED,
		  false,
		  false },
		{ "unreachable",
		  N,
		  1,
		  { .outcome = IOTPKI_OUTCOME_UNREACHABLE },
		  50,
		  60,
		  IOTPKI_OUTCOME_UNREACHABLE,
		  false,
		  false },
		{ "unauthorized",
		  N,
		  1,
		  { .outcome = IOTPKI_OUTCOME_UNAUTHORIZED },
		  50,
		  60,
		  IOTPKI_OUTCOME_UNAUTHORIZED,
		  false,
		  false },
		{ "never asked for",
		  N,
		  1,
		  { .outcome = IOTPKI_OUTCOME_PENDING },
		  50,
		  60,
		  IOTPKI_OUTCOME_MALFORMED,
		  false,
		  false },
		{ "unregistered all at once",
		  E,
		  1,
		  { .outcome = IOTPKI_OUTCOME_UNREGISTERED },
		  0,
		  60,
		  IOTPKI_OUTCOME_MALFORMED,
		  false,
		  false },
	};
	for (size_t i = 0; i < ARRAY_LEN(folds); i++) {
		struct config_node node = nodes[folds[i].chain];
		struct dialect_life life = folds[i].life;
		struct dialect_shown shown = { .needs_life = true,
					       .height = folds[i].shown_height };
		dialect_no_answer(&node, 7, IOTPKI_OUTCOME_REGISTERED, &shown.answer);
		node.min_confirmations = folds[i].min_confirmations;
		shown.answer.tip_height = folds[i].tip;
		shown.answer.txid[0] = 8;
		life.registration[0] = 9;
		assert_int_equal(dialect_life_fits(&node, &life, &shown), folds[i].fits);
		dialect_apply_life(&node, &life, &shown);
		if (shown.answer.outcome != folds[i].want ||
		    (shown.hint != NULL) != folds[i].hint || shown.needs_life)
			fail_msg("row %zu: %s: %d", i, folds[i].what, (int)shown.answer.outcome);
		const bool good = folds[i].want <= IOTPKI_OUTCOME_EXPIRED;
		assert_int_equal(shown.answer.registration[0], good ? 9 : 0);
		assert_int_equal(shown.answer.txid[0], good ? 8 : 0);
		assert_int_equal(shown.answer.asked_s, 7);
		assert_int_equal(shown.answer.network, node.network);
	}
}

/** Only an answer that waits for its life takes one: a revoked one stays revoked. */
static void folding_into_others(void **state)
{
	(void)state;
	const struct dialect_life life = { .outcome = IOTPKI_OUTCOME_REGISTERED };
	struct dialect_shown shown = { .answer = { .outcome = IOTPKI_OUTCOME_REVOKED } };
	dialect_apply_life(&nodes[E], &life, &shown);
	assert_int_equal(shown.answer.outcome, IOTPKI_OUTCOME_REVOKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives),
		cmocka_unit_test(cut_and_altered),
		cmocka_unit_test(results_of_other_types),
		cmocka_unit_test(two_histories),
		cmocka_unit_test(not_for_iotpki),
		cmocka_unit_test(folding),
		cmocka_unit_test(folding_into_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
