/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the keys and values of the maps that the BPF programs and the daemon share. Those
 * that need the automaton, struct kedge_flow and struct kedge_text, are in flow.h. Nothing else
 * belongs here. Tools of other versions read pinned maps, so a change of layout bumps
 * KEDGE_ABI_VERSION and gets a line in docs/bpf-abi.md. An appended counter or reason does not:
 * tools find those by their BTF names. The maps are declared in bpf/maps.bpf.h.
 *
 *   map         kind             key                        value               written by
 *   kdg_flow    hash             cookie of kedge's app-leg  struct kedge_flow   daemon, then BPF
 *   kdg_note    array, mmapable  slot                       struct kedge_note   daemon resets, BPF
 *   kdg_text    array, mmapable  slot                       struct kedge_text   daemon
 *   kdg_stats   array, mmapable  worker                     struct kedge_stats  both, own fields
 *   kdg_pair    hash             struct kedge_tuple         struct kedge_end    sockops
 *   kdg_app     hash             cookie of the app's end    struct kedge_end    sockops
 *   kdg_leg     sockhash         cookie of kedge's app-leg  that socket         daemon
 *   kdg_appleg  sockhash         cookie of the app's end    that socket         sockops
 *
 * Maps of peername.bpf.c, declared in bpf/peername_maps.bpf.h:
 *   kdg_client      socket storage  kedge's app-leg             struct kedge_client      daemon
 *   kdg_coming      hash            struct kedge_tuple          struct kedge_coming      sockops
 *   kdg_peer        socket storage  the app's end               struct kedge_client      sockops
 *   kdg_peer_stats  array, mmapable 0                           struct kedge_peer_stats  BPF
 */
#pragma once

#include <linux/types.h>

#include "limits.h"

#define KEDGE_ABI_VERSION 4

enum kedge_reason {
	KEDGE_REASON_NONE = 0,
#define X(name, ...) KEDGE_REASON_##name,
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
#define X(name, ...) __u64 name;
#include "reasons.def"
#undef X
	} reasons; /* connections ended, by reason; written by the daemon */
} __attribute__((aligned(64)));

/* Where a flow's request stream is. This is all that the mover needs to know. */
enum kedge_standing {
	KEDGE_BETWEEN = 0, /* at a request boundary, nothing begun */
	KEDGE_HEAD,        /* inside a head */
	KEDGE_BODY,        /* inside a body, its chunk framing or its trailers */
	KEDGE_WAITING,     /* the last request asked for an upgrade: wait for its answer */
	KEDGE_TUNNEL,      /* the application answered 101: bytes pass unread */
	KEDGE_REFUSED,     /* see reason; nothing more goes on */
};

/* What the daemon tells the BPF editor: after KEDGE_WAITING, the last one at KEDGE_BETWEEN. */
enum kedge_command {
	KEDGE_COMMAND_NONE = 0,
	KEDGE_COMMAND_HTTP,   /* the upgrade was declined: the next byte begins a request */
	KEDGE_COMMAND_TUNNEL, /* 101: bytes pass unread */
	KEDGE_COMMAND_NEXT,   /* another client: it has no empty line of the one before */
};

/*
 * What the editor tells the mover. The mover knows nothing else about requests. Both editors write
 * one. The BPF editor's is a slot of the mmapable array kdg_note, so that the mover reads it
 * without a system call after each send. Plain stores are enough: editor and mover of a flow are
 * the same thread (the sk_msg program runs inside the mover's send()).
 */
struct kedge_note {
	__u32 requests; /* heads completed since the flow began; wraps */
	__u32 withheld; /* BPF only: bytes at the end of the last send that were not taken */
	__u32 runs;     /* BPF only: times the editor ran; unchanged if a send() did nothing */
	__u32 sending;  /* BPF only, set before a send with spare bytes: its length with them */
	__u8 spare;     /* BPF only, set as above: bytes at its end for the program to use */
	__u8 standing;  /* enum kedge_standing */
	__u8 reason;    /* enum kedge_reason when REFUSED */
	__u8 command; /* enum kedge_command; BPF only: for the program that sees the next message */
	__u8 paired;  /* BPF only: sockops has seen the application's end */
	__u8 scattered; /* BPF only: the last message was left in several elements */
	__u8 mixed;     /* BPF only: a response message took TCP although others may not */
	__u8 unpaired;  /* BPF only: the errno that kept the application's end from being paired */
	__u64 head_bits[KEDGE_NOTE_RING / 64]; /* bit i % KEDGE_NOTE_RING: request i was a HEAD */
	/*
	 * The number of a request, as in `requests`, whose client wants the connection to end with
	 * its response: the last one that says "Connection: close", or is HTTP/1.0. 0: none.
	 */
	__u32 last;
	__u32 pad;
};

/*
 * A connection as its accepting end sees it. Addresses are in network order, IPv4 as v4-mapped, so
 * that a dual-stack listener and an IPv4 client have the same tuple. Ports are in host order.
 */
struct kedge_tuple {
	__u64 netns; /* cookie of the network namespace */
	__u8 local_ip[16];
	__u8 remote_ip[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
};

/*
 * One end of a bypassed connection. `sk` is read through CO-RE only, and used only if the socket
 * that it points to still has the cookie. Socket memory is reused for sockets only, so the read is
 * always of some socket.
 */
struct kedge_end {
	__u64 cookie;
	__u64 sk;
	__u32 slot;   /* the flow's, in kdg_note */
	__u32 worker; /* the flow's, in kdg_stats */
};

/*
 * The peer that an IPv4 socket is shown for an IPv6 client, and any socket for an unknown client:
 * 192.0.0.8, the dummy address of RFC 7600. No host has it, and it is never routed.
 */
#define KEDGE_NOBODY_IP4 0xc0000008

/* How far a client's address has come, in kedge's own socket and in kdg_coming. */
enum kedge_peer_state {
	KEDGE_PEER_SET = 0, /* no program has seen the socket connect */
	KEDGE_PEER_NO_ROOM, /* no row of kdg_coming could be made */
	KEDGE_PEER_UNHEARD, /* the SYN is out; the application's side has not seen it */
	KEDGE_PEER_HEARD4,  /* an IPv4 listener has seen it */
	KEDGE_PEER_HEARD6,  /* an IPv6 listener has seen it */
};

/* The client, which the application is shown as its peer. */
struct kedge_client {
	__u8 ip[16]; /* network order, IPv4 as v4-mapped */
	__u16 port;  /* host order */
	__u16 state; /* enum kedge_peer_state */
	__u16 pad[2];
};

/* A row of kdg_coming. */
struct kedge_coming {
	struct kedge_client client;
	__u64 cookie; /* of kedge's socket; when it closes, the row is deleted */
};

/* The row of kdg_peer_stats. Additions are atomic: the application's sockets are on all cores. */
struct kedge_peer_stats {
#define X(name, text) __u64 name;
#include "peer_stats.def"
#undef X
};

_Static_assert(KEDGE_REASON_COUNT < 256, "a reason fits a byte");
#ifndef KEDGE_SHRUNK
_Static_assert(sizeof(struct kedge_note) == 288, "pinned layout");
#endif
_Static_assert(sizeof(struct kedge_tuple) == 48, "pinned layout, no hidden padding in a key");
_Static_assert(sizeof(struct kedge_end) == 24, "pinned layout");
_Static_assert(sizeof(struct kedge_client) == 24, "pinned layout");
_Static_assert(sizeof(struct kedge_coming) == 32, "pinned layout");
