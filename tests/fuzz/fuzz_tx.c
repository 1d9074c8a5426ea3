/*
 * Transactions: any bytes as a DER, and any bytes as the content of one (signing is
 * out of a fuzzer's reach). What is accepted is written again byte for byte.
 */
#include <string.h>

#include <openssl/cms.h>

#include "fuzz.h"
#include "identity/tx_der.h"

/* OpenSSL reads the same structure in the same bytes. */
static void hold_against_openssl(const uint8_t *data, size_t size)
{
	const unsigned char *at = data;
	unsigned char *again = NULL;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)size);
	FUZZ_CHECK(cms != NULL && at == data + size);
	FUZZ_CHECK(i2d_CMS_ContentInfo(cms, &again) == (int)size);
	FUZZ_CHECK(memcmp(again, data, size) == 0);
	OPENSSL_free(again);
	CMS_ContentInfo_free(cms);
}

static void as_der(const uint8_t *data, size_t size)
{
	struct tx_parts parts;
	struct tx tx;
	uint8_t txid[SHA256_LEN];
	struct iotpki_detail detail = { 0 };
	const bool split = tx_split(data, size, &parts, &detail);
	const enum tx_reason reason = tx_verify(data, size, &tx, txid, &detail);
	FUZZ_CHECK(split || reason == TX_BAD_ENCODING);
	FUZZ_CHECK(reason == TX_OK || detail.message[0] != '\0');
	if (split) {
		CLEANUP(buf_done) struct buf again = BUF_INIT(TX_DER_MAX);
		FUZZ_CHECK(tx_der_join(&parts, &again) == IOTPKI_OK);
		FUZZ_CHECK(again.len == size && memcmp(again.data, data, size) == 0);
	}
	if (reason != TX_OK)
		return;
	FUZZ_CHECK(tx_der_strict(data, size));
	FUZZ_CHECK(tx_der_signature_low(parts.signature, parts.signature_len));
	hold_against_openssl(data, size);
}

static void as_content(const uint8_t *data, size_t size)
{
	struct tx tx;
	struct iotpki_detail detail = { 0 };
	CLEANUP(buf_done) struct buf again = BUF_INIT(TX_DER_MAX);
	if (tx_parse_content(data, size, &tx, &detail) != TX_OK) {
		FUZZ_CHECK(detail.message[0] != '\0' && detail.column > 0);
		return;
	}
	FUZZ_CHECK(tx_content(&tx, &again) == IOTPKI_OK);
	FUZZ_CHECK(again.len == size && memcmp(again.data, data, size) == 0);
	if (tx.time_s % 4 == 3) /* no seed has such a time */
		plant_bug(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_der(data, size);
	as_content(data, size);
	return 0;
}
