/* The largest group that says one thing, and who is not of it. */
#include "agent/dissent.h"

#include <string.h>

#include "agent/log.h"
#include "nvs/quorum.h"

static bool is_good(enum iotpki_outcome judged)
{
	return judged >= IOTPKI_OUTCOME_REGISTERED && judged <= IOTPKI_OUTCOME_UNREGISTERED;
}

static bool same_record(const struct iotpki_record *a, const struct iotpki_record *b)
{
	return memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0 && a->has_ssh == b->has_ssh &&
	       (!a->has_ssh || memcmp(a->ssh, b->ssh, sizeof(a->ssh)) == 0);
}

/** Registration ids and ends are each network's own: decide() holds them against the list. */
static bool alike(const struct questions_view *view, const struct iotpki_decision *decision,
		  size_t i, size_t j)
{
	if (decision->judged[i] != decision->judged[j] ||
	    decision->objections[i] != decision->objections[j])
		return false;
	return decision->judged[i] != IOTPKI_OUTCOME_REGISTERED ||
	       same_record(&view->answers[i].record, &view->answers[j].record);
}

/** How many nodes say what this one says; two URLs of one node are one. */
static int count_alike(const struct questions_view *view, const struct iotpki_decision *decision,
		       size_t i)
{
	uint32_t nodes = 0;
	for (size_t j = 0; j < view->count; j++)
		if (is_good(decision->judged[j]) && alike(view, decision, i, j))
			nodes |= UINT32_C(1) << quorum_node(view->answers, j);
	return __builtin_popcount(nodes);
}

/** The first of the largest group; view->count: there is no good answer. */
static size_t find_most(const struct questions_view *view, const struct iotpki_decision *decision)
{
	size_t most = view->count;
	int size = 0;
	for (size_t i = 0; i < view->count; i++) {
		const int others =
			is_good(decision->judged[i]) ? count_alike(view, decision, i) : 0;
		if (others > size) {
			size = others;
			most = i;
		}
	}
	return most;
}

/* FNV-1a: only to tell apart what was logged; who makes two of them meet makes a line more or less. */
static uint64_t mix(uint64_t hash, const char *text)
{
	hash = hash == 0 ? UINT64_C(14695981039346656037) : hash;
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
	return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static bool may_log(struct dissent *dissent, const struct clock *clock)
{
	const int64_t second = clock->mono_ms(clock) / 1000;
	if (second != dissent->second) {
		if (dissent->dropped > 0)
			log_write(LOG_LEVEL_NOTICE, "event=dissents-dropped count=%u",
				  dissent->dropped);
		dissent->second = second;
		dissent->lines = dissent->dropped = 0;
	}
	if (dissent->lines >= DISSENTS_PER_S) {
		dissent->dropped++;
		return false;
	}
	dissent->lines++;
	return true;
}

static void log_dissent(const struct config *config, const struct questions_view *view,
			const struct iotpki_decision *decision, size_t node, const char *said,
			const char *against)
{
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", "dissent", 32);
	log_line_text(&line, "node", config->nodes[node].name, CONFIG_WORD_MAX);
	log_line_text(&line, "said", said, 32);
	log_line_text(&line, "against", against, 32);
	log_line_text(&line, "name", view->name, IOTPKI_NAME_MAX);
	agent_log_nodes(&line, config, view->answers, decision, view->count, decision->now_s);
	log_write(LOG_LEVEL_WARNING, "%s", line.text);
}

static void hear_node(struct dissent *dissent, const struct config *config,
		      const struct questions_view *view, const struct iotpki_decision *decision,
		      const struct clock *clock, size_t node, size_t most)
{
	const uint64_t who = mix(mix(0, config->nodes[node].name), view->name);
	const size_t place = who % DISSENT_REMEMBERED;
	if (alike(view, decision, node, most)) {
		if (dissent->told[place].who == who)
			dissent->told[place].who = 0;
		return;
	}
	const char *against = agent_log_word(view->answers, decision, most);
	const char *word = agent_log_word(view->answers, decision, node);
	const char *said = strcmp(word, against) == 0 ? "another-record" : word;
	const uint64_t what = mix(mix(0, said), against);
	if (dissent->told[place].who == who && dissent->told[place].what == what)
		return;
	if (!may_log(dissent, clock))
		return; /* it is told when it is heard again */
	dissent->told[place].who = who;
	dissent->told[place].what = what;
	log_dissent(config, view, decision, node, said, against);
}

void dissent_hear(struct dissent *dissent, const struct config *config,
		  const struct questions_view *view, const struct iotpki_decision *decision,
		  const struct clock *clock)
{
	if (view->count != config->node_count || view->count > IOTPKI_NODES_MAX)
		return;
	const size_t most = find_most(view, decision);
	for (size_t i = 0; most < view->count && i < view->count; i++)
		if (is_good(decision->judged[i]))
			hear_node(dissent, config, view, decision, clock, i, most);
}
