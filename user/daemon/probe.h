/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the report of the probes. They try what the running kernel can do. Each attempt has a
 * row, with cause and next step if it failed. `kedge probe` prints the report, `kedge run` decides
 * by it. probe_record.h and probe_bpf.h fill it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/ktls.h"

#define PROBE_ROWS_MAX 28

struct probe_row {
	const char *capability; /* "record", "edit", "bypass", "peername", "guard" */
	char name[40];          /* what was tried: "tls1.3 aes-128-gcm" */
	bool ok;
	char detail[200]; /* what was seen, or why not */
	const char *next; /* next step where it is missing, or NULL */
	bool fallback;    /* `next` only says what kedge does instead */
};

struct probe_report {
	struct probe_row rows[PROBE_ROWS_MAX];
	size_t count;
	struct ktls_caps caps;
	bool record, edit, bypass, peername, guard; /* the capability as a whole works */
};

/* Adds a row, if there are fewer than PROBE_ROWS_MAX. Cuts `name` and text to their arrays. */
void probe_say(struct probe_report *r, const char *capability, const char *name, bool ok,
	       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The next step of the row that was added last, if it is not ok. `next` is borrowed. */
void probe_next_step(struct probe_report *r, const char *next);

/* The same, if it only says what kedge does instead: no help where it is required. */
void probe_fallback(struct probe_report *r, const char *next);

/* Loads the guard's program, alone and for libxdp's dispatcher. */
void probe_guard(struct probe_report *r);

/*
 * Add a row for a BPF object that could not be opened. `why` comes from kbpf_open() or
 * peername_open().
 */
void probe_no_bpf(struct probe_report *r, const char *why);
void probe_no_bypass(struct probe_report *r, const char *why);
void probe_no_peername(struct probe_report *r, const char *why);
