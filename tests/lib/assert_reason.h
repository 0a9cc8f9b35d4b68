/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: as assert_int_equal() for two of enum kedge_reason, but a failure has their names. */
#pragma once

#define assert_reason(got, want) \
	assert_reason_at((unsigned)(got), (unsigned)(want), #got, __FILE__, __LINE__)

void assert_reason_at(unsigned got, unsigned want, const char *what, const char *file, int line);
