/*
 * The true peer: on the application's end of a flow, accept() and getpeername() give the client.
 *
 * The daemon writes the client into the storage of its own socket before it connects. As its SYN goes
 * out the address is left under the connection's name (kdg_coming), and as the other end is
 * established, which is before anybody can accept it, moved into that socket's storage. From there it
 * is read for as long as that socket lives and the programs are attached, which is as long as kedge's
 * process. A socket that has none is left alone.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kedge/abi.h"
#include "tuple.bpf.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kedge_client);
} kdg_client SEC(".maps");

/* LRU for connections that the application never completes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct kedge_tuple);
	__type(value, struct kedge_client);
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
	struct kedge_client *client;
	struct kedge_tuple tuple;

	if (!sk)
		return;
	client = bpf_sk_storage_get(&kdg_client, sk, NULL, 0);
	if (client && tuple_of(ops, &tuple, false))
		bpf_map_update_elem(&kdg_coming, &tuple, client, BPF_ANY);
}

static __always_inline void peer_accepted(struct bpf_sock_ops *ops)
{
	struct kedge_peer_stats *stats = peer_stats();
	struct bpf_sock *sk = ops->sk;
	struct kedge_client *client;
	struct kedge_tuple tuple;

	if (!sk || !stats || !tuple_of(ops, &tuple, true))
		return;
	client = bpf_map_lookup_elem(&kdg_coming, &tuple);
	if (!client)
		return;
	if (bpf_sk_storage_get(&kdg_peer, sk, client, BPF_SK_STORAGE_GET_F_CREATE))
		__sync_fetch_and_add(&stats->peers, 1);
	else
		__sync_fetch_and_add(&stats->lost, 1);
	bpf_map_delete_elem(&kdg_coming, &tuple);
}

SEC("sockops")
int kdg_peer_ops(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		peer_connects(ops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		peer_accepted(ops);
		break;
	}
	return 1;
}

/* The client of the socket that is asked for its peer, or NULL. */
static __always_inline struct kedge_client *client_of(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk ? bpf_sk_storage_get(&kdg_peer, sk, NULL, 0) : NULL;
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
