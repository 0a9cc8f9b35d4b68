/* SPDX-License-Identifier: BSD-2-Clause */
/* log.c: lines come in one piece, at their level, and reach the taps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <syslog.h> /* its names and ours are apart */

#include "base/log.h"
#include "base/log_write.h"

static char written[8192];
static size_t written_len;
static unsigned writes;
static int write_fails;

/* In the place of log_write.c. */
int log_write(const char *bytes, size_t len)
{
	writes++;
	if (write_fails)
		return -write_fails;
	assert_true(written_len + len < sizeof(written));
	memcpy(written + written_len, bytes, len);
	written_len += len;
	written[written_len] = '\0';
	return 0;
}

static int setup(void **state)
{
	(void)state;
	written_len = writes = 0;
	written[0] = '\0';
	write_fails = 0;
	log_set_level(LOG_LEVEL_INFO);
	log_set_style(LOG_STYLE_PLAIN);
	log_set_tap(NULL);
	return 0;
}

static void each_level_has_its_name(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_DEBUG);
	log_error("one %d", 1);
	log_warn("two %s", "2");
	log_info("three");
	log_debug("four");
	assert_string_equal(written, "kedge: error: one 1\nkedge: warning: two 2\n"
				     "kedge: info: three\nkedge: debug: four\n");
	assert_int_equal(writes, 4); /* a line in one piece: lines of threads do not mix */
}

static void what_is_above_the_level_is_dropped(void **state)
{
	static const unsigned lines[] = {1, 2, 3, 4};

	(void)state;
	assert_int_equal(log_level(), LOG_LEVEL_INFO);
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		log_set_level((enum log_level)level);
		assert_int_equal(log_level(), level);
		writes = 0;
		for (int of = LOG_LEVEL_ERROR; of <= LOG_LEVEL_DEBUG; of++)
			log_emit((enum log_level)of, 0, "x");
		assert_int_equal(writes, lines[level]);
		written_len = 0;
	}
}

static int fails_with(int err)
{
	return log_err(err, "file %s", "a");
}

/* The argument of a message may change errno; the error was read before. */
static const char *spoils_errno(void)
{
	errno = ENOENT;
	return "b";
}

static void errors_are_told_and_returned(void **state)
{
	(void)state;
	assert_int_equal(fails_with(EACCES), -EACCES);
	assert_int_equal(fails_with(-EACCES), -EACCES);
	assert_string_equal(written, "kedge: error: file a: Permission denied\n"
				     "kedge: error: file a: Permission denied\n");
	written_len = 0;
	errno = EMFILE;
	assert_int_equal(log_err(errno, "file %s", spoils_errno()), -EMFILE);
	assert_string_equal(written, "kedge: error: file b: Too many open files\n");
	written_len = 0;
	log_emit(LOG_LEVEL_WARN, EPIPE, "%s", "c");
	assert_string_equal(written, "kedge: warning: c: Broken pipe\n");
}

/* BPF and kernel TLS can return 524, which is a name of the kernel alone. */
static void an_error_without_a_text_has_its_number(void **state)
{
	(void)state;
	assert_int_equal(fails_with(524), -524);
	assert_string_equal(written, "kedge: error: file a: Unknown error 524\n");
}

/* The text of a message may come from a peer or a file: it makes no second line, and no escape. */
static void one_line_stays_one_line(void **state)
{
	(void)state;
	log_error("a\nkedge: error: b\r\t\x1b[31m\x7f");
	assert_int_equal(writes, 1);
	assert_string_equal(written, "kedge: error: a?kedge: error: b???[31m?\n");
	written_len = 0;
	log_error("%s", "gr\xc3\xbc\xc3\x9f"); /* UTF-8 stays */
	assert_string_equal(written, "kedge: error: gr\xc3\xbc\xc3\x9f\n");
}

/* Of each length around the limit: cut, ended, and never beyond the buffer. */
static void long_lines_are_cut(void **state)
{
	char text[4096];

	(void)state;
	for (size_t len = 2000; len < 2100; len++) {
		memset(text, 'x', len);
		text[len] = '\0';
		for (int err = 0; err <= EACCES; err += EACCES) {
			const size_t of_text = len + (err ? strlen(": Permission denied") : 0);
			size_t most = strlen("kedge: error: ") + LOG_TEXT_MAX + 1;
			size_t whole = strlen("kedge: error: ") + of_text + 1;

			written_len = 0;
			log_emit(LOG_LEVEL_ERROR, err, "%s", text);
			assert_int_equal(written_len, whole < most ? whole : most);
			assert_int_equal(written[written_len - 1], '\n');
			assert_ptr_equal(strchr(written, '\n'), written + written_len - 1);
		}
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	written_len = 0;
	log_emit(LOG_LEVEL_ERROR, EACCES, "%s", text);
	assert_int_equal(written_len, strlen("kedge: error: ") + LOG_TEXT_MAX + 1);
}

/* The lines that nobody could read are counted, and said once there is room. */
static void lost_lines_are_told(void **state)
{
	(void)state;
	write_fails = EAGAIN;
	for (int i = 0; i < 3; i++)
		log_info("lost");
	write_fails = ENOSPC;
	log_info("lost, too");
	assert_int_equal(writes, 4);
	write_fails = EPIPE; /* of those nothing is said */
	log_info("broken");
	write_fails = 0;
	written_len = 0;
	log_info("again");
	log_info("and on");
	assert_string_equal(written, "kedge: info: again\n"
				     "kedge: warning: log: standard error was full: 4 lines before "
				     "this one are lost\n"
				     "kedge: info: and on\n");
}

static void fields_are_in_json_only(void **state)
{
	const struct log_field fields[] = {{"a", "b", false}};

	(void)state;
	log_emit_fields(LOG_LEVEL_WARN, fields, 1, "c %d", 1);
	log_emit_fields(LOG_LEVEL_DEBUG, fields, 1, "above the level");
	assert_string_equal(written, "kedge: warning: c 1\n");
	log_set_style(LOG_STYLE_JSON);
	written_len = 0;
	log_emit_fields(LOG_LEVEL_WARN, fields, 1, "c\n%d", 1);
	assert_memory_equal(written, "{\"time\":\"2", 10);
	assert_non_null(
		strstr(written, "\"level\":\"warning\",\"message\":\"c?1\",\"a\":\"b\"}\n"));
}

static void a_closed_standard_error_is_no_matter(void **state)
{
	(void)state;
	write_fails = EBADF;
	assert_int_equal(fails_with(EACCES), -EACCES);
	assert_int_equal(writes, 1);
}

struct ear {
	struct log_tap tap;
	unsigned count;
	enum log_level level;
	char line[4096];
};

static void hear(struct log_tap *tap, enum log_level level, const char *line)
{
	struct ear *ear = (struct ear *)tap;

	ear->count++;
	ear->level = level;
	strcpy(ear->line, line);
}

static void a_tap_hears_its_threads_lines(void **state)
{
	struct ear loud = {.tap.hear = hear}, quiet = {.tap = {.hear = hear, .quiet = true}};

	(void)state;
	assert_null(log_set_tap(&loud.tap));
	log_warn("a\nb");
	assert_int_equal(loud.level, LOG_LEVEL_WARN);
	assert_string_equal(loud.line, "kedge: warning: a?b"); /* without the newline */
	assert_int_equal(writes, 1);
	assert_ptr_equal(log_set_tap(&quiet.tap), &loud.tap);
	log_info("c");
	log_debug("d"); /* above the level: nobody hears it */
	assert_int_equal(quiet.count, 1);
	assert_int_equal(loud.count, 1);
	assert_int_equal(writes, 1);
	assert_ptr_equal(log_set_tap(NULL), &quiet.tap);
	log_info("e");
	assert_int_equal(quiet.count, 1);
	assert_int_equal(writes, 2);
	/* Its line is the same in each style. */
	log_set_tap(&loud.tap);
	log_set_style(LOG_STYLE_JSON);
	log_info("f");
	assert_string_equal(loud.line, "kedge: info: f");
}

static void *speak(void *arg)
{
	(void)arg;
	log_info("of another thread");
	return NULL;
}

static void a_tap_does_not_hear_other_threads(void **state)
{
	struct ear ear = {.tap = {.hear = hear, .quiet = true}};
	pthread_t thread;

	(void)state;
	log_set_tap(&ear.tap);
	assert_int_equal(pthread_create(&thread, NULL, speak, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(ear.count, 0);
	assert_string_equal(written, "kedge: info: of another thread\n");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, setup)
	const struct CMUnitTest tests[] = {
		TEST(each_level_has_its_name),
		TEST(what_is_above_the_level_is_dropped),
		TEST(errors_are_told_and_returned),
		TEST(an_error_without_a_text_has_its_number),
		TEST(one_line_stays_one_line),
		TEST(long_lines_are_cut),
		TEST(lost_lines_are_told),
		TEST(fields_are_in_json_only),
		TEST(a_closed_standard_error_is_no_matter),
		TEST(a_tap_hears_its_threads_lines),
		TEST(a_tap_does_not_hear_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
