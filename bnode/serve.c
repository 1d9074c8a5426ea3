/* The verbs serve, init and pin. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "bnode/gateway.h"
#include "bnode/server.h"
#include "bnode/tlsserve.h"
#include "bnode/verbs.h"

enum {
	OWNERS_MAX = 1024,
	FD_MAX = 1 << 20,
	THREADS_MAX = 16,
	CONNECTIONS_MAX = 16384,
	CONNECTIONS_MIN = 16,
	RATE_MAX = 1000000,
	LEDGER_MIB_MAX = 1 << 20,
	CACHE_MS_MAX = 60000
};

/* getopt is quiet: its texts would begin with the verb as if that were the program. */
static int next_option(int argc, char **argv, const struct option *known)
{
	opterr = 0;
	return getopt_long(argc, argv, ":", known, NULL);
}

/* ---- pin ---- */

int bnode_pin(int argc, char **argv)
{
	static const struct option known[] = { { "dir", required_argument, NULL, 'd' }, { 0 } };
	const char *dir = NULL;
	for (int c; (c = next_option(argc, argv, known)) != -1;) {
		if (c != 'd')
			return verb_bad_option("pin", c, argv);
		dir = optarg;
	}
	const int code = verb_check_words("pin", dir, argc, argv);
	if (code != VERB_OK)
		return code;
	char pin[TLSKEY_PIN_SIZE];
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = tlskey_pin(dir, pin, &detail);
	if (err != IOTPKI_OK)
		return verb_failed("pin", err, &detail);
	puts(pin);
	return VERB_OK;
}

/* ---- init ---- */

struct init {
	const char *dir;
	bool open;
	bool gateway; /* a key and no ledger */
	size_t owner_count;
	uint8_t owners[OWNERS_MAX][SHA256_LEN];
};

static int init_options(int argc, char **argv, struct init *init)
{
	static const struct option known[] = { { "dir", required_argument, NULL, 'd' },
					       { "owner", required_argument, NULL, 'o' },
					       { "open", no_argument, NULL, 'a' },
					       { "gateway", no_argument, NULL, 'g' },
					       { 0 } };
	for (int c; (c = next_option(argc, argv, known)) != -1;) {
		if (c == 'd') {
			init->dir = optarg;
		} else if (c == 'a') {
			init->open = true;
		} else if (c == 'g') {
			init->gateway = true;
		} else if (c != 'o') {
			return verb_bad_option("init", c, argv);
		} else if (init->owner_count == OWNERS_MAX) {
			return verb_usage("init", "at most %d --owner", OWNERS_MAX);
		} else if (!hex_decode(optarg, strlen(optarg), init->owners[init->owner_count++],
				       SHA256_LEN)) {
			return verb_usage("init", "--owner takes 64 lower-case hex digits, as "
						  "`iotpki dm init` prints them");
		}
	}
	const int code = verb_check_words("init", init->dir, argc, argv);
	if (code != VERB_OK)
		return code;
	if (init->gateway && (init->open || init->owner_count > 0))
		return verb_usage("init", "a gateway keeps no names: --gateway stands alone");
	/* A node where nobody may register is a mistake; one where everybody may has to be asked for. */
	if (!init->gateway && init->open == (init->owner_count > 0))
		return verb_usage("init",
				  "say who may register names: --owner HEX (several), or --open "
				  "for everybody; or --gateway, which asks another node");
	return VERB_OK;
}

/* A node that is there already gets more owners; nothing else of it changes. */
static enum iotpki_err init_ledger(const struct init *init, const char *path,
				   struct iotpki_detail *detail)
{
	const struct ledger_policy policy = { .open = init->open,
					      .owner_count = init->owner_count,
					      .owners = init->owners };
	enum iotpki_err err = ledger_create(path, &policy, detail);
	if (err != IOTPKI_ERR_EXISTS)
		return err;
	*detail = (struct iotpki_detail){ 0 };
	CLEANUP(ledger_closep) struct ledger *ledger = NULL;
	err = ledger_open(path, clock_system(), &ledger, detail);
	if (err != IOTPKI_OK)
		return err;
	return ledger_allow(ledger, init->open, init->owners, init->owner_count, detail);
}

static enum iotpki_err init_run(const struct init *init, char pin[static TLSKEY_PIN_SIZE],
				struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	enum iotpki_err err = verb_path(init->dir, "ledger", path, detail);
	if (err == IOTPKI_OK)
		err = fs_mkdir(init->dir, 0700, detail);
	if (err == IOTPKI_OK && !init->gateway)
		err = fs_mkdir(path, 0700, detail);
	if (err == IOTPKI_OK && !init->gateway)
		err = init_ledger(init, path, detail);
	if (err == IOTPKI_OK)
		err = tlskey_create(init->dir, detail);
	/* Never over a key: clients hold its pin. */
	if (err == IOTPKI_ERR_EXISTS) {
		*detail = (struct iotpki_detail){ 0 };
		err = IOTPKI_OK;
	}
	return err == IOTPKI_OK ? tlskey_pin(init->dir, pin, detail) : err;
}

int bnode_init(int argc, char **argv)
{
	struct init *init = calloc(1, sizeof(*init));
	if (init == NULL)
		return verb_failed("init", IOTPKI_ERR_NOMEM, NULL);
	char pin[TLSKEY_PIN_SIZE];
	struct iotpki_detail detail = { 0 };
	int code = init_options(argc, argv, init);
	if (code == VERB_OK) {
		const enum iotpki_err err = init_run(init, pin, &detail);
		code = err == IOTPKI_OK ? VERB_OK : verb_failed("init", err, &detail);
	}
	if (code == VERB_OK)
		printf("pin: %s\n", pin);
	free(init);
	return code;
}

/* ---- serve ---- */

struct serve {
	const char *dir;
	unsigned int ready_number; /* a descriptor; 0: none */
	unsigned int open_per_hour;
	unsigned int ledger_mib;    /* 0: as it is */
	const char *ledger_option;  /* one that only a ledger has was given; NULL: none */
	const char *gateway_option; /* and one that only a gateway has */
	struct gateway_words words; /* type NULL: no gateway */
	struct gateway_options gateway;
	struct server_options options;
};

static bool number(const char *text, uint64_t least, uint64_t most, unsigned int *out)
{
	uint64_t value;
	if (!uint_parse(text, strlen(text), most, &value) || value < least)
		return false;
	*out = (unsigned int)value;
	return true;
}

static int serve_listen(struct serve *serve, const char *url)
{
	struct iotpki_detail detail = { 0 };
	if (serve->options.listener_count == SERVER_LISTENERS_MAX)
		return verb_usage("serve", "at most %d --listen", SERVER_LISTENERS_MAX);
	const enum iotpki_err err = server_listener_parse(
		url, &serve->options.listeners[serve->options.listener_count++], &detail);
	if (err == IOTPKI_OK)
		return VERB_OK;
	(void)verb_failed("serve", err, &detail);
	return VERB_USAGE;
}

#define READY_FD_TEXT "--ready-fd takes an open descriptor"
/* One option; its value is within these bounds. */
static const struct serve_number {
	char option;
	unsigned int least, most;
	const char *text;
} serve_numbers[] = {
	{ 'r', 1, FD_MAX, READY_FD_TEXT },
	{ 't', 1, THREADS_MAX, "--threads takes 1 to 16" },
	{ 'c', CONNECTIONS_MIN, CONNECTIONS_MAX, "--connections takes 16 to 16384" },
	{ 'a', 1, CONNECTIONS_MAX, "--connections-per-address takes 1 to 16384" },
	{ 'n', 0, RATE_MAX, "--new-per-second takes 0 (any number) to 1000000" },
	{ 's', 1, 300, "--request-seconds takes 1 to 300" },
	{ 'm', 1, LEDGER_MIB_MAX, "--ledger-mib takes 1 to 1048576" },
	{ 'o', 0, LEDGER_STRANGERS_PER_HOUR_MAX,
	  "--open-per-hour takes 0 (any number) to 1000000" },
	{ 'q', 0, RATE_MAX, "--rate takes 0 (any number) to 1000000 questions a second" },
	{ 'k', 0, CACHE_MS_MAX, "--cache-ms takes 0 to 60000" },
};

static int serve_number(struct serve *serve, int option)
{
	unsigned int value = 0;
	for (size_t i = 0; i < ARRAY_LEN(serve_numbers); i++) {
		const struct serve_number *row = &serve_numbers[i];
		if (row->option == option && !number(optarg, row->least, row->most, &value))
			return verb_usage("serve", "%s", row->text);
	}
	unsigned int *const places[] = {
		['r'] = &serve->ready_number,
		['t'] = &serve->options.threads,
		['c'] = &serve->options.limits.connections,
		['a'] = &serve->options.limits.per_address,
		['n'] = &serve->options.limits.per_second,
		['m'] = &serve->ledger_mib,
		['o'] = &serve->open_per_hour,
		['s'] = &serve->options.limits.request_s,
		['q'] = &serve->gateway.rate,
		['k'] = &serve->gateway.cache_ms,
	};
	/* Nothing else is open yet: later its number could be that of the ledger's file. */
	if (option == 'r' && fcntl((int)value, F_SETFD, FD_CLOEXEC) != 0)
		return verb_usage("serve", "%s", READY_FD_TEXT);
	*places[option] = value;
	return VERB_OK;
}

static int serve_metrics(struct serve *serve, const char *text)
{
	static const struct {
		const char *text;
		enum request_metrics metrics;
	} rows[] = {
		{ "loopback", REQUEST_METRICS_LOOPBACK },
		{ "any", REQUEST_METRICS_ANY },
		{ "off", REQUEST_METRICS_OFF },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].text, text) != 0)
			continue;
		serve->options.metrics = rows[i].metrics;
		return VERB_OK;
	}
	return verb_usage("serve", "--metrics takes loopback, any or off");
}

/* The one option with two words: what kind of node it is, and where. */
static int serve_upstream(struct serve *serve, int argc, char **argv)
{
	if (serve->words.type != NULL)
		return verb_usage("serve", "--upstream stands there twice");
	if (optind >= argc || argv[optind][0] == '-')
		return verb_usage("serve", "--upstream takes emercoin or namecoin, and a URL");
	serve->words.type = optarg;
	serve->words.url = argv[optind++];
	return VERB_OK;
}

static const char **serve_word(struct serve *serve, int option)
{
	const char **const places[] = {
		['C'] = &serve->words.credentials,
		['P'] = &serve->words.pin,
		['N'] = &serve->words.name_prefix,
	};
	return (size_t)option < ARRAY_LEN(places) ? places[option] : NULL;
}

/* Whether --upstream is there, and only what fits it. */
static int serve_fits(struct serve *serve)
{
	struct iotpki_detail detail = { 0 };
	const char *odd = serve->words.type != NULL ? serve->ledger_option : serve->gateway_option;
	if (odd != NULL)
		return verb_usage("serve", "%s does not go %s --upstream", odd,
				  serve->words.type != NULL ? "with" : "without");
	if (serve->words.type == NULL)
		return VERB_OK;
	const enum iotpki_err err =
		gateway_upstream_set(&serve->words, &serve->gateway.upstream, &detail);
	if (err == IOTPKI_OK)
		return VERB_OK;
	(void)verb_failed("serve", err, &detail);
	return VERB_USAGE;
}

static void note_option(struct serve *serve, int option)
{
	static const struct {
		char option;
		bool gateway;
		const char *text;
	} rows[] = {
		{ 'm', false, "--ledger-mib" }, { 'o', false, "--open-per-hour" },
		{ 'C', true, "--credentials" }, { 'P', true, "--upstream-pin" },
		{ 'N', true, "--name-prefix" }, { 'q', true, "--rate" },
		{ 'k', true, "--cache-ms" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].option != option)
			continue;
		*(rows[i].gateway ? &serve->gateway_option : &serve->ledger_option) = rows[i].text;
	}
}

static int serve_option(struct serve *serve, int option, int argc, char **argv)
{
	const char **word = serve_word(serve, option);
	note_option(serve, option);
	if (word != NULL) {
		*word = optarg;
		return VERB_OK;
	}
	if (option == 'd') {
		serve->dir = optarg;
		return VERB_OK;
	}
	if (option == 'l')
		return serve_listen(serve, optarg);
	if (option == 'x')
		return serve_metrics(serve, optarg);
	return option == 'U' ? serve_upstream(serve, argc, argv) : serve_number(serve, option);
}

static int serve_options(int argc, char **argv, struct serve *serve)
{
	static const struct option known[] = { { "dir", required_argument, NULL, 'd' },
					       { "listen", required_argument, NULL, 'l' },
					       { "ready-fd", required_argument, NULL, 'r' },
					       { "threads", required_argument, NULL, 't' },
					       { "connections", required_argument, NULL, 'c' },
					       { "connections-per-address", required_argument, NULL,
						 'a' },
					       { "new-per-second", required_argument, NULL, 'n' },
					       { "metrics", required_argument, NULL, 'x' },
					       { "request-seconds", required_argument, NULL, 's' },
					       { "ledger-mib", required_argument, NULL, 'm' },
					       { "open-per-hour", required_argument, NULL, 'o' },
					       { "upstream", required_argument, NULL, 'U' },
					       { "upstream-pin", required_argument, NULL, 'P' },
					       { "credentials", required_argument, NULL, 'C' },
					       { "name-prefix", required_argument, NULL, 'N' },
					       { "rate", required_argument, NULL, 'q' },
					       { "cache-ms", required_argument, NULL, 'k' },
					       { 0 } };
	for (int c; (c = next_option(argc, argv, known)) != -1;) {
		if (c == '?' || c == ':')
			return verb_bad_option("serve", c, argv);
		const int code = serve_option(serve, c, argc, argv);
		if (code != VERB_OK)
			return code;
	}
	const int code = verb_check_words("serve", serve->dir, argc, argv);
	if (code != VERB_OK)
		return code;
	if (serve->options.listener_count == 0)
		return verb_usage("serve", "--listen URL is missing, e.g. https://192.0.2.7:7443/");
	return serve_fits(serve);
}

static bool any_tls(const struct server_options *options)
{
	bool tls = false;
	for (size_t i = 0; i < options->listener_count; i++)
		tls = tls || options->listeners[i].tls;
	return tls;
}

/* Of the ledger, the listeners, the standard streams, and what each thread waits with. */
static unsigned int other_descriptors(const struct server_options *options)
{
	return 64 + 4 * options->threads * (unsigned int)options->listener_count;
}

/*
 * Each connection is a descriptor; the soft limit of 1,024 is for programs that use select(). Where the
 * hard one is too low, fewer connections are taken: accept() must never be what finds out.
 */
static void fit_descriptors(struct server_options *options)
{
	struct rlimit limit;
	const rlim_t others = other_descriptors(options);
	const rlim_t want = server_places(&options->limits) + others;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= want)
		return;
	while (options->limits.connections > CONNECTIONS_MIN &&
	       server_places(&options->limits) + others > limit.rlim_cur)
		options->limits.connections--;
	log_write(LOG_LEVEL_WARNING,
		  "the limit of open files (%llu) is below --connections: %u are taken at once",
		  (unsigned long long)limit.rlim_cur, options->limits.connections);
}

static enum iotpki_err tell_ready(const struct serve *serve, const struct server *server,
				  const char *pin, struct iotpki_detail *detail)
{
	CLEANUP(buf_done) struct buf lines = BUF_INIT(4096);
	for (size_t i = 0; i < serve->options.listener_count; i++) {
		char url[SERVER_URL_SIZE];
		server_url(server, i, url);
		const bool tls = serve->options.listeners[i].tls;
		log_write(LOG_LEVEL_NOTICE, "listening url=%s%s%s", url, tls ? " pin=" : "",
			  tls ? pin : "");
		(void)buf_printf(&lines, "url=%s%s%s\n", url, tls ? " pin=" : "", tls ? pin : "");
	}
	if (serve->ready_number == 0)
		return IOTPKI_OK;
	const ssize_t written = write((int)serve->ready_number, lines.data, lines.len);
	(void)close((int)serve->ready_number);
	if (written == (ssize_t)lines.len)
		return IOTPKI_OK;
	return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot write the ready line: %s",
			  strerror(errno));
}

/* What one run of serve holds; released in the order of the fields' use, last first. */
struct run {
	struct ledger *ledger;
	struct backend *backend;
	struct tlsserve *tls;
	struct server *server;
	char pin[TLSKEY_PIN_SIZE];
};

static void run_done(struct run *run)
{
	server_freep(&run->server);
	backend_freep(&run->backend);
	tlsserve_freep(&run->tls);
	ledger_closep(&run->ledger);
}

/*
 * SIGHUP: the key and the certificate again from their files. A key that does not load changes nothing:
 * a node that serves is worth more than a fresh file.
 */
static void reload(const struct serve *serve, struct run *run)
{
	CLEANUP(tlskey_done) struct tlskey key = { 0 };
	struct iotpki_detail detail = { 0 };
	struct metrics *metrics = run->backend->metrics;
	if (run->tls == NULL) {
		log_write(LOG_LEVEL_NOTICE, "nothing to reload: no --listen is https");
		return;
	}
	enum iotpki_err err = tlskey_load(serve->dir, &key, &detail);
	if (err == IOTPKI_OK)
		err = tlsserve_replace(run->tls, &key, &detail);
	if (err != IOTPKI_OK) {
		char text[IOTPKI_DETAIL_MESSAGE_MAX];
		iotpki_err_detail(err, &detail, text, sizeof(text));
		log_write(LOG_LEVEL_ERROR, "the TLS key stays as it was: %s", text);
		metrics_add(&metrics->reloads_failed, 1);
		return;
	}
	metrics_add(&metrics->reloads, 1);
	log_write(LOG_LEVEL_NOTICE, "TLS key and certificate read again pin=%s%s", key.pin,
		  strcmp(key.pin, run->pin) == 0 ? ""
						 : ": another than before, clients must know it");
	memcpy(run->pin, key.pin, sizeof(run->pin));
}

static void wait_for_end(const struct serve *serve, struct run *run, const sigset_t *signals)
{
	for (;;) {
		const struct timespec second = { .tv_sec = 1 };
		const int number = sigtimedwait(signals, NULL, &second);
		server_sweep(run->server);
		if (number == SIGHUP)
			reload(serve, run);
		else if (number > 0)
			return;
	}
}

/* A second SIGTERM ends the process at once: every commit is durable or is not, at any moment. */
static void end(struct run *run, const sigset_t *signals)
{
	log_write(LOG_LEVEL_NOTICE, "stopping");
	(void)signal(SIGHUP, SIG_IGN);
	(void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
	server_stop(run->server);
}

static enum iotpki_err run_tls(const struct serve *serve, struct run *run,
			       struct iotpki_detail *detail)
{
	CLEANUP(tlskey_done) struct tlskey key = { 0 };
	if (!any_tls(&serve->options))
		return IOTPKI_OK;
	const enum iotpki_err err = tlskey_load(serve->dir, &key, detail);
	if (err != IOTPKI_OK)
		return err;
	memcpy(run->pin, key.pin, sizeof(run->pin));
	return tlsserve_new(&key, &run->tls, detail);
}

static enum iotpki_err open_ledger(const struct serve *serve, struct run *run,
				   struct iotpki_detail *detail)
{
	char path[VERB_PATH_SIZE];
	enum iotpki_err err = verb_path(serve->dir, "ledger", path, detail);
	if (err == IOTPKI_OK)
		err = ledger_open(path, clock_system(), &run->ledger, detail);
	if (err == IOTPKI_OK)
		err = ledger_enlarge(run->ledger, (size_t)serve->ledger_mib << 20, detail);
	if (err != IOTPKI_OK)
		return err;
	ledger_limit_strangers(run->ledger, serve->open_per_hour);
	return backend_ledger_new(run->ledger, clock_system(), &run->backend);
}

static enum iotpki_err run_open(const struct serve *serve, struct run *run,
				struct iotpki_detail *detail)
{
	const enum iotpki_err err = run_tls(serve, run, detail);
	if (err != IOTPKI_OK)
		return err;
	if (serve->words.type == NULL)
		return open_ledger(serve, run, detail);
	return backend_gateway_new(&serve->gateway, clock_system(), random_system(), &run->backend);
}

/* Large blocks on their own pages, and few arenas: what an attack made it take, it gives back. */
static void tune_malloc(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	(void)mallopt(M_ARENA_MAX, 4);
}

static enum iotpki_err serve_run(struct serve *serve, struct iotpki_detail *detail)
{
	CLEANUP(run_done) struct run run = { 0 };
	tune_malloc();
	/* Blocked before any thread starts, so that this thread alone takes them. */
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return IOTPKI_ERR_INTERNAL;
	fit_descriptors(&serve->options);
	enum iotpki_err err = run_open(serve, &run, detail);
	if (err == IOTPKI_OK)
		err = server_start(&serve->options, run.backend, clock_system(), run.tls,
				   &run.server, detail);
	if (err == IOTPKI_OK)
		err = tell_ready(serve, run.server, run.pin, detail);
	if (err != IOTPKI_OK)
		return err;
	wait_for_end(serve, &run, &signals);
	end(&run, &signals);
	return IOTPKI_OK;
}

int bnode_serve(int argc, char **argv)
{
	struct serve serve = { .open_per_hour = LEDGER_STRANGERS_PER_HOUR,
			       .gateway = { .rate = GATEWAY_RATE, .cache_ms = GATEWAY_CACHE_MS },
			       .options = SERVER_OPTIONS_INIT };
	const int code = serve_options(argc, argv, &serve);
	if (code != VERB_OK)
		return code;
	struct iotpki_detail detail = { 0 };
	const enum iotpki_err err = serve_run(&serve, &detail);
	return err == IOTPKI_OK ? VERB_OK : verb_failed("serve", err, &detail);
}
