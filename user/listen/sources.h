/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how many connections each source address has: an IPv4 address, or the /64 of an IPv6
 * address, since that is what one host is given. For all workers; bounded by the connections there
 * are.
 */
#pragma once

#include "base/addr.h"

struct sources;
struct source;

/* NULL when out of memory. */
struct sources *sources_new(void);
/* Only when nobody is counted. NULL is fine. */
void sources_free(struct sources *s);

/*
 * Any thread. Counts one more connection of this address and gives a handle for sources_leave();
 * NULL for an address that is neither IPv4 nor IPv6, which is not counted. 0; -EDQUOT: it has `max`
 * already; -ENOMEM.
 */
int sources_enter(struct sources *s, struct source **out, const union addr *client, unsigned max);
/* NULL is fine. */
void sources_leave(struct sources *s, struct source *source);

/*
 * The same for those that were refused and are still told why, which are counted apart: -EDQUOT
 * when SOURCES_REFUSED_MAX are there already.
 */
#define SOURCES_REFUSED_MAX 8
int sources_refuse(struct sources *s, struct source **out, const union addr *client);
void sources_refuse_over(struct sources *s, struct source *source);
