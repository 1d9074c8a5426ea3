/*
 * Bytes altered or cut on the way (TM-01) from an honest node, where no TLS would
 * notice it: every byte of both answers in every world, with several patterns, and
 * each cut. The one node is all there is (n = 1 of 1, the weakest case): nobody may be
 * admitted whom the truth does not admit, and who is admitted is so by the honest record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lies/tell.h"

enum { TEXT_MAX = 64 * 1024 };

static const uint8_t patterns[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20,
				    0x40, 0x80, 0x03, 0x11, 0x55, 0xff };

struct scene {
	enum config_node_type type;
	enum world world;
	char show[TEXT_MAX], history[TEXT_MAX];
	struct told honest;
	struct iotpki_answer truth;
	size_t answers, admits, wrong;
};

static void report(struct scene *scene, const struct told *told, enum peer peer, const char *what)
{
	if (scene->wrong++ >= 10)
		return;
	printf("wrong ADMIT: type %d, world %s, peer %d, %s:\n%.*s\n%.*s\n", (int)scene->type,
	       world_name(scene->world), (int)peer, what, (int)told->show_len, told->show,
	       (int)told->history_len, told->history);
}

static bool is_honest_record(const struct scene *scene, const struct iotpki_answer *answer)
{
	const struct iotpki_record *record = &answer->record, *truth = &scene->truth.record;
	return memcmp(record->sha256, truth->sha256, sizeof(record->sha256)) == 0 &&
	       record->has_ssh == truth->has_ssh && record->revoked == truth->revoked &&
	       memcmp(answer->registration, scene->truth.registration,
		      sizeof(answer->registration)) == 0;
}

static void judge(struct scene *scene, const struct told *told, const char *what)
{
	struct iotpki_answer answer = tell(scene->type, told);
	scene->answers++;
	for (int peer = 0; peer < PEERS; peer++) {
		struct iotpki_decide_input input = tell_input((enum peer)peer, POLICY_DEFAULT);
		struct iotpki_decision decision;
		input.needed = 1;
		input.answers = &answer;
		input.answer_count = 1;
		input.deadline = true;
		iotpki_decide(&input, &decision);
		if (decision.verdict != IOTPKI_ADMIT)
			continue;
		if (!tell_truth(scene->world, (enum peer)peer, POLICY_DEFAULT) ||
		    !is_honest_record(scene, &answer))
			report(scene, told, (enum peer)peer, what);
		scene->admits++;
	}
}

/* An exact copy, so that a sanitizer sees a byte read beyond it. */
static char *copy_of(const char *text, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	return copy;
}

static void flip_at(struct scene *scene, size_t at, uint8_t pattern, bool show, bool history)
{
	struct told told = scene->honest;
	char *first = copy_of(told.show, told.show_len);
	char *second = copy_of(told.history, told.history_len);
	char what[64];
	(void)snprintf(what, sizeof(what), "byte %zu ^ 0x%02x", at, pattern);
	if (show && at < told.show_len)
		first[at] = (char)(first[at] ^ pattern);
	if (history && at < told.history_len)
		second[at] = (char)(second[at] ^ pattern);
	told.show = first;
	told.history = second;
	judge(scene, &told, what);
	free(first);
	free(second);
}

static void flip_all(struct scene *scene)
{
	const size_t show = scene->honest.show_len, history = scene->honest.history_len;
	const size_t most = show > history ? show : history;
	for (size_t i = 0; i < sizeof(patterns); i++) {
		for (size_t at = 0; at < most; at++) {
			if (at < show)
				flip_at(scene, at, patterns[i], true, false);
			if (at < history)
				flip_at(scene, at, patterns[i], false, true);
			/* The same byte of each answer that passes. */
			if (at < show && at < history)
				flip_at(scene, at, patterns[i], true, true);
		}
	}
}

static void cut_all(struct scene *scene)
{
	struct told told = scene->honest;
	for (size_t at = 0; at < scene->honest.show_len; at++) {
		char *first = copy_of(scene->honest.show, at);
		told.show = first;
		told.show_len = at;
		judge(scene, &told, "the first answer cut");
		free(first);
	}
	told = scene->honest;
	for (size_t at = 0; at < scene->honest.history_len; at++) {
		char *second = copy_of(scene->honest.history, at);
		told.history = second;
		told.history_len = at;
		judge(scene, &told, "the second answer cut");
		free(second);
	}
}

static void put(struct buf *text, char out[static TEXT_MAX])
{
	if (buf_error(text) != IOTPKI_OK || text->len >= TEXT_MAX)
		abort();
	memcpy(out, text->data, text->len);
}

static void open_scene(struct scene *scene, enum config_node_type type, enum world world)
{
	CLEANUP(buf_done) struct buf show = BUF_INIT(TEXT_MAX);
	CLEANUP(buf_done) struct buf history = BUF_INIT(TEXT_MAX);
	scene->type = type;
	scene->world = world;
	world_show(type, world, WORLD_ID, "1795400000", &show);
	if (world_has_history(type, world))
		world_history(type, world, WORLD_ID, "1795400000", &history);
	else
		(void)buf_putc(&history, ' ');
	put(&show, scene->show);
	put(&history, scene->history);
	scene->honest = (struct told){ .status = 200,
				       .content_type = "application/json",
				       .show = scene->show,
				       .show_len = show.len,
				       .history = scene->history,
				       .history_len = history.len };
	scene->truth = tell(type, &scene->honest);
}

int main(void)
{
	static struct scene scene;
	for (int type = 0; type < WORLD_TYPES; type++) {
		for (int world = 0; world < WORLDS; world++) {
			if (!world_exists((enum config_node_type)type, (enum world)world))
				continue;
			open_scene(&scene, (enum config_node_type)type, (enum world)world);
			flip_all(&scene);
			cut_all(&scene);
		}
	}
	printf("rows: %zu answers with a byte altered or cut, wrong admits: %zu (%zu admits by an "
	       "honest record)\n",
	       scene.answers, scene.wrong, scene.admits - scene.wrong);
	return scene.wrong == 0 && scene.admits > 0 ? 0 : 1;
}
