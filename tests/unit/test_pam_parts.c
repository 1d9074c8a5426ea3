/* The pure parts of pam_iotpki: arguments, SSH_AUTH_INFO_0, the table of codes; text of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <security/pam_modules.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "authinfo.h"
#include "base/base.h"
#include "base/keytext.h"
#include "codes.h"

#define KEY_A "publickey ssh-ed25519 AAAA"
#define KEY_B "publickey ecdsa-sha2-nistp256 BBBBBA=="
#define CERT "publickey ssh-ed25519-cert-v01@openssh.com AAAA"

static void codes_of_design_9(void **state)
{
	(void)state;
	static const struct {
		enum outcome outcome;
		int want[STAGE_COUNT];
	} rows[] = {
		{ OUTCOME_ADMITTED, { PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS } },
		{ OUTCOME_BREAK_GLASS, { PAM_AUTH_ERR, PAM_SUCCESS, PAM_SUCCESS } },
		{ OUTCOME_DENIED, { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR } },
		{ OUTCOME_EXPIRED, { PAM_AUTH_ERR, PAM_ACCT_EXPIRED, PAM_SESSION_ERR } },
		{ OUTCOME_NO_ANSWER,
		  { PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, PAM_SESSION_ERR } },
		{ OUTCOME_BAD_LINE, { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
		{ OUTCOME_NO_MEMORY, { PAM_BUF_ERR, PAM_BUF_ERR, PAM_BUF_ERR } },
		{ OUTCOME_IGNORED, { PAM_IGNORE, PAM_IGNORE, PAM_IGNORE } },
	};
	assert_int_equal(ARRAY_LEN(rows), OUTCOME_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int stage = 0; stage < STAGE_COUNT; stage++)
			if (codes_pam(rows[i].outcome, (enum stage)stage) != rows[i].want[stage])
				fail_msg("outcome %d, stage %s", (int)rows[i].outcome,
					 codes_stage_name((enum stage)stage));
	assert_int_equal(codes_pam(OUTCOME_COUNT, STAGE_AUTH), PAM_SERVICE_ERR);
	assert_int_equal(codes_pam((enum outcome) - 1, STAGE_AUTH), PAM_SERVICE_ERR);
	assert_int_equal(codes_pam(OUTCOME_ADMITTED, STAGE_COUNT), PAM_SERVICE_ERR);
	assert_int_equal(codes_pam((enum outcome)0, STAGE_ACCOUNT), PAM_PERM_DENIED);
	assert_string_equal(codes_stage_name(STAGE_SESSION), "session");
	assert_string_equal(codes_stage_name(STAGE_COUNT), "unknown");
}

static void arguments(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *argv[3];
		bool want;
	} rows[] = {
		{ "none", { NULL }, true },
		{ "ssh", { "ssh" }, true },
		{ "flags", { "ssh", "ignore_unknown_user" }, true },
		{ "lists", { "only=sshd,sudo,login", "break_glass_user=root" }, true },
		{ "a list of users", { "break_glass_user=root,pi@home,x-y_z.0" }, true },
		{ "socket", { "socket=/run/iotpki/agent.sock" }, true },
		{ "unknown", { "debug" }, false },
		{ "empty", { "" }, false },
		{ "upper case", { "SSH" }, false },
		{ "flag with a value", { "ssh=yes" }, false },
		{ "flag with an empty value", { "ssh=" }, false },
		{ "longer flag", { "sshd" }, false },
		{ "other order of the words", { "ignore_user_unknown" }, false },
		{ "nullok", { "nullok" }, false },
		{ "value missing", { "only" }, false },
		{ "empty list", { "only=" }, false },
		{ "comma alone", { "only=," }, false },
		{ "comma first", { "only=,sshd" }, false },
		{ "comma last", { "only=sshd," }, false },
		{ "two commas", { "only=sshd,,sudo" }, false },
		{ "space in a list", { "only=sshd, sudo" }, false },
		{ "everybody", { "break_glass_user=*" }, false },
		{ "nobody", { "break_glass_user=" }, false },
		{ "relative socket", { "socket=agent.sock" }, false },
		{ "abstract socket", { "socket=@iotpki" }, false },
		{ "empty socket", { "socket=" }, false },
		{ "twice", { "ssh", "ssh" }, false },
		{ "a list twice", { "only=sshd", "only=sudo" }, false },
		{ "good, then bad", { "ssh", "ssh2" }, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *argv[3];
		memcpy(argv, rows[i].argv, sizeof(argv));
		int argc = 0;
		while (argc < 3 && argv[argc] != NULL)
			argc++;
		struct args args;
		const char *bad = NULL;
		const bool good = args_parse(argc, argv, &args, &bad);
		if (good != rows[i].want || (bad == NULL) != good)
			fail_msg("%s", rows[i].name);
		if (!good)
			assert_string_equal(bad, argv[argc - 1]);
	}
}

static void arguments_are_taken_over(void **state)
{
	(void)state;
	const char *argv[] = { "ssh", "only=a,b", "break_glass_user=c", "socket=/s",
			       "ignore_unknown_user" };
	struct args args;
	const char *bad = NULL;
	assert_true(args_parse((int)ARRAY_LEN(argv), argv, &args, &bad));
	assert_true(args.ssh && args.ignore_unknown_user);
	assert_string_equal(args.only, "a,b");
	assert_string_equal(args.break_glass_user, "c");
	assert_string_equal(args.socket_path, "/s");
	assert_true(args_parse(0, NULL, &args, &bad));
	assert_false(args.ssh || args.ignore_unknown_user);
	assert_null(args.only);
	assert_null(args.break_glass_user);
	assert_false(args_parse(1, NULL, &args, &bad));
	assert_string_equal(bad, "(none)");

	static char path[200] = "socket=/";
	static char list[1100] = "only=";
	const char *too_long[] = { path, list };
	memset(path + 8, 'x', 107);
	memset(list + 5, 'x', 1025);
	for (size_t i = 0; i < ARRAY_LEN(too_long); i++)
		assert_false(args_parse(1, &too_long[i], &args, &bad));
	path[7 + 107] = '\0';
	list[5 + 1024] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(too_long); i++)
		assert_true(args_parse(1, &too_long[i], &args, &bad));
}

static void lists(void **state)
{
	(void)state;
	static const struct {
		const char *list, *word;
		bool want;
	} rows[] = {
		{ "sshd", "sshd", true },
		{ "sshd,sudo", "sudo", true },
		{ "sshd,sudo,login", "sudo", true },
		{ "sshd,sudo", "ssh", false },
		{ "sshd,sudo", "sshd,sudo", false },
		{ "sshd,sudo", "sud", false },
		{ "sshd,sudo", "udo", false },
		{ "sshd", "sshdx", false },
		{ "sshd", "", false },
		{ NULL, "sshd", false },
		{ "sshd", "SSHD", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (args_list_has(rows[i].list, rows[i].word) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].word);
}

static void methods_of_sshd(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum authinfo_kind want;
		const char *keys;
	} rows[] = {
		{ "unset", NULL, AUTHINFO_EMPTY, "" },
		{ "empty", "", AUTHINFO_EMPTY, "" },
		{ "one key", KEY_A "\n", AUTHINFO_KEYS, KEY_A ";" },
		{ "two keys", KEY_A "\n" KEY_B "\n", AUTHINFO_KEYS, KEY_A ";" KEY_B ";" },
		{ "key, then another method", KEY_A "\nkeyboard-interactive/pam\n", AUTHINFO_KEYS,
		  KEY_A ";" },
		{ "another method, then a key", "password\n" KEY_A "\n", AUTHINFO_KEYS, KEY_A ";" },
		{ "password", "password\n", AUTHINFO_NO_KEY, "" },
		{ "a host's key is no user's", "hostbased ssh-ed25519 AAAA\n", AUTHINFO_NO_KEY,
		  "" },
		{ "certificate", CERT "\n", AUTHINFO_BAD, "" },
		{ "key and certificate", KEY_A "\n" CERT "\n", AUTHINFO_BAD, "" },
		{ "security key", "publickey sk-ssh-ed25519@openssh.com AAAA\n", AUTHINFO_BAD, "" },
		{ "DSA", "publickey ssh-dss AAAA\n", AUTHINFO_BAD, "" },
		{ "no newline", KEY_A, AUTHINFO_BAD, "" },
		{ "second line cut", KEY_A "\n" KEY_B, AUTHINFO_BAD, "" },
		{ "empty line", KEY_A "\n\n", AUTHINFO_BAD, "" },
		{ "newline alone", "\n", AUTHINFO_BAD, "" },
		{ "carriage return", KEY_A "\r\n", AUTHINFO_BAD, "" },
		{ "comment", KEY_A " alice\n", AUTHINFO_BAD, "" },
		{ "two spaces", "publickey  ssh-ed25519 AAAA\n", AUTHINFO_BAD, "" },
		{ "no blob", "publickey ssh-ed25519\n", AUTHINFO_BAD, "" },
		{ "empty blob", "publickey ssh-ed25519 \n", AUTHINFO_BAD, "" },
		{ "no type", "publickey AAAA\n", AUTHINFO_BAD, "" },
		{ "method alone", "publickey\n", AUTHINFO_BAD, "" },
		{ "odd method", "publickey/x ssh-ed25519 AAAA\n", AUTHINFO_BAD, "" },
		{ "the agent's separator", "publickey ssh-ed25519 AAAA;" KEY_B "\n", AUTHINFO_BAD,
		  "" },
		{ "odd base64", "publickey ssh-ed25519 AAA\n", AUTHINFO_BAD, "" },
		{ "padding inside", "publickey ssh-ed25519 AA==AAAA\n", AUTHINFO_BAD, "" },
		{ "tab", "publickey\tssh-ed25519 AAAA\n", AUTHINFO_BAD, "" },
		{ "not ASCII", "publickey ssh-ed25519 AAAA\xc3\xa4\n", AUTHINFO_BAD, "" },
		{ "escape sequence", "\x1b[2J\n", AUTHINFO_BAD, "" },
	};
	static char keys[AUTHINFO_TEXT_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const enum authinfo_kind got = authinfo_parse(rows[i].text, keys);
		if (got != rows[i].want || strcmp(keys, rows[i].keys) != 0)
			fail_msg("%s: %d '%s'", rows[i].name, (int)got, keys);
	}
}

static void methods_have_caps(void **state)
{
	(void)state;
	static char text[65536 + 1];
	static char keys[AUTHINFO_TEXT_MAX + 1];
	const char line[] = KEY_A "\n";
	for (size_t at = 0; at + sizeof(line) < sizeof(text); at += sizeof(line) - 1)
		memcpy(text + at, line, sizeof(line));
	assert_int_equal(authinfo_parse(text, keys), AUTHINFO_BAD); /* 64 KiB */
	text[(sizeof(line) - 1) * (AUTHINFO_KEYS_MAX + 1)] = '\0';
	assert_int_equal(authinfo_parse(text, keys), AUTHINFO_BAD);
	assert_string_equal(keys, "");
	text[(sizeof(line) - 1) * AUTHINFO_KEYS_MAX] = '\0';
	assert_int_equal(authinfo_parse(text, keys), AUTHINFO_KEYS);
	/* 22 bytes, whole groups of base64, a newline: the last that fits, and one group more. */
	for (size_t group = 0; group <= 1; group++) {
		const size_t blob = 14976 + 4 * group;
		memset(text, 'A', sizeof(text) - 1);
		memcpy(text, "publickey ssh-ed25519 ", 22);
		memcpy(text + 22 + blob, "\n", 2);
		assert_int_equal(authinfo_parse(text, keys),
				 group == 0 ? AUTHINFO_KEYS : AUTHINFO_BAD);
	}
}

static void key_texts(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_type, is_base64;
	} rows[] = {
		{ "ssh-ed25519", true, false },
		{ "ecdsa-sha2-nistp256", true, false },
		{ "ecdsa-sha2-nistp384", true, false },
		{ "ecdsa-sha2-nistp521", true, false },
		{ "ssh-rsa", true, false },
		{ "rsa-sha2-256", false, false },
		{ "ssh-rs", false, false },
		{ "ssh-rsa-cert-v01@openssh.com", false, false },
		{ "", false, false },
		{ "AAAA", false, true },
		{ "AA+/", false, true },
		{ "AAA=", false, true },
		{ "AA==", false, true },
		{ "A===", false, false },
		{ "AA=A", false, false },
		{ "AAAAA", false, false },
		{ "AA-_", false, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const size_t len = strlen(rows[i].text);
		if (keytext_is_type(rows[i].text, len) != rows[i].is_type ||
		    keytext_is_base64(rows[i].text, len) != rows[i].is_base64)
			fail_msg("'%s'", rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_design_9),
		cmocka_unit_test(arguments),
		cmocka_unit_test(arguments_are_taken_over),
		cmocka_unit_test(lists),
		cmocka_unit_test(methods_of_sshd),
		cmocka_unit_test(methods_have_caps),
		cmocka_unit_test(key_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
