/* The B-node's listeners, its TLS key, and HTTP around a ledger of plain arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "bnode/listener.h"
#include "bnode/server.h"
#include "bnode/tlsserve.h"
#include "bnode/verbs.h"
#include "fake_ledger.h"

static void listeners(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		enum iotpki_err want;
		bool tls, ipv6;
		const char *host;
		unsigned int port;
	} rows[] = {
		{ "https://192.0.2.7:7443/", IOTPKI_OK, true, false, "192.0.2.7", 7443 },
		{ "https://192.0.2.7", IOTPKI_OK, true, false, "192.0.2.7", 7443 },
		{ "https://0.0.0.0:0/", IOTPKI_OK, true, false, "0.0.0.0", 0 },
		{ "https://[2001:db8::7]:8443/", IOTPKI_OK, true, true, "2001:db8::7", 8443 },
		{ "https://[::]", IOTPKI_OK, true, true, "::", 7443 },
		{ "http://127.0.0.1:80", IOTPKI_OK, false, false, "127.0.0.1", 80 },
		{ "http://127.9.9.9:80", IOTPKI_OK, false, false, "127.9.9.9", 80 },
		{ "http://[::1]:80/", IOTPKI_OK, false, true, "::1", 80 },
		{ "http://localhost:1/", IOTPKI_OK, false, false, "127.0.0.1", 1 },
		{ "http://192.0.2.7:80/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "http://0.0.0.0:80/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "http://[::]:80/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "http://[::ffff:127.0.0.1]:80/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://node.lan:7443/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://127.1:7443/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://127.0.0.1:65536/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://127.0.0.1:/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://127.0.0.1:+1/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://127.0.0.1:1/rpc", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://127.0.0.1:1/?", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://:1/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://[::1:1/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "https://user@127.0.0.1/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "ftp://127.0.0.1/", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "127.0.0.1:7443", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
		{ "", IOTPKI_ERR_SYNTAX, false, false, "", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server_listener listener = { 0 };
		struct iotpki_detail detail = { 0 };
		if (server_listener_parse(rows[i].url, &listener, &detail) != rows[i].want)
			fail_msg("%s: %s", rows[i].url, detail.message);
		if (listener.tls != rows[i].tls || listener.ipv6 != rows[i].ipv6 ||
		    listener.port != rows[i].port || strcmp(listener.host, rows[i].host) != 0)
			fail_msg("%s: host %s port %u", rows[i].url, listener.host, listener.port);
		if ((rows[i].want == IOTPKI_OK) != (detail.message[0] == '\0'))
			fail_msg("%s: no reason said", rows[i].url);
	}
}

static void port_in_use(void **state)
{
	(void)state;
	struct server_listener listener = { 0 };
	assert_int_equal(server_listener_parse("http://127.0.0.1:0/", &listener, NULL), IOTPKI_OK);
	int first = -1, second = -1;
	uint16_t port = 0;
	assert_int_equal(listener_bind(&listener, &first, &port, NULL), IOTPKI_OK);
	assert_int_not_equal(port, 0);
	listener.port = port;
	struct iotpki_detail detail = { 0 };
	assert_int_equal(listener_bind(&listener, &second, &port, &detail), IOTPKI_ERR_UNAVAILABLE);
	assert_non_null(strstr(detail.message, "in use"));
	(void)close(first);
}

/* ---- the TLS key ---- */

static int folder_new(void **state)
{
	static char path[32];
	(void)snprintf(path, sizeof(path), "/tmp/iotpki-server.XXXXXX");
	*state = mkdtemp(path);
	return *state != NULL ? 0 : -1;
}

static int folder_end(void **state)
{
	static const char *const names[] = { "tls.key", "tls.crt" };
	char path[VERB_PATH_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (verb_path(*state, names[i], path, NULL) == IOTPKI_OK)
			(void)unlink(path);
	}
	return rmdir(*state);
}

static void path_in(const char *dir, const char *name, char out[static VERB_PATH_SIZE])
{
	assert_int_equal(verb_path(dir, name, out, NULL), IOTPKI_OK);
}

static void key_made_and_read(void **state)
{
	const char *dir = *state;
	char key_path[VERB_PATH_SIZE], pin[TLSKEY_PIN_SIZE];
	struct iotpki_detail detail = { 0 };
	assert_int_equal(tlskey_create(dir, &detail), IOTPKI_OK);
	struct stat status;
	path_in(dir, "tls.key", key_path);
	assert_int_equal(stat(key_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);

	struct tlskey key;
	assert_int_equal(tlskey_load(dir, &key, &detail), IOTPKI_OK);
	assert_int_equal(tlskey_pin(dir, pin, &detail), IOTPKI_OK);
	assert_string_equal(key.pin, pin);
	assert_int_equal(strlen(pin), TLSKEY_PIN_SIZE - 1);
	assert_int_equal(strncmp(pin, "sha256//", 8), 0);
	assert_non_null(strstr(buf_text(&key.key_pem), "BEGIN PRIVATE KEY"));
	assert_non_null(strstr(buf_text(&key.cert_pem), "BEGIN CERTIFICATE"));
	tlskey_done(&key);
	assert_int_equal(tlskey_create(dir, &detail), IOTPKI_ERR_EXISTS);

	assert_int_equal(chmod(key_path, 0640), 0);
	assert_int_equal(tlskey_load(dir, &key, &detail), IOTPKI_ERR_PERMISSION);
	assert_null(key.key_pem.data);
}

static void key_of_another(void **state)
{
	const char *dir = *state;
	char path[VERB_PATH_SIZE];
	struct iotpki_detail detail = { 0 };
	assert_int_equal(tlskey_load(dir, &(struct tlskey){ 0 }, &detail), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(tlskey_create(dir, &detail), IOTPKI_OK);
	CLEANUP(buf_done) struct buf old = BUF_INIT(16384);
	path_in(dir, "tls.key", path);
	assert_int_equal(fs_read(path, NULL, &old, &detail), IOTPKI_OK);
	assert_int_equal(unlink(path), 0);
	char cert[VERB_PATH_SIZE];
	path_in(dir, "tls.crt", cert);
	assert_int_equal(unlink(cert), 0);
	assert_int_equal(tlskey_create(dir, &detail), IOTPKI_OK);
	assert_int_equal(fs_write(path, old.data, old.len, 0600, false, &detail), IOTPKI_OK);
	struct tlskey key;
	assert_int_equal(tlskey_load(dir, &key, &detail), IOTPKI_ERR_MISMATCH);
	assert_int_equal(fs_write(cert, "nothing", 7, 0644, false, &detail), IOTPKI_OK);
	assert_int_equal(tlskey_load(dir, &key, &detail), IOTPKI_ERR_SYNTAX);
	char pin[TLSKEY_PIN_SIZE];
	assert_int_equal(tlskey_pin(dir, pin, &detail), IOTPKI_ERR_SYNTAX);
}

/* Who has taken a key keeps it when another comes; what is no key changes nothing. */
static void key_replaced(void **state)
{
	const char *dir = *state;
	struct iotpki_detail detail = { 0 };
	struct tlskey key;
	assert_int_equal(tlskey_create(dir, &detail), IOTPKI_OK);
	assert_int_equal(tlskey_load(dir, &key, &detail), IOTPKI_OK);
	CLEANUP(tlsserve_freep) struct tlsserve *tls = NULL;
	assert_int_equal(tlsserve_new(&key, &tls, &detail), IOTPKI_OK);
	struct tlsserve_key *first = tlsserve_take(tls), *same = tlsserve_take(tls);
	assert_ptr_equal(first, same);
	tlsserve_give(same);
	assert_int_equal(tlsserve_replace(tls, &key, &detail), IOTPKI_OK);
	struct tlsserve_key *second = tlsserve_take(tls);
	assert_ptr_not_equal(first, second);
	key.cert_pem.len /= 2;
	assert_int_equal(tlsserve_replace(tls, &key, &detail), IOTPKI_ERR_CRYPTO);
	assert_non_null(strstr(detail.message, "GnuTLS"));
	struct tlsserve *none = NULL;
	assert_int_equal(tlsserve_new(&key, &none, &detail), IOTPKI_ERR_CRYPTO);
	assert_null(none);
	struct tlsserve_key *still = tlsserve_take(tls);
	assert_ptr_equal(second, still);
	tlsserve_give(still);
	tlsserve_give(second);
	tlsserve_give(first);
	tlskey_done(&key);
}

/* ---- HTTP ---- */

struct world {
	struct clock_fake clock;
	struct ledger ledger;
	struct fake_name name;
	struct backend *backend;
	struct server *server;
	uint16_t port;
};

static int world_start(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	clock_fake_init(&world->clock, 1800000000);
	(void)snprintf(world->name.name.name, sizeof(world->name.name.name), "iot:a");
	(void)snprintf(world->name.name.value, sizeof(world->name.name.value), "sha256=00");
	world->name.name.expires_s = 1900000000;
	world->ledger.names = &world->name;
	world->ledger.count = 1;
	struct server_options options = SERVER_OPTIONS_INIT;
	options.listener_count = 1;
	assert_int_equal(server_listener_parse("http://127.0.0.1:0/", &options.listeners[0], NULL),
			 IOTPKI_OK);
	struct iotpki_detail detail = { 0 };
	assert_int_equal(backend_ledger_new(&world->ledger, &world->clock.clock, &world->backend),
			 IOTPKI_OK);
	if (server_start(&options, world->backend, &world->clock.clock, NULL, &world->server,
			 &detail) != IOTPKI_OK)
		fail_msg("%s", detail.message);
	char url[SERVER_URL_SIZE];
	server_url(world->server, 0, url);
	assert_int_equal(strncmp(url, "http://127.0.0.1:", 17), 0);
	world->port = (uint16_t)strtoul(url + 17, NULL, 10);
	*state = world;
	return 0;
}

static int world_end(void **state)
{
	struct world *world = *state;
	server_freep(&world->server);
	assert_null(world->server);
	backend_freep(&world->backend);
	assert_null(world->backend);
	free(world);
	return 0;
}

static int dial_from(const struct world *world, in_addr_t source)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(world->port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(source) };
	const struct timeval most = { .tv_sec = 20 };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int dial(const struct world *world)
{
	return dial_from(world, INADDR_LOOPBACK);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All until the node closes, or until this text has been seen. */
static void hear(int fd, const char *until, struct buf *heard)
{
	char bytes[4096];
	while (until == NULL || strstr(buf_text(heard), until) == NULL) {
		const ssize_t len = recv(fd, bytes, sizeof(bytes), 0);
		if (len <= 0)
			break;
		assert_int_equal(buf_put(heard, bytes, (size_t)len), IOTPKI_OK);
	}
}

static void post(int fd, const char *headers, const char *body)
{
	char text[4096];
	(void)snprintf(text, sizeof(text),
		       "POST / HTTP/1.1\r\nHost: n\r\n%sContent-Length: %zu\r\n\r\n%s", headers,
		       strlen(body), body);
	say(fd, text);
}

static void requests(void **state)
{
	static const struct {
		const char *name, *headers, *body, *status, *text;
	} rows[] = {
		{ "known", "", "{\"id\":1,\"method\":\"name_show\",\"params\":[\"iot:a\"]}",
		  "HTTP/1.1 200 ", "\"name\":\"iot:a\"" },
		{ "unknown", "", "{\"id\":1,\"method\":\"name_show\",\"params\":[\"iot:b\"]}",
		  "HTTP/1.1 500 ", "failed to read from name DB" },
		{ "submitted", "", "{\"id\":1,\"method\":\"name_submit\",\"params\":[\"ZGVy\"]}",
		  "HTTP/1.1 200 ", "\"error\":null,\"id\":1}" },
		{ "method", "", "{\"id\":1,\"method\":\"x\"}", "HTTP/1.1 404 ", "-32601" },
		{ "origin", "Origin: null\r\n", "{}", "HTTP/1.1 403 ", "web pages" },
		{ "two lengths", "Content-Length: 9\r\n", "{}", "HTTP/1.1 400 ", "" },
		{ "a space before the colon", "Content-Length : 2\r\n", "{}", "HTTP/1.1 400 ",
		  "Bad request" },
		{ "a tab before the colon", "Transfer-Encoding\t: chunked\r\n", "{}",
		  "HTTP/1.1 400 ", "Bad request" },
		{ "too long", "Content-Length: 99999999\r\n", "", "HTTP/1.1 400 ", "" },
	};
	struct world *world = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf heard = BUF_INIT(65536);
		const int fd = dial(world);
		char headers[128];
		(void)snprintf(headers, sizeof(headers), "Connection: close\r\n%s",
			       rows[i].headers);
		post(fd, headers, rows[i].body);
		hear(fd, NULL, &heard);
		(void)close(fd);
		if (strncmp(buf_text(&heard), rows[i].status, strlen(rows[i].status)) != 0 ||
		    strstr(buf_text(&heard), rows[i].text) == NULL)
			fail_msg("%s: %s", rows[i].name, buf_text(&heard));
	}
	assert_int_equal(world->ledger.submitted, 1);
}

/* Bytes that trickle in do not keep a connection: the clock is the node's, from request to request. */
static void slow_request_is_cut(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_done) struct buf heard = BUF_INIT(65536);
	const int idle = dial(world), slow = dial(world);
	/* One whole request first: then the node has surely taken the connection by its clock. */
	post(slow, "", "{\"id\":0,\"method\":\"getblockchaininfo\"}");
	hear(slow, "\"id\":0}", &heard);
	say(slow, "POST / HTTP/1.1\r\nHost: n\r\nContent-Length: 100\r\n\r\n{");
	post(idle, "", "{\"id\":1,\"method\":\"getblockchaininfo\"}");
	hear(idle, "\"id\":1}", &heard);
	assert_non_null(strstr(buf_text(&heard), "200 OK"));

	clock_fake_advance(&world->clock, 29 * 1000);
	(void)server_sweep(world->server);
	post(idle, "", "{\"id\":2,\"method\":\"getblockchaininfo\"}");
	hear(idle, "\"id\":2}", &heard);
	assert_non_null(strstr(buf_text(&heard), "\"id\":2}"));
	say(slow, " ");

	clock_fake_advance(&world->clock, 2 * 1000);
	(void)server_sweep(world->server);
	char byte;
	assert_true(recv(slow, &byte, 1, 0) <= 0);
	post(idle, "", "{\"id\":3,\"method\":\"getblockchaininfo\"}");
	hear(idle, "\"id\":3}", &heard);
	assert_non_null(strstr(buf_text(&heard), "\"id\":3}"));
	(void)close(idle);
	(void)close(slow);
}

static void stops_with_connections_open(void **state)
{
	struct world *world = *state;
	const int idle = dial(world), half = dial(world);
	say(half, "POST / HT");
	CLEANUP(buf_done) struct buf heard = BUF_INIT(65536);
	post(idle, "", "{\"id\":1,\"method\":\"getblockchaininfo\"}");
	hear(idle, "\"id\":1}", &heard);
	server_stop(world->server);
	char byte;
	assert_true(recv(half, &byte, 1, 0) <= 0);
	assert_true(recv(idle, &byte, 1, 0) <= 0);
	(void)close(idle);
	(void)close(half);
}

enum { SUBMITS = 64, CROWD = CLIENTS_TRANSACTIONS_MAX / 2 / SUBMITS + 1 };

static void post_submits(int fd)
{
	CLEANUP(buf_done) struct buf body = BUF_INIT(65536), request = BUF_INIT(65536);
	for (int i = 0; i < SUBMITS; i++)
		(void)buf_printf(&body,
				 "%c{\"id\":%d,\"method\":\"name_submit\",\"params\":[\"ZGVy\"]}",
				 i == 0 ? '[' : ',', i);
	(void)buf_printf(&request, "POST / HTTP/1.1\r\nHost: n\r\nContent-Length: %zu\r\n\r\n%s]",
			 body.len + 1, buf_text(&body));
	assert_int_equal(buf_error(&request), IOTPKI_OK);
	say(fd, buf_text(&request));
}

/* Whoever fills what may wait for the disk fills his own half: others can still revoke. */
static void one_address_fills_half_of_the_queue(void **state)
{
	struct world *world = *state;
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct pollfd crowd[CROWD];
	CLEANUP(buf_done) struct buf heard = BUF_INIT(65536), refused = BUF_INIT(65536);
	pthread_mutex_lock(&gate);
	world->ledger.gate = &gate;
	for (size_t i = 0; i < CROWD; i++) {
		crowd[i] = (struct pollfd){ .fd = dial(world), .events = POLLIN };
		post_submits(crowd[i].fd);
	}
	const int answered = poll(crowd, CROWD, 20000);
	const int other = dial_from(world, INADDR_LOOPBACK + 1);
	post(other, "", "{\"id\":7,\"method\":\"name_submit\",\"params\":[\"ZGVy\"]}");
	pthread_mutex_unlock(&gate);
	assert_int_equal(answered, 1);
	for (size_t i = 0; i < CROWD; i++) {
		if (crowd[i].revents != 0)
			hear(crowd[i].fd, "too busy", &refused);
	}
	assert_non_null(strstr(buf_text(&refused), "HTTP/1.1 503 "));
	hear(other, "\"id\":7}", &heard);
	assert_non_null(strstr(buf_text(&heard), "HTTP/1.1 200 "));
	(void)close(other);
	for (size_t i = 0; i < CROWD; i++)
		(void)close(crowd[i].fd);
	server_freep(&world->server);
	assert_int_equal(world->ledger.submitted, (CROWD - 1) * SUBMITS + 1);
}

/* /health says whether the last write went well; the text of what was counted stands in test_metrics.c. */
static void health_after_writes(void **state)
{
	struct world *world = *state;
	static const struct {
		enum iotpki_err submit_err;
		bool broken;
		const char *status, *text;
	} rows[] = {
		{ IOTPKI_OK, false, "HTTP/1.1 200 ", "{\"status\":\"ok\"}\n" },
		{ IOTPKI_ERR_IO, false, "HTTP/1.1 503 ", "{\"status\":\"failing\"}\n" },
		{ IOTPKI_OK, false, "HTTP/1.1 200 ", "{\"status\":\"ok\"}\n" },
		{ IOTPKI_OK, true, "HTTP/1.1 503 ", "{\"status\":\"failing\"}\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf heard = BUF_INIT(65536), health = BUF_INIT(65536);
		const int fd = dial(world);
		world->ledger.submit_err = rows[i].submit_err;
		world->ledger.broken = rows[i].broken;
		post(fd, "", "{\"id\":7,\"method\":\"name_submit\",\"params\":[\"ZGVy\"]}");
		hear(fd, "\"id\":7}", &heard);
		say(fd, "GET /health HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n");
		hear(fd, NULL, &health);
		(void)close(fd);
		const char *answer = strstr(buf_text(&health), "HTTP/1.1 ");
		if (answer == NULL || strstr(answer, rows[i].text) == NULL ||
		    strncmp(answer, rows[i].status, strlen(rows[i].status)) != 0)
			fail_msg("row %zu: %s", i, buf_text(&health));
	}
}

/* ---- what the verbs share ---- */

static void exit_codes(void **state)
{
	(void)state;
	static const struct {
		enum iotpki_err err;
		int want;
	} rows[] = {
		{ IOTPKI_OK, 0 },
		{ IOTPKI_ERR_ARGUMENT, 2 },
		{ IOTPKI_ERR_NOT_FOUND, 3 },
		{ IOTPKI_ERR_EXISTS, 3 },
		{ IOTPKI_ERR_PERMISSION, 4 },
		{ IOTPKI_ERR_UNAVAILABLE, 5 },
		{ IOTPKI_ERR_NOMEM, 10 },
		{ IOTPKI_ERR_CRYPTO, 10 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (verb_exit_code(rows[i].err) != rows[i].want)
			fail_msg("%s", iotpki_strerror(rows[i].err));
	}
	assert_int_equal(verb_failed("test", IOTPKI_ERR_PERMISSION, NULL), VERB_PERMISSION);
	assert_int_equal(verb_usage("test", "row %d", 1), VERB_USAGE);
	char path[VERB_PATH_SIZE];
	assert_int_equal(verb_path("/a", "b", path, NULL), IOTPKI_OK);
	assert_string_equal(path, "/a/b");
	AUTO_FREE char *longest = malloc(VERB_PATH_SIZE);
	assert_non_null(longest);
	memset(longest, 'a', VERB_PATH_SIZE - 1);
	longest[VERB_PATH_SIZE - 1] = '\0';
	assert_int_equal(verb_path(longest, "b", path, NULL), IOTPKI_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners),
		cmocka_unit_test(port_in_use),
		cmocka_unit_test_setup_teardown(key_made_and_read, folder_new, folder_end),
		cmocka_unit_test_setup_teardown(key_of_another, folder_new, folder_end),
		cmocka_unit_test_setup_teardown(key_replaced, folder_new, folder_end),
		cmocka_unit_test_setup_teardown(requests, world_start, world_end),
		cmocka_unit_test_setup_teardown(slow_request_is_cut, world_start, world_end),
		cmocka_unit_test_setup_teardown(one_address_fills_half_of_the_queue, world_start,
						world_end),
		cmocka_unit_test_setup_teardown(health_after_writes, world_start, world_end),
		cmocka_unit_test_setup_teardown(stops_with_connections_open, world_start,
						world_end),
		cmocka_unit_test(exit_codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
