/* SPDX-License-Identifier: BSD-2-Clause */
/* The process in numbers. See metrics_process.h. */
#include "metrics/metrics_process.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "metrics/metrics_put.h"

/* Asked about at a time. */
#define FDS_AT_ONCE 1024

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* In pages; 0 if it cannot be read. */
static void read_statm(uint64_t *virtual, uint64_t *resident)
{
	FILE *f = fopen("/proc/self/statm", "re");

	*virtual = *resident = 0;
	if (!f)
		return;
	if (fscanf(f, "%" SCNu64 " %" SCNu64, virtual, resident) != 2)
		*virtual = *resident = 0;
	fclose(f);
}

/* How many descriptors the kernel's table has room for; `most` if that cannot be read. */
static uint64_t table_size(uint64_t most)
{
	FILE *f = fopen("/proc/self/status", "re");
	uint64_t size = most;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "FDSize: %" SCNu64, &size) == 1)
			break;
	if (f)
		fclose(f);
	return size < most ? size : most;
}

/* poll(2) tells which are not open. It is asked for no event, and does not wait. */
static uint64_t open_among(int from, int to)
{
	struct pollfd fds[FDS_AT_ONCE];
	uint64_t open = 0;
	nfds_t n = 0;

	for (int fd = from; fd < to; fd++)
		fds[n++] = (struct pollfd){.fd = fd};
	if (poll(fds, n, 0) < 0)
		return 0;
	for (nfds_t i = 0; i < n; i++)
		open += !(fds[i].revents & POLLNVAL);
	return open;
}

/*
 * Linux 6.2 and later have the number in the size of /proc/self/fd. Earlier ones would need the
 * directory to be read, with a system call that the seccomp filter does not allow.
 */
static uint64_t open_fds(uint64_t most)
{
	struct stat st;
	uint64_t open = 0, end;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	end = table_size(most);
	for (uint64_t from = 0; from < end; from += FDS_AT_ONCE)
		open += open_among((int)from,
				   (int)(from + FDS_AT_ONCE < end ? from + FDS_AT_ONCE : end));
	return open;
}

void metrics_process_write(FILE *to, time_t started)
{
	struct rusage usage = {0};
	struct rlimit files = {0};
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), virtual, resident;

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	read_statm(&virtual, &resident);
	put_family(to, "process_cpu_seconds_total", "counter", "user and system CPU time");
	fprintf(to, "process_cpu_seconds_total %.6f\n",
		seconds(usage.ru_utime) + seconds(usage.ru_stime));
	put_family(to, "process_resident_memory_bytes", "gauge", "memory in use");
	fprintf(to, "process_resident_memory_bytes %" PRIu64 "\n", resident * page);
	put_family(to, "process_virtual_memory_bytes", "gauge", "address space in use");
	fprintf(to, "process_virtual_memory_bytes %" PRIu64 "\n", virtual * page);
	put_family(to, "process_open_fds", "gauge", "descriptors that are open");
	fprintf(to, "process_open_fds %" PRIu64 "\n", open_fds((uint64_t)files.rlim_cur));
	put_family(to, "process_max_fds", "gauge", "descriptors that may be open");
	fprintf(to, "process_max_fds %" PRIu64 "\n", (uint64_t)files.rlim_cur);
	put_family(to, "process_start_time_seconds", "gauge", "when it was started");
	fprintf(to, "process_start_time_seconds %lld\n", (long long)started);
}
