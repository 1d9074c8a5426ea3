/*
 * JSON-RPC requests, as Emercoin Core and Bitcoin Core take them (design 6): one call
 * or a batch, protocol 1.0 or 2.0. A strict parser: what it hands on is typed and
 * within its caps, and the id is written anew, never echoed. Knows nothing of methods.
 */
#pragma once

#include "base/buf.h"

#define JSONRPC_BODY_MAX (256u * 1024) /* bytes: 100 transactions of the usual size in one batch */
#define JSONRPC_BATCH_MAX 100          /* calls */
#define JSONRPC_DEPTH_MAX 8            /* nested arrays and objects; no method needs more than 3 */
#define JSONRPC_VALUES_MAX 4096        /* commas, arrays and objects; a full batch has 1,301 */
#define JSONRPC_PARAMS_MAX 8           /* parameters of a call */
#define JSONRPC_ID_MAX 64              /* bytes of an id that is a string */
#define JSONRPC_ID_SIZE \
	(JSONRPC_ID_MAX * 6 + 3) /* its JSON text, each byte as \u00XX, terminated */

/** Error codes of the protocol; the numbers are Bitcoin's and Emercoin's. */
enum jsonrpc_code {
	JSONRPC_OK = 0,
	JSONRPC_MISC_ERROR = -1,        /* wrong number or type of parameters */
	JSONRPC_NAME_DB = -4,           /* no such name */
	JSONRPC_INVALID_PARAMETER = -8, /* a parameter of the right type and no meaning */
	JSONRPC_NOT_READY = -10,        /* of a gateway: the node behind it is not ready */
	JSONRPC_WARMUP = -28,           /* not now: starting, stopping or overloaded */
	JSONRPC_REFUSED = -32010,       /* a transaction that the ledger's rules refuse */
	JSONRPC_INVALID_REQUEST = -32600,
	JSONRPC_METHOD_NOT_FOUND = -32601,
	JSONRPC_INTERNAL = -32603,
	JSONRPC_PARSE = -32700,
};

struct jsonrpc_error {
	int code;            /* enum jsonrpc_code; 0: none */
	const char *message; /* a constant of this program, never text from outside */
	const char *reason;  /* error.data.reason of JSONRPC_REFUSED; NULL: none */
};

enum jsonrpc_kind {
	JSONRPC_NULL,
	JSONRPC_STRING,
	JSONRPC_INTEGER,
	JSONRPC_BOOL,
	JSONRPC_OTHER, /* a real number, an array, an object: no method takes one */
};

struct jsonrpc_param {
	enum jsonrpc_kind kind;
	const char *text; /* STRING: UTF-8, no NUL inside; lives as long as the request */
	size_t len;
	int64_t number; /* INTEGER; BOOL: 0 or 1 */
};

struct jsonrpc_call {
	struct jsonrpc_error error; /* it is no call: answer this */
	bool version2;
	char id[JSONRPC_ID_SIZE]; /* JSON text: "null", an integer or a quoted string */
	const char *method;       /* NULL if error is set */
	size_t param_count;
	struct jsonrpc_param params[JSONRPC_PARAMS_MAX];
};

struct jsonrpc_request {
	struct jsonrpc_error error; /* the whole is no request: answer this, with id null */
	bool batch;
	size_t count;
	struct jsonrpc_call *calls;
	void *tree; /* the parser's, which texts point into */
};

/**
 * Parse a request body. Whatever is wrong with it is said inside the request.
 * @param request_out  release with jsonrpc_done() also after an error
 * @return IOTPKI_OK or IOTPKI_ERR_NOMEM
 */
enum iotpki_err jsonrpc_parse(const char *body, size_t len,
			      struct jsonrpc_request *request_out) MUST_CHECK;
void jsonrpc_done(struct jsonrpc_request *request);

/** A string as JSON text with its quotes: '"', '\' and control bytes escaped, all else as it is. */
void jsonrpc_put_string(struct buf *out, const char *text, size_t len);

/** What stands before and after a call's result, and a whole error answer instead of it. */
void jsonrpc_put_head(struct buf *out, const struct jsonrpc_call *call);
void jsonrpc_put_tail(struct buf *out, const struct jsonrpc_call *call);
void jsonrpc_put_error(struct buf *out, const struct jsonrpc_call *call,
		       const struct jsonrpc_error *error);

/** The HTTP status of the answer to a call that stands alone (a batch is 200). */
unsigned int jsonrpc_http_status(bool version2, int code);
