/*
 * B-nodes that say something else of a name than most (TM-03): each is named in the log,
 * once for each change and at most ten times a second. Who lies is not known: a node may
 * also be behind the others. Decides nothing.
 */
#pragma once

#include "agent/questions.h"
#include "config/config.h"

enum { DISSENT_REMEMBERED = 1024, DISSENTS_PER_S = 10 };

/** All zero: nothing was told yet. */
struct dissent {
	struct {
		uint64_t who;  /* node and name */
		uint64_t what; /* the two words */
	} told[DISSENT_REMEMBERED];
	int64_t second;
	unsigned int lines, dropped; /* in it */
};

/**
 * A complete set of answers (its deadline has passed), and what decide() made of it for the name's
 * own entry.
 */
void dissent_hear(struct dissent *dissent, const struct config *config,
		  const struct questions_view *view, const struct iotpki_decision *decision,
		  const struct clock *clock);
