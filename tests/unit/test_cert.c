/*
 * Certificates: every class of bad one (security X01 to X09), built here byte by byte
 * and signed with a real key, so that a row is wrong in the one thing that its name says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <iotpki/cert.h>

#include "base/buf.h"
#include "base/digest.h"
#include "format/cert.h"

#define UUID "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"

/* Bytes that may hold NUL; NULL: the default. */
struct bytes {
	const char *at;
	size_t len;
};
#define B(literal)                           \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

#define ECDSA_SHA256 "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define ECDSA_SHA384 "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"
#define ECDSA_SHA1 "\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"
#define RSA_MD5 "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00"

#define OID_USAGE "\x06\x03\x55\x1d\x0f"
#define OID_SAN "\x06\x03\x55\x1d\x11"
#define OID_CONSTRAINTS "\x06\x03\x55\x1d\x13"
#define OID_UNKNOWN "\x06\x03\x2a\x03\x04"
#define CRITICAL "\x01\x01\xff"
#define CA_FALSE "\x30\x0c" OID_CONSTRAINTS CRITICAL "\x04\x02\x30\x00"
#define SIGNS "\x30\x0e" OID_USAGE CRITICAL "\x04\x04\x03\x02\x07\x80"

/* What is wrong with a certificate; what is not named is as it must be. */
struct spec {
	const char *name; /* of the row */
	struct bytes version, serial, inner, outer, cn, second_cn, issuer_cn, spki, extensions,
		rest;
	const char *from, *to;
	uint8_t cn_tag;
	bool bad_signature;
	enum iotpki_err walk, check;
};

struct kit {
	EVP_PKEY *key;
	uint8_t spki[256];
	size_t spki_len;
};

static void put_tlv(struct buf *out, uint8_t tag, const void *content, size_t len)
{
	const uint8_t head[] = { tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len };
	if (len < 0x80)
		(void)buf_put(out, (const uint8_t[]){ tag, (uint8_t)len }, 2);
	else if (len < 0x100)
		(void)buf_put(out, (const uint8_t[]){ tag, 0x81, (uint8_t)len }, 3);
	else
		(void)buf_put(out, head, sizeof(head));
	(void)buf_put(out, content, len);
}

static void put_bytes(struct buf *out, const struct bytes *given, const char *otherwise, size_t len)
{
	(void)buf_put(out, given->at != NULL ? given->at : otherwise,
		      given->at != NULL ? given->len : len);
}

static void put_cn(struct buf *rdns, const struct bytes *cn, uint8_t tag)
{
	CLEANUP(buf_done) struct buf attribute = BUF_INIT(4096);
	CLEANUP(buf_done) struct buf sequence = BUF_INIT(4096);
	(void)buf_put(&attribute, "\x06\x03\x55\x04\x03", 5);
	put_tlv(&attribute, tag, cn->at, cn->len);
	put_tlv(&sequence, 0x30, attribute.data, attribute.len);
	put_tlv(rdns, 0x31, sequence.data, sequence.len);
}

static void put_name(struct buf *out, const struct spec *spec, bool issuer)
{
	static const struct bytes alice = B("alice");
	CLEANUP(buf_done) struct buf rdns = BUF_INIT(4096);
	/* An attribute that is not the common name is nobody's business: O=x. */
	(void)buf_put(&rdns, "\x31\x0a\x30\x08\x06\x03\x55\x04\x0a\x0c\x01x", 12);
	const struct bytes *cn = spec->cn.at != NULL ? &spec->cn : &alice;
	if (issuer && spec->issuer_cn.at != NULL)
		cn = &spec->issuer_cn;
	if (cn->len > 0)
		put_cn(&rdns, cn, spec->cn_tag != 0 ? spec->cn_tag : 0x0c);
	if (spec->second_cn.at != NULL)
		put_cn(&rdns, &spec->second_cn, 0x0c);
	put_tlv(out, 0x30, rdns.data, rdns.len);
}

static void put_time(struct buf *out, const char *time)
{
	put_tlv(out, strlen(time) == 13 ? 0x17 : 0x18, time, strlen(time));
}

static void put_validity(struct buf *out, const struct spec *spec)
{
	CLEANUP(buf_done) struct buf times = BUF_INIT(256);
	put_time(&times, spec->from != NULL ? spec->from : "200101000000Z");
	put_time(&times, spec->to != NULL ? spec->to : "99991231235959Z");
	put_tlv(out, 0x30, times.data, times.len);
}

static void put_extensions(struct buf *out, const struct spec *spec)
{
	CLEANUP(buf_done) struct buf list = BUF_INIT(8192);
	CLEANUP(buf_done) struct buf sequence = BUF_INIT(8192);
	put_bytes(&list, &spec->extensions, CA_FALSE SIGNS, sizeof(CA_FALSE SIGNS) - 1);
	put_tlv(&sequence, 0x30, list.data, list.len);
	put_tlv(out, 0xa3, sequence.data, sequence.len);
}

static void put_signature(struct buf *out, const struct kit *kit, const struct buf *tbs, bool bad)
{
	uint8_t bits[1 + 128] = { 0 };
	size_t len = sizeof(bits) - 1;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, kit->key), 1);
	assert_int_equal(EVP_DigestSign(ctx, bits + 1, &len, tbs->data, tbs->len), 1);
	EVP_MD_CTX_free(ctx);
	if (bad)
		bits[len] ^= 1;
	put_tlv(out, 0x03, bits, len + 1);
}

static void build(const struct kit *kit, const struct spec *spec, struct buf *der)
{
	CLEANUP(buf_done) struct buf content = BUF_INIT(8192);
	CLEANUP(buf_done) struct buf tbs = BUF_INIT(8192);
	CLEANUP(buf_done) struct buf all = BUF_INIT(16384);
	put_bytes(&content, &spec->version, "\xa0\x03\x02\x01\x02", 5);
	put_bytes(&content, &spec->serial, "\x02\x01\x05", 3);
	put_bytes(&content, &spec->inner, ECDSA_SHA256, sizeof(ECDSA_SHA256) - 1);
	put_name(&content, spec, true);
	put_validity(&content, spec);
	put_name(&content, spec, false);
	put_bytes(&content, &spec->spki, (const char *)kit->spki, kit->spki_len);
	if (spec->extensions.at == NULL || spec->extensions.len > 0)
		put_extensions(&content, spec);
	put_tlv(&tbs, 0x30, content.data, content.len);

	(void)buf_put(&all, tbs.data, tbs.len);
	put_bytes(&all, &spec->outer, ECDSA_SHA256, sizeof(ECDSA_SHA256) - 1);
	put_signature(&all, kit, &tbs, spec->bad_signature);
	put_tlv(der, 0x30, all.data, all.len);
	put_bytes(der, &spec->rest, "", 0);
	assert_int_equal(buf_error(der), IOTPKI_OK);
}

static int kit_make(void **state)
{
	static struct kit kit;
	kit.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	uint8_t *at = kit.spki;
	kit.spki_len = kit.key != NULL ? (size_t)i2d_PUBKEY(kit.key, &at) : 0;
	*state = &kit;
	return kit.spki_len > 0 ? 0 : -1;
}

static int kit_free(void **state)
{
	struct kit *kit = *state;
	EVP_PKEY_free(kit->key);
	return 0;
}

#define OK IOTPKI_OK
#define SYNTAX IOTPKI_ERR_SYNTAX
#define CRYPTO IOTPKI_ERR_CRYPTO
#define UNSUPPORTED IOTPKI_ERR_UNSUPPORTED
#define MISMATCH IOTPKI_ERR_MISMATCH
#define LONGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GX                                                                                         \
	"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb" \
	"\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96"
#define P256_HEAD                                                                                  \
	"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01" \
	"\x07\x03\x42\x00\x04"
#define X32 "\x30\x07" OID_UNKNOWN "\x04\x00"

static const struct spec rows[] = {
	{ .name = "as it must be" },
	{ .name = "longest name", .cn = B(LONGEST) },
	{ .name = "PrintableString", .cn_tag = 0x13 },

	{ .name = "X01 trailing byte", .rest = B("\0"), .walk = SYNTAX },
	{ .name = "X04 X25519",
	  .spki = B("\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00" GX),
	  .walk = UNSUPPORTED },
	{ .name = "X04 compressed point",
	  .spki = B(
		  "\x30\x39\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d"
		  "\x03\x01\x07\x03\x22\x00\x03" GX),
	  .walk = UNSUPPORTED },
	{ .name = "X04 point off the curve: the full check's",
	  .spki = B(P256_HEAD GX GX),
	  .check = CRYPTO },
	{ .name = "X05 signature invalid", .bad_signature = true, .check = CRYPTO },
	{ .name = "X05 SHA-1",
	  .inner = B(ECDSA_SHA1),
	  .outer = B(ECDSA_SHA1),
	  .check = UNSUPPORTED },
	{ .name = "X05 MD5", .inner = B(RSA_MD5), .outer = B(RSA_MD5), .check = UNSUPPORTED },
	{ .name = "X05 two algorithms", .outer = B(ECDSA_SHA384), .walk = SYNTAX },
	{ .name = "X05 another digest than signed with",
	  .inner = B(ECDSA_SHA384),
	  .outer = B(ECDSA_SHA384),
	  .check = CRYPTO },

	{ .name = "X06 UTCTime 1970", .from = "700101000000Z" },
	{ .name = "X06 UTCTime of 1969", .from = "691231235959Z", .walk = SYNTAX },
	{ .name = "X06 UTCTime 2049", .to = "491231235959Z" },
	{ .name = "X06 GeneralizedTime before 2050", .from = "20200101000000Z", .walk = SYNTAX },
	{ .name = "X06 UTCTime without seconds", .from = "2001010000Z", .walk = SYNTAX },
	{ .name = "X06 UTCTime with an offset", .from = "2001010000+0100", .walk = SYNTAX },
	{ .name = "X06 empty time", .to = "", .walk = SYNTAX },
	{ .name = "X06 fraction", .to = "99991231235959.5Z", .walk = SYNTAX },
	{ .name = "X06 31 February", .from = "200231000000Z", .walk = SYNTAX },
	{ .name = "X06 letters", .from = "2001O1000000Z", .walk = SYNTAX },
	{ .name = "X06 ends before it begins", .to = "191231235959Z", .walk = SYNTAX },

	{ .name = "X07 no common name", .cn = B(""), .walk = SYNTAX },
	{ .name = "X07 two common names", .second_cn = B("bob"), .walk = SYNTAX },
	{ .name = "X07 NUL", .cn = B("ali\0ce"), .walk = SYNTAX },
	{ .name = "X07 newline", .cn = B("alice\n"), .walk = SYNTAX },
	{ .name = "X07 wildcard", .cn = B("*"), .walk = SYNTAX },
	{ .name = "X07 upper case", .cn = B("Alice"), .walk = SYNTAX },
	{ .name = "X07 IDN", .cn = B("\xc3\xa4lice"), .walk = SYNTAX },
	{ .name = "X07 BMPString", .cn = B("\0a\0l"), .cn_tag = 0x1e, .walk = SYNTAX },
	{ .name = "X07 T61String", .cn_tag = 0x14, .walk = SYNTAX },
	{ .name = "X07 65 bytes", .cn = B(LONGEST "0"), .walk = SYNTAX },
	{ .name = "X07 another issuer", .issuer_cn = B("bob"), .walk = SYNTAX },
	{ .name = "X07 UUID without SAN", .cn = B(UUID), .check = SYNTAX },
	{ .name = "X07 UUID with its SAN",
	  .cn = B(UUID),
	  .extensions = B(CA_FALSE SIGNS "\x30\x38" OID_SAN "\x04\x31\x30\x2f\x86\x2d"
					 "urn:uuid:" UUID) },
	{ .name = "X07 UUID with the SAN of another",
	  .cn = B(UUID),
	  .extensions = B(CA_FALSE SIGNS "\x30\x38" OID_SAN "\x04\x31\x30\x2f\x86\x2d"
					 "urn:uuid:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b61"),
	  .check = MISMATCH },
	{ .name = "X07 SAN with its name",
	  .extensions = B(CA_FALSE SIGNS "\x30\x10" OID_SAN "\x04\x09\x30\x07\x82\x05"
					 "alice") },
	{ .name = "X07 SAN with another name",
	  .extensions = B(CA_FALSE SIGNS "\x30\x10" OID_SAN "\x04\x09\x30\x07\x82\x05"
					 "bobby"),
	  .check = MISMATCH },
	{ .name = "X07 SAN with two names",
	  .extensions = B(CA_FALSE SIGNS "\x30\x13" OID_SAN "\x04\x0c\x30\x0a\x82\x05"
					 "alice"
					 "\x82\x01"
					 "b"),
	  .check = MISMATCH },
	{ .name = "X07 empty SAN",
	  .extensions = B(CA_FALSE SIGNS "\x30\x09" OID_SAN "\x04\x02\x30\x00"),
	  .check = SYNTAX },

	{ .name = "X08 unknown extension, critical",
	  .extensions = B(CA_FALSE SIGNS "\x30\x0a" OID_UNKNOWN CRITICAL "\x04\x00"),
	  .check = SYNTAX },
	{ .name = "X08 unknown extension, not critical", .extensions = B(CA_FALSE SIGNS X32) },
	{ .name = "X08 FALSE written out",
	  .extensions = B(CA_FALSE SIGNS "\x30\x0a" OID_UNKNOWN "\x01\x01\x00\x04\x00"),
	  .check = SYNTAX },
	{ .name = "X08 CA:TRUE",
	  .extensions = B("\x30\x0f" OID_CONSTRAINTS CRITICAL "\x04\x05\x30\x03\x01\x01\xff" SIGNS),
	  .check = SYNTAX },
	{ .name = "X08 no basicConstraints", .extensions = B(SIGNS), .check = SYNTAX },
	{ .name = "X08 no keyUsage", .extensions = B(CA_FALSE), .check = SYNTAX },
	{ .name = "X08 keyUsage without digitalSignature",
	  .extensions = B(CA_FALSE "\x30\x0e" OID_USAGE CRITICAL "\x04\x04\x03\x02\x03\x08"),
	  .check = SYNTAX },
	{ .name = "X08 keyUsage with keyCertSign",
	  .extensions = B(CA_FALSE "\x30\x0e" OID_USAGE CRITICAL "\x04\x04\x03\x02\x02\x84"),
	  .check = SYNTAX },
	{ .name = "X08 keyUsage with digitalSignature and keyAgreement",
	  .extensions = B(CA_FALSE "\x30\x0e" OID_USAGE CRITICAL "\x04\x04\x03\x02\x03\x88") },
	{ .name = "X08 keyUsage with unused bits set",
	  .extensions = B(CA_FALSE "\x30\x0e" OID_USAGE CRITICAL "\x04\x04\x03\x02\x07\x81"),
	  .check = SYNTAX },
	{ .name = "X08 one extension twice",
	  .extensions = B(CA_FALSE SIGNS CA_FALSE),
	  .check = SYNTAX },
	{ .name = "X08 no extensions", .extensions = B(""), .check = SYNTAX },
	{ .name = "X08 33 extensions",
	  .extensions = B(X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32
				  X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32 X32),
	  .walk = SYNTAX },
	{ .name = "X08 serial of 20 bytes",
	  .serial = B("\x02\x14"
		      "aaaaaaaaaaaaaaaaaaaa") },
	{ .name = "X08 serial of 21 bytes",
	  .serial = B("\x02\x15"
		      "aaaaaaaaaaaaaaaaaaaaa"),
	  .walk = SYNTAX },
	{ .name = "X08 serial negative", .serial = B("\x02\x01\x80"), .walk = SYNTAX },
	{ .name = "X08 serial zero", .serial = B("\x02\x01\x00"), .walk = SYNTAX },
	{ .name = "X08 serial not shortest", .serial = B("\x02\x02\x00\x01"), .walk = SYNTAX },
	{ .name = "X08 version 1", .version = B(""), .walk = SYNTAX },
	{ .name = "X08 version 2", .version = B("\xa0\x03\x02\x01\x01"), .walk = SYNTAX },
};

static void certificate_rows(void **state)
{
	const struct kit *kit = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf der = BUF_INIT(16384);
		struct iotpki_cert cert;
		struct iotpki_detail detail = { 0 };
		build(kit, &rows[i], &der);
		const enum iotpki_err walk = iotpki_cert_walk(der.data, der.len, &cert, &detail);
		if (walk != rows[i].walk)
			fail_msg("%s: walk: %s: %s", rows[i].name, iotpki_strerror(walk),
				 detail.message);
		if (walk != IOTPKI_OK && (cert.name[0] != '\0' || detail.message[0] == '\0'))
			fail_msg("%s: leaves something or says nothing", rows[i].name);
		const enum iotpki_err want = walk != IOTPKI_OK ? walk : rows[i].check;
		const enum iotpki_err check = iotpki_cert_check(der.data, der.len, &cert, &detail);
		if (check != want)
			fail_msg("%s: check: %s: %s", rows[i].name, iotpki_strerror(check),
				 detail.message);
		if (check != IOTPKI_OK && cert.name[0] != '\0')
			fail_msg("%s: check leaves something", rows[i].name);
	}
}

static void what_the_walk_reads_is_right(void **state)
{
	const struct kit *kit = *state;
	const struct spec spec = { .from = "200229123456Z", .to = "99991231235959Z" };
	CLEANUP(buf_done) struct buf der = BUF_INIT(16384);
	build(kit, &spec, &der);
	struct iotpki_cert cert;
	assert_int_equal(iotpki_cert_walk(der.data, der.len, &cert, NULL), IOTPKI_OK);
	assert_string_equal(cert.name, "alice");
	assert_true(cert.not_before_s == 1582979696);
	assert_true(cert.not_after_s == INT64_C(253402300799));
	uint8_t digest[SHA256_LEN];
	assert_int_equal(sha256(der.data, der.len, digest), IOTPKI_OK);
	assert_memory_equal(cert.sha256, digest, sizeof(digest));
	assert_int_equal(sha256(kit->spki, kit->spki_len, digest), IOTPKI_OK);
	assert_memory_equal(cert.spki_sha256, digest, sizeof(digest));
	struct iotpki_sshkey key;
	assert_int_equal(iotpki_sshkey_from_spki(kit->spki, kit->spki_len, &key, NULL), IOTPKI_OK);
	assert_memory_equal(&cert.key.fingerprint, key.fingerprint, sizeof(key.fingerprint));
}

static void cut_anywhere_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(16384);
	struct iotpki_cert cert;
	build(*state, &rows[0], &der);
	for (size_t len = 0; len < der.len; len++) {
		/* An exact copy: a sanitizer sees one byte too many. */
		AUTO_FREE uint8_t *cut = malloc(len > 0 ? len : 1);
		assert_non_null(cut);
		memcpy(cut, der.data, len);
		if (iotpki_cert_walk(cut, len, &cert, NULL) != IOTPKI_ERR_SYNTAX)
			fail_msg("X01: cut to %zu", len);
	}
}

/* Each byte changed: never accepted in full as another certificate. */
static void any_changed_byte_is_noticed(void **state)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(16384);
	struct iotpki_cert cert;
	build(*state, &rows[0], &der);
	for (size_t i = 0; i < der.len; i++) {
		der.data[i] ^= 0x01;
		if (iotpki_cert_check(der.data, der.len, &cert, NULL) == IOTPKI_OK)
			fail_msg("X01: byte %zu changed", i);
		der.data[i] ^= 0x01;
	}
	assert_int_equal(iotpki_cert_check(der.data, der.len, &cert, NULL), IOTPKI_OK);
}

/* The same content in BER: other bytes, so another hash of one certificate. */
static void ber_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(16384);
	build(*state, &rows[0], &der);
	assert_int_equal(der.data[1], 0x82);
	struct iotpki_cert cert;

	CLEANUP(buf_done) struct buf longer = BUF_INIT(16384);
	(void)buf_put(&longer, "\x30\x83\x00", 3);
	(void)buf_put(&longer, der.data + 2, der.len - 2);
	assert_int_equal(iotpki_cert_walk(longer.data, longer.len, &cert, NULL), IOTPKI_ERR_SYNTAX);

	CLEANUP(buf_done) struct buf indefinite = BUF_INIT(16384);
	(void)buf_put(&indefinite, "\x30\x80", 2);
	(void)buf_put(&indefinite, der.data + 4, der.len - 4);
	(void)buf_put(&indefinite, "\0\0", 2);
	assert_int_equal(iotpki_cert_walk(indefinite.data, indefinite.len, &cert, NULL),
			 IOTPKI_ERR_SYNTAX);
}

static void size_is_capped(void **state)
{
	(void)state;
	static uint8_t big[IOTPKI_CERT_DER_MAX + 1] = { 0x30, 0x82, 0x1f, 0xfd };
	struct iotpki_cert cert;
	assert_int_equal(iotpki_cert_walk(big, sizeof(big), &cert, NULL), IOTPKI_ERR_LIMIT);
	assert_int_equal(iotpki_cert_walk(big, sizeof(big) - 1, &cert, NULL), IOTPKI_ERR_SYNTAX);
	assert_int_equal(iotpki_cert_walk(big, 0, &cert, NULL), IOTPKI_ERR_SYNTAX);
}

/* X09: a certificate made anew for the same key and name is another one with the same key. */
static void renewal_changes_the_hash_alone(void **state)
{
	CLEANUP(buf_done) struct buf one = BUF_INIT(16384), two = BUF_INIT(16384);
	struct iotpki_cert first, second;
	const struct spec renewed = { .serial = B("\x02\x01\x06") };
	build(*state, &rows[0], &one);
	build(*state, &renewed, &two);
	assert_int_equal(iotpki_cert_check(one.data, one.len, &first, NULL), IOTPKI_OK);
	assert_int_equal(iotpki_cert_check(two.data, two.len, &second, NULL), IOTPKI_OK);
	assert_memory_not_equal(first.sha256, second.sha256, sizeof(first.sha256));
	assert_memory_equal(first.spki_sha256, second.spki_sha256, sizeof(first.spki_sha256));
	assert_memory_equal(first.key.fingerprint, second.key.fingerprint, SHA256_LEN);
}

static void uuid_names(void **state)
{
	(void)state;
	assert_true(cert_name_is_uuid(UUID));
	assert_false(cert_name_is_uuid("alice"));
	assert_false(cert_name_is_uuid("3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b6"));
	assert_false(cert_name_is_uuid("3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b6g"));
	assert_false(cert_name_is_uuid("3f2b6c1e.8d54-4a7b-9c0e-5a1d2e3f4b60"));
}

/* ---- PEM (X02) ---- */

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END "-----END CERTIFICATE-----\n"
#define L64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"

static const struct {
	const char *name;
	const char *text;
	enum iotpki_err want;
	size_t len;        /* of the DER */
	unsigned int line; /* of the error */
} pem_rows[] = {
	{ "one line", BEGIN "AAEC\n" END, OK, 3, 0 },
	{ "full lines", BEGIN L64 "\n" L64 "\n" END, OK, 96, 0 },
	{ "full and short line", BEGIN L64 "\nAA==\n" END, OK, 49, 0 },
	{ "white space around", "\n \t\r\n" BEGIN "AAEC\n" END "\n\n ", OK, 3, 0 },
	{ "no last newline", BEGIN "AAEC\n-----END CERTIFICATE-----", OK, 3, 0 },
	{ "CRLF", "-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\r\n", OK, 3,
	  0 },
	{ "empty text", "", SYNTAX, 0, 1 },
	{ "wrong label", "-----BEGIN X509 CERTIFICATE-----\nAAEC\n-----END X509 CERTIFICATE-----\n",
	  SYNTAX, 0, 1 },
	{ "trusted label", "-----BEGIN TRUSTED CERTIFICATE-----\nAAEC\n" END, SYNTAX, 0, 1 },
	{ "a key", "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n", SYNTAX, 0, 1 },
	{ "labels differ", BEGIN "AAEC\n-----END PRIVATE KEY-----\n", SYNTAX, 0, 3 },
	{ "two certificates", BEGIN "AAEC\n" END BEGIN "AAEC\n" END, SYNTAX, 0, 4 },
	{ "text before", "subject=CN = alice\n" BEGIN "AAEC\n" END, SYNTAX, 0, 1 },
	{ "text after", BEGIN "AAEC\n" END "x", SYNTAX, 0, 4 },
	{ "headers", BEGIN "Proc-Type: 4,ENCRYPTED\n\nAAEC\n" END, SYNTAX, 0, 3 },
	{ "empty line inside", BEGIN "AAEC\n\nAAEC\n" END, SYNTAX, 0, 3 },
	{ "short line in the middle", BEGIN "AAEC\nAAEC\n" END, SYNTAX, 0, 3 },
	{ "line of 65", BEGIN L64 "A\n" END, SYNTAX, 0, 2 },
	{ "space in the base64", BEGIN "AA EC\n" END, SYNTAX, 0, 2 },
	{ "no padding", BEGIN "AA\n" END, SYNTAX, 0, 2 },
	{ "padding in the middle", BEGIN "AA==AAEC\n" END, SYNTAX, 0, 2 },
	{ "unused bits", BEGIN "AB==\n" END, SYNTAX, 0, 2 },
	{ "nothing between", BEGIN END, SYNTAX, 0, 2 },
	{ "no end", BEGIN "AAEC\n", SYNTAX, 0, 3 },
	{ "nothing after begin", BEGIN, SYNTAX, 0, 2 },
};

static void pem_text_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pem_rows); i++) {
		uint8_t der[128];
		size_t len = sizeof(der);
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err = iotpki_cert_from_pem(
			pem_rows[i].text, strlen(pem_rows[i].text), der, &len, &detail);
		if (err != pem_rows[i].want || (err == OK && len != pem_rows[i].len))
			fail_msg("%s: %s: %s", pem_rows[i].name, iotpki_strerror(err),
				 detail.message);
		if (err != OK && (len != 0 || detail.line != pem_rows[i].line))
			fail_msg("%s: line %u: %s", pem_rows[i].name, detail.line, detail.message);
	}
}

static void pem_is_capped(void **state)
{
	(void)state;
	static char text[IOTPKI_CERT_PEM_MAX + 2];
	uint8_t der[8];
	size_t len = sizeof(der);
	memset(text, '\n', sizeof(text) - 1);
	assert_int_equal(iotpki_cert_from_pem(text, IOTPKI_CERT_PEM_MAX + 1, der, &len, NULL),
			 IOTPKI_ERR_LIMIT);
	len = sizeof(der);
	assert_int_equal(iotpki_cert_from_pem(BEGIN L64 "\n" END, strlen(BEGIN L64 "\n" END), der,
					      &len, NULL),
			 IOTPKI_ERR_LIMIT);
}

static void pem_comes_back(void **state)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(16384);
	build(*state, &rows[0], &der);
	for (size_t len = 1; len <= der.len; len++) {
		char pem[IOTPKI_CERT_PEM_MAX];
		uint8_t back[IOTPKI_CERT_DER_MAX];
		size_t back_len = sizeof(back);
		assert_int_equal(iotpki_cert_to_pem(der.data, len, pem, sizeof(pem)), IOTPKI_OK);
		assert_int_equal(iotpki_cert_from_pem(pem, strlen(pem), back, &back_len, NULL),
				 IOTPKI_OK);
		assert_int_equal(back_len, len);
		assert_memory_equal(back, der.data, len);
		assert_int_equal(iotpki_cert_to_pem(der.data, len, pem, strlen(pem)),
				 IOTPKI_ERR_LIMIT);
	}
	static const uint8_t big[IOTPKI_CERT_DER_MAX + 1];
	char pem[IOTPKI_CERT_PEM_MAX];
	assert_int_equal(iotpki_cert_to_pem(big, sizeof(big) - 1, pem, sizeof(pem)), IOTPKI_OK);
	assert_int_equal(iotpki_cert_to_pem(big, sizeof(big), pem, sizeof(pem)), IOTPKI_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_rows),
		cmocka_unit_test(what_the_walk_reads_is_right),
		cmocka_unit_test(cut_anywhere_is_refused),
		cmocka_unit_test(any_changed_byte_is_noticed),
		cmocka_unit_test(ber_is_refused),
		cmocka_unit_test(size_is_capped),
		cmocka_unit_test(renewal_changes_the_hash_alone),
		cmocka_unit_test(uuid_names),
		cmocka_unit_test(pem_text_rows),
		cmocka_unit_test(pem_is_capped),
		cmocka_unit_test(pem_comes_back),
	};
	return cmocka_run_group_tests(tests, kit_make, kit_free);
}
