/*
 * Tells when somebody edits the configuration or the list: inotify on their
 * folders, with a pause so that an editor's several steps are one change.
 */
#pragma once

#include "agent/loop.h"
#include "base/clock.h"

struct watch;

/** @param folder  of iotpki.yaml and members.yaml; members.d in it is watched too */
enum iotpki_err watch_new(struct loop *loop, const struct clock *clock, const char *folder,
			  struct watch **watch_out) MUST_CHECK;
void watch_free(struct watch *watch);
void watch_freep(struct watch **watch);
/** Milliseconds until a change is to be acted upon (0: now), -1: nothing has changed. */
int64_t watch_due(const struct watch *watch);
/** It is being acted upon. */
void watch_reset(struct watch *watch);
