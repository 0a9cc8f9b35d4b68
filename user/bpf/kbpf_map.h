/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what kedge does with a map of any BPF object that it loaded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bpf_map;

/*
 * Maps the values of an array that has BPF_F_MMAPABLE, to be read and written, and sets *size for
 * munmap(2). NULL with errno on failure. The caller unmaps them.
 */
void *kbpf_map_values(const struct bpf_map *map, size_t *size);

/*
 * Can the map's entries be changed with the capabilities that are effective now? Tries to delete
 * `absent`, a key that is never in the map.
 */
bool kbpf_map_may_change(const struct bpf_map *map, const void *absent);
