/* Who may ask what (design 8), as one table. The kernel says who asks (SO_PEERCRED), never the request. */
#pragma once

#include <sys/types.h>

#include "agent/frame.h"
#include "config/config.h"

/** The users that are told apart; NO_UID stands for nobody. */
struct access {
	uid_t admin;  /* who started the agent: root but in tests */
	uid_t helper; /* --helper-user */
	size_t allowed_count;
	uid_t allowed[CONFIG_USERS_MAX]; /* agent: {allow_users: []} */
};
#define ACCESS_NO_UID ((uid_t)-1)

enum access_class { ACCESS_ANYBODY, ACCESS_ALLOWED, ACCESS_HELPER, ACCESS_ROOT };

/** What a user id counts as; the strongest class that fits. */
enum access_class access_class(const struct access *access, uid_t uid);
/** Whether a class may use a verb. */
bool access_permits(enum access_class class, enum frame_verb verb);
