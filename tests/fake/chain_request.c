/* Request line, the few headers that matter, and what is behind the body. */
#include "fake/chain_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void take_header(struct chain_request *request, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	if (colon == NULL)
		return;
	const size_t name_len = (size_t)(colon - line);
	const char *value = colon + 1;
	while (value < line + len && *value == ' ')
		value++;
	const int value_len = (int)(line + len - value);
	if (name_len == 14 && strncasecmp(line, "Content-Length", 14) == 0) {
		request->body_len = (size_t)strtoul(value, NULL, 10);
	} else if (name_len == 13 && strncasecmp(line, "Authorization", 13) == 0) {
		request->has_authorization = true;
		(void)snprintf(request->authorization, sizeof(request->authorization), "%.*s",
			       value_len, value);
	} else if (name_len == 10 && strncasecmp(line, "Connection", 10) == 0) {
		request->close = strncasecmp(value, "close", 5) == 0;
	}
}

/** One word of the request line. */
static void take_word(const char *text, char *out, size_t size)
{
	size_t len = 0;
	while (len + 1 < size && text[len] > ' ') {
		out[len] = text[len];
		len++;
	}
	out[len] = '\0';
}

void chain_request_head(struct chain_request *request)
{
	const char *text = buf_text(&request->bytes);
	const char *end = strstr(text, "\r\n\r\n");
	if (end == NULL)
		return;
	request->head_len = (size_t)(end + 4 - text);
	take_word(text, request->method, sizeof(request->method));
	const char *path = text + strcspn(text, " \r");
	path += *path == ' ';
	take_word(path, request->path, sizeof(request->path));
	for (const char *line = text + strcspn(text, "\r") + 2; line < end + 2;) {
		const size_t len = strcspn(line, "\r");
		take_header(request, line, len);
		line += len + 2;
	}
	static const char prefix[] = "/wallet/";
	request->has_wallet = strncmp(request->path, prefix, strlen(prefix)) == 0;
	if (request->has_wallet)
		(void)snprintf(request->wallet, sizeof(request->wallet), "%s",
			       request->path + strlen(prefix));
}

void chain_request_next(struct chain_request *request)
{
	const size_t used = request->head_len + request->body_len;
	CLEANUP(buf_done) struct buf rest = BUF_INIT(CHAIN_REQUEST_MAX);
	(void)buf_put(&rest, buf_text(&request->bytes) + used, request->bytes.len - used);
	buf_clear(&request->bytes);
	if (rest.len > 0)
		(void)buf_put(&request->bytes, rest.data, rest.len);
	request->head_len = 0;
	request->body_len = 0;
	request->has_authorization = false;
}
