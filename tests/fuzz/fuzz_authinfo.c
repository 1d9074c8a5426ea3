/*
 * SSH_AUTH_INFO_0 as the PAM module reads it. What it passes on are plain publickey lines that stand in
 * the input, and they read back to themselves; anything else passes nothing on.
 */
#include "authinfo.h"
#include "fuzz.h"

static char keys[AUTHINFO_TEXT_MAX + 1];
static char again[AUTHINFO_TEXT_MAX + 1];

/* The keys with the agent's separators turned back to newlines. */
static unsigned int check_keys(const char *text)
{
	static char lines[AUTHINFO_TEXT_MAX + 1];
	unsigned int count = 0;
	memcpy(lines, keys, sizeof(lines));
	for (char *at = lines; *at != '\0'; at++) {
		count += *at == ';';
		*at = *at == ';' ? '\n' : *at;
	}
	FUZZ_CHECK(count >= 1 && count <= AUTHINFO_KEYS_MAX);
	FUZZ_CHECK(authinfo_parse(lines, again) == AUTHINFO_KEYS);
	FUZZ_CHECK(strcmp(keys, again) == 0);
	FUZZ_CHECK(strncmp(keys, "publickey ", 10) == 0);
	FUZZ_CHECK(strstr(keys, "-cert-v01@") == NULL);
	lines[strcspn(lines, "\n") + 1] = '\0';
	FUZZ_CHECK(strstr(text, lines) != NULL);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	const enum authinfo_kind kind = authinfo_parse(text, keys);
	FUZZ_CHECK((kind == AUTHINFO_EMPTY) == (text[0] == '\0'));
	if (kind != AUTHINFO_KEYS)
		FUZZ_CHECK(keys[0] == '\0');
	else if (check_keys(text) == 3)
		plant_bug(data, size);
	free(text);
	return 0;
}
