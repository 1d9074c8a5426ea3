/* List, B-nodes and decision together, as programs that wait use them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fake/fake_node.h"
#include "verify/verify.h"

#define NAME "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"

enum { NODES_MAX = 3, PATIENT_MS = 4500, SHORT_MS = 200 };

static const char *const users[] = { "pi" };
static const char *const services[] = { "sshd" };
static const struct member_rights rights = { .user_count = 1,
					     .users = users,
					     .service_count = 1,
					     .services = services,
					     .ssh_options = "restrict",
					     .soft_fail = true };

/** The member that the fake nodes know: sha256 32 times 0x11, registration 32 times 0x22. */
static void make_member(struct member *member, struct member_registration *registration)
{
	*registration = (struct member_registration){ .network = "farm" };
	memset(registration->id, 0x22, sizeof(registration->id));
	*member = (struct member){ .name = NAME,
				   .label = "alice",
				   .role = "operator",
				   .rights = &rights,
				   .ends_s = INT64_C(4102444800),
				   .cert_ends_s = INT64_C(253402300799),
				   .registration_count = 1,
				   .registrations = registration };
	memset(member->sha256, 0x11, sizeof(member->sha256));
	memset(member->key, 0x33, sizeof(member->key));
}

static const struct fake_script registered = { 0 }, revoked = { .body = FAKE_REVOKED },
				unknown = { .body = FAKE_UNKNOWN },
				other_hash = { .body = FAKE_SHOW("registered",
								 "sha256=" FAKE_REGISTRATION) },
				broken = { .body = "{" }, silent = { .start = FAKE_SILENT },
				closed = { .start = FAKE_CLOSE_AT_ONCE };

struct world {
	size_t node_count;
	struct fake_node *nodes[NODES_MAX];
	struct config config;
	struct nvs *nvs;
};

static void open_world(struct world *world,
		       const struct fake_script *const scripts[static NODES_MAX],
		       int64_t timeout_ms)
{
	*world = (struct world){ .config = { .node_timeout_ms = timeout_ms,
					     .deadline_ms = timeout_ms,
					     .network_count = 1,
					     .networks = { "farm" },
					     .soft_fail = true,
					     .soft_fail_service_count = 1,
					     .soft_fail_services = { "sshd" },
					     .soft_fail_max_age_s = 3600 } };
	for (size_t i = 0; i < NODES_MAX && scripts[i] != NULL; i++) {
		world->nodes[i] = fake_node_start(scripts[i]);
		assert_non_null(world->nodes[i]);
		fake_node_config(world->nodes[i], "node", &world->config.nodes[i]);
		world->config.node_count = ++world->node_count;
	}
	world->config.needed = (unsigned int)(world->node_count / 2 + 1);
	assert_int_equal(nvs_new(&world->config, clock_system(), random_system(), &world->nvs),
			 IOTPKI_OK);
}

static void close_world(struct world *world)
{
	nvs_freep(&world->nvs);
	for (size_t i = 0; i < world->node_count; i++)
		fake_node_stop(world->nodes[i]);
}

static unsigned int asked(struct world *world)
{
	unsigned int count = 0;
	for (size_t i = 0; i < world->node_count; i++)
		count += fake_node_connections(world->nodes[i]);
	return count;
}

static void decided_by_the_nodes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const struct fake_script *scripts[NODES_MAX];
		bool short_time;
		enum iotpki_verdict verdict;
		enum iotpki_reason reason;
	} rows[] = {
		{ "one node, registered",
		  { &registered },
		  false,
		  IOTPKI_ADMIT,
		  IOTPKI_REASON_NONE },
		{ "one node, revoked", { &revoked }, false, IOTPKI_DENY, IOTPKI_REVOKED },
		{ "one node, unknown", { &unknown }, false, IOTPKI_DENY, IOTPKI_UNREGISTERED },
		{ "one node, other hash",
		  { &other_hash },
		  false,
		  IOTPKI_DENY,
		  IOTPKI_HASH_MISMATCH },
		{ "one node, broken",
		  { &broken },
		  false,
		  IOTPKI_UNAVAILABLE,
		  IOTPKI_TOO_FEW_ANSWERS },
		{ "one node, gone; soft-fail has no history",
		  { &closed },
		  false,
		  IOTPKI_UNAVAILABLE,
		  IOTPKI_TOO_FEW_ANSWERS },
		{ "one node, silent",
		  { &silent },
		  true,
		  IOTPKI_UNAVAILABLE,
		  IOTPKI_TOO_FEW_ANSWERS },
		{ "two of three, the third silent",
		  { &registered, &silent, &registered },
		  false,
		  IOTPKI_ADMIT,
		  IOTPKI_REASON_NONE },
		{ "revoked beats two",
		  { &silent, &revoked, &silent },
		  false,
		  IOTPKI_DENY,
		  IOTPKI_REVOKED },
		{ "one of three",
		  { &registered, &closed, &closed },
		  false,
		  IOTPKI_UNAVAILABLE,
		  IOTPKI_TOO_FEW_ANSWERS },
		{ "all three",
		  { &registered, &registered, &registered },
		  false,
		  IOTPKI_ADMIT,
		  IOTPKI_REASON_NONE },
	};
	struct member member;
	struct member_registration registration;
	make_member(&member, &registration);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world world;
		open_world(&world, rows[i].scripts, rows[i].short_time ? SHORT_MS : PATIENT_MS);
		struct verify_request request = { .member = &member,
						  .user = "pi",
						  .service = "sshd",
						  .presented = IOTPKI_PRESENTED_KEY };
		memcpy(request.presented_hash, member.key, sizeof(member.key));
		struct verify_result result;
		assert_int_equal(
			verify_ask(world.nvs, &world.config, clock_system(), &request, &result),
			IOTPKI_OK);
		if (result.decision.verdict != rows[i].verdict ||
		    result.decision.reason != rows[i].reason || !result.decision.final)
			fail_msg("%s: %s %s", rows[i].name,
				 iotpki_verdict_name(result.decision.verdict),
				 iotpki_reason_name(result.decision.reason));
		assert_int_equal(result.answer_count, world.node_count);
		close_world(&world);
	}
}

/** TM-17: a stranger, or whom the list alone refuses, causes no packet. */
static void decided_by_the_list(void **state)
{
	(void)state;
	static const struct fake_script *const scripts[NODES_MAX] = { &registered };
	struct world world;
	open_world(&world, scripts, PATIENT_MS);
	struct member_registration registration;
	struct member member, expired, denied;
	make_member(&member, &registration);
	expired = denied = member;
	expired.ends_s = 1;
	denied.denied = true;
	const struct {
		const char *name;
		const struct member *member;
		const char *user, *service;
		enum iotpki_reason reason;
	} rows[] = {
		{ "stranger", NULL, "pi", "sshd", IOTPKI_NOT_MEMBER },
		{ "expired entry", &expired, "pi", "sshd", IOTPKI_MEMBER_EXPIRED },
		{ "denied entry", &denied, "pi", "sshd", IOTPKI_MEMBER_DENIED },
		{ "other account", &member, "root", "sshd", IOTPKI_NOT_PERMITTED },
		{ "other service", &member, "pi", "sudo", IOTPKI_NOT_PERMITTED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct verify_request request = { .member = rows[i].member,
							.user = rows[i].user,
							.service = rows[i].service,
							.presented = IOTPKI_PRESENTED_NAME };
		struct verify_result result;
		assert_int_equal(
			verify_ask(world.nvs, &world.config, clock_system(), &request, &result),
			IOTPKI_OK);
		if (result.decision.verdict != IOTPKI_DENY ||
		    result.decision.reason != rows[i].reason)
			fail_msg("%s: %s", rows[i].name,
				 iotpki_reason_name(result.decision.reason));
		assert_int_equal(result.answers[0].outcome, IOTPKI_OUTCOME_PENDING);
	}
	assert_int_equal(asked(&world), 0);
	close_world(&world);
}

static void a_shown_certificate_has_its_own_validity(void **state)
{
	(void)state;
	static const struct fake_script *const scripts[NODES_MAX] = { &registered };
	struct world world;
	open_world(&world, scripts, PATIENT_MS);
	struct member_registration registration;
	struct member member;
	make_member(&member, &registration);
	static const struct {
		const char *name;
		int64_t begins_s, ends_s;
		enum iotpki_reason reason;
	} rows[] = {
		{ "valid", 1577836800, INT64_C(253402300799), IOTPKI_REASON_NONE },
		{ "has ended", 1577836800, 1577836801, IOTPKI_MEMBER_EXPIRED },
		{ "has not begun", INT64_C(4102444799), INT64_C(253402300799),
		  IOTPKI_MEMBER_EXPIRED },
		{ "not known", 0, 0, IOTPKI_REASON_NONE },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verify_request request = { .member = &member,
						  .service = "sshd",
						  .presented = IOTPKI_PRESENTED_CERT,
						  .cert_begins_s = rows[i].begins_s,
						  .cert_ends_s = rows[i].ends_s };
		memcpy(request.presented_hash, member.sha256, sizeof(member.sha256));
		struct verify_result result;
		assert_int_equal(
			verify_ask(world.nvs, &world.config, clock_system(), &request, &result),
			IOTPKI_OK);
		if (result.decision.reason != rows[i].reason)
			fail_msg("%s: %s", rows[i].name,
				 iotpki_reason_name(result.decision.reason));
	}
	close_world(&world);
}

static void no_nodes(void **state)
{
	(void)state;
	static const struct fake_script *const scripts[NODES_MAX] = { NULL };
	struct world world;
	open_world(&world, scripts, PATIENT_MS);
	struct member member;
	struct member_registration registration;
	make_member(&member, &registration);
	const struct verify_request request = { .member = &member,
						.user = "pi",
						.service = "sshd",
						.presented = IOTPKI_PRESENTED_NAME };
	struct verify_result result;
	assert_int_equal(verify_ask(world.nvs, &world.config, clock_system(), &request, &result),
			 IOTPKI_OK);
	assert_int_equal(result.decision.verdict, IOTPKI_UNAVAILABLE);
	close_world(&world);
}

static enum iotpki_err no_randomness(const struct random_source *source, void *out, size_t len)
{
	(void)source;
	(void)out;
	(void)len;
	return IOTPKI_ERR_IO;
}

/** What cannot be asked is no decision, and its zero value denies. */
static void cannot_ask(void **state)
{
	(void)state;
	static const struct random_source empty = { no_randomness };
	static const struct fake_script *const scripts[NODES_MAX] = { &registered };
	struct world world;
	open_world(&world, scripts, PATIENT_MS);
	nvs_freep(&world.nvs);
	assert_int_equal(nvs_new(&world.config, clock_system(), &empty, &world.nvs), IOTPKI_OK);
	struct member member;
	struct member_registration registration;
	make_member(&member, &registration);
	const struct verify_request request = { .member = &member,
						.user = "pi",
						.service = "sshd",
						.presented = IOTPKI_PRESENTED_NAME };
	struct verify_result result;
	assert_int_equal(verify_ask(world.nvs, &world.config, clock_system(), &request, &result),
			 IOTPKI_ERR_IO);
	assert_int_equal(result.decision.verdict, IOTPKI_DENY);
	assert_int_equal(result.answer_count, 0);
	close_world(&world);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* the fake node's TLS writes to clients that left */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decided_by_the_nodes),
		cmocka_unit_test(decided_by_the_list),
		cmocka_unit_test(a_shown_certificate_has_its_own_validity),
		cmocka_unit_test(no_nodes),
		cmocka_unit_test(cannot_ask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
