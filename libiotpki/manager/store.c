/* The device manager's store of signed steps. */
#include "manager/store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse.h"

enum {
	STEP_FILE_MAX = STORE_STEP_TXS * (BASE64_ENCODED_SIZE(TX_DER_MAX) + 1),
	LEVEL_FILE_MAX = 32,
};

void store_step_done(struct store_step *step)
{
	for (size_t i = 0; i < STORE_STEP_TXS; i++)
		buf_done(&step->part[i].der);
	step->count = 0;
}

void store_name_done(struct store_name *name)
{
	for (size_t i = 0; i < name->step_count; i++)
		store_step_done(&name->steps[i]);
	free(name->steps);
	*name = (struct store_name){ 0 };
}

static enum iotpki_err path_of(const char *dir, const char *name, const char *file,
			       char out[static PATH_MAX], struct iotpki_detail *detail)
{
	const int len =
		snprintf(out, PATH_MAX, "%s/names/%s%s%s", dir, name, file[0] ? "/" : "", file);
	if (len < 0 || len >= PATH_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the path of the store is too long");
	return IOTPKI_OK;
}

static const char *op_word(enum tx_op op)
{
	static const char *const words[] = { [TX_PREORDER] = "preorder",
					     [TX_REGISTER] = "register",
					     [TX_UPDATE] = "update",
					     [TX_REVOKE] = "revoke" };
	return words[op];
}

/* "0002-update" of the second step if that is an update. */
static void step_file(size_t index, const struct store_step *step, char out[static 32])
{
	(void)snprintf(out, 32, "%04zu-%s", index + 1, op_word(step->part[step->count - 1].tx.op));
}

/* A step is one transaction, or a REGISTER behind its PREORDER, all for this very name. */
static bool step_fits(const struct store_step *step)
{
	const enum tx_op last = step->part[step->count - 1].tx.op;
	if (step->count == 1)
		return last == TX_UPDATE || last == TX_REVOKE;
	return step->part[0].tx.op == TX_PREORDER && last == TX_REGISTER;
}

static enum iotpki_err parse_part(const char *line, size_t len, struct store_step *step,
				  unsigned int number, struct iotpki_detail *detail)
{
	if (step->count == STORE_STEP_TXS)
		return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1, "more than %d transactions",
				  STORE_STEP_TXS);
	uint8_t der[TX_DER_MAX];
	size_t der_len = sizeof(der);
	if (!base64_decode(line, len, true, der, &der_len))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1,
				  "is not one line of base64");

	const size_t at = step->count;
	const enum tx_reason reason =
		tx_verify(der, der_len, &step->part[at].tx, step->part[at].txid, NULL);
	if (reason != TX_OK)
		return detail_set(detail, IOTPKI_ERR_CRYPTO, number, 1,
				  "the transaction is damaged: %s", tx_reason_text(reason));
	step->part[at].der = (struct buf)BUF_INIT(TX_DER_MAX);
	step->count++;
	return buf_put(&step->part[at].der, der, der_len);
}

static enum iotpki_err parse_step(const char *text, size_t len, struct store_step *step,
				  struct iotpki_detail *detail)
{
	unsigned int number = 1;
	for (size_t at = 0; at < len; number++) {
		const char *end = memchr(text + at, '\n', len - at);
		if (end == NULL)
			return detail_set(detail, IOTPKI_ERR_SYNTAX, number, 1,
					  "the last line is cut");
		const size_t line = (size_t)(end - (text + at));
		const enum iotpki_err err = parse_part(text + at, line, step, number, detail);
		if (err != IOTPKI_OK)
			return err;
		at += line + 1;
	}
	if (step->count == 0 || !step_fits(step))
		return detail_set(
			detail, IOTPKI_ERR_SYNTAX, 0, 0,
			"does not hold one step: PREORDER with REGISTER, UPDATE, or REVOKE");
	return IOTPKI_OK;
}

static enum iotpki_err load_step(const char *path, struct store_step *step,
				 struct iotpki_detail *detail)
{
	const struct fs_trust trust = { .owner = geteuid(), .also_root = true, .forbidden = 0022 };
	CLEANUP(buf_done) struct buf text = BUF_INIT(STEP_FILE_MAX);
	enum iotpki_err err = fs_read(path, &trust, &text, detail);
	if (err != IOTPKI_OK)
		return err;
	*step = (struct store_step){ 0 };
	err = parse_step(buf_text(&text), text.len, step, detail);
	detail_where(detail, path);
	if (err != IOTPKI_OK)
		store_step_done(step);
	return err;
}

/* The step's number, from 1, of a file name such as "0002-update"; 0 if it is none. */
static size_t step_number(const char *file)
{
	uint64_t number = 0;
	if (strlen(file) < 6 || file[4] != '-')
		return 0;
	const size_t zeros = strspn(file, "0");
	if (zeros >= 4 || !uint_parse(file + zeros, 4 - zeros, STORE_STEPS_MAX, &number))
		return 0;
	static const char *const words[] = { "register", "update", "revoke" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(file + 5, words[i]) == 0)
			return (size_t)number;
	return 0;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

struct file_list {
	size_t count;
	char **names;
};

static void file_list_done(struct file_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
}

static enum iotpki_err file_list_add(struct file_list *list, const char *name)
{
	char **names = reallocarray(list->names, list->count + 1, sizeof(*names));
	if (names == NULL)
		return IOTPKI_ERR_NOMEM;
	list->names = names;
	names[list->count] = strdup(name);
	return names[list->count] != NULL ? (list->count++, IOTPKI_OK) : IOTPKI_ERR_NOMEM;
}

/* The files of a folder that keep() wants, sorted. */
static enum iotpki_err list_folder(const char *path, bool (*keep)(const char *name),
				   struct file_list *list, struct iotpki_detail *detail)
{
	DIR *folder = opendir(path);
	if (folder == NULL) {
		const enum iotpki_err err = errno == ENOENT ? IOTPKI_ERR_NOT_FOUND : IOTPKI_ERR_IO;
		(void)detail_set(detail, err, 0, 0, "cannot be listed");
		detail_where(detail, path);
		return err;
	}
	enum iotpki_err err = IOTPKI_OK;
	const struct dirent *entry;
	while (err == IOTPKI_OK && (entry = readdir(folder)) != NULL)
		if (keep(entry->d_name))
			err = file_list_add(list, entry->d_name);
	(void)closedir(folder);
	if (err == IOTPKI_OK && list->count > 1)
		qsort(list->names, list->count, sizeof(*list->names), by_text);
	return err;
}

static bool is_step(const char *name)
{
	return step_number(name) > 0;
}

static bool is_name(const char *name)
{
	return iotpki_name_valid(name, strlen(name));
}

static enum iotpki_err load_level(const char *dir, struct store_name *name)
{
	char path[PATH_MAX];
	enum iotpki_err err = path_of(dir, name->name, "level", path, NULL);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(buf_done) struct buf text = BUF_INIT(LEVEL_FILE_MAX);
	uint64_t level = 0;
	/* A missing or odd file only means that everything is sent again, which every node takes. */
	if (fs_read(path, NULL, &text, NULL) != IOTPKI_OK || text.len == 0 ||
	    !uint_parse(buf_text(&text), text.len - 1, name->step_count, &level))
		level = 0;
	name->level = (size_t)level;
	return IOTPKI_OK;
}

static enum iotpki_err load_steps(const char *dir, const struct file_list *files,
				  struct store_name *out, struct iotpki_detail *detail)
{
	out->steps = calloc(files->count, sizeof(*out->steps));
	if (out->steps == NULL)
		return IOTPKI_ERR_NOMEM;
	for (size_t i = 0; i < files->count; i++) {
		char path[PATH_MAX];
		enum iotpki_err err = path_of(dir, out->name, files->names[i], path, detail);
		if (err == IOTPKI_OK && step_number(files->names[i]) != i + 1) {
			err = detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0,
					 "step %zu is missing before it: restore the folder",
					 i + 1);
			detail_where(detail, path);
		}
		if (err == IOTPKI_OK)
			err = load_step(path, &out->steps[i], detail);
		if (err != IOTPKI_OK)
			return err;
		out->step_count++;
	}
	return IOTPKI_OK;
}

enum iotpki_err store_load(const char *dir, const char *name, struct store_name *out,
			   struct iotpki_detail *detail)
{
	*out = (struct store_name){ 0 };
	char path[PATH_MAX];
	if (!iotpki_name_valid(name, strlen(name)))
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0, "\"%.64s\" is not a name",
				  name);
	enum iotpki_err err = path_of(dir, name, "", path, detail);
	if (err != IOTPKI_OK)
		return err;
	(void)snprintf(out->name, sizeof(out->name), "%s", name);

	CLEANUP(file_list_done) struct file_list files = { 0 };
	err = list_folder(path, is_step, &files, detail);
	if (err == IOTPKI_ERR_NOT_FOUND || (err == IOTPKI_OK && files.count == 0))
		return detail_set(detail, IOTPKI_ERR_NOT_FOUND, 0, 0,
				  "nothing was ever signed for %.64s here: is it another owner's?",
				  name);
	if (err == IOTPKI_OK)
		err = load_steps(dir, &files, out, detail);
	if (err == IOTPKI_OK)
		err = load_level(dir, out);
	if (err != IOTPKI_OK)
		store_name_done(out);
	return err;
}

/* One base64 line a transaction. */
static enum iotpki_err step_text(const struct store_step *step, struct buf *text)
{
	for (size_t i = 0; i < step->count; i++) {
		char line[BASE64_ENCODED_SIZE(TX_DER_MAX)];
		const struct buf *der = &step->part[i].der;
		const size_t len = base64_encode(der->data, der->len, true, line);
		(void)buf_put(text, line, len);
		(void)buf_putc(text, '\n');
	}
	return buf_error(text);
}

static enum iotpki_err copy_step(const struct store_step *from, struct store_step *to)
{
	*to = (struct store_step){ .count = from->count };
	for (size_t i = 0; i < from->count; i++) {
		to->part[i].tx = from->part[i].tx;
		memcpy(to->part[i].txid, from->part[i].txid, SHA256_LEN);
		to->part[i].der = (struct buf)BUF_INIT(TX_DER_MAX);
		const enum iotpki_err err =
			buf_put(&to->part[i].der, from->part[i].der.data, from->part[i].der.len);
		if (err != IOTPKI_OK)
			return err;
	}
	return IOTPKI_OK;
}

enum iotpki_err store_append(const char *dir, struct store_name *name,
			     const struct store_step *step, struct iotpki_detail *detail)
{
	if (step->count == 0 || !step_fits(step))
		return IOTPKI_ERR_ARGUMENT;
	if (name->step_count == STORE_STEPS_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0, "%s has %d steps, no more fit",
				  name->name, STORE_STEPS_MAX);
	struct store_step *steps = reallocarray(name->steps, name->step_count + 1, sizeof(*steps));
	if (steps == NULL)
		return IOTPKI_ERR_NOMEM;
	name->steps = steps;
	steps[name->step_count] = (struct store_step){ 0 };

	char file[32];
	char path[PATH_MAX];
	CLEANUP(buf_done) struct buf text = BUF_INIT(STEP_FILE_MAX);
	step_file(name->step_count, step, file);
	enum iotpki_err err = path_of(dir, name->name, "", path, detail);
	if (err == IOTPKI_OK)
		err = fs_mkdir(path, 0700, detail);
	if (err == IOTPKI_OK)
		err = path_of(dir, name->name, file, path, detail);
	if (err == IOTPKI_OK)
		err = step_text(step, &text);
	if (err == IOTPKI_OK)
		err = copy_step(step, &steps[name->step_count]);
	/* Never over a file that is there: a step that was sent once may not become another. */
	if (err == IOTPKI_OK)
		err = fs_create(path, text.data, text.len, 0600, detail);
	if (err != IOTPKI_OK) {
		store_step_done(&steps[name->step_count]);
		return err;
	}
	name->step_count++;
	return IOTPKI_OK;
}

enum iotpki_err store_drop_last(const char *dir, struct store_name *name,
				struct iotpki_detail *detail)
{
	if (name->step_count == 0)
		return IOTPKI_ERR_ARGUMENT;
	struct store_step *last = &name->steps[name->step_count - 1];
	char file[32];
	char path[PATH_MAX];
	step_file(name->step_count - 1, last, file);
	const enum iotpki_err err = path_of(dir, name->name, file, path, detail);
	if (err != IOTPKI_OK)
		return err;
	if (unlink(path) != 0 && errno != ENOENT) {
		(void)detail_set(detail, IOTPKI_ERR_IO, 0, 0, "cannot be removed");
		detail_where(detail, path);
		return IOTPKI_ERR_IO;
	}
	store_step_done(last);
	name->step_count--;
	if (name->level > name->step_count)
		name->level = name->step_count;
	return IOTPKI_OK;
}

enum iotpki_err store_set_level(const char *dir, struct store_name *name, size_t level,
				struct iotpki_detail *detail)
{
	if (level > name->step_count)
		return IOTPKI_ERR_ARGUMENT;
	char path[PATH_MAX];
	char text[LEVEL_FILE_MAX];
	const enum iotpki_err err = path_of(dir, name->name, "level", path, detail);
	if (err != IOTPKI_OK)
		return err;
	const int len = snprintf(text, sizeof(text), "%zu\n", level);
	name->level = level;
	return fs_write(path, text, (size_t)len, 0600, false, detail);
}

/* A signed step, or the progress on a chain (onchain_store.h). */
static bool is_beginning(const char *name)
{
	return is_step(name) || (strncmp(name, "chain-", 6) == 0 && strstr(name, ".new") == NULL);
}

/* A kill before the first step was stored leaves its folder: nothing was ever wanted of that name. */
static bool was_begun(const char *dir, const char *name)
{
	char path[PATH_MAX];
	CLEANUP(file_list_done) struct file_list files = { 0 };
	return path_of(dir, name, "", path, NULL) != IOTPKI_OK ||
	       list_folder(path, is_beginning, &files, NULL) != IOTPKI_OK || files.count > 0;
}

enum iotpki_err store_names(const char *dir, store_name_fn *emit, void *context,
			    struct iotpki_detail *detail)
{
	char path[PATH_MAX];
	enum iotpki_err err = path_of(dir, "", "", path, detail);
	if (err != IOTPKI_OK)
		return err;
	CLEANUP(file_list_done) struct file_list names = { 0 };
	err = list_folder(path, is_name, &names, detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return IOTPKI_OK;
	for (size_t i = 0; err == IOTPKI_OK && i < names.count; i++)
		if (was_begun(dir, names.names[i]))
			err = emit(context, names.names[i]);
	return err;
}

/* ---- what the steps add up to ---- */

static void apply(const struct tx *tx, const uint8_t txid[static SHA256_LEN],
		  struct store_state *out)
{
	switch (tx->op) {
	case TX_PREORDER:
		return;
	case TX_REGISTER:
		*out = (struct store_state){ .exists = true };
		memcpy(out->registration, txid, SHA256_LEN);
		break;
	case TX_REVOKE:
		out->revoked = true;
		break;
	case TX_UPDATE:
		break;
	}
	memcpy(out->last, txid, SHA256_LEN);
	out->time_s = tx->time_s;
	if (tx->op == TX_REVOKE)
		return;
	(void)snprintf(out->value, sizeof(out->value), "%s", tx->value);
	out->expires_s = tx->expires_s;
}

void store_state(const struct store_name *name, struct store_state *out)
{
	*out = (struct store_state){ 0 };
	for (size_t i = 0; i < name->step_count; i++)
		for (size_t j = 0; j < name->steps[i].count; j++)
			apply(&name->steps[i].part[j].tx, name->steps[i].part[j].txid, out);
}
