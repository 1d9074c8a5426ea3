/* See the header. The agent judges; here its answer is only taken at its least favourable word. */
#include "ask.h"

#include <string.h>
#include <syslog.h>

#include "base/base.h"

static bool field_is(const struct iotpki_client_answer *answer, const char *key, const char *want)
{
	const char *value = iotpki_client_value(answer, key);
	return value != NULL && strcmp(value, want) == 0;
}

/* A name as records have it; it goes into the session's environment and the log. */
static bool is_name(const char *text)
{
	if (text == NULL || text[0] == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text > 0x7e || *text == '=')
			return false;
	return true;
}

/*
 * Whether ADMIT may count at all. Only the account stage may be admitted without a visible key: by a
 * key that the agent admitted a moment ago, or, without the argument ssh, by membership (design 9).
 */
static bool has_proof(const struct question *question)
{
	if (question->kind == AUTHINFO_KEYS)
		return true;
	return question->stage == STAGE_ACCOUNT && question->kind == AUTHINFO_EMPTY;
}

/* The account is none of ours: only the agent can know, and only with a valid list. */
static bool is_unknown_account(const struct question *question,
			       const struct iotpki_client_answer *answer)
{
	return question->args->ignore_unknown_user && field_is(answer, "account-known", "no") &&
	       field_is(answer, "list-valid", "yes");
}

static enum outcome denied(const struct question *question,
			   const struct iotpki_client_answer *answer)
{
	if (is_unknown_account(question, answer))
		return OUTCOME_IGNORED;
	if (field_is(answer, "reason", "expired") || field_is(answer, "reason", "member-expired"))
		return OUTCOME_EXPIRED;
	return OUTCOME_DENIED;
}

static enum outcome admitted(const struct question *question,
			     const struct iotpki_client_answer *answer)
{
	if (!has_proof(question)) {
		log_line(&question->subject, LOG_ERR, "an ADMIT without a key is not believed:");
		return OUTCOME_DENIED;
	}
	if (!is_name(iotpki_client_value(answer, "name"))) {
		log_line(&question->subject, LOG_ERR,
			 "no answer from iotpki-agent: its ADMIT names nobody:");
		return OUTCOME_NO_ANSWER;
	}
	return OUTCOME_ADMITTED;
}

static enum outcome refused(const struct question *question,
			    const struct iotpki_client_answer *answer)
{
	const char *error = iotpki_client_value(answer, "error");
	log_line(&question->subject, LOG_ERR,
		 "no answer from iotpki-agent: it refused the question: %s:",
		 error != NULL ? error : "it does not say why");
	return OUTCOME_NO_ANSWER;
}

static enum outcome unavailable(const struct question *question,
				const struct iotpki_client_answer *answer)
{
	(void)question; /* the agent has logged why */
	(void)answer;
	return OUTCOME_NO_ANSWER;
}

static enum outcome (*const meanings[])(const struct question *question,
					const struct iotpki_client_answer *answer) = {
	[IOTPKI_CLIENT_DENY] = denied,
	[IOTPKI_CLIENT_ADMIT] = admitted,
	[IOTPKI_CLIENT_UNAVAILABLE] = unavailable,
	[IOTPKI_CLIENT_DONE] = refused,
	[IOTPKI_CLIENT_ERROR] = refused,
};

enum outcome ask(const struct question *question, struct iotpki_client_answer *answer)
{
	const struct iotpki_client_field fields[] = {
		{ "user", question->user },
		{ "service", question->service },
		{ "stage", codes_stage_name(question->stage) },
		{ "authinfo", question->authinfo },
	};
	/* Without the argument ssh the field is left out: the agent then looks at the members alone. */
	const size_t count = ARRAY_LEN(fields) - (question->args->ssh ? 0 : 1);
	const char *path = question->args->socket_path;
	const enum iotpki_client_status status =
		iotpki_client_ask(path, "authorize-user", fields, count, 0, answer);
	if (status != IOTPKI_CLIENT_OK) {
		log_line(&question->subject, LOG_ERR, "no answer from iotpki-agent at %.110s: %s:",
			 path != NULL ? path : IOTPKI_CLIENT_SOCKET,
			 iotpki_client_strerror(status));
		return OUTCOME_NO_ANSWER;
	}
	if ((size_t)answer->word >= ARRAY_LEN(meanings))
		return OUTCOME_NO_ANSWER;
	return meanings[answer->word](question, answer);
}
