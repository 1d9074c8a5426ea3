/*
 * SSH_AUTH_INFO_0 (facts.md 1): one line a completed method, "publickey TYPE BASE64"
 * for keys. In a frame each newline is a ';'. Strict: one doubt refuses the whole.
 */
#pragma once

#include <iotpki/sshkey.h>

#include "base/base.h"

enum { AUTHINFO_KEYS_MAX = 16 };

/**
 * The fingerprints of all publickey lines, in their order; other methods' lines are skipped.
 * @return IOTPKI_ERR_SYNTAX: a garbled line, a certificate, a key of a type that is none of ours;
 *         IOTPKI_ERR_LIMIT: more keys than AUTHINFO_KEYS_MAX. Nothing is in keys_out then.
 */
enum iotpki_err authinfo_parse(const char *text,
			       uint8_t keys_out[static AUTHINFO_KEYS_MAX][IOTPKI_SHA256_LEN],
			       size_t *count_out) MUST_CHECK;
