/* Verdicts, reasons and outcomes for people, logs and exit codes: const tables, nothing else. */
#include <iotpki/decide.h>

#include "base/base.h"

/* design 12 */
enum {
	EXIT_CODE_ADMITTED = 0,
	EXIT_CODE_MEMBER = 1,
	EXIT_CODE_UNAVAILABLE = 5,
	EXIT_CODE_NOT_MEMBER = 6,
	EXIT_CODE_VERIFICATION = 7,
	EXIT_CODE_NO_PROOF = 8,
	EXIT_CODE_STALE = 9,
	EXIT_CODE_INTERNAL = 10,
};

/* The error texts of the paper's protocol (IV-A step 2, IV-B steps 2, 3-1, 3-2). */
#define NOT_IN_LIST "not in membership list"
#define VERIFICATION "verification failure"
#define MSK "msk generation failure"

static const struct {
	enum iotpki_reason reason;
	const char *name;
	const char *paper_text;
	int exit_code;
} reasons[] = {
	{ IOTPKI_NOT_MEMBER, "not-member", NOT_IN_LIST, EXIT_CODE_NOT_MEMBER },
	/* The paper removes an expired entry from the list: IV-A step 2. */
	{ IOTPKI_MEMBER_EXPIRED, "member-expired", NOT_IN_LIST, EXIT_CODE_MEMBER },
	{ IOTPKI_MEMBER_DENIED, "member-denied", "", EXIT_CODE_MEMBER },
	{ IOTPKI_NOT_PERMITTED, "not-permitted", "", EXIT_CODE_MEMBER },
	{ IOTPKI_UNREGISTERED, "unregistered", VERIFICATION, EXIT_CODE_VERIFICATION },
	{ IOTPKI_EXPIRED, "expired", VERIFICATION, EXIT_CODE_VERIFICATION },
	{ IOTPKI_REVOKED, "revoked", VERIFICATION, EXIT_CODE_VERIFICATION },
	{ IOTPKI_HASH_MISMATCH, "hash-mismatch", VERIFICATION, EXIT_CODE_VERIFICATION },
	{ IOTPKI_REREGISTERED, "re-registered", VERIFICATION, EXIT_CODE_VERIFICATION },
	{ IOTPKI_DISAGREE, "disagree", VERIFICATION, EXIT_CODE_VERIFICATION },
	{ IOTPKI_TOO_FEW_ANSWERS, "too-few-answers", "", EXIT_CODE_UNAVAILABLE },
	{ IOTPKI_NOT_READY, "not-ready", "", EXIT_CODE_UNAVAILABLE },
	{ IOTPKI_STALE, "stale", "", EXIT_CODE_STALE },
	{ IOTPKI_NO_PROOF, "no-proof", MSK, EXIT_CODE_NO_PROOF },
};

static const char *const verdict_names[] = {
	[IOTPKI_DENY] = "DENY",
	[IOTPKI_ADMIT] = "ADMIT",
	[IOTPKI_UNAVAILABLE] = "UNAVAILABLE",
};

static const char *const outcome_names[] = {
	[IOTPKI_OUTCOME_PENDING] = "pending",
	[IOTPKI_OUTCOME_REGISTERED] = "registered",
	[IOTPKI_OUTCOME_REVOKED] = "revoked",
	[IOTPKI_OUTCOME_EXPIRED] = "expired",
	[IOTPKI_OUTCOME_UNREGISTERED] = "unregistered",
	[IOTPKI_OUTCOME_STALE] = "stale",
	[IOTPKI_OUTCOME_NOT_READY] = "not-ready",
	[IOTPKI_OUTCOME_UNREACHABLE] = "unreachable",
	[IOTPKI_OUTCOME_UNAUTHORIZED] = "unauthorized",
	[IOTPKI_OUTCOME_MALFORMED] = "malformed",
};

/* What is out of range reads as a refusal, never as anything better. */
const char *iotpki_verdict_name(enum iotpki_verdict verdict)
{
	const size_t index = (size_t)verdict;
	return index < ARRAY_LEN(verdict_names) ? verdict_names[index] : verdict_names[IOTPKI_DENY];
}

const char *iotpki_outcome_name(enum iotpki_outcome outcome)
{
	const size_t index = (size_t)outcome;
	return index < ARRAY_LEN(outcome_names) ? outcome_names[index] : "malformed";
}

/* Index into the table, or ARRAY_LEN(reasons). */
static size_t reason_index(enum iotpki_reason reason)
{
	size_t i = 0;
	while (i < ARRAY_LEN(reasons) && reasons[i].reason != reason)
		i++;
	return i;
}

const char *iotpki_reason_name(enum iotpki_reason reason)
{
	const size_t i = reason_index(reason);
	return i < ARRAY_LEN(reasons) ? reasons[i].name : "none";
}

const char *iotpki_reason_paper_text(enum iotpki_reason reason)
{
	const size_t i = reason_index(reason);
	return i < ARRAY_LEN(reasons) ? reasons[i].paper_text : "";
}

int iotpki_decision_exit_code(enum iotpki_verdict verdict, enum iotpki_reason reason)
{
	if (verdict == IOTPKI_ADMIT)
		return reason == IOTPKI_REASON_NONE ? EXIT_CODE_ADMITTED : EXIT_CODE_INTERNAL;
	const size_t i = reason_index(reason);
	return i < ARRAY_LEN(reasons) ? reasons[i].exit_code : EXIT_CODE_INTERNAL;
}
