/*
 * Asks the B-nodes once for every member, now and then (paper V-4; design 7):
 * logs who is not in order any more, and learns the ssh= fingerprints of records.
 * Many names go in one request, a few requests at a time; logins never wait for it.
 */
#pragma once

#include "agent/judge.h"
#include "agent/known.h"
#include "base/random.h"

struct refresh;

/** The NVS client behind, replaceable in tests; the functions are nvs_ask_many's and nvs_cancel's twins. */
struct refresh_nvs {
	enum iotpki_err (*ask)(void *nvs, const char *const *names, size_t name_count,
			       int64_t timeout_ms, nvs_many_fn *answer, void *context,
			       struct nvs_question **question_out);
	void (*cancel)(void *nvs, struct nvs_question *question);
	void *nvs;
};

struct refresh_options {
	struct judge judge;
	const struct random_source *random;
	struct refresh_nvs nvs;
	struct questions *questions; /* hears every answer: what is reused is judged by it */
	struct known *known;
};

enum iotpki_err refresh_new(const struct refresh_options *options,
			    struct refresh **refresh_out) MUST_CHECK;
void refresh_free(struct refresh *refresh);
void refresh_freep(struct refresh **refresh);

/** Another client: what is running begins again. The old one must still be there for its cancels. */
void refresh_configure(struct refresh *refresh, const struct refresh_nvs *nvs);
/** Reuse nothing any more and ask for all, from the first. Returns how many members there are. */
size_t refresh_start(struct refresh *refresh);
/** Start by the timer, go on with what is running. Milliseconds until the next work, at least 0. */
int64_t refresh_work(struct refresh *refresh);

/** How far the last one is. */
struct refresh_progress {
	bool running;
	uint64_t run;   /* the first one is 1; 0: none yet */
	size_t members; /* of the list that it walks */
	size_t verdicts[IOTPKI_UNAVAILABLE + 1];
};
struct refresh_progress refresh_progress(const struct refresh *refresh);
