/*
 * What a chain's node says to the device manager. The input is one result a line, in the order of
 * the calls; the first line says the chain, what is wanted of the name and how far it is. Whatever the
 * node says, the next step is one that the state allows, and what would be stored can be read again.
 */
#include "fuzz.h"

#include "manager/wallet.h"

#define VALUE "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define NOW_S INT64_C(1795333980)

struct lines {
	const char *at, *end;
};

static bool next_line(struct lines *lines, const char **line_out, size_t *len_out)
{
	if (lines->at >= lines->end)
		return false;
	const char *end = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
	*line_out = lines->at;
	*len_out = (size_t)((end != NULL ? end : lines->end) - lines->at);
	lines->at += *len_out + 1;
	return true;
}

/** "-CODE" is an error, "?" no answer, anything else the result. */
static enum iotpki_err say(void *context, size_t node, const char *method, const char *params_json,
			   struct nvs_reply *reply_out)
{
	struct lines *lines = context;
	const char *line;
	size_t len;
	(void)node;
	FUZZ_CHECK(method[0] != '\0' && params_json[0] == '[');
	*reply_out = (struct nvs_reply){ .outcome = IOTPKI_OUTCOME_UNREACHABLE,
					 .result = BUF_INIT(NVS_CALL_MAX) };
	if (!next_line(lines, &line, &len) || (len == 1 && line[0] == '?'))
		return IOTPKI_OK;
	if (len > 1 && line[0] == '-') {
		reply_out->outcome = IOTPKI_OUTCOME_MALFORMED;
		reply_out->refusal = NVS_REFUSAL_OTHER;
		reply_out->code = line[1] == '4' ? -4 : -5;
		return IOTPKI_OK;
	}
	reply_out->outcome = IOTPKI_OUTCOME_REGISTERED;
	return buf_put(&reply_out->result, line, len);
}

static struct onchain_progress start(const char *line, size_t len)
{
	const char type = len > 0 ? line[0] : 'n', op = len > 1 ? line[1] : 'r';
	const char stage = len > 2 ? line[2] : 'w';
	struct onchain_progress progress = {
		.type = type == 'e' ? CONFIG_NODE_EMERCOIN : CONFIG_NODE_NAMECOIN,
		.op = op == 'u'   ? ONCHAIN_UPDATE
		      : op == 'v' ? ONCHAIN_REVOKE
		      : op == 't' ? ONCHAIN_TRANSFER
				  : ONCHAIN_REGISTER,
		.stage = stage == 's' ? ONCHAIN_SENT : ONCHAIN_WANTED,
		.has_preorder = stage == 'p',
		.value = VALUE,
	};
	if (stage == 'a' || progress.op == ONCHAIN_TRANSFER)
		(void)snprintf(progress.address, sizeof(progress.address), "n1");
	return progress;
}

static void check_stored(const struct onchain_progress *progress)
{
	struct onchain_progress back;
	CLEANUP(buf_done) struct buf text = BUF_INIT(ONCHAIN_TEXT_MAX);
	FUZZ_CHECK(onchain_format(progress, &text) == IOTPKI_OK);
	FUZZ_CHECK(onchain_parse(buf_text(&text), text.len, &back, NULL) == IOTPKI_OK);
	FUZZ_CHECK(strcmp(back.value, progress->value) == 0 && back.stage == progress->stage);
}

static void check_step(const struct onchain_seen *seen, const struct onchain_progress *progress,
		       const struct onchain_step *step)
{
	const bool namecoin = progress->type == CONFIG_NODE_NAMECOIN;
	FUZZ_CHECK(step->action != ONCHAIN_CHANGE || seen->name == ONCHAIN_NAME_HELD);
	FUZZ_CHECK(step->action != ONCHAIN_CHANGE || progress->op != ONCHAIN_REGISTER);
	FUZZ_CHECK(step->action != ONCHAIN_CHANGE || seen->mine != ONCHAIN_NOT_MINE);
	FUZZ_CHECK(step->action != ONCHAIN_CHANGE || !seen->pending);
	FUZZ_CHECK(step->action != ONCHAIN_CHANGE || !seen->revoked);
	FUZZ_CHECK(step->action != ONCHAIN_ENTER || seen->name != ONCHAIN_NAME_HELD);
	FUZZ_CHECK(step->action != ONCHAIN_ENTER || progress->op == ONCHAIN_REGISTER);
	FUZZ_CHECK(step->action != ONCHAIN_ENTER || !namecoin ||
		   (progress->has_preorder && seen->order_depth >= ONCHAIN_ORDER_DEPTH));
	FUZZ_CHECK((step->action != ONCHAIN_ORDER && step->action != ONCHAIN_ADDRESS) || namecoin);
	FUZZ_CHECK((step->action == ONCHAIN_REFUSE) == (step->problem != ONCHAIN_OK));
	FUZZ_CHECK(step->action != ONCHAIN_WAIT || step->to_go > 0);
	FUZZ_CHECK(!seen->downloading || step->action == ONCHAIN_REFUSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines = { (const char *)data, (const char *)data + size };
	const struct wallet_transport transport = { .context = &lines, .call = say };
	const char *line = "";
	size_t len = 0;
	(void)next_line(&lines, &line, &len);
	struct onchain_progress progress = start(line, len);
	const struct wallet wallet = { &transport, 0, progress.type, "iot/x" };
	struct onchain_seen seen;
	if (wallet_look(&wallet, &progress, &seen) != ONCHAIN_OK)
		return 0;
	const struct onchain_step step = onchain_next(&progress, &seen, 2, NOW_S);
	check_step(&seen, &progress, &step);
	check_stored(&progress);
	/* Deep: a name that is held and confirmed, by all of its answers. */
	if (progress.stage == ONCHAIN_DONE && seen.name == ONCHAIN_NAME_HELD && !seen.revoked &&
	    progress.op == ONCHAIN_UPDATE)
		plant_bug(data, size);
	struct wallet_funds funds;
	if (wallet_look_funds(&wallet, &funds) == ONCHAIN_OK)
		FUZZ_CHECK(funds.balance >= 0);
	if (step.action > ONCHAIN_REFUSE &&
	    wallet_act(&wallet, step.action, &progress) == ONCHAIN_OK)
		check_stored(&progress);
	return 0;
}
