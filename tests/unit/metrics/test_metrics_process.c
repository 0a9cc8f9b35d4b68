/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_process.c: the process in numbers, with and without a kernel that counts descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool old_kernel;

static int fake_stat(const char *path, struct stat *st)
{
	int r = stat(path, st);

	assert_string_equal(path, "/proc/self/fd");
	if (old_kernel)
		st->st_size = 0;
	return r;
}

#define stat(path, st) fake_stat(path, st)
#include "metrics/metrics_process.c"
#undef stat

static double value_of(const char *name)
{
	char *out = NULL, *line, begin[96];
	size_t len;
	FILE *to = open_memstream(&out, &len);
	double value;

	metrics_process_write(to, 1234567890);
	fclose(to);
	snprintf(begin, sizeof(begin), "\n%s ", name);
	line = strstr(out, begin);
	if (!line)
		fail_msg("no %s", name);
	value = strtod(line + strlen(begin), NULL);
	free(out);
	return value;
}

static void the_process_is_described(void **state)
{
	(void)state;
	assert_true(value_of("process_start_time_seconds") == 1234567890);
	assert_true(value_of("process_resident_memory_bytes") > 1e5);
	assert_true(value_of("process_virtual_memory_bytes") >=
		    value_of("process_resident_memory_bytes"));
	assert_true(value_of("process_max_fds") >= 16);
	assert_true(value_of("process_cpu_seconds_total") > 0);
}

/* On both ways, what is opened is counted, also far up. */
static void open_descriptors_are_counted(void **state)
{
	struct rlimit limit;
	double before, with;
	int fd[3];

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	old_kernel = false;
	if (value_of("process_open_fds") < 3)
		fail_msg("fewer than the standard ones");
	for (int i = 0; i < 2; i++) {
		old_kernel = i;
		before = value_of("process_open_fds");
		assert_true(before >= 3 && before < 100);
		fd[0] = open("/dev/null", O_RDONLY);
		fd[1] = fcntl(fd[0], F_DUPFD, 1023); /* the last of a piece */
		fd[2] = fcntl(fd[0], F_DUPFD, 1500);
		assert_true(fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0);
		with = value_of("process_open_fds");
		assert_true(with == before + 3);
		for (int k = 0; k < 3; k++)
			close(fd[k]);
		assert_true(value_of("process_open_fds") == before);
	}
}

static void both_ways_agree(void **state)
{
	double with, without;

	(void)state;
	old_kernel = false;
	with = value_of("process_open_fds");
	old_kernel = true;
	without = value_of("process_open_fds");
	old_kernel = false;
	assert_true(with == without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_is_described),
		cmocka_unit_test(open_descriptors_are_counted),
		cmocka_unit_test(both_ways_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
