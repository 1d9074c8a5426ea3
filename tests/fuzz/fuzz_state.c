/*
 * The file of the agent's state. "F" and patches of a good file (offset, length, bytes): what passes the check
 * can be read and written, and holds nothing that was not written there. Else records, as a file with good
 * checksums could hold them: what is taken is what it says, and is written again byte for byte.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "state/file.h"
#include "state/state_private.h"

#define NOW INT64_C(1800000000)
#define FLOOR (NOW - 86400)

enum { BUILD_S = 1000, TOMBSTONES = 40, FILE_MAX = 256 * 1024, PATCHES_MAX = 8 };

struct source {
	const uint8_t *data;
	size_t size;
};

static size_t take(struct source *source, size_t bytes)
{
	size_t number = 0;
	for (; bytes > 0 && source->size > 0; bytes--, source->size--)
		number = number << 8 | *source->data++;
	return number;
}

static size_t take_bytes(struct source *source, size_t want, uint8_t *out)
{
	const size_t len = want < source->size ? want : source->size;
	memcpy(out, source->data, len);
	source->data += len;
	source->size -= len;
	return len;
}

/* ---- records ---- */

static bool is_text(const uint8_t *bytes, size_t len, size_t max)
{
	return len > 0 && len <= max && memchr(bytes, '\0', len) == NULL;
}

/* Read again from the bytes alone: registration, network, NUL, name. */
static bool is_tombstone(const struct state_file_record *record)
{
	if (record->value_len != 8 || record->key_len <= IOTPKI_SHA256_LEN)
		return false;
	const uint8_t *texts = record->key + IOTPKI_SHA256_LEN;
	const size_t len = record->key_len - IOTPKI_SHA256_LEN;
	const uint8_t *nul = memchr(texts, '\0', len);
	if (nul == NULL || (size_t)(nul - texts) > CONFIG_WORD_MAX)
		return false;
	const size_t rest = len - (size_t)(nul - texts) - 1;
	return rest == 0 || is_text(nul + 1, rest, IOTPKI_NAME_MAX);
}

static bool is_floor(const struct state_file_record *record)
{
	const bool ours = record->key_len == 5 && memcmp(record->key, "floor", 5) == 0;
	return !ours || (record->value_len == 8 && record->value[0] < 0x80);
}

static bool makes_sense(const struct state_file_record *record)
{
	switch (record->table) {
	case STATE_FILE_TIME:
		return is_floor(record);
	case STATE_FILE_NODES:
		return record->key_len == IOTPKI_SHA256_LEN && record->value_len == 16;
	case STATE_FILE_TOMBSTONES:
		return is_tombstone(record);
	case STATE_FILE_TABLE_COUNT:
	default:
		return false;
	}
}

static void take_one(struct source *source, struct state_file_record *record)
{
	*record = (struct state_file_record){ 0 };
	record->table = (enum state_file_table)(take(source, 1) % STATE_FILE_TABLE_COUNT);
	const size_t key_len = take(source, 1);
	record->key_len = take_bytes(source, key_len, record->key);
	const size_t value_len = take(source, 1);
	record->value_len = take_bytes(source, value_len, record->value);
}

/* Everything that was taken, as it would be written if nothing of it were on the disk. */
static void expect_written(struct state *state, const struct state_file_record *record,
			   struct state_file_record *records)
{
	for (size_t i = 0; i < state->node_count; i++)
		state->nodes[i].dirty = true;
	for (size_t i = 0; i < state->tombstone_count; i++)
		state->tombstones[i].written = false;
	bool found = false;
	const size_t count = state_collect(state, records);
	for (size_t i = 0; i < count; i++) {
		const struct state_file_record *got = &records[i];
		const size_t value_len = got->table == STATE_FILE_TOMBSTONES ? 0 : got->value_len;
		found |= got->table == record->table && got->key_len == record->key_len &&
			 got->value_len == record->value_len &&
			 memcmp(got->key, record->key, got->key_len) == 0 &&
			 memcmp(got->value, record->value, value_len) == 0;
	}
	FUZZ_CHECK(found || record->table == STATE_FILE_TIME);
}

static struct state *new_state(const char *dir)
{
	static struct clock_fake clock;
	clock_fake_init(&clock, NOW);
	const struct state_options options = { .dir = dir,
					       .clock = &clock.clock,
					       .build_s = BUILD_S };
	struct state *state = NULL;
	FUZZ_CHECK(state_new(&options, &state) == IOTPKI_OK);
	return state;
}

static void as_records(struct source source, const uint8_t *data, size_t size)
{
	CLEANUP(state_freep) struct state *state = new_state("/dev/null/none");
	struct state_file_record *records =
		calloc(2 + STATE_NODES_MAX + STATE_TOMBSTONES_MAX, sizeof(*records));
	FUZZ_CHECK(records != NULL && state_condition(state, NULL, NULL) == STATE_VOLATILE);
	state->why_err = IOTPKI_OK;
	while (source.size > 0 && state->tombstone_count < 200) {
		struct state_file_record record;
		take_one(&source, &record);
		const size_t nodes = state->node_count, tombstones = state->tombstone_count;
		const bool taken =
			state_take_record(state, record.table, record.key, record.key_len,
					  record.value, record.value_len);
		FUZZ_CHECK(!taken || makes_sense(&record));
		FUZZ_CHECK(state->floor_s >= BUILD_S);
		FUZZ_CHECK(taken ||
			   (state->node_count == nodes && state->tombstone_count == tombstones));
		/* Twice the same, and more than there is room for: a file cannot hold that. */
		const bool full = nodes == STATE_NODES_MAX || tombstones > 0;
		FUZZ_CHECK(taken || !makes_sense(&record) || full);
		if (taken)
			expect_written(state, &record, records);
		if (taken && state->floor_s > UINT32_MAX) /* in no seed */
			plant_bug(data, size);
	}
	free(records);
}

/* ---- files ---- */

struct place {
	char dir[64], data[96], aside[112];
	uint8_t good[FILE_MAX];
	size_t good_len;
};

static void name_of(size_t number, char out[static 16])
{
	(void)snprintf(out, 16, "name-%zu", number);
}

static size_t read_file(const char *path, uint8_t out[static FILE_MAX])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	const ssize_t len = read(fd, out, FILE_MAX);
	(void)close(fd);
	FUZZ_CHECK(len > 0 && len < FILE_MAX);
	return (size_t)len;
}

static void remove_place(void);

static struct place *the_place(void)
{
	static struct place place;
	if (place.good_len > 0)
		return &place;
	const char *top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(place.dir, sizeof(place.dir), "%s/iotpki-fuzz-state-XXXXXX", top);
	FUZZ_CHECK(mkdtemp(place.dir) != NULL && atexit(remove_place) == 0);
	(void)snprintf(place.data, sizeof(place.data), "%s/data.mdb", place.dir);
	(void)snprintf(place.aside, sizeof(place.aside), "%s.corrupt", place.data);
	CLEANUP(state_freep) struct state *state = new_state(place.dir);
	FUZZ_CHECK(state_offer_time(state, FLOOR));
	for (size_t i = 0; i < TOMBSTONES; i++) {
		char name[16];
		uint8_t id[IOTPKI_SHA256_LEN];
		name_of(i, name);
		memset(id, (int)i, sizeof(id));
		FUZZ_CHECK(state_add_tombstone(state, "farm", name, id) == IOTPKI_OK);
		/* Several transactions, so that there are free pages. */
		FUZZ_CHECK(i % 8 != 0 || state_flush(state, NULL) == IOTPKI_OK);
	}
	FUZZ_CHECK(state_flush(state, NULL) == IOTPKI_OK);
	place.good_len = read_file(place.data, place.good);
	return &place;
}

static void remove_place(void)
{
	const struct place *place = the_place();
	(void)unlink(place->data);
	(void)unlink(place->aside);
	(void)rmdir(place->dir);
}

static void write_file(const struct place *place, const uint8_t *bytes, size_t len)
{
	const int fd = open(place->data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes, len) == (ssize_t)len);
	(void)close(fd);
}

/* Each is one of those that were written: a checksum has 64 bits. */
static void expect_ours(const struct state *state)
{
	FUZZ_CHECK(state->floor_s == BUILD_S || state->floor_s == FLOOR);
	FUZZ_CHECK(state->node_count == 0 && state->tombstone_count <= TOMBSTONES);
	for (size_t i = 0; i < state->tombstone_count; i++) {
		char name[16];
		name_of(state->tombstones[i].registration[0], name);
		FUZZ_CHECK(strcmp(state->tombstones[i].name, name) == 0);
		FUZZ_CHECK(strcmp(state->tombstones[i].network, "farm") == 0);
	}
}

static void as_file(struct source source)
{
	static uint8_t bytes[FILE_MAX];
	struct place *place = the_place();
	size_t len = place->good_len;
	memcpy(bytes, place->good, len);
	for (int i = 0; i < PATCHES_MAX && source.size > 3; i++) {
		const size_t at = take(&source, 3) % place->good_len;
		const size_t want = take(&source, 1);
		if (want == 0)
			len = at; /* cut */
		else
			(void)take_bytes(&source, want < FILE_MAX - at ? want : 0, bytes + at);
	}
	write_file(place, bytes, len);
	CLEANUP(state_freep) struct state *state = new_state(place->dir);
	const enum state_condition condition = state_condition(state, NULL, NULL);
	expect_ours(state);
	if (condition == STATE_VOLATILE)
		return; /* another version */
	/* And it can be written: a new revocation is there after the next start. */
	uint8_t id[IOTPKI_SHA256_LEN];
	memset(id, 0xee, sizeof(id));
	FUZZ_CHECK(state_add_tombstone(state, "farm", "later", id) == IOTPKI_OK);
	if (state_flush(state, NULL) != IOTPKI_OK)
		return;
	state_free(STEAL(state));
	CLEANUP(state_freep) struct state *again = new_state(place->dir);
	FUZZ_CHECK(state_condition(again, NULL, NULL) == STATE_GOOD);
	FUZZ_CHECK(state_is_tombstoned(again, "farm", "later", id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { data, size };
	if (size > 0 && data[0] == 'F') {
		(void)take(&source, 1);
		as_file(source);
	} else {
		as_records(source, data, size);
	}
	return 0;
}
