/* The filter before libyaml. */
#include "format/yaml_input.h"

#include <string.h>

/* Invisible, or able to make a line look like another one (Trojan Source, CVE-2021-42574). */
static const struct {
	uint32_t first, last;
} refused[] = {
	{ 0x00, 0x08 },       { 0x0b, 0x0c },     { 0x0e, 0x1f },     { 0x7f, 0x9f },
	{ 0xad, 0xad },       { 0x61c, 0x61c },   { 0x200b, 0x200f }, { 0x2028, 0x202e },
	{ 0x2060, 0x206f },   { 0xd800, 0xdfff }, { 0xfeff, 0xfeff }, { 0xfff0, 0xffff },
	{ 0xe0000, 0xe007f },
};

static bool allowed(uint32_t code)
{
	if (code > 0x10ffff)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (code >= refused[i].first && code <= refused[i].last)
			return false;
	return true;
}

void yaml_input_init(struct yaml_input *input, const struct yaml_source *source, size_t cap)
{
	memset(input, 0, sizeof(*input));
	input->source = *source;
	input->cap = cap;
	input->line = 1;
	input->column = 1;
}

static bool refuse(struct yaml_input *input, const char *what)
{
	input->err = detail_set(&input->detail, IOTPKI_ERR_SYNTAX, input->line, input->column, "%s",
				what);
	return false;
}

static bool not_utf8(struct yaml_input *input)
{
	return refuse(input, "is not UTF-8 text; save the file as UTF-8");
}

static bool begin_character(struct yaml_input *input, uint8_t byte)
{
	static const struct {
		uint8_t mask, lead, missing;
		uint32_t least;
	} forms[] = {
		{ 0xe0, 0xc0, 1, 0x80 },
		{ 0xf0, 0xe0, 2, 0x800 },
		{ 0xf8, 0xf0, 3, 0x10000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if ((byte & forms[i].mask) != forms[i].lead)
			continue;
		input->code = (uint32_t)(byte & ~forms[i].mask & 0xff);
		input->missing = forms[i].missing;
		input->least = forms[i].least;
		return true;
	}
	return not_utf8(input);
}

static bool end_character(struct yaml_input *input)
{
	if (input->code < input->least || input->code > 0x10ffff ||
	    (input->code >= 0xd800 && input->code <= 0xdfff))
		return not_utf8(input);
	if (!allowed(input->code))
		return refuse(input, "an invisible or control character is not allowed");
	input->column++;
	return true;
}

/* A byte outside printable ASCII, or one that follows such a byte. */
static bool take_special(struct yaml_input *input, uint8_t byte)
{
	if (input->missing > 0) {
		if ((byte & 0xc0) != 0x80)
			return not_utf8(input);
		input->code = input->code << 6 | (byte & 0x3f);
		return --input->missing > 0 || end_character(input);
	}
	if (input->carriage && byte != '\n')
		return refuse(input, "a carriage return must be followed by a line feed");
	input->carriage = byte == '\r';
	if (byte == '\n') {
		input->line++;
		input->column = 1;
		return true;
	}
	if (byte >= 0x80)
		return begin_character(input, byte);
	if (byte != '\r' && !allowed(byte))
		return refuse(input, byte == 0 ? "a NUL byte is not allowed; save the file as UTF-8"
					       : "a control character is not allowed");
	input->column++;
	return true;
}

/* How many bytes from here on are printable ASCII, eight at a time: nearly all of a file is. */
static size_t simple_run(const uint8_t *data, size_t len)
{
	static const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t run = 0;
	for (; run + 8 <= len; run += 8) {
		uint64_t bytes;
		memcpy(&bytes, data + run, sizeof(bytes));
		const uint64_t low = (bytes - 0x20 * ones) & ~bytes;
		const uint64_t high = bytes | (bytes + ones);
		if (((low | high) & 0x80 * ones) != 0)
			break;
	}
	while (run < len && data[run] >= 0x20 && data[run] < 0x7f)
		run++;
	return run;
}

static bool check(struct yaml_input *input, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (input->missing == 0 && !input->carriage) {
			const size_t run = simple_run(data + i, len - i);
			input->column += (unsigned int)run;
			i += run;
			if (i == len)
				break;
		}
		if (!take_special(input, data[i]))
			return false;
	}
	return true;
}

static bool check_end(struct yaml_input *input)
{
	if (input->missing > 0)
		return not_utf8(input);
	if (input->carriage)
		return refuse(input, "a carriage return must be followed by a line feed");
	return true;
}

static bool over(struct yaml_input *input, size_t limit, const char *what)
{
	input->err = detail_set(&input->detail, IOTPKI_ERR_LIMIT, input->line, input->column,
				"more than %zu bytes%s", limit, what);
	return false;
}

/* Three bytes of a byte order mark at the very start; what is left of the chunk. */
static size_t without_mark(const struct yaml_input *input, uint8_t *data, size_t len)
{
	static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };
	if (input->total > 0 || len < sizeof(mark) || memcmp(data, mark, sizeof(mark)) != 0)
		return len;
	memmove(data, data + sizeof(mark), len - sizeof(mark));
	return len - sizeof(mark);
}

bool yaml_input_read(struct yaml_input *input, uint8_t *out, size_t size, size_t *got)
{
	*got = 0;
	if (input->err != IOTPKI_OK)
		return false;
	size_t len = 0;
	for (size_t more = 1; more > 0 && len < size; len += more) {
		more = 0;
		input->err = input->source.read(input->source.context, out + len, size - len, &more,
						&input->detail);
		if (input->err != IOTPKI_OK)
			return false;
	}
	if (len == 0)
		return check_end(input);
	const size_t kept = without_mark(input, out, len);
	input->total += len;
	input->gap += len;
	if (input->total > input->cap)
		return over(input, input->cap, "");
	if (input->gap > YAML_GAP_MAX + size)
		return over(input, YAML_GAP_MAX, " in one value or comment");
	if (!check(input, out, kept))
		return false;
	*got = kept;
	return true;
}

bool yaml_input_clean(const uint8_t *text, size_t len)
{
	struct yaml_input input;
	static const struct yaml_source none = { NULL, NULL };
	yaml_input_init(&input, &none, len);
	return check(&input, text, len) && check_end(&input);
}
