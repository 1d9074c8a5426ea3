#include "lies/tell.h"

#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "nvs/dialect.h"

#define TEXT_MAX ((size_t)64 * 1024)

static const struct config_node nodes[WORLD_TYPES] = {
	[CONFIG_NODE_IOTPKI] = { .type = CONFIG_NODE_IOTPKI, .network = 0, .min_confirmations = 1 },
	[CONFIG_NODE_EMERCOIN] = { .type = CONFIG_NODE_EMERCOIN,
				   .network = 1,
				   .min_confirmations = 1 },
	[CONFIG_NODE_NAMECOIN] = { .type = CONFIG_NODE_NAMECOIN,
				   .network = 2,
				   .min_confirmations = 1 },
};

const uint8_t tell_other_key[IOTPKI_SHA256_LEN] = { 0xb2, 0xb2, 0xb2 };
static const uint8_t entry_key[IOTPKI_SHA256_LEN] = { 0xa1, 0xa1, 0xa1 };

struct iotpki_answer tell(enum config_node_type type, const struct told *told)
{
	const char *const nvs_name = world_nvs_name(type);
	const struct dialect_question question = { &nodes[type], WORLD_ID, &nvs_name, 1,
						   WORLD_NOW,    NULL };
	const struct dialect_http show = { told->status, told->content_type, told->show,
					   told->show_len };
	struct dialect_shown shown;
	dialect_answer(&question, &show, &shown, NULL);
	if (!shown.needs_life)
		return shown.answer;
	uint8_t txid[1][IOTPKI_SHA256_LEN];
	memcpy(txid[0], shown.answer.txid, sizeof(txid[0]));
	const struct dialect_http history = { told->status, told->content_type,
					      told->history != NULL ? told->history : "",
					      told->history_len };
	struct dialect_life life;
	dialect_lives(&question, (const uint8_t(*)[IOTPKI_SHA256_LEN])txid, &history, &life, NULL);
	dialect_apply_life(&nodes[type], &life, &shown);
	return shown.answer;
}

struct iotpki_answer tell_honest(enum config_node_type type, enum world world)
{
	CLEANUP(buf_done) struct buf show = BUF_INIT(TEXT_MAX);
	CLEANUP(buf_done) struct buf history = BUF_INIT(TEXT_MAX);
	world_show(type, world, WORLD_ID, "1795400000", &show);
	world_history(type, world, WORLD_ID, "1795400000", &history);
	const struct told told = { .status = 200,
				   .content_type = "application/json",
				   .show = buf_text(&show),
				   .show_len = show.len,
				   .history = buf_text(&history),
				   .history_len = history.len };
	return tell(type, &told);
}

static void take_hash(const char *hex, uint8_t out[static IOTPKI_SHA256_LEN])
{
	if (!hex_decode(hex, strlen(hex), out, IOTPKI_SHA256_LEN))
		abort();
}

struct iotpki_decide_input tell_input(enum peer peer, enum policy policy)
{
	struct iotpki_decide_input input = {
		.member = true,
		.member_ends_s = INT64_C(4000000000),
		.permitted = true,
		.cert_ends_s = INT64_C(4000000000),
		.clock_s = WORLD_NOW,
		.build_s = WORLD_NOW - 86400,
	};
	take_hash(WORLD_HASH_A, input.entry_sha256);
	memcpy(input.entry_key, entry_key, sizeof(entry_key));
	for (size_t i = 0; i < WORLD_TYPES; i++) {
		input.pins[i].set = true;
		take_hash(WORLD_T1, input.pins[i].id);
	}
	static const enum iotpki_presented presented[PEERS] = {
		[PEER_KEY] = IOTPKI_PRESENTED_KEY,         [PEER_CERT] = IOTPKI_PRESENTED_CERT,
		[PEER_NAME] = IOTPKI_PRESENTED_NAME,       [PEER_OTHER_KEY] = IOTPKI_PRESENTED_KEY,
		[PEER_OTHER_CERT] = IOTPKI_PRESENTED_CERT,
	};
	input.presented = presented[peer];
	if (peer == PEER_KEY)
		memcpy(input.presented_hash, entry_key, sizeof(entry_key));
	if (peer == PEER_OTHER_KEY)
		memcpy(input.presented_hash, tell_other_key, sizeof(tell_other_key));
	if (peer == PEER_CERT)
		take_hash(WORLD_HASH_A, input.presented_hash);
	if (peer == PEER_OTHER_CERT)
		take_hash(WORLD_HASH_B, input.presented_hash);
	if (policy == POLICY_PIN)
		input.key_change = IOTPKI_KEY_PIN;
	if (policy == POLICY_FOLLOW)
		input.key_change = IOTPKI_KEY_FOLLOW;
	if (policy == POLICY_CLOCKLESS)
		input.clock_s = 0;
	if (policy == POLICY_OUTVOTE)
		input.dissent = IOTPKI_DISSENT_OUTVOTE;
	return input;
}

bool tell_truth(enum world world, enum peer peer, enum policy policy)
{
	const bool own = peer == PEER_KEY || peer == PEER_CERT || peer == PEER_NAME;
	if (world == WORLD_ADMITS)
		return own;
	/* The paper's literal rule: whoever holds the name now, with this very value. */
	if (world == WORLD_REREGISTERED)
		return own && policy == POLICY_FOLLOW;
	/* III-E: the owner put another certificate into the record of the same registration. */
	if (world == WORLD_UPDATED)
		return peer == PEER_OTHER_CERT && policy != POLICY_PIN;
	return false;
}
