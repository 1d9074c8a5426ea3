/*
 * What a dead B-node costs a decision, over the agent's socket: two agents side by
 * side, one with three B-nodes, one of whose three takes what comes and says nothing.
 * And the worst of ten logins while getaddrinfo() sleeps, against deadline + 0.5 s.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "e2e/agent/agentkit.h"
#include "fake/fake_node.h"

enum { NODES = 3, ROUNDS = 1500, LOGINS = 10, DEADLINE_MS = 4000, GRACE_MS = 500 };

static const char *build;
static char answer[FRAME_MAX + 1];
static char request[FRAME_MAX];
static struct memberkit alice;
static char registered[1024];

struct side {
	struct agentkit kit;
	struct fake_script scripts[NODES];
	struct fake_node *nodes[NODES];
	int64_t us[ROUNDS];
};

static void put_program(char *out, size_t size)
{
	(void)snprintf(out, size, "%s/agent/iotpki-agent", build);
}

static void start_agent(struct agentkit *kit, const struct config_node *nodes, const char *rest)
{
	static char program[4096];
	CLEANUP(buf_done) struct buf entries = BUF_INIT(65536);
	put_program(program, sizeof(program));
	agentkit_init(kit, program);
	agentkit_config(kit, nodes, NODES, rest);
	agentkit_put_entry(&alice, &entries);
	agentkit_members(kit, buf_text(&entries));
	agentkit_start(kit);
}

/* Microseconds to the verdict, which must be this one. */
static int64_t decide(const struct agentkit *kit, const char *want)
{
	agentkit_key_request("pi", alice.key, request, sizeof(request));
	const int64_t start_us = agentkit_now_us();
	agentkit_ask(kit, request, answer);
	const int64_t us = agentkit_now_us() - start_us;
	if (strncmp(answer, want, strlen(want)) == 0)
		return us;
	fprintf(stderr, "bench_nodes: wanted %s, got %s\n", want, answer);
	abort();
}

static void open_side(struct side *side, const char *body, bool dead)
{
	struct config_node nodes[NODES];
	char name[16];
	for (unsigned int i = 0; i < NODES; i++) {
		side->scripts[i] = (struct fake_script){ .body = body };
		if (dead && i == NODES - 1)
			side->scripts[i].start = FAKE_SILENT;
		side->nodes[i] = fake_node_start(&side->scripts[i]);
		if (side->nodes[i] == NULL)
			abort();
		(void)snprintf(name, sizeof(name), "node%u", i);
		fake_node_config(side->nodes[i], name, &nodes[i]);
	}
	start_agent(&side->kit, nodes, "policy: {positive_ttl: 0s}\n");
}

static void close_side(struct side *side)
{
	if (agentkit_stop(&side->kit) != 0)
		abort();
	agentkit_remove(&side->kit);
	for (size_t i = 0; i < NODES; i++)
		fake_node_stop(side->nodes[i]);
}

static int compare(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return left < right ? -1 : left > right;
}

static double percentile(struct side *side, size_t percent)
{
	qsort(side->us, ROUNDS, sizeof(side->us[0]), compare);
	return (double)side->us[(ROUNDS - 1) * percent / 100];
}

/* After the first question; one after the other, so that both meet the same machine. */
static void compare_sides(const char *name, const char *body, const char *want)
{
	static struct side healthy, dead;
	open_side(&healthy, body, false);
	open_side(&dead, body, true);
	(void)decide(&healthy.kit, want);
	const int64_t first_us = decide(&dead.kit, want);
	(void)poll(NULL, 0, 2000); /* an admission did not wait: let the first question fail */
	for (size_t i = 0; i < ROUNDS; i++) {
		healthy.us[i] = decide(&healthy.kit, want);
		dead.us[i] = decide(&dead.kit, want);
	}
	const double ratio = percentile(&dead, 50) / percentile(&healthy, 50);
	printf("bench: decision_blackhole_%s ratio=%.2f goal=1.2 %s (median %.0f of %.0f us, p99 "
	       "%.0f of "
	       "%.0f us, the first question %.0f ms, asked the dead node %u of %d times)\n",
	       name, ratio, ratio <= 1.2 ? "ok" : "short", percentile(&dead, 50),
	       percentile(&healthy, 50), percentile(&dead, 99), percentile(&healthy, 99),
	       (double)first_us / 1000, fake_node_connections(dead.nodes[NODES - 1]), ROUNDS + 1);
	close_side(&healthy);
	close_side(&dead);
}

static void name_service_asleep(void)
{
	static struct agentkit kit;
	static char preload[4096];
	struct config_node nodes[NODES] = { 0 };
	int64_t worst_us = 0;
	(void)snprintf(preload, sizeof(preload), "%s/tests/fake/preload/libasleep_dns.so", build);
	for (unsigned int i = 0; i < NODES; i++) {
		nodes[i].pin_count = 1;
		nodes[i].pins[0][0] = (uint8_t)(i + 1);
		(void)snprintf(nodes[i].name, sizeof(nodes[i].name), "node%u", i);
		(void)snprintf(nodes[i].url, sizeof(nodes[i].url), "https://node%u.asleep.test/",
			       i);
	}
	if (setenv("LD_PRELOAD", preload, 1) != 0)
		abort();
	start_agent(&kit, nodes, "");
	(void)unsetenv("LD_PRELOAD");
	for (size_t i = 0; i < LOGINS; i++) {
		const int64_t us = decide(&kit, "iotpki/1 UNAVAILABLE\n");
		worst_us = us > worst_us ? us : worst_us;
	}
	const double limit_ms = DEADLINE_MS + GRACE_MS, worst_ms = (double)worst_us / 1000;
	printf("bench: dns_hang ratio=%.2f goal=1 %s (worst_ms=%.0f limit=%.0f, %d logins, %ld "
	       "threads)\n",
	       worst_ms / limit_ms, worst_ms <= limit_ms ? "ok" : "short", worst_ms, limit_ms,
	       LOGINS, agentkit_status_kib(&kit, "Threads"));
	if (agentkit_stop(&kit) != 0)
		abort();
	agentkit_remove(&kit);
}

int main(int argc, char **argv)
{
	build = argc > 1 ? argv[1] : secure_getenv("BUILD");
	if (build == NULL)
		build = "build";
	(void)signal(SIGPIPE, SIG_IGN);
	agentkit_person(&alice, NULL);
	(void)snprintf(
		registered, sizeof(registered),
		"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\",\"value\":"
		"\"sha256=%s\",\"txid\":\"%s\",\"expires_in\":86400,\"expires_at\":4102444800,"
		"\"status\":\"registered\",\"registration\":\"%s\",\"sequence\":1,\"unit\":\"s\","
		"\"tip\":{\"height\":7,\"time\":@NOW@,\"hash\":\"%s\"}}}",
		alice.sha256, alice.sha256, alice.sha256, alice.sha256);
	compare_sides("admit", registered, "iotpki/1 ADMIT\n");
	compare_sides("deny", FAKE_UNKNOWN, "iotpki/1 DENY\n");
	name_service_asleep();
	return 0;
}
