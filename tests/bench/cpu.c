/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU time of other processes. See cpu.h. */
#include "cpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0) {
		fprintf(stderr, "load: a process that is measured is gone: %m\n");
		exit(1);
	}
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t cpu_self_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int cpu_group_parse(struct cpu_group *g, char *text)
{
	char *list = strchr(text, '='), *end;

	if (!list || list == text)
		return -EINVAL;
	*list++ = '\0';
	g->name = text;
	for (g->count = 0; g->count < CPU_GROUP_PIDS_MAX; list = end + 1) {
		long pid = strtol(list, &end, 10);

		if (end == list || pid <= 0 || (*end && *end != ','))
			return -EINVAL;
		if (clock_getcpuclockid((pid_t)pid, &g->clocks[g->count]))
			return -ESRCH;
		g->count++;
		if (!*end)
			return 0;
	}
	return -EINVAL;
}

uint64_t cpu_group_ns(const struct cpu_group *g)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->count; i++)
		sum += read_clock(g->clocks[i]);
	return sum;
}
