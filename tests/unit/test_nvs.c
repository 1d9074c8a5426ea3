/* The NVS client against nodes that answer, and against every kind that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nvskit.h"

/** Ask one node that plays this script. */
static void ask_script(const struct fake_script *script, int64_t timeout_ms,
		       struct iotpki_answer *answer_out)
{
	struct config config;
	struct fake_node *node = nvskit_node(script, &config, timeout_ms);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	*answer_out = answers[0];
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(node);
}

#define LINE_64 "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
#define LINES_256 LINE_64 LINE_64 LINE_64 LINE_64
#define LINES_1K LINES_256 LINES_256 LINES_256 LINES_256
#define LINES_5K LINES_1K LINES_1K LINES_1K LINES_1K LINES_1K
#define CHUNKED \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

static void answers_of_one_node(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct fake_script script;
		bool ends_by_time; /* the node never finishes: the timeout must be reached */
		enum iotpki_outcome want;
	} rows[] = {
		{ "registered", { 0 }, false, IOTPKI_OUTCOME_REGISTERED },
		{ "registered, plain HTTP",
		  { .tls = FAKE_HTTP },
		  false,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "revoked", { .body = FAKE_REVOKED }, false, IOTPKI_OUTCOME_REVOKED },
		{ "unknown name", { .body = FAKE_UNKNOWN }, false, IOTPKI_OUTCOME_UNREGISTERED },
		{ "unknown name, 500",
		  { .head = FAKE_HEAD("500 Error"), .body = FAKE_UNKNOWN },
		  false,
		  IOTPKI_OUTCOME_UNREGISTERED },
		{ "chunked",
		  { .head = CHUNKED,
		    .raw = true,
		    .body = "4b\r\n{\"id\":\"@ID@\","
			    "\"error\":{\"code\":-28,\"message\":\"\"}}\r\n0\r\n\r\n" },
		  false,
		  IOTPKI_OUTCOME_NOT_READY },
		{ "wrong id",
		  { .body = "{\"id\":\"00\",\"error\":{\"code\":-28,\"message\":\"\"}}" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "not ready",
		  { .body = "{\"id\":\"@ID@\",\"error\":{\"code\":-28,\"message\":\"\"}}" },
		  false,
		  IOTPKI_OUTCOME_NOT_READY },
		{ "half answer",
		  { .head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			    "Content-Length: 5000\r\n\r\n",
		    .raw = true,
		    .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "half answer, then reset",
		  { .head = "HTTP/1.1 200 OK\r\nContent-Type: application/json"
			    "\r\nContent-Length: 5000\r\n\r\n",
		    .raw = true,
		    .end = FAKE_RESET,
		    .tls = FAKE_HTTP },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "half answer, then silence",
		  { .head = "HTTP/1.1 200 OK\r\nContent-Type: application/json"
			    "\r\nContent-Length: 5000\r\n\r\n",
		    .raw = true,
		    .end = FAKE_HANG },
		  true,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "no answer",
		  { .head = "", .raw = true, .body = "", .end = FAKE_HANG },
		  true,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "closed without an answer",
		  { .head = "", .raw = true, .body = "", .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "closed without an answer, plain",
		  { .head = "", .raw = true, .body = "", .end = FAKE_CLOSE, .tls = FAKE_HTTP },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "reset without an answer",
		  { .head = "", .raw = true, .body = "", .end = FAKE_RESET },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "closed at once",
		  { .start = FAKE_CLOSE_AT_ONCE },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "reset at once",
		  { .start = FAKE_RESET_AT_ONCE },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "silent before TLS", { .start = FAKE_SILENT }, true, IOTPKI_OUTCOME_UNREACHABLE },
		{ "H10 plain HTTP on a TLS port",
		  { .start = FAKE_TALK_FIRST, .head = "HTTP/1.1 400 Bad Request\r\n\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H10 TLS 1.2", { .tls = FAKE_TLS12 }, false, IOTPKI_OUTCOME_MALFORMED },
		{ "H10 no certificate",
		  { .tls = FAKE_TLS12_ANONYMOUS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H01 redirect to http",
		  { .head = "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H01 redirect to a file",
		  { .head = "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H01 redirect to itself",
		  { .head = "HTTP/1.1 307 Again\r\nLocation: /\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H02 gzip",
		  { .head = FAKE_OK "Content-Encoding: gzip\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H02 deflate, br",
		  { .head = FAKE_OK "content-encoding:deflate, br\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H02 transfer encoding gzip",
		  { .head = FAKE_OK "Transfer-Encoding: gzip\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "identity is no encoding",
		  { .head = FAKE_OK "Content-Encoding: identity\r\n" },
		  false,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "H03 chunks never end",
		  { .head = CHUNKED,
		    .raw = true,
		    .body = "",
		    .tail = "1\r\n \r\n",
		    .end = FAKE_ENDLESS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H03 chunk without a size",
		  { .head = CHUNKED, .raw = true, .body = "zz\r\n", .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H03 chunk size overflows",
		  { .head = CHUNKED,
		    .raw = true,
		    .body = "fffffffffffffffffff\r\n",
		    .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H04 two lengths",
		  { .head = FAKE_OK "Content-Length: 10\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H04 length and chunks",
		  { .head = FAKE_OK "Transfer-Encoding: chunked\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H04 negative length",
		  { .head = FAKE_OK "Content-Length: -1\r\n\r\n", .raw = true, .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H04 length too small",
		  { .head = FAKE_OK "Content-Length: 10\r\n\r\n", .raw = true },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H05 endless header",
		  { .head = "HTTP/1.1 200 OK\r\n",
		    .raw = true,
		    .body = "",
		    .tail = LINE_64,
		    .end = FAKE_ENDLESS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H05 endless header line",
		  { .head = "HTTP/1.1 200 OK\r\nX: ",
		    .raw = true,
		    .body = "",
		    .tail = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    .end = FAKE_ENDLESS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H05 header of 15 KiB",
		  { .head = FAKE_OK LINES_5K LINES_5K LINES_5K },
		  false,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "H05 header of 17 KiB",
		  { .head = FAKE_OK LINES_5K LINES_5K LINES_5K LINES_1K LINES_1K },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H05 folded header",
		  { .head = FAKE_OK "X: a\r\n b\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H06 1xx without end",
		  { .head = "",
		    .raw = true,
		    .body = "",
		    .tail = "HTTP/1.1 100 Continue\r\n\r\n",
		    .end = FAKE_ENDLESS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H06 one 100 first",
		  { .head = "HTTP/1.1 100 Continue\r\n\r\n" FAKE_OK },
		  false,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "H06 204",
		  { .head = "HTTP/1.1 204 No Content\r\n\r\n", .raw = true, .body = "" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "endless body",
		  { .head = FAKE_OK "\r\n",
		    .raw = true,
		    .body = "",
		    .tail = "                                                                ",
		    .end = FAKE_ENDLESS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "body of 1 MiB announced",
		  { .head = FAKE_OK "Content-Length: 1048576\r\n\r\n",
		    .raw = true,
		    .body = "",
		    .tail = " ",
		    .end = FAKE_ENDLESS },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H07 401",
		  { .head = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_UNAUTHORIZED },
		{ "H07 403",
		  { .head = "HTTP/1.1 403 No\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_UNAUTHORIZED },
		{ "H07 404",
		  { .head = "HTTP/1.1 404 No\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H07 500 without JSON",
		  { .head = "HTTP/1.1 500 No\r\nContent-Type: text/html\r\n", .body = "<html>" },
		  false,
		  IOTPKI_OUTCOME_UNREACHABLE },
		{ "H07 503",
		  { .head = "HTTP/1.1 503 No\r\n", .body = "" },
		  false,
		  IOTPKI_OUTCOME_NOT_READY },
		{ "H08 wrong type",
		  { .head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H08 no type",
		  { .head = "HTTP/1.1 200 OK\r\n" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H09 HTTP/0.9",
		  { .head = "", .raw = true, .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "H09 upgrade",
		  { .head = "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade"
			    "\r\n\r\n",
		    .raw = true,
		    .body = "",
		    .end = FAKE_CLOSE },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "J16 HTML",
		  { .head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", .body = "<html>" },
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct iotpki_answer answer = { 0 };
		ask_script(&rows[i].script,
			   rows[i].ends_by_time ? NVSKIT_SHORT_MS : NVSKIT_PATIENT_MS, &answer);
		if (answer.outcome != rows[i].want)
			fail_msg("row %zu: %s: %s", i, rows[i].name,
				 iotpki_outcome_name(answer.outcome));
	}
}

static void pins(void **state)
{
	(void)state;
	static const struct fake_script script = { 0 };
	struct fake_node *node = fake_node_start(&script);
	assert_non_null(node);
	static const struct {
		const char *name;
		size_t count;
		size_t right; /* which of the pins is the node's; count: none */
		enum iotpki_outcome want;
	} rows[] = {
		{ "the one", 1, 0, IOTPKI_OUTCOME_REGISTERED },
		{ "another one", 1, 1, IOTPKI_OUTCOME_MALFORMED },
		{ "none at all", 0, 0, IOTPKI_OUTCOME_MALFORMED },
		{ "last of four", 4, 3, IOTPKI_OUTCOME_REGISTERED },
		{ "none of four", 4, 4, IOTPKI_OUTCOME_MALFORMED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config config;
		nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
		config.node_count = 1;
		fake_node_config(node, "home", &config.nodes[0]);
		uint8_t right[IOTPKI_SHA256_LEN];
		memcpy(right, config.nodes[0].pins[0], sizeof(right));
		memset(config.nodes[0].pins, 0x55, sizeof(config.nodes[0].pins));
		config.nodes[0].pin_count = rows[i].count;
		if (rows[i].right < rows[i].count)
			memcpy(config.nodes[0].pins[rows[i].right], right, sizeof(right));
		CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
		const unsigned int before = fake_node_requests(node);
		struct iotpki_answer answers[IOTPKI_NODES_MAX];
		assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
		if (answers[0].outcome != rows[i].want)
			fail_msg("%s: %s", rows[i].name, iotpki_outcome_name(answers[0].outcome));
		/* Not a byte of a question goes to a node that is not the pinned one. */
		const unsigned int sent = rows[i].want == IOTPKI_OUTCOME_REGISTERED ? 1 : 0;
		if (fake_node_requests(node) - before != sent)
			fail_msg("%s: requests", rows[i].name);
	}
	fake_node_stop(node);
}

static void answer_in_full(void **state)
{
	(void)state;
	static const struct fake_script script = { 0 };
	struct iotpki_answer answer;
	ask_script(&script, NVSKIT_PATIENT_MS, &answer);
	assert_int_equal(answer.outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(answer.record.sha256[0], 0x11);
	assert_int_equal(answer.registration[31], 0x22);
	assert_int_equal(answer.ends_s, INT64_C(4102444800));
	assert_true(answer.tip_s >= answer.asked_s);
	assert_true(answer.asked_s >= CLOCK_BUILD_TIME_S - 86400);
	assert_int_equal(answer.max_tip_age_s, 3600);
}

/** A warm connection makes a question one round trip: it must be kept. */
static void one_connection_for_many_questions(void **state)
{
	(void)state;
	enum { ASKS = 1000 };
	static const struct fake_script script = { 0 };
	struct config config;
	struct fake_node *node = nvskit_node(&script, &config, NVSKIT_PATIENT_MS);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	for (unsigned int i = 0; i < ASKS; i++) {
		struct iotpki_answer answers[IOTPKI_NODES_MAX];
		assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
		assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_REGISTERED);
	}
	assert_int_equal(fake_node_requests(node), ASKS);
	assert_int_equal(fake_node_connections(node), 1);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(node);
}

/** A node that closed a kept connection meanwhile is asked again over a new one. */
static void node_closes_between_questions(void **state)
{
	(void)state;
	static const struct fake_script script = { .end = FAKE_CLOSE };
	struct config config;
	struct fake_node *node = nvskit_node(&script, &config, NVSKIT_PATIENT_MS);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	for (unsigned int i = 0; i < 20; i++) {
		struct iotpki_answer answers[IOTPKI_NODES_MAX];
		assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
		assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_REGISTERED);
	}
	assert_int_equal(fake_node_connections(node), 20);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(node);
}

/* ---- what must not reach in ---- */

static char key_log[] = "/tmp/iotpki-keys-XXXXXX"; /* set as SSLKEYLOGFILE before anything else */

static void environment_is_ignored(void **state)
{
	(void)state;
	char home[] = "/tmp/iotpki-nvs-XXXXXX", path[64];
	assert_non_null(mkdtemp(home));
	(void)snprintf(path, sizeof(path), "%s/.netrc", home);
	FILE *netrc = fopen(path, "w");
	assert_non_null(netrc);
	assert_true(fputs("machine 127.0.0.1 login mallory password secret\n", netrc) >= 0);
	assert_int_equal(fclose(netrc), 0);
	assert_int_equal(setenv("HOME", home, 1), 0);
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
					       "all_proxy", "ALL_PROXY" };
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
		assert_int_equal(setenv(proxies[i], "http://127.0.0.1:1/", 1), 0);

	static const struct fake_script scripts[] = { { .tls = FAKE_HTTP }, { .tls = FAKE_TLS13 } };
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct config config;
		struct fake_node *node = nvskit_node(&scripts[i], &config, NVSKIT_PATIENT_MS);
		struct nvs *nvs = nvskit_new(&config);
		struct iotpki_answer answers[IOTPKI_NODES_MAX];
		assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
		assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_REGISTERED);
		char request[4096];
		fake_node_last_request(node, request, sizeof(request));
		static const char *const unwanted[] = { "Authorization",   "Cookie",
							"Accept-Encoding", "Expect",
							"Upgrade",         "Proxy",
							"mallory" };
		for (size_t j = 0; j < ARRAY_LEN(unwanted); j++) {
			if (strstr(request, unwanted[j]) != NULL)
				fail_msg("sent: %s", unwanted[j]);
		}
		nvs_free(nvs);
		fake_node_stop(node);
	}
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
		assert_int_equal(unsetenv(proxies[i]), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(home), 0);
	/* libcurl opens this file when it starts; no secret may get into it. */
	struct stat status;
	assert_true(stat(key_log, &status) != 0 || status.st_size == 0);
}

/** Through the resolver, and past the addresses of a name where nobody listens. */
static void node_by_name(void **state)
{
	(void)state;
	static const struct fake_script script = { 0 };
	struct config config;
	struct fake_node *node = nvskit_node(&script, &config, NVSKIT_PATIENT_MS);
	const char *port = strrchr(config.nodes[0].url, ':');
	assert_non_null(port);
	char url[64];
	(void)snprintf(url, sizeof(url), "https://localhost%.16s", port);
	(void)snprintf(config.nodes[0].url, sizeof(config.nodes[0].url), "%s", url);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_REGISTERED);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(node);
}

/** Not a packet leaves this machine to a node without a pin. */
static void no_pin_beyond_this_machine(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://192.0.2.1:1/", "http://[2001:db8::1]:1/",
					    "https://192.0.2.1:1/" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct config config;
		nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
		config.node_count = 1;
		(void)snprintf(config.nodes[0].url, sizeof(config.nodes[0].url), "%s", urls[i]);
		CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
		struct iotpki_answer answers[IOTPKI_NODES_MAX];
		assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
		if (answers[0].outcome != IOTPKI_OUTCOME_MALFORMED)
			fail_msg("%s: %s", urls[i], iotpki_outcome_name(answers[0].outcome));
	}
}

/** Descriptors that are used up here are no excuse: soft-fail must not feed on them. */
static void no_descriptor_left(void **state)
{
	(void)state;
	static const struct fake_script script = { .tls = FAKE_HTTP };
	struct config config;
	struct fake_node *node = nvskit_node(&script, &config, NVSKIT_PATIENT_MS);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	const int next = dup(STDERR_FILENO);
	assert_true(next >= 0);
	(void)close(next);
	const struct rlimit none = { (rlim_t)next, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	const enum iotpki_err err = nvs_ask_wait(nvs, NVSKIT_NAME, answers);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(err, IOTPKI_OK);
	assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_MALFORMED);

	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_REGISTERED);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(node);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* the fake node's TLS writes to clients that left */
	const int key_log_fd = mkstemp(key_log);
	if (key_log_fd < 0 || close(key_log_fd) != 0 || setenv("SSLKEYLOGFILE", key_log, 1) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_one_node),
		cmocka_unit_test(pins),
		cmocka_unit_test(answer_in_full),
		cmocka_unit_test(one_connection_for_many_questions),
		cmocka_unit_test(node_closes_between_questions),
		cmocka_unit_test(environment_is_ignored),
		cmocka_unit_test(node_by_name),
		cmocka_unit_test(no_pin_beyond_this_machine),
		cmocka_unit_test(no_descriptor_left),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(key_log);
	return failed;
}
