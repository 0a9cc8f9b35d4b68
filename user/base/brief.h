/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: memory for what lives briefly. malloc(3) puts it between objects that live long. When
 * it is freed, it leaves holes there, and the process keeps their pages. Here it is on pages of its
 * own, by size, and empty ones go back to the kernel.
 *
 * For one thread at a time. With the address sanitizer all of it comes from malloc(3), so that each
 * use after the end, each overflow and each leak is found.
 */
#pragma once

#include <stddef.h>
#include <sys/queue.h>

struct brief_block;
TAILQ_HEAD(brief_blocks, brief_block);

/* Objects of one size. */
struct brief_class {
	size_t size;               /* of an object; 0: the class is not used yet */
	struct brief_blocks some;  /* blocks with room, those to fill first */
	struct brief_block *spare; /* one of them that is empty; NULL: none is */
};

/* Sizes beyond this number come from malloc(3). */
#define BRIEF_CLASSES 8

/* All zero: nothing taken. It must stay where it is in memory. */
struct brief {
	struct brief_class classes[BRIEF_CLASSES];
};

/*
 * Zeroed memory, aligned as malloc(3) aligns. NULL when out of memory. `b` may be NULL: then it
 * comes from malloc(3).
 */
void *brief_take(struct brief *b, size_t size);

/* Gives it back. NULL is fine. */
void brief_give(void *p);

/* Gives the pages back. Everything that was taken has been given back. */
void brief_fini(struct brief *b);
