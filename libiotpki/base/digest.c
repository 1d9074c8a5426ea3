/* SHA-256 by OpenSSL. */
#include "base/digest.h"

#include <openssl/evp.h>

static void ctx_free(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* Fetched once: a fetch by name at every call costs more than hashing a small record. */
static const EVP_MD *algorithm(void)
{
	static EVP_MD *md;
	EVP_MD *have = __atomic_load_n(&md, __ATOMIC_ACQUIRE);
	if (have != NULL)
		return have;
	EVP_MD *fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (fetched == NULL)
		return NULL;
	if (__atomic_compare_exchange_n(&md, &have, fetched, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return fetched;
	EVP_MD_free(fetched);
	return have;
}

enum iotpki_err sha256_parts(const struct digest_part *parts, size_t count,
			     uint8_t out[static SHA256_LEN])
{
	CLEANUP(ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		return IOTPKI_ERR_NOMEM;
	const EVP_MD *md = algorithm();
	if (md == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
		return IOTPKI_ERR_CRYPTO;
	for (size_t i = 0; i < count; i++)
		if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
			return IOTPKI_ERR_CRYPTO;
	if (EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		return IOTPKI_ERR_CRYPTO;
	return IOTPKI_OK;
}

enum iotpki_err sha256(const void *data, size_t len, uint8_t out[static SHA256_LEN])
{
	const struct digest_part part = { data, len };
	return sha256_parts(&part, 1, out);
}

struct sha256_stream {
	EVP_MD_CTX *ctx;
	bool failed;
};

enum iotpki_err sha256_begin(struct sha256_stream **stream_out)
{
	*stream_out = NULL;
	CLEANUP(sha256_freep) struct sha256_stream *stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return IOTPKI_ERR_NOMEM;
	stream->ctx = EVP_MD_CTX_new();
	if (stream->ctx == NULL)
		return IOTPKI_ERR_NOMEM;
	const EVP_MD *md = algorithm();
	if (md == NULL || EVP_DigestInit_ex2(stream->ctx, md, NULL) != 1)
		return IOTPKI_ERR_CRYPTO;
	*stream_out = STEAL(stream);
	return IOTPKI_OK;
}

void sha256_more(struct sha256_stream *stream, const void *data, size_t len)
{
	if (EVP_DigestUpdate(stream->ctx, data, len) != 1)
		stream->failed = true;
}

enum iotpki_err sha256_end(struct sha256_stream *stream, uint8_t out[static SHA256_LEN])
{
	const bool good = !stream->failed && EVP_DigestFinal_ex(stream->ctx, out, NULL) == 1;
	return good ? IOTPKI_OK : IOTPKI_ERR_CRYPTO;
}

void sha256_freep(struct sha256_stream **stream)
{
	if (*stream != NULL)
		EVP_MD_CTX_free((*stream)->ctx);
	free(*stream);
	*stream = NULL;
}
