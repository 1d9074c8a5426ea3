/*
 * SSH_AUTH_INFO_0: one line for each method that sshd has completed, "publickey TYPE BASE64" or
 * another method's (facts of sshd in the manual page). Hostile: ~/.pam_environment may have set it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	AUTHINFO_TEXT_MAX = 15000, /* bytes; what fits a frame of the agent with the other fields */
	AUTHINFO_KEYS_MAX = 8,
};

enum authinfo_kind {
	AUTHINFO_BAD =
		0, /* not understood, a certificate, too long: as if nobody had proved anything */
	AUTHINFO_EMPTY,  /* unset, or sshd has not put a method into it yet */
	AUTHINFO_NO_KEY, /* methods, but no key among them */
	AUTHINFO_KEYS, /* at least one plain publickey line, and no other kind of publickey line */
};

/**
 * Parse, and print the publickey lines again, canonically, each ended by ';'.
 * @param text  NULL: unset
 * @param out   AUTHINFO_TEXT_MAX + 1 bytes; "" unless AUTHINFO_KEYS
 */
enum authinfo_kind authinfo_parse(const char *text, char out[static AUTHINFO_TEXT_MAX + 1]);
