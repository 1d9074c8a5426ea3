/* What state.c reads and writes and learn.c fills. */
#pragma once

#include "state/file.h"
#include "state/state.h"

struct state_node {
	uint8_t id[IOTPKI_SHA256_LEN];
	/*
	 * Two floors: answers to questions that were under way when a floor rose are judged by the
	 * one before. Each counts for questions of later seconds than its own.
	 */
	uint64_t settled, fresh;
	int64_t settled_s, fresh_s;
	uint64_t
		witness; /* the height that an earlier answer reached; 0: none yet in this process */
	int64_t witness_s;
	int64_t judged_s; /* the newest question that `behind` is known from */
	int64_t seen_s;
	bool behind;
	bool dirty, written;
};

struct state_tombstone {
	uint8_t registration[IOTPKI_SHA256_LEN];
	char network[CONFIG_WORD_MAX + 1];
	char name[IOTPKI_NAME_MAX + 1];
	bool written;
};

struct state_slot {
	bool followed;
	size_t node; /* index of nodes */
	uint64_t tolerance, step;
};

struct state {
	struct state_options options;
	char *dir;
	int dir_fd; /* with the lock; -1: not ours */
	enum state_condition condition;
	enum iotpki_err why_err;
	struct iotpki_detail why;
	bool new_file;

	int64_t floor_s;
	bool floor_dirty;
	bool raised; /* in this process, at raised_ms */
	int64_t raised_ms;

	size_t node_count;
	struct state_node nodes[STATE_NODES_MAX];
	bool nodes_dropped; /* in memory, and not yet on the disk */
	struct state_slot slots[IOTPKI_NODES_MAX];

	/* By registration, network, name. */
	size_t tombstone_count, tombstone_room, unwritten_tombstones;
	struct state_tombstone *tombstones;

	int64_t written_ms, retry_ms;
};

/** As state_add_tombstone; `written`: it comes from the file. */
enum iotpki_err state_insert_tombstone(struct state *state, const char *network, const char *name,
				       const uint8_t registration[static IOTPKI_SHA256_LEN],
				       bool written) MUST_CHECK;
/** One record of the file; as state_file_emit_fn, the context is the state. */
bool state_take_record(void *context, enum state_file_table table, const uint8_t *key,
		       size_t key_len, const uint8_t *value, size_t value_len);
/** What is to be written next, at most 2 + STATE_NODES_MAX + 256 records, all zero before. */
size_t state_collect(const struct state *state, struct state_file_record *records);
