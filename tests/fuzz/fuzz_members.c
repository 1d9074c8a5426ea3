/*
 * members.yaml and its edits. Oracles: a refused list leaves nothing and says where; in an accepted
 * one every member is found by name, key and certificate and its ssh options are one harmless
 * line; an edit that succeeds gives a list that differs in what was edited alone.
 */
#include "fuzz.h"

#include "config/membership.h"
#include "memberkit.h"

enum { EDIT_CAP = 1 << 20 };

static void check_options(const char *options)
{
	bool quoted = false;
	FUZZ_CHECK(options[0] != '\0');
	for (const char *at = options; *at != '\0'; at++) {
		FUZZ_CHECK((uint8_t)*at >= 0x20 && (uint8_t)*at < 0x7f);
		/* As sshd reads them: an unquoted blank would end the options. */
		FUZZ_CHECK(quoted || *at != ' ');
		if (*at == '\\' && at[1] == '"')
			at++;
		else if (*at == '"')
			quoted = !quoted;
	}
	FUZZ_CHECK(!quoted);
}

static void check_member(const struct membership *list, const struct member *member)
{
	FUZZ_CHECK(iotpki_name_valid(member->name, strlen(member->name)));
	FUZZ_CHECK(membership_by_name(list, member->name) == member);
	FUZZ_CHECK(membership_by_key(list, member->key) == member);
	FUZZ_CHECK(membership_by_cert(list, member->sha256) == member);
	FUZZ_CHECK(member->has_ssh == (member->ssh != NULL));
	FUZZ_CHECK(!member->has_ssh || membership_next_by_ssh(list, member->ssh, NULL) == member);
	FUZZ_CHECK(strcmp(membership_file(list, member), "fuzz") == 0);
	check_options(member->rights->ssh_options);
	for (size_t i = 0; i < member->rights->user_count; i++)
		FUZZ_CHECK(membership_names_account(list, member->rights->users[i]));
}

static struct membership *parse(const struct buf *text)
{
	struct membership *list = NULL;
	FUZZ_CHECK(membership_parse("fuzz", buf_text(text), text->len, &list, NULL) == IOTPKI_OK);
	return list;
}

static void edit_remove(const struct membership *list, const char *text, size_t len)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT(EDIT_CAP);
	const struct member *member = membership_at(list, membership_count(list) / 2);
	if (membership_edit_remove("fuzz", text, len, member->name, &out, NULL) != IOTPKI_OK)
		return;
	CLEANUP(membership_unrefp) struct membership *after = parse(&out);
	FUZZ_CHECK(membership_count(after) == membership_count(list) - 1);
	FUZZ_CHECK(membership_by_name(after, member->name) == NULL);
}

static void edit_set(const struct membership *list, const char *text, size_t len)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT(EDIT_CAP);
	const struct member *member = membership_at(list, 0);
	if (membership_edit_set("fuzz", text, len, member->name, "denied", "yes", &out, NULL) !=
	    IOTPKI_OK)
		return;
	CLEANUP(membership_unrefp) struct membership *after = parse(&out);
	FUZZ_CHECK(membership_count(after) == membership_count(list));
	for (size_t i = 0; i < membership_count(after); i++) {
		const struct member *was = membership_at(list, i), *is = membership_at(after, i);
		FUZZ_CHECK(strcmp(was->name, is->name) == 0 && strcmp(was->label, is->label) == 0);
		FUZZ_CHECK(was->ends_s == is->ends_s && was->has_ssh == is->has_ssh);
		FUZZ_CHECK(is->denied == (i == 0 || was->denied));
	}
}

static void edit_add(const struct membership *list, const char *text, size_t len)
{
	static struct memberkit kit;
	if (kit.name[0] == '\0')
		memberkit_make(&kit, "added-by-the-fuzzer", 4711);
	const struct member_edit edit = { .name = kit.name,
					  .label = "a: \"b\" #c",
					  .role = "op",
					  .ends_s = 1814313600,
					  .cert_pem = kit.pem };
	CLEANUP(buf_done) struct buf out = BUF_INIT(EDIT_CAP);
	if (membership_edit_add("fuzz", text, len, &edit, &out, NULL) != IOTPKI_OK)
		return;
	CLEANUP(membership_unrefp) struct membership *after = parse(&out);
	FUZZ_CHECK(membership_count(after) == membership_count(list) + 1);
	const struct member *added = membership_by_name(after, kit.name);
	FUZZ_CHECK(added != NULL && strcmp(added->label, edit.label) == 0);
	FUZZ_CHECK(memcmp(added->sha256, kit.cert.sha256, IOTPKI_SHA256_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	CLEANUP(membership_unrefp) struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	if (membership_parse("fuzz", text, size, &list, &detail) != IOTPKI_OK) {
		FUZZ_CHECK(list == NULL && detail.line > 0 && detail.message[0] != '\0');
		return 0;
	}
	static const uint8_t zeros[IOTPKI_SHA256_LEN];
	bool odd = false;
	for (size_t i = 0; i < membership_count(list); i++) {
		const struct member *member = membership_at(list, i);
		check_member(list, member);
		odd = odd || (member->registration_count > 0 &&
			      memcmp(member->registrations[0].id, zeros, sizeof(zeros)) != 0);
	}
	edit_add(list, text, size);
	if (membership_count(list) > 0) {
		edit_set(list, text, size);
		edit_remove(list, text, size);
	}
	/* Reached by a whole entry with a registration that the corpus does not have. */
	if (odd)
		plant_bug(data, size);
	return 0;
}
