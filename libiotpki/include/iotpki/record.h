/*
 * The value that a name holds in the NVS (design 5, EMCSSL's convention):
 *   sha256=<64 hex>[|ssh=SHA256:<43 base64>][|status=revoked][|ex=<unix seconds>][|<future>=<...>]
 * Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <iotpki/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTPKI_SHA256_LEN 32
#define IOTPKI_NAME_MAX 64     /* bytes of a name, without its prefix */
#define IOTPKI_NVS_NAME_MAX 96 /* bytes of a name with its prefix */
#define IOTPKI_VALUE_MAX 520   /* bytes of a value: Namecoin's limit */
#define IOTPKI_VALUE_LEDGER_MAX \
	505 /* bytes that iotpki-bnode takes, so that "|status=revoked" always fits */

/** A parsed value. */
struct iotpki_record {
	uint8_t sha256[IOTPKI_SHA256_LEN]; /* SHA-256 of the certificate's DER */
	bool has_ssh;
	uint8_t ssh[IOTPKI_SHA256_LEN]; /* fingerprint of an ssh key: SHA-256 of its blob */
	bool revoked;
	bool has_ex;
	int64_t ex_s; /* the owner's own end of it, unix seconds; the earlier of this and the NVS's end counts */
};

/** Whether these bytes are a name: [a-z0-9][a-z0-9._-]{0,63}, without prefix. */
IOTPKI_PUBLIC bool iotpki_name_valid(const char *name, size_t len);

/**
 * Parse a value. Unknown fields are skipped; a malformed or duplicate known one refuses the whole.
 * @param record_out  all zero unless IOTPKI_OK
 * @return IOTPKI_ERR_SYNTAX (detail has the column), IOTPKI_ERR_LIMIT over IOTPKI_VALUE_MAX
 */
IOTPKI_PUBLIC enum iotpki_err iotpki_record_parse(const char *value, size_t len,
						  struct iotpki_record *record_out,
						  struct iotpki_detail *detail) IOTPKI_CHECK_RESULT;

/**
 * The value of a record, fields in the order sha256, ssh, status, ex.
 * @param out  terminated; IOTPKI_VALUE_MAX + 1 bytes are enough for any record
 * @return IOTPKI_ERR_LIMIT if size is too small
 */
IOTPKI_PUBLIC enum iotpki_err iotpki_record_format(const struct iotpki_record *record, char *out,
						   size_t size) IOTPKI_CHECK_RESULT;

#ifdef __cplusplus
}
#endif
