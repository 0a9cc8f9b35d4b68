/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: finds the application's end of a flow. kedge's own end is known by its cookie (the
 * daemon registered it before connect). The other end is the accepting side of the same connection
 * in the same network namespace. Sockets of others are looked at once and left alone.
 *
 * I1  A row of kdg_pair belongs to one living socket of kedge's. That socket's TCP_CLOSE deletes
 *     it. A row whose flow no longer exists is ignored. A full map refuses new rows.
 * I2  A row of kdg_app belongs to the application's socket, whose TCP_CLOSE deletes it. Cookies are
 *     never reused, but slots are: before a program writes to a note found through kdg_app, it
 *     checks that the flow still exists.
 */
#pragma once

#include "maps.bpf.h"
#include "sock.bpf.h"
#include "tuple.bpf.h"

/* <errno.h> cannot be included in BPF programs. */
#define PAIR_ENOMEM 12

static __always_inline bool end_of(struct bpf_sock_ops *ops, struct kedge_end *end)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return false;
	end->cookie = bpf_get_socket_cookie(ops);
	end->sk = (unsigned long)bpf_skc_to_tcp_sock(sk);
	return end->sk != 0;
}

/* Asks for the socket's state callbacks: TCP_CLOSE removes the rows that are entered now. */
static __always_inline bool hear_of_end(struct bpf_sock_ops *ops)
{
	return !bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* Records why the two ends of a flow do not find each other. The first cause stays. */
static __always_inline void not_paired(__u32 slot, long err)
{
	struct kedge_note *note = note_of(slot);

	if (note && !note->unpaired)
		note->unpaired = (__u8)-err;
}

/* kedge's end is established: leave a row for the other end, which our ACK establishes next. */
static __always_inline void pair_connected(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);
	struct kedge_flow *flow = bpf_map_lookup_elem(&kdg_flow, &cookie);
	struct kedge_tuple tuple;
	struct kedge_end end;
	long err = -PAIR_ENOMEM;

	if (!tuple_of(ops, &tuple, false))
		return;
	if (!flow || !(flow->flags & KEDGE_FLOW_BYPASS)) {
		bpf_map_delete_elem(&kdg_pair, &tuple);
		return;
	}
	if (end_of(ops, &end) && hear_of_end(ops)) {
		end.slot = flow->slot;
		end.worker = flow->worker;
		err = bpf_map_update_elem(&kdg_pair, &tuple, &end, BPF_ANY);
	}
	if (err)
		not_paired(flow->slot, err);
}

/* An accepting end is established, of any connection: is the other end a flow of kedge's? */
static __always_inline void pair_accepted(struct bpf_sock_ops *ops)
{
	struct kedge_end own = {}, kedge, *found;
	struct kedge_tuple tuple;
	struct kedge_flow *flow;
	struct kedge_note *note;
	long err;

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
	own.slot = kedge.slot;
	own.worker = kedge.worker;
	err = hear_of_end(ops) ? bpf_map_update_elem(&kdg_app, &own.cookie, &kedge, BPF_ANY)
			       : -PAIR_ENOMEM;
	if (!err) {
		err = bpf_sock_hash_update(ops, &kdg_appleg, &own.cookie, BPF_ANY);
		if (err)
			bpf_map_delete_elem(&kdg_app, &own.cookie);
	}
	if (err) {
		not_paired(kedge.slot, err);
		return;
	}
	flow->app = own;
	note->paired = 1;
}

/* A socket has closed: the application's, or kedge's. */
static __always_inline void pair_closed(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);
	struct kedge_tuple tuple;
	struct kedge_end *end;

	bpf_map_delete_elem(&kdg_app, &cookie);
	if (!tuple_of(ops, &tuple, false))
		return;
	end = bpf_map_lookup_elem(&kdg_pair, &tuple);
	if (end && end->cookie == cookie)
		bpf_map_delete_elem(&kdg_pair, &tuple);
}
