/* A small table, searched from end to end. */
#include "agent/recent.h"

#include <string.h>

static bool copy_text(char *out, size_t size, const char *text)
{
	const size_t len = strlen(text);
	if (len >= size)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

void recent_add(struct recent *recent, const char *user, const char *name,
		const uint8_t fingerprint[static IOTPKI_SHA256_LEN], int64_t now_ms)
{
	struct recent_entry fresh = { .at_ms = now_ms };
	if (!copy_text(fresh.user, sizeof(fresh.user), user) ||
	    !copy_text(fresh.name, sizeof(fresh.name), name))
		return;
	memcpy(fresh.fingerprint, fingerprint, sizeof(fresh.fingerprint));
	struct recent_entry *slot = &recent->entries[0];
	for (size_t i = 0; i < RECENT_MAX; i++) {
		struct recent_entry *entry = &recent->entries[i];
		if (strcmp(entry->user, user) == 0 && strcmp(entry->name, name) == 0 &&
		    memcmp(entry->fingerprint, fingerprint, sizeof(entry->fingerprint)) == 0) {
			slot = entry;
			break;
		}
		if (entry->serial < slot->serial)
			slot = entry;
	}
	fresh.serial = ++recent->serial;
	*slot = fresh;
}

const struct recent_entry *recent_next(const struct recent *recent, const char *user,
				       int64_t now_ms, const struct recent_entry *after)
{
	const struct recent_entry *found = NULL;
	for (size_t i = 0; i < RECENT_MAX; i++) {
		const struct recent_entry *entry = &recent->entries[i];
		if (entry->serial == 0 || now_ms - entry->at_ms >= RECENT_MS ||
		    strcmp(entry->user, user) != 0)
			continue;
		if (after != NULL && entry->serial >= after->serial)
			continue;
		if (found == NULL || entry->serial > found->serial)
			found = entry;
	}
	return found;
}

void recent_clear(struct recent *recent)
{
	memset(recent->entries, 0, sizeof(recent->entries));
}
