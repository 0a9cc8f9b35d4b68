/*
 * both sides: what the BPF programs and the daemon agree on: map keys, map values. Nothing else
 * belongs here. Pinned maps outlive a daemon, so a change of layout bumps KEDGE_ABI_VERSION and gets a
 * line in docs/bpf-abi.md.
 *
 *   map          kind                key                   value                 written by
 *   kdg_flow     hash                cookie of kedge's     struct kedge_flow     daemon once, then BPF
 *                                    app-leg socket
 *   kdg_note     array, mmapable     slot                  struct kedge_note     daemon resets, BPF writes
 *   kdg_stats    array, mmapable     worker                struct kedge_stats    daemon and BPF, own fields
 *   kdg_pair     LRU hash            struct kedge_tuple    struct kedge_end      sockops
 *   kdg_app      hash                cookie of the app's   struct kedge_end      sockops
 *                                    accepted socket
 *   kdg_leg      sockhash            cookie                kedge's app-leg sockets  daemon
 *   kdg_appleg   sockhash            cookie                the app's accepted ones  sockops
 */
#pragma once

#include <linux/types.h>

#include "limits.h"

#define KEDGE_ABI_VERSION 1

enum kedge_reason {
	KEDGE_REASON_NONE = 0,
#define X(name, status, text) KEDGE_REASON_##name,
#include "reasons.def"
#undef X
	KEDGE_REASON_COUNT
};

/* A row of kdg_stats. Aligned so that two workers never share a cache line. */
struct kedge_stats {
#define X(name, text) __u64 name;
#include "stats.def"
#undef X
	struct {
#define X(name, status, text) __u64 name;
#include "reasons.def"
#undef X
	} reasons; /* connections ended, by reason; written by the daemon */
} __attribute__((aligned(64)));

/* Where a flow's request stream stands, as far as the mover must know. */
enum kedge_standing {
	KEDGE_BETWEEN = 0, /* at a request boundary, nothing begun */
	KEDGE_HEAD,	   /* inside a head */
	KEDGE_BODY,	   /* inside a body, its chunk framing or its trailers */
	KEDGE_WAITING,	   /* the last request asked for an upgrade: no byte goes on before its answer */
	KEDGE_TUNNEL,	   /* the application answered 101: bytes pass unread */
	KEDGE_REFUSED,	   /* see reason; nothing goes on any more */
};

/*
 * What the editor tells the mover, and the only thing the mover must know of requests. Both editors
 * write one; the BPF one through a slot of the mmapable array kdg_note, so that the mover reads it
 * without a system call after each send. Plain stores: editor and mover of a flow are the same thread
 * (the sk_msg program runs inside the mover's send()).
 */
struct kedge_note {
	__u32 requests; /* heads completed since the flow began; wraps */
	__u32 withheld; /* BPF only: bytes at the end of the last send that were not taken (WAITING) */
	__u8 standing;	/* enum kedge_standing */
	__u8 reason;	/* enum kedge_reason when REFUSED */
	__u8 pad[6];
	__u64 head_bits[KEDGE_NOTE_RING / 64]; /* bit i % KEDGE_NOTE_RING: request i was a HEAD */
};

_Static_assert(KEDGE_REASON_COUNT < 256, "a reason fits a byte");
_Static_assert(sizeof(struct kedge_note) == 144, "pinned layout");
