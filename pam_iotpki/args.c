/* See the header. A misspelt argument must not weaken a line silently, so it refuses everybody. */
#include "args.h"

#include <stdint.h>
#include <string.h>

enum {
	LIST_MAX = 1024,      /* bytes of a list of services or users */
	PATH_MAX_BYTES = 107, /* sun_path without its NUL */
};

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_-.@$+", c) != NULL);
}

/* "a,b,c": names without white space, none of them empty. */
static bool is_list(const char *text)
{
	bool empty = true;
	if (strnlen(text, LIST_MAX + 1) > LIST_MAX)
		return false;
	for (; *text != '\0'; text++) {
		if (*text == ',' ? empty : !is_word_char(*text))
			return false;
		empty = *text == ',';
	}
	return !empty;
}

static bool is_socket(const char *text)
{
	return text[0] == '/' && strnlen(text, PATH_MAX_BYTES + 1) <= PATH_MAX_BYTES;
}

static const struct argument {
	const char *name; /* ends in '=' where a value follows */
	size_t offset;
	bool (*is_value)(const char *text); /* NULL: a flag */
} arguments[] = {
	{ "ssh", offsetof(struct args, ssh), NULL },
	{ "ignore_unknown_user", offsetof(struct args, ignore_unknown_user), NULL },
	{ "only=", offsetof(struct args, only), is_list },
	{ "break_glass_user=", offsetof(struct args, break_glass_user), is_list },
	{ "socket=", offsetof(struct args, socket_path), is_socket },
};

/* Each argument once: of two lists, the reader of the file could only guess which one counts. */
static bool set_flag(bool *flag)
{
	const bool first = !*flag;
	*flag = true;
	return first;
}

static bool set_value(const char **value, const char *text, bool (*is_value)(const char *))
{
	if (*value != NULL || !is_value(text))
		return false;
	*value = text;
	return true;
}

static bool parse_one(const char *text, struct args *args)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		const struct argument *argument = &arguments[i];
		char *target = (char *)args + argument->offset;
		const size_t len = strlen(argument->name);
		if (argument->is_value == NULL && strcmp(text, argument->name) == 0)
			return set_flag((bool *)(void *)target);
		if (argument->is_value != NULL && strncmp(text, argument->name, len) == 0)
			return set_value((const char **)(void *)target, text + len,
					 argument->is_value);
	}
	return false;
}

bool args_parse(int argc, const char **argv, struct args *args_out, const char **bad_out)
{
	memset(args_out, 0, sizeof(*args_out));
	for (int i = 0; i < argc; i++) {
		if (argv == NULL || argv[i] == NULL || !parse_one(argv[i], args_out)) {
			*bad_out = argv != NULL && argv[i] != NULL ? argv[i] : "(none)";
			return false;
		}
	}
	return true;
}

bool args_list_has(const char *list, const char *word)
{
	const size_t len = strlen(word);
	while (list != NULL && len > 0) {
		const size_t item = strcspn(list, ",");
		if (item == len && strncmp(list, word, len) == 0)
			return true;
		list = list[item] == ',' ? list + item + 1 : NULL;
	}
	return false;
}
