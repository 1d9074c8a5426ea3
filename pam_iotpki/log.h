/* One line to the system log, by a datagram of our own: pam_syslog() leaves traces in the host. */
#pragma once

#include <stdarg.h>

/** What every line names, so that it can be searched for. */
struct log_subject {
	const char *user;    /* NULL: not known */
	const char *service; /* likewise */
	const char *stage;
};

void log_line(const struct log_subject *subject, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
