/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests: compares the editor in the kernel with the one in user space. These tests share one struct
 * kbpf, opened with or without the bypass.
 */
#pragma once

#include "leg.h"
#include "http/xff.h"

#define CLIENT "198.51.100.22"
#define GET    "GET / HTTP/1.1\r\nHost: a\r\n"
#define OURS   "X-Forwarded-For: " CLIENT "\r\n"

extern struct kbpf *both_bpf;
extern bool both_bypass; /* flows may bypass loopback TCP, and do */

/* Fixtures of a group of tests; set both_bypass before. */
int both_setup(void **state);
int both_teardown(void **state);

/* For the client CLIENT on a TLS listener. */
void conf_make(struct http1_conf *c, enum http1_mode mode, __u16 flags);

/* Text around the byte `at`, on standard error. */
void print_stream(const char *what, const struct bytes *b, size_t at);

/*
 * Gives both editors the same stream in the same pieces (see leg_feed()). True if they agree on the
 * bytes, the note and the error. Otherwise it prints the difference.
 */
bool same(const struct http1_conf *c, const void *in, size_t len, const size_t *cuts, size_t n,
	  uint64_t tunnels);
