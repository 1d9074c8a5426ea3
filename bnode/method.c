/* The methods and their serialiser. */
#include "bnode/method.h"

#include <string.h>

#include "base/parse.h"

enum { DAY_S = 86400 };

static const struct jsonrpc_error none = { JSONRPC_OK, NULL, NULL };
/* The texts are Emercoin's, doubled word included: clients tell the cases apart by them. */
static const struct jsonrpc_error no_name = { JSONRPC_NAME_DB, "failed to read from name DB",
					      NULL };
static const struct jsonrpc_error too_many_reads = {
	JSONRPC_INTERNAL, "the request reads more than 20000 names and operations: ask for less",
	NULL
};
static const struct jsonrpc_error no_disk = { JSONRPC_NAME_DB, "failed to read from from disk",
					      NULL };

/* ---- the serialiser ---- */

void method_put_literal(struct buf *out, const char *text)
{
	(void)buf_puts(out, text);
}

void method_put_int(struct buf *out, int64_t number)
{
	char text[24];
	size_t at = sizeof(text);
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	do {
		text[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		text[--at] = '-';
	(void)buf_put(out, text + at, sizeof(text) - at);
}

void method_put_hash(struct buf *out, const uint8_t hash[static SHA256_LEN])
{
	char text[2 * SHA256_LEN + 3];
	text[0] = '"';
	hex_encode(hash, SHA256_LEN, text + 1);
	text[2 * SHA256_LEN + 1] = '"';
	(void)buf_put(out, text, 2 * SHA256_LEN + 2);
}

static void put_base64(struct buf *out, const uint8_t *data, size_t len)
{
	char text[BASE64_ENCODED_SIZE(TX_DER_MAX)];
	if (len > TX_DER_MAX)
		return;
	const size_t text_len = base64_encode(data, len, true, text);
	(void)buf_putc(out, '"');
	(void)buf_put(out, text, text_len);
	(void)buf_putc(out, '"');
}

void method_put_value(struct buf *out, const char *value, enum method_form form)
{
	const size_t len = strlen(value);
	if (form == METHOD_HEX) {
		char hex[2 * IOTPKI_VALUE_MAX + 1];
		hex_encode((const uint8_t *)value, len, hex);
		jsonrpc_put_string(out, hex, 2 * len);
	} else if (form == METHOD_BASE64) {
		put_base64(out, (const uint8_t *)value, len);
	} else {
		jsonrpc_put_string(out, value, len);
	}
}

/* What is read and not shown costs as much: an answer that is cut, a name passed over. */
static bool may_read(const struct method_scope *scope, size_t count)
{
	if (*scope->reads_left < count) {
		*scope->reads_left = 0;
		return false;
	}
	*scope->reads_left -= count;
	return true;
}

/* ---- parameters ---- */

/* Emercoin's third parameter of name_show names a file that the node then writes (TM-26): refused. */
static const char *check_params(const struct jsonrpc_call *call, const char *kinds, size_t needed)
{
	if (call->param_count < needed || call->param_count > strlen(kinds))
		return "wrong number of parameters (see iotpki-bnode(1))";
	for (size_t i = 0; i < call->param_count; i++) {
		const enum jsonrpc_kind kind = call->params[i].kind;
		if (kinds[i] == 's' && kind != JSONRPC_STRING)
			return "JSON value is not a string as expected";
		if (kinds[i] == 'i' && kind != JSONRPC_INTEGER)
			return "JSON value is not an integer as expected";
		if (kinds[i] == 'b' && kind != JSONRPC_BOOL)
			return "JSON value is not a boolean as expected";
		if (kinds[i] == 'e' && kind != JSONRPC_INTEGER && kind != JSONRPC_STRING)
			return "JSON value is not an integer or a string as expected";
	}
	return NULL;
}

bool method_form_of(const struct jsonrpc_call *call, size_t at, enum method_form *form_out)
{
	static const char *const names[] = {
		[METHOD_PLAIN] = "", [METHOD_HEX] = "hex", [METHOD_BASE64] = "base64"
	};
	*form_out = METHOD_PLAIN;
	if (call->param_count <= at)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(call->params[at].text, names[i]) != 0)
			continue;
		*form_out = (enum method_form)i;
		return true;
	}
	return false;
}

static struct jsonrpc_error invalid(const char *message)
{
	return (struct jsonrpc_error){ JSONRPC_INVALID_PARAMETER, message, NULL };
}

struct jsonrpc_error method_bad_form(void)
{
	return invalid("the form of the value must be \"\", \"hex\" or \"base64\"");
}

static struct ledger *ledger_of(const struct method_scope *scope)
{
	return scope->source;
}

/* A name that cannot be in the ledger is one that is not there. */
static struct jsonrpc_error show(const struct method_scope *scope,
				 const struct jsonrpc_param *param, struct ledger_name *name_out,
				 struct ledger_tip *tip_out)
{
	if (param->len > IOTPKI_NVS_NAME_MAX)
		return no_name;
	const enum iotpki_err err = ledger_show(ledger_of(scope), param->text, name_out, tip_out);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return no_name;
	return err == IOTPKI_OK ? none : no_disk;
}

/* ---- the methods ---- */

/* The node's clock, never behind its newest entry (design 6), decides what has expired. */
static int64_t judged_time(const struct method_scope *scope, int64_t newest_s)
{
	return scope->clock_s > newest_s ? scope->clock_s : newest_s;
}

/* Revoked wins: a revoked name stays so for clients until it is registered anew. */
static const char *status_of(const struct ledger_name *name, int64_t now_s)
{
	if (name->revoked)
		return "revoked";
	return now_s >= name->expires_s ? "expired" : "registered";
}

static void put_tip(const struct method_scope *scope, const struct ledger_tip *tip)
{
	method_put_literal(scope->out, ",\"tip\":{\"height\":");
	method_put_int(scope->out, (int64_t)tip->height);
	method_put_literal(scope->out, ",\"hash\":");
	method_put_hash(scope->out, tip->hash);
	method_put_literal(scope->out, ",\"time\":");
	method_put_int(scope->out, scope->clock_s);
	method_put_literal(scope->out, "}");
}

struct proof {
	struct buf *out;
	bool first;
};

static bool put_proof_entry(void *context, const struct ledger_operation *operation)
{
	struct proof *proof = context;
	if (!proof->first)
		(void)buf_putc(proof->out, ',');
	proof->first = false;
	put_base64(proof->out, operation->der, operation->der_len);
	return true;
}

/*
 * A proof that cannot be read now, or that would push the answer over what clients read, is left
 * out: the answer then still says revoked, which must reach them.
 */
static void put_proof(const struct method_scope *scope, const struct ledger_name *name)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(ANSWER_PROOF_MAX);
	struct proof proof = { .out = &text, .first = true };
	if (name->sequence > ANSWER_PROOF_READS || !may_read(scope, name->sequence))
		return;
	if (ledger_proof(ledger_of(scope), name->name, put_proof_entry, &proof) != IOTPKI_OK)
		return;
	if (buf_error(&text) != IOTPKI_OK || text.len == 0)
		return;
	method_put_literal(scope->out, ",\"proof\":[");
	(void)buf_put(scope->out, text.data, text.len);
	method_put_literal(scope->out, "]");
}

static void put_name(const struct method_scope *scope, const struct ledger_name *name,
		     int64_t now_s, enum method_form form)
{
	struct buf *out = scope->out;
	method_put_literal(out, "{\"name\":");
	jsonrpc_put_string(out, name->name, strlen(name->name));
	method_put_literal(out, ",\"value\":");
	method_put_value(out, name->value, form);
	method_put_literal(out, ",\"txid\":");
	method_put_hash(out, name->txid);
	method_put_literal(out, ",\"address\":");
	method_put_hash(out, name->owner);
	method_put_literal(out, ",\"vout\":0,\"expires_in\":");
	method_put_int(out, name->expires_s - now_s);
	method_put_literal(out, ",\"expires_at\":");
	method_put_int(out, name->expires_s);
	method_put_literal(out, ",\"time\":");
	method_put_int(out, name->time_s);
	if (now_s >= name->expires_s)
		method_put_literal(out, ",\"expired\":true");
	method_put_literal(out, ",\"status\":\"");
	method_put_literal(out, status_of(name, now_s));
	method_put_literal(out, "\",\"registration\":");
	method_put_hash(out, name->registration);
	method_put_literal(out, ",\"sequence\":");
	method_put_int(out, name->sequence);
	method_put_literal(out, ",\"unit\":\"s\"");
}

static struct jsonrpc_error name_show(const struct method_scope *scope,
				      const struct jsonrpc_call *call)
{
	enum method_form form;
	if (!method_form_of(call, 1, &form))
		return method_bad_form();
	struct ledger_name name;
	struct ledger_tip tip;
	const struct jsonrpc_error error = show(scope, &call->params[0], &name, &tip);
	if (error.code != JSONRPC_OK)
		return error;
	put_name(scope, &name, judged_time(scope, tip.newest_s), form);
	put_tip(scope, &tip);
	if (name.revoked)
		put_proof(scope, &name);
	method_put_literal(scope->out, "}");
	return none;
}

struct history {
	const struct method_scope *scope;
	bool cut; /* there was more than may be read */
	struct buf *out;
	enum method_form form;
	const uint8_t *from; /* begin at this REGISTER; NULL: it has been reached */
	bool first;
	int64_t expires_s; /* before this operation */
};

static bool put_operation(void *context, const struct ledger_operation *operation)
{
	struct history *history = context;
	history->cut = !may_read(history->scope, 1);
	if (history->cut)
		return false;
	if (operation->op == TX_PREORDER)
		return true;
	if (history->from != NULL && memcmp(history->from, operation->txid, SHA256_LEN) != 0)
		return true;
	history->from = NULL;
	const bool registers = operation->op == TX_REGISTER;
	const int64_t from_s = registers ? operation->time_s : history->expires_s;
	history->expires_s = operation->expires_s;

	struct buf *out = history->out;
	method_put_literal(out, history->first ? "{\"txid\":" : ",{\"txid\":");
	history->first = false;
	method_put_hash(out, operation->txid);
	method_put_literal(out, ",\"time\":");
	method_put_int(out, operation->time_s);
	method_put_literal(out, ",\"height\":");
	method_put_int(out, (int64_t)operation->height);
	method_put_literal(out, ",\"address\":");
	method_put_hash(out, operation->owner);
	method_put_literal(out, ",\"vout\":0,\"operation\":");
	method_put_literal(out, registers ? "\"name_new\"" : "\"name_update\"");
	method_put_literal(out, ",\"days_added\":");
	method_put_int(out, (operation->expires_s - from_s) / DAY_S);
	method_put_literal(out, ",\"value\":");
	method_put_value(out, operation->value, history->form);
	method_put_literal(out, "}");
	return buf_error(out) == IOTPKI_OK && out->len <= ANSWER_MAX;
}

static struct jsonrpc_error name_history(const struct method_scope *scope,
					 const struct jsonrpc_call *call)
{
	struct history history = { .scope = scope, .out = scope->out, .first = true };
	if (!method_form_of(call, 2, &history.form))
		return method_bad_form();
	struct ledger_name name;
	struct ledger_tip tip;
	const struct jsonrpc_error error = show(scope, &call->params[0], &name, &tip);
	if (error.code != JSONRPC_OK)
		return error;
	const bool full = call->param_count > 1 && call->params[1].number != 0;
	history.from = full ? NULL : name.registration;
	method_put_literal(scope->out, "[");
	if (ledger_history(ledger_of(scope), name.name, put_operation, &history) != IOTPKI_OK)
		return no_disk;
	method_put_literal(scope->out, "]");
	return history.cut ? too_many_reads : none;
}

struct filter {
	const struct method_scope *scope;
	int64_t now_s;
	size_t skip; /* names still to be passed over */
	bool first;
	bool cut; /* there was more than may be read */
};

static bool put_found(void *context, const struct ledger_name *name)
{
	struct filter *filter = context;
	filter->cut = !may_read(filter->scope, 1);
	if (filter->cut)
		return false;
	if (filter->skip > 0) {
		filter->skip--;
		return true;
	}
	struct buf *out = filter->scope->out;
	method_put_literal(out, filter->first ? "{\"name\":" : ",{\"name\":");
	filter->first = false;
	jsonrpc_put_string(out, name->name, strlen(name->name));
	method_put_literal(out, ",\"value\":");
	method_put_value(out, name->value, METHOD_PLAIN);
	method_put_literal(out, ",\"registered_at\":");
	method_put_int(out, name->time_s);
	method_put_literal(out, ",\"expires_in\":");
	method_put_int(out, name->expires_s - filter->now_s);
	if (filter->now_s >= name->expires_s)
		method_put_literal(out, ",\"expired\":true");
	method_put_literal(out, ",\"status\":\"");
	method_put_literal(out, status_of(name, filter->now_s));
	method_put_literal(out, "\"}");
	return buf_error(out) == IOTPKI_OK && out->len <= ANSWER_MAX;
}

/* "^" and a literal prefix: a real regular expression would let anybody burn the node's time. */
static bool prefix_of(const struct jsonrpc_param *param, const char **prefix_out)
{
	static const char literal[] = "abcdefghijklmnopqrstuvwxyz0123456789._:/-";
	*prefix_out = param->text;
	if (param->len == 0)
		return true;
	*prefix_out = param->text + 1;
	return param->text[0] == '^' && param->len <= IOTPKI_NVS_NAME_MAX + 1 &&
	       strspn(*prefix_out, literal) == param->len - 1;
}

struct page {
	const char *prefix;
	const char *from; /* the name before the page; NULL: none */
	size_t skip;
	size_t most;
};

/* Emercoin's parameters: regexp, maxage, from, nb. from may also be the last name of the page before. */
static const char *page_parse(const struct jsonrpc_call *call, struct page *page)
{
	*page = (struct page){ .prefix = "", .most = ANSWER_NAMES_MAX };
	if (call->param_count > 0 && !prefix_of(&call->params[0], &page->prefix))
		return "only ^ and a literal prefix of a name";
	if (call->param_count > 1 && call->params[1].number != 0)
		return "maxage must be 0";
	if (call->param_count > 2 && call->params[2].kind == JSONRPC_STRING) {
		if (call->params[2].len > IOTPKI_NVS_NAME_MAX)
			return "from is no name";
		page->from = call->params[2].len > 0 ? call->params[2].text : NULL;
	} else if (call->param_count > 2) {
		const int64_t skip = call->params[2].number;
		if (skip < 0 || skip > ANSWER_OFFSET_MAX)
			return "from must be 0 to 10000, or the last name of the page before";
		page->skip = (size_t)skip;
	}
	if (call->param_count > 3) {
		const int64_t most = call->params[3].number;
		if (most < 0)
			return "nb must not be negative";
		if (most > 0 && most < ANSWER_NAMES_MAX)
			page->most = (size_t)most;
	}
	return NULL;
}

static struct jsonrpc_error name_filter(const struct method_scope *scope,
					const struct jsonrpc_call *call)
{
	struct page page;
	const char *wrong = page_parse(call, &page);
	if (wrong != NULL)
		return invalid(wrong);
	struct ledger_tip tip;
	if (ledger_tip(ledger_of(scope), &tip) != IOTPKI_OK)
		return no_disk;
	struct filter filter = { .scope = scope,
				 .now_s = judged_time(scope, tip.newest_s),
				 .skip = page.skip,
				 .first = true };
	method_put_literal(scope->out, "[");
	if (ledger_filter(ledger_of(scope), page.prefix, page.from, page.skip + page.most,
			  put_found, &filter) != IOTPKI_OK)
		return no_disk;
	method_put_literal(scope->out, "]");
	return filter.cut ? too_many_reads : none;
}

static struct jsonrpc_error getblockchaininfo(const struct method_scope *scope,
					      const struct jsonrpc_call *call)
{
	(void)call;
	struct ledger_tip tip;
	if (ledger_tip(ledger_of(scope), &tip) != IOTPKI_OK)
		return no_disk;
	method_put_literal(scope->out, "{\"chain\":\"iotpki\",\"blocks\":");
	method_put_int(scope->out, (int64_t)tip.height);
	method_put_literal(scope->out, ",\"bestblockhash\":");
	method_put_hash(scope->out, tip.hash);
	method_put_literal(scope->out, ",\"time\":");
	method_put_int(scope->out, scope->clock_s);
	method_put_literal(scope->out, ",\"initialblockdownload\":false}");
	return none;
}

static const struct method rows[] = {
	{ "name_show", "ss", 1, false, name_show },
	{ "name_history", "sbs", 1, true, name_history },
	{ "name_filter", "siei", 0, true, name_filter },
	{ "getblockchaininfo", "", 0, false, getblockchaininfo },
	{ "name_submit", "s", 1, false, NULL },
};
const struct methods methods_ledger = { rows, ARRAY_LEN(rows) };

/* The method of a call, or what to answer instead. */
const struct method *method_of(const struct methods *methods, const struct jsonrpc_call *call,
			       struct jsonrpc_error *error_out)
{
	*error_out = call->error;
	if (error_out->code != JSONRPC_OK)
		return NULL;
	for (size_t i = 0; i < methods->count; i++) {
		const struct method *row = &methods->rows[i];
		if (strcmp(row->name, call->method) != 0)
			continue;
		const char *wrong = check_params(call, row->kinds, row->needed);
		if (wrong == NULL)
			return row;
		*error_out = (struct jsonrpc_error){ JSONRPC_MISC_ERROR, wrong, NULL };
		return NULL;
	}
	*error_out = (struct jsonrpc_error){ JSONRPC_METHOD_NOT_FOUND, "Method not found", NULL };
	return NULL;
}
