/* What the files of the noun member share: the list, opened for reading or for an edit. */
#pragma once

#include <limits.h>

#include <iotpki/cert.h>

#include "cli/cli.h"
#include "config/membership.h"

/** members.yaml beside the configuration; release with member_close(). */
struct member_list {
	char path[PATH_MAX];
	struct fs_trust trust;
	struct membership *list;
	int lock; /* so that two commands cannot lose each other's edit; -1: not taken */
};

/** Load the whole list; write: under the lock. Says what is wrong. */
enum cli_exit member_open(struct cli *cli, bool write, struct member_list *members);
void member_close(struct member_list *members);
/** By name, or by a label that one member alone has; NULL and said otherwise. */
const struct member *member_find(struct cli *cli, const struct member_list *members,
				 const char *name);
/** Let a running agent refuse a name although the list cannot be written now. */
void member_refuse_now(struct cli *cli, const char *name);
/**
 * Put the new text of one of the list's files in force: the whole list is validated with it, then it
 * is written durably and the agent is told. --dry-run stops before the writing.
 * @param refused  who must not be admitted any more, whether the agent takes the list or not; NULL: nobody
 */
enum cli_exit member_store(struct cli *cli, const struct cli_arguments *arguments,
			   const struct member_list *members, const char *file,
			   const struct buf *text, const char *refused);
/** One member as JSON; the state is of now. */
json_t *member_json(struct cli *cli, const struct member *member);
/** "active", "expired" or "denied". */
const char *member_state(struct cli *cli, const struct member *member);

/** What the B-nodes say of a certificate that is to become a member's (paper IV-A step 2). */
struct member_answer {
	bool has_ssh;
	uint8_t ssh[IOTPKI_SHA256_LEN];
	size_t registration_count;
	struct member_registration registrations[IOTPKI_NODES_MAX];
};
/**
 * Ask them: registered, not expired, the hash equal, n nodes agreeing. Anything else is said, with
 * the exit code that belongs to it.
 * @param config  must outlive the answer, whose network names are its
 */
enum cli_exit member_ask(struct cli *cli, const struct config *config,
			 const struct iotpki_cert *cert, struct member_answer *answer_out);
enum cli_exit member_add(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit member_renew(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit member_remove(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit member_deny(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit member_allow(struct cli *cli, const struct cli_arguments *arguments);
enum cli_exit member_check(struct cli *cli, const struct cli_arguments *arguments);
