/*
 * What the agent learns from answers for good, and when (design 4): floors from what n nodes
 * confirm, tombstones from n nodes or from a proof. It looks at answers after those who waited
 * for them were answered, and writes in a turn of the loop of its own.
 */
#pragma once

#include "agent/lists.h"
#include "agent/questions.h"
#include "nvs/nvs.h"
#include "state/state.h"

struct keep;

struct keep_options {
	const struct lists *lists;
	const struct clock *clock;
	const char *state_dir; /* the store is in its folder "state" */
};

/** Opens the store, and logs how it was found. IOTPKI_ERR_NOMEM */
enum iotpki_err keep_new(const struct keep_options *options, struct keep **keep_out) MUST_CHECK;
/** Writes what is new. */
void keep_free(struct keep *keep);
void keep_freep(struct keep **keep);
const struct state *keep_state(const struct keep *keep);

/** The configuration is another one. */
void keep_configure(struct keep *keep);
/** A set of answers, after each answer. */
void keep_learn(struct keep *keep, const struct questions_view *view);
/**
 * A proof that came with an answer (struct nvs_listener, with the keep as context): copied, and
 * verified by keep_work, once for a node and a registration.
 */
void keep_proof(void *keep, const struct nvs_proof *proof);
/** Some of what is due. Milliseconds until the next, -1: none. */
int64_t keep_work(struct keep *keep);
/** By the owner's word: time and heights back to the start, at once on the disk. */
enum iotpki_err keep_reset_floors(struct keep *keep, struct iotpki_detail *detail) MUST_CHECK;
