/* Making, opening and writing the ledger: see ledger.h. */
#include "bnode/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "bnode/ledger_store.h"

void ledger_close(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	if (ledger->env != NULL)
		mdb_env_close(ledger->env);
	tx_verifier_free(ledger->verifier);
	free(ledger);
}

void ledger_closep(struct ledger **ledger)
{
	ledger_close(*ledger);
	*ledger = NULL;
}

static int put_policy(const struct ledger *ledger, MDB_txn *txn, bool open,
		      const uint8_t (*owners)[SHA256_LEN], size_t count)
{
	MDB_val nothing = { 0, (void *)(uintptr_t) "" };
	MDB_val key = { 4, (void *)(uintptr_t) "open" };
	int rc = open ? mdb_put(txn, ledger->tables[TABLE_META], &key, &nothing, 0) : 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		key = (MDB_val){ SHA256_LEN, (void *)(uintptr_t)owners[i] };
		rc = mdb_put(txn, ledger->tables[TABLE_OWNERS], &key, &nothing, 0);
	}
	return rc;
}

/* New files are durable only when their folder is. */
static enum iotpki_err sync_folder(const char *dir, struct iotpki_detail *detail)
{
	CLEANUP(fs_close) const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "syncing the folder: %s",
				  strerror(errno));
	return IOTPKI_OK;
}

enum iotpki_err ledger_allow(struct ledger *ledger, bool open, const uint8_t (*owners)[SHA256_LEN],
			     size_t count, struct iotpki_detail *detail)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(ledger->env, NULL, 0, &txn);
	if (rc == 0)
		rc = put_policy(ledger, txn, open, owners, count);
	if (rc == 0)
		rc = mdb_txn_commit(STEAL(txn));
	if (rc != 0)
		return store_error(rc, "writing the list of owners", detail);
	ledger->open = ledger->open || open;
	return IOTPKI_OK;
}

enum iotpki_err ledger_create(const char *dir, const struct ledger_policy *policy,
			      struct iotpki_detail *detail)
{
	enum iotpki_err err = fs_mkdir(dir, 0700, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	err = store_open(dir, STORE_CREATE, policy->map_bytes, &ledger, detail);
	if (err == IOTPKI_OK)
		err = ledger_allow(ledger, policy->open, policy->owners, policy->owner_count,
				   detail);
	if (err == IOTPKI_OK)
		err = sync_folder(dir, detail);
	if (err != IOTPKI_OK)
		detail_where(detail, dir);
	return err;
}

enum iotpki_err ledger_open(const char *dir, const struct clock *clock, struct ledger **ledger_out,
			    struct iotpki_detail *detail)
{
	*ledger_out = NULL;
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	const enum iotpki_err err = store_open(dir, STORE_WRITE, 0, &ledger, detail);
	if (err != IOTPKI_OK)
		return err;
	ledger->clock = clock;
	ledger->verifier = tx_verifier_new();
	if (ledger->verifier == NULL)
		return IOTPKI_ERR_NOMEM;
	*ledger_out = STEAL(ledger);
	return IOTPKI_OK;
}

enum iotpki_err ledger_enlarge(struct ledger *ledger, size_t map_bytes,
			       struct iotpki_detail *detail)
{
	MDB_envinfo info;
	int rc = mdb_env_info(ledger->env, &info);
	if (rc == 0 && map_bytes > info.me_mapsize)
		rc = mdb_env_set_mapsize(ledger->env, map_bytes);
	return rc == 0 ? IOTPKI_OK : store_error(rc, "enlarging the ledger", detail);
}

static unsigned int used_percent(const struct ledger *ledger)
{
	MDB_envinfo info;
	MDB_stat stat;
	if (mdb_env_info(ledger->env, &info) != 0 || mdb_env_stat(ledger->env, &stat) != 0 ||
	    info.me_mapsize == 0)
		return 100;
	return (unsigned int)((info.me_last_pgno + 1) * stat.ms_psize * 100 / info.me_mapsize);
}

/* An idempotent retry costs a hash and a look, not two signatures. */
static bool in_the_log(struct ledger *ledger, const uint8_t txid[static SHA256_LEN])
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	bool known = false;
	if (atomic_load(&ledger->broken) || store_begin_read(ledger, &txn) != 0)
		return false;
	return store_known(ledger, txn, txid, &known) == 0 && known;
}

void ledger_verify(struct ledger *ledger, struct tx_verifier *verifier,
		   struct ledger_submission *submission)
{
	struct tx_parts parts;
	submission->stage = LEDGER_SETTLED;
	submission->reason = TX_OK;
	if (sha256(submission->der, submission->der_len, submission->txid) == IOTPKI_OK &&
	    in_the_log(ledger, submission->txid))
		return;
	submission->reason = tx_verifier_verify(verifier, submission->der, submission->der_len,
						&submission->tx, submission->txid, NULL);
	if (submission->reason != TX_OK)
		return;
	if (!tx_split(submission->der, submission->der_len, &parts, NULL)) {
		submission->reason = TX_BAD_ENCODING;
		return;
	}
	/* Verified: it is the content's hash. */
	memcpy(submission->content, parts.digest, SHA256_LEN);
	submission->stage = LEDGER_VERIFIED;
}

static int apply_group(struct ledger *ledger, struct ledger_submission *const *submissions,
		       size_t count)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	bool any = false;
	int dead = 0;
	/* A reader that was killed keeps old pages from being used again until somebody looks. */
	(void)mdb_reader_check(ledger->env, &dead);
	int rc = mdb_txn_begin(ledger->env, NULL, 0, &txn);
	const int64_t clock_s = ledger->clock->now_s(ledger->clock);
	const unsigned int used = used_percent(ledger);
	for (size_t i = 0; i < count && rc == 0; i++) {
		bool added = false;
		if (submissions[i]->stage != LEDGER_VERIFIED)
			continue;
		const struct store_submission verified = {
			.tx = &submissions[i]->tx,
			.txid = submissions[i]->txid,
			.content = submissions[i]->content,
			.der = submissions[i]->der,
			.der_len = submissions[i]->der_len,
			.clock_s = clock_s,
			.used_percent = used,
			.open = ledger->open,
		};
		rc = store_apply(ledger, txn, &verified, &submissions[i]->reason, &added);
		any = any || added;
	}
	if (rc != 0 || !any)
		return rc;
	rc = mdb_txn_commit(STEAL(txn));
	/*
	 * After a failed sync the kernel may call the pages clean, and a second try would
	 * succeed without having written them.
	 */
	if (rc != 0 && rc != ENOSPC && rc != MDB_MAP_FULL)
		atomic_store(&ledger->broken, true);
	return rc;
}

static void refuse_all(struct ledger_submission *const *submissions, size_t count,
		       enum tx_reason reason)
{
	for (size_t i = 0; i < count; i++)
		if (submissions[i]->stage == LEDGER_VERIFIED &&
		    (reason == TX_STORAGE || submissions[i]->reason == TX_OK))
			submissions[i]->reason = reason;
}

static enum iotpki_err commit(struct ledger *ledger, struct ledger_submission *const *submissions,
			      size_t count, struct iotpki_detail *detail)
{
	if (atomic_load(&ledger->broken)) {
		refuse_all(submissions, count, TX_STORAGE);
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0,
				  "the ledger takes no writes until the node is started again");
	}
	const int rc = apply_group(ledger, submissions, count);
	if (rc == 0)
		return IOTPKI_OK;
	refuse_all(submissions, count, rc == MDB_MAP_FULL ? TX_FULL : TX_STORAGE);
	return rc == MDB_MAP_FULL ? IOTPKI_OK : store_error(rc, "writing the ledger", detail);
}

enum iotpki_err ledger_commit(struct ledger *ledger, struct ledger_submission *const *submissions,
			      size_t count, struct iotpki_detail *detail)
{
	const enum iotpki_err err = commit(ledger, submissions, count, detail);
	for (size_t i = 0; i < count; i++)
		if (submissions[i]->stage == LEDGER_VERIFIED)
			submissions[i]->stage = LEDGER_SETTLED;
	return err;
}

enum iotpki_err ledger_submit(struct ledger *ledger, struct ledger_submission *submissions,
			      size_t count, struct iotpki_detail *detail)
{
	AUTO_FREE struct ledger_submission **group = calloc(count > 0 ? count : 1, sizeof(*group));
	for (size_t i = 0; i < count; i++) {
		submissions[i].reason = TX_STORAGE;
		if (group == NULL)
			continue;
		group[i] = &submissions[i];
		ledger_verify(ledger, ledger->verifier, group[i]);
	}
	if (group == NULL)
		return IOTPKI_ERR_NOMEM;
	return ledger_commit(ledger, group, count, detail);
}
