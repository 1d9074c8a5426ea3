/* Findings by what they are about, and the requests that wait for them. */
#include "bnode/gateway_parts.h"

#include <string.h>

void queue_push(struct finding_queue *queue, struct finding *finding)
{
	finding->next = NULL;
	*queue->last = finding;
	queue->last = &finding->next;
	queue->count++;
}

struct finding *queue_pop(struct finding_queue *queue)
{
	struct finding *finding = queue->first;
	if (finding == NULL)
		return NULL;
	queue->first = finding->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	queue->count--;
	finding->next = NULL;
	return finding;
}

/* ---- findings ---- */

/* FNV-1a. Who makes names meet in one chain makes it at most as long as the table is allowed to be. */
static size_t bucket_of(enum gateway_want want, const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)want;
	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
	return (size_t)((hash >> 20) % GATEWAY_BUCKETS);
}

static struct finding *find(struct gateway *gateway, enum gateway_want want, const char *name)
{
	struct finding *at = gateway->buckets[bucket_of(want, name)];
	while (at != NULL && (at->want != want || strcmp(at->name, name) != 0))
		at = at->next_in_bucket;
	return at;
}

void table_release(struct gateway *gateway, struct finding *finding)
{
	if (finding == NULL || --finding->references > 0)
		return;
	gateway->findings--;
	gateway->histories -= finding->want == GATEWAY_HISTORY;
	told_history_done(&finding->history);
	free(finding);
}

/* Nobody finds it any more; who holds it keeps it. */
static void unlink_finding(struct gateway *gateway, struct finding *finding)
{
	struct finding **at = &gateway->buckets[bucket_of(finding->want, finding->name)];
	while (*at != NULL && *at != finding)
		at = &(*at)->next_in_bucket;
	if (*at == NULL)
		return;
	*at = finding->next_in_bucket;
	table_release(gateway, finding);
}

void table_sweep(struct gateway *gateway, int64_t now_ms)
{
	while (gateway->known.first != NULL &&
	       now_ms - gateway->known.first->asked_ms >= gateway->options.cache_ms) {
		struct finding *old = queue_pop(&gateway->known);
		unlink_finding(gateway, old);
		table_release(gateway, old);
	}
}

static bool has_room(struct gateway *gateway, enum gateway_want want)
{
	if (want == GATEWAY_HISTORY && gateway->histories >= GATEWAY_HISTORIES_MAX)
		return false;
	struct finding *oldest =
		gateway->findings < GATEWAY_FINDINGS_MAX ? NULL : queue_pop(&gateway->known);
	if (oldest != NULL) {
		unlink_finding(gateway, oldest);
		table_release(gateway, oldest);
	}
	return gateway->findings < GATEWAY_FINDINGS_MAX;
}

static struct finding *finding_new(struct gateway *gateway, enum gateway_want want,
				   const char *name)
{
	if (gateway->stopping || !has_room(gateway, want))
		return NULL;
	struct finding *finding = calloc(1, sizeof(*finding));
	if (finding == NULL)
		return NULL;
	gateway->findings++;
	gateway->histories += want == GATEWAY_HISTORY;
	finding->want = want;
	finding->references = 2; /* the table's and the queue's */
	memcpy(finding->name, name, strnlen(name, sizeof(finding->name) - 1));
	struct finding **bucket = &gateway->buckets[bucket_of(want, name)];
	finding->next_in_bucket = *bucket;
	*bucket = finding;
	queue_push(&gateway->queue, finding);
	return finding;
}

struct finding *table_get(struct gateway *gateway, enum gateway_want want, const char *name)
{
	struct finding *finding = find(gateway, want, name);
	if (finding != NULL && finding->known &&
	    gateway->clock->mono_ms(gateway->clock) - finding->asked_ms >=
		    gateway->options.cache_ms) {
		unlink_finding(gateway, finding);
		finding = NULL;
	}
	if (finding != NULL)
		gateway->counts.shared++;
	else
		finding = finding_new(gateway, want, name);
	if (finding != NULL)
		finding->references++;
	return finding;
}

size_t table_take(struct gateway *gateway, struct finding *findings[static NVS_MANY_MAX])
{
	size_t count = 0;
	while (count < NVS_MANY_MAX && gateway->queue.first != NULL) {
		const struct finding *next = gateway->queue.first;
		/* A tip is asked alone; a name may wait twice, with and without its history. */
		bool alone = count > 0 && next->want == GATEWAY_TIP;
		for (size_t i = 0; i < count && !alone; i++)
			alone = strcmp(findings[i]->name, next->name) == 0;
		if (alone)
			break;
		findings[count++] = queue_pop(&gateway->queue);
		if (findings[0]->want == GATEWAY_TIP)
			break;
	}
	return count;
}

/* ---- who waits ---- */

static void link_wish(struct wish **head, struct wish *wish)
{
	wish->next = *head;
	*head = wish;
}

static void part_leave(struct part *part)
{
	if (part->at == NULL)
		return;
	*part->at = part->next;
	if (part->next != NULL)
		part->next->at = part->at;
	part->at = NULL;
}

static void wish_leave(struct gateway *gateway, struct wish *wish)
{
	*wish->at = wish->next;
	if (wish->next != NULL)
		wish->next->at = wish->at;
	else
		gateway->last_wish = wish->at;
	gateway->wish_count--;
}

void wish_wait(struct gateway *gateway, struct wish *wish)
{
	for (size_t i = 0; i < wish->count; i++) {
		struct part *part = &wish->parts[i];
		if (part->finding == NULL || part->finding->known)
			continue;
		part->next = part->finding->waiting;
		part->at = &part->finding->waiting;
		if (part->next != NULL)
			part->next->at = &part->next;
		part->finding->waiting = part;
		wish->missing++;
	}
	if (wish->missing == 0)
		return;
	wish->next = NULL;
	wish->at = gateway->last_wish;
	*gateway->last_wish = wish;
	gateway->last_wish = &wish->next;
	gateway->wish_count++;
}

void table_known(struct gateway *gateway, struct finding *finding, struct wish **done)
{
	finding->known = true;
	for (struct part *part = finding->waiting, *next; part != NULL; part = next) {
		next = part->next;
		part->at = NULL;
		if (--part->wish->missing > 0)
			continue;
		wish_leave(gateway, part->wish);
		link_wish(done, part->wish);
	}
	finding->waiting = NULL;
	/* A history is large, and nobody asks for one twice in a second. */
	if (finding->want == GATEWAY_HISTORY || gateway->options.cache_ms == 0) {
		unlink_finding(gateway, finding);
		table_release(gateway, finding);
		return;
	}
	queue_push(&gateway->known, finding); /* with the reference that the queue had */
}

void wishes_give_up(struct gateway *gateway, int64_t now_ms, bool all, struct wish **done)
{
	while (gateway->wishes != NULL &&
	       (all || now_ms - gateway->wishes->since_ms >= GATEWAY_WAIT_MS)) {
		struct wish *wish = gateway->wishes;
		for (size_t i = 0; i < wish->count; i++) {
			struct part *part = &wish->parts[i];
			part_leave(part);
			if (part->finding == NULL || part->finding->known)
				continue;
			table_release(gateway, part->finding);
			part->finding = NULL;
		}
		wish_leave(gateway, wish);
		link_wish(done, wish);
		gateway->counts.late++;
	}
}

void wish_free(struct gateway *gateway, struct wish *wish)
{
	for (size_t i = 0; wish != NULL && i < wish->count; i++)
		table_release(gateway, wish->parts[i].finding);
	free(wish);
}

void wishes_tell(struct wish *done)
{
	for (struct wish *next; done != NULL; done = next) {
		next = done->next;
		done->job->done(done->job);
	}
}
