/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening unix sockets and their files. See bind_unix.h. */
#include "listen/bind_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/denied.h"
#include "base/log.h"

struct file {
	LIST_ENTRY(file) link;
	union addr addr;
	dev_t dev;
	ino_t ino;
};

static LIST_HEAD(, file) files = LIST_HEAD_INITIALIZER(files);

/* --- the files -------------------------------------------------------------------------------- */

static int remember(const union addr *addr)
{
	struct file *f = calloc(1, sizeof(*f));
	struct stat st;

	if (!f)
		return -ENOMEM;
	if (lstat(addr->un.sun_path, &st) < 0) {
		int err = errno;

		free(f);
		return -err;
	}
	f->addr = *addr;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	LIST_INSERT_HEAD(&files, f, link);
	return 0;
}

/* It is the one that we have made. */
static bool is_ours(const struct file *f)
{
	struct stat st;

	return lstat(f->addr.un.sun_path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;
}

static bool is_wanted(const struct file *f, const struct conf *conf)
{
	for (size_t i = 0; conf && i < conf->listeners_count; i++) {
		const union addr *a = &conf->listeners[i].addr;

		if (addr_is_path(a) && !strcmp(a->un.sun_path, f->addr.un.sun_path))
			return true;
	}
	return false;
}

void bind_unix_keep(const struct conf *conf)
{
	struct file *f, *next;

	for (f = LIST_FIRST(&files); f; f = next) {
		next = LIST_NEXT(f, link);
		if (is_wanted(f, conf))
			continue;
		if (is_ours(f) && unlink(f->addr.un.sun_path) < 0)
			log_emit(LOG_LEVEL_INFO, errno,
				 "socket file %s stays behind, which does no harm: the next kedge "
				 "replaces it",
				 f->addr.un.sun_path);
		LIST_REMOVE(f, link);
		free(f);
	}
}

int bind_unix_give(uid_t uid, gid_t gid)
{
	struct file *f;

	LIST_FOREACH(f, &files, link)
		if (is_ours(f) && lchown(f->addr.un.sun_path, uid, gid) < 0)
			return log_err(errno, "socket file %s: cannot be given to user %u",
				       f->addr.un.sun_path, uid);
	return 0;
}

/* Forgets the file of the last bind, whose socket is closed. */
static void forget(const union addr *addr)
{
	struct file *f = LIST_FIRST(&files);

	if (!f || strcmp(f->addr.un.sun_path, addr->un.sun_path))
		return;
	if (is_ours(f))
		unlink(f->addr.un.sun_path);
	LIST_REMOVE(f, link);
	free(f);
}

/* --- the socket ------------------------------------------------------------------------------- */

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* 0: nobody listens there; -EADDRINUSE: somebody does; or -errno. */
static int try_connect(const union addr *addr)
{
	_cleanup_(close_fdp)
	int fd = new_socket();

	if (fd < 0)
		return fd;
	if (connect(fd, &addr->sa, addr_len(addr)) == 0)
		return -EADDRINUSE;
	switch (errno) {
	case ECONNREFUSED:
		return 0;
	case EAGAIN:     /* its queue is full */
	case EPROTOTYPE: /* it is no stream socket, but it is one that somebody has */
		return -EADDRINUSE;
	default:
		return -errno;
	}
}

/* Removes the socket file of a process that has ended. */
static int clear_path(const union addr *addr)
{
	const char *path = addr->un.sun_path;
	struct stat before, now;
	int err;

	if (lstat(path, &before) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(before.st_mode))
		return -ENOTSOCK;
	err = try_connect(addr);
	if (err)
		return err;
	/* Another kedge may have replaced it meanwhile. */
	if (lstat(path, &now) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (now.st_dev != before.st_dev || now.st_ino != before.st_ino)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

/* The file has its mode from the first moment on: clients may come as soon as it is there. */
static int bind_with_mode(int fd, const union addr *addr, unsigned mode)
{
	mode_t mask = umask(~mode & 0777);
	int err = bind(fd, &addr->sa, addr_len(addr)) < 0 ? -errno : 0;

	umask(mask);
	return err;
}

static int bind_path(int fd, const union addr *addr, unsigned mode)
{
	int err = clear_path(addr);

	err = err ? err : bind_with_mode(fd, addr, mode);
	if (err)
		return err;
	err = remember(addr);
	if (err)
		unlink(addr->un.sun_path);
	return err;
}

static int listen_at(const struct conf_listener *conf, int backlog)
{
	_cleanup_(close_fdp)
	int fd = new_socket();
	int err;

	if (fd < 0)
		return fd;
	if (addr_is_path(&conf->addr))
		err = bind_path(fd, &conf->addr, conf->socket_mode);
	else
		err = bind(fd, &conf->addr.sa, addr_len(&conf->addr)) < 0 ? -errno : 0;
	if (err)
		return err;
	if (listen(fd, backlog) < 0) {
		err = -errno;
		forget(&conf->addr);
		return err;
	}
	return take_fd(fd);
}

static const char *hint(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return " (another process listens there: ss -xlp)";
	case -ENOTSOCK:
		return " (there is a file that is no socket: remove it, or name another path)";
	case -ENOENT:
		return " (its directory must exist)";
	default:
		return "";
	}
}

/* A socket that is there must be writable, since kedge tries it; else its directory must. */
static int say(const struct conf_listener *conf, int err)
{
	char why[DENIED_TEXT];

	if (err != -EACCES || !addr_is_path(&conf->addr))
		return log_err(err, "listener %s: cannot listen%s", conf->name, hint(err));
	log_error("listener %s: cannot listen: %s: %s", conf->name, strerror(-err),
		  denied_text(why, conf->addr.un.sun_path, DENIED_WRITE));
	return err;
}

int bind_unix(int *fds, size_t count, const struct conf_listener *conf, int backlog)
{
	int fd = listen_at(conf, backlog), err = fd < 0 ? fd : 0;
	size_t n;

	for (n = 0; !err && n < count; n++) {
		/* The last one is the socket itself. */
		fds[n] = n + 1 < count ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : take_fd(fd);
		if (fds[n] < 0) {
			err = -errno;
			break;
		}
	}
	if (!err)
		return 0;
	while (n > 0) {
		close(fds[--n]);
		fds[n] = -1;
	}
	if (fd >= 0) {
		close(fd);
		forget(&conf->addr);
	}
	return say(conf, err);
}
