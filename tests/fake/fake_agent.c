/* The scripted agent; see the header. */
#include "fake_agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake_agent_shared {
	enum fake_agent_mode mode;
	size_t len;
	char text[FAKE_AGENT_TEXT_MAX];
	char needle[256];
	char other[FAKE_AGENT_TEXT_MAX];
	atomic_uint requests;
	char last[IOTPKI_CLIENT_FRAME_MAX + 1];
};

static void require(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

static void serve_one(struct fake_agent_shared *shared, int connection)
{
	if (shared->mode == FAKE_AGENT_REFUSE)
		return;
	char request[IOTPKI_CLIENT_FRAME_MAX + 1];
	const ssize_t got = recv(connection, request, sizeof(request) - 1, 0);
	if (got <= 0)
		return;
	request[got] = '\0';
	memcpy(shared->last, request, (size_t)got + 1);
	atomic_fetch_add(&shared->requests, 1);
	if (shared->mode == FAKE_AGENT_HANG_UP)
		return;
	if (shared->mode == FAKE_AGENT_HANG) {
		/* Until the asker gives up; the next one is served then. */
		(void)recv(connection, request, sizeof(request), 0);
		return;
	}
	const int other = shared->needle[0] != '\0' && strstr(request, shared->needle) != NULL;
	const char *text = other ? shared->other : shared->text;
	const size_t len = other ? strlen(shared->other) : shared->len;
	(void)send(connection, text, len, MSG_NOSIGNAL);
}

static void serve(struct fake_agent_shared *shared, int listener)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		const int connection = accept(listener, NULL, NULL);
		if (connection < 0)
			continue;
		serve_one(shared, connection);
		(void)close(connection);
	}
}

static int listen_on(struct fake_agent *agent)
{
	memset(agent, 0, sizeof(*agent));
	(void)snprintf(agent->folder, sizeof(agent->folder), "/tmp/iotpki-fake.XXXXXX");
	require(mkdtemp(agent->folder) != NULL, "mkdtemp");
	(void)snprintf(agent->socket, sizeof(agent->socket), "%s/agent.sock", agent->folder);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, agent->socket, strlen(agent->socket) + 1);
	const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	require(listener >= 0, "socket");
	require(bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0, "bind");
	return listener;
}

void fake_agent_start(struct fake_agent *agent)
{
	const int listener = listen_on(agent);
	require(listen(listener, 16) == 0, "listen");
	agent->shared = mmap(NULL, sizeof(*agent->shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(agent->shared != MAP_FAILED, "mmap");
	(void)fflush(NULL);
	agent->pid = fork();
	require(agent->pid >= 0, "fork");
	if (agent->pid == 0)
		serve(agent->shared, listener);
	(void)close(listener);
}

void fake_agent_start_full(struct fake_agent *agent)
{
	const int listener = listen_on(agent);
	require(listen(listener, 0) == 0, "listen");
	(void)fflush(NULL);
	agent->pid = fork();
	require(agent->pid >= 0, "fork");
	if (agent->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	(void)close(listener);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, agent->socket, strlen(agent->socket) + 1);
	for (;;) { /* these descriptors stay open: they are what fills the queue */
		const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		require(fd >= 0, "socket");
		if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			continue;
		(void)close(fd);
		return;
	}
}

void fake_agent_stop(struct fake_agent *agent)
{
	if (agent->pid > 0) {
		(void)kill(agent->pid, SIGKILL);
		(void)waitpid(agent->pid, NULL, 0);
	}
	if (agent->shared != NULL)
		(void)munmap(agent->shared, sizeof(*agent->shared));
	(void)unlink(agent->socket);
	(void)rmdir(agent->folder);
	agent->pid = 0;
	agent->shared = NULL;
}

void fake_agent_set(struct fake_agent *agent, enum fake_agent_mode mode, const void *text,
		    size_t len)
{
	require(len <= sizeof(agent->shared->text), "a scripted answer that fits");
	agent->shared->mode = mode;
	agent->shared->len = len;
	if (len > 0)
		memcpy(agent->shared->text, text, len);
}

void fake_agent_say(struct fake_agent *agent, const char *text)
{
	fake_agent_set(agent, FAKE_AGENT_ANSWER, text, strlen(text));
}

void fake_agent_say_if(struct fake_agent *agent, const char *needle, const char *text)
{
	agent->shared->needle[0] = '\0';
	if (needle == NULL)
		return;
	(void)snprintf(agent->shared->other, sizeof(agent->shared->other), "%s", text);
	(void)snprintf(agent->shared->needle, sizeof(agent->shared->needle), "%s", needle);
}

unsigned int fake_agent_request_count(const struct fake_agent *agent)
{
	return atomic_load(&agent->shared->requests);
}

const char *fake_agent_last_request(const struct fake_agent *agent)
{
	return agent->shared->last;
}

void fake_agent_forget(struct fake_agent *agent)
{
	atomic_store(&agent->shared->requests, 0);
	agent->shared->last[0] = '\0';
}
