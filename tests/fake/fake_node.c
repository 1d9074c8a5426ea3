/* One thread accepts, one thread a connection serves. */
#include "fake/fake_node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/digest.h"

enum { CONNECTIONS_MAX = 512, REQUEST_MAX = 64 * 1024, ANSWER_MAX = 4 * 1024 * 1024 };

struct connection {
	struct fake_node *node;
	pthread_t thread;
	int fd; /* -1 once it is over */
};

struct fake_node {
	const struct fake_script *script;
	SSL_CTX *tls;
	uint8_t pin[SHA256_LEN];
	int listener;
	unsigned int port;
	pthread_t thread;
	pthread_mutex_t lock;
	bool stopping;
	unsigned int requests;
	char last[REQUEST_MAX];
	size_t connection_count;
	struct connection connections[CONNECTIONS_MAX];
};

/* ---- bytes ---- */

struct wire {
	int fd;
	SSL *ssl; /* NULL: plain */
};

static bool wire_write(const struct wire *wire, const void *data, size_t len)
{
	const uint8_t *at = data;
	while (len > 0) {
		const int piece = len > 16384 ? 16384 : (int)len;
		const ssize_t sent = wire->ssl != NULL
					     ? SSL_write(wire->ssl, at, piece)
					     : send(wire->fd, at, (size_t)piece, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

static ssize_t wire_read(const struct wire *wire, char *data, size_t size)
{
	return wire->ssl != NULL ? SSL_read(wire->ssl, data, (int)size)
				 : recv(wire->fd, data, size, 0);
}

/* ---- a request ---- */

/** Read one request; its body is as long as its Content-Length says. False: the client left. */
static bool read_request(const struct wire *wire, char *out)
{
	size_t len = 0, want = SIZE_MAX;
	while (len < want) {
		if (len + 1 >= REQUEST_MAX)
			return false;
		const ssize_t got = wire_read(wire, out + len, REQUEST_MAX - 1 - len);
		if (got <= 0)
			return false;
		len += (size_t)got;
		out[len] = '\0';
		const char *end = strstr(out, "\r\n\r\n");
		const char *length = strstr(out, "Content-Length: ");
		if (end != NULL && length != NULL)
			want = (size_t)(end + 4 - out) +
			       (size_t)strtoul(length + strlen("Content-Length: "), NULL, 10);
	}
	return true;
}

static void between(const char *text, const char *before, char *out, size_t size)
{
	const char *at = strstr(text, before);
	size_t len = 0;
	for (at = at != NULL ? at + strlen(before) : ""; *at != '"' && *at != '\0'; at++) {
		if (len + 1 < size)
			out[len++] = *at;
	}
	out[len] = '\0';
}

static void fill_in(struct buf *buf, const char *text, const char *request)
{
	char id[128], name[128], now[32];
	between(request, "\"id\":\"", id, sizeof(id));
	between(request, "\"params\":[\"", name, sizeof(name));
	(void)snprintf(now, sizeof(now), "%lld", (long long)time(NULL));
	const struct {
		const char *mark, *value;
	} marks[] = { { "@ID@", id }, { "@NAME@", name }, { "@NOW@", now } };
	for (const char *at = text; *at != '\0';) {
		size_t used = 0;
		for (size_t i = 0; i < ARRAY_LEN(marks) && used == 0; i++) {
			if (strncmp(at, marks[i].mark, strlen(marks[i].mark)) != 0)
				continue;
			(void)buf_puts(buf, marks[i].value);
			used = strlen(marks[i].mark);
		}
		if (used == 0)
			(void)buf_putc(buf, *at);
		at += used > 0 ? used : 1;
	}
}

static bool send_answer(const struct wire *wire, const struct fake_script *script,
			const char *request)
{
	CLEANUP(buf_done) struct buf body = BUF_INIT(ANSWER_MAX);
	CLEANUP(buf_done) struct buf all = BUF_INIT(ANSWER_MAX);
	fill_in(&body, script->body != NULL ? script->body : FAKE_REGISTERED, request);
	(void)buf_puts(&all, script->head != NULL ? script->head : FAKE_OK);
	if (!script->raw)
		(void)buf_printf(&all, "Content-Length: %zu\r\n\r\n", body.len);
	(void)buf_put(&all, body.data, body.len);
	(void)buf_puts(&all, script->tail != NULL ? script->tail : "");
	return buf_error(&all) == IOTPKI_OK && wire_write(wire, all.data, all.len);
}

/* ---- connections ---- */

static const struct fake_script *script_of(struct fake_node *node)
{
	pthread_mutex_lock(&node->lock);
	const struct fake_script *script = node->script;
	pthread_mutex_unlock(&node->lock);
	return script;
}

void fake_node_change(struct fake_node *node, const struct fake_script *script)
{
	pthread_mutex_lock(&node->lock);
	node->script = script;
	pthread_mutex_unlock(&node->lock);
}

static void reset_on_close(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void wait_for_client(const struct wire *wire)
{
	char bytes[256];
	while (wire_read(wire, bytes, sizeof(bytes)) > 0)
		continue;
}

static void end_answer(const struct wire *wire, const struct fake_script *script)
{
	if (script->end == FAKE_RESET)
		reset_on_close(wire->fd);
	if (script->end == FAKE_HANG)
		wait_for_client(wire);
	while (script->end == FAKE_ENDLESS && wire_write(wire, script->tail, strlen(script->tail)))
		continue;
	if (script->end == FAKE_CLOSE && wire->ssl != NULL)
		(void)SSL_shutdown(wire->ssl);
}

static void serve(struct fake_node *node, const struct wire *wire)
{
	AUTO_FREE char *request = malloc(REQUEST_MAX);
	while (request != NULL && read_request(wire, request)) {
		const struct fake_script *script = script_of(node);
		pthread_mutex_lock(&node->lock);
		node->requests++;
		memcpy(node->last, request, strlen(request) + 1);
		pthread_mutex_unlock(&node->lock);
		char byte;
		if (script->gate > 0)
			(void)!read(script->gate, &byte, 1);
		const bool sent = send_answer(wire, script, request);
		if (sent && script->end == FAKE_KEEP)
			continue;
		if (sent)
			end_answer(wire, script);
		return;
	}
}

static void serve_tls(struct fake_node *node, int fd)
{
	SSL *ssl = SSL_new(node->tls);
	const struct wire wire = { fd, ssl };
	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
		serve(node, &wire);
	SSL_free(ssl);
}

static void *run_connection(void *context)
{
	struct connection *connection = context;
	struct fake_node *node = connection->node;
	const struct wire plain = { connection->fd, NULL };
	const struct fake_script *script = script_of(node);
	const enum fake_start start = script->start;
	if (start == FAKE_RESET_AT_ONCE)
		reset_on_close(plain.fd);
	if (start == FAKE_TALK_FIRST)
		(void)wire_write(&plain, script->head, strlen(script->head));
	if (start == FAKE_SILENT || start == FAKE_TALK_FIRST)
		wait_for_client(&plain);
	else if (start == FAKE_SERVE && script->tls == FAKE_HTTP)
		serve(node, &plain);
	else if (start == FAKE_SERVE)
		serve_tls(node, plain.fd);
	pthread_mutex_lock(&node->lock);
	(void)close(connection->fd);
	connection->fd = -1;
	pthread_mutex_unlock(&node->lock);
	return NULL;
}

static void *run_listener(void *context)
{
	struct fake_node *node = context;
	for (;;) {
		int fd;
		do { /* a test may use up all descriptors for a moment */
			fd = accept4(node->listener, NULL, NULL, SOCK_CLOEXEC);
		} while (fd < 0 && errno == EMFILE && sched_yield() == 0);
		const int on = 1;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		pthread_mutex_lock(&node->lock);
		const bool stop =
			fd < 0 || node->stopping || node->connection_count >= CONNECTIONS_MAX;
		struct connection *connection = &node->connections[node->connection_count];
		if (!stop) {
			*connection = (struct connection){ .node = node, .fd = fd };
			if (pthread_create(&connection->thread, NULL, run_connection, connection) ==
			    0)
				node->connection_count++;
		}
		pthread_mutex_unlock(&node->lock);
		if (stop && fd >= 0)
			(void)close(fd);
		if (stop)
			return NULL;
	}
}

/* ---- TLS ---- */

static bool use_own_certificate(struct fake_node *node)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	bool good =
		key != NULL && cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
		ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -7200) != NULL &&
		X509_gmtime_adj(X509_getm_notAfter(cert), -3600) != NULL && /* expired: no matter */
		X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0;
	unsigned char *der = NULL;
	const int len = good ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
	good = len > 0 && sha256(der, (size_t)len, node->pin) == IOTPKI_OK &&
	       SSL_CTX_use_certificate(node->tls, cert) == 1 &&
	       SSL_CTX_use_PrivateKey(node->tls, key) == 1;
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
	return good;
}

static bool prepare_tls(struct fake_node *node)
{
	const enum fake_tls tls = node->script->tls;
	node->tls = SSL_CTX_new(TLS_server_method());
	if (node->tls == NULL)
		return false;
	if (tls != FAKE_TLS13 && SSL_CTX_set_max_proto_version(node->tls, TLS1_2_VERSION) != 1)
		return false;
	if (tls != FAKE_TLS12_ANONYMOUS)
		return use_own_certificate(node);
	SSL_CTX_set_security_level(node->tls, 0);
	return SSL_CTX_set_cipher_list(node->tls, "aNULL") == 1;
}

/* ---- life ---- */

static bool open_listener(struct fake_node *node)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	node->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (node->listener < 0 ||
	    bind(node->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(node->listener, 256) != 0 ||
	    getsockname(node->listener, (struct sockaddr *)&address, &len) != 0)
		return false;
	node->port = ntohs(address.sin_port);
	return pthread_create(&node->thread, NULL, run_listener, node) == 0;
}

struct fake_node *fake_node_start(const struct fake_script *script)
{
	struct fake_node *node = calloc(1, sizeof(*node));
	if (node == NULL)
		return NULL;
	node->script = script;
	(void)pthread_mutex_init(&node->lock, NULL);
	if (prepare_tls(node) && open_listener(node))
		return node;
	SSL_CTX_free(node->tls);
	free(node);
	return NULL;
}

void fake_node_stop(struct fake_node *node)
{
	if (node == NULL)
		return;
	pthread_mutex_lock(&node->lock);
	node->stopping = true;
	(void)shutdown(node->listener, SHUT_RDWR);
	for (size_t i = 0; i < node->connection_count; i++) {
		if (node->connections[i].fd >= 0)
			(void)shutdown(node->connections[i].fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&node->lock);
	(void)pthread_join(node->thread, NULL);
	for (size_t i = 0; i < node->connection_count; i++)
		(void)pthread_join(node->connections[i].thread, NULL);
	(void)close(node->listener);
	SSL_CTX_free(node->tls);
	(void)pthread_mutex_destroy(&node->lock);
	free(node);
}

void fake_node_config(const struct fake_node *node, const char *name, struct config_node *out)
{
	const bool tls = node->script->tls != FAKE_HTTP;
	*out = (struct config_node){ .type = CONFIG_NODE_IOTPKI,
				     .pin_count = tls ? 1 : 0,
				     .name_prefix = "iot:" };
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	(void)snprintf(out->url, sizeof(out->url), "%s://127.0.0.1:%u/", tls ? "https" : "http",
		       node->port);
	memcpy(out->pins[0], node->pin, sizeof(node->pin));
}

unsigned int fake_node_connections(struct fake_node *node)
{
	pthread_mutex_lock(&node->lock);
	const size_t count = node->connection_count;
	pthread_mutex_unlock(&node->lock);
	return (unsigned int)count;
}

unsigned int fake_node_requests(struct fake_node *node)
{
	pthread_mutex_lock(&node->lock);
	const unsigned int count = node->requests;
	pthread_mutex_unlock(&node->lock);
	return count;
}

void fake_node_last_request(struct fake_node *node, char *out, size_t size)
{
	pthread_mutex_lock(&node->lock);
	(void)snprintf(out, size, "%s", node->last);
	pthread_mutex_unlock(&node->lock);
}
