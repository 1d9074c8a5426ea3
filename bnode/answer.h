/*
 * What iotpki-bnode answers (design 6): the methods of who answers, framed. Serialised by
 * hand, since name_show is the hot path of every login (a JSON library's printer halves
 * its rate). In two steps, because what a request submits is committed in between,
 * together with what other connections submit.
 */
#pragma once

#include "bnode/jsonrpc.h"
#include "bnode/ledger.h"
#include "bnode/metrics.h"

#define ANSWER_MAX (4u * 1024 * 1024) /* bytes of all results of one request */
#define ANSWER_NAMES_MAX 1000         /* names in one name_filter answer */
#define ANSWER_OFFSET_MAX 10000       /* names that a name_filter offset may skip */
#define ANSWER_READS_MAX 20000        /* names and operations that one request may read */
#define ANSWER_PROOF_READS 1000       /* operations of a life that has a proof: some 5 ms */
#define ANSWER_SMALL_MAX (64u * 1024) /* bytes of the answer to one call that is not a list */
#define ANSWER_PROOF_MAX \
	(48u * 1024) /* bytes: leaves an answer below the 64 KiB that clients take */

struct methods;

/** A transaction that a request carries. */
struct answer_submission {
	size_t call;  /* which call of the request */
	bool decoded; /* else reason says why not; it is not for the ledger */
	struct ledger_submission to_ledger;
	uint8_t der[TX_DER_MAX];
};

/** One request on its way. Zero-initialised it is empty. */
struct answer {
	struct jsonrpc_request request;
	struct answer_submission *submissions;
	size_t submission_count;
	size_t decoded_count; /* submissions that are for the ledger */
	const struct methods *methods;
	bool large; /* may be more than ANSWER_SMALL_MAX */
	bool lists; /* and will be: a call of it lists what there is */
	bool busy;  /* set by the server or the backend: what takes time was not begun */
	/* Set by the server; NULL: its calls are not counted. */
	struct metrics *metrics;
	size_t slot;
};

/** Parse a body and take out its transactions. IOTPKI_ERR_NOMEM or IOTPKI_OK. */
enum iotpki_err answer_prepare(const struct methods *methods, const char *body, size_t len,
			       struct answer *answer_out) MUST_CHECK;

/**
 * Write the whole answer; the submissions have their results already.
 * @param source  what the methods read: the ledger
 * @param status_out  the HTTP status
 */
enum iotpki_err answer_write(void *source, const struct clock *clock, const struct answer *answer,
			     struct buf *out, unsigned int *status_out) MUST_CHECK;
void answer_done(struct answer *answer);

/** A buffer for answer_write() with room for a usual answer, that holds one of this kind. */
enum iotpki_err answer_buf(const struct answer *answer, struct buf *out) MUST_CHECK;
/** Bytes that such a buffer can hold. */
size_t answer_most(const struct answer *answer);
