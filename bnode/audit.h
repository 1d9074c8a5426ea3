/*
 * Replays a ledger from its log and compares: the chain of hashes, every signature,
 * every rule, and the state that follows. A damaged LMDB file can kill whoever reads
 * it (SIGBUS, SIGSEGV), so the reading is done by a child process.
 */
#pragma once

#include "bnode/ledger.h"

enum audit_verdict {
	AUDIT_BAD = 0, /* something differs, or reading it crashed */
	AUDIT_CLEAN,
	AUDIT_UNDONE, /* nothing can be said: no such ledger, no memory, no room for the copy */
};

struct audit_report {
	enum audit_verdict verdict;
	uint64_t height;          /* AUDIT_BAD: the first bad entry, 0: it is not about one */
	uint64_t entries;         /* checked */
	uint8_t hash[SHA256_LEN]; /* AUDIT_CLEAN: head of the chain */
	char message[512];        /* AUDIT_BAD, AUDIT_UNDONE: what is wrong; printable */
};

/**
 * Audit the ledger in dir; a node may go on writing meanwhile. The replay needs about the size of
 * the ledger in scratch (an existing folder), and leaves nothing there.
 */
enum iotpki_err audit_run(const char *dir, const char *scratch, struct audit_report *report_out,
			  struct iotpki_detail *detail) MUST_CHECK;
