/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the process_* that all exporters have. */
#pragma once

#include <stdio.h>
#include <time.h>

/* `started`: seconds since the epoch. */
void metrics_process_write(FILE *to, time_t started);
