/*
 * A gateway (design 2, 6; TM-26): answers reads from an Emercoin Core or Namecoin Core
 * node behind it, so that devices hold none of that node's credentials and it never
 * sees what they send. Of a client's request a validated name goes on, and nothing else.
 *
 * gateway_told.c says in our words what the upstream said (pure), gateway_table.c holds what is
 * known and who waits for it, gateway_upstream.c asks (a thread of its own), gateway_limit.c limits
 * each client, gateway_method.c answers, gateway.c is the backend around them.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "bnode/backend.h"
#include "config/config.h"

#define GATEWAY_RATE 2000 /* questions a second of one client: a burst refreshes 10,000 members */
#define GATEWAY_CACHE_MS 1000 /* how long an answer of the upstream is given again */

struct gateway_options {
	struct config_node upstream; /* see gateway_upstream_set() */
	unsigned int rate;           /* 0: any; five times that in a burst */
	unsigned int cache_ms;       /* 0: only questions on their way are shared */
};

/** What the command line says of an upstream; NULL: its default. */
struct gateway_words {
	const char *type, *url;
	const char *credentials, *pin, *name_prefix;
};
/** By the same rules as a B-node in iotpki.yaml. */
enum iotpki_err gateway_upstream_set(const struct gateway_words *words,
				     struct config_node *upstream_out,
				     struct iotpki_detail *detail) MUST_CHECK;

/**
 * Starts its thread. Signals must be blocked before, and no other thread use libcurl yet. It keeps both
 * pointers.
 */
enum iotpki_err backend_gateway_new(const struct gateway_options *options,
				    const struct clock *clock, const struct random_source *random,
				    struct backend **backend_out) MUST_CHECK;
