/*
 * The peer of the name_show benchmark: libmicrohttpd as iotpki-bnode starts it, that
 * reads a body and answers a constant of a given length. What iotpki-bnode is slower
 * than this is what parsing, ledger and serialiser cost.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

enum { LENGTH_MAX = 65536, BODY_MAX = 4096 };

struct request {
	size_t len;
	char body[BODY_MAX];
};

struct constant {
	size_t len;
	char text[LENGTH_MAX];
};

static enum MHD_Result on_request(void *context, struct MHD_Connection *http, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *len, void **state)
{
	const struct constant *constant = context;
	struct request *request = *state;
	(void)url;
	(void)method;
	(void)version;
	if (request == NULL) {
		*state = calloc(1, sizeof(*request));
		return *state != NULL ? MHD_YES : MHD_NO;
	}
	if (*len > 0) {
		if (*len > BODY_MAX - request->len)
			return MHD_NO;
		memcpy(request->body + request->len, data, *len);
		request->len += *len;
		*len = 0;
		return MHD_YES;
	}
	struct MHD_Response *response = MHD_create_response_from_buffer(
		constant->len, (void *)(uintptr_t)constant->text, MHD_RESPMEM_PERSISTENT);
	(void)MHD_add_response_header(response, "Content-Type", "application/json");
	const enum MHD_Result result = MHD_queue_response(http, 200, response);
	MHD_destroy_response(response);
	return result;
}

static void on_completed(void *context, struct MHD_Connection *http, void **state,
			 enum MHD_RequestTerminationCode code)
{
	(void)context;
	(void)http;
	(void)code;
	free(*state);
}

int main(int argc, char **argv)
{
	static struct constant constant;
	constant.len = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (constant.len == 0 || constant.len > LENGTH_MAX)
		return 2;
	memset(constant.text, 'a', constant.len);
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
	struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
		&constant, MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_CONNECTION_LIMIT, 1024u,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (daemon == NULL)
		return 1;
	printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	(void)fflush(stdout);
	(void)sigwaitinfo(&ends, NULL);
	MHD_stop_daemon(daemon);
	return 0;
}
