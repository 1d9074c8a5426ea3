/*
 * Value readers that the tables of iotpki.yaml and members.yaml share. Each is a
 * yaml_value_fn that writes at target + key->offset.
 */
#pragma once

#include "config/config.h"
#include "format/yaml.h"

/** "version: 1" and nothing else. */
yaml_value_fn config_read_version;
/** yes or no into a bool. */
yaml_value_fn config_read_bool;
/** Decimal from key->min to key->max into an int64_t. */
yaml_value_fn config_read_int;
/** A duration from key->min to key->max milliseconds into an int64_t that counts key->unit ms. */
yaml_value_fn config_read_duration;

/** [A-Za-z0-9_][A-Za-z0-9_.@+-]*[$]?: accounts, services, names of nodes, networks and roles. */
bool config_word_valid(const char *text, size_t len);
/** A word of at most CONFIG_WORD_MAX bytes into out. */
enum iotpki_err config_take_word(const struct yaml_event *value, const char *what, char *out,
				 struct iotpki_detail *detail) MUST_CHECK;

/** Words of one kind in a fixed array of the caller's, each once. */
struct config_words {
	char (*words)[CONFIG_WORD_MAX + 1];
	size_t *count;
	size_t max;
	const char *what; /* "the name of an account" */
};
/** A sequence of them; many is what it holds, for messages ("accounts"). */
enum iotpki_err config_read_words(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, struct config_words *words,
				  const char *many, struct iotpki_detail *detail) MUST_CHECK;
