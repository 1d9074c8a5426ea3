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
