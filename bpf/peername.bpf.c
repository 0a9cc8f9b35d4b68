/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The true peer: on the application's end of a flow, accept() and getpeername() give the client.
 *
 * The daemon writes the client into the storage of its own socket before it connects. As its SYN
 * goes out the address is left under the connection's name (kdg_coming), and as the other end is
 * established, which is before anybody can accept it, moved into that socket's storage. From there
 * it is read for as long as that socket lives and the programs are attached, which is as long as
 * kedge's process. A socket that has none is left alone.
 *
 * I1  A row of kdg_coming belongs to one living socket of kedge's: that socket's TCP_CLOSE deletes
 *     it, however it came to that, and a row that could not be deleted then is never made. While it
 *     lives no other socket has its tuple; who connects from a tuple without a client deletes its
 *     row first.
 * I2  No row makes room for another one: a full map refuses, and the daemon reads that.
 * I3  The daemon knows before it sends a byte whether the application's end will have the client:
 *     the SYN has shown, at the other end, that the program runs there and which addresses that
 *     socket has.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kedge/abi.h"
#include "tuple.bpf.h"

char _license[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kedge_client);
} kdg_client SEC(".maps");

/* From kedge's SYN to the application's ACK. Its size is set by the daemon before the load. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct kedge_tuple);
	__type(value, struct kedge_coming);
} kdg_coming SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kedge_client);
} kdg_peer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kedge_peer_stats);
} kdg_peer_stats SEC(".maps");

static __always_inline struct kedge_peer_stats *peer_stats(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&kdg_peer_stats, &only);
}

/* A SYN is about to go out: if it is kedge's, its tuple is known from here on. */
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
 * A SYN has come: it is not said of which socket (there is none yet), but the listener's family is.
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

/* The answer to kedge's SYN is here: what its row has become is for the daemon to read. */
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

/* A socket that has connected is over. */
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
	case BPF_SOCK_OPS_RWND_INIT: /* the first thing asked about a SYN, also one with a cookie */
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

/* The connection of an accepted socket, as tuple_of() names it. False for other families. */
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

/* The client of the socket that is asked for its peer, or NULL. */
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
	/* Its storage could not be made, for lack of memory: the row is there while kedge's end is.
	 */
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
		/* An IPv6 client. Anything but kedge's own address, which the application may
		 * trust. */
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
