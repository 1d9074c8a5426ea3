/*
 * Whether the numbers of a public key can be a key at all: points on their curve
 * (RFC 5656 3.1 demands it; invalid-curve and small-subgroup attacks are what it
 * prevents), moduli that are not known to be weak.
 */
#include "format/sshkey.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <string.h>

static void group_free(EC_GROUP **group)
{
	EC_GROUP_free(*group);
}

static void point_free(EC_POINT **point)
{
	EC_POINT_free(*point);
}

static void ctx_free(BN_CTX **ctx)
{
	BN_CTX_free(*ctx);
}

enum iotpki_err sshkey_check_ec_point(enum iotpki_sshkey_type type, const struct der *point,
				      struct iotpki_detail *detail)
{
	const int curve = type == IOTPKI_SSHKEY_ECDSA_P256   ? NID_X9_62_prime256v1
			  : type == IOTPKI_SSHKEY_ECDSA_P384 ? NID_secp384r1
							     : NID_secp521r1;
	CLEANUP(group_free) EC_GROUP *group = EC_GROUP_new_by_curve_name(curve);
	CLEANUP(point_free) EC_POINT *read = group != NULL ? EC_POINT_new(group) : NULL;
	if (read == NULL)
		return IOTPKI_ERR_NOMEM;
	/* The cofactor of these curves is 1: on the curve and not infinity is all there is to check. */
	if (EC_POINT_oct2point(group, read, point->at, point->left, NULL) != 1)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
				  "the key's point is not on its curve");
	return IOTPKI_OK;
}

/*
 * Curve25519's points of order 1, 2, 4 and 8 as Ed25519 encodes their y (RFC 8032 5.1.2, sign
 * bit cleared): with such a key one signature is good for any message.
 */
static const uint8_t low_order[][32] = {
	{ 0x00 },
	{ 0x01 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
	  0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
	  0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
	  0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
	  0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
};

/* RFC 8032 5.1: p = 2^255 - 19, d = -121665/121666, both big-endian. */
#define ED25519_P "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
#define ED25519_D "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"

/* 1: there is an x for this y on -x^2 + y^2 = 1 + d x^2 y^2; 0: there is none; -1: no memory. */
static int on_edwards_curve(const uint8_t y_bytes[static 32], BN_CTX *ctx)
{
	BIGNUM *p = BN_CTX_get(ctx);
	BIGNUM *d = BN_CTX_get(ctx);
	BIGNUM *y2 = BN_CTX_get(ctx);
	BIGNUM *u = BN_CTX_get(ctx);
	BIGNUM *v = BN_CTX_get(ctx);
	if (v == NULL || BN_hex2bn(&p, ED25519_P) == 0 || BN_hex2bn(&d, ED25519_D) == 0 ||
	    BN_lebin2bn(y_bytes, 32, y2) == NULL)
		return -1;
	/* RFC 8032 5.1.3 step 1: one spelling of each y. */
	if (BN_cmp(y2, p) >= 0)
		return 0;
	if (BN_mod_sqr(y2, y2, p, ctx) != 1 || BN_copy(u, y2) == NULL || BN_sub_word(u, 1) != 1 ||
	    BN_mod_mul(v, d, y2, p, ctx) != 1 || BN_add_word(v, 1) != 1 ||
	    BN_mod_mul(u, u, v, p, ctx) != 1)
		return -1;
	/* x^2 = u/v has a root exactly if u v is a square. */
	const int symbol = BN_kronecker(u, p, ctx);
	return symbol == -2 ? -1 : symbol == 1;
}

enum iotpki_err sshkey_check_ed25519_point(const struct der *point, struct iotpki_detail *detail)
{
	uint8_t y[32];
	if (point->left != sizeof(y))
		return IOTPKI_ERR_ARGUMENT;
	memcpy(y, point->at, sizeof(y));
	y[31] &= 0x7f;
	for (size_t i = 0; i < ARRAY_LEN(low_order); i++)
		if (memcmp(y, low_order[i], sizeof(y)) == 0)
			return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
					  "the key is a point of low order: it protects nothing");

	CLEANUP(ctx_free) BN_CTX *ctx = BN_CTX_new();
	if (ctx == NULL)
		return IOTPKI_ERR_NOMEM;
	BN_CTX_start(ctx);
	const int on_curve = on_edwards_curve(y, ctx);
	BN_CTX_end(ctx);
	if (on_curve < 0)
		return IOTPKI_ERR_NOMEM;
	if (on_curve == 0)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
				  "the key's point is not on its curve");
	return IOTPKI_OK;
}

/* By 32 bits a step: whoever offers a key to sshd makes us do this, before any proof. */
static uint32_t modulo(const struct der *number, uint32_t divisor)
{
	uint64_t rest = 0;
	size_t i = 0;
	for (; (number->left - i) % 4 != 0; i++)
		rest = (rest << 8 | number->at[i]) % divisor;
	for (; i < number->left; i += 4) {
		const uint8_t *at = number->at + i;
		const uint32_t word = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
				      (uint32_t)at[2] << 8 | at[3];
		rest = (rest << 32 | word) % divisor;
	}
	return (uint32_t)rest;
}

static bool odd_prime(uint32_t number)
{
	for (uint32_t i = 3; i * i <= number; i += 2)
		if (number % i == 0)
			return false;
	return true;
}

static bool power_of_65537(uint32_t rest, uint32_t prime)
{
	uint32_t power = 1;
	do {
		if (power == rest)
			return true;
		power = power * (65537 % prime) % prime;
	} while (power != 1);
	return false;
}

/*
 * ROCA (CVE-2017-15361): the faulty generator makes primes k M + (65537^a mod M), where M is the
 * product of the primes up to 701 for keys of 1984 to 3936 bits (more for longer ones), so
 * the modulus is a power of 65537 by each of them. Another key is that with no chance to speak of.
 */
enum { ROCA_LAST_PRIME = 701 };

/* Primes whose product fits in 32 bits: one pass over the modulus serves them all. */
struct batch {
	uint32_t product;
	size_t count;
	uint32_t primes[10];
};

/* The batch that begins with the first prime from `from` on; returns where the next one begins. */
static uint32_t next_batch(uint32_t from, struct batch *batch)
{
	*batch = (struct batch){ .product = 1 };
	uint32_t number = from;
	for (; number <= ROCA_LAST_PRIME; number += 2) {
		if (!odd_prime(number))
			continue;
		if (batch->product > UINT32_MAX / number)
			break;
		batch->product *= number;
		batch->primes[batch->count++] = number;
	}
	return number;
}

enum iotpki_err sshkey_check_modulus(const struct der *modulus, struct iotpki_detail *detail)
{
	bool roca = true;
	for (uint32_t from = 3; from <= ROCA_LAST_PRIME;) {
		struct batch batch;
		from = next_batch(from, &batch);
		const uint32_t whole = modulo(modulus, batch.product);
		for (size_t i = 0; i < batch.count; i++) {
			const uint32_t rest = whole % batch.primes[i];
			if (rest == 0)
				return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
						  "the RSA modulus is divisible by %u",
						  batch.primes[i]);
			roca = roca && power_of_65537(rest, batch.primes[i]);
		}
	}
	if (roca)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
				  "the RSA key comes from a faulty generator (ROCA, "
				  "CVE-2017-15361); make a new one");
	return IOTPKI_OK;
}
