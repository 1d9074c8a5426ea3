/* Failures, pauses, probes, and when a node that rests is not needed. */
#include "nvs/health.h"

#include <string.h>

#include "base/clock.h"
#include "nvs/quorum.h"

enum { PATIENCE_SHARE = 4, PATIENCE_MAX_MS = 400 };

static uint32_t bit(size_t node)
{
	return UINT32_C(1) << node;
}

static unsigned int count_bits(uint32_t bits)
{
	return (unsigned int)__builtin_popcount(bits);
}

static uint32_t all_nodes(const struct health *health)
{
	return (uint32_t)((UINT64_C(1) << health->count) - 1);
}

void health_init(struct health *health, const struct config *config)
{
	*health = (struct health){ .count = config->node_count,
				   .needed = config->needed,
				   .outvote = config->dissent == IOTPKI_DISSENT_OUTVOTE };
	for (size_t i = 0; i < health->count; i++) {
		const uint8_t twin = config->nodes[i].twin;
		/* A twin stands before its node and is no twin itself. */
		health->same_as[i] =
			twin >= 1 && twin <= i ? health->same_as[twin - 1] : (uint8_t)i;
	}
}

/* ---- what is remembered ---- */

static int64_t pause_ms(unsigned int failures)
{
	int64_t ms = HEALTH_PAUSE_FIRST_MS;
	for (unsigned int i = 1; i < failures && ms < HEALTH_PAUSE_MAX_MS; i++)
		ms *= 2;
	return ms < HEALTH_PAUSE_MAX_MS ? ms : HEALTH_PAUSE_MAX_MS;
}

static void close_node(struct health *health, struct health_round *round, size_t node)
{
	if ((round->probes & bit(node)) != 0)
		health->nodes[node].probed = false;
	round->probes &= ~bit(node);
	round->open &= ~bit(node);
}

void health_asked(struct health *health, struct health_round *round, size_t node, int64_t now_ms)
{
	round->ask &= ~bit(node);
	round->asked |= bit(node);
	round->open |= bit(node);
	round->asked_ms[node] = now_ms;
	if ((round->probes & bit(node)) != 0)
		health->nodes[node].probed = true;
}

static void fail(struct health_node *state, int64_t asked_ms, int64_t now_ms)
{
	/* Hundreds of logins that wait for one outage are one failure, not a pause of half a minute. */
	if (asked_ms < state->heard_ms || (state->failures > 0 && now_ms < state->rests_until_ms))
		return;
	if (state->failures < UINT32_MAX)
		state->failures++;
	state->heard_ms = now_ms;
	state->rests_until_ms = now_ms + pause_ms(state->failures);
}

void health_heard(struct health *health, struct health_round *round, size_t node,
		  enum iotpki_outcome outcome, int64_t now_ms)
{
	struct health_node *state = &health->nodes[node];
	close_node(health, round, node);
	if (outcome == IOTPKI_OUTCOME_UNREACHABLE)
		fail(state, round->asked_ms[node], now_ms);
	else if (outcome == IOTPKI_OUTCOME_PENDING)
		*state = (struct health_node){ .heard_ms = now_ms, .probed = state->probed };
}

void health_end(struct health *health, struct health_round *round)
{
	for (size_t i = 0; i < health->count; i++)
		if ((round->open & bit(i)) != 0)
			close_node(health, round, i);
	round->ask = 0;
}

/* ---- whom to ask ---- */

int64_t health_patience_ms(int64_t node_timeout_ms)
{
	const int64_t share_ms = node_timeout_ms / PATIENCE_SHARE;
	return share_ms < PATIENCE_MAX_MS ? share_ms : PATIENCE_MAX_MS;
}

/** A set of slots as a set of nodes, each under its first slot. */
static uint32_t distinct(const struct health *health, uint32_t slots)
{
	uint32_t nodes = 0;
	for (size_t i = 0; i < health->count; i++)
		if ((slots & bit(i)) != 0)
			nodes |= bit(health->same_as[i]);
	return nodes;
}

static bool enough(const struct health *health, uint32_t nodes)
{
	const unsigned int needed = health->needed > 0 ? health->needed : 1;
	return count_bits(nodes) >= needed;
}

void health_begin(const struct health *health, int64_t now_ms, int64_t node_timeout_ms,
		  struct health_round *round_out)
{
	*round_out = (struct health_round){
		.wakes_ms = now_ms + health_patience_ms(node_timeout_ms),
		.ask = all_nodes(health),
	};
	for (size_t i = 0; i < health->count; i++)
		if (health->nodes[i].failures > 0)
			round_out->resting |= bit(i);
	const uint32_t awake = all_nodes(health) & ~round_out->resting;
	if (round_out->resting == 0 || !enough(health, distinct(health, awake))) {
		round_out->wakes_ms = INT64_MAX;
		return;
	}
	for (size_t i = 0; i < health->count; i++) {
		const struct health_node *node = &health->nodes[i];
		if (node->failures > 0 && !node->probed && now_ms >= node->rests_until_ms)
			round_out->probes |= bit(i);
	}
	round_out->ask = awake | round_out->probes;
}

void health_wake(const struct health *health, struct health_round *round, bool clear,
		 int64_t now_ms)
{
	const bool others_open = (round->open & ~round->resting) != 0;
	if (round->wakes_ms == INT64_MAX || (!clear && others_open && now_ms < round->wakes_ms))
		return;
	round->wakes_ms = INT64_MAX;
	round->ask = clear ? 0 : all_nodes(health) & ~round->asked;
}

int64_t health_wakes_in(const struct health_round *round, int64_t now_ms)
{
	if (round->wakes_ms == INT64_MAX)
		return INT64_MAX;
	return round->wakes_ms > now_ms ? round->wakes_ms - now_ms : 0;
}

/* ---- when a resting node is not needed ---- */

static bool is_good(enum iotpki_outcome judged)
{
	return judged == IOTPKI_OUTCOME_REGISTERED || judged == IOTPKI_OUTCOME_REVOKED ||
	       judged == IOTPKI_OUTCOME_EXPIRED || judged == IOTPKI_OUTCOME_UNREGISTERED;
}

static bool same_record(const struct iotpki_record *a, const struct iotpki_record *b)
{
	return memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0 && a->has_ssh == b->has_ssh &&
	       (!a->has_ssh || memcmp(a->ssh, b->ssh, sizeof(a->ssh)) == 0) &&
	       a->has_ex == b->has_ex && (!a->has_ex || a->ex_s == b->ex_s);
}

/** Slots that say what slot i says. */
static uint32_t alike(const struct health *health, const struct iotpki_answer *answers,
		      const enum iotpki_outcome *judged, size_t i)
{
	uint32_t slots = 0;
	for (size_t j = 0; is_good(judged[i]) && j < health->count; j++) {
		if (judged[j] == judged[i] && (judged[i] != IOTPKI_OUTCOME_REGISTERED ||
					       same_record(&answers[i].record, &answers[j].record)))
			slots |= bit(j);
	}
	return slots;
}

/**
 * n nodes say the same. With `dissent: deny` one objection decides; with `outvote` n is more than
 * half of the nodes, so no other n can agree on anything else, unless a node says, or may yet say,
 * another thing under its other URL. Either way no further answer makes an ADMIT of it. And a
 * revocation stands whatever comes.
 */
static bool is_clear(const struct health *health, const struct iotpki_answer *answers,
		     const struct quorum_time *time)
{
	enum iotpki_outcome judged[IOTPKI_NODES_MAX];
	uint32_t may_agree = 0; /* slots that count, or may come to count, for an ADMIT */
	for (size_t i = 0; i < health->count; i++) {
		judged[i] = quorum_judge(&answers[i], time, false);
		if (judged[i] == IOTPKI_OUTCOME_REVOKED)
			return true;
		if (judged[i] == IOTPKI_OUTCOME_PENDING || judged[i] == IOTPKI_OUTCOME_REGISTERED)
			may_agree |= bit(i);
	}
	for (size_t i = 0; i < health->count; i++) {
		const uint32_t slots = alike(health, answers, judged, i);
		const uint32_t unsure = health->outvote ? may_agree & ~slots : 0;
		if (enough(health, distinct(health, slots) & ~distinct(health, unsure)))
			return true;
	}
	return false;
}

bool health_lift(const struct health *health, const struct health_round *round,
		 struct iotpki_answer *answers, int64_t now_s)
{
	uint32_t open = 0;
	for (size_t i = 0; i < health->count; i++)
		if (answers[i].outcome == IOTPKI_OUTCOME_PENDING)
			open |= round->resting & bit(i);
	if (open == 0)
		return true;
	const int64_t known_s = now_s > CLOCK_BUILD_TIME_S ? now_s : CLOCK_BUILD_TIME_S;
	const struct quorum_time time =
		quorum_time(answers, health->count, health->needed, known_s);
	if (!is_clear(health, answers, &time))
		return false;
	for (size_t i = 0; i < health->count; i++)
		if ((open & bit(i)) != 0)
			answers[i].outcome = IOTPKI_OUTCOME_UNREACHABLE;
	return true;
}

void health_close(const struct health *health, const struct health_round *round,
		  struct iotpki_answer *answers)
{
	for (size_t i = 0; i < health->count; i++)
		if ((round->asked & bit(i)) == 0 && answers[i].outcome == IOTPKI_OUTCOME_PENDING)
			answers[i].outcome = IOTPKI_OUTCOME_MALFORMED;
}
