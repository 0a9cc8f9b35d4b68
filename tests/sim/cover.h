/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what has happened in all runs of a program, and in those of its children: the memory
 * is shared. Where nothing happens, nothing is found, so some things must have happened.
 */
#pragma once

#include <stdint.h>

#include "kedge/abi.h"

enum cover_what {
	COVER_WHOLE, /* a connection without any fault, judged to the last byte */
	COVER_STALL_LOOKS,
	COVER_RELOADS,
	COVER_DRAINS,
	COVER_CLOSINGS,
	COVER_TOLD,
	COVER_JUMPS,
	COVER_MEMORY_FAULTS,
	COVER_DESCRIPTOR_FAULTS,
	COVER_TURNED_AWAY,
	COVER_SELF,
	COVER_TUNNELS,
	COVER_ENDS_BY_TIME,
	COVER_BREAKS,
	/* In the order of enum parting. */
	COVER_LEGS_IDLE,
	COVER_LEGS_CLOSED,
	COVER_LEGS_DOUBTED,
	COVER_LEGS_OLD,
	COVER_AGAIN,
	COVER_LEGS_WANTED,
	COVER_LEGS_POOLED,
	/* Of those that no client has. */
	COVER_POOL_IDLE,
	COVER_POOL_CLOSED,
	COVER_POOL_UNCOUNTED,
	COVER_LENT,
	COVER_LENT_BACK,
	COVER_UNREAD,
	/* In the order of enum hang_up. */
	COVER_HANGS_IDLE,
	COVER_HANGS_CROSSED,
	COVER_HANGS_UNREAD,
	COVER_HANGS_LINGERS,
	COVER_HANGS_HALF,
	COVER_HANGS_READ,
	COVER_HANGS_SAYS,
	COVER_WHATS,
};

void cover_begin(void);
void cover_transition(unsigned from, unsigned to);
/* So many connections have ended for it. */
void cover_reason(enum kedge_reason reason, uint64_t n);
void cover_answer(enum kedge_reason reason);
void cover_count(enum cover_what what);

/* Prints all. */
void cover_print(void);
/* Prints what should have happened and did not; how many things that are. */
unsigned cover_lacks(void);
