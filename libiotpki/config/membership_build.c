/* Making a generation of the list from its texts: whole or not at all. */
#include "config/membership_list.h"

#include <stdalign.h>
#include <string.h>

#include "config/config_value.h"

enum iotpki_err builder_new(struct builder **builder_out)
{
	*builder_out = NULL;
	CLEANUP(builder_freep) struct builder *builder = calloc(1, sizeof(*builder));
	if (builder == NULL)
		return IOTPKI_ERR_NOMEM;
	builder->list = calloc(1, sizeof(*builder->list));
	if (builder->list == NULL)
		return IOTPKI_ERR_NOMEM;
	builder->list->references = 1;
	*builder_out = STEAL(builder);
	return IOTPKI_OK;
}

void builder_freep(struct builder **builder)
{
	if (*builder == NULL)
		return;
	membership_unref((*builder)->list);
	free((*builder)->positions);
	free(*builder);
	*builder = NULL;
}

struct member *builder_slot(struct builder *builder)
{
	struct membership *list = builder->list;
	struct member **chunk = &list->chunks[list->count / MEMBERSHIP_CHUNK];
	if (*chunk == NULL)
		*chunk = calloc(MEMBERSHIP_CHUNK, sizeof(**chunk));
	return *chunk == NULL ? NULL : &(*chunk)[list->count % MEMBERSHIP_CHUNK];
}

enum iotpki_err builder_commit(struct builder *builder, const struct yaml_mark *at)
{
	const size_t count = builder->list->count;
	if (count == builder->position_size) {
		const size_t size = count == 0 ? MEMBERSHIP_CHUNK : count * 2;
		struct position *more = realloc(builder->positions, size * sizeof(*more));
		if (more == NULL)
			return IOTPKI_ERR_NOMEM;
		builder->positions = more;
		builder->position_size = size;
	}
	struct position *position = &builder->positions[count];
	position->line = at->line;
	position->column = at->column > UINT16_MAX ? UINT16_MAX : (uint16_t)at->column;
	position->file = (uint16_t)(builder->file_count - 1);
	builder->list->count++;
	return IOTPKI_OK;
}

static enum iotpki_err read_members(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	/* "members:" alone, where every entry was removed or commented out. */
	if (value->kind == YAML_SCALAR && value->plain && value->len == 0)
		return IOTPKI_OK;
	return yaml_sequence(reader, value, builder_read_entry, key, target, "members", detail);
}

static const struct yaml_key top_keys[] = {
	{ .name = "version", .read = config_read_version, .required = true },
	{ .name = "roles", .read = builder_read_roles },
	{ .name = "members", .read = read_members },
};

enum iotpki_err builder_read(struct builder *builder, const char *path,
			     const struct yaml_source *source, size_t cap,
			     struct iotpki_detail *detail)
{
	if (builder->file_count == MEMBERSHIP_FILES_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "more than %d files of members",
				  MEMBERSHIP_FILES_MAX);
	struct arena *arena = &builder->list->arena;
	const char *kept = arena_text(arena, path, strlen(path));
	struct list_file *file = arena_take(arena, sizeof(*file), alignof(struct list_file));
	if (kept == NULL || file == NULL)
		return IOTPKI_ERR_NOMEM;
	*file = (struct list_file){ kept, builder->list->count, builder->list->files };
	builder->list->files = file;
	builder->files[builder->file_count++] = kept;

	CLEANUP(yaml_closep) struct yaml_reader *reader = NULL;
	enum iotpki_err err = yaml_open(source, cap, &reader);
	if (err == IOTPKI_OK)
		err = yaml_document(reader, top_keys, ARRAY_LEN(top_keys), builder, detail);
	if (err != IOTPKI_OK)
		detail_where(detail, path);
	return err;
}

static enum iotpki_err parse(const char *path, const char *text, size_t len, bool part,
			     struct membership **list_out, struct iotpki_detail *detail)
{
	*list_out = NULL;
	CLEANUP(builder_freep) struct builder *builder = NULL;
	enum iotpki_err err = builder_new(&builder);
	if (err != IOTPKI_OK)
		return err;
	builder->part = part;
	builder->any_role = part;
	struct yaml_memory memory = { text, len, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	err = builder_read(builder, path, &source, MEMBERSHIP_MAX_BYTES, detail);
	if (err == IOTPKI_OK)
		err = membership_make_indexes(builder, detail);
	if (err == IOTPKI_OK)
		err = sha256(text, len, builder->list->digest);
	if (err != IOTPKI_OK)
		return err;
	*list_out = STEAL(builder->list);
	return IOTPKI_OK;
}

enum iotpki_err membership_parse(const char *path, const char *text, size_t len,
				 struct membership **list_out, struct iotpki_detail *detail)
{
	return parse(path, text, len, false, list_out, detail);
}

enum iotpki_err membership_parse_part(const char *path, const char *text, size_t len,
				      struct membership **list_out, struct iotpki_detail *detail)
{
	return parse(path, text, len, true, list_out, detail);
}

bool membership_path_is_part(const char *path)
{
	static const char folder[] = "/" MEMBERSHIP_PARTS "/";
	const char *slash = strrchr(path, '/');
	const size_t len = sizeof(folder) - 1;
	if (slash == NULL)
		return false;
	const size_t end = (size_t)(slash - path) + 1;
	return end >= len && memcmp(path + end - len, folder, len) == 0;
}
