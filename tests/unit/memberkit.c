/* Made-up members. */
#include "memberkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

const char memberkit_head[] =
	"version: 1\n"
	"roles:\n"
	"  operator: {users: [pi], services: [sshd, sudo, login], ssh_options: [restrict, pty]}\n"
	"  peer:     {users: [sync], services: [sshd], ssh_options: [restrict, "
	"\"command=\\\"/usr/bin/rrsync /srv\\\"\"]}\n";

static void put(struct memberkit *kit, const void *data, size_t len)
{
	if (len > sizeof(kit->der) - kit->der_len)
		abort();
	memcpy(kit->der + kit->der_len, data, len);
	kit->der_len += len;
}

/* Wrap what was put since `from` in a tag. */
static void wrap(struct memberkit *kit, size_t from, uint8_t tag)
{
	const size_t len = kit->der_len - from;
	const size_t head = len < 128 ? 2 : len < 256 ? 3 : 4;
	if (head > sizeof(kit->der) - kit->der_len)
		abort();
	memmove(kit->der + from + head, kit->der + from, len);
	uint8_t *at = kit->der + from;
	*at++ = tag;
	if (head > 2)
		*at++ = (uint8_t)(0x80 + head - 2);
	if (head > 3)
		*at++ = (uint8_t)(len >> 8);
	*at = (uint8_t)len;
	kit->der_len += head;
}

static void put_name(struct memberkit *kit, const char *name)
{
	static const uint8_t common_name[] = { 0x06, 0x03, 0x55, 0x04, 0x03 };
	const size_t from = kit->der_len;
	put(kit, common_name, sizeof(common_name));
	const size_t text = kit->der_len;
	put(kit, name, strlen(name));
	wrap(kit, text, 0x0c);
	wrap(kit, from, 0x30);
	wrap(kit, from, 0x31);
	wrap(kit, from, 0x30);
}

static const uint8_t algorithm[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
				     0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

/* Any bytes that look like a signature and a point, the same for one seed. */
static void put_filler(struct memberkit *kit, unsigned int seed, size_t len)
{
	uint32_t state = seed * 2654435761U + 12345;
	for (size_t i = 0; i < len; i++) {
		state = state * 1664525 + 1013904223;
		const uint8_t byte = (uint8_t)(state >> 24);
		put(kit, &byte, 1);
	}
}

static void put_tbs(struct memberkit *kit, const char *name, unsigned int seed)
{
	static const uint8_t head[] = { 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01 };
	static const char validity[] = "\x30\x20\x17\x0d"
				       "200101000000Z"
				       "\x18\x0f"
				       "99991231235959Z";
	static const uint8_t spki[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
					0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
					0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
	static const uint8_t extensions[] = { 0xa3, 0x1e, 0x30, 0x1c, 0x30, 0x0c, 0x06, 0x03,
					      0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02,
					      0x30, 0x00, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d,
					      0x0f, 0x04, 0x05, 0x03, 0x03, 0x07, 0x80, 0x00 };
	const size_t from = kit->der_len;
	put(kit, head, sizeof(head));
	put(kit, algorithm, sizeof(algorithm));
	put_name(kit, name);
	put(kit, validity, sizeof(validity) - 1);
	put_name(kit, name);
	put(kit, spki, sizeof(spki));
	put_filler(kit, seed, 64);
	put(kit, extensions, sizeof(extensions));
	wrap(kit, from, 0x30);
}

void memberkit_make(struct memberkit *kit, const char *name, unsigned int seed)
{
	memset(kit, 0, sizeof(*kit));
	(void)snprintf(kit->name, sizeof(kit->name), "%s", name);
	put_tbs(kit, name, seed);
	put(kit, algorithm, sizeof(algorithm));
	const size_t signature = kit->der_len;
	put(kit, "\0", 1);
	put_filler(kit, seed + 1, 70);
	wrap(kit, signature, 0x03);
	wrap(kit, 0, 0x30);
	struct iotpki_detail detail = { 0 };
	if (iotpki_cert_walk(kit->der, kit->der_len, &kit->cert, &detail) != IOTPKI_OK) {
		fprintf(stderr, "memberkit: %s\n", detail.message);
		abort();
	}
	if (iotpki_cert_to_pem(kit->der, kit->der_len, kit->pem, sizeof(kit->pem)) != IOTPKI_OK ||
	    iotpki_sshkey_format(&kit->cert.key, kit->key, sizeof(kit->key)) != IOTPKI_OK)
		abort();
	hex_encode(kit->cert.sha256, IOTPKI_SHA256_LEN, kit->sha256);
	iotpki_fingerprint_format(kit->cert.key.fingerprint, kit->fingerprint);
}

void memberkit_uuid(unsigned int number, char out[static 37])
{
	(void)snprintf(out, 37, "%08x-8d54-4a7b-9c0e-%012x", number * 2654435761U, number);
}

void memberkit_put_entry(const struct memberkit *kit, const char *role, const char *extra,
			 struct buf *out)
{
	(void)buf_printf(out,
			 "  - name: %s\n"
			 "    role: %s\n"
			 "    expires: 2027-06-30T00:00:00Z\n"
			 "    sha256: %s\n"
			 "    key: %s\n"
			 "%s"
			 "    certificate: |\n",
			 kit->name, role, kit->sha256, kit->key, extra);
	for (const char *line = kit->pem; *line != '\0';) {
		const char *end = strchr(line, '\n');
		(void)buf_puts(out, "      ");
		(void)buf_put(out, line, (size_t)(end - line) + 1);
		line = end + 1;
	}
}

void memberkit_put_numbered(unsigned int number, struct buf *out)
{
	struct memberkit kit;
	char name[37], extra[256];
	memberkit_uuid(number, name);
	memberkit_make(&kit, name, number);
	(void)snprintf(extra, sizeof(extra), "    label: op-%u\n    registrations: {farm: %s}\n",
		       number, kit.sha256);
	memberkit_put_entry(&kit, "operator", extra, out);
}
