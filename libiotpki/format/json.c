/* What jansson leaves open (depth, -0, types, ranges) is closed here. */
#include "format/json.h"

#include <string.h>

#include <jansson.h>

#include "base/digest.h"
#include "base/parse.h"

/* ---- reading ---- */

static enum iotpki_err fail_at(struct iotpki_detail *detail, enum iotpki_err err, const char *text,
			       size_t offset, const char *what)
{
	unsigned int line = 1;
	size_t start = 0;
	for (size_t i = 0; i < offset; i++) {
		if (text[i] != '\n')
			continue;
		line++;
		start = i + 1;
	}
	return detail_set(detail, err, line, (unsigned int)(offset - start + 1),
			  "%s (byte %zu of the JSON text)", what, offset);
}

/** Whether the minus at this place begins a negative zero, which has no one way back to text. */
static bool minus_zero(const char *text, size_t len, size_t at)
{
	if (text[at] != '-' || at + 1 >= len || text[at + 1] != '0')
		return false;
	if (at > 0 && (text[at - 1] == 'e' || text[at - 1] == 'E'))
		return false; /* an exponent: a float, which no reader takes for an integer */
	return at + 2 >= len || strchr(".eE0123456789", text[at + 2]) == NULL ||
	       text[at + 2] == '\0';
}

/**
 * jansson recurses up to 2048 deep and reads -0 as 0; both are stopped before it sees the text.
 * Only strings have to be understood for that: what is no JSON otherwise, jansson refuses.
 */
static enum iotpki_err scan(const char *text, size_t len, struct iotpki_detail *detail)
{
	unsigned int depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];
		if (quoted) {
			if (c == '\\')
				i++;
			quoted = c != '"';
			continue;
		}
		quoted = c == '"';
		if (minus_zero(text, len, i))
			return fail_at(detail, IOTPKI_ERR_SYNTAX, text, i, "negative zero");
		if ((c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
			return fail_at(detail, IOTPKI_ERR_LIMIT, text, i, "nested too deeply");
		if ((c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return IOTPKI_OK;
}

/** jansson's own message quotes the input, so ours are by its code. */
static const char *error_text(enum json_error_code code)
{
	static const struct {
		enum json_error_code code;
		const char *text;
	} texts[] = {
		{ json_error_invalid_utf8, "not UTF-8" },
		{ json_error_premature_end_of_input, "ends too early" },
		{ json_error_end_of_input_expected, "something follows the end" },
		{ json_error_duplicate_key, "a key stands twice in one object" },
		{ json_error_numeric_overflow, "a number is too large" },
		{ json_error_null_character, "a NUL character" },
		{ json_error_null_byte_in_key, "a NUL character" },
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].code == code)
			return texts[i].text;
	}
	return "not JSON";
}

enum iotpki_err json_read(const char *text, size_t len, size_t cap, struct json_t **root_out,
			  struct iotpki_detail *detail)
{
	*root_out = NULL;
	if (len > cap)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "%zu bytes of JSON, at most %zu are read", len, cap);
	if (len == 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, 1, "empty, JSON was expected");
	const enum iotpki_err err = scan(text, len, detail);
	if (err != IOTPKI_OK)
		return err;

	json_error_t error = { 0 };
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (root != NULL) {
		*root_out = root;
		return IOTPKI_OK;
	}
	const enum json_error_code code = json_error_code(&error);
	if (code == json_error_out_of_memory)
		return IOTPKI_ERR_NOMEM;
	const size_t offset = error.position > 0 ? (size_t)error.position : 0;
	return fail_at(detail, IOTPKI_ERR_SYNTAX, text, offset < len ? offset : len,
		       error_text(code));
}

void json_release(struct json_t **root)
{
	json_decref(*root);
	*root = NULL;
}

/* ---- typed members: each reader returns what was expected instead, or NULL ---- */

static bool within(size_t count, const struct json_field *field)
{
	return (uint64_t)count >= (uint64_t)field->min && (uint64_t)count <= (uint64_t)field->max;
}

static const char *read_text(const json_t *value, const struct json_field *field, void *out)
{
	if (!json_is_string(value) || !within(json_string_length(value), field))
		return "a string of the right length";
	*(const char **)out = json_string_value(value);
	return NULL;
}

static const char *read_int(const json_t *value, const struct json_field *field, void *out)
{
	const json_int_t number = json_integer_value(value);
	if (!json_is_integer(value) || number < field->min || number > field->max)
		return "an integer in range";
	*(int64_t *)out = number;
	return NULL;
}

static const char *read_bool(const json_t *value, const struct json_field *field, void *out)
{
	(void)field;
	if (!json_is_boolean(value))
		return "true or false";
	*(bool *)out = json_is_true(value);
	return NULL;
}

static const char *read_hash(const json_t *value, const struct json_field *field, void *out)
{
	(void)field;
	if (!json_is_string(value) ||
	    !hex_decode(json_string_value(value), json_string_length(value), out, SHA256_LEN))
		return "64 lower-case hex digits";
	return NULL;
}

static const char *read_object(const json_t *value, const struct json_field *field, void *out)
{
	(void)field;
	if (!json_is_object(value))
		return "an object";
	*(const struct json_t **)out = value;
	return NULL;
}

static const char *read_array(const json_t *value, const struct json_field *field, void *out)
{
	if (!json_is_array(value) || !within(json_array_size(value), field))
		return "an array of the right size";
	*(const struct json_t **)out = value;
	return NULL;
}

enum iotpki_err json_fields(const struct json_t *object, const struct json_field *fields,
			    size_t count, void *out, struct iotpki_detail *detail)
{
	static const char *(*const readers[])(const json_t *, const struct json_field *, void *) = {
		[JSON_TEXT] = read_text,           [JSON_INT] = read_int,
		[JSON_BOOL] = read_bool,           [JSON_HASH] = read_hash,
		[JSON_OBJECT_VALUE] = read_object, [JSON_ARRAY_VALUE] = read_array,
	};
	if (!json_is_object(object))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "an object was expected");
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_object_get(object, fields[i].key);
		if (value == NULL && fields[i].optional)
			continue;
		if (value == NULL)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"%s\" is missing",
					  fields[i].key);
		const char *expected =
			readers[fields[i].kind](value, &fields[i], (char *)out + fields[i].offset);
		if (expected != NULL)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"%s\" is not %s",
					  fields[i].key, expected);
	}
	return IOTPKI_OK;
}

const struct json_t *json_member(const struct json_t *object, const char *key)
{
	return json_object_get(object, key); /* NULL of anything but an object */
}

bool json_is_null_value(const struct json_t *value)
{
	return json_is_null(value);
}

const struct json_t *json_element(const struct json_t *array, size_t index)
{
	return json_array_get(array, index);
}

/* ---- writing ---- */

static int write_piece(const char *piece, size_t len, void *context)
{
	return buf_put(context, piece, len) == IOTPKI_OK ? 0 : -1;
}

enum iotpki_err json_write(const struct json_t *value, struct buf *buf)
{
	if (json_dump_callback(value, write_piece, buf, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return buf_error(buf);
	const enum iotpki_err err = buf_error(buf);
	return err != IOTPKI_OK ? err : IOTPKI_ERR_NOMEM;
}

void json_put_text(struct buf *buf, const char *text)
{
	(void)buf_putc(buf, '"');
	for (const char *at = text; *at != '\0'; at++) {
		const unsigned char c = (unsigned char)*at;
		if (c == '"' || c == '\\')
			(void)buf_printf(buf, "\\%c", c);
		else if (c < 0x20)
			(void)buf_printf(buf, "\\u%04x", c);
		else
			(void)buf_putc(buf, *at);
	}
	(void)buf_putc(buf, '"');
}
