/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs that edit and steer. Entry points only; the work is in the headers. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "edit.bpf.h"
#include "maps.bpf.h"
#include "pair.bpf.h"
#include "sock.bpf.h"
#include "steer.bpf.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* On a cgroup: pairs the two ends of a flow whose bytes may bypass loopback TCP. */
SEC("sockops")
int kdg_sockops(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		pair_connected(ops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		pair_accepted(ops);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] == BPF_TCP_CLOSE)
			pair_closed(ops);
		break;
	}
	return 1;
}

/* Request direction: sends the edited message past loopback TCP if that is allowed. */
static __always_inline int steer_request(struct sk_msg_md *msg, struct tcp_sock *tp,
					 struct kedge_flow *flow, struct kedge_stats *stats)
{
	__u32 size = msg->size;
	__u64 to = flow->app.cookie;

	if (!to)
		return SK_PASS;
	switch (steer_may(tp, &flow->app, size)) {
	case STEER_YES:
		if (bpf_msg_redirect_hash(msg, &kdg_appleg, &to, BPF_F_INGRESS) == SK_PASS) {
			stats->steer_redirected++;
			stats->steer_redirected_bytes += size;
			return SK_PASS;
		}
		/* fallthrough: not in the map any more; TCP gives the sender a proper error */
	case STEER_STALE:
		stats->steer_stale++;
		/* fallthrough */
	case STEER_NO:
		stats->steer_passed++;
	}
	return SK_PASS;
}

/*
 * On kedge's app-leg sockets, in kedge's own send(): edits requests, then steers them. Everything
 * written here belongs to the worker that is sending, so plain stores are enough.
 */
SEC("sk_msg")
int kdg_request(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct kedge_stats *stats;
	struct kedge_flow *flow;
	__u64 cookie;

	if (!tp)
		return SK_DROP;
	cookie = sock_cookie(tp);
	flow = bpf_map_lookup_elem(&kdg_flow, &cookie);
	if (!flow)
		return SK_DROP; /* a request must not go out unedited */
	stats = stats_of(flow->worker);
	if (!stats)
		return SK_DROP;
	stats->bpf_messages++;
	flow->messages++;
	if (flow->flags & KEDGE_FLOW_EDIT) {
		switch (edit_message(msg, flow, stats)) {
		case EDIT_DROP:
			return SK_DROP;
		case EDIT_PASS:
			stats->steer_passed += flow->app.cookie != 0;
			return SK_PASS;
		case EDIT_DONE:
			break;
		}
	}
	if (flow->flags & KEDGE_FLOW_BYPASS)
		return steer_request(msg, tp, flow, stats);
	return SK_PASS;
}

/* On the application's accepted sockets, in its own send(): responses, steered only. */
SEC("sk_msg")
int kdg_response(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct kedge_stats *stats;
	struct kedge_flow *flow;
	struct kedge_note *note;
	struct kedge_end *end;
	__u32 size = msg->size;
	__u64 cookie;

	if (!tp)
		return SK_PASS;
	cookie = sock_cookie(tp);
	end = bpf_map_lookup_elem(&kdg_app, &cookie);
	if (!end)
		return SK_PASS;
	stats = stats_of(end->worker);
	note = note_of(end->slot);
	if (!stats || !note)
		return SK_PASS;
	cookie = end->cookie;
	if (steer_may(tp, end, size) == STEER_YES &&
	    bpf_msg_redirect_hash(msg, &kdg_leg, &cookie, BPF_F_INGRESS) == SK_PASS) {
		__sync_fetch_and_add(&stats->steer_down_redirected, 1);
		__sync_fetch_and_add(&stats->steer_down_bytes, size);
		return SK_PASS;
	}
	__sync_fetch_and_add(&stats->steer_down_passed, 1);
	flow = bpf_map_lookup_elem(&kdg_flow, &cookie);
	if (flow && flow->slot == end->slot) /* else another flow has the slot now */
		note->mixed = 1;
	return SK_PASS;
}
