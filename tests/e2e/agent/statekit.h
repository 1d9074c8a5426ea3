/*
 * The real agent on a clock of the test's, three B-nodes that say what they are told to, and one member or
 * more: for what the agent keeps for good.
 */
#pragma once

#include "e2e/agent/agentkit.h"
#include "fake/fake_clock.h"
#include "fake/fake_node.h"

enum {
	STATEKIT_NODES = 3,
	STATEKIT_BODY_MAX = 2 << 20,
	STATEKIT_BEFORE_END_S = 30 * 86400, /* what STATEKIT_NOW leaves to the members' entries */
};
enum { HOME, BARN, OFFICE };
#define STATEKIT_END INT64_C(1814313600) /* 2027-06-30, when the members' entries end */
#define STATEKIT_NOW (STATEKIT_END - STATEKIT_BEFORE_END_S)

struct statekit {
	struct agentkit kit;
	const char *preload; /* fake_clock.so */
	char clock_path[96];
	struct fake_clock *clock;
	struct fake_node *nodes[STATEKIT_NODES];
	struct config_node configs[STATEKIT_NODES];
	/* Two each: one is in force while the other is written. */
	struct fake_script scripts[STATEKIT_NODES][2];
	char *bodies[STATEKIT_NODES][2];
	unsigned int turn[STATEKIT_NODES];
	char answer[FRAME_MAX + 1];
};

/** What a node says of every name. */
struct statekit_words {
	const char *status; /* NULL: it is not ready */
	const char *sha256, *registration;
	uint64_t height;
	int64_t time_s;
	const char *proof; /* a JSON array; NULL: none */
};

/** Nodes, folders, clock at STATEKIT_NOW, n = needed; the agent is not started. */
void statekit_open(struct statekit *kit, const char *program, const char *preload,
		   unsigned int needed);
void statekit_close(struct statekit *kit);
/** The members: registration NULL is the certificate's hash; ends NULL is 2027. */
void statekit_put_member(const struct memberkit *person, const char *registration, const char *year,
			 struct buf *out);
void statekit_start(struct statekit *kit);
void statekit_stop(struct statekit *kit);
/** kill -9. */
void statekit_kill(struct statekit *kit);
/** A node says this from its next answer on. */
void statekit_say(struct statekit *kit, size_t node, const struct statekit_words *words);
/** All say that it is registered: the person's hash, this height, the clock's time. */
void statekit_all_registered(struct statekit *kit, const struct memberkit *person,
			     const char *registration, uint64_t height);
/** Time goes by on the wall; not since the boot, by which the refresh begins, in a second that it chooses. */
void statekit_wait(struct statekit *kit, int64_t seconds);

/** A login with nothing reused; fails the test unless it is this word and reason ("": any). */
void statekit_expect(struct statekit *kit, const struct memberkit *person, const char *word,
		     const char *reason);
/** A line of status; fails the test if there is none. */
void statekit_status(struct statekit *kit, const char *key, char *out, size_t size);
void statekit_expect_status(struct statekit *kit, const char *key, const char *want);
/** Whether a line of the log has both; and wait until one has. */
bool statekit_logged(const struct statekit *kit, const char *one, const char *other);
void statekit_await_log(const struct statekit *kit, const char *one, const char *other);
/** Lines so far are never seen again by the two above. */
void statekit_forget_log(const struct statekit *kit);
/** Run a command on the agent's clock: its exit code; out: what it says on both. */
int statekit_run(const struct statekit *kit, const char *const *arguments, char *out, size_t size);
