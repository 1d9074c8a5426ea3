/*
 * The good guest: a host with handlers for SIGCHLD and SIGPIPE, blocked signals and eight threads, and a
 * system log that reads, sleeps or is not there. On every verdict and with the agent dead or hung nothing
 * of the process may change. usage: test_pam_guest MODULE [production]
 * With "production" the installed client library logs to a real /dev/log in a private mount namespace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "client_test.h"
#include "fake_agent.h"
#include "pam_host.h"
#include "snapshot.h"

#define KEY_BLOB "AAAAC3NzaC1lZDI1NTE5AAAA"
#define KEY_LINE "publickey ssh-ed25519 " KEY_BLOB "\n"
#define ADMIT "iotpki/1 ADMIT\nname=iot:a1\nfp=SHA256:abc\n"

enum { THREADS = 8, CALLS_PER_THREAD = 20, HANG_BUDGET_MS = 40 };

static bool production;
static struct fake_agent agent;
static char log_path[104];
static int log_fd = -1;
static atomic_int handled;
static atomic_int ready;

enum log_state { LOG_READS, LOG_SLEEPS, LOG_GONE, LOG_STATES };
enum place { PLACE_AGENT, PLACE_NOBODY, PLACE_FULL };

static const struct situation {
	const char *name, *arguments, *user;
	enum fake_agent_mode mode;
	enum place place;
	const char *text;
	const char *logs; /* what the account stage logs; NULL: nothing */
	bool admit;
} situations[] = {
	{ "admitted", "ssh", "pi", 0, 0, ADMIT, NULL, true },
	{ "revoked", "ssh", "pi", 0, 0, "iotpki/1 DENY\nreason=revoked\n", NULL, false },
	{ "expired", "ssh", "pi", 0, 0, "iotpki/1 DENY\nreason=expired\n", NULL, false },
	{ "unavailable", "ssh", "pi", 0, 0, "iotpki/1 UNAVAILABLE\n", NULL, false },
	{ "refused", "ssh", "pi", 0, 0, "iotpki/1 ERROR\nerror=no\n", "refused the question",
	  false },
	{ "garbage", "ssh", "pi", 0, 0, "\xff", "not of the protocol", false },
	{ "half a frame", "ssh", "pi", 0, 0, "iotpki/1 ADMIT", "not of the protocol", false },
	{ "hangs up", "ssh", "pi", FAKE_AGENT_HANG_UP, 0, "", "hung up", false },
	{ "refuses", "ssh", "pi", FAKE_AGENT_REFUSE, 0, "", "no answer", false },
	{ "hung", "ssh", "pi", FAKE_AGENT_HANG, 0, "", "in time", false },
	{ "full", "ssh", "pi", 0, PLACE_FULL, "", "in time", false },
	{ "dead", "ssh", "pi", 0, PLACE_NOBODY, "", "no agent", false },
	{ "break-glass, dead", "ssh break_glass_user=pi", "pi", 0, PLACE_NOBODY, "", "BREAK-GLASS",
	  true },
	{ "wrong argument", "ssh debug", "pi", 0, 0, ADMIT, "wrong argument", false },
	{ "odd user", "ssh", "a/b", 0, 0, ADMIT, "no name of an account", false },
};

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

static void open_log(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, log_path, strlen(log_path) + 1);
	log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(log_fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		abort();
}

/* READS: read to the end after each call. SLEEPS: its queue stays full. GONE: no socket. */
static void set_log(enum log_state log)
{
	if (log_fd >= 0)
		(void)close(log_fd);
	(void)unlink(log_path);
	log_fd = -1;
	if (log == LOG_GONE)
		return;
	open_log();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, log_path, strlen(log_path) + 1);
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (log == LOG_SLEEPS &&
	       sendto(fd, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)) == 1)
		continue;
	(void)close(fd);
}

static void read_log(char *text, size_t size)
{
	size_t used = 0;
	while (log_fd >= 0 && used + 2 < size) {
		const ssize_t got = recv(log_fd, text + used, size - used - 2, MSG_DONTWAIT);
		if (got < 0)
			break;
		used += (size_t)got;
		text[used++] = '\n';
	}
	text[used] = '\0';
}

static int run_stage(pam_handle_t *pamh, int stage)
{
	if (stage < HOST_STAGE_COUNT)
		return host_stage(pamh, (enum host_stage)stage);
	return stage == HOST_STAGE_COUNT ? pam_setcred(pamh, PAM_ESTABLISH_CRED)
					 : pam_close_session(pamh, 0);
}

static void check_log(const struct situation *situation, int stage, const char *text)
{
	if (stage == HOST_ACCOUNT && situation->logs != NULL &&
	    strstr(text, situation->logs) == NULL)
		fail_msg("%s: the log says '%s'", situation->name, text);
	if (stage == HOST_ACCOUNT && situation->logs == NULL && text[0] != '\0')
		fail_msg("%s: the log says '%s'", situation->name, text);
	if (strstr(text, KEY_BLOB) != NULL)
		fail_msg("%s: a whole key in the log: '%s'", situation->name, text);
}

static void visit(const struct situation *situation, const char *socket_path, enum log_state log)
{
	static struct snapshot before;
	static struct snapshot after;
	char text[1024];
	char arguments[256];
	char logged[8192];
	(void)snprintf(arguments, sizeof(arguments), "%s socket=%s", situation->arguments,
		       socket_path);
	(void)snprintf(text, sizeof(text),
		       "auth required %%m %s\naccount required %%m %s\nsession required %%m %s\n",
		       arguments, arguments, arguments);
	const char *folder = host_folder("sshd", text);
	/* The production library waits five seconds for a hung agent: one stage shows it. */
	const bool slow = production &&
			  (situation->mode == FAKE_AGENT_HANG || situation->place == PLACE_FULL);
	for (int stage = slow ? HOST_ACCOUNT : 0;
	     stage < (slow ? HOST_SESSION : HOST_STAGE_COUNT + 2); stage++) {
		pam_handle_t *pamh = host_start(folder, "sshd", situation->user, KEY_LINE);
		snapshot_take(&before);
		const int code = run_stage(pamh, stage);
		snapshot_take(&after);
		const char *difference = snapshot_difference(&before, &after);
		if (difference != NULL)
			fail_msg("%s, stage %d, log %d: %s", situation->name, stage, (int)log,
				 difference);
		if (stage == HOST_ACCOUNT && (code == PAM_SUCCESS) != situation->admit)
			fail_msg("%s: code %d", situation->name, code);
		(void)pam_end(pamh, code);
		if (log == LOG_READS) {
			read_log(logged, sizeof(logged));
			check_log(situation, stage, logged);
		}
	}
}

static void nothing_changes(void **state)
{
	(void)state;
	struct fake_agent full;
	fake_agent_start_full(&full);
	const int logs = production ? LOG_READS + 1 : LOG_STATES;
	for (int log = 0; log < logs; log++) {
		set_log((enum log_state)log);
		for (size_t i = 0; i < ARRAY_LEN(situations); i++) {
			const char *const paths[] = { agent.socket, "/nonexistent/agent.sock",
						      full.socket };
			fake_agent_set(&agent, situations[i].mode, situations[i].text,
				       strlen(situations[i].text));
			visit(&situations[i], paths[situations[i].place], (enum log_state)log);
		}
	}
	assert_int_equal(atomic_load(&handled), 0);
	/* Ends a child, which the handler of this host then sees. */
	fake_agent_stop(&full);
}

/* Eight threads, each with its own handle, at the same time. */
static void *ask_often(void *context)
{
	intptr_t wrong = 0;
	for (int i = 0; i < CALLS_PER_THREAD; i++)
		wrong += host_call(context, "sshd", "pi", HOST_ACCOUNT, KEY_LINE) != PAM_SUCCESS;
	return (void *)wrong;
}

static void threads_do_not_disturb_each_other(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	char text[256];
	(void)snprintf(text, sizeof(text), "account required %%m ssh socket=%s\n", agent.socket);
	char *folder = strdup(host_folder("sshd", text));
	fake_agent_say(&agent, ADMIT);
	set_log(LOG_GONE); /* nobody reads it here, and libpam's own syslog() would wait for a reader */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, folder), 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong = NULL;
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	free(folder);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_the_end(void *context)
{
	/* Not before: a thread that is being made has all its signals blocked. */
	atomic_fetch_add(&ready, 1);
	(void)pthread_mutex_lock(&gate);
	(void)pthread_mutex_unlock(&gate);
	return context;
}

static void dress_the_host(pthread_t threads[static THREADS])
{
	const struct sigaction action = { .sa_handler = count_signal };
	(void)sigaction(SIGCHLD, &action, NULL);
	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
	sigset_t blocked;
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGUSR1);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
	(void)setlocale(LC_ALL, "C.UTF-8");
	(void)pthread_mutex_lock(&gate);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, wait_for_the_end, NULL) != 0)
			abort();
	while (atomic_load(&ready) < THREADS)
		(void)sched_yield();
}

/* A /dev of our own, gone with the process. */
static bool private_dev(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		return false;
	/* In a chroot / is no mount point, and /dev is one. */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 &&
	    mount("none", "/dev", NULL, MS_PRIVATE, NULL) != 0)
		return false;
	return mount("iotpki-test", "/dev", "tmpfs", 0, NULL) == 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	production = argc > 2;
	host_init(argv[1]);
	fake_agent_start(&agent);
	(void)snprintf(log_path, sizeof(log_path), "%s.log", agent.socket);
	if (production && (geteuid() != 0 || !private_dev())) {
		fake_agent_stop(&agent);
		host_done();
		return 77; /* skipped: not root, or no namespaces here */
	}
	if (production)
		(void)snprintf(log_path, sizeof(log_path), "/dev/log");
	const struct client_defaults defaults = { .trusted_uid = geteuid(),
						  .budget_ms = HANG_BUDGET_MS,
						  .log_socket = log_path };
	client_test_set(&defaults);
	pthread_t threads[THREADS];
	dress_the_host(threads);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changes),
		cmocka_unit_test(threads_do_not_disturb_each_other),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)pthread_mutex_unlock(&gate);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	set_log(LOG_GONE);
	fake_agent_stop(&agent);
	host_done();
	return failed;
}
