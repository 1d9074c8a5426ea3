/*
 * Memory of one list generation: given piece by piece, released as a whole. A list
 * of 100,000 members is a few hundred allocations, not a million.
 */
#pragma once

#include "base/base.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used;  /* bytes of the newest block */
	size_t size;  /* of it */
	size_t total; /* of all blocks, for tests of the memory budget */
};

/** NULL: no memory. align is a power of two; size 0 gives a valid pointer. */
void *arena_take(struct arena *arena, size_t size, size_t align);
/** A terminated copy. */
char *arena_text(struct arena *arena, const char *text, size_t len);
void arena_done(struct arena *arena);
