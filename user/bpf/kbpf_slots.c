/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack of free slots for each worker. See kbpf_slots.h. */
#include "bpf/kbpf_slots.h"

#include <assert.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/cleanup.h"

struct stack {
	uint32_t *free;
	uint32_t count;
};

struct kbpf_slots {
	unsigned workers;
	uint32_t each; /* the room of each stack */
	struct stack of[];
};

#ifdef KEDGE_CHECKS
/* Every free slot is this worker's, and is free once. */
static void stack_check(const struct kbpf_slots *slots, unsigned worker)
{
	const struct stack *s = &slots->of[worker];
	_cleanup_(freep)
	bool *seen = calloc(slots->each + 1, sizeof(*seen));

	CHECK(slots, worker < slots->workers);
	CHECK(slots, s->count <= slots->each);
	for (uint32_t i = 0; seen && i < s->count; i++) {
		uint32_t at = s->free[i] - worker * slots->each;

		CHECK(s, at < slots->each);
		CHECK(s, !seen[at]);
		seen[at] = true;
	}
}
#endif

static void slots_freep(struct kbpf_slots **slots)
{
	kbpf_slots_free(*slots);
}

struct kbpf_slots *kbpf_slots_new(unsigned workers, uint32_t each)
{
	_cleanup_(slots_freep)
	struct kbpf_slots *slots = calloc(1, sizeof(*slots) + workers * sizeof(slots->of[0]));

	if (!slots)
		return NULL;
	slots->workers = workers;
	slots->each = each;
	for (unsigned w = 0; w < workers; w++) {
		struct stack *s = &slots->of[w];

		s->free = malloc(each * sizeof(*s->free));
		if (!s->free)
			return NULL;
		while (s->count < each) {
			s->free[s->count] = w * each + (each - 1 - s->count);
			s->count++;
		}
	}
	return take_ptr(slots);
}

void kbpf_slots_free(struct kbpf_slots *slots)
{
	for (unsigned w = 0; slots && w < slots->workers; w++)
		free(slots->of[w].free);
	free(slots);
}

bool kbpf_slots_take(struct kbpf_slots *slots, unsigned worker, uint32_t *slot)
{
	struct stack *s = &slots->of[worker];

	if (!s->count)
		return false;
	*slot = s->free[--s->count];
	CHECKED(stack_check(slots, worker));
	return true;
}

void kbpf_slots_put(struct kbpf_slots *slots, unsigned worker, uint32_t slot)
{
	struct stack *s = &slots->of[worker];

	assert(s->count < slots->each);
	s->free[s->count++] = slot;
	CHECKED(stack_check(slots, worker));
}
