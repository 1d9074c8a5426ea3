/*
 * The file of the agent's state: named tables of short records in one LMDB environment, each
 * record with a checksum, as LMDB has none. Knows nothing of what the records mean. Open only
 * while it is read or written.
 */
#pragma once

#include "base/base.h"

#include <iotpki/error.h>

#define STATE_FILE_VERSION 1 /* of the layout; tables may be added without a new one */
#define STATE_FILE_KEY_MAX 256
#define STATE_FILE_VALUE_MAX 256

enum state_file_table {
	STATE_FILE_TIME,
	STATE_FILE_NODES,
	STATE_FILE_TOMBSTONES,
	STATE_FILE_TABLE_COUNT
};

/** One change. */
struct state_file_record {
	enum state_file_table table;
	uint8_t key[STATE_FILE_KEY_MAX];
	size_t key_len; /* 0: the whole table is emptied */
	uint8_t value[STATE_FILE_VALUE_MAX];
	size_t value_len;
};

/** One record that is there; false: it cannot be one of ours, the store is broken. */
typedef bool state_file_emit_fn(void *context, enum state_file_table table, const uint8_t *key,
				size_t key_len, const uint8_t *value, size_t value_len);

/**
 * Open the folder for this process alone: ours, nobody else's to enter, no link.
 * @param create  make it if it is missing
 * @param fd_out  holds the lock; close it with fs_close
 * @return IOTPKI_ERR_NOT_FOUND, _PERMISSION, _EXISTS (another process has it), _IO
 */
enum iotpki_err state_file_lock(const char *dir, bool create, int *fd_out,
				struct iotpki_detail *detail) MUST_CHECK;
/**
 * Whether the file can be used, tried by a child: a broken one may crash who reads it.
 * @return IOTPKI_ERR_NOT_FOUND (there is none), _PERMISSION, _UNSUPPORTED (another version),
 *         _MISMATCH (broken), _IO
 */
enum iotpki_err state_file_check(const char *dir, struct iotpki_detail *detail) MUST_CHECK;
/** Read all of it. Errors as above. */
enum iotpki_err state_file_load(const char *dir, state_file_emit_fn *emit, void *context,
				struct iotpki_detail *detail) MUST_CHECK;
/** One durable transaction; makes the file if it is missing. */
enum iotpki_err state_file_write(const char *dir, const struct state_file_record *records,
				 size_t count, struct iotpki_detail *detail) MUST_CHECK;
/** Move a broken file out of the way, to data.mdb.corrupt; an older one of that name goes. */
enum iotpki_err state_file_set_aside(const char *dir, int dir_fd,
				     struct iotpki_detail *detail) MUST_CHECK;
