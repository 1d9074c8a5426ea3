/*
 * Where the agent's lines go (design 13): its own datagram to syslog or to the
 * journal, standard error, or a file. Never blocks: what a log cannot take is
 * lost, a login never waits for it.
 */
#pragma once

#include <stdio.h>

#include <iotpki/decide.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

struct agent_log;

/**
 * @param target  "syslog", "journal", "stderr" or "file:PATH"
 * @return IOTPKI_ERR_ARGUMENT for another target, IOTPKI_ERR_IO if the file cannot be opened
 */
enum iotpki_err agent_log_open(const char *target, const struct clock *clock,
			       struct agent_log **log_out, struct iotpki_detail *detail) MUST_CHECK;
void agent_log_close(struct agent_log *log);
void agent_log_closep(struct agent_log **log);
/** Open the file again (SIGHUP, after a rotation); the old one stays if that fails. */
void agent_log_reopen(struct agent_log *log);
/** The file, to give it to the user that the agent becomes; -1 if there is none. */
int agent_log_fd(const struct agent_log *log);
/** The sink to hand to log_set_sink(). */
const struct log_sink *agent_log_sink(const struct agent_log *log);

/** One decision as it was taken; texts may be NULL or "". */
struct agent_log_decision {
	const struct iotpki_decision *decision;
	const char *name, *label;
	const char *user, *service, *rhost;
	const uint8_t *fingerprint; /* NULL: none was shown */
	unsigned int needed;
	const struct config *config;
	const struct iotpki_answer *answers; /* NULL: nobody was asked */
	size_t answer_count;
	bool reused;
	int64_t ms;
	uint64_t id;
};

/** Log it, once. Strangers (not-member) at most 10 a second, then a count of what was dropped. */
void agent_log_decision(struct agent_log *log, const struct agent_log_decision *entry);
/** The text of agent_log_decision(), for tests. */
void agent_log_format(const struct agent_log_decision *entry, int64_t now_s, struct log_line *line);
/**
 * What a node said, as decide() judged it: "registered", "revoked", ...; of a registered name that is
 * not the entry's, "hash-mismatch" or "re-registered". decision NULL: as the node said it.
 */
const char *agent_log_word(const struct iotpki_answer *answers,
			   const struct iotpki_decision *decision, size_t node);
/** " home=revoked(tip=1234,age=40s,12ms)" for each configured node; for explain and late answers too. */
void agent_log_nodes(struct log_line *line, const struct config *config,
		     const struct iotpki_answer *answers, const struct iotpki_decision *decision,
		     size_t count, int64_t now_s);
/** "IPK-203", "-" of IOTPKI_REASON_NONE. */
void agent_log_code(enum iotpki_reason reason, char *out, size_t size);
/** Say how many were dropped, if the second is over. Milliseconds until it is to be called again, -1: never. */
int64_t agent_log_flush(struct agent_log *log);
