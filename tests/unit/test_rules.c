/* The rules of the ledger, one row a rule; every reason that a rule gives stands in a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bnode/rules.h"

#define T INT64_C(1800000000) /* "now" of most rows */
#define DAY INT64_C(86400)
#define VALUE "sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { OWNER = 1, STRANGER, HEIR };
enum { LAST = 0x50, EARLIER }; /* txids, each 32 times its byte */
enum { NONE, LIVE, REVOKED };

/* A row says only what differs from a transaction that is accepted; zero is the default of its op. */
struct row {
	const char *name;
	enum tx_op op;
	int signer;        /* default OWNER */
	int64_t time;      /* of the transaction, from T */
	int64_t expires;   /* from T; default 100 days */
	const char *value; /* default VALUE */
	int prev;          /* default LAST */
	bool transfer;
	int state;            /* of the name */
	int64_t name_expires; /* from T; default 50 days */
	int64_t name_time;    /* from T */
	bool no_preorder;     /* of a REGISTER; else it is of T - 60 + preorder */
	int64_t preorder;
	bool again; /* a PREORDER that is there already */
	size_t live;
	bool known, not_allowed;
	unsigned int used;
	bool only_reserve, rate_spent;
	size_t der_len;
	int64_t clock, newest; /* from T; newest default: none */
	enum tx_reason want;
};

static const struct row rows[] = {
	/* PREORDER */
	{ "preorder", TX_PREORDER, .want = TX_OK },
	{ "preorder, three others live", TX_PREORDER, .live = 3, .want = TX_OK },
	{ "preorder, four others live", TX_PREORDER, .live = 4, .want = TX_QUOTA },
	{ "preorder, not on the list", TX_PREORDER, .not_allowed = true, .want = TX_NOT_ALLOWED },
	{ "preorder made again later", TX_PREORDER, .again = true, .time = 5, .preorder = 60,
	  .want = TX_OK },
	{ "preorder made again earlier", TX_PREORDER, .again = true, .time = -5, .preorder = 60,
	  .want = TX_STALE_TIME },
	{ "preorder made again in the same second", TX_PREORDER, .again = true, .preorder = 60,
	  .want = TX_OK },
	{ "preorder one hour ahead", TX_PREORDER, .time = 3600, .want = TX_OK },
	{ "preorder more than one hour ahead", TX_PREORDER, .time = 3601, .want = TX_STALE_TIME },
	{ "preorder a year old", TX_PREORDER, .time = -365 * DAY, .want = TX_OK },
	{ "preorder, same content", TX_PREORDER, .known = true, .want = TX_DUPLICATE },
	{ "preorder at 79 percent", TX_PREORDER, .used = 79, .want = TX_OK },
	{ "preorder at 80 percent", TX_PREORDER, .used = 80, .want = TX_FULL },
	{ "preorder, the hour's allowance is spent", TX_PREORDER, .rate_spent = true,
	  .want = TX_QUOTA },
	{ "preorder, the reserve is left", TX_PREORDER, .only_reserve = true, .want = TX_FULL },
	/* REGISTER: the name */
	{ "register a new name", TX_REGISTER, .want = TX_OK },
	{ "register a taken name", TX_REGISTER, .state = LIVE, .want = TX_NAME_TAKEN },
	{ "register a taken name without preorder", TX_REGISTER, .state = LIVE, .no_preorder = true,
	  .want = TX_NAME_TAKEN },
	{ "register one second before the name expires", TX_REGISTER, .state = LIVE,
	  .name_expires = 1, .want = TX_NAME_TAKEN },
	{ "register the second the name expires", TX_REGISTER, .state = LIVE, .name_expires = -1,
	  .time = -1, .want = TX_OK },
	{ "register when both clocks reach the expiry", TX_REGISTER, .state = LIVE,
	  .name_expires = 7, .time = 7, .clock = 7, .want = TX_OK },
	{ "register over an expired name", TX_REGISTER, .state = LIVE, .name_expires = -DAY,
	  .want = TX_OK },
	{ "register over a revoked name", TX_REGISTER, .state = REVOKED, .want = TX_NAME_REVOKED },
	{ "register over a revoked and expired name", TX_REGISTER, .state = REVOKED,
	  .name_expires = -DAY, .want = TX_OK },
	{ "expired by the transaction alone, which is ahead", TX_REGISTER, .state = LIVE,
	  .name_expires = 60, .time = 120, .want = TX_NAME_TAKEN },
	{ "revoked, expired by the transaction alone", TX_REGISTER, .state = REVOKED,
	  .name_expires = 60, .time = 120, .want = TX_NAME_REVOKED },
	{ "expired by the node's clock alone", TX_REGISTER, .state = LIVE, .name_expires = -60,
	  .time = -120, .preorder = -120, .want = TX_NAME_TAKEN },
	{ "the node's clock fell back, its log knows", TX_REGISTER, .state = LIVE,
	  .name_expires = -60, .clock = -1000 * DAY, .newest = 5, .want = TX_OK },
	{ "the node's clock fell back, its log is older", TX_REGISTER, .state = LIVE,
	  .name_expires = -60, .clock = -1000 * DAY, .newest = -61, .want = TX_NAME_TAKEN },
	/* REGISTER: preorder */
	{ "register without preorder", TX_REGISTER, .no_preorder = true, .want = TX_NO_PREORDER },
	{ "register dated before its preorder", TX_REGISTER, .preorder = 61,
	  .want = TX_NO_PREORDER },
	{ "register at its preorder's second", TX_REGISTER, .preorder = 60, .want = TX_OK },
	{ "preorder one second short of 24 h", TX_REGISTER, .preorder = 60 - DAY + 1,
	  .want = TX_OK },
	{ "preorder of 24 h", TX_REGISTER, .preorder = 60 - DAY, .want = TX_PREORDER_EXPIRED },
	{ "week-old register with its week-old preorder", TX_REGISTER, .time = -7 * DAY,
	  .preorder = -7 * DAY, .want = TX_OK },
	/* REGISTER: the rest */
	{ "register, not on the list", TX_REGISTER, .not_allowed = true, .want = TX_NOT_ALLOWED },
	{ "register, same content", TX_REGISTER, .known = true, .want = TX_DUPLICATE },
	{ "register more than one hour ahead", TX_REGISTER, .time = 3601, .preorder = 3600,
	  .want = TX_STALE_TIME },
	{ "register with a status", TX_REGISTER, .value = VALUE "|status=revoked",
	  .want = TX_BAD_VALUE },
	{ "register with no record", TX_REGISTER, .value = "hello", .want = TX_BAD_VALUE },
	{ "register with an empty value", TX_REGISTER, .value = "", .want = TX_BAD_VALUE },
	{ "register with future fields", TX_REGISTER, .value = VALUE "|note=a b", .want = TX_OK },
	{ "register that ends before it begins", TX_REGISTER, .time = 0, .expires = -1,
	  .want = TX_BAD_EXPIRES },
	{ "register that ends the second it is made", TX_REGISTER, .time = 5, .expires = 5,
	  .want = TX_BAD_EXPIRES },
	{ "register that ends a second later", TX_REGISTER, .time = 5, .expires = 6,
	  .want = TX_OK },
	{ "register for ten years and a day", TX_REGISTER, .expires = 3654 * DAY,
	  .want = TX_BAD_EXPIRES },
	{ "register for ten years", TX_REGISTER, .expires = 3653 * DAY, .want = TX_OK },
	{ "register at 80 percent", TX_REGISTER, .used = 80, .want = TX_FULL },
	{ "register, the reserve is left", TX_REGISTER, .only_reserve = true, .want = TX_FULL },
	/* UPDATE */
	{ "update", TX_UPDATE, .state = LIVE, .want = TX_OK },
	{ "update, not on the list", TX_UPDATE, .state = LIVE, .not_allowed = true, .want = TX_OK },
	{ "update at 80 percent", TX_UPDATE, .state = LIVE, .used = 80, .want = TX_OK },
	{ "update at 95 percent", TX_UPDATE, .state = LIVE, .used = 95, .want = TX_FULL },
	{ "update, the hour's allowance is spent", TX_UPDATE, .state = LIVE, .rate_spent = true,
	  .want = TX_QUOTA },
	{ "update, the reserve is left", TX_UPDATE, .state = LIVE, .only_reserve = true,
	  .want = TX_FULL },
	{ "transfer", TX_UPDATE, .state = LIVE, .transfer = true, .want = TX_OK },
	{ "update of no name", TX_UPDATE, .state = NONE, .want = TX_NAME_EXPIRED },
	{ "update by a stranger", TX_UPDATE, .state = LIVE, .signer = STRANGER,
	  .want = TX_NOT_OWNER },
	{ "update of a revoked name", TX_UPDATE, .state = REVOKED, .want = TX_NAME_REVOKED },
	{ "update of a revoked name by a stranger", TX_UPDATE, .state = REVOKED, .signer = STRANGER,
	  .want = TX_NOT_OWNER },
	{ "update of a revoked name, backdated", TX_UPDATE, .state = REVOKED, .time = -DAY,
	  .want = TX_NAME_REVOKED },
	{ "update of an expired name", TX_UPDATE, .state = LIVE, .name_expires = -1,
	  .want = TX_NAME_EXPIRED },
	{ "update of a revoked and expired name", TX_UPDATE, .state = REVOKED, .name_expires = -1,
	  .want = TX_NAME_EXPIRED },
	{ "update made before the expiry, taken after it", TX_UPDATE, .state = LIVE,
	  .time = -2 * DAY, .name_time = -3 * DAY, .name_expires = -DAY, .want = TX_OK },
	{ "update with another prev", TX_UPDATE, .state = LIVE, .prev = EARLIER,
	  .want = TX_STALE_PREV },
	{ "update before the last transaction", TX_UPDATE, .state = LIVE, .time = -1,
	  .name_time = 0, .want = TX_STALE_TIME },
	{ "update in the last transaction's second", TX_UPDATE, .state = LIVE, .want = TX_OK },
	{ "update more than one hour ahead", TX_UPDATE, .state = LIVE, .time = 3601,
	  .want = TX_STALE_TIME },
	{ "update with a status", TX_UPDATE, .state = LIVE, .value = VALUE "|status=revoked",
	  .want = TX_BAD_VALUE },
	{ "update that ends earlier than before", TX_UPDATE, .state = LIVE, .expires = 49 * DAY,
	  .want = TX_BAD_EXPIRES },
	{ "update that ends as before", TX_UPDATE, .state = LIVE, .expires = 50 * DAY,
	  .want = TX_OK },
	{ "update for more than ten years", TX_UPDATE, .state = LIVE, .expires = 3654 * DAY,
	  .want = TX_BAD_EXPIRES },
	{ "update, same content", TX_UPDATE, .state = LIVE, .known = true, .want = TX_DUPLICATE },
	/* REVOKE */
	{ "revoke", TX_REVOKE, .state = LIVE, .want = TX_OK },
	{ "revoke when nearly full", TX_REVOKE, .state = LIVE, .used = 100, .want = TX_OK },
	{ "revoke out of the reserve", TX_REVOKE, .state = LIVE, .used = 100, .only_reserve = true,
	  .der_len = 1280, .want = TX_OK },
	{ "revoke, the hour's allowance is spent", TX_REVOKE, .state = LIVE, .rate_spent = true,
	  .want = TX_OK },
	{ "a revoke too long for the reserve", TX_REVOKE, .state = LIVE, .only_reserve = true,
	  .der_len = 1281, .want = TX_FULL },
	{ "a long revoke", TX_REVOKE, .state = LIVE, .used = 100, .der_len = 4096, .want = TX_OK },
	{ "revoke, not on the list", TX_REVOKE, .state = LIVE, .not_allowed = true, .want = TX_OK },
	{ "revoke by a stranger", TX_REVOKE, .state = LIVE, .signer = STRANGER,
	  .want = TX_NOT_OWNER },
	{ "revoke twice", TX_REVOKE, .state = REVOKED, .want = TX_NAME_REVOKED },
	{ "revoke an expired name", TX_REVOKE, .state = LIVE, .name_expires = 0, .time = 50 * DAY,
	  .clock = 51 * DAY, .want = TX_NAME_EXPIRED },
	{ "revoke with another prev", TX_REVOKE, .state = LIVE, .prev = EARLIER,
	  .want = TX_STALE_PREV },
	{ "revoke before the last transaction", TX_REVOKE, .state = LIVE, .time = -1,
	  .want = TX_STALE_TIME },
	{ "revoke more than one hour ahead", TX_REVOKE, .state = LIVE, .time = 3601,
	  .want = TX_STALE_TIME },
};

static const uint8_t txid[SHA256_LEN] = { 0x99, 0x98 };

static void fill_tx(const struct row *row, struct tx *tx)
{
	memset(tx, 0, sizeof(*tx));
	tx->op = row->op;
	tx->time_s = T + row->time;
	tx->expires_s = T + (row->expires != 0 ? row->expires : 100 * DAY);
	memset(tx->owner, row->signer != 0 ? row->signer : OWNER, SHA256_LEN);
	memset(tx->prev, row->prev != 0 ? row->prev : LAST, SHA256_LEN);
	memset(tx->new_owner, HEIR, SHA256_LEN);
	tx->has_new_owner = row->transfer;
	(void)snprintf(tx->name, sizeof(tx->name), "iot:a");
	(void)snprintf(tx->value, sizeof(tx->value), "%s", row->value != NULL ? row->value : VALUE);
}

static void fill_name(const struct row *row, struct ledger_name *name)
{
	memset(name, 0, sizeof(*name));
	(void)snprintf(name->name, sizeof(name->name), "iot:a");
	(void)snprintf(name->value, sizeof(name->value), "%s", VALUE);
	memset(name->owner, OWNER, SHA256_LEN);
	memset(name->txid, LAST, SHA256_LEN);
	memset(name->registration, EARLIER, SHA256_LEN);
	name->time_s = T + row->name_time;
	name->expires_s = T + (row->name_expires != 0 ? row->name_expires : 50 * DAY);
	name->sequence = 3;
	name->revoked = row->state == REVOKED;
}

static enum tx_reason judge(const struct row *row, struct ledger_name *next)
{
	struct tx tx;
	struct ledger_name name;
	fill_tx(row, &tx);
	fill_name(row, &name);
	const struct rules_input in = {
		.tx = &tx,
		.txid = txid,
		.name = row->state != NONE ? &name : NULL,
		.has_preorder = row->op == TX_REGISTER ? !row->no_preorder : row->again,
		.preorder_s = T - 60 + row->preorder,
		.live_preorders = row->live,
		.content_known = row->known,
		.allowed = !row->not_allowed,
		.used_percent = row->used,
		.only_reserve = row->only_reserve,
		.rate_spent = row->rate_spent,
		.der_len = row->der_len,
		.clock_s = T + row->clock,
		.newest_s = row->newest != 0 ? T + row->newest : 0,
	};
	return rules_judge(&in, next);
}

static void every_rule(void **state)
{
	(void)state;
	bool given[TX_REASON_COUNT] = { false };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ledger_name next, before;
		memset(&next, 0xee, sizeof(next));
		before = next;
		const enum tx_reason got = judge(&rows[i], &next);
		if (got != rows[i].want)
			fail_msg("row %zu: %s: %s, not %s", i, rows[i].name, tx_reason_name(got),
				 tx_reason_name(rows[i].want));
		given[got] = true;
		/* Refused, or no operation on a name: nothing of the state may move. */
		if ((got != TX_OK || rows[i].op == TX_PREORDER) &&
		    memcmp(&next, &before, sizeof(next)) != 0)
			fail_msg("row %zu: %s: a new state was written", i, rows[i].name);
	}
	for (enum tx_reason reason = TX_OK; reason < TX_REASON_COUNT; reason++) {
		/* These are said before a rule is asked, or when the disk fails. */
		if (reason == TX_BAD_ENCODING || reason == TX_BAD_SIGNATURE ||
		    reason == TX_NOT_CANONICAL || reason == TX_STORAGE)
			continue;
		if (!given[reason])
			fail_msg("no row gives %s", tx_reason_name(reason));
	}
}

static const struct row *row_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void new_states(void **state)
{
	(void)state;
	struct ledger_name next;
	uint8_t who[SHA256_LEN], last[SHA256_LEN];

	assert_int_equal(judge(row_of("register over a revoked and expired name"), &next), TX_OK);
	assert_memory_equal(next.registration, txid, SHA256_LEN);
	assert_memory_equal(next.txid, txid, SHA256_LEN);
	assert_int_equal(next.sequence, 1);
	assert_false(next.revoked);
	assert_true(next.expires_s == T + 100 * DAY && next.time_s == T);
	assert_string_equal(next.name, "iot:a");
	assert_string_equal(next.value, VALUE);

	assert_int_equal(judge(row_of("update"), &next), TX_OK);
	memset(who, OWNER, sizeof(who));
	assert_memory_equal(next.owner, who, SHA256_LEN);
	assert_int_equal(next.sequence, 4);

	assert_int_equal(judge(row_of("transfer"), &next), TX_OK);
	memset(who, HEIR, sizeof(who));
	memset(last, EARLIER, sizeof(last));
	assert_memory_equal(next.owner, who, SHA256_LEN);
	assert_memory_equal(next.registration, last, SHA256_LEN);
	assert_memory_equal(next.txid, txid, SHA256_LEN);
	assert_int_equal(next.sequence, 4);
	assert_true(next.expires_s == T + 100 * DAY);

	assert_int_equal(judge(row_of("revoke"), &next), TX_OK);
	memset(who, OWNER, sizeof(who));
	assert_memory_equal(next.owner, who, SHA256_LEN);
	assert_true(next.revoked);
	assert_string_equal(next.value, VALUE "|status=revoked");
	assert_true(next.expires_s == T + 50 * DAY);
}

static void longest_values(void **state)
{
	(void)state;
	char value[IOTPKI_VALUE_MAX + 1];
	struct row row = { "longest", TX_REGISTER, .want = TX_OK };
	struct ledger_name next;
	row.value = value;
	(void)snprintf(value, sizeof(value), "%s|x=", VALUE);
	const size_t start = strlen(value);
	memset(value + start, 'y', sizeof(value) - start);
	value[IOTPKI_VALUE_LEDGER_MAX] = '\0';
	assert_int_equal(judge(&row, &next), TX_OK);
	value[IOTPKI_VALUE_LEDGER_MAX] = 'y';
	value[IOTPKI_VALUE_LEDGER_MAX + 1] = '\0';
	assert_int_equal(judge(&row, &next), TX_BAD_VALUE);

	/* Revoking the longest value is why the limit is where it is. */
	value[IOTPKI_VALUE_LEDGER_MAX] = '\0';
	struct tx tx;
	struct ledger_name name;
	fill_tx(row_of("revoke"), &tx);
	fill_name(row_of("revoke"), &name);
	memcpy(name.value, value, sizeof(value));
	const struct rules_input in = { .tx = &tx, .txid = txid, .name = &name, .clock_s = T };
	assert_int_equal(rules_judge(&in, &next), TX_OK);
	assert_int_equal(strlen(next.value), IOTPKI_VALUE_MAX);
	struct iotpki_record record;
	assert_int_equal(iotpki_record_parse(next.value, strlen(next.value), &record, NULL),
			 IOTPKI_OK);
	assert_true(record.revoked);
}

static void clock_and_preorders(void **state)
{
	(void)state;
	assert_true(rules_clock(5, 9) == 9 && rules_clock(9, 5) == 9);
	assert_true(rules_preorder_lives(100, 100));
	assert_true(rules_preorder_lives(100, 0));
	assert_true(rules_preorder_lives(0, DAY - 1));
	assert_false(rules_preorder_lives(0, DAY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),
		cmocka_unit_test(new_states),
		cmocka_unit_test(longest_values),
		cmocka_unit_test(clock_and_preorders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
