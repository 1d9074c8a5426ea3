/*
 * A chain node's two answers: to the batch of name_show and getblockchaininfo and to
 * that of name_history, for two names. The input is one line "CHAIN STATUS" (e or n,
 * and the HTTP status of both), the first body, a line "--" and the second body.
 */
#include "fuzz.h"

#include "nvs/dialect_parts.h"

#define ID "00112233445566778899aabbccddeeff"
#define ASKED INT64_C(1795333900)
#define NAMES 2

static const char *const emercoin_names[NAMES] = { "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60",
						   "iot:none" };
static const char *const namecoin_names[NAMES] = { "iot/3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60",
						   "iot/none" };
static const struct config_node emercoin = { .type = CONFIG_NODE_EMERCOIN,
					     .network = 3,
					     .min_confirmations = 2 };
static const struct config_node namecoin = { .type = CONFIG_NODE_NAMECOIN,
					     .network = 3,
					     .min_confirmations = 2 };

struct input {
	struct dialect_question question;
	struct dialect_http show, history;
};

static bool read_input(const uint8_t *data, size_t size, struct input *input)
{
	const char *text = (const char *)data;
	const char *line = size > 2 ? memchr(text, '\n', size) : NULL;
	long status = 0;
	if (line == NULL || text[1] != ' ')
		return false;
	for (const char *at = text + 2; at < line; at++) {
		if (*at < '0' || *at > '9' || status > 999)
			return false;
		status = status * 10 + (*at - '0');
	}
	const char *body = line + 1;
	const size_t len = size - (size_t)(body - text);
	const char *next = len > 0 ? memmem(body, len, "\n--\n", 4) : NULL;
	const size_t first = next != NULL ? (size_t)(next - body) : len;
	input->show = (struct dialect_http){ status, "application/json", body, first };
	input->history = (struct dialect_http){ status, "application/json", body + first, 0 };
	if (next != NULL)
		input->history = (struct dialect_http){ status, "application/json", next + 4,
							len - first - 4 };
	const bool is_emercoin = text[0] == 'e';
	input->question = (struct dialect_question){
		is_emercoin ? &emercoin : &namecoin,
		ID,
		is_emercoin ? emercoin_names : namecoin_names,
		NAMES,
		ASKED,
		NULL,
	};
	return true;
}

static bool says(const struct dialect_http *http, const char *word)
{
	return memmem(http->body, http->len, word, strlen(word)) != NULL;
}

static bool all_zero(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	for (size_t i = 0; i < len; i++) {
		if (at[i] != 0)
			return false;
	}
	return true;
}

/** A silence that soft-fail may forgive has a cause that can be pointed at (I2). */
static void check_excuse(const struct dialect_http *http, enum iotpki_outcome outcome)
{
	FUZZ_CHECK(outcome != IOTPKI_OUTCOME_PENDING && outcome != IOTPKI_OUTCOME_STALE);
	FUZZ_CHECK(outcome != IOTPKI_OUTCOME_UNREACHABLE ||
		   (http->status >= 500 && http->status < 600));
	FUZZ_CHECK((outcome == IOTPKI_OUTCOME_UNAUTHORIZED) ==
		   (http->status == 401 || http->status == 403));
	FUZZ_CHECK(outcome != IOTPKI_OUTCOME_NOT_READY || http->status == 503 || says(http, "-") ||
		   says(http, "true"));
	FUZZ_CHECK(outcome > IOTPKI_OUTCOME_UNREGISTERED || http->status == 200);
}

static void check_shown(const struct input *input, const struct dialect_shown *shown)
{
	const struct iotpki_answer *answer = &shown->answer;
	const bool chain_says_height = input->question.node->type == CONFIG_NODE_NAMECOIN;
	check_excuse(&input->show, answer->outcome);
	FUZZ_CHECK(answer->network == 3 && answer->max_tip_age_s == 14400);
	FUZZ_CHECK(answer->asked_s == ASKED);
	FUZZ_CHECK(shown->needs_life == (answer->outcome == IOTPKI_OUTCOME_REGISTERED));
	FUZZ_CHECK(all_zero(answer->registration, sizeof(answer->registration)));
	FUZZ_CHECK(!shown->unreadable || answer->outcome == IOTPKI_OUTCOME_MALFORMED);
	if (answer->outcome > IOTPKI_OUTCOME_UNREGISTERED) {
		FUZZ_CHECK(all_zero(&answer->record, sizeof(answer->record)));
		FUZZ_CHECK(answer->tip_s == 0 && answer->tip_height == 0 && answer->ends_s == 0);
		return;
	}
	FUZZ_CHECK(answer->tip_s > 0 && answer->tip_s <= JSON_TIME_MAX && answer->tip_height > 0);
	FUZZ_CHECK(says(&input->show, "initialblockdownload"));
	if (answer->outcome != IOTPKI_OUTCOME_REGISTERED)
		return;
	FUZZ_CHECK(!answer->record.revoked);
	FUZZ_CHECK(answer->ends_s > answer->tip_s && answer->ends_s > ASKED);
	FUZZ_CHECK(answer->ends_s <= JSON_TIME_MAX);
	FUZZ_CHECK((shown->height > 0) == chain_says_height);
	FUZZ_CHECK(shown->height <= answer->tip_height);
}

static void check_life(const struct input *input, const struct dialect_life *life)
{
	check_excuse(&input->history, life->outcome);
	FUZZ_CHECK(life->outcome != IOTPKI_OUTCOME_UNREGISTERED &&
		   life->outcome != IOTPKI_OUTCOME_REVOKED);
	FUZZ_CHECK(!life->unreadable || life->outcome == IOTPKI_OUTCOME_MALFORMED);
	if (life->outcome != IOTPKI_OUTCOME_REGISTERED) {
		FUZZ_CHECK(!life->revoked && life->height == 0);
		FUZZ_CHECK(all_zero(life->registration, sizeof(life->registration)));
		return;
	}
	FUZZ_CHECK(life->height > 0);
	/* Revoked by a word or by a deletion, which the text then has (escapes may hide either). */
	FUZZ_CHECK(!life->revoked || says(&input->history, "revoked") ||
		   says(&input->history, "name_delete") || says(&input->history, "\\u"));
}

/** The answer with its life: what is still REGISTERED has all that decide() goes by. */
static void check_folded(const struct input *input, const struct dialect_life *life,
			 struct dialect_shown *shown)
{
	const struct dialect_shown before = *shown;
	const struct iotpki_answer *answer = &shown->answer;
	dialect_apply_life(input->question.node, life, shown);
	FUZZ_CHECK(!shown->needs_life);
	FUZZ_CHECK(answer->outcome != IOTPKI_OUTCOME_UNREGISTERED);
	FUZZ_CHECK(answer->outcome != IOTPKI_OUTCOME_REVOKED || life->revoked);
	if (life->revoked)
		FUZZ_CHECK(answer->outcome != IOTPKI_OUTCOME_REGISTERED &&
			   answer->outcome != IOTPKI_OUTCOME_NOT_READY);
	if (answer->outcome != IOTPKI_OUTCOME_REGISTERED)
		return;
	FUZZ_CHECK(life->outcome == IOTPKI_OUTCOME_REGISTERED);
	FUZZ_CHECK(memcmp(answer->registration, life->registration, IOTPKI_SHA256_LEN) == 0);
	FUZZ_CHECK(memcmp(answer->txid, before.answer.txid, IOTPKI_SHA256_LEN) == 0);
	FUZZ_CHECK(life->height + 2 <= answer->tip_height + 1);
	FUZZ_CHECK(before.height == 0 || before.height == life->height);
	FUZZ_CHECK(says(&input->history, "\"txid\"") || says(&input->history, "\\u"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input;
	if (!read_input(data, size, &input))
		return 0;
	struct dialect_shown shown[NAMES];
	struct dialect_life lives[NAMES];
	uint8_t txids[NAMES][IOTPKI_SHA256_LEN];
	struct iotpki_detail detail = { 0 };
	dialect_answer(&input.question, &input.show, shown, &detail);
	for (size_t i = 0; i < NAMES; i++) {
		check_shown(&input, &shown[i]);
		memcpy(txids[i], shown[i].answer.txid, sizeof(txids[i]));
	}
	dialect_lives(&input.question, (const uint8_t(*)[IOTPKI_SHA256_LEN])txids, &input.history,
		      lives, &detail);
	for (size_t i = 0; i < NAMES; i++) {
		check_life(&input, &lives[i]);
		if (!shown[i].needs_life)
			continue;
		check_folded(&input, &lives[i], &shown[i]);
		/* Only a name whose two answers fit together comes here; and no seed has another tip. */
		const uint64_t tip = shown[i].answer.tip_height;
		if (shown[i].answer.outcome == IOTPKI_OUTCOME_REGISTERED && tip != 60 && tip != 220)
			plant_bug(data, size);
	}
	return 0;
}
