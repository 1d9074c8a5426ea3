/*
 * A reader of DER (X.690) for structures of known shape: definite lengths in their
 * shortest form, single-byte tags, at most 64 KiB. Anything else ends the walk. It
 * reads in place and copies nothing, so that a certificate costs microseconds.
 */
#pragma once

#include "base/base.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0, /* constructed: explicit tags */
	DER_CONTEXT_3 = 0xa3,
};

/** What is left to read; a content is one too. Points into the input. */
struct der {
	const uint8_t *at;
	size_t left;
};

/** The next element if it has this tag; in moves behind it. False leaves both as they were. */
bool der_take(struct der *in, uint8_t tag, struct der *content_out) MUST_CHECK;
/** The next element whatever its tag; element_out covers its tag and length too. */
bool der_take_any(struct der *in, uint8_t *tag_out, struct der *content_out,
		  struct der *element_out) MUST_CHECK;
/** Whether the next element begins with this tag. */
bool der_next_is(const struct der *in, uint8_t tag);
/** Whether these are the bytes of a known encoding. */
bool der_equal(const struct der *content, const void *data, size_t len);
/** A BIT STRING of whole bytes. */
bool der_take_bits(struct der *in, struct der *bytes_out) MUST_CHECK;
/** An INTEGER in its shortest form; the content keeps its sign byte. */
bool der_take_integer(struct der *in, struct der *content_out) MUST_CHECK;
