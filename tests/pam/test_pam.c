/*
 * pam_iotpki.so as installed, loaded by libpam: the table of design 9 cell by cell, against a model
 * written from the design; stacks; hostile users, hosts and agents. usage: test_pam MODULE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "client_test.h"
#include "fake_agent.h"
#include "pam_host.h"

#define KEY_LINE "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n"
#define OTHER_KEY_LINE "publickey ecdsa-sha2-nistp256 AAAAE2VjZHNhAAA=\n"

static struct fake_agent agent;

/* The answers that an agent, or what sits in its place, can give. */
enum meaning { ADMIT, DENY, EXPIRED, NO_ANSWER };

static const struct answer {
	const char *name;
	enum fake_agent_mode mode;
	enum meaning meaning;
	const char *text;
} answers[] = {
	{ "ADMIT", 0, ADMIT, "iotpki/1 ADMIT\nname=iot:a1\nlabel=alice\nfp=SHA256:abc\n" },
	{ "DENY alone", 0, DENY, "iotpki/1 DENY\n" },
	{ "not-member", 0, DENY, "iotpki/1 DENY\nreason=not-member\ncode=IPK-101\n" },
	{ "member-expired", 0, EXPIRED, "iotpki/1 DENY\nreason=member-expired\ncode=IPK-102\n" },
	{ "member-denied", 0, DENY, "iotpki/1 DENY\nreason=member-denied\ncode=IPK-103\n" },
	{ "not-permitted", 0, DENY, "iotpki/1 DENY\nreason=not-permitted\ncode=IPK-104\n" },
	{ "unregistered", 0, DENY, "iotpki/1 DENY\nreason=unregistered\ncode=IPK-201\n" },
	{ "expired", 0, EXPIRED, "iotpki/1 DENY\nreason=expired\ncode=IPK-202\n" },
	{ "revoked", 0, DENY, "iotpki/1 DENY\nname=iot:a1\nreason=revoked\ncode=IPK-203\n" },
	{ "hash-mismatch", 0, DENY, "iotpki/1 DENY\nreason=hash-mismatch\ncode=IPK-204\n" },
	{ "re-registered", 0, DENY, "iotpki/1 DENY\nreason=re-registered\ncode=IPK-205\n" },
	{ "disagree", 0, DENY, "iotpki/1 DENY\nreason=disagree\ncode=IPK-206\n" },
	{ "no-proof", 0, DENY, "iotpki/1 DENY\nreason=no-proof\ncode=IPK-401\n" },
	{ "a reason of the future", 0, DENY, "iotpki/1 DENY\nreason=expired2\n" },
	{ "too-few-answers", 0, NO_ANSWER, "iotpki/1 UNAVAILABLE\nreason=too-few-answers\n" },
	{ "not-ready", 0, NO_ANSWER, "iotpki/1 UNAVAILABLE\nreason=not-ready\n" },
	{ "stale", 0, NO_ANSWER, "iotpki/1 UNAVAILABLE\nreason=stale\n" },
	{ "unavailable, expired", 0, NO_ANSWER, "iotpki/1 UNAVAILABLE\nreason=expired\n" },
	{ "ADMIT of nobody", 0, NO_ANSWER, "iotpki/1 ADMIT\nfp=SHA256:abc\n" },
	{ "ADMIT of an odd name", 0, NO_ANSWER, "iotpki/1 ADMIT\nname=a b\n" },
	{ "OK", 0, NO_ANSWER, "iotpki/1 OK\nname=iot:a1\n" },
	{ "ERROR", 0, NO_ANSWER, "iotpki/1 ERROR\nerror=root alone may ask\n" },
	{ "garbage", 0, NO_ANSWER, "\xff\xfe\xfd" },
	{ "half a frame", 0, NO_ANSWER, "iotpki/1 ADMIT\nname=iot:a1" },
	{ "two words", 0, NO_ANSWER, "iotpki/1 ADMIT DENY\nname=iot:a1\n" },
	{ "hangs up", FAKE_AGENT_HANG_UP, NO_ANSWER, "" },
	{ "refuses", FAKE_AGENT_REFUSE, NO_ANSWER, "" },
};

enum kind { BAD, EMPTY, NO_KEY, KEYS };

static char huge_authinfo[65536 + 1];
static const struct authinfo {
	const char *name, *text;
	enum kind kind;
} authinfos[] = {
	{ "unset", NULL, EMPTY },
	{ "empty", "", EMPTY },
	{ "a key", KEY_LINE, KEYS },
	{ "two keys", KEY_LINE OTHER_KEY_LINE, KEYS },
	{ "key and pam", KEY_LINE "keyboard-interactive/pam\n", KEYS },
	{ "password", "password\n", NO_KEY },
	{ "certificate", "publickey ssh-ed25519-cert-v01@openssh.com AAAA\n", BAD },
	{ "key and certificate", KEY_LINE "publickey ssh-rsa-cert-v01@openssh.com AAAA\n", BAD },
	{ "garbled", "publickey ssh-ed25519\n", BAD },
	{ "cut", "publickey ssh-ed25519 AAAA", BAD },
	{ "64 KiB", huge_authinfo, BAD },
};

static const struct {
	const char *text;
	bool unknown; /* says that the account is none of iotpki's */
} accounts[] = {
	{ "", false },
	{ "account-known=no\nlist-valid=yes\n", true },
	{ "account-known=no\nlist-valid=no\n", false },
	{ "account-known=yes\nlist-valid=yes\n", false },
	{ "account-known=no\n", false },
};

struct cell {
	enum host_stage stage;
	bool ssh, ignore_unknown;
	const struct authinfo *authinfo;
	const struct answer *answer;
	bool unknown;
};

/* Design 9, read again and not from the code: what must come out. */
static int model_refusal(enum meaning meaning, enum host_stage stage)
{
	if (stage == HOST_SESSION)
		return PAM_SESSION_ERR;
	if (meaning == NO_ANSWER)
		return PAM_AUTHINFO_UNAVAIL;
	if (stage == HOST_AUTH)
		return PAM_AUTH_ERR;
	return meaning == EXPIRED ? PAM_ACCT_EXPIRED : PAM_PERM_DENIED;
}

static int model(const struct cell *cell)
{
	const enum meaning meaning = cell->answer->meaning;
	const bool denied = meaning == DENY || meaning == EXPIRED;
	const enum kind kind = cell->authinfo->kind;
	if (!cell->ssh && cell->stage == HOST_SESSION)
		return PAM_SUCCESS;
	if (!cell->ssh && cell->stage == HOST_AUTH)
		return PAM_SERVICE_ERR;
	if (cell->ignore_unknown && denied && cell->unknown)
		return HOST_IGNORED;
	if (!cell->ssh) /* account: the members of the account */
		return meaning == ADMIT ? PAM_SUCCESS : model_refusal(meaning, cell->stage);
	const bool proved = kind == KEYS || (kind == EMPTY && cell->stage == HOST_ACCOUNT);
	if (!proved)
		return model_refusal(DENY, cell->stage);
	return meaning == ADMIT ? PAM_SUCCESS : model_refusal(meaning, cell->stage);
}

static void say(const struct answer *answer, const char *account)
{
	char text[512];
	const bool append = strncmp(answer->text, "iotpki/1 DENY\n", 14) == 0;
	const int len = snprintf(text, sizeof(text), "%s%s", answer->text, append ? account : "");
	fake_agent_set(&agent, answer->mode, text, (size_t)len);
}

static unsigned int try_cell(const struct cell *cell, const char *account)
{
	char arguments[256];
	(void)snprintf(arguments, sizeof(arguments), "socket=%s%s%s", agent.socket,
		       cell->ssh ? " ssh" : "", cell->ignore_unknown ? " ignore_unknown_user" : "");
	say(cell->answer, account);
	const int got = host_code("sshd", arguments, "pi", cell->stage, cell->authinfo->text);
	if (got != model(cell))
		fail_msg("%s, '%s', authinfo %s, agent: %s %s: code %d, must be %d",
			 host_stage_names[cell->stage], arguments, cell->authinfo->name,
			 cell->answer->name, account, got, model(cell));
	return 1;
}

static unsigned int try_cells_of(struct cell *cell)
{
	unsigned int count = 0;
	for (size_t answer = 0; answer < ARRAY_LEN(answers); answer++) {
		const bool denied =
			answers[answer].meaning == DENY || answers[answer].meaning == EXPIRED;
		cell->answer = &answers[answer];
		for (size_t i = 0; i < (denied ? ARRAY_LEN(accounts) : 1); i++) {
			cell->unknown = accounts[i].unknown;
			count += try_cell(cell, accounts[i].text);
		}
	}
	return count;
}

static void the_table_cell_by_cell(void **state)
{
	(void)state;
	unsigned int count = 0;
	for (int stage = 0; stage < HOST_STAGE_COUNT; stage++)
		for (int flags = 0; flags < 4; flags++)
			for (size_t i = 0; i < ARRAY_LEN(authinfos); i++) {
				struct cell cell = { .stage = (enum host_stage)stage,
						     .ssh = (flags & 1) != 0,
						     .ignore_unknown = (flags & 2) != 0,
						     .authinfo = &authinfos[i] };
				count += try_cells_of(&cell);
			}
	print_message("%u cells\n", count);
}

static void what_is_asked(void **state)
{
	(void)state;
	static const struct {
		const char *name, *arguments;
		enum host_stage stage;
		const char *authinfo;
		const char *want; /* NULL: nothing is asked */
	} rows[] = {
		{ "auth", "ssh", HOST_AUTH, KEY_LINE,
		  "stage=auth\nauthinfo=publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA;\n" },
		{ "account, no key visible", "ssh", HOST_ACCOUNT, NULL,
		  "stage=account\nauthinfo=\n" },
		{ "account, empty", "ssh", HOST_ACCOUNT, "", "stage=account\nauthinfo=\n" },
		{ "account by membership", "", HOST_ACCOUNT, KEY_LINE, "stage=account\n" },
		{ "session, only keys pass on", "ssh", HOST_SESSION,
		  "password\n" KEY_LINE "keyboard-interactive/pam\n" OTHER_KEY_LINE,
		  "stage=session\nauthinfo=publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA;"
		  "publickey ecdsa-sha2-nistp256 AAAAE2VjZHNhAAA=;\n" },
		{ "session without ssh", "", HOST_SESSION, KEY_LINE, NULL },
		{ "session without a key", "ssh", HOST_SESSION, "password\n", NULL },
		{ "auth without a key", "ssh", HOST_AUTH, "", NULL },
		{ "account, garbled", "ssh", HOST_ACCOUNT, "x", NULL },
		{ "another service", "ssh only=sudo", HOST_ACCOUNT, KEY_LINE, NULL },
		{ "break-glass", "ssh break_glass_user=pi", HOST_ACCOUNT, KEY_LINE, NULL },
		{ "unknown argument", "ssh debug", HOST_ACCOUNT, KEY_LINE, NULL },
	};
	fake_agent_say(&agent, answers[0].text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char arguments[256];
		char want[512];
		(void)snprintf(arguments, sizeof(arguments), "socket=%s %s", agent.socket,
			       rows[i].arguments);
		fake_agent_forget(&agent);
		(void)host_code("sshd", arguments, "pi", rows[i].stage, rows[i].authinfo);
		(void)snprintf(want, sizeof(want),
			       "iotpki/1 authorize-user\nuser=pi\nservice=sshd\n%s",
			       rows[i].want != NULL ? rows[i].want : "");
		if (fake_agent_request_count(&agent) != (rows[i].want != NULL ? 1 : 0))
			fail_msg("%s: %u questions", rows[i].name,
				 fake_agent_request_count(&agent));
		if (rows[i].want != NULL && strcmp(fake_agent_last_request(&agent), want) != 0)
			fail_msg("%s: '%s'", rows[i].name, fake_agent_last_request(&agent));
	}
}

static void arguments_of_a_line(void **state)
{
	(void)state;
	static const struct {
		const char *arguments, *service, *user;
		bool admit; /* else the agent denies */
		int want[HOST_STAGE_COUNT];
	} rows[] = {
		{ "ssh only=sshd,sudo,login", "sshd", "pi", true, { 0, 0, 0 } },
		{ "ssh only=sudo,login",
		  "sshd",
		  "pi",
		  true,
		  { HOST_IGNORED, HOST_IGNORED, HOST_IGNORED } },
		{ "ssh only=sudo,login",
		  "sshd",
		  "pi",
		  false,
		  { HOST_IGNORED, HOST_IGNORED, HOST_IGNORED } },
		{ "ssh only=ssh",
		  "sshd",
		  "pi",
		  true,
		  { HOST_IGNORED, HOST_IGNORED, HOST_IGNORED } },
		{ "ssh only=sshd",
		  "sshd",
		  "pi",
		  false,
		  { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR } },
		{ "only=sudo", "sshd", "pi", false, { HOST_IGNORED, HOST_IGNORED, HOST_IGNORED } },
		{ "ssh break_glass_user=pi", "sshd", "pi", false, { PAM_AUTH_ERR, 0, 0 } },
		{ "ssh break_glass_user=root,pi", "sshd", "pi", false, { PAM_AUTH_ERR, 0, 0 } },
		{ "ssh break_glass_user=pi2",
		  "sshd",
		  "pi",
		  false,
		  { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR } },
		{ "ssh break_glass_user=root",
		  "sshd",
		  "pi",
		  false,
		  { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR } },
		{ "break_glass_user=pi", "sudo", "pi", false, { PAM_SERVICE_ERR, 0, 0 } },
		{ "ssh debug",
		  "sshd",
		  "pi",
		  true,
		  { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
		{ "ssh nullok",
		  "sshd",
		  "pi",
		  true,
		  { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
		{ "nonsense",
		  "sshd",
		  "pi",
		  true,
		  { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
		{ "ssh break_glass_user=pi debug",
		  "sshd",
		  "pi",
		  true,
		  { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
		{ "ssh only=sudo debug",
		  "sshd",
		  "pi",
		  true,
		  { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
		{ "ssh ssh",
		  "sshd",
		  "pi",
		  true,
		  { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char arguments[256];
		(void)snprintf(arguments, sizeof(arguments), "socket=%s %s", agent.socket,
			       rows[i].arguments);
		fake_agent_say(&agent, answers[rows[i].admit ? 0 : 1].text);
		for (int stage = 0; stage < HOST_STAGE_COUNT; stage++) {
			const int got = host_code(rows[i].service, arguments, rows[i].user,
						  (enum host_stage)stage, KEY_LINE);
			if (got != rows[i].want[stage])
				fail_msg("%s of '%s': code %d", host_stage_names[stage],
					 rows[i].arguments, got);
		}
	}
}

static void dead_hung_and_foreign_agents(void **state)
{
	(void)state;
	static const int want[HOST_STAGE_COUNT] = { PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL,
						    PAM_SESSION_ERR };
	enum { DEAD, HUNG, FULL, FOREIGN, CASES };
	for (int which = 0; which < CASES; which++) {
		struct client_defaults defaults = { .trusted_uid = geteuid() + (which == FOREIGN),
						    .budget_ms = 60,
						    .log_socket = "/nonexistent" };
		struct fake_agent other;
		if (which == FULL)
			fake_agent_start_full(&other);
		else
			fake_agent_start(&other);
		if (which == HUNG)
			fake_agent_set(&other, FAKE_AGENT_HANG, NULL, 0);
		else if (which != FULL)
			fake_agent_say(&other, answers[0].text);
		char arguments[256];
		char glass[300];
		(void)snprintf(arguments, sizeof(arguments), "ssh ignore_unknown_user socket=%s",
			       other.socket);
		(void)snprintf(glass, sizeof(glass), "%s break_glass_user=pi", arguments);
		if (which == DEAD)
			fake_agent_stop(&other);
		client_test_set(&defaults);
		for (int stage = 0; stage < HOST_STAGE_COUNT; stage++) {
			const enum host_stage at = (enum host_stage)stage;
			if (host_code("sshd", arguments, "pi", at, KEY_LINE) != want[stage])
				fail_msg("case %d, %s", which, host_stage_names[stage]);
			if (stage != HOST_AUTH &&
			    host_code("sshd", glass, "pi", at, KEY_LINE) != PAM_SUCCESS)
				fail_msg("case %d, break-glass in %s", which,
					 host_stage_names[stage]);
		}
		if (which != DEAD)
			fake_agent_stop(&other);
	}
}

static void hostile_users(void **state)
{
	(void)state;
	static const int want[HOST_STAGE_COUNT] = { PAM_AUTH_ERR, PAM_PERM_DENIED,
						    PAM_SESSION_ERR };
	char *huge = malloc((1 << 20) + 1);
	assert_non_null(huge);
	memset(huge, 'a', 1 << 20);
	huge[1 << 20] = '\0';
	char long_user[258];
	memset(long_user, 'a', 257);
	long_user[257] = '\0';
	const char *const users[] = { NULL,   "",    " ",       "a b", "a\nuser=root", "a\tb",
				      "..",   ".",   "../root", "a/b", "-x",           "a=b",
				      "a,b",  "a;b", "a\"b",    "a'b", "p\xc3\xa4",    "\x1b[2J",
				      "\x7f", huge,  long_user };
	char arguments[256];
	(void)snprintf(arguments, sizeof(arguments), "ssh ignore_unknown_user socket=%s",
		       agent.socket);
	fake_agent_say(&agent, answers[0].text);
	fake_agent_forget(&agent);
	for (size_t i = 0; i < ARRAY_LEN(users); i++)
		for (int stage = 0; stage < HOST_STAGE_COUNT; stage++)
			if (host_code("sshd", arguments, users[i], (enum host_stage)stage,
				      KEY_LINE) != want[stage])
				fail_msg("user %zu, %s", i, host_stage_names[stage]);
	assert_int_equal(fake_agent_request_count(&agent), 0);
	free(huge);
}

/* An account of a domain: none of ours, so a line with ignore_unknown_user must not lock it out. */
static void domain_users(void **state)
{
	(void)state;
	char with[256], without[256];
	(void)snprintf(with, sizeof(with), "ssh ignore_unknown_user socket=%s", agent.socket);
	(void)snprintf(without, sizeof(without), "ssh socket=%s", agent.socket);
	fake_agent_say(&agent, "iotpki/1 DENY\nreason=not-member\ncode=IPK-101\n"
			       "account-known=no\nlist-valid=yes\n");
	for (int stage = 0; stage < HOST_STAGE_COUNT; stage++) {
		const enum host_stage at = (enum host_stage)stage;
		assert_int_equal(host_code("sshd", with, "CORP\\joe", at, KEY_LINE), HOST_IGNORED);
		assert_int_not_equal(host_code("sshd", without, "CORP\\joe", at, KEY_LINE),
				     PAM_SUCCESS);
	}
}

struct change {
	pam_handle_t *pamh;
	const char *user;
};

static void change_user(void *context)
{
	const struct change *change = context;
	(void)pam_set_item(change->pamh, PAM_USER, change->user);
}

/* Another module, or a conversation, may rename the user while we ask (TM-21). */
static void a_user_who_changes_is_refused(void **state)
{
	(void)state;
	static const int want[HOST_STAGE_COUNT] = { PAM_AUTH_ERR, PAM_PERM_DENIED,
						    PAM_SESSION_ERR };
	static const char *const others[] = { "root", NULL, "" };
	fake_agent_say(&agent, answers[0].text);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		for (int stage = 0; stage < HOST_STAGE_COUNT; stage++) {
			char text[256];
			(void)snprintf(text, sizeof(text), "%s required %%m ssh socket=%s\n",
				       host_stage_names[stage], agent.socket);
			struct change change = { host_start(host_folder("sshd", text), "sshd", "pi",
							    KEY_LINE),
						 others[i] };
			client_test_hook(change_user, &change);
			const int code = host_stage(change.pamh, (enum host_stage)stage);
			client_test_hook(NULL, NULL);
			if (code != want[stage])
				fail_msg("%s: code %d", host_stage_names[stage], code);
			assert_null(pam_getenv(change.pamh, "IOTPKI_NAME"));
			(void)pam_end(change.pamh, code);
		}
	}
}

static void the_session_names_the_member(void **state)
{
	(void)state;
	char text[256];
	char name[160];
	(void)snprintf(text, sizeof(text), "session required %%m ssh socket=%s\n", agent.socket);
	const char *folder = host_folder("sshd", text);
	fake_agent_say(&agent, answers[0].text);
	assert_int_equal(host_call_name(folder, "sshd", "pi", HOST_SESSION, KEY_LINE, name),
			 PAM_SUCCESS);
	assert_string_equal(name, "iot:a1");
	fake_agent_say(&agent, "iotpki/1 DENY\nname=iot:a1\nreason=revoked\n");
	assert_int_equal(host_call_name(folder, "sshd", "pi", HOST_SESSION, KEY_LINE, name),
			 PAM_SESSION_ERR);
	assert_string_equal(name, "");
}

static void credentials_and_the_end_of_a_session_succeed(void **state)
{
	(void)state;
	static const char *const arguments[] = { "", "ssh", "nonsense" };
	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		char text[256];
		(void)snprintf(text, sizeof(text),
			       "auth required %%m %s\nsession required %%m %s\n", arguments[i],
			       arguments[i]);
		pam_handle_t *pamh = host_start(host_folder("sshd", text), "sshd", "pi", NULL);
		assert_int_equal(pam_setcred(pamh, PAM_ESTABLISH_CRED), PAM_SUCCESS);
		assert_int_equal(pam_close_session(pamh, 0), PAM_SUCCESS);
		(void)pam_end(pamh, PAM_SUCCESS);
	}
}

static void there_is_no_password_to_change(void **state)
{
	(void)state;
	pam_handle_t *pamh =
		host_start(host_folder("sshd", "password required %m\n"), "sshd", "pi", NULL);
	assert_int_not_equal(pam_chauthtok(pamh, 0), PAM_SUCCESS);
	(void)pam_end(pamh, PAM_SUCCESS);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_cell_by_cell),
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(arguments_of_a_line),
		cmocka_unit_test(hostile_users),
		cmocka_unit_test(domain_users),
		cmocka_unit_test(a_user_who_changes_is_refused),
		cmocka_unit_test(the_session_names_the_member),
		cmocka_unit_test(credentials_and_the_end_of_a_session_succeed),
		cmocka_unit_test(there_is_no_password_to_change),
		cmocka_unit_test(dead_hung_and_foreign_agents), /* last: shortens the budget */
	};
	const struct client_defaults defaults = { .trusted_uid = geteuid(),
						  .budget_ms = IOTPKI_CLIENT_BUDGET_MS,
						  .log_socket = "/nonexistent" };
	memset(huge_authinfo, 'A', sizeof(huge_authinfo) - 1);
	memcpy(huge_authinfo, "publickey ssh-ed25519 ", 22);
	huge_authinfo[sizeof(huge_authinfo) - 2] = '\n';
	client_test_set(&defaults);
	host_init(argv[1]);
	fake_agent_start(&agent);
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_agent_stop(&agent);
	host_done();
	return failed;
}
