/*
 * A strict reader of the YAML that iotpki's files are written in: one document, UTF-8, no anchors,
 * aliases, tags, directives, duplicate or unknown keys, nothing deeper than YAML_DEPTH_MAX. Every
 * scalar is the text that stands there: libyaml's YAML 1.1 booleans, octals and dates do not exist.
 * It streams: memory does not grow with the file.
 */
#pragma once

#include "base/base.h"

#define YAML_DEPTH_MAX 8            /* nested collections */
#define YAML_SCALAR_MAX (16 * 1024) /* bytes of one scalar */
#define YAML_GAP_MAX (1024 * 1024)  /* bytes between two events: one endless scalar or comment */
#define YAML_KEYS_MAX 32            /* keys of one table */

enum yaml_kind {
	YAML_SCALAR,
	YAML_SEQUENCE,
	YAML_MAPPING,
	YAML_END,  /* of the innermost collection */
	YAML_DONE, /* of the document */
};

/** Where something stands, counted from 1; columns are characters, not bytes. */
struct yaml_mark {
	unsigned int line;
	unsigned int column;
};

/** One event. text lives until the next event is read. */
struct yaml_event {
	enum yaml_kind kind;
	bool plain;       /* a scalar without quotes, not a block scalar */
	bool flow;        /* a collection in [] or {} */
	const char *text; /* terminated; without NUL bytes inside */
	size_t len;
	struct yaml_mark start;
	struct yaml_mark end;
};

/** Where the bytes come from: at most size bytes into out, *got 0 at the end. */
struct yaml_source {
	enum iotpki_err (*read)(void *context, uint8_t *out, size_t size, size_t *got,
				struct iotpki_detail *detail);
	void *context;
};
/** A source of bytes in memory; the struct must outlive the reader. */
struct yaml_memory {
	const char *text;
	size_t len;
	size_t at;
};
enum iotpki_err yaml_memory_read(void *context, uint8_t *out, size_t size, size_t *got,
				 struct iotpki_detail *detail);

struct yaml_reader;
/** @param cap  most bytes that the source may give */
enum iotpki_err yaml_open(const struct yaml_source *source, size_t cap,
			  struct yaml_reader **reader_out) MUST_CHECK;
void yaml_close(struct yaml_reader *reader);
void yaml_closep(struct yaml_reader **reader);
/** The next event. After an error nothing more may be read. */
enum iotpki_err yaml_next(struct yaml_reader *reader, struct yaml_event *event_out,
			  struct iotpki_detail *detail) MUST_CHECK;

/** IOTPKI_ERR_SYNTAX at the start of an event. */
enum iotpki_err yaml_refuse(const struct yaml_event *event, struct iotpki_detail *detail,
			    const char *format, ...) PRINTF_LIKE(3, 4);

struct yaml_key;
/**
 * Reads one value whose first event was read; a collection must be read to its end.
 * @param target  what the table's owner fills; key->offset is for its use
 */
typedef enum iotpki_err yaml_value_fn(struct yaml_reader *reader, const struct yaml_event *value,
				      const struct yaml_key *key, void *target,
				      struct iotpki_detail *detail);

/** One key of a mapping. min, max and unit mean what the value function makes of them. */
struct yaml_key {
	const char *name;
	yaml_value_fn *read;
	size_t offset;
	uint64_t min, max;
	uint64_t unit;
	bool required;
};

/** A mapping by its table: unknown, duplicate and missing keys are errors. */
enum iotpki_err yaml_mapping(struct yaml_reader *reader, const struct yaml_event *start,
			     const struct yaml_key *keys, size_t count, void *target,
			     struct iotpki_detail *detail) MUST_CHECK;

/** Called with each key of a mapping that has no table; the name is a copy, the value was begun. */
typedef enum iotpki_err yaml_pair_fn(struct yaml_reader *reader, const struct yaml_event *key,
				     const struct yaml_event *value, void *target,
				     struct iotpki_detail *detail);
/** A mapping whose keys the owner chooses (at most key_max bytes each); duplicates are the callback's. */
enum iotpki_err yaml_pairs(struct yaml_reader *reader, const struct yaml_event *start,
			   size_t key_max, yaml_pair_fn *pair, void *target,
			   struct iotpki_detail *detail) MUST_CHECK;
/** Each item of a sequence goes to item (key is handed through); what is what it holds, for messages. */
enum iotpki_err yaml_sequence(struct yaml_reader *reader, const struct yaml_event *start,
			      yaml_value_fn *item, const struct yaml_key *key, void *target,
			      const char *what, struct iotpki_detail *detail) MUST_CHECK;
/** The document: one mapping by its table, then nothing. */
enum iotpki_err yaml_document(struct yaml_reader *reader, const struct yaml_key *keys, size_t count,
			      void *target, struct iotpki_detail *detail) MUST_CHECK;

/** A scalar of 1 to max bytes, printable ASCII; what names it in the error. */
enum iotpki_err yaml_text(const struct yaml_event *value, size_t max, const char *what,
			  struct iotpki_detail *detail) MUST_CHECK;
/** Exactly yes or no, not quoted (no other spelling of YAML 1.1). */
enum iotpki_err yaml_bool(const struct yaml_event *value, bool *out,
			  struct iotpki_detail *detail) MUST_CHECK;
/** Strict decimal, not quoted, min to max. */
enum iotpki_err yaml_uint(const struct yaml_event *value, uint64_t min, uint64_t max, uint64_t *out,
			  struct iotpki_detail *detail) MUST_CHECK;
