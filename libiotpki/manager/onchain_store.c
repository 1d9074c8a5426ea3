/* The progress files of names on chains. */
#include "manager/onchain_store.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

static enum iotpki_err path_of(const char *dir, const char *name, const char *network,
			       char out[static PATH_MAX], struct iotpki_detail *detail)
{
	if (!iotpki_name_valid(name, strlen(name)))
		return detail_set(detail, IOTPKI_ERR_ARGUMENT, 0, 0, "\"%.64s\" is not a name",
				  name);
	const int len = snprintf(out, PATH_MAX, "%s/names/%s%s%s", dir, name,
				 network[0] != '\0' ? "/chain-" : "", network);
	if (len < 0 || len >= PATH_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the path of the store is too long");
	return IOTPKI_OK;
}

enum iotpki_err onchain_store_load(const char *dir, const char *name, const char *network,
				   struct onchain_progress *progress_out,
				   struct iotpki_detail *detail)
{
	*progress_out = (struct onchain_progress){ 0 };
	char path[PATH_MAX];
	const struct fs_trust trust = { .owner = geteuid(), .also_root = true, .forbidden = 0022 };
	CLEANUP(buf_done) struct buf text = BUF_INIT(ONCHAIN_TEXT_MAX);
	enum iotpki_err err = path_of(dir, name, network, path, detail);
	if (err == IOTPKI_OK)
		err = fs_read(path, &trust, &text, detail);
	if (err == IOTPKI_ERR_NOT_FOUND)
		return IOTPKI_OK;
	if (err != IOTPKI_OK)
		return err;
	err = onchain_parse(buf_text(&text), text.len, progress_out, detail);
	if (err != IOTPKI_OK)
		detail_where(detail, path);
	return err;
}

enum iotpki_err onchain_store_save(const char *dir, const char *name, const char *network,
				   const struct onchain_progress *progress,
				   struct iotpki_detail *detail)
{
	char path[PATH_MAX];
	CLEANUP(buf_done) struct buf text = BUF_INIT(ONCHAIN_TEXT_MAX);
	enum iotpki_err err = path_of(dir, name, "", path, detail);
	if (err == IOTPKI_OK)
		err = fs_mkdir(path, 0700, detail);
	if (err == IOTPKI_OK)
		err = path_of(dir, name, network, path, detail);
	if (err == IOTPKI_OK)
		err = onchain_format(progress, &text);
	if (err == IOTPKI_OK)
		err = fs_write(path, text.data, text.len, 0600, false, detail);
	return err;
}
