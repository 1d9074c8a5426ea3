/*
 * The extensions of a certificate (RFC 5280 4.2): an end entity that signs, with the
 * name that its subject has. Read by our own walk: what is critical and not understood
 * refuses the certificate, whatever a crypto library may know about it.
 */
#include <stdio.h>
#include <string.h>

#include "format/cert.h"

static const uint8_t oid_key_usage[] = { 0x55, 0x1d, 0x0f };
static const uint8_t oid_alt_name[] = { 0x55, 0x1d, 0x11 };
static const uint8_t oid_constraints[] = { 0x55, 0x1d, 0x13 };

enum {
	USAGE_DIGITAL_SIGNATURE = 0x80, /* bit 0 of the first byte */
	USAGE_CERT_SIGN = 0x04,         /* bit 5 */
	USAGE_CRL_SIGN = 0x02,          /* bit 6 */
	NAME_DNS = 0x82,
	NAME_URI = 0x86,
	EXTENSIONS_MAX = 32, /* the walk takes no more */
};

bool cert_name_is_uuid(const char *name)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	if (strlen(name) != strlen(form))
		return false;
	for (size_t i = 0; form[i] != '\0'; i++) {
		const bool digit =
			(name[i] >= '0' && name[i] <= '9') || (name[i] >= 'a' && name[i] <= 'f');
		if (form[i] == '-' ? name[i] != '-' : !digit)
			return false;
	}
	return true;
}

struct check {
	const char *name;
	struct iotpki_detail *detail;
};

static enum iotpki_err refuse(const struct check *check, const char *why)
{
	return detail_set(check->detail, IOTPKI_ERR_SYNTAX, 0, 0, "the certificate %s", why);
}

/* CA:FALSE is an empty SEQUENCE: DER leaves a default out. */
static enum iotpki_err check_constraints(const struct check *check, struct der value)
{
	struct der content;
	if (!der_take(&value, DER_SEQUENCE, &content) || value.left != 0)
		return refuse(check, "has malformed basicConstraints");
	if (content.left != 0)
		return refuse(check, "is of a certification authority, not CA:FALSE");
	return IOTPKI_OK;
}

static enum iotpki_err check_usage(const struct check *check, struct der value)
{
	struct der bits;
	if (!der_take(&value, DER_BIT_STRING, &bits) || value.left != 0 || bits.left < 2 ||
	    bits.left > 3 || bits.at[0] > 7)
		return refuse(check, "has malformed keyUsage");
	/* X.690 11.2: unused bits are zero, and the last used one is set. */
	const uint8_t last = bits.at[bits.left - 1];
	if ((last & ((1U << bits.at[0]) - 1)) != 0 || (last & (1U << bits.at[0])) == 0)
		return refuse(check, "has keyUsage that is not DER");
	if ((bits.at[1] & USAGE_DIGITAL_SIGNATURE) == 0)
		return refuse(check, "is not for digitalSignature");
	if ((bits.at[1] & (USAGE_CERT_SIGN | USAGE_CRL_SIGN)) != 0)
		return refuse(check, "may sign certificates or CRLs");
	return IOTPKI_OK;
}

/* One name, the subject's: urn:uuid: of a UUID (design 5), else its DNS form. */
static enum iotpki_err check_alt_name(const struct check *check, struct der value)
{
	struct der names, name, element;
	uint8_t tag;
	if (!der_take(&value, DER_SEQUENCE, &names) || value.left != 0 ||
	    !der_take_any(&names, &tag, &name, &element))
		return refuse(check, "has a malformed subjectAltName");
	char want[IOTPKI_NAME_MAX + sizeof("urn:uuid:")];
	const bool uuid = cert_name_is_uuid(check->name);
	(void)snprintf(want, sizeof(want), "%s%s", uuid ? "urn:uuid:" : "", check->name);
	if (names.left != 0 || tag != (uuid ? NAME_URI : NAME_DNS) ||
	    !der_equal(&name, want, strlen(want)))
		return detail_set(check->detail, IOTPKI_ERR_MISMATCH, 0, 0,
				  "the certificate's subjectAltName is not the one %s %s",
				  uuid ? "URI" : "DNS name", want);
	return IOTPKI_OK;
}

static const struct known {
	const uint8_t *oid;
	size_t oid_len;
	enum iotpki_err (*check)(const struct check *check, struct der value);
	const char *missing; /* what to say if it is not there; NULL: may be missing */
} known[] = {
	{ oid_constraints, sizeof(oid_constraints), check_constraints,
	  "has no basicConstraints CA:FALSE" },
	{ oid_key_usage, sizeof(oid_key_usage), check_usage, "has no keyUsage digitalSignature" },
	{ oid_alt_name, sizeof(oid_alt_name), check_alt_name, NULL },
};

/* One extension; *critical_out as it says, default FALSE. */
static bool take_extension(struct der *list, struct der *oid, bool *critical_out, struct der *value)
{
	struct der extension, flag;
	if (!der_take(list, DER_SEQUENCE, &extension) || !der_take(&extension, DER_OID, oid))
		return false;
	*critical_out = der_take(&extension, DER_BOOLEAN, &flag);
	/* X.690 11.1, 11.5: TRUE is ff, and FALSE, the default, is not written. */
	if (*critical_out && !der_equal(&flag, "\xff", 1))
		return false;
	return der_take(&extension, DER_OCTET_STRING, value) && extension.left == 0;
}

static bool seen_before(const struct der *seen, size_t count, const struct der *oid)
{
	for (size_t i = 0; i < count; i++)
		if (der_equal(oid, seen[i].at, seen[i].left))
			return true;
	return false;
}

static enum iotpki_err check_one(const struct check *check, const struct der *oid, bool critical,
				 const struct der *value, unsigned int *found)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!der_equal(oid, known[i].oid, known[i].oid_len))
			continue;
		*found |= 1U << i;
		return known[i].check(check, *value);
	}
	return critical ? refuse(check, "has a critical extension that is not understood")
			: IOTPKI_OK;
}

static enum iotpki_err check_present(const struct check *check, unsigned int found)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].missing != NULL && (found & 1U << i) == 0)
			return refuse(check, known[i].missing);
	if (cert_name_is_uuid(check->name) && (found & 1U << 2) == 0)
		return refuse(check, "has a UUID for its name and no subjectAltName urn:uuid:");
	return IOTPKI_OK;
}

enum iotpki_err cert_check_extensions(const struct der *extensions, const char *name,
				      struct iotpki_detail *detail)
{
	const struct check check = { name, detail };
	struct der list = *extensions;
	struct der seen[EXTENSIONS_MAX];
	size_t count = 0;
	unsigned int found = 0;
	while (list.left > 0) {
		struct der oid, value;
		bool critical;
		if (count == EXTENSIONS_MAX || !take_extension(&list, &oid, &critical, &value))
			return refuse(&check, "has a malformed extension");
		if (seen_before(seen, count, &oid))
			return refuse(&check, "has one extension twice");
		seen[count++] = oid;
		const enum iotpki_err err = check_one(&check, &oid, critical, &value, &found);
		if (err != IOTPKI_OK)
			return err;
	}
	return check_present(&check, found);
}
