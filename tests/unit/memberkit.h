/*
 * Entries of members.yaml for tests and benchmarks, a hundred thousand a second: the
 * certificates have every part that the walk reads, their keys and signatures are made-up bytes.
 */
#pragma once

#include <iotpki/cert.h>

#include "base/buf.h"

struct memberkit {
	char name[IOTPKI_NAME_MAX + 1];
	uint8_t der[1024];
	size_t der_len;
	char pem[1600];
	char sha256[2 * IOTPKI_SHA256_LEN + 1];
	char key[IOTPKI_SSHKEY_TEXT_SIZE];
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	struct iotpki_cert cert;
};

/** A certificate for a name; seed chooses its key. */
void memberkit_make(struct memberkit *kit, const char *name, unsigned int seed);
/** A UUID from a number. */
void memberkit_uuid(unsigned int number, char out[static 37]);
/** "  - name: ..." to the certificate, role as given, expires 2027-06-30; extra: further lines, or "". */
void memberkit_put_entry(const struct memberkit *kit, const char *role, const char *extra,
			 struct buf *out);
/** The usual entry of number: UUID, label, role operator, one registration. */
void memberkit_put_numbered(unsigned int number, struct buf *out);
/** Version and the roles operator and peer. */
extern const char memberkit_head[];
