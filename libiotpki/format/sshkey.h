/*
 * Inside of the ssh key code: the parts of a key, whatever it was read from, and
 * how much of it is checked.
 *
 * SSHKEY_STRUCTURE: types, lengths, canonical numbers, sizes. Costs a SHA-256; for
 * loading long lists of certificates whose hash is compared before they admit anybody.
 * SSHKEY_FULL: also that the point lies on its curve and is not of low order, and that an
 * RSA modulus has no small factor and is not of the ROCA generator. Every key that a
 * peer offers is read so (iotpki_sshkey_parse), and every certificate that is checked.
 */
#pragma once

#include <iotpki/sshkey.h>

#include "base/base.h"
#include "format/der.h"

enum sshkey_checks { SSHKEY_STRUCTURE, SSHKEY_FULL };

/** A key in parts that point into what was read. */
struct sshkey_parts {
	enum iotpki_sshkey_type type;
	struct der point;    /* EC: 04 x y; Ed25519: the 32 bytes */
	struct der exponent; /* RSA, as a positive shortest two's complement number */
	struct der modulus;
};

/** Check the parts and write the key in its one wire form. key_out is all zero unless IOTPKI_OK. */
enum iotpki_err sshkey_build(const struct sshkey_parts *parts, enum sshkey_checks checks,
			     struct iotpki_sshkey *key_out,
			     struct iotpki_detail *detail) MUST_CHECK;
/** The same as iotpki_sshkey_parse_line with the checks chosen. */
enum iotpki_err sshkey_read_line(const char *line, size_t len, enum sshkey_checks checks,
				 struct iotpki_sshkey *key_out,
				 struct iotpki_detail *detail) MUST_CHECK;
/** The same as iotpki_sshkey_from_spki with the checks chosen. */
enum iotpki_err sshkey_read_spki(const uint8_t *der, size_t len, enum sshkey_checks checks,
				 struct iotpki_sshkey *key_out,
				 struct iotpki_detail *detail) MUST_CHECK;

/* sshkey_math.c: what needs arithmetic; the parts have passed the structural checks. */
enum iotpki_err sshkey_check_ec_point(enum iotpki_sshkey_type type, const struct der *point,
				      struct iotpki_detail *detail) MUST_CHECK;
enum iotpki_err sshkey_check_ed25519_point(const struct der *point,
					   struct iotpki_detail *detail) MUST_CHECK;
enum iotpki_err sshkey_check_modulus(const struct der *modulus,
				     struct iotpki_detail *detail) MUST_CHECK;
