/* The life of a name on a chain: registration, sticky revocation, confirmations (design 4, 6). */
#include "nvs/dialect_parts.h"

#include <string.h>

void dialect_lives(const struct dialect_question *question,
		   const uint8_t (*txids)[IOTPKI_SHA256_LEN], const struct dialect_http *http,
		   struct dialect_life *lives_out, struct iotpki_detail *detail)
{
	(void)txids;
	CLEANUP(dialect_batch_done) struct dialect_batch batch;
	const enum iotpki_outcome whole = dialect_open_batch(
		question, question->count + 1, dialect_answer_cap(question), http, &batch, detail);
	for (size_t i = 0; i < question->count; i++)
		lives_out[i] = (struct dialect_life){
			.outcome =
				whole != IOTPKI_OUTCOME_PENDING ? whole : IOTPKI_OUTCOME_MALFORMED,
		};
}

/* Deeper than any reorganisation that is waited out: such a height does not change any more. */
#define SETTLED 100

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

void dialect_apply_life(const struct config_node *node, const struct dialect_life *life,
			struct dialect_shown *shown)
{
	struct iotpki_answer *answer = &shown->answer;
	enum iotpki_outcome outcome = life->outcome;
	shown->needs_life = false;
	if (outcome == IOTPKI_OUTCOME_REGISTERED && shown->height != 0 &&
	    shown->height != life->height)
		outcome = IOTPKI_OUTCOME_MALFORMED;
	if (outcome == IOTPKI_OUTCOME_REGISTERED && life->revoked) {
		outcome = IOTPKI_OUTCOME_REVOKED;
	} else if (outcome == IOTPKI_OUTCOME_REGISTERED) {
		const unsigned int needed =
			node->min_confirmations > 0 ? node->min_confirmations : 1;
		if (answer->tip_height < life->height ||
		    answer->tip_height - life->height < needed - 1)
			outcome = IOTPKI_OUTCOME_NOT_READY;
	}
	answer->outcome = outcome;
	if (outcome == IOTPKI_OUTCOME_REGISTERED)
		memcpy(answer->registration, life->registration, sizeof(answer->registration));
	if (outcome != IOTPKI_OUTCOME_REGISTERED)
		shown->hint = life->hint;
}
