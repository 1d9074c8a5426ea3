/*
 * The order of a check: the line itself, the service, the user, break-glass, then the agent. What cannot
 * be understood is refused before anybody is asked, and whom we judged must still be PAM_USER at the end.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "args.h"
#include "ask.h"
#include "authinfo.h"
#include "base/base.h"
#include "log.h"

enum {
	USER_MAX = 256, /* LOGIN_NAME_MAX */
	SERVICE_MAX = 64,
};

/* Too large for the stack of a thread of the host's. */
struct workspace {
	struct iotpki_client_answer answer;
	char authinfo[AUTHINFO_TEXT_MAX + 1];
	char user[USER_MAX + 1];
	char service[SERVICE_MAX + 1];
};

/*
 * Printable ASCII without white space, and nothing that is a path or an option somewhere. The backslash
 * of DOMAIN\user passes: nobody can manage such an account, but ignore_unknown_user must find it unknown.
 */
static bool is_plain(const char *text, size_t max)
{
	const size_t len = strnlen(text, max + 1);
	if (len == 0 || len > max || text[0] == '-' || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] > 0x7e || strchr("/:,;=\"'", text[i]) != NULL)
			return false;
	return true;
}

/* Of the host, never by pam_get_user(): that would prompt. */
static const char *item(pam_handle_t *pamh, int type)
{
	const void *value = NULL;
	if (pam_get_item(pamh, type, &value) != PAM_SUCCESS)
		return NULL;
	return value;
}

static bool copy_item(pam_handle_t *pamh, int type, char *out, size_t max)
{
	const char *value = item(pamh, type);
	if (value == NULL || !is_plain(value, max))
		return false;
	memcpy(out, value, strlen(value) + 1);
	return true;
}

static bool still(pam_handle_t *pamh, const char *user)
{
	const char *now = item(pamh, PAM_USER);
	return now != NULL && strcmp(now, user) == 0;
}

static enum outcome set_name(pam_handle_t *pamh, const struct question *question,
			     const struct iotpki_client_answer *answer)
{
	char variable[sizeof("IOTPKI_NAME=") + 128];
	const char *name = iotpki_client_value(answer, "name");
	const char *fingerprint = iotpki_client_value(answer, "fp");
	const int len = snprintf(variable, sizeof(variable), "IOTPKI_NAME=%s", name);
	if (len < 0 || (size_t)len >= sizeof(variable))
		return OUTCOME_NO_ANSWER;
	if (pam_putenv(pamh, variable) != PAM_SUCCESS)
		return OUTCOME_NO_MEMORY;
	log_line(&question->subject, LOG_INFO, "session opened: name=%.128s fp=%.64s", name,
		 fingerprint != NULL ? fingerprint : "-");
	return OUTCOME_ADMITTED;
}

/* sshd has shown no key where one is needed. Only whether the account is ours may still be asked. */
static enum outcome without_proof(const struct question *question,
				  struct iotpki_client_answer *answer)
{
	static const char *const whys[] = {
		[AUTHINFO_BAD] = "SSH_AUTH_INFO_0 is not what sshd writes, or holds a certificate",
		[AUTHINFO_EMPTY] = "sshd shows no key (SSH_AUTH_INFO_0 is empty)",
		[AUTHINFO_NO_KEY] = "the login was made without a key",
		[AUTHINFO_KEYS] = "-",
	};
	if (question->args->ignore_unknown_user && ask(question, answer) == OUTCOME_IGNORED)
		return OUTCOME_IGNORED;
	log_line(&question->subject, LOG_NOTICE,
		 "no proof of a member's key: %s:", whys[question->kind]);
	return OUTCOME_DENIED;
}

static bool needs_visible_key(const struct question *question)
{
	if (question->stage != STAGE_ACCOUNT)
		return true;
	return question->kind == AUTHINFO_BAD || question->kind == AUTHINFO_NO_KEY;
}

static enum outcome decide(pam_handle_t *pamh, struct question *question,
			   struct workspace *workspace)
{
	if (question->args->ssh)
		question->kind =
			authinfo_parse(pam_getenv(pamh, "SSH_AUTH_INFO_0"), workspace->authinfo);
	question->authinfo = workspace->authinfo;
	enum outcome outcome = OUTCOME_DENIED;
	if (question->kind != AUTHINFO_KEYS && needs_visible_key(question))
		outcome = without_proof(question, &workspace->answer);
	else
		outcome = ask(question, &workspace->answer);
	if (!still(pamh, question->user)) {
		log_line(&question->subject, LOG_ALERT, "PAM_USER changed while we asked:");
		return OUTCOME_DENIED;
	}
	if (outcome == OUTCOME_ADMITTED && question->stage == STAGE_SESSION)
		return set_name(pamh, question, &workspace->answer);
	return outcome;
}

static enum outcome judge_user(pam_handle_t *pamh, const struct args *args, enum stage stage,
			       struct workspace *workspace)
{
	struct question question = {
		.args = args,
		.stage = stage,
		.user = workspace->user,
		.service = workspace->service,
		.kind = AUTHINFO_EMPTY,
		.authinfo = "",
		.subject = { workspace->user, workspace->service, codes_stage_name(stage) },
	};
	if (stage == STAGE_SESSION && !args->ssh)
		return OUTCOME_ADMITTED; /* asks nothing and grants nothing: the account stage decides */
	if (!copy_item(pamh, PAM_USER, workspace->user, USER_MAX)) {
		log_line(&question.subject, LOG_ERR,
			 "PAM_USER is missing, or no name of an account:");
		return OUTCOME_DENIED;
	}
	if (stage != STAGE_AUTH && args_list_has(args->break_glass_user, workspace->user)) {
		log_line(&question.subject, LOG_ALERT, "BREAK-GLASS: let in without a decision:");
		return OUTCOME_BREAK_GLASS;
	}
	if (stage == STAGE_AUTH && !args->ssh) {
		log_line(&question.subject, LOG_ERR,
			 "an auth line needs the argument ssh: this release has no other proof:");
		return OUTCOME_BAD_LINE;
	}
	return decide(pamh, &question, workspace);
}

static enum outcome judge(pam_handle_t *pamh, enum stage stage, int argc, const char **argv)
{
	struct args args;
	const char *bad = NULL;
	struct log_subject subject = { NULL, NULL, codes_stage_name(stage) };
	if (!args_parse(argc, argv, &args, &bad)) {
		log_line(&subject, LOG_ERR, "wrong argument '%.64s', see pam_iotpki(8):", bad);
		return OUTCOME_BAD_LINE;
	}
	AUTO_FREE struct workspace *workspace = calloc(1, sizeof(*workspace));
	if (workspace == NULL)
		return OUTCOME_NO_MEMORY;
	if (!copy_item(pamh, PAM_SERVICE, workspace->service, SERVICE_MAX)) {
		log_line(&subject, LOG_ERR, "PAM_SERVICE is missing, or no name of a service:");
		return OUTCOME_BAD_LINE;
	}
	if (args.only != NULL && !args_list_has(args.only, workspace->service))
		return OUTCOME_IGNORED;
	return judge_user(pamh, &args, stage, workspace);
}

int check(pam_handle_t *pamh, enum stage stage, int argc, const char **argv)
{
	const int saved_errno = errno;
	const enum outcome outcome = judge(pamh, stage, argc, argv);
	errno = saved_errno;
	return codes_pam(outcome, stage);
}
