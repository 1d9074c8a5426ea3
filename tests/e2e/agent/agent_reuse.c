/*
 * The real agent and scripted B-nodes: strangers cost no packet, what is reused
 * is answers and never verdicts, and who waits for dead B-nodes delays nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"
#include "e2e/agent/agentkit.h"
#include "fake/fake_node.h"

enum {
	STRANGERS = 10000,
	WAITING = 200,
	SAMPLES = 100000,
	DELAY_GOAL_US = 10 * 1000,
};

enum { ALICE = WAITING, BOB, PEOPLE };

static const char *program;
static char answer[FRAME_MAX + 1];
static char request[FRAME_MAX];
static struct memberkit people[PEOPLE];

/* What a B-node says of every name: registered, with this member's certificate and registration. */
static void make_body(unsigned int number, char *out, size_t size)
{
	const char *hash = people[number].sha256;
	(void)snprintf(
		out, size,
		"{\"jsonrpc\":\"2.0\",\"id\":\"@ID@\",\"result\":{\"name\":\"@NAME@\",\"value\":"
		"\"sha256=%s\",\"txid\":\"%s\",\"expires_in\":86400,\"expires_at\":4102444800,"
		"\"status\":\"registered\",\"registration\":\"%s\",\"sequence\":1,\"unit\":\"s\","
		"\"tip\":{\"height\":7,\"time\":@NOW@,\"hash\":\"%s\"}}}",
		hash, hash, hash, hash);
}

static void ask_key(const struct agentkit *kit, const char *user, unsigned int number)
{
	agentkit_key_request(user, people[number].key, request, sizeof(request));
	agentkit_ask(kit, request, answer);
}

static void expect(const char *word, const char *reason)
{
	char first[64], line[64];
	(void)snprintf(first, sizeof(first), "iotpki/1 %s\n", word);
	(void)snprintf(line, sizeof(line), "\nreason=%s\n", reason);
	if (strncmp(answer, first, strlen(first)) != 0 ||
	    (reason[0] != '\0' && strstr(answer, line) == NULL))
		fail_msg("wanted %s %s, got:\n%s", word, reason, answer);
}

/* An Ed25519 key of somebody who is on no list. */
static void ask_stranger(const struct agentkit *kit, uint32_t number)
{
	uint8_t blob[51] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
	char text[BASE64_ENCODED_SIZE(sizeof(blob))], key[128];
	memcpy(blob + 19, &number, sizeof(number));
	(void)base64_encode(blob, sizeof(blob), true, text);
	(void)snprintf(key, sizeof(key), "ssh-ed25519 %s", text);
	agentkit_key_request("pi", key, request, sizeof(request));
	agentkit_ask(kit, request, answer);
}

struct scene {
	struct agentkit kit;
	char body[1024];
	struct fake_script script;
	struct fake_node *node;
};

static void scene_start(struct scene *scene, const struct config_node *more, size_t more_count,
			unsigned int crowd, const char *rest)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(64 << 20);
	struct config_node nodes[4];
	make_body(ALICE, scene->body, sizeof(scene->body));
	scene->script = (struct fake_script){ .body = scene->body };
	scene->node = fake_node_start(&scene->script);
	assert_non_null(scene->node);
	fake_node_config(scene->node, "home", &nodes[0]);
	for (size_t i = 0; i < more_count; i++)
		nodes[i + 1] = more[i];
	agentkit_init(&scene->kit, program);
	agentkit_config(&scene->kit, nodes, more_count + 1, rest);
	agentkit_put_entry(&people[ALICE], &entries);
	agentkit_put_entry(&people[BOB], &entries);
	for (unsigned int i = 0; i < crowd; i++)
		agentkit_put_entry(&people[i], &entries);
	agentkit_members(&scene->kit, buf_text(&entries));
	agentkit_start(&scene->kit);
}

static void scene_end(struct scene *scene)
{
	assert_int_equal(agentkit_stop(&scene->kit), 0);
	agentkit_remove(&scene->kit);
	fake_node_stop(scene->node);
}

static void strangers_cost_no_packet(void **state)
{
	(void)state;
	static struct scene scene;
	scene_start(&scene, NULL, 0, 0, "");
	for (uint32_t i = 0; i < STRANGERS / 2; i++) {
		ask_stranger(&scene.kit, i);
		expect("DENY", "not-member");
	}
	assert_int_equal(fake_node_connections(scene.node), 0);
	/* And over a connection that is warm. */
	ask_key(&scene.kit, "pi", ALICE);
	expect("ADMIT", "");
	assert_int_equal(fake_node_connections(scene.node), 1);
	for (uint32_t i = STRANGERS / 2; i < STRANGERS; i++) {
		ask_stranger(&scene.kit, i);
		expect("DENY", "not-member");
	}
	/* Members whom the list alone refuses, too. */
	ask_key(&scene.kit, "root", ALICE);
	expect("DENY", "not-permitted");
	assert_int_equal(fake_node_connections(scene.node), 1);
	assert_int_equal(fake_node_requests(scene.node), 1);
	printf("figure: %d strangers' keys: 0 requests at the B-node\n", STRANGERS);
	scene_end(&scene);
}

static void answers_are_reused_verdicts_are_not(void **state)
{
	(void)state;
	static struct scene scene;
	scene_start(&scene, NULL, 0, 0, "policy: {positive_ttl: 60s}\n");
	ask_key(&scene.kit, "pi", ALICE);
	expect("ADMIT", "");
	ask_key(&scene.kit, "pi", ALICE);
	expect("ADMIT", "");
	assert_int_equal(fake_node_requests(scene.node), 1);
	ask_key(&scene.kit, "root", ALICE);
	expect("DENY", "not-permitted");
	/* The same answers, held against bob's entry, are another certificate's: that is his question. */
	ask_key(&scene.kit, "pi", BOB);
	expect("DENY", "re-registered");
	assert_int_equal(fake_node_requests(scene.node), 2);

	const struct memberkit *alice = &people[ALICE];
	(void)snprintf(request, sizeof(request),
		       "iotpki/1 authorize-user\nuser=pi\nservice=sshd\nstage=session\n"
		       "authinfo=publickey %s;\n",
		       alice->key);
	agentkit_ask(&scene.kit, request, answer);
	expect("ADMIT", "");
	assert_int_equal(fake_node_requests(scene.node), 2);

	(void)snprintf(request, sizeof(request), "iotpki/1 deny\nname=%s\n", alice->name);
	agentkit_ask(&scene.kit, request, answer);
	expect("OK", "");
	ask_key(&scene.kit, "pi", ALICE);
	expect("DENY", "member-denied");
	assert_int_equal(fake_node_requests(scene.node), 2);
	scene_end(&scene);
}

/* alice's certificate was replaced in the list: her old key is a stranger's, whatever is reused. */
static void an_old_key_is_a_strangers(void **state)
{
	(void)state;
	static struct scene scene;
	static struct memberkit fresh;
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	scene_start(&scene, NULL, 0, 0, "policy: {positive_ttl: 60s}\n");
	ask_key(&scene.kit, "pi", ALICE);
	expect("ADMIT", "");
	agentkit_person(&fresh, people[ALICE].name);
	agentkit_put_entry(&fresh, &entries);
	agentkit_members(&scene.kit, buf_text(&entries));
	agentkit_ask(&scene.kit, "iotpki/1 reload\n", answer);
	expect("OK", "");
	ask_key(&scene.kit, "pi", ALICE);
	expect("DENY", "not-member");
	scene_end(&scene);
}

/* A port that takes connections and says nothing: a dead B-node at its worst. */
static int black_hole(const char *name, struct config_node *out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&address, len) == 0 &&
		    listen(fd, 1024) == 0 &&
		    getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*out = (struct config_node){ .pin_count = 1 };
	memset(out->pins[0], name[0], sizeof(out->pins[0]));
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	(void)snprintf(out->url, sizeof(out->url), "https://127.0.0.1:%u/",
		       ntohs(address.sin_port));
	return fd;
}

static int compare(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return left < right ? -1 : left > right;
}

struct times {
	size_t count;
	int64_t us[SAMPLES];
};

static void take_sample(const struct scene *scene, bool hit, struct times *times)
{
	const int64_t start = agentkit_now_us();
	if (hit)
		ask_key(&scene->kit, "pi", ALICE);
	else
		ask_stranger(&scene->kit, (uint32_t)times->count);
	if (times->count < SAMPLES)
		times->us[times->count++] = agentkit_now_us() - start;
	expect(hit ? "ADMIT" : "DENY", hit ? "" : "not-member");
}

static int64_t at_percent(struct times *times, size_t percent)
{
	qsort(times->us, times->count, sizeof(times->us[0]), compare);
	return times->us[(times->count - 1) * percent / 100];
}

static size_t still_waiting(struct pollfd fds[static WAITING])
{
	size_t count = 0;
	(void)poll(fds, WAITING, 0);
	for (size_t i = 0; i < WAITING; i++)
		if (fds[i].revents == 0)
			count++;
	return count;
}

static void report(const char *what, struct times *quiet, struct times *busy)
{
	const int64_t median = at_percent(busy, 50) - at_percent(quiet, 50);
	printf("figure: %s: %zu samples, median %+lld us, p99 %+lld us, worst %lld us\n", what,
	       busy->count, (long long)median,
	       (long long)(at_percent(busy, 99) - at_percent(quiet, 99)),
	       (long long)at_percent(busy, 100));
	/* The median alone is held to the goal: the worst also holds what else the machine did. */
	assert_in_range(median + DELAY_GOAL_US, 0, 2 * DELAY_GOAL_US);
}

static void who_waits_delays_nobody(void **state)
{
	(void)state;
	static struct scene scene;
	struct config_node dead[2];
	const int first = black_hole("barn", &dead[0]), second = black_hole("office", &dead[1]);
	scene_start(&scene, dead, 2, WAITING,
		    "query: {answers: 1, node_timeout_ms: 4000, deadline_ms: 4000}\n"
		    "policy: {positive_ttl: 60s}\n");
	ask_key(&scene.kit, "pi", ALICE);
	expect("ADMIT", "");
	static struct times quiet_miss, quiet_hit, miss, hit;
	for (size_t i = 0; i < 500; i++) {
		take_sample(&scene, false, &quiet_miss);
		take_sample(&scene, true, &quiet_hit);
	}
	/* The one that answers dies as well. */
	fake_node_stop(scene.node);

	struct pollfd waiting[WAITING];
	for (unsigned int i = 0; i < WAITING; i++) {
		agentkit_key_request("pi", people[i].key, request, sizeof(request));
		waiting[i] = (struct pollfd){ .fd = agentkit_send(&scene.kit, request),
					      .events = POLLIN };
	}
	take_sample(&scene, false, &miss);
	assert_int_equal(still_waiting(waiting), WAITING);
	/* Until the last of them is answered: the time when all give up at once belongs to it. */
	while (still_waiting(waiting) > 0) {
		take_sample(&scene, false, &miss);
		take_sample(&scene, true, &hit);
	}
	printf("figure: with %d questions waiting for dead B-nodes (goal: at most 10 ms later)\n",
	       WAITING);
	report("miss", &quiet_miss, &miss);
	report("cached hit", &quiet_hit, &hit);
	for (size_t i = 0; i < WAITING; i++) {
		agentkit_receive(waiting[i].fd, answer);
		expect("UNAVAILABLE", "too-few-answers");
	}
	assert_int_equal(agentkit_stop(&scene.kit), 0);
	agentkit_remove(&scene.kit);
	(void)close(first);
	(void)close(second);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_cost_no_packet),
		cmocka_unit_test(answers_are_reused_verdicts_are_not),
		cmocka_unit_test(an_old_key_is_a_strangers),
		cmocka_unit_test(who_waits_delays_nobody),
	};
	if (argc != 2)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	program = argv[1];
	for (unsigned int i = 0; i < PEOPLE; i++)
		agentkit_person(&people[i], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
