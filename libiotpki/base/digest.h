/* SHA-256, the one digest of the system; the only place that knows how the crypto library spells it. */
#pragma once

#include "base/base.h"

#define SHA256_LEN 32

/** SHA-256 of one piece. Cannot fail but by IOTPKI_ERR_CRYPTO or IOTPKI_ERR_NOMEM. */
enum iotpki_err sha256(const void *data, size_t len, uint8_t out[static SHA256_LEN]) MUST_CHECK;
/** SHA-256 of several pieces one after the other. */
struct digest_part {
	const void *data;
	size_t len;
};
enum iotpki_err sha256_parts(const struct digest_part *parts, size_t count,
			     uint8_t out[static SHA256_LEN]) MUST_CHECK;

/** SHA-256 of what comes piece by piece. A failure is remembered: check sha256_end alone. */
struct sha256_stream;
enum iotpki_err sha256_begin(struct sha256_stream **stream_out) MUST_CHECK;
void sha256_more(struct sha256_stream *stream, const void *data, size_t len);
/** May be called once; the stream is still to be freed. */
enum iotpki_err sha256_end(struct sha256_stream *stream, uint8_t out[static SHA256_LEN]) MUST_CHECK;
void sha256_freep(struct sha256_stream **stream);
