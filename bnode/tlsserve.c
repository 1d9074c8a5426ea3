/* Keys in GnuTLS's form, counted by the connections that use them. */
#include "bnode/tlsserve.h"

#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "bnode/clients.h"

struct tlsserve_key {
	atomic_uint users;
	gnutls_privkey_t private;
	gnutls_pcert_st cert;
	bool has_cert;
};

struct tlsserve {
	pthread_mutex_t lock;
	struct tlsserve_key *key; /* under lock */
};

static enum iotpki_err failed(struct iotpki_detail *detail, int rc)
{
	return detail_set(detail, IOTPKI_ERR_CRYPTO, 0, 0,
			  "GnuTLS does not take the TLS key or its certificate: %s",
			  gnutls_strerror(rc));
}

void tlsserve_give(struct tlsserve_key *key)
{
	if (key == NULL || atomic_fetch_sub(&key->users, 1) > 1)
		return;
	if (key->private != NULL)
		gnutls_privkey_deinit(key->private);
	if (key->has_cert)
		gnutls_pcert_deinit(&key->cert);
	free(key);
}

static void key_givep(struct tlsserve_key **key)
{
	tlsserve_give(*key);
}

static gnutls_datum_t datum(const struct buf *buf)
{
	return (gnutls_datum_t){ buf->data, (unsigned int)buf->len };
}

static enum iotpki_err import(const struct tlskey *pem, struct tlsserve_key **key_out,
			      struct iotpki_detail *detail)
{
	CLEANUP(key_givep) struct tlsserve_key *key = calloc(1, sizeof(*key));
	if (key == NULL)
		return IOTPKI_ERR_NOMEM;
	atomic_init(&key->users, 1);
	const gnutls_datum_t private = datum(&pem->key_pem), cert = datum(&pem->cert_pem);
	int rc = gnutls_privkey_init(&key->private);
	if (rc >= 0)
		rc = gnutls_privkey_import_x509_raw(key->private, &private, GNUTLS_X509_FMT_PEM,
						    NULL, 0);
	if (rc >= 0)
		rc = gnutls_pcert_import_x509_raw(&key->cert, &cert, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return failed(detail, rc);
	key->has_cert = true;
	*key_out = STEAL(key);
	return IOTPKI_OK;
}

enum iotpki_err tlsserve_new(const struct tlskey *key, struct tlsserve **tls_out,
			     struct iotpki_detail *detail)
{
	*tls_out = NULL;
	struct tlsserve_key *first = NULL;
	const enum iotpki_err err = import(key, &first, detail);
	if (err != IOTPKI_OK)
		return err;
	struct tlsserve *tls = calloc(1, sizeof(*tls));
	if (tls == NULL) {
		tlsserve_give(first);
		return IOTPKI_ERR_NOMEM;
	}
	pthread_mutex_init(&tls->lock, NULL);
	tls->key = first;
	*tls_out = tls;
	return IOTPKI_OK;
}

void tlsserve_freep(struct tlsserve **tls)
{
	if (*tls == NULL)
		return;
	tlsserve_give((*tls)->key);
	pthread_mutex_destroy(&(*tls)->lock);
	free(*tls);
	*tls = NULL;
}

enum iotpki_err tlsserve_replace(struct tlsserve *tls, const struct tlskey *key,
				 struct iotpki_detail *detail)
{
	struct tlsserve_key *next = NULL;
	const enum iotpki_err err = import(key, &next, detail);
	if (err != IOTPKI_OK)
		return err;
	pthread_mutex_lock(&tls->lock);
	struct tlsserve_key *old = tls->key;
	tls->key = next;
	pthread_mutex_unlock(&tls->lock);
	tlsserve_give(old);
	return IOTPKI_OK;
}

struct tlsserve_key *tlsserve_take(struct tlsserve *tls)
{
	pthread_mutex_lock(&tls->lock);
	struct tlsserve_key *key = tls->key;
	atomic_fetch_add(&key->users, 1);
	pthread_mutex_unlock(&tls->lock);
	return key;
}

/* libmicrohttpd gives GnuTLS its connection as the session's pointer. */
int tlsserve_callback(gnutls_session_t session, const gnutls_datum_t *authorities,
		      int authority_count, const gnutls_pk_algorithm_t *algorithms,
		      int algorithm_count, gnutls_pcert_st **cert_out, unsigned int *count_out,
		      gnutls_privkey_t *private_out)
{
	(void)authorities;
	(void)authority_count;
	(void)algorithms;
	(void)algorithm_count;
	struct MHD_Connection *http = gnutls_session_get_ptr(session);
	const union MHD_ConnectionInfo *info =
		http != NULL ? MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			     : NULL;
	const struct client *client = info != NULL ? info->socket_context : NULL;
	struct tlsserve_key *key = client != NULL ? client->tls : NULL;
	if (key == NULL)
		return -1;
	*cert_out = &key->cert;
	*count_out = 1;
	*private_out = key->private;
	return 0;
}
