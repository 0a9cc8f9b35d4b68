/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: oracle_leg.c and oracle_part.c: where a leg is, and what has come on it. */
#pragma once

#include "people.h"

#define YOUNG_US      1000000
#define LOOKED_AT_US  100000
/* The wheel looks at a timer so much later. */
#define TIMER_LATE_MS 200

/* Why a leg is given up. kedge counts all but the last two. */
enum parting {
	PARTS_IDLE,
	PARTS_CLOSED,
	PARTS_DOUBTED,
	PARTS_OLD,
	PARTS_AGAIN,
	PARTS_WANTED,
	PARTINGS,
	PARTS_SHARED = PARTINGS, /* others may have it */
	PARTS_UNKNOWN,
};

/* Which one it has counted since the last call, and *n: how many. */
enum parting leg_counted(unsigned *n);
/* kedge learns from an application that has closed a leg, and gives others up before that. */
void leg_learn(uint64_t idle_ms);
/* So a leg of this client is not given up before that. */
uint64_t leg_idle_least_ms(const struct client *c);

/* In script.want: the first byte of this request; SIZE_MAX: unknown. */
size_t leg_start_of(const struct client *c, unsigned k);
/* The same in script.say; 0: unknown. */
size_t leg_say_start_of(const struct client *c, unsigned k);

/* An empty line comes before this request: the leg that has half of it stays with its client. */
bool leg_line_before(const struct client *c, unsigned k);

/* What has come on the client's present leg. */
struct came {
	unsigned finals; /* responses that were read to their end */
	size_t end;      /* of the last of them, in the client's stream */
	bool closes, odd, lost, tunnel, doubtful, hasty, early, premature, crossed;
};

struct came leg_came_on(const struct served *l);

/* All that was asked for on it is answered, and nothing else has come. */
bool leg_is_idle(const struct served *l);

static inline bool leg_app_over(const struct served *l)
{
	return l->s->in_fin || l->s->state == TCP_DEAD;
}
