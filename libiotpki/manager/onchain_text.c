/* The progress file: "iotpki-chain/1", then key=value lines in a fixed order, each once. */
#include "manager/onchain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const char first_line[] = "iotpki-chain/1";

static const char *const ops[] = {
	[ONCHAIN_REGISTER] = "register",
	[ONCHAIN_UPDATE] = "update",
	[ONCHAIN_REVOKE] = "revoke",
	[ONCHAIN_TRANSFER] = "transfer",
};
static const char *const stages[] = {
	[ONCHAIN_WANTED] = "wanted", [ONCHAIN_ORDERED] = "ordered", [ONCHAIN_SENT] = "sent",
	[ONCHAIN_DONE] = "done",     [ONCHAIN_NOTHING] = "nothing",
};
static const char *const types[] = {
	[CONFIG_NODE_EMERCOIN] = "emercoin",
	[CONFIG_NODE_NAMECOIN] = "namecoin",
};

const char *onchain_op_name(enum onchain_op op)
{
	return (size_t)op < ARRAY_LEN(ops) ? ops[op] : "unknown";
}

const char *onchain_state_name(const struct onchain_progress *progress, int64_t now_s)
{
	static const char *const unfinished[] = {
		[ONCHAIN_REGISTER] = "pending",
		[ONCHAIN_UPDATE] = "updating",
		[ONCHAIN_REVOKE] = "revoking",
		[ONCHAIN_TRANSFER] = "transferring",
	};
	static const char *const finished[] = {
		[ONCHAIN_REGISTER] = "registered",
		[ONCHAIN_UPDATE] = "registered",
		[ONCHAIN_REVOKE] = "revoked",
		[ONCHAIN_TRANSFER] = "transferred",
	};
	if (progress->value[0] == '\0')
		return "unknown";
	if (progress->stage == ONCHAIN_NOTHING)
		return "never registered";
	if (progress->stage == ONCHAIN_ORDERED)
		return "pre-ordered";
	if (progress->stage < ONCHAIN_DONE)
		return unfinished[progress->op];
	const bool over = (progress->expires_s != 0 && now_s >= progress->expires_s) ||
			  (progress->ends_s != 0 && now_s >= progress->ends_s);
	const bool lives = progress->op == ONCHAIN_REGISTER || progress->op == ONCHAIN_UPDATE;
	return over && lives ? "expired" : finished[progress->op];
}

/* ---- writing ---- */

static void put_hash(struct buf *out, const char *key, bool has,
		     const uint8_t hash[static IOTPKI_SHA256_LEN])
{
	char text[2 * IOTPKI_SHA256_LEN + 1];
	if (!has)
		return;
	hex_encode(hash, IOTPKI_SHA256_LEN, text);
	(void)buf_printf(out, "%s=%s\n", key, text);
}

static void put_text(struct buf *out, const char *key, const char *text)
{
	if (text[0] != '\0')
		(void)buf_printf(out, "%s=%s\n", key, text);
}

enum iotpki_err onchain_format(const struct onchain_progress *progress, struct buf *out)
{
	(void)buf_printf(out, "%s\ntype=%s\nop=%s\nstage=%s\nvalue=%s\n", first_line,
			 types[progress->type], ops[progress->op], stages[progress->stage],
			 progress->value);
	(void)buf_printf(
		out, "expires=%" PRId64 "\nends=%" PRId64 "\ndays=%" PRIu32 "\nto-go=%" PRIu32 "\n",
		progress->expires_s, progress->ends_s, progress->days, progress->to_go);
	put_hash(out, "prev", progress->has_prev, progress->prev);
	put_text(out, "address", progress->address);
	put_hash(out, "preorder", progress->has_preorder, progress->preorder);
	put_text(out, "salt", progress->salt);
	put_hash(out, "txid", progress->has_txid, progress->txid);
	put_hash(out, "registration", progress->has_registration, progress->registration);
	return buf_error(out);
}

/* ---- reading ---- */

static bool take_word(const char *const *words, size_t count, const char *text, size_t len,
		      unsigned int *out)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i] == NULL || strlen(words[i]) != len || memcmp(words[i], text, len) != 0)
			continue;
		*out = (unsigned int)i;
		return true;
	}
	return false;
}

static bool take_type(struct onchain_progress *progress, const char *text, size_t len)
{
	unsigned int word;
	if (!take_word(types, ARRAY_LEN(types), text, len, &word))
		return false;
	progress->type = (enum config_node_type)word;
	return true;
}

static bool take_op(struct onchain_progress *progress, const char *text, size_t len)
{
	unsigned int word;
	if (!take_word(ops, ARRAY_LEN(ops), text, len, &word))
		return false;
	progress->op = (enum onchain_op)word;
	return true;
}

static bool take_stage(struct onchain_progress *progress, const char *text, size_t len)
{
	unsigned int word;
	if (!take_word(stages, ARRAY_LEN(stages), text, len, &word))
		return false;
	progress->stage = (enum onchain_stage)word;
	return true;
}

static bool take_text(const char *text, size_t len, char *out, size_t size)
{
	if (len == 0 || len >= size || !text_printable(text, len))
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static bool take_value(struct onchain_progress *progress, const char *text, size_t len)
{
	return take_text(text, len, progress->value, sizeof(progress->value));
}

static bool take_address(struct onchain_progress *progress, const char *text, size_t len)
{
	return memchr(text, ' ', len) == NULL &&
	       take_text(text, len, progress->address, sizeof(progress->address));
}

static bool take_salt(struct onchain_progress *progress, const char *text, size_t len)
{
	uint8_t raw[ONCHAIN_SALT_MAX / 2];
	return len <= ONCHAIN_SALT_MAX && len % 2 == 0 && hex_decode(text, len, raw, len / 2) &&
	       take_text(text, len, progress->salt, sizeof(progress->salt));
}

static bool take_number(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	return uint_parse(text, len, max, out);
}

static bool take_expires(struct onchain_progress *progress, const char *text, size_t len)
{
	uint64_t number;
	if (!take_number(text, len, INT64_MAX, &number))
		return false;
	progress->expires_s = (int64_t)number;
	return true;
}

static bool take_ends(struct onchain_progress *progress, const char *text, size_t len)
{
	uint64_t number;
	if (!take_number(text, len, INT64_MAX, &number))
		return false;
	progress->ends_s = (int64_t)number;
	return true;
}

static bool take_days(struct onchain_progress *progress, const char *text, size_t len)
{
	uint64_t number;
	if (!take_number(text, len, UINT32_MAX, &number))
		return false;
	progress->days = (uint32_t)number;
	return true;
}

static bool take_to_go(struct onchain_progress *progress, const char *text, size_t len)
{
	uint64_t number;
	if (!take_number(text, len, UINT32_MAX, &number))
		return false;
	progress->to_go = (uint32_t)number;
	return true;
}

static bool take_prev(struct onchain_progress *progress, const char *text, size_t len)
{
	return progress->has_prev = hex_decode(text, len, progress->prev, IOTPKI_SHA256_LEN);
}

static bool take_preorder(struct onchain_progress *progress, const char *text, size_t len)
{
	return progress->has_preorder =
		       hex_decode(text, len, progress->preorder, IOTPKI_SHA256_LEN);
}

static bool take_txid(struct onchain_progress *progress, const char *text, size_t len)
{
	return progress->has_txid = hex_decode(text, len, progress->txid, IOTPKI_SHA256_LEN);
}

static bool take_registration(struct onchain_progress *progress, const char *text, size_t len)
{
	return progress->has_registration =
		       hex_decode(text, len, progress->registration, IOTPKI_SHA256_LEN);
}

/* In the order of the file. */
static const struct {
	const char *key;
	bool optional;
	bool (*take)(struct onchain_progress *progress, const char *text, size_t len);
} keys[] = {
	{ "type", false, take_type },        { "op", false, take_op },
	{ "stage", false, take_stage },      { "value", false, take_value },
	{ "expires", false, take_expires },  { "ends", false, take_ends },
	{ "days", false, take_days },        { "to-go", false, take_to_go },
	{ "prev", true, take_prev },         { "address", true, take_address },
	{ "preorder", true, take_preorder }, { "salt", true, take_salt },
	{ "txid", true, take_txid },         { "registration", true, take_registration },
};

static bool is_key(const char *line, size_t len, const char *key)
{
	const size_t key_len = strlen(key);
	return len > key_len && memcmp(line, key, key_len) == 0 && line[key_len] == '=';
}

/* One line; *at is the first key that may still come. */
static bool parse_line(const char *line, size_t len, size_t *at, struct onchain_progress *progress)
{
	for (; *at < ARRAY_LEN(keys); (*at)++) {
		const char *key = keys[*at].key;
		if (is_key(line, len, key)) {
			const size_t skip = strlen(key) + 1;
			return keys[(*at)++].take(progress, line + skip, len - skip);
		}
		if (!keys[*at].optional)
			return false;
	}
	return false;
}

static enum iotpki_err bad_line(struct iotpki_detail *detail, unsigned int line, const char *what)
{
	return detail_set(detail, IOTPKI_ERR_SYNTAX, line, 1, "%s", what);
}

static enum iotpki_err parse(const char *text, size_t len, struct onchain_progress *progress,
			     struct iotpki_detail *detail)
{
	size_t key = 0;
	unsigned int number = 1;
	for (size_t at = 0; at < len; number++) {
		const char *end = memchr(text + at, '\n', len - at);
		if (end == NULL)
			return bad_line(detail, number, "the last line is cut");
		const size_t line = (size_t)(end - (text + at));
		const bool ok = number == 1 ? line == sizeof(first_line) - 1 &&
						      memcmp(text, first_line, line) == 0
					    : parse_line(text + at, line, &key, progress);
		if (!ok)
			return bad_line(detail, number, "is not a line that belongs here");
		at += line + 1;
	}
	for (; key < ARRAY_LEN(keys); key++)
		if (!keys[key].optional)
			return bad_line(detail, number, "lines are missing at the end");
	return IOTPKI_OK;
}

enum iotpki_err onchain_parse(const char *text, size_t len, struct onchain_progress *progress_out,
			      struct iotpki_detail *detail)
{
	*progress_out = (struct onchain_progress){ 0 };
	if (len > ONCHAIN_TEXT_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "is longer than allowed");
	const enum iotpki_err err = parse(text, len, progress_out, detail);
	if (err != IOTPKI_OK)
		*progress_out = (struct onchain_progress){ 0 };
	return err;
}
