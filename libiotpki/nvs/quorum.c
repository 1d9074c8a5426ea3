/* The set of answers of one query (design 4.3, "Time"). Every clause of it has its line here. */
#include "nvs/quorum.h"

/* How far a node's clock may be ahead before it would move ours (design 4, "Time"). */
enum { TIP_MARGIN_S = 7200 };

static int64_t before(int64_t time_s, int64_t seconds)
{
	return time_s < INT64_MIN + seconds ? INT64_MIN : time_s - seconds;
}

/* The node answered the question, well or badly for the name. */
static bool answered(const struct iotpki_answer *answer)
{
	if (answer->network >= IOTPKI_NODES_MAX)
		return false;
	return answer->outcome == IOTPKI_OUTCOME_REGISTERED ||
	       answer->outcome == IOTPKI_OUTCOME_REVOKED ||
	       answer->outcome == IOTPKI_OUTCOME_EXPIRED ||
	       answer->outcome == IOTPKI_OUTCOME_UNREGISTERED;
}

static bool failed(const struct iotpki_answer *answer)
{
	return answer->outcome == IOTPKI_OUTCOME_NOT_READY ||
	       answer->outcome == IOTPKI_OUTCOME_UNREACHABLE ||
	       answer->outcome == IOTPKI_OUTCOME_UNAUTHORIZED;
}

/* The status field says it too, whatever the node concluded from it: revoked wins (design 6). */
static bool says_revoked(const struct iotpki_answer *answer)
{
	if (answer->outcome == IOTPKI_OUTCOME_UNREGISTERED)
		return false;
	return answer->outcome == IOTPKI_OUTCOME_REVOKED || answer->record.revoked;
}

/* A tip ahead of now is not stale (design 6). */
static bool is_stale(const struct iotpki_answer *answer, int64_t now_s)
{
	const int64_t limit_s = answer->max_tip_age_s > 0 ? answer->max_tip_age_s : 0;
	return answer->tip_s < before(now_s, limit_s);
}

/* The NVS's end or the owner's own, the earlier one; at that second it is over. */
static bool has_ended(const struct iotpki_answer *answer, int64_t now_s)
{
	if (now_s >= answer->ends_s)
		return true;
	return answer->record.has_ex && now_s >= answer->record.ex_s;
}

/* What a node that went back tells of itself does not count, its time neither; a revocation does. */
static bool tells_time(const struct iotpki_answer *answer)
{
	return answered(answer) && (!answer->rolled_back || says_revoked(answer));
}

static unsigned int bits(uint32_t nodes)
{
	return (unsigned int)__builtin_popcount(nodes);
}

static uint32_t bit(size_t node)
{
	return UINT32_C(1) << node;
}

static unsigned int tips_since(const struct iotpki_answer *answers, size_t count, int64_t tip_s)
{
	uint32_t nodes = 0;
	for (size_t i = 0; i < count; i++) {
		if (tells_time(&answers[i]) && answers[i].tip_s >= tip_s)
			nodes |= bit(quorum_node(answers, i));
	}
	return bits(nodes);
}

size_t quorum_node(const struct iotpki_answer *answers, size_t i)
{
	/* Down to the first; what names a later slot, or itself, is nonsense and stands alone. */
	while (answers[i].twin >= 1 && answers[i].twin <= i)
		i = answers[i].twin - 1U;
	return i;
}

size_t quorum_nodes(const struct iotpki_answer *answers, size_t count)
{
	size_t nodes = 0;
	for (size_t i = 0; i < count; i++)
		nodes += quorum_node(answers, i) == i;
	return nodes;
}

unsigned int quorum_needed(unsigned int needed, size_t count)
{
	return needed >= 1 && needed <= count ? needed : QUORUM_NEVER;
}

static int64_t told_by(const struct iotpki_answer *answers, size_t count, unsigned int needed,
		       int64_t known_s)
{
	int64_t now_s = known_s;
	for (size_t i = 0; i < count; i++) {
		/* One node alone must not move the clock: n nodes have at least this tip. */
		if (tips_since(answers, count, answers[i].tip_s) < needed)
			continue;
		const int64_t tip_s = before(answers[i].tip_s, TIP_MARGIN_S);
		if (tip_s > now_s)
			now_s = tip_s;
	}
	return now_s;
}

struct quorum_time quorum_time(const struct iotpki_answer *answers, size_t count,
			       unsigned int needed, int64_t known_s)
{
	const unsigned int witnesses = needed > 1 ? needed : 2;
	return (struct quorum_time){ told_by(answers, count, needed, known_s),
				     told_by(answers, count, witnesses, known_s) };
}

enum iotpki_outcome quorum_judge(const struct iotpki_answer *answer, const struct quorum_time *time,
				 bool deadline)
{
	/* Callers index by the network of whatever is not malformed. */
	if (answer->network >= IOTPKI_NODES_MAX)
		return IOTPKI_OUTCOME_MALFORMED;
	if (answer->outcome == IOTPKI_OUTCOME_PENDING)
		return deadline ? IOTPKI_OUTCOME_UNREACHABLE : IOTPKI_OUTCOME_PENDING;
	if (failed(answer))
		return answer->outcome;
	/* Also what is no outcome at all: nonsense must never look like silence (I2). */
	if (!answered(answer))
		return IOTPKI_OUTCOME_MALFORMED;
	/* Before staleness: a revocation does not age (I3). */
	if (says_revoked(answer))
		return IOTPKI_OUTCOME_REVOKED;
	if (answer->rolled_back || is_stale(answer, time->fresh_s))
		return IOTPKI_OUTCOME_STALE;
	if (answer->outcome == IOTPKI_OUTCOME_REGISTERED && has_ended(answer, time->now_s))
		return IOTPKI_OUTCOME_EXPIRED;
	return answer->outcome;
}

void quorum_add(struct quorum_count *count, size_t node, enum iotpki_outcome judged,
		enum quorum_finding finding)
{
	if (finding != QUORUM_NOTHING)
		count->good_nodes |= bit(node);
	if (finding == QUORUM_AGREES)
		count->agreeing_nodes |= bit(node);
	count->good = bits(count->good_nodes);
	count->agreeing = bits(count->agreeing_nodes);
	if (finding > count->worst)
		count->worst = finding;
	count->pending |= judged == IOTPKI_OUTCOME_PENDING;
	count->not_ready |= judged == IOTPKI_OUTCOME_NOT_READY;
	count->stale |= judged == IOTPKI_OUTCOME_STALE;
	count->unforgivable |= judged == IOTPKI_OUTCOME_STALE ||
			       judged == IOTPKI_OUTCOME_UNAUTHORIZED ||
			       judged == IOTPKI_OUTCOME_MALFORMED;
}

bool quorum_admits(const struct quorum_count *count, unsigned int needed,
		   enum iotpki_dissent dissent)
{
	if (count->agreeing < needed)
		return false;
	if (count->worst == QUORUM_AGREES)
		return true;
	return dissent == IOTPKI_DISSENT_OUTVOTE && count->worst <= QUORUM_HASH_MISMATCH;
}
