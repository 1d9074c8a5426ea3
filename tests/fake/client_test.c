/* In place of libiotpki/client/defaults.c. */
#include "client_test.h"

static struct client_defaults values = {
	.trusted_uid = (uid_t)-1,
	.budget_ms = IOTPKI_CLIENT_BUDGET_MS,
	.log_socket = "/nonexistent",
};
static void (*in_between)(void *context);
static void *in_between_context;

void client_test_set(const struct client_defaults *defaults)
{
	values = *defaults;
}

void client_test_hook(void (*hook)(void *context), void *context)
{
	in_between = hook;
	in_between_context = context;
}

const struct client_defaults *client_defaults(void)
{
	if (in_between != NULL)
		in_between(in_between_context);
	return &values;
}
