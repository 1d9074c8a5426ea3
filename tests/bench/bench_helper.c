/*
 * iotpki-authorized-keys as a whole process against /bin/true, in one run and interleaved
 * (design 14): sshd starts it for every key that anybody offers.
 * usage: bench_helper HELPER [RUNS]; root, since the helper trusts an agent of root alone.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_agent.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIGd4Zk8XBfMFLRGVUKzR0fAgUBv8N7T8fQeqIpzKYQ0Y"
#define LINE "restrict,pty ssh-ed25519 " KEY "\n"

enum { RUNS_DEFAULT = 600, RUNS_MAX = 20000 };

struct candidate {
	const char *name;
	char **argv;
	const char *answer; /* NULL: needs no agent */
	const char *want;   /* what it must print */
	double goal;
	double *ms;
};

static double now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return values[count / 2];
}

/* One process, from spawn to the end of its output and its exit status. */
static double run(const struct candidate *candidate)
{
	char *environment[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };
	char got[4096];
	int ends[2];
	pid_t pid = 0;
	int status = -1;
	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	posix_spawn_file_actions_t actions;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	const double start = now_ms();
	if (posix_spawn(&pid, candidate->argv[0], &actions, NULL, candidate->argv, environment) !=
	    0)
		abort();
	(void)close(ends[1]);
	size_t len = 0;
	for (ssize_t count; (count = read(ends[0], got + len, sizeof(got) - len)) > 0;)
		len += (size_t)count;
	(void)waitpid(pid, &status, 0);
	const double took = now_ms() - start;
	(void)close(ends[0]);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (status != 0 || len != strlen(candidate->want) ||
	    memcmp(got, candidate->want, len) != 0) {
		fprintf(stderr, "bench_helper: %s printed '%.*s', status %d\n", candidate->name,
			(int)len, got, status);
		exit(1);
	}
	return took;
}

static void report(const struct candidate *candidate, int runs, double base_ms)
{
	const double ms = median(candidate->ms, runs);
	const double ratio = ms / base_ms;
	const int good = ratio <= candidate->goal;
	printf("bench: %s ratio=%.2f goal=%.1f %s (%.3f ms, /bin/true %.3f ms, %d runs)\n",
	       candidate->name, ratio, candidate->goal, good ? "ok" : "short", ms, base_ms, runs);
}

int main(int argc, char **argv)
{
	if (argc < 2 || geteuid() != 0) {
		fprintf(stderr, "usage: bench_helper HELPER [RUNS], as root\n");
		return argc < 2 ? 2 : 77;
	}
	int runs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : RUNS_DEFAULT;
	runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
	struct fake_agent agent;
	fake_agent_start(&agent);
	char *true_argv[] = { (char[]){ "/bin/true" }, NULL };
	char *ask_argv[] = { argv[1],
			     (char[]){ "--socket" },
			     agent.socket,
			     (char[]){ "pi" },
			     (char[]){ "ssh-ed25519" },
			     (char[]){ KEY },
			     NULL };
	struct candidate candidates[] = {
		{ "true", true_argv, NULL, "", 1.0, NULL },
		{ "helper_hit", ask_argv,
		  "iotpki/1 ADMIT\nkey=ssh-ed25519 " KEY "\noptions=restrict,pty\n", LINE, 1.6,
		  NULL },
		{ "helper_miss", ask_argv, "iotpki/1 DENY\nreason=not-member\ncode=IPK-101\n", "",
		  1.5, NULL },
	};
	const int count = (int)(sizeof(candidates) / sizeof(candidates[0]));
	for (int i = 0; i < count; i++) {
		candidates[i].ms = calloc((size_t)runs, sizeof(double));
		if (candidates[i].ms == NULL)
			return 1;
	}
	for (int i = -20; i < runs; i++) { /* the first rounds fill the caches */
		for (int c = 0; c < count; c++) {
			if (candidates[c].answer != NULL)
				fake_agent_say(&agent, candidates[c].answer);
			const double took = run(&candidates[c]);
			if (i >= 0)
				candidates[c].ms[i] = took;
		}
	}
	fake_agent_stop(&agent);
	const double base_ms = median(candidates[0].ms, runs);
	for (int c = 1; c < count; c++)
		report(&candidates[c], runs, base_ms);
	for (int c = 0; c < count; c++)
		free(candidates[c].ms);
	return 0; /* a goal that is missed is said, not failed: machines differ */
}
