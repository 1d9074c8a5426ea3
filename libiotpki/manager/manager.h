/*
 * The device manager DM (paper III-C steps 6 and 7, III-G; design 6, 10): signs what
 * the owner does to a name and brings every B-node of the owner's list to the same
 * state with byte-identical transactions. Every verb may be interrupted anywhere and
 * run again: it goes on with what the store holds.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "config/config.h"
#include "identity/identity.h"
#include "manager/store.h"
#include "manager/wallet.h"

struct nvs;

/** What one B-node made of the last thing sent to it. */
enum manager_state {
	MANAGER_NOT_ASKED = 0,
	MANAGER_LEVEL,       /* it has everything that the store has of the name */
	MANAGER_REFUSED,     /* it refused; reason says why */
	MANAGER_UNREACHABLE, /* no connection, no answer in time, not ready */
	MANAGER_BROKEN, /* an answer that no honest B-node gives: wrong pin, no JSON-RPC, ... */
	MANAGER_CHAIN,  /* it is a chain's: see the report's chains */
};

/** How far a name is on one chain network. */
struct manager_chain {
	uint8_t network; /* index into the configuration's networks */
	size_t node;     /* the one whose wallet writes for it */
	struct onchain_progress progress;
	enum onchain_problem problem; /* why it stands still; OK: it does not */
	bool resumed;                 /* what was asked for was under way already */
	bool wanted;                  /* of a plan: progress is what will be stored */
	bool changed;                 /* of a plan: it is not what is stored */
	bool noted;   /* of a plan: its revocation is stored already, as far as it was known */
	bool waiting; /* for blocks: progress.to_go */
	int64_t cost, balance; /* of a plan: what is left to pay at the most, what there is */
	uint32_t blocks;       /* of a plan: that the operation pays for */
};

struct manager_report {
	size_t count; /* B-nodes of the list */
	struct {
		enum manager_state state;
		enum tx_reason reason; /* REFUSED */
		size_t steps;          /* of the store's that it has, from the first on */
	} node[IOTPKI_NODES_MAX];
	size_t chain_count; /* chain networks of the list */
	struct manager_chain chain[IOTPKI_NODES_MAX];
};

/** How transactions reach a node: the network, or what a test puts in its place. */
struct manager_transport {
	void *context;
	/* LEVEL: the node has this transaction; txid was compared. Else as above. */
	enum manager_state (*submit)(void *context, size_t node, const uint8_t *der, size_t len,
				     const uint8_t txid[static SHA256_LEN],
				     enum tx_reason *reason_out);
};
/** The transport over the NVS client; context is the client. */
struct manager_transport manager_transport_nvs(struct nvs *nvs);

/** What the verbs work with; all borrowed. */
struct manager {
	const char *dir;              /* the store, locked by the caller (manager_lock) */
	const struct identity *owner; /* P-256 */
	const struct config *config;  /* the owner's B-nodes */
	const struct clock *clock;
	const struct random_source *random;
	struct manager_transport transport;
	struct wallet_transport wallet; /* of the chains' nodes */
};

/**
 * One dm command at a time works on a store; held until *fd_out is closed. Whoever waits for blocks lets
 * go of it meanwhile: a revocation must not wait for that.
 */
enum iotpki_err manager_lock(const char *dir, int *fd_out, struct iotpki_detail *detail) MUST_CHECK;
/** The same without waiting: IOTPKI_ERR_UNAVAILABLE if another command works on it now. */
enum iotpki_err manager_try_lock(const char *dir, int *fd_out,
				 struct iotpki_detail *detail) MUST_CHECK;

/**
 * Each of these signs what is to be done (unless the store holds just that already, unfinished: then
 * it is resumed), stores it durably and sends it.
 *
 * IOTPKI_OK: the report says how far each node is; it is done when manager_done() says so.
 * IOTPKI_ERR_EXISTS     register: the name is registered with something else, and has not expired
 * IOTPKI_ERR_NOT_FOUND  renew, revoke, sync: the store knows no registration of the name
 * IOTPKI_ERR_REFUSED    the name is revoked, or has expired: nothing can be done to it
 * IOTPKI_ERR_ARGUMENT   an end that the ledgers refuse: in the past, over 10 years, earlier than before
 * others                the store could not be read or written; nothing was sent
 */
enum iotpki_err manager_register(const struct manager *manager, const char *name,
				 const struct iotpki_record *record, int64_t expires_s,
				 struct manager_report *report_out,
				 struct iotpki_detail *detail) MUST_CHECK;
/**
 * A later end, another certificate, or both (the ledger's UPDATE).
 * @param record     NULL: the value stays
 * @param expires_s  0: the end stays
 */
enum iotpki_err manager_renew(const struct manager *manager, const char *name,
			      const struct iotpki_record *record, int64_t expires_s,
			      struct manager_report *report_out,
			      struct iotpki_detail *detail) MUST_CHECK;
enum iotpki_err manager_revoke(const struct manager *manager, const char *name,
			       struct manager_report *report_out,
			       struct iotpki_detail *detail) MUST_CHECK;
/** Send every node everything that the store has of the name. */
enum iotpki_err manager_sync(const struct manager *manager, const char *name,
			     struct manager_report *report_out,
			     struct iotpki_detail *detail) MUST_CHECK;

/* ---- chains (manager_chain.c) ---- */

/** Whether the list has nodes of iotpki ledgers, to which the verbs above send. */
bool manager_has_ledgers(const struct manager *manager);
/** Whether it has chain networks. */
bool manager_has_chains(const struct manager *manager);

/**
 * See what a wish would mean on every chain network, and send and store nothing: plan->chain[] says
 * for each what would be done and cost, or why it cannot be. Of the networks' nodes the first that has
 * credentials writes, else the first.
 * @param plan  the ledgers' part stays as it is
 * @return not OK only if the store could not be read, or the list contradicts itself
 */
enum iotpki_err manager_plan(const struct manager *manager, const char *name,
			     const struct onchain_wish *wish, struct manager_report *plan,
			     struct iotpki_detail *detail) MUST_CHECK;
/**
 * A revocation that must not wait for wallets: store durably that it is wanted on every network that the
 * name was begun on, without asking anybody. plan->chain[] keeps what was there before, for
 * manager_plan_noted(), which manager_begin() follows.
 */
enum iotpki_err manager_note_revocation(const struct manager *manager, const char *name,
					struct manager_report *plan,
					struct iotpki_detail *detail) MUST_CHECK;
/** As manager_plan, of a revocation that was noted. */
void manager_plan_noted(const struct manager *manager, const char *name,
			struct manager_report *plan);
/**
 * Store the plan durably, for the networks without a problem; from here on it is gone on with. A
 * revocation is stored for all: whatever holds one up now, it is tried again.
 */
enum iotpki_err manager_begin(const struct manager *manager, const char *name,
			      const struct manager_report *plan,
			      struct iotpki_detail *detail) MUST_CHECK;
/**
 * Do what can be done now on every chain network; one that stands still keeps no other from going on.
 * report->chain[] is filled from the store first; what it held before (zero, a plan, the last round)
 * says which did not answer, and these are tried last.
 */
enum iotpki_err manager_advance(const struct manager *manager, const char *name,
				struct manager_report *report,
				struct iotpki_detail *detail) MUST_CHECK;
/**
 * Look whether the name's revocations are still in their chains; one that a reorganisation took out is
 * unfinished again. Nodes that do not answer are passed over.
 */
enum iotpki_err manager_recheck(const struct manager *manager, const char *name,
				struct iotpki_detail *detail) MUST_CHECK;
/** report->chain[] as the store and, for what is unfinished, the nodes have it; changes nothing. */
enum iotpki_err manager_look(const struct manager *manager, const char *name, bool ask_nodes,
			     struct manager_report *report,
			     struct iotpki_detail *detail) MUST_CHECK;

/** Called after each round, to show the report and to wait for some seconds; false: no more. */
struct manager_wait {
	void *context;
	bool (*pause)(void *context, const struct manager_report *report);
};
/** manager_advance until no chain network is waiting any more, or the pause says no. */
enum iotpki_err manager_wait(const struct manager *manager, const char *name,
			     const struct manager_wait *wait, struct manager_report *report,
			     struct iotpki_detail *detail) MUST_CHECK;

/**
 * A new value (NULL: it stays), a later end (0: it stays) or both on every chain network; planned,
 * stored and sent. IOTPKI_ERR_REFUSED: a network refuses it, nothing was sent; report->chain[] says
 * why.
 */
enum iotpki_err manager_chain_update(const struct manager *manager, const char *name,
				     const char *value, int64_t expires_s,
				     struct manager_report *report_out,
				     struct iotpki_detail *detail) MUST_CHECK;
/** Give the name on one chain network to the holder of an address, in the same way. */
enum iotpki_err manager_chain_transfer(const struct manager *manager, const char *name,
				       const char *network, const char *address,
				       struct manager_report *report_out,
				       struct iotpki_detail *detail) MUST_CHECK;

/** A chain network is where it shall be: done, or there never was anything to do. */
bool manager_chain_done(const struct manager_chain *chain);
/** Every node and chain network of the list is level. An empty list is never done. */
bool manager_done(const struct manager_report *report);
/** Every ledger refuses it, and surely has not taken it: what was signed now is forgotten again. */
bool manager_refused(const struct manager_report *report);
/** "level", "refused", "unreachable", ...; never NULL. */
const char *manager_state_name(enum manager_state state);
