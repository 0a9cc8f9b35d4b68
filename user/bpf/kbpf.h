/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the BPF side as the daemon sees it. bpf.c is the only file that includes a skeleton or
 * touches a map. One `struct kbpf` a process, opened before the workers start, shared by them;
 * every function below it is safe from the worker that owns the flow.
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
	bool edit;          /* load for editing */
	bool bypass;        /* attach the sockops program as well */
	const char *cgroup; /* cgroup v2 directory that holds kedge and the application; NULL: our
			       own */
	const char *pin;    /* directory on a bpffs, made if missing; NULL: no pins */
	unsigned workers;   /* rows of kdg_stats; each has its own slots of kdg_note */
	uint32_t flows_max; /* in all workers */
	/* Slots of each worker, for flows that are not spread evenly; 0: its share of flows_max. */
	uint32_t flows_each;
};

/*
 * Opens, loads, attaches, pins. 0 or -errno with why[] saying object, cause and next step ("sk_msg
 * program refused: no CAP_BPF: run as root or ..."). Pins left by a kedge that died are replaced;
 * pins of one that lives are an error (-EBUSY).
 */
int kbpf_open(struct kbpf **out, const struct kbpf_opts *opts, char why[256]);

/* Detaches, unpins, closes. Sockets still in a map keep working until closed. NULL is fine. */
void kbpf_close(struct kbpf *bpf);

/*
 * Only unpins, for a process that ends with its workers still running: what they use stays. Then
 * only the end of the process is left. NULL is fine.
 */
void kbpf_unpin(struct kbpf *bpf);

/*
 * Makes another user the owner of pin directory and pins, so that they can be removed after kedge
 * has become that user. 0 or -errno. Without pins, 0.
 */
int kbpf_give(struct kbpf *bpf, uid_t uid, gid_t gid);

/* Can map entries be changed with the capabilities that are effective now? */
bool kbpf_may_update(struct kbpf *bpf);

/* Row of the mmapped kdg_stats; valid until kbpf_close(). */
struct kedge_stats *kbpf_stats(struct kbpf *bpf, unsigned worker);

/* One flow's handle, embedded in the editor or the flow. */
struct kbpf_flow {
	uint64_t cookie; /* of the app-leg socket; 0: not registered */
	uint32_t slot;
	unsigned worker;
	bool edits;              /* it has a conf: each message is seen by the editor */
	uint8_t text_len;        /* of the conf: what a head grows by at most */
	struct kedge_note *note; /* in the mmapped kdg_note */
};

/*
 * Before connect(2): makes the flow's entry in kdg_flow so that the sockops program can tell
 * kedge's own socket from others. conf NULL: no edit in BPF (bypass only). 0 or -errno (-ENOSPC: no
 * slot left; -EOPNOTSUPP: not a TCP socket).
 */
int kbpf_flow_add(struct kbpf *bpf, struct kbpf_flow *flow, int fd, unsigned worker,
		  const struct http1_conf *conf, bool bypass);

/*
 * After the connection is established, before the first send: puts the socket under the sk_msg
 * program. 0 or -errno (-ECONNRESET: the application has closed the connection already; -EBUSY:
 * another program has the socket; -ENOLINK: ours is attached no longer). After an error only
 * kbpf_flow_del() may follow, which takes the socket from under whatever it is under of ours.
 */
int kbpf_flow_join(struct kbpf *bpf, struct kbpf_flow *flow, int fd);

/* True when the sockops program has seen both ends, so that bytes may bypass loopback TCP. */
bool kbpf_flow_paired(struct kbpf *bpf, const struct kbpf_flow *flow);

/* The answer to an upgrade: tunnel, or back to HTTP. 0 or -errno. */
int kbpf_flow_resume(struct kbpf *bpf, struct kbpf_flow *flow, bool tunnel);

/* Removes every entry of the flow and frees its slot; safe when not registered. */
void kbpf_flow_del(struct kbpf *bpf, struct kbpf_flow *flow);
