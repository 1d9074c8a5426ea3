/*
 * Memory of the agent with 10,000 members, after it asked a B-node over HTTPS and
 * after ten reloads (design 14), and what one member costs.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "e2e/agent/agentkit.h"
#include "fake/fake_node.h"

enum { MEMBERS = 10000, RELOADS = 10 };

struct memory {
	long rss_kib, anon_kib;
};

static char answer[FRAME_MAX + 1];
static char request[FRAME_MAX];

static void put_members(unsigned int count, const struct memberkit *alice, unsigned int version,
			struct buf *out)
{
	agentkit_put_entry(alice, out);
	for (unsigned int i = 0; i < count; i++)
		memberkit_put_numbered(i, out);
	(void)buf_printf(out, "# version %u\n", version);
}

/* The largest of what it holds after the first question and after each reload. */
static struct memory run(const char *program, unsigned int count)
{
	static const struct fake_script script = { 0 };
	struct agentkit kit;
	struct memberkit alice;
	struct config_node node;
	struct memory most = { 0, 0 };
	struct fake_node *fake = fake_node_start(&script);
	agentkit_person(&alice, NULL);
	agentkit_init(&kit, program);
	fake_node_config(fake, "home", &node);
	agentkit_config(&kit, &node, 1, "");
	for (unsigned int i = 0; i <= RELOADS; i++) {
		CLEANUP(buf_done) struct buf entries = BUF_INIT(256 << 20);
		put_members(count, &alice, i, &entries);
		agentkit_members(&kit, buf_text(&entries));
		if (i == 0)
			agentkit_start(&kit);
		else
			agentkit_ask(&kit, "iotpki/1 reload\n", answer);
		agentkit_key_request("pi", alice.key, request, sizeof(request));
		agentkit_ask(&kit, request, answer);
		const struct memory now = { agentkit_status_kib(&kit, "VmRSS"),
					    agentkit_status_kib(&kit, "RssAnon") };
		most.rss_kib = now.rss_kib > most.rss_kib ? now.rss_kib : most.rss_kib;
		most.anon_kib = now.anon_kib > most.anon_kib ? now.anon_kib : most.anon_kib;
	}
	if (fake_node_requests(fake) == 0 || agentkit_stop(&kit) != 0)
		abort();
	agentkit_remove(&kit);
	fake_node_stop(fake);
	return most;
}

/* Sizes have no peer: their ratio is to what they may be. A missed goal is said, not failed. */
static void say(const char *name, double value, double most)
{
	printf("bench: %s ratio=%.2f goal=1 %s (%.2f of %.0f)\n", name, value / most,
	       value <= most ? "ok" : "short", value, most);
}

int main(int argc, char **argv)
{
	char program[4096];
	const char *build = secure_getenv("BUILD");
	(void)snprintf(program, sizeof(program), "%s/agent/iotpki-agent",
		       argc > 1        ? argv[1]
		       : build != NULL ? build
				       : "build");
	(void)signal(SIGPIPE, SIG_IGN);
	const struct memory few = run(program, 0), many = run(program, MEMBERS);
	say("agent_rss_mib", (double)many.rss_kib / 1024, 18);
	say("agent_anon_mib", (double)many.anon_kib / 1024, 8);
	say("agent_bytes_per_member", (double)(many.anon_kib - few.anon_kib) * 1024 / MEMBERS, 350);
	return 0;
}
