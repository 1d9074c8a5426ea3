/* The proof of a revocation (design 4, 6): what one node alone can show. */
#include <string.h>

#include "identity/tx.h"

static enum tx_reason wrong(enum tx_reason reason, size_t step, const char *why,
			    struct iotpki_detail *detail)
{
	(void)detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0, "step %zu of the proof: %s", step + 1,
			 why);
	return reason;
}

/* What must stand there, by its place. */
static const char *misplaced(const struct tx *tx, size_t step, size_t count)
{
	if (step == 0)
		return tx->op == TX_REGISTER ? NULL : "is no REGISTER";
	if (step + 1 == count)
		return tx->op == TX_REVOKE ? NULL : "is no REVOKE";
	return tx->op == TX_UPDATE && tx->has_new_owner ? NULL : "is no transfer";
}

enum tx_reason tx_proof_verify(const struct tx_proof_step *steps, size_t count,
			       const char *nvs_name, const uint8_t registration[static SHA256_LEN],
			       struct iotpki_detail *detail)
{
	uint8_t owner[SHA256_LEN] = { 0 };
	uint8_t txid[SHA256_LEN];
	int64_t time_s = 0;
	if (count < 2 || count > TX_PROOF_STEPS_MAX)
		return wrong(TX_BAD_ENCODING, 0, "there are too few or too many steps", detail);
	/* A digest before any signature: most that is foreign ends here. */
	if (sha256(steps[0].der, steps[0].len, txid) != IOTPKI_OK ||
	    memcmp(txid, registration, SHA256_LEN) != 0)
		return wrong(TX_NOT_OWNER, 0, "is of another registration", detail);
	for (size_t i = 0; i < count; i++) {
		struct tx tx;
		const enum tx_reason reason =
			tx_verify(steps[i].der, steps[i].len, &tx, txid, detail);
		if (reason != TX_OK)
			return reason;
		const char *why = misplaced(&tx, i, count);
		if (why != NULL)
			return wrong(TX_BAD_ENCODING, i, why, detail);
		if (strcmp(tx.name, nvs_name) != 0)
			return wrong(TX_NOT_OWNER, i, "is of another name", detail);
		if (i > 0 && memcmp(tx.owner, owner, SHA256_LEN) != 0)
			return wrong(TX_NOT_OWNER, i, "is not of the owner of that moment", detail);
		if (tx.time_s < time_s)
			return wrong(TX_STALE_TIME, i, "is older than the step before", detail);
		memcpy(owner, tx.has_new_owner ? tx.new_owner : tx.owner, SHA256_LEN);
		time_s = tx.time_s;
	}
	return TX_OK;
}
