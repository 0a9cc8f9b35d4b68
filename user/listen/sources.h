/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: counts the connections of each source address, in all workers. A source is an IPv4
 * address, or the /64 of an IPv6 address, because a host usually has a whole /64. There is never
 * more than one source per connection.
 */
#pragma once

#include "base/addr.h"

struct sources;
struct source;

/* NULL when out of memory. */
struct sources *sources_new(void);
/* Only after every connection has left. NULL is fine. */
void sources_free(struct sources *s);

/*
 * Any thread. Counts one more connection of this address. *out is for sources_leave(); NULL for an
 * address that is neither IPv4 nor IPv6, which is not counted. 0; -EDQUOT: the address has `max`
 * already; -ENOMEM.
 */
int sources_enter(struct sources *s, struct source **out, const union addr *client, unsigned max);
/* NULL is fine. */
void sources_leave(struct sources *s, struct source *source);

/*
 * The same for connections that were refused and still get an answer. They are counted separately:
 * -EDQUOT if the address has SOURCES_REFUSED_MAX of them already.
 */
#define SOURCES_REFUSED_MAX 8
int sources_refuse(struct sources *s, struct source **out, const union addr *client);
void sources_refuse_over(struct sources *s, struct source *source);
