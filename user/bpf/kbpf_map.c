/* SPDX-License-Identifier: BSD-2-Clause */
/* mmap(2) of maps, and permission to change them. See kbpf_map.h. */
#include "bpf/kbpf_map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

void *kbpf_map_values(const struct bpf_map *map, size_t *size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	*size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	*size = (*size + page - 1) / page * page;
	p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	return p == MAP_FAILED ? NULL : p;
}

bool kbpf_map_may_change(const struct bpf_map *map, const void *absent)
{
	return bpf_map_delete_elem(bpf_map__fd(map), absent) == 0 || errno != EPERM;
}
