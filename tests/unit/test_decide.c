/*
 * The decision's main cases, one a line, read beside design 4. The exhaustive
 * comparison with an independent model is tests/model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <iotpki/decide.h>

#include "base/base.h"
#include "nvs/quorum.h"

#define NOW INT64_C(1800000000)
#define HOUR INT64_C(3600)
#define LATER (NOW + 1000 * HOUR)

/* Each hash, fingerprint or id of these tests is one byte, repeated. */
enum { CERT = 'c', NEW_CERT, KEY = 'k', SSH = 's', NEW_SSH, LIFE = 'x', OTHER_LIFE };

static void set(uint8_t hash[static IOTPKI_SHA256_LEN], int byte)
{
	memset(hash, byte, IOTPKI_SHA256_LEN);
}

/* ---- what a node may answer, by name ---- */

static struct iotpki_answer good(void)
{
	struct iotpki_answer answer = {
		.outcome = IOTPKI_OUTCOME_REGISTERED,
		.ends_s = LATER,
		.tip_s = NOW,
		.max_tip_age_s = HOUR,
	};
	set(answer.record.sha256, CERT);
	set(answer.registration, LIFE);
	return answer;
}

#define ANSWER(name, base, change)                    \
	static struct iotpki_answer name(void)        \
	{                                             \
		struct iotpki_answer answer = base(); \
		change;                               \
		return answer;                        \
	}

ANSWER(pending, good, answer.outcome = IOTPKI_OUTCOME_PENDING)
ANSWER(revoked, good, answer.outcome = IOTPKI_OUTCOME_REVOKED)
ANSWER(revoked_long_ago, revoked, answer.tip_s = NOW - 1000 * HOUR)
ANSWER(revoked_by_record, good, answer.record.revoked = true)
ANSWER(expired, good, answer.outcome = IOTPKI_OUTCOME_EXPIRED)
ANSWER(ends_now, good, answer.ends_s = NOW)
ANSWER(ends_next, good, answer.ends_s = NOW + 1)
ANSWER(ends_by_owner, good, answer.record.has_ex = true; answer.record.ex_s = NOW)
ANSWER(unregistered, good, answer.outcome = IOTPKI_OUTCOME_UNREGISTERED)
ANSWER(other_cert, good, set(answer.record.sha256, NEW_CERT))
ANSWER(other_life, good, set(answer.registration, OTHER_LIFE))
ANSWER(other_network, good, answer.network = 1)
ANSWER(with_ssh, good, answer.record.has_ssh = true; set(answer.record.ssh, SSH))
ANSWER(with_new_ssh, good, answer.record.has_ssh = true; set(answer.record.ssh, NEW_SSH))
ANSWER(stale, good, answer.tip_s = NOW - HOUR - 1)
ANSWER(nearly_stale, good, answer.tip_s = NOW - HOUR)
ANSWER(far_ahead, good, answer.tip_s = LATER + 2 * HOUR)
ANSWER(ahead, good, answer.tip_s = NOW + 4 * HOUR)
ANSWER(not_ready, good, answer.outcome = IOTPKI_OUTCOME_NOT_READY)
ANSWER(unreachable, good, answer.outcome = IOTPKI_OUTCOME_UNREACHABLE)
ANSWER(unauthorized, good, answer.outcome = IOTPKI_OUTCOME_UNAUTHORIZED)
ANSWER(malformed, good, answer.outcome = IOTPKI_OUTCOME_MALFORMED)
ANSWER(nonsense, good, answer.outcome = (enum iotpki_outcome)77)
ANSWER(nonsense_network, good, answer.network = IOTPKI_NODES_MAX)
ANSWER(nonsense_age, good, answer.max_tip_age_s = -1)
ANSWER(rolled_back, good, answer.rolled_back = true)
ANSWER(expired_rolled_back, expired, answer.rolled_back = true)
ANSWER(unregistered_rolled_back, unregistered, answer.rolled_back = true)
ANSWER(revoked_rolled_back, revoked_by_record, answer.rolled_back = true)
ANSWER(far_ahead_rolled_back, far_ahead, answer.rolled_back = true)
ANSWER(twin_of_1, good, answer.twin = 1)
ANSWER(twin_of_2, good, answer.twin = 2)
ANSWER(twin_of_4, good, answer.twin = 4)
ANSWER(unregistered_twin_of_1, unregistered, answer.twin = 1)
ANSWER(revoked_twin_of_1, revoked, answer.twin = 1)
ANSWER(unreachable_twin_of_1, unreachable, answer.twin = 1)
ANSWER(far_ahead_twin_of_1, far_ahead, answer.twin = 1)
ANSWER(judged_already, good, answer.outcome = IOTPKI_OUTCOME_STALE)

/* ---- what else may differ from the plain question ---- */

#define CHANGE(name, change)                                \
	static void name(struct iotpki_decide_input *input) \
	{                                                   \
		change;                                     \
	}

CHANGE(stranger, input->member = false)
CHANGE(entry_ends_now, input->member_ends_s = NOW)
CHANGE(entry_ends_now_and_denied, input->member_ends_s = NOW; input->denied = true)
CHANGE(cert_ended, input->cert_ends_s = NOW)
CHANGE(cert_not_begun, input->cert_begins_s = NOW + 1)
CHANGE(denied, input->denied = true; input->permitted = false)
CHANGE(not_permitted, input->permitted = false)
CHANGE(tombstoned, input->tombstoned = true)
CHANGE(unpinned, input->pins[0].set = false)
CHANGE(outvote, input->dissent = IOTPKI_DISSENT_OUTVOTE)
CHANGE(shows_cert, input->presented = IOTPKI_PRESENTED_CERT; set(input->presented_hash, CERT))
CHANGE(shows_new_cert, shows_cert(input); set(input->presented_hash, NEW_CERT))
CHANGE(shows_new_cert_pin, shows_new_cert(input); input->key_change = IOTPKI_KEY_PIN)
CHANGE(shows_new_cert_follow, shows_new_cert(input); input->key_change = IOTPKI_KEY_FOLLOW)
CHANGE(follow, input->key_change = IOTPKI_KEY_FOLLOW)
CHANGE(follow_unpinned, follow(input); unpinned(input))
CHANGE(shows_name, input->presented = IOTPKI_PRESENTED_NAME; set(input->presented_hash, 0))
CHANGE(shows_ssh, set(input->presented_hash, SSH))
CHANGE(shows_ssh_pin, shows_ssh(input); input->key_change = IOTPKI_KEY_PIN)
CHANGE(shows_new_ssh, set(input->presented_hash, NEW_SSH))
CHANGE(shows_new_ssh_pin, shows_new_ssh(input); input->key_change = IOTPKI_KEY_PIN)
CHANGE(shows_nonsense, input->presented = (enum iotpki_presented)9)
CHANGE(nonsense_dissent, input->dissent = (enum iotpki_dissent)2)
CHANGE(nonsense_key_change, input->key_change = (enum iotpki_key_change)3)
CHANGE(deadline, input->deadline = true)
CHANGE(no_answers_array, input->answers = NULL)
CHANGE(too_many_nodes, input->answer_count = IOTPKI_NODES_MAX + 1)
/* A device without a clock: its time comes from what n nodes say. */
CHANGE(clockless, input->clock_s = 0; input->build_s = NOW - 1000 * HOUR)

static void soft(struct iotpki_decide_input *input)
{
	input->soft_fail = true;
	input->soft_fail_max_age_s = 4 * HOUR;
	input->last_online = (struct iotpki_last_online){
		.seen = true,
		.verdict = IOTPKI_ADMIT,
		.age_known = true,
		.age_s = 4 * HOUR,
		.ends_s = NOW + 1,
	};
}

CHANGE(soft_outvote, soft(input); outvote(input))
CHANGE(soft_too_old, soft(input); input->last_online.age_s++)
CHANGE(soft_age_unknown, soft(input); input->last_online.age_known = false)
CHANGE(soft_never_seen, soft(input); input->last_online.seen = false)
CHANGE(soft_last_denied, soft(input); input->last_online.verdict = IOTPKI_DENY)
CHANGE(soft_name_ended, soft(input); input->last_online.ends_s = NOW)
CHANGE(soft_new_cert, soft(input); shows_new_cert(input))
CHANGE(soft_ssh, soft(input); shows_ssh(input))
CHANGE(soft_denied, soft(input); denied(input))
CHANGE(soft_unpinned, soft(input); unpinned(input))
CHANGE(soft_name, soft(input); shows_name(input))

#define ADMIT IOTPKI_ADMIT, IOTPKI_REASON_NONE
#define DENY(reason) IOTPKI_DENY, IOTPKI_##reason
#define UNAVAILABLE(reason) IOTPKI_UNAVAILABLE, IOTPKI_##reason
#define TOO_FEW UNAVAILABLE(TOO_FEW_ANSWERS)

/* Marks of a wanted decision. */
enum { FINAL = 1, SOFT = 2, FOLLOWED = 4, OPEN = 0 };

/* clang-format off */
static const struct row {
	const char *name;
	void (*change)(struct iotpki_decide_input *input);
	unsigned int needed;
	struct iotpki_answer (*nodes[4])(void);
	enum iotpki_verdict verdict;
	enum iotpki_reason reason;
	unsigned int marks;
} rows[] = {
	/* point 1 and 2: the list alone */
	{ "a stranger", stranger, 1, { good }, DENY(NOT_MEMBER), FINAL },
	{ "a stranger before any answer", stranger, 1, { pending }, DENY(NOT_MEMBER), FINAL },
	{ "the entry ends now", entry_ends_now, 1, { good }, DENY(MEMBER_EXPIRED), FINAL },
	{ "ended comes before denied",
	  entry_ends_now_and_denied, 1, { good }, DENY(MEMBER_EXPIRED), FINAL },
	{ "its certificate ended", cert_ended, 1, { good }, DENY(MEMBER_EXPIRED), FINAL },
	{ "its certificate is not valid yet",
	  cert_not_begun, 1, { good }, DENY(MEMBER_EXPIRED), FINAL },
	{ "not valid yet, tips may still come",
	  cert_not_begun, 1, { pending }, DENY(MEMBER_EXPIRED), OPEN },
	{ "denied comes before not permitted", denied, 1, { good }, DENY(MEMBER_DENIED), FINAL },
	{ "another account", not_permitted, 1, { good }, DENY(NOT_PERMITTED), FINAL },
	{ "a tombstone", tombstoned, 1, { pending }, DENY(REVOKED), FINAL },

	/* point 3: one node */
	{ "registered", NULL, 1, { good }, ADMIT, FINAL },
	{ "by certificate", shows_cert, 1, { good }, ADMIT, FINAL },
	{ "by name", shows_name, 1, { good }, ADMIT, FINAL },
	{ "revoked", NULL, 1, { revoked }, DENY(REVOKED), FINAL },
	{ "revoked, long ago", NULL, 1, { revoked_long_ago }, DENY(REVOKED), FINAL },
	{ "revoked by its record", NULL, 1, { revoked_by_record }, DENY(REVOKED), FINAL },
	{ "expired", NULL, 1, { expired }, DENY(EXPIRED), FINAL },
	{ "ends at this second", NULL, 1, { ends_now }, DENY(EXPIRED), FINAL },
	{ "ends at the next second", NULL, 1, { ends_next }, ADMIT, FINAL },
	{ "ends by ex=", NULL, 1, { ends_by_owner }, DENY(EXPIRED), FINAL },
	{ "unregistered", NULL, 1, { unregistered }, DENY(UNREGISTERED), FINAL },
	{ "another certificate in the record",
	  NULL, 1, { other_cert }, DENY(HASH_MISMATCH), FINAL },
	{ "stolen old certificate (paper V-1)",
	  shows_cert, 1, { other_cert }, DENY(HASH_MISMATCH), FINAL },
	{ "by name, another certificate in the record",
	  shows_name, 1, { other_cert }, DENY(HASH_MISMATCH), FINAL },
	{ "presents nonsense", shows_nonsense, 1, { good }, DENY(HASH_MISMATCH), FINAL },
	{ "another registration, the same hash",
	  NULL, 1, { other_life }, DENY(REREGISTERED), FINAL },
	{ "no pin", unpinned, 1, { good }, DENY(REREGISTERED), FINAL },
	{ "no pin for that network", NULL, 1, { other_network }, DENY(REREGISTERED), FINAL },
	{ "stale", NULL, 1, { stale }, UNAVAILABLE(STALE), FINAL },
	{ "an hour old exactly", NULL, 1, { nearly_stale }, ADMIT, FINAL },
	{ "not ready", NULL, 1, { not_ready }, UNAVAILABLE(NOT_READY), FINAL },
	{ "unreachable", NULL, 1, { unreachable }, TOO_FEW, FINAL },
	{ "unauthorized", NULL, 1, { unauthorized }, TOO_FEW, FINAL },
	{ "malformed", NULL, 1, { malformed }, TOO_FEW, FINAL },
	{ "no answer yet", NULL, 1, { pending }, TOO_FEW, OPEN },
	{ "no answer by the deadline", deadline, 1, { pending }, TOO_FEW, FINAL },

	/* point 3: a changed key */
	{ "new certificate", shows_new_cert, 1, { other_cert }, ADMIT, FINAL | FOLLOWED },
	{ "new certificate, pin",
	  shows_new_cert_pin, 1, { other_cert }, DENY(HASH_MISMATCH), FINAL },
	{ "new certificate, follow",
	  shows_new_cert_follow, 1, { other_cert }, ADMIT, FINAL | FOLLOWED },
	{ "follow takes another registration", follow, 1, { other_life }, ADMIT, FINAL | FOLLOWED },
	{ "follow of a revoked name", follow, 1, { revoked }, DENY(REVOKED), FINAL },
	{ "follow without a pin", follow_unpinned, 1, { good }, DENY(REREGISTERED), FINAL },
	{ "the entry's ssh=", shows_ssh, 1, { with_ssh }, ADMIT, FINAL },
	{ "the entry's ssh=, pin", shows_ssh_pin, 1, { with_ssh }, ADMIT, FINAL },
	{ "the entry's ssh= that no record carries",
	  shows_ssh, 1, { good }, DENY(HASH_MISMATCH), FINAL },
	{ "new ssh=", shows_new_ssh, 1, { with_new_ssh }, ADMIT, FINAL | FOLLOWED },
	{ "new ssh=, pin", shows_new_ssh_pin, 1, { with_new_ssh }, DENY(HASH_MISMATCH), FINAL },
	{ "old ssh= after a change", shows_ssh, 1, { with_new_ssh }, DENY(HASH_MISMATCH), FINAL },

	/* point 3: several nodes */
	{ "2 of 3", NULL, 2, { good, good, pending }, ADMIT, FINAL },
	{ "1 of 3 so far", NULL, 2, { good, pending, pending }, TOO_FEW, OPEN },
	{ "1 of 3, the others gone", NULL, 2, { good, unreachable, malformed }, TOO_FEW, FINAL },
	{ "one revoked beats two", NULL, 2, { good, good, revoked }, DENY(REVOKED), FINAL },
	{ "one stale revoked beats two",
	  outvote, 2, { good, good, revoked_long_ago }, DENY(REVOKED), FINAL },
	{ "one revoked before the others answer",
	  NULL, 2, { revoked, pending, pending }, DENY(REVOKED), FINAL },
	{ "two agree, one does not know it",
	  NULL, 2, { good, good, unregistered }, DENY(DISAGREE), FINAL },
	{ "two agree, one re-registered",
	  outvote, 2, { good, good, other_life }, DENY(DISAGREE), FINAL },
	{ "two agree, one expired", outvote, 2, { good, good, expired }, DENY(DISAGREE), FINAL },
	{ "outvoted: unregistered", outvote, 2, { good, good, unregistered }, ADMIT, FINAL },
	{ "outvoted: mismatch", outvote, 2, { good, good, other_cert }, ADMIT, FINAL },
	{ "half is no majority", outvote, 1, { good, unregistered }, DENY(DISAGREE), FINAL },
	{ "highest reason",
	  NULL, 3, { unregistered, other_cert, expired, other_life }, DENY(REREGISTERED), FINAL },
	{ "expired above mismatch",
	  NULL, 3, { unregistered, other_cert, expired }, DENY(EXPIRED), FINAL },
	{ "mismatch above unregistered",
	  NULL, 2, { unregistered, other_cert }, DENY(HASH_MISMATCH), FINAL },
	{ "an objection below n denies",
	  NULL, 2, { unregistered, unreachable }, DENY(UNREGISTERED), FINAL },
	{ "an objection, others pending",
	  NULL, 2, { unregistered, pending }, DENY(UNREGISTERED), OPEN },
	{ "not ready above stale", NULL, 2, { stale, not_ready }, UNAVAILABLE(NOT_READY), FINAL },
	{ "stale above silence", NULL, 2, { stale, unreachable }, UNAVAILABLE(STALE), FINAL },

	/* time */
	{ "one node cannot move the clock", NULL, 2, { good, good, far_ahead }, ADMIT, FINAL },
	{ "n nodes do", NULL, 2, { far_ahead, far_ahead, pending }, DENY(MEMBER_EXPIRED), FINAL },
	{ "one node's time silences nobody",
	  NULL, 1, { unregistered, ahead }, DENY(DISAGREE), FINAL },
	{ "two nodes' time does", NULL, 1, { unregistered, ahead, ahead }, ADMIT, FINAL },
	{ "no clock, n tips", clockless, 2, { good, good }, ADMIT, FINAL },

	{ "a node that went back moves no clock",
	  NULL, 2, { far_ahead, far_ahead_rolled_back, good }, ADMIT, FINAL },

	/* a node that went back: only a revocation counts */
	{ "it went back", NULL, 1, { rolled_back }, UNAVAILABLE(STALE), FINAL },
	{ "expired, but it went back", NULL, 1, { expired_rolled_back }, UNAVAILABLE(STALE), FINAL },
	{ "unregistered, but it went back",
	  NULL, 2, { good, good, unregistered_rolled_back }, ADMIT, FINAL },
	{ "revoked, though it went back",
	  NULL, 2, { good, good, revoked_rolled_back }, DENY(REVOKED), FINAL },
	{ "one of two went back", NULL, 2, { good, rolled_back }, UNAVAILABLE(STALE), FINAL },
	{ "not after one that went back", soft, 1, { unreachable, rolled_back },
	  UNAVAILABLE(STALE), FINAL },

	/* one node under several URLs */
	{ "two URLs, one vote", NULL, 2, { good, twin_of_1, unreachable }, TOO_FEW, FINAL },
	{ "two URLs and another node", NULL, 2, { good, twin_of_1, good }, ADMIT, FINAL },
	{ "one URL is silent, the other votes",
	  NULL, 2, { good, unreachable_twin_of_1, good }, ADMIT, FINAL },
	{ "both of n = 1", NULL, 1, { good, twin_of_1 }, ADMIT, FINAL },
	{ "n above the nodes", NULL, 2, { good, twin_of_1 }, TOO_FEW, FINAL },
	{ "the other URL objects",
	  NULL, 2, { good, unregistered_twin_of_1, good }, DENY(DISAGREE), FINAL },
	{ "the other URL says revoked",
	  NULL, 2, { good, revoked_twin_of_1, good }, DENY(REVOKED), FINAL },
	{ "URLs do not outvote",
	  outvote, 1, { good, twin_of_1, unregistered }, DENY(DISAGREE), FINAL },
	{ "URLs are not outvoted: 2 of 3 nodes",
	  outvote, 2, { good, twin_of_1, good, unregistered }, ADMIT, FINAL },
	{ "URLs do not move the clock",
	  NULL, 2, { far_ahead, far_ahead_twin_of_1, good, good }, ADMIT, FINAL },
	{ "a twin of a later slot", NULL, 1, { good, good, twin_of_4, good }, TOO_FEW, FINAL },
	{ "a twin of itself", NULL, 1, { good, twin_of_2 }, TOO_FEW, FINAL },
	{ "a twin of a twin", NULL, 1, { good, twin_of_1, twin_of_2 }, TOO_FEW, FINAL },

	/* point 4: soft-fail */
	{ "hard-fail is the default", NULL, 1, { unreachable, unreachable }, TOO_FEW, FINAL },
	{ "soft-fail", soft, 1, { unreachable, not_ready }, ADMIT, FINAL | SOFT },
	{ "soft-fail, one of two", soft, 2, { good, unreachable }, ADMIT, FINAL | SOFT },
	{ "soft-fail by the entry's ssh:", soft_ssh, 1, { unreachable }, ADMIT, FINAL | SOFT },
	{ "soft-fail by name", soft_name, 1, { unreachable }, ADMIT, FINAL | SOFT },
	{ "soft-fail waits for the deadline", soft, 1, { unreachable, pending }, TOO_FEW, OPEN },
	{ "not after malformed", soft, 1, { unreachable, malformed }, TOO_FEW, FINAL },
	{ "not after unauthorized", soft, 1, { unreachable, unauthorized }, TOO_FEW, FINAL },
	{ "not after stale", soft, 1, { unreachable, stale }, UNAVAILABLE(STALE), FINAL },
	{ "not after a negative answer",
	  soft, 2, { unreachable, unregistered }, DENY(UNREGISTERED), FINAL },
	{ "not after nonsense", soft, 1, { unreachable, nonsense }, TOO_FEW, FINAL },
	{ "not for a denied member", soft_denied, 1, { unreachable }, DENY(MEMBER_DENIED), FINAL },
	{ "not by another certificate", soft_new_cert, 1, { unreachable }, TOO_FEW, FINAL },
	{ "not without a pin", soft_unpinned, 1, { unreachable }, TOO_FEW, FINAL },
	{ "not when the last verdict is too old",
	  soft_too_old, 1, { unreachable }, TOO_FEW, FINAL },
	{ "not when its age is unknown", soft_age_unknown, 1, { unreachable }, TOO_FEW, FINAL },
	{ "not when there is none", soft_never_seen, 1, { unreachable }, TOO_FEW, FINAL },
	{ "not when it was a refusal", soft_last_denied, 1, { unreachable }, TOO_FEW, FINAL },
	{ "not beyond the end of the name", soft_name_ended, 1, { unreachable }, TOO_FEW, FINAL },

	/* nonsense */
	{ "n = 0", NULL, 0, { good }, TOO_FEW, FINAL },
	{ "n > N", NULL, 2, { good }, TOO_FEW, FINAL },
	{ "n = 0, soft-fail", soft, 0, { unreachable }, TOO_FEW, FINAL },
	{ "no nodes", NULL, 1, { NULL }, TOO_FEW, FINAL },
	{ "no array", no_answers_array, 1, { good }, TOO_FEW, FINAL },
	{ "too many nodes", too_many_nodes, 1, { good }, TOO_FEW, FINAL },
	{ "unknown outcome", NULL, 1, { nonsense }, TOO_FEW, FINAL },
	{ "unknown network", NULL, 1, { nonsense_network }, TOO_FEW, FINAL },
	{ "unknown outcome beside enough",
	  NULL, 2, { good, good, nonsense }, TOO_FEW, FINAL },
	{ "unknown network beside enough",
	  NULL, 2, { good, good, nonsense_network }, TOO_FEW, FINAL },
	{ "an age limit below zero", NULL, 2, { good, good, nonsense_age }, TOO_FEW, FINAL },
	{ "an answer judged before", NULL, 2, { good, good, judged_already }, TOO_FEW, FINAL },
	{ "unknown dissent", nonsense_dissent, 1, { good }, TOO_FEW, FINAL },
	{ "unknown key_change", nonsense_key_change, 1, { good }, TOO_FEW, FINAL },
	{ "outvote by half never admits", outvote, 1, { good, good }, TOO_FEW, FINAL },
	{ "outvote by half, soft-fail",
	  soft_outvote, 1, { unreachable, unreachable }, TOO_FEW, FINAL },
};
/* clang-format on */

static struct iotpki_decide_input question(void)
{
	struct iotpki_decide_input input = {
		.member = true,
		.member_ends_s = LATER,
		.permitted = true,
		.cert_ends_s = LATER,
		.entry_has_ssh = true,
		.pins = { [0] = { .set = true } },
		.presented = IOTPKI_PRESENTED_KEY,
		.clock_s = NOW,
	};
	set(input.entry_sha256, CERT);
	set(input.entry_key, KEY);
	set(input.entry_ssh, SSH);
	set(input.pins[0].id, LIFE);
	set(input.presented_hash, KEY);
	return input;
}

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct iotpki_answer answers[ARRAY_LEN(row->nodes)];
		struct iotpki_decide_input input = question();
		input.answers = answers;
		input.needed = row->needed;
		while (input.answer_count < ARRAY_LEN(row->nodes) &&
		       row->nodes[input.answer_count] != NULL) {
			answers[input.answer_count] = row->nodes[input.answer_count]();
			input.answer_count++;
		}
		if (row->change != NULL)
			row->change(&input);
		struct iotpki_decision got;
		iotpki_decide(&input, &got);
		const unsigned int marks = (got.final ? FINAL : 0U) | (got.soft ? SOFT : 0U) |
					   (got.followed ? FOLLOWED : 0U);
		if (got.verdict != row->verdict || got.reason != row->reason || marks != row->marks)
			fail_msg("row %zu: %s: %s %s, marks %u", i, row->name,
				 iotpki_verdict_name(got.verdict), iotpki_reason_name(got.reason),
				 marks);
	}
}

static void zero_denies(void **state)
{
	(void)state;
	const struct iotpki_decide_input input = { 0 };
	struct iotpki_decision got;
	iotpki_decide(&input, &got);
	assert_int_equal(got.verdict, IOTPKI_DENY);
	assert_int_equal(got.reason, IOTPKI_NOT_MEMBER);
	assert_int_equal((struct iotpki_decision){ 0 }.verdict, IOTPKI_DENY);
}

/* What `--explain` and the log line are made of. */
static void each_node_is_told(void **state)
{
	(void)state;
	const struct iotpki_answer answers[] = { good(), other_cert(), ends_now(), stale(),
						 unreachable() };
	struct iotpki_decide_input input = question();
	input.answers = answers;
	input.answer_count = ARRAY_LEN(answers);
	input.needed = 3;
	struct iotpki_decision got;
	iotpki_decide(&input, &got);
	assert_int_equal(got.reason, IOTPKI_EXPIRED);
	assert_int_equal(got.good, 3);
	assert_int_equal(got.agreeing, 1);
	assert_int_equal(got.judged[0], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(got.objections[0], IOTPKI_REASON_NONE);
	assert_int_equal(got.judged[1], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(got.objections[1], IOTPKI_HASH_MISMATCH);
	assert_int_equal(got.judged[2], IOTPKI_OUTCOME_EXPIRED);
	assert_int_equal(got.objections[2], IOTPKI_EXPIRED);
	assert_int_equal(got.judged[3], IOTPKI_OUTCOME_STALE);
	assert_int_equal(got.objections[3], IOTPKI_REASON_NONE);
	assert_int_equal(got.judged[4], IOTPKI_OUTCOME_UNREACHABLE);
	assert_true(got.now_s == NOW);
}

static void reasons_by_name(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		enum iotpki_verdict verdict;
		enum iotpki_reason reason;
		int code;
		const char *name;
		const char *paper_text;
		int exit_code;
	} names[] = {
		{ IOTPKI_ADMIT, IOTPKI_REASON_NONE, 0, "none", "", 0 },
		{ IOTPKI_DENY, IOTPKI_NOT_MEMBER, 101, "not-member", "not in membership list", 6 },
		{ IOTPKI_DENY, IOTPKI_MEMBER_EXPIRED, 102, "member-expired", "not in membership list", 1 },
		{ IOTPKI_DENY, IOTPKI_MEMBER_DENIED, 103, "member-denied", "", 1 },
		{ IOTPKI_DENY, IOTPKI_NOT_PERMITTED, 104, "not-permitted", "", 1 },
		{ IOTPKI_DENY, IOTPKI_UNREGISTERED, 201, "unregistered", "verification failure", 7 },
		{ IOTPKI_DENY, IOTPKI_EXPIRED, 202, "expired", "verification failure", 7 },
		{ IOTPKI_DENY, IOTPKI_REVOKED, 203, "revoked", "verification failure", 7 },
		{ IOTPKI_DENY, IOTPKI_HASH_MISMATCH, 204, "hash-mismatch", "verification failure", 7 },
		{ IOTPKI_DENY, IOTPKI_REREGISTERED, 205, "re-registered", "verification failure", 7 },
		{ IOTPKI_DENY, IOTPKI_DISAGREE, 206, "disagree", "verification failure", 7 },
		{ IOTPKI_UNAVAILABLE, IOTPKI_TOO_FEW_ANSWERS, 301, "too-few-answers", "", 5 },
		{ IOTPKI_UNAVAILABLE, IOTPKI_NOT_READY, 302, "not-ready", "", 5 },
		{ IOTPKI_UNAVAILABLE, IOTPKI_STALE, 303, "stale", "", 9 },
		{ IOTPKI_DENY, IOTPKI_NO_PROOF, 401, "no-proof", "msk generation failure", 8 },
		/* what no decision is */
		{ IOTPKI_DENY, IOTPKI_REASON_NONE, 0, "none", "", 10 },
		{ IOTPKI_ADMIT, IOTPKI_REVOKED, 203, "revoked", "verification failure", 10 },
		{ (enum iotpki_verdict)7, (enum iotpki_reason)999, 999, "none", "", 10 },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal((int)names[i].reason, names[i].code);
		assert_string_equal(iotpki_reason_name(names[i].reason), names[i].name);
		assert_string_equal(iotpki_reason_paper_text(names[i].reason), names[i].paper_text);
		const int code = iotpki_decision_exit_code(names[i].verdict, names[i].reason);
		if (code != names[i].exit_code)
			fail_msg("exit code of %s: %d", names[i].name, code);
	}
	assert_string_equal(iotpki_verdict_name(IOTPKI_ADMIT), "ADMIT");
	assert_string_equal(iotpki_verdict_name(IOTPKI_UNAVAILABLE), "UNAVAILABLE");
	assert_string_equal(iotpki_verdict_name((enum iotpki_verdict)3), "DENY");
	assert_string_equal(iotpki_verdict_name((enum iotpki_verdict) - 1), "DENY");
	assert_string_equal(iotpki_outcome_name(IOTPKI_OUTCOME_PENDING), "pending");
	assert_string_equal(iotpki_outcome_name(IOTPKI_OUTCOME_UNAUTHORIZED), "unauthorized");
	assert_string_equal(iotpki_outcome_name((enum iotpki_outcome)99), "malformed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(zero_denies),
		cmocka_unit_test(each_node_is_told),
		cmocka_unit_test(reasons_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
