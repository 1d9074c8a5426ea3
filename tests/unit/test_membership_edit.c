/* Edits of members.yaml: what changes is one entry, and what comes out is always a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "config/membership.h"
#include "config/membership_place.h"
#include "memberkit.h"

#define HEAD                                                                                  \
	"# our members\nversion: 1   # do not change\nroles:\n  op: {users: [pi], services: " \
	"[sshd]} # the crew\n"

static struct memberkit kits[3];

static int make_kits(void **state)
{
	(void)state;
	memberkit_make(&kits[0], "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60", 1);
	memberkit_make(&kits[1], "gate", 2);
	memberkit_make(&kits[2], "barn", 3);
	return 0;
}

static void entry(struct buf *out, size_t kit, const char *extra)
{
	memberkit_put_entry(&kits[kit], "op", extra, out);
}

static struct member_edit edit_of(size_t kit)
{
	return (struct member_edit){ .name = kits[kit].name,
				     .role = "op",
				     .ends_s = 1814313600,
				     .cert_pem = kits[kit].pem };
}

static struct membership *parse(const struct buf *text)
{
	struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	if (membership_parse("m", buf_text(text), text->len, &list, &detail) != IOTPKI_OK)
		fail_msg("%u:%u: %s in\n%s", detail.line, detail.column, detail.message,
			 buf_text(text));
	return list;
}

/* Every line of `lines` is in the text, in this order. */
static void assert_keeps(const struct buf *text, const char *const *lines, size_t count)
{
	const char *at = buf_text(text);
	for (size_t i = 0; i < count; i++) {
		at = strstr(at, lines[i]);
		if (at == NULL)
			fail_msg("lost: %s in\n%s", lines[i], buf_text(text));
	}
}

static void add_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *tail;  /* after HEAD */
		bool with_member;  /* kit 0 follows */
		const char *after; /* and this */
		bool good;
	} rows[] = {
		{ "no members yet", "", false, "", true },
		{ "members: []", "members: []   # none yet\n# end\n", false, "", true },
		{ "members: alone", "members:\n# end\n", false, "", true },
		{ "after another", "members:\n", true, "", true },
		{ "after another, comments behind", "members:\n", true, "\n# end\n", true },
		{ "other indentation", "members:\n  # first\n", true, "", true },
		{ "no last line feed", "members: []", false, "", true },
		{ "in one line", "members: [{x: y}]\n", false, "", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
		(void)buf_printf(&text, "%s%s", HEAD, rows[i].tail);
		if (rows[i].with_member)
			entry(&text, 0, "    label: alice # the boss\n");
		(void)buf_puts(&text, rows[i].after);
		struct member_edit edit = edit_of(1);
		edit.label = "it's \"b\": #1";
		edit.hosts = (const char *const[]){ "gate.lan", "*.x" };
		edit.host_count = 2;
		edit.ssh = kits[2].cert.sha256;
		const struct member_registration registration = { "farm", { 1, 2, 3 } };
		edit.registrations = &registration;
		edit.registration_count = 1;
		CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			membership_edit_add("m", buf_text(&text), text.len, &edit, &out, &detail);
		if ((err == IOTPKI_OK) != rows[i].good)
			fail_msg("%s: %s\n%s", rows[i].name, detail.message, buf_text(&out));
		if (err != IOTPKI_OK)
			continue;
		CLEANUP(membership_unrefp) struct membership *list = parse(&out);
		const struct member *member = membership_by_name(list, "gate");
		assert_non_null(member);
		assert_int_equal(membership_count(list), rows[i].with_member ? 2 : 1);
		assert_ptr_equal(membership_at(list, membership_count(list) - 1), member);
		assert_string_equal(member->label, edit.label);
		assert_string_equal(member->hosts[1], "*.x");
		assert_int_equal(member->ends_s, edit.ends_s);
		assert_memory_equal(member->ssh, kits[2].cert.sha256, IOTPKI_SHA256_LEN);
		assert_memory_equal(member->registrations[0].id, registration.id,
				    IOTPKI_SHA256_LEN);
		static const char *const kept[] = { "# our members", "# do not change",
						    "# the crew" };
		assert_keeps(&out, kept, ARRAY_LEN(kept));
		if (strstr(buf_text(&text), "# end") != NULL)
			assert_non_null(strstr(buf_text(&out), "# end"));
	}
}

static void add_errors(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	(void)buf_puts(&text, HEAD "members:\n");
	entry(&text, 0, "");
	CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
	struct iotpki_detail detail = { 0 };
	struct member_edit edit = edit_of(0);
	assert_int_equal(membership_edit_add("m", buf_text(&text), text.len, &edit, &out, &detail),
			 IOTPKI_ERR_EXISTS);
	edit = edit_of(1);
	edit.role = "admin";
	buf_clear(&out);
	assert_int_equal(membership_edit_add("m", buf_text(&text), text.len, &edit, &out, &detail),
			 IOTPKI_ERR_SYNTAX);
	edit = edit_of(1);
	edit.name = "other";
	buf_clear(&out);
	assert_int_equal(membership_edit_add("m", buf_text(&text), text.len, &edit, &out, &detail),
			 IOTPKI_ERR_MISMATCH);
	edit = edit_of(1);
	edit.label = "a\nb";
	buf_clear(&out);
	assert_int_not_equal(
		membership_edit_add("m", buf_text(&text), text.len, &edit, &out, &detail),
		IOTPKI_OK);
	/* A list that is broken already is not edited. */
	(void)buf_puts(&text, "x: y\n");
	edit = edit_of(1);
	buf_clear(&out);
	assert_int_equal(membership_edit_add("m", buf_text(&text), text.len, &edit, &out, &detail),
			 IOTPKI_ERR_SYNTAX);
	assert_int_equal(out.len, 0);
}

static void remove_rows(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	(void)buf_puts(&text, HEAD "members:\n  # the boss\n");
	entry(&text, 0, "    label: alice\n");
	(void)buf_puts(&text, "\n  # the gate\n");
	entry(&text, 1, "");
	(void)buf_puts(&text, "  # the barn\n");
	entry(&text, 2, "    hosts:\n      - barn.lan # old\n");
	(void)buf_puts(&text, "# end\n");
	static const char *const kept[] = { "# our members", "# the boss", "# the gate",
					    "# the barn", "# end" };
	static const size_t orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 } };
	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		struct buf at = BUF_INIT(1 << 16);
		(void)buf_put(&at, text.data, text.len);
		for (size_t i = 0; i < 3; i++) {
			struct buf out = BUF_INIT(1 << 16);
			struct iotpki_detail detail = { 0 };
			const char *name = kits[orders[o][i]].name;
			if (membership_edit_remove("m", buf_text(&at), at.len, name, &out,
						   &detail) != IOTPKI_OK)
				fail_msg("order %zu: %s\n%s", o, detail.message, buf_text(&out));
			buf_done(&at);
			at = out;
			assert_keeps(&at, kept, ARRAY_LEN(kept));
			CLEANUP(membership_unrefp) struct membership *list = parse(&at);
			assert_int_equal(membership_count(list), 2 - i);
			assert_null(membership_by_name(list, name));
		}
		struct iotpki_detail detail = { 0 };
		struct buf out = BUF_INIT(1 << 16);
		assert_int_equal(
			membership_edit_remove("m", buf_text(&at), at.len, "gate", &out, &detail),
			IOTPKI_ERR_NOT_FOUND);
		buf_done(&at);
		buf_done(&out);
	}
}

static void set_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value;
		bool good;
	} rows[] = {
		{ "new expiry", "expires", "2030-01-01T00:00:00Z", true },
		{ "bad expiry", "expires", "soon", false },
		{ "deny", "denied", "yes", true },
		{ "deny wrongly", "denied", "true", false },
		{ "role", "role", "op", true },
		{ "unknown role", "role", "root", false },
		{ "label", "label", "x: {y}", true },
		{ "label away", "label", NULL, true },
		{ "denied away where it is not", "denied", NULL, true },
		{ "name away", "name", NULL, false },
		{ "unknown key", "colour", "red", false },
		{ "injection", "label", "a\n  - name: evil", false },
	};
	for (size_t flow = 0; flow < 2; flow++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
		(void)buf_puts(&text, HEAD "members:\n");
		if (flow == 0) {
			entry(&text, 0, "    label: alice # the boss\n");
		} else {
			(void)buf_printf(&text,
					 "  - {name: %s, label: alice, role: op, sha256: %s,\n"
					 "     expires: 2027-06-30T00:00:00Z, # the boss\n     "
					 "key: %s, certificate: \"",
					 kits[0].name, kits[0].sha256, kits[0].key);
			for (const char *c = kits[0].pem; *c != '\0'; c++)
				(void)buf_printf(&text, *c == '\n' ? "\\n" : "%c", *c);
			(void)buf_puts(&text, "\" }\n");
		}
		entry(&text, 1, "");
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
			struct iotpki_detail detail = { 0 };
			const enum iotpki_err err =
				membership_edit_set("m", buf_text(&text), text.len, kits[0].name,
						    rows[i].key, rows[i].value, &out, &detail);
			if ((err == IOTPKI_OK) != rows[i].good)
				fail_msg("%zu %s: %s\n%s", flow, rows[i].name, detail.message,
					 buf_text(&out));
			if (err != IOTPKI_OK)
				continue;
			CLEANUP(membership_unrefp) struct membership *list = parse(&out);
			const struct member *member = membership_by_name(list, kits[0].name);
			assert_int_equal(membership_count(list), 2);
			if (strcmp(rows[i].key, "label") == 0)
				assert_string_equal(member->label,
						    rows[i].value == NULL ? "" : rows[i].value);
			assert_int_equal(member->denied, strcmp(rows[i].name, "deny") == 0);
			if (strcmp(rows[i].key, "expires") == 0)
				assert_int_equal(member->ends_s, 1893456000);
			assert_non_null(strstr(buf_text(&out), "# our members"));
		}
	}
}

/* Deny and allow again: the very same bytes. */
static void deny_and_allow(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	(void)buf_puts(&text, "\xef\xbb\xbf" HEAD "members:\n# caf\xc3\xa9\n");
	entry(&text, 0, "    label: alice # caf\xc3\xa9\n");
	entry(&text, 1, "");
	CLEANUP(buf_done) struct buf denied = BUF_INIT(1 << 16);
	CLEANUP(buf_done) struct buf back = BUF_INIT(1 << 16);
	assert_int_equal(membership_edit_set("m", buf_text(&text), text.len, "gate", "denied",
					     "yes", &denied, NULL),
			 IOTPKI_OK);
	assert_int_equal(membership_edit_set("m", buf_text(&denied), denied.len, "gate", "denied",
					     NULL, &back, NULL),
			 IOTPKI_OK);
	assert_int_equal(back.len, text.len);
	assert_memory_equal(back.data, text.data, text.len);
}

static void renew(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	(void)buf_puts(&text, HEAD "members:\n");
	entry(&text, 0, "");
	entry(&text, 1,
	      "    label: gate # of the farm\n"
	      "    ssh: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	      "    registrations:\n      farm: "
	      "0000000000000000000000000000000000000000000000000000000000000000 # old\n"
	      "    hosts: [gate.lan]\n");
	(void)buf_puts(&text, "  # between\n");
	entry(&text, 2, "");
	struct memberkit next;
	memberkit_make(&next, "gate", 77);
	struct member_edit edit = edit_of(1);
	edit.cert_pem = next.pem;
	const struct member_registration registrations[] = { { "farm", { 9 } },
							     { "chain", { 8 } } };
	edit.registrations = registrations;
	edit.registration_count = 2;
	CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
	struct iotpki_detail detail = { 0 };
	if (membership_edit_renew("m", buf_text(&text), text.len, &edit, &out, &detail) !=
	    IOTPKI_OK)
		fail_msg("%s\n%s", detail.message, buf_text(&out));
	CLEANUP(membership_unrefp) struct membership *list = parse(&out);
	const struct member *member = membership_by_name(list, "gate");
	assert_int_equal(membership_count(list), 3);
	assert_memory_equal(member->sha256, next.cert.sha256, IOTPKI_SHA256_LEN);
	assert_memory_equal(member->key, next.cert.key.fingerprint, IOTPKI_SHA256_LEN);
	assert_int_equal(member->registration_count, 2);
	assert_int_equal(member->registrations[1].id[0], 8);
	assert_false(member->has_ssh);
	assert_string_equal(member->label, "gate");
	assert_string_equal(member->hosts[0], "gate.lan");
	static const char *const kept[] = { "# our members", "# of the farm", "# between" };
	assert_keeps(&out, kept, ARRAY_LEN(kept));
	edit = edit_of(1);
	edit.name = "nobody";
	buf_clear(&out);
	assert_int_equal(
		membership_edit_renew("m", buf_text(&text), text.len, &edit, &out, &detail),
		IOTPKI_ERR_NOT_FOUND);
}

/* A file of members.d names roles that stand in members.yaml. */
static void parts(void **state)
{
	(void)state;
	static const char text[] = "version: 1\n";
	CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
	struct iotpki_detail detail = { 0 };
	const struct member_edit edit = edit_of(1);
	assert_int_equal(membership_edit_add("/etc/iotpki/members.d/a.yaml", text, sizeof(text) - 1,
					     &edit, &out, &detail),
			 IOTPKI_OK);
	assert_int_equal(membership_edit_add("/etc/iotpki/members.yaml", text, sizeof(text) - 1,
					     &edit, &out, &detail),
			 IOTPKI_ERR_SYNTAX);
}

static void places(void **state)
{
	(void)state;
	static const char text[] =
		"version: 1\nmembers:\n  - name: a\n    hosts: [x, y]\n    label: b\n";
	struct places places;
	assert_int_equal(places_find(text, sizeof(text) - 1, "a", &places, NULL), IOTPKI_OK);
	assert_true(places.found && places.has_last && !places.members_flow);
	const struct place_pair *pair = places_pair(&places, "hosts");
	assert_non_null(pair);
	assert_memory_equal(text + pair->value_start, "[x, y]", 6);
	assert_int_equal(pair->value_end, pair->value_start + 6);
	assert_null(places_pair(&places, "role"));
	assert_int_equal(place_line_start(text, pair->value_start), 32);
	assert_int_equal(text[place_line_end(text, sizeof(text) - 1, 32)], '\n');
}

static void certificates(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 16);
	(void)buf_puts(&text, HEAD "members:\n");
	for (size_t i = 0; i < ARRAY_LEN(kits); i++)
		entry(&text, i, "    hosts: []\n");
	for (size_t i = 0; i < ARRAY_LEN(kits); i++) {
		CLEANUP(buf_done) struct buf pem = BUF_INIT(IOTPKI_CERT_PEM_MAX);
		assert_int_equal(
			membership_certificate(buf_text(&text), text.len, kits[i].name, &pem, NULL),
			IOTPKI_OK);
		assert_string_equal(buf_text(&pem), kits[i].pem);
	}
	CLEANUP(buf_done) struct buf pem = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	assert_int_equal(membership_certificate(buf_text(&text), text.len, "nobody", &pem, NULL),
			 IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(pem.len, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_rows),       cmocka_unit_test(add_errors),
		cmocka_unit_test(remove_rows),    cmocka_unit_test(set_rows),
		cmocka_unit_test(deny_and_allow), cmocka_unit_test(renew),
		cmocka_unit_test(parts),          cmocka_unit_test(places),
		cmocka_unit_test(certificates),
	};
	return cmocka_run_group_tests(tests, make_kits, NULL);
}
