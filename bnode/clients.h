/*
 * Who is connected, and what that may cost (TM-16): connections of one address, the rate of new
 * ones, the time until a request is whole and its answer taken, the bytes that bodies and
 * answers may hold, and the transactions that may wait. When all places are taken, the address that has most of them gives one
 * up, so that a crowd cannot keep others out. Knows nothing of HTTP.
 */
#pragma once

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"

/* What of bodies and answers is within these is bounded by the number of connections alone. */
#define CLIENTS_SMALL_BODY (8u * 1024)
#define CLIENTS_SMALL_ANSWER (64u * 1024)
/* All beyond: one address may have half of it. */
#define CLIENTS_BODY_BYTES (32u * 1024 * 1024)
#define CLIENTS_ANSWER_BYTES (64u * 1024 * 1024)
/* That wait to be verified or written: half of them for one address, too, or it keeps others from revoking. */
#define CLIENTS_TRANSACTIONS_MAX 4096u

struct clients_limits {
	unsigned int connections; /* at once */
	unsigned int per_address; /* of an IPv4 address or an IPv6 /64; 0: half of them */
	unsigned int per_second;  /* new ones of an address, twice that in a burst; 0: any number */
	unsigned int request_s;   /* from the end of one request to the end of the next */
};

enum clients_refusal {
	CLIENTS_ADMITTED,
	CLIENTS_ADDRESS, /* its address has as many as one may */
	CLIENTS_RATE,    /* its address makes new ones too fast */
	CLIENTS_FULL,    /* all places are taken, and its address has its share */
	CLIENTS_NOMEM,
};

/* What there is a certain amount of: bytes, and transactions. */
enum clients_share { CLIENTS_BODIES, CLIENTS_ANSWERS, CLIENTS_TRANSACTIONS, CLIENTS_SHARE_COUNT };

struct clients;
struct clients_address;

/** One connection. What is not atomic belongs to the thread that serves it. */
struct client {
	struct client *previous, *next; /* of its address */
	struct clients *clients;
	struct clients_address *address;
	int fd;
	void *tls; /* the server's: the key of its handshake */
	bool cut;  /* shut down and not yet closed; under the table's lock */
	size_t reserved[CLIENTS_SHARE_COUNT];
	atomic_llong since_ms; /* end of the last request, or of accept() */
	atomic_bool ours;      /* a whole request is here: the time is ours, not the client's */
};

enum iotpki_err clients_new(const struct clients_limits *limits, const struct clock *clock,
			    struct clients **clients_out) MUST_CHECK;
/** Every client must have been removed. */
void clients_freep(struct clients **clients);

/**
 * Whether one more connection of this address may be taken; to be asked before each clients_add().
 * Another may be shut down for it, which is closed a moment later: the caller has to have some places
 * more than the limit.
 */
enum clients_refusal clients_admit(struct clients *clients,
				   const struct sockaddr *address) MUST_CHECK;
/** NULL without memory. */
struct client *clients_add(struct clients *clients, const struct sockaddr *address,
			   int fd) MUST_CHECK;
void clients_remove(struct client *client);

struct clients_counts {
	size_t connections;
	uint64_t cut; /* ever: by the clock, or for others */
};
void clients_count(struct clients *clients, struct clients_counts *counts_out);

/** A number that stands for the client's address, as long as it is connected and after. */
uint64_t client_address(const struct client *client);

/**
 * The client's time ends or begins.
 * @return milliseconds that the other side had until now
 */
int64_t client_turn(struct client *client, bool ours);

/**
 * More bytes for a body or an answer of this client, or more transactions; false: there are too many,
 * and nothing is reserved.
 */
bool client_reserve(struct client *client, enum clients_share kind, size_t count) MUST_CHECK;
/** Of what is reserved keep only so much. */
void client_keep(struct client *client, enum clients_share kind, size_t count);
/** What is reserved by all. */
size_t clients_reserved(struct clients *clients, enum clients_share kind);

/**
 * Shut down connections whose request, or whose taking of an answer, lasts too long. To be called
 * about once a second.
 */
void clients_sweep(struct clients *clients);
