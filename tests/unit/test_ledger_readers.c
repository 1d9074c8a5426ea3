/* Readers in other processes (log, audit), and what they leave behind when they are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledgerkit.h"

#define T INT64_C(1800000000)
#define DAY INT64_C(86400)

static void take(struct ledger *ledger, const struct txkit_key *key, struct tx tx, uint8_t *txid)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	txkit_sign(key, &tx, &der);
	struct ledger_submission submission = { .der = der.data, .der_len = der.len };
	assert_int_equal(ledger_submit(ledger, &submission, 1, NULL), IOTPKI_OK);
	assert_string_equal(tx_reason_name(submission.reason), "ok");
	memcpy(txid, submission.txid, SHA256_LEN);
}

static bool die(void *context, const struct ledger_name *name)
{
	(void)context;
	(void)name;
	_exit(0);
}

/* Its place among the readers, of which LMDB has 126, and the pages that it was reading. */
static void readers_that_were_killed_hold_nothing(void **state)
{
	(void)state;
	struct txkit_key owner;
	struct ledgerkit kit;
	struct ledger_tip tip;
	uint8_t last[SHA256_LEN];
	txkit_key_new(&owner);
	ledgerkit_new(&kit, T, &owner, 1, 4 << 20);
	take(kit.ledger, &owner, txkit_preorder(&owner, "iot:gate", 1, T), last);
	take(kit.ledger, &owner, txkit_register(&owner, "iot:gate", 1, T, T + DAY), last);
	for (int i = 0; i < 140; i++) {
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct ledger *own = NULL;
			if (ledger_open(kit.dir, &kit.clock.clock, &own, NULL) == IOTPKI_OK &&
			    ledger_filter(own, "", NULL, 1, die, NULL) == IOTPKI_OK)
				_exit(1);
			_exit(2);
		}
		int status = 0;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	}
	for (int i = 0; i < 150; i++)
		take(kit.ledger, &owner, txkit_update(&owner, "iot:gate", last, T + i, T + 2 * DAY),
		     last);
	ledgerkit_done(&kit);
	txkit_key_done(&owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_that_were_killed_hold_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
