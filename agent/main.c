/* iotpki-agent: options, start, drop of privileges (design 2, 8). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotpki/client.h>

#include "agent/access.h"
#include "agent/agent.h"
#include "agent/privileges.h"
#include "agent/socket.h"
#include "base/parse.h"
#include "base/random.h"
#include "config/config.h"

#define STATE_DIR "/var/lib/iotpki/state"
#define USER "_iotpki"
#define HELPER_USER "_iotpki-ssh"

/* Exit codes of design 12. */
enum {
	EXIT_USAGE = 2,
	EXIT_CONFIG = 3,
	EXIT_PERMISSION = 4,
	EXIT_UNAVAILABLE = 5,
	EXIT_INTERNAL = 10
};

struct options {
	const char *config, *state_dir, *socket, *user, *helper_user, *log, *ready_fd;
};

struct start {
	struct options options;
	uid_t admin, uid, helper;
	gid_t gid;
	int listen_fd;
	int ready_fd;
	struct agent_log *log;
};

static const struct {
	const char *name;
	size_t offset;
	const char *fallback;
	const char *argument;
	const char *help;
} table[] = {
	{ "config", offsetof(struct options, config), CONFIG_PATH, "FILE",
	  "configuration; members.yaml is beside it" },
	{ "state-dir", offsetof(struct options, state_dir), STATE_DIR, "FOLDER",
	  "what survives a restart" },
	{ "socket", offsetof(struct options, socket), IOTPKI_CLIENT_SOCKET, "PATH",
	  "where to listen" },
	{ "user", offsetof(struct options, user), USER, "ACCOUNT",
	  "who to become when started as root" },
	{ "helper-user", offsetof(struct options, helper_user), HELPER_USER, "ACCOUNT",
	  "who may ask about ssh keys, beside root" },
	{ "log", offsetof(struct options, log), "syslog", "TARGET",
	  "syslog, journal, stderr or file:PATH" },
	{ "ready-fd", offsetof(struct options, ready_fd), NULL, "N",
	  "descriptor to say \"ready socket=PATH\" on" },
};

static const char **option_at(struct options *options, size_t i)
{
	return (const char **)(void *)((char *)options + table[i].offset);
}

static void usage(FILE *out)
{
	fputs("usage: iotpki-agent [OPTIONS]\n\n"
	      "Decides for sshd and PAM who is admitted. Runs in the foreground.\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char left[32];
		(void)snprintf(left, sizeof(left), "--%s %s", table[i].name, table[i].argument);
		fprintf(out, "  %-22s %s%s%s%s\n", left, table[i].help,
			table[i].fallback != NULL ? " (default " : "",
			table[i].fallback != NULL ? table[i].fallback : "",
			table[i].fallback != NULL ? ")" : "");
	}
	fprintf(out, "  %-22s print the version\n  %-22s print this\n", "--version", "--help");
}

/* 0: go on; else leave with *code. */
static bool parse_options(int argc, char **argv, struct options *options, int *code)
{
	enum { VERSION = 1000, HELP };
	struct option known[ARRAY_LEN(table) + 3] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		known[i] = (struct option){ table[i].name, required_argument, NULL, (int)i + 1 };
		*option_at(options, i) = table[i].fallback;
	}
	known[ARRAY_LEN(table)] = (struct option){ "version", no_argument, NULL, VERSION };
	known[ARRAY_LEN(table) + 1] = (struct option){ "help", no_argument, NULL, HELP };
	int got = 0;
	while ((got = getopt_long(argc, argv, "", known, NULL)) != -1) {
		*code = got == '?' ? EXIT_USAGE : 0;
		if (got == VERSION)
			printf("iotpki-agent %s\n", iotpki_version());
		if (got == HELP || got == '?')
			usage(got == HELP ? stdout : stderr);
		if (got == '?' || got >= VERSION)
			return false;
		*option_at(options, (size_t)got - 1) = optarg;
	}
	if (optind == argc)
		return true;
	fprintf(stderr, "iotpki-agent: unexpected argument: %.64s\n", argv[optind]);
	usage(stderr);
	*code = EXIT_USAGE;
	return false;
}

static int fail(const char *what, enum iotpki_err err, const struct iotpki_detail *detail, int code)
{
	char why[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	iotpki_err_detail(err, detail, why, sizeof(why));
	fprintf(stderr, "iotpki-agent: %s: %s\n", what, why);
	char both[sizeof(why) + 128];
	(void)snprintf(both, sizeof(both), "%s: %s", what, why);
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", "start-failed", sizeof(both));
	log_line_text(&line, "error", both, sizeof(both));
	log_write(LOG_LEVEL_ERROR, "%s", line.text);
	return code;
}

static bool find_users(struct start *start)
{
	const struct passwd *helper = getpwnam(start->options.helper_user);
	start->helper = helper != NULL ? helper->pw_uid : ACCESS_NO_UID;
	start->admin = getuid();
	/* Started as somebody else than root, there is nobody to become. */
	if (geteuid() != 0 && strcmp(start->options.user, USER) == 0) {
		start->uid = geteuid();
		start->gid = getegid();
		return true;
	}
	const struct passwd *user = getpwnam(start->options.user);
	if (user == NULL)
		return false;
	start->uid = user->pw_uid;
	start->gid = user->pw_gid;
	return true;
}

/* The folder that the agent writes; its parents are left alone but for those that are missing. */
static enum iotpki_err make_state_dir(const struct start *start, struct iotpki_detail *detail)
{
	char parent[4096];
	const char *path = start->options.state_dir;
	const char *slash = strrchr(path, '/');
	if (slash != NULL && slash != path && (size_t)(slash - path) < sizeof(parent)) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
		const enum iotpki_err err = fs_mkdir(parent, 0755, detail);
		if (err != IOTPKI_OK)
			return err;
	}
	const enum iotpki_err err = fs_mkdir(path, 0700, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(fs_close)
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "%s", strerror(errno));
	if (geteuid() == 0 && st.st_uid == 0 && start->uid != 0 &&
	    fchown(fd, start->uid, start->gid) != 0)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "%s", strerror(errno));
	return IOTPKI_OK;
}

static enum iotpki_err open_socket(struct start *start, struct iotpki_detail *detail)
{
	const enum iotpki_err err =
		socket_inherit(secure_getenv("LISTEN_PID"), secure_getenv("LISTEN_FDS"),
			       &start->listen_fd, detail);
	if (err != IOTPKI_ERR_NOT_FOUND)
		return err;
	return socket_listen(start->options.socket, &start->listen_fd, detail);
}

static void say_ready(const struct start *start)
{
	if (start->ready_fd < 0)
		return;
	(void)dprintf(start->ready_fd, "ready socket=%s\n", start->options.socket);
	(void)close(start->ready_fd);
}

static void block_signals(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int serve(struct start *start)
{
	struct iotpki_detail detail = { 0 };
	const struct agent_options options = {
		.config_path = start->options.config,
		.state_dir = start->options.state_dir,
		.trust = { .owner = start->admin, .also_root = true, .forbidden = 0022 },
		.clock = clock_system(),
		.random = random_system(),
		.log = start->log,
		.listen_fd = start->listen_fd,
		.admin = start->admin,
		.helper = start->helper,
	};
	CLEANUP(agent_freep) struct agent *agent = NULL;
	enum iotpki_err err = agent_new(&options, &agent, &detail);
	if (err == IOTPKI_ERR_PERMISSION && access(start->options.config, R_OK) != 0)
		err = detail_set(&detail, err, 0, 0,
				 "cannot be read; the agent reads it as %s: chgrp and chmod 0640",
				 start->options.user);
	if (err != IOTPKI_OK)
		return fail("cannot start", err, &detail,
			    err == IOTPKI_ERR_PERMISSION ? EXIT_PERMISSION : EXIT_CONFIG);
	say_ready(start);
	log_write(LOG_LEVEL_NOTICE, "event=started version=%s", iotpki_version());
	err = agent_run(agent);
	return err == IOTPKI_OK ? 0 : fail("stopped", err, NULL, EXIT_INTERNAL);
}

static int no_such_user(const char *user)
{
	struct iotpki_detail detail = { 0 };
	char what[64];
	(void)snprintf(what, sizeof(what), "--user %.32s", user);
	const enum iotpki_err err = detail_set(
		&detail, IOTPKI_ERR_NOT_FOUND, 0, 0,
		"there is no such account; make it with useradd --system, or name another");
	return fail(what, err, &detail, EXIT_CONFIG);
}

/* All that needs root, then never again root. */
static int start_up(struct start *start)
{
	struct iotpki_detail detail = { 0 };
	if (!find_users(start))
		return no_such_user(start->options.user);
	enum iotpki_err err =
		agent_log_open(start->options.log, clock_system(), &start->log, &detail);
	if (err != IOTPKI_OK)
		return fail("--log", err, &detail, EXIT_USAGE);
	log_set_sink(agent_log_sink(start->log));
	if (start->helper == ACCESS_NO_UID)
		log_write(LOG_LEVEL_WARNING,
			  "event=no-such-user text=\"the user of --helper-user does not "
			  "exist: only root may ask about keys\"");
	const int log_fd = agent_log_fd(start->log);
	if (log_fd >= 0 && geteuid() == 0 && fchown(log_fd, start->uid, start->gid) != 0)
		return fail("--log", IOTPKI_ERR_IO, NULL, EXIT_PERMISSION);
	err = open_socket(start, &detail);
	if (err != IOTPKI_OK)
		return fail("--socket", err, &detail,
			    err == IOTPKI_ERR_EXISTS ? EXIT_UNAVAILABLE : EXIT_PERMISSION);
	err = make_state_dir(start, &detail);
	if (err != IOTPKI_OK)
		return fail("--state-dir", err, &detail, EXIT_PERMISSION);
	err = privileges_drop(start->options.user, start->uid, start->gid, &detail);
	if (err != IOTPKI_OK)
		return fail("--user", err, &detail, EXIT_PERMISSION);
	return serve(start);
}

static bool parse_ready_fd(struct start *start)
{
	uint64_t fd = 0;
	start->ready_fd = -1;
	if (start->options.ready_fd == NULL)
		return true;
	if (!uint_parse(start->options.ready_fd, strlen(start->options.ready_fd), 1023, &fd) ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
		return false;
	start->ready_fd = (int)fd;
	return true;
}

int main(int argc, char **argv)
{
	struct start start = { .listen_fd = -1 };
	int code = 0;
	fs_hold_standard();
	if (!parse_options(argc, argv, &start.options, &code))
		return code;
	if (!parse_ready_fd(&start)) {
		fputs("iotpki-agent: --ready-fd: not an open descriptor\n", stderr);
		return EXIT_USAGE;
	}
	(void)umask(0022);
	/* One thread: a second arena is memory for nothing. */
	(void)mallopt(M_ARENA_MAX, 1);
	privileges_harden();
	block_signals();
	code = start_up(&start);
	log_set_sink(NULL);
	agent_log_close(start.log);
	fs_close(&start.listen_fd);
	return code;
}
