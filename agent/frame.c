/* Strict parsing of requests, building of answers. Tables decide, not code. */
#include "agent/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define MAGIC "iotpki/1 "

enum {
	USER_MAX = 256,   /* LOGIN_NAME_MAX of Linux */
	SERVICE_MAX = 64, /* PAM service */
	TYPE_MAX = 64,    /* ssh key type */
	BLOB_MAX = 12000, /* base64; larger keys than we know are a miss, not an error */
	HOST_MAX = 255,   /* DNS name, address */
	STAGE_MAX = 16,
	AUTHINFO_MAX = 15000,
	CERT_MAX = 12000,
	NAME_MAX_LEN = 64, /* IOTPKI_NAME_MAX */
	TICKET_MAX = 64,
};

struct key_rule {
	const char *name;
	size_t least, most; /* bytes of the value */
};

static const struct key_rule keys[FRAME_KEY_COUNT] = {
	[FRAME_USER] = { "user", 1, USER_MAX },
	[FRAME_SERVICE] = { "service", 1, SERVICE_MAX },
	[FRAME_TYPE] = { "type", 1, TYPE_MAX },
	[FRAME_BLOB] = { "key", 1, BLOB_MAX },
	[FRAME_RHOST] = { "rhost", 0, HOST_MAX },
	[FRAME_STAGE] = { "stage", 1, STAGE_MAX },
	/* Empty says something (facts.md 1): sshd has the variable and has put no key into it yet. */
	[FRAME_AUTHINFO] = { "authinfo", 0, AUTHINFO_MAX },
	[FRAME_CERT] = { "cert", 1, CERT_MAX },
	[FRAME_EXPECTED_NAME] = { "expected-name", 1, NAME_MAX_LEN },
	[FRAME_TICKET] = { "ticket", 1, TICKET_MAX },
	[FRAME_HOST] = { "host", 1, HOST_MAX },
	[FRAME_NAME] = { "name", 1, NAME_MAX_LEN },
};

#define BIT(key) (1U << (key))

static const struct {
	const char *name;
	unsigned int required, optional; /* bits of enum frame_key */
} verbs[FRAME_VERB_COUNT] = {
	[FRAME_AUTHORIZE_KEY] = { "authorize-key",
				  BIT(FRAME_USER) | BIT(FRAME_SERVICE) | BIT(FRAME_TYPE) |
					  BIT(FRAME_BLOB),
				  BIT(FRAME_RHOST) },
	[FRAME_AUTHORIZE_USER] = { "authorize-user",
				   BIT(FRAME_USER) | BIT(FRAME_SERVICE) | BIT(FRAME_STAGE),
				   BIT(FRAME_AUTHINFO) | BIT(FRAME_RHOST) },
	[FRAME_AUTHORIZE_CERT] = { "authorize-cert", BIT(FRAME_SERVICE) | BIT(FRAME_CERT),
				   BIT(FRAME_EXPECTED_NAME) },
	[FRAME_PROVED] = { "proved", BIT(FRAME_TICKET), 0 },
	[FRAME_CHECK_PROOF] = { "check-proof", BIT(FRAME_TICKET), 0 },
	[FRAME_HOST_KEYS] = { "host-keys", BIT(FRAME_HOST) | BIT(FRAME_TYPE) | BIT(FRAME_BLOB), 0 },
	[FRAME_EXPLAIN] = { "explain", BIT(FRAME_NAME), BIT(FRAME_USER) | BIT(FRAME_SERVICE) },
	[FRAME_REFRESH] = { "refresh", 0, 0 },
	[FRAME_RELOAD] = { "reload", 0, 0 },
	[FRAME_PURGE] = { "purge", 0, 0 },
	[FRAME_DENY] = { "deny", BIT(FRAME_NAME), 0 },
	[FRAME_STATUS] = { "status", 0, 0 },
	[FRAME_RESET_FLOORS] = { "reset-floors", 0, 0 },
};

static const char *const words[] = {
	[FRAME_SAY_DENY] = "DENY",
	[FRAME_SAY_ADMIT] = "ADMIT",
	[FRAME_SAY_UNAVAILABLE] = "UNAVAILABLE",
	[FRAME_SAY_OK] = "OK",
	[FRAME_SAY_ERROR] = "ERROR",
};

const char *frame_verb_name(enum frame_verb verb)
{
	return (size_t)verb < ARRAY_LEN(verbs) ? verbs[verb].name : "unknown";
}

static enum iotpki_err parse_verb(char *line, struct frame_request *request,
				  struct iotpki_detail *detail)
{
	const size_t magic = strlen(MAGIC);
	if (strncmp(line, MAGIC, magic) != 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, 1,
				  "the first line is not \"" MAGIC "VERB\"");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(line + magic, verbs[i].name) != 0)
			continue;
		request->verb = (enum frame_verb)i;
		return IOTPKI_OK;
	}
	return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, (unsigned int)magic + 1, "unknown verb");
}

static enum iotpki_err parse_field(char *line, unsigned int number, struct frame_request *request,
				   struct iotpki_detail *detail)
{
	char *equals = strchr(line, '=');
	if (equals == NULL)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1, "the line has no '='");
	*equals = '\0';
	const char *value = equals + 1;
	const unsigned int column = (unsigned int)(value - line) + 1;
	const unsigned int known = verbs[request->verb].required | verbs[request->verb].optional;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if ((known & BIT(i)) == 0 || strcmp(line, keys[i].name) != 0)
			continue;
		if (request->values[i] != NULL)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1,
					  "\"%s\" is there twice", keys[i].name);
		const size_t len = strlen(value);
		if (len < keys[i].least)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, number, column,
					  "\"%s\" is empty", keys[i].name);
		if (len > keys[i].most)
			return detail_set(detail, IOTPKI_ERR_LIMIT, number, column,
					  "\"%s\" is longer than %zu bytes", keys[i].name,
					  keys[i].most);
		request->values[i] = value;
		return IOTPKI_OK;
	}
	return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1, "\"%s\" knows no such key",
			  verbs[request->verb].name);
}

static enum iotpki_err check_required(const struct frame_request *request, unsigned int lines,
				      struct iotpki_detail *detail)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if ((verbs[request->verb].required & BIT(i)) != 0 && request->values[i] == NULL)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, lines, 1, "\"%s\" is missing",
					  keys[i].name);
	return IOTPKI_OK;
}

static enum iotpki_err parse_lines(struct frame_request *request, size_t len,
				   struct iotpki_detail *detail)
{
	unsigned int number = 0;
	for (char *line = request->text; line < request->text + len;) {
		number++;
		char *end = memchr(line, '\n', len - (size_t)(line - request->text));
		if (end == NULL)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1,
					  "the line is not ended by a newline");
		if (!text_printable(line, (size_t)(end - line)))
			return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1,
					  "the line is not printable ASCII");
		*end = '\0';
		const enum iotpki_err err = number == 1
						    ? parse_verb(line, request, detail)
						    : parse_field(line, number, request, detail);
		if (err != IOTPKI_OK)
			return err;
		line = end + 1;
	}
	if (number == 0)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, 1, 1, "the request is empty");
	return check_required(request, number, detail);
}

enum iotpki_err frame_parse(const void *data, size_t len, struct frame_request *request_out,
			    struct iotpki_detail *detail)
{
	request_out->verb = FRAME_STATUS;
	for (size_t i = 0; i < FRAME_KEY_COUNT; i++)
		request_out->values[i] = NULL;
	request_out->text[0] = '\0';
	if (len > FRAME_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the request is longer than %d bytes", FRAME_MAX);
	if (len > 0)
		memcpy(request_out->text, data, len);
	request_out->text[len] = '\0';
	const enum iotpki_err err = parse_lines(request_out, len, detail);
	if (err != IOTPKI_OK)
		for (size_t i = 0; i < FRAME_KEY_COUNT; i++)
			request_out->values[i] = NULL;
	return err;
}

size_t frame_format(const struct frame_request *request, char *out, size_t size)
{
	int len = snprintf(out, size, MAGIC "%s\n", frame_verb_name(request->verb));
	for (size_t i = 0; i < FRAME_KEY_COUNT; i++) {
		if (len < 0 || (size_t)len >= size)
			return 0;
		if (request->values[i] == NULL)
			continue;
		const int more = snprintf(out + len, size - (size_t)len, "%s=%s\n", keys[i].name,
					  request->values[i]);
		len = more < 0 ? more : len + more;
	}
	return len < 0 || (size_t)len >= size ? 0 : (size_t)len;
}

void frame_answer_start(struct frame_answer *answer, enum frame_word word)
{
	const int len = snprintf(answer->text, sizeof(answer->text), MAGIC "%s\n", words[word]);
	answer->len = (size_t)len;
}

void frame_answer_error(struct frame_answer *answer, const char *why)
{
	frame_answer_start(answer, FRAME_SAY_ERROR);
	frame_answer_text(answer, "error", why);
}

void frame_answer_text(struct frame_answer *answer, const char *key, const char *value)
{
	const size_t key_len = strlen(key), len = strlen(value);
	if (key_len + len + 2 > sizeof(answer->text) - answer->len) {
		frame_answer_error(answer, "the answer does not fit into one frame");
		return;
	}
	char *at = answer->text + answer->len;
	memcpy(at, key, key_len);
	at[key_len] = '=';
	at += key_len + 1;
	for (size_t i = 0; i < len; i++)
		at[i] = (char)(value[i] >= 0x20 && value[i] <= 0x7e ? value[i] : '?');
	at[len] = '\n';
	answer->len += key_len + len + 2;
}

void frame_answer_int(struct frame_answer *answer, const char *key, int64_t value)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	frame_answer_text(answer, key, text);
}
