/*
 * The few macros that every file may use. Owned locals carry CLEANUP(); ownership
 * leaves a function by STEAL() alone, so that no exit path lists frees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <iotpki/error.h>

#define CLEANUP(function) __attribute__((cleanup(function)))
#define STEAL(pointer)                                   \
	__extension__({                                  \
		__typeof__(pointer) stolen_ = (pointer); \
		(pointer) = NULL;                        \
		stolen_;                                 \
	})
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#define MUST_CHECK IOTPKI_CHECK_RESULT

static inline void freep(void *pointer)
{
	void **p = pointer;
	free(*p);
	*p = NULL;
}
/** An owned pointer from malloc, freed at the end of its scope. */
#define AUTO_FREE CLEANUP(freep)

/**
 * Fill a detail and return err, so that a parser can say
 *   return detail_set(detail, IOTPKI_ERR_SYNTAX, line, column, "...");
 * The text is made printable (control, non-ASCII and backslash bytes become \xNN)
 * and capped; detail may be NULL.
 */
enum iotpki_err detail_set(struct iotpki_detail *detail, enum iotpki_err err, unsigned int line,
			   unsigned int column, const char *format, ...) PRINTF_LIKE(5, 6);
/** Name the file, node or name that a detail speaks of, if none is named yet. */
void detail_where(struct iotpki_detail *detail, const char *where);
