/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the client legs of `kedge probe --speed`, as kedge has them after the handshake, with
 * one of the two record layers. A leg's other end is a client (speed_client.h) in the same thread.
 * Only the calls of the record layer count, by the clock of this thread's CPU time.
 *
 * What TCP does for loopback counts too, where the kernel does it within such a call; it is the
 * same for both layers. What the kernel does for a leg while the client sends does not count. With
 * kernel TLS this is to look for the end of each record.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/probe_pair.h"
#include "daemon/speed_client.h"
#include "daemon/speed_figures.h"
#include "tls/record.h"

/* Legs that get their requests together: the clock is read once for all. */
#define SPEED_REQUEST_LEGS 8
#define SPEED_LEGS         (SPEED_REQUEST_LEGS + 1) /* and one for bodies */

/* As those of a worker; both layers use them in turn. Begins with all zero. */
struct speed_buffers {
	struct kedge_stats stats;
	uint8_t *data; /* what is read, and what is written */
	struct record_scratch scratch;
};

struct speed_leg {
	struct probe_pair ends; /* near: the client, far: kedge */
	struct record *record;
	struct speed_skip skip;
};

struct speed_legs {
	struct speed_leg legs[SPEED_LEGS];
	struct speed_buffers *buffers; /* borrowed */
};

/* 0 or -ENOMEM; call speed_buffers_close() in both cases, after speed_legs_close(). */
int speed_buffers_open(struct speed_buffers *b);
void speed_buffers_close(struct speed_buffers *b);

/*
 * Connects all legs and gives them the keys of speed_client.h. 0; or -errno, and *what is what
 * failed. Call speed_legs_close() in both cases.
 */
int speed_legs_open(struct speed_legs *l, enum speed_layer layer, enum tls_suite suite,
		    struct speed_buffers *buffers, const char **what);
void speed_legs_close(struct speed_legs *l);

/*
 * Each adds to *ns. 0, or -errno: a record did not arrive (-ETIMEDOUT), or arrived wrong
 * (-EBADMSG), and the legs are of no use any more.
 */

/* SPEED_REQUEST_LEGS requests, as the client has sealed the last one, each with its response. */
int speed_legs_requests(struct speed_legs *l, const struct speed_client *c, uint64_t *ns);

/* One body to the client. */
int speed_legs_down(struct speed_legs *l, uint64_t *ns);

/* One body from the client, as it has sealed the last one. */
int speed_legs_up(struct speed_legs *l, const struct speed_client *c, uint64_t *ns);
