/*
 * Files that matter: read once from one descriptor that was judged before it was
 * read (invariant I11), and written so that kill -9 or a power cut leaves the old
 * or the new content, never a mixture (write, fsync, rename, fsync the directory).
 */
#pragma once

#include <sys/types.h>

#include "base/buf.h"

/** Whose files are believed. Injected, so that tests need no root. */
struct fs_trust {
	uid_t owner;      /* this user's files */
	bool also_root;   /* and root's */
	mode_t forbidden; /* mode bits that a file must not have, e.g. 0022, 0077 for a key */
};
/** What a daemon believes: root's files that nobody else can write. */
#define FS_TRUST_ROOT                                            \
	{                                                        \
		.owner = 0, .also_root = true, .forbidden = 0022 \
	}

/**
 * Read a whole regular file. The descriptor is opened without following a link in the last
 * component, without blocking on a FIFO, and is judged by fstat before a byte is read.
 * @param trust  NULL: whoever owns it (a file that the user named, a certificate to import)
 * @param buf    its cap is the file's cap; what it held is kept in front
 * @return IOTPKI_ERR_NOT_FOUND, _PERMISSION (owner, mode, not a regular file), _LIMIT, _IO, _NOMEM
 */
enum iotpki_err fs_read(const char *path, const struct fs_trust *trust, struct buf *buf,
			struct iotpki_detail *detail) MUST_CHECK;
/** The same from an open descriptor, which stays open; path is for messages. */
enum iotpki_err fs_read_fd(int fd, const char *path, const struct fs_trust *trust, struct buf *buf,
			   struct iotpki_detail *detail) MUST_CHECK;
/** Open for reading as fs_read does, judged; the caller closes *fd_out. */
enum iotpki_err fs_open(const char *path, const struct fs_trust *trust, int *fd_out,
			struct iotpki_detail *detail) MUST_CHECK;

/**
 * Replace path durably: a temporary file beside it, created with its final mode, written, fsynced,
 * renamed over path, the directory fsynced. A kill leaves at most PATH.new, which the next write of
 * path takes away. keep: owner, group and mode are taken from the file
 * that is replaced, if there is one.
 */
enum iotpki_err fs_write(const char *path, const void *data, size_t len, mode_t mode, bool keep,
			 struct iotpki_detail *detail) MUST_CHECK;
/** Create path durably with mode; IOTPKI_ERR_EXISTS if it is there: never overwrites. */
enum iotpki_err fs_create(const char *path, const void *data, size_t len, mode_t mode,
			  struct iotpki_detail *detail) MUST_CHECK;
/** mkdir -p of the last components that are missing, each with mode, each durable. */
enum iotpki_err fs_mkdir(const char *path, mode_t mode, struct iotpki_detail *detail) MUST_CHECK;
/** Take an exclusive lock on a lock file (created 0600); held until *fd_out is closed. Waits. */
enum iotpki_err fs_lock(const char *path, int *fd_out, struct iotpki_detail *detail) MUST_CHECK;
/** The same without waiting: IOTPKI_ERR_UNAVAILABLE if somebody else has it. */
enum iotpki_err fs_try_lock(const char *path, int *fd_out, struct iotpki_detail *detail) MUST_CHECK;
/** close(2) for CLEANUP; negative descriptors are left alone. */
void fs_close(const int *fd);
/**
 * First of all in main: where 0, 1 or 2 is closed, a lock, a database or a socket would get its number
 * and the program's messages. Their places are taken by what can be neither read nor written.
 */
void fs_hold_standard(void);
