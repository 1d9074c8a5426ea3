/* Questions to a list that was loaded. */
#include "config/membership.h"

#include <string.h>

#include "config/membership_list.h"

struct membership *membership_ref(struct membership *list)
{
	list->references++;
	return list;
}

void membership_unref(struct membership *list)
{
	if (list == NULL || --list->references > 0)
		return;
	for (size_t i = 0; i < MEMBERSHIP_CHUNKS && list->chunks[i] != NULL; i++)
		free(list->chunks[i]);
	membership_drop_indexes(list);
	arena_done(&list->arena);
	free(list);
}

void membership_unrefp(struct membership **list)
{
	membership_unref(*list);
	*list = NULL;
}

size_t membership_count(const struct membership *list)
{
	return list->count;
}

const uint8_t *membership_digest(const struct membership *list)
{
	return list->digest;
}

static bool named(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* The index of a member of this list, or its count. */
static size_t index_of(const struct membership *list, const struct member *member)
{
	for (size_t i = 0; i < MEMBERSHIP_CHUNKS && list->chunks[i] != NULL; i++)
		if (member >= list->chunks[i] && member < list->chunks[i] + MEMBERSHIP_CHUNK)
			return i * MEMBERSHIP_CHUNK + (size_t)(member - list->chunks[i]);
	return list->count;
}

const char *membership_file(const struct membership *list, const struct member *member)
{
	const size_t index = index_of(list, member);
	for (const struct list_file *file = list->files; file != NULL; file = file->next)
		if (file->first <= index)
			return file->path;
	return "";
}

const struct member *membership_next_by_account(const struct membership *list, const char *user,
						const struct member *after)
{
	/* Neighbours mostly share their rights: those are compared by text once a run. */
	const struct member_rights *last = NULL;
	bool good = false;
	for (size_t i = after == NULL ? 0 : index_of(list, after) + 1; i < list->count; i++) {
		const struct member *member = membership_at(list, i);
		if (member->rights != last) {
			last = member->rights;
			good = named(last->users, last->user_count, user);
		}
		if (good)
			return member;
	}
	return NULL;
}

bool membership_names_account(const struct membership *list, const char *user)
{
	for (const struct rights_node *node = list->rights; node != NULL; node = node->next)
		if (named(node->rights.users, node->rights.user_count, user))
			return true;
	return false;
}

bool member_permits(const struct member *member, const char *user, const char *service)
{
	const struct member_rights *rights = member->rights;
	if (user != NULL && !named(rights->users, rights->user_count, user))
		return false;
	return service == NULL || named(rights->services, rights->service_count, service);
}

static void fill_pins(const struct member *member, const struct config *config,
		      struct iotpki_decide_input *input)
{
	for (size_t r = 0; r < member->registration_count; r++) {
		const struct member_registration *registration = &member->registrations[r];
		for (size_t n = 0; n < config->network_count; n++) {
			if (strcmp(config->networks[n], registration->network) != 0)
				continue;
			input->pins[n].set = true;
			memcpy(input->pins[n].id, registration->id, IOTPKI_SHA256_LEN);
		}
	}
}

void membership_fill(const struct member *member, const struct config *config, const char *user,
		     const char *service, struct iotpki_decide_input *input)
{
	input->member = member != NULL;
	input->member_ends_s = 0;
	input->denied = false;
	input->permitted = false;
	memset(input->entry_sha256, 0, sizeof(input->entry_sha256));
	memset(input->entry_key, 0, sizeof(input->entry_key));
	memset(input->entry_ssh, 0, sizeof(input->entry_ssh));
	input->entry_has_ssh = false;
	input->cert_begins_s = input->cert_ends_s = 0;
	memset(input->pins, 0, sizeof(input->pins));
	if (member == NULL)
		return;
	input->member_ends_s = member->ends_s;
	input->denied = member->denied;
	input->permitted = member_permits(member, user, service);
	memcpy(input->entry_sha256, member->sha256, IOTPKI_SHA256_LEN);
	memcpy(input->entry_key, member->key, IOTPKI_SHA256_LEN);
	if (member->has_ssh) {
		input->entry_has_ssh = true;
		memcpy(input->entry_ssh, member->ssh, IOTPKI_SHA256_LEN);
	}
	input->cert_begins_s = member->cert_begins_s;
	input->cert_ends_s = member->cert_ends_s;
	fill_pins(member, config, input);
}
