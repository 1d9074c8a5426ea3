/* What is to be done next with one name on one chain. */
#include "manager/onchain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const char revoked_field[] = "|status=revoked";

/* ---- values ---- */

bool onchain_value_with_end(const char *value, int64_t expires_s,
			    char out[static IOTPKI_VALUE_MAX + 1])
{
	size_t len = 0;
	for (const char *field = value; *field != '\0';) {
		const size_t size = strcspn(field, "|");
		const bool end = strncmp(field, "ex=", 3) == 0;
		if (expires_s == 0 || !end) {
			if (len + size + 1 > IOTPKI_VALUE_MAX)
				return false;
			if (len > 0)
				out[len++] = '|';
			memcpy(out + len, field, size);
			len += size;
		}
		field += size + (field[size] == '|');
	}
	out[len] = '\0';
	if (expires_s == 0)
		return true;
	const int more = snprintf(out + len, IOTPKI_VALUE_MAX + 1 - len, "|ex=%" PRId64, expires_s);
	return more > 0 && len + (size_t)more <= IOTPKI_VALUE_MAX;
}

/* The two are the same but for their ends: who asks again asks for another end each second. */
static bool same_but_end(const char *left, const char *right)
{
	char a[IOTPKI_VALUE_MAX + 1];
	char b[IOTPKI_VALUE_MAX + 1];
	return onchain_value_with_end(left, 1, a) && onchain_value_with_end(right, 1, b) &&
	       strcmp(a, b) == 0;
}

static bool same_txid(const uint8_t left[static IOTPKI_SHA256_LEN],
		      const uint8_t right[static IOTPKI_SHA256_LEN])
{
	return memcmp(left, right, IOTPKI_SHA256_LEN) == 0;
}

/* ---- wishes ---- */

static bool under_way(const struct onchain_progress *progress)
{
	return progress->value[0] != '\0' && progress->stage < ONCHAIN_DONE;
}

static bool revokes(const struct onchain_progress *progress)
{
	return under_way(progress) && progress->op == ONCHAIN_REVOKE;
}

static void begin(struct onchain_progress *progress, enum config_node_type type, enum onchain_op op,
		  const struct onchain_seen *seen)
{
	*progress = (struct onchain_progress){ .type = type, .op = op };
	if (seen->name == ONCHAIN_NAME_FREE)
		return;
	progress->has_prev = true;
	memcpy(progress->prev, seen->txid, sizeof(progress->prev));
}

static void set_value(struct onchain_progress *progress, const char *value)
{
	(void)snprintf(progress->value, sizeof(progress->value), "%s", value);
}

/* Whose it is, where the chain has the name already. */
static enum onchain_problem held_problem(const struct onchain_seen *seen)
{
	/* Emercoin's history says whose it is; without it, it can be this owner's. */
	if (seen->mine == ONCHAIN_MINE_UNKNOWN && seen->no_history)
		return ONCHAIN_NO_WALLET;
	if (seen->mine != ONCHAIN_MINE)
		return ONCHAIN_TAKEN;
	return seen->revoked ? ONCHAIN_REVOKED : ONCHAIN_EXISTS;
}

static bool is_achieved(const struct onchain_progress *progress, const struct onchain_seen *seen);

/*
 * What was asked for before, and nothing that tells its end was sent: it is gone on with, but the end is
 * that of now. The old one can be over, and then a name that is dead would be paid for.
 */
static void take_end(struct onchain_progress *progress, const struct onchain_wish *wish,
		     const struct onchain_seen *seen, int64_t now_s)
{
	enum { DAY_S = 86400 };
	char value[IOTPKI_VALUE_MAX + 1];
	const int64_t later_s = wish->expires_s - progress->expires_s;
	const bool sent = progress->stage >= ONCHAIN_SENT || progress->has_txid || seen->pending ||
			  seen->name == ONCHAIN_NAME_HELD;
	/* Who says 365d says another second each time: as long as that is all, the price stays. */
	const bool same = later_s > -DAY_S && later_s < DAY_S && progress->expires_s > now_s;
	if (sent || same || !onchain_value_with_end(wish->value, wish->expires_s, value) ||
	    strlen(value) > IOTPKI_VALUE_LEDGER_MAX)
		return;
	set_value(progress, value);
	progress->expires_s = wish->expires_s;
	if (progress->type == CONFIG_NODE_EMERCOIN)
		progress->days = onchain_days(now_s, wish->expires_s);
}

/* Its pre-order is not in the wallet: another wallet, or other coins took its place. */
static bool order_is_gone(const struct onchain_progress *progress, const struct onchain_seen *seen)
{
	return progress->has_preorder && !progress->has_txid &&
	       seen->order_depth == ONCHAIN_DEPTH_UNKNOWN && seen->name != ONCHAIN_NAME_HELD;
}

/* Another value than what was asked for before: a pre-order does not say for which value it is. */
static void begin_anew(struct onchain_progress *progress)
{
	progress->has_txid = false;
	progress->stage = progress->has_preorder ? ONCHAIN_ORDERED : ONCHAIN_WANTED;
}

static enum onchain_problem want_registration(struct onchain_progress *progress,
					      enum config_node_type type,
					      const struct onchain_wish *wish,
					      const struct onchain_seen *seen, int64_t now_s,
					      bool *resumed)
{
	char value[IOTPKI_VALUE_MAX + 1];
	const bool mine = under_way(progress) && progress->op == ONCHAIN_REGISTER;
	const bool there = progress->op == ONCHAIN_REGISTER && progress->stage == ONCHAIN_DONE &&
			   is_achieved(progress, seen);
	const bool gone = mine && order_is_gone(progress, seen);
	if ((mine || there) && !gone && same_but_end(progress->value, wish->value)) {
		if (mine)
			take_end(progress, wish, seen, now_s);
		*resumed = true;
		return ONCHAIN_OK;
	}
	if (!onchain_value_with_end(wish->value, wish->expires_s, value) ||
	    strlen(value) > IOTPKI_VALUE_LEDGER_MAX)
		return ONCHAIN_TOO_LONG;
	if (seen->name == ONCHAIN_NAME_HELD)
		return held_problem(seen);
	/* What is being revoked can still arrive; then the revocation is for it. */
	if (seen->pending || (revokes(progress) && progress->has_txid && !progress->has_prev))
		return ONCHAIN_PENDING;
	if (mine && !gone)
		begin_anew(progress);
	else
		begin(progress, type, ONCHAIN_REGISTER, seen);
	set_value(progress, value);
	progress->expires_s = wish->expires_s;
	progress->days = type == CONFIG_NODE_EMERCOIN ? onchain_days(now_s, wish->expires_s) : 0;
	return ONCHAIN_OK;
}

/*
 * A revocation is not taken back by asking for something else: neither one that waits for its wallet,
 * nor one that a reorganisation of the chain has undone.
 */
static bool is_revocation_wanted(const struct onchain_progress *progress,
				 const struct onchain_seen *seen)
{
	const bool done = progress->op == ONCHAIN_REVOKE && progress->stage == ONCHAIN_DONE;
	return revokes(progress) || (done && progress->has_registration &&
				     same_txid(progress->registration, seen->registration));
}

bool onchain_reopen(struct onchain_progress *progress, const struct onchain_seen *seen)
{
	if (revokes(progress) || !is_revocation_wanted(progress, seen) ||
	    seen->name != ONCHAIN_NAME_HELD || seen->revoked || seen->no_history)
		return false;
	progress->stage = ONCHAIN_SENT;
	return true;
}

/* What update, transfer and revoke need: the name is there, and not another's. */
static enum onchain_problem live_problem(const struct onchain_seen *seen)
{
	if (seen->name != ONCHAIN_NAME_HELD)
		return ONCHAIN_EXPIRED;
	return seen->mine == ONCHAIN_NOT_MINE ? ONCHAIN_NOT_OWNER : ONCHAIN_OK;
}

/* An end that is not asked for stays as the chain has it; another tool may have set it. */
static int64_t end_of(const struct onchain_progress *progress, const struct onchain_wish *wish,
		      const struct onchain_seen *seen)
{
	struct iotpki_record record;
	if (wish->expires_s != 0)
		return wish->expires_s;
	const bool read =
		seen->name == ONCHAIN_NAME_HELD &&
		iotpki_record_parse(seen->value, strlen(seen->value), &record, NULL) == IOTPKI_OK;
	return read && record.has_ex ? record.ex_s : progress->expires_s;
}

static enum onchain_problem want_change(struct onchain_progress *progress,
					enum config_node_type type, const struct onchain_wish *wish,
					const struct onchain_seen *seen, int64_t now_s,
					bool *resumed)
{
	char value[IOTPKI_VALUE_MAX + 1];
	const bool same_kind = progress->op == wish->op && progress->value[0] != '\0';
	const char *base = wish->value != NULL ? wish->value : seen->value;
	const int64_t end = end_of(progress, wish, seen);
	if (same_kind && progress->stage < ONCHAIN_DONE && wish->op == ONCHAIN_TRANSFER &&
	    strcmp(progress->address, wish->address) == 0) {
		*resumed = true;
		return ONCHAIN_OK;
	}
	if (!onchain_value_with_end(base, end, value) || strlen(value) > IOTPKI_VALUE_LEDGER_MAX ||
	    (wish->value == NULL && (seen->value_cut || seen->value_odd)))
		return ONCHAIN_TOO_LONG;
	if (same_kind && wish->op == ONCHAIN_UPDATE && strcmp(progress->value, value) == 0 &&
	    (progress->stage < ONCHAIN_DONE || is_achieved(progress, seen))) {
		*resumed = true;
		return ONCHAIN_OK;
	}
	const enum onchain_problem problem = live_problem(seen);
	if (problem != ONCHAIN_OK)
		return problem;
	if (seen->revoked || is_revocation_wanted(progress, seen))
		return ONCHAIN_REVOKED;
	/* A revocation further back would be undone by it (design 6). */
	if (seen->no_history)
		return ONCHAIN_NO_WALLET;
	const bool unseen = under_way(progress) && progress->op == ONCHAIN_REGISTER &&
			    seen->mine != ONCHAIN_MINE;
	if (seen->pending || unseen)
		return ONCHAIN_PENDING;
	const int64_t until = onchain_end_s(type, seen, now_s);
	begin(progress, type, wish->op, seen);
	set_value(progress, value);
	progress->expires_s = end;
	if (type == CONFIG_NODE_EMERCOIN && wish->op == ONCHAIN_UPDATE && wish->expires_s != 0)
		progress->days = onchain_days(until, wish->expires_s);
	if (wish->address != NULL)
		(void)snprintf(progress->address, sizeof(progress->address), "%s", wish->address);
	return ONCHAIN_OK;
}

/* The present value with the status behind it. One that no reader takes is not made better by it. */
static bool revoked_value(const struct onchain_progress *progress, const struct onchain_seen *seen,
			  char out[static IOTPKI_VALUE_MAX + 1])
{
	struct iotpki_record record;
	const bool there = seen->name == ONCHAIN_NAME_HELD && !seen->value_odd;
	const char *base = there ? seen->value : progress->value;
	if (there && seen->value_cut)
		return false;
	/* Nothing of ours is known that could be kept. */
	if (base[0] == '\0')
		base = &revoked_field[1];
	const bool parsed = iotpki_record_parse(base, strlen(base), &record, NULL) == IOTPKI_OK;
	if ((parsed && record.revoked) || strcmp(base, &revoked_field[1]) == 0) {
		(void)snprintf(out, IOTPKI_VALUE_MAX + 1, "%s", base);
		return true;
	}
	if (strlen(base) + sizeof(revoked_field) - 1 > IOTPKI_VALUE_MAX)
		return false;
	(void)snprintf(out, IOTPKI_VALUE_MAX + 1, "%s%s", base, revoked_field);
	return true;
}

/* A registration that was sent can still arrive; one that was only pre-ordered is never entered now. */
static void keep_sent(struct onchain_progress *progress, const struct onchain_progress *before)
{
	if (before->op != ONCHAIN_REGISTER || before->stage != ONCHAIN_SENT)
		return;
	progress->has_txid = before->has_txid;
	memcpy(progress->txid, before->txid, sizeof(progress->txid));
}

/* Somebody was faster: what was wanted of the name, and not sent, is given up by revoking it. */
static bool is_lost_to_another(const struct onchain_progress *progress,
			       const struct onchain_seen *seen)
{
	return under_way(progress) && progress->op == ONCHAIN_REGISTER &&
	       progress->stage < ONCHAIN_SENT && !progress->has_txid &&
	       seen->name == ONCHAIN_NAME_HELD && seen->mine == ONCHAIN_NOT_MINE &&
	       strcmp(progress->value, seen->value) != 0;
}

static enum onchain_problem want_revocation(struct onchain_progress *progress,
					    enum config_node_type type,
					    const struct onchain_seen *seen, bool *resumed)
{
	char value[IOTPKI_VALUE_MAX + 1];
	const bool begun = progress->value[0] != '\0';
	if (begun && progress->op == ONCHAIN_REVOKE &&
	    (progress->stage < ONCHAIN_DONE || seen->name != ONCHAIN_NAME_HELD)) {
		*resumed = true;
		return ONCHAIN_OK;
	}
	if (is_lost_to_another(progress, seen)) {
		*progress = (struct onchain_progress){ .type = type,
						       .op = ONCHAIN_REVOKE,
						       .stage = ONCHAIN_NOTHING };
		set_value(progress, &revoked_field[1]);
		return ONCHAIN_OK;
	}
	if (seen->name == ONCHAIN_NAME_HELD && live_problem(seen) != ONCHAIN_OK)
		return live_problem(seen);
	if (seen->name != ONCHAIN_NAME_HELD && (!begun || progress->op != ONCHAIN_REGISTER))
		return seen->name == ONCHAIN_NAME_DELETED && begun ? ONCHAIN_REVOKED
								   : ONCHAIN_EXPIRED;
	if (!revoked_value(progress, seen, value))
		return ONCHAIN_TOO_LONG;
	const struct onchain_progress before = *progress;
	begin(progress, type, ONCHAIN_REVOKE, seen);
	set_value(progress, value);
	progress->expires_s = before.expires_s;
	progress->ends_s = before.ends_s;
	keep_sent(progress, &before);
	return ONCHAIN_OK;
}

void onchain_want_revocation_blind(struct onchain_progress *progress, enum config_node_type type)
{
	const struct onchain_progress before = *progress;
	if (under_way(progress) && progress->op == ONCHAIN_REVOKE)
		return;
	*progress = (struct onchain_progress){ .type = type,
					       .op = ONCHAIN_REVOKE,
					       .expires_s = before.expires_s,
					       .ends_s = before.ends_s };
	set_value(progress, before.value[0] != '\0' ? before.value : &revoked_field[1]);
	keep_sent(progress, &before);
	if (before.stage != ONCHAIN_DONE)
		return;
	progress->has_prev = before.has_txid;
	memcpy(progress->prev, before.txid, sizeof(progress->prev));
}

enum onchain_problem onchain_want(struct onchain_progress *progress, enum config_node_type type,
				  const struct onchain_wish *wish, const struct onchain_seen *seen,
				  int64_t now_s, bool *resumed_out)
{
	*resumed_out = false;
	if (wish->op == ONCHAIN_REGISTER)
		return want_registration(progress, type, wish, seen, now_s, resumed_out);
	if (wish->op == ONCHAIN_REVOKE)
		return want_revocation(progress, type, seen, resumed_out);
	return want_change(progress, type, wish, seen, now_s, resumed_out);
}

/* ---- steps ---- */

static struct onchain_step step_of(enum onchain_action action)
{
	return (struct onchain_step){ .action = action };
}

static struct onchain_step refuse(enum onchain_problem problem)
{
	return (struct onchain_step){ .action = ONCHAIN_REFUSE, .problem = problem };
}

static struct onchain_step wait_for(struct onchain_progress *progress, uint32_t blocks)
{
	progress->to_go = blocks;
	return (struct onchain_step){ .action = ONCHAIN_WAIT, .to_go = blocks };
}

/* What the chain shows is what is wanted; not merely a copy of it by somebody else. */
static bool is_achieved(const struct onchain_progress *progress, const struct onchain_seen *seen)
{
	if (seen->name != ONCHAIN_NAME_HELD)
		return progress->op == ONCHAIN_REVOKE && seen->name == ONCHAIN_NAME_DELETED;
	if (progress->op == ONCHAIN_REVOKE)
		return seen->revoked;
	if (progress->has_txid && same_txid(progress->txid, seen->txid))
		return true;
	if (progress->has_prev && same_txid(progress->prev, seen->txid))
		return false;
	if (strcmp(progress->value, seen->value) != 0)
		return false;
	if (progress->op == ONCHAIN_TRANSFER)
		return strcmp(progress->address, seen->address) == 0;
	return seen->mine == ONCHAIN_MINE;
}

/* It is in the chain: how deep? */
static struct onchain_step judge_depth(struct onchain_progress *progress,
				       const struct onchain_seen *seen, unsigned int confirmations,
				       int64_t now_s)
{
	if (seen->name == ONCHAIN_NAME_HELD) {
		progress->has_txid = true;
		memcpy(progress->txid, seen->txid, sizeof(progress->txid));
		progress->has_registration = true;
		memcpy(progress->registration, seen->registration, sizeof(progress->registration));
		progress->ends_s = onchain_end_s(progress->type, seen, now_s);
	}
	const uint64_t depth = seen->name == ONCHAIN_NAME_HELD && seen->height >= seen->txid_height
				       ? seen->height - seen->txid_height + 1
				       : confirmations;
	progress->stage = depth >= confirmations ? ONCHAIN_DONE : ONCHAIN_SENT;
	progress->to_go = 0;
	if (progress->stage == ONCHAIN_DONE)
		return step_of(ONCHAIN_REST);
	return wait_for(progress, (uint32_t)(confirmations - depth));
}

static struct onchain_step judge_pending(struct onchain_progress *progress,
					 const struct onchain_seen *seen,
					 unsigned int confirmations)
{
	const bool ours = seen->pending_mine || progress->op == ONCHAIN_TRANSFER ||
			  (progress->has_txid && same_txid(progress->txid, seen->pending_txid));
	if (ours && strcmp(seen->pending_value, progress->value) == 0) {
		progress->stage = ONCHAIN_SENT;
		progress->has_txid = true;
		memcpy(progress->txid, seen->pending_txid, sizeof(progress->txid));
		return wait_for(progress, confirmations);
	}
	/* A revocation lines up behind whatever the owner sent before. */
	if (progress->op == ONCHAIN_REVOKE)
		return wait_for(progress, confirmations + 1);
	return refuse(ONCHAIN_PENDING);
}

void onchain_forget_order(struct onchain_progress *progress)
{
	progress->has_preorder = false;
	progress->salt[0] = '\0';
	progress->address[0] = '\0';
	progress->stage = ONCHAIN_WANTED;
}

/* Namecoin: address, pre-order, twelve blocks, then the registration itself. */
static struct onchain_step enter_namecoin(struct onchain_progress *progress,
					  const struct onchain_seen *seen)
{
	/* A second one is paid for only if dm register asks for it: the wallet may come back. */
	if (order_is_gone(progress, seen))
		return refuse(ONCHAIN_NOT_OWNER);
	if (!progress->has_preorder && progress->address[0] == '\0')
		return step_of(ONCHAIN_ADDRESS);
	if (!progress->has_preorder && !seen->order_found)
		return step_of(ONCHAIN_ORDER);
	if (!progress->has_preorder) {
		/* Killed between name_new and its answer: the wallet still derives the salt. */
		progress->has_preorder = true;
		progress->stage = ONCHAIN_ORDERED;
		memcpy(progress->preorder, seen->order_txid, sizeof(progress->preorder));
		return wait_for(progress, ONCHAIN_ORDER_DEPTH);
	}
	progress->stage = ONCHAIN_ORDERED;
	if (seen->order_depth < ONCHAIN_ORDER_DEPTH)
		return wait_for(progress, (uint32_t)(ONCHAIN_ORDER_DEPTH - seen->order_depth));
	progress->to_go = 0;
	return step_of(ONCHAIN_ENTER);
}

/* The end that the value tells is in the past: nobody pays for that. */
static bool is_over(const struct onchain_progress *progress, int64_t now_s)
{
	return progress->expires_s != 0 && now_s >= progress->expires_s;
}

static struct onchain_step next_registration(struct onchain_progress *progress,
					     const struct onchain_seen *seen, int64_t now_s)
{
	if (seen->name == ONCHAIN_NAME_HELD)
		return refuse(held_problem(seen));
	if (is_over(progress, now_s))
		return refuse(ONCHAIN_EXPIRED);
	if (progress->type == CONFIG_NODE_EMERCOIN)
		return step_of(ONCHAIN_ENTER);
	return enter_namecoin(progress, seen);
}

/* There is nothing to change: is there something to wait for? */
static struct onchain_step next_of_none(struct onchain_progress *progress,
					unsigned int confirmations)
{
	if (progress->op != ONCHAIN_REVOKE || progress->has_prev)
		return refuse(ONCHAIN_EXPIRED);
	/* The registration that is to be revoked was sent, and is nowhere to be seen yet. */
	if (progress->has_txid)
		return wait_for(progress, confirmations + 1);
	progress->stage = ONCHAIN_NOTHING;
	progress->to_go = 0;
	return step_of(ONCHAIN_REST);
}

static struct onchain_step next_change(struct onchain_progress *progress,
				       const struct onchain_seen *seen, unsigned int confirmations,
				       int64_t now_s)
{
	if (seen->name != ONCHAIN_NAME_HELD)
		return next_of_none(progress, confirmations);
	if (seen->mine == ONCHAIN_NOT_MINE)
		return refuse(ONCHAIN_NOT_OWNER);
	if (seen->revoked && progress->op != ONCHAIN_REVOKE)
		return refuse(ONCHAIN_REVOKED);
	/* It was planned when the history could be read; a revocation may stand there since. */
	if (seen->no_history && progress->op != ONCHAIN_REVOKE)
		return refuse(ONCHAIN_NO_WALLET);
	if (progress->op == ONCHAIN_UPDATE && is_over(progress, now_s))
		return refuse(ONCHAIN_EXPIRED);
	if (progress->op == ONCHAIN_REVOKE) {
		char value[IOTPKI_VALUE_MAX + 1];
		if (!revoked_value(progress, seen, value))
			return refuse(ONCHAIN_TOO_LONG);
		set_value(progress, value);
	}
	progress->has_prev = true;
	memcpy(progress->prev, seen->txid, sizeof(progress->prev));
	return step_of(ONCHAIN_CHANGE);
}

/* It was registered, and ran out before anybody looked again: it must not be registered anew unasked. */
static bool has_run_out(const struct onchain_progress *progress, const struct onchain_seen *seen)
{
	if (progress->op != ONCHAIN_REGISTER || seen->name != ONCHAIN_NAME_EXPIRED)
		return false;
	if (progress->has_txid && same_txid(progress->txid, seen->txid))
		return true;
	if (progress->has_prev && same_txid(progress->prev, seen->txid))
		return false;
	return seen->mine != ONCHAIN_NOT_MINE && strcmp(progress->value, seen->value) == 0;
}

static struct onchain_step rest_expired(struct onchain_progress *progress,
					const struct onchain_seen *seen, int64_t now_s)
{
	progress->stage = ONCHAIN_DONE;
	progress->to_go = 0;
	progress->ends_s = now_s;
	progress->has_txid = true;
	memcpy(progress->txid, seen->txid, sizeof(progress->txid));
	return step_of(ONCHAIN_REST);
}

/*
 * A node whose newest block is old (or whose owner's clock is ahead) says nothing that could be relied
 * on, but a revocation that it takes hurts nobody: if the name has changed since, no chain takes it.
 */
static bool may_revoke_unsynced(const struct onchain_progress *progress,
				const struct onchain_seen *seen)
{
	return progress->op == ONCHAIN_REVOKE && seen->name == ONCHAIN_NAME_HELD &&
	       seen->mine != ONCHAIN_NOT_MINE && !seen->revoked && !seen->pending;
}

struct onchain_step onchain_next(struct onchain_progress *progress, const struct onchain_seen *seen,
				 unsigned int confirmations, int64_t now_s)
{
	if (progress->value[0] == '\0' || progress->stage >= ONCHAIN_DONE)
		return step_of(ONCHAIN_REST);
	const bool old = now_s - seen->tip_s > ONCHAIN_TIP_AGE_MAX_S;
	if (seen->downloading || (old && !may_revoke_unsynced(progress, seen)))
		return refuse(ONCHAIN_NOT_IN_SYNC);
	if (is_achieved(progress, seen))
		return judge_depth(progress, seen, confirmations, now_s);
	if (seen->pending)
		return judge_pending(progress, seen, confirmations);
	/* It was sent, and can be there. */
	if (seen->pending_unread && progress->stage == ONCHAIN_SENT && progress->has_txid)
		return wait_for(progress, confirmations);
	if (has_run_out(progress, seen))
		return rest_expired(progress, seen, now_s);
	if (progress->op == ONCHAIN_REGISTER)
		return next_registration(progress, seen, now_s);
	return next_change(progress, seen, confirmations, now_s);
}
