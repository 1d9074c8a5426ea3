/*
 * The methods (design 6): each writes its result for answer.c to frame. Who answers has a
 * table of his own: the ledger's is here, a gateway's in gateway_method.c.
 */
#pragma once

#include "bnode/answer.h"

struct method_scope {
	void *source; /* of what the methods read; the ledger's: struct ledger */
	size_t index; /* of the call in its request */
	const struct answer *answer;
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
	/* NULL: a transaction, which the writer has run */
	struct jsonrpc_error (*run)(const struct method_scope *scope,
				    const struct jsonrpc_call *call);
};

struct methods {
	const struct method *rows;
	size_t count;
};

extern const struct methods methods_ledger;

/** The method of a call; NULL: error_out is the answer instead. */
const struct method *method_of(const struct methods *methods, const struct jsonrpc_call *call,
			       struct jsonrpc_error *error_out);

/* ---- what methods write with ---- */

enum method_form { METHOD_PLAIN, METHOD_HEX, METHOD_BASE64 };
/** The form of values that the parameter at this place asks for, if it is there; false: none. */
bool method_form_of(const struct jsonrpc_call *call, size_t at, enum method_form *form_out);
struct jsonrpc_error method_bad_form(void);
void method_put_literal(struct buf *out, const char *text);
void method_put_int(struct buf *out, int64_t number);
/** A value: at most IOTPKI_VALUE_MAX bytes. */
void method_put_value(struct buf *out, const char *value, enum method_form form);
/** A hash as a JSON string. */
void method_put_hash(struct buf *out, const uint8_t hash[static SHA256_LEN]);
