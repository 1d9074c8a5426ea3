/* A name on a chain, from one dm command to the next: what is not taken back, and not paid for in vain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "manager/onchain.h"

#define NOW_S INT64_C(1800000000)
#define VALUE "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define OTHER "sha256=60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
enum { TXID_A = 0xa1, TXID_B = 0xb2, CONFIRMATIONS = 3 };

static struct onchain_progress wanted(enum config_node_type type, enum onchain_op op,
				      enum onchain_stage stage)
{
	struct onchain_progress progress = { .type = type, .op = op, .stage = stage };
	(void)snprintf(progress.value, sizeof(progress.value), "%s%s", VALUE,
		       op == ONCHAIN_REVOKE ? "|status=revoked" : "");
	return progress;
}

static struct onchain_seen nothing_there(void)
{
	return (struct onchain_seen){ .height = 1000,
				      .tip_s = NOW_S - 60,
				      .order_depth = ONCHAIN_DEPTH_UNKNOWN };
}

/* The name is held, since `depth` blocks, with this value. */
static struct onchain_seen held(const char *value, uint8_t txid, uint64_t depth,
				enum onchain_mine mine)
{
	struct onchain_seen seen = nothing_there();
	seen.name = ONCHAIN_NAME_HELD;
	seen.mine = mine;
	seen.expires_in = 100;
	seen.txid_height = seen.height + 1 - depth;
	(void)snprintf(seen.value, sizeof(seen.value), "%s", value);
	memset(seen.txid, txid, sizeof(seen.txid));
	memset(seen.registration, TXID_A, sizeof(seen.registration));
	seen.revoked = strstr(value, "status=revoked") != NULL;
	return seen;
}

static void expect(const char *row, struct onchain_progress *progress,
		   const struct onchain_seen *seen, enum onchain_action action,
		   enum onchain_problem problem, uint32_t to_go)
{
	const struct onchain_step step = onchain_next(progress, seen, CONFIRMATIONS, NOW_S);
	if (step.action != action || step.problem != problem || step.to_go != to_go)
		fail_msg("%s: action %d, problem %d, %u to go", row, (int)step.action,
			 (int)step.problem, step.to_go);
}

/* What a revocation meets that was asked for, and is not in the chain (yet, or any more). */
static void a_revocation_is_not_taken_back(void **state)
{
	(void)state;
	const struct onchain_wish wishes[] = {
		{ .op = ONCHAIN_UPDATE, .expires_s = NOW_S + 9999999 },
		{ .op = ONCHAIN_UPDATE, .value = OTHER },
		{ .op = ONCHAIN_TRANSFER, .address = "n2" },
	};
	const struct onchain_seen live = held(VALUE, TXID_B, 9, ONCHAIN_MINE);
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		for (int stage = ONCHAIN_WANTED; stage <= ONCHAIN_DONE; stage++) {
			struct onchain_progress progress = wanted(
				CONFIG_NODE_NAMECOIN, ONCHAIN_REVOKE, (enum onchain_stage)stage);
			progress.has_registration = true;
			memset(progress.registration, TXID_A, sizeof(progress.registration));
			const struct onchain_progress before = progress;
			bool resumed = false;
			const enum onchain_problem problem =
				onchain_want(&progress, CONFIG_NODE_NAMECOIN, &wishes[i], &live,
					     NOW_S, &resumed);
			if (problem != ONCHAIN_REVOKED)
				fail_msg("wish %zu, stage %d: problem %d", i, stage, (int)problem);
			assert_memory_equal(&progress, &before, sizeof(before));
		}
	}
	/* Another life of the name, and a registration that may still arrive. */
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REVOKE, ONCHAIN_DONE);
	progress.has_registration = true;
	bool resumed;
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_NAMECOIN, &wishes[0], &live, NOW_S, &resumed),
		ONCHAIN_OK);
	progress = wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REVOKE, ONCHAIN_WANTED);
	progress.has_txid = true;
	const struct onchain_wish again = { .value = OTHER, .expires_s = NOW_S + 1000 };
	const struct onchain_seen none = nothing_there();
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_NAMECOIN, &again, &none, NOW_S, &resumed),
		ONCHAIN_PENDING);
	assert_int_equal(progress.op, ONCHAIN_REVOKE);
}

static void a_revocation_that_the_chain_lost_is_sent_again(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REVOKE, ONCHAIN_DONE);
	progress.has_registration = true;
	memset(progress.registration, TXID_A, sizeof(progress.registration));
	struct onchain_seen seen = held(VALUE "|status=revoked", TXID_B, 1, ONCHAIN_MINE);
	assert_false(onchain_reopen(&progress, &seen));
	seen = held(VALUE, TXID_A, 9, ONCHAIN_MINE);
	seen.no_history = true;
	assert_false(onchain_reopen(&progress, &seen));
	seen.no_history = false;
	seen.registration[0] ^= 1;
	assert_false(onchain_reopen(&progress, &seen));
	seen.registration[0] ^= 1;
	assert_true(onchain_reopen(&progress, &seen));
	expect("once more", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
}

/* Every operation costs: none for an end that is over, none unseen, none for another's life. */
static void nothing_is_paid_for_in_vain(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REGISTER, ONCHAIN_WANTED);
	struct onchain_seen seen = nothing_there();
	bool resumed;
	progress.expires_s = NOW_S;
	progress.days = 1;
	expect("its end is over", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_EXPIRED, 0);
	/* Asked for again it is of the new end; a few seconds more are none. */
	const struct onchain_wish year = { .value = VALUE, .expires_s = NOW_S + 365 * 86400 };
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_EMERCOIN, &year, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	assert_true(resumed && progress.expires_s == year.expires_s && progress.days == 366);
	const struct onchain_progress before = progress;
	const struct onchain_wish later = { .value = VALUE, .expires_s = year.expires_s + 5 };
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_EMERCOIN, &later, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	assert_memory_equal(&progress, &before, sizeof(before));
	/* Another value, after one that was sent and is nowhere: that one is not this. */
	progress.stage = ONCHAIN_SENT;
	progress.has_txid = true;
	memset(progress.txid, TXID_B, sizeof(progress.txid));
	const struct onchain_wish other = { .value = OTHER, .expires_s = year.expires_s };
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_EMERCOIN, &other, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	assert_true(!resumed && onchain_cost(&progress, 40) > 0);
	seen = held(VALUE, TXID_B, 9, ONCHAIN_MINE);
	expect("it is the old one", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_EXISTS, 0);

	progress = wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_UPDATE, ONCHAIN_WANTED);
	progress.expires_s = NOW_S;
	seen = held(OTHER, TXID_B, 9, ONCHAIN_MINE);
	expect("a renewal that is over", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_EXPIRED, 0);
	progress.expires_s++;
	expect("just in time", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
	seen.no_history = true;
	expect("it may be revoked since", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_NO_WALLET, 0);
}

/* The registration was seen by nobody here, and changed by another tool since: it can be renewed. */
static void a_name_that_somebody_else_has_is_given_up(void **state)
{
	(void)state;
	const struct onchain_wish wish = { .op = ONCHAIN_REVOKE };
	for (int row = 0; row < 3; row++) {
		struct onchain_progress progress =
			wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER,
			       row == 1 ? ONCHAIN_SENT : ONCHAIN_ORDERED);
		const struct onchain_seen seen =
			held(row == 2 ? VALUE : OTHER, TXID_B, 9, ONCHAIN_NOT_MINE);
		bool resumed;
		const enum onchain_problem problem = onchain_want(&progress, CONFIG_NODE_NAMECOIN,
								  &wish, &seen, NOW_S, &resumed);
		/* What was sent, or looks like it, can be in a wallet that is not loaded. */
		if (problem != (row == 0 ? ONCHAIN_OK : ONCHAIN_NOT_OWNER))
			fail_msg("row %d: problem %d", row, (int)problem);
		if (row == 0)
			expect("given up", &progress, &seen, ONCHAIN_REST, ONCHAIN_OK, 0);
	}
}

static void an_end_that_is_not_asked_for_stays(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REGISTER, ONCHAIN_DONE);
	progress.expires_s = NOW_S + 1000;
	const struct onchain_wish wish = { .op = ONCHAIN_UPDATE, .value = OTHER };
	const struct onchain_seen seen = held(VALUE "|ex=1900000000", TXID_B, 9, ONCHAIN_MINE);
	bool resumed;
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_EMERCOIN, &wish, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	assert_string_equal(progress.value, OTHER "|ex=1900000000");
	assert_true(progress.expires_s == 1900000000 && progress.days == 0);
}

static void a_name_that_is_there_is_renewed_whatever_was_known(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_SENT);
	const struct onchain_wish wish = { .op = ONCHAIN_UPDATE, .expires_s = NOW_S + 9999999 };
	struct onchain_seen seen = held(OTHER, TXID_B, 9, ONCHAIN_MINE);
	bool resumed;
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_NAMECOIN, &wish, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	expect("and is", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_revocation_is_not_taken_back),
		cmocka_unit_test(a_revocation_that_the_chain_lost_is_sent_again),
		cmocka_unit_test(nothing_is_paid_for_in_vain),
		cmocka_unit_test(a_name_that_somebody_else_has_is_given_up),
		cmocka_unit_test(an_end_that_is_not_asked_for_stays),
		cmocka_unit_test(a_name_that_is_there_is_renewed_whatever_was_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
