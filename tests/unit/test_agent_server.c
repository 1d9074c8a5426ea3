/* The agent's socket: who gets in, who is hung up on, and that a flood starves nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server.h"
#include "agent/socket.h"
#include "base/fs.h"

enum { FLOOD = 10000, OTHER_USER = 65534 };

struct stage {
	char folder[64], path[96];
	int listener;
	struct clock_fake clock;
	struct loop *loop;
	struct server *server;
	bool answer; /* at once */
	uint64_t last_id;
	size_t requests;
};

static void take_request(void *context, uint64_t id, const struct frame_request *request)
{
	struct stage *stage = context;
	struct frame_answer answer;
	stage->requests++;
	stage->last_id = id;
	if (!stage->answer)
		return;
	frame_answer_start(&answer, FRAME_SAY_OK);
	frame_answer_text(&answer, "verb", frame_verb_name(request->verb));
	server_answer(stage->server, id, &answer);
}

static int setup(void **state)
{
	static struct stage stage;
	stage = (struct stage){ .answer = true };
	struct iotpki_detail detail = { 0 };
	(void)snprintf(stage.folder, sizeof(stage.folder), "/tmp/iotpki-server-XXXXXX");
	if (mkdtemp(stage.folder) == NULL || chmod(stage.folder, 0755) != 0)
		return 1;
	(void)snprintf(stage.path, sizeof(stage.path), "%s/run/agent.sock", stage.folder);
	clock_fake_init(&stage.clock, 1000);
	assert_int_equal(socket_listen(stage.path, &stage.listener, &detail), IOTPKI_OK);
	assert_int_equal(loop_new(&stage.loop), IOTPKI_OK);
	assert_true(loop_fd(stage.loop) >= 0);
	const struct server_options options = { stage.loop, &stage.clock.clock, stage.listener,
						take_request, &stage };
	assert_int_equal(server_new(&options, &stage.server), IOTPKI_OK);
	const struct access access = { .admin = geteuid(), .helper = ACCESS_NO_UID };
	server_set_access(stage.server, &access);
	*state = &stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;
	char run[96];
	server_free(stage->server);
	loop_free(stage->loop);
	fs_close(&stage->listener);
	(void)unlink(stage->path);
	(void)snprintf(run, sizeof(run), "%s/run", stage->folder);
	(void)rmdir(run);
	(void)rmdir(stage->folder);
	return 0;
}

/* -1: refused */
static int try_connect(const char *path, int flags)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	const int number = errno;
	fs_close(&fd);
	errno = number;
	return -1;
}

static void work(struct stage *stage)
{
	for (int i = 0; i < 4; i++)
		loop_dispatch(stage->loop);
}

/* We are the server too: a connect that waited for a place in the backlog would wait for ever. */
static int send_text(struct stage *stage, const void *data, size_t len)
{
	int fd;
	while ((fd = try_connect(stage->path, SOCK_NONBLOCK)) < 0 && errno == EAGAIN)
		work(stage);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
	return fd;
}

/* What it says now; "" if it hung up, NULL if it says nothing yet. */
static const char *read_answer(int fd)
{
	static char text[FRAME_MAX + 1];
	const ssize_t len = recv(fd, text, FRAME_MAX, MSG_DONTWAIT);
	if (len < 0 && errno == EAGAIN)
		return NULL;
	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void expect(struct stage *stage, const char *request, const char *want)
{
	const int fd = send_text(stage, request, strlen(request));
	/* Behind a full backlog it takes a few turns. */
	const char *got = NULL;
	for (int i = 0; got == NULL && i < 1000; i++) {
		work(stage);
		got = read_answer(fd);
	}
	if (got == NULL || strncmp(got, want, strlen(want)) != 0)
		fail_msg("%s: wanted %s, got %s", request, want, got != NULL ? got : "nothing");
	(void)close(fd);
}

static void one_request_one_answer(void **state)
{
	struct stage *stage = *state;
	expect(stage, "iotpki/1 status\n", "iotpki/1 OK\nverb=status\n");
	expect(stage, "iotpki/1 deny\nname=a\n", "iotpki/1 OK\nverb=deny\n");
	expect(stage, "iotpki/1 deny\n", "iotpki/1 ERROR\nerror=request:1:1: ");
	expect(stage, "hello", "iotpki/1 ERROR\n");
	assert_int_equal(stage->requests, 2);
	assert_int_equal(server_connections(stage->server), 0);
	static char large[FRAME_MAX + 100];
	memset(large, 'a', sizeof(large));
	const int fd = send_text(stage, large, sizeof(large));
	work(stage);
	assert_non_null(strstr(read_answer(fd), "longer than 16384 bytes"));
	(void)close(fd);
}

static void socket_is_for_anybody(void **state)
{
	struct stage *stage = *state;
	struct stat st;
	assert_int_equal(stat(stage->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	*strrchr(stage->path, '/') = '\0';
	assert_int_equal(stat(stage->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	stage->path[strlen(stage->path)] = '/';
}

static void time_is_limited(void **state)
{
	struct stage *stage = *state;
	const int silent = try_connect(stage->path, 0);
	stage->answer = false;
	const int asked = send_text(stage, "iotpki/1 status\n", 16);
	work(stage);
	assert_int_equal(server_connections(stage->server), 2);
	assert_int_equal(server_expire(stage->server), SERVER_REQUEST_MS);
	clock_fake_advance(&stage->clock, SERVER_REQUEST_MS);
	assert_int_equal(server_expire(stage->server), SERVER_ANSWER_MS - SERVER_REQUEST_MS);
	assert_string_equal(read_answer(silent), "");
	assert_null(read_answer(asked));
	clock_fake_advance(&stage->clock, SERVER_ANSWER_MS - SERVER_REQUEST_MS);
	assert_int_equal(server_expire(stage->server), -1);
	assert_string_equal(read_answer(asked), "");
	/* Whose connection is gone is not answered, nor is who came into its place. */
	const int next = send_text(stage, "iotpki/1 status\n", 16);
	const uint64_t gone = stage->last_id;
	work(stage);
	struct frame_answer answer;
	frame_answer_start(&answer, FRAME_SAY_OK);
	server_answer(stage->server, gone, &answer);
	assert_null(read_answer(next));
	server_answer(stage->server, stage->last_id, &answer);
	assert_string_equal(read_answer(next), "iotpki/1 OK\n");
	(void)close(silent);
	(void)close(asked);
	(void)close(next);
}

static void second_requests_end_it(void **state)
{
	struct stage *stage = *state;
	stage->answer = false;
	const int fd = send_text(stage, "iotpki/1 status\n", 16);
	work(stage);
	assert_int_equal(send(fd, "iotpki/1 status\n", 16, MSG_NOSIGNAL), 16);
	work(stage);
	assert_int_equal(stage->requests, 1);
	assert_int_equal(server_connections(stage->server), 0);
	(void)close(fd);
}

static void nobody_special_asks_little(void **state)
{
	struct stage *stage = *state;
	const struct access strangers = { .admin = ACCESS_NO_UID, .helper = ACCESS_NO_UID };
	const uid_t uid = geteuid();
	/* Root is root: ask as somebody else. SO_PEERCRED tells the effective user at connect(). */
	if (uid == 0)
		assert_int_equal(seteuid(OTHER_USER), 0);
	server_set_access(stage->server, &strangers);
	expect(stage, "iotpki/1 reload\n", "iotpki/1 ERROR\nerror=not permitted");
	for (size_t i = 0; i < SERVER_STATUS_PER_S; i++)
		expect(stage, "iotpki/1 status\n", "iotpki/1 OK\n");
	expect(stage, "iotpki/1 status\n", "iotpki/1 ERROR\nerror=too many");
	clock_fake_advance(&stage->clock, 1000);
	expect(stage, "iotpki/1 status\n", "iotpki/1 OK\n");
	assert_int_equal(seteuid(uid), 0);
}

/* As another user: connects, says nothing, never closes. Then asks what it may not. */
static void flood(const char *path)
{
	size_t reached = 0;
	if (setgid(OTHER_USER) != 0 || setuid(OTHER_USER) != 0)
		_exit(1);
	for (size_t i = 0; i < FLOOD; i++) {
		const int fd = try_connect(path, 0);
		if (fd < 0)
			_exit(2);
		reached++;
		/* Descriptors are his own limit, not ours: he keeps the first 900. */
		if (i >= 900)
			(void)close(fd);
	}
	_exit(reached == FLOOD ? 0 : 3);
}

static void floods_starve_nobody(void **state)
{
	struct stage *stage = *state;
	int status = 0;
	if (geteuid() != 0)
		skip();
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		flood(stage->path);
	/* In the middle of it root is served each time. */
	size_t served = 0;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		expect(stage, "iotpki/1 status\n", "iotpki/1 OK\n");
		assert_in_range(server_connections(stage->server), 0, SERVER_PER_USER_MAX);
		served++;
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(served > 0);
	for (int i = 0; i < 64; i++)
		work(stage);
	/* All but his few places; who hung up before his turn was accepted and gone at once. */
	assert_in_range(server_refused(stage->server), 900 - SERVER_PER_USER_MAX, FLOOD);
	expect(stage, "iotpki/1 status\n", "iotpki/1 OK\n");
}

static void stale_and_foreign_sockets(void **state)
{
	struct stage *stage = *state;
	struct iotpki_detail detail = { 0 };
	int fd = -1;
	/* Somebody listens: he is left alone. */
	assert_int_equal(socket_listen(stage->path, &fd, &detail), IOTPKI_ERR_EXISTS);
	server_stop_listening(stage->server);
	fs_close(&stage->listener);
	/* Nobody listens any more: the path is taken over. */
	assert_int_equal(socket_listen(stage->path, &fd, &detail), IOTPKI_OK);
	stage->listener = fd;
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/file", stage->folder);
	assert_int_equal(fs_create(path, "x", 1, 0600, &detail), IOTPKI_OK);
	assert_int_equal(socket_listen(path, &fd, &detail), IOTPKI_ERR_EXISTS);
	assert_int_equal(access(path, F_OK), 0);
	(void)unlink(path);
	/* A folder that others can write. */
	assert_int_equal(chmod(stage->folder, 0777), 0);
	(void)snprintf(path, sizeof(path), "%s/sock", stage->folder);
	assert_int_equal(socket_listen(path, &fd, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(socket_listen("agent.sock", &fd, &detail), IOTPKI_ERR_ARGUMENT);
	assert_int_equal(fd, -1);
}

static void inherited_sockets(void **state)
{
	(void)state;
	char pid[16];
	int fd = -1;
	struct iotpki_detail detail = { 0 };
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	static const struct {
		const char *pid, *count;
	} rows[] = { { NULL, "1" }, { "1", "1" }, { "x", "1" }, { "", "" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(socket_inherit(rows[i].pid, rows[i].count, &fd, &detail),
				 IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(socket_inherit(pid, NULL, &fd, &detail), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(socket_inherit(pid, "2", &fd, &detail), IOTPKI_ERR_ARGUMENT);
	/* Descriptor 3 of this process is whatever it is, but no listening socket of ours alone. */
	assert_int_equal(socket_inherit(pid, "0", &fd, &detail), IOTPKI_ERR_NOT_FOUND);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(one_request_one_answer),
		ROW(socket_is_for_anybody),
		ROW(time_is_limited),
		ROW(second_requests_end_it),
		ROW(nobody_special_asks_little),
		ROW(floods_starve_nobody),
		ROW(stale_and_foreign_sockets),
		cmocka_unit_test(inherited_sockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
