/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: fills the socket under a record layer. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>

#include "tests/lib/net.h"
#include "tls/record.h"

/*
 * Writes p[0..n) until not even a small record would fit. What is under way when the socket is full
 * arrives a little later, and its acknowledgement makes room: so a write must take nothing after a
 * while of silence. Returns how many bytes were written.
 */
static inline size_t fill_socket(struct record *r, const void *p, size_t n)
{
	size_t sent = 0, before;
	ssize_t took;

	do {
		before = sent;
		while ((took = record_write(r, p, n)) > 0)
			sent += (size_t)took;
		assert_int_equal(took, -EAGAIN);
		poll(NULL, 0, NET_QUIET_MS);
	} while (sent != before);
	return sent;
}
