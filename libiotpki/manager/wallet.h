/*
 * The calls to a chain's wallet: what its node shows of a name (struct onchain_seen), what the
 * wallet has, and the one call of a step. Everything that the node says is parsed strictly; its
 * texts are never passed on. Never a third parameter to name_show: Emercoin would write a file.
 */
#pragma once

#include "manager/onchain.h"

/** How a call reaches a node: the NVS client, or what a test puts in its place. */
struct wallet_transport {
	void *context;
	/* As nvs_call; a call that could not even be tried is an error. */
	enum iotpki_err (*call)(void *context, size_t node, const char *method,
				const char *params_json, struct nvs_reply *reply_out);
	/* Ask all of them at the same time, shortly: which are silent? NULL: nobody knows. */
	void (*silent)(void *context, const size_t *nodes, size_t count, bool *silent_out);
};
/** The transport over the NVS client; context is the client. */
struct wallet_transport wallet_transport_nvs(struct nvs *nvs);

/** A name at one wallet; borrowed. */
struct wallet {
	const struct wallet_transport *transport;
	size_t node; /* index of it in the configuration */
	enum config_node_type type;
	const char *nvs_name; /* with its prefix */
};

/**
 * Look at the name: tip, mempool, record, history, and how deep the pre-order of progress is. In
 * this order, so that nothing can slip from the mempool into a block unseen between two of them.
 */
enum onchain_problem wallet_look(const struct wallet *wallet,
				 const struct onchain_progress *progress,
				 struct onchain_seen *seen_out);

struct wallet_funds {
	int64_t balance; /* confirmed, spendable */
	bool locked;     /* encrypted, and not unlocked now */
};
enum onchain_problem wallet_look_funds(const struct wallet *wallet, struct wallet_funds *funds_out);

/**
 * Do a step (ADDRESS, ORDER, ENTER, CHANGE), and take its answer over into progress, for the caller to
 * store.
 */
enum onchain_problem wallet_act(const struct wallet *wallet, enum onchain_action action,
				struct onchain_progress *progress);
