/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend: the application of the benchmarks: HTTP/1.1, one process, one epoll loop. It does as
 * little work as possible, so that the proxy before it is measured.
 *
 *   GET /SIZE     so many bytes: the alphabet, again and again
 *   POST /SIZE    reads the body, then the same
 *   GET /xff      the values of X-Forwarded-For, joined by ", "
 *   POST /digest  FNV-1a (64 bit, hexadecimal) of the body
 *
 * Listens on a port of 127.0.0.1 that the kernel chooses, or on the one given, and prints "port N".
 * Bodies of requests have a Content-Length; a request that has another form ends the connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mark.h"

#define BODY_BYTES_MAX        (1u << 20)
#define HEAD_BYTES_MAX        8192
#define ANSWER_HEAD_BYTES_MAX 256
/* The size of answers other than the alphabet. */
#define SMALL_BYTES_MAX       1024
#define FNV_BASIS             UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME             UINT64_C(0x100000001b3)

/* A connection: reads a head, then a body, then writes an answer; one after the other. */
struct conn {
	int fd;
	bool in_body, wants_digest;
	uint64_t body_left, digest;
	size_t head_len;
	struct iovec out[2]; /* the unsent part of the answer */
	/* Not cleared from here on. */
	char out_head[ANSWER_HEAD_BYTES_MAX + SMALL_BYTES_MAX];
	char head[HEAD_BYTES_MAX + 1];
};

static int epoll_fd;
static char body[BODY_BYTES_MAX];
static char sink[256 << 10];

static void die(const char *what)
{
	fprintf(stderr, "backend: %s: %m\n", what);
	exit(1);
}

static void watch(int op, struct conn *c, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (epoll_ctl(epoll_fd, op, fd, &ev) < 0)
		die("epoll_ctl");
}

static void conn_end(struct conn *c)
{
	close(c->fd);
	free(c);
}

/* Sends what it can. False when the connection is dead. */
static bool send_out(struct conn *c)
{
	struct msghdr msg = {.msg_iov = c->out, .msg_iovlen = 2};
	ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	for (int i = 0; i < 2; i++) {
		size_t part = (size_t)n < c->out[i].iov_len ? (size_t)n : c->out[i].iov_len;

		c->out[i].iov_base = (char *)c->out[i].iov_base + part;
		c->out[i].iov_len -= part;
		n -= (ssize_t)part;
	}
	return true;
}

static bool sending(const struct conn *c)
{
	return c->out[0].iov_len || c->out[1].iov_len;
}

/* Answers with len bytes at data, which must stay valid. */
static bool answer(struct conn *c, char *data, size_t len)
{
	int n = snprintf(
		c->out_head, ANSWER_HEAD_BYTES_MAX,
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", len);

	c->out[0] = (struct iovec){c->out_head, (size_t)n};
	c->out[1] = (struct iovec){data, len};
	if (!send_out(c))
		return false;
	if (sending(c))
		watch(EPOLL_CTL_MOD, c, c->fd, EPOLLOUT);
	return true;
}

/* The value of a field at or after `from`, up to its CR; NULL if there is none. Sets *len. */
static const char *field(const char *from, const char *name, size_t *len)
{
	const char *at = strcasestr(from, name);

	if (!at)
		return NULL;
	at += strlen(name);
	at += strspn(at, " ");
	*len = strcspn(at, "\r");
	return at;
}

/* Joins the values of X-Forwarded-For that fit into `to`, SMALL_BYTES_MAX long. */
static size_t join_xff(const struct conn *c, char *to)
{
	const char *value = c->head;
	size_t len = 0, used = 0;

	while ((value = field(value + len, "\r\nX-Forwarded-For:", &len)))
		if (used + len + 2 < SMALL_BYTES_MAX)
			used += (size_t)sprintf(to + used, "%s%.*s", used ? ", " : "", (int)len,
						value);
	return used;
}

static bool answer_request(struct conn *c)
{
	const char *path = strchr(c->head, '/');
	char *small = c->out_head + ANSWER_HEAD_BYTES_MAX, *end;
	unsigned long size;

	if (!path)
		return false;
	if (!strncmp(path, "/xff ", 5))
		return answer(c, small, join_xff(c, small));
	if (c->wants_digest)
		return answer(c, small,
			      (size_t)sprintf(small, "%016llx", (unsigned long long)c->digest));
	size = strtoul(path + 1, &end, 10);
	if (end == path + 1 || *end != ' ' || size > BODY_BYTES_MAX)
		return false;
	return answer(c, body, size);
}

static void take_body(struct conn *c, const char *data, size_t len)
{
	c->body_left -= len;
	for (size_t i = 0; c->wants_digest && i < len; i++)
		c->digest = (c->digest ^ (unsigned char)data[i]) * FNV_PRIME;
}

/* The request is complete: answers it, and keeps the bytes behind its head. */
static bool finish_request(struct conn *c, size_t head_end)
{
	bool alive = answer_request(c);

	c->in_body = false;
	c->head_len -= head_end;
	memmove(c->head, c->head + head_end, c->head_len);
	return alive;
}

/* Looks for a complete head. False when the connection must end. */
static bool read_head(struct conn *c)
{
	const char *value;
	char *end;
	size_t head_end, part, len;

	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_len < HEAD_BYTES_MAX;
	*end = '\0';
	head_end = (size_t)(end + 4 - c->head);
	value = field(c->head, "\r\nContent-Length:", &len);
	c->body_left = value ? strtoull(value, NULL, 10) : 0;
	c->wants_digest = strstr(c->head, " /digest ") != NULL;
	c->digest = FNV_BASIS;
	part = c->head_len - head_end;
	if (part > c->body_left)
		part = c->body_left;
	take_body(c, c->head + head_end, part);
	if (!c->body_left)
		return finish_request(c, head_end + part);
	c->in_body = true;
	c->head_len = 0;
	return true;
}

/* Answers the complete requests in the buffer, in order. */
static bool serve(struct conn *c)
{
	size_t before;

	do {
		before = c->head_len;
		if (!read_head(c))
			return false;
	} while (c->head_len && c->head_len < before && !c->in_body && !sending(c));
	return true;
}

static bool receive(struct conn *c)
{
	char *to = c->in_body ? sink : c->head + c->head_len;
	size_t room = c->in_body ? sizeof(sink) : HEAD_BYTES_MAX - c->head_len;
	ssize_t n;

	if (c->in_body && room > c->body_left)
		room = c->body_left;
	n = recv(c->fd, to, room, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	if (!c->in_body) {
		c->head_len += (size_t)n;
		return serve(c);
	}
	take_body(c, sink, (size_t)n);
	return c->body_left || finish_request(c, 0);
}

/* Requests that came while an answer was under way are read from the buffer first. */
static bool after_send(struct conn *c)
{
	if (!send_out(c))
		return false;
	if (sending(c))
		return true;
	watch(EPOLL_CTL_MOD, c, c->fd, EPOLLIN);
	return !c->head_len || serve(c);
}

static void accept_all(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = malloc(sizeof(*c));

		if (!c)
			die("malloc");
		memset(c, 0, offsetof(struct conn, out_head));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = fd;
		watch(EPOLL_CTL_ADD, c, fd, EPOLLIN);
	}
}

static int open_listener(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		die("listen");
	printf("port %u\n", ntohs(in.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	int listener = open_listener(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0);
	struct epoll_event events[64];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 26);
	MARK(MARK_BACKEND);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(EPOLL_CTL_ADD, NULL, listener, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c)
				accept_all(listener);
			else if (!(sending(c) ? after_send(c) : receive(c)))
				conn_end(c);
		}
	}
}
