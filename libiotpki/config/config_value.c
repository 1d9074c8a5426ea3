/* Values that both files have. */
#include "config/config_value.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config/config.h"

enum iotpki_err config_read_version(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	(void)target;
	if (value->kind == YAML_SCALAR && value->plain && strcmp(value->text, "1") == 0)
		return IOTPKI_OK;
	return yaml_refuse(value, detail, "version must be 1; this release knows no other");
}

enum iotpki_err config_read_bool(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	return yaml_bool(value, (bool *)((char *)target + key->offset), detail);
}

enum iotpki_err config_read_int(struct yaml_reader *reader, const struct yaml_event *value,
				const struct yaml_key *key, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	uint64_t number;
	const enum iotpki_err err = yaml_uint(value, key->min, key->max, &number, detail);
	if (err != IOTPKI_OK)
		return err;
	const int64_t stored = (int64_t)number;
	memcpy((char *)target + key->offset, &stored, sizeof(stored));
	return IOTPKI_OK;
}

/* The largest unit that says a bound without a fraction, for messages. */
static void duration_name(uint64_t ms, char out[static 32])
{
	static const struct {
		uint64_t ms;
		const char *suffix;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (ms < units[i].ms || ms % units[i].ms != 0)
			continue;
		(void)snprintf(out, 32, "%llu%s", (unsigned long long)(ms / units[i].ms),
			       units[i].suffix);
		return;
	}
	(void)snprintf(out, 32, "%llums", (unsigned long long)ms);
}

enum iotpki_err config_read_duration(struct yaml_reader *reader, const struct yaml_event *value,
				     const struct yaml_key *key, void *target,
				     struct iotpki_detail *detail)
{
	(void)reader;
	uint64_t ms;
	if (value->kind == YAML_SCALAR && duration_parse(value->text, value->len, key->max, &ms) &&
	    ms >= key->min && ms % key->unit == 0) {
		const int64_t stored = (int64_t)(ms / key->unit);
		memcpy((char *)target + key->offset, &stored, sizeof(stored));
		return IOTPKI_OK;
	}
	char least[32], most[32], unit[32];
	duration_name(key->min, least);
	duration_name(key->max, most);
	duration_name(key->unit, unit);
	return yaml_refuse(
		value, detail,
		"%s must be a duration such as 30s, 5m or 4h, from %s to %s, in whole %s",
		key->name, key->min == 0 ? "0s" : least, most, unit);
}

static bool word_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

bool config_word_valid(const char *text, size_t len)
{
	if (len == 0 || len > CONFIG_WORD_MAX || !word_character(text[0]))
		return false;
	/* Samba's machine accounts end by '$'. */
	const size_t body = text[len - 1] == '$' ? len - 1 : len;
	for (size_t i = 1; i < body; i++)
		if (!word_character(text[i]) && memchr(".@+-", text[i], 4) == NULL)
			return false;
	return true;
}

enum iotpki_err config_take_word(const struct yaml_event *value, const char *what, char *out,
				 struct iotpki_detail *detail)
{
	const enum iotpki_err err = yaml_text(value, CONFIG_WORD_MAX, what, detail);
	if (err != IOTPKI_OK)
		return err;
	if (!config_word_valid(value->text, value->len))
		return yaml_refuse(value, detail, "%s may have letters, digits and _ . @ + - only",
				   what);
	memcpy(out, value->text, value->len + 1);
	return IOTPKI_OK;
}

static enum iotpki_err read_word(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	const struct config_words *list = target;
	if (*list->count == list->max)
		return yaml_refuse(value, detail, "there may be at most %zu of these", list->max);
	char *word = list->words[*list->count];
	const enum iotpki_err err = config_take_word(value, list->what, word, detail);
	if (err != IOTPKI_OK)
		return err;
	for (size_t i = 0; i < *list->count; i++)
		if (strcmp(list->words[i], word) == 0)
			return yaml_refuse(value, detail, "%s is there twice", word);
	(*list->count)++;
	return IOTPKI_OK;
}

enum iotpki_err config_read_words(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, struct config_words *words,
				  const char *many, struct iotpki_detail *detail)
{
	return yaml_sequence(reader, value, read_word, key, words, many, detail);
}
