/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's end of the control socket. See control.h. */
#include "daemon/control.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* For one client; the main thread has other work. */
#define PATIENCE_MS 1000

static int address_of(struct sockaddr_un *un, const char *path)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	strcpy(un->sun_path, path);
	return 0;
}

int control_dial(const char *path, unsigned wait)
{
	_cleanup_(close_fdp)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
	struct timeval patience = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
	struct sockaddr_un un;
	int err = address_of(&un, path);

	if (err)
		return err;
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		return -errno;
	return take_fd(fd);
}

/*
 * Makes the directory of the socket, one level; /run/kedge on most hosts. bind(2) reports errors,
 * but for a read-only file system it reports only that the directory is missing.
 */
static int make_parent(const char *path)
{
	_cleanup_(freep)
	char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return mkdir(dir, 0755) < 0 && errno == EROFS ? -EROFS : 0;
}

/* Removes the socket of a dead daemon. Anything else at `path` is an error. */
static int clear_path(const char *path)
{
	_cleanup_(close_fdp)
	int other = control_dial(path, 0);
	struct stat st;

	if (other == -ENOENT)
		return 0;
	if (other >= 0 || other == -EAGAIN)
		return -EADDRINUSE;
	if (other != -ECONNREFUSED)
		return other;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	unlink(path);
	return 0;
}

static int make_socket(const char *path)
{
	_cleanup_(close_fdp)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un;
	mode_t mask;
	int err = address_of(&un, path);

	if (err)
		return err;
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
	umask(mask);
	if (err)
		return err;
	if (listen(fd, 16) < 0) {
		err = -errno;
		unlink(path);
		return err;
	}
	return take_fd(fd);
}

int control_listen(const char *path)
{
	int parent = make_parent(path), err = clear_path(path), fd;

	if (err)
		return err;
	fd = make_socket(path);
	return fd == -ENOENT && parent ? parent : fd;
}

/* True for a directory with one entry. */
static bool holds_one(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n == 3; /* "." and ".." as well */
}

int control_give(const char *path, uid_t uid, gid_t gid)
{
	_cleanup_(freep)
	char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (lchown(path, uid, gid) < 0)
		return -errno;
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return holds_one(dir) && lchown(dir, uid, gid) < 0 ? -errno : 0;
}

/* Sends all of it, but gives up at `until`: a slow peer must not hold up the daemon. */
static void write_all(int fd, const char *p, size_t n, uint64_t until)
{
	while (n) {
		struct pollfd room = {.fd = fd, .events = POLLOUT};
		int64_t left = (int64_t)(until - monotonic_ms());
		ssize_t w;

		if (left <= 0 || poll(&room, 1, (int)left) <= 0)
			return;
		w = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

/* --- the daemon's end ------------------------------------------------------------------------- */

/* At a time. One more drops the oldest. */
#define CLIENTS_MAX 16

typedef json_t *(*answer_fn)(const char *command, void *arg);

struct client {
	int fd;
	size_t len;
	char line[CONTROL_LINE_MAX];
};

struct clients {
	size_t count;
	struct client set[CLIENTS_MAX]; /* the oldest first */
};

static void client_drop(struct clients *c, size_t at)
{
	close(c->set[at].fd);
	c->count--;
	memmove(&c->set[at], &c->set[at + 1], (c->count - at) * sizeof(c->set[0]));
}

/* 1: accepted one more; 0: nobody waits; -errno: accept(2) failed. */
static int client_take(struct clients *c, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -errno;
	if (c->count == CLIENTS_MAX)
		client_drop(c, 0);
	assert(c->count < CLIENTS_MAX);
	c->set[c->count].fd = fd;
	c->set[c->count].len = 0;
	c->count++;
	return 1;
}

static void client_answer(const struct client *c, answer_fn answer, void *arg)
{
	json_t *reply = answer(c->line, arg);
	_cleanup_(freep)
	char *text = NULL;

	if (!reply)
		reply = json_pack("{s:s}", "error", "unknown command");
	text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (text)
		write_all(c->fd, text, strlen(text), monotonic_ms() + PATIENCE_MS);
}

/*
 * Reads what has come. True if the client is finished: answered, closed, or its line is too long.
 */
static bool client_read(struct client *c, answer_fn answer, void *arg)
{
	ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);
	char *newline;

	if (n <= 0)
		return n == 0 || (errno != EAGAIN && errno != EINTR);
	c->len += (size_t)n;
	assert(c->len <= sizeof(c->line));
	newline = memchr(c->line, '\n', c->len);
	if (!newline)
		return c->len == sizeof(c->line);
	*newline = '\0';
	client_answer(c, answer, arg);
	return true;
}

/* Waits for the next line or client until then. False if there is nothing left to wait for. */
static bool clients_wait(const struct clients *c, int listener, uint64_t until,
			 struct pollfd fds[CLIENTS_MAX + 1])
{
	int64_t left = (int64_t)(until - monotonic_ms());

	if (!c->count || left <= 0)
		return false;
	for (size_t i = 0; i < c->count; i++)
		fds[i] = (struct pollfd){.fd = c->set[i].fd, .events = POLLIN};
	fds[c->count] = (struct pollfd){.fd = listener, .events = POLLIN};
	return poll(fds, c->count + 1, (int)left) > 0;
}

int control_serve(int fd, answer_fn answer, void *arg)
{
	uint64_t until = monotonic_ms() + PATIENCE_MS;
	struct pollfd fds[CLIENTS_MAX + 1];
	struct clients c = {0};
	int more = client_take(&c, fd);

	while (clients_wait(&c, fd, until, fds)) {
		bool comes = fds[c.count].revents;

		/* From the last one down: dropping one moves only those that were read already. */
		for (size_t i = c.count; i-- > 0;)
			if (fds[i].revents && client_read(&c.set[i], answer, arg))
				client_drop(&c, i);
		if (comes && (more = client_take(&c, fd)) < 0)
			break;
	}
	while (c.count)
		client_drop(&c, 0);
	return more < 0 ? more : 0;
}
