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

struct listing {
	struct cli *cli;
	const struct dm *dm;
	json_t *all;
	size_t unfinished;
};

static enum iotpki_err list_one(void *context, const char *name)
{
	struct listing *listing = context;
	struct cli *cli = listing->cli;
	CLEANUP(store_name_done) struct store_name stored;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = store_load(listing->dm->dir, name, &stored, &detail);
	if (err != IOTPKI_OK) {
		(void)cli_fail(cli, err, &detail);
		return err;
	}
	struct store_state state;
	char end[TIME_TEXT_SIZE];
	const int64_t now_s = cli->clock->now_s(cli->clock);
	store_state(&stored, &state);
	time_format(state.expires_s, end);
	const int64_t days = state.expires_s > now_s ? (state.expires_s - now_s) / DAY_S : 0;
	const char *word = state_name(&stored, &state, now_s);
	cli_print(cli, "%-36s  %-10s  %s  %5" PRId64 " d", name, word, end, days);
	listing->unfinished += stored.level < stored.step_count;
	(void)json_array_append_new(listing->all,
				    json_pack("{s:s, s:s, s:s, s:I}", "name", name, "state", word,
					      "expires", end, "days", (json_int_t)days));
	return IOTPKI_OK;
}

enum cli_exit dm_list(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(dm_close) struct dm dm;
	const enum cli_exit exit = dm_open(cli, arguments, false, &dm);
	if (exit != CLI_OK)
		return exit;
	struct listing listing = { cli, &dm, json_array(), 0 };
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
	CLEANUP(store_name_done) struct store_name stored;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = store_load(dm->dir, name, &stored, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	struct store_state state;
	char end[TIME_TEXT_SIZE];
	char id[2 * SHA256_LEN + 1];
	json_t *steps = json_array();
	store_state(&stored, &state);
	time_format(state.expires_s, end);
	hex_encode(state.registration, SHA256_LEN, id);
	const char *word = state_name(&stored, &state, cli->clock->now_s(cli->clock));
	cli_print(cli, "name: %s\nstate: %s\nexpires: %s\nvalue: %s\nregistration: %s", name, word,
		  end, state.value, id);
	for (size_t i = 0; i < stored.step_count; i++)
		show_step(cli, &stored, i, steps);
	cli_result(cli, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", name, "state", word,
				  "expires", end, "value", state.value, "registration", id, "steps",
				  steps));
	return CLI_OK;
}

enum cli_exit dm_show(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(dm_close) struct dm dm;
	const enum cli_exit exit = dm_open(cli, arguments, false, &dm);
	if (exit != CLI_OK)
		return exit;
	if (arguments->positional_count == 1)
		return show_name(cli, &dm, arguments->positional[0]);
	return show_owner(cli, &dm);
}
