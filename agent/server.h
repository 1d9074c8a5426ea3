/*
 * The agent's socket: connections, their caps and time limits, who asks. One
 * request and one answer a connection. What is asked is somebody else's work
 * (the handler), who answers when he can, by the connection's id.
 */
#pragma once

#include "agent/access.h"
#include "agent/frame.h"
#include "agent/loop.h"
#include "base/clock.h"

/** Caps. A local user's flood ends at its own cap, far from root's and the helper's room. */
enum {
	SERVER_CONNECTIONS_MAX = 1024, /* all */
	SERVER_ROOT_RESERVE = 64,      /* of them for root alone */
	SERVER_ANYBODY_MAX = 64,       /* of all users that are nobody special */
	SERVER_PER_USER_MAX = 8,       /* of one such user */
	SERVER_REQUEST_MS = 2000,      /* a connection without a request lives this long */
	SERVER_ANSWER_MS = 6000,       /* with one: longer than any deadline */
	SERVER_STATUS_PER_S = 20,      /* requests of ACCESS_ANYBODY a second, all together */
};

struct server;

/** Called with each well-formed, permitted request. Answers with server_answer(), now or later. */
typedef void server_request_fn(void *context, uint64_t id, const struct frame_request *request);

struct server_options {
	struct loop *loop;
	const struct clock *clock;
	int listen_fd; /* listening, non-blocking SOCK_SEQPACKET; stays the caller's */
	server_request_fn *request;
	void *context;
};

enum iotpki_err server_new(const struct server_options *options,
			   struct server **server_out) MUST_CHECK;
void server_free(struct server *server);
void server_freep(struct server **server);
/** Who is who from now on. */
void server_set_access(struct server *server, const struct access *access);

/** Send the answer and hang up. An id whose connection is gone is no error: nobody waits there any more. */
void server_answer(struct server *server, uint64_t id, const struct frame_answer *answer);
/** Hang up on connections whose time is over. Returns the milliseconds until the next may be, -1: none. */
int64_t server_expire(struct server *server);
/** Take no new connections any more (SIGTERM). */
void server_stop_listening(struct server *server);
size_t server_connections(const struct server *server);
/** Connections that were hung up on because of a cap. */
uint64_t server_refused(const struct server *server);
