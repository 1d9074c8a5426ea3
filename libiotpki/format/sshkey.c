/* OpenSSH public keys: read strictly, written in their one form. */
#include "format/sshkey.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/parse.h"

enum {
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 8192,
	RSA_EXPONENT_MAX = 8,  /* bytes */
	LINE_MAX_BYTES = 8192, /* with its comment; sshd reads no longer ones either */
};

/* Indexed by enum iotpki_sshkey_type. */
static const struct algorithm {
	const char *name;
	const char *curve; /* RFC 5656 6.1; NULL: not EC */
	size_t point_len;
} algorithms[] = {
	[IOTPKI_SSHKEY_ECDSA_P256] = { "ecdsa-sha2-nistp256", "nistp256", 65 },
	[IOTPKI_SSHKEY_ECDSA_P384] = { "ecdsa-sha2-nistp384", "nistp384", 97 },
	[IOTPKI_SSHKEY_ECDSA_P521] = { "ecdsa-sha2-nistp521", "nistp521", 133 },
	[IOTPKI_SSHKEY_ED25519] = { "ssh-ed25519", NULL, 32 },
	[IOTPKI_SSHKEY_RSA] = { "ssh-rsa", NULL, 0 },
};

const char *iotpki_sshkey_type_name(enum iotpki_sshkey_type type)
{
	return (size_t)type < ARRAY_LEN(algorithms) ? algorithms[type].name : "unknown";
}

static bool type_find(const char *name, size_t len, enum iotpki_sshkey_type *type_out)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (strlen(algorithms[i].name) != len || memcmp(algorithms[i].name, name, len) != 0)
			continue;
		*type_out = (enum iotpki_sshkey_type)i;
		return true;
	}
	return false;
}

/* ---- the wire form (RFC 4251 5) ---- */

static bool take_string(struct der *in, struct der *out)
{
	if (in->left < 4)
		return false;
	const uint8_t *at = in->at;
	const uint32_t len =
		(uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	if (len > in->left - 4)
		return false;
	*out = (struct der){ at + 4, len };
	in->at += 4 + len;
	in->left -= 4 + len;
	return true;
}

static void put_string(struct iotpki_sshkey *key, const void *data, size_t len)
{
	uint8_t *at = key->blob + key->blob_len;
	at[0] = 0; /* no field is longer than 64 KiB */
	at[1] = 0;
	at[2] = (uint8_t)(len >> 8);
	at[3] = (uint8_t)len;
	memcpy(at + 4, data, len);
	key->blob_len += 4 + len;
}

/* Bits of a positive number in its shortest form (RFC 4251 5 mpint, X.690 8.3), 0 if it is none. */
static size_t number_bits(const struct der *number)
{
	if (number->left == 0 || number->at[0] >= 0x80)
		return 0;
	struct der digits = *number;
	if (digits.at[0] == 0) {
		if (digits.left == 1 || digits.at[1] < 0x80)
			return 0;
		digits.at++;
		digits.left--;
	}
	size_t bits = digits.left * 8;
	for (uint8_t top = digits.at[0]; top < 0x80; top = (uint8_t)(top << 1))
		bits--;
	return bits;
}

static enum iotpki_err check_exponent(const struct der *exponent, struct iotpki_detail *detail)
{
	const size_t bits = number_bits(exponent);
	if (bits == 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "the RSA exponent is not a positive number in shortest form");
	/* 3 is the least odd exponent but 1, which encrypts nothing. */
	if (bits < 2 || bits > 8 * RSA_EXPONENT_MAX || exponent->at[exponent->left - 1] % 2 == 0)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
				  "the RSA exponent is not an odd number from 3 to 2^64");
	return IOTPKI_OK;
}

static enum iotpki_err check_rsa(const struct sshkey_parts *parts, enum sshkey_checks checks,
				 struct iotpki_detail *detail)
{
	const enum iotpki_err err = check_exponent(&parts->exponent, detail);
	if (err != IOTPKI_OK)
		return err;
	const size_t bits = number_bits(&parts->modulus);
	if (bits == 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "the RSA modulus is not a positive number in shortest form");
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return detail_set(detail,
				  bits > RSA_BITS_MAX ? IOTPKI_ERR_LIMIT : IOTPKI_ERR_CRYPTO, 0, 0,
				  "RSA key of %zu bits; %d to %d are taken", bits, RSA_BITS_MIN,
				  RSA_BITS_MAX);
	if (parts->modulus.at[parts->modulus.left - 1] % 2 == 0)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0, "the RSA modulus is even");
	return checks == SSHKEY_FULL ? sshkey_check_modulus(&parts->modulus, detail) : IOTPKI_OK;
}

static enum iotpki_err check_point(const struct sshkey_parts *parts, enum sshkey_checks checks,
				   struct iotpki_detail *detail)
{
	const struct algorithm *algorithm = &algorithms[parts->type];
	const struct der *point = &parts->point;
	if (algorithm->curve != NULL && point->left > 0 && (point->at[0] == 2 || point->at[0] == 3))
		return detail_set(
			detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
			"the key's point is compressed; only uncompressed points are taken");
	if (point->left != algorithm->point_len || (algorithm->curve != NULL && point->at[0] != 4))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "the key's point is not of %zu bytes or not uncompressed",
				  algorithm->point_len);
	if (checks != SSHKEY_FULL)
		return IOTPKI_OK;
	return algorithm->curve != NULL ? sshkey_check_ec_point(parts->type, point, detail)
					: sshkey_check_ed25519_point(point, detail);
}

enum iotpki_err sshkey_build(const struct sshkey_parts *parts, enum sshkey_checks checks,
			     struct iotpki_sshkey *key_out, struct iotpki_detail *detail)
{
	memset(key_out, 0, sizeof(*key_out));
	const bool rsa = parts->type == IOTPKI_SSHKEY_RSA;
	enum iotpki_err err =
		rsa ? check_rsa(parts, checks, detail) : check_point(parts, checks, detail);
	if (err != IOTPKI_OK)
		return err;

	const struct algorithm *algorithm = &algorithms[parts->type];
	key_out->type = parts->type;
	put_string(key_out, algorithm->name, strlen(algorithm->name));
	if (algorithm->curve != NULL)
		put_string(key_out, algorithm->curve, strlen(algorithm->curve));
	if (rsa) {
		put_string(key_out, parts->exponent.at, parts->exponent.left);
		put_string(key_out, parts->modulus.at, parts->modulus.left);
	} else {
		put_string(key_out, parts->point.at, parts->point.left);
	}
	err = sha256(key_out->blob, key_out->blob_len, key_out->fingerprint);
	if (err != IOTPKI_OK)
		memset(key_out, 0, sizeof(*key_out));
	return err;
}

static bool split_blob(struct der blob, struct sshkey_parts *parts)
{
	if (parts->type == IOTPKI_SSHKEY_RSA)
		return take_string(&blob, &parts->exponent) &&
		       take_string(&blob, &parts->modulus) && blob.left == 0;
	const char *curve = algorithms[parts->type].curve;
	struct der named;
	if (curve != NULL &&
	    (!take_string(&blob, &named) || !der_equal(&named, curve, strlen(curve))))
		return false;
	return take_string(&blob, &parts->point) && blob.left == 0;
}

static enum iotpki_err read_blob(enum iotpki_sshkey_type type, struct der blob,
				 enum sshkey_checks checks, struct iotpki_sshkey *key_out,
				 struct iotpki_detail *detail)
{
	struct der inner;
	const char *name = algorithms[type].name;
	if (!take_string(&blob, &inner) || !der_equal(&inner, name, strlen(name)))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "the type inside the key is not %s", name);
	struct sshkey_parts parts = { .type = type };
	if (!split_blob(blob, &parts))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
				  "the key is not of the form of %s: cut off, too long, or of "
				  "another curve",
				  name);
	return sshkey_build(&parts, checks, key_out, detail);
}

static enum iotpki_err read_text(const char *type, size_t type_len, const char *base64,
				 size_t base64_len, enum sshkey_checks checks,
				 struct iotpki_sshkey *key_out, struct iotpki_detail *detail)
{
	enum iotpki_sshkey_type found;
	memset(key_out, 0, sizeof(*key_out));
	if (!type_find(type, type_len, &found))
		return detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 1, 1,
				  "%.*s is not a type of key that is taken (ecdsa-sha2-nistp256, "
				  "-nistp384, -nistp521, ssh-ed25519, ssh-rsa)",
				  (int)(type_len > 64 ? 64 : type_len), type);
	if (base64_len >= BASE64_ENCODED_SIZE(IOTPKI_SSHKEY_BLOB_MAX))
		return detail_set(detail, IOTPKI_ERR_LIMIT, 1, 0, "the key is longer than %d bytes",
				  IOTPKI_SSHKEY_BLOB_MAX);
	uint8_t blob[IOTPKI_SSHKEY_BLOB_MAX];
	size_t blob_len = sizeof(blob);
	if (!base64_decode(base64, base64_len, true, blob, &blob_len))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, (unsigned int)type_len + 2,
				  "the key is not base64");
	return read_blob(found, (struct der){ blob, blob_len }, checks, key_out, detail);
}

enum iotpki_err iotpki_sshkey_parse(const char *type, const char *base64,
				    struct iotpki_sshkey *key_out, struct iotpki_detail *detail)
{
	return read_text(type, strlen(type), base64, strlen(base64), SSHKEY_FULL, key_out, detail);
}

/* A comment is for people; it must only not be able to end its line. */
static bool comment_good(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)text[i] < 0x20 || (uint8_t)text[i] == 0x7f)
			return false;
	return true;
}

enum iotpki_err sshkey_read_line(const char *line, size_t len, enum sshkey_checks checks,
				 struct iotpki_sshkey *key_out, struct iotpki_detail *detail)
{
	memset(key_out, 0, sizeof(*key_out));
	if (len > LINE_MAX_BYTES)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 1, 0,
				  "the line is longer than %d bytes", LINE_MAX_BYTES);
	const char *space = memchr(line, ' ', len);
	if (space == NULL)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, 1,
				  "not a line of a type, a space and a key");
	const char *base64 = space + 1;
	const size_t left = len - (size_t)(base64 - line);
	const char *end = left > 0 ? memchr(base64, ' ', left) : NULL;
	const size_t base64_len = end != NULL ? (size_t)(end - base64) : left;
	if (!comment_good(base64 + base64_len, left - base64_len))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1,
				  (unsigned int)(base64 + base64_len - line) + 1,
				  "control character in the comment");
	return read_text(line, (size_t)(space - line), base64, base64_len, checks, key_out, detail);
}

enum iotpki_err iotpki_sshkey_parse_line(const char *line, size_t len,
					 struct iotpki_sshkey *key_out,
					 struct iotpki_detail *detail)
{
	return sshkey_read_line(line, len, SSHKEY_FULL, key_out, detail);
}

enum iotpki_err iotpki_sshkey_format(const struct iotpki_sshkey *key, char *out, size_t size)
{
	const char *name = iotpki_sshkey_type_name(key->type);
	const size_t at = strlen(name) + 1;
	if (key->blob_len > sizeof(key->blob) || size < at + BASE64_ENCODED_SIZE(key->blob_len))
		return IOTPKI_ERR_LIMIT;
	(void)snprintf(out, size, "%s ", name);
	(void)base64_encode(key->blob, key->blob_len, true, out + at);
	return IOTPKI_OK;
}
