/* The requests to one node: show, then lives; halved where one name spoils the others. */
#include "nvs/ask.h"

#include <string.h>

#include "base/log.h"
#include "base/parse.h"

enum {
	LIVES_TOGETHER = 25, /* histories of one request: NVS_CALL_MAX holds 100 entries of each */
	REQUESTS_MAX = 64,   /* of one ask: a batch of 100 with two names that spoil it needs 35 */
};

static const struct config_node *node_of(const struct ask *ask)
{
	return &ask->client->config->nodes[ask->node];
}

void ask_log_problem(const struct config_node *node, const char *what)
{
	struct iotpki_detail line = { 0 }; /* makes it printable */
	if (what == NULL || what[0] == '\0')
		return;
	(void)detail_set(&line, IOTPKI_OK, 0, 0, "B-node %s: %s", node->name, what);
	log_write(LOG_LEVEL_DEBUG, "%s", line.message);
}

void ask_put_problem(const char *what, char out[static IOTPKI_DETAIL_MESSAGE_MAX])
{
	struct iotpki_detail line = { 0 };
	if (what != NULL)
		(void)detail_set(&line, IOTPKI_OK, 0, 0, "%s", what);
	_Static_assert(sizeof(line.message) == IOTPKI_DETAIL_MESSAGE_MAX, "one is the other");
	memcpy(out, line.message, sizeof(line.message));
}

enum iotpki_err ask_new_id(const struct random_source *random, char id[static DIALECT_ID_SIZE])
{
	uint8_t raw[DIALECT_ID_LEN];
	const enum iotpki_err err = random->fill(random, raw, sizeof(raw));
	if (err == IOTPKI_OK)
		hex_encode(raw, sizeof(raw), id);
	return err;
}

bool ask_renewed(struct credentials *credentials, unsigned int generation,
		 const struct transport_answer *got)
{
	if (got->outcome != IOTPKI_OUTCOME_PENDING || got->http.status != 401)
		return false;
	if (credentials_refresh(credentials, true) && credentials->generation != generation)
		return true;
	credentials_refused(credentials, generation);
	return false;
}

static void end_part(const struct ask *ask, struct ask_part *part, enum iotpki_outcome outcome)
{
	part->step = ASK_DONE;
	part->shown = (struct dialect_shown){ 0 };
	dialect_no_answer(node_of(ask), ask->asked_s, outcome, &part->shown.answer);
}

/** What is not done yet ends like this. */
static void give_up(struct ask *ask, enum iotpki_outcome outcome)
{
	for (size_t i = 0; i < ask->count; i++)
		if (ask->parts[i].step != ASK_DONE)
			end_part(ask, &ask->parts[i], outcome);
}

/* ---- requests ---- */

/** The names of the next request: of one step, no more than any of them may stand with. */
static bool choose(struct ask *ask)
{
	size_t most = DIALECT_NAMES_MAX;
	ask->chosen_count = 0;
	for (size_t i = 0; i < ask->count; i++) {
		const struct ask_part *part = &ask->parts[i];
		if (part->step == ASK_DONE || (ask->chosen_count > 0 && part->step != ask->step))
			continue;
		const size_t together = part->together < most ? part->together : most;
		if (ask->chosen_count >= together)
			continue;
		most = together;
		ask->step = part->step;
		ask->chosen[ask->chosen_count++] = (uint8_t)i;
	}
	return ask->chosen_count > 0;
}

static struct dialect_question question_of(const struct ask *ask,
					   const char *names[static DIALECT_NAMES_MAX])
{
	for (size_t i = 0; i < ask->chosen_count; i++)
		names[i] = ask->nvs_names[ask->chosen[i]];
	return (struct dialect_question){
		.node = node_of(ask),
		.id = ask->id,
		.nvs_names = names,
		.count = ask->chosen_count,
		.asked_s = ask->asked_s,
		.listener = &ask->client->listener,
	};
}

static transport_done_fn take_answer;

static enum iotpki_err send_request(struct ask *ask)
{
	const struct ask_client *client = ask->client;
	enum iotpki_err err = ask_new_id(client->random, ask->id);
	if (err != IOTPKI_OK)
		return err;
	const char *names[DIALECT_NAMES_MAX];
	const struct dialect_question asked = question_of(ask, names);
	CLEANUP(buf_done) struct buf request = BUF_INIT(DIALECT_REQUEST_MAX);
	err = ask->step == ASK_SHOW ? dialect_request_show(&asked, &request)
				    : dialect_request_history(&asked, &request);
	if (err != IOTPKI_OK)
		return err;
	ask->requests++;
	ask->generation = client->credentials[ask->node].generation;
	const struct transport_order order = {
		.node = ask->node,
		.request = &request,
		.cap = ask->step == ASK_SHOW ? dialect_answer_cap(&asked) : NVS_CALL_MAX,
		.credentials = &client->credentials[ask->node],
		.expires_ms = ask->expires_ms,
		.done = take_answer,
		.context = ask,
	};
	return transport_send(client->transport, &order, &ask->transfer);
}

/* ---- answers ---- */

/** One of them spoils the answer for all: each half for itself. */
static bool halve(struct ask *ask, struct ask_part *part)
{
	if (ask->chosen_count < 2)
		return false;
	part->together = ask->chosen_count / 2;
	return true;
}

static void apply_life(struct ask *ask, struct ask_part *part, const struct dialect_life *life)
{
	dialect_apply_life(node_of(ask), life, &part->shown);
	part->step = ASK_DONE;
}

static void take_one_shown(struct ask *ask, size_t place, const struct dialect_shown *shown)
{
	struct ask_part *part = &ask->parts[place];
	if (shown->unreadable && halve(ask, part))
		return;
	part->shown = *shown;
	part->step = ASK_DONE;
	if (!shown->needs_life)
		return;
	struct dialect_life life;
	if (lives_find(ask->client->lives, ask->node, ask->nvs_names[place], shown->answer.txid,
		       &life) &&
	    dialect_life_fits(node_of(ask), &life, shown)) {
		apply_life(ask, part, &life);
		return;
	}
	part->step = ASK_LIFE;
	part->together = LIVES_TOGETHER;
}

static void take_shown(struct ask *ask, const struct dialect_question *asked,
		       const struct dialect_http *http, struct iotpki_detail *detail)
{
	struct dialect_shown shown[DIALECT_NAMES_MAX];
	dialect_answer(asked, http, shown, detail);
	for (size_t i = 0; i < ask->chosen_count; i++)
		take_one_shown(ask, ask->chosen[i], &shown[i]);
}

static void take_lives(struct ask *ask, const struct dialect_question *asked,
		       const struct dialect_http *http, struct iotpki_detail *detail)
{
	uint8_t txids[DIALECT_NAMES_MAX][IOTPKI_SHA256_LEN];
	struct dialect_life lives[DIALECT_NAMES_MAX];
	for (size_t i = 0; i < ask->chosen_count; i++)
		memcpy(txids[i], ask->parts[ask->chosen[i]].shown.answer.txid, sizeof(txids[i]));
	dialect_lives(asked, (const uint8_t(*)[IOTPKI_SHA256_LEN])txids, http, lives, detail);
	for (size_t i = 0; i < ask->chosen_count; i++) {
		struct ask_part *part = &ask->parts[ask->chosen[i]];
		if (lives[i].unreadable && halve(ask, part))
			continue;
		lives_keep(ask->client->lives, ask->node, asked->nvs_names[i], txids[i], &lives[i]);
		apply_life(ask, part, &lives[i]);
	}
}

static void take_too_long(struct ask *ask)
{
	for (size_t i = 0; i < ask->chosen_count; i++) {
		struct ask_part *part = &ask->parts[ask->chosen[i]];
		if (!halve(ask, part))
			end_part(ask, part, IOTPKI_OUTCOME_MALFORMED);
	}
}

static void judge(struct ask *ask, const struct transport_answer *got)
{
	struct iotpki_detail detail = { 0 };
	const char *names[DIALECT_NAMES_MAX];
	const struct dialect_question asked = question_of(ask, names);
	const bool http = got->outcome == IOTPKI_OUTCOME_PENDING;
	if (http && ask->step == ASK_SHOW)
		take_shown(ask, &asked, &got->http, &detail);
	else if (http)
		take_lives(ask, &asked, &got->http, &detail);
	else if (got->too_long)
		take_too_long(ask);
	else
		give_up(ask, got->outcome);
	const char *problem = detail.message[0] != '\0' ? detail.message : got->problem;
	ask_log_problem(node_of(ask), problem);
	ask_put_problem(problem, ask->problem);
}

static void take_answer(void *context, const struct transport_answer *got)
{
	struct ask *ask = context;
	ask->transfer = NULL;
	ask->heard = got->outcome;
	if (!ask->renewed &&
	    ask_renewed(&ask->client->credentials[ask->node], ask->generation, got))
		ask->renewed = true; /* the same names are chosen again */
	else
		judge(ask, got);
	if (choose(ask) && ask->requests < REQUESTS_MAX && send_request(ask) == IOTPKI_OK)
		return;
	/* What this machine cannot send says nothing about the node. */
	give_up(ask, IOTPKI_OUTCOME_MALFORMED);
	ask->over = true;
	ask->done(ask);
}

/* ---- from outside ---- */

enum iotpki_err ask_start(struct ask *ask, int64_t expires_ms)
{
	ask->expires_ms = expires_ms;
	for (size_t i = 0; i < ask->count; i++)
		ask->parts[i] =
			(struct ask_part){ .step = ASK_SHOW, .together = DIALECT_NAMES_MAX };
	if (!credentials_refresh(&ask->client->credentials[ask->node], false)) {
		ask->heard = IOTPKI_OUTCOME_UNAUTHORIZED;
		ask->over = true;
		give_up(ask, IOTPKI_OUTCOME_UNAUTHORIZED);
		ask_put_problem(ask->client->credentials[ask->node].problem.message, ask->problem);
		return IOTPKI_OK;
	}
	return choose(ask) ? send_request(ask) : IOTPKI_ERR_ARGUMENT;
}

void ask_stop(struct ask *ask)
{
	struct transfer *transfer = STEAL(ask->transfer);
	if (transfer != NULL)
		transport_cancel(ask->client->transport, transfer);
}
