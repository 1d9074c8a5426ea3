/* Files of the list: members.yaml and members.d beside it, streamed from judged descriptors. */
#include "config/membership_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file while it is read. */
struct stream {
	int fd;
	struct stat before;
	struct sha256_stream *digest;
	size_t *total; /* bytes of all files */
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static enum iotpki_err stream_read(void *context, uint8_t *out, size_t size, size_t *got,
				   struct iotpki_detail *detail)
{
	struct stream *stream = context;
	ssize_t len;
	do {
		len = read(stream->fd, out, size);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot read");
	*got = (size_t)len;
	*stream->total += *got;
	sha256_more(stream->digest, out, *got);
	struct stat now;
	/* Half of one version and half of the next is nobody's list (Y22). */
	if (len == 0 && (fstat(stream->fd, &now) != 0 || !same_file(&stream->before, &now)))
		return detail_set(detail, IOTPKI_ERR_IO, 0, 0,
				  "was changed while it was read; load it again");
	return IOTPKI_OK;
}

struct load {
	struct builder *builder;
	const struct fs_trust *trust;
	const struct membership_replacement *replacement;
	struct sha256_stream *digest;
	size_t total;
	struct iotpki_detail *detail;
};

static size_t room(const struct load *load)
{
	return load->total < MEMBERSHIP_MAX_BYTES ? MEMBERSHIP_MAX_BYTES - load->total : 0;
}

static enum iotpki_err read_replacement(struct load *load)
{
	const struct membership_replacement *with = load->replacement;
	struct yaml_memory memory = { with->text, with->len, 0 };
	const struct yaml_source source = { yaml_memory_read, &memory };
	const size_t cap = room(load);
	load->total += with->len;
	sha256_more(load->digest, with->text, with->len);
	return builder_read(load->builder, with->path, &source, cap, load->detail);
}

static bool replaced(const struct load *load, const char *path)
{
	return load->replacement != NULL && strcmp(load->replacement->path, path) == 0;
}

static enum iotpki_err read_file(struct load *load, const char *path)
{
	if (replaced(load, path))
		return read_replacement(load);
	CLEANUP(fs_close) int fd = -1;
	const enum iotpki_err err = fs_open(path, load->trust, &fd, load->detail);
	if (err != IOTPKI_OK)
		return err;
	struct stream stream = { .fd = fd, .digest = load->digest, .total = &load->total };
	if (fstat(fd, &stream.before) != 0)
		return IOTPKI_ERR_IO;
	const struct yaml_source source = { stream_read, &stream };
	return builder_read(load->builder, path, &source, room(load), load->detail);
}

/* A folder that others can write could gain members: it is judged like a file. */
static enum iotpki_err judge_folder(const struct load *load, const char *path, int fd)
{
	const struct fs_trust *trust = load->trust;
	struct stat st;
	if (fstat(fd, &st) != 0)
		return IOTPKI_ERR_IO;
	const bool owned =
		trust == NULL || st.st_uid == trust->owner || (trust->also_root && st.st_uid == 0);
	if (owned && (trust == NULL || (st.st_mode & trust->forbidden & 0022) == 0))
		return IOTPKI_OK;
	(void)detail_set(load->detail, IOTPKI_ERR_PERMISSION, 0, 0,
			 "others may write in this folder; chown and chmod it");
	detail_where(load->detail, path);
	return IOTPKI_ERR_PERMISSION;
}

static int is_part(const struct dirent *entry)
{
	static const char suffix[] = ".yaml";
	const size_t len = strlen(entry->d_name);
	return entry->d_name[0] != '.' && len > sizeof(suffix) - 1 &&
	       strcmp(entry->d_name + len - (sizeof(suffix) - 1), suffix) == 0;
}

/* Not alphasort: the order of a list may not depend on a locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct names {
	struct dirent **entries;
	int count;
};

static void names_done(struct names *names)
{
	for (int i = 0; i < names->count; i++)
		free(names->entries[i]);
	free(names->entries);
}

static enum iotpki_err read_folder(struct load *load, const char *folder)
{
	CLEANUP(fs_close)
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return IOTPKI_OK;
	if (fd < 0) {
		const bool passes = errno == EMFILE || errno == ENFILE || errno == EIO;
		const enum iotpki_err why = passes ? IOTPKI_ERR_IO : IOTPKI_ERR_PERMISSION;
		(void)detail_set(load->detail, why, 0, 0, "cannot be read as a folder");
		detail_where(load->detail, folder);
		return why;
	}
	enum iotpki_err err = judge_folder(load, folder, fd);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(names_done) struct names names = { NULL, 0 };
	names.count = scandirat(fd, ".", &names.entries, is_part, by_bytes);
	if (names.count < 0)
		return detail_set(load->detail,
				  errno == EACCES ? IOTPKI_ERR_PERMISSION : IOTPKI_ERR_IO, 0, 0,
				  "%s cannot be listed: %s", folder, strerror(errno));
	for (int i = 0; i < names.count && err == IOTPKI_OK; i++) {
		char path[PATH_MAX];
		const int len =
			snprintf(path, sizeof(path), "%s/%s", folder, names.entries[i]->d_name);
		err = len > 0 && (size_t)len < sizeof(path) ? read_file(load, path)
							    : IOTPKI_ERR_LIMIT;
	}
	return err;
}

static bool folder_of(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');
	const int len = slash == NULL ? snprintf(out, size, "%s", MEMBERSHIP_PARTS)
				      : snprintf(out, size, "%.*s/%s", (int)(slash - path), path,
						 MEMBERSHIP_PARTS);
	return len > 0 && (size_t)len < size;
}

static enum iotpki_err read_all(struct load *load, const char *path)
{
	char folder[PATH_MAX];
	if (strlen(path) >= PATH_MAX || !folder_of(path, folder, sizeof(folder)))
		return IOTPKI_ERR_LIMIT;
	enum iotpki_err err = read_file(load, path);
	if (err != IOTPKI_OK)
		return err;
	load->builder->part = true;
	err = read_folder(load, folder);
	if (err == IOTPKI_OK)
		err = membership_make_indexes(load->builder, load->detail);
	if (err == IOTPKI_OK)
		err = sha256_end(load->digest, load->builder->list->digest);
	return err;
}

enum iotpki_err membership_load_with(const char *path, const struct fs_trust *trust,
				     const struct membership_replacement *replacement,
				     struct membership **list_out, struct iotpki_detail *detail)
{
	*list_out = NULL;
	CLEANUP(builder_freep) struct builder *builder = NULL;
	CLEANUP(sha256_freep) struct sha256_stream *digest = NULL;
	enum iotpki_err err = builder_new(&builder);
	if (err == IOTPKI_OK)
		err = sha256_begin(&digest);
	if (err != IOTPKI_OK)
		return err;
	struct load load = { .builder = builder,
			     .trust = trust,
			     .replacement = replacement,
			     .digest = digest,
			     .detail = detail };
	err = read_all(&load, path);
	if (err != IOTPKI_OK)
		return err;
	*list_out = STEAL(builder->list);
	return IOTPKI_OK;
}

enum iotpki_err membership_load(const char *path, const struct fs_trust *trust,
				struct membership **list_out, struct iotpki_detail *detail)
{
	return membership_load_with(path, trust, NULL, list_out, detail);
}
