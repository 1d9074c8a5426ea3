/*
 * The client library as PAM's tests load it: the same code under the same soname, but for whom it
 * trusts, how long it waits and where it logs. The module under test is the one that is installed.
 */
#pragma once

#include "client/client.h"

#define CLIENT_TEST_PUBLIC __attribute__((visibility("default")))

CLIENT_TEST_PUBLIC void client_test_set(const struct client_defaults *defaults);
/** Called in the middle of a question, as a host that changes things under us would. NULL: nothing. */
CLIENT_TEST_PUBLIC void client_test_hook(void (*hook)(void *context), void *context);
