/* Fingerprints of ssh keys as `ssh-keygen -l` prints them. */
#include <iotpki/sshkey.h>

#include <string.h>

#include "base/parse.h"

#define PREFIX "SHA256:"

void iotpki_fingerprint_format(const uint8_t fingerprint[IOTPKI_SHA256_LEN],
			       char out[IOTPKI_FINGERPRINT_TEXT_SIZE])
{
	memcpy(out, PREFIX, strlen(PREFIX));
	(void)base64_encode(fingerprint, IOTPKI_SHA256_LEN, false, out + strlen(PREFIX));
}

bool iotpki_fingerprint_parse(const char *text, size_t len,
			      uint8_t fingerprint_out[IOTPKI_SHA256_LEN])
{
	if (len != IOTPKI_FINGERPRINT_TEXT_SIZE - 1 || memcmp(text, PREFIX, strlen(PREFIX)) != 0)
		return false;
	uint8_t raw[IOTPKI_SHA256_LEN];
	size_t raw_len = sizeof(raw);
	if (!base64_decode(text + strlen(PREFIX), len - strlen(PREFIX), false, raw, &raw_len) ||
	    raw_len != sizeof(raw))
		return false;
	memcpy(fingerprint_out, raw, sizeof(raw));
	return true;
}
