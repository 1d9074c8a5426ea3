/* Everything put together; the administrative verbs; the loop. */
#include "agent/agent.h"

#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/authorize.h"
#include "agent/keep.h"
#include "agent/refresh.h"
#include "agent/server.h"
#include "agent/watch.h"
#include "nvs/nvs.h"

enum {
	SEND_BUDGET_MS = 1, /* a turn spends at most this much on sending questions */
	STOP_MS = 5000,     /* who waits when SIGTERM comes is answered within this */
	IDLE_MS = 60 * 1000,
	RETRY_MS = 5000, /* after a reload that failed for want of disk, memory or descriptors */
};

struct agent {
	struct agent_options options;
	struct loop *loop;
	struct server *server;
	struct lists *lists;
	struct nvs *nvs;
	struct questions *questions;
	struct authorize *authorize;
	struct keep *keep;
	struct refresh *refresh;
	struct watch *watch;
	struct loop_source signals;
	int64_t started_ms;
	int64_t stop_ms;        /* 0: not yet */
	int64_t retry_ms;       /* of the reload; 0: not needed */
	enum iotpki_err broken; /* cannot go on */
};

static int64_t now_ms(const struct agent *agent)
{
	return agent->options.clock->mono_ms(agent->options.clock);
}

/* ---- questions to the NVS client ---- */

static enum iotpki_err ask(void *nvs, const char *name, nvs_answer_fn *answer, void *context,
			   struct nvs_question **question_out)
{
	return nvs_ask(nvs, name, answer, context, question_out);
}

static void cancel(void *nvs, struct nvs_question *question)
{
	nvs_cancel(nvs, question);
}

static enum iotpki_err ask_many(void *nvs, const char *const *names, size_t name_count,
				int64_t timeout_ms, nvs_many_fn *answer, void *context,
				struct nvs_question **question_out)
{
	return nvs_ask_many(nvs, names, name_count, timeout_ms, answer, context, question_out);
}

static struct refresh_nvs refresh_nvs(struct nvs *nvs)
{
	return (struct refresh_nvs){ ask_many, cancel, nvs };
}

/* Those who waited were answered before: what is learnt of the answers delays nobody. */
static bool judge(void *context, const struct questions_view *view, bool waited)
{
	struct agent *agent = context;
	keep_learn(agent->keep, view);
	return authorize_judge(agent->authorize, view, waited);
}

/* A node that rests is needed where one of the others rolled back, or is of the past. */
static int64_t mark(void *context, struct iotpki_answer *answers, size_t count)
{
	const struct agent *agent = context;
	const struct state *state = keep_state(agent->keep);
	for (size_t i = 0; i < count; i++)
		answers[i].rolled_back = state_is_rolled_back(state, i, &answers[i]);
	return state_time_floor(state);
}

static void listen_for_proofs(const struct agent *agent)
{
	const struct nvs_listener listener = { keep_proof, agent->keep };
	nvs_listen(agent->nvs, &listener);
}

static struct questions_options questions_options(const struct agent *agent, struct nvs *nvs)
{
	const struct config *config = lists_config(agent->lists);
	return (struct questions_options){ .nvs = { ask, cancel, nvs },
					   .clock = agent->options.clock,
					   .node_count = config->node_count,
					   .needed = config->needed,
					   .positive_ttl_ms = config->positive_ttl_ms,
					   .judge = judge,
					   .context = (void *)(uintptr_t)agent };
}

/* ---- configuration and list ---- */

static void set_access(struct agent *agent)
{
	const struct config *config = lists_config(agent->lists);
	struct access access = { .admin = agent->options.admin, .helper = agent->options.helper };
	for (size_t i = 0; i < config->allow_user_count; i++) {
		const struct passwd *user = getpwnam(config->allow_users[i]);
		if (user != NULL)
			access.allowed[access.allowed_count++] = user->pw_uid;
		else
			log_write(LOG_LEVEL_WARNING,
				  "event=no-such-user user=%s key=agent.allow_users",
				  config->allow_users[i]);
	}
	server_set_access(agent->server, &access);
}

static void warn(void *context, const char *warning)
{
	struct log_line line;
	(void)context;
	log_line_start(&line);
	log_line_text(&line, "event", "config-warning", 32);
	log_line_text(&line, "text", warning, 512);
	log_write(LOG_LEVEL_WARNING, "%s", line.text);
}

static enum iotpki_err renew_nodes(struct agent *agent)
{
	struct nvs *nvs = NULL;
	enum iotpki_err err = nvs_new(lists_config(agent->lists), agent->options.clock,
				      agent->options.random, &nvs);
	if (err != IOTPKI_OK)
		return err;
	nvs_set_mark(nvs, mark, agent);
	const struct questions_options options = questions_options(agent, nvs);
	err = questions_configure(agent->questions, &options);
	const struct refresh_nvs many = refresh_nvs(nvs);
	refresh_configure(agent->refresh, &many);
	nvs_free(agent->nvs);
	agent->nvs = nvs;
	keep_configure(agent->keep);
	listen_for_proofs(agent);
	set_access(agent);
	config_warnings(lists_config(agent->lists), warn, agent);
	return err;
}

static void log_reload(const struct agent *agent, enum iotpki_err err,
		       const struct iotpki_detail *detail, const struct lists_change *change)
{
	char why[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "event", err == IOTPKI_OK ? "reloaded" : "reload-failed", 32);
	log_line_text(&line, "config", change->config ? "new" : "as before", 32);
	log_line_text(&line, "list", change->list ? "new" : "as before", 32);
	log_line_int(&line, "generation", (int64_t)lists_generation(agent->lists));
	if (err != IOTPKI_OK) {
		iotpki_err_detail(err, detail, why, sizeof(why));
		log_line_text(&line, "error", why, sizeof(why));
	}
	log_write(err == IOTPKI_OK ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "%s", line.text);
}

/* A full disk or no free descriptor is no fault of the list, and no edit will come when it has passed. */
static void retry_later(struct agent *agent, enum iotpki_err err)
{
	const bool passes = err == IOTPKI_ERR_IO || err == IOTPKI_ERR_NOMEM;
	agent->retry_ms = passes ? now_ms(agent) + RETRY_MS : 0;
}

static enum iotpki_err reload(struct agent *agent, struct iotpki_detail *detail)
{
	struct lists_change change;
	const enum iotpki_err err = lists_reload(agent->lists, &change, detail);
	questions_drop(agent->questions, NULL);
	retry_later(agent, err);
	if (change.config) {
		agent->broken = renew_nodes(agent);
		if (agent->broken != IOTPKI_OK)
			log_write(LOG_LEVEL_ERROR, "event=stop error=\"%s\"",
				  iotpki_strerror(agent->broken));
	}
	if (change.config || change.list || err != IOTPKI_OK)
		log_reload(agent, err, detail, &change);
	/* What the old generation held goes back to the system. */
	if (change.list)
		(void)malloc_trim(0);
	return err;
}

/* ---- verbs ---- */

static void answer(void *context, uint64_t connection, const struct frame_answer *frame)
{
	struct agent *agent = context;
	server_answer(agent->server, connection, frame);
}

static void answer_ok(struct agent *agent, uint64_t id)
{
	struct frame_answer frame;
	frame_answer_start(&frame, FRAME_SAY_OK);
	server_answer(agent->server, id, &frame);
}

static void answer_error(struct agent *agent, uint64_t id, enum iotpki_err err,
			 const struct iotpki_detail *detail)
{
	char why[IOTPKI_DETAIL_WHERE_MAX + IOTPKI_DETAIL_MESSAGE_MAX + 32];
	struct frame_answer frame;
	iotpki_err_detail(err, detail, why, sizeof(why));
	frame_answer_error(&frame, why);
	server_answer(agent->server, id, &frame);
}

static size_t member_count(const struct agent *agent)
{
	const struct membership *list = lists_membership(agent->lists);
	return list == NULL ? 0 : membership_count(list);
}

static void do_authorize(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	authorize_request(agent->authorize, id, request);
}

static void do_later(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	struct frame_answer frame;
	(void)request;
	frame_answer_error(&frame, "this verb is not in this release");
	server_answer(agent->server, id, &frame);
}

static void do_refresh(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	struct frame_answer frame;
	(void)request;
	frame_answer_start(&frame, FRAME_SAY_OK);
	frame_answer_int(&frame, "members", (int64_t)refresh_start(agent->refresh));
	frame_answer_int(&frame, "run", (int64_t)refresh_progress(agent->refresh).run);
	server_answer(agent->server, id, &frame);
}

static void do_reload(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	struct iotpki_detail detail = { 0 };
	struct frame_answer frame;
	(void)request;
	const enum iotpki_err err = reload(agent, &detail);
	if (err != IOTPKI_OK) {
		answer_error(agent, id, err, &detail);
		return;
	}
	frame_answer_start(&frame, FRAME_SAY_OK);
	frame_answer_int(&frame, "members", (int64_t)member_count(agent));
	frame_answer_int(&frame, "generation", (int64_t)lists_generation(agent->lists));
	server_answer(agent->server, id, &frame);
}

static void do_purge(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	(void)request;
	questions_drop(agent->questions, NULL);
	nvs_forget(agent->nvs);
	authorize_forget(agent->authorize);
	log_write(LOG_LEVEL_NOTICE, "event=purged");
	answer_ok(agent, id);
}

static void do_deny(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	const char *name = request->values[FRAME_NAME];
	const enum iotpki_err err = lists_deny(agent->lists, name);
	struct log_line line;
	questions_drop(agent->questions, name);
	if (err != IOTPKI_OK) {
		answer_error(agent, id, err, NULL);
		return;
	}
	log_line_start(&line);
	log_line_text(&line, "event", "denied-by-verb", 32);
	log_line_text(&line, "name", name, IOTPKI_NAME_MAX);
	log_write(LOG_LEVEL_NOTICE, "%s", line.text);
	answer_ok(agent, id);
}

static void do_reset_floors(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	struct iotpki_detail detail = { 0 };
	(void)request;
	const enum iotpki_err err = keep_reset_floors(agent->keep, &detail);
	questions_drop(agent->questions, NULL);
	log_write(LOG_LEVEL_WARNING, "event=floors-reset");
	if (err == IOTPKI_OK)
		answer_ok(agent, id);
	else
		answer_error(agent, id, err, &detail);
}

/* "NAME=HEIGHT NAME=HEIGHT": below it a node's answers are of the past (for iotpki bnode test). */
static void put_heights(const struct agent *agent, struct frame_answer *frame)
{
	const struct config *config = lists_config(agent->lists);
	const int64_t now_s = agent->options.clock->now_s(agent->options.clock);
	CLEANUP(buf_done) struct buf text = BUF_INIT(IOTPKI_NODES_MAX * (CONFIG_WORD_MAX + 32));
	for (size_t i = 0; i < config->node_count; i++)
		(void)buf_printf(
			&text, "%s%s=%llu", i == 0 ? "" : " ", config->nodes[i].name,
			(unsigned long long)state_height_floor(keep_state(agent->keep), i, now_s));
	frame_answer_text(frame, "heights", buf_text(&text));
}

static void do_status(struct agent *agent, uint64_t id, const struct frame_request *request)
{
	const struct authorize_counts counts = authorize_counts(agent->authorize);
	const struct refresh_progress refresh = refresh_progress(agent->refresh);
	const struct {
		const char *key;
		int64_t value;
	} rows[] = {
		{ "members", (int64_t)member_count(agent) },
		{ "bnodes", (int64_t)lists_config(agent->lists)->node_count },
		{ "bnodes-silent", (int64_t)nvs_resting(agent->nvs) },
		{ "generation", (int64_t)lists_generation(agent->lists) },
		{ "admitted", (int64_t)counts.admitted },
		{ "denied", (int64_t)counts.denied },
		{ "unavailable", (int64_t)counts.unavailable },
		{ "waiting", (int64_t)counts.waiting },
		{ "questions", (int64_t)questions_in_flight(agent->questions) },
		{ "connections", (int64_t)server_connections(agent->server) },
		{ "refused", (int64_t)server_refused(agent->server) },
		{ "refresh-run", (int64_t)refresh.run },
		{ "refresh-members", (int64_t)refresh.members },
		{ "refresh-admitted", (int64_t)refresh.verdicts[IOTPKI_ADMIT] },
		{ "refresh-denied", (int64_t)refresh.verdicts[IOTPKI_DENY] },
		{ "refresh-unavailable", (int64_t)refresh.verdicts[IOTPKI_UNAVAILABLE] },
		{ "time-floor", state_time_floor(keep_state(agent->keep)) },
		{ "tombstones", (int64_t)state_tombstones(keep_state(agent->keep)) },
		{ "uptime-s", (now_ms(agent) - agent->started_ms) / 1000 },
	};
	struct frame_answer frame;
	(void)request;
	frame_answer_start(&frame, FRAME_SAY_OK);
	frame_answer_text(&frame, "version", iotpki_version());
	frame_answer_text(
		&frame, "state",
		state_condition_name(state_condition(keep_state(agent->keep), NULL, NULL)));
	frame_answer_text(&frame, "list-valid", lists_valid(agent->lists) ? "yes" : "no");
	frame_answer_text(&frame, "refresh", refresh.running ? "running" : "idle");
	put_heights(agent, &frame);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		frame_answer_int(&frame, rows[i].key, rows[i].value);
	server_answer(agent->server, id, &frame);
}

static void request(void *context, uint64_t id, const struct frame_request *frame)
{
	static void (*const verbs[FRAME_VERB_COUNT])(struct agent *, uint64_t,
						     const struct frame_request *) = {
		[FRAME_AUTHORIZE_KEY] = do_authorize,
		[FRAME_AUTHORIZE_USER] = do_authorize,
		[FRAME_AUTHORIZE_CERT] = do_later,
		[FRAME_PROVED] = do_later,
		[FRAME_CHECK_PROOF] = do_later,
		[FRAME_HOST_KEYS] = do_later,
		[FRAME_EXPLAIN] = do_authorize,
		[FRAME_REFRESH] = do_refresh,
		[FRAME_RELOAD] = do_reload,
		[FRAME_PURGE] = do_purge,
		[FRAME_DENY] = do_deny,
		[FRAME_STATUS] = do_status,
		[FRAME_RESET_FLOORS] = do_reset_floors,
	};
	verbs[frame->verb](context, id, frame);
}

/* ---- signals and the loop ---- */

static void begin_stop(struct agent *agent)
{
	if (agent->stop_ms != 0)
		return;
	log_write(LOG_LEVEL_NOTICE, "event=stopping");
	server_stop_listening(agent->server);
	agent->stop_ms = now_ms(agent) + STOP_MS;
}

static void signal_ready(void *context, uint32_t events)
{
	struct agent *agent = context;
	struct signalfd_siginfo info;
	(void)events;
	while (read(agent->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGHUP) {
			begin_stop(agent);
			continue;
		}
		struct iotpki_detail detail = { 0 };
		agent_log_reopen(agent->options.log);
		(void)!reload(agent, &detail);
	}
}

static enum iotpki_err open_signals(struct agent *agent)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return IOTPKI_ERR_IO;
	agent->signals = (struct loop_source){ fd, signal_ready, agent };
	return loop_add(agent->loop, &agent->signals);
}

static enum iotpki_err open_parts(struct agent *agent)
{
	uint64_t first_id = 0;
	enum iotpki_err err =
		agent->options.random->fill(agent->options.random, &first_id, sizeof(first_id));
	const struct server_options server = { agent->loop, agent->options.clock,
					       agent->options.listen_fd, request, agent };
	if (err == IOTPKI_OK)
		err = server_new(&server, &agent->server);
	if (err == IOTPKI_OK)
		err = nvs_new(lists_config(agent->lists), agent->options.clock,
			      agent->options.random, &agent->nvs);
	const struct keep_options keep = { agent->lists, agent->options.clock,
					   agent->options.state_dir };
	if (err == IOTPKI_OK)
		err = keep_new(&keep, &agent->keep);
	if (err == IOTPKI_OK)
		nvs_set_mark(agent->nvs, mark, agent);
	if (err != IOTPKI_OK)
		return err;
	listen_for_proofs(agent);
	const struct authorize_options authorize = { .lists = agent->lists,
						     .clock = agent->options.clock,
						     .state = keep_state(agent->keep),
						     .log = agent->options.log,
						     .first_id = first_id,
						     .answer = answer,
						     .context = agent };
	if (err == IOTPKI_OK)
		err = authorize_new(&authorize, &agent->authorize);
	if (err != IOTPKI_OK)
		return err;
	const struct questions_options questions = questions_options(agent, agent->nvs);
	err = questions_new(&questions, &agent->questions);
	if (err != IOTPKI_OK)
		return err;
	authorize_set_questions(agent->authorize, agent->questions);
	const struct refresh_options refresh = { { agent->lists, agent->options.clock,
						   keep_state(agent->keep) },
						 agent->options.random,
						 refresh_nvs(agent->nvs),
						 agent->questions,
						 authorize_known(agent->authorize) };
	return refresh_new(&refresh, &agent->refresh);
}

enum iotpki_err agent_new(const struct agent_options *options, struct agent **agent_out,
			  struct iotpki_detail *detail)
{
	*agent_out = NULL;
	CLEANUP(agent_freep) struct agent *agent = calloc(1, sizeof(*agent));
	if (agent == NULL)
		return IOTPKI_ERR_NOMEM;
	agent->options = *options;
	agent->signals.fd = -1;
	agent->started_ms = now_ms(agent);
	const struct lists_options lists = { options->config_path, options->state_dir,
					     options->trust };
	enum iotpki_err err = lists_new(&lists, &agent->lists);
	if (err == IOTPKI_OK)
		err = lists_start(agent->lists, detail);
	if (err == IOTPKI_OK)
		err = loop_new(&agent->loop);
	if (err == IOTPKI_OK)
		err = open_signals(agent);
	if (err == IOTPKI_OK)
		err = open_parts(agent);
	if (err != IOTPKI_OK)
		return err;
	if (watch_new(agent->loop, options->clock, lists_folder(agent->lists), &agent->watch) !=
	    IOTPKI_OK)
		log_write(LOG_LEVEL_WARNING, "event=no-watch text=\"edits need a reload\"");
	set_access(agent);
	config_warnings(lists_config(agent->lists), warn, agent);
	if (!lists_valid(agent->lists))
		agent->retry_ms = now_ms(agent) + RETRY_MS;
	*agent_out = STEAL(agent);
	return IOTPKI_OK;
}

void agent_free(struct agent *agent)
{
	if (agent == NULL)
		return;
	watch_free(agent->watch);
	refresh_free(agent->refresh);
	authorize_free(agent->authorize);
	questions_free(agent->questions);
	keep_free(agent->keep);
	nvs_free(agent->nvs);
	server_free(agent->server);
	fs_close(&agent->signals.fd);
	loop_free(agent->loop);
	lists_free(agent->lists);
	free(agent);
}

void agent_freep(struct agent **agent)
{
	agent_free(*agent);
	*agent = NULL;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

/* All that is due; returns how long there is nothing to do. */
static int64_t work(struct agent *agent)
{
	int64_t wait_ms = IDLE_MS;
	const bool retry = agent->retry_ms != 0 && now_ms(agent) >= agent->retry_ms;
	const bool edited = agent->watch != NULL && watch_due(agent->watch) == 0;
	if (edited)
		watch_reset(agent->watch);
	if (edited || retry) {
		struct iotpki_detail detail = { 0 };
		(void)!reload(agent, &detail);
	}
	if (agent->broken != IOTPKI_OK)
		return 0;
	wait_ms = earlier(wait_ms, server_expire(agent->server));
	wait_ms = earlier(wait_ms, authorize_expire(agent->authorize));
	if (agent->stop_ms == 0)
		wait_ms = earlier(wait_ms, refresh_work(agent->refresh));
	if (agent->watch != NULL)
		wait_ms = earlier(wait_ms, watch_due(agent->watch));
	if (agent->retry_ms != 0) {
		const int64_t left_ms = agent->retry_ms - now_ms(agent);
		wait_ms = earlier(wait_ms, left_ms > 0 ? left_ms : 0);
	}
	wait_ms = earlier(wait_ms, agent_log_flush(agent->options.log));
	wait_ms = earlier(wait_ms, keep_work(agent->keep));
	return questions_work(agent->questions, SEND_BUDGET_MS) ? 0 : wait_ms;
}

static bool is_stopped(const struct agent *agent)
{
	return agent->stop_ms != 0 &&
	       (authorize_counts(agent->authorize).waiting == 0 || now_ms(agent) >= agent->stop_ms);
}

enum iotpki_err agent_run(struct agent *agent)
{
	while (!is_stopped(agent)) {
		const int64_t wait_ms = work(agent);
		if (agent->broken != IOTPKI_OK)
			return agent->broken;
		if (is_stopped(agent))
			break;
		const enum iotpki_err err =
			nvs_poll(agent->nvs, loop_fd(agent->loop), (int)wait_ms);
		if (err != IOTPKI_OK) {
			/* Without the client nothing can be asked, yet misses and denials still count. */
			struct pollfd ready = { .fd = loop_fd(agent->loop), .events = POLLIN };
			(void)poll(&ready, 1, 100);
		}
		loop_dispatch(agent->loop);
	}
	log_write(LOG_LEVEL_NOTICE, "event=stopped");
	return IOTPKI_OK;
}
