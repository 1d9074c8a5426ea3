/* The question to the agent, and what its answer means here. */
#pragma once

#include <iotpki/client.h>

#include "args.h"
#include "authinfo.h"
#include "codes.h"
#include "log.h"

/** One call of PAM; the texts are the host's, checked. */
struct question {
	const struct args *args;
	enum stage stage;
	const char *user;
	const char *service;
	enum authinfo_kind kind; /* of SSH_AUTH_INFO_0; EMPTY without the argument ssh */
	const char *authinfo;    /* its keys */
	struct log_subject subject;
};

/**
 * Ask; ADMITTED only if the agent said ADMIT and the stage has the proof it needs.
 * @param answer  zeroed by the caller; holds name and fp if ADMITTED
 */
enum outcome ask(const struct question *question, struct iotpki_client_answer *answer);
