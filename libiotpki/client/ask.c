/*
 * One question to the agent within a budget (design 8). The host may be sshd, sudo or
 * login, with its own signals, threads and descriptors: nothing of the process changes, and
 * errno stays as it was. It never blocks longer than the budget, however the agent fails.
 */
#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

struct exchange {
	int fd;
	int64_t deadline_ms; /* CLOCK_MONOTONIC */
};

static int64_t monotonic_ms(void)
{
	struct timespec now = { 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void exchange_done(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		(void)close(exchange->fd);
	exchange->fd = -1;
}

static int remaining_ms(const struct exchange *exchange)
{
	const int64_t left = exchange->deadline_ms - monotonic_ms();
	return left > 0 ? (int)left : 0;
}

int client_socket(int type)
{
	const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	/* The host closed its standard descriptors: what it prints must not land in our socket. */
	const int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	(void)close(fd);
	return higher;
}

size_t client_address(const char *path, struct sockaddr_un *address_out)
{
	memset(address_out, 0, sizeof(*address_out));
	address_out->sun_family = AF_UNIX;
	const size_t len = strnlen(path, sizeof(address_out->sun_path));
	if (len == 0 || len == sizeof(address_out->sun_path))
		return 0;
	memcpy(address_out->sun_path, path, len);
	return offsetof(struct sockaddr_un, sun_path) + len + 1;
}

static enum iotpki_client_status connect_error(int error)
{
	if (error == EAGAIN || error == ETIMEDOUT)
		return IOTPKI_CLIENT_TIMEOUT;
	if (error == ENOMEM || error == ENOBUFS)
		return IOTPKI_CLIENT_SYSTEM;
	return IOTPKI_CLIENT_NO_AGENT;
}

/* A full backlog cannot be polled for; SO_SNDTIMEO is what bounds connect() there (measured). */
static enum iotpki_client_status connect_within(const struct exchange *exchange, const char *path)
{
	struct sockaddr_un address;
	const size_t address_len = client_address(path, &address);
	if (address_len == 0)
		return IOTPKI_CLIENT_ARGUMENT;
	for (;;) {
		const int left_ms = remaining_ms(exchange);
		if (left_ms == 0) /* a zero timeval would mean for ever */
			return IOTPKI_CLIENT_TIMEOUT;
		const struct timeval wait = { .tv_sec = left_ms / 1000,
					      .tv_usec = (left_ms % 1000) * 1000 };
		if (setsockopt(exchange->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
			return IOTPKI_CLIENT_SYSTEM;
		if (connect(exchange->fd, (const struct sockaddr *)&address,
			    (socklen_t)address_len) == 0)
			return IOTPKI_CLIENT_OK;
		if (errno != EINTR)
			return connect_error(errno);
	}
}

/* Who called listen(), also after it dropped its privileges: a squatter's socket gets no byte. */
static enum iotpki_client_status check_peer(const struct exchange *exchange, uid_t trusted_uid)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	if (getsockopt(exchange->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    len != sizeof(peer))
		return IOTPKI_CLIENT_SYSTEM;
	return peer.uid == trusted_uid ? IOTPKI_CLIENT_OK : IOTPKI_CLIENT_UNTRUSTED;
}

static enum iotpki_client_status wait_for(const struct exchange *exchange, short events)
{
	for (;;) {
		struct pollfd ready = { .fd = exchange->fd, .events = events };
		const int count = poll(&ready, 1, remaining_ms(exchange));
		if (count > 0)
			return IOTPKI_CLIENT_OK;
		if (count == 0)
			return IOTPKI_CLIENT_TIMEOUT;
		if (errno != EINTR)
			return IOTPKI_CLIENT_SYSTEM;
		if (remaining_ms(exchange) == 0)
			return IOTPKI_CLIENT_TIMEOUT;
	}
}

static enum iotpki_client_status send_request(const struct exchange *exchange, const char *text,
					      size_t len)
{
	for (;;) {
		const ssize_t sent = send(exchange->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0)
			return (size_t)sent == len ? IOTPKI_CLIENT_OK : IOTPKI_CLIENT_SYSTEM;
		if (errno == ENOMEM || errno == ENOBUFS)
			return IOTPKI_CLIENT_SYSTEM;
		if (errno != EAGAIN && errno != EINTR)
			return IOTPKI_CLIENT_NO_AGENT;
		const enum iotpki_client_status status = wait_for(exchange, POLLOUT);
		if (status != IOTPKI_CLIENT_OK)
			return status;
	}
}

/* One packet is one answer: there is no reading on, and no end to wait for. */
static enum iotpki_client_status read_answer(const struct exchange *exchange,
					     struct iotpki_client_answer *answer)
{
	for (;;) {
		const enum iotpki_client_status status = wait_for(exchange, POLLIN);
		if (status != IOTPKI_CLIENT_OK)
			return status;
		const ssize_t got = recv(exchange->fd, answer->text, sizeof(answer->text),
					 MSG_DONTWAIT | MSG_TRUNC);
		if (got == 0)
			return IOTPKI_CLIENT_NO_AGENT;
		if (got > IOTPKI_CLIENT_FRAME_MAX)
			return IOTPKI_CLIENT_BAD_ANSWER;
		if (got > 0)
			return client_parse(answer, (size_t)got);
		if (errno == ENOMEM || errno == ENOBUFS)
			return IOTPKI_CLIENT_SYSTEM;
		if (errno != EAGAIN && errno != EINTR)
			return IOTPKI_CLIENT_NO_AGENT;
	}
}

static enum iotpki_client_status converse(const struct exchange *exchange, const char *path,
					  uid_t trusted_uid, size_t request_len,
					  struct iotpki_client_answer *answer)
{
	enum iotpki_client_status status = connect_within(exchange, path);
	if (status == IOTPKI_CLIENT_OK)
		status = check_peer(exchange, trusted_uid);
	if (status == IOTPKI_CLIENT_OK)
		status = send_request(exchange, answer->text, request_len);
	if (status == IOTPKI_CLIENT_OK)
		status = read_answer(exchange, answer);
	return status;
}

static enum iotpki_client_status ask(const struct client_defaults *defaults, const char *path,
				     size_t request_len, int budget_ms,
				     struct iotpki_client_answer *answer)
{
	CLEANUP(exchange_done)
	struct exchange exchange = { .fd = -1, .deadline_ms = monotonic_ms() + budget_ms };
	exchange.fd = client_socket(SOCK_SEQPACKET);
	if (exchange.fd < 0)
		return IOTPKI_CLIENT_SYSTEM;
	return converse(&exchange, path, defaults->trusted_uid, request_len, answer);
}

enum iotpki_client_status client_ask(const struct client_defaults *defaults,
				     const char *socket_path, const char *verb,
				     const struct iotpki_client_field *fields, size_t field_count,
				     int budget_ms, struct iotpki_client_answer *answer_out)
{
	const int saved_errno = errno;
	const char *path = socket_path != NULL ? socket_path : IOTPKI_CLIENT_SOCKET;
	if (budget_ms <= 0 || budget_ms > defaults->budget_ms)
		budget_ms = defaults->budget_ms;
	memset(answer_out, 0, sizeof(*answer_out));
	/* The answer's text carries the request first: a host's stack may be small. */
	size_t request_len = 0;
	enum iotpki_client_status status =
		client_request(verb, fields, field_count, answer_out->text, &request_len);
	if (status == IOTPKI_CLIENT_OK)
		status = ask(defaults, path, request_len, budget_ms, answer_out);
	if (status != IOTPKI_CLIENT_OK)
		memset(answer_out, 0, sizeof(*answer_out));
	errno = saved_errno;
	return status;
}

enum iotpki_client_status iotpki_client_ask(const char *socket_path, const char *verb,
					    const struct iotpki_client_field *fields,
					    size_t field_count, int budget_ms,
					    struct iotpki_client_answer *answer_out)
{
	return client_ask(client_defaults(), socket_path, verb, fields, field_count, budget_ms,
			  answer_out);
}

const char *iotpki_client_strerror(enum iotpki_client_status status)
{
	static const char *const texts[] = {
		[-IOTPKI_CLIENT_OK] = "answered",
		[-IOTPKI_CLIENT_NO_AGENT] = "no agent listens there, or it hung up",
		[-IOTPKI_CLIENT_UNTRUSTED] = "what listens there was not started by root",
		[-IOTPKI_CLIENT_TIMEOUT] = "no answer in time",
		[-IOTPKI_CLIENT_BAD_ANSWER] = "the answer is not of the protocol",
		[-IOTPKI_CLIENT_ARGUMENT] =
			"the question cannot be sent: a field is malformed or too long",
		[-IOTPKI_CLIENT_SYSTEM] = "no descriptor or no memory",
	};
	const int index = -(int)status;
	if (index < 0 || (size_t)index >= ARRAY_LEN(texts))
		return "unknown status";
	return texts[index];
}
