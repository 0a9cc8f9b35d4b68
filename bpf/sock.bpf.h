/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: the few fields of kernel sockets that the programs read, as partial definitions that
 * CO-RE fits to the running kernel. This shows what we depend on; a whole vmlinux.h would not.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define CORE __attribute__((preserve_access_index))

typedef struct {
	long long counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

struct sock_common {
	atomic64_t skc_cookie;
} CORE;

struct sock {
	struct sock_common __sk_common;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	int sk_rcvbuf;
} CORE;

struct tcp_sock {
	__u32 copied_seq; /* next byte that the reader takes from the TCP queue */
	__u32 write_seq;  /* next byte that is written to the TCP queue */
} CORE;

/*
 * Reads the cookie without the helper, which sk_msg programs do not have. A cookie is 0 until
 * somebody asks for it. Here the daemon (SO_COOKIE) or the sockops program already has.
 */
static __always_inline __u64 sock_cookie(struct tcp_sock *tp)
{
	return ((struct sock *)tp)->__sk_common.skc_cookie.counter;
}
