/* Values of names: what is taken prints to a value that reads the same, and revoking it is always possible. */
#include "fuzz.h"

#include <iotpki/record.h>
#include <iotpki/sshkey.h>

#define REVOKED "|status=revoked"

static void check_equal(const struct iotpki_record *a, const struct iotpki_record *b)
{
	FUZZ_CHECK(memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0);
	FUZZ_CHECK(memcmp(a->ssh, b->ssh, sizeof(a->ssh)) == 0);
	FUZZ_CHECK(a->has_ssh == b->has_ssh && a->revoked == b->revoked);
	FUZZ_CHECK(a->has_ex == b->has_ex && a->ex_s == b->ex_s);
}

/* What REVOKE does to a value in the ledger (design 6). */
static void check_revocation(const uint8_t *data, size_t size, const struct iotpki_record *before)
{
	char value[IOTPKI_VALUE_MAX];
	struct iotpki_record after;
	if (before->revoked || size > IOTPKI_VALUE_LEDGER_MAX)
		return;
	memcpy(value, data, size);
	memcpy(value + size, REVOKED, strlen(REVOKED));
	FUZZ_CHECK(iotpki_record_parse(value, size + strlen(REVOKED), &after, NULL) == IOTPKI_OK);
	FUZZ_CHECK(after.revoked);
	after.revoked = false;
	check_equal(before, &after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct iotpki_record zero;
	struct iotpki_record record, again;
	struct iotpki_detail detail = { 0 };
	char text[IOTPKI_VALUE_MAX + 1];
	(void)iotpki_name_valid((const char *)data, size);
	const enum iotpki_err err = iotpki_record_parse((const char *)data, size, &record, &detail);
	if (err != IOTPKI_OK) {
		FUZZ_CHECK(detail.message[0] != '\0');
		FUZZ_CHECK(memcmp(&record, &zero, sizeof(record)) == 0);
		return 0;
	}
	FUZZ_CHECK(iotpki_record_format(&record, text, sizeof(text)) == IOTPKI_OK);
	FUZZ_CHECK(iotpki_record_parse(text, strlen(text), &again, NULL) == IOTPKI_OK);
	check_equal(&record, &again);
	check_revocation(data, size, &record);
	/* No value of the corpus with a key ends at another time. */
	if (record.has_ssh && record.has_ex && record.ex_s != 1830000000)
		plant_bug(data, size);
	return 0;
}
