/*
 * The decision (design 4; paper IV-A step 2, IV-B steps 2 and 3-1, V-4), in the
 * order of the design's points. Pure: no I/O, no clock. What an answer is worth is
 * judged in nvs/quorum.c, what the reasons are called in reasons.c. Where the
 * design leaves room, docs/design.md, "Decision", says what was chosen and why.
 */
#include <iotpki/decide.h>

#include <string.h>

#include "nvs/quorum.h"

static bool same(const uint8_t a[static IOTPKI_SHA256_LEN],
		 const uint8_t b[static IOTPKI_SHA256_LEN])
{
	return memcmp(a, b, IOTPKI_SHA256_LEN) == 0;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* A set of answers that cannot be one counts as no answers: it is not looked at. */
static size_t node_count(const struct iotpki_decide_input *input)
{
	if (input->answers == NULL || input->answer_count > IOTPKI_NODES_MAX)
		return 0;
	return input->answer_count;
}

/* How many nodes there are to agree: one key under two URLs is one. */
static size_t voter_count(const struct iotpki_decide_input *input)
{
	return quorum_nodes(input->answers, node_count(input));
}

/* ---- points 1 and 2: what the list alone decides ---- */

static enum iotpki_reason list_refuses(const struct iotpki_decide_input *input, int64_t now_s)
{
	if (!input->member)
		return IOTPKI_NOT_MEMBER;
	/* The earliest end counts, the entry's or its certificate's (design 5). */
	if (now_s >= input->member_ends_s || now_s >= input->cert_ends_s)
		return IOTPKI_MEMBER_EXPIRED;
	if (input->denied)
		return IOTPKI_MEMBER_DENIED;
	if (!input->permitted)
		return IOTPKI_NOT_PERMITTED;
	return IOTPKI_REASON_NONE;
}

/* ---- point 3: what one good answer says about the peer ---- */

enum match {
	MATCH_NONE,
	MATCH_LISTED,  /* by what the entry itself holds */
	MATCH_CHANGED, /* by what the record holds and the entry does not: key_change decides */
};

static enum match match_cert(const struct iotpki_decide_input *input,
			     const struct iotpki_record *record)
{
	if (!same(input->presented_hash, record->sha256))
		return MATCH_NONE;
	return same(record->sha256, input->entry_sha256) ? MATCH_LISTED : MATCH_CHANGED;
}

static enum match match_key(const struct iotpki_decide_input *input,
			    const struct iotpki_record *record)
{
	const bool same_cert = same(record->sha256, input->entry_sha256);
	if (same_cert && same(input->presented_hash, input->entry_key))
		return MATCH_LISTED;
	if (!record->has_ssh || !same(input->presented_hash, record->ssh))
		return MATCH_NONE;
	const bool same_ssh = input->entry_has_ssh && same(record->ssh, input->entry_ssh);
	return same_cert && same_ssh ? MATCH_LISTED : MATCH_CHANGED;
}

/* Nothing was shown, so nothing new can be accepted: the record must hold the entry's own. */
static enum match match_name(const struct iotpki_decide_input *input,
			     const struct iotpki_record *record)
{
	return same(record->sha256, input->entry_sha256) ? MATCH_LISTED : MATCH_NONE;
}

static enum match match(const struct iotpki_decide_input *input, const struct iotpki_record *record)
{
	if (input->presented == IOTPKI_PRESENTED_KEY)
		return match_key(input, record);
	if (input->presented == IOTPKI_PRESENTED_CERT)
		return match_cert(input, record);
	return input->presented == IOTPKI_PRESENTED_NAME ? match_name(input, record) : MATCH_NONE;
}

/* Any other value than these two is pin, the strictest. */
static bool accepts_change(const struct iotpki_decide_input *input)
{
	return input->key_change == IOTPKI_KEY_SAME_REGISTRATION ||
	       input->key_change == IOTPKI_KEY_FOLLOW;
}

static bool is_pinned(const struct iotpki_decide_input *input, const struct iotpki_answer *answer)
{
	return same(input->pins[answer->network].id, answer->registration);
}

/* Whatever the hash says: values are public and can be copied. */
static bool is_reregistered(const struct iotpki_decide_input *input,
			    const struct iotpki_answer *answer)
{
	if (!input->pins[answer->network].set)
		return true;
	return input->key_change != IOTPKI_KEY_FOLLOW && !is_pinned(input, answer);
}

static enum quorum_finding find(const struct iotpki_decide_input *input,
				const struct iotpki_answer *answer, enum iotpki_outcome judged)
{
	if (judged == IOTPKI_OUTCOME_REVOKED)
		return QUORUM_REVOKED;
	if (judged == IOTPKI_OUTCOME_UNREGISTERED)
		return QUORUM_UNREGISTERED;
	if (judged != IOTPKI_OUTCOME_EXPIRED && judged != IOTPKI_OUTCOME_REGISTERED)
		return QUORUM_NOTHING;
	/* Registration id first, also of a name that has ended; only REGISTERED carries it. */
	if (answer->outcome == IOTPKI_OUTCOME_REGISTERED && is_reregistered(input, answer))
		return QUORUM_REREGISTERED;
	if (judged == IOTPKI_OUTCOME_EXPIRED)
		return QUORUM_EXPIRED;
	const enum match matched = match(input, &answer->record);
	if (matched == MATCH_LISTED || (matched == MATCH_CHANGED && accepts_change(input)))
		return QUORUM_AGREES;
	return QUORUM_HASH_MISMATCH;
}

/* Of an answer that agrees: something in it is newer than the entry. */
static bool follows(const struct iotpki_decide_input *input, const struct iotpki_answer *answer)
{
	return match(input, &answer->record) == MATCH_CHANGED || !is_pinned(input, answer);
}

static const enum iotpki_reason reason_of[] = {
	[QUORUM_NOTHING] = IOTPKI_REASON_NONE,       [QUORUM_AGREES] = IOTPKI_REASON_NONE,
	[QUORUM_UNREGISTERED] = IOTPKI_UNREGISTERED, [QUORUM_HASH_MISMATCH] = IOTPKI_HASH_MISMATCH,
	[QUORUM_EXPIRED] = IOTPKI_EXPIRED,           [QUORUM_REREGISTERED] = IOTPKI_REREGISTERED,
	[QUORUM_REVOKED] = IOTPKI_REVOKED,
};

static struct quorum_count count_answers(const struct iotpki_decide_input *input,
					 const struct quorum_time *time,
					 struct iotpki_decision *decision)
{
	struct quorum_count count = { 0 };
	for (size_t i = 0; i < node_count(input); i++) {
		const struct iotpki_answer *answer = &input->answers[i];
		const enum iotpki_outcome judged = quorum_judge(answer, time, input->deadline);
		const enum quorum_finding finding = find(input, answer, judged);
		quorum_add(&count, quorum_node(input->answers, i), judged, finding);
		decision->judged[i] = judged;
		decision->objections[i] = reason_of[finding];
		decision->followed |= finding == QUORUM_AGREES && follows(input, answer);
	}
	decision->good = count.good;
	decision->agreeing = count.agreeing;
	return count;
}

/* ---- point 4: fewer than n good answers ---- */

static enum iotpki_reason unavailable_reason(const struct quorum_count *count)
{
	if (count->not_ready)
		return IOTPKI_NOT_READY;
	return count->stale ? IOTPKI_STALE : IOTPKI_TOO_FEW_ANSWERS;
}

/* Without the B-nodes only what the list itself holds can be compared (paper V-4). */
static bool shows_what_is_listed(const struct iotpki_decide_input *input)
{
	const uint8_t *shown = input->presented_hash;
	if (input->presented == IOTPKI_PRESENTED_KEY)
		return same(shown, input->entry_key) ||
		       (input->entry_has_ssh && same(shown, input->entry_ssh));
	if (input->presented == IOTPKI_PRESENTED_CERT)
		return same(shown, input->entry_sha256);
	return input->presented == IOTPKI_PRESENTED_NAME;
}

static bool is_pinned_everywhere(const struct iotpki_decide_input *input)
{
	for (size_t i = 0; i < node_count(input); i++) {
		if (!input->pins[input->answers[i].network].set)
			return false;
	}
	return true;
}

static bool was_admitted_lately(const struct iotpki_decide_input *input, int64_t now_s)
{
	const struct iotpki_last_online *last = &input->last_online;
	if (!last->seen || now_s >= last->ends_s)
		return false;
	return last->verdict == IOTPKI_ADMIT && last->age_known && last->age_s >= 0 &&
	       last->age_s <= input->soft_fail_max_age_s;
}

static bool soft_fail_admits(const struct iotpki_decide_input *input,
			     const struct quorum_count *count, int64_t now_s)
{
	if (!input->soft_fail)
		return false;
	/* Only silence is forgiven: else one lie or one wrong pin would open the door (I2). */
	if (count->pending || count->unforgivable)
		return false;
	return shows_what_is_listed(input) && is_pinned_everywhere(input) &&
	       was_admitted_lately(input, now_s);
}

/* ---- nonsense: it never admits, whatever the rest of it says ---- */

static bool is_sensible_twin(const struct iotpki_answer *answers, size_t i)
{
	const size_t node = quorum_node(answers, i);
	return node == i ? answers[i].twin == 0 : answers[i].twin == node + 1;
}

static bool is_sensible_answer(const struct iotpki_answer *answers, size_t i)
{
	const struct iotpki_answer *answer = &answers[i];
	return is_sensible_twin(answers, i) && answer->network < IOTPKI_NODES_MAX &&
	       answer->max_tip_age_s >= 0 &&
	       (unsigned int)answer->outcome <= IOTPKI_OUTCOME_MALFORMED &&
	       answer->outcome != IOTPKI_OUTCOME_STALE;
}

static bool is_sensible(const struct iotpki_decide_input *input, unsigned int needed)
{
	if (needed == QUORUM_NEVER || (unsigned int)input->dissent > IOTPKI_DISSENT_OUTVOTE ||
	    (unsigned int)input->key_change > IOTPKI_KEY_FOLLOW)
		return false;
	/* Two halves that contradict each other must not both be able to outvote. */
	if (input->dissent == IOTPKI_DISSENT_OUTVOTE && needed <= voter_count(input) / 2)
		return false;
	for (size_t i = 0; i < node_count(input); i++) {
		if (!is_sensible_answer(input->answers, i))
			return false;
	}
	return true;
}

/* ---- the decision ---- */

static void refuse(struct iotpki_decision *decision, enum iotpki_verdict verdict,
		   enum iotpki_reason reason, bool final)
{
	decision->verdict = verdict;
	decision->reason = reason;
	decision->final = final;
	decision->followed = false;
}

void iotpki_decide(const struct iotpki_decide_input *input, struct iotpki_decision *decision_out)
{
	*decision_out = (struct iotpki_decision){ 0 };
	struct iotpki_decision *decision = decision_out;
	const unsigned int needed = quorum_needed(input->needed, voter_count(input));
	const int64_t known_s = later(input->clock_s, later(input->floor_s, input->build_s));
	const struct quorum_time time =
		quorum_time(input->answers, node_count(input), needed, known_s);
	decision->now_s = time.now_s;
	const struct quorum_count count = count_answers(input, &time, decision);
	const bool all = !count.pending;

	const enum iotpki_reason refused = list_refuses(input, decision->now_s);
	if (refused != IOTPKI_REASON_NONE)
		return refuse(decision, IOTPKI_DENY, refused, true);
	/* One revocation beats any number of other answers, and nothing can come that undoes it. */
	if (input->tombstoned || count.worst == QUORUM_REVOKED)
		return refuse(decision, IOTPKI_DENY, IOTPKI_REVOKED, true);
	/* After the answers: their tips may be what sets the time of a clockless device right. */
	if (decision->now_s < input->cert_begins_s)
		return refuse(decision, IOTPKI_DENY, IOTPKI_MEMBER_EXPIRED, all);

	const bool sensible = is_sensible(input, needed);
	const bool admits = sensible && quorum_admits(&count, needed, input->dissent);
	if (!admits && count.worst > QUORUM_AGREES) {
		const bool disagree = count.agreeing >= needed;
		return refuse(decision, IOTPKI_DENY,
			      disagree ? IOTPKI_DISAGREE : reason_of[count.worst], all);
	}
	if (!admits && !(sensible && soft_fail_admits(input, &count, decision->now_s)))
		return refuse(decision, IOTPKI_UNAVAILABLE, unavailable_reason(&count), all);

	decision->verdict = IOTPKI_ADMIT; /* the only line that says so (I1) */
	decision->soft = !admits;
	decision->followed &= admits;
	decision->final = true;
}
