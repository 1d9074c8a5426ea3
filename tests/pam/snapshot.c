/* See the header. */
#include "snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

static void add(struct snapshot *snapshot, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct snapshot *snapshot, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int len = vsnprintf(snapshot->text + snapshot->len, SNAPSHOT_MAX - snapshot->len,
				  format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= SNAPSHOT_MAX - snapshot->len)
		abort(); /* a cut snapshot would compare equal */
	snapshot->len += (size_t)len;
}

static void add_signals(struct snapshot *snapshot)
{
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action = { 0 };
		if (sigaction(number, NULL, &action) != 0)
			continue;
		add(snapshot, "signal %d: %p flags %x\n", number, *(void **)&action.sa_handler,
		    (unsigned int)action.sa_flags);
	}
}

/* The lines of /proc/self/status that say who we are, not how much memory we used. */
static void add_status(struct snapshot *snapshot, const char *path)
{
	static const char *const kept[] = {
		"Umask:",  "Uid:",   "Gid:",   "Groups:",   "Threads:",
		"SigBlk:", "SigIgn", "SigCgt", "CapInh:",   "CapPrm:",
		"CapEff:", "CapBnd", "CapAmb", "NoNewPriv", "Seccomp:"
	};
	char line[1024];
	FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (strncmp(line, kept[i], strlen(kept[i])) == 0)
				add(snapshot, "%s %s", path, line);
	if (file != NULL)
		(void)fclose(file);
}

static int compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_threads(struct snapshot *snapshot)
{
	struct dirent **entries = NULL;
	const int count = scandir("/proc/self/task", &entries, NULL, compare);
	for (int i = 0; i < count; i++) {
		char path[300];
		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			add_status(snapshot, path);
		free(entries[i]);
	}
	free(entries);
}

static void add_descriptors(struct snapshot *snapshot)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64];
		char target[256];
		const int flags = fcntl(fd, F_GETFD);
		if (flags == -1)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		const ssize_t len = readlink(path, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		add(snapshot, "fd %d: %s %x %x\n", fd, target, (unsigned int)flags,
		    (unsigned int)fcntl(fd, F_GETFL));
	}
}

static void add_limits(struct snapshot *snapshot)
{
	for (int resource = 0; resource < RLIMIT_NLIMITS; resource++) {
		struct rlimit limit = { 0 };
		(void)getrlimit((__rlimit_resource_t)resource, &limit);
		add(snapshot, "limit %d: %llu %llu\n", resource, (unsigned long long)limit.rlim_cur,
		    (unsigned long long)limit.rlim_max);
	}
	for (int timer = 0; timer < 3; timer++) {
		struct itimerval value = { 0 };
		(void)getitimer((__itimer_which_t)timer, &value);
		add(snapshot, "timer %d: %ld %ld\n", timer, (long)value.it_value.tv_sec,
		    (long)value.it_interval.tv_sec);
	}
	add(snapshot, "priority %d\n", getpriority(PRIO_PROCESS, 0));
}

void snapshot_take(struct snapshot *snapshot)
{
	snapshot->len = 0;
	char cwd[4096];
	uid_t uids[3] = { 0 };
	gid_t gids[3] = { 0 };
	add_signals(snapshot);
	add_descriptors(snapshot);
	add_status(snapshot, "/proc/self/status");
	add_threads(snapshot);
	add_limits(snapshot);
	(void)getresuid(&uids[0], &uids[1], &uids[2]);
	(void)getresgid(&gids[0], &gids[1], &gids[2]);
	add(snapshot, "ids %u %u %u, %u %u %u\n", uids[0], uids[1], uids[2], gids[0], gids[1],
	    gids[2]);
	add(snapshot, "process group %d, session %d\n", getpgrp(), getsid(0));
	add(snapshot, "cwd %s\n", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "-");
	add(snapshot, "locale %s\n", setlocale(LC_ALL, NULL));
	for (char **variable = environ; *variable != NULL; variable++)
		add(snapshot, "environment %p %.500s\n", (void *)*variable, *variable);
}

const char *snapshot_difference(const struct snapshot *before, const struct snapshot *after)
{
	static char line[256];
	if (before->len == after->len && memcmp(before->text, after->text, before->len) == 0)
		return NULL;
	size_t start = 0;
	for (size_t i = 0; i < after->len; i++) {
		if (i >= before->len || before->text[i] != after->text[i])
			break;
		if (after->text[i] == '\n')
			start = i + 1;
	}
	(void)snprintf(line, sizeof(line), "now '%.*s', before '%.*s'",
		       (int)strcspn(after->text + start, "\n") % 100, after->text + start,
		       (int)strcspn(before->text + start, "\n") % 100, before->text + start);
	return line;
}
