#include "ledgerkit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OWNERS_MAX = 4 };

static void must(enum iotpki_err err, const char *what, const struct iotpki_detail *detail)
{
	if (err == IOTPKI_OK)
		return;
	fprintf(stderr, "ledgerkit: %s: %s %s\n", what, iotpki_strerror(err), detail->message);
	abort();
}

static void open_again(struct ledgerkit *kit)
{
	struct iotpki_detail detail = { 0 };
	must(ledger_open(kit->dir, &kit->clock.clock, &kit->ledger, &detail), "open", &detail);
}

static void make(struct ledgerkit *kit, const char *folder, int64_t now_s,
		 const struct ledger_policy *policy)
{
	struct iotpki_detail detail = { 0 };
	memset(kit, 0, sizeof(*kit));
	clock_fake_init(&kit->clock, now_s);
	(void)snprintf(kit->top, sizeof(kit->top), "%s/iotpki-ledger-XXXXXX", folder);
	must(mkdtemp(kit->top) != NULL ? IOTPKI_OK : IOTPKI_ERR_IO, "folder", &detail);
	(void)snprintf(kit->dir, sizeof(kit->dir), "%s/ledger", kit->top);
	must(ledger_create(kit->dir, policy, &detail), "create", &detail);
	open_again(kit);
}

void ledgerkit_new_below(struct ledgerkit *kit, const char *folder, int64_t now_s,
			 const struct txkit_key *owners, size_t count, size_t map_bytes)
{
	uint8_t hashes[OWNERS_MAX][SHA256_LEN];
	for (size_t i = 0; i < count && i < OWNERS_MAX; i++)
		memcpy(hashes[i], owners[i].owner, SHA256_LEN);
	const struct ledger_policy policy = {
		.owner_count = count,
		.owners = (const uint8_t(*)[SHA256_LEN])hashes,
		.map_bytes = map_bytes,
	};
	make(kit, folder, now_s, &policy);
}

static const char *usual_folder(void)
{
	return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

void ledgerkit_new(struct ledgerkit *kit, int64_t now_s, const struct txkit_key *owners,
		   size_t count, size_t map_bytes)
{
	ledgerkit_new_below(kit, usual_folder(), now_s, owners, count, map_bytes);
}

void ledgerkit_new_open(struct ledgerkit *kit, int64_t now_s, size_t map_bytes)
{
	const struct ledger_policy policy = { .open = true, .map_bytes = map_bytes };
	make(kit, usual_folder(), now_s, &policy);
}

void ledgerkit_reopen(struct ledgerkit *kit)
{
	ledger_closep(&kit->ledger);
	open_again(kit);
}

void ledgerkit_done(struct ledgerkit *kit)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	char path[128];
	ledger_closep(&kit->ledger);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", kit->dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(kit->dir);
	(void)rmdir(kit->top);
}
