/* Signing with an identity; apart from the rest so that verifying needs no private key's code. */
#include "identity/identity.h"
#include "identity/tx_der.h"

#include <string.h>

enum iotpki_err tx_sign(const struct tx *tx, const struct identity *owner, struct buf *der_out,
			struct iotpki_detail *detail)
{
	CLEANUP(buf_done) struct buf json = BUF_INIT(TX_DER_MAX);
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	uint8_t signer[SHA256_LEN];
	const uint8_t *cert;
	size_t cert_len;
	enum iotpki_err err = tx_content(tx, &json);
	if (err != IOTPKI_OK)
		return detail_set(
			detail, err, 0, 0,
			"the transaction has a name, value or time that cannot be written");
	identity_der(owner, &cert, &cert_len);
	err = tx_sign_content(&json, identity_evp_pkey(owner), cert, cert_len, &der, signer,
			      detail);
	if (err != IOTPKI_OK)
		return err;
	if (memcmp(signer, tx->owner, SHA256_LEN) != 0)
		return detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				  "the transaction names another owner than the one who signs");
	return buf_put(der_out, der.data, der.len);
}
