/* For a test that runs with the production client library: nothing there can be set. */
#include "client_test.h"

void client_test_set(const struct client_defaults *defaults)
{
	(void)defaults;
}

void client_test_hook(void (*hook)(void *context), void *context)
{
	(void)hook;
	(void)context;
}
