/*
 * iotpki verify: asks the B-nodes and decides, with libiotpki and without the
 * agent, and says why. The verdict is iotpki_decide()'s alone.
 */
#include <inttypes.h>
#include <string.h>

#include <iotpki/cert.h>

#include "base/digest.h"
#include "base/parse.h"
#include "cli/ask.h"
#include "nvs/quorum.h"
#include "verify/verify.h"

enum { KEY_FILE_MAX = 16384 };

/* What is asked about, and who of the list may be meant by it. */
struct subject {
	struct verify_request request;
	char shown[IOTPKI_FINGERPRINT_TEXT_SIZE + 32];
	const char *named; /* the name that was asked for; NULL: asked by key or certificate */
};

/* What decided, in a sentence, and what the owner can do about it. */
static const struct {
	enum iotpki_reason reason;
	const char *rule;
	const char *todo;
} rules[] = {
	{ IOTPKI_REASON_NONE, "enough B-nodes agree, and none objects that counts", "" },
	{ IOTPKI_NOT_MEMBER, "the membership list has no such entry; no B-node was asked",
	  "iotpki member add, if it is to be admitted" },
	{ IOTPKI_MEMBER_EXPIRED, "the entry, or its certificate, is out of its time",
	  "iotpki member renew NAME --expires TIME" },
	{ IOTPKI_MEMBER_DENIED, "the entry says denied: yes; no B-node was asked",
	  "iotpki member allow NAME" },
	{ IOTPKI_NOT_PERMITTED, "the entry's role does not name this account or this service",
	  "compare users: and services: of the role with --user and --service" },
	{ IOTPKI_UNREGISTERED, "a B-node says that nobody holds the name",
	  "its owner: iotpki dm sync NAME" },
	{ IOTPKI_EXPIRED, "the registration of the name has ended",
	  "its owner: iotpki dm renew NAME --expires TIME" },
	{ IOTPKI_REVOKED, "the owner revoked the name; one B-node that says so is enough",
	  "iotpki member remove NAME; a revoked name never comes back" },
	{ IOTPKI_HASH_MISMATCH, "the record holds another certificate or key than the one shown",
	  "if the owner changed it: iotpki member renew NAME --cert FILE" },
	{ IOTPKI_REREGISTERED, "the name was registered anew, or the entry pins no registration",
	  "ask the owner; if it is right: iotpki member renew NAME" },
	{ IOTPKI_DISAGREE, "enough B-nodes agree, but another one objects",
	  "iotpki lookup NAME shows which; its owner: iotpki dm sync NAME" },
	{ IOTPKI_TOO_FEW_ANSWERS, "fewer B-nodes than query.answers gave a good answer",
	  "iotpki bnode test" },
	{ IOTPKI_NOT_READY, "a B-node is not ready, and the others are too few",
	  "iotpki bnode test" },
	{ IOTPKI_STALE,
	  "answers are older than they may be: a B-node is behind, or a clock is wrong",
	  "compare date -u here with iotpki bnode test" },
};

static size_t rule_index(enum iotpki_reason reason)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].reason == reason)
			return i;
	return 0;
}

/* ---- what is asked about ---- */

static enum cli_exit take_name(struct cli *cli, const struct ask *ask, const char *text,
			       struct subject *subject)
{
	subject->request.presented = IOTPKI_PRESENTED_NAME;
	(void)snprintf(subject->shown, sizeof(subject->shown), "nothing (asks by name)");
	subject->named = text;
	return ask_find(cli, ask->list, text, &subject->request.member);
}

/* The certificate keys of the list first, then the ssh: fingerprints (design 4.1). */
static enum cli_exit take_key(struct cli *cli, const struct ask *ask, const char *path,
			      struct subject *subject)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(KEY_FILE_MAX);
	const enum cli_exit exit = cli_read(cli, path, &text);
	if (exit != CLI_OK)
		return exit;
	if (strstr(buf_text(&text), "PRIVATE KEY-----") != NULL)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%.256s: this is a private key; --key takes the public one (.pub)",
				 path);
	size_t len = text.len;
	while (len > 0 && (text.data[len - 1] == '\n' || text.data[len - 1] == '\r'))
		len--;
	struct iotpki_sshkey key;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = iotpki_sshkey_parse_line(buf_text(&text), len, &key, &detail);
	detail_where(&detail, path);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	iotpki_fingerprint_format(key.fingerprint, fingerprint);
	(void)snprintf(subject->shown, sizeof(subject->shown), "ssh key %s", fingerprint);
	struct verify_request *request = &subject->request;
	request->presented = IOTPKI_PRESENTED_KEY;
	memcpy(request->presented_hash, key.fingerprint, IOTPKI_SHA256_LEN);
	request->member = membership_by_key(ask->list, key.fingerprint);
	/* A fingerprint is one member's: two that claim it are an error of the list. */
	if (request->member == NULL)
		request->member = membership_next_by_ssh(ask->list, key.fingerprint, NULL);
	return CLI_OK;
}

/* The hash first; one that the list does not hold is checked before its name is believed. */
static enum cli_exit take_cert(struct cli *cli, const struct ask *ask, const char *path,
			       struct subject *subject)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(IOTPKI_CERT_PEM_MAX);
	const enum cli_exit exit = cli_read(cli, path, &text);
	if (exit != CLI_OK)
		return exit;
	uint8_t der[IOTPKI_CERT_DER_MAX];
	size_t len = sizeof(der);
	struct verify_request *request = &subject->request;
	struct iotpki_cert cert = { 0 };
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = iotpki_cert_from_pem(buf_text(&text), text.len, der, &len, &detail);
	if (err == IOTPKI_OK)
		err = sha256(der, len, request->presented_hash);
	if (err == IOTPKI_OK)
		request->member = membership_by_cert(ask->list, request->presented_hash);
	if (err == IOTPKI_OK && request->member == NULL) {
		err = iotpki_cert_check(der, len, &cert, &detail);
		if (err == IOTPKI_OK)
			request->member = membership_by_name(ask->list, cert.name);
		request->cert_begins_s = cert.not_before_s;
		request->cert_ends_s = cert.not_after_s;
	}
	detail_where(&detail, path);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	request->presented = IOTPKI_PRESENTED_CERT;
	char hex[2 * IOTPKI_SHA256_LEN + 1];
	hex_encode(request->presented_hash, IOTPKI_SHA256_LEN, hex);
	(void)snprintf(subject->shown, sizeof(subject->shown), "certificate %.16s...", hex);
	return CLI_OK;
}

static enum cli_exit take_subject(struct cli *cli, const struct cli_arguments *arguments,
				  const struct ask *ask, struct subject *subject)
{
	const char *key = cli_value(arguments, "key");
	const char *cert = cli_value(arguments, "cert");
	subject->request.user = cli_value(arguments, "user");
	subject->request.service = cli_value(arguments, "service");
	if (key != NULL)
		return take_key(cli, ask, key, subject);
	if (cert != NULL)
		return take_cert(cli, ask, cert, subject);
	return take_name(cli, ask, arguments->positional[0], subject);
}

/* ---- deciding ---- */

/* Without --service: is it admitted to anything that its role names? */
static const char *service_of(const struct verify_request *request)
{
	if (request->service != NULL)
		return request->service;
	if (request->member == NULL || request->member->rights->service_count == 0)
		return "";
	return request->member->rights->services[0];
}

static enum iotpki_err decide(struct cli *cli, struct ask *ask, const struct subject *subject,
			      struct verify_result *result)
{
	struct verify_request request = subject->request;
	request.service = service_of(&request);
	return verify_ask(ask->nvs, &ask->config, cli->clock, &request, result);
}

/* ---- saying ---- */

static void explain_entry(struct cli *cli, const struct subject *subject)
{
	const struct member *member = subject->request.member;
	const char *user = subject->request.user;
	cli_print(cli, "shown:    %s", subject->shown);
	const char *service = service_of(&subject->request);
	cli_print(cli, "asked:    account %s, service %s", user != NULL ? user : "(any)",
		  service[0] != '\0' ? service : "(any)");
	if (member == NULL) {
		cli_print(cli, "entry:    none");
		return;
	}
	char ends[TIME_TEXT_SIZE];
	char key[IOTPKI_FINGERPRINT_TEXT_SIZE];
	time_format(member->ends_s, ends);
	iotpki_fingerprint_format(member->key, key);
	cli_print(cli, "entry:    %s%s%s%s, role %s, until %s%s", member->name,
		  member->label[0] != '\0' ? " (" : "", member->label,
		  member->label[0] != '\0' ? ")" : "", member->role, ends,
		  member->denied ? ", denied" : "");
	char hex[2 * IOTPKI_SHA256_LEN + 1];
	hex_encode(member->sha256, IOTPKI_SHA256_LEN, hex);
	cli_print(cli, "          certificate %s", hex);
	cli_print(cli, "          key %s", key);
	if (member->has_ssh) {
		iotpki_fingerprint_format(member->ssh, key);
		cli_print(cli, "          ssh %s", key);
	}
	for (size_t i = 0; i < member->registration_count; i++) {
		hex_encode(member->registrations[i].id, IOTPKI_SHA256_LEN, hex);
		cli_print(cli, "          registration %s %s", member->registrations[i].network,
			  hex);
	}
}

/*
 * The decision stood before these answers came; they are shown for the person, and change nothing.
 * late_out: which nodes' answers they are.
 */
static void fetch_late(struct ask *ask, const struct subject *subject, struct verify_result *result,
		       bool late_out[static IOTPKI_NODES_MAX])
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	const enum iotpki_reason reason = result->decision.reason;
	const bool by_list = reason >= IOTPKI_NOT_MEMBER && reason <= IOTPKI_NOT_PERMITTED;
	if (by_list || nvs_ask_wait(ask->nvs, subject->request.member->name, answers) != IOTPKI_OK)
		return;
	for (size_t i = 0; i < result->answer_count; i++) {
		if (result->answers[i].outcome != IOTPKI_OUTCOME_PENDING)
			continue;
		result->answers[i] = answers[i];
		const struct quorum_time time = { result->decision.now_s, answers[i].asked_s };
		result->decision.judged[i] = quorum_judge(&answers[i], &time, true);
		late_out[i] = true;
	}
}

static void explain_node(struct cli *cli, const struct ask *ask, const struct verify_result *result,
			 size_t node, bool late)
{
	char words[ASK_WORDS_MAX];
	const char *name = ask->config.nodes[node].name;
	const enum iotpki_outcome judged = result->decision.judged[node];
	const enum iotpki_reason objection = result->decision.objections[node];
	if (judged == IOTPKI_OUTCOME_PENDING) {
		cli_print(cli, "  %-8s not asked", name);
		return;
	}
	ask_words(&result->answers[node], judged, result->decision.now_s, words);
	const bool good =
		judged >= IOTPKI_OUTCOME_REGISTERED && judged <= IOTPKI_OUTCOME_UNREGISTERED;
	if (late)
		cli_print(cli, "  %-8s %s: not waited for", name, words);
	else if (good && objection == IOTPKI_REASON_NONE)
		cli_print(cli, "  %-8s %s: agrees", name, words);
	else if (good)
		cli_print(cli, "  %-8s %s: objects, %s", name, words,
			  iotpki_reason_name(objection));
	else
		cli_print(cli, "  %-8s %s", name, words);
	ask_trouble(cli, ask, node, judged);
}

static void explain(struct cli *cli, struct ask *ask, const struct subject *subject,
		    const struct verify_result *decided)
{
	struct verify_result result = *decided;
	const struct iotpki_decision *decision = &result.decision;
	bool late[IOTPKI_NODES_MAX] = { false };
	char now[TIME_TEXT_SIZE];
	fetch_late(ask, subject, &result, late);
	explain_entry(cli, subject);
	time_format(decision->now_s, now);
	cli_print(cli, "now:      %s", now);
	for (size_t i = 0; i < result.answer_count; i++)
		explain_node(cli, ask, &result, i, late[i]);
	cli_print(cli, "answers:  %u good, %u agree, %u of %zu must", decision->good,
		  decision->agreeing, ask->config.needed, ask->config.node_count);
	cli_print(cli, "rule:     %s", rules[rule_index(decision->reason)].rule);
}

static json_t *result_json(const struct ask *ask, const struct subject *subject,
			   const struct verify_result *result)
{
	const struct iotpki_decision *decision = &result->decision;
	const struct member *member = subject->request.member;
	json_t *nodes = json_array();
	for (size_t i = 0; i < result->answer_count; i++) {
		json_t *node =
			ask_json(&ask->config.nodes[i], &result->answers[i], decision->judged[i]);
		if (decision->objections[i] != IOTPKI_REASON_NONE)
			(void)json_object_set_new(
				node, "objection",
				json_string(iotpki_reason_name(decision->objections[i])));
		(void)json_array_append_new(nodes, node);
	}
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:i, s:I, s:o}",
			 "verdict", iotpki_verdict_name(decision->verdict), "reason",
			 iotpki_reason_name(decision->reason), "reason_code", (int)decision->reason,
			 "error", iotpki_reason_paper_text(decision->reason), "name",
			 member != NULL ? member->name : "", "label",
			 member != NULL ? member->label : "", "soft", decision->soft, "followed",
			 decision->followed, "good", (int)decision->good, "agreeing",
			 (int)decision->agreeing, "needed", (int)ask->config.needed, "now",
			 (json_int_t)decision->now_s, "nodes", nodes);
}

/* The advice with the member's name in place of NAME, to be pasted as it is. */
static void say_todo(struct cli *cli, const struct member *member, const char *todo)
{
	static const char mark[] = "NAME";
	const char *at = strstr(todo, mark);
	if (todo[0] == '\0')
		return;
	if (member == NULL || at == NULL)
		cli_say(cli, "what to do: %s", todo);
	else
		cli_say(cli, "what to do: %.*s%s%s", (int)(at - todo), todo, member->name,
			at + sizeof(mark) - 1);
}

static void say(struct cli *cli, const struct subject *subject, const struct verify_result *result)
{
	const struct iotpki_decision *decision = &result->decision;
	const struct member *member = subject->request.member;
	const char *unknown = subject->named != NULL ? subject->named : subject->shown;
	const char *who = member != NULL ? member->name : unknown;
	const char *label = member != NULL ? member->label : "";
	const char *paper = iotpki_reason_paper_text(decision->reason);
	char reason[64] = "";
	if (decision->reason != IOTPKI_REASON_NONE)
		(void)snprintf(reason, sizeof(reason), " %s (IPK-%d)",
			       iotpki_reason_name(decision->reason), (int)decision->reason);
	cli_print(cli, "%s%s: %s%s%s%s%s%s%s", iotpki_verdict_name(decision->verdict), reason, who,
		  label[0] != '\0' ? " (" : "", label, label[0] != '\0' ? ")" : "",
		  paper[0] != '\0' ? ": " : "", paper,
		  decision->followed ? ", by a certificate or key newer than the list's" : "");
	say_todo(cli, member, rules[rule_index(decision->reason)].todo);
}

static enum cli_exit run(struct cli *cli, const struct cli_arguments *arguments)
{
	struct subject subject = { 0 };
	struct verify_result result;
	const size_t given = arguments->positional_count + cli_flag(arguments, "key") +
			     cli_flag(arguments, "cert");
	if (given != 1)
		return cli_error(cli, CLI_USAGE, "verify takes one of NAME, --key and --cert");
	CLEANUP(ask_close) struct ask ask;
	enum cli_exit exit = ask_open(cli, ASK_LIST | ASK_NODES, &ask);
	if (exit == CLI_OK)
		exit = take_subject(cli, arguments, &ask, &subject);
	if (exit != CLI_OK)
		return exit;
	const enum iotpki_err err = decide(cli, &ask, &subject, &result);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, NULL);
	if (cli_flag(arguments, "explain"))
		explain(cli, &ask, &subject, &result);
	say(cli, &subject, &result);
	cli_result(cli, result_json(&ask, &subject, &result));
	cli->reason = iotpki_reason_name(result.decision.reason);
	return (enum cli_exit)iotpki_decision_exit_code(result.decision.verdict,
							result.decision.reason);
}

static const struct cli_option options[] = {
	{ "key", "FILE", "an ssh public key, as in a .pub file", false },
	{ "cert", "FILE", "a certificate, PEM", false },
	{ "user", "ACCOUNT", "for this account (without: for any)", false },
	{ "service", "SERVICE", "for this service (without: for the first of its role)", false },
	{ "explain", NULL, "show the entry, each answer, and what decided", false },
	{ NULL, NULL, NULL, false },
};

const struct cli_verb cli_verify_verbs[] = {
	{ "verify", NULL, "[NAME]", 0, 1, "ask the B-nodes about a member and decide", options,
	  run },
	{ 0 },
};
