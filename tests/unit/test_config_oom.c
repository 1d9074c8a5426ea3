/* Each allocation of the configuration and the list fails once: an error, nothing loaded, nothing leaked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "config/membership.h"
#include "memberkit.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long left = -1; /* allocations until one fails; negative: never */

static bool fails(void)
{
	return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static struct memberkit kits[2];
static struct buf text = BUF_INIT(1 << 16);

static int make_text(void **state)
{
	(void)state;
	memberkit_make(&kits[0], "gate", 1);
	memberkit_make(&kits[1], "barn", 2);
	(void)buf_printf(&text, "%smembers:\n", memberkit_head);
	memberkit_put_entry(&kits[0], "operator",
			    "    users: [a]\n    hosts: [h]\n    label: l\n"
			    "    ssh: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
			    &text);
	return buf_error(&text);
}

static int drop_text(void **state)
{
	(void)state;
	buf_done(&text);
	return 0;
}

static enum iotpki_err config_once(void)
{
	static const char yaml[] = "version: 1\nbnodes: []\n";
	struct config config;
	const enum iotpki_err err = config_parse("f", yaml, sizeof(yaml) - 1, &config, NULL);
	assert_int_equal(config.deadline_ms, err == IOTPKI_OK ? 4000 : 0);
	return err;
}

static enum iotpki_err list_once(void)
{
	struct membership *list = NULL;
	const enum iotpki_err err = membership_parse("f", buf_text(&text), text.len, &list, NULL);
	assert_true((list != NULL) == (err == IOTPKI_OK));
	membership_unref(list);
	return err;
}

static enum iotpki_err add_once(void)
{
	const struct member_edit edit = {
		.name = "barn", .role = "peer", .ends_s = 1814313600, .cert_pem = kits[1].pem
	};
	CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
	return membership_edit_add("f", buf_text(&text), text.len, &edit, &out, NULL);
}

static enum iotpki_err renew_once(void)
{
	const struct member_edit edit = { .name = "gate", .ends_s = 1, .cert_pem = kits[0].pem };
	CLEANUP(buf_done) struct buf out = BUF_INIT(1 << 16);
	return membership_edit_renew("f", buf_text(&text), text.len, &edit, &out, NULL);
}

static void each_allocation(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum iotpki_err (*once)(void);
	} rows[] = { { "config_parse", config_once },
		     { "membership_parse", list_once },
		     { "membership_edit_add", add_once },
		     { "membership_edit_renew", renew_once } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		long nth = 0;
		for (;; nth++) {
			left = nth;
			const enum iotpki_err err = rows[i].once();
			const bool reached = left < 0;
			left = -1;
			if (!reached) {
				assert_int_equal(err, IOTPKI_OK);
				break;
			}
			if (err != IOTPKI_ERR_NOMEM)
				fail_msg("%s, allocation %ld: %d", rows[i].name, nth, err);
		}
		assert_true(nth > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(each_allocation) };
	return cmocka_run_group_tests(tests, make_text, drop_text);
}
