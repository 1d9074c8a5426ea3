/* The backend that asks another node. */
#include "bnode/gateway.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bnode/gateway_parts.h"

static struct gateway *of(struct backend *backend)
{
	return (struct gateway *)(void *)backend;
}

/* ---- requests ---- */

static unsigned int cost_of(const struct jsonrpc_request *request)
{
	unsigned int tokens = 0;
	for (size_t i = 0; i < request->count; i++) {
		const char *name;
		const enum gateway_want want = gateway_want_of(&request->calls[i], &name);
		if (want != GATEWAY_NOTHING)
			tokens += want == GATEWAY_HISTORY ? GATEWAY_HISTORY_COST : 1;
	}
	return tokens;
}

/* Under the lock. False: it cannot be asked now. */
static bool want_part(struct gateway *gateway, const struct jsonrpc_call *call, size_t *histories,
		      struct part *part)
{
	const char *name;
	const enum gateway_want want = gateway_want_of(call, &name);
	if (want == GATEWAY_NOTHING)
		return true;
	part->asked = true;
	part->too_many = want == GATEWAY_HISTORY && ++*histories > GATEWAY_HISTORIES_EACH;
	if (part->too_many)
		return true;
	part->finding = table_get(gateway, want, name);
	return part->finding != NULL;
}

/* Under the lock. */
static bool want_all(struct gateway *gateway, const struct jsonrpc_request *request,
		     struct wish *wish, bool *waits_out)
{
	size_t histories = 0;
	*waits_out = false;
	for (size_t i = 0; i < request->count; i++) {
		struct part *part = &wish->parts[i];
		part->wish = wish;
		if (!want_part(gateway, &request->calls[i], &histories, part))
			return false;
		*waits_out = *waits_out || (part->finding != NULL && !part->finding->known);
	}
	return true;
}

static bool waits(struct backend *backend, struct backend_job *job)
{
	struct gateway *gateway = of(backend);
	const struct jsonrpc_request *request = &job->answer->request;
	bool asks = false;
	const unsigned int tokens = cost_of(request);
	const int64_t now_ms = gateway->clock->mono_ms(gateway->clock);
	struct wish *wish = calloc(1, sizeof(*wish) + request->count * sizeof(wish->parts[0]));
	if (wish == NULL) {
		job->answer->busy = true;
		return false;
	}
	wish->job = job;
	wish->count = request->count;
	pthread_mutex_lock(&gateway->lock);
	const bool limited = tokens > 0 && !limit_take(gateway->limit, job->client, tokens, now_ms);
	const bool taken = !limited && want_all(gateway, request, wish, &asks);
	gateway->counts.limited += limited ? tokens : 0;
	gateway->counts.refused += !limited && !taken ? tokens : 0;
	if (!taken)
		wish_free(gateway, wish);
	pthread_mutex_unlock(&gateway->lock);
	job->own = taken ? wish : NULL;
	job->answer->busy = !taken;
	return taken && asks;
}

static void wake(const struct gateway *gateway)
{
	const uint64_t one = 1;
	(void)!write(gateway->event_fd, &one, sizeof(one));
}

static bool begin(struct backend *backend, struct backend_job *job)
{
	struct gateway *gateway = of(backend);
	struct wish *wish = job->own;
	pthread_mutex_lock(&gateway->lock);
	const bool taken = !gateway->stopping;
	wish->since_ms = gateway->clock->mono_ms(gateway->clock);
	if (taken)
		wish_wait(gateway, wish);
	/* Once it is unlocked the thread may be done with it, and the job gone. */
	const bool known = wish->missing == 0;
	pthread_mutex_unlock(&gateway->lock);
	if (!taken)
		return false;
	if (known)
		job->done(job);
	else
		wake(gateway);
	return true;
}

static enum iotpki_err write_answer(struct backend *backend, const struct backend_job *job,
				    struct buf *out, unsigned int *status_out)
{
	return answer_write(job->own, of(backend)->clock, job->answer, out, status_out);
}

static void forget(struct backend *backend, struct backend_job *job)
{
	struct gateway *gateway = of(backend);
	struct wish *wish = STEAL(job->own);
	if (wish == NULL)
		return;
	pthread_mutex_lock(&gateway->lock);
	wish_free(gateway, wish);
	pthread_mutex_unlock(&gateway->lock);
}

static void gauges(struct backend *backend, struct metrics_gauges *gauges)
{
	struct gateway *gateway = of(backend);
	pthread_mutex_lock(&gateway->lock);
	gauges->has_gateway = true;
	gauges->gateway = gateway->counts;
	gauges->gateway.waiting = gateway->wish_count;
	gauges->gateway.kept = gateway->findings;
	gauges->gateway.height = (uint64_t)gateway->tip.height;
	gauges->gateway.answered_s = gateway->tip.time_s;
	gauges->up = gateway->state == GATEWAY_READY;
	pthread_mutex_unlock(&gateway->lock);
}

/* ---- life ---- */

static void drain(struct backend *backend)
{
	struct gateway *gateway = of(backend);
	pthread_mutex_lock(&gateway->lock);
	gateway->stopping = true;
	pthread_mutex_unlock(&gateway->lock);
	if (gateway->joined)
		return;
	wake(gateway);
	(void)pthread_join(gateway->thread, NULL);
	gateway->joined = true;
}

static void free_gateway(struct backend *backend)
{
	struct gateway *gateway = of(backend);
	upstream_free(gateway->upstream);
	gateway->options.cache_ms = 0;
	table_sweep(gateway, INT64_MAX / 2);
	for (struct finding *at; (at = queue_pop(&gateway->queue)) != NULL;)
		table_release(gateway, at);
	for (size_t i = 0; i < GATEWAY_BUCKETS; i++) {
		while (gateway->buckets[i] != NULL) {
			struct finding *at = gateway->buckets[i];
			gateway->buckets[i] = at->next_in_bucket;
			table_release(gateway, at);
		}
	}
	limit_free(gateway->limit);
	if (gateway->event_fd >= 0)
		(void)close(gateway->event_fd);
	pthread_mutex_destroy(&gateway->lock);
	free(gateway);
}

static enum iotpki_err start(struct gateway *gateway, const struct random_source *random)
{
	gateway->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	gateway->limit = limit_new(gateway->options.rate);
	if (gateway->event_fd < 0 || gateway->limit == NULL)
		return IOTPKI_ERR_NOMEM;
	const enum iotpki_err err = upstream_new(gateway, random, &gateway->upstream);
	if (err != IOTPKI_OK)
		return err;
	gateway->joined = pthread_create(&gateway->thread, NULL, upstream_run, gateway) != 0;
	return gateway->joined ? IOTPKI_ERR_NOMEM : IOTPKI_OK;
}

enum iotpki_err backend_gateway_new(const struct gateway_options *options,
				    const struct clock *clock, const struct random_source *random,
				    struct backend **backend_out)
{
	*backend_out = NULL;
	struct gateway *gateway = aligned_alloc(_Alignof(struct gateway), sizeof(struct gateway));
	if (gateway == NULL)
		return IOTPKI_ERR_NOMEM;
	memset(gateway, 0, sizeof(*gateway));
	gateway->backend = (struct backend){ .metrics = &gateway->metrics,
					     .methods = &methods_gateway,
					     .waits = waits,
					     .begin = begin,
					     .write = write_answer,
					     .forget = forget,
					     .gauges = gauges,
					     .drain = drain,
					     .free = free_gateway };
	gateway->options = *options;
	gateway->clock = clock;
	gateway->joined = true;
	gateway->queue.last = &gateway->queue.first;
	gateway->known.last = &gateway->known.first;
	gateway->last_wish = &gateway->wishes;
	pthread_mutex_init(&gateway->lock, NULL);
	const enum iotpki_err err = start(gateway, random);
	if (err != IOTPKI_OK) {
		free_gateway(&gateway->backend);
		return err;
	}
	*backend_out = &gateway->backend;
	return IOTPKI_OK;
}

/* ---- the command line ---- */

static enum iotpki_err put_key(struct buf *out, const char *key, const char *value,
			       struct iotpki_detail *detail)
{
	if (value == NULL)
		return IOTPKI_OK;
	for (const char *at = value; *at != '\0'; at++)
		if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
			return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
					  "%s of the upstream: printable ASCII without quotes and "
					  "backslashes, please",
					  key);
	return buf_printf(out, ", %s: \"%s\"", key, value);
}

enum iotpki_err gateway_upstream_set(const struct gateway_words *words,
				     struct config_node *upstream_out, struct iotpki_detail *detail)
{
	*upstream_out = (struct config_node){ 0 };
	if (strcmp(words->type, "emercoin") != 0 && strcmp(words->type, "namecoin") != 0)
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0,
				  "--upstream takes emercoin or namecoin, and a URL");
	CLEANUP(buf_done) struct buf text = BUF_INIT(16 * 1024);
	AUTO_FREE struct config *config = calloc(1, sizeof(*config));
	(void)buf_printf(&text, "version: 1\nbnodes:\n- {name: upstream, type: %s", words->type);
	enum iotpki_err err = put_key(&text, "url", words->url, detail);
	if (err == IOTPKI_OK)
		err = put_key(&text, "credentials", words->credentials, detail);
	if (err == IOTPKI_OK)
		err = put_key(&text, "pin", words->pin, detail);
	if (err == IOTPKI_OK)
		err = put_key(&text, "name_prefix", words->name_prefix, detail);
	(void)buf_puts(&text, "}\n");
	if (err == IOTPKI_OK)
		err = config == NULL ? IOTPKI_ERR_NOMEM : buf_error(&text);
	if (err == IOTPKI_OK)
		err = config_parse("--upstream", buf_text(&text), text.len, config, detail);
	if (err == IOTPKI_OK)
		*upstream_out = config->nodes[0];
	/* Lines and columns are those of a text that nobody wrote. */
	else if (detail != NULL)
		detail->line = detail->column = 0;
	return err;
}
