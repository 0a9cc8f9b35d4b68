/* SPDX-License-Identifier: BSD-2-Clause */
/* bench only: shared by the two parts of uring_facts: one ring, and socket pairs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <liburing.h>

#include "bpf/kbpf.h"

/* The ring's buffers. */
#define FACTS_GROUP 0

extern struct io_uring facts_ring;

/* Ends the program with errno's reason unless ok. */
void check(bool ok, const char *what);

/* Prints one. */
__attribute__((format(printf, 2, 3))) void fact(const char *name, const char *format, ...);

void open_ring(void);
void close_ring(void);

/*
 * Waits for the next completion. Sets, if not NULL, *flags to its flags and *buffer to the buffer
 * that it filled, or NULL. -ETIME when none comes.
 */
int complete(unsigned *flags, uint8_t **buffer);

/* Submits the prepared entry and waits for its completion. */
int run(void);

/* A result in words; valid until the next call. */
const char *named(int result);

/*
 * A pair of connected sockets; pair[0] is kedge's end. bpf, if not NULL: under its sk_msg program,
 * with an editor's conf; the caller ends *flow.
 */
void connect_pair(int pair[2], struct kbpf *bpf, struct kbpf_flow *flow,
		  const struct http1_conf *conf);

/* For half a second at most. */
void wait_readable(int fd);

/* Everything about kernel TLS (uring_facts_tls.c). */
void tls_facts(void);
