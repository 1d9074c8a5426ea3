/* One thread: accept, connect, and pass on until one side leaves. */
#include "fake/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct relay {
	int listener;
	unsigned int port, target;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool busy, waited; /* a connection is open; one has been there since relay_set */
	enum relay_mode mode;
	size_t at, passed;
	uint8_t pattern;
	bool reached;
};

static int dial(unsigned int port)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons((uint16_t)port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/** How much of this piece goes on; it may be altered. */
static ssize_t tamper_locked(struct relay *relay, uint8_t *data, ssize_t len)
{
	const size_t first = relay->passed;
	relay->passed += (size_t)len;
	if (relay->mode == RELAY_PASS || relay->at < first || relay->at >= relay->passed)
		return len;
	relay->reached = true;
	if (relay->mode == RELAY_CUT)
		return (ssize_t)(relay->at - first);
	data[relay->at - first] ^= relay->pattern;
	return len;
}

static ssize_t tamper(struct relay *relay, uint8_t *data, ssize_t len)
{
	pthread_mutex_lock(&relay->lock);
	const ssize_t on = tamper_locked(relay, data, len);
	pthread_mutex_unlock(&relay->lock);
	return on;
}

/** False: this direction is over. */
static bool pass(struct relay *relay, int from, int to, bool of_node)
{
	uint8_t data[4096];
	const ssize_t len = recv(from, data, sizeof(data), 0);
	if (len <= 0)
		return false;
	const ssize_t on = of_node ? tamper(relay, data, len) : len;
	if (on > 0 && send(to, data, (size_t)on, MSG_NOSIGNAL) != on)
		return false;
	return on == len;
}

/** Small pieces go on at once, as on a wire. */
static void no_delay(int fd)
{
	const int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void pass_all(struct relay *relay, int client, int node)
{
	no_delay(client);
	no_delay(node);
	for (;;) {
		struct pollfd fds[] = { { client, POLLIN, 0 }, { node, POLLIN, 0 } };
		if (poll(fds, 2, -1) < 0)
			return;
		if (fds[0].revents != 0 && !pass(relay, client, node, false))
			return;
		if (fds[1].revents != 0 && !pass(relay, node, client, true))
			return;
	}
}

static void *run(void *context)
{
	struct relay *relay = context;
	for (;;) {
		const int client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			return NULL;
		pthread_mutex_lock(&relay->lock);
		relay->busy = relay->waited = true;
		relay->passed = 0;
		relay->reached = false;
		pthread_mutex_unlock(&relay->lock);
		const int node = dial(relay->target);
		if (node >= 0)
			pass_all(relay, client, node);
		if (node >= 0)
			(void)close(node);
		(void)close(client);
		pthread_mutex_lock(&relay->lock);
		relay->busy = false;
		pthread_cond_broadcast(&relay->idle);
		pthread_mutex_unlock(&relay->lock);
	}
}

struct relay *relay_start(unsigned int port)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	if (relay == NULL)
		return NULL;
	relay->target = port;
	(void)pthread_mutex_init(&relay->lock, NULL);
	(void)pthread_cond_init(&relay->idle, NULL);
	relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (relay->listener >= 0 &&
	    bind(relay->listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(relay->listener, 16) == 0 &&
	    getsockname(relay->listener, (struct sockaddr *)&address, &len) == 0 &&
	    pthread_create(&relay->thread, NULL, run, relay) == 0) {
		relay->port = ntohs(address.sin_port);
		return relay;
	}
	free(relay);
	return NULL;
}

void relay_stop(struct relay *relay)
{
	(void)shutdown(relay->listener, SHUT_RDWR);
	(void)pthread_join(relay->thread, NULL);
	(void)close(relay->listener);
	(void)pthread_cond_destroy(&relay->idle);
	(void)pthread_mutex_destroy(&relay->lock);
	free(relay);
}

unsigned int relay_port(const struct relay *relay)
{
	return relay->port;
}

static void set(struct relay *relay, enum relay_mode mode, size_t at, uint8_t pattern)
{
	pthread_mutex_lock(&relay->lock);
	relay->mode = mode;
	relay->at = at;
	relay->pattern = pattern;
	relay->passed = 0;
	relay->reached = false;
	relay->waited = false;
	pthread_mutex_unlock(&relay->lock);
}

void relay_set(struct relay *relay, enum relay_mode mode, size_t at)
{
	set(relay, mode, at, 0x10);
}

void relay_flip(struct relay *relay, size_t at, uint8_t pattern)
{
	set(relay, RELAY_FLIP, at, pattern);
}

bool relay_reached(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	const bool reached = relay->reached;
	pthread_mutex_unlock(&relay->lock);
	return reached;
}

size_t relay_passed(struct relay *relay, bool *reached_out)
{
	pthread_mutex_lock(&relay->lock);
	while (relay->busy || !relay->waited)
		pthread_cond_wait(&relay->idle, &relay->lock);
	const size_t passed = relay->passed;
	*reached_out = relay->reached;
	pthread_mutex_unlock(&relay->lock);
	return passed;
}
