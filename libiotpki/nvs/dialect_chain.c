/* name_show and the tip of Emercoin Core and Namecoin Core (design 6). */
#include "nvs/dialect_parts.h"

void dialect_answer_chain(const struct dialect_question *question, const struct dialect_http *http,
			  struct dialect_shown *shown_out, struct iotpki_detail *detail)
{
	CLEANUP(dialect_batch_done) struct dialect_batch batch;
	const enum iotpki_outcome whole = dialect_open_batch(
		question, question->count + 1, dialect_answer_cap(question), http, &batch, detail);
	for (size_t i = 0; i < question->count && whole != IOTPKI_OUTCOME_PENDING; i++) {
		shown_out[i].answer.outcome = whole;
		shown_out[i].unreadable = whole == IOTPKI_OUTCOME_MALFORMED;
	}
}
