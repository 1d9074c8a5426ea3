/*
 * The walk through a certificate (RFC 5280 4.1): one pass over the DER without
 * allocation. It stands beside OpenSSL's parser because that one costs 110 us a
 * certificate, 11 s for a list of 100,000, and takes forms that are not DER.
 * Whether an EC point lies on its curve is not checked here (it would double the cost
 * of loading a list): iotpki_sshkey_parse of what a peer offers, and iotpki_cert_check, do.
 */
#include "format/cert.h"

#include <string.h>

#include "base/digest.h"
#include "base/parse.h"
#include "format/sshkey.h"

enum {
	SERIAL_MAX = 20, /* bytes, RFC 5280 4.1.2.2 */
	EXTENSIONS_MAX = 32,
};

static const uint8_t oid_common_name[] = { 0x55, 0x04, 0x03 };

struct walk {
	const uint8_t *start;
	struct iotpki_detail *detail;
};

static enum iotpki_err bad(const struct walk *walk, const struct der *where, const char *what)
{
	return detail_set(walk->detail, IOTPKI_ERR_SYNTAX, 0, 0,
			  "the certificate is malformed at byte %zu: %s",
			  (size_t)(where->at - walk->start), what);
}

static enum iotpki_err walk_version(const struct walk *walk, struct der *tbs)
{
	struct der explicit, version;
	const struct der before = *tbs;
	if (!der_take(tbs, DER_CONTEXT_0, &explicit) || !der_take_integer(&explicit, &version) ||
	    explicit.left != 0 || !der_equal(&version, "\x02", 1))
		return bad(walk, &before, "not version 3");
	return IOTPKI_OK;
}

static enum iotpki_err walk_serial(const struct walk *walk, struct der *tbs)
{
	struct der serial;
	const struct der before = *tbs;
	if (!der_take_integer(tbs, &serial) || serial.left > SERIAL_MAX || serial.at[0] >= 0x80 ||
	    der_equal(&serial, "", 1))
		return bad(walk, &before,
			   "serial number is not a positive number of at most 20 bytes");
	return IOTPKI_OK;
}

/* One SET OF AttributeTypeAndValue. */
static enum iotpki_err walk_attributes(const struct walk *walk, struct der set,
				       struct iotpki_cert *cert)
{
	while (set.left > 0) {
		struct der attribute, oid, value, element;
		uint8_t tag;
		const struct der before = set;
		if (!der_take(&set, DER_SEQUENCE, &attribute) ||
		    !der_take(&attribute, DER_OID, &oid) ||
		    !der_take_any(&attribute, &tag, &value, &element) || attribute.left != 0)
			return bad(walk, &before, "attribute of the subject");
		if (!der_equal(&oid, oid_common_name, sizeof(oid_common_name)))
			continue;
		if (cert->name[0] != '\0')
			return bad(walk, &before, "second common name");
		if (tag != DER_UTF8_STRING && tag != DER_PRINTABLE_STRING)
			return bad(walk, &before,
				   "common name is not a UTF8String or PrintableString");
		if (!iotpki_name_valid((const char *)value.at, value.left))
			return bad(walk, &before,
				   "common name is not a name: [a-z0-9][a-z0-9._-]{0,63}");
		memcpy(cert->name, value.at, value.left);
	}
	return IOTPKI_OK;
}

static enum iotpki_err walk_subject(const struct walk *walk, struct der name,
				    struct iotpki_cert *cert)
{
	const struct der whole = name;
	while (name.left > 0) {
		struct der set;
		const struct der before = name;
		if (!der_take(&name, DER_SET, &set) || set.left == 0)
			return bad(walk, &before, "part of the subject");
		const enum iotpki_err err = walk_attributes(walk, set, cert);
		if (err != IOTPKI_OK)
			return err;
	}
	return cert->name[0] != '\0' ? IOTPKI_OK : bad(walk, &whole, "no common name");
}

/* RFC 5280 4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050, seconds and Z in both. */
static bool take_time(struct der *in, int64_t *unix_s_out)
{
	struct der time;
	const bool utc = der_next_is(in, DER_UTC_TIME);
	if (!der_take(in, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, &time) ||
	    time.left != (utc ? 13 : 15))
		return false;
	char digits[15];
	if (utc)
		memcpy(digits, time.at[0] >= '5' ? "19" : "20", 2);
	memcpy(digits + (utc ? 2 : 0), time.at, time.left);
	if (!utc && memcmp(digits, "2050", 4) < 0)
		return false;

	char text[] = "YYYY-MM-DDTHH:MM:SSZ";
	static const uint8_t places[] = { 0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 19 };
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		text[places[i]] = digits[i];
	return time_parse(text, strlen(text), unix_s_out);
}

static enum iotpki_err walk_validity(const struct walk *walk, struct der *tbs,
				     struct iotpki_cert *cert)
{
	struct der validity;
	const struct der before = *tbs;
	if (!der_take(tbs, DER_SEQUENCE, &validity) || !take_time(&validity, &cert->not_before_s) ||
	    !take_time(&validity, &cert->not_after_s) || validity.left != 0)
		return bad(walk, &before, "validity");
	if (cert->not_before_s >= cert->not_after_s)
		return bad(walk, &before, "validity ends before it begins");
	return IOTPKI_OK;
}

/* Their framing alone; what they say is the full check's. */
static enum iotpki_err walk_extensions(const struct walk *walk, struct der *tbs,
				       struct der *extensions_out)
{
	*extensions_out = (struct der){ tbs->at, 0 };
	if (tbs->left == 0)
		return IOTPKI_OK;
	struct der explicit, list;
	const struct der before = *tbs;
	if (!der_take(tbs, DER_CONTEXT_3, &explicit) || !der_take(&explicit, DER_SEQUENCE, &list) ||
	    explicit.left != 0 || list.left == 0 || tbs->left != 0)
		return bad(walk, &before, "extensions");
	*extensions_out = list;
	unsigned int count = 0;
	while (list.left > 0) {
		struct der extension;
		const struct der at = list;
		if (!der_take(&list, DER_SEQUENCE, &extension))
			return bad(walk, &at, "extension");
		if (++count > EXTENSIONS_MAX)
			return bad(walk, &at, "too many extensions");
	}
	return IOTPKI_OK;
}

/* Version to validity; the issuer's element is left for the comparison with the subject. */
static enum iotpki_err walk_head(const struct walk *walk, struct der *tbs, const struct der *outer,
				 struct iotpki_cert *cert, struct der *issuer_out)
{
	enum iotpki_err err = walk_version(walk, tbs);
	if (err == IOTPKI_OK)
		err = walk_serial(walk, tbs);
	if (err != IOTPKI_OK)
		return err;

	struct der content, algorithm;
	uint8_t tag;
	const struct der before = *tbs;
	if (!der_take_any(tbs, &tag, &content, &algorithm) || tag != DER_SEQUENCE)
		return bad(walk, &before, "signature algorithm");
	if (!der_equal(outer, algorithm.at, algorithm.left))
		return bad(walk, &before, "two different signature algorithms");
	const struct der at_issuer = *tbs;
	if (!der_take_any(tbs, &tag, &content, issuer_out) || tag != DER_SEQUENCE)
		return bad(walk, &at_issuer, "issuer");
	return walk_validity(walk, tbs, cert);
}

/* What was signed. */
static enum iotpki_err walk_tbs(const struct walk *walk, struct der tbs, struct iotpki_cert *cert,
				struct cert_parts *parts)
{
	struct der issuer, subject, content;
	uint8_t tag;
	enum iotpki_err err = walk_head(walk, &tbs, &parts->algorithm, cert, &issuer);
	if (err != IOTPKI_OK)
		return err;

	const struct der at_subject = tbs;
	if (!der_take_any(&tbs, &tag, &content, &subject) || tag != DER_SEQUENCE)
		return bad(walk, &at_subject, "subject");
	if (!der_equal(&issuer, subject.at, subject.left))
		return bad(walk, &at_subject, "not self-signed: issuer and subject differ");
	err = walk_subject(walk, content, cert);
	if (err != IOTPKI_OK)
		return err;

	const struct der at_key = tbs;
	if (!der_take_any(&tbs, &tag, &content, &parts->spki) || tag != DER_SEQUENCE)
		return bad(walk, &at_key, "public key");
	err = sshkey_read_spki(parts->spki.at, parts->spki.left, SSHKEY_STRUCTURE, &cert->key,
			       walk->detail);
	if (err != IOTPKI_OK)
		return err;
	return walk_extensions(walk, &tbs, &parts->extensions);
}

static enum iotpki_err walk_outer(const struct walk *walk, struct der in, struct iotpki_cert *cert,
				  struct cert_parts *parts)
{
	const struct der whole = in;
	struct der certificate, tbs, content, signature;
	uint8_t tag;
	if (!der_take(&in, DER_SEQUENCE, &certificate))
		return bad(walk, &whole, "not a DER SEQUENCE, or cut off");
	if (in.left != 0)
		return bad(walk, &in, "bytes after the certificate");
	const struct der at_tbs = certificate;
	if (!der_take(&certificate, DER_SEQUENCE, &tbs))
		return bad(walk, &at_tbs, "signed part");
	const struct der at_algorithm = certificate;
	if (!der_take_any(&certificate, &tag, &content, &parts->algorithm) || tag != DER_SEQUENCE)
		return bad(walk, &at_algorithm, "signature algorithm");
	const struct der at_signature = certificate;
	if (!der_take_bits(&certificate, &signature) || certificate.left != 0)
		return bad(walk, &at_signature, "signature");
	return walk_tbs(walk, tbs, cert, parts);
}

enum iotpki_err cert_walk(const uint8_t *der, size_t len, struct iotpki_cert *cert_out,
			  struct cert_parts *parts_out, struct iotpki_detail *detail)
{
	memset(cert_out, 0, sizeof(*cert_out));
	if (len > IOTPKI_CERT_DER_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the certificate is larger than %d bytes", IOTPKI_CERT_DER_MAX);
	const struct walk walk = { der, detail };
	struct cert_parts parts = { .algorithm = { der, 0 } };
	enum iotpki_err err = walk_outer(&walk, (struct der){ der, len }, cert_out, &parts);
	if (err == IOTPKI_OK)
		err = sha256(der, len, cert_out->sha256);
	if (err == IOTPKI_OK)
		err = sha256(parts.spki.at, parts.spki.left, cert_out->spki_sha256);
	if (err != IOTPKI_OK) {
		memset(cert_out, 0, sizeof(*cert_out));
		return err;
	}
	*parts_out = parts;
	return IOTPKI_OK;
}

enum iotpki_err iotpki_cert_walk(const uint8_t *der, size_t len, struct iotpki_cert *cert_out,
				 struct iotpki_detail *detail)
{
	struct cert_parts parts;
	return cert_walk(der, len, cert_out, &parts, detail);
}
