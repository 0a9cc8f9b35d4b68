/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: TCP over loopback inside one process. All sockets are non-blocking. The program is
 * aborted if something takes longer than NET_PATIENCE_MS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A test that waits this long for something has failed. Generous: machines are shared. */
#define NET_PATIENCE_MS 20000
/* If nothing happened for this long, nothing is expected to happen. */
#define NET_QUIET_MS    40

/* Both ends of a new connection. `bufs`: size of every socket buffer, 0: the system's. */
void net_pair(int *one, int *other, int bufs);

/* A listening socket on 127.0.0.1; its port, host order. */
int net_listen(uint16_t *port);

/* A connection to 127.0.0.1:port, established when this returns. */
int net_connect(uint16_t port);

/* The next connection of a listening socket. */
int net_accept(int fd);

/* Waits until fd is readable (or writable); false after ms. */
bool net_wait(int fd, short events, int ms);

/* Bytes in the receive queue, unread. */
size_t net_queued(int fd);

/* The next close of fd sends RST. */
void net_close_reset(int fd);

uint64_t net_now_ms(void);
