/* What the device manager does to a name, and how all B-nodes learn of it. */
#include "manager/manager.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/parse.h"

#define YEARS_10_S (INT64_C(3653) * 86400) /* design 6: no registration lasts longer at once */

bool manager_done(const struct manager_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->node[i].state != MANAGER_LEVEL &&
		    report->node[i].state != MANAGER_CHAIN)
			return false;
	for (size_t i = 0; i < report->chain_count; i++)
		if (!manager_chain_done(&report->chain[i]))
			return false;
	return report->count > 0;
}

/* The ledgers alone: what chains have is no part of the steps. */
static bool ledgers_level(const struct manager_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->node[i].state != MANAGER_LEVEL &&
		    report->node[i].state != MANAGER_CHAIN)
			return false;
	return true;
}

/* After a failed write the node itself does not know: what it could not sync can be there later. */
bool manager_refused(const struct manager_report *report)
{
	size_t ledgers = 0;
	for (size_t i = 0; i < report->count; i++) {
		if (report->node[i].state == MANAGER_CHAIN)
			continue;
		ledgers++;
		if (report->node[i].state != MANAGER_REFUSED ||
		    report->node[i].reason == TX_STORAGE)
			return false;
	}
	return ledgers > 0;
}

const char *manager_state_name(enum manager_state state)
{
	static const char *const names[] = { "not-asked",   "level",  "refused",
					     "unreachable", "broken", "chain" };
	return (size_t)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

static enum iotpki_err take_lock(const char *dir,
				 enum iotpki_err (*take)(const char *path, int *fd_out,
							 struct iotpki_detail *detail),
				 int *fd_out, struct iotpki_detail *detail)
{
	char path[PATH_MAX];
	const int len = snprintf(path, sizeof(path), "%s/lock", dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the path of the store is too long");
	return take(path, fd_out, detail);
}

enum iotpki_err manager_lock(const char *dir, int *fd_out, struct iotpki_detail *detail)
{
	return take_lock(dir, fs_lock, fd_out, detail);
}

enum iotpki_err manager_try_lock(const char *dir, int *fd_out, struct iotpki_detail *detail)
{
	return take_lock(dir, fs_try_lock, fd_out, detail);
}

/* ---- sending ---- */

static enum manager_state send_step(const struct manager *manager, size_t node,
				    const struct store_step *step, enum tx_reason *reason_out)
{
	for (size_t i = 0; i < step->count; i++) {
		const enum manager_state state = manager->transport.submit(
			manager->transport.context, node, step->part[i].der.data,
			step->part[i].der.len, step->part[i].txid, reason_out);
		if (state != MANAGER_LEVEL)
			return state;
	}
	return MANAGER_LEVEL;
}

/* From step `first` on; report->node[node] says how far it went. */
static enum manager_state send_from(const struct manager *manager, size_t node,
				    const struct store_name *name, size_t first,
				    struct manager_report *report)
{
	size_t *steps = &report->node[node].steps;
	for (*steps = first; *steps < name->step_count; (*steps)++) {
		const enum manager_state state =
			send_step(manager, node, &name->steps[*steps], &report->node[node].reason);
		if (state != MANAGER_LEVEL)
			return state;
	}
	return MANAGER_LEVEL;
}

/*
 * Every node is known to have the first `level` steps, so the rest is enough. A node that was set
 * up anew since then refuses that, and gets everything from the beginning: what it has of it, it
 * takes again. Always in order, since a REGISTER may not be shown to a node before that node has the
 * PREORDER that hides it (paper II, two-step commit).
 */
static enum manager_state send_all(const struct manager *manager, size_t node,
				   const struct store_name *name, struct manager_report *report)
{
	const size_t first = name->level < name->step_count ? name->level : 0;
	const enum manager_state state = send_from(manager, node, name, first, report);
	if (state != MANAGER_REFUSED || first == 0)
		return state;
	return send_from(manager, node, name, 0, report);
}

static enum iotpki_err send_to_nodes(const struct manager *manager, struct store_name *name,
				     struct manager_report *report, struct iotpki_detail *detail)
{
	*report = (struct manager_report){ .count = manager->config->node_count };
	for (size_t i = 0; i < report->count; i++) {
		const bool ledger = manager->config->nodes[i].type == CONFIG_NODE_IOTPKI;
		report->node[i].state = ledger ? send_all(manager, i, name, report) : MANAGER_CHAIN;
	}
	if (!ledgers_level(report) || name->level == name->step_count)
		return IOTPKI_OK;
	return store_set_level(manager->dir, name, name->step_count, detail);
}

/* ---- signing ---- */

/* The name as the ledgers know it: one prefix, since the bytes that are signed are the same for all. */
static enum iotpki_err nvs_name(const struct manager *manager, const char *name,
				char out[static IOTPKI_NVS_NAME_MAX + 1],
				struct iotpki_detail *detail)
{
	const char *prefix = NULL;
	for (size_t i = 0; i < manager->config->node_count; i++) {
		const struct config_node *node = &manager->config->nodes[i];
		if (node->type != CONFIG_NODE_IOTPKI)
			continue;
		if (prefix == NULL)
			prefix = node->name_prefix;
		if (strcmp(node->name_prefix, prefix) != 0)
			return detail_set(detail, IOTPKI_ERR_UNSUPPORTED, 0, 0,
					  "iotpki nodes with different name_prefix in one list: "
					  "not in this release");
	}
	if (prefix == NULL)
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
				  "no B-nodes are listed: dm init --bnode URL --pin PIN");
	(void)snprintf(out, IOTPKI_NVS_NAME_MAX + 1, "%s%s", prefix, name);
	return IOTPKI_OK;
}

static enum iotpki_err sign_part(const struct manager *manager, const struct tx *tx,
				 struct store_step *step, struct iotpki_detail *detail)
{
	const size_t at = step->count;
	struct buf *der = &step->part[at].der;
	*der = (struct buf)BUF_INIT(TX_DER_MAX);
	step->part[at].tx = *tx;
	step->count++;
	enum iotpki_err err = tx_sign(tx, manager->owner, der, detail);
	if (err != IOTPKI_OK)
		return err;
	/* What is stored is what any node would read from it, never what we meant to sign. */
	const enum tx_reason reason =
		tx_verify(der->data, der->len, &step->part[at].tx, step->part[at].txid, detail);
	return reason == TX_OK ? IOTPKI_OK : IOTPKI_ERR_INTERNAL;
}

static void start_tx(const struct manager *manager, enum tx_op op, const char *name,
		     int64_t not_before_s, struct tx *tx)
{
	*tx = (struct tx){ .op = op };
	const int64_t now_s = manager->clock->now_s(manager->clock);
	/* The ledger refuses a time before the name's last one: a clock may have been set back. */
	tx->time_s = now_s > not_before_s ? now_s : not_before_s;
	memcpy(tx->owner, identity_cert(manager->owner)->spki_sha256, SHA256_LEN);
	(void)snprintf(tx->name, sizeof(tx->name), "%s", name);
}

static enum iotpki_err check_end(int64_t expires_s, const struct tx *tx,
				 const struct store_state *now, struct iotpki_detail *detail)
{
	if (expires_s <= tx->time_s)
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
				  "the end of the registration must lie in the future");
	if (expires_s - tx->time_s > YEARS_10_S)
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
				  "a registration lasts at most 10 years");
	if (now != NULL && expires_s < now->expires_s)
		return detail_set(
			detail, IOTPKI_ERR_ARGUMENT, 0, 0,
			"the end of a registration cannot be brought forward; revoke it instead");
	return IOTPKI_OK;
}

/* PREORDER and REGISTER are signed and stored together, so that the salt can never be lost between them. */
static enum iotpki_err sign_registration(const struct manager *manager, const struct tx *wanted,
					 struct store_step *step, struct iotpki_detail *detail)
{
	struct tx registration = *wanted;
	enum iotpki_err err = manager->random->fill(manager->random, registration.salt,
						    sizeof(registration.salt));
	if (err != IOTPKI_OK)
		return err;
	struct tx preorder;
	start_tx(manager, TX_PREORDER, "", registration.time_s, &preorder);
	preorder.time_s = registration.time_s;
	err = tx_commit(registration.salt, registration.owner, registration.name, preorder.commit);
	if (err == IOTPKI_OK)
		err = sign_part(manager, &preorder, step, detail);
	if (err == IOTPKI_OK)
		err = sign_part(manager, &registration, step, detail);
	return err;
}

/* ---- the verbs ---- */

static bool expired(const struct manager *manager, const struct store_state *state)
{
	return manager->clock->now_s(manager->clock) >= state->expires_s;
}

/* The registration has begun and is not everywhere yet, with this very value: go on with it. */
static bool resumes(const struct store_name *name, const struct store_state *state,
		    const char *value)
{
	return name->level < name->step_count && strcmp(state->value, value) == 0 &&
	       name->steps[name->step_count - 1].count == 2;
}

static enum iotpki_err load_or_new(const struct manager *manager, const char *name,
				   struct store_name *stored, struct iotpki_detail *detail)
{
	const enum iotpki_err err = store_load(manager->dir, name, stored, detail);
	if (err != IOTPKI_ERR_NOT_FOUND)
		return err;
	(void)snprintf(stored->name, sizeof(stored->name), "%s", name);
	return IOTPKI_OK;
}

static size_t steps_at_most(const struct store_name *stored, const struct manager_report *report)
{
	size_t most = stored->level;
	if (!manager_refused(report))
		return stored->step_count;
	for (size_t i = 0; i < report->count; i++)
		if (report->node[i].steps > most)
			most = report->node[i].steps;
	return most;
}

/*
 * Send steps that not every node is known to have. Those that every node refuses nobody has: they
 * are forgotten, or they would stand in the way of everything that the owner does to the name later.
 */
static enum iotpki_err send_new(const struct manager *manager, struct store_name *stored,
				struct manager_report *report, struct iotpki_detail *detail)
{
	enum iotpki_err err = send_to_nodes(manager, stored, report, detail);
	if (err != IOTPKI_OK)
		return err;
	const size_t most = steps_at_most(stored, report);
	while (err == IOTPKI_OK && stored->step_count > most)
		err = store_drop_last(manager->dir, stored, detail);
	return err;
}

enum iotpki_err manager_register(const struct manager *manager, const char *name,
				 const struct iotpki_record *record, int64_t expires_s,
				 struct manager_report *report_out, struct iotpki_detail *detail)
{
	*report_out = (struct manager_report){ 0 };
	CLEANUP(store_name_done) struct store_name stored = { 0 };
	CLEANUP(store_step_done) struct store_step step = { 0 };
	struct tx tx;
	char full[IOTPKI_NVS_NAME_MAX + 1];

	enum iotpki_err err = load_or_new(manager, name, &stored, detail);
	if (err == IOTPKI_OK)
		err = nvs_name(manager, name, full, detail);
	if (err != IOTPKI_OK)
		return err;
	struct store_state state;
	store_state(&stored, &state);
	start_tx(manager, TX_REGISTER, full, state.time_s, &tx);
	err = iotpki_record_format(record, tx.value, sizeof(tx.value));
	if (err != IOTPKI_OK)
		return err;

	if (state.exists && !expired(manager, &state)) {
		if (!state.revoked && resumes(&stored, &state, tx.value))
			return send_new(manager, &stored, report_out, detail);
		if (!state.revoked)
			return detail_set(detail, IOTPKI_ERR_EXISTS, 0, 0,
					  "%s is registered already; use dm renew", name);
		return detail_set(detail, IOTPKI_ERR_REFUSED, 0, 0,
				  "%s is revoked: it cannot be registered before it expires", name);
	}
	err = check_end(expires_s, &tx, NULL, detail);
	if (err != IOTPKI_OK)
		return err;
	tx.expires_s = expires_s;
	err = sign_registration(manager, &tx, &step, detail);
	if (err == IOTPKI_OK)
		err = store_append(manager->dir, &stored, &step, detail);
	return err == IOTPKI_OK ? send_new(manager, &stored, report_out, detail) : err;
}

/* What renew and revoke share: the name is ours, alive, and its last transaction is prev. */
static enum iotpki_err load_live(const struct manager *manager, const char *name, enum tx_op op,
				 struct store_name *stored, struct store_state *state,
				 struct tx *tx, struct iotpki_detail *detail)
{
	char full[IOTPKI_NVS_NAME_MAX + 1];
	enum iotpki_err err = store_load(manager->dir, name, stored, detail);
	if (err == IOTPKI_OK)
		err = nvs_name(manager, name, full, detail);
	if (err != IOTPKI_OK)
		return err;
	store_state(stored, state);
	start_tx(manager, op, full, state->time_s, tx);
	memcpy(tx->prev, state->last, SHA256_LEN);
	if (expired(manager, state))
		return detail_set(detail, IOTPKI_ERR_REFUSED, 0, 0,
				  "%s has expired; dm register it again", name);
	return IOTPKI_OK;
}

static enum iotpki_err append_and_send(const struct manager *manager, struct store_name *stored,
				       const struct tx *tx, struct manager_report *report,
				       struct iotpki_detail *detail)
{
	CLEANUP(store_step_done) struct store_step step = { 0 };
	enum iotpki_err err = sign_part(manager, tx, &step, detail);
	if (err == IOTPKI_OK)
		err = store_append(manager->dir, stored, &step, detail);
	return err == IOTPKI_OK ? send_new(manager, stored, report, detail) : err;
}

enum iotpki_err manager_renew(const struct manager *manager, const char *name,
			      const struct iotpki_record *record, int64_t expires_s,
			      struct manager_report *report_out, struct iotpki_detail *detail)
{
	*report_out = (struct manager_report){ 0 };
	CLEANUP(store_name_done) struct store_name stored = { 0 };
	struct store_state state;
	struct tx tx;
	enum iotpki_err err = load_live(manager, name, TX_UPDATE, &stored, &state, &tx, detail);
	if (err != IOTPKI_OK)
		return err;
	if (state.revoked)
		return detail_set(detail, IOTPKI_ERR_REFUSED, 0, 0,
				  "%s is revoked: nothing can be changed any more", name);

	(void)snprintf(tx.value, sizeof(tx.value), "%s", state.value);
	if (record != NULL)
		err = iotpki_record_format(record, tx.value, sizeof(tx.value));
	tx.expires_s = expires_s != 0 ? expires_s : state.expires_s;
	if (err == IOTPKI_OK)
		err = check_end(tx.expires_s, &tx, &state, detail);
	if (err != IOTPKI_OK)
		return err;
	/* The same again, unfinished or not: nothing new to sign. */
	const bool same = strcmp(tx.value, state.value) == 0 && tx.expires_s == state.expires_s;
	if (same)
		return send_to_nodes(manager, &stored, report_out, detail);
	return append_and_send(manager, &stored, &tx, report_out, detail);
}

enum iotpki_err manager_revoke(const struct manager *manager, const char *name,
			       struct manager_report *report_out, struct iotpki_detail *detail)
{
	*report_out = (struct manager_report){ 0 };
	CLEANUP(store_name_done) struct store_name stored = { 0 };
	struct store_state state;
	struct tx tx;
	const enum iotpki_err err =
		load_live(manager, name, TX_REVOKE, &stored, &state, &tx, detail);
	if (err != IOTPKI_OK)
		return err;
	if (state.revoked)
		return send_to_nodes(manager, &stored, report_out, detail);
	return append_and_send(manager, &stored, &tx, report_out, detail);
}

enum iotpki_err manager_sync(const struct manager *manager, const char *name,
			     struct manager_report *report_out, struct iotpki_detail *detail)
{
	*report_out = (struct manager_report){ 0 };
	CLEANUP(store_name_done) struct store_name stored = { 0 };
	const enum iotpki_err err = store_load(manager->dir, name, &stored, detail);
	if (err != IOTPKI_OK)
		return err;
	/* Whoever asks for this does not believe that the nodes have what they once confirmed. */
	stored.level = 0;
	return send_to_nodes(manager, &stored, report_out, detail);
}
