/* Verification beside the writing thread: every result comes back once, and what waits is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bnode/writer.h"
#include "ledgerkit.h"

#define T INT64_C(1800000000)
enum { THREADS = 4, ROUNDS = 12, BATCH = 6 };

static struct txkit_key owner;

static int setup(void **state)
{
	(void)state;
	txkit_key_new(&owner);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	txkit_key_done(&owner);
	return 0;
}

/* A request with its submissions, and somebody who waits for it. */
struct request {
	struct writer_job job; /* first: done() gets back from it */
	struct answer answer;
	struct answer_submission submissions[BATCH];
	pthread_mutex_t lock;
	pthread_cond_t came;
	unsigned int done; /* under lock */
};

static void on_done(struct writer_job *job)
{
	struct request *request = (struct request *)(void *)job;
	pthread_mutex_lock(&request->lock);
	request->done++;
	pthread_cond_signal(&request->came);
	pthread_mutex_unlock(&request->lock);
}

static void start(struct request *request)
{
	memset(request, 0, sizeof(*request));
	pthread_mutex_init(&request->lock, NULL);
	pthread_cond_init(&request->came, NULL);
	request->answer.submissions = request->submissions;
	request->job = (struct writer_job){ .answer = &request->answer, .done = on_done };
}

static void finish(struct request *request)
{
	pthread_cond_destroy(&request->came);
	pthread_mutex_destroy(&request->lock);
}

/* The last byte of a DER is one of its signature. */
static uint8_t *add(struct request *request, const struct tx *tx)
{
	CLEANUP(buf_done) struct buf der = BUF_INIT(TX_DER_MAX);
	struct answer_submission *it = &request->submissions[request->answer.submission_count++];
	txkit_sign(&owner, tx, &der);
	memcpy(it->der, der.data, der.len);
	it->decoded = true;
	it->to_ledger = (struct ledger_submission){ .der = it->der, .der_len = der.len };
	request->answer.decoded_count++;
	return &it->der[der.len - 1];
}

static void wait_for(struct request *request)
{
	pthread_mutex_lock(&request->lock);
	while (request->done == 0)
		pthread_cond_wait(&request->came, &request->lock);
	pthread_mutex_unlock(&request->lock);
}

static enum tx_reason reason_of(const struct request *request, size_t at)
{
	return request->submissions[at].to_ledger.reason;
}

struct client {
	struct writer *writer;
	int number;
	atomic_uint wrong;
};

/* A batch of a name's two steps, one again, one forged, one undecodable; then the same name refused. */
static void one_round(struct client *client, int round)
{
	char name[64];
	struct request request;
	(void)snprintf(name, sizeof(name), "iot:%d-%d", client->number, round);
	const struct tx preorder = txkit_preorder(&owner, name, 1, T);
	const struct tx registers = txkit_register(&owner, name, 1, T, T + 86400);
	start(&request);
	(void)add(&request, &preorder);
	*add(&request, &preorder) ^= 1;
	(void)add(&request, &registers);
	request.submissions[3].to_ledger.reason = TX_BAD_ENCODING;
	request.answer.submission_count++;
	if (writer_submit(client->writer, &request.job))
		wait_for(&request);
	static const enum tx_reason want[] = { TX_OK, TX_BAD_SIGNATURE, TX_OK, TX_BAD_ENCODING };
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		client->wrong += reason_of(&request, i) != want[i];

	/* The same bytes once more, alone: settled before the writing thread hears of it. */
	struct request again;
	start(&again);
	again.submissions[0] = request.submissions[0];
	again.submissions[0].to_ledger = (struct ledger_submission){
		.der = request.submissions[0].der,
		.der_len = request.submissions[0].to_ledger.der_len,
	};
	again.answer.submission_count = again.answer.decoded_count = 1;
	if (writer_submit(client->writer, &again.job))
		wait_for(&again);
	client->wrong += reason_of(&again, 0) != TX_OK || again.done != 1 || request.done != 1;
	client->wrong += memcmp(again.submissions[0].to_ledger.txid,
				request.submissions[0].to_ledger.txid, SHA256_LEN) != 0;
	finish(&again);
	finish(&request);
}

static void *run_client(void *context)
{
	struct client *client = context;
	for (int round = 0; round < ROUNDS; round++)
		one_round(client, round);
	return NULL;
}

static void every_result_comes_back_once(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct writer *writer = NULL;
	struct client clients[THREADS];
	pthread_t threads[THREADS];
	struct ledger_tip tip;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	assert_int_equal(writer_start(kit.ledger, &writer), IOTPKI_OK);
	for (int i = 0; i < THREADS; i++) {
		clients[i] = (struct client){ .writer = writer, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(clients[i].wrong, 0);
	}
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_int_equal(tip.height, THREADS * ROUNDS * 2);
	writer_freep(&writer);
	ledgerkit_done(&kit);
}

/* What was taken before the end is done by the end; after it nothing is taken. */
static void draining_finishes_what_was_taken(void **state)
{
	(void)state;
	enum { COUNT = 40 };
	struct ledgerkit kit;
	struct writer *writer = NULL;
	static struct request requests[COUNT], late;
	struct ledger_tip tip;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	assert_int_equal(writer_start(kit.ledger, &writer), IOTPKI_OK);
	for (int i = 0; i < COUNT; i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "iot:%d", i);
		/* Four each for a day of its own: the owner's quota. */
		const struct tx tx = txkit_preorder(&owner, name, 1, T - (COUNT - i) * 86400);
		start(&requests[i]);
		(void)add(&requests[i], &tx);
		assert_true(writer_submit(writer, &requests[i].job));
	}
	writer_drain(writer);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(requests[i].done, 1);
		assert_int_equal(reason_of(&requests[i], 0), TX_OK);
		finish(&requests[i]);
	}
	start(&late);
	const struct tx tx = txkit_preorder(&owner, "iot:late", 1, T);
	(void)add(&late, &tx);
	assert_false(writer_submit(writer, &late.job));
	assert_int_equal(late.done, 0);
	finish(&late);
	writer_freep(&writer);
	assert_int_equal(ledger_tip(kit.ledger, &tip), IOTPKI_OK);
	assert_int_equal(tip.height, COUNT);
	ledgerkit_done(&kit);
}

/* More than may wait is refused at once, whole: nobody's memory grows with a flood. */
static void what_waits_is_bounded(void **state)
{
	(void)state;
	struct ledgerkit kit;
	struct writer *writer = NULL;
	struct request request;
	ledgerkit_new(&kit, T, &owner, 1, 0);
	assert_int_equal(writer_start(kit.ledger, &writer), IOTPKI_OK);
	start(&request);
	request.answer.decoded_count = WRITER_PENDING_MAX + 1;
	assert_false(writer_submit(writer, &request.job));
	assert_int_equal(request.done, 0);
	finish(&request);
	writer_freep(&writer);
	ledgerkit_done(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_result_comes_back_once),
		cmocka_unit_test(draining_finishes_what_was_taken),
		cmocka_unit_test(what_waits_is_bounded),
	};
	return cmocka_run_group_tests_name("writer", tests, setup, teardown);
}
