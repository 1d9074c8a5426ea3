/* Lines, words, keys. */
#include "agent/authinfo.h"

#include <string.h>

enum { LINE_MAX_LEN = 12300, METHOD_MAX = 64 };

static bool is_method(const char *text, size_t len)
{
	if (len == 0 || len > METHOD_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '/'))
			return false;
	}
	return true;
}

/* "TYPE BASE64", nothing else: sshd writes certificates with their own type, which is none of ours. */
static bool parse_key(const char *text, size_t len, uint8_t fingerprint[static IOTPKI_SHA256_LEN])
{
	char words[LINE_MAX_LEN + 1];
	if (len > LINE_MAX_LEN)
		return false;
	memcpy(words, text, len);
	words[len] = '\0';
	char *space = strchr(words, ' ');
	if (space == NULL || strchr(space + 1, ' ') != NULL)
		return false;
	*space = '\0';
	struct iotpki_sshkey key;
	if (iotpki_sshkey_parse(words, space + 1, &key, NULL) != IOTPKI_OK)
		return false;
	memcpy(fingerprint, key.fingerprint, sizeof(key.fingerprint));
	return true;
}

static enum iotpki_err parse_line(const char *line, size_t len,
				  uint8_t keys[static AUTHINFO_KEYS_MAX][IOTPKI_SHA256_LEN],
				  size_t *count)
{
	static const char publickey[] = "publickey";
	const char *space = memchr(line, ' ', len);
	const size_t method_len = space == NULL ? len : (size_t)(space - line);
	if (!is_method(line, method_len))
		return IOTPKI_ERR_SYNTAX;
	if (method_len != sizeof(publickey) - 1 || memcmp(line, publickey, method_len) != 0)
		return IOTPKI_OK;
	if (*count == AUTHINFO_KEYS_MAX)
		return IOTPKI_ERR_LIMIT;
	if (space == NULL || !parse_key(space + 1, len - method_len - 1, keys[*count]))
		return IOTPKI_ERR_SYNTAX;
	(*count)++;
	return IOTPKI_OK;
}

enum iotpki_err authinfo_parse(const char *text,
			       uint8_t keys_out[static AUTHINFO_KEYS_MAX][IOTPKI_SHA256_LEN],
			       size_t *count_out)
{
	size_t count = 0;
	*count_out = 0;
	while (*text != '\0') {
		const size_t len = strcspn(text, ";");
		const enum iotpki_err err = parse_line(text, len, keys_out, &count);
		if (err != IOTPKI_OK)
			return err;
		text += len;
		if (*text == ';')
			text++;
	}
	*count_out = count;
	return IOTPKI_OK;
}
