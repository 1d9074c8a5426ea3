/*
 * Lives of names as chain nodes told them (design 4, "Registration id first"): a history is
 * read once for each node, name and last transaction, because what a transaction ends does
 * not change any more. Only what was good is kept, the oldest goes first, and for a day: what a
 * node told while it was broken, or lied, must not outlast that for good.
 */
#pragma once

#include "base/clock.h"
#include "nvs/dialect.h"

#define LIVES_MAX 65536
#define LIVES_AGE_MS (INT64_C(24) * 3600 * 1000) /* boot-time clock */

struct lives;

/** Holds at most `most` lives (1 to LIVES_MAX), and memory for what it holds. NULL: no memory. */
struct lives *lives_new(size_t most, const struct clock *clock);
void lives_free(struct lives *lives);

/** What is known of a life that ends with this transaction; false: nothing. */
bool lives_find(const struct lives *lives, size_t node, const char *nvs_name,
		const uint8_t txid[static IOTPKI_SHA256_LEN],
		struct dialect_life *life_out) MUST_CHECK;
/** Keep one, in place of what is kept for the same; REGISTERED only. Without memory it is lost. */
void lives_keep(struct lives *lives, size_t node, const char *nvs_name,
		const uint8_t txid[static IOTPKI_SHA256_LEN], const struct dialect_life *life);
size_t lives_count(const struct lives *lives);
/** All of them. */
void lives_forget(struct lives *lives);
