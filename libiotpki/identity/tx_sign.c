/*
 * Signing and verifying of transactions. The CMS structure is ours (tx_der.c), because
 * OpenSSL 3.0 always adds a signing time, answers 1 for a wrong key when an object is
 * verified twice, and needs 100 us to parse a certificate; what it does here is ECDSA
 * and, once an owner, the certificate. Tests hold every DER against OpenSSL's own CMS.
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "identity/tx_der.h"

/* An owner whose certificate has been checked. */
struct owner {
	bool known;
	uint8_t cert_sha256[SHA256_LEN];
	uint8_t spki_sha256[SHA256_LEN];
	uint8_t key_id[TX_KEY_ID_LEN];
	EVP_PKEY *key;
};

enum { OWNER_SLOTS = 1024 }; /* by a byte and a bit of the hash; a clash costs one check more */
struct tx_verifier {
	struct owner owners[OWNER_SLOTS];
};

static void x509_freep(X509 **x509)
{
	X509_free(*x509);
}

static void key_ctx_freep(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static void sig_freep(ECDSA_SIG **sig)
{
	ECDSA_SIG_free(*sig);
}

static void bn_freep(BIGNUM **bn)
{
	BN_free(*bn);
}

static void der_freep(unsigned char **der)
{
	OPENSSL_free(*der);
}

static void owner_done(struct owner *owner)
{
	EVP_PKEY_free(owner->key);
	memset(owner, 0, sizeof(*owner));
}

struct tx_verifier *tx_verifier_new(void)
{
	return calloc(1, sizeof(struct tx_verifier));
}

void tx_verifier_free(struct tx_verifier *verifier)
{
	if (verifier == NULL)
		return;
	for (size_t i = 0; i < OWNER_SLOTS; i++)
		owner_done(&verifier->owners[i]);
	free(verifier);
}

void tx_verifier_freep(struct tx_verifier **verifier)
{
	tx_verifier_free(*verifier);
	*verifier = NULL;
}

static enum tx_reason fail(struct iotpki_detail *detail, enum tx_reason reason, const char *what)
{
	(void)detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0, "%s", what);
	return reason;
}

/* Hashing fails for want of memory alone: the transaction is not to blame. */
static enum tx_reason no_hash(struct iotpki_detail *detail)
{
	return fail(detail, TX_STORAGE, "the node cannot compute a hash (out of memory?)");
}

static bool verify_digest(EVP_PKEY *key, const uint8_t digest[static SHA256_LEN],
			  const uint8_t *signature, size_t len)
{
	CLEANUP(key_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	return ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
	       EVP_PKEY_verify(ctx, signature, len, digest, SHA256_LEN) == 1;
}

/* The key must be P-256 with an uncompressed point: one spelling, one owner hash. */
static enum tx_reason read_key(X509 *x509, struct owner *owner, struct iotpki_detail *detail)
{
	CLEANUP(der_freep) unsigned char *spki = NULL;
	const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
	if (len != TX_SPKI_LEN || memcmp(spki, tx_spki_prefix, sizeof(tx_spki_prefix)) != 0)
		return fail(detail, TX_BAD_ENCODING, "the owner's key is not on the curve P-256");
	if (sha256(spki, TX_SPKI_LEN, owner->spki_sha256) != IOTPKI_OK)
		return no_hash(detail);
	EVP_PKEY *key = X509_get0_pubkey(x509);
	if (key == NULL || EVP_PKEY_up_ref(key) != 1)
		return fail(detail, TX_BAD_ENCODING, "the owner's key is not a point of its curve");
	owner->key = key;

	const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(x509);
	if (key_id == NULL || ASN1_STRING_length(key_id) != TX_KEY_ID_LEN)
		return fail(detail, TX_BAD_ENCODING,
			    "the owner's certificate has no subjectKeyIdentifier of 20 bytes");
	memcpy(owner->key_id, ASN1_STRING_get0_data(key_id), TX_KEY_ID_LEN);
	return TX_OK;
}

/* OpenSSL forgives some encodings; re-encoding tells which. */
static bool encoded_as_der(X509 *x509, const struct tx_cert_parts *parts)
{
	CLEANUP(der_freep) unsigned char *tbs = NULL;
	const int len = i2d_re_X509_tbs(x509, &tbs);
	return len > 0 && (size_t)len == parts->tbs_len &&
	       memcmp(tbs, parts->tbs, parts->tbs_len) == 0;
}

static enum tx_reason check_cert(const uint8_t *der, size_t len, struct owner *owner,
				 struct iotpki_detail *detail)
{
	struct tx_cert_parts parts;
	if (!tx_der_strict(der, len) || !tx_der_split_cert(der, len, &parts))
		return fail(detail, TX_BAD_ENCODING,
			    "the owner's certificate is not DER signed with ecdsa-with-SHA256");
	if (!tx_der_signature_low(parts.signature, parts.signature_len))
		return fail(detail, TX_BAD_SIGNATURE,
			    "the signature of the owner's certificate is not in its low-s form");

	const unsigned char *at = der;
	CLEANUP(x509_freep) X509 *x509 = d2i_X509(NULL, &at, (long)len);
	if (x509 == NULL || at != der + len || !encoded_as_der(x509, &parts))
		return fail(detail, TX_BAD_ENCODING,
			    "the owner's certificate is not the DER of one");
	const enum tx_reason reason = read_key(x509, owner, detail);
	if (reason != TX_OK)
		return reason;

	uint8_t digest[SHA256_LEN];
	if (sha256(parts.tbs, parts.tbs_len, digest) != IOTPKI_OK)
		return no_hash(detail);
	if (!verify_digest(owner->key, digest, parts.signature, parts.signature_len))
		return fail(detail, TX_BAD_SIGNATURE,
			    "the owner's certificate is not signed with its own key");
	return TX_OK;
}

/* The owner in its slot of the cache, checked now if it is not there. */
static enum tx_reason find_owner(struct tx_verifier *verifier, const struct tx_parts *parts,
				 const struct owner **owner_out, struct iotpki_detail *detail)
{
	uint8_t hash[SHA256_LEN];
	if (sha256(parts->cert, parts->cert_len, hash) != IOTPKI_OK)
		return no_hash(detail);
	struct owner *slot = &verifier->owners[(hash[0] << 8 | hash[1]) % OWNER_SLOTS];
	*owner_out = slot;
	if (slot->known && memcmp(slot->cert_sha256, hash, SHA256_LEN) == 0)
		return TX_OK;

	owner_done(slot);
	const enum tx_reason reason = check_cert(parts->cert, parts->cert_len, slot, detail);
	if (reason != TX_OK) {
		owner_done(slot);
		return reason;
	}
	memcpy(slot->cert_sha256, hash, SHA256_LEN);
	slot->known = true;
	return TX_OK;
}

static enum tx_reason check_signature(const struct owner *owner, const struct tx_parts *parts,
				      struct iotpki_detail *detail)
{
	if (memcmp(owner->key_id, parts->key_id, TX_KEY_ID_LEN) != 0)
		return fail(detail, TX_BAD_SIGNATURE, "the signer is not the certificate's key");
	if (!tx_der_signature_low(parts->signature, parts->signature_len))
		return fail(detail, TX_BAD_SIGNATURE, "the signature is not in its low-s form");

	uint8_t digest[SHA256_LEN];
	if (sha256(parts->content, parts->content_len, digest) != IOTPKI_OK)
		return no_hash(detail);
	if (memcmp(digest, parts->digest, SHA256_LEN) != 0)
		return fail(detail, TX_BAD_SIGNATURE,
			    "messageDigest is not the hash of the content");
	uint8_t attributes[TX_ATTRIBUTES_LEN];
	tx_der_attributes(digest, attributes);
	if (sha256(attributes, sizeof(attributes), digest) != IOTPKI_OK)
		return no_hash(detail);
	if (!verify_digest(owner->key, digest, parts->signature, parts->signature_len))
		return fail(detail, TX_BAD_SIGNATURE, "the owner's signature does not verify");
	return TX_OK;
}

static enum tx_reason verify(struct tx_verifier *verifier, const uint8_t *der, size_t len,
			     struct tx *tx_out, struct iotpki_detail *detail)
{
	struct tx_parts parts;
	if (!tx_split(der, len, &parts, detail))
		return TX_BAD_ENCODING;
	const struct owner *owner;
	enum tx_reason reason = find_owner(verifier, &parts, &owner, detail);
	if (reason == TX_OK)
		reason = check_signature(owner, &parts, detail);
	struct tx tx;
	if (reason == TX_OK)
		reason = tx_parse_content(parts.content, parts.content_len, &tx, detail);
	if (reason != TX_OK)
		return reason;
	if (memcmp(tx.owner, owner->spki_sha256, SHA256_LEN) != 0)
		return fail(detail, TX_BAD_SIGNATURE, "the owner named is not the one who signed");
	*tx_out = tx;
	return TX_OK;
}

enum tx_reason tx_verifier_verify(struct tx_verifier *verifier, const uint8_t *der, size_t len,
				  struct tx *tx_out, uint8_t txid_out[static SHA256_LEN],
				  struct iotpki_detail *detail)
{
	memset(txid_out, 0, SHA256_LEN);
	if (sha256(der, len, txid_out) != IOTPKI_OK)
		return no_hash(detail);
	/* What OpenSSL notes about a refused input must not be found by an unrelated caller. */
	(void)ERR_set_mark();
	const enum tx_reason reason = verify(verifier, der, len, tx_out, detail);
	(void)ERR_pop_to_mark();
	return reason;
}

enum tx_reason tx_verify(const uint8_t *der, size_t len, struct tx *tx_out,
			 uint8_t txid_out[static SHA256_LEN], struct iotpki_detail *detail)
{
	CLEANUP(tx_verifier_freep) struct tx_verifier *verifier = tx_verifier_new();
	if (verifier == NULL) {
		memset(txid_out, 0, SHA256_LEN);
		return no_hash(detail);
	}
	return tx_verifier_verify(verifier, der, len, tx_out, txid_out, detail);
}

/* Of (r, s) and (r, n - s), which verify alike, the one with the smaller s. */
static bool make_low(const uint8_t *signature, size_t len, uint8_t out[static TX_SIGNATURE_MAX],
		     size_t *len_out)
{
	static const char order[] =
		"FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
	const unsigned char *at = signature;
	CLEANUP(sig_freep) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	if (sig == NULL || at != signature + len || len > TX_SIGNATURE_MAX)
		return false;
	if (!tx_der_signature_low(signature, len)) {
		CLEANUP(bn_freep) BIGNUM *n = NULL;
		CLEANUP(bn_freep) BIGNUM *low = BN_new();
		CLEANUP(bn_freep) BIGNUM *r = BN_dup(ECDSA_SIG_get0_r(sig));
		if (low == NULL || r == NULL || BN_hex2bn(&n, order) == 0 ||
		    BN_sub(low, n, ECDSA_SIG_get0_s(sig)) != 1 || ECDSA_SIG_set0(sig, r, low) != 1)
			return false;
		r = NULL; /* sig owns both now */
		low = NULL;
	}
	CLEANUP(der_freep) unsigned char *der = NULL;
	const int made = i2d_ECDSA_SIG(sig, &der);
	if (made <= 0 || made > TX_SIGNATURE_MAX)
		return false;
	memcpy(out, der, (size_t)made);
	*len_out = (size_t)made;
	return tx_der_signature_low(out, *len_out);
}

static bool sign_digest(EVP_PKEY *key, const uint8_t digest[static SHA256_LEN],
			uint8_t out[static TX_SIGNATURE_MAX], size_t *len_out)
{
	uint8_t raw[TX_SIGNATURE_MAX];
	size_t len = sizeof(raw);
	CLEANUP(key_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	return ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
	       EVP_PKEY_sign(ctx, raw, &len, digest, SHA256_LEN) == 1 &&
	       make_low(raw, len, out, len_out);
}

/* The certificate as it goes into transactions: its own signature in low-s form, too. */
static enum iotpki_err low_cert(const uint8_t *der, size_t len, struct buf *cert_out)
{
	struct tx_cert_parts parts;
	uint8_t signature[TX_SIGNATURE_MAX];
	if (!tx_der_split_cert(der, len, &parts))
		return IOTPKI_ERR_UNSUPPORTED;
	if (!make_low(parts.signature, parts.signature_len, signature, &parts.signature_len))
		return IOTPKI_ERR_UNSUPPORTED;
	parts.signature = signature;
	return tx_der_join_cert(&parts, cert_out);
}

static enum iotpki_err sign(const struct buf *json, EVP_PKEY *key, const struct buf *cert,
			    const struct owner *known, struct buf *der_out)
{
	uint8_t digest[SHA256_LEN];
	uint8_t attributes[TX_ATTRIBUTES_LEN];
	uint8_t signed_hash[SHA256_LEN];
	uint8_t signature[TX_SIGNATURE_MAX];
	size_t signature_len = 0;
	enum iotpki_err err = sha256(json->data, json->len, digest);
	if (err != IOTPKI_OK)
		return err;
	tx_der_attributes(digest, attributes);
	err = sha256(attributes, sizeof(attributes), signed_hash);
	if (err != IOTPKI_OK)
		return err;
	if (!sign_digest(key, signed_hash, signature, &signature_len))
		return IOTPKI_ERR_CRYPTO;

	const struct tx_parts parts = {
		.content = json->data,
		.content_len = json->len,
		.cert = cert->data,
		.cert_len = cert->len,
		.key_id = known->key_id,
		.digest = digest,
		.signature = signature,
		.signature_len = signature_len,
	};
	return tx_der_join(&parts, der_out);
}

static enum iotpki_err sign_content(const struct buf *json, void *evp_pkey, const uint8_t *cert,
				    size_t cert_len, struct buf *der_out,
				    uint8_t owner_out[static SHA256_LEN],
				    struct iotpki_detail *detail)
{
	CLEANUP(owner_done) struct owner known = { 0 };
	CLEANUP(buf_done) struct buf low = BUF_INIT(TX_DER_MAX);
	enum iotpki_err err = low_cert(cert, cert_len, &low);
	if (err == IOTPKI_OK && check_cert(low.data, low.len, &known, detail) != TX_OK)
		return IOTPKI_ERR_UNSUPPORTED; /* detail says why */
	if (err == IOTPKI_ERR_UNSUPPORTED)
		return detail_set(
			detail, err, 0, 0,
			"transactions are signed with P-256 keys alone; make an owner key with "
			"'iotpki dm init'");
	if (err == IOTPKI_OK)
		err = sign(json, evp_pkey, &low, &known, der_out);
	if (err != IOTPKI_OK)
		return detail_set(detail, err, 0, 0, "cannot sign: %s", iotpki_strerror(err));
	memcpy(owner_out, known.spki_sha256, SHA256_LEN);
	return IOTPKI_OK;
}

enum iotpki_err tx_sign_content(const struct buf *json, void *evp_pkey, const uint8_t *cert,
				size_t cert_len, struct buf *der_out,
				uint8_t owner_out[static SHA256_LEN], struct iotpki_detail *detail)
{
	(void)ERR_set_mark();
	const enum iotpki_err err =
		sign_content(json, evp_pkey, cert, cert_len, der_out, owner_out, detail);
	(void)ERR_pop_to_mark();
	return err;
}
