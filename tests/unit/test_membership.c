/* The membership list: every class of hostile list (Y01 to Y23) is refused whole, at its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "config/membership.h"
#include "config/membership_list.h"
#include "memberkit.h"

#define NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"

/*
 * A text with its marks filled in: %S sha256, %K key, %F fingerprint, %C certificate as a block of
 * six spaces, %N name; of the second member in small letters (%s %k %f %c %n).
 */
static void expand(const char *text, struct buf *out)
{
	static struct memberkit kits[2];
	if (kits[0].name[0] == '\0') {
		memberkit_make(&kits[0], NAME, 1);
		memberkit_make(&kits[1], "gate.lan", 2);
	}
	for (; *text != '\0'; text++) {
		if (*text != '%' || strchr("SKFCNskfcn", text[1]) == NULL || text[1] == '\0') {
			(void)buf_putc(out, *text);
			continue;
		}
		text++;
		const struct memberkit *kit = &kits[*text >= 'a' ? 1 : 0];
		const char mark = (char)(*text & ~0x20);
		if (mark != 'C') {
			(void)buf_puts(out, mark == 'S'   ? kit->sha256
					    : mark == 'K' ? kit->key
					    : mark == 'F' ? kit->fingerprint
							  : kit->name);
			continue;
		}
		(void)buf_puts(out, "|\n      ");
		for (const char *c = kit->pem; *c != '\0'; c++) {
			(void)buf_putc(out, *c);
			if (*c == '\n' && c[1] != '\0')
				(void)buf_puts(out, "      ");
		}
	}
	assert_int_equal(buf_error(out), IOTPKI_OK);
}

#define HEAD "version: 1\nroles: {op: {users: [pi], services: [sshd]}}\nmembers:\n" /* 3 lines */
#define E1 "  - {name: %N, role: op, expires: 2027-06-30T00:00:00Z, sha256: %S,\n     key: %K"
#define END1 "}\n"
/* One entry in block style; 6 lines and the certificate. */
#define REST "    expires: 2027-06-30T00:00:00Z\n    sha256: %S\n    key: %K\n    certificate: %C"
#define ENTRY "  - name: %N\n    role: op\n" REST
#define REST2 "    expires: 2027-06-30T00:00:00Z\n    sha256: %s\n    key: %k\n    certificate: %c"
#define ENTRY2 "  - name: %n\n    role: op\n" REST2
#define ENTRY_LINES 16U /* of ENTRY, asserted below */

struct row {
	const char *name;
	const char *text;
	unsigned int line, column; /* 0: good */
};

static void check(const struct row *row)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 20);
	expand(row->text, &text);
	CLEANUP(membership_unrefp) struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		membership_parse("m.yaml", buf_text(&text), text.len, &list, &detail);
	if ((err == IOTPKI_OK) != (row->line == 0))
		fail_msg("%s: %d %u:%u: %s", row->name, err, detail.line, detail.column,
			 detail.message);
	if (err != IOTPKI_OK && list != NULL)
		fail_msg("%s: half a list", row->name);
	if (detail.line != row->line || detail.column != row->column)
		fail_msg("%s: at %u:%u: %s", row->name, detail.line, detail.column, detail.message);
	if (err != IOTPKI_OK)
		assert_string_equal(detail.where, "m.yaml");
}

static void hostile_rows(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "good", HEAD ENTRY ENTRY2, 0, 0 },
		{ "good without members", "version: 1\n", 0, 0 },
		{ "good with an empty list", "version: 1\nmembers: []\n", 0, 0 },
		{ "Y03 anchor", HEAD "  - &a\n    name: %N\n    role: op\n" REST, 4, 5 },
		{ "Y03 alias", HEAD ENTRY "  - *a\n", 4 + ENTRY_LINES, 5 },
		{ "Y03 merge", HEAD "  - <<: x\n    role: op\n" REST, 4, 5 },
		{ "Y04 tag", HEAD "  - name: !!str %N\n    role: op\n" REST, 4, 11 },
		{ "Y05 depth", "version: 1\nmembers: [[[[[[[[[\n", 2, 11 },
		{ "Y07 members twice", HEAD ENTRY "members: []\n", 4 + ENTRY_LINES, 1 },
		{ "Y07 key of an entry twice",
		  HEAD "  - name: %N\n    role: op\n    role: op\n" REST, 6, 5 },
		{ "Y08 name twice", HEAD ENTRY ENTRY, 4 + ENTRY_LINES, 5 },
		{ "Y08 name twice, quoted", HEAD ENTRY "  - name: \"%N\"\n    role: op\n" REST,
		  4 + ENTRY_LINES, 5 },
		{ "Y08 name with space", HEAD "  - name: \"%N \"\n    role: op\n" REST, 4, 11 },
		{ "Y08 name in capitals", HEAD "  - name: A\n    role: op\n" REST, 4, 11 },
		{ "Y09 second document", HEAD ENTRY "---\n" HEAD, 4 + ENTRY_LINES, 1 },
		{ "Y10 empty", "", 1, 1 },
		{ "Y10 comments", "# members\n", 1, 1 },
		{ "Y10 null", "~\n", 1, 1 },
		{ "Y11 byte order mark", "\xef\xbb\xbf" HEAD ENTRY, 0, 0 },
		{ "Y11 UTF-16", "\xff\xfev", 1, 1 },
		{ "Y12 NUL escaped", HEAD "  - name: \"a\\0\"\n    role: op\n" REST, 4, 11 },
		{ "Y13 bidirectional in a comment", "version: 1 # \xe2\x80\xae\n", 1, 14 },
		{ "Y14 tab", "version: 1\nmembers:\n\t- a\n", 3, 1 },
		{ "Y16 name that is a YAML 1.1 boolean, of another certificate",
		  HEAD "  - name: no\n    role: op\n" REST, 4, 11 },
		{ "Y16 denied: true", HEAD "  - name: %N\n    denied: true\n    role: op\n" REST, 5,
		  13 },
		{ "Y16 denied: yes", HEAD "  - name: %N\n    denied: yes\n    role: op\n" REST, 0,
		  0 },
		{ "Y17 no name", HEAD "  - role: op\n" REST, 4, 5 },
		{ "Y17 no certificate", HEAD E1 END1, 4, 5 },
		{ "Y17 no expires",
		  HEAD
		  "  - name: %N\n    role: op\n    sha256: %S\n    key: %K\n    certificate: %C",
		  4, 5 },
		{ "Y17 no role", HEAD "  - name: %N\n" REST, 4, 5 },
		{ "Y17 no sha256",
		  HEAD "  - name: %N\n    role: op\n    expires: 2027-06-30T00:00:00Z\n    key: "
		       "%K\n    certificate: %C",
		  4, 5 },
		{ "Y18 unknown key", HEAD "  - name: %N\n    roles: op\n    role: op\n" REST, 5,
		  5 },
		{ "Y18 unknown key of a role", "version: 1\nroles: {op: {user: [pi]}}\n", 2, 14 },
		{ "Y18 unknown top key", "version: 1\nmember: []\n", 2, 1 },
		{ "unknown role", HEAD "  - name: %N\n    role: admin\n" REST, 5, 11 },
		{ "role twice", "version: 1\nroles:\n  a: {}\n  a: {}\n", 4, 3 },
		{ "roles below members", "version: 1\nmembers:\n" ENTRY "roles: {}\n", 4, 11 },
		{ "Y19 a path",
		  HEAD "  - name: %N\n    role: op\n    expires: 2027-06-30T00:00:00Z\n    sha256: "
		       "%S\n    key: %K\n    certificate: ../cert.pem\n",
		  9, 18 },
		{ "Y19 two certificates", HEAD ENTRY "      -----BEGIN CERTIFICATE-----\n", 9, 18 },
		{ "Y19 rubbish behind", HEAD ENTRY "      x\n", 9, 18 },
		{ "Y19 a key",
		  HEAD "  - name: %N\n    role: op\n    expires: 2027-06-30T00:00:00Z\n    sha256: "
		       "%S\n    key: %K\n    certificate: |\n      -----BEGIN PRIVATE KEY-----\n   "
		       "   AAAA\n      -----END PRIVATE KEY-----\n",
		  9, 18 },
		{ "certificate of another name", HEAD "  - name: other\n    role: op\n" REST, 4,
		  11 },
		{ "sha256 of another certificate",
		  HEAD "  - name: %N\n    role: op\n    expires: 2027-06-30T00:00:00Z\n    sha256: "
		       "%s\n    key: %K\n    certificate: %C",
		  7, 13 },
		{ "key of another certificate",
		  HEAD "  - name: %N\n    role: op\n    expires: 2027-06-30T00:00:00Z\n    sha256: "
		       "%S\n    key: %k\n    certificate: %C",
		  8, 10 },
		{ "key with a comment",
		  HEAD "  - name: %N\n    role: op\n    expires: 2027-06-30T00:00:00Z\n    sha256: "
		       "%S\n    key: %K me\n    certificate: %C",
		  8, 10 },
		{ "sha256 in capitals", HEAD "  - name: %N\n    role: op\n    sha256: ABCD\n", 6,
		  13 },
		{ "ssh: of another's certificate key", HEAD ENTRY "    ssh: %f\n" ENTRY2, 21, 5 },
		{ "ssh: of two members",
		  HEAD ENTRY "    ssh: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" ENTRY2
			     "    ssh: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
		  21, 5 },
		{ "ssh: of its own certificate's key", HEAD ENTRY "    ssh: %F\n" ENTRY2, 0, 0 },
		{ "ssh: malformed", HEAD ENTRY "    ssh: SHA256:AAAA\n", 4 + ENTRY_LINES, 10 },
		{ "one host of two members",
		  HEAD ENTRY "    hosts: [a.lan, gate.lan]\n" ENTRY2 "    hosts: [gate.lan]\n", 21,
		  5 },
		{ "one host twice in an entry", HEAD ENTRY "    hosts: [a.lan, a.lan]\n", 4, 5 },
		{ "host in capitals", HEAD ENTRY "    hosts: [Gate.lan]\n", 4 + ENTRY_LINES, 13 },
		{ "registration malformed", HEAD ENTRY "    registrations: {farm: abc}\n",
		  4 + ENTRY_LINES, 27 },
		{ "registration twice", HEAD ENTRY "    registrations: {farm: %S, farm: %S}\n",
		  4 + ENTRY_LINES, 93 },
		{ "label of two lines", HEAD ENTRY "    label: \"a\\nb\"\n", 4 + ENTRY_LINES, 12 },
		{ "account with a newline", "version: 1\nroles: {op: {users: [\"a\\nb\"]}}\n", 2,
		  22 },
		{ "bad ssh option", "version: 1\nroles: {op: {ssh_options: [restrict, tunnel]}}\n",
		  2, 38 },
		{ "rights of an entry",
		  HEAD ENTRY "    users: [a, b]\n    services: [cron]\n    ssh_options: [restrict, "
			     "pty]\n    soft_fail: yes\n",
		  0, 0 },
	};
	CLEANUP(buf_done) struct buf one = BUF_INIT(1 << 16);
	expand(ENTRY, &one);
	unsigned int lines = 0;
	for (size_t i = 0; i < one.len; i++)
		lines += one.data[i] == '\n' ? 1 : 0;
	assert_int_equal(lines, ENTRY_LINES);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

static void expiry_rows(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"0",
		"1767225600",
		"1.5",
		"0755",
		"0x10",
		"1e9",
		"1:30",
		"-1",
		"2147483648",
		"9223372036854775808",
		"18446744073709551616",
		".inf",
		".nan",
		"",
		"~",
		"never",
		"2027-06-30",
		"2027-06-30T00:00:00",
		"2027-06-30T00:00:00+01:00",
		"2027-06-30T00:00:00.5Z",
		"2027-06-30t00:00:00z",
		"2016-12-31T23:59:60Z",
		"0000-00-00T00:00:00Z",
		"2027-02-29T00:00:00Z",
		"10000-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"[]",
		"{}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char name[64], text[256];
		(void)snprintf(name, sizeof(name), "Y15 expires: %s", bad[i]);
		(void)snprintf(text, sizeof(text), HEAD "  - name: a\n    expires: %s\n", bad[i]);
		/* Nothing at all stands where the colon ends. */
		const struct row row = { name, text, 5, bad[i][0] == '\0' ? 13 : 14 };
		check(&row);
	}
}

static void name_rows(void **state)
{
	(void)state;
	char long_name[70];
	memset(long_name, 'a', 65);
	long_name[65] = '\0';
	const char *const bad[] = { "''",   ".",        "..",        "'/'",   "-x",
				    "'%s'", "'$(id)'",  "\"a\\nb\"", "'a b'", "_a",
				    "A",    "\xc3\xa9", long_name };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char name[96], text[256];
		(void)snprintf(name, sizeof(name), "Y20 %s", bad[i]);
		(void)snprintf(text, sizeof(text), "version: 1\nmembers:\n  - name: %s\n", bad[i]);
		/* "%s" is no mark of expand(): it stands for itself here. */
		CLEANUP(membership_unrefp) struct membership *list = NULL;
		struct iotpki_detail detail = { 0 };
		assert_int_not_equal(membership_parse("m", text, strlen(text), &list, &detail),
				     IOTPKI_OK);
		if (detail.line != 3 || detail.column != 11)
			fail_msg("%s: %u:%u %s", name, detail.line, detail.column, detail.message);
	}
	long_name[64] = '\0';
	static const char *const good[] = { "a", "0", "a.b_c-d" };
	for (size_t i = 0; i <= ARRAY_LEN(good); i++) {
		struct memberkit kit;
		memberkit_make(&kit, i < ARRAY_LEN(good) ? good[i] : long_name, 7);
		CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
		(void)buf_printf(&text, "%smembers:\n", memberkit_head);
		memberkit_put_entry(&kit, "peer", "", &text);
		CLEANUP(membership_unrefp) struct membership *list = NULL;
		struct iotpki_detail detail = { 0 };
		if (membership_parse("m", buf_text(&text), text.len, &list, &detail) != IOTPKI_OK)
			fail_msg("Y20 %s: %s", kit.name, detail.message);
		assert_non_null(membership_by_name(list, kit.name));
	}
}

static void big_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name, *head, *body, *tail;
		size_t count;
	} rows[] = {
		{ "Y01 alias bomb", "a: &a [x]\n", "b: [*a,*a]\n", "", 9 },
		{ "Y05 brackets", "version: 1\nmembers: ", "[", "\n", 20000 },
		{ "Y06 block mappings", "version: 1\nmembers:\n", "  ? ", "\n", 1000 },
		{ "Y21 plain text over lines", "version: 1\nmembers:\n  - name: ", "a\n      ",
		  "\n", 150000 },
		{ "Y21 label of 1 MiB", "version: 1\nmembers:\n  - label: ", "xxxxxxxxxxxxxxxx",
		  "\n", 65536 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(8 << 20);
		(void)buf_puts(&text, rows[i].head);
		for (size_t n = 0; n < rows[i].count; n++)
			(void)buf_puts(&text, rows[i].body);
		(void)buf_puts(&text, rows[i].tail);
		CLEANUP(membership_unrefp) struct membership *list = NULL;
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			membership_parse("m", buf_text(&text), text.len, &list, &detail);
		if (err == IOTPKI_OK || detail.line == 0 || detail.column == 0)
			fail_msg("%s: %d", rows[i].name, err);
	}
}

static const char usual[] =
	"version: 1\n"
	"roles:\n"
	"  op: {users: [pi, root], services: [sshd, sudo], ssh_options: [pty, restrict]}\n"
	"  peer: {users: [sync], services: [sshd]}\n"
	"  none: {}\n"
	"members:\n"
	"  - name: %N\n    role: op\n    label: alice\n" REST
	"    registrations: {farm: %S, chain: %s}\n"
	"  - name: %n\n    role: peer\n    denied: yes\n    users: [a, pi]\n    soft_fail: yes\n"
	"    ssh: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n    hosts: [gate.lan, "
	"\"[::1]:22\"]\n" REST2;

static struct membership *load_usual(void)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	expand(usual, &text);
	struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	if (membership_parse("m", buf_text(&text), text.len, &list, &detail) != IOTPKI_OK)
		fail_msg("%u:%u: %s", detail.line, detail.column, detail.message);
	uint8_t digest[IOTPKI_SHA256_LEN];
	assert_int_equal(sha256(text.data, text.len, digest), IOTPKI_OK);
	assert_memory_equal(digest, membership_digest(list), sizeof(digest));
	return list;
}

static void lookups(void **state)
{
	(void)state;
	CLEANUP(membership_unrefp) struct membership *list = load_usual();
	assert_int_equal(membership_count(list), 2);
	struct memberkit kit, other;
	memberkit_make(&kit, NAME, 1);
	memberkit_make(&other, "gate.lan", 2);
	const struct member *a = membership_at(list, 0);
	const struct member *b = membership_at(list, 1);
	assert_string_equal(a->name, NAME);
	assert_string_equal(a->label, "alice");
	assert_string_equal(a->role, "op");
	assert_string_equal(a->rights->ssh_options, "restrict,pty");
	assert_int_equal(a->ends_s, 1814313600);
	assert_int_equal(a->cert_begins_s, 1577836800);
	assert_int_equal(a->registration_count, 2);
	assert_string_equal(a->registrations[1].network, "chain");
	assert_memory_equal(a->registrations[1].id, other.cert.sha256, IOTPKI_SHA256_LEN);
	assert_false(a->denied || a->has_ssh || a->rights->soft_fail);
	assert_true(b->denied && b->has_ssh && b->rights->soft_fail);
	assert_string_equal(b->label, "");
	assert_string_equal(b->rights->ssh_options, "restrict");
	assert_int_equal(b->rights->user_count, 2);
	assert_int_equal(b->rights->service_count, 1);
	assert_int_equal(b->host_count, 2);
	assert_string_equal(b->hosts[1], "[::1]:22");

	assert_ptr_equal(membership_by_name(list, NAME), a);
	assert_ptr_equal(membership_by_name(list, "gate.lan"), b);
	assert_null(membership_by_name(list, "gate"));
	assert_ptr_equal(membership_by_key(list, kit.cert.key.fingerprint), a);
	assert_ptr_equal(membership_by_cert(list, other.cert.sha256), b);
	assert_null(membership_by_key(list, kit.cert.sha256));
	assert_null(membership_by_cert(list, kit.cert.key.fingerprint));
	static const uint8_t zero[IOTPKI_SHA256_LEN];
	assert_ptr_equal(membership_next_by_ssh(list, zero, NULL), b);
	assert_null(membership_next_by_ssh(list, zero, b));
	assert_null(membership_by_key(list, zero));
	assert_null(membership_next_by_ssh(list, kit.cert.key.fingerprint, NULL));
	assert_ptr_equal(membership_next_by_account(list, "pi", NULL), a);
	assert_ptr_equal(membership_next_by_account(list, "pi", a), b);
	assert_null(membership_next_by_account(list, "pi", b));
	assert_null(membership_next_by_account(list, "sync", NULL));
	assert_true(
		membership_names_account(list, "sync")); /* by a role that nobody has as it is */
	assert_true(membership_names_account(list, "a"));
	assert_false(membership_names_account(list, "nobody"));
}

static void permissions(void **state)
{
	(void)state;
	CLEANUP(membership_unrefp) struct membership *list = load_usual();
	static const struct {
		size_t member;
		const char *user, *service;
		bool want;
	} rows[] = {
		{ 0, "pi", "sshd", true },   { 0, "root", "sudo", true },
		{ 0, "pi", "login", false }, { 0, "sync", "sshd", false },
		{ 0, NULL, "sudo", true },   { 0, NULL, "cron", false },
		{ 0, "pi", NULL, true },     { 0, "", "sshd", false },
		{ 1, "a", "sshd", true },    { 1, "sync", "sshd", false },
		{ 1, "pi", "sudo", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (member_permits(membership_at(list, rows[i].member), rows[i].user,
				   rows[i].service) != rows[i].want)
			fail_msg("row %zu", i);
}

static void fill(void **state)
{
	(void)state;
	CLEANUP(membership_unrefp) struct membership *list = load_usual();
	struct config config = { .network_count = 3 };
	(void)snprintf(config.networks[0], sizeof(config.networks[0]), "chain");
	(void)snprintf(config.networks[1], sizeof(config.networks[1]), "elsewhere");
	(void)snprintf(config.networks[2], sizeof(config.networks[2]), "farm");
	struct iotpki_decide_input input;
	memset(&input, 0xff, sizeof(input));
	const struct member *a = membership_at(list, 0);
	membership_fill(a, &config, "pi", "sshd", &input);
	assert_true(input.member && input.permitted && !input.denied);
	assert_int_equal(input.member_ends_s, a->ends_s);
	assert_int_equal(input.cert_ends_s, a->cert_ends_s);
	assert_memory_equal(input.entry_sha256, a->sha256, IOTPKI_SHA256_LEN);
	assert_memory_equal(input.entry_key, a->key, IOTPKI_SHA256_LEN);
	assert_true(input.pins[0].set && !input.pins[1].set && input.pins[2].set);
	assert_memory_equal(input.pins[2].id, a->sha256, IOTPKI_SHA256_LEN);
	assert_int_equal(input.needed, UINT32_MAX); /* nothing else is touched */
	assert_false(input.entry_has_ssh);
	membership_fill(membership_at(list, 1), &config, "sync", "sshd", &input);
	assert_true(input.denied && !input.permitted && !input.pins[0].set);
	assert_true(input.entry_has_ssh);
	assert_memory_equal(input.entry_ssh, membership_at(list, 1)->ssh, IOTPKI_SHA256_LEN);
	membership_fill(NULL, &config, "pi", "sshd", &input);
	assert_false(input.member || input.permitted || input.denied || input.pins[0].set);
	assert_int_equal(input.member_ends_s, 0);
}

static void references(void **state)
{
	(void)state;
	struct membership *list = load_usual();
	struct membership *second = membership_ref(list);
	membership_unref(list);
	assert_int_equal(membership_count(second), 2);
	membership_unrefp(&second);
	assert_null(second);
	membership_unref(NULL);
}

/* Y23: a cut file is refused, or it is a whole list of what stands before the cut. */
static void truncation(void **state)
{
	(void)state;
	CLEANUP(membership_unrefp) struct membership *before = load_usual();
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	expand(usual, &text);
	size_t whole = 0;
	for (size_t len = 0; len <= text.len; len++) {
		CLEANUP(membership_unrefp) struct membership *list = NULL;
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			membership_parse("m", buf_text(&text), len, &list, &detail);
		if ((err == IOTPKI_OK) != (list != NULL))
			fail_msg("cut at %zu: half a list", len);
		if (err != IOTPKI_OK) {
			if (detail.line == 0)
				fail_msg("cut at %zu: no line", len);
			continue;
		}
		whole++;
		for (size_t i = 0; i < membership_count(list); i++) {
			const struct member *have = membership_at(list, i);
			const struct member *want = membership_at(before, i);
			if (memcmp(have->sha256, want->sha256, IOTPKI_SHA256_LEN) != 0 ||
			    have->ends_s != want->ends_s)
				fail_msg("cut at %zu: another member %zu", len, i);
		}
	}
	assert_true(whole > 0);
	/* The generation in force stays what it was. */
	assert_int_equal(membership_count(before), 2);
	assert_non_null(membership_by_name(before, "gate.lan"));
}

/* ---- files ---- */

struct folder {
	char path[64];
	struct fs_trust trust;
};

static const char *in(const struct folder *folder, const char *name)
{
	static char path[2][160];
	static unsigned int turn;
	char *out = path[turn++ % 2];
	(void)snprintf(out, sizeof(path[0]), "%s/%s", folder->path, name);
	return out;
}

static void put_file(const struct folder *folder, const char *name, const char *text)
{
	CLEANUP(buf_done) struct buf full = BUF_INIT(1 << 20);
	expand(text, &full);
	assert_int_equal(fs_write(in(folder, name), full.data, full.len, 0640, false, NULL),
			 IOTPKI_OK);
}

static int folder_make(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	(void)snprintf(folder->path, sizeof(folder->path), "/tmp/iotpki-members-XXXXXX");
	if (folder == NULL || mkdtemp(folder->path) == NULL)
		return -1;
	folder->trust = (struct fs_trust){ .owner = getuid(), .forbidden = 0022 };
	*state = folder;
	return mkdir(in(folder, "members.d"), 0750);
}

static int folder_remove(void **state)
{
	struct folder *folder = *state;
	static const char *const names[] = { "members.yaml",      "link.yaml",
					     "members.d/a.yaml",  "members.d/b.yaml",
					     "members.d/.c.yaml", "members.d/d.txt" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlink(in(folder, names[i]));
	(void)rmdir(in(folder, "members.d"));
	const int result = rmdir(folder->path);
	free(folder);
	return result;
}

static enum iotpki_err load(const struct folder *folder, struct membership **list,
			    struct iotpki_detail *detail)
{
	memset(detail, 0, sizeof(*detail));
	return membership_load(in(folder, "members.yaml"), &folder->trust, list, detail);
}

static void files(void **state)
{
	const struct folder *folder = *state;
	struct membership *list = NULL;
	struct iotpki_detail detail;
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_NOT_FOUND);
	put_file(folder, "members.yaml", HEAD ENTRY);
	put_file(folder, "members.d/b.yaml", "version: 1\nmembers:\n" ENTRY2);
	put_file(folder, "members.d/a.yaml", "version: 1\n");
	put_file(folder, "members.d/.c.yaml", "not: read\n");
	put_file(folder, "members.d/d.txt", "not: read\n");
	if (load(folder, &list, &detail) != IOTPKI_OK)
		fail_msg("%s:%u:%u %s", detail.where, detail.line, detail.column, detail.message);
	assert_int_equal(membership_count(list), 2);
	assert_string_equal(membership_at(list, 1)->name, "gate.lan");
	assert_string_equal(membership_file(list, membership_at(list, 0)),
			    in(folder, "members.yaml"));
	assert_string_equal(membership_file(list, membership_at(list, 1)),
			    in(folder, "members.d/b.yaml"));
	membership_unrefp(&list);

	put_file(folder, "members.d/a.yaml", "version: 1\nmembers:\n" ENTRY2);
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_SYNTAX);
	assert_string_equal(detail.where, in(folder, "members.d/b.yaml"));
	assert_int_equal(detail.line, 3);
	assert_null(list);
	put_file(folder, "members.d/a.yaml", "version: 1\nroles: {}\n");
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_SYNTAX);
	assert_string_equal(detail.where, in(folder, "members.d/a.yaml"));
	assert_int_equal(detail.line, 2);
	assert_null(list);
}

static void replacements(void **state)
{
	const struct folder *folder = *state;
	struct membership *list = NULL;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	expand(HEAD ENTRY ENTRY2, &text);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s", in(folder, "members.yaml"));
	const struct membership_replacement with = { path, buf_text(&text), text.len };
	/* The first member of all: there is no file yet. */
	assert_int_equal(membership_load_with(path, &folder->trust, &with, &list, NULL), IOTPKI_OK);
	assert_int_equal(membership_count(list), 2);
	membership_unrefp(&list);
	put_file(folder, "members.d/a.yaml", "version: 1\nmembers:\n" ENTRY2);
	struct iotpki_detail detail = { 0 };
	assert_int_equal(membership_load_with(path, &folder->trust, &with, &list, &detail),
			 IOTPKI_ERR_SYNTAX);
	assert_int_equal(detail.line, 3);
}

static void untrusted_files(void **state)
{
	const struct folder *folder = *state;
	struct membership *list = NULL;
	struct iotpki_detail detail;
	put_file(folder, "members.yaml", HEAD ENTRY);
	assert_int_equal(chmod(in(folder, "members.d"), 0777), 0);
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(chmod(in(folder, "members.d"), 0750), 0);
	assert_int_equal(chmod(in(folder, "members.yaml"), 0666), 0);
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(chmod(in(folder, "members.yaml"), 0640), 0);
	assert_int_equal(load(folder, &list, &detail), IOTPKI_OK);
	membership_unrefp(&list);
	assert_int_equal(symlink("../members.yaml", in(folder, "members.d/a.yaml")), 0);
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(unlink(in(folder, "members.d/a.yaml")), 0);
	assert_int_equal(mkfifo(in(folder, "members.d/a.yaml"), 0640), 0);
	assert_int_equal(load(folder, &list, &detail), IOTPKI_ERR_PERMISSION);
	assert_null(list);
}

/* The budget: at most 350 bytes a member, here what a generation holds when it stands. */
static void memory(void **state)
{
	(void)state;
	enum { COUNT = 4 * MEMBERSHIP_CHUNK };
	CLEANUP(buf_done) struct buf text = BUF_INIT(16 << 20);
	(void)buf_printf(&text, "%smembers:\n", memberkit_head);
	for (unsigned int i = 0; i < COUNT; i++)
		memberkit_put_numbered(i, &text);
	CLEANUP(membership_unrefp) struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	if (membership_parse("m", buf_text(&text), text.len, &list, &detail) != IOTPKI_OK)
		fail_msg("%u: %s", detail.line, detail.message);
	assert_int_equal(membership_count(list), COUNT);
	const size_t indexes =
		4UL * (list->by_name.size + list->by_cert.size + list->by_fingerprint.size);
	const size_t total = list->arena.total + indexes + COUNT * sizeof(struct member);
	if (total / COUNT > 350)
		fail_msg("%zu bytes a member", total / COUNT);
	for (unsigned int i = 0; i < COUNT; i += 37) {
		char name[37];
		memberkit_uuid(i, name);
		assert_ptr_equal(membership_by_name(list, name), membership_at(list, i));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_rows),
		cmocka_unit_test(expiry_rows),
		cmocka_unit_test(name_rows),
		cmocka_unit_test(big_rows),
		cmocka_unit_test(lookups),
		cmocka_unit_test(permissions),
		cmocka_unit_test(fill),
		cmocka_unit_test(references),
		cmocka_unit_test(truncation),
		cmocka_unit_test_setup_teardown(files, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(replacements, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(untrusted_files, folder_make, folder_remove),
		cmocka_unit_test(memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
