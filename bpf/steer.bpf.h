/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: the bounded bypass. A message goes straight into the other end's receive queue if that
 * keeps the order of bytes and bounds memory. Otherwise it takes loopback TCP, whose window pushes
 * back.
 *
 * I1  A byte is never redirected while bytes sent by TCP are unread: own write_seq equals the
 *     receiver's copied_seq. The other way round needs no check: a reader takes redirected messages
 *     before its TCP queue (tcp_bpf_recvmsg).
 * I2  Redirected bytes do not count against a TCP window, so they stay under half of the receiver's
 *     sk_rcvbuf, and under STEER_BYTES_MAX.
 * I3  An empty message is never redirected: its reader would get EFAULT on every read.
 * I4  bpf_msg_apply_bytes() is 0 whenever a message is redirected: together they lose bytes.
 */
#pragma once

#include "sock.bpf.h"

/* Unread bytes in the receiver's queue above which messages take TCP. */
#define STEER_BYTES_MAX 1048576

enum steer { STEER_NO, STEER_YES, STEER_STALE };

/* May `size` bytes go straight from `own` to the socket of `end`? */
static __always_inline enum steer steer_may(struct tcp_sock *own, const struct kedge_end *end,
					    __u32 size)
{
	struct tcp_sock *to = (void *)(unsigned long)end->sk;
	struct sock *to_sk = (void *)to;
	__u32 copied = 0, queued = 0, limit = 0;
	__u64 cookie = 0;

	if (!size)
		return STEER_NO;
	bpf_core_read(&cookie, sizeof(cookie), &to_sk->__sk_common.skc_cookie.counter);
	if (cookie != end->cookie)
		return STEER_STALE;
	bpf_core_read(&copied, sizeof(copied), &to->copied_seq);
	if (own->write_seq != copied)
		return STEER_NO;
	bpf_core_read(&queued, sizeof(queued), &to_sk->sk_backlog.rmem_alloc.counter);
	bpf_core_read(&limit, sizeof(limit), &to_sk->sk_rcvbuf);
	limit >>= 1;
	if (limit > STEER_BYTES_MAX)
		limit = STEER_BYTES_MAX;
	return queued + size > limit ? STEER_NO : STEER_YES;
}
