/* LMDB, checksums, and a child that tries the file out first. */
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/digest.h"
#include "base/fs.h"

#define DATA_FILE "data.mdb"
#define ASIDE_FILE "data.mdb.corrupt"

enum {
	MAP_BYTES = 64 << 20, /* the most that the file can grow to */
	TABLES_MAX = 16,      /* also what later releases add */
	CHECK_LEN = 8,        /* bytes of SHA-256 behind each value */
	RECORDS_MAX = 65536,  /* of a table: more is a loop in a broken file */
	TRY_S = 20,           /* the child's time, */
	TRY_CPU_S = 3,        /* and what of it may be work: a loop of pages is */
	PATH_LEN_MAX = 4096,
	LOCK_PATIENCE_MS = 3000,
	LOCK_TURN_MS = 20,
};

static const char *const tables[STATE_FILE_TABLE_COUNT] = {
	[STATE_FILE_TIME] = "time",
	[STATE_FILE_NODES] = "nodes",
	[STATE_FILE_TOMBSTONES] = "tombstones",
};
#define META_TABLE "meta"
#define VERSION_KEY "version"

/* ---- LMDB's errors ---- */

static enum iotpki_err from_lmdb(int rc)
{
	switch (rc) {
	case 0:
		return IOTPKI_OK;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_PANIC:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_DBI:
	case MDB_BAD_TXN:
	case MDB_BAD_VALSIZE:
		return IOTPKI_ERR_MISMATCH;
	case MDB_MAP_FULL:
		return IOTPKI_ERR_LIMIT;
	case ENOMEM:
		return IOTPKI_ERR_NOMEM;
	case EACCES:
	case EPERM:
	case EROFS:
		return IOTPKI_ERR_PERMISSION;
	default:
		return IOTPKI_ERR_IO;
	}
}

static enum iotpki_err failed(int rc, const char *dir, const char *what,
			      struct iotpki_detail *detail)
{
	const enum iotpki_err err = from_lmdb(rc);
	if (err != IOTPKI_OK) {
		(void)detail_set(detail, err, 0, 0, "%s: %s", what, mdb_strerror(rc));
		detail_where(detail, dir);
	}
	return err;
}

static enum iotpki_err broken(const char *dir, const char *what, struct iotpki_detail *detail)
{
	(void)detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0, "%s", what);
	detail_where(detail, dir);
	return IOTPKI_ERR_MISMATCH;
}

static void close_env(MDB_env **env)
{
	if (*env != NULL)
		mdb_env_close(*env);
}

static void abort_txn(MDB_txn **txn)
{
	if (*txn != NULL)
		mdb_txn_abort(*txn);
}

static void close_cursor(MDB_cursor **cursor)
{
	if (*cursor != NULL)
		mdb_cursor_close(*cursor);
}

/* ---- the folder ---- */

static bool path_of(const char *dir, const char *name, char out[static PATH_LEN_MAX])
{
	const int len = snprintf(out, PATH_LEN_MAX, "%s/%s", dir, name);
	return len > 0 && len < PATH_LEN_MAX;
}

static enum iotpki_err no_folder(const char *dir, enum iotpki_err err, const char *why,
				 struct iotpki_detail *detail)
{
	(void)detail_set(detail, err, 0, 0, "%s", why);
	detail_where(detail, dir);
	return err;
}

static enum iotpki_err judge_folder(const char *dir, int fd, struct iotpki_detail *detail)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return no_folder(dir, IOTPKI_ERR_IO, "cannot be examined", detail);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return no_folder(dir, IOTPKI_ERR_PERMISSION,
				 "belongs to somebody else and is not trusted; chown it to the "
				 "agent's user",
				 detail);
	if ((st.st_mode & 0077) != 0)
		return no_folder(dir, IOTPKI_ERR_PERMISSION,
				 "is open to others and is not trusted; chmod it to 0700", detail);
	return IOTPKI_OK;
}

/*
 * A command that looks into the file, or the end of an agent that was killed, has it for moments. An
 * agent that started just then must not do without what is known for as long as it runs.
 */
static bool lock_folder(int fd, bool patient)
{
	for (int left_ms = patient ? LOCK_PATIENCE_MS : 0;; left_ms -= LOCK_TURN_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK || left_ms <= 0)
			return false;
		(void)poll(NULL, 0, LOCK_TURN_MS);
	}
}

enum iotpki_err state_file_lock(const char *dir, bool create, int *fd_out,
				struct iotpki_detail *detail)
{
	*fd_out = -1;
	enum iotpki_err err = create ? fs_mkdir(dir, 0700, detail) : IOTPKI_OK;
	if (err != IOTPKI_OK)
		return err;
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return no_folder(dir, IOTPKI_ERR_NOT_FOUND, "there is no such folder", detail);
	if (fd < 0)
		return no_folder(dir, IOTPKI_ERR_PERMISSION,
				 "cannot be opened as a folder of our own", detail);
	err = judge_folder(dir, fd, detail);
	if (err == IOTPKI_OK && !lock_folder(fd, create))
		err = no_folder(dir, errno == EWOULDBLOCK ? IOTPKI_ERR_EXISTS : IOTPKI_ERR_IO,
				"another process has it open", detail);
	if (err != IOTPKI_OK) {
		(void)close(fd);
		return err;
	}
	*fd_out = fd;
	return IOTPKI_OK;
}

enum iotpki_err state_file_set_aside(const char *dir, int dir_fd, struct iotpki_detail *detail)
{
	if (renameat(dir_fd, DATA_FILE, dir_fd, ASIDE_FILE) != 0 || fsync(dir_fd) != 0)
		return no_folder(dir, IOTPKI_ERR_IO, "cannot move the broken file aside", detail);
	return IOTPKI_OK;
}

/* The file as it lies there, before a library maps it: ours, regular, no link. */
static enum iotpki_err judge_file(const char *dir, struct iotpki_detail *detail)
{
	const struct fs_trust trust = { .owner = geteuid(), .also_root = true, .forbidden = 0077 };
	char path[PATH_LEN_MAX];
	if (!path_of(dir, DATA_FILE, path))
		return no_folder(dir, IOTPKI_ERR_LIMIT, "the path is too long", detail);
	CLEANUP(fs_close) int fd = -1;
	const enum iotpki_err err = fs_open(path, &trust, &fd, detail);
	struct stat st;
	/* LMDB would take an empty file for a new one; so do we. */
	if (err == IOTPKI_OK && fstat(fd, &st) == 0 && st.st_size == 0)
		return IOTPKI_ERR_NOT_FOUND;
	return err;
}

/* ---- records ---- */

static bool checksum(enum state_file_table table, const void *key, size_t key_len,
		     const void *value, size_t value_len, uint8_t out[static CHECK_LEN])
{
	uint8_t digest[SHA256_LEN];
	const uint8_t number = (uint8_t)table;
	const uint8_t len = (uint8_t)key_len;
	const struct digest_part parts[] = {
		{ &number, 1 }, { &len, 1 }, { key, key_len }, { value, value_len }
	};
	if (sha256_parts(parts, ARRAY_LEN(parts), digest) != IOTPKI_OK)
		return false;
	memcpy(out, digest, CHECK_LEN);
	return true;
}

static bool is_whole(enum state_file_table table, const MDB_val *key, const MDB_val *value)
{
	uint8_t want[CHECK_LEN];
	if (key->mv_size == 0 || key->mv_size >= STATE_FILE_KEY_MAX || value->mv_size < CHECK_LEN ||
	    value->mv_size > STATE_FILE_VALUE_MAX + CHECK_LEN)
		return false;
	const size_t len = value->mv_size - CHECK_LEN;
	return checksum(table, key->mv_data, key->mv_size, value->mv_data, len, want) &&
	       memcmp((const uint8_t *)value->mv_data + len, want, CHECK_LEN) == 0;
}

static enum iotpki_err open_env(const char *dir, unsigned int flags, MDB_env **env_out,
				struct iotpki_detail *detail)
{
	CLEANUP(close_env) MDB_env *env = NULL;
	int rc = mdb_env_create(&env);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(env, TABLES_MAX);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, MAP_BYTES);
	/* The folder's lock keeps others out: a lock file of LMDB's own would be one more to own. */
	if (rc == 0)
		rc = mdb_env_open(env, dir, flags | MDB_NOLOCK, 0600);
	if (rc != 0)
		return failed(rc, dir, "cannot open the state", detail);
	*env_out = STEAL(env);
	return IOTPKI_OK;
}

/* ---- reading ---- */

static enum iotpki_err read_version(MDB_txn *txn, const char *dir, struct iotpki_detail *detail)
{
	MDB_dbi meta;
	MDB_val key = { strlen(VERSION_KEY), (void *)(uintptr_t)VERSION_KEY };
	MDB_val value;
	int rc = mdb_dbi_open(txn, META_TABLE, 0, &meta);
	if (rc == 0)
		rc = mdb_get(txn, meta, &key, &value);
	if (rc == MDB_NOTFOUND)
		return broken(dir, "has no version", detail);
	if (rc != 0)
		return failed(rc, dir, "cannot read the state", detail);
	if (value.mv_size != 1)
		return broken(dir, "has no version", detail);
	const unsigned int version = *(const uint8_t *)value.mv_data;
	if (version == STATE_FILE_VERSION)
		return IOTPKI_OK;
	(void)detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
			 "is of layout %u, this release knows %d: install the release that wrote "
			 "it, or move the file away",
			 version, STATE_FILE_VERSION);
	detail_where(detail, dir);
	return IOTPKI_ERR_UNSUPPORTED;
}

static enum iotpki_err read_table(MDB_txn *txn, const char *dir, enum state_file_table table,
				  state_file_emit_fn *emit, void *context,
				  struct iotpki_detail *detail)
{
	MDB_dbi dbi;
	CLEANUP(close_cursor) MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int rc = mdb_dbi_open(txn, tables[table], 0, &dbi);
	if (rc == MDB_NOTFOUND)
		return IOTPKI_OK;
	if (rc == 0)
		rc = mdb_cursor_open(txn, dbi, &cursor);
	size_t count = 0;
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (count++ == RECORDS_MAX || !is_whole(table, &key, &value))
			return broken(dir, "holds a record that was not written so", detail);
		if (emit != NULL && !emit(context, table, key.mv_data, key.mv_size, value.mv_data,
					  value.mv_size - CHECK_LEN))
			return broken(dir, "holds a record that makes no sense", detail);
	}
	return rc == MDB_NOTFOUND ? IOTPKI_OK : failed(rc, dir, "cannot read the state", detail);
}

enum iotpki_err state_file_load(const char *dir, state_file_emit_fn *emit, void *context,
				struct iotpki_detail *detail)
{
	CLEANUP(close_env) MDB_env *env = NULL;
	CLEANUP(abort_txn) MDB_txn *txn = NULL;
	enum iotpki_err err = judge_file(dir, detail);
	if (err == IOTPKI_OK)
		err = open_env(dir, MDB_RDONLY, &env, detail);
	if (err != IOTPKI_OK)
		return err;
	MDB_envinfo info = { 0 };
	int rc = mdb_env_info(env, &info);
	/* Whoever made it was killed before its first record: nothing is lost, and nothing broken. */
	if (rc == 0 && info.me_last_txnid == 0)
		return IOTPKI_ERR_NOT_FOUND;
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return failed(rc, dir, "cannot read the state", detail);
	err = read_version(txn, dir, detail);
	for (size_t i = 0; err == IOTPKI_OK && i < STATE_FILE_TABLE_COUNT; i++)
		err = read_table(txn, dir, (enum state_file_table)i, emit, context, detail);
	return err;
}

/* ---- writing ---- */

static int put_version(MDB_txn *txn)
{
	MDB_dbi meta;
	uint8_t version = STATE_FILE_VERSION;
	MDB_val key = { strlen(VERSION_KEY), (void *)(uintptr_t)VERSION_KEY };
	MDB_val value = { 1, &version };
	const int rc = mdb_dbi_open(txn, META_TABLE, MDB_CREATE, &meta);
	return rc != 0 ? rc : mdb_put(txn, meta, &key, &value, 0);
}

static int put_record(MDB_txn *txn, const struct state_file_record *record)
{
	MDB_dbi dbi;
	uint8_t whole[STATE_FILE_VALUE_MAX + CHECK_LEN];
	const int rc = mdb_dbi_open(txn, tables[record->table], MDB_CREATE, &dbi);
	if (rc != 0)
		return rc;
	if (record->key_len == 0)
		return mdb_drop(txn, dbi, 0);
	memcpy(whole, record->value, record->value_len);
	if (!checksum(record->table, record->key, record->key_len, record->value, record->value_len,
		      whole + record->value_len))
		return ENOMEM;
	MDB_val key = { record->key_len, (void *)(uintptr_t)record->key };
	MDB_val value = { record->value_len + CHECK_LEN, whole };
	return mdb_put(txn, dbi, &key, &value, 0);
}

static enum iotpki_err write_all(const char *dir, const struct state_file_record *records,
				 size_t count, bool commit, struct iotpki_detail *detail)
{
	CLEANUP(close_env) MDB_env *env = NULL;
	CLEANUP(abort_txn) MDB_txn *txn = NULL;
	enum iotpki_err err = judge_file(dir, detail);
	if (err == IOTPKI_OK || err == IOTPKI_ERR_NOT_FOUND)
		err = open_env(dir, 0, &env, detail);
	if (err != IOTPKI_OK)
		return err;
	int rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc == 0)
		rc = put_version(txn);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = put_record(txn, &records[i]);
	if (rc == 0 && commit) {
		/* Frees the transaction, whatever it returns. */
		rc = mdb_txn_commit(txn);
		txn = NULL;
	}
	return failed(rc, dir, "cannot write the state", detail);
}

enum iotpki_err state_file_write(const char *dir, const struct state_file_record *records,
				 size_t count, struct iotpki_detail *detail)
{
	return write_all(dir, records, count, true, detail);
}

/* ---- the child that tries it out ---- */

/* What a child can tell; other ends are a crash. */
static const struct {
	int code;
	enum iotpki_err err;
} ends[] = {
	{ 0, IOTPKI_OK },
	{ 40, IOTPKI_ERR_MISMATCH },
	{ 41, IOTPKI_ERR_UNSUPPORTED },
	{ 42, IOTPKI_ERR_PERMISSION },
	{ 43, IOTPKI_ERR_NOT_FOUND },
	{ 44, IOTPKI_ERR_IO },
};

/*
 * How a broken file ends who reads it. Another end, as by an administrator or for want of memory,
 * tells nothing of it.
 */
static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM, SIGXCPU };

static bool has_crashed(int status)
{
	for (size_t i = 0; WIFSIGNALED(status) && i < ARRAY_LEN(crashes); i++)
		if (WTERMSIG(status) == crashes[i])
			return true;
	return false;
}

static int try_out(const char *dir)
{
	/* A crash is an answer like others: nobody's handler, no core. */
	for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
		(void)signal(crashes[i], SIG_DFL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* A loop of pages ends, too, and soon: a start waits for it. */
	const struct rlimit work = { TRY_CPU_S, TRY_CPU_S + 1 };
	(void)setrlimit(RLIMIT_CPU, &work);
	(void)alarm(TRY_S);
	enum iotpki_err err = state_file_load(dir, NULL, NULL, NULL);
	/* The list of free pages is read by who writes. */
	const struct state_file_record trial = {
		.table = STATE_FILE_TIME, .key = "trial", .key_len = 5, .value_len = 1
	};
	if (err == IOTPKI_OK)
		err = write_all(dir, &trial, 1, false, NULL);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (ends[i].err == err)
			return ends[i].code;
	return err == IOTPKI_ERR_LIMIT ? 0 : 44;
}

enum iotpki_err state_file_check(const char *dir, struct iotpki_detail *detail)
{
	enum iotpki_err err = judge_file(dir, detail);
	if (err != IOTPKI_OK)
		return err;
	const pid_t child = fork();
	if (child == 0)
		_exit(try_out(dir));
	int status = 0;
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return no_folder(dir, IOTPKI_ERR_IO, "cannot be checked", detail);
	if (child < 0)
		return no_folder(dir, IOTPKI_ERR_IO, "cannot be checked: no process", detail);
	if (WIFSIGNALED(status) && !has_crashed(status))
		return no_folder(dir, IOTPKI_ERR_IO, "cannot be checked: who checked it was killed",
				 detail);
	err = IOTPKI_ERR_MISMATCH;
	for (size_t i = 0; WIFEXITED(status) && i < ARRAY_LEN(ends); i++)
		if (WEXITSTATUS(status) == ends[i].code)
			err = ends[i].err;
	if (err == IOTPKI_OK)
		return IOTPKI_OK;
	/* Its words did not come over; where it did not crash they can be had again. */
	if (WIFEXITED(status) && err != IOTPKI_ERR_MISMATCH)
		return state_file_load(dir, NULL, NULL, detail) == err
			       ? err
			       : no_folder(dir, err, "cannot be used", detail);
	return broken(dir, "is not what was written there", detail);
}
