/* name_show of type iotpki: status, registration and tip come with it (design 6). */
#include "nvs/dialect_parts.h"

#include <string.h>

struct show {
	const char *name, *value, *status, *unit, *address;
	uint8_t txid[IOTPKI_SHA256_LEN], registration[IOTPKI_SHA256_LEN];
	int64_t expires_in_s, expires_at_s, sequence, time_s, vout;
	bool deleted, expired;
	const struct json_t *tip;
};

#define SHOW(member) offsetof(struct show, member)

/* address, time and vout mean nothing to a device; one that is not what it should be is odd. */
static const struct json_field show_fields[] = {
	{ "name", JSON_TEXT, false, 1, IOTPKI_NVS_NAME_MAX, SHOW(name) },
	{ "value", JSON_TEXT, false, 0, IOTPKI_VALUE_MAX, SHOW(value) },
	{ "txid", JSON_HASH, false, 0, 0, SHOW(txid) },
	{ "expires_in", JSON_INT, false, -JSON_TIME_MAX, JSON_TIME_MAX, SHOW(expires_in_s) },
	{ "expires_at", JSON_INT, false, 0, JSON_TIME_MAX, SHOW(expires_at_s) },
	{ "status", JSON_TEXT, false, 1, 16, SHOW(status) },
	{ "registration", JSON_HASH, false, 0, 0, SHOW(registration) },
	{ "sequence", JSON_INT, false, 1, JSON_INT_MAX, SHOW(sequence) },
	{ "unit", JSON_TEXT, false, 1, 1, SHOW(unit) },
	{ "tip", JSON_OBJECT_VALUE, false, 0, 0, SHOW(tip) },
	{ "deleted", JSON_BOOL, true, 0, 0, SHOW(deleted) },
	{ "expired", JSON_BOOL, true, 0, 0, SHOW(expired) },
	{ "address", JSON_TEXT, true, 0, 128, SHOW(address) },
	{ "time", JSON_INT, true, 0, JSON_TIME_MAX, SHOW(time_s) },
	{ "vout", JSON_INT, true, 0, INT32_MAX, SHOW(vout) },
};

struct tip {
	int64_t height, time_s;
	uint8_t hash[IOTPKI_SHA256_LEN];
};

static const struct json_field tip_fields[] = {
	{ "height", JSON_INT, false, 0, JSON_INT_MAX, offsetof(struct tip, height) },
	{ "time", JSON_INT, false, 1, JSON_TIME_MAX, offsetof(struct tip, time_s) },
	{ "hash", JSON_HASH, false, 0, 0, offsetof(struct tip, hash) },
};

static enum iotpki_outcome status_outcome(const char *status)
{
	static const struct {
		const char *word;
		enum iotpki_outcome outcome;
	} rows[] = {
		{ "registered", IOTPKI_OUTCOME_REGISTERED },
		{ "expired", IOTPKI_OUTCOME_EXPIRED },
		{ "revoked", IOTPKI_OUTCOME_REVOKED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].word, status) == 0)
			return rows[i].outcome;
	}
	return IOTPKI_OUTCOME_MALFORMED;
}

/**
 * Where members of one answer disagree the worst of them stands: revoked, expired, registered.
 * A revoked name needs no readable value (a deleted one has none): nothing else may hide it.
 */
static enum iotpki_outcome judge_show(const struct show *show, struct iotpki_record *record,
				      struct iotpki_detail *detail)
{
	const enum iotpki_outcome said = status_outcome(show->status);
	if (said == IOTPKI_OUTCOME_MALFORMED) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"status\" is an unknown word");
		return said;
	}
	const bool revoked = said == IOTPKI_OUTCOME_REVOKED || show->deleted;
	const enum iotpki_err err =
		iotpki_record_parse(show->value, strlen(show->value), record, detail);
	if (revoked || (err == IOTPKI_OK && record->revoked))
		return IOTPKI_OUTCOME_REVOKED;
	if (err != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (show->expires_at_s < 1) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"expires_at\" is 0");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	if (said == IOTPKI_OUTCOME_EXPIRED || show->expired || show->expires_in_s <= 0)
		return IOTPKI_OUTCOME_EXPIRED;
	return IOTPKI_OUTCOME_REGISTERED;
}

enum iotpki_outcome dialect_show_iotpki(const char *nvs_name, const struct json_t *result,
					struct iotpki_answer *answer, struct iotpki_detail *detail)
{
	struct show show = { 0 };
	struct tip tip = { 0 };
	if (json_fields(result, show_fields, ARRAY_LEN(show_fields), &show, detail) != IOTPKI_OK ||
	    json_fields(show.tip, tip_fields, ARRAY_LEN(tip_fields), &tip, detail) != IOTPKI_OK)
		return IOTPKI_OUTCOME_MALFORMED;
	if (strcmp(show.name, nvs_name) != 0) {
		(void)detail_set(detail, IOTPKI_ERR_MISMATCH, 0, 0,
				 "the answer is for another name");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	if (strcmp(show.unit, "s") != 0) {
		(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "\"unit\" is not \"s\"");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	struct iotpki_record record = { 0 };
	const enum iotpki_outcome outcome = judge_show(&show, &record, detail);
	if (outcome == IOTPKI_OUTCOME_MALFORMED)
		return outcome;
	answer->record = record;
	memcpy(answer->registration, show.registration, sizeof(answer->registration));
	memcpy(answer->txid, show.txid, sizeof(answer->txid));
	answer->ends_s = show.expires_at_s;
	answer->tip_s = tip.time_s;
	answer->tip_height = (uint64_t)tip.height;
	return outcome;
}
