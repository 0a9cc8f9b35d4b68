/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on the simulation (tests/sim/sim.h): a worker with its connections in a made-up world.
 * The input is the string of all decisions. The simulation judges the run itself.
 */
#include "tests/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct sim_result result;
	struct choices c;

	choices_bytes(&c, bytes, n);
	sim_run(&c, &result);
	return 0;
}
