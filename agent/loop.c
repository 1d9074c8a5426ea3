/* The epoll wrapper. */
#include "agent/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

/* Many, so that who asks little is answered before the next portion of questions is sent. */
enum { LOOP_BATCH = 256 };

struct loop {
	int fd;
	int batch_count;
	struct epoll_event batch[LOOP_BATCH]; /* being dispatched */
};

enum iotpki_err loop_new(struct loop **loop_out)
{
	*loop_out = NULL;
	struct loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return IOTPKI_ERR_NOMEM;
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0) {
		free(loop);
		return IOTPKI_ERR_IO;
	}
	*loop_out = loop;
	return IOTPKI_OK;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	(void)close(loop->fd);
	free(loop);
}

void loop_freep(struct loop **loop)
{
	loop_free(*loop);
	*loop = NULL;
}

int loop_fd(const struct loop *loop)
{
	return loop->fd;
}

enum iotpki_err loop_add(struct loop *loop, struct loop_source *source)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = source };
	return epoll_ctl(loop->fd, EPOLL_CTL_ADD, source->fd, &event) == 0 ? IOTPKI_OK
									   : IOTPKI_ERR_IO;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	(void)epoll_ctl(loop->fd, EPOLL_CTL_DEL, source->fd, NULL);
	/* An event of it may wait in the batch that is being dispatched. */
	for (int i = 0; i < loop->batch_count; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

void loop_dispatch(struct loop *loop)
{
	const int count = epoll_wait(loop->fd, loop->batch, LOOP_BATCH, 0);
	loop->batch_count = count > 0 ? count : 0;
	for (int i = 0; i < loop->batch_count; i++) {
		struct loop_source *source = loop->batch[i].data.ptr;
		if (source != NULL)
			source->ready(source->context, loop->batch[i].events);
	}
	loop->batch_count = 0;
}
