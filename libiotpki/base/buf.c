/* The growing buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUF_FIRST_SIZE = 128 };

static enum iotpki_err fail(struct buf *buf, enum iotpki_err err)
{
	if (buf->err == IOTPKI_OK)
		buf->err = err;
	return err;
}

/* Not realloc: it would leave the old bytes, which may be a key, behind in the heap. */
static enum iotpki_err grow(struct buf *buf, size_t len)
{
	if (len > buf->cap || buf->len > buf->cap - len)
		return fail(buf, IOTPKI_ERR_LIMIT);
	const size_t need = buf->len + len + 1;
	if (need <= buf->size)
		return IOTPKI_OK;

	size_t size = buf->size > 0 ? buf->size : BUF_FIRST_SIZE;
	while (size < need)
		size = size > SIZE_MAX / 2 ? need : size * 2;
	if (size > buf->cap + 1)
		size = buf->cap + 1;
	uint8_t *data = malloc(size);
	if (data == NULL)
		return fail(buf, IOTPKI_ERR_NOMEM);
	if (buf->data != NULL) {
		memcpy(data, buf->data, buf->len + 1);
		explicit_bzero(buf->data, buf->size);
		free(buf->data);
	}
	buf->data = data;
	buf->size = size;
	return IOTPKI_OK;
}

enum iotpki_err buf_put(struct buf *buf, const void *data, size_t len)
{
	if (buf->err != IOTPKI_OK)
		return buf->err;
	const enum iotpki_err err = grow(buf, len);
	if (err != IOTPKI_OK)
		return err;
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return IOTPKI_OK;
}

enum iotpki_err buf_puts(struct buf *buf, const char *text)
{
	return buf_put(buf, text, strlen(text));
}

enum iotpki_err buf_putc(struct buf *buf, char c)
{
	return buf_put(buf, &c, 1);
}

enum iotpki_err buf_printf(struct buf *buf, const char *format, ...)
{
	if (buf->err != IOTPKI_OK)
		return buf->err;

	va_list args;
	va_start(args, format);
	const int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return fail(buf, IOTPKI_ERR_INTERNAL);
	const enum iotpki_err err = grow(buf, (size_t)len);
	if (err != IOTPKI_OK)
		return err;

	va_start(args, format);
	(void)vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
	return IOTPKI_OK;
}

enum iotpki_err buf_error(const struct buf *buf)
{
	return buf->err;
}

const char *buf_text(const struct buf *buf)
{
	return buf->data != NULL ? (const char *)buf->data : "";
}

void buf_clear(struct buf *buf)
{
	if (buf->data != NULL)
		explicit_bzero(buf->data, buf->size);
	buf->len = 0;
	buf->err = IOTPKI_OK;
}

void buf_done(struct buf *buf)
{
	buf_clear(buf);
	free(buf->data);
	buf->data = NULL;
	buf->size = 0;
}
