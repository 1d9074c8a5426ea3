/*
 * The real iotpki-agent as a child of a test: its folders, its configuration, its
 * list, and questions over its socket.
 */
#pragma once

#include <sys/types.h>

#include "agent/frame.h"
#include "base/buf.h"
#include "config/config.h"
#include "unit/memberkit.h"

struct agentkit {
	const char *program;
	char folder[64];
	char socket[96];
	char config[96], members[96], state[96];
	pid_t pid;
	char log[96];
};

/** Folders; nothing runs yet. Aborts if it cannot. */
void agentkit_init(struct agentkit *kit, const char *program);
/** iotpki.yaml: these nodes and the lines that follow "bnodes:". */
void agentkit_config(const struct agentkit *kit, const struct config_node *nodes, size_t count,
		     const char *rest);
/** members.yaml: the usual head and these entries. */
void agentkit_members(const struct agentkit *kit, const char *entries);
/** Start and wait until it is ready. */
void agentkit_start(struct agentkit *kit);
/** SIGTERM, and its exit code. */
int agentkit_stop(struct agentkit *kit);
void agentkit_remove(struct agentkit *kit);

/** Connect and send; the descriptor to read the answer from. */
int agentkit_send(const struct agentkit *kit, const char *request);
/** Read the answer and close; out is terminated, "" if there is none. */
void agentkit_receive(int fd, char out[static FRAME_MAX + 1]);
void agentkit_ask(const struct agentkit *kit, const char *request, char out[static FRAME_MAX + 1]);
/** authorize-key for a "TYPE BASE64". */
void agentkit_key_request(const char *user, const char *key, char *out, size_t size);
/** A member with a real key (memberkit's own are no points of the curve), made anew each time. */
void agentkit_person(struct memberkit *kit, const char *name);
/** His entry: role operator, registration farm = his certificate's hash. */
void agentkit_put_entry(const struct memberkit *kit, struct buf *out);
/** Microseconds of the monotonic clock. */
int64_t agentkit_now_us(void);
/** A number of /proc/PID/status, in KiB. */
long agentkit_status_kib(const struct agentkit *kit, const char *key);
