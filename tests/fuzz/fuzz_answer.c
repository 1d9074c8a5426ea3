/*
 * A node's answer to a question about a name. The input is "STATUS TYPE\n" and the
 * body; the nonce and the name that were asked are fixed.
 */
#include "fuzz.h"

#include "format/json.h"
#include "nvs/dialect.h"

#define ID "00112233445566778899aabbccddeeff"
#define NAME "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"

static const struct config_node node = { .type = CONFIG_NODE_IOTPKI, .network = 3 };
static const char *const name = NAME;
static const struct dialect_question question = { &node, ID, &name, 1, 1795333900, NULL };

enum { TYPE_MAX = 64 };

/** The first line; false: there is none. */
static bool read_head(const uint8_t *data, size_t size, struct dialect_http *http,
		      char type[static TYPE_MAX])
{
	size_t at = 0, len = 0;
	for (; at < size && data[at] >= '0' && data[at] <= '9' && http->status < 1000; at++)
		http->status = http->status * 10 + (data[at] - '0');
	if (at < size && data[at] == ' ')
		at++;
	for (; at < size && data[at] != '\n'; at++) {
		if (len + 1 >= TYPE_MAX || data[at] == '\0')
			return false;
		type[len++] = (char)data[at];
	}
	type[len] = '\0';
	http->content_type = len > 0 ? type : NULL;
	if (at >= size)
		return false;
	http->body = (const char *)data + at + 1;
	http->len = size - at - 1;
	return true;
}

static bool says(const struct dialect_http *http, const char *word)
{
	return memmem(http->body, http->len, word, strlen(word)) != NULL;
}

/** A silence that soft-fail may forgive has a cause that can be pointed at (I2). */
static void check_outcome(const struct dialect_http *http, const struct iotpki_answer *answer)
{
	const enum iotpki_outcome outcome = answer->outcome;
	FUZZ_CHECK(outcome != IOTPKI_OUTCOME_PENDING && outcome != IOTPKI_OUTCOME_STALE);
	FUZZ_CHECK(outcome != IOTPKI_OUTCOME_UNREACHABLE ||
		   (http->status >= 500 && http->status < 600));
	FUZZ_CHECK(outcome != IOTPKI_OUTCOME_NOT_READY || http->status == 503 || says(http, "-4") ||
		   says(http, "-10") || says(http, "-28"));
	FUZZ_CHECK((outcome == IOTPKI_OUTCOME_UNAUTHORIZED) ==
		   (http->status == 401 || http->status == 403));
	FUZZ_CHECK(outcome > IOTPKI_OUTCOME_EXPIRED || http->status == 200);
	FUZZ_CHECK(answer->network == 3 && answer->max_tip_age_s == 3600);
}

static void check_record(const struct iotpki_record *record)
{
	char text[IOTPKI_VALUE_MAX + 1];
	struct iotpki_record back;
	FUZZ_CHECK(!record->revoked);
	FUZZ_CHECK(iotpki_record_format(record, text, sizeof(text)) == IOTPKI_OK);
	FUZZ_CHECK(iotpki_record_parse(text, strlen(text), &back, NULL) == IOTPKI_OK);
	FUZZ_CHECK(memcmp(back.sha256, record->sha256, IOTPKI_SHA256_LEN) == 0);
	FUZZ_CHECK(back.has_ssh == record->has_ssh && back.has_ex == record->has_ex);
	FUZZ_CHECK(back.ex_s == record->ex_s);
	FUZZ_CHECK(memcmp(back.ssh, record->ssh, IOTPKI_SHA256_LEN) == 0);
}

/** The result written again from what was parsed, in an envelope of ours, means the same. */
static void check_rewritten(const struct dialect_http *http, const struct iotpki_answer *answer)
{
	struct nvs_reply reply = { .result = BUF_INIT(NVS_CALL_MAX) };
	CLEANUP(buf_done) struct buf body = BUF_INIT(NVS_CALL_MAX);
	FUZZ_CHECK(dialect_reply(&node, ID, "name_show", http, &reply, NULL) == IOTPKI_OK);
	FUZZ_CHECK(reply.outcome == IOTPKI_OUTCOME_REGISTERED);
	(void)buf_printf(&body, "{\"id\":\"%s\",\"result\":%s}", ID, buf_text(&reply.result));
	FUZZ_CHECK(buf_error(&body) == IOTPKI_OK);
	const struct dialect_http again = { 200, "application/json", buf_text(&body), body.len };
	struct dialect_shown shown;
	/* Floats may grow when they are written again, and escapes become longer UTF-8: not over the cap. */
	if (body.len <= JSON_ANSWER_MAX) {
		dialect_answer(&question, &again, &shown, NULL);
		const struct iotpki_answer second = shown.answer;
		FUZZ_CHECK(second.outcome == answer->outcome);
		FUZZ_CHECK(second.ends_s == answer->ends_s && second.tip_s == answer->tip_s);
		FUZZ_CHECK(memcmp(second.txid, answer->txid, IOTPKI_SHA256_LEN) == 0);
		FUZZ_CHECK(memcmp(second.record.sha256, answer->record.sha256, IOTPKI_SHA256_LEN) ==
			   0);
	}
	buf_done(&reply.result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialect_http http = { 0 };
	char type[TYPE_MAX];
	if (!read_head(data, size, &http, type))
		return 0;
	struct dialect_shown shown;
	struct iotpki_detail detail = { 0 };
	dialect_answer(&question, &http, &shown, &detail);
	const struct iotpki_answer answer = shown.answer;
	check_outcome(&http, &answer);
	if (answer.outcome > IOTPKI_OUTCOME_EXPIRED)
		return 0;
	check_rewritten(&http, &answer);
	if (answer.outcome != IOTPKI_OUTCOME_REGISTERED)
		return 0;
	check_record(&answer.record);
	FUZZ_CHECK(answer.ends_s > 0 && answer.ends_s <= JSON_TIME_MAX);
	if (answer.tip_height > 10000)
		plant_bug(data, size);
	return 0;
}
