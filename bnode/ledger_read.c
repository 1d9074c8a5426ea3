/* Reading the ledger: each call is one LMDB snapshot. */
#include <string.h>

#include "bnode/ledger_store.h"

static enum iotpki_err outcome(int rc)
{
	return rc == 0 ? IOTPKI_OK : store_error(rc, "reading the ledger", NULL);
}

static int read_tip(const struct ledger *ledger, MDB_txn *txn, struct ledger_tip *tip_out)
{
	struct store_entry last;
	const int rc = store_last_entry(ledger, txn, &last);
	memset(tip_out, 0, sizeof(*tip_out));
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	tip_out->height = last.height;
	tip_out->newest_s = last.clock_s;
	memcpy(tip_out->hash, last.hash, SHA256_LEN);
	return 0;
}

enum iotpki_err ledger_tip(struct ledger *ledger, struct ledger_tip *tip_out)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	int rc = store_begin_read(ledger, &txn);
	if (rc == 0)
		rc = read_tip(ledger, txn, tip_out);
	return outcome(rc);
}

enum iotpki_err ledger_show(struct ledger *ledger, const char *name, struct ledger_name *out,
			    struct ledger_tip *tip_out)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	memset(tip_out, 0, sizeof(*tip_out));
	int rc = store_begin_read(ledger, &txn);
	if (rc == 0)
		rc = read_tip(ledger, txn, tip_out);
	if (rc == 0)
		rc = store_name(ledger, txn, name, out);
	return outcome(rc);
}

/* One entry as an operation; what it does not say itself is carried over from the one before. */
static bool to_operation(const struct store_entry *entry, const struct tx *tx,
			 struct ledger_operation *operation)
{
	operation->op = tx->op;
	operation->height = entry->height;
	operation->time_s = tx->time_s;
	operation->der = entry->der;
	operation->der_len = entry->der_len;
	memcpy(operation->owner, tx->has_new_owner ? tx->new_owner : tx->owner, SHA256_LEN);
	if (tx->op == TX_REVOKE) {
		static const char status[] = "|status=revoked";
		const size_t len = strlen(operation->value);
		if (len + sizeof(status) > sizeof(operation->value))
			return false;
		memcpy(operation->value + len, status, sizeof(status));
	} else {
		memcpy(operation->value, tx->value, sizeof(operation->value));
		operation->expires_s = tx->expires_s;
	}
	return sha256(entry->der, entry->der_len, operation->txid) == IOTPKI_OK;
}

/* In the history every entry has been verified when it was written. */
static int read_operation(const struct ledger *ledger, MDB_txn *txn, uint64_t height,
			  const char *name, struct tx *tx, struct ledger_operation *operation)
{
	struct store_entry entry;
	struct tx_parts parts;
	const int rc = store_entry_at(ledger, txn, height, &entry);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
	if (!tx_split(entry.der, entry.der_len, &parts, NULL) ||
	    tx_parse_content(parts.content, parts.content_len, tx, NULL) != TX_OK ||
	    strcmp(tx->name, name) != 0 || !to_operation(&entry, tx, operation))
		return MDB_CORRUPTED;
	return 0;
}

/* What a walk through a name's history gives on. */
struct walk {
	ledger_operation_fn *emit;
	void *context;
	const uint8_t *proof_of; /* NULL: all; else the registration whose proof is wanted */
	bool in_life;
};

static bool wanted(struct walk *walk, const struct tx *tx, const struct ledger_operation *operation)
{
	if (walk->proof_of == NULL)
		return true;
	if (tx->op == TX_REGISTER)
		walk->in_life = memcmp(operation->txid, walk->proof_of, SHA256_LEN) == 0;
	return walk->in_life && (tx->op != TX_UPDATE || tx->has_new_owner);
}

/* Lives before the one whose proof is wanted are not read. */
static int first_height(const struct ledger *ledger, MDB_txn *txn, const struct walk *walk,
			uint64_t *height_out)
{
	*height_out = 0;
	if (walk->proof_of == NULL)
		return 0;
	MDB_val key = { SHA256_LEN, (void *)(uintptr_t)walk->proof_of };
	MDB_val value;
	const int rc = mdb_get(txn, ledger->tables[TABLE_TXIDS], &key, &value);
	if (rc == 0 && !store_height(&value, height_out))
		return MDB_CORRUPTED;
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

static int walk_history(const struct ledger *ledger, MDB_txn *txn, const char *name,
			struct walk *walk)
{
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	uint8_t first[STORE_HISTORY_KEY_MAX];
	struct ledger_operation operation;
	struct tx tx;
	memset(&operation, 0, sizeof(operation));
	uint64_t height;
	int rc = first_height(ledger, txn, walk, &height);
	if (rc != 0)
		return rc;
	const size_t len = store_history_key(name, height, first);
	MDB_val key = { len, first };
	MDB_val value;
	rc = mdb_cursor_open(txn, ledger->tables[TABLE_HISTORY], &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		const uint8_t *bytes = key.mv_data;
		if (key.mv_size != len || memcmp(bytes, first, len - 8) != 0)
			return 0;
		rc = read_operation(ledger, txn, store_get_u64(bytes + len - 8), name, &tx,
				    &operation);
		if (rc != 0)
			return rc;
		if (wanted(walk, &tx, &operation) && !walk->emit(walk->context, &operation))
			return 0;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int begin_at_name(struct ledger *ledger, const char *name, MDB_txn **txn_out,
			 struct ledger_name *state)
{
	const int rc = store_begin_read(ledger, txn_out);
	return rc != 0 ? rc : store_name(ledger, *txn_out, name, state);
}

enum iotpki_err ledger_history(struct ledger *ledger, const char *name, ledger_operation_fn *emit,
			       void *context)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	struct ledger_name state;
	struct walk walk = { .emit = emit, .context = context };
	int rc = begin_at_name(ledger, name, &txn, &state);
	if (rc == 0)
		rc = walk_history(ledger, txn, name, &walk);
	return outcome(rc);
}

enum iotpki_err ledger_proof(struct ledger *ledger, const char *name, ledger_operation_fn *emit,
			     void *context)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	struct ledger_name state;
	struct walk walk = { .emit = emit, .context = context, .proof_of = state.registration };
	int rc = begin_at_name(ledger, name, &txn, &state);
	if (rc == 0 && !state.revoked)
		return IOTPKI_ERR_NOT_FOUND;
	if (rc == 0)
		rc = walk_history(ledger, txn, name, &walk);
	return outcome(rc);
}

enum iotpki_err ledger_filter(struct ledger *ledger, const char *prefix, const char *from,
			      size_t max, ledger_name_fn *emit, void *context)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	struct ledger_name name;
	const size_t prefix_len = strlen(prefix);
	const bool later = from != NULL && strcmp(from, prefix) >= 0;
	const char *start = later ? from : prefix;
	MDB_val key = { strlen(start), (void *)(uintptr_t)start };
	MDB_val value;
	if (key.mv_size > IOTPKI_NVS_NAME_MAX)
		return IOTPKI_OK; /* no name is that long */
	int rc = store_begin_read(ledger, &txn);
	if (rc == 0)
		rc = mdb_cursor_open(txn, ledger->tables[TABLE_NAMES], &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value,
				    key.mv_size > 0 ? MDB_SET_RANGE : MDB_FIRST);
	for (size_t given = 0; rc == 0 && given < max;) {
		if (key.mv_size < prefix_len || memcmp(key.mv_data, prefix, prefix_len) != 0)
			return IOTPKI_OK;
		if (!store_name_decode(&key, &value, &name))
			return outcome(MDB_CORRUPTED);
		if (!later || strcmp(name.name, from) != 0) {
			if (!emit(context, &name))
				return IOTPKI_OK;
			given++;
		}
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return outcome(rc == MDB_NOTFOUND ? 0 : rc);
}
