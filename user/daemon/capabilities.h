/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what the kernel does for this daemon: each policy of the configuration against what
 * the probes saw. For cmd_run.c, once, before the workers start.
 */
#pragma once

struct daemon;

/*
 * Probes what the policies ask for and keeps what will be used open in d->shared (bpf, peername),
 * and what record was seen to do in d->record_caps; says the outcome. Returns 0, or -errno after a
 * line: -ENOTSUP when something required cannot be had.
 */
int capabilities_decide(struct daemon *d);
