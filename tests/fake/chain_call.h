/*
 * JSON-RPC of the fake chain nodes: one call at a time on one world, answered in text as the
 * recorded nodes do (same members, same order, compact). Used under the node's lock.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "fake/chain_state.h"

/** What goes wrong on purpose; set over fake_set by these names. */
struct chain_switches {
	bool ibd, warmup, no_wallet, several_wallets, no_namehistory, no_txindex, locked;
	bool unauthorized, reply_html;
	int64_t http_status; /* 0: what the call says */
	int64_t slow_ms;
	int64_t cut_bytes; /* of the body, then the connection closes; -1: all are sent */
	int64_t flip_byte; /* of the body, its lowest bit; -1: none */
	int64_t refuse_ms; /* the listener is closed for so long, once */
	int64_t tip_age_s; /* the tip is told as so old; -1: as it is */
	int64_t expiry_blocks, block_seconds;
	int64_t vout; /* of the coming transactions: where the wallet puts the change is chance */
	json_t *blackhole; /* true or "accept": read, never answer; "reset": reset the connection */
	json_t *chain;     /* "regtest", "main" */
	json_t *jsonrpc_error; /* {code, message, method?} instead of the answer */
	json_t *lie;     /* {method: {member: value, or null to leave it out}} in the results */
	json_t *balance; /* of the acting wallet, in coins; also "funds": true or false */
};

struct chain_counter {
	char method[40];
	int64_t count;
};

enum { CHAIN_METHODS_COUNTED = 40 };

struct chain_world {
	struct chain *chain;
	struct chain_switches set;
	json_t *violations; /* texts: what no client of ours may ever do */
	struct chain_counter counters[CHAIN_METHODS_COUNTED];
	int64_t requests; /* HTTP requests, without those of a test's own control */
	int64_t restarts; /* fake_restart so far */
};

struct chain_world *chain_world_new(enum chain_kind kind);
void chain_world_free(struct chain_world *world);

struct chain_call {
	struct chain_world *world;
	const json_t *params; /* an array or an object; never NULL */
	struct buf *out;      /* the result's text */
	int code;             /* 0: a result */
	char message[320];
};

typedef void chain_method_fn(struct chain_call *call);
struct chain_method {
	const char *name;
	chain_method_fn *run;
};

/** The tables of methods, each ended by a NULL name. */
extern const struct chain_method chain_control_methods[];
extern const struct chain_method chain_common_methods[];
extern const struct chain_method chain_emercoin_methods[];
extern const struct chain_method chain_namecoin_methods[];

/** One HTTP answer. */
struct chain_reply {
	int status;
	const char *content_type; /* NULL: no body */
	struct buf body;
	bool control; /* a test's own call: no switch spoils it, no password is asked */
};

/**
 * Answer a posted body.
 * @param wallet    of a path /wallet/NAME, NULL: the acting one
 * @param authorized  false: a control call alone is answered, everything else is a 401
 */
void chain_post(struct chain_world *world, const char *body, size_t len, const char *wallet,
		bool authorized, struct chain_reply *reply);
/** Answer a GET: Namecoin's REST, else what the node says to a GET. */
void chain_get(struct chain_world *world, const char *path, bool authorized,
	       struct chain_reply *reply);

/* ---- for the methods ---- */

void chain_fail(struct chain_call *call, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/** A parameter of the array, NULL: not there or null. */
const json_t *chain_param(const struct chain_call *call, size_t index);
/** One that must be a string; without it the call fails with the nodes' own words. */
const char *chain_param_text(struct chain_call *call, size_t index);
/** A JSON string, escaped as the nodes escape. */
void chain_put(struct buf *buf, const char *text);
/** An amount in the chain's own number of places. */
void chain_put_amount(const struct chain *chain, struct buf *buf, int64_t amount);
int64_t chain_unit(const struct chain *chain);
int64_t chain_now(void);
/** The time that the tip is told to have. */
int64_t chain_told_time(const struct chain_world *world, int64_t time_s);
/** Fails the call if there is no wallet, or not one; in the words of the node. */
bool chain_need_wallet(struct chain_call *call);
/** Fails the call while the initial download runs. */
bool chain_need_sync(struct chain_call *call);
/**
 * Pay and send. Fails the call: locked, insufficient funds.
 * @return the operation in the mempool, NULL after a failure
 */
struct chain_op *chain_pay(struct chain_call *call, const struct chain_op *wish, int64_t fee);
/** The answer of Namecoin's REST, out of name_show: without ismine. False: no such name. */
bool chain_namecoin_rest(struct chain_world *world, const char *name, struct buf *out);
