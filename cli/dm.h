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

enum cli_exit dm_init(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_register(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_renew(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_revoke(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_sync(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_list(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit dm_show(struct cli *cli, const struct cli_arguments *arguments);
