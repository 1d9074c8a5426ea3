/* The fake chain nodes beyond what was recorded: each switch, two owners, reorganised and rolled back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "chainkit.h"
#include "fake/chain_node.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CALL(method, params) "{\"id\":1,\"method\":\"" method "\",\"params\":" params "}"
#define SHOW CALL("name_show", "[\"iot:a\"]")
#define HISTORY CALL("name_history", "[\"iot:a\",true]")
#define NEW CALL("name_new", "[\"iot:b\",\"sha256=1\",1]")
#define BLOCKS CALL("getblockchaininfo", "[]")
#define N_SHOW CALL("name_show", "[\"iot/a\"]")
#define N_HISTORY CALL("name_history", "[\"iot/a\"]")
#define N_NEW CALL("name_new", "[\"iot/b\"]")
#define N_UPDATE CALL("name_update", "[\"iot/a\",\"y\"]")

/* A call that must succeed; its result as text. */
static char *must(struct chain_node *node, const char *method, const char *params)
{
	bool failed = true;
	char *text = chain_node_call(node, method, params, &failed);
	if (failed)
		fail_msg("%s %s: %s", method, params != NULL ? params : "", text);
	return text;
}

static void does(struct chain_node *node, const char *method, const char *params)
{
	free(must(node, method, params));
}

/** A call whose result, or error, has this in it. */
static void says(struct chain_node *node, const char *method, const char *params, const char *want)
{
	bool failed = true;
	char *text = chain_node_call(node, method, params, &failed);
	if (text == NULL || strstr(text, want) == NULL)
		fail_msg("%s %s: %s, not %s", method, params, text, want);
	free(text);
}

/** Two steps of Namecoin, mined. */
static void register_on_namecoin(struct chain_node *node, const char *name)
{
	char params[512];
	(void)snprintf(params, sizeof(params), "[\"%s\"]", name);
	char *text = must(node, "name_new", params);
	assert_true(chain_node_mine(node, 12));
	(void)snprintf(params, sizeof(params), "[\"%s\",\"%.40s\",\"%.64s\",\"x\"]", name,
		       text + 69, text + 2);
	does(node, "name_firstupdate", params);
	assert_true(chain_node_mine(node, 1));
	free(text);
}

/** A node with one registered name, iot:a or iot/a. */
static struct chain_node *start(enum chain_kind kind, const char *login)
{
	const struct chain_node_options options = { .kind = kind, .login = login };
	struct chain_node *node = chain_node_start(&options);
	assert_non_null(node);
	if (kind == CHAIN_NAMECOIN) {
		register_on_namecoin(node, "iot/a");
		return node;
	}
	does(node, "name_new", "[\"iot:a\",\"sha256=1\",1]");
	assert_true(chain_node_mine(node, 1));
	return node;
}

/* ---- the switches ---- */

enum end { WHOLE, CUT, NOTHING };

static const struct {
	const char *name;
	enum chain_kind kind;
	const char *switches, *request;
	enum end end;
	int status;
	const char *want; /* in the body */
} rows[] = {
	{ "no switch", CHAIN_EMERCOIN, "{}", SHOW, WHOLE, 200, "\"name\":\"iot:a\"" },
	{ "ibd, show", CHAIN_EMERCOIN, "{\"ibd\":true}", SHOW, WHOLE, 500,
	  "{\"code\":-10,\"message\":\"Emercoin is downloading blocks...\"}" },
	{ "ibd, show, Namecoin", CHAIN_NAMECOIN, "{\"ibd\":true}", N_SHOW, WHOLE, 500,
	  "{\"code\":-10,\"message\":\"Namecoin is downloading blocks...\"}" },
	{ "ibd, new", CHAIN_EMERCOIN, "{\"ibd\":true}", NEW, WHOLE, 500, "\"code\":-10" },
	{ "ibd, tip", CHAIN_EMERCOIN, "{\"ibd\":true}", BLOCKS, WHOLE, 200,
	  "\"initialblockdownload\":true" },
	{ "warm-up", CHAIN_EMERCOIN, "{\"warmup\":true}", SHOW, WHOLE, 500,
	  "{\"code\":-28,\"message\":\"Loading block index...\"}" },
	{ "no wallet, history", CHAIN_EMERCOIN, "{\"no_wallet\":true}", HISTORY, WHOLE, 404,
	  "\"code\":-32601" },
	{ "no wallet, show", CHAIN_EMERCOIN, "{\"no_wallet\":true}", SHOW, WHOLE, 200,
	  "\"name\":\"iot:a\"" },
	{ "no wallet, new, Namecoin", CHAIN_NAMECOIN, "{\"no_wallet\":true}", N_NEW, WHOLE, 500,
	  "\"code\":-18" },
	{ "no wallet, history, Namecoin", CHAIN_NAMECOIN, "{\"no_wallet\":true}", N_HISTORY, WHOLE,
	  200, "\"expired\":false}]" },
	{ "several wallets", CHAIN_EMERCOIN, "{\"several_wallets\":true}", HISTORY, WHOLE, 500,
	  "\"code\":-19" },
	{ "no -namehistory", CHAIN_NAMECOIN, "{\"no_namehistory\":true}", N_HISTORY, WHOLE, 500,
	  "{\"code\":-1,\"message\":\"-namehistory is not enabled\"}" },
	{ "no txindex, show", CHAIN_EMERCOIN, "{\"no_txindex\":true}", SHOW, WHOLE, 500,
	  "{\"code\":-4,\"message\":\"failed to read from from disk\"}" },
	{ "no txindex, history", CHAIN_EMERCOIN, "{\"no_txindex\":true}", HISTORY, WHOLE, 500,
	  "\"code\":-20" },
	{ "no funds", CHAIN_EMERCOIN, "{\"funds\":false}", NEW, WHOLE, 500,
	  "{\"code\":-6,\"message\":\"Insufficient funds\"}" },
	{ "no funds, Namecoin", CHAIN_NAMECOIN, "{\"balance\":0.001}", N_NEW, WHOLE, 500,
	  "{\"code\":-6,\"message\":\"Insufficient funds\"}" },
	{ "locked", CHAIN_EMERCOIN, "{\"locked\":true}", NEW, WHOLE, 500, "\"code\":-13" },
	{ "locked, Namecoin", CHAIN_NAMECOIN, "{\"locked\":true}", N_UPDATE, WHOLE, 500,
	  "\"code\":-13" },
	{ "unauthorized", CHAIN_EMERCOIN, "{\"unauthorized\":true}", SHOW, WHOLE, 401, "" },
	{ "503", CHAIN_EMERCOIN, "{\"http_status\":503}", SHOW, WHOLE, 503, "<HTML>" },
	{ "HTML", CHAIN_NAMECOIN, "{\"reply_html\":true}", N_SHOW, WHOLE, 200, "<HTML>" },
	{ "an error of the test's", CHAIN_EMERCOIN,
	  "{\"jsonrpc_error\":{\"code\":-4,\"message\":\"x\",\"method\":\"name_show\"}}", SHOW,
	  WHOLE, 500, "{\"code\":-4,\"message\":\"x\"}" },
	{ "of another method", CHAIN_EMERCOIN,
	  "{\"jsonrpc_error\":{\"code\":-4,\"message\":\"x\",\"method\":\"name_new\"}}", SHOW,
	  WHOLE, 200, "\"name\":\"iot:a\"" },
	{ "a lie", CHAIN_EMERCOIN, "{\"lie\":{\"name_show\":{\"value\":\"v\",\"vout\":null}}}",
	  SHOW, WHOLE, 200, "\"value\":\"v\"" },
	{ "cut", CHAIN_EMERCOIN, "{\"cut_bytes\":10}", SHOW, CUT, 200, "{\"result\":" },
	{ "a bit", CHAIN_EMERCOIN, "{\"flip_byte\":2}", SHOW, WHOLE, 200, "{\"sesult\":" },
	{ "black hole", CHAIN_EMERCOIN, "{\"blackhole\":true}", SHOW, NOTHING, 0, NULL },
	{ "reset", CHAIN_EMERCOIN, "{\"blackhole\":\"reset\"}", SHOW, NOTHING, 0, NULL },
	{ "refused", CHAIN_EMERCOIN, "{\"refuse_ms\":100000}", SHOW, NOTHING, 0, NULL },
	{ "another chain", CHAIN_NAMECOIN, "{\"chain\":\"main\"}", BLOCKS, WHOLE, 200,
	  "{\"chain\":\"main\"" },
	{ "slow", CHAIN_EMERCOIN, "{\"slow_ms\":1}", SHOW, WHOLE, 200, "\"name\":\"iot:a\"" },
	{ "shorter life", CHAIN_NAMECOIN, "{\"expiry_blocks\":1}", CALL("name_show", "[\"iot/a\"]"),
	  WHOLE, 200, "\"expires_in\":1," },
	{ "shorter day", CHAIN_EMERCOIN, "{\"expiry_blocks\":0}", SHOW, WHOLE, 200,
	  "\"expired\":true" },
};

static void each_switch(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct chain_node *node = start(rows[i].kind, NULL);
		struct chain_exchange answer;
		assert_true(chain_node_set(node, rows[i].switches));
		const bool any = chain_exchange_within(rows[i].end == NOTHING ? 100 : 20000,
						       chain_node_port(node), NULL, NULL,
						       rows[i].request, &answer);
		if (any != (rows[i].end != NOTHING))
			fail_msg("%s: %s", rows[i].name, any ? "an answer" : "no answer");
		if (any &&
		    (answer.status != rows[i].status || answer.complete != (rows[i].end == WHOLE) ||
		     strstr(buf_text(&answer.body), rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].name, answer.status, buf_text(&answer.body));
		chain_exchange_done(&answer);
		chain_node_stop(node);
	}
}

static void a_black_hole_hears_the_test(void **state)
{
	(void)state;
	struct chain_node *node = start(CHAIN_EMERCOIN, "u:p");
	struct chain_exchange answer;
	const unsigned int port = chain_node_port(node);
	assert_true(chain_node_set(node, "{\"blackhole\":\"accept\",\"unauthorized\":true}"));
	assert_true(chain_exchange(
		port, NULL, NULL, CALL("fake_set", "[{\"blackhole\":null,\"unauthorized\":false}]"),
		&answer));
	chain_exchange_done(&answer);
	assert_true(chain_exchange(port, NULL, "u:p", SHOW, &answer));
	assert_int_equal(answer.status, 200);
	chain_exchange_done(&answer);
	assert_false(chain_node_set(node, "{\"no_such\":1}"));
	assert_false(chain_node_set(node, "{\"slow_ms\":\"1\"}"));
	assert_int_equal(chain_node_requests(node), 1);
	char last[128];
	chain_node_last_request(node, last, sizeof(last));
	assert_string_equal(last, SHOW);
	chain_node_stop(node);
}

static void the_tip_can_be_old(void **state)
{
	(void)state;
	struct chain_node *node = start(CHAIN_NAMECOIN, NULL);
	char *young = must(node, "getblockchaininfo", NULL);
	assert_true(chain_node_set(node, "{\"tip_age_s\":100000}"));
	char *old = must(node, "getblockchaininfo", NULL);
	const int64_t before = strtoll(strstr(young, "\"time\":") + 7, NULL, 10);
	const int64_t after = strtoll(strstr(old, "\"time\":") + 7, NULL, 10);
	assert_true(before - after > 99000);
	free(young);
	free(old);
	chain_node_stop(node);
}

/* ---- who may ask ---- */

static const struct {
	const char *name;
	enum chain_kind kind;
	const char *login, *request, *path;
	int status;
	const char *type;
} doors[] = {
	{ "right", CHAIN_EMERCOIN, "u:p", SHOW, NULL, 200, "application/json" },
	{ "wrong", CHAIN_EMERCOIN, "u:q", SHOW, NULL, 401, "" },
	{ "none", CHAIN_NAMECOIN, NULL, N_SHOW, NULL, 401, "" },
	{ "none, unparsable", CHAIN_NAMECOIN, NULL, "{", NULL, 401, "" },
	{ "GET", CHAIN_EMERCOIN, NULL, "GET /", NULL, 405, "text/html; charset=ISO-8859-1" },
	{ "REST without a password", CHAIN_NAMECOIN, NULL, "GET /rest/name/iot%2fa.json", NULL, 200,
	  "application/json" },
	{ "REST, Emercoin", CHAIN_EMERCOIN, NULL, "GET /rest/name/iot:a.json", NULL, 405,
	  "text/html; charset=ISO-8859-1" },
	{ "a wallet", CHAIN_EMERCOIN, "u:p", NEW, "/wallet/other", 200, "application/json" },
	{ "no such wallet", CHAIN_EMERCOIN, "u:p", NEW, "/wallet/x", 500, "application/json" },
	{ "not an object", CHAIN_EMERCOIN, "u:p", "1", NULL, 500, "application/json" },
	{ "no method", CHAIN_EMERCOIN, "u:p", "{\"id\":1}", NULL, 400, "application/json" },
	{ "no method, 2.0", CHAIN_NAMECOIN, "u:p", "{\"jsonrpc\":\"2.0\",\"id\":1}", NULL, 200,
	  "application/json" },
};

static void the_doors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(doors); i++) {
		struct chain_node *node = start(doors[i].kind, "u:p");
		struct chain_exchange answer;
		if (!chain_exchange(chain_node_port(node), doors[i].path, doors[i].login,
				    doors[i].request, &answer))
			fail_msg("%s: no answer", doors[i].name);
		if (answer.status != doors[i].status ||
		    strcmp(answer.content_type, doors[i].type) != 0 ||
		    (answer.status == 401 && answer.body.len != 0))
			fail_msg("%s: %d '%s' %s", doors[i].name, answer.status,
				 answer.content_type, buf_text(&answer.body));
		chain_exchange_done(&answer);
		chain_node_stop(node);
	}
}

static void read_cookie(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	assert_non_null(in);
	assert_non_null(fgets(out, (int)size, in));
	(void)fclose(in);
}

static void a_cookie_changes_at_a_restart(void **state)
{
	(void)state;
	char folder[] = "/tmp/fake-chain.XXXXXX", path[64], first[128], second[128];
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/.cookie", folder);
	const struct chain_node_options options = { .kind = CHAIN_NAMECOIN, .cookie = path };
	struct chain_node *node = chain_node_start(&options);
	assert_non_null(node);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_cookie(path, first, sizeof(first));
	struct chain_exchange answer;
	const unsigned int port = chain_node_port(node);
	assert_true(chain_exchange(port, NULL, NULL, CALL("fake_restart", "[]"), &answer));
	chain_exchange_done(&answer);
	read_cookie(path, second, sizeof(second));
	assert_string_not_equal(first, second);
	assert_true(chain_exchange(port, NULL, first, BLOCKS, &answer));
	assert_int_equal(answer.status, 401);
	chain_exchange_done(&answer);
	assert_true(chain_exchange(port, NULL, second, BLOCKS, &answer));
	assert_int_equal(answer.status, 200);
	chain_exchange_done(&answer);
	chain_node_stop(node);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(rmdir(folder), 0);
}

/* ---- the chain ---- */

static void a_third_parameter_is_told(void **state)
{
	(void)state;
	for (int kind = CHAIN_EMERCOIN; kind <= CHAIN_NAMECOIN; kind++) {
		struct chain_node *node = start((enum chain_kind)kind, NULL);
		assert_int_equal(chain_node_violations(node), 0);
		says(node, "name_show", "[\"iot:a\",\"\",\"/tmp/x\"]", "\"code\"");
		assert_int_equal(chain_node_violations(node), 1);
		says(node, "fake_get", "[]", "name_show with a third parameter");
		assert_int_equal(chain_node_count(node, "name_show"), 1);
		chain_node_stop(node);
	}
}

static void names_have_owners(void **state)
{
	(void)state;
	struct chain_node *node = start(CHAIN_EMERCOIN, NULL);
	does(node, "fake_as", "{\"wallet\":\"other\"}");
	says(node, "name_update", "[\"iot:a\",\"x\",0]", "prev name tx is not yours");
	char *address = must(node, "getnewaddress", NULL);
	does(node, "fake_as", "[\"\"]");
	char params[256];
	(void)snprintf(params, sizeof(params), "[\"iot:a\",\"\",0,%s]", address);
	does(node, "name_update", params);
	assert_true(chain_node_mine(node, 1));
	says(node, "name_show", "[\"iot:a\"]", "\"value\":\"sha256=1\"");
	says(node, "name_update", "[\"iot:a\",\"x\",0]", "prev name tx is not yours");
	does(node, "fake_as", "[\"other\"]");
	does(node, "name_update", "[\"iot:a\",\"x\",0]");
	says(node, "fake_as", "[\"nobody\"]", "no such wallet");
	says(node, "validateaddress", "[\"emrt1qx\"]", "{\"isvalid\":false}");
	(void)snprintf(params, sizeof(params), "[0,true,true,%s]", address);
	char *received = must(node, "listreceivedbyaddress", params);
	char *history = must(node, "name_history", "[\"iot:a\",true]");
	char *txid = strstr(received, "\"txids\":[\"");
	assert_non_null(txid);
	txid[10 + 65] = '\0';
	assert_non_null(strstr(history, txid + 10));
	free(received);
	free(history);
	free(address);
	chain_node_stop(node);
}

static void a_pre_order_ripens(void **state)
{
	(void)state;
	struct chain_node *node = start(CHAIN_NAMECOIN, NULL);
	char *text = must(node, "name_new", "[\"iot/b\"]"), params[512];
	assert_true(chain_node_mine(node, 1));
	const int64_t ordered = chain_node_height(node);
	(void)snprintf(params, sizeof(params), "[\"iot/b\",\"%040d\",\"%.64s\",\"x\"]", 0,
		       text + 2);
	says(node, "name_firstupdate", params, "rand value is wrong");
	(void)snprintf(params, sizeof(params), "[\"iot/b\",\"%.40s\",\"%.64s\",\"x\"]", text + 69,
		       text + 2);
	/* Taken at once, mined when the pre-order is twelve blocks deep. */
	does(node, "name_firstupdate", params);
	says(node, "name_firstupdate", params, "this name is already being registered");
	assert_true(chain_node_mine(node, 11));
	says(node, "name_show", "[\"iot/b\"]", "name never existed");
	assert_true(chain_node_mine(node, 1));
	says(node, "name_show", "[\"iot/b\"]", "\"expires_in\":30");
	assert_int_equal(chain_node_height(node), ordered + 12);
	says(node, "name_firstupdate", params, "this name is already active");
	does(node, "name_update", "[\"iot/b\",\"y\"]");
	says(node, "name_update", "[\"iot/b\",\"z\"]", "too many pending operations");
	free(text);
	chain_node_stop(node);
}

static void blocks_are_taken_back(void **state)
{
	(void)state;
	struct chain_node *node = start(CHAIN_EMERCOIN, NULL);
	const int64_t height = chain_node_height(node);
	char *best = must(node, "getbestblockhash", NULL);
	does(node, "fake_reorg", "[1]");
	assert_int_equal(chain_node_height(node), height + 1);
	says(node, "getblock", "[\"x\"]", "Block not found");
	char params[80];
	(void)snprintf(params, sizeof(params), "[%s]", best);
	says(node, "getblockheader", params, "Block not found");
	/* What the block held waits again, and is mined. */
	says(node, "name_show", "[\"iot:a\"]", "failed to read from name DB");
	says(node, "name_mempool", "[]", "\"name\":\"iot:a\"");
	assert_true(chain_node_mine(node, 1));
	says(node, "name_show", "[\"iot:a\"]", "\"expires_in\":175");
	does(node, "fake_rollback", "[1]");
	says(node, "name_show", "[\"iot:a\"]", "failed to read from name DB");
	says(node, "name_mempool", "[]", "[]");
	says(node, "fake_reorg", "[100000]", "-8");
	free(best);
	chain_node_stop(node);
}

static void confirmations_are_counted(void **state)
{
	(void)state;
	struct chain_node *node = start(CHAIN_EMERCOIN, NULL);
	char *txid = must(node, "name_update", "[\"iot:a\",\"x\",1]"), params[80];
	(void)snprintf(params, sizeof(params), "[%s]", txid);
	says(node, "gettransaction", params, "\"confirmations\":0");
	says(node, "getrawmempool", "[]", txid);
	assert_true(chain_node_mine(node, 3));
	says(node, "gettransaction", params, "\"confirmations\":3");
	(void)snprintf(params, sizeof(params), "[%s,true]", txid);
	says(node, "getrawtransaction", params, "\"confirmations\":3");
	says(node, "gettransaction", "[\"x\"]", "\"code\":-5");
	says(node, "name_show", "[\"iot:a\"]", "\"expires_in\":347");
	free(txid);
	chain_node_stop(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_switch),
		cmocka_unit_test(a_black_hole_hears_the_test),
		cmocka_unit_test(the_tip_can_be_old),
		cmocka_unit_test(the_doors),
		cmocka_unit_test(a_cookie_changes_at_a_restart),
		cmocka_unit_test(a_third_parameter_is_told),
		cmocka_unit_test(names_have_owners),
		cmocka_unit_test(a_pre_order_ripens),
		cmocka_unit_test(blocks_are_taken_back),
		cmocka_unit_test(confirmations_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
