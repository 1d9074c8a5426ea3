/*
 * How floors rise and what they refuse (TM-05, TM-06, TM-08). No step of one query, and no single
 * answer, moves them far: they cannot be taken back but by the owner.
 */
#include <string.h>

#include "base/digest.h"
#include "state/state_private.h"

/* ---- time ---- */

int64_t state_time_floor(const struct state *state)
{
	return state->floor_s;
}

static int64_t wall_s(const struct state *state)
{
	return state->options.clock->now_s(state->options.clock);
}

bool state_offer_time(struct state *state, int64_t time_s)
{
	const int64_t now_ms = state->options.clock->boottime_ms(state->options.clock);
	if (state->raised && now_ms - state->raised_ms < STATE_TIME_EVERY_MS)
		return false;
	/* Where the device's clock agrees the nodes only confirm it: no step is too large. */
	int64_t most_s = wall_s(state) > state->floor_s ? wall_s(state) : state->floor_s;
	most_s = most_s > INT64_MAX - STATE_TIME_STEP_S ? INT64_MAX : most_s + STATE_TIME_STEP_S;
	const int64_t to_s = time_s < most_s ? time_s : most_s;
	if (to_s <= state->floor_s)
		return false;
	state->floor_s = to_s;
	state->floor_dirty = true;
	state->raised = true;
	state->raised_ms = now_ms;
	return true;
}

void state_reset_floors(struct state *state)
{
	state->floor_s = state->options.build_s;
	state->floor_dirty = true;
	state->raised = false;
	for (size_t i = 0; i < state->node_count; i++) {
		struct state_node *node = &state->nodes[i];
		node->settled = node->fresh = node->witness = 0;
		node->settled_s = node->fresh_s = node->judged_s = INT64_MIN;
		node->behind = node->dirty = node->written = false;
	}
	state->nodes_dropped = true;
}

/* ---- which node ---- */

static int compare_pins(const void *a, const void *b)
{
	return memcmp(a, b, IOTPKI_SHA256_LEN);
}

enum iotpki_err state_node_id(const struct config *config, size_t slot,
			      uint8_t id_out[static IOTPKI_SHA256_LEN])
{
	const struct config_node *node = &config->nodes[slot];
	const char *network = config->networks[node->network];
	uint8_t pins[CONFIG_PINS_MAX][IOTPKI_SHA256_LEN];
	memcpy(pins, node->pins, sizeof(pins));
	qsort(pins, node->pin_count, sizeof(pins[0]), compare_pins);
	const struct digest_part parts[] = {
		{ "iotpki-node-v1", sizeof("iotpki-node-v1") },
		{ network, strlen(network) + 1 },
		{ pins, node->pin_count * sizeof(pins[0]) },
		{ node->url, node->pin_count == 0 ? strlen(node->url) : 0 },
	};
	return sha256_parts(parts, ARRAY_LEN(parts), id_out);
}

/* The node of this identity; a new one takes the place of the one that was not seen for longest. */
static size_t find_node(struct state *state, const uint8_t id[static IOTPKI_SHA256_LEN],
			size_t slots)
{
	size_t oldest = SIZE_MAX;
	for (size_t i = 0; i < state->node_count; i++) {
		if (memcmp(state->nodes[i].id, id, IOTPKI_SHA256_LEN) == 0)
			return i;
		bool used = false;
		for (size_t slot = 0; slot < slots; slot++)
			used |= state->slots[slot].followed && state->slots[slot].node == i;
		if (!used &&
		    (oldest == SIZE_MAX || state->nodes[i].seen_s < state->nodes[oldest].seen_s))
			oldest = i;
	}
	if (state->node_count < STATE_NODES_MAX) {
		oldest = state->node_count++;
	} else {
		/* Its record goes with the table, which is then written anew. */
		state->nodes_dropped = true;
		for (size_t i = 0; i < state->node_count; i++)
			state->nodes[i].dirty = state->nodes[i].fresh > 0;
	}
	state->nodes[oldest] = (struct state_node){ .settled_s = INT64_MIN,
						    .fresh_s = INT64_MIN,
						    .judged_s = INT64_MIN };
	memcpy(state->nodes[oldest].id, id, IOTPKI_SHA256_LEN);
	return oldest;
}

void state_set_nodes(struct state *state, const struct config *config)
{
	memset(state->slots, 0, sizeof(state->slots));
	for (size_t i = 0; i < config->node_count; i++) {
		struct state_slot *slot = &state->slots[i];
		uint8_t id[IOTPKI_SHA256_LEN];
		const bool chain = config->nodes[i].type != CONFIG_NODE_IOTPKI;
		/* Without a digest its height is not followed: it is still asked and judged. */
		if (state_node_id(config, i, id) != IOTPKI_OK)
			continue;
		slot->node = find_node(state, id, i);
		slot->tolerance = chain ? STATE_REORG_DEPTH : 0;
		slot->step = chain ? STATE_HEIGHT_STEP_CHAIN : STATE_HEIGHT_STEP_LEDGER;
		slot->followed = true;
	}
}

/* ---- heights ---- */

static const struct state_node *node_of(const struct state *state, size_t slot)
{
	if (slot >= IOTPKI_NODES_MAX || !state->slots[slot].followed)
		return NULL;
	return &state->nodes[state->slots[slot].node];
}

static bool has_height(const struct iotpki_answer *answer)
{
	if (answer->tip_height == 0)
		return false;
	return answer->outcome == IOTPKI_OUTCOME_REGISTERED ||
	       answer->outcome == IOTPKI_OUTCOME_REVOKED ||
	       answer->outcome == IOTPKI_OUTCOME_EXPIRED ||
	       answer->outcome == IOTPKI_OUTCOME_UNREGISTERED;
}

/* A clock that was set back since then must not make the floor wait for its return. */
static bool counts(int64_t since_s, int64_t asked_s, int64_t now_s)
{
	return asked_s > since_s || since_s > now_s;
}

uint64_t state_height_floor(const struct state *state, size_t slot, int64_t asked_s)
{
	const struct state_node *node = node_of(state, slot);
	if (node == NULL)
		return 0;
	uint64_t floor = 0;
	if (counts(node->fresh_s, asked_s, wall_s(state)))
		floor = node->fresh;
	else if (counts(node->settled_s, asked_s, wall_s(state)))
		floor = node->settled;
	const uint64_t tolerance = state->slots[slot].tolerance;
	return floor > tolerance ? floor - tolerance : 0;
}

bool state_is_rolled_back(const struct state *state, size_t slot,
			  const struct iotpki_answer *answer)
{
	return has_height(answer) &&
	       answer->tip_height < state_height_floor(state, slot, answer->asked_s);
}

/* What this answer and an earlier one, of another second, both reach. */
static uint64_t confirmed(struct state_node *node, const struct iotpki_answer *answer,
			  int64_t now_s)
{
	const uint64_t height = answer->tip_height;
	if (node->witness == 0 || counts(node->witness_s, answer->asked_s, now_s)) {
		const uint64_t both = node->witness < height ? node->witness : height;
		node->witness = height;
		node->witness_s = answer->asked_s;
		return both;
	}
	/* The same answer again, or one that was overtaken. */
	if (answer->asked_s == node->witness_s && height < node->witness)
		node->witness = height;
	return 0;
}

static void raise_floor(struct state *state, const struct state_slot *slot, uint64_t height)
{
	struct state_node *node = &state->nodes[slot->node];
	const int64_t now_s = wall_s(state);
	if (height <= node->fresh)
		return;
	/* Whoever was asked before the last rise has answered, or failed, by now. */
	const bool risen = node->fresh_s != INT64_MIN && node->fresh_s <= now_s;
	if (risen && now_s - node->fresh_s < STATE_HEIGHT_EVERY_S)
		return;
	uint64_t to = height;
	if (node->fresh > 0 && to - node->fresh > slot->step)
		to = node->fresh + slot->step;
	node->settled = node->fresh;
	node->settled_s = node->fresh_s;
	node->fresh = to;
	node->fresh_s = now_s;
	node->seen_s = now_s;
	node->dirty = true;
}

bool state_offer_height(struct state *state, size_t slot, const struct iotpki_answer *answer,
			struct state_event *event_out)
{
	if (node_of(state, slot) == NULL || !has_height(answer))
		return false;
	struct state_node *node = &state->nodes[state->slots[slot].node];
	const bool behind = state_is_rolled_back(state, slot, answer);
	const int64_t now_s = wall_s(state);
	const bool newest =
		answer->asked_s == node->judged_s || counts(node->judged_s, answer->asked_s, now_s);
	const bool changed = newest && behind != node->behind;
	if (changed) {
		node->behind = behind;
		*event_out = (struct state_event){
			.slot = slot,
			.behind = behind,
			.height = answer->tip_height,
			.floor = state_height_floor(state, slot, answer->asked_s),
		};
	}
	if (newest)
		node->judged_s = answer->asked_s;
	raise_floor(state, &state->slots[slot], confirmed(node, answer, now_s));
	return changed;
}

/* ---- revocations ---- */

static int compare(const struct state_tombstone *tombstone, const char *network, const char *name,
		   const uint8_t *registration)
{
	const int by_id = memcmp(tombstone->registration, registration, IOTPKI_SHA256_LEN);
	if (by_id != 0)
		return by_id;
	const int by_network = strcmp(tombstone->network, network);
	return by_network != 0 ? by_network : strcmp(tombstone->name, name);
}

/* Where it stands, or would stand. */
static size_t find_tombstone(const struct state *state, const char *network, const char *name,
			     const uint8_t *registration, bool *found_out)
{
	size_t low = 0, high = state->tombstone_count;
	*found_out = false;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = compare(&state->tombstones[middle], network, name, registration);
		*found_out |= order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool state_is_tombstoned(const struct state *state, const char *network, const char *name,
			 const uint8_t registration[static IOTPKI_SHA256_LEN])
{
	bool found = false;
	(void)find_tombstone(state, network, name, registration, &found);
	return found;
}

static bool make_room(struct state *state)
{
	if (state->tombstone_count < state->tombstone_room)
		return true;
	const size_t room = state->tombstone_room == 0 ? 16 : 2 * state->tombstone_room;
	void *more = realloc(state->tombstones, room * sizeof(*state->tombstones));
	if (more == NULL)
		return false;
	state->tombstones = more;
	state->tombstone_room = room;
	return true;
}

enum iotpki_err state_insert_tombstone(struct state *state, const char *network, const char *name,
				       const uint8_t registration[static IOTPKI_SHA256_LEN],
				       bool written)
{
	bool found = false;
	if (strlen(network) > CONFIG_WORD_MAX || strlen(name) > IOTPKI_NAME_MAX)
		return IOTPKI_ERR_ARGUMENT;
	const size_t at = find_tombstone(state, network, name, registration, &found);
	if (found)
		return IOTPKI_ERR_EXISTS;
	if (state->tombstone_count == STATE_TOMBSTONES_MAX)
		return IOTPKI_ERR_LIMIT;
	if (!make_room(state))
		return IOTPKI_ERR_NOMEM;
	struct state_tombstone *place = &state->tombstones[at];
	memmove(place + 1, place, (state->tombstone_count - at) * sizeof(*place));
	*place = (struct state_tombstone){ .written = written };
	memcpy(place->registration, registration, IOTPKI_SHA256_LEN);
	memcpy(place->network, network, strlen(network) + 1);
	memcpy(place->name, name, strlen(name) + 1);
	state->tombstone_count++;
	state->unwritten_tombstones += !written;
	return IOTPKI_OK;
}

enum iotpki_err state_add_tombstone(struct state *state, const char *network, const char *name,
				    const uint8_t registration[static IOTPKI_SHA256_LEN])
{
	return state_insert_tombstone(state, network, name, registration, false);
}

size_t state_tombstones(const struct state *state)
{
	return state->tombstone_count;
}
