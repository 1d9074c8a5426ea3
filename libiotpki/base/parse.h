/*
 * The small strict grammars that everything else is made of: lower-case hex,
 * RFC 4648 base64, decimal integers, RFC 3339 UTC times, durations. Each accepts one spelling
 * of a value, so that what is printed again is what was read. Pure; no locale.
 */
#pragma once

#include "base/base.h"

/** Exactly out_len bytes from 2 * out_len lower-case hex digits; false if it is anything else. */
bool hex_decode(const char *text, size_t len, uint8_t *out, size_t out_len) MUST_CHECK;
/** Lower-case hex; out holds 2 * len + 1 bytes. */
void hex_encode(const uint8_t *data, size_t len, char *out);

#define BASE64_ENCODED_SIZE(len) ((((len) + 2) / 3) * 4 + 1)
/**
 * RFC 4648 base64 without white space; unused bits must be zero. padded: '=' must be there
 * (else must not be). *out_len is the size of out before, the bytes written after.
 */
bool base64_decode(const char *text, size_t len, bool padded, uint8_t *out,
		   size_t *out_len) MUST_CHECK;
/** out holds BASE64_ENCODED_SIZE(len) bytes. Returns the length of the text. */
size_t base64_encode(const uint8_t *data, size_t len, bool padded, char *out);

/** Decimal digits alone: no sign, no leading zero (but "0"), at most max. */
bool uint_parse(const char *text, size_t len, uint64_t max, uint64_t *out) MUST_CHECK;
/** "2027-06-30T00:00:00Z" (RFC 3339, UTC, no fraction, years 1970 to 9999) to unix seconds. */
bool time_parse(const char *text, size_t len, int64_t *unix_s_out) MUST_CHECK;
#define TIME_TEXT_SIZE 21
/** The same back; years outside 1970 to 9999 are cut to the nearest end. */
void time_format(int64_t unix_s, char out[static TIME_TEXT_SIZE]);
/** "1500ms", "30s", "5m", "4h", "30d" to milliseconds; a bare number is refused. At most max_ms. */
bool duration_parse(const char *text, size_t len, uint64_t max_ms, uint64_t *ms_out) MUST_CHECK;

/**
 * Text from outside made safe for a terminal or a log: bytes other than printable ASCII, and the
 * backslash, become \xNN. Cut to size (always terminated). Returns the length written.
 */
size_t text_escape(const char *text, size_t len, char *out, size_t size);
/** All bytes printable ASCII (0x20 to 0x7e). */
bool text_printable(const char *text, size_t len);
