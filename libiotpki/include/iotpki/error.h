/*
 * Errors: the work could not be done. They are not verdicts: whether a peer is
 * admitted is said by enum iotpki_verdict (decide.h) and nothing else.
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTPKI_PUBLIC __attribute__((visibility("default")))
#define IOTPKI_CHECK_RESULT __attribute__((warn_unused_result))

/** What went wrong. Zero is success, everything else is negative. */
enum iotpki_err {
	IOTPKI_OK = 0,
	IOTPKI_ERR_NOMEM = -1,        /* no memory */
	IOTPKI_ERR_ARGUMENT = -2,     /* the caller broke the contract of the function */
	IOTPKI_ERR_SYNTAX = -3,       /* the input is not of its grammar, or breaks a rule of it */
	IOTPKI_ERR_LIMIT = -4,        /* the input is larger, deeper or longer than its cap */
	IOTPKI_ERR_NOT_FOUND = -5,    /* no such file, entry or name */
	IOTPKI_ERR_EXISTS = -6,       /* it is there already */
	IOTPKI_ERR_PERMISSION = -7,   /* not allowed, or owner and mode are not to be trusted */
	IOTPKI_ERR_IO = -8,           /* the operating system could not read or write */
	IOTPKI_ERR_CRYPTO = -9,       /* a signature is wrong, or the crypto library failed */
	IOTPKI_ERR_MISMATCH = -10,    /* two things that must agree do not */
	IOTPKI_ERR_UNSUPPORTED = -11, /* understood, but this release cannot do it */
	IOTPKI_ERR_TIMEOUT = -12,     /* the time given is over */
	IOTPKI_ERR_UNAVAILABLE = -13, /* the other side cannot be reached */
	IOTPKI_ERR_REFUSED = -14,     /* the other side understood and refused */
	IOTPKI_ERR_INTERNAL = -15,    /* a bug in iotpki */
};

#define IOTPKI_DETAIL_WHERE_MAX 256
#define IOTPKI_DETAIL_MESSAGE_MAX 384

/**
 * Where and why, for people. Filled only by a function that returns an error;
 * any parameter of this type may be NULL.
 */
struct iotpki_detail {
	unsigned int line;                       /* from 1, 0: no line */
	unsigned int column;                     /* from 1, 0: no column */
	char where[IOTPKI_DETAIL_WHERE_MAX];     /* file, node or name; may be empty */
	char message[IOTPKI_DETAIL_MESSAGE_MAX]; /* what is wrong and what to do; printable */
};

/** The meaning of an error in a few words; never NULL, never freed. */
IOTPKI_PUBLIC const char *iotpki_strerror(enum iotpki_err err);

/**
 * "where:line:column: message" of a detail as one printable line, the parts that
 * are not set left out; iotpki_strerror(err) where the detail says nothing.
 * @param out   at least 1 byte; always terminated, cut to size
 */
IOTPKI_PUBLIC void iotpki_err_detail(enum iotpki_err err, const struct iotpki_detail *detail,
				     char *out, size_t size);

/** The version of the library, "MAJOR.MINOR.PATCH"; never freed. */
IOTPKI_PUBLIC const char *iotpki_version(void);

#ifdef __cplusplus
}
#endif
