/* From a body to its answer: transactions out, results in, the frame around the methods. */
#include "bnode/answer.h"

#include "base/parse.h"
#include "bnode/method.h"

enum { ANSWER_FIRST_SIZE = 1536 };

static const struct jsonrpc_error none = { JSONRPC_OK, NULL, NULL };
static const struct jsonrpc_error too_large = {
	JSONRPC_INTERNAL, "the answer would be larger than 4 MiB: ask for less", NULL
};

/* ---- transactions ---- */

static bool submits(const struct methods *methods, const struct jsonrpc_call *call)
{
	struct jsonrpc_error error;
	const struct method *method = method_of(methods, call, &error);
	return method != NULL && method->run == NULL;
}

static void decode(const struct jsonrpc_param *param, struct answer_submission *submission)
{
	size_t len = sizeof(submission->der);
	submission->decoded =
		base64_decode(param->text, param->len, true, submission->der, &len) && len > 0;
	submission->to_ledger = (struct ledger_submission){
		.der = submission->der,
		.der_len = len,
		.reason = submission->decoded ? TX_STORAGE : TX_BAD_ENCODING,
	};
}

enum iotpki_err answer_prepare(const struct methods *methods, const char *body, size_t len,
			       struct answer *answer_out)
{
	*answer_out = (struct answer){ .methods = methods };
	struct jsonrpc_request *request = &answer_out->request;
	const enum iotpki_err err = jsonrpc_parse(body, len, request);
	if (err != IOTPKI_OK)
		return err;
	size_t count = 0;
	for (size_t i = 0; i < request->count; i++) {
		struct jsonrpc_error error;
		const struct method *method = method_of(methods, &request->calls[i], &error);
		count += method != NULL && method->run == NULL;
		answer_out->lists = answer_out->lists || (method != NULL && method->lists);
	}
	answer_out->large = request->batch || answer_out->lists;
	if (count == 0)
		return IOTPKI_OK;
	answer_out->submissions = malloc(count * sizeof(*answer_out->submissions));
	if (answer_out->submissions == NULL)
		return IOTPKI_ERR_NOMEM;
	for (size_t i = 0; i < request->count; i++) {
		if (!submits(methods, &request->calls[i]))
			continue;
		struct answer_submission *submission =
			&answer_out->submissions[answer_out->submission_count++];
		submission->call = i;
		decode(&request->calls[i].params[0], submission);
		answer_out->decoded_count += submission->decoded;
	}
	return IOTPKI_OK;
}

static struct jsonrpc_error put_submission(const struct method_scope *scope,
					   const struct answer *answer, size_t call)
{
	for (size_t i = 0; i < answer->submission_count; i++) {
		const struct answer_submission *submission = &answer->submissions[i];
		if (submission->call != call)
			continue;
		if (submission->decoded && answer->busy)
			return (struct jsonrpc_error){ JSONRPC_WARMUP,
						       "too busy, nothing was changed: try again",
						       NULL };
		const enum tx_reason reason = submission->to_ledger.reason;
		if (reason != TX_OK)
			return (struct jsonrpc_error){ JSONRPC_REFUSED, tx_reason_text(reason),
						       tx_reason_name(reason) };
		method_put_hash(scope->out, submission->to_ledger.txid);
		return none;
	}
	return (struct jsonrpc_error){ JSONRPC_INTERNAL, "the transaction was lost", NULL };
}

static struct jsonrpc_error run(const struct method_scope *scope)
{
	const struct answer *answer = scope->answer;
	const struct jsonrpc_call *call = &answer->request.calls[scope->index];
	struct jsonrpc_error error;
	const struct method *method = method_of(answer->methods, call, &error);
	if (method == NULL)
		return error;
	return method->run != NULL ? method->run(scope, call)
				   : put_submission(scope, answer, scope->index);
}

/* What a method wrote before it failed is taken back. */
static int put_call(struct method_scope *scope, size_t index)
{
	const struct answer *answer = scope->answer;
	const struct jsonrpc_call *call = &answer->request.calls[index];
	scope->index = index;
	struct buf *out = scope->out;
	const size_t start = out->len;
	jsonrpc_put_head(out, call);
	struct jsonrpc_error error = run(scope);
	jsonrpc_put_tail(out, call);
	if (error.code == JSONRPC_OK && (out->err == IOTPKI_ERR_LIMIT || out->len > ANSWER_MAX))
		error = too_large;
	if (answer->metrics != NULL)
		metrics_call(answer->metrics, answer->slot, metrics_method_of(call->method),
			     metrics_result_of(&error));
	if (error.code == JSONRPC_OK)
		return JSONRPC_OK;
	out->len = start;
	if (out->err == IOTPKI_ERR_LIMIT)
		out->err = IOTPKI_OK;
	jsonrpc_put_error(out, call, &error);
	return error.code;
}

enum iotpki_err answer_write(void *source, const struct clock *clock, const struct answer *answer,
			     struct buf *out, unsigned int *status_out)
{
	size_t reads_left = ANSWER_READS_MAX;
	struct method_scope scope = { .source = source,
				      .answer = answer,
				      .clock_s = clock->now_s(clock),
				      .out = out,
				      .reads_left = &reads_left };
	const struct jsonrpc_request *request = &answer->request;
	if (request->error.code != JSONRPC_OK) {
		const struct jsonrpc_call nobody = { .id = "null" };
		jsonrpc_put_error(out, &nobody, &request->error);
		if (answer->metrics != NULL)
			metrics_call(answer->metrics, answer->slot, METRICS_OTHER, METRICS_BAD);
		*status_out = jsonrpc_http_status(false, request->error.code);
	} else if (!request->batch) {
		const int code = put_call(&scope, 0);
		*status_out = jsonrpc_http_status(request->calls[0].version2, code);
	} else {
		for (size_t i = 0; i < request->count; i++) {
			(void)buf_putc(out, i == 0 ? '[' : ',');
			(void)put_call(&scope, i);
		}
		(void)buf_putc(out, ']');
		*status_out = 200;
	}
	/* Not ready, whatever the version: a proxy and a client must not take it for an answer. */
	if (answer->busy)
		*status_out = 503;
	(void)buf_putc(out, '\n');
	return buf_error(out);
}

void answer_done(struct answer *answer)
{
	jsonrpc_done(&answer->request);
	free(answer->submissions);
	*answer = (struct answer){ 0 };
}

size_t answer_most(const struct answer *answer)
{
	/* 100 error answers of the largest size fit beyond the results. */
	return answer->large ? ANSWER_MAX + 128 * 1024 : ANSWER_SMALL_MAX;
}

enum iotpki_err answer_buf(const struct answer *answer, struct buf *out)
{
	*out = (struct buf)BUF_INIT(answer_most(answer));
	out->data = malloc(ANSWER_FIRST_SIZE);
	if (out->data == NULL)
		return IOTPKI_ERR_NOMEM;
	out->data[0] = '\0';
	out->size = ANSWER_FIRST_SIZE;
	return IOTPKI_OK;
}
