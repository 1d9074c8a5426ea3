/*
 * Self-signed device and operator certificates (design 5): X.509 v3, CN = name,
 * SAN urn:uuid: when the name is a UUID, CA:FALSE, digitalSignature.
 * Two readers: a small DER walk that costs microseconds and is enough to index a
 * certificate (its hash has been compared before), and the full check by OpenSSL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <iotpki/error.h>
#include <iotpki/record.h>
#include <iotpki/sshkey.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTPKI_CERT_DER_MAX 8192  /* bytes */
#define IOTPKI_CERT_PEM_MAX 12288 /* bytes */

/** What the walk reads of a certificate; plain data. */
struct iotpki_cert {
	char name[IOTPKI_NAME_MAX + 1];         /* the one CN, a valid name */
	uint8_t sha256[IOTPKI_SHA256_LEN];      /* of the whole DER */
	uint8_t spki_sha256[IOTPKI_SHA256_LEN]; /* of the SubjectPublicKeyInfo */
	int64_t not_before_s;                   /* unix seconds */
	int64_t not_after_s; /* unix seconds; 9999-12-31T23:59:59Z means: does not end */
	struct iotpki_sshkey key;
};

/**
 * Walk the DER (strictly DER: no BER lengths, nothing trailing). Checks structure, version, equal
 * inner and outer algorithm, issuer = subject, names, times and the key; not the signature.
 * @param cert_out  all zero unless IOTPKI_OK
 */
IOTPKI_PUBLIC enum iotpki_err iotpki_cert_walk(const uint8_t *der, size_t len,
					       struct iotpki_cert *cert_out,
					       struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/**
 * The walk and all the rest: the self-signature with an allowed digest, CA:FALSE, keyUsage with
 * digitalSignature, no unknown critical extension, SAN equal to the name.
 */
IOTPKI_PUBLIC enum iotpki_err iotpki_cert_check(const uint8_t *der, size_t len,
						struct iotpki_cert *cert_out,
						struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/**
 * The DER of the one certificate in a PEM text: label CERTIFICATE, white space around it alone
 * allowed, one certificate, no headers (RFC 7468 strict, CRLF accepted).
 * @param der_len_io  size of der_out before (IOTPKI_CERT_DER_MAX is enough), bytes written after
 */
IOTPKI_PUBLIC enum iotpki_err
iotpki_cert_from_pem(const char *pem, size_t len, uint8_t *der_out, size_t *der_len_io,
		     struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/** The PEM of a DER, lines of 64; out holds IOTPKI_CERT_PEM_MAX bytes. IOTPKI_ERR_LIMIT if it does not fit. */
IOTPKI_PUBLIC enum iotpki_err iotpki_cert_to_pem(const uint8_t *der, size_t len, char *out,
						 size_t size) IOTPKI_CHECK_RESULT;

#ifdef __cplusplus
}
#endif
