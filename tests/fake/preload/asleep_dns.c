/*
 * Preloaded into a program under test: a name service that sleeps for 30 s over names
 * that end in ".asleep.test", and then has no answer. Whoever is kept waiting for it
 * leaves a mark: a file, ASLEEP_MARK, to which each sleeper adds a byte when it wakes.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLEEP_S = 30 };

typedef int look_up_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int sleep_over_it(void)
{
	struct timespec left = { .tv_sec = SLEEP_S };
	const char *mark = secure_getenv("ASLEEP_MARK");
	while (nanosleep(&left, &left) != 0)
		continue;
	const int fd =
		mark != NULL ? open(mark, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd >= 0) {
		(void)!write(fd, "z", 1);
		(void)close(fd);
	}
	return EAI_AGAIN;
}

__attribute__((visibility("default"))) int getaddrinfo(const char *restrict host,
						       const char *restrict port,
						       const struct addrinfo *restrict hints,
						       struct addrinfo **restrict out)
{
	static const char end[] = ".asleep.test";
	const size_t len = host != NULL ? strlen(host) : 0;
	look_up_fn *real = NULL;
	*out = NULL;
	if (len >= sizeof(end) - 1 && strcmp(host + len - (sizeof(end) - 1), end) == 0)
		return sleep_over_it();
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
	memcpy(&real, &symbol, sizeof(real));
	return real != NULL ? real(host, port, hints, out) : EAI_FAIL;
}
