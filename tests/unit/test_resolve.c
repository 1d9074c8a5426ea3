/*
 * Names to addresses, with a getaddrinfo() of our own: asleep until it is let go, a
 * thousand addresses, black holes, nothing at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nvs/resolve.h"
#include "nvskit.h"

enum { PATIENCE_MS = 20000, LIST_MAX = 2100 };

/* ---- the name service ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool asleep;
	unsigned int calls, sleepers;
	int code;
	size_t count;
	char texts[LIST_MAX][RESOLVE_ADDRESS_SIZE];
	uint32_t scope; /* of all IPv6 addresses */
} dns = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

struct entry {
	struct addrinfo info;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
};

static struct addrinfo *make_entry(const char *text, uint16_t port, struct addrinfo *next)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		abort();
	const bool v6 = strchr(text, ':') != NULL;
	entry->info = (struct addrinfo){ .ai_family = v6 ? AF_INET6 : AF_INET,
					 .ai_socktype = SOCK_STREAM,
					 .ai_addr = &entry->address.any,
					 .ai_next = next };
	entry->address.any.sa_family = (sa_family_t)entry->info.ai_family;
	if (v6) {
		entry->address.v6.sin6_port = htons(port);
		entry->address.v6.sin6_scope_id = dns.scope;
	} else {
		entry->address.v4.sin_port = htons(port);
	}
	void *bytes =
		v6 ? (void *)&entry->address.v6.sin6_addr : (void *)&entry->address.v4.sin_addr;
	if (inet_pton(entry->info.ai_family, text, bytes) != 1)
		abort();
	return &entry->info;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **out);
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **out)
{
	(void)host;
	(void)hints;
	*out = NULL;
	(void)pthread_mutex_lock(&dns.lock);
	dns.calls++;
	dns.sleepers++;
	(void)pthread_cond_broadcast(&dns.change);
	while (dns.asleep)
		(void)pthread_cond_wait(&dns.change, &dns.lock);
	dns.sleepers--;
	(void)pthread_cond_broadcast(&dns.change);
	for (size_t i = dns.code == 0 ? dns.count : 0; i > 0; i--)
		*out = make_entry(dns.texts[i - 1], (uint16_t)strtoul(port, NULL, 10), *out);
	const int code = dns.code;
	(void)pthread_mutex_unlock(&dns.lock);
	return code;
}

void freeaddrinfo(struct addrinfo *list);
void freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;
		free((void *)list);
		list = next;
	}
}

static void dns_set(bool asleep)
{
	(void)pthread_mutex_lock(&dns.lock);
	dns.asleep = asleep;
	(void)pthread_cond_broadcast(&dns.change);
	(void)pthread_mutex_unlock(&dns.lock);
}

static void dns_says(int code, const char *const *texts, size_t count)
{
	(void)pthread_mutex_lock(&dns.lock);
	dns.code = code;
	dns.scope = 0;
	dns.count = count;
	for (size_t i = 0; i < count; i++)
		(void)snprintf(dns.texts[i], sizeof(dns.texts[i]), "%s", texts[i]);
	(void)pthread_mutex_unlock(&dns.lock);
}

static unsigned int dns_calls(void)
{
	(void)pthread_mutex_lock(&dns.lock);
	const unsigned int calls = dns.calls;
	(void)pthread_mutex_unlock(&dns.lock);
	return calls;
}

/* Until so many are in it. */
static void dns_wait(unsigned int sleepers)
{
	(void)pthread_mutex_lock(&dns.lock);
	while (dns.sleepers != sleepers)
		(void)pthread_cond_wait(&dns.change, &dns.lock);
	(void)pthread_mutex_unlock(&dns.lock);
}

/* ---- threads: the linker gives us the calls (--wrap) ---- */

static bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*function)(void *), void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*function)(void *), void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*function)(void *), void *context)
{
	return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, function, context);
}

/* ---- one node ---- */

struct scene {
	struct clock_fake clock;
	struct resolve *resolve;
	struct resolve_ticket ticket;
	struct resolve_addresses found;
};

static void open_scene(struct scene *scene, const char *url)
{
	struct config_node node = { 0 };
	*scene = (struct scene){ 0 };
	(void)snprintf(node.url, sizeof(node.url), "%s", url);
	clock_fake_init(&scene->clock, 1795400000);
	assert_int_equal(resolve_new(&node, 1, &scene->clock.clock, &scene->resolve), IOTPKI_OK);
}

static enum resolve_state get(struct scene *scene)
{
	return resolve_get(scene->resolve, 0, &scene->ticket, &scene->found);
}

/* As who comes anew. */
static enum resolve_state get_anew(struct scene *scene)
{
	scene->ticket = (struct resolve_ticket){ 0 };
	return get(scene);
}

static void await(struct scene *scene)
{
	struct pollfd wait = { .fd = resolve_fd(scene->resolve), .events = POLLIN };
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	resolve_taken(scene->resolve);
}

static const char *const one[] = { "192.0.2.1" }, *const other[] = { "192.0.2.2" };

static void addresses_need_no_look_up(void **state)
{
	(void)state;
	static const char *const urls[] = { "https://192.0.2.1/", "https://[2001:db8::1]:7443/",
					    "https://localhost:7443/", "http://127.0.0.1:1/x" };
	const unsigned int before = dns_calls();
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct scene scene;
		open_scene(&scene, urls[i]);
		assert_int_equal(get(&scene), RESOLVE_READY);
		assert_int_equal(scene.found.count, 0);
		assert_int_equal(resolve_fd(scene.resolve), -1);
		assert_true(resolve_ready_in(scene.resolve, 0) == INT64_MAX);
		resolve_worked(scene.resolve, 0, "192.0.2.1");
		resolve_free(scene.resolve);
	}
	assert_int_equal(dns_calls(), before);
}

static void one_look_up_for_all(void **state)
{
	(void)state;
	enum { WAITING = 200 };
	static struct resolve_ticket tickets[WAITING];
	struct scene scene;
	dns_says(0, one, 1);
	dns_set(true);
	open_scene(&scene, "https://Barn.Example/");
	const unsigned int before = dns_calls();
	for (size_t i = 0; i < WAITING; i++)
		assert_int_equal(resolve_get(scene.resolve, 0, &tickets[i], &scene.found),
				 RESOLVE_PENDING);
	dns_wait(1);
	assert_int_equal(resolve_threads(scene.resolve, 0), 1);
	dns_set(false);
	await(&scene);
	for (size_t i = 0; i < WAITING; i++)
		assert_int_equal(resolve_get(scene.resolve, 0, &tickets[i], &scene.found),
				 RESOLVE_READY);
	assert_int_equal(dns_calls(), before + 1);
	assert_string_equal(scene.found.host, "barn.example:443");
	assert_int_equal(scene.found.count, 1);
	assert_string_equal(scene.found.texts[0], "192.0.2.1");
	assert_int_equal(resolve_threads(scene.resolve, 0), 0);
	resolve_free(scene.resolve);
}

static void threads_are_bounded(void **state)
{
	(void)state;
	struct scene scene;
	dns_says(EAI_AGAIN, NULL, 0);
	dns_set(true);
	open_scene(&scene, "https://barn.example/");
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(get_anew(&scene), RESOLVE_PENDING);
		const unsigned int want =
			i / 10 + 1 < RESOLVE_THREADS_MAX ? i / 10 + 1 : RESOLVE_THREADS_MAX;
		assert_int_equal(resolve_threads(scene.resolve, 0), want);
		clock_fake_advance(&scene.clock, RESOLVE_AGAIN_MS / 10);
	}
	/* The client's end waits for none of them. */
	dns_wait(RESOLVE_THREADS_MAX);
	resolve_free(scene.resolve);
	dns_set(false);
	dns_wait(0);
}

static void old_addresses_stay_in_use(void **state)
{
	(void)state;
	struct scene scene;
	dns_says(0, one, 1);
	open_scene(&scene, "https://barn.example/");
	assert_int_equal(get(&scene), RESOLVE_PENDING);
	await(&scene);
	assert_int_equal(get(&scene), RESOLVE_READY);
	const unsigned int before = dns_calls();
	clock_fake_advance(&scene.clock, RESOLVE_FRESH_MS - 1);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	assert_int_equal(dns_calls(), before);

	/* Old: used at once, and looked up anew behind it. */
	dns_says(0, other, 1);
	clock_fake_advance(&scene.clock, 1);
	dns_set(true);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	assert_string_equal(scene.found.texts[0], "192.0.2.1");
	dns_set(false);
	await(&scene);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	assert_string_equal(scene.found.texts[0], "192.0.2.2");

	/* A machine that slept is somewhere else: it looks again at once. */
	scene.clock.suspended_ms += RESOLVE_FRESH_MS;
	const unsigned int awake = dns_calls();
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	await(&scene);
	assert_int_equal(dns_calls(), awake + 1);

	/* A name that is gone for a while does not take away what was known. */
	dns_says(EAI_NONAME, NULL, 0);
	clock_fake_advance(&scene.clock, RESOLVE_FRESH_MS);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	await(&scene);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	await(&scene);
	resolve_free(scene.resolve);
}

static void doubt_waits_a_moment(void **state)
{
	(void)state;
	struct scene scene;
	dns_says(0, one, 1);
	dns_set(true);
	open_scene(&scene, "https://barn.example/");
	assert_int_equal(get(&scene), RESOLVE_PENDING);
	assert_true(resolve_ready_in(scene.resolve, 0) == INT64_MAX);
	dns_set(false);
	await(&scene);
	/* It moved. */
	dns_says(0, other, 1);
	resolve_doubt(scene.resolve, 0);
	assert_int_equal(get_anew(&scene), RESOLVE_PENDING);
	await(&scene);
	assert_int_equal(get(&scene), RESOLVE_READY);
	assert_string_equal(scene.found.texts[0], "192.0.2.2");
	/* It did not move, and the name service sleeps. */
	resolve_doubt(scene.resolve, 0);
	dns_set(true);
	assert_int_equal(get_anew(&scene), RESOLVE_PENDING);
	assert_int_equal(resolve_ready_in(scene.resolve, 0), RESOLVE_PATIENCE_MS);
	clock_fake_advance(&scene.clock, RESOLVE_PATIENCE_MS);
	assert_int_equal(resolve_ready_in(scene.resolve, 0), 0);
	assert_int_equal(get(&scene), RESOLVE_READY);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	assert_string_equal(scene.found.texts[0], "192.0.2.2");
	resolve_worked(scene.resolve, 0, "192.0.2.2");
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	dns_set(false);
	await(&scene);
	resolve_free(scene.resolve);
}

static void failures(void **state)
{
	(void)state;
	static const char *const scoped[] = { "fe80::1" };
	static const struct {
		const char *name;
		int code;
		const char *const *texts;
		size_t count;
		enum resolve_state want;
	} rows[] = {
		{ "no such name", EAI_NONAME, NULL, 0, RESOLVE_UNKNOWN },
		{ "no answer", EAI_AGAIN, NULL, 0, RESOLVE_UNKNOWN },
		{ "servfail", EAI_FAIL, NULL, 0, RESOLVE_UNKNOWN },
		{ "refused", EAI_SYSTEM, NULL, 0, RESOLVE_UNKNOWN },
		{ "no memory", EAI_MEMORY, NULL, 0, RESOLVE_FAILED },
		{ "an address of one link", 0, scoped, 1, RESOLVE_UNKNOWN },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene scene;
		dns_says(rows[i].code, rows[i].texts, rows[i].count);
		dns.scope = 2;
		open_scene(&scene, "https://barn.example/");
		assert_int_equal(get(&scene), RESOLVE_PENDING);
		await(&scene);
		if (get(&scene) != rows[i].want)
			fail_msg("%s: %d", rows[i].name, get(&scene));
		/* Who comes next asks again. */
		assert_int_equal(get_anew(&scene), RESOLVE_PENDING);
		await(&scene);
		resolve_free(scene.resolve);
	}
}

/* The resolver only says that nobody answered; soft-fail must not forgive that. */
static void no_descriptor_left(void **state)
{
	(void)state;
	struct scene scene;
	struct rlimit limit;
	dns_says(EAI_AGAIN, NULL, 0);
	open_scene(&scene, "https://barn.example/");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	const int next = dup(STDERR_FILENO);
	assert_true(next >= 0);
	(void)close(next);
	const struct rlimit none = { (rlim_t)next, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	const enum resolve_state first = get(&scene);
	await(&scene);
	const enum resolve_state second = get(&scene);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(first, RESOLVE_PENDING);
	assert_int_equal(second, RESOLVE_FAILED);
	resolve_free(scene.resolve);
}

/* Nor is it the node's fault that no thread can be made; old addresses do without one. */
static void no_thread_left(void **state)
{
	(void)state;
	struct scene scene;
	dns_says(0, one, 1);
	open_scene(&scene, "https://barn.example/");
	no_threads = true;
	assert_int_equal(get(&scene), RESOLVE_FAILED);
	no_threads = false;
	assert_int_equal(get_anew(&scene), RESOLVE_PENDING);
	await(&scene);
	resolve_doubt(scene.resolve, 0);
	no_threads = true;
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	no_threads = false;
	resolve_free(scene.resolve);
}

static void a_thousand_addresses(void **state)
{
	(void)state;
	static char texts[LIST_MAX][RESOLVE_ADDRESS_SIZE];
	static const char *list[LIST_MAX];
	struct scene scene;
	for (size_t i = 0; i < LIST_MAX; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]),
			       i < 1000 ? "2001:db8::%zx" : "10.0.%zu.1",
			       i < 1000 ? i + 1 : i % 250);
		list[i] = texts[i];
	}
	dns_says(0, list, LIST_MAX);
	open_scene(&scene, "https://barn.example/");
	assert_int_equal(get(&scene), RESOLVE_PENDING);
	await(&scene);
	assert_int_equal(get(&scene), RESOLVE_READY);
	assert_int_equal(scene.found.count, RESOLVE_ADDRESSES_MAX);
	assert_string_equal(scene.found.texts[0], "2001:db8::1");
	assert_string_equal(scene.found.texts[3], "2001:db8::4");
	assert_string_equal(scene.found.texts[4], "10.0.0.1");
	/* The one that worked comes first, also after the next look-up. */
	resolve_worked(scene.resolve, 0, "10.0.1.1");
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	assert_string_equal(scene.found.texts[0], "10.0.1.1");
	assert_string_equal(scene.found.texts[1], "2001:db8::1");
	clock_fake_advance(&scene.clock, RESOLVE_FRESH_MS);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	await(&scene);
	assert_int_equal(get_anew(&scene), RESOLVE_READY);
	assert_string_equal(scene.found.texts[0], "10.0.1.1");
	resolve_free(scene.resolve);
}

/* ---- questions by name ---- */

static struct fake_node *node_by_name(const struct fake_script *script, struct config *config)
{
	struct fake_node *node = nvskit_node(script, config, NVSKIT_PATIENT_MS);
	const char *port = strrchr(config->nodes[0].url, ':');
	assert_non_null(port);
	char url[64];
	(void)snprintf(url, sizeof(url), "https://barn.example%.16s", port);
	(void)snprintf(config->nodes[0].url, sizeof(config->nodes[0].url), "%s", url);
	return node;
}

/* A port of 127.0.0.2 that swallows what comes: its backlog is full. */
static void open_black_hole(const struct config *config, int fds[static 3])
{
	const char *port = strrchr(config->nodes[0].url, ':');
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(0x7f000002),
				       .sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10)) };
	for (size_t i = 0; i < 3; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (i > 0 ? SOCK_NONBLOCK : 0),
				0);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(bind(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	for (size_t i = 1; i < 3; i++)
		(void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
}

static void close_all(const int fds[static 3])
{
	for (size_t i = 0; i < 3; i++)
		(void)close(fds[i]);
}

static enum iotpki_outcome ask(struct nvs *nvs)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	assert_int_equal(nvs_ask_wait(nvs, NVSKIT_NAME, answers), IOTPKI_OK);
	return answers[0].outcome;
}

static void questions_by_name(void **state)
{
	(void)state;
	static const struct fake_script script = { .end = FAKE_CLOSE };
	static const struct {
		const char *name;
		int code;
		const char *texts[3];
		size_t count;
		enum iotpki_outcome want;
	} rows[] = {
		{ "one", 0, { "127.0.0.1" }, 1, IOTPKI_OUTCOME_REGISTERED },
		{ "AAAA only", 0, { "::ffff:127.0.0.1" }, 1, IOTPKI_OUTCOME_REGISTERED },
		{ "refused, then one",
		  0,
		  { "127.0.0.3", "127.0.0.1" },
		  2,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "black hole, then one",
		  0,
		  { "127.0.0.2", "127.0.0.1" },
		  2,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "IPv6 black hole",
		  0,
		  { "::ffff:127.0.0.2", "127.0.0.1" },
		  2,
		  IOTPKI_OUTCOME_REGISTERED },
		{ "refused", 0, { "127.0.0.3" }, 1, IOTPKI_OUTCOME_UNREACHABLE },
		{ "no such name", EAI_NONAME, { NULL }, 0, IOTPKI_OUTCOME_UNREACHABLE },
		{ "no memory", EAI_MEMORY, { NULL }, 0, IOTPKI_OUTCOME_MALFORMED },
	};
	struct config config;
	struct fake_node *node = node_by_name(&script, &config);
	int hole[3];
	open_black_hole(&config, hole);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		dns_says(rows[i].code, rows[i].texts, rows[i].count);
		struct nvs *nvs = nvskit_new(&config);
		const unsigned int before = dns_calls();
		const enum iotpki_outcome outcome = ask(nvs);
		if (outcome != rows[i].want)
			fail_msg("%s: %s", rows[i].name, iotpki_outcome_name(outcome));
		/* Ours is the only look-up: libcurl makes none beside it. */
		assert_int_equal(dns_calls(), before + 1);
		if (outcome == IOTPKI_OUTCOME_REGISTERED)
			assert_int_equal(ask(nvs), IOTPKI_OUTCOME_REGISTERED);
		if (outcome == IOTPKI_OUTCOME_REGISTERED)
			assert_int_equal(dns_calls(), before + 1);
		nvs_free(nvs);
	}
	close_all(hole);
	fake_node_stop(node);
}

struct count {
	unsigned int ended, unreachable;
};

static void count_answer(void *context, const struct iotpki_answer *answers, size_t count,
			 bool deadline)
{
	struct count *sum = context;
	assert_int_equal(count, 1);
	sum->ended += deadline;
	sum->unreachable += deadline && answers[0].outcome == IOTPKI_OUTCOME_UNREACHABLE;
}

/* Ten rounds of two hundred logins while getaddrinfo() sleeps: three threads, and each in time. */
static void name_service_asleep(void **state)
{
	(void)state;
	enum { ROUNDS = 10, LOGINS = 200 };
	static const struct fake_script script = { 0 };
	static const char *const here[] = { "127.0.0.1" };
	struct config config;
	struct clock_fake clock;
	struct fake_node *node = node_by_name(&script, &config);
	struct nvs *nvs = NULL;
	struct count sum = { 0 };
	clock_fake_init(&clock, 1795400000);
	dns_says(0, here, 1);
	dns_set(true);
	const unsigned int before = dns_calls();
	assert_int_equal(nvs_new(&config, &clock.clock, random_system(), &nvs), IOTPKI_OK);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		struct nvs_question *question = NULL;
		for (unsigned int i = 0; i < LOGINS; i++)
			assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, count_answer, &sum, &question),
					 IOTPKI_OK);
		assert_int_equal(nvs_poll(nvs, -1, 0), IOTPKI_OK);
		clock_fake_advance(&clock, NVSKIT_PATIENT_MS);
		assert_int_equal(nvs_poll(nvs, -1, 60000), IOTPKI_OK); /* returns at once */
		assert_int_equal(sum.ended, round * LOGINS);
		assert_int_equal(sum.unreachable, round * LOGINS);
	}
	dns_wait(RESOLVE_THREADS_MAX);
	assert_int_equal(dns_calls(), before + RESOLVE_THREADS_MAX);
	/* It wakes: what it says is used by whoever waits then. */
	struct nvs_question *question = NULL;
	assert_int_equal(nvs_ask(nvs, NVSKIT_NAME, count_answer, &sum, &question), IOTPKI_OK);
	dns_set(false);
	while (sum.ended == ROUNDS * LOGINS)
		assert_int_equal(nvs_poll(nvs, -1, PATIENCE_MS), IOTPKI_OK);
	assert_int_equal(sum.unreachable, ROUNDS * LOGINS);
	dns_wait(0);
	nvs_free(nvs);
	fake_node_stop(node);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* the fake node's TLS writes to clients that left */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_need_no_look_up),
		cmocka_unit_test(one_look_up_for_all),
		cmocka_unit_test(threads_are_bounded),
		cmocka_unit_test(old_addresses_stay_in_use),
		cmocka_unit_test(doubt_waits_a_moment),
		cmocka_unit_test(failures),
		cmocka_unit_test(no_descriptor_left),
		cmocka_unit_test(no_thread_left),
		cmocka_unit_test(a_thousand_addresses),
		cmocka_unit_test(questions_by_name),
		cmocka_unit_test(name_service_asleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
