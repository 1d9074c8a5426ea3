/* iotpki-bnode log list|export: the log for people and for openssl. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/parse.h"
#include "bnode/ledger_store.h"
#include "bnode/verbs.h"

struct log_options {
	const char *dir;
	const char *out; /* export */
};

/* One entry at a time; an error ends the walk. */
typedef enum iotpki_err entry_fn(const struct log_options *options, const struct store_entry *entry,
				 struct iotpki_detail *detail);

static enum iotpki_err list_entry(const struct log_options *options,
				  const struct store_entry *entry, struct iotpki_detail *detail)
{
	(void)options;
	struct tx_parts parts;
	struct tx tx;
	uint8_t txid[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];
	char when[TIME_TEXT_SIZE];
	if (!tx_split(entry->der, entry->der_len, &parts, detail) ||
	    tx_parse_content(parts.content, parts.content_len, &tx, detail) != TX_OK)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "entry %" PRIu64 " is damaged; see 'iotpki-bnode audit'",
				  entry->height);
	const enum iotpki_err err = sha256(entry->der, entry->der_len, txid);
	if (err != IOTPKI_OK)
		return err;
	hex_encode(txid, SHA256_LEN, hex);
	time_format(tx.time_s, when);
	/* All of it comes out of strict parsers: a name has no byte that a terminal minds. */
	printf("%" PRIu64 " %s %s %s %s\n", entry->height, when, tx_op_name(tx.op),
	       tx.op == TX_PREORDER ? "-" : tx.name, hex);
	return IOTPKI_OK;
}

static enum iotpki_err export_entry(const struct log_options *options,
				    const struct store_entry *entry, struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	char name[64];
	(void)snprintf(name, sizeof(name), "%012" PRIu64 ".der", entry->height);
	const enum iotpki_err err = verb_path(options->out, name, path, detail);
	return err != IOTPKI_OK ? err : fs_create(path, entry->der, entry->der_len, 0644, detail);
}

/* Entries out of one short look at the ledger: who reads our output may take hours for it (less). */
enum { PAGE_ENTRIES = 64 };
struct page {
	size_t count;
	struct store_entry entries[PAGE_ENTRIES];
	uint8_t ders[PAGE_ENTRIES][TX_DER_MAX];
};

static int read_page(const struct ledger *ledger, uint64_t from, struct page *page)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	CLEANUP(store_cursor_closep) MDB_cursor *cursor = NULL;
	uint8_t height[8];
	MDB_val key = { sizeof(height), height };
	MDB_val value;
	store_put_u64(height, from);
	page->count = 0;
	int rc = store_begin_read(ledger, &txn);
	if (rc == 0)
		rc = mdb_cursor_open(txn, ledger->tables[TABLE_LOG], &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && page->count < PAGE_ENTRIES) {
		struct store_entry *entry = &page->entries[page->count];
		if (!store_entry_decode(&key, &value, entry))
			return MDB_CORRUPTED;
		memcpy(page->ders[page->count], entry->der, entry->der_len);
		entry->der = page->ders[page->count++];
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum iotpki_err walk(const struct ledger *ledger, const struct log_options *options,
			    entry_fn *each, struct iotpki_detail *detail)
{
	AUTO_FREE struct page *page = malloc(sizeof(*page));
	if (page == NULL)
		return IOTPKI_ERR_NOMEM;
	for (uint64_t from = 0;;) {
		const int rc = read_page(ledger, from, page);
		if (rc != 0)
			return store_error(rc, "reading the log", detail);
		for (size_t i = 0; i < page->count; i++) {
			const enum iotpki_err err = each(options, &page->entries[i], detail);
			if (err != IOTPKI_OK)
				return err;
		}
		if (page->count == 0 || page->entries[page->count - 1].height == UINT64_MAX)
			return IOTPKI_OK;
		from = page->entries[page->count - 1].height + 1;
	}
}

static int run(const struct log_options *options, entry_fn *each)
{
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	char dir[VERB_PATH_SIZE];
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = verb_path(options->dir, "ledger", dir, &detail);
	if (err == IOTPKI_OK)
		err = store_open(dir, STORE_READ, 0, &ledger, &detail);
	if (err == IOTPKI_OK && options->out != NULL)
		err = fs_mkdir(options->out, 0755, &detail);
	if (err == IOTPKI_OK)
		err = walk(ledger, options, each, &detail);
	if (err == IOTPKI_OK && fflush(stdout) != 0)
		err = detail_set(&detail, IOTPKI_ERR_IO, 0, 0, "standard output cannot be written");
	return err == IOTPKI_OK ? VERB_OK : verb_failed("log", err, &detail);
}

static bool read_options(int argc, char **argv, struct log_options *options)
{
	for (int i = 2; i < argc; i += 2) {
		const char **slot = strcmp(argv[i], "--dir") == 0   ? &options->dir
				    : strcmp(argv[i], "--out") == 0 ? &options->out
								    : NULL;
		if (slot == NULL || *slot != NULL || i + 1 >= argc)
			return false;
		*slot = argv[i + 1];
	}
	return options->dir != NULL;
}

int bnode_log(int argc, char **argv)
{
	static const char usage[] =
		"usage: iotpki-bnode log list --dir DIR | log export --dir DIR --out FOLDER";
	struct log_options options = { 0 };
	if (argc < 2 || !read_options(argc, argv, &options))
		return verb_usage("log", "%s", usage);
	if (strcmp(argv[1], "list") == 0 && options.out == NULL)
		return run(&options, list_entry);
	if (strcmp(argv[1], "export") == 0 && options.out != NULL)
		return run(&options, export_entry);
	return verb_usage("log", "%s", usage);
}
