/*
 * Which B-nodes' answers are reused, and for whom (design 4, "What is reused"):
 * the set of node answers for a name, never a verdict. A question in flight is
 * asked once for all who wait for it. Judges nothing: a callback says whether an
 * answer is negative. Bounded: names, questions in flight, questions of one name.
 */
#pragma once

#include <iotpki/decide.h>

#include "base/clock.h"
#include "nvs/nvs.h"

enum {
	QUESTIONS_NAMES_MAX = 1024,    /* sets of answers kept or in flight */
	QUESTIONS_IN_FLIGHT_MAX = 512, /* questions at the B-nodes, all names */
	QUESTIONS_PER_NAME_MAX = 8,    /* at the B-nodes, of one name; one more waits in line */
};

struct questions;
struct question; /* one set of answers, in flight or kept */

/** The NVS client behind, replaceable in tests; the functions are nvs_ask's and nvs_cancel's twins. */
struct questions_nvs {
	enum iotpki_err (*ask)(void *nvs, const char *name, nvs_answer_fn *answer, void *context,
			       struct nvs_question **question_out);
	void (*cancel)(void *nvs, struct nvs_question *question);
	void *nvs;
};

/** The answers of one name so far. */
struct questions_view {
	const char *name;
	const struct iotpki_answer *answers;
	size_t count;
	bool deadline; /* none of them will change any more */
	bool reused;   /* the question was sent for an earlier request */
};

/** Whoever waits for a set of answers; a member of its owner's structure, zero-initialised. */
struct questions_waiter {
	/* Called after each answer. May leave, or let other waiters leave; must not join. */
	void (*answered)(void *context, const struct questions_view *view);
	void *context;
	/* owned by questions.c */
	struct question *question; /* NULL: waits for nothing */
	struct questions_waiter *next, *previous;
	bool reused;
};

/**
 * Called after the waiters with each new set, waited for or not ("Later answers are still read").
 * @param waited  somebody was still waiting for this set before this answer
 * @return true: the set holds a negative answer; what is reused of the name is dropped
 */
typedef bool questions_judge_fn(void *context, const struct questions_view *view, bool waited);

struct questions_options {
	struct questions_nvs nvs;
	const struct clock *clock;
	size_t node_count;
	unsigned int needed;     /* a kept set with fewer registered answers is not reused */
	int64_t positive_ttl_ms; /* counted from when the question was sent */
	questions_judge_fn *judge;
	void *context;
};

enum iotpki_err questions_new(const struct questions_options *options,
			      struct questions **questions_out) MUST_CHECK;
/** Cancels what is in flight; waiters are forgotten without a call. */
void questions_free(struct questions *questions);
void questions_freep(struct questions **questions);

/**
 * Another client or another policy: nothing is reused, what is waited for is asked again. The old
 * client must still be there for its cancels. Calls back nobody.
 */
enum iotpki_err questions_configure(struct questions *questions,
				    const struct questions_options *options) MUST_CHECK;

/**
 * Wait for a name's answers: those that may be reused, those in flight, or new ones, which are
 * sent by questions_work(). Never calls back from inside; look at questions_view() at once.
 * @return IOTPKI_ERR_LIMIT (bounds above), IOTPKI_ERR_NOMEM
 */
enum iotpki_err questions_join(struct questions *questions, const char *name,
			       struct questions_waiter *waiter) MUST_CHECK;
/** Stop waiting; allowed when the waiter waits for nothing. The answers are still read. */
void questions_leave(struct questions_waiter *waiter);
/** What is there already; count is 0 if the waiter waits for nothing. */
void questions_view(const struct questions_waiter *waiter, struct questions_view *view_out);

/**
 * Answers that were heard elsewhere (the refresh asks by itself): judged as those of a question
 * are, so that a negative one drops what is reused of the name.
 */
void questions_heard(struct questions *questions, const struct questions_view *view, bool waited);
/** It waits for a question that was not sent yet: no node has kept silent. */
bool questions_unasked(const struct questions_waiter *waiter);

/** Reuse nothing that is here now: of one name, or (NULL) of all. Those who wait go on waiting. */
void questions_drop(struct questions *questions, const char *name);
/**
 * Send some of what waits to be sent, for at most budget_ms: a burst of questions must not delay who
 * needs none. Forget what is too old. Returns true if there is more to send.
 */
bool questions_work(struct questions *questions, int64_t budget_ms);
/** Sets that are in flight or waiting to be sent. */
size_t questions_in_flight(const struct questions *questions);
