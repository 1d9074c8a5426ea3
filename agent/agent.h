/*
 * The daemon without its start: loop, socket, lists, B-nodes, verbs, signals.
 * One thread; nothing waits but nvs_poll().
 */
#pragma once

#include <sys/types.h>

#include "agent/log.h"
#include "base/fs.h"

struct agent;

struct agent_options {
	const char *config_path;
	const char *state_dir;
	struct fs_trust trust;
	const struct clock *clock;
	const struct random_source *random;
	struct agent_log *log;
	int listen_fd;
	uid_t admin;  /* who started it, beside root */
	uid_t helper; /* ACCESS_NO_UID: none */
};

enum iotpki_err agent_new(const struct agent_options *options, struct agent **agent_out,
			  struct iotpki_detail *detail) MUST_CHECK;
void agent_free(struct agent *agent);
void agent_freep(struct agent **agent);
/** Work until SIGTERM or SIGINT, which must be blocked, as SIGHUP (load again), before. */
enum iotpki_err agent_run(struct agent *agent) MUST_CHECK;
