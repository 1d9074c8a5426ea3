/*
 * Proofs of a revocation: any list of steps, of what owners, strangers and liars could have signed, each
 * whole or altered. A table that knows nothing of DER says which lists prove it; of what is taken OpenSSL
 * says the same.
 */
#include "fuzz.h"

#include <openssl/bio.h>
#include <openssl/cms.h>

#include "base/base.h"
#include "unit/txkit.h"

#define NAME "iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define OTHER "iot:11111111-8d54-4a7b-9c0e-5a1d2e3f4b60"
#define NOW INT64_C(1800000000)

enum { OWNER, BUYER, STRANGER, PEOPLE };

/* What was signed. */
static const struct row {
	enum tx_op op;
	int by, to; /* to: the new owner; -1 none */
	int64_t after_s;
	const char *name;
} rows[] = {
	{ TX_REGISTER, OWNER, -1, 0, NAME },        { TX_REVOKE, OWNER, -1, 9, NAME },
	{ TX_UPDATE, OWNER, BUYER, 1, NAME },       { TX_REVOKE, BUYER, -1, 9, NAME },
	{ TX_UPDATE, BUYER, OWNER, 2, NAME },       { TX_UPDATE, OWNER, BUYER, 3, NAME },
	{ TX_UPDATE, OWNER, -1, 1, NAME },          { TX_REVOKE, STRANGER, -1, 9, NAME },
	{ TX_REVOKE, OWNER, -1, -1, NAME },         { TX_REVOKE, OWNER, -1, 9, OTHER },
	{ TX_REGISTER, OWNER, -1, 1, NAME },        { TX_REGISTER, STRANGER, -1, 0, NAME },
	{ TX_UPDATE, STRANGER, STRANGER, 1, NAME }, { TX_UPDATE, OWNER, BUYER, 1, OTHER },
	{ TX_UPDATE, BUYER, BUYER, 2, NAME },
};

struct world {
	struct txkit_key people[PEOPLE];
	struct buf ders[ARRAY_LEN(rows)];
	uint8_t registration[SHA256_LEN]; /* of rows[0] */
};

static struct tx content_of(const struct world *world, const struct row *row)
{
	const struct txkit_key *key = &world->people[row->by];
	const int64_t time_s = NOW + row->after_s;
	struct tx tx = txkit_revoke(key, row->name, world->registration, time_s);
	if (row->op == TX_REGISTER)
		tx = txkit_register(key, row->name, (uint8_t)row->after_s, time_s, NOW + 86400);
	if (row->op == TX_UPDATE)
		tx = txkit_update(key, row->name, world->registration, time_s, NOW + 86400);
	tx.has_new_owner = row->to >= 0;
	if (row->to >= 0)
		memcpy(tx.new_owner, world->people[row->to].owner, SHA256_LEN);
	return tx;
}

static const struct world *the_world(void)
{
	static struct world world;
	static bool made;
	if (made)
		return &world;
	made = true;
	for (size_t i = 0; i < PEOPLE; i++)
		txkit_key_new(&world.people[i]);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world.ders[i] = (struct buf)BUF_INIT(TX_DER_MAX);
		const struct tx tx = content_of(&world, &rows[i]);
		txkit_sign(&world.people[rows[i].by], &tx, &world.ders[i]);
		if (i == 0)
			FUZZ_CHECK(sha256(world.ders[0].data, world.ders[0].len,
					  world.registration) == IOTPKI_OK);
	}
	return &world;
}

_Static_assert(ARRAY_LEN(rows) == 15, "half a byte: the rows, and bytes of the fuzzer's own");

/* ---- the list ---- */

struct step {
	size_t row; /* ARRAY_LEN(rows): bytes of the fuzzer's own */
	bool altered;
	struct buf der;
};

struct list {
	size_t count;
	struct step steps[TX_PROOF_STEPS_MAX + 1];
};

struct source {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct source *source)
{
	if (source->size == 0)
		return 0;
	source->size--;
	return *source->data++;
}

/* One byte: a row, and what is done to it, mostly nothing. */
static void take_step(const struct world *world, struct source *source, struct step *step)
{
	const uint8_t byte = take(source);
	const unsigned int how = byte >> 4;
	step->row = byte % 16;
	step->der = (struct buf)BUF_INIT(TX_DER_MAX);
	if (step->row == ARRAY_LEN(rows)) {
		const size_t len = take(source) < source->size ? source->data[-1] : source->size;
		FUZZ_CHECK(buf_put(&step->der, source->data, len) == IOTPKI_OK);
		source->data += len;
		source->size -= len;
		return;
	}
	const struct buf *whole = &world->ders[step->row];
	size_t len = whole->len;
	step->altered = how >= 12;
	if (how == 12)
		len = (take(source) * (size_t)256 + take(source)) % len;
	FUZZ_CHECK(buf_put(&step->der, whole->data, len) == IOTPKI_OK);
	if (how <= 12)
		return;
	const size_t at = (take(source) * (size_t)256 + take(source)) % len;
	step->der.data[at] ^= (uint8_t)(1U << (how % 8));
}

static void take_list(const struct world *world, struct source source, struct list *list)
{
	while (source.size > 0 && list->count < ARRAY_LEN(list->steps))
		take_step(world, &source, &list->steps[list->count++]);
}

/* ---- who says so ---- */

static bool proves(const struct list *list)
{
	int owner = OWNER;
	int64_t time_s = 0;
	if (list->count < 2 || list->count > TX_PROOF_STEPS_MAX)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		const struct step *step = &list->steps[i];
		if (step->row == ARRAY_LEN(rows) || step->altered)
			return false;
		const struct row *row = &rows[step->row];
		const bool last = i + 1 == list->count;
		const bool in_place = i == 0 ? step->row == 0
				      : last ? row->op == TX_REVOKE
					     : row->op == TX_UPDATE && row->to >= 0;
		if (!in_place || row->by != owner || row->after_s < time_s ||
		    strcmp(row->name, NAME) != 0)
			return false;
		owner = row->to >= 0 ? row->to : owner;
		time_s = row->after_s;
	}
	return true;
}

/* What OpenSSL reads as signed is what the owner of that row signed. */
static void hold_against_openssl(const struct world *world, const struct step *step)
{
	FUZZ_CHECK(step->row < ARRAY_LEN(rows));
	const unsigned char *at = step->der.data;
	CLEANUP(buf_done) struct buf want = BUF_INIT(TX_DER_MAX);
	const struct tx tx = content_of(world, &rows[step->row]);
	FUZZ_CHECK(tx_content(&tx, &want) == IOTPKI_OK);
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)step->der.len);
	BIO *out = BIO_new(BIO_s_mem());
	FUZZ_CHECK(cms != NULL && out != NULL && at == step->der.data + step->der.len);
	FUZZ_CHECK(CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) ==
		   1);
	char *text = NULL;
	const long len = BIO_get_mem_data(out, &text);
	FUZZ_CHECK((size_t)len == want.len && memcmp(text, want.data, want.len) == 0);
	STACK_OF(X509) *signers = CMS_get0_signers(cms);
	FUZZ_CHECK(sk_X509_num(signers) == 1);
	FUZZ_CHECK(EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(signers, 0)),
			       world->people[rows[step->row].by].key) == 1);
	sk_X509_free(signers);
	BIO_free(out);
	CMS_ContentInfo_free(cms);
}

static void judge(const struct world *world, const struct list *list, const uint8_t *data,
		  size_t size)
{
	struct tx_proof_step steps[TX_PROOF_STEPS_MAX + 1];
	struct iotpki_detail detail = { 0 };
	for (size_t i = 0; i < list->count; i++)
		steps[i] =
			(struct tx_proof_step){ list->steps[i].der.data, list->steps[i].der.len };
	const enum tx_reason reason =
		tx_proof_verify(steps, list->count, NAME, world->registration, &detail);
	FUZZ_CHECK(reason != TX_OK || proves(list));
	FUZZ_CHECK(reason == TX_OK || !proves(list));
	FUZZ_CHECK(reason == TX_OK || detail.message[0] != '\0');
	if (reason != TX_OK)
		return;
	for (size_t i = 0; i < list->count; i++)
		hold_against_openssl(world, &list->steps[i]);
	if (list->count > 2 && data[1] >= 16) /* a transfer with spare bits that no seed has */
		plant_bug(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct world *world = the_world();
	struct list list = { 0 };
	take_list(world, (struct source){ data, size }, &list);
	judge(world, &list, data, size);
	for (size_t i = 0; i < list.count; i++)
		buf_done(&list.steps[i].der);
	return 0;
}
