/* One thread accepts, one thread a connection serves; the world is behind one lock. */
#include "fake/chain_node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/random.h"
#include "fake/chain_call.h"
#include "fake/chain_request.h"

enum {
	CONNECTIONS_MAX = 1024,
	LAST_MAX = 64 * 1024,
	BODY_MAX = 16 * 1024 * 1024,
};

#define PAGE \
	"<HTML><HEAD>\n<TITLE>Error</TITLE>\n</HEAD><BODY><H1>Something else</H1></BODY></HTML>\n"

struct connection {
	struct chain_node *node;
	pthread_t thread;
	int fd;
	bool used, over;
};

struct chain_node {
	struct chain_node_options options;
	struct chain_world *world;
	pthread_mutex_t lock;
	pthread_t thread;
	int listener; /* -1 while it refuses */
	int stop;     /* an eventfd that becomes readable when all is to end */
	int wake;     /* for the accepting thread: look at refuse_ms */
	unsigned int port;
	int64_t generation; /* connections of an earlier one are closed */
	char cookie[CHAIN_LOGIN_SIZE];
	char last[LAST_MAX];
	struct connection connections[CONNECTIONS_MAX];
};

/* ---- the password ---- */

static bool write_cookie(struct chain_node *node)
{
	uint8_t raw[32];
	if (random_system()->fill(random_system(), raw, sizeof(raw)) != IOTPKI_OK)
		return false;
	(void)snprintf(node->cookie, sizeof(node->cookie), "__cookie__:");
	for (size_t i = 0; i < sizeof(raw); i++)
		(void)snprintf(node->cookie + strlen("__cookie__:") + 2 * i, 3, "%02x",
			       (unsigned int)raw[i]);
	/* As the nodes write it: beside, then renamed, so that nobody reads half of it. */
	char beside[4096];
	(void)snprintf(beside, sizeof(beside), "%s.tmp", node->options.cookie);
	(void)unlink(beside);
	const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	const size_t len = strlen(node->cookie);
	const bool written = write(fd, node->cookie, len) == (ssize_t)len;
	(void)close(fd);
	return written && rename(beside, node->options.cookie) == 0;
}

static void read_login(const char *path, char *out, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t got = fd >= 0 ? read(fd, out, size - 1) : -1;
	if (fd >= 0)
		(void)close(fd);
	out[got > 0 ? got : 0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
}

/** Whether the value of an Authorization header is right; NULL: there was none. */
static bool is_authorized(const struct chain_node *node, const char *value)
{
	char want[CHAIN_LOGIN_SIZE] = "", header[CHAIN_LOGIN_SIZE * 2] = "Basic ";
	if (node->options.cookie != NULL)
		(void)snprintf(want, sizeof(want), "%s", node->cookie);
	else if (node->options.credentials != NULL)
		read_login(node->options.credentials, want, sizeof(want));
	else if (node->options.login != NULL)
		(void)snprintf(want, sizeof(want), "%s", node->options.login);
	else
		return true;
	const size_t used =
		base64_encode((const uint8_t *)want, strlen(want), true, header + strlen("Basic "));
	header[strlen("Basic ") + used] = '\0';
	return value != NULL && strcmp(value, header) == 0;
}

/* ---- the wire ---- */

static bool send_all(int fd, const void *data, size_t len)
{
	for (const char *at = data; len > 0;) {
		const ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

/** Wait until there is something to read; false: the time is over, or all is to end. */
static bool wait_readable(const struct chain_node *node, int fd, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = node->stop, .events = POLLIN },
				{ .fd = fd, .events = POLLIN } };
	const int ready = poll(fds, fd >= 0 ? 2 : 1, timeout_ms);
	return ready > 0 && fds[0].revents == 0;
}

/** Read one request; false: the client left, or it is more than anyone may send. */
static bool read_request(const struct connection *connection, struct chain_request *request)
{
	char piece[16384];
	chain_request_head(request);
	while (request->head_len == 0 ||
	       request->bytes.len < request->head_len + request->body_len) {
		if (!wait_readable(connection->node, connection->fd, -1))
			return false;
		const ssize_t got = recv(connection->fd, piece, sizeof(piece), 0);
		if (got <= 0 || buf_put(&request->bytes, piece, (size_t)got) != IOTPKI_OK)
			return false;
		if (request->head_len == 0)
			chain_request_head(request);
	}
	return true;
}

/* ---- an answer ---- */

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = { { 200, "OK" },
		      { 400, "Bad Request" },
		      { 401, "Unauthorized" },
		      { 403, "Forbidden" },
		      { 404, "Not Found" },
		      { 405, "Method Not Allowed" },
		      { 500, "Internal Server Error" },
		      { 503, "Service Unavailable" } };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return "Something";
}

/** How this answer is to be spoilt, read under the lock. */
struct fate {
	int64_t slow_ms, cut_bytes;
	bool hang, reset;
};

static void spoil(struct chain_node *node, struct chain_reply *reply, struct fate *fate)
{
	const struct chain_switches *set = &node->world->set;
	const char *hole = json_string_value(set->blackhole);
	*fate = (struct fate){ .slow_ms = 0, .cut_bytes = -1 };
	if (reply->control)
		return;
	fate->slow_ms = set->slow_ms;
	fate->cut_bytes = set->cut_bytes;
	fate->reset = (hole != NULL && strcmp(hole, "reset") == 0) || node->listener < 0;
	fate->hang = set->blackhole != NULL && !fate->reset;
	if (set->http_status != 0 || set->reply_html) {
		reply->status = set->http_status != 0 ? (int)set->http_status : 200;
		reply->content_type = "text/html; charset=ISO-8859-1";
		buf_clear(&reply->body);
		(void)buf_puts(&reply->body, PAGE);
	}
	if (set->flip_byte >= 0 && (size_t)set->flip_byte < reply->body.len)
		reply->body.data[set->flip_byte] ^= 1;
}

static void handle(struct chain_node *node, const struct chain_request *request,
		   struct chain_reply *reply, struct fate *fate)
{
	const char *body = buf_text(&request->bytes) + request->head_len;
	pthread_mutex_lock(&node->lock);
	const int64_t restarts = node->world->restarts;
	const bool authorized =
		is_authorized(node, request->has_authorization ? request->authorization : NULL);
	if (strcmp(request->method, "POST") == 0)
		chain_post(node->world, body, request->body_len,
			   request->has_wallet ? request->wallet : NULL, authorized, reply);
	else
		chain_get(node->world, request->path, authorized, reply);
	if (!reply->control) {
		node->world->requests++;
		(void)snprintf(node->last, sizeof(node->last), "%.*s", (int)request->body_len,
			       body);
	}
	if (node->world->restarts != restarts) {
		node->generation++;
		if (node->options.cookie != NULL && !write_cookie(node))
			reply->status = 500;
	}
	spoil(node, reply, fate);
	const bool refuse = node->world->set.refuse_ms > 0 && node->listener >= 0;
	pthread_mutex_unlock(&node->lock);
	if (refuse)
		(void)eventfd_write(node->wake, 1);
}

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/** Send it, as its fate is; false: the connection ends. */
static bool reply_send(const struct connection *connection, const struct chain_reply *reply,
		       const struct fate *fate)
{
	const struct chain_node *node = connection->node;
	if (fate->hang) {
		/* Until the client leaves, or the node ends; a client that says more is not heard. */
		struct pollfd fds[] = { { .fd = node->stop, .events = POLLIN },
					{ .fd = connection->fd, .events = POLLRDHUP } };
		(void)poll(fds, 2, -1);
		return false;
	}
	if (fate->reset) {
		reset(connection->fd);
		return false;
	}
	if (fate->slow_ms > 0) {
		struct pollfd stop = { .fd = node->stop, .events = POLLIN };
		if (poll(&stop, 1, (int)fate->slow_ms) != 0)
			return false;
	}
	CLEANUP(buf_done) struct buf head = BUF_INIT(4096);
	(void)buf_printf(&head, "HTTP/1.1 %d %s\r\n", reply->status, status_text(reply->status));
	if (reply->status == 401)
		(void)buf_puts(&head, "WWW-Authenticate: Basic realm=\"jsonrpc\"\r\n");
	if (reply->content_type != NULL)
		(void)buf_printf(&head, "Content-Type: %s\r\n", reply->content_type);
	(void)buf_printf(&head, "Content-Length: %zu\r\n\r\n", reply->body.len);
	const bool cut = fate->cut_bytes >= 0 && (size_t)fate->cut_bytes < reply->body.len;
	const size_t len = cut ? (size_t)fate->cut_bytes : reply->body.len;
	/* One write, so that a client never sees the head alone by chance. */
	CLEANUP(buf_done) struct buf all = BUF_INIT(BODY_MAX);
	(void)buf_put(&all, buf_text(&head), head.len);
	(void)buf_put(&all, buf_text(&reply->body), len);
	return send_all(connection->fd, buf_text(&all), all.len) && !cut;
}

static void *serve(void *argument)
{
	struct connection *connection = argument;
	struct chain_node *node = connection->node;
	struct chain_request request = { .bytes = BUF_INIT(CHAIN_REQUEST_MAX) };
	pthread_mutex_lock(&node->lock);
	const int64_t generation = node->generation;
	pthread_mutex_unlock(&node->lock);
	for (bool open = true; open && read_request(connection, &request);) {
		struct chain_reply reply = { .body = BUF_INIT(BODY_MAX) };
		struct fate fate;
		handle(node, &request, &reply, &fate);
		pthread_mutex_lock(&node->lock);
		const bool old = node->generation != generation;
		pthread_mutex_unlock(&node->lock);
		open = reply_send(connection, &reply, &fate) && !request.close && !old;
		buf_done(&reply.body);
		chain_request_next(&request);
	}
	buf_done(&request.bytes);
	pthread_mutex_lock(&node->lock);
	(void)close(connection->fd);
	connection->over = true;
	pthread_mutex_unlock(&node->lock);
	return NULL;
}

/* ---- the listener ---- */

static int listen_on(unsigned int *port)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t len = sizeof(address);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 512) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

static struct connection *free_place(struct chain_node *node)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &node->connections[i];
		if (connection->used && connection->over) {
			(void)pthread_join(connection->thread, NULL);
			connection->used = false;
		}
		if (!connection->used)
			return connection;
	}
	return NULL;
}

static void take(struct chain_node *node, int fd)
{
	const int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pthread_mutex_lock(&node->lock);
	struct connection *connection = free_place(node);
	if (connection != NULL) {
		*connection = (struct connection){ .node = node, .fd = fd, .used = true };
		if (pthread_create(&connection->thread, NULL, serve, connection) != 0)
			connection->used = false;
	}
	if (connection == NULL || !connection->used)
		(void)close(fd);
	pthread_mutex_unlock(&node->lock);
}

/** Nobody listens for as long as the switch says; then the same port again. */
static void refuse(struct chain_node *node)
{
	eventfd_t ignored;
	(void)eventfd_read(node->wake, &ignored);
	pthread_mutex_lock(&node->lock);
	const int64_t ms = node->world->set.refuse_ms;
	if (ms > 0) {
		(void)close(node->listener);
		node->listener = -1;
	}
	pthread_mutex_unlock(&node->lock);
	if (ms <= 0)
		return;
	(void)wait_readable(node, -1, (int)ms);
	unsigned int port = node->port;
	const int fd = listen_on(&port);
	pthread_mutex_lock(&node->lock);
	node->world->set.refuse_ms = 0;
	node->listener = fd;
	pthread_mutex_unlock(&node->lock);
}

static void *accept_all(void *argument)
{
	struct chain_node *node = argument;
	while (true) {
		struct pollfd fds[] = { { .fd = node->stop, .events = POLLIN },
					{ .fd = node->wake, .events = POLLIN },
					{ .fd = node->listener, .events = POLLIN } };
		if (poll(fds, 3, -1) < 0 || fds[0].revents != 0)
			return NULL;
		if (fds[1].revents != 0) {
			refuse(node);
			continue;
		}
		const int fd = accept4(node->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			take(node, fd);
	}
}

struct chain_node *chain_node_start(const struct chain_node_options *options)
{
	struct chain_node *node = calloc(1, sizeof(*node));
	if (node == NULL)
		return NULL;
	node->options = *options;
	node->port = options->port;
	node->stop = eventfd(0, EFD_CLOEXEC);
	node->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	node->listener = listen_on(&node->port);
	node->world = chain_world_new(options->kind);
	(void)pthread_mutex_init(&node->lock, NULL);
	if (node->stop >= 0 && node->wake >= 0 && node->listener >= 0 && node->world != NULL &&
	    (options->cookie == NULL || write_cookie(node)) &&
	    pthread_create(&node->thread, NULL, accept_all, node) == 0)
		return node;
	(void)close(node->stop);
	(void)close(node->wake);
	(void)close(node->listener);
	chain_world_free(node->world);
	free(node);
	return NULL;
}

void chain_node_stop(struct chain_node *node)
{
	if (node == NULL)
		return;
	(void)eventfd_write(node->stop, 1);
	(void)pthread_join(node->thread, NULL);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &node->connections[i];
		if (!connection->used)
			continue;
		pthread_mutex_lock(&node->lock);
		if (!connection->over)
			(void)shutdown(connection->fd, SHUT_RDWR);
		pthread_mutex_unlock(&node->lock);
		(void)pthread_join(connection->thread, NULL);
	}
	if (node->options.cookie != NULL)
		(void)unlink(node->options.cookie);
	(void)close(node->stop);
	(void)close(node->wake);
	if (node->listener >= 0)
		(void)close(node->listener);
	chain_world_free(node->world);
	(void)pthread_mutex_destroy(&node->lock);
	free(node);
}

/* ---- for the test ---- */

unsigned int chain_node_port(const struct chain_node *node)
{
	return node->port;
}

void chain_node_url(const struct chain_node *node, char *out, size_t size)
{
	(void)snprintf(out, size, "http://127.0.0.1:%u/", node->port);
}

char *chain_node_call(struct chain_node *node, const char *method, const char *params,
		      bool *failed_out)
{
	CLEANUP(buf_done) struct buf request = BUF_INIT(CHAIN_REQUEST_MAX);
	(void)buf_printf(&request, "{\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
			 params != NULL ? params : "[]");
	struct chain_reply reply = { .body = BUF_INIT(BODY_MAX) };
	pthread_mutex_lock(&node->lock);
	chain_post(node->world, buf_text(&request), request.len, NULL, true, &reply);
	const bool refuse = node->world->set.refuse_ms > 0 && node->listener >= 0;
	pthread_mutex_unlock(&node->lock);
	if (refuse)
		(void)eventfd_write(node->wake, 1);
	json_t *root = json_loadb(buf_text(&reply.body), reply.body.len, 0, NULL);
	const json_t *error = json_object_get(root, "error");
	*failed_out = root == NULL || !json_is_null(error);
	char *text = json_dumps(*failed_out ? error : json_object_get(root, "result"),
				JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(root);
	buf_done(&reply.body);
	return text;
}

bool chain_node_set(struct chain_node *node, const char *switches)
{
	bool failed = true;
	free(chain_node_call(node, "fake_set", switches, &failed));
	return !failed;
}

bool chain_node_mine(struct chain_node *node, unsigned int blocks)
{
	char params[32];
	bool failed = true;
	(void)snprintf(params, sizeof(params), "[%u]", blocks);
	free(chain_node_call(node, "fake_mine", params, &failed));
	return !failed;
}

int64_t chain_node_height(struct chain_node *node)
{
	pthread_mutex_lock(&node->lock);
	const int64_t height = chain_height(node->world->chain);
	pthread_mutex_unlock(&node->lock);
	return height;
}

unsigned int chain_node_requests(struct chain_node *node)
{
	pthread_mutex_lock(&node->lock);
	const int64_t requests = node->world->requests;
	pthread_mutex_unlock(&node->lock);
	return (unsigned int)requests;
}

unsigned int chain_node_count(struct chain_node *node, const char *method)
{
	int64_t count = 0;
	pthread_mutex_lock(&node->lock);
	for (size_t i = 0; i < CHAIN_METHODS_COUNTED; i++) {
		if (strcmp(node->world->counters[i].method, method) == 0)
			count = node->world->counters[i].count;
	}
	pthread_mutex_unlock(&node->lock);
	return (unsigned int)count;
}

unsigned int chain_node_violations(struct chain_node *node)
{
	pthread_mutex_lock(&node->lock);
	const size_t count = json_array_size(node->world->violations);
	pthread_mutex_unlock(&node->lock);
	return (unsigned int)count;
}

void chain_node_last_request(struct chain_node *node, char *out, size_t size)
{
	pthread_mutex_lock(&node->lock);
	(void)snprintf(out, size, "%s", node->last);
	pthread_mutex_unlock(&node->lock);
}
