/*
 * Where things stand in the text of a list, in bytes: what an edit needs to change
 * one value and leave every comment and every other line as it is.
 */
#pragma once

#include "format/yaml.h"

#define PLACE_PAIRS_MAX 32
#define PLACE_KEY_MAX 23

/** One key of an entry; offsets into the text, ends are one past. */
struct place_pair {
	char key[PLACE_KEY_MAX + 1];
	size_t key_start;
	size_t value_start, value_end;
};

struct places {
	/* members: */
	bool has_members;
	bool members_flow, members_empty;
	size_t members_start, members_end; /* of its value */
	bool has_last;                     /* the last entry */
	size_t last_start, last_end;
	/* the entry that was asked for */
	bool found;
	bool flow;
	size_t entry_start, entry_end;
	size_t pair_count;
	struct place_pair pairs[PLACE_PAIRS_MAX];
};

/** Find members: and the entry of a name (NULL: none). The text is a valid list. */
enum iotpki_err places_find(const char *text, size_t len, const char *name,
			    struct places *places_out, struct iotpki_detail *detail) MUST_CHECK;
/** A key of the entry that was found, or NULL. */
const struct place_pair *places_pair(const struct places *places, const char *key);
/** Start of the line that holds an offset; and the offset of its line feed, or len. */
size_t place_line_start(const char *text, size_t at);
size_t place_line_end(const char *text, size_t len, size_t at);
