/* The kernel's randomness. */
#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/parse.h"

static enum iotpki_err system_fill(const struct random_source *source, void *out, size_t len)
{
	(void)source;
	uint8_t *at = out;
	while (len > 0) {
		const ssize_t got = getrandom(at, len, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return IOTPKI_ERR_IO;
		at += got;
		len -= (size_t)got;
	}
	return IOTPKI_OK;
}

const struct random_source *random_system(void)
{
	static const struct random_source source = { system_fill };
	return &source;
}

enum iotpki_err random_uuid(const struct random_source *source, char out[static 37])
{
	uint8_t raw[16];
	const enum iotpki_err err = source->fill(source, raw, sizeof(raw));
	if (err != IOTPKI_OK)
		return err;
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);

	static const uint8_t groups[] = { 4, 2, 2, 2, 6 };
	const uint8_t *from = raw;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		hex_encode(from, groups[i], out);
		from += groups[i];
		out += 2 * groups[i];
		*out++ = i + 1 < ARRAY_LEN(groups) ? '-' : '\0';
	}
	return IOTPKI_OK;
}
