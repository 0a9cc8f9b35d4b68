/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests: the guard's program in the kernel, in a network namespace of this test program. It is not
 * attached; frames come by BPF_PROG_TEST_RUN. An error fails the running cmocka test.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#include "kedge/guard.h"
#include "packet.h"

extern struct guard_bpf *guard;
extern int guard_program;

/* For a group of tests: loads the program. It can answer with SYN cookies. */
int guard_setup(void **state);
int guard_teardown(void **state);

/* Writes the row of kdg_guard_config; version and lease (never) are filled in. */
void guard_configure(struct kedge_guard_config config);

/* Rules of a side: a listener, "0.0.0.0" and "::" being all addresses; a source, "10.0.0.0/8". */
void guard_listen(unsigned side, const char *ip, uint16_t port, unsigned set, bool judge);
void guard_allow(unsigned side, unsigned set, const char *cidr);
/* Deletes rules, buckets, fragments and refused sources. */
void guard_clear(void);

/* The counters, summed over all cores, by enum kedge_guard_count. */
void guard_rig_counters(uint64_t counts[KEDGE_GUARD_COUNTS]);
const char *guard_counter_name(unsigned count);

/* Runs a frame once. The verdict; *count: the one counter that rose, by one. */
unsigned guard_rig_run(const void *bytes, size_t len, unsigned *count);
