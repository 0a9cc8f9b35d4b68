/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the addresses of a host, by the name service of this system (nsswitch.conf,
 * resolv.conf). getaddrinfo(3) knows no time limit. So for the main thread, which waits at startup
 * and in a reload, it runs in a thread of its own, which is left behind when the time is over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"

/* Of one name; more are left out. */
#define RESOLVE_MAX 16

/* How long anybody waits for one name: two servers of the C library's defaults may be dead. */
#define RESOLVE_MS 12000

struct resolved {
	union addr set[RESOLVE_MAX]; /* each once; the one that RFC 6724 prefers is the first */
	size_t count;                /* at least 1 */
	size_t left_out;
};

struct resolve_wait {
	unsigned ms;
	void (*meanwhile)(void *arg); /* is called some times a second; or NULL */
	void *arg;
};

#define RESOLVE_WHY_SIZE 160

/*
 * All addresses of `host` with this port (host order). By the main thread. 0; or with why[]:
 * -ENOENT: there are none;
 * -ETIMEDOUT; -EBUSY: the thread of an earlier call still waits; -EAGAIN, -EIO: the name service
 * failed; -ENOMEM.
 */
int resolve(struct resolved *out, const char *host, uint16_t port, const struct resolve_wait *wait,
	    char why[RESOLVE_WHY_SIZE]);

/* The same in the calling thread, any but the main one, for as long as it takes. Never -ETIMEDOUT
 * or -EBUSY. */
int resolve_here(struct resolved *out, const char *host, uint16_t port, char why[RESOLVE_WHY_SIZE]);

/* The first one that a socket can be made for, or NULL. */
const union addr *resolve_usable(const struct resolved *r);

/*
 * Fills in the address of every server that is a name, with the first one that a socket can be made
 * for, and logs which. 0, or -errno after a logged line; -ELOOP: it leads back to a listener.
 */
int resolve_servers(struct conf *conf, const struct resolve_wait *wait);
