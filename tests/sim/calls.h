/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: the calls that the linker replaces (sim_wrap in the Makefile), and the ones that they
 * stand for.
 */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "kedge/abi.h"

/* time(2), in each run. */
#define WORLD_DATE 1700000000

#define CALL(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

CALL(int, socket, int family, int type, int protocol);
CALL(int, bind, int fd, const struct sockaddr *addr, socklen_t len);
CALL(int, listen, int fd, int backlog);
CALL(int, connect, int fd, const struct sockaddr *addr, socklen_t len);
CALL(int, accept4, int fd, struct sockaddr *addr, socklen_t *len, int flags);
CALL(int, close, int fd);
CALL(ssize_t, recv, int fd, void *buf, size_t len, int flags);
CALL(ssize_t, recvmsg, int fd, struct msghdr *m, int flags);
CALL(ssize_t, read, int fd, void *buf, size_t len);
CALL(ssize_t, send, int fd, const void *buf, size_t len, int flags);
CALL(ssize_t, sendmsg, int fd, const struct msghdr *m, int flags);
CALL(ssize_t, write, int fd, const void *buf, size_t len);
CALL(int, shutdown, int fd, int how);
CALL(int, getsockopt, int fd, int level, int name, void *val, socklen_t *len);
CALL(int, setsockopt, int fd, int level, int name, const void *val, socklen_t len);
CALL(int, getsockname, int fd, struct sockaddr *addr, socklen_t *len);
CALL(int, getpeername, int fd, struct sockaddr *addr, socklen_t *len);
CALL(int, clock_gettime, clockid_t clock, struct timespec *ts);
CALL(time_t, time, time_t *t);
CALL(int, eventfd, unsigned count, int flags);
CALL(int, poll, struct pollfd *fds, nfds_t n, int ms);
CALL(int, fcntl, int fd, int what, ...);
CALL(void *, malloc, size_t size);
CALL(void *, calloc, size_t count, size_t size);
CALL(void *, realloc, void *p, size_t size);
CALL(int, epoll_create1, int flags);
CALL(int, epoll_ctl, int epfd, int op, int fd, struct epoll_event *ev);
CALL(int, epoll_wait, int epfd, struct epoll_event *ev, int max, int ms);

/* conn.c asks for the name of each reason that it counts. */
CALL(const char *, reason_name, enum kedge_reason reason);
