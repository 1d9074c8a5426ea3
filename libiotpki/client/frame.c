/*
 * The frames of design 8, as a client writes and reads them: a first line, then
 * key=value lines, each ended by one newline. One spelling only; the first doubt
 * refuses the whole frame, and a refused answer holds nothing.
 */
#include "client/client.h"

#include <string.h>

static const char magic[] = "iotpki/1 ";

enum {
	MAGIC_LEN = sizeof(magic) - 1,
	KEY_MAX = 32, /* bytes of a verb or of a field's key */
};

static const struct {
	const char *text;
	enum iotpki_client_word word;
} words[] = {
	{ "ADMIT", IOTPKI_CLIENT_ADMIT },
	{ "DENY", IOTPKI_CLIENT_DENY },
	{ "UNAVAILABLE", IOTPKI_CLIENT_UNAVAILABLE },
	{ "OK", IOTPKI_CLIENT_DONE },
	{ "ERROR", IOTPKI_CLIENT_ERROR },
};

/* [a-z][a-z0-9-]*, at most KEY_MAX bytes. */
static bool is_key(const char *text, size_t len)
{
	if (len == 0 || len > KEY_MAX || text[0] < 'a' || text[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++) {
		const char c = text[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

static bool is_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static bool append(char *out, size_t *used, const char *text, size_t len)
{
	if (len > IOTPKI_CLIENT_FRAME_MAX - *used)
		return false;
	memcpy(out + *used, text, len);
	*used += len;
	return true;
}

static bool append_field(char *out, size_t *used, const struct iotpki_client_field *field)
{
	if (field->key == NULL || field->value == NULL)
		return false;
	/* Bounded, since the value may be an argument that somebody made huge. */
	const size_t key_len = strnlen(field->key, KEY_MAX + 1);
	const size_t value_len = strnlen(field->value, IOTPKI_CLIENT_FRAME_MAX);
	if (!is_key(field->key, key_len) || !is_value(field->value, value_len))
		return false;
	return append(out, used, field->key, key_len) && append(out, used, "=", 1) &&
	       append(out, used, field->value, value_len) && append(out, used, "\n", 1);
}

enum iotpki_client_status client_request(const char *verb, const struct iotpki_client_field *fields,
					 size_t field_count,
					 char out[static IOTPKI_CLIENT_FRAME_MAX], size_t *len_out)
{
	*len_out = 0;
	if (verb == NULL || (fields == NULL && field_count > 0))
		return IOTPKI_CLIENT_ARGUMENT;
	const size_t verb_len = strnlen(verb, KEY_MAX + 1);
	size_t used = 0;
	if (!is_key(verb, verb_len) || !append(out, &used, magic, MAGIC_LEN) ||
	    !append(out, &used, verb, verb_len) || !append(out, &used, "\n", 1))
		return IOTPKI_CLIENT_ARGUMENT;
	for (size_t i = 0; i < field_count; i++)
		if (!append_field(out, &used, &fields[i]))
			return IOTPKI_CLIENT_ARGUMENT;
	*len_out = used;
	return IOTPKI_CLIENT_OK;
}

/* Cut the next line off *at and end it with a NUL; NULL if no newline is left. */
static char *next_line(char **at, const char *end, size_t *len_out)
{
	char *line = *at;
	char *newline = memchr(line, '\n', (size_t)(end - line));
	if (newline == NULL)
		return NULL;
	*newline = '\0';
	*len_out = (size_t)(newline - line);
	*at = newline + 1;
	return line;
}

static bool read_word(const char *line, size_t len, enum iotpki_client_word *word_out)
{
	if (len < MAGIC_LEN || memcmp(line, magic, MAGIC_LEN) != 0)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const size_t word_len = strlen(words[i].text);
		if (len - MAGIC_LEN == word_len &&
		    memcmp(line + MAGIC_LEN, words[i].text, word_len) == 0) {
			*word_out = words[i].word;
			return true;
		}
	}
	return false;
}

static bool read_field(struct iotpki_client_answer *answer, char *line, size_t len)
{
	char *equals = memchr(line, '=', len);
	if (equals == NULL || answer->field_count == IOTPKI_CLIENT_FIELDS_MAX)
		return false;
	const size_t key_len = (size_t)(equals - line);
	if (!is_key(line, key_len) || !is_value(equals + 1, len - key_len - 1))
		return false;
	*equals = '\0';
	if (iotpki_client_value(answer, line) != NULL)
		return false;
	answer->fields[answer->field_count].key = line;
	answer->fields[answer->field_count].value = equals + 1;
	answer->field_count++;
	return true;
}

static bool read_frame(struct iotpki_client_answer *answer, size_t len,
		       enum iotpki_client_word *word_out)
{
	if (len > IOTPKI_CLIENT_FRAME_MAX)
		return false;
	answer->text[len] = '\0';
	char *at = answer->text;
	const char *end = answer->text + len;
	size_t line_len = 0;
	const char *first = next_line(&at, end, &line_len);
	if (first == NULL || !read_word(first, line_len, word_out))
		return false;
	while (at < end) {
		char *line = next_line(&at, end, &line_len);
		if (line == NULL || !read_field(answer, line, line_len))
			return false;
	}
	return true;
}

enum iotpki_client_status client_parse(struct iotpki_client_answer *answer, size_t len)
{
	enum iotpki_client_word word = IOTPKI_CLIENT_DENY;
	answer->word = IOTPKI_CLIENT_DENY;
	answer->field_count = 0;
	if (!read_frame(answer, len, &word)) {
		memset(answer, 0, sizeof(*answer));
		return IOTPKI_CLIENT_BAD_ANSWER;
	}
	answer->word = word;
	return IOTPKI_CLIENT_OK;
}

const char *iotpki_client_value(const struct iotpki_client_answer *answer, const char *key)
{
	for (size_t i = 0; i < answer->field_count; i++)
		if (strcmp(answer->fields[i].key, key) == 0)
			return answer->fields[i].value;
	return NULL;
}
