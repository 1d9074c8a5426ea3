/* A request of the agent: what parses prints back, and parses again to the same request. */
#include <stddef.h>
#include <string.h>

#include "agent/frame.h"
#include "fuzz.h"

static void same(const struct frame_request *a, const struct frame_request *b)
{
	FUZZ_CHECK(a->verb == b->verb);
	for (size_t i = 0; i < FRAME_KEY_COUNT; i++) {
		FUZZ_CHECK((a->values[i] == NULL) == (b->values[i] == NULL));
		FUZZ_CHECK(a->values[i] == NULL || strcmp(a->values[i], b->values[i]) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_request request, again;
	struct iotpki_detail detail = { 0 };
	if (frame_parse(data, size, &request, &detail) != IOTPKI_OK) {
		FUZZ_CHECK(detail.message[0] != '\0');
		for (size_t i = 0; i < FRAME_KEY_COUNT; i++)
			FUZZ_CHECK(request.values[i] == NULL);
		return 0;
	}
	char text[FRAME_MAX + 1];
	const size_t len = frame_format(&request, text, sizeof(text));
	FUZZ_CHECK(len == size); /* the same lines, perhaps in another order */
	FUZZ_CHECK(frame_parse(text, len, &again, &detail) == IOTPKI_OK);
	same(&request, &again);
	if (request.verb == FRAME_AUTHORIZE_USER && request.values[FRAME_AUTHINFO] != NULL &&
	    request.values[FRAME_STAGE][0] == 'x')
		plant_bug(data, size);
	return 0;
}
