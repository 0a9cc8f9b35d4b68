/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes to standard error, and does not wait long. See log_write.h. */
#include "base/log_write.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Between poll(2) and write(2) no other thread may take the room. Recursive: a handler of a signal
 * has a last word to say, whatever its thread was doing.
 */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int patience_ms = -1; /* atomic */
static bool stuck;           /* the last line has waited in vain */
static int terminal = -1;    /* atomic; standard error once more, and non-blocking */
static bool torn;            /* half of a line was written: the next one must not begin behind it */
static bool looked; /* whether it is one: the filter of system calls does not let us later */

/*
 * A terminal has room for a byte, says poll(2), and write(2) waits for the rest of the line. One
 * that is opened again is ours alone. It may be another user's: then lines go the other way.
 */
static void open_terminal(void)
{
	if (looked)
		return;
	looked = true;
	if (!isatty(STDERR_FILENO))
		return;
	__atomic_store_n(&terminal,
			 open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC),
			 __ATOMIC_RELAXED);
}

static void close_terminal(void)
{
	int fd = __atomic_exchange_n(&terminal, -1, __ATOMIC_RELAXED);

	looked = torn = false;
	if (fd >= 0)
		close(fd);
}

void log_write_patience(int ms)
{
	__atomic_store_n(&patience_ms, ms, __ATOMIC_RELAXED);
	if (ms < 0)
		close_terminal();
	else
		open_terminal();
}

/* A pipe with room has room for PIPE_BUF. What cannot be polled has room. */
static bool has_room(void)
{
	int ms = __atomic_load_n(&patience_ms, __ATOMIC_RELAXED);
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (ms < 0)
		return true;
	stuck = poll(&p, 1, stuck ? 0 : ms) == 0;
	return !stuck;
}

static int put(int fd, const char *line, size_t len, bool is_socket)
{
	ssize_t n;

	if (is_socket)
		n = send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(fd, line, len);
	if (n < 0)
		return -errno;
	torn = (size_t)n < len;
	return torn ? -EAGAIN : 0;
}

static int put_line(int fd, const char *line, size_t len, bool is_socket)
{
	int err = torn ? put(fd, "\n", 1, is_socket) : 0;

	return err ? err : put(fd, line, len, is_socket);
}

static int write_line(const char *line, size_t len)
{
	bool may_wait = __atomic_load_n(&patience_ms, __ATOMIC_RELAXED) < 0;
	int own = __atomic_load_n(&terminal, __ATOMIC_RELAXED), err;

	if (!has_room())
		return -EAGAIN;
	if (own >= 0)
		return put_line(own, line, len, false);
	/* The journal is a socket. */
	err = may_wait ? -ENOTSOCK : put_line(STDERR_FILENO, line, len, true);
	return err == -ENOTSOCK ? put_line(STDERR_FILENO, line, len, false) : err;
}

int log_write(const char *line, size_t len)
{
	int err;

	pthread_mutex_lock(&lock);
	err = write_line(line, len);
	pthread_mutex_unlock(&lock);
	return err;
}
