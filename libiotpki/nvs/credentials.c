/* The file of a chain node's credentials: judged, read, and made into a header line. */
#include "nvs/credentials.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"

static bool configured(const struct credentials *credentials)
{
	return credentials->node != NULL && credentials->node->credentials[0] != '\0';
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
	       same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* "user:password" and at most one line end behind it; its length, 0 if it is none. */
static size_t pair_length(const uint8_t *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	const uint8_t *colon = len > 0 ? memchr(text, ':', len) : NULL;
	if (colon == NULL || colon == text)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] == 0x7f)
			return 0;
	return len;
}

/*
 * root's commands use the file of the agent's user, or the cookie of the node's: root's own
 * configuration names it, and what it holds goes to nobody but the node that is named beside it.
 */
static uid_t expected_owner(const char *path)
{
	struct stat st;
	const uid_t reader = geteuid();
	return reader == 0 && lstat(path, &st) == 0 ? st.st_uid : reader;
}

static enum iotpki_err read_file(const char *path, struct buf *text, struct iotpki_detail *detail)
{
	const struct fs_trust trust = { .owner = expected_owner(path),
					.also_root = true,
					.forbidden = 0077 };
	const enum iotpki_err err = fs_read(path, &trust, text, detail);
	if (err != IOTPKI_OK || pair_length(text->data, text->len) > 0)
		return err;
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
			 "must hold one line, user:password, and nothing else");
	detail_where(detail, path);
	return IOTPKI_ERR_SYNTAX;
}

static void set_pair(struct credentials *credentials, const uint8_t *pair, size_t len)
{
	if (len == credentials->len && memcmp(pair, credentials->pair, len) == 0)
		return;
	explicit_bzero(credentials->pair, sizeof(credentials->pair));
	memcpy(credentials->pair, pair, len);
	credentials->len = len;
	credentials->generation++;
}

static void log_change(const struct credentials *credentials, bool was_good,
		       const struct iotpki_detail *before)
{
	const struct iotpki_detail *problem = &credentials->problem;
	const char *name = credentials->node->name;
	if (credentials->good && !was_good && before->message[0] != '\0')
		log_write(LOG_LEVEL_NOTICE, "B-node %s: its credentials can be read again", name);
	if (!credentials->good && strcmp(before->message, problem->message) != 0)
		log_write(LOG_LEVEL_WARNING, "B-node %s: not asked: credentials %s: %s", name,
			  problem->where, problem->message);
}

static void read_anew(struct credentials *credentials)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(CREDENTIALS_MAX);
	const struct iotpki_detail before = credentials->problem;
	const bool was_good = credentials->good;
	credentials->problem = (struct iotpki_detail){ 0 };
	const enum iotpki_err err =
		read_file(credentials->node->credentials, &text, &credentials->problem);
	credentials->good = err == IOTPKI_OK;
	if (err == IOTPKI_OK)
		set_pair(credentials, text.data, pair_length(text.data, text.len));
	else if (credentials->problem.message[0] == '\0')
		(void)detail_set(&credentials->problem, err, 0, 0, "%s", iotpki_strerror(err));
	if (err != IOTPKI_OK)
		detail_where(&credentials->problem, credentials->node->credentials);
	log_change(credentials, was_good, &before);
}

bool credentials_refresh(struct credentials *credentials, bool again)
{
	if (!configured(credentials))
		return true;
	/* Looked at before it is read: a change in between is found by the next look. */
	struct stat now = { 0 };
	const bool there = lstat(credentials->node->credentials, &now) == 0;
	if (again || !credentials->looked || !there || !same_file(&now, &credentials->seen))
		read_anew(credentials);
	credentials->seen = now;
	credentials->looked = true;
	return credentials->good;
}

void credentials_refused(struct credentials *credentials, unsigned int generation)
{
	if (!configured(credentials) || credentials->refused == generation)
		return;
	credentials->refused = generation;
	log_write(LOG_LEVEL_WARNING, "B-node %s: refuses the credentials in %s",
		  credentials->node->name, credentials->node->credentials);
}

void credentials_header(const struct credentials *credentials,
			char out[static CREDENTIALS_HEADER_SIZE])
{
	static const char head[] = "Authorization: Basic ";
	out[0] = '\0';
	if (!configured(credentials) || !credentials->good)
		return;
	memcpy(out, head, sizeof(head));
	(void)base64_encode(credentials->pair, credentials->len, true, out + sizeof(head) - 1);
}

void credentials_done(struct credentials *credentials)
{
	explicit_bzero(credentials, sizeof(*credentials));
}
