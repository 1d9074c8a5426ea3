/*
 * What the files of the dialects share (private to nvs/dialect*.c, their tests, and
 * bnode/gateway_told.c, which tells on what a chain said).
 */
#pragma once

#include "format/json.h"
#include "nvs/dialect.h"

/* ---- dialect.c: HTTP and the JSON-RPC envelope ---- */

/** One JSON-RPC answer; everything points into the tree that it was read from. */
struct dialect_envelope {
	const struct json_t *result; /* NULL: it is an error */
	int64_t code;
	const char *message;
	const struct json_t *data; /* of the error; NULL: none */
};

/** Read the answer to one request. Chains: only id, result and error are looked at. */
enum iotpki_err dialect_open(const struct json_t *object, enum config_node_type type,
			     const char *id, long status, struct dialect_envelope *envelope_out,
			     struct iotpki_detail *detail) MUST_CHECK;

/** The answers of a batch by their index; release with dialect_batch_done. */
struct dialect_batch {
	struct json_t *root;
	const struct json_t *elements[DIALECT_NAMES_MAX + 1];
};

/**
 * Read a batch of `count` answers to the ids nonce-0 to nonce-<count - 1>, in any order.
 * @return PENDING: each element is there exactly once; else what the whole answer is
 */
enum iotpki_outcome dialect_open_batch(const struct dialect_question *question, size_t count,
				       size_t cap, const struct dialect_http *http,
				       struct dialect_batch *batch_out,
				       struct iotpki_detail *detail);
void dialect_batch_done(struct dialect_batch *batch);
/** One element of it. */
enum iotpki_err dialect_open_element(const struct dialect_question *question,
				     const struct dialect_batch *batch, size_t index,
				     struct dialect_envelope *envelope_out,
				     struct iotpki_detail *detail) MUST_CHECK;

/* ---- dialect_errors.c ---- */

extern const char dialect_hint_sync[]; /* "downloading blocks", which a tip can say too */

/** What an error of a node means: its outcome, and what to do about it (static text or NULL). */
struct dialect_error {
	enum iotpki_outcome outcome;
	const char *hint;
};

/** @param name  the name that was asked for, NULL where none was; some texts repeat it */
struct dialect_error dialect_judge_error(enum config_node_type type, const char *method,
					 const char *name, const struct dialect_envelope *envelope,
					 struct iotpki_detail *detail);

/** Why a wallet did not write, by code and text; NVS_REFUSAL_OTHER where no row fits. */
enum nvs_refusal dialect_refusal(enum config_node_type type,
				 const struct dialect_envelope *envelope);

/* ---- dialect_chain.c ---- */

/** Which fields of a chain's answer are read, as bits; all others mean nothing here. */
enum dialect_field {
	DIALECT_NAME = 1 << 0,
	DIALECT_VALUE = 1 << 1,
	DIALECT_TXID = 1 << 2,
	DIALECT_HEIGHT = 1 << 3,
	DIALECT_EXPIRES_IN = 1 << 4,
	DIALECT_EXPIRES_AT = 1 << 5,
	DIALECT_EXPIRED = 1 << 6,
	DIALECT_DELETED = 1 << 7,
	DIALECT_OPERATION = 1 << 8,
	DIALECT_BLOCKS = 1 << 9,
	DIALECT_TIME = 1 << 10,
	DIALECT_MEDIANTIME = 1 << 11,
	DIALECT_DOWNLOADING = 1 << 12,
};

/** What stands in an object of a chain: a name, an operation of a history, or the tip. */
struct dialect_fields {
	unsigned int present; /* bits; what is not there is zero or NULL */
	const char *name, *value, *operation;
	uint8_t txid[IOTPKI_SHA256_LEN];
	int64_t height, expires_in, expires_at; /* blocks */
	int64_t blocks, time_s, mediantime_s;
	bool expired, deleted, downloading;
	bool regtest; /* of the tip: its `chain` says so. Only tells how long names live. */
	/* of the tip, for dialect_facts alone; never odd */
	bool has_hash;
	uint8_t hash[IOTPKI_SHA256_LEN];
};

/** @param required  bits that must be there; one of another type is an error, required or not */
enum iotpki_err dialect_read(const struct json_t *object, unsigned int required,
			     struct dialect_fields *fields_out,
			     struct iotpki_detail *detail) MUST_CHECK;

/** What of a chain is known apart from its answers; only for types that are chains. */
struct dialect_chain {
	unsigned int show, entry, tip; /* what name_show, name_history and the tip must have */
	int64_t block_s;               /* seconds a block, on average */
};
const struct dialect_chain *dialect_chain(enum config_node_type type);

/** The tip that ends a batch: PENDING, it is good; NOT_READY (what was read of it is there) or
 * MALFORMED, and so are all names. */
enum iotpki_outcome dialect_judge_tip(const struct dialect_question *question,
				      const struct dialect_batch *batch,
				      struct dialect_fields *tip_out, const char **hint_out,
				      struct iotpki_detail *detail);
/** The result of getblockchaininfo; as above. */
enum iotpki_outcome dialect_read_tip(enum config_node_type type, const struct json_t *info,
				     struct dialect_fields *tip_out, const char **hint_out,
				     struct iotpki_detail *detail);
/** The tip's time: of the member that the chain is judged by. */
int64_t dialect_tip_time(enum config_node_type type, const struct dialect_fields *tip);
/** Whether a value says revoked, also where it is no record otherwise (design 4). */
bool dialect_value_revoked(const char *value);
/**
 * Whether one altered byte may be all that keeps a value from saying so: plain http has nothing
 * that would notice it, and of an earlier operation nothing but its value says revoked.
 */
bool dialect_value_doubtful(const char *value);

/** dialect_answer() for Emercoin and Namecoin; the slots are MALFORMED, else empty. */
void dialect_answer_chain(const struct dialect_question *question, const struct dialect_http *http,
			  struct dialect_shown *shown_out, struct iotpki_detail *detail);

/* ---- dialect_iotpki.c ---- */

enum iotpki_outcome dialect_show_iotpki(const char *nvs_name, const struct json_t *result,
					struct iotpki_answer *answer, struct iotpki_detail *detail);

/* ---- proof.c ---- */

/** The proof of a revoked name's answer, if there is one that can be read, to the listener. */
void dialect_take_proof(const struct dialect_question *question, size_t index,
			const struct json_t *result, const struct iotpki_answer *answer);
