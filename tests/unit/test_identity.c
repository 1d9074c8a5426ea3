/* Identities: made, kept, read again, exported; the real ssh-keygen reads what we write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>

#include "base/fs.h"
#include "base/parse.h"
#include "identity/identity.h"

#define UUID "3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60"

static const char *const algorithm_names[] = { "p256", "p384", "rsa3072", "ed25519" };

struct folder {
	char path[64];
	char file[128];
};

static int folder_make(void **state)
{
	static struct folder folder;
	(void)snprintf(folder.path, sizeof(folder.path), "/tmp/iotpki-test-XXXXXX");
	if (mkdtemp(folder.path) == NULL)
		return -1;
	*state = &folder;
	return 0;
}

static int folder_remove(void **state)
{
	const struct folder *folder = *state;
	static const char *const names[] = { "id/key.pem", "id/cert.pem", "id", "key", "out", "" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", folder->path, names[i]);
		(void)remove(path);
	}
	return access(folder->path, F_OK) == 0 ? -1 : 0;
}

static const char *in(struct folder *folder, const char *name)
{
	(void)snprintf(folder->file, sizeof(folder->file), "%s/%s", folder->path, name);
	return folder->file;
}

static struct identity *make(const char *name, enum identity_algorithm algorithm)
{
	struct identity *identity = NULL;
	struct iotpki_detail detail = { 0 };
	if (identity_new(name, algorithm, random_system(), &identity, &detail) != IOTPKI_OK)
		fail_msg("%s: %s", identity_algorithm_name(algorithm), detail.message);
	return identity;
}

static void names_of_algorithms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithm_names); i++) {
		enum identity_algorithm got;
		assert_true(identity_algorithm_parse(algorithm_names[i], &got));
		assert_int_equal(got, i);
		assert_string_equal(identity_algorithm_name(got), algorithm_names[i]);
	}
	enum identity_algorithm got;
	assert_false(identity_algorithm_parse("P256", &got));
	assert_false(identity_algorithm_parse("", &got));
	assert_string_equal(identity_algorithm_name((enum identity_algorithm)9), "unknown");
}

static void a_new_certificate_is_as_designed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithm_names); i++) {
		CLEANUP(identity_freep)
		struct identity *identity = make(UUID, (enum identity_algorithm)i);
		const struct iotpki_cert *cert = identity_cert(identity);
		const uint8_t *der;
		size_t len;
		struct iotpki_cert again;
		identity_der(identity, &der, &len);
		assert_int_equal(iotpki_cert_check(der, len, &again, NULL), IOTPKI_OK);
		assert_memory_equal(again.sha256, cert->sha256, sizeof(again.sha256));
		assert_string_equal(cert->name, UUID);
		assert_true(cert->not_before_s == 1577836800);           /* 2020-01-01 */
		assert_true(cert->not_after_s == INT64_C(253402300799)); /* 9999-12-31T23:59:59Z */

		X509 *x509 = identity_x509(identity);
		const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
		assert_int_equal(ASN1_STRING_length(serial), 16);
		assert_true(ASN1_STRING_get0_data(serial)[0] < 0x80);
		assert_int_equal(X509_check_private_key(x509, identity_evp_pkey(identity)), 1);
	}
}

static void a_name_is_made_where_none_is_given(void **state)
{
	(void)state;
	CLEANUP(identity_freep) struct identity *one = make(NULL, IDENTITY_P256);
	CLEANUP(identity_freep) struct identity *two = make(NULL, IDENTITY_P256);
	assert_int_equal(strlen(identity_cert(one)->name), 36);
	assert_string_not_equal(identity_cert(one)->name, identity_cert(two)->name);
}

static void bad_names_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "",    "Alice", "a b",  "-a",
					     "a/b", "*",     "a\nb", "\xc3\xa9" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct identity *identity = NULL;
		struct iotpki_detail detail = { 0 };
		assert_int_equal(
			identity_new(names[i], IDENTITY_P256, random_system(), &identity, &detail),
			IOTPKI_ERR_SYNTAX);
		assert_null(identity);
	}
	struct identity *identity = NULL;
	assert_int_equal(
		identity_new("a", (enum identity_algorithm)9, random_system(), &identity, NULL),
		IOTPKI_ERR_ARGUMENT);
}

static enum iotpki_err no_randomness(const struct random_source *source, void *out, size_t len)
{
	(void)source;
	(void)out;
	(void)len;
	return IOTPKI_ERR_IO;
}

static void nothing_is_made_without_randomness(void **state)
{
	(void)state;
	const struct random_source none = { no_randomness };
	struct identity *identity = NULL;
	assert_int_equal(identity_new(NULL, IDENTITY_P256, &none, &identity, NULL), IOTPKI_ERR_IO);
	assert_int_equal(identity_new("a", IDENTITY_P256, &none, &identity, NULL), IOTPKI_ERR_IO);
	assert_null(identity);
}

/* The ledger takes no other (design 6); half of all signatures would fail here by chance. */
static void self_signatures_have_low_s(void **state)
{
	(void)state;
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *half = BN_new();
	assert_int_equal(BN_rshift1(half, EC_GROUP_get0_order(group)), 1);
	for (unsigned int i = 0; i < 32; i++) {
		CLEANUP(identity_freep) struct identity *identity = make("a", IDENTITY_P256);
		const ASN1_BIT_STRING *bits;
		X509_get0_signature(&bits, NULL, identity_x509(identity));
		const uint8_t *at = bits->data;
		ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, bits->length);
		assert_true(BN_cmp(ECDSA_SIG_get0_s(signature), half) <= 0);
		ECDSA_SIG_free(signature);
	}
	BN_free(half);
	EC_GROUP_free(group);
}

static void saved_is_loaded_and_never_overwritten(void **state)
{
	struct folder *folder = *state;
	CLEANUP(identity_freep) struct identity *identity = make(UUID, IDENTITY_P256);
	struct iotpki_detail detail = { 0 };
	assert_int_equal(identity_save(identity, in(folder, "id"), &detail), IOTPKI_OK);

	struct stat st;
	assert_int_equal(stat(in(folder, "id/key.pem"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in(folder, "id"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	CLEANUP(identity_freep) struct identity *loaded = NULL;
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_OK);
	assert_memory_equal(identity_cert(loaded)->sha256, identity_cert(identity)->sha256, 32);

	CLEANUP(identity_freep) struct identity *other = make("other", IDENTITY_P256);
	assert_int_equal(identity_save(other, in(folder, "id"), &detail), IOTPKI_ERR_EXISTS);
	CLEANUP(identity_freep) struct identity *still = NULL;
	assert_int_equal(identity_load(in(folder, "id"), &still, &detail), IOTPKI_OK);
	assert_string_equal(identity_cert(still)->name, UUID);
}

static void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
	struct iotpki_detail detail = { 0 };
	if (fs_write(path, data, len, mode, false, &detail) != IOTPKI_OK)
		fail_msg("%s: %s", path, detail.message);
}

static void what_cannot_be_trusted_is_not_loaded(void **state)
{
	struct folder *folder = *state;
	CLEANUP(identity_freep) struct identity *identity = make(UUID, IDENTITY_P256);
	CLEANUP(identity_freep) struct identity *other = make(UUID, IDENTITY_P256);
	CLEANUP(buf_done) struct buf pem = BUF_INIT(16384);
	struct iotpki_detail detail = { 0 };
	struct identity *loaded = NULL;

	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(identity_save(identity, in(folder, "id"), &detail), IOTPKI_OK);
	assert_int_equal(chmod(in(folder, "id/key.pem"), 0640), 0);
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(chmod(in(folder, "id/key.pem"), 0400), 0);
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_OK);
	identity_freep(&loaded);
	assert_int_equal(chmod(in(folder, "id/cert.pem"), 0666), 0);
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(chmod(in(folder, "id/cert.pem"), 0644), 0);

	/* The key of somebody else. */
	assert_int_equal(identity_private_pem(other, false, NULL, &pem, &detail), IOTPKI_OK);
	write_file(in(folder, "id/key.pem"), pem.data, pem.len, 0600);
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_ERR_MISMATCH);
	write_file(in(folder, "id/key.pem"), "", 0, 0600);
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_ERR_SYNTAX);
	assert_null(loaded);
}

/* Cut off between its two files, a save is finished by whoever comes next. */
static void a_save_that_was_cut_off_is_finished(void **state)
{
	struct folder *folder = *state;
	CLEANUP(identity_freep) struct identity *identity = make(UUID, IDENTITY_P256);
	CLEANUP(identity_freep) struct identity *loaded = NULL;
	struct iotpki_detail detail = { 0 };
	char pending[128];
	(void)snprintf(pending, sizeof(pending), "%s/id/cert.pem.pending", folder->path);

	/* Before the key: what is pending belongs to nobody. */
	assert_int_equal(fs_mkdir(in(folder, "id"), 0700, &detail), IOTPKI_OK);
	write_file(pending, "left over", 9, 0644);
	assert_int_equal(identity_save(identity, in(folder, "id"), &detail), IOTPKI_OK);
	assert_int_not_equal(access(pending, F_OK), 0);

	/* After the key. */
	assert_int_equal(rename(in(folder, "id/cert.pem"), pending), 0);
	assert_int_equal(identity_save(identity, in(folder, "id"), &detail), IOTPKI_ERR_EXISTS);
	assert_int_equal(identity_load(in(folder, "id"), &loaded, &detail), IOTPKI_OK);
	assert_memory_equal(identity_cert(loaded)->sha256, identity_cert(identity)->sha256, 32);
	assert_int_equal(access(in(folder, "id/cert.pem"), F_OK), 0);
	assert_int_not_equal(access(pending, F_OK), 0);
}

static void import_rows(void **state)
{
	(void)state;
	CLEANUP(identity_freep) struct identity *identity = make("a", IDENTITY_P256);
	CLEANUP(identity_freep) struct identity *other = make("a", IDENTITY_P256);
	CLEANUP(buf_done) struct buf key = BUF_INIT(16384);
	CLEANUP(buf_done) struct buf wrong = BUF_INIT(16384);
	char cert[IOTPKI_CERT_PEM_MAX];
	const uint8_t *der;
	size_t len;
	identity_der(identity, &der, &len);
	assert_int_equal(iotpki_cert_to_pem(der, len, cert, sizeof(cert)), IOTPKI_OK);
	assert_int_equal(identity_private_pem(identity, false, NULL, &key, NULL), IOTPKI_OK);
	assert_int_equal(identity_private_pem(other, false, NULL, &wrong, NULL), IOTPKI_OK);

	/* A key under a passphrase must be refused without a question on the terminal. */
	BIO *bio = BIO_new(BIO_s_mem());
	char *locked;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, identity_evp_pkey(identity),
						       EVP_aes_128_cbc(), "secret", 6, NULL, NULL),
			 1);
	const size_t locked_len = (size_t)BIO_get_mem_data(bio, &locked);

	const struct {
		const char *name;
		const char *key;
		size_t key_len;
		const char *cert;
		enum iotpki_err want;
	} rows[] = {
		{ "both", buf_text(&key), key.len, cert, IOTPKI_OK },
		{ "another key", buf_text(&wrong), wrong.len, cert, IOTPKI_ERR_MISMATCH },
		{ "passphrase", locked, locked_len, cert, IOTPKI_ERR_CRYPTO },
		{ "no key", "", 0, cert, IOTPKI_ERR_CRYPTO },
		{ "key cut off", buf_text(&key), key.len / 2, cert, IOTPKI_ERR_CRYPTO },
		{ "certificate for a key", cert, strlen(cert), cert, IOTPKI_ERR_CRYPTO },
		{ "no certificate", buf_text(&key), key.len, "", IOTPKI_ERR_SYNTAX },
		{ "key for a certificate", buf_text(&key), key.len, buf_text(&key),
		  IOTPKI_ERR_SYNTAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(identity_freep) struct identity *got = NULL;
		struct iotpki_detail detail = { 0 };
		const enum iotpki_err err =
			identity_import(rows[i].key, rows[i].key_len, rows[i].cert,
					strlen(rows[i].cert), &got, &detail);
		if (err != rows[i].want || (got != NULL) != (err == IOTPKI_OK))
			fail_msg("%s: %s: %s", rows[i].name, iotpki_strerror(err), detail.message);
	}
	(void)BIO_free(bio);
}

/* Run the real ssh-keygen on a file; its standard output without the last newline. */
static bool ssh_keygen(struct folder *folder, const char *flag, char *out, size_t size)
{
	char key[128], output[128];
	(void)snprintf(key, sizeof(key), "%s/key", folder->path);
	(void)snprintf(output, sizeof(output), "%s/out", folder->path);
	char program[] = "ssh-keygen", f[] = "-f", letter[8];
	(void)snprintf(letter, sizeof(letter), "%s", flag);
	char *const argv[] = { program, letter, f, key, NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC,
					       0600);
	pid_t pid;
	const int spawned = posix_spawnp(&pid, program, &actions, NULL, argv, envp);
	(void)posix_spawn_file_actions_destroy(&actions);
	int status = 0;
	if (spawned != 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return false;
	CLEANUP(buf_done) struct buf text = BUF_INIT(size - 1);
	if (fs_read(output, NULL, &text, NULL) != IOTPKI_OK)
		return false;
	(void)snprintf(out, size, "%.*s", (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
	return true;
}

static void check_with_ssh_keygen(struct folder *folder, const struct identity *identity,
				  bool openssh)
{
	CLEANUP(buf_done) struct buf pem = BUF_INIT(16384);
	struct iotpki_detail detail = { 0 };
	char got[4096], want[IOTPKI_SSHKEY_TEXT_SIZE], commented[4096];
	const struct iotpki_cert *cert = identity_cert(identity);
	assert_int_equal(identity_private_pem(identity, openssh, random_system(), &pem, &detail),
			 IOTPKI_OK);
	write_file(in(folder, "key"), pem.data, pem.len, 0600);
	assert_true(ssh_keygen(folder, "-y", got, sizeof(got)));
	assert_int_equal(iotpki_sshkey_format(&cert->key, want, sizeof(want)), IOTPKI_OK);
	(void)snprintf(commented, sizeof(commented), "%s%s%s", want, openssh ? " " : "",
		       openssh ? cert->name : "");
	assert_string_equal(got, commented);

	/* And the public line and fingerprint, from our own text. */
	char fingerprint[IOTPKI_FINGERPRINT_TEXT_SIZE];
	write_file(in(folder, "key"), want, strlen(want), 0600);
	assert_true(ssh_keygen(folder, "-l", got, sizeof(got)));
	iotpki_fingerprint_format(cert->key.fingerprint, fingerprint);
	assert_non_null(strstr(got, fingerprint));
}

static void ssh_keygen_reads_what_we_write(void **state)
{
	struct folder *folder = *state;
	char probe[64];
	write_file(in(folder, "key"), "", 0, 0600);
	if (access("/usr/bin/ssh-keygen", X_OK) != 0)
		skip();
	assert_false(ssh_keygen(folder, "-y", probe, sizeof(probe)));
	for (size_t i = 0; i < ARRAY_LEN(algorithm_names); i++) {
		CLEANUP(identity_freep)
		struct identity *identity = make("me", (enum identity_algorithm)i);
		check_with_ssh_keygen(folder, identity, true);
		/* ssh-keygen cannot read Ed25519 in PKCS#8: the reason for the other form. */
		if (i != IDENTITY_ED25519)
			check_with_ssh_keygen(folder, identity, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_algorithms),
		cmocka_unit_test(a_new_certificate_is_as_designed),
		cmocka_unit_test(a_name_is_made_where_none_is_given),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(nothing_is_made_without_randomness),
		cmocka_unit_test(self_signatures_have_low_s),
		cmocka_unit_test_setup_teardown(saved_is_loaded_and_never_overwritten, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(what_cannot_be_trusted_is_not_loaded, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_save_that_was_cut_off_is_finished, folder_make,
						folder_remove),
		cmocka_unit_test(import_rows),
		cmocka_unit_test_setup_teardown(ssh_keygen_reads_what_we_write, folder_make,
						folder_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
