/* The noun member: its verbs, the list opened, shown and stored. */
#include "cli/member.h"

#include <inttypes.h>
#include <string.h>

#include <iotpki/client.h>

#include "base/parse.h"

#define DRY_RUN_OPTION                                                          \
	{                                                                       \
		"dry-run", NULL, "only check, and say what would change", false \
	}

static const struct cli_option add_options[] = {
	{ "cert", "FILE", "the member's certificate, PEM; its CN is the name", false },
	{ "role", "ROLE", "a role of members.yaml", false },
	{ "expires", "TIME", "end of the membership: RFC 3339 UTC or e.g. 365d", false },
	{ "label", "TEXT", "what people call the member", false },
	{ "host", "PATTERN", "a host name of the member, for known-hosts", true },
	DRY_RUN_OPTION,
	{ 0 },
};
static const struct cli_option renew_options[] = {
	{ "expires", "TIME", "another end of the membership", false },
	{ "cert", "FILE", "another certificate of the same name", false },
	DRY_RUN_OPTION,
	{ 0 },
};
static const struct cli_option remove_options[] = {
	{ "yes", NULL, "do not ask", false },
	DRY_RUN_OPTION,
	{ 0 },
};
static const struct cli_option edit_options[] = { DRY_RUN_OPTION, { 0 } };

static enum cli_exit list_all(struct cli *cli, const struct cli_arguments *arguments);
static enum cli_exit show_one(struct cli *cli, const struct cli_arguments *arguments);

const struct cli_verb cli_member_verbs[] = {
	{ "member", "add", NULL, 0, 0, "add a member whose name the B-nodes confirm", add_options,
	  member_add },
	{ "member", "list", NULL, 0, 0, "all members, with their state", NULL, list_all },
	{ "member", "show", "NAME", 1, 1, "all of one member", NULL, show_one },
	{ "member", "renew", "NAME", 1, 1, "take the present registration, end or certificate",
	  renew_options, member_renew },
	{ "member", "remove", "NAME", 1, 1, "take a member off the list", remove_options,
	  member_remove },
	{ "member", "deny", "NAME", 1, 1, "refuse a member, at once", edit_options, member_deny },
	{ "member", "allow", "NAME", 1, 1, "end a denial", edit_options, member_allow },
	{ "member", "check", "[NAME]", 0, 1, "ask the B-nodes about one member or all", NULL,
	  member_check },
	{ 0 },
};

static enum cli_exit lock(struct cli *cli, struct member_list *members)
{
	char path[PATH_MAX + 8];
	struct iotpki_detail detail = { 0 };
	(void)snprintf(path, sizeof(path), "%s.lock", members->path);
	const enum iotpki_err err = fs_lock(path, &members->lock, &detail);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

enum cli_exit member_open(struct cli *cli, bool write, struct member_list *members)
{
	*members = (struct member_list){ .trust = cli_trust(), .lock = -1 };
	if (!cli_beside_config(cli, "members.yaml", members->path, sizeof(members->path)))
		return CLI_USAGE;
	if (write) {
		const enum cli_exit exit = lock(cli, members);
		if (exit != CLI_OK)
			return exit;
	}
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		membership_load(members->path, &members->trust, &members->list, &detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%s does not exist; begin with \"version: 1\" and your roles "
				 "(see iotpki-members.yaml(5))",
				 members->path);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

void member_close(struct member_list *members)
{
	membership_unrefp(&members->list);
	fs_close(&members->lock);
	members->lock = -1;
}

const struct member *member_find(struct cli *cli, const struct member_list *members,
				 const char *name)
{
	const struct member *found = membership_by_name(members->list, name);
	if (found != NULL)
		return found;
	size_t count = 0;
	for (size_t i = 0; i < membership_count(members->list); i++) {
		const struct member *member = membership_at(members->list, i);
		if (strcmp(member->label, name) != 0 || name[0] == '\0')
			continue;
		found = member;
		count++;
	}
	if (count == 1)
		return found;
	cli->reason = iotpki_reason_name(IOTPKI_NOT_MEMBER);
	(void)cli_error(cli, CLI_NOT_MEMBER,
			count == 0 ? "\"%.64s\" is not a member"
				   : "several members have the label \"%.64s\"; use the name",
			name);
	return NULL;
}

/* Whoever is denied or removed is refused also if the agent cannot take the list, say of a full disk. */
static void refuse_at_agent(struct cli *cli, const char *name, struct iotpki_client_answer *answer)
{
	const struct iotpki_client_field field = { "name", name };
	const enum iotpki_client_status status =
		iotpki_client_ask(cli->socket_path, "deny", &field, 1, 0, answer);
	if (status == IOTPKI_CLIENT_NO_AGENT)
		return;
	if (status == IOTPKI_CLIENT_OK && answer->word == IOTPKI_CLIENT_DONE)
		cli_warn(cli, "the agent refuses %s until it is restarted or takes a list", name);
	else
		cli_warn(cli, "the agent may still admit %s", name);
}

void member_refuse_now(struct cli *cli, const char *name)
{
	AUTO_FREE struct iotpki_client_answer *answer = malloc(sizeof(*answer));
	if (answer != NULL && iotpki_name_valid(name, strlen(name)))
		refuse_at_agent(cli, name, answer);
}

/* The agent reads the new list at once; without an agent there is nobody to tell. */
static void tell_agent(struct cli *cli, const char *refused)
{
	AUTO_FREE struct iotpki_client_answer *answer = malloc(sizeof(*answer));
	if (answer == NULL)
		return;
	const enum iotpki_client_status status =
		iotpki_client_ask(cli->socket_path, "reload", NULL, 0, 0, answer);
	if (status == IOTPKI_CLIENT_NO_AGENT) {
		cli_verbose(cli, "no agent is running here");
		return;
	}
	if (status != IOTPKI_CLIENT_OK) {
		cli_warn(cli, "the agent was not told: %s", iotpki_client_strerror(status));
	} else if (answer->word != IOTPKI_CLIENT_DONE) {
		const char *why = iotpki_client_value(answer, "error");
		cli_warn(cli, "the agent did not take the list: %.200s",
			 why != NULL ? why : "refused");
	} else {
		return;
	}
	if (refused != NULL)
		refuse_at_agent(cli, refused, answer);
}

enum cli_exit member_store(struct cli *cli, const struct cli_arguments *arguments,
			   const struct member_list *members, const char *file,
			   const struct buf *text, const char *refused)
{
	const struct membership_replacement with = { file, buf_text(text), text->len };
	CLEANUP(membership_unrefp) struct membership *after = NULL;
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err =
		membership_load_with(members->path, &members->trust, &with, &after, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	if (cli_flag(arguments, "dry-run")) {
		cli_say(cli, "%s would be written; members then: %zu", file,
			membership_count(after));
		return CLI_OK;
	}
	err = fs_write(file, text->data, text->len, 0640, true, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	tell_agent(cli, refused);
	return CLI_OK;
}

const char *member_state(struct cli *cli, const struct member *member)
{
	/* The same order as the decision's (design 4.2). */
	if (cli->clock->now_s(cli->clock) >= member->ends_s)
		return "expired";
	return member->denied ? "denied" : "active";
}

static json_t *words_json(const char *const *words, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(array, json_string(words[i]));
	return array;
}

json_t *member_json(struct cli *cli, const struct member *member)
{
	char expires[TIME_TEXT_SIZE], sha256[2 * IOTPKI_SHA256_LEN + 1];
	char key[IOTPKI_FINGERPRINT_TEXT_SIZE], ssh[IOTPKI_FINGERPRINT_TEXT_SIZE] = "";
	time_format(member->ends_s, expires);
	hex_encode(member->sha256, IOTPKI_SHA256_LEN, sha256);
	iotpki_fingerprint_format(member->key, key);
	if (member->has_ssh)
		iotpki_fingerprint_format(member->ssh, ssh);
	json_t *registrations = json_object();
	for (size_t i = 0; i < member->registration_count; i++) {
		char id[2 * IOTPKI_SHA256_LEN + 1];
		hex_encode(member->registrations[i].id, IOTPKI_SHA256_LEN, id);
		(void)json_object_set_new(registrations, member->registrations[i].network,
					  json_string(id));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s}",
			 "name", member->name, "label", member->label, "role", member->role,
			 "state", member_state(cli, member), "expires", expires, "sha256", sha256,
			 "key", key, "ssh", ssh, "registrations", registrations, "hosts",
			 words_json(member->hosts, member->host_count), "users",
			 words_json(member->rights->users, member->rights->user_count), "services",
			 words_json(member->rights->services, member->rights->service_count),
			 "ssh_options", member->rights->ssh_options);
}

static enum cli_exit list_all(struct cli *cli, const struct cli_arguments *arguments)
{
	(void)arguments;
	CLEANUP(member_close) struct member_list members;
	const enum cli_exit exit = member_open(cli, false, &members);
	if (exit != CLI_OK)
		return exit;
	json_t *all = json_array();
	for (size_t i = 0; i < membership_count(members.list); i++) {
		const struct member *member = membership_at(members.list, i);
		char expires[TIME_TEXT_SIZE];
		time_format(member->ends_s, expires);
		cli_print(cli, "%-36s  %-16s  %-12s  %s  %s", member->name, member->label,
			  member->role, expires, member_state(cli, member));
		(void)json_array_append_new(all, member_json(cli, member));
	}
	if (membership_count(members.list) == 0)
		cli_say(cli, "the list has no members");
	cli_result(cli, json_pack("{s:o}", "members", all));
	return CLI_OK;
}

static void print_words(struct cli *cli, const char *what, const char *const *words, size_t count)
{
	CLEANUP(buf_done) struct buf line = BUF_INIT(64 * 1024);
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&line, " %s", words[i]);
	cli_print(cli, "%-14s%s", what, count == 0 ? " -" : buf_text(&line));
}

static void print_member(struct cli *cli, const struct member *member, const char *file)
{
	char expires[TIME_TEXT_SIZE], sha256[2 * IOTPKI_SHA256_LEN + 1];
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	time_format(member->ends_s, expires);
	hex_encode(member->sha256, IOTPKI_SHA256_LEN, sha256);
	iotpki_fingerprint_format(member->key, fingerprint);
	cli_print(cli, "name           %s", member->name);
	cli_print(cli, "label          %s", member->label[0] != '\0' ? member->label : "-");
	cli_print(cli, "state          %s", member_state(cli, member));
	cli_print(cli, "role           %s", member->role);
	cli_print(cli, "expires        %s", expires);
	cli_print(cli, "sha256         %s", sha256);
	cli_print(cli, "key            %s", fingerprint);
	if (member->has_ssh) {
		iotpki_fingerprint_format(member->ssh, fingerprint);
		cli_print(cli, "ssh            %s", fingerprint);
	}
	for (size_t i = 0; i < member->registration_count; i++) {
		char id[2 * IOTPKI_SHA256_LEN + 1];
		hex_encode(member->registrations[i].id, IOTPKI_SHA256_LEN, id);
		cli_print(cli, "registration   %s: %s", member->registrations[i].network, id);
	}
	print_words(cli, "accounts", member->rights->users, member->rights->user_count);
	print_words(cli, "services", member->rights->services, member->rights->service_count);
	cli_print(cli, "ssh options    %s", member->rights->ssh_options);
	print_words(cli, "hosts", member->hosts, member->host_count);
	cli_print(cli, "file           %s", file);
}

static enum cli_exit show_one(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(member_close) struct member_list members;
	const enum cli_exit exit = member_open(cli, false, &members);
	if (exit != CLI_OK)
		return exit;
	const struct member *member = member_find(cli, &members, arguments->positional[0]);
	if (member == NULL)
		return CLI_NOT_MEMBER;
	print_member(cli, member, membership_file(members.list, member));
	cli_result(cli, member_json(cli, member));
	return CLI_OK;
}
