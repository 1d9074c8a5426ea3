/* libmicrohttpd around answer.c and writer.c. */
#include "bnode/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/log.h"
#include "base/parse.h"
#include "bnode/listener.h"
#include "bnode/writer.h"

enum {
	HEADER_MEMORY = 32 * 1024,     /* bytes a connection may use for its headers */
	DISCARD_MAX = 1024 * 1024,     /* a longer body is cut off instead of read to its end */
	BODIES_MAX = 32 * 1024 * 1024, /* bytes of all bodies that are being received */
	STOP_MS = 5000,
	STOP_STEP_MS = 10,
};

struct connection {
	struct connection *previous, *next;
	int fd;
	atomic_llong since_ms; /* end of the last request, or of accept() */
	atomic_bool ours;      /* a whole request is here: the time is ours, not the client's */
};

struct listening {
	struct MHD_Daemon *daemon;
	struct server_listener at; /* with the real port */
	int fd;                    /* -1 once libmicrohttpd owns it */
};

struct server {
	atomic_bool stopping; /* no connection is taken any more */
	struct server_options options;
	struct ledger *ledger;
	const struct clock *clock;
	struct writer *writer;
	struct listening listening[SERVER_LISTENERS_MAX];
	size_t count;
	atomic_size_t body_bytes;
	atomic_uint answering; /* requests that are whole and not yet answered to the last byte */
	pthread_mutex_t lock;
	struct connection *connections; /* under lock */
};

/* One request, from its headers to the last byte of its answer. */
struct exchange {
	struct server *server;
	struct MHD_Connection *http;
	struct connection *connection; /* NULL if there was no memory for one */
	unsigned int refuse;           /* status to answer once the body is over */
	bool whole, prepared;
	struct buf body;
	struct answer answer;
	struct writer_job job; /* must be able to reach the exchange: see committed() */
};

/* ---- connections and their time ---- */

static void on_connection(void *context, struct MHD_Connection *http, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *server = context;
	struct connection *connection = *socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection = calloc(1, sizeof(*connection));
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context = connection;
		if (connection == NULL || info == NULL) {
			free(connection);
			*socket_context = NULL;
			return;
		}
		connection->fd = info->connect_fd;
		atomic_init(&connection->since_ms, server->clock->mono_ms(server->clock));
		pthread_mutex_lock(&server->lock);
		connection->next = server->connections;
		if (connection->next != NULL)
			connection->next->previous = connection;
		server->connections = connection;
		pthread_mutex_unlock(&server->lock);
		return;
	}
	if (connection == NULL)
		return;
	/* libmicrohttpd closes the descriptor after this call, so a sweep never shuts another's. */
	pthread_mutex_lock(&server->lock);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	pthread_mutex_unlock(&server->lock);
	free(connection);
	*socket_context = NULL;
}

/*
 * libmicrohttpd's own timeout starts again with every byte, so one byte a second would hold a
 * connection for ever (TM-16). This one does not.
 */
void server_sweep(struct server *server)
{
	const int64_t now_ms = server->clock->mono_ms(server->clock);
	const int64_t most_ms = (int64_t)server->options.request_s * 1000;
	pthread_mutex_lock(&server->lock);
	for (struct connection *it = server->connections; it != NULL; it = it->next) {
		if (!atomic_load(&it->ours) && now_ms - atomic_load(&it->since_ms) > most_ms)
			(void)shutdown(it->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&server->lock);
}

static void set_ours(struct exchange *exchange, bool ours)
{
	struct connection *connection = exchange->connection;
	if (connection == NULL)
		return;
	struct server *server = exchange->server;
	atomic_store(&connection->since_ms, server->clock->mono_ms(server->clock));
	atomic_store(&connection->ours, ours);
}

static void on_completed(void *context, struct MHD_Connection *http, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct server *server = context;
	struct exchange *exchange = *request;
	(void)http;
	(void)code;
	if (exchange == NULL)
		return;
	set_ours(exchange, false);
	atomic_fetch_sub(&server->body_bytes, exchange->body.len);
	if (exchange->whole)
		atomic_fetch_sub(&server->answering, 1);
	answer_done(&exchange->answer);
	buf_done(&exchange->body);
	free(exchange);
	*request = NULL;
}

/* ---- answers ---- */

static const struct {
	unsigned int status;
	const char *text;
} refusals[] = {
	{ 400, "Bad request\n" },
	{ 403, "Requests of web pages are refused\n" },
	{ 404, "There is nothing here but /\n" },
	{ 405, "JSONRPC server handles only POST requests\n" },
	{ 413, "The body is too large\n" },
	{ 503, "Too busy, try again\n" },
};

/* The connection is closed after it: who sent this has nothing further to say to us. */
static enum MHD_Result refuse(struct MHD_Connection *http, unsigned int status)
{
	const char *text = "";
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (refusals[i].status == status)
			text = refusals[i].text;
	}
	/* The old name of the same function is all that 0.9.75 has; the text is only read. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	(void)MHD_add_response_header(response, "Connection", "close");
	if (status == 405)
		(void)MHD_add_response_header(response, "Allow", "POST");
	const enum MHD_Result result = MHD_queue_response(http, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(struct exchange *exchange)
{
	struct server *server = exchange->server;
	CLEANUP(buf_done) struct buf out = { 0 };
	unsigned int status = 0;
	if (answer_buf(&out) != IOTPKI_OK ||
	    answer_write(server->ledger, server->clock, &exchange->answer, &out, &status) !=
		    IOTPKI_OK)
		return refuse(exchange->http, 503);
	/* From here on the answer's time is the client's again: it has to take it. */
	set_ours(exchange, false);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(out.len, out.data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return MHD_NO;
	out = (struct buf){ 0 };
	(void)MHD_add_response_header(response, "Content-Type", "application/json");
	const enum MHD_Result result = MHD_queue_response(exchange->http, status, response);
	MHD_destroy_response(response);
	return result;
}

static void committed(struct writer_job *job)
{
	struct exchange *exchange =
		(struct exchange *)(void *)((char *)job - offsetof(struct exchange, job));
	MHD_resume_connection(exchange->http);
}

/* The body is over: parse it, and hand what it submits to the writer first. */
static enum MHD_Result prepare(struct exchange *exchange)
{
	struct server *server = exchange->server;
	exchange->whole = true;
	atomic_fetch_add(&server->answering, 1);
	set_ours(exchange, true);
	if (exchange->refuse != 0)
		return refuse(exchange->http, exchange->refuse);
	exchange->prepared = true;
	if (answer_prepare(buf_text(&exchange->body), exchange->body.len, &exchange->answer) !=
	    IOTPKI_OK)
		return refuse(exchange->http, 503);
	if (exchange->answer.decoded_count == 0)
		return answer(exchange);
	exchange->job = (struct writer_job){ .answer = &exchange->answer, .done = committed };
	/* Suspended before it is queued: the writer may be done before this function returns. */
	MHD_suspend_connection(exchange->http);
	if (!writer_submit(server->writer, &exchange->job)) {
		exchange->answer.busy = true;
		MHD_resume_connection(exchange->http);
	}
	return MHD_YES;
}

/* ---- requests ---- */

struct headers {
	unsigned int origins, lengths, codings, odd;
	const char *length;
};

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct headers *headers = context;
	(void)kind;
	headers->odd += key[strcspn(key, " \t")] != '\0';
	if (strcasecmp(key, "Origin") == 0)
		headers->origins++;
	if (strcasecmp(key, "Transfer-Encoding") == 0)
		headers->codings++;
	if (strcasecmp(key, "Content-Length") == 0) {
		headers->lengths++;
		headers->length = value;
	}
	return MHD_YES;
}

/* What no client of ours sends: 0, or the status that refuses it. */
static unsigned int judge_headers(struct MHD_Connection *http, const char *url, const char *method)
{
	struct headers headers = { 0 };
	if (strcmp(method, "POST") != 0)
		return 405;
	if (strcmp(url, "/") != 0)
		return 404;
	(void)MHD_get_connection_values(http, MHD_HEADER_KIND, read_header, &headers);
	if (headers.origins > 0)
		return 403;
	/*
	 * Two lengths for one body, or "Content-Length :", which libmicrohttpd takes for another
	 * name: what a proxy before us may read otherwise (RFC 9112 5.1, 6.3).
	 */
	if (headers.odd > 0 || headers.lengths + headers.codings > 1)
		return 400;
	uint64_t bytes = 0;
	if (headers.length != NULL &&
	    !uint_parse(headers.length, strlen(headers.length), UINT64_MAX, &bytes))
		return 400;
	return bytes > DISCARD_MAX ? 413 : 0;
}

static enum MHD_Result begin(struct server *server, struct MHD_Connection *http, const char *url,
			     const char *method, void **request)
{
	const unsigned int status = judge_headers(http, url, method);
	if (status != 0)
		return refuse(http, status);
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return MHD_NO;
	exchange->server = server;
	exchange->http = http;
	exchange->body.cap = JSONRPC_BODY_MAX;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	exchange->connection = info != NULL ? info->socket_context : NULL;
	*request = exchange;
	return MHD_YES;
}

/* Too much is read on to its end and then refused: an answer in the middle would be lost. */
static void receive(struct exchange *exchange, const char *data, size_t len)
{
	struct server *server = exchange->server;
	if (exchange->refuse != 0)
		return;
	if (len > JSONRPC_BODY_MAX - exchange->body.len)
		exchange->refuse = 413;
	else if (atomic_load(&server->body_bytes) > BODIES_MAX)
		exchange->refuse = 503;
	else if (buf_put(&exchange->body, data, len) != IOTPKI_OK)
		exchange->refuse = 503;
	else
		atomic_fetch_add(&server->body_bytes, len);
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
	return exchange->prepared ? answer(exchange) : prepare(exchange);
}

/* ---- start and stop ---- */

/* What it would say quotes outside text, and nothing of it calls for anybody's action. */
static void drop_message(void *context, const char *format, va_list args)
{
	(void)context;
	(void)format;
	(void)args;
}

/*
 * Not MHD_quiesce_daemon(): it and the threads race to take the listener out of their epoll sets, and
 * whoever comes second aborts the process (seen with libmicrohttpd 0.9.75).
 */
static enum MHD_Result may_connect(void *context, const struct sockaddr *address, socklen_t len)
{
	const struct server *server = context;
	(void)address;
	(void)len;
	return atomic_load(&server->stopping) ? MHD_NO : MHD_YES;
}

static struct MHD_Daemon *start_daemon(struct server *server, int fd, bool ipv6,
				       const struct tlskey *key)
{
	static char priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3";
	const struct server_options *options = &server->options;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, key != NULL ? key->key_pem.data : NULL },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, key != NULL ? key->cert_pem.data : NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned int flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	flags |= key != NULL ? MHD_USE_TLS : 0;
	flags |= ipv6 ? MHD_USE_IPv6 : 0;
	return MHD_start_daemon(flags, 0, may_connect, server, on_request, server,            /* */
				MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,               /* */
				MHD_OPTION_LISTEN_SOCKET, fd,                                 /* */
				MHD_OPTION_THREAD_POOL_SIZE, options->threads,                /* */
				MHD_OPTION_CONNECTION_LIMIT, options->connections,            /* */
				MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections / 2, /* */
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,    /* */
				MHD_OPTION_CONNECTION_TIMEOUT, options->request_s,            /* */
				MHD_OPTION_STRICT_FOR_CLIENT, 1,                              /* */
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,            /* */
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,          /* */
				MHD_OPTION_ARRAY, key != NULL ? tls : plain,                  /* */
				MHD_OPTION_END);
}

static enum iotpki_err listen_at(struct server *server, const struct server_listener *listener,
				 const struct tlskey *key, struct iotpki_detail *detail)
{
	struct listening *listening = &server->listening[server->count];
	listening->at = *listener;
	const enum iotpki_err err =
		listener_bind(listener, &listening->fd, &listening->at.port, detail);
	if (err != IOTPKI_OK)
		return err;
	server->count++;
	listening->daemon =
		start_daemon(server, listening->fd, listener->ipv6, listener->tls ? key : NULL);
	if (listening->daemon != NULL)
		return IOTPKI_OK;
	return detail_set(detail, IOTPKI_ERR_INTERNAL, 0, 0,
			  "the HTTP library did not start (threads, descriptors or the TLS key)");
}

enum iotpki_err server_start(const struct server_options *options, struct ledger *ledger,
			     const struct clock *clock, const struct tlskey *key,
			     struct server **server_out, struct iotpki_detail *detail)
{
	*server_out = NULL;
	CLEANUP(server_freep) struct server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return IOTPKI_ERR_NOMEM;
	server->options = *options;
	server->ledger = ledger;
	server->clock = clock;
	pthread_mutex_init(&server->lock, NULL);
	enum iotpki_err err = writer_start(ledger, &server->writer);
	for (size_t i = 0; err == IOTPKI_OK && i < options->listener_count; i++)
		err = listen_at(server, &options->listeners[i], key, detail);
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
	if (server->writer != NULL)
		writer_drain(server->writer);
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
	writer_freep(&(*server)->writer);
	pthread_mutex_destroy(&(*server)->lock);
	free(*server);
	*server = NULL;
}
