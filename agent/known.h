/*
 * `ssh=` fingerprints that records showed at the last refresh and that are not in
 * the list (design 4.1): whom to ask about when such a key is offered. A hint,
 * never a verdict: only an answer that carries the fingerprint itself admits it.
 */
#pragma once

#include <iotpki/record.h>

#include "base/base.h"

struct known_entry {
	uint8_t fingerprint[IOTPKI_SHA256_LEN];
	char name[IOTPKI_NAME_MAX + 1];
};

/** Zero-initialised it is empty. */
struct known {
	size_t count, size;
	struct known_entry *entries;
};

/** What a name's record shows now; NULL: nothing. Without memory the old is forgotten and nothing put. */
void known_set(struct known *known, const char *name, const uint8_t *fingerprint);
bool known_has(const struct known *known, const char *name);
/** Names with this fingerprint, one after the other, `after` NULL: the first. */
const char *known_next(const struct known *known,
		       const uint8_t fingerprint[static IOTPKI_SHA256_LEN], const char *after);
void known_clear(struct known *known);
