/* One entry of `members:` (paper IV-A: ID, Cert, ex). */
#include "config/membership_list.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include <iotpki/cert.h>

#include "base/parse.h"
#include "config/config_value.h"

/* An entry while it is read; small texts are kept here until the whole of it is known to be good. */
struct entry {
	struct builder *builder;
	struct rights_draft *rights;
	char name[IOTPKI_NAME_MAX + 1];
	char label[MEMBERSHIP_LABEL_MAX + 1];
	const struct role *role;
	int64_t ends_s;
	uint8_t sha256[IOTPKI_SHA256_LEN];
	char key[IOTPKI_SSHKEY_TEXT_SIZE];
	bool denied;
	bool has_ssh;
	uint8_t ssh[IOTPKI_SHA256_LEN];
	size_t registration_count;
	struct member_registration registrations[IOTPKI_NODES_MAX];
	size_t host_count;
	const char *hosts[MEMBERSHIP_HOSTS_MAX];
	struct yaml_event name_at, sha256_at, key_at; /* for their marks alone */
	struct iotpki_cert cert;
};

static enum iotpki_err read_name(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	const enum iotpki_err err = yaml_text(value, IOTPKI_NAME_MAX, "the name", detail);
	if (err != IOTPKI_OK)
		return err;
	if (!iotpki_name_valid(value->text, value->len))
		return yaml_refuse(value, detail,
				   "a name is 1 to 64 of a-z 0-9 . _ - and begins with a-z or 0-9");
	memcpy(entry->name, value->text, value->len + 1);
	entry->name_at = *value;
	return IOTPKI_OK;
}

static enum iotpki_err read_label(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, void *target,
				  struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	const enum iotpki_err err = yaml_text(value, MEMBERSHIP_LABEL_MAX, "the label", detail);
	if (err == IOTPKI_OK)
		memcpy(entry->label, value->text, value->len + 1);
	return err;
}

static const struct role *find_role(const struct builder *builder, const char *name)
{
	if (builder->last_role != NULL && strcmp(builder->last_role->name, name) == 0)
		return builder->last_role;
	for (size_t i = 0; i < builder->role_count; i++)
		if (strcmp(builder->roles[i].name, name) == 0)
			return &builder->roles[i];
	return NULL;
}

/* A role that stands in another file, when one file is looked at alone. */
static const struct role *foreign_role(struct builder *builder, const char *name)
{
	if (!builder->any_role || builder->role_count == MEMBERSHIP_ROLES_MAX)
		return NULL;
	struct role *role = &builder->roles[builder->role_count];
	static const struct member_rights nothing = { .ssh_options = "restrict" };
	role->name = arena_text(&builder->list->arena, name, strlen(name));
	role->rights = &nothing;
	if (role->name == NULL)
		return NULL;
	builder->role_count++;
	return role;
}

static enum iotpki_err read_role(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	const enum iotpki_err err = yaml_text(value, CONFIG_WORD_MAX, "the role", detail);
	if (err != IOTPKI_OK)
		return err;
	entry->role = find_role(entry->builder, value->text);
	if (entry->role == NULL)
		entry->role = foreign_role(entry->builder, value->text);
	if (entry->role == NULL)
		return yaml_refuse(
			value, detail,
			"there is no role \"%s\"; roles stand above members in members.yaml",
			value->text);
	entry->builder->last_role = entry->role;
	return IOTPKI_OK;
}

static enum iotpki_err read_expires(struct yaml_reader *reader, const struct yaml_event *value,
				    const struct yaml_key *key, void *target,
				    struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	if (value->kind == YAML_SCALAR && time_parse(value->text, value->len, &entry->ends_s))
		return IOTPKI_OK;
	return yaml_refuse(value, detail,
			   "expires must be a UTC time such as 2027-06-30T00:00:00Z");
}

static enum iotpki_err read_sha256(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	entry->sha256_at = *value;
	if (value->kind == YAML_SCALAR &&
	    hex_decode(value->text, value->len, entry->sha256, IOTPKI_SHA256_LEN))
		return IOTPKI_OK;
	return yaml_refuse(value, detail, "sha256 must be 64 lower-case hex digits");
}

static enum iotpki_err read_key(struct yaml_reader *reader, const struct yaml_event *value,
				const struct yaml_key *key, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	const enum iotpki_err err = yaml_text(value, sizeof(entry->key) - 1, "the key", detail);
	if (err != IOTPKI_OK)
		return err;
	memcpy(entry->key, value->text, value->len + 1);
	entry->key_at = *value;
	return IOTPKI_OK;
}

static enum iotpki_err read_certificate(struct yaml_reader *reader, const struct yaml_event *value,
					const struct yaml_key *key, void *target,
					struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	if (value->kind != YAML_SCALAR)
		return yaml_refuse(value, detail,
				   "the certificate must be PEM text (certificate: |)");
	uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t len = sizeof(der);
	struct iotpki_detail why = { 0 };
	enum iotpki_err err = iotpki_cert_from_pem(value->text, value->len, der, &len, &why);
	if (err == IOTPKI_OK)
		err = iotpki_cert_walk(der, len, &entry->cert, &why);
	if (err == IOTPKI_OK)
		return IOTPKI_OK;
	/* The place is the file's: the certificate's own lines would mislead. */
	return detail_set(detail, err, value->start.line, value->start.column,
			  "the certificate: %.256s",
			  why.message[0] != '\0' ? why.message : iotpki_strerror(err));
}

static const char *network_text(struct builder *builder, const struct yaml_event *key)
{
	for (size_t i = 0; i < builder->network_count; i++)
		if (strcmp(builder->networks[i], key->text) == 0)
			return builder->networks[i];
	const char *text = arena_text(&builder->list->arena, key->text, key->len);
	if (text != NULL && builder->network_count < ARRAY_LEN(builder->networks))
		builder->networks[builder->network_count++] = text;
	return text;
}

static enum iotpki_err read_registration(struct yaml_reader *reader, const struct yaml_event *key,
					 const struct yaml_event *value, void *target,
					 struct iotpki_detail *detail)
{
	(void)reader;
	struct entry *entry = target;
	if (!config_word_valid(key->text, key->len))
		return yaml_refuse(
			key, detail,
			"the name of a network may have letters, digits and _ . @ + - only");
	for (size_t i = 0; i < entry->registration_count; i++)
		if (strcmp(entry->registrations[i].network, key->text) == 0)
			return yaml_refuse(key, detail, "the network %s is there twice", key->text);
	if (entry->registration_count == ARRAY_LEN(entry->registrations))
		return yaml_refuse(key, detail, "there may be at most %d registrations",
				   IOTPKI_NODES_MAX);
	struct member_registration *to = &entry->registrations[entry->registration_count];
	if (value->kind != YAML_SCALAR ||
	    !hex_decode(value->text, value->len, to->id, IOTPKI_SHA256_LEN))
		return yaml_refuse(value, detail,
				   "a registration must be a transaction id of 64 hex digits");
	to->network = network_text(entry->builder, key);
	if (to->network == NULL)
		return IOTPKI_ERR_NOMEM;
	entry->registration_count++;
	return IOTPKI_OK;
}

static enum iotpki_err read_registrations(struct yaml_reader *reader,
					  const struct yaml_event *value,
					  const struct yaml_key *key, void *target,
					  struct iotpki_detail *detail)
{
	(void)key;
	return yaml_pairs(reader, value, CONFIG_WORD_MAX, read_registration, target, detail);
}

static enum iotpki_err read_ssh(struct yaml_reader *reader, const struct yaml_event *value,
				const struct yaml_key *key, void *target,
				struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	if (value->kind != YAML_SCALAR ||
	    !iotpki_fingerprint_parse(value->text, value->len, entry->ssh))
		return yaml_refuse(value, detail,
				   "ssh must be a fingerprint such as SHA256:... of ssh-keygen -l");
	entry->has_ssh = true;
	return IOTPKI_OK;
}

static enum iotpki_err read_denied(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	return yaml_bool(value, &((struct entry *)target)->denied, detail);
}

static bool host_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && strchr(".-_:*?[]", c) == NULL)
			return false;
	}
	return true;
}

static enum iotpki_err read_host(struct yaml_reader *reader, const struct yaml_event *value,
				 const struct yaml_key *key, void *target,
				 struct iotpki_detail *detail)
{
	(void)reader;
	(void)key;
	struct entry *entry = target;
	const enum iotpki_err err = yaml_text(value, MEMBERSHIP_HOST_MAX, "a host", detail);
	if (err != IOTPKI_OK)
		return err;
	if (!host_valid(value->text, value->len))
		return yaml_refuse(
			value, detail,
			"a host may have lower-case letters, digits and . - _ : * ? [ ] only");
	if (entry->host_count == MEMBERSHIP_HOSTS_MAX)
		return yaml_refuse(value, detail, "there may be at most %d hosts",
				   MEMBERSHIP_HOSTS_MAX);
	const char *text = arena_text(&entry->builder->list->arena, value->text, value->len);
	if (text == NULL)
		return IOTPKI_ERR_NOMEM;
	entry->hosts[entry->host_count++] = text;
	return IOTPKI_OK;
}

static enum iotpki_err read_hosts(struct yaml_reader *reader, const struct yaml_event *value,
				  const struct yaml_key *key, void *target,
				  struct iotpki_detail *detail)
{
	return yaml_sequence(reader, value, read_host, key, target, "hosts", detail);
}

/* Rights in place of the role's: the readers of membership_rights.c over the draft. */
#define RIGHTS_READER(name)                                                                     \
	static enum iotpki_err own_##name(                                                      \
		struct yaml_reader *reader, const struct yaml_event *value,                     \
		const struct yaml_key *key, void *target, struct iotpki_detail *detail)         \
	{                                                                                       \
		return rights_read_##name(reader, value, key, ((struct entry *)target)->rights, \
					  detail);                                              \
	}
RIGHTS_READER(users)
RIGHTS_READER(services)
RIGHTS_READER(options)
RIGHTS_READER(soft_fail)

static const struct yaml_key entry_keys[] = {
	{ .name = "name", .read = read_name, .required = true },
	{ .name = "label", .read = read_label },
	{ .name = "role", .read = read_role, .required = true },
	{ .name = "expires", .read = read_expires, .required = true },
	{ .name = "sha256", .read = read_sha256, .required = true },
	{ .name = "key", .read = read_key, .required = true },
	{ .name = "certificate", .read = read_certificate, .required = true },
	{ .name = "registrations", .read = read_registrations },
	{ .name = "ssh", .read = read_ssh },
	{ .name = "denied", .read = read_denied },
	{ .name = "hosts", .read = read_hosts },
	{ .name = "users", .read = own_users },
	{ .name = "services", .read = own_services },
	{ .name = "ssh_options", .read = own_options },
	{ .name = "soft_fail", .read = own_soft_fail },
};

/* name, sha256, key and certificate speak of one thing. */
static enum iotpki_err check_agreement(const struct entry *entry, struct iotpki_detail *detail)
{
	if (strcmp(entry->cert.name, entry->name) != 0)
		return yaml_refuse(&entry->name_at, detail,
				   "the certificate is of the name %s, not of this one",
				   entry->cert.name);
	if (memcmp(entry->cert.sha256, entry->sha256, IOTPKI_SHA256_LEN) != 0)
		return yaml_refuse(&entry->sha256_at, detail,
				   "sha256 is not that of the certificate; \"iotpki member renew\" "
				   "writes both");
	char key[IOTPKI_SSHKEY_TEXT_SIZE];
	const enum iotpki_err err = iotpki_sshkey_format(&entry->cert.key, key, sizeof(key));
	if (err != IOTPKI_OK)
		return err;
	if (strcmp(key, entry->key) != 0)
		return yaml_refuse(&entry->key_at, detail,
				   "key is not that of the certificate; \"iotpki member renew\" "
				   "writes both");
	return IOTPKI_OK;
}

static const void *keep(struct arena *arena, const void *data, size_t len, size_t align)
{
	if (len == 0)
		return NULL;
	void *copy = arena_take(arena, len, align);
	if (copy != NULL)
		memcpy(copy, data, len);
	return copy;
}

static bool store(struct builder *builder, const struct entry *entry, struct member *member)
{
	struct arena *arena = &builder->list->arena;
	member->rights = builder_rights(builder, entry->role->rights);
	member->role = entry->role->name;
	/* The name's copy holds the label too: one piece, no padding between. */
	const size_t name_len = strlen(entry->name) + 1;
	const size_t label_len = strlen(entry->label);
	char *text = arena_take(arena, name_len + (label_len > 0 ? label_len + 1 : 0), 1);
	if (text == NULL || member->rights == NULL)
		return false;
	memcpy(text, entry->name, name_len);
	if (label_len > 0)
		memcpy(text + name_len, entry->label, label_len + 1);
	member->name = text;
	member->label = label_len > 0 ? text + name_len : "";
	member->ends_s = entry->ends_s;
	member->cert_begins_s = entry->cert.not_before_s;
	member->cert_ends_s = entry->cert.not_after_s;
	memcpy(member->sha256, entry->sha256, IOTPKI_SHA256_LEN);
	memcpy(member->key, entry->cert.key.fingerprint, IOTPKI_SHA256_LEN);
	member->denied = entry->denied;
	member->has_ssh = entry->has_ssh;
	member->ssh = keep(arena, entry->ssh, entry->has_ssh ? IOTPKI_SHA256_LEN : 0, 1);
	member->registration_count = (uint8_t)entry->registration_count;
	member->registrations = keep(arena, entry->registrations,
				     entry->registration_count * sizeof(entry->registrations[0]),
				     alignof(struct member_registration));
	member->host_count = entry->host_count;
	member->hosts = keep(arena, entry->hosts, entry->host_count * sizeof(entry->hosts[0]),
			     alignof(const char *));
	return (member->ssh != NULL) == entry->has_ssh &&
	       (member->registrations != NULL) == (entry->registration_count > 0) &&
	       (member->hosts != NULL) == (entry->host_count > 0);
}

enum iotpki_err builder_read_entry(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail)
{
	(void)key;
	struct builder *builder = target;
	const struct yaml_event start = *value;
	if (builder->list->count == MEMBERSHIP_MAX_ENTRIES)
		return detail_set(detail, IOTPKI_ERR_LIMIT, start.start.line, start.start.column,
				  "more than %lu members", MEMBERSHIP_MAX_ENTRIES);
	/* Not zeroed as a whole: it is large, and required keys fill the rest. */
	struct entry entry;
	entry.builder = builder;
	entry.rights = &builder->rights;
	entry.label[0] = '\0';
	entry.denied = entry.has_ssh = false;
	entry.registration_count = entry.host_count = 0;
	entry.role = NULL;
	enum iotpki_err err =
		yaml_mapping(reader, value, entry_keys, ARRAY_LEN(entry_keys), &entry, detail);
	if (err == IOTPKI_OK)
		err = check_agreement(&entry, detail);
	if (err != IOTPKI_OK)
		return err;
	struct member *member = builder_slot(builder);
	if (member == NULL || !store(builder, &entry, member))
		return IOTPKI_ERR_NOMEM;
	builder->host_count += entry.host_count;
	return builder_commit(builder, &start.start);
}
