/*
 * A copy of a membership list's files (members.yaml and members.d/ *.yaml) in a
 * folder of ours: what is loaded is exactly what is kept, whatever an editor does
 * to the source meanwhile. Knows files, not lists.
 */
#pragma once

#include "base/fs.h"

#define SNAPSHOT_PATH_MAX 4096 /* bytes of a path, with its NUL */
#define SNAPSHOT_FILE "members.yaml"
#define SNAPSHOT_FOLDER "members.d"

/** folder/name; IOTPKI_ERR_LIMIT. */
enum iotpki_err snapshot_path(char out[static SNAPSHOT_PATH_MAX], const char *folder,
			      const char *name) MUST_CHECK;
/**
 * Copy the list in `source` to the new folder `target` (an old one of that name is removed), durably.
 * @param trust  whose files are believed; each is judged on the descriptor that is copied
 */
enum iotpki_err snapshot_take(const char *source, const struct fs_trust *trust, const char *target,
			      struct iotpki_detail *detail) MUST_CHECK;
/** Whether both folders hold the same files with the same bytes; false in any doubt. */
bool snapshot_same(const char *source, const struct fs_trust *trust, const char *copy);
/**
 * Put the folder `fresh` in the place of `current`. At any moment one of current, current.old
 * holds a whole list: see snapshot_current().
 */
enum iotpki_err snapshot_replace(const char *fresh, const char *current,
				 struct iotpki_detail *detail) MUST_CHECK;
/** After a crash between two renames: bring current back from current.old. */
void snapshot_recover(const char *current);
/** Remove a folder that snapshot_take() made; a missing one is no error. */
void snapshot_remove(const char *folder);
