/*
 * An agent that says what a test tells it to: a child process on a real socket in a
 * temporary folder, so that the client, the helper and the PAM module are tested over the
 * same path as in production. What it answers can be changed at any time.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <iotpki/client.h>

enum fake_agent_mode {
	FAKE_AGENT_ANSWER = 0, /* the text, as one packet */
	FAKE_AGENT_HANG,       /* accepts, reads, never answers */
	FAKE_AGENT_HANG_UP,    /* reads, then closes without an answer */
	FAKE_AGENT_REFUSE,     /* closes at once, reads nothing */
};

enum { FAKE_AGENT_TEXT_MAX = 2 * IOTPKI_CLIENT_FRAME_MAX };

struct fake_agent {
	struct fake_agent_shared *shared;
	pid_t pid;
	char folder[64];
	char socket[96];
};

/** Listen and start answering; fails the test if it cannot. */
void fake_agent_start(struct fake_agent *agent);
/** The same socket, bound and full to the brim: nobody ever accepts. */
void fake_agent_start_full(struct fake_agent *agent);
/** End the child and remove the folder. */
void fake_agent_stop(struct fake_agent *agent);

void fake_agent_set(struct fake_agent *agent, enum fake_agent_mode mode, const void *text,
		    size_t len);
/** The text up to its NUL, in mode ANSWER. */
void fake_agent_say(struct fake_agent *agent, const char *text);
/** If a request contains `needle`, answer `text` instead (one at a time; NULL: none). */
void fake_agent_say_if(struct fake_agent *agent, const char *needle, const char *text);
/** Requests since the last call of fake_agent_forget(), and the last one. */
unsigned int fake_agent_request_count(const struct fake_agent *agent);
const char *fake_agent_last_request(const struct fake_agent *agent);
void fake_agent_forget(struct fake_agent *agent);
