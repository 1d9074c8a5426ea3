/* What iotpki-bnode counts, and its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "bnode/jsonrpc.h"
#include "bnode/metrics.h"

static int metrics_new(void **state)
{
	struct metrics *metrics = aligned_alloc(_Alignof(struct metrics), sizeof(struct metrics));
	if (metrics == NULL)
		return -1;
	memset(metrics, 0, sizeof(*metrics));
	*state = metrics;
	return 0;
}

static int metrics_end(void **state)
{
	free(*state);
	return 0;
}

static void names_and_results(void **state)
{
	(void)state;
	static const struct {
		struct jsonrpc_error error;
		enum metrics_result want;
	} rows[] = {
		{ { JSONRPC_OK, NULL, NULL }, METRICS_OK },
		{ { JSONRPC_NAME_DB, "failed to read from name DB", NULL }, METRICS_NOT_FOUND },
		{ { JSONRPC_NAME_DB, "failed to read from from disk", NULL }, METRICS_FAILED },
		{ { JSONRPC_REFUSED, "taken", "name-taken" }, METRICS_REFUSED },
		{ { JSONRPC_WARMUP, "busy", NULL }, METRICS_BUSY },
		{ { JSONRPC_INTERNAL, "too large", NULL }, METRICS_FAILED },
		{ { JSONRPC_MISC_ERROR, "params", NULL }, METRICS_BAD },
		{ { JSONRPC_METHOD_NOT_FOUND, "method", NULL }, METRICS_BAD },
		{ { JSONRPC_PARSE, "parse", NULL }, METRICS_BAD },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (metrics_result_of(&rows[i].error) != rows[i].want)
			fail_msg("%d %s", rows[i].error.code, rows[i].error.message);
	}
	assert_int_equal(metrics_method_of("name_show"), METRICS_NAME_SHOW);
	assert_int_equal(metrics_method_of("name_submit"), METRICS_NAME_SUBMIT);
	assert_int_equal(metrics_method_of("other"), METRICS_OTHER);
	assert_int_equal(metrics_method_of("name_shox"), METRICS_OTHER);
	assert_int_equal(metrics_method_of(NULL), METRICS_OTHER);
}

static void has(const struct buf *text, const char *line)
{
	CLEANUP(buf_done) struct buf want = BUF_INIT(1024);
	assert_int_equal(buf_printf(&want, "\n%s\n", line), IOTPKI_OK);
	if (strstr(buf_text(text), buf_text(&want)) == NULL)
		fail_msg("no line %s in\n%s", line, buf_text(text));
}

/* All slots are one number, and a time counts in each bucket that it surely was within. */
static void sums(void **state)
{
	struct metrics *metrics = *state;
	static const uint8_t nothing[] = { 0x30, 0 };
	for (size_t slot = 0; slot < 20; slot++) {
		metrics_call(metrics, slot, METRICS_NAME_SHOW, METRICS_OK);
		metrics_status(metrics, slot, 503);
	}
	metrics_status(metrics, 0, 299);
	metrics_time(metrics, 0, 0);
	metrics_time(metrics, 1, 1);
	metrics_time(metrics, 2, 2);
	metrics_time(metrics, 3, 9999);
	metrics_time(metrics, 4, 10000);
	metrics_transaction(metrics, nothing, sizeof(nothing), TX_NAME_TAKEN);
	metrics_add(&metrics->refused[METRICS_REFUSED_RATE], 3);
	const struct metrics_gauges gauges = { .up = true, .connections = 7, .cut = 2 };
	CLEANUP(buf_done) struct buf text = BUF_INIT(METRICS_TEXT_MAX);
	assert_int_equal(metrics_text(metrics, &gauges, &text), IOTPKI_OK);
	has(&text, "iotpki_bnode_calls_total{method=\"name_show\",result=\"ok\"} 20");
	has(&text, "iotpki_bnode_http_answers_total{code=\"503\"} 20");
	has(&text, "iotpki_bnode_answer_seconds_bucket{le=\"0.001\"} 1");
	has(&text, "iotpki_bnode_answer_seconds_bucket{le=\"0.002\"} 2");
	has(&text, "iotpki_bnode_answer_seconds_bucket{le=\"0.005\"} 3");
	has(&text, "iotpki_bnode_answer_seconds_bucket{le=\"5\"} 3");
	has(&text, "iotpki_bnode_answer_seconds_bucket{le=\"10\"} 4");
	has(&text, "iotpki_bnode_answer_seconds_bucket{le=\"+Inf\"} 5");
	has(&text, "iotpki_bnode_answer_seconds_sum 20.002");
	has(&text, "iotpki_bnode_answer_seconds_count 5");
	has(&text, "iotpki_bnode_transactions_total{op=\"unreadable\",reason=\"name-taken\"} 1");
	has(&text, "iotpki_bnode_connections 7");
	has(&text, "iotpki_bnode_connections_cut_total 2");
	has(&text, "iotpki_bnode_connections_refused_total{reason=\"rate\"} 3");
	has(&text, "iotpki_bnode_up 1");
	assert_null(strstr(buf_text(&text), "ledger"));
}

/* With every counter as long as it gets, the text is still within its cap. */
static void longest_text(void **state)
{
	struct metrics *metrics = *state;
	memset(metrics, 0xff, sizeof(*metrics));
	const struct metrics_gauges gauges = { .stopping = true,
					       .up = true,
					       .has_ledger = true,
					       .height = UINT64_MAX,
					       .names = UINT64_MAX,
					       .map_used = UINT64_MAX,
					       .map_size = UINT64_MAX,
					       .newest_s = -1 };
	CLEANUP(buf_done) struct buf text = BUF_INIT(METRICS_TEXT_MAX);
	assert_int_equal(metrics_text(metrics, &gauges, &text), IOTPKI_OK);
	has(&text, "iotpki_bnode_ledger_height 18446744073709551615");
	has(&text, "iotpki_bnode_ledger_newest_seconds 0");
	has(&text, "iotpki_bnode_up 0");
	has(&text, "iotpki_bnode_transactions_total{op=\"REVOKE\",reason=\"ok\"} "
		   "18446744073709551615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_results),
		cmocka_unit_test_setup_teardown(sums, metrics_new, metrics_end),
		cmocka_unit_test_setup_teardown(longest_text, metrics_new, metrics_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
