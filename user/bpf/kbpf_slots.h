/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the free slots of kdg_note. Each worker has its own and uses only those. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kbpf_slots;

/* Worker w has the slots [w * each, (w + 1) * each). NULL when out of memory. */
struct kbpf_slots *kbpf_slots_new(unsigned workers, uint32_t each);
/* NULL is fine. */
void kbpf_slots_free(struct kbpf_slots *slots);

/* Takes the slot that was put back last. False if the worker has none left. */
bool kbpf_slots_take(struct kbpf_slots *slots, unsigned worker, uint32_t *slot);
/* Puts back a slot that this worker has taken. */
void kbpf_slots_put(struct kbpf_slots *slots, unsigned worker, uint32_t slot);
