/* The file's records in memory, and what of them is still to be written. */
#include "state/state.h"

#include <string.h>

#include "base/fs.h"
#include "state/state_private.h"
#include "state/file.h"

enum {
	FLUSH_TOMBSTONES = 256, /* in one transaction; more follow at the next turn */
	NUMBER_LEN = 8,
	NODE_VALUE_LEN = 2 * NUMBER_LEN,
};

#define FLOOR_KEY "floor"

const char *state_condition_name(enum state_condition condition)
{
	static const char *const names[] = { "good", "new", "replaced", "volatile" };
	return (size_t)condition < ARRAY_LEN(names) ? names[condition] : "volatile";
}

static int64_t mono_ms(const struct state *state)
{
	return state->options.clock->mono_ms(state->options.clock);
}

/* ---- numbers ---- */

static void put_number(uint8_t *out, uint64_t number)
{
	for (int i = NUMBER_LEN - 1; i >= 0; i--, number >>= 8)
		out[i] = (uint8_t)number;
}

static uint64_t get_number(const uint8_t *in)
{
	uint64_t number = 0;
	for (int i = 0; i < NUMBER_LEN; i++)
		number = number << 8 | in[i];
	return number;
}

/* ---- reading ---- */

static bool take_time(struct state *state, const uint8_t *key, size_t key_len, const uint8_t *value,
		      size_t value_len)
{
	if (key_len != strlen(FLOOR_KEY) || memcmp(key, FLOOR_KEY, key_len) != 0)
		return true; /* of a later release */
	if (value_len != NUMBER_LEN)
		return false;
	const uint64_t floor = get_number(value);
	if (floor > INT64_MAX)
		return false;
	if ((int64_t)floor > state->floor_s)
		state->floor_s = (int64_t)floor;
	return true;
}

static bool take_node(struct state *state, const uint8_t *key, size_t key_len, const uint8_t *value,
		      size_t value_len)
{
	if (key_len != IOTPKI_SHA256_LEN || value_len != NODE_VALUE_LEN ||
	    state->node_count == STATE_NODES_MAX)
		return false;
	struct state_node *node = &state->nodes[state->node_count++];
	*node = (struct state_node){ .settled = get_number(value),
				     .settled_s = INT64_MIN,
				     .fresh_s = INT64_MIN,
				     .judged_s = INT64_MIN,
				     .seen_s = (int64_t)get_number(value + NUMBER_LEN),
				     .written = true };
	node->fresh = node->settled;
	memcpy(node->id, key, key_len);
	return true;
}

static bool take_tombstone(struct state *state, const uint8_t *key, size_t key_len,
			   const uint8_t *value, size_t value_len)
{
	(void)value; /* when it was written: for people who look into the file */
	if (key_len <= IOTPKI_SHA256_LEN || value_len != NUMBER_LEN)
		return false;
	char texts[STATE_FILE_KEY_MAX + 1] = "";
	const size_t len = key_len - IOTPKI_SHA256_LEN;
	memcpy(texts, key + IOTPKI_SHA256_LEN, len);
	const size_t network_len = strlen(texts);
	/* The network, a NUL, the name, and no more. */
	if (network_len == len || strlen(texts + network_len + 1) != len - network_len - 1)
		return false;
	const enum iotpki_err err =
		state_insert_tombstone(state, texts, texts + network_len + 1, key, true);
	if (err == IOTPKI_ERR_NOMEM)
		state->why_err = err;
	return err == IOTPKI_OK || err == IOTPKI_ERR_NOMEM;
}

bool state_take_record(void *context, enum state_file_table table, const uint8_t *key,
		       size_t key_len, const uint8_t *value, size_t value_len)
{
	static bool (*const takers[STATE_FILE_TABLE_COUNT])(struct state *, const uint8_t *, size_t,
							    const uint8_t *, size_t) = {
		[STATE_FILE_TIME] = take_time,
		[STATE_FILE_NODES] = take_node,
		[STATE_FILE_TOMBSTONES] = take_tombstone,
	};
	return takers[table](context, key, key_len, value, value_len);
}

/* ---- opening ---- */

static void forget_all(struct state *state)
{
	state->floor_s = state->options.build_s;
	state->node_count = 0;
	state->tombstone_count = 0;
}

static enum iotpki_err read_file(struct state *state)
{
	enum iotpki_err err = state_file_check(state->dir, &state->why);
	if (err == IOTPKI_OK)
		err = state_file_load(state->dir, state_take_record, state, &state->why);
	if (err == IOTPKI_OK)
		err = state->why_err;
	if (err != IOTPKI_OK)
		forget_all(state);
	return err;
}

static enum state_condition open_file(struct state *state)
{
	const bool create = !state->options.existing;
	state->why_err = state_file_lock(state->dir, create, &state->dir_fd, &state->why);
	if (state->why_err != IOTPKI_OK)
		return STATE_VOLATILE;
	const enum iotpki_err err = read_file(state);
	state->why_err = err;
	if (err == IOTPKI_OK)
		return STATE_GOOD;
	if (err == IOTPKI_ERR_NOT_FOUND && create)
		return STATE_NEW;
	/* Only what is broken is taken away; what another release wrote, or what we may not read, stays. */
	if (err != IOTPKI_ERR_MISMATCH || !create)
		return STATE_VOLATILE;
	return state_file_set_aside(state->dir, state->dir_fd, NULL) == IOTPKI_OK ? STATE_REPLACED
										  : STATE_VOLATILE;
}

enum iotpki_err state_new(const struct state_options *options, struct state **state_out)
{
	*state_out = NULL;
	CLEANUP(state_freep) struct state *state = calloc(1, sizeof(*state));
	if (state == NULL)
		return IOTPKI_ERR_NOMEM;
	state->options = *options;
	state->dir_fd = -1;
	state->floor_s = options->build_s;
	state->dir = strdup(options->dir);
	if (state->dir == NULL)
		return IOTPKI_ERR_NOMEM;
	state->condition = open_file(state);
	if (state->why_err == IOTPKI_ERR_NOMEM)
		return IOTPKI_ERR_NOMEM;
	/* The file is made at the start, so that a disk that cannot take it is told of at once. */
	state->new_file = state->condition == STATE_NEW || state->condition == STATE_REPLACED;
	*state_out = STEAL(state);
	return IOTPKI_OK;
}

void state_free(struct state *state)
{
	if (state == NULL)
		return;
	fs_close(&state->dir_fd);
	free(state->tombstones);
	free(state->dir);
	free(state);
}

void state_freep(struct state **state)
{
	state_free(*state);
	*state = NULL;
}

enum state_condition state_condition(const struct state *state, enum iotpki_err *err_out,
				     struct iotpki_detail *why_out)
{
	const bool told = state->condition == STATE_REPLACED || state->condition == STATE_VOLATILE;
	if (err_out != NULL)
		*err_out = told ? state->why_err : IOTPKI_OK;
	if (why_out != NULL)
		*why_out = told ? state->why : (struct iotpki_detail){ 0 };
	return state->condition;
}

/* ---- writing ---- */

/* Things of which each is to be on the disk soon, whatever else happens. */
static bool is_urgent(const struct state *state)
{
	if (state->new_file || state->floor_dirty || state->nodes_dropped ||
	    state->unwritten_tombstones > 0)
		return true;
	for (size_t i = 0; i < state->node_count; i++)
		if (state->nodes[i].dirty && !state->nodes[i].written)
			return true;
	return false;
}

static bool is_dirty(const struct state *state)
{
	for (size_t i = 0; i < state->node_count; i++)
		if (state->nodes[i].dirty)
			return true;
	return is_urgent(state);
}

int64_t state_due(const struct state *state)
{
	if (state->condition == STATE_VOLATILE || !is_dirty(state))
		return -1;
	int64_t due_ms = is_urgent(state) ? 0 : state->written_ms + STATE_WRITE_EVERY_MS;
	if (state->retry_ms > due_ms)
		due_ms = state->retry_ms;
	const int64_t left_ms = due_ms - mono_ms(state);
	return left_ms > 0 ? left_ms : 0;
}

static void add_time(const struct state *state, struct state_file_record *record)
{
	record->table = STATE_FILE_TIME;
	record->key_len = strlen(FLOOR_KEY);
	memcpy(record->key, FLOOR_KEY, record->key_len);
	put_number(record->value, (uint64_t)state->floor_s);
	record->value_len = NUMBER_LEN;
}

static void add_node(const struct state_node *node, struct state_file_record *record)
{
	record->table = STATE_FILE_NODES;
	record->key_len = sizeof(node->id);
	memcpy(record->key, node->id, sizeof(node->id));
	put_number(record->value, node->fresh);
	put_number(record->value + NUMBER_LEN, (uint64_t)node->seen_s);
	record->value_len = NODE_VALUE_LEN;
}

static void add_tombstone(const struct state *state, const struct state_tombstone *tombstone,
			  struct state_file_record *record)
{
	const size_t network_len = strlen(tombstone->network);
	const size_t name_len = strlen(tombstone->name);
	uint8_t *key = record->key;
	record->table = STATE_FILE_TOMBSTONES;
	memcpy(key, tombstone->registration, IOTPKI_SHA256_LEN);
	memcpy(key + IOTPKI_SHA256_LEN, tombstone->network, network_len + 1);
	memcpy(key + IOTPKI_SHA256_LEN + network_len + 1, tombstone->name, name_len);
	record->key_len = IOTPKI_SHA256_LEN + network_len + 1 + name_len;
	put_number(record->value, (uint64_t)state->options.clock->now_s(state->options.clock));
	record->value_len = NUMBER_LEN;
}

size_t state_collect(const struct state *state, struct state_file_record *records)
{
	size_t count = 0;
	if (state->nodes_dropped)
		records[count++].table = STATE_FILE_NODES;
	if (state->floor_dirty || state->new_file)
		add_time(state, &records[count++]);
	for (size_t i = 0; i < state->node_count; i++)
		if (state->nodes[i].dirty)
			add_node(&state->nodes[i], &records[count++]);
	size_t tombstones = 0;
	for (size_t i = 0; i < state->tombstone_count && tombstones < FLUSH_TOMBSTONES; i++) {
		if (state->tombstones[i].written)
			continue;
		add_tombstone(state, &state->tombstones[i], &records[count++]);
		tombstones++;
	}
	return count;
}

/* The same ones, in the same order. */
static void mark_written(struct state *state)
{
	state->nodes_dropped = state->floor_dirty = state->new_file = false;
	for (size_t i = 0; i < state->node_count; i++) {
		state->nodes[i].written |= state->nodes[i].dirty;
		state->nodes[i].dirty = false;
	}
	size_t tombstones = 0;
	for (size_t i = 0; i < state->tombstone_count && tombstones < FLUSH_TOMBSTONES; i++) {
		if (state->tombstones[i].written)
			continue;
		state->tombstones[i].written = true;
		tombstones++;
	}
	state->unwritten_tombstones -= tombstones;
	state->written_ms = mono_ms(state);
	state->retry_ms = 0;
}

enum iotpki_err state_flush(struct state *state, struct iotpki_detail *detail)
{
	if (state->condition == STATE_VOLATILE || !is_dirty(state))
		return IOTPKI_OK;
	enum { MOST = 2 + STATE_NODES_MAX + FLUSH_TOMBSTONES };
	AUTO_FREE struct state_file_record *records = calloc(MOST, sizeof(*records));
	enum iotpki_err err = IOTPKI_ERR_NOMEM;
	if (records != NULL)
		err = state_file_write(state->dir, records, state_collect(state, records), detail);
	if (err == IOTPKI_OK)
		mark_written(state);
	else
		state->retry_ms = mono_ms(state) + STATE_RETRY_MS;
	return err;
}
