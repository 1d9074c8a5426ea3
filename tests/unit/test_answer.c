/* What the B-node answers: Emercoin's fields and codes, and iotpki's beside them (design 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/parse.h"
#include "bnode/method.h"
#include "bnode/writer.h"
#include "fake_ledger.h"

#define T0 INT64_C(1800000000)
#define H(byte) byte byte byte byte byte byte byte byte
#define HEX(byte) H(byte) H(byte) H(byte) H(byte)
#define VALUE "sha256=" HEX("ab")

struct world {
	struct clock_fake clock;
	struct ledger ledger;
};

static void add_operation(struct fake_name *name, enum tx_op op, int byte, int64_t time_s,
			  const char *value)
{
	static const uint8_t der[TX_DER_MAX] = "der";
	struct ledger_operation *operation = &name->ops[name->op_count++];
	*operation = (struct ledger_operation){ .op = op,
						.height = (uint64_t)byte,
						.time_s = time_s,
						.expires_s = T0 + 10 * 86400,
						.der = der,
						.der_len = 3 };
	memset(operation->txid, byte, SHA256_LEN);
	memset(operation->owner, 0x33, SHA256_LEN);
	(void)snprintf(operation->value, sizeof(operation->value), "%s", value);
}

/* Three names: registered, expired, revoked; a hundred more to page through. */
static int setup(void **state)
{
	static const char *const names[] = { "iot:alive", "iot:expired", "iot:revoked" };
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	clock_fake_init(&world->clock, T0);
	struct ledger *ledger = &world->ledger;
	ledger->tip = (struct ledger_tip){ .height = 42, .newest_s = T0 - 5 };
	memset(ledger->tip.hash, 0xcd, SHA256_LEN);
	ledger->names = calloc(1103, sizeof(*ledger->names));
	assert_non_null(ledger->names);
	for (ledger->count = 0; ledger->count < 1103; ledger->count++) {
		struct ledger_name *name = &ledger->names[ledger->count].name;
		if (ledger->count < ARRAY_LEN(names))
			(void)snprintf(name->name, sizeof(name->name), "%s", names[ledger->count]);
		else
			(void)snprintf(name->name, sizeof(name->name), "iot:z%04zu",
				       ledger->count - 3);
		(void)snprintf(name->value, sizeof(name->value), VALUE);
		memset(name->txid, 0x11, SHA256_LEN);
		memset(name->registration, 0x22, SHA256_LEN);
		memset(name->owner, 0x33, SHA256_LEN);
		name->time_s = T0 - 100;
		name->expires_s = T0 + 1000;
		name->sequence = 3;
	}
	ledger->names[1].name.expires_s = T0;
	ledger->names[2].name.expires_s = T0 - 1;
	ledger->names[2].name.revoked = true;
	add_operation(&ledger->names[2], TX_REGISTER, 0x22, T0 - 86400, VALUE);
	add_operation(&ledger->names[2], TX_REVOKE, 0x11, T0 - 100, VALUE "|status=revoked");
	add_operation(&ledger->names[0], TX_REGISTER, 0x21, T0 - 3 * 86400, VALUE);
	add_operation(&ledger->names[0], TX_REGISTER, 0x22, T0 - 86400, VALUE);
	add_operation(&ledger->names[0], TX_UPDATE, 0x11, T0 - 100, VALUE);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	free(world->ledger.names);
	free(world);
	return 0;
}

static void ask(struct world *world, const char *body, struct buf *out, unsigned int *status)
{
	struct answer answer;
	assert_int_equal(answer_prepare(&methods_ledger, body, strlen(body), &answer), IOTPKI_OK);
	assert_int_equal(answer_buf(&answer, out), IOTPKI_OK);
	assert_int_equal(answer_write(&world->ledger, &world->clock.clock, &answer, out, status),
			 IOTPKI_OK);
	answer_done(&answer);
}

#define CALL1(method, params) "{\"id\":1,\"method\":\"" method "\",\"params\":[" params "]}"
#define OK1(result) "{\"result\":" result ",\"error\":null,\"id\":1}\n"
#define FAIL1(code, message) \
	"{\"result\":null,\"error\":{\"code\":" code ",\"message\":\"" message "\"},\"id\":1}\n"
#define SHOWN(name, value, expires_in, expires_at, flag, status)                                   \
	"{\"name\":\"" name "\",\"value\":\"" value                                                \
	"\",\"txid\":\"" HEX("11") "\",\"address\":\"" HEX(                                        \
		"33") "\",\"vout\":0,\"expires_in\":" expires_in ",\"expires_at\":" expires_at     \
		      ",\"time\":1799999900" flag ",\"status\":\"" status                          \
		      "\",\"registration\":\"" HEX("22") "\",\"sequence\":3,\"unit\":\"s\","       \
							 "\"tip\":{\"height\":42,\"hash\":\"" HEX( \
								 "cd") "\",\"time\":1800000000}"

#define OPERATION(txid, time, height, operation, days, value)                                     \
	"{\"txid\":\"" HEX(txid) "\",\"time\":" time ",\"height\":" height ",\"address\":\"" HEX( \
		"33") "\",\"vout\":0,\"operation\":\"" operation "\",\"days_added\":" days        \
		      ",\"value\":\"" value "\"}"

static void answers(void **state)
{
	static const struct {
		const char *name;
		const char *body;
		unsigned int status;
		const char *want;
	} rows[] = {
		{ "registered", CALL1("name_show", "\"iot:alive\""), 200,
		  OK1(SHOWN("iot:alive", VALUE, "1000", "1800001000", "", "registered") "}") },
		{ "ends now: expired", CALL1("name_show", "\"iot:expired\""), 200,
		  OK1(SHOWN("iot:expired", VALUE, "0", "1800000000", ",\"expired\":true",
			    "expired") "}") },
		{ "revoked wins over expired, with proof", CALL1("name_show", "\"iot:revoked\""),
		  200,
		  OK1(SHOWN("iot:revoked", VALUE, "-1", "1799999999", ",\"expired\":true",
			    "revoked") ",\"proof\":[\"ZGVy\",\"ZGVy\"]}") },
		{ "unknown, 1.0", CALL1("name_show", "\"iot:none\""), 500,
		  FAIL1("-4", "failed to read from name DB") },
		{ "unknown, 2.0",
		  "{\"jsonrpc\":\"2.0\",\"id\":\"n\",\"method\":\"name_show\",\"params\":[\"iot:"
		  "none\"]}",
		  200,
		  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-4,\"message\":\"failed to read from "
		  "name "
		  "DB\"},\"id\":\"n\"}\n" },
		{ "a name longer than any", CALL1("name_show", "\"" HEX("aa") HEX("aa") "\""), 500,
		  FAIL1("-4", "failed to read from name DB") },
		{ "name with a quote", CALL1("name_show", "\"iot:\\\"\""), 500,
		  FAIL1("-4", "failed to read from name DB") },
		{ "no parameter", CALL1("name_show", ""), 500,
		  FAIL1("-1", "wrong number of parameters (see iotpki-bnode(1))") },
		{ "Emercoin's file parameter", CALL1("name_show", "\"iot:alive\",\"\",\"/tmp/x\""),
		  500, FAIL1("-1", "wrong number of parameters (see iotpki-bnode(1))") },
		{ "number for a name", CALL1("name_show", "5"), 500,
		  FAIL1("-1", "JSON value is not a string as expected") },
		{ "array for a name", CALL1("name_show", "[\"iot:alive\"]"), 500,
		  FAIL1("-1", "JSON value is not a string as expected") },
		{ "form unknown", CALL1("name_show", "\"iot:alive\",\"json\""), 500,
		  FAIL1("-8",
			"the form of the value must be \\\"\\\", \\\"hex\\\" or \\\"base64\\\"") },
		{ "unknown method", CALL1("nosuch", ""), 404, FAIL1("-32601", "Method not found") },
		{ "method of a wallet", CALL1("name_new", "\"iot:x\""), 404,
		  FAIL1("-32601", "Method not found") },
		{ "no request", "{\"id\":1}", 400, FAIL1("-32600", "Missing method") },
		{ "no JSON", "{\"jsonrpc\":\"1.0\",", 500,
		  "{\"result\":null,\"error\":{\"code\":-32700,\"message\":\"Parse "
		  "error\"},\"id\":null}\n" },
		{ "getblockchaininfo", CALL1("getblockchaininfo", ""), 200,
		  OK1("{\"chain\":\"iotpki\",\"blocks\":42,\"bestblockhash\":\"" HEX(
			  "cd") "\",\"time\":1800000000,\"initialblockdownload\":false}") },
		{ "history of this life", CALL1("name_history", "\"iot:alive\""), 200,
		  OK1("[" OPERATION("22", "1799913600", "34", "name_new", "11",
				    VALUE) "," OPERATION("11", "1799999900", "17", "name_update",
							 "0", VALUE) "]") },
		{ "history, all", CALL1("name_history", "\"iot:alive\",true"), 200,
		  OK1("[" OPERATION("21", "1799740800", "33", "name_new", "13",
				    VALUE) "," OPERATION("22", "1799913600", "34", "name_new", "11",
							 VALUE) "," OPERATION("11", "1799999900",
									      "17", "name_update",
									      "0", VALUE) "]") },
		{ "revocation is an update", CALL1("name_history", "\"iot:revoked\",false"), 200,
		  OK1("[" OPERATION("22", "1799913600", "34", "name_new", "11",
				    VALUE) "," OPERATION("11", "1799999900", "17", "name_update",
							 "0", VALUE "|status=revoked") "]") },
		{ "history of none", CALL1("name_history", "\"iot:none\""), 500,
		  FAIL1("-4", "failed to read from name DB") },
		{ "history, flag is a number", CALL1("name_history", "\"iot:alive\",1"), 500,
		  FAIL1("-1", "JSON value is not a boolean as expected") },
		{ "filter, one", CALL1("name_filter", "\"^iot:exp\""), 200,
		  OK1("[{\"name\":\"iot:expired\",\"value\":\"" VALUE
		      "\",\"registered_at\":1799999900,\"expires_in\":0,\"expired\":true,"
		      "\"status\":\"expired\"}]") },
		{ "filter, none", CALL1("name_filter", "\"^dns:\""), 200, OK1("[]") },
		{ "filter, a real expression", CALL1("name_filter", "\"^iot:.*a\""), 500,
		  FAIL1("-8", "only ^ and a literal prefix of a name") },
		{ "filter, no anchor", CALL1("name_filter", "\"iot:\""), 500,
		  FAIL1("-8", "only ^ and a literal prefix of a name") },
		{ "filter, age", CALL1("name_filter", "\"^iot:\",5"), 500,
		  FAIL1("-8", "maxage must be 0") },
		{ "filter, negative", CALL1("name_filter", "\"^iot:\",0,-1"), 500,
		  FAIL1("-8", "from must be 0 to 10000, or the last name of the page before") },
		{ "batch", "[" CALL1("name_show", "\"iot:none\"") ",7]", 200,
		  "[{\"result\":null,\"error\":{\"code\":-4,\"message\":\"failed to read from name "
		  "DB\"},"
		  "\"id\":1},{\"result\":null,\"error\":{\"code\":-32600,\"message\":\"Invalid "
		  "Request "
		  "object\"},\"id\":null}]\n" },
		{ "batch of none", "[]", 400,
		  "{\"result\":null,\"error\":{\"code\":-32600,\"message\":\"A batch holds 1 to "
		  "100 "
		  "calls\"},\"id\":null}\n" },
		{ "no base64", CALL1("name_submit", "\"***\""), 500, NULL },
	};
	struct world *world = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf out = { 0 };
		unsigned int status = 0;
		ask(world, rows[i].body, &out, &status);
		if (status != rows[i].status)
			fail_msg("%s: status %u", rows[i].name, status);
		if (rows[i].want != NULL && strcmp(buf_text(&out), rows[i].want) != 0)
			fail_msg("%s:\n%swant:\n%s", rows[i].name, buf_text(&out), rows[i].want);
	}
}

static void value_forms(void **state)
{
	struct world *world = *state;
	(void)snprintf(world->ledger.names[0].name.value, IOTPKI_VALUE_MAX, "a\"b");
	static const struct {
		const char *form, *want;
	} rows[] = { { "", "\"value\":\"a\\\"b\"" },
		     { "hex", "\"value\":\"612262\"" },
		     { "base64", "\"value\":\"YSJi\"" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf out = { 0 };
		unsigned int status = 0;
		char body[128];
		(void)snprintf(body, sizeof(body), CALL1("name_show", "\"iot:alive\",\"%s\""),
			       rows[i].form);
		ask(world, body, &out, &status);
		if (status != 200 || strstr(buf_text(&out), rows[i].want) == NULL)
			fail_msg("%s: %s", rows[i].form, buf_text(&out));
	}
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

static void pages(void **state)
{
	struct world *world = *state;
	static const struct {
		const char *params;
		size_t want;
		const char *first, *last;
	} rows[] = {
		{ "\"^iot:z\"", 1000, "iot:z0000", "iot:z0999" },
		{ "\"^iot:z\",0,0,0", 1000, "iot:z0000", "iot:z0999" },
		{ "\"^iot:z\",0,0,5000", 1000, "iot:z0000", "iot:z0999" },
		{ "\"^iot:z\",0,0,2", 2, "iot:z0000", "iot:z0001" },
		{ "\"^iot:z\",0,5,2", 2, "iot:z0005", "iot:z0006" },
		{ "\"^iot:z\",0,\"iot:z0999\"", 100, "iot:z1000", "iot:z1099" },
		{ "\"^iot:z\",0,1000", 100, "iot:z1000", "iot:z1099" },
		{ "\"^\",0,\"\",2", 2, "iot:alive", "iot:expired" },
		{ "\"^\",0,0,3", 3, "iot:alive", "iot:revoked" },
		{ "", 1000, "iot:alive", "iot:z0996" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf out = { 0 };
		unsigned int status = 0;
		char body[160];
		(void)snprintf(body, sizeof(body), CALL1("name_filter", "%s"), rows[i].params);
		ask(world, body, &out, &status);
		const size_t count = count_of(buf_text(&out), "\"name\":");
		if (status != 200 || count != rows[i].want)
			fail_msg("%s: %zu names", rows[i].params, count);
		const char *first = strstr(buf_text(&out), rows[i].first);
		const char *last = strstr(buf_text(&out), rows[i].last);
		if (first == NULL || last == NULL || count_of(buf_text(&out), rows[i].last) != 1 ||
		    strstr(last, "\"name\":") != NULL)
			fail_msg("%s: first or last", rows[i].params);
	}
}

static void disk_trouble_is_not_unknown(void **state)
{
	struct world *world = *state;
	static const char *const bodies[] = { CALL1("name_show", "\"iot:alive\""),
					      CALL1("name_history", "\"iot:alive\""),
					      CALL1("name_filter", "\"^iot:\""),
					      CALL1("getblockchaininfo", "") };
	world->ledger.broken = true;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		CLEANUP(buf_done) struct buf out = { 0 };
		unsigned int status = 0;
		ask(world, bodies[i], &out, &status);
		assert_int_equal(status, 500);
		assert_string_equal(buf_text(&out), FAIL1("-4", "failed to read from from disk"));
	}
}

/* Past the cap the method's error stands in the place of its result, and the batch goes on. */
static void too_much_to_answer(void **state)
{
	struct world *world = *state;
	world->ledger.names[0].repeat = 20000;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	ask(world,
	    "[" CALL1("getblockchaininfo", "") "," CALL1(
		    "name_history", "\"iot:alive\",true") "," CALL1("getblockchaininfo", "") "]",
	    &out, &status);
	assert_int_equal(status, 200);
	assert_true(out.len < 4096);
	assert_int_equal(count_of(buf_text(&out), "bestblockhash"), 2);
	assert_int_equal(count_of(buf_text(&out), "-32603"), 1);
}

/* What is read costs, shown or not: 50 calls of a kilobyte must not read a million operations. */
static void reads_are_counted(void **state)
{
	struct world *world = *state;
	world->ledger.names[0].repeat = ANSWER_READS_MAX / 2 / 2;           /* of two operations */
	memset(world->ledger.names[0].name.registration, 0x55, SHA256_LEN); /* none is shown */
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	ask(world,
	    "[" CALL1("name_history", "\"iot:alive\"") "," CALL1(
		    "name_history", "\"iot:alive\"") "," CALL1("name_filter",
							       "") "," CALL1("name_show",
									     "\"iot:revoked\"") "]",
	    &out, &status);
	assert_int_equal(status, 200);
	assert_int_equal(count_of(buf_text(&out), "ask for less"), 2);
	assert_int_equal(count_of(buf_text(&out), "\"status\":\"revoked\""), 1);
	assert_int_equal(count_of(buf_text(&out), "proof"), 0);
}

/* Reading on for a proof must not make the question of every login cost a hundred times as much. */
static void proof_of_a_long_life(void **state)
{
	struct world *world = *state;
	static const struct {
		uint32_t sequence;
		bool proof;
	} rows[] = { { ANSWER_PROOF_READS, true }, { ANSWER_PROOF_READS + 1, false } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf out = { 0 };
		unsigned int status = 0;
		world->ledger.names[2].name.sequence = rows[i].sequence;
		ask(world, CALL1("name_show", "\"iot:revoked\""), &out, &status);
		assert_int_equal(status, 200);
		assert_non_null(strstr(buf_text(&out), "\"status\":\"revoked\""));
		assert_int_equal(strstr(buf_text(&out), "proof") != NULL, rows[i].proof);
	}
}

/* A revoked name with a proof beyond what clients read: still revoked, without it. */
static void proof_too_large(void **state)
{
	struct world *world = *state;
	for (size_t i = 0; i < 2; i++)
		world->ledger.names[2].ops[i].der_len = TX_DER_MAX;
	world->ledger.names[2].repeat = 10;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	ask(world, CALL1("name_show", "\"iot:revoked\""), &out, &status);
	assert_int_equal(status, 200);
	assert_non_null(strstr(buf_text(&out), "\"status\":\"revoked\""));
	assert_null(strstr(buf_text(&out), "proof"));
}

/* The newest entry is ahead of the node's clock: names end by the later of both, the tip is the clock. */
static void clock_behind_the_log(void **state)
{
	struct world *world = *state;
	world->ledger.tip.newest_s = T0 + 1000;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	ask(world, CALL1("name_show", "\"iot:alive\""), &out, &status);
	assert_non_null(strstr(buf_text(&out), "\"status\":\"expired\""));
	assert_non_null(strstr(buf_text(&out), "\"time\":1800000000}"));
}

/* ---- transactions through the writer ---- */

struct waiting {
	struct writer_job job; /* first */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done;
};

static void job_done(struct writer_job *job)
{
	struct waiting *waiting = (struct waiting *)(void *)job;
	pthread_mutex_lock(&waiting->lock);
	waiting->done = true;
	pthread_cond_signal(&waiting->ended);
	pthread_mutex_unlock(&waiting->lock);
}

static void submit_and_wait(struct writer *writer, struct answer *answer)
{
	struct waiting waiting = { .job = { .answer = answer, .done = job_done },
				   .lock = PTHREAD_MUTEX_INITIALIZER,
				   .ended = PTHREAD_COND_INITIALIZER };
	assert_true(writer_submit(writer, &waiting.job));
	pthread_mutex_lock(&waiting.lock);
	while (!waiting.done)
		pthread_cond_wait(&waiting.ended, &waiting.lock);
	pthread_mutex_unlock(&waiting.lock);
}

static void submit_batch(struct world *world, struct buf *out, unsigned int *status)
{
	static const char body[] =
		"[" CALL1("name_submit", "\"ZGVy\"") "," CALL1("name_submit", "\"ZGVy\"") "," CALL1(
			"name_submit", "\"!\"") "," CALL1("name_submit", "5") "]";
	struct answer answer;
	struct writer *writer = NULL;
	assert_int_equal(answer_prepare(&methods_ledger, body, strlen(body), &answer), IOTPKI_OK);
	assert_int_equal(answer.submission_count, 3);
	assert_int_equal(answer.decoded_count, 2);
	assert_int_equal(writer_start(&world->ledger, &writer), IOTPKI_OK);
	submit_and_wait(writer, &answer);
	writer_drain(writer);
	struct writer_job late = { .answer = &answer, .done = job_done };
	assert_false(writer_submit(writer, &late));
	writer_freep(&writer);
	assert_int_equal(answer_buf(&answer, out), IOTPKI_OK);
	assert_int_equal(answer_write(&world->ledger, &world->clock.clock, &answer, out, status),
			 IOTPKI_OK);
	answer_done(&answer);
}

static void transactions(void **state)
{
	struct world *world = *state;
	world->ledger.refuse_odd = true;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	submit_batch(world, &out, &status);
	assert_int_equal(status, 200);
	assert_int_equal(world->ledger.submits, 1);
	assert_int_equal(world->ledger.submitted, 2);
	const char *text = buf_text(&out);
	assert_non_null(strstr(text, "[{\"result\":\"" HEX("00") "\",\"error\":null,\"id\":1},"));
	assert_int_equal(count_of(text, "\"data\":{\"reason\":\"name-taken\"}"), 1);
	assert_int_equal(count_of(text, "\"data\":{\"reason\":\"bad-encoding\"}"), 1);
	assert_int_equal(count_of(text, "-32010"), 2);
	assert_int_equal(count_of(text, tx_reason_text(TX_NAME_TAKEN)), 1);
	assert_int_equal(count_of(text, "JSON value is not a string as expected"), 1);
}

/* Whatever the ledger wrote into them, a failed commit leaves nothing acknowledged. */
static void failed_commit(void **state)
{
	struct world *world = *state;
	world->ledger.submit_err = IOTPKI_ERR_IO;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	submit_batch(world, &out, &status);
	assert_int_equal(count_of(buf_text(&out), "\"data\":{\"reason\":\"storage\"}"), 2);
	assert_int_equal(count_of(buf_text(&out), "\"error\":null"), 0);
}

/* What the server did not take was not done; the client has to see more than a status of 200. */
static void busy(void **state)
{
	struct world *world = *state;
	static const char body[] = CALL1("name_submit", "\"ZGVy\"");
	struct answer answer;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	assert_int_equal(answer_prepare(&methods_ledger, body, strlen(body), &answer), IOTPKI_OK);
	answer.busy = true;
	assert_int_equal(answer_buf(&answer, &out), IOTPKI_OK);
	assert_int_equal(answer_write(&world->ledger, &world->clock.clock, &answer, &out, &status),
			 IOTPKI_OK);
	answer_done(&answer);
	assert_int_equal(status, 503);
	assert_string_equal(buf_text(&out),
			    FAIL1("-28", "too busy, nothing was changed: try again"));
}

/* One table for node, CLI and manual: every reason stands there with the node's own words. */
static void manual_has_every_reason(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf page = BUF_INIT(1 << 20);
	char path[4096];
	const char *folder = secure_getenv("TEST_SOURCE_DIR");
	assert_non_null(folder);
	(void)snprintf(path, sizeof(path), "%s/../docs/man/iotpki-bnode.1.scd", folder);
	assert_int_equal(fs_read(path, NULL, &page, NULL), IOTPKI_OK);
	for (int reason = TX_OK + 1; reason < TX_REASON_COUNT; reason++) {
		char entry[1024];
		(void)snprintf(entry, sizeof(entry), "\n*%s*\n\t%s\n",
			       tx_reason_name((enum tx_reason)reason),
			       tx_reason_text((enum tx_reason)reason));
		if (strstr(buf_text(&page), entry) == NULL)
			fail_msg("the manual lacks: %s", entry);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(value_forms),
		TEST(pages),
		TEST(disk_trouble_is_not_unknown),
		TEST(too_much_to_answer),
		TEST(reads_are_counted),
		TEST(proof_of_a_long_life),
		TEST(proof_too_large),
		TEST(clock_behind_the_log),
		TEST(transactions),
		TEST(failed_commit),
		TEST(busy),
		cmocka_unit_test(manual_has_every_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
