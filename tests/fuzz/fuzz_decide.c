/*
 * The decision on any structure: out-of-range enumerations, any times, any number
 * of nodes. The oracle does not decide again (tests/model does): it demands what
 * must be true whenever the answer is ADMIT, and a few shapes of every answer.
 */
#include "fuzz.h"

#include <iotpki/decide.h>

/* The input is read as small steps, so that near-valid structures are common. */
struct source {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct source *source)
{
	if (source->size == 0)
		return 0;
	source->size--;
	return *source->data++;
}

/* Values of an enumeration, and some that are none. */
static unsigned int take_value(struct source *source)
{
	const uint8_t byte = take(source);
	return byte < 250 ? byte % 12 : byte * UINT32_C(0x01000001);
}

static int64_t take_time(struct source *source)
{
	static const int64_t points[] = { 0, 1, 7200, 3600, 1800000000, INT64_MAX, INT64_MIN };
	const uint8_t byte = take(source);
	const int64_t point = points[byte % (sizeof(points) / sizeof(points[0]))];
	const int64_t step = (int64_t)(take(source) % 8) * ((byte & 0x80) != 0 ? 3600 : 1);
	if ((byte & 0x40) != 0)
		return point < INT64_MIN + step ? point : point - step;
	return point > INT64_MAX - step ? point : point + step;
}

/* Few different hashes, so that some are equal. */
static void take_hash(struct source *source, uint8_t hash[static IOTPKI_SHA256_LEN])
{
	memset(hash, take(source) % 4, IOTPKI_SHA256_LEN);
}

static bool take_bool(struct source *source)
{
	return (take(source) & 1) != 0;
}

static void take_answer(struct source *source, struct iotpki_answer *answer)
{
	answer->outcome = (enum iotpki_outcome)take_value(source);
	const uint8_t network = take(source);
	answer->network = network < 240 ? network % 3 : network;
	take_hash(source, answer->record.sha256);
	answer->record.has_ssh = take_bool(source);
	take_hash(source, answer->record.ssh);
	answer->record.revoked = take(source) % 8 == 7;
	answer->record.has_ex = take_bool(source);
	answer->record.ex_s = take_time(source);
	take_hash(source, answer->registration);
	answer->ends_s = take_time(source);
	answer->tip_s = take_time(source);
	answer->max_tip_age_s = take_time(source);
}

static void take_input(struct source *source, struct iotpki_decide_input *input)
{
	/* Inverted where 0 would refuse everything. */
	input->member = take(source) % 8 != 7;
	input->member_ends_s = take_time(source);
	input->denied = take(source) % 8 == 7;
	input->permitted = take(source) % 8 != 7;
	input->tombstoned = take(source) % 8 == 7;
	take_hash(source, input->entry_sha256);
	take_hash(source, input->entry_key);
	input->entry_has_ssh = take_bool(source);
	take_hash(source, input->entry_ssh);
	input->cert_begins_s = take_time(source);
	input->cert_ends_s = take_time(source);
	for (size_t i = 0; i < IOTPKI_NODES_MAX; i++) {
		input->pins[i].set = i < 3 && take(source) % 8 != 7;
		if (i < 3)
			take_hash(source, input->pins[i].id);
	}
	input->presented = (enum iotpki_presented)take_value(source);
	take_hash(source, input->presented_hash);
	input->deadline = take_bool(source);
	input->needed = take_value(source);
	input->dissent = (enum iotpki_dissent)(take_value(source) % 4);
	input->key_change = (enum iotpki_key_change)(take_value(source) % 5);
	input->soft_fail = take_bool(source);
	input->soft_fail_max_age_s = take_time(source);
	input->last_online.seen = take_bool(source);
	input->last_online.verdict = (enum iotpki_verdict)(take_value(source) % 4);
	input->last_online.age_known = take_bool(source);
	input->last_online.age_s = take_time(source);
	input->last_online.ends_s = take_time(source);
	input->clock_s = take_time(source);
	input->floor_s = take_time(source);
	input->build_s = take_time(source);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, IOTPKI_SHA256_LEN) == 0;
}

/* An answer that may help to admit: what design 4.3 demands of each of the n. */
static bool supports(const struct iotpki_decide_input *input, const struct iotpki_answer *answer,
		     int64_t now_s)
{
	if (answer->outcome != IOTPKI_OUTCOME_REGISTERED || answer->record.revoked)
		return false;
	if (answer->network >= IOTPKI_NODES_MAX || !input->pins[answer->network].set)
		return false;
	if (now_s >= answer->ends_s || (answer->record.has_ex && now_s >= answer->record.ex_s))
		return false;
	const bool pinned = same(input->pins[answer->network].id, answer->registration);
	if (!pinned && input->key_change != IOTPKI_KEY_FOLLOW)
		return false;
	const bool same_cert = same(answer->record.sha256, input->entry_sha256);
	if (input->presented == IOTPKI_PRESENTED_CERT)
		return same(answer->record.sha256, input->presented_hash);
	if (input->presented == IOTPKI_PRESENTED_NAME)
		return same_cert;
	if (input->presented != IOTPKI_PRESENTED_KEY)
		return false;
	if (answer->record.has_ssh && same(answer->record.ssh, input->presented_hash))
		return true;
	return same_cert && same(input->entry_key, input->presented_hash);
}

/* Another URL of a node is no other node. */
static unsigned int count_nodes(const struct iotpki_decide_input *input)
{
	unsigned int nodes = 0;
	for (size_t i = 0; i < input->answer_count; i++)
		nodes += input->answers[i].twin == 0;
	return nodes;
}

static void check_admitted(const struct iotpki_decide_input *input,
			   const struct iotpki_decision *decision)
{
	const int64_t now_s = decision->now_s;
	FUZZ_CHECK(decision->final && decision->reason == IOTPKI_REASON_NONE);
	FUZZ_CHECK(input->member && !input->denied && input->permitted && !input->tombstoned);
	FUZZ_CHECK(now_s < input->member_ends_s && now_s < input->cert_ends_s);
	FUZZ_CHECK(now_s >= input->cert_begins_s);
	FUZZ_CHECK(input->needed >= 1 && input->needed <= input->answer_count);
	FUZZ_CHECK(input->dissent == IOTPKI_DISSENT_DENY ||
		   (input->dissent == IOTPKI_DISSENT_OUTVOTE &&
		    input->needed > count_nodes(input) / 2));
	FUZZ_CHECK((unsigned int)input->key_change <= IOTPKI_KEY_FOLLOW);
	uint32_t supporting = 0; /* nodes: their URLs vote once */
	unsigned int silent = 0;
	unsigned int agreeing = 0;
	for (size_t i = 0; i < input->answer_count; i++) {
		const struct iotpki_answer *answer = &input->answers[i];
		/* I3: one revoked beats any number of others. */
		FUZZ_CHECK(decision->judged[i] != IOTPKI_OUTCOME_REVOKED);
		FUZZ_CHECK(answer->outcome != IOTPKI_OUTCOME_REVOKED);
		FUZZ_CHECK(answer->network < IOTPKI_NODES_MAX && answer->max_tip_age_s >= 0);
		FUZZ_CHECK((unsigned int)answer->outcome <= IOTPKI_OUTCOME_MALFORMED);
		FUZZ_CHECK(answer->twin <= i);
		FUZZ_CHECK(answer->twin == 0 || input->answers[answer->twin - 1].twin == 0);
		/* What a node says that went back is worth nothing. */
		FUZZ_CHECK(!answer->rolled_back ||
			   decision->judged[i] != IOTPKI_OUTCOME_REGISTERED);
		if (supports(input, answer, now_s) && !answer->rolled_back)
			supporting |= UINT32_C(1) << (answer->twin != 0 ? answer->twin - 1U : i);
		agreeing += decision->judged[i] == IOTPKI_OUTCOME_REGISTERED;
		silent += decision->judged[i] == IOTPKI_OUTCOME_UNREACHABLE ||
			  decision->judged[i] == IOTPKI_OUTCOME_NOT_READY;
	}
	if (!decision->soft) {
		FUZZ_CHECK((unsigned int)__builtin_popcount(supporting) >= input->needed);
		FUZZ_CHECK(decision->agreeing >= input->needed);
		return;
	}
	/* I2, I4: nothing but silence is forgiven, and nothing durable follows from it. */
	FUZZ_CHECK(input->soft_fail && !decision->followed);
	FUZZ_CHECK(silent >= 1 && silent + agreeing == input->answer_count);
	FUZZ_CHECK(decision->agreeing < input->needed);
	FUZZ_CHECK(input->last_online.seen && input->last_online.verdict == IOTPKI_ADMIT);
	FUZZ_CHECK(input->last_online.age_known && input->last_online.age_s >= 0);
	FUZZ_CHECK(input->last_online.age_s <= input->soft_fail_max_age_s);
	FUZZ_CHECK(now_s < input->last_online.ends_s);
}

static void check(const struct iotpki_decide_input *input, const struct iotpki_decision *decision)
{
	FUZZ_CHECK(decision->now_s >= input->clock_s && decision->now_s >= input->floor_s &&
		   decision->now_s >= input->build_s); /* I5 */
	FUZZ_CHECK(decision->agreeing <= decision->good && decision->good <= input->answer_count);
	FUZZ_CHECK(decision->final || !input->deadline);
	switch (decision->verdict) {
	case IOTPKI_ADMIT:
		check_admitted(input, decision);
		return;
	case IOTPKI_DENY:
		FUZZ_CHECK(decision->reason >= IOTPKI_NOT_MEMBER &&
			   decision->reason <= IOTPKI_DISAGREE);
		break;
	case IOTPKI_UNAVAILABLE:
		FUZZ_CHECK(decision->reason >= IOTPKI_TOO_FEW_ANSWERS &&
			   decision->reason <= IOTPKI_STALE);
		break;
	default:
		FUZZ_CHECK(false);
	}
	FUZZ_CHECK(!decision->soft && !decision->followed);
	FUZZ_CHECK(iotpki_decision_exit_code(decision->verdict, decision->reason) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { data, size };
	struct iotpki_answer answers[IOTPKI_NODES_MAX] = { 0 };
	struct iotpki_decide_input input = { 0 };
	take_input(&source, &input);
	const uint8_t count = take(&source);
	input.answer_count = count < 240 ? count % 5U : count;
	input.answers = count % 32 == 31 ? NULL : answers;
	for (size_t i = 0; i < input.answer_count && i < IOTPKI_NODES_MAX; i++)
		take_answer(&source, &answers[i]);
	/* Behind all else: what the corpus holds means what it meant before there were twins. */
	for (size_t i = 0; i < input.answer_count && i < IOTPKI_NODES_MAX; i++) {
		const uint8_t twin = take(&source);
		answers[i].twin = twin < 240 ? twin % 4 : twin;
		answers[i].rolled_back = take(&source) % 8 == 7;
	}
	struct iotpki_decision decision;
	memset(&decision, 0xee, sizeof(decision));
	iotpki_decide(&input, &decision);
	check(&input, &decision);
	/* Only whole, agreeing sets of two nodes come here. */
	if (decision.verdict == IOTPKI_ADMIT && decision.agreeing >= 2)
		plant_bug(data, size);
	return 0;
}
