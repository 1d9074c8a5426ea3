/* Layer 0: the strict small grammars, buffers, details, durable files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/random.h"

static void base64_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool padded;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "", true, "" },         { "Zg==", true, "f" },    { "Zm8=", true, "fo" },
		{ "Zm9v", true, "foo" },  { "Zg", false, "f" },     { "Zm8", false, "fo" },
		{ "Zg", true, NULL },     { "Zg==", false, NULL },  { "Zh==", true, NULL },
		{ "Zm9=", true, NULL },   { "Zm9v\n", true, NULL }, { " Zm9v", true, NULL },
		{ "Z===", true, NULL },   { "====", true, NULL },   { "Zg=a", true, NULL },
		{ "Zm9vZ", false, NULL }, { "Zm9-", true, NULL },   { "Zg==Zg==", true, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t out[16];
		size_t len = sizeof(out);
		const bool good = base64_decode(rows[i].text, strlen(rows[i].text), rows[i].padded,
						out, &len);
		if (good != (rows[i].want != NULL))
			fail_msg("row %zu: %s", i, rows[i].text);
		if (!good)
			continue;
		assert_int_equal(len, strlen(rows[i].want));
		assert_memory_equal(out, rows[i].want, len);
		char back[32];
		(void)base64_encode(out, len, rows[i].padded, back);
		assert_string_equal(back, rows[i].text);
	}
}

static void uint_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t max;
		bool good;
		uint64_t want;
	} rows[] = {
		{ "0", 10, true, 0 },
		{ "10", 10, true, 10 },
		{ "11", 10, false, 0 },
		{ "", 10, false, 0 },
		{ "01", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ "-1", 10, false, 0 },
		{ "1e1", 100, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999", UINT64_MAX, false, 0 },
		{ "100000000000000000000", UINT64_MAX, false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 0;
		const bool good = uint_parse(rows[i].text, strlen(rows[i].text), rows[i].max, &got);
		if (good != rows[i].good || got != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].text);
	}
}

static void time_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2000-02-29T12:34:56Z", 951827696 },
		{ "2027-06-30T00:00:00Z", 1814313600 },
		{ "2038-01-19T03:14:08Z", INT64_C(2147483648) },
		{ "9999-12-31T23:59:59Z", INT64_C(253402300799) },
		{ "1900-02-29T00:00:00Z", -1 },
		{ "2100-02-29T00:00:00Z", -1 },
		{ "2027-13-01T00:00:00Z", -1 },
		{ "2027-00-01T00:00:00Z", -1 },
		{ "2027-06-31T00:00:00Z", -1 },
		{ "2027-06-30T24:00:00Z", -1 },
		{ "2016-12-31T23:59:60Z", -1 },
		{ "2027-06-30T00:00:00+01:00", -1 },
		{ "2027-06-30T00:00:00z", -1 },
		{ "2027-06-30 00:00:00Z", -1 },
		{ "2027-06-30", -1 },
		{ "0000-00-00T00:00:00Z", -1 },
		{ "10000-01-01T00:00:0Z", -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got = -1;
		(void)!time_parse(rows[i].text, strlen(rows[i].text), &got);
		if (got != rows[i].want)
			fail_msg("row %zu: %s: %lld", i, rows[i].text, (long long)got);
		if (got < 0)
			continue;
		char back[TIME_TEXT_SIZE];
		time_format(got, back);
		assert_string_equal(back, rows[i].text);
	}
}

static void every_day_of_four_centuries_comes_back(void **state)
{
	(void)state;
	for (int64_t day = 0; day < 146097 + 366; day++) {
		char text[TIME_TEXT_SIZE];
		int64_t back;
		time_format(day * 86400 + 1, text);
		assert_true(time_parse(text, strlen(text), &back));
		assert_true(back == day * 86400 + 1);
	}
}

static void duration_rows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want;
	} rows[] = {
		{ "1s", 1000 },     { "1500ms", 1500 },    { "5m", 300000 },
		{ "4h", 14400000 }, { "2d", 172800000 },   { "0s", 0 },
		{ "1", -1 },        { "s", -1 },           { "", -1 },
		{ "-1s", -1 },      { "1 s", -1 },         { "1S", -1 },
		{ "1w", -1 },       { "9999999999d", -1 }, { "213503982334602d", -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = UINT64_MAX;
		const bool good =
			duration_parse(rows[i].text, strlen(rows[i].text), UINT64_C(1) << 40, &got);
		if (good != (rows[i].want >= 0) || (good && got != (uint64_t)rows[i].want))
			fail_msg("row %zu: %s", i, rows[i].text);
	}
}

static void escape_keeps_one_line(void **state)
{
	(void)state;
	char out[64];
	text_escape("a\nb\x1b[31m\\\"\xe2\x80\xae", 13, out, sizeof(out));
	assert_string_equal(out, "a\\x0ab\\x1b[31m\\x5c\"\\xe2\\x80\\xae");
	assert_int_equal(text_escape("abcdef", 6, out, 4), 3);
	assert_string_equal(out, "abc");
	/* An escape is never cut in two. */
	assert_int_equal(text_escape("a\n", 2, out, 5), 1);
}

static void buffer_keeps_its_cap(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_INIT(10);
	assert_int_equal(buf_puts(&buf, "12345"), IOTPKI_OK);
	assert_int_equal(buf_printf(&buf, "%d", 67890), IOTPKI_OK);
	assert_int_equal(buf_putc(&buf, 'x'), IOTPKI_ERR_LIMIT);
	assert_string_equal(buf_text(&buf), "1234567890");
	assert_int_equal(buf_puts(&buf, ""), IOTPKI_ERR_LIMIT);
	assert_int_equal(buf_error(&buf), IOTPKI_ERR_LIMIT);
	buf_clear(&buf);
	assert_int_equal(buf_error(&buf), IOTPKI_OK);
	assert_int_equal(buf_put(&buf, "", 0), IOTPKI_OK);
}

static void detail_is_one_printable_line(void **state)
{
	(void)state;
	struct iotpki_detail detail = { 0 };
	char out[512];
	iotpki_err_detail(IOTPKI_ERR_IO, &detail, out, sizeof(out));
	assert_string_equal(out, "read or write failed");
	assert_int_equal(detail_set(&detail, IOTPKI_ERR_SYNTAX, 3, 7, "bad %s", "x\ny"),
			 IOTPKI_ERR_SYNTAX);
	detail_where(&detail, "/etc/a.yaml");
	detail_where(&detail, "ignored");
	iotpki_err_detail(IOTPKI_ERR_SYNTAX, &detail, out, sizeof(out));
	assert_string_equal(out, "/etc/a.yaml:3:7: bad x\\x0ay");
	assert_int_equal(detail_set(NULL, IOTPKI_ERR_IO, 0, 0, "x"), IOTPKI_ERR_IO);
	for (int err = 0; err >= IOTPKI_ERR_INTERNAL; err--)
		assert_string_not_equal(iotpki_strerror((enum iotpki_err)err), "unknown error");
	assert_string_equal(iotpki_strerror((enum iotpki_err)1), "unknown error");
	assert_true(strlen(iotpki_version()) > 0);
}

static void logfmt_values_cannot_forge_keys(void **state)
{
	(void)state;
	struct log_line line;
	log_line_start(&line);
	log_line_text(&line, "name", "alice", 64);
	log_line_text(&line, "user", "x\" verdict=ADMIT", 64);
	log_line_int(&line, "ms", -3);
	log_line_text(&line, "cut", "abcdef", 3);
	log_line_text(&line, "empty", "", 3);
	assert_string_equal(line.text,
			    "name=alice user=\"x' verdict=ADMIT\" ms=-3 cut=abc empty=\"\"");
}

static void digest_and_uuid(void **state)
{
	(void)state;
	uint8_t got[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];
	assert_int_equal(sha256("abc", 3, got), IOTPKI_OK);
	hex_encode(got, sizeof(got), hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	uint8_t back[SHA256_LEN];
	assert_true(hex_decode(hex, 64, back, sizeof(back)));
	assert_memory_equal(got, back, sizeof(got));
	hex[0] = 'B';
	assert_false(hex_decode(hex, 64, back, sizeof(back)));

	char uuid[37];
	assert_int_equal(random_uuid(random_system(), uuid), IOTPKI_OK);
	assert_int_equal(strlen(uuid), 36);
	assert_int_equal(uuid[14], '4');
}

struct folder {
	char path[64];
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
	static const char *const names[] = { "a",    "key",      "link", "fifo",
					     "lock", "sub/deep", "sub",  "" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", folder->path, names[i]);
		(void)remove(path);
	}
	return access(folder->path, F_OK) == 0 ? -1 : 0;
}

static const char *in(const struct folder *folder, const char *name)
{
	static char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	return path;
}

static enum iotpki_err read_all(const char *path, const struct fs_trust *trust, size_t cap,
				struct iotpki_detail *detail)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT(cap);
	return fs_read(path, trust, &buf, detail);
}

static void files_are_judged_before_they_are_read(void **state)
{
	const struct folder *folder = *state;
	const struct fs_trust trust = { .owner = geteuid(), .also_root = false, .forbidden = 0022 };
	const struct fs_trust other = { .owner = geteuid() + 1,
					.also_root = false,
					.forbidden = 0022 };
	struct iotpki_detail detail = { 0 };

	assert_int_equal(fs_write(in(folder, "a"), "12345", 5, 0640, false, &detail), IOTPKI_OK);
	assert_int_equal(read_all(in(folder, "a"), &trust, 5, &detail), IOTPKI_OK);
	assert_int_equal(read_all(in(folder, "a"), &trust, 4, &detail), IOTPKI_ERR_LIMIT);
	assert_int_equal(read_all(in(folder, "a"), &other, 5, &detail), IOTPKI_ERR_PERMISSION);
	assert_int_equal(read_all(in(folder, "none"), &trust, 5, &detail), IOTPKI_ERR_NOT_FOUND);
	assert_int_equal(read_all(folder->path, &trust, 5, &detail), IOTPKI_ERR_PERMISSION);

	assert_int_equal(chmod(in(folder, "a"), 0662), 0);
	assert_int_equal(read_all(in(folder, "a"), &trust, 5, &detail), IOTPKI_ERR_PERMISSION);
	assert_non_null(strstr(detail.message, "chmod it to 0640"));

	char target[128];
	(void)snprintf(target, sizeof(target), "%s", in(folder, "a"));
	assert_int_equal(symlink(target, in(folder, "link")), 0);
	assert_int_equal(read_all(in(folder, "link"), &trust, 5, &detail), IOTPKI_ERR_PERMISSION);
	/* Must not wait for a writer. */
	assert_int_equal(mkfifo(in(folder, "fifo"), 0600), 0);
	assert_int_equal(read_all(in(folder, "fifo"), &trust, 5, &detail), IOTPKI_ERR_PERMISSION);
}

static void writes_replace_or_refuse(void **state)
{
	const struct folder *folder = *state;
	struct iotpki_detail detail = { 0 };
	struct stat st;

	assert_int_equal(fs_create(in(folder, "key"), "k", 1, 0600, &detail), IOTPKI_OK);
	assert_int_equal(stat(in(folder, "key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fs_create(in(folder, "key"), "other", 5, 0600, &detail),
			 IOTPKI_ERR_EXISTS);
	assert_int_equal(stat(in(folder, "key"), &st), 0);
	assert_int_equal(st.st_size, 1);

	assert_int_equal(chmod(in(folder, "key"), 0640), 0);
	assert_int_equal(fs_write(in(folder, "key"), "new", 3, 0600, true, &detail), IOTPKI_OK);
	assert_int_equal(stat(in(folder, "key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, 3);

	assert_int_equal(fs_mkdir(in(folder, "sub/deep"), 0755, &detail), IOTPKI_OK);
	assert_int_equal(fs_mkdir(in(folder, "sub/deep"), 0755, &detail), IOTPKI_OK);
	assert_int_equal(fs_write(in(folder, "none/x"), "x", 1, 0600, false, &detail),
			 IOTPKI_ERR_NOT_FOUND);

	CLEANUP(fs_close) int fd = -1;
	assert_int_equal(fs_lock(in(folder, "lock"), &fd, &detail), IOTPKI_OK);
}

static void fake_clock_moves_when_told(void **state)
{
	(void)state;
	struct clock_fake fake;
	clock_fake_init(&fake, 1000);
	clock_fake_advance(&fake, 2500);
	assert_true(fake.clock.now_s(&fake.clock) == 1002);
	assert_true(fake.clock.mono_ms(&fake.clock) == 3500);
	const struct clock *real = clock_system();
	assert_true(real->now_s(real) > 1700000000);
	assert_true(real->boottime_ms(real) >= 0 && real->mono_ms(real) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_rows),
		cmocka_unit_test(uint_rows),
		cmocka_unit_test(time_rows),
		cmocka_unit_test(every_day_of_four_centuries_comes_back),
		cmocka_unit_test(duration_rows),
		cmocka_unit_test(escape_keeps_one_line),
		cmocka_unit_test(buffer_keeps_its_cap),
		cmocka_unit_test(detail_is_one_printable_line),
		cmocka_unit_test(logfmt_values_cannot_forge_keys),
		cmocka_unit_test(digest_and_uuid),
		cmocka_unit_test_setup_teardown(files_are_judged_before_they_are_read, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(writes_replace_or_refuse, folder_make,
						folder_remove),
		cmocka_unit_test(fake_clock_moves_when_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
