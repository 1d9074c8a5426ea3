/*
 * How full a ledger is, and what it keeps so that every name can still be revoked. Counted
 * in pages that hold something, which LMDB knows at any moment of a transaction; the end of
 * the file would say nothing, because copies that were given up are used again. Why the
 * reserve suffices: docs/design.md.
 */
#include "bnode/ledger_store.h"

enum {
	PAGE_HEADER = 16,
	NODE = 8 + 2,      /* a node's header, and its place in the page's index */
	BRANCH_LEAST = 8,  /* children of a branch page after it was split, of the longest keys */
	COPIES_HELD = 3,   /* of this commit, and of the two before it, which nobody may use yet */
	OVERFLOW_MOST = 2, /* pages of a DER that is too long for a leaf */
	FREE_LIST = 6, /* pages in which LMDB notes what was given up, and the root of all tables */
	FREE_DBI = 0,  /* LMDB's own two tables */
	MAIN_DBI = 1,
};

static uint64_t pages(const MDB_stat *stat)
{
	return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Leaves that `more` nodes of `size` bytes can add to a table of such nodes: pages are split in
 * halves and nothing is ever deleted, so none holds fewer than half of what fits.
 */
static uint64_t index_growth(const MDB_stat *stat, uint64_t more, size_t size)
{
	const uint64_t half = (stat->ms_psize - PAGE_HEADER) / size / 2;
	const uint64_t leaves = (stat->ms_entries + more) / half + 1;
	return leaves > stat->ms_leaf_pages ? least(leaves - stat->ms_leaf_pages, more) : 0;
}

/* A value grows by 16 bytes, a whole page by less than half of it: each page is split once at most. */
static uint64_t names_growth(const MDB_stat *stat, uint64_t names)
{
	(void)names;
	return stat->ms_leaf_pages;
}

/* Appended, each page full. */
static uint64_t log_growth(const MDB_stat *stat, uint64_t names)
{
	const uint64_t room = stat->ms_psize - PAGE_HEADER;
	return names / (room / (NODE + 8 + STORE_ENTRY_HEAD + RULES_REVOKE_USUAL)) + 1;
}

static uint64_t hashes_growth(const MDB_stat *stat, uint64_t names)
{
	return index_growth(stat, names, NODE + SHA256_LEN + 8);
}

/*
 * A name's entries are of one length, and one more comes to them: the bytes of a page double at most. Split
 * by count, it becomes three pages; four with what a half that is not a half may need.
 */
static uint64_t history_growth(const MDB_stat *stat, uint64_t names)
{
	return least(3 * stat->ms_leaf_pages + 1, names);
}

/* Leaves that revoking all names, each once, can add to a table. */
static uint64_t (*const growth_of[TABLE_COUNT])(const MDB_stat *stat, uint64_t names) = {
	[TABLE_NAMES] = names_growth,     [TABLE_LOG] = log_growth,
	[TABLE_TXIDS] = hashes_growth,    [TABLE_CONTENTS] = hashes_growth,
	[TABLE_HISTORY] = history_growth,
};

/* Branch pages may be full and be split, too. */
static uint64_t revoke_growth(enum ledger_table table, const MDB_stat *stat, uint64_t names)
{
	if (growth_of[table] == NULL)
		return 0;
	const uint64_t leaves = growth_of[table](stat, names);
	return leaves + leaves / BRANCH_LEAST + stat->ms_branch_pages + 1;
}

int store_room(const struct ledger *ledger, MDB_txn *txn, struct store_room *room_out)
{
	MDB_stat stats[TABLE_COUNT], own;
	MDB_envinfo info;
	int rc = mdb_env_info(ledger->env, &info);
	struct store_room room = { .used = 2 /* LMDB's meta pages */,
				   .commit = FREE_LIST + OVERFLOW_MOST };
	for (MDB_dbi dbi = FREE_DBI; rc == 0 && dbi <= MAIN_DBI; dbi++) {
		rc = mdb_stat(txn, dbi, &own);
		room.used += rc == 0 ? pages(&own) : 0;
	}
	for (size_t i = 0; rc == 0 && i < TABLE_COUNT; i++) {
		rc = mdb_stat(txn, ledger->tables[i], &stats[i]);
		room.used += rc == 0 ? pages(&stats[i]) : 0;
		/* The way down is copied; its last page is split, and where all are full every one. */
		if (rc == 0 && i >= TABLE_FIRST_DERIVED)
			room.commit += 2 * (uint64_t)stats[i].ms_depth + 1;
	}
	if (rc != 0)
		return rc;
	room.map = info.me_mapsize / stats[0].ms_psize;
	room.reserve = COPIES_HELD * room.commit;
	for (size_t i = 0; i < TABLE_COUNT; i++)
		room.reserve += revoke_growth((enum ledger_table)i, &stats[i],
					      stats[TABLE_NAMES].ms_entries);
	*room_out = room;
	return 0;
}

uint64_t store_spare(const struct store_room *room)
{
	const uint64_t kept = room->used + room->reserve;
	return room->map > kept ? room->map - kept : 0;
}

bool store_only_reserve(const struct store_room *room)
{
	return store_spare(room) < room->commit;
}

size_t store_group_max(const struct store_room *room)
{
	const uint64_t most = store_spare(room) / ((COPIES_HELD + 1) * room->commit);
	return most > 1 ? (size_t)most : 1;
}
