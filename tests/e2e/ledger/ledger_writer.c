/*
 * A program around the ledger that says what it has: for each transaction that is in, its txid goes
 * to standard output in one write. What a node acknowledges, without a network between.
 *
 * ledger_writer init DIR | write DIR COUNT | check DIR < TXIDS | audit ... | log ...
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "bnode/ledger_store.h"
#include "bnode/verbs.h"
#include "txkit.h"

static int failed(const char *what, enum iotpki_err err, const struct iotpki_detail *detail)
{
	char text[1024];
	iotpki_err_detail(err, detail, text, sizeof(text));
	fprintf(stderr, "ledger_writer: %s: %s\n", what, text);
	return 1;
}

static bool submit(struct ledger *ledger, const struct txkit_key *key, const struct tx *tx)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	char line[2 * SHA256_LEN + 2];
	txkit_sign(key, tx, &der);
	struct ledger_submission submission = { .der = der.data, .der_len = der.len };
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = ledger_submit(ledger, &submission, 1, &detail);
	if (err != IOTPKI_OK || submission.reason != TX_OK)
		return failed(tx_reason_name(submission.reason), err, &detail) == 0;
	hex_encode(submission.txid, SHA256_LEN, line);
	line[2 * SHA256_LEN] = '\n';
	return write(STDOUT_FILENO, line, 2 * SHA256_LEN + 1) == 2 * SHA256_LEN + 1;
}

/* PREORDER and REGISTER in turn, each a commit of its own. */
static int write_many(struct ledger *ledger, unsigned int count)
{
	struct txkit_key key;
	txkit_key_new(&key);
	const int64_t now_s = clock_system()->now_s(clock_system());
	bool good = true;
	for (unsigned int i = 0; good && i < count; i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "iot:%d-%u", (int)getpid(), i / 2);
		const struct tx tx = i % 2 == 0
					     ? txkit_preorder(&key, name, 1, now_s)
					     : txkit_register(&key, name, 1, now_s, now_s + 86400);
		good = submit(ledger, &key, &tx);
	}
	txkit_key_done(&key);
	return good ? 0 : 1;
}

/* Every txid on standard input must be in the ledger. */
static int check(const struct ledger *ledger)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	char line[128];
	unsigned int count = 0;
	if (mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, &txn) != 0)
		return 1;
	for (; fgets(line, sizeof(line), stdin) != NULL; count++) {
		uint8_t txid[SHA256_LEN];
		MDB_val key = { SHA256_LEN, txid };
		MDB_val value;
		if (strlen(line) == 2 * SHA256_LEN + 1 &&
		    hex_decode(line, 2 * SHA256_LEN, txid, SHA256_LEN) &&
		    mdb_get(txn, ledger->tables[TABLE_TXIDS], &key, &value) == 0)
			continue;
		fprintf(stderr, "ledger_writer: acknowledged and not in the ledger: %s", line);
		return 1;
	}
	printf("%u\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	struct iotpki_detail detail = { 0 };
	char dir[VERB_PATH_SIZE];
	uint64_t count = 0;
	if (argc >= 2 && strcmp(argv[1], "audit") == 0)
		return bnode_audit(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "log") == 0)
		return bnode_log(argc - 1, argv + 1);
	if (argc < 3 || verb_path(argv[2], "ledger", dir, &detail) != IOTPKI_OK)
		return 2;
	const struct ledger_policy policy = { .open = true };
	if (strcmp(argv[1], "init") == 0)
		return ledger_create(dir, &policy, &detail) == IOTPKI_OK ? 0 : 1;
	const enum iotpki_err err = ledger_open(dir, clock_system(), &ledger, &detail);
	if (err != IOTPKI_OK)
		return failed("opening", err, &detail);
	if (strcmp(argv[1], "check") == 0)
		return check(ledger);
	if (argc != 4 || !uint_parse(argv[3], strlen(argv[3]), 1000000, &count))
		return 2;
	return write_many(ledger, (unsigned int)count);
}
