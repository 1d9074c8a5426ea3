/* The full check of a certificate: the walk, the key's arithmetic, the extensions, and its self-signature by OpenSSL. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "format/cert.h"
#include "format/sshkey.h"

#define ALGORITHM(bytes)                 \
	{                                \
		bytes, sizeof(bytes) - 1 \
	}

/* AlgorithmIdentifiers that are taken, whole: SHA-2 and Ed25519, with the one form of their parameters. */
static const struct {
	const char *der;
	size_t len;
} algorithms[] = {
	ALGORITHM("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"), /* ecdsa-with-SHA256 */
	ALGORITHM("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"), /* ecdsa-with-SHA384 */
	ALGORITHM("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"), /* ecdsa-with-SHA512 */
	ALGORITHM("\x30\x05\x06\x03\x2b\x65\x70"),                     /* Ed25519 */
	/* sha256, sha384, sha512WithRSAEncryption */
	ALGORITHM("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"),
	ALGORITHM("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00"),
	ALGORITHM("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00"),
};

static bool algorithm_allowed(const struct der *algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (der_equal(algorithm, algorithms[i].der, algorithms[i].len))
			return true;
	return false;
}

static void x509_free(X509 **x509)
{
	X509_free(*x509);
}

static enum iotpki_err check_signature(const uint8_t *der, size_t len, struct iotpki_detail *detail)
{
	const uint8_t *at = der;
	CLEANUP(x509_free) X509 *x509 = d2i_X509(NULL, &at, (long)len);
	EVP_PKEY *key = x509 != NULL ? X509_get0_pubkey(x509) : NULL;
	const bool good = key != NULL && at == der + len && X509_verify(x509, key) == 1;
	ERR_clear_error();
	if (!good)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
				  "the certificate's self-signature is not valid");
	return IOTPKI_OK;
}

static enum iotpki_err check(const uint8_t *der, size_t len, struct iotpki_cert *cert,
			     struct iotpki_detail *detail)
{
	struct cert_parts parts;
	enum iotpki_err err = cert_walk(der, len, cert, &parts, detail);
	if (err != IOTPKI_OK)
		return err;
	if (!algorithm_allowed(&parts.algorithm))
		return detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
				  "the certificate is not signed with SHA-256, SHA-384, SHA-512 "
				  "or Ed25519");
	struct iotpki_sshkey key;
	err = sshkey_read_spki(parts.spki.at, parts.spki.left, SSHKEY_FULL, &key, detail);
	if (err == IOTPKI_OK)
		err = cert_check_extensions(&parts.extensions, cert->name, detail);
	if (err == IOTPKI_OK)
		err = check_signature(der, len, detail);
	return err;
}

enum iotpki_err iotpki_cert_check(const uint8_t *der, size_t len, struct iotpki_cert *cert_out,
				  struct iotpki_detail *detail)
{
	const enum iotpki_err err = check(der, len, cert_out, detail);
	if (err != IOTPKI_OK)
		memset(cert_out, 0, sizeof(*cert_out));
	return err;
}
