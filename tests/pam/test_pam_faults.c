/*
 * Faults in the host while pam_iotpki works: the Nth allocation fails, once and from then on; no
 * descriptor is left. The oracle is about meaning (CVE-2025-23013 was a harness that threw the code
 * away): success only if the agent said ADMIT, and never IGNORE where no argument says so.
 * usage: test_pam_faults MODULE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "client_test.h"
#include "fake_agent.h"
#include "pam_host.h"

#define KEY_LINE "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n"
#define ADMIT "iotpki/1 ADMIT\nname=iot:a1\nfp=SHA256:abc\n"
#define DENY "iotpki/1 DENY\nreason=revoked\naccount-known=yes\nlist-valid=yes\n"

enum { ALLOCATIONS_MAX = 100, DESCRIPTORS_MAX = 32 };

/* The allocator of the process, which fails when it is told to; the module's calls land here too. */
static struct {
	bool on;
	bool for_good; /* all that follow as well */
	int countdown;
	int failed;
} fault;

static bool fails(void)
{
	if (!fault.on)
		return false;
	fault.countdown--;
	if (fault.countdown > 0 || (fault.countdown < 0 && !fault.for_good))
		return false;
	fault.failed++;
	errno = ENOMEM;
	return true;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

static struct fake_agent agent;

static const struct row {
	const char *name, *arguments, *answer;
	bool may_succeed;
} rows[] = {
	{ "ADMIT", "ssh", ADMIT, true },
	{ "DENY", "ssh", DENY, false },
	{ "DENY, unknown users ignored", "ssh ignore_unknown_user", DENY, false },
	{ "UNAVAILABLE", "ssh", "iotpki/1 UNAVAILABLE\n", false },
	{ "garbage", "ssh", "ADMIT", false },
	{ "wrong argument", "ssh x", ADMIT, false },
};

/* IGNORE would end as the next line's code. */
static const char *folder_of(const struct row *row, enum host_stage stage)
{
	char text[512];
	(void)snprintf(text, sizeof(text),
		       "%s [success=done ignore=ignore default=die] %%m %s socket=%s\n"
		       "%s required pam_debug.so auth=cred_expired acct=cred_expired "
		       "open_session=cred_expired\n",
		       host_stage_names[stage], row->arguments, agent.socket,
		       host_stage_names[stage]);
	return host_folder("sshd", text);
}

static int call_with_fault(const struct row *row, enum host_stage stage, int nth, bool for_good)
{
	pam_handle_t *pamh = host_start(folder_of(row, stage), "sshd", "pi", KEY_LINE);
	fault.countdown = nth;
	fault.for_good = for_good;
	fault.failed = 0;
	fault.on = true;
	const int code = host_stage(pamh, stage);
	fault.on = false;
	(void)pam_end(pamh, code);
	return code;
}

static void check_code(const struct row *row, enum host_stage stage, int nth, int code)
{
	if (code == HOST_IGNORED)
		fail_msg("%s, %s, allocation %d: ignored", row->name, host_stage_names[stage], nth);
	if (code == PAM_SUCCESS && !row->may_succeed)
		fail_msg("%s, %s, allocation %d: let in", row->name, host_stage_names[stage], nth);
}

static int fail_each(const struct row *row, enum host_stage stage, bool for_good)
{
	int hit = 0;
	for (int nth = 1; nth < ALLOCATIONS_MAX; nth++) {
		const int code = call_with_fault(row, stage, nth, for_good);
		check_code(row, stage, nth, code);
		if (fault.failed == 0)
			return hit; /* fewer allocations than that: all have failed once */
		hit++;
	}
	fail_msg("%s: more than %d allocations", row->name, ALLOCATIONS_MAX);
	return hit;
}

static void each_allocation_fails(void **state)
{
	(void)state;
	int hit = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_agent_say(&agent, rows[i].answer);
		for (int stage = 0; stage < HOST_STAGE_COUNT; stage++)
			for (int for_good = 0; for_good <= 1; for_good++)
				hit += fail_each(&rows[i], (enum host_stage)stage, for_good != 0);
	}
	print_message("%d allocations failed\n", hit);
	assert_true(hit > (int)ARRAY_LEN(rows)); /* the faults really reach the module */
}

/* libpam allocates too, and has codes of its own; the module's only code for it is BUF_ERR. */
static void no_memory_is_said_so(void **state)
{
	(void)state;
	fake_agent_say(&agent, ADMIT);
	for (int stage = 0; stage < HOST_STAGE_COUNT; stage++) {
		int said = 0;
		for (int nth = 1; nth < ALLOCATIONS_MAX; nth++) {
			const int code =
				call_with_fault(&rows[0], (enum host_stage)stage, nth, false);
			if (fault.failed == 0)
				break;
			said += code == PAM_BUF_ERR;
		}
		if (said == 0)
			fail_msg("%s never says PAM_BUF_ERR", host_stage_names[stage]);
	}
}

/* In a child: descriptors run out at each possible number. */
static int without_descriptors(const struct row *row, enum host_stage stage, rlim_t limit)
{
	pam_handle_t *pamh = host_start(folder_of(row, stage), "sshd", "pi", KEY_LINE);
	const struct rlimit few = { limit, limit };
	if (setrlimit(RLIMIT_NOFILE, &few) != 0)
		return 1;
	const int code = host_stage(pamh, stage);
	if (code == HOST_IGNORED)
		return 2;
	return code == PAM_SUCCESS && !row->may_succeed ? 3 : 0;
}

static void descriptors_run_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_agent_say(&agent, rows[i].answer);
		for (rlim_t limit = 0; limit < DESCRIPTORS_MAX; limit++) {
			const enum host_stage stage = (enum host_stage)(limit % HOST_STAGE_COUNT);
			(void)folder_of(&rows[i], stage); /* made here, so that it is removed */
			const pid_t pid = fork();
			assert_true(pid >= 0);
			if (pid == 0)
				_exit(without_descriptors(&rows[i], stage, limit));
			int status = 0;
			assert_int_equal(waitpid(pid, &status, 0), pid);
			if (status != 0)
				fail_msg("%s, limit %lu: status %d", rows[i].name,
					 (unsigned long)limit, status);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails),
		cmocka_unit_test(no_memory_is_said_so),
		cmocka_unit_test(descriptors_run_out),
	};
	const struct client_defaults defaults = { .trusted_uid = geteuid(),
						  .budget_ms = IOTPKI_CLIENT_BUDGET_MS,
						  .log_socket = "/nonexistent" };
	client_test_set(&defaults);
	host_init(argv[1]);
	fake_agent_start(&agent);
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_agent_stop(&agent);
	host_done();
	return failed;
}
