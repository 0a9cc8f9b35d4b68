/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the true peer (bpf/peername.bpf.c): an application that asks its socket for the peer
 * gets the client's address. It does not depend on records, edit and bypass. One per process,
 * opened before the workers start. Each worker may call the functions for connections.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "kedge/abi.h"

struct peername;

/* Appended to the pin directory of kbpf.h. */
#define PEERNAME_PIN "-peername"

struct peername_opts {
	const char *cgroup;     /* cgroup v2 directory that holds kedge; NULL: our own */
	const char *app_cgroup; /* the same for the application; NULL: it is in the one above */
	bool everywhere;        /* attach to the root of the hierarchy instead */
	const char *pin;        /* directory on a bpffs: pins maps in PIN-peername; NULL: no pins */
	uint32_t flows_max;     /* connections that may be opening at a time */
};

/*
 * Loads, attaches and pins. 0 or -errno with why[]: object, cause and next step. The programs are
 * attached by links, so they go when this process ends.
 */
int peername_open(struct peername **out, const struct peername_opts *opts, char why[256]);

/* Detaches, unpins and frees. NULL is fine. */
void peername_close(struct peername *p);

/* Only unpins, see kbpf_unpin(). NULL is fine. */
void peername_unpin(struct peername *p);

/* Makes another user the owner of the pins. 0 or -errno. */
int peername_give(struct peername *p, uid_t uid, gid_t gid);

/* Would peername_set() be allowed with the capabilities that are effective now? */
bool peername_may_set(struct peername *p);

/*
 * Sets the peer that the other end of an app leg will show. Call it before connect(2). NULL, or an
 * address that is neither IPv4 nor IPv6: the client is unknown (KEDGE_NOBODY_IP4). 0 or -errno.
 */
int peername_set(struct peername *p, int fd, const union addr *client);

/*
 * Will the other end show the client? Call it when the app leg is connected, before anything is
 * sent. 0 or -errno:
 *   -EAFNOSUPPORT  no: the client has an IPv6 address and the other end is an IPv4 socket, which
 *                  shows 192.0.0.8
 *   -ENXIO         no: the programs are not attached at the other end, which shows kedge
 *   -ENOSPC        no: kdg_coming was full, so the other end shows kedge
 */
int peername_outcome(struct peername *p, int fd);

/* Are all programs still attached? Root can detach one, or remove its cgroup. */
bool peername_attached(const struct peername *p);

/* Sets all counters to zero, as after a probe; and the counters, valid until peername_close(). */
void peername_clear_stats(struct peername *p);
const struct kedge_peer_stats *peername_stats(const struct peername *p);
