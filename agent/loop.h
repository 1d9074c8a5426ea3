/*
 * One epoll descriptor and who is told when a descriptor of it is ready. Its own
 * descriptor is what nvs_poll() waits for beside the B-nodes' connections.
 */
#pragma once

#include "base/base.h"

struct loop;

/** One watched descriptor, a member of its owner's structure. */
struct loop_source {
	int fd;
	void (*ready)(void *context, uint32_t events); /* may remove any source */
	void *context;
};

enum iotpki_err loop_new(struct loop **loop_out) MUST_CHECK;
void loop_free(struct loop *loop);
void loop_freep(struct loop **loop);
int loop_fd(const struct loop *loop);

/** Watch source->fd for reading; the source stays where it is until loop_remove(). */
enum iotpki_err loop_add(struct loop *loop, struct loop_source *source) MUST_CHECK;
void loop_remove(struct loop *loop, struct loop_source *source);
/** Tell whoever is ready now; never waits. A bounded number a call, the rest stays ready. */
void loop_dispatch(struct loop *loop);
