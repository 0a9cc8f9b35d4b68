/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tests: does what a tracing agent with context propagation does. It puts sockets of a cgroup into
 * a sockhash with its own sk_msg program. There is one sockops program for each choice of sockets.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} foreign_socks SEC(".maps");

static __always_inline int claim(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);

	bpf_sock_hash_update(ops, &foreign_socks, &cookie, BPF_ANY);
	return 1;
}

/* Those that connect. */
SEC("sockops")
int foreign_active(struct bpf_sock_ops *ops)
{
	return ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ? claim(ops) : 1;
}

/* Those that are accepted. */
SEC("sockops")
int foreign_passive(struct bpf_sock_ops *ops)
{
	return ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB ? claim(ops) : 1;
}

/* Both. */
SEC("sockops")
int foreign_both(struct bpf_sock_ops *ops)
{
	return ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
			       ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB
		       ? claim(ops)
		       : 1;
}

/* Every other one that connects. */
SEC("sockops")
int foreign_some(struct bpf_sock_ops *ops)
{
	if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || bpf_get_socket_cookie(ops) & 1)
		return 1;
	return claim(ops);
}

SEC("sk_msg")
int foreign_msg(struct sk_msg_md *msg)
{
	return SK_PASS;
}
