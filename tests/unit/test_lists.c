/* The last good list and configuration stay in force, over a restart too (design 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/lists.h"
#include "agent/snapshot.h"
#include "e2e/agent/agentkit.h"

static struct memberkit alice, bob;

struct stage {
	struct agentkit kit;
	struct lists_options options;
	struct lists *lists;
};

static void write_text(const struct stage *stage, const char *name, const char *text)
{
	char path[160];
	struct iotpki_detail detail = { 0 };
	(void)snprintf(path, sizeof(path), "%s/%s", stage->kit.folder, name);
	assert_int_equal(fs_write(path, text, strlen(text), 0640, false, &detail), IOTPKI_OK);
}

static void write_members(const struct stage *stage, const struct memberkit *one,
			  const struct memberkit *two)
{
	CLEANUP(buf_done) struct buf entries = BUF_INIT(1 << 20);
	if (one != NULL)
		agentkit_put_entry(one, &entries);
	if (two != NULL)
		agentkit_put_entry(two, &entries);
	agentkit_members(&stage->kit, buf_text(&entries));
}

static void start(struct stage *stage)
{
	struct iotpki_detail detail = { 0 };
	lists_free(stage->lists);
	assert_int_equal(lists_new(&stage->options, &stage->lists), IOTPKI_OK);
	if (lists_start(stage->lists, &detail) != IOTPKI_OK)
		fail_msg("%s: %s", detail.where, detail.message);
}

static enum iotpki_err reload(struct stage *stage, struct lists_change *change,
			      struct iotpki_detail *detail)
{
	*detail = (struct iotpki_detail){ 0 };
	return lists_reload(stage->lists, change, detail);
}

static bool has(const struct stage *stage, const struct memberkit *member)
{
	return lists_member(stage->lists, member->name) != NULL;
}

static int setup(void **state)
{
	static struct stage stage;
	static const struct config_node node = { .name = "home", .url = "http://127.0.0.1:9/" };
	stage = (struct stage){ 0 };
	agentkit_init(&stage.kit, "");
	agentkit_config(&stage.kit, &node, 1, "");
	write_members(&stage, &alice, NULL);
	if (mkdir(stage.kit.state, 0700) != 0)
		return 1;
	stage.options = (struct lists_options){ stage.kit.config,
						stage.kit.state,
						{ geteuid(), true, 0022 } };
	*state = &stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;
	char path[160];
	lists_free(stage->lists);
	static const char *const folders[] = { "state/members.accepted",
					       "state/members.accepted.old", "state/members.new",
					       "." };
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", stage->kit.folder, folders[i]);
		snapshot_remove(path);
	}
	agentkit_remove(&stage->kit);
	return 0;
}

static void a_good_list(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	start(stage);
	assert_true(lists_valid(stage->lists) && has(stage, &alice) && !has(stage, &bob));
	assert_int_equal(lists_generation(stage->lists), 1);
	assert_int_equal(lists_config(stage->lists)->node_count, 1);
	assert_string_equal(lists_folder(stage->lists), stage->kit.folder);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_false(change.list || change.config);
	write_members(stage, &alice, &bob);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_true(change.list && has(stage, &bob));
	assert_int_equal(lists_generation(stage->lists), 2);
}

/* A generation that somebody still holds outlives the reload. */
static void generations_are_immutable(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	start(stage);
	CLEANUP(membership_unrefp)
	struct membership *old = membership_ref(lists_membership(stage->lists));
	write_members(stage, &bob, NULL);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_false(has(stage, &alice));
	assert_non_null(membership_by_name(old, alice.name));
}

static void the_last_good_list_stays(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	start(stage);
	write_text(stage, "members.yaml", "version: 1\nmembers: [\n");
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_SYNTAX);
	assert_string_equal(detail.where, stage->kit.members); /* not our copy's name */
	assert_true(detail.line > 0);
	assert_false(change.list || lists_valid(stage->lists));
	assert_true(has(stage, &alice));

	/* Over a restart, */
	start(stage);
	assert_false(lists_valid(stage->lists));
	assert_true(has(stage, &alice));
	/* with the file gone, */
	(void)unlink(stage->kit.members);
	start(stage);
	assert_true(has(stage, &alice) && !lists_valid(stage->lists));
	/* until it is good again, the same or another. */
	write_members(stage, &alice, NULL);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_true(lists_valid(stage->lists) && change.list);
	write_members(stage, &bob, NULL);
	start(stage);
	assert_true(has(stage, &bob) && lists_valid(stage->lists));
}

static void no_list_at_all_is_nobody(void **state)
{
	struct stage *stage = *state;
	(void)unlink(stage->kit.members);
	start(stage);
	assert_null(lists_membership(stage->lists));
	assert_false(lists_valid(stage->lists) || has(stage, &alice));
}

static void who_owns_the_file(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	start(stage);
	write_members(stage, &bob, NULL);
	assert_int_equal(chmod(stage->kit.members, 0666), 0);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_PERMISSION);
	assert_true(has(stage, &alice) && !has(stage, &bob));
}

/* Whoever can write in members.d could put an old file of root's back there. */
static void who_may_write_the_folder(void **state)
{
	struct stage *stage = *state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 20);
	struct lists_change change;
	struct iotpki_detail detail;
	char folder[160], moved[160];
	(void)snprintf(folder, sizeof(folder), "%s/members.d", stage->kit.folder);
	(void)snprintf(moved, sizeof(moved), "%s/elsewhere", stage->kit.folder);
	start(stage);
	assert_int_equal(mkdir(folder, 0755), 0);
	(void)buf_puts(&text, "version: 1\nmembers:\n");
	agentkit_put_entry(&bob, &text);
	write_text(stage, "members.d/more.yaml", buf_text(&text));
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_PERMISSION);
	assert_string_equal(detail.where, folder);
	assert_true(has(stage, &alice) && !has(stage, &bob));
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(rename(folder, moved), 0);
	assert_int_equal(symlink(moved, folder), 0);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_PERMISSION);
	assert_false(has(stage, &bob));
	assert_int_equal(unlink(folder), 0);
	assert_int_equal(rename(moved, folder), 0);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_true(has(stage, &bob));
	/* What was accepted is not believed any more either once its folder is not. */
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_PERMISSION);
	assert_false(lists_valid(stage->lists));
}

/* Half of one version and half of the next is nobody's list. */
static void written_while_it_is_copied(void **state)
{
	struct stage *stage = *state;
	struct iotpki_detail detail = { 0 };
	char fresh[SNAPSHOT_PATH_MAX];
	assert_int_equal(snapshot_path(fresh, stage->kit.state, "members.new"), IOTPKI_OK);
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const int fd = open(stage->kit.members, O_WRONLY | O_APPEND | O_CLOEXEC);
		for (size_t i = 0; fd >= 0 && i < 4000000; i++)
			if (write(fd, "\n", 1) != 1)
				break;
		_exit(0);
	}
	/* The writer runs while the copy waits for the disk; once would do on an idle machine. */
	enum iotpki_err err = IOTPKI_OK;
	for (int i = 0; i < 1000 && err == IOTPKI_OK; i++)
		err = snapshot_take(stage->kit.folder, &stage->options.trust, fresh, &detail);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(err, IOTPKI_ERR_IO);
	assert_string_equal(detail.where, stage->kit.members);
}

/* What cannot be kept does not take effect; at a start it does, since the other choice is nobody. */
static void state_that_cannot_be_written(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	start(stage);
	char moved[160];
	(void)snprintf(moved, sizeof(moved), "%s.away", stage->kit.state);
	assert_int_equal(rename(stage->kit.state, moved), 0);
	write_members(stage, &bob, NULL);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_IO);
	assert_true(has(stage, &alice) && !has(stage, &bob));
	start(stage);
	assert_true(has(stage, &bob) && lists_valid(stage->lists));
	/* A reload that brings nothing new takes nothing away. */
	assert_int_equal(lists_deny(stage->lists, bob.name), IOTPKI_OK);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_true(!change.list && lists_valid(stage->lists));
	assert_true(lists_denied(stage->lists, bob.name));
	assert_int_equal(rename(moved, stage->kit.state), 0);
}

static void several_files(void **state)
{
	struct stage *stage = *state;
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 20);
	struct lists_change change;
	struct iotpki_detail detail;
	char folder[160];
	(void)snprintf(folder, sizeof(folder), "%s/members.d", stage->kit.folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	(void)buf_puts(&text, "version: 1\nmembers:\n");
	agentkit_put_entry(&bob, &text);
	write_text(stage, "members.d/more.yaml", buf_text(&text));
	write_text(stage, "members.d/.swap.yaml", "not a list");
	write_text(stage, "members.d/note.txt", "not a list");
	start(stage);
	assert_true(lists_valid(stage->lists) && has(stage, &alice) && has(stage, &bob));
	write_text(stage, "members.d/more.yaml", "version: 1\nmembers: {}\n");
	assert_int_not_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_non_null(strstr(detail.where, "/members.d/more.yaml"));
	assert_null(strstr(detail.where, "/state/"));
	assert_true(has(stage, &bob));
	static const char *const files[] = { "members.d/.swap.yaml", "members.d/note.txt" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(folder, sizeof(folder), "%s/%s", stage->kit.folder, files[i]);
		(void)unlink(folder);
	}
}

static void the_configuration(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	static const struct config_node node = { .name = "barn", .url = "http://127.0.0.1:9/" };
	start(stage);
	agentkit_config(&stage->kit, &node, 1, "policy: {positive_ttl: 2s}\n");
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_true(change.config && !change.list);
	assert_int_equal(lists_config(stage->lists)->positive_ttl_ms, 2000);
	/* A broken one stays out; the list beside it does not wait for it. */
	write_text(stage, "iotpki.yaml", "version: 1\nbnodes: x\n");
	write_members(stage, &bob, NULL);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_ERR_SYNTAX);
	assert_string_equal(detail.where, stage->kit.config);
	assert_true(!change.config && change.list && has(stage, &bob));
	assert_int_equal(lists_config(stage->lists)->positive_ttl_ms, 2000);
	/* A start needs a good one. */
	CLEANUP(lists_freep) struct lists *other = NULL;
	assert_int_equal(lists_new(&stage->options, &other), IOTPKI_OK);
	assert_int_equal(lists_start(other, &detail), IOTPKI_ERR_SYNTAX);
}

static void denied_by_verb(void **state)
{
	struct stage *stage = *state;
	struct lists_change change;
	struct iotpki_detail detail;
	char name[16];
	start(stage);
	assert_int_equal(lists_deny(stage->lists, "Not A Name"), IOTPKI_ERR_SYNTAX);
	assert_int_equal(lists_deny(stage->lists, alice.name), IOTPKI_OK);
	assert_int_equal(lists_deny(stage->lists, alice.name), IOTPKI_OK);
	assert_true(lists_denied(stage->lists, alice.name));
	assert_false(lists_denied(stage->lists, bob.name));
	/* A reload that changes nothing lifts nothing; another list speaks for itself. */
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_true(lists_denied(stage->lists, alice.name));
	for (size_t i = 1; i < LISTS_DENIED_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%zu", i);
		assert_int_equal(lists_deny(stage->lists, name), IOTPKI_OK);
	}
	assert_int_equal(lists_deny(stage->lists, bob.name), IOTPKI_ERR_LIMIT);
	write_members(stage, &alice, &bob);
	assert_int_equal(reload(stage, &change, &detail), IOTPKI_OK);
	assert_false(lists_denied(stage->lists, alice.name));
}

/* kill -9 between two renames: the whole old list is found again. */
static void crash_between_renames(void **state)
{
	struct stage *stage = *state;
	char current[SNAPSHOT_PATH_MAX], old[SNAPSHOT_PATH_MAX];
	start(stage);
	assert_int_equal(snapshot_path(current, stage->kit.state, "members.accepted"), IOTPKI_OK);
	assert_int_equal(snapshot_path(old, stage->kit.state, "members.accepted.old"), IOTPKI_OK);
	assert_true(snapshot_same(stage->kit.folder, &stage->options.trust, current));
	assert_int_equal(rename(current, old), 0);
	write_text(stage, "members.yaml", "broken");
	start(stage);
	assert_true(has(stage, &alice) && !lists_valid(stage->lists));
	/* A copy that was not finished is nobody's list. */
	struct iotpki_detail detail = { 0 };
	char fresh[SNAPSHOT_PATH_MAX];
	assert_int_equal(snapshot_path(fresh, stage->kit.state, "members.new"), IOTPKI_OK);
	write_members(stage, &bob, NULL);
	assert_int_equal(snapshot_take(stage->kit.folder, &stage->options.trust, fresh, &detail),
			 IOTPKI_OK);
	assert_false(snapshot_same(stage->kit.folder, &stage->options.trust, current));
	start(stage);
	assert_true(has(stage, &bob) && access(fresh, F_OK) != 0);
	assert_int_equal(snapshot_take(stage->kit.folder, &stage->options.trust, fresh, &detail),
			 IOTPKI_OK);
	assert_int_equal(snapshot_replace(fresh, current, &detail), IOTPKI_OK);
	assert_true(access(fresh, F_OK) != 0 && access(old, F_OK) != 0);
	snapshot_recover(current);
	assert_true(snapshot_same(stage->kit.folder, &stage->options.trust, current));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(a_good_list),
		ROW(generations_are_immutable),
		ROW(the_last_good_list_stays),
		ROW(no_list_at_all_is_nobody),
		ROW(who_owns_the_file),
		ROW(who_may_write_the_folder),
		ROW(written_while_it_is_copied),
		ROW(state_that_cannot_be_written),
		ROW(several_files),
		ROW(the_configuration),
		ROW(denied_by_verb),
		ROW(crash_between_renames),
	};
	agentkit_person(&alice, NULL);
	agentkit_person(&bob, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
