/* SPDX-License-Identifier: BSD-2-Clause */
/* The sink of the access log. See access_sink.h. */
#include "access/access_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define JOURNAL_PATH "/run/systemd/journal/socket"
/* Priority "info" and facility "daemon" of syslog(3). */
#define JOURNAL_HEAD "PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=kedge\nMESSAGE="

static int open_journal(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = JOURNAL_PATH};
	_cleanup_(close_fdp)
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		return -errno;
	return take_fd(fd);
}

/* A FIFO without a reader is opened for reading as well; otherwise open(2) would fail. */
static int open_path(const char *path)
{
	const int flags = O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, O_WRONLY | flags, 0640);

	if (fd < 0 && errno == ENXIO)
		fd = open(path, O_RDWR | flags, 0640);
	return fd < 0 ? -errno : fd;
}

static int open_target(const char *target)
{
	int fd;

	if (!strcmp(target, ACCESS_TO_JOURNAL))
		return open_journal();
	if (strcmp(target, ACCESS_TO_STDOUT) != 0)
		return open_path(target);
	fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static enum sink_kind kind_of(const char *target, int fd)
{
	struct stat st;

	if (!strcmp(target, ACCESS_TO_JOURNAL))
		return SINK_JOURNAL;
	if (fstat(fd, &st) < 0)
		return SINK_STREAM;
	if (S_ISSOCK(st.st_mode))
		return SINK_SOCKET;
	return S_ISREG(st.st_mode) ? SINK_FILE : SINK_STREAM;
}

int sink_open(struct sink *s, const char *target)
{
	int fd = open_target(target);

	if (fd < 0)
		return fd;
	*s = (struct sink){.target = target, .fd = fd, .kind = kind_of(target, fd)};
	return 0;
}

int sink_reopen(struct sink *s)
{
	struct sink fresh;
	int err = sink_open(&fresh, s->target);

	if (err)
		return err;
	sink_close(s);
	*s = fresh;
	return 0;
}

static size_t first_line(const char *text, size_t len)
{
	const char *lf = memchr(text, '\n', len);

	return lf ? (size_t)(lf - text) + 1 : len;
}

/* Whole lines up to PIPE_BUF, which are atomic: no other writer's text lands inside a line. */
static size_t pipe_piece(const char *text, size_t len)
{
	const char *lf;

	if (len <= PIPE_BUF)
		return len;
	lf = memrchr(text, '\n', PIPE_BUF);
	return lf ? (size_t)(lf - text) + 1 : PIPE_BUF;
}

static ssize_t write_journal(int fd, const char *text, size_t len)
{
	size_t line = first_line(text, len);
	struct iovec v[] = {{(void *)JOURNAL_HEAD, sizeof(JOURNAL_HEAD) - 1}, {(void *)text, line}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : (ssize_t)line;
}

/* Standard output is shared with other processes, so it cannot be made non-blocking. Instead: poll,
 * then write no more than any writable pipe takes at once. */
static ssize_t write_stream(int fd, const char *text, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (poll(&p, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, text, pipe_piece(text, len));
}

ssize_t sink_write(struct sink *s, const char *text, size_t len)
{
	ssize_t n = -1;

	switch (s->kind) {
	case SINK_FILE:
		n = write(s->fd, text, len);
		break;
	case SINK_STREAM:
		n = write_stream(s->fd, text, len);
		break;
	case SINK_SOCKET:
		n = send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case SINK_JOURNAL:
		n = write_journal(s->fd, text, len);
		break;
	}
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return n;
}

void sink_close(struct sink *s)
{
	close_fdp(&s->fd);
	s->fd = -1;
}
