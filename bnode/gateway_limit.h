/*
 * Questions a second for each client: a bucket of tokens an address. Bounded memory; who
 * is pushed out of the table by many other addresses starts with a full bucket again.
 */
#pragma once

#include "base/base.h"

#define LIMIT_BURST 5 /* seconds' worth that may come at once */

struct limit;
/** @param rate  tokens a second; 0: no limit. NULL: no memory. */
struct limit *limit_new(unsigned int rate);
void limit_free(struct limit *limit);
/**
 * Take tokens of a client; false: there are not as many, and none is taken. More than a burst is
 * taken from a full bucket, and what is missing is earned before the next. Not thread-safe.
 */
bool limit_take(struct limit *limit, uint64_t client, unsigned int tokens,
		int64_t now_ms) MUST_CHECK;
