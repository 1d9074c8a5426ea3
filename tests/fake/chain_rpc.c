/* The envelope: versions, batches, errors and the HTTP status that goes with them, on both nodes. */
#include "fake/chain_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ANSWER_MAX = 8 * 1024 * 1024 };

#define PARSE_ERROR \
	"{\"result\":null,\"error\":{\"code\":-32700,\"message\":\"Parse error\"},\"id\":null}"

int64_t chain_now(void)
{
	return (int64_t)time(NULL);
}

void chain_fail(struct chain_call *call, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	call->code = code;
	(void)vsnprintf(call->message, sizeof(call->message), format, args);
	va_end(args);
}

const json_t *chain_param(const struct chain_call *call, size_t index)
{
	const json_t *param = json_array_get(call->params, index);
	return json_is_null(param) ? NULL : param;
}

const char *chain_param_text(struct chain_call *call, size_t index)
{
	const json_t *param = chain_param(call, index);
	if (!json_is_string(param))
		chain_fail(call, -1, "JSON value is not a string as expected");
	return json_string_value(param);
}

void chain_put(struct buf *buf, const char *text)
{
	static const char short_names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	(void)buf_putc(buf, '"');
	for (const char *at = text; *at != '\0'; at++) {
		const char *name = NULL;
		for (size_t i = 0; short_names[i] != '\0' && name == NULL; i += 2)
			name = short_names[i] == *at ? &short_names[i + 1] : NULL;
		if (name != NULL)
			(void)buf_printf(buf, "\\%c", *name);
		else if ((unsigned char)*at < 0x20 || *at == 0x7f)
			(void)buf_printf(buf, "\\u%04x", (unsigned int)(unsigned char)*at);
		else
			(void)buf_putc(buf, *at);
	}
	(void)buf_putc(buf, '"');
}

static void put_json(struct buf *buf, const json_t *value)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	(void)buf_puts(buf, text != NULL ? text : "null");
	free(text);
}

/* ---- one call ---- */

static const struct chain_method *find(const struct chain_method *table, const char *name)
{
	for (; table->name != NULL; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static void count(struct chain_world *world, const char *method)
{
	for (size_t i = 0; i < CHAIN_METHODS_COUNTED; i++) {
		struct chain_counter *counter = &world->counters[i];
		if (counter->method[0] == '\0')
			(void)snprintf(counter->method, sizeof(counter->method), "%s", method);
		if (strcmp(counter->method, method) == 0) {
			counter->count++;
			return;
		}
	}
}

static bool is_control(const json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	return method != NULL && strncmp(method, "fake_", strlen("fake_")) == 0;
}

/** A switch that answers in the method's place. */
static bool spoiled(struct chain_call *call, const char *method)
{
	const struct chain_switches *set = &call->world->set;
	if (set->warmup) {
		chain_fail(call, -28, "Loading block index...");
		return true;
	}
	const char *only = json_string_value(json_object_get(set->jsonrpc_error, "method"));
	if (set->jsonrpc_error == NULL || (only != NULL && strcmp(only, method) != 0))
		return false;
	const char *text = json_string_value(json_object_get(set->jsonrpc_error, "message"));
	chain_fail(call, (int)json_integer_value(json_object_get(set->jsonrpc_error, "code")), "%s",
		   text != NULL ? text : "");
	return true;
}

/** Put the members that are told instead of the true ones into a result. */
static void lie(struct chain_call *call, const char *method)
{
	const json_t *lies = json_object_get(call->world->set.lie, method);
	if (lies == NULL || call->code != 0)
		return;
	json_t *result = json_loads(buf_text(call->out), JSON_DECODE_ANY, NULL);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)lies, key, value)
	{
		if (json_is_null(value))
			(void)json_object_del(result, key);
		else
			(void)json_object_set(result, key, value);
	}
	buf_clear(call->out);
	put_json(call->out, result);
	json_decref(result);
}

static void run(struct chain_call *call, const char *method)
{
	const bool control = strncmp(method, "fake_", strlen("fake_")) == 0;
	const struct chain_method *found = NULL;
	if (control) {
		found = find(chain_control_methods, method);
	} else {
		count(call->world, method);
		if (spoiled(call, method))
			return;
		found = find(call->world->chain->kind == CHAIN_EMERCOIN ? chain_emercoin_methods
									: chain_namecoin_methods,
			     method);
		if (found == NULL)
			found = find(chain_common_methods, method);
	}
	if (found == NULL) {
		chain_fail(call, -32601, "Method not found");
		return;
	}
	found->run(call);
	lie(call, method);
}

/** Emercoin ignores the version; Namecoin answers 2.0 in its own shape. */
static bool is_second_version(const struct chain_world *world, const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	return world->chain->kind == CHAIN_NAMECOIN && version != NULL &&
	       strcmp(version, "2.0") == 0;
}

static void put_answer(struct buf *body, const struct chain_call *call, bool second,
		       const json_t *id)
{
	(void)buf_puts(body, second ? "{\"jsonrpc\":\"2.0\"," : "{");
	if (call->code == 0)
		(void)buf_printf(body, "\"result\":%s%s", buf_text(call->out),
				 second ? "" : ",\"error\":null");
	else
		(void)buf_printf(body, "%s\"error\":{\"code\":%d,\"message\":",
				 second ? "" : "\"result\":null,", call->code);
	if (call->code != 0) {
		chain_put(body, call->message);
		(void)buf_putc(body, '}');
	}
	(void)buf_puts(body, ",\"id\":");
	put_json(body, id);
	(void)buf_putc(body, '}');
}

static int status_of(int code, bool second)
{
	if (code == 0 || second)
		return 200;
	return code == -32601 ? 404 : code == -32600 ? 400 : 500;
}

/** Answer one request object into the body. @return the HTTP status that it would have alone */
static int answer(struct chain_world *world, const json_t *request, struct buf *body)
{
	json_t *none = json_array();
	CLEANUP(buf_done) struct buf out = BUF_INIT(ANSWER_MAX);
	const json_t *params = json_object_get(request, "params");
	struct chain_call call = { .world = world,
				   .params = params == NULL || json_is_null(params) ? none : params,
				   .out = &out };
	const char *method = json_string_value(json_object_get(request, "method"));
	if (!json_is_object(request))
		chain_fail(&call, -32600, "Invalid Request object");
	else if (method == NULL)
		chain_fail(&call, -32600, "%s",
			   json_object_get(request, "method") != NULL ? "Method must be a string"
								      : "Missing method");
	else
		run(&call, method);
	const bool second = is_second_version(world, request);
	put_answer(body, &call, second, json_object_get(request, "id"));
	json_decref(none);
	return status_of(call.code, second);
}

/* ---- HTTP ---- */

static void simple(struct chain_reply *reply, int status, const char *type, const char *text)
{
	reply->status = status;
	reply->content_type = type;
	(void)buf_puts(&reply->body, text);
}

static bool path_wallet(struct chain_world *world, const char *name)
{
	for (size_t i = 0; name != NULL && i < CHAIN_WALLETS; i++) {
		if (strcmp(world->chain->wallets[i].name, name) == 0) {
			world->chain->wallet = i;
			return true;
		}
	}
	return name == NULL;
}

static void answer_all(struct chain_world *world, const json_t *root, struct chain_reply *reply)
{
	reply->content_type = "application/json";
	if (json_is_object(root)) {
		reply->status = answer(world, root, &reply->body);
		return;
	}
	/* Each of a batch has its own error, so the whole is always fine. */
	reply->status = 200;
	(void)buf_putc(&reply->body, '[');
	for (size_t i = 0; i < json_array_size(root); i++) {
		(void)buf_puts(&reply->body, i == 0 ? "" : ",");
		(void)answer(world, json_array_get(root, i), &reply->body);
	}
	(void)buf_putc(&reply->body, ']');
}

void chain_post(struct chain_world *world, const char *body, size_t len, const char *wallet,
		bool authorized, struct chain_reply *reply)
{
	const size_t acting = world->chain->wallet;
	json_t *root = json_loadb(body, len, JSON_DECODE_ANY, NULL);
	reply->control = is_control(root);
	if (!reply->control && (!authorized || world->set.unauthorized))
		simple(reply, 401, NULL, "");
	else if (!json_is_object(root) && !json_is_array(root))
		simple(reply, 500, "application/json",
		       root == NULL ? PARSE_ERROR
				    : "{\"result\":null,\"error\":{\"code\":-32700,\"message\":"
				      "\"Top-level object parse error\"},\"id\":null}");
	else if (!path_wallet(world, wallet))
		simple(reply, 500, "application/json",
		       "{\"result\":null,\"error\":{\"code\":-18,\"message\":\"Requested wallet "
		       "does "
		       "not exist or is not loaded\"},\"id\":null}");
	else
		answer_all(world, root, reply);
	if (reply->content_type != NULL)
		(void)buf_putc(&reply->body, '\n');
	/* A wallet of the path acts in this request alone; fake_as changes who acts. */
	if (wallet != NULL)
		world->chain->wallet = acting;
	json_decref(root);
}

/** %2F and its like; what does not decode stays. */
static void decode_path(const char *from, size_t len, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;
	for (size_t i = 0; i < len && used + 1 < size; i++) {
		const char *high = i + 2 < len ? strchr(digits, from[i + 1] | 32) : NULL;
		const char *low = i + 2 < len ? strchr(digits, from[i + 2] | 32) : NULL;
		if (from[i] != '%' || high == NULL || low == NULL) {
			out[used++] = from[i];
			continue;
		}
		out[used++] = (char)((high - digits) * 16 + (low - digits));
		i += 2;
	}
	out[used] = '\0';
}

void chain_get(struct chain_world *world, const char *path, bool authorized,
	       struct chain_reply *reply)
{
	static const char prefix[] = "/rest/name/", suffix[] = ".json";
	const size_t len = strlen(path);
	if (world->set.unauthorized) {
		simple(reply, 401, NULL, "");
	} else if (world->chain->kind == CHAIN_EMERCOIN || strncmp(path, "/rest/", 6) != 0) {
		(void)authorized; /* both say this before they look at a password */
		simple(reply, 405, "text/html; charset=ISO-8859-1",
		       "JSONRPC server handles only POST requests");
	} else if (strncmp(path, prefix, strlen(prefix)) == 0 &&
		   len > strlen(prefix) + strlen(suffix) &&
		   strcmp(path + len - strlen(suffix), suffix) == 0) {
		char name[CHAIN_NAME_MAX + 1];
		decode_path(path + strlen(prefix), len - strlen(prefix) - strlen(suffix), name,
			    sizeof(name));
		simple(reply, 200, "application/json", "");
		if (!chain_namecoin_rest(world, name, &reply->body)) {
			reply->status = 404;
			reply->content_type = "text/plain";
			(void)buf_printf(&reply->body, "'%s' not found\r", name);
		}
		(void)buf_putc(&reply->body, '\n');
	} else {
		simple(reply, 404, "text/plain",
		       "Invalid URI format. Expected /rest/name/<name>.json\r\n");
	}
}
