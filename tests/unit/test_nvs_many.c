/* Several nodes and many questions at once: call backs, ends, cancelling, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "format/json.h"
#include "nvs/transport.h"
#include "nvskit.h"

struct watch {
	unsigned int calls, last_calls;
	enum iotpki_outcome outcomes[IOTPKI_NODES_MAX];
	struct nvs *nvs;
	struct nvs_question **cancel; /* cancelled in the first call back */
	bool again;                   /* asks once more in the last call back */
};

static void watch_answers(void *context, const struct iotpki_answer *answers, size_t count,
			  bool deadline)
{
	struct watch *watch = context;
	watch->calls++;
	watch->last_calls += deadline ? 1 : 0;
	for (size_t i = 0; i < count; i++)
		watch->outcomes[i] = answers[i].outcome;
	if (watch->cancel != NULL && *watch->cancel != NULL) {
		nvs_cancel(watch->nvs, *watch->cancel);
		*watch->cancel = NULL;
	}
	if (deadline && watch->again) {
		watch->again = false;
		struct nvs_question *question = NULL;
		assert_int_equal(nvs_ask(watch->nvs, NVSKIT_NAME, watch_answers, watch, &question),
				 IOTPKI_OK);
	}
}

static void three_nodes(void **state)
{
	(void)state;
	static const struct fake_script good = { 0 }, revoked = { .body = FAKE_REVOKED };
	struct fake_node *first = fake_node_start(&good), *second = fake_node_start(&revoked);
	assert_non_null(first);
	assert_non_null(second);
	struct config config;
	nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	config.node_count = 3;
	fake_node_config(first, "home", &config.nodes[0]);
	nvskit_dead_node(&config.nodes[1]);
	fake_node_config(second, "barn", &config.nodes[2]);
	config.nodes[2].network = 1;

	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	struct watch watch = { .nvs = nvs };
	struct nvs_question *question = NULL;
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &watch, &question), IOTPKI_OK);
	assert_non_null(question);
	assert_int_equal(watch.calls, 0); /* never from inside */
	while (watch.last_calls == 0)
		assert_int_equal(nvs_poll(nvs, -1, -1), IOTPKI_OK);
	assert_int_equal(watch.calls, 3);
	assert_int_equal(watch.outcomes[0], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(watch.outcomes[1], IOTPKI_OUTCOME_UNREACHABLE);
	assert_int_equal(watch.outcomes[2], IOTPKI_OUTCOME_REVOKED);

	/* Each node was asked for the name with its prefix, each with a nonce of its own. */
	char one[4096], two[4096];
	fake_node_last_request(first, one, sizeof(one));
	fake_node_last_request(second, two, sizeof(two));
	assert_non_null(
		strstr(one, "\"method\":\"name_show\",\"params\":[\"iot:" NVSKIT_NAME "\"]}"));
	assert_non_null(strstr(one, "POST / HTTP/1.1\r\n"));
	const char *id_one = strstr(one, "\"id\":\""), *id_two = strstr(two, "\"id\":\"");
	assert_non_null(id_one);
	assert_non_null(id_two);
	assert_memory_not_equal(id_one, id_two, strlen("\"id\":\"") + 32);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(first);
	fake_node_stop(second);
}

static void cancelling(void **state)
{
	(void)state;
	static const struct fake_script good = { 0 }, silent = { .start = FAKE_SILENT };
	struct fake_node *first = fake_node_start(&good), *second = fake_node_start(&silent);
	assert_non_null(first);
	assert_non_null(second);
	struct config config;
	nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	config.node_count = 2;
	fake_node_config(first, "home", &config.nodes[0]);
	fake_node_config(second, "barn", &config.nodes[1]);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);

	/* Before anything happened. */
	struct watch none = { .nvs = nvs };
	struct nvs_question *question = NULL;
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &none, &question), IOTPKI_OK);
	nvs_cancel(nvs, question);
	nvs_cancel(nvs, NULL);

	/* Inside its own call back, and another question from there: no further calls of either. */
	struct nvs_question *own = NULL, *other = NULL;
	struct watch first_watch = { .nvs = nvs, .cancel = &own };
	struct watch other_watch = { .nvs = nvs, .cancel = &own };
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &first_watch, &own), IOTPKI_OK);
	while (first_watch.calls == 0)
		assert_int_equal(nvs_poll(nvs, -1, -1), IOTPKI_OK);
	assert_null(own);
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &first_watch, &own), IOTPKI_OK);
	first_watch.cancel = NULL;
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &other_watch, &other), IOTPKI_OK);
	while (other_watch.calls == 0)
		assert_int_equal(nvs_poll(nvs, -1, -1), IOTPKI_OK);
	assert_null(own);
	assert_int_equal(none.calls, 0);
	assert_int_equal(first_watch.last_calls, 0);
	nvs_free(nvs); /* ends the other one without a call */
	nvs = NULL;
	assert_int_equal(other_watch.last_calls, 0);
	fake_node_stop(first);
	fake_node_stop(second);
}

/** The deadline by a clock that the test moves: no waiting, whatever the node timeout is. */
static void deadline_by_the_clock(void **state)
{
	(void)state;
	static const struct fake_script good = { 0 }, silent = { .start = FAKE_SILENT };
	struct fake_node *first = fake_node_start(&good), *second = fake_node_start(&silent);
	assert_non_null(first);
	assert_non_null(second);
	struct clock_fake fake;
	clock_fake_init(&fake, 1795400000);
	struct config config;
	nvskit_config(&config, 60000, 4000);
	config.node_count = 2;
	fake_node_config(first, "home", &config.nodes[0]);
	fake_node_config(second, "barn", &config.nodes[1]);
	CLEANUP(nvs_freep) struct nvs *nvs = NULL;
	assert_int_equal(nvs_new(&config, &fake.clock, random_system(), &nvs), IOTPKI_OK);
	struct watch watch = { .nvs = nvs };
	struct nvs_question *question = NULL;
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &watch, &question), IOTPKI_OK);
	while (watch.calls == 0)
		assert_int_equal(nvs_poll(nvs, -1, 50), IOTPKI_OK);
	assert_int_equal(watch.outcomes[0], IOTPKI_OUTCOME_REGISTERED);
	assert_int_equal(watch.outcomes[1], IOTPKI_OUTCOME_PENDING);
	clock_fake_advance(&fake, 3999);
	assert_int_equal(nvs_poll(nvs, -1, 0), IOTPKI_OK);
	assert_int_equal(watch.last_calls, 0);
	clock_fake_advance(&fake, 1);
	watch.again = true;
	assert_int_equal(nvs_poll(nvs, -1, 60000), IOTPKI_OK); /* returns at once */
	assert_int_equal(watch.last_calls, 1);
	assert_int_equal(watch.outcomes[1], IOTPKI_OUTCOME_UNREACHABLE);

	/* The question that the last call back asked goes its own way. */
	while (watch.calls < 3)
		assert_int_equal(nvs_poll(nvs, -1, 50), IOTPKI_OK);
	clock_fake_advance(&fake, 4000);
	assert_int_equal(nvs_poll(nvs, -1, 60000), IOTPKI_OK);
	assert_int_equal(watch.last_calls, 2);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(first);
	fake_node_stop(second);
}

static size_t open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	assert_non_null(folder);
	size_t count = 0;
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count;
}

/** Accepts in the kernel alone: as dead as a host that is switched off, after the first packet. */
static int open_deaf_port(struct config_node *out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*out = (struct config_node){ .pin_count = 1, .name_prefix = "iot:" };
	(void)snprintf(out->url, sizeof(out->url), "https://127.0.0.1:%u/",
		       ntohs(address.sin_port));
	return fd;
}

static void many_questions_to_dead_nodes(void **state)
{
	(void)state;
	enum { QUESTIONS = 200 };
	static const struct fake_script good = { .tls = FAKE_HTTP };
	struct fake_node *live = fake_node_start(&good);
	assert_non_null(live);
	struct config config;
	nvskit_config(&config, NVSKIT_SHORT_MS * 5, NVSKIT_SHORT_MS * 10);
	config.node_count = 3;
	const int deaf[] = { open_deaf_port(&config.nodes[0]), open_deaf_port(&config.nodes[1]) };
	fake_node_config(live, "live", &config.nodes[2]);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);

	static struct watch watches[QUESTIONS];
	const size_t before = open_descriptors();
	for (size_t i = 0; i < QUESTIONS; i++) {
		struct nvs_question *question = NULL;
		watches[i] = (struct watch){ .nvs = nvs };
		assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &watches[i], &question),
				 IOTPKI_OK);
	}
	size_t ended = 0, most = 0;
	while (ended < QUESTIONS) {
		assert_int_equal(nvs_poll(nvs, -1, -1), IOTPKI_OK);
		const size_t now = open_descriptors();
		most = now > most ? now : most;
		ended = 0;
		for (size_t i = 0; i < QUESTIONS; i++)
			ended += watches[i].last_calls;
	}
	for (size_t i = 0; i < QUESTIONS; i++) {
		assert_int_equal(watches[i].calls, 3);
		assert_int_equal(watches[i].last_calls, 1);
		assert_int_equal(watches[i].outcomes[0], IOTPKI_OUTCOME_UNREACHABLE);
		assert_int_equal(watches[i].outcomes[1], IOTPKI_OUTCOME_UNREACHABLE);
		assert_int_equal(watches[i].outcomes[2], IOTPKI_OUTCOME_REGISTERED);
	}
	/*
	 * The live node's own ends are in this process too, and its threads close them when they get to
	 * it: at most one a question. Without a bound it would be four a question.
	 */
	assert_in_range(most, before, before + TRANSPORT_ACTIVE_MAX + QUESTIONS);
	nvs_free(nvs);
	nvs = NULL;
	for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
		(void)close(deaf[i]);
	fake_node_stop(live);
}

static void bad_arguments(void **state)
{
	(void)state;
	struct config config;
	nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	static const char *const names[] = { "", "Upper", "a\"b", "../x", "a b", "-x" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct watch watch = { .nvs = nvs };
		struct nvs_question *question = NULL;
		assert_int_equal(nvs_ask(nvs, names[i], watch_answers, &watch, &question),
				 IOTPKI_ERR_ARGUMENT);
		assert_null(question);
	}
	/* No node: the last call comes all the same. */
	struct watch watch = { .nvs = nvs };
	struct nvs_question *question = NULL;
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, watch_answers, &watch, &question), IOTPKI_OK);
	assert_int_equal(nvs_poll(nvs, -1, -1), IOTPKI_OK);
	assert_int_equal(watch.last_calls, 1);

	CLEANUP(nvs_reply_done) struct nvs_reply reply = { 0 };
	assert_int_equal(nvs_call(nvs, 0, "name_show", "[]", 1000, &reply), IOTPKI_ERR_ARGUMENT);

	config.node_count = IOTPKI_NODES_MAX + 1;
	struct nvs *none = NULL;
	assert_int_equal(nvs_new(&config, clock_system(), random_system(), &none),
			 IOTPKI_ERR_ARGUMENT);
	assert_null(none);
}

static void extra_descriptor(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	struct config config;
	nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(nvs_poll(nvs, ends[0], -1),
			 IOTPKI_OK); /* for ever, were it not readable */
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static enum iotpki_err no_randomness(const struct random_source *source, void *out, size_t len)
{
	(void)source;
	(void)out;
	(void)len;
	return IOTPKI_ERR_IO;
}

static void no_question_without_a_nonce(void **state)
{
	(void)state;
	static const struct random_source empty = { no_randomness };
	struct config config;
	nvskit_config(&config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	config.node_count = 1;
	nvskit_dead_node(&config.nodes[0]);
	CLEANUP(nvs_freep) struct nvs *nvs = NULL;
	assert_int_equal(nvs_new(&config, clock_system(), &empty, &nvs), IOTPKI_OK);
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_ERR_IO);
}

/* ---- calls ---- */

static void calls(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct fake_script script;
		enum iotpki_outcome outcome;
		int code;
		const char *reason, *result;
	} rows[] = {
		{ "result",
		  { .body = "{\"id\":\"@ID@\",\"result\":[{\"height\":1}]}" },
		  IOTPKI_OUTCOME_REGISTERED,
		  0,
		  "",
		  "[{\"height\":1}]" },
		{ "refused",
		  { .body = "{\"id\":\"@ID@\",\"error\":{\"code\":-32010,\"message\":\"\","
			    "\"data\":{\"reason\":\"not-owner\"}}}" },
		  IOTPKI_OUTCOME_MALFORMED,
		  -32010,
		  "not-owner",
		  "" },
		{ "not ready",
		  { .head = "HTTP/1.1 503 No\r\n", .body = "" },
		  IOTPKI_OUTCOME_NOT_READY,
		  0,
		  "",
		  "" },
		{ "gone", { .start = FAKE_CLOSE_AT_ONCE }, IOTPKI_OUTCOME_UNREACHABLE, 0, "", "" },
		{ "silent", { .start = FAKE_SILENT }, IOTPKI_OUTCOME_UNREACHABLE, 0, "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config config;
		struct fake_node *node = nvskit_node(&rows[i].script, &config, NVSKIT_PATIENT_MS);
		struct nvs *nvs = nvskit_new(&config);
		CLEANUP(nvs_reply_done) struct nvs_reply reply = { 0 };
		const int64_t ms =
			rows[i].script.start == FAKE_SILENT ? NVSKIT_SHORT_MS : NVSKIT_PATIENT_MS;
		assert_int_equal(nvs_call(nvs, 0, "name_history", "[\"iot:x\"]", ms, &reply),
				 IOTPKI_OK);
		if (reply.outcome != rows[i].outcome || reply.code != rows[i].code ||
		    strcmp(reply.reason, rows[i].reason) != 0 ||
		    strcmp(buf_text(&reply.result), rows[i].result) != 0)
			fail_msg("%s: %s %d %s %s", rows[i].name,
				 iotpki_outcome_name(reply.outcome), reply.code, reply.reason,
				 buf_text(&reply.result));
		nvs_free(nvs);
		fake_node_stop(node);
	}
}

/** An answer to a call may be longer than one to a question. */
static void long_history(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf body = BUF_INIT(NVS_CALL_MAX);
	(void)buf_puts(&body, "{\"id\":\"@ID@\",\"result\":[0");
	while (body.len < 2 * JSON_ANSWER_MAX)
		(void)buf_puts(&body, ",123456789");
	(void)buf_puts(&body, "]}");
	const struct fake_script script = { .body = buf_text(&body) };
	struct config config;
	struct fake_node *node = nvskit_node(&script, &config, NVSKIT_PATIENT_MS);
	CLEANUP(nvs_freep) struct nvs *nvs = nvskit_new(&config);
	CLEANUP(nvs_reply_done) struct nvs_reply reply = { 0 };
	assert_int_equal(nvs_call(nvs, 0, "name_history", "[\"iot:x\"]", NVSKIT_PATIENT_MS, &reply),
			 IOTPKI_OK);
	assert_int_equal(reply.outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_true(reply.result.len > 2 * JSON_ANSWER_MAX - 100);
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	assert_int_equal(answers[0].outcome, IOTPKI_OUTCOME_MALFORMED);
	nvs_free(nvs);
	nvs = NULL;
	fake_node_stop(node);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* the fake node's TLS writes to clients that left */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_nodes),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(deadline_by_the_clock),
		cmocka_unit_test(many_questions_to_dead_nodes),
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(extra_descriptor),
		cmocka_unit_test(no_question_without_a_nonce),
		cmocka_unit_test(calls),
		cmocka_unit_test(long_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
