/* dm list and dm show: what the owner's own store says. */
#include "cli/dm.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"

enum { DAY_S = 86400 };

static const char *state_name(const struct store_name *name, const struct store_state *state,
			      int64_t now_s)
{
	if (state->revoked)
		return name->level < name->step_count ? "revoking" : "revoked";
	if (now_s >= state->expires_s)
		return "expired";
	return name->level < name->step_count ? "pending" : "registered";
}

/* What the store has of a name: signed steps, progress on chains, or both. */
struct known {
	struct store_name stored; /* no steps: it is only on chains */
	struct store_state state;
	struct manager_report report;
	const char *word;
	int64_t expires_s;
	bool finished;
};

static void known_done(struct known *known)
{
	store_name_done(&known->stored);
}

/* The one word for a name that is on chains: theirs, if they agree. */
static const char *chains_word(const struct manager_report *report, const char *word, int64_t now_s)
{
	for (size_t i = 0; i < report->chain_count; i++) {
		const struct onchain_progress *progress = &report->chain[i].progress;
		if (progress->value[0] == '\0')
			continue;
		const char *one = onchain_state_name(progress, now_s);
		if (word != NULL && strcmp(word, one) != 0)
			return "partial";
		word = one;
	}
	return word != NULL ? word : "unknown";
}

/* Asks the chains' nodes for what is not finished; without an answer the store's word stands. */
static enum iotpki_err load_known(struct cli *cli, const struct dm *dm, struct nvs *nvs,
				  const char *name, struct known *known,
				  struct iotpki_detail *detail)
{
	*known = (struct known){ 0 };
	const struct manager manager = { .dir = dm->dir,
					 .config = &dm->config,
					 .clock = cli->clock,
					 .wallet = wallet_transport_nvs(nvs) };
	enum iotpki_err err = manager_look(&manager, name, nvs != NULL, &known->report, detail);
	if (err != IOTPKI_OK)
		return err;
	size_t begun = 0;
	for (size_t i = 0; i < known->report.chain_count; i++)
		begun += known->report.chain[i].progress.value[0] != '\0';
	struct iotpki_detail missing = { 0 };
	err = store_load(dm->dir, name, &known->stored, &missing);
	if (err != IOTPKI_OK && (err != IOTPKI_ERR_NOT_FOUND || begun == 0)) {
		*detail = missing;
		return err;
	}
	const int64_t now_s = cli->clock->now_s(cli->clock);
	store_state(&known->stored, &known->state);
	known->finished = known->stored.level == known->stored.step_count;
	known->word = known->state.exists ? state_name(&known->stored, &known->state, now_s) : NULL;
	known->expires_s = known->state.expires_s;
	for (size_t i = 0; i < known->report.chain_count; i++) {
		const struct manager_chain *chain = &known->report.chain[i];
		const bool is_done =
			chain->progress.value[0] != '\0' && chain->progress.stage >= ONCHAIN_DONE;
		known->finished = known->finished && (is_done || begun == 0);
		if (known->expires_s == 0)
			known->expires_s = chain->progress.expires_s;
	}
	known->word = chains_word(&known->report, known->word, now_s);
	return IOTPKI_OK;
}

/* A connection only where a chain may have gone on since; without one the store is shown. */
static struct nvs *open_nvs(struct cli *cli, const struct dm *dm)
{
	struct nvs *nvs = NULL;
	for (size_t i = 0; i < dm->config.node_count; i++)
		if (dm->config.nodes[i].type != CONFIG_NODE_IOTPKI)
			return nvs_new(&dm->config, cli->clock, cli->random, &nvs) == IOTPKI_OK
				       ? nvs
				       : NULL;
	return NULL;
}

static json_t *show_chains(struct cli *cli, const struct dm *dm,
			   const struct manager_report *report)
{
	const int64_t now_s = cli->clock->now_s(cli->clock);
	json_t *list = json_array();
	for (size_t i = 0; i < report->chain_count; i++) {
		const struct manager_chain *chain = &report->chain[i];
		char words[96];
		(void)json_array_append_new(list, dm_chain_json(dm, chain, now_s));
		dm_chain_words(chain, now_s, words, sizeof(words));
		if (chain->progress.value[0] == '\0')
			(void)snprintf(words, sizeof(words), "not there");
		cli_print(cli, "  %s: %s%s%s", dm->config.networks[chain->network], words,
			  chain->problem != ONCHAIN_OK ? "; " : "",
			  chain->problem != ONCHAIN_OK ? onchain_problem_row(chain->problem)->text
						       : "");
	}
	return list;
}

struct listing {
	struct cli *cli;
	const struct dm *dm;
	struct nvs *nvs;
	json_t *all;
	size_t unfinished;
};

static enum iotpki_err list_one(void *context, const char *name)
{
	struct listing *listing = context;
	struct cli *cli = listing->cli;
	CLEANUP(known_done) struct known known;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		load_known(cli, listing->dm, listing->nvs, name, &known, &detail);
	if (err != IOTPKI_OK) {
		(void)cli_fail(cli, err, &detail);
		return err;
	}
	/* A list of many names does not wait for a silent node at each of them. */
	for (size_t i = 0; i < known.report.chain_count; i++)
		if (known.report.chain[i].problem == ONCHAIN_UNREACHABLE)
			listing->nvs = NULL;
	char end[TIME_TEXT_SIZE];
	const int64_t now_s = cli->clock->now_s(cli->clock);
	time_format(known.expires_s, end);
	const int64_t days = known.expires_s > now_s ? (known.expires_s - now_s) / DAY_S : 0;
	cli_print(cli, "%-36s  %-10s  %s  %5" PRId64 " d", name, known.word, end, days);
	listing->unfinished += !known.finished;
	json_t *entry = json_pack("{s:s, s:s, s:s, s:I}", "name", name, "state", known.word,
				  "expires", end, "days", (json_int_t)days);
	if (known.report.chain_count > 0)
		(void)json_object_set_new(entry, "networks",
					  show_chains(cli, listing->dm, &known.report));
	(void)json_array_append_new(listing->all, entry);
	return IOTPKI_OK;
}

enum cli_exit dm_list(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(dm_close) struct dm dm;
	const enum cli_exit exit = dm_open(cli, arguments, false, &dm);
	if (exit != CLI_OK)
		return exit;
	dm.nvs = open_nvs(cli, &dm);
	struct listing listing = { cli, &dm, dm.nvs, json_array(), 0 };
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = store_names(dm.dir, list_one, &listing, &detail);
	cli_result(cli, listing.all);
	if (err != IOTPKI_OK)
		return cli_exit_of(err);
	if (listing.unfinished > 0)
		cli_say(cli, "%zu not everywhere yet: iotpki dm sync", listing.unfinished);
	return CLI_OK;
}

static enum cli_exit show_owner(struct cli *cli, const struct dm *dm)
{
	char owner[2 * SHA256_LEN + 1];
	hex_encode(identity_cert(dm->owner)->spki_sha256, SHA256_LEN, owner);
	json_t *nodes = json_array();
	cli_print(cli, "owner: %s", owner);
	cli_print(cli, "folder: %s", dm->dir);
	for (size_t i = 0; i < dm->config.node_count; i++) {
		const struct config_node *node = &dm->config.nodes[i];
		cli_print(cli, "bnode: %s %s", node->name, node->url);
		(void)json_array_append_new(
			nodes, json_pack("{s:s, s:s}", "node", node->name, "url", node->url));
	}
	cli_result(cli,
		   json_pack("{s:s, s:s, s:o}", "owner", owner, "dir", dm->dir, "nodes", nodes));
	return CLI_OK;
}

static void show_step(struct cli *cli, const struct store_name *name, size_t index, json_t *list)
{
	const struct store_step *step = &name->steps[index];
	for (size_t i = 0; i < step->count; i++) {
		char txid[2 * SHA256_LEN + 1];
		char at[TIME_TEXT_SIZE];
		hex_encode(step->part[i].txid, SHA256_LEN, txid);
		time_format(step->part[i].tx.time_s, at);
		cli_print(cli, "%-9s %s %s%s", tx_op_name(step->part[i].tx.op), at, txid,
			  index < name->level ? "" : " (not everywhere yet)");
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "op",
							    tx_op_name(step->part[i].tx.op), "time",
							    at, "txid", txid, "everywhere",
							    index < name->level));
	}
}

static enum cli_exit show_name(struct cli *cli, const struct dm *dm, const char *name)
{
	CLEANUP(known_done) struct known known;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = load_known(cli, dm, dm->nvs, name, &known, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	char end[TIME_TEXT_SIZE];
	char id[2 * SHA256_LEN + 1] = "";
	json_t *steps = json_array();
	const char *value = known.state.value;
	for (size_t i = 0; i < known.report.chain_count && value[0] == '\0'; i++)
		value = known.report.chain[i].progress.value;
	time_format(known.expires_s, end);
	if (known.state.exists)
		hex_encode(known.state.registration, SHA256_LEN, id);
	cli_print(cli, "name: %s\nstate: %s\nexpires: %s\nvalue: %s", name, known.word, end, value);
	if (id[0] != '\0')
		cli_print(cli, "registration: %s", id);
	for (size_t i = 0; i < known.stored.step_count; i++)
		show_step(cli, &known.stored, i, steps);
	json_t *result =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", name, "state", known.word,
			  "expires", end, "value", value, "registration", id, "steps", steps);
	if (known.report.chain_count > 0)
		(void)json_object_set_new(result, "networks", show_chains(cli, dm, &known.report));
	cli_result(cli, result);
	return CLI_OK;
}

enum cli_exit dm_show(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(dm_close) struct dm dm;
	const enum cli_exit exit = dm_open(cli, arguments, false, &dm);
	if (exit != CLI_OK)
		return exit;
	dm.nvs = open_nvs(cli, &dm);
	if (arguments->positional_count == 1)
		return show_name(cli, &dm, arguments->positional[0]);
	return show_owner(cli, &dm);
}
