/*
 * What an upstream chain node said, in iotpki-bnode's words (design 6): blocks become
 * seconds, the life of a name its status. Pure: no I/O, no clock. Nothing of the
 * upstream goes on but values that are records, hashes and numbers in their ranges;
 * its other texts end here.
 */
#pragma once

#include "base/digest.h"
#include "bnode/jsonrpc.h"
#include "bnode/method.h"
#include "nvs/dialect.h"

#define TOLD_PREFIX "iot:"       /* of names here, whatever the upstream's is */
#define TOLD_OPERATIONS_MAX 1000 /* of a history that is told on */
#define TOLD_NAME_SIZE (IOTPKI_NAME_MAX + 1)

/** The upstream's tip. */
struct told_tip {
	int64_t height;
	uint8_t hash[SHA256_LEN];
	int64_t time_s; /* the gateway's clock when the upstream answered */
	bool regtest;
};

/** A name. */
struct told {
	/* REGISTERED, REVOKED, EXPIRED: all of it counts; UNREGISTERED: nothing else; else why not */
	enum iotpki_outcome outcome;
	char value[IOTPKI_VALUE_MAX + 1]; /* "" where it is no record */
	uint8_t txid[SHA256_LEN];
	uint8_t registration[SHA256_LEN]; /* zero: not known, only of what is not registered */
	uint32_t sequence;
	int64_t vout, time_s, expires_at_s;
	bool deleted, expired;
	bool needs_history; /* name_show did not tell its life, or (Namecoin, expired) nothing at all */
	struct told_tip tip;
};

struct told_operation {
	uint8_t txid[SHA256_LEN];
	int64_t height, time_s, vout, days, expires_in;
	bool registers, deleted, revokes;
	char value[IOTPKI_VALUE_MAX + 1]; /* "" where it is no record: other people's text */
};

struct told_history {
	size_t count, life; /* operations; the first of the present life */
	struct told_operation *operations;
};

/**
 * @param answer  the nvs client's, which decides; of a chain
 * @param shown   its facts
 * @param now_s   the gateway's clock when the answer came: it judges the upstream's age
 */
void told_judge(const struct config_node *upstream, const struct iotpki_answer *answer,
		const struct dialect_shown *shown, int64_t now_s, struct told *told_out);
/** The result of getblockchaininfo: REGISTERED, it is good; else why not. */
enum iotpki_outcome told_judge_tip(const struct config_node *upstream, const char *json, size_t len,
				   int64_t now_s, struct told_tip *tip_out,
				   struct iotpki_detail *detail);
/**
 * The result of name_history.
 * @param nvs_name    as it was asked, with the upstream's prefix
 * @param history_out release with told_history_done(); nothing in it unless IOTPKI_OK
 */
enum iotpki_err told_read_history(const struct config_node *upstream, const char *nvs_name,
				  const struct told_tip *tip, const char *json, size_t len,
				  struct told_history *history_out,
				  struct iotpki_detail *detail) MUST_CHECK;
void told_history_done(struct told_history *history);
/** Fill in what the history knows of a told name that needs it. A revocation in it wins. */
void told_add_history(const struct config_node *upstream, const struct told_history *history,
		      struct told *told);
/** There is no history to be had: what is known without it. */
void told_without_history(enum iotpki_outcome why, struct told *told);

/** The error for an outcome that is no result; a constant. */
struct jsonrpc_error told_error(enum iotpki_outcome outcome);

void told_put_name(struct buf *out, const char *name, const struct told *told, int64_t now_s,
		   enum method_form form);
/** @param all  operations of earlier lives too */
void told_put_history(struct buf *out, const struct told_history *history, bool all,
		      enum method_form form);
void told_put_tip(struct buf *out, const struct told_tip *tip);
