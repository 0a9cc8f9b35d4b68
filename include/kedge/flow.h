/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the value of kdg_flow, one flow in the kernel. Written by the daemon once, before
 * connect(2); from then on by the BPF programs alone. Read by bpftool.
 */
#pragma once

#include "abi.h"
#include "http1_state.h"

/* Bits of kedge_flow.flags. */
#define KEDGE_FLOW_EDIT   0x01 /* requests are edited; else only steered */
#define KEDGE_FLOW_BYPASS 0x02 /* sockops may pair it, messages may be redirected */

/*
 * Scratch of one run of the editor over one message: loop state that lives in the map value, where
 * the verifier takes every load for an unknown number and loops converge at once. Positions count
 * from the start of the message as edited so far.
 */
struct kedge_run {
	__u32 pos;      /* start of the window */
	__u32 off;      /* bytes of the window read */
	__u32 end;      /* bytes in the window */
	__u32 size;     /* of the message */
	__u32 hold;     /* where the held run begins; 0 when in an earlier message */
	__u32 bound;    /* after the last complete request; 0: none ended in this message */
	__u32 requests; /* heads that go on if the message is cut at bound */
	__u8 act;       /* enum http1_act that ended the byte loop */
	__u8 owed;      /* bytes of the held run that were taken out of earlier messages */
	__u8 edits;     /* places where the message was changed */
	__u8 full;      /* too many of them: the rest is judged in another run */
	__u8 error;     /* a helper failed */
	__u8 spare; /* bytes after size that the daemon sent for us to use; the rest is cut off */
	__u8 cuts;  /* of these, lines taken out */
	__u8 pad[1];
};

struct kedge_flow {
	__u32 slot;   /* in kdg_note */
	__u32 worker; /* row of kdg_stats */
	__u8 flags;   /* KEDGE_FLOW_* */
	__u8 split;   /* the message at hand is judged in parts: none of them may be redirected */
	__u8 pad[2];
	__u32 requests;       /* heads that went on */
	struct kedge_end app; /* the application's end, by sockops; cookie 0: not paired */
	__u64 messages;       /* sends seen, parts counted */
	__u64 bytes;          /* in them, after the edit; edited flows only */
	char client[48];      /* its address as text, for people; empty when it is not added */
	struct kedge_run run;
	struct http1_conf conf;
	struct http1 http;
};

_Static_assert(sizeof(struct kedge_flow) == 1544, "pinned layout");
