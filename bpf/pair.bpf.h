/*
 * BPF only: how the application's end of a flow is found. kedge's own end is known by its cookie
 * (the daemon registered it before connect), the other end by being the accepting side of the same
 * connection in the same network namespace. Sockets of others are looked at once and left alone.
 */
#pragma once

#include "maps.bpf.h"
#include "sock.bpf.h"
#include "tuple.bpf.h"

static __always_inline bool end_of(struct bpf_sock_ops *ops, struct kedge_end *end)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return false;
	end->cookie = bpf_get_socket_cookie(ops);
	end->sk = (unsigned long)bpf_skc_to_tcp_sock(sk);
	return end->sk != 0;
}

/* kedge's end is established: leave word for the other one, whose turn comes with our ACK. */
static __always_inline void pair_connected(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);
	struct kedge_flow *flow = bpf_map_lookup_elem(&kdg_flow, &cookie);
	struct kedge_tuple tuple;
	struct kedge_end end;

	if (!flow || !(flow->flags & KEDGE_FLOW_BYPASS))
		return;
	if (!end_of(ops, &end) || !tuple_of(ops, &tuple, false))
		return;
	end.slot = flow->slot;
	end.worker = flow->worker;
	bpf_map_update_elem(&kdg_pair, &tuple, &end, BPF_ANY);
}

/* Somebody's accepting end is established: is a flow of kedge at the other? */
static __always_inline void pair_accepted(struct bpf_sock_ops *ops)
{
	struct kedge_end own = {}, kedge, *found;
	struct kedge_tuple tuple;
	struct kedge_flow *flow;
	struct kedge_note *note;

	if (!tuple_of(ops, &tuple, true))
		return;
	found = bpf_map_lookup_elem(&kdg_pair, &tuple);
	if (!found)
		return;
	kedge = *found;
	bpf_map_delete_elem(&kdg_pair, &tuple);
	flow = bpf_map_lookup_elem(&kdg_flow, &kedge.cookie);
	note = note_of(kedge.slot);
	if (!flow || !note || !end_of(ops, &own))
		return;
	/* From here on the end of this socket must be heard of, to take back what is entered now.
	 */
	if (bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG))
		return;
	own.slot = kedge.slot;
	own.worker = kedge.worker;
	if (bpf_map_update_elem(&kdg_app, &own.cookie, &kedge, BPF_ANY))
		return;
	if (bpf_sock_hash_update(ops, &kdg_appleg, &own.cookie, BPF_ANY)) {
		bpf_map_delete_elem(&kdg_app, &own.cookie);
		return;
	}
	flow->app = own;
	note->paired = 1;
}

static __always_inline void pair_closed(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);

	bpf_map_delete_elem(&kdg_app, &cookie);
}
