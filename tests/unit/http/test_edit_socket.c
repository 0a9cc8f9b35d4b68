/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/edit_socket.c: each errno becomes one of the errors of edit.h. sendmsg() below replaces
 * libc's: it fails if the test says so, or sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "http/edit_socket.h"

#include "tests/lib/assert_reason.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct {
	int errors[4]; /* of the next calls, one each; 0: send */
	size_t calls;
	int flags; /* of the last call */
} kernel;

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t i = kernel.calls++;

	kernel.flags = flags;
	if (i < COUNT(kernel.errors) && kernel.errors[i]) {
		errno = kernel.errors[i];
		return -1;
	}
	return syscall(SYS_sendmsg, fd, m, flags);
}

static int fd[2], tube[2];

ssize_t splice(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags)
{
	size_t i = kernel.calls++;

	kernel.flags = (int)flags;
	if (i < COUNT(kernel.errors) && kernel.errors[i]) {
		errno = kernel.errors[i];
		return -1;
	}
	return syscall(SYS_splice, in, in_at, out, out_at, len, flags);
}
static struct kedge_note note;
static struct edit edit;

static int up(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	memset(&note, 0, sizeof(note));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 || pipe2(tube, O_NONBLOCK) < 0)
		return -1;
	edit = (struct edit){.note = &note, .fd = fd[0]};
	return 0;
}

static int down(void **state)
{
	close(fd[0]);
	close(fd[1]);
	close(tube[0]);
	close(tube[1]);
	return 0;
}

static ssize_t send_text(const char *text)
{
	struct iovec v = {(void *)text, strlen(text)};

	return edit_socket_send(&edit, &v, 1);
}

static void pieces_go_out_as_one(void **state)
{
	struct iovec v[] = {{"GET ", 4}, {"", 0}, {"/ HTTP/1.1", 10}};
	char got[32];

	assert_int_equal(edit_socket_send(&edit, v, COUNT(v)), 14);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(read(fd[1], got, sizeof(got)), 14);
	assert_memory_equal(got, "GET / HTTP/1.1", 14);
}

/* A worker must not wait, and a dead application must not kill it. */
static void a_send_neither_waits_nor_signals(void **state)
{
	assert_int_equal(send_text("a"), 1);
	assert_int_equal(kernel.flags & (MSG_DONTWAIT | MSG_NOSIGNAL), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The socket pair blocks: without MSG_DONTWAIT this test would never end. */
static void a_full_socket_takes_nothing(void **state)
{
	static char big[1 << 16];
	struct iovec v = {big, sizeof(big)};
	ssize_t n;

	while ((n = edit_socket_send(&edit, &v, 1)) > 0)
		;
	assert_int_equal(n, 0);
	assert_int_equal(note.reason, 0);
}

static void an_interrupted_send_is_made_again(void **state)
{
	kernel.errors[0] = kernel.errors[1] = kernel.errors[2] = EINTR;
	assert_int_equal(send_text("abc"), 3);
	assert_int_equal(kernel.calls, 4);
	/* Also when the second try finds the socket full. */
	memset(&kernel, 0, sizeof(kernel));
	kernel.errors[0] = EINTR;
	kernel.errors[1] = EAGAIN;
	assert_int_equal(send_text("abc"), 0);
	assert_int_equal(kernel.calls, 2);
}

static void every_errno_is_one_of_four_errors(void **state)
{
	static const struct {
		int err;
		ssize_t answer;
		enum kedge_reason reason;
	} rows[] = {
		{EPIPE, -EPIPE, KEDGE_REASON_NONE},
		{ECONNRESET, -ECONNRESET, KEDGE_REASON_NONE},
		{ETIMEDOUT, -ECONNRESET, KEDGE_REASON_NONE},
		{EHOSTUNREACH, -ECONNRESET, KEDGE_REASON_NONE},
		{EBADF, -ECONNRESET, KEDGE_REASON_NONE},
		{ENOTSOCK, -ECONNRESET, KEDGE_REASON_NONE},
		{ENOMEM, -EIO, KEDGE_REASON_no_memory},
		{ENOBUFS, -EIO, KEDGE_REASON_no_memory},
		{EAGAIN, 0, KEDGE_REASON_NONE},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.errors[0] = rows[i].err;
		note.reason = 0;
		if (send_text("abc") != rows[i].answer || note.reason != rows[i].reason)
			fail_msg("%s: another answer", strerror(rows[i].err));
		assert_int_equal(kernel.calls, 1);
		if (rows[i].answer)
			assert_int_equal(edit_socket_failed(&edit, rows[i].err), rows[i].answer);
	}
}

/* So many bytes of a pipe, and the same errors. */
static void bytes_of_a_pipe(void **state)
{
	char got[16];

	assert_int_equal(write(tube[1], "bodyGET", 7), 7);
	kernel.errors[0] = kernel.errors[1] = EINTR;
	assert_int_equal(edit_socket_splice(&edit, tube[0], 4), 4);
	assert_int_equal(kernel.calls, 3);
	assert_int_equal(kernel.flags, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	assert_int_equal(read(fd[1], got, sizeof(got)), 4);
	assert_memory_equal(got, "body", 4);
	kernel.calls = 0;
	kernel.errors[0] = EAGAIN;
	kernel.errors[1] = EPIPE;
	kernel.errors[2] = ENOMEM;
	assert_int_equal(edit_socket_splice(&edit, tube[0], 3), 0);
	assert_int_equal(edit_socket_splice(&edit, tube[0], 3), -EPIPE);
	assert_int_equal(edit_socket_splice(&edit, tube[0], 3), -EIO);
	assert_reason(note.reason, KEDGE_REASON_no_memory);
	assert_int_equal(edit_socket_splice(&edit, tube[0], 3), 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		T(pieces_go_out_as_one),
		T(a_send_neither_waits_nor_signals),
		T(a_full_socket_takes_nothing),
		T(an_interrupted_send_is_made_again),
		T(every_errno_is_one_of_four_errors),
		T(bytes_of_a_pipe),
	};

	return cmocka_run_group_tests_name("edit_socket", tests, NULL, NULL);
}
