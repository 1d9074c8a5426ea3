/*
 * Strict JSON (RFC 8259) over jansson, for whatever another machine wrote: capped,
 * at most 16 deep, no duplicate keys, no NUL, strict UTF-8, nothing trailing, and
 * only integers where an integer belongs. Says where an error is; never echoes
 * what it read.
 */
#pragma once

#include "base/buf.h"

struct json_t; /* jansson's value; only json.c includes its header */

#define JSON_ANSWER_MAX ((size_t)64 * 1024)    /* bytes of a node's answer (security.md 3.2) */
#define JSON_DEPTH_MAX 16                      /* objects and arrays inside each other */
#define JSON_TIME_MAX INT64_C(253402300799)    /* 9999-12-31T23:59:59Z, the last time that is one */
#define JSON_INT_MAX INT64_C(9007199254740991) /* 2^53 - 1: what every JSON reader can hold */

/**
 * Read one object or array.
 * @param cap       most bytes that are read
 * @param root_out  release with json_release(); NULL unless IOTPKI_OK
 * @return IOTPKI_ERR_LIMIT (cap, depth), IOTPKI_ERR_SYNTAX, IOTPKI_ERR_NOMEM; the detail has line,
 *         column (bytes) and the byte offset
 */
enum iotpki_err json_read(const char *text, size_t len, size_t cap, struct json_t **root_out,
			  struct iotpki_detail *detail) MUST_CHECK;
/** For CLEANUP(): drops the whole tree; a NULL one too. */
void json_release(struct json_t **root);

enum json_kind {
	JSON_TEXT, /* const char *, min to max bytes, no NUL inside; lives as long as the tree */
	JSON_INT,  /* int64_t from min to max; 1.0, 1e3 and -0 are not integers here */
	JSON_BOOL, /* bool */
	JSON_HASH, /* uint8_t[32] from 64 lower-case hex digits */
	JSON_OBJECT_VALUE, /* const struct json_t * */
	JSON_ARRAY_VALUE,  /* const struct json_t *, min to max elements */
};

/** One member of an object and where it goes in the caller's structure. */
struct json_field {
	const char *key;
	enum json_kind kind;
	bool optional; /* absent: the structure keeps what it had. null is not absent. */
	int64_t min, max;
	size_t offset;
};

/**
 * Read members of an object by a table. Members that the table does not name are left alone.
 * @return IOTPKI_ERR_SYNTAX: not an object, or a member is missing, of another type or out of range
 */
enum iotpki_err json_fields(const struct json_t *object, const struct json_field *fields,
			    size_t count, void *out, struct iotpki_detail *detail) MUST_CHECK;

/** A member of an object, or NULL: there is none, or this is not an object. */
const struct json_t *json_member(const struct json_t *object, const char *key);
bool json_is_null_value(const struct json_t *value);
/** An element of an array, or NULL beyond its end. */
const struct json_t *json_element(const struct json_t *array, size_t index);

/** Append the value as compact JSON. IOTPKI_ERR_LIMIT over the buffer's cap. */
enum iotpki_err json_write(const struct json_t *value, struct buf *buf) MUST_CHECK;
/** Append text as a JSON string, quotes included; bytes over 0x7e go as they are (they must be UTF-8). */
void json_put_text(struct buf *buf, const char *text);
