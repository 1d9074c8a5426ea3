/* The device manager's transport over the NVS client: name_submit, one node at a time. */
#include "manager/manager.h"

#include <string.h>

#include "base/parse.h"
#include "nvs/nvs.h"

enum {
	SUBMIT_TIMEOUT_MS = 10000, /* a write waits for a disk, and nobody waits at a door for it */
	CODE_REFUSED = -32010,     /* design 6: data.reason says why */
};

/* The answer to a submission is the txid as a JSON string; any other means that the node is broken. */
static bool is_txid(const struct buf *result, const uint8_t txid[static SHA256_LEN])
{
	char want[2 * SHA256_LEN + 3];
	want[0] = '"';
	hex_encode(txid, SHA256_LEN, want + 1);
	want[2 * SHA256_LEN + 1] = '"';
	want[2 * SHA256_LEN + 2] = '\0';
	return strcmp(buf_text(result), want) == 0;
}

static enum manager_state judge(const struct nvs_reply *reply,
				const uint8_t txid[static SHA256_LEN], enum tx_reason *reason_out)
{
	if (reply->code == CODE_REFUSED && tx_reason_parse(reply->reason, reason_out))
		return MANAGER_REFUSED;
	if (reply->outcome == IOTPKI_OUTCOME_UNREACHABLE ||
	    reply->outcome == IOTPKI_OUTCOME_NOT_READY)
		return MANAGER_UNREACHABLE;
	if (reply->outcome != IOTPKI_OUTCOME_REGISTERED)
		return MANAGER_BROKEN;
	return is_txid(&reply->result, txid) ? MANAGER_LEVEL : MANAGER_BROKEN;
}

static enum manager_state submit(void *context, size_t node, const uint8_t *der, size_t len,
				 const uint8_t txid[static SHA256_LEN], enum tx_reason *reason_out)
{
	*reason_out = TX_OK;
	if (len > TX_DER_MAX)
		return MANAGER_BROKEN;
	/* base64 needs no escaping in JSON. */
	char params[BASE64_ENCODED_SIZE(TX_DER_MAX) + 4] = "[\"";
	const size_t text = base64_encode(der, len, true, params + 2);
	memcpy(params + 2 + text, "\"]", 3);

	struct nvs_reply reply = { 0 };
	if (nvs_call(context, node, "name_submit", params, SUBMIT_TIMEOUT_MS, &reply) != IOTPKI_OK)
		return MANAGER_UNREACHABLE;
	const enum manager_state state = judge(&reply, txid, reason_out);
	nvs_reply_done(&reply);
	return state;
}

struct manager_transport manager_transport_nvs(struct nvs *nvs)
{
	return (struct manager_transport){ .context = nvs, .submit = submit };
}
