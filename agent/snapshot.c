/* Copies of the list's files, and the two renames. */
#include "agent/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 16384, FILES_MAX = 4096 };

struct names {
	size_t count;
	struct dirent **entries;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->entries[i]);
	free(names->entries);
}

enum iotpki_err snapshot_path(char out[static SNAPSHOT_PATH_MAX], const char *folder,
			      const char *name)
{
	const int len = snprintf(out, SNAPSHOT_PATH_MAX, "%s/%s", folder, name);
	return len < 0 || len >= SNAPSHOT_PATH_MAX ? IOTPKI_ERR_LIMIT : IOTPKI_OK;
}

static int is_yaml(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);
	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static enum iotpki_err refuse_folder(const char *path, const char *why,
				     struct iotpki_detail *detail)
{
	(void)detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0, "%s", why);
	detail_where(detail, path);
	return IOTPKI_ERR_PERMISSION;
}

/* As membership_load() judges it: what it will read is our copy, whose folder is always good. */
static enum iotpki_err judge_folder(int fd, const char *path, const struct fs_trust *trust,
				    struct iotpki_detail *detail)
{
	struct stat st;
	if (trust == NULL)
		return IOTPKI_OK;
	if (fstat(fd, &st) != 0)
		return IOTPKI_ERR_IO;
	if ((st.st_uid == trust->owner || (trust->also_root && st.st_uid == 0)) &&
	    (st.st_mode & trust->forbidden & 0022) == 0)
		return IOTPKI_OK;
	return refuse_folder(path, "others may write in this folder; chown and chmod it", detail);
}

/* The files of folder/members.d in name order; no such folder: none. */
static enum iotpki_err list_names(const char *folder, const struct fs_trust *trust,
				  struct names *names, struct iotpki_detail *detail)
{
	*names = (struct names){ 0 };
	char path[SNAPSHOT_PATH_MAX];
	enum iotpki_err err = snapshot_path(path, folder, SNAPSHOT_FOLDER);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(fs_close)
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return IOTPKI_OK;
	if (fd < 0)
		return refuse_folder(path, "cannot be read as a folder", detail);
	err = judge_folder(fd, path, trust, detail);
	if (err != IOTPKI_OK)
		return err;
	const int count = scandirat(fd, ".", &names->entries, is_yaml, alphasort);
	if (count < 0)
		return IOTPKI_ERR_IO;
	names->count = (size_t)count;
	return names->count <= FILES_MAX ? IOTPKI_OK : IOTPKI_ERR_LIMIT;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		const ssize_t written = write(fd, data, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		data += written;
		len -= (size_t)written;
	}
	return true;
}

static ssize_t read_some(int fd, char data[static CHUNK])
{
	ssize_t len = 0;
	size_t used = 0;
	do {
		len = read(fd, data + used, CHUNK - used);
		if (len > 0)
			used += (size_t)len;
	} while ((len > 0 && used < CHUNK) || (len < 0 && errno == EINTR));
	return len < 0 ? -1 : (ssize_t)used;
}

static bool same_version(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Half of one version and half of the next is nobody's list. */
static enum iotpki_err check_version(int fd, const struct stat *before, const char *path,
				     struct iotpki_detail *detail)
{
	struct stat after;
	if (fstat(fd, &after) == 0 && same_version(before, &after))
		return IOTPKI_OK;
	(void)detail_set(detail, IOTPKI_ERR_IO, 0, 0,
			 "was changed while it was read; load it again");
	detail_where(detail, path);
	return IOTPKI_ERR_IO;
}

static enum iotpki_err copy_file(const char *from, const struct fs_trust *trust, const char *to,
				 struct iotpki_detail *detail)
{
	CLEANUP(fs_close) int in = -1;
	const enum iotpki_err err = fs_open(from, trust, &in, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(fs_close)
	const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat before;
	bool good = out >= 0 && fstat(in, &before) == 0;
	char data[CHUNK];
	ssize_t len = 1;
	while (good && len > 0) {
		len = read_some(in, data);
		good = len >= 0 && write_all(out, data, (size_t)len);
	}
	if (good && fsync(out) == 0)
		return check_version(in, &before, from, detail);
	(void)detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot be copied: %s", strerror(errno));
	detail_where(detail, to);
	return IOTPKI_ERR_IO;
}

static bool sync_folder(const char *path)
{
	CLEANUP(fs_close) const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

static bool sync_parent(const char *path)
{
	char parent[SNAPSHOT_PATH_MAX];
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	if (len >= sizeof(parent))
		return false;
	memcpy(parent, path, len);
	parent[len] = '\0';
	return sync_folder(slash == NULL ? "." : len == 0 ? "/" : parent);
}

static enum iotpki_err copy_folder(const char *source, const struct fs_trust *trust,
				   const char *target, struct iotpki_detail *detail)
{
	CLEANUP(names_done) struct names names = { 0 };
	enum iotpki_err err = list_names(source, trust, &names, detail);
	char folder[SNAPSHOT_PATH_MAX], from[SNAPSHOT_PATH_MAX], to[SNAPSHOT_PATH_MAX];
	if (err == IOTPKI_OK)
		err = snapshot_path(folder, target, SNAPSHOT_FOLDER);
	if (err != IOTPKI_OK || names.count == 0)
		return err;
	if (mkdir(folder, 0700) != 0)
		return IOTPKI_ERR_IO;
	for (size_t i = 0; i < names.count && err == IOTPKI_OK; i++) {
		char relative[sizeof(SNAPSHOT_FOLDER) + 257];
		(void)snprintf(relative, sizeof(relative), SNAPSHOT_FOLDER "/%s",
			       names.entries[i]->d_name);
		err = snapshot_path(from, source, relative);
		if (err == IOTPKI_OK)
			err = snapshot_path(to, target, relative);
		if (err == IOTPKI_OK)
			err = copy_file(from, trust, to, detail);
	}
	if (err != IOTPKI_OK)
		return err;
	return sync_folder(folder) ? IOTPKI_OK : IOTPKI_ERR_IO;
}

enum iotpki_err snapshot_take(const char *source, const struct fs_trust *trust, const char *target,
			      struct iotpki_detail *detail)
{
	char from[SNAPSHOT_PATH_MAX], to[SNAPSHOT_PATH_MAX];
	enum iotpki_err err = snapshot_path(from, source, SNAPSHOT_FILE);
	if (err == IOTPKI_OK)
		err = snapshot_path(to, target, SNAPSHOT_FILE);
	if (err != IOTPKI_OK)
		return err;
	snapshot_remove(target);
	if (mkdir(target, 0700) != 0) {
		(void)detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot be made: %s",
				 strerror(errno));
		detail_where(detail, target);
		return IOTPKI_ERR_IO;
	}
	err = copy_file(from, trust, to, detail);
	if (err == IOTPKI_OK)
		err = copy_folder(source, trust, target, detail);
	if (err == IOTPKI_OK && !(sync_folder(target) && sync_parent(target)))
		err = detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot sync: %s", strerror(errno));
	return err;
}

static bool same_file(const char *a, const struct fs_trust *trust, const char *b)
{
	CLEANUP(fs_close) int left = -1;
	CLEANUP(fs_close) int right = -1;
	if (fs_open(a, trust, &left, NULL) != IOTPKI_OK ||
	    fs_open(b, NULL, &right, NULL) != IOTPKI_OK)
		return false;
	char left_data[CHUNK], right_data[CHUNK];
	ssize_t left_len = 1;
	while (left_len > 0) {
		left_len = read_some(left, left_data);
		const ssize_t right_len = read_some(right, right_data);
		if (left_len < 0 || left_len != right_len ||
		    memcmp(left_data, right_data, (size_t)left_len) != 0)
			return false;
	}
	return true;
}

static bool same_relative(const char *source, const struct fs_trust *trust, const char *copy,
			  const char *relative)
{
	char a[SNAPSHOT_PATH_MAX], b[SNAPSHOT_PATH_MAX];
	return snapshot_path(a, source, relative) == IOTPKI_OK &&
	       snapshot_path(b, copy, relative) == IOTPKI_OK && same_file(a, trust, b);
}

bool snapshot_same(const char *source, const struct fs_trust *trust, const char *copy)
{
	CLEANUP(names_done) struct names left = { 0 };
	CLEANUP(names_done) struct names right = { 0 };
	if (list_names(source, trust, &left, NULL) != IOTPKI_OK ||
	    list_names(copy, NULL, &right, NULL) != IOTPKI_OK || left.count != right.count ||
	    !same_relative(source, trust, copy, SNAPSHOT_FILE))
		return false;
	for (size_t i = 0; i < left.count; i++) {
		char relative[sizeof(SNAPSHOT_FOLDER) + 257];
		(void)snprintf(relative, sizeof(relative), SNAPSHOT_FOLDER "/%s",
			       left.entries[i]->d_name);
		if (strcmp(left.entries[i]->d_name, right.entries[i]->d_name) != 0 ||
		    !same_relative(source, trust, copy, relative))
			return false;
	}
	return true;
}

static bool old_path(char out[static SNAPSHOT_PATH_MAX], const char *current)
{
	const int len = snprintf(out, SNAPSHOT_PATH_MAX, "%s.old", current);
	return len > 0 && len < SNAPSHOT_PATH_MAX;
}

static void put_back(const char *current, const char *old)
{
	struct stat st;
	if (lstat(current, &st) != 0)
		(void)rename(old, current);
}

enum iotpki_err snapshot_replace(const char *fresh, const char *current,
				 struct iotpki_detail *detail)
{
	char old[SNAPSHOT_PATH_MAX];
	if (!old_path(old, current))
		return IOTPKI_ERR_LIMIT;
	snapshot_remove(old);
	/* A folder cannot be renamed over a full one, and not every file system exchanges two. */
	if (rename(current, old) != 0 && errno != ENOENT)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot rename: %s",
				  strerror(errno));
	if (rename(fresh, current) != 0 || !sync_parent(current)) {
		const int number = errno;
		put_back(current, old);
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot rename: %s",
				  strerror(number));
	}
	snapshot_remove(old);
	return IOTPKI_OK;
}

void snapshot_recover(const char *current)
{
	char old[SNAPSHOT_PATH_MAX];
	struct stat st;
	if (!old_path(old, current))
		return;
	put_back(current, old);
	if (lstat(current, &st) == 0 && lstat(old, &st) == 0 && sync_parent(current))
		snapshot_remove(old);
}

void snapshot_remove(const char *folder)
{
	char path[SNAPSHOT_PATH_MAX], inner[SNAPSHOT_PATH_MAX];
	if (snapshot_path(path, folder, SNAPSHOT_FOLDER) != IOTPKI_OK)
		return;
	CLEANUP(names_done) struct names names = { 0 };
	if (list_names(folder, NULL, &names, NULL) == IOTPKI_OK)
		for (size_t i = 0; i < names.count; i++)
			if (snapshot_path(inner, path, names.entries[i]->d_name) == IOTPKI_OK)
				(void)unlink(inner);
	(void)rmdir(path);
	if (snapshot_path(path, folder, SNAPSHOT_FILE) == IOTPKI_OK)
		(void)unlink(path);
	(void)rmdir(folder);
}
