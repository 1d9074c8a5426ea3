/* The agent's durable state: what floors rise to, what files are believed, what survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/state.h"
#include "state/file.h"

#define NOW INT64_C(1800000000)
#define BUILD (NOW - 1000 * DAY)
#define DAY INT64_C(86400)
#define EVERY (STATE_TIME_EVERY_MS)

struct bench {
	char top[64], dir[96], data[112], aside[128];
	struct clock_fake clock;
	struct state *state;
	struct config config;
};

static void write_path(const struct bench *bench, const char *name, const void *bytes, size_t len)
{
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/%s", bench->dir, name);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

static void reopen(struct bench *bench, enum state_condition want)
{
	const struct state_options options = { .dir = bench->dir,
					       .clock = &bench->clock.clock,
					       .build_s = BUILD };
	struct iotpki_detail why;
	enum iotpki_err err = IOTPKI_OK;
	state_free(bench->state);
	assert_int_equal(state_new(&options, &bench->state), IOTPKI_OK);
	const enum state_condition got = state_condition(bench->state, &err, &why);
	if (got != want)
		fail_msg("%s, not %s: %s", state_condition_name(got), state_condition_name(want),
			 why.message);
	state_set_nodes(bench->state, &bench->config);
}

static void flush(struct bench *bench)
{
	struct iotpki_detail detail = { 0 };
	if (state_flush(bench->state, &detail) != IOTPKI_OK)
		fail_msg("%s", detail.message);
}

static int setup(void **state)
{
	static struct bench bench;
	bench = (struct bench){ 0 };
	(void)snprintf(bench.top, sizeof(bench.top), "/tmp/iotpki-state-XXXXXX");
	if (mkdtemp(bench.top) == NULL)
		return -1;
	(void)snprintf(bench.dir, sizeof(bench.dir), "%s/state", bench.top);
	(void)snprintf(bench.data, sizeof(bench.data), "%s/data.mdb", bench.dir);
	(void)snprintf(bench.aside, sizeof(bench.aside), "%s.corrupt", bench.data);
	clock_fake_init(&bench.clock, NOW);
	bench.config.network_count = 2;
	memcpy(bench.config.networks[0], "farm", 5);
	memcpy(bench.config.networks[1], "emc", 4);
	bench.config.node_count = 3;
	for (size_t i = 0; i < 3; i++) {
		struct config_node *node = &bench.config.nodes[i];
		(void)snprintf(node->name, sizeof(node->name), "node%zu", i);
		(void)snprintf(node->url, sizeof(node->url), "https://node%zu/", i);
		node->pin_count = 1;
		memset(node->pins[0], (int)i + 1, IOTPKI_SHA256_LEN);
	}
	bench.config.nodes[2].type = CONFIG_NODE_EMERCOIN;
	bench.config.nodes[2].network = 1;
	reopen(&bench, STATE_NEW);
	flush(&bench);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	state_free(bench->state);
	(void)chmod(bench->dir, 0700);
	(void)unlink(bench->data);
	(void)unlink(bench->aside);
	(void)rmdir(bench->aside);
	(void)rmdir(bench->dir);
	return rmdir(bench->top);
}

/* ---- time ---- */

/* Offered one after the other; the system clock is as given, relative to NOW. */
static void time_steps(void **state)
{
	struct bench *bench = *state;
	/* clang-format off */
	static const struct {
		const char *name;
		int64_t clock_s, offer_s; /* absolute */
		int64_t wait_ms;          /* before the offer */
		int64_t want_s;
	} rows[] = {
		{ "below the build time", 0, BUILD - 1, 0, BUILD },
		{ "no node good", 0, INT64_MIN, 0, BUILD },
		{ "clockless: a year ahead is a step", 0, NOW, 0, BUILD + 7 * DAY },
		{ "no second step at once", 0, NOW, 0, BUILD + 7 * DAY },
		{ "nor before its time", 0, NOW, EVERY - 1, BUILD + 7 * DAY },
		{ "the next one", 0, NOW, 1, BUILD + 14 * DAY },
		{ "never back", 0, BUILD, EVERY, BUILD + 14 * DAY },
		{ "a clock that is right confirms at once", NOW, NOW - 1, EVERY, NOW - 1 },
		{ "a week beyond the clock", NOW, NOW + 8 * DAY, EVERY, NOW + 7 * DAY },
		{ "a clock set back takes nothing back", 0, NOW, EVERY, NOW + 7 * DAY },
		{ "the largest time is a step, too", 0, INT64_MAX, EVERY, NOW + 14 * DAY },
		{ "with a clock beyond all", INT64_MAX, INT64_MAX, EVERY, INT64_MAX },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_fake_advance(&bench->clock, rows[i].wait_ms);
		bench->clock.now_s = rows[i].clock_s;
		const int64_t before_s = state_time_floor(bench->state);
		const bool rose = state_offer_time(bench->state, rows[i].offer_s);
		const int64_t got_s = state_time_floor(bench->state);
		if (got_s != rows[i].want_s || rose != (got_s > before_s))
			fail_msg("row %zu: %s: %lld", i, rows[i].name, (long long)got_s);
	}
}

static void time_survives(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(state_due(bench->state), -1);
	assert_true(state_offer_time(bench->state, NOW - 5));
	assert_int_equal(state_due(bench->state), 0);
	/* Not written yet: lost. */
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == BUILD);
	assert_true(state_offer_time(bench->state, NOW - 5));
	flush(bench);
	assert_int_equal(state_due(bench->state), -1);
	bench->clock.now_s = 0;
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == NOW - 5);
	state_reset_floors(bench->state);
	assert_int_equal(state_due(bench->state), 0);
	flush(bench);
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == BUILD);
}

/* ---- heights ---- */

static struct iotpki_answer at(uint64_t height, int64_t asked_s)
{
	return (struct iotpki_answer){ .outcome = IOTPKI_OUTCOME_REGISTERED,
				       .tip_height = height,
				       .asked_s = asked_s };
}

/* An answer asked now comes in now. */
static bool answer(struct bench *bench, size_t slot, uint64_t height, struct state_event *event)
{
	const struct iotpki_answer got = at(height, bench->clock.now_s);
	return state_offer_height(bench->state, slot, &got, event);
}

/* It climbs to a height: two answers of two seconds, and all questions of before are over. */
static void climb(struct bench *bench, size_t slot, uint64_t height)
{
	struct state_event event;
	for (int i = 0; i < 2; i++) {
		clock_fake_advance(&bench->clock, 10000);
		assert_false(answer(bench, slot, height, &event));
	}
	clock_fake_advance(&bench->clock, 10000);
}

static uint64_t floor_now(const struct bench *bench, size_t slot)
{
	return state_height_floor(bench->state, slot, bench->clock.now_s);
}

static void heights_rise(void **state)
{
	struct bench *bench = *state;
	struct state_event event;
	assert_int_equal(floor_now(bench, 0), 0);
	climb(bench, 0, 100);
	assert_int_equal(floor_now(bench, 0), 100);
	assert_int_equal(floor_now(bench, 1), 0);
	/* One absurd height, and the honest one again: nothing moved. */
	assert_false(answer(bench, 0, UINT64_MAX, &event));
	clock_fake_advance(&bench->clock, 10000);
	assert_false(answer(bench, 0, 101, &event));
	clock_fake_advance(&bench->clock, 10000);
	assert_int_equal(floor_now(bench, 0), 101);
	/* The same answer offered twice is one answer. */
	const struct iotpki_answer absurd = at(UINT64_MAX, bench->clock.now_s);
	assert_false(state_offer_height(bench->state, 0, &absurd, &event));
	assert_false(state_offer_height(bench->state, 0, &absurd, &event));
	clock_fake_advance(&bench->clock, 10000);
	assert_int_equal(floor_now(bench, 0), 101);
	/* Two of them move a step. */
	assert_false(answer(bench, 0, UINT64_MAX, &event));
	clock_fake_advance(&bench->clock, 10000);
	assert_int_equal(floor_now(bench, 0), 101 + STATE_HEIGHT_STEP_LEDGER);
}

static void going_back_is_seen(void **state)
{
	struct bench *bench = *state;
	struct state_event event = { 0 };
	climb(bench, 0, 100);
	struct iotpki_answer late = at(99, bench->clock.now_s);
	assert_true(state_is_rolled_back(bench->state, 0, &late));
	assert_true(answer(bench, 0, 99, &event));
	assert_true(event.behind && event.slot == 0 && event.height == 99 && event.floor == 100);
	clock_fake_advance(&bench->clock, 1000);
	assert_false(answer(bench, 0, 98, &event)); /* told once */
	clock_fake_advance(&bench->clock, 1000);
	assert_true(answer(bench, 0, 100, &event));
	assert_false(event.behind);
	/* What was asked before the floor rose is judged by the one of then. */
	late = at(100, bench->clock.now_s);
	climb(bench, 0, 200);
	assert_false(state_is_rolled_back(bench->state, 0, &late));
	late.asked_s = bench->clock.now_s;
	assert_true(state_is_rolled_back(bench->state, 0, &late));
	/* No height, no answer, no such node. */
	late.tip_height = 0;
	assert_false(state_is_rolled_back(bench->state, 0, &late));
	late = at(1, bench->clock.now_s);
	late.outcome = IOTPKI_OUTCOME_UNREACHABLE;
	assert_false(state_is_rolled_back(bench->state, 0, &late));
	late.outcome = IOTPKI_OUTCOME_UNREGISTERED;
	assert_true(state_is_rolled_back(bench->state, 0, &late));
	assert_false(state_is_rolled_back(bench->state, 3, &late));
	assert_false(state_is_rolled_back(bench->state, 99, &late));
	/* A clock that was set back does not open a gap. */
	bench->clock.now_s = 1000;
	late.asked_s = 1000;
	assert_true(state_is_rolled_back(bench->state, 0, &late));
}

static void chains_reorganise(void **state)
{
	struct bench *bench = *state;
	climb(bench, 2, 700000);
	const struct {
		uint64_t height;
		bool want;
	} rows[] = {
		{ 700000 - STATE_REORG_DEPTH + 1, false },
		{ 700000 - STATE_REORG_DEPTH, false },
		{ 700000 - STATE_REORG_DEPTH - 1, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct iotpki_answer got = at(rows[i].height, bench->clock.now_s);
		assert_int_equal(state_is_rolled_back(bench->state, 2, &got), rows[i].want);
	}
}

/* Another name or address is the same node; another key, network or count of keys is not. */
static void who_a_node_is(void **state)
{
	struct bench *bench = *state;
	climb(bench, 0, 100);
	flush(bench);
	struct config_node *node = &bench->config.nodes[0];
	(void)snprintf(node->name, sizeof(node->name), "renamed");
	(void)snprintf(node->url, sizeof(node->url), "https://moved/");
	bench->config.nodes[0] = bench->config.nodes[1];
	bench->config.nodes[1] = *node;
	(void)snprintf(bench->config.nodes[1].name, sizeof(node->name), "other-place");
	memset(bench->config.nodes[1].pins[0], 1, IOTPKI_SHA256_LEN);
	reopen(bench, STATE_GOOD);
	assert_int_equal(floor_now(bench, 1), 100);
	assert_int_equal(floor_now(bench, 0), 0);
	bench->config.nodes[1].network = 1;
	state_set_nodes(bench->state, &bench->config);
	assert_int_equal(floor_now(bench, 1), 0);
	bench->config.nodes[1].network = 0;
	memset(bench->config.nodes[1].pins[0], 9, IOTPKI_SHA256_LEN);
	state_set_nodes(bench->state, &bench->config);
	assert_int_equal(floor_now(bench, 1), 0);
	memset(bench->config.nodes[1].pins[0], 1, IOTPKI_SHA256_LEN);
	state_set_nodes(bench->state, &bench->config);
	assert_int_equal(floor_now(bench, 1), 100);
	state_reset_floors(bench->state);
	assert_int_equal(floor_now(bench, 1), 0);
	flush(bench);
	reopen(bench, STATE_GOOD);
	assert_int_equal(floor_now(bench, 1), 0);
	/* Two orders of the same pins are the same. */
	uint8_t one[IOTPKI_SHA256_LEN], other[IOTPKI_SHA256_LEN];
	node = &bench->config.nodes[1];
	node->pin_count = 2;
	memset(node->pins[1], 7, IOTPKI_SHA256_LEN);
	assert_int_equal(state_node_id(&bench->config, 1, one), IOTPKI_OK);
	memset(node->pins[0], 7, IOTPKI_SHA256_LEN);
	memset(node->pins[1], 1, IOTPKI_SHA256_LEN);
	assert_int_equal(state_node_id(&bench->config, 1, other), IOTPKI_OK);
	assert_memory_equal(one, other, sizeof(one));
	/* Without a pin it is its address. */
	node->pin_count = 0;
	assert_int_equal(state_node_id(&bench->config, 1, one), IOTPKI_OK);
	(void)snprintf(node->url, sizeof(node->url), "http://127.0.0.1:1/");
	assert_int_equal(state_node_id(&bench->config, 1, other), IOTPKI_OK);
	assert_memory_not_equal(one, other, sizeof(one));
}

/* Heights are written now and then; the first of a node at once. */
static void heights_cost_few_writes(void **state)
{
	struct bench *bench = *state;
	struct state_event event;
	climb(bench, 0, 100);
	assert_int_equal(state_due(bench->state), 0);
	flush(bench);
	climb(bench, 0, 101);
	assert_in_range(state_due(bench->state), STATE_WRITE_EVERY_MS - 60000,
			STATE_WRITE_EVERY_MS);
	clock_fake_advance(&bench->clock, STATE_WRITE_EVERY_MS);
	assert_int_equal(state_due(bench->state), 0);
	flush(bench);
	reopen(bench, STATE_GOOD);
	assert_int_equal(floor_now(bench, 0), 101);
	/* The first answer of a process is no second one. */
	assert_false(answer(bench, 0, 500, &event));
	clock_fake_advance(&bench->clock, 10000);
	assert_int_equal(floor_now(bench, 0), 101);
}

static void nodes_are_bounded(void **state)
{
	struct bench *bench = *state;
	climb(bench, 1, 55);
	for (int i = 0; i < 2 * STATE_NODES_MAX; i++) {
		clock_fake_advance(&bench->clock, 1000000);
		memset(bench->config.nodes[0].pins[0], 0x10 + i, IOTPKI_SHA256_LEN);
		bench->config.nodes[0].pins[0][0] = 0xaa;
		state_set_nodes(bench->state, &bench->config);
		climb(bench, 0, 1000 + (uint64_t)i);
		flush(bench);
		assert_int_equal(floor_now(bench, 1), 55);
	}
	reopen(bench, STATE_GOOD);
	assert_int_equal(floor_now(bench, 0), 1000 + 2 * STATE_NODES_MAX - 1);
	assert_int_equal(floor_now(bench, 1), 55);
}

/* ---- revocations ---- */

static void tombstones_stay(void **state)
{
	struct bench *bench = *state;
	uint8_t id[IOTPKI_SHA256_LEN];
	char name[IOTPKI_NAME_MAX + 1];
	enum { COUNT = 600 };
	for (int i = 0; i < COUNT; i++) {
		memset(id, i * 7, sizeof(id));
		(void)snprintf(name, sizeof(name), "name-%d", i);
		assert_int_equal(state_add_tombstone(bench->state, "farm", name, id), IOTPKI_OK);
		assert_int_equal(state_add_tombstone(bench->state, "farm", name, id),
				 IOTPKI_ERR_EXISTS);
	}
	/* More than one transaction holds. */
	while (state_due(bench->state) == 0)
		flush(bench);
	reopen(bench, STATE_GOOD);
	assert_int_equal(state_tombstones(bench->state), COUNT);
	for (int i = 0; i < COUNT; i++) {
		memset(id, i * 7, sizeof(id));
		(void)snprintf(name, sizeof(name), "name-%d", i);
		assert_true(state_is_tombstoned(bench->state, "farm", name, id));
		assert_false(state_is_tombstoned(bench->state, "far", name, id));
		id[31] ^= 1;
		assert_false(state_is_tombstoned(bench->state, "farm", name, id));
	}
	assert_false(state_is_tombstoned(bench->state, "farm", "name", id));
	/* The owner's reset of floors takes no revocation back. */
	state_reset_floors(bench->state);
	flush(bench);
	reopen(bench, STATE_GOOD);
	assert_int_equal(state_tombstones(bench->state), COUNT);
	static const char large[100] = { [0 ... 98] = 'x' };
	assert_int_equal(state_add_tombstone(bench->state, "farm", large, id), IOTPKI_ERR_ARGUMENT);
	assert_int_equal(state_add_tombstone(bench->state, large, "a", id), IOTPKI_ERR_ARGUMENT);
}

static void tombstones_are_bounded(void **state)
{
	struct bench *bench = *state;
	uint8_t id[IOTPKI_SHA256_LEN] = { 0 };
	for (uint32_t i = 0; i < STATE_TOMBSTONES_MAX; i++) {
		memcpy(id, &i, sizeof(i));
		assert_int_equal(state_add_tombstone(bench->state, "farm", "a", id), IOTPKI_OK);
	}
	id[31] = 1;
	assert_int_equal(state_add_tombstone(bench->state, "farm", "a", id), IOTPKI_ERR_LIMIT);
	/* The file takes all of them. */
	while (state_due(bench->state) == 0)
		flush(bench);
	reopen(bench, STATE_GOOD);
	assert_int_equal(state_tombstones(bench->state), STATE_TOMBSTONES_MAX);
}

/* ---- files ---- */

/* Something in each table. */
static void fill(struct bench *bench)
{
	static const uint8_t id[IOTPKI_SHA256_LEN] = { 5 };
	assert_true(state_offer_time(bench->state, NOW - 1));
	climb(bench, 0, 100);
	assert_int_equal(state_add_tombstone(bench->state, "farm", "a", id), IOTPKI_OK);
	flush(bench);
}

static void expect_empty(struct bench *bench)
{
	assert_true(state_time_floor(bench->state) == BUILD);
	assert_int_equal(state_tombstones(bench->state), 0);
	assert_int_equal(floor_now(bench, 0), 0);
}

static void garbage(const struct bench *bench)
{
	static uint8_t bytes[65536];
	memset(bytes, 0xa5, sizeof(bytes));
	write_path(bench, "data.mdb", bytes, sizeof(bytes));
}

static void cut(const struct bench *bench)
{
	assert_int_equal(truncate(bench->data, 3 * 4096), 0);
}

static void text(const struct bench *bench)
{
	write_path(bench, "data.mdb", "hello\n", 6);
}

/* All pages but the two first, so that LMDB itself believes them. */
static void overwritten(const struct bench *bench)
{
	static const uint8_t bytes[4096] = { [0 ... 4095] = 0xff };
	struct stat st;
	const int fd = open(bench->data, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t page = 2; page < st.st_size / 4096; page++)
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), page * 4096), 4096);
	(void)close(fd);
}

/* One bit of a record's value. */
static void flipped(const struct bench *bench)
{
	static uint8_t bytes[1 << 20];
	const int fd = open(bench->data, O_RDWR | O_CLOEXEC);
	const ssize_t len = read(fd, bytes, sizeof(bytes));
	assert_true(fd >= 0 && len > 0);
	unsigned int found = 0;
	for (ssize_t i = 0; i + 5 < len; i++)
		if (memcmp(bytes + i, "floor", 5) == 0 && ++found > 0)
			assert_true(pwrite(fd, "\x7f", 1, i + 5 + 3) == 1);
	assert_true(found > 0);
	(void)close(fd);
}

static void what_is_broken_is_begun_anew(void **state)
{
	struct bench *bench = *state;
	static const struct {
		const char *name;
		void (*spoil)(const struct bench *bench);
	} rows[] = {
		{ "garbage", garbage },       { "cut", cut },
		{ "a text", text },           { "overwritten", overwritten },
		{ "a flipped bit", flipped },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("broken: %s\n", rows[i].name);
		fill(bench);
		state_freep(&bench->state);
		rows[i].spoil(bench);
		reopen(bench, STATE_REPLACED);
		expect_empty(bench);
		assert_int_equal(access(bench->aside, F_OK), 0);
		/* It goes on with a new one. */
		flush(bench);
		reopen(bench, STATE_GOOD);
		clock_fake_advance(&bench->clock, EVERY);
	}
}

static void an_empty_file_is_none(void **state)
{
	struct bench *bench = *state;
	fill(bench);
	state_freep(&bench->state);
	write_path(bench, "data.mdb", "", 0);
	reopen(bench, STATE_NEW);
	expect_empty(bench);
	flush(bench);
	reopen(bench, STATE_GOOD);
	state_freep(&bench->state);
	assert_int_equal(unlink(bench->data), 0);
	reopen(bench, STATE_NEW);
}

static void stays(struct bench *bench)
{
	expect_empty(bench);
	assert_int_not_equal(access(bench->aside, F_OK), 0);
	/* What is learnt holds until the process ends, and nothing is written. */
	assert_true(state_offer_time(bench->state, NOW - 9));
	assert_true(state_time_floor(bench->state) == NOW - 9);
	assert_int_equal(state_due(bench->state), -1);
	flush(bench);
}

/* Another version: written by a later release. */
static void set_version(const struct bench *bench, uint8_t version)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	MDB_val key = { 7, (void *)(uintptr_t) "version" };
	MDB_val value = { 1, &version };
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_open(env, bench->dir, MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void another_version_is_left_alone(void **state)
{
	struct bench *bench = *state;
	struct iotpki_detail why;
	enum iotpki_err err = IOTPKI_OK;
	fill(bench);
	state_freep(&bench->state);
	set_version(bench, 2);
	reopen(bench, STATE_VOLATILE);
	(void)state_condition(bench->state, &err, &why);
	assert_int_equal(err, IOTPKI_ERR_UNSUPPORTED);
	assert_non_null(strstr(why.message, "layout 2"));
	stays(bench);
	state_freep(&bench->state);
	set_version(bench, 1);
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == NOW - 1);
}

static void whose_files(void **state)
{
	struct bench *bench = *state;
	enum iotpki_err err = IOTPKI_OK;
	fill(bench);
	state_freep(&bench->state);
	assert_int_equal(chmod(bench->dir, 0750), 0);
	reopen(bench, STATE_VOLATILE);
	stays(bench);
	state_freep(&bench->state);
	assert_int_equal(chmod(bench->dir, 0700), 0);
	assert_int_equal(chmod(bench->data, 0644), 0);
	reopen(bench, STATE_VOLATILE);
	(void)state_condition(bench->state, &err, NULL);
	assert_int_equal(err, IOTPKI_ERR_PERMISSION);
	stays(bench);
	state_freep(&bench->state);
	assert_int_equal(chmod(bench->data, 0600), 0);
	/* A link in its place. */
	assert_int_equal(rename(bench->data, bench->aside), 0);
	assert_int_equal(symlink(bench->aside, bench->data), 0);
	reopen(bench, STATE_VOLATILE);
	assert_int_equal(unlink(bench->data), 0);
	assert_int_equal(rename(bench->aside, bench->data), 0);
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == NOW - 1);
	if (geteuid() != 0)
		return;
	state_freep(&bench->state);
	assert_int_equal(chown(bench->dir, 12345, 12345), 0);
	reopen(bench, STATE_VOLATILE);
	stays(bench);
	state_freep(&bench->state);
	assert_int_equal(chown(bench->dir, 0, 0), 0);
	assert_int_equal(chown(bench->data, 12345, 12345), 0);
	reopen(bench, STATE_VOLATILE);
	assert_int_equal(chown(bench->data, 0, 0), 0);
}

static void one_process_has_it(void **state)
{
	struct bench *bench = *state;
	fill(bench);
	const struct state_options options = {
		.dir = bench->dir, .clock = &bench->clock.clock, .build_s = BUILD, .existing = true
	};
	CLEANUP(state_freep) struct state *second = NULL;
	enum iotpki_err err = IOTPKI_OK;
	assert_int_equal(state_new(&options, &second), IOTPKI_OK);
	assert_int_equal(state_condition(second, &err, NULL), STATE_VOLATILE);
	assert_int_equal(err, IOTPKI_ERR_EXISTS);
	state_freep(&second);
	state_freep(&bench->state);
	assert_int_equal(state_new(&options, &second), IOTPKI_OK);
	assert_int_equal(state_condition(second, NULL, NULL), STATE_GOOD);
	assert_true(state_time_floor(second) == NOW - 1);
	state_freep(&second);
	/* Beside the agent nothing is made. */
	assert_int_equal(unlink(bench->data), 0);
	assert_int_equal(state_new(&options, &second), IOTPKI_OK);
	assert_int_equal(state_condition(second, &err, NULL), STATE_VOLATILE);
	assert_int_equal(err, IOTPKI_ERR_NOT_FOUND);
	state_freep(&second);
	assert_int_not_equal(access(bench->data, F_OK), 0);
	assert_int_equal(rmdir(bench->dir), 0);
	assert_int_equal(state_new(&options, &second), IOTPKI_OK);
	assert_int_equal(state_condition(second, &err, NULL), STATE_VOLATILE);
	assert_int_equal(err, IOTPKI_ERR_NOT_FOUND);
	assert_string_equal(state_condition_name(STATE_VOLATILE), "volatile");
	assert_string_equal(state_condition_name((enum state_condition)9), "volatile");
}

/* Somebody looks into the file at the moment of the start: what it holds must not be missed for good. */
static void another_process_has_it_for_a_moment(void **state)
{
	struct bench *bench = *state;
	int held[2];
	fill(bench);
	state_freep(&bench->state);
	assert_int_equal(pipe(held), 0);
	const pid_t child = fork();
	if (child == 0) {
		const int fd = open(bench->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (flock(fd, LOCK_EX | LOCK_NB) != 0 || write(held[1], "", 1) != 1)
			_exit(1);
		(void)poll(NULL, 0, 200);
		_exit(0);
	}
	char byte;
	int status = 1;
	assert_int_equal(read(held[0], &byte, 1), 1);
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == NOW - 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	(void)close(held[0]);
	(void)close(held[1]);
}

static void a_failed_write_is_tried_again(void **state)
{
	struct bench *bench = *state;
	struct iotpki_detail detail;
	assert_true(state_offer_time(bench->state, NOW - 1));
	assert_int_equal(rename(bench->data, bench->aside), 0);
	assert_int_equal(mkdir(bench->data, 0700), 0);
	assert_int_not_equal(state_flush(bench->state, &detail), IOTPKI_OK);
	assert_int_equal(state_due(bench->state), STATE_RETRY_MS);
	assert_true(state_time_floor(bench->state) == NOW - 1);
	assert_int_equal(rmdir(bench->data), 0);
	assert_int_equal(rename(bench->aside, bench->data), 0);
	clock_fake_advance(&bench->clock, STATE_RETRY_MS);
	assert_int_equal(state_due(bench->state), 0);
	flush(bench);
	reopen(bench, STATE_GOOD);
	assert_true(state_time_floor(bench->state) == NOW - 1);
}

/* ---- kill -9 ---- */

/* The child raises one number in all three tables, in one transaction each, and says each that is written. */
static void work_until_killed(struct bench *bench, int out, uint8_t from)
{
	struct state_event event;
	uint8_t id[IOTPKI_SHA256_LEN] = { 0 };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint8_t i = from; i < 250; i++) {
		clock_fake_advance(&bench->clock, EVERY);
		id[0] = i;
		(void)state_offer_time(bench->state, BUILD + i);
		(void)answer(bench, 0, i, &event);
		if (state_add_tombstone(bench->state, "farm", "a", id) != IOTPKI_OK ||
		    state_flush(bench->state, NULL) != IOTPKI_OK || write(out, &i, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static void killed_at_any_moment(void **state)
{
	struct bench *bench = *state;
	uint8_t done = 0;
	bench->clock.now_s = 0;
	for (useconds_t round = 0; round < 12 && done < 240; round++) {
		int out[2];
		assert_int_equal(pipe(out), 0);
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			work_until_killed(bench, out[1], done + 1);
		(void)close(out[1]);
		/* A few writes, and then somewhere in the next. */
		for (int i = 0; i < 3; i++)
			assert_int_equal(read(out[0], &done, 1), 1);
		(void)usleep(round * 300);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		while (read(out[0], &done, 1) == 1)
			;
		(void)close(out[0]);
		/* What was said to be written is there; the one that was under way wholly or not at all. */
		reopen(bench, STATE_GOOD);
		const int64_t floor = state_time_floor(bench->state) - BUILD;
		assert_in_range(floor, done, done + 1);
		assert_int_equal(state_tombstones(bench->state), floor);
		done = (uint8_t)floor;
		clock_fake_advance(&bench->clock, 300 * (int64_t)EVERY);
	}
}

/* ---- at random, against the rules said in another way ---- */

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525U + 1013904223U;
	return (*seed >> 8) % below;
}

static void random_walk(struct bench *bench, uint32_t seed)
{
	struct state_event event;
	int64_t floor = BUILD, written = BUILD;
	int64_t newest_s = INT64_MIN; /* of any honest offer */
	uint64_t height = 1000, written_height = 0;
	for (int step = 0; step < 400; step++) {
		clock_fake_advance(&bench->clock, draw(&seed, 1200) * 1000);
		if (draw(&seed, 20) == 0)
			bench->clock.now_s = draw(&seed, 2) == 0 ? 1000 : NOW;
		const int64_t offer = BUILD + (int64_t)draw(&seed, 400) * DAY;
		const int64_t clock_s = bench->clock.now_s;
		(void)state_offer_time(bench->state, offer);
		newest_s = offer > newest_s ? offer : newest_s;
		const int64_t now = state_time_floor(bench->state);
		assert_true(now >= floor); /* I5 */
		assert_true(now <= newest_s || now == BUILD);
		assert_true(now - (clock_s > floor ? clock_s : floor) <= STATE_TIME_STEP_S);
		floor = now;
		/* An honest node, now and then a lie for one answer. */
		height += draw(&seed, 50);
		const bool lie = draw(&seed, 8) == 0;
		const uint64_t before = floor_now(bench, 1);
		(void)answer(bench, 1, lie ? UINT64_MAX : height, &event);
		clock_fake_advance(&bench->clock, 2000);
		(void)answer(bench, 1, height, &event);
		clock_fake_advance(&bench->clock, 2000);
		assert_true(floor_now(bench, 1) >= before);
		assert_true(floor_now(bench, 1) <= height);
		const struct iotpki_answer honest = at(height, bench->clock.now_s);
		assert_false(state_is_rolled_back(bench->state, 1, &honest));
		if (state_due(bench->state) == 0) {
			flush(bench);
			written = floor;
			written_height = floor_now(bench, 1);
		}
		if (draw(&seed, 10) == 0) {
			reopen(bench, STATE_GOOD);
			assert_true(state_time_floor(bench->state) == written);
			assert_true(floor_now(bench, 1) >= written_height);
			floor = written;
		}
	}
}

static void walks(void **state)
{
	struct bench *bench = *state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		random_walk(bench, seed);
		state_reset_floors(bench->state);
		flush(bench);
		bench->clock.now_s = NOW;
		reopen(bench, STATE_GOOD);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(time_steps),
		TEST(time_survives),
		TEST(heights_rise),
		TEST(going_back_is_seen),
		TEST(chains_reorganise),
		TEST(who_a_node_is),
		TEST(heights_cost_few_writes),
		TEST(nodes_are_bounded),
		TEST(tombstones_stay),
		TEST(tombstones_are_bounded),
		TEST(what_is_broken_is_begun_anew),
		TEST(an_empty_file_is_none),
		TEST(another_version_is_left_alone),
		TEST(whose_files),
		TEST(one_process_has_it),
		TEST(another_process_has_it_for_a_moment),
		TEST(a_failed_write_is_tried_again),
		TEST(killed_at_any_moment),
		TEST(walks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
