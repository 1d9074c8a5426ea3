/* A key and its certificate in memory. */
#include "identity/identity_private.h"

#include <openssl/err.h>
#include <string.h>

static const char *const algorithm_names[] = {
	[IDENTITY_P256] = "p256",
	[IDENTITY_P384] = "p384",
	[IDENTITY_RSA3072] = "rsa3072",
	[IDENTITY_ED25519] = "ed25519",
};

const char *identity_algorithm_name(enum identity_algorithm algorithm)
{
	return (size_t)algorithm < ARRAY_LEN(algorithm_names) ? algorithm_names[algorithm]
							      : "unknown";
}

bool identity_algorithm_parse(const char *name, enum identity_algorithm *algorithm_out)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithm_names); i++) {
		if (strcmp(algorithm_names[i], name) != 0)
			continue;
		*algorithm_out = (enum identity_algorithm)i;
		return true;
	}
	return false;
}

void identity_pkey_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
	*key = NULL;
}

void identity_x509_freep(X509 **x509)
{
	X509_free(*x509);
	*x509 = NULL;
}

void identity_bn_freep(BIGNUM **number)
{
	BN_clear_free(*number);
	*number = NULL;
}

enum iotpki_err identity_crypto_failed(struct iotpki_detail *detail, const char *what)
{
	ERR_clear_error();
	return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0, "%s", what);
}

void identity_free(struct identity *identity)
{
	if (identity == NULL)
		return;
	EVP_PKEY_free(identity->key); /* wipes it */
	X509_free(identity->x509);
	free(identity);
}

void identity_freep(struct identity **identity)
{
	identity_free(*identity);
	*identity = NULL;
}

enum iotpki_err identity_assemble(EVP_PKEY *key, X509 *x509, struct identity **identity_out,
				  struct iotpki_detail *detail)
{
	*identity_out = NULL;
	CLEANUP(identity_freep) struct identity *identity = calloc(1, sizeof(*identity));
	if (identity == NULL) {
		EVP_PKEY_free(key);
		X509_free(x509);
		return IOTPKI_ERR_NOMEM;
	}
	identity->key = key;
	identity->x509 = x509;

	const int len = i2d_X509(x509, NULL);
	if (len <= 0 || (size_t)len > sizeof(identity->der))
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the certificate is larger than %d bytes", IOTPKI_CERT_DER_MAX);
	uint8_t *at = identity->der;
	identity->der_len = (size_t)i2d_X509(x509, &at);
	const enum iotpki_err err =
		iotpki_cert_check(identity->der, identity->der_len, &identity->cert, detail);
	if (err != IOTPKI_OK)
		return err;
	if (X509_check_private_key(x509, key) != 1) {
		ERR_clear_error();
		return detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				  "the certificate is of another key");
	}
	*identity_out = STEAL(identity);
	return IOTPKI_OK;
}

const struct iotpki_cert *identity_cert(const struct identity *identity)
{
	return &identity->cert;
}

void identity_der(const struct identity *identity, const uint8_t **der_out, size_t *len_out)
{
	*der_out = identity->der;
	*len_out = identity->der_len;
}

void *identity_evp_pkey(const struct identity *identity)
{
	return identity->key;
}

void *identity_x509(const struct identity *identity)
{
	return identity->x509;
}
