/* The lives of names: what is found again, what is not, and how many are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nvs/life.h"

static struct clock_fake clock;
static const uint8_t txid[IOTPKI_SHA256_LEN] = { 1, 2, 3 };
static const uint8_t other_txid[IOTPKI_SHA256_LEN] = { 1, 2, 4 };

static void found_by_all_three(void **state)
{
	(void)state;
	struct lives *lives = lives_new(LIVES_MAX, &clock.clock);
	assert_non_null(lives);
	struct dialect_life life = { .outcome = IOTPKI_OUTCOME_REGISTERED,
				     .registration = { 7, 8 },
				     .revoked = true,
				     .height = 1234567890123 },
			    got;
	assert_false(lives_find(lives, 0, "iot:a", txid, &got));
	lives_keep(lives, 0, "iot:a", txid, &life);
	static const struct {
		const char *name;
		size_t node;
		const char *nvs_name;
		const uint8_t *txid;
		bool want;
	} rows[] = {
		{ "the same", 0, "iot:a", txid, true },
		{ "another node", 1, "iot:a", txid, false },
		{ "another name", 0, "iot:b", txid, false },
		{ "a longer name", 0, "iot:aa", txid, false },
		{ "another transaction", 0, "iot:a", other_txid, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (lives_find(lives, rows[i].node, rows[i].nvs_name, rows[i].txid, &got) !=
		    rows[i].want)
			fail_msg("%s", rows[i].name);
	assert_true(lives_find(lives, 0, "iot:a", txid, &got));
	assert_int_equal(got.outcome, IOTPKI_OUTCOME_REGISTERED);
	assert_memory_equal(got.registration, life.registration, sizeof(got.registration));
	assert_true(got.revoked);
	assert_int_equal(got.height, life.height);

	life.height = 5; /* after a reorganisation */
	lives_keep(lives, 0, "iot:a", txid, &life);
	assert_int_equal(lives_count(lives), 1);
	assert_true(lives_find(lives, 0, "iot:a", txid, &got));
	assert_int_equal(got.height, 5);
	lives_free(lives);
}

/* A node that told a wrong history once is asked again. */
static void for_a_day(void **state)
{
	(void)state;
	struct lives *lives = lives_new(8, &clock.clock);
	const struct dialect_life life = { .outcome = IOTPKI_OUTCOME_REGISTERED };
	struct dialect_life got;
	lives_keep(lives, 0, "iot:a", txid, &life);
	clock_fake_advance(&clock, LIVES_AGE_MS - 1);
	assert_true(lives_find(lives, 0, "iot:a", txid, &got));
	clock_fake_advance(&clock, 1);
	assert_false(lives_find(lives, 0, "iot:a", txid, &got));
	lives_keep(lives, 0, "iot:a", txid, &life);
	assert_true(lives_find(lives, 0, "iot:a", txid, &got));
	assert_int_equal(lives_count(lives), 1);

	for (int i = 0; i < 2; i++) {
		lives_forget(lives);
		assert_int_equal(lives_count(lives), 0);
		assert_false(lives_find(lives, 0, "iot:a", txid, &got));
	}
	lives_keep(lives, 0, "iot:a", txid, &life);
	assert_true(lives_find(lives, 0, "iot:a", txid, &got));
	lives_free(lives);
}

static void only_good_ones(void **state)
{
	(void)state;
	struct lives *lives = lives_new(8, &clock.clock);
	assert_non_null(lives);
	for (int outcome = IOTPKI_OUTCOME_PENDING; outcome <= IOTPKI_OUTCOME_MALFORMED; outcome++) {
		const struct dialect_life life = { .outcome = (enum iotpki_outcome)outcome };
		if (outcome != IOTPKI_OUTCOME_REGISTERED)
			lives_keep(lives, 0, "iot:a", txid, &life);
	}
	assert_int_equal(lives_count(lives), 0);
	lives_free(lives);
}

/** Name number i; its height is i. */
static bool known(const struct lives *lives, unsigned int i)
{
	char name[32];
	struct dialect_life got;
	(void)snprintf(name, sizeof(name), "iot:%u", i);
	if (!lives_find(lives, i % IOTPKI_NODES_MAX, name, txid, &got))
		return false;
	assert_int_equal(got.height, i);
	return true;
}

static void keep(struct lives *lives, unsigned int i)
{
	char name[32];
	const struct dialect_life life = { .outcome = IOTPKI_OUTCOME_REGISTERED, .height = i };
	(void)snprintf(name, sizeof(name), "iot:%u", i);
	lives_keep(lives, i % IOTPKI_NODES_MAX, name, txid, &life);
}

static void oldest_goes_first(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 2, 63, 64, 65, 100, 1000 };
	for (size_t row = 0; row < ARRAY_LEN(sizes); row++) {
		const unsigned int most = (unsigned int)sizes[row], total = 3 * most + 1;
		struct lives *lives = lives_new(most, &clock.clock);
		assert_non_null(lives);
		for (unsigned int i = 0; i < total; i++)
			keep(lives, i);
		assert_int_equal(lives_count(lives), most);
		for (unsigned int i = 0; i < total; i++)
			if (known(lives, i) != (i >= total - most))
				fail_msg("of %u: number %u of %u", most, i, total);
		lives_free(lives);
	}
}

static void bounded(void **state)
{
	(void)state;
	struct lives *lives = lives_new(SIZE_MAX, &clock.clock);
	assert_non_null(lives);
	for (unsigned int i = 0; i < LIVES_MAX + 10; i++)
		keep(lives, i);
	assert_int_equal(lives_count(lives), LIVES_MAX);
	assert_false(known(lives, 9));
	assert_true(known(lives, 10));
	assert_true(known(lives, LIVES_MAX + 9));
	lives_free(lives);
	lives_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_all_three),
		cmocka_unit_test(for_a_day),
		cmocka_unit_test(only_good_ones),
		cmocka_unit_test(oldest_goes_first),
		cmocka_unit_test(bounded),
	};
	clock_fake_init(&clock, 1800000000);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
