/* See the header. What sshd reads from us is code: an option or a second key line opens the machine. */
#include "keyline.h"

#include <string.h>

#include "base/keytext.h"

static bool is_key(const char *type, const char *base64)
{
	const size_t len = strnlen(base64, KEYLINE_BASE64_MAX + 1);
	return len <= KEYLINE_BASE64_MAX && keytext_is_base64(base64, len) &&
	       keytext_is_type(type, strnlen(type, KEYLINE_TYPE_MAX));
}

static bool is_user(const char *text)
{
	const size_t len = strnlen(text, KEYLINE_USER_MAX + 1);
	if (len == 0 || len > KEYLINE_USER_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

bool keyline_offer(const char *user, const char *type, const char *base64)
{
	return is_user(user) && is_key(type, base64);
}

static bool is_option_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '=' || c == ',';
}

/*
 * One field for sshd's own parser (sshkey_advance_past_options): no white space outside of quotes,
 * quotes closed. Else the rest of the options would be read as a key.
 */
static bool is_one_field(const char *options)
{
	bool quoted = false;
	if (options[0] == '\0')
		return false;
	for (const char *at = options; *at != '\0'; at++) {
		if (*at < 0x20 || *at > 0x7e)
			return false;
		if (*at == '"')
			quoted = !quoted;
		else if (quoted && at[0] == '\\' && at[1] == '"')
			at++;
		else if (!quoted && !is_option_char(*at))
			return false;
	}
	return !quoted;
}

static bool is_offered(const char *type, const char *base64, const char *key)
{
	const size_t type_len = strlen(type);
	return strncmp(key, type, type_len) == 0 && key[type_len] == ' ' &&
	       strcmp(key + type_len + 1, base64) == 0;
}

size_t keyline_format(const char *type, const char *base64, const char *key, const char *options,
		      char *out, size_t size)
{
	if (key == NULL || options == NULL || !is_key(type, base64) ||
	    !is_offered(type, base64, key) || !is_one_field(options))
		return 0;
	const size_t options_len = strlen(options);
	const size_t key_len = strlen(key);
	if (options_len + key_len + 2 > size)
		return 0;
	memcpy(out, options, options_len);
	out[options_len] = ' ';
	memcpy(out + options_len + 1, key, key_len);
	out[options_len + 1 + key_len] = '\n';
	return options_len + key_len + 2;
}
