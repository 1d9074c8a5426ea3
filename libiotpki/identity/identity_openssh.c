/* The private key as OpenSSH writes it (PROTOCOL.key), without a passphrase: `ssh -i` reads Ed25519 in no other form. */
#include <string.h>

#include <openssl/core_names.h>

#include "base/parse.h"
#include "identity/identity_private.h"

enum { PRIVATE_MAX = 8192, LINE_WIDTH = 70, BLOCK = 8, ED25519_LEN = 32 };

static void put_u32(struct buf *out, uint32_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
				  (uint8_t)(value >> 8), (uint8_t)value };
	(void)buf_put(out, bytes, sizeof(bytes));
}

static void put_string(struct buf *out, const void *data, size_t len)
{
	put_u32(out, (uint32_t)len);
	(void)buf_put(out, data, len);
}

static void put_text(struct buf *out, const char *text)
{
	put_string(out, text, strlen(text));
}

/* RFC 4251 5: shortest, with a zero byte in front of a set top bit. */
static enum iotpki_err put_number(struct buf *out, const EVP_PKEY *key, const char *parameter)
{
	CLEANUP(identity_bn_freep) BIGNUM *number = NULL;
	if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1)
		return IOTPKI_ERR_CRYPTO;
	uint8_t bytes[1 + 1024];
	const int len = BN_num_bytes(number);
	if (len <= 0 || (size_t)len >= sizeof(bytes))
		return IOTPKI_ERR_LIMIT;
	bytes[0] = 0;
	(void)BN_bn2bin(number, bytes + 1);
	const size_t skip = bytes[1] < 0x80;
	put_string(out, bytes + skip, (size_t)len + 1 - skip);
	explicit_bzero(bytes, sizeof(bytes));
	return IOTPKI_OK;
}

/* The last of the strings that the public blob ends with: the point. */
static const uint8_t *point(const struct iotpki_sshkey *key, size_t len)
{
	return key->blob + key->blob_len - len;
}

static enum iotpki_err put_ed25519(struct buf *out, const struct identity *identity)
{
	const uint8_t *public = point(&identity->cert.key, ED25519_LEN);
	uint8_t both[2 * ED25519_LEN];
	size_t len = ED25519_LEN;
	if (EVP_PKEY_get_raw_private_key(identity->key, both, &len) != 1 || len != ED25519_LEN)
		return IOTPKI_ERR_CRYPTO;
	memcpy(both + ED25519_LEN, public, ED25519_LEN);
	put_string(out, public, ED25519_LEN);
	put_string(out, both, sizeof(both));
	explicit_bzero(both, sizeof(both));
	return IOTPKI_OK;
}

/* Curve and point stand in the private part as they stand in the public blob. */
static enum iotpki_err put_ecdsa(struct buf *out, const struct identity *identity)
{
	const struct iotpki_sshkey *key = &identity->cert.key;
	const size_t skip = 4 + strlen(iotpki_sshkey_type_name(key->type));
	(void)buf_put(out, key->blob + skip, key->blob_len - skip);
	return put_number(out, identity->key, OSSL_PKEY_PARAM_PRIV_KEY);
}

static enum iotpki_err put_rsa(struct buf *out, const struct identity *identity)
{
	static const char *const parameters[] = {
		OSSL_PKEY_PARAM_RSA_N,       OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_D,       OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
		OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
	};
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		const enum iotpki_err err = put_number(out, identity->key, parameters[i]);
		if (err != IOTPKI_OK)
			return err;
	}
	return IOTPKI_OK;
}

/* Indexed by enum iotpki_sshkey_type. */
static enum iotpki_err (*const writers[])(struct buf *out, const struct identity *identity) = {
	[IOTPKI_SSHKEY_ECDSA_P256] = put_ecdsa, [IOTPKI_SSHKEY_ECDSA_P384] = put_ecdsa,
	[IOTPKI_SSHKEY_ECDSA_P521] = put_ecdsa, [IOTPKI_SSHKEY_ED25519] = put_ed25519,
	[IOTPKI_SSHKEY_RSA] = put_rsa,
};

static enum iotpki_err put_private(struct buf *out, const struct identity *identity,
				   const struct random_source *random)
{
	/* Twice the same number: how a reader sees that it decrypted with the right key. */
	uint8_t check[4];
	enum iotpki_err err = random->fill(random, check, sizeof(check));
	if (err != IOTPKI_OK)
		return err;
	(void)buf_put(out, check, sizeof(check));
	(void)buf_put(out, check, sizeof(check));
	const enum iotpki_sshkey_type type = identity->cert.key.type;
	put_text(out, iotpki_sshkey_type_name(type));
	err = writers[type](out, identity);
	if (err != IOTPKI_OK)
		return err;
	put_text(out, identity->cert.name); /* the comment */
	for (char pad = 1; out->len % BLOCK != 0 && buf_error(out) == IOTPKI_OK; pad++)
		(void)buf_putc(out, pad);
	return buf_error(out);
}

static enum iotpki_err put_armor(const struct buf *binary, struct buf *pem_out)
{
	const size_t size = BASE64_ENCODED_SIZE(binary->len);
	AUTO_FREE char *digits = malloc(size);
	if (digits == NULL)
		return IOTPKI_ERR_NOMEM;
	const size_t len = base64_encode(binary->data, binary->len, true, digits);
	(void)buf_puts(pem_out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t i = 0; i < len; i += LINE_WIDTH) {
		(void)buf_put(pem_out, digits + i, len - i < LINE_WIDTH ? len - i : LINE_WIDTH);
		(void)buf_putc(pem_out, '\n');
	}
	(void)buf_puts(pem_out, "-----END OPENSSH PRIVATE KEY-----\n");
	explicit_bzero(digits, size);
	return buf_error(pem_out);
}

enum iotpki_err identity_openssh(const struct identity *identity,
				 const struct random_source *random, struct buf *pem_out,
				 struct iotpki_detail *detail)
{
	static const char magic[] = "openssh-key-v1"; /* with its NUL */
	CLEANUP(buf_done) struct buf secret = BUF_INIT(PRIVATE_MAX);
	const enum iotpki_err err = put_private(&secret, identity, random);
	if (err == IOTPKI_ERR_CRYPTO)
		return identity_crypto_failed(detail, "the crypto library cannot export the key");
	if (err != IOTPKI_OK)
		return err;

	CLEANUP(buf_done) struct buf binary = BUF_INIT(2 * PRIVATE_MAX);
	(void)buf_put(&binary, magic, sizeof(magic));
	put_text(&binary, "none"); /* cipher */
	put_text(&binary, "none"); /* key derivation, and its options */
	put_text(&binary, "");
	put_u32(&binary, 1); /* keys */
	put_string(&binary, identity->cert.key.blob, identity->cert.key.blob_len);
	put_string(&binary, secret.data, secret.len);
	const enum iotpki_err put = buf_error(&binary);
	return put != IOTPKI_OK ? put : put_armor(&binary, pem_out);
}
