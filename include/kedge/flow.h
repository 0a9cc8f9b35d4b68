/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the value of kdg_flow, one flow in the kernel, and of kdg_text, what goes into its
 * requests. The daemon writes the flow once, before connect(2). After that only the BPF programs
 * write it. bpftool can read both.
 */
#pragma once

#include "abi.h"
#include "http1_state.h"

/* Bits of kedge_flow.flags. */
#define KEDGE_FLOW_EDIT   0x01 /* requests are edited; else only steered */
#define KEDGE_FLOW_BYPASS 0x02 /* sockops may pair it, messages may be redirected */

/*
 * Scratch of one run of the editor over one message. It is in the map value because the verifier
 * treats every load from there as an unknown number, so that loops converge at once. Positions
 * count from the start of the message as edited so far.
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
	__u8 full;      /* too many edits: another run judges the rest */
	__u8 error;     /* a helper failed */
	__u8 spare;     /* bytes behind `size` that the program may use; unused ones are cut off */
	__u8 cuts;      /* lines taken out, as part of `edits` */
	__u8 pad[1];
};

struct kedge_flow {
	__u32 slot;   /* in kdg_note */
	__u32 worker; /* row of kdg_stats */
	__u8 flags;   /* KEDGE_FLOW_* */
	__u8 split;   /* this message is judged in parts: none of them may be redirected */
	__u8 pad[2];
	__u32 requests;       /* heads that went on */
	struct kedge_end app; /* the application's end, by sockops; cookie 0: not paired */
	__u64 messages;       /* sends seen, parts counted */
	__u64 bytes;          /* in them, after the edit; edited flows only */
	struct kedge_run run;
	struct http1 http;
};

/*
 * What goes into a flow's requests: the value of kdg_text. The daemon writes it through its
 * mapping, without a system call, before the first send and between two requests. So a flow may
 * serve one client after the other. The programs only read it.
 */
struct kedge_text {
	struct http1_conf conf;
	char client[48]; /* its address as text, for people; empty when it is not added */
};

#ifndef KEDGE_SHRUNK
_Static_assert(sizeof(struct kedge_flow) == 1224, "pinned layout");
_Static_assert(sizeof(struct kedge_text) == 320, "pinned layout");
#endif
