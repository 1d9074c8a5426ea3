/*
 * Submissions on their way into the ledger. A few threads verify signatures, which is what
 * takes time; one thread writes (group commit): what is verified while a commit is on its way
 * to the disk goes together into the next one, so that many writers cost few syncs. Readers
 * wait for neither.
 */
#pragma once

#include "bnode/answer.h"

#define WRITER_GROUP_MAX 256    /* transactions in one commit */
#define WRITER_PENDING_MAX 4096 /* transactions that may wait, to be verified or to be written */
/* One for two processors: the other half is always left for readers. */
#define WRITER_VERIFIERS_MAX 8

struct writer;

/** The transactions of one request; owned by the caller until done is called. */
struct writer_job {
	struct answer *answer;
	void (*done)(
		struct writer_job *job); /* on a thread of the writer; results are in the answer */
	struct writer_job *next;
};

enum iotpki_err writer_start(struct ledger *ledger, struct writer **writer_out) MUST_CHECK;
/** Queue a job; false: too much is waiting, or the writer is stopping. Then done is not called. */
bool writer_submit(struct writer *writer, struct writer_job *job) MUST_CHECK;
/** Take nothing more, verify and commit what waits. Returns when all of it is done. */
void writer_drain(struct writer *writer);
void writer_freep(struct writer **writer);
