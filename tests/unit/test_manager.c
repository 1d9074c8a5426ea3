/*
 * The device manager against real ledgers: three of them in a scratch folder, one clock, and a
 * transport that can lose a node or die after any number of submissions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse.h"
#include "bnode/ledger.h"
#include "manager/manager.h"

enum { NODES = 3, NEVER = 1000000 };
#define START_S INT64_C(1800000000)
#define DAY_S INT64_C(86400)
#define NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define NVS_NAME "iot:" NAME

struct farm {
	char dir[64];
	struct clock_fake clock;
	struct config config;
	struct identity *owner;
	struct ledger *ledgers[NODES];
	bool down[NODES];
	bool writes_in_vain;  /* the answer is "storage", and the transaction is there after all */
	int submissions_left; /* then every node is out of reach: as if we had been killed here */
	struct manager manager;
};

static enum manager_state submit(void *context, size_t node, const uint8_t *der, size_t len,
				 const uint8_t txid[static SHA256_LEN], enum tx_reason *reason_out)
{
	struct farm *farm = context;
	if (farm->down[node] || farm->submissions_left == 0)
		return MANAGER_UNREACHABLE;
	farm->submissions_left--;
	struct ledger_submission submission = { .der = der, .der_len = len };
	struct iotpki_detail detail = { 0 };
	assert_int_equal(ledger_submit(farm->ledgers[node], &submission, 1, &detail), IOTPKI_OK);
	if (farm->writes_in_vain)
		submission.reason = TX_STORAGE;
	*reason_out = submission.reason;
	if (submission.reason != TX_OK)
		return MANAGER_REFUSED;
	assert_memory_equal(submission.txid, txid, SHA256_LEN);
	return MANAGER_LEVEL;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static struct identity *new_owner(void)
{
	struct identity *owner = NULL;
	assert_int_equal(identity_new("owner", IDENTITY_P256, random_system(), &owner, NULL),
			 IOTPKI_OK);
	return owner;
}

static int farm_make(void **state)
{
	struct farm *farm = calloc(1, sizeof(*farm));
	assert_non_null(farm);
	(void)snprintf(farm->dir, sizeof(farm->dir), "/tmp/iotpki-manager-XXXXXX");
	assert_non_null(mkdtemp(farm->dir));
	clock_fake_init(&farm->clock, START_S);
	farm->owner = new_owner();
	farm->config.node_count = NODES;
	farm->submissions_left = NEVER;
	for (size_t i = 0; i < NODES; i++) {
		char path[128];
		struct iotpki_detail detail = { 0 };
		const struct ledger_policy policy = { .open = true, .map_bytes = 16 << 20 };
		(void)snprintf(farm->config.nodes[i].name_prefix,
			       sizeof(farm->config.nodes[i].name_prefix), "iot:");
		(void)snprintf(path, sizeof(path), "%s/node%zu", farm->dir, i);
		assert_int_equal(fs_mkdir(path, 0700, NULL), IOTPKI_OK);
		assert_int_equal(ledger_create(path, &policy, &detail), IOTPKI_OK);
		assert_int_equal(ledger_open(path, &farm->clock.clock, &farm->ledgers[i], &detail),
				 IOTPKI_OK);
	}
	farm->manager = (struct manager){ .dir = farm->dir,
					  .owner = farm->owner,
					  .config = &farm->config,
					  .clock = &farm->clock.clock,
					  .random = random_system(),
					  .transport = { farm, submit } };
	*state = farm;
	return 0;
}

static int farm_remove(void **state)
{
	struct farm *farm = *state;
	for (size_t i = 0; i < NODES; i++)
		ledger_close(farm->ledgers[i]);
	identity_free(farm->owner);
	const int result = nftw(farm->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(farm);
	return result;
}

static struct iotpki_record record(uint8_t fill)
{
	struct iotpki_record record = { 0 };
	memset(record.sha256, fill, sizeof(record.sha256));
	return record;
}

static struct ledger_name shown(struct farm *farm, size_t node)
{
	struct ledger_name name = { 0 };
	struct ledger_tip tip;
	assert_int_equal(ledger_show(farm->ledgers[node], NVS_NAME, &name, &tip), IOTPKI_OK);
	return name;
}

/* All nodes tell the very same: value, end, owner, txids. */
static struct ledger_name same_everywhere(struct farm *farm)
{
	const struct ledger_name first = shown(farm, 0);
	for (size_t i = 1; i < NODES; i++) {
		const struct ledger_name other = shown(farm, i);
		assert_string_equal(other.value, first.value);
		assert_memory_equal(other.txid, first.txid, SHA256_LEN);
		assert_memory_equal(other.registration, first.registration, SHA256_LEN);
		assert_true(other.expires_s == first.expires_s && other.revoked == first.revoked);
		assert_int_equal(other.sequence, first.sequence);
	}
	return first;
}

static struct manager_report register_name(struct farm *farm, uint8_t fill, int64_t expires_s)
{
	const struct iotpki_record wanted = record(fill);
	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		manager_register(&farm->manager, NAME, &wanted, expires_s, &report, &detail);
	if (err != IOTPKI_OK)
		fail_msg("register: %s", detail.message);
	return report;
}

static void registration_reaches_every_node(void **state)
{
	struct farm *farm = *state;
	const struct manager_report report = register_name(farm, 1, START_S + DAY_S);
	assert_true(manager_done(&report));
	const struct ledger_name name = same_everywhere(farm);
	assert_true(name.expires_s == START_S + DAY_S);
	assert_int_equal(name.sequence, 1);

	struct store_name stored;
	assert_int_equal(store_load(farm->dir, NAME, &stored, NULL), IOTPKI_OK);
	struct store_state now;
	store_state(&stored, &now);
	assert_true(now.exists && !now.revoked && now.expires_s == name.expires_s);
	assert_memory_equal(now.registration, name.registration, SHA256_LEN);
	assert_memory_equal(now.last, name.txid, SHA256_LEN);
	assert_int_equal(stored.level, stored.step_count);
	store_name_done(&stored);
}

/* Design 6: a node that was down takes the byte-identical transactions later, in order. */
static void a_node_that_was_away_for_a_week_is_brought_level(void **state)
{
	struct farm *farm = *state;
	farm->down[2] = true;
	struct manager_report report = register_name(farm, 1, START_S + 30 * DAY_S);
	assert_false(manager_done(&report));
	assert_int_equal(report.node[2].state, MANAGER_UNREACHABLE);
	assert_int_equal(report.node[0].state, MANAGER_LEVEL);

	clock_fake_advance(&farm->clock, 1000 * DAY_S);
	assert_int_equal(
		manager_renew(&farm->manager, NAME, NULL, START_S + 90 * DAY_S, &report, NULL),
		IOTPKI_OK);
	assert_false(manager_done(&report));

	clock_fake_advance(&farm->clock, 7 * 1000 * DAY_S);
	farm->down[2] = false;
	assert_int_equal(manager_sync(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_true(manager_done(&report));
	assert_int_equal(same_everywhere(farm).sequence, 2);
}

/* Whatever was interrupted, running the same command again finishes it: one registration everywhere. */
static void a_registration_killed_after_any_submission_is_resumed(void **state)
{
	struct farm *farm = *state;
	for (int kill_after = 0; kill_after < 2 * NODES; kill_after++) {
		clock_fake_advance(&farm->clock, 2000 * DAY_S);
		const int64_t expires_s = farm->clock.now_s + DAY_S;
		farm->submissions_left = kill_after;
		(void)register_name(farm, 7, expires_s);
		/* The second run asks for another end: the one that was signed first stands. */
		clock_fake_advance(&farm->clock, 5000);
		farm->submissions_left = NEVER;
		const struct manager_report report = register_name(farm, 7, expires_s + 77);
		if (!manager_done(&report))
			fail_msg("killed after %d submissions: not everywhere", kill_after);
		const struct ledger_name name = same_everywhere(farm);
		assert_int_equal(name.sequence, 1);
		assert_true(name.expires_s == expires_s);
	}
	struct manager_report report;
	const struct iotpki_record wanted = record(7);
	assert_int_equal(manager_register(&farm->manager, NAME, &wanted, farm->clock.now_s + DAY_S,
					  &report, NULL),
			 IOTPKI_ERR_EXISTS);
}

static void revocation_is_final_and_repeatable(void **state)
{
	struct farm *farm = *state;
	struct manager_report report = register_name(farm, 1, START_S + DAY_S);
	farm->down[1] = true;
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_false(manager_done(&report));
	assert_true(shown(farm, 0).revoked);
	assert_false(shown(farm, 1).revoked);
	farm->down[1] = false;
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_true(manager_done(&report));
	const struct ledger_name name = same_everywhere(farm);
	assert_true(name.revoked);
	assert_non_null(strstr(name.value, "|status=revoked"));

	struct iotpki_detail detail = { 0 };
	assert_int_equal(
		manager_renew(&farm->manager, NAME, NULL, START_S + 9 * DAY_S, &report, &detail),
		IOTPKI_ERR_REFUSED);
	const struct iotpki_record wanted = record(1);
	assert_int_equal(manager_register(&farm->manager, NAME, &wanted, START_S + 9 * DAY_S,
					  &report, &detail),
			 IOTPKI_ERR_REFUSED);
}

static void a_second_life_has_another_registration_id(void **state)
{
	struct farm *farm = *state;
	(void)register_name(farm, 1, START_S + 10);
	const struct ledger_name first = same_everywhere(farm);
	struct manager_report report;
	clock_fake_advance(&farm->clock, 10000);
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, NULL), IOTPKI_ERR_REFUSED);
	report = register_name(farm, 1, START_S + DAY_S);
	assert_true(manager_done(&report));
	const struct ledger_name second = same_everywhere(farm);
	assert_string_equal(first.value, second.value);
	assert_memory_not_equal(first.registration, second.registration, SHA256_LEN);
	assert_int_equal(second.sequence, 1);
}

static void a_name_of_another_owner_is_forgotten_again(void **state)
{
	struct farm *farm = *state;
	(void)register_name(farm, 1, START_S + DAY_S);
	struct farm rival = *farm;
	char dir[128];
	(void)snprintf(dir, sizeof(dir), "%s/rival", farm->dir);
	rival.owner = new_owner();
	rival.manager.owner = rival.owner;
	rival.manager.dir = dir;
	rival.manager.transport.context = &rival;
	struct manager_report report;
	const struct iotpki_record wanted = record(2);
	assert_int_equal(
		manager_register(&rival.manager, NAME, &wanted, START_S + DAY_S, &report, NULL),
		IOTPKI_OK);
	for (size_t i = 0; i < report.count; i++) {
		assert_int_equal(report.node[i].state, MANAGER_REFUSED);
		assert_int_equal(report.node[i].reason, TX_NAME_TAKEN);
	}
	assert_true(manager_refused(&report));
	assert_string_equal(manager_state_name(report.node[0].state), "refused");
	struct store_name stored;
	assert_int_equal(store_load(dir, NAME, &stored, NULL), IOTPKI_ERR_NOT_FOUND);
	identity_free(rival.owner);
}

/* A commit whose sync failed may be on the disk all the same when the node is started again. */
static void a_step_that_a_node_failed_to_write_is_kept(void **state)
{
	struct farm *farm = *state;
	struct manager_report report = register_name(farm, 1, START_S + 9 * DAY_S);
	farm->writes_in_vain = true;
	assert_int_equal(
		manager_renew(&farm->manager, NAME, NULL, START_S + 10 * DAY_S, &report, NULL),
		IOTPKI_OK);
	assert_int_equal(report.node[0].reason, TX_STORAGE);
	assert_false(manager_refused(&report));
	farm->writes_in_vain = false;
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_true(manager_done(&report));
	assert_true(same_everywhere(farm).revoked);
}

/* The owner's clock was years ahead once, while a node was away: nothing may be stuck for years. */
static void refused_steps_do_not_stand_in_the_way_of_a_revocation(void **state)
{
	struct farm *farm = *state;
	struct manager_report report = register_name(farm, 1, START_S + 9 * DAY_S);
	struct clock_fake wrong;
	clock_fake_init(&wrong, START_S + 5 * DAY_S);
	farm->manager.clock = &wrong.clock;
	farm->down[2] = true;
	assert_int_equal(
		manager_renew(&farm->manager, NAME, NULL, START_S + 10 * DAY_S, &report, NULL),
		IOTPKI_OK);
	assert_int_equal(report.node[0].reason, TX_STALE_TIME);

	farm->manager.clock = &farm->clock.clock;
	farm->down[2] = false;
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_false(manager_done(&report));
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_true(manager_done(&report));
	assert_true(same_everywhere(farm).revoked);
}

static void what_ledgers_refuse_is_refused_before_it_is_signed(void **state)
{
	struct farm *farm = *state;
	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	const struct iotpki_record wanted = record(1);
	static const int64_t ends[] = { 0, START_S, START_S - 1, START_S + INT64_C(3660) * DAY_S };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		assert_int_equal(
			manager_register(&farm->manager, NAME, &wanted, ends[i], &report, &detail),
			IOTPKI_ERR_ARGUMENT);
	assert_int_equal(manager_revoke(&farm->manager, NAME, &report, &detail),
			 IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(manager_sync(&farm->manager, NAME, &report, &detail),
			 IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(manager_sync(&farm->manager, "../x", &report, &detail),
			 IOTPKI_ERR_ARGUMENT);
	(void)register_name(farm, 1, START_S + DAY_S);
	assert_int_equal(manager_renew(&farm->manager, NAME, NULL, START_S + 5, &report, &detail),
			 IOTPKI_ERR_ARGUMENT);
	assert_int_equal(
		manager_register(&farm->manager, NAME, &wanted, START_S + DAY_S, &report, &detail),
		IOTPKI_ERR_EXISTS);
	struct config empty = { 0 };
	farm->manager.config = &empty;
	assert_int_equal(manager_renew(&farm->manager, NAME, NULL, 0, &report, &detail),
			 IOTPKI_ERR_ARGUMENT);
	report = (struct manager_report){ 0 };
	assert_false(manager_done(&report));
	assert_false(manager_refused(&report));
}

static enum iotpki_err count_name(void *context, const char *name)
{
	assert_string_equal(name, NAME);
	(*(int *)context)++;
	return IOTPKI_OK;
}

/* A store that was damaged says where, and never signs on from a wrong state. */
static void a_damaged_store_is_refused(void **state)
{
	struct farm *farm = *state;
	struct manager_report report = register_name(farm, 1, START_S + DAY_S);
	int names = 0;
	assert_int_equal(store_names(farm->dir, count_name, &names, NULL), IOTPKI_OK);
	assert_int_equal(names, 1);
	assert_int_equal(
		manager_renew(&farm->manager, NAME, NULL, START_S + 2 * DAY_S, &report, NULL),
		IOTPKI_OK);

	char first[192];
	char path[192];
	(void)snprintf(first, sizeof(first), "%s/names/%s/0001-register", farm->dir, NAME);
	CLEANUP(buf_done) struct buf text = BUF_INIT(16384);
	assert_int_equal(fs_read(first, NULL, &text, NULL), IOTPKI_OK);
	struct store_name stored;
	struct iotpki_detail detail;
	for (size_t at = 0; at < text.len; at += 97) {
		const uint8_t kept = text.data[at];
		text.data[at] = kept == 'A' ? 'B' : 'A';
		assert_int_equal(fs_write(first, text.data, text.len, 0600, false, NULL),
				 IOTPKI_OK);
		detail = (struct iotpki_detail){ 0 };
		const enum iotpki_err err = store_load(farm->dir, NAME, &stored, &detail);
		if (err == IOTPKI_OK)
			fail_msg("byte %zu altered, and the store is believed", at);
		assert_non_null(strstr(detail.where, "0001-register"));
		text.data[at] = kept;
	}
	for (size_t len = 0; len < text.len; len += 211) {
		assert_int_equal(fs_write(first, text.data, len, 0600, false, NULL), IOTPKI_OK);
		assert_int_not_equal(store_load(farm->dir, NAME, &stored, &detail), IOTPKI_OK);
	}
	assert_int_equal(unlink(first), 0);
	assert_int_equal(store_load(farm->dir, NAME, &stored, &detail), IOTPKI_ERR_SYNTAX);
	assert_int_equal(fs_write(first, text.data, text.len, 0600, false, NULL), IOTPKI_OK);

	/* Only a hint: without it everything is sent again. */
	(void)snprintf(path, sizeof(path), "%s/names/%s/level", farm->dir, NAME);
	assert_int_equal(fs_write(path, "99\n", 3, 0600, false, NULL), IOTPKI_OK);
	assert_int_equal(store_load(farm->dir, NAME, &stored, NULL), IOTPKI_OK);
	assert_int_equal(stored.level, 0);
	store_name_done(&stored);
	assert_int_equal(manager_sync(&farm->manager, NAME, &report, NULL), IOTPKI_OK);
	assert_true(manager_done(&report));
}

static void only_one_command_works_on_a_store(void **state)
{
	struct farm *farm = *state;
	CLEANUP(fs_close) int fd = -1;
	assert_int_equal(manager_lock(farm->dir, &fd, NULL), IOTPKI_OK);
	assert_true(fd >= 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, farm_make, farm_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(registration_reaches_every_node),
		ROW(a_node_that_was_away_for_a_week_is_brought_level),
		ROW(a_registration_killed_after_any_submission_is_resumed),
		ROW(revocation_is_final_and_repeatable),
		ROW(a_second_life_has_another_registration_id),
		ROW(a_name_of_another_owner_is_forgotten_again),
		ROW(a_step_that_a_node_failed_to_write_is_kept),
		ROW(refused_steps_do_not_stand_in_the_way_of_a_revocation),
		ROW(what_ledgers_refuse_is_refused_before_it_is_signed),
		ROW(a_damaged_store_is_refused),
		ROW(only_one_command_works_on_a_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
