/*
 * The sink that a program sets. The library itself never logs above debug, but for a
 * credentials file (nvs/credentials.c), once for each change; the program logs a failure once,
 * where it decides. Without a sink nothing is written.
 */
#pragma once

#include "base/base.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

struct log_sink {
	/* One event, one line, no newline; text is printable already. */
	void (*write)(const struct log_sink *sink, enum log_level level, const char *line);
	enum log_level most; /* events above this level are dropped */
};

/** Set once at start; NULL for none. Not thread-safe. */
void log_set_sink(const struct log_sink *sink);
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/** "error", "warning", ...; and back, false if it is none of them. */
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level_out);

/*
 * Logfmt: key=value pairs on one line (design 13). A value with a space, quote or '=' is quoted;
 * outside text is escaped and capped.
 */
struct log_line {
	size_t len;
	char text[2048]; /* cut, never over */
};
void log_line_start(struct log_line *line);
void log_line_text(struct log_line *line, const char *key, const char *value, size_t cap);
void log_line_int(struct log_line *line, const char *key, int64_t value);
