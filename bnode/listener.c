/* The addresses to listen on: from text, and bound. */
#include "bnode/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"

enum { PORT_DEFAULT = 7443, BACKLOG = 512 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static enum iotpki_err bad(struct iotpki_detail *detail, const char *url, const char *why)
{
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
			 "%s; write it like https://192.0.2.7:7443/ or "
			 "https://[2001:db8::7]:7443/",
			 why);
	detail_where(detail, url);
	return IOTPKI_ERR_SYNTAX;
}

static bool skip(const char **text, const char *prefix)
{
	const size_t len = strlen(prefix);
	if (strncmp(*text, prefix, len) != 0)
		return false;
	*text += len;
	return true;
}

/* HOST as it stands in the URL; the end of it, or NULL. */
static const char *read_host(const char *text, struct server_listener *listener)
{
	listener->ipv6 = *text == '[';
	const char *start = listener->ipv6 ? text + 1 : text;
	const size_t len = strcspn(start, listener->ipv6 ? "]" : ":/");
	if (len == 0 || len >= sizeof(listener->host))
		return NULL;
	memcpy(listener->host, start, len);
	listener->host[len] = '\0';
	if (!listener->ipv6)
		return start + len;
	return start[len] == ']' ? start + len + 1 : NULL;
}

static bool read_port(const char **text, uint16_t *port_out)
{
	*port_out = PORT_DEFAULT;
	if (!skip(text, ":"))
		return true;
	const size_t len = strspn(*text, "0123456789");
	uint64_t port;
	if (!uint_parse(*text, len, UINT16_MAX, &port))
		return false;
	*port_out = (uint16_t)port;
	*text += len;
	return true;
}

static bool to_address(const struct server_listener *listener, union address *address,
		       socklen_t *len_out)
{
	memset(address, 0, sizeof(*address));
	if (listener->ipv6) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons(listener->port);
		*len_out = sizeof(address->v6);
		return inet_pton(AF_INET6, listener->host, &address->v6.sin6_addr) == 1;
	}
	address->v4.sin_family = AF_INET;
	address->v4.sin_port = htons(listener->port);
	*len_out = sizeof(address->v4);
	return inet_pton(AF_INET, listener->host, &address->v4.sin_addr) == 1;
}

static bool is_loopback(const union address *address)
{
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
	return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
}

enum iotpki_err server_listener_parse(const char *url, struct server_listener *listener_out,
				      struct iotpki_detail *detail)
{
	struct server_listener listener = { 0 };
	const char *text = url;
	listener.tls = skip(&text, "https://");
	if (!listener.tls && !skip(&text, "http://"))
		return bad(detail, url, "an address to listen on begins with https:// or http://");
	text = read_host(text, &listener);
	if (text == NULL)
		return bad(detail, url, "the host is missing, too long or has no closing bracket");
	if (!listener.ipv6 && strcmp(listener.host, "localhost") == 0)
		memcpy(listener.host, "127.0.0.1", sizeof("127.0.0.1"));
	if (!read_port(&text, &listener.port))
		return bad(detail, url, "the port must be 0 to 65535");
	(void)skip(&text, "/");
	if (*text != '\0')
		return bad(detail, url, "nothing may follow the port");
	union address address;
	socklen_t len;
	if (!to_address(&listener, &address, &len))
		return bad(detail, url, "the host must be an IP address or localhost");
	if (!listener.tls && !is_loopback(&address))
		return bad(detail, url, "http:// is for loopback alone, use https:// here");
	*listener_out = listener;
	return IOTPKI_OK;
}

static enum iotpki_err bind_failed(const struct server_listener *listener, int number,
				   struct iotpki_detail *detail)
{
	const bool forbidden = number == EACCES || number == EPERM;
	const enum iotpki_err err =
		detail_set(detail, forbidden ? IOTPKI_ERR_PERMISSION : IOTPKI_ERR_UNAVAILABLE, 0, 0,
			   "cannot listen on port %u: %s", listener->port, strerror(number));
	detail_where(detail, listener->host);
	return err;
}

enum iotpki_err listener_bind(const struct server_listener *listener, int *fd_out,
			      uint16_t *port_out, struct iotpki_detail *detail)
{
	static const int on = 1;
	union address address;
	socklen_t len;
	if (!to_address(listener, &address, &len))
		return bad(detail, listener->host, "the host must be an IP address");
	const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return bind_failed(listener, errno, detail);
	/* [::] must not take IPv4 with it: each listener is one address, as it was asked for. */
	const bool bound = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
			   (!listener->ipv6 ||
			    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
			   bind(fd, &address.any, len) == 0 && listen(fd, BACKLOG) == 0 &&
			   getsockname(fd, &address.any, &len) == 0;
	if (!bound) {
		const int number = errno;
		(void)close(fd);
		return bind_failed(listener, number, detail);
	}
	*fd_out = fd;
	*port_out = ntohs(listener->ipv6 ? address.v6.sin6_port : address.v4.sin_port);
	return IOTPKI_OK;
}
