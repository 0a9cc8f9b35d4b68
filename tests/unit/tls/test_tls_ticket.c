/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/tls_ticket.c: files of ticket keys that are taken and refused; which keys open tickets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tls/tls_ticket.h"

/* 80 bytes of one value, in base64. */
#define ZEROS                                                                                  \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAA="
#define ONES                                                                                   \
	"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" \
	"AQEBAQEBAQEBAQEBAQEBAQE="

static int load_bytes(struct ticket_keys *out, const char *text, size_t len, mode_t mode)
{
	char path[] = "/tmp/kedge-tickets-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	r = ticket_keys_load(out, path);
	unlink(path);
	return r;
}

static int load_text(struct ticket_keys *out, const char *text, mode_t mode)
{
	return load_bytes(out, text, strlen(text), mode);
}

/* All of a line is read. Nothing hides behind a NUL or at the end of a long line. */
static void no_part_of_a_line_is_hidden(void **state)
{
	static const char nul[] = ZEROS "\0hidden\n", nul_first[] = "\0" ZEROS "\n",
			  nul_alone[] = ZEROS "\n\0";
	struct ticket_keys keys = {.count = 77};
	char text[600];

	(void)state;
	assert_int_equal(load_bytes(&keys, nul, sizeof(nul) - 1, 0600), -EINVAL);
	assert_int_equal(load_bytes(&keys, nul_first, sizeof(nul_first) - 1, 0600), -EINVAL);
	assert_int_equal(load_bytes(&keys, nul_alone, sizeof(nul_alone) - 1, 0600), -EINVAL);
	/* The rest of a long comment is a key. */
	snprintf(text, sizeof(text), "#%0254d" ZEROS "\n", 0);
	assert_int_equal(load_text(&keys, text, 0600), -EINVAL);
	snprintf(text, sizeof(text), ZEROS "\n#%0400d\n", 0);
	assert_int_equal(load_text(&keys, text, 0600), -EINVAL);
	/* Up to the limit, with a newline and without. */
	snprintf(text, sizeof(text), ZEROS "\n#%0253d\n", 0);
	assert_int_equal(load_text(&keys, text, 0600), 0);
	snprintf(text, sizeof(text), ZEROS "\n#%0253d", 0);
	assert_int_equal(load_text(&keys, text, 0600), 0);
}

static void files_that_are_taken(void **state)
{
	struct ticket_keys keys;
	uint8_t ones[TICKET_KEY_BYTES];

	memset(ones, 1, sizeof(ones));
	assert_int_equal(load_text(&keys, ONES, 0600), 0);
	assert_int_equal(keys.count, 1);
	assert_memory_equal(&keys.keys[0], ones, sizeof(ones));
	assert_int_equal(
		load_text(&keys, "# today's\n  " ZEROS "\t\r\n\n \n" ONES "\n# the end", 0400), 0);
	assert_int_equal(keys.count, 2);
	assert_int_equal(keys.keys[0].aes[31], 0);
	assert_memory_equal(&keys.keys[1], ones, sizeof(ones));
}

static void files_that_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"# only words\n",
		"AAAA\n",
		ZEROS "AAAA\n",                /* too long */
		ZEROS "\n" ZEROS "\n",         /* twice */
		"*" ZEROS "\n",                /* not base64 */
		ONES "\n" ONES " " ZEROS "\n", /* two on a line */
	};
	struct ticket_keys keys = {.count = 77};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(load_text(&keys, bad[i], 0600), -EINVAL);
	assert_int_equal(load_text(&keys, ZEROS, 0644), -EPERM);
	assert_int_equal(ticket_keys_load(&keys, "/nowhere/keys"), -ENOENT);
	assert_int_equal(keys.count, 77);
}

static void there_is_a_limit(void **state)
{
	char text[(TICKET_KEYS_MAX + 1) * 110] = "";
	struct ticket_keys keys;

	for (int i = 0; i < TICKET_KEYS_MAX; i++) {
		char *line = text + strlen(text);

		strcpy(line, ZEROS "\n");
		line[0] = (char)('A' + i); /* another name for each */
	}
	assert_int_equal(load_text(&keys, text, 0600), 0);
	assert_int_equal(keys.count, TICKET_KEYS_MAX);
	strcat(text, ONES);
	assert_int_equal(load_text(&keys, text, 0600), -EINVAL);
}

static void random_keys_differ(void **state)
{
	struct ticket_keys a, b;

	assert_int_equal(ticket_keys_random(&a), 0);
	assert_int_equal(ticket_keys_random(&b), 0);
	assert_int_equal(a.count, 1);
	assert_memory_not_equal(&a.keys[0], &b.keys[0], sizeof(a.keys[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_part_of_a_line_is_hidden),
		cmocka_unit_test(files_that_are_taken),
		cmocka_unit_test(files_that_are_refused),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(random_keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
