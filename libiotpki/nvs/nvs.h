/*
 * The NVS client (design 4.3, 6; paper III-B): asks all configured B-nodes for a
 * name in parallel and hands over each answer as one outcome. Knows transport and
 * dialect; decides nothing. Single-threaded, non-blocking; the caller's loop is nvs_poll().
 * How it asks and what counts as which outcome: docs/protocol.md, "How a client asks".
 *
 * Layers inside: nvs.c (questions, deadline) over ask.c (one node's share: batches, histories
 * of chains, new cookies), health.c (which nodes need not be waited for, pure), dialect.c (what an
 * answer means, pure) and transport.c (many exchanges, line, timers) over exchange.c (one exchange:
 * TLS, pin, credentials, caps) and resolve.c (names to addresses, in threads). Programs ignore
 * SIGPIPE. The first nvs_new of a process starts libcurl and must not run beside another thread
 * that uses libcurl.
 */
#pragma once

#include <iotpki/decide.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/random.h"
#include "config/config.h"

/* Bytes of the answer to a call: a long history, a page of names. */
#define NVS_CALL_MAX ((size_t)1024 * 1024)

struct nvs;          /* the client: one transport, connections kept */
struct nvs_question; /* a name that is being asked */

/** The configuration is copied. IOTPKI_ERR_NOMEM, IOTPKI_ERR_INTERNAL. */
enum iotpki_err nvs_new(const struct config *config, const struct clock *clock,
			const struct random_source *random, struct nvs **nvs_out) MUST_CHECK;
/** Ends all questions without calling back. Not from inside a call back. */
void nvs_free(struct nvs *nvs);
void nvs_freep(struct nvs **nvs);

/** Nodes that did not answer lately and need not be waited for (health.h). */
size_t nvs_resting(const struct nvs *nvs);

/** The histories that were read of chains: each is read again when it is needed. */
void nvs_forget(struct nvs *nvs);

/**
 * What the caller judges answers by beside themselves: sets rolled_back of these, changes nothing
 * else, and returns the floor of time, 0: none.
 */
typedef int64_t nvs_mark_fn(void *context, struct iotpki_answer *answers, size_t count);
/** Without it memory may give a node up (health.h) that only the caller knows to be needed. */
void nvs_set_mark(struct nvs *nvs, nvs_mark_fn *mark, void *context);

#define NVS_PROOF_STEPS_MAX 16
#define NVS_PROOF_DER_MAX 4096 /* bytes of one step */

/** What a node of type iotpki gave as the proof of a revocation; nothing of it is verified. Borrowed. */
struct nvs_proof {
	const struct config_node *node;
	const char *nvs_name;
	const uint8_t *registration; /* 32 bytes; as the node says */
	size_t count;                /* 1 to NVS_PROOF_STEPS_MAX */
	struct {
		const uint8_t *der;
		size_t len;
	} steps[NVS_PROOF_STEPS_MAX];
};
/** Called from nvs_poll, before the answer that it came with is handed over: only look, and copy. */
typedef void nvs_proof_fn(void *context, const struct nvs_proof *proof);
/** Who hears of proofs; take NULL: nobody, as at first. */
struct nvs_listener {
	nvs_proof_fn *take;
	void *context;
};
void nvs_listen(struct nvs *nvs, const struct nvs_listener *listener);

/**
 * Called after each node's answer; deadline is true exactly once, in the last call: all have
 * answered (it comes with the last answer), or the time is over and what was PENDING became
 * UNREACHABLE. A node that did not answer lately may be UNREACHABLE in an earlier call already, and
 * have an answer in a later one (health.h). Calls go on after the caller has decided. From inside, questions may be asked and
 * cancelled, this one too. answers: one slot a configured node, valid during the call.
 */
typedef void nvs_answer_fn(void *context, const struct iotpki_answer *answers, size_t count,
			   bool deadline);

/**
 * Ask all nodes for a name (without prefix). Never blocks, never calls back from inside; the
 * work is done in nvs_poll. IOTPKI_ERR_ARGUMENT (no name), IOTPKI_ERR_IO (no randomness), _NOMEM.
 * @param question_out  valid until the call with deadline true or nvs_cancel
 */
enum iotpki_err nvs_ask(struct nvs *nvs, const char *name, nvs_answer_fn *answer, void *context,
			struct nvs_question **question_out) MUST_CHECK;
void nvs_cancel(struct nvs *nvs, struct nvs_question *question);

#define NVS_MANY_MAX 100 /* names of one question */

/**
 * As nvs_answer_fn, for the name of this index: after each node that has answered for all names,
 * called once for each name, in order. deadline is true once for each name. A node's answers come
 * together, so what is slow in one name holds back the others of its question.
 */
typedef void nvs_many_fn(void *context, size_t name_index, const struct iotpki_answer *answers,
			 size_t count, bool deadline);
/**
 * Ask all nodes for many names in one request a node, and one to four more for the histories that
 * a chain node did not tell yet. As nvs_ask else.
 * @param names       1 to NVS_MANY_MAX, none twice; copied
 * @param timeout_ms  for each node and for all of it
 * @param question_out  valid until the last name's call with deadline true or nvs_cancel
 */
enum iotpki_err nvs_ask_many(struct nvs *nvs, const char *const *names, size_t name_count,
			     int64_t timeout_ms, nvs_many_fn *answer, void *context,
			     struct nvs_question **question_out) MUST_CHECK;

/**
 * Wait at most timeout_ms for work of the client or for extra_fd (an epoll descriptor of the
 * caller; -1: none) to be readable, and do the client's work, calling back. EINTR returns early.
 * @param timeout_ms  negative: until something happens
 */
enum iotpki_err nvs_poll(struct nvs *nvs, int extra_fd, int timeout_ms) MUST_CHECK;

/** Ask one name and wait; for programs that have nothing else to do. answers_out: node_count slots. */
enum iotpki_err nvs_ask_wait(struct nvs *nvs, const char *name,
			     struct iotpki_answer answers_out[static IOTPKI_NODES_MAX]) MUST_CHECK;

/* ---- one call to one node, waited for: lookup, history, submitting (blocking) ---- */

/** Why a chain's wallet did not write; by a table of code and text (dialect_errors.c). */
enum nvs_refusal {
	NVS_REFUSAL_NONE,
	NVS_REFUSAL_FUNDS,       /* insufficient funds */
	NVS_REFUSAL_LOCKED,      /* the wallet is locked by its passphrase */
	NVS_REFUSAL_PENDING,     /* an operation on the name waits for its block */
	NVS_REFUSAL_TAKEN,       /* the name is registered already */
	NVS_REFUSAL_NOT_OWNER,   /* the name is another wallet's */
	NVS_REFUSAL_EXPIRED,     /* the name is not there any more: expired or deleted */
	NVS_REFUSAL_TOO_LONG,    /* the value (or name) is too long */
	NVS_REFUSAL_NOT_IN_SYNC, /* the node is starting or downloading blocks */
	NVS_REFUSAL_NO_WALLET,   /* no wallet is loaded, or it is not clear which */
	NVS_REFUSAL_BAD_ADDRESS, /* the address to transfer to */
	NVS_REFUSAL_NOT_YET,     /* Namecoin: name_firstupdate before the preorder is old enough */
	NVS_REFUSAL_OTHER,
};

/** How a call ended. Text of the node is parsed, never passed on. */
struct nvs_reply {
	enum iotpki_outcome outcome; /* REGISTERED: there is a result; else why not */
	int code;                    /* JSON-RPC error code, 0: none */
	char reason[32];             /* error data.reason, [a-z-]* only; "" if none */
	enum nvs_refusal refusal;    /* of a chain's wallet; NONE where there was no error */
	const char *hint;            /* what to switch on or to wait for; static, NULL: none */
	/* what went wrong, printable, in our own words; "" if nothing */
	char problem[IOTPKI_DETAIL_MESSAGE_MAX];
	struct buf result; /* the JSON text of "result"; release with buf_done */
	uint32_t ms;
};

/**
 * Call a method of one node with one JSON array of parameters (its text is made by the caller's
 * JSON library). IOTPKI_OK: reply_out says what happened, also that nothing could be reached.
 * An error of the node that is in no table is MALFORMED with its code. Questions that are under
 * way go on meanwhile and may call back.
 */
enum iotpki_err nvs_call(struct nvs *nvs, size_t node, const char *method, const char *params_json,
			 int64_t timeout_ms, struct nvs_reply *reply_out) MUST_CHECK;
void nvs_reply_done(struct nvs_reply *reply);

/* ---- the same without waiting: for who keeps asking questions meanwhile ---- */

struct nvs_call;
/** Once, from nvs_poll; the reply is valid during the call, and the call is over. */
typedef void nvs_reply_fn(void *context, const struct nvs_reply *reply);
/**
 * As nvs_call, but returns at once.
 * @param method  a constant
 * @return IOTPKI_ERR_PERMISSION: the node may not be asked, the detail says why (its credentials)
 */
enum iotpki_err nvs_call_start(struct nvs *nvs, size_t node, const char *method,
			       const char *params_json, int64_t timeout_ms, nvs_reply_fn *done,
			       void *context, struct nvs_call **call_out,
			       struct iotpki_detail *detail) MUST_CHECK;
/** End it without calling back; before nvs_free. */
void nvs_call_cancel(struct nvs_call *call);
