/* Who says something else than most is named: which node, against what, once, and not too often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/dissent.h"
#include "agent/log.h"

#define NOW_S INT64_C(1800000000)

static struct {
	struct log_sink sink;
	size_t lines;
	char text[16384];
} heard;

static void hear_line(const struct log_sink *sink, enum log_level level, const char *line)
{
	(void)sink;
	(void)level;
	const size_t used = strlen(heard.text);
	heard.lines++;
	(void)snprintf(heard.text + used, sizeof(heard.text) - used, "%s\n", line);
}

static const struct config config = { .node_count = 4,
				      .nodes = { { .name = "home" },
						 { .name = "barn" },
						 { .name = "office" },
						 { .name = "loft" } } };

/* R: registered; S: with an ssh= more; M: hash-mismatch; L: re-registered; V: revoked; E: expired;
 * U: unregistered; N: not ready; T: stale; -: unreachable; 2: what R says, a URL of the first node. */
static void fill(const char *words, struct iotpki_answer *answers, struct iotpki_decision *decision)
{
	static const struct {
		char word;
		enum iotpki_outcome outcome, judged;
		enum iotpki_reason objection;
	} rows[] = {
		{ 'R', IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_REGISTERED, IOTPKI_REASON_NONE },
		{ '2', IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_REGISTERED, IOTPKI_REASON_NONE },
		{ 'S', IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_REGISTERED, IOTPKI_REASON_NONE },
		{ 'M', IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_REGISTERED, IOTPKI_HASH_MISMATCH },
		{ 'L', IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_REGISTERED, IOTPKI_REREGISTERED },
		{ 'V', IOTPKI_OUTCOME_REVOKED, IOTPKI_OUTCOME_REVOKED, IOTPKI_REVOKED },
		{ 'E', IOTPKI_OUTCOME_REGISTERED, IOTPKI_OUTCOME_EXPIRED, IOTPKI_EXPIRED },
		{ 'U', IOTPKI_OUTCOME_UNREGISTERED, IOTPKI_OUTCOME_UNREGISTERED,
		  IOTPKI_UNREGISTERED },
		{ 'N', IOTPKI_OUTCOME_NOT_READY, IOTPKI_OUTCOME_NOT_READY, IOTPKI_REASON_NONE },
		{ 'T', IOTPKI_OUTCOME_UNREGISTERED, IOTPKI_OUTCOME_STALE, IOTPKI_REASON_NONE },
		{ '-', IOTPKI_OUTCOME_UNREACHABLE, IOTPKI_OUTCOME_UNREACHABLE, IOTPKI_REASON_NONE },
	};
	for (size_t i = 0; words[i] != '\0'; i++) {
		for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
			if (rows[j].word != words[i])
				continue;
			answers[i].outcome = rows[j].outcome;
			decision->judged[i] = rows[j].judged;
			decision->objections[i] = rows[j].objection;
		}
		answers[i].record.has_ssh = words[i] == 'S';
		answers[i].record.sha256[0] = words[i] == 'M' ? 2 : 1;
		answers[i].twin = words[i] == '2' ? 1 : 0;
	}
}

static void hear(struct dissent *dissent, const char *name, const char *words,
		 const struct clock *clock)
{
	struct iotpki_answer answers[IOTPKI_NODES_MAX] = { 0 };
	struct iotpki_decision decision = { .now_s = NOW_S };
	fill(words, answers, &decision);
	const struct questions_view view = { name, answers, strlen(words), true, false };
	dissent_hear(dissent, &config, &view, &decision, clock);
}

static struct clock_fake clock_of_test;

static void who_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *words;
		const char *lines[3]; /* how they begin */
	} rows[] = {
		{ "RRRR", { NULL } },
		{ "UUUU", { NULL } },
		{ "R---", { NULL } },
		{ "RRNT", { NULL } },
		{ "----", { NULL } },
		{ "RMRR", { "node=barn said=hash-mismatch against=registered" } },
		{ "LRRR", { "node=home said=re-registered against=registered" } },
		{ "RRRV", { "node=loft said=revoked against=registered" } },
		{ "VVRV", { "node=office said=registered against=revoked" } },
		{ "RRER", { "node=office said=expired against=registered" } },
		{ "RRSR", { "node=office said=another-record against=registered" } },
		{ "URMU",
		  { "node=barn said=registered against=unregistered",
		    "node=office said=hash-mismatch against=unregistered" } },
		/* As many say one as the other: those listed later are named. */
		{ "RU--", { "node=barn said=unregistered against=registered" } },
		/* Two URLs of one node are no majority. */
		{ "R2UU",
		  { "node=home said=registered against=unregistered",
		    "node=barn said=registered against=unregistered" } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dissent *dissent = calloc(1, sizeof(*dissent));
		size_t count = 0;
		assert_non_null(dissent);
		heard.lines = 0;
		heard.text[0] = '\0';
		hear(dissent, "n1", rows[i].words, &clock_of_test.clock);
		for (; count < ARRAY_LEN(rows[i].lines) && rows[i].lines[count] != NULL; count++)
			if (strstr(heard.text, rows[i].lines[count]) == NULL)
				fail_msg("%s: %s", rows[i].words, heard.text);
		if (heard.lines != count)
			fail_msg("%s: %zu lines", rows[i].words, heard.lines);
		free(dissent);
	}
}

static void once_for_each_change(void **state)
{
	(void)state;
	struct dissent *dissent = calloc(1, sizeof(*dissent));
	static const struct {
		const char *name, *words;
		size_t lines; /* more than before */
	} rows[] = {
		{ "n1", "RRRU", 1 }, { "n1", "RRRU", 0 }, { "n2", "RRRU", 1 }, { "n1", "RRRV", 1 },
		{ "n1", "RRRV", 0 }, { "n1", "RRR-", 0 }, { "n1", "RRRV", 0 }, { "n1", "RRRR", 0 },
		{ "n1", "RRRV", 1 }, { "n1", "URRV", 1 },
	};
	assert_non_null(dissent);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		heard.lines = 0;
		hear(dissent, rows[i].name, rows[i].words, &clock_of_test.clock);
		if (heard.lines != rows[i].lines)
			fail_msg("row %zu: %zu lines", i, heard.lines);
		clock_fake_advance(&clock_of_test, 1000);
	}
	free(dissent);
}

static void not_too_often(void **state)
{
	(void)state;
	struct dissent *dissent = calloc(1, sizeof(*dissent));
	char name[16];
	assert_non_null(dissent);
	heard.lines = 0;
	for (int i = 0; i < 3 * DISSENTS_PER_S; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		hear(dissent, name, "RRRU", &clock_of_test.clock);
	}
	assert_int_equal(heard.lines, DISSENTS_PER_S);
	clock_fake_advance(&clock_of_test, 1000);
	heard.text[0] = '\0';
	hear(dissent, name, "RRRU", &clock_of_test.clock); /* its turn was missed */
	assert_non_null(strstr(heard.text, "event=dissents-dropped count=20\n"));
	assert_non_null(strstr(heard.text, "event=dissent node=loft said=unregistered"));
	free(dissent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_named),
		cmocka_unit_test(once_for_each_change),
		cmocka_unit_test(not_too_often),
	};
	clock_fake_init(&clock_of_test, NOW_S);
	heard.sink = (struct log_sink){ hear_line, LOG_LEVEL_DEBUG };
	log_set_sink(&heard.sink);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
