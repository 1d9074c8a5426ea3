/*
 * The `proof` of a revoked name (design 6): taken out of the answer and handed on. What it is worth, whoever
 * listens verifies, later: nothing here costs more than its bytes.
 */
#include "nvs/dialect_parts.h"

#include <string.h>

#include "base/parse.h"

enum { TEXT_MAX = NVS_PROOF_DER_MAX / 3 * 4 + 8 };

/* One element, a JSON string of base64; false: it is none. */
static bool take_der(const struct json_t *element, struct buf *out, size_t *len_out)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	uint8_t der[NVS_PROOF_DER_MAX + 4];
	size_t len = sizeof(der);
	if (json_write(element, &text) != IOTPKI_OK || text.len < 2 || text.data[0] != '"')
		return false;
	const char *base64 = (const char *)text.data + 1;
	if (!base64_decode(base64, text.len - 2, true, der, &len) || len == 0 ||
	    len > NVS_PROOF_DER_MAX)
		return false;
	*len_out = len;
	return buf_put(out, der, len) == IOTPKI_OK;
}

void dialect_take_proof(const struct dialect_question *question, size_t index,
			const struct json_t *result, const struct iotpki_answer *answer)
{
	if (question->listener == NULL || question->listener->take == NULL)
		return;
	const struct json_t *array = json_member(result, "proof");
	CLEANUP(buf_done)
	struct buf bytes = BUF_INIT(NVS_PROOF_STEPS_MAX * (size_t)NVS_PROOF_DER_MAX);
	size_t lens[NVS_PROOF_STEPS_MAX];
	struct nvs_proof proof = { .node = question->node,
				   .nvs_name = question->nvs_names[index],
				   .registration = answer->registration };
	const struct json_t *element = json_element(array, 0);
	for (; element != NULL; element = json_element(array, proof.count)) {
		if (proof.count == NVS_PROOF_STEPS_MAX ||
		    !take_der(element, &bytes, &lens[proof.count]))
			return;
		proof.count++;
	}
	if (proof.count == 0)
		return;
	/* Only now: the buffer moves while it grows. */
	size_t at = 0;
	for (size_t i = 0; i < proof.count; i++) {
		proof.steps[i].der = bytes.data + at;
		proof.steps[i].len = lens[i];
		at += lens[i];
	}
	question->listener->take(question->listener->context, &proof);
}
