/*
 * The methods that read (design 6): each writes its result for answer.c to frame.
 */
#pragma once

#include "bnode/answer.h"

struct method_scope {
	struct ledger *ledger;
	int64_t clock_s; /* the node's clock at the answer */
	struct buf *out;
	size_t *reads_left; /* of ANSWER_READS_MAX, for the whole request */
};

/* Kinds of parameters: s string, i integer, b boolean, e integer or string. */
struct method {
	const char *name;
	const char *kinds;
	size_t needed;
	bool lists; /* its result may be as long as ANSWER_MAX */
	/* NULL: name_submit, which the writer has run */
	struct jsonrpc_error (*run)(const struct method_scope *scope,
				    const struct jsonrpc_call *call);
};

/** The method of a call; NULL: error_out is the answer instead. */
const struct method *method_of(const struct jsonrpc_call *call, struct jsonrpc_error *error_out);
/** A hash as a JSON string. */
void method_put_hash(struct buf *out, const uint8_t hash[static SHA256_LEN]);
