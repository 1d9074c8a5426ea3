/* See the header. */
#include "base/keytext.h"

#include <string.h>

static const char *const types[] = {
	"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
	"ssh-rsa",
};

bool keytext_is_type(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i]) == len && memcmp(text, types[i], len) == 0)
			return true;
	return false;
}

static bool is_base64_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

bool keytext_is_base64(const char *text, size_t len)
{
	if (len == 0 || len % 4 != 0)
		return false;
	size_t padding = 0;
	while (padding < 2 && text[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len - padding; i++)
		if (!is_base64_char(text[i]))
			return false;
	return true;
}
