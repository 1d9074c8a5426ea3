/* Places in the text of a list. */
#include "config/membership_place.h"

#include <stdio.h>
#include <string.h>

#include "config/membership.h"

/* Turns libyaml's lines and characters into bytes; marks mostly come in order. */
struct finder {
	struct yaml_reader *reader;
	const char *text;
	size_t len;
	unsigned int line;
	size_t line_at;
	const char *name;
	struct places *places;
	struct iotpki_detail *detail;
};

static size_t first_line(const struct finder *finder)
{
	return finder->len >= 3 && memcmp(finder->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static size_t offset_of(struct finder *finder, struct yaml_mark mark)
{
	if (mark.line < finder->line) {
		finder->line = 1;
		finder->line_at = first_line(finder);
	}
	while (finder->line < mark.line) {
		const size_t end = place_line_end(finder->text, finder->len, finder->line_at);
		if (end == finder->len)
			return finder->len;
		finder->line_at = end + 1;
		finder->line++;
	}
	size_t at = finder->line_at;
	for (unsigned int column = 1; column < mark.column && at < finder->len; column++) {
		at++;
		while (at < finder->len && ((uint8_t)finder->text[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

size_t place_line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

size_t place_line_end(const char *text, size_t len, size_t at)
{
	const char *end = memchr(text + at, '\n', len - at);
	return end == NULL ? len : (size_t)(end - text);
}

/* The end of what a person sees of a scalar: a block scalar's mark stands on the next thing. */
static size_t scalar_end(struct finder *finder, const struct yaml_event *event)
{
	const size_t start = offset_of(finder, event->start);
	size_t end = offset_of(finder, event->end);
	if (start < finder->len && (finder->text[start] == '|' || finder->text[start] == '>'))
		while (end > start && strchr(" \t\r\n", finder->text[end - 1]) != NULL)
			end--;
	return end;
}

/* Read the rest of a value; *end_out is where its last visible byte ends. */
static enum iotpki_err skip_value(struct finder *finder, const struct yaml_event *first,
				  size_t *end_out)
{
	struct yaml_event event = *first;
	unsigned int depth = 0;
	bool flow[YAML_DEPTH_MAX + 1];
	for (;;) {
		if (event.kind == YAML_SCALAR) {
			*end_out = scalar_end(finder, &event);
		} else if (event.kind == YAML_END) {
			if (flow[--depth])
				*end_out = offset_of(finder, event.end);
		} else if (depth < ARRAY_LEN(flow)) {
			flow[depth++] = event.flow;
		}
		if (depth == 0)
			return IOTPKI_OK;
		const enum iotpki_err err = yaml_next(finder->reader, &event, finder->detail);
		if (err != IOTPKI_OK)
			return err;
	}
}

static enum iotpki_err take_pair(struct yaml_reader *reader, const struct yaml_event *key,
				 const struct yaml_event *value, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)detail;
	struct finder *finder = target;
	struct places *places = finder->places;
	if (places->pair_count == PLACE_PAIRS_MAX)
		return IOTPKI_ERR_INTERNAL;
	struct place_pair *pair = &places->pairs[places->pair_count++];
	(void)snprintf(pair->key, sizeof(pair->key), "%s", key->text);
	pair->key_start = offset_of(finder, key->start);
	pair->value_start = offset_of(finder, value->start);
	pair->value_end = pair->value_start;
	if (finder->name != NULL && value->kind == YAML_SCALAR && strcmp(key->text, "name") == 0)
		places->found = strcmp(value->text, finder->name) == 0;
	return skip_value(finder, value, &pair->value_end);
}

static size_t furthest(const struct places *places)
{
	size_t end = places->entry_start;
	for (size_t i = 0; i < places->pair_count; i++)
		if (places->pairs[i].value_end > end)
			end = places->pairs[i].value_end;
	return end;
}

static enum iotpki_err take_entry(struct finder *finder, const struct yaml_event *start)
{
	struct places *places = finder->places;
	/* Once it is found, a copy takes what comes after it. */
	struct places other = *places;
	struct places *at = places->found ? &other : places;
	const bool flow = start->flow;
	at->found = false;
	at->flow = flow;
	at->pair_count = 0;
	at->entry_start = offset_of(finder, start->start);
	finder->places = at;
	const enum iotpki_err err =
		yaml_pairs(finder->reader, start, PLACE_KEY_MAX, take_pair, finder, finder->detail);
	finder->places = places;
	if (err != IOTPKI_OK)
		return err;
	at->entry_end = furthest(at);
	if (flow) {
		/* Only the closing brace is left between the last value and the end. */
		const char *brace =
			memchr(finder->text + at->entry_end, '}', finder->len - at->entry_end);
		at->entry_end = brace == NULL ? finder->len : (size_t)(brace - finder->text) + 1;
	}
	places->has_last = true;
	places->last_start = at->entry_start;
	places->last_end = at->entry_end;
	return IOTPKI_OK;
}

static enum iotpki_err take_members(struct finder *finder, const struct yaml_event *value)
{
	struct places *places = finder->places;
	places->has_members = true;
	places->members_flow = value->flow;
	places->members_empty = true;
	places->members_start = offset_of(finder, value->start);
	places->members_end = offset_of(finder, value->end);
	if (value->kind != YAML_SEQUENCE)
		return IOTPKI_OK;
	for (;;) {
		struct yaml_event event;
		enum iotpki_err err = yaml_next(finder->reader, &event, finder->detail);
		if (err == IOTPKI_OK && event.kind == YAML_END) {
			if (places->members_flow)
				places->members_end = offset_of(finder, event.end);
			return IOTPKI_OK;
		}
		places->members_empty = false;
		if (err == IOTPKI_OK)
			err = take_entry(finder, &event);
		if (err != IOTPKI_OK)
			return err;
	}
}

static enum iotpki_err take_top(struct yaml_reader *reader, const struct yaml_event *key,
				const struct yaml_event *value, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	(void)detail;
	struct finder *finder = target;
	if (strcmp(key->text, "members") == 0)
		return take_members(finder, value);
	size_t end = 0;
	return skip_value(finder, value, &end);
}

enum iotpki_err places_find(const char *text, size_t len, const char *name,
			    struct places *places_out, struct iotpki_detail *detail)
{
	memset(places_out, 0, sizeof(*places_out));
	struct yaml_memory memory = { text, len, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	enum iotpki_err err = yaml_open(&source, len + 1, &reader);
	struct finder finder = { .reader = reader,
				 .text = text,
				 .len = len,
				 .line = 1,
				 .name = name,
				 .places = places_out,
				 .detail = detail };
	finder.line_at = first_line(&finder);
	struct yaml_event event;
	if (err == IOTPKI_OK)
		err = yaml_next(reader, &event, detail);
	if (err == IOTPKI_OK)
		err = yaml_pairs(reader, &event, PLACE_KEY_MAX, take_top, &finder, detail);
	return err;
}

const struct place_pair *places_pair(const struct places *places, const char *key)
{
	for (size_t i = 0; i < places->pair_count; i++)
		if (strcmp(places->pairs[i].key, key) == 0)
			return &places->pairs[i];
	return NULL;
}

/* ---- one value of one entry ---- */

struct certificate_search {
	const char *name;
	struct buf *out;
	bool this_one; /* the entry that is being read */
	bool found;
};

static enum iotpki_err search_key(struct yaml_reader *reader, const struct yaml_event *key,
				  const struct yaml_event *value, void *target,
				  struct iotpki_detail *detail)
{
	struct certificate_search *search = target;
	const bool scalar = value->kind == YAML_SCALAR;
	if (scalar && strcmp(key->text, "name") == 0)
		search->this_one = strcmp(value->text, search->name) == 0;
	if (scalar && strcmp(key->text, "certificate") == 0 && !search->found)
		return buf_put(search->out, value->text, value->len);
	struct finder finder = { .reader = reader, .line = 1, .text = "", .detail = detail };
	size_t end;
	return skip_value(&finder, value, &end);
}

static enum iotpki_err search_entry(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	(void)key;
	struct certificate_search *search = target;
	search->this_one = false;
	if (!search->found)
		buf_clear(search->out);
	const enum iotpki_err err =
		yaml_pairs(reader, value, PLACE_KEY_MAX, search_key, search, detail);
	search->found = search->found || search->this_one;
	return err;
}

static enum iotpki_err search_top(struct yaml_reader *reader, const struct yaml_event *key,
				  const struct yaml_event *value, void *target,
				  struct iotpki_detail *detail)
{
	if (strcmp(key->text, "members") == 0 && value->kind == YAML_SEQUENCE)
		return yaml_sequence(reader, value, search_entry, NULL, target, "members", detail);
	struct finder finder = { .reader = reader, .line = 1, .text = "", .detail = detail };
	size_t end;
	return skip_value(&finder, value, &end);
}

enum iotpki_err membership_certificate(const char *text, size_t len, const char *name,
				       struct buf *pem_out, struct iotpki_detail *detail)
{
	struct yaml_memory memory = { text, len, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	struct certificate_search search = { .name = name, .out = pem_out };
	struct yaml_event event;
	enum iotpki_err err = yaml_open(&source, len + 1, &reader);
	if (err == IOTPKI_OK)
		err = yaml_next(reader, &event, detail);
	if (err == IOTPKI_OK)
		err = yaml_pairs(reader, &event, PLACE_KEY_MAX, search_top, &search, detail);
	if (err == IOTPKI_OK && !search.found)
		err = detail_set(detail, IOTPKI_ERR_NOT_FOUND, 0, 0, "%s is not a member", name);
	if (err != IOTPKI_OK)
		buf_clear(pem_out);
	return err;
}
