/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: fills the socket under a record layer. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/lib/net.h"
#include "tls/record.h"

/*
 * Nothing is under way: what the peer has no window for waits here, all else was acknowledged. And
 * the window stays closed: two probes (the timer backs off with each) did not open it, as one may
 * when the peer packs its queue more tightly. net/ipv4/tcp_input.c, tcp_ack_probe().
 */
static inline bool is_at_rest(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_unacked == 0 && info.tcpi_backoff >= 2;
}

/*
 * Writes p[0..n) until not even a small record would fit. What is under way when the socket is full
 * arrives a little later, and its acknowledgement makes room: so a write must take nothing when all
 * has been acknowledged, and after a while of silence. Returns how many bytes were written.
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
		do
			poll(NULL, 0, NET_QUIET_MS);
		while (!is_at_rest(r->fd));
	} while (sent != before);
	return sent;
}
