/* Texts of the errors and the filling of details. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const struct {
	enum iotpki_err err;
	const char *text;
} texts[] = {
	{ IOTPKI_OK, "success" },
	{ IOTPKI_ERR_NOMEM, "out of memory" },
	{ IOTPKI_ERR_ARGUMENT, "invalid argument" },
	{ IOTPKI_ERR_SYNTAX, "malformed input" },
	{ IOTPKI_ERR_LIMIT, "input over its limit" },
	{ IOTPKI_ERR_NOT_FOUND, "not found" },
	{ IOTPKI_ERR_EXISTS, "exists already" },
	{ IOTPKI_ERR_PERMISSION, "owner, mode or permission" },
	{ IOTPKI_ERR_IO, "read or write failed" },
	{ IOTPKI_ERR_CRYPTO, "signature or cryptography failed" },
	{ IOTPKI_ERR_MISMATCH, "two values that must agree do not" },
	{ IOTPKI_ERR_UNSUPPORTED, "not in this release" },
	{ IOTPKI_ERR_TIMEOUT, "timed out" },
	{ IOTPKI_ERR_UNAVAILABLE, "cannot be reached" },
	{ IOTPKI_ERR_REFUSED, "refused by the other side" },
	{ IOTPKI_ERR_INTERNAL, "internal error" },
};

const char *iotpki_strerror(enum iotpki_err err)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].err == err)
			return texts[i].text;
	return "unknown error";
}

const char *iotpki_version(void)
{
	return IOTPKI_VERSION;
}

enum iotpki_err detail_set(struct iotpki_detail *detail, enum iotpki_err err, unsigned int line,
			   unsigned int column, const char *format, ...)
{
	if (detail == NULL)
		return err;

	char raw[IOTPKI_DETAIL_MESSAGE_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);

	detail->line = line;
	detail->column = column;
	detail->where[0] = '\0';
	text_escape(raw, strlen(raw), detail->message, sizeof(detail->message));
	return err;
}

void detail_where(struct iotpki_detail *detail, const char *where)
{
	if (detail == NULL || detail->where[0] != '\0')
		return;
	text_escape(where, strlen(where), detail->where, sizeof(detail->where));
}

void iotpki_err_detail(enum iotpki_err err, const struct iotpki_detail *detail, char *out,
		       size_t size)
{
	if (detail == NULL || detail->message[0] == '\0') {
		(void)snprintf(out, size, "%s", iotpki_strerror(err));
		return;
	}

	char line[16] = "";
	char column[16] = "";
	if (detail->line > 0)
		(void)snprintf(line, sizeof(line), "%u:", detail->line);
	if (detail->line > 0 && detail->column > 0)
		(void)snprintf(column, sizeof(column), "%u:", detail->column);
	const bool placed = detail->where[0] != '\0' || line[0] != '\0';
	(void)snprintf(out, size, "%s%s%s%s%s%s", detail->where, detail->where[0] ? ":" : "", line,
		       column, placed ? " " : "", detail->message);
}
