/*
 * iotpki-authorized-keys [--socket P] USER TYPE KEY: sshd's AuthorizedKeysCommand (design 9).
 * sshd runs it for every key that anybody offers, without proof, so it is small, asks the agent
 * one question, and changes nothing. One line, or nothing and exit status 0.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <iotpki/client.h>

#include "keyline.h"

static const char ident[] = "iotpki-authorized-keys";

enum {
	CLEAN = 0,
	/* sshd drops whatever a failed command printed: the right end for half a line. */
	WRITE_FAILED = 1,
};

struct offer {
	const char *socket_path; /* NULL: the default */
	const char *user, *type, *base64;
};

static bool read_arguments(int argc, char **argv, struct offer *offer_out)
{
	int at = 1;
	if (argc >= 3 && strcmp(argv[1], "--socket") == 0) {
		offer_out->socket_path = argv[2];
		at = 3;
	}
	if (argc - at != 3)
		return false;
	offer_out->user = argv[at];
	offer_out->type = argv[at + 1];
	offer_out->base64 = argv[at + 2];
	return true;
}

static void log_no_answer(const struct offer *offer, const char *why, const char *detail)
{
	char text[512];
	(void)snprintf(text, sizeof(text),
		       "no answer from iotpki-agent at %.100s: %s%s%.200s; no key for user=%.64s",
		       offer->socket_path != NULL ? offer->socket_path : IOTPKI_CLIENT_SOCKET, why,
		       detail != NULL ? ": " : "", detail != NULL ? detail : "", offer->user);
	iotpki_client_log(ident, LOG_ERR, text);
}

/* The line for an admitted key; 0: nothing is to be printed. */
static size_t ask(const struct offer *offer, char *line, size_t size)
{
	static struct iotpki_client_answer answer;
	const struct iotpki_client_field fields[] = {
		{ "user", offer->user },
		{ "service", "sshd" },
		{ "type", offer->type },
		{ "key", offer->base64 },
	};
	const enum iotpki_client_status status =
		iotpki_client_ask(offer->socket_path, "authorize-key", fields,
				  sizeof(fields) / sizeof(fields[0]), 0, &answer);
	if (status != IOTPKI_CLIENT_OK) {
		log_no_answer(offer, iotpki_client_strerror(status), NULL);
		return 0;
	}
	if (answer.word == IOTPKI_CLIENT_ERROR || answer.word == IOTPKI_CLIENT_DONE) {
		log_no_answer(offer, "it refused the question",
			      iotpki_client_value(&answer, "error"));
		return 0;
	}
	if (answer.word != IOTPKI_CLIENT_ADMIT)
		return 0;
	const size_t len =
		keyline_format(offer->type, offer->base64, iotpki_client_value(&answer, "key"),
			       iotpki_client_value(&answer, "options"), line, size);
	if (len == 0)
		log_no_answer(offer, "it answered another key, or options that are not one field",
			      NULL);
	return len;
}

static int print(const char *line, size_t len)
{
	/* A mask, not a handler: sshd hanging up must be an error here, not a death by signal. */
	sigset_t pipe_signal;
	(void)sigemptyset(&pipe_signal);
	(void)sigaddset(&pipe_signal, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &pipe_signal, NULL);
	ssize_t written = -1;
	do {
		written = write(STDOUT_FILENO, line, len);
	} while (written < 0 && errno == EINTR);
	return written >= 0 && (size_t)written == len ? CLEAN : WRITE_FAILED;
}

int main(int argc, char **argv)
{
	static char line[IOTPKI_CLIENT_FRAME_MAX];
	struct offer offer = { 0 };
	if (!read_arguments(argc, argv, &offer)) {
		iotpki_client_log(ident, LOG_ERR,
				  "wrong arguments; in sshd_config: AuthorizedKeysCommand "
				  "/usr/libexec/iotpki-authorized-keys %u %t %k");
		return CLEAN;
	}
	if (!keyline_offer(offer.user, offer.type, offer.base64))
		return CLEAN;
	const size_t len = ask(&offer, line, sizeof(line));
	return len > 0 ? print(line, len) : CLEAN;
}
