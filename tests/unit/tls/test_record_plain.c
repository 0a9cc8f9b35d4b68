/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_plain.c: the socket as it is, and each error of it. The source is included, so
 * that its system calls and its allocation can fail.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "tests/lib/net.h"
#include "tests/lib/tls_peer.h"
#include "tests/lib/assert_reason.h"
#include "tls/record_plain.h"

/* The next so many calls of each kind fail with it. */
static int next_err, times;
static bool no_memory;

static bool fails(void)
{
	errno = next_err;
	return times && times--;
}

#define send(...)     (fails() ? -1 : send(__VA_ARGS__))
#define recv(...)     (fails() ? -1 : recv(__VA_ARGS__))
#define shutdown(...) (fails() ? -1 : shutdown(__VA_ARGS__))
#define splice(...)   (fails() ? -1 : splice(__VA_ARGS__))
#define calloc(...)   (no_memory ? NULL : calloc(__VA_ARGS__))
#include "tls/record_plain.c"
#undef send
#undef recv
#undef shutdown
#undef splice
#undef calloc

static struct record_scratch scratch;
static struct record *r;
static int peer, leg;
static uint8_t buf[1 << 20];

static int up(void **state)
{
	int ends[2];

	times = 0;
	peer_pair(ends);
	peer = ends[0];
	leg = ends[1];
	r = record_plain_new(leg, &scratch);
	assert_non_null(r);
	return 0;
}

static int down(void **state)
{
	record_free(r);
	close(leg);
	close(peer);
	return 0;
}

static void it_is_the_socket(void **state)
{
	assert_string_equal(r->ops->name, "plain");
	assert_int_equal(r->fd, leg);
	assert_ptr_equal(r->scratch, &scratch);
	assert_int_equal(record_read(r, buf, 10), -EAGAIN);
	assert_int_equal(send(peer, "hello", 5, 0), 5);
	peer_wait(leg);
	assert_int_equal(record_read(r, buf, 3), 3);
	assert_false(r->drained); /* there may be more */
	assert_int_equal(record_read(r, buf + 3, 10), 2);
	assert_true(r->drained);
	assert_memory_equal(buf, "hello", 5);
	assert_false(r->clean_end);
	assert_int_equal(record_write(r, "answer", 6), 6);
	peer_wait(peer);
	assert_int_equal(recv(peer, buf, 10, 0), 6);
}

static void the_end_is_a_clean_one(void **state)
{
	shutdown(peer, SHUT_WR);
	peer_wait(leg);
	assert_int_equal(record_read(r, buf, 0), 0); /* it has asked for nothing */
	assert_false(r->clean_end);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(record_read(r, buf, 10), 0);
		assert_true(r->clean_end);
	}
	assert_int_equal(record_write(r, "x", 1), 1); /* the other direction goes on */
}

static void a_full_socket_takes_a_part_and_loses_nothing(void **state)
{
	size_t sent = 0, got = 0;
	ssize_t n;

	do {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (uint8_t)((sent + i) % 251);
		n = record_write(r, buf, sizeof(buf));
		sent += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(record_flush(r), 0);
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(record_write(r, buf, 1), -EPIPE);
	assert_reason(r->reason, KEDGE_REASON_client_reset);
	while (peer_wait(peer), (n = recv(peer, buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buf[i], (got + (size_t)i) % 251);
		got += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
}

static void a_reset(void **state)
{
	net_close_reset(peer);
	close(peer);
	peer = -1;
	peer_wait(leg);
	assert_int_equal(record_read(r, buf, 10), -ECONNRESET);
	assert_reason(r->reason, KEDGE_REASON_client_reset);
	assert_false(r->clean_end);
	assert_int_equal(record_close_write(r), 0); /* nothing is left to end */
}

static void errors_of_the_socket(void **state)
{
	static const struct {
		int err;
		ssize_t result;
		enum kedge_reason reason;
	} cases[] = {
		{EAGAIN, -EAGAIN, KEDGE_REASON_NONE},
		{ECONNRESET, -ECONNRESET, KEDGE_REASON_client_reset},
		{ETIMEDOUT, -ECONNRESET, KEDGE_REASON_client_reset},
		{ENOBUFS, -ECONNRESET, KEDGE_REASON_client_reset},
		{EPIPE, -EPIPE, KEDGE_REASON_client_reset},
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		next_err = cases[i / 2].err;
		times = 1;
		r->reason = KEDGE_REASON_NONE;
		assert_int_equal(i % 2 ? record_write(r, "x", 1) : record_read(r, buf, 10),
				 cases[i / 2].result);
		assert_int_equal(r->reason, cases[i / 2].reason);
	}
}

static void interrupted_calls_are_made_again(void **state)
{
	next_err = EINTR;
	times = 3;
	assert_int_equal(record_write(r, "x", 1), 1);
	times = 3;
	assert_int_equal(record_read(r, buf, 10), -EAGAIN);
	assert_int_equal(times, 0);
}

static void our_end_that_fails(void **state)
{
	next_err = ENOTCONN; /* after the client's reset */
	times = 1;
	assert_int_equal(record_close_write(r), 0);
	next_err = ENOBUFS;
	times = 1;
	assert_int_equal(record_close_write(r), -ENOBUFS);
}

static void draining(void **state)
{
	assert_int_equal(record_drain(r, buf, 10), -EAGAIN);
	assert_int_equal(send(peer, "for nobody", 10, 0), 10);
	peer_wait(leg);
	assert_int_equal(record_drain(r, buf, 4), 4);
	assert_int_equal(record_drain(r, buf, 10), 6);
	next_err = EINTR;
	times = 1;
	assert_int_equal(record_drain(r, buf, 10), -EAGAIN);
	next_err = ECONNRESET;
	times = 1;
	assert_int_equal(record_drain(r, buf, 10), -ECONNRESET);
	shutdown(peer, SHUT_WR);
	peer_wait(leg);
	assert_int_equal(record_drain(r, buf, 10), 0);
	assert_int_equal(record_socket_drain(-1, buf, 10), -EBADF);
}

static void through_a_pipe(void **state)
{
	int tube[2];

	assert_int_equal(pipe2(tube, O_NONBLOCK), 0);
	assert_true(record_can_splice(r));
	assert_int_equal(record_splice_in(r, tube[1], 10), -EAGAIN);
	assert_int_equal(send(peer, "hello", 5, 0), 5);
	peer_wait(leg);
	r->drained = true;
	assert_int_equal(record_splice_in(r, tube[1], 3), 3); /* no more than asked for */
	assert_false(r->drained);
	assert_int_equal(record_splice_in(r, tube[1], 10), 2);
	assert_false(r->drained);
	assert_int_equal(record_splice_out(r, tube[0], 4), 4);
	peer_wait(peer);
	assert_int_equal(recv(peer, buf, 10, 0), 4);
	assert_memory_equal(buf, "hell", 4);
	next_err = EINTR;
	times = 3;
	assert_int_equal(record_splice_out(r, tube[0], 1), 1);
	times = 3;
	assert_int_equal(record_splice_in(r, tube[1], 10), -EAGAIN);
	assert_int_equal(times, 0);
	for (int out = 0; out < 2; out++) {
		next_err = EPIPE;
		times = 1;
		r->reason = KEDGE_REASON_NONE;
		assert_int_equal(out ? record_splice_out(r, tube[0], 1)
				     : record_splice_in(r, tube[1], 1),
				 -EPIPE);
		assert_reason(r->reason, KEDGE_REASON_client_reset);
	}
	next_err = EAGAIN;
	times = 1;
	assert_int_equal(record_splice_out(r, tube[0], 1), -EAGAIN);
	shutdown(peer, SHUT_WR);
	peer_wait(leg);
	assert_false(r->clean_end);
	assert_int_equal(record_splice_in(r, tube[1], 10), 0);
	assert_true(r->clean_end);
	close(tube[0]);
	close(tube[1]);
}

static void without_memory(void **state)
{
	no_memory = true;
	assert_null(record_plain_new(leg, &scratch));
	no_memory = false;
	record_free(NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(it_is_the_socket),
		TEST(the_end_is_a_clean_one),
		TEST(a_full_socket_takes_a_part_and_loses_nothing),
		TEST(a_reset),
		TEST(errors_of_the_socket),
		TEST(interrupted_calls_are_made_again),
		TEST(our_end_that_fails),
		TEST(draining),
		TEST(through_a_pipe),
		TEST(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
