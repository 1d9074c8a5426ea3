/* What a check ends with, and the one table that makes PAM codes of it (design 9). */
#pragma once

enum stage {
	STAGE_AUTH,
	STAGE_ACCOUNT,
	STAGE_SESSION,
	STAGE_COUNT,
};

/** The zero value refuses. */
enum outcome {
	OUTCOME_DENIED = 0, /* every DENY but those of expiry; no proof; an odd user */
	OUTCOME_EXPIRED,    /* expired, member-expired */
	OUTCOME_NO_ANSWER,  /* UNAVAILABLE; no, late or bad answer of the agent */
	OUTCOME_BAD_LINE,   /* argument or configuration */
	OUTCOME_NO_MEMORY,
	OUTCOME_IGNORED, /* an explicit argument says so */
	OUTCOME_BREAK_GLASS,
	OUTCOME_ADMITTED,
	OUTCOME_COUNT,
};

/** Never PAM_SUCCESS but for ADMITTED (and BREAK_GLASS outside of auth), never PAM_USER_UNKNOWN. */
int codes_pam(enum outcome outcome, enum stage stage);
/** As the agent's protocol and the log name it. */
const char *codes_stage_name(enum stage stage);
