/* An identity on the disk and from somebody else's texts. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/fs.h"
#include "identity/identity_private.h"

enum { KEY_PEM_MAX = 16384 };

#define KEY_FILE "key.pem"
#define CERT_FILE "cert.pem"
#define CERT_PENDING "cert.pem.pending"

#define PKCS8_BEGIN "-----BEGIN PRIVATE KEY-----"

static void bio_free(BIO **bio)
{
	BIO_free(*bio);
}

/* No daemon and no script may hang at a question for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static enum iotpki_err read_key(const char *pem, size_t len, EVP_PKEY **key_out,
				struct iotpki_detail *detail)
{
	*key_out = NULL;
	if (len > KEY_PEM_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "the key is longer than %d bytes",
				  KEY_PEM_MAX);
	CLEANUP(bio_free) BIO *bio = BIO_new_mem_buf(pem, (int)len);
	if (bio == NULL)
		return IOTPKI_ERR_NOMEM;
	*key_out = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (*key_out == NULL)
		return identity_crypto_failed(detail,
					      "not a private key in PEM without a passphrase; "
					      "`openssl pkey -in FILE` writes one");
	return IOTPKI_OK;
}

enum iotpki_err identity_import(const char *key_pem, size_t key_len, const char *cert_pem,
				size_t cert_len, struct identity **identity_out,
				struct iotpki_detail *detail)
{
	*identity_out = NULL;
	uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t der_len = sizeof(der);
	struct iotpki_cert cert;
	enum iotpki_err err = iotpki_cert_from_pem(cert_pem, cert_len, der, &der_len, detail);
	/* Judged as it came: what the library makes of it may be encoded anew. */
	if (err == IOTPKI_OK)
		err = iotpki_cert_check(der, der_len, &cert, detail);
	if (err != IOTPKI_OK)
		return err;

	CLEANUP(identity_pkey_freep) EVP_PKEY *key = NULL;
	err = read_key(key_pem, key_len, &key, detail);
	if (err != IOTPKI_OK)
		return err;
	const uint8_t *at = der;
	CLEANUP(identity_x509_freep) X509 *x509 = d2i_X509(NULL, &at, (long)der_len);
	if (x509 == NULL)
		return identity_crypto_failed(detail,
					      "the crypto library cannot read the certificate");
	return identity_assemble(STEAL(key), STEAL(x509), identity_out, detail);
}

static enum iotpki_err place(const char *folder, const char *name, char path[static PATH_MAX],
			     struct iotpki_detail *detail)
{
	const int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	if (len < 0 || len >= PATH_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "the path is too long");
	return IOTPKI_OK;
}

static enum iotpki_err read_file(const char *folder, const char *name, mode_t forbidden,
				 struct buf *text, char path[static PATH_MAX],
				 struct iotpki_detail *detail)
{
	const struct fs_trust trust = { geteuid(), true, forbidden };
	const enum iotpki_err err = place(folder, name, path, detail);
	return err != IOTPKI_OK ? err : fs_read(path, &trust, text, detail);
}

static enum iotpki_err in_the_way(const char *path, struct iotpki_detail *detail)
{
	(void)detail_set(detail, IOTPKI_ERR_EXISTS, 0, 0,
			 "is there already and is not overwritten; move it away, or choose "
			 "another folder");
	detail_where(detail, path);
	return IOTPKI_ERR_EXISTS;
}

/* Durable, and never over what is there. */
static enum iotpki_err create(const char *folder, const char *name, const void *data, size_t len,
			      mode_t mode, struct iotpki_detail *detail)
{
	char path[PATH_MAX];
	enum iotpki_err err = place(folder, name, path, detail);
	if (err == IOTPKI_OK)
		err = fs_create(path, data, len, mode, detail);
	return err == IOTPKI_ERR_EXISTS ? in_the_way(path, detail) : err;
}

/*
 * Two files cannot appear at once. A save that is cut off after the key leaves the certificate under
 * its other name, and whoever loads or saves next puts it in its place.
 */
static enum iotpki_err finish_save(const char *folder, struct iotpki_detail *detail)
{
	char pending[PATH_MAX];
	CLEANUP(buf_done) struct buf cert = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	enum iotpki_err err = read_file(folder, CERT_PENDING, 0022, &cert, pending, detail);
	if (err == IOTPKI_OK)
		err = create(folder, CERT_FILE, cert.data, cert.len, 0644, detail);
	if (err == IOTPKI_OK)
		(void)unlink(pending);
	return err;
}

static enum iotpki_err read_key_file(const char *folder, struct buf *key,
				     struct iotpki_detail *detail)
{
	char path[PATH_MAX];
	const enum iotpki_err err = read_file(folder, KEY_FILE, 0077, key, path, detail);
	if (err != IOTPKI_OK)
		return err;
	if (strncmp(buf_text(key), PKCS8_BEGIN, strlen(PKCS8_BEGIN)) == 0)
		return IOTPKI_OK;
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 1, 0,
			 "not a PKCS#8 private key: does not begin with " PKCS8_BEGIN);
	detail_where(detail, path);
	return IOTPKI_ERR_SYNTAX;
}

enum iotpki_err identity_load(const char *folder, struct identity **identity_out,
			      struct iotpki_detail *detail)
{
	*identity_out = NULL;
	CLEANUP(buf_done) struct buf key = BUF_INIT(KEY_PEM_MAX);
	CLEANUP(buf_done) struct buf cert = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	char path[PATH_MAX];
	enum iotpki_err err = read_key_file(folder, &key, detail);
	if (err != IOTPKI_OK)
		return err;
	err = read_file(folder, CERT_FILE, 0022, &cert, path, detail);
	if (err == IOTPKI_ERR_NOT_FOUND && finish_save(folder, NULL) == IOTPKI_OK)
		err = read_file(folder, CERT_FILE, 0022, &cert, path, detail);
	if (err != IOTPKI_OK)
		return err;
	err = identity_import(buf_text(&key), key.len, buf_text(&cert), cert.len, identity_out,
			      detail);
	if (err != IOTPKI_OK)
		detail_where(detail, folder);
	return err;
}

/* Before anything is written: a pending certificate belongs to the key that is there. */
static enum iotpki_err check_free(const char *folder, struct iotpki_detail *detail)
{
	static const char *const names[] = { KEY_FILE, CERT_FILE };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[PATH_MAX];
		const enum iotpki_err err = place(folder, names[i], path, detail);
		if (err != IOTPKI_OK)
			return err;
		if (access(path, F_OK) != 0)
			continue;
		/* What is in the way shall at least be whole. */
		(void)finish_save(folder, NULL);
		return in_the_way(path, detail);
	}
	return IOTPKI_OK;
}

enum iotpki_err identity_save(const struct identity *identity, const char *folder,
			      struct iotpki_detail *detail)
{
	CLEANUP(buf_done) struct buf key = BUF_INIT(KEY_PEM_MAX);
	char cert[IOTPKI_CERT_PEM_MAX];
	char pending[PATH_MAX];
	enum iotpki_err err = identity_private_pem(identity, false, NULL, &key, detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_to_pem(identity->der, identity->der_len, cert, sizeof(cert));
	if (err == IOTPKI_OK)
		err = fs_mkdir(folder, 0700, detail);
	if (err == IOTPKI_OK)
		err = check_free(folder, detail);
	if (err == IOTPKI_OK)
		err = place(folder, CERT_PENDING, pending, detail);
	if (err == IOTPKI_OK)
		err = fs_write(pending, cert, strlen(cert), 0644, false, detail);
	if (err == IOTPKI_OK)
		err = create(folder, KEY_FILE, key.data, key.len, 0600, detail);
	return err == IOTPKI_OK ? finish_save(folder, detail) : err;
}

enum iotpki_err identity_private_pem(const struct identity *identity, bool openssh,
				     const struct random_source *random, struct buf *pem_out,
				     struct iotpki_detail *detail)
{
	if (openssh)
		return identity_openssh(identity, random, pem_out, detail);
	CLEANUP(bio_free) BIO *bio = BIO_new(BIO_s_secmem());
	if (bio == NULL)
		return IOTPKI_ERR_NOMEM;
	char *text = NULL;
	if (PEM_write_bio_PKCS8PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL) != 1)
		return identity_crypto_failed(detail, "the crypto library cannot write the key");
	const long len = BIO_get_mem_data(bio, &text);
	return len > 0 ? buf_put(pem_out, text, (size_t)len) : IOTPKI_ERR_INTERNAL;
}
