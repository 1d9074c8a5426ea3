/* Who is connected and what he may hold. Connections are pairs of sockets: what is cut shows at the other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "bnode/clients.h"

enum { MOST = 64 };

struct world {
	struct clock_fake clock;
	struct clients *clients;
	struct client *open[MOST];
	int far_ends[MOST];
	size_t count;
};

static struct world *world_new(const struct clients_limits *limits)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	clock_fake_init(&world->clock, 1800000000);
	world->clock.mono_ms = 1000000;
	assert_int_equal(clients_new(limits, &world->clock.clock, &world->clients), IOTPKI_OK);
	return world;
}

static void world_end(struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		const int fd = world->open[i]->fd;
		clients_remove(world->open[i]);
		(void)close(fd);
		(void)close(world->far_ends[i]);
	}
	struct clients_counts counts;
	clients_count(world->clients, &counts);
	assert_int_equal(counts.connections, 0);
	assert_int_equal(clients_reserved(world->clients, CLIENTS_BODIES), 0);
	assert_int_equal(clients_reserved(world->clients, CLIENTS_ANSWERS), 0);
	assert_int_equal(clients_reserved(world->clients, CLIENTS_TRANSACTIONS), 0);
	clients_freep(&world->clients);
	assert_null(world->clients);
	free(world);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address address_of(const char *text)
{
	union address address;
	memset(&address, 0, sizeof(address));
	if (strchr(text, ':') != NULL) {
		address.v6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
	} else {
		address.v4.sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, text, &address.v4.sin_addr), 1);
	}
	return address;
}

/* As the server does it: asked first, then taken. */
static enum clients_refusal come(struct world *world, const char *from)
{
	const union address address = address_of(from);
	const enum clients_refusal refusal = clients_admit(world->clients, &address.any);
	if (refusal != CLIENTS_ADMITTED)
		return refusal;
	int ends[2];
	assert_true(world->count < MOST);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	world->far_ends[world->count] = ends[1];
	world->open[world->count] = clients_add(world->clients, &address.any, ends[0]);
	assert_non_null(world->open[world->count++]);
	return CLIENTS_ADMITTED;
}

static bool is_cut(const struct world *world, size_t at)
{
	char byte;
	return recv(world->far_ends[at], &byte, 1, MSG_DONTWAIT) == 0;
}

static void one_address_has_its_share(void **state)
{
	(void)state;
	static const struct clients_limits limits = { .connections = 8, .request_s = 30 };
	static const struct {
		const char *from;
		enum clients_refusal want;
	} rows[] = {
		{ "192.0.2.1", CLIENTS_ADMITTED },   { "192.0.2.1", CLIENTS_ADMITTED },
		{ "192.0.2.1", CLIENTS_ADMITTED },   { "192.0.2.1", CLIENTS_ADMITTED },
		{ "192.0.2.1", CLIENTS_ADDRESS },    { "2001:db8::1", CLIENTS_ADMITTED },
		{ "2001:db8::2", CLIENTS_ADMITTED }, { "2001:db8::3:4:5:6", CLIENTS_ADMITTED },
		{ "2001:db8::7", CLIENTS_ADMITTED }, { "2001:db8::8", CLIENTS_ADDRESS },
	};
	struct world *world = world_new(&limits);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (come(world, rows[i].from) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].from);
	}
	assert_int_equal(client_address(world->open[0]), client_address(world->open[3]));
	assert_int_equal(client_address(world->open[4]), client_address(world->open[7]));
	assert_int_not_equal(client_address(world->open[0]), client_address(world->open[4]));
	world_end(world);
}

/* Eight places: five of one address, two of another, one of a third. */
static void who_has_most_gives_one_up(void **state)
{
	(void)state;
	static const struct clients_limits limits = { .connections = 8,
						      .per_address = 8,
						      .request_s = 30 };
	static const char *const from[] = { "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1",
					    "10.0.0.3", "10.0.0.1", "10.0.0.2", "10.0.0.1" };
	struct world *world = world_new(&limits);
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		assert_int_equal(come(world, from[i]), CLIENTS_ADMITTED);
		clock_fake_advance(&world->clock, 10);
	}
	/* The first is being answered, and the second has just been: the fourth waits longest. */
	(void)client_turn(world->open[0], true);
	(void)client_turn(world->open[1], false);
	assert_int_equal(come(world, "10.0.0.4"), CLIENTS_ADMITTED);
	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		assert_int_equal(is_cut(world, i), i == 3);
	/* 4 2 1 1 and who has four comes again: one of his own. */
	assert_int_equal(come(world, "10.0.0.1"), CLIENTS_ADMITTED);
	assert_true(is_cut(world, 5));
	struct clients_counts counts;
	clients_count(world->clients, &counts);
	assert_int_equal(counts.connections, 10);
	assert_int_equal(counts.cut, 2);
	world_end(world);
}

static void all_are_being_answered(void **state)
{
	(void)state;
	static const struct clients_limits limits = { .connections = 2, .per_address = 2 };
	struct world *world = world_new(&limits);
	assert_int_equal(come(world, "10.0.0.1"), CLIENTS_ADMITTED);
	assert_int_equal(come(world, "10.0.0.1"), CLIENTS_ADMITTED);
	(void)client_turn(world->open[0], true);
	(void)client_turn(world->open[1], true);
	assert_int_equal(come(world, "10.0.0.2"), CLIENTS_FULL);
	clock_fake_advance(&world->clock, 7);
	assert_int_equal(client_turn(world->open[1], false), 7);
	assert_int_equal(come(world, "10.0.0.2"), CLIENTS_ADMITTED);
	assert_false(is_cut(world, 0));
	assert_true(is_cut(world, 1));
	world_end(world);
}

static void rate_and_burst(void **state)
{
	(void)state;
	static const struct clients_limits limits = { .connections = 100,
						      .per_address = 100,
						      .per_second = 10 };
	struct world *world = world_new(&limits);
	unsigned int taken = 0;
	while (come(world, "192.0.2.1") == CLIENTS_ADMITTED)
		taken++;
	assert_in_range(taken, 20, 22);
	assert_int_equal(come(world, "192.0.2.1"), CLIENTS_RATE);
	assert_int_equal(come(world, "192.0.2.2"), CLIENTS_ADMITTED);
	/* A sweep must not make it forget, and 300 ms allow three more. */
	clients_sweep(world->clients);
	clock_fake_advance(&world->clock, 300);
	for (int i = 0; i < 3; i++)
		assert_int_equal(come(world, "192.0.2.1"), CLIENTS_ADMITTED);
	assert_int_equal(come(world, "192.0.2.1"), CLIENTS_RATE);
	world_end(world);
}

static void time_of_a_request(void **state)
{
	(void)state;
	static const struct clients_limits limits = { .connections = 10, .request_s = 2 };
	struct world *world = world_new(&limits);
	for (int i = 0; i < 3; i++)
		assert_int_equal(come(world, "192.0.2.1"), CLIENTS_ADMITTED);
	(void)client_turn(world->open[1], true);
	clock_fake_advance(&world->clock, 2000);
	assert_int_equal(client_turn(world->open[2], true), 2000);
	(void)client_turn(world->open[2], false);
	clients_sweep(world->clients);
	assert_false(is_cut(world, 0));
	clock_fake_advance(&world->clock, 1);
	clients_sweep(world->clients);
	assert_true(is_cut(world, 0));
	assert_false(is_cut(world, 1));
	assert_false(is_cut(world, 2));
	world_end(world);
}

static void bytes_of_all_and_of_one(void **state)
{
	(void)state;
	static const struct clients_limits limits = { .connections = 10 };
	const size_t half = CLIENTS_ANSWER_BYTES / 2;
	struct world *world = world_new(&limits);
	assert_int_equal(come(world, "192.0.2.1"), CLIENTS_ADMITTED);
	assert_int_equal(come(world, "192.0.2.1"), CLIENTS_ADMITTED);
	assert_int_equal(come(world, "192.0.2.2"), CLIENTS_ADMITTED);
	assert_int_equal(come(world, "192.0.2.3"), CLIENTS_ADMITTED);
	struct client *const *open = world->open;
	assert_true(client_reserve(open[0], CLIENTS_ANSWERS, half - 1));
	assert_false(client_reserve(open[1], CLIENTS_ANSWERS, 2));
	assert_true(client_reserve(open[1], CLIENTS_ANSWERS, 1));
	assert_true(client_reserve(open[2], CLIENTS_ANSWERS, half));
	assert_false(client_reserve(open[3], CLIENTS_ANSWERS, 1));
	assert_true(client_reserve(open[3], CLIENTS_BODIES, CLIENTS_BODY_BYTES / 2));
	assert_int_equal(clients_reserved(world->clients, CLIENTS_ANSWERS), 2 * half);
	client_keep(open[2], CLIENTS_ANSWERS, 100);
	client_keep(open[2], CLIENTS_ANSWERS, 200);
	assert_int_equal(clients_reserved(world->clients, CLIENTS_ANSWERS), half + 100);
	assert_true(client_reserve(open[3], CLIENTS_ANSWERS, half - 100));
	assert_true(client_reserve(open[0], CLIENTS_TRANSACTIONS, CLIENTS_TRANSACTIONS_MAX / 2));
	assert_false(client_reserve(open[1], CLIENTS_TRANSACTIONS, 1));
	assert_true(client_reserve(open[2], CLIENTS_TRANSACTIONS, 1));
	client_keep(open[0], CLIENTS_TRANSACTIONS, 0);
	assert_true(client_reserve(open[1], CLIENTS_TRANSACTIONS, 1));
	world_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_has_its_share),
		cmocka_unit_test(who_has_most_gives_one_up),
		cmocka_unit_test(all_are_being_answered),
		cmocka_unit_test(rate_and_burst),
		cmocka_unit_test(time_of_a_request),
		cmocka_unit_test(bytes_of_all_and_of_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
