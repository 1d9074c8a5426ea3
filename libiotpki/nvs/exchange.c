/* The options of one exchange, its two callbacks, the pin, and the meaning of its errors. */
#include "nvs/exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "base/parse.h"
#include "format/json.h"

enum {
	HEADERS_MAX = 16 * 1024,        /* bytes of all header lines, those of 1xx too */
	RECEIVE_BUFFER = 16 * 1024,     /* what curl reads at once; its default of 16 KiB, fixed */
	PIN_MAX = CONFIG_PINS_MAX * 64, /* "sha256//" + 44 + ";" each */
};

struct exchange {
	const struct config_node *node;
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;
	size_t header_bytes;
	unsigned int lengths; /* Content-Length and Transfer-Encoding lines of this answer */
	bool too_long;
	const char *refused;                /* why a callback stopped it; NULL: it did not */
	struct curl_slist with_credentials; /* authorization, then headers */
	char authorization[CREDENTIALS_HEADER_SIZE];
	char error[CURL_ERROR_SIZE];
};

/* ---- what arrives ---- */

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;
	if (buf_put(&exchange->body, data, size * count) == IOTPKI_OK)
		return size * count;
	exchange->too_long = buf_error(&exchange->body) == IOTPKI_ERR_LIMIT;
	exchange->refused = "the answer is longer than allowed";
	return 0;
}

static bool is_header(const char *line, size_t len, const char *name, const char **value_out,
		      size_t *value_len_out)
{
	const size_t name_len = strlen(name);
	if (len < name_len || strncasecmp(line, name, name_len) != 0)
		return false;
	const char *value = line + name_len, *end = line + len;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && strchr(" \t\r\n", end[-1]) != NULL && end[-1] != '\0')
		end--;
	*value_out = value;
	*value_len_out = (size_t)(end - value);
	return true;
}

static bool is_word(const char *value, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(value, word, len) == 0;
}

/** Why this header line is refused, or NULL. libcurl itself would take several of these. */
static const char *judge_header(struct exchange *exchange, const char *line, size_t len)
{
	const char *value;
	size_t value_len;
	if (memchr(line, '\0', len) != NULL || (len > 0 && (line[0] == ' ' || line[0] == '\t')))
		return "a header line that HTTP does not allow";
	if (is_header(line, len, "HTTP/", &value, &value_len))
		exchange->lengths = 0;
	if (is_header(line, len, "Content-Encoding:", &value, &value_len) &&
	    !is_word(value, value_len, "identity"))
		return "a compressed answer";
	const bool coding = is_header(line, len, "Transfer-Encoding:", &value, &value_len);
	if (coding && !is_word(value, value_len, "chunked"))
		return "a transfer encoding other than chunked";
	if ((coding || is_header(line, len, "Content-Length:", &value, &value_len)) &&
	    ++exchange->lengths > 1)
		return "two lengths of one answer";
	return NULL;
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;
	const size_t len = size * count;
	exchange->header_bytes += len;
	exchange->refused = exchange->header_bytes > HEADERS_MAX
				    ? "the header of the answer is longer than allowed"
				    : judge_header(exchange, line, len);
	return exchange->refused == NULL ? len : 0;
}

/* ---- where it goes ---- */

static bool is_loopback(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

/**
 * Without a pin nothing leaves this machine, whatever a name resolves to. And a machine that has
 * no descriptor left cannot say that a node is unreachable: who uses them up must not get a login
 * by soft-fail.
 */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = context;
	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (exchange->node->pin_count == 0 && !is_loopback(&address->addr)) {
		exchange->refused = "a node without a pin must be on this machine";
		return CURL_SOCKET_BAD;
	}
	const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0 && errno != EAFNOSUPPORT)
		exchange->refused = "this machine cannot open a connection";
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* ---- the pin ---- */

static bool pinned(const struct config_node *node, X509 *cert)
{
	unsigned char *der = NULL;
	const int len = cert != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
	uint8_t hash[SHA256_LEN];
	const bool hashed = len > 0 && sha256(der, (size_t)len, hash) == IOTPKI_OK;
	OPENSSL_free(der);
	for (size_t i = 0; hashed && i < node->pin_count; i++) {
		if (memcmp(hash, node->pins[i], SHA256_LEN) == 0)
			return true;
	}
	return false;
}

static int verify_pin(X509_STORE_CTX *store, void *context)
{
	if (pinned(context, X509_STORE_CTX_get0_cert(store)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

/**
 * The proxies in front of chain nodes may know TLS 1.2 alone. It has suites without a certificate,
 * so without our callback (facts.md 14): they are not offered, and PSK and SRP neither.
 */
static bool limit_tls(SSL_CTX *ctx, const struct config_node *node)
{
	if (node->type == CONFIG_NODE_IOTPKI)
		return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP") == 1;
}

/**
 * libcurl compares its pin after the handshake and not at all if the server showed no certificate;
 * here nothing is sent to a node that is not the pinned one, and no certificate is a failure.
 * Resumption would skip the callback. The key log would obey the environment.
 */
static CURLcode prepare_tls(CURL *easy, void *tls, void *context)
{
	(void)easy;
	SSL_CTX *ctx = tls;
	const struct config_node *node = context;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_pin, context);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_keylog_callback(ctx, NULL);
	return limit_tls(ctx, node) ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

static void pin_text(const struct config_node *node, char out[static PIN_MAX])
{
	size_t len = 0;
	for (size_t i = 0; i < node->pin_count; i++) {
		static const char prefix[] = ";sha256//";
		const size_t skip = i == 0 ? 1 : 0;
		memcpy(out + len, prefix + skip, sizeof(prefix) - 1 - skip);
		len += sizeof(prefix) - 1 - skip;
		len += base64_encode(node->pins[i], SHA256_LEN, true, out + len);
	}
	out[len] = '\0';
}

/* ---- options ---- */

static bool set_numbers(CURL *easy, const struct config_node *node)
{
	const long versions =
		node->type == CONFIG_NODE_IOTPKI
			? (long)CURL_SSLVERSION_TLSv1_3 | (long)CURL_SSLVERSION_MAX_TLSv1_3
			: (long)CURL_SSLVERSION_TLSv1_2 | (long)CURL_SSLVERSION_MAX_TLSv1_3;
	const struct {
		CURLoption option;
		long value;
	} options[] = {
		{ CURLOPT_POST, 1 },
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_QUICK_EXIT, 1 }, /* a hung resolver must not hold us back (facts.md 14) */
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_HTTP09_ALLOWED, 0 },
		{ CURLOPT_HTTP_CONTENT_DECODING, 0 },
		{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
		{ CURLOPT_SSL_VERIFYPEER,
		  0 }, /* no CA: the pin alone counts, checked in verify_pin */
		{ CURLOPT_SSL_VERIFYHOST, 0 },
		{ CURLOPT_SSLVERSION, versions },
		{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
		{ CURLOPT_TCP_NODELAY, 1 },
		{ CURLOPT_BUFFERSIZE, RECEIVE_BUFFER },
		{ CURLOPT_UPLOAD_BUFFERSIZE, RECEIVE_BUFFER },
	};
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (curl_easy_setopt(easy, options[i].option, options[i].value) != CURLE_OK)
			return false;
	}
	return true;
}

static bool set_texts(CURL *easy, const struct config_node *node)
{
	char pins[PIN_MAX];
	pin_text(node, pins);
	const bool https = strncmp(node->url, "https:", 6) == 0;
	const struct {
		CURLoption option;
		const char *value;
	} options[] = {
		{ CURLOPT_URL, node->url },
		{ CURLOPT_PROTOCOLS_STR, https ? "https" : "http" },
		{ CURLOPT_PROXY, "" }, /* "" also switches the environment's proxies off */
		{ CURLOPT_NOPROXY, "*" },
		{ CURLOPT_CAINFO, NULL },
		{ CURLOPT_CAPATH, NULL },
		{ CURLOPT_ACCEPT_ENCODING, NULL },
		{ CURLOPT_PINNEDPUBLICKEY, node->pin_count > 0 ? pins : NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (curl_easy_setopt(easy, options[i].option, options[i].value) != CURLE_OK)
			return false;
	}
	return true;
}

static bool set_headers(struct exchange *exchange)
{
	/* "Expect:" keeps curl from waiting for 100 Continue. */
	static const char *const lines[] = { "Content-Type: application/json",
					     "Accept: application/json", "Expect:" };
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct curl_slist *list = curl_slist_append(exchange->headers, lines[i]);
		if (list == NULL)
			return false;
		exchange->headers = list;
	}
	return true;
}

/**
 * The line is our own and not CURLOPT_USERPWD: so it is wiped after each use, and libcurl has no
 * password that it could send elsewhere, try again or print.
 */
static CURLcode set_credentials(struct exchange *exchange, const struct credentials *credentials)
{
	struct curl_slist *list = exchange->headers;
	if (credentials != NULL)
		credentials_header(credentials, exchange->authorization);
	if (exchange->authorization[0] != '\0') {
		exchange->with_credentials = (struct curl_slist){
			.data = exchange->authorization,
			.next = exchange->headers,
		};
		list = &exchange->with_credentials;
	}
	return curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, list);
}

static bool set_callbacks(struct exchange *exchange)
{
	CURL *easy = exchange->easy;
	void *node = (void *)(uintptr_t)exchange->node; /* only read */
	return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, prepare_tls) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, node) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error) == CURLE_OK;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	curl_easy_cleanup(exchange->easy);
	curl_slist_free_all(exchange->headers);
	buf_done(&exchange->body);
	explicit_bzero(exchange->authorization, sizeof(exchange->authorization));
	free(exchange);
}

struct exchange *exchange_new(const struct config_node *node)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return NULL;
	exchange->node = node;
	exchange->easy = curl_easy_init();
	if (exchange->easy != NULL && set_numbers(exchange->easy, node) &&
	    set_texts(exchange->easy, node) && set_headers(exchange) && set_callbacks(exchange))
		return exchange;
	exchange_free(exchange);
	return NULL;
}

enum iotpki_err exchange_prepare(struct exchange *exchange, const struct buf *request, size_t cap,
				 const struct credentials *credentials, void *context)
{
	exchange_clear(exchange);
	exchange->body.cap = cap;
	CURL *easy = exchange->easy;
	if (curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(request)) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->len) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)cap) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PRIVATE, context) != CURLE_OK ||
	    set_credentials(exchange, credentials) != CURLE_OK)
		return IOTPKI_ERR_NOMEM;
	return IOTPKI_OK;
}

bool exchange_reusable(const struct exchange *exchange)
{
	long connects = 0, status = 0;
	return curl_easy_getinfo(exchange->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
	       curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	       connects == 0 && status == 200 && exchange->refused == NULL;
}

void *exchange_handle(const struct exchange *exchange)
{
	return exchange->easy;
}

void exchange_clear(struct exchange *exchange)
{
	/* A page of a long history is not kept for the small answers that follow. */
	if (exchange->body.size > JSON_ANSWER_MAX + 1)
		buf_done(&exchange->body);
	buf_clear(&exchange->body);
	explicit_bzero(exchange->authorization, sizeof(exchange->authorization));
	exchange->header_bytes = 0;
	exchange->lengths = 0;
	exchange->too_long = false;
	exchange->refused = NULL;
	exchange->error[0] = '\0';
}

/* ---- what a failure means ---- */

/**
 * Which failures are those of a connection that was never there or broke, so that soft-fail may
 * forgive them. Everything that is not listed is MALFORMED: pin, TLS, redirects, bad HTTP, caps.
 */
static bool never_there(int code)
{
	static const CURLcode codes[] = { CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,
					  CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING };
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if ((int)codes[i] == code)
			return true;
	}
	return false;
}

/**
 * libcurl has one code for a socket that broke and for TLS or chunks that are wrong, and tells
 * them apart in its text alone. A text that is not known here makes the stricter outcome.
 */
static bool socket_broke(int code, const char *text)
{
	static const CURLcode codes[] = { CURLE_SSL_CONNECT_ERROR, CURLE_RECV_ERROR,
					  CURLE_SEND_ERROR };
	static const char *const texts[] = { "Recv failure: ",    "Send failure: ",
					     "SSL_ERROR_SYSCALL", "unexpected eof while reading",
					     "Connection reset",  "Broken pipe",
					     "Connection died" };
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		known = known || (int)codes[i] == code;
	for (size_t i = 0; known && i < ARRAY_LEN(texts); i++) {
		if (strstr(text, texts[i]) != NULL)
			return true;
	}
	return false;
}

/** In our own words where an owner has something to do; else libcurl's. */
static const char *problem_text(const struct exchange *exchange, int code)
{
	static const struct {
		CURLcode code;
		const char *text;
	} rows[] = {
		{ CURLE_PEER_FAILED_VERIFICATION, "another key than the pin: not this node" },
		{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, "another key than the pin: not this node" },
		{ CURLE_COULDNT_RESOLVE_HOST, "the name of its host cannot be resolved" },
		{ CURLE_OPERATION_TIMEDOUT, "no answer in time" },
		{ CURLE_GOT_NOTHING, "closed without an answer" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((int)rows[i].code == code)
			return rows[i].text;
	}
	return exchange->error;
}

void exchange_judge(const struct exchange *exchange, int code, struct transport_answer *answer_out)
{
	*answer_out = (struct transport_answer){ .outcome = IOTPKI_OUTCOME_MALFORMED,
						 .problem = problem_text(exchange, code),
						 .too_long = exchange->too_long ||
							     code == (int)CURLE_FILESIZE_EXCEEDED };
	if (exchange->refused != NULL) {
		answer_out->problem = exchange->refused;
		return;
	}
	if (code == (int)CURLE_OK) {
		struct dialect_http *http = &answer_out->http;
		char *type = NULL;
		(void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &http->status);
		(void)curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_TYPE, &type);
		http->content_type = type;
		http->body = buf_text(&exchange->body);
		http->len = exchange->body.len;
		answer_out->outcome = IOTPKI_OUTCOME_PENDING;
		return;
	}
	/* "Nothing" is also what libcurl calls an answer of 1xx alone. */
	if (code == (int)CURLE_GOT_NOTHING && exchange->header_bytes > 0)
		return;
	if (never_there(code) || socket_broke(code, exchange->error))
		answer_out->outcome = IOTPKI_OUTCOME_UNREACHABLE;
}
