/* SPDX-License-Identifier: BSD-2-Clause */
/* log_write.c: a reader that stands still does not stop the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log_write.h"

static int saved, reader;

/* From here on, standard error is one end of a pair. */
static void redirect(int fd[2])
{
	saved = dup(STDERR_FILENO);
	assert_int_equal(dup2(fd[1], STDERR_FILENO), STDERR_FILENO);
	close(fd[1]);
	reader = fd[0];
}

static int restore(void **state)
{
	(void)state;
	log_write_patience(-1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	if (reader >= 0)
		close(reader);
	return 0;
}

static void pipe_up(void)
{
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	redirect(fd);
}

static void socket_up(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	redirect(fd);
}

static const char line[] = "0123456789012345678901234567890123456789012345678901234567890\n";
#define LEN (sizeof(line) - 1)

/* Returns how many lines found room, and ends by itself only if no line waits. */
static size_t fill(void)
{
	size_t n = 0;

	while (n < 100000 && log_write(line, LEN) == 0)
		n++;
	assert_true(n < 100000);
	return n;
}

static void drain(size_t lines)
{
	char buf[LEN];

	for (size_t i = 0; i < lines; i++) {
		size_t len = 0;

		while (len < LEN) {
			ssize_t n = read(reader, buf + len, LEN - len);

			assert_true(n > 0);
			len += (size_t)n;
		}
		assert_memory_equal(buf, line, LEN);
	}
}

/* Then it works again, and no line came in part. */
static void full_and_empty(void)
{
	size_t n;

	log_write_patience(1);
	for (int i = 0; i < 3; i++) {
		n = fill();
		for (int k = 0; k < 1000; k++)
			assert_int_equal(log_write(line, LEN), -EAGAIN);
		drain(n);
	}
}

static void a_full_pipe(void **state)
{
	(void)state;
	pipe_up();
	full_and_empty();
}

static void a_full_socket(void **state)
{
	(void)state;
	socket_up();
	full_and_empty();
}

/* poll(2) says of a terminal that it has room if it has some for a byte. */
static void a_full_terminal(void **state)
{
	int fd[2] = {posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), -1};
	char buf[4096];

	(void)state;
	assert_true(fd[0] >= 0 && grantpt(fd[0]) == 0 && unlockpt(fd[0]) == 0);
	fd[1] = open(ptsname(fd[0]), O_RDWR | O_NOCTTY);
	assert_true(fd[1] >= 0);
	redirect(fd);
	log_write_patience(1);
	for (int i = 0; i < 3; i++) {
		assert_true(fill() > 10);
		/* The kernel moves what is there from buffer to buffer: room may come. */
		for (int k = 0; k < 1000; k++)
			assert_in_set(log_write(line, LEN), ((uintmax_t[]){0, (uintmax_t)-EAGAIN}),
				      2);
		while (read(reader, buf, sizeof(buf)) > 0)
			;
	}
	/* It is non-blocking for kedge alone, not for other programs of this terminal. */
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

static void *read_late(void *arg)
{
	size_t *lines = arg;

	usleep(20000);
	drain(*lines);
	return NULL;
}

/* As it is for kedge check: a pager may take its time. */
static void without_a_limit_it_waits(void **state)
{
	size_t n = 0, all;
	pthread_t thread;

	(void)state;
	pipe_up();
	log_write_patience(1);
	n = fill();
	log_write_patience(-1);
	all = n + 100;
	assert_int_equal(pthread_create(&thread, NULL, read_late, &all), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(log_write(line, LEN), 0);
	pthread_join(thread, NULL);
}

static void nobody_reads_any_more(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pipe_up();
	log_write_patience(1);
	close(reader);
	reader = -1;
	assert_int_equal(log_write(line, LEN), -EPIPE);
	dup2(saved, STDERR_FILENO);
	close(saved);
	socket_up();
	close(reader);
	reader = -1;
	assert_int_equal(log_write(line, LEN), -EPIPE);
}

static void standard_error_may_be_closed(void **state)
{
	(void)state;
	saved = dup(STDERR_FILENO);
	reader = -1;
	close(STDERR_FILENO);
	log_write_patience(1);
	assert_int_equal(log_write(line, LEN), -EBADF);
	log_write_patience(-1);
	assert_int_equal(log_write(line, LEN), -EBADF);
}

static void a_file_takes_everything(void **state)
{
	int fd[2] = {-1, open("/tmp", O_RDWR | O_TMPFILE, 0600)};

	(void)state;
	assert_true(fd[1] >= 0);
	redirect(fd);
	log_write_patience(1);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(log_write(line, LEN), 0);
	assert_int_equal(lseek(STDERR_FILENO, 0, SEEK_CUR), 5000 * LEN);
}

/* On a disk that is full, and later is not any more. */
static void half_a_line_does_not_spoil_the_next(void **state)
{
	const struct rlimit full = {.rlim_cur = LEN + 5, .rlim_max = RLIM_INFINITY};
	const struct rlimit any = {RLIM_INFINITY, RLIM_INFINITY};
	int fd[2] = {-1, open("/tmp", O_RDWR | O_TMPFILE, 0600)};
	char text[3 * LEN + 7];

	(void)state;
	assert_true(fd[1] >= 0);
	redirect(fd);
	signal(SIGXFSZ, SIG_IGN);
	log_write_patience(1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(log_write(line, LEN), 0);
	assert_int_equal(log_write(line, LEN), -EAGAIN);
	assert_int_equal(log_write(line, LEN), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &any), 0);
	assert_int_equal(log_write(line, LEN), 0);
	assert_int_equal(log_write(line, LEN), 0);
	assert_int_equal(pread(STDERR_FILENO, text, sizeof(text), 0), 3 * LEN + 6);
	assert_memory_equal(text + LEN, line, 5);
	assert_int_equal(text[LEN + 5], '\n');
	assert_memory_equal(text + LEN + 6, line, LEN);
	assert_memory_equal(text + 2 * LEN + 6, line, LEN);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, NULL, restore)
	const struct CMUnitTest tests[] = {
		TEST(a_full_pipe),
		TEST(a_full_socket),
		TEST(a_full_terminal),
		TEST(without_a_limit_it_waits),
		TEST(nobody_reads_any_more),
		TEST(standard_error_may_be_closed),
		TEST(a_file_takes_everything),
		TEST(half_a_line_does_not_spoil_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
