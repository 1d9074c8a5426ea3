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

/* The content of a path before it has its name; locked while its writer is at work. */
struct temporary {
	int fd;
	char name[PATH_MAX];
};

static void temporary_close(const struct temporary *temporary)
{
	fs_close(&temporary->fd);
}

static bool lock_exclusive(int fd, int how)
{
	while (flock(fd, LOCK_EX | how) != 0)
		if (errno != EINTR)
			return false;
	return true;
}

/*
 * A file of that name is another writer's, which is waited for, or was left by a kill. Only who has
 * its lock takes it away, and only if the name is still its own: the other may have renamed it.
 */
static bool remove_leftover(const char *name)
{
	CLEANUP(fs_close)
	const int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT;
	struct stat locked, named;
	if (!lock_exclusive(fd, 0) || fstat(fd, &locked) != 0)
		return false;
	if (lstat(name, &named) != 0)
		return errno == ENOENT;
	if (locked.st_dev != named.st_dev || locked.st_ino != named.st_ino)
		return true;
	return unlink(name) == 0;
}

enum { TEMPORARY_TRIES = 100 };

/*
 * Not mkstemp: the file must have its final mode from its first moment, whatever the umask, and one
 * name a path, so that however many writers are killed, one file is left, until the next write.
 */
static bool temporary_open(const char *path, mode_t mode, struct temporary *temporary)
{
	const int len = snprintf(temporary->name, sizeof(temporary->name), "%s.new", path);
	if (len < 0 || (size_t)len >= sizeof(temporary->name)) {
		errno = ENAMETOOLONG;
		return false;
	}
	for (unsigned int i = 0; i < TEMPORARY_TRIES; i++) {
		const int fd = open(temporary->name,
				    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd < 0 && errno == EEXIST && remove_leftover(temporary->name))
			continue;
		if (fd < 0)
			return false;
		struct stat st;
		const bool locked = lock_exclusive(fd, 0) && fstat(fd, &st) == 0;
		temporary->fd = fd;
		if (locked && st.st_nlink > 0)
			return true;
		/* Unlocked for a moment, it was taken for a leftover: once more. */
		const int number = errno;
		if (!locked)
			(void)unlink(temporary->name);
		(void)close(fd);
		temporary->fd = -1;
		errno = number;
		if (!locked)
			return false;
	}
	return false;
}

/*
 * The content under a temporary name, on the disk. On failure nothing is left. Nobody looks at what
 * close says later: fsync has told everything, and the lock must last until the file has its name.
 */
static enum iotpki_err write_temporary(const char *path, const void *data, size_t len, mode_t mode,
				       bool keep, struct temporary *temporary,
				       struct iotpki_detail *detail)
{
	temporary->fd = -1;
	if (!temporary_open(path, mode, temporary))
		return failed("create a file beside", path, errno, detail);
	const int fd = temporary->fd;
	if (write_all(fd, data, len) && (!keep || inherit(fd, path)) && fsync(fd) == 0)
		return IOTPKI_OK;
	const int number = errno;
	(void)unlink(temporary->name);
	return failed("write", path, number, detail);
}

enum iotpki_err fs_write(const char *path, const void *data, size_t len, mode_t mode, bool keep,
			 struct iotpki_detail *detail)
{
	CLEANUP(temporary_close) struct temporary temporary;
	const enum iotpki_err err =
		write_temporary(path, data, len, mode, keep, &temporary, detail);
	if (err != IOTPKI_OK)
		return err;
	if (rename(temporary.name, path) != 0) {
		const int number = errno;
		(void)unlink(temporary.name);
		return failed("replace", path, number, detail);
	}
	return sync_parent(path, detail);
}

/* Never over what is there. link(2), for file systems that cannot, has two names for a moment. */
static bool rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	if (link(from, to) != 0)
		return false;
	(void)unlink(from);
	return true;
}

enum iotpki_err fs_create(const char *path, const void *data, size_t len, mode_t mode,
			  struct iotpki_detail *detail)
{
	CLEANUP(temporary_close) struct temporary temporary;
	const enum iotpki_err err =
		write_temporary(path, data, len, mode, false, &temporary, detail);
	if (err != IOTPKI_OK)
		return err;
	if (!rename_new(temporary.name, path)) {
		const int number = errno;
		(void)unlink(temporary.name);
		return failed("create", path, number, detail);
	}
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

static enum iotpki_err take_lock(const char *path, int how, int *fd_out,
				 struct iotpki_detail *detail)
{
	*fd_out = -1;
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed("open", path, errno, detail);
	if (!lock_exclusive(fd, how)) {
		const int number = errno;
		(void)close(fd);
		const enum iotpki_err err = failed("lock", path, number, detail);
		return number == EWOULDBLOCK ? IOTPKI_ERR_UNAVAILABLE : err;
	}
	*fd_out = fd;
	return IOTPKI_OK;
}

enum iotpki_err fs_lock(const char *path, int *fd_out, struct iotpki_detail *detail)
{
	return take_lock(path, 0, fd_out, detail);
}

enum iotpki_err fs_try_lock(const char *path, int *fd_out, struct iotpki_detail *detail)
{
	return take_lock(path, LOCK_NB, fd_out, detail);
}

void fs_hold_standard(void)
{
	int fd;
	do
		fd = open("/", O_PATH | O_DIRECTORY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fs_close(&fd);
}
