/*
 * The node's TLS key: made once, known to clients by the SHA-256 of its public key
 * alone (the pin), so its self-signed certificate needs no name and no renewal. The
 * only file of the node that uses OpenSSL; serving TLS is GnuTLS's work.
 */
#pragma once

#include "base/buf.h"

#define TLSKEY_PIN_SIZE 53 /* "sha256//" and 44 characters of base64, terminated */

struct tlskey {
	struct buf key_pem;
	struct buf cert_pem;
	char pin[TLSKEY_PIN_SIZE];
};

/** Make dir/tls.key (0600), unless it is there, and dir/tls.crt; IOTPKI_ERR_EXISTS if that is there. */
enum iotpki_err tlskey_create(const char *dir, struct iotpki_detail *detail) MUST_CHECK;
/** Read both; the key must be the caller's own and 0600 or less, and fit the certificate. */
enum iotpki_err tlskey_load(const char *dir, struct tlskey *key_out,
			    struct iotpki_detail *detail) MUST_CHECK;
void tlskey_done(struct tlskey *key);
/** The pin alone, from dir/tls.crt, which anybody may read. */
enum iotpki_err tlskey_pin(const char *dir, char pin_out[static TLSKEY_PIN_SIZE],
			   struct iotpki_detail *detail) MUST_CHECK;
