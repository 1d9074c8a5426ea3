/* Tables and encodings of the ledger: see ledger_store.h. */
#include "bnode/ledger_store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

#define MAP_DEFAULT ((size_t)1 << 30)
enum {
	ENTRY_HEAD = STORE_ENTRY_HEAD,
	READERS_MAX = 256, /* eight listeners of sixteen threads, and whoever audits */
	NAME_HEAD = 3 * SHA256_LEN + 8 + 8 + 4 + 1,
};

static const char *const table_names[] = { "meta",      "owners",         "names",
					   "preorders", "preorder-times", "log",
					   "txids",     "contents",       "history" };
_Static_assert(ARRAY_LEN(table_names) == TABLE_COUNT, "a name for each table");

const char *store_table_name(enum ledger_table table)
{
	return table_names[table];
}

enum iotpki_err store_error(int rc, const char *doing, struct iotpki_detail *detail)
{
	if (rc == MDB_NOTFOUND)
		return detail_set(detail, IOTPKI_ERR_NOT_FOUND, 0, 0, "%s: not there", doing);
	if (rc == MDB_MAP_FULL)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "%s: the ledger is full", doing);
	if (rc == MDB_CORRUPTED || rc == MDB_INVALID || rc == MDB_PAGE_NOTFOUND)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "%s: the ledger is damaged; see 'iotpki-bnode audit'", doing);
	if (rc == EACCES || rc == EPERM)
		return detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0,
				  "%s: %s; run it as the node's own user", doing, strerror(rc));
	return detail_set(detail, rc == ENOMEM ? IOTPKI_ERR_NOMEM : IOTPKI_ERR_IO, 0, 0, "%s: %s",
			  doing, mdb_strerror(rc));
}

int store_begin_read(const struct ledger *ledger, MDB_txn **txn_out)
{
	const int rc = mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, txn_out);
	int dead = 0;
	if (rc != MDB_READERS_FULL)
		return rc;
	/* Of readers that were killed (a log export) the places are taken until somebody looks. */
	if (mdb_reader_check(ledger->env, &dead) != 0 || dead == 0)
		return rc;
	return mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, txn_out);
}

void store_txn_abortp(MDB_txn **txn)
{
	if (*txn != NULL)
		mdb_txn_abort(*txn);
	*txn = NULL;
}

void store_cursor_closep(MDB_cursor **cursor)
{
	if (*cursor != NULL)
		mdb_cursor_close(*cursor);
	*cursor = NULL;
}

void store_put_u64(uint8_t out[static 8], uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		out[i] = (uint8_t)value;
}

uint64_t store_get_u64(const uint8_t in[static 8])
{
	uint64_t value = 0;
	for (int i = 0; i < 8; i++)
		value = value << 8 | in[i];
	return value;
}

bool store_height(const MDB_val *value, uint64_t *height_out)
{
	if (value->mv_size != 8)
		return false;
	*height_out = store_get_u64(value->mv_data);
	return true;
}

static int open_tables(struct ledger *ledger, MDB_txn *txn, enum store_mode mode)
{
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const int rc =
			mdb_dbi_open(txn, table_names[i], mode == STORE_CREATE ? MDB_CREATE : 0,
				     &ledger->tables[i]);
		if (rc != 0)
			return rc == MDB_NOTFOUND ? MDB_INVALID : rc;
	}
	return 0;
}

/* Before the tables: which there are depends on it. */
static int read_version(struct ledger *ledger, MDB_txn *txn)
{
	MDB_val key = { 7, (void *)(uintptr_t) "version" };
	MDB_val value;
	int rc = mdb_dbi_open(txn, table_names[TABLE_META], 0, &ledger->tables[TABLE_META]);
	if (rc == 0)
		rc = mdb_get(txn, ledger->tables[TABLE_META], &key, &value);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? MDB_INVALID : rc;
	return value.mv_size != 1 || memcmp(value.mv_data, STORE_VERSION, 1) != 0
		       ? MDB_VERSION_MISMATCH
		       : 0;
}

static int read_open(struct ledger *ledger, MDB_txn *txn)
{
	MDB_val key = { 4, (void *)(uintptr_t) "open" };
	MDB_val value;
	const int rc = mdb_get(txn, ledger->tables[TABLE_META], &key, &value);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	ledger->open = rc == 0;
	return 0;
}

/* A killed init leaves a file to which nothing was ever committed; the next init goes on with that. */
static int check_unused(MDB_txn *txn)
{
	MDB_dbi main_table;
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, NULL, 0, &main_table);
	if (rc == 0)
		rc = mdb_stat(txn, main_table, &stat);
	return rc == 0 && stat.ms_entries > 0 ? MDB_KEYEXIST : rc;
}

static int upgrade_if_old(struct ledger *ledger)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(ledger->env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = read_version(ledger, txn);
	store_txn_abortp(&txn);
	return rc == MDB_VERSION_MISMATCH ? store_upgrade(ledger) : rc;
}

static int open_environment(struct ledger *ledger, const char *dir, enum store_mode mode,
			    size_t map_bytes)
{
	int rc = mdb_env_create(&ledger->env);
	if (rc != 0)
		return rc;
	if (mode == STORE_CREATE)
		rc = mdb_env_set_mapsize(ledger->env, map_bytes > 0 ? map_bytes : MAP_DEFAULT);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(ledger->env, TABLE_COUNT);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(ledger->env, READERS_MAX);
	/* NOTLS: a reader may ask again from inside its own callback. Every commit is synced. */
	if (rc == 0)
		rc = mdb_env_open(ledger->env, dir,
				  MDB_NOTLS | (mode == STORE_READ ? MDB_RDONLY : 0), 0600);
	if (rc != 0)
		return rc;
	if (mode == STORE_WRITE)
		rc = upgrade_if_old(ledger);
	if (rc != 0)
		return rc;
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	rc = mdb_txn_begin(ledger->env, NULL, mode == STORE_CREATE ? 0 : MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mode == STORE_CREATE ? check_unused(txn) : read_version(ledger, txn);
	if (rc == 0)
		rc = open_tables(ledger, txn, mode);
	if (rc == 0 && mode == STORE_CREATE) {
		MDB_val key = { 7, (void *)(uintptr_t) "version" };
		MDB_val value = { 1, (void *)(uintptr_t)STORE_VERSION };
		rc = mdb_put(txn, ledger->tables[TABLE_META], &key, &value, 0);
	}
	if (rc == 0)
		rc = read_open(ledger, txn);
	return rc == 0 ? mdb_txn_commit(STEAL(txn)) : rc;
}

enum iotpki_err store_open(const char *dir, enum store_mode mode, size_t map_bytes,
			   struct ledger **ledger_out, struct iotpki_detail *detail)
{
	*ledger_out = NULL;
	CLEANUP(ledger_closep) struct ledger *ledger = calloc(1, sizeof(*ledger));
	if (ledger == NULL)
		return IOTPKI_ERR_NOMEM;
	const int rc = open_environment(ledger, dir, mode, map_bytes);
	enum iotpki_err err = IOTPKI_OK;
	if (rc == MDB_VERSION_MISMATCH)
		err = detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
				 "the ledger was made by another version of iotpki-bnode");
	else if (rc == MDB_KEYEXIST)
		err = detail_set(detail, IOTPKI_ERR_EXISTS, 0, 0, "there is a ledger already");
	else if (rc == ENOENT)
		err = detail_set(detail, IOTPKI_ERR_NOT_FOUND, 0, 0,
				 "there is no ledger here; make one with 'iotpki-bnode init'");
	else if (rc != 0)
		err = store_error(rc, "opening the ledger", detail);
	if (err != IOTPKI_OK) {
		detail_where(detail, dir);
		return err;
	}
	*ledger_out = STEAL(ledger);
	return IOTPKI_OK;
}

bool store_entry_decode(const MDB_val *key, const MDB_val *value, struct store_entry *entry_out)
{
	const uint8_t *bytes = value->mv_data;
	if (!store_height(key, &entry_out->height) || value->mv_size <= ENTRY_HEAD ||
	    value->mv_size > ENTRY_HEAD + TX_DER_MAX)
		return false;
	entry_out->clock_s = (int64_t)store_get_u64(bytes);
	memcpy(entry_out->hash, bytes + 8, SHA256_LEN);
	entry_out->der = bytes + ENTRY_HEAD;
	entry_out->der_len = value->mv_size - ENTRY_HEAD;
	return true;
}

enum iotpki_err store_entry_hash(const struct store_entry *entry,
				 const uint8_t before[static SHA256_LEN],
				 uint8_t hash_out[static SHA256_LEN])
{
	static const char domain[] = "iotpki-log-v1"; /* with its NUL */
	uint8_t height[8], clock[8];
	store_put_u64(height, entry->height);
	store_put_u64(clock, (uint64_t)entry->clock_s);
	const struct digest_part parts[] = {
		{ domain, sizeof(domain) },     { before, SHA256_LEN },
		{ height, sizeof(height) },     { clock, sizeof(clock) },
		{ entry->der, entry->der_len },
	};
	return sha256_parts(parts, ARRAY_LEN(parts), hash_out);
}

int store_last_entry(const struct ledger *ledger, MDB_txn *txn, struct store_entry *entry_out)
{
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, ledger->tables[TABLE_LOG], &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc != 0)
		return rc;
	return store_entry_decode(&key, &value, entry_out) ? 0 : MDB_CORRUPTED;
}

int store_entry_at(const struct ledger *ledger, MDB_txn *txn, uint64_t height,
		   struct store_entry *entry_out)
{
	uint8_t bytes[8];
	store_put_u64(bytes, height);
	MDB_val key = { sizeof(bytes), bytes };
	MDB_val value;
	const int rc = mdb_get(txn, ledger->tables[TABLE_LOG], &key, &value);
	if (rc != 0)
		return rc;
	return store_entry_decode(&key, &value, entry_out) ? 0 : MDB_CORRUPTED;
}

size_t store_history_key(const char *name, uint64_t height,
			 uint8_t out[static STORE_HISTORY_KEY_MAX])
{
	const size_t len = strnlen(name, IOTPKI_NVS_NAME_MAX);
	memcpy(out, name, len);
	out[len] = '\0';
	store_put_u64(out + len + 1, height);
	return len + 1 + 8;
}

/* owner, txid, registration, time, expires, sequence, revoked, value */
static size_t name_encode(const struct ledger_name *name, uint8_t *out)
{
	const size_t value_len = strlen(name->value);
	uint8_t *at = out;
	memcpy(at, name->owner, SHA256_LEN);
	memcpy(at + SHA256_LEN, name->txid, SHA256_LEN);
	memcpy(at + 2 * SHA256_LEN, name->registration, SHA256_LEN);
	at += 3 * SHA256_LEN;
	store_put_u64(at, (uint64_t)name->time_s);
	store_put_u64(at + 8, (uint64_t)name->expires_s);
	at += 16;
	for (int i = 0; i < 4; i++)
		*at++ = (uint8_t)(name->sequence >> (24 - 8 * i));
	*at++ = name->revoked ? 1 : 0;
	memcpy(at, name->value, value_len);
	return NAME_HEAD + value_len;
}

bool store_name_decode(const MDB_val *key, const MDB_val *value, struct ledger_name *name_out)
{
	const uint8_t *at = value->mv_data;
	if (key->mv_size > IOTPKI_NVS_NAME_MAX || value->mv_size < NAME_HEAD ||
	    value->mv_size > NAME_HEAD + IOTPKI_VALUE_MAX)
		return false;
	const size_t value_len = value->mv_size - NAME_HEAD;
	memcpy(name_out->name, key->mv_data, key->mv_size);
	name_out->name[key->mv_size] = '\0';
	memcpy(name_out->owner, at, SHA256_LEN);
	memcpy(name_out->txid, at + SHA256_LEN, SHA256_LEN);
	memcpy(name_out->registration, at + 2 * SHA256_LEN, SHA256_LEN);
	at += 3 * SHA256_LEN;
	name_out->time_s = (int64_t)store_get_u64(at);
	name_out->expires_s = (int64_t)store_get_u64(at + 8);
	at += 16;
	name_out->sequence =
		(uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	name_out->revoked = at[4] == 1;
	memcpy(name_out->value, at + 5, value_len);
	name_out->value[value_len] = '\0';
	return at[4] <= 1 && strlen(name_out->value) == value_len;
}

int store_name(const struct ledger *ledger, MDB_txn *txn, const char *name,
	       struct ledger_name *name_out)
{
	MDB_val key = { strlen(name), (void *)(uintptr_t)name };
	MDB_val value;
	if (key.mv_size == 0 || key.mv_size > IOTPKI_NVS_NAME_MAX)
		return MDB_NOTFOUND;
	const int rc = mdb_get(txn, ledger->tables[TABLE_NAMES], &key, &value);
	if (rc != 0)
		return rc;
	return store_name_decode(&key, &value, name_out) ? 0 : MDB_CORRUPTED;
}

struct preorder_key {
	uint8_t owner[SHA256_LEN];
	uint8_t commit[SHA256_LEN];
};
/* Its time in between, so that an owner's stand in the order of their times. */
struct time_key {
	uint8_t owner[SHA256_LEN];
	uint8_t time[8];
	uint8_t commit[SHA256_LEN];
};

bool store_preorder_decode(const MDB_val *key, const MDB_val *value,
			   struct store_preorder *preorder_out)
{
	const struct preorder_key *found = key->mv_data;
	uint64_t time_s;
	if (key->mv_size != sizeof(*found) || !store_height(value, &time_s))
		return false;
	memcpy(preorder_out->owner, found->owner, SHA256_LEN);
	memcpy(preorder_out->commit, found->commit, SHA256_LEN);
	preorder_out->time_s = (int64_t)time_s;
	return true;
}

static void time_key(const uint8_t *owner, const uint8_t *commit, int64_t time_s,
		     struct time_key *key_out)
{
	memcpy(key_out->owner, owner, SHA256_LEN);
	memcpy(key_out->commit, commit, SHA256_LEN);
	store_put_u64(key_out->time, (uint64_t)time_s);
}

/* The preorder that this transaction makes again or redeems. */
static int find_preorder(const struct ledger *ledger, MDB_txn *txn, const struct tx *tx,
			 struct preorder_key *key_out, struct rules_input *in)
{
	memcpy(key_out->owner, tx->owner, SHA256_LEN);
	memcpy(key_out->commit, tx->commit, SHA256_LEN);
	if (tx->op == TX_REGISTER &&
	    tx_commit(tx->salt, tx->owner, tx->name, key_out->commit) != IOTPKI_OK)
		return ENOMEM;
	MDB_val key = { sizeof(*key_out), key_out };
	MDB_val value;
	struct store_preorder found;
	const int rc = mdb_get(txn, ledger->tables[TABLE_PREORDERS], &key, &value);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	if (!store_preorder_decode(&key, &value, &found))
		return MDB_CORRUPTED;
	in->has_preorder = true;
	in->preorder_s = found.time_s;
	return 0;
}

/*
 * Other preorders of the owner that live when this one is made: those of the last 24 hours before
 * it, and all later ones. No further than the rule asks, however many there are.
 */
static int count_preorders(const struct ledger *ledger, MDB_txn *txn, const struct tx *tx,
			   struct rules_input *in)
{
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	static const uint8_t none[SHA256_LEN];
	struct time_key first;
	const int64_t dead_s = tx->time_s - RULES_PREORDER_GOOD_S;
	time_key(tx->owner, none, dead_s < 0 ? 0 : dead_s + 1, &first);
	MDB_val key = { sizeof(first), &first };
	MDB_val value;
	int rc = mdb_cursor_open(txn, ledger->tables[TABLE_PREORDER_TIMES], &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		const struct time_key *found = key.mv_data;
		if (key.mv_size != sizeof(first))
			return MDB_CORRUPTED;
		if (memcmp(found->owner, tx->owner, SHA256_LEN) != 0)
			return 0;
		in->live_preorders += memcmp(found->commit, tx->commit, SHA256_LEN) != 0;
		if (in->live_preorders >= RULES_PREORDERS_MAX)
			return 0;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put(const struct ledger *ledger, MDB_txn *txn, enum ledger_table table, const void *key,
	       size_t key_len, const void *value, size_t value_len)
{
	MDB_val k = { key_len, (void *)(uintptr_t)key };
	MDB_val v = { value_len, (void *)(uintptr_t)value };
	return mdb_put(txn, ledger->tables[table], &k, &v, 0);
}

static int write_entry(const struct ledger *ledger, MDB_txn *txn,
		       const struct store_submission *submission, const struct store_entry *entry)
{
	uint8_t height[8];
	uint8_t stored[ENTRY_HEAD + TX_DER_MAX];
	uint8_t history[STORE_HISTORY_KEY_MAX];
	store_put_u64(height, entry->height);
	store_put_u64(stored, (uint64_t)entry->clock_s);
	memcpy(stored + 8, entry->hash, SHA256_LEN);
	memcpy(stored + ENTRY_HEAD, entry->der, entry->der_len);
	MDB_val key = { sizeof(height), height };
	MDB_val value = { ENTRY_HEAD + entry->der_len, stored };
	/* Appended: a page is filled before the next one is begun. */
	int rc = mdb_put(txn, ledger->tables[TABLE_LOG], &key, &value, MDB_APPEND);
	if (rc == 0)
		rc = put(ledger, txn, TABLE_TXIDS, submission->txid, SHA256_LEN, height,
			 sizeof(height));
	if (rc == 0)
		rc = put(ledger, txn, TABLE_CONTENTS, submission->content, SHA256_LEN, height,
			 sizeof(height));
	if (rc != 0 || submission->tx->op == TX_PREORDER)
		return rc;
	const size_t len = store_history_key(submission->tx->name, entry->height, history);
	return put(ledger, txn, TABLE_HISTORY, history, len, "", 0);
}

int store_put_time(const struct ledger *ledger, MDB_txn *txn, const struct store_preorder *preorder)
{
	struct time_key key;
	time_key(preorder->owner, preorder->commit, preorder->time_s, &key);
	return put(ledger, txn, TABLE_PREORDER_TIMES, &key, sizeof(key), "", 0);
}

/* It is used up, or made again with another time. */
static int drop_preorder(const struct ledger *ledger, MDB_txn *txn,
			 const struct preorder_key *preorder, int64_t time_s)
{
	struct time_key times;
	time_key(preorder->owner, preorder->commit, time_s, &times);
	MDB_val key = { sizeof(*preorder), (void *)(uintptr_t)preorder };
	int rc = mdb_del(txn, ledger->tables[TABLE_PREORDERS], &key, NULL);
	key = (MDB_val){ sizeof(times), &times };
	if (rc == 0)
		rc = mdb_del(txn, ledger->tables[TABLE_PREORDER_TIMES], &key, NULL);
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

static int put_preorder(const struct ledger *ledger, MDB_txn *txn,
			const struct preorder_key *preorder, int64_t time_s)
{
	struct store_preorder stored = { .time_s = time_s };
	uint8_t bytes[8];
	memcpy(stored.owner, preorder->owner, SHA256_LEN);
	memcpy(stored.commit, preorder->commit, SHA256_LEN);
	store_put_u64(bytes, (uint64_t)time_s);
	const int rc = put(ledger, txn, TABLE_PREORDERS, preorder, sizeof(*preorder), bytes,
			   sizeof(bytes));
	return rc != 0 ? rc : store_put_time(ledger, txn, &stored);
}

static int write_state(const struct ledger *ledger, MDB_txn *txn, const struct rules_input *in,
		       const struct preorder_key *preorder, const struct ledger_name *name)
{
	uint8_t bytes[NAME_HEAD + IOTPKI_VALUE_MAX];
	const struct tx *tx = in->tx;
	int rc = in->has_preorder ? drop_preorder(ledger, txn, preorder, in->preorder_s) : 0;
	if (rc != 0)
		return rc;
	if (tx->op == TX_PREORDER)
		return put_preorder(ledger, txn, preorder, tx->time_s);
	const size_t len = name_encode(name, bytes);
	return put(ledger, txn, TABLE_NAMES, name->name, strlen(name->name), bytes, len);
}

static int has(const struct ledger *ledger, MDB_txn *txn, enum ledger_table table,
	       const uint8_t hash[static SHA256_LEN], bool *has_out)
{
	MDB_val key = { SHA256_LEN, (void *)(uintptr_t)hash };
	MDB_val value;
	const int rc = mdb_get(txn, ledger->tables[table], &key, &value);
	*has_out = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_known(const struct ledger *ledger, MDB_txn *txn, const uint8_t txid[static SHA256_LEN],
		bool *known_out)
{
	return has(ledger, txn, TABLE_TXIDS, txid, known_out);
}

int store_listed(const struct ledger *ledger, MDB_txn *txn, const uint8_t owner[static SHA256_LEN],
		 bool *listed_out)
{
	return has(ledger, txn, TABLE_OWNERS, owner, listed_out);
}

/* All that the rules ask of the ledger. */
static int gather(const struct ledger *ledger, MDB_txn *txn,
		  const struct store_submission *submission, struct rules_input *in,
		  struct ledger_name *name, struct preorder_key *preorder)
{
	const struct tx *tx = submission->tx;
	in->allowed = submission->open;
	int rc = has(ledger, txn, TABLE_CONTENTS, submission->content, &in->content_known);
	if (rc == 0 && !in->allowed)
		rc = has(ledger, txn, TABLE_OWNERS, tx->owner, &in->allowed);
	if (rc == 0 && (tx->op == TX_PREORDER || tx->op == TX_REGISTER))
		rc = find_preorder(ledger, txn, tx, preorder, in);
	if (rc == 0 && tx->op == TX_PREORDER)
		rc = count_preorders(ledger, txn, tx, in);
	if (rc != 0 || tx->op == TX_PREORDER)
		return rc;
	rc = store_name(ledger, txn, tx->name, name);
	in->name = rc == 0 ? name : NULL;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int gather_room(const struct ledger *ledger, MDB_txn *txn, struct rules_input *in)
{
	struct store_room room;
	const int rc = store_room(ledger, txn, &room);
	if (rc != 0)
		return rc;
	in->used_percent = room.map > 0 ? (unsigned int)(room.used * 100 / room.map) : 100;
	in->only_reserve = store_only_reserve(&room);
	return 0;
}

int store_apply(const struct ledger *ledger, MDB_txn *txn,
		const struct store_submission *submission, enum tx_reason *reason_out,
		bool *added_out)
{
	struct store_entry last = { 0 };
	struct ledger_name name, next;
	struct preorder_key preorder;
	bool known;
	*added_out = false;
	*reason_out = TX_OK;
	int rc = has(ledger, txn, TABLE_TXIDS, submission->txid, &known);
	if (rc != 0 || known)
		return rc; /* the same DER again: it is in the ledger */

	rc = store_last_entry(ledger, txn, &last);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	struct rules_input in = {
		.tx = submission->tx,
		.txid = submission->txid,
		.der_len = submission->der_len,
		.rate_spent = submission->rate_spent,
		.clock_s = submission->clock_s,
		.newest_s = last.clock_s,
	};
	rc = gather(ledger, txn, submission, &in, &name, &preorder);
	if (rc == 0 && submission->bounded)
		rc = gather_room(ledger, txn, &in);
	if (rc != 0)
		return rc;
	*reason_out = rules_judge(&in, &next);
	if (*reason_out != TX_OK)
		return 0;

	struct store_entry entry = {
		.height = last.height + 1,
		.clock_s = rules_clock(in.clock_s, in.newest_s),
		.der = submission->der,
		.der_len = submission->der_len,
	};
	if (store_entry_hash(&entry, last.hash, entry.hash) != IOTPKI_OK)
		return ENOMEM;
	*added_out = true;
	rc = write_state(ledger, txn, &in, &preorder, &next);
	return rc != 0 ? rc : write_entry(ledger, txn, submission, &entry);
}
