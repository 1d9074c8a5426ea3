/* Making, opening and writing the ledger: see ledger.h. */
#include "bnode/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "bnode/ledger_store.h"

void ledger_close(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	if (ledger->env != NULL)
		mdb_env_close(ledger->env);
	tx_verifier_free(ledger->verifier);
	free(ledger);
}

void ledger_closep(struct ledger **ledger)
{
	ledger_close(*ledger);
	*ledger = NULL;
}

static int put_policy(const struct ledger *ledger, MDB_txn *txn, bool open,
		      const uint8_t (*owners)[SHA256_LEN], size_t count)
{
	MDB_val nothing = { 0, (void *)(uintptr_t) "" };
	MDB_val key = { 4, (void *)(uintptr_t) "open" };
	int rc = open ? mdb_put(txn, ledger->tables[TABLE_META], &key, &nothing, 0) : 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		key = (MDB_val){ SHA256_LEN, (void *)(uintptr_t)owners[i] };
		rc = mdb_put(txn, ledger->tables[TABLE_OWNERS], &key, &nothing, 0);
	}
	return rc;
}

/* New files are durable only when their folder is. */
static enum iotpki_err sync_folder(const char *dir, struct iotpki_detail *detail)
{
	CLEANUP(fs_close) const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "syncing the folder: %s",
				  strerror(errno));
	return IOTPKI_OK;
}

enum iotpki_err ledger_allow(struct ledger *ledger, bool open, const uint8_t (*owners)[SHA256_LEN],
			     size_t count, struct iotpki_detail *detail)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(ledger->env, NULL, 0, &txn);
	if (rc == 0)
		rc = put_policy(ledger, txn, open, owners, count);
	if (rc == 0)
		rc = mdb_txn_commit(STEAL(txn));
	if (rc != 0)
		return store_error(rc, "writing the list of owners", detail);
	ledger->open = ledger->open || open;
	return IOTPKI_OK;
}

enum iotpki_err ledger_create(const char *dir, const struct ledger_policy *policy,
			      struct iotpki_detail *detail)
{
	enum iotpki_err err = fs_mkdir(dir, 0700, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	err = store_open(dir, STORE_CREATE, policy->map_bytes, &ledger, detail);
	if (err == IOTPKI_OK)
		err = ledger_allow(ledger, policy->open, policy->owners, policy->owner_count,
				   detail);
	if (err == IOTPKI_OK)
		err = sync_folder(dir, detail);
	if (err != IOTPKI_OK)
		detail_where(detail, dir);
	return err;
}

/* Time never falls in the log: a clock that was far ahead once stays in it. */
static void warn_of_time(struct ledger *ledger)
{
	struct ledger_tip tip;
	const int64_t clock_s = ledger->clock->now_s(ledger->clock);
	if (ledger_tip(ledger, &tip) == IOTPKI_OK && tip.newest_s - clock_s > RULES_AHEAD_MAX_S)
		log_write(LOG_LEVEL_WARNING,
			  "the newest entry of the ledger is %lld s ahead of this clock, and names "
			  "end by it until the clock is there; see CLOCK in iotpki-ledger(7)",
			  (long long)(tip.newest_s - clock_s));
}

enum iotpki_err ledger_open(const char *dir, const struct clock *clock, struct ledger **ledger_out,
			    struct iotpki_detail *detail)
{
	*ledger_out = NULL;
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	const enum iotpki_err err = store_open(dir, STORE_WRITE, 0, &ledger, detail);
	if (err != IOTPKI_OK)
		return err;
	ledger->clock = clock;
	ledger->verifier = tx_verifier_new();
	if (ledger->verifier == NULL)
		return IOTPKI_ERR_NOMEM;
	warn_of_time(ledger);
	*ledger_out = STEAL(ledger);
	return IOTPKI_OK;
}

enum iotpki_err ledger_enlarge(struct ledger *ledger, size_t map_bytes,
			       struct iotpki_detail *detail)
{
	MDB_envinfo info;
	int rc = mdb_env_info(ledger->env, &info);
	if (rc == 0 && map_bytes > info.me_mapsize)
		rc = mdb_env_set_mapsize(ledger->env, map_bytes);
	return rc == 0 ? IOTPKI_OK : store_error(rc, "enlarging the ledger", detail);
}

/* An idempotent retry costs a hash and a look, not two signatures. */
static bool in_the_log(struct ledger *ledger, const uint8_t txid[static SHA256_LEN])
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	bool known = false;
	if (atomic_load(&ledger->broken) || store_begin_read(ledger, &txn) != 0)
		return false;
	return store_known(ledger, txn, txid, &known) == 0 && known;
}

void ledger_verify(struct ledger *ledger, struct tx_verifier *verifier,
		   struct ledger_submission *submission)
{
	struct tx_parts parts;
	submission->stage = LEDGER_SETTLED;
	submission->reason = TX_OK;
	if (sha256(submission->der, submission->der_len, submission->txid) == IOTPKI_OK &&
	    in_the_log(ledger, submission->txid))
		return;
	submission->reason = tx_verifier_verify(verifier, submission->der, submission->der_len,
						&submission->tx, submission->txid, NULL);
	if (submission->reason != TX_OK)
		return;
	if (!tx_split(submission->der, submission->der_len, &parts, NULL)) {
		submission->reason = TX_BAD_ENCODING;
		return;
	}
	/* Verified: it is the content's hash. */
	memcpy(submission->content, parts.digest, SHA256_LEN);
	submission->stage = LEDGER_VERIFIED;
}

/* Part of what was submitted, and what goes into one commit. */
struct group {
	struct ledger_submission *const *submissions;
	size_t count;
	bool revokes; /* of these the REVOKEs alone, and only what is taken is settled */
	size_t most;  /* accepted transactions in the next commit */
	int64_t clock_s;
};

/* Whether it is (still) to be judged. */
static bool waits(const struct group *group, const struct ledger_submission *submission)
{
	return submission->stage == LEDGER_VERIFIED &&
	       (!group->revokes || submission->tx.op == TX_REVOKE);
}

enum { HOUR_S = 3600 };
#define HOUR_US (INT64_C(1000000) * HOUR_S)

void ledger_limit_strangers(struct ledger *ledger, unsigned int per_hour)
{
	struct ledger_limit *limit = &ledger->limit;
	limit->cost_us = per_hour == 0 ? 0 : HOUR_US / per_hour;
	limit->at_ms = ledger->clock->mono_ms(ledger->clock);
	for (size_t i = 0; i < ALLOWANCE_COUNT; i++)
		limit->credit_us[i] = HOUR_US;
}

/* An hour's worth at most, however long nothing came. */
static void refill(struct ledger_limit *limit, int64_t now_ms)
{
	const int64_t passed_ms = now_ms - limit->at_ms;
	for (size_t i = 0; i < ALLOWANCE_COUNT; i++) {
		const int64_t room_us = HOUR_US - limit->credit_us[i];
		limit->credit_us[i] += passed_ms >= room_us / 1000 ? room_us : passed_ms * 1000;
	}
	limit->at_ms = now_ms;
}

/* The allowance that a transaction is taken from; NULL: none, it is free. */
static int charge_of(struct ledger *ledger, MDB_txn *txn, const struct tx *tx,
		     struct ledger_limit *limit, int64_t **credit_out)
{
	bool listed = true;
	*credit_out = NULL;
	if (limit->cost_us == 0 || (tx->op != TX_PREORDER && tx->op != TX_UPDATE))
		return 0;
	const int rc = store_listed(ledger, txn, tx->owner, &listed);
	if (rc == 0 && !listed)
		*credit_out =
			&limit->credit_us[tx->op == TX_PREORDER ? ALLOWANCE_NEW : ALLOWANCE_CHANGE];
	return rc;
}

/*
 * The clock that an entry gets stays in the log for good. So it is believed as far as the owner's clock
 * bears it out: one that is years ahead for an hour does no harm that lasts.
 */
static int64_t borne_out(int64_t clock_s, const struct tx *tx)
{
	const int64_t most_s = tx->time_s + RULES_BORNE_OUT_S;
	return clock_s < most_s ? clock_s : most_s;
}

static int apply_one(struct ledger *ledger, MDB_txn *txn, struct ledger_limit *limit,
		     const struct group *group, struct ledger_submission *submission,
		     bool *added_out)
{
	int64_t *credit_us;
	int rc = charge_of(ledger, txn, &submission->tx, limit, &credit_us);
	if (rc != 0)
		return rc;
	const struct store_submission verified = {
		.tx = &submission->tx,
		.txid = submission->txid,
		.content = submission->content,
		.der = submission->der,
		.der_len = submission->der_len,
		.clock_s = borne_out(group->clock_s, &submission->tx),
		.bounded = true,
		.rate_spent = credit_us != NULL && *credit_us < limit->cost_us,
		.open = ledger->open,
	};
	rc = store_apply(ledger, txn, &verified, &submission->reason, added_out);
	if (rc == 0 && *added_out && credit_us != NULL)
		*credit_us -= limit->cost_us;
	return rc;
}

/*
 * As much of the group as may go into one commit, from `at` on.
 * @param end_out  the first one that is not in it
 */
static int apply_some(struct ledger *ledger, const struct group *group, size_t at, size_t *end_out)
{
	CLEANUP(store_txn_abortp) MDB_txn *txn = NULL;
	struct store_room room;
	struct ledger_limit limit = ledger->limit;
	size_t added_count = 0;
	int rc = mdb_txn_begin(ledger->env, NULL, 0, &txn);
	if (rc == 0)
		rc = store_room(ledger, txn, &room);
	*end_out = group->count;
	if (rc != 0)
		return rc;
	const size_t fits = store_group_max(&room);
	const size_t most = fits < group->most ? fits : group->most;
	for (; at < group->count && rc == 0; at++) {
		bool added = false;
		if (!waits(group, group->submissions[at]))
			continue;
		if (added_count == most)
			break;
		rc = apply_one(ledger, txn, &limit, group, group->submissions[at], &added);
		added_count += added;
	}
	*end_out = at;
	if (rc != 0 || added_count == 0)
		return rc;
	rc = mdb_txn_commit(STEAL(txn));
	if (rc == 0) {
		ledger->limit = limit;
		atomic_store(&ledger->failing, false);
	}
	/*
	 * After a failed sync the kernel may call the pages clean, and a second try would
	 * succeed without having written them.
	 */
	if (rc != 0 && rc != ENOSPC && rc != MDB_MAP_FULL)
		atomic_store(&ledger->broken, true);
	return rc;
}

static void settle(const struct group *group, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++) {
		struct ledger_submission *submission = group->submissions[i];
		if (waits(group, submission) && !(group->revokes && submission->reason != TX_OK))
			submission->stage = LEDGER_SETTLED;
	}
}

/* One by one, each a commit of its own: what no longer fits is refused alone. */
static int apply_singly(struct ledger *ledger, struct group *group, size_t from, size_t end)
{
	int rc = 0;
	group->most = 1;
	for (size_t i = from; i < end && rc == 0; i++) {
		const struct group one = { .submissions = &group->submissions[i],
					   .count = 1,
					   .revokes = group->revokes,
					   .most = 1,
					   .clock_s = group->clock_s };
		size_t done;
		if (!waits(group, group->submissions[i]))
			continue;
		rc = apply_some(ledger, &one, 0, &done);
		if (rc == MDB_MAP_FULL) {
			group->submissions[i]->reason = TX_FULL;
			rc = 0;
		}
		if (rc == 0)
			settle(group, i, i + 1);
	}
	return rc;
}

/*
 * The file is full in the middle of a commit, although there was room by count: a reader (a backup, an audit)
 * holds old pages. The REVOKEs of this commit are then tried before all else takes what is left; one
 * that cannot stand without another of the group waits for it.
 */
static int apply_when_full(struct ledger *ledger, struct group *group, size_t from, size_t end)
{
	log_write(LOG_LEVEL_WARNING, "the ledger's file is full: a reader (audit, mdb_copy) holds "
				     "old pages, or serve --ledger-mib is needed");
	group->revokes = true;
	int rc = apply_singly(ledger, group, from, end);
	group->revokes = false;
	if (rc == 0)
		rc = apply_singly(ledger, group, from, end);
	return rc;
}

static int apply_group(struct ledger *ledger, struct group *group)
{
	int dead = 0, rc = 0;
	refill(&ledger->limit, ledger->clock->mono_ms(ledger->clock));
	/* A reader that was killed keeps old pages from being used again until somebody looks. */
	(void)mdb_reader_check(ledger->env, &dead);
	for (size_t at = 0, end = 0; at < group->count && rc == 0; at = end) {
		rc = apply_some(ledger, group, at, &end);
		if (rc == 0) {
			settle(group, at, end);
		} else if (rc == MDB_MAP_FULL) {
			end = group->count;
			rc = apply_when_full(ledger, group, at, end);
		}
	}
	return rc;
}

enum iotpki_err ledger_commit(struct ledger *ledger, struct ledger_submission *const *submissions,
			      size_t count, struct iotpki_detail *detail)
{
	struct group group = { .submissions = submissions,
			       .count = count,
			       .most = count,
			       .clock_s = ledger->clock->now_s(ledger->clock) };
	const bool broken = atomic_load(&ledger->broken);
	const int rc = broken ? EIO : apply_group(ledger, &group);
	if (rc != 0)
		atomic_store(&ledger->failing, true);
	for (size_t i = 0; i < count && rc != 0; i++) {
		if (submissions[i]->stage != LEDGER_VERIFIED)
			continue;
		submissions[i]->stage = LEDGER_SETTLED;
		submissions[i]->reason = TX_STORAGE;
	}
	if (broken)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0,
				  "the ledger takes no writes until the node is started again");
	return rc == 0 ? IOTPKI_OK : store_error(rc, "writing the ledger", detail);
}

enum iotpki_err ledger_submit(struct ledger *ledger, struct ledger_submission *submissions,
			      size_t count, struct iotpki_detail *detail)
{
	AUTO_FREE struct ledger_submission **group = calloc(count > 0 ? count : 1, sizeof(*group));
	for (size_t i = 0; i < count; i++) {
		submissions[i].reason = TX_STORAGE;
		if (group == NULL)
			continue;
		group[i] = &submissions[i];
		ledger_verify(ledger, ledger->verifier, group[i]);
	}
	if (group == NULL)
		return IOTPKI_ERR_NOMEM;
	return ledger_commit(ledger, group, count, detail);
}
