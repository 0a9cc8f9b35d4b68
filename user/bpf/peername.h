/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the true peer (bpf/peername.bpf.c): applications that ask their socket are given the
 * client's address. Independent of records, edit and bypass. One a process, opened before the
 * workers start; peername_set() may be called from each of them.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "kedge/abi.h"

struct peername;

struct peername_opts {
	const char *cgroup;     /* cgroup v2 directory that holds kedge; NULL: our own */
	const char *app_cgroup; /* the same for the application; NULL: the one above holds both */
	bool everywhere;        /* all of the hierarchy instead of these two */
	const char *pin;    /* directory on a bpffs: maps are pinned in PIN-peername; NULL: not */
	uint32_t flows_max; /* connections that may be on their way at once */
};

/*
 * Loads, attaches, pins. 0 or -errno with why[] saying object, cause and next step. Programs are on
 * each cgroup by a link, so that they are gone when this process is.
 */
int peername_open(struct peername **out, const struct peername_opts *opts, char why[256]);

/* Detaches, unpins, closes. NULL is fine. */
void peername_close(struct peername *p);

/* Only unpins, see kbpf_unpin(). NULL is fine. */
void peername_unpin(struct peername *p);

/* Makes another user the owner of the pins. 0 or -errno. */
int peername_give(struct peername *p, uid_t uid, gid_t gid);

/* Would peername_set() be allowed with the capabilities that are effective now? */
bool peername_may_set(struct peername *p);

/*
 * Before connect(2) of an app leg: its other end will show `client` for its peer; NULL: somebody
 * nobody knows. An address other than IPv4 or IPv6 counts as that. 0 or -errno.
 */
int peername_set(struct peername *p, int fd, const union addr *client);

/*
 * Once it is connected, before anything is sent: will the other end show the client? 0 or -errno:
 *   -EAFNOSUPPORT  the client has an IPv6 address, the other end an IPv4 socket, which shows
 *                  192.0.0.8
 *   -ENXIO         no program is attached where the other end is: it shows kedge
 *   -ENOSPC        there was no room for the name: likewise
 */
int peername_outcome(struct peername *p, int fd);

/* Are all programs attached still? Somebody may have detached one, or removed its cgroup. */
bool peername_attached(const struct peername *p);

/*
 * The mmapped counters, valid until peername_close(); and their beginning anew, as after a probe.
 */
void peername_clear_stats(struct peername *p);
const struct kedge_peer_stats *peername_stats(const struct peername *p);
