/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: tests what this kernel can do for the guard. Attaches nothing. */
#pragma once

#include <stddef.h>

/* Loads the program. 0 or -errno with why[]. */
int guard_probe_load(char why[256]);

/* Loads it again, in the form that libxdp's dispatcher calls. 0 or -errno with why[]. */
int guard_probe_dispatcher(char why[256]);
