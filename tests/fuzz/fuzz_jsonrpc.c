/*
 * The B-node's request parser. Oracles: whatever the body, the caps hold, and every id
 * that the parser wrote is one JSON value that it reads back as the same text.
 */
#include "fuzz.h"

#include "bnode/jsonrpc.h"

static void check_id(const struct jsonrpc_call *call)
{
	CLEANUP(buf_done) struct buf body = BUF_INIT(4096);
	(void)buf_puts(&body, "{\"method\":\"m\",\"id\":");
	(void)buf_puts(&body, call->id);
	(void)buf_putc(&body, '}');
	if (buf_error(&body) != IOTPKI_OK)
		return;
	struct jsonrpc_request again;
	if (jsonrpc_parse(buf_text(&body), body.len, &again) == IOTPKI_OK) {
		FUZZ_CHECK(again.error.code == 0 && again.count == 1);
		FUZZ_CHECK(again.calls[0].error.code == 0);
		FUZZ_CHECK(strcmp(again.calls[0].id, call->id) == 0);
	}
	jsonrpc_done(&again);
}

static void check_call(const struct jsonrpc_call *call)
{
	FUZZ_CHECK((call->method == NULL) == (call->error.code != 0));
	FUZZ_CHECK(call->param_count <= JSONRPC_PARAMS_MAX);
	for (size_t i = 0; i < call->param_count; i++) {
		const struct jsonrpc_param *param = &call->params[i];
		FUZZ_CHECK((param->kind == JSONRPC_STRING) == (param->text != NULL));
		FUZZ_CHECK(param->text == NULL || strlen(param->text) == param->len);
	}
	check_id(call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonrpc_request request;
	if (jsonrpc_parse((const char *)data, size, &request) == IOTPKI_OK) {
		FUZZ_CHECK(request.count <= JSONRPC_BATCH_MAX);
		FUZZ_CHECK((request.error.code != 0) == (request.count == 0));
		FUZZ_CHECK(size <= JSONRPC_BODY_MAX || request.count == 0);
		for (size_t i = 0; i < request.count; i++)
			check_call(&request.calls[i]);
		/* Reached by a batch of three calls, the third with four good parameters. */
		if (request.batch && request.count == 3 && request.calls[2].param_count == 4 &&
		    request.calls[2].method != NULL)
			plant_bug(data, size);
	}
	jsonrpc_done(&request);
	return 0;
}
