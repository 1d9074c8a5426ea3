/*
 * Loading a list of 100,000 members against a bare libyaml event scan of the same file, and the
 * memory of a process that loads a second generation beside the first.
 * usage: bench_members [COUNT]
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <yaml.h>

#include "base/parse.h"
#include "config/membership.h"
#include "memberkit.h"

enum { ROUNDS = 5, COUNT = 100000, CHUNK = 1000 };
#define GOAL_RATIO 1.6
#define GOAL_MIB 64.0
#define GOAL_BYTES 350.0

static double now_s(void)
{
	struct timespec time;
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool generate(int fd, unsigned int count)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(8 << 20);
	(void)buf_printf(&text, "%smembers:\n", memberkit_head);
	for (unsigned int i = 0; i < count; i++) {
		memberkit_put_numbered(i, &text);
		if (i % CHUNK != CHUNK - 1 && i != count - 1)
			continue;
		if (buf_error(&text) != IOTPKI_OK ||
		    write(fd, text.data, text.len) != (ssize_t)text.len)
			return false;
		buf_clear(&text);
	}
	return true;
}

/* What any reader of the file has to do: every event, nothing else. */
static double scan(const char *path)
{
	FILE *file = fopen(path, "rb");
	yaml_parser_t parser;
	if (file == NULL || yaml_parser_initialize(&parser) != 1)
		exit(1);
	const double start = now_s();
	yaml_parser_set_input_file(&parser, file);
	for (bool more = true; more;) {
		yaml_event_t event;
		if (yaml_parser_parse(&parser, &event) != 1)
			exit(1);
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	const double taken = now_s() - start;
	yaml_parser_delete(&parser);
	(void)fclose(file);
	return taken;
}

static struct membership *load(const char *path)
{
	struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	if (membership_load(path, NULL, &list, &detail) == IOTPKI_OK)
		return list;
	fprintf(stderr, "%s:%u:%u: %s\n", detail.where, detail.line, detail.column, detail.message);
	exit(1);
}

static double timed_load(const char *path)
{
	const double start = now_s();
	struct membership *list = load(path);
	const double taken = now_s() - start;
	membership_unref(list);
	return taken;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

static void report(const char *name, double value, double goal)
{
	printf("bench: %s ratio=%.2f goal=%g %s\n", name, value, goal,
	       value <= goal ? "ok" : "short");
}

/* Sizes have no peer: their ratio is to what they may be. */
static void report_size(const char *name, double value, double most)
{
	printf("bench: %s ratio=%.2f goal=1 %s (%.2f of %g)\n", name, value / most,
	       value <= most ? "ok" : "short", value, most);
}

static long resident_kib(const char *key)
{
	char line[256];
	long found = 0;
	FILE *file = fopen("/proc/self/status", "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		uint64_t number;
		const char *at = line + strlen(key);
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		at += strspn(at, ": \t");
		if (uint_parse(at, strspn(at, "0123456789"), UINT32_MAX, &number))
			found = (long)number;
	}
	if (file != NULL)
		(void)fclose(file);
	return found;
}

/* In a process of its own: two generations at once, as while the agent reloads. */
static int measure_memory(const char *path)
{
	const long before = resident_kib("RssAnon");
	struct membership *first = load(path);
	const long one = resident_kib("RssAnon");
	struct membership *second = load(path);
	report_size("members_memory_mib", (double)resident_kib("VmHWM") / 1024, GOAL_MIB);
	report_size("members_bytes_each",
		    (double)(one - before) * 1024 / (double)membership_count(first), GOAL_BYTES);
	membership_unref(first);
	membership_unref(second);
	return 0;
}

static int in_child(char *self, char *path)
{
	static char flag[] = "--memory";
	char *argv[] = { self, flag, path, NULL };
	pid_t pid;
	int status;
	(void)fflush(stdout);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int bench(char *self, char *path, int fd, unsigned int count)
{
	if (!generate(fd, count)) {
		perror(path);
		return 1;
	}
	double ratios[ROUNDS], loads[ROUNDS];
	for (size_t i = 0; i < ROUNDS; i++) {
		const double bare = scan(path);
		loads[i] = timed_load(path);
		ratios[i] = loads[i] / bare;
	}
	printf("members: %u, loaded in %.2f s (median of %d)\n", count, median(loads, ROUNDS),
	       ROUNDS);
	report("members_load", median(ratios, ROUNDS), GOAL_RATIO);
	return in_child(self, path);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--memory") == 0)
		return measure_memory(argv[2]);
	uint64_t count = COUNT;
	if (argc > 2 || (argc == 2 && !uint_parse(argv[1], strlen(argv[1]), 1000000, &count))) {
		fprintf(stderr, "usage: %s [COUNT]\n", argv[0]);
		return 2;
	}
	char folder[] = "/tmp/iotpki-bench-XXXXXX";
	char path[64];
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/members.yaml", folder);
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	const int result = fd < 0 ? 1 : bench(argv[0], path, fd, (unsigned int)count);
	(void)unlink(path);
	(void)rmdir(folder);
	return result;
}
