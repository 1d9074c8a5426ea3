/* Asking the upstream: names together, then histories where they are needed, and its tip. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bnode/gateway_parts.h"

enum { LOG_PAUSE_MS = 10000, LEAST_MS = 20, IDLE_MS = 500 };

/* One question about names. */
struct asking {
	struct gateway_upstream *upstream;
	struct asking *next;
	struct nvs_question *question;
	size_t count, answered;
	struct finding *findings[NVS_MANY_MAX];
};

/* One call: a history or the tip. */
struct calling {
	struct gateway_upstream *upstream;
	struct calling *next;
	struct nvs_call *call;
	struct finding *finding;
};

struct gateway_upstream {
	struct gateway *gateway;
	struct nvs *nvs;
	struct asking *askings;
	struct calling *callings;
	size_t asking_count, calling_count;
	struct finding_queue calls; /* that have to be made */
	bool watched;
	int64_t watched_ms;
	int64_t logged_ms; /* trouble with a name, 0: never */
	unsigned int unlogged;
};

static const struct config_node *node_of(const struct gateway_upstream *upstream)
{
	return &upstream->gateway->options.upstream;
}

static int64_t now_ms(const struct gateway *gateway)
{
	return gateway->clock->mono_ms(gateway->clock);
}

static int64_t now_s(const struct gateway *gateway)
{
	return gateway->clock->now_s(gateway->clock);
}

/* ---- what the operator should know ---- */

/* name is a valid one, or "". What the upstream wrote is never in it. */
static void log_trouble(struct gateway_upstream *upstream, const struct finding *finding,
			enum iotpki_outcome outcome, const char *problem)
{
	const int64_t ms = now_ms(upstream->gateway);
	if (upstream->logged_ms != 0 && ms - upstream->logged_ms < LOG_PAUSE_MS) {
		upstream->unlogged++;
		return;
	}
	log_write(LOG_LEVEL_WARNING, "upstream: %s%s%s%s%s (%u more since the last such line)",
		  finding->name, finding->name[0] != '\0' ? ": " : "", iotpki_outcome_name(outcome),
		  problem != NULL && problem[0] != '\0' ? ": " : "", problem != NULL ? problem : "",
		  upstream->unlogged);
	upstream->logged_ms = ms;
	upstream->unlogged = 0;
}

/* A refused login has its remedy on the command line. */
static const char *login_problem(const struct config_node *node, enum iotpki_outcome outcome,
				 const char *problem)
{
	if (outcome != IOTPKI_OUTCOME_UNAUTHORIZED || problem[0] != '\0')
		return problem;
	return node->credentials[0] == '\0'
		       ? "it wants a user and a password: name a file of them with --credentials"
		       : "compare --credentials with its rpcuser and rpcpassword, rpcauth or "
			 "cookie, and see its rpcallowip";
}

static void set_state(struct gateway *gateway, enum gateway_state state,
		      enum iotpki_outcome outcome, const char *problem)
{
	pthread_mutex_lock(&gateway->lock);
	const bool changed = gateway->state != state;
	gateway->state = state;
	pthread_mutex_unlock(&gateway->lock);
	if (!changed)
		return;
	if (state == GATEWAY_READY)
		log_write(LOG_LEVEL_NOTICE, "upstream ready");
	else
		log_write(LOG_LEVEL_WARNING, "upstream not ready: %s%s%s",
			  iotpki_outcome_name(outcome), problem[0] != '\0' ? ": " : "", problem);
}

/* ---- the end of a finding ---- */

static bool usable(enum iotpki_outcome outcome)
{
	return outcome >= IOTPKI_OUTCOME_REGISTERED && outcome <= IOTPKI_OUTCOME_UNREGISTERED;
}

static void finish(struct gateway *gateway, struct finding *finding)
{
	struct wish *done = NULL;
	pthread_mutex_lock(&gateway->lock);
	gateway->counts.failed += !usable(finding->told.outcome);
	table_known(gateway, finding, &done);
	pthread_mutex_unlock(&gateway->lock);
	wishes_tell(done);
}

static void finish_without(struct gateway_upstream *upstream, struct finding *finding,
			   enum iotpki_outcome why, const char *problem)
{
	log_trouble(upstream, finding, why, problem);
	told_without_history(why, &finding->told);
	if (finding->want == GATEWAY_TIP || finding->want == GATEWAY_HISTORY)
		finding->told.outcome = why;
	finish(upstream->gateway, finding);
}

/* ---- calls: histories and the tip ---- */

static void take_tip(struct gateway_upstream *upstream, struct finding *finding,
		     const struct nvs_reply *reply)
{
	struct gateway *gateway = upstream->gateway;
	struct iotpki_detail detail = { 0 };
	struct told *told = &finding->told;
	told->outcome = reply->outcome;
	if (reply->outcome == IOTPKI_OUTCOME_REGISTERED)
		told->outcome =
			told_judge_tip(node_of(upstream), buf_text(&reply->result),
				       reply->result.len, now_s(gateway), &told->tip, &detail);
	const bool good = told->outcome == IOTPKI_OUTCOME_REGISTERED;
	if (good) {
		pthread_mutex_lock(&gateway->lock);
		gateway->tip = told->tip;
		pthread_mutex_unlock(&gateway->lock);
	}
	set_state(gateway, good ? GATEWAY_READY : GATEWAY_TROUBLE, told->outcome,
		  detail.message[0] != '\0'
			  ? detail.message
			  : login_problem(node_of(upstream), told->outcome, reply->problem));
	finish(gateway, finding);
}

static void nvs_name_of(const struct gateway_upstream *upstream, const struct finding *finding,
			char out[static IOTPKI_NVS_NAME_MAX + 1])
{
	(void)snprintf(out, IOTPKI_NVS_NAME_MAX + 1, "%s%s", node_of(upstream)->name_prefix,
		       finding->name);
}

static void take_history(struct gateway_upstream *upstream, struct finding *finding,
			 const struct nvs_reply *reply)
{
	const struct gateway *gateway = upstream->gateway;
	struct iotpki_detail detail = { 0 };
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	if (reply->outcome != IOTPKI_OUTCOME_REGISTERED) {
		finish_without(upstream, finding, reply->outcome,
			       reply->hint != NULL ? reply->hint : reply->problem);
		return;
	}
	nvs_name_of(upstream, finding, nvs_name);
	struct told_tip tip = finding->told.tip;
	tip.regtest = gateway->tip.regtest; /* written by this thread alone */
	if (told_read_history(node_of(upstream), nvs_name, &tip, buf_text(&reply->result),
			      reply->result.len, &finding->history, &detail) != IOTPKI_OK) {
		finish_without(upstream, finding, IOTPKI_OUTCOME_MALFORMED, detail.message);
		return;
	}
	if (finding->told.needs_history)
		told_add_history(node_of(upstream), &finding->history, &finding->told);
	if (finding->want != GATEWAY_HISTORY)
		told_history_done(&finding->history);
	finish(upstream->gateway, finding);
}

static void take_reply(void *context, const struct nvs_reply *reply)
{
	struct calling *calling = context;
	struct gateway_upstream *upstream = calling->upstream;
	struct finding *finding = calling->finding;
	struct calling **at = &upstream->callings;
	while (*at != calling)
		at = &(*at)->next;
	*at = calling->next;
	upstream->calling_count--;
	free(calling);
	if (finding->want == GATEWAY_TIP)
		take_tip(upstream, finding, reply);
	else
		take_history(upstream, finding, reply);
}

/* The method's parameters. Of what a client sent only the name is in them, and it is validated. */
static enum iotpki_err put_params(const struct gateway_upstream *upstream,
				  const struct finding *finding, struct buf *out)
{
	char nvs_name[IOTPKI_NVS_NAME_MAX + 1];
	if (finding->want == GATEWAY_TIP)
		return buf_puts(out, "[]");
	nvs_name_of(upstream, finding, nvs_name);
	(void)buf_putc(out, '[');
	jsonrpc_put_string(out, nvs_name, strlen(nvs_name));
	/* Without `true` Emercoin hides the history of a name that has expired. */
	return buf_puts(out, node_of(upstream)->type == CONFIG_NODE_EMERCOIN ? ",true]" : "]");
}

static enum iotpki_err start_call(struct gateway_upstream *upstream, struct finding *finding,
				  int64_t left_ms, struct iotpki_detail *detail)
{
	const char *method = finding->want == GATEWAY_TIP ? "getblockchaininfo" : "name_history";
	CLEANUP(buf_done) struct buf params = BUF_INIT(4 * IOTPKI_NVS_NAME_MAX);
	AUTO_FREE struct calling *calling = calloc(1, sizeof(*calling));
	if (calling == NULL || put_params(upstream, finding, &params) != IOTPKI_OK)
		return IOTPKI_ERR_NOMEM;
	*calling = (struct calling){ .upstream = upstream,
				     .next = upstream->callings,
				     .finding = finding };
	const enum iotpki_err err =
		nvs_call_start(upstream->nvs, 0, method, buf_text(&params), left_ms, take_reply,
			       calling, &calling->call, detail);
	if (err != IOTPKI_OK)
		return err;
	upstream->callings = STEAL(calling);
	upstream->calling_count++;
	return IOTPKI_OK;
}

/* A call that could not be begun ends as one whose node refused it, or as nothing of the node's. */
static void end_call(struct gateway_upstream *upstream, struct finding *finding,
		     enum iotpki_err err, const struct iotpki_detail *detail)
{
	const enum iotpki_outcome why = err == IOTPKI_ERR_PERMISSION ? IOTPKI_OUTCOME_UNAUTHORIZED
					: err == IOTPKI_ERR_TIMEOUT  ? IOTPKI_OUTCOME_UNREACHABLE
								     : IOTPKI_OUTCOME_NOT_READY;
	if (finding->want == GATEWAY_TIP)
		set_state(upstream->gateway, GATEWAY_TROUBLE, why, detail->message);
	finish_without(upstream, finding, why, detail->message);
}

static void start_calls(struct gateway_upstream *upstream)
{
	while (upstream->calling_count < GATEWAY_CALLS_MAX && upstream->calls.first != NULL) {
		struct iotpki_detail detail = { 0 };
		struct finding *finding = queue_pop(&upstream->calls);
		const int64_t left_ms =
			finding->asked_ms + GATEWAY_UPSTREAM_MS - now_ms(upstream->gateway);
		const enum iotpki_err err =
			left_ms < LEAST_MS ? IOTPKI_ERR_TIMEOUT
					   : start_call(upstream, finding, left_ms, &detail);
		if (err != IOTPKI_OK)
			end_call(upstream, finding, err, &detail);
	}
}

/* ---- names ---- */

static void asking_end(struct asking *asking)
{
	struct asking **at = &asking->upstream->askings;
	while (*at != asking)
		at = &(*at)->next;
	*at = asking->next;
	asking->upstream->asking_count--;
	free(asking);
}

static void take_name(struct asking *asking, size_t index, const struct iotpki_answer *answer)
{
	struct gateway_upstream *upstream = asking->upstream;
	struct finding *finding = asking->findings[index];
	const struct dialect_shown *shown = nvs_told(asking->question, index, 0);
	struct told *told = &finding->told;
	told_judge(node_of(upstream), answer, shown, now_s(upstream->gateway), told);
	if (!usable(told->outcome)) {
		log_trouble(upstream, finding, told->outcome,
			    shown->hint != NULL ? shown->hint : nvs_problem(asking->question, 0));
		finish(upstream->gateway, finding);
		return;
	}
	const bool exists = told->outcome != IOTPKI_OUTCOME_UNREGISTERED;
	if (exists && (told->needs_history || finding->want == GATEWAY_HISTORY))
		queue_push(&upstream->calls, finding);
	else
		finish(upstream->gateway, finding);
}

static void take_names(void *context, size_t index, const struct iotpki_answer *answers,
		       size_t count, bool deadline)
{
	struct asking *asking = context;
	if (!deadline || count != 1)
		return;
	take_name(asking, index, &answers[0]);
	if (++asking->answered == asking->count)
		asking_end(asking);
}

static void ask_names(struct gateway_upstream *upstream, struct asking *asking)
{
	const char *names[NVS_MANY_MAX];
	for (size_t i = 0; i < asking->count; i++)
		names[i] = asking->findings[i]->name;
	asking->next = upstream->askings;
	upstream->askings = asking;
	upstream->asking_count++;
	if (nvs_ask_many(upstream->nvs, names, asking->count, GATEWAY_UPSTREAM_MS, take_names,
			 asking, &asking->question) == IOTPKI_OK)
		return;
	/* Not sent: memory or randomness of this machine. */
	for (size_t i = 0; i < asking->count; i++) {
		asking->findings[i]->told.outcome = IOTPKI_OUTCOME_NOT_READY;
		finish(upstream->gateway, asking->findings[i]);
	}
	asking_end(asking);
}

/** False: nothing more can be asked now. */
static bool ask_next(struct gateway_upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;
	if (upstream->asking_count >= GATEWAY_QUESTIONS_MAX)
		return false;
	AUTO_FREE struct asking *asking = calloc(1, sizeof(*asking));
	if (asking == NULL)
		return false;
	asking->upstream = upstream;
	const int64_t ms = now_ms(gateway);
	pthread_mutex_lock(&gateway->lock);
	asking->count = table_take(gateway, asking->findings);
	for (size_t i = 0; i < asking->count; i++)
		asking->findings[i]->asked_ms = ms;
	gateway->counts.asked += asking->count;
	pthread_mutex_unlock(&gateway->lock);
	if (asking->count == 0)
		return false;
	if (asking->findings[0]->want == GATEWAY_TIP)
		queue_push(&upstream->calls, asking->findings[0]);
	else
		ask_names(upstream, STEAL(asking));
	return true;
}

/* ---- the thread ---- */

/* Under the lock: what is due by the clock, and until when nothing is. */
static int64_t tick(struct gateway_upstream *upstream, struct wish **done)
{
	struct gateway *gateway = upstream->gateway;
	const int64_t ms = now_ms(gateway);
	table_sweep(gateway, ms);
	wishes_give_up(gateway, ms, false, done);
	if (!upstream->watched || ms - upstream->watched_ms >= GATEWAY_WATCH_MS) {
		table_release(gateway, table_get(gateway, GATEWAY_TIP, ""));
		upstream->watched = true;
		upstream->watched_ms = ms;
	}
	int64_t wait_ms = upstream->watched_ms + GATEWAY_WATCH_MS - ms;
	if (gateway->wishes != NULL && gateway->wishes->since_ms + GATEWAY_WAIT_MS - ms < wait_ms)
		wait_ms = gateway->wishes->since_ms + GATEWAY_WAIT_MS - ms;
	return wait_ms < 0 ? 0 : wait_ms > IDLE_MS ? IDLE_MS : wait_ms;
}

static void work(struct gateway_upstream *upstream, int64_t wait_ms)
{
	const int event_fd = upstream->gateway->event_fd;
	uint64_t count;
	while (ask_next(upstream))
		;
	start_calls(upstream);
	if (nvs_poll(upstream->nvs, event_fd, (int)wait_ms) != IOTPKI_OK)
		(void)poll(NULL, 0, LEAST_MS); /* no memory: not in circles */
	(void)!read(event_fd, &count, sizeof(count));
}

void *upstream_run(void *context)
{
	struct gateway *gateway = context;
	for (;;) {
		struct wish *done = NULL;
		pthread_mutex_lock(&gateway->lock);
		const int64_t wait_ms = tick(gateway->upstream, &done);
		const bool over = gateway->stopping && gateway->wishes == NULL;
		pthread_mutex_unlock(&gateway->lock);
		wishes_tell(done);
		if (over)
			return NULL;
		work(gateway->upstream, wait_ms);
	}
}

/* ---- life ---- */

static struct config *config_of(const struct config_node *upstream)
{
	struct config *config = calloc(1, sizeof(*config));
	if (config == NULL)
		return NULL;
	config->node_count = config->network_count = 1;
	config->nodes[0] = *upstream;
	config->nodes[0].network = 0;
	config->needed = 1;
	config->node_timeout_ms = config->deadline_ms = GATEWAY_UPSTREAM_MS;
	return config;
}

enum iotpki_err upstream_new(struct gateway *gateway, const struct random_source *random,
			     struct gateway_upstream **upstream_out)
{
	AUTO_FREE struct config *config = config_of(&gateway->options.upstream);
	AUTO_FREE struct gateway_upstream *upstream = calloc(1, sizeof(*upstream));
	if (config == NULL || upstream == NULL)
		return IOTPKI_ERR_NOMEM;
	upstream->gateway = gateway;
	upstream->calls.last = &upstream->calls.first;
	const enum iotpki_err err = nvs_new(config, gateway->clock, random, &upstream->nvs);
	if (err == IOTPKI_OK)
		*upstream_out = STEAL(upstream);
	return err;
}

/* After the thread. Nobody waits for what is still on its way. */
void upstream_free(struct gateway_upstream *upstream)
{
	if (upstream == NULL)
		return;
	struct gateway *gateway = upstream->gateway;
	while (upstream->callings != NULL) {
		struct calling *calling = upstream->callings;
		upstream->callings = calling->next;
		nvs_call_cancel(calling->call);
		table_release(gateway, calling->finding);
		free(calling);
	}
	nvs_free(upstream->nvs);
	while (upstream->askings != NULL) {
		struct asking *asking = upstream->askings;
		upstream->askings = asking->next;
		for (size_t i = asking->answered; i < asking->count; i++)
			table_release(gateway, asking->findings[i]);
		free(asking);
	}
	for (struct finding *at; (at = queue_pop(&upstream->calls)) != NULL;)
		table_release(gateway, at);
	free(upstream);
}
