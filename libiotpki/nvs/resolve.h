/*
 * From the names of nodes to their addresses. getaddrinfo() cannot be interrupted, and
 * libcurl leaves a thread behind for each question that it hangs in. Here a node has at
 * most RESOLVE_THREADS_MAX look-ups, which all its questions share, and old addresses
 * stay in use while a new look-up takes its time: the pin tells whose they are. Nothing
 * waits for a thread that sleeps, nor does the end of the process.
 */
#pragma once

#include "base/clock.h"
#include "config/config.h"

enum {
	RESOLVE_THREADS_MAX = 3,      /* a node */
	RESOLVE_ADDRESSES_MAX = 8,    /* a node; more are not tried within its time anyway */
	RESOLVE_AGAIN_MS = 5000,      /* another look-up is begun beside one that takes so long */
	RESOLVE_FRESH_MS = 60 * 1000, /* addresses younger than this are not looked up anew */
	RESOLVE_PATIENCE_MS = 300,    /* for which new addresses are preferred to doubted ones */
	RESOLVE_ADDRESS_SIZE = 46,    /* INET6_ADDRSTRLEN */
	RESOLVE_HOST_SIZE = 256 + 6,  /* "host:port" */
};

struct resolve;

enum resolve_state {
	RESOLVE_PENDING,
	RESOLVE_READY,
	RESOLVE_UNKNOWN, /* there is no address: the node is not reachable */
	RESOLVE_FAILED,  /* this machine could not even look: says nothing about the node */
};

struct resolve_addresses {
	char host[RESOLVE_HOST_SIZE]; /* "host:port", lower case */
	size_t count;                 /* 0: nothing to look up, the URL has an address */
	char texts[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_SIZE];
};

/** Who waits for addresses; all zero at first. */
struct resolve_ticket {
	bool waits;
	uint64_t since; /* look-ups that had ended then */
};

/** nodes are copied. Begins nothing yet. IOTPKI_ERR_NOMEM, IOTPKI_ERR_IO. */
enum iotpki_err resolve_new(const struct config_node *nodes, size_t count,
			    const struct clock *clock, struct resolve **resolve_out) MUST_CHECK;
/** Look-ups that are under way go on unseen, and free what they hold at their end. */
void resolve_free(struct resolve *resolve);

/** Readable after a look-up ended, until resolve_taken(); -1: there is no name to look up. */
int resolve_fd(const struct resolve *resolve);
void resolve_taken(struct resolve *resolve);

/**
 * The addresses of a node, or begin to look for them. Never blocks.
 * @param addresses_out  filled if RESOLVE_READY; the one that worked last is the first
 */
enum resolve_state resolve_get(struct resolve *resolve, size_t node, struct resolve_ticket *ticket,
			       struct resolve_addresses *addresses_out);
/** Milliseconds until a PENDING may be READY without a look-up's end; INT64_MAX: never. */
int64_t resolve_ready_in(struct resolve *resolve, size_t node);
/** The node did not answer there: look again before the next use. */
void resolve_doubt(struct resolve *resolve, size_t node);
/** The node answered at this address. */
void resolve_worked(struct resolve *resolve, size_t node, const char *address);
/** Threads that are looking, of one node. */
unsigned int resolve_threads(struct resolve *resolve, size_t node);
