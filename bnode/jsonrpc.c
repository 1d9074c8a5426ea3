/* The request parser and the frame of an answer. */
#include "bnode/jsonrpc.h"

#include <string.h>

#include <jansson.h>

static const struct jsonrpc_error parse_error = { JSONRPC_PARSE, "Parse error", NULL };

/*
 * Judged before jansson runs: its own limit is 2,048 levels, each a call of its parser, and of the
 * three bytes of an empty object it makes 200. Brackets that do not match are its business.
 */
static bool too_much(const char *body, size_t len)
{
	unsigned int depth = 0, values = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		const char c = body[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		if (c == '"')
			quoted = true;
		else if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		values += c == ',' || c == '[' || c == '{';
		if (depth > JSONRPC_DEPTH_MAX || values > JSONRPC_VALUES_MAX)
			return true;
	}
	return false;
}

void jsonrpc_put_string(struct buf *out, const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	(void)buf_putc(out, '"');
	size_t start = 0;
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		(void)buf_put(out, text + start, i - start);
		start = i + 1;
		const char code[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
		const char pair[] = { '\\', text[i] };
		if (c == '"' || c == '\\')
			(void)buf_put(out, pair, sizeof(pair));
		else
			(void)buf_put(out, code, sizeof(code));
	}
	(void)buf_put(out, text + start, len - start);
	(void)buf_putc(out, '"');
}

/* The id as text of our own making; false if it is of a kind or size that none may have. */
static bool read_id(const json_t *id, char out[static JSONRPC_ID_SIZE])
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(JSONRPC_ID_SIZE - 1);
	if (json_is_string(id) && json_string_length(id) <= JSONRPC_ID_MAX)
		jsonrpc_put_string(&text, json_string_value(id), json_string_length(id));
	else if (json_is_integer(id))
		(void)buf_printf(&text, "%lld", (long long)json_integer_value(id));
	else if (id != NULL && !json_is_null(id))
		return false;
	else
		(void)buf_puts(&text, "null");
	if (buf_error(&text) != IOTPKI_OK)
		return false;
	memcpy(out, text.data, text.len + 1);
	return true;
}

static void read_param(const json_t *value, struct jsonrpc_param *param)
{
	*param = (struct jsonrpc_param){ .kind = JSONRPC_OTHER };
	if (json_is_string(value)) {
		param->kind = JSONRPC_STRING;
		param->text = json_string_value(value);
		param->len = json_string_length(value);
	} else if (json_is_integer(value)) {
		param->kind = JSONRPC_INTEGER;
		param->number = json_integer_value(value);
	} else if (json_is_boolean(value)) {
		param->kind = JSONRPC_BOOL;
		param->number = json_is_true(value) ? 1 : 0;
	} else if (json_is_null(value)) {
		param->kind = JSONRPC_NULL;
	}
}

static void refuse(struct jsonrpc_call *call, const char *message)
{
	call->error = (struct jsonrpc_error){ JSONRPC_INVALID_REQUEST, message, NULL };
}

/* Emercoin ignores the version, Namecoin answers by it; a third one would be guesswork. */
static bool read_version(const json_t *version, bool *version2_out)
{
	*version2_out = false;
	if (version == NULL)
		return true;
	if (!json_is_string(version))
		return false;
	const char *text = json_string_value(version);
	*version2_out = strcmp(text, "2.0") == 0;
	return *version2_out || strcmp(text, "1.0") == 0 || strcmp(text, "1.1") == 0;
}

static void read_params(const json_t *params, struct jsonrpc_call *call)
{
	if (params == NULL || json_is_null(params))
		return;
	if (!json_is_array(params)) {
		refuse(call, "Params must be an array");
		return;
	}
	if (json_array_size(params) > JSONRPC_PARAMS_MAX) {
		refuse(call, "Too many params");
		return;
	}
	call->param_count = json_array_size(params);
	for (size_t i = 0; i < call->param_count; i++)
		read_param(json_array_get(params, i), &call->params[i]);
}

/* In Bitcoin's order: the id first, so that what is wrong with the rest is answered under it. */
static void read_call(const json_t *object, struct jsonrpc_call *call)
{
	*call = (struct jsonrpc_call){ .id = "null" };
	if (!json_is_object(object)) {
		refuse(call, "Invalid Request object");
		return;
	}
	if (!read_id(json_object_get(object, "id"), call->id)) {
		memcpy(call->id, "null", sizeof("null"));
		refuse(call, "Id must be null, an integer or a string of at most 64 bytes");
		return;
	}
	if (!read_version(json_object_get(object, "jsonrpc"), &call->version2)) {
		refuse(call, "JSON-RPC version not supported");
		return;
	}
	const json_t *method = json_object_get(object, "method");
	if (method == NULL || json_is_null(method)) {
		refuse(call, "Missing method");
		return;
	}
	if (!json_is_string(method)) {
		refuse(call, "Method must be a string");
		return;
	}
	read_params(json_object_get(object, "params"), call);
	if (call->error.code == 0)
		call->method = json_string_value(method);
}

static enum iotpki_err read_tree(const json_t *tree, struct jsonrpc_request *request)
{
	request->batch = json_is_array(tree);
	const size_t count = request->batch ? json_array_size(tree) : 1;
	if (!request->batch && !json_is_object(tree)) {
		request->error = (struct jsonrpc_error){ JSONRPC_PARSE,
							 "Top-level object parse error", NULL };
		return IOTPKI_OK;
	}
	if (count == 0 || count > JSONRPC_BATCH_MAX) {
		request->error = (struct jsonrpc_error){ JSONRPC_INVALID_REQUEST,
							 "A batch holds 1 to 100 calls", NULL };
		return IOTPKI_OK;
	}
	request->calls = malloc(count * sizeof(*request->calls));
	if (request->calls == NULL)
		return IOTPKI_ERR_NOMEM;
	request->count = count;
	for (size_t i = 0; i < count; i++)
		read_call(request->batch ? json_array_get(tree, i) : tree, &request->calls[i]);
	return IOTPKI_OK;
}

enum iotpki_err jsonrpc_parse(const char *body, size_t len, struct jsonrpc_request *request_out)
{
	*request_out = (struct jsonrpc_request){ .error = parse_error };
	if (len > JSONRPC_BODY_MAX || too_much(body, len))
		return IOTPKI_OK;
	json_t *tree = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	if (tree == NULL)
		return IOTPKI_OK;
	request_out->tree = tree;
	request_out->error = (struct jsonrpc_error){ 0 };
	return read_tree(tree, request_out);
}

void jsonrpc_done(struct jsonrpc_request *request)
{
	free(request->calls);
	json_decref(request->tree);
	*request = (struct jsonrpc_request){ 0 };
}

void jsonrpc_put_head(struct buf *out, const struct jsonrpc_call *call)
{
	(void)buf_puts(out, call->version2 ? "{\"jsonrpc\":\"2.0\",\"result\":" : "{\"result\":");
}

void jsonrpc_put_tail(struct buf *out, const struct jsonrpc_call *call)
{
	(void)buf_puts(out, call->version2 ? ",\"id\":" : ",\"error\":null,\"id\":");
	(void)buf_puts(out, call->id);
	(void)buf_putc(out, '}');
}

void jsonrpc_put_error(struct buf *out, const struct jsonrpc_call *call,
		       const struct jsonrpc_error *error)
{
	(void)buf_puts(out, call->version2 ? "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":"
					   : "{\"result\":null,\"error\":{\"code\":");
	(void)buf_printf(out, "%d,\"message\":", error->code);
	jsonrpc_put_string(out, error->message, strlen(error->message));
	if (error->reason != NULL) {
		(void)buf_puts(out, ",\"data\":{\"reason\":");
		jsonrpc_put_string(out, error->reason, strlen(error->reason));
		(void)buf_putc(out, '}');
	}
	(void)buf_puts(out, "},\"id\":");
	(void)buf_puts(out, call->id);
	(void)buf_putc(out, '}');
}

unsigned int jsonrpc_http_status(bool version2, int code)
{
	static const struct {
		int code;
		unsigned int status;
	} rows[] = {
		{ JSONRPC_OK, 200 },
		{ JSONRPC_INVALID_REQUEST, 400 },
		{ JSONRPC_METHOD_NOT_FOUND, 404 },
	};
	if (version2 && code != JSONRPC_PARSE)
		return 200;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].code == code)
			return rows[i].status;
	}
	return 500;
}
