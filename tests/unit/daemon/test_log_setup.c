/* SPDX-License-Identifier: BSD-2-Clause */
/* log_setup.c: the style of the log, by the configuration and by where standard error leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_write.h"
#include "daemon/log_setup.h"

static char line[256];

/* In the place of log_write.c. */
static int patience;
void log_write_patience(int ms)
{
	patience = ms;
}

int log_write(const char *text, size_t len)
{
	snprintf(line, sizeof(line), "%.*s", (int)len, text);
	return 0;
}

static char first(void)
{
	line[0] = '\0';
	log_info("x");
	return line[0];
}

static void name_as_the_journal(int fd)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void each_place_has_its_style(void **state)
{
	struct conf conf = {.log_level = LOG_LEVEL_INFO};
	int fd[2];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_setup(&conf);
	assert_int_equal(first(), '2'); /* a year */
	assert_in_range(patience, 1, 100);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	name_as_the_journal(fd[0]); /* standard error is somewhere else */
	log_setup(&conf);
	assert_int_equal(first(), '2');
	name_as_the_journal(STDERR_FILENO);
	log_setup(&conf);
	assert_string_equal((first(), line), "<6>info: x\n");
	conf.log_json = 1;
	log_setup(&conf);
	assert_int_equal(first(), '{');
	conf.log_json = 0;
	conf.log_level = LOG_LEVEL_WARN;
	log_setup(&conf);
	assert_int_equal(first(), '\0');
	unsetenv("JOURNAL_STREAM");
	close(fd[0]);
	close(fd[1]);
}

/* What is logged before the style is known is written in that style, at its level. */
static void lines_wait_for_their_style(void **state)
{
	struct conf conf = {.log_level = LOG_LEVEL_INFO, .log_json = 1};
	struct log_hold hold;

	(void)state;
	line[0] = '\0';
	log_set_level(LOG_LEVEL_INFO);
	log_hold_begin(&hold);
	log_warn("file: a: b\n%d", 1);
	log_info("x");
	assert_string_equal(line, "");
	log_setup(&conf);
	log_hold_end(&hold);
	assert_non_null(strstr(line, "\"message\":\"x\"}"));
	log_hold_begin(&hold);
	log_warn("file: a: b\n%d", 1);
	log_hold_end(&hold);
	assert_non_null(strstr(line, "\"warning\",\"message\":\"file: a: b?1\"}"));
	log_hold_begin(&hold); /* nothing is said */
	log_hold_end(&hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_place_has_its_style),
		cmocka_unit_test(lines_wait_for_their_style),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
