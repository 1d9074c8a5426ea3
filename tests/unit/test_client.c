/* libiotpki-client: frames, the bounded exchange with every way an agent fails, the logger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/base.h"
#include "client/client.h"
#include "fake_agent.h"

static struct client_defaults here(void)
{
	return (struct client_defaults){ .trusted_uid = geteuid(),
					 .budget_ms = 2000,
					 .log_socket = "/nonexistent" };
}

static void request_rows(void **state)
{
	(void)state;
	static char huge[IOTPKI_CLIENT_FRAME_MAX + 2];
	memset(huge, 'a', sizeof(huge) - 1);
	static const struct {
		const char *name, *verb, *key, *value;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "plain", "authorize-key", "user", "pi", "iotpki/1 authorize-key\nuser=pi\n" },
		{ "empty value", "status", "x", "", "iotpki/1 status\nx=\n" },
		{ "equals in a value", "status", "x", "a=b=", "iotpki/1 status\nx=a=b=\n" },
		{ "empty verb", "", "x", "y", NULL },
		{ "verb with a newline", "a\nb", "x", "y", NULL },
		{ "verb in upper case", "Status", "x", "y", NULL },
		{ "empty key", "status", "", "y", NULL },
		{ "key with an equals sign", "status", "a=b", "y", NULL },
		{ "key that starts with a digit", "status", "1a", "y", NULL },
		{ "newline in a value", "status", "x", "a\nuser=root", NULL },
		{ "carriage return", "status", "x", "a\r", NULL },
		{ "tab", "status", "x", "a\tb", NULL },
		{ "delete", "status", "x", "\x7f", NULL },
		{ "not ASCII", "status", "x", "\xe2\x80\xa8", NULL },
		{ "no value", "status", "x", NULL, NULL },
		{ "too long", "status", "x", huge, NULL },
		{ "long key", "status", "abcdefghijklmnopqrstuvwxyzabcdefg", "y", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[IOTPKI_CLIENT_FRAME_MAX];
		size_t len = 77;
		const struct iotpki_client_field field = { rows[i].key, rows[i].value };
		const enum iotpki_client_status status =
			client_request(rows[i].verb, &field, 1, text, &len);
		const bool good = rows[i].want != NULL;
		if ((status == IOTPKI_CLIENT_OK) != good ||
		    (!good && (status != IOTPKI_CLIENT_ARGUMENT || len != 0)))
			fail_msg("%s: status %d, %zu bytes", rows[i].name, (int)status, len);
		if (good && (len != strlen(rows[i].want) || memcmp(text, rows[i].want, len) != 0))
			fail_msg("%s: '%.*s'", rows[i].name, (int)len, text);
	}
}

static void a_request_may_fill_a_frame_but_no_more(void **state)
{
	(void)state;
	static char value[IOTPKI_CLIENT_FRAME_MAX];
	char text[IOTPKI_CLIENT_FRAME_MAX];
	size_t len = 0;
	const size_t room = IOTPKI_CLIENT_FRAME_MAX - strlen("iotpki/1 v\nk=\n");
	const struct iotpki_client_field field = { "k", value };
	memset(value, 'x', room);
	assert_int_equal(client_request("v", &field, 1, text, &len), IOTPKI_CLIENT_OK);
	assert_int_equal(len, IOTPKI_CLIENT_FRAME_MAX);
	value[room] = 'x';
	assert_int_equal(client_request("v", &field, 1, text, &len), IOTPKI_CLIENT_ARGUMENT);
	assert_int_equal(client_request(NULL, NULL, 0, text, &len), IOTPKI_CLIENT_ARGUMENT);
	assert_int_equal(client_request("v", NULL, 1, text, &len), IOTPKI_CLIENT_ARGUMENT);
}

static const struct answer_row {
	const char *name;
	const char *text;
	size_t len; /* 0: strlen */
	bool good;
	enum iotpki_client_word word;
	size_t count;
} answer_rows[] = {
	{ "admit", "iotpki/1 ADMIT\n", 0, true, IOTPKI_CLIENT_ADMIT, 0 },
	{ "deny", "iotpki/1 DENY\nreason=revoked\ncode=IPK-203\n", 0, true, IOTPKI_CLIENT_DENY, 2 },
	{ "unavailable", "iotpki/1 UNAVAILABLE\n", 0, true, IOTPKI_CLIENT_UNAVAILABLE, 0 },
	{ "ok", "iotpki/1 OK\n", 0, true, IOTPKI_CLIENT_DONE, 0 },
	{ "error", "iotpki/1 ERROR\nerror=who are you\n", 0, true, IOTPKI_CLIENT_ERROR, 1 },
	{ "empty value", "iotpki/1 OK\nlabel=\n", 0, true, IOTPKI_CLIENT_DONE, 1 },
	{ "value with an equals sign", "iotpki/1 OK\nkey=a=b\n", 0, true, IOTPKI_CLIENT_DONE, 1 },
	{ "nothing", "", 0, false, 0, 0 },
	{ "a newline", "\n", 0, false, 0, 0 },
	{ "half a word", "iotpki/1 ADM", 0, false, 0, 0 },
	{ "word without newline", "iotpki/1 ADMIT", 0, false, 0, 0 },
	{ "half a field", "iotpki/1 ADMIT\nkey=ssh-ed25519 AAAA", 0, false, 0, 0 },
	{ "unknown word", "iotpki/1 ADMITTED\n", 0, false, 0, 0 },
	{ "lower case", "iotpki/1 admit\n", 0, false, 0, 0 },
	{ "other version", "iotpki/2 ADMIT\n", 0, false, 0, 0 },
	{ "longer version", "iotpki/10 ADMIT\n", 0, false, 0, 0 },
	{ "trailing space", "iotpki/1 ADMIT \n", 0, false, 0, 0 },
	{ "carriage return", "iotpki/1 ADMIT\r\n", 0, false, 0, 0 },
	{ "NUL in the word", "iotpki/1 ADMIT\0\n", 16, false, 0, 0 },
	{ "NUL in a value", "iotpki/1 ADMIT\nkey=a\0b\n", 23, false, 0, 0 },
	{ "NUL at the end", "iotpki/1 ADMIT\n\0", 16, false, 0, 0 },
	{ "no equals sign", "iotpki/1 ADMIT\nkey\n", 0, false, 0, 0 },
	{ "empty line", "iotpki/1 ADMIT\n\n", 0, false, 0, 0 },
	{ "empty key", "iotpki/1 ADMIT\n=x\n", 0, false, 0, 0 },
	{ "key in upper case", "iotpki/1 ADMIT\nKey=x\n", 0, false, 0, 0 },
	{ "space before a key", "iotpki/1 ADMIT\n key=x\n", 0, false, 0, 0 },
	{ "the same key twice", "iotpki/1 ADMIT\nkey=x\nkey=x\n", 0, false, 0, 0 },
	{ "tab in a value", "iotpki/1 ADMIT\nkey=x\ty\n", 0, false, 0, 0 },
	{ "not ASCII", "iotpki/1 ADMIT\nlabel=\xc3\xa4\n", 0, false, 0, 0 },
	{ "a request", "iotpki/1 authorize-key\nuser=pi\n", 0, false, 0, 0 },
	{ "a second frame", "iotpki/1 DENY\niotpki/1 ADMIT\n", 0, false, 0, 0 },
};

static void answer_table(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	for (size_t i = 0; i < ARRAY_LEN(answer_rows); i++) {
		const struct answer_row *row = &answer_rows[i];
		const size_t len = row->len > 0 ? row->len : strlen(row->text);
		memset(&answer, 0xff, sizeof(answer));
		memcpy(answer.text, row->text, len);
		const enum iotpki_client_status status = client_parse(&answer, len);
		if ((status == IOTPKI_CLIENT_OK) != row->good || answer.word != row->word ||
		    answer.field_count != row->count)
			fail_msg("%s: status %d word %d fields %zu", row->name, (int)status,
				 (int)answer.word, answer.field_count);
		if (!row->good && status != IOTPKI_CLIENT_BAD_ANSWER)
			fail_msg("%s: status %d", row->name, (int)status);
	}
}

static void an_answer_has_at_most_64_fields(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	for (int extra = 0; extra <= 1; extra++) {
		size_t len = (size_t)snprintf(answer.text, sizeof(answer.text), "iotpki/1 ADMIT\n");
		for (int i = 0; i < IOTPKI_CLIENT_FIELDS_MAX + extra; i++)
			len += (size_t)snprintf(answer.text + len, sizeof(answer.text) - len,
						"k%d=v%d\n", i, i);
		assert_int_equal(client_parse(&answer, len),
				 extra == 0 ? IOTPKI_CLIENT_OK : IOTPKI_CLIENT_BAD_ANSWER);
		if (extra == 0)
			assert_string_equal(iotpki_client_value(&answer, "k63"), "v63");
		else
			assert_int_equal(answer.word, IOTPKI_CLIENT_DENY);
	}
	assert_null(iotpki_client_value(&answer, "k63"));
}

static enum iotpki_client_status ask(const struct fake_agent *agent, int budget_ms,
				     struct iotpki_client_answer *answer)
{
	const struct client_defaults defaults = here();
	const struct iotpki_client_field fields[] = { { "user", "pi" }, { "service", "sshd" } };
	errno = ERANGE;
	const enum iotpki_client_status status =
		client_ask(&defaults, agent->socket, "authorize-key", fields, 2, budget_ms, answer);
	assert_int_equal(errno, ERANGE);
	return status;
}

static void a_question_and_its_answer(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	struct fake_agent agent;
	fake_agent_start(&agent);
	fake_agent_say(&agent, "iotpki/1 ADMIT\nname=iot:x\n");
	assert_int_equal(ask(&agent, 0, &answer), IOTPKI_CLIENT_OK);
	assert_int_equal(answer.word, IOTPKI_CLIENT_ADMIT);
	assert_string_equal(iotpki_client_value(&answer, "name"), "iot:x");
	assert_string_equal(fake_agent_last_request(&agent),
			    "iotpki/1 authorize-key\nuser=pi\nservice=sshd\n");
	fake_agent_stop(&agent);
}

static void failing_agents(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	static char big[IOTPKI_CLIENT_FRAME_MAX + 1];
	memcpy(big, "iotpki/1 ADMIT\nk=", 17);
	memset(big + 17, 'x', sizeof(big) - 18);
	big[sizeof(big) - 1] = '\n';
	const struct {
		const char *name;
		enum fake_agent_mode mode;
		const char *text;
		size_t len;
		enum iotpki_client_status want;
	} rows[] = {
		{ "hangs up", FAKE_AGENT_HANG_UP, NULL, 0, IOTPKI_CLIENT_NO_AGENT },
		{ "refuses", FAKE_AGENT_REFUSE, NULL, 0, IOTPKI_CLIENT_NO_AGENT },
		{ "hangs", FAKE_AGENT_HANG, NULL, 0, IOTPKI_CLIENT_TIMEOUT },
		{ "an empty packet", FAKE_AGENT_ANSWER, "", 0, IOTPKI_CLIENT_NO_AGENT },
		{ "garbage", FAKE_AGENT_ANSWER, "\x01\x02", 2, IOTPKI_CLIENT_BAD_ANSWER },
		{ "half a frame", FAKE_AGENT_ANSWER, "iotpki/1 ADMIT", 14,
		  IOTPKI_CLIENT_BAD_ANSWER },
		{ "too long", FAKE_AGENT_ANSWER, big, sizeof(big), IOTPKI_CLIENT_BAD_ANSWER },
	};
	struct fake_agent agent;
	fake_agent_start(&agent);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_agent_set(&agent, rows[i].mode, rows[i].text, rows[i].len);
		const enum iotpki_client_status got = ask(&agent, 100, &answer);
		if (got != rows[i].want || answer.word != IOTPKI_CLIENT_DENY ||
		    answer.field_count != 0)
			fail_msg("%s: status %d", rows[i].name, (int)got);
	}
	fake_agent_stop(&agent);
	assert_int_equal(ask(&agent, 100, &answer), IOTPKI_CLIENT_NO_AGENT);
}

static void a_full_queue_ends_with_the_budget(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	struct fake_agent agent;
	fake_agent_start_full(&agent);
	assert_int_equal(ask(&agent, 60, &answer), IOTPKI_CLIENT_TIMEOUT);
	fake_agent_stop(&agent);
}

static void an_agent_of_another_user_gets_no_question(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	struct fake_agent agent;
	fake_agent_start(&agent);
	fake_agent_say(&agent, "iotpki/1 ADMIT\n");
	struct client_defaults defaults = here();
	defaults.trusted_uid = geteuid() + 1;
	assert_int_equal(client_ask(&defaults, agent.socket, "status", NULL, 0, 0, &answer),
			 IOTPKI_CLIENT_UNTRUSTED);
	assert_int_equal(answer.word, IOTPKI_CLIENT_DENY);
	/* The next one is served after it, so the count below is final. */
	assert_int_equal(ask(&agent, 0, &answer), IOTPKI_CLIENT_OK);
	assert_int_equal(fake_agent_request_count(&agent), 1);
	fake_agent_stop(&agent);
}

static void socket_paths(void **state)
{
	(void)state;
	static struct iotpki_client_answer answer;
	const struct client_defaults defaults = here();
	char path[200];
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(client_ask(&defaults, path, "status", NULL, 0, 0, &answer),
			 IOTPKI_CLIENT_ARGUMENT);
	assert_int_equal(client_ask(&defaults, "", "status", NULL, 0, 0, &answer),
			 IOTPKI_CLIENT_ARGUMENT);
	assert_int_equal(client_ask(&defaults, "/dev/null", "status", NULL, 0, 0, &answer),
			 IOTPKI_CLIENT_NO_AGENT);
	/* The public entry and its default path: no agent of ours runs where tests run. */
	assert_int_equal(iotpki_client_ask("/nonexistent/s", "status", NULL, 0, 0, &answer),
			 IOTPKI_CLIENT_NO_AGENT);
}

/* In a child: descriptors 0 to 2 closed, then a limit that leaves no descriptor at all. */
static int ask_without_descriptors(const struct fake_agent *agent)
{
	static struct iotpki_client_answer answer;
	const struct client_defaults defaults = here();
	for (int fd = 0; fd <= 2; fd++)
		(void)close(fd);
	if (client_ask(&defaults, agent->socket, "status", NULL, 0, 0, &answer) !=
		    IOTPKI_CLIENT_OK ||
	    answer.word != IOTPKI_CLIENT_ADMIT)
		return 1;
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			return 2;
	const struct rlimit none = { 3, 3 };
	(void)setrlimit(RLIMIT_NOFILE, &none);
	if (client_ask(&defaults, agent->socket, "status", NULL, 0, 0, &answer) !=
		    IOTPKI_CLIENT_SYSTEM ||
	    answer.word != IOTPKI_CLIENT_DENY)
		return 3;
	return fcntl(0, F_GETFD) == -1 ? 0 : 4;
}

static void closed_standard_descriptors_stay_closed(void **state)
{
	(void)state;
	struct fake_agent agent;
	fake_agent_start(&agent);
	fake_agent_say(&agent, "iotpki/1 ADMIT\n");
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(ask_without_descriptors(&agent));
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fake_agent_stop(&agent);
}

static int log_listener(char path[static 64], char folder[static 64])
{
	(void)snprintf(folder, 64, "/tmp/iotpki-log.XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, 64, "%.40s/log", folder);
	struct sockaddr_un address;
	const size_t len = client_address(path, &address);
	assert_true(len > 0);
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, (socklen_t)len), 0);
	return fd;
}

static void the_log_line_is_one_escaped_datagram(void **state)
{
	(void)state;
	char path[64];
	char folder[64];
	char got[2048];
	char want[128];
	const int fd = log_listener(path, folder);
	errno = ERANGE;
	client_log(path, "iotpki-test", LOG_WARNING, "user=\"a\nb\\\" \xc3");
	assert_int_equal(errno, ERANGE);
	ssize_t len = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	assert_true(len > 0);
	const int want_len =
		snprintf(want, sizeof(want), "<84>iotpki-test[%ld]: user=\"a\\x0ab\\x5c\" \\xc3",
			 (long)getpid());
	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, (size_t)len);

	char *huge = malloc(100000);
	assert_non_null(huge);
	memset(huge, '\n', 99999);
	huge[99999] = '\0';
	client_log(path, huge, LOG_INFO, huge);
	len = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	assert_in_range(len, 1, 1024);

	/* A listener that never reads must not hold the caller: far more than its queue takes. */
	for (int i = 0; i < 2000; i++)
		client_log(path, "iotpki-test", LOG_INFO, huge);
	free(huge);
	(void)close(fd);
	(void)unlink(path);
	client_log(path, "iotpki-test", LOG_INFO, "nobody listens");
	iotpki_client_log("iotpki-test", LOG_DEBUG, "a line of the unit tests");
	(void)rmdir(folder);
}

static void production_trusts_root_alone(void **state)
{
	(void)state;
	const struct client_defaults *defaults = client_defaults();
	assert_int_equal(defaults->trusted_uid, 0);
	assert_int_equal(defaults->budget_ms, 5000);
	assert_string_equal(defaults->log_socket, "/dev/log");
}

static void every_status_has_a_text(void **state)
{
	(void)state;
	for (int status = IOTPKI_CLIENT_SYSTEM; status <= 0; status++)
		assert_string_not_equal(iotpki_client_strerror((enum iotpki_client_status)status),
					"unknown status");
	assert_string_equal(iotpki_client_strerror((enum iotpki_client_status) - 99),
			    "unknown status");
	assert_string_equal(iotpki_client_strerror((enum iotpki_client_status)1), "unknown status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_rows),
		cmocka_unit_test(a_request_may_fill_a_frame_but_no_more),
		cmocka_unit_test(answer_table),
		cmocka_unit_test(an_answer_has_at_most_64_fields),
		cmocka_unit_test(a_question_and_its_answer),
		cmocka_unit_test(failing_agents),
		cmocka_unit_test(a_full_queue_ends_with_the_budget),
		cmocka_unit_test(an_agent_of_another_user_gets_no_question),
		cmocka_unit_test(socket_paths),
		cmocka_unit_test(closed_standard_descriptors_stay_closed),
		cmocka_unit_test(the_log_line_is_one_escaped_datagram),
		cmocka_unit_test(production_trusts_root_alone),
		cmocka_unit_test(every_status_has_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
