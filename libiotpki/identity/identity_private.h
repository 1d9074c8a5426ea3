/* Inside of an identity; for the files of this folder that make, store and export it. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "identity/identity.h"

struct identity {
	EVP_PKEY *key;
	X509 *x509;
	size_t der_len;
	struct iotpki_cert cert; /* what iotpki_cert_check said of der */
	uint8_t der[IOTPKI_CERT_DER_MAX];
};

/**
 * Put together what belongs together: takes over key and x509 (also when it fails), checks the
 * certificate in full and that the key is its key.
 */
enum iotpki_err identity_assemble(EVP_PKEY *key, X509 *x509, struct identity **identity_out,
				  struct iotpki_detail *detail) MUST_CHECK;

/** A failure of the crypto library as an error of ours; what it queued is dropped. */
enum iotpki_err identity_crypto_failed(struct iotpki_detail *detail, const char *what);

/** openssh-key-v1 (PROTOCOL.key of OpenSSH), not encrypted. */
enum iotpki_err identity_openssh(const struct identity *identity,
				 const struct random_source *random, struct buf *pem_out,
				 struct iotpki_detail *detail) MUST_CHECK;

void identity_pkey_freep(EVP_PKEY **key);
void identity_x509_freep(X509 **x509);
void identity_bn_freep(BIGNUM **number);
