/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: probes the BPF programs between kedge and the application. */
#pragma once

#include "bpf/kbpf.h"
#include "bpf/peername.h"
#include "daemon/probe.h"

/* Puts a request through the sk_msg program on a loopback pair. `bpf` is open for editing. */
void probe_edit(struct probe_report *r, struct kbpf *bpf);

/* Sends bytes through the bypass, both ways, and asks FIONREAD. `bpf` is open for bypass. */
void probe_bypass(struct probe_report *r, struct kbpf *bpf);

/* Asks an accepted socket for its peer. */
void probe_peername(struct probe_report *r, struct peername *peername);
