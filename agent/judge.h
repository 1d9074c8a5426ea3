/*
 * The agent's questions to decide() (design 4): the list in force now, the policy
 * in force now, the time now, for one name. The one place of the agent where an
 * input of the decision is put together.
 */
#pragma once

#include <iotpki/decide.h>

#include "agent/lists.h"
#include "agent/questions.h"
#include "base/clock.h"
#include "state/state.h"

struct judge {
	const struct lists *lists;
	const struct clock *clock;
	const struct state *state; /* NULL: nothing is known from before */
};

/** Who asks to be admitted, as what. */
struct judge_case {
	const char *name; /* "": nobody on the list */
	const char *user, *service;
	bool any_rights; /* refresh and late answers: only the B-nodes are judged, not the account */
	enum iotpki_presented presented;
	const uint8_t *hash; /* NULL with IOTPKI_PRESENTED_NAME */
};

/**
 * The answers of a view as decide() is to see them: which slots are one node, and who rolled back.
 * @param answers_out  view->count slots
 */
void judge_mark(const struct state *state, const struct config *config,
		const struct questions_view *view, struct iotpki_answer *answers_out);
/** Decide by what was answered so far. */
void judge_decide(const struct judge *judge, const struct judge_case *peer,
		  const struct questions_view *view, struct iotpki_decision *decision_out);
/**
 * Decide before anybody is asked (design 4.1, 4.2). Returns true if that is final: then no B-node
 * may be asked.
 */
bool judge_list_alone(const struct judge *judge, const struct judge_case *peer,
		      struct iotpki_decision *decision_out);
/**
 * Whether a set of answers denies the name's own entry: what is reused of it must go.
 * @param decision_out  what decide() says of that entry
 */
bool judge_negative(const struct judge *judge, const struct questions_view *view,
		    struct iotpki_decision *decision_out);
