/* One call to one node, waited for. */
#include "nvs/nvs_parts.h"

#include <stdio.h>
#include <string.h>

struct call {
	struct nvs *nvs;
	const struct config_node *node;
	const char *method, *params_json;
	int64_t expires_ms;
	struct nvs_reply *reply;
	struct credentials *credentials;
	unsigned int generation; /* that it was sent with */
	bool renewed;            /* they were read again once */
	struct transfer *transfer;
	char id[DIALECT_ID_SIZE];
	bool over;
	enum iotpki_err err;
};

static transport_done_fn take_reply;

static enum iotpki_err send_call(struct call *call)
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

/** In printable words of ours; what a node says itself is not among them. */
static void set_problem(struct nvs_reply *reply, const char *text)
{
	struct iotpki_detail line = { 0 };
	(void)detail_set(&line, IOTPKI_OK, 0, 0, "%s", text);
	(void)snprintf(reply->problem, sizeof(reply->problem), "%s", line.message);
}

static void take_reply(void *context, const struct transport_answer *got)
{
	struct call *call = context;
	struct iotpki_detail detail = { 0 };
	call->transfer = NULL;
	if (!call->renewed && ask_renewed(call->credentials, call->generation, got)) {
		call->renewed = true; /* 401: nothing was done there */
		call->err = send_call(call);
		call->over = call->err != IOTPKI_OK;
		return;
	}
	call->over = true;
	call->reply->outcome = got->outcome;
	if (got->outcome == IOTPKI_OUTCOME_PENDING)
		call->err = dialect_reply(call->node, call->id, call->method, &got->http,
					  call->reply, &detail);
	if (detail.message[0] != '\0' || got->problem == NULL)
		set_problem(call->reply, detail.message);
	else
		set_problem(call->reply, got->problem);
	ask_log_problem(call->node, call->reply->problem);
}

enum iotpki_err nvs_call(struct nvs *nvs, size_t node, const char *method, const char *params_json,
			 int64_t timeout_ms, struct nvs_reply *reply_out)
{
	*reply_out = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_MALFORMED,
					 .result = BUF_INIT(NVS_CALL_MAX) };
	if (node >= nvs->config.node_count || params_json[0] != '[')
		return IOTPKI_ERR_ARGUMENT;
	const int64_t start_ms = nvs_now_ms(nvs);
	struct call call = {
		.nvs = nvs,
		.node = &nvs->config.nodes[node],
		.method = method,
		.params_json = params_json,
		.expires_ms = start_ms + timeout_ms,
		.reply = reply_out,
		.credentials = &nvs->credentials[node],
	};
	if (!credentials_refresh(call.credentials, false)) {
		const struct iotpki_detail *problem = &call.credentials->problem;
		char text[sizeof(problem->where) + sizeof(problem->message) + 16];
		(void)snprintf(text, sizeof(text), "credentials %s: %s", problem->where,
			       problem->message);
		set_problem(reply_out, text);
		reply_out->outcome = IOTPKI_OUTCOME_UNAUTHORIZED;
		return IOTPKI_OK;
	}
	enum iotpki_err err = send_call(&call);
	while (err == IOTPKI_OK && !call.over)
		err = nvs_poll(nvs, -1, -1);
	if (call.transfer != NULL)
		transport_cancel(nvs->transport, call.transfer);
	reply_out->ms = nvs_elapsed_ms(nvs, start_ms);
	return call.over ? call.err : err;
}

void nvs_reply_done(struct nvs_reply *reply)
{
	buf_done(&reply->result);
	*reply = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_PENDING };
}
