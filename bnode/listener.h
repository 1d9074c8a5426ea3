/* Binding a listener; its text form is in server.h. */
#pragma once

#include "bnode/server.h"

/** A listening socket and the port that it got. */
enum iotpki_err listener_bind(const struct server_listener *listener, int *fd_out,
			      uint16_t *port_out, struct iotpki_detail *detail) MUST_CHECK;
