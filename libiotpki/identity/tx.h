/*
 * Ledger transactions (design 6): CMS SignedData by the owner's P-256 key over
 * canonical JSON. Made by the device manager, verified by iotpki-bnode and by
 * whoever checks a proof. Pure but for the signing key's nonce.
 */
#pragma once

#include <iotpki/record.h>

#include "base/buf.h"
#include "base/digest.h"

struct identity;

#define TX_DER_MAX 4096 /* bytes */

enum tx_op { TX_PREORDER, TX_REGISTER, TX_UPDATE, TX_REVOKE };
/** "PREORDER", ...; never NULL. */
const char *tx_op_name(enum tx_op op);

/** Reasons of -32010 errors: one table for node, CLI and man page. */
enum tx_reason {
	TX_OK = 0,
	TX_BAD_ENCODING,
	TX_BAD_SIGNATURE,
	TX_NOT_CANONICAL,
	TX_STALE_TIME,
	TX_DUPLICATE,
	TX_NO_PREORDER,
	TX_PREORDER_EXPIRED,
	TX_NAME_TAKEN,
	TX_NAME_REVOKED,
	TX_NAME_EXPIRED,
	TX_NOT_OWNER,
	TX_STALE_PREV,
	TX_BAD_VALUE,
	TX_BAD_EXPIRES,
	TX_NOT_ALLOWED,
	TX_QUOTA,
	TX_FULL,
	TX_STORAGE,
	TX_REASON_COUNT,
};
/** "bad-encoding", ...; never NULL. And what it means and what to do, one sentence. */
const char *tx_reason_name(enum tx_reason reason);
const char *tx_reason_text(enum tx_reason reason);
/** Back from the name; false if there is none. */
bool tx_reason_parse(const char *name, enum tx_reason *reason_out);

/** The content of a transaction; which fields count depends on op (design 6). */
struct tx {
	enum tx_op op;
	char name[IOTPKI_NVS_NAME_MAX + 1]; /* with prefix; not of PREORDER */
	uint8_t owner[SHA256_LEN];          /* SHA-256 of the owner's SPKI */
	int64_t time_s;
	uint8_t commit[SHA256_LEN];       /* PREORDER */
	uint8_t salt[SHA256_LEN];         /* REGISTER */
	uint8_t prev[SHA256_LEN];         /* UPDATE, REVOKE */
	char value[IOTPKI_VALUE_MAX + 1]; /* REGISTER, UPDATE */
	int64_t expires_s;                /* REGISTER, UPDATE */
	bool has_new_owner;               /* UPDATE: a transfer */
	uint8_t new_owner[SHA256_LEN];
};

/** commit of a PREORDER: SHA-256("iotpki-preorder-v1\0" || salt || owner || name). */
enum iotpki_err tx_commit(const uint8_t salt[static SHA256_LEN],
			  const uint8_t owner[static SHA256_LEN], const char *name,
			  uint8_t commit_out[static SHA256_LEN]) MUST_CHECK;

/** Canonical JSON of the content (RFC 8785 restricted). */
enum iotpki_err tx_content(const struct tx *tx, struct buf *json_out) MUST_CHECK;

/**
 * Back from the content: exactly the members of its op, in canonical form (anything else is
 * TX_NOT_CANONICAL), a value that is too long TX_BAD_VALUE. Pure; what it accepts, tx_content
 * writes again byte for byte.
 * @param tx_out  written on TX_OK
 */
enum tx_reason tx_parse_content(const uint8_t *json, size_t len, struct tx *tx_out,
				struct iotpki_detail *detail) MUST_CHECK;
/** A name with a prefix that a ledger can hold: "[a-z0-9]+" and ':' or '/', then a name of design 5. */
bool tx_name_valid(const char *name, size_t len) MUST_CHECK;

/** Sign: the DER to submit; low-s. owner of tx must be the signer's SPKI hash (IOTPKI_ERR_MISMATCH). */
enum iotpki_err tx_sign(const struct tx *tx, const struct identity *owner, struct buf *der_out,
			struct iotpki_detail *detail) MUST_CHECK;

/**
 * Verify a DER completely but for ledger state and time: encoding, canonical form, one signer, its
 * certificate and both signatures, the content's grammar and that owner is the signer.
 * @param tx_out    written on TX_OK
 * @param txid_out  SHA-256 of the DER, written always
 */
enum tx_reason tx_verify(const uint8_t *der, size_t len, struct tx *tx_out,
			 uint8_t txid_out[static SHA256_LEN],
			 struct iotpki_detail *detail) MUST_CHECK;

#define TX_PROOF_STEPS_MAX 16

/** One DER of a proof; borrowed. */
struct tx_proof_step {
	const uint8_t *der;
	size_t len;
};
/**
 * Whether the owners themselves revoked a registration: its REGISTER, each UPDATE with a new owner, and the
 * REVOKE, each signed by the owner of that moment, in order of time. Which UPDATEs there were is the prover's
 * word, so a former owner can still prove a revocation of what was his: that refuses, and never admits.
 * @param registration  SHA-256 of the REGISTER
 */
enum tx_reason tx_proof_verify(const struct tx_proof_step *steps, size_t count,
			       const char *nvs_name, const uint8_t registration[static SHA256_LEN],
			       struct iotpki_detail *detail) MUST_CHECK;

/**
 * Verifier that remembers the owners' certificates it has checked, for who verifies many (a ledger).
 * One thread at a time. tx_verify is the same with nothing remembered.
 */
struct tx_verifier;
/** NULL: no memory. */
struct tx_verifier *tx_verifier_new(void);
void tx_verifier_free(struct tx_verifier *verifier);
void tx_verifier_freep(struct tx_verifier **verifier);
enum tx_reason tx_verifier_verify(struct tx_verifier *verifier, const uint8_t *der, size_t len,
				  struct tx *tx_out, uint8_t txid_out[static SHA256_LEN],
				  struct iotpki_detail *detail) MUST_CHECK;

/**
 * The parts of a DER as they stand in it, for who stores or shows one without judging it again.
 * Points into der.
 */
struct tx_parts {
	const uint8_t *content, *cert, *key_id, *attributes, *digest, *signature;
	size_t content_len, cert_len, attributes_len,
		signature_len; /* key_id: 20, digest: 32 bytes */
};
/** Split a transaction; false (detail says the byte) unless it has the one structure allowed. */
bool tx_split(const uint8_t *der, size_t len, struct tx_parts *parts_out,
	      struct iotpki_detail *detail) MUST_CHECK;
