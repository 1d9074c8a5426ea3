/* Inside of the membership list: a generation, and what exists only while it is made. */
#pragma once

#include "base/digest.h"
#include "config/arena.h"
#include "config/membership.h"
#include "config/ssh_options.h"
#include "format/yaml.h"

#define MEMBERSHIP_CHUNK 1024 /* members; a table that is never moved while it grows */
#define MEMBERSHIP_CHUNKS (MEMBERSHIP_MAX_ENTRIES / MEMBERSHIP_CHUNK + 1)
#define MEMBERSHIP_FILES_MAX 4096
#define MEMBERSHIP_ROLES_MAX 256
#define MEMBERSHIP_WORDS_MAX 64 /* accounts or services of one role or entry */
#define MEMBERSHIP_HOSTS_MAX 64 /* of one entry */
#define MEMBERSHIP_HOST_MAX 255 /* bytes */
#define MEMBERSHIP_LABEL_MAX 64 /* bytes */

/** Rights that several entries share; key is what makes two of them one. */
struct rights_node {
	struct member_rights rights;
	const char *key;
	size_t key_len;
	struct rights_node *next_in_slot;
	struct rights_node *next;
};
#define RIGHTS_SLOTS 1024

/** An open-addressed table of numbers; 0 is an empty slot. */
struct index_table {
	uint32_t *slots;
	uint32_t size;
};

/** A file of the list and the index of its first member; the newest first. */
struct list_file {
	const char *path;
	size_t first;
	const struct list_file *next;
};

struct membership {
	unsigned int references;
	const struct list_file *files;
	struct arena arena;
	size_t count;
	struct member *chunks[MEMBERSHIP_CHUNKS];
	struct index_table by_name;        /* index + 1 */
	struct index_table by_cert;        /* index + 1 */
	struct index_table by_fingerprint; /* 2 * index + (1: by ssh:) + 1 */
	struct rights_node *rights;        /* all of them */
	uint8_t digest[IOTPKI_SHA256_LEN];
};

/** Where an entry began. */
struct position {
	uint32_t line;
	uint16_t column;
	uint16_t file;
};

/** Rights as they are read; what an entry does not say is its role's. */
struct rights_draft {
	bool has_users, has_services, has_options, has_soft_fail;
	bool soft_fail;
	size_t user_count, service_count;
	char users[MEMBERSHIP_WORDS_MAX][CONFIG_WORD_MAX + 1];
	char services[MEMBERSHIP_WORDS_MAX][CONFIG_WORD_MAX + 1];
	struct ssh_options options;
};

struct role {
	const char *name;
	const struct member_rights *rights;
};

struct builder {
	struct membership *list;
	const char *files[MEMBERSHIP_FILES_MAX];
	size_t file_count;
	struct position *positions; /* of each member, list order */
	size_t position_size;
	struct role roles[MEMBERSHIP_ROLES_MAX];
	size_t role_count;
	const struct role *last_role;
	struct rights_node *rights_slots[RIGHTS_SLOTS];
	const char *networks[IOTPKI_NODES_MAX];
	size_t network_count;
	size_t host_count; /* of all members */
	bool part;         /* a file of members.d: no roles in it */
	bool any_role;     /* a part is looked at alone: its roles stand elsewhere */
	struct rights_draft rights;
};

/** All of a builder but the list, which the caller has. */
void builder_freep(struct builder **builder);
enum iotpki_err builder_new(struct builder **builder_out) MUST_CHECK;
/** Append one file's text to the list. */
enum iotpki_err builder_read(struct builder *builder, const char *path,
			     const struct yaml_source *source, size_t cap,
			     struct iotpki_detail *detail) MUST_CHECK;
/** The next member, zeroed; it counts once builder_commit is called. NULL: no memory. */
struct member *builder_slot(struct builder *builder);
enum iotpki_err builder_commit(struct builder *builder, const struct yaml_mark *at) MUST_CHECK;
/** The shared copy of these rights over the role's (NULL: of a role itself). NULL: no memory or too long. */
const struct member_rights *builder_rights(struct builder *builder,
					   const struct member_rights *role);
/** Keys of one entry (membership_entry.c). */
enum iotpki_err builder_read_entry(struct yaml_reader *reader, const struct yaml_event *value,
				   const struct yaml_key *key, void *target,
				   struct iotpki_detail *detail) MUST_CHECK;
/** users, services, ssh_options, soft_fail: readers over builder->rights (membership_rights.c). */
yaml_value_fn rights_read_users, rights_read_services, rights_read_options, rights_read_soft_fail;
/** `roles:` as a whole. */
yaml_value_fn builder_read_roles;

/** Make the indexes; two entries with one name, certificate, key or host are an error at the later one. */
enum iotpki_err membership_make_indexes(struct builder *builder,
					struct iotpki_detail *detail) MUST_CHECK;
void membership_drop_indexes(struct membership *list);

/** A file of members.d alone: its roles may stand elsewhere. For edits. */
enum iotpki_err membership_parse_part(const char *path, const char *text, size_t len,
				      struct membership **list_out,
				      struct iotpki_detail *detail) MUST_CHECK;
/** Whether a path is one of a members.d folder. */
bool membership_path_is_part(const char *path);
