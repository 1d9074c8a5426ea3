/* The methods of a gateway: they read only, and look into what the upstream has said. */
#include <string.h>

#include "bnode/gateway_parts.h"

static const struct jsonrpc_error none = { JSONRPC_OK, NULL, NULL };

/* What was found for the call; NULL: error_out is the answer. */
static const struct finding *found(const struct method_scope *scope,
				   struct jsonrpc_error *error_out)
{
	static const struct jsonrpc_error busy = {
		JSONRPC_WARMUP, "too many questions now: wait a moment and ask again", NULL
	};
	static const struct jsonrpc_error too_many = { JSONRPC_INTERNAL,
						       "at most 4 histories in one request", NULL };
	const struct wish *wish = scope->source;
	const struct part *part = wish != NULL ? &wish->parts[scope->index] : NULL;
	*error_out = busy;
	if (part == NULL || scope->answer->busy)
		return NULL;
	*error_out = part->too_many ? too_many
				    : told_error(part->asked ? IOTPKI_OUTCOME_UNREACHABLE
							     : IOTPKI_OUTCOME_UNREGISTERED);
	return part->finding;
}

static bool shows(enum iotpki_outcome outcome)
{
	return outcome == IOTPKI_OUTCOME_REGISTERED || outcome == IOTPKI_OUTCOME_REVOKED ||
	       outcome == IOTPKI_OUTCOME_EXPIRED;
}

static struct jsonrpc_error name_show(const struct method_scope *scope,
				      const struct jsonrpc_call *call)
{
	enum method_form form;
	struct jsonrpc_error error;
	if (!method_form_of(call, 1, &form))
		return method_bad_form();
	const struct finding *finding = found(scope, &error);
	if (finding == NULL)
		return error;
	if (!shows(finding->told.outcome))
		return told_error(finding->told.outcome);
	told_put_name(scope->out, finding->name, &finding->told, scope->clock_s, form);
	return none;
}

static struct jsonrpc_error name_history(const struct method_scope *scope,
					 const struct jsonrpc_call *call)
{
	enum method_form form;
	struct jsonrpc_error error;
	if (!method_form_of(call, 2, &form))
		return method_bad_form();
	const struct finding *finding = found(scope, &error);
	if (finding == NULL)
		return error;
	if (finding->told.outcome == IOTPKI_OUTCOME_UNREGISTERED || finding->history.count == 0)
		return told_error(shows(finding->told.outcome) ? IOTPKI_OUTCOME_NOT_READY
							       : finding->told.outcome);
	told_put_history(scope->out, &finding->history,
			 call->param_count > 1 && call->params[1].number != 0, form);
	return none;
}

static struct jsonrpc_error getblockchaininfo(const struct method_scope *scope,
					      const struct jsonrpc_call *call)
{
	struct jsonrpc_error error;
	(void)call;
	const struct finding *finding = found(scope, &error);
	if (finding == NULL)
		return error;
	if (finding->told.outcome != IOTPKI_OUTCOME_REGISTERED)
		return told_error(finding->told.outcome);
	told_put_tip(scope->out, &finding->told.tip);
	return none;
}

static const struct method rows[] = {
	{ "name_show", "ss", 1, false, name_show },
	{ "name_history", "sbs", 1, true, name_history },
	{ "getblockchaininfo", "", 0, false, getblockchaininfo },
};
const struct methods methods_gateway = { rows, ARRAY_LEN(rows) };

/* A name that cannot be on the upstream under our prefix is one that is not there. */
static bool own_name(const struct jsonrpc_param *param, const char **name_out)
{
	const size_t prefix_len = sizeof(TOLD_PREFIX) - 1;
	if (param->len <= prefix_len || strncmp(param->text, TOLD_PREFIX, prefix_len) != 0)
		return false;
	*name_out = param->text + prefix_len;
	return iotpki_name_valid(*name_out, param->len - prefix_len);
}

enum gateway_want gateway_want_of(const struct jsonrpc_call *call, const char **name_out)
{
	static const enum gateway_want wants[ARRAY_LEN(rows)] = { GATEWAY_NAME, GATEWAY_HISTORY,
								  GATEWAY_TIP };
	struct jsonrpc_error error;
	const struct method *method = method_of(&methods_gateway, call, &error);
	*name_out = "";
	if (method == NULL)
		return GATEWAY_NOTHING;
	const enum gateway_want want = wants[method - rows];
	if (want != GATEWAY_TIP && !own_name(&call->params[0], name_out))
		return GATEWAY_NOTHING;
	return want;
}
