/* Who is a candidate, what is answered, and that every request is decided anew (design 8, 9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/authorize.h"
#include "agent/refresh.h"
#include "base/parse.h"
#include "e2e/agent/agentkit.h"

enum { OPEN_MAX = 64, NOW_S = 1800000000 };
enum who { ALICE, BOB, CAROL, DAVE, ERIN, ADA, STRANGER, ADAS_KEY, WHO_COUNT };
static const char *const marks = "ABCDEFSK"; /* %A is alice's key, ... */

/* What the B-node holds of somebody, and how it answers. */
struct nvs_question {
	bool open;
	char name[IOTPKI_NAME_MAX + 1];
	nvs_answer_fn *answer;
	void *context;
};

struct stage {
	struct agentkit kit;
	struct clock_fake clock;
	struct lists *lists;
	struct questions *questions;
	struct authorize *authorize;
	enum iotpki_outcome outcomes[WHO_COUNT];
	const uint8_t *ssh[WHO_COUNT]; /* the record's ssh= */
	size_t asked;
	struct nvs_question open[OPEN_MAX];
	size_t answered;
	char answer[FRAME_MAX + 1];
};

static struct memberkit people[WHO_COUNT];

static enum iotpki_err ask(void *nvs, const char *name, nvs_answer_fn *answer, void *context,
			   struct nvs_question **question_out)
{
	struct stage *stage = nvs;
	stage->asked++;
	for (size_t i = 0; i < OPEN_MAX; i++) {
		struct nvs_question *question = &stage->open[i];
		if (question->open)
			continue;
		*question = (struct nvs_question){ true, "", answer, context };
		memcpy(question->name, name, strlen(name) + 1);
		*question_out = question;
		return IOTPKI_OK;
	}
	return IOTPKI_ERR_LIMIT;
}

static void cancel(void *nvs, struct nvs_question *question)
{
	(void)nvs;
	question->open = false;
}

static void take_answer(void *context, uint64_t connection, const struct frame_answer *answer)
{
	struct stage *stage = context;
	assert_int_equal(connection, 7);
	memcpy(stage->answer, answer->text, answer->len);
	stage->answer[answer->len] = '\0';
	stage->answered++;
}

static enum who who_is(const char *name)
{
	enum who who = ALICE;
	while (who < STRANGER && strcmp(people[who].name, name) != 0)
		who++;
	return who;
}

static struct iotpki_answer answer_about(const struct stage *stage, enum who who)
{
	struct iotpki_answer answer = { .outcome = stage->outcomes[who],
					.ends_s = NOW_S + 86400,
					.tip_s = NOW_S,
					.max_tip_age_s = 3600,
					.asked_s = NOW_S };
	memcpy(answer.record.sha256, people[who].cert.sha256, IOTPKI_SHA256_LEN);
	memcpy(answer.registration, people[who].cert.sha256, IOTPKI_SHA256_LEN);
	if (stage->ssh[who] != NULL) {
		answer.record.has_ssh = true;
		memcpy(answer.record.ssh, stage->ssh[who], IOTPKI_SHA256_LEN);
	}
	return answer;
}

/* Answers what is asked about somebody (WHO_COUNT: anybody), as the B-node of the stage sees it. */
static void pump_only(struct stage *stage, enum who only)
{
	while (questions_work(stage->questions, 1000))
		continue;
	for (size_t i = 0; i < OPEN_MAX; i++) {
		struct nvs_question *question = &stage->open[i];
		if (!question->open)
			continue;
		const enum who who = who_is(question->name);
		if (only != WHO_COUNT && who != only)
			continue;
		const struct iotpki_answer answer = answer_about(stage, who);
		question->open = false;
		question->answer(question->context, &answer, 1, true);
	}
}

static void pump(struct stage *stage)
{
	pump_only(stage, WHO_COUNT);
}

static void put_person(struct buf *out, enum who who, const char *role, const char *more,
		       const char *expires)
{
	CLEANUP(buf_done) struct buf entry = BUF_INIT(65536);
	char extra[256];
	(void)snprintf(extra, sizeof(extra), "    registrations: {farm: %s}\n%s",
		       people[who].sha256, more);
	memberkit_put_entry(&people[who], role, extra, &entry);
	const char *text = buf_text(&entry);
	const char *date = strstr(text, "2027-06-30");
	assert_non_null(date);
	(void)buf_put(out, text, (size_t)(date - text));
	(void)buf_puts(out, expires);
	(void)buf_puts(out, date + strlen("2027-06-30"));
}

/* more: whoever is added behind them, denied; WHO_COUNT: nobody. */
static void write_list_with(struct stage *stage, enum who more)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	char ssh[128];
	(void)snprintf(ssh, sizeof(ssh), "    ssh: %s\n", people[ADAS_KEY].fingerprint);
	put_person(&entries, ALICE, "operator", "    label: alice\n", "2027-06-30");
	put_person(&entries, BOB, "operator", "", "2027-06-30");
	put_person(&entries, CAROL, "operator", "    denied: yes\n", "2027-06-30");
	put_person(&entries, DAVE, "peer", "", "2027-06-30");
	put_person(&entries, ERIN, "operator", "", "2020-06-30");
	put_person(&entries, ADA, "operator", ssh, "2027-06-30");
	if (more != WHO_COUNT)
		put_person(&entries, more, "operator", "    denied: yes\n", "2027-06-30");
	agentkit_members(&stage->kit, buf_text(&entries));
}

static void write_list(struct stage *stage)
{
	write_list_with(stage, WHO_COUNT);
}

static void reload(struct stage *stage)
{
	struct lists_change change;
	struct iotpki_detail detail = { 0 };
	if (lists_reload(stage->lists, &change, &detail) != IOTPKI_OK)
		fail_msg("%s", detail.message);
}

static int setup(void **state)
{
	static struct stage stage;
	static const struct config_node node = { .name = "home", .url = "http://127.0.0.1:9/" };
	struct iotpki_detail detail = { 0 };
	memset(&stage, 0, sizeof(stage));
	agentkit_init(&stage.kit, "");
	agentkit_config(&stage.kit, &node, 1, "");
	write_list(&stage);
	clock_fake_init(&stage.clock, NOW_S);
	for (size_t i = 0; i < WHO_COUNT; i++)
		stage.outcomes[i] = IOTPKI_OUTCOME_REGISTERED;
	stage.ssh[ADA] = people[ADAS_KEY].cert.key.fingerprint;
	const struct lists_options lists = { stage.kit.config,
					     stage.kit.folder,
					     { geteuid(), true, 0022 } };
	const struct authorize_options authorize = { .clock = &stage.clock.clock,
						     .answer = take_answer,
						     .context = &stage };
	*state = &stage;
	if (lists_new(&lists, &stage.lists) != IOTPKI_OK ||
	    lists_start(stage.lists, &detail) != IOTPKI_OK)
		fail_msg("%s", detail.message);
	struct authorize_options options = authorize;
	options.lists = stage.lists;
	assert_int_equal(authorize_new(&options, &stage.authorize), IOTPKI_OK);
	const struct questions_options questions = { .nvs = { ask, cancel, &stage },
						     .clock = &stage.clock.clock,
						     .node_count = 1,
						     .needed = 1,
						     .positive_ttl_ms = 1000,
						     .judge = authorize_judge,
						     .context = stage.authorize };
	assert_int_equal(questions_new(&questions, &stage.questions), IOTPKI_OK);
	authorize_set_questions(stage.authorize, stage.questions);
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;
	char path[160];
	authorize_free(stage->authorize);
	questions_free(stage->questions);
	lists_free(stage->lists);
	(void)snprintf(path, sizeof(path), "%s/members.accepted/members.yaml", stage->kit.folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/members.accepted", stage->kit.folder);
	(void)rmdir(path);
	agentkit_remove(&stage->kit);
	return 0;
}

/* %A to %K: "TYPE BASE64" of somebody; %a to %k: the two as type= and key= lines; %n: alice's name. */
static void expand(const char *text, struct buf *out)
{
	for (; *text != '\0'; text++) {
		if (*text != '%') {
			(void)buf_putc(out, *text);
			continue;
		}
		text++;
		const char *mark = strchr(marks, *text & ~0x20);
		if (*text == 'n') {
			(void)buf_puts(out, people[ALICE].name);
			continue;
		}
		assert_non_null(mark);
		const char *key = people[mark - marks].key;
		const char *space = strchr(key, ' ');
		if (*text <= 'Z')
			(void)buf_puts(out, key);
		else
			(void)buf_printf(out, "type=%.*s\nkey=%s\n", (int)(space - key), key,
					 space + 1);
	}
	assert_int_equal(buf_error(out), IOTPKI_OK);
}

static void send_request(struct stage *stage, const char *text)
{
	static struct frame_request request;
	CLEANUP(buf_done) struct buf frame = BUF_INIT(FRAME_MAX);
	struct iotpki_detail detail = { 0 };
	(void)buf_puts(&frame, "iotpki/1 ");
	expand(text, &frame);
	stage->answer[0] = '\0';
	if (frame_parse(frame.data, frame.len, &request, &detail) != IOTPKI_OK)
		fail_msg("%s: %s", text, detail.message);
	authorize_request(stage->authorize, 7, &request);
}

/* want: the answer's first word and, after a blank, its reason. */
static void check(const struct stage *stage, const char *what, const char *want)
{
	char got[64];
	const char *line = stage->answer + strlen("iotpki/1 ");
	const char *reason = strstr(stage->answer, "\nreason=");
	(void)snprintf(got, sizeof(got), "%.*s%s%.*s", (int)strcspn(line, "\n"), line,
		       reason != NULL ? " " : "",
		       reason != NULL ? (int)strcspn(reason + 8, "\n") : 0,
		       reason != NULL ? reason + 8 : "");
	if (strcmp(got, want) != 0)
		fail_msg("%s: wanted %s, got\n%s", what, want, stage->answer);
}

#define KEY_OF(user) "authorize-key\nuser=" user "\nservice=sshd\n"
#define USER_OF(user, stage) "authorize-user\nuser=" user "\nservice=sshd\nstage=" stage "\n"
#define SHOWN "authinfo=publickey "

struct row {
	const char *name, *request, *want;
	size_t asked;     /* questions to B-nodes */
	int64_t later_ms; /* time that goes by before */
};

static void run(struct stage *stage, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const size_t before = stage->asked;
		clock_fake_advance(&stage->clock, rows[i].later_ms);
		send_request(stage, rows[i].request);
		pump(stage);
		check(stage, rows[i].name, rows[i].want);
		if (stage->asked - before != rows[i].asked)
			fail_msg("%s: %zu questions", rows[i].name, stage->asked - before);
	}
}

static void keys(void **state)
{
	static const struct row rows[] = {
		{ "a stranger", KEY_OF("pi") "%s", "DENY not-member", 0, 0 },
		{ "alice", KEY_OF("pi") "%a", "ADMIT", 1, 0 },
		{ "alice again", KEY_OF("pi") "%a", "ADMIT", 0, 500 },
		{ "alice for root", KEY_OF("root") "%a", "DENY not-permitted", 0, 0 },
		{ "alice for sync", KEY_OF("sync") "%a", "DENY not-permitted", 0, 0 },
		{ "alice later", KEY_OF("pi") "%a", "ADMIT", 1, 500 },
		{ "alice, a service that is not hers", "authorize-key\nuser=pi\nservice=cron\n%a",
		  "DENY not-permitted", 0, 0 },
		{ "carol is denied", KEY_OF("pi") "%c", "DENY member-denied", 0, 0 },
		{ "erin's entry is over", KEY_OF("pi") "%e", "DENY member-expired", 0, 0 },
		{ "dave", KEY_OF("sync") "%d", "ADMIT", 1, 0 },
		{ "dave for pi", KEY_OF("pi") "%d", "DENY not-permitted", 0, 0 },
		{ "ada by certificate key", KEY_OF("pi") "%f", "ADMIT", 1, 0 },
		{ "ada by her ssh: key", KEY_OF("pi") "%k", "ADMIT", 0, 0 },
		{ "no base64", KEY_OF("pi") "type=ssh-rsa\nkey=!\n", "DENY not-member", 0, 0 },
		{ "a certificate", KEY_OF("pi") "type=ssh-ed25519-cert-v01@openssh.com\nkey=AAAA\n",
		  "DENY not-member", 0, 0 },
		{ "deny for strangers stays that", KEY_OF("nobody") "%s", "DENY not-member", 0, 0 },
	};
	run(*state, rows, ARRAY_LEN(rows));
}

static void key_answer(void **state)
{
	struct stage *stage = *state;
	char want[2048];
	send_request(stage, KEY_OF("pi") "%a");
	pump(stage);
	(void)snprintf(
		want, sizeof(want),
		"iotpki/1 ADMIT\nkey=%s\noptions=restrict,pty\nname=%s\nlabel=alice\nfp=%s\n",
		people[ALICE].key, people[ALICE].name, people[ALICE].fingerprint);
	assert_string_equal(stage->answer, want);
	const struct authorize_counts counts = authorize_counts(stage->authorize);
	assert_int_equal(counts.admitted, 1);
	assert_int_equal(counts.waiting, 0);
}

static void sessions(void **state)
{
	static const struct row rows[] = {
		{ "no information", USER_OF("pi", "session"), "DENY no-proof", 0, 0 },
		{ "empty", USER_OF("pi", "session") "authinfo=\n", "DENY no-proof", 0, 0 },
		{ "alice", USER_OF("pi", "session") SHOWN "%A;\n", "ADMIT", 1, 0 },
		{ "alice and another method",
		  USER_OF("pi", "session") SHOWN "%A;keyboard-interactive/pam;\n", "ADMIT", 0, 0 },
		{ "alice and bob", USER_OF("pi", "session") SHOWN "%A;publickey %B;\n", "ADMIT", 1,
		  0 },
		{ "alice and a stranger", USER_OF("pi", "session") SHOWN "%A;publickey %S;\n",
		  "DENY not-member", 0, 0 },
		{ "a stranger and alice", USER_OF("pi", "session") SHOWN "%S;publickey %A;\n",
		  "DENY not-member", 0, 0 },
		{ "alice and dave, not for pi", USER_OF("pi", "session") SHOWN "%A;publickey %D;\n",
		  "DENY not-permitted", 0, 0 },
		{ "a password", USER_OF("pi", "session") "authinfo=password;\n", "DENY no-proof", 0,
		  0 },
		{ "alice and a certificate",
		  USER_OF("pi", "session") SHOWN
		  "%A;publickey ssh-ed25519-cert-v01@openssh.com AAAA;\n",
		  "DENY no-proof", 0, 0 },
		{ "garbled", USER_OF("pi", "session") SHOWN "%A; publickey %A;\n", "DENY no-proof",
		  0, 0 },
		{ "auth, alice", USER_OF("pi", "auth") SHOWN "%A;\n", "ADMIT", 0, 0 },
		{ "auth, nothing to see", USER_OF("pi", "auth") "authinfo=\n", "DENY no-proof", 0,
		  0 },
		{ "auth without ssh", USER_OF("pi", "auth"), "DENY no-proof", 0, 0 },
		{ "nobody's account", USER_OF("ghost", "session") "authinfo=\n", "DENY not-member",
		  0, 0 },
		{ "no such stage", USER_OF("pi", "setcred"), "ERROR", 0, 0 },
	};
	run(*state, rows, ARRAY_LEN(rows));
}

/* sshd shows no key at the account stage: a key that was offered in the last 120 s, decided again. */
static void accounts_by_recent_keys(void **state)
{
	struct stage *stage = *state;
	static const struct row before[] = {
		{ "nobody was here", USER_OF("pi", "account") "authinfo=\n", "DENY no-proof", 0,
		  0 },
		{ "carol is refused", KEY_OF("pi") "%c", "DENY member-denied", 0, 0 },
		{ "that was none", USER_OF("pi", "account") "authinfo=\n", "DENY no-proof", 0, 0 },
		{ "alice offers her key", KEY_OF("pi") "%a", "ADMIT", 1, 0 },
		{ "account", USER_OF("pi", "account") "authinfo=\n", "ADMIT", 0, 0 },
		{ "not another's account", USER_OF("sync", "account") "authinfo=\n",
		  "DENY no-proof", 0, 0 },
		{ "with another's password", USER_OF("pi", "session") "authinfo=password;\n",
		  "DENY no-proof", 0, 0 },
		{ "119 s later, asked again", USER_OF("pi", "account") "authinfo=\n", "ADMIT", 1,
		  119999 },
		{ "120 s later", USER_OF("pi", "account") "authinfo=\n", "DENY no-proof", 0, 1 },
		{ "alice offers again", KEY_OF("pi") "%a", "ADMIT", 0, 0 },
	};
	run(stage, before, ARRAY_LEN(before));
	stage->clock.suspended_ms += 120000;
	static const struct row slept[] = {
		{ "slept over it", USER_OF("pi", "account") "authinfo=\n", "DENY no-proof", 0, 0 },
		{ "alice offers once more", KEY_OF("pi") "%a", "ADMIT", 1, 0 },
	};
	run(stage, slept, ARRAY_LEN(slept));
	stage->outcomes[ALICE] = IOTPKI_OUTCOME_REVOKED;
	static const struct row revoked[] = {
		{ "revoked meanwhile", USER_OF("pi", "account") "authinfo=\n", "DENY revoked", 1,
		  1000 },
		{ "and asked each time", USER_OF("pi", "account") "authinfo=\n", "DENY revoked", 1,
		  0 },
		{ "bob offers", KEY_OF("pi") "%b", "ADMIT", 1, 0 },
		{ "one of the two", USER_OF("pi", "account") "authinfo=\n", "ADMIT", 0, 0 },
	};
	run(stage, revoked, ARRAY_LEN(revoked));
	authorize_forget(stage->authorize);
	static const struct row purged[] = {
		{ "after a purge", USER_OF("pi", "account") "authinfo=\n", "DENY no-proof", 0, 0 },
	};
	run(stage, purged, ARRAY_LEN(purged));
}

/* A line without `ssh`: one of those who may use the account must be in order. */
static void accounts_by_members(void **state)
{
	struct stage *stage = *state;
	static const struct row good[] = {
		/* alice, bob, ada are asked; carol and erin are refused by the list */
		{ "pi", USER_OF("pi", "account"), "ADMIT", 3, 0 },
		{ "sync", USER_OF("sync", "account"), "ADMIT", 1, 0 },
		{ "nobody's", USER_OF("ghost", "account"), "DENY not-member", 0, 0 },
	};
	run(stage, good, ARRAY_LEN(good));
	assert_non_null(strstr(stage->answer, "\naccount-known=no\nlist-valid=yes\n"));
	stage->outcomes[ALICE] = IOTPKI_OUTCOME_REVOKED;
	stage->outcomes[BOB] = IOTPKI_OUTCOME_REVOKED;
	static const struct row one_left[] = {
		{ "ada is left", USER_OF("pi", "account"), "ADMIT", 3, 2000 },
	};
	run(stage, one_left, ARRAY_LEN(one_left));
	stage->outcomes[ADA] = IOTPKI_OUTCOME_UNREGISTERED;
	static const struct row none[] = {
		{ "none is left", USER_OF("pi", "account"), "DENY revoked", 3, 2000 },
	};
	run(stage, none, ARRAY_LEN(none));
	assert_non_null(strstr(stage->answer, "\naccount-known=yes\n"));
	stage->outcomes[ADA] = IOTPKI_OUTCOME_UNREACHABLE;
	static const struct row unknown[] = {
		{ "ada might be in order", USER_OF("pi", "account"), "UNAVAILABLE too-few-answers",
		  3, 2000 },
	};
	run(stage, unknown, ARRAY_LEN(unknown));
}

/* Keys that records showed at the last refresh; only an answer with that very key admits. */
static void keys_of_records(void **state)
{
	struct stage *stage = *state;
	const uint8_t *key = people[STRANGER].cert.key.fingerprint;
	struct known *known = authorize_known(stage->authorize);
	known_set(known, people[BOB].name, key);
	known_set(known, people[ALICE].name, key);
	known_set(known, "nobody-of-the-list", key);
	static const struct row none[] = {
		{ "no record has it", KEY_OF("pi") "%s", "DENY hash-mismatch", 2, 0 },
	};
	run(stage, none, ARRAY_LEN(none));
	stage->ssh[BOB] = key;
	static const struct row bob[] = {
		{ "bob's has it", KEY_OF("pi") "%s", "ADMIT", 2, 2000 },
	};
	run(stage, bob, ARRAY_LEN(bob));
	assert_non_null(strstr(stage->answer, people[BOB].name));
	/* Two have it: the first of the list. */
	stage->ssh[ALICE] = key;
	static const struct row both[] = {
		{ "both have it", KEY_OF("pi") "%s", "ADMIT", 2, 2000 },
	};
	run(stage, both, ARRAY_LEN(both));
	assert_non_null(strstr(stage->answer, people[ALICE].name));
	/* A record cannot claim a key that is an entry's certificate key. */
	known_set(known, people[BOB].name, people[ADA].cert.key.fingerprint);
	static const struct row ada[] = {
		{ "ada's own key", KEY_OF("pi") "%f", "ADMIT", 1, 2000 },
	};
	run(stage, ada, ARRAY_LEN(ada));
	assert_non_null(strstr(stage->answer, people[ADA].name));
	known_set(known, people[ALICE].name, NULL);
	assert_null(known_next(known, key, known_next(known, key, NULL)));
}

/* More names than are decided claim a key: those that are decided count, the key is not lost to them. */
static void claimed_by_many(void **state)
{
	struct stage *stage = *state;
	const uint8_t *key = people[STRANGER].cert.key.fingerprint;
	for (size_t i = ALICE; i < STRANGER; i++)
		known_set(authorize_known(stage->authorize), people[i].name, key);
	stage->ssh[ALICE] = key;
	static const struct row rows[] = {
		{ "six claims three times", /* alice, bob and ada are asked, the list refuses the others */
		  USER_OF("pi", "session") SHOWN "%S;publickey %S;publickey %S;\n", "ADMIT", 3, 0 },
		{ "no room for a fourth",
		  USER_OF("pi", "session") SHOWN "%S;publickey %S;publickey %S;publickey %S;\n",
		  "DENY no-proof", 0, 2000 },
	};
	run(stage, rows, ARRAY_LEN(rows));
}

/* A key that became another entry's own is that entry's alone, whatever was known of it before. */
static void key_that_got_an_entry(void **state)
{
	struct stage *stage = *state;
	const uint8_t *key = people[STRANGER].cert.key.fingerprint;
	known_set(authorize_known(stage->authorize), people[BOB].name, key);
	stage->ssh[BOB] = key;
	static const struct row before[] = {
		{ "bob's record claims it", KEY_OF("pi") "%s", "ADMIT", 1, 0 },
	};
	run(stage, before, ARRAY_LEN(before));
	clock_fake_advance(&stage->clock, 2000);
	send_request(stage, USER_OF("pi", "session") SHOWN "%S;\n");
	write_list_with(stage, STRANGER);
	reload(stage);
	pump(stage);
	check(stage, "asked before the list changed", "DENY not-member");
	static const struct row after[] = {
		{ "by the list", KEY_OF("pi") "%s", "DENY member-denied", 0, 0 },
		{ "by the recent key", USER_OF("pi", "account") "authinfo=\n", "DENY not-member", 0,
		  0 },
	};
	run(stage, after, ARRAY_LEN(after));
}

/* Denied while another key of the same request was still waited for. */
static void denied_in_between(void **state)
{
	struct stage *stage = *state;
	send_request(stage, USER_OF("pi", "session") SHOWN "%A;publickey %B;\n");
	pump_only(stage, ALICE);
	assert_int_equal(stage->answered, 0);
	assert_int_equal(lists_deny(stage->lists, people[ALICE].name), IOTPKI_OK);
	pump(stage);
	assert_int_equal(stage->answered, 1);
	check(stage, "denied meanwhile", "DENY member-denied");
}

/* The refresh's one question at a time. */
struct many {
	struct stage *stage;
	nvs_many_fn *answer;
	void *context;
	size_t count;
	enum who who[WHO_COUNT];
};

static enum iotpki_err ask_many(void *nvs, const char *const *names, size_t count,
				int64_t timeout_ms, nvs_many_fn *answer, void *context,
				struct nvs_question **question_out)
{
	struct many *many = nvs;
	(void)timeout_ms;
	assert_in_range(count, 1, WHO_COUNT);
	many->answer = answer;
	many->context = context;
	many->count = count;
	for (size_t i = 0; i < count; i++)
		many->who[i] = who_is(names[i]);
	*question_out = &many->stage->open[0];
	return IOTPKI_OK;
}

static void cancel_many(void *nvs, struct nvs_question *question)
{
	(void)question;
	((struct many *)nvs)->count = 0;
}

static void pump_many(struct many *many)
{
	for (size_t i = 0; i < many->count; i++) {
		const struct iotpki_answer answer = answer_about(many->stage, many->who[i]);
		many->answer(many->context, i, &answer, 1, true);
	}
}

/* A refresh without an answer learns nothing, also not that a record has no key any more. */
static void refresh_without_an_answer(void **state)
{
	struct stage *stage = *state;
	const uint8_t *key = people[STRANGER].cert.key.fingerprint;
	struct many many = { .stage = stage };
	const struct refresh_options options = { { stage->lists, &stage->clock.clock, NULL },
						 random_system(),
						 { ask_many, cancel_many, &many },
						 stage->questions,
						 authorize_known(stage->authorize) };
	static const struct {
		const char *name;
		enum iotpki_outcome outcome;
		bool in_record, known;
	} rows[] = {
		{ "the record has a key", IOTPKI_OUTCOME_REGISTERED, true, true },
		{ "no answer", IOTPKI_OUTCOME_UNREACHABLE, true, true },
		{ "the record has none", IOTPKI_OUTCOME_REGISTERED, false, false },
	};
	CLEANUP(refresh_freep) struct refresh *refresh = NULL;
	assert_int_equal(refresh_new(&options, &refresh), IOTPKI_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		stage->outcomes[BOB] = rows[i].outcome;
		stage->ssh[BOB] = rows[i].in_record ? key : NULL;
		assert_int_equal(refresh_start(refresh), 6);
		(void)refresh_work(refresh);
		pump_many(&many);
		(void)refresh_work(refresh);
		assert_false(refresh_progress(refresh).running);
		const bool found = known_next(options.known, key, NULL) != NULL;
		if (found != rows[i].known)
			fail_msg("%s: the key is %s", rows[i].name, found ? "known" : "forgotten");
	}
}

static void deny_and_reload(void **state)
{
	struct stage *stage = *state;
	static const struct row before[] = { { "alice", KEY_OF("pi") "%a", "ADMIT", 1, 0 } };
	run(stage, before, 1);
	assert_int_equal(lists_deny(stage->lists, people[ALICE].name), IOTPKI_OK);
	static const struct row denied[] = {
		{ "denied", KEY_OF("pi") "%a", "DENY member-denied", 0, 0 },
		{ "in the account stage too", USER_OF("pi", "account") "authinfo=\n",
		  "DENY member-denied", 0, 0 },
		{ "explained", "explain\nname=%n\n", "OK member-denied", 0, 0 },
	};
	run(stage, denied, ARRAY_LEN(denied));
}

static void explains(void **state)
{
	struct stage *stage = *state;
	static const struct row rows[] = {
		{ "alice", "explain\nname=%n\n", "OK none", 1, 0 },
		{ "for root", "explain\nname=%n\nuser=root\nservice=sshd\n", "OK not-permitted", 0,
		  0 },
		{ "nobody", "explain\nname=x\n", "OK not-member", 0, 0 },
	};
	run(stage, rows, ARRAY_LEN(rows));
	assert_non_null(strstr(stage->answer, "\npaper=not in membership list\n"));
	assert_int_equal(authorize_counts(stage->authorize).admitted, 0);
}

/* Nobody answers: the deadline of the request itself. */
static void deadline(void **state)
{
	struct stage *stage = *state;
	assert_int_equal(authorize_expire(stage->authorize), -1);
	send_request(stage, KEY_OF("pi") "%a");
	assert_int_equal(authorize_expire(stage->authorize), 4000);
	clock_fake_advance(&stage->clock, 3999);
	assert_int_equal(authorize_expire(stage->authorize), 1);
	assert_int_equal(stage->answered, 0);
	clock_fake_advance(&stage->clock, 1);
	assert_int_equal(authorize_expire(stage->authorize), -1);
	check(stage, "deadline", "UNAVAILABLE too-few-answers");
}

/* A question that was still in line says nothing of the nodes: soft-fail must not forgive them. */
static void deadline_in_line(void **state)
{
	struct stage *stage = *state;
	send_request(stage, "explain\nname=%n\n");
	clock_fake_advance(&stage->clock, 4000);
	(void)authorize_expire(stage->authorize);
	check(stage, "never asked", "OK too-few-answers");
	assert_null(strstr(stage->answer, "home="));
	/* And one that was asked does. */
	send_request(stage, "explain\nname=%n\n");
	while (questions_work(stage->questions, 1000))
		continue;
	clock_fake_advance(&stage->clock, 4000);
	(void)authorize_expire(stage->authorize);
	check(stage, "asked", "OK too-few-answers");
	assert_non_null(strstr(stage->answer, "home="));
}

/* What comes after the verdict is still read: a revocation ends the reuse at once. */
static void late_revocation(void **state)
{
	struct stage *stage = *state;
	static const struct row admitted[] = { { "alice", KEY_OF("pi") "%a", "ADMIT", 1, 0 } };
	run(stage, admitted, 1);
	const struct iotpki_answer revoked = { .outcome = IOTPKI_OUTCOME_REVOKED };
	const struct iotpki_answer stranger = { .outcome = IOTPKI_OUTCOME_REGISTERED,
						.ends_s = NOW_S + 86400,
						.tip_s = NOW_S,
						.max_tip_age_s = 3600 };
	const struct iotpki_answer dead = { .outcome = IOTPKI_OUTCOME_UNREACHABLE };
	struct questions_view view = { people[ALICE].name, &revoked, 1, true, false };
	assert_true(authorize_judge(stage->authorize, &view, false));
	view.answers = &stranger; /* registered, but another's certificate and registration */
	assert_true(authorize_judge(stage->authorize, &view, true));
	view.answers = &dead;
	assert_false(authorize_judge(stage->authorize, &view, false));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(keys),
		ROW(key_answer),
		ROW(sessions),
		ROW(accounts_by_recent_keys),
		ROW(accounts_by_members),
		ROW(keys_of_records),
		ROW(claimed_by_many),
		ROW(key_that_got_an_entry),
		ROW(denied_in_between),
		ROW(refresh_without_an_answer),
		ROW(deny_and_reload),
		ROW(explains),
		ROW(deadline),
		ROW(deadline_in_line),
		ROW(late_revocation),
	};
	for (size_t i = 0; i < WHO_COUNT; i++)
		agentkit_person(&people[i], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
