/* See the header. The client library escapes the text and caps it. */
#include "log.h"

#include <stdio.h>
#include <string.h>

#include <iotpki/client.h>

enum { TEXT_MAX = 768 };

void log_line(const struct log_subject *subject, int priority, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	int used = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (used < 0)
		used = 0;
	/* What is said may be cut, whom it is about not: that part comes with caps of its own. */
	const size_t said = (size_t)used < TEXT_MAX / 2 ? (size_t)used : TEXT_MAX / 2;
	(void)snprintf(text + said, sizeof(text) - said, " user=%.64s service=%.64s stage=%s",
		       subject->user != NULL ? subject->user : "-",
		       subject->service != NULL ? subject->service : "-", subject->stage);
	iotpki_client_log("pam_iotpki", priority, text);
}
