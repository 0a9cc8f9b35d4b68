/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what `kedge probe --speed` says, for people and as JSON. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "daemon/probe_speed.h"

/* kernel: its release. */
void speed_text_print(FILE *to, const struct speed_report *r, const char *kernel);

/* A new object, NULL when out of memory. */
json_t *speed_text_json(const struct speed_report *r, const char *kernel);
