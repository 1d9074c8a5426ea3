/* The audit: see audit.h. */
#include "bnode/audit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"
#include "bnode/ledger_store.h"

enum { REPLAY_GROUP = 2048 }; /* entries in one commit of the copy, and in one look at the ledger */
#define COPY_EXTRA ((size_t)64 << 20)

/* The two sides of the comparison, in the child. */
struct audit {
	struct audit_report *report; /* shared with the parent, which may outlive us */
	struct ledger *ledger;
	MDB_txn *txn; /* the snapshot that is looked at */
	struct ledger *copy;
	MDB_txn *copy_txn;
	struct tx_verifier *verifier;
};

static void audit_done(struct audit *audit)
{
	store_txn_abortp(&audit->txn);
	store_txn_abortp(&audit->copy_txn);
	ledger_closep(&audit->ledger);
	ledger_closep(&audit->copy);
	tx_verifier_freep(&audit->verifier);
}

static bool say(struct audit *audit, enum audit_verdict verdict, const char *what, const char *why)
{
	audit->report->verdict = verdict;
	(void)snprintf(audit->report->message, sizeof(audit->report->message), "%s%s%s", what,
		       why != NULL ? ": " : "", why != NULL ? why : "");
	return false;
}

/* A result of LMDB on the side that is audited is damage; on the copy's it is our own trouble. */
static bool damaged(struct audit *audit, int rc, const char *what)
{
	return say(audit, rc == ENOMEM ? AUDIT_UNDONE : AUDIT_BAD, what, mdb_strerror(rc));
}

static bool undone(struct audit *audit, int rc)
{
	return say(audit, AUDIT_UNDONE, "the copy that the log is replayed into", mdb_strerror(rc));
}

/* First pass: heights without a gap, and every byte of every entry under the chain of hashes. */
static bool check_entry(struct audit *audit, const MDB_val *key, const MDB_val *value,
			struct store_entry *before)
{
	struct store_entry entry;
	uint8_t hash[SHA256_LEN];
	audit->report->height = before->height + 1;
	if (!store_entry_decode(key, value, &entry))
		return say(audit, AUDIT_BAD, "it is not an entry", NULL);
	if (entry.height != before->height + 1)
		return say(audit, AUDIT_BAD, "it is missing", NULL);
	if (store_entry_hash(&entry, before->hash, hash) != IOTPKI_OK)
		return say(audit, AUDIT_UNDONE, "out of memory", NULL);
	if (memcmp(hash, entry.hash, SHA256_LEN) != 0)
		return say(audit, AUDIT_BAD,
			   "its hash does not follow from the entry before and its bytes", NULL);
	if (entry.clock_s < before->clock_s)
		return say(audit, AUDIT_BAD, "the node's clock is behind the entry before", NULL);
	*before = entry;
	return true;
}

/* Second pass: the signature, the rules at the time of the node, and the same entry again. */
static bool replay_entry(struct audit *audit, const struct store_entry *entry)
{
	struct tx tx;
	uint8_t txid[SHA256_LEN], content[SHA256_LEN];
	const struct store_submission submission = {
		.tx = &tx,
		.txid = txid,
		.content = content,
		.der = entry->der,
		.der_len = entry->der_len,
		.clock_s = entry->clock_s,
		.open = true, /* who may register is the node's policy of its day, not the log's */
	};
	struct store_entry again;
	struct tx_parts parts;
	struct iotpki_detail detail = { 0 };
	bool added = false;
	audit->report->height = entry->height;
	enum tx_reason reason =
		tx_verifier_verify(audit->verifier, entry->der, entry->der_len, &tx, txid, &detail);
	if (reason != TX_OK || !tx_split(entry->der, entry->der_len, &parts, &detail))
		return say(audit, reason == TX_STORAGE ? AUDIT_UNDONE : AUDIT_BAD,
			   tx_reason_name(reason), detail.message);
	memcpy(content, parts.digest, SHA256_LEN);
	int rc = store_apply(audit->copy, audit->copy_txn, &submission, &reason, &added);
	if (rc == 0 && reason == TX_OK && added)
		rc = store_last_entry(audit->copy, audit->copy_txn, &again);
	if (rc != 0)
		return undone(audit, rc);
	if (reason != TX_OK)
		return say(audit, AUDIT_BAD, "the rules refuse it", tx_reason_name(reason));
	if (!added)
		return say(audit, AUDIT_BAD, "the same transaction stands in an earlier entry",
			   NULL);
	if (memcmp(again.hash, entry->hash, SHA256_LEN) != 0)
		return say(audit, AUDIT_BAD, "replaying it gives another hash", NULL);
	return true;
}

static bool next_group(struct audit *audit)
{
	int rc = mdb_txn_commit(STEAL(audit->copy_txn));
	if (rc == 0)
		rc = mdb_txn_begin(audit->copy->env, NULL, 0, &audit->copy_txn);
	return rc == 0 || undone(audit, rc);
}

/* A snapshot of now, in which `from` is the next entry. None is kept for long: it would make the ledger grow. */
static int look_again(struct audit *audit, uint64_t from, MDB_cursor **cursor_out, MDB_val *key,
		      MDB_val *value)
{
	uint8_t height[8];
	store_txn_abortp(&audit->txn);
	int rc = mdb_txn_begin(audit->ledger->env, NULL, MDB_RDONLY, &audit->txn);
	if (rc == 0)
		rc = mdb_cursor_open(audit->txn, audit->ledger->tables[TABLE_LOG], cursor_out);
	store_put_u64(height, from);
	*key = (MDB_val){ sizeof(height), height };
	/* From the very first on: what stands there under another height must be seen. */
	if (rc == 0)
		rc = mdb_cursor_get(*cursor_out, key, value, from == 1 ? MDB_FIRST : MDB_SET_RANGE);
	return rc;
}

/* A group of entries; false: something is wrong, or the end is reached (*rc_out is MDB_NOTFOUND). */
static bool walk_group(struct audit *audit, bool replay, struct store_entry *before, int *rc_out)
{
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	MDB_val key, value;
	audit->report->height = before->height + 1; /* where a crash would be */
	int rc = look_again(audit, before->height + 1, &cursor, &key, &value);
	for (int i = 0; i < REPLAY_GROUP && rc == 0; i++) {
		if (!check_entry(audit, &key, &value, before))
			return false;
		if (replay && !replay_entry(audit, before))
			return false;
		audit->report->height = before->height + 1;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	*rc_out = rc;
	if (rc == MDB_NOTFOUND)
		return false;
	if (rc != 0)
		return damaged(audit, rc, "the log cannot be read on");
	return !replay || next_group(audit);
}

/* To the end of the log as it is then; the last snapshot, which has that end, stays. */
static bool walk_log(struct audit *audit, bool replay)
{
	struct store_entry before = { 0 };
	int rc = 0;
	while (walk_group(audit, replay, &before, &rc))
		continue;
	if (rc != MDB_NOTFOUND)
		return false;
	audit->report->entries = before.height;
	memcpy(audit->report->hash, before.hash, SHA256_LEN);
	return true;
}

/* Which entry a difference in the state belongs to, as far as a key can tell. */
static uint64_t entry_of(const struct audit *audit, enum ledger_table table, const MDB_val *key,
			 const MDB_val *value)
{
	struct ledger_name name;
	MDB_val found;
	uint64_t height = 0;
	const uint8_t *bytes = key->mv_data;
	if (table == TABLE_HISTORY && key->mv_size > 8)
		return store_get_u64(bytes + key->mv_size - 8);
	if (table == TABLE_LOG)
		return store_height(key, &height) ? height : 0;
	if (table == TABLE_TXIDS || table == TABLE_CONTENTS)
		return store_height(value, &height) ? height : 0;
	if (table != TABLE_NAMES || !store_name_decode(key, value, &name))
		return 0;
	MDB_val txid = { SHA256_LEN, name.txid };
	if (mdb_get(audit->copy_txn, audit->copy->tables[TABLE_TXIDS], &txid, &found) != 0)
		return 0;
	return store_height(&found, &height) ? height : 0;
}

static bool differs(struct audit *audit, enum ledger_table table, const MDB_val *key,
		    const MDB_val *value)
{
	char where[160];
	(void)snprintf(where, sizeof(where), "the table '%s' is not what follows from the log",
		       store_table_name(table));
	audit->report->height = value != NULL ? entry_of(audit, table, key, value) : 0;
	if (table != TABLE_NAMES && table != TABLE_HISTORY)
		return say(audit, AUDIT_BAD, where, NULL);
	char name[IOTPKI_NVS_NAME_MAX + 1];
	text_escape(key->mv_data, strnlen(key->mv_data, key->mv_size), name, sizeof(name));
	return say(audit, AUDIT_BAD, where, name);
}

static bool same(const MDB_val *a, const MDB_val *b)
{
	return a->mv_size == b->mv_size &&
	       (a->mv_size == 0 || memcmp(a->mv_data, b->mv_data, a->mv_size) == 0);
}

/* Both tables from the first to the last key, in step. The copy is what is right. */
static bool compare_table(struct audit *audit, enum ledger_table table)
{
	CLEANUP(store_cursor_closep) MDB_cursor *mine = NULL;
	CLEANUP(store_cursor_closep) MDB_cursor *theirs = NULL;
	MDB_val want_key, want, got_key, got;
	int rc = mdb_cursor_open(audit->copy_txn, audit->copy->tables[table], &mine);
	if (rc == 0)
		rc = mdb_cursor_open(audit->txn, audit->ledger->tables[table], &theirs);
	if (rc != 0)
		return undone(audit, rc);
	for (;;) {
		const int here = mdb_cursor_get(mine, &want_key, &want, MDB_NEXT);
		const int there = mdb_cursor_get(theirs, &got_key, &got, MDB_NEXT);
		if (here != 0 && here != MDB_NOTFOUND)
			return undone(audit, here);
		if (there != 0 && there != MDB_NOTFOUND)
			return damaged(audit, there, store_table_name(table));
		if (here == MDB_NOTFOUND && there == MDB_NOTFOUND)
			return true;
		if (here == MDB_NOTFOUND)
			return differs(audit, table, &got_key, NULL);
		if (there == MDB_NOTFOUND || !same(&want_key, &got_key) || !same(&want, &got))
			return differs(audit, table, &want_key, &want);
	}
}

static bool start_copy(struct audit *audit, const char *scratch)
{
	MDB_envinfo info;
	struct iotpki_detail detail = { 0 };
	int rc = mdb_env_info(audit->ledger->env, &info);
	if (rc != 0)
		return undone(audit, rc);
	if (store_open(scratch, STORE_CREATE, 2 * info.me_mapsize + COPY_EXTRA, &audit->copy,
		       &detail) != IOTPKI_OK)
		return say(audit, AUDIT_UNDONE, "the copy that the log is replayed into",
			   detail.message);
	rc = mdb_txn_begin(audit->copy->env, NULL, 0, &audit->copy_txn);
	return rc == 0 || undone(audit, rc);
}

static bool audit_all(struct audit *audit, const char *dir, const char *scratch)
{
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = store_open(dir, STORE_READ, 0, &audit->ledger, &detail);
	if (err != IOTPKI_OK)
		return say(audit, err == IOTPKI_ERR_SYNTAX ? AUDIT_BAD : AUDIT_UNDONE,
			   "the ledger cannot be opened", detail.message);
	audit->verifier = tx_verifier_new();
	if (audit->verifier == NULL)
		return say(audit, AUDIT_UNDONE, "out of memory", NULL);
	if (!walk_log(audit, false) || !start_copy(audit, scratch) || !walk_log(audit, true))
		return false;
	audit->report->height = 0;
	for (size_t table = TABLE_FIRST_DERIVED; table < TABLE_COUNT; table++)
		if (!compare_table(audit, (enum ledger_table)table))
			return false;
	audit->report->verdict = AUDIT_CLEAN;
	return true;
}

static void in_child(const char *dir, const char *scratch, struct audit_report *report)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
	const struct rlimit none = { 0, 0 };
	struct audit audit = { .report = report };
	/* No handler of our host may bring this process back to life in the middle of something. */
	for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
		(void)signal(crashes[i], SIG_DFL);
	(void)setrlimit(RLIMIT_CORE, &none); /* a crash is an answer here, not a bug to look into */
	(void)audit_all(&audit, dir, scratch);
	audit_done(&audit);
}

/* The child is gone; its report stands if it went in peace. */
static void judge_exit(int status, struct audit_report *report)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	report->verdict = AUDIT_BAD;
	(void)snprintf(report->message, sizeof(report->message),
		       "the file is damaged: reading it kills the reader (%s %d)",
		       WIFSIGNALED(status) ? "signal" : "exit code",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void remove_copy(const char *folder)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	char path[4096];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const int len = snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		if (len > 0 && (size_t)len < sizeof(path))
			(void)unlink(path);
	}
	(void)rmdir(folder);
}

static void unmap(struct audit_report **report)
{
	if (*report != NULL)
		(void)munmap(*report, sizeof(**report));
}

enum iotpki_err audit_run(const char *dir, const char *scratch, struct audit_report *report_out,
			  struct iotpki_detail *detail)
{
	char folder[4000];
	memset(report_out, 0, sizeof(*report_out));
	const int len = snprintf(folder, sizeof(folder), "%s/iotpki-audit-XXXXXX", scratch);
	if (len < 0 || (size_t)len >= sizeof(folder))
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "the path is too long");
	void *memory = mmap(NULL, sizeof(*report_out), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return IOTPKI_ERR_NOMEM;
	CLEANUP(unmap) struct audit_report *report = memory;
	if (mkdtemp(folder) == NULL)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "making a folder in %s: %s", scratch,
				  strerror(errno));
	const pid_t child = fork();
	if (child == 0) {
		in_child(dir, folder, report);
		_exit(0);
	}
	int status = 0;
	pid_t ended = child;
	while (child > 0 && (ended = waitpid(child, &status, 0)) < 0 && errno == EINTR)
		continue;
	remove_copy(folder);
	if (child < 0 || ended < 0)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "starting the reader: %s",
				  strerror(errno));
	judge_exit(status, report);
	*report_out = *report;
	report_out->message[sizeof(report_out->message) - 1] = '\0';
	return IOTPKI_OK;
}
