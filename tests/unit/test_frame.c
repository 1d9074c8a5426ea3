/* The agent's frames, who may ask what, and SSH_AUTH_INFO_0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/access.h"
#include "agent/authinfo.h"
#include "agent/frame.h"

static struct frame_request request;

static void parse_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum iotpki_err want;
		unsigned int line, column;
	} rows[] = {
		{ "iotpki/1 status\n", IOTPKI_OK, 0, 0 },
		{ "iotpki/1 deny\nname=a\n", IOTPKI_OK, 0, 0 },
		{ "iotpki/1 authorize-key\nuser=u\nservice=s\ntype=t\nkey=k=\n", IOTPKI_OK, 0, 0 },
		{ "iotpki/1 authorize-key\nkey=k\ntype=t\nrhost=\nservice=s\nuser=u\n", IOTPKI_OK,
		  0, 0 },
		{ "iotpki/1 authorize-user\nuser=u\nservice=s\nstage=auth\nauthinfo=\n", IOTPKI_OK,
		  0, 0 },
		{ "", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "\n", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "iotpki/1 status", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "iotpki/2 status\n", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "iotpki/1  status\n", IOTPKI_ERR_SYNTAX, 1, 10 },
		{ "iotpki/1 STATUS\n", IOTPKI_ERR_SYNTAX, 1, 10 },
		{ "iotpki/1 status\r\n", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "iotpki/1 status\n\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "iotpki/1 status\nname=a\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "iotpki/1 deny\n", IOTPKI_ERR_SYNTAX, 1, 1 },
		{ "iotpki/1 deny\nname=\n", IOTPKI_ERR_SYNTAX, 2, 6 },
		{ "iotpki/1 deny\nname\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "iotpki/1 deny\nname=a\nname=a\n", IOTPKI_ERR_SYNTAX, 3, 1 },
		{ "iotpki/1 deny\nNAME=a\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "iotpki/1 deny\nname=a\tb\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "iotpki/1 deny\nname=\xc3\xa9\n", IOTPKI_ERR_SYNTAX, 2, 1 },
		{ "iotpki/1 deny\nname=a\nuser=b\n", IOTPKI_ERR_SYNTAX, 3, 1 },
		{ "iotpki/1 "
		  "deny\nname=0123456789012345678901234567890123456789012345678901234567890123"
		  "4\n",
		  IOTPKI_ERR_LIMIT, 2, 6 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			frame_parse(rows[i].text, strlen(rows[i].text), &request, &detail);
		if (err != rows[i].want || (err != IOTPKI_OK && (detail.line != rows[i].line ||
								 detail.column != rows[i].column)))
			fail_msg("row %zu: \"%s\": %d at %u:%u", i, rows[i].text, err, detail.line,
				 detail.column);
	}
}

static void nul_and_size(void **state)
{
	(void)state;
	static char large[FRAME_MAX + 1];
	struct iotpki_detail detail = { 0 };
	assert_int_equal(frame_parse("iotpki/1 deny\nname=a\0b\n", 23, &request, &detail),
			 IOTPKI_ERR_SYNTAX);
	assert_int_equal(frame_parse("iotpki/1 deny\nname=a\n\0", 22, &request, &detail),
			 IOTPKI_ERR_SYNTAX);
	assert_null(request.values[FRAME_NAME]);
	memset(large, 'a', sizeof(large));
	assert_int_equal(frame_parse(large, sizeof(large), &request, &detail), IOTPKI_ERR_LIMIT);
	assert_int_equal(frame_parse(large, FRAME_MAX, &request, &detail), IOTPKI_ERR_SYNTAX);
}

static void prints_back(void **state)
{
	(void)state;
	static const char text[] = "iotpki/1 authorize-key\nuser=pi\nservice=sshd\ntype=t\nkey=k=\n"
				   "rhost=a=b\n";
	char out[256];
	assert_int_equal(frame_parse(text, strlen(text), &request, NULL), IOTPKI_OK);
	assert_string_equal(request.values[FRAME_RHOST], "a=b");
	assert_int_equal(frame_format(&request, out, sizeof(out)), strlen(text));
	assert_string_equal(out, text);
	for (size_t size = 1; size < strlen(text); size++)
		assert_int_equal(frame_format(&request, out, size), 0);
}

static void answers(void **state)
{
	(void)state;
	static struct frame_answer answer;
	frame_answer_start(&answer, FRAME_SAY_ADMIT);
	frame_answer_text(&answer, "name", "a\nb\x1b");
	frame_answer_int(&answer, "n", -5);
	static const char want[] = "iotpki/1 ADMIT\nname=a?b?\nn=-5\n";
	assert_int_equal(answer.len, strlen(want));
	assert_memory_equal(answer.text, want, answer.len);
	static char large[FRAME_MAX];
	memset(large, 'a', sizeof(large) - 1);
	frame_answer_text(&answer, "large", large);
	assert_memory_equal(answer.text, "iotpki/1 ERROR\n", 15);
	frame_answer_error(&answer, "no");
	assert_memory_equal(answer.text, "iotpki/1 ERROR\nerror=no\n", 24);
}

static void who_may(void **state)
{
	(void)state;
	static const struct access access = {
		.admin = 1000, .helper = 2000, .allowed_count = 1, .allowed = { 3000 }
	};
	/* R root, A allow_users, H helper, * anybody; the table of design 8. */
	static const char *const want[FRAME_VERB_COUNT] = {
		[FRAME_AUTHORIZE_KEY] = "RAH",
		[FRAME_AUTHORIZE_USER] = "R",
		[FRAME_AUTHORIZE_CERT] = "RA",
		[FRAME_PROVED] = "RA",
		[FRAME_CHECK_PROOF] = "R",
		[FRAME_HOST_KEYS] = "RAH*",
		[FRAME_EXPLAIN] = "R",
		[FRAME_REFRESH] = "R",
		[FRAME_RELOAD] = "R",
		[FRAME_PURGE] = "R",
		[FRAME_DENY] = "R",
		[FRAME_STATUS] = "RAH*",
		[FRAME_RESET_FLOORS] = "R",
	};
	static const struct {
		uid_t uid;
		char letter;
	} users[] = { { 0, 'R' },    { 1000, 'R' }, { 2000, 'H' },
		      { 3000, 'A' }, { 4000, '*' }, { ACCESS_NO_UID, '*' } };
	for (size_t verb = 0; verb < FRAME_VERB_COUNT; verb++)
		for (size_t i = 0; i < ARRAY_LEN(users); i++) {
			const bool may = access_permits(access_class(&access, users[i].uid),
							(enum frame_verb)verb);
			if (may != (strchr(want[verb], users[i].letter) != NULL))
				fail_msg("%s by %u", frame_verb_name((enum frame_verb)verb),
					 (unsigned int)users[i].uid);
		}
	static const struct access nobody = { .admin = ACCESS_NO_UID, .helper = ACCESS_NO_UID };
	assert_int_equal(access_class(&nobody, ACCESS_NO_UID), ACCESS_ANYBODY);
}

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

static void authinfo_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int want; /* keys, -1: refused */
	} rows[] = {
		{ "", 0 },
		{ "publickey " KEY ";", 1 },
		{ "publickey " KEY, 1 },
		{ "publickey " KEY ";publickey " KEY ";", 2 },
		{ "publickey " KEY ";keyboard-interactive/pam;", 1 },
		{ "password;", 0 },
		{ "gssapi-with-mic user@REALM;", 0 },
		{ "publickey;", -1 },
		{ "publickey ;", -1 },
		{ "publickey ssh-ed25519;", -1 },
		{ "publickey " KEY " more;", -1 },
		{ "publickey  " KEY ";", -1 },
		{ " publickey " KEY ";", -1 },
		{ ";publickey " KEY ";", -1 },
		{ "publickey " KEY ";;", -1 },
		{ "publickey ssh-ed25519-cert-v01@openssh.com AAAA;", -1 },
		{ "publickey " KEY ";publickey ssh-ed25519-cert-v01@openssh.com AAAA;", -1 },
		{ "publickey " KEY ";garbled=;", -1 },
		{ "PUBLICKEY " KEY ";", -1 },
		{ "publickey ssh-rsa "
		  "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f;",
		  -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t keys[AUTHINFO_KEYS_MAX][IOTPKI_SHA256_LEN];
		size_t count = 99;
		const enum iotpki_err err = authinfo_parse(rows[i].text, keys, &count);
		if ((err == IOTPKI_OK ? (int)count : -1) != rows[i].want)
			fail_msg("row %zu: %s: %d, %zu keys", i, rows[i].text, err, count);
		if (err != IOTPKI_OK)
			assert_int_equal(count, 0);
	}
}

static void authinfo_caps(void **state)
{
	(void)state;
	uint8_t keys[AUTHINFO_KEYS_MAX][IOTPKI_SHA256_LEN];
	char text[8192] = "";
	size_t count = 0, len = 0;
	for (size_t i = 0; i <= AUTHINFO_KEYS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "publickey " KEY ";");
	assert_int_equal(authinfo_parse(text, keys, &count), IOTPKI_ERR_LIMIT);
	text[len - strlen("publickey " KEY ";")] = '\0';
	assert_int_equal(authinfo_parse(text, keys, &count), IOTPKI_OK);
	assert_int_equal(count, AUTHINFO_KEYS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_rows),    cmocka_unit_test(nul_and_size),
		cmocka_unit_test(prints_back),   cmocka_unit_test(answers),
		cmocka_unit_test(who_may),       cmocka_unit_test(authinfo_rows),
		cmocka_unit_test(authinfo_caps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
