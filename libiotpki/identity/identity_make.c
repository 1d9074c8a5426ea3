/* Making a key and its self-signed certificate (design 5, paper III-C step 4). */
#include <stdio.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>

#include "format/cert.h"
#include "identity/identity_private.h"

/* A device may start without a clock: its certificate is valid as early as any clock of it can be. */
#define NOT_BEFORE "20200101000000Z"
/* RFC 5280 4.1.2.5: no well-defined end. The NVS expiry rules. */
#define NOT_AFTER "99991231235959Z"

enum { SERIAL_LEN = 16, SIGN_TRIES = 128 };

/* Indexed by enum identity_algorithm. */
static const struct {
	const char *type;
	const char *curve;  /* EC */
	size_t bits;        /* RSA */
	const char *digest; /* NULL: the algorithm brings its own */
} algorithms[] = {
	[IDENTITY_P256] = { "EC", "P-256", 0, "SHA256" },
	[IDENTITY_P384] = { "EC", "P-384", 0, "SHA384" },
	[IDENTITY_RSA3072] = { "RSA", NULL, 3072, "SHA256" },
	[IDENTITY_ED25519] = { "ED25519", NULL, 0, NULL },
};

static EVP_PKEY *generate(enum identity_algorithm algorithm)
{
	if (algorithms[algorithm].curve != NULL)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", algorithms[algorithm].curve);
	if (algorithms[algorithm].bits != 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", algorithms[algorithm].bits);
	return EVP_PKEY_Q_keygen(NULL, NULL, algorithms[algorithm].type);
}

/* Random, positive, of a fixed length. */
static enum iotpki_err set_serial(X509 *x509, const struct random_source *random)
{
	uint8_t serial[SERIAL_LEN];
	const enum iotpki_err err = random->fill(random, serial, sizeof(serial));
	if (err != IOTPKI_OK)
		return err;
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
	CLEANUP(identity_bn_freep) BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
	if (number == NULL || BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) == NULL)
		return IOTPKI_ERR_NOMEM;
	return IOTPKI_OK;
}

static bool set_names(X509 *x509, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(x509);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1,
					  -1, 0) == 1 &&
	       X509_set_issuer_name(x509, subject) == 1;
}

static bool add_extension(X509 *x509, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	const bool good = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

/* The key identifier is for CMS, whose signer is named by it alone (design 6). */
static bool add_extensions(X509 *x509, const char *name)
{
	static const struct {
		int nid;
		const char *value;
	} fixed[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_subject_key_identifier, "hash" },
	};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (!add_extension(x509, fixed[i].nid, fixed[i].value))
			return false;
	if (!cert_name_is_uuid(name))
		return true;
	char uri[sizeof("URI:urn:uuid:") + IOTPKI_NAME_MAX];
	(void)snprintf(uri, sizeof(uri), "URI:urn:uuid:%s", name);
	return add_extension(x509, NID_subject_alt_name, uri);
}

static bool fill(X509 *x509, EVP_PKEY *key, const char *name)
{
	return X509_set_version(x509, X509_VERSION_3) == 1 && set_names(x509, name) &&
	       ASN1_TIME_set_string_X509(X509_getm_notBefore(x509), NOT_BEFORE) == 1 &&
	       ASN1_TIME_set_string_X509(X509_getm_notAfter(x509), NOT_AFTER) == 1 &&
	       X509_set_pubkey(x509, key) == 1 && add_extensions(x509, name);
}

static void group_free(EC_GROUP **group)
{
	EC_GROUP_free(*group);
}

static void signature_free(ECDSA_SIG **signature)
{
	ECDSA_SIG_free(*signature);
}

/* 1 if s is at most half the order, 0 if not, -1 on failure. */
static int low_s(const X509 *x509, const char *curve)
{
	const ASN1_BIT_STRING *bits;
	X509_get0_signature(&bits, NULL, x509);
	const uint8_t *at = bits->data;
	CLEANUP(signature_free) ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, bits->length);
	CLEANUP(group_free)
	EC_GROUP *group = EC_GROUP_new_by_curve_name(EC_curve_nist2nid(curve));
	CLEANUP(identity_bn_freep) BIGNUM *half = BN_new();
	if (signature == NULL || group == NULL || half == NULL ||
	    BN_rshift1(half, EC_GROUP_get0_order(group)) != 1)
		return -1;
	return BN_cmp(ECDSA_SIG_get0_s(signature), half) <= 0;
}

/*
 * With ECDSA (r, -s) is a signature too, so anybody could turn one certificate into another of the
 * same content; the ledger takes the low s alone (design 6). Signing again until it is low needs
 * two tries on average and no surgery on the library's structures.
 */
static enum iotpki_err sign(X509 *x509, EVP_PKEY *key, enum identity_algorithm algorithm)
{
	const char *digest = algorithms[algorithm].digest;
	EVP_MD *md = digest != NULL ? EVP_MD_fetch(NULL, digest, NULL) : NULL;
	int low = digest != NULL && md == NULL ? -1 : 0;
	for (unsigned int i = 0; i < SIGN_TRIES && low == 0; i++) {
		low = X509_sign(x509, key, md) > 0 ? 1 : -1;
		if (low == 1 && algorithms[algorithm].curve != NULL)
			low = low_s(x509, algorithms[algorithm].curve);
	}
	EVP_MD_free(md);
	return low == 1 ? IOTPKI_OK : IOTPKI_ERR_CRYPTO;
}

static enum iotpki_err make(const char *name, enum identity_algorithm algorithm,
			    const struct random_source *random, struct identity **identity_out,
			    struct iotpki_detail *detail)
{
	CLEANUP(identity_pkey_freep) EVP_PKEY *key = generate(algorithm);
	if (key == NULL)
		return identity_crypto_failed(detail, "the crypto library cannot make a key");
	CLEANUP(identity_x509_freep) X509 *x509 = X509_new();
	if (x509 == NULL)
		return IOTPKI_ERR_NOMEM;
	const enum iotpki_err err = set_serial(x509, random);
	if (err != IOTPKI_OK)
		return detail_set(detail, err, 0, 0, "there is no randomness for a serial number");
	if (!fill(x509, key, name) || sign(x509, key, algorithm) != IOTPKI_OK)
		return identity_crypto_failed(detail,
					      "the crypto library cannot make the certificate");
	return identity_assemble(STEAL(key), STEAL(x509), identity_out, detail);
}

enum iotpki_err identity_new(const char *name, enum identity_algorithm algorithm,
			     const struct random_source *random, struct identity **identity_out,
			     struct iotpki_detail *detail)
{
	*identity_out = NULL;
	if ((size_t)algorithm >= ARRAY_LEN(algorithms))
		return IOTPKI_ERR_ARGUMENT;
	char uuid[37];
	if (name == NULL && random_uuid(random, uuid) != IOTPKI_OK)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "there is no randomness for a name");
	const char *chosen = name != NULL ? name : uuid;
	if (!iotpki_name_valid(chosen, strlen(chosen)))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "%.80s is not a name: a lower-case letter or digit, then at most "
				  "63 of a-z 0-9 . _ -",
				  chosen);
	return make(chosen, algorithm, random, identity_out, detail);
}
