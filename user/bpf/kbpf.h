/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the BPF programs that edit requests and bypass loopback TCP (bpf/flow.bpf.c). There is
 * one `struct kbpf` per process. It is opened before the workers start, and they share it: each
 * worker may call the functions of its own flows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "kedge/abi.h"
#include "kedge/http1.h"

struct kbpf;

struct kbpf_opts {
	bool edit;          /* load the editor */
	bool bypass;        /* attach the sockops program as well */
	const char *cgroup; /* cgroup v2 directory that holds kedge and the application; NULL: our
			       own */
	const char *pin;    /* directory on a bpffs, made if missing; NULL: no pins */
	unsigned workers;   /* rows of kdg_stats; each has its own slots of kdg_note */
	uint32_t flows_max; /* in all workers */
	/* Slots of each worker, if flows are not spread evenly; 0: its share of flows_max. */
	uint32_t flows_each;
};

/*
 * Loads, pins and attaches the programs. 0 or -errno with why[]: object, cause and next step
 * ("BPF programs refused: no CAP_BPF: run as root, or ..."). Replaces the pins of a dead kedge;
 * -EBUSY if a living one uses the directory.
 */
int kbpf_open(struct kbpf **out, const struct kbpf_opts *opts, char why[256]);

/* Detaches, unpins and frees. Sockets in a map keep their program until closed. NULL is fine. */
void kbpf_close(struct kbpf *bpf);

/*
 * Only unpins, for a process that ends while its workers still run and use the maps. NULL is fine.
 */
void kbpf_unpin(struct kbpf *bpf);

/*
 * Makes another user the owner of the pin directory and the pins, so that kedge can remove them
 * after it has become that user. 0, also without pins, or -errno.
 */
int kbpf_give(struct kbpf *bpf, uid_t uid, gid_t gid);

/* Can map entries be changed with the capabilities that are effective now? */
bool kbpf_may_update(struct kbpf *bpf);

/* The row of a worker in the mmapped kdg_stats. Valid until kbpf_close(). */
struct kedge_stats *kbpf_stats(struct kbpf *bpf, unsigned worker);

/* A flow's handle, embedded in the editor or the flow. */
struct kbpf_flow {
	uint64_t cookie; /* of the app-leg socket; 0: not registered */
	uint32_t slot;
	unsigned worker;
	bool edits;              /* it has a conf: the editor sees each message */
	uint8_t text_len;        /* of the conf: the most that a head grows by */
	struct kedge_note *note; /* in the mmapped kdg_note */
	struct kedge_text *text; /* in the mmapped kdg_text */
};

/*
 * Adds the flow to kdg_flow, so that the sockops program knows kedge's own socket. Call it before
 * connect(2). conf NULL: no edit in BPF, bypass only. 0 or -errno (-ENOSPC: no slot is left;
 * -EOPNOTSUPP: not a TCP socket).
 */
int kbpf_flow_add(struct kbpf *bpf, struct kbpf_flow *flow, int fd, unsigned worker,
		  const struct http1_conf *conf, bool bypass);

/*
 * Replaces the text of a flow that was added with a conf. Only between two requests. It takes no
 * system call.
 */
void kbpf_flow_set_text(struct kbpf_flow *flow, const struct http1_conf *conf);

/*
 * Puts the socket under the sk_msg program. Call it when the connection is established, before the
 * first send. 0 or -errno (-ECONNRESET: the application has closed the connection; -EBUSY: another
 * program has the socket; -ENOLINK: our program is no longer attached). After an error only
 * kbpf_flow_del() may follow.
 */
int kbpf_flow_join(struct kbpf *bpf, struct kbpf_flow *flow, int fd);

/* Has the sockops program seen both ends, so that bytes may bypass loopback TCP? */
bool kbpf_flow_paired(struct kbpf *bpf, const struct kbpf_flow *flow);

/* The application has answered an upgrade: go on as a tunnel, or with HTTP. 0 or -errno. */
int kbpf_flow_resume(struct kbpf *bpf, struct kbpf_flow *flow, bool tunnel);

/*
 * How many bytes are still to come of a body with a Content-Length, as the editor has it after the
 * last send. 0 elsewhere.
 */
uint64_t kbpf_flow_body_rest(struct kbpf *bpf, const struct kbpf_flow *flow);

/*
 * Removes all entries of the flow and frees its slot. Does nothing if it is not registered. An
 * entry that the kernel cannot remove now is removed before the slot is used again.
 */
void kbpf_flow_del(struct kbpf *bpf, struct kbpf_flow *flow);
