/*
 * A line for the system log without syslog(3): that keeps a descriptor and the
 * host's ident in the process, and may block. One datagram, no state; a full or
 * missing log loses the line, never the login.
 */
#include "client/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/parse.h"

enum {
	LINE_MAX_BYTES = 1024,
	IDENT_MAX = 48,
};

/* "<86>ident[123]: text"; the logger puts the time, since ours would need the time zone. */
static size_t format_line(char *out, size_t size, const char *ident, int priority, const char *text)
{
	const int head =
		snprintf(out, size, "<%d>%.*s[%ld]: ", LOG_AUTHPRIV | (priority & LOG_PRIMASK),
			 IDENT_MAX, ident, (long)getpid());
	if (head < 0 || (size_t)head >= size)
		return 0;
	return (size_t)head + text_escape(text, strlen(text), out + head, size - (size_t)head);
}

void client_log(const char *log_socket, const char *ident, int priority, const char *text)
{
	const int saved_errno = errno;
	struct sockaddr_un address;
	char line[LINE_MAX_BYTES];
	const size_t address_len = client_address(log_socket, &address);
	const size_t len = format_line(line, sizeof(line), ident, priority, text);
	const int fd = address_len > 0 && len > 0 ? client_socket(SOCK_DGRAM | SOCK_NONBLOCK) : -1;
	if (fd >= 0) {
		(void)sendto(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT,
			     (const struct sockaddr *)&address, (socklen_t)address_len);
		(void)close(fd);
	}
	errno = saved_errno;
}

void iotpki_client_log(const char *ident, int priority, const char *text)
{
	client_log(client_defaults()->log_socket, ident, priority, text);
}
