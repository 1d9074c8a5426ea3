/*
 * What the files of the dialects share (private to nvs/dialect*.c and their tests).
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

/** dialect_answer() for Emercoin and Namecoin; the slots are MALFORMED, else empty. */
void dialect_answer_chain(const struct dialect_question *question, const struct dialect_http *http,
			  struct dialect_shown *shown_out, struct iotpki_detail *detail);

/* ---- dialect_iotpki.c ---- */

enum iotpki_outcome dialect_show_iotpki(const char *nvs_name, const struct json_t *result,
					struct iotpki_answer *answer, struct iotpki_detail *detail);
