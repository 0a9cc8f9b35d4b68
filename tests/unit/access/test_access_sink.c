/* SPDX-License-Identifier: BSD-2-Clause */
/* access_sink.c: each kind of sink, its writes and its errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "access/access_sink.h"

static char dir[] = "/tmp/kedge-sink-XXXXXX", path[64], moved[64], journal[64];
static struct sink sink;

/* Replaces the C library's: connects to the test's journal. */
int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	assert_int_equal(addr->sa_family, AF_UNIX);
	assert_string_equal(((const struct sockaddr_un *)addr)->sun_path,
			    "/run/systemd/journal/socket");
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", journal);
	return (int)syscall(SYS_connect, fd, &un, sizeof(un));
}

static int up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	snprintf(journal, sizeof(journal), "%s/journal", dir);
	return 0;
}

static int down(void **state)
{
	return rmdir(dir);
}

/* After each test, also after one that failed. */
static int clean(void **state)
{
	sink_close(&sink);
	unlink(path);
	unlink(moved);
	unlink(journal);
	return 0;
}

static void assert_content(const char *name, const char *want)
{
	char got[256] = "";
	int fd = open(name, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, want);
}

/* --- files ------------------------------------------------------------------------------------ */

static void a_file_is_made_or_continued(void **state)
{
	struct stat st;
	mode_t mask = umask(0);

	assert_int_equal(sink_open(&sink, path), 0);
	umask(mask);
	assert_int_equal(sink.kind, SINK_FILE);
	assert_ptr_equal(sink.target, path);
	assert_int_equal(fstat(sink.fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_true(fcntl(sink.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(sink_write(&sink, "one\ntwo\n", 8), 8);
	sink_close(&sink);
	assert_int_equal(sink.fd, -1);
	sink_close(&sink);
	assert_int_equal(sink_open(&sink, path), 0);
	assert_int_equal(sink_write(&sink, "three\n", 6), 6);
	assert_content(path, "one\ntwo\nthree\n");
}

static void a_moved_file_is_left(void **state)
{
	int before;

	assert_int_equal(sink_open(&sink, path), 0);
	assert_int_equal(sink_write(&sink, "old\n", 4), 4);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(sink_write(&sink, "still\n", 6), 6);
	before = sink.fd;
	assert_int_equal(sink_reopen(&sink), 0);
	assert_int_equal(fcntl(before, F_GETFD), -1);
	assert_int_equal(sink_write(&sink, "new\n", 4), 4);
	assert_content(moved, "old\nstill\n");
	assert_content(path, "new\n");
}

static void a_failed_reopen_keeps_the_old_file(void **state)
{
	int before;

	assert_int_equal(sink_open(&sink, path), 0);
	before = sink.fd;
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(sink_reopen(&sink), -EISDIR);
	rmdir(path);
	assert_int_equal(sink.fd, before);
	assert_int_equal(sink_write(&sink, "x\n", 2), 2);
	assert_content(moved, "x\n");
}

static void what_cannot_be_opened_changes_nothing(void **state)
{
	struct sink s = {.fd = 77};

	assert_int_equal(sink_open(&s, "/no/such/directory/log"), -ENOENT);
	assert_int_equal(sink_open(&s, dir), -EISDIR);
	assert_int_equal(s.fd, 77);
}

static void a_full_disk_is_said(void **state)
{
	assert_int_equal(sink_open(&sink, "/dev/full"), 0);
	assert_int_equal(sink_write(&sink, "x\n", 2), -ENOSPC);
}

/* --- pipes ------------------------------------------------------------------------------------ */

/* A FIFO opens without a reader and buffers what fits. */
static void a_fifo_waits_for_its_reader(void **state)
{
	char line[101], got[101];
	ssize_t n;
	size_t all = 0;
	int reader;

	memset(line, 'x', 99);
	line[99] = '\n';
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sink_open(&sink, path), 0);
	assert_int_equal(sink.kind, SINK_STREAM);
	while ((n = sink_write(&sink, line, 100)) > 0)
		all += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	assert_in_range(all, PIPE_BUF, 1 << 22);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	for (; all; all -= 100) {
		assert_int_equal(read(reader, got, 100), 100);
		assert_memory_equal(got, line, 100);
	}
	assert_int_equal(sink_write(&sink, line, 100), 100);
	close(reader);
}

/* So no other writer's text lands inside a line. */
static void a_pipe_gets_whole_lines(void **state)
{
	static char text[3 * PIPE_BUF];
	int reader;

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sink_open(&sink, path), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	memset(text, 'x', sizeof(text));
	/* All of it fits. */
	text[PIPE_BUF - 1] = '\n';
	assert_int_equal(sink_write(&sink, text, PIPE_BUF), PIPE_BUF);
	/* The last line does not fit. */
	text[PIPE_BUF - 1] = 'x';
	text[1000] = text[PIPE_BUF + 10] = '\n';
	assert_int_equal(sink_write(&sink, text, PIPE_BUF + 11), 1001);
	/* The first line does not fit: PIPE_BUF bytes, which are atomic. */
	text[1000] = 'x';
	assert_int_equal(sink_write(&sink, text, PIPE_BUF + 11), PIPE_BUF);
	close(reader);
}

/* Opens the sink while `fd` is standard output. Closes fd. */
static void open_stdout(int fd)
{
	int kept = dup(STDOUT_FILENO);

	fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(sink_open(&sink, ACCESS_TO_STDOUT), 0);
	assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
	close(kept);
	close(fd);
}

static void standard_output_may_be_a_pipe(void **state)
{
	char got[16];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	open_stdout(fds[1]);
	assert_int_equal(sink.kind, SINK_STREAM);
	/* A descriptor of its own, closed on exec, and none of the standard ones. */
	assert_true(sink.fd > STDERR_FILENO);
	assert_true(fcntl(sink.fd, F_GETFD) & FD_CLOEXEC);
	/* It is shared with other processes, so its flags stay. */
	assert_false(fcntl(sink.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(sink_write(&sink, "x\n", 2), 2);
	assert_int_equal(read(fds[0], got, sizeof(got)), 2);
	/* If the pipe is full, it returns instead of blocking. */
	while (sink_write(&sink, "0123456\n", 8) == 8)
		;
	assert_int_equal(sink_write(&sink, "0123456\n", 8), -EAGAIN);
	close(fds[0]);
	assert_int_equal(sink_write(&sink, "x\n", 2), -EPIPE);
}

static void standard_output_may_be_a_file(void **state)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	open_stdout(fd);
	assert_int_equal(sink.kind, SINK_FILE);
	assert_int_equal(sink_write(&sink, "x\n", 2), 2);
	assert_content(path, "x\n");
}

static void standard_output_may_be_a_socket(void **state)
{
	char got[16];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	open_stdout(fds[1]);
	assert_int_equal(sink.kind, SINK_SOCKET);
	assert_int_equal(sink_write(&sink, "x\n", 2), 2);
	assert_int_equal(read(fds[0], got, sizeof(got)), 2);
	while (sink_write(&sink, "0123456\n", 8) > 0)
		;
	assert_int_equal(sink_write(&sink, "0123456\n", 8), -EAGAIN);
	close(fds[0]);
	assert_int_equal(sink_write(&sink, "x\n", 2), -EPIPE);
}

/* --- the journal ------------------------------------------------------------------------------ */

static int journal_bind(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", journal);
	unlink(journal);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void the_journal_gets_a_datagram_a_line(void **state)
{
	static const char text[] = "one \"1\"\ntwo\n";
	char got[512] = "";
	int fd = journal_bind();

	assert_int_equal(sink_open(&sink, ACCESS_TO_JOURNAL), 0);
	assert_int_equal(sink.kind, SINK_JOURNAL);
	assert_int_equal(sink_write(&sink, text, sizeof(text) - 1), 8);
	assert_int_equal(sink_write(&sink, text + 8, sizeof(text) - 1 - 8), 4);
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, "PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=kedge\n"
				 "MESSAGE=one \"1\"\n");
	memset(got, 0, sizeof(got));
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_non_null(strstr(got, "\nMESSAGE=two\n"));
	assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
	close(fd);
}

static void a_full_journal_is_waited_for(void **state)
{
	char got[512];
	int fd = journal_bind(), lines = 0;

	assert_int_equal(sink_open(&sink, ACCESS_TO_JOURNAL), 0);
	while (sink_write(&sink, "x\n", 2) == 2)
		assert_true(lines++ < 100000);
	assert_int_equal(sink_write(&sink, "x\n", 2), -EAGAIN);
	assert_true(recv(fd, got, sizeof(got), 0) > 0);
	assert_int_equal(sink_write(&sink, "x\n", 2), 2);
	close(fd);
}

/* After a restart of the journal the old socket fails until the sink is reopened. */
static void a_journal_that_comes_back_is_found(void **state)
{
	int fd;

	assert_int_equal(sink_open(&sink, ACCESS_TO_JOURNAL), -ENOENT);
	fd = journal_bind();
	assert_int_equal(sink_open(&sink, ACCESS_TO_JOURNAL), 0);
	close(fd);
	assert_int_equal(sink_write(&sink, "x\n", 2), -ECONNREFUSED);
	assert_int_equal(sink_reopen(&sink), -ECONNREFUSED);
	fd = journal_bind();
	assert_int_equal(sink_reopen(&sink), 0);
	assert_int_equal(sink_write(&sink, "x\n", 2), 2);
	close(fd);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_made_or_continued),
		TEST(a_moved_file_is_left),
		TEST(a_failed_reopen_keeps_the_old_file),
		TEST(what_cannot_be_opened_changes_nothing),
		TEST(a_full_disk_is_said),
		TEST(a_fifo_waits_for_its_reader),
		TEST(a_pipe_gets_whole_lines),
		TEST(standard_output_may_be_a_pipe),
		TEST(standard_output_may_be_a_file),
		TEST(standard_output_may_be_a_socket),
		TEST(the_journal_gets_a_datagram_a_line),
		TEST(a_full_journal_is_waited_for),
		TEST(a_journal_that_comes_back_is_found),
	};

	sink.fd = -1;
	return cmocka_run_group_tests(tests, up, down);
}
