/* The ledger of plain arrays. */
#include "fake_ledger.h"

#include <string.h>

static const struct fake_name *find(const struct ledger *ledger, const char *name)
{
	for (size_t i = 0; i < ledger->count; i++) {
		if (strcmp(ledger->names[i].name.name, name) == 0)
			return &ledger->names[i];
	}
	return NULL;
}

enum iotpki_err ledger_show(struct ledger *ledger, const char *name, struct ledger_name *out,
			    struct ledger_tip *tip_out)
{
	if (ledger->broken)
		return IOTPKI_ERR_IO;
	*tip_out = ledger->tip;
	const struct fake_name *found = find(ledger, name);
	if (found == NULL)
		return IOTPKI_ERR_NOT_FOUND;
	*out = found->name;
	return IOTPKI_OK;
}

enum iotpki_err ledger_tip(struct ledger *ledger, struct ledger_tip *tip_out)
{
	*tip_out = ledger->tip;
	return ledger->broken ? IOTPKI_ERR_IO : IOTPKI_OK;
}

enum iotpki_err ledger_history(struct ledger *ledger, const char *name, ledger_operation_fn *emit,
			       void *context)
{
	const struct fake_name *found = find(ledger, name);
	if (found == NULL)
		return IOTPKI_ERR_NOT_FOUND;
	for (unsigned int k = 0; k <= found->repeat; k++) {
		for (size_t i = 0; i < found->op_count; i++) {
			if (!emit(context, &found->ops[i]))
				return IOTPKI_OK;
		}
	}
	return IOTPKI_OK;
}

enum iotpki_err ledger_proof(struct ledger *ledger, const char *name, ledger_operation_fn *emit,
			     void *context)
{
	return ledger_history(ledger, name, emit, context);
}

enum iotpki_err ledger_filter(struct ledger *ledger, const char *prefix, const char *from,
			      size_t max, ledger_name_fn *emit, void *context)
{
	size_t found = 0;
	for (size_t i = 0; i < ledger->count && found < max; i++) {
		const struct ledger_name *name = &ledger->names[i].name;
		if (strncmp(name->name, prefix, strlen(prefix)) != 0 ||
		    (from != NULL && strcmp(name->name, from) <= 0))
			continue;
		found++;
		if (!emit(context, name))
			break;
	}
	return ledger->broken ? IOTPKI_ERR_IO : IOTPKI_OK;
}

void ledger_verify(struct ledger *ledger, struct tx_verifier *verifier,
		   struct ledger_submission *submission)
{
	(void)ledger;
	(void)verifier;
	submission->stage = LEDGER_VERIFIED;
}

enum iotpki_err ledger_commit(struct ledger *ledger, struct ledger_submission *const *submissions,
			      size_t count, struct iotpki_detail *detail)
{
	(void)detail;
	if (ledger->gate != NULL) {
		pthread_mutex_lock(ledger->gate);
		pthread_mutex_unlock(ledger->gate);
	}
	ledger->submits++;
	for (size_t i = 0; i < count; i++, ledger->submitted++) {
		submissions[i]->reason =
			ledger->refuse_odd && ledger->submitted % 2 == 1 ? TX_NAME_TAKEN : TX_OK;
		submissions[i]->stage = LEDGER_SETTLED;
		memset(submissions[i]->txid, (int)ledger->submitted, SHA256_LEN);
	}
	return ledger->submit_err;
}

enum iotpki_err ledger_stats(struct ledger *ledger, struct ledger_stats *stats_out)
{
	*stats_out =
		(struct ledger_stats){ ledger->count, 4096, 8192, ledger->submit_err != IOTPKI_OK };
	return ledger->broken ? IOTPKI_ERR_IO : IOTPKI_OK;
}
