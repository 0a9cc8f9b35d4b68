/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tests: a bad network, on the egress of an interface, for kernels without netem. It loses segments
 * and sends some twice. Chance is the kernel's.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

/* The mark of a copy, which comes here again. */
#define SECOND          0x6b64
#define CHANCE(percent) (bpf_get_prandom_u32() % 100 < (percent))

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int lossy(struct __sk_buff *skb, __u32 lost, __u32 twice)
{
	if (skb->mark == SECOND)
		return TC_ACT_OK;
	if (CHANCE(lost))
		return TC_ACT_SHOT;
	if (CHANCE(twice)) {
		skb->mark = SECOND;
		bpf_clone_redirect(skb, skb->ifindex, 0);
		skb->mark = 0;
	}
	return TC_ACT_OK;
}

SEC("tc/light")
int lossy_light(struct __sk_buff *skb)
{
	return lossy(skb, 2, 5);
}

SEC("tc/heavy")
int lossy_heavy(struct __sk_buff *skb)
{
	return lossy(skb, 15, 10);
}
