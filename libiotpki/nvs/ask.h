/*
 * One node's share of a question (private to nvs/): its names in as few requests as
 * may be, on chains the histories that are new, and once more after a cookie changed.
 * All of it ends at one time. Decides nothing, keeps no list of questions: nvs.c does.
 */
#pragma once

#include "nvs/dialect.h"
#include "nvs/life.h"
#include "nvs/transport.h"

/** What all questions of a client share. */
struct ask_client {
	const struct config *config;
	const struct random_source *random;
	struct transport *transport;
	struct lives *lives;
	struct credentials *credentials; /* one a node */
	struct nvs_listener listener;
};

enum ask_step { ASK_SHOW, ASK_LIFE, ASK_DONE };

/** One name at one node. */
struct ask_part {
	enum ask_step step;
	size_t together; /* it may stand in a request of this many names, at most */
	struct dialect_shown shown;
};

struct ask;
/** Called from transport_poll alone, once, when all parts are done; may release the ask. */
typedef void ask_done_fn(struct ask *ask);

struct ask {
	/* set by the caller, who keeps what they point to */
	const struct ask_client *client;
	void *context;
	ask_done_fn *done;
	size_t node;
	size_t count; /* 1 to DIALECT_NAMES_MAX */
	const char (*nvs_names)[IOTPKI_NVS_NAME_MAX + 1];
	struct ask_part *parts; /* count */
	int64_t asked_s;

	/* to be read */
	bool over;
	enum iotpki_outcome heard; /* how the last exchange ended, in transport.h's words */
	/* what was wrong with it, printable; "" nothing */
	char problem[IOTPKI_DETAIL_MESSAGE_MAX];

	/* its own */
	int64_t expires_ms;
	struct transfer *transfer; /* the request that is under way */
	char id[DIALECT_ID_SIZE];
	enum ask_step step;
	uint8_t chosen[DIALECT_NAMES_MAX]; /* the names in it */
	size_t chosen_count;
	unsigned int requests;
	unsigned int generation; /* of the credentials that it was sent with */
	bool renewed;            /* they were read again once */
};

/**
 * Send the first request. Where the node may not be asked (its credentials), all parts are done
 * and over is true at once, without a call back.
 * @return what could not be done on this machine: nothing was sent
 */
enum iotpki_err ask_start(struct ask *ask, int64_t expires_ms) MUST_CHECK;
/** End it without calling back. */
void ask_stop(struct ask *ask);

/** A new nonce. */
enum iotpki_err ask_new_id(const struct random_source *random,
			   char id[static DIALECT_ID_SIZE]) MUST_CHECK;
/**
 * Whether what was sent with the credentials of this generation shall be sent again: the node said
 * 401, and its file holds others by now.
 */
bool ask_renewed(struct credentials *credentials, unsigned int generation,
		 const struct transport_answer *got);
/** At debug level, in printable words. */
void ask_log_problem(const struct config_node *node, const char *what);
/** Text in printable words; what may be NULL. */
void ask_put_problem(const char *what, char out[static IOTPKI_DETAIL_MESSAGE_MAX]);
