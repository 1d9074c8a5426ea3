/* How full the ledger is. */
#include "bnode/ledger_store.h"

enum iotpki_err ledger_stats(struct ledger *ledger, struct ledger_stats *stats_out)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	MDB_envinfo info;
	MDB_stat names;
	struct store_room room;
	int rc = mdb_env_info(ledger->env, &info);
	if (rc == 0)
		rc = store_begin_read(ledger, &txn);
	if (rc == 0)
		rc = store_room(ledger, txn, &room);
	if (rc == 0)
		rc = mdb_stat(txn, ledger->tables[TABLE_NAMES], &names);
	if (rc != 0)
		return store_error(rc, "reading the ledger", NULL);
	*stats_out = (struct ledger_stats){
		.names = names.ms_entries,
		.map_used = room.used * names.ms_psize,
		.map_size = info.me_mapsize,
		.failing = atomic_load(&ledger->failing),
	};
	return IOTPKI_OK;
}
