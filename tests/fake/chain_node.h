/*
 * A fake Emercoin Core or Namecoin Core for tests: HTTP/1.1 on 127.0.0.1, in threads of the test
 * or in build/tests/fake/fake-chain. It answers field for field as the recorded nodes do
 * (tests/vectors/transcripts), and goes wrong on request.
 *
 * What a test does to it, by chain_node_call() or as JSON-RPC on the same port (no password):
 *   fake_mine [n]          mines n blocks (default 1); answers the height
 *   fake_set {switch: value, ...}   see below
 *   fake_get []            blocks, tip_time, balance, requests, restarts, violations (what no client
 *                          may do, such as a third parameter to name_show), methods (calls of each),
 *                          switches, wallet
 *   fake_reorg [depth]     the last blocks are replaced by one more, empty ones; what they held waits
 *   fake_rollback [depth]  (also fake_revert) the chain is so much shorter and what it held is gone
 *   fake_as {"wallet": W}  who acts: the node's own wallet ("" on Emercoin, "w" on Namecoin) or "other"
 *   fake_restart []        a new cookie (--cookie), and all connections are closed
 *
 * Switches (name: type, what):
 *   ibd: bool              initial download: -10, and getblockchaininfo says so
 *   warmup: bool           -28 to everything
 *   no_wallet, several_wallets, no_namehistory, no_txindex: bool
 *   funds: bool            false: the acting wallet is empty (-6); balance: number of coins
 *   locked: bool           -13
 *   unauthorized: bool     401 with an empty body
 *   http_status: int       that status with a page of HTML (503, ...); 0 off
 *   reply_html: bool       200 with a page of HTML
 *   jsonrpc_error: {code, message, method?} or null
 *   lie: {method: {member: value or null}} or null   members told instead of the true ones
 *   slow_ms: int           before each answer
 *   cut_bytes: int         so many bytes of the body, then the connection closes; -1 off
 *   flip_byte: int         the lowest bit of that byte of the body; -1 off
 *   blackhole: "accept" (or true: read, never answer), "reset" (RST), null
 *   refuse_ms: int         nobody listens for so long (connections are refused), then all is as before
 *   tip_age_s: int         the tip is told as so old; -1 off
 *   expiry_blocks: int     a day (Emercoin, 175), a life (Namecoin, 30); counts at once for all names
 *   block_seconds: int     the least between two blocks (1)
 *   vout: int              of the transactions to come (0)
 *   chain: text            "regtest"
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake/chain_state.h"

struct chain_node;

struct chain_node_options {
	enum chain_kind kind;
	unsigned int port; /* 0: a free one */
	const char *login; /* "user:password"; NULL: none is asked, unless there is a file */
	const char *
		credentials; /* a file with that one line, read anew for each request; NULL: none */
	const char *cookie;  /* a file to write "__cookie__:<hex>" into (0600), as the nodes do */
};

/** Listens on 127.0.0.1. The strings must outlive the node. NULL: it could not. */
struct chain_node *chain_node_start(const struct chain_node_options *options);
/** Ends its connections and threads; removes the cookie file. */
void chain_node_stop(struct chain_node *node);

unsigned int chain_node_port(const struct chain_node *node);
/** "http://127.0.0.1:PORT/" */
void chain_node_url(const struct chain_node *node, char *out, size_t size);

/**
 * Any method, without HTTP and without the switches of the transport.
 * @param params  JSON text: an array or an object; NULL: []
 * @return the result's JSON text, or the text of {"code":...,"message":...} if *failed_out; free() it
 */
char *chain_node_call(struct chain_node *node, const char *method, const char *params,
		      bool *failed_out);
/** fake_set and fake_mine; false: the node refused them. */
bool chain_node_set(struct chain_node *node, const char *switches);
bool chain_node_mine(struct chain_node *node, unsigned int blocks);
int64_t chain_node_height(struct chain_node *node);
/** HTTP requests so far, control calls aside; and calls of one method. */
unsigned int chain_node_requests(struct chain_node *node);
unsigned int chain_node_count(struct chain_node *node, const char *method);
/** How often a client did what none of ours may do. */
unsigned int chain_node_violations(struct chain_node *node);
/** The newest body that was posted, control calls aside; out is terminated. */
void chain_node_last_request(struct chain_node *node, char *out, size_t size);
