/* The value of a name: one strict pass, and its canonical print. */
#include <iotpki/record.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <iotpki/sshkey.h>

#include "base/base.h"
#include "base/parse.h"

/* The end of year 9999: a later `ex=` could not be printed as a time. */
#define EX_MAX UINT64_C(253402300799)

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool iotpki_name_valid(const char *name, size_t len)
{
	if (len == 0 || len > IOTPKI_NAME_MAX || !name_byte(name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!name_byte(name[i]) && name[i] != '.' && name[i] != '_' && name[i] != '-')
			return false;
	return true;
}

/* The known fields: each reads its text, false if that is not of the field's grammar. */
static bool take_sha256(const char *text, size_t len, struct iotpki_record *record)
{
	return hex_decode(text, len, record->sha256, sizeof(record->sha256));
}

static bool take_ssh(const char *text, size_t len, struct iotpki_record *record)
{
	record->has_ssh = true;
	return iotpki_fingerprint_parse(text, len, record->ssh);
}

static bool take_status(const char *text, size_t len, struct iotpki_record *record)
{
	record->revoked = true;
	return len == strlen("revoked") && memcmp(text, "revoked", len) == 0;
}

static bool take_ex(const char *text, size_t len, struct iotpki_record *record)
{
	uint64_t seconds;
	if (!uint_parse(text, len, EX_MAX, &seconds))
		return false;
	record->has_ex = true;
	record->ex_s = (int64_t)seconds;
	return true;
}

static const struct known {
	const char *key;
	bool (*take)(const char *text, size_t len, struct iotpki_record *record);
	const char *form;
} known[] = {
	{ "sha256", take_sha256,
	  "64 lower-case hex digits" }, /* the first: every value begins with it */
	{ "ssh", take_ssh, "SHA256: and 43 base64 characters" },
	{ "status", take_status, "revoked" },
	{ "ex", take_ex, "unix seconds" },
};

static const struct known *known_find(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i].key) == len && memcmp(known[i].key, key, len) == 0)
			return &known[i];
	return NULL;
}

/* Length of the key that a field begins with, 0 if it has none. */
static size_t key_len(const char *field, size_t len)
{
	if (len == 0 || field[0] < 'a' || field[0] > 'z')
		return 0;
	size_t i = 1;
	while (i < len && (name_byte(field[i]) || field[i] == '_' || field[i] == '-'))
		i++;
	return i < len && field[i] == '=' ? i : 0;
}

struct scan {
	unsigned int seen; /* bit i: known[i] was there */
	struct iotpki_record record;
	struct iotpki_detail *detail;
};

static enum iotpki_err take_field(struct scan *scan, const char *field, size_t len,
				  unsigned int column)
{
	const size_t key = key_len(field, len);
	if (key == 0)
		return detail_set(scan->detail, IOTPKI_ERR_SYNTAX, 1, column,
				  "field does not begin with a lower-case key and '='");
	const struct known *match = known_find(field, key);
	if (scan->seen == 0 && match != &known[0])
		return detail_set(scan->detail, IOTPKI_ERR_SYNTAX, 1, column,
				  "value does not begin with sha256=");
	if (match == NULL)
		return IOTPKI_OK;

	const unsigned int bit = 1U << (match - known);
	if ((scan->seen & bit) != 0)
		return detail_set(scan->detail, IOTPKI_ERR_SYNTAX, 1, column,
				  "second %s=", match->key);
	scan->seen |= bit;
	if (match->take(field + key + 1, len - key - 1, &scan->record))
		return IOTPKI_OK;
	return detail_set(scan->detail, IOTPKI_ERR_SYNTAX, 1, column + (unsigned int)key + 1,
			  "%s= is not %s", match->key, match->form);
}

static enum iotpki_err take_all(struct scan *scan, const char *value, size_t len)
{
	for (size_t at = 0; at <= len;) {
		const char *bar = at < len ? memchr(value + at, '|', len - at) : NULL;
		const size_t end = bar != NULL ? (size_t)(bar - value) : len;
		const enum iotpki_err err =
			take_field(scan, value + at, end - at, (unsigned int)at + 1);
		if (err != IOTPKI_OK)
			return err;
		at = end + 1;
	}
	return IOTPKI_OK;
}

enum iotpki_err iotpki_record_parse(const char *value, size_t len, struct iotpki_record *record_out,
				    struct iotpki_detail *detail)
{
	memset(record_out, 0, sizeof(*record_out));
	if (len > IOTPKI_VALUE_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "value is longer than %d bytes",
				  IOTPKI_VALUE_MAX);
	for (size_t i = 0; i < len; i++)
		if (!text_printable(value + i, 1))
			return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, (unsigned int)i + 1,
					  "value is not printable ASCII");

	struct scan scan = { .seen = 0, .detail = detail };
	const enum iotpki_err err = take_all(&scan, value, len);
	if (err == IOTPKI_OK)
		*record_out = scan.record;
	return err;
}

enum iotpki_err iotpki_record_format(const struct iotpki_record *record, char *out, size_t size)
{
	char hex[2 * IOTPKI_SHA256_LEN + 1];
	char ssh[IOTPKI_FINGERPRINT_TEXT_SIZE] = "";
	char ex[32] = "";
	hex_encode(record->sha256, sizeof(record->sha256), hex);
	if (record->has_ssh)
		iotpki_fingerprint_format(record->ssh, ssh);
	if (record->has_ex)
		(void)snprintf(ex, sizeof(ex), "|ex=%" PRId64, record->ex_s);

	const int len =
		snprintf(out, size, "sha256=%s%s%s%s%s", hex, record->has_ssh ? "|ssh=" : "", ssh,
			 record->revoked ? "|status=revoked" : "", ex);
	return len < 0 || (size_t)len >= size ? IOTPKI_ERR_LIMIT : IOTPKI_OK;
}
