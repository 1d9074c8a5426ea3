/* A ledger in a folder of its own, with a clock that a test sets. */
#pragma once

#include "base/clock.h"
#include "bnode/ledger.h"
#include "txkit.h"

struct ledgerkit {
	char top[64]; /* made and removed by the kit */
	char dir[96]; /* the ledger's folder */
	struct clock_fake clock;
	struct ledger *ledger;
};

/* allow-list: these owners; map_bytes 0: the default. A failure aborts the test. */
void ledgerkit_new(struct ledgerkit *kit, int64_t now_s, const struct txkit_key *owners,
		   size_t count, size_t map_bytes);
/* The same below a folder of one's choice; ledgerkit_new takes memory where there is some, not a disk. */
void ledgerkit_new_below(struct ledgerkit *kit, const char *folder, int64_t now_s,
			 const struct txkit_key *owners, size_t count, size_t map_bytes);
/* A ledger in which everybody may register. */
void ledgerkit_new_open(struct ledgerkit *kit, int64_t now_s, size_t map_bytes);
/* Close and open again. */
void ledgerkit_reopen(struct ledgerkit *kit);
/* Close, and remove everything. */
void ledgerkit_done(struct ledgerkit *kit);
