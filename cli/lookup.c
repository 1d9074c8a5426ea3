/* iotpki lookup: what each B-node holds of a name. It decides nothing: that is verify. */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "cli/ask.h"

static bool has_answered(enum iotpki_outcome outcome)
{
	return outcome >= IOTPKI_OUTCOME_REGISTERED && outcome <= IOTPKI_OUTCOME_UNREGISTERED;
}

static void print_record(struct cli *cli, const struct iotpki_answer *answer)
{
	char value[IOTPKI_VALUE_MAX + 1];
	char id[2 * IOTPKI_SHA256_LEN + 1];
	char txid[2 * IOTPKI_SHA256_LEN + 1];
	char ends[TIME_TEXT_SIZE];
	if (ask_value(answer, value))
		cli_print(cli, "    value:        %s", value);
	if (answer->outcome != IOTPKI_OUTCOME_REGISTERED)
		return;
	hex_encode(answer->registration, IOTPKI_SHA256_LEN, id);
	hex_encode(answer->txid, IOTPKI_SHA256_LEN, txid);
	time_format(answer->ends_s, ends);
	cli_print(cli, "    registration: %s", id);
	cli_print(cli, "    last change:  %s", txid);
	cli_print(cli, "    ends:         %s", ends);
}

/* The nodes of one network are to hold the same; else one is behind, or lies. */
static bool same_answer(const struct iotpki_answer *a, const struct iotpki_answer *b)
{
	if (a->network != b->network || !has_answered(a->outcome) || !has_answered(b->outcome))
		return true;
	return a->outcome == b->outcome &&
	       memcmp(a->registration, b->registration, IOTPKI_SHA256_LEN) == 0 &&
	       memcmp(a->txid, b->txid, IOTPKI_SHA256_LEN) == 0 && a->ends_s == b->ends_s;
}

static enum cli_exit judge(struct cli *cli, const struct ask *ask,
			   const struct iotpki_answer *answers)
{
	bool answered = false;
	bool known = false;
	bool same = true;
	for (size_t i = 0; i < ask->config.node_count; i++) {
		answered |= has_answered(answers[i].outcome);
		known |= has_answered(answers[i].outcome) &&
			 answers[i].outcome != IOTPKI_OUTCOME_UNREGISTERED;
		for (size_t k = 0; k < i; k++)
			same &= same_answer(&answers[i], &answers[k]);
	}
	if (!same)
		cli_warn(cli, "the B-nodes hold different things; their owner: iotpki dm sync");
	if (!answered)
		return cli_error(cli, CLI_UNAVAILABLE,
				 "no B-node answered: iotpki bnode test says why");
	return known ? CLI_OK : CLI_VERIFICATION;
}

static enum cli_exit run(struct cli *cli, const struct cli_arguments *arguments)
{
	const char *name;
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	CLEANUP(ask_close) struct ask ask;
	enum cli_exit exit = ask_open(cli, ASK_LIST_IF_ANY | ASK_NODES, &ask);
	if (exit == CLI_OK)
		exit = ask_name(cli, &ask, arguments->positional[0], &name);
	if (exit != CLI_OK)
		return exit;
	const enum iotpki_err err = nvs_ask_wait(ask.nvs, name, answers);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, NULL);
	json_t *nodes = json_array();
	cli_print(cli, "%s", name);
	for (size_t i = 0; i < ask.config.node_count; i++) {
		char words[ASK_WORDS_MAX];
		ask_words(&answers[i], answers[i].outcome, cli->clock->now_s(cli->clock), words);
		cli_print(cli, "  %-8s %s", ask.config.nodes[i].name, words);
		print_record(cli, &answers[i]);
		ask_trouble(cli, &ask, i, answers[i].outcome);
		(void)json_array_append_new(
			nodes, ask_json(&ask.config.nodes[i], &answers[i], answers[i].outcome));
	}
	cli_result(cli, json_pack("{s:s, s:o}", "name", name, "nodes", nodes));
	return judge(cli, &ask, answers);
}

const struct cli_verb cli_lookup_verbs[] = {
	{ "lookup", NULL, "NAME", 1, 1, "show what each B-node holds of a name", NULL, run },
	{ 0 },
};
