/* authorized_keys options of a role: what is taken comes out canonical, and nothing else comes out (TM-24). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/base.h"
#include "config/ssh_options.h"

static void rows_of_options(void **state)
{
	(void)state;
	static const struct {
		const char *options[4];
		const char *want; /* NULL: refused */
	} rows[] = {
		{ { NULL }, "restrict" },
		{ { "restrict" }, "restrict" },
		{ { "pty", "restrict" }, "restrict,pty" },
		{ { "no-pty" }, "no-pty" },
		{ { "restrict", "X11-forwarding", "user-rc" }, "restrict,user-rc,X11-forwarding" },
		{ { "no-agent-forwarding", "no-port-forwarding" },
		  "no-port-forwarding,no-agent-forwarding" },
		{ { "restrict", "command=\"/bin/echo \\\"a, b\\\"\"" },
		  "restrict,command=\"/bin/echo \\\"a, b\\\"\"" },
		{ { "command=\"a\\b\"" }, "command=\"a\\b\"" },
		{ { "command=\"a\\\\\"b\"" }, "command=\"a\\\\\"b\"" },
		{ { "from=\"10.0.0.0/8,!10.1.1.1,*.lan\"" },
		  "from=\"10.0.0.0/8,!10.1.1.1,*.lan\"" },
		{ { "permitopen=\"a:1\"", "permitopen=\"[::1]:*\"" },
		  "permitopen=\"a:1\",permitopen=\"[::1]:*\"" },
		{ { "permitlisten=\"8080\"" }, "permitlisten=\"8080\"" },
		{ { "permitlisten=\"localhost:8080\"" }, "permitlisten=\"localhost:8080\"" },
		{ { "pty", "pty" }, NULL },
		{ { "pty", "no-pty" }, NULL },
		{ { "PTY" }, NULL },
		{ { "restrict,pty" }, NULL },
		{ { "restrict " }, NULL },
		{ { "no-restrict" }, NULL },
		{ { "" }, NULL },
		{ { "environment=\"LD_PRELOAD=x\"" }, NULL },
		{ { "cert-authority" }, NULL },
		{ { "principals=\"root\"" }, NULL },
		{ { "tunnel=\"1\"" }, NULL },
		{ { "expiry-time=\"20300101\"" }, NULL },
		{ { "command" }, NULL },
		{ { "command=" }, NULL },
		{ { "command=\"\"" }, NULL },
		{ { "command=\"" }, NULL },
		{ { "command=a" }, NULL },
		{ { "command='a'" }, NULL },
		{ { "command=\"a\"b\"" }, NULL },
		{ { "command=\"a\" ssh-rsa AAAA" }, NULL },
		{ { "command=\"a\",pty,command=\"b\"" }, NULL },
		{ { "command=\"a\\\"" }, NULL },
		{ { "command=\"a\\\\\"" }, NULL },
		{ { "command=\"a\nb\"" }, NULL },
		{ { "command=\"a\rb\"" }, NULL },
		{ { "command=\"a\tb\"" }, NULL },
		{ { "command=\"a\xe2\x80\xa8"
		    "b\"" },
		  NULL },
		{ { "command=\"a\"", "command=\"b\"" }, NULL },
		{ { "from=\"a,,b\"" }, NULL },
		{ { "from=\"a b\"" }, NULL },
		{ { "from=\",a\"" }, NULL },
		{ { "from=\"a\\\"b\"" }, NULL },
		{ { "permitopen=\"a\"" }, NULL },
		{ { "permitopen=\"a:0\"" }, NULL },
		{ { "permitopen=\"a:65536\"" }, NULL },
		{ { "permitopen=\":1\"" }, NULL },
		{ { "permitopen=\"a,b:1\"" }, NULL },
		{ { "permitopen=\"[]:1\"" }, NULL },
		{ { "permitlisten=\"x\"" }, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ssh_options options = { 0 };
		const char *problem = NULL;
		for (size_t o = 0; o < 4 && rows[i].options[o] != NULL && problem == NULL; o++)
			problem = ssh_options_add(&options, rows[i].options[o],
						  strlen(rows[i].options[o]));
		char out[SSH_OPTIONS_MAX + 1] = "";
		if (problem == NULL && !ssh_options_format(&options, out, sizeof(out)))
			problem = "too long";
		if ((problem == NULL) != (rows[i].want != NULL))
			fail_msg("row %zu %s: %s", i, rows[i].options[0], problem ? problem : out);
		if (problem == NULL)
			assert_string_equal(out, rows[i].want);
	}
}

static void a_small_buffer_is_not_cut(void **state)
{
	(void)state;
	struct ssh_options options = { 0 };
	char small[9];
	assert_true(ssh_options_format(&options, small, 9));
	assert_false(ssh_options_format(&options, small, 8));
	assert_false(ssh_options_format(&options, small, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_options),
		cmocka_unit_test(a_small_buffer_is_not_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
