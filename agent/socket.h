/* The agent's listening socket: its own, or the one that systemd hands over. */
#pragma once

#include "base/base.h"

/**
 * Make PATH's folder if it is missing (0755), take the place of a socket that nobody listens on any
 * more, bind with mode 0666 and listen. The folder must be ours or root's and writable by no one else.
 */
enum iotpki_err socket_listen(const char *path, int *fd_out,
			      struct iotpki_detail *detail) MUST_CHECK;
/**
 * The socket of LISTEN_FDS (sd_listen_fds(3)): fd 3, checked to be a listening SOCK_SEQPACKET one.
 * @return IOTPKI_ERR_NOT_FOUND if there is none for this process
 */
enum iotpki_err socket_inherit(const char *listen_pid, const char *listen_fds, int *fd_out,
			       struct iotpki_detail *detail) MUST_CHECK;
