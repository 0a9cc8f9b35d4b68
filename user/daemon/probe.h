/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: tries for real what the running kernel can do, one function a capability, and says why
 * not and what to do about it. `kedge probe` prints it; `kedge run` decides by it. Never by
 * version.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/kbpf.h"
#include "tls/ktls.h"
#include "bpf/peername.h"

#define PROBE_ROWS_MAX 28

struct probe_row {
	const char *capability; /* "record", "edit", "bypass", "peername", "guard" */
	char name[40];          /* what was tried: "tls1.3 aes-128-gcm" */
	bool ok;
	char detail[200]; /* what was seen, or why not */
	const char *next; /* next step where it is missing, or NULL */
};

struct probe_report {
	struct probe_row rows[PROBE_ROWS_MAX];
	size_t count;
	struct ktls_caps caps;
	bool record, edit, bypass, peername, guard; /* the capability as a whole works */
};

/* Kernel TLS: every version and suite both ways, rekey, splice. */
void probe_record(struct probe_report *r);

/* Puts a request through the sk_msg program on a loopback pair. `bpf` is open for editing. */
void probe_edit(struct probe_report *r, struct kbpf *bpf);

/* Sends bytes past loopback TCP, both ways, and asks FIONREAD. `bpf` is open for bypass. */
void probe_bypass(struct probe_report *r, struct kbpf *bpf);

/* Asks an accepted socket for its peer. */
void probe_peername(struct probe_report *r, struct peername *peername);

/* Loads the guard's program, alone and for libxdp's dispatcher. */
void probe_guard(struct probe_report *r);

/* Add a row for a BPF object that could not even be opened; `why` is kbpf_open()'s or
 * peername_open()'s. */
void probe_no_bpf(struct probe_report *r, const char *why);
void probe_no_peername(struct probe_report *r, const char *why);
