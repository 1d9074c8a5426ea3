/*
 * A hash table over a ring. The key is the SHA-256 of node, name and transaction: names and
 * transactions are other people's, and must not find each other's place.
 */
#include "nvs/life.h"

#include <string.h>

#include "base/buf.h"
#include "base/digest.h"

enum { FIRST_SIZE = 64, NONE = -1 };

struct entry {
	uint8_t key[SHA256_LEN];
	uint8_t registration[IOTPKI_SHA256_LEN];
	uint64_t height;
	int64_t read_ms;
	uint32_t sequence;
	int32_t next; /* in its chain */
	bool revoked;
};

struct lives {
	const struct clock *clock;
	size_t most, size, count;
	size_t oldest; /* the place that is taken next once the ring is full */
	struct entry *entries;
	int32_t *heads; /* size of them */
};

static int64_t now_ms(const struct lives *lives)
{
	return lives->clock->boottime_ms(lives->clock);
}

static bool key_of(size_t node, const char *nvs_name, const uint8_t txid[static IOTPKI_SHA256_LEN],
		   uint8_t out[static SHA256_LEN])
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(IOTPKI_NVS_NAME_MAX + 64);
	const uint8_t place = (uint8_t)node; /* < IOTPKI_NODES_MAX */
	(void)buf_put(&text, &place, 1);
	(void)buf_put(&text, txid, IOTPKI_SHA256_LEN);
	(void)buf_puts(&text, nvs_name);
	return buf_error(&text) == IOTPKI_OK && sha256(text.data, text.len, out) == IOTPKI_OK;
}

static int32_t *head_of(const struct lives *lives, const uint8_t key[static SHA256_LEN])
{
	size_t number = 0;
	memcpy(&number, key, sizeof(number));
	return &lives->heads[number % lives->size];
}

static struct entry *find(const struct lives *lives, const uint8_t key[static SHA256_LEN])
{
	if (lives->size == 0)
		return NULL;
	for (int32_t at = *head_of(lives, key); at != NONE; at = lives->entries[at].next) {
		struct entry *entry = &lives->entries[at];
		if (memcmp(entry->key, key, SHA256_LEN) == 0)
			return entry;
	}
	return NULL;
}

static void link_in(struct lives *lives, size_t place)
{
	struct entry *entry = &lives->entries[place];
	int32_t *head = head_of(lives, entry->key);
	entry->next = *head;
	*head = (int32_t)place;
}

static void link_out(struct lives *lives, size_t place)
{
	int32_t *at = head_of(lives, lives->entries[place].key);
	while (*at != (int32_t)place)
		at = &lives->entries[*at].next;
	*at = lives->entries[place].next;
}

/** Twice the room, or all of it; false: there is none. */
static bool grow(struct lives *lives)
{
	const size_t twice = lives->size == 0 ? FIRST_SIZE : 2 * lives->size;
	const size_t size = twice < lives->most ? twice : lives->most;
	AUTO_FREE struct entry *entries = calloc(size, sizeof(*entries));
	AUTO_FREE int32_t *heads = malloc(size * sizeof(*heads));
	if (entries == NULL || heads == NULL)
		return false;
	if (lives->count > 0)
		memcpy(entries, lives->entries, lives->count * sizeof(*entries));
	for (size_t i = 0; i < size; i++)
		heads[i] = NONE;
	free(lives->entries);
	free(lives->heads);
	lives->entries = STEAL(entries);
	lives->heads = STEAL(heads);
	lives->size = size;
	for (size_t i = 0; i < lives->count; i++)
		link_in(lives, i);
	return true;
}

static struct entry *new_place(struct lives *lives, const uint8_t key[static SHA256_LEN])
{
	size_t place = lives->count;
	if (lives->count < lives->most) {
		if (lives->count == lives->size && !grow(lives))
			return NULL;
		lives->count++;
	} else {
		place = lives->oldest;
		lives->oldest = (lives->oldest + 1) % lives->most;
		link_out(lives, place);
	}
	memcpy(lives->entries[place].key, key, SHA256_LEN);
	link_in(lives, place);
	return &lives->entries[place];
}

bool lives_find(const struct lives *lives, size_t node, const char *nvs_name,
		const uint8_t txid[static IOTPKI_SHA256_LEN], struct dialect_life *life_out)
{
	uint8_t key[SHA256_LEN];
	*life_out = (struct dialect_life){ .outcome = IOTPKI_OUTCOME_MALFORMED };
	const struct entry *entry = key_of(node, nvs_name, txid, key) ? find(lives, key) : NULL;
	if (entry == NULL || now_ms(lives) - entry->read_ms >= LIVES_AGE_MS)
		return false;
	life_out->outcome = IOTPKI_OUTCOME_REGISTERED;
	memcpy(life_out->registration, entry->registration, sizeof(entry->registration));
	life_out->revoked = entry->revoked;
	life_out->height = entry->height;
	life_out->sequence = entry->sequence;
	return true;
}

void lives_keep(struct lives *lives, size_t node, const char *nvs_name,
		const uint8_t txid[static IOTPKI_SHA256_LEN], const struct dialect_life *life)
{
	uint8_t key[SHA256_LEN];
	if (life->outcome != IOTPKI_OUTCOME_REGISTERED || !key_of(node, nvs_name, txid, key))
		return;
	struct entry *entry = find(lives, key);
	if (entry == NULL)
		entry = new_place(lives, key);
	if (entry == NULL)
		return;
	memcpy(entry->registration, life->registration, sizeof(entry->registration));
	entry->revoked = life->revoked;
	entry->height = life->height;
	entry->sequence = life->sequence;
	entry->read_ms = now_ms(lives);
}

void lives_forget(struct lives *lives)
{
	free(lives->entries);
	free(lives->heads);
	lives->entries = NULL;
	lives->heads = NULL;
	lives->size = lives->count = lives->oldest = 0;
}

size_t lives_count(const struct lives *lives)
{
	return lives->count;
}

struct lives *lives_new(size_t most, const struct clock *clock)
{
	struct lives *lives = calloc(1, sizeof(*lives));
	if (lives == NULL)
		return NULL;
	lives->clock = clock;
	lives->most = most < 1 ? 1 : most > LIVES_MAX ? LIVES_MAX : most;
	return lives;
}

void lives_free(struct lives *lives)
{
	if (lives == NULL)
		return;
	lives_forget(lives);
	free(lives);
}
