/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

void guard_new(struct guard *g, const void *bytes, size_t n, enum guard_side side)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (n + page - 1) / page * page;
	uint8_t *map;

	map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(map != MAP_FAILED, "guard: mmap");
	must(!mprotect(map + page, room, PROT_READ | PROT_WRITE), "guard: mprotect");

	*g = (struct guard){
		.data = side == GUARD_AFTER ? map + page + room - n : map + page,
		.len = n,
		.map = map,
		.map_len = room + 2 * page,
	};
	if (n && bytes)
		memcpy(g->data, bytes, n);
}

void guard_free(struct guard *g)
{
	if (g->map)
		must(!munmap(g->map, g->map_len), "guard: munmap");
	*g = (struct guard){0};
}
