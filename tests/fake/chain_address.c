/* Base58check, and bech32 of version 0 with 20 bytes (BIP 173). */
#include "fake/chain_address.h"

#include <string.h>

#include "base/digest.h"

#define BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#define BECH32 "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

enum { CHECKED_LEN = 1 + CHAIN_HASH160_LEN + 4, WORDS = 1 + 32, CHECKSUM_WORDS = 6, HRP_MAX = 8 };

static void checksum(const uint8_t *data, size_t len, uint8_t out[static 4])
{
	uint8_t once[SHA256_LEN], twice[SHA256_LEN] = { 0 };
	if (sha256(data, len, once) == IOTPKI_OK && sha256(once, sizeof(once), twice) == IOTPKI_OK)
		memcpy(out, twice, 4);
}

void chain_address_base58(const uint8_t hash[static CHAIN_HASH160_LEN],
			  char out[static CHAIN_ADDRESS_SIZE])
{
	uint8_t number[CHECKED_LEN] = { CHAIN_ADDRESS_VERSION };
	memcpy(number + 1, hash, CHAIN_HASH160_LEN);
	checksum(number, 1 + CHAIN_HASH160_LEN, number + 1 + CHAIN_HASH160_LEN);
	char digits[64];
	size_t count = 0;
	for (bool zero = false; !zero;) {
		unsigned int rest = 0;
		zero = true;
		for (size_t i = 0; i < sizeof(number); i++) {
			rest = rest * 256 + number[i];
			number[i] = (uint8_t)(rest / 58);
			rest %= 58;
			zero = zero && number[i] == 0;
		}
		digits[count++] = BASE58[rest];
	}
	for (size_t i = 0; i < count; i++)
		out[i] = digits[count - 1 - i];
	out[count] = '\0';
}

static bool base58_valid(const char *text)
{
	uint8_t number[CHECKED_LEN] = { 0 };
	for (const char *at = text; *at != '\0'; at++) {
		const char *digit = strchr(BASE58, *at);
		if (digit == NULL)
			return false;
		unsigned int carry = (unsigned int)(digit - BASE58);
		for (size_t i = sizeof(number); i-- > 0;) {
			carry += (unsigned int)number[i] * 58;
			number[i] = (uint8_t)carry;
			carry >>= 8;
		}
		if (carry != 0)
			return false;
	}
	uint8_t want[4] = { 0 };
	checksum(number, 1 + CHAIN_HASH160_LEN, want);
	return number[0] == CHAIN_ADDRESS_VERSION &&
	       memcmp(want, number + 1 + CHAIN_HASH160_LEN, sizeof(want)) == 0;
}

/** BIP 173's checksum over the prefix and the words; 1 for words that end with a right one. */
static uint32_t polymod(const char *hrp, const uint8_t *words, size_t count)
{
	static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					      0x2a1462b3 };
	uint8_t all[2 * HRP_MAX + 1 + WORDS + CHECKSUM_WORDS];
	size_t len = 0;
	for (const char *at = hrp; *at != '\0'; at++)
		all[len++] = (uint8_t)*at >> 5;
	all[len++] = 0;
	for (const char *at = hrp; *at != '\0'; at++)
		all[len++] = (uint8_t)*at & 31;
	memcpy(all + len, words, count);
	len += count;
	uint32_t check = 1;
	for (size_t i = 0; i < len; i++) {
		const uint32_t top = check >> 25;
		check = (check & 0x1ffffff) << 5 ^ all[i];
		for (size_t bit = 0; bit < 5; bit++)
			check ^= (top >> bit & 1) != 0 ? generator[bit] : 0;
	}
	return check;
}

void chain_address_bech32(const char *hrp, const uint8_t hash[static CHAIN_HASH160_LEN],
			  char out[static CHAIN_ADDRESS_SIZE])
{
	uint8_t words[WORDS + CHECKSUM_WORDS] = { 0 };
	for (size_t bit = 0; bit < CHAIN_HASH160_LEN * 8; bit++) {
		if ((hash[bit / 8] >> (7 - bit % 8) & 1) != 0)
			words[1 + bit / 5] |= (uint8_t)(16 >> bit % 5);
	}
	const uint32_t check = polymod(hrp, words, sizeof(words)) ^ 1;
	for (size_t i = 0; i < CHECKSUM_WORDS; i++)
		words[WORDS + i] = check >> 5 * (5 - i) & 31;
	size_t len = strlen(hrp);
	memcpy(out, hrp, len);
	out[len++] = '1';
	for (size_t i = 0; i < sizeof(words); i++)
		out[len++] = BECH32[words[i]];
	out[len] = '\0';
}

static bool bech32_valid(const char *hrp, const char *text)
{
	uint8_t words[WORDS + CHECKSUM_WORDS];
	const size_t prefix = strlen(hrp);
	if (strlen(text) != prefix + 1 + sizeof(words) || strncmp(text, hrp, prefix) != 0 ||
	    text[prefix] != '1')
		return false;
	for (size_t i = 0; i < sizeof(words); i++) {
		const char *word = strchr(BECH32, text[prefix + 1 + i]);
		if (word == NULL)
			return false;
		words[i] = (uint8_t)(word - BECH32);
	}
	return words[0] == 0 && polymod(hrp, words, sizeof(words)) == 1;
}

bool chain_address_valid(const char *hrp, const char *text)
{
	return base58_valid(text) || bech32_valid(hrp, text);
}
