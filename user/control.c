/* The control socket. See control.h. */
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"

#define PATIENCE_MS 1000

static int address_of(struct sockaddr_un *un, const char *path)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	strcpy(un->sun_path, path);
	return 0;
}

/* Connects; `wait` false: -EAGAIN when the other side does not take it at once. */
static int dial(const char *path, bool wait)
{
	_cleanup_(close_fdp)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
	struct timeval patience = {.tv_sec = 30}; /* a reload reads files */
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

/* The directory of the socket, one level; /run/kedge on most hosts. */
static void make_parent(const char *path)
{
	_cleanup_(freep)
	char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755); /* an error here shows in bind(2) */
	}
}

/* Makes way at `path`: only a socket that nobody listens on is removed. */
static int clear_path(const char *path)
{
	_cleanup_(close_fdp)
	int other = dial(path, false);
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
	if (err || listen(fd, 16) < 0)
		return err ? err : -errno;
	return take_fd(fd);
}

int control_listen(const char *path)
{
	int err;

	make_parent(path);
	err = clear_path(path);
	return err ? err : make_socket(path);
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

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One line without its newline. The whole of it must come within the time. */
static int read_line(int fd, char line[CONTROL_LINE_MAX])
{
	int64_t until = now_ms() + PATIENCE_MS;
	size_t len = 0;

	while (len < CONTROL_LINE_MAX) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = until - now_ms();
		char *newline;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return -ETIMEDOUT;
		n = read(fd, line + len, CONTROL_LINE_MAX - len);
		if (n <= 0)
			return -EPIPE;
		len += (size_t)n;
		newline = memchr(line, '\n', len);
		if (newline) {
			*newline = '\0';
			return 0;
		}
	}
	return -EMSGSIZE;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

int control_serve(int fd, json_t *(*answer)(const char *command, void *arg), void *arg)
{
	_cleanup_(close_fdp)
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	_cleanup_(freep)
	char *text = NULL;
	char line[CONTROL_LINE_MAX];
	json_t *reply;

	if (client < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (read_line(client, line) < 0)
		return 0;
	reply = answer(line, arg);
	if (!reply)
		reply = json_pack("{s:s}", "error", "unknown command");
	text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (text)
		write_all(client, text, strlen(text));
	return 0;
}

json_t *control_ask(const char *path, const char *command)
{
	_cleanup_(close_fdp)
	int fd = dial(path, true);
	json_error_t error;
	char line[CONTROL_LINE_MAX];
	json_t *reply;
	int n;

	if (fd < 0) {
		log_err(fd, "control socket %s: no kedge answers (is it running? --control PATH)",
			path);
		return NULL;
	}
	n = snprintf(line, sizeof(line), "%s\n", command);
	write_all(fd, line, (size_t)n);
	reply = json_loadfd(fd, 0, &error);
	if (!reply)
		log_error("control socket %s: answer not understood: %s", path, error.text);
	return reply;
}
