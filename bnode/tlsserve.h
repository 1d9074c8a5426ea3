/*
 * The TLS key that handshakes use, which may be replaced while the node serves: who is connected
 * keeps the key of his handshake, who comes later gets the new one.
 */
#pragma once

#include <gnutls/abstract.h>

#include "bnode/tlskey.h"

struct tlsserve;
enum iotpki_err tlsserve_new(const struct tlskey *key, struct tlsserve **tls_out,
			     struct iotpki_detail *detail) MUST_CHECK;
void tlsserve_freep(struct tlsserve **tls);
/** Use this key from now on; after an error the old one stays. Any thread. */
enum iotpki_err tlsserve_replace(struct tlsserve *tls, const struct tlskey *key,
				 struct iotpki_detail *detail) MUST_CHECK;

/** The key of one connection, to be given back when the connection is closed. */
struct tlsserve_key;
struct tlsserve_key *tlsserve_take(struct tlsserve *tls);
void tlsserve_give(struct tlsserve_key *key);

/**
 * For libmicrohttpd (MHD_OPTION_HTTPS_CERT_CALLBACK), whose connections must have a struct client
 * with such a key as their socket context.
 */
gnutls_certificate_retrieve_function2 tlsserve_callback;
