/*
 * The one DER structure of a transaction (RFC 5652, design 6): written and split by
 * the same templates. What the templates do not name cannot be there, so a second
 * signer, other algorithms, other attributes, unsigned attributes, detached content,
 * BER lengths and trailing bytes all fail here, before any crypto library sees a byte
 * (invariant I10).
 */
#pragma once

#include "identity/tx.h"

#define TX_KEY_ID_LEN 20     /* subjectKeyIdentifier: SHA-1 of the key's bits */
#define TX_SIGNATURE_MAX 72  /* DER of an ECDSA signature over P-256 */
#define TX_ATTRIBUTES_LEN 77 /* signed attributes with tag and length */
#define TX_SPKI_LEN 91       /* SubjectPublicKeyInfo of P-256, uncompressed point */

/** SubjectPublicKeyInfo of an uncompressed P-256 key, up to and with the 04 of the point. */
extern const uint8_t tx_spki_prefix[27];

/** The signed attributes as they are signed (a SET) for the digest of a content. */
void tx_der_attributes(const uint8_t digest[static SHA256_LEN],
		       uint8_t out[static TX_ATTRIBUTES_LEN]);

/** Put a transaction together; attributes is not used, digest is. */
enum iotpki_err tx_der_join(const struct tx_parts *parts, struct buf *der_out) MUST_CHECK;

/** A DER ECDSA signature over P-256 with 0 < r < n, 0 < s <= n/2, minimal integers. */
bool tx_der_signature_low(const uint8_t *signature, size_t len) MUST_CHECK;

/** All of it is definite, minimal lengths at every depth that constructed tags reach. */
bool tx_der_strict(const uint8_t *der, size_t len) MUST_CHECK;

/** Split a certificate signed with ecdsa-with-SHA256 into what is signed and the signature. */
struct tx_cert_parts {
	const uint8_t *tbs, *signature;
	size_t tbs_len, signature_len;
};
bool tx_der_split_cert(const uint8_t *der, size_t len, struct tx_cert_parts *parts_out) MUST_CHECK;
/** The same certificate around another signature of the same bytes. */
enum iotpki_err tx_der_join_cert(const struct tx_cert_parts *parts, struct buf *der_out) MUST_CHECK;

/**
 * Sign any content with an EVP_PKEY and the DER of its self-signed certificate. Says nothing about
 * the content: tx_sign does, and tests sign what no tool would.
 * @param owner_out  SHA-256 of the signer's SPKI
 */
enum iotpki_err tx_sign_content(const struct buf *json, void *evp_pkey, const uint8_t *cert,
				size_t cert_len, struct buf *der_out,
				uint8_t owner_out[static SHA256_LEN],
				struct iotpki_detail *detail) MUST_CHECK;
