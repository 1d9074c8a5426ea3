/*
 * A key pair and its self-signed certificate (paper III-C step 4, design 5): made,
 * kept in a folder as key.pem (PKCS#8, 0600) and cert.pem, used to sign.
 * The only header above tx.h that knows what a private key is.
 */
#pragma once

#include <iotpki/cert.h>

#include "base/buf.h"
#include "base/random.h"

enum identity_algorithm {
	IDENTITY_P256, /* default */
	IDENTITY_P384,
	IDENTITY_RSA3072,
	IDENTITY_ED25519, /* operators only: CMS of OpenSSL 3.0 cannot sign with it */
};

/** "p256", "p384", "rsa3072", "ed25519"; and back. */
const char *identity_algorithm_name(enum identity_algorithm algorithm);
bool identity_algorithm_parse(const char *name, enum identity_algorithm *algorithm_out);

struct identity; /* opaque: key and certificate */

/** Make a key and its certificate for a name (NULL: a new UUIDv4). Nothing touches a disk. */
enum iotpki_err identity_new(const char *name, enum identity_algorithm algorithm,
			     const struct random_source *random, struct identity **identity_out,
			     struct iotpki_detail *detail) MUST_CHECK;
/** Read folder/key.pem and folder/cert.pem; the key file must be the caller's (or root's) and 0600 or less. */
enum iotpki_err identity_load(const char *folder, struct identity **identity_out,
			      struct iotpki_detail *detail) MUST_CHECK;
/** Key and certificate of somebody else's making (PEM texts); they must belong together. */
enum iotpki_err identity_import(const char *key_pem, size_t key_len, const char *cert_pem,
				size_t cert_len, struct identity **identity_out,
				struct iotpki_detail *detail) MUST_CHECK;
/** Write both durably into a folder (made 0700 if it is missing); the key first, never over an existing one. */
enum iotpki_err identity_save(const struct identity *identity, const char *folder,
			      struct iotpki_detail *detail) MUST_CHECK;
void identity_free(struct identity *identity);
void identity_freep(struct identity **identity);

const struct iotpki_cert *identity_cert(const struct identity *identity);
/** DER of the certificate; lives as long as the identity. */
void identity_der(const struct identity *identity, const uint8_t **der_out, size_t *len_out);
/** The private key as PKCS#8 PEM, or (openssh: Ed25519 only needs it, RSA and EC may) openssh-key-v1. */
enum iotpki_err identity_private_pem(const struct identity *identity, bool openssh,
				     const struct random_source *random, struct buf *pem_out,
				     struct iotpki_detail *detail) MUST_CHECK;

/** OpenSSL's objects, for tx.c and TLS alone: EVP_PKEY * and X509 *, owned by the identity. */
void *identity_evp_pkey(const struct identity *identity);
void *identity_x509(const struct identity *identity);
