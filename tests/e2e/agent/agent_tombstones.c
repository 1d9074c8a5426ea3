/*
 * The real agent and revocations that B-nodes forget (TM-08): n nodes that said so once, or one with the
 * owner's proof, are enough for good; a proof that is none is worth one node's word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "format/json.h"
#include "e2e/agent/statekit.h"
#include "unit/txkit.h"

#define OTHER "iot:11111111-8d54-4a7b-9c0e-5a1d2e3f4b60"

static const char *program, *command, *preload;
static struct memberkit alice;
static struct statekit kit;

/* ---- what the owner signed ---- */

enum der { REGISTER, REVOKE, REGISTER_AGAIN, REVOKE_AGAIN, REVOKE_OTHER, REVOKE_STRANGER, DERS };

static struct txkit_key owner, stranger;
static struct buf ders[DERS];
static char registration[2 * SHA256_LEN + 1], registration_again[2 * SHA256_LEN + 1];

static void sign(enum der der, const struct txkit_key *key, const struct tx *tx)
{
	ders[der] = (struct buf)BUF_INIT(TX_DER_MAX);
	txkit_sign(key, tx, &ders[der]);
}

static void make_ders(void)
{
	char name[IOTPKI_NVS_NAME_MAX + 1];
	uint8_t first[SHA256_LEN], again[SHA256_LEN];
	const int64_t end_s = STATEKIT_NOW + 86400;
	(void)snprintf(name, sizeof(name), "iot:%s", alice.name);
	txkit_key_new(&owner);
	txkit_key_new(&stranger);
	struct tx tx = txkit_register(&owner, name, 1, STATEKIT_NOW, end_s);
	sign(REGISTER, &owner, &tx);
	tx = txkit_register(&owner, name, 2, STATEKIT_NOW, end_s);
	sign(REGISTER_AGAIN, &owner, &tx);
	assert_int_equal(sha256(ders[REGISTER].data, ders[REGISTER].len, first), IOTPKI_OK);
	assert_int_equal(sha256(ders[REGISTER_AGAIN].data, ders[REGISTER_AGAIN].len, again),
			 IOTPKI_OK);
	tx = txkit_revoke(&owner, name, first, STATEKIT_NOW + 1);
	sign(REVOKE, &owner, &tx);
	tx = txkit_revoke(&owner, name, again, STATEKIT_NOW + 1);
	sign(REVOKE_AGAIN, &owner, &tx);
	tx = txkit_revoke(&owner, OTHER, first, STATEKIT_NOW + 1);
	sign(REVOKE_OTHER, &owner, &tx);
	tx = txkit_revoke(&stranger, name, first, STATEKIT_NOW + 1);
	sign(REVOKE_STRANGER, &stranger, &tx);
	hex_encode(first, sizeof(first), registration);
	hex_encode(again, sizeof(again), registration_again);
}

/* One string of the array. */
static void put_der(const struct buf *der, size_t len, struct buf *out)
{
	char text[BASE64_ENCODED_SIZE(TX_DER_MAX)];
	(void)base64_encode(der->data, len, true, text);
	assert_int_equal(buf_printf(out, "%s\"%s\"", out->len > 1 ? "," : "", text), IOTPKI_OK);
}

/* ---- scenes ---- */

static void put_list(const char *pinned)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(65536);
	statekit_put_member(&alice, pinned, NULL, &entries);
	agentkit_members(&kit.kit, buf_text(&entries));
}

static void open_scene(unsigned int needed)
{
	statekit_open(&kit, program, preload, needed);
	put_list(registration);
	statekit_start(&kit);
}

static int teardown(void **state)
{
	(void)state;
	statekit_close(&kit);
	return 0;
}

static void says(size_t node, const char *status, const char *proof)
{
	const struct statekit_words words = {
		.status = status,
		.sha256 = alice.sha256,
		.registration = registration,
		.height = 100,
		.time_s = kit.clock->wall_s,
		.proof = proof,
	};
	statekit_say(&kit, node, &words);
}

static void all_forget(const char *pinned)
{
	statekit_all_registered(&kit, &alice, pinned, 100);
}

static void expect_for_good(const char *by)
{
	statekit_await_log(&kit, "event=tombstone name=", by);
	statekit_expect_status(&kit, "tombstones", "1");
	all_forget(registration);
	statekit_expect(&kit, &alice, "DENY", "revoked");
	statekit_stop(&kit);
	statekit_start(&kit);
	statekit_expect_status(&kit, "state", "good");
	statekit_expect_status(&kit, "tombstones", "1");
	statekit_expect(&kit, &alice, "DENY", "revoked");
}

/* ---- n answers ---- */

static void revoked_by_n(void **state)
{
	(void)state;
	open_scene(2);
	all_forget(registration);
	statekit_expect(&kit, &alice, "ADMIT", "");
	says(HOME, "revoked", NULL);
	says(BARN, "revoked", NULL);
	says(OFFICE, "revoked", NULL);
	statekit_expect(&kit, &alice, "DENY", "revoked");
	expect_for_good("by=answers");

	/* kill -9 forgets none that was written. */
	statekit_kill(&kit);
	statekit_start(&kit);
	statekit_expect(&kit, &alice, "DENY", "revoked");

	/* The owner's own way back, and the floors': the one does not help, the other does not either. */
	char out[4096];
	const char *arguments[] = { command, "--socket", kit.kit.socket, "clock", "reset-floor",
				    "--yes", NULL };
	assert_int_equal(statekit_run(&kit, arguments, out, sizeof(out)), 0);
	statekit_expect_status(&kit, "tombstones", "1");
	statekit_expect(&kit, &alice, "DENY", "revoked");

	/* It is that registration's: the owner registers the name again, `member renew` pins it. */
	put_list(registration_again);
	agentkit_ask(&kit.kit, "iotpki/1 reload\n", kit.answer);
	assert_non_null(strstr(kit.answer, "members=1\n"));
	all_forget(registration_again);
	statekit_expect(&kit, &alice, "ADMIT", "");
	statekit_expect_status(&kit, "tombstones", "1");
}

static void one_of_n_is_not_enough(void **state)
{
	(void)state;
	open_scene(2);
	all_forget(registration);
	says(HOME, "revoked", NULL);
	says(OFFICE, NULL, NULL);
	statekit_expect(&kit, &alice, "DENY", "revoked");
	all_forget(registration);
	statekit_expect(&kit, &alice, "ADMIT", "");
	statekit_expect_status(&kit, "tombstones", "0");
	assert_false(statekit_logged(&kit, "event=tombstone ", ""));
}

/* What n = 1 costs: one liar is n nodes. */
static void one_liar_is_enough_with_n_1(void **state)
{
	(void)state;
	open_scene(1);
	all_forget(registration);
	says(HOME, "revoked", NULL);
	says(BARN, NULL, NULL);
	says(OFFICE, NULL, NULL);
	statekit_expect(&kit, &alice, "DENY", "revoked");
	expect_for_good("by=answers");
}

/* ---- proofs ---- */

/* Home alone says it, the others hide it. */
static void one_proves(const char *proof)
{
	all_forget(registration);
	says(HOME, "revoked", proof);
	says(OFFICE, NULL, NULL);
}

static void proved_by_one(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf proof = BUF_INIT(65536);
	open_scene(2);
	(void)buf_puts(&proof, "[");
	put_der(&ders[REGISTER], ders[REGISTER].len, &proof);
	put_der(&ders[REVOKE], ders[REVOKE].len, &proof);
	(void)buf_puts(&proof, "]");
	one_proves(buf_text(&proof));
	statekit_expect(&kit, &alice, "DENY", "revoked");
	expect_for_good("by=proof");
}

static const struct row {
	const char *name;
	enum der steps[2];
	size_t cut;     /* bytes missing at the end of the last one */
	size_t flip;    /* byte that is altered, from the end of the last one; 0: none */
	size_t junk;    /* bytes of a string behind them */
	const char *by; /* what the log says; NULL: it is not even tried */
} rows[] = {
	{ "an altered signature", { REGISTER, REVOKE }, 0, 1, 0, "signature" },
	{ "an altered content", { REGISTER, REVOKE }, 0, 300, 0, "" },
	{ "signed by a stranger", { REGISTER, REVOKE_STRANGER }, 0, 0, 0, "step 2" },
	{ "another registration",
	  { REGISTER_AGAIN, REVOKE_AGAIN },
	  0,
	  0,
	  0,
	  "another registration" },
	{ "another name", { REGISTER, REVOKE_OTHER }, 0, 0, 0, "another name" },
	{ "cut", { REGISTER, REVOKE }, 7, 0, 0, "" },
	{ "no end", { REGISTER, DERS }, 0, 0, 0, "too few" },
	{ "no base64 behind it", { REGISTER, REVOKE }, 0, 0, 3, NULL },
	{ "a step of 60 KB", { REGISTER, REVOKE }, 0, 0, 60000, NULL },
	{ "1 MB", { REGISTER, REVOKE }, 0, 0, 1 << 20, NULL },
};

static void put_proof(const struct row *row, struct buf *out)
{
	(void)buf_puts(out, "[");
	for (size_t i = 0; i < 2 && row->steps[i] != DERS; i++) {
		const bool last = i + 1 == 2;
		CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
		(void)buf_put(&der, ders[row->steps[i]].data, ders[row->steps[i]].len);
		if (last && row->flip > 0)
			der.data[der.len - row->flip] ^= 1;
		put_der(&der, der.len - (last ? row->cut : 0), out);
	}
	if (row->junk > 0)
		(void)buf_puts(out, ",\"");
	for (size_t i = 0; i < row->junk; i++)
		(void)buf_putc(out, 'A');
	(void)buf_puts(out, row->junk > 0 ? "\"]" : "]");
	assert_int_equal(buf_error(out), IOTPKI_OK);
}

static void no_proofs(void **state)
{
	(void)state;
	open_scene(2);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf proof = BUF_INIT(2 << 20);
		put_proof(&rows[i], &proof);
		one_proves(buf_text(&proof));
		/* Its word is one node's; beyond what an answer may hold it has none. */
		const bool too_long = proof.len > JSON_ANSWER_MAX;
		statekit_expect(&kit, &alice, too_long ? "UNAVAILABLE" : "DENY",
				too_long ? "" : "revoked");
		if (rows[i].by != NULL)
			statekit_await_log(&kit, "event=bad-proof name=", rows[i].by);
		all_forget(registration);
		statekit_expect(&kit, &alice, "ADMIT", "");
		statekit_expect_status(&kit, "tombstones", "0");
		if (rows[i].by == NULL && statekit_logged(&kit, "event=bad-proof", ""))
			fail_msg("%s: was tried", rows[i].name);
		if (statekit_logged(&kit, "event=tombstone", ""))
			fail_msg("%s: a tombstone", rows[i].name);
		/* A node's proof of a registration is tried once: the next row begins anew. */
		statekit_stop(&kit);
		statekit_forget_log(&kit);
		statekit_start(&kit);
	}
}

#define ROW(name) cmocka_unit_test_teardown(name, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(revoked_by_n),
		ROW(one_of_n_is_not_enough),
		ROW(one_liar_is_enough_with_n_1),
		ROW(proved_by_one),
		ROW(no_proofs),
	};
	if (argc != 4)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	program = argv[1];
	command = argv[2];
	preload = argv[3];
	agentkit_person(&alice, NULL);
	make_ders();
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < DERS; i++)
		buf_done(&ders[i]);
	txkit_key_done(&owner);
	txkit_key_done(&stranger);
	return failed;
}
