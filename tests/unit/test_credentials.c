/* The credentials file of a chain node: what is taken, what is refused, when it is read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "nvs/credentials.h"

struct place {
	char folder[32];
	struct config_node node;
	struct credentials credentials;
};

static void open_place(struct place *place)
{
	*place = (struct place){ .folder = "/tmp/iotpki-secret-XXXXXX", .node.name = "chain" };
	assert_non_null(mkdtemp(place->folder));
	(void)snprintf(place->node.credentials, sizeof(place->node.credentials), "%s/cookie",
		       place->folder);
	place->credentials.node = &place->node;
}

static void close_place(struct place *place)
{
	static const struct credentials none;
	(void)unlink(place->node.credentials);
	assert_int_equal(rmdir(place->folder), 0);
	credentials_done(&place->credentials);
	assert_memory_equal(&place->credentials, &none, sizeof(none));
}

/** A new file each time, as a node makes its cookie; each a second younger than the one before. */
static void put(const struct place *place, const char *text, size_t len, mode_t mode)
{
	(void)unlink(place->node.credentials);
	const int fd = open(place->node.credentials, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	static time_t made_s = 1600000000;
	made_s++;
	const struct timespec times[2] = { { .tv_sec = made_s }, { .tv_sec = made_s } };
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void expect_header(const struct place *place, const char *name, const char *want)
{
	char header[CREDENTIALS_HEADER_SIZE];
	credentials_header(&place->credentials, header);
	if (strcmp(header, want) != 0)
		fail_msg("%s: \"%s\"", name, header);
}

static void rows_of_files(void **state)
{
	(void)state;
#define TEXT(text) text, sizeof(text) - 1
	static const struct {
		const char *name;
		const char *text;
		size_t len;
		mode_t mode;
		const char *header;  /* NULL: refused */
		const char *message; /* part of what is said then */
	} rows[] = {
		{ "one line", TEXT("user:password\n"), 0600,
		  "Authorization: Basic dXNlcjpwYXNzd29yZA==", NULL },
		{ "a cookie", TEXT("__cookie__:0123abcd"), 0400,
		  "Authorization: Basic X19jb29raWVfXzowMTIzYWJjZA==", NULL },
		{ "colon in the password", TEXT("u:a:b"), 0600,
		  "Authorization: Basic dTphOmI=", NULL },
		{ "empty password", TEXT("u:\n"), 0600, "Authorization: Basic dTo=", NULL },
		{ "UTF-8", TEXT("u:\xc3\xa4"), 0600, "Authorization: Basic dTrDpA==", NULL },
		{ "empty", TEXT(""), 0600, NULL, "one line, user:password" },
		{ "empty line", TEXT("\n"), 0600, NULL, "one line, user:password" },
		{ "no colon", TEXT("password"), 0600, NULL, "one line, user:password" },
		{ "no user", TEXT(":password"), 0600, NULL, "one line, user:password" },
		{ "two lines", TEXT("u:p\nv:q\n"), 0600, NULL, "one line, user:password" },
		{ "two line ends", TEXT("u:p\n\n"), 0600, NULL, "one line, user:password" },
		{ "carriage return", TEXT("u:p\r\n"), 0600, NULL, "one line, user:password" },
		{ "NUL", TEXT("u:p\0x"), 0600, NULL, "one line, user:password" },
		{ "readable by the group", TEXT("u:p"), 0640, NULL, "has mode 0640" },
		{ "readable by others", TEXT("u:p"), 0604, NULL, "has mode 0604" },
		{ "executable by others", TEXT("u:p"), 0601, NULL, "has mode 0601" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct place place;
		open_place(&place);
		put(&place, rows[i].text, rows[i].len, rows[i].mode);
		const bool good = credentials_refresh(&place.credentials, false);
		if (good != (rows[i].header != NULL))
			fail_msg("%s: %s", rows[i].name, place.credentials.problem.message);
		expect_header(&place, rows[i].name, good ? rows[i].header : "");
		const struct iotpki_detail *problem = &place.credentials.problem;
		if (!good) {
			assert_string_equal(problem->where, place.node.credentials);
			if (strstr(problem->message, rows[i].message) == NULL)
				fail_msg("%s: %s", rows[i].name, problem->message);
		}
		close_place(&place);
	}
}

static void lengths(void **state)
{
	(void)state;
	char text[CREDENTIALS_MAX + 1];
	memset(text, 'x', sizeof(text));
	text[1] = ':';
	struct place place;
	open_place(&place);
	put(&place, text, CREDENTIALS_MAX, 0600);
	assert_true(credentials_refresh(&place.credentials, false));
	char header[CREDENTIALS_HEADER_SIZE];
	credentials_header(&place.credentials, header);
	assert_int_equal(strlen(header), 21 + (CREDENTIALS_MAX + 2) / 3 * 4);
	put(&place, text, CREDENTIALS_MAX + 1, 0600);
	assert_false(credentials_refresh(&place.credentials, false));
	assert_non_null(strstr(place.credentials.problem.message, "is larger than 1024 bytes"));
	close_place(&place);
}

static void other_things_than_files(void **state)
{
	(void)state;
	struct place place;
	open_place(&place);
	assert_false(credentials_refresh(&place.credentials, false));
	assert_non_null(strstr(place.credentials.problem.message, "No such file"));

	assert_int_equal(symlink("/etc/hostname", place.node.credentials), 0);
	assert_false(credentials_refresh(&place.credentials, false));
	assert_non_null(strstr(place.credentials.problem.message, "symbolic link"));
	assert_int_equal(unlink(place.node.credentials), 0);

	assert_int_equal(mkfifo(place.node.credentials, 0600), 0);
	assert_false(credentials_refresh(&place.credentials, false)); /* and does not hang */
	assert_non_null(strstr(place.credentials.problem.message, "not a regular file"));

	put(&place, "u:p", 3, 0600);
	assert_true(credentials_refresh(&place.credentials, false));
	close_place(&place);
}

/* A daemon takes its own files and root's; root takes what its configuration names. */
static void owner_of_the_file(void **state)
{
	static const struct {
		const char *what;
		uid_t reader, owner;
		bool good;
	} rows[] = {
		{ "root reads the agent's", 0, 12345, true },
		{ "the agent reads its own", 12345, 12345, true },
		{ "the agent reads root's, if it can", 12345, 0, false },
		{ "the agent reads another's", 12345, 23456, false },
	};
	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct place place;
		open_place(&place);
		assert_int_equal(chmod(place.folder, 0755), 0);
		put(&place, "u:p", 3, 0600);
		assert_int_equal(chown(place.node.credentials, rows[i].owner, rows[i].owner), 0);
		assert_int_equal(seteuid(rows[i].reader), 0);
		const bool good = credentials_refresh(&place.credentials, false);
		assert_int_equal(seteuid(0), 0);
		if (good != rows[i].good)
			fail_msg("%s: %s", rows[i].what, place.credentials.problem.message);
		close_place(&place);
	}
}

static struct {
	unsigned int lines;
	char last[512];
} written;

static void write_line(const struct log_sink *sink, enum log_level level, const char *line)
{
	(void)sink;
	assert_true(level <= LOG_LEVEL_NOTICE);
	assert_null(strstr(line, "hunter"));
	written.lines++;
	(void)snprintf(written.last, sizeof(written.last), "%s", line);
}

/* The node makes a new cookie at each start; each change is logged once and not at each login. */
static void changes(void **state)
{
	(void)state;
	static const struct log_sink sink = { write_line, LOG_LEVEL_DEBUG };
	struct place place;
	open_place(&place);
	log_set_sink(&sink);
	put(&place, "u:hunter1", 9, 0600);
	assert_true(credentials_refresh(&place.credentials, false));
	assert_true(credentials_refresh(&place.credentials, true));
	const unsigned int first = place.credentials.generation;
	assert_int_equal(written.lines, 0);

	put(&place, "u:hunter2", 9, 0600);
	assert_true(credentials_refresh(&place.credentials, false));
	expect_header(&place, "new cookie", "Authorization: Basic dTpodW50ZXIy");
	assert_int_equal(place.credentials.generation, first + 1);

	credentials_refused(&place.credentials, first + 1);
	credentials_refused(&place.credentials, first + 1);
	assert_int_equal(written.lines, 1);
	assert_non_null(strstr(written.last, "refuses the credentials in /tmp/"));

	assert_int_equal(chmod(place.node.credentials, 0644), 0);
	for (int i = 0; i < 3; i++)
		assert_false(credentials_refresh(&place.credentials, i == 1));
	assert_int_equal(written.lines, 2);
	assert_non_null(strstr(written.last, "has mode 0644"));
	assert_int_equal(unlink(place.node.credentials), 0);
	for (int i = 0; i < 3; i++)
		assert_false(credentials_refresh(&place.credentials, i == 1));
	assert_int_equal(written.lines, 3);
	put(&place, "u:hunter2", 9, 0600);
	for (int i = 0; i < 3; i++)
		assert_true(credentials_refresh(&place.credentials, false));
	assert_int_equal(written.lines, 4);
	assert_non_null(strstr(written.last, "can be read again"));
	assert_int_equal(place.credentials.generation, first + 1);
	log_set_sink(NULL);
	close_place(&place);
}

static void no_file(void **state)
{
	(void)state;
	struct place place;
	open_place(&place);
	place.node.credentials[0] = '\0';
	assert_true(credentials_refresh(&place.credentials, false));
	assert_true(credentials_refresh(&place.credentials, true));
	credentials_refused(&place.credentials, 1);
	expect_header(&place, "none", "");
	credentials_done(&place.credentials);
	assert_int_equal(rmdir(place.folder), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_files),
		cmocka_unit_test(lengths),
		cmocka_unit_test(other_things_than_files),
		cmocka_unit_test(owner_of_the_file),
		cmocka_unit_test(changes),
		cmocka_unit_test(no_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
