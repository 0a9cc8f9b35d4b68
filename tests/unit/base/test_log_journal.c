/* SPDX-License-Identifier: BSD-2-Clause */
/* log_journal.c: is a descriptor the one that the service manager gave to the journal? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_journal.h"

static void device_and_inode_must_be_the_descriptors(void **state)
{
	char stream[64], other[64];
	struct stat st;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(fstat(fd[0], &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	snprintf(other, sizeof(other), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1000000);
	assert_true(log_is_journal(stream, fd[0]));
	assert_false(log_is_journal(stream, fd[1]));
	assert_false(log_is_journal(other, fd[0]));
	close(fd[0]);
	assert_false(log_is_journal(stream, fd[0])); /* it is closed */
	close(fd[1]);
}

static void other_words_are_no_journal(void **state)
{
	static const char *const words[] = {"", ":", "8", "8:", "8:1x", " 8:1", "journal"};

	(void)state;
	assert_false(log_is_journal(NULL, 0));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_false(log_is_journal(words[i], 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_and_inode_must_be_the_descriptors),
		cmocka_unit_test(other_words_are_no_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
