/* Bind without a gap, refuse what is not safe. */
#include "agent/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse.h"

enum { BACKLOG = 4096, INHERITED_FD = 3 };

static enum iotpki_err refuse(const char *where, enum iotpki_err err, const char *why,
			      struct iotpki_detail *detail)
{
	(void)detail_set(detail, err, 0, 0, "%s", why);
	detail_where(detail, where);
	return err;
}

/* Who can write the folder can put his own socket there. */
static enum iotpki_err prepare_folder(const char *path, struct iotpki_detail *detail)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	if (slash == NULL || slash == path)
		return refuse(path, IOTPKI_ERR_ARGUMENT, "the socket needs a path with a folder",
			      detail);
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	const enum iotpki_err err = fs_mkdir(folder, 0755, detail);
	if (err != IOTPKI_OK)
		return err;
	struct stat st;
	if (stat(folder, &st) != 0)
		return refuse(folder, IOTPKI_ERR_IO, strerror(errno), detail);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 0022) != 0)
		return refuse(folder, IOTPKI_ERR_PERMISSION,
			      "the socket's folder must be root's, writable by nobody else; "
			      "chown it to root and chmod it to 0755",
			      detail);
	return IOTPKI_OK;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Remove a socket that nobody listens on; leave everything else where it is. */
static enum iotpki_err remove_stale(const struct sockaddr_un *address, struct iotpki_detail *detail)
{
	struct stat st;
	if (lstat(address->sun_path, &st) != 0)
		return IOTPKI_OK;
	if (!S_ISSOCK(st.st_mode))
		return refuse(address->sun_path, IOTPKI_ERR_EXISTS,
			      "is there and is no socket; remove it", detail);
	CLEANUP(fs_close) const int fd = new_socket();
	if (fd < 0)
		return refuse(address->sun_path, IOTPKI_ERR_IO, strerror(errno), detail);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		return refuse(address->sun_path, IOTPKI_ERR_EXISTS,
			      "somebody listens there already; stop that agent first", detail);
	if (unlink(address->sun_path) != 0 && errno != ENOENT)
		return refuse(address->sun_path, IOTPKI_ERR_IO, strerror(errno), detail);
	return IOTPKI_OK;
}

enum iotpki_err socket_listen(const char *path, int *fd_out, struct iotpki_detail *detail)
{
	*fd_out = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t len = strlen(path);
	if (len >= sizeof(address.sun_path))
		return refuse(path, IOTPKI_ERR_LIMIT, "the path of the socket is too long", detail);
	memcpy(address.sun_path, path, len + 1);
	enum iotpki_err err = prepare_folder(path, detail);
	if (err == IOTPKI_OK)
		err = remove_stale(&address, detail);
	if (err != IOTPKI_OK)
		return err;
	const int fd = new_socket();
	if (fd < 0)
		return refuse(path, IOTPKI_ERR_IO, strerror(errno), detail);
	/* Anybody may connect; who may ask what, SO_PEERCRED decides. */
	const mode_t before = umask(0111);
	const bool bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	(void)umask(before);
	if (!bound || listen(fd, BACKLOG) != 0) {
		err = refuse(path, IOTPKI_ERR_IO, strerror(errno), detail);
		fs_close(&fd);
		return err;
	}
	*fd_out = fd;
	return IOTPKI_OK;
}

static bool has_option(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t len = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

enum iotpki_err socket_inherit(const char *listen_pid, const char *listen_fds, int *fd_out,
			       struct iotpki_detail *detail)
{
	*fd_out = -1;
	uint64_t pid = 0, count = 0;
	if (listen_pid == NULL || listen_fds == NULL ||
	    !uint_parse(listen_pid, strlen(listen_pid), INT32_MAX, &pid) ||
	    (pid_t)pid != getpid() || !uint_parse(listen_fds, strlen(listen_fds), 1024, &count) ||
	    count == 0)
		return IOTPKI_ERR_NOT_FOUND;
	if (count > 1 || !has_option(INHERITED_FD, SO_DOMAIN, AF_UNIX) ||
	    !has_option(INHERITED_FD, SO_TYPE, SOCK_SEQPACKET) ||
	    !has_option(INHERITED_FD, SO_ACCEPTCONN, 1))
		return refuse("LISTEN_FDS", IOTPKI_ERR_ARGUMENT,
			      "must be one socket with ListenSequentialPacket=", detail);
	const int flags = fcntl(INHERITED_FD, F_GETFL);
	if (flags < 0 || fcntl(INHERITED_FD, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(INHERITED_FD, F_SETFD, FD_CLOEXEC) != 0)
		return refuse("LISTEN_FDS", IOTPKI_ERR_IO, strerror(errno), detail);
	*fd_out = INHERITED_FD;
	return IOTPKI_OK;
}
