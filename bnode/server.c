/* libmicrohttpd around a backend. */
#include "bnode/server.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bnode/listener.h"
#include "bnode/tlsserve.h"

enum {
	HEADER_MEMORY = 16 * 1024, /* bytes a connection may use for its headers */
	STOP_MS = 5000,
	STOP_STEP_MS = 10,
};

_Static_assert(CLIENTS_TRANSACTIONS_MAX == WRITER_PENDING_MAX, "what waits is shared out");

struct listening {
	struct server *server;
	struct MHD_Daemon *daemon;
	struct server_listener at; /* with the real port */
	int fd;                    /* -1 once libmicrohttpd owns it */
};

struct server {
	atomic_bool stopping; /* no connection is taken any more */
	struct server_options options;
	struct backend *backend;
	const struct clock *clock;
	struct tlsserve *tls;
	struct clients *clients;
	struct listening listening[SERVER_LISTENERS_MAX];
	size_t count;
	atomic_uint answering; /* requests that are whole and not yet answered to the last byte */
};

/* One request, from its headers to the last byte of its answer. */
struct exchange {
	struct server *server;
	struct MHD_Connection *http;
	struct client *client;
	enum request_page page;
	unsigned int refuse; /* status to answer once the body is over */
	bool whole, prepared;
	struct buf body;
	struct answer answer;
	struct backend_job job; /* must be able to reach the exchange: see done() */
};

/* ---- connections ---- */

/*
 * Not MHD_quiesce_daemon(): it and the threads race to take the listener out of their epoll sets, and
 * whoever comes second aborts the process (seen with libmicrohttpd 0.9.75).
 */
static enum MHD_Result may_connect(void *context, const struct sockaddr *address, socklen_t len)
{
	static const enum metrics_refusal counted[] = {
		[CLIENTS_ADDRESS] = METRICS_REFUSED_ADDRESS,
		[CLIENTS_RATE] = METRICS_REFUSED_RATE,
		[CLIENTS_FULL] = METRICS_REFUSED_FULL,
		[CLIENTS_NOMEM] = METRICS_REFUSED_MEMORY,
	};
	const struct listening *listening = context;
	struct server *server = listening->server;
	struct metrics *metrics = server->backend->metrics;
	(void)len;
	if (atomic_load_explicit(&server->stopping, memory_order_relaxed)) {
		metrics_add(&metrics->refused[METRICS_REFUSED_STOPPING], 1);
		return MHD_NO;
	}
	const enum clients_refusal refusal = clients_admit(server->clients, address);
	if (refusal == CLIENTS_ADMITTED)
		return MHD_YES;
	metrics_add(&metrics->refused[counted[refusal]], 1);
	return MHD_NO;
}

static struct client *client_new(const struct listening *listening, struct MHD_Connection *http)
{
	struct server *server = listening->server;
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(http, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (fd == NULL || address == NULL)
		return NULL;
	struct client *client = clients_add(server->clients, address->client_addr, fd->connect_fd);
	if (client == NULL)
		return NULL;
	if (listening->at.tls)
		client->tls = tlsserve_take(server->tls);
	metrics_add(&server->backend->metrics->connections, 1);
	return client;
}

static void on_connection(void *context, struct MHD_Connection *http, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		/* Without memory it is NULL, and the connection ends at its first request. */
		*socket_context = client_new(context, http);
		return;
	}
	/* libmicrohttpd closes the descriptor after this call, so a sweep never shuts another's. */
	struct client *client = *socket_context;
	if (client == NULL)
		return;
	tlsserve_give(client->tls);
	clients_remove(client);
	*socket_context = NULL;
}

/*
 * libmicrohttpd's own timeout starts again with every byte, so one byte a second would hold a
 * connection for ever (TM-16). This one does not.
 */
void server_sweep(struct server *server)
{
	clients_sweep(server->clients);
}

/* ---- answers ---- */

static void forget_request(struct exchange *exchange)
{
	struct backend *backend = exchange->server->backend;
	if (exchange->prepared && backend->forget != NULL)
		backend->forget(backend, &exchange->job);
	answer_done(&exchange->answer);
	buf_done(&exchange->body);
	client_keep(exchange->client, CLIENTS_BODIES, 0);
	client_keep(exchange->client, CLIENTS_TRANSACTIONS, 0);
}

static void on_completed(void *context, struct MHD_Connection *http, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *request;
	(void)context;
	(void)http;
	(void)code;
	if (exchange == NULL)
		return;
	(void)client_turn(exchange->client, false);
	if (exchange->whole)
		atomic_fetch_sub(&exchange->server->answering, 1);
	forget_request(exchange);
	client_keep(exchange->client, CLIENTS_ANSWERS, 0);
	free(exchange);
	*request = NULL;
}

static enum MHD_Result refuse(struct exchange *exchange, unsigned int status)
{
	metrics_status(exchange->server->backend->metrics, (size_t)exchange->client->fd, status);
	/* As below: or who does not take it would be neither timed nor ever give his place to others. */
	(void)client_turn(exchange->client, false);
	return request_refuse(exchange->http, status);
}

/* From here on the answer's time is the client's again: it has to take it. */
static enum MHD_Result send_buf(struct exchange *exchange, unsigned int status, const char *type,
				struct buf *out)
{
	struct server *server = exchange->server;
	struct metrics *metrics = server->backend->metrics;
	const size_t slot = (size_t)exchange->client->fd;
	metrics_time(metrics, slot, client_turn(exchange->client, false));
	metrics_status(metrics, slot, status);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(out->len, out->data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return MHD_NO;
	*out = (struct buf){ 0 };
	(void)MHD_add_response_header(response, "Content-Type", type);
	if (atomic_load_explicit(&server->stopping, memory_order_relaxed))
		(void)MHD_add_response_header(response, "Connection", "close");
	const enum MHD_Result result = MHD_queue_response(exchange->http, status, response);
	MHD_destroy_response(response);
	return result;
}

/*
 * What a client that reads nothing holds is the answer and no more. For a batch without lists, such as a
 * device's of all its names, it is counted only now: it is small as a rule, and must be answered
 * when lists that nobody takes hold all there is.
 */
static bool shrink(struct exchange *exchange, struct buf *out)
{
	if (!exchange->answer.large)
		return true;
	if (!exchange->answer.lists && out->len > CLIENTS_SMALL_ANSWER &&
	    !client_reserve(exchange->client, CLIENTS_ANSWERS, out->len))
		return false;
	uint8_t *smaller = realloc(out->data, out->len + 1);
	if (smaller != NULL)
		out->data = smaller;
	client_keep(exchange->client, CLIENTS_ANSWERS,
		    out->len > CLIENTS_SMALL_ANSWER ? out->len : 0);
	return true;
}

static enum MHD_Result answer(struct exchange *exchange)
{
	struct backend *backend = exchange->server->backend;
	const struct answer *answer = &exchange->answer;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	if (answer->lists &&
	    !client_reserve(exchange->client, CLIENTS_ANSWERS, answer_most(answer)))
		return refuse(exchange, 503);
	if (answer_buf(answer, &out) != IOTPKI_OK ||
	    backend->write(backend, &exchange->job, &out, &status) != IOTPKI_OK ||
	    !shrink(exchange, &out))
		return refuse(exchange, 503);
	forget_request(exchange);
	return send_buf(exchange, status, "application/json", &out);
}

static void done(struct backend_job *job)
{
	struct exchange *exchange =
		(struct exchange *)(void *)((char *)job - offsetof(struct exchange, job));
	MHD_resume_connection(exchange->http);
}

/* The body is over: parse it, and let what takes time begin. */
static enum MHD_Result prepare(struct exchange *exchange)
{
	struct backend *backend = exchange->server->backend;
	struct answer *request = &exchange->answer;
	exchange->prepared = true;
	if (answer_prepare(backend->methods, buf_text(&exchange->body), exchange->body.len,
			   request) != IOTPKI_OK)
		return refuse(exchange, 503);
	request->metrics = backend->metrics;
	request->slot = (size_t)exchange->client->fd;
	exchange->job = (struct backend_job){ .answer = request,
					      .client = client_address(exchange->client),
					      .done = done };
	if (!backend->waits(backend, &exchange->job))
		return answer(exchange);
	if (!client_reserve(exchange->client, CLIENTS_TRANSACTIONS, request->decoded_count)) {
		request->busy = true;
		return answer(exchange);
	}
	/* Suspended before it begins: it may be done before this function returns. */
	MHD_suspend_connection(exchange->http);
	if (!backend->begin(backend, &exchange->job)) {
		request->busy = true;
		MHD_resume_connection(exchange->http);
	}
	return MHD_YES;
}

/* ---- pages for who runs the node ---- */

static void read_gauges(struct server *server, struct metrics_gauges *gauges)
{
	struct clients_counts counts;
	*gauges = (struct metrics_gauges){ 0 };
	gauges->stopping = atomic_load(&server->stopping);
	clients_count(server->clients, &counts);
	gauges->connections = counts.connections;
	gauges->cut = counts.cut;
	gauges->connections_max = server->options.limits.connections;
	gauges->body_bytes = clients_reserved(server->clients, CLIENTS_BODIES);
	gauges->answer_bytes = clients_reserved(server->clients, CLIENTS_ANSWERS);
	server->backend->gauges(server->backend, gauges);
}

static enum MHD_Result send_metrics(struct exchange *exchange)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT(METRICS_TEXT_MAX);
	struct metrics_gauges gauges;
	read_gauges(exchange->server, &gauges);
	if (metrics_text(exchange->server->backend->metrics, &gauges, &out) != IOTPKI_OK)
		return refuse(exchange, 503);
	return send_buf(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

static enum MHD_Result send_health(struct exchange *exchange)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT(256);
	struct metrics_gauges gauges;
	read_gauges(exchange->server, &gauges);
	const bool ok = gauges.up && !gauges.stopping;
	const char *status = gauges.stopping ? "stopping" : "failing";
	if (buf_printf(&out, "{\"status\":\"%s\"}\n", ok ? "ok" : status) != IOTPKI_OK)
		return refuse(exchange, 503);
	return send_buf(exchange, ok ? 200 : 503, "application/json", &out);
}

static enum MHD_Result on_whole(struct exchange *exchange)
{
	exchange->whole = true;
	atomic_fetch_add(&exchange->server->answering, 1);
	(void)client_turn(exchange->client, true);
	if (exchange->refuse != 0)
		return refuse(exchange, exchange->refuse);
	if (exchange->page == REQUEST_METRICS)
		return send_metrics(exchange);
	if (exchange->page == REQUEST_HEALTH)
		return send_health(exchange);
	return prepare(exchange);
}

/* ---- requests ---- */

static enum MHD_Result begin(struct server *server, struct MHD_Connection *http, const char *url,
			     const char *method, void **request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *client = info != NULL ? info->socket_context : NULL;
	if (client == NULL)
		return MHD_NO;
	enum request_page page;
	const unsigned int status =
		request_judge(http, url, method, server->options.metrics, &page);
	if (status != 0) {
		metrics_status(server->backend->metrics, (size_t)client->fd, status);
		return request_refuse(http, status);
	}
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return MHD_NO;
	exchange->server = server;
	exchange->http = http;
	exchange->client = client;
	exchange->page = page;
	exchange->body.cap = JSONRPC_BODY_MAX;
	*request = exchange;
	return MHD_YES;
}

static bool reserve_body(const struct exchange *exchange, size_t len)
{
	const size_t before = exchange->body.len, after = before + len;
	if (after <= CLIENTS_SMALL_BODY)
		return true;
	return client_reserve(exchange->client, CLIENTS_BODIES,
			      before <= CLIENTS_SMALL_BODY ? after : len);
}

/* Too much is read on to its end and then refused: an answer in the middle would be lost. */
static void receive(struct exchange *exchange, const char *data, size_t len)
{
	if (exchange->refuse != 0)
		return;
	if (len > JSONRPC_BODY_MAX - exchange->body.len)
		exchange->refuse = 413;
	else if (!reserve_body(exchange, len) || buf_put(&exchange->body, data, len) != IOTPKI_OK)
		exchange->refuse = 503;
	/* Nothing of a body that is refused is kept while its rest comes. */
	if (exchange->refuse != 0)
		forget_request(exchange);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *http, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_len, void **request)
{
	struct exchange *exchange = *request;
	(void)version;
	if (exchange == NULL)
		return begin(context, http, url, method, request);
	if (*upload_len > 0) {
		receive(exchange, upload_data, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	return exchange->prepared ? answer(exchange) : on_whole(exchange);
}

/* ---- start and stop ---- */

/* What it would say quotes outside text, and nothing of it calls for anybody's action. */
static void drop_message(void *context, const char *format, va_list args)
{
	(void)context;
	(void)format;
	(void)args;
}

unsigned int server_places(const struct clients_limits *limits)
{
	return limits->connections + limits->connections / 8 + 16;
}

static struct MHD_Daemon *start_daemon(struct server *server, struct listening *listening)
{
	static char priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3";
	const struct server_options *options = &server->options;
	const bool tls = listening->at.tls;
	unsigned int flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	flags |= tls ? MHD_USE_TLS : 0;
	flags |= listening->at.ipv6 ? MHD_USE_IPv6 : 0;
	return MHD_start_daemon(flags, 0, may_connect, listening, on_request, server,         /* */
				MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,               /* */
				MHD_OPTION_LISTEN_SOCKET, listening->fd,                      /* */
				MHD_OPTION_THREAD_POOL_SIZE, options->threads,                /* */
				MHD_OPTION_CONNECTION_LIMIT, server_places(&options->limits), /* */
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,    /* */
				MHD_OPTION_CONNECTION_TIMEOUT, options->limits.request_s,     /* */
				MHD_OPTION_STRICT_FOR_CLIENT, 1,                              /* */
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,            /* */
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, listening,       /* */
				tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END,
				priorities,                                        /* */
				MHD_OPTION_HTTPS_CERT_CALLBACK, tlsserve_callback, /* */
				MHD_OPTION_END);
}

static enum iotpki_err listen_at(struct server *server, const struct server_listener *listener,
				 struct iotpki_detail *detail)
{
	struct listening *listening = &server->listening[server->count];
	*listening = (struct listening){ .server = server, .at = *listener };
	const enum iotpki_err err =
		listener_bind(listener, &listening->fd, &listening->at.port, detail);
	if (err != IOTPKI_OK)
		return err;
	server->count++;
	listening->daemon = start_daemon(server, listening);
	if (listening->daemon != NULL)
		return IOTPKI_OK;
	return detail_set(detail, IOTPKI_ERR_INTERNAL, 0, 0,
			  "the HTTP library did not start (threads, descriptors or the TLS key)");
}

enum iotpki_err server_start(const struct server_options *options, struct backend *backend,
			     const struct clock *clock, struct tlsserve *tls,
			     struct server **server_out, struct iotpki_detail *detail)
{
	*server_out = NULL;
	CLEANUP(server_freep) struct server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return IOTPKI_ERR_NOMEM;
	server->options = *options;
	server->backend = backend;
	server->clock = clock;
	server->tls = tls;
	enum iotpki_err err = clients_new(&options->limits, clock, &server->clients);
	for (size_t i = 0; err == IOTPKI_OK && i < options->listener_count; i++)
		err = listen_at(server, &options->listeners[i], detail);
	if (err == IOTPKI_OK)
		*server_out = STEAL(server);
	return err;
}

void server_url(const struct server *server, size_t at, char out[static SERVER_URL_SIZE])
{
	const struct server_listener *listener = &server->listening[at].at;
	(void)snprintf(out, SERVER_URL_SIZE, listener->ipv6 ? "%s://[%s]:%u/" : "%s://%s:%u/",
		       listener->tls ? "https" : "http", listener->host, listener->port);
}

/* Requests that are whole get their answers; who is still sending one is cut. */
static void wait_for_answers(struct server *server)
{
	const struct timespec step = { .tv_nsec = STOP_STEP_MS * 1000000L };
	for (int waited_ms = 0; waited_ms < STOP_MS; waited_ms += STOP_STEP_MS) {
		if (atomic_load(&server->answering) == 0)
			return;
		(void)nanosleep(&step, NULL);
	}
}

void server_stop(struct server *server)
{
	atomic_store(&server->stopping, true);
	/* Before the daemons: none may be stopped while a connection of it is suspended. */
	server->backend->drain(server->backend);
	wait_for_answers(server);
	for (size_t i = 0; i < server->count; i++) {
		struct listening *listening = &server->listening[i];
		/* Stopping closes the socket too; one that no daemon took is still ours. */
		if (listening->daemon != NULL)
			MHD_stop_daemon(listening->daemon);
		else
			(void)close(listening->fd);
		listening->daemon = NULL;
	}
	server->count = 0;
}

void server_freep(struct server **server)
{
	if (*server == NULL)
		return;
	server_stop(*server);
	clients_freep(&(*server)->clients);
	free(*server);
	*server = NULL;
}
