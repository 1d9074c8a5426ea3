/*
 * pam_iotpki in stacks (TM-20): each outcome under each control and with each neighbour. libpam's own
 * answer must be what its rules say for the module's code; where a control takes the module seriously,
 * nobody gets in whom it did not let in. usage: test_pam_stack MODULE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "client_test.h"
#include "fake_agent.h"
#include "pam_host.h"

#define KEY_LINE "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n"

static struct fake_agent agent;

enum action { IGNORE, OK, DONE, BAD, DIE };

/* What a control does with the three classes of codes that matter here. */
static const struct control {
	const char *text;
	enum action success, ignored, failure;
	bool serious; /* a refusal of the module refuses the stack */
} controls[] = {
	{ "required", OK, IGNORE, BAD, true },
	{ "requisite", OK, IGNORE, DIE, true },
	{ "sufficient", DONE, IGNORE, IGNORE, false },
	{ "optional", OK, IGNORE, IGNORE, false },
	{ "[success=ok new_authtok_reqd=ok ignore=ignore default=die]", OK, IGNORE, DIE, true },
	{ "[success=ok new_authtok_reqd=ok ignore=ignore default=bad]", OK, IGNORE, BAD, true },
	{ "[success=ok default=die]", OK, DIE, DIE, true },
};

static const struct neighbour {
	const char *name;
	const char *before, *after; /* of pam_permit.so or pam_deny.so; NULL: none */
} neighbours[] = {
	{ "alone", NULL, NULL },
	{ "permit after", NULL, "pam_permit.so" },
	{ "deny after", NULL, "pam_deny.so" },
	{ "permit before", "pam_permit.so", NULL },
	{ "deny before", "pam_deny.so", NULL },
	{ "permit around", "pam_permit.so", "pam_permit.so" },
};

enum code_class { SUCCEEDS, IS_IGNORED, FAILS };

static const struct situation {
	const char *name, *arguments, *answer;
	enum code_class want[HOST_STAGE_COUNT];
} situations[] = {
	{ "admitted", "ssh", "iotpki/1 ADMIT\nname=iot:a1\n", { SUCCEEDS, SUCCEEDS, SUCCEEDS } },
	{ "denied", "ssh", "iotpki/1 DENY\nreason=revoked\n", { FAILS, FAILS, FAILS } },
	{ "expired", "ssh", "iotpki/1 DENY\nreason=member-expired\n", { FAILS, FAILS, FAILS } },
	{ "unavailable", "ssh", "iotpki/1 UNAVAILABLE\n", { FAILS, FAILS, FAILS } },
	{ "garbage", "ssh", "ADMIT", { FAILS, FAILS, FAILS } },
	{ "wrong argument",
	  "ssh nullok",
	  "iotpki/1 ADMIT\nname=iot:a1\n",
	  { FAILS, FAILS, FAILS } },
	{ "other service",
	  "ssh only=sudo",
	  "iotpki/1 DENY\n",
	  { IS_IGNORED, IS_IGNORED, IS_IGNORED } },
	{ "unknown user",
	  "ssh ignore_unknown_user",
	  "iotpki/1 DENY\naccount-known=no\nlist-valid=yes\n",
	  { IS_IGNORED, IS_IGNORED, IS_IGNORED } },
	{ "unknown user, not asked for",
	  "ssh",
	  "iotpki/1 DENY\naccount-known=no\nlist-valid=yes\n",
	  { FAILS, FAILS, FAILS } },
	{ "break-glass",
	  "ssh break_glass_user=pi",
	  "iotpki/1 DENY\n",
	  { FAILS, SUCCEEDS, SUCCEEDS } },
};

/* libpam's rules (_pam_dispatch_aux): the first that counts decides, a failure for good. */
struct verdict {
	bool positive, negative, over;
};

static void apply(struct verdict *verdict, enum action action)
{
	if (verdict->over || action == IGNORE)
		return;
	if (action == OK || action == DONE) {
		verdict->positive = true;
		verdict->over = action == DONE && !verdict->negative;
		return;
	}
	verdict->negative = true;
	verdict->over = action == DIE;
}

static void apply_neighbour(struct verdict *verdict, const char *module)
{
	if (module != NULL)
		apply(verdict, strcmp(module, "pam_permit.so") == 0 ? OK : BAD);
}

static bool model(const struct control *control, const struct neighbour *neighbour,
		  enum code_class code)
{
	struct verdict verdict = { 0 };
	const enum action ours[] = { control->success, control->ignored, control->failure };
	apply_neighbour(&verdict, neighbour->before);
	apply(&verdict, ours[code]);
	apply_neighbour(&verdict, neighbour->after);
	return verdict.positive && !verdict.negative;
}

static size_t line(char *text, size_t size, const char *stage, const char *module)
{
	if (module == NULL) {
		text[0] = '\0';
		return 0;
	}
	return (size_t)snprintf(text, size, "%s required %s\n", stage, module);
}

static bool granted(const struct control *control, const struct neighbour *neighbour,
		    const struct situation *situation, enum host_stage stage)
{
	char before[64];
	char after[64];
	char text[512];
	(void)line(before, sizeof(before), host_stage_names[stage], neighbour->before);
	(void)line(after, sizeof(after), host_stage_names[stage], neighbour->after);
	(void)snprintf(text, sizeof(text), "%s%s %s %%m %s socket=%s\n%s", before,
		       host_stage_names[stage], control->text, situation->arguments, agent.socket,
		       after);
	return host_call(host_folder("sshd", text), "sshd", "pi", stage, KEY_LINE) == PAM_SUCCESS;
}

static void check_stack(const struct control *control, const struct neighbour *neighbour,
			const struct situation *situation, enum host_stage stage)
{
	const bool got = granted(control, neighbour, situation, stage);
	const enum code_class code = situation->want[stage];
	if (got != model(control, neighbour, code))
		fail_msg("%s %s, %s, %s: granted %d", host_stage_names[stage], control->text,
			 neighbour->name, situation->name, got);
	if (got && control->serious && code == FAILS)
		fail_msg("%s %s, %s, %s: let in whom the module refused", host_stage_names[stage],
			 control->text, neighbour->name, situation->name);
}

static void every_control_with_every_neighbour(void **state)
{
	(void)state;
	unsigned int count = 0;
	for (size_t s = 0; s < ARRAY_LEN(situations); s++) {
		fake_agent_say(&agent, situations[s].answer);
		for (size_t c = 0; c < ARRAY_LEN(controls); c++)
			for (size_t n = 0; n < ARRAY_LEN(neighbours); n++)
				for (int stage = 0; stage < HOST_STAGE_COUNT; stage++, count++)
					check_stack(&controls[c], &neighbours[n], &situations[s],
						    (enum host_stage)stage);
	}
	print_message("%u stacks\n", count);
}

/* A stack of break-glass alone, the agent gone: account and session pass, auth never. */
static void break_glass_needs_no_agent(void **state)
{
	(void)state;
	static const struct situation glass = { "break-glass, agent gone",
						"ssh break_glass_user=pi",
						"",
						{ FAILS, SUCCEEDS, SUCCEEDS } };
	fake_agent_stop(&agent);
	for (size_t c = 0; c < ARRAY_LEN(controls); c++)
		for (size_t n = 0; n < ARRAY_LEN(neighbours); n++)
			for (int stage = 0; stage < HOST_STAGE_COUNT; stage++)
				check_stack(&controls[c], &neighbours[n], &glass,
					    (enum host_stage)stage);
	fake_agent_start(&agent);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_control_with_every_neighbour),
		cmocka_unit_test(break_glass_needs_no_agent),
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
