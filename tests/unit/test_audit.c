/* The audit: a good ledger is clean; whatever is changed in one is found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bnode/audit.h"
#include "bnode/ledger_store.h"
#include "bnode/verbs.h"
#include "ledgerkit.h"

#define T INT64_C(1800000000)
#define DAY INT64_C(86400)

static struct txkit_key owner, other;

static int setup(void **state)
{
	(void)state;
	txkit_key_new(&owner);
	txkit_key_new(&other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	txkit_key_done(&owner);
	txkit_key_done(&other);
	return 0;
}

static void take(struct ledgerkit *kit, const struct txkit_key *key, struct tx tx,
		 uint8_t *txid_out)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	txkit_sign(key, &tx, &der);
	struct ledger_submission submission = { .der = der.data, .der_len = der.len };
	assert_int_equal(ledger_submit(kit->ledger, &submission, 1, NULL), IOTPKI_OK);
	assert_int_equal(submission.reason, TX_OK);
	if (txid_out != NULL)
		memcpy(txid_out, submission.txid, SHA256_LEN);
}

/* Five entries, one of each operation and a transfer, on a clock that goes on; then closed. */
static void fill(struct ledgerkit *kit, struct ledger_tip *tip_out)
{
	uint8_t txid[SHA256_LEN];
	ledgerkit_new(kit, T, &owner, 1, 0);
	take(kit, &owner, txkit_preorder(&owner, "iot:gate", 1, T), NULL);
	take(kit, &owner, txkit_preorder(&owner, "iot:left", 2, T), NULL);
	clock_fake_advance(&kit->clock, 5000);
	take(kit, &owner, txkit_register(&owner, "iot:gate", 1, T + 5, T + 30 * DAY), txid);
	struct tx transfer = txkit_update(&owner, "iot:gate", txid, T + 6, T + 40 * DAY);
	transfer.has_new_owner = true;
	memcpy(transfer.new_owner, other.owner, SHA256_LEN);
	take(kit, &owner, transfer, txid);
	take(kit, &other, txkit_revoke(&other, "iot:gate", txid, T + 7), NULL);
	assert_int_equal(ledger_tip(kit->ledger, tip_out), IOTPKI_OK);
	ledger_closep(&kit->ledger);
}

static struct audit_report audit(const struct ledgerkit *kit)
{
	struct audit_report report;
	struct iotpki_detail detail = { 0 };
	assert_int_equal(audit_run(kit->dir, kit->top, &report, &detail), IOTPKI_OK);
	if (report.verdict != AUDIT_CLEAN)
		assert_true(report.message[0] != '\0');
	return report;
}

static void a_good_ledger_is_clean(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger_tip tip;
	fill(&kit, &tip);
	struct audit_report report = audit(&kit);
	if (report.verdict != AUDIT_CLEAN)
		fail_msg("entry %d: %s", (int)report.height, report.message);
	assert_int_equal(report.entries, tip.height);
	assert_memory_equal(report.hash, tip.hash, SHA256_LEN);
	/* A node that runs is audited as well. */
	ledgerkit_reopen(&kit);
	ledgerkit_done(&kit);

	ledgerkit_new(&kit, T, &owner, 1, 0);
	ledger_closep(&kit.ledger);
	report = audit(&kit);
	assert_int_equal(report.verdict, AUDIT_CLEAN);
	assert_int_equal(report.entries, 0);
	ledgerkit_done(&kit);
}

static void no_ledger_no_verdict(void **state)
{
	(void)state;
	struct audit_report report;
	assert_int_equal(audit_run("/nonexistent/ledger", "/tmp", &report, NULL), IOTPKI_OK);
	assert_int_equal(report.verdict, AUDIT_UNDONE);
	assert_int_equal(audit_run("/nonexistent/ledger", "/nonexistent", &report, NULL),
			 IOTPKI_ERR_IO);
}

/* Writing past the rules, as somebody with the disk in hand would. */
static void put_raw(const struct ledgerkit *kit, enum ledger_table table, const void *key,
		    size_t key_len, const void *value, size_t value_len)
{
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	MDB_txn *txn;
	MDB_val k = { key_len, (void *)(uintptr_t)key };
	MDB_val v = { value_len, (void *)(uintptr_t)value };
	assert_int_equal(store_open(kit->dir, STORE_WRITE, 0, &ledger, NULL), IOTPKI_OK);
	assert_int_equal(mdb_txn_begin(ledger->env, NULL, 0, &txn), 0);
	assert_int_equal(value != NULL ? mdb_put(txn, ledger->tables[table], &k, &v, 0)
				       : mdb_del(txn, ledger->tables[table], &k, NULL),
			 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

static size_t get_raw(const struct ledgerkit *kit, enum ledger_table table, const void *key,
		      size_t key_len, uint8_t *out, size_t size)
{
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	MDB_val k = { key_len, (void *)(uintptr_t)key };
	MDB_val v;
	assert_int_equal(store_open(kit->dir, STORE_READ, 0, &ledger, NULL), IOTPKI_OK);
	assert_int_equal(mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_get(txn, ledger->tables[table], &k, &v), 0);
	assert_true(v.mv_size <= size);
	memcpy(out, v.mv_data, v.mv_size);
	return v.mv_size;
}

static void every_flipped_byte_names_its_entry(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger_tip tip;
	uint8_t stored[TX_DER_MAX + 64], key[8];
	fill(&kit, &tip);
	for (uint64_t height = 1; height <= tip.height; height++) {
		store_put_u64(key, height);
		const size_t len = get_raw(&kit, TABLE_LOG, key, 8, stored, sizeof(stored));
		for (size_t i = 0; i < len; i++) {
			stored[i] ^= 0x01;
			put_raw(&kit, TABLE_LOG, key, 8, stored, len);
			const struct audit_report report = audit(&kit);
			if (report.verdict != AUDIT_BAD || report.height != height)
				fail_msg("byte %zu of entry %d: entry %d is named", i, (int)height,
					 (int)report.height);
			stored[i] ^= 0x01;
		}
		put_raw(&kit, TABLE_LOG, key, 8, stored, len);
	}
	assert_int_equal(audit(&kit).verdict, AUDIT_CLEAN);
	ledgerkit_done(&kit);
}

/* Put another DER into an entry and make the chain of hashes right again behind it. */
static void forge(const struct ledgerkit *kit, uint64_t at, const struct buf *der, int64_t clock_s,
		  uint64_t entries)
{
	uint8_t before[SHA256_LEN] = { 0 };
	for (uint64_t height = 1; height <= entries; height++) {
		uint8_t stored[TX_DER_MAX + 64], key[8];
		store_put_u64(key, height);
		size_t len = get_raw(kit, TABLE_LOG, key, 8, stored, sizeof(stored));
		if (height == at && der != NULL) {
			memcpy(stored + 40, der->data, der->len);
			len = 40 + der->len;
		}
		if (height == at && clock_s != 0)
			store_put_u64(stored, (uint64_t)clock_s);
		const struct store_entry entry = {
			.height = height,
			.clock_s = (int64_t)store_get_u64(stored),
			.der = stored + 40,
			.der_len = len - 40,
		};
		assert_int_equal(store_entry_hash(&entry, before, before), IOTPKI_OK);
		memcpy(stored + 8, before, SHA256_LEN);
		put_raw(kit, TABLE_LOG, key, 8, stored, len);
	}
}

static void forged_entries_are_named(void **state)
{
	(void)state;
	enum { BAD_SIGNATURE, STRANGER, NO_RULE, TWICE, CLOCK, COUNT };
	static const struct {
		const char *name;
		uint64_t at;
		const char *message; /* part of it */
	} rows[COUNT] = {
		[BAD_SIGNATURE] = { "a signature changed", 4, "bad-signature" },
		[STRANGER] = { "a stranger's update", 4, "not-owner" },
		[NO_RULE] = { "a registration without preorder", 3, "no-preorder" },
		[TWICE] = { "an entry twice", 2, "earlier entry" },
		[CLOCK] = { "a clock that goes back", 4, "clock" },
	};
	for (size_t i = 0; i < COUNT; i++) {
		struct ledgerkit kit;
		struct ledger_tip tip;
		CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
		uint8_t stored[TX_DER_MAX + 64], key[8];
		fill(&kit, &tip);
		store_put_u64(key, i == TWICE ? 1 : rows[i].at);
		const size_t len = get_raw(&kit, TABLE_LOG, key, 8, stored, sizeof(stored));
		assert_int_equal(buf_put(&der, stored + 40, len - 40), IOTPKI_OK);
		if (i == BAD_SIGNATURE)
			der.data[der.len - 1] ^= 0x01;
		const struct tx stranger =
			txkit_update(&other, "iot:gate", stored, T + 6, T + 40 * DAY);
		const struct tx sudden = txkit_register(&owner, "iot:gate", 9, T + 5, T + 30 * DAY);
		if (i == STRANGER)
			txkit_sign(&other, &stranger, &der);
		if (i == NO_RULE)
			txkit_sign(&owner, &sudden, &der);
		forge(&kit, rows[i].at, &der, i == CLOCK ? T - 1 : 0, tip.height);
		const struct audit_report report = audit(&kit);
		if (report.verdict != AUDIT_BAD || report.height != rows[i].at ||
		    strstr(report.message, rows[i].message) == NULL)
			fail_msg("%s: entry %d: %s", rows[i].name, (int)report.height,
				 report.message);
		ledgerkit_done(&kit);
	}
}

static void changed_state_is_found(void **state)
{
	(void)state;
	enum { VALUE, GONE, ADDED, PREORDER, TXID, CONTENT, HISTORY, LAST, FIRST, COUNT };
	static const struct {
		const char *name;
		const char *message;
	} rows[COUNT] = {
		[VALUE] = { "a name's state", "'names'" },
		[GONE] = { "a name gone", "'names'" },
		[ADDED] = { "a name from nowhere", "'names'" },
		[PREORDER] = { "a preorder from nowhere", "'preorders'" },
		[TXID] = { "a txid that points elsewhere", "'txids'" },
		[CONTENT] = { "a content from nowhere", "'contents'" },
		[HISTORY] = { "a history cut", "'history'" },
		[LAST] = { "the last entry gone", "'names'" },
		[FIRST] = { "the first entry gone", "missing" },
	};
	for (size_t i = 0; i < COUNT; i++) {
		struct ledgerkit kit;
		struct ledger_tip tip;
		uint8_t stored[1024], key[STORE_HISTORY_KEY_MAX], zero[64] = { 0 };
		fill(&kit, &tip);
		size_t len = get_raw(&kit, TABLE_NAMES, "iot:gate", 8, stored, sizeof(stored));
		if (i == VALUE) {
			stored[116] = 0; /* not revoked any more */
			put_raw(&kit, TABLE_NAMES, "iot:gate", 8, stored, len);
		} else if (i == GONE) {
			put_raw(&kit, TABLE_NAMES, "iot:gate", 8, NULL, 0);
		} else if (i == ADDED) {
			put_raw(&kit, TABLE_NAMES, "iot:zulu", 8, stored, len);
		} else if (i == PREORDER) {
			put_raw(&kit, TABLE_PREORDERS, zero, 64, zero, 8);
		} else if (i == TXID) {
			put_raw(&kit, TABLE_TXIDS, stored + 32, 32, zero, 8);
		} else if (i == CONTENT) {
			put_raw(&kit, TABLE_CONTENTS, zero, 32, zero, 8);
		} else if (i == HISTORY) {
			len = store_history_key("iot:gate", 4, key);
			put_raw(&kit, TABLE_HISTORY, key, len, NULL, 0);
		} else {
			store_put_u64(key, i == LAST ? tip.height : 1);
			put_raw(&kit, TABLE_LOG, key, 8, NULL, 0);
		}
		const struct audit_report report = audit(&kit);
		if (report.verdict != AUDIT_BAD || strstr(report.message, rows[i].message) == NULL)
			fail_msg("%s: %d %s", rows[i].name, report.verdict, report.message);
		ledgerkit_done(&kit);
	}
}

/* SHA-256 over all that a reader gets of log and state; all ones if reading fails. */
static void read_all(const char *dir, uint8_t out[static SHA256_LEN])
{
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	uint8_t sum[SHA256_LEN] = { 0 };
	memset(out, 0xff, SHA256_LEN);
	if (store_open(dir, STORE_READ, 0, &ledger, NULL) != IOTPKI_OK ||
	    mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	for (size_t i = TABLE_FIRST_DERIVED; i < TABLE_COUNT; i++) {
		CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
		MDB_val key, value;
		int rc = mdb_cursor_open(txn, ledger->tables[i], &cursor);
		while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
			const struct digest_part parts[] = {
				{ sum, sizeof(sum) },
				{ &i, sizeof(i) },
				{ &key.mv_size, sizeof(key.mv_size) },
				{ key.mv_data, key.mv_size },
				{ value.mv_data, value.mv_size },
			};
			assert_int_equal(sha256_parts(parts, ARRAY_LEN(parts), sum), IOTPKI_OK);
		}
		if (rc != MDB_NOTFOUND)
			return;
	}
	memcpy(out, sum, SHA256_LEN);
}

/* The same in a child, which a damaged file may kill: then out is all ones too. */
static void read_in_child(const char *dir, uint8_t out[static SHA256_LEN])
{
	uint8_t *shared =
		mmap(NULL, SHA256_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	assert_true(shared != MAP_FAILED);
	memset(shared, 0xff, SHA256_LEN);
	const pid_t child = fork();
	if (child == 0) {
		(void)close(STDERR_FILENO);
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the next test */
		(void)signal(SIGBUS, SIG_DFL);
		(void)signal(SIGABRT, SIG_DFL);
		read_all(dir, shared);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	memcpy(out, shared, SHA256_LEN);
	(void)munmap(shared, SHA256_LEN);
}

static size_t load(const char *path, uint8_t **bytes_out)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*bytes_out = malloc((size_t)st.st_size);
	assert_non_null(*bytes_out);
	assert_true(read(fd, *bytes_out, (size_t)st.st_size) == st.st_size);
	(void)close(fd);
	return (size_t)st.st_size;
}

static void store(const char *path, const uint8_t *bytes, size_t len)
{
	const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	(void)close(fd);
}

static void random_flips_are_never_clean(void **state)
{
	(void)state;
	enum { FLIPS = 200 };
	struct ledgerkit kit;
	struct ledger_tip tip;
	char path[128];
	uint8_t whole[SHA256_LEN], now[SHA256_LEN];
	AUTO_FREE uint8_t *bytes = NULL;
	unsigned int clean = 0, bad = 0;
	fill(&kit, &tip);
	ledgerkit_reopen(&kit); /* many names: then little of the file is unused */
	for (int i = 0; i < 200; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "iot:%d", i);
		take(&kit, &owner, txkit_preorder(&owner, name, 1, T), NULL);
		take(&kit, &owner, txkit_register(&owner, name, 1, T, T + DAY), NULL);
	}
	ledger_closep(&kit.ledger);
	(void)snprintf(path, sizeof(path), "%s/data.mdb", kit.dir);
	read_in_child(kit.dir, whole);
	const size_t len = load(path, &bytes);
	uint64_t random = 42; /* a fixed sequence: a failure can be had again */
	for (unsigned int i = 0; i < FLIPS; i++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		const size_t at = (size_t)(random >> 33) % len;
		const uint8_t bit = (uint8_t)(1U << (random >> 30 & 7));
		bytes[at] ^= bit;
		store(path, bytes, len);
		const struct audit_report report = audit(&kit);
		read_in_child(kit.dir, now);
		const bool same = memcmp(now, whole, SHA256_LEN) == 0;
		if (report.verdict == AUDIT_CLEAN && !same)
			fail_msg("byte %zu, bit %u: clean, but it reads differently", at, bit);
		clean += report.verdict == AUDIT_CLEAN;
		bad += report.verdict != AUDIT_CLEAN;
		bytes[at] ^= bit;
	}
	store(path, bytes, len);
	assert_int_equal(audit(&kit).verdict, AUDIT_CLEAN);
	assert_int_equal(clean + bad, FLIPS);
	assert_true(bad > 0);
	print_message("figure: audit flips=%d bad=%u unused=%u false_clean=0\n", FLIPS, bad, clean);
	ledgerkit_done(&kit);
}

static void a_file_cut_short_is_damage(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger_tip tip;
	char path[128];
	fill(&kit, &tip);
	(void)snprintf(path, sizeof(path), "%s/data.mdb", kit.dir);
	for (off_t size = 40960; size >= 0; size -= 4096) {
		assert_int_equal(truncate(path, size), 0);
		const struct audit_report report = audit(&kit);
		if (report.verdict == AUDIT_CLEAN)
			fail_msg("clean with %d bytes", (int)size);
	}
	ledgerkit_done(&kit);
}

/* A verb with its words, ended by NULL; argv is writable, as main's is. */
static int __attribute__((sentinel)) call(int (*verb)(int argc, char **argv), ...)
{
	char words[8][128];
	char *argv[8];
	int argc = 0;
	va_list args;
	va_start(args, verb);
	for (const char *word; argc < 8 && (word = va_arg(args, const char *)) != NULL; argc++) {
		(void)snprintf(words[argc], sizeof(words[argc]), "%s", word);
		argv[argc] = words[argc];
	}
	va_end(args);
	return verb(argc, argv);
}

static void verbs_and_their_exit_codes(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct ledger_tip tip;
	char out[128], file[160];
	fill(&kit, &tip);
	(void)snprintf(out, sizeof(out), "%s/out", kit.top);
	assert_int_equal(call(bnode_audit, "audit", "--dir", kit.top, NULL), VERB_OK);
	assert_int_equal(call(bnode_audit, "audit", NULL), VERB_USAGE);
	assert_int_equal(call(bnode_audit, "audit", "--dir", "/nonexistent", NULL),
			 VERB_CONFIGURATION);
	assert_int_equal(call(bnode_log, "log", "list", "--dir", kit.top, NULL), VERB_OK);
	assert_int_equal(call(bnode_log, "log", NULL), VERB_USAGE);
	assert_int_equal(call(bnode_log, "log", "list", "--dir", NULL), VERB_USAGE);
	assert_int_equal(call(bnode_log, "log", "list", "--dir", kit.top, "--out", out, NULL),
			 VERB_USAGE);
	assert_int_equal(call(bnode_log, "log", "export", "--dir", kit.top, NULL), VERB_USAGE);
	assert_int_equal(call(bnode_log, "log", "export", "--dir", kit.top, "--out", out, NULL),
			 VERB_OK);
	/* Nothing is overwritten. */
	assert_int_equal(call(bnode_log, "log", "export", "--dir", kit.top, "--out", out, NULL),
			 VERB_CONFIGURATION);
	for (uint64_t height = 1; height <= tip.height; height++) {
		(void)snprintf(file, sizeof(file), "%s/%012d.der", out, (int)height);
		assert_int_equal(unlink(file), 0);
	}
	assert_int_equal(rmdir(out), 0);

	uint8_t zero[64] = { 0 };
	put_raw(&kit, TABLE_PREORDERS, zero, 64, zero, 8);
	assert_int_equal(call(bnode_audit, "audit", "--dir", kit.top, NULL), VERB_VERIFICATION);
	ledgerkit_done(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_ledger_is_clean),
		cmocka_unit_test(no_ledger_no_verdict),
		cmocka_unit_test(every_flipped_byte_names_its_entry),
		cmocka_unit_test(forged_entries_are_named),
		cmocka_unit_test(changed_state_is_found),
		cmocka_unit_test(random_flips_are_never_clean),
		cmocka_unit_test(a_file_cut_short_is_damage),
		cmocka_unit_test(verbs_and_their_exit_codes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
