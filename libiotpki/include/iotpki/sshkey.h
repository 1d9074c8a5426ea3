/*
 * OpenSSH public keys (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4): parsed strictly,
 * printed canonically, byte-equal to ssh-keygen. Certificates and sk-* keys are
 * not keys here. No key is ever echoed: what is printed is what was parsed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <iotpki/error.h>
#include <iotpki/record.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iotpki_sshkey_type {
	IOTPKI_SSHKEY_ECDSA_P256,
	IOTPKI_SSHKEY_ECDSA_P384,
	IOTPKI_SSHKEY_ECDSA_P521,
	IOTPKI_SSHKEY_ED25519,
	IOTPKI_SSHKEY_RSA, /* 2048 to 8192 bits, odd e >= 3 of at most 64 bits */
};

#define IOTPKI_SSHKEY_BLOB_MAX 1088     /* RSA 8192 with an 8-byte exponent, rounded up */
#define IOTPKI_SSHKEY_TEXT_SIZE 1536    /* "type base64" and NUL of the largest key */
#define IOTPKI_FINGERPRINT_TEXT_SIZE 51 /* "SHA256:" + 43 base64 characters + NUL */

/** A public key; plain data, copy freely. */
struct iotpki_sshkey {
	enum iotpki_sshkey_type type;
	size_t blob_len;
	uint8_t blob[IOTPKI_SSHKEY_BLOB_MAX];   /* canonical wire form */
	uint8_t fingerprint[IOTPKI_SHA256_LEN]; /* SHA-256 of the blob */
};

/** "ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa", ...; never NULL. */
IOTPKI_PUBLIC const char *iotpki_sshkey_type_name(enum iotpki_sshkey_type type);

/**
 * Parse what sshd's %t and %k give: the type and the base64 blob, padded as OpenSSH pads it.
 * The inner type must be the outer one, points must lie on their curve, nothing may trail.
 * @return IOTPKI_ERR_SYNTAX, IOTPKI_ERR_LIMIT, IOTPKI_ERR_UNSUPPORTED (another type of key), IOTPKI_ERR_CRYPTO
 */
IOTPKI_PUBLIC enum iotpki_err iotpki_sshkey_parse(const char *type, const char *base64,
						  struct iotpki_sshkey *key_out,
						  struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/** The same of one line "type base64[ comment]": no options, no marker, the comment is dropped. */
IOTPKI_PUBLIC enum iotpki_err
iotpki_sshkey_parse_line(const char *line, size_t len, struct iotpki_sshkey *key_out,
			 struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/** The key of a DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7); EC points in uncompressed form only. */
IOTPKI_PUBLIC enum iotpki_err
iotpki_sshkey_from_spki(const uint8_t *der, size_t len, struct iotpki_sshkey *key_out,
			struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/** "type base64", no comment, terminated; IOTPKI_SSHKEY_TEXT_SIZE bytes are enough. */
IOTPKI_PUBLIC enum iotpki_err iotpki_sshkey_format(const struct iotpki_sshkey *key, char *out,
						   size_t size) IOTPKI_CHECK_RESULT;

/** "SHA256:..." as ssh-keygen -l prints it. */
IOTPKI_PUBLIC void iotpki_fingerprint_format(const uint8_t fingerprint[IOTPKI_SHA256_LEN],
					     char out[IOTPKI_FINGERPRINT_TEXT_SIZE]);
/** The same back; false unless it is exactly that form. */
IOTPKI_PUBLIC bool iotpki_fingerprint_parse(const char *text, size_t len,
					    uint8_t fingerprint_out[IOTPKI_SHA256_LEN]);

#ifdef __cplusplus
}
#endif
