/* Views of answers into floors and tombstones. */
#include "agent/keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/judge.h"
#include "agent/log.h"
#include "identity/tx.h"
#include "nvs/quorum.h"

enum {
	PROOFS_MAX = 8,   /* waiting to be verified */
	TRIED_MAX = 1024, /* verified before, well or badly; the oldest is forgotten */
	PATH_LEN_MAX = 4096,
};

struct proof {
	char name[IOTPKI_NAME_MAX + 1];
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	char network[CONFIG_WORD_MAX + 1];
	uint8_t registration[IOTPKI_SHA256_LEN];
	size_t count;
	struct tx_proof_step steps[TX_PROOF_STEPS_MAX];
	uint8_t *bytes; /* owned; the steps point into it */
};

struct tried {
	size_t slot; /* of the configuration then; 1 + index, 0: none */
	uint8_t registration[IOTPKI_SHA256_LEN];
};

struct keep {
	struct keep_options options;
	struct state *state;
	size_t proof_count;
	struct proof proofs[PROOFS_MAX];
	size_t tried_next;
	struct tried tried[TRIED_MAX];
	bool full_told;
};

/* ---- log ---- */

static void log_condition(const struct keep *keep)
{
	static const enum log_level levels[] = {
		[STATE_GOOD] = LOG_LEVEL_INFO,
		[STATE_NEW] = LOG_LEVEL_NOTICE,
		[STATE_REPLACED] = LOG_LEVEL_ERROR,
		[STATE_VOLATILE] = LOG_LEVEL_ERROR,
	};
	char why[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	struct iotpki_detail detail;
	enum iotpki_err err = IOTPKI_OK;
	struct log_line line;
	const enum state_condition condition = state_condition(keep->state, &err, &detail);
	log_line_start(&line);
	log_line_text(&line, "event", "state", 32);
	log_line_text(&line, "condition", state_condition_name(condition), 32);
	log_line_int(&line, "time-floor", state_time_floor(keep->state));
	log_line_int(&line, "tombstones", (int64_t)state_tombstones(keep->state));
	if (err != IOTPKI_OK) {
		iotpki_err_detail(err, &detail, why, sizeof(why));
		log_line_text(&line, "error", why, sizeof(why));
	}
	log_write(levels[condition], "%s", line.text);
}

static void log_height(const struct config *config, const struct state_event *event)
{
	const char *what = event->behind ? "rolled-back" : "roll-back-over";
	char number[24];
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", what, 32);
	log_line_text(&line, "node", config->nodes[event->slot].name, CONFIG_WORD_MAX);
	(void)snprintf(number, sizeof(number), "%" PRIu64, event->height);
	log_line_text(&line, "height", number, sizeof(number));
	(void)snprintf(number, sizeof(number), "%" PRIu64, event->floor);
	log_line_text(&line, "floor", number, sizeof(number));
	log_write(event->behind ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, "%s", line.text);
}

static void log_tombstone(const char *event, enum log_level level, const char *network,
			  const char *name, const char *by)
{
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", event, 32);
	log_line_text(&line, "name", name, IOTPKI_NAME_MAX);
	log_line_text(&line, "network", network, CONFIG_WORD_MAX);
	log_line_text(&line, "by", by, 128);
	log_write(level, "%s", line.text);
}

/* ---- life ---- */

enum iotpki_err keep_new(const struct keep_options *options, struct keep **keep_out)
{
	*keep_out = NULL;
	char path[PATH_LEN_MAX];
	const int len = snprintf(path, sizeof(path), "%s/state", options->state_dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return IOTPKI_ERR_LIMIT;
	CLEANUP(keep_freep) struct keep *keep = calloc(1, sizeof(*keep));
	if (keep == NULL)
		return IOTPKI_ERR_NOMEM;
	keep->options = *options;
	const struct state_options state = { .dir = path,
					     .clock = options->clock,
					     .build_s = CLOCK_BUILD_TIME_S };
	const enum iotpki_err err = state_new(&state, &keep->state);
	if (err != IOTPKI_OK)
		return err;
	log_condition(keep);
	keep_configure(keep);
	*keep_out = STEAL(keep);
	return IOTPKI_OK;
}

static void drop_proofs(struct keep *keep)
{
	for (size_t i = 0; i < keep->proof_count; i++)
		free(keep->proofs[i].bytes);
	keep->proof_count = 0;
}

static void write_state(struct keep *keep)
{
	char why[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	struct iotpki_detail detail = { 0 };
	struct log_line line;
	const enum iotpki_err err = state_flush(keep->state, &detail);
	if (err == IOTPKI_OK)
		return;
	iotpki_err_detail(err, &detail, why, sizeof(why));
	log_line_start(&line);
	log_line_text(&line, "event", "state-not-written", 32);
	log_line_text(&line, "error", why, sizeof(why));
	log_write(LOG_LEVEL_ERROR, "%s", line.text);
}

void keep_free(struct keep *keep)
{
	if (keep == NULL)
		return;
	drop_proofs(keep);
	if (keep->state != NULL)
		write_state(keep);
	state_free(keep->state);
	free(keep);
}

void keep_freep(struct keep **keep)
{
	keep_free(*keep);
	*keep = NULL;
}

const struct state *keep_state(const struct keep *keep)
{
	return keep->state;
}

void keep_configure(struct keep *keep)
{
	state_set_nodes(keep->state, lists_config(keep->options.lists));
	/* Slots are other nodes now. */
	memset(keep->tried, 0, sizeof(keep->tried));
}

enum iotpki_err keep_reset_floors(struct keep *keep, struct iotpki_detail *detail)
{
	state_reset_floors(keep->state);
	return state_flush(keep->state, detail);
}

/* ---- floors ---- */

/* An iotpki node that does not have a name gives no tip, and our own clock stands there (dialect.h). */
static bool tells_own_clock(const struct iotpki_answer *answer)
{
	return answer->outcome == IOTPKI_OUTCOME_UNREGISTERED && answer->tip_height == 0;
}

static void learn_time(struct keep *keep, const struct iotpki_answer *answers, size_t count)
{
	const size_t nodes = quorum_nodes(answers, count);
	const unsigned int needed = quorum_needed(lists_config(keep->options.lists)->needed, nodes);
	struct iotpki_answer told[IOTPKI_NODES_MAX];
	for (size_t i = 0; i < count; i++) {
		told[i] = answers[i];
		if (tells_own_clock(&answers[i]))
			told[i].outcome = IOTPKI_OUTCOME_PENDING;
	}
	const struct quorum_time time = quorum_time(told, count, needed, INT64_MIN);
	/* By a floor that one of several nodes made up, the answers of all others would be stale. */
	(void)state_offer_time(keep->state, nodes > 1 ? time.fresh_s : time.now_s);
}

static void learn_heights(struct keep *keep, const struct iotpki_answer *answers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct state_event event;
		if (state_offer_height(keep->state, i, &answers[i], &event))
			log_height(lists_config(keep->options.lists), &event);
	}
}

/* ---- tombstones ---- */

static void write_tombstone(struct keep *keep, const char *network, const char *name,
			    const uint8_t registration[static IOTPKI_SHA256_LEN], const char *by)
{
	const enum iotpki_err err = state_add_tombstone(keep->state, network, name, registration);
	if (err == IOTPKI_OK)
		log_tombstone("tombstone", LOG_LEVEL_NOTICE, network, name, by);
	if (err != IOTPKI_OK && err != IOTPKI_ERR_EXISTS && !keep->full_told) {
		keep->full_told = true;
		log_tombstone("tombstone-not-kept", LOG_LEVEL_ERROR, network, name,
			      iotpki_strerror(err));
	}
}

static bool is_zero(const uint8_t id[static IOTPKI_SHA256_LEN])
{
	static const uint8_t zero[IOTPKI_SHA256_LEN];
	return memcmp(id, zero, sizeof(zero)) == 0;
}

/* Which registration a node calls revoked: the one that it names, else the one that we know. */
static const uint8_t *revoked_registration(const struct iotpki_answer *answer,
					   const struct iotpki_decide_input *input)
{
	if (!is_zero(answer->registration))
		return answer->registration;
	const struct iotpki_registration_pin *pin = &input->pins[answer->network];
	return pin->set ? pin->id : NULL;
}

/* How many nodes call this registration revoked by its name. */
static unsigned int named_by(const struct iotpki_answer *answers, size_t count, size_t i)
{
	uint32_t nodes = 0;
	for (size_t j = 0; j < count; j++)
		if (answers[j].outcome == IOTPKI_OUTCOME_REVOKED &&
		    answers[j].network == answers[i].network &&
		    memcmp(answers[j].registration, answers[i].registration, IOTPKI_SHA256_LEN) ==
			    0)
			nodes |= UINT32_C(1) << quorum_node(answers, j);
	return (unsigned int)__builtin_popcount(nodes);
}

/*
 * Those that the list pins, and what n nodes name where another one is followed: ids that one node
 * makes up would fill the store, and no revocation could be kept any more.
 */
static bool is_worth_keeping(const struct config *config, const struct iotpki_decide_input *input,
			     const struct iotpki_answer *answers, size_t count, size_t i,
			     const uint8_t registration[static IOTPKI_SHA256_LEN])
{
	const struct iotpki_registration_pin *pin = &input->pins[answers[i].network];
	if (pin->set && memcmp(pin->id, registration, IOTPKI_SHA256_LEN) == 0)
		return true;
	return config->key_change == IOTPKI_KEY_FOLLOW &&
	       named_by(answers, count, i) >=
		       quorum_needed(config->needed, quorum_nodes(answers, count));
}

static void learn_revocation(struct keep *keep, const char *name,
			     const struct iotpki_answer *answers, size_t count)
{
	const struct config *config = lists_config(keep->options.lists);
	const struct member *member = lists_member(keep->options.lists, name);
	struct iotpki_decide_input input = { 0 };
	const struct quorum_time no_time = { INT64_MIN, INT64_MIN };
	uint32_t nodes = 0;
	for (size_t i = 0; i < count; i++)
		if (quorum_judge(&answers[i], &no_time, false) == IOTPKI_OUTCOME_REVOKED)
			nodes |= UINT32_C(1) << quorum_node(answers, i);
	if (member == NULL || nodes == 0 ||
	    (unsigned int)__builtin_popcount(nodes) <
		    quorum_needed(config->needed, quorum_nodes(answers, count)))
		return;
	membership_fill(member, config, "", "", &input);
	for (size_t i = 0; i < count; i++) {
		if (quorum_judge(&answers[i], &no_time, false) != IOTPKI_OUTCOME_REVOKED)
			continue;
		const uint8_t *registration = revoked_registration(&answers[i], &input);
		if (registration != NULL && answers[i].network < config->network_count &&
		    is_worth_keeping(config, &input, answers, count, i, registration))
			write_tombstone(keep, config->networks[answers[i].network], name,
					registration, "answers");
	}
}

void keep_learn(struct keep *keep, const struct questions_view *view)
{
	const struct config *config = lists_config(keep->options.lists);
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	/* A question that was sent under another configuration. */
	if (view->count != config->node_count || view->count > IOTPKI_NODES_MAX)
		return;
	judge_mark(keep->state, config, view, answers);
	learn_time(keep, answers, view->count);
	learn_heights(keep, answers, view->count);
	learn_revocation(keep, view->name, answers, view->count);
}

/* ---- proofs ---- */

static bool was_tried(struct keep *keep, size_t slot,
		      const uint8_t registration[static IOTPKI_SHA256_LEN])
{
	for (size_t i = 0; i < TRIED_MAX; i++)
		if (keep->tried[i].slot == slot + 1 &&
		    memcmp(keep->tried[i].registration, registration, IOTPKI_SHA256_LEN) == 0)
			return true;
	struct tried *tried = &keep->tried[keep->tried_next++ % TRIED_MAX];
	tried->slot = slot + 1;
	memcpy(tried->registration, registration, IOTPKI_SHA256_LEN);
	return false;
}

static bool copy_steps(struct proof *proof, const struct nvs_proof *given)
{
	size_t len = 0;
	for (size_t i = 0; i < given->count; i++)
		len += given->steps[i].len;
	proof->bytes = malloc(len + 1);
	if (proof->bytes == NULL)
		return false;
	proof->count = given->count;
	len = 0;
	for (size_t i = 0; i < given->count; i++) {
		const size_t step_len = given->steps[i].len;
		memcpy(proof->bytes + len, given->steps[i].der, step_len);
		proof->steps[i] = (struct tx_proof_step){ proof->bytes + len, step_len };
		len += step_len;
	}
	return true;
}

/* The node's slot in the configuration in force; node_count: none. */
static size_t slot_of(const struct config *config, const struct config_node *node)
{
	size_t slot = 0;
	while (slot < config->node_count && strcmp(config->nodes[slot].name, node->name) != 0)
		slot++;
	return slot;
}

/* Only what the list holds is of interest, and only until it is known. */
static bool is_wanted(struct keep *keep, size_t slot, const char *name, const uint8_t *registration)
{
	const struct config *config = lists_config(keep->options.lists);
	const uint8_t network = config->nodes[slot].network;
	struct iotpki_decide_input input = { 0 };
	membership_fill(lists_member(keep->options.lists, name), config, "", "", &input);
	return input.pins[network].set &&
	       memcmp(input.pins[network].id, registration, IOTPKI_SHA256_LEN) == 0 &&
	       !state_is_tombstoned(keep->state, config->networks[network], name, registration) &&
	       !was_tried(keep, slot, registration);
}

void keep_proof(void *context, const struct nvs_proof *given)
{
	struct keep *keep = context;
	const struct config *config = lists_config(keep->options.lists);
	const size_t slot = slot_of(config, given->node);
	const size_t prefix = strlen(given->node->name_prefix);
	if (slot == config->node_count || keep->proof_count == PROOFS_MAX ||
	    given->count > TX_PROOF_STEPS_MAX || strlen(given->nvs_name) <= prefix ||
	    strlen(given->nvs_name) > IOTPKI_NVS_NAME_MAX)
		return;
	const char *name = given->nvs_name + prefix;
	if (strlen(name) > IOTPKI_NAME_MAX || !is_wanted(keep, slot, name, given->registration))
		return;
	struct proof *proof = &keep->proofs[keep->proof_count];
	*proof = (struct proof){ 0 };
	if (!copy_steps(proof, given))
		return;
	memcpy(proof->nvs_name, given->nvs_name, strlen(given->nvs_name) + 1);
	memcpy(proof->name, name, strlen(name) + 1);
	const char *network = config->networks[config->nodes[slot].network];
	memcpy(proof->network, network, strlen(network) + 1);
	memcpy(proof->registration, given->registration, IOTPKI_SHA256_LEN);
	keep->proof_count++;
}

static void verify_proof(struct keep *keep, const struct proof *proof)
{
	struct iotpki_detail detail = { 0 };
	if (state_is_tombstoned(keep->state, proof->network, proof->name, proof->registration))
		return;
	if (tx_proof_verify(proof->steps, proof->count, proof->nvs_name, proof->registration,
			    &detail) == TX_OK)
		write_tombstone(keep, proof->network, proof->name, proof->registration, "proof");
	else
		log_tombstone("bad-proof", LOG_LEVEL_WARNING, proof->network, proof->name,
			      detail.message);
}

int64_t keep_work(struct keep *keep)
{
	/* One a turn: each takes as long as a few signatures. */
	if (keep->proof_count > 0) {
		const struct proof *proof = &keep->proofs[--keep->proof_count];
		verify_proof(keep, proof);
		free(proof->bytes);
		return 0;
	}
	if (state_due(keep->state) == 0)
		write_state(keep);
	return state_due(keep->state);
}
