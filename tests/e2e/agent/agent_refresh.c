/*
 * The refresh of a whole fleet: the real agent, the real command, one real
 * iotpki-bnode on this machine that holds every name.
 *   agent_refresh AGENT IOTPKI BNODE MEMBERS [bench]
 * Members 0 and 1 are not in order: the one is not registered, the other's certificate is another.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse.h"
#include "bnode/ledger.h"
#include "e2e/agent/agentkit.h"

enum { GROUP = 1000, READY_MS = 60000, GOAL_S = 60 };

#define MUST(condition)                                       \
	do {                                                  \
		if (!(condition)) {                           \
			perror("agent_refresh: " #condition); \
			abort();                              \
		}                                             \
	} while (0)

static const uint8_t owner[SHA256_LEN] = { 7 };

struct fill {
	struct ledger *ledger;
	size_t count;
	struct ledger_submission group[GROUP];
	struct ledger_submission *at[GROUP];
};

static void flush(struct fill *fill)
{
	struct iotpki_detail detail = { 0 };
	for (size_t i = 0; i < fill->count; i++)
		fill->at[i] = &fill->group[i];
	MUST(ledger_commit(fill->ledger, fill->at, fill->count, &detail) == IOTPKI_OK);
	for (size_t i = 0; i < fill->count; i++)
		MUST(fill->group[i].reason == TX_OK);
	fill->count = 0;
}

/* As if its signatures had been checked: twenty thousand of them would be the test. */
static void add(struct fill *fill, const struct tx *tx, const uint8_t txid[static SHA256_LEN])
{
	static const uint8_t der[900] = { 0x30 };
	struct ledger_submission *submission = &fill->group[fill->count++];
	*submission = (struct ledger_submission){
		.der = der, .der_len = sizeof(der), .stage = LEDGER_VERIFIED, .tx = *tx
	};
	memcpy(submission->txid, txid, SHA256_LEN);
	memcpy(submission->content, txid, SHA256_LEN);
	submission->content[0] ^= 0xff;
	if (fill->count == GROUP)
		flush(fill);
}

/* Registered with the member's certificate; the registration is the certificate's hash, as the list pins it. */
static void add_member(struct fill *fill, unsigned int number)
{
	struct memberkit kit;
	char name[37];
	memberkit_uuid(number, name);
	memberkit_make(&kit, name, number);
	struct tx tx = { .op = TX_PREORDER };
	memcpy(tx.owner, owner, sizeof(owner));
	memcpy(tx.salt, kit.cert.sha256, sizeof(tx.salt));
	tx.time_s = clock_system()->now_s(clock_system());
	tx.expires_s = tx.time_s + 365 * INT64_C(86400);
	(void)snprintf(tx.name, sizeof(tx.name), "iot:%s", name);
	(void)snprintf(tx.value, sizeof(tx.value), "sha256=%s", kit.sha256);
	if (number == 1)
		memset(tx.value + strlen("sha256="), 'a', 2 * SHA256_LEN);
	MUST(tx_commit(tx.salt, tx.owner, tx.name, tx.commit) == IOTPKI_OK);
	uint8_t txid[SHA256_LEN];
	memcpy(txid, kit.cert.sha256, sizeof(txid));
	txid[SHA256_LEN - 1] ^= 0xff;
	add(fill, &tx, txid);
	tx.op = TX_REGISTER;
	add(fill, &tx, kit.cert.sha256);
}

static void make_ledger(const char *dir, unsigned int members)
{
	char path[128];
	static struct fill fill;
	struct iotpki_detail detail = { 0 };
	const struct ledger_policy policy = { .owner_count = 1,
					      .owners = (const uint8_t(*)[SHA256_LEN]) & owner };
	(void)snprintf(path, sizeof(path), "%s/ledger", dir);
	MUST(fs_mkdir(dir, 0700, &detail) == IOTPKI_OK);
	MUST(fs_mkdir(path, 0700, &detail) == IOTPKI_OK);
	MUST(ledger_create(path, &policy, &detail) == IOTPKI_OK);
	MUST(ledger_open(path, clock_system(), &fill.ledger, &detail) == IOTPKI_OK);
	for (unsigned int i = 1; i < members; i++)
		add_member(&fill, i);
	flush(&fill);
	ledger_closep(&fill.ledger);
}

static pid_t start_bnode(const char *program, const char *dir, struct config_node *node)
{
	int ready[2];
	char line[256] = "", number[16];
	MUST(pipe(ready) == 0);
	const pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		(void)snprintf(number, sizeof(number), "%d", ready[1]);
		(void)close(ready[0]);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl(program, program, "serve", "--dir", dir, "--listen",
			    "http://127.0.0.1:0/", "--ready-fd", number, (char *)NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	struct pollfd wait = { .fd = ready[0], .events = POLLIN };
	MUST(poll(&wait, 1, READY_MS) == 1);
	MUST(read(ready[0], line, sizeof(line) - 1) > 4 && strncmp(line, "url=", 4) == 0);
	(void)close(ready[0]);
	*node = (struct config_node){ .name = "home" };
	const size_t len = strcspn(line + 4, " \n");
	MUST(len < sizeof(node->url));
	memcpy(node->url, line + 4, len);
	return pid;
}

/* `iotpki refresh`; its exit code, and what it printed. */
static int run_refresh(const char *program, const struct agentkit *kit, char out[static 512])
{
	int text[2], status = 0;
	MUST(pipe(text) == 0);
	const pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		(void)dup2(text[1], STDOUT_FILENO);
		(void)execl(program, program, "--socket", kit->socket, "refresh", (char *)NULL);
		_exit(127);
	}
	(void)close(text[1]);
	size_t len = 0;
	for (ssize_t got; (got = read(text[0], out + len, 511 - len)) > 0;)
		len += (size_t)got;
	out[len] = '\0';
	(void)close(text[0]);
	MUST(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void remove_ledger(const struct agentkit *kit)
{
	static const char *const left[] = { "ledger/data.mdb", "ledger/lock.mdb", "ledger", "" };
	char path[160];
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		(void)snprintf(path, sizeof(path), "%s/bnode/%s", kit->folder, left[i]);
		(void)remove(path);
	}
}

static double measure(const char *const programs[static 3], unsigned int members)
{
	struct agentkit kit;
	struct config_node node;
	char dir[96], said[512], expected[256];
	CLEANUP(buf_done) struct buf entries = BUF_INIT(256 << 20);
	agentkit_init(&kit, programs[0]);
	(void)snprintf(dir, sizeof(dir), "%s/bnode", kit.folder);
	make_ledger(dir, members);
	for (unsigned int i = 0; i < members; i++)
		memberkit_put_numbered(i, &entries);
	const pid_t bnode = start_bnode(programs[2], dir, &node);
	agentkit_config(&kit, &node, 1, "refresh: {every: 1d, jitter: 0s}\n");
	agentkit_members(&kit, buf_text(&entries));
	agentkit_start(&kit);
	const int64_t begin_us = agentkit_now_us();
	const int exit = run_refresh(programs[1], &kit, said);
	const double seconds = (double)(agentkit_now_us() - begin_us) / 1e6;
	(void)snprintf(expected, sizeof(expected),
		       "asked about %u members: %u in order, 2 refused, 0 without enough answers\n",
		       members, members - 2);
	if (exit != 0 || strcmp(said, expected) != 0) {
		fprintf(stderr, "agent_refresh: exit %d, said: %s", exit, said);
		abort();
	}
	MUST(agentkit_stop(&kit) == 0);
	int status = 0;
	MUST(kill(bnode, SIGTERM) == 0 && waitpid(bnode, &status, 0) == bnode && status == 0);
	remove_ledger(&kit);
	agentkit_remove(&kit);
	return seconds;
}

int main(int argc, char **argv)
{
	uint64_t members = 0;
	if (argc < 5 || !uint_parse(argv[4], strlen(argv[4]), 1000000, &members) || members < 3)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	const char *const programs[] = { argv[1], argv[2], argv[3] };
	const double seconds = measure(programs, (unsigned int)members);
	if (argc > 5)
		printf("bench: refresh_%u ratio=%.2f goal=1 %s (%.1f s of %d)\n",
		       (unsigned int)members, seconds / GOAL_S, seconds <= GOAL_S ? "ok" : "short",
		       seconds, GOAL_S);
	else
		printf("figure: refresh of %u members in %.1f s\n", (unsigned int)members, seconds);
	return 0;
}
