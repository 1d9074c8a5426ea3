/*
 * List + B-nodes + decision for programs that wait: `iotpki verify`, `member
 * check`, libiotpki's users. The agent does the same without waiting, with the
 * same decide().
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "config/config.h"
#include "config/membership.h"
#include "nvs/nvs.h"

struct verify_request {
	const struct member *member; /* NULL: not on the list */
	const char *user;            /* NULL: any account */
	const char *service;
	enum iotpki_presented presented;
	uint8_t presented_hash[IOTPKI_SHA256_LEN];
	/* A shown certificate's own validity, which counts beside the entry's; both 0: none is known. */
	int64_t cert_begins_s, cert_ends_s;
};

struct verify_result {
	struct iotpki_decision decision;
	size_t answer_count;
	struct iotpki_answer answers[IOTPKI_NODES_MAX]; /* PENDING where it was not asked */
};

/** Decide; asks B-nodes only if the list alone does not deny. */
enum iotpki_err verify_ask(struct nvs *nvs, const struct config *config, const struct clock *clock,
			   const struct verify_request *request,
			   struct verify_result *result_out) MUST_CHECK;
