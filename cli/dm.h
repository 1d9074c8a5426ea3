/* What the files of the noun dm share: the owner's folder, opened. */
#pragma once

#include <limits.h>

#include "cli/cli.h"
#include "manager/manager.h"
#include "nvs/nvs.h"

/** The owner's folder with key, B-nodes and store; release with dm_close(). */
struct dm {
	char dir[PATH_MAX];
	struct config config; /* of dm.yaml; no nodes if there is none yet */
	struct identity *owner;
	struct nvs *nvs;
	int lock; /* of the store, -1: not taken */
};

/** Key and B-nodes. write: also the store's lock and the connection to the B-nodes. Says what is wrong. */
enum cli_exit dm_open(struct cli *cli, const struct cli_arguments *arguments, bool write,
		      struct dm *dm);
void dm_close(struct dm *dm);
/** The manager over an opened folder. */
struct manager dm_manager(struct cli *cli, struct dm *dm);
/** D/file; false (and said) if the path is too long. */
bool dm_path(struct cli *cli, const struct dm *dm, const char *file, char out[static PATH_MAX]);

/** Print how far each node is, and what is to be done; the exit code that goes with it. */
enum cli_exit dm_report(struct cli *cli, const struct dm *dm, const char *name, const char *done,
			const struct manager_report *report);

/* ---- chains (dm_chain.c) ---- */

/** How far each chain network is, and what is to be done; the exit code that goes with it. */
enum cli_exit dm_report_chains(struct cli *cli, const struct dm *dm, const char *name,
			       const struct manager_report *report, json_t *list);
/** "pre-ordered, 7 blocks to go", "registered", ... */
void dm_chain_words(const struct manager_chain *chain, int64_t now_s, char *out, size_t size);
json_t *dm_chain_json(const struct dm *dm, const struct manager_chain *chain, int64_t now_s);
/** What the plan would cost on each chain network, and what the wallets have. */
void dm_show_plan(struct cli *cli, const struct dm *dm, const char *name,
		  const struct manager_report *plan, json_t *list);
/** Say why a chain network cannot do it; returns the exit code of the table. */
enum cli_exit dm_chain_fail(struct cli *cli, const struct dm *dm, const char *name,
			    const struct manager_chain *chain);
/**
 * Do what can be done, and wait for blocks or not; Ctrl-C ends the waiting. While it waits other
 * commands may work on the store; the lock is taken again, unless it was interrupted.
 */
enum cli_exit dm_run_chains(struct cli *cli, struct dm *dm, const struct manager *manager,
			    const char *name, bool wait_for_blocks, struct manager_report *report);

enum cli_exit dm_init(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_register(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_renew(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_revoke(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_sync(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_list(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_show(struct cli *cli, const struct cli_arguments *arguments);
