/* The embedded ledger on a disk: what is taken, what is read back, and what survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bnode/audit.h"
#include "bnode/ledger.h"
#include "bnode/rules.h"
#include "ledgerkit.h"

#define T INT64_C(1800000000)
#define DAY INT64_C(86400)

static struct txkit_key owner, other;

static int setup(void **state)
{
	(void)state;
	txkit_key_new(&owner);
	txkit_key_new(&other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	txkit_key_done(&owner);
	txkit_key_done(&other);
	return 0;
}

static enum tx_reason submit_der(struct ledger *ledger, const struct buf *der, uint8_t *txid_out)
{
	struct ledger_submission submission = { .der = der->data, .der_len = der->len };
	assert_int_equal(ledger_submit(ledger, &submission, 1, NULL), IOTPKI_OK);
	if (txid_out != NULL)
		memcpy(txid_out, submission.txid, SHA256_LEN);
	return submission.reason;
}

static enum tx_reason submit(struct ledger *ledger, const struct txkit_key *key,
			     const struct tx *tx, uint8_t *txid_out)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	txkit_sign(key, tx, &der);
	return submit_der(ledger, &der, txid_out);
}

static void take(struct ledger *ledger, const struct txkit_key *key, struct tx tx,
		 uint8_t *txid_out)
{
	const enum tx_reason reason = submit(ledger, key, &tx, txid_out);
	if (reason != TX_OK)
		fail_msg("%s of %s: %s", tx_op_name(tx.op), tx.name, tx_reason_name(reason));
}

static void refuse(struct ledger *ledger, const struct txkit_key *key, struct tx tx,
		   enum tx_reason want)
{
	const enum tx_reason reason = submit(ledger, key, &tx, NULL);
	if (reason != want)
		fail_msg("%s of %s: %s, not %s", tx_op_name(tx.op), tx.name, tx_reason_name(reason),
			 tx_reason_name(want));
}

/* Both steps; returns the registration. */
static void enrol(struct ledger *ledger, const char *name, int64_t time_s, uint8_t *txid_out)
{
	take(ledger, &owner, txkit_preorder(&owner, name, 1, time_s), NULL);
	take(ledger, &owner, txkit_register(&owner, name, 1, time_s + 1, time_s + 30 * DAY),
	     txid_out);
}

static void life_of_a_name(void **state)
{
	(void)state;
	struct ledgerkit kit;
	uint8_t registration[SHA256_LEN], updated[SHA256_LEN], moved[SHA256_LEN],
		revoked[SHA256_LEN];
	struct ledger_name name;
	struct ledger_tip tip;
	ledgerkit_new(&kit, T, &owner, 1, 0);

	assert_int_equal(ledger_show(kit.ledger, "iot:gate", &name, &tip), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(tip.height, 0);
	refuse(kit.ledger, &owner, txkit_register(&owner, "iot:gate", 1, T, T + DAY),
	       TX_NO_PREORDER);
	enrol(kit.ledger, "iot:gate", T, registration);
	assert_int_equal(ledger_show(kit.ledger, "iot:gate", &name, &tip), IOTPKI_OK);
	assert_memory_equal(name.registration, registration, SHA256_LEN);
	assert_memory_equal(name.txid, registration, SHA256_LEN);
	assert_int_equal(name.sequence, 1);
	assert_int_equal(tip.height, 2);
	assert_true(tip.newest_s == T);

	clock_fake_advance(&kit.clock, 60000);
	take(kit.ledger, &owner,
	     txkit_update(&owner, "iot:gate", registration, T + 60, T + 40 * DAY), updated);
	refuse(kit.ledger, &owner,
	       txkit_update(&owner, "iot:gate", registration, T + 61, T + 41 * DAY), TX_STALE_PREV);
	refuse(kit.ledger, &other, txkit_revoke(&other, "iot:gate", updated, T + 61), TX_NOT_OWNER);

	struct tx transfer = txkit_update(&owner, "iot:gate", updated, T + 62, T + 40 * DAY);
	transfer.has_new_owner = true;
	memcpy(transfer.new_owner, other.owner, SHA256_LEN);
	take(kit.ledger, &owner, transfer, moved);
	refuse(kit.ledger, &owner, txkit_revoke(&owner, "iot:gate", moved, T + 63), TX_NOT_OWNER);
	/* The new owner is on no list; the name is theirs all the same. */
	take(kit.ledger, &other, txkit_revoke(&other, "iot:gate", moved, T + 63), revoked);

	assert_int_equal(ledger_show(kit.ledger, "iot:gate", &name, &tip), IOTPKI_OK);
	assert_true(name.revoked);
	assert_string_equal(name.value, TXKIT_VALUE "|status=revoked");
	assert_memory_equal(name.owner, other.owner, SHA256_LEN);
	assert_memory_equal(name.txid, revoked, SHA256_LEN);
	assert_memory_equal(name.registration, registration, SHA256_LEN);
	assert_int_equal(name.sequence, 4);
	assert_int_equal(tip.height, 5);
	refuse(kit.ledger, &other, txkit_update(&other, "iot:gate", revoked, T + 64, T + 90 * DAY),
	       TX_NAME_REVOKED);
	ledgerkit_done(&kit);
}

static void owners_not_on_the_list(void **state)
{
	(void)state;
	struct ledgerkit kit;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	refuse(kit.ledger, &other, txkit_preorder(&other, "iot:a", 1, T), TX_NOT_ALLOWED);
	const uint8_t(*more)[SHA256_LEN] = (const uint8_t(*)[SHA256_LEN]) & other.owner;
	assert_int_equal(ledger_allow(kit.ledger, false, more, 1, NULL), IOTPKI_OK);
	take(kit.ledger, &other, txkit_preorder(&other, "iot:a", 1, T), NULL);
	ledgerkit_done(&kit);

	ledgerkit_new(&kit, T, NULL, 0, 0);
	refuse(kit.ledger, &other, txkit_preorder(&other, "iot:a", 1, T), TX_NOT_ALLOWED);
	assert_int_equal(ledger_allow(kit.ledger, true, NULL, 0, NULL), IOTPKI_OK);
	ledgerkit_reopen(&kit);
	take(kit.ledger, &other, txkit_preorder(&other, "iot:a", 1, T), NULL);
	ledgerkit_done(&kit);
}

static void the_fifth_live_preorder_is_over_the_quota(void **state)
{
	(void)state;
	struct ledgerkit kit;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	for (uint8_t i = 1; i <= RULES_PREORDERS_MAX; i++)
		take(kit.ledger, &owner, txkit_preorder(&owner, "iot:a", i, T), NULL);
	refuse(kit.ledger, &owner, txkit_preorder(&owner, "iot:a", 9, T), TX_QUOTA);
	/* Neither a date in the past nor one in the future helps. */
	refuse(kit.ledger, &owner, txkit_preorder(&owner, "iot:a", 9, T - 5 * DAY), TX_QUOTA);
	refuse(kit.ledger, &owner, txkit_preorder(&owner, "iot:a", 9, T + 3600), TX_QUOTA);
	/* One of them made again is not a fifth. */
	take(kit.ledger, &owner, txkit_preorder(&owner, "iot:a", 4, T + 1), NULL);
	/* Redeeming one makes room, and so does a day. */
	take(kit.ledger, &owner, txkit_register(&owner, "iot:a", 1, T + 2, T + DAY), NULL);
	take(kit.ledger, &owner, txkit_preorder(&owner, "iot:b", 9, T + 3), NULL);
	refuse(kit.ledger, &owner, txkit_preorder(&owner, "iot:b", 10, T + 3), TX_QUOTA);
	clock_fake_advance(&kit.clock, 1000 * DAY);
	take(kit.ledger, &owner, txkit_preorder(&owner, "iot:b", 10, T + DAY), NULL);
	ledgerkit_done(&kit);
}

static void the_same_again_and_the_same_content(void **state)
{
	(void)state;
	struct ledgerkit kit;
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	CLEANUP(buf_done) struct buf twin = BUF_INIT(TX_DER_MAX);
	uint8_t first[SHA256_LEN], again[SHA256_LEN];
	struct ledger_tip tip;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	const struct tx tx = txkit_preorder(&owner, "iot:a", 1, T);
	txkit_sign(&owner, &tx, &der);
	txkit_sign(&owner, &tx, &twin); /* another nonce */
	assert_int_equal(submit_der(kit.ledger, &der, first), TX_OK);
	assert_int_equal(submit_der(kit.ledger, &der, again), TX_OK);
	assert_memory_equal(first, again, SHA256_LEN);
	assert_int_equal(submit_der(kit.ledger, &twin, NULL), TX_DUPLICATE);

	/* A retry long after, when the same would not be accepted any more: still its txid. */
	take(kit.ledger, &owner, txkit_register(&owner, "iot:a", 1, T, T + DAY), NULL);
	clock_fake_advance(&kit.clock, 1000 * 90 * DAY);
	ledgerkit_reopen(&kit);
	assert_int_equal(submit_der(kit.ledger, &der, again), TX_OK);
	assert_memory_equal(first, again, SHA256_LEN);
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_int_equal(tip.height, 2);
	ledgerkit_done(&kit);
}

static void a_group_is_applied_in_order(void **state)
{
	(void)state;
	struct ledgerkit kit;
	enum { COUNT = 5 };
	struct buf ders[COUNT];
	struct ledger_submission group[COUNT];
	const struct tx txs[COUNT] = {
		txkit_register(&owner, "iot:a", 1, T,
			       T + DAY), /* too early: its preorder is next */
		txkit_preorder(&owner, "iot:a", 1, T),
		txkit_register(&owner, "iot:a", 1, T + 1, T + DAY),
		txkit_preorder(&other, "iot:b", 1, T),
		txkit_register(&owner, "iot:a", 1, T + 1,
			       T + DAY), /* same content, other signature */
	};
	static const enum tx_reason want[COUNT] = { TX_NO_PREORDER, TX_OK, TX_OK, TX_NOT_ALLOWED,
						    TX_DUPLICATE };
	struct ledger_tip tip;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	for (size_t i = 0; i < COUNT; i++) {
		ders[i] = (struct buf)BUF_INIT(TX_DER_MAX);
		txkit_sign(i == 3 ? &other : &owner, &txs[i], &ders[i]);
		group[i] =
			(struct ledger_submission){ .der = ders[i].data, .der_len = ders[i].len };
	}
	assert_int_equal(ledger_submit(kit.ledger, group, COUNT, NULL), IOTPKI_OK);
	for (size_t i = 0; i < COUNT; i++) {
		if (group[i].reason != want[i])
			fail_msg("%zu: %s", i, tx_reason_name(group[i].reason));
		buf_done(&ders[i]);
	}
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_int_equal(tip.height, 2);
	assert_int_equal(ledger_submit(kit.ledger, NULL, 0, NULL), IOTPKI_OK);
	ledgerkit_done(&kit);
}

/* Design 6: a node that was down takes the byte-identical transactions later, in order. */
static void a_node_that_was_down_a_week_catches_up(void **state)
{
	(void)state;
	struct ledgerkit up, down;
	enum { COUNT = 4 };
	struct buf ders[COUNT];
	uint8_t txids[COUNT][SHA256_LEN];
	struct ledger_name here, there;
	struct ledger_tip tip;
	ledgerkit_new(&up, T, &owner, 1, 0);
	ledgerkit_new(&down, T, &owner, 1, 0);
	for (size_t i = 0; i < COUNT; i++)
		ders[i] = (struct buf)BUF_INIT(TX_DER_MAX);

	struct tx tx = txkit_preorder(&owner, "iot:gate", 1, T);
	txkit_sign(&owner, &tx, &ders[0]);
	assert_int_equal(submit_der(up.ledger, &ders[0], txids[0]), TX_OK);
	tx = txkit_register(&owner, "iot:gate", 1, T + 5, T + 3 * DAY);
	txkit_sign(&owner, &tx, &ders[1]);
	assert_int_equal(submit_der(up.ledger, &ders[1], txids[1]), TX_OK);
	clock_fake_advance(&up.clock, 1000 * 2 * DAY);
	tx = txkit_update(&owner, "iot:gate", txids[1], T + 2 * DAY,
			  T + 30 * DAY); /* the renewal */
	txkit_sign(&owner, &tx, &ders[2]);
	assert_int_equal(submit_der(up.ledger, &ders[2], txids[2]), TX_OK);
	tx = txkit_update(&owner, "iot:gate", txids[2], T + 2 * DAY, T + 40 * DAY);
	txkit_sign(&owner, &tx, &ders[3]);
	assert_int_equal(submit_der(up.ledger, &ders[3], txids[3]), TX_OK);

	clock_fake_advance(&down.clock, 1000 * 7 * DAY);
	assert_int_equal(submit_der(down.ledger, &ders[2], NULL),
			 TX_NAME_EXPIRED); /* out of order */
	for (size_t i = 0; i < COUNT; i++) {
		uint8_t txid[SHA256_LEN];
		assert_int_equal(submit_der(down.ledger, &ders[i], txid), TX_OK);
		assert_memory_equal(txid, txids[i], SHA256_LEN);
		buf_done(&ders[i]);
	}
	assert_int_equal(ledger_show(up.ledger, "iot:gate", &here, &tip), IOTPKI_OK);
	assert_int_equal(ledger_show(down.ledger, "iot:gate", &there, &tip), IOTPKI_OK);
	assert_string_equal(here.value, there.value);
	assert_memory_equal(here.txid, there.txid, SHA256_LEN);
	assert_memory_equal(here.registration, there.registration, SHA256_LEN);
	assert_memory_equal(here.owner, there.owner, SHA256_LEN);
	assert_true(here.time_s == there.time_s && here.expires_s == there.expires_s);
	assert_int_equal(here.sequence, there.sequence);
	ledgerkit_done(&up);
	ledgerkit_done(&down);
}

static void nothing_is_believed_of_a_clock_that_fell_back(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger_tip tip;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	enrol(kit.ledger, "iot:a", T, NULL);
	kit.clock.now_s = 0; /* no battery */
	enrol(kit.ledger, "iot:b", T + 60, NULL);
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_true(tip.newest_s == T);
	ledgerkit_done(&kit);
}

struct seen {
	size_t count, stop_after;
	struct ledger_operation last;
	enum tx_op ops[8];
};

static bool note(void *context, const struct ledger_operation *operation)
{
	struct seen *seen = context;
	uint8_t txid[SHA256_LEN];
	assert_true(seen->count < ARRAY_LEN(seen->ops));
	assert_int_equal(sha256(operation->der, operation->der_len, txid), IOTPKI_OK);
	assert_memory_equal(txid, operation->txid, SHA256_LEN);
	if (seen->count > 0)
		assert_true(operation->height > seen->last.height);
	seen->ops[seen->count++] = operation->op;
	seen->last = *operation;
	return seen->count != seen->stop_after;
}

/* The node was started with a clock eleven years ahead, wrote, and was set right. */
static void a_clock_far_ahead_leaves_a_day(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger_tip tip;
	struct audit_report report;
	uint8_t txid[SHA256_LEN];
	ledgerkit_new(&kit, T + 11 * 365 * DAY, &owner, 1, 0);
	enrol(kit.ledger, "iot:a", T, txid);
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_true(tip.newest_s == T + 1 + DAY);
	kit.clock.now_s = T + 10;
	ledgerkit_reopen(&kit);
	/* The name ends in 30 days: it neither looks expired nor can another owner have it. */
	take(kit.ledger, &owner, txkit_preorder(&owner, "iot:b", 1, T + 5), NULL);
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_true(tip.newest_s == T + 1 + DAY);
	refuse(kit.ledger, &owner, txkit_preorder(&owner, "iot:c", 1, T + 40 * DAY), TX_STALE_TIME);
	assert_int_equal(audit_run(kit.dir, kit.top, &report, NULL), IOTPKI_OK);
	assert_int_equal(report.verdict, AUDIT_CLEAN);
	ledgerkit_done(&kit);
}

static void history_and_proof(void **state)
{
	(void)state;
	struct ledgerkit kit;
	uint8_t txid[SHA256_LEN];
	struct seen seen = { 0 };
	ledgerkit_new(&kit, T, &owner, 1, 0);
	enrol(kit.ledger, "iot:a", T, NULL);
	enrol(kit.ledger, "iot:a-b", T, NULL); /* a name that starts with the other's */
	clock_fake_advance(&kit.clock, 1000 * 40 * DAY);
	enrol(kit.ledger, "iot:a", T + 40 * DAY, txid);
	take(kit.ledger, &owner,
	     txkit_update(&owner, "iot:a", txid, T + 40 * DAY + 2, T + 90 * DAY), txid);
	assert_int_equal(ledger_proof(kit.ledger, "iot:a", note, &seen), IOTPKI_ERR_NOT_FOUND);
	struct tx transfer = txkit_update(&owner, "iot:a", txid, T + 40 * DAY + 3, T + 90 * DAY);
	transfer.has_new_owner = true;
	memcpy(transfer.new_owner, other.owner, SHA256_LEN);
	take(kit.ledger, &owner, transfer, txid);
	take(kit.ledger, &other, txkit_revoke(&other, "iot:a", txid, T + 40 * DAY + 4), txid);

	assert_int_equal(ledger_history(kit.ledger, "iot:a", note, &seen), IOTPKI_OK);
	static const enum tx_op all[] = { TX_REGISTER, TX_REGISTER, TX_UPDATE, TX_UPDATE,
					  TX_REVOKE };
	assert_int_equal(seen.count, ARRAY_LEN(all));
	assert_memory_equal(seen.ops, all, sizeof(all));
	assert_string_equal(seen.last.value, TXKIT_VALUE "|status=revoked");
	assert_true(seen.last.expires_s == T + 90 * DAY);
	assert_memory_equal(seen.last.owner, other.owner, SHA256_LEN);
	assert_memory_equal(seen.last.txid, txid, SHA256_LEN);

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(ledger_proof(kit.ledger, "iot:a", note, &seen), IOTPKI_OK);
	static const enum tx_op proof[] = { TX_REGISTER, TX_UPDATE, TX_REVOKE };
	assert_int_equal(seen.count, ARRAY_LEN(proof));
	assert_memory_equal(seen.ops, proof, sizeof(proof));

	memset(&seen, 0, sizeof(seen));
	seen.stop_after = 2;
	assert_int_equal(ledger_history(kit.ledger, "iot:a", note, &seen), IOTPKI_OK);
	assert_int_equal(seen.count, 2);
	assert_int_equal(ledger_history(kit.ledger, "iot:b", note, &seen), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(ledger_proof(kit.ledger, "iot:b", note, &seen), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(ledger_history(kit.ledger, "", note, &seen), IOTPKI_ERR_NOT_FOUND);
	ledgerkit_done(&kit);
}

struct listed {
	size_t count;
	char names[8][IOTPKI_NVS_NAME_MAX + 1];
	struct ledger *ledger;
};

static bool list(void *context, const struct ledger_name *name)
{
	struct listed *listed = context;
	struct ledger_name again;
	struct ledger_tip tip;
	assert_true(listed->count < ARRAY_LEN(listed->names));
	memcpy(listed->names[listed->count++], name->name, sizeof(name->name));
	/* Asking from inside an answer is allowed. */
	assert_int_equal(ledger_show(listed->ledger, name->name, &again, &tip), IOTPKI_OK);
	return true;
}

static void filter_rows(void **state)
{
	(void)state;
	struct ledgerkit kit;
	static const char *const names[] = { "iot/a", "iot:a", "iot:a-b", "iot:b" };
	static const struct {
		const char *prefix, *from;
		size_t max, first, count;
	} rows[] = {
		{ "", NULL, 100, 0, 4 },          { "iot:", NULL, 100, 1, 3 },
		{ "iot:a", NULL, 100, 1, 2 },     { "iot:a", "iot:a", 100, 2, 1 },
		{ "iot:", "iot:a-b", 100, 3, 1 }, { "iot:", "iot:b", 100, 0, 0 },
		{ "iot:", "a", 100, 1, 3 },       { "iot:", NULL, 2, 1, 2 },
		{ "iot:", "iot:aa", 100, 3, 1 },  { "x", NULL, 100, 0, 0 },
		{ "iot:", NULL, 0, 0, 0 },        { "iot:", "iot:a", 1, 2, 1 },
	};
	ledgerkit_new(&kit, T, &owner, 1, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		enrol(kit.ledger, names[i], T, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct listed listed = { .ledger = kit.ledger };
		assert_int_equal(ledger_filter(kit.ledger, rows[i].prefix, rows[i].from,
					       rows[i].max, list, &listed),
				 IOTPKI_OK);
		if (listed.count != rows[i].count)
			fail_msg("row %zu: %zu names", i, listed.count);
		for (size_t n = 0; n < listed.count; n++)
			assert_string_equal(listed.names[n], names[rows[i].first + n]);
	}
	ledgerkit_done(&kit);
}

static void a_full_ledger_still_revokes(void **state)
{
	(void)state;
	struct ledgerkit kit;
	uint8_t txid[SHA256_LEN];
	struct ledger_name name;
	struct ledger_tip tip;
	enum tx_reason reason = TX_OK;
	ledgerkit_new(&kit, T, &owner, 1, (size_t)1 << 20);
	enrol(kit.ledger, "iot:a", T, txid);
	for (int64_t i = 1; reason == TX_OK && i < 5000; i++) {
		clock_fake_advance(&kit.clock, 1000 * DAY);
		struct tx tx = txkit_preorder(&owner, "iot:b", 2, T + i * DAY);
		reason = submit(kit.ledger, &owner, &tx, NULL);
	}
	assert_int_equal(reason, TX_FULL);
	kit.clock.now_s = T;
	for (int64_t i = 2; (reason == TX_FULL || reason == TX_OK) && i < 5000; i++) {
		struct tx tx = txkit_update(&owner, "iot:a", txid, T + 5, T + 40 * DAY + i);
		reason = submit(kit.ledger, &owner, &tx, txid);
		if (reason != TX_OK)
			break;
	}
	assert_int_equal(reason, TX_FULL);
	assert_int_equal(ledger_show(kit.ledger, "iot:a", &name, &tip), IOTPKI_OK);
	take(kit.ledger, &owner, txkit_revoke(&owner, "iot:a", name.txid, T + 6), NULL);

	/* Given more room it goes on, also when it is opened as it is; less room is never taken. */
	static const size_t rooms[] = { (size_t)2 << 20, 0, (size_t)64 << 10 };
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		ledgerkit_reopen(&kit);
		assert_int_equal(ledger_enlarge(kit.ledger, rooms[i], NULL), IOTPKI_OK);
		kit.clock.now_s = T + 5100 * DAY;
		const struct tx tx =
			txkit_preorder(&owner, "iot:c", (uint8_t)i, T + (5000 + (int64_t)i) * DAY);
		assert_int_equal(submit(kit.ledger, &owner, &tx, NULL), TX_OK);
	}
	ledgerkit_done(&kit);
}

/* A disk that refuses: nothing of the group is in, and nothing more until the node is started again. */
static void a_failing_disk_ends_writing(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct rlimit whole, small = { 4096, 4096 };
	struct ledger_tip tip;
	struct ledger_name name;
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	struct iotpki_detail detail = { 0 };
	ledgerkit_new(&kit, T, &owner, 1, 0);
	enrol(kit.ledger, "iot:a", T, NULL);
	const struct tx tx = txkit_preorder(&owner, "iot:b", 1, T);
	txkit_sign(&owner, &tx, &der);
	struct ledger_submission group[2] = {
		{ .der = der.data, .der_len = der.len },
		{ .der = der.data, .der_len = der.len - 1 },
	};

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	small.rlim_max = whole.rlim_max;
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	const enum iotpki_err err = ledger_submit(kit.ledger, group, 2, &detail);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
	assert_int_equal(err, IOTPKI_ERR_IO);
	assert_true(detail.message[0] != '\0');
	assert_int_equal(group[0].reason, TX_STORAGE);
	assert_int_equal(group[1].reason, TX_BAD_ENCODING);

	/* The disk is well again, but who knows what it holds. Reading goes on. */
	assert_int_equal(ledger_submit(kit.ledger, group, 1, NULL), IOTPKI_ERR_IO);
	assert_int_equal(group[0].reason, TX_STORAGE);
	assert_int_equal(ledger_show(kit.ledger, "iot:a", &name, &tip), IOTPKI_OK);
	assert_int_equal(tip.height, 2);
	ledgerkit_reopen(&kit);
	assert_int_equal(ledger_submit(kit.ledger, group, 1, NULL), IOTPKI_OK);
	assert_int_equal(group[0].reason, TX_OK);
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_int_equal(tip.height, 3);
	ledgerkit_done(&kit);
}

struct reader {
	struct ledger *ledger;
	atomic_bool stop;
	atomic_uint reads, torn;
};

/* Of a ledger with this one name, height and sequence go up together. */
static void *read_on(void *context)
{
	struct reader *reader = context;
	do {
		struct ledger_name name;
		struct ledger_tip tip;
		if (ledger_show(reader->ledger, "iot:a", &name, &tip) != IOTPKI_OK ||
		    tip.height != name.sequence + 1)
			atomic_fetch_add(&reader->torn, 1);
		atomic_fetch_add(&reader->reads, 1);
	} while (!atomic_load(&reader->stop));
	return NULL;
}

static void readers_see_whole_states(void **state)
{
	(void)state;
	enum { READERS = 4, WRITES = 200 };
	struct ledgerkit kit;
	pthread_t threads[READERS];
	uint8_t txid[SHA256_LEN];
	ledgerkit_new(&kit, T, &owner, 1, 0);
	enrol(kit.ledger, "iot:a", T, txid);
	struct reader reader = { .ledger = kit.ledger };
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &reader), 0);
	for (int i = 0; i < WRITES; i++)
		take(kit.ledger, &owner,
		     txkit_update(&owner, "iot:a", txid, T + 2, T + 31 * DAY + i), txid);
	atomic_store(&reader.stop, true);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(atomic_load(&reader.reads) >= READERS);
	assert_int_equal(atomic_load(&reader.torn), 0);
	ledgerkit_done(&kit);
}

static void making_and_opening(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger *none = NULL;
	struct iotpki_detail detail = { 0 };
	const struct ledger_policy policy = { .open = true };
	ledgerkit_new(&kit, T, &owner, 1, 0);
	assert_int_equal(ledger_create(kit.dir, &policy, &detail), IOTPKI_ERR_EXISTS);
	assert_true(detail.message[0] != '\0');
	assert_int_equal(ledger_open("/nonexistent/ledger", &kit.clock.clock, &none, &detail),
			 IOTPKI_ERR_NOT_FOUND);
	assert_null(none);
	ledger_close(NULL);
	ledgerkit_done(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_of_a_name),
		cmocka_unit_test(owners_not_on_the_list),
		cmocka_unit_test(the_fifth_live_preorder_is_over_the_quota),
		cmocka_unit_test(the_same_again_and_the_same_content),
		cmocka_unit_test(a_group_is_applied_in_order),
		cmocka_unit_test(a_node_that_was_down_a_week_catches_up),
		cmocka_unit_test(nothing_is_believed_of_a_clock_that_fell_back),
		cmocka_unit_test(a_clock_far_ahead_leaves_a_day),
		cmocka_unit_test(history_and_proof),
		cmocka_unit_test(filter_rows),
		cmocka_unit_test(a_full_ledger_still_revokes),
		cmocka_unit_test(a_failing_disk_ends_writing),
		cmocka_unit_test(readers_see_whole_states),
		cmocka_unit_test(making_and_opening),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
