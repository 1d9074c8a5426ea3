/* inotify; what changed is not asked, the files themselves are read again. */
#include "agent/watch.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/snapshot.h"

enum { SETTLE_MS = 200, EVENTS_SIZE = 4096 };

#define FOLDER_EVENTS                                                                       \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | \
	 IN_ONLYDIR)

struct watch {
	struct loop *loop;
	const struct clock *clock;
	struct loop_source source;
	char folder[SNAPSHOT_PATH_MAX];
	char members[SNAPSHOT_PATH_MAX]; /* members.d */
	int64_t changed_ms;              /* -1: nothing */
};

/* The same folder again is no second watch; members.d may have come only now. */
static void add_watches(struct watch *watch)
{
	(void)inotify_add_watch(watch->source.fd, watch->folder, FOLDER_EVENTS);
	(void)inotify_add_watch(watch->source.fd, watch->members, FOLDER_EVENTS);
}

static void ready(void *context, uint32_t events)
{
	struct watch *watch = context;
	char data[EVENTS_SIZE];
	(void)events;
	ssize_t len = 0;
	do
		len = read(watch->source.fd, data, sizeof(data));
	while (len > 0);
	add_watches(watch);
	watch->changed_ms = watch->clock->mono_ms(watch->clock);
}

enum iotpki_err watch_new(struct loop *loop, const struct clock *clock, const char *folder,
			  struct watch **watch_out)
{
	*watch_out = NULL;
	CLEANUP(watch_freep) struct watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return IOTPKI_ERR_NOMEM;
	watch->clock = clock;
	watch->changed_ms = -1;
	const int len = snprintf(watch->folder, sizeof(watch->folder), "%s", folder);
	if (len < 0 || (size_t)len >= sizeof(watch->folder) ||
	    snapshot_path(watch->members, folder, SNAPSHOT_FOLDER) != IOTPKI_OK)
		return IOTPKI_ERR_LIMIT;
	watch->source =
		(struct loop_source){ inotify_init1(IN_CLOEXEC | IN_NONBLOCK), ready, watch };
	if (watch->source.fd < 0)
		return IOTPKI_ERR_IO;
	const enum iotpki_err err = loop_add(loop, &watch->source);
	if (err != IOTPKI_OK)
		return err;
	watch->loop = loop;
	add_watches(watch);
	*watch_out = STEAL(watch);
	return IOTPKI_OK;
}

void watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->loop != NULL)
		loop_remove(watch->loop, &watch->source);
	if (watch->source.fd > 0)
		(void)close(watch->source.fd);
	free(watch);
}

void watch_freep(struct watch **watch)
{
	watch_free(*watch);
	*watch = NULL;
}

int64_t watch_due(const struct watch *watch)
{
	if (watch->changed_ms < 0)
		return -1;
	const int64_t left_ms = watch->changed_ms + SETTLE_MS - watch->clock->mono_ms(watch->clock);
	return left_ms > 0 ? left_ms : 0;
}

void watch_reset(struct watch *watch)
{
	watch->changed_ms = -1;
}
