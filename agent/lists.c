/* Load, accept, keep. */
#include "agent/lists.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/snapshot.h"
#include "base/log.h"

struct lists {
	struct lists_options options;
	char folder[SNAPSHOT_PATH_MAX];   /* of the configuration */
	char accepted[SNAPSHOT_PATH_MAX]; /* STATE_DIR/members.accepted */
	char fresh[SNAPSHOT_PATH_MAX];    /* STATE_DIR/members.new */
	struct config config;
	struct membership *list;
	bool valid;
	uint64_t generation;
	size_t denied_count;
	char (*denied)[IOTPKI_NAME_MAX + 1];
};

/* Our own copies; whoever can write them can do what we can. */
static struct fs_trust own_trust(void)
{
	return (struct fs_trust){ .owner = geteuid(), .also_root = true, .forbidden = 0022 };
}

static enum iotpki_err set_paths(struct lists *lists)
{
	const char *path = lists->options.config_path;
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	if (len >= sizeof(lists->folder))
		return IOTPKI_ERR_LIMIT;
	memcpy(lists->folder, slash == NULL ? "." : path, slash == NULL ? 1 : len);
	const enum iotpki_err err =
		snapshot_path(lists->accepted, lists->options.state_dir, "members.accepted");
	if (err != IOTPKI_OK)
		return err;
	return snapshot_path(lists->fresh, lists->options.state_dir, "members.new");
}

enum iotpki_err lists_new(const struct lists_options *options, struct lists **lists_out)
{
	*lists_out = NULL;
	CLEANUP(lists_freep) struct lists *lists = calloc(1, sizeof(*lists));
	if (lists == NULL)
		return IOTPKI_ERR_NOMEM;
	lists->options = *options;
	const enum iotpki_err err = set_paths(lists);
	if (err != IOTPKI_OK)
		return err;
	*lists_out = STEAL(lists);
	return IOTPKI_OK;
}

void lists_free(struct lists *lists)
{
	if (lists == NULL)
		return;
	membership_unref(lists->list);
	free(lists->denied);
	free(lists);
}

void lists_freep(struct lists **lists)
{
	lists_free(*lists);
	*lists = NULL;
}

/* People know the files by the names under which they edit them, not our copies. */
static void name_source(const struct lists *lists, const char *copy, struct iotpki_detail *detail)
{
	const size_t len = strlen(copy);
	if (detail == NULL || strncmp(detail->where, copy, len) != 0)
		return;
	char where[SNAPSHOT_PATH_MAX];
	(void)snprintf(where, sizeof(where), "%s%s", lists->folder, detail->where + len);
	where[IOTPKI_DETAIL_WHERE_MAX - 1] = '\0';
	memcpy(detail->where, where, IOTPKI_DETAIL_WHERE_MAX);
}

static enum iotpki_err load_copy(const struct lists *lists, const char *copy,
				 struct membership **list_out, struct iotpki_detail *detail)
{
	const struct fs_trust trust = own_trust();
	char path[SNAPSHOT_PATH_MAX];
	enum iotpki_err err = snapshot_path(path, copy, SNAPSHOT_FILE);
	if (err == IOTPKI_OK)
		err = membership_load(path, &trust, list_out, detail);
	if (err != IOTPKI_OK)
		name_source(lists, copy, detail);
	return err;
}

static void take_effect(struct lists *lists, struct membership *list, bool valid)
{
	membership_unref(lists->list);
	lists->list = list;
	lists->valid = valid;
	lists->generation++;
	lists->denied_count = 0;
}

/* The files as they are now, kept durably before they are handed over. */
static enum iotpki_err accept_list(struct lists *lists, struct membership **list_out,
				   struct iotpki_detail *detail)
{
	enum iotpki_err err =
		snapshot_take(lists->folder, &lists->options.trust, lists->fresh, detail);
	CLEANUP(membership_unrefp) struct membership *list = NULL;
	if (err == IOTPKI_OK)
		err = load_copy(lists, lists->fresh, &list, detail);
	if (err == IOTPKI_OK)
		err = snapshot_replace(lists->fresh, lists->accepted, detail);
	snapshot_remove(lists->fresh);
	if (err == IOTPKI_OK)
		*list_out = STEAL(list);
	return err;
}

/* The files as they are, without a copy. */
static struct membership *load_source(const struct lists *lists)
{
	struct membership *list = NULL;
	struct iotpki_detail detail = { 0 };
	char path[SNAPSHOT_PATH_MAX];
	if (snapshot_path(path, lists->folder, SNAPSHOT_FILE) != IOTPKI_OK ||
	    membership_load(path, &lists->options.trust, &list, &detail) != IOTPKI_OK)
		return NULL;
	return list;
}

/* No copy can be made, and none is needed: the list in force is the one in the files. */
static bool is_in_force(const struct lists *lists)
{
	CLEANUP(membership_unrefp) struct membership *list = load_source(lists);
	return list != NULL && lists->list != NULL &&
	       memcmp(membership_digest(list), membership_digest(lists->list), IOTPKI_SHA256_LEN) ==
		       0;
}

static enum iotpki_err reload_list(struct lists *lists, bool *changed_out,
				   struct iotpki_detail *detail)
{
	const bool same = snapshot_same(lists->folder, &lists->options.trust, lists->accepted);
	if (same && lists->valid)
		return IOTPKI_OK;
	struct membership *list = NULL;
	const enum iotpki_err err = same ? load_copy(lists, lists->accepted, &list, detail)
					 : accept_list(lists, &list, detail);
	if (err == IOTPKI_ERR_IO && lists->valid && is_in_force(lists))
		return IOTPKI_OK;
	if (err != IOTPKI_OK) {
		lists->valid = false;
		return err;
	}
	take_effect(lists, list, true);
	*changed_out = true;
	return IOTPKI_OK;
}

/* The state folder cannot be written: at a start the list itself is better than nobody. */
static bool start_without_state(struct lists *lists)
{
	struct membership *list = load_source(lists);
	if (list == NULL)
		return false;
	log_write(LOG_LEVEL_ERROR, "event=list-not-kept text=\"the list is in force but a restart "
				   "would not have it\"");
	take_effect(lists, list, true);
	return true;
}

static void start_with_accepted(struct lists *lists, enum iotpki_err err,
				const struct iotpki_detail *detail)
{
	char why[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	iotpki_err_detail(err, detail, why, sizeof(why));
	if (err == IOTPKI_ERR_IO && start_without_state(lists))
		return;
	struct membership *list = NULL;
	struct iotpki_detail ignored = { 0 };
	const bool found = load_copy(lists, lists->accepted, &list, &ignored) == IOTPKI_OK;
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", "list-invalid", 32);
	log_line_text(&line, "inforce", found ? "the last accepted list" : "nobody", 32);
	log_line_text(&line, "error", why, sizeof(why));
	log_write(LOG_LEVEL_ERROR, "%s", line.text);
	take_effect(lists, list, false);
}

enum iotpki_err lists_start(struct lists *lists, struct iotpki_detail *detail)
{
	const enum iotpki_err err = config_load(lists->options.config_path, &lists->options.trust,
						&lists->config, detail);
	if (err != IOTPKI_OK)
		return err;
	snapshot_recover(lists->accepted);
	bool changed = false;
	struct iotpki_detail why = { 0 };
	const enum iotpki_err list_err = reload_list(lists, &changed, &why);
	if (list_err != IOTPKI_OK)
		start_with_accepted(lists, list_err, &why);
	return IOTPKI_OK;
}

enum iotpki_err lists_reload(struct lists *lists, struct lists_change *change_out,
			     struct iotpki_detail *detail)
{
	*change_out = (struct lists_change){ 0 };
	AUTO_FREE struct config *config = calloc(1, sizeof(*config));
	if (config == NULL)
		return IOTPKI_ERR_NOMEM;
	const enum iotpki_err err =
		config_load(lists->options.config_path, &lists->options.trust, config, detail);
	if (err == IOTPKI_OK && memcmp(config, &lists->config, sizeof(*config)) != 0) {
		lists->config = *config;
		change_out->config = true;
	}
	const enum iotpki_err list_err =
		reload_list(lists, &change_out->list, err == IOTPKI_OK ? detail : NULL);
	return err != IOTPKI_OK ? err : list_err;
}

const struct config *lists_config(const struct lists *lists)
{
	return &lists->config;
}

struct membership *lists_membership(const struct lists *lists)
{
	return lists->list;
}

bool lists_valid(const struct lists *lists)
{
	return lists->valid;
}

uint64_t lists_generation(const struct lists *lists)
{
	return lists->generation;
}

const struct member *lists_member(const struct lists *lists, const char *name)
{
	return lists->list == NULL ? NULL : membership_by_name(lists->list, name);
}

enum iotpki_err lists_deny(struct lists *lists, const char *name)
{
	if (lists_denied(lists, name))
		return IOTPKI_OK;
	if (!iotpki_name_valid(name, strlen(name)))
		return IOTPKI_ERR_SYNTAX;
	if (lists->denied == NULL)
		lists->denied = calloc(LISTS_DENIED_MAX, sizeof(*lists->denied));
	if (lists->denied == NULL)
		return IOTPKI_ERR_NOMEM;
	if (lists->denied_count == LISTS_DENIED_MAX)
		return IOTPKI_ERR_LIMIT;
	memcpy(lists->denied[lists->denied_count++], name, strlen(name) + 1);
	return IOTPKI_OK;
}

bool lists_denied(const struct lists *lists, const char *name)
{
	for (size_t i = 0; i < lists->denied_count; i++)
		if (strcmp(lists->denied[i], name) == 0)
			return true;
	return false;
}

const char *lists_folder(const struct lists *lists)
{
	return lists->folder;
}
