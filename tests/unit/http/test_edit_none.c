/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/edit_none.c over a socket pair: bytes pass unread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/edit_none.h"
#include "tests/lib/no_heap.h"

static int fd[2];
static struct kedge_stats stats;
static struct edit *edit;

static int up(void **state)
{
	(void)state;
	stats = (struct kedge_stats){0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) < 0)
		return -1;
	edit = edit_none_new(fd[0], &stats);
	return edit ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	edit_free(edit);
	close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	return 0;
}

/* Even bytes that would be refused, edited, or read as an upgrade in mode http. */
static void bytes_pass_as_they_are(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n",
		"\x16\x03\x01",
		"*1\r\n$4\r\nPING\r\n",
		"\n",
		""};
	char got[256];

	(void)state;
	assert_string_equal(edit->ops->name, "none");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i]);

		assert_int_equal(edit_send(edit, texts[i], len), len);
		assert_int_equal(edit_flush(edit), 0);
		if (!len)
			continue;
		assert_int_equal(read(fd[1], got, sizeof(got)), len);
		assert_memory_equal(got, texts[i], len);
		assert_int_equal(edit->note->standing, KEDGE_TUNNEL);
		assert_int_equal(edit->note->requests, 0);
	}
	assert_int_equal(stats.requests_user, 0);
}

static void a_full_socket_takes_a_part_and_then_nothing(void **state)
{
	static char big[1 << 20], got[1 << 16];
	ssize_t taken, n;
	size_t heard = 0;

	(void)state;
	memset(big, 'x', sizeof(big));
	taken = edit_send(edit, big, sizeof(big));
	assert_in_range(taken, 1, sizeof(big) - 1);
	while ((n = edit_send(edit, big, 1)) == 1)
		taken++;
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(edit_flush(edit), 0); /* nothing was kept */
	while ((n = read(fd[1], got, sizeof(got))) > 0)
		heard += (size_t)n;
	assert_int_equal(heard, taken);
	assert_int_equal(edit_send(edit, big, 10), 10);
}

static void an_application_that_has_gone_is_told(void **state)
{
	(void)state;
	close(fd[1]);
	fd[1] = -1;
	assert_int_equal(edit_send(edit, "a", 1), -EPIPE);
}

static void no_memory_for_an_editor(void **state)
{
	struct edit *e;

	no_heap = true;
	e = edit_none_new(fd[0], &stats);
	no_heap = false;
	assert_null(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_pass_as_they_are, up, down),
		cmocka_unit_test_setup_teardown(a_full_socket_takes_a_part_and_then_nothing, up,
						down),
		cmocka_unit_test_setup_teardown(an_application_that_has_gone_is_told, up, down),
		cmocka_unit_test_setup_teardown(no_memory_for_an_editor, up, down),
	};

	return cmocka_run_group_tests_name("edit_none", tests, NULL, NULL);
}
