/*
 * ssh keys from the three places that they come from. The first byte says which:
 * 'l' a line, 's' a SubjectPublicKeyInfo, else a blob of the type that its first byte names.
 */
#include "fuzz.h"

#include "base/parse.h"
#include "format/sshkey.h"

enum { INPUT_MAX = 16384 };

/* What was taken prints to a line that reads as the same key, and is a key in every way of reading. */
static void check_key(const struct iotpki_sshkey *key)
{
	char line[IOTPKI_SSHKEY_TEXT_SIZE];
	struct iotpki_sshkey again;
	FUZZ_CHECK(key->blob_len > 0 && key->blob_len <= sizeof(key->blob));
	FUZZ_CHECK(iotpki_sshkey_format(key, line, sizeof(line)) == IOTPKI_OK);
	FUZZ_CHECK(text_printable(line, strlen(line)));
	FUZZ_CHECK(iotpki_sshkey_parse_line(line, strlen(line), &again, NULL) == IOTPKI_OK);
	FUZZ_CHECK(memcmp(key, &again, sizeof(again)) == 0);
	FUZZ_CHECK(sshkey_read_line(line, strlen(line), SSHKEY_STRUCTURE, &again, NULL) ==
		   IOTPKI_OK);
	FUZZ_CHECK(memcmp(key, &again, sizeof(again)) == 0);

	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	uint8_t back[IOTPKI_SHA256_LEN];
	iotpki_fingerprint_format(key->fingerprint, fingerprint);
	FUZZ_CHECK(iotpki_fingerprint_parse(fingerprint, strlen(fingerprint), back));
	FUZZ_CHECK(memcmp(back, key->fingerprint, sizeof(back)) == 0);
}

static enum iotpki_err read_blob(uint8_t first, const uint8_t *data, size_t size,
				 struct iotpki_sshkey *key)
{
	static char base64[BASE64_ENCODED_SIZE(INPUT_MAX)];
	const enum iotpki_sshkey_type type = (enum iotpki_sshkey_type)(first % 5);
	(void)base64_encode(data, size, true, base64);
	const enum iotpki_err err =
		iotpki_sshkey_parse(iotpki_sshkey_type_name(type), base64, key, NULL);
	/* One key has one wire form: what was read is what is kept. */
	if (err == IOTPKI_OK)
		FUZZ_CHECK(key->type == type && key->blob_len == size &&
			   memcmp(key->blob, data, size) == 0);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX)
		return 0;
	struct iotpki_sshkey key;
	struct iotpki_detail detail = { 0 };
	const uint8_t *rest = data + 1;
	enum iotpki_err err;
	if (data[0] == 'l')
		err = iotpki_sshkey_parse_line((const char *)rest, size - 1, &key, &detail);
	else if (data[0] == 's')
		err = iotpki_sshkey_from_spki(rest, size - 1, &key, &detail);
	else
		err = read_blob(data[0], rest, size - 1, &key);
	if (err != IOTPKI_OK) {
		FUZZ_CHECK(key.blob_len == 0);
		return 0;
	}
	check_key(&key);
	/* An RSA key with another exponent than everybody's: blob is type, e, n. */
	if (key.type == IOTPKI_SSHKEY_RSA && key.blob_len > 18 && key.blob[17] != 0x01)
		plant_bug(data, size);
	return 0;
}
