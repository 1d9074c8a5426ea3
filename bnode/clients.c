/* Connections and addresses under one lock, which no request takes; bytes are atomic. */
#include "bnode/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

enum {
	BUCKETS = 1024,
	SWEEP_MS = 1000,
	SWEEP_CROWDED_MS = 100,
	CROWDED_REQUEST_MS = 2000, /* what a request may take where no connection is left */
	US_PER_S = 1000000,
};

/*
 * One for all connections of an address, and for as long after the last of them as its rate
 * must be known.
 */
struct clients_address {
	struct clients_address *next;
	uint64_t key;
	unsigned int connections;
	int64_t due_us; /* when all its connections would have come at the allowed rate */
	atomic_size_t reserved[CLIENTS_BYTES_COUNT];
};

struct clients {
	struct clients_limits limits;
	const struct clock *clock;
	atomic_size_t reserved[CLIENTS_BYTES_COUNT];
	pthread_mutex_t lock;
	/* below: under lock */
	struct client *first;
	size_t count;
	size_t counts[CLIENTS_LISTENERS_MAX];
	struct clients_address *buckets[BUCKETS];
};

static const size_t most_reserved[CLIENTS_BYTES_COUNT] = {
	[CLIENTS_BODIES] = CLIENTS_BODY_BYTES,
	[CLIENTS_ANSWERS] = CLIENTS_ANSWER_BYTES,
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
			if (it->connections > 0 || it->due_us > now_us) {
				at = &it->next;
				continue;
			}
			*at = it->next;
			free(it);
		}
	}
}

static enum clients_refusal admit(struct clients *clients, uint64_t key, int64_t now_us)
{
	const struct clients_limits *limits = &clients->limits;
	struct clients_address *address = address_get(clients, key);
	if (address == NULL)
		return CLIENTS_NOMEM;
	if (address->connections >= limits->per_address)
		return CLIENTS_ADDRESS;
	if (limits->per_second == 0)
		return CLIENTS_ADMITTED;
	/* The burst is what two seconds allow (the generic cell rate algorithm). */
	if (address->due_us - now_us > 2 * US_PER_S)
		return CLIENTS_RATE;
	if (address->due_us < now_us)
		address->due_us = now_us;
	address->due_us += US_PER_S / limits->per_second;
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
	client->next = clients->first;
	if (client->next != NULL)
		client->next->previous = client;
	clients->first = client;
	clients->count++;
	clients->counts[client->listener]++;
	client->address->connections++;
}

static void list_remove(struct clients *clients, struct client *client)
{
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		clients->first = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	clients->count--;
	clients->counts[client->listener]--;
	client->address->connections--;
}

struct client *clients_add(struct clients *clients, const struct sockaddr *address, size_t listener,
			   int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	client->clients = clients;
	client->listener = listener;
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
	client_keep(client, CLIENTS_BODIES, 0);
	client_keep(client, CLIENTS_ANSWERS, 0);
	pthread_mutex_lock(&clients->lock);
	list_remove(clients, client);
	pthread_mutex_unlock(&clients->lock);
	free(client);
}

size_t clients_count(struct clients *clients)
{
	pthread_mutex_lock(&clients->lock);
	const size_t count = clients->count;
	pthread_mutex_unlock(&clients->lock);
	return count;
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

/* The whole time while half of a listener's connections are free, then less with each that is taken. */
static int64_t request_ms(const struct clients *clients, size_t listener)
{
	const int64_t most_ms = (int64_t)clients->limits.request_s * 1000;
	const int64_t all = clients->limits.connections;
	const int64_t free_ones = all - (int64_t)clients->counts[listener];
	if (2 * free_ones >= all)
		return most_ms;
	const int64_t crowded_ms = free_ones > 0 ? most_ms * 2 * free_ones / all : 0;
	const int64_t least_ms = most_ms < CROWDED_REQUEST_MS ? most_ms : CROWDED_REQUEST_MS;
	return crowded_ms > least_ms ? crowded_ms : least_ms;
}

/* A client is removed under the lock before its descriptor is closed: another's is never shut. */
static size_t sweep(struct clients *clients, int64_t now_ms)
{
	int64_t most_ms[CLIENTS_LISTENERS_MAX];
	size_t cut = 0;
	for (size_t i = 0; i < CLIENTS_LISTENERS_MAX; i++)
		most_ms[i] = request_ms(clients, i);
	for (struct client *it = clients->first; it != NULL; it = it->next) {
		if (it->cut || atomic_load_explicit(&it->ours, memory_order_acquire))
			continue;
		const int64_t since_ms = atomic_load_explicit(&it->since_ms, memory_order_relaxed);
		if (now_ms - since_ms <= most_ms[it->listener])
			continue;
		it->cut = true;
		cut++;
		(void)shutdown(it->fd, SHUT_RDWR);
	}
	return cut;
}

int clients_sweep(struct clients *clients, size_t *cut_out)
{
	const int64_t now_ms = clients->clock->mono_ms(clients->clock);
	bool crowded = false;
	pthread_mutex_lock(&clients->lock);
	*cut_out = sweep(clients, now_ms);
	addresses_forget(clients, now_ms * 1000);
	for (size_t i = 0; i < CLIENTS_LISTENERS_MAX; i++)
		crowded = crowded || 2 * clients->counts[i] > clients->limits.connections;
	pthread_mutex_unlock(&clients->lock);
	return crowded ? SWEEP_CROWDED_MS : SWEEP_MS;
}

/* ---- bytes ---- */

static bool add_within(atomic_size_t *sum, size_t bytes, size_t most)
{
	if (atomic_fetch_add_explicit(sum, bytes, memory_order_relaxed) + bytes <= most)
		return true;
	atomic_fetch_sub_explicit(sum, bytes, memory_order_relaxed);
	return false;
}

bool client_reserve(struct client *client, enum clients_bytes kind, size_t bytes)
{
	if (!add_within(&client->address->reserved[kind], bytes, most_reserved[kind] / 2))
		return false;
	if (!add_within(&client->clients->reserved[kind], bytes, most_reserved[kind])) {
		atomic_fetch_sub_explicit(&client->address->reserved[kind], bytes,
					  memory_order_relaxed);
		return false;
	}
	client->reserved[kind] += bytes;
	return true;
}

void client_keep(struct client *client, enum clients_bytes kind, size_t bytes)
{
	if (client->reserved[kind] <= bytes)
		return;
	const size_t back = client->reserved[kind] - bytes;
	client->reserved[kind] = bytes;
	atomic_fetch_sub_explicit(&client->address->reserved[kind], back, memory_order_relaxed);
	atomic_fetch_sub_explicit(&client->clients->reserved[kind], back, memory_order_relaxed);
}

size_t clients_reserved(struct clients *clients, enum clients_bytes kind)
{
	return atomic_load_explicit(&clients->reserved[kind], memory_order_relaxed);
}
