/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: decides what the kernel does for this daemon: the policies of the configuration, and
 * what the probes found. Called once by cmd_run.c, before the workers start.
 */
#pragma once

struct daemon;

/* Why there is no BPF for any flow. */
#define CAPABILITY_UNIX "the application is on a unix socket, which BPF does not see"

/*
 * Probes what the policies ask for and logs the outcome. Objects that will be used stay open in
 * d->shared (bpf, peername); d->record_caps has what kernel TLS can do, d->capability_why
 * why something is not used. Returns 0, or -errno after
 * a line; -ENOTSUP if something required does not work.
 */
int capabilities_decide(struct daemon *d);
