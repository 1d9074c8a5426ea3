/* What the device manager does to a name on the chains of its list. */
#include <stdio.h>
#include <string.h>

#include "manager/manager.h"
#include "manager/onchain_store.h"

enum {
	ACTS_MAX = 8
}; /* of one network in one round: address, pre-order, and a second look at each */

bool manager_has_ledgers(const struct manager *manager)
{
	for (size_t i = 0; i < manager->config->node_count; i++)
		if (manager->config->nodes[i].type == CONFIG_NODE_IOTPKI)
			return true;
	return false;
}

bool manager_has_chains(const struct manager *manager)
{
	for (size_t i = 0; i < manager->config->node_count; i++)
		if (manager->config->nodes[i].type != CONFIG_NODE_IOTPKI)
			return true;
	return false;
}

bool manager_chain_done(const struct manager_chain *chain)
{
	return chain->problem == ONCHAIN_OK && chain->progress.value[0] != '\0' &&
	       chain->progress.stage >= ONCHAIN_DONE;
}

/* ---- networks ---- */

static struct manager_chain *chain_of(struct manager_report *report, uint8_t network)
{
	for (size_t i = 0; i < report->chain_count; i++)
		if (report->chain[i].network == network)
			return &report->chain[i];
	struct manager_chain *chain = &report->chain[report->chain_count++];
	*chain = (struct manager_chain){ .network = network };
	return chain;
}

/*
 * The chain networks of the list in its order. Several nodes of one are one owner's: the first with
 * credentials writes, since a wallet lets nobody in without them.
 */
static enum iotpki_err list_chains(const struct manager *manager, struct manager_report *report,
				   struct iotpki_detail *detail)
{
	const struct config *config = manager->config;
	report->count = config->node_count;
	report->chain_count = 0;
	for (size_t i = 0; i < config->node_count; i++) {
		const struct config_node *node = &config->nodes[i];
		if (node->type == CONFIG_NODE_IOTPKI)
			continue;
		report->node[i].state = MANAGER_CHAIN;
		const size_t known = report->chain_count;
		struct manager_chain *chain = chain_of(report, node->network);
		if (report->chain_count > known)
			chain->node = i;
		const struct config_node *writer = &config->nodes[chain->node];
		if (writer->type != node->type)
			return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
					  "network %s has nodes of two types; give one of them "
					  "another network",
					  config->networks[node->network]);
		if (writer->credentials[0] == '\0' && node->credentials[0] != '\0')
			chain->node = i;
	}
	return IOTPKI_OK;
}

static const char *network_name(const struct manager *manager, const struct manager_chain *chain)
{
	return manager->config->networks[chain->network];
}

static struct wallet wallet_of(const struct manager *manager, const struct manager_chain *chain,
			       const char *name, char nvs_name[static IOTPKI_NVS_NAME_MAX + 1])
{
	const struct config_node *node = &manager->config->nodes[chain->node];
	(void)snprintf(nvs_name, IOTPKI_NVS_NAME_MAX + 1, "%s%s", node->name_prefix, name);
	return (struct wallet){ .transport = &manager->wallet,
				.node = chain->node,
				.type = node->type,
				.nvs_name = nvs_name };
}

static unsigned int confirmations(const struct manager *manager, const struct manager_chain *chain)
{
	const unsigned int least = manager->config->nodes[chain->node].min_confirmations;
	return least > 0 ? least : 1;
}

static enum iotpki_err load_chains(const struct manager *manager, const char *name,
				   struct manager_report *report, struct iotpki_detail *detail)
{
	enum iotpki_err err = list_chains(manager, report, detail);
	for (size_t i = 0; err == IOTPKI_OK && i < report->chain_count; i++) {
		struct manager_chain *chain = &report->chain[i];
		err = onchain_store_load(manager->dir, name, network_name(manager, chain),
					 &chain->progress, detail);
		const struct onchain_progress *progress = &chain->progress;
		if (err == IOTPKI_OK && progress->value[0] != '\0' &&
		    progress->type != manager->config->nodes[chain->node].type)
			err = detail_set(
				detail, IOTPKI_ERR_MISMATCH, 0, 0,
				"%s was begun on another type of chain as network %s; give "
				"the new one another name",
				name, network_name(manager, chain));
	}
	return err;
}

static enum iotpki_err save(const struct manager *manager, const char *name,
			    const struct manager_chain *chain, struct iotpki_detail *detail)
{
	return onchain_store_save(manager->dir, name, network_name(manager, chain),
				  &chain->progress, detail);
}

/* ---- plans ---- */

static void plan_funds(const struct wallet *wallet, struct manager_chain *chain)
{
	struct wallet_funds funds;
	chain->problem = wallet_look_funds(wallet, &funds);
	if (chain->problem != ONCHAIN_OK)
		return;
	chain->balance = funds.balance;
	if (funds.balance < chain->cost)
		chain->problem = ONCHAIN_FUNDS;
	else if (funds.locked)
		chain->problem = ONCHAIN_LOCKED;
}

/* What is sent once more, because no block has it and no node waits with it, is paid once more. */
static int64_t cost_of(const struct onchain_progress *next, const struct onchain_step *step,
		       const char *nvs_name)
{
	struct onchain_progress copy = *next;
	if (step->action >= ONCHAIN_ADDRESS && copy.stage >= ONCHAIN_SENT)
		copy.stage = ONCHAIN_WANTED;
	return onchain_cost(&copy, strlen(nvs_name));
}

static void plan_one(const struct manager *manager, const char *name,
		     const struct onchain_wish *wish, bool silent, struct manager_chain *chain)
{
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	const struct wallet wallet = wallet_of(manager, chain, name, nvs_name);
	const int64_t now_s = manager->clock->now_s(manager->clock);
	const struct onchain_progress before = chain->progress;
	struct onchain_seen seen;
	/* A revocation is sent to the others before anybody waits for one that is silent. */
	chain->problem = silent && wish->op == ONCHAIN_REVOKE
				 ? ONCHAIN_UNREACHABLE
				 : wallet_look(&wallet, &chain->progress, &seen);
	const bool looked = chain->problem == ONCHAIN_OK;
	if (looked)
		chain->problem = onchain_want(&chain->progress, wallet.type, wish, &seen, now_s,
					      &chain->resumed);
	chain->wanted = chain->problem == ONCHAIN_OK;
	/* It is wanted whatever is in the way now: a value can be made shorter, a node can come back. */
	if (wish->op == ONCHAIN_REVOKE && (!looked || chain->problem == ONCHAIN_TOO_LONG)) {
		onchain_want_revocation_blind(&chain->progress, wallet.type);
		chain->wanted = true;
	}
	chain->changed = memcmp(&before, &chain->progress, sizeof(before)) != 0;
	if (chain->problem != ONCHAIN_OK)
		return;
	/* What the next step would be: on a copy, since a plan changes nothing. */
	struct onchain_progress copy = chain->progress;
	const struct onchain_step step =
		onchain_next(&copy, &seen, confirmations(manager, chain), now_s);
	chain->problem = step.action == ONCHAIN_REFUSE ? step.problem : ONCHAIN_OK;
	chain->cost = cost_of(&copy, &step, nvs_name);
	chain->blocks = onchain_blocks(&copy);
	if (chain->problem == ONCHAIN_OK && chain->cost > 0)
		plan_funds(&wallet, chain);
}

static bool is_known(const struct manager *manager, const char *name,
		     const struct manager_report *plan)
{
	struct store_name stored;
	for (size_t i = 0; i < plan->chain_count; i++)
		if (plan->chain[i].wanted)
			return true;
	if (store_load(manager->dir, name, &stored, NULL) != IOTPKI_OK)
		return false;
	store_name_done(&stored);
	return true;
}

/* Where a name never was, a revocation of it elsewhere has nothing to do. */
static void pass_over_absent(const struct manager *manager, const char *name,
			     struct manager_report *plan)
{
	if (!is_known(manager, name, plan))
		return;
	for (size_t i = 0; i < plan->chain_count; i++) {
		struct manager_chain *chain = &plan->chain[i];
		if (chain->problem != ONCHAIN_EXPIRED || chain->progress.value[0] != '\0')
			continue;
		onchain_want_revocation_blind(&chain->progress,
					      manager->config->nodes[chain->node].type);
		chain->wanted = chain->changed = true;
		chain->problem = ONCHAIN_OK;
	}
}

/*
 * Which networks do not answer at once: they come last. Of one alone it need not be known.
 * @param silent_out  by network, false before
 */
static void find_silent(const struct manager *manager, const struct manager_report *report,
			bool silent_out[static IOTPKI_NODES_MAX])
{
	size_t nodes[IOTPKI_NODES_MAX];
	bool silent[IOTPKI_NODES_MAX] = { false };
	if (manager->wallet.silent == NULL || report->chain_count < 2)
		return;
	for (size_t i = 0; i < report->chain_count; i++)
		nodes[i] = report->chain[i].node;
	manager->wallet.silent(manager->wallet.context, nodes, report->chain_count, silent);
	for (size_t i = 0; i < report->chain_count; i++)
		silent_out[report->chain[i].network] = silent[i];
}

/* From what is in plan->chain[] already. */
static void plan_all(const struct manager *manager, const char *name,
		     const struct onchain_wish *wish, struct manager_report *plan)
{
	bool silent[IOTPKI_NODES_MAX] = { false };
	find_silent(manager, plan, silent);
	for (size_t i = 0; i < plan->chain_count; i++)
		plan_one(manager, name, wish, silent[plan->chain[i].network], &plan->chain[i]);
	if (wish->op == ONCHAIN_REVOKE)
		pass_over_absent(manager, name, plan);
}

enum iotpki_err manager_plan(const struct manager *manager, const char *name,
			     const struct onchain_wish *wish, struct manager_report *plan,
			     struct iotpki_detail *detail)
{
	const enum iotpki_err err = load_chains(manager, name, plan, detail);
	if (err == IOTPKI_OK)
		plan_all(manager, name, wish, plan);
	return err;
}

enum iotpki_err manager_note_revocation(const struct manager *manager, const char *name,
					struct manager_report *plan, struct iotpki_detail *detail)
{
	enum iotpki_err err = load_chains(manager, name, plan, detail);
	for (size_t i = 0; err == IOTPKI_OK && i < plan->chain_count; i++) {
		struct manager_chain noted = plan->chain[i];
		if (noted.progress.value[0] == '\0')
			continue;
		onchain_want_revocation_blind(&noted.progress, noted.progress.type);
		plan->chain[i].noted = true;
		err = save(manager, name, &noted, detail);
	}
	return err;
}

void manager_plan_noted(const struct manager *manager, const char *name,
			struct manager_report *plan)
{
	const struct onchain_wish wish = { .op = ONCHAIN_REVOKE };
	plan_all(manager, name, &wish, plan);
}

enum iotpki_err manager_begin(const struct manager *manager, const char *name,
			      const struct manager_report *plan, struct iotpki_detail *detail)
{
	enum iotpki_err err = IOTPKI_OK;
	for (size_t i = 0; err == IOTPKI_OK && i < plan->chain_count; i++) {
		const struct manager_chain *chain = &plan->chain[i];
		const bool now =
			chain->problem == ONCHAIN_OK || chain->progress.op == ONCHAIN_REVOKE;
		/* What was noted is replaced by what the chain showed, also if that was: not here. */
		if ((chain->wanted && now && chain->changed) || chain->noted)
			err = save(manager, name, chain, detail);
	}
	return err;
}

/* ---- steps ---- */

/* Look, and take over what is there. The next step is in *step_out; OK with a problem: it stands still. */
static enum iotpki_err look_and_next(const struct manager *manager, const char *name,
				     struct manager_chain *chain, struct onchain_step *step_out,
				     struct iotpki_detail *detail)
{
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	const struct wallet wallet = wallet_of(manager, chain, name, nvs_name);
	const struct onchain_progress before = chain->progress;
	struct onchain_seen seen;
	*step_out = (struct onchain_step){ .action = ONCHAIN_REFUSE };
	step_out->problem = wallet_look(&wallet, &chain->progress, &seen);
	if (step_out->problem != ONCHAIN_OK)
		return IOTPKI_OK;
	*step_out = onchain_next(&chain->progress, &seen, confirmations(manager, chain),
				 manager->clock->now_s(manager->clock));
	if (memcmp(&before, &chain->progress, sizeof(before)) == 0)
		return IOTPKI_OK;
	return save(manager, name, chain, detail);
}

/* The wallet of an old release makes salts that it cannot make again: a new pre-order costs a fee. */
static bool salt_is_lost(const struct manager_chain *chain, enum onchain_action action,
			 enum onchain_problem problem)
{
	return problem == ONCHAIN_BROKEN && action == ONCHAIN_ENTER &&
	       chain->progress.has_preorder && chain->progress.salt[0] == '\0';
}

static enum iotpki_err act(const struct manager *manager, const char *name,
			   struct manager_chain *chain, enum onchain_action action,
			   enum onchain_problem *problem_out, struct iotpki_detail *detail)
{
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	const struct wallet wallet = wallet_of(manager, chain, name, nvs_name);
	*problem_out = wallet_act(&wallet, action, &chain->progress);
	if (salt_is_lost(chain, action, *problem_out)) {
		onchain_forget_order(&chain->progress);
		*problem_out = ONCHAIN_OK;
	}
	return *problem_out == ONCHAIN_OK ? save(manager, name, chain, detail) : IOTPKI_OK;
}

static enum iotpki_err advance(const struct manager *manager, const char *name,
			       struct manager_chain *chain, struct iotpki_detail *detail)
{
	enum onchain_problem refused = ONCHAIN_OK;
	chain->waiting = false;
	chain->problem = ONCHAIN_OK;
	for (int acts = 0; acts < ACTS_MAX; acts++) {
		struct onchain_step step;
		enum iotpki_err err = look_and_next(manager, name, chain, &step, detail);
		if (err != IOTPKI_OK)
			return err;
		chain->waiting = step.action == ONCHAIN_WAIT;
		if (step.action == ONCHAIN_REFUSE)
			chain->problem = step.problem;
		if (step.action <= ONCHAIN_REFUSE)
			return IOTPKI_OK;
		/* Refused twice for one reason; the look between did not explain it. */
		chain->problem = refused;
		if (refused != ONCHAIN_OK)
			return IOTPKI_OK;
		err = act(manager, name, chain, step.action, &refused, detail);
		if (err != IOTPKI_OK)
			return err;
		if (refused == ONCHAIN_UNREACHABLE)
			break;
	}
	chain->problem = refused;
	return IOTPKI_OK;
}

enum iotpki_err manager_advance(const struct manager *manager, const char *name,
				struct manager_report *report, struct iotpki_detail *detail)
{
	bool silent[IOTPKI_NODES_MAX] = { false };
	const bool first = report->chain_count == 0;
	for (size_t i = 0; i < report->chain_count; i++)
		silent[report->chain[i].network] = report->chain[i].problem == ONCHAIN_UNREACHABLE;
	enum iotpki_err err = load_chains(manager, name, report, detail);
	if (err == IOTPKI_OK && first)
		find_silent(manager, report, silent);
	/* Those that did not answer last time come last: nobody shall wait for their silence. */
	for (size_t i = 0; err == IOTPKI_OK && i < 2 * report->chain_count; i++) {
		struct manager_chain *chain = &report->chain[i % report->chain_count];
		const bool late = i >= report->chain_count;
		if (silent[chain->network] == late && !manager_chain_done(chain))
			err = advance(manager, name, chain, detail);
	}
	return err;
}

enum iotpki_err manager_recheck(const struct manager *manager, const char *name,
				struct iotpki_detail *detail)
{
	struct manager_report report;
	const int64_t now_s = manager->clock->now_s(manager->clock);
	enum iotpki_err err = load_chains(manager, name, &report, detail);
	for (size_t i = 0; err == IOTPKI_OK && i < report.chain_count; i++) {
		struct manager_chain *chain = &report.chain[i];
		char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
		const struct wallet wallet = wallet_of(manager, chain, name, nvs_name);
		struct onchain_seen seen;
		if (chain->progress.op != ONCHAIN_REVOKE || chain->progress.stage != ONCHAIN_DONE ||
		    now_s >= chain->progress.ends_s ||
		    wallet_look(&wallet, &chain->progress, &seen) != ONCHAIN_OK)
			continue;
		if (onchain_reopen(&chain->progress, &seen))
			err = save(manager, name, chain, detail);
	}
	return err;
}

enum iotpki_err manager_look(const struct manager *manager, const char *name, bool ask_nodes,
			     struct manager_report *report, struct iotpki_detail *detail)
{
	const enum iotpki_err err = load_chains(manager, name, report, detail);
	for (size_t i = 0; err == IOTPKI_OK && ask_nodes && i < report->chain_count; i++) {
		struct manager_chain *chain = &report->chain[i];
		char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
		const struct wallet wallet = wallet_of(manager, chain, name, nvs_name);
		struct onchain_seen seen;
		if (manager_chain_done(chain) || chain->progress.value[0] == '\0')
			continue;
		chain->problem = wallet_look(&wallet, &chain->progress, &seen);
		if (chain->problem != ONCHAIN_OK)
			continue;
		const struct onchain_step step =
			onchain_next(&chain->progress, &seen, confirmations(manager, chain),
				     manager->clock->now_s(manager->clock));
		chain->waiting = step.action == ONCHAIN_WAIT;
		chain->problem = step.problem;
	}
	return err;
}

/* ---- waiting ---- */

/* Blocks come, and so do nodes that were away or behind; for the rest somebody must do something. */
static bool may_go_on(const struct manager_chain *chain)
{
	return chain->waiting ||
	       (chain->progress.value[0] != '\0' &&
		(chain->problem == ONCHAIN_UNREACHABLE || chain->problem == ONCHAIN_NOT_IN_SYNC));
}

static bool anything_moves(const struct manager_report *report)
{
	bool moves = false;
	for (size_t i = 0; i < report->chain_count; i++)
		moves = moves ||
			(!manager_chain_done(&report->chain[i]) && may_go_on(&report->chain[i]));
	return moves;
}

enum iotpki_err manager_wait(const struct manager *manager, const char *name,
			     const struct manager_wait *wait, struct manager_report *report,
			     struct iotpki_detail *detail)
{
	enum iotpki_err err = manager_advance(manager, name, report, detail);
	while (err == IOTPKI_OK && anything_moves(report) && wait->pause(wait->context, report))
		err = manager_advance(manager, name, report, detail);
	return err;
}

/* ---- the primitives ---- */

static enum iotpki_err change(const struct manager *manager, const char *name, const char *network,
			      const struct onchain_wish *wish, struct manager_report *report,
			      struct iotpki_detail *detail)
{
	*report = (struct manager_report){ 0 };
	enum iotpki_err err = load_chains(manager, name, report, detail);
	size_t kept = 0;
	for (size_t i = 0; err == IOTPKI_OK && i < report->chain_count; i++) {
		struct manager_chain *chain = &report->chain[i];
		if (network != NULL && strcmp(network, network_name(manager, chain)) != 0)
			continue;
		plan_one(manager, name, wish, false, chain);
		if (chain->problem != ONCHAIN_OK)
			err = detail_set(detail, IOTPKI_ERR_REFUSED, 0, 0, "%s on %s: %s", name,
					 network_name(manager, chain),
					 onchain_problem_row(chain->problem)->text);
		report->chain[kept++] = *chain;
	}
	report->chain_count = kept;
	if (err == IOTPKI_OK && kept == 0)
		return detail_set(detail, IOTPKI_ERR_NOT_FOUND, 0, 0,
				  "there is no such chain network in the list");
	if (err == IOTPKI_OK)
		err = manager_begin(manager, name, report, detail);
	for (size_t i = 0; err == IOTPKI_OK && i < kept; i++)
		err = advance(manager, name, &report->chain[i], detail);
	return err;
}

enum iotpki_err manager_chain_update(const struct manager *manager, const char *name,
				     const char *value, int64_t expires_s,
				     struct manager_report *report_out,
				     struct iotpki_detail *detail)
{
	const struct onchain_wish wish = { .op = ONCHAIN_UPDATE,
					   .value = value,
					   .expires_s = expires_s };
	return change(manager, name, NULL, &wish, report_out, detail);
}

enum iotpki_err manager_chain_transfer(const struct manager *manager, const char *name,
				       const char *network, const char *address,
				       struct manager_report *report_out,
				       struct iotpki_detail *detail)
{
	const struct onchain_wish wish = { .op = ONCHAIN_TRANSFER, .address = address };
	*report_out = (struct manager_report){ 0 };
	if (address[0] == '\0' || strlen(address) > ONCHAIN_ADDRESS_MAX)
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
				  "this is no address of a chain");
	return change(manager, name, network, &wish, report_out, detail);
}
