/*
 * The real agent and its state's file: found in any condition it starts, says so, and decides; killed at any
 * moment it finds what it had or what it was about to have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e/agent/statekit.h"

enum { PEOPLE = 24, KILLS = 120, SPREAD_US = 40000 };

static const char *program, *preload;
static struct memberkit people[PEOPLE];
static struct statekit kit;
static char dir[128], data[160], aside[192];

static void open_scene(void)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	statekit_open(&kit, program, preload, 2);
	for (size_t i = 0; i < PEOPLE; i++)
		statekit_put_member(&people[i], FAKE_REGISTRATION, NULL, &entries);
	agentkit_members(&kit.kit, buf_text(&entries));
	(void)snprintf(dir, sizeof(dir), "%s/state", kit.kit.state);
	(void)snprintf(data, sizeof(data), "%s/data.mdb", dir);
	(void)snprintf(aside, sizeof(aside), "%s.corrupt", data);
	statekit_start(&kit);
}

static int teardown(void **state)
{
	(void)state;
	if (kit.kit.pid > 0)
		statekit_kill(&kit);
	(void)chmod(dir, 0700);
	(void)rmdir(data);
	(void)unlink(dir);
	statekit_close(&kit);
	return 0;
}

static void all_revoked(void)
{
	const struct statekit_words words = { .status = "revoked",
					      .sha256 = FAKE_HASH,
					      .registration = FAKE_REGISTRATION,
					      .height = 100,
					      .time_s = kit.clock->wall_s };
	for (size_t i = 0; i < STATEKIT_NODES; i++)
		statekit_say(&kit, i, &words);
}

/* Refused at the first answer, learnt at the second. */
static void expect_learnt(const struct memberkit *person)
{
	all_revoked();
	statekit_expect(&kit, person, "DENY", "revoked");
	statekit_await_log(&kit, "event=tombstone ", person->name);
}

/* ---- conditions ---- */

static void write_at(const char *path, int64_t offset, size_t len)
{
	char bytes[4096];
	memset(bytes, 0xa5, sizeof(bytes));
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t done = 0; done < len; done += sizeof(bytes))
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), offset + (int64_t)done),
				 (ssize_t)sizeof(bytes));
	(void)close(fd);
}

static void whole(void)
{
}

static void missing(void)
{
	assert_int_equal(unlink(data), 0);
}

static void empty(void)
{
	assert_int_equal(truncate(data, 0), 0);
}

/* As LMDB makes it, killed before the first record. */
static void just_made(void)
{
	MDB_env *env = NULL;
	missing();
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, dir, MDB_NOLOCK, 0600), 0);
	mdb_env_close(env);
}

static void headless(void)
{
	write_at(data, 0, 8192);
}

static void without_body(void)
{
	write_at(data, 8192, 65536);
}

static void cut(void)
{
	assert_int_equal(truncate(data, 5000), 0);
}

static void of_another_version(void)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	uint8_t version = 99;
	MDB_val key = { strlen("version"), (void *)(uintptr_t) "version" }, value = { 1, &version };
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_open(env, dir, MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void open_to_others(void)
{
	assert_int_equal(chmod(dir, 0755), 0);
}

static void not_writable(void)
{
	assert_int_equal(chmod(dir, 0500), 0);
	assert_int_equal(chmod(data, 0400), 0);
}

static void of_somebody_else(void)
{
	assert_int_equal(chown(dir, 1, 1), 0);
}

static void no_folder(void)
{
	assert_int_equal(unlink(data), 0);
	assert_int_equal(rmdir(dir), 0);
	write_at(dir, 0, 1);
}

static void no_file(void)
{
	assert_int_equal(unlink(data), 0);
	assert_int_equal(mkdir(data, 0700), 0);
}

static int taken_fd = -1;

static void taken(void)
{
	taken_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(taken_fd >= 0);
	assert_int_equal(flock(taken_fd, LOCK_EX | LOCK_NB), 0);
}

static const struct row {
	const char *name;
	void (*damage)(void);
	const char *condition, *why; /* why: in the log */
	int only_uid;                /* 0 root, 1 anybody else, -1 both */
} rows[] = {
	{ "whole", whole, "good", "", -1 },
	{ "missing", missing, "new", "", -1 },
	{ "empty", empty, "new", "", -1 },
	{ "just made", just_made, "new", "", -1 },
	{ "no head", headless, "replaced", "not what was written", -1 },
	{ "no body", without_body, "replaced", "", -1 },
	{ "cut", cut, "replaced", "", -1 },
	{ "another version", of_another_version, "volatile", "layout 99", -1 },
	{ "open to others", open_to_others, "volatile", "chmod it to 0700", -1 },
	{ "not writable", not_writable, "volatile", "", 1 },
	{ "somebody else's", of_somebody_else, "volatile", "somebody else", 0 },
	{ "a file for a folder", no_folder, "volatile", "", -1 },
	{ "a folder for a file", no_file, "volatile", "", -1 },
	{ "taken", taken, "volatile", "another process", -1 },
};

/* It decides in any case, and what it learns now counts until it ends. */
static void expect_decisions(const struct row *row)
{
	const bool knows = row->damage == whole;
	statekit_all_registered(&kit, &people[0], FAKE_REGISTRATION, 200);
	statekit_expect(&kit, &people[0], knows ? "DENY" : "ADMIT", knows ? "revoked" : "");
	expect_learnt(&people[1]);
	statekit_all_registered(&kit, &people[1], FAKE_REGISTRATION, 200);
	statekit_expect(&kit, &people[1], "DENY", "revoked");
}

static void any_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stat before = { 0 }, after = { 0 };
		const bool root = geteuid() == 0;
		if (rows[i].only_uid >= 0 && root != (rows[i].only_uid == 0))
			continue;
		open_scene();
		expect_learnt(&people[0]);
		statekit_stop(&kit);
		statekit_forget_log(&kit);
		rows[i].damage();
		(void)stat(data, &before);
		statekit_start(&kit);
		if (!statekit_logged(&kit, "event=state condition=", rows[i].condition) ||
		    !statekit_logged(&kit, "event=state", rows[i].why))
			fail_msg("%s: is not told of", rows[i].name);
		statekit_expect_status(&kit, "state", rows[i].condition);
		expect_decisions(&rows[i]);
		statekit_stop(&kit);
		/* What cannot be used is somebody's: it stays, to the byte. */
		const bool keeps = strcmp(rows[i].condition, "volatile") == 0;
		(void)stat(data, &after);
		if (keeps && (before.st_size != after.st_size || before.st_ino != after.st_ino ||
			      before.st_mtim.tv_nsec != after.st_mtim.tv_nsec))
			fail_msg("%s: was written", rows[i].name);
		const bool moved = strcmp(rows[i].condition, "replaced") == 0;
		if ((access(aside, F_OK) == 0) != moved)
			fail_msg("%s: %s moved aside", rows[i].name, moved ? "not" : "was");
		if (taken_fd >= 0)
			(void)close(taken_fd);
		taken_fd = -1;
		(void)teardown(NULL);
		printf("figure: state %s: %s, and the agent decides\n", rows[i].name,
		       rows[i].condition);
	}
	kit.kit.pid = -1;
}

/* ---- kill -9 ---- */

static long tombstones(void)
{
	char number[32];
	statekit_status(&kit, "tombstones", number, sizeof(number));
	return strtol(number, NULL, 10);
}

/* A revocation is learnt, and somewhere on the way of it to the disk the agent dies. */
static void killed_while_it_writes(void **state)
{
	(void)state;
	long before = 0, learnt = 0;
	open_scene();
	for (int i = 0; i < KILLS; i++) {
		char request[FRAME_MAX];
		all_revoked();
		kit.clock->wall_s += 10;
		agentkit_key_request("pi", people[i % PEOPLE].key, request, sizeof(request));
		const int fd = agentkit_send(&kit.kit, request);
		/* From before it is answered to after it is on the disk. */
		const int64_t ends_us = agentkit_now_us() + SPREAD_US * (i * 37 % KILLS) / KILLS;
		while (agentkit_now_us() < ends_us)
			continue;
		statekit_kill(&kit);
		(void)close(fd);
		statekit_forget_log(&kit);
		statekit_start(&kit);
		char condition[32];
		statekit_status(&kit, "state", condition, sizeof(condition));
		if (strcmp(condition, "good") != 0 && (i > 0 || strcmp(condition, "new") != 0))
			fail_msg("kill %d: the state is %s", i, condition);
		const long now = tombstones();
		if (now != before && now != before + 1)
			fail_msg("kill %d: %ld tombstones after %ld", i, now, before);
		learnt += now - before;
		before = now;
	}
	if (learnt == 0)
		fail_msg("no write was ever reached");
	printf("figure: kill -9 of the agent: %d times, %ld of %d revocations were written, "
	       "never less than before\n",
	       KILLS, learnt, PEOPLE);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(killed_while_it_writes, teardown),
		cmocka_unit_test(any_file),
	};
	if (argc != 3)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN); /* a B-node that stops closes under its writers */
	program = argv[1];
	preload = argv[2];
	for (size_t i = 0; i < PEOPLE; i++)
		agentkit_person(&people[i], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
