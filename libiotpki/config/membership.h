/*
 * The membership list (paper IV-A; design 4.1, 4.2, 7): members.yaml and
 * members.d as one immutable, reference-counted generation. Loaded whole or not at
 * all. At most 350 bytes of memory a member.
 */
#pragma once

#include <iotpki/decide.h>
#include <iotpki/sshkey.h>

#include "base/fs.h"
#include "config/config.h"

#define MEMBERSHIP_PATH "/etc/iotpki/members.yaml" /* and members.d/ beside it */
#define MEMBERSHIP_PARTS "members.d"
#define MEMBERSHIP_MAX_BYTES (256UL * 1024 * 1024)
#define MEMBERSHIP_MAX_ENTRIES 1000000UL

/** What a role or an entry allows; interned, shared by all entries that say the same. */
struct member_rights {
	size_t user_count;
	const char *const *users; /* accounts; none: nobody */
	size_t service_count;
	const char *const *services; /* PAM service names; none: none */
	const char *
		ssh_options; /* canonical authorized_keys options, e.g. "restrict,pty"; never empty */
	bool soft_fail;
};

struct member_registration {
	const char *network;
	uint8_t id[IOTPKI_SHA256_LEN];
};

struct member {
	const char *name;
	const char *label; /* "" if none */
	const char *role;
	const struct member_rights *rights;
	int64_t ends_s; /* expires: */
	int64_t cert_begins_s, cert_ends_s;
	uint8_t sha256[IOTPKI_SHA256_LEN]; /* the certificate's hash */
	uint8_t key[IOTPKI_SHA256_LEN];    /* fingerprint of the certificate's key */
	bool has_ssh;
	bool denied;
	uint8_t registration_count;
	const uint8_t *ssh; /* fingerprint of `ssh:`, or NULL */
	const struct member_registration *registrations;
	size_t host_count;
	const char *const *hosts;
};

struct membership; /* opaque generation */

/**
 * Load path and, in name order, DIR/members.d/ *.yaml beside it.
 * @param trust  whose files are believed
 * @return on any error in any file: nothing is loaded, detail has file:line:column
 */
enum iotpki_err membership_load(const char *path, const struct fs_trust *trust,
				struct membership **list_out,
				struct iotpki_detail *detail) MUST_CHECK;
/** A text that stands for the file at path, as it would be after an edit; the file need not exist. */
struct membership_replacement {
	const char *
		path; /* as membership_load makes it: the list's path, or its folder's members.d/NAME */
	const char *text;
	size_t len;
};
/** Load the whole list as it would be with one file replaced. */
enum iotpki_err membership_load_with(const char *path, const struct fs_trust *trust,
				     const struct membership_replacement *replacement,
				     struct membership **list_out,
				     struct iotpki_detail *detail) MUST_CHECK;
/** The same of one text in memory (tests, fuzzing, checks before an edit is written). */
enum iotpki_err membership_parse(const char *path, const char *text, size_t len,
				 struct membership **list_out,
				 struct iotpki_detail *detail) MUST_CHECK;
/** References are not atomic: one thread. */
struct membership *membership_ref(struct membership *list);
void membership_unref(struct membership *list);
void membership_unrefp(struct membership **list);

size_t membership_count(const struct membership *list);
/** In list order; index < count. */
const struct member *membership_at(const struct membership *list, size_t index);
const struct member *membership_by_name(const struct membership *list, const char *name);
/** The file that a member of this list stands in, as it was opened. */
const char *membership_file(const struct membership *list, const struct member *member);
/** By the fingerprint of the entry's certificate key. */
const struct member *membership_by_key(const struct membership *list,
				       const uint8_t fingerprint[static IOTPKI_SHA256_LEN]);
/** By the SHA-256 of the certificate. */
const struct member *membership_by_cert(const struct membership *list,
					const uint8_t sha256[static IOTPKI_SHA256_LEN]);
/** By `ssh:` fingerprints, in list order: the next one after `after` (NULL: the first), or NULL. */
const struct member *membership_next_by_ssh(const struct membership *list,
					    const uint8_t fingerprint[static IOTPKI_SHA256_LEN],
					    const struct member *after);
/** Members whose rights name the account, in list order, same iteration. */
const struct member *membership_next_by_account(const struct membership *list, const char *user,
						const struct member *after);
/** Whether any role or entry, expired and denied ones included, names the account (design 9). */
bool membership_names_account(const struct membership *list, const char *user);
/** Design 4.2: the account and the service are this member's. NULL: any (administration; the agent names both). */
bool member_permits(const struct member *member, const char *user, const char *service);
/** SHA-256 over the source bytes: which generation this is, for status and logs. */
const uint8_t *membership_digest(const struct membership *list);

/**
 * The list's part of a decision input: member, ends, denied, permitted, hashes, `ssh:`, certificate
 * validity, pins by the configuration's network index. Nothing else is touched.
 * @param member NULL: not on the list
 */
void membership_fill(const struct member *member, const struct config *config, const char *user,
		     const char *service, struct iotpki_decide_input *input);

/**
 * The certificate of an entry, which a list does not keep: its PEM from the text of its file.
 * @return IOTPKI_ERR_NOT_FOUND if the text has no such entry
 */
enum iotpki_err membership_certificate(const char *text, size_t len, const char *name,
				       struct buf *pem_out,
				       struct iotpki_detail *detail) MUST_CHECK;

/* ---- edits (iotpki member): comments and order are kept, the whole list is validated first ---- */

/** What `member add` writes. */
struct member_edit {
	const char *name;
	const char *label; /* NULL: none */
	const char *role;
	int64_t ends_s;
	const char *cert_pem;
	const uint8_t *ssh; /* NULL: none */
	size_t registration_count;
	const struct member_registration *registrations;
	size_t host_count;
	const char *const *hosts;
};
/** Each makes the new text of the file at `path` from its old text; the caller writes it with fs_write. */
enum iotpki_err membership_edit_add(const char *path, const char *text, size_t len,
				    const struct member_edit *edit, struct buf *out,
				    struct iotpki_detail *detail) MUST_CHECK;
enum iotpki_err membership_edit_remove(const char *path, const char *text, size_t len,
				       const char *name, struct buf *out,
				       struct iotpki_detail *detail) MUST_CHECK;
/** Replace (or, value NULL, remove) one scalar of an entry: "expires", "denied", "role", "label". */
enum iotpki_err membership_edit_set(const char *path, const char *text, size_t len,
				    const char *name, const char *key, const char *value,
				    struct buf *out, struct iotpki_detail *detail) MUST_CHECK;
/**
 * Replace expires, sha256, key, certificate, ssh and registrations of an entry (member renew); ssh NULL and
 * no registrations take those away. Label, role, hosts and rights stay.
 */
enum iotpki_err membership_edit_renew(const char *path, const char *text, size_t len,
				      const struct member_edit *edit, struct buf *out,
				      struct iotpki_detail *detail) MUST_CHECK;
