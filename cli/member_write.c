/* member add, renew, remove, deny, allow: edits of the list that keep its comments. */
#include "cli/member.h"

#include <string.h>

#include "base/parse.h"

/* The text of one of the list's files. */
static enum cli_exit read_text(struct cli *cli, const struct member_list *members, const char *file,
			       struct buf *text)
{
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = fs_read(file, &members->trust, text, &detail);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

/* What add and renew hold while they work. */
struct work {
	struct config config;
	struct iotpki_cert cert;
	char pem[IOTPKI_CERT_PEM_MAX];
	struct member_answer answer;
	struct member_edit edit;
};

static void take_answer(struct work *work)
{
	work->edit.name = work->cert.name;
	work->edit.cert_pem = work->pem;
	work->edit.ssh = work->answer.has_ssh ? work->answer.ssh : NULL;
	work->edit.registrations = work->answer.registrations;
	work->edit.registration_count = work->answer.registration_count;
}

static enum cli_exit add_locked(struct cli *cli, const struct cli_arguments *arguments,
				struct work *work)
{
	CLEANUP(member_close) struct member_list members;
	enum cli_exit exit = member_open(cli, true, &members);
	CLEANUP(buf_done) struct buf text = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	if (exit == CLI_OK)
		exit = read_text(cli, &members, members.path, &text);
	if (exit != CLI_OK)
		return exit;
	if (membership_by_name(members.list, work->cert.name) != NULL)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%s is a member already; iotpki member renew takes its present "
				 "registration",
				 work->cert.name);
	struct iotpki_detail detail = { 0 };
	CLEANUP(buf_done) struct buf out = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	const enum iotpki_err err = membership_edit_add(members.path, buf_text(&text), text.len,
							&work->edit, &out, &detail);
	if (err != IOTPKI_OK) {
		detail_where(&detail, members.path);
		return cli_fail(cli, err, &detail);
	}
	return member_store(cli, arguments, &members, members.path, &out, NULL);
}

static enum cli_exit add_arguments(struct cli *cli, const struct cli_arguments *arguments,
				   struct work *work)
{
	const char *cert = cli_value(arguments, "cert");
	const char *expires = cli_value(arguments, "expires");
	work->edit.role = cli_value(arguments, "role");
	work->edit.label = cli_value(arguments, "label");
	work->edit.hosts = cli_values(arguments, "host", &work->edit.host_count);
	if (cert == NULL || work->edit.role == NULL || expires == NULL)
		return cli_error(cli, CLI_USAGE,
				 "member add needs --cert FILE, --role ROLE and --expires TIME");
	if (!cli_time(cli, expires, &work->edit.ends_s))
		return CLI_USAGE;
	if (work->edit.ends_s <= cli->clock->now_s(cli->clock))
		return cli_error(cli, CLI_USAGE, "--expires is in the past");
	return cli_read_cert(cli, cert, &work->cert, work->pem);
}

enum cli_exit member_add(struct cli *cli, const struct cli_arguments *arguments)
{
	AUTO_FREE struct work *work = calloc(1, sizeof(*work));
	if (work == NULL)
		return cli_fail(cli, IOTPKI_ERR_NOMEM, NULL);
	enum cli_exit exit = add_arguments(cli, arguments, work);
	if (exit == CLI_OK)
		exit = cli_load_config(cli, &work->config);
	/* Paper IV-A step 2: the NVS first. The lock is not held while B-nodes are waited for. */
	if (exit == CLI_OK)
		exit = member_ask(cli, &work->config, &work->cert, &work->answer);
	if (exit != CLI_OK)
		return exit;
	take_answer(work);
	exit = add_locked(cli, arguments, work);
	if (exit != CLI_OK)
		return exit;
	cli_say(cli, "%s %s, role %s", cli_flag(arguments, "dry-run") ? "would add" : "added",
		work->cert.name, work->edit.role);
	cli_result(cli, json_pack("{s:s, s:s}", "name", work->cert.name, "role", work->edit.role));
	return CLI_OK;
}

/* The certificate of --cert, or the one that the list has. */
static enum cli_exit renew_cert(struct cli *cli, const struct cli_arguments *arguments,
				const struct member_list *members, const struct member *member,
				struct work *work)
{
	const char *path = cli_value(arguments, "cert");
	if (path != NULL) {
		const enum cli_exit exit = cli_read_cert(cli, path, &work->cert, work->pem);
		if (exit != CLI_OK)
			return exit;
		if (strcmp(work->cert.name, member->name) != 0)
			return cli_error(cli, CLI_CONFIGURATION,
					 "the certificate is of %s, not of %s", work->cert.name,
					 member->name);
		return CLI_OK;
	}
	CLEANUP(buf_done) struct buf text = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	const enum cli_exit exit =
		read_text(cli, members, membership_file(members->list, member), &text);
	if (exit != CLI_OK)
		return exit;
	CLEANUP(buf_done) struct buf pem = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	struct iotpki_detail detail = { 0 };
	uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t len = sizeof(der);
	enum iotpki_err err =
		membership_certificate(buf_text(&text), text.len, member->name, &pem, &detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_from_pem(buf_text(&pem), pem.len, der, &len, &detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_check(der, len, &work->cert, &detail);
	if (err == IOTPKI_OK)
		err = iotpki_cert_to_pem(der, len, work->pem, sizeof(work->pem));
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

static enum cli_exit renew_locked(struct cli *cli, const struct cli_arguments *arguments,
				  struct work *work)
{
	CLEANUP(member_close) struct member_list members;
	enum cli_exit exit = member_open(cli, true, &members);
	if (exit != CLI_OK)
		return exit;
	const struct member *member = member_find(cli, &members, work->cert.name);
	if (member == NULL)
		return CLI_NOT_MEMBER;
	if (work->edit.ends_s == 0)
		work->edit.ends_s = member->ends_s;
	const char *file = membership_file(members.list, member);
	CLEANUP(buf_done) struct buf text = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	CLEANUP(buf_done) struct buf out = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	exit = read_text(cli, &members, file, &text);
	if (exit != CLI_OK)
		return exit;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		membership_edit_renew(file, buf_text(&text), text.len, &work->edit, &out, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	return member_store(cli, arguments, &members, file, &out, NULL);
}

static enum cli_exit renew_prepare(struct cli *cli, const struct cli_arguments *arguments,
				   struct work *work)
{
	const char *expires = cli_value(arguments, "expires");
	if (expires != NULL && !cli_time(cli, expires, &work->edit.ends_s))
		return CLI_USAGE;
	CLEANUP(member_close) struct member_list members;
	enum cli_exit exit = cli_load_config(cli, &work->config);
	if (exit != CLI_OK)
		return exit;
	exit = member_open(cli, false, &members);
	if (exit != CLI_OK)
		return exit;
	const struct member *member = member_find(cli, &members, arguments->positional[0]);
	if (member == NULL)
		return CLI_NOT_MEMBER;
	return renew_cert(cli, arguments, &members, member, work);
}

enum cli_exit member_renew(struct cli *cli, const struct cli_arguments *arguments)
{
	AUTO_FREE struct work *work = calloc(1, sizeof(*work));
	if (work == NULL)
		return cli_fail(cli, IOTPKI_ERR_NOMEM, NULL);
	enum cli_exit exit = renew_prepare(cli, arguments, work);
	if (exit == CLI_OK)
		exit = member_ask(cli, &work->config, &work->cert, &work->answer);
	if (exit != CLI_OK)
		return exit;
	take_answer(work);
	exit = renew_locked(cli, arguments, work);
	if (exit != CLI_OK)
		return exit;
	char until[TIME_TEXT_SIZE];
	time_format(work->edit.ends_s, until);
	cli_say(cli, "%s %s until %s", cli_flag(arguments, "dry-run") ? "would renew" : "renewed",
		work->cert.name, until);
	cli_result(cli, json_pack("{s:s, s:s}", "name", work->cert.name, "expires", until));
	return CLI_OK;
}

/* One change of one entry: value of a key, or (key NULL) the entry's removal. */
struct change {
	const char *key, *value;
	const char *done, *would;
	const char *question; /* NULL: not asked */
};

static enum cli_exit apply(struct cli *cli, const struct cli_arguments *arguments,
			   const struct change *change)
{
	CLEANUP(member_close) struct member_list members;
	enum cli_exit exit = member_open(cli, true, &members);
	if (exit != CLI_OK)
		return exit;
	const struct member *member = member_find(cli, &members, arguments->positional[0]);
	if (member == NULL)
		return CLI_NOT_MEMBER;
	const bool dry = cli_flag(arguments, "dry-run");
	if (change->question != NULL && !dry &&
	    !cli_confirm(cli, arguments, "%s %s %s?", change->question, member->name,
			 member->label))
		return CLI_USAGE;
	const char *file = membership_file(members.list, member);
	CLEANUP(buf_done) struct buf text = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	CLEANUP(buf_done) struct buf out = BUF_INIT(MEMBERSHIP_MAX_BYTES);
	exit = read_text(cli, &members, file, &text);
	if (exit != CLI_OK)
		return exit;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err =
		change->key == NULL
			? membership_edit_remove(file, buf_text(&text), text.len, member->name,
						 &out, &detail)
			: membership_edit_set(file, buf_text(&text), text.len, member->name,
					      change->key, change->value, &out, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	const bool refuses = change->key == NULL || change->value != NULL;
	exit = member_store(cli, arguments, &members, file, &out, refuses ? member->name : NULL);
	if (exit != CLI_OK)
		return exit;
	cli_say(cli, "%s %s", dry ? change->would : change->done, member->name);
	cli_result(cli, json_pack("{s:s}", "name", member->name));
	return CLI_OK;
}

enum cli_exit member_remove(struct cli *cli, const struct cli_arguments *arguments)
{
	static const struct change change = { NULL, NULL, "removed", "would remove",
					      "Take off the list:" };
	return apply(cli, arguments, &change);
}

enum cli_exit member_deny(struct cli *cli, const struct cli_arguments *arguments)
{
	static const struct change change = { "denied", "yes", "denied", "would deny", NULL };
	const enum cli_exit exit = apply(cli, arguments, &change);
	/* A list that is broken elsewhere must not keep anybody in who has to be kept out now. */
	if (exit == CLI_CONFIGURATION && !cli_flag(arguments, "dry-run"))
		member_refuse_now(cli, arguments->positional[0]);
	return exit;
}

enum cli_exit member_allow(struct cli *cli, const struct cli_arguments *arguments)
{
	static const struct change change = { "denied", NULL, "allowed", "would allow", NULL };
	return apply(cli, arguments, &change);
}
