/* The key of a SubjectPublicKeyInfo (RFC 5280 4.1.2.7, 5480, 8410, 3279 2.3.1), by our own strict walk. */
#include "format/sshkey.h"

#include <string.h>

static const uint8_t oid_ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
static const uint8_t oid_ed25519[] = { 0x2b, 0x65, 0x70 };
static const uint8_t oid_rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const uint8_t oid_p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t oid_p384[] = { 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t oid_p521[] = { 0x2b, 0x81, 0x04, 0x00, 0x23 };

static const struct curve {
	const uint8_t *oid;
	size_t oid_len;
	enum iotpki_sshkey_type type;
} curves[] = {
	{ oid_p256, sizeof(oid_p256), IOTPKI_SSHKEY_ECDSA_P256 },
	{ oid_p384, sizeof(oid_p384), IOTPKI_SSHKEY_ECDSA_P384 },
	{ oid_p521, sizeof(oid_p521), IOTPKI_SSHKEY_ECDSA_P521 },
};

static enum iotpki_err malformed(struct iotpki_detail *detail, const char *what)
{
	return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
			  "the public key is not DER of its form: %s", what);
}

/* Parameters and bytes of one algorithm to the parts of the key. */
static enum iotpki_err split_ec(struct der params, struct der bits, struct sshkey_parts *parts,
				struct iotpki_detail *detail)
{
	struct der oid;
	if (!der_take(&params, DER_OID, &oid) || params.left != 0)
		return detail_set(
			detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
			"the key's curve is not named: explicit parameters are not taken");
	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		if (!der_equal(&oid, curves[i].oid, curves[i].oid_len))
			continue;
		parts->type = curves[i].type;
		parts->point = bits;
		return IOTPKI_OK;
	}
	return detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
			  "the key's curve is none of P-256, P-384 and P-521");
}

static enum iotpki_err split_ed25519(struct der params, struct der bits, struct sshkey_parts *parts,
				     struct iotpki_detail *detail)
{
	if (params.left != 0)
		return malformed(detail, "parameters of Ed25519");
	parts->type = IOTPKI_SSHKEY_ED25519;
	parts->point = bits;
	return IOTPKI_OK;
}

static enum iotpki_err split_rsa(struct der params, struct der bits, struct sshkey_parts *parts,
				 struct iotpki_detail *detail)
{
	struct der content;
	if (!der_take(&params, DER_NULL, &content) || content.left != 0 || params.left != 0)
		return malformed(detail, "parameters of RSA are not NULL");
	if (!der_take(&bits, DER_SEQUENCE, &content) || bits.left != 0 ||
	    !der_take_integer(&content, &parts->modulus) ||
	    !der_take_integer(&content, &parts->exponent) || content.left != 0)
		return malformed(detail, "modulus and exponent");
	parts->type = IOTPKI_SSHKEY_RSA;
	return IOTPKI_OK;
}

static const struct {
	const uint8_t *oid;
	size_t oid_len;
	enum iotpki_err (*split)(struct der params, struct der bits, struct sshkey_parts *parts,
				 struct iotpki_detail *detail);
} algorithms[] = {
	{ oid_ec, sizeof(oid_ec), split_ec },
	{ oid_ed25519, sizeof(oid_ed25519), split_ed25519 },
	{ oid_rsa, sizeof(oid_rsa), split_rsa },
};

enum iotpki_err sshkey_read_spki(const uint8_t *der, size_t len, enum sshkey_checks checks,
				 struct iotpki_sshkey *key_out, struct iotpki_detail *detail)
{
	memset(key_out, 0, sizeof(*key_out));
	struct der in = { der, len };
	struct der spki, algorithm, oid, bits;
	if (!der_take(&in, DER_SEQUENCE, &spki) || in.left != 0 ||
	    !der_take(&spki, DER_SEQUENCE, &algorithm) || !der_take(&algorithm, DER_OID, &oid) ||
	    !der_take_bits(&spki, &bits) || spki.left != 0)
		return malformed(detail, "algorithm and bits");

	struct sshkey_parts parts = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (!der_equal(&oid, algorithms[i].oid, algorithms[i].oid_len))
			continue;
		const enum iotpki_err err = algorithms[i].split(algorithm, bits, &parts, detail);
		return err != IOTPKI_OK ? err : sshkey_build(&parts, checks, key_out, detail);
	}
	return detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
			  "the key is none of EC (P-256, P-384, P-521), Ed25519 and RSA");
}

enum iotpki_err iotpki_sshkey_from_spki(const uint8_t *der, size_t len,
					struct iotpki_sshkey *key_out, struct iotpki_detail *detail)
{
	return sshkey_read_spki(der, len, SSHKEY_FULL, key_out, detail);
}
