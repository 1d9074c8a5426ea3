/* Credentials on their way to a chain node: sent to it alone, renewed, and never when unsafe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "namekit.h"
#include "nvskit.h"

#define VALUE "sha256=" FAKE_HASH

struct rig {
	char folder[32], cookie[64];
	struct chain_node *node;
	struct config config;
	struct nvs *nvs;
};

/** A node with a cookie file, and a name. */
static void open_rig(struct rig *rig)
{
	*rig = (struct rig){ .folder = "/tmp/iotpki-login-XXXXXX" };
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->cookie, sizeof(rig->cookie), "%s/.cookie", rig->folder);
	const struct chain_node_options options = { .kind = CHAIN_EMERCOIN, .cookie = rig->cookie };
	rig->node = chain_node_start(&options);
	assert_non_null(rig->node);
	nvskit_config(&rig->config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	rig->config.node_count = 1;
	namekit_config(rig->node, CHAIN_EMERCOIN, &rig->config.nodes[0]);
	(void)snprintf(rig->config.nodes[0].credentials, sizeof(rig->config.nodes[0].credentials),
		       "%s", rig->cookie);
	rig->nvs = nvskit_new(&rig->config);
	namekit_register(rig->node, CHAIN_EMERCOIN, "iot:" NVSKIT_NAME, VALUE);
}

static void close_rig(struct rig *rig)
{
	nvs_free(rig->nvs);
	chain_node_stop(rig->node);
	(void)unlink(rig->cookie);
	assert_int_equal(rmdir(rig->folder), 0);
}

static void expect(struct rig *rig, enum iotpki_outcome want, unsigned int requests,
		   const char *when)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	const unsigned int before = chain_node_requests(rig->node);
	assert_int_equal(nvs_ask_wait(rig->nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	if (answers[0].outcome != want)
		fail_msg("%s: %s", when, iotpki_outcome_name(answers[0].outcome));
	if (chain_node_requests(rig->node) - before != requests)
		fail_msg("%s: %u requests", when, chain_node_requests(rig->node) - before);
}

static void a_new_cookie_at_each_start(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig);
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, 2, "first");
	free(namekit_call(rig.node, "fake_restart", "[]"));
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, 1, "after a start");

	struct nvs_reply reply;
	free(namekit_call(rig.node, "fake_restart", "[]"));
	assert_int_equal(nvs_call(rig.nvs, 0, "getblockchaininfo", "[]", NVSKIT_PATIENT_MS, &reply),
			 IOTPKI_OK);
	assert_int_equal(reply.outcome, IOTPKI_OUTCOME_REGISTERED);
	nvs_reply_done(&reply);
	close_rig(&rig);
}

/** Put a file of one's own in the cookie's place. */
static void put(const struct rig *rig, const char *text, mode_t mode)
{
	(void)unlink(rig->cookie);
	const int fd = open(rig->cookie, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

/** What the file says is not what it said when it was looked at: only 401 tells. */
static void changed_unseen(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig);
	char right[128] = "";
	const int fd = open(rig.cookie, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, right, sizeof(right) - 1) > 0);
	assert_int_equal(close(fd), 0);
	struct stat seen, now;

	char wrong[128];
	(void)snprintf(wrong, sizeof(wrong), "%s", right);
	wrong[strlen(wrong) - 1] = wrong[strlen(wrong) - 1] == '0' ? '1' : '0';
	put(&rig, wrong, 0600);
	expect(&rig, IOTPKI_OUTCOME_UNAUTHORIZED, 1, "wrong, and nothing else to try");
	assert_int_equal(stat(rig.cookie, &seen), 0);
	/* The same inode, length and time; the kernel alone sets the change time. */
	const int again = open(rig.cookie, O_WRONLY | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(write(again, right, strlen(right)), (ssize_t)strlen(right));
	const struct timespec times[2] = { seen.st_atim, seen.st_mtim };
	assert_int_equal(futimens(again, times), 0);
	assert_int_equal(close(again), 0);
	assert_int_equal(stat(rig.cookie, &now), 0);
	assert_int_equal(now.st_ino, seen.st_ino);
	expect(&rig, IOTPKI_OUTCOME_REGISTERED, now.st_ctim.tv_nsec == seen.st_ctim.tv_nsec ? 3 : 2,
	       "right again");
	close_rig(&rig);
}

static struct {
	unsigned int lines;
	char all[4096];
} logged;

static void write_line(const struct log_sink *sink, enum log_level level, const char *line)
{
	(void)sink;
	const size_t used = strlen(logged.all);
	(void)snprintf(logged.all + used, sizeof(logged.all) - used, "%s\n", line);
	logged.lines += level < LOG_LEVEL_DEBUG ? 1 : 0;
}

static void files_that_are_not_used(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		mode_t mode;
		const char *problem;
	} rows[] = {
		{ "others may read it", "__cookie__:hunter2", 0644, "has mode 0644" },
		{ "no password", "hunter2", 0600, "one line, user:password" },
		{ "gone", NULL, 0, "No such file" },
	};
	static const struct log_sink sink = { write_line, LOG_LEVEL_DEBUG };
	struct rig rig;
	open_rig(&rig);
	log_set_sink(&sink);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].text != NULL)
			put(&rig, rows[i].text, rows[i].mode);
		else
			assert_int_equal(unlink(rig.cookie), 0);
		memset(&logged, 0, sizeof(logged));
		/* Not a byte is sent, whatever there was in the file before. */
		for (int login = 0; login < 3; login++)
			expect(&rig, IOTPKI_OUTCOME_UNAUTHORIZED, 0, rows[i].name);
		struct nvs_reply reply;
		assert_int_equal(
			nvs_call(rig.nvs, 0, "getblockchaininfo", "[]", NVSKIT_PATIENT_MS, &reply),
			IOTPKI_OK);
		assert_int_equal(reply.outcome, IOTPKI_OUTCOME_UNAUTHORIZED);
		if (strstr(reply.problem, rows[i].problem) == NULL ||
		    strstr(reply.problem, rig.cookie) == NULL)
			fail_msg("%s: %s", rows[i].name, reply.problem);
		nvs_reply_done(&reply);
		if (logged.lines != 1 || strstr(logged.all, rows[i].problem) == NULL)
			fail_msg("%s: logged: %s", rows[i].name, logged.all);
		assert_null(strstr(logged.all, "hunter2"));
	}
	log_set_sink(NULL);
	close_rig(&rig);
}

static void none_configured(void **state)
{
	(void)state;
	struct rig rig;
	open_rig(&rig);
	nvs_free(rig.nvs);
	rig.config.nodes[0].credentials[0] = '\0';
	rig.nvs = nvskit_new(&rig.config);
	expect(&rig, IOTPKI_OUTCOME_UNAUTHORIZED, 1, "none");
	close_rig(&rig);
}

/* The password goes to the pinned node and to nobody else, over TLS 1.2 too (facts.md 14). */
static void to_the_pinned_node_alone(void **state)
{
	(void)state;
	static const char body[] = "busy";
#define BUSY .head = "HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\n", .body = body
	static const struct {
		const char *name;
		struct fake_script script;
		enum config_node_type type;
		bool wrong_pin;
		enum iotpki_outcome want; /* NOT_READY: it was asked */
	} rows[] = {
		{ "TLS 1.3",
		  { .tls = FAKE_TLS13, BUSY },
		  CONFIG_NODE_NAMECOIN,
		  false,
		  IOTPKI_OUTCOME_NOT_READY },
		{ "TLS 1.2",
		  { .tls = FAKE_TLS12, BUSY },
		  CONFIG_NODE_EMERCOIN,
		  false,
		  IOTPKI_OUTCOME_NOT_READY },
		{ "TLS 1.2, iotpki",
		  { .tls = FAKE_TLS12, BUSY },
		  CONFIG_NODE_IOTPKI,
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "TLS 1.2 without a certificate",
		  { .tls = FAKE_TLS12_ANONYMOUS, BUSY },
		  CONFIG_NODE_EMERCOIN,
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "TLS 1.2, another key",
		  { .tls = FAKE_TLS12, BUSY },
		  CONFIG_NODE_EMERCOIN,
		  true,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "TLS 1.3, another key",
		  { .tls = FAKE_TLS13, BUSY },
		  CONFIG_NODE_EMERCOIN,
		  true,
		  IOTPKI_OUTCOME_MALFORMED },
		{ "a redirect",
		  { .head = "HTTP/1.1 307 There\r\nLocation: https://127.0.0.1:1/\r\n",
		    .body = body },
		  CONFIG_NODE_EMERCOIN,
		  false,
		  IOTPKI_OUTCOME_MALFORMED },
	};
	char path[] = "/tmp/iotpki-login-XXXXXX";
	const int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, "u:p\n", 4) == 4);
	assert_int_equal(close(fd), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config config;
		struct fake_node *node = nvskit_node(&rows[i].script, &config, NVSKIT_PATIENT_MS);
		config.nodes[0].type = rows[i].type;
		config.nodes[0].pins[0][0] ^= rows[i].wrong_pin ? 1 : 0;
		(void)snprintf(config.nodes[0].credentials, sizeof(config.nodes[0].credentials),
			       "%s", path);
		struct nvs *nvs = nvskit_new(&config);
		struct iotpki_answer answers[IOTPKI_NODES_MAX];
		assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
		if (answers[0].outcome != rows[i].want)
			fail_msg("%s: %s", rows[i].name, iotpki_outcome_name(answers[0].outcome));
		static char request[64 * 1024];
		fake_node_last_request(node, request, sizeof(request));
		const bool asked = rows[i].want == IOTPKI_OUTCOME_NOT_READY ||
				   strcmp(rows[i].name, "a redirect") == 0;
		if ((strstr(request, "\r\nAuthorization: Basic dTpw\r\n") != NULL) != asked ||
		    (request[0] != '\0') != asked)
			fail_msg("%s: sent: %s", rows[i].name, request);
		nvs_free(nvs);
		fake_node_stop(node);
	}
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_cookie_at_each_start), cmocka_unit_test(changed_unseen),
		cmocka_unit_test(files_that_are_not_used),    cmocka_unit_test(none_configured),
		cmocka_unit_test(to_the_pinned_node_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
