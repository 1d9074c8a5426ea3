/* The arguments of a line in /etc/pam.d. Strict: what is not understood is an error, never skipped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct args {
	bool ssh; /* read SSH_AUTH_INFO_0 */
	bool ignore_unknown_user;
	const char *only;             /* services, separated by commas; NULL: all */
	const char *break_glass_user; /* users, separated by commas; NULL: nobody */
	const char *socket_path;      /* NULL: the default */
};

/**
 * Parse argv; the strings stay argv's.
 * @param bad_out  the argument that is wrong; not set on success
 */
bool args_parse(int argc, const char **argv, struct args *args_out, const char **bad_out);

/** Whether one item of the list is exactly this word; false for a NULL list. */
bool args_list_has(const char *list, const char *word);
