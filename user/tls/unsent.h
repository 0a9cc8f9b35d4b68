/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: ciphertext that a socket did not take yet. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The leg dies when more unsent bytes than this are kept. No sane peer causes it. */
#define UNSENT_MAX (256 * 1024)

/* Bytes on the heap; bytes[at..len) are not sent yet. Begins with all zero. */
struct unsent {
	uint8_t *bytes;
	uint32_t at, len;
};

/* How many of bytes[0..n) the socket took, or -errno (never -EAGAIN). */
ssize_t unsent_send(int fd, const uint8_t *bytes, size_t n);

/* Keeps a copy of bytes[0..n) behind what is kept. 0, -ENOMEM or -ENOBUFS. */
int unsent_add(struct unsent *u, const uint8_t *bytes, size_t n);

/* Sends what is kept. 0: nothing is left; -EAGAIN: some is; or -errno of the socket. */
int unsent_flush(struct unsent *u, int fd);

void unsent_drop(struct unsent *u);

/* See base/check.h. */
void unsent_check(const struct unsent *u);
