/*
 * What iotpki-authorized-keys takes from sshd and gives back: pure checks of hostile
 * arguments, and the one line, which is printed only if every part of it is understood.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	KEYLINE_USER_MAX = 256, /* bytes of an account name */
	KEYLINE_TYPE_MAX = 64,
	KEYLINE_BASE64_MAX = 1452, /* base64 of the largest key that iotpki knows */
};

/** Worth a question: a plain key type that iotpki knows, base64, an account name; else nothing is asked. */
bool keyline_offer(const char *user, const char *type, const char *base64);

/**
 * "options type base64\n" if key is exactly the offered one and the options are exactly one
 * authorized_keys field. Not terminated.
 * @param key, options  of the answer; NULL is refused
 * @return the length; 0 on any doubt
 */
size_t keyline_format(const char *type, const char *base64, const char *key, const char *options,
		      char *out, size_t size);
