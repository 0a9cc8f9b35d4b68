/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for what lives briefly. See brief.h. */
#include "base/brief.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Small, so that it is empty soon. Some ten of the largest objects are in one. */
#define BLOCK_BYTES 16384

/* The tests define it: they test the pages with the sanitizer, too. */
#ifndef BRIEF_MALLOC
#ifdef __SANITIZE_ADDRESS__
#define BRIEF_MALLOC true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BRIEF_MALLOC true
#endif
#endif
#endif
#ifndef BRIEF_MALLOC
#define BRIEF_MALLOC false
#endif

/* In front of each object. */
struct place {
	alignas(max_align_t) struct brief_block *block; /* NULL: from malloc(3) */
	struct place *next;                             /* of those that were given back */
};

struct brief_block {
	TAILQ_ENTRY(brief_block) link; /* of brief_class.some, unless it is full */
	struct brief_class *class;
	struct place *given; /* places that were given back */
	uint32_t used;       /* places that are taken */
	uint32_t begun;      /* places that were ever taken: those behind have not been touched */
	uint32_t places;
	alignas(max_align_t) uint8_t bytes[];
};

static size_t stride(const struct brief_class *c)
{
	return sizeof(struct place) + c->size;
}

static bool is_full(const struct brief_block *b)
{
	return b->used == b->places;
}

static struct brief_class *class_of(struct brief *b, size_t size)
{
	const size_t align = alignof(max_align_t), round = (size + align - 1) / align * align;

	if (!b || !round || round > BLOCK_BYTES / 4)
		return NULL;
	for (unsigned i = 0; i < BRIEF_CLASSES; i++) {
		struct brief_class *c = &b->classes[i];

		if (c->size == round)
			return c;
		if (c->size)
			continue;
		c->size = round;
		TAILQ_INIT(&c->some);
		return c;
	}
	return NULL;
}

static struct brief_block *block_new(struct brief_class *c)
{
	struct brief_block *b =
		mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	b->class = c; /* the rest is zero */
	b->places = (uint32_t)((BLOCK_BYTES - sizeof(*b)) / stride(c));
	TAILQ_INSERT_HEAD(&c->some, b, link);
	return b;
}

static void block_free(struct brief_block *b)
{
	TAILQ_REMOVE(&b->class->some, b, link);
	munmap(b, BLOCK_BYTES);
}

static struct place *place_take(struct brief_block *b)
{
	struct place *p = b->given;

	if (p)
		b->given = p->next;
	else
		p = (struct place *)(b->bytes + b->begun++ * stride(b->class));
	b->used++;
	p->block = b;
	return p;
}

void *brief_take(struct brief *brief, size_t size)
{
	struct brief_class *c = BRIEF_MALLOC ? NULL : class_of(brief, size);
	struct brief_block *b;
	struct place *p;

	if (!c) {
		p = calloc(1, sizeof(*p) + size);
		return p ? p + 1 : NULL;
	}
	b = TAILQ_FIRST(&c->some);
	if (!b)
		b = block_new(c);
	if (!b)
		return NULL;
	if (c->spare == b)
		c->spare = NULL;
	p = place_take(b);
	if (is_full(b))
		TAILQ_REMOVE(&c->some, b, link);
	return memset(p + 1, 0, c->size);
}

/* One empty block of a class stays: the next object may come soon. */
static void block_empty(struct brief_block *b)
{
	struct brief_class *c = b->class;

	if (c->spare) {
		block_free(b);
		return;
	}
	c->spare = b;
	TAILQ_REMOVE(&c->some, b, link);
	TAILQ_INSERT_TAIL(&c->some, b, link);
}

void brief_give(void *object)
{
	struct brief_block *b;
	struct place *p;

	if (!object)
		return;
	p = (struct place *)object - 1;
	b = p->block;
	if (!b) {
		free(p);
		return;
	}
	/* Blocks that were full are filled last: others may be empty before. */
	if (is_full(b))
		TAILQ_INSERT_TAIL(&b->class->some, b, link);
	assert(b->used);
	b->used--;
	p->next = b->given;
	b->given = p;
	if (!b->used)
		block_empty(b);
}

void brief_fini(struct brief *brief)
{
	for (unsigned i = 0; i < BRIEF_CLASSES && brief->classes[i].size; i++)
		if (brief->classes[i].spare)
			block_free(brief->classes[i].spare);
	*brief = (struct brief){0};
}
