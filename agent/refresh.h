/*
 * Asks the B-nodes once for every member, now and then (paper V-4; design 7):
 * logs who is not in order any more, and learns the ssh= fingerprints of records.
 * A few questions in flight at a time; logins never wait for it.
 */
#pragma once

#include "agent/judge.h"
#include "agent/known.h"
#include "base/random.h"

struct refresh;

struct refresh_options {
	struct judge judge;
	const struct random_source *random;
	struct questions *questions;
	struct known *known;
};

enum iotpki_err refresh_new(const struct refresh_options *options,
			    struct refresh **refresh_out) MUST_CHECK;
void refresh_free(struct refresh *refresh);
void refresh_freep(struct refresh **refresh);

/** Reuse nothing any more and ask for all, from the first. Returns how many members there are. */
size_t refresh_start(struct refresh *refresh);
/** Start by the timer, go on with what is running. Milliseconds until the next work, at least 0. */
int64_t refresh_work(struct refresh *refresh);
/** Whether one is running. */
bool refresh_running(const struct refresh *refresh);
