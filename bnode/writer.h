/*
 * The one thread that writes (group commit): what connections submit while a commit
 * is on its way to the disk goes together into the next one, so that many writers
 * cost few syncs, and readers never wait.
 */
#pragma once

#include "bnode/answer.h"

#define WRITER_GROUP_MAX 256    /* transactions in one commit */
#define WRITER_PENDING_MAX 4096 /* transactions that may wait */

struct writer;

/** The transactions of one request; owned by the caller until done is called. */
struct writer_job {
	struct answer *answer;
	void (*done)(
		struct writer_job *job); /* on the writer's thread; results are in the answer */
	struct writer_job *next;
};

enum iotpki_err writer_start(struct ledger *ledger, struct writer **writer_out) MUST_CHECK;
/** Queue a job; false: too much is waiting, or the writer is stopping. Then done is not called. */
bool writer_submit(struct writer *writer, struct writer_job *job) MUST_CHECK;
/** Take nothing more and commit what waits. Returns when all of it is done. */
void writer_drain(struct writer *writer);
void writer_freep(struct writer **writer);
