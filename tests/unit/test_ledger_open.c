/* A ledger that is open to everybody: what strangers may add in an hour, and preorders that nobody redeems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bnode/audit.h"
#include "bnode/ledger_store.h"
#include "ledgerkit.h"

#define T INT64_C(1800000000)
#define DAY INT64_C(86400)
enum { STRANGERS = 12, PER_HOUR = 10 };

static struct txkit_key strangers[STRANGERS], listed;

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRANGERS; i++)
		txkit_key_new(&strangers[i]);
	txkit_key_new(&listed);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRANGERS; i++)
		txkit_key_done(&strangers[i]);
	txkit_key_done(&listed);
	return 0;
}

static enum tx_reason submit(struct ledger *ledger, const struct txkit_key *key, struct tx tx,
			     uint8_t *txid_out)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	txkit_sign(key, &tx, &der);
	struct ledger_submission submission = { .der = der.data, .der_len = der.len };
	assert_int_equal(ledger_submit(ledger, &submission, 1, NULL), IOTPKI_OK);
	if (txid_out != NULL)
		memcpy(txid_out, submission.txid, SHA256_LEN);
	return submission.reason;
}

static enum tx_reason preorder(struct ledger *ledger, const struct txkit_key *key, const char *name,
			       int64_t time_s)
{
	return submit(ledger, key, txkit_preorder(key, name, 1, time_s), NULL);
}

static void is_clean(struct ledgerkit *kit, uint64_t entries)
{
	struct audit_report report;
	assert_int_equal(audit_run(kit->dir, kit->top, &report, NULL), IOTPKI_OK);
	if (report.verdict != AUDIT_CLEAN)
		fail_msg("%s", report.message);
	assert_int_equal(report.entries, entries);
}

/* The last of a bucket is known by its reason; who is refused is taken later, byte for byte the same. */
static void strangers_have_an_allowance(void **state)
{
	(void)state;
	struct ledgerkit kit;
	uint8_t txid[STRANGERS][SHA256_LEN];
	char name[32];
	ledgerkit_new_open(&kit, T, 0);
	assert_int_equal(ledger_allow(kit.ledger, false, (const uint8_t(*)[SHA256_LEN])listed.owner,
				      1, NULL),
			 IOTPKI_OK);
	ledger_limit_strangers(kit.ledger, PER_HOUR);
	for (int i = 0; i < PER_HOUR; i++) {
		(void)snprintf(name, sizeof(name), "iot:%d", i);
		assert_int_equal(preorder(kit.ledger, &strangers[i], name, T), TX_OK);
		assert_int_equal(submit(kit.ledger, &strangers[i],
					txkit_register(&strangers[i], name, 1, T, T + 90 * DAY),
					txid[i]),
				 TX_OK);
	}
	CLEANUP(buf_done) struct buf late = BUF_INIT(TX_DER_MAX);
	const struct tx late_tx = txkit_preorder(&strangers[10], "iot:late", 1, T);
	txkit_sign(&strangers[10], &late_tx, &late);
	struct ledger_submission again = { .der = late.data, .der_len = late.len };
	assert_int_equal(ledger_submit(kit.ledger, &again, 1, NULL), IOTPKI_OK);
	assert_int_equal(again.reason, TX_QUOTA);

	/* A refused one costs nothing, and neither does one that is there already. */
	assert_int_equal(preorder(kit.ledger, &strangers[0], "iot:0", T - 2 * DAY), TX_QUOTA);
	/* Updates have their own allowance; whoever is listed, and a REVOKE, needs none. */
	for (int i = 0; i < PER_HOUR; i++) {
		(void)snprintf(name, sizeof(name), "iot:%d", i);
		assert_int_equal(
			submit(kit.ledger, &strangers[i],
			       txkit_update(&strangers[i], name, txid[i], T + 1, T + 91 * DAY),
			       txid[i]),
			TX_OK);
	}
	assert_int_equal(submit(kit.ledger, &strangers[0],
				txkit_update(&strangers[0], "iot:0", txid[0], T + 2, T + 92 * DAY),
				NULL),
			 TX_QUOTA);
	assert_int_equal(preorder(kit.ledger, &listed, "iot:listed", T), TX_OK);
	assert_int_equal(submit(kit.ledger, &strangers[0],
				txkit_revoke(&strangers[0], "iot:0", txid[0], T + 2), NULL),
			 TX_OK);

	/* An hour's tenth later there is one more, and not two. */
	clock_fake_advance(&kit.clock, 359000);
	again = (struct ledger_submission){ .der = late.data, .der_len = late.len };
	assert_int_equal(ledger_submit(kit.ledger, &again, 1, NULL), IOTPKI_OK);
	assert_int_equal(again.reason, TX_QUOTA);
	clock_fake_advance(&kit.clock, 1000);
	again = (struct ledger_submission){ .der = late.data, .der_len = late.len };
	assert_int_equal(ledger_submit(kit.ledger, &again, 1, NULL), IOTPKI_OK);
	assert_int_equal(again.reason, TX_OK);
	assert_int_equal(preorder(kit.ledger, &strangers[11], "iot:later", T), TX_QUOTA);

	/* However long nothing comes, an hour's worth is all; and the audit knows nothing of it. */
	clock_fake_advance(&kit.clock, 1000 * DAY);
	for (int i = 0; i <= PER_HOUR; i++) {
		(void)snprintf(name, sizeof(name), "iot:%d-2", i);
		assert_int_equal(preorder(kit.ledger, &strangers[i], name, T + DAY),
				 i < PER_HOUR ? TX_OK : TX_QUOTA);
	}
	is_clean(&kit, 3 * PER_HOUR + 2 + 1 + PER_HOUR);
	ledger_limit_strangers(kit.ledger, 0);
	assert_int_equal(preorder(kit.ledger, &strangers[11], "iot:free", T + DAY), TX_OK);
	ledgerkit_done(&kit);
}

/* Four in any 24 hours, however many older ones nobody redeemed, and whatever they are dated. */
static void dead_preorders_are_not_counted(void **state)
{
	(void)state;
	struct ledgerkit kit;
	char name[32];
	ledgerkit_new_open(&kit, T, 0);
	for (int i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "iot:%d", i);
		assert_int_equal(preorder(kit.ledger, &listed, name, T - (101 - i / 4) * DAY),
				 TX_OK);
	}
	/* The last four are of T - 2 days. */
	static const struct {
		int64_t at_s;
		enum tx_reason want;
	} rows[] = {
		{ -DAY - 1, TX_QUOTA }, { -50 * DAY, TX_QUOTA }, { -DAY, TX_OK },  { -DAY, TX_OK },
		{ -1, TX_OK },          { -1, TX_OK },           { -1, TX_QUOTA }, { 0, TX_OK },
		{ 0, TX_OK },           { 0, TX_QUOTA },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(name, sizeof(name), "iot:new-%zu", i);
		const enum tx_reason reason = preorder(kit.ledger, &listed, name, T + rows[i].at_s);
		if (reason != rows[i].want)
			fail_msg("row %zu: %s", i, tx_reason_name(reason));
	}
	/* Made again later it counts at its new time alone; redeemed it counts no more. */
	assert_int_equal(preorder(kit.ledger, &listed, "iot:new-7", T + 1), TX_OK);
	assert_int_equal(preorder(kit.ledger, &listed, "iot:more", T + 1), TX_QUOTA);
	assert_int_equal(submit(kit.ledger, &listed,
				txkit_register(&listed, "iot:new-7", 1, T + 1, T + DAY), NULL),
			 TX_OK);
	assert_int_equal(preorder(kit.ledger, &listed, "iot:more", T + 1), TX_OK);
	is_clean(&kit, 400 + 6 + 3);
	ledgerkit_done(&kit);
}

/* What a ledger of format 1 lacks. */
static void make_old(struct ledger *ledger)
{
	MDB_txn *txn = NULL;
	MDB_val key = { 7, (void *)(uintptr_t) "version" };
	MDB_val old = { 1, (void *)(uintptr_t) "1" };
	assert_int_equal(mdb_txn_begin(ledger->env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_drop(txn, ledger->tables[TABLE_PREORDER_TIMES], 1), 0);
	assert_int_equal(mdb_put(txn, ledger->tables[TABLE_META], &key, &old, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

static void format_1_is_brought_up(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct audit_report report;
	char name[32];
	ledgerkit_new_open(&kit, T, 0);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "iot:%d", i);
		assert_int_equal(preorder(kit.ledger, &listed, name, T), TX_OK);
	}
	make_old(kit.ledger);
	/* Whoever only reads leaves it as it is, and says so. */
	assert_int_equal(audit_run(kit.dir, kit.top, &report, NULL), IOTPKI_OK);
	assert_int_equal(report.verdict, AUDIT_UNDONE);
	assert_non_null(strstr(report.message, "another version"));
	ledgerkit_reopen(&kit);
	assert_int_equal(preorder(kit.ledger, &listed, "iot:4", T), TX_QUOTA);
	assert_int_equal(
		submit(kit.ledger, &listed, txkit_register(&listed, "iot:0", 1, T, T + DAY), NULL),
		TX_OK);
	assert_int_equal(preorder(kit.ledger, &listed, "iot:4", T), TX_OK);
	is_clean(&kit, 6);

	/* A later format is nobody's to change. */
	MDB_txn *txn = NULL;
	MDB_val key = { 7, (void *)(uintptr_t) "version" };
	MDB_val later = { 1, (void *)(uintptr_t) "3" };
	struct iotpki_detail detail = { 0 };
	struct ledger *ledger = NULL;
	assert_int_equal(mdb_txn_begin(kit.ledger->env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_put(txn, kit.ledger->tables[TABLE_META], &key, &later, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	ledger_closep(&kit.ledger);
	assert_int_equal(ledger_open(kit.dir, &kit.clock.clock, &ledger, &detail),
			 IOTPKI_ERR_UNSUPPORTED);
	ledgerkit_done(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_have_an_allowance),
		cmocka_unit_test(dead_preorders_are_not_counted),
		cmocka_unit_test(format_1_is_brought_up),
	};
	return cmocka_run_group_tests_name("ledger_open", tests, setup, teardown);
}
