/* DER of transactions by template: see tx_der.h. */
#include "identity/tx_der.h"

#include <string.h>

enum {
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OCTET_STRING = 0x04,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_0 = 0xa0, /* [0], constructed */
	NESTING_MAX = 24,
};

#define OID_SHA256 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01
#define OID_DATA 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01
#define OID_SIGNED_DATA 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02
#define OID_CONTENT_TYPE 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03
#define OID_MESSAGE_DIGEST 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04
/* Parameters absent, as RFC 5754 asks for both. */
#define ALGORITHM_SHA256 0x30, 0x0b, OID_SHA256
#define ALGORITHM_ECDSA_SHA256 \
	0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02
#define VERSION_3 0x02, 0x01, 0x03 /* RFC 5652 5.1, 5.3: a signer named by its key id */

static const uint8_t signed_data[] = { OID_SIGNED_DATA };
static const uint8_t version_digests[] = { VERSION_3, TAG_SET, 0x0d, ALGORITHM_SHA256 };
static const uint8_t data[] = { OID_DATA };
static const uint8_t version_key_id[] = { VERSION_3, 0x80, TX_KEY_ID_LEN };
/* contentType = data, then messageDigest up to its 32 bytes; the order is that of DER. */
static const uint8_t digest_attributes[] = {
	ALGORITHM_SHA256, TAG_0, TX_ATTRIBUTES_LEN - 2,
	TAG_SEQUENCE,     0x18,  OID_CONTENT_TYPE,
	TAG_SET,          0x0b,  OID_DATA,
	TAG_SEQUENCE,     0x2f,  OID_MESSAGE_DIGEST,
	TAG_SET,          0x22,  TAG_OCTET_STRING,
	SHA256_LEN,
};
enum { ATTRIBUTES_AT = 13, ATTRIBUTES_PREFIX = sizeof(digest_attributes) - ATTRIBUTES_AT };
_Static_assert(ATTRIBUTES_PREFIX + SHA256_LEN == TX_ATTRIBUTES_LEN, "length of the attributes");
static const uint8_t signature_algorithm[] = { ALGORITHM_ECDSA_SHA256 };

const uint8_t tx_spki_prefix[27] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
	0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
};

struct der {
	const uint8_t *at;
	size_t left;
};

/* One element with this tag: its body; `in` goes on behind it. */
static bool take(struct der *in, uint8_t tag, struct der *body)
{
	if (in->left < 2 || in->at[0] != tag)
		return false;
	size_t header = 2;
	size_t len = in->at[1];
	if (len == 0x81) {
		if (in->left < 3 || in->at[2] < 0x80)
			return false;
		len = in->at[2];
		header = 3;
	} else if (len == 0x82) {
		if (in->left < 4 || in->at[2] == 0)
			return false;
		len = (size_t)in->at[2] << 8 | in->at[3];
		header = 4;
	} else if (len >= 0x80) {
		return false; /* indefinite, or longer than anything here can be */
	}
	if (len > in->left - header)
		return false;
	*body = (struct der){ in->at + header, len };
	in->at += header + len;
	in->left -= header + len;
	return true;
}

static bool take_literal(struct der *in, const uint8_t *literal, size_t len)
{
	if (in->left < len || memcmp(in->at, literal, len) != 0)
		return false;
	in->at += len;
	in->left -= len;
	return true;
}
#define TAKE(in, array) take_literal(in, array, sizeof(array))

static bool take_fixed(struct der *in, size_t len, const uint8_t **out)
{
	if (in->left < len)
		return false;
	*out = in->at;
	in->at += len;
	in->left -= len;
	return true;
}

/* An element that must be the last of its parent. */
static bool take_last(struct der *in, uint8_t tag, struct der *body)
{
	return take(in, tag, body) && in->left == 0;
}

static bool split_signer(struct der signer, struct tx_parts *parts, struct der *stop)
{
	struct der body;
	*stop = signer;
	if (!take_last(&signer, TAG_SEQUENCE, &body))
		return false;
	*stop = body;
	if (!TAKE(&body, version_key_id) || !take_fixed(&body, TX_KEY_ID_LEN, &parts->key_id))
		return false;
	*stop = body;
	parts->attributes = body.at + ATTRIBUTES_AT;
	parts->attributes_len = TX_ATTRIBUTES_LEN;
	if (!TAKE(&body, digest_attributes) || !take_fixed(&body, SHA256_LEN, &parts->digest))
		return false;
	*stop = body;
	struct der signature;
	if (!TAKE(&body, signature_algorithm) || !take_last(&body, TAG_OCTET_STRING, &signature))
		return false;
	parts->signature = signature.at;
	parts->signature_len = signature.left;
	return true;
}

static bool split(struct der in, struct tx_parts *parts, struct der *stop)
{
	struct der outer, explicit, body, element;
	*stop = in;
	if (!take_last(&in, TAG_SEQUENCE, &outer))
		return false;
	*stop = outer;
	if (!TAKE(&outer, signed_data) || !take_last(&outer, TAG_0, &explicit) ||
	    !take_last(&explicit, TAG_SEQUENCE, &body))
		return false;
	*stop = body;
	if (!TAKE(&body, version_digests))
		return false;
	*stop = body;
	if (!take(&body, TAG_SEQUENCE, &outer) || !TAKE(&outer, data) ||
	    !take_last(&outer, TAG_0, &explicit) ||
	    !take_last(&explicit, TAG_OCTET_STRING, &element))
		return false;
	parts->content = element.at;
	parts->content_len = element.left;
	*stop = body;
	if (!take(&body, TAG_0, &element))
		return false;
	parts->cert = element.at;
	parts->cert_len = element.left;
	if (!take_last(&element, TAG_SEQUENCE, &outer))
		return false; /* none, or more than one */
	*stop = body;
	return take_last(&body, TAG_SET, &element) && split_signer(element, parts, stop);
}

bool tx_split(const uint8_t *der, size_t len, struct tx_parts *parts_out,
	      struct iotpki_detail *detail)
{
	struct tx_parts parts = { 0 };
	struct der stop = { der, len };
	if (len > TX_DER_MAX) {
		(void)detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				 "%zu bytes; a transaction has at most %d", len, TX_DER_MAX);
		return false;
	}
	if (split((struct der){ der, len }, &parts, &stop)) {
		*parts_out = parts;
		return true;
	}
	(void)detail_set(
		detail, IOTPKI_ERR_SYNTAX, 0, 0,
		"from byte %zu on it is not the DER of a transaction: CMS SignedData with one "
		"signer (key id, SHA-256, ECDSA P-256, contentType and messageDigest) and its "
		"one certificate",
		(size_t)(stop.at - der));
	return false;
}

/* Writing: from the inside out, each element's length known before its header. */
static size_t header_len(size_t len)
{
	return len < 0x80 ? 2 : len < 0x100 ? 3 : 4;
}

static void put_header(struct buf *out, uint8_t tag, size_t len)
{
	uint8_t header[4] = { tag, (uint8_t)len };
	if (len >= 0x100) {
		header[1] = 0x82;
		header[2] = (uint8_t)(len >> 8);
		header[3] = (uint8_t)len;
	} else if (len >= 0x80) {
		header[1] = 0x81;
		header[2] = (uint8_t)len;
	}
	(void)buf_put(out, header, header_len(len));
}

static size_t with_header(size_t len)
{
	return header_len(len) + len;
}

void tx_der_attributes(const uint8_t digest[static SHA256_LEN],
		       uint8_t out[static TX_ATTRIBUTES_LEN])
{
	memcpy(out, digest_attributes + ATTRIBUTES_AT, ATTRIBUTES_PREFIX);
	memcpy(out + ATTRIBUTES_PREFIX, digest, SHA256_LEN);
	out[0] = TAG_SET; /* RFC 5652 5.4: signed as a SET, carried as [0] */
}

enum iotpki_err tx_der_join(const struct tx_parts *parts, struct buf *der_out)
{
	const size_t octets = with_header(parts->content_len);
	const size_t content = sizeof(data) + with_header(octets);
	const size_t signer = sizeof(version_key_id) + TX_KEY_ID_LEN + sizeof(digest_attributes) +
			      SHA256_LEN + sizeof(signature_algorithm) +
			      with_header(parts->signature_len);
	const size_t body = sizeof(version_digests) + with_header(content) +
			    with_header(parts->cert_len) + with_header(with_header(signer));
	const size_t all = sizeof(signed_data) + with_header(with_header(body));
	if (with_header(all) > TX_DER_MAX)
		return IOTPKI_ERR_LIMIT;

	put_header(der_out, TAG_SEQUENCE, all);
	(void)buf_put(der_out, signed_data, sizeof(signed_data));
	put_header(der_out, TAG_0, with_header(body));
	put_header(der_out, TAG_SEQUENCE, body);
	(void)buf_put(der_out, version_digests, sizeof(version_digests));
	put_header(der_out, TAG_SEQUENCE, content);
	(void)buf_put(der_out, data, sizeof(data));
	put_header(der_out, TAG_0, octets);
	put_header(der_out, TAG_OCTET_STRING, parts->content_len);
	(void)buf_put(der_out, parts->content, parts->content_len);
	put_header(der_out, TAG_0, parts->cert_len);
	(void)buf_put(der_out, parts->cert, parts->cert_len);
	put_header(der_out, TAG_SET, with_header(signer));
	put_header(der_out, TAG_SEQUENCE, signer);
	(void)buf_put(der_out, version_key_id, sizeof(version_key_id));
	(void)buf_put(der_out, parts->key_id, TX_KEY_ID_LEN);
	(void)buf_put(der_out, digest_attributes, sizeof(digest_attributes));
	(void)buf_put(der_out, parts->digest, SHA256_LEN);
	(void)buf_put(der_out, signature_algorithm, sizeof(signature_algorithm));
	put_header(der_out, TAG_OCTET_STRING, parts->signature_len);
	(void)buf_put(der_out, parts->signature, parts->signature_len);
	return buf_error(der_out);
}

/* A positive INTEGER, minimal, not above a limit of 32 bytes. */
static bool take_scalar(struct der *in, const uint8_t most[static 32])
{
	struct der body;
	if (!take(in, TAG_INTEGER, &body) || body.left == 0 || body.at[0] >= 0x80)
		return false;
	if (body.at[0] == 0) {
		if (body.left == 1 || body.at[1] < 0x80)
			return false; /* zero, or a zero that nothing needs */
		body.at++;
		body.left--;
	}
	if (body.left > 32)
		return false;
	return body.left < 32 || memcmp(body.at, most, 32) <= 0;
}

bool tx_der_signature_low(const uint8_t *signature, size_t len)
{
	/* The order n of P-256 less one, and its half: of s and n - s only the smaller is taken. */
	static const uint8_t n_less_1[32] = {
		0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
		0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x50,
	};
	static const uint8_t half_n[32] = {
		0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b,
		0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
	};
	struct der in = { signature, len };
	struct der body;
	return take_last(&in, TAG_SEQUENCE, &body) && take_scalar(&body, n_less_1) &&
	       take_scalar(&body, half_n) && body.left == 0;
}

static bool strict(struct der in, unsigned int depth)
{
	while (in.left > 0) {
		const uint8_t tag = in.at[0];
		struct der body;
		if ((tag & 0x1f) == 0x1f || !take(&in, tag, &body))
			return false; /* nothing here has a tag of several bytes */
		if ((tag & 0x20) != 0 && (depth == 0 || !strict(body, depth - 1)))
			return false;
	}
	return true;
}

bool tx_der_strict(const uint8_t *der, size_t len)
{
	return strict((struct der){ der, len }, NESTING_MAX);
}

bool tx_der_split_cert(const uint8_t *der, size_t len, struct tx_cert_parts *parts_out)
{
	struct der in = { der, len };
	struct der body, tbs, bits;
	if (!take_last(&in, TAG_SEQUENCE, &body))
		return false;
	const uint8_t *start = body.at;
	if (!take(&body, TAG_SEQUENCE, &tbs))
		return false;
	const size_t tbs_len = (size_t)(body.at - start);
	if (!TAKE(&body, signature_algorithm) || !take_last(&body, TAG_BIT_STRING, &bits))
		return false;
	if (bits.left < 1 || bits.at[0] != 0)
		return false;
	*parts_out = (struct tx_cert_parts){
		.tbs = start,
		.tbs_len = tbs_len,
		.signature = bits.at + 1,
		.signature_len = bits.left - 1,
	};
	return true;
}

enum iotpki_err tx_der_join_cert(const struct tx_cert_parts *parts, struct buf *der_out)
{
	const size_t bits = 1 + parts->signature_len;
	const size_t all = parts->tbs_len + sizeof(signature_algorithm) + with_header(bits);
	if (with_header(all) > TX_DER_MAX)
		return IOTPKI_ERR_LIMIT;
	put_header(der_out, TAG_SEQUENCE, all);
	(void)buf_put(der_out, parts->tbs, parts->tbs_len);
	(void)buf_put(der_out, signature_algorithm, sizeof(signature_algorithm));
	put_header(der_out, TAG_BIT_STRING, bits);
	(void)buf_putc(der_out, '\0');
	(void)buf_put(der_out, parts->signature, parts->signature_len);
	return buf_error(der_out);
}
