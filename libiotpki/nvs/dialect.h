/*
 * What a node's HTTP answer means (design 6): pure, no I/O, no clock. Every answer
 * ends as exactly one outcome. What is odd is MALFORMED, never "unavailable"
 * (invariant I2: an odd answer must not be forgiven by soft-fail).
 *
 * dialect.c holds requests, HTTP and the JSON-RPC envelope, dialect_errors.c the one
 * table of errors, dialect_iotpki.c, dialect_chain.c and dialect_history.c the results.
 */
#pragma once

#include "nvs/nvs.h"

#define DIALECT_ID_LEN 16                        /* random bytes of a nonce */
#define DIALECT_ID_SIZE (2 * DIALECT_ID_LEN + 1) /* its hex text and NUL */
#define DIALECT_REQUEST_MAX ((size_t)64 * 1024)  /* bytes of a request */
#define DIALECT_NAMES_MAX 100                    /* names of one request */

/** An HTTP answer as the transport got it; borrowed. */
struct dialect_http {
	long status;
	const char *content_type; /* NULL: none */
	const char *body;
	size_t len;
};

/** What was asked, and of whom. */
struct dialect_question {
	const struct config_node *node;
	const char *id;               /* the nonce: only an answer that carries it counts */
	const char *const *nvs_names; /* with their prefix, as they were sent; no name twice */
	size_t count;                 /* 1 to DIALECT_NAMES_MAX */
	int64_t asked_s;              /* wall clock when it was sent */
	const struct nvs_listener *listener; /* who hears of proofs; NULL: nobody */
};

/** The JSON-RPC 2.0 request for a method; params_json is one JSON array. */
enum iotpki_err dialect_request(const char *id, const char *method, const char *params_json,
				struct buf *request) MUST_CHECK;
/**
 * The question about names. Type iotpki: one object for one name, a batch for more. Chains: always
 * a batch, the names' name_show and, last, getblockchaininfo, so that names and tip come from one
 * moment. Ids in a batch are the nonce, "-" and the index.
 */
enum iotpki_err dialect_request_show(const struct dialect_question *question,
				     struct buf *request) MUST_CHECK;
/** Most bytes of the answer that are read: one name, or what a call may have. Of a history
 * always NVS_CALL_MAX. */
size_t dialect_answer_cap(const struct dialect_question *question);

/**
 * What a chain tells beyond an outcome, for who passes it on in words of his own (a gateway). No outcome
 * depends on it, and what is not there, or odd, is zero. Of well-formed answers alone.
 */
struct dialect_facts {
	char value[IOTPKI_VALUE_MAX + 1]; /* as it stands there, if it is a record; else "" */
	int64_t expires_in;               /* blocks */
	int64_t time_s;                   /* of the last operation (Emercoin) */
	int64_t height;                   /* of it (Namecoin) */
	int64_t vout;
	bool deleted;
	uint32_t sequence; /* operations of the present life, once that is known */
	bool has_tip_hash;
	uint8_t tip_hash[IOTPKI_SHA256_LEN]; /* of the best block */
};

/** One name's part of an answer. */
struct dialect_shown {
	struct iotpki_answer answer;
	/* REGISTERED by a chain, whose name_show tells nothing about the name's life: registration
	 * and sticky revocation come from dialect_lives(). Never use such an answer without it. */
	bool needs_life;
	uint64_t
		height; /* of the operation answer.txid where name_show says it (Namecoin), else 0 */
	/* MALFORMED because the answer as a whole was, through whichever name: asked alone, this
	 * one may be well. (A value of 20 KiB or of other bytes than UTF-8 spoils its whole batch.) */
	bool unreadable;
	const char *hint; /* what to switch on or to wait for; static text of ours, NULL: none */
	struct dialect_facts facts;
};

/**
 * Judge a node's answer to dialect_request_show.
 * @param shown_out  question->count slots. The outcome is never PENDING or STALE; what the outcome
 *                   does not have is zero. ms is left 0. UNREGISTERED by type iotpki carries no tip
 *                   of its own: the nonce proves that it was given after asked_s, so tip_s is
 *                   asked_s and tip_height 0.
 * @param detail     a problem of one of the names, or of the whole; may be NULL
 */
void dialect_answer(const struct dialect_question *question, const struct dialect_http *http,
		    struct dialect_shown *shown_out, struct iotpki_detail *detail);
/** An answer that never became HTTP: the outcome, and all else as dialect_answer would fill it. */
void dialect_no_answer(const struct config_node *node, int64_t asked_s, enum iotpki_outcome outcome,
		       struct iotpki_answer *answer_out);

/* ---- chains: the life of a name ---- */

/** The question about the histories of names; a batch as above. Not for type iotpki. */
enum iotpki_err dialect_request_history(const struct dialect_question *question,
					struct buf *request) MUST_CHECK;

/** The present life of a name, up to an operation of it. */
struct dialect_life {
	enum iotpki_outcome outcome; /* REGISTERED: the rest counts; else why it is not known */
	uint8_t registration[IOTPKI_SHA256_LEN]; /* the operation that began it */
	bool revoked;                            /* by any operation of it */
	uint64_t height;                         /* of the operation that was asked for */
	uint32_t sequence;                       /* operations, that one too */
	bool unreadable;                         /* as in struct dialect_shown */
	const char *hint;
};

/**
 * Judge a node's answer to dialect_request_history.
 * @param txids     what name_show gave for each name; one that the present life does not have is
 *                  MALFORMED (the chain moved between the two questions: the next one agrees)
 * @param lives_out question->count slots
 */
void dialect_lives(const struct dialect_question *question,
		   const uint8_t (*txids)[IOTPKI_SHA256_LEN], const struct dialect_http *http,
		   struct dialect_life *lives_out, struct iotpki_detail *detail);
/**
 * Whether a life that was read earlier (for the same node, name and txid) may still be used. After
 * a reorganisation the same transaction can stand at another height: then the history is read anew.
 */
bool dialect_life_fits(const struct config_node *node, const struct dialect_life *life,
		       const struct dialect_shown *shown);
/**
 * Fold a life into the answer that it was asked for: registration; REVOKED where it is (at any
 * depth); NOT_READY with fewer than node->min_confirmations; MALFORMED where the heights differ; or
 * the life's own outcome. Clears needs_life.
 */
void dialect_apply_life(const struct config_node *node, const struct dialect_life *life,
			struct dialect_shown *shown);

/* ---- calls ---- */

/** Judge the answer to one call; the result is written again from what was parsed. */
enum iotpki_err dialect_reply(const struct config_node *node, const char *id, const char *method,
			      const struct dialect_http *http, struct nvs_reply *reply_out,
			      struct iotpki_detail *detail) MUST_CHECK;

/* ---- what a question heard beyond its answers; inside a call back of it ---- */

const struct dialect_shown *nvs_told(const struct nvs_question *question, size_t name, size_t node);
/** What was wrong with the node's last answer, printable, in words of ours; "" if nothing. */
const char *nvs_problem(const struct nvs_question *question, size_t node);
