/* Members and B-nodes: what stands behind a new entry, and whether it still stands. */
#include "cli/member.h"

#include <string.h>

#include "nvs/nvs.h"
#include "verify/verify.h"

static bool confirms(const struct iotpki_answer *answer, const struct iotpki_cert *cert)
{
	return answer->outcome == IOTPKI_OUTCOME_REGISTERED &&
	       memcmp(answer->record.sha256, cert->sha256, IOTPKI_SHA256_LEN) == 0;
}

static size_t votes_for(const struct iotpki_answer *answers, size_t count,
			const struct iotpki_cert *cert, const struct iotpki_answer *of)
{
	size_t votes = 0;
	for (size_t i = 0; i < count; i++)
		votes += confirms(&answers[i], cert) && answers[i].network == of->network &&
			 memcmp(answers[i].registration, of->registration, IOTPKI_SHA256_LEN) == 0;
	return votes;
}

/* The registration of each network that most of its confirming nodes name. */
static void choose_pins(const struct iotpki_answer *answers, size_t count,
			const struct iotpki_cert *cert, struct iotpki_registration_pin *pins)
{
	size_t best[IOTPKI_NODES_MAX] = { 0 };
	for (size_t i = 0; i < count; i++) {
		if (!confirms(&answers[i], cert))
			continue;
		const uint8_t network = answers[i].network;
		const size_t votes = votes_for(answers, count, cert, &answers[i]);
		if (votes <= best[network])
			continue;
		best[network] = votes;
		pins[network].set = true;
		memcpy(pins[network].id, answers[i].registration, IOTPKI_SHA256_LEN);
	}
}

/* An `ssh=` that as many nodes name as an admission needs. */
static void choose_ssh(const struct config *config, const struct iotpki_answer *answers,
		       size_t count, const struct iotpki_cert *cert, struct member_answer *out)
{
	for (size_t i = 0; i < count && !out->has_ssh; i++) {
		size_t votes = 0;
		if (!confirms(&answers[i], cert) || !answers[i].record.has_ssh)
			continue;
		for (size_t j = 0; j < count; j++)
			votes += confirms(&answers[j], cert) && answers[j].record.has_ssh &&
				 memcmp(answers[j].record.ssh, answers[i].record.ssh,
					IOTPKI_SHA256_LEN) == 0;
		out->has_ssh = votes >= config->needed;
		memcpy(out->ssh, answers[i].record.ssh, IOTPKI_SHA256_LEN);
	}
}

/* The one decision function judges the answers as if the entry stood there already. */
static void judge(struct cli *cli, const struct config *config, const struct iotpki_cert *cert,
		  const struct iotpki_answer *answers, const struct iotpki_registration_pin *pins,
		  struct iotpki_decision *decision)
{
	struct iotpki_decide_input input = {
		.member = true,
		.permitted = true,
		.member_ends_s = INT64_MAX,
		.cert_begins_s = cert->not_before_s,
		.cert_ends_s = cert->not_after_s,
		.presented = IOTPKI_PRESENTED_CERT,
		.answers = answers,
		.answer_count = config->node_count,
		.deadline = true,
		.needed = config->needed,
		.dissent = config->dissent,
		.clock_s = cli->clock->now_s(cli->clock),
		.build_s = CLOCK_BUILD_TIME_S,
	};
	memcpy(input.entry_sha256, cert->sha256, IOTPKI_SHA256_LEN);
	memcpy(input.entry_key, cert->key.fingerprint, IOTPKI_SHA256_LEN);
	memcpy(input.presented_hash, cert->sha256, IOTPKI_SHA256_LEN);
	memcpy(input.pins, pins, sizeof(input.pins));
	iotpki_decide(&input, decision);
}

static void tell_nodes(struct cli *cli, const struct config *config,
		       const struct iotpki_decision *decision)
{
	for (size_t i = 0; i < config->node_count; i++)
		cli_verbose(cli, "%s: %s", config->nodes[i].name,
			    iotpki_outcome_name(decision->judged[i]));
}

static enum cli_exit refuse(struct cli *cli, const struct iotpki_cert *cert,
			    const struct iotpki_decision *decision)
{
	const enum cli_exit exit =
		(enum cli_exit)iotpki_decision_exit_code(decision->verdict, decision->reason);
	const char *paper = iotpki_reason_paper_text(decision->reason);
	cli->reason = iotpki_reason_name(decision->reason);
	const char *todo = "the B-nodes do not confirm this certificate; see iotpki lookup";
	if (decision->verdict == IOTPKI_UNAVAILABLE)
		todo = "too few B-nodes confirm it now; try again, see iotpki bnode test";
	else if (decision->reason == IOTPKI_HASH_MISMATCH)
		todo = "the record holds another certificate than this one; pass that one with "
		       "--cert";
	return cli_error(cli, exit, "%s: %s%s%s (IPK-%d): %s", cert->name, paper,
			 paper[0] != '\0' ? ": " : "", cli->reason, (int)decision->reason, todo);
}

/*
 * Registrations are taken from the nodes that confirm the certificate. Where none does there is none
 * to compare with, and decide() says re-registered of every record; what differs is the hash.
 */
static void name_mismatch(const struct iotpki_answer *answers, size_t count,
			  const struct iotpki_cert *cert, struct iotpki_decision *decision)
{
	if (decision->reason != IOTPKI_REREGISTERED)
		return;
	for (size_t i = 0; i < count; i++)
		if (confirms(&answers[i], cert))
			return;
	decision->reason = IOTPKI_HASH_MISMATCH;
}

static void fill_answer(const struct config *config, const struct iotpki_registration_pin *pins,
			struct member_answer *out)
{
	for (size_t i = 0; i < config->network_count; i++) {
		if (!pins[i].set)
			continue;
		struct member_registration *to = &out->registrations[out->registration_count++];
		to->network = config->networks[i];
		memcpy(to->id, pins[i].id, IOTPKI_SHA256_LEN);
	}
}

enum cli_exit member_ask(struct cli *cli, const struct config *config,
			 const struct iotpki_cert *cert, struct member_answer *answer_out)
{
	*answer_out = (struct member_answer){ 0 };
	if (config->node_count == 0)
		return cli_error(cli, CLI_CONFIGURATION,
				 "%s names no B-nodes; nobody can confirm a member",
				 cli->config_path);
	CLEANUP(nvs_freep) struct nvs *nvs = NULL;
	enum iotpki_err err = nvs_new(config, cli->clock, cli->random, &nvs);
	AUTO_FREE struct iotpki_answer *answers = calloc(IOTPKI_NODES_MAX, sizeof(*answers));
	if (err == IOTPKI_OK && answers == NULL)
		err = IOTPKI_ERR_NOMEM;
	if (err == IOTPKI_OK)
		err = nvs_ask_wait(nvs, cert->name, answers);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, NULL);
	struct iotpki_registration_pin pins[IOTPKI_NODES_MAX] = { 0 };
	struct iotpki_decision decision;
	choose_pins(answers, config->node_count, cert, pins);
	judge(cli, config, cert, answers, pins, &decision);
	tell_nodes(cli, config, &decision);
	if (decision.verdict != IOTPKI_ADMIT) {
		name_mismatch(answers, config->node_count, cert, &decision);
		return refuse(cli, cert, &decision);
	}
	choose_ssh(config, answers, config->node_count, cert, answer_out);
	fill_answer(config, pins, answer_out);
	for (size_t i = 0; i < config->network_count; i++)
		if (!pins[i].set)
			cli_warn(cli,
				 "no node of the network %s confirmed the name; run iotpki member "
				 "renew when one does",
				 config->networks[i]);
	return CLI_OK;
}

/* ---- member check ---- */

struct check {
	struct cli *cli;
	const struct config *config;
	struct nvs *nvs;
	json_t *all;
	enum cli_exit worst;
};

static enum cli_exit check_one(struct check *check, const struct member *member)
{
	struct verify_request request = { .member = member, .presented = IOTPKI_PRESENTED_NAME };
	memcpy(request.presented_hash, member->sha256, IOTPKI_SHA256_LEN);
	AUTO_FREE struct verify_result *result = calloc(1, sizeof(*result));
	if (result == NULL)
		return cli_fail(check->cli, IOTPKI_ERR_NOMEM, NULL);
	const enum iotpki_err err =
		verify_ask(check->nvs, check->config, check->cli->clock, &request, result);
	if (err != IOTPKI_OK)
		return cli_fail(check->cli, err, NULL);
	const struct iotpki_decision *decision = &result->decision;
	const char *verdict = iotpki_verdict_name(decision->verdict);
	const char *reason = iotpki_reason_name(decision->reason);
	cli_print(check->cli, "%-36s  %-16s  %-11s  %s%s", member->name, member->label, verdict,
		  decision->verdict == IOTPKI_ADMIT ? "" : reason,
		  decision->followed ? " (another certificate is registered: iotpki member renew)"
				     : "");
	(void)json_array_append_new(check->all,
				    json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", member->name,
					      "label", member->label, "verdict", verdict, "reason",
					      reason, "followed", decision->followed));
	const enum cli_exit exit =
		(enum cli_exit)iotpki_decision_exit_code(decision->verdict, decision->reason);
	if (exit != CLI_OK && check->worst == CLI_OK) {
		check->worst = exit;
		check->cli->reason = reason;
	}
	return CLI_OK;
}

static enum cli_exit check_members(struct check *check, const struct member_list *members,
				   const char *name)
{
	if (name != NULL) {
		const struct member *member = member_find(check->cli, members, name);
		return member == NULL ? CLI_NOT_MEMBER : check_one(check, member);
	}
	for (size_t i = 0; i < membership_count(members->list); i++) {
		const enum cli_exit exit = check_one(check, membership_at(members->list, i));
		if (exit != CLI_OK)
			return exit;
	}
	return CLI_OK;
}

enum cli_exit member_check(struct cli *cli, const struct cli_arguments *arguments)
{
	AUTO_FREE struct config *config = malloc(sizeof(*config));
	if (config == NULL)
		return cli_fail(cli, IOTPKI_ERR_NOMEM, NULL);
	enum cli_exit exit = cli_load_config(cli, config);
	if (exit != CLI_OK)
		return exit;
	CLEANUP(member_close) struct member_list members;
	exit = member_open(cli, false, &members);
	if (exit != CLI_OK)
		return exit;
	CLEANUP(nvs_freep) struct nvs *nvs = NULL;
	const enum iotpki_err err = nvs_new(config, cli->clock, cli->random, &nvs);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, NULL);
	struct check check = { .cli = cli, .config = config, .nvs = nvs, .all = json_array() };
	exit = check_members(&check, &members,
			     arguments->positional_count > 0 ? arguments->positional[0] : NULL);
	cli_result(cli, json_pack("{s:o}", "members", check.all));
	return exit != CLI_OK ? exit : check.worst;
}
