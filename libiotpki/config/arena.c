/* The arena. */
#include "config/arena.h"

#include <string.h>

/* Above malloc's mmap threshold: what a generation had goes back to the system with it. */
enum { BLOCK_BYTES = 256 * 1024 };

struct arena_block {
	struct arena_block *next;
	max_align_t data[];
};

static bool more(struct arena *arena, size_t size)
{
	const size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
	if (room > SIZE_MAX - sizeof(struct arena_block))
		return false;
	struct arena_block *block = malloc(sizeof(*block) + room);
	if (block == NULL)
		return false;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->used = 0;
	arena->size = room;
	arena->total += sizeof(*block) + room;
	return true;
}

void *arena_take(struct arena *arena, size_t size, size_t align)
{
	size_t at = (arena->used + align - 1) & ~(align - 1);
	if (arena->blocks == NULL || at > arena->size || size > arena->size - at) {
		if (!more(arena, size))
			return NULL;
		at = 0;
	}
	arena->used = at + size;
	return (char *)arena->blocks->data + at;
}

char *arena_text(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_take(arena, len + 1, 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void arena_done(struct arena *arena)
{
	while (arena->blocks != NULL) {
		struct arena_block *next = arena->blocks->next;
		free(arena->blocks);
		arena->blocks = next;
	}
	memset(arena, 0, sizeof(*arena));
}
