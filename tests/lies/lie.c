/*
 * Lies are made from JSON trees: every value anywhere in the two answers is replaced by
 * each of a pool of useful ones and by each mechanical change, at its place alone and
 * wherever the same value stands; members are left out; histories are cut and shuffled.
 */
#include "lies/lie.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <iotpki/sshkey.h>

#define TEXT_MAX ((size_t)64 * 1024)
enum { PLACES_MAX = 512 };

/* A value in a tree: a member of an object, or an element of an array. */
struct place {
	json_t *in;
	const char *key; /* NULL: an element */
	size_t index;
};

struct liar {
	enum config_node_type type;
	lie_fn *take;
	void *context;
	json_t *story[2]; /* show, history (NULL: none) */
	json_t *pool;
	size_t place_count;
	struct place places[PLACES_MAX];
	char what[256];
};

static json_t *must(json_t *json)
{
	if (json == NULL)
		abort();
	return json;
}

/* ---- telling ---- */

static char *text_of(const json_t *json)
{
	return json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
}

static void tell_as(struct liar *liar, long status, const char *content_type)
{
	char *show = text_of(liar->story[0]), *history = text_of(liar->story[1]);
	const struct told told = { .status = status,
				   .content_type = content_type,
				   .show = show,
				   .show_len = strlen(show),
				   .history = history,
				   .history_len = history != NULL ? strlen(history) : 0 };
	liar->take(liar->context, &told, liar->what);
	free(show);
	free(history);
}

static void tell_it(struct liar *liar)
{
	tell_as(liar, 200, "application/json");
}

static json_t *get(const struct place *place)
{
	return place->key != NULL ? json_object_get(place->in, place->key)
				  : json_array_get(place->in, place->index);
}

static void set(const struct place *place, json_t *value)
{
	const int err = place->key != NULL ? json_object_set(place->in, place->key, value)
					   : json_array_set(place->in, place->index, value);
	if (err != 0)
		abort();
}

/* ---- places ---- */

static void find_places(struct liar *liar, json_t *in)
{
	const char *key;
	json_t *inner;
	size_t i;
	if (json_is_object(in)) {
		json_object_foreach(in, key, inner)
		{
			if (liar->place_count == PLACES_MAX)
				abort();
			liar->places[liar->place_count++] = (struct place){ in, key, 0 };
			find_places(liar, inner);
		}
	}
	if (json_is_array(in)) {
		json_array_foreach(in, i, inner)
		{
			if (liar->place_count == PLACES_MAX)
				abort();
			liar->places[liar->place_count++] = (struct place){ in, NULL, i };
			find_places(liar, inner);
		}
	}
}

/* ---- values ---- */

/** Words, hashes, values, names, heights and times that a liar would like to be believed. */
static json_t *useful(enum config_node_type type)
{
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE], ssh[256];
	iotpki_fingerprint_format(tell_other_key, fingerprint);
	(void)snprintf(ssh, sizeof(ssh), "sha256=" WORLD_HASH_A "|ssh=%s", fingerprint);
	json_t *pool = must(json_pack(
		"[s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,b,b,n]", ssh,
		"sha256=" WORLD_HASH_A, "sha256=" WORLD_HASH_B,
		"sha256=" WORLD_HASH_A "|status=revoked", "sha256=" WORLD_HASH_A "|ex=4102444800",
		"sha256=" WORLD_HASH_A "|ex=1", "sha256=" WORLD_HASH_A "|status=valid", WORLD_T1,
		WORLD_T2, WORLD_T3, WORLD_T4, WORLD_T5, WORLD_HASH_A, "registered", "revoked",
		"expired", "name_new", "name_update", "name_delete", "regtest", "main", "b",
		WORLD_ID, WORLD_ID "-0", WORLD_ID "-1", world_nvs_name(type), 1, 0));
	static const json_int_t numbers[] = { 0,
					      1,
					      -1,
					      30,
					      50,
					      52,
					      54,
					      56,
					      60,
					      175,
					      236,
					      240,
					      300,
					      36000,
					      86400,
					      INT32_MAX,
					      INT32_MIN,
					      INT64_C(9007199254740991),
					      INT64_MAX,
					      WORLD_NOW,
					      WORLD_NOW - 3600,
					      WORLD_NOW - 3601,
					      WORLD_NOW + 7200,
					      WORLD_NOW + 10801,
					      WORLD_NOW + 14400 + 7201,
					      WORLD_NOW + 86400,
					      WORLD_NOW + 365 * 86400,
					      INT64_C(3900000000),
					      INT64_C(4102444800),
					      INT64_C(253402300799) };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (json_array_append_new(pool, json_integer(numbers[i])) != 0)
			abort();
	return pool;
}

/** The i-th mechanical change of a value; NULL: there are no more. */
static json_t *changed(const json_t *was, size_t i)
{
	const json_int_t number = json_integer_value(was);
	const char *text = json_is_string(was) ? json_string_value(was) : "";
	const size_t len = strlen(text);
	char other[1024] = "";
	(void)snprintf(other, sizeof(other), "%s", text);
	switch (i) {
	case 0:
		return json_integer(number + 1);
	case 1:
		return json_integer(number - 1);
	case 2:
		return json_integer(-number);
	case 3:
		return json_sprintf("%lld", (long long)number);
	case 4:
		return json_real((double)number + 0.5);
	case 5:
		return json_string("");
	case 6:
		return json_sprintf("%s%s", text, text);
	case 7:
		return json_sprintf("%s ", text);
	case 8:
		return json_stringn(text, len > 0 ? len - 1 : 0);
	case 9:
		other[0] ^= 0x20;
		return json_string(other);
	case 10:
		other[len > 0 ? len - 1 : 0] ^= 0x01;
		return json_string(other);
	case 11:
		return json_object();
	case 12:
		return json_array();
	case 13:
		return json_sprintf("%s|status=revoked", text);
	case 14: /* a value without its revocation */
		return json_stringn(text, strcspn(text, "|"));
	default:
		return NULL;
	}
}

/* ---- one value, at one place and wherever it stands ---- */

static void replace(struct liar *liar, size_t at, const json_t *was, json_t *by)
{
	set(&liar->places[at], by);
	tell_it(liar);
	/* The same lie throughout: a txid, a height, a name. */
	size_t more = 0;
	for (size_t i = 0; i < liar->place_count; i++) {
		if (i == at || !json_equal(get(&liar->places[i]), was) || json_is_object(was) ||
		    json_is_array(was))
			continue;
		set(&liar->places[i], by);
		more++;
	}
	if (more > 0)
		tell_it(liar);
}

static void put_back(struct liar *liar, json_t *const *values)
{
	for (size_t i = 0; i < liar->place_count; i++)
		if (get(&liar->places[i]) != values[i])
			set(&liar->places[i], values[i]);
}

static void alter_place(struct liar *liar, size_t at, json_t *const *values)
{
	const struct place *place = &liar->places[at];
	json_t *was = values[at], *by;
	size_t i;
	json_array_foreach(liar->pool, i, by)
	{
		(void)snprintf(liar->what, sizeof(liar->what), "place %zu (%s), useful value %zu",
			       at, place->key != NULL ? place->key : "element", i);
		replace(liar, at, was, by);
		put_back(liar, values);
	}
	for (i = 0; (by = changed(was, i)) != NULL; i++) {
		(void)snprintf(liar->what, sizeof(liar->what), "place %zu (%s), change %zu", at,
			       place->key != NULL ? place->key : "element", i);
		replace(liar, at, was, by);
		put_back(liar, values);
		json_decref(by);
	}
}

static void alter_all(struct liar *liar)
{
	json_t *values[PLACES_MAX];
	for (size_t i = 0; i < liar->place_count; i++)
		values[i] = json_incref(get(&liar->places[i]));
	for (size_t i = 0; i < liar->place_count; i++)
		alter_place(liar, i, values);
	for (size_t i = 0; i < liar->place_count; i++)
		json_decref(values[i]);
}

/* ---- leaving out, moving ---- */

/** Members and elements left out, one at a time; the trees are made anew each time. */
static void leave_out(struct liar *liar)
{
	for (size_t i = 0; i < liar->place_count; i++) {
		const struct place *place = &liar->places[i];
		json_t *was = json_incref(get(place));
		(void)snprintf(liar->what, sizeof(liar->what), "place %zu (%s) left out", i,
			       place->key != NULL ? place->key : "element");
		if (place->key != NULL) {
			/* The key belongs to the member: keep a copy of it. */
			char key[64];
			(void)snprintf(key, sizeof(key), "%s", place->key);
			(void)json_object_del(place->in, key);
			tell_it(liar);
			if (json_object_set(place->in, key, was) != 0)
				abort();
			void *iter = json_object_iter_at(place->in, key);
			liar->places[i].key = json_object_iter_key(iter);
		} else {
			(void)json_array_remove(place->in, place->index);
			tell_it(liar);
			(void)json_array_insert(place->in, place->index, was);
		}
		json_decref(was);
	}
}

static void shuffle(struct liar *liar)
{
	for (size_t i = 0; i < liar->place_count; i++) {
		const struct place *place = &liar->places[i];
		if (place->key != NULL)
			continue;
		json_t *was = json_incref(get(place));
		for (size_t to = 0; to <= json_array_size(place->in); to++) {
			(void)snprintf(liar->what, sizeof(liar->what), "element %zu twice", i);
			(void)json_array_insert(place->in, to, was);
			tell_it(liar);
			(void)json_array_remove(place->in, to);
		}
		for (size_t to = 0; to < json_array_size(place->in); to++) {
			(void)snprintf(liar->what, sizeof(liar->what), "element %zu moved", i);
			(void)json_array_remove(place->in, place->index);
			(void)json_array_insert(place->in, to, was);
			tell_it(liar);
			(void)json_array_remove(place->in, to);
			(void)json_array_insert(place->in, place->index, was);
		}
		json_decref(was);
	}
}

static void other_frames(struct liar *liar)
{
	static const long statuses[] = { 0,   100, 200, 201, 204, 301, 400,
					 401, 403, 404, 500, 502, 503 };
	static const char *const types[] = { "application/json", "text/html", "", NULL };
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		for (size_t j = 0; j < ARRAY_LEN(types); j++) {
			(void)snprintf(liar->what, sizeof(liar->what), "HTTP status %ld, type %zu",
				       statuses[i], j);
			tell_as(liar, statuses[i], types[j]);
		}
	}
}

/* ---- stories ---- */

static json_t *read_text(enum config_node_type type, enum world world, bool history)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	(history ? world_history : world_show)(type, world, WORLD_ID, "1795400000", &text);
	return must(json_loadb(buf_text(&text), text.len, 0, NULL));
}

static void open_story(struct liar *liar, enum world show, enum world history)
{
	liar->story[0] = read_text(liar->type, show, false);
	liar->story[1] =
		liar->type == CONFIG_NODE_IOTPKI ? NULL : read_text(liar->type, history, true);
	liar->place_count = 0;
	find_places(liar, liar->story[0]);
	if (liar->story[1] != NULL)
		find_places(liar, liar->story[1]);
}

static void close_story(struct liar *liar)
{
	json_decref(liar->story[0]);
	json_decref(liar->story[1]);
}

static void tell_stories(struct liar *liar)
{
	for (int show = 0; show < WORLDS; show++) {
		for (int history = 0; history < WORLDS; history++) {
			if (!world_exists(liar->type, (enum world)show) ||
			    !world_exists(liar->type, (enum world)history))
				continue;
			open_story(liar, (enum world)show, (enum world)history);
			(void)snprintf(liar->what, sizeof(liar->what), "story %s, history %s",
				       world_name((enum world)show),
				       world_name((enum world)history));
			tell_it(liar);
			close_story(liar);
		}
	}
}

void lie_each(enum config_node_type type, enum world truth, bool part, lie_fn *take, void *context)
{
	struct liar *liar = calloc(1, sizeof(*liar));
	if (liar == NULL)
		abort();
	*liar = (struct liar){ .type = type, .take = take, .context = context };
	liar->pool = useful(type);
	tell_stories(liar);
	/* The truth with one thing altered, and the story that would admit with one thing altered. */
	const enum world bases[] = { truth, WORLD_ADMITS };
	for (size_t i = 0; i < (part ? 0 : ARRAY_LEN(bases)); i++) {
		open_story(liar, bases[i], bases[i]);
		alter_all(liar);
		shuffle(liar);
		other_frames(liar);
		leave_out(liar);
		close_story(liar);
	}
	json_decref(liar->pool);
	free(liar);
}
