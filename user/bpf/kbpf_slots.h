/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: free slots of kdg_note. Each worker has its own, and touches only those. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kbpf_slots;

/* Slots [w * each, (w + 1) * each) for worker w, all of them free. NULL when out of memory. */
struct kbpf_slots *kbpf_slots_new(unsigned workers, uint32_t each);
/* NULL is fine. */
void kbpf_slots_free(struct kbpf_slots *slots);

/* Takes the slot that was free last. False when the worker has none left. */
bool kbpf_slots_take(struct kbpf_slots *slots, unsigned worker, uint32_t *slot);
/* Gives back a slot that this worker has taken. */
void kbpf_slots_put(struct kbpf_slots *slots, unsigned worker, uint32_t slot);
