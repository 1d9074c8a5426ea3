/* dm on chains: what it costs, how far it is, waiting for blocks, and why it is not going on. */
#include "cli/dm.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"

enum { POLL_S = 3, WORDS_MAX = 96, DAY_S = 86400 };

static const struct config_node *node_of(const struct dm *dm, const struct manager_chain *chain)
{
	return &dm->config.nodes[chain->node];
}

/* ---- how far ---- */

void dm_chain_words(const struct manager_chain *chain, int64_t now_s, char *out, size_t size)
{
	const struct onchain_progress *progress = &chain->progress;
	const char *state = onchain_state_name(progress, now_s);
	if (progress->stage == ONCHAIN_ORDERED)
		(void)snprintf(out, size, "%s, %" PRIu32 " block%s to go", state, progress->to_go,
			       progress->to_go == 1 ? "" : "s");
	else if (progress->stage == ONCHAIN_SENT && progress->to_go > 0)
		(void)snprintf(out, size, "%s, %" PRIu32 " confirmation%s to go", state,
			       progress->to_go, progress->to_go == 1 ? "" : "s");
	else
		(void)snprintf(out, size, "%s", state);
}

json_t *dm_chain_json(const struct dm *dm, const struct manager_chain *chain, int64_t now_s)
{
	const struct onchain_progress *progress = &chain->progress;
	const struct onchain_problem_row *row = onchain_problem_row(chain->problem);
	char id[2 * IOTPKI_SHA256_LEN + 1] = "";
	char txid[2 * IOTPKI_SHA256_LEN + 1] = "";
	char end[TIME_TEXT_SIZE] = "";
	if (progress->has_registration)
		hex_encode(progress->registration, IOTPKI_SHA256_LEN, id);
	if (progress->has_txid)
		hex_encode(progress->txid, IOTPKI_SHA256_LEN, txid);
	if (progress->ends_s != 0)
		time_format(progress->ends_s, end);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:s, s:s, s:s, s:s}", "network",
			 dm->config.networks[chain->network], "node", node_of(dm, chain)->name,
			 "type", config_type_name(node_of(dm, chain)->type), "state",
			 onchain_state_name(progress, now_s), "done", manager_chain_done(chain),
			 "to-go", (json_int_t)progress->to_go, "txid", txid, "registration", id,
			 "chain-end", end, "problem",
			 chain->problem == ONCHAIN_OK ? "" : row->name);
}

enum cli_exit dm_chain_fail(struct cli *cli, const struct dm *dm, const char *name,
			    const struct manager_chain *chain)
{
	const struct onchain_problem_row *row = onchain_problem_row(chain->problem);
	const struct config_node *node = node_of(dm, chain);
	char advice[256];
	const char *at = strstr(row->advice, "%s");
	(void)snprintf(advice, sizeof(advice), "%.*s%s%s",
		       at != NULL ? (int)(at - row->advice) : (int)strlen(row->advice), row->advice,
		       at != NULL ? onchain_program(node->type) : "", at != NULL ? at + 2 : "");
	char money[2 * ONCHAIN_AMOUNT_SIZE + 48] = "";
	if (chain->problem == ONCHAIN_FUNDS && chain->cost > 0) {
		char cost[ONCHAIN_AMOUNT_SIZE];
		char balance[ONCHAIN_AMOUNT_SIZE];
		onchain_amount_format(chain->cost, cost);
		onchain_amount_format(chain->balance, balance);
		(void)snprintf(money, sizeof(money), " (it costs up to %s %s, there are %s)", cost,
			       onchain_coin(node->type), balance);
	}
	return cli_error(cli, (enum cli_exit)row->exit, "%s (%s %s): %s%s: %s%s; %s", node->name,
			 config_type_name(node->type), node->url, node->name_prefix, name,
			 row->text, money, advice);
}

/* A name that is only elsewhere: nobody asked for it on this network. */
static bool is_untouched(const struct manager_chain *chain)
{
	return chain->progress.value[0] == '\0' && chain->problem == ONCHAIN_OK;
}

enum cli_exit dm_report_chains(struct cli *cli, const struct dm *dm, const char *name,
			       const struct manager_report *report, json_t *list)
{
	const int64_t now_s = cli->clock->now_s(cli->clock);
	enum cli_exit exit = CLI_OK;
	for (size_t i = 0; i < report->chain_count; i++) {
		const struct manager_chain *chain = &report->chain[i];
		const struct config_node *node = node_of(dm, chain);
		char words[WORDS_MAX];
		(void)json_array_append_new(list, dm_chain_json(dm, chain, now_s));
		dm_chain_words(chain, now_s, words, sizeof(words));
		if (chain->problem == ONCHAIN_OK) {
			cli_say(cli, "  %s %s: %s", node->name, node->url,
				is_untouched(chain) ? "not there yet; dm register adds it" : words);
			if (is_untouched(chain) && exit == CLI_OK)
				exit = CLI_UNAVAILABLE;
			continue;
		}
		const enum cli_exit one = dm_chain_fail(cli, dm, name, chain);
		/* What somebody can do something about comes before what time may mend. */
		if (exit == CLI_OK || exit == CLI_UNAVAILABLE)
			exit = one;
	}
	return exit;
}

/* ---- plans ---- */

static void show_term(struct cli *cli, const struct manager_chain *chain, int64_t now_s)
{
	const struct onchain_progress *progress = &chain->progress;
	static const int64_t block_s[] = {
		[CONFIG_NODE_EMERCOIN] = ONCHAIN_EMERCOIN_BLOCK_S,
		[CONFIG_NODE_NAMECOIN] = ONCHAIN_NAMECOIN_BLOCK_S,
	};
	if (chain->blocks == 0 || progress->op == ONCHAIN_REVOKE ||
	    progress->op == ONCHAIN_TRANSFER)
		return;
	char end[TIME_TEXT_SIZE];
	const int64_t lasts = (int64_t)chain->blocks * block_s[progress->type];
	time_format(now_s + lasts, end);
	if (progress->type == CONFIG_NODE_EMERCOIN) {
		cli_say(cli, "    pays for %" PRIu32 " days, %" PRIu32 " blocks", progress->days,
			chain->blocks);
		return;
	}
	cli_say(cli, "    holds for %" PRIu32 " blocks, about %" PRId64 " days, until about %s",
		chain->blocks, lasts / DAY_S, end);
	if (progress->expires_s > now_s + lasts)
		cli_say(cli, "    that is before the end asked for: renew it before then");
}

void dm_show_plan(struct cli *cli, const struct dm *dm, const char *name,
		  const struct manager_report *plan, json_t *list)
{
	const int64_t now_s = cli->clock->now_s(cli->clock);
	for (size_t i = 0; i < plan->chain_count; i++) {
		const struct manager_chain *chain = &plan->chain[i];
		const struct config_node *node = node_of(dm, chain);
		char cost[ONCHAIN_AMOUNT_SIZE];
		char balance[ONCHAIN_AMOUNT_SIZE];
		onchain_amount_format(chain->cost, cost);
		onchain_amount_format(chain->balance, balance);
		json_t *entry = dm_chain_json(dm, chain, now_s);
		(void)json_object_set_new(entry, "op",
					  json_string(onchain_op_name(chain->progress.op)));
		(void)json_object_set_new(entry, "cost", json_string(cost));
		(void)json_object_set_new(entry, "balance", json_string(balance));
		(void)json_object_set_new(entry, "coin", json_string(onchain_coin(node->type)));
		(void)json_object_set_new(entry, "value", json_string(chain->progress.value));
		(void)json_array_append_new(list, entry);
		if (chain->problem != ONCHAIN_OK && chain->problem != ONCHAIN_FUNDS &&
		    chain->problem != ONCHAIN_LOCKED)
			continue;
		if (chain->cost == 0) {
			cli_say(cli, "%s: %s%s: nothing is left to pay", node->name,
				node->name_prefix, name);
			continue;
		}
		cli_say(cli, "%s: to %s %s%s costs about %s %s; balance %s %s", node->name,
			onchain_op_name(chain->progress.op), node->name_prefix, name, cost,
			onchain_coin(node->type), balance, onchain_coin(node->type));
		show_term(cli, chain, now_s);
	}
}

/* ---- waiting ---- */

struct waiting {
	struct cli *cli;
	struct dm *dm;
	const char *name;
	bool terminal, interrupted;
	char shown[512]; /* the last line, which is not repeated in a log */
};

static void progress_line(const struct waiting *waiting, const struct manager_report *report,
			  char *out, size_t size)
{
	const int64_t now_s = waiting->cli->clock->now_s(waiting->cli->clock);
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < report->chain_count && len < size; i++) {
		char words[WORDS_MAX];
		const struct manager_chain *chain = &report->chain[i];
		dm_chain_words(chain, now_s, words, sizeof(words));
		const int more = snprintf(out + len, size - len, "%s%s: %s", i > 0 ? "; " : "",
					  waiting->dm->config.networks[chain->network],
					  chain->problem == ONCHAIN_OK
						  ? words
						  : onchain_problem_row(chain->problem)->text);
		len += more > 0 ? (size_t)more : 0;
	}
}

/* SIGINT is blocked while dm works, so that it comes only here, between two steps. */
static bool pause_between(void *context, const struct manager_report *report)
{
	struct waiting *waiting = context;
	char line[sizeof(waiting->shown)];
	progress_line(waiting, report, line, sizeof(line));
	if (strcmp(line, waiting->shown) != 0 && waiting->cli->verbosity >= 0) {
		fprintf(waiting->cli->err, waiting->terminal ? "\r\033[K%s" : "%s\n", line);
		(void)fflush(waiting->cli->err);
		(void)snprintf(waiting->shown, sizeof(waiting->shown), "%s", line);
	}
	sigset_t interrupt;
	(void)sigemptyset(&interrupt);
	(void)sigaddset(&interrupt, SIGINT);
	(void)sigaddset(&interrupt, SIGTERM);
	const struct timespec seconds = { .tv_sec = POLL_S };
	struct dm *dm = waiting->dm;
	enum iotpki_err locked = IOTPKI_ERR_UNAVAILABLE;
	fs_close(&dm->lock);
	dm->lock = -1;
	while (locked == IOTPKI_ERR_UNAVAILABLE && !waiting->interrupted) {
		waiting->interrupted = sigtimedwait(&interrupt, NULL, &seconds) > 0;
		if (!waiting->interrupted)
			locked = manager_try_lock(dm->dir, &dm->lock, NULL);
	}
	return locked == IOTPKI_OK;
}

static bool pause_never(void *context, const struct manager_report *report)
{
	(void)context;
	(void)report;
	return false;
}

enum cli_exit dm_run_chains(struct cli *cli, struct dm *dm, const struct manager *manager,
			    const char *name, bool wait_for_blocks, struct manager_report *report)
{
	if (!manager_has_chains(manager))
		return CLI_OK;
	struct waiting waiting = {
		.cli = cli, .dm = dm, .name = name, .terminal = isatty(fileno(cli->err)) == 1
	};
	const struct manager_wait wait = { &waiting,
					   wait_for_blocks ? pause_between : pause_never };
	struct iotpki_detail detail = { 0 };
	sigset_t stop;
	sigset_t before;
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &stop, &before);
	const enum iotpki_err err = manager_wait(manager, name, &wait, report, &detail);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (waiting.terminal && waiting.shown[0] != '\0')
		fputc('\n', cli->err);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	if (!waiting.interrupted)
		return CLI_OK;
	return cli_error(
		cli, CLI_INTERRUPTED,
		"stopped waiting; nothing is lost: the same command, or iotpki dm sync %s, "
		"goes on with it",
		name);
}
