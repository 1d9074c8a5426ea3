/* Options of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
#include "config/ssh_options.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

/* In the order in which they are written. A flag's opposite is its neighbour: index ^ 1. */
static const char *const flag_names[] = {
	"restrict",
	NULL,
	"pty",
	"no-pty",
	"user-rc",
	"no-user-rc",
	"port-forwarding",
	"no-port-forwarding",
	"agent-forwarding",
	"no-agent-forwarding",
	"X11-forwarding",
	"no-X11-forwarding",
};

static bool command_valid(const char *text, size_t len)
{
	/* A backslash at the end would escape the closing quote. */
	return text_printable(text, len) && text[len - 1] != '\\';
}

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool only(const char *text, size_t len, const char *others)
{
	for (size_t i = 0; i < len; i++)
		if (!letter_or_digit(text[i]) && strchr(others, text[i]) == NULL)
			return false;
	return true;
}

static bool from_valid(const char *text, size_t len)
{
	return only(text, len, ".:*?!/,_-%") && text[0] != ',' && text[len - 1] != ',' &&
	       strstr(text, ",,") == NULL;
}

static bool port_valid(const char *text)
{
	uint64_t port;
	return strcmp(text, "*") == 0 || (uint_parse(text, strlen(text), 65535, &port) && port > 0);
}

static bool open_valid(const char *text, size_t len)
{
	const char *port = strrchr(text, ':');
	if (port == NULL || port == text || !port_valid(port + 1))
		return false;
	const size_t host = (size_t)(port - text);
	if (text[0] == '[')
		return host > 2 && text[host - 1] == ']' && only(text + 1, host - 2, ".:%");
	return len > host && only(text, host, ".*_-");
}

static bool listen_valid(const char *text, size_t len)
{
	return strchr(text, ':') == NULL ? port_valid(text) : open_valid(text, len);
}

static const struct {
	const char *name;
	bool repeats;
	bool (*valid)(const char *text, size_t len);
	const char *problem;
} value_names[] = {
	[SSH_OPTION_FLAG] = { "", false, NULL, "" },
	[SSH_OPTION_COMMAND] = { "command", false, command_valid,
				 "command=\"\" must be printable and not end by a backslash" },
	[SSH_OPTION_FROM] = { "from", false, from_valid,
			      "from=\"\" must be patterns and networks, separated by commas" },
	[SSH_OPTION_OPEN] = { "permitopen", true, open_valid, "permitopen=\"\" must be HOST:PORT" },
	[SSH_OPTION_LISTEN] = { "permitlisten", true, listen_valid,
				"permitlisten=\"\" must be PORT or HOST:PORT" },
};

static const char *add_flag(struct ssh_options *options, size_t flag)
{
	const uint32_t bit = UINT32_C(1) << flag;
	if ((options->flags & bit) != 0)
		return "the option is there twice";
	if ((options->flags & UINT32_C(1) << (flag ^ 1)) != 0)
		return "the option and its opposite are there";
	options->flags |= bit;
	return NULL;
}

/* What stands between the quotes, \" undone, as sshd undoes it; false if it is not one quoted text. */
static bool unquote(const char *text, size_t len, char *out, size_t size)
{
	if (len < 2 || text[0] != '"' || text[len - 1] != '"')
		return false;
	size_t written = 0;
	for (size_t i = 1; i < len - 1; i++) {
		if (text[i] == '"')
			return false;
		if (text[i] == '\\' && text[i + 1] == '"' && ++i == len - 1)
			return false;
		if (written + 1 >= size)
			return false;
		out[written++] = text[i];
	}
	out[written] = '\0';
	return written > 0;
}

static const char *add_value(struct ssh_options *options, enum ssh_option_value kind,
			     const char *text, size_t len)
{
	if (options->value_count == SSH_OPTIONS_ITEMS_MAX)
		return "there are too many options";
	for (size_t i = 0; i < options->value_count; i++)
		if (options->values[i].kind == kind && !value_names[kind].repeats)
			return "the option is there twice";
	char *out = options->values[options->value_count].text;
	const size_t size = sizeof(options->values[0].text);
	if (!unquote(text, len, out, size))
		return "the value must be 1 to 1024 bytes in one pair of double quotes";
	if (!value_names[kind].valid(out, strlen(out)))
		return value_names[kind].problem;
	options->values[options->value_count++].kind = kind;
	return NULL;
}

const char *ssh_options_add(struct ssh_options *options, const char *text, size_t len)
{
	if (!text_printable(text, len))
		return "an option must be printable ASCII on one line";
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
		if (flag_names[i] != NULL && strcmp(flag_names[i], text) == 0)
			return add_flag(options, i);
	for (size_t i = SSH_OPTION_COMMAND; i < ARRAY_LEN(value_names); i++) {
		const size_t name = strlen(value_names[i].name);
		if (len > name && text[name] == '=' && memcmp(text, value_names[i].name, name) == 0)
			return add_value(options, (enum ssh_option_value)i, text + name + 1,
					 len - name - 1);
	}
	return "is no option that a role may give (restrict, pty, user-rc, port-, agent-, "
	       "X11-forwarding, each no-*, command=\"\", from=\"\", permitopen=\"\", "
	       "permitlisten=\"\")";
}

struct writer {
	char *out;
	size_t size;
	size_t len;
	bool full;
};

static void put(struct writer *writer, const char *text, size_t len)
{
	if (writer->full || len >= writer->size - writer->len) {
		writer->full = true;
		return;
	}
	memcpy(writer->out + writer->len, text, len);
	writer->len += len;
	writer->out[writer->len] = '\0';
}

static void put_value(struct writer *writer, const char *name, const char *text)
{
	put(writer, name, strlen(name));
	put(writer, "=\"", 2);
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '"')
			put(writer, "\\", 1);
		put(writer, at, 1);
	}
	put(writer, "\"", 1);
}

bool ssh_options_format(const struct ssh_options *options, char *out, size_t size)
{
	struct writer writer = { .out = out, .size = size, .full = size == 0 };
	if (options->flags == 0 && options->value_count == 0)
		put(&writer, "restrict", 8);
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
		if ((options->flags & UINT32_C(1) << i) == 0)
			continue;
		put(&writer, ",", writer.len > 0 ? 1 : 0);
		put(&writer, flag_names[i], strlen(flag_names[i]));
	}
	for (size_t i = 0; i < options->value_count; i++) {
		put(&writer, ",", writer.len > 0 ? 1 : 0);
		put_value(&writer, value_names[options->values[i].kind].name,
			  options->values[i].text);
	}
	return !writer.full;
}
