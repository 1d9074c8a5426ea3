/* From root to the agent's own user, for good; and what a process that holds lists should not do. */
#pragma once

#include <sys/types.h>

#include "base/base.h"

/** No core dumps, no ptrace by others of the same user, no new privileges, room for connections. */
void privileges_harden(void);
/**
 * Become the user with his groups; checked that there is no way back. Without root: only if we are
 * that user already.
 */
enum iotpki_err privileges_drop(const char *name, uid_t uid, gid_t gid,
				struct iotpki_detail *detail) MUST_CHECK;
