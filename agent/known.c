/* An array; few records carry a key that the list does not. */
#include "agent/known.h"

#include <string.h>

static void forget(struct known *known, const char *name)
{
	for (size_t i = 0; i < known->count; i++) {
		if (strcmp(known->entries[i].name, name) != 0)
			continue;
		known->entries[i] = known->entries[--known->count];
		return;
	}
}

static bool grow(struct known *known)
{
	if (known->count < known->size)
		return true;
	const size_t size = known->size == 0 ? 16 : known->size * 2;
	struct known_entry *entries = reallocarray(known->entries, size, sizeof(*entries));
	if (entries == NULL)
		return false;
	known->entries = entries;
	known->size = size;
	return true;
}

void known_set(struct known *known, const char *name, const uint8_t *fingerprint)
{
	forget(known, name);
	const size_t len = strlen(name);
	if (fingerprint == NULL || len > IOTPKI_NAME_MAX || !grow(known))
		return;
	struct known_entry *entry = &known->entries[known->count++];
	memcpy(entry->fingerprint, fingerprint, sizeof(entry->fingerprint));
	memcpy(entry->name, name, len + 1);
}

bool known_has(const struct known *known, const char *name)
{
	for (size_t i = 0; i < known->count; i++)
		if (strcmp(known->entries[i].name, name) == 0)
			return true;
	return false;
}

const char *known_next(const struct known *known,
		       const uint8_t fingerprint[static IOTPKI_SHA256_LEN], const char *after)
{
	bool passed = after == NULL;
	for (size_t i = 0; i < known->count; i++) {
		const struct known_entry *entry = &known->entries[i];
		if (!passed)
			passed = entry->name == after;
		else if (memcmp(entry->fingerprint, fingerprint, sizeof(entry->fingerprint)) == 0)
			return entry->name;
	}
	return NULL;
}

void known_clear(struct known *known)
{
	free(known->entries);
	*known = (struct known){ 0 };
}
