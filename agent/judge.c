/* Inputs of decide(). */
#include "agent/judge.h"

#include <string.h>

static bool soft_fail(const struct config *config, const struct member *member, const char *service)
{
	if (!config->soft_fail || member == NULL || !member->rights->soft_fail || service == NULL)
		return false;
	for (size_t i = 0; i < config->soft_fail_service_count; i++)
		if (strcmp(config->soft_fail_services[i], service) == 0)
			return true;
	return false;
}

/*
 * The entry that is judged. A key that is another entry's certificate key is that entry's alone
 * (design 4.1), also if it became so only after it was found by a record or among the recent ones.
 */
static const struct member *member_of(const struct judge *judge, const struct judge_case *peer)
{
	if (peer->name[0] == '\0')
		return NULL;
	const struct member *member = lists_member(judge->lists, peer->name);
	if (member == NULL || peer->presented != IOTPKI_PRESENTED_KEY || peer->hash == NULL)
		return member;
	const struct member *owner = membership_by_key(lists_membership(judge->lists), peer->hash);
	return owner == NULL || owner == member ? member : NULL;
}

void judge_mark(const struct state *state, const struct config *config,
		const struct questions_view *view, struct iotpki_answer *answers_out)
{
	for (size_t i = 0; i < view->count; i++) {
		answers_out[i] = view->answers[i];
		answers_out[i].twin = i < config->node_count ? config->nodes[i].twin : 0;
		answers_out[i].rolled_back =
			state != NULL && state_is_rolled_back(state, i, &view->answers[i]);
	}
}

/* Revoked once is revoked, whatever is said now: of the pinned registrations, and of what is followed. */
static bool is_tombstoned(const struct judge *judge, const struct config *config, const char *name,
			  const struct iotpki_decide_input *input)
{
	if (judge->state == NULL || !input->member)
		return false;
	for (size_t i = 0; i < config->network_count; i++)
		if (input->pins[i].set &&
		    state_is_tombstoned(judge->state, config->networks[i], name, input->pins[i].id))
			return true;
	for (size_t i = 0; i < input->answer_count; i++) {
		const struct iotpki_answer *answer = &input->answers[i];
		if (answer->outcome == IOTPKI_OUTCOME_REGISTERED &&
		    answer->network < config->network_count &&
		    input->key_change == IOTPKI_KEY_FOLLOW &&
		    state_is_tombstoned(judge->state, config->networks[answer->network], name,
					answer->registration))
			return true;
	}
	return false;
}

void judge_decide(const struct judge *judge, const struct judge_case *peer,
		  const struct questions_view *view, struct iotpki_decision *decision_out)
{
	const struct config *config = lists_config(judge->lists);
	const struct member *member = member_of(judge, peer);
	struct iotpki_decide_input input = { 0 };
	membership_fill(member, config, peer->user, peer->service != NULL ? peer->service : "",
			&input);
	if (member != NULL && peer->any_rights)
		input.permitted = true;
	if (lists_denied(judge->lists, peer->name))
		input.denied = true;
	input.presented = peer->presented;
	if (peer->hash != NULL)
		memcpy(input.presented_hash, peer->hash, sizeof(input.presented_hash));
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	if (view->count <= IOTPKI_NODES_MAX) {
		judge_mark(judge->state, config, view, answers);
		input.answers = answers;
		input.answer_count = view->count;
	}
	input.deadline = view->deadline;
	input.needed = config->needed;
	input.dissent = config->dissent;
	input.key_change = config->key_change;
	/* Until verdicts are kept no last online verdict is known: soft-fail admits nobody. */
	input.soft_fail = soft_fail(config, member, peer->service);
	input.soft_fail_max_age_s = config->soft_fail_max_age_s;
	input.tombstoned = is_tombstoned(judge, config, peer->name, &input);
	if (judge->state != NULL)
		input.floor_s = state_time_floor(judge->state);
	input.clock_s = judge->clock->now_s(judge->clock);
	input.build_s = CLOCK_BUILD_TIME_S;
	iotpki_decide(&input, decision_out);
}

bool judge_list_alone(const struct judge *judge, const struct judge_case *peer,
		      struct iotpki_decision *decision_out)
{
	static const struct iotpki_answer pending[IOTPKI_NODES_MAX];
	const size_t count = lists_config(judge->lists)->node_count;
	const struct questions_view view = { peer->name, pending, count, count == 0, false };
	judge_decide(judge, peer, &view, decision_out);
	return decision_out->final;
}

bool judge_negative(const struct judge *judge, const struct questions_view *view,
		    struct iotpki_decision *decision_out)
{
	/* Registered all over, and yet not this entry's: another hash, another registration. */
	const struct judge_case peer = { .name = view->name,
					 .any_rights = true,
					 .presented = IOTPKI_PRESENTED_NAME };
	judge_decide(judge, &peer, view, decision_out);
	if (decision_out->verdict == IOTPKI_DENY && decision_out->reason >= IOTPKI_UNREGISTERED &&
	    decision_out->reason <= IOTPKI_DISAGREE)
		return true;
	for (size_t i = 0; i < view->count; i++) {
		const enum iotpki_outcome outcome = view->answers[i].outcome;
		if (outcome == IOTPKI_OUTCOME_REVOKED || outcome == IOTPKI_OUTCOME_EXPIRED ||
		    outcome == IOTPKI_OUTCOME_UNREGISTERED)
			return true;
	}
	return false;
}
