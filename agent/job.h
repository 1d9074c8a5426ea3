/*
 * A request that is being decided: candidates (a name and what was shown), in
 * groups. A group is ADMIT if one of its candidates is; the request is ADMIT if all
 * its groups are. Each candidate is decided by decide() alone.
 */
#pragma once

#include <iotpki/sshkey.h>

#include "agent/frame.h"
#include "agent/judge.h"
#include "agent/log.h"
#include "agent/questions.h"

enum { JOB_CANDIDATES_MAX = 16, JOBS_MAX = 1024 };

struct job;

struct job_candidate {
	struct job *job;
	struct questions_waiter waiter;
	char name[IOTPKI_NAME_MAX + 1]; /* "": nobody */
	enum iotpki_presented presented;
	bool has_hash;
	uint8_t hash[IOTPKI_SHA256_LEN];
	unsigned int group;
	bool final;
	bool reused;
	struct iotpki_decision decision;
	size_t answer_count; /* answers that the decision went by; 0: nobody was asked */
	struct iotpki_answer *answers;
};

struct job {
	struct jobs *jobs;
	struct job *next, *previous;
	uint64_t connection;
	uint64_t id; /* for the log */
	enum frame_verb verb;
	bool any_rights;
	bool in_order; /* a candidate counts only when those before it are decided */
	int64_t started_ms, ends_ms;
	char user[CONFIG_WORD_MAX * 4 + 1], service[CONFIG_WORD_MAX + 1], rhost[256];
	struct iotpki_sshkey *key; /* authorize-key: what was offered; owned */
	unsigned int group_count;
	size_t candidate_count;
	struct job_candidate candidates[JOB_CANDIDATES_MAX];
};

struct jobs_options {
	struct judge judge;
	struct questions *questions;
	/* Called once a job, when it is decided; the job is freed after it. */
	void (*finish)(void *context, const struct job *job);
	void *context;
};

struct jobs {
	struct jobs_options options;
	struct job *first;
	size_t count;
	uint64_t next_id;
};

/** A job for a request; texts are copied. NULL: no memory, or too many jobs. */
struct job *job_new(struct jobs *jobs, uint64_t connection, const struct frame_request *request);
/** Add a candidate to the group that is being filled; false if there is no room. hash NULL: NAME. */
bool job_add(struct job *job, const char *name, const uint8_t *hash);
/** Add one that is refused whatever anybody says: no-proof. */
bool job_refuse(struct job *job, enum iotpki_reason reason);
/** What is added next is of another group: all groups must admit. */
void job_next_group(struct job *job);
/** Decide, asking where the list alone does not say it. The job may be gone afterwards. */
void job_start(struct job *job);
void job_free(struct job *job);

/**
 * The candidate that speaks for a group: the one that admits it, or the reason why it is not
 * admitted; NULL while that is open.
 */
const struct job_candidate *job_group(const struct job *job, unsigned int group);
/** The candidate that speaks for the job, likewise. */
const struct job_candidate *job_result(const struct job *job);

/** Answer those whose time is over. Returns milliseconds until the next, -1: none. */
int64_t jobs_expire(struct jobs *jobs);
/** Forget all jobs without a word. */
void jobs_done(struct jobs *jobs);
