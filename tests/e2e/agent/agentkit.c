/* Fork, exec, wait for the ready line. */
#include "e2e/agent/agentkit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse.h"
#include "base/random.h"
#include "identity/identity.h"

#define MUST(condition)                                  \
	do {                                             \
		if (!(condition)) {                      \
			perror("agentkit: " #condition); \
			abort();                         \
		}                                        \
	} while (0)

enum { READY_MS = 60000 };

static void path_in(const struct agentkit *kit, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", kit->folder, name);
}

void agentkit_init(struct agentkit *kit, const char *program)
{
	*kit = (struct agentkit){ .program = program, .pid = -1 };
	(void)snprintf(kit->folder, sizeof(kit->folder), "/tmp/iotpki-agent-test-XXXXXX");
	MUST(mkdtemp(kit->folder) != NULL);
	path_in(kit, "agent.sock", kit->socket, sizeof(kit->socket));
	path_in(kit, "iotpki.yaml", kit->config, sizeof(kit->config));
	path_in(kit, "members.yaml", kit->members, sizeof(kit->members));
	path_in(kit, "state", kit->state, sizeof(kit->state));
	path_in(kit, "log", kit->log, sizeof(kit->log));
}

static void write_file(const char *path, const struct buf *text)
{
	struct iotpki_detail detail = { 0 };
	MUST(buf_error(text) == IOTPKI_OK);
	MUST(fs_write(path, text->data, text->len, 0640, false, &detail) == IOTPKI_OK);
}

void agentkit_config(const struct agentkit *kit, const struct config_node *nodes, size_t count,
		     const char *rest)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(65536);
	(void)buf_puts(&text, "version: 1\nbnodes:\n");
	for (size_t i = 0; i < count; i++) {
		char pin[BASE64_ENCODED_SIZE(IOTPKI_SHA256_LEN)];
		(void)base64_encode(nodes[i].pins[0], IOTPKI_SHA256_LEN, true, pin);
		(void)buf_printf(&text, "  - {name: %s, type: iotpki, network: farm, url: \"%s\"",
				 nodes[i].name, nodes[i].url);
		if (nodes[i].pin_count > 0)
			(void)buf_printf(&text, ", pin: \"sha256//%s\"", pin);
		(void)buf_puts(&text, "}\n");
	}
	(void)buf_puts(&text, rest);
	write_file(kit->config, &text);
}

void agentkit_members(const struct agentkit *kit, const char *entries)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(256 << 20);
	(void)buf_puts(&text, memberkit_head);
	(void)buf_puts(&text, "members:\n");
	(void)buf_puts(&text, entries);
	write_file(kit->members, &text);
}

static void run_agent(const struct agentkit *kit, int ready)
{
	char number[16], log[128];
	(void)snprintf(number, sizeof(number), "%d", ready);
	(void)snprintf(log, sizeof(log), "file:%s", kit->log);
	const char *arguments[] = { kit->program,  "--config", kit->config,
				    "--state-dir", kit->state, "--socket",
				    kit->socket,   "--log",    log,
				    "--ready-fd",  number,     geteuid() == 0 ? "--user" : NULL,
				    "root",        NULL };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
	(void)execv(kit->program, (char **)(uintptr_t)arguments);
	_exit(127);
}

void agentkit_start(struct agentkit *kit)
{
	int ready[2];
	char line[256];
	MUST(pipe(ready) == 0);
	kit->pid = fork();
	MUST(kit->pid >= 0);
	if (kit->pid == 0) {
		(void)close(ready[0]);
		run_agent(kit, ready[1]);
	}
	(void)close(ready[1]);
	struct pollfd wait = { .fd = ready[0], .events = POLLIN };
	MUST(poll(&wait, 1, READY_MS) == 1);
	const ssize_t len = read(ready[0], line, sizeof(line) - 1);
	MUST(len > 0 && strncmp(line, "ready socket=", 13) == 0);
	(void)close(ready[0]);
}

int agentkit_stop(struct agentkit *kit)
{
	int status = 0;
	MUST(kill(kit->pid, SIGTERM) == 0);
	MUST(waitpid(kit->pid, &status, 0) == kit->pid);
	kit->pid = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void agentkit_remove(struct agentkit *kit)
{
	static const char *const files[] = { "state/members.accepted/members.yaml",
					     "agent.sock",
					     "state/state/data.mdb",
					     "state/state/data.mdb.corrupt",
					     "iotpki.yaml",
					     "members.yaml",
					     "log" };
	static const char *const folders[] = { "state/members.accepted", "state/state", "state",
					       "." };
	char path[128];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_in(kit, files[i], path, sizeof(path));
		(void)unlink(path);
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		path_in(kit, folders[i], path, sizeof(path));
		(void)rmdir(path);
	}
	(void)rmdir(kit->folder);
}

int agentkit_send(const struct agentkit *kit, const char *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", kit->socket);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	MUST(fd >= 0);
	MUST(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	MUST(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
	return fd;
}

void agentkit_receive(int fd, char out[static FRAME_MAX + 1])
{
	const ssize_t len = recv(fd, out, FRAME_MAX, 0);
	out[len > 0 ? len : 0] = '\0';
	(void)close(fd);
}

void agentkit_ask(const struct agentkit *kit, const char *request, char out[static FRAME_MAX + 1])
{
	agentkit_receive(agentkit_send(kit, request), out);
}

void agentkit_key_request(const char *user, const char *key, char *out, size_t size)
{
	const char *space = strchr(key, ' ');
	MUST(space != NULL);
	(void)snprintf(out, size,
		       "iotpki/1 authorize-key\nuser=%s\nservice=sshd\ntype=%.*s\nkey=%s\n", user,
		       (int)(space - key), key, space + 1);
}

void agentkit_person(struct memberkit *kit, const char *name)
{
	struct iotpki_detail detail = { 0 };
	CLEANUP(identity_freep) struct identity *identity = NULL;
	const uint8_t *der = NULL;
	*kit = (struct memberkit){ 0 };
	MUST(identity_new(name, IDENTITY_P256, random_system(), &identity, &detail) == IOTPKI_OK);
	identity_der(identity, &der, &kit->der_len);
	MUST(kit->der_len <= sizeof(kit->der));
	memcpy(kit->der, der, kit->der_len);
	kit->cert = *identity_cert(identity);
	memcpy(kit->name, kit->cert.name, sizeof(kit->name));
	MUST(iotpki_cert_to_pem(kit->der, kit->der_len, kit->pem, sizeof(kit->pem)) == IOTPKI_OK);
	MUST(iotpki_sshkey_format(&kit->cert.key, kit->key, sizeof(kit->key)) == IOTPKI_OK);
	hex_encode(kit->cert.sha256, IOTPKI_SHA256_LEN, kit->sha256);
	iotpki_fingerprint_format(kit->cert.key.fingerprint, kit->fingerprint);
}

void agentkit_put_entry(const struct memberkit *kit, struct buf *out)
{
	char extra[128];
	(void)snprintf(extra, sizeof(extra), "    registrations: {farm: %s}\n", kit->sha256);
	memberkit_put_entry(kit, "operator", extra, out);
}

int64_t agentkit_now_us(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

long agentkit_status_kib(const struct agentkit *kit, const char *key)
{
	char path[64], line[256];
	long value = -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)kit->pid);
	FILE *file = fopen(path, "re");
	MUST(file != NULL);
	while (value < 0 && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			value = strtol(line + strlen(key) + 1, NULL, 10);
	(void)fclose(file);
	return value;
}
