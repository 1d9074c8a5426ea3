/*
 * The device manager's own store (design 7: "every DER sent"): for each name the
 * steps that its owner ever signed, in order, each written durably before it is
 * sent anywhere. Whatever was interrupted is finished from here, with the same
 * bytes, and a B-node that missed something is brought level from here.
 *
 *   DIR/names/NAME/0001-register   PREORDER and REGISTER, one base64 DER a line
 *   DIR/names/NAME/0002-update     ...
 *   DIR/names/NAME/level           how many steps every B-node of the list has confirmed
 */
#pragma once

#include "base/buf.h"
#include "identity/tx.h"

#define STORE_STEPS_MAX 9999 /* of one name */
#define STORE_STEP_TXS 2     /* transactions of one step: a REGISTER has its PREORDER with it */

/** One thing that the owner did to a name: signed once, sent to every node as the same bytes. */
struct store_step {
	size_t count; /* transactions, 1 or 2 */
	struct {
		struct tx tx;
		uint8_t txid[SHA256_LEN];
		struct buf der;
	} part[STORE_STEP_TXS];
};

/** A name's whole history in the store; release with store_name_done(). */
struct store_name {
	char name[IOTPKI_NAME_MAX + 1]; /* without prefix */
	size_t step_count;
	struct store_step *steps;
	size_t level; /* steps that every node is known to have; at most step_count */
};

/** IOTPKI_ERR_NOT_FOUND if nothing was ever signed for the name. A file that does not verify is an error. */
enum iotpki_err store_load(const char *dir, const char *name, struct store_name *out,
			   struct iotpki_detail *detail) MUST_CHECK;
void store_name_done(struct store_name *name);

/** Write a step behind the last one, durably, before any of it may be sent; then it is in name too. */
enum iotpki_err store_append(const char *dir, struct store_name *name,
			     const struct store_step *step,
			     struct iotpki_detail *detail) MUST_CHECK;
/** Take the last step back: no node took it, and none ever will. */
enum iotpki_err store_drop_last(const char *dir, struct store_name *name,
				struct iotpki_detail *detail) MUST_CHECK;
/** Remember durably that every node has the first `level` steps. */
enum iotpki_err store_set_level(const char *dir, struct store_name *name, size_t level,
				struct iotpki_detail *detail) MUST_CHECK;

/** All names of the store, sorted; emit returns an error to stop. */
typedef enum iotpki_err store_name_fn(void *context, const char *name);
enum iotpki_err store_names(const char *dir, store_name_fn *emit, void *context,
			    struct iotpki_detail *detail) MUST_CHECK;

void store_step_done(struct store_step *step);

/* ---- what the steps add up to ---- */

/** The present life of a name as its owner's own signatures tell it. */
struct store_state {
	bool exists; /* it was registered at least once */
	bool revoked;
	uint8_t registration[SHA256_LEN]; /* txid of its last REGISTER */
	uint8_t last[SHA256_LEN];         /* txid of its last operation */
	char value[IOTPKI_VALUE_MAX + 1];
	int64_t expires_s;
	int64_t time_s; /* of the last operation */
};
void store_state(const struct store_name *name, struct store_state *out);
