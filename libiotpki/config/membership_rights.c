/* Roles and rights: what a member may do, shared by all members that may do the same. */
#include "config/membership_list.h"

#include <stdalign.h>
#include <string.h>

#include "base/buf.h"
#include "config/config_value.h"

enum iotpki_err rights_read_users(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, void *target,
				  struct iotpki_detail *detail)
{
	struct rights_draft *rights = target;
	struct config_words words = { rights->users, &rights->user_count, MEMBERSHIP_WORDS_MAX,
				      "the name of an account" };
	rights->has_users = true;
	return config_read_words(reader, value, key, &words, "accounts", detail);
}

enum iotpki_err rights_read_services(struct yaml_reader *reader, const struct yaml_event *value,
				     const struct yaml_key *key, void *target,
				     struct iotpki_detail *detail)
{
	struct rights_draft *rights = target;
	struct config_words words = { rights->services, &rights->service_count,
				      MEMBERSHIP_WORDS_MAX, "the name of a service" };
	rights->has_services = true;
	return config_read_words(reader, value, key, &words, "services", detail);
}

static enum iotpki_err read_option(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	const enum iotpki_err err = yaml_text(value, SSH_OPTIONS_MAX, "an ssh option", detail);
	if (err != IOTPKI_OK)
		return err;
	const char *problem = ssh_options_add(target, value->text, value->len);
	return problem == NULL ? IOTPKI_OK
			       : yaml_refuse(value, detail, "\"%.64s\": %s", value->text, problem);
}

enum iotpki_err rights_read_options(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	struct rights_draft *rights = target;
	const struct yaml_event start = *value;
	rights->has_options = true;
	const enum iotpki_err err = yaml_sequence(reader, value, read_option, key, &rights->options,
						  "ssh options", detail);
	if (err != IOTPKI_OK)
		return err;
	char text[SSH_OPTIONS_MAX + 1];
	if (!ssh_options_format(&rights->options, text, sizeof(text)))
		return yaml_refuse(&start, detail,
				   "the ssh options are longer than %d bytes together",
				   SSH_OPTIONS_MAX);
	return IOTPKI_OK;
}

enum iotpki_err rights_read_soft_fail(struct yaml_reader *reader, const struct yaml_event *value,
				      const struct yaml_key *key, void *target,
				      struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct rights_draft *rights = target;
	rights->has_soft_fail = true;
	return yaml_bool(value, &rights->soft_fail, detail);
}

static void reset(struct rights_draft *rights)
{
	rights->has_users = rights->has_services = rights->has_options = false;
	rights->has_soft_fail = rights->soft_fail = false;
	rights->user_count = rights->service_count = 0;
	rights->options.flags = 0;
	rights->options.value_count = 0;
}

/* One spelling of the rights: users, services, options, soft_fail, each part ended. */
static void spell(struct buf *out, const struct rights_draft *draft,
		  const struct member_rights *role)
{
	const bool own_users = draft->has_users || role == NULL;
	const size_t users = own_users ? draft->user_count : role->user_count;
	for (size_t i = 0; i < users; i++)
		(void)buf_printf(out, "%s\n", own_users ? draft->users[i] : role->users[i]);
	(void)buf_putc(out, '\n');
	const bool own_services = draft->has_services || role == NULL;
	const size_t services = own_services ? draft->service_count : role->service_count;
	for (size_t i = 0; i < services; i++)
		(void)buf_printf(out, "%s\n",
				 own_services ? draft->services[i] : role->services[i]);
	(void)buf_putc(out, '\n');
	char options[SSH_OPTIONS_MAX + 1] = "";
	if (draft->has_options || role == NULL)
		(void)!ssh_options_format(&draft->options, options, sizeof(options));
	(void)buf_puts(out, role != NULL && !draft->has_options ? role->ssh_options : options);
	const bool soft = draft->has_soft_fail || role == NULL ? draft->soft_fail : role->soft_fail;
	(void)buf_puts(out, soft ? "\nsoft" : "\n");
}

/* The words up to an empty line, which *at is moved behind. */
static bool take_words(struct arena *arena, char **at, const char *const **words_out,
		       size_t *count_out)
{
	size_t count = 0;
	for (const char *word = *at; *word != '\n'; word = strchr(word, '\n') + 1)
		count++;
	const char **words = arena_take(arena, count * sizeof(*words), alignof(const char *));
	if (words == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		char *end = strchr(*at, '\n');
		*end = '\0';
		words[i] = *at;
		*at = end + 1;
	}
	(*at)++;
	*words_out = words;
	*count_out = count;
	return true;
}

static struct rights_node *make(struct membership *list, const char *key, size_t len)
{
	struct arena *arena = &list->arena;
	struct rights_node *node = arena_take(arena, sizeof(*node), alignof(struct rights_node));
	char *text = arena_text(arena, key, len); /* is cut into its words */
	const char *kept = arena_text(arena, key, len);
	if (node == NULL || text == NULL || kept == NULL)
		return NULL;
	memset(node, 0, sizeof(*node));
	struct member_rights *rights = &node->rights;
	if (!take_words(arena, &text, &rights->users, &rights->user_count) ||
	    !take_words(arena, &text, &rights->services, &rights->service_count))
		return NULL;
	char *end = strchr(text, '\n');
	*end = '\0';
	rights->ssh_options = text;
	rights->soft_fail = end[1] != '\0';
	node->key = kept;
	node->key_len = len;
	node->next = list->rights;
	list->rights = node;
	return node;
}

static size_t slot_of(const char *key, size_t len)
{
	uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)key[i]) * UINT32_C(16777619);
	return hash % RIGHTS_SLOTS;
}

static const struct member_rights *intern(struct builder *builder, const char *key, size_t len)
{
	struct rights_node **slot = &builder->rights_slots[slot_of(key, len)];
	for (const struct rights_node *node = *slot; node != NULL; node = node->next_in_slot)
		if (node->key_len == len && memcmp(node->key, key, len) == 0)
			return &node->rights;
	struct rights_node *node = make(builder->list, key, len);
	if (node == NULL)
		return NULL;
	node->next_in_slot = *slot;
	*slot = node;
	return &node->rights;
}

const struct member_rights *builder_rights(struct builder *builder,
					   const struct member_rights *role)
{
	struct rights_draft *draft = &builder->rights;
	const bool inherits = role != NULL && !draft->has_users && !draft->has_services &&
			      !draft->has_options && !draft->has_soft_fail;
	if (inherits)
		return role;
	CLEANUP(buf_done) struct buf key = BUF_INIT(64 * 1024);
	spell(&key, draft, role);
	reset(draft);
	if (buf_error(&key) != IOTPKI_OK)
		return NULL;
	return intern(builder, buf_text(&key), key.len);
}

static const struct yaml_key role_keys[] = {
	{ .name = "users", .read = rights_read_users },
	{ .name = "services", .read = rights_read_services },
	{ .name = "ssh_options", .read = rights_read_options },
	{ .name = "soft_fail", .read = rights_read_soft_fail },
};

static enum iotpki_err read_role(struct yaml_reader *reader, const struct yaml_event *key,
				 const struct yaml_event *value, void *target,
				 struct iotpki_detail *detail)
{
	struct builder *builder = target;
	if (!config_word_valid(key->text, key->len))
		return yaml_refuse(
			key, detail,
			"the name of a role may have letters, digits and _ . @ + - only");
	for (size_t i = 0; i < builder->role_count; i++)
		if (strcmp(builder->roles[i].name, key->text) == 0)
			return yaml_refuse(key, detail, "the role %s is there twice", key->text);
	if (builder->role_count == MEMBERSHIP_ROLES_MAX)
		return yaml_refuse(key, detail, "there may be at most %d roles",
				   MEMBERSHIP_ROLES_MAX);
	reset(&builder->rights);
	const enum iotpki_err err = yaml_mapping(reader, value, role_keys, ARRAY_LEN(role_keys),
						 &builder->rights, detail);
	if (err != IOTPKI_OK)
		return err;
	struct role *role = &builder->roles[builder->role_count];
	role->name = arena_text(&builder->list->arena, key->text, key->len);
	role->rights = builder_rights(builder, NULL);
	if (role->name == NULL || role->rights == NULL)
		return IOTPKI_ERR_NOMEM;
	builder->role_count++;
	return IOTPKI_OK;
}

enum iotpki_err builder_read_roles(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)key;
	struct builder *builder = target;
	if (builder->part)
		return yaml_refuse(value, detail, "roles may stand in members.yaml only");
	if (builder->list->count > 0)
		return yaml_refuse(value, detail, "roles must stand above members");
	return yaml_pairs(reader, value, CONFIG_WORD_MAX, read_role, builder, detail);
}
