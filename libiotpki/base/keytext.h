/*
 * How a plain OpenSSH public key looks in text, without decoding it: enough for what sshd and PAM
 * load, which link no cryptography, to tell what is worth a question. The agent parses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** A type that iotpki knows; certificates (*-cert-v01@openssh.com), sk-* and DSA are none of ours. */
bool keytext_is_type(const char *text, size_t len);
/** Padded base64 of at least one byte: whole groups of four, padding at the end alone. */
bool keytext_is_base64(const char *text, size_t len);
