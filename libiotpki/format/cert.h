/* Inside of the certificate code: the parts that the walk finds, for the full check. */
#pragma once

#include <iotpki/cert.h>

#include "base/base.h"
#include "format/der.h"

/** Places in the DER that was walked; they live as long as it. */
struct cert_parts {
	struct der algorithm;  /* AlgorithmIdentifier, whole element; inner and outer are equal */
	struct der spki;       /* whole element */
	struct der extensions; /* content of the SEQUENCE OF Extension; empty: none */
};

/** iotpki_cert_walk, and where the parts stand; parts_out is written on IOTPKI_OK. */
enum iotpki_err cert_walk(const uint8_t *der, size_t len, struct iotpki_cert *cert_out,
			  struct cert_parts *parts_out, struct iotpki_detail *detail) MUST_CHECK;

/** What the extensions must say of a certificate with this name (cert_extensions.c). */
enum iotpki_err cert_check_extensions(const struct der *extensions, const char *name,
				      struct iotpki_detail *detail) MUST_CHECK;
/** Whether a name is a UUID in its text form (RFC 4122, lower case). */
bool cert_name_is_uuid(const char *name);
