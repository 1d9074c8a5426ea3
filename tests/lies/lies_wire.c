/*
 * A proxy between the client and an honest node, by plain http over kept connections
 * (TM-01): it alters or cuts one byte of what the node sends, every byte in turn, head
 * and body. Where the truth does not admit nobody is admitted; where it does, only by the
 * honest record. Over TLS any such byte ends the answer: tests/unit/test_nvs_wire.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake/relay.h"
#include "lies/tell.h"
#include "unit/namekit.h"
#include "unit/nvskit.h"

/* What breaks the length of an answer costs this much. */
enum {
	TIMEOUT_MS = 50,
	TEXT_MAX = 64 * 1024,
	ANSWERS_GOAL = 10000,
	CONNECTIONS = 400,
	SLOW_MAX = 1000,
	ANSWER_MIN = 300
};

struct path {
	enum config_node_type type;
	enum world world;
	char body[TEXT_MAX];
	struct fake_script script;
	struct fake_node *node;   /* of type iotpki, else NULL */
	struct chain_node *chain; /* else NULL */
	struct relay *relay;
	struct config config;
	struct nvs *nvs;
	bool pinned;
	uint8_t registration[IOTPKI_SHA256_LEN]; /* of a chain: as the node made it */
};

static struct {
	size_t answers, reached, admits, wrong;
} counts;

/* ---- the honest node ---- */

static void open_relay(struct path *path)
{
	char *port = strrchr(path->config.nodes[0].url, ':');
	path->relay = port != NULL ? relay_start((unsigned int)strtoul(port + 1, NULL, 10)) : NULL;
	if (path->relay == NULL)
		abort();
	(void)snprintf(path->config.nodes[0].url, sizeof(path->config.nodes[0].url),
		       "http://127.0.0.1:%u/", relay_port(path->relay));
	path->nvs = nvskit_new(&path->config);
}

static void close_relay(struct path *path)
{
	nvs_free(path->nvs);
	relay_stop(path->relay);
}

static void open_iotpki(struct path *path, enum world world)
{
	CLEANUP(buf_done) struct buf body = BUF_INIT(TEXT_MAX);
	*path = (struct path){ .type = CONFIG_NODE_IOTPKI, .world = world };
	world_show(CONFIG_NODE_IOTPKI, world, "@ID@", "@NOW@", &body);
	(void)snprintf(path->body, sizeof(path->body), "%s", buf_text(&body));
	path->script = (struct fake_script){ .tls = FAKE_HTTP, .body = path->body };
	path->node = nvskit_node(&path->script, &path->config, TIMEOUT_MS);
	open_relay(path);
}

/** The node serves so many connections in its life: begin it anew. */
static void renew(struct path *path)
{
	if (path->node == NULL || fake_node_connections(path->node) < CONNECTIONS)
		return;
	close_relay(path);
	fake_node_stop(path->node);
	path->node = nvskit_node(&path->script, &path->config, TIMEOUT_MS);
	open_relay(path);
}

static void take_registration(struct path *path)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	struct nvs *nvs = nvskit_new(&path->config);
	if (nvs_ask_wait(nvs, NVSKIT_NAME, answers) != IOTPKI_OK ||
	    answers[0].outcome != IOTPKI_OUTCOME_REGISTERED)
		abort();
	nvs_free(nvs);
	memcpy(path->registration, answers[0].registration, sizeof(path->registration));
	path->pinned = true;
}

static void open_chain(struct path *path, enum config_node_type type, enum world world)
{
	const enum chain_kind kind = type == CONFIG_NODE_EMERCOIN ? CHAIN_EMERCOIN : CHAIN_NAMECOIN;
	const char *const name = world_nvs_name(type);
	*path = (struct path){ .type = type, .world = world, .chain = namekit_start(kind) };
	nvskit_config(&path->config, NVSKIT_PATIENT_MS, NVSKIT_PATIENT_MS);
	path->config.node_count = 1;
	namekit_config(path->chain, kind, &path->config.nodes[0]);
	namekit_register(path->chain, kind, name, "sha256=" WORLD_HASH_A);
	take_registration(path);
	path->config.node_timeout_ms = path->config.deadline_ms = TIMEOUT_MS;
	if (world == WORLD_REVOKED || world == WORLD_REWRITTEN)
		namekit_update(path->chain, kind, name, "sha256=" WORLD_HASH_A "|status=revoked");
	if (world == WORLD_REWRITTEN)
		namekit_update(path->chain, kind, name, "sha256=" WORLD_HASH_A);
	open_relay(path);
}

static void close_path(struct path *path)
{
	close_relay(path);
	if (path->node != NULL)
		fake_node_stop(path->node);
	if (path->chain != NULL)
		chain_node_stop(path->chain);
}

/* ---- what the client makes of it ---- */

static void judge(const struct path *path, const struct iotpki_answer *answer, const char *what,
		  size_t at)
{
	for (int peer = 0; peer < PEERS; peer++) {
		struct iotpki_decide_input input = tell_input((enum peer)peer, POLICY_DEFAULT);
		struct iotpki_decision decision;
		if (path->pinned)
			memcpy(input.pins[0].id, path->registration, sizeof(input.pins[0].id));
		input.clock_s = answer->asked_s;
		input.needed = 1;
		input.answers = answer;
		input.answer_count = 1;
		input.deadline = true;
		iotpki_decide(&input, &decision);
		if (decision.verdict != IOTPKI_ADMIT)
			continue;
		counts.admits++;
		if (tell_truth(path->world, (enum peer)peer, POLICY_DEFAULT))
			continue; /* the peer's hash and the pinned registration are in the answer */
		counts.wrong++;
		printf("wrong ADMIT: type %d, world %s, peer %d, %s at byte %zu\n", (int)path->type,
		       world_name(path->world), peer, what, at);
	}
}

enum passed { ALTERED, UNTOUCHED, TOO_SLOW };

/** One question. UNTOUCHED: the byte lies beyond the answer, which came. */
static enum passed ask(struct path *path, const char *what, size_t at)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX];
	/* A chain's history is asked again only by a client that does not know it. */
	if (path->chain != NULL) {
		nvs_free(path->nvs);
		path->nvs = nvskit_new(&path->config);
	}
	if (nvs_ask_wait(path->nvs, NVSKIT_NAME, answers) != IOTPKI_OK)
		abort();
	const bool reached = relay_reached(path->relay);
	counts.answers++;
	counts.reached += reached;
	judge(path, &answers[0], what, at);
	if (reached)
		return ALTERED;
	return answers[0].outcome <= IOTPKI_OUTCOME_UNREGISTERED ? UNTOUCHED : TOO_SLOW;
}

/** Every byte in turn; returns how many there are. pattern 0: cut. */
static size_t alter_all(struct path *path, uint8_t pattern)
{
	size_t at = 0;
	for (unsigned int slow = 0; slow < SLOW_MAX;) {
		renew(path);
		if (pattern != 0)
			relay_flip(path->relay, at, pattern);
		else
			relay_set(path->relay, RELAY_CUT, at);
		const enum passed passed = ask(path, pattern != 0 ? "altered" : "cut", at);
		if (passed == UNTOUCHED)
			return at;
		if (passed == ALTERED)
			at++;
		else
			slow++; /* the machine was: once more */
	}
	return 0;
}

static bool run_path(struct path *path, const uint8_t *patterns, size_t pattern_count)
{
	bool good = true;
	for (size_t i = 0; i < pattern_count; i++) {
		const size_t before = counts.admits;
		good &= alter_all(path, patterns[i]) >= ANSWER_MIN;
		if (path->world == WORLD_ADMITS && counts.admits == before)
			good = false;
	}
	good &= alter_all(path, 0) >= ANSWER_MIN;
	close_path(path);
	if (!good)
		printf("type %d, world %s: too short\n", (int)path->type, world_name(path->world));
	return good;
}

int main(void)
{
	static const uint8_t patterns[] = { 0x01, 0x10, 0x80 };
	static const enum world iotpki_worlds[] = { WORLD_ADMITS, WORLD_REVOKED, WORLD_EXPIRED,
						    WORLD_REREGISTERED, WORLD_UPDATED };
	static const enum world chain_worlds[] = { WORLD_ADMITS, WORLD_REVOKED, WORLD_REWRITTEN };
	static struct path path;
	bool good = true;
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(iotpki_worlds); i++) {
		open_iotpki(&path, iotpki_worlds[i]);
		good &= run_path(&path, patterns, ARRAY_LEN(patterns));
	}
	for (int type = CONFIG_NODE_EMERCOIN; type < WORLD_TYPES; type++) {
		for (size_t i = 0; i < ARRAY_LEN(chain_worlds); i++) {
			open_chain(&path, (enum config_node_type)type, chain_worlds[i]);
			good &= run_path(&path, patterns, 1);
		}
	}
	printf("rows: %zu questions through a proxy, %zu with a byte altered or cut, wrong admits: "
	       "%zu (%zu admits by an honest record)\n",
	       counts.answers, counts.reached, counts.wrong, counts.admits - counts.wrong);
	return good && counts.wrong == 0 && counts.reached >= ANSWERS_GOAL ? 0 : 1;
}
