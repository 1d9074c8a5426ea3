/* A ledger filled with everything until it refuses: every name can still be revoked, and the log is whole. */
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
#define MIB ((size_t)1 << 20)
enum { OWNERS = 8, NAMES_MAX = 8000, GROUP_MAX = 96 };

/* Of the second, transactions are as long as a REVOKE that may use the reserve can be; of the third, longer. */
static struct txkit_key owners[OWNERS], large[OWNERS], too_large;

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < OWNERS; i++)
		txkit_key_new(&owners[i]);
	for (size_t i = 0; i < OWNERS; i++)
		txkit_key_new_large(&large[i], 380);
	txkit_key_new_large(&too_large, 2400);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < OWNERS; i++)
		txkit_key_done(&owners[i]);
	for (size_t i = 0; i < OWNERS; i++)
		txkit_key_done(&large[i]);
	txkit_key_done(&too_large);
	return 0;
}

/* A ledger that is filled in one of the ways of the table below. */
struct row {
	const char *name;
	size_t map_bytes;
	size_t value_len; /* of new names; at least 71 */
	size_t group;     /* transactions in a group */
	size_t most;      /* names, before the updates begin; 0: until it is full */
	bool long_names;
	bool updates; /* until these are refused, too */
	bool restart;
	bool large;
};
static const struct row rows[] = {
	{ "the least ledger", MIB, 71, 1, 0, false, true, true, false },
	{ "one by one", 4 * MIB, 71, 1, 0, false, true, false, false },
	{ "in groups", 6 * MIB, 71, GROUP_MAX, 0, false, true, true, false },
	{ "longest names and values", 6 * MIB, IOTPKI_VALUE_LEDGER_MAX, 24, 0, true, true, true,
	  false },
	{ "no update at all", 5 * MIB, 200, 24, 0, false, false, false, false },
	{ "few names, a long history", 5 * MIB, 71, 24, 40, true, true, true, false },
	{ "the longest REVOKEs", 5 * MIB, 71, 24, 0, true, true, true, true },
};

struct filling {
	const struct row *row;
	struct ledgerkit kit;
	size_t count;                        /* names that are registered */
	uint8_t last[NAMES_MAX][SHA256_LEN]; /* each name's last transaction */
	uint32_t random;
	/* the group that is being put together */
	struct buf ders[GROUP_MAX];
	size_t names[GROUP_MAX]; /* which name each is about */
	size_t waiting;
};

static uint32_t next_random(struct filling *filling)
{
	filling->random = filling->random * 1664525 + 1013904223;
	return filling->random >> 8;
}

static const struct txkit_key *owner_of(const struct row *row, size_t number)
{
	return row->large ? &large[number * 7 % OWNERS] : &owners[number * 7 % OWNERS];
}

/* In no order, as the names of devices are. */
static void name_of(const struct row *row, size_t number, char out[static IOTPKI_NVS_NAME_MAX + 1])
{
	const uint32_t mixed = (uint32_t)number * 2654435761u;
	(void)snprintf(out, IOTPKI_NVS_NAME_MAX + 1, "iot:%08x-%zu", (unsigned int)mixed, number);
	const size_t len = strlen(out);
	if (row->long_names) {
		memset(out + len, 'x', 68 - len);
		out[68] = '\0';
	}
}

static void value_of(char value[static IOTPKI_VALUE_MAX + 1], size_t len)
{
	(void)snprintf(value, IOTPKI_VALUE_MAX + 1, "%s|x=", TXKIT_VALUE);
	memset(value + strlen(value), 'y', IOTPKI_VALUE_MAX - strlen(value));
	value[len < 75 ? 71 : len] = '\0';
}

static struct buf *next_der(struct filling *filling, size_t number)
{
	filling->names[filling->waiting] = number;
	return &filling->ders[filling->waiting++];
}

/* Submit what waits; how many of it were refused for want of room. Nothing else is a reason. */
static size_t flush(struct filling *filling)
{
	struct ledger_submission group[GROUP_MAX];
	size_t full = 0;
	for (size_t i = 0; i < filling->waiting; i++)
		group[i] = (struct ledger_submission){ .der = filling->ders[i].data,
						       .der_len = filling->ders[i].len };
	assert_int_equal(ledger_submit(filling->kit.ledger, group, filling->waiting, NULL),
			 IOTPKI_OK);
	for (size_t i = 0; i < filling->waiting; i++) {
		if (group[i].reason == TX_OK && group[i].tx.op != TX_PREORDER) {
			memcpy(filling->last[filling->names[i]], group[i].txid, SHA256_LEN);
			filling->count += group[i].tx.op == TX_REGISTER;
		} else if (group[i].reason != TX_OK) {
			full++;
			/* A REGISTER whose PREORDER found no room. */
			if (group[i].reason != TX_FULL && group[i].reason != TX_NO_PREORDER)
				fail_msg("%s: %s of name %zu: %s", filling->row->name,
					 tx_op_name(group[i].tx.op), filling->names[i],
					 tx_reason_name(group[i].reason));
		}
	}
	filling->waiting = 0;
	return full;
}

static void fill_names(struct filling *filling)
{
	const struct row *row = filling->row;
	char name[IOTPKI_NVS_NAME_MAX + 1];
	size_t full = 0;
	for (size_t i = 0; full == 0 && i < NAMES_MAX; i++) {
		if (row->most > 0 && i == row->most)
			break;
		name_of(row, i, name);
		struct tx tx = txkit_preorder(owner_of(row, i), name, 1, T);
		txkit_sign(owner_of(row, i), &tx, next_der(filling, i));
		if (row->group == 1)
			full += flush(filling);
		tx = txkit_register(owner_of(row, i), name, 1, T, T + 300 * DAY);
		value_of(tx.value, row->value_len);
		txkit_sign(owner_of(row, i), &tx, next_der(filling, i));
		if (filling->waiting + 1 >= row->group)
			full += flush(filling);
	}
	full += flush(filling);
	assert_true(full > 0 || row->most > 0);
}

/* Values of all lengths, some shorter than before: pages with holes. */
static void fill_updates(struct filling *filling)
{
	char name[IOTPKI_NVS_NAME_MAX + 1];
	size_t full = 0;
	int64_t later = 1;
	while (full == 0) {
		const size_t number = next_random(filling) % filling->count;
		name_of(filling->row, number, name);
		struct tx tx = txkit_update(owner_of(filling->row, number), name,
					    filling->last[number], T + 1, T + 300 * DAY + later++);
		value_of(tx.value, 71 + next_random(filling) % (IOTPKI_VALUE_LEDGER_MAX - 70));
		txkit_sign(owner_of(filling->row, number), &tx, next_der(filling, number));
		/* One name is in a group once: its next prev is known only afterwards. */
		full += flush(filling);
	}
}

/* What an UPDATE leaves, PREORDERs of many owners find full as well. */
static void everything_is_refused(struct filling *filling)
{
	char name[IOTPKI_NVS_NAME_MAX + 1];
	for (size_t i = 0; i < OWNERS; i++) {
		(void)snprintf(name, sizeof(name), "iot:late-%zu", i);
		const struct tx tx = txkit_preorder(&owners[i], name, 1, T);
		txkit_sign(&owners[i], &tx, next_der(filling, 0));
		assert_int_equal(flush(filling), 1);
	}
}

static void revoke_all(struct filling *filling)
{
	char name[IOTPKI_NVS_NAME_MAX + 1];
	size_t full = 0;
	const size_t half = filling->count / 2;
	for (size_t i = 0; i < filling->count; i++) {
		/* 7919 is prime, and no count here is a multiple of it: each name once, in no order. */
		const size_t number = i * 7919 % filling->count;
		name_of(filling->row, number, name);
		const struct tx tx = txkit_revoke(owner_of(filling->row, number), name,
						  filling->last[number], T + 2);
		struct buf *der = next_der(filling, number);
		txkit_sign(owner_of(filling->row, number), &tx, der);
		if (filling->row->large)
			assert_in_range(der->len, RULES_REVOKE_USUAL - 40, RULES_REVOKE_USUAL);
		if (filling->waiting >= filling->row->group)
			full += flush(filling);
		if (filling->row->restart && i == half) {
			full += flush(filling);
			ledgerkit_reopen(&filling->kit);
		}
	}
	full += flush(filling);
	if (full > 0)
		fail_msg("%s: %zu of %zu names cannot be revoked", filling->row->name, full,
			 filling->count);
}

static void all_are_revoked(struct filling *filling)
{
	char name[IOTPKI_NVS_NAME_MAX + 1];
	struct ledger_name state;
	struct ledger_tip tip;
	struct audit_report report;
	for (size_t i = 0; i < filling->count; i++) {
		name_of(filling->row, i, name);
		assert_int_equal(ledger_show(filling->kit.ledger, name, &state, &tip), IOTPKI_OK);
		assert_true(state.revoked);
	}
	assert_int_equal(audit_run(filling->kit.dir, filling->kit.top, &report, NULL), IOTPKI_OK);
	if (report.verdict != AUDIT_CLEAN)
		fail_msg("%s: %s", filling->row->name, report.message);
	assert_int_equal(report.entries, tip.height);
}

static void print_room(const struct filling *filling, const char *when)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	struct store_room room;
	assert_int_equal(store_begin_read(filling->kit.ledger, &txn), 0);
	assert_int_equal(store_room(filling->kit.ledger, txn, &room), 0);
	print_message("%s, %s: %zu names, %zu of %zu pages, %zu kept\n", filling->row->name, when,
		      filling->count, (size_t)room.used, (size_t)room.map, (size_t)room.reserve);
}

static void every_name_can_be_revoked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct filling *filling = calloc(1, sizeof(*filling));
		assert_non_null(filling);
		filling->row = &rows[i];
		for (size_t n = 0; n < GROUP_MAX; n++)
			filling->ders[n] = (struct buf)BUF_INIT(TX_DER_MAX);
		ledgerkit_new_open(&filling->kit, T + 10, rows[i].map_bytes);
		fill_names(filling);
		print_room(filling, "no new name");
		if (rows[i].restart)
			ledgerkit_reopen(&filling->kit);
		if (rows[i].updates)
			fill_updates(filling);
		everything_is_refused(filling);
		print_room(filling, "full");
		revoke_all(filling);
		print_room(filling, "revoked");
		all_are_revoked(filling);
		ledgerkit_done(&filling->kit);
		for (size_t n = 0; n < GROUP_MAX; n++)
			buf_done(&filling->ders[n]);
		free(filling);
	}
}

static enum tx_reason submit(struct ledger *ledger, const struct txkit_key *key,
			     const struct tx *tx, uint8_t *txid_out)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	txkit_sign(key, tx, &der);
	struct ledger_submission submission = { .der = der.data, .der_len = der.len };
	assert_int_equal(ledger_submit(ledger, &submission, 1, NULL), IOTPKI_OK);
	if (txid_out != NULL)
		memcpy(txid_out, submission.txid, SHA256_LEN);
	return submission.reason;
}

/* An owner whose transactions are as long as they can be takes no room that is kept for others. */
static void useless_bytes_take_nothing_from_the_reserve(void **state)
{
	(void)state;
	struct ledgerkit kit;
	uint8_t first[SHA256_LEN], last[SHA256_LEN];
	ledgerkit_new_open(&kit, T + 10, 2 * MIB);
	struct tx tx = txkit_preorder(&too_large, "iot:a", 1, T);
	assert_int_equal(submit(kit.ledger, &too_large, &tx, NULL), TX_OK);
	tx = txkit_register(&too_large, "iot:a", 1, T, T + DAY);
	assert_int_equal(submit(kit.ledger, &too_large, &tx, last), TX_OK);
	tx = txkit_preorder(&owners[0], "iot:b", 1, T);
	assert_int_equal(submit(kit.ledger, &owners[0], &tx, NULL), TX_OK);
	tx = txkit_register(&owners[0], "iot:b", 1, T, T + DAY);
	assert_int_equal(submit(kit.ledger, &owners[0], &tx, first), TX_OK);
	enum tx_reason reason = TX_OK;
	for (int64_t i = 0; reason == TX_OK; i++) {
		tx = txkit_update(&too_large, "iot:a", last, T + 1, T + DAY + i);
		reason = submit(kit.ledger, &too_large, &tx, last);
	}
	assert_int_equal(reason, TX_FULL);
	struct ledger_name name;
	struct ledger_tip tip;
	assert_int_equal(ledger_show(kit.ledger, "iot:a", &name, &tip), IOTPKI_OK);
	tx = txkit_revoke(&too_large, "iot:a", name.txid, T + 2);
	assert_int_equal(submit(kit.ledger, &too_large, &tx, NULL), TX_FULL);
	tx = txkit_revoke(&owners[0], "iot:b", first, T + 2);
	assert_int_equal(submit(kit.ledger, &owners[0], &tx, NULL), TX_OK);
	ledgerkit_done(&kit);
}

static size_t pages_left(struct ledger *ledger)
{
	MDB_envinfo info;
	assert_int_equal(mdb_env_info(ledger->env, &info), 0);
	return info.me_mapsize / 4096 - info.me_last_pgno - 1;
}

/*
 * A backup that takes long holds all old pages, so that the file grows to its end although the ledger
 * is far from full. A REVOKE in a group that does not fit is not refused with it.
 */
static void a_group_that_does_not_fit_keeps_its_revokes(void **state)
{
	(void)state;
	static const struct row row = { "held", 64 * MIB, IOTPKI_VALUE_LEDGER_MAX,
					24,     300,      true,
					true,   false,    false };
	struct filling *filling = calloc(1, sizeof(*filling));
	char name[IOTPKI_NVS_NAME_MAX + 1];
	CLEANUP(store_txn_abortp) MDB_txn *held = NULL;
	assert_non_null(filling);
	filling->row = &row;
	for (size_t n = 0; n < GROUP_MAX; n++)
		filling->ders[n] = (struct buf)BUF_INIT(TX_DER_MAX);
	ledgerkit_new_open(&filling->kit, T + 10, row.map_bytes);
	fill_names(filling);
	assert_int_equal(store_begin_read(filling->kit.ledger, &held), 0);
	for (int64_t i = 0; pages_left(filling->kit.ledger) > 64; i++) {
		name_of(&row, 299, name);
		const struct tx tx = txkit_update(owner_of(&row, 299), name, filling->last[299],
						  T + 1, T + 300 * DAY + i);
		txkit_sign(owner_of(&row, 299), &tx, next_der(filling, 299));
		assert_int_equal(flush(filling), 0);
	}
	/* 60 names are updated, and then one revoked. */
	for (size_t i = 0; i <= 60; i++) {
		name_of(&row, i, name);
		struct tx tx = txkit_update(owner_of(&row, i), name, filling->last[i], T + 1,
					    T + 300 * DAY);
		if (i == 60)
			tx = txkit_revoke(owner_of(&row, i), name, filling->last[i], T + 1);
		txkit_sign(owner_of(&row, i), &tx, next_der(filling, i));
	}
	assert_true(flush(filling) > 0);
	struct ledger_name found;
	struct ledger_tip tip;
	assert_int_equal(ledger_show(filling->kit.ledger, name, &found, &tip), IOTPKI_OK);
	assert_true(found.revoked);

	/* When the backup is done all is as before. */
	store_txn_abortp(&held);
	name_of(&row, 299, name);
	const struct tx tx =
		txkit_update(owner_of(&row, 299), name, filling->last[299], T + 2, T + 301 * DAY);
	txkit_sign(owner_of(&row, 299), &tx, next_der(filling, 299));
	assert_int_equal(flush(filling), 0);
	ledgerkit_done(&filling->kit);
	for (size_t n = 0; n < GROUP_MAX; n++)
		buf_done(&filling->ders[n]);
	free(filling);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_can_be_revoked),
		cmocka_unit_test(useless_bytes_take_nothing_from_the_reserve),
		cmocka_unit_test(a_group_that_does_not_fit_keeps_its_revokes),
	};
	return cmocka_run_group_tests_name("ledger_full", tests, setup, teardown);
}
