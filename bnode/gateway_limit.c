/* Token buckets in a table of small sets. */
#include "bnode/gateway_limit.h"

#include <stdlib.h>

enum { SETS = 1024, WAYS = 4 };

struct bucket {
	uint64_t client;
	int64_t seen_ms; /* 0: empty place */
	int64_t tokens;  /* thousandths */
};

struct limit {
	int64_t rate;
	struct bucket sets[SETS][WAYS];
};

struct limit *limit_new(unsigned int rate)
{
	struct limit *limit = calloc(1, sizeof(*limit));
	if (limit != NULL)
		limit->rate = rate;
	return limit;
}

void limit_free(struct limit *limit)
{
	free(limit);
}

static int64_t full(const struct limit *limit)
{
	return limit->rate * LIMIT_BURST * 1000;
}

/* Neighbours in an address range fall into different sets. */
static size_t set_of(uint64_t client)
{
	return (size_t)((client * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % SETS;
}

static struct bucket *bucket_of(struct limit *limit, uint64_t client)
{
	struct bucket *set = limit->sets[set_of(client)], *oldest = set;
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].seen_ms != 0 && set[i].client == client)
			return &set[i];
		if (set[i].seen_ms < oldest->seen_ms)
			oldest = &set[i];
	}
	*oldest = (struct bucket){ .client = client, .tokens = full(limit) };
	return oldest;
}

bool limit_take(struct limit *limit, uint64_t client, unsigned int tokens, int64_t now_ms)
{
	if (limit->rate == 0)
		return true;
	struct bucket *bucket = bucket_of(limit, client);
	const int64_t passed_ms = bucket->seen_ms > 0 ? now_ms - bucket->seen_ms : 0;
	const int64_t most = full(limit), cost = (int64_t)tokens * 1000;
	/* Past the time that fills it nothing changes any more; so no product overflows. */
	if (passed_ms > (most - bucket->tokens) / limit->rate)
		bucket->tokens = most;
	else if (passed_ms > 0)
		bucket->tokens += passed_ms * limit->rate;
	bucket->seen_ms = now_ms > 0 ? now_ms : 1;
	/* What costs more than the bucket holds would never pass: a full one goes into debt for it. */
	if (bucket->tokens < (cost < most ? cost : most))
		return false;
	bucket->tokens -= cost;
	return true;
}
