/* The node's TLS key and its pin. */
#include "bnode/tlskey.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/parse.h"
#include "bnode/verbs.h"

enum { PEM_MAX = 16384 };

static void pkey_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void x509_freep(X509 **cert)
{
	X509_free(*cert);
}

static void bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static enum iotpki_err crypto_failed(struct iotpki_detail *detail)
{
	return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
			  "OpenSSL could not make the TLS key or its certificate");
}

static bool set_serial(X509 *cert)
{
	uint8_t serial[8];
	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	uint64_t number = 0;
	for (size_t i = 0; i < sizeof(serial); i++)
		number = number << 8 | serial[i];
	/* Positive and not zero (RFC 5280 4.1.2.2). */
	number = (number >> 1) | 1;
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number) == 1;
}

/*
 * Valid from 2020 (a node may have no clock when it is set up) without an end (RFC 5280
 * 4.1.2.5): clients judge the key alone.
 */
static bool fill(X509 *cert, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(cert);
	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)"iotpki-bnode", -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 &&
	       ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z") == 1 &&
	       ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z") == 1 &&
	       X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0;
}

/* The bytes of a memory BIO, wiped with it. */
static enum iotpki_err write_file(const char *dir, const char *name, BIO *bio, mode_t mode,
				  struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	const enum iotpki_err err = verb_path(dir, name, path, detail);
	if (err != IOTPKI_OK)
		return err;
	char *data = NULL;
	const long len = BIO_get_mem_data(bio, &data);
	if (len <= 0)
		return crypto_failed(detail);
	return fs_create(path, data, (size_t)len, mode, detail);
}

static enum iotpki_err read_own(const char *path, const struct fs_trust *trust, struct buf *out,
				struct iotpki_detail *detail)
{
	const enum iotpki_err err = fs_read(path, trust, out, detail);
	if (err != IOTPKI_ERR_NOT_FOUND)
		return err;
	(void)detail_set(detail, err, 0, 0,
			 "there is no such file; `iotpki-bnode init` (with --gateway for a "
			 "gateway) makes it");
	detail_where(detail, path);
	return err;
}

/* Root looks after nodes of other users: theirs are the files in the folder that is theirs. */
static uid_t owner_of(const char *dir)
{
	struct stat status;
	return geteuid() == 0 && stat(dir, &status) == 0 ? status.st_uid : geteuid();
}

static enum iotpki_err read_cert(const char *dir, struct buf *pem, X509 **cert_out,
				 struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	const struct fs_trust trust = { .owner = owner_of(dir),
					.also_root = true,
					.forbidden = 0022 };
	enum iotpki_err err = verb_path(dir, "tls.crt", path, detail);
	if (err == IOTPKI_OK)
		err = read_own(path, &trust, pem, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(bio_freep) BIO *text = BIO_new_mem_buf(pem->data, (int)pem->len);
	*cert_out = text != NULL ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
	if (*cert_out != NULL)
		return IOTPKI_OK;
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
			 "this is no certificate; restore it, or move it and tls.key away and run "
			 "`iotpki-bnode init` (clients then need the new pin)");
	detail_where(detail, path);
	return IOTPKI_ERR_SYNTAX;
}

static enum iotpki_err pin_of(const X509 *cert, char out[static TLSKEY_PIN_SIZE],
			      struct iotpki_detail *detail)
{
	unsigned char *der = NULL;
	const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (len <= 0)
		return crypto_failed(detail);
	uint8_t hash[SHA256_LEN];
	const enum iotpki_err err = sha256(der, (size_t)len, hash);
	OPENSSL_free(der);
	if (err != IOTPKI_OK)
		return err;
	memcpy(out, "sha256//", 8);
	(void)base64_encode(hash, sizeof(hash), true, out + 8);
	return IOTPKI_OK;
}

enum iotpki_err tlskey_pin(const char *dir, char pin_out[static TLSKEY_PIN_SIZE],
			   struct iotpki_detail *detail)
{
	CLEANUP(buf_done) struct buf pem = BUF_INIT(PEM_MAX);
	CLEANUP(x509_freep) X509 *cert = NULL;
	const enum iotpki_err err = read_cert(dir, &pem, &cert, detail);
	return err == IOTPKI_OK ? pin_of(cert, pin_out, detail) : err;
}

/* A key file without a password only: nobody is there to type one when a node starts. */
static int no_password(char *out, int size, int writing, void *context)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static enum iotpki_err read_key(const char *dir, struct buf *pem, EVP_PKEY **key_out,
				struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	const struct fs_trust trust = { .owner = owner_of(dir),
					.also_root = true,
					.forbidden = 0077 };
	enum iotpki_err err = verb_path(dir, "tls.key", path, detail);
	if (err == IOTPKI_OK)
		err = read_own(path, &trust, pem, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(bio_freep) BIO *text = BIO_new_mem_buf(pem->data, (int)pem->len);
	*key_out = text != NULL ? PEM_read_bio_PrivateKey(text, NULL, no_password, NULL) : NULL;
	if (*key_out != NULL)
		return IOTPKI_OK;
	(void)detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
			 "this is no private key without a password; restore it and tls.crt "
			 "beside it from one backup");
	detail_where(detail, path);
	return IOTPKI_ERR_MISMATCH;
}

static enum iotpki_err check_key(const char *dir, EVP_PKEY *key, X509 *cert,
				 struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	if (X509_check_private_key(cert, key) == 1)
		return IOTPKI_OK;
	const enum iotpki_err err = verb_path(dir, "tls.key", path, detail);
	if (err != IOTPKI_OK)
		return err;
	(void)detail_set(
		detail, IOTPKI_ERR_MISMATCH, 0, 0,
		"this is not the private key of tls.crt beside it; restore both from one backup");
	detail_where(detail, path);
	return IOTPKI_ERR_MISMATCH;
}

static enum iotpki_err make_key(const char *dir, EVP_PKEY **key_out, struct iotpki_detail *detail)
{
	CLEANUP(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	CLEANUP(bio_freep) BIO *text = BIO_new(BIO_s_secmem());
	if (key == NULL || text == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) != 1)
		return crypto_failed(detail);
	const enum iotpki_err err = write_file(dir, "tls.key", text, 0600, detail);
	if (err == IOTPKI_OK)
		*key_out = STEAL(key);
	return err;
}

static enum iotpki_err make_cert(const char *dir, EVP_PKEY *key, struct iotpki_detail *detail)
{
	CLEANUP(x509_freep) X509 *cert = X509_new();
	CLEANUP(bio_freep) BIO *text = BIO_new(BIO_s_mem());
	if (cert == NULL || text == NULL || !fill(cert, key) || PEM_write_bio_X509(text, cert) != 1)
		return crypto_failed(detail);
	return write_file(dir, "tls.crt", text, 0644, detail);
}

enum iotpki_err tlskey_create(const char *dir, struct iotpki_detail *detail)
{
	CLEANUP(buf_done) struct buf pem = BUF_INIT(PEM_MAX);
	CLEANUP(pkey_freep) EVP_PKEY *key = NULL;
	char path[VERB_PATH_SIZE];
	enum iotpki_err err = verb_path(dir, "tls.crt", path, detail);
	if (err != IOTPKI_OK)
		return err;
	if (access(path, F_OK) == 0)
		return detail_set(detail, IOTPKI_ERR_EXISTS, 0, 0,
				  "there is a certificate already");
	/*
	 * The key first: a certificate without its key would be a pin for nothing. A key that an init
	 * left which was killed here gets its certificate.
	 */
	err = read_key(dir, &pem, &key, detail);
	if (err == IOTPKI_ERR_NOT_FOUND) {
		*detail = (struct iotpki_detail){ 0 };
		err = make_key(dir, &key, detail);
	}
	return err == IOTPKI_OK ? make_cert(dir, key, detail) : err;
}

enum iotpki_err tlskey_load(const char *dir, struct tlskey *key_out, struct iotpki_detail *detail)
{
	*key_out = (struct tlskey){ .key_pem = BUF_INIT(PEM_MAX), .cert_pem = BUF_INIT(PEM_MAX) };
	CLEANUP(pkey_freep) EVP_PKEY *private_key = NULL;
	CLEANUP(tlskey_done)
	struct tlskey key = { .key_pem = BUF_INIT(PEM_MAX), .cert_pem = BUF_INIT(PEM_MAX) };
	CLEANUP(x509_freep) X509 *cert = NULL;
	enum iotpki_err err = read_key(dir, &key.key_pem, &private_key, detail);
	if (err == IOTPKI_OK)
		err = read_cert(dir, &key.cert_pem, &cert, detail);
	if (err == IOTPKI_OK)
		err = check_key(dir, private_key, cert, detail);
	if (err == IOTPKI_OK)
		err = pin_of(cert, key.pin, detail);
	if (err != IOTPKI_OK)
		return err;
	*key_out = key;
	key = (struct tlskey){ 0 };
	return IOTPKI_OK;
}

void tlskey_done(struct tlskey *key)
{
	buf_done(&key->key_pem);
	buf_done(&key->cert_pem);
}
