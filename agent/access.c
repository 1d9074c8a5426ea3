/* The table of design 8. */
#include "agent/access.h"

#define MAY(class) (1U << (class))
#define ROOT MAY(ACCESS_ROOT)
#define ALLOWED (MAY(ACCESS_ROOT) | MAY(ACCESS_ALLOWED))
#define HELPER (MAY(ACCESS_ROOT) | MAY(ACCESS_ALLOWED) | MAY(ACCESS_HELPER))
#define ANYBODY (HELPER | MAY(ACCESS_ANYBODY))

static const unsigned int table[FRAME_VERB_COUNT] = {
	[FRAME_AUTHORIZE_KEY] = HELPER,
	[FRAME_AUTHORIZE_USER] = ROOT,
	[FRAME_AUTHORIZE_CERT] = ALLOWED,
	[FRAME_PROVED] = ALLOWED,
	[FRAME_CHECK_PROOF] = ROOT,
	[FRAME_HOST_KEYS] = ANYBODY,
	[FRAME_EXPLAIN] = ROOT,
	[FRAME_REFRESH] = ROOT,
	[FRAME_RELOAD] = ROOT,
	[FRAME_PURGE] = ROOT,
	[FRAME_DENY] = ROOT,
	[FRAME_STATUS] = ANYBODY,
	[FRAME_RESET_FLOORS] = ROOT,
};

enum access_class access_class(const struct access *access, uid_t uid)
{
	if (uid == ACCESS_NO_UID)
		return ACCESS_ANYBODY;
	if (uid == 0 || uid == access->admin)
		return ACCESS_ROOT;
	for (size_t i = 0; i < access->allowed_count; i++)
		if (access->allowed[i] == uid)
			return ACCESS_ALLOWED;
	return uid == access->helper ? ACCESS_HELPER : ACCESS_ANYBODY;
}

bool access_permits(enum access_class class, enum frame_verb verb)
{
	return (size_t)verb < ARRAY_LEN(table) && (table[verb] & MAY(class)) != 0;
}
