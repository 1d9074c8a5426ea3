/* The log sink and logfmt lines. */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { LOG_TEXT_MAX = 2048 };

/* The one mutable global of the library: where its program wants to read of trouble. */
static const struct log_sink *sink;

static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

void log_set_sink(const struct log_sink *to)
{
	sink = to;
}

void log_write(enum log_level level, const char *format, ...)
{
	if (sink == NULL || level > sink->most)
		return;
	char raw[LOG_TEXT_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	/* The pieces were escaped where they came in; this is for the piece that somebody forgot. */
	for (char *c = raw; *c != '\0'; c++)
		if ((uint8_t)*c < 0x20 || (uint8_t)*c > 0x7e)
			*c = '?';
	sink->write(sink, level, raw);
}

const char *log_level_name(enum log_level level)
{
	return (size_t)level < ARRAY_LEN(names) ? names[level] : "unknown";
}

bool log_level_parse(const char *name, enum log_level *level_out)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*level_out = (enum log_level)i;
		return true;
	}
	return false;
}

void log_line_start(struct log_line *line)
{
	line->len = 0;
	line->text[0] = '\0';
}

static void append(struct log_line *line, const char *text)
{
	const size_t room = sizeof(line->text) - 1 - line->len;
	size_t len = strlen(text);
	if (len > room)
		len = room;
	memcpy(line->text + line->len, text, len);
	line->len += len;
	line->text[line->len] = '\0';
}

void log_line_text(struct log_line *line, const char *key, const char *value, size_t cap)
{
	char escaped[1024];
	const size_t len = strnlen(value, cap);
	(void)text_escape(value, len, escaped, sizeof(escaped));
	/* A quote inside would end the value early for whoever reads the line. */
	for (char *c = escaped; *c != '\0'; c++)
		if (*c == '"')
			*c = '\'';
	const bool quote = escaped[0] == '\0' || strpbrk(escaped, " =") != NULL;
	if (line->len > 0)
		append(line, " ");
	append(line, key);
	append(line, quote ? "=\"" : "=");
	append(line, escaped);
	if (quote)
		append(line, "\"");
}

void log_line_int(struct log_line *line, const char *key, int64_t value)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	log_line_text(line, key, text, sizeof(text));
}
