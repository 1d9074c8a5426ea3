/*
 * The fake nodes, driven through the requests that were recorded on real ones, give the recorded
 * answers: the same members in the same order with the same values, byte for byte, ids, addresses,
 * hashes, times and the balance aside; and what is one id there is one id here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "chainkit.h"
#include "fake/chain_node.h"

enum { IDS_MAX = 128, ID_SIZE = 96, TEXT_MAX = 1024 * 1024 };

/* ---- the steps ---- */

/** A recorded step: the tip's height while it was asked, and where the wallet put the change. */
struct step {
	const char *name;
	int64_t height;
	unsigned int vout;
};

static const struct step emercoin_steps[] = {
	{ "name_show, never registered", 53, 0 },
	{ "getinfo", 53, 0 },
	{ "getwalletinfo", 53, 0 },
	{ "getnewaddress", 53, 0 },
	{ "name_new", 53, 0 },
	{ "name_show, registration unconfirmed", 53, 0 },
	{ "name_mempool, registration unconfirmed", 53, 0 },
	{ "name_new again, unconfirmed", 53, 0 },
	{ "name_show, registered", 54, 0 },
	{ "name_new, name taken", 54, 0 },
	{ "name_update, new value", 54, 0 },
	{ "name_show, update unconfirmed", 54, 0 },
	{ "name_show, updated", 55, 0 },
	{ "name_update, status=revoked", 55, 0 },
	{ "name_show, status=revoked", 56, 0 },
	{ "name_history", 56, 0 },
	{ "name_delete", 56, 0 },
	{ "name_show, deleted", 57, 0 },
	{ "name_update, deleted", 57, 0 },
	{ "name_new, deleted name taken again by anyone", 57, 1 },
	{ "name_show, registered again after delete", 58, 0 },
	{ "name_history, full", 58, 0 },
	{ "name_new to an address", 58, 0 },
	{ "name_show, to an address", 59, 0 },
	{ "name_update, transfer to address outside wallet", 59, 1 },
	{ "name_show, transferred", 60, 0 },
	{ "name_update, not owner any more", 60, 0 },
	{ "name_delete, not owner any more", 60, 0 },
	{ "name_new, days negative", 60, 0 },
	{ "name_new, wrong types", 60, 0 },
	{ "unknown method", 60, 0 },
	{ "malformed JSON", 60, 0 },
	{ "jsonrpc 2.0", 60, 0 },
	{ "batch", 60, 0 },
	{ "name_show, hex value", 60, 0 },
	{ "name_show, expired", 240, 0 },
	{ "name_update, expired", 240, 0 },
	{ "name_new, expired name taken again", 240, 0 },
};

static const struct step namecoin_steps[] = {
	{ "name_show, never registered", 150, 0 },
	{ "name_show, never registered, JSON-RPC 1.0", 150, 0 },
	{ "getblockchaininfo", 150, 0 },
	{ "getwalletinfo", 150, 0 },
	{ "name_new (pre-order)", 150, 0 },
	{ "name_firstupdate at once, pre-order unconfirmed", 150, 0 },
	{ "name_firstupdate after 12 blocks", 162, 0 },
	{ "name_show, registration unconfirmed", 162, 0 },
	{ "name_pending", 162, 0 },
	{ "name_show, registered", 163, 0 },
	{ "name_new, name taken", 163, 0 },
	{ "name_update, new value", 163, 1 },
	{ "name_show, update unconfirmed", 163, 0 },
	{ "name_show, updated", 164, 0 },
	{ "name_update, status=revoked", 164, 0 },
	{ "name_show, status=revoked", 165, 0 },
	{ "name_history", 165, 0 },
	{ "name_update, transfer", 165, 0 },
	{ "name_update, transfer to address outside wallet", 165, 0 },
	{ "name_show, transferred", 166, 0 },
	{ "name_update, not owner any more", 166, 0 },
	{ "name_update, value too long", 166, 0 },
	{ "name_scan with prefix", 166, 0 },
	{ "unknown method", 166, 0 },
	{ "malformed JSON", 166, 0 },
	{ "batch", 166, 0 },
	{ "REST name, registered", 166, 0 },
	{ "REST name, never registered", 166, 0 },
	{ "name_show, expired", 206, 0 },
	{ "name_show, expired, allowExpired", 206, 0 },
	{ "name_update, expired", 206, 0 },
	{ "name_new, expired name taken again", 206, 0 },
	{ "name_firstupdate, expired name taken again", 218, 0 },
	{ "name_show, registered again after expiry", 219, 0 },
	{ "name_history, registered again after expiry", 219, 0 },
};

/* ---- what may differ ---- */

/** Ids and addresses in the order in which they first came; the n-th there is the n-th here. */
struct ids {
	char text[IDS_MAX][ID_SIZE];
	size_t count;
};

static size_t number_of(struct ids *ids, const char *text, size_t len)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (strncmp(ids->text[i], text, len) == 0 &&
		    (ids->text[i][len] == '\0' || len == 10))
			return i;
	}
	assert_true(ids->count < IDS_MAX && len < ID_SIZE);
	memcpy(ids->text[ids->count], text, len);
	return ids->count++;
}

static const char hex_digits[] = "0123456789abcdef";
static const char base58_digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** The length of an id or address that begins here, 0: none does. */
static size_t id_length(const char *at)
{
	/* Ten digits: how an outpoint is spelt in an error. */
	static const char outpoint[] = "COutPoint(";
	if (strncmp(at - strlen(outpoint), outpoint, strlen(outpoint)) == 0)
		return strspn(at, hex_digits);
	if (at[-1] != '"' && at[-1] != ' ')
		return 0;
	const size_t hex = strspn(at, hex_digits);
	if (hex == 64 || hex == 40)
		return hex;
	const size_t base58 = strspn(at, base58_digits);
	if ((at[0] == 'm' || at[0] == 'n') && base58 == 34)
		return base58;
	return strncmp(at, "emrt1q", 6) == 0 ? strspn(at, "emrt1qpzry9x8gf2tvdw0s3jn54khce6mua7l")
					     : 0;
}

/** What a member's number may not be compared by: times and the balance. */
static bool is_free_number(const char *text, const char *at)
{
	static const char *const members[] = { "\"time\":", "\"mediantime\":", "\"keypoololdest\":",
					       "\"birthtime\":", "\"balance\":" };
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const size_t len = strlen(members[i]);
		if ((size_t)(at - text) >= len && strncmp(at - len, members[i], len) == 0)
			return *at >= '0' && *at <= '9';
	}
	return false;
}

/** The chain's work and its target have the form of a hash and are none. */
static bool is_compared_hash(const char *text, const char *at)
{
	static const char *const members[] = { "\"chainwork\":\"", "\"target\":\"" };
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const size_t len = strlen(members[i]);
		if ((size_t)(at - text) >= len && strncmp(at - len, members[i], len) == 0)
			return true;
	}
	return false;
}

/** The text with everything that may differ replaced: ids by their numbers, digits of numbers by 9. */
static void reduce(const char *text, struct ids *ids, struct buf *out)
{
	enum { LEAST = 10 }; /* of what id_length() looks back at */
	for (const char *at = text; *at != '\0';) {
		const size_t id =
			at - text >= LEAST && !is_compared_hash(text, at) ? id_length(at) : 0;
		if (id > 0) {
			(void)buf_printf(out, "<%zu:%zu>", number_of(ids, at, id), id);
			at += id;
		} else if (is_free_number(text, at)) {
			/* Its places stay: an amount has six or eight. */
			const char *point = strchr(at, '.');
			const size_t whole = strspn(at, "0123456789");
			const size_t places =
				point == at + whole ? strspn(point + 1, "0123456789") : 0;
			(void)buf_printf(out, "<number.%zu>", places);
			at += whole + (places > 0 ? 1 + places : 0);
		} else {
			(void)buf_putc(out, *at++);
		}
	}
}

/* ---- one step ---- */

struct run {
	struct chain_node *node;
	struct ids recorded, given;
};

/** An address of the wallet itself that was made outside the record: the fake makes one too. */
static void make_address(struct run *run, const char *recorded, size_t len)
{
	bool failed = true;
	char *text = chain_node_call(run->node, "getnewaddress", NULL, &failed);
	assert_false(failed);
	(void)number_of(&run->recorded, recorded, len);
	(void)number_of(&run->given, text + 1, strlen(text) - 2);
	free(text);
}

/** The request with the recorded ids replaced by the fake's. */
static void translate(struct run *run, const char *request, struct buf *out)
{
	static const char outside[] = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8";
	for (const char *at = request; *at != '\0';) {
		const size_t id = at - request >= 10 ? id_length(at) : 0;
		const size_t known = run->recorded.count;
		if (id == 0 || strncmp(at, outside, id) == 0) {
			(void)buf_putc(out, *at++);
			continue;
		}
		struct ids look = run->recorded;
		const size_t number = number_of(&look, at, id);
		if (number == known)
			make_address(run, at, id);
		(void)buf_puts(out, run->given.text[number]);
		at += id;
	}
}

static void mine_to(struct run *run, const struct step *step)
{
	char vout[32];
	const int64_t now = chain_node_height(run->node);
	assert_true(now <= step->height);
	assert_true(chain_node_mine(run->node, (unsigned int)(step->height - now)));
	(void)snprintf(vout, sizeof(vout), "{\"vout\":%u}", step->vout);
	assert_true(chain_node_set(run->node, vout));
}

static void play(struct run *run, const struct step *step, const json_t *line)
{
	CLEANUP(buf_done) struct buf request = BUF_INIT(TEXT_MAX);
	CLEANUP(buf_done) struct buf want = BUF_INIT(TEXT_MAX);
	CLEANUP(buf_done) struct buf got = BUF_INIT(TEXT_MAX);
	struct chain_exchange answer;
	assert_string_equal(step->name, json_string_value(json_object_get(line, "step")));
	mine_to(run, step);
	translate(run, json_string_value(json_object_get(line, "request")), &request);
	if (!chain_exchange(chain_node_port(run->node), NULL, "u:p", buf_text(&request), &answer))
		fail_msg("%s: no answer", step->name);
	/* The record leaves the line end out. */
	if (answer.body.len > 0 && answer.body.data[answer.body.len - 1] == '\n')
		answer.body.data[answer.body.len - 1] = '\0';
	reduce(json_string_value(json_object_get(line, "response")), &run->recorded, &want);
	reduce(buf_text(&answer.body), &run->given, &got);
	if (strcmp(buf_text(&want), buf_text(&got)) != 0)
		fail_msg("%s:\nwant %s\ngot  %s", step->name, buf_text(&want), buf_text(&got));
	const long status = (long)json_integer_value(json_object_get(line, "status"));
	if (status != answer.status || !answer.complete)
		fail_msg("%s: status %d, not %ld", step->name, answer.status, status);
	const char *type = json_string_value(json_object_get(line, "content_type"));
	if (strcmp(type, answer.content_type) != 0)
		fail_msg("%s: content type '%s', not '%s'", step->name, answer.content_type, type);
	chain_exchange_done(&answer);
	print_message("ok   %s\n", step->name);
}

static void play_all(enum chain_kind kind, const char *file, const struct step *steps, size_t count)
{
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/vectors/transcripts/%s",
		       secure_getenv("TEST_SOURCE_DIR"), file);
	FILE *in = fopen(path, "re");
	assert_non_null(in);
	const struct chain_node_options options = { .kind = kind, .login = "u:p" };
	struct run *run = calloc(1, sizeof(*run));
	assert_non_null(run);
	run->node = chain_node_start(&options);
	assert_non_null(run->node);
	size_t played = 0;
	char *text = NULL;
	size_t size = 0;
	while (getline(&text, &size, in) > 0) {
		json_t *line = json_loads(text, 0, NULL);
		assert_non_null(line);
		assert_true(played < count);
		play(run, &steps[played++], line);
		json_decref(line);
	}
	assert_int_equal(played, count);
	assert_int_equal(chain_node_violations(run->node), 0);
	free(text);
	(void)fclose(in);
	chain_node_stop(run->node);
	free(run);
}

static void the_recorded_life_on_emercoin(void **state)
{
	(void)state;
	play_all(CHAIN_EMERCOIN, "emercoin.jsonl", emercoin_steps,
		 sizeof(emercoin_steps) / sizeof(emercoin_steps[0]));
}

static void the_recorded_life_on_namecoin(void **state)
{
	(void)state;
	play_all(CHAIN_NAMECOIN, "namecoin.jsonl", namecoin_steps,
		 sizeof(namecoin_steps) / sizeof(namecoin_steps[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_recorded_life_on_emercoin),
		cmocka_unit_test(the_recorded_life_on_namecoin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
