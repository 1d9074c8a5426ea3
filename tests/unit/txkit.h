/* Keys and signed transactions for tests: made with OpenSSL alone, no identity, no files. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "identity/tx_der.h"

struct txkit_key {
	EVP_PKEY *key;
	X509 *x509;
	unsigned char *cert;
	size_t cert_len;
	uint8_t owner[SHA256_LEN];
};

/* A fresh P-256 key and its certificate; a failure aborts the test. */
void txkit_key_new(struct txkit_key *kit);
/* The same with so many bytes in its certificate that nobody needs. */
void txkit_key_new_large(struct txkit_key *kit, size_t useless);
void txkit_key_done(struct txkit_key *kit);

/* der_out is cleared first. */
void txkit_sign(const struct txkit_key *kit, const struct tx *tx, struct buf *der_out);
void txkit_sign_text(const struct txkit_key *kit, const char *json, struct buf *der_out);

/* Valid contents by op; salt is 32 times the byte given. */
struct tx txkit_preorder(const struct txkit_key *kit, const char *name, uint8_t salt,
			 int64_t time_s);
struct tx txkit_register(const struct txkit_key *kit, const char *name, uint8_t salt,
			 int64_t time_s, int64_t expires_s);
struct tx txkit_update(const struct txkit_key *kit, const char *name, const uint8_t *prev,
		       int64_t time_s, int64_t expires_s);
struct tx txkit_revoke(const struct txkit_key *kit, const char *name, const uint8_t *prev,
		       int64_t time_s);
#define TXKIT_VALUE "sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
