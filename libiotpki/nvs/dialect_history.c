/*
 * The life of a name on a chain (design 4, 6): name_show says neither which
 * transaction registered the name in its present life nor whether a revocation was
 * written over since; the history does.
 */
#include "nvs/dialect_parts.h"

#include <string.h>

/* Blocks that a name of Namecoin lives after its last operation. */
#define NAMECOIN_LIFE 36000
#define NAMECOIN_LIFE_REGTEST 30

#define SLACK 100 /* as for name_show: blocks that may arrive within one batch */

/* Deeper than any reorganisation that is reckoned with: such a height does not change any more. */
#define SETTLED 100

static const char hint_confirmations[] =
	"the name's last operation waits for more confirmations (min_confirmations)";

static bool odd(struct iotpki_detail *detail, const char *what)
{
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "name_history: %s", what);
	return false;
}

/** Walks over the operations of one name, the oldest first. */
struct walk {
	const struct dialect_question *question;
	const char *nvs_name;
	const uint8_t *txid; /* the operation that is looked for */
	const struct dialect_fields *tip;
	struct dialect_fields entry, before; /* this operation and the one before; height 0: none */
	bool begun;                          /* inside a life whose beginning is there */
	bool found;                          /* the operation, in this life */
	bool unread; /* an operation of this life whose value is not there, or is doubtful */
};

static int64_t life_blocks(const struct walk *walk)
{
	return walk->tip->regtest ? NAMECOIN_LIFE_REGTEST : NAMECOIN_LIFE;
}

/**
 * Namecoin gives height + life - tip as expires_in, with one tip for the whole list. So a life that
 * is not the chain's, or a list that was put together, shows in the numbers.
 */
static bool numbers_agree(const struct walk *walk)
{
	const int64_t spread = walk->entry.height - walk->entry.expires_in;
	if (walk->before.height != 0 && spread != walk->before.height - walk->before.expires_in)
		return false;
	const int64_t off = walk->tip->blocks - spread - life_blocks(walk);
	return off >= -SLACK && off <= SLACK;
}

static bool emercoin_begins(const struct walk *walk)
{
	return strcmp(walk->entry.operation, "name_new") == 0;
}

static bool namecoin_begins(const struct walk *walk)
{
	return walk->before.height == 0 ||
	       walk->entry.height >= walk->before.height + life_blocks(walk);
}

static bool entry_odd_emercoin(const struct walk *walk)
{
	static const char *const operations[] = { "name_new", "name_update", "name_delete" };
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (strcmp(operations[i], walk->entry.operation) == 0)
			return false;
	}
	return true;
}

static bool entry_odd_namecoin(const struct walk *walk)
{
	return strcmp(walk->entry.name, walk->nvs_name) != 0 || !numbers_agree(walk);
}

static const struct rules {
	bool (*begins)(const struct walk *walk); /* this operation begins a life */
	bool (*odd)(const struct walk *walk);
} chain_rules[] = {
	[CONFIG_NODE_EMERCOIN] = { emercoin_begins, entry_odd_emercoin },
	[CONFIG_NODE_NAMECOIN] = { namecoin_begins, entry_odd_namecoin },
};

/** What this operation adds to the life that it belongs to. */
static void add(struct walk *walk, struct dialect_life *life)
{
	const struct dialect_fields *entry = &walk->entry;
	const bool deleted =
		entry->operation != NULL && strcmp(entry->operation, "name_delete") == 0;
	if (deleted || (entry->value != NULL && dialect_value_revoked(entry->value)))
		life->revoked = true;
	if (!deleted && (entry->value == NULL || dialect_value_doubtful(entry->value)))
		walk->unread = true;
	if (memcmp(entry->txid, walk->txid, IOTPKI_SHA256_LEN) != 0)
		return;
	walk->found = true;
	life->height = (uint64_t)entry->height;
}

/** One operation; false: the whole history is odd. */
static bool step(struct walk *walk, const struct json_t *element, struct dialect_life *life,
		 struct iotpki_detail *detail)
{
	const enum config_node_type type = walk->question->node->type;
	const struct rules *rules = &chain_rules[type];
	if (dialect_read(element, dialect_chain(type)->entry, &walk->entry, detail) != IOTPKI_OK)
		return false;
	if (walk->entry.height < walk->before.height || walk->entry.height > walk->tip->blocks)
		return odd(detail, "the heights are not in order");
	if (rules->odd(walk))
		return odd(detail, "an operation is not of this name");
	if (walk->found && memcmp(walk->entry.txid, walk->txid, IOTPKI_SHA256_LEN) == 0)
		return odd(detail, "an operation stands there twice");
	if (rules->begins(walk)) {
		*life = (struct dialect_life){ .outcome = IOTPKI_OUTCOME_MALFORMED };
		memcpy(life->registration, walk->entry.txid, sizeof(life->registration));
		walk->begun = true;
		walk->found = false;
		walk->unread = false;
	}
	life->sequence++;
	add(walk, life); /* before any beginning it is of a life that nobody asks for */
	walk->before = walk->entry;
	return true;
}

/** The list was walked over: is the present life known? */
static enum iotpki_outcome judge_end(const struct walk *walk, const struct dialect_life *life,
				     struct iotpki_detail *detail)
{
	if (!walk->begun || !walk->found) {
		(void)odd(detail, "the present life has no such operation");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	if (life->revoked)
		return IOTPKI_OUTCOME_REGISTERED;
	if (walk->unread) {
		/* It might be the one that revoked. */
		(void)odd(detail, "an operation of the present life has no readable value");
		return IOTPKI_OUTCOME_MALFORMED;
	}
	/* Namecoin alone says it; it may have ended since name_show. */
	if (walk->question->node->type == CONFIG_NODE_NAMECOIN &&
	    (walk->before.expired || walk->before.expires_in <= 0))
		return IOTPKI_OUTCOME_EXPIRED;
	return IOTPKI_OUTCOME_REGISTERED;
}

static enum iotpki_outcome read_life(struct walk *walk, const struct json_t *list,
				     struct dialect_life *life, struct iotpki_detail *detail)
{
	const struct json_t *element;
	for (size_t i = 0; (element = json_element(list, i)) != NULL; i++) {
		if (!step(walk, element, life, detail))
			return IOTPKI_OUTCOME_MALFORMED;
	}
	return judge_end(walk, life, detail);
}

static void judge_life(const struct dialect_question *question, size_t index,
		       const struct dialect_batch *batch, const uint8_t *txid,
		       const struct dialect_fields *tip, struct dialect_life *life_out,
		       struct iotpki_detail *detail)
{
	struct dialect_envelope envelope = { 0 };
	struct dialect_life life = { .outcome = IOTPKI_OUTCOME_MALFORMED };
	if (dialect_open_element(question, batch, index, &envelope, detail) != IOTPKI_OK)
		return;
	if (envelope.result == NULL) {
		const struct dialect_error error =
			dialect_judge_error(question->node->type, "name_history",
					    question->nvs_names[index], &envelope, detail);
		life_out->outcome = error.outcome;
		life_out->hint = error.hint;
		return;
	}
	struct walk walk = {
		.question = question,
		.nvs_name = question->nvs_names[index],
		.txid = txid,
		.tip = tip,
	};
	life.outcome = read_life(&walk, envelope.result, &life, detail);
	if (life.outcome == IOTPKI_OUTCOME_REGISTERED)
		*life_out = life;
	else
		life_out->outcome = life.outcome;
}

void dialect_lives(const struct dialect_question *question,
		   const uint8_t (*txids)[IOTPKI_SHA256_LEN], const struct dialect_http *http,
		   struct dialect_life *lives_out, struct iotpki_detail *detail)
{
	CLEANUP(dialect_batch_done) struct dialect_batch batch = { 0 };
	struct dialect_fields tip = { 0 };
	const char *hint = NULL;
	enum iotpki_outcome whole = IOTPKI_OUTCOME_MALFORMED;
	bool unreadable = false;
	if (question->node->type != CONFIG_NODE_IOTPKI && question->count <= DIALECT_NAMES_MAX) {
		whole = dialect_open_batch(question, question->count + 1, NVS_CALL_MAX, http,
					   &batch, detail);
		unreadable = whole == IOTPKI_OUTCOME_MALFORMED;
	}
	if (whole == IOTPKI_OUTCOME_PENDING)
		whole = dialect_judge_tip(question, &batch, &tip, &hint, detail);
	for (size_t i = 0; i < question->count; i++) {
		struct dialect_life *life = &lives_out[i];
		*life = (struct dialect_life){ .outcome = IOTPKI_OUTCOME_MALFORMED };
		if (whole == IOTPKI_OUTCOME_PENDING)
			judge_life(question, i, &batch, txids[i], &tip, life, detail);
		else
			*life = (struct dialect_life){ whole, .unreadable = unreadable,
						       .hint = hint };
	}
}

bool dialect_life_fits(const struct config_node *node, const struct dialect_life *life,
		       const struct dialect_shown *shown)
{
	if (life->outcome != IOTPKI_OUTCOME_REGISTERED)
		return false;
	if (node->type == CONFIG_NODE_NAMECOIN)
		return life->height == shown->height;
	if (node->min_confirmations <= 1)
		return true;
	return shown->answer.tip_height >= life->height + node->min_confirmations + SETTLED;
}

/** The life is known: what is the answer, then? */
static enum iotpki_outcome fold(const struct config_node *node, const struct dialect_life *life,
				const struct dialect_shown *shown)
{
	if (node->type == CONFIG_NODE_NAMECOIN && shown->height != life->height)
		return IOTPKI_OUTCOME_MALFORMED;
	if (life->revoked)
		return IOTPKI_OUTCOME_REVOKED;
	const uint64_t needed = node->min_confirmations > 1 ? node->min_confirmations : 1;
	/* height + needed <= tip + 1, in numbers that cannot wrap */
	if (shown->answer.tip_height < life->height ||
	    shown->answer.tip_height - life->height < needed - 1)
		return IOTPKI_OUTCOME_NOT_READY;
	return IOTPKI_OUTCOME_REGISTERED;
}

/** What a history may make of an answer; whatever else it says of a registered name is odd. */
static bool outcome_known(enum iotpki_outcome outcome)
{
	return outcome == IOTPKI_OUTCOME_REGISTERED || outcome == IOTPKI_OUTCOME_EXPIRED ||
	       outcome == IOTPKI_OUTCOME_NOT_READY || outcome == IOTPKI_OUTCOME_UNREACHABLE ||
	       outcome == IOTPKI_OUTCOME_UNAUTHORIZED;
}

void dialect_apply_life(const struct config_node *node, const struct dialect_life *life,
			struct dialect_shown *shown)
{
	struct iotpki_answer *answer = &shown->answer;
	const char *hint = life->hint;
	enum iotpki_outcome outcome = IOTPKI_OUTCOME_MALFORMED;
	if (!shown->needs_life)
		return;
	shown->needs_life = false;
	if (outcome_known(life->outcome))
		outcome = life->outcome;
	if (outcome == IOTPKI_OUTCOME_REGISTERED) {
		outcome = fold(node, life, shown);
		hint = outcome == IOTPKI_OUTCOME_NOT_READY ? hint_confirmations : NULL;
	}
	if (outcome <= IOTPKI_OUTCOME_EXPIRED) {
		answer->outcome = outcome;
		memcpy(answer->registration, life->registration, sizeof(answer->registration));
		shown->facts.sequence = life->sequence;
		return;
	}
	shown->hint = hint;
	dialect_no_answer(node, answer->asked_s, outcome, answer);
}
