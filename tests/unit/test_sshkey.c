/* OpenSSH public keys: byte-equal to ssh-keygen, and every class of bad key refused (security S01 to S04). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <iotpki/sshkey.h>

#include "base/base.h"
#include "base/parse.h"
#include "format/sshkey.h"

/* One line of tests/vectors/sshkeys.txt, made by ssh-keygen. */
struct vector {
	char name[32], spki[2048], type[64], base64[1536], fingerprint[64];
};

enum { VECTORS_MAX = 16 };

struct vectors {
	size_t count;
	struct vector rows[VECTORS_MAX];
};

static int vectors_read(void **state)
{
	static struct vectors vectors;
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/vectors/sshkeys.txt",
		       secure_getenv("TEST_SOURCE_DIR"));
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return -1;
	char line[4096];
	while (vectors.count < VECTORS_MAX && fgets(line, sizeof(line), file) != NULL) {
		struct vector *row = &vectors.rows[vectors.count++];
		char *const fields[] = { row->name, row->spki, row->type, row->base64,
					 row->fingerprint };
		const size_t sizes[] = { sizeof(row->name), sizeof(row->spki), sizeof(row->type),
					 sizeof(row->base64), sizeof(row->fingerprint) };
		char *at = line;
		for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
			const size_t len = strcspn(at, " \n");
			(void)snprintf(fields[i], sizes[i], "%.*s", (int)len, at);
			at += len + 1;
		}
	}
	(void)fclose(file);
	*state = &vectors;
	return vectors.count == 9 ? 0 : -1;
}

static const struct vector *row_of(const struct vectors *vectors, const char *name)
{
	for (size_t i = 0; i < vectors->count; i++)
		if (strcmp(vectors->rows[i].name, name) == 0)
			return &vectors->rows[i];
	fail_msg("no vector %s", name);
	return NULL;
}

static void check_prints_as(const struct iotpki_sshkey *key, const struct vector *row)
{
	char text[IOTPKI_SSHKEY_TEXT_SIZE], want[2048], fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	(void)snprintf(want, sizeof(want), "%s %s", row->type, row->base64);
	assert_int_equal(iotpki_sshkey_format(key, text, sizeof(text)), IOTPKI_OK);
	assert_string_equal(text, want);
	assert_int_equal(iotpki_sshkey_format(key, text, strlen(want)), IOTPKI_ERR_LIMIT);
	iotpki_fingerprint_format(key->fingerprint, fingerprint);
	assert_string_equal(fingerprint, row->fingerprint);
	assert_string_equal(iotpki_sshkey_type_name(key->type), row->type);
}

static void vectors_come_back_byte_for_byte(void **state)
{
	const struct vectors *vectors = *state;
	for (size_t i = 0; i < vectors->count; i++) {
		const struct vector *row = &vectors->rows[i];
		struct iotpki_sshkey key;
		struct iotpki_detail detail = { 0 };
		if (iotpki_sshkey_parse(row->type, row->base64, &key, &detail) != IOTPKI_OK)
			fail_msg("%s: %s", row->name, detail.message);
		check_prints_as(&key, row);

		uint8_t spki[2048];
		size_t len = sizeof(spki);
		struct iotpki_sshkey from_spki;
		assert_true(base64_decode(row->spki, strlen(row->spki), true, spki, &len));
		if (iotpki_sshkey_from_spki(spki, len, &from_spki, &detail) != IOTPKI_OK)
			fail_msg("%s: SPKI: %s", row->name, detail.message);
		check_prints_as(&from_spki, row);

		char line[2048];
		(void)snprintf(line, sizeof(line), "%s %s a \"comment\", \xc3\xa9", row->type,
			       row->base64);
		assert_int_equal(iotpki_sshkey_parse_line(line, strlen(line), &key, &detail),
				 IOTPKI_OK);
		check_prints_as(&key, row);
	}
}

static void spki_cut_anywhere_is_refused(void **state)
{
	const struct vectors *vectors = *state;
	for (size_t i = 0; i < vectors->count; i++) {
		uint8_t spki[2048];
		size_t len = sizeof(spki) - 1;
		struct iotpki_sshkey key;
		assert_true(base64_decode(vectors->rows[i].spki, strlen(vectors->rows[i].spki),
					  true, spki, &len));
		for (size_t cut = 0; cut < len; cut++)
			if (iotpki_sshkey_from_spki(spki, cut, &key, NULL) == IOTPKI_OK)
				fail_msg("%s cut to %zu", vectors->rows[i].name, cut);
		spki[len] = 0;
		assert_int_equal(iotpki_sshkey_from_spki(spki, len + 1, &key, NULL),
				 IOTPKI_ERR_SYNTAX);
	}
}

/* ---- keys made wrong on purpose: the wire form in hex, "S" a string with its length ---- */

#define ECDSA256 "0000001365636473612d736861322d6e69737470323536"
#define NISTP256 "000000086e69737470323536"
#define NISTP384 "000000086e69737470333834"
#define ED25519 "0000000b7373682d65643235353139"
#define SSHRSA "000000077373682d727361"
/* The generator of P-256, and the same with its last bit flipped. */
#define GX "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define GY_OFF "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f4"
#define ZERO31 "00000000000000000000000000000000000000000000000000000000000000"

static const struct {
	const char *name;
	const char *type;
	const char *hex;
	enum iotpki_err want;
} wire_rows[] = {
	{ "the generator of P-256 is a key", "ecdsa-sha2-nistp256",
	  ECDSA256 NISTP256 "0000004104" GX GY, IOTPKI_OK },
	{ "S01 trailing byte", "ecdsa-sha2-nistp256", ECDSA256 NISTP256 "0000004104" GX GY "00",
	  IOTPKI_ERR_SYNTAX },
	{ "S01 cut off", "ecdsa-sha2-nistp256", ECDSA256 NISTP256 "0000004104" GX,
	  IOTPKI_ERR_SYNTAX },
	{ "S01 inner type is not the outer", "ecdsa-sha2-nistp384",
	  ECDSA256 NISTP256 "0000004104" GX GY, IOTPKI_ERR_SYNTAX },
	{ "S01 empty blob", "ssh-ed25519", "", IOTPKI_ERR_SYNTAX },
	{ "S01 length beyond the end", "ssh-ed25519", ED25519 "ffffffff", IOTPKI_ERR_SYNTAX },
	{ "S02 curve is not of the type", "ecdsa-sha2-nistp256",
	  ECDSA256 NISTP384 "0000004104" GX GY, IOTPKI_ERR_SYNTAX },
	{ "S02 point off the curve", "ecdsa-sha2-nistp256",
	  ECDSA256 NISTP256 "0000004104" GX GY_OFF, IOTPKI_ERR_CRYPTO },
	{ "S02 compressed point", "ecdsa-sha2-nistp256", ECDSA256 NISTP256 "0000002103" GX,
	  IOTPKI_ERR_UNSUPPORTED },
	{ "S02 hybrid point", "ecdsa-sha2-nistp256", ECDSA256 NISTP256 "0000004107" GX GY,
	  IOTPKI_ERR_SYNTAX },
	{ "S02 point at infinity", "ecdsa-sha2-nistp256", ECDSA256 NISTP256 "0000000100",
	  IOTPKI_ERR_SYNTAX },
	{ "S02 empty point", "ecdsa-sha2-nistp256", ECDSA256 NISTP256 "00000000",
	  IOTPKI_ERR_SYNTAX },
	{ "S04 Ed25519 zero (order 4)", "ssh-ed25519", ED25519 "0000002000" ZERO31,
	  IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 identity", "ssh-ed25519", ED25519 "0000002001" ZERO31, IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 identity with the sign bit", "ssh-ed25519",
	  ED25519 "0000002001000000000000000000000000000000000000000000000000000000"
		  "00000080",
	  IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 order 2", "ssh-ed25519",
	  ED25519 "00000020ecffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		  "ffffff7f",
	  IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 order 8", "ssh-ed25519",
	  ED25519 "0000002026e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b1380288"
		  "6d53fc05",
	  IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 order 8, the other", "ssh-ed25519",
	  ED25519 "00000020c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd77"
		  "92ac03fa",
	  IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 y = p + 1, the identity spelled another way", "ssh-ed25519",
	  ED25519 "00000020eeffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		  "ffffff7f",
	  IOTPKI_ERR_CRYPTO },
	{ "S04 Ed25519 y = 2 is on no point", "ssh-ed25519", ED25519 "0000002002" ZERO31,
	  IOTPKI_ERR_CRYPTO },
	{ "Ed25519 y = 3 is a point", "ssh-ed25519", ED25519 "0000002003" ZERO31, IOTPKI_OK },
	{ "Ed25519 of 31 bytes", "ssh-ed25519", ED25519 "0000001f" ZERO31, IOTPKI_ERR_SYNTAX },
	{ "S02 ssh-dss", "ssh-dss", "000000077373682d647373", IOTPKI_ERR_UNSUPPORTED },
	{ "S02 sk-ssh-ed25519", "sk-ssh-ed25519@openssh.com", ED25519, IOTPKI_ERR_UNSUPPORTED },
	{ "S02 sk-ecdsa", "sk-ecdsa-sha2-nistp256@openssh.com", ECDSA256, IOTPKI_ERR_UNSUPPORTED },
	{ "S02 webauthn", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", ECDSA256,
	  IOTPKI_ERR_UNSUPPORTED },
	{ "S02 certificate", "ssh-ed25519-cert-v01@openssh.com", ED25519, IOTPKI_ERR_UNSUPPORTED },
	{ "signature algorithm as type", "rsa-sha2-256", SSHRSA, IOTPKI_ERR_UNSUPPORTED },
	{ "no type", "", ED25519, IOTPKI_ERR_UNSUPPORTED },
	{ "RSA without a modulus", "ssh-rsa", SSHRSA "00000003010001", IOTPKI_ERR_SYNTAX },
	{ "RSA with nothing in it", "ssh-rsa", SSHRSA "0000000000000000", IOTPKI_ERR_SYNTAX },
};

static void wire_form_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wire_rows); i++) {
		uint8_t blob[512];
		char base64[BASE64_ENCODED_SIZE(sizeof(blob))];
		const size_t len = strlen(wire_rows[i].hex) / 2;
		struct iotpki_sshkey key;
		struct iotpki_detail detail = { 0 };
		assert_true(hex_decode(wire_rows[i].hex, 2 * len, blob, len));
		(void)base64_encode(blob, len, true, base64);
		const enum iotpki_err got =
			iotpki_sshkey_parse(wire_rows[i].type, base64, &key, &detail);
		if (got != wire_rows[i].want)
			fail_msg("%s: %s: %s", wire_rows[i].name, iotpki_strerror(got),
				 detail.message);
		if (got != IOTPKI_OK && (key.blob_len != 0 || detail.message[0] == '\0'))
			fail_msg("%s: leaves a key or says nothing", wire_rows[i].name);
		if (got == IOTPKI_OK && (key.blob_len != len || memcmp(key.blob, blob, len) != 0))
			fail_msg("%s: changed", wire_rows[i].name);
	}
}

/* ---- RSA numbers ---- */

static size_t put_number(uint8_t *out, const uint8_t *number, size_t len)
{
	out[0] = 0;
	out[1] = 0;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	memcpy(out + 4, number, len);
	return len + 4;
}

static const struct {
	const char *name;
	const char *exponent;
	size_t bits;     /* of the modulus */
	uint8_t last;    /* its last byte */
	bool zero_first; /* a zero byte that is not needed */
	enum iotpki_err want;
} rsa_rows[] = {
	{ "a good one", "010001", 2048, 0x01, false, IOTPKI_OK },
	{ "e = 3", "03", 2048, 0x01, false, IOTPKI_OK },
	{ "e of 64 bits", "00ffffffffffffffff", 2048, 0x01, false, IOTPKI_OK },
	{ "X03 e = 2^64 + 1", "010000000000000001", 2048, 0x01, false, IOTPKI_ERR_CRYPTO },
	{ "X03 e = 1", "01", 2048, 0x01, false, IOTPKI_ERR_CRYPTO },
	{ "e = 0", "00", 2048, 0x01, false, IOTPKI_ERR_SYNTAX },
	{ "e even", "010000", 2048, 0x01, false, IOTPKI_ERR_CRYPTO },
	{ "e negative", "ff", 2048, 0x01, false, IOTPKI_ERR_SYNTAX },
	{ "e with a zero byte in front", "00010001", 2048, 0x01, false, IOTPKI_ERR_SYNTAX },
	{ "X03 512 bits", "010001", 512, 0x01, false, IOTPKI_ERR_CRYPTO },
	{ "X03 1024 bits", "010001", 1024, 0x01, false, IOTPKI_ERR_CRYPTO },
	{ "X03 2040 bits", "010001", 2040, 0x01, false, IOTPKI_ERR_CRYPTO },
	{ "8192 bits", "010001", 8192, 0x01, false, IOTPKI_OK },
	{ "X03 8200 bits", "010001", 8200, 0x01, false, IOTPKI_ERR_LIMIT },
	{ "X03 16384 bits", "010001", 16384, 0x01, false, IOTPKI_ERR_LIMIT },
	{ "X03 even modulus", "010001", 2048, 0x02, false, IOTPKI_ERR_CRYPTO },
	{ "modulus with two zero bytes in front", "010001", 2048, 0x01, true, IOTPKI_ERR_SYNTAX },
};

/* A modulus without factors up to 701 and not of ROCA's form is found by counting up from here. */
static enum iotpki_err try_rsa(size_t row, struct iotpki_detail *detail)
{
	static const uint8_t name[] = "\0\0\0\x07ssh-rsa";
	uint8_t modulus[2100] = { 0 };
	uint8_t exponent[16];
	const size_t exponent_len = strlen(rsa_rows[row].exponent) / 2;
	assert_true(hex_decode(rsa_rows[row].exponent, 2 * exponent_len, exponent, exponent_len));
	const size_t front = rsa_rows[row].zero_first ? 2 : 1;
	const size_t len = front + rsa_rows[row].bits / 8;
	modulus[front] = 0x80;
	enum iotpki_err err = IOTPKI_ERR_CRYPTO;
	for (unsigned int i = 0; i < 256 && err == IOTPKI_ERR_CRYPTO; i++) {
		uint8_t blob[2200];
		char base64[BASE64_ENCODED_SIZE(sizeof(blob))];
		struct iotpki_sshkey key;
		modulus[len - 2] = (uint8_t)i;
		modulus[len - 1] = rsa_rows[row].last;
		memcpy(blob, name, sizeof(name) - 1);
		size_t at = sizeof(name) - 1;
		at += put_number(blob + at, exponent, exponent_len);
		at += put_number(blob + at, modulus, len);
		(void)base64_encode(blob, at, true, base64);
		err = iotpki_sshkey_parse("ssh-rsa", base64, &key, detail);
	}
	return err;
}

static void rsa_number_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rsa_rows); i++) {
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err got = try_rsa(i, &detail);
		if (got != rsa_rows[i].want)
			fail_msg("%s: %s: %s", rsa_rows[i].name, iotpki_strerror(got),
				 detail.message);
	}
}

/* 65537^k is a power of 65537 by every prime: what the test for ROCA looks for. */
static void roca_is_recognised(void **state)
{
	(void)state;
	uint8_t modulus[257] = { 1 };
	/* 65537^120: multiply by 2^16 + 1, least significant byte first. */
	for (unsigned int k = 0; k < 120; k++) {
		uint32_t carry = 0;
		uint8_t old[257];
		memcpy(old, modulus, sizeof(old));
		for (size_t i = 0; i < sizeof(modulus); i++) {
			carry += old[i] + (i >= 2 ? (uint32_t)old[i - 2] : 0);
			modulus[i] = (uint8_t)carry;
			carry >>= 8;
		}
	}
	uint8_t number[257];
	for (size_t i = 0; i < sizeof(number); i++)
		number[i] = modulus[sizeof(number) - 1 - i];
	struct iotpki_detail detail = { 0 };
	const struct der weak = { number, sizeof(number) };
	assert_int_equal(sshkey_check_modulus(&weak, &detail), IOTPKI_ERR_CRYPTO);
	assert_non_null(strstr(detail.message, "ROCA"));
	number[sizeof(number) - 1] = (uint8_t)(number[sizeof(number) - 1] ^ 0x40);
	(void)memset(&detail, 0, sizeof(detail));
	(void)!sshkey_check_modulus(&weak, &detail);
	assert_null(strstr(detail.message, "ROCA"));
}

/* prime * (2^2032 + 1 + 2 * i): the factor that was put in, or a smaller one, is named. */
static void small_factors_are_found(void **state)
{
	(void)state;
	static const uint32_t primes[] = { 3, 5, 29, 31, 37, 353, 691, 701 };
	for (size_t i = 0; i < ARRAY_LEN(primes); i++) {
		uint8_t number[257] = { 0 };
		struct iotpki_detail detail = { 0 };
		const uint32_t low = (uint32_t)(1 + 2 * i) * primes[i];
		number[1] = (uint8_t)(primes[i] >> 8);
		number[2] = (uint8_t)primes[i];
		for (size_t k = 0; k < 4; k++)
			number[sizeof(number) - 1 - k] = (uint8_t)(low >> 8 * k);
		const struct der modulus = { number, sizeof(number) };
		assert_int_equal(sshkey_check_modulus(&modulus, &detail), IOTPKI_ERR_CRYPTO);
		if (strstr(detail.message, "divisible by") == NULL)
			fail_msg("%u: %s", primes[i], detail.message);
	}
}

static void line_rows(void **state)
{
	const struct vector *row = row_of(*state, "p256-a");
	static const struct {
		const char *name;
		const char *format; /* of type and base64 */
		enum iotpki_err want;
	} rows[] = {
		{ "plain", "%s %s", IOTPKI_OK },
		{ "comment", "%s %s me@host", IOTPKI_OK },
		{ "empty comment", "%s %s ", IOTPKI_OK },
		{ "S03 options in front", "restrict %s %s", IOTPKI_ERR_UNSUPPORTED },
		{ "S03 option with a command", "command=\"x\" %s %s", IOTPKI_ERR_UNSUPPORTED },
		{ "S03 marker", "@cert-authority %s %s", IOTPKI_ERR_UNSUPPORTED },
		{ "S03 newline in the comment", "%s %s a\nssh-rsa AAAA", IOTPKI_ERR_SYNTAX },
		{ "S03 newline after the key", "%s %s\n", IOTPKI_ERR_SYNTAX },
		{ "carriage return", "%s %s x\r", IOTPKI_ERR_SYNTAX },
		{ "S01 two spaces", "%s  %s", IOTPKI_ERR_SYNTAX },
		{ "S01 tab", "%s\t%s", IOTPKI_ERR_SYNTAX },
		{ "space in front", " %s %s", IOTPKI_ERR_UNSUPPORTED },
		{ "S01 base64 without padding", "%s %.*s", IOTPKI_ERR_SYNTAX },
	};
	struct iotpki_sshkey key;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char line[4096];
		if (strstr(rows[i].format, "%.*s") != NULL)
			(void)snprintf(line, sizeof(line), "%s %.*s", row->type,
				       (int)strcspn(row->base64, "="), row->base64);
		else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(line, sizeof(line), rows[i].format, row->type, row->base64);
#pragma GCC diagnostic pop
		}
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err got =
			iotpki_sshkey_parse_line(line, strlen(line), &key, &detail);
		if (got != rows[i].want)
			fail_msg("%s: %s: %s", rows[i].name, iotpki_strerror(got), detail.message);
	}
	assert_int_equal(iotpki_sshkey_parse_line("", 0, &key, NULL), IOTPKI_ERR_SYNTAX);
	assert_int_equal(iotpki_sshkey_parse_line("ssh-rsa ", 8, &key, NULL), IOTPKI_ERR_SYNTAX);
	char huge[8300];
	memset(huge, 'A', sizeof(huge));
	memcpy(huge, "ssh-rsa ", 8);
	assert_int_equal(iotpki_sshkey_parse_line(huge, sizeof(huge), &key, NULL),
			 IOTPKI_ERR_LIMIT);
	assert_int_equal(iotpki_sshkey_parse_line(huge, 4000, &key, NULL), IOTPKI_ERR_LIMIT);
}

/* What the fast reading leaves out is exactly the arithmetic. */
static void structure_alone_takes_a_point_off_the_curve(void **state)
{
	(void)state;
	static const char line[] = "ecdsa-sha2-nistp256 ";
	uint8_t blob[128];
	static const char hex[] = ECDSA256 NISTP256 "0000004104" GX GY_OFF;
	const size_t len = strlen(hex) / 2;
	char text[512];
	struct iotpki_sshkey key;
	assert_true(hex_decode(hex, 2 * len, blob, len));
	memcpy(text, line, strlen(line));
	(void)base64_encode(blob, len, true, text + strlen(line));
	assert_int_equal(sshkey_read_line(text, strlen(text), SSHKEY_STRUCTURE, &key, NULL),
			 IOTPKI_OK);
	assert_int_equal(sshkey_read_line(text, strlen(text), SSHKEY_FULL, &key, NULL),
			 IOTPKI_ERR_CRYPTO);
}

/* SubjectPublicKeyInfos of keys that are not taken (X04). */
static const struct {
	const char *name;
	const char *hex;
	enum iotpki_err want;
} spki_rows[] = {
	{ "X04 X25519",
	  "302a300506032b656e032100"
	  "03" ZERO31,
	  IOTPKI_ERR_UNSUPPORTED },
	{ "X04 Ed448",
	  "3043300506032b6571033a00"
	  "03" ZERO31 "0000000000000000000000000000000000"
	  "0000000000000000",
	  IOTPKI_ERR_UNSUPPORTED },
	{ "X04 compressed P-256",
	  "3039301306072a8648ce3d020106082a8648ce3d030107032200"
	  "03" GX,
	  IOTPKI_ERR_UNSUPPORTED },
	{ "X04 point at infinity", "3019301306072a8648ce3d020106082a8648ce3d03010703020000",
	  IOTPKI_ERR_SYNTAX },
	{ "X04 secp256k1", "3056301006072a8648ce3d020106052b8104000a03420004" GX GY,
	  IOTPKI_ERR_UNSUPPORTED },
	{ "X04 secp112r1",
	  "3032301006072a8648ce3d020106052b81040006031e0004"
	  "09487239995a5ee76b55f9c2f098"
	  "a89ce5af8724c0a23e0e0ff77500",
	  IOTPKI_ERR_UNSUPPORTED },
	{ "X04 explicit parameters",
	  "3056301006072a8648ce3d020130050603550400"
	  "03420004" GX GY,
	  IOTPKI_ERR_UNSUPPORTED },
	{ "a good one", "3059301306072a8648ce3d020106082a8648ce3d03010703420004" GX GY, IOTPKI_OK },
	{ "off the curve", "3059301306072a8648ce3d020106082a8648ce3d03010703420004" GX GY_OFF,
	  IOTPKI_ERR_CRYPTO },
	{ "BER length", "308159301306072a8648ce3d020106082a8648ce3d03010703420004" GX GY,
	  IOTPKI_ERR_SYNTAX },
	{ "unused bits", "3059301306072a8648ce3d020106082a8648ce3d03010703420104" GX GY,
	  IOTPKI_ERR_SYNTAX },
	{ "indefinite length",
	  "3080301306072a8648ce3d020106082a8648ce3d03010703420004" GX GY "0000",
	  IOTPKI_ERR_SYNTAX },
	{ "Ed25519 with parameters",
	  "302c300706032b65700500032100"
	  "03" ZERO31,
	  IOTPKI_ERR_SYNTAX },
	{ "Ed25519",
	  "302a300506032b6570032100"
	  "03" ZERO31,
	  IOTPKI_OK },
};

static void spki_form_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spki_rows); i++) {
		uint8_t der[256];
		const size_t len = strlen(spki_rows[i].hex) / 2;
		struct iotpki_sshkey key;
		struct iotpki_detail detail = { 0 };
		assert_true(hex_decode(spki_rows[i].hex, 2 * len, der, len));
		const enum iotpki_err got = iotpki_sshkey_from_spki(der, len, &key, &detail);
		if (got != spki_rows[i].want)
			fail_msg("%s: %s: %s", spki_rows[i].name, iotpki_strerror(got),
				 detail.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_come_back_byte_for_byte),
		cmocka_unit_test(spki_cut_anywhere_is_refused),
		cmocka_unit_test(wire_form_rows),
		cmocka_unit_test(rsa_number_rows),
		cmocka_unit_test(roca_is_recognised),
		cmocka_unit_test(small_factors_are_found),
		cmocka_unit_test(line_rows),
		cmocka_unit_test(structure_alone_takes_a_point_off_the_curve),
		cmocka_unit_test(spki_form_rows),
	};
	return cmocka_run_group_tests(tests, vectors_read, NULL);
}
