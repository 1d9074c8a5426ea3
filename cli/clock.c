/*
 * iotpki clock: the time floor of this device (design 4, "Time"). Asks the agent; with the agent
 * dead it opens the agent's state itself, as that folder's owner and no more.
 */
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotpki/client.h>

#include "base/parse.h"
#include "cli/cli.h"
#include "state/state.h"

#define STATE_DIR "/var/lib/iotpki/state"

enum { PATH_LEN_MAX = 4096 };

static const struct cli_option show_options[] = {
	{ "state-dir", "FOLDER", "the agent's --state-dir (" STATE_DIR ")", false },
	{ 0 },
};

static const struct cli_option reset_options[] = {
	{ "state-dir", "FOLDER", "the agent's --state-dir (" STATE_DIR ")", false },
	{ "yes", NULL, "do not ask", false },
	{ 0 },
};

/* Root need not read and write as root what belongs to the agent. */
static bool become_owner(const char *dir)
{
	struct stat st;
	if (geteuid() != 0 || lstat(dir, &st) != 0 || st.st_uid == 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
	       setresuid(st.st_uid, st.st_uid, st.st_uid) == 0;
}

static enum cli_exit open_state(struct cli *cli, const struct cli_arguments *arguments,
				struct state **state_out)
{
	const char *folder = cli_value(arguments, "state-dir");
	char dir[PATH_LEN_MAX];
	const int len = snprintf(dir, sizeof(dir), "%s/state", folder != NULL ? folder : STATE_DIR);
	if (len < 0 || (size_t)len >= sizeof(dir))
		return cli_error(cli, CLI_USAGE, "--state-dir is too long");
	if (!become_owner(dir))
		return cli_error(cli, CLI_PERMISSION, "cannot become the owner of %s", dir);
	const struct state_options options = {
		.dir = dir, .clock = cli->clock, .build_s = CLOCK_BUILD_TIME_S, .existing = true
	};
	const enum iotpki_err err = state_new(&options, state_out);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, NULL);
}

/* No state at all is a floor, too: the build time. All else that is not good is said. */
static enum cli_exit judge_state(struct cli *cli, const struct state *state, bool *none_out)
{
	struct iotpki_detail why;
	enum iotpki_err err = IOTPKI_OK;
	*none_out = false;
	if (state_condition(state, &err, &why) == STATE_GOOD)
		return CLI_OK;
	*none_out = err == IOTPKI_ERR_NOT_FOUND;
	if (*none_out)
		return CLI_OK;
	if (err == IOTPKI_ERR_EXISTS)
		return cli_error(cli, CLI_UNAVAILABLE,
				 "the agent has its state open and does not answer at %s: see "
				 "--socket, or stop it",
				 cli->socket_path != NULL ? cli->socket_path
							  : IOTPKI_CLIENT_SOCKET);
	return cli_fail(cli, err, &why);
}

static enum cli_exit tell(struct cli *cli, int64_t floor_s, int64_t tombstones,
			  const char *condition)
{
	char floor[TIME_TEXT_SIZE], clock[TIME_TEXT_SIZE], build[TIME_TEXT_SIZE];
	const int64_t now_s = cli->clock->now_s(cli->clock);
	time_format(floor_s, floor);
	time_format(now_s, clock);
	time_format(CLOCK_BUILD_TIME_S, build);
	cli_print(cli, "%-12s %s%s", "floor", floor,
		  floor_s > now_s ? "  (the system clock is behind it)" : "");
	cli_print(cli, "%-12s %s", "clock", clock);
	cli_print(cli, "%-12s %s", "build time", build);
	cli_print(cli, "%-12s %s", "state", condition);
	cli_print(cli, "%-12s %lld", "tombstones", (long long)tombstones);
	cli_result(cli,
		   json_pack("{s:I, s:I, s:I, s:s, s:I}", "floor", (json_int_t)floor_s, "clock",
			     (json_int_t)now_s, "build", (json_int_t)CLOCK_BUILD_TIME_S, "state",
			     condition, "tombstones", (json_int_t)tombstones));
	if (floor_s <= now_s)
		return CLI_OK;
	return cli_error(cli, CLI_STALE,
			 "the system clock is behind the floor: set it, or see iotpki clock "
			 "reset-floor");
}

static bool number_of(const struct iotpki_client_answer *answer, const char *key, int64_t *out)
{
	uint64_t number = 0;
	const char *text = iotpki_client_value(answer, key);
	if (text == NULL || !uint_parse(text, strlen(text), INT64_MAX, &number))
		return false;
	*out = (int64_t)number;
	return true;
}

static enum cli_exit show(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_client_answer answer;
	int64_t floor_s = 0, tombstones = 0;
	const char *condition = NULL;
	if (iotpki_client_ask(cli->socket_path, "status", NULL, 0, 0, &answer) ==
		    IOTPKI_CLIENT_OK &&
	    answer.word == IOTPKI_CLIENT_DONE && number_of(&answer, "time-floor", &floor_s) &&
	    number_of(&answer, "tombstones", &tombstones))
		condition = iotpki_client_value(&answer, "state");
	if (condition != NULL)
		return tell(cli, floor_s, tombstones, condition);
	CLEANUP(state_freep) struct state *state = NULL;
	bool none = false;
	enum cli_exit exit = open_state(cli, arguments, &state);
	if (exit == CLI_OK)
		exit = judge_state(cli, state, &none);
	if (exit != CLI_OK)
		return exit;
	return tell(cli, state_time_floor(state), (int64_t)state_tombstones(state),
		    none ? "none" : state_condition_name(state_condition(state, NULL, NULL)));
}

static enum cli_exit reset_file(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(state_freep) struct state *state = NULL;
	struct iotpki_detail detail = { 0 };
	bool none = false;
	enum cli_exit exit = open_state(cli, arguments, &state);
	if (exit == CLI_OK)
		exit = judge_state(cli, state, &none);
	if (exit != CLI_OK || none)
		return exit;
	state_reset_floors(state);
	const enum iotpki_err err = state_flush(state, &detail);
	return err == IOTPKI_OK ? CLI_OK : cli_fail(cli, err, &detail);
}

static enum cli_exit reset_floor(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_client_answer answer;
	if (!cli_confirm(cli, arguments,
			 "Names that have ended may be admitted again until B-nodes tell the time. "
			 "Reset the time floor and the B-nodes' heights?"))
		return CLI_USAGE;
	const enum iotpki_client_status status =
		iotpki_client_ask(cli->socket_path, "reset-floors", NULL, 0, 0, &answer);
	if (status == IOTPKI_CLIENT_OK && answer.word != IOTPKI_CLIENT_DONE) {
		const char *why = iotpki_client_value(&answer, "error");
		return cli_error(cli, geteuid() != 0 ? CLI_PERMISSION : CLI_INTERNAL,
				 "the agent refused: %s", why != NULL ? why : "no reason given");
	}
	const bool dead = status != IOTPKI_CLIENT_OK;
	const enum cli_exit exit = dead ? reset_file(cli, arguments) : CLI_OK;
	if (exit != CLI_OK)
		return exit;
	cli_say(cli, "time floor and heights begin anew%s",
		dead ? " (by its state: the agent does not answer)" : "");
	cli_result(cli, json_pack("{s:b}", "agent", !dead));
	return CLI_OK;
}

const struct cli_verb cli_clock_verbs[] = {
	{ "clock", "show", NULL, 0, 0, "show the time that is certainly over", show_options, show },
	{ "clock", "reset-floor", NULL, 0, 0, "take the time floor and the B-nodes' heights back",
	  reset_options, reset_floor },
	{ 0 },
};
