/*
 * Preloaded into a program under test: its wall clock stands where a file says, and its boot-time clock is
 * ahead by as much as the file says (struct fake_clock, FAKE_CLOCK names it). The monotonic clock, by which
 * timeouts go, stays what it is.
 */
#include "fake/fake_clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile struct fake_clock *fake;

__attribute__((constructor)) static void look(void)
{
	const char *path = secure_getenv("FAKE_CLOCK");
	const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *map = mmap(NULL, sizeof(struct fake_clock), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		fake = map;
	(void)close(fd);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *out)
{
	if (fake != NULL && id == CLOCK_REALTIME) {
		*out = (struct timespec){ .tv_sec = fake->wall_s };
		return 0;
	}
	const int rc = (int)syscall(SYS_clock_gettime, id, out);
	if (fake != NULL && rc == 0 && id == CLOCK_BOOTTIME)
		out->tv_sec += fake->boot_ahead_s;
	return rc;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
	struct timespec now = { 0 };
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
