/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: oracle_leg.c and oracle_part.c: where a leg is, and what has come on it. */
#pragma once

#include "people.h"

#define YOUNG_US     1000000
#define LOOKED_AT_US 100000

/* In script.want: the first byte of this request; SIZE_MAX: unknown. */
size_t leg_start_of(const struct client *c, unsigned k);
/* The same in script.say; 0: unknown. */
size_t leg_say_start_of(const struct client *c, unsigned k);

/* What has come on the client's present leg. */
struct came {
	unsigned finals; /* responses that were read to their end */
	size_t end;      /* of the last of them, in the client's stream */
	bool closes, odd, lost, tunnel, doubtful, hasty;
};

struct came leg_came_on(const struct served *l);

/* All that was asked for on it is answered, and nothing else has come. */
bool leg_is_idle(const struct served *l);

static inline bool leg_app_over(const struct served *l)
{
	return l->s->in_fin || l->s->state == TCP_DEAD;
}
