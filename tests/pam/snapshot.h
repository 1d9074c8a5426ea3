/* Everything of a process that a guest must leave as it was, as one text to compare. */
#pragma once

#include <stddef.h>

enum { SNAPSHOT_MAX = 65536 };

struct snapshot {
	size_t len;
	char text[SNAPSHOT_MAX];
};

/**
 * Signal actions and masks (of each thread), descriptors with their flags, umask, ids, capabilities,
 * threads, cwd, environment, limits, timers, locale, the scheduler's values.
 */
void snapshot_take(struct snapshot *snapshot);
/** The first line that differs, or NULL. */
const char *snapshot_difference(const struct snapshot *before, const struct snapshot *after);
