/* Transactions: one accepted form, held against OpenSSL's own CMS; everything else refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/cms.h>

#include "base/parse.h"
#include "identity/identity.h"
#include "txkit.h"

static struct txkit_key owner, other;
#define NAME "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define NOW INT64_C(1800000000)

static int setup(void **state)
{
	(void)state;
	txkit_key_new(&owner);
	txkit_key_new(&other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	txkit_key_done(&owner);
	txkit_key_done(&other);
	return 0;
}

static struct tx sample(enum tx_op op)
{
	uint8_t prev[SHA256_LEN];
	memset(prev, 0xab, sizeof(prev));
	switch (op) {
	case TX_PREORDER:
		return txkit_preorder(&owner, NAME, 7, NOW);
	case TX_REGISTER:
		return txkit_register(&owner, NAME, 7, NOW, NOW + 86400);
	case TX_REVOKE:
		return txkit_revoke(&owner, NAME, prev, NOW);
	case TX_UPDATE:
		break;
	}
	struct tx tx = txkit_update(&owner, NAME, prev, NOW, NOW + 86400);
	tx.has_new_owner = true;
	memcpy(tx.new_owner, other.owner, SHA256_LEN);
	return tx;
}

/* What OpenSSL's CMS thinks of a DER: parsed afresh each time (facts.md 5). */
static bool openssl_accepts(const struct buf *der)
{
	const unsigned char *at = der->data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)der->len);
	if (cms == NULL)
		return false;
	unsigned char *again = NULL;
	const int len = i2d_CMS_ContentInfo(cms, &again);
	BIO *out = BIO_new(BIO_s_mem());
	const bool good =
		at == der->data + der->len && len == (int)der->len &&
		memcmp(again, der->data, der->len) == 0 &&
		CMS_verify(cms, NULL, NULL, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	BIO_free(out);
	OPENSSL_free(again);
	CMS_ContentInfo_free(cms);
	return good;
}

static enum tx_reason judge(const struct buf *der)
{
	struct tx tx;
	uint8_t txid[SHA256_LEN];
	struct iotpki_detail detail = { 0 };
	/* An exact copy: a sanitizer sees the first byte read beyond it. */
	uint8_t *copy = malloc(der->len > 0 ? der->len : 1);
	assert_non_null(copy);
	memcpy(copy, der->data, der->len);
	const enum tx_reason reason = tx_verify(copy, der->len, &tx, txid, &detail);
	free(copy);
	if (reason != TX_OK && detail.message[0] == '\0')
		fail_msg("%s without a word for people", tx_reason_name(reason));
	return reason;
}

static void expect(const struct buf *der, enum tx_reason want, const char *row)
{
	const enum tx_reason got = judge(der);
	if (got != want)
		fail_msg("%s: %s, not %s", row, tx_reason_name(got), tx_reason_name(want));
}

static void what_is_signed_verifies(void **state)
{
	(void)state;
	for (enum tx_op op = TX_PREORDER; op <= TX_REVOKE; op++) {
		CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
		CLEANUP(buf_done) struct buf before = BUF_INIT(TX_DER_MAX);
		CLEANUP(buf_done) struct buf after = BUF_INIT(TX_DER_MAX);
		const struct tx tx = sample(op);
		struct tx back;
		uint8_t txid[SHA256_LEN], hash[SHA256_LEN];
		txkit_sign(&owner, &tx, &der);
		if (tx_verify(der.data, der.len, &back, txid, NULL) != TX_OK)
			fail_msg("%s", tx_op_name(op));
		assert_int_equal(sha256(der.data, der.len, hash), IOTPKI_OK);
		assert_memory_equal(hash, txid, SHA256_LEN);
		assert_int_equal(tx_content(&tx, &before), IOTPKI_OK);
		assert_int_equal(tx_content(&back, &after), IOTPKI_OK);
		assert_string_equal(buf_text(&before), buf_text(&after));
		if (!openssl_accepts(&der))
			fail_msg("%s: OpenSSL refuses what tx_verify takes", tx_op_name(op));
	}
}

static void identities_sign(void **state)
{
	(void)state;
	static const struct {
		enum identity_algorithm algorithm;
		enum iotpki_err want;
	} rows[] = {
		{ IDENTITY_P256, IOTPKI_OK },
		{ IDENTITY_P384, IOTPKI_ERR_UNSUPPORTED },
		{ IDENTITY_ED25519, IOTPKI_ERR_UNSUPPORTED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(identity_freep) struct identity *identity = NULL;
		CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
		struct iotpki_detail detail = { 0 };
		struct tx tx = sample(TX_REVOKE);
		assert_int_equal(
			identity_new(NULL, rows[i].algorithm, random_system(), &identity, NULL),
			IOTPKI_OK);
		memcpy(tx.owner, identity_cert(identity)->spki_sha256, SHA256_LEN);
		assert_int_equal(tx_sign(&tx, identity, &der, &detail), rows[i].want);
		if (rows[i].want != IOTPKI_OK) {
			assert_true(detail.message[0] != '\0');
			continue;
		}
		expect(&der, TX_OK, "signed with an identity");
		assert_true(openssl_accepts(&der));
		memcpy(tx.owner, other.owner, SHA256_LEN);
		assert_int_equal(tx_sign(&tx, identity, &der, NULL), IOTPKI_ERR_MISMATCH);
		tx.time_s = -1;
		assert_int_equal(tx_sign(&tx, identity, &der, NULL), IOTPKI_ERR_ARGUMENT);
	}
}

static void contents_are_those_of_the_design(void **state)
{
	(void)state;
	struct tx tx = sample(TX_REGISTER);
	memset(tx.owner, 0x11, SHA256_LEN);
	CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
	assert_int_equal(tx_content(&tx, &json), IOTPKI_OK);
	assert_string_equal(
		buf_text(&json),
		"{\"expires\":1800086400,\"name\":\"" NAME "\",\"op\":\"REGISTER\",\"owner\":\""
		"1111111111111111111111111111111111111111111111111111111111111111\",\"salt\":\""
		"0707070707070707070707070707070707070707070707070707070707070707\","
		"\"time\":1800000000,\"value\":\"" TXKIT_VALUE "\"}");

	/* printf 'iotpki-preorder-v1\0' and the bytes, through sha256sum. */
	uint8_t salt[SHA256_LEN], commit[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];
	memset(salt, 7, sizeof(salt));
	assert_int_equal(tx_commit(salt, tx.owner, NAME, commit), IOTPKI_OK);
	hex_encode(commit, SHA256_LEN, hex);
	assert_string_equal(hex,
			    "20c9021d0903adee9ba176584a3ce80927c3c2f2366ba56b426d5e5c08ccbf42");
}

static void impossible_contents_are_not_written(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
	struct tx tx = sample(TX_REGISTER);
	tx.time_s = -1;
	assert_int_equal(tx_content(&tx, &json), IOTPKI_ERR_ARGUMENT);
	tx = sample(TX_REGISTER);
	tx.expires_s = INT64_C(1) << 53;
	assert_int_equal(tx_content(&tx, &json), IOTPKI_ERR_ARGUMENT);
	tx = sample(TX_REGISTER);
	tx.name[5] = 'A';
	assert_int_equal(tx_content(&tx, &json), IOTPKI_ERR_ARGUMENT);
	tx = sample(TX_REGISTER);
	tx.value[0] = '\n';
	assert_int_equal(tx_content(&tx, &json), IOTPKI_ERR_ARGUMENT);
	tx.op = (enum tx_op)9;
	assert_int_equal(tx_content(&tx, &json), IOTPKI_ERR_ARGUMENT);
	assert_int_equal(json.len, 0);
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	CLEANUP(tx_verifier_freep) struct tx_verifier *verifier = tx_verifier_new();
	assert_non_null(verifier);
	const struct tx tx = sample(TX_UPDATE);
	struct tx out;
	uint8_t txid[SHA256_LEN];
	txkit_sign(&owner, &tx, &der);
	for (size_t i = 0; i < 8 * der.len; i++) {
		der.data[i / 8] ^= (uint8_t)(1U << i % 8);
		/* The owner's right certificate is known by now: that must not help. */
		if (tx_verifier_verify(verifier, der.data, der.len, &out, txid, NULL) == TX_OK)
			fail_msg("bit %zu of byte %zu", i % 8, i / 8);
		der.data[i / 8] ^= (uint8_t)(1U << i % 8);
		if (i % 64 == 0)
			assert_int_equal(
				tx_verifier_verify(verifier, der.data, der.len, &out, txid, NULL),
				TX_OK);
	}
}

static void every_cut_and_every_tail_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf der = BUF_INIT(2 * TX_DER_MAX);
	const struct tx tx = sample(TX_REVOKE);
	txkit_sign(&owner, &tx, &der);
	const size_t len = der.len;
	for (size_t i = 0; i < len; i++) {
		der.len = i;
		expect(&der, TX_BAD_ENCODING, "cut");
	}
	der.len = len;
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(buf_putc(&der, '\0'), IOTPKI_OK);
		expect(&der, TX_BAD_ENCODING, "tail");
	}
	while (der.len <= TX_DER_MAX)
		assert_int_equal(buf_putc(&der, '\0'), IOTPKI_OK);
	expect(&der, TX_BAD_ENCODING, "longer than a transaction can be");
}

/* Signed by the right owner, so only the form of the text decides. */
static void texts(void **state)
{
	(void)state;
#define H "1111111111111111111111111111111111111111111111111111111111111111"
#define COMMON "\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H "\",\"time\":5"
	static const struct {
		const char *name;
		const char *json; /* '@' becomes the owner */
		enum tx_reason want;
	} rows[] = {
		{ "as it must be", "{" COMMON "}", TX_OK },
		{ "space before", " {" COMMON "}", TX_NOT_CANONICAL },
		{ "newline after", "{" COMMON "}\n", TX_NOT_CANONICAL },
		{ "space inside", "{" COMMON " }", TX_NOT_CANONICAL },
		{ "space after a colon",
		  "{\"name\": \"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "members not sorted",
		  "{\"op\":\"REVOKE\",\"name\":\"iot:a\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "a member twice", "{" COMMON ",\"time\":5}", TX_NOT_CANONICAL },
		{ "a member too many", "{" COMMON ",\"value\":\"sha256=\"}", TX_NOT_CANONICAL },
		{ "an unknown member", "{" COMMON ",\"zeal\":1}", TX_NOT_CANONICAL },
		{ "a member too few",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "no op", "{\"name\":\"iot:a\",\"owner\":\"@\",\"prev\":\"" H "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "op in lower case",
		  "{\"name\":\"iot:a\",\"op\":\"revoke\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "op unknown",
		  "{\"name\":\"iot:a\",\"op\":\"DELETE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "new_owner in REVOKE",
		  "{\"name\":\"iot:a\",\"new_owner\":\"" H
		  "\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "escape not needed",
		  "{\"name\":\"iot:\\u0061\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "escaped slash",
		  "{\"name\":\"iot\\/a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "name without prefix",
		  "{\"name\":\"a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "name in upper case",
		  "{\"name\":\"iot:A\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "name not ASCII",
		  "{\"name\":\"iot:\xc3\xa4\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "prev in upper case",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\""
		  "ABCDEF1111111111111111111111111111111111111111111111111111111111\",\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "prev too short",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"11\","
		  "\"time\":5}",
		  TX_NOT_CANONICAL },
		{ "time a string",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":\"5\"}",
		  TX_NOT_CANONICAL },
		{ "time negative",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":-5}",
		  TX_NOT_CANONICAL },
		{ "time with a fraction",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":5.0}",
		  TX_NOT_CANONICAL },
		{ "time 2^53",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":9007199254740992}",
		  TX_NOT_CANONICAL },
		{ "time with a zero in front",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"@\",\"prev\":\"" H
		  "\",\"time\":05}",
		  TX_NOT_CANONICAL },
		{ "another owner",
		  "{\"name\":\"iot:a\",\"op\":\"REVOKE\",\"owner\":\"" H "\",\"prev\":\"" H
		  "\",\"time\":5}",
		  TX_BAD_SIGNATURE },
		{ "empty", "", TX_NOT_CANONICAL },
		{ "an array", "[]", TX_NOT_CANONICAL },
		{ "no members", "{}", TX_NOT_CANONICAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
		CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
		char hex[2 * SHA256_LEN + 1];
		hex_encode(owner.owner, SHA256_LEN, hex);
		for (const char *c = rows[i].json; *c != '\0'; c++)
			(void)(*c == '@' ? buf_puts(&json, hex) : buf_putc(&json, *c));
		txkit_sign_text(&owner, buf_text(&json), &der);
		expect(&der, rows[i].want, rows[i].name);
	}
}

static void values_keep_their_bytes(void **state)
{
	(void)state;
	struct tx tx = sample(TX_REGISTER), back;
	(void)snprintf(tx.value, sizeof(tx.value), "%s|note=say \"a\\b\"", TXKIT_VALUE);
	CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
	assert_int_equal(tx_content(&tx, &json), IOTPKI_OK);
	assert_int_equal(tx_parse_content(json.data, json.len, &back, NULL), TX_OK);
	assert_string_equal(back.value, tx.value);

	memset(tx.value, 'x', IOTPKI_VALUE_MAX);
	tx.value[IOTPKI_VALUE_MAX] = '\0';
	buf_clear(&json);
	assert_int_equal(tx_content(&tx, &json), IOTPKI_OK);
	assert_int_equal(tx_parse_content(json.data, json.len, &back, NULL), TX_OK);
	json.len -= 2; /* one byte more in the string: refused as a value, not as a text */
	assert_int_equal(buf_puts(&json, "x\"}"), IOTPKI_OK);
	assert_int_equal(tx_parse_content(json.data, json.len, &back, NULL), TX_BAD_VALUE);
}

static void names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{ "iot:a", true },   { "iot/a", true },    { "d2:a.b_c-d", true },
		{ "iot:", false },   { ":a", false },      { "a", false },
		{ "", false },       { "Iot:a", false },   { "iot:-a", false },
		{ "iot::a", false }, { "iot:a b", false }, { "i-t:a", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tx_name_valid(rows[i].name, strlen(rows[i].name)) != rows[i].good)
			fail_msg("row %zu: %s", i, rows[i].name);
}

static void signatures_grammar(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool good;
	} rows[] = {
		{ "3006020101020101", true },
		{ "3006020100020101", false },       /* r = 0 */
		{ "3006020101020100", false },       /* s = 0 */
		{ "3006020181020101", false },       /* negative */
		{ "300702020001020101", false },     /* not minimal */
		{ "300602010102010100", false },     /* trailing */
		{ "3007020101020101", false },       /* longer than it is */
		{ "3009020101020101020101", false }, /* three integers */
		{ "3003020101", false },
		{ "", false },
		{ "302502010102207fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8",
		  true },
		{ "302502010102207fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a9",
		  false },
		{ "3026022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63255002010"
		  "1",
		  true },
		{ "3026022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63255102010"
		  "1",
		  false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[64];
		const size_t len = strlen(rows[i].hex) / 2;
		assert_true(hex_decode(rows[i].hex, 2 * len, bytes, len));
		if (tx_der_signature_low(bytes, len) != rows[i].good)
			fail_msg("row %zu: %s", i, rows[i].hex);
	}
}

static void reasons_have_names_and_texts(void **state)
{
	(void)state;
	for (enum tx_reason reason = TX_OK; reason < TX_REASON_COUNT; reason++) {
		enum tx_reason back;
		assert_true(tx_reason_parse(tx_reason_name(reason), &back));
		assert_int_equal(back, reason);
		assert_true(strlen(tx_reason_text(reason)) > 20);
	}
	enum tx_reason none;
	assert_false(tx_reason_parse("", &none));
	assert_false(tx_reason_parse("?", &none));
	assert_string_equal(tx_reason_name(TX_REASON_COUNT), "?");
	assert_string_equal(tx_reason_text(TX_REASON_COUNT), "?");
	assert_string_equal(tx_op_name((enum tx_op)7), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_verifies),
		cmocka_unit_test(identities_sign),
		cmocka_unit_test(contents_are_those_of_the_design),
		cmocka_unit_test(impossible_contents_are_not_written),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(every_cut_and_every_tail_is_refused),
		cmocka_unit_test(texts),
		cmocka_unit_test(values_keep_their_bytes),
		cmocka_unit_test(names),
		cmocka_unit_test(signatures_grammar),
		cmocka_unit_test(reasons_have_names_and_texts),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
