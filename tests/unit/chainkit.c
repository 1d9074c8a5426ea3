/* Plain sockets: a test of the fake must not depend on the client that the fake is to test. */
#include "chainkit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/parse.h"

enum { ANSWER_MAX = 4 * 1024 * 1024, SILENCE_MS = 20000 };

static int open_connection(unsigned int port)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static void make_request(const char *path, const char *login, const char *request, struct buf *out)
{
	char header[1024];
	const bool get = strncmp(request, "GET ", 4) == 0;
	if (get)
		(void)buf_printf(out, "GET %s HTTP/1.1\r\n", request + 4);
	else
		(void)buf_printf(out, "POST %s HTTP/1.1\r\n", path != NULL ? path : "/");
	(void)buf_puts(out, "Host: 127.0.0.1\r\nConnection: close\r\n");
	if (login != NULL) {
		header[base64_encode((const uint8_t *)login, strlen(login), true, header)] = '\0';
		(void)buf_printf(out, "Authorization: Basic %s\r\n", header);
	}
	(void)buf_printf(out, "Content-Length: %zu\r\n\r\n%s", get ? 0 : strlen(request),
			 get ? "" : request);
}

/** Whatever comes until the other side closes; false: silence, or a reset before any byte. */
static bool read_all(int fd, struct buf *out)
{
	char piece[8192];
	ssize_t got = 0;
	while ((got = recv(fd, piece, sizeof(piece), 0)) > 0)
		(void)buf_put(out, piece, (size_t)got);
	return out->len > 0;
}

static void split(const struct buf *all, struct chain_exchange *out)
{
	const char *text = buf_text(all), *end = strstr(text, "\r\n\r\n");
	const char *status = strchr(text, ' ');
	if (end == NULL || status == NULL)
		return;
	const size_t head_len = (size_t)(end + 4 - text);
	const char *type = strstr(text, "Content-Type: "), *len = strstr(text, "Content-Length: ");
	out->status = (int)strtol(status, NULL, 10);
	if (type != NULL && type < end) {
		type += strlen("Content-Type: ");
		(void)snprintf(out->content_type, sizeof(out->content_type), "%.*s",
			       (int)strcspn(type, "\r"), type);
	}
	(void)buf_put(&out->body, text + head_len, all->len - head_len);
	out->complete = len != NULL && len < end &&
			strtoul(len + strlen("Content-Length: "), NULL, 10) == out->body.len;
}

bool chain_exchange(unsigned int port, const char *path, const char *login, const char *request,
		    struct chain_exchange *out)
{
	return chain_exchange_within(SILENCE_MS, port, path, login, request, out);
}

bool chain_exchange_within(int silence_ms, unsigned int port, const char *path, const char *login,
			   const char *request, struct chain_exchange *out)
{
	*out = (struct chain_exchange){ .body = BUF_INIT(ANSWER_MAX) };
	const int fd = open_connection(port);
	if (fd < 0)
		return false;
	CLEANUP(buf_done) struct buf bytes = BUF_INIT(ANSWER_MAX);
	CLEANUP(buf_done) struct buf all = BUF_INIT(ANSWER_MAX);
	const struct timeval silence = { .tv_sec = silence_ms / 1000,
					 .tv_usec = silence_ms % 1000 * 1000 };
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	make_request(path, login, request, &bytes);
	const bool sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len;
	const bool answered = sent && read_all(fd, &all);
	(void)close(fd);
	if (answered)
		split(&all, out);
	return out->status != 0;
}

void chain_exchange_done(struct chain_exchange *exchange)
{
	buf_done(&exchange->body);
}
