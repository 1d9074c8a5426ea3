/*
 * Ledgers of format 1, which had no index of preorders by time: it is made when the node
 * is started, in one transaction with the new number. The log is the same.
 */
#include <string.h>

#include "bnode/ledger_store.h"

static int add_times(const struct ledger *ledger, MDB_txn *txn)
{
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, ledger->tables[TABLE_PREORDERS], &cursor);
	while (rc == 0) {
		struct store_preorder preorder;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		if (rc == 0 && !store_preorder_decode(&key, &value, &preorder))
			rc = MDB_CORRUPTED;
		if (rc == 0)
			rc = store_put_time(ledger, txn, &preorder);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_upgrade(struct ledger *ledger)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	MDB_val key = { 7, (void *)(uintptr_t) "version" };
	MDB_val value;
	MDB_val now = { 1, (void *)(uintptr_t)STORE_VERSION };
	static const enum ledger_table needed[] = { TABLE_META, TABLE_PREORDERS,
						    TABLE_PREORDER_TIMES };
	int rc = mdb_txn_begin(ledger->env, NULL, 0, &txn);
	for (size_t i = 0; i < ARRAY_LEN(needed) && rc == 0; i++)
		rc = mdb_dbi_open(txn, store_table_name(needed[i]),
				  needed[i] == TABLE_PREORDER_TIMES ? MDB_CREATE : 0,
				  &ledger->tables[needed[i]]);
	if (rc == 0)
		rc = mdb_get(txn, ledger->tables[TABLE_META], &key, &value);
	if (rc != 0 || value.mv_size != 1 || memcmp(value.mv_data, "1", 1) != 0)
		return rc; /* another process was faster, or it is another version yet */
	rc = add_times(ledger, txn);
	if (rc == 0)
		rc = mdb_put(txn, ledger->tables[TABLE_META], &key, &now, 0);
	return rc == 0 ? mdb_txn_commit(STEAL(txn)) : rc;
}
