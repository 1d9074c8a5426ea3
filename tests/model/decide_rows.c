/*
 * usage: decide_rows [MODEL'S-NAME]
 * The C side of the comparison: reads the rows that model.py or second.py makes on
 * standard input, plays each (see story() there), and stops at the first that comes out
 * otherwise than the model says. Exit 0: no difference, 1: a difference, 2: bad rows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iotpki/decide.h>

enum {
	SLOTS = IOTPKI_NODES_MAX + 1, /* one more than there may be */
	NUMBERS_MAX = 600,
	TOLD_MAX = 1 << 14,
};

struct row {
	struct iotpki_decide_input input;
	struct iotpki_answer nodes[SLOTS];
	size_t order_count;
	size_t order[SLOTS];
};

struct numbers {
	long long values[NUMBERS_MAX];
	size_t count;
	size_t next;
};

static long long take(struct numbers *numbers)
{
	if (numbers->next >= numbers->count) {
		fprintf(stderr, "a row is too short\n");
		exit(2);
	}
	return numbers->values[numbers->next++];
}

static void read_numbers(const char *text, struct numbers *numbers)
{
	*numbers = (struct numbers){ 0 };
	for (;;) {
		char *end = NULL;
		errno = 0;
		const long long value = strtoll(text, &end, 10);
		if (end == text)
			return;
		if (errno != 0 || numbers->count == NUMBERS_MAX) {
			fprintf(stderr, "not a row: %.60s\n", text);
			exit(2);
		}
		numbers->values[numbers->count++] = value;
		text = end;
	}
}

/* One number stands for a whole hash; -1: there is none. */
static bool take_hash(struct numbers *numbers, uint8_t hash[static IOTPKI_SHA256_LEN])
{
	const long long value = take(numbers);
	memset(hash, value < 0 ? 0 : (int)value, IOTPKI_SHA256_LEN);
	return value >= 0;
}

static bool take_bool(struct numbers *numbers)
{
	return take(numbers) != 0;
}

static void read_answer(struct numbers *numbers, struct iotpki_answer *answer)
{
	answer->outcome = (enum iotpki_outcome)take(numbers);
	answer->network = (uint8_t)take(numbers);
	(void)take_hash(numbers, answer->record.sha256);
	answer->record.has_ssh = take_hash(numbers, answer->record.ssh);
	answer->record.revoked = take_bool(numbers);
	answer->record.ex_s = take(numbers);
	answer->record.has_ex = answer->record.ex_s != -1;
	(void)take_hash(numbers, answer->registration);
	answer->ends_s = take(numbers);
	answer->tip_s = take(numbers);
	answer->max_tip_age_s = take(numbers);
	answer->twin = (uint8_t)take(numbers);
	answer->rolled_back = take_bool(numbers);
}

static void read_entry(struct numbers *numbers, struct iotpki_decide_input *input)
{
	input->member = take_bool(numbers);
	input->member_ends_s = take(numbers);
	input->denied = take_bool(numbers);
	input->permitted = take_bool(numbers);
	input->tombstoned = take_bool(numbers);
	(void)take_hash(numbers, input->entry_sha256);
	(void)take_hash(numbers, input->entry_key);
	input->entry_has_ssh = take_hash(numbers, input->entry_ssh);
	input->cert_begins_s = take(numbers);
	input->cert_ends_s = take(numbers);
}

static void read_policy(struct numbers *numbers, struct iotpki_decide_input *input)
{
	input->needed = (unsigned int)take(numbers);
	input->dissent = (enum iotpki_dissent)take(numbers);
	input->key_change = (enum iotpki_key_change)take(numbers);
	input->soft_fail = take_bool(numbers);
	input->soft_fail_max_age_s = take(numbers);
	input->last_online.seen = take_bool(numbers);
	input->last_online.verdict = (enum iotpki_verdict)take(numbers);
	input->last_online.age_known = take_bool(numbers);
	input->last_online.age_s = take(numbers);
	input->last_online.ends_s = take(numbers);
}

/* Fields in the order of SCENARIO and ANSWER in model.py. Returns whether there is an array. */
static bool read_row(const char *text, struct row *row)
{
	struct numbers numbers;
	read_numbers(text, &numbers);
	memset(row, 0, sizeof(*row));
	struct iotpki_decide_input *input = &row->input;
	read_entry(&numbers, input);
	read_policy(&numbers, input);
	input->clock_s = take(&numbers);
	input->floor_s = take(&numbers);
	input->build_s = take(&numbers);
	input->presented = (enum iotpki_presented)take(&numbers);
	(void)take_hash(&numbers, input->presented_hash);
	const bool has_array = !take_bool(&numbers);
	for (size_t i = 0; i < IOTPKI_NODES_MAX; i++)
		input->pins[i].set = take_hash(&numbers, input->pins[i].id);
	input->answer_count = (size_t)take(&numbers) % (SLOTS + 1);
	/* What lies behind the last node must never be looked at: it would refuse everything. */
	for (size_t i = 0; i < SLOTS; i++) {
		row->nodes[i].outcome = IOTPKI_OUTCOME_REVOKED;
		row->nodes[i].tip_s = INT64_MAX;
		row->nodes[i].max_tip_age_s = -1;
	}
	for (size_t i = 0; i < input->answer_count; i++)
		read_answer(&numbers, &row->nodes[i]);
	row->order_count = (size_t)take(&numbers) % (SLOTS + 1);
	for (size_t i = 0; i < row->order_count; i++)
		row->order[i] = (size_t)take(&numbers) % SLOTS;
	return has_array;
}

static size_t tell(const struct row *row, char *out, size_t size, bool *final_out)
{
	struct iotpki_decision decision;
	/* The function must set all of it itself. */
	memset(&decision, 0xee, sizeof(decision));
	iotpki_decide(&row->input, &decision);
	*final_out = decision.final;
	int len = snprintf(out, size, "%u,%u,%d,%d,%d,%lld,%u,%u,", (unsigned int)decision.verdict,
			   (unsigned int)decision.reason, decision.final, decision.soft,
			   decision.followed, (long long)decision.now_s, decision.good,
			   decision.agreeing);
	const bool counted =
		row->input.answers != NULL && row->input.answer_count <= IOTPKI_NODES_MAX;
	for (size_t i = 0; counted && i < row->input.answer_count; i++)
		len += snprintf(out + len, size - (size_t)len, "%s%u/%u", i > 0 ? ":" : "",
				(unsigned int)decision.judged[i],
				(unsigned int)decision.objections[i]);
	return (size_t)len;
}

/* The decisions after nothing, after each arrival and at the deadline, up to the first final one. */
static void play(struct row *row, bool has_array, char *out, size_t size)
{
	struct iotpki_answer slots[SLOTS];
	memcpy(slots, row->nodes, sizeof(slots));
	for (size_t i = 0; i < row->input.answer_count; i++)
		slots[i].outcome = IOTPKI_OUTCOME_PENDING;
	row->input.answers = has_array ? slots : NULL;
	bool final = false;
	size_t len = tell(row, out, size, &final);
	for (size_t i = 0; i < row->order_count && !final; i++) {
		slots[row->order[i]] = row->nodes[row->order[i]];
		out[len++] = ' ';
		len += tell(row, out + len, size - len, &final);
	}
	if (final)
		return;
	row->input.deadline = true;
	out[len++] = ' ';
	(void)tell(row, out + len, size - len, &final);
}

int main(int argc, char **argv)
{
	const char *model = argc > 1 ? argv[1] : "model";
	char *line = NULL;
	size_t size = 0;
	size_t count = 0;
	for (ssize_t len; (len = getline(&line, &size, stdin)) > 0; count++) {
		line[strcspn(line, "\n")] = '\0';
		char *want = strchr(line, '|');
		if (want == NULL) {
			fprintf(stderr, "not a row: %.60s\n", line);
			return 2;
		}
		*want++ = '\0';
		static struct row row;
		static char told[TOLD_MAX];
		play(&row, read_row(line, &row), told, sizeof(told));
		if (strcmp(told, want) != 0) {
			printf("row %zu: %s\n%s: %s\nC: %s\n", count + 1, line, model, want, told);
			return 1;
		}
	}
	free(line);
	printf("rows: %zu, %s and C decide the same\n", count, model);
	return count > 0 ? 0 : 2;
}
