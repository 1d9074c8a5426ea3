/* The reader over libyaml's events, and the table-driven mapping. */
#include "format/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/parse.h"
#include "format/yaml_input.h"

struct yaml_reader {
	yaml_parser_t parser;
	yaml_event_t event;
	struct yaml_input input;
	unsigned int depth;
	unsigned int documents;
	bool has_event;
};

enum iotpki_err yaml_memory_read(void *context, uint8_t *out, size_t size, size_t *got,
				 struct iotpki_detail *detail)
{
	struct yaml_memory *memory = context;
	(void)detail;
	const size_t left = memory->len - memory->at;
	*got = left < size ? left : size;
	if (*got > 0)
		memcpy(out, memory->text + memory->at, *got);
	memory->at += *got;
	return IOTPKI_OK;
}

static int read_input(void *data, unsigned char *buffer, size_t size, size_t *size_read)
{
	struct yaml_reader *reader = data;
	return yaml_input_read(&reader->input, buffer, size, size_read) ? 1 : 0;
}

enum iotpki_err yaml_open(const struct yaml_source *source, size_t cap,
			  struct yaml_reader **reader_out)
{
	*reader_out = NULL;
	struct yaml_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return IOTPKI_ERR_NOMEM;
	if (yaml_parser_initialize(&reader->parser) != 1) {
		free(reader);
		return IOTPKI_ERR_NOMEM;
	}
	yaml_input_init(&reader->input, source, cap);
	/* Said, not guessed: libyaml would read UTF-16 where a file begins like it. */
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input(&reader->parser, read_input, reader);
	*reader_out = reader;
	return IOTPKI_OK;
}

static void drop_event(struct yaml_reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
}

void yaml_close(struct yaml_reader *reader)
{
	if (reader == NULL)
		return;
	drop_event(reader);
	yaml_parser_delete(&reader->parser);
	free(reader);
}

void yaml_closep(struct yaml_reader **reader)
{
	yaml_close(*reader);
	*reader = NULL;
}

static struct yaml_mark mark_of(yaml_mark_t mark)
{
	const struct yaml_mark out = {
		.line = (unsigned int)mark.line + 1,
		.column = (unsigned int)mark.column + 1,
	};
	return out;
}

static enum iotpki_err refuse_at(yaml_mark_t at, enum iotpki_err err, struct iotpki_detail *detail,
				 const char *message)
{
	const struct yaml_mark mark = mark_of(at);
	return detail_set(detail, err, mark.line, mark.column, "%s", message);
}

enum iotpki_err yaml_refuse(const struct yaml_event *event, struct iotpki_detail *detail,
			    const char *format, ...)
{
	char text[IOTPKI_DETAIL_MESSAGE_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return detail_set(detail, IOTPKI_ERR_SYNTAX, event->start.line, event->start.column, "%s",
			  text);
}

static enum iotpki_err parser_error(const struct yaml_reader *reader, struct iotpki_detail *detail)
{
	const yaml_parser_t *parser = &reader->parser;
	if (reader->input.err != IOTPKI_OK) {
		if (detail != NULL)
			*detail = reader->input.detail;
		return reader->input.err;
	}
	if (parser->error == YAML_MEMORY_ERROR)
		return detail_set(detail, IOTPKI_ERR_NOMEM, 0, 0, "out of memory");
	/* libyaml has two texts for a tab; neither names what an editor does not show. */
	const char *problem = parser->problem != NULL ? parser->problem : "is not YAML";
	if (parser->buffer.pointer < parser->buffer.last && *parser->buffer.pointer == '\t' &&
	    parser->error == YAML_SCANNER_ERROR)
		problem = "a tab stands here; YAML is indented with spaces";
	return refuse_at(parser->problem_mark, IOTPKI_ERR_SYNTAX, detail, problem);
}

static enum iotpki_err check_document(struct yaml_reader *reader, struct iotpki_detail *detail)
{
	const yaml_event_t *event = &reader->event;
	const bool directive = event->data.document_start.version_directive != NULL ||
			       event->data.document_start.tag_directives.start !=
				       event->data.document_start.tag_directives.end;
	if (directive)
		return refuse_at(event->start_mark, IOTPKI_ERR_SYNTAX, detail,
				 "directives (%YAML, %TAG) are not allowed");
	if (reader->documents++ > 0)
		return refuse_at(event->start_mark, IOTPKI_ERR_SYNTAX, detail,
				 "a second document is not allowed");
	return IOTPKI_OK;
}

static enum iotpki_err check_node(const yaml_event_t *event, const yaml_char_t *anchor,
				  const yaml_char_t *tag, struct iotpki_detail *detail)
{
	if (anchor != NULL)
		return refuse_at(event->start_mark, IOTPKI_ERR_SYNTAX, detail,
				 "anchors (&) are not allowed");
	if (tag != NULL)
		return refuse_at(event->start_mark, IOTPKI_ERR_SYNTAX, detail,
				 "tags (!) are not allowed");
	return IOTPKI_OK;
}

static enum iotpki_err enter(struct yaml_reader *reader, struct iotpki_detail *detail)
{
	if (reader->depth >= YAML_DEPTH_MAX)
		return refuse_at(reader->event.start_mark, IOTPKI_ERR_LIMIT, detail,
				 "is nested too deeply");
	reader->depth++;
	return IOTPKI_OK;
}

static enum iotpki_err take_scalar(const yaml_event_t *event, struct yaml_event *out,
				   struct iotpki_detail *detail)
{
	const yaml_char_t *text = event->data.scalar.value;
	const size_t len = event->data.scalar.length;
	if (len > YAML_SCALAR_MAX)
		return refuse_at(event->start_mark, IOTPKI_ERR_LIMIT, detail,
				 "is longer than 16384 bytes");
	/* Raw bytes were checked before; only an escape can bring anything else. */
	if (event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE &&
	    !yaml_input_clean(text, len))
		return refuse_at(event->start_mark, IOTPKI_ERR_SYNTAX, detail,
				 "an escape gives an invisible or control character");
	out->kind = YAML_SCALAR;
	out->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	out->text = (const char *)text;
	out->len = len;
	return check_node(event, event->data.scalar.anchor, event->data.scalar.tag, detail);
}

static enum iotpki_err take(struct yaml_reader *reader, struct yaml_event *out, bool *found,
			    struct iotpki_detail *detail)
{
	const yaml_event_t *event = &reader->event;
	enum iotpki_err err = IOTPKI_OK;
	*found = true;
	switch ((int)event->type) {
	case YAML_SCALAR_EVENT:
		return take_scalar(event, out, detail);
	case YAML_MAPPING_START_EVENT:
		out->kind = YAML_MAPPING;
		out->flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
		err = check_node(event, event->data.mapping_start.anchor,
				 event->data.mapping_start.tag, detail);
		return err != IOTPKI_OK ? err : enter(reader, detail);
	case YAML_SEQUENCE_START_EVENT:
		out->kind = YAML_SEQUENCE;
		out->flow = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
		err = check_node(event, event->data.sequence_start.anchor,
				 event->data.sequence_start.tag, detail);
		return err != IOTPKI_OK ? err : enter(reader, detail);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		reader->depth--;
		out->kind = YAML_END;
		return IOTPKI_OK;
	case YAML_STREAM_END_EVENT:
		out->kind = YAML_DONE;
		return IOTPKI_OK;
	case YAML_ALIAS_EVENT:
		return refuse_at(event->start_mark, IOTPKI_ERR_SYNTAX, detail,
				 "aliases (*) are not allowed");
	case YAML_DOCUMENT_START_EVENT:
		*found = false;
		return check_document(reader, detail);
	default: /* stream start, document end */
		*found = false;
		return IOTPKI_OK;
	}
}

enum iotpki_err yaml_next(struct yaml_reader *reader, struct yaml_event *event_out,
			  struct iotpki_detail *detail)
{
	bool found = false;
	while (!found) {
		drop_event(reader);
		if (yaml_parser_parse(&reader->parser, &reader->event) != 1)
			return parser_error(reader, detail);
		reader->has_event = true;
		reader->input.gap = 0;
		memset(event_out, 0, sizeof(*event_out));
		event_out->start = mark_of(reader->event.start_mark);
		event_out->end = mark_of(reader->event.end_mark);
		const enum iotpki_err err = take(reader, event_out, &found, detail);
		if (err != IOTPKI_OK)
			return err;
	}
	return IOTPKI_OK;
}

static size_t find_key(const struct yaml_event *event, const struct yaml_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = keys[i].name;
		if (name[0] == event->text[0] && strcmp(name, event->text) == 0)
			return i;
	}
	return count;
}

static enum iotpki_err expect(const struct yaml_event *event, enum yaml_kind kind, const char *what,
			      struct iotpki_detail *detail)
{
	if (event->kind == kind)
		return IOTPKI_OK;
	return yaml_refuse(event, detail, "%s is expected here", what);
}

static enum iotpki_err missing_key(const struct yaml_event *start, const struct yaml_key *keys,
				   size_t count, uint32_t seen, struct iotpki_detail *detail)
{
	for (size_t i = 0; i < count; i++)
		if (keys[i].required && (seen & UINT32_C(1) << i) == 0)
			return yaml_refuse(start, detail, "the key \"%s\" is missing",
					   keys[i].name);
	return IOTPKI_OK;
}

static enum iotpki_err unknown_key(const struct yaml_event *event, const struct yaml_key *keys,
				   size_t count, struct iotpki_detail *detail)
{
	char known[IOTPKI_DETAIL_MESSAGE_MAX] = "";
	size_t len = 0;
	for (size_t i = 0; i < count && len < sizeof(known); i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
					i == 0 ? "" : ", ", keys[i].name);
	return yaml_refuse(event, detail, "unknown key \"%.64s\"; here stand %s", event->text,
			   known);
}

static enum iotpki_err take_key(const struct yaml_event *event, const struct yaml_key *keys,
				size_t count, uint32_t *seen, size_t *at_out,
				struct iotpki_detail *detail)
{
	enum iotpki_err err = expect(event, YAML_SCALAR, "the name of a key", detail);
	if (err != IOTPKI_OK)
		return err;
	const size_t at = find_key(event, keys, count);
	if (at == count)
		return unknown_key(event, keys, count, detail);
	if ((*seen & UINT32_C(1) << at) != 0)
		return yaml_refuse(event, detail, "the key \"%s\" is there twice", keys[at].name);
	*seen |= UINT32_C(1) << at;
	*at_out = at;
	return IOTPKI_OK;
}

enum iotpki_err yaml_mapping(struct yaml_reader *reader, const struct yaml_event *start,
			     const struct yaml_key *keys, size_t count, void *target,
			     struct iotpki_detail *detail)
{
	enum iotpki_err err = expect(start, YAML_MAPPING, "a mapping (key: value)", detail);
	if (err != IOTPKI_OK)
		return err;
	if (count > YAML_KEYS_MAX)
		return IOTPKI_ERR_INTERNAL;
	const struct yaml_event begin = *start;
	uint32_t seen = 0;
	for (;;) {
		struct yaml_event event;
		err = yaml_next(reader, &event, detail);
		if (err != IOTPKI_OK)
			return err;
		if (event.kind == YAML_END)
			return missing_key(&begin, keys, count, seen, detail);
		size_t at = 0;
		err = take_key(&event, keys, count, &seen, &at, detail);
		if (err == IOTPKI_OK)
			err = yaml_next(reader, &event, detail);
		if (err == IOTPKI_OK)
			err = keys[at].read(reader, &event, &keys[at], target, detail);
		if (err != IOTPKI_OK)
			return err;
	}
}

enum iotpki_err yaml_pairs(struct yaml_reader *reader, const struct yaml_event *start,
			   size_t key_max, yaml_pair_fn *pair, void *target,
			   struct iotpki_detail *detail)
{
	enum iotpki_err err = expect(start, YAML_MAPPING, "a mapping (key: value)", detail);
	if (err != IOTPKI_OK)
		return err;
	for (;;) {
		struct yaml_event key;
		char name[256];
		err = yaml_next(reader, &key, detail);
		if (err != IOTPKI_OK)
			return err;
		if (key.kind == YAML_END)
			return IOTPKI_OK;
		err = yaml_text(&key, key_max < sizeof(name) ? key_max : sizeof(name) - 1,
				"the name of a key", detail);
		if (err != IOTPKI_OK)
			return err;
		memcpy(name, key.text, key.len + 1);
		key.text = name;

		struct yaml_event value;
		err = yaml_next(reader, &value, detail);
		if (err == IOTPKI_OK)
			err = pair(reader, &key, &value, target, detail);
		if (err != IOTPKI_OK)
			return err;
	}
}

enum iotpki_err yaml_sequence(struct yaml_reader *reader, const struct yaml_event *start,
			      yaml_value_fn *item, const struct yaml_key *key, void *target,
			      const char *what, struct iotpki_detail *detail)
{
	if (start->kind != YAML_SEQUENCE)
		return yaml_refuse(start, detail, "a list of %s is expected here", what);
	for (;;) {
		struct yaml_event event;
		enum iotpki_err err = yaml_next(reader, &event, detail);
		if (err == IOTPKI_OK && event.kind == YAML_END)
			return IOTPKI_OK;
		if (err == IOTPKI_OK)
			err = item(reader, &event, key, target, detail);
		if (err != IOTPKI_OK)
			return err;
	}
}

enum iotpki_err yaml_document(struct yaml_reader *reader, const struct yaml_key *keys, size_t count,
			      void *target, struct iotpki_detail *detail)
{
	struct yaml_event event;
	enum iotpki_err err = yaml_next(reader, &event, detail);
	if (err != IOTPKI_OK)
		return err;
	if (event.kind == YAML_DONE)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, 1,
				  "is empty; \"version: 1\" is expected");
	err = yaml_mapping(reader, &event, keys, count, target, detail);
	/* What follows the mapping is read too: a second document is found only there. */
	if (err == IOTPKI_OK)
		err = yaml_next(reader, &event, detail);
	if (err != IOTPKI_OK)
		return err;
	return expect(&event, YAML_DONE, "the end of the file", detail);
}

enum iotpki_err yaml_text(const struct yaml_event *value, size_t max, const char *what,
			  struct iotpki_detail *detail)
{
	const enum iotpki_err err = expect(value, YAML_SCALAR, what, detail);
	if (err != IOTPKI_OK)
		return err;
	if (value->len == 0)
		return yaml_refuse(value, detail, "%s is expected here, there is nothing", what);
	if (value->len > max)
		return detail_set(detail, IOTPKI_ERR_LIMIT, value->start.line, value->start.column,
				  "%s is longer than %zu bytes", what, max);
	if (!text_printable(value->text, value->len))
		return yaml_refuse(value, detail, "%s must be printable ASCII on one line", what);
	return IOTPKI_OK;
}

enum iotpki_err yaml_bool(const struct yaml_event *value, bool *out, struct iotpki_detail *detail)
{
	const bool word = value->kind == YAML_SCALAR && value->plain;
	if (word && strcmp(value->text, "yes") == 0)
		*out = true;
	else if (word && strcmp(value->text, "no") == 0)
		*out = false;
	else
		return yaml_refuse(value, detail, "yes or no is expected here");
	return IOTPKI_OK;
}

enum iotpki_err yaml_uint(const struct yaml_event *value, uint64_t min, uint64_t max, uint64_t *out,
			  struct iotpki_detail *detail)
{
	uint64_t number;
	if (value->kind == YAML_SCALAR && value->plain &&
	    uint_parse(value->text, value->len, max, &number) && number >= min) {
		*out = number;
		return IOTPKI_OK;
	}
	return yaml_refuse(value, detail, "a number from %llu to %llu is expected here",
			   (unsigned long long)min, (unsigned long long)max);
}
