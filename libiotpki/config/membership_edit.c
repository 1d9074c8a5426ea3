/*
 * Edits of a list's text (design 7): one entry or one value changes, comments, order and
 * everything else stay as they are. What comes out is loaded again before it is returned.
 */
#include "config/membership_list.h"

#include <stdio.h>
#include <string.h>

#include <iotpki/cert.h>

#include "base/parse.h"
#include "config/membership_place.h"

enum { TEXT_CAP = MEMBERSHIP_MAX_BYTES };

static enum iotpki_err validate(const char *path, const char *text, size_t len,
				struct membership **list_out, struct iotpki_detail *detail)
{
	return membership_path_is_part(path)
		       ? membership_parse_part(path, text, len, list_out, detail)
		       : membership_parse(path, text, len, list_out, detail);
}

/* The text with [from, to) replaced. */
static enum iotpki_err splice(const char *text, size_t len, size_t from, size_t to,
			      const struct buf *with, struct buf *out)
{
	(void)buf_put(out, text, from);
	(void)buf_put(out, with->data, with->len);
	(void)buf_put(out, text + to, len - to);
	return buf_error(out);
}

/* A scalar that reads back as this text: plain where nothing in it means anything to YAML. */
static void put_scalar(struct buf *out, const char *value)
{
	bool plain = value[0] != '\0';
	for (const char *at = value; *at != '\0' && plain; at++) {
		const char c = *at;
		const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				  (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '+' ||
				  c == '/' || c == '=';
		const bool inner = (c == '-' || c == ':' || c == ' ') && at != value;
		plain = safe || inner;
		if (c == ':' && (at[1] == ' ' || at[1] == '\0'))
			plain = false;
		if (c == ' ' && (at[1] == '\0' || at[1] == '#'))
			plain = false;
	}
	if (plain && value[0] != '=' && value[0] != '+') {
		(void)buf_puts(out, value);
		return;
	}
	(void)buf_putc(out, '"');
	for (const char *at = value; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\')
			(void)buf_putc(out, '\\');
		if (*at == '\n')
			(void)buf_puts(out, "\\n");
		else
			(void)buf_putc(out, *at);
	}
	(void)buf_putc(out, '"');
}

static void put_indent(struct buf *out, size_t indent)
{
	for (size_t i = 0; i < indent; i++)
		(void)buf_putc(out, ' ');
}

/* A PEM text as a block of lines, without the last line feed. */
static void put_block(struct buf *out, const char *pem, size_t indent)
{
	(void)buf_putc(out, '|');
	for (const char *line = pem; *line != '\0';) {
		const size_t len = strcspn(line, "\r\n");
		if (len > 0) {
			(void)buf_putc(out, '\n');
			put_indent(out, indent);
			(void)buf_put(out, line, len);
		}
		line += len;
		line += strspn(line, "\r\n");
	}
}

static void put_registrations(struct buf *out, const struct member_edit *edit)
{
	(void)buf_putc(out, '{');
	for (size_t i = 0; i < edit->registration_count; i++) {
		char hex[2 * IOTPKI_SHA256_LEN + 1];
		hex_encode(edit->registrations[i].id, IOTPKI_SHA256_LEN, hex);
		(void)buf_printf(out, "%s", i == 0 ? "" : ", ");
		put_scalar(out, edit->registrations[i].network);
		(void)buf_printf(out, ": %s", hex);
	}
	(void)buf_putc(out, '}');
}

/* What the certificate itself says of the entry. */
struct derived {
	char sha256[2 * IOTPKI_SHA256_LEN + 1];
	char key[IOTPKI_SSHKEY_TEXT_SIZE];
	char expires[TIME_TEXT_SIZE];
	char ssh[IOTPKI_FINGERPRINT_TEXT_SIZE];
	char pem[IOTPKI_CERT_PEM_MAX];
};

static enum iotpki_err derive(const struct member_edit *edit, struct derived *out,
			      struct iotpki_detail *detail)
{
	uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t len = sizeof(der);
	struct iotpki_cert cert;
	enum iotpki_err err =
		iotpki_cert_from_pem(edit->cert_pem, strlen(edit->cert_pem), der, &len, detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_walk(der, len, &cert, detail);
	if (err == IOTPKI_OK)
		err = iotpki_sshkey_format(&cert.key, out->key, sizeof(out->key));
	if (err == IOTPKI_OK)
		err = iotpki_cert_to_pem(der, len, out->pem, sizeof(out->pem));
	if (err != IOTPKI_OK)
		return err;
	if (strcmp(cert.name, edit->name) != 0)
		return detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				  "the certificate is of the name %s, not of %s", cert.name,
				  edit->name);
	hex_encode(cert.sha256, IOTPKI_SHA256_LEN, out->sha256);
	time_format(edit->ends_s, out->expires);
	out->ssh[0] = '\0';
	if (edit->ssh != NULL)
		iotpki_fingerprint_format(edit->ssh, out->ssh);
	return IOTPKI_OK;
}

static void put_line(struct buf *out, size_t indent, const char *key, const char *value)
{
	put_indent(out, indent);
	(void)buf_printf(out, "%s: ", key);
	put_scalar(out, value);
	(void)buf_putc(out, '\n');
}

static void put_entry(struct buf *out, const struct member_edit *edit,
		      const struct derived *derived, size_t dash)
{
	const size_t indent = dash + 2;
	put_indent(out, dash);
	(void)buf_puts(out, "- name: ");
	put_scalar(out, edit->name);
	(void)buf_putc(out, '\n');
	if (edit->label != NULL)
		put_line(out, indent, "label", edit->label);
	put_line(out, indent, "role", edit->role);
	put_line(out, indent, "expires", derived->expires);
	put_line(out, indent, "sha256", derived->sha256);
	put_line(out, indent, "key", derived->key);
	if (edit->ssh != NULL)
		put_line(out, indent, "ssh", derived->ssh);
	if (edit->registration_count > 0) {
		put_indent(out, indent);
		(void)buf_puts(out, "registrations: ");
		put_registrations(out, edit);
		(void)buf_putc(out, '\n');
	}
	if (edit->host_count > 0) {
		put_indent(out, indent);
		(void)buf_puts(out, "hosts: [");
		for (size_t i = 0; i < edit->host_count; i++) {
			(void)buf_puts(out, i == 0 ? "" : ", ");
			put_scalar(out, edit->hosts[i]);
		}
		(void)buf_puts(out, "]\n");
	}
	put_indent(out, indent);
	(void)buf_puts(out, "certificate: ");
	put_block(out, derived->pem, indent + 2);
	(void)buf_putc(out, '\n');
}

/* The column of the dash before an entry, or SIZE_MAX if something else stands before it. */
static size_t dash_before(const char *text, size_t entry, size_t *line_out)
{
	const size_t line = place_line_start(text, entry);
	size_t at = line;
	while (at < entry && text[at] == ' ')
		at++;
	*line_out = line;
	if (at >= entry || text[at] != '-')
		return SIZE_MAX;
	for (size_t i = at + 1; i < entry; i++)
		if (text[i] != ' ')
			return SIZE_MAX;
	return at - line;
}

static enum iotpki_err bad_layout(struct iotpki_detail *detail, const char *path, const char *what)
{
	(void)detail_set(
		detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
		"%s; edit the file by hand, or write each member as lines under \"- name:\"", what);
	detail_where(detail, path);
	return IOTPKI_ERR_UNSUPPORTED;
}

/* What an edit began with: the list as it is and the places in its text. */
struct edit {
	const char *path, *text;
	size_t len;
	struct membership *before;
	struct places places;
	struct iotpki_detail *detail;
};

static void edit_done(struct edit *edit)
{
	membership_unref(edit->before);
}

static enum iotpki_err edit_begin(struct edit *edit, const char *name, bool must_exist)
{
	enum iotpki_err err =
		validate(edit->path, edit->text, edit->len, &edit->before, edit->detail);
	if (err != IOTPKI_OK)
		return err;
	const bool exists = membership_by_name(edit->before, name) != NULL;
	if (exists == must_exist)
		return places_find(edit->text, edit->len, name, &edit->places, edit->detail);
	err = exists ? IOTPKI_ERR_EXISTS : IOTPKI_ERR_NOT_FOUND;
	(void)detail_set(edit->detail, err, 0, 0,
			 exists ? "%s is a member already" : "%s is not a member", name);
	detail_where(edit->detail, edit->path);
	return err;
}

/* The new text is a list, with so many members more, and the entry in it or not. */
static enum iotpki_err edit_end(const struct edit *edit, const char *name, int more, bool there,
				const struct buf *out)
{
	CLEANUP(membership_unrefp) struct membership *after = NULL;
	const enum iotpki_err err =
		validate(edit->path, buf_text(out), out->len, &after, edit->detail);
	if (err != IOTPKI_OK)
		return err;
	const size_t want = (size_t)((long)membership_count(edit->before) + more);
	if (membership_count(after) == want && (membership_by_name(after, name) != NULL) == there)
		return IOTPKI_OK;
	return bad_layout(edit->detail, edit->path, "the list is laid out in an unusual way");
}

/* Where a new entry goes, and the column of its dash. */
static enum iotpki_err place_new(const struct edit *edit, struct buf *with, size_t *from,
				 size_t *to, size_t *dash)
{
	const struct places *places = &edit->places;
	*dash = 2;
	*from = *to = edit->len;
	if (places->has_last && !places->members_flow) {
		size_t line;
		*dash = dash_before(edit->text, places->last_start, &line);
		if (*dash == SIZE_MAX)
			return bad_layout(edit->detail, edit->path,
					  "the last member does not begin by \"- \" on its line");
		*from = *to = place_line_end(edit->text, edit->len, places->last_end);
	} else if (places->has_members && !places->members_empty) {
		return bad_layout(edit->detail, edit->path, "members is written as [ ]");
	} else if (places->has_members && places->members_flow) {
		*from = places->members_start;
		*to = places->members_end;
	} else if (places->has_members) {
		*from = *to = place_line_end(edit->text, edit->len, places->members_start);
	} else {
		(void)buf_puts(with,
			       edit->len > 0 && edit->text[edit->len - 1] != '\n' ? "\n" : "");
		(void)buf_puts(with, "members:");
	}
	(void)buf_putc(with, '\n');
	return IOTPKI_OK;
}

enum iotpki_err membership_edit_add(const char *path, const char *text, size_t len,
				    const struct member_edit *member, struct buf *out,
				    struct iotpki_detail *detail)
{
	CLEANUP(edit_done)
	struct edit edit = { .path = path, .text = text, .len = len, .detail = detail };
	AUTO_FREE struct derived *derived = calloc(1, sizeof(*derived));
	if (derived == NULL)
		return IOTPKI_ERR_NOMEM;
	enum iotpki_err err = edit_begin(&edit, member->name, false);
	if (err == IOTPKI_OK)
		err = derive(member, derived, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(buf_done) struct buf with = BUF_INIT(64 * 1024);
	size_t from, to, dash;
	err = place_new(&edit, &with, &from, &to, &dash);
	if (err != IOTPKI_OK)
		return err;
	put_entry(&with, member, derived, dash);
	/* The line feed that stands there already ends the new entry. */
	if (to < len && text[to] == '\n' && with.len > 0)
		with.len--;
	if (buf_error(&with) != IOTPKI_OK)
		return buf_error(&with);
	err = splice(text, len, from, to, &with, out);
	return err != IOTPKI_OK ? err : edit_end(&edit, member->name, 1, true, out);
}

enum iotpki_err membership_edit_remove(const char *path, const char *text, size_t len,
				       const char *name, struct buf *out,
				       struct iotpki_detail *detail)
{
	CLEANUP(edit_done)
	struct edit edit = { .path = path, .text = text, .len = len, .detail = detail };
	enum iotpki_err err = edit_begin(&edit, name, true);
	if (err != IOTPKI_OK)
		return err;
	size_t from;
	if (edit.places.members_flow ||
	    dash_before(text, edit.places.entry_start, &from) == SIZE_MAX)
		return bad_layout(detail, path, "the member does not begin by \"- \" on its line");
	size_t to = place_line_end(text, len, edit.places.entry_end);
	to += to < len ? 1 : 0;
	const struct buf nothing = BUF_INIT(0);
	err = splice(text, len, from, to, &nothing, out);
	return err != IOTPKI_OK ? err : edit_end(&edit, name, -1, false, out);
}

static bool only_spaces(const char *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (text[i] != ' ')
			return false;
	return true;
}

/* The bytes that go when a key goes. */
static void pair_range(const struct edit *edit, const struct place_pair *pair, size_t *from,
		       size_t *to)
{
	const struct places *places = &edit->places;
	const size_t at = (size_t)(pair - places->pairs);
	const size_t line = place_line_start(edit->text, pair->key_start);
	if (!places->flow && only_spaces(edit->text, line, pair->key_start)) {
		*from = line;
		*to = place_line_end(edit->text, edit->len, pair->value_end);
		*to += *to < edit->len ? 1 : 0;
	} else if (at + 1 < places->pair_count) {
		*from = pair->key_start;
		*to = places->pairs[at + 1].key_start;
	} else {
		*from = at > 0 ? places->pairs[at - 1].value_end : pair->key_start;
		*to = pair->value_end;
	}
}

/* A key that the entry does not have yet goes behind its name. */
static void place_pair(const struct edit *edit, const char *key, const struct buf *value,
		       struct buf *with, size_t *at)
{
	const struct places *places = &edit->places;
	const struct place_pair *name = places_pair(places, "name");
	if (places->flow) {
		*at = name->value_end;
		(void)buf_printf(with, ", %s: ", key);
	} else {
		*at = place_line_end(edit->text, edit->len, name->value_end);
		if (*at > 0 && edit->text[*at - 1] == '\r')
			(*at)--;
		(void)buf_putc(with, '\n');
		put_indent(with, name->key_start - place_line_start(edit->text, name->key_start));
		(void)buf_printf(with, "%s: ", key);
	}
	(void)buf_put(with, value->data, value->len);
}

/* Set one key of an entry to a rendered value, or take it away (value NULL). */
static enum iotpki_err set_pair(const struct edit *edit, const char *key, const struct buf *value,
				struct buf *out)
{
	CLEANUP(buf_done) struct buf with = BUF_INIT(64 * 1024);
	const struct place_pair *pair = places_pair(&edit->places, key);
	size_t from, to;
	if (pair == NULL && value == NULL) {
		from = to = 0;
	} else if (value == NULL) {
		pair_range(edit, pair, &from, &to);
	} else if (pair == NULL) {
		if (places_pair(&edit->places, "name") == NULL)
			return IOTPKI_ERR_INTERNAL;
		place_pair(edit, key, value, &with, &from);
		to = from;
	} else {
		from = pair->value_start;
		to = pair->value_end;
		(void)buf_put(&with, value->data, value->len);
	}
	if (buf_error(&with) != IOTPKI_OK)
		return buf_error(&with);
	return splice(edit->text, edit->len, from, to, &with, out);
}

enum iotpki_err membership_edit_set(const char *path, const char *text, size_t len,
				    const char *name, const char *key, const char *value,
				    struct buf *out, struct iotpki_detail *detail)
{
	CLEANUP(edit_done)
	struct edit edit = { .path = path, .text = text, .len = len, .detail = detail };
	enum iotpki_err err = edit_begin(&edit, name, true);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(buf_done) struct buf rendered = BUF_INIT(64 * 1024);
	if (value != NULL)
		put_scalar(&rendered, value);
	if (buf_error(&rendered) != IOTPKI_OK)
		return buf_error(&rendered);
	err = set_pair(&edit, key, value == NULL ? NULL : &rendered, out);
	return err != IOTPKI_OK ? err : edit_end(&edit, name, 0, true, out);
}

/* One value of a renewal; what it is made into depends on how the entry is written. */
struct renewal {
	const char *key;
	void (*put)(struct buf *out, const struct member_edit *member,
		    const struct derived *derived, const struct places *places, size_t indent);
	bool (*has)(const struct member_edit *member);
};

static bool always(const struct member_edit *member)
{
	(void)member;
	return true;
}

static bool has_ssh(const struct member_edit *member)
{
	return member->ssh != NULL;
}

static bool has_registrations(const struct member_edit *member)
{
	return member->registration_count > 0;
}

#define PUT(name, body)                                                              \
	static void name(struct buf *out, const struct member_edit *member,          \
			 const struct derived *derived, const struct places *places, \
			 size_t indent)                                              \
	{                                                                            \
		(void)member;                                                        \
		(void)derived;                                                       \
		(void)places;                                                        \
		(void)indent;                                                        \
		body;                                                                \
	}
PUT(put_expires, put_scalar(out, derived->expires))
PUT(put_sha256, put_scalar(out, derived->sha256))
PUT(put_key, put_scalar(out, derived->key))
PUT(put_ssh, put_scalar(out, derived->ssh))
PUT(put_regs, put_registrations(out, member))
PUT(put_certificate,
    places->flow ? put_scalar(out, derived->pem) : put_block(out, derived->pem, indent + 2))

static const struct renewal renewals[] = {
	{ "expires", put_expires, always }, { "sha256", put_sha256, always },
	{ "key", put_key, always },         { "certificate", put_certificate, always },
	{ "ssh", put_ssh, has_ssh },        { "registrations", put_regs, has_registrations },
};

/* One of them over a text that was found good or was made from one. */
static enum iotpki_err renew_one(const struct renewal *renewal, const struct buf *text,
				 const struct member_edit *member, const struct derived *derived,
				 struct buf *out, struct iotpki_detail *detail)
{
	struct edit edit = { .text = buf_text(text), .len = text->len, .detail = detail };
	const enum iotpki_err err =
		places_find(edit.text, edit.len, member->name, &edit.places, detail);
	if (err != IOTPKI_OK)
		return err;
	const struct place_pair *name = places_pair(&edit.places, "name");
	if (!edit.places.found || name == NULL)
		return IOTPKI_ERR_INTERNAL;
	if (!renewal->has(member))
		return set_pair(&edit, renewal->key, NULL, out);
	CLEANUP(buf_done) struct buf value = BUF_INIT(64 * 1024);
	renewal->put(&value, member, derived, &edit.places,
		     name->key_start - place_line_start(edit.text, name->key_start));
	if (buf_error(&value) != IOTPKI_OK)
		return buf_error(&value);
	return set_pair(&edit, renewal->key, &value, out);
}

enum iotpki_err membership_edit_renew(const char *path, const char *text, size_t len,
				      const struct member_edit *member, struct buf *out,
				      struct iotpki_detail *detail)
{
	CLEANUP(edit_done)
	struct edit edit = { .path = path, .text = text, .len = len, .detail = detail };
	AUTO_FREE struct derived *derived = calloc(1, sizeof(*derived));
	if (derived == NULL)
		return IOTPKI_ERR_NOMEM;
	enum iotpki_err err = edit_begin(&edit, member->name, true);
	if (err == IOTPKI_OK)
		err = derive(member, derived, detail);
	CLEANUP(buf_done) struct buf at = BUF_INIT(TEXT_CAP);
	if (err == IOTPKI_OK)
		err = buf_put(&at, text, len);
	for (size_t i = 0; i < ARRAY_LEN(renewals) && err == IOTPKI_OK; i++) {
		struct buf next = BUF_INIT(TEXT_CAP);
		err = renew_one(&renewals[i], &at, member, derived, &next, detail);
		buf_done(&at);
		at = next;
	}
	if (err == IOTPKI_OK)
		err = buf_put(out, at.data, at.len);
	return err != IOTPKI_OK ? err : edit_end(&edit, member->name, 0, true, out);
}
