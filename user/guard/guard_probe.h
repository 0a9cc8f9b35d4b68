/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what of the guard this kernel can do; nothing is attached to anything. */
#pragma once

#include <stddef.h>

/* Loads the program. 0 or -errno with why[]. */
int guard_probe_load(char why[256]);

/* Loads it once more, as what libxdp's dispatcher calls. 0 or -errno with why[]. */
int guard_probe_dispatcher(char why[256]);
