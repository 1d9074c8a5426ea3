/* iotpki-authorized-keys: what is worth a question, and the one line that may be printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "keyline.h"

#define TYPE "ssh-ed25519"
#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIGd4Zk8XBfMFLRGVUKzR0fAgUBv8N7T8fQeqIpzKYQ0Y"

static char long_user[KEYLINE_USER_MAX + 2];
static char long_blob[65536 + 1];

static void offers(void **state)
{
	(void)state;
	memset(long_user, 'u', sizeof(long_user) - 1);
	memset(long_blob, 'A', sizeof(long_blob) - 1);
	static const struct {
		const char *name, *user, *type, *base64;
		bool want;
	} rows[] = {
		{ "plain", "pi", TYPE, BLOB, true },
		{ "P-256", "pi", "ecdsa-sha2-nistp256", "AAAA", true },
		{ "P-384", "pi", "ecdsa-sha2-nistp384", "AAA=", true },
		{ "P-521", "pi", "ecdsa-sha2-nistp521", "AA==", true },
		{ "RSA", "pi", "ssh-rsa", "AAAA", true },
		{ "all empty", "", "", "", false },
		{ "empty user", "", TYPE, BLOB, false },
		{ "empty type", "pi", "", BLOB, false },
		{ "empty key", "pi", TYPE, "", false },
		{ "swapped", "pi", BLOB, TYPE, false },
		{ "tokens not expanded", "%u", "%t", "%k", false },
		{ "Ed25519 certificate", "pi", "ssh-ed25519-cert-v01@openssh.com", BLOB, false },
		{ "RSA certificate", "pi", "ssh-rsa-cert-v01@openssh.com", BLOB, false },
		{ "security key", "pi", "sk-ssh-ed25519@openssh.com", BLOB, false },
		{ "webauthn", "pi", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", BLOB, false },
		{ "DSA", "pi", "ssh-dss", BLOB, false },
		{ "signature name", "pi", "rsa-sha2-256", BLOB, false },
		{ "type in upper case", "pi", "SSH-ED25519", BLOB, false },
		{ "type and blob in one", "pi", TYPE " " BLOB, BLOB, false },
		{ "64 KiB key", "pi", TYPE, long_blob, false },
		{ "64 KiB type", "pi", long_blob, BLOB, false },
		{ "long user", long_user, TYPE, BLOB, false },
		{ "user with a newline", "pi\nuser=root", TYPE, BLOB, false },
		{ "user with a space", "pi root", TYPE, BLOB, false },
		{ "user not ASCII", "p\xc3\xa4", TYPE, BLOB, false },
		{ "key with a space", "pi", TYPE, "AAAA AAA", false },
		{ "key with a newline", "pi", TYPE, "AAAAAAA\n", false },
		{ "key with a tab", "pi", TYPE, "AAA\tAAAA", false },
		{ "key with a quote", "pi", TYPE, "AAA\"AAAA", false },
		{ "key with a comma", "pi", TYPE, "AAA,AAAA", false },
		{ "key with a backslash", "pi", TYPE, "AAA\\AAAA", false },
		{ "padding missing", "pi", TYPE, "AAAAAAA", false },
		{ "padding inside", "pi", TYPE, "AA==AAAA", false },
		{ "padding alone", "pi", TYPE, "====", false },
		{ "URL alphabet", "pi", TYPE, "AA-_", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (keyline_offer(rows[i].user, rows[i].type, rows[i].base64) != rows[i].want)
			fail_msg("%s", rows[i].name);
}

static void lines(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *options;
		const char *want; /* NULL: nothing */
	} rows[] = {
		{ "restrict", TYPE " " BLOB, "restrict", "restrict " TYPE " " BLOB "\n" },
		{ "command", TYPE " " BLOB, "restrict,command=\"/usr/bin/rrsync /srv\"",
		  "restrict,command=\"/usr/bin/rrsync /srv\" " TYPE " " BLOB "\n" },
		{ "quote in a command", TYPE " " BLOB, "command=\"echo \\\"a b\\\"\"",
		  "command=\"echo \\\"a b\\\"\" " TYPE " " BLOB "\n" },
		{ "no key", NULL, "restrict", NULL },
		{ "no options", TYPE " " BLOB, NULL, NULL },
		{ "empty options", TYPE " " BLOB, "", NULL },
		{ "another key", TYPE " AAAA", "restrict", NULL },
		{ "another type", "ssh-rsa " BLOB, "restrict", NULL },
		{ "a longer key", TYPE " " BLOB "A", "restrict", NULL },
		{ "a comment", TYPE " " BLOB " alice", "restrict", NULL },
		{ "two spaces", TYPE "  " BLOB, "restrict", NULL },
		{ "type alone", TYPE, "restrict", NULL },
		{ "empty key", "", "restrict", NULL },
		{ "a space in the options", TYPE " " BLOB, "restrict " TYPE " AAAA", NULL },
		{ "a tab in the options", TYPE " " BLOB, "restrict\tpty", NULL },
		{ "a newline", TYPE " " BLOB, "restrict\n" TYPE " AAAA", NULL },
		{ "a carriage return", TYPE " " BLOB, "restrict\r", NULL },
		{ "an open quote", TYPE " " BLOB, "command=\"", NULL },
		{ "an escaped end", TYPE " " BLOB, "command=\"\\\"", NULL },
		{ "quotes closed, then a space", TYPE " " BLOB, "command=\"a\" x", NULL },
		{ "newline in quotes", TYPE " " BLOB, "command=\"a\nb\"", NULL },
		{ "backslash outside of quotes", TYPE " " BLOB, "restrict\\\"", NULL },
		{ "a comment sign", TYPE " " BLOB, "#restrict", NULL },
		{ "a marker", TYPE " " BLOB, "@cert-authority", NULL },
		{ "line separator", TYPE " " BLOB, "restrict\xe2\x80\xa8", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char line[512];
		const size_t len = keyline_format(TYPE, BLOB, rows[i].key, rows[i].options, line,
						  sizeof(line));
		if (rows[i].want == NULL
			    ? len != 0
			    : len != strlen(rows[i].want) || memcmp(line, rows[i].want, len) != 0)
			fail_msg("%s: '%.*s'", rows[i].name, (int)len, line);
	}
}

static void a_line_that_does_not_fit_is_not_printed(void **state)
{
	(void)state;
	char line[sizeof("restrict " TYPE " " BLOB "\n") - 1];
	assert_int_equal(keyline_format(TYPE, BLOB, TYPE " " BLOB, "restrict", line, sizeof(line)),
			 sizeof(line));
	assert_int_equal(
		keyline_format(TYPE, BLOB, TYPE " " BLOB, "restrict", line, sizeof(line) - 1), 0);
	/* What was never worth a question is never printed, whatever the answer says. */
	assert_int_equal(
		keyline_format("ssh-dss", BLOB, "ssh-dss " BLOB, "restrict", line, sizeof(line)),
		0);
	assert_int_equal(keyline_format(TYPE, "A A=", TYPE " A A=", "restrict", line, sizeof(line)),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers),
		cmocka_unit_test(lines),
		cmocka_unit_test(a_line_that_does_not_fit_is_not_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
