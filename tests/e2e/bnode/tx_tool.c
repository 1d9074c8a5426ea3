/*
 * Signed transactions for the end-to-end tests of iotpki-bnode, so that they need no
 * device manager: one line each, OP, DER in base64, txid.
 *   tx_tool DIR owner              the SPKI hash of the key in DIR (made if it is missing)
 *   tx_tool DIR chain NAME COUNT   PREORDER, REGISTER and COUNT - 2 UPDATEs of a name
 *   tx_tool DIR life NAME          PREORDER, REGISTER, UPDATE, REVOKE of a name
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "identity/identity.h"
#include "identity/tx.h"

enum { COUNT_MAX = 1000000, YEAR_S = 365 * 86400 };

static enum iotpki_err open_identity(const char *dir, struct identity **identity)
{
	if (identity_load(dir, identity, NULL) == IOTPKI_OK)
		return IOTPKI_OK;
	const enum iotpki_err err =
		identity_new("tx-tool", IDENTITY_P256, random_system(), identity, NULL);
	return err == IOTPKI_OK ? identity_save(*identity, dir, NULL) : err;
}

static enum iotpki_err print_signed(struct tx *tx, const struct identity *owner)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	const enum iotpki_err err = tx_sign(tx, owner, &der, NULL);
	if (err != IOTPKI_OK)
		return err;
	char text[BASE64_ENCODED_SIZE(TX_DER_MAX)];
	char hex[2 * SHA256_LEN + 1];
	(void)base64_encode(der.data, der.len, true, text);
	if (sha256(der.data, der.len, tx->prev) != IOTPKI_OK)
		return IOTPKI_ERR_CRYPTO;
	hex_encode(tx->prev, SHA256_LEN, hex);
	printf("%s %s %s\n", tx_op_name(tx->op), text, hex);
	return IOTPKI_OK;
}

/* A different value each time: two transactions must not have the same content. */
static void next_value(struct tx *tx, unsigned long number)
{
	uint8_t hash[SHA256_LEN] = { 0 };
	char hex[2 * SHA256_LEN + 1];
	for (size_t i = 0; i < sizeof(number); i++)
		hash[i] = (uint8_t)(number >> (8 * i));
	hex_encode(hash, SHA256_LEN, hex);
	(void)snprintf(tx->value, sizeof(tx->value), "sha256=%s", hex);
}

static enum iotpki_err chain(struct tx *tx, const struct identity *owner, unsigned long count,
			     bool revoke)
{
	enum iotpki_err err = random_system()->fill(random_system(), tx->salt, SHA256_LEN);
	if (err == IOTPKI_OK)
		err = tx_commit(tx->salt, tx->owner, tx->name, tx->commit);
	for (unsigned long i = 0; err == IOTPKI_OK && i < count; i++) {
		tx->op = i == 0 ? TX_PREORDER : i == 1 ? TX_REGISTER : TX_UPDATE;
		next_value(tx, i);
		err = print_signed(tx, owner);
	}
	tx->op = TX_REVOKE;
	return err == IOTPKI_OK && revoke ? print_signed(tx, owner) : err;
}

int main(int argc, char **argv)
{
	CLEANUP(identity_freep) struct identity *owner = NULL;
	if (argc < 3 || open_identity(argv[1], &owner) != IOTPKI_OK) {
		fprintf(stderr, "usage: tx_tool DIR owner|chain NAME COUNT|life NAME\n");
		return 2;
	}
	const int64_t now_s = clock_system()->now_s(clock_system());
	struct tx tx = { .time_s = now_s, .expires_s = now_s + YEAR_S };
	memcpy(tx.owner, identity_cert(owner)->spki_sha256, SHA256_LEN);
	if (strcmp(argv[2], "owner") == 0) {
		char hex[2 * SHA256_LEN + 1];
		hex_encode(tx.owner, SHA256_LEN, hex);
		puts(hex);
		return 0;
	}
	if (argc > 3)
		(void)snprintf(tx.name, sizeof(tx.name), "%s", argv[3]);
	uint64_t count = 3;
	const bool life = argc == 4 && strcmp(argv[2], "life") == 0;
	const bool many = argc == 5 && strcmp(argv[2], "chain") == 0 &&
			  uint_parse(argv[4], strlen(argv[4]), COUNT_MAX, &count);
	return (life || many) && chain(&tx, owner, count, life) == IOTPKI_OK ? 0 : 2;
}
