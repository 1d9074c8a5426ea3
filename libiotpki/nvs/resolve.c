/* Threads that call getaddrinfo() and leave what they found in a block that they share with the client. */
#include "nvs/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config_node.h"

enum {
	STACK_BYTES = 1024 * 1024, /* name services are plugins with habits of their own */
	FAMILY_MAX = RESOLVE_ADDRESSES_MAX / 2,
};

struct name {
	bool needed; /* false: the URL has an address, or this machine's own name */
	char host[RESOLVE_HOST_SIZE], port[8];
	unsigned int threads;
	uint64_t ended;     /* look-ups that came to their end */
	int64_t started_ms; /* the newest look-up */
	bool doubted;
	bool local_fault; /* the last look-up failed for want of memory or descriptors here */
	int64_t known_ms;
	struct resolve_addresses known; /* count 0: never found */
	char worked[RESOLVE_ADDRESS_SIZE];
};

struct resolve {
	pthread_mutex_t lock;
	unsigned int users;        /* the client and each thread */
	const struct clock *clock; /* the client's alone: it may be gone before the last thread */
	int event_fd;
	size_t count;
	struct name names[]; /* count */
};

struct look_up {
	struct resolve *resolve;
	struct name *name;
	int64_t started_ms;
};

/* Ages: a suspended machine wakes up elsewhere, and its look-ups were lost on the way. */
static int64_t now_ms(const struct resolve *resolve)
{
	return resolve->clock->boottime_ms(resolve->clock);
}

/* ---- the thread ---- */

static bool put_address(const struct sockaddr *address, char out[static RESOLVE_ADDRESS_SIZE])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return inet_ntop(AF_INET, &v4.sin_addr, out, RESOLVE_ADDRESS_SIZE) != NULL;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	/* One of a single link is none without its interface, and libcurl takes none here. */
	return v6.sin6_scope_id == 0 &&
	       inet_ntop(AF_INET6, &v6.sin6_addr, out, RESOLVE_ADDRESS_SIZE) != NULL;
}

/* A thousand addresses of one family must not hide the other one. */
static void put_addresses(const struct addrinfo *list, struct resolve_addresses *out)
{
	size_t v4 = 0, v6 = 0;
	for (; list != NULL; list = list->ai_next) {
		size_t *family = list->ai_family == AF_INET ? &v4 : &v6;
		if (*family >= FAMILY_MAX || !put_address(list->ai_addr, out->texts[out->count]))
			continue;
		(*family)++;
		out->count++;
	}
}

static void prefer(struct resolve_addresses *addresses, const char *address)
{
	char first[RESOLVE_ADDRESS_SIZE];
	for (size_t i = 1; i < addresses->count; i++) {
		if (strcmp(addresses->texts[i], address) != 0)
			continue;
		memcpy(first, addresses->texts[i], sizeof(first));
		memmove(addresses->texts[1], addresses->texts[0], i * sizeof(first));
		memcpy(addresses->texts[0], first, sizeof(first));
		return;
	}
}

/**
 * Whether it failed for want of memory or descriptors here. The C library does not say so reliably
 * (a resolver that cannot open a socket "has no answer"), hence one is opened.
 */
static bool is_local_fault(int code)
{
	if (code == 0)
		return false;
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)close(fd);
	return code == EAI_MEMORY || fd < 0;
}

/** Releases the lock. */
static void leave(struct resolve *resolve)
{
	const bool last = --resolve->users == 0;
	(void)pthread_mutex_unlock(&resolve->lock);
	if (!last)
		return;
	if (resolve->event_fd >= 0)
		(void)close(resolve->event_fd);
	(void)pthread_mutex_destroy(&resolve->lock);
	free(resolve);
}

static void take_result(const struct look_up *order, bool local_fault,
			const struct resolve_addresses *found)
{
	const uint64_t one = 1;
	struct name *name = order->name;
	name->threads--;
	name->ended++;
	name->local_fault = local_fault;
	if (found->count > 0) {
		name->known.count = found->count;
		memcpy(name->known.texts, found->texts, sizeof(found->texts));
		prefer(&name->known, name->worked);
		name->known_ms = order->started_ms;
		name->doubted = false;
	}
	(void)!write(order->resolve->event_fd, &one, sizeof(one));
}

static void *look(void *context)
{
	struct look_up order = *(struct look_up *)context;
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct resolve_addresses found = { 0 };
	struct addrinfo *list = NULL;
	free(context);
	const int code = getaddrinfo(order.name->host, order.name->port, &hints, &list);
	const bool local_fault = is_local_fault(code);
	if (code == 0) {
		put_addresses(list, &found);
		freeaddrinfo(list);
	}
	(void)pthread_mutex_lock(&order.resolve->lock);
	take_result(&order, local_fault, &found);
	leave(order.resolve);
	return NULL;
}

/** With the lock held. */
static bool start_thread(struct resolve *resolve, struct name *name)
{
	struct look_up *order = malloc(sizeof(*order));
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	if (order == NULL)
		return false;
	*order = (struct look_up){ resolve, name, now_ms(resolve) };
	const int64_t started_ms = order->started_ms; /* the thread frees it */
	if (pthread_attr_init(&attributes) != 0) {
		free(order);
		return false;
	}
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	/* Signals are the program's, which waits for them elsewhere. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	const bool started = pthread_create(&thread, &attributes, look, order) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (!started) {
		free(order);
		return false;
	}
	resolve->users++;
	name->threads++;
	name->started_ms = started_ms;
	return true;
}

/* ---- the client's side ---- */

static bool look_up_runs(struct resolve *resolve, struct name *name)
{
	const bool slow = now_ms(resolve) - name->started_ms >= RESOLVE_AGAIN_MS;
	if (name->threads == 0)
		return start_thread(resolve, name);
	if (slow && name->threads < RESOLVE_THREADS_MAX)
		(void)start_thread(resolve, name);
	return true;
}

static bool is_patient(const struct resolve *resolve, const struct name *name)
{
	return name->doubted && now_ms(resolve) - name->started_ms < RESOLVE_PATIENCE_MS;
}

static enum resolve_state find(struct resolve *resolve, struct name *name,
			       struct resolve_ticket *ticket)
{
	const bool known = name->known.count > 0;
	const bool fresh =
		known && !name->doubted && now_ms(resolve) - name->known_ms < RESOLVE_FRESH_MS;
	if (fresh)
		return RESOLVE_READY;
	if (ticket->waits && name->ended != ticket->since) {
		if (known)
			return RESOLVE_READY;
		return name->local_fault ? RESOLVE_FAILED : RESOLVE_UNKNOWN;
	}
	if (!look_up_runs(resolve, name))
		return known ? RESOLVE_READY : RESOLVE_FAILED;
	if (!ticket->waits)
		*ticket = (struct resolve_ticket){ true, name->ended };
	return known && !is_patient(resolve, name) ? RESOLVE_READY : RESOLVE_PENDING;
}

enum resolve_state resolve_get(struct resolve *resolve, size_t node, struct resolve_ticket *ticket,
			       struct resolve_addresses *addresses_out)
{
	struct name *name = &resolve->names[node];
	addresses_out->count = 0;
	if (!name->needed)
		return RESOLVE_READY;
	(void)pthread_mutex_lock(&resolve->lock);
	const enum resolve_state state = find(resolve, name, ticket);
	if (state == RESOLVE_READY)
		*addresses_out = name->known;
	(void)pthread_mutex_unlock(&resolve->lock);
	return state;
}

int64_t resolve_ready_in(struct resolve *resolve, size_t node)
{
	const struct name *name = &resolve->names[node];
	if (!name->needed)
		return INT64_MAX;
	(void)pthread_mutex_lock(&resolve->lock);
	const int64_t left_ms = name->started_ms + RESOLVE_PATIENCE_MS - now_ms(resolve);
	const bool known = name->known.count > 0;
	(void)pthread_mutex_unlock(&resolve->lock);
	if (!known)
		return INT64_MAX;
	return left_ms > 0 ? left_ms : 0;
}

void resolve_doubt(struct resolve *resolve, size_t node)
{
	(void)pthread_mutex_lock(&resolve->lock);
	resolve->names[node].doubted = true;
	(void)pthread_mutex_unlock(&resolve->lock);
}

void resolve_worked(struct resolve *resolve, size_t node, const char *address)
{
	struct name *name = &resolve->names[node];
	if (!name->needed || address == NULL || strlen(address) >= sizeof(name->worked))
		return;
	(void)pthread_mutex_lock(&resolve->lock);
	memcpy(name->worked, address, strlen(address) + 1);
	name->doubted = false;
	prefer(&name->known, address);
	(void)pthread_mutex_unlock(&resolve->lock);
}

unsigned int resolve_threads(struct resolve *resolve, size_t node)
{
	(void)pthread_mutex_lock(&resolve->lock);
	const unsigned int threads = resolve->names[node].threads;
	(void)pthread_mutex_unlock(&resolve->lock);
	return threads;
}

int resolve_fd(const struct resolve *resolve)
{
	return resolve->event_fd;
}

void resolve_taken(struct resolve *resolve)
{
	uint64_t count;
	if (resolve->event_fd >= 0)
		(void)!read(resolve->event_fd, &count, sizeof(count));
}

/* ---- life ---- */

static bool is_address(const char *host)
{
	struct in_addr v4;
	return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

static void read_url(const struct config_node *node, struct name *name)
{
	char canonical[CONFIG_URL_MAX + 16];
	bool secure;
	/* What is no URL will fail at libcurl, with its own words. */
	if (config_url_problem(node->url, strlen(node->url), &secure, canonical,
			       sizeof(canonical)) != NULL)
		return;
	canonical[strcspn(canonical, "/")] = '\0';
	char *colon = strrchr(canonical, ':');
	if (colon == NULL || strlen(canonical) >= sizeof(name->known.host) ||
	    strlen(colon + 1) >= sizeof(name->port))
		return;
	memcpy(name->known.host, canonical, strlen(canonical) + 1);
	*colon = '\0';
	memcpy(name->host, canonical, strlen(canonical) + 1);
	memcpy(name->port, colon + 1, strlen(colon + 1) + 1);
	name->needed = !is_address(name->host) && strcmp(name->host, "localhost") != 0;
}

enum iotpki_err resolve_new(const struct config_node *nodes, size_t count,
			    const struct clock *clock, struct resolve **resolve_out)
{
	bool needed = false;
	*resolve_out = NULL;
	struct resolve *resolve = calloc(1, sizeof(*resolve) + count * sizeof(resolve->names[0]));
	if (resolve == NULL)
		return IOTPKI_ERR_NOMEM;
	resolve->users = 1;
	resolve->clock = clock;
	resolve->count = count;
	resolve->event_fd = -1;
	if (pthread_mutex_init(&resolve->lock, NULL) != 0) {
		free(resolve);
		return IOTPKI_ERR_NOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		read_url(&nodes[i], &resolve->names[i]);
		needed |= resolve->names[i].needed;
	}
	if (needed)
		resolve->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (needed && resolve->event_fd < 0) {
		resolve_free(resolve);
		return IOTPKI_ERR_IO;
	}
	*resolve_out = resolve;
	return IOTPKI_OK;
}

void resolve_free(struct resolve *resolve)
{
	if (resolve == NULL)
		return;
	(void)pthread_mutex_lock(&resolve->lock);
	leave(resolve);
}
