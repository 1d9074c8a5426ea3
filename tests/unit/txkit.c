#include "txkit.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "txkit: %s failed\n", what);
	abort();
}

static void add_useless(X509 *x509, size_t len)
{
	char text[4096];
	X509V3_CTX ctx;
	must(len < sizeof(text), "length");
	memset(text, 'x', len);
	text[len] = '\0';
	X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, NID_netscape_comment, text);
	must(extension != NULL && X509_add_ext(x509, extension, -1) == 1, "comment");
	X509_EXTENSION_free(extension);
}

void txkit_key_new(struct txkit_key *kit)
{
	txkit_key_new_large(kit, 0);
}

void txkit_key_new_large(struct txkit_key *kit, size_t useless)
{
	memset(kit, 0, sizeof(*kit));
	kit->key = EVP_EC_gen("P-256");
	kit->x509 = X509_new();
	must(kit->key != NULL && kit->x509 != NULL, "key");
	must(X509_set_version(kit->x509, 2) == 1, "version");
	must(ASN1_INTEGER_set(X509_get_serialNumber(kit->x509), 1) == 1, "serial");
	X509_NAME *name = X509_get_subject_name(kit->x509);
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"owner",
					-1, -1, 0) == 1,
	     "subject");
	must(X509_set_issuer_name(kit->x509, name) == 1, "issuer");
	must(ASN1_TIME_set_string(X509_getm_notBefore(kit->x509), "20200101000000Z") == 1, "begin");
	must(ASN1_TIME_set_string(X509_getm_notAfter(kit->x509), "99991231235959Z") == 1, "end");
	must(X509_set_pubkey(kit->x509, kit->key) == 1, "public key");
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, kit->x509, kit->x509, NULL, NULL, 0);
	X509_EXTENSION *extension =
		X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
	must(extension != NULL && X509_add_ext(kit->x509, extension, -1) == 1, "key id");
	X509_EXTENSION_free(extension);
	if (useless > 0)
		add_useless(kit->x509, useless);
	must(X509_sign(kit->x509, kit->key, EVP_sha256()) > 0, "sign");
	const int len = i2d_X509(kit->x509, &kit->cert);
	must(len > 0, "encode");
	kit->cert_len = (size_t)len;
	unsigned char *spki = NULL;
	const int spki_len = i2d_PUBKEY(kit->key, &spki);
	must(spki_len > 0 && sha256(spki, (size_t)spki_len, kit->owner) == IOTPKI_OK, "hash");
	OPENSSL_free(spki);
}

void txkit_key_done(struct txkit_key *kit)
{
	X509_free(kit->x509);
	EVP_PKEY_free(kit->key);
	OPENSSL_free(kit->cert);
	memset(kit, 0, sizeof(*kit));
}

void txkit_sign_text(const struct txkit_key *kit, const char *json, struct buf *der_out)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(2 * TX_DER_MAX);
	uint8_t owner[SHA256_LEN];
	buf_clear(der_out);
	must(buf_puts(&text, json) == IOTPKI_OK, "text");
	must(tx_sign_content(&text, kit->key, kit->cert, kit->cert_len, der_out, owner, NULL) ==
		     IOTPKI_OK,
	     "signature");
	must(memcmp(owner, kit->owner, SHA256_LEN) == 0, "owner");
}

void txkit_sign(const struct txkit_key *kit, const struct tx *tx, struct buf *der_out)
{
	CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
	must(tx_content(tx, &json) == IOTPKI_OK, "content");
	txkit_sign_text(kit, buf_text(&json), der_out);
}

static struct tx start(enum tx_op op, const struct txkit_key *kit, const char *name, int64_t time_s)
{
	struct tx tx;
	memset(&tx, 0, sizeof(tx));
	tx.op = op;
	tx.time_s = time_s;
	memcpy(tx.owner, kit->owner, SHA256_LEN);
	(void)snprintf(tx.name, sizeof(tx.name), "%s", name);
	return tx;
}

struct tx txkit_preorder(const struct txkit_key *kit, const char *name, uint8_t salt,
			 int64_t time_s)
{
	struct tx tx = start(TX_PREORDER, kit, "", time_s);
	uint8_t bytes[SHA256_LEN];
	memset(bytes, salt, sizeof(bytes));
	must(tx_commit(bytes, kit->owner, name, tx.commit) == IOTPKI_OK, "commit");
	return tx;
}

struct tx txkit_register(const struct txkit_key *kit, const char *name, uint8_t salt,
			 int64_t time_s, int64_t expires_s)
{
	struct tx tx = start(TX_REGISTER, kit, name, time_s);
	memset(tx.salt, salt, sizeof(tx.salt));
	tx.expires_s = expires_s;
	(void)snprintf(tx.value, sizeof(tx.value), "%s", TXKIT_VALUE);
	return tx;
}

struct tx txkit_update(const struct txkit_key *kit, const char *name, const uint8_t *prev,
		       int64_t time_s, int64_t expires_s)
{
	struct tx tx = start(TX_UPDATE, kit, name, time_s);
	memcpy(tx.prev, prev, SHA256_LEN);
	tx.expires_s = expires_s;
	(void)snprintf(tx.value, sizeof(tx.value), "%s", TXKIT_VALUE);
	return tx;
}

struct tx txkit_revoke(const struct txkit_key *kit, const char *name, const uint8_t *prev,
		       int64_t time_s)
{
	struct tx tx = start(TX_REVOKE, kit, name, time_s);
	memcpy(tx.prev, prev, SHA256_LEN);
	return tx;
}
