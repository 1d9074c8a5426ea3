/* The rules, operation by operation: see rules.h. */
#include "bnode/rules.h"

#include <stdio.h>
#include <string.h>

int64_t rules_clock(int64_t clock_s, int64_t newest_s)
{
	return clock_s > newest_s ? clock_s : newest_s;
}

bool rules_preorder_lives(int64_t preorder_s, int64_t at_s)
{
	/* One dated after at_s counts too: or backdating would get round the quota. */
	return at_s < preorder_s + RULES_PREORDER_GOOD_S;
}

/* A record of design 5 that leaves room for the status that REVOKE adds, and has none. */
static bool value_good(const char *value)
{
	struct iotpki_record record;
	const size_t len = strlen(value);
	return len <= IOTPKI_VALUE_LEDGER_MAX &&
	       iotpki_record_parse(value, len, &record, NULL) == IOTPKI_OK && !record.revoked;
}

static bool expires_good(const struct tx *tx)
{
	return tx->expires_s > tx->time_s && tx->expires_s - tx->time_s <= RULES_EXPIRES_MAX_S;
}

static enum tx_reason judge_preorder(const struct rules_input *in)
{
	if (!in->allowed)
		return TX_NOT_ALLOWED;
	if (in->has_preorder && in->tx->time_s < in->preorder_s)
		return TX_STALE_TIME;
	return in->live_preorders >= RULES_PREORDERS_MAX ? TX_QUOTA : TX_OK;
}

/* Both clocks must say so: a transaction dated ahead must not take a name that still lives. */
static bool free_for_register(const struct rules_input *in)
{
	return in->name == NULL || (in->tx->time_s >= in->name->expires_s &&
				    rules_clock(in->clock_s, in->newest_s) >= in->name->expires_s);
}

static enum tx_reason judge_register(const struct rules_input *in)
{
	const struct tx *tx = in->tx;
	if (!in->allowed)
		return TX_NOT_ALLOWED;
	if (!value_good(tx->value))
		return TX_BAD_VALUE;
	if (!expires_good(tx))
		return TX_BAD_EXPIRES;
	if (!free_for_register(in))
		return in->name->revoked ? TX_NAME_REVOKED : TX_NAME_TAKEN;
	if (!in->has_preorder || tx->time_s < in->preorder_s)
		return TX_NO_PREORDER;
	return rules_preorder_lives(in->preorder_s, tx->time_s) ? TX_OK : TX_PREORDER_EXPIRED;
}

/* What UPDATE and REVOKE have in common: a living name of this owner, unchanged since it was read. */
static enum tx_reason judge_owned(const struct rules_input *in)
{
	const struct tx *tx = in->tx;
	const struct ledger_name *name = in->name;
	if (name == NULL)
		return TX_NAME_EXPIRED;
	if (memcmp(name->owner, tx->owner, SHA256_LEN) != 0)
		return TX_NOT_OWNER;
	if (tx->time_s >= name->expires_s)
		return TX_NAME_EXPIRED;
	if (name->revoked)
		return TX_NAME_REVOKED;
	if (memcmp(name->txid, tx->prev, SHA256_LEN) != 0)
		return TX_STALE_PREV;
	return tx->time_s < name->time_s ? TX_STALE_TIME : TX_OK;
}

static enum tx_reason judge_update(const struct rules_input *in)
{
	const enum tx_reason reason = judge_owned(in);
	if (reason != TX_OK)
		return reason;
	if (!value_good(in->tx->value))
		return TX_BAD_VALUE;
	if (!expires_good(in->tx) || in->tx->expires_s < in->name->expires_s)
		return TX_BAD_EXPIRES;
	return TX_OK;
}

/* The name's state after an accepted operation. */
static void advance(const struct rules_input *in, struct ledger_name *name_out)
{
	const struct tx *tx = in->tx;
	struct ledger_name next;
	memset(&next, 0, sizeof(next));
	if (tx->op == TX_REGISTER) {
		memcpy(next.name, tx->name, sizeof(next.name));
		memcpy(next.registration, in->txid, SHA256_LEN);
		memcpy(next.owner, tx->owner, SHA256_LEN);
	} else {
		next = *in->name;
	}
	if (tx->op == TX_REVOKE) {
		next.revoked = true;
		const size_t len = strlen(next.value);
		(void)snprintf(next.value + len, sizeof(next.value) - len, "|status=revoked");
	} else {
		memcpy(next.value, tx->value, sizeof(next.value));
		next.expires_s = tx->expires_s;
	}
	if (tx->op == TX_UPDATE && tx->has_new_owner)
		memcpy(next.owner, tx->new_owner, SHA256_LEN);
	memcpy(next.txid, in->txid, SHA256_LEN);
	next.time_s = tx->time_s;
	next.sequence++;
	*name_out = next;
}

static const struct {
	enum tx_reason (*judge)(const struct rules_input *in);
	unsigned int full_percent;
} ops[] = {
	[TX_PREORDER] = { judge_preorder, RULES_FULL_NEW },
	[TX_REGISTER] = { judge_register, RULES_FULL_NEW },
	[TX_UPDATE] = { judge_update, RULES_FULL_UPDATE },
	[TX_REVOKE] = { judge_owned, 101 },
};

static bool full(const struct rules_input *in)
{
	const bool may_use_reserve = in->tx->op == TX_REVOKE && in->der_len <= RULES_REVOKE_USUAL;
	return in->used_percent >= ops[in->tx->op].full_percent ||
	       (in->only_reserve && !may_use_reserve);
}

enum tx_reason rules_judge(const struct rules_input *in, struct ledger_name *name_out)
{
	if (in->content_known)
		return TX_DUPLICATE;
	if (in->tx->time_s > rules_clock(in->clock_s, in->newest_s) + RULES_AHEAD_MAX_S)
		return TX_STALE_TIME;
	const enum tx_reason reason = ops[in->tx->op].judge(in);
	if (reason != TX_OK)
		return reason;
	if (full(in))
		return TX_FULL;
	if (in->rate_spent && in->tx->op != TX_REVOKE)
		return TX_QUOTA;
	if (in->tx->op != TX_PREORDER)
		advance(in, name_out);
	return TX_OK;
}
