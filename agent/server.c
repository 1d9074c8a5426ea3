/* Accept, read one request, answer, hang up. */
#include "agent/server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT_BATCH = 256, PAUSE_MS = 100 };

struct connection {
	struct loop_source source;
	struct server *server;
	uint64_t id; /* serial * SERVER_CONNECTIONS_MAX + slot */
	uid_t uid;
	enum access_class class;
	bool asked;
	int64_t ends_ms;
};

struct server {
	struct server_options options;
	struct loop_source listener;
	bool listening;
	bool paused; /* out of descriptors: the listener is not watched until paused_ms */
	int64_t paused_ms;
	struct access access;
	uint64_t serial;
	uint64_t refused;
	size_t count;
	size_t class_count[ACCESS_ROOT + 1];
	int64_t status_s; /* the second that is being counted */
	unsigned int status_count;
	struct connection *slots[SERVER_CONNECTIONS_MAX];
	struct frame_request
		request; /* of the connection that is being read; too large for a stack frame */
};

static void hang_up(struct connection *connection)
{
	struct server *server = connection->server;
	loop_remove(server->options.loop, &connection->source);
	(void)close(connection->source.fd);
	server->slots[connection->id % SERVER_CONNECTIONS_MAX] = NULL;
	server->class_count[connection->class]--;
	server->count--;
	free(connection);
}

static void send_answer(struct connection *connection, const struct frame_answer *answer)
{
	/* One message into an empty buffer. Whoever made his buffer too small for it goes without. */
	(void)send(connection->source.fd, answer->text, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	hang_up(connection);
}

static void send_error(struct connection *connection, const char *why)
{
	struct frame_answer answer;
	frame_answer_error(&answer, why);
	send_answer(connection, &answer);
}

/* Counts are harmless; asking for them all day long is not. */
static bool rate_permits(struct server *server, enum access_class class)
{
	if (class != ACCESS_ANYBODY)
		return true;
	const int64_t now_s = server->options.clock->mono_ms(server->options.clock) / 1000;
	if (now_s != server->status_s) {
		server->status_s = now_s;
		server->status_count = 0;
	}
	return server->status_count++ < SERVER_STATUS_PER_S;
}

static void take_request(struct connection *connection, const char *data, size_t len)
{
	struct server *server = connection->server;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = frame_parse(data, len, &server->request, &detail);
	if (err != IOTPKI_OK) {
		char text[IOTPKI_DETAIL_MESSAGE_MAX + 64];
		detail_where(&detail, "request");
		iotpki_err_detail(err, &detail, text, sizeof(text));
		send_error(connection, text);
		return;
	}
	if (!access_permits(connection->class, server->request.verb)) {
		send_error(connection, "not permitted: this user may not use this verb");
		return;
	}
	if (!rate_permits(server, connection->class)) {
		send_error(connection, "too many requests; try again in a second");
		return;
	}
	connection->asked = true;
	connection->ends_ms =
		server->options.clock->mono_ms(server->options.clock) + SERVER_ANSWER_MS;
	server->options.request(server->options.context, connection->id, &server->request);
}

static void connection_ready(void *context, uint32_t events)
{
	struct connection *connection = context;
	char data[FRAME_MAX + 1]; /* one byte more, to see that it was too long */
	if ((events & EPOLLIN) == 0) {
		hang_up(connection);
		return;
	}
	const ssize_t len = recv(connection->source.fd, data, sizeof(data), MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A second message, the end, or an error: there is nothing more to say to each other. */
	if (len <= 0 || connection->asked) {
		hang_up(connection);
		return;
	}
	take_request(connection, data, (size_t)len);
}

static size_t count_user(const struct server *server, uid_t uid)
{
	size_t count = 0;
	for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		if (server->slots[i] != NULL && server->slots[i]->uid == uid)
			count++;
	return count;
}

static bool has_room(const struct server *server, enum access_class class, uid_t uid)
{
	if (class == ACCESS_ROOT)
		return server->count < SERVER_CONNECTIONS_MAX;
	if (server->count >= SERVER_CONNECTIONS_MAX - SERVER_ROOT_RESERVE)
		return false;
	if (class != ACCESS_ANYBODY)
		return true;
	return server->class_count[class] < SERVER_ANYBODY_MAX &&
	       count_user(server, uid) < SERVER_PER_USER_MAX;
}

static struct connection *connection_new(struct server *server, int fd)
{
	size_t slot = 0;
	while (slot < SERVER_CONNECTIONS_MAX && server->slots[slot] != NULL)
		slot++;
	struct connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL || slot == SERVER_CONNECTIONS_MAX) {
		free(connection);
		return NULL;
	}
	connection->server = server;
	connection->source = (struct loop_source){ fd, connection_ready, connection };
	connection->id = ++server->serial * SERVER_CONNECTIONS_MAX + slot;
	if (loop_add(server->options.loop, &connection->source) != IOTPKI_OK) {
		free(connection);
		return NULL;
	}
	server->slots[slot] = connection;
	return connection;
}

static void take_connection(struct server *server, int fd)
{
	struct ucred peer = { .uid = ACCESS_NO_UID };
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		peer.uid = ACCESS_NO_UID;
	const enum access_class class = access_class(&server->access, peer.uid);
	struct connection *connection =
		has_room(server, class, peer.uid) ? connection_new(server, fd) : NULL;
	if (connection == NULL) {
		server->refused++;
		(void)close(fd);
		return;
	}
	connection->uid = peer.uid;
	connection->class = class;
	connection->ends_ms =
		server->options.clock->mono_ms(server->options.clock) + SERVER_REQUEST_MS;
	server->class_count[class]++;
	server->count++;
}

/* Out of descriptors the listener stays readable: watching it would spin. */
static void pause_listening(struct server *server)
{
	loop_remove(server->options.loop, &server->listener);
	server->paused = true;
	server->paused_ms = server->options.clock->mono_ms(server->options.clock) + PAUSE_MS;
}

static void listener_ready(void *context, uint32_t events)
{
	struct server *server = context;
	(void)events;
	/* In batches: a flood of connects is worked off between the answers to others. */
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		const int fd =
			accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			take_connection(server, fd);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			return pause_listening(server);
		else if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

enum iotpki_err server_new(const struct server_options *options, struct server **server_out)
{
	*server_out = NULL;
	CLEANUP(server_freep) struct server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return IOTPKI_ERR_NOMEM;
	server->options = *options;
	server->access.admin = ACCESS_NO_UID;
	server->access.helper = ACCESS_NO_UID;
	server->listener = (struct loop_source){ options->listen_fd, listener_ready, server };
	const enum iotpki_err err = loop_add(options->loop, &server->listener);
	if (err != IOTPKI_OK)
		return err;
	server->listening = true;
	*server_out = STEAL(server);
	return IOTPKI_OK;
}

void server_free(struct server *server)
{
	if (server == NULL)
		return;
	server_stop_listening(server);
	for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		if (server->slots[i] != NULL)
			hang_up(server->slots[i]);
	free(server);
}

void server_freep(struct server **server)
{
	server_free(*server);
	*server = NULL;
}

void server_set_access(struct server *server, const struct access *access)
{
	server->access = *access;
}

void server_answer(struct server *server, uint64_t id, const struct frame_answer *answer)
{
	struct connection *connection = server->slots[id % SERVER_CONNECTIONS_MAX];
	if (connection != NULL && connection->id == id)
		send_answer(connection, answer);
}

static int64_t resume_listening(struct server *server, int64_t now_ms)
{
	if (!server->paused)
		return -1;
	if (now_ms < server->paused_ms)
		return server->paused_ms - now_ms;
	if (server->listening && loop_add(server->options.loop, &server->listener) != IOTPKI_OK)
		return PAUSE_MS;
	server->paused = false;
	return -1;
}

int64_t server_expire(struct server *server)
{
	const int64_t now_ms = server->options.clock->mono_ms(server->options.clock);
	int64_t next_ms = resume_listening(server, now_ms);
	for (size_t i = 0; i < SERVER_CONNECTIONS_MAX && server->count > 0; i++) {
		struct connection *connection = server->slots[i];
		if (connection == NULL)
			continue;
		const int64_t left_ms = connection->ends_ms - now_ms;
		if (left_ms <= 0)
			hang_up(connection);
		else if (next_ms < 0 || left_ms < next_ms)
			next_ms = left_ms;
	}
	return next_ms;
}

void server_stop_listening(struct server *server)
{
	if (!server->listening)
		return;
	if (!server->paused)
		loop_remove(server->options.loop, &server->listener);
	server->listening = false;
}

size_t server_connections(const struct server *server)
{
	return server->count;
}

uint64_t server_refused(const struct server *server)
{
	return server->refused;
}
