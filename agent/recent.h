/*
 * Keys that authorize-key admitted in the last 120 s (design 9): what the account
 * stage goes by where sshd does not show the key yet. A hint whom to ask about,
 * never a verdict: each is decided again.
 */
#pragma once

#include <iotpki/record.h>

#include "base/base.h"
#include "config/config.h"

enum { RECENT_MAX = 256, RECENT_MS = 120 * 1000 };

struct recent_entry {
	char user[CONFIG_WORD_MAX + 1];
	char name[IOTPKI_NAME_MAX + 1];
	uint8_t fingerprint[IOTPKI_SHA256_LEN];
	int64_t at_ms;
	uint64_t serial; /* 0: empty; higher is later */
};

/** Zero-initialised it is empty. */
struct recent {
	uint64_t serial;
	struct recent_entry entries[RECENT_MAX];
};

/** Remember; an account too long for a list is nobody's and is not. */
void recent_add(struct recent *recent, const char *user, const char *name,
		const uint8_t fingerprint[static IOTPKI_SHA256_LEN], int64_t now_ms);
/** The account's entries, latest first: the next after `after` (NULL: the latest), or NULL. */
const struct recent_entry *recent_next(const struct recent *recent, const char *user,
				       int64_t now_ms, const struct recent_entry *after);
void recent_clear(struct recent *recent);
