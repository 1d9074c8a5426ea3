/* One walk over a generation of the list. */
#include "agent/refresh.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"

enum { IN_FLIGHT = 8, FIRST_MS = 30 * 1000 };

struct slot {
	struct refresh *refresh;
	struct questions_waiter waiter;
	char name[IOTPKI_NAME_MAX + 1];
	bool busy;
};

struct refresh {
	struct refresh_options options;
	struct membership *list; /* the generation that is walked; NULL: none is */
	size_t next;
	int64_t due_ms;
	unsigned int counts[IOTPKI_UNAVAILABLE + 1];
	unsigned int busy;
	struct slot slots[IN_FLIGHT];
};

static int64_t now_ms(const struct refresh *refresh)
{
	return refresh->options.judge.clock->mono_ms(refresh->options.judge.clock);
}

static int64_t jitter_ms(const struct refresh *refresh)
{
	const int64_t most_s = lists_config(refresh->options.judge.lists)->refresh_jitter_s;
	uint32_t number = 0;
	if (most_s <= 0 || refresh->options.random->fill(refresh->options.random, &number,
							 sizeof(number)) != IOTPKI_OK)
		return 0;
	return (int64_t)(number % (uint64_t)(most_s * 1000));
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
	for (size_t i = 0; i < IN_FLIGHT; i++)
		refresh->slots[i].refresh = refresh;
	/* The first one soon, not at once: a fleet that comes back after a power cut spreads. */
	const int64_t every_ms = lists_config(options->judge.lists)->refresh_every_s * 1000;
	refresh->due_ms =
		now_ms(refresh) + (every_ms < FIRST_MS ? every_ms : FIRST_MS) + jitter_ms(refresh);
	*refresh_out = refresh;
	return IOTPKI_OK;
}

static void stop(struct refresh *refresh)
{
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		questions_leave(&refresh->slots[i].waiter);
		refresh->slots[i].busy = false;
	}
	refresh->busy = 0;
	membership_unref(refresh->list);
	refresh->list = NULL;
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

bool refresh_running(const struct refresh *refresh)
{
	return refresh->list != NULL;
}

size_t refresh_start(struct refresh *refresh)
{
	stop(refresh);
	memset(refresh->counts, 0, sizeof(refresh->counts));
	refresh->next = 0;
	questions_drop(refresh->options.questions, NULL);
	plan_next(refresh);
	struct membership *list = lists_membership(refresh->options.judge.lists);
	refresh->list = list == NULL ? NULL : membership_ref(list);
	return list == NULL ? 0 : membership_count(list);
}

static void learn_key(const struct refresh *refresh, const struct questions_view *view)
{
	const struct member *member = lists_member(refresh->options.judge.lists, view->name);
	const uint8_t *fingerprint = NULL;
	bool registered = false;
	for (size_t i = 0; i < view->count && fingerprint == NULL; i++) {
		if (view->answers[i].outcome != IOTPKI_OUTCOME_REGISTERED)
			continue;
		registered = true;
		if (view->answers[i].record.has_ssh)
			fingerprint = view->answers[i].record.ssh;
	}
	/* Silence says nothing of the record: an outage at this moment must not lock its key out. */
	if (member != NULL && !registered)
		return;
	if (member == NULL || (fingerprint != NULL && member->ssh != NULL &&
			       memcmp(fingerprint, member->ssh, IOTPKI_SHA256_LEN) == 0))
		fingerprint = NULL;
	known_set(refresh->options.known, view->name, fingerprint);
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

static void answered(void *context, const struct questions_view *view)
{
	struct slot *slot = context;
	struct refresh *refresh = slot->refresh;
	const struct judge_case peer = { .name = slot->name,
					 .any_rights = true,
					 .presented = IOTPKI_PRESENTED_NAME };
	struct iotpki_decision decision;
	judge_decide(&refresh->options.judge, &peer, view, &decision);
	if (!decision.final && !view->deadline)
		return;
	learn_key(refresh, view);
	refresh->counts[decision.verdict]++;
	if (decision.verdict == IOTPKI_DENY)
		log_denied(slot->name, &decision);
	questions_leave(&slot->waiter);
	slot->busy = false;
	refresh->busy--;
}

/* The next member that B-nodes can say something about. */
static bool ask_next(struct refresh *refresh, struct slot *slot)
{
	while (refresh->next < membership_count(refresh->list)) {
		const struct member *member = membership_at(refresh->list, refresh->next);
		const struct judge_case peer = { .name = member->name,
						 .any_rights = true,
						 .presented = IOTPKI_PRESENTED_NAME };
		struct iotpki_decision decision;
		if (judge_list_alone(&refresh->options.judge, &peer, &decision)) {
			refresh->counts[decision.verdict]++;
			refresh->next++;
			continue;
		}
		slot->waiter.answered = answered;
		slot->waiter.context = slot;
		memcpy(slot->name, member->name, strlen(member->name) + 1);
		if (questions_join(refresh->options.questions, slot->name, &slot->waiter) !=
		    IOTPKI_OK)
			return false; /* no room now: logins first, later again */
		refresh->next++;
		slot->busy = true;
		refresh->busy++;
		struct questions_view view;
		questions_view(&slot->waiter, &view);
		answered(slot, &view);
		return true;
	}
	return false;
}

static void finish(struct refresh *refresh)
{
	log_write(LOG_LEVEL_INFO,
		  "event=refreshed members=%zu admitted=%u denied=%u unavailable=%u",
		  membership_count(refresh->list), refresh->counts[IOTPKI_ADMIT],
		  refresh->counts[IOTPKI_DENY], refresh->counts[IOTPKI_UNAVAILABLE]);
	stop(refresh);
}

int64_t refresh_work(struct refresh *refresh)
{
	const int64_t left_ms = refresh->due_ms - now_ms(refresh);
	if (!refresh_running(refresh) && left_ms <= 0)
		(void)refresh_start(refresh);
	if (!refresh_running(refresh))
		return left_ms > 0 ? left_ms : 0;
	for (size_t i = 0; i < IN_FLIGHT; i++)
		if (!refresh->slots[i].busy && !ask_next(refresh, &refresh->slots[i]))
			break;
	if (refresh->busy == 0 && refresh->next >= membership_count(refresh->list))
		finish(refresh);
	return refresh->busy > 0 ? 1000 : 100;
}
