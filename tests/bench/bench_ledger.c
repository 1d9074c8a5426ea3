/*
 * Signed writes into the ledger (verify, judge, commit, sync; groups of eight) against
 * the fdatasync rate of the same disk, turn by turn in one run (design 14).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bnode/audit.h"
#include "ledgerkit.h"

enum { ROUNDS = 7, GROUPS = 60, GROUP = 8, SYNCS = 400, PAGE = 4096 };
#define GOAL 0.4
#define T INT64_C(1800000000)

static double now(void)
{
	struct timespec at;
	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_ledger: %s failed\n", what);
	exit(1);
}

/* Pages overwritten and synced one by one, in a file that has its blocks: the best the disk can do. */
static double sync_rate(const char *top)
{
	char path[128];
	const uint8_t page[PAGE] = { 1 };
	(void)snprintf(path, sizeof(path), "%s/sync", top);
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0, "open");
	for (int i = 0; i < SYNCS; i++)
		must(write(fd, page, sizeof(page)) == PAGE, "write");
	must(fsync(fd) == 0 && lseek(fd, 0, SEEK_SET) == 0, "sync");
	const double start = now();
	for (int i = 0; i < SYNCS; i++)
		must(write(fd, page, sizeof(page)) == PAGE && fdatasync(fd) == 0, "sync");
	const double seconds = now() - start;
	(void)close(fd);
	(void)unlink(path);
	return SYNCS / seconds;
}

/* Signing is the owner's work, so it is done before the clock runs. */
static double write_rate(struct ledgerkit *kit, const struct txkit_key *key, int round)
{
	enum { COUNT = GROUPS * GROUP };
	static struct buf ders[COUNT];
	for (int i = 0; i < COUNT; i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "iot:%d-%d", round, i / 2);
		const struct tx tx = i % 2 == 0 ? txkit_preorder(key, name, 1, T)
						: txkit_register(key, name, 1, T, T + 86400);
		ders[i] = (struct buf)BUF_INIT(TX_DER_MAX);
		txkit_sign(key, &tx, &ders[i]);
	}
	const double start = now();
	for (int g = 0; g < GROUPS; g++) {
		struct ledger_submission group[GROUP];
		for (int i = 0; i < GROUP; i++)
			group[i] = (struct ledger_submission){ .der = ders[g * GROUP + i].data,
							       .der_len = ders[g * GROUP + i].len };
		must(ledger_submit(kit->ledger, group, GROUP, NULL) == IOTPKI_OK, "submit");
		for (int i = 0; i < GROUP; i++)
			must(group[i].reason == TX_OK, tx_reason_name(group[i].reason));
	}
	const double seconds = now() - start;
	for (int i = 0; i < COUNT; i++)
		buf_done(&ders[i]);
	return COUNT / seconds;
}

/* Verifications alone, of owners that are known and of ones that are not. */
static double verify_rate(const struct txkit_key *key, bool known)
{
	enum { COUNT = 1000 };
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	CLEANUP(tx_verifier_freep) struct tx_verifier *verifier = tx_verifier_new();
	const struct tx tx = txkit_preorder(key, "iot:a", 1, T);
	struct tx out;
	uint8_t txid[SHA256_LEN];
	must(verifier != NULL, "memory");
	txkit_sign(key, &tx, &der);
	const double start = now();
	for (int i = 0; i < COUNT; i++) {
		const enum tx_reason reason =
			known ? tx_verifier_verify(verifier, der.data, der.len, &out, txid, NULL)
			      : tx_verify(der.data, der.len, &out, txid, NULL);
		must(reason == TX_OK, "verify");
	}
	return COUNT / (now() - start);
}

/* Entries that the audit replays in a second: every signature and rule again. */
static double audit_rate(const struct ledgerkit *kit)
{
	struct audit_report report;
	const double start = now();
	must(audit_run(kit->dir, kit->top, &report, NULL) == IOTPKI_OK, "audit");
	must(report.verdict == AUDIT_CLEAN, report.message);
	return (double)report.entries / (now() - start);
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

int main(void)
{
	struct ledgerkit kit;
	struct txkit_key key;
	double ratios[ROUNDS], writes[ROUNDS], syncs[ROUNDS];
	txkit_key_new(&key);
	ledgerkit_new_below(&kit, "/var/tmp", T, &key, 1, 0);
	for (int i = 0; i < ROUNDS; i++) {
		syncs[i] = sync_rate(kit.top);
		writes[i] = write_rate(&kit, &key, i);
		ratios[i] = writes[i] / syncs[i];
	}
	const double audited = audit_rate(&kit);
	const double known = verify_rate(&key, true), unknown = verify_rate(&key, false);
	ledgerkit_done(&kit);
	txkit_key_done(&key);
	qsort(ratios, ROUNDS, sizeof(double), by_size);
	qsort(writes, ROUNDS, sizeof(double), by_size);
	qsort(syncs, ROUNDS, sizeof(double), by_size);
	const double ratio = ratios[ROUNDS / 2];
	printf("bench: signed_writes ratio=%.2f goal=%.1f %s\n", ratio, GOAL,
	       ratio >= GOAL ? "ok" : "short");
	printf("   writes/s=%.0f fdatasync/s=%.0f verify/s=%.0f (owner known) %.0f (new owner) "
	       "audited/s=%.0f\n",
	       writes[ROUNDS / 2], syncs[ROUNDS / 2], known, unknown, audited);
	return ratio >= GOAL ? 0 : 1;
}
