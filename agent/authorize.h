/*
 * The verbs that ask for a verdict (design 8, 9): who the candidates are, and
 * what is answered when they are decided. Whom a key belongs to is a look-up in
 * the list; what that is worth, decide() alone says.
 */
#pragma once

#include "agent/job.h"
#include "agent/known.h"
#include "agent/recent.h"

struct authorize;

struct authorize_options {
	struct lists *lists;
	const struct clock *clock;
	const struct state *state;   /* NULL: none */
	struct agent_log *log;       /* NULL: decisions are not logged */
	struct questions *questions; /* may be set later, before the first request */
	uint64_t first_id;           /* correlation ids count from here */
	void (*answer)(void *context, uint64_t connection, const struct frame_answer *answer);
	void *context;
};

/** How often each verdict was answered, for status. */
struct authorize_counts {
	uint64_t admitted, denied, unavailable;
	size_t waiting;
};

enum iotpki_err authorize_new(const struct authorize_options *options,
			      struct authorize **authorize_out) MUST_CHECK;
void authorize_free(struct authorize *authorize);
void authorize_freep(struct authorize **authorize);
void authorize_set_questions(struct authorize *authorize, struct questions *questions);

/** authorize-key, authorize-user, explain; answers by options.answer, now or later. */
void authorize_request(struct authorize *authorize, uint64_t connection,
		       const struct frame_request *request);
/** Answer whose time is over. Returns milliseconds until the next, -1: none. */
int64_t authorize_expire(struct authorize *authorize);
/** For struct questions_options, with the authorize as context. */
bool authorize_judge(void *authorize, const struct questions_view *view, bool waited);

/** What refresh learned (known.h); and forget all hints (purge). */
struct known *authorize_known(struct authorize *authorize);
void authorize_forget(struct authorize *authorize);
struct authorize_counts authorize_counts(const struct authorize *authorize);
