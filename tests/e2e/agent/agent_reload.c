/*
 * Other B-nodes and another list while a refresh and logins are under way: whoever
 * waits is answered, by the nodes in force now, and nothing of the old client is
 * touched any more (which a sanitizer sees).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "e2e/agent/agentkit.h"
#include "fake/fake_node.h"

enum { NODES = 4, ROUNDS = 40, LOGINS = 6, OTHERS = 130 };

static const char *program;
static struct memberkit alice;
static struct config_node nodes[NODES];

static const char registered_form[] =
	"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\",\"value\":"
	"\"sha256=%s\",\"txid\":\"%s\",\"expires_in\":86400,\"expires_at\":4102444800,"
	"\"status\":\"registered\",\"registration\":\"%s\",\"sequence\":1,\"unit\":\"s\","
	"\"tip\":{\"height\":7,\"time\":@NOW@,\"hash\":\"%s\"}}}";

/* The first count of the four nodes, begun at another one in each round. */
static void write_config(const struct agentkit *kit, size_t round)
{
	struct config_node chosen[NODES];
	const size_t count = 1 + round % NODES;
	for (size_t i = 0; i < count; i++)
		chosen[i] = nodes[(i + round / NODES) % NODES];
	agentkit_config(kit, chosen, count,
			"query: {answers: 1, node_timeout_ms: 300, deadline_ms: 1000}\n");
}

static void write_list(const struct agentkit *kit, size_t round)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	agentkit_put_entry(&alice, &entries);
	for (size_t i = 0; i < OTHERS - round; i++)
		memberkit_put_numbered((unsigned int)i, &entries);
	agentkit_members(kit, buf_text(&entries));
}

/* Admitted, or nobody was there in time: nothing else is true of her. */
static void expect_login(const char *answer, size_t round)
{
	if (strncmp(answer, "iotpki/1 ADMIT\n", 15) != 0 &&
	    strncmp(answer, "iotpki/1 UNAVAILABLE\n", 21) != 0)
		fail_msg("round %zu: %s", round, answer);
}

static void other_nodes_meanwhile(void **state)
{
	(void)state;
	static char request[FRAME_MAX], answer[FRAME_MAX + 1];
	struct agentkit kit;
	size_t admitted = 0;
	agentkit_init(&kit, program);
	write_config(&kit, 0);
	write_list(&kit, 0);
	agentkit_start(&kit);
	agentkit_key_request("pi", alice.key, request, sizeof(request));
	for (size_t round = 1; round <= ROUNDS; round++) {
		int logins[LOGINS];
		agentkit_ask(&kit, "iotpki/1 refresh\n", answer);
		for (size_t i = 0; i < LOGINS / 2; i++)
			logins[i] = agentkit_send(&kit, request);
		/* A turn of the loop or two: the questions are on their way. */
		agentkit_ask(&kit, "iotpki/1 status\n", answer);
		write_config(&kit, round);
		if (round % 3 == 0)
			write_list(&kit, round);
		agentkit_ask(&kit, "iotpki/1 reload\n", answer);
		if (strncmp(answer, "iotpki/1 OK\n", 12) != 0)
			fail_msg("round %zu: %s", round, answer);
		for (size_t i = LOGINS / 2; i < LOGINS; i++)
			logins[i] = agentkit_send(&kit, request);
		for (size_t i = 0; i < LOGINS; i++) {
			agentkit_receive(logins[i], answer);
			expect_login(answer, round);
			admitted += strncmp(answer, "iotpki/1 ADMIT\n", 15) == 0;
		}
	}
	assert_in_range(admitted, ROUNDS, ROUNDS * LOGINS);
	assert_int_equal(agentkit_stop(&kit), 0);
	agentkit_remove(&kit);
}

int main(int argc, char **argv)
{
	static char registered[1024];
	static struct fake_script scripts[NODES];
	static const char *const names[NODES] = { "home", "barn", "office", "shed" };
	struct fake_node *fakes[NODES];
	const struct CMUnitTest tests[] = { cmocka_unit_test(other_nodes_meanwhile) };
	if (argc != 2)
		return 2;
	program = argv[1];
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	agentkit_person(&alice, NULL);
	(void)snprintf(registered, sizeof(registered), registered_form, alice.sha256, alice.sha256,
		       alice.sha256, alice.sha256);
	for (size_t i = 0; i < NODES; i++) {
		scripts[i].body = registered;
		if (i == 2)
			scripts[i].start = FAKE_SILENT;
		fakes[i] = fake_node_start(&scripts[i]);
		if (fakes[i] == NULL)
			return 2;
		fake_node_config(fakes[i], names[i], &nodes[i]);
	}
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < NODES; i++)
		fake_node_stop(fakes[i]);
	return failed;
}
