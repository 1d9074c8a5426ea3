/* See the header. One doubtful line spoils the whole: there is no half proof. */
#include "authinfo.h"

#include <string.h>

#include "base/keytext.h"

static const char method[] = "publickey ";

enum {
	METHOD_LEN = sizeof(method) - 1,
	TYPE_MAX = 64,
};

static bool is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

/* "publickey TYPE BASE64"; a certificate would vouch for a key that the list does not know. */
static bool is_key_line(const char *line, size_t len)
{
	const char *type = line + METHOD_LEN;
	const size_t rest = len - METHOD_LEN;
	const char *space = memchr(type, ' ', rest < TYPE_MAX ? rest : TYPE_MAX);
	if (space == NULL)
		return false;
	const size_t type_len = (size_t)(space - type);
	return keytext_is_type(type, type_len) && keytext_is_base64(space + 1, rest - type_len - 1);
}

static bool is_method(const char *line, size_t len, const char *name)
{
	const size_t name_len = strlen(name);
	return len >= name_len && memcmp(line, name, name_len) == 0;
}

static enum authinfo_kind parse_line(const char *line, size_t len)
{
	if (len == 0 || !is_printable(line, len))
		return AUTHINFO_BAD;
	if (is_method(line, len, method))
		return is_key_line(line, len) ? AUTHINFO_KEYS : AUTHINFO_BAD;
	/* "publickey/..." or "publickey" alone is nothing that sshd writes. */
	return is_method(line, len, "publickey") ? AUTHINFO_BAD : AUTHINFO_NO_KEY;
}

static enum authinfo_kind refuse(char *out)
{
	out[0] = '\0';
	return AUTHINFO_BAD;
}

enum authinfo_kind authinfo_parse(const char *text, char out[static AUTHINFO_TEXT_MAX + 1])
{
	out[0] = '\0';
	if (text == NULL || text[0] == '\0')
		return AUTHINFO_EMPTY;
	if (strnlen(text, AUTHINFO_TEXT_MAX + 1) > AUTHINFO_TEXT_MAX)
		return AUTHINFO_BAD;
	size_t used = 0;
	unsigned int keys = 0;
	while (*text != '\0') {
		const size_t len = strcspn(text, "\n");
		const enum authinfo_kind kind = parse_line(text, len);
		/* sshd ends every line; one without its end was cut, or made by somebody else. */
		if (kind == AUTHINFO_BAD || text[len] != '\n')
			return refuse(out);
		if (kind == AUTHINFO_KEYS) {
			if (++keys > AUTHINFO_KEYS_MAX)
				return refuse(out);
			memcpy(out + used, text, len);
			out[used + len] = ';';
			used += len + 1;
		}
		text += len + 1;
	}
	out[used] = '\0';
	return keys > 0 ? AUTHINFO_KEYS : AUTHINFO_NO_KEY;
}
