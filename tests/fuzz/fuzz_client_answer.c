/*
 * An answer of the agent as the client sees it, and what the ssh helper would print of it. What parses
 * prints back to the same bytes; what does not leaves a zero answer; a printed line is one line, of the
 * offered key alone.
 */
#include "client/client.h"
#include "fuzz.h"
#include "keyline.h"

#define TYPE "ssh-ed25519"
#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIGd4Zk8XBfMFLRGVUKzR0fAgUBv8N7T8fQeqIpzKYQ0Y"

static const char *const words[] = {
	[IOTPKI_CLIENT_DENY] = "DENY",
	[IOTPKI_CLIENT_ADMIT] = "ADMIT",
	[IOTPKI_CLIENT_UNAVAILABLE] = "UNAVAILABLE",
	[IOTPKI_CLIENT_DONE] = "OK",
	[IOTPKI_CLIENT_ERROR] = "ERROR",
};

static void check_empty(const struct iotpki_client_answer *answer)
{
	FUZZ_CHECK(answer->word == IOTPKI_CLIENT_DENY);
	FUZZ_CHECK(answer->field_count == 0);
	FUZZ_CHECK(answer->text[0] == '\0');
}

static void check_prints_back(const struct iotpki_client_answer *answer, const uint8_t *data,
			      size_t size)
{
	static char text[IOTPKI_CLIENT_FRAME_MAX + 1];
	size_t used = (size_t)snprintf(text, sizeof(text), "iotpki/1 %s\n", words[answer->word]);
	for (size_t i = 0; i < answer->field_count; i++) {
		const struct iotpki_client_field *field = &answer->fields[i];
		FUZZ_CHECK(iotpki_client_value(answer, field->key) == field->value);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s=%s\n", field->key,
					 field->value);
	}
	FUZZ_CHECK(used == size && memcmp(text, data, size) == 0);
}

static void check_line(const struct iotpki_client_answer *answer)
{
	static char line[IOTPKI_CLIENT_FRAME_MAX];
	const char *options = iotpki_client_value(answer, "options");
	const size_t len = keyline_format(TYPE, BLOB, iotpki_client_value(answer, "key"), options,
					  line, sizeof(line));
	if (len == 0)
		return;
	const char want[] = " " TYPE " " BLOB "\n";
	FUZZ_CHECK(len == strlen(options) + strlen(want));
	FUZZ_CHECK(memcmp(line + strlen(options), want, strlen(want)) == 0);
	FUZZ_CHECK(memchr(line, '\n', len) == line + len - 1);
	FUZZ_CHECK(line[0] != ' ' && line[0] != '#' && line[0] != '@');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct iotpki_client_answer answer;
	const size_t len = size < sizeof(answer.text) ? size : sizeof(answer.text);
	memset(&answer, 0xff, sizeof(answer));
	memcpy(answer.text, data, len);
	if (client_parse(&answer, len) != IOTPKI_CLIENT_OK) {
		check_empty(&answer);
		return 0;
	}
	check_prints_back(&answer, data, len);
	check_line(&answer);
	const char *options = iotpki_client_value(&answer, "options");
	if (answer.word == IOTPKI_CLIENT_ADMIT && answer.field_count > 1 && options != NULL &&
	    strlen(options) == 1)
		plant_bug(data, size);
	return 0;
}
