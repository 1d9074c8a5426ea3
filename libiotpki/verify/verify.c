/* One decision, waited for: the list first, then the B-nodes until the decision stands. */
#include "verify/verify.h"

#include <string.h>

struct verification {
	const struct clock *clock;
	struct iotpki_decide_input input;
	struct verify_result *result;
	bool over; /* the question had its last call */
};

static bool soft_fail_allowed(const struct config *config, const struct verify_request *request)
{
	if (!config->soft_fail || request->member == NULL || !request->member->rights->soft_fail ||
	    request->service == NULL)
		return false;
	for (size_t i = 0; i < config->soft_fail_service_count; i++) {
		if (strcmp(config->soft_fail_services[i], request->service) == 0)
			return true;
	}
	return false;
}

/** A certificate that the list does not hold yet may end before the one that it holds. */
static void narrow_validity(const struct verify_request *request, struct iotpki_decide_input *input)
{
	if (request->cert_begins_s > input->cert_begins_s)
		input->cert_begins_s = request->cert_begins_s;
	if (request->cert_ends_s != 0 && request->cert_ends_s < input->cert_ends_s)
		input->cert_ends_s = request->cert_ends_s;
}

/** The last verdict is not known here, so soft-fail admits nobody: only the agent keeps state. */
static void fill(const struct config *config, const struct verify_request *request,
		 struct iotpki_decide_input *input)
{
	membership_fill(request->member, config, request->user, request->service, input);
	narrow_validity(request, input);
	input->presented = request->presented;
	memcpy(input->presented_hash, request->presented_hash, sizeof(input->presented_hash));
	input->needed = config->needed;
	input->dissent = config->dissent;
	input->key_change = config->key_change;
	input->soft_fail = soft_fail_allowed(config, request);
	input->soft_fail_max_age_s = config->soft_fail_max_age_s;
	input->build_s = CLOCK_BUILD_TIME_S;
}

static void decide_now(struct verification *verification, bool deadline)
{
	struct iotpki_decide_input *input = &verification->input;
	struct verify_result *result = verification->result;
	input->answers = result->answers;
	input->answer_count = result->answer_count;
	input->deadline = deadline;
	input->clock_s = verification->clock->now_s(verification->clock);
	iotpki_decide(input, &result->decision);
}

static void take_answers(void *context, const struct iotpki_answer *answers, size_t count,
			 bool deadline)
{
	struct verification *verification = context;
	struct verify_result *result = verification->result;
	verification->over = deadline;
	if (result->decision.final)
		return; /* the first final one stands (design 4.3) */
	for (size_t i = 0; i < count && i < result->answer_count; i++)
		result->answers[i] = answers[i];
	decide_now(verification, deadline);
}

enum iotpki_err verify_ask(struct nvs *nvs, const struct config *config, const struct clock *clock,
			   const struct verify_request *request, struct verify_result *result_out)
{
	*result_out = (struct verify_result){ .answer_count = config->node_count };
	for (size_t i = 0; i < config->node_count; i++)
		result_out->answers[i].network = config->nodes[i].network;
	struct verification verification = { .clock = clock, .result = result_out };
	fill(config, request, &verification.input);
	decide_now(&verification, config->node_count == 0);
	if (result_out->decision.final)
		return IOTPKI_OK;

	struct nvs_question *question = NULL;
	enum iotpki_err err =
		nvs_ask(nvs, request->member->name, take_answers, &verification, &question);
	while (err == IOTPKI_OK && !result_out->decision.final)
		err = nvs_poll(nvs, -1, -1);
	if (!verification.over)
		nvs_cancel(nvs, question);
	if (result_out->decision.final)
		return IOTPKI_OK;
	*result_out = (struct verify_result){ 0 };
	return err;
}
