/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Shows the application the client as its peer: on the application's end of a flow, accept() and
 * getpeername() return the client's address.
 *
 * The daemon writes the client into the storage of its own socket before it connects. When the SYN
 * goes out, the address is stored under the connection's tuple (kdg_coming). When the other end is
 * established, which is before anybody can accept it, the address moves into that socket's storage.
 * It is read from there while the socket lives and the programs are attached, which is as long as
 * kedge's process lives. A socket without a stored client is left alone.
 *
 * I1  A row of kdg_coming belongs to one living socket of kedge's. That socket's TCP_CLOSE deletes
 *     it, whatever the cause. If the callback for TCP_CLOSE cannot be set, no row is made. While
 *     the socket lives, no other one has its tuple. A socket that connects without a client deletes
 *     an old row of its tuple first.
 * I2  A full map refuses a new row; it never evicts an old one. The daemon sees the refusal.
 * I3  The daemon knows before it sends a byte whether the application's end will show the client:
 *     by the SYN it learned that the program runs at the other end, and which address family that
 *     socket has.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ip.bpf.h"
#include "peername_maps.bpf.h"
#include "tuple.bpf.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct kedge_peer_stats *peer_stats(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&kdg_peer_stats, &only);
}

/* A SYN is about to go out. If it is kedge's, its tuple is known from now on. */
static __always_inline void peer_connects(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct kedge_coming row = {};
	struct kedge_client *client;
	struct kedge_tuple tuple;

	if (!sk || !tuple_of(ops, &tuple, false))
		return;
	bpf_sk_storage_delete(&kdg_peer, sk); /* an accepted socket that connects elsewhere now */
	client = bpf_sk_storage_get(&kdg_client, sk, NULL, 0);
	if (!client) {
		bpf_map_delete_elem(&kdg_coming, &tuple);
		return;
	}
	client->state = KEDGE_PEER_NO_ROOM;
	row.client = *client;
	row.client.state = KEDGE_PEER_UNHEARD;
	row.cookie = bpf_get_socket_cookie(ops);
	if (bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG))
		return;
	if (!bpf_map_update_elem(&kdg_coming, &tuple, &row, BPF_ANY))
		client->state = KEDGE_PEER_UNHEARD;
}

/*
 * A SYN has come. There is no socket for it yet, but the listener's family is known.
 */
static __always_inline void peer_heard(struct bpf_sock_ops *ops)
{
	struct kedge_coming *row;
	struct kedge_tuple tuple;

	if (ops->is_fullsock || !tuple_of(ops, &tuple, true))
		return;
	row = bpf_map_lookup_elem(&kdg_coming, &tuple);
	if (row)
		row->client.state = ops->family == 2 ? KEDGE_PEER_HEARD4 : KEDGE_PEER_HEARD6;
}

/* The answer to kedge's SYN has come: tell the daemon how far the other end is. */
static __always_inline void peer_connected(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct kedge_client *client;
	struct kedge_coming *row;
	struct kedge_tuple tuple;

	client = sk ? bpf_sk_storage_get(&kdg_client, sk, NULL, 0) : NULL;
	if (!client || !tuple_of(ops, &tuple, false))
		return;
	row = bpf_map_lookup_elem(&kdg_coming, &tuple);
	if (row && row->cookie == bpf_get_socket_cookie(ops))
		client->state = row->client.state;
}

static __always_inline void peer_accepted(struct bpf_sock_ops *ops)
{
	struct kedge_peer_stats *stats = peer_stats();
	struct bpf_sock *sk = ops->sk;
	struct kedge_coming *row;
	struct kedge_tuple tuple;

	if (!sk || !stats || !tuple_of(ops, &tuple, true))
		return;
	row = bpf_map_lookup_elem(&kdg_coming, &tuple);
	if (!row)
		return;
	if (!bpf_sk_storage_get(&kdg_peer, sk, &row->client, BPF_SK_STORAGE_GET_F_CREATE)) {
		__sync_fetch_and_add(&stats->lost, 1);
		return; /* the row stays, for client_of() */
	}
	__sync_fetch_and_add(&stats->peers, 1);
	bpf_map_delete_elem(&kdg_coming, &tuple);
}

/* A socket that connected has closed. */
static __always_inline void peer_closed(struct bpf_sock_ops *ops)
{
	struct kedge_coming *row;
	struct kedge_tuple tuple;

	if (!tuple_of(ops, &tuple, false))
		return;
	row = bpf_map_lookup_elem(&kdg_coming, &tuple);
	if (row && row->cookie == bpf_get_socket_cookie(ops))
		bpf_map_delete_elem(&kdg_coming, &tuple);
}

SEC("sockops")
int kdg_peer_ops(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		peer_connects(ops);
		break;
	case BPF_SOCK_OPS_RWND_INIT: /* the first call for a SYN, also with SYN cookies */
		peer_heard(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		peer_connected(ops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		peer_accepted(ops);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] == BPF_TCP_CLOSE)
			peer_closed(ops);
		break;
	}
	return 1;
}

/* The tuple of an accepted socket, as tuple_of() writes it. False for other families. */
static __always_inline bool tuple_of_asked(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
					   struct kedge_tuple *t)
{
	__u32 *local = (__u32 *)t->local_ip, *remote = (__u32 *)t->remote_ip;

	t->netns = bpf_get_netns_cookie(ctx);
	t->local_port = (__u16)sk->src_port;
	t->remote_port = bpf_ntohs(sk->dst_port);
	t->pad = 0;
	if (sk->family == 2) {
		ip_set_v4(local, sk->src_ip4);
		ip_set_v4(remote, sk->dst_ip4);
		return true;
	}
	local[0] = sk->src_ip6[0];
	local[1] = sk->src_ip6[1];
	local[2] = sk->src_ip6[2];
	local[3] = sk->src_ip6[3];
	remote[0] = sk->dst_ip6[0];
	remote[1] = sk->dst_ip6[1];
	remote[2] = sk->dst_ip6[2];
	remote[3] = sk->dst_ip6[3];
	return sk->family == 10;
}

/* The client to show as the peer of this socket, or NULL. */
static __always_inline struct kedge_client *client_of(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct kedge_client *client;
	struct kedge_coming *row;
	struct kedge_tuple tuple;

	if (!sk)
		return NULL;
	client = bpf_sk_storage_get(&kdg_peer, sk, NULL, 0);
	if (client)
		return client;
	/* There was no memory for its storage. The row exists as long as kedge's end. */
	if (!tuple_of_asked(ctx, sk, &tuple))
		return NULL;
	row = bpf_map_lookup_elem(&kdg_coming, &tuple);
	return row ? &row->client : NULL;
}

SEC("cgroup/getpeername4")
int kdg_peername4(struct bpf_sock_addr *ctx)
{
	struct kedge_client *client = client_of(ctx);
	struct kedge_peer_stats *stats = peer_stats();
	__u32 *ip;

	if (!client || !stats)
		return 1;
	ip = (__u32 *)client->ip;
	if (ip[0] || ip[1] || ip[2] != bpf_htonl(0xffff)) {
		/* An IPv6 client. Never show kedge's own address: the application may trust it. */
		ctx->user_ip4 = bpf_htonl(KEDGE_NOBODY_IP4);
		ctx->user_port = bpf_htons(client->port);
		__sync_fetch_and_add(&stats->not_shown, 1);
		return 1;
	}
	ctx->user_ip4 = ip[3];
	ctx->user_port = bpf_htons(client->port);
	__sync_fetch_and_add(&stats->shown, 1);
	return 1;
}

SEC("cgroup/getpeername6")
int kdg_peername6(struct bpf_sock_addr *ctx)
{
	struct kedge_client *client = client_of(ctx);
	struct kedge_peer_stats *stats = peer_stats();
	__u32 *ip;

	if (!client || !stats)
		return 1;
	ip = (__u32 *)client->ip;
	ctx->user_ip6[0] = ip[0];
	ctx->user_ip6[1] = ip[1];
	ctx->user_ip6[2] = ip[2];
	ctx->user_ip6[3] = ip[3];
	ctx->user_port = bpf_htons(client->port);
	__sync_fetch_and_add(&stats->shown, 1);
	return 1;
}
