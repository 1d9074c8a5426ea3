/* What one node alone can show of a revocation (design 4): each step by the owner of its moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/base.h"
#include "txkit.h"

#define NAME "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define OTHER "iot:11111111-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define NOW INT64_C(1800000000)

static struct txkit_key owner, buyer;

/* Signed steps, by letter. */
enum step {
	END,
	REGISTER,
	TRANSFER,       /* owner to buyer */
	UPDATE,         /* by the owner, no transfer */
	REVOKE,         /* by the owner */
	REVOKE_BUYER,   /* by the buyer */
	REVOKE_EARLY,   /* by the owner, before REGISTER */
	REVOKE_OTHER,   /* by the owner, another name */
	REGISTER_AGAIN, /* another registration of the name */
	BROKEN,         /* REVOKE with a byte of its signature changed */
	STEPS,
};

static struct buf ders[STEPS];
static uint8_t registration[SHA256_LEN];

static void sign(enum step step, const struct txkit_key *key, const struct tx *tx)
{
	ders[step] = (struct buf)BUF_INIT(TX_DER_MAX);
	txkit_sign(key, tx, &ders[step]);
}

static int setup(void **state)
{
	uint8_t prev[SHA256_LEN];
	(void)state;
	txkit_key_new(&owner);
	txkit_key_new(&buyer);
	struct tx tx = txkit_register(&owner, NAME, 7, NOW, NOW + 86400);
	sign(REGISTER, &owner, &tx);
	tx = txkit_register(&owner, NAME, 8, NOW, NOW + 86400);
	sign(REGISTER_AGAIN, &owner, &tx);
	if (sha256(ders[REGISTER].data, ders[REGISTER].len, registration) != IOTPKI_OK)
		return -1;
	memcpy(prev, registration, sizeof(prev));
	tx = txkit_update(&owner, NAME, prev, NOW + 1, NOW + 86400);
	sign(UPDATE, &owner, &tx);
	tx.has_new_owner = true;
	memcpy(tx.new_owner, buyer.owner, SHA256_LEN);
	sign(TRANSFER, &owner, &tx);
	tx = txkit_revoke(&owner, NAME, prev, NOW + 2);
	sign(REVOKE, &owner, &tx);
	sign(BROKEN, &owner, &tx);
	ders[BROKEN].data[ders[BROKEN].len - 1] ^= 1;
	tx = txkit_revoke(&buyer, NAME, prev, NOW + 2);
	sign(REVOKE_BUYER, &buyer, &tx);
	tx = txkit_revoke(&owner, NAME, prev, NOW - 1);
	sign(REVOKE_EARLY, &owner, &tx);
	tx = txkit_revoke(&owner, OTHER, prev, NOW + 2);
	sign(REVOKE_OTHER, &owner, &tx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < STEPS; i++)
		buf_done(&ders[i]);
	txkit_key_done(&owner);
	txkit_key_done(&buyer);
	return 0;
}

static void table(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum step steps[4];
		enum tx_reason want;
	} rows[] = {
		{ "registered and revoked", { REGISTER, REVOKE }, TX_OK },
		{ "revoked by who bought it", { REGISTER, TRANSFER, REVOKE_BUYER }, TX_OK },
		{ "nothing", { END }, TX_BAD_ENCODING },
		{ "no end", { REGISTER }, TX_BAD_ENCODING },
		{ "no begin", { REVOKE, REVOKE }, TX_NOT_OWNER },
		{ "another registration", { REGISTER_AGAIN, REVOKE }, TX_NOT_OWNER },
		{ "not revoked at the end", { REGISTER, TRANSFER }, TX_BAD_ENCODING },
		{ "registered twice", { REGISTER, REGISTER, REVOKE }, TX_BAD_ENCODING },
		{ "an update that transfers nothing",
		  { REGISTER, UPDATE, REVOKE },
		  TX_BAD_ENCODING },
		{ "revoked by a stranger", { REGISTER, REVOKE_BUYER }, TX_NOT_OWNER },
		{ "revoked by who sold it", { REGISTER, TRANSFER, REVOKE }, TX_NOT_OWNER },
		{ "another name", { REGISTER, REVOKE_OTHER }, TX_NOT_OWNER },
		{ "older than what it revokes", { REGISTER, REVOKE_EARLY }, TX_STALE_TIME },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tx_proof_step steps[4];
		size_t count = 0;
		for (; count < 4 && rows[i].steps[count] != END; count++) {
			const struct buf *der = &ders[rows[i].steps[count]];
			steps[count] = (struct tx_proof_step){ der->data, der->len };
		}
		struct iotpki_detail detail = { 0 };
		const enum tx_reason got =
			tx_proof_verify(steps, count, NAME, registration, &detail);
		if (got != rows[i].want)
			fail_msg("row %zu: %s: %s (%s)", i, rows[i].name, tx_reason_name(got),
				 detail.message);
	}
}

static void signatures_count(void **state)
{
	(void)state;
	const struct tx_proof_step steps[] = { { ders[REGISTER].data, ders[REGISTER].len },
					       { ders[BROKEN].data, ders[BROKEN].len } };
	assert_int_not_equal(tx_proof_verify(steps, 2, NAME, registration, NULL), TX_OK);
	struct tx_proof_step many[TX_PROOF_STEPS_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = steps[0];
	assert_int_equal(tx_proof_verify(many, ARRAY_LEN(many), NAME, registration, NULL),
			 TX_BAD_ENCODING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(signatures_count),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
