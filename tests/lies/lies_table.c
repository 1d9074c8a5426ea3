/*
 * The lie table (TM-03, TM-04): in every world, for every type of node, one node's
 * answers altered field by field, and stories that are lies as a whole. Each lie is
 * told first, last, in between and alone, among one to five nodes, of which one, the
 * majority or all must agree; by one node, by one under two URLs, and by one node less
 * than must agree. An ADMIT is wrong where the truth does not admit: never with n of 2 or
 * more, with n = 1 only before any honest answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lies/lie.h"
#include "lies/tell.h"

enum { NODES_MAX = 5, DISTINCT_MAX = 4096 };

/* A decision with a fault, to see that the table notices it. */
typedef void decide_fn(const struct iotpki_decide_input *input, struct iotpki_decision *out);

struct counts {
	size_t lies, distinct, rows, wrong;
	size_t shown; /* n = 1, liar first or alone: admitted, as documented */
	size_t dropped; /* of those among several: what is reused refuses after the first honest answer */
	size_t unnamed; /* the liar's part in the decision cannot be told from the honest ones' */
};

struct scene {
	decide_fn *decide;
	enum config_node_type type;
	enum world world;
	bool mixed; /* the others are of all types, else of the liar's */
	struct iotpki_answer honest[WORLD_TYPES];    /* by type */
	struct iotpki_answer distinct[DISTINCT_MAX]; /* told before: judged then */
	size_t distinct_count;
	struct counts *counts;
	const char *lie; /* for messages */
};

/* One arrangement of one lie. */
struct row {
	size_t nodes, liar; /* liar: its slot */
	size_t liars;       /* that tell this lie one after the other, in the slots from liar on */
	bool twin;          /* the first of them has another URL, in the slot behind all nodes */
	size_t place;       /* honest answers before the lie; SIZE_MAX: nobody else answers */
	unsigned int needed;
	enum peer peer;
	enum policy policy;
};

static void report(const struct scene *scene, const struct row *row, const char *what)
{
	static size_t reported;
	if (scene->decide != iotpki_decide || reported++ >= 20)
		return;
	printf("%s: type %d, world %s, %zu nodes, %zu liars%s, n = %u, %s%zu honest before, peer "
	       "%d, "
	       "policy %d: "
	       "%s\n",
	       what, (int)scene->type, world_name(scene->world), row->nodes, row->liars,
	       row->twin ? " (two URLs)" : "", row->needed, row->place == SIZE_MAX ? "alone, " : "",
	       row->place == SIZE_MAX ? 0 : row->place, (int)row->peer, (int)row->policy,
	       scene->lie);
}

static enum config_node_type type_of(const struct scene *scene, const struct row *row, size_t slot)
{
	const size_t shift = scene->mixed ? (slot + row->nodes - row->liar) % row->nodes : 0;
	return (enum config_node_type)(((size_t)scene->type + shift) % WORLD_TYPES);
}

/* What the honest one of the others says, where its type has no such world. */
static const struct iotpki_answer *honest_of(const struct scene *scene, enum config_node_type type)
{
	return world_exists(type, scene->world) ? &scene->honest[type]
						: &scene->honest[scene->type];
}

/* After an ADMIT by the lie alone: its answer is reused, and each login is decided anew. */
static void check_reuse(const struct scene *scene, const struct row *row,
			struct iotpki_decide_input *input, struct iotpki_answer *slots,
			size_t honest)
{
	struct iotpki_decision decision;
	slots[honest] = *honest_of(scene, type_of(scene, row, honest));
	scene->decide(input, &decision);
	if (decision.verdict == IOTPKI_ADMIT) {
		scene->counts->wrong++;
		report(scene, row, "still admitted after an honest answer");
		return;
	}
	scene->counts->dropped++;
	const size_t liar = row->liar;
	if (decision.judged[liar] == decision.judged[honest] &&
	    decision.objections[liar] == decision.objections[honest]) {
		scene->counts->unnamed++;
		report(scene, row, "the liar is not to be told from the others");
	}
}

/** The slot of the i-th honest node: behind those of the liars, round the end. */
static size_t honest_slot(const struct row *row, size_t i)
{
	return (row->liar + row->liars + i) % row->nodes;
}

static void put_lie(const struct row *row, const struct iotpki_answer *lie,
		    struct iotpki_answer *slots, size_t i)
{
	slots[(row->liar + i) % row->nodes] = *lie;
	if (!row->twin || i > 0)
		return;
	slots[row->nodes] = *lie;
	slots[row->nodes].twin = (uint8_t)(row->liar + 1);
}

/** Nobody has answered yet. */
static void clear_slots(const struct scene *scene, const struct row *row,
			struct iotpki_answer *slots)
{
	for (size_t i = 0; i < row->nodes; i++)
		slots[i].network = (uint8_t)honest_of(scene, type_of(scene, row, i))->network;
	if (row->twin) {
		slots[row->nodes].network = slots[row->liar].network;
		slots[row->nodes].twin = (uint8_t)(row->liar + 1);
	}
}

static void judge_row(const struct scene *scene, const struct row *row,
		      const struct iotpki_answer *lie)
{
	struct iotpki_answer slots[NODES_MAX + 1] = { 0 };
	struct iotpki_decide_input input = tell_input(row->peer, row->policy);
	struct iotpki_decision decision = { 0 };
	const bool alone = row->place == SIZE_MAX;
	const size_t steps = alone ? row->liars : row->nodes;
	size_t honest = 0, lied = 0;
	input.needed = row->needed;
	input.answers = slots;
	input.answer_count = row->nodes + (row->twin ? 1 : 0);
	clear_slots(scene, row, slots);
	for (size_t step = 0; step < steps && !decision.final; step++) {
		if (alone || (step >= row->place && lied < row->liars)) {
			put_lie(row, lie, slots, lied++);
		} else {
			const size_t slot = honest_slot(row, honest++);
			slots[slot] = *honest_of(scene, type_of(scene, row, slot));
		}
		scene->decide(&input, &decision);
	}
	if (!decision.final) {
		input.deadline = true;
		scene->decide(&input, &decision);
	}
	scene->counts->rows++;
	if (decision.verdict != IOTPKI_ADMIT || tell_truth(scene->world, row->peer, row->policy))
		return;
	if (row->needed > 1 || honest > 0 || lied == 0) {
		scene->counts->wrong++;
		report(scene, row, "wrong ADMIT");
		return;
	}
	scene->counts->shown++;
	if (row->nodes > 1 && !alone)
		check_reuse(scene, row, &input, slots, honest_slot(row, 0));
}

/* One, the majority, all: each number once. */
static size_t needs(size_t nodes, unsigned int out[static 3])
{
	size_t count = 0;
	const size_t all[] = { 1, nodes / 2 + 1, nodes };
	for (size_t i = 0; i < 3; i++)
		if (count == 0 || out[count - 1] != all[i])
			out[count++] = (unsigned int)all[i];
	return count;
}

static void judge_places(const struct scene *scene, struct row *row,
			 const struct iotpki_answer *lie)
{
	const size_t last = row->nodes - row->liars; /* all honest ones before */
	for (size_t place = 0; place <= last + 1; place++) {
		row->place = place > last ? SIZE_MAX : place;
		row->liar = (place + 1) % row->nodes;
		for (int peer = 0; peer < PEERS; peer++) {
			for (int policy = 0; policy < POLICIES; policy++) {
				row->peer = (enum peer)peer;
				row->policy = (enum policy)policy;
				judge_row(scene, row, lie);
			}
		}
	}
}

static void judge_lie(const struct scene *scene, const struct iotpki_answer *lie)
{
	struct row row = { 0 };
	for (row.nodes = 1; row.nodes <= NODES_MAX; row.nodes++) {
		unsigned int needed[3];
		const size_t count = needs(row.nodes, needed);
		for (size_t i = 0; i < count; i++) {
			row.needed = needed[i];
			row.liars = 1;
			judge_places(scene, &row, lie);
			row.twin = true;
			judge_places(scene, &row, lie);
			row.twin = false;
			row.liars = needed[i] - 1;
			if (row.liars > 1)
				judge_places(scene, &row, lie);
		}
	}
}

/* decide() is pure: what reads as an answer that was judged before needs not be judged again. */
static void take_lie(void *context, const struct told *told, const char *what)
{
	struct scene *scene = context;
	const struct iotpki_answer answer = tell(scene->type, told);
	scene->counts->lies++;
	scene->lie = what;
	for (size_t i = 0; i < scene->distinct_count; i++)
		if (memcmp(&scene->distinct[i], &answer, sizeof(answer)) == 0)
			return;
	if (scene->distinct_count < DISTINCT_MAX)
		scene->distinct[scene->distinct_count++] = answer;
	scene->counts->distinct++;
	judge_lie(scene, &answer);
}

static void open_world(struct scene *scene, enum config_node_type type, enum world world)
{
	scene->type = type;
	scene->world = world;
	scene->distinct_count = 0;
	for (int i = 0; i < WORLD_TYPES; i++)
		if (world_exists((enum config_node_type)i, world))
			scene->honest[i] = tell_honest((enum config_node_type)i, world);
}

/* Without a lie the worlds are what they are called; else the table would prove nothing. */
static bool worlds_are_true(const struct scene *scene)
{
	for (int peer = 0; peer < PEERS; peer++) {
		for (int policy = 0; policy < POLICIES; policy++) {
			struct iotpki_decide_input input =
				tell_input((enum peer)peer, (enum policy)policy);
			struct iotpki_decision decision;
			input.needed = 1;
			input.answers = &scene->honest[scene->type];
			input.answer_count = 1;
			iotpki_decide(&input, &decision);
			const bool want =
				tell_truth(scene->world, (enum peer)peer, (enum policy)policy);
			if ((decision.verdict == IOTPKI_ADMIT) == want)
				continue;
			printf("world %s, type %d, peer %d, policy %d: %s, %s\n",
			       world_name(scene->world), (int)scene->type, peer, policy,
			       iotpki_verdict_name(decision.verdict),
			       iotpki_reason_name(decision.reason));
			return false;
		}
	}
	return true;
}

/** The whole table with one decision. planted: a part of it is enough. */
static bool run(decide_fn *decide, bool part, struct counts *counts)
{
	static struct scene scene;
	scene = (struct scene){ .decide = decide, .counts = counts };
	for (int type = 0; type < WORLD_TYPES; type++) {
		for (int world = 0; world < WORLDS; world++) {
			if (!world_exists((enum config_node_type)type, (enum world)world))
				continue;
			for (int mixed = 0; mixed < (part ? 1 : 2); mixed++) {
				open_world(&scene, (enum config_node_type)type, (enum world)world);
				scene.mixed = mixed == 1;
				if (!worlds_are_true(&scene))
					return false;
				lie_each(scene.type, scene.world, part, take_lie, &scene);
			}
		}
	}
	return true;
}

/* ---- faults that the table must notice ---- */

static void one_too_few(const struct iotpki_decide_input *input, struct iotpki_decision *out)
{
	struct iotpki_decide_input less = *input;
	if (less.needed > 1)
		less.needed--;
	iotpki_decide(&less, out);
}

static void deaf_to_objections(const struct iotpki_decide_input *input, struct iotpki_decision *out)
{
	struct iotpki_decide_input deaf = *input;
	struct iotpki_answer slots[IOTPKI_NODES_MAX];
	struct iotpki_decision first;
	iotpki_decide(input, &first);
	memcpy(slots, input->answers, input->answer_count * sizeof(slots[0]));
	for (size_t i = 0; i < input->answer_count; i++)
		if (first.objections[i] != IOTPKI_REASON_NONE)
			slots[i].outcome = IOTPKI_OUTCOME_UNREACHABLE;
	deaf.answers = slots;
	iotpki_decide(&deaf, out);
}

static void counts_urls(const struct iotpki_decide_input *input, struct iotpki_decision *out)
{
	struct iotpki_decide_input urls = *input;
	struct iotpki_answer slots[IOTPKI_NODES_MAX];
	memcpy(slots, input->answers, input->answer_count * sizeof(slots[0]));
	for (size_t i = 0; i < input->answer_count; i++)
		slots[i].twin = 0;
	urls.answers = slots;
	iotpki_decide(&urls, out);
}

static void any_registration(const struct iotpki_decide_input *input, struct iotpki_decision *out)
{
	struct iotpki_decide_input any = *input;
	if (any.key_change == IOTPKI_KEY_SAME_REGISTRATION)
		any.key_change = IOTPKI_KEY_FOLLOW;
	iotpki_decide(&any, out);
}

static bool notices_faults(void)
{
	static const struct {
		const char *name;
		decide_fn *decide;
	} faults[] = {
		{ "n - 1", one_too_few },
		{ "objections are not heard", deaf_to_objections },
		{ "two URLs are two nodes", counts_urls },
		{ "any registration will do", any_registration },
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct counts counts = { 0 };
		const bool true_worlds = run(faults[i].decide, true, &counts);
		printf("figure: planted fault \"%s\": %zu wrong admits noticed\n", faults[i].name,
		       counts.wrong);
		if (!true_worlds || counts.wrong == 0)
			return false;
	}
	return true;
}

int main(void)
{
	struct counts counts = { 0 };
	if (!run(iotpki_decide, false, &counts))
		return 1;
	printf("rows: %zu, wrong admits: %zu (%zu lies that read as %zu different answers)\n",
	       counts.rows, counts.wrong, counts.lies, counts.distinct);
	printf("figure: n = 1, the liar first or alone: %zu admits; after the first honest answer "
	       "%zu of those with others are refused, in %zu of them the liar is not named\n",
	       counts.shown, counts.dropped, counts.unnamed);
	if (counts.wrong != 0 || counts.unnamed != 0 || counts.shown == 0)
		return 1;
	return notices_faults() ? 0 : 1;
}
