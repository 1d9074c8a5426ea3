/* Judged reads and durable writes. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void fs_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static enum iotpki_err from_errno(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return IOTPKI_ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case ELOOP:
	case EROFS:
		return IOTPKI_ERR_PERMISSION;
	case EEXIST:
		return IOTPKI_ERR_EXISTS;
	case ENOMEM:
		return IOTPKI_ERR_NOMEM;
	default:
		return IOTPKI_ERR_IO;
	}
}

static enum iotpki_err failed(const char *what, const char *path, int number,
			      struct iotpki_detail *detail)
{
	const enum iotpki_err err = from_errno(number);
	char text[128];
	(void)detail_set(detail, err, 0, 0, "cannot %s: %s", what,
			 strerror_r(number, text, sizeof(text)));
	detail_where(detail, path);
	return err;
}

static enum iotpki_err untrusted(const char *path, struct iotpki_detail *detail, const char *why)
{
	(void)detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0, "%s", why);
	detail_where(detail, path);
	return IOTPKI_ERR_PERMISSION;
}

static enum iotpki_err judge(int fd, const char *path, const struct fs_trust *trust,
			     struct iotpki_detail *detail)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return failed("examine", path, errno, detail);
	if (!S_ISREG(st.st_mode))
		return untrusted(path, detail, "is not a regular file");
	if (trust == NULL)
		return IOTPKI_OK;
	if (st.st_uid != trust->owner && !(trust->also_root && st.st_uid == 0)) {
		(void)detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0,
				 "belongs to uid %u and is not trusted; chown it to uid %u",
				 (unsigned int)st.st_uid, (unsigned int)trust->owner);
		detail_where(detail, path);
		return IOTPKI_ERR_PERMISSION;
	}
	if ((st.st_mode & trust->forbidden) == 0)
		return IOTPKI_OK;
	(void)detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0,
			 "has mode %04o and is not trusted; chmod it to %04o",
			 (unsigned int)(st.st_mode & 07777),
			 (unsigned int)(st.st_mode & 07777 & ~trust->forbidden));
	detail_where(detail, path);
	return IOTPKI_ERR_PERMISSION;
}

enum iotpki_err fs_open(const char *path, const struct fs_trust *trust, int *fd_out,
			struct iotpki_detail *detail)
{
	*fd_out = -1;
	/* A file that the user names may be a link; one that we must trust may not. */
	const int follow = trust == NULL ? 0 : O_NOFOLLOW;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follow);
	if (fd < 0 && errno == ELOOP)
		return untrusted(path, detail, "is a symbolic link and is not trusted");
	if (fd < 0)
		return failed("open", path, errno, detail);
	const enum iotpki_err err = judge(fd, path, trust, detail);
	if (err != IOTPKI_OK) {
		(void)close(fd);
		return err;
	}
	*fd_out = fd;
	return IOTPKI_OK;
}

enum iotpki_err fs_read_fd(int fd, const char *path, const struct fs_trust *trust, struct buf *buf,
			   struct iotpki_detail *detail)
{
	enum iotpki_err err = judge(fd, path, trust, detail);
	if (err != IOTPKI_OK)
		return err;
	for (;;) {
		char chunk[16384];
		const ssize_t got = read(fd, chunk, sizeof(chunk));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failed("read", path, errno, detail);
		if (got > 0)
			err = buf_put(buf, chunk, (size_t)got);
		explicit_bzero(chunk, (size_t)got);
		if (err == IOTPKI_ERR_LIMIT) {
			(void)detail_set(detail, err, 0, 0, "is larger than %zu bytes", buf->cap);
			detail_where(detail, path);
		}
		if (err != IOTPKI_OK || got == 0)
			return err;
	}
}

enum iotpki_err fs_read(const char *path, const struct fs_trust *trust, struct buf *buf,
			struct iotpki_detail *detail)
{
	CLEANUP(fs_close) int fd = -1;
	const enum iotpki_err err = fs_open(path, trust, &fd, detail);
	if (err != IOTPKI_OK)
		return err;
	return fs_read_fd(fd, path, trust, buf, detail);
}

static bool write_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;
	while (len > 0) {
		const ssize_t put = write(fd, at, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		at += put;
		len -= (size_t)put;
	}
	return true;
}

static enum iotpki_err sync_parent(const char *path, struct iotpki_detail *detail)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	if (len >= sizeof(parent))
		return failed("sync the directory of", path, ENAMETOOLONG, detail);
	memcpy(parent, path, len);
	parent[len] = '\0';

	CLEANUP(fs_close)
	int fd = open(len == 0 ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return failed("sync the directory of", path, errno, detail);
	return IOTPKI_OK;
}

/* Owner, group and mode of what is replaced; the new file has nobody's content yet. */
static bool inherit(int fd, const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	if (fchown(fd, st.st_uid, st.st_gid) != 0)
		return false;
	return fchmod(fd, st.st_mode & 07777) == 0;
}

enum { TEMPORARY_TRIES = 100 };

/* Not mkstemp: the file must have its final mode from its first moment, whatever the umask. */
static int temporary_open(const char *path, mode_t mode, char *name, size_t size)
{
	for (unsigned int i = 0; i < TEMPORARY_TRIES; i++) {
		const int len = snprintf(name, size, "%s.new.%ld.%u", path, (long)getpid(), i);
		if (len < 0 || (size_t)len >= size) {
			errno = ENAMETOOLONG;
			return -1;
		}
		const int fd =
			open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/* The content under a temporary name, on the disk. On failure nothing is left. */
static enum iotpki_err write_temporary(const char *path, const void *data, size_t len, mode_t mode,
				       bool keep, char *name, size_t size,
				       struct iotpki_detail *detail)
{
	const int fd = temporary_open(path, mode, name, size);
	if (fd < 0)
		return failed("create a file beside", path, errno, detail);
	bool good = write_all(fd, data, len) && (!keep || inherit(fd, path)) && fsync(fd) == 0;
	const int number = errno;
	if (close(fd) != 0 && good)
		good = false;
	if (good)
		return IOTPKI_OK;
	(void)unlink(name);
	return failed("write", path, number, detail);
}

enum iotpki_err fs_write(const char *path, const void *data, size_t len, mode_t mode, bool keep,
			 struct iotpki_detail *detail)
{
	char name[PATH_MAX];
	const enum iotpki_err err =
		write_temporary(path, data, len, mode, keep, name, sizeof(name), detail);
	if (err != IOTPKI_OK)
		return err;
	if (rename(name, path) != 0) {
		const int number = errno;
		(void)unlink(name);
		return failed("replace", path, number, detail);
	}
	return sync_parent(path, detail);
}

enum iotpki_err fs_create(const char *path, const void *data, size_t len, mode_t mode,
			  struct iotpki_detail *detail)
{
	char name[PATH_MAX];
	const enum iotpki_err err =
		write_temporary(path, data, len, mode, false, name, sizeof(name), detail);
	if (err != IOTPKI_OK)
		return err;
	/* link(2) refuses an existing name, which rename(2) would replace. */
	const int result = link(name, path);
	const int number = errno;
	(void)unlink(name);
	if (result != 0)
		return failed("create", path, number, detail);
	return sync_parent(path, detail);
}

enum iotpki_err fs_mkdir(const char *path, mode_t mode, struct iotpki_detail *detail)
{
	char part[PATH_MAX];
	const size_t len = strlen(path);
	if (len == 0 || len >= sizeof(part))
		return failed("make the directory", path, ENAMETOOLONG, detail);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		const char kept = part[i];
		part[i] = '\0';
		if (mkdir(part, mode) == 0) {
			const enum iotpki_err err = sync_parent(part, detail);
			if (err != IOTPKI_OK)
				return err;
		} else if (errno != EEXIST) {
			return failed("make the directory", part, errno, detail);
		}
		part[i] = kept;
	}
	return IOTPKI_OK;
}

enum iotpki_err fs_lock(const char *path, int *fd_out, struct iotpki_detail *detail)
{
	*fd_out = -1;
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed("open", path, errno, detail);
	while (flock(fd, LOCK_EX) != 0) {
		if (errno == EINTR)
			continue;
		const int number = errno;
		(void)close(fd);
		return failed("lock", path, number, detail);
	}
	*fd_out = fd;
	return IOTPKI_OK;
}
