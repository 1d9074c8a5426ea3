/* One walk over a generation of the list, a batch of names at a time. */
#include "agent/refresh.h"

#include <string.h>

#include "base/log.h"
#include "nvs/quorum.h"

enum {
	BATCHES = 2, /* at the B-nodes at a time: one is read while the other is asked */
	FIRST_MS = 30 * 1000,
	BATCH_MS = 10 * 1000, /* a hundred histories of a chain take longer than one login's */
	PAUSE_MS = 200,       /* at most, after each batch of a walk that nobody waits for */
	LATER_MS = 100,       /* after a batch that could not be sent */
};

struct batch {
	struct refresh *refresh;
	struct nvs_question *question; /* NULL: nothing is asked */
	size_t count;
	struct {
		char name[IOTPKI_NAME_MAX + 1];
		bool decided;
	} members[NVS_MANY_MAX];
};

struct refresh {
	struct refresh_options options;
	struct membership *list; /* the generation that is walked; NULL: none is */
	size_t next;
	bool by_timer;
	int64_t due_ms;   /* the next walk */
	int64_t pause_ms; /* no batch before this */
	struct refresh_progress progress;
	struct batch batches[BATCHES];
};

static int64_t now_ms(const struct refresh *refresh)
{
	return refresh->options.judge.clock->mono_ms(refresh->options.judge.clock);
}

static int64_t random_ms(const struct refresh *refresh, int64_t most_ms)
{
	uint32_t number = 0;
	if (most_ms <= 0 || refresh->options.random->fill(refresh->options.random, &number,
							  sizeof(number)) != IOTPKI_OK)
		return 0;
	return (int64_t)(number % (uint64_t)most_ms);
}

static int64_t jitter_ms(const struct refresh *refresh)
{
	return random_ms(refresh,
			 lists_config(refresh->options.judge.lists)->refresh_jitter_s * 1000);
}

static void plan_next(struct refresh *refresh)
{
	refresh->due_ms = now_ms(refresh) +
			  lists_config(refresh->options.judge.lists)->refresh_every_s * 1000 +
			  jitter_ms(refresh);
}

enum iotpki_err refresh_new(const struct refresh_options *options, struct refresh **refresh_out)
{
	*refresh_out = NULL;
	struct refresh *refresh = calloc(1, sizeof(*refresh));
	if (refresh == NULL)
		return IOTPKI_ERR_NOMEM;
	refresh->options = *options;
	for (size_t i = 0; i < BATCHES; i++)
		refresh->batches[i].refresh = refresh;
	/* The first one soon, not at once: a fleet that comes back after a power cut spreads. */
	const int64_t every_ms = lists_config(options->judge.lists)->refresh_every_s * 1000;
	refresh->due_ms =
		now_ms(refresh) + (every_ms < FIRST_MS ? every_ms : FIRST_MS) + jitter_ms(refresh);
	*refresh_out = refresh;
	return IOTPKI_OK;
}

static void stop(struct refresh *refresh)
{
	const struct refresh_nvs *nvs = &refresh->options.nvs;
	for (size_t i = 0; i < BATCHES; i++) {
		struct nvs_question *question = STEAL(refresh->batches[i].question);
		if (question != NULL)
			nvs->cancel(nvs->nvs, question);
	}
	membership_unref(refresh->list);
	refresh->list = NULL;
	refresh->progress.running = false;
}

void refresh_free(struct refresh *refresh)
{
	if (refresh == NULL)
		return;
	stop(refresh);
	free(refresh);
}

void refresh_freep(struct refresh **refresh)
{
	refresh_free(*refresh);
	*refresh = NULL;
}

struct refresh_progress refresh_progress(const struct refresh *refresh)
{
	return refresh->progress;
}

static size_t start(struct refresh *refresh, bool by_timer)
{
	stop(refresh);
	struct membership *list = lists_membership(refresh->options.judge.lists);
	refresh->list = list == NULL ? NULL : membership_ref(list);
	refresh->next = 0;
	refresh->by_timer = by_timer;
	refresh->pause_ms = 0;
	refresh->progress = (struct refresh_progress){
		.running = list != NULL,
		.run = refresh->progress.run + 1,
		.members = list == NULL ? 0 : membership_count(list),
	};
	questions_drop(refresh->options.questions, NULL);
	plan_next(refresh);
	return refresh->progress.members;
}

size_t refresh_start(struct refresh *refresh)
{
	return start(refresh, false);
}

void refresh_configure(struct refresh *refresh, const struct refresh_nvs *nvs)
{
	const bool running = refresh->progress.running;
	stop(refresh);
	refresh->options.nvs = *nvs;
	if (running)
		(void)start(refresh, refresh->by_timer);
}

/* ---- answers ---- */

static bool same_key(const struct iotpki_answer *a, const struct iotpki_answer *b)
{
	return a->record.has_ssh == b->record.has_ssh &&
	       (!a->record.has_ssh || memcmp(a->record.ssh, b->record.ssh, IOTPKI_SHA256_LEN) == 0);
}

/* How many nodes say of the record's key what slot i says. */
static unsigned int supporters(const struct questions_view *view, size_t i)
{
	uint32_t nodes = 0;
	for (size_t j = 0; j < view->count; j++)
		if (view->answers[j].outcome == IOTPKI_OUTCOME_REGISTERED &&
		    same_key(&view->answers[i], &view->answers[j]))
			nodes |= UINT32_C(1) << quorum_node(view->answers, j);
	return (unsigned int)__builtin_popcount(nodes);
}

/* What most say, and of those a key before none; NULL: nobody has the record. */
static const struct iotpki_answer *most_said(const struct questions_view *view,
					     unsigned int *count_out)
{
	const struct iotpki_answer *most = NULL;
	*count_out = 0;
	for (size_t i = 0; i < view->count; i++) {
		const struct iotpki_answer *answer = &view->answers[i];
		if (answer->outcome != IOTPKI_OUTCOME_REGISTERED)
			continue;
		const unsigned int count = supporters(view, i);
		if (count < *count_out || (count == *count_out && !answer->record.has_ssh))
			continue;
		most = answer;
		*count_out = count;
	}
	return most;
}

/*
 * Only n nodes change what is known, also that a record has no key any more: by one that lags or
 * lies, alone in an outage at this moment, its key would be locked out until the next refresh.
 */
static void learn_key(const struct refresh *refresh, const struct questions_view *view)
{
	struct known *known = refresh->options.known;
	const struct lists *lists = refresh->options.judge.lists;
	const struct member *member = lists_member(lists, view->name);
	unsigned int count = 0;
	const struct iotpki_answer *most = most_said(view, &count);
	if (member == NULL)
		return known_set(known, view->name, NULL);
	if (most == NULL || (count < quorum_needed(lists_config(lists)->needed,
						   quorum_nodes(view->answers, view->count)) &&
			     known_has(known, view->name)))
		return;
	const bool listed = member->ssh != NULL && most->record.has_ssh &&
			    memcmp(most->record.ssh, member->ssh, IOTPKI_SHA256_LEN) == 0;
	known_set(known, view->name, most->record.has_ssh && !listed ? most->record.ssh : NULL);
}

static void log_denied(const char *name, const struct iotpki_decision *decision)
{
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", "refresh-denied", 32);
	log_line_text(&line, "name", name, IOTPKI_NAME_MAX);
	log_line_text(&line, "reason", iotpki_reason_name(decision->reason), 64);
	log_write(LOG_LEVEL_NOTICE, "%s", line.text);
}

static struct judge_case case_of(const char *name)
{
	return (struct judge_case){ .name = name,
				    .any_rights = true,
				    .presented = IOTPKI_PRESENTED_NAME };
}

/* Whether the answers so far are enough; then the member is counted. */
static bool decided(struct refresh *refresh, const struct questions_view *view)
{
	const struct judge_case peer = case_of(view->name);
	struct iotpki_decision decision;
	judge_decide(&refresh->options.judge, &peer, view, &decision);
	if (!decision.final && !view->deadline)
		return false;
	refresh->progress.verdicts[decision.verdict]++;
	if (decision.verdict == IOTPKI_DENY)
		log_denied(view->name, &decision);
	return true;
}

static void answered(void *context, size_t at, const struct iotpki_answer *answers, size_t count,
		     bool deadline)
{
	struct batch *batch = context;
	const bool waited = !batch->members[at].decided;
	const struct questions_view view = { batch->members[at].name, answers, count, deadline,
					     false };
	if (waited)
		batch->members[at].decided = decided(batch->refresh, &view);
	if (deadline)
		learn_key(batch->refresh, &view);
	/* After the last call the question is the client's again. */
	if (deadline && at + 1 == batch->count)
		batch->question = NULL;
	questions_heard(batch->refresh->options.questions, &view, waited);
}

/* ---- questions ---- */

/* The next members that B-nodes can say something about; the others are counted at once. */
static void fill(struct refresh *refresh, struct batch *batch)
{
	batch->count = 0;
	while (batch->count < NVS_MANY_MAX && refresh->next < refresh->progress.members) {
		const struct member *member = membership_at(refresh->list, refresh->next++);
		const struct judge_case peer = case_of(member->name);
		struct iotpki_decision decision;
		if (judge_list_alone(&refresh->options.judge, &peer, &decision)) {
			refresh->progress.verdicts[decision.verdict]++;
			continue;
		}
		memcpy(batch->members[batch->count].name, member->name, strlen(member->name) + 1);
		batch->members[batch->count++].decided = false;
	}
}

/* False: it could not be asked; its members come again, and nothing of them was counted. */
static bool ask(struct refresh *refresh, struct batch *batch)
{
	const struct refresh_nvs *nvs = &refresh->options.nvs;
	const struct refresh_progress before = refresh->progress;
	const size_t first = refresh->next;
	const char *names[NVS_MANY_MAX];
	fill(refresh, batch);
	for (size_t i = 0; i < batch->count; i++)
		names[i] = batch->members[i].name;
	if (batch->count == 0 || nvs->ask(nvs->nvs, names, batch->count, BATCH_MS, answered, batch,
					  &batch->question) == IOTPKI_OK)
		return true;
	batch->question = NULL;
	refresh->progress = before;
	refresh->next = first;
	return false;
}

static bool busy(const struct refresh *refresh)
{
	for (size_t i = 0; i < BATCHES; i++)
		if (refresh->batches[i].question != NULL)
			return true;
	return false;
}

static void finish(struct refresh *refresh)
{
	const struct refresh_progress *progress = &refresh->progress;
	log_write(LOG_LEVEL_INFO,
		  "event=refreshed members=%zu admitted=%zu denied=%zu unavailable=%zu",
		  progress->members, progress->verdicts[IOTPKI_ADMIT],
		  progress->verdicts[IOTPKI_DENY], progress->verdicts[IOTPKI_UNAVAILABLE]);
	stop(refresh);
}

/* One batch a turn: a thousand questions at once would hold up the logins between them. */
static int64_t go_on(struct refresh *refresh)
{
	const int64_t pause_ms = refresh->pause_ms - now_ms(refresh);
	if (pause_ms > 0)
		return pause_ms;
	struct batch *idle = NULL;
	for (size_t i = 0; i < BATCHES && idle == NULL; i++)
		if (refresh->batches[i].question == NULL)
			idle = &refresh->batches[i];
	if (idle == NULL)
		return 1000;
	if (!ask(refresh, idle))
		return LATER_MS;
	if (refresh->by_timer)
		refresh->pause_ms = now_ms(refresh) + random_ms(refresh, PAUSE_MS);
	return 0;
}

int64_t refresh_work(struct refresh *refresh)
{
	const int64_t left_ms = refresh->due_ms - now_ms(refresh);
	if (!refresh->progress.running && left_ms <= 0)
		(void)start(refresh, true);
	if (!refresh->progress.running)
		return left_ms > 0 ? left_ms : 0;
	if (refresh->next < refresh->progress.members)
		return go_on(refresh);
	if (busy(refresh))
		return 1000;
	finish(refresh);
	return 0;
}
