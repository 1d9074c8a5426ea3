/* A name on a chain: what is next in every state, its file, its amounts and the table of problems. */
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

static void namecoin_goes_through_its_two_steps(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_WANTED);
	struct onchain_seen seen = nothing_there();
	expect("no address", &progress, &seen, ONCHAIN_ADDRESS, ONCHAIN_OK, 0);
	(void)snprintf(progress.address, sizeof(progress.address), "n1");
	expect("no pre-order", &progress, &seen, ONCHAIN_ORDER, ONCHAIN_OK, 0);
	seen.order_found = true;
	memset(seen.order_txid, TXID_B, sizeof(seen.order_txid));
	expect("its answer was lost", &progress, &seen, ONCHAIN_WAIT, ONCHAIN_OK, 12);
	assert_true(progress.has_preorder && progress.stage == ONCHAIN_ORDERED);
	assert_int_equal(progress.preorder[0], TXID_B);
	assert_string_equal(progress.salt, "");
	for (int depth = 0; depth < ONCHAIN_ORDER_DEPTH; depth++) {
		seen.order_depth = depth;
		expect("too early", &progress, &seen, ONCHAIN_WAIT, ONCHAIN_OK,
		       (uint32_t)(ONCHAIN_ORDER_DEPTH - depth));
	}
	assert_string_equal(onchain_state_name(&progress, NOW_S), "pre-ordered");
	seen.order_depth = ONCHAIN_ORDER_DEPTH;
	expect("deep enough", &progress, &seen, ONCHAIN_ENTER, ONCHAIN_OK, 0);
	seen.order_depth = ONCHAIN_DEPTH_UNKNOWN;
	/* Another wallet is loaded, perhaps: nothing is paid for a second time, and nothing forgotten. */
	expect("the pre-order is gone", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_NOT_OWNER, 0);
	assert_true(progress.has_preorder);
	assert_string_equal(progress.address, "n1");
	bool resumed = true;
	const struct onchain_wish wish = { .value = VALUE, .expires_s = NOW_S + 1000 };
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_NAMECOIN, &wish, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	assert_false(resumed);
	expect("asked for once more", &progress, &seen, ONCHAIN_ADDRESS, ONCHAIN_OK, 0);
}

static void an_operation_is_done_when_it_is_deep_enough(void **state)
{
	(void)state;
	static const enum onchain_op ops[] = { ONCHAIN_REGISTER, ONCHAIN_UPDATE, ONCHAIN_REVOKE };
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct onchain_progress progress =
			wanted(CONFIG_NODE_EMERCOIN, ops[i], ONCHAIN_SENT);
		struct onchain_seen seen = nothing_there();
		seen.pending = seen.pending_mine = true;
		(void)snprintf(seen.pending_value, sizeof(seen.pending_value), "%s",
			       progress.value);
		expect("in the mempool", &progress, &seen, ONCHAIN_WAIT, ONCHAIN_OK, CONFIRMATIONS);
		for (uint64_t depth = 1; depth <= CONFIRMATIONS; depth++) {
			const bool done = depth == CONFIRMATIONS;
			seen = held(progress.value, TXID_B, depth, ONCHAIN_MINE);
			expect("in a block", &progress, &seen, done ? ONCHAIN_REST : ONCHAIN_WAIT,
			       ONCHAIN_OK, (uint32_t)(CONFIRMATIONS - depth));
			assert_int_equal(progress.stage, done ? ONCHAIN_DONE : ONCHAIN_SENT);
		}
		assert_true(progress.has_registration && progress.registration[0] == TXID_A);
		expect("it rests", &progress, &seen, ONCHAIN_REST, ONCHAIN_OK, 0);
	}
}

/* Values are public: who registers ours under the name has not done it for us. */
static void a_copy_by_somebody_else_is_not_ours(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_ORDERED);
	struct onchain_seen seen = held(VALUE, TXID_B, 5, ONCHAIN_NOT_MINE);
	expect("a copy", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_TAKEN, 0);
	seen.mine = ONCHAIN_MINE_UNKNOWN;
	expect("perhaps a copy", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_TAKEN, 0);
	seen.no_history = true;
	expect("nobody knows", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_NO_WALLET, 0);
	seen.no_history = false;
	memset(progress.txid, TXID_B, sizeof(progress.txid));
	progress.has_txid = true;
	expect("our own transaction", &progress, &seen, ONCHAIN_REST, ONCHAIN_OK, 0);
}

/* A command that was killed, or did not wait, may be gone on with a year later. */
static void what_ran_out_meanwhile_is_not_registered_again(void **state)
{
	(void)state;
	for (int row = 0; row < 5; row++) {
		struct onchain_progress progress =
			wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REGISTER, ONCHAIN_SENT);
		struct onchain_seen seen = held(row == 3 ? OTHER : VALUE, TXID_B, 900,
						row == 2 ? ONCHAIN_NOT_MINE : ONCHAIN_MINE_UNKNOWN);
		seen.name = ONCHAIN_NAME_EXPIRED;
		seen.expires_in = -5;
		progress.has_txid = row == 0;
		memset(progress.txid, TXID_B, sizeof(progress.txid));
		progress.has_prev = row == 4;
		memset(progress.prev, TXID_B, sizeof(progress.prev));
		expect(row < 2 ? "it was ours" : "it was another life", &progress, &seen,
		       row < 2 ? ONCHAIN_REST : ONCHAIN_ENTER, ONCHAIN_OK, 0);
		if (row < 2)
			assert_string_equal(onchain_state_name(&progress, NOW_S), "expired");
	}
}

static void changes_are_told_apart_by_the_txid_before(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_UPDATE, ONCHAIN_WANTED);
	progress.has_prev = true;
	memset(progress.prev, TXID_A, sizeof(progress.prev));
	struct onchain_seen seen = held(VALUE, TXID_A, 50, ONCHAIN_MINE);
	expect("same value, not yet updated", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
	seen = held(VALUE, TXID_B, 50, ONCHAIN_MINE);
	expect("updated before we were killed", &progress, &seen, ONCHAIN_REST, ONCHAIN_OK, 0);

	static const struct {
		const char *row;
		enum onchain_op op;
		enum onchain_mine mine;
		const char *value;
		enum onchain_name name;
		enum onchain_action action;
		enum onchain_problem problem;
	} rows[] = {
		{ "another's", ONCHAIN_UPDATE, ONCHAIN_NOT_MINE, OTHER, ONCHAIN_NAME_HELD,
		  ONCHAIN_REFUSE, ONCHAIN_NOT_OWNER },
		{ "another's", ONCHAIN_REVOKE, ONCHAIN_NOT_MINE, OTHER, ONCHAIN_NAME_HELD,
		  ONCHAIN_REFUSE, ONCHAIN_NOT_OWNER },
		{ "perhaps ours", ONCHAIN_REVOKE, ONCHAIN_MINE_UNKNOWN, OTHER, ONCHAIN_NAME_HELD,
		  ONCHAIN_CHANGE, ONCHAIN_OK },
		{ "revoked", ONCHAIN_UPDATE, ONCHAIN_MINE, OTHER "|status=revoked",
		  ONCHAIN_NAME_HELD, ONCHAIN_REFUSE, ONCHAIN_REVOKED },
		{ "revoked", ONCHAIN_TRANSFER, ONCHAIN_MINE, OTHER "|status=revoked",
		  ONCHAIN_NAME_HELD, ONCHAIN_REFUSE, ONCHAIN_REVOKED },
		{ "revoked is revoked", ONCHAIN_REVOKE, ONCHAIN_MINE, OTHER "|status=revoked",
		  ONCHAIN_NAME_HELD, ONCHAIN_REST, ONCHAIN_OK },
		{ "expired", ONCHAIN_UPDATE, ONCHAIN_MINE, OTHER, ONCHAIN_NAME_EXPIRED,
		  ONCHAIN_REFUSE, ONCHAIN_EXPIRED },
		{ "expired", ONCHAIN_REVOKE, ONCHAIN_MINE, OTHER, ONCHAIN_NAME_EXPIRED,
		  ONCHAIN_REFUSE, ONCHAIN_EXPIRED },
		{ "deleted is revoked", ONCHAIN_REVOKE, ONCHAIN_MINE, "", ONCHAIN_NAME_DELETED,
		  ONCHAIN_REST, ONCHAIN_OK },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		progress = wanted(CONFIG_NODE_NAMECOIN, rows[i].op, ONCHAIN_WANTED);
		progress.has_prev = true;
		memset(progress.prev, TXID_B, sizeof(progress.prev));
		seen = held(rows[i].value, TXID_B, 50, rows[i].mine);
		seen.name = rows[i].name;
		expect(rows[i].row, &progress, &seen, rows[i].action, rows[i].problem, 0);
	}
}

static void a_revocation_lines_up_and_keeps_the_value(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REVOKE, ONCHAIN_WANTED);
	struct onchain_seen seen = held(OTHER "|x=1", TXID_A, 9, ONCHAIN_MINE);
	seen.pending = seen.pending_mine = true;
	(void)snprintf(seen.pending_value, sizeof(seen.pending_value), OTHER);
	expect("behind an update", &progress, &seen, ONCHAIN_WAIT, ONCHAIN_OK, CONFIRMATIONS + 1);
	seen.pending = false;
	expect("its turn", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
	assert_string_equal(progress.value, OTHER "|x=1|status=revoked");
	seen.value_odd = true;
	progress = wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REVOKE, ONCHAIN_WANTED);
	expect("what is there is no text", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
	assert_string_equal(progress.value, VALUE "|status=revoked");
	seen.value_odd = false;
	seen.value_cut = true;
	expect("no room for it", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_TOO_LONG, 0);

	/* What was only pre-ordered is never registered; what was sent may still arrive. */
	seen = nothing_there();
	bool resumed;
	const struct onchain_wish wish = { .op = ONCHAIN_REVOKE };
	progress = wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_ORDERED);
	assert_int_equal(
		onchain_want(&progress, CONFIG_NODE_NAMECOIN, &wish, &seen, NOW_S, &resumed),
		ONCHAIN_OK);
	expect("only pre-ordered", &progress, &seen, ONCHAIN_REST, ONCHAIN_OK, 0);
	assert_int_equal(progress.stage, ONCHAIN_NOTHING);
	progress = wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_SENT);
	progress.has_txid = true;
	onchain_want_revocation_blind(&progress, CONFIG_NODE_NAMECOIN);
	expect("sent and not seen", &progress, &seen, ONCHAIN_WAIT, ONCHAIN_OK, CONFIRMATIONS + 1);
	onchain_want_revocation_blind(&progress, CONFIG_NODE_NAMECOIN);
	seen = held(VALUE, TXID_A, 1, ONCHAIN_MINE);
	expect("there it is", &progress, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
	assert_string_equal(progress.value, VALUE "|status=revoked");
}

static void a_node_behind_the_chain_is_not_believed(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REGISTER, ONCHAIN_WANTED);
	struct onchain_seen seen = nothing_there();
	seen.downloading = true;
	expect("downloading", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_NOT_IN_SYNC, 0);
	seen.downloading = false;
	seen.tip_s = NOW_S - ONCHAIN_TIP_AGE_MAX_S;
	expect("just young enough", &progress, &seen, ONCHAIN_ENTER, ONCHAIN_OK, 0);
	seen.tip_s--;
	expect("too old", &progress, &seen, ONCHAIN_REFUSE, ONCHAIN_NOT_IN_SYNC, 0);
	/* A revocation goes out all the same, once; what the node says of it is not believed either. */
	const int64_t old_s = seen.tip_s;
	struct onchain_progress revocation =
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REVOKE, ONCHAIN_WANTED);
	expect("nothing there", &revocation, &seen, ONCHAIN_REFUSE, ONCHAIN_NOT_IN_SYNC, 0);
	seen = held(VALUE, TXID_A, 9, ONCHAIN_MINE);
	seen.tip_s = old_s;
	expect("revoked all the same", &revocation, &seen, ONCHAIN_CHANGE, ONCHAIN_OK, 0);
	seen.pending = true;
	expect("it is under way", &revocation, &seen, ONCHAIN_REFUSE, ONCHAIN_NOT_IN_SYNC, 0);
	seen = held(VALUE "|status=revoked", TXID_B, 9, ONCHAIN_MINE);
	seen.tip_s = old_s;
	expect("who knows", &revocation, &seen, ONCHAIN_REFUSE, ONCHAIN_NOT_IN_SYNC, 0);
	seen = nothing_there();
	seen.tip_s = NOW_S + 7200;
	expect("ahead of our clock", &progress, &seen, ONCHAIN_ENTER, ONCHAIN_OK, 0);
}

static void wishes_are_begun_resumed_or_refused(void **state)
{
	(void)state;
	char long_value[IOTPKI_VALUE_MAX + 1];
	memset(long_value, 'x', sizeof(long_value) - 1);
	memcpy(long_value, VALUE "|y=", sizeof(VALUE "|y=") - 1);
	long_value[495] = '\0';
	const struct onchain_wish registration = { .value = VALUE, .expires_s = NOW_S + 1000 };
	const struct onchain_wish too_long = { .value = long_value, .expires_s = NOW_S + 1000 };
	const struct onchain_wish renewal = { .op = ONCHAIN_UPDATE, .expires_s = NOW_S + 9999999 };
	const struct onchain_wish transfer = { .op = ONCHAIN_TRANSFER, .address = "n2" };
	const struct onchain_wish revocation = { .op = ONCHAIN_REVOKE };
	struct onchain_seen pending = nothing_there();
	pending.pending = true;
	struct onchain_seen no_history = held(VALUE, TXID_A, 9, ONCHAIN_MINE);
	no_history.no_history = true;
	const struct {
		const char *row;
		const struct onchain_wish *wish;
		struct onchain_seen seen;
		enum onchain_problem problem;
	} rows[] = {
		{ "free", &registration, nothing_there(), ONCHAIN_OK },
		{ "taken", &registration, held(OTHER, TXID_A, 9, ONCHAIN_NOT_MINE), ONCHAIN_TAKEN },
		{ "ours", &registration, held(VALUE, TXID_A, 9, ONCHAIN_MINE), ONCHAIN_EXISTS },
		{ "revoked", &registration, held(VALUE "|status=revoked", TXID_A, 9, ONCHAIN_MINE),
		  ONCHAIN_REVOKED },
		{ "pending", &registration, pending, ONCHAIN_PENDING },
		{ "long", &too_long, nothing_there(), ONCHAIN_TOO_LONG },
		{ "renew", &renewal, held(VALUE, TXID_A, 9, ONCHAIN_MINE), ONCHAIN_OK },
		{ "renew none", &renewal, nothing_there(), ONCHAIN_EXPIRED },
		{ "renew another's", &renewal, held(VALUE, TXID_A, 9, ONCHAIN_NOT_MINE),
		  ONCHAIN_NOT_OWNER },
		{ "renew unseen", &renewal, no_history, ONCHAIN_NO_WALLET },
		{ "revoke unseen", &revocation, no_history, ONCHAIN_OK },
		{ "transfer", &transfer, held(VALUE, TXID_A, 9, ONCHAIN_MINE), ONCHAIN_OK },
		{ "transfer revoked", &transfer,
		  held(VALUE "|status=revoked", TXID_A, 9, ONCHAIN_MINE), ONCHAIN_REVOKED },
		{ "revoke none", &revocation, nothing_there(), ONCHAIN_EXPIRED },
		{ "revoke another's", &revocation, held(VALUE, TXID_A, 9, ONCHAIN_NOT_MINE),
		  ONCHAIN_NOT_OWNER },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct onchain_progress progress = { 0 };
		bool resumed = true;
		const enum onchain_problem problem =
			onchain_want(&progress, CONFIG_NODE_EMERCOIN, rows[i].wish, &rows[i].seen,
				     NOW_S, &resumed);
		if (problem != rows[i].problem || resumed)
			fail_msg("%s: problem %d, resumed %d", rows[i].row, (int)problem, resumed);
		if (problem != ONCHAIN_OK)
			continue;
		const struct onchain_progress first = progress;
		const enum onchain_problem again =
			onchain_want(&progress, CONFIG_NODE_EMERCOIN, rows[i].wish, &rows[i].seen,
				     NOW_S + 5, &resumed);
		if (again != ONCHAIN_OK || !resumed)
			fail_msg("%s again: problem %d, resumed %d", rows[i].row, (int)again,
				 resumed);
		assert_memory_equal(&progress, &first, sizeof(first));
	}
}

static void ends_are_replaced_in_values(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		int64_t end;
		const char *want;
	} rows[] = {
		{ VALUE, 0, VALUE },
		{ VALUE, 5, VALUE "|ex=5" },
		{ VALUE "|ex=1|x=2", 5, VALUE "|x=2|ex=5" },
		{ VALUE "|status=revoked|ex=1", 0, VALUE "|status=revoked|ex=1" },
		{ VALUE "|hex=1", 7, VALUE "|hex=1|ex=7" },
	};
	char out[IOTPKI_VALUE_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(onchain_value_with_end(rows[i].value, rows[i].end, out));
		assert_string_equal(out, rows[i].want);
	}
	char full[IOTPKI_VALUE_MAX + 1];
	memset(full, 'x', sizeof(full) - 1);
	full[IOTPKI_VALUE_MAX] = '\0';
	assert_false(onchain_value_with_end(full, 5, out));
}

static struct onchain_progress full_progress(void)
{
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_SENT);
	progress.expires_s = NOW_S;
	progress.ends_s = NOW_S + 1;
	progress.days = 17;
	progress.to_go = 3;
	progress.has_prev = progress.has_preorder = progress.has_txid = true;
	progress.has_registration = true;
	memset(progress.prev, 1, sizeof(progress.prev));
	memset(progress.preorder, 2, sizeof(progress.preorder));
	memset(progress.txid, 3, sizeof(progress.txid));
	memset(progress.registration, 4, sizeof(progress.registration));
	(void)snprintf(progress.address, sizeof(progress.address), "n1abc");
	(void)snprintf(progress.salt, sizeof(progress.salt), "00ff");
	return progress;
}

static void the_file_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct onchain_progress rows[] = {
		full_progress(),
		wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REVOKE, ONCHAIN_NOTHING),
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_TRANSFER, ONCHAIN_ORDERED),
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(ONCHAIN_TEXT_MAX);
		struct onchain_progress read;
		struct iotpki_detail detail = { 0 };
		assert_int_equal(onchain_format(&rows[i], &text), IOTPKI_OK);
		assert_int_equal(onchain_parse(buf_text(&text), text.len, &read, &detail),
				 IOTPKI_OK);
		assert_memory_equal(&read, &rows[i], sizeof(read));
	}
}

static void a_damaged_file_is_refused(void **state)
{
	(void)state;
	const struct onchain_progress progress = full_progress();
	CLEANUP(buf_done) struct buf text = BUF_INIT(ONCHAIN_TEXT_MAX);
	struct onchain_progress read;
	assert_int_equal(onchain_format(&progress, &text), IOTPKI_OK);
	static const char *const damaged[] = {
		"",
		"iotpki-chain/2\n",
		"iotpki-chain/1\ntype=dogecoin\n",
		"iotpki-chain/1\ntype=namecoin\ntype=namecoin\n",
		"iotpki-chain/1\nop=register\ntype=namecoin\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++)
		assert_int_equal(onchain_parse(damaged[i], strlen(damaged[i]), &read, NULL),
				 IOTPKI_ERR_SYNTAX);
	for (size_t at = 0; at < text.len; at++) {
		/* Every line end, and the sign behind every key. */
		const bool sign = text.data[at] == '=' && text.data[at - 1] != '6';
		if (text.data[at] != '\n' && !sign)
			continue;
		struct iotpki_detail detail = { 0 };
		const uint8_t kept = text.data[at];
		text.data[at] = ' ';
		if (onchain_parse(buf_text(&text), text.len, &read, &detail) == IOTPKI_OK)
			fail_msg("byte %zu altered, and the file is believed", at);
		assert_true(detail.line > 0 && read.value[0] == '\0');
		text.data[at] = kept;
	}
	assert_int_equal(onchain_parse(buf_text(&text), ONCHAIN_TEXT_MAX + 1, &read, NULL),
			 IOTPKI_ERR_LIMIT);
}

static void amounts_are_exact(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		int64_t amount;
		const char *again;
	} rows[] = {
		{ "0", true, 0, "0" },
		{ "3.2", true, 320000000, "3.2" },
		{ "105417.021400", true, INT64_C(10541702140000), "105417.0214" },
		{ "105417.02140000001", true, INT64_C(10541702140000), "105417.0214" },
		{ "1e-05", true, 1000, "0.00001" },
		{ "1.0000000000000001e-05", true, 1000, "0.00001" },
		{ "2.1e+7", true, INT64_C(2100000000000000), "21000000" },
		{ "0.00000001", true, 1, "0.00000001" },
		{ "0.000000009", true, 0, "0" },
		{ "", false, 0, "" },
		{ "-1", false, 0, "" },
		{ ".5", false, 0, "" },
		{ "1.2.3", false, 0, "" },
		{ "1e99", false, 0, "" },
		{ "1e", false, 0, "" },
		{ "99999999999999999999", false, 0, "" },
		{ "99999999999999", false, 0, "" },
		{ "\"1\"", false, 0, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t amount = -1;
		char again[ONCHAIN_AMOUNT_SIZE];
		if (onchain_amount_parse(rows[i].text, &amount) != rows[i].good)
			fail_msg("%s: %s", rows[i].text, rows[i].good ? "refused" : "taken");
		if (!rows[i].good)
			continue;
		if (amount != rows[i].amount)
			fail_msg("%s: %lld", rows[i].text, (long long)amount);
		onchain_amount_format(amount, again);
		assert_string_equal(again, rows[i].again);
	}
}

static void days_outlast_the_end(void **state)
{
	(void)state;
	assert_int_equal(onchain_days(NOW_S, NOW_S), 0);
	assert_int_equal(onchain_days(NOW_S, NOW_S - 5), 0);
	assert_int_equal(onchain_days(NOW_S, NOW_S + 1), 1);
	for (int64_t days = 1; days < 3650; days += 7) {
		const uint32_t paid = onchain_days(NOW_S, NOW_S + days * 86400);
		const int64_t lasts =
			(int64_t)paid * ONCHAIN_EMERCOIN_DAY * ONCHAIN_EMERCOIN_BLOCK_S;
		assert_true(lasts >= days * 86400);
		assert_true(lasts - days * 86400 <= 86400);
	}
	struct onchain_seen seen = { .expires_in = INT64_MAX };
	assert_true(onchain_end_s(CONFIG_NODE_NAMECOIN, &seen, NOW_S) == INT64_MAX);
	seen.expires_in = 2;
	assert_true(onchain_end_s(CONFIG_NODE_NAMECOIN, &seen, NOW_S) == NOW_S + 1200);
	assert_true(onchain_end_s(CONFIG_NODE_EMERCOIN, &seen, NOW_S) == NOW_S + 986);
}

static void what_is_left_costs(void **state)
{
	(void)state;
	struct onchain_progress progress =
		wanted(CONFIG_NODE_NAMECOIN, ONCHAIN_REGISTER, ONCHAIN_WANTED);
	const int64_t both = onchain_cost(&progress, 40);
	assert_true(both > ONCHAIN_COIN / 100 && both < ONCHAIN_COIN / 50);
	assert_int_equal(onchain_blocks(&progress), 36000);
	progress.has_preorder = true;
	const int64_t second = onchain_cost(&progress, 40);
	assert_true(second > 0 && second < both - ONCHAIN_COIN / 100);
	progress.stage = ONCHAIN_SENT;
	assert_true(onchain_cost(&progress, 40) == 0);

	progress = wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REGISTER, ONCHAIN_WANTED);
	progress.days = 365;
	const int64_t year = onchain_cost(&progress, 40);
	progress.days = 3650;
	assert_true(onchain_cost(&progress, 40) > year);
	assert_int_equal(onchain_blocks(&progress), 3650 * 175);
	progress = wanted(CONFIG_NODE_EMERCOIN, ONCHAIN_REVOKE, ONCHAIN_WANTED);
	assert_true(onchain_cost(&progress, 40) < year && onchain_cost(&progress, 40) > 0);
}

static void every_problem_has_its_own_words_and_exit_code(void **state)
{
	(void)state;
	bool used[256] = { 0 };
	for (int i = 1; i < ONCHAIN_PROBLEM_COUNT; i++) {
		const struct onchain_problem_row *row =
			onchain_problem_row((enum onchain_problem)i);
		const char *place = strstr(row->advice, "%s");
		if (row->text[0] == '\0' || place == NULL || strchr(place + 1, '%') != NULL)
			fail_msg("%s: no words, or not one place for the program", row->name);
		for (int j = 1; j < i; j++)
			assert_string_not_equal(row->text,
						onchain_problem_row((enum onchain_problem)j)->text);
		if (row->exit < 20)
			continue;
		if (row->exit > 27 || used[row->exit])
			fail_msg("%s: exit code %d", row->name, row->exit);
		used[row->exit] = true;
	}
	for (int code = 20; code <= 27; code++)
		assert_true(used[code]);
	assert_string_equal(onchain_program(CONFIG_NODE_EMERCOIN), "emercoin-cli");
	assert_string_equal(onchain_coin(CONFIG_NODE_NAMECOIN), "NMC");
	assert_string_equal(onchain_op_name(ONCHAIN_TRANSFER), "transfer");
	assert_string_equal(onchain_problem_row((enum onchain_problem)99)->name, "broken");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namecoin_goes_through_its_two_steps),
		cmocka_unit_test(an_operation_is_done_when_it_is_deep_enough),
		cmocka_unit_test(a_copy_by_somebody_else_is_not_ours),
		cmocka_unit_test(what_ran_out_meanwhile_is_not_registered_again),
		cmocka_unit_test(changes_are_told_apart_by_the_txid_before),
		cmocka_unit_test(a_revocation_lines_up_and_keeps_the_value),
		cmocka_unit_test(a_node_behind_the_chain_is_not_believed),
		cmocka_unit_test(wishes_are_begun_resumed_or_refused),
		cmocka_unit_test(ends_are_replaced_in_values),
		cmocka_unit_test(the_file_is_read_as_it_was_written),
		cmocka_unit_test(a_damaged_file_is_refused),
		cmocka_unit_test(amounts_are_exact),
		cmocka_unit_test(days_outlast_the_end),
		cmocka_unit_test(what_is_left_costs),
		cmocka_unit_test(every_problem_has_its_own_words_and_exit_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
