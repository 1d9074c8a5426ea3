/*
 * What the benchmark of iotpki-bnode needs beside the program.
 *   bnode_fill names DIR COUNT UPDATES FILE   a ledger in DIR with COUNT names, written past the
 *       signature check (a hundred thousand signatures would be the benchmark), and UPDATES signed
 *       transactions for the first of them, in base64, a line each, into FILE
 *   bnode_fill sync DIR                       how many 4 KiB writes a second this disk syncs
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/parse.h"
#include "bnode/ledger.h"
#include "bnode/ledger_store.h"
#include "identity/identity.h"

enum { TXN_NAMES = 1000, DER_LEN = 960, SYNC_MS = 1500, BLOCK = 4096, YEAR_S = 365 * 86400 };

/* iotpki-ledger(7): 6 KiB a name with its reserve, and room for the writes that are measured. */
#define MAP_PER_NAME ((size_t)8 << 10)
#define MAP_LEAST ((size_t)1 << 30)

struct filler {
	struct ledger *ledger;
	struct identity *owner;
	struct tx tx;
	int64_t now_s;
};

static void hash_of(uint64_t number, char kind, uint8_t out[static SHA256_LEN])
{
	memset(out, kind, SHA256_LEN);
	memcpy(out, &number, sizeof(number));
}

static bool apply(const struct filler *filler, MDB_txn *txn, uint64_t number)
{
	static const uint8_t der[DER_LEN] = { 0x30 };
	uint8_t txid[SHA256_LEN], content[SHA256_LEN];
	const struct store_submission submission = { .tx = &filler->tx,
						     .txid = txid,
						     .content = content,
						     .der = der,
						     .der_len = sizeof(der),
						     .clock_s = filler->now_s };
	hash_of(number, (char)('a' + filler->tx.op), txid);
	hash_of(number, (char)('k' + filler->tx.op), content);
	enum tx_reason reason = TX_STORAGE;
	bool added = false;
	return store_apply(filler->ledger, txn, &submission, &reason, &added) == 0 && added;
}

static void name_it(struct tx *tx, uint64_t number)
{
	(void)snprintf(tx->name, sizeof(tx->name), "iot:%08llx-0000-4000-8000-000000000000",
		       (unsigned long long)number);
}

static bool add_name(struct filler *filler, MDB_txn *txn, uint64_t number)
{
	struct tx *tx = &filler->tx;
	name_it(tx, number);
	tx->op = TX_PREORDER;
	if (tx_commit(tx->salt, tx->owner, tx->name, tx->commit) != IOTPKI_OK ||
	    !apply(filler, txn, number))
		return false;
	tx->op = TX_REGISTER;
	return apply(filler, txn, number);
}

static bool add_names(struct filler *filler, uint64_t count)
{
	for (uint64_t done = 0; done < count;) {
		MDB_txn *txn = NULL;
		if (mdb_txn_begin(filler->ledger->env, NULL, 0, &txn) != 0)
			return false;
		const uint64_t end = done + TXN_NAMES < count ? done + TXN_NAMES : count;
		for (; done < end; done++) {
			if (add_name(filler, txn, done))
				continue;
			mdb_txn_abort(txn);
			return false;
		}
		if (mdb_txn_commit(txn) != 0)
			return false;
	}
	return true;
}

static bool print_updates(struct filler *filler, uint64_t count, const char *path)
{
	FILE *out = fopen(path, "w");
	bool good = out != NULL;
	filler->tx.op = TX_UPDATE;
	for (uint64_t i = 0; good && i < count; i++) {
		CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
		char text[BASE64_ENCODED_SIZE(TX_DER_MAX)];
		name_it(&filler->tx, i);
		hash_of(i, (char)('a' + TX_REGISTER), filler->tx.prev);
		good = tx_sign(&filler->tx, filler->owner, &der, NULL) == IOTPKI_OK;
		if (good)
			(void)base64_encode(der.data, der.len, true, text);
		good = good && fprintf(out, "%s\n", text) > 0;
	}
	return out != NULL && fclose(out) == 0 && good;
}

/* What is half made when the machine stops is made again: nobody was told that it is there. */
static bool add_names_unsynced(struct filler *filler, uint64_t count)
{
	MDB_env *env = filler->ledger->env;
	return mdb_env_set_flags(env, MDB_NOSYNC, 1) == 0 && add_names(filler, count) &&
	       mdb_env_sync(env, 1) == 0 && mdb_env_set_flags(env, MDB_NOSYNC, 0) == 0;
}

static bool fill(struct filler *filler, const char *dir, uint64_t count)
{
	struct tx *tx = &filler->tx;
	if (identity_new("bench", IDENTITY_P256, random_system(), &filler->owner, NULL) !=
	    IOTPKI_OK)
		return false;
	memcpy(tx->owner, identity_cert(filler->owner)->spki_sha256, SHA256_LEN);
	filler->now_s = clock_system()->now_s(clock_system());
	tx->time_s = filler->now_s;
	tx->expires_s = filler->now_s + YEAR_S;
	memset(tx->value, 'a', 71);
	memcpy(tx->value, "sha256=", 7);
	const size_t map_bytes = (size_t)count * MAP_PER_NAME;
	const struct ledger_policy policy = { .map_bytes = map_bytes > MAP_LEAST ? map_bytes : 0,
					      .owner_count = 1,
					      .owners =
						      (const uint8_t(*)[SHA256_LEN]) & tx->owner };
	return fs_mkdir(dir, 0700, NULL) == IOTPKI_OK &&
	       ledger_create(dir, &policy, NULL) == IOTPKI_OK &&
	       ledger_open(dir, clock_system(), &filler->ledger, NULL) == IOTPKI_OK &&
	       add_names_unsynced(filler, count);
}

static int sync_rate(const char *dir)
{
	char path[4096];
	static const uint8_t block[BLOCK];
	(void)snprintf(path, sizeof(path), "%s/sync", dir);
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const int64_t begin_ms = clock_system()->mono_ms(clock_system());
	int64_t count = 0, ms = 0;
	bool good = fd >= 0;
	while (good && ms < SYNC_MS) {
		good = pwrite(fd, block, sizeof(block), (count % 256) * BLOCK) == BLOCK &&
		       fdatasync(fd) == 0;
		count++;
		ms = clock_system()->mono_ms(clock_system()) - begin_ms;
	}
	(void)close(fd);
	(void)unlink(path);
	if (good)
		printf("%lld\n", (long long)(count * 1000 / ms));
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t count = 0, updates = 0;
	struct filler filler = { 0 };
	if (argc == 3 && strcmp(argv[1], "sync") == 0)
		return sync_rate(argv[2]);
	if (argc != 6 || strcmp(argv[1], "names") != 0 ||
	    !uint_parse(argv[3], strlen(argv[3]), UINT32_MAX, &count) ||
	    !uint_parse(argv[4], strlen(argv[4]), count, &updates))
		return 2;
	const bool good = fill(&filler, argv[2], count) && print_updates(&filler, updates, argv[5]);
	ledger_closep(&filler.ledger);
	identity_freep(&filler.owner);
	return good ? 0 : 1;
}
