/* The values that production uses; alone in a file so that a test can link others. */
#include "client/client.h"

const struct client_defaults *client_defaults(void)
{
	static const struct client_defaults production = {
		.trusted_uid = 0,
		.budget_ms = IOTPKI_CLIENT_BUDGET_MS,
		.log_socket = "/dev/log",
	};
	return &production;
}
