/* Certificates in DER, and in PEM where the input begins with '-': the walk, the text form and the full check agree. */
#include "fuzz.h"

#include <time.h>

#include <openssl/x509.h>

#include <iotpki/cert.h>

#include "base/digest.h"
#include "base/parse.h"
#include "format/sshkey.h"

static void check_pem(const uint8_t *der, size_t len)
{
	static char pem[IOTPKI_CERT_PEM_MAX];
	static uint8_t back[IOTPKI_CERT_DER_MAX];
	size_t back_len = sizeof(back);
	FUZZ_CHECK(iotpki_cert_to_pem(der, len, pem, sizeof(pem)) == IOTPKI_OK);
	FUZZ_CHECK(iotpki_cert_from_pem(pem, strlen(pem), back, &back_len, NULL) == IOTPKI_OK);
	FUZZ_CHECK(back_len == len && memcmp(back, der, len) == 0);
}

static void check_cert(const struct iotpki_cert *cert)
{
	char line[IOTPKI_SSHKEY_TEXT_SIZE];
	struct iotpki_sshkey key;
	FUZZ_CHECK(iotpki_name_valid(cert->name, strlen(cert->name)));
	FUZZ_CHECK(cert->not_before_s >= 0 && cert->not_before_s < cert->not_after_s);
	FUZZ_CHECK(cert->not_after_s <= INT64_C(253402300799));
	FUZZ_CHECK(iotpki_sshkey_format(&cert->key, line, sizeof(line)) == IOTPKI_OK);
	FUZZ_CHECK(sshkey_read_line(line, strlen(line), SSHKEY_STRUCTURE, &key, NULL) == IOTPKI_OK);
	FUZZ_CHECK(memcmp(&key, &cert->key, sizeof(key)) == 0);
}

static int64_t seconds(const ASN1_TIME *time)
{
	struct tm tm;
	FUZZ_CHECK(ASN1_TIME_to_tm(time, &tm) == 1);
	return (int64_t)timegm(&tm);
}

/* Where OpenSSL can read it too, it reads the same: two readers of one certificate must not differ. */
static void check_against_openssl(const uint8_t *der, size_t len, const struct iotpki_cert *cert)
{
	const uint8_t *at = der;
	X509 *x509 = d2i_X509(NULL, &at, (long)len);
	if (x509 == NULL)
		return;
	FUZZ_CHECK(at == der + len);
	char name[IOTPKI_NAME_MAX + 2];
	const X509_NAME *subject = X509_get_subject_name(x509);
	FUZZ_CHECK(X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name)) > 0);
	FUZZ_CHECK(strcmp(name, cert->name) == 0);
	FUZZ_CHECK(seconds(X509_get0_notBefore(x509)) == cert->not_before_s);
	FUZZ_CHECK(seconds(X509_get0_notAfter(x509)) == cert->not_after_s);
	uint8_t *spki = NULL;
	uint8_t digest[SHA256_LEN];
	const int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
	FUZZ_CHECK(spki_len > 0 && sha256(spki, (size_t)spki_len, digest) == IOTPKI_OK);
	FUZZ_CHECK(memcmp(digest, cert->spki_sha256, sizeof(digest)) == 0);
	OPENSSL_free(spki);
	X509_free(x509);
}

static void check_der(const uint8_t *der, size_t len)
{
	static const struct iotpki_cert zero;
	struct iotpki_cert walked, checked;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = iotpki_cert_walk(der, len, &walked, &detail);
	const enum iotpki_err full = iotpki_cert_check(der, len, &checked, NULL);
	/* The full check refuses more, never less, and reads the same. */
	FUZZ_CHECK(full != IOTPKI_OK || memcmp(&walked, &checked, sizeof(walked)) == 0);
	if (err != IOTPKI_OK) {
		FUZZ_CHECK(full != IOTPKI_OK && detail.message[0] != '\0');
		FUZZ_CHECK(memcmp(&walked, &zero, sizeof(walked)) == 0);
		return;
	}
	check_cert(&walked);
	check_pem(der, len);
	check_against_openssl(der, len, &walked);
	/* No certificate of the corpus begins on another day. */
	if (walked.not_before_s != 1577836800)
		plant_bug(der, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t len = sizeof(der);
	if (size == 0 || data[0] != '-') {
		check_der(data, size);
		return 0;
	}
	if (iotpki_cert_from_pem((const char *)data, size, der, &len, NULL) != IOTPKI_OK)
		FUZZ_CHECK(len == 0);
	else
		check_der(der, len);
	return 0;
}
