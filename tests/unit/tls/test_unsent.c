/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/unsent.c: a socket that takes some, nothing, or fails. The source is included for its
 * system call and its allocation.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int errs[4]; /* of the next calls; 0: it takes `takes` bytes */
static size_t takes, sent_len;
static uint8_t taken[100];
static unsigned calls;
static bool no_memory;

static ssize_t test_send(int fd, const void *bytes, size_t n, int flags)
{
	const int err = calls < 4 ? errs[calls] : EAGAIN;

	calls++;
	assert_int_equal(fd, 7);
	assert_int_equal(flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (err) {
		errno = err;
		return -1;
	}
	n = n < takes ? n : takes;
	memcpy(taken + sent_len, bytes, n);
	sent_len += n;
	return (ssize_t)n;
}

#define send          test_send
#define realloc(p, n) (no_memory ? NULL : realloc(p, n))
#include "tls/unsent.c"
#undef send
#undef realloc

static int up(void **state)
{
	memset(errs, 0, sizeof(errs));
	takes = 100;
	sent_len = 0;
	calls = 0;
	no_memory = false;
	return 0;
}

static void a_socket_that_takes_some(void **state)
{
	const uint8_t text[] = "0123456789";

	takes = 4;
	errs[2] = EAGAIN;
	assert_int_equal(unsent_send(7, text, 10), 8);
	up(NULL);
	takes = 4;
	errs[0] = errs[2] = EINTR;
	errs[3] = EAGAIN;
	assert_int_equal(unsent_send(7, text, 10), 4);
	up(NULL);
	errs[0] = EAGAIN;
	assert_int_equal(unsent_send(7, text, 10), 0);
	up(NULL);
	takes = 4;
	errs[1] = ECONNRESET;
	assert_int_equal(unsent_send(7, text, 10), -ECONNRESET);
}

static void in_order_and_once(void **state)
{
	struct unsent u = {0};

	assert_int_equal(unsent_flush(&u, 7), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(unsent_add(&u, (const uint8_t *)"abcdef", 6), 0);
	takes = 4;
	errs[1] = EAGAIN;
	assert_int_equal(unsent_flush(&u, 7), -EAGAIN);
	assert_int_equal(u.at, 4);
	assert_int_equal(unsent_add(&u, (const uint8_t *)"ghi", 3), 0);
	errs[2] = EPIPE;
	assert_int_equal(unsent_flush(&u, 7), -EPIPE);
	assert_int_equal(unsent_flush(&u, 7), -EAGAIN); /* 4 more, then the end of the list */
	takes = 100;
	memset(errs, 0, sizeof(errs));
	calls = 0;
	assert_int_equal(unsent_flush(&u, 7), 0);
	assert_int_equal(sent_len, 9);
	assert_memory_equal(taken, "abcdefghi", 9);
	assert_null(u.bytes);
	unsent_drop(&u);
}

static void it_has_a_limit(void **state)
{
	static const uint8_t text[UNSENT_MAX];
	struct unsent u = {0};

	assert_int_equal(unsent_add(&u, text, UNSENT_MAX), 0);
	assert_int_equal(unsent_add(&u, text, 1), -ENOBUFS);
	assert_int_equal(u.len, UNSENT_MAX);
	unsent_drop(&u);
	assert_int_equal(unsent_add(&u, text, 10), 0);
	no_memory = true;
	assert_int_equal(unsent_add(&u, text, 10), -ENOMEM);
	assert_int_equal(u.len, 10);
	unsent_drop(&u);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, up)
	const struct CMUnitTest tests[] = {
		TEST(a_socket_that_takes_some),
		TEST(in_order_and_once),
		TEST(it_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
