/*
 * Transactions without their signature: names, reasons and the canonical JSON of
 * the content (design 6; paper II and III-C step 6). Pure.
 */
#include "identity/tx.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const char *const op_names[] = { "PREORDER", "REGISTER", "UPDATE", "REVOKE" };

const char *tx_op_name(enum tx_op op)
{
	return (size_t)op < ARRAY_LEN(op_names) ? op_names[op] : "?";
}

static const struct {
	const char *name;
	const char *text;
} reasons[TX_REASON_COUNT] = {
	[TX_OK] = { "ok", "The transaction is in the ledger." },
	[TX_BAD_ENCODING] = { "bad-encoding", "The bytes are not the DER of a signed transaction "
					      "with one signer and "
					      "its certificate; make it again with 'iotpki dm'." },
	[TX_BAD_SIGNATURE] = { "bad-signature",
			       "The signature of the transaction or of its certificate does not "
			       "verify, or is not by the owner named in it." },
	[TX_NOT_CANONICAL] = { "not-canonical", "The content is not the canonical JSON of its "
						"operation: exactly its "
						"members, sorted, without white space." },
	[TX_STALE_TIME] = { "stale-time", "Its time is more than one hour ahead of the node's "
					  "clock, or before the "
					  "name's last transaction; check the clocks of both." },
	[TX_DUPLICATE] = { "duplicate",
			   "Another transaction with the same content is in the ledger already; "
			   "'iotpki dm sync' finds out which." },
	[TX_NO_PREORDER] = { "no-preorder",
			     "The owner has no preorder that matches this name and salt; send the "
			     "PREORDER first." },
	[TX_PREORDER_EXPIRED] = { "preorder-expired",
				  "The preorder is older than 24 hours; make a new one." },
	[TX_NAME_TAKEN] = { "name-taken",
			    "The name is registered and has not expired; choose another name." },
	[TX_NAME_REVOKED] = { "name-revoked",
			      "The name is revoked: nothing about it can change, and nobody can "
			      "register it until it expires." },
	[TX_NAME_EXPIRED] = { "name-expired",
			      "The name is not registered any more: it has expired, or never was; "
			      "register it again." },
	[TX_NOT_OWNER] = { "not-owner", "The signer does not own the name; use the key that "
					"registered it, or the "
					"one it was transferred to." },
	[TX_STALE_PREV] = { "stale-prev",
			    "Another operation came in between: prev is not the name's last "
			    "transaction; read the name and sign again." },
	[TX_BAD_VALUE] = { "bad-value",
			   "The value is not a record (sha256=... and fields), is longer than 505 "
			   "bytes, or has a status, which only REVOKE sets." },
	[TX_BAD_EXPIRES] = { "bad-expires",
			     "The expiry must be after the transaction's time, at most 10 years "
			     "after it, and not earlier than before." },
	[TX_NOT_ALLOWED] = { "not-allowed",
			     "The owner's key is not on the node's list; its operator adds it with "
			     "'iotpki-bnode init --owner'." },
	[TX_QUOTA] = { "quota",
		       "The owner has four live preorders already (register one of them, or wait "
		       "24 hours), or this open node takes no more for now from owners who are not "
		       "on "
		       "its list (send it again later)." },
	[TX_FULL] = { "full", "The node's ledger takes no new names; its operator must enlarge it "
			      "(serve --ledger-mib)." },
	[TX_STORAGE] = { "storage", "The node could not write its ledger, and may have the "
				    "transaction or not; send it again. Look into its log." },
};

const char *tx_reason_name(enum tx_reason reason)
{
	return (size_t)reason < ARRAY_LEN(reasons) ? reasons[reason].name : "?";
}

const char *tx_reason_text(enum tx_reason reason)
{
	return (size_t)reason < ARRAY_LEN(reasons) ? reasons[reason].text : "?";
}

bool tx_reason_parse(const char *name, enum tx_reason *reason_out)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (strcmp(reasons[i].name, name) == 0) {
			*reason_out = (enum tx_reason)i;
			return true;
		}
	}
	return false;
}

enum iotpki_err tx_commit(const uint8_t salt[static SHA256_LEN],
			  const uint8_t owner[static SHA256_LEN], const char *name,
			  uint8_t commit_out[static SHA256_LEN])
{
	static const char domain[] = "iotpki-preorder-v1"; /* its NUL is part of the formula */
	const struct digest_part parts[] = {
		{ domain, sizeof(domain) },
		{ salt, SHA256_LEN },
		{ owner, SHA256_LEN },
		{ name, strlen(name) },
	};
	return sha256_parts(parts, ARRAY_LEN(parts), commit_out);
}

bool tx_name_valid(const char *name, size_t len)
{
	size_t prefix = 0;
	while (prefix < len && ((name[prefix] >= 'a' && name[prefix] <= 'z') ||
				(name[prefix] >= '0' && name[prefix] <= '9')))
		prefix++;
	if (prefix == 0 || prefix == len || len > IOTPKI_NVS_NAME_MAX)
		return false;
	if (name[prefix] != ':' && name[prefix] != '/')
		return false;
	return iotpki_name_valid(name + prefix + 1, len - prefix - 1);
}

/* The members in the order of RFC 8785, which is that of their bytes. */
enum member_kind { KIND_HASH, KIND_TIME, KIND_NAME, KIND_OP, KIND_VALUE };
static const struct {
	const char *key;
	enum member_kind kind;
	size_t offset;
} members[] = {
	{ "commit", KIND_HASH, offsetof(struct tx, commit) },
	{ "expires", KIND_TIME, offsetof(struct tx, expires_s) },
	{ "name", KIND_NAME, offsetof(struct tx, name) },
	{ "new_owner", KIND_HASH, offsetof(struct tx, new_owner) },
	{ "op", KIND_OP, offsetof(struct tx, op) },
	{ "owner", KIND_HASH, offsetof(struct tx, owner) },
	{ "prev", KIND_HASH, offsetof(struct tx, prev) },
	{ "salt", KIND_HASH, offsetof(struct tx, salt) },
	{ "time", KIND_TIME, offsetof(struct tx, time_s) },
	{ "value", KIND_VALUE, offsetof(struct tx, value) },
};
enum {
	COMMIT = 1 << 0,
	EXPIRES = 1 << 1,
	NAME = 1 << 2,
	NEW_OWNER = 1 << 3,
	OP = 1 << 4,
	OWNER = 1 << 5,
	PREV = 1 << 6,
	SALT = 1 << 7,
	TIME = 1 << 8,
	VALUE = 1 << 9,
};
static const unsigned int members_of[] = {
	[TX_PREORDER] = COMMIT | OP | OWNER | TIME,
	[TX_REGISTER] = EXPIRES | NAME | OP | OWNER | SALT | TIME | VALUE,
	[TX_UPDATE] = EXPIRES | NAME | OP | OWNER | PREV | TIME | VALUE, /* and NEW_OWNER */
	[TX_REVOKE] = NAME | OP | OWNER | PREV | TIME,
};
#define JSON_INTEGER_MAX ((INT64_C(1) << 53) - 1)
#define CONTENT_MAX TX_DER_MAX

static void put_string(struct buf *json, const char *text)
{
	(void)buf_putc(json, '"');
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			(void)buf_putc(json, '\\');
		(void)buf_putc(json, *c);
	}
	(void)buf_putc(json, '"');
}

static void put_member(struct buf *json, const struct tx *tx, size_t index)
{
	const uint8_t *field = (const uint8_t *)tx + members[index].offset;
	char hex[2 * SHA256_LEN + 1];
	int64_t seconds;

	(void)buf_printf(json, "\"%s\":", members[index].key);
	switch (members[index].kind) {
	case KIND_HASH:
		hex_encode(field, SHA256_LEN, hex);
		put_string(json, hex);
		break;
	case KIND_TIME:
		memcpy(&seconds, field, sizeof(seconds));
		(void)buf_printf(json, "%lld", (long long)seconds);
		break;
	case KIND_OP:
		put_string(json, tx_op_name(tx->op));
		break;
	case KIND_NAME:
	case KIND_VALUE:
		put_string(json, (const char *)field);
		break;
	}
}

static bool in_json_range(int64_t seconds)
{
	return seconds >= 0 && seconds <= JSON_INTEGER_MAX;
}

/* What could not be read back must not be written. */
static bool representable(const struct tx *tx, unsigned int mask)
{
	if (!in_json_range(tx->time_s))
		return false;
	if ((mask & EXPIRES) != 0 && !in_json_range(tx->expires_s))
		return false;
	if ((mask & NAME) != 0 && !tx_name_valid(tx->name, strnlen(tx->name, sizeof(tx->name))))
		return false;
	const size_t value_len = strnlen(tx->value, sizeof(tx->value));
	return (mask & VALUE) == 0 ||
	       (value_len <= IOTPKI_VALUE_MAX && text_printable(tx->value, value_len));
}

enum iotpki_err tx_content(const struct tx *tx, struct buf *json_out)
{
	if ((size_t)tx->op >= ARRAY_LEN(members_of))
		return IOTPKI_ERR_ARGUMENT;
	unsigned int mask = members_of[tx->op];
	if (tx->op == TX_UPDATE && tx->has_new_owner)
		mask |= NEW_OWNER;
	if (!representable(tx, mask))
		return IOTPKI_ERR_ARGUMENT;

	char before = '{';
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if ((mask & 1U << i) == 0)
			continue;
		(void)buf_putc(json_out, before);
		put_member(json_out, tx, i);
		before = ',';
	}
	(void)buf_putc(json_out, '}');
	return buf_error(json_out);
}

/* The reader accepts one spelling of everything, so canonical form needs no second look. */
struct reader {
	const char *text;
	size_t len, at;
	struct iotpki_detail *detail;
	enum tx_reason reason;
};

static bool refuse(struct reader *in, enum tx_reason reason, const char *what)
{
	in->reason = reason;
	(void)detail_set(in->detail, IOTPKI_ERR_SYNTAX, 1, (unsigned int)in->at + 1, "%s", what);
	return false;
}

static bool take_char(struct reader *in, char c)
{
	if (in->at >= in->len || in->text[in->at] != c)
		return refuse(in, TX_NOT_CANONICAL, "another character is expected here");
	in->at++;
	return true;
}

/* A string of printable ASCII with the two escapes that such a string can need. */
static bool take_string(struct reader *in, char *out, size_t size, size_t *len_out)
{
	size_t len = 0;
	if (!take_char(in, '"'))
		return false;
	while (in->at < in->len && in->text[in->at] != '"') {
		char c = in->text[in->at];
		const bool escaped = c == '\\';
		if (escaped && in->at + 1 < in->len)
			c = in->text[++in->at];
		if (escaped && c != '"' && c != '\\')
			return refuse(in, TX_NOT_CANONICAL, "an escape that is not needed");
		if (!text_printable(&c, 1))
			return refuse(in, TX_NOT_CANONICAL, "a byte that is not printable ASCII");
		if (len + 1 >= size)
			return refuse(in, TX_NOT_CANONICAL, "the string is too long");
		out[len++] = c;
		in->at++;
	}
	out[len] = '\0';
	*len_out = len;
	return take_char(in, '"');
}

static bool take_hash(struct reader *in, uint8_t *out)
{
	char hex[2 * SHA256_LEN + 1];
	size_t len;
	if (!take_string(in, hex, sizeof(hex), &len))
		return false;
	if (!hex_decode(hex, len, out, SHA256_LEN))
		return refuse(in, TX_NOT_CANONICAL,
			      "64 lower-case hex digits are expected before this");
	return true;
}

static bool take_integer(struct reader *in, uint8_t *out)
{
	size_t digits = 0;
	while (in->at + digits < in->len && in->text[in->at + digits] >= '0' &&
	       in->text[in->at + digits] <= '9')
		digits++;
	uint64_t value;
	if (!uint_parse(in->text + in->at, digits, (uint64_t)JSON_INTEGER_MAX, &value))
		return refuse(in, TX_NOT_CANONICAL,
			      "an integer from 0 to 2^53 - 1 is expected here");
	in->at += digits;
	const int64_t seconds = (int64_t)value;
	memcpy(out, &seconds, sizeof(seconds));
	return true;
}

static bool take_op(struct reader *in, enum tx_op *op_out)
{
	char word[16];
	size_t len;
	if (!take_string(in, word, sizeof(word), &len))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(op_names); i++) {
		if (strcmp(op_names[i], word) == 0) {
			*op_out = (enum tx_op)i;
			return true;
		}
	}
	return refuse(in, TX_NOT_CANONICAL, "op is none of PREORDER, REGISTER, UPDATE, REVOKE");
}

static bool take_name(struct reader *in, char *out)
{
	size_t len;
	if (!take_string(in, out, IOTPKI_NVS_NAME_MAX + 1, &len))
		return false;
	if (!tx_name_valid(out, len))
		return refuse(in, TX_NOT_CANONICAL,
			      "a name with its prefix is expected before this, such as iot:gate-1");
	return true;
}

static bool take_value(struct reader *in, char *out)
{
	char text[CONTENT_MAX];
	size_t len;
	if (!take_string(in, text, sizeof(text), &len))
		return false;
	if (len > IOTPKI_VALUE_MAX)
		return refuse(in, TX_BAD_VALUE, "the value before this is too long");
	memcpy(out, text, len + 1);
	return true;
}

static bool take_member_value(struct reader *in, size_t index, struct tx *tx)
{
	uint8_t *field = (uint8_t *)tx + members[index].offset;
	switch (members[index].kind) {
	case KIND_HASH:
		return take_hash(in, field);
	case KIND_TIME:
		return take_integer(in, field);
	case KIND_OP:
		return take_op(in, &tx->op);
	case KIND_NAME:
		return take_name(in, (char *)field);
	case KIND_VALUE:
		return take_value(in, (char *)field);
	}
	return false;
}

/* The index of the member whose key comes next; it must stand after those read before. */
static bool take_key(struct reader *in, unsigned int seen, size_t *index_out)
{
	char key[16];
	size_t len;
	if (!take_string(in, key, sizeof(key), &len))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (strcmp(members[i].key, key) != 0)
			continue;
		if (seen >= 1U << i)
			return refuse(in, TX_NOT_CANONICAL,
				      "the members are not in order, or one is there twice");
		*index_out = i;
		return take_char(in, ':');
	}
	return refuse(in, TX_NOT_CANONICAL, "no operation has the member before this");
}

static bool take_content(struct reader *in, struct tx *tx)
{
	unsigned int seen = 0;
	size_t index = 0;
	if (!take_char(in, '{'))
		return false;
	do {
		if (!take_key(in, seen, &index) || !take_member_value(in, index, tx))
			return false;
		seen |= 1U << index;
	} while (in->at < in->len && in->text[in->at] == ',' && in->at++ < in->len);
	if (!take_char(in, '}'))
		return false;
	if (in->at != in->len)
		return refuse(in, TX_NOT_CANONICAL, "bytes after the content");

	tx->has_new_owner = (seen & NEW_OWNER) != 0;
	if (tx->op == TX_UPDATE)
		seen &= ~(unsigned int)NEW_OWNER;
	if ((seen & OP) == 0 || seen != members_of[tx->op])
		return refuse(in, TX_NOT_CANONICAL, "not exactly the members of the operation");
	return true;
}

enum tx_reason tx_parse_content(const uint8_t *json, size_t len, struct tx *tx_out,
				struct iotpki_detail *detail)
{
	struct tx tx;
	memset(&tx, 0, sizeof(tx));
	struct reader in = { .text = (const char *)json, .len = len, .detail = detail };
	if (len > CONTENT_MAX)
		return refuse(&in, TX_NOT_CANONICAL, "the content is too long"), in.reason;
	if (!take_content(&in, &tx))
		return in.reason;
	*tx_out = tx;
	return TX_OK;
}
