/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack of free slots for each worker. See kbpf_slots.h. */
#include "bpf/kbpf_slots.h"

#include <stdlib.h>

#include "base/cleanup.h"

struct stack {
	uint32_t *free;
	uint32_t count;
};

struct kbpf_slots {
	unsigned workers;
	struct stack of[];
};

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
	return true;
}

void kbpf_slots_put(struct kbpf_slots *slots, unsigned worker, uint32_t slot)
{
	struct stack *s = &slots->of[worker];

	s->free[s->count++] = slot;
}
