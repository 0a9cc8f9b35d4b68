/* SPDX-License-Identifier: BSD-2-Clause */
/* config_source.c: standard input is read once, and kept. Files are read by test_config_file.c. */
#include "config/config_source.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/heard.h"

/* Standard input has these bytes. */
static void input(const void *bytes, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (fd == STDIN_FILENO) /* the last one was closed */
		return;
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
}

static int get(uint8_t **out, size_t *len, struct mistakes *m)
{
	int err;

	heard_begin();
	err = config_source_read(out, len, CONFIG_STDIN, m);
	heard_end();
	return err;
}

#define AGAIN                                                                            \
	"warning: stdin: cannot be read again: the text of the start is used, with the " \
	"files and names in it as they are now\n"

static void it_is_read_once_and_kept(void **state)
{
	static char large[CONFIG_BYTES_MAX + 1];
	struct mistakes m = {0};
	uint8_t *bytes = NULL;
	size_t len = 0;

	(void)state;
	/* A failure is none of the reads that count. */
	close(STDIN_FILENO);
	assert_int_equal(get(&bytes, &len, &m), 1);
	assert_string_equal(heard, "error: stdin: cannot be read: Bad file descriptor\n");
	input(large, sizeof(large));
	assert_int_equal(get(&bytes, &len, &m), 1);
	assert_string_equal(heard,
			    "error: stdin: larger than 1048576 bytes: not a configuration\n");
	assert_int_equal(m.count, 2);
	input("a\0b", 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(get(&bytes, &len, &m), 0);
		assert_int_equal(len, 3);
		assert_memory_equal(bytes, "a\0b", 3);
		free(bytes);
		assert_string_equal(heard, i ? AGAIN : "");
		input("other", 5);
	}
	assert_int_equal(m.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_read_once_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
