/* The indexes of a generation, and what must be unique in it. */
#include "config/membership_list.h"

#include <string.h>

/* SHA-256 values are uniform already. */
static uint32_t hash_digest(const uint8_t *digest)
{
	uint32_t hash;
	memcpy(&hash, digest, sizeof(hash));
	return hash;
}

static uint32_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
	return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t first_slot(const struct index_table *table, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * table->size >> 32);
}

static uint32_t next_slot(const struct index_table *table, uint32_t slot)
{
	return slot + 1 == table->size ? 0 : slot + 1;
}

static bool table_init(struct index_table *table, size_t count)
{
	/* Two thirds full: short probes for six bytes a key. */
	table->size = (uint32_t)(count + count / 2 + 1);
	table->slots = calloc(table->size, sizeof(*table->slots));
	return table->slots != NULL;
}

const struct member *membership_at(const struct membership *list, size_t index)
{
	return &list->chunks[index / MEMBERSHIP_CHUNK][index % MEMBERSHIP_CHUNK];
}

/* ---- by name ---- */

static uint32_t *find_name(const struct membership *list, const char *name)
{
	const struct index_table *table = &list->by_name;
	uint32_t slot = first_slot(table, hash_text(name));
	for (; table->slots[slot] != 0; slot = next_slot(table, slot))
		if (strcmp(membership_at(list, table->slots[slot] - 1)->name, name) == 0)
			break;
	return &table->slots[slot];
}

const struct member *membership_by_name(const struct membership *list, const char *name)
{
	const uint32_t found = *find_name(list, name);
	return found == 0 ? NULL : membership_at(list, found - 1);
}

/* ---- by certificate ---- */

static uint32_t *find_cert(const struct membership *list, const uint8_t *sha256)
{
	const struct index_table *table = &list->by_cert;
	uint32_t slot = first_slot(table, hash_digest(sha256));
	for (; table->slots[slot] != 0; slot = next_slot(table, slot))
		if (memcmp(membership_at(list, table->slots[slot] - 1)->sha256, sha256,
			   IOTPKI_SHA256_LEN) == 0)
			break;
	return &table->slots[slot];
}

const struct member *membership_by_cert(const struct membership *list,
					const uint8_t sha256[static IOTPKI_SHA256_LEN])
{
	const uint32_t found = *find_cert(list, sha256);
	return found == 0 ? NULL : membership_at(list, found - 1);
}

/* ---- by fingerprint: of the certificate's key (kind 0) or of ssh: (kind 1) ---- */

static const uint8_t *fingerprint_of(const struct membership *list, uint32_t value)
{
	const struct member *member = membership_at(list, (value - 1) / 2);
	return (value - 1) % 2 == 0 ? member->key : member->ssh;
}

/* The next slot from *slot on with this fingerprint, or an empty one. */
static uint32_t probe_fingerprint(const struct membership *list, const uint8_t *fingerprint,
				  uint32_t *slot)
{
	const struct index_table *table = &list->by_fingerprint;
	for (; table->slots[*slot] != 0; *slot = next_slot(table, *slot))
		if (memcmp(fingerprint_of(list, table->slots[*slot]), fingerprint,
			   IOTPKI_SHA256_LEN) == 0)
			break;
	return table->slots[*slot];
}

static const struct member *by_fingerprint(const struct membership *list,
					   const uint8_t *fingerprint, uint32_t kind)
{
	const struct index_table *table = &list->by_fingerprint;
	uint32_t slot = first_slot(table, hash_digest(fingerprint));
	for (uint32_t value; (value = probe_fingerprint(list, fingerprint, &slot)) != 0;
	     slot = next_slot(table, slot))
		if ((value - 1) % 2 == kind)
			return membership_at(list, (value - 1) / 2);
	return NULL;
}

const struct member *membership_by_key(const struct membership *list,
				       const uint8_t fingerprint[static IOTPKI_SHA256_LEN])
{
	return by_fingerprint(list, fingerprint, 0);
}

const struct member *membership_next_by_ssh(const struct membership *list,
					    const uint8_t fingerprint[static IOTPKI_SHA256_LEN],
					    const struct member *after)
{
	/* At most one: two entries with one key, ssh: too, are not a list. */
	return after == NULL ? by_fingerprint(list, fingerprint, 1) : NULL;
}

/* ---- making them ---- */

static enum iotpki_err twice(const struct builder *builder, size_t index, size_t first,
			     const char *what, struct iotpki_detail *detail)
{
	const struct position *at = &builder->positions[index];
	const struct position *other = &builder->positions[first];
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, at->line, at->column,
			 "this %s is that of another member too (%.96s line %u)", what,
			 builder->files[other->file], other->line);
	detail_where(detail, builder->files[at->file]);
	return IOTPKI_ERR_SYNTAX;
}

/* Put one fingerprint in; another member's is returned as index + 1, else 0. */
static uint32_t put_fingerprint(const struct membership *list, const uint8_t *fingerprint,
				uint32_t index, uint32_t kind)
{
	const struct index_table *table = &list->by_fingerprint;
	uint32_t slot = first_slot(table, hash_digest(fingerprint));
	for (uint32_t value; (value = probe_fingerprint(list, fingerprint, &slot)) != 0;
	     slot = next_slot(table, slot))
		if ((value - 1) / 2 != index)
			return (value - 1) / 2 + 1;
	table->slots[slot] = index * 2 + kind + 1;
	return 0;
}

static enum iotpki_err put_member(const struct builder *builder, uint32_t index,
				  struct iotpki_detail *detail)
{
	const struct membership *list = builder->list;
	const struct member *member = membership_at(list, index);
	uint32_t *slot = find_name(list, member->name);
	if (*slot != 0)
		return twice(builder, index, *slot - 1, "name", detail);
	*slot = index + 1;
	slot = find_cert(list, member->sha256);
	if (*slot != 0)
		return twice(builder, index, *slot - 1, "certificate", detail);
	*slot = index + 1;
	uint32_t other = put_fingerprint(list, member->key, index, 0);
	if (other == 0 && member->has_ssh)
		other = put_fingerprint(list, member->ssh, index, 1);
	return other == 0 ? IOTPKI_OK : twice(builder, index, other - 1, "key", detail);
}

static size_t count_ssh(const struct membership *list)
{
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++)
		count += membership_at(list, i)->has_ssh ? 1 : 0;
	return count;
}

/* Hosts are looked up by pattern, not by hash: this table only finds twins. */
struct host_entry {
	const char *host;
	size_t member;
};

static enum iotpki_err check_hosts(const struct builder *builder, struct iotpki_detail *detail)
{
	if (builder->host_count == 0)
		return IOTPKI_OK;
	const size_t size = builder->host_count + builder->host_count / 2 + 1;
	AUTO_FREE struct host_entry *table = calloc(size, sizeof(*table));
	if (table == NULL)
		return IOTPKI_ERR_NOMEM;
	for (size_t i = 0; i < builder->list->count; i++) {
		const struct member *member = membership_at(builder->list, i);
		for (size_t h = 0; h < member->host_count; h++) {
			size_t slot = hash_text(member->hosts[h]) % size;
			while (table[slot].host != NULL &&
			       strcmp(table[slot].host, member->hosts[h]) != 0)
				slot = slot + 1 == size ? 0 : slot + 1;
			if (table[slot].host != NULL)
				return twice(builder, i, table[slot].member, "host", detail);
			table[slot] = (struct host_entry){ member->hosts[h], i };
		}
	}
	return IOTPKI_OK;
}

enum iotpki_err membership_make_indexes(struct builder *builder, struct iotpki_detail *detail)
{
	struct membership *list = builder->list;
	membership_drop_indexes(list);
	if (!table_init(&list->by_name, list->count) || !table_init(&list->by_cert, list->count) ||
	    !table_init(&list->by_fingerprint, list->count + count_ssh(list)))
		return IOTPKI_ERR_NOMEM;
	for (size_t i = 0; i < list->count; i++) {
		const enum iotpki_err err = put_member(builder, (uint32_t)i, detail);
		if (err != IOTPKI_OK)
			return err;
	}
	return check_hosts(builder, detail);
}

void membership_drop_indexes(struct membership *list)
{
	free(list->by_name.slots);
	free(list->by_cert.slots);
	free(list->by_fingerprint.slots);
	memset(&list->by_name, 0, sizeof(list->by_name));
	memset(&list->by_cert, 0, sizeof(list->by_cert));
	memset(&list->by_fingerprint, 0, sizeof(list->by_fingerprint));
}
