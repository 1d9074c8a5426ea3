/* What the files of the client share (private to nvs/). */
#pragma once

#include "nvs/ask.h"
#include "nvs/health.h"

struct nvs {
	struct config config;
	const struct clock *clock;
	struct transport *transport;
	struct health health;
	nvs_mark_fn *mark; /* NULL: none */
	void *mark_context;
	struct lives *lives;
	struct credentials credentials[IOTPKI_NODES_MAX];
	struct ask_client client; /* of the above */
	struct nvs_question *questions;
	unsigned int polling; /* depth of nvs_poll: nothing is released while it is not 0 */
};

/** The monotonic clock, and what passed since. */
int64_t nvs_now_ms(const struct nvs *nvs);
uint32_t nvs_elapsed_ms(const struct nvs *nvs, int64_t since_ms);
