/* Transactions of any form but the one: what OpenSSL's CMS makes, additions, BER, malleability. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/ec.h>

#include "txkit.h"

static struct txkit_key owner, other;
#define NAME "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define NOW INT64_C(1800000000)

static int setup(void **state)
{
	(void)state;
	txkit_key_new(&owner);
	txkit_key_new(&other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	txkit_key_done(&owner);
	txkit_key_done(&other);
	return 0;
}

static struct tx revocation(void)
{
	uint8_t prev[SHA256_LEN];
	memset(prev, 0xab, sizeof(prev));
	return txkit_revoke(&owner, NAME, prev, NOW);
}

/* What OpenSSL's CMS thinks of a DER: parsed afresh each time (facts.md 5). */
static bool openssl_accepts(const struct buf *der)
{
	const unsigned char *at = der->data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)der->len);
	if (cms == NULL)
		return false;
	unsigned char *again = NULL;
	const int len = i2d_CMS_ContentInfo(cms, &again);
	BIO *out = BIO_new(BIO_s_mem());
	const bool good =
		at == der->data + der->len && len == (int)der->len &&
		memcmp(again, der->data, der->len) == 0 &&
		CMS_verify(cms, NULL, NULL, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	BIO_free(out);
	OPENSSL_free(again);
	CMS_ContentInfo_free(cms);
	return good;
}

static enum tx_reason judge(const struct buf *der)
{
	struct tx tx;
	uint8_t txid[SHA256_LEN];
	struct iotpki_detail detail = { 0 };
	/* An exact copy: a sanitizer sees the first byte read beyond it. */
	uint8_t *copy = malloc(der->len > 0 ? der->len : 1);
	assert_non_null(copy);
	memcpy(copy, der->data, der->len);
	const enum tx_reason reason = tx_verify(copy, der->len, &tx, txid, &detail);
	free(copy);
	if (reason != TX_OK && detail.message[0] == '\0')
		fail_msg("%s without a word for people", tx_reason_name(reason));
	return reason;
}

static void expect(const struct buf *der, enum tx_reason want, const char *row)
{
	const enum tx_reason got = judge(der);
	if (got != want)
		fail_msg("%s: %s, not %s", row, tx_reason_name(got), tx_reason_name(want));
}

/* Transactions that OpenSSL's CMS makes: classes C01 to C04 of the bad-input catalogue. */
static CMS_ContentInfo *cms_of(unsigned int flags, const EVP_MD *md, unsigned int signer_flags,
			       bool twice)
{
	CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
	const struct tx tx = revocation();
	assert_int_equal(tx_content(&tx, &json), IOTPKI_OK);
	BIO *in = BIO_new_mem_buf(json.data, (int)json.len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, in, flags | CMS_BINARY | CMS_PARTIAL);
	assert_non_null(cms);
	assert_non_null(CMS_add1_signer(cms, owner.x509, owner.key, md, signer_flags | CMS_BINARY));
	if (twice)
		assert_non_null(
			CMS_add1_signer(cms, other.x509, other.key, md, signer_flags | CMS_BINARY));
	assert_int_equal(CMS_final(cms, in, NULL, flags | CMS_BINARY), 1);
	BIO_free(in);
	return cms;
}

static void encode(CMS_ContentInfo *cms, struct buf *der)
{
	unsigned char *bytes = NULL;
	const int len = i2d_CMS_ContentInfo(cms, &bytes);
	assert_true(len > 0);
	buf_clear(der);
	assert_int_equal(buf_put(der, bytes, (size_t)len), IOTPKI_OK);
	OPENSSL_free(bytes);
	CMS_ContentInfo_free(cms);
}

static void other_cms_is_refused(void **state)
{
	(void)state;
	const unsigned int skid = CMS_USE_KEYID;
	const struct {
		const char *name;
		unsigned int flags;
		const EVP_MD *md;
		unsigned int signer_flags;
		bool twice;
	} rows[] = {
		{ "signing time among the attributes", 0, EVP_sha256(), skid | CMS_NOSMIMECAP,
		  false },
		{ "S/MIME capabilities", 0, EVP_sha256(), skid, false },
		{ "no signed attributes", 0, EVP_sha256(), skid | CMS_NOATTR, false },
		{ "two signers", 0, EVP_sha256(), skid | CMS_NOATTR, true },
		{ "issuer and serial", 0, EVP_sha256(), CMS_NOATTR, false },
		{ "SHA-1", 0, EVP_sha1(), skid | CMS_NOATTR, false },
		{ "SHA-384", 0, EVP_sha384(), skid | CMS_NOATTR, false },
		{ "no certificate", 0, EVP_sha256(), skid | CMS_NOATTR | CMS_NOCERTS, false },
		{ "content detached", CMS_DETACHED, EVP_sha256(), skid | CMS_NOATTR, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf der = BUF_INIT(4 * TX_DER_MAX);
		encode(cms_of(rows[i].flags, rows[i].md, rows[i].signer_flags, rows[i].twice),
		       &der);
		expect(&der, TX_BAD_ENCODING, rows[i].name);
	}
}

/* Our own valid DER with something added by OpenSSL's functions. */
static CMS_ContentInfo *reopen(const struct buf *der)
{
	const unsigned char *at = der->data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)der->len);
	assert_non_null(cms);
	return cms;
}

static void additions_are_refused(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf der = BUF_INIT(4 * TX_DER_MAX);
	CLEANUP(buf_done) struct buf good = BUF_INIT(TX_DER_MAX);
	const struct tx tx = revocation();
	txkit_sign(&owner, &tx, &good);

	CMS_ContentInfo *cms = reopen(&good);
	assert_int_equal(CMS_add1_cert(cms, other.x509), 1);
	encode(cms, &der);
	expect(&der, TX_BAD_ENCODING, "two certificates");

	cms = reopen(&good);
	CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	assert_int_equal(CMS_unsigned_add1_attr_by_NID(signer, NID_pkcs9_unstructuredName,
						       V_ASN1_PRINTABLESTRING, "x", 1),
			 1);
	encode(cms, &der);
	expect(&der, TX_BAD_ENCODING, "an unsigned attribute");

	cms = reopen(&good);
	signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	assert_int_equal(CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_unstructuredName,
						     V_ASN1_PRINTABLESTRING, "x", 1),
			 1);
	encode(cms, &der);
	expect(&der, TX_BAD_ENCODING, "a third signed attribute");

	cms = reopen(&good);
	signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	X509_ATTRIBUTE_free(CMS_signed_delete_attr(signer, 0));
	encode(cms, &der);
	expect(&der, TX_BAD_ENCODING, "one signed attribute");

	/* C05: enveloped data never comes as far as a decryption. */
	BIO *in = BIO_new_mem_buf("x", 1);
	STACK_OF(X509) *to = sk_X509_new_null();
	assert_int_equal(sk_X509_push(to, owner.x509), 1);
	encode(CMS_encrypt(to, in, EVP_aes_256_cbc(), CMS_BINARY), &der);
	expect(&der, TX_BAD_ENCODING, "enveloped data");
	sk_X509_free(to);
	BIO_free(in);
}

/* The other s of the same signature. */
static void flip_s(const uint8_t *signature, size_t len, uint8_t *out, size_t *len_out)
{
	const unsigned char *at = signature;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	BIGNUM *n = NULL;
	assert_true(
		BN_hex2bn(&n, "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551") >
		0);
	BIGNUM *r = BN_dup(ECDSA_SIG_get0_r(sig));
	BIGNUM *s = BN_new();
	assert_int_equal(BN_sub(s, n, ECDSA_SIG_get0_s(sig)), 1);
	assert_int_equal(ECDSA_SIG_set0(sig, r, s), 1);
	const int made = i2d_ECDSA_SIG(sig, &out);
	assert_true(made > 0);
	*len_out = (size_t)made;
	BN_free(n);
	ECDSA_SIG_free(sig);
}

static void malleable_signatures_are_refused(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf good = BUF_INIT(TX_DER_MAX);
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	CLEANUP(buf_done) struct buf cert = BUF_INIT(TX_DER_MAX);
	const struct tx tx = revocation();
	txkit_sign(&owner, &tx, &good);
	struct tx_parts parts;
	uint8_t high[TX_SIGNATURE_MAX];
	assert_true(tx_split(good.data, good.len, &parts, NULL));
	const struct tx_parts right = parts;

	assert_true(tx_der_signature_low(parts.signature, parts.signature_len));
	flip_s(parts.signature, parts.signature_len, high, &parts.signature_len);
	parts.signature = high;
	assert_false(tx_der_signature_low(high, parts.signature_len));
	assert_int_equal(tx_der_join(&parts, &der), IOTPKI_OK);
	assert_true(openssl_accepts(&der)); /* so nothing but our own rule refuses it */
	expect(&der, TX_BAD_SIGNATURE, "high s of the transaction");

	struct tx_cert_parts inner;
	parts = right;
	assert_true(tx_der_split_cert(parts.cert, parts.cert_len, &inner));
	flip_s(inner.signature, inner.signature_len, high, &inner.signature_len);
	inner.signature = high;
	assert_int_equal(tx_der_join_cert(&inner, &cert), IOTPKI_OK);
	parts.cert = cert.data;
	parts.cert_len = cert.len;
	buf_clear(&der);
	assert_int_equal(tx_der_join(&parts, &der), IOTPKI_OK);
	expect(&der, TX_BAD_SIGNATURE, "high s of the certificate");

	parts = right;
	parts.cert = other.cert;
	parts.cert_len = other.cert_len;
	buf_clear(&der);
	assert_int_equal(tx_der_join(&parts, &der), IOTPKI_OK);
	expect(&der, TX_BAD_SIGNATURE, "somebody else's certificate");
}

/* A valid transaction around another certificate of the same owner's key. */
static enum tx_reason with_certificate(X509 *x509, EVP_PKEY *signer, const EVP_MD *md)
{
	CLEANUP(buf_done) struct buf good = BUF_INIT(TX_DER_MAX);
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	const struct tx tx = revocation();
	struct tx_parts parts;
	struct tx_cert_parts inner;
	unsigned char *cert = NULL;
	int len;
	do { /* until chance makes it low-s, so that nothing but the row's fault is wrong */
		OPENSSL_free(cert);
		cert = NULL;
		assert_true(X509_sign(x509, signer, md) > 0);
		len = i2d_X509(x509, &cert);
		assert_true(len > 0);
	} while (tx_der_split_cert(cert, (size_t)len, &inner) &&
		 !tx_der_signature_low(inner.signature, inner.signature_len));
	txkit_sign(&owner, &tx, &good);
	assert_true(tx_split(good.data, good.len, &parts, NULL));
	parts.cert = cert;
	parts.cert_len = (size_t)len;
	assert_int_equal(tx_der_join(&parts, &der), IOTPKI_OK);
	const enum tx_reason reason = judge(&der);
	OPENSSL_free(cert);
	return reason;
}

static void certificates_of_the_owner(void **state)
{
	(void)state;
	X509 *x509 = X509_dup(owner.x509);
	assert_non_null(x509);
	assert_int_equal(with_certificate(x509, owner.key, EVP_sha256()), TX_OK);
	assert_int_equal(with_certificate(x509, other.key, EVP_sha256()), TX_BAD_SIGNATURE);
	assert_int_equal(with_certificate(x509, owner.key, EVP_sha384()), TX_BAD_ENCODING);
	assert_int_equal(with_certificate(x509, owner.key, EVP_sha1()), TX_BAD_ENCODING);

	X509_EXTENSION_free(X509_delete_ext(x509, 0));
	assert_int_equal(with_certificate(x509, owner.key, EVP_sha256()), TX_BAD_ENCODING);
	X509_free(x509);

	/* Another key in it, with the key id that the signer names. */
	x509 = X509_dup(owner.x509);
	assert_non_null(x509);
	assert_int_equal(X509_set_pubkey(x509, other.key), 1);
	assert_int_equal(with_certificate(x509, other.key, EVP_sha256()), TX_BAD_SIGNATURE);
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	assert_int_equal(X509_set_pubkey(x509, p384), 1);
	assert_int_equal(with_certificate(x509, owner.key, EVP_sha256()), TX_BAD_ENCODING);
	EVP_PKEY_free(p384);
	X509_free(x509);
}

/* The same content in BER that OpenSSL reads and DER forbids. */
static void ber_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf good = BUF_INIT(TX_DER_MAX);
	CLEANUP(buf_done) struct buf der = BUF_INIT(2 * TX_DER_MAX);
	const struct tx tx = revocation();
	txkit_sign(&owner, &tx, &good);
	assert_int_equal(good.data[1], 0x82);

	static const uint8_t indefinite[] = { 0x30, 0x80 };
	assert_int_equal(buf_put(&der, indefinite, 2), IOTPKI_OK);
	assert_int_equal(buf_put(&der, good.data + 4, good.len - 4), IOTPKI_OK);
	assert_int_equal(buf_put(&der, "\0", 2), IOTPKI_OK);
	assert_non_null(der.data);
	CMS_ContentInfo_free(reopen(&der)); /* OpenSSL reads it */
	expect(&der, TX_BAD_ENCODING, "indefinite length");

	buf_clear(&der);
	static const uint8_t long_form[] = { 0x30, 0x83, 0x00 };
	assert_int_equal(buf_put(&der, long_form, 3), IOTPKI_OK);
	assert_int_equal(buf_put(&der, good.data + 2, good.len - 2), IOTPKI_OK);
	expect(&der, TX_BAD_ENCODING, "length in more bytes than it needs");

	buf_clear(&der);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(buf_put(&der, indefinite, 2), IOTPKI_OK);
	expect(&der, TX_BAD_ENCODING, "nested fifty deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_cms_is_refused),
		cmocka_unit_test(additions_are_refused),
		cmocka_unit_test(malleable_signatures_are_refused),
		cmocka_unit_test(certificates_of_the_owner),
		cmocka_unit_test(ber_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
