/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints the rate of this machine's time stamp counter, in kHz.
 *
 * QEMU shows a guest the counter of the machine it runs on. A guest measures its rate against
 * emulated timers. On a busy machine the result may be wrong by a factor of ten, and the guest's
 * clock runs too fast by as much. So run.sh tells the guest the rate.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct sample {
	uint64_t ticks;
	uint64_t ns;
};

/* One instant on both clocks: the best of many tries, some of which are interrupted. */
static struct sample take_sample(void)
{
	struct sample best = {0};
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		struct timespec now;
		uint64_t before = __rdtsc();
		uint64_t after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = __rdtsc();
		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best.ticks = before + shortest / 2;
		best.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	}
	return best;
}

int main(void)
{
	struct timespec pause = {.tv_nsec = 50000000};
	struct sample from = take_sample();
	struct sample to;

	nanosleep(&pause, NULL);
	to = take_sample();
	printf("%.0f\n", (double)(to.ticks - from.ticks) * 1e6 / (double)(to.ns - from.ns));
	return 0;
}
