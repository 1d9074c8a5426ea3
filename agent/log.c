/* Sinks, and the line of a decision. */
#include "agent/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <iotpki/sshkey.h>

#include "base/parse.h"

#define IDENT "iotpki-agent"
#define SYSLOG_SOCKET "/dev/log"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

enum { MISSES_PER_S = 10, TEXT_CAP = 128, PATH_CAP = 4096 };

struct agent_log {
	struct log_sink sink; /* must stay the first member */
	const struct clock *clock;
	void (*emit)(struct agent_log *log, enum log_level level, const char *line);
	int fd;              /* socket or file */
	char path[PATH_CAP]; /* of the socket or the file */
	int64_t miss_s;      /* the second that is being counted */
	unsigned int misses;
};

static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

static void send_datagram(struct agent_log *log, const char *text, size_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t path_len = strlen(log->path);
	if (log->fd < 0 || path_len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, log->path, path_len + 1);
	/* Unconnected, so that a log daemon that was restarted is found again. */
	(void)sendto(log->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		     (const struct sockaddr *)&address, sizeof(address));
}

static void emit_syslog(struct agent_log *log, enum log_level level, const char *line)
{
	char text[2300];
	const int len = snprintf(text, sizeof(text), "<%d>" IDENT "[%ld]: %s",
				 LOG_AUTHPRIV | priorities[level], (long)getpid(), line);
	if (len > 0)
		send_datagram(log, text,
			      (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static void emit_journal(struct agent_log *log, enum log_level level, const char *line)
{
	char text[2400];
	const int len = snprintf(text, sizeof(text),
				 "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=" IDENT
				 "\nSYSLOG_PID=%ld\nMESSAGE=%s\n",
				 priorities[level], LOG_AUTHPRIV >> 3, (long)getpid(), line);
	if (len > 0)
		send_datagram(log, text,
			      (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static void emit_stream(struct agent_log *log, enum log_level level, const char *line)
{
	char when[TIME_TEXT_SIZE];
	time_format(log->clock->now_s(log->clock), when);
	char text[2300];
	const int len = snprintf(text, sizeof(text), "%s " IDENT "[%ld]: level=%s %s\n", when,
				 (long)getpid(), log_level_name(level), line);
	if (len <= 0 || log->fd < 0)
		return;
	/* One write a line, so that lines of several writers do not mix. */
	if (write(log->fd, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1) < 0)
		return;
}

static void sink_write(const struct log_sink *sink, enum log_level level, const char *line)
{
	struct agent_log *log = (struct agent_log *)(uintptr_t)sink;
	log->emit(log, level, line);
}

static int open_file(const char *path)
{
	const int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		     0640);
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		(void)close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static int open_socket(const char *path)
{
	(void)path;
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int open_stderr(const char *path)
{
	(void)path;
	return STDERR_FILENO;
}

static const struct {
	const char *target; /* a prefix if it ends in ':' */
	const char *path;   /* NULL: what follows the prefix */
	int (*open)(const char *path);
	void (*emit)(struct agent_log *log, enum log_level level, const char *line);
} targets[] = {
	{ "syslog", SYSLOG_SOCKET, open_socket, emit_syslog },
	{ "journal", JOURNAL_SOCKET, open_socket, emit_journal },
	{ "stderr", "", open_stderr, emit_stream },
	{ "file:", NULL, open_file, emit_stream },
};

static enum iotpki_err open_target(struct agent_log *log, const char *target,
				   struct iotpki_detail *detail)
{
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		const size_t len = strlen(targets[i].target);
		const bool prefix = targets[i].path == NULL;
		if (strncmp(target, targets[i].target, len) != 0 ||
		    (!prefix && target[len] != '\0'))
			continue;
		const char *path = prefix ? target + len : targets[i].path;
		if (strlen(path) >= sizeof(log->path))
			return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "the path is too long");
		memcpy(log->path, path, strlen(path) + 1);
		log->emit = targets[i].emit;
		log->fd = targets[i].open(path);
		if (log->fd < 0)
			return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot open the log: %s",
					  strerror(errno));
		return IOTPKI_OK;
	}
	return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
			  "the log is syslog, journal, stderr or file:PATH");
}

enum iotpki_err agent_log_open(const char *target, const struct clock *clock,
			       struct agent_log **log_out, struct iotpki_detail *detail)
{
	*log_out = NULL;
	CLEANUP(agent_log_closep) struct agent_log *log = calloc(1, sizeof(*log));
	if (log == NULL)
		return IOTPKI_ERR_NOMEM;
	log->sink = (struct log_sink){ sink_write, LOG_LEVEL_INFO };
	log->clock = clock;
	log->fd = -1;
	const enum iotpki_err err = open_target(log, target, detail);
	if (err != IOTPKI_OK) {
		detail_where(detail, target);
		return err;
	}
	*log_out = STEAL(log);
	return IOTPKI_OK;
}

void agent_log_close(struct agent_log *log)
{
	if (log == NULL)
		return;
	if (log->fd > STDERR_FILENO)
		(void)close(log->fd);
	free(log);
}

void agent_log_closep(struct agent_log **log)
{
	agent_log_close(*log);
	*log = NULL;
}

int agent_log_fd(const struct agent_log *log)
{
	return log->emit == emit_stream && log->fd != STDERR_FILENO ? log->fd : -1;
}

void agent_log_reopen(struct agent_log *log)
{
	if (agent_log_fd(log) < 0)
		return;
	const int fd = open_file(log->path);
	if (fd < 0) {
		log_write(LOG_LEVEL_WARNING, "event=log-reopen error=\"%s\"", strerror(errno));
		return;
	}
	(void)close(log->fd);
	log->fd = fd;
}

const struct log_sink *agent_log_sink(const struct agent_log *log)
{
	return &log->sink;
}

static void add(struct log_line *line, const char *text)
{
	const size_t len = strlen(text);
	if (len >= sizeof(line->text) - line->len)
		return; /* whole pieces only */
	memcpy(line->text + line->len, text, len + 1);
	line->len += len;
}

const char *agent_log_word(const struct iotpki_answer *answers,
			   const struct iotpki_decision *decision, size_t node)
{
	const enum iotpki_outcome outcome = answers[node].outcome;
	if (decision == NULL || outcome == IOTPKI_OUTCOME_PENDING)
		return iotpki_outcome_name(outcome);
	if (decision->judged[node] == IOTPKI_OUTCOME_REGISTERED &&
	    decision->objections[node] != IOTPKI_REASON_NONE)
		return iotpki_reason_name(decision->objections[node]);
	return iotpki_outcome_name(decision->judged[node]);
}

void agent_log_nodes(struct log_line *line, const struct config *config,
		     const struct iotpki_answer *answers, const struct iotpki_decision *decision,
		     size_t count, int64_t now_s)
{
	for (size_t i = 0; i < count && i < config->node_count; i++) {
		const struct iotpki_answer *answer = &answers[i];
		/* These parentheses hold numbers and our own words; the node's name is a checked word. */
		char text[CONFIG_WORD_MAX + 160];
		int len = snprintf(text, sizeof(text), " %s=%s", config->nodes[i].name,
				   agent_log_word(answers, decision, i));
		const bool tip = answer->tip_s != 0;
		if (len > 0 && tip)
			(void)snprintf(text + len, sizeof(text) - (size_t)len,
				       "(tip=%" PRIu64 ",age=%" PRId64 "s,%" PRIu32 "ms)",
				       answer->tip_height, now_s - answer->tip_s, answer->ms);
		else if (len > 0 && answer->outcome != IOTPKI_OUTCOME_PENDING)
			(void)snprintf(text + len, sizeof(text) - (size_t)len, "(%" PRIu32 "ms)",
				       answer->ms);
		add(line, text);
	}
}

static void put_text(struct log_line *line, const char *key, const char *value)
{
	log_line_text(line, key, value != NULL ? value : "", TEXT_CAP);
}

void agent_log_code(enum iotpki_reason reason, char *out, size_t size)
{
	if (reason == IOTPKI_REASON_NONE)
		(void)snprintf(out, size, "-");
	else
		(void)snprintf(out, size, "IPK-%03d", (int)reason);
}

void agent_log_format(const struct agent_log_decision *entry, int64_t now_s, struct log_line *line)
{
	const struct iotpki_decision *decision = entry->decision;
	char text[IOTPKI_FINGERPRINT_TEXT_SIZE];
	log_line_start(line);
	put_text(line, "verdict", iotpki_verdict_name(decision->verdict));
	put_text(line, "reason", iotpki_reason_name(decision->reason));
	agent_log_code(decision->reason, text, sizeof(text));
	put_text(line, "code", text);
	put_text(line, "name", entry->name);
	put_text(line, "label", entry->label);
	put_text(line, "user", entry->user);
	put_text(line, "service", entry->service);
	text[0] = '\0';
	if (entry->fingerprint != NULL)
		iotpki_fingerprint_format(entry->fingerprint, text);
	put_text(line, "fp", text);
	put_text(line, "rhost", entry->rhost);
	(void)snprintf(text, sizeof(text), " answers=%u/%u", decision->agreeing, entry->needed);
	add(line, text);
	if (entry->answers != NULL)
		agent_log_nodes(line, entry->config, entry->answers, decision, entry->answer_count,
				now_s);
	char tail[96];
	(void)snprintf(tail, sizeof(tail), " reused=%s ms=%" PRId64 " id=%016" PRIx64,
		       entry->reused ? "yes" : "no", entry->ms, entry->id);
	add(line, tail);
}

static void say_dropped(struct agent_log *log)
{
	if (log->misses > MISSES_PER_S)
		log_write(LOG_LEVEL_NOTICE, "event=misses-dropped reason=%s count=%u",
			  iotpki_reason_name(IOTPKI_NOT_MEMBER), log->misses - MISSES_PER_S);
	log->misses = 0;
}

int64_t agent_log_flush(struct agent_log *log)
{
	const int64_t now_s = log->clock->mono_ms(log->clock) / 1000;
	if (now_s != log->miss_s)
		say_dropped(log);
	log->miss_s = now_s;
	return log->misses > MISSES_PER_S ? 1000 : -1;
}

void agent_log_decision(struct agent_log *log, const struct agent_log_decision *entry)
{
	static const enum log_level levels[] = {
		[IOTPKI_DENY] = LOG_LEVEL_NOTICE,
		[IOTPKI_ADMIT] = LOG_LEVEL_INFO,
		[IOTPKI_UNAVAILABLE] = LOG_LEVEL_WARNING,
	};
	(void)agent_log_flush(log);
	if (entry->decision->reason == IOTPKI_NOT_MEMBER && log->misses++ >= MISSES_PER_S)
		return;
	struct log_line line;
	agent_log_format(entry, log->clock->now_s(log->clock), &line);
	log_write(levels[entry->decision->verdict], "%s", line.text);
}
