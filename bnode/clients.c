/* Connections and addresses under one lock, which no request takes; shares are atomic. */
#include "bnode/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

enum {
	BUCKETS = 1024,
	US_PER_S = 1000000,
};

/*
 * One for all connections of an address, and for as long after the last of them as its rate
 * must be known.
 */
struct clients_address {
	struct clients_address *next;
	uint64_t key;
	struct client *first; /* the newest */
	unsigned int live;    /* of them not cut */
	int64_t due_us;       /* when all its connections would have come at the allowed rate */
	atomic_size_t reserved[CLIENTS_SHARE_COUNT];
};

struct clients {
	struct clients_limits limits;
	const struct clock *clock;
	atomic_size_t reserved[CLIENTS_SHARE_COUNT];
	pthread_mutex_t lock;
	/* below: under lock */
	struct clients_counts counts;
	size_t live; /* of the connections not cut */
	struct clients_address *buckets[BUCKETS];
};

static const size_t most_reserved[CLIENTS_SHARE_COUNT] = {
	[CLIENTS_BODIES] = CLIENTS_BODY_BYTES,
	[CLIENTS_ANSWERS] = CLIENTS_ANSWER_BYTES,
	[CLIENTS_TRANSACTIONS] = CLIENTS_TRANSACTIONS_MAX,
};

/* ---- addresses ---- */

/* Who has one IPv6 address has its /64 (RFC 4291): a single one of them would count nothing. */
static uint64_t key_of(const struct sockaddr *address)
{
	uint64_t key = 0;
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, address, sizeof(v6));
		for (size_t i = 0; i < sizeof(key); i++)
			key = key << 8 | v6.sin6_addr.s6_addr[i];
	} else if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, address, sizeof(v4));
		/* Nobody connects from a /64 that begins so: it is multicast. */
		key = UINT64_C(0xffffffff00000000) | ntohl(v4.sin_addr.s_addr);
	}
	return key;
}

/*
 * Keys that fall into one bucket can be chosen, but each needs an address to connect from, and costs
 * the others one comparison at a connect.
 */
static struct clients_address **bucket_of(struct clients *clients, uint64_t key)
{
	return &clients->buckets[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}
_Static_assert(BUCKETS == 1 << (64 - 54), "the hash is as long as the table");

static struct clients_address *address_find(struct clients *clients, uint64_t key)
{
	struct clients_address *it = *bucket_of(clients, key);
	while (it != NULL && it->key != key)
		it = it->next;
	return it;
}

static struct clients_address *address_get(struct clients *clients, uint64_t key)
{
	struct clients_address *address = address_find(clients, key);
	if (address != NULL)
		return address;
	address = calloc(1, sizeof(*address));
	if (address == NULL)
		return NULL;
	address->key = key;
	struct clients_address **bucket = bucket_of(clients, key);
	address->next = *bucket;
	*bucket = address;
	return address;
}

static void addresses_forget(struct clients *clients, int64_t now_us)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct clients_address **at = &clients->buckets[i];
		while (*at != NULL) {
			struct clients_address *it = *at;
			if (it->first != NULL || it->due_us > now_us) {
				at = &it->next;
				continue;
			}
			*at = it->next;
			free(it);
		}
	}
}

/* ---- who is taken ---- */

/* Its thread sees the end of the stream and closes it. */
static void cut(struct clients *clients, struct client *client)
{
	client->cut = true;
	client->address->live--;
	clients->live--;
	clients->counts.cut++;
	(void)shutdown(client->fd, SHUT_RDWR);
}

static struct client *longest_waiting(const struct clients_address *address)
{
	struct client *found = NULL;
	long long found_ms = 0;
	for (struct client *it = address->first; it != NULL; it = it->next) {
		if (it->cut || atomic_load_explicit(&it->ours, memory_order_acquire))
			continue;
		const long long since_ms =
			atomic_load_explicit(&it->since_ms, memory_order_relaxed);
		if (found != NULL && since_ms > found_ms)
			continue;
		found = it;
		found_ms = since_ms;
	}
	return found;
}

/* Whether a goes before b, of which one may be none. */
static bool goes_first(const struct client *a, const struct client *b)
{
	if (a == NULL || b == NULL)
		return a != NULL;
	if (a->address->live != b->address->live)
		return a->address->live > b->address->live;
	return atomic_load_explicit(&a->since_ms, memory_order_relaxed) <
	       atomic_load_explicit(&b->since_ms, memory_order_relaxed);
}

/*
 * The longest waiting connection of the address that has most, so that who fills a node keeps out
 * himself and nobody else. Who has as many gives up one of his own, which he may have left already.
 */
static bool make_room(struct clients *clients, const struct clients_address *newcomer)
{
	struct client *found = NULL;
	unsigned int least = newcomer->live + 1;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (const struct clients_address *it = clients->buckets[i]; it != NULL;
		     it = it->next) {
			struct client *client = it->live >= least ? longest_waiting(it) : NULL;
			if (!goes_first(client, found))
				continue;
			found = client;
			least = it->live;
		}
	}
	if (found == NULL)
		found = longest_waiting(newcomer);
	if (found != NULL)
		cut(clients, found);
	return found != NULL;
}

static bool within_rate(const struct clients *clients, struct clients_address *address,
			int64_t now_us)
{
	if (clients->limits.per_second == 0)
		return true;
	/* The burst is what two seconds allow (the generic cell rate algorithm). */
	if (address->due_us - now_us > 2 * US_PER_S)
		return false;
	if (address->due_us < now_us)
		address->due_us = now_us;
	address->due_us += US_PER_S / clients->limits.per_second;
	return true;
}

static enum clients_refusal admit(struct clients *clients, uint64_t key, int64_t now_us)
{
	struct clients_address *address = address_get(clients, key);
	if (address == NULL)
		return CLIENTS_NOMEM;
	if (!within_rate(clients, address, now_us))
		return CLIENTS_RATE;
	if (address->live >= clients->limits.per_address)
		return CLIENTS_ADDRESS;
	if (clients->live >= clients->limits.connections && !make_room(clients, address))
		return CLIENTS_FULL;
	return CLIENTS_ADMITTED;
}

enum clients_refusal clients_admit(struct clients *clients, const struct sockaddr *address)
{
	const int64_t now_us = clients->clock->mono_ms(clients->clock) * 1000;
	pthread_mutex_lock(&clients->lock);
	const enum clients_refusal refusal = admit(clients, key_of(address), now_us);
	pthread_mutex_unlock(&clients->lock);
	return refusal;
}

/* ---- connections ---- */

enum iotpki_err clients_new(const struct clients_limits *limits, const struct clock *clock,
			    struct clients **clients_out)
{
	*clients_out = NULL;
	struct clients *clients = calloc(1, sizeof(*clients));
	if (clients == NULL)
		return IOTPKI_ERR_NOMEM;
	clients->limits = *limits;
	if (limits->per_address == 0)
		clients->limits.per_address = limits->connections / 2;
	clients->clock = clock;
	pthread_mutex_init(&clients->lock, NULL);
	*clients_out = clients;
	return IOTPKI_OK;
}

void clients_freep(struct clients **clients)
{
	if (*clients == NULL)
		return;
	addresses_forget(*clients, INT64_MAX);
	pthread_mutex_destroy(&(*clients)->lock);
	free(*clients);
	*clients = NULL;
}

static void list_add(struct clients *clients, struct client *client)
{
	struct clients_address *address = client->address;
	client->next = address->first;
	if (client->next != NULL)
		client->next->previous = client;
	address->first = client;
	address->live++;
	clients->live++;
	clients->counts.connections++;
}

static void list_remove(struct clients *clients, struct client *client)
{
	struct clients_address *address = client->address;
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		address->first = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	clients->counts.connections--;
	if (client->cut)
		return;
	address->live--;
	clients->live--;
}

struct client *clients_add(struct clients *clients, const struct sockaddr *address, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	client->clients = clients;
	client->fd = fd;
	atomic_init(&client->since_ms, clients->clock->mono_ms(clients->clock));
	pthread_mutex_lock(&clients->lock);
	client->address = address_get(clients, key_of(address));
	if (client->address != NULL)
		list_add(clients, client);
	pthread_mutex_unlock(&clients->lock);
	if (client->address != NULL)
		return client;
	free(client);
	return NULL;
}

void clients_remove(struct client *client)
{
	struct clients *clients = client->clients;
	for (size_t i = 0; i < CLIENTS_SHARE_COUNT; i++)
		client_keep(client, (enum clients_share)i, 0);
	pthread_mutex_lock(&clients->lock);
	list_remove(clients, client);
	pthread_mutex_unlock(&clients->lock);
	free(client);
}

void clients_count(struct clients *clients, struct clients_counts *counts_out)
{
	pthread_mutex_lock(&clients->lock);
	*counts_out = clients->counts;
	pthread_mutex_unlock(&clients->lock);
}

uint64_t client_address(const struct client *client)
{
	return client->address->key;
}

/* ---- time ---- */

int64_t client_turn(struct client *client, bool ours)
{
	const struct clock *clock = client->clients->clock;
	const int64_t now_ms = clock->mono_ms(clock);
	const int64_t before_ms =
		atomic_exchange_explicit(&client->since_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&client->ours, ours, memory_order_release);
	return now_ms - before_ms;
}

/* A client is removed under the lock before its descriptor is closed: another's is never shut. */
static void sweep_address(struct clients *clients, const struct clients_address *address,
			  int64_t since_ms)
{
	for (struct client *it = address->first; it != NULL; it = it->next) {
		if (!it->cut && !atomic_load_explicit(&it->ours, memory_order_acquire) &&
		    atomic_load_explicit(&it->since_ms, memory_order_relaxed) < since_ms)
			cut(clients, it);
	}
}

void clients_sweep(struct clients *clients)
{
	const int64_t now_ms = clients->clock->mono_ms(clients->clock);
	const int64_t most_ms = (int64_t)clients->limits.request_s * 1000;
	pthread_mutex_lock(&clients->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct clients_address *it = clients->buckets[i]; it != NULL; it = it->next)
			sweep_address(clients, it, now_ms - most_ms);
	}
	addresses_forget(clients, now_ms * 1000);
	pthread_mutex_unlock(&clients->lock);
}

/* ---- shares ---- */

static bool add_within(atomic_size_t *sum, size_t count, size_t most)
{
	if (atomic_fetch_add_explicit(sum, count, memory_order_relaxed) + count <= most)
		return true;
	atomic_fetch_sub_explicit(sum, count, memory_order_relaxed);
	return false;
}

bool client_reserve(struct client *client, enum clients_share kind, size_t count)
{
	if (!add_within(&client->address->reserved[kind], count, most_reserved[kind] / 2))
		return false;
	if (!add_within(&client->clients->reserved[kind], count, most_reserved[kind])) {
		atomic_fetch_sub_explicit(&client->address->reserved[kind], count,
					  memory_order_relaxed);
		return false;
	}
	client->reserved[kind] += count;
	return true;
}

void client_keep(struct client *client, enum clients_share kind, size_t count)
{
	if (client->reserved[kind] <= count)
		return;
	const size_t back = client->reserved[kind] - count;
	client->reserved[kind] = count;
	atomic_fetch_sub_explicit(&client->address->reserved[kind], back, memory_order_relaxed);
	atomic_fetch_sub_explicit(&client->clients->reserved[kind], back, memory_order_relaxed);
}

size_t clients_reserved(struct clients *clients, enum clients_share kind)
{
	return atomic_load_explicit(&clients->reserved[kind], memory_order_relaxed);
}
