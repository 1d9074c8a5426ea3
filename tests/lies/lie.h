/* The lies that one node can tell: its true texts altered, and whole stories that are not true. */
#pragma once

#include "lies/tell.h"

typedef void lie_fn(void *context, const struct told *told, const char *what);

/**
 * Every lie about this world. what: which, for messages.
 * @param part  only whole stories and words of status: enough to notice a coarse fault
 */
void lie_each(enum config_node_type type, enum world truth, bool part, lie_fn *take, void *context);
