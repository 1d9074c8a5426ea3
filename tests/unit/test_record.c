/* The value of a name: what is read, what is refused and where, what is printed back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <iotpki/record.h>
#include <iotpki/sshkey.h>

#include "base/base.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SHA "sha256=" HEX
#define FP "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void name_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool want;
	} rows[] = {
		{ "a", true },
		{ "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60", true },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", false },
		{ "a.b_c-d", true },
		{ "", false },
		{ "-a", false },
		{ ".a", false },
		{ "_a", false },
		{ "A", false },
		{ "aB", false },
		{ "a b", false },
		{ "a\n", false },
		{ "a*", false },
		{ "iot:a", false },
		{ "a/b", false },
		{ "\xc3\xa9", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (iotpki_name_valid(rows[i].name, strlen(rows[i].name)) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].name);
	assert_false(iotpki_name_valid("a\0b", 3));
}

static void good_values(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		bool ssh, revoked, ex;
		int64_t ex_s;
		const char *canonical;
	} rows[] = {
		{ SHA, false, false, false, 0, SHA },
		{ SHA "|ssh=" FP, true, false, false, 0, SHA "|ssh=" FP },
		{ SHA "|status=revoked", false, true, false, 0, SHA "|status=revoked" },
		{ SHA "|ex=0", false, false, true, 0, SHA "|ex=0" },
		{ SHA "|ex=253402300799", false, false, true, INT64_C(253402300799),
		  SHA "|ex=253402300799" },
		{ SHA "|ex=5|ssh=" FP "|status=revoked", true, true, true, 5,
		  SHA "|ssh=" FP "|status=revoked|ex=5" },
		{ SHA "|z=", false, false, false, 0, SHA },
		{ SHA "|future-1_x=a b=~|future-1_x=again", false, false, false, 0, SHA },
		{ SHA "|sshx=1|s=2|status2=3|exx=", false, false, false, 0, SHA },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct iotpki_record got;
		struct iotpki_detail detail = { 0 };
		char text[IOTPKI_VALUE_MAX + 1];
		if (iotpki_record_parse(rows[i].value, strlen(rows[i].value), &got, &detail) !=
		    IOTPKI_OK)
			fail_msg("row %zu: %s: %s", i, rows[i].value, detail.message);
		if (got.sha256[31] != 0x1f || got.has_ssh != rows[i].ssh ||
		    got.revoked != rows[i].revoked || got.has_ex != rows[i].ex ||
		    got.ex_s != rows[i].ex_s || (got.has_ssh && got.ssh[31] != 0x1f))
			fail_msg("row %zu: %s", i, rows[i].value);
		assert_int_equal(iotpki_record_format(&got, text, sizeof(text)), IOTPKI_OK);
		if (strcmp(text, rows[i].canonical) != 0)
			fail_msg("row %zu: %s printed as %s", i, rows[i].value, text);
		assert_int_equal(iotpki_record_format(&got, text, strlen(rows[i].canonical)),
				 IOTPKI_ERR_LIMIT);
	}
}

static void bad_values(void **state)
{
	(void)state;
	static const struct {
		const char *why;
		const char *value;
		unsigned int column;
	} rows[] = {
		{ "empty", "", 1 },
		{ "no sha256", "ssh=" FP, 1 },
		{ "sha256 not first", "ex=1|" SHA, 1 },
		{ "unknown field first", "v=1|" SHA, 1 },
		{ "upper-case hex",
		  "sha256=000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 8 },
		{ "short hash", "sha256=00", 8 },
		{ "long hash", SHA "0", 8 },
		{ "second sha256", SHA "|" SHA, 73 },
		{ "second ex", SHA "|ex=1|ex=2", 78 },
		{ "second status", SHA "|status=revoked|status=revoked", 88 },
		{ "second ssh", SHA "|ssh=" FP "|ssh=" FP, 128 },
		{ "other status", SHA "|status=active", 80 },
		{ "status in capitals", SHA "|status=Revoked", 80 },
		{ "empty status", SHA "|status=", 80 },
		{ "ssh in MD5", SHA "|ssh=MD5:00", 77 },
		{ "ssh too short", SHA "|ssh=SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
		  77 },
		{ "ssh with padding", SHA "|ssh=" FP "=", 77 },
		{ "ssh with unused bits",
		  SHA "|ssh=SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", 77 },
		{ "ex negative", SHA "|ex=-1", 76 },
		{ "ex with a leading zero", SHA "|ex=01", 76 },
		{ "ex empty", SHA "|ex=", 76 },
		{ "ex beyond year 9999", SHA "|ex=253402300800", 76 },
		{ "trailing bar", SHA "|", 73 },
		{ "two bars", SHA "||ex=1", 73 },
		{ "leading bar", "|" SHA, 1 },
		{ "field without =", SHA "|revoked", 73 },
		{ "key with a capital", SHA "|Status=revoked", 73 },
		{ "key with a digit first", SHA "|1=2", 73 },
		{ "field without a key", SHA "|=2", 73 },
		{ "space before the key", SHA "| ex=1", 73 },
		{ "newline", SHA "|x=1\n", 76 },
		{ "tab", SHA "|x=\t", 75 },
		{ "UTF-8", SHA "|x=\xc3\xa9", 75 },
		{ "DEL", SHA "|x=\x7f", 75 },
	};
	static const struct iotpki_record zero;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct iotpki_record got;
		memset(&got, 1, sizeof(got));
		struct iotpki_detail detail = { 0 };
		if (iotpki_record_parse(rows[i].value, strlen(rows[i].value), &got, &detail) !=
		    IOTPKI_ERR_SYNTAX)
			fail_msg("row %zu: %s is not refused", i, rows[i].why);
		if (detail.column != rows[i].column || detail.message[0] == '\0')
			fail_msg("row %zu: %s: column %u: %s", i, rows[i].why, detail.column,
				 detail.message);
		if (memcmp(&got, &zero, sizeof(got)) != 0)
			fail_msg("row %zu: %s leaves something", i, rows[i].why);
	}
}

static void a_nul_is_no_end(void **state)
{
	(void)state;
	struct iotpki_record got;
	static const char value[] = SHA "|x=\0|status=revoked";
	assert_int_equal(iotpki_record_parse(value, sizeof(value) - 1, &got, NULL),
			 IOTPKI_ERR_SYNTAX);
}

static void length_is_capped(void **state)
{
	(void)state;
	char value[IOTPKI_VALUE_MAX + 1];
	memset(value, 'x', sizeof(value));
	memcpy(value, SHA "|x=", strlen(SHA "|x="));
	struct iotpki_record got;
	assert_int_equal(iotpki_record_parse(value, IOTPKI_VALUE_MAX, &got, NULL), IOTPKI_OK);
	assert_int_equal(iotpki_record_parse(value, IOTPKI_VALUE_MAX + 1, &got, NULL),
			 IOTPKI_ERR_LIMIT);
}

/* The longest value that the ledger takes stays a value when REVOKE appends to it. */
static void revocation_always_fits(void **state)
{
	(void)state;
	assert_int_equal(IOTPKI_VALUE_LEDGER_MAX + strlen("|status=revoked"), IOTPKI_VALUE_MAX);
	char value[IOTPKI_VALUE_MAX];
	memset(value, 'x', sizeof(value));
	memcpy(value, SHA "|x=", strlen(SHA "|x="));
	memcpy(value + IOTPKI_VALUE_LEDGER_MAX, "|status=revoked", strlen("|status=revoked"));
	struct iotpki_record got;
	assert_int_equal(iotpki_record_parse(value, sizeof(value), &got, NULL), IOTPKI_OK);
	assert_true(got.revoked);
}

static void fingerprint_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ FP, true },
		{ "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", false },
		{ "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false },
		{ "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh", false },
		{ "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", false },
		{ "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-", false },
		{ "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH h8", false },
		{ "MD5:00:01", false },
		{ "", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t got[IOTPKI_SHA256_LEN];
		char back[IOTPKI_FINGERPRINT_TEXT_SIZE];
		if (iotpki_fingerprint_parse(rows[i].text, strlen(rows[i].text), got) !=
		    rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].text);
		if (!rows[i].want)
			continue;
		iotpki_fingerprint_format(got, back);
		assert_string_equal(back, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_rows),        cmocka_unit_test(good_values),
		cmocka_unit_test(bad_values),       cmocka_unit_test(a_nul_is_no_end),
		cmocka_unit_test(length_is_capped), cmocka_unit_test(revocation_always_fits),
		cmocka_unit_test(fingerprint_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
