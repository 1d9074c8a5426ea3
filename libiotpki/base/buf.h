/*
 * A growing byte buffer with a cap that its maker chooses. A failed append leaves
 * the content as it was and is remembered, so that a chain of appends needs one
 * check at its end (buf_error). The content is wiped when it is released: some
 * buffers hold keys, and no caller should have to know which.
 */
#pragma once

#include "base/base.h"

struct buf {
	uint8_t *data; /* always followed by a NUL byte that len does not count; NULL while empty */
	size_t len;
	size_t size;
	size_t cap; /* most bytes it may ever hold */
	enum iotpki_err err;
};

#define BUF_INIT(cap_bytes)                                                             \
	{                                                                               \
		.data = NULL, .len = 0, .size = 0, .cap = (cap_bytes), .err = IOTPKI_OK \
	}

/** Append; IOTPKI_ERR_LIMIT over the cap, IOTPKI_ERR_NOMEM. The result may be ignored: see buf_error. */
enum iotpki_err buf_put(struct buf *buf, const void *data, size_t len);
enum iotpki_err buf_puts(struct buf *buf, const char *text);
enum iotpki_err buf_putc(struct buf *buf, char c);
enum iotpki_err buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/** The first error of any append, or IOTPKI_OK. */
enum iotpki_err buf_error(const struct buf *buf) MUST_CHECK;
/** The content as a string; "" while empty. Valid until the next append. */
const char *buf_text(const struct buf *buf);
/** Forget the content (wiped) and the error, keep the memory. */
void buf_clear(struct buf *buf);
/** Wipe and release; the buffer may be used again. For CLEANUP(buf_done). */
void buf_done(struct buf *buf);
