/*
 * What stands between the bytes of a file and libyaml: strict UTF-8, no byte that a person cannot
 * see (controls, bidirectional overrides, line separators), lines that end by LF or CRLF alone.
 * Comments are checked too, which libyaml's events would not show.
 */
#pragma once

#include "format/yaml.h"

struct yaml_input {
	struct yaml_source source;
	size_t cap;
	size_t total;      /* bytes taken */
	size_t gap;        /* of them, since the last event */
	unsigned int line; /* of the next byte, from 1 */
	unsigned int column;
	uint32_t code;   /* the character that is being put together */
	uint32_t least;  /* its smallest value that is not overlong */
	uint8_t missing; /* its continuation bytes to come */
	bool carriage;   /* the last byte was CR */
	enum iotpki_err err;
	struct iotpki_detail detail; /* of err */
};

void yaml_input_init(struct yaml_input *input, const struct yaml_source *source, size_t cap);
/** Bytes for libyaml; a leading byte order mark is left out. On an error input->err and detail say what. */
bool yaml_input_read(struct yaml_input *input, uint8_t *out, size_t size, size_t *got);
/** Whether a scalar (escapes can bring what the raw bytes did not) holds only what may be there. */
bool yaml_input_clean(const uint8_t *text, size_t len);
