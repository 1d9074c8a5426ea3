/* Judging the head of a request. */
#include "bnode/request.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"

static const struct {
	unsigned int status;
	const char *text;
} refusals[] = {
	{ 400, "Bad request\n" },           { 403, "Requests of web pages are refused\n" },
	{ 404, "There is nothing here\n" }, { 405, "JSONRPC server handles only POST requests\n" },
	{ 413, "The body is too large\n" }, { 503, "Too busy, try again\n" },
};

enum MHD_Result request_refuse(struct MHD_Connection *http, unsigned int status)
{
	const char *text = "";
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (refusals[i].status == status)
			text = refusals[i].text;
	}
	/* The old name of the same function is all that 0.9.75 has; the text is only read. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	(void)MHD_add_response_header(response, "Connection", "close");
	if (status == 405)
		(void)MHD_add_response_header(response, "Allow", "POST");
	const enum MHD_Result result = MHD_queue_response(http, status, response);
	MHD_destroy_response(response);
	return result;
}

struct headers {
	unsigned int origins, lengths, codings, odd;
	const char *length, *host, *site;
};

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct headers *headers = context;
	(void)kind;
	headers->odd += key[strcspn(key, " \t")] != '\0';
	if (strcasecmp(key, "Origin") == 0)
		headers->origins++;
	if (strcasecmp(key, "Transfer-Encoding") == 0) {
		headers->codings++;
		headers->odd += strcasecmp(value, "chunked") != 0;
	}
	if (strcasecmp(key, "Host") == 0)
		headers->host = value;
	if (strcasecmp(key, "Sec-Fetch-Site") == 0)
		headers->site = value;
	if (strcasecmp(key, "Content-Length") == 0) {
		headers->lengths++;
		headers->length = value;
	}
	return MHD_YES;
}

/*
 * Two lengths for one body, or "Content-Length :", which libmicrohttpd takes for another name: what a
 * proxy before us may read otherwise (RFC 9112 5.1, 6.3). A coding that it does not know it takes for
 * a body without an end.
 */
static unsigned int judge_body(const struct headers *headers, enum request_page page)
{
	uint64_t bytes = 0;
	if (headers->odd > 0 || headers->lengths + headers->codings > 1)
		return 400;
	if (headers->length != NULL &&
	    !uint_parse(headers->length, strlen(headers->length), UINT64_MAX, &bytes))
		return 400;
	if (page != REQUEST_RPC && (bytes > 0 || headers->codings > 0))
		return 400;
	return bytes > REQUEST_DISCARD_MAX ? 413 : 0;
}

static bool from_loopback(struct MHD_Connection *http)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(http, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info == NULL || info->client_addr == NULL)
		return false;
	if (info->client_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, info->client_addr, sizeof(v6));
		return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
	}
	struct sockaddr_in v4;
	memcpy(&v4, info->client_addr, sizeof(v4));
	return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
}

/*
 * A page whose name has been pointed at this address (DNS rebinding) sends no Origin with a GET, but
 * its own name as the host.
 */
static bool host_is_address(const char *host)
{
	static const char local[] = "localhost";
	if (host == NULL || host[0] == '[')
		return true;
	if (strncasecmp(host, local, sizeof(local) - 1) == 0)
		return host[sizeof(local) - 1] == '\0' || host[sizeof(local) - 1] == ':';
	return host[strspn(host, "0123456789.:")] == '\0';
}

static unsigned int judge_metrics(struct MHD_Connection *http, const struct headers *headers,
				  enum request_metrics metrics)
{
	if (metrics == REQUEST_METRICS_ANY)
		return 0;
	if (metrics == REQUEST_METRICS_OFF || !from_loopback(http))
		return 404;
	return host_is_address(headers->host) ? 0 : 403;
}

static unsigned int find_page(const char *url, const char *method, enum request_page *page_out)
{
	const bool get = strcmp(method, "GET") == 0;
	*page_out = REQUEST_RPC;
	if (get && strcmp(url, "/metrics") == 0)
		*page_out = REQUEST_METRICS;
	else if (get && strcmp(url, "/health") == 0)
		*page_out = REQUEST_HEALTH;
	else if (strcmp(method, "POST") != 0)
		return 405;
	else if (strcmp(url, "/") != 0)
		return 404;
	return 0;
}

unsigned int request_judge(struct MHD_Connection *http, const char *url, const char *method,
			   enum request_metrics metrics, enum request_page *page_out)
{
	struct headers headers = { 0 };
	unsigned int status = find_page(url, method, page_out);
	if (status != 0)
		return status;
	(void)MHD_get_connection_values(http, MHD_HEADER_KIND, read_header, &headers);
	if (headers.origins > 0)
		return 403;
	/* "none" is somebody who typed the address. */
	if (headers.site != NULL && strcasecmp(headers.site, "none") != 0)
		return 403;
	status = judge_body(&headers, *page_out);
	if (status == 0 && *page_out == REQUEST_METRICS)
		status = judge_metrics(http, &headers, metrics);
	return status;
}
