/*
 * Which configuration and which membership list are in force (design 7): loaded
 * whole or not at all, the last good ones stay. What takes effect was kept
 * durably before (STATE_DIR/members.accepted), so that a restart with a broken
 * list still has the last good one.
 */
#pragma once

#include "base/fs.h"
#include "config/config.h"
#include "config/membership.h"

#define LISTS_DENIED_MAX 1024 /* names denied by verb */

struct lists;

struct lists_options {
	const char *config_path; /* members.yaml is beside it */
	const char *state_dir;   /* there already, ours */
	struct fs_trust trust;   /* whose files are believed */
};

/** What a load changed. */
struct lists_change {
	bool config;
	bool list;
};

/** Folder of the configuration. */
const char *lists_folder(const struct lists *lists);

/** Nothing is loaded yet: an empty list, no B-nodes. */
enum iotpki_err lists_new(const struct lists_options *options, struct lists **lists_out) MUST_CHECK;
void lists_free(struct lists *lists);
void lists_freep(struct lists **lists);

/**
 * Load at a start. The configuration must be good. A list that is not is replaced by the accepted
 * one of an earlier run, or by nobody at all, with an alert in the log: the agent runs either way.
 */
enum iotpki_err lists_start(struct lists *lists, struct iotpki_detail *detail) MUST_CHECK;
/** Load again. What is broken stays as it was; the first error is returned, the rest took effect. */
enum iotpki_err lists_reload(struct lists *lists, struct lists_change *change_out,
			     struct iotpki_detail *detail) MUST_CHECK;

const struct config *lists_config(const struct lists *lists);
/** The generation in force; take a reference to keep it over a reload. NULL: nobody is a member. */
struct membership *lists_membership(const struct lists *lists);
/** The list in force is the one in the files. */
bool lists_valid(const struct lists *lists);
/** Counts generations, from 1. */
uint64_t lists_generation(const struct lists *lists);
/** A name's entry, NULL if it has none. */
const struct member *lists_member(const struct lists *lists, const char *name);

/** Deny a name from now until the next generation takes effect. IOTPKI_ERR_LIMIT */
enum iotpki_err lists_deny(struct lists *lists, const char *name) MUST_CHECK;
bool lists_denied(const struct lists *lists, const char *name);
