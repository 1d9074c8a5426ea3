/* One call to one node, waited for or not. */
#include "nvs/nvs_parts.h"

#include <stdio.h>
#include <string.h>

struct nvs_call {
	struct nvs *nvs;
	const struct config_node *node;
	const char *method;
	char *params_json;
	nvs_reply_fn *done;
	void *context;
	int64_t start_ms, expires_ms;
	struct nvs_reply reply;
	struct credentials *credentials;
	unsigned int generation; /* that it was sent with */
	bool renewed;            /* they were read again once */
	struct transfer *transfer;
	char id[DIALECT_ID_SIZE];
	enum iotpki_err err; /* what could not be done on this machine */
};

static void call_free(struct nvs_call *call)
{
	if (call == NULL)
		return;
	nvs_reply_done(&call->reply);
	free(call->params_json);
	free(call);
}

static void call_freep(struct nvs_call **call)
{
	call_free(*call);
}

static transport_done_fn take_reply;

static enum iotpki_err send_call(struct nvs_call *call)
{
	struct nvs *nvs = call->nvs;
	CLEANUP(buf_done) struct buf request = BUF_INIT(DIALECT_REQUEST_MAX);
	enum iotpki_err err = ask_new_id(nvs->client.random, call->id);
	if (err == IOTPKI_OK)
		err = dialect_request(call->id, call->method, call->params_json, &request);
	if (err != IOTPKI_OK)
		return err;
	call->generation = call->credentials->generation;
	const struct transport_order order = {
		.node = (size_t)(call->node - nvs->config.nodes),
		.request = &request,
		.cap = NVS_CALL_MAX,
		.credentials = call->credentials,
		.expires_ms = call->expires_ms,
		.done = take_reply,
		.context = call,
	};
	return transport_send(nvs->transport, &order, &call->transfer);
}

static void end_call(struct nvs_call *call)
{
	call->reply.ms = nvs_elapsed_ms(call->nvs, call->start_ms);
	/* What this machine could not do says nothing about the node. */
	if (call->err != IOTPKI_OK)
		call->reply.outcome = IOTPKI_OUTCOME_MALFORMED;
	call->done(call->context, &call->reply);
	call_free(call);
}

static void take_reply(void *context, const struct transport_answer *got)
{
	struct nvs_call *call = context;
	struct iotpki_detail detail = { 0 };
	call->transfer = NULL;
	if (!call->renewed && ask_renewed(call->credentials, call->generation, got)) {
		call->renewed = true; /* 401: nothing was done there */
		call->err = send_call(call);
		if (call->err != IOTPKI_OK)
			end_call(call);
		return;
	}
	call->reply.outcome = got->outcome;
	if (got->outcome == IOTPKI_OUTCOME_PENDING)
		call->err = dialect_reply(call->node, call->id, call->method, &got->http,
					  &call->reply, &detail);
	const bool told = detail.message[0] != '\0' || got->problem == NULL;
	ask_put_problem(told ? detail.message : got->problem, call->reply.problem);
	ask_log_problem(call->node, call->reply.problem);
	end_call(call);
}

/* ---- without waiting ---- */

enum iotpki_err nvs_call_start(struct nvs *nvs, size_t node, const char *method,
			       const char *params_json, int64_t timeout_ms, nvs_reply_fn *done,
			       void *context, struct nvs_call **call_out,
			       struct iotpki_detail *detail)
{
	*call_out = NULL;
	if (node >= nvs->config.node_count || params_json[0] != '[')
		return IOTPKI_ERR_ARGUMENT;
	struct credentials *credentials = &nvs->credentials[node];
	if (!credentials_refresh(credentials, false))
		return detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0, "credentials %s: %s",
				  credentials->problem.where, credentials->problem.message);
	CLEANUP(call_freep) struct nvs_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return IOTPKI_ERR_NOMEM;
	const int64_t start_ms = nvs_now_ms(nvs);
	*call = (struct nvs_call){
		.nvs = nvs,
		.node = &nvs->config.nodes[node],
		.method = method,
		.params_json = strdup(params_json),
		.done = done,
		.context = context,
		.start_ms = start_ms,
		.expires_ms = start_ms + timeout_ms,
		.reply = { .outcome = IOTPKI_OUTCOME_MALFORMED, .result = BUF_INIT(NVS_CALL_MAX) },
		.credentials = credentials,
	};
	if (call->params_json == NULL)
		return IOTPKI_ERR_NOMEM;
	const enum iotpki_err err = send_call(call);
	if (err == IOTPKI_OK)
		*call_out = STEAL(call);
	return err;
}

void nvs_call_cancel(struct nvs_call *call)
{
	if (call == NULL)
		return;
	if (call->transfer != NULL)
		transport_cancel(call->nvs->transport, call->transfer);
	call_free(call);
}

/* ---- waited for ---- */

struct waiting {
	struct nvs_call *call;
	struct nvs_reply *reply;
	bool over;
	enum iotpki_err err;
};

static void keep_reply(void *context, const struct nvs_reply *reply)
{
	struct waiting *waiting = context;
	/* Its memory is handed over: nobody else looks at the reply after this. */
	*waiting->reply = *reply;
	waiting->call->reply.result = (struct buf){ 0 };
	waiting->err = waiting->call->err;
	waiting->over = true;
}

enum iotpki_err nvs_call(struct nvs *nvs, size_t node, const char *method, const char *params_json,
			 int64_t timeout_ms, struct nvs_reply *reply_out)
{
	*reply_out = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_MALFORMED,
					 .result = BUF_INIT(NVS_CALL_MAX) };
	struct waiting waiting = { .reply = reply_out };
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = nvs_call_start(nvs, node, method, params_json, timeout_ms, keep_reply,
					     &waiting, &waiting.call, &detail);
	if (err == IOTPKI_ERR_PERMISSION) {
		ask_put_problem(detail.message, reply_out->problem);
		reply_out->outcome = IOTPKI_OUTCOME_UNAUTHORIZED;
		return IOTPKI_OK;
	}
	while (err == IOTPKI_OK && !waiting.over)
		err = nvs_poll(nvs, -1, -1);
	if (waiting.over)
		return waiting.err;
	nvs_call_cancel(waiting.call);
	return err;
}

void nvs_reply_done(struct nvs_reply *reply)
{
	buf_done(&reply->result);
	*reply = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_PENDING };
}
