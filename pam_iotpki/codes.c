/* The table of design 9, cell by cell; nothing else in the module names these codes. */
#include "codes.h"

#include <security/pam_modules.h>
#include <stddef.h>

static const int codes[OUTCOME_COUNT][STAGE_COUNT] = {
	/*                          auth                  account                session */
	[OUTCOME_DENIED] = { PAM_AUTH_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR },
	[OUTCOME_EXPIRED] = { PAM_AUTH_ERR, PAM_ACCT_EXPIRED, PAM_SESSION_ERR },
	[OUTCOME_NO_ANSWER] = { PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, PAM_SESSION_ERR },
	[OUTCOME_BAD_LINE] = { PAM_SERVICE_ERR, PAM_SERVICE_ERR, PAM_SERVICE_ERR },
	[OUTCOME_NO_MEMORY] = { PAM_BUF_ERR, PAM_BUF_ERR, PAM_BUF_ERR },
	[OUTCOME_IGNORED] = { PAM_IGNORE, PAM_IGNORE, PAM_IGNORE },
	/* Break-glass opens a door to somebody whom another module has authenticated. */
	[OUTCOME_BREAK_GLASS] = { PAM_AUTH_ERR, PAM_SUCCESS, PAM_SUCCESS },
	[OUTCOME_ADMITTED] = { PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS },
};

int codes_pam(enum outcome outcome, enum stage stage)
{
	if ((size_t)outcome >= OUTCOME_COUNT || (size_t)stage >= STAGE_COUNT)
		return PAM_SERVICE_ERR;
	return codes[outcome][stage];
}

const char *codes_stage_name(enum stage stage)
{
	static const char *const names[STAGE_COUNT] = {
		[STAGE_AUTH] = "auth",
		[STAGE_ACCOUNT] = "account",
		[STAGE_SESSION] = "session",
	};
	return (size_t)stage < STAGE_COUNT ? names[stage] : "unknown";
}
